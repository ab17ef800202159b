/* SPDX-License-Identifier: Apache-2.0 */
/* SFTP: requests, answers and everything that reads; sftp_put.c writes. */
#include "remotes/sftp.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"

#define BLOCK ((size_t)32 << 10)	/* every server takes that much */
#define BLOCK_MAX ((size_t)1 << 20)
#define IN_FLIGHT ((size_t)4 << 20)	/* bytes of one get that were asked for and did not come */
#define PIECES_MAX 128
#define READDIRS 4			/* asked for at a time */
#define LIST_MAX 100000000u

/* -- asking ------------------------------------------------------------------------------------ */

char *dv_sftp_path(const dv_sftp *s, const char *name)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	size_t n = strlen(s->root);

	dv_buf_addf(&b, "%s%s%s", s->root, n == 0 || s->root[n - 1] == '/' || !*name ? "" : "/",
		    name);
	if (b.n == 0)
		dv_buf_addc(&b, '.');
	return dv_buf_detach(&b);
}

int dv_sftp_ask(dv_sftp *s, dv_answer *a, uint8_t type, const char *path, const dv_buf *extra)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	dv_frame_str(&b, path);
	if (extra)
		dv_buf_add(&b, extra->p, extra->n);
	if (!a)
		s->unheard = true;
	return dv_mux_send(s->wire.mux, a, type, &b, NULL, 0);
}

int dv_sftp_ask_open(dv_sftp *s, dv_answer *a, const char *path, uint32_t flags, uint32_t mode)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	dv_frame_u32(&b, flags);
	dv_frame_u32(&b, mode ? 4 : 0);
	if (mode)
		dv_frame_u32(&b, mode);
	return dv_sftp_ask(s, a, SSH_FXP_OPEN, path, &b);
}

int dv_sftp_ask_handle(dv_sftp *s, dv_answer *a, uint8_t type, const dv_sftp_handle *h)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	dv_frame_bytes(&b, h->b, h->n);
	return dv_mux_send(s->wire.mux, a, type, &b, NULL, 0);
}

int dv_sftp_ask_read(dv_sftp *s, dv_answer *a, const dv_sftp_handle *h, uint64_t at, size_t n)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	dv_frame_bytes(&b, h->b, h->n);
	dv_frame_u64(&b, at);
	dv_frame_u32(&b, (uint32_t)n);
	return dv_mux_send(s->wire.mux, a, SSH_FXP_READ, &b, NULL, 0);
}

int dv_sftp_ask_fsync(dv_sftp *s, dv_answer *a, const dv_sftp_handle *h)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	dv_frame_str(&b, "fsync@openssh.com");
	dv_frame_bytes(&b, h->b, h->n);
	return dv_mux_send(s->wire.mux, a, SSH_FXP_EXTENDED, &b, NULL, 0);
}

void dv_sftp_drop_handle(dv_sftp *s, dv_sftp_handle *h)
{
	dv_error kept;

	if (h->n == 0)
		return;
	/* A failure that is being reported stays the one that is reported. */
	dv_error_take(&kept);
	if (dv_sftp_ask_handle(s, NULL, SSH_FXP_CLOSE, h))
		dv_error_clear();
	dv_error_put(&kept);
	h->n = 0;
}

/* -- answers ----------------------------------------------------------------------------------- */

int dv_sftp_status(dv_sftp *s, dv_answer *a, uint8_t want, uint32_t *code)
{
	dv_cursor c;
	int rc = dv_mux_wait(s->wire.mux, a);

	*code = SSH_FX_FAILURE;
	if (rc)
		return rc;
	c = (dv_cursor){ a->p, a->n, false };
	if (a->type == SSH_FXP_STATUS) {
		*code = dv_cursor_u32(&c);
		if (!c.bad && (*code != SSH_FX_OK || want == SSH_FXP_STATUS))
			return 0;
	} else if (a->type == want) {
		*code = SSH_FX_OK;
		return 0;
	}
	return dv_mux_nonsense(s->wire.mux, "what was not asked for");
}

/* The server's words, fit to print; "" when it has none of its own. */
static void words(const dv_answer *a, char *out, size_t size)
{
	dv_cursor c = { a->p, a->n, false };
	size_t n, k = 0;

	dv_cursor_u32(&c);
	const uint8_t *p = dv_cursor_bytes(&c, &n);
	for (size_t i = 0; a->type == SSH_FXP_STATUS && i < n && k + 1 < size; i++)
		out[k++] = p[i] < ' ' || p[i] >= 0x7f ? '?' : (char)p[i];
	out[k] = '\0';
}

int dv_sftp_fail(const dv_sftp *s, const dv_answer *a, uint32_t code, const char *verb,
		 const char *name)
{
	static const char *const usual[] = {
		"success", "end of file", "no such file", "permission denied", "failure",
		"bad message", "no connection", "connection lost", "operation not supported",
	};
	const int to = code == SSH_FX_NO_SUCH_FILE ? DV_ENOTFOUND :
		       code == SSH_FX_PERMISSION_DENIED ? DV_EAUTH :
		       code == SSH_FX_NO_CONNECTION || code == SSH_FX_CONNECTION_LOST ?
		       DV_ETRANSIENT : DV_ERROR;
	char said[200];

	words(a, said, sizeof said);
	if (!*said)
		strncpy(said, code < sizeof usual / sizeof *usual ? usual[code] : "failure",
			sizeof said - 1);
	dv_err(to, "cannot %s '%s' on %s: the server says '%s'", verb, name, s->what, said);
	if (code == SSH_FX_PERMISSION_DENIED && strcmp(verb, "read") != 0 && strcmp(verb, "list"))
		dv_err_hint(to, "this account may not change anything there; it can still be "
			    "pulled from");
	return to;
}

int dv_sftp_expect(dv_sftp *s, dv_answer *a, uint8_t want, const char *verb, const char *name)
{
	uint32_t code;
	int rc = dv_sftp_status(s, a, want, &code);

	return rc || code == SSH_FX_OK ? rc : dv_sftp_fail(s, a, code, verb, name);
}

int dv_sftp_parse_handle(dv_sftp *s, const dv_answer *a, dv_sftp_handle *h)
{
	dv_cursor c = { a->p, a->n, false };
	size_t n;
	const uint8_t *p = dv_cursor_bytes(&c, &n);

	if (c.bad || n == 0 || n > sizeof h->b)
		return dv_mux_nonsense(s->wire.mux, "a bad handle");
	memcpy(h->b, p, n);
	h->n = n;
	return 0;
}

static void attrs_at(dv_cursor *c, dv_sftp_attrs *out)
{
	uint32_t flags = dv_cursor_u32(c);
	size_t n;

	*out = (dv_sftp_attrs){ .has_size = flags & 1, .has_mode = flags & 4,
				.has_time = flags & 8 };
	if (flags & 1)
		out->size = dv_cursor_u64(c);
	if (flags & 2)
		dv_cursor_u64(c);
	if (flags & 4)
		out->mode = dv_cursor_u32(c);
	if (flags & 8) {
		dv_cursor_u32(c);
		out->mtime = dv_cursor_u32(c);
	}
	for (uint32_t k = flags & 0x80000000u ? dv_cursor_u32(c) : 0; k && !c->bad; k--) {
		dv_cursor_bytes(c, &n);
		dv_cursor_bytes(c, &n);
	}
}

int dv_sftp_parse_attrs(dv_sftp *s, const dv_answer *a, dv_sftp_attrs *out)
{
	dv_cursor c = { a->p, a->n, false };

	attrs_at(&c, out);
	return c.bad ? dv_mux_nonsense(s->wire.mux, "bad attributes") : 0;
}

int dv_sftp_lstat(dv_sftp *s, const char *path, dv_sftp_attrs *out, uint32_t *code)
{
	dv_auto(dv_answer) a = { 0 };
	int rc = dv_sftp_ask(s, &a, SSH_FXP_LSTAT, path, NULL);

	*out = (dv_sftp_attrs){ 0 };
	if (rc == 0)
		rc = dv_sftp_status(s, &a, SSH_FXP_ATTRS, code);
	return rc || *code != SSH_FX_OK ? rc : dv_sftp_parse_attrs(s, &a, out);
}

static bool is_file(const dv_sftp_attrs *t)
{
	return t->has_size && (!t->has_mode || (t->mode & S_IFMT) == S_IFREG ||
			       (t->mode & S_IFMT) == 0);
}

/* -- verbs that read --------------------------------------------------------------------------- */

/* What stands at a name; nothing there is a failure: "cannot <verb> <name>". */
static int ask_attrs(dv_sftp *s, const char *verb, const char *name, dv_sftp_attrs *out)
{
	dv_autofree char *path = dv_sftp_path(s, name);
	dv_auto(dv_answer) a = { 0 };
	int rc = path ? dv_sftp_ask(s, &a, SSH_FXP_LSTAT, path, NULL) : DV_ERROR;

	if (rc == 0)
		rc = dv_sftp_expect(s, &a, SSH_FXP_ATTRS, verb, name);
	return rc ? rc : dv_sftp_parse_attrs(s, &a, out);
}

static int sftp_stat(dv_wire *w, const char *name, uint64_t *size)
{
	dv_sftp *s = (dv_sftp *)w;
	dv_sftp_attrs t;
	int rc = ask_attrs(s, "read", name, &t);

	if (rc)
		return rc;
	if (!is_file(&t))
		return dv_err(DV_ERROR, "'%s' on %s is not a regular file", name, s->what);
	*size = t.size;
	return 0;
}

/* A get under way: pieces that were asked for, in order. */
typedef struct piece {
	dv_answer a;
	uint64_t at;
	size_t n, asked;
} piece;
typedef struct getting {
	dv_sftp *s;
	const char *name;
	dv_sftp_handle h;
	uint64_t next, end;	/* what to ask for */
	size_t max, count, first;	/* pieces: room for, asked for, the oldest */
	piece *pieces;
	dv_sink_cb sink;
	void *payload;
} getting;

static void getting_release(getting *g)
{
	for (size_t i = 0; g->pieces && i < g->max; i++) {
		dv_mux_forget(g->s->wire.mux, &g->pieces[i].a);
		dv_answer_release(&g->pieces[i].a);
	}
	free(g->pieces);
	if (g->s)
		dv_sftp_drop_handle(g->s, &g->h);
}

static int ask_next(getting *g)
{
	piece *p = &g->pieces[(g->first + g->count) % g->max];
	uint64_t left = g->end - g->next;

	p->at = g->next;
	p->n = p->asked = left < g->s->read_max ? (size_t)left : g->s->read_max;
	int rc = dv_sftp_ask_read(g->s, &p->a, &g->h, p->at, p->n);
	if (rc == 0) {
		g->next += p->n;
		g->count++;
	}
	return rc;
}

/* Hands a piece on; a server may give less than was asked for. */
static int take(getting *g, piece *p, bool *ended)
{
	while (p->n) {
		uint32_t code;
		size_t n;
		int rc = dv_sftp_status(g->s, &p->a, SSH_FXP_DATA, &code);

		if (rc)
			return rc;
		if (code == SSH_FX_EOF) {
			*ended = true;
			return 0;
		}
		if (code != SSH_FX_OK)
			return dv_sftp_fail(g->s, &p->a, code, "read", g->name);
		dv_cursor c = { p->a.p, p->a.n, false };
		const uint8_t *b = dv_cursor_bytes(&c, &n);
		if (c.bad || n == 0 || n > p->asked)
			return dv_mux_nonsense(g->s->wire.mux, "data that were not asked for");
		n = n < p->n ? n : p->n;
		if ((rc = g->sink(b, n, g->payload)))
			return rc;
		p->at += n;
		p->n = p->asked = p->n - n;
		if (p->n && (rc = dv_sftp_ask_read(g->s, &p->a, &g->h, p->at, p->n)))
			return rc;
	}
	return 0;
}

static int stream(getting *g)
{
	bool ended = false;

	while (!ended && (g->count || g->next < g->end)) {
		int rc = dv_check_cancel();

		while (rc == 0 && g->count < g->max && g->next < g->end)
			rc = ask_next(g);
		if (rc || (rc = take(g, &g->pieces[g->first], &ended)))
			return rc;
		g->first = (g->first + 1) % g->max;
		g->count--;
	}
	return 0;
}

/* The size of the open file, asked for together with its first bytes: most files are short. */
static int first_look(getting *g, uint64_t length)
{
	dv_auto(dv_answer) a = { 0 };
	dv_sftp_attrs t;
	uint64_t offset = g->next;
	int rc = dv_sftp_ask_handle(g->s, &a, SSH_FXP_FSTAT, &g->h);

	g->end = length > UINT64_MAX - offset ? UINT64_MAX : offset + length;
	if (rc == 0)
		rc = ask_next(g);
	if (rc == 0)
		rc = dv_sftp_expect(g->s, &a, SSH_FXP_ATTRS, "read", g->name);
	dv_mux_forget(g->s->wire.mux, &a);
	if (rc || (rc = dv_sftp_parse_attrs(g->s, &a, &t)))
		return rc;
	if (!is_file(&t))
		return dv_err(DV_ERROR, "'%s' on %s is not a regular file", g->name, g->s->what);
	if (g->end > t.size)
		g->end = t.size > offset ? t.size : offset;
	if (g->next > g->end)
		g->pieces[0].n = (size_t)((g->next = g->end) - offset);
	return 0;
}

static int sftp_get(dv_wire *w, const char *name, uint64_t offset, uint64_t length, dv_sink_cb sink,
		    void *payload)
{
	dv_sftp *s = (dv_sftp *)w;
	dv_autofree char *path = dv_sftp_path(s, name);
	dv_auto(dv_answer) a = { 0 };
	dv_auto(getting) g = { .s = s, .name = name, .next = offset, .sink = sink,
			       .payload = payload };

	if (!path)
		return DV_ERROR;
	g.max = IN_FLIGHT / s->read_max;
	g.max = g.max > PIECES_MAX ? PIECES_MAX : g.max;
	if (length / s->read_max + 1 < g.max)
		g.max = (size_t)(length / s->read_max) + 1;
	if (!(g.pieces = dv_calloc(g.max, sizeof *g.pieces)))
		return DV_ERROR;
	int rc = dv_sftp_ask_open(s, &a, path, SSH_FXF_READ, 0);
	if (rc || (rc = dv_sftp_expect(s, &a, SSH_FXP_HANDLE, "read", name)) ||
	    (rc = dv_sftp_parse_handle(s, &a, &g.h)))
		return rc;
	if (length == 0)
		return 0;
	rc = first_look(&g, length);
	return rc ? rc : stream(&g);
}

/* -- folders ----------------------------------------------------------------------------------- */

static int give_names(dv_sftp *s, const dv_answer *a, dv_sftp_entry_cb cb, void *payload)
{
	dv_cursor c = { a->p, a->n, false };
	char name[256];

	for (uint32_t k = dv_cursor_u32(&c); k && !c.bad; k--) {
		dv_sftp_attrs t;
		size_t n, nlong;
		const uint8_t *p = dv_cursor_bytes(&c, &n);

		dv_cursor_bytes(&c, &nlong);
		attrs_at(&c, &t);
		if (c.bad || n == 0 || n >= sizeof name || memchr(p, 0, n) || memchr(p, '/', n))
			continue;
		memcpy(name, p, n);
		name[n] = '\0';
		int rc = cb(name, &t, payload);
		if (rc)
			return rc;
	}
	return c.bad ? dv_mux_nonsense(s->wire.mux, "a bad listing") : 0;
}

typedef struct listing {
	dv_sftp *s;
	dv_sftp_handle h;
	dv_answer a[READDIRS];
} listing;
static void listing_release(listing *l)
{
	for (int i = 0; i < READDIRS; i++) {
		dv_mux_forget(l->s->wire.mux, &l->a[i]);
		dv_answer_release(&l->a[i]);
	}
	dv_sftp_drop_handle(l->s, &l->h);
}

int dv_sftp_each(dv_sftp *s, const char *path, dv_sftp_entry_cb cb, void *payload)
{
	dv_auto(listing) l = { .s = s };
	uint32_t code;
	int rc = dv_sftp_ask(s, &l.a[0], SSH_FXP_OPENDIR, path, NULL);

	if (rc || (rc = dv_sftp_status(s, &l.a[0], SSH_FXP_HANDLE, &code)))
		return rc;
	if (code == SSH_FX_NO_SUCH_FILE)
		return 0;
	if (code != SSH_FX_OK)
		return dv_sftp_fail(s, &l.a[0], code, "list", path);
	if ((rc = dv_sftp_parse_handle(s, &l.a[0], &l.h)))
		return rc;
	for (int i = 0; i < READDIRS && rc == 0; i++)
		rc = dv_sftp_ask_handle(s, &l.a[i], SSH_FXP_READDIR, &l.h);
	for (uint32_t i = 0; rc == 0 && i < LIST_MAX; i++) {
		dv_answer *a = &l.a[i % READDIRS];

		if ((rc = dv_sftp_status(s, a, SSH_FXP_NAME, &code)))
			return rc;
		if (code == SSH_FX_EOF)
			return 0;
		if (code != SSH_FX_OK)
			return dv_sftp_fail(s, a, code, "list", path);
		if ((rc = give_names(s, a, cb, payload)) == 0 && (rc = dv_check_cancel()) == 0)
			rc = dv_sftp_ask_handle(s, a, SSH_FXP_READDIR, &l.h);
	}
	return rc;
}

typedef struct list_to {
	const char *after;
	dv_list_cb cb;
	void *payload;
} list_to;

static int list_entry(const char *name, const dv_sftp_attrs *t, void *payload)
{
	const list_to *l = payload;

	if (name[0] == '.' || !is_file(t) || (l->after && strcmp(name, l->after) <= 0))
		return 0;
	return l->cb(name, t->size, l->payload);
}

static int sftp_list(dv_wire *w, const char *dir, const char *after, dv_list_cb cb, void *payload)
{
	dv_sftp *s = (dv_sftp *)w;
	dv_autofree char *path = dv_sftp_path(s, dir);
	list_to to = { after, cb, payload };

	return path ? dv_sftp_each(s, path, list_entry, &to) : DV_ERROR;
}

static bool fill_look(dv_remote_look *out, const dv_sftp_attrs *t)
{
	*out = (dv_remote_look){ .is_dir = t->has_mode && (t->mode & S_IFMT) == S_IFDIR };
	if (!out->is_dir && !is_file(t))
		return false;
	out->has_size = !out->is_dir && t->has_size;
	out->size = t->size;
	out->has_mtime = t->has_time;
	out->mtime_ns = (int64_t)t->mtime * INT64_C(1000000000);
	return true;
}

static int sftp_look(dv_wire *w, const char *name, dv_remote_look *out)
{
	dv_sftp_attrs t;
	int rc = ask_attrs((dv_sftp *)w, "look at", name, &t);

	if (rc == 0 && !fill_look(out, &t))
		rc = dv_err(DV_ERROR, "'%s' is neither a file nor a folder", name);
	return rc;
}

typedef struct look_to {
	const char *dir;
	dv_remote_look_cb cb;
	void *payload;
} look_to;

static int look_entry(const char *name, const dv_sftp_attrs *t, void *payload)
{
	const look_to *l = payload;
	dv_remote_look look;

	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return 0;
	if (fill_look(&look, t))
		return l->cb(name, &look, l->payload);
	dv_warn("'%s' in '%s' is neither a file nor a folder, and is left out", name, l->dir);
	return 0;
}

static int sftp_look_in(dv_wire *w, const char *dir, dv_remote_look_cb cb, void *payload)
{
	dv_sftp *s = (dv_sftp *)w;
	dv_autofree char *path = dv_sftp_path(s, dir);
	look_to to = { dir, cb, payload };

	return path ? dv_sftp_each(s, path, look_entry, &to) : DV_ERROR;
}

int dv_sftp_mkdirs(dv_sftp *s, const char *path, dv_answer *a, uint32_t *code)
{
	dv_auto(dv_buf) part = DV_BUF_INIT, none = DV_BUF_INIT;
	int rc = 0;

	*code = SSH_FX_OK;

	/* Sent together: all but the last are there in most cases, which is no failure. */
	dv_frame_u32(&none, 0);
	for (size_t i = 1; rc == 0 && path[i - 1]; i++) {
		if (path[i] && path[i] != '/')
			continue;
		dv_buf_clear(&part);
		dv_buf_add(&part, path, i);
		if (part.err || none.err)
			return part.err ? part.err : none.err;
		rc = dv_sftp_ask(s, path[i] ? NULL : a, SSH_FXP_MKDIR, part.p, &none);
	}
	return rc || !*path ? rc : dv_sftp_status(s, a, SSH_FXP_STATUS, code);
}

static int sftp_remove(dv_wire *w, const char *name)
{
	dv_sftp *s = (dv_sftp *)w;
	dv_autofree char *path = dv_sftp_path(s, name);
	dv_auto(dv_answer) a = { 0 };

	if (!path)
		return DV_ERROR;
	int rc = dv_sftp_ask(s, &a, SSH_FXP_REMOVE, path, NULL);
	return rc ? rc : dv_sftp_expect(s, &a, SSH_FXP_STATUS, "remove", name);
}

/* -- hello ------------------------------------------------------------------------------------- */

/* OpenSSH's server ends with its input, and leaves undone what it has read by then. */
static void hear_the_last(dv_sftp *s)
{
	dv_auto(dv_answer) a = { 0 };
	dv_error kept;

	if (!s->unheard || dv_mux_is_lost(s->wire.mux))
		return;
	dv_error_take(&kept);
	if (dv_sftp_ask(s, &a, SSH_FXP_LSTAT, s->root, NULL) == 0)
		(void)!dv_mux_wait(s->wire.mux, &a);
	dv_mux_forget(s->wire.mux, &a);
	dv_error_put(&kept);
}

static void sftp_free(dv_wire *w)
{
	dv_sftp *s = (dv_sftp *)w;

	hear_the_last(s);
	dv_mux_free(w->mux);
	free(s->root);
	free(s->what);
	free(s);
}

static const dv_wire_ops sftp_ops = {
	.stat = sftp_stat,
	.get = sftp_get,
	.put = dv_sftp_put,
	.put_if_absent = dv_sftp_put_if_absent,
	.list = sftp_list,
	.remove = sftp_remove,
	.free = sftp_free,
	.look = sftp_look,
	.look_in = sftp_look_in,
};

static bool is_extension(const uint8_t *p, size_t n, const char *name)
{
	return n == strlen(name) && !memcmp(p, name, n);
}

/* What the server says it can do. The answer's id was the version. */
static void read_extensions(dv_sftp *s, const dv_answer *version)
{
	dv_cursor c = { version->p, version->n, false };

	while (c.n && !c.bad) {
		size_t n, nv;
		const uint8_t *p = dv_cursor_bytes(&c, &n), *v = dv_cursor_bytes(&c, &nv);

		if (c.bad)
			break;
		if (n > 12 && !memcmp(p + n - 12, "@openssh.com", 12))
			s->has |= DV_SFTP_OPENSSH;
		if (nv != 1 || *v != '1')
			continue;
		if (is_extension(p, n, "fsync@openssh.com"))
			s->has |= DV_SFTP_FSYNC;
		else if (is_extension(p, n, "hardlink@openssh.com"))
			s->has |= DV_SFTP_HARDLINK;
		else if (is_extension(p, n, "limits@openssh.com"))
			s->has |= DV_SFTP_LIMITS;
	}
}

static size_t limit(uint64_t said)
{
	if (said < 1024)
		return BLOCK;	/* 0: the server has none that it knows of */
	return said < BLOCK_MAX ? (size_t)said : BLOCK_MAX;
}

static int ask_limits(dv_sftp *s)
{
	dv_auto(dv_answer) a = { 0 };
	uint32_t code;
	int rc;

	s->read_max = s->write_max = BLOCK;
	if (!(s->has & DV_SFTP_LIMITS))
		return 0;
	rc = dv_sftp_ask(s, &a, SSH_FXP_EXTENDED, "limits@openssh.com", NULL);
	if (rc || (rc = dv_sftp_status(s, &a, SSH_FXP_EXTENDED_REPLY, &code)) ||
	    code != SSH_FX_OK)
		return rc;
	dv_cursor c = { a.p, a.n, false };
	dv_cursor_u64(&c);
	uint64_t most_read = dv_cursor_u64(&c), most_written = dv_cursor_u64(&c);
	if (c.bad)
		return dv_mux_nonsense(s->wire.mux, "bad limits");
	s->read_max = limit(most_read);
	s->write_max = limit(most_written);
	return 0;
}

/* The folder is there, or is made. */
static int look_at_root(dv_sftp *s, bool create)
{
	dv_autofree char *path = dv_sftp_path(s, "");
	dv_auto(dv_answer) a = { 0 }, made = { 0 };
	uint32_t code, why = SSH_FX_OK;

	for (int i = 0; path && i < 2; i++) {
		int rc = dv_sftp_ask(s, &a, SSH_FXP_STAT, path, NULL);

		if (rc || (rc = dv_sftp_status(s, &a, SSH_FXP_ATTRS, &code)) || code == SSH_FX_OK)
			return rc;
		if (why != SSH_FX_OK)
			return dv_sftp_fail(s, &made, why, "make", path);
		if (code != SSH_FX_NO_SUCH_FILE || !create || i > 0)
			return dv_sftp_fail(s, &a, code, create ? "make" : "read", path);
		if ((rc = dv_sftp_mkdirs(s, path, &made, &why)))
			return rc;
	}
	return DV_ERROR;
}

int dv_sftp_new(dv_wire **out, dv_mux *m, const dv_answer *version, const char *root,
		const char *what, bool create)
{
	dv_sftp *s = dv_calloc(1, sizeof *s);

	if (!s) {
		dv_mux_free(m);
		return DV_ERROR;
	}
	s->wire.ops = &sftp_ops;
	s->wire.mux = m;
	s->root = dv_strdup(root);
	s->what = dv_strdup(what);
	read_extensions(s, version);
	int rc = s->root && s->what ? ask_limits(s) : DV_ERROR;
	if (rc == 0)
		rc = look_at_root(s, create);
	if (rc) {
		sftp_free(&s->wire);
		return rc;
	}
	s->wire.caps = DV_REMOTE_WRITE | DV_REMOTE_LIST | DV_REMOTE_TELLS;
	/* OpenSSH's plain rename makes a link first: it does not replace either. */
	if (s->has & (DV_SFTP_HARDLINK | DV_SFTP_OPENSSH))
		s->wire.caps |= DV_REMOTE_PUT_IF_ABSENT;
	*out = &s->wire;
	return 0;
}
