/* SPDX-License-Identifier: Apache-2.0 */
/* The asking side of dv's own protocol; serve.c is the answering one. */
#include "remotes/stdio.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/sha256.h"

#define BLOCK ((size_t)256 << 10)	/* of a read or a write */
#define PIECES 16			/* under way for one get or put */
#define PIECES_ALL 32			/* for all gets of a connection, but two for each */
#define AT_ONCE ((uint64_t)2 << 20)	/* so much is sent without asking first */

typedef struct stdio_wire {
	dv_wire wire;
	char *what;
	_Atomic uint32_t handle;
	_Atomic unsigned gets;	/* under way */
} stdio_wire;

/* -- asking ------------------------------------------------------------------------------------ */

static int ask(stdio_wire *s, dv_answer *a, uint8_t type, const dv_buf *body)
{
	return dv_mux_send(s->wire.mux, a, type, body, NULL, 0);
}

/* Text of the other side, fit to print. */
static void words(dv_cursor *c, char *out, size_t size)
{
	size_t n, k = 0;
	const uint8_t *p = dv_cursor_bytes(c, &n);

	for (; k < n && k + 1 < size; k++)
		out[k] = p[k] < ' ' || p[k] >= 0x7f ? '?' : (char)p[k];
	out[k] = '\0';
}

/* Records what an error frame says. */
static int told(const char *what, const dv_answer *a)
{
	static const int classes[] = { DV_ERROR, DV_ENOTFOUND, DV_EEXISTS, DV_EAUTH, DV_ETRANSIENT,
				       DV_ECORRUPT, DV_EUNSAFE };
	dv_cursor c = { a->p, a->n, false };
	uint32_t class = dv_cursor_u32(&c);
	int rc = DV_ERROR;
	char message[1000], hint[400];

	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
		if (class == (uint32_t)-classes[i])
			rc = classes[i];
	words(&c, message, sizeof message);
	words(&c, hint, sizeof hint);
	uint32_t pause = dv_cursor_u32(&c);
	dv_err(rc, "%s: %s", what, *message ? message : "it failed");
	if (*hint)
		dv_err_hint(rc, "%s", hint);
	return pause ? dv_err_retry_after(rc, pause) : rc;
}

/* Waits for an answer; `c` stands at its body. */
static int expect(stdio_wire *s, dv_answer *a, dv_cursor *c)
{
	int rc = dv_mux_wait(s->wire.mux, a);

	*c = (dv_cursor){ a->p, a->n, false };
	if (rc || a->type == DV_STDIO_OK)
		return rc;
	if (a->type != DV_STDIO_ERROR)
		return dv_mux_nonsense(s->wire.mux, "what was not asked for");
	return told(s->what, a);
}

static int simple(stdio_wire *s, uint8_t type, const char *name, uint64_t *value)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	dv_auto(dv_answer) a = { 0 };
	dv_cursor c;

	dv_frame_str(&b, name);
	int rc = ask(s, &a, type, &b);
	if (rc == 0)
		rc = expect(s, &a, &c);
	if (rc == 0 && value)
		*value = dv_cursor_u64(&c);
	return rc == 0 && c.bad ? dv_mux_nonsense(s->wire.mux, "too short an answer") : rc;
}

static int stdio_stat(dv_wire *w, const char *name, uint64_t *size)
{
	return simple((stdio_wire *)w, DV_STDIO_STAT, name, size);
}

static int stdio_remove(dv_wire *w, const char *name)
{
	return simple((stdio_wire *)w, DV_STDIO_REMOVE, name, NULL);
}

/* -- get --------------------------------------------------------------------------------------- */

/* A transfer under way: requests that were sent, in order. */
typedef struct moving {
	stdio_wire *s;
	const char *name;
	dv_answer a[PIECES];
	size_t n[PIECES];	/* bytes that were asked for */
	size_t first, count;
	uint64_t next, end;
	uint32_t handle;
	bool counts;		/* among the gets under way */
	bool open;		/* a put that the other side still knows */
	uint8_t *block;
	dv_buf body;
} moving;

static void moving_release(moving *g)
{
	dv_error kept;

	dv_error_take(&kept);
	g->s->gets -= g->counts;
	for (size_t i = 0; i < PIECES; i++) {
		dv_mux_forget(g->s->wire.mux, &g->a[i]);
		dv_answer_release(&g->a[i]);
	}
	if (g->open && !dv_mux_is_lost(g->s->wire.mux)) {
		dv_buf_clear(&g->body);
		dv_frame_u32(&g->body, g->handle);
		(void)!ask(g->s, NULL, DV_STDIO_DROP, &g->body);
	}
	dv_error_put(&kept);
	dv_buf_release(&g->body);
	free(g->block);
}

static int ask_next(moving *g)
{
	size_t i = (g->first + g->count) % PIECES;
	uint64_t left = g->end - g->next;

	g->n[i] = left < BLOCK ? (size_t)left : BLOCK;
	dv_buf_clear(&g->body);
	dv_frame_str(&g->body, g->name);
	dv_frame_u64(&g->body, g->next);
	dv_frame_u32(&g->body, (uint32_t)g->n[i]);
	int rc = ask(g->s, &g->a[i], DV_STDIO_GET, &g->body);
	if (rc == 0) {
		g->next += g->n[i];
		g->count++;
	}
	return rc;
}

/* So many pieces of a get may be under way: what a connection has room for, it has once. */
static size_t most_pieces(const moving *g)
{
	size_t n = PIECES_ALL / g->s->gets;

	return n > PIECES ? PIECES : n < 2 ? 2 : n;
}

static int stdio_get(dv_wire *w, const char *name, uint64_t offset, uint64_t length,
		     dv_sink_cb sink, void *payload)
{
	dv_auto(moving) g = { .s = (stdio_wire *)w, .name = name, .next = offset };
	/* What an index or a pack has is worth a few questions behind its end. */
	bool known = false, one = length > PIECES * BLOCK && strncmp(name, "index/", 6) != 0 &&
				  strncmp(name, "packs/", 6) != 0;

	g.end = length > UINT64_MAX - offset ? UINT64_MAX : offset + length;
	g.counts = true;
	g.s->gets++;
	do {
		dv_cursor c;
		int rc = dv_check_cancel();

		/* The first answer tells how long the file is. */
		while (rc == 0 && (g.next < g.end || !known) &&
		       g.count < (known || !one ? most_pieces(&g) : 1) &&
		       (g.count == 0 || g.next < g.end))
			rc = ask_next(&g);
		if (rc || (rc = expect(g.s, &g.a[g.first], &c)))
			return rc;
		uint64_t size = dv_cursor_u64(&c);
		if (c.bad || c.n > g.n[g.first])
			return dv_mux_nonsense(w->mux, "data that were not asked for");
		if (!known) {
			known = true;
			g.end = g.end > size ? size : g.end;
		}
		if (c.n && (rc = sink(c.p, c.n, payload)))
			return rc;
		if (c.n < g.n[g.first])
			return 0;
		g.first = (g.first + 1) % PIECES;
		g.count--;
	} while (g.count || g.next < g.end);
	return 0;
}

/* -- put --------------------------------------------------------------------------------------- */

typedef struct source {
	int fd;			/* a file, or */
	const uint8_t *p;	/* these bytes */
	uint64_t size;
	unsigned flags;
} source;

static int load(moving *g, const source *from, uint64_t at, size_t n, const uint8_t **out)
{
	size_t got = 0;

	if (from->fd < 0) {
		*out = from->p + at;
		return 0;
	}
	if (!g->block && !(g->block = dv_malloc(BLOCK)))
		return DV_ERROR;
	if (dv_fs_pread_all(from->fd, g->block, n, (off_t)at, &got))
		return dv_err_sys("cannot read what is sent as '%s'", g->name);
	if (got != n)
		return dv_err(DV_ERROR, "what is sent as '%s' became shorter", g->name);
	*out = g->block;
	return 0;
}

static int settle_one(moving *g)
{
	dv_cursor c;
	dv_answer *a = &g->a[g->first];

	g->first = (g->first + 1) % PIECES;
	g->count--;
	return expect(g->s, a, &c);
}

static int ask_put(moving *g, const source *from, dv_answer *a, unsigned flags)
{
	g->handle = ++g->s->handle;
	dv_buf_clear(&g->body);
	dv_frame_u32(&g->body, g->handle);
	dv_frame_str(&g->body, g->name);
	dv_frame_u64(&g->body, from->size);
	dv_frame_u32(&g->body, flags);
	int rc = ask(g->s, a, DV_STDIO_PUT, &g->body);
	g->open = rc == 0;
	return rc;
}

/* What the other side has of it is what it should be, if their hashes agree. */
static int same_start(moving *g, const source *from, uint64_t have, const uint8_t *theirs,
		      bool *same)
{
	dv_sha256_ctx sum;
	dv_oid mine;

	dv_sha256_init(&sum);
	for (uint64_t at = 0; at < have;) {
		size_t n = have - at < BLOCK ? (size_t)(have - at) : BLOCK;
		const uint8_t *p;
		int rc = load(g, from, at, n, &p);

		if (rc || (rc = dv_check_cancel()))
			return rc;
		dv_sha256_update(&sum, p, n);
		at += n;
	}
	dv_sha256_final(&sum, &mine);
	*same = !memcmp(mine.b, theirs, sizeof mine.b);
	return 0;
}

/* Waits for leave to send; 1 when nothing need be sent. */
static int begin(moving *g, const source *from, dv_answer *a)
{
	for (int again = 0;; again = 1) {
		dv_cursor c;
		size_t n;
		bool same = true;
		int rc = expect(g->s, a, &c);

		if (rc) {
			g->open = false;
			return rc;
		}
		uint32_t flags = dv_cursor_u32(&c);
		uint64_t have = dv_cursor_u64(&c);
		const uint8_t *sum = dv_cursor_bytes(&c, &n);
		if (c.bad || have > from->size || (have && (again || n != sizeof(dv_oid))) ||
		    (have && !(from->flags & DV_STDIO_RESUME)))
			return dv_mux_nonsense(g->s->wire.mux, "a part that cannot be");
		if (flags & DV_STDIO_THERE)
			return 1;
		if (have && (rc = same_start(g, from, have, sum, &same)))
			return rc;
		g->next = have;
		if (same)
			return 0;
		dv_buf_clear(&g->body);
		dv_frame_u32(&g->body, g->handle);
		rc = ask(g->s, NULL, DV_STDIO_DROP, &g->body);
		g->next = 0;
		if (rc || (rc = ask_put(g, from, a, from->flags & ~(unsigned)DV_STDIO_RESUME)))
			return rc;
	}
}

static int send_bytes(moving *g, const source *from)
{
	int rc = 0;

	while (rc == 0 && g->next < from->size) {
		uint64_t left = from->size - g->next;
		size_t n = left < BLOCK ? (size_t)left : BLOCK;
		const uint8_t *p;

		rc = dv_check_cancel();
		while (rc == 0 && g->count >= PIECES - 1)
			rc = settle_one(g);
		if (rc || (rc = load(g, from, g->next, n, &p)) ||
		    (from->fd >= 0 && (rc = dv_remote_sending(g->s->wire.remote, n))))
			break;
		dv_buf_clear(&g->body);
		dv_frame_u32(&g->body, g->handle);
		rc = dv_mux_send(g->s->wire.mux, &g->a[(g->first + g->count) % PIECES],
				 DV_STDIO_WRITE, &g->body, p, n);
		if (rc == 0) {
			g->count++;
			g->next += n;
		}
	}
	return rc;
}

static int store(stdio_wire *s, const char *name, const source *from)
{
	dv_auto(dv_answer) leave = { 0 };
	dv_auto(moving) g = { .s = s, .name = name };
	bool at_once = from->size <= AT_ONCE;
	int rc = ask_put(&g, from, &leave, from->flags);

	/* A short file is sent with the question; the answers come together. */
	if (rc == 0 && !at_once)
		rc = begin(&g, from, &leave);
	if (rc == 0)
		rc = send_bytes(&g, from);
	if (rc == 0) {
		dv_buf_clear(&g.body);
		dv_frame_u32(&g.body, g.handle);
		rc = ask(s, &g.a[(g.first + g.count) % PIECES], DV_STDIO_DONE, &g.body);
		g.count += rc == 0;
	}
	if (rc == 0 && at_once && (rc = begin(&g, from, &leave)) == 1)
		rc = 0;
	while (rc == 0 && g.count)
		rc = settle_one(&g);
	g.open = g.open && rc;
	dv_mux_forget(s->wire.mux, &leave);
	return rc == 1 ? 0 : rc;
}

static int stdio_put(dv_wire *w, const char *name, int fd, uint64_t size)
{
	const source from = { .fd = fd, .size = size,
			      .flags = size >= DV_STDIO_PART_FROM && dv_wire_names_bytes(name) ?
				       DV_STDIO_RESUME : 0 };
	struct stat st;

	if (fstat(fd, &st))
		return dv_err_sys("cannot look at what is sent as '%s'", name);
	if ((uint64_t)st.st_size != size)
		return dv_err(DV_ERROR, "what is sent as '%s' has %" PRIu64 " bytes, not %" PRIu64,
			      name, (uint64_t)st.st_size, size);
	return store((stdio_wire *)w, name, &from);
}

static int stdio_put_if_absent(dv_wire *w, const char *name, const void *p, size_t n)
{
	const source from = { .fd = -1, .p = p, .size = n, .flags = DV_STDIO_IF_ABSENT };

	return store((stdio_wire *)w, name, &from);
}

/* -- list -------------------------------------------------------------------------------------- */

/* Hands on the entries of an answer; the last name stands in `after`. */
static int give(dv_cursor *c, dv_buf *after, dv_list_cb cb, void *payload, bool *any)
{
	char name[256];

	while (c->n && !c->bad) {
		size_t n;
		const uint8_t *p = dv_cursor_bytes(c, &n);
		uint64_t size = dv_cursor_u64(c);

		if (c->bad || n == 0 || n >= sizeof name || memchr(p, 0, n) || memchr(p, '/', n))
			return dv_err(DV_ERROR, "a listing is damaged");
		memcpy(name, p, n);
		name[n] = '\0';
		/* In order, so that it comes to an end. */
		if (strcmp(name, dv_buf_str(after)) <= 0)
			return dv_err(DV_ERROR, "a listing is out of order");
		dv_buf_clear(after);
		int rc = dv_buf_adds(after, name);
		if (rc || (rc = name[0] == '.' ? 0 : cb(name, size, payload)))
			return rc;
		*any = true;
	}
	return c->bad ? dv_err(DV_ERROR, "a listing is damaged") : 0;
}

static int stdio_list(dv_wire *w, const char *dir, const char *after, dv_list_cb cb, void *payload)
{
	stdio_wire *s = (stdio_wire *)w;
	dv_auto(dv_buf) b = DV_BUF_INIT, last = DV_BUF_INIT;
	dv_auto(dv_answer) a = { 0 };
	uint32_t flags;
	bool any;

	if (after && dv_buf_adds(&last, after))
		return last.err;
	do {
		dv_cursor c;

		any = false;
		dv_buf_clear(&b);
		dv_frame_str(&b, dir);
		dv_frame_str(&b, dv_buf_str(&last));
		int rc = ask(s, &a, DV_STDIO_LIST, &b);
		if (rc || (rc = expect(s, &a, &c)))
			return rc;
		flags = dv_cursor_u32(&c);
		if ((rc = give(&c, &last, cb, payload, &any)) || (rc = dv_check_cancel()))
			return rc;
	} while ((flags & DV_STDIO_MORE) && any);
	return 0;
}

static int stdio_find(dv_wire *w, const void *request, size_t n, dv_buf *out)
{
	stdio_wire *s = (stdio_wire *)w;
	const dv_buf body = { .p = (char *)(uintptr_t)request, .n = n };	/* borrowed */
	dv_auto(dv_answer) a = { 0 };
	dv_cursor c;
	int rc = ask(s, &a, DV_STDIO_FIND, &body);

	dv_buf_clear(out);
	if (rc == 0)
		rc = expect(s, &a, &c);
	return rc ? rc : dv_buf_add(out, c.p, c.n);
}

/* -- hello ------------------------------------------------------------------------------------- */

static void stdio_free(dv_wire *w)
{
	stdio_wire *s = (stdio_wire *)w;

	dv_mux_free(w->mux);
	free(s->what);
	free(s);
}

static const dv_wire_ops stdio_ops = {
	.stat = stdio_stat,
	.get = stdio_get,
	.put = stdio_put,
	.put_if_absent = stdio_put_if_absent,
	.list = stdio_list,
	.remove = stdio_remove,
	.find = stdio_find,
	.free = stdio_free,
};

int dv_stdio_hello(dv_mux *m, dv_answer *a, bool create)
{
	dv_auto(dv_buf) b = DV_BUF_INIT, value = DV_BUF_INIT;

	dv_frame_u32(&value, DV_STDIO_VERSION);
	dv_frame_u32(&value, create ? DV_STDIO_CREATE : 0);
	dv_frame_str(&b, DV_STDIO_MAGIC);
	dv_frame_bytes(&b, value.p, value.n);
	int rc = value.err ? value.err : dv_mux_send(m, a, DV_STDIO_HELLO, &b, NULL, 0);
	return rc ? rc : dv_mux_wait(m, a);
}

int dv_stdio_new(dv_wire **out, dv_mux *m, const dv_answer *a, const char *what)
{
	dv_cursor c = { a->p, a->n, false };
	uint32_t version = dv_cursor_u32(&c), caps = dv_cursor_u32(&c);
	int rc = 0;

	if (a->type == DV_STDIO_ERROR)
		rc = told(what, a);
	else if (a->type != DV_STDIO_WELCOME || c.bad)
		rc = dv_mux_nonsense(m, "something that is not dv's protocol");
	else if (version != DV_STDIO_VERSION)
		rc = dv_err(DV_ERROR, "%s speaks version %u of the protocol, which this dv does "
			    "not know", what, (unsigned)version);
	stdio_wire *s = rc ? NULL : dv_calloc(1, sizeof *s);
	if (s && !(s->what = dv_strdup(what))) {
		free(s);
		s = NULL;
	}
	if (!s) {
		dv_mux_free(m);
		return rc ? rc : DV_ERROR;
	}
	s->wire.ops = &stdio_ops;
	s->wire.mux = m;
	s->wire.caps = caps & DV_STDIO_CAPS;
	*out = &s->wire;
	return 0;
}
