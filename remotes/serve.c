/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answering side of dv's own protocol: a folder is served on two descriptors. Nothing outside
 * the folder can be named. One thread answers, in the order of the questions; only making a file
 * durable, which takes its time, is left to others.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/path.h"
#include "base/pool.h"
#include "base/sha256.h"
#include "remotes/drivers.h"
#include "remotes/local.h"
#include "remotes/stdio.h"

#define HEADER 9u
#define REQUEST_MAX (DV_STDIO_BLOCK + 4096)
#define PUTS_MAX 64		/* under way at once */
#define NAMES_BYTES ((size_t)512 << 10)	/* of one page of a listing */
#define SYNC_THREADS 2
#define TICK_MS 200
#define NAME_ROOM 256

typedef struct server server;
/* A put under way, or being made durable. */
typedef struct putting {
	server *s;
	bool taken, ending;
	uint32_t handle, id;	/* id: of the request to end it */
	dv_local_receive *file;
} putting;

struct server {
	dv_remote *place;	/* NULL before hello */
	const char *path;
	bool read_only;
	int in, out;
	dv_pool *pool;
	pthread_mutex_t lock;	/* of the output and of puts[].taken */
	putting puts[PUTS_MAX];
	uint8_t *body;		/* of the request */
	size_t n, cap;
	dv_buf answer;
	uint8_t *block;
	dv_finder *finder;	/* once it was asked for */
};

static void server_release(server *s)
{
	dv_pool_free(s->pool);
	for (size_t i = 0; i < PUTS_MAX; i++)
		dv_local_receive_free(s->puts[i].file);
	if (s->place)
		s->place->driver->close(s->place);
	dv_finder_free(s->finder);
	dv_buf_release(&s->answer);
	free(s->body);
	free(s->block);
	pthread_mutex_destroy(&s->lock);
}

/* -- bytes ------------------------------------------------------------------------------------- */

/* Waits for a descriptor; the other side decides how long. */
static int wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };
	int rc = dv_check_cancel();

	while (rc == 0 && poll(&p, 1, TICK_MS) <= 0)
		rc = dv_check_cancel();
	return rc;
}

/* 0, 1 at an end between frames, or a failure. */
static int read_all(server *s, uint8_t *p, size_t n, bool may_end)
{
	for (size_t got = 0; got < n;) {
		ssize_t k = read(s->in, p + got, n - got);
		int rc = 0;

		if (k < 0 && (errno == EAGAIN || errno == EINTR))
			rc = wait_for(s->in, POLLIN);
		else if (k < 0)
			return dv_err_sys("cannot read the requests");
		else if (k == 0)
			return may_end && got == 0 ? 1 : dv_err(DV_ETRANSIENT, "the other side "
								"left in mid-sentence");
		if (rc)
			return rc;
		got += k > 0 ? (size_t)k : 0;
	}
	return 0;
}

static int write_all(server *s, struct iovec *v, int n)
{
	while (n > 0) {
		ssize_t k = v->iov_len ? writev(s->out, v, n) : 0; /* not disk */

		if (k < 0 && (errno == EAGAIN || errno == EINTR)) {
			int rc = wait_for(s->out, POLLOUT);
			if (rc)
				return rc;
			continue;
		}
		if (k < 0)
			return dv_err_sys("cannot answer");
		while (n > 0 && (size_t)k >= v->iov_len) {
			k -= (ssize_t)v->iov_len;
			v++, n--;
		}
		if (n > 0) {
			v->iov_base = (char *)v->iov_base + k;
			v->iov_len -= (size_t)k;
		}
	}
	return 0;
}

static int reply(server *s, uint8_t type, uint32_t id, const dv_buf *head, const void *p, size_t n)
{
	uint8_t h[HEADER];
	size_t len = HEADER - 4 + head->n + n;
	struct iovec v[3] = { { h, HEADER }, { head->p, head->n }, { (void *)(uintptr_t)p, n } };

	if (head->err)
		return head->err;
	for (int i = 0; i < 4; i++) {
		h[i] = (uint8_t)(len >> (24 - 8 * i));
		h[5 + i] = (uint8_t)(id >> (24 - 8 * i));
	}
	h[4] = type;
	pthread_mutex_lock(&s->lock);
	int rc = write_all(s, v, 3);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* Tells the thread's recorded failure. */
static int reply_error(server *s, uint32_t id)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	const dv_error *e = dv_error_last();

	dv_frame_u32(&b, (uint32_t)-e->code);
	dv_frame_str(&b, e->message);
	dv_frame_str(&b, e->hint);
	dv_frame_u32(&b, e->retry_after_ms);
	dv_error_clear();
	return reply(s, DV_STDIO_ERROR, id, &b, NULL, 0);
}

/* Answers with what a verb came to: its bytes in s->answer, or its failure. */
static int answer(server *s, uint32_t id, int rc)
{
	if (rc)
		return rc == DV_ECANCELLED ? rc : reply_error(s, id);
	return reply(s, DV_STDIO_OK, id, &s->answer, NULL, 0);
}

/* -- what may be named ------------------------------------------------------------------------- */

/* Takes a name from a request, "" for a listing of the root. */
static int take_name(dv_cursor *c, char out[NAME_ROOM], bool empty_too)
{
	size_t n;
	const uint8_t *p = dv_cursor_bytes(c, &n);

	*out = '\0';
	if (c->bad || n >= NAME_ROOM || memchr(p, 0, n))
		return dv_err(DV_EUSAGE, "a request is malformed");
	memcpy(out, p, n);
	out[n] = '\0';
	if (n == 0 && empty_too)
		return 0;
	/* Temporary files are the driver's own. */
	for (const char *s = out; s; s = strchr(s, '/')) {
		s += *s == '/';
		if (!strncmp(s, ".dv-", 4))
			return dv_err(DV_EUNSAFE, "refused the name '%s'", out);
	}
	return dv_wire_check_name(out);
}

static int may_write(const server *s)
{
	if (!s->read_only)
		return 0;
	dv_err(DV_EAUTH, "this folder is served for reading only");
	return dv_err_hint(DV_EAUTH, "it can still be pulled from");
}

/* -- verbs ------------------------------------------------------------------------------------- */

static int do_stat(server *s, dv_cursor *c)
{
	char name[NAME_ROOM];
	uint64_t size = 0;
	int rc = take_name(c, name, false);

	if (rc == 0)
		rc = s->place->driver->stat(s->place, name, &size);
	dv_frame_u64(&s->answer, size);
	return rc;
}

static int do_get(server *s, uint32_t id, dv_cursor *c)
{
	char name[NAME_ROOM];
	uint64_t size = 0;
	int rc = take_name(c, name, false);
	uint64_t offset = dv_cursor_u64(c);
	size_t n = dv_cursor_u32(c);

	if (rc == 0 && (c->bad || n > DV_STDIO_BLOCK))
		rc = dv_err(DV_EUSAGE, "a request is malformed");
	if (rc == 0 && !s->block && !(s->block = dv_malloc(DV_STDIO_BLOCK)))
		rc = DV_ERROR;
	if (rc == 0)
		rc = dv_local_read(s->place, name, offset, s->block, &n, &size);
	if (rc)
		return answer(s, id, rc);
	dv_frame_u64(&s->answer, size);
	return reply(s, DV_STDIO_OK, id, &s->answer, s->block, n);
}

static int do_remove(server *s, dv_cursor *c)
{
	char name[NAME_ROOM];
	int rc = take_name(c, name, false);

	if (rc == 0)
		rc = may_write(s);
	return rc ? rc : s->place->driver->remove(s->place, name);
}

static putting *find_put(server *s, uint32_t handle)
{
	putting *found = NULL;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < PUTS_MAX && !found; i++)
		if (s->puts[i].taken && !s->puts[i].ending && s->puts[i].handle == handle)
			found = &s->puts[i];
	pthread_mutex_unlock(&s->lock);
	return found;
}

static putting *new_put(server *s, uint32_t handle)
{
	putting *g = NULL;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < PUTS_MAX && !g; i++)
		if (!s->puts[i].taken)
			g = &s->puts[i];
	if (g)
		*g = (putting){ .s = s, .taken = true, .handle = handle };
	pthread_mutex_unlock(&s->lock);
	return g;
}

static void end_put(putting *g)
{
	dv_local_receive_free(dv_steal(&g->file));
	pthread_mutex_lock(&g->s->lock);
	g->taken = g->ending = false;
	pthread_mutex_unlock(&g->s->lock);
}

/* The hash of what a part holds, so that the other side can tell whether to go on from it. */
static int hash_part(server *s, const dv_local_receive *file, uint64_t have, dv_oid *out)
{
	dv_sha256_ctx sum;

	if (!s->block && !(s->block = dv_malloc(DV_STDIO_BLOCK)))
		return DV_ERROR;
	dv_sha256_init(&sum);
	for (uint64_t at = 0; at < have;) {
		size_t n = have - at < DV_STDIO_BLOCK ? (size_t)(have - at) : DV_STDIO_BLOCK;
		size_t got = 0;

		int rc = dv_check_cancel();

		if (rc)
			return rc;
		if (dv_fs_pread_all(dv_local_receive_fd(file), s->block, n, (off_t)at, &got))
			return dv_err_sys("cannot read a part");
		if (got != n)
			return dv_err(DV_ETRANSIENT, "a part became shorter");
		dv_sha256_update(&sum, s->block, n);
		at += n;
	}
	dv_sha256_final(&sum, out);
	return 0;
}

static int do_put(server *s, dv_cursor *c)
{
	uint32_t handle = dv_cursor_u32(c);
	char name[NAME_ROOM];
	dv_oid sum;
	uint64_t have = 0;
	int rc = take_name(c, name, false);
	uint64_t size = dv_cursor_u64(c);
	uint32_t flags = dv_cursor_u32(c);
	const unsigned how = (flags & DV_STDIO_RESUME ? DV_LOCAL_RESUME : 0u) |
			     (flags & DV_STDIO_IF_ABSENT ? DV_LOCAL_IF_ABSENT : 0u);

	if (rc == 0 && (c->bad || size > INT64_MAX || find_put(s, handle)))
		rc = dv_err(DV_EUSAGE, "a request is malformed");
	if (rc || (rc = may_write(s)))
		return rc;
	putting *g = new_put(s, handle);
	if (!g)
		return dv_err(DV_ERROR, "too many puts at once");
	int there = dv_local_receive_open(&g->file, s->place, name, size, how, &have);
	if (there < 0 || (have && (rc = hash_part(s, g->file, have, &sum)))) {
		end_put(g);
		return there < 0 ? there : rc;
	}
	dv_frame_u32(&s->answer, there ? DV_STDIO_THERE : 0);
	dv_frame_u64(&s->answer, have);
	dv_frame_bytes(&s->answer, sum.b, have ? sizeof sum.b : 0);
	return 0;
}

static int do_write(server *s, dv_cursor *c)
{
	putting *g = find_put(s, dv_cursor_u32(c));

	if (!g || c->bad)
		return dv_err(DV_EUSAGE, "a write without a put");
	return dv_local_receive_add(g->file, c->p, c->n);
}

static int finish_put(void *arg, int worker)
{
	putting *g = arg;
	server *s = g->s;
	uint32_t id = g->id;
	dv_auto(dv_buf) none = DV_BUF_INIT;
	int rc = dv_local_receive_end(g->file);

	(void)worker;
	end_put(g);
	return rc ? reply_error(s, id) : reply(s, DV_STDIO_OK, id, &none, NULL, 0);
}

static int do_done(server *s, uint32_t id, dv_cursor *c)
{
	putting *g = find_put(s, dv_cursor_u32(c));

	if (!g || c->bad)
		return answer(s, id, dv_err(DV_EUSAGE, "the end of a put that is none"));
	pthread_mutex_lock(&s->lock);
	g->id = id;
	g->ending = true;
	pthread_mutex_unlock(&s->lock);
	return dv_pool_submit(s->pool, finish_put, g);
}

static int do_drop(server *s, dv_cursor *c)
{
	putting *g = find_put(s, dv_cursor_u32(c));

	if (g)
		end_put(g);
	return 0;
}

/* -- listing ----------------------------------------------------------------------------------- */

typedef struct entry {
	uint64_t size;
	char *name;
} entry;
typedef struct names {
	entry *e;
	size_t n, cap;
} names;
static void names_release(names *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->e[i].name);
	free(l->e);
}

static int add_name(const char *name, uint64_t size, void *payload)
{
	names *l = payload;
	int rc = dv_grow(&l->e, &l->cap, l->n + 1, sizeof *l->e);

	if (rc)
		return rc;
	l->e[l->n] = (entry){ size, dv_strdup(name) };
	return l->e[l->n].name ? (l->n++, 0) : DV_ERROR;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const entry *)a)->name, ((const entry *)b)->name);
}

static int do_list(server *s, dv_cursor *c)
{
	char dir[NAME_ROOM], after[NAME_ROOM];
	dv_auto(names) l = { 0 };
	int rc = take_name(c, dir, true);

	if (rc == 0)
		rc = take_name(c, after, true);
	if (rc == 0)
		rc = s->place->driver->list(s->place, dir, *after ? after : NULL, add_name, &l);
	if (rc)
		return rc;
	if (l.n)
		qsort(l.e, l.n, sizeof *l.e, compare);
	size_t fit = 0, bytes = 0;
	while (fit < l.n && bytes < NAMES_BYTES)
		bytes += 12 + strlen(l.e[fit++].name);
	dv_frame_u32(&s->answer, fit < l.n ? DV_STDIO_MORE : 0);
	for (size_t i = 0; i < fit; i++) {
		dv_frame_str(&s->answer, l.e[i].name);
		dv_frame_u64(&s->answer, l.e[i].size);
	}
	return 0;
}

static int do_find(server *s, const dv_cursor *c)
{
	int rc = s->finder ? 0 : dv_finder_new(&s->finder, s->path);

	return rc ? rc : dv_finder_answer(s->finder, c->p, c->n, DV_STDIO_BLOCK, &s->answer);
}

/* -- the conversation -------------------------------------------------------------------------- */

static int do_hello(server *s, uint32_t id, dv_cursor *c)
{
	size_t n, nv;
	const uint8_t *magic = dv_cursor_bytes(c, &n), *v = dv_cursor_bytes(c, &nv);
	dv_cursor value = { v, nv, false };
	uint32_t version = dv_cursor_u32(&value), flags = dv_cursor_u32(&value);

	if (c->bad || value.bad || n != strlen(DV_STDIO_MAGIC) ||
	    memcmp(magic, DV_STDIO_MAGIC, n) != 0 || version == 0 || s->place)
		return dv_err(DV_ERROR, "the requests are not dv's");
	const dv_driver_options o = { .name = "served", .url_is_own = true,
				      .create = (flags & DV_STDIO_CREATE) && !s->read_only };
	int rc = dv_driver_local.open(&s->place, s->path, &o);
	if (rc)
		return reply_error(s, id);
	dv_frame_u32(&s->answer, DV_STDIO_VERSION);
	const unsigned caps = (s->place->caps & DV_STDIO_CAPS) | DV_REMOTE_FIND;
	dv_frame_u32(&s->answer, s->read_only ? caps & ~(unsigned)DV_REMOTE_WRITE : caps);
	return reply(s, DV_STDIO_WELCOME, id, &s->answer, NULL, 0);
}

/* One request. Its failure is an answer; what comes back from here ends the conversation. */
static int handle(server *s, uint8_t type, uint32_t id, dv_cursor *c)
{
	dv_buf_clear(&s->answer);
	if (type == DV_STDIO_HELLO)
		return do_hello(s, id, c);
	if (!s->place)
		return dv_err(DV_ERROR, "the requests are not dv's");
	switch (type) {
	case DV_STDIO_GET:
		return do_get(s, id, c);
	case DV_STDIO_DONE:
		return do_done(s, id, c);
	case DV_STDIO_STAT:
		return answer(s, id, do_stat(s, c));
	case DV_STDIO_PUT:
		return answer(s, id, do_put(s, c));
	case DV_STDIO_WRITE:
		return answer(s, id, do_write(s, c));
	case DV_STDIO_DROP:
		return answer(s, id, do_drop(s, c));
	case DV_STDIO_LIST:
		return answer(s, id, do_list(s, c));
	case DV_STDIO_REMOVE:
		return answer(s, id, do_remove(s, c));
	case DV_STDIO_FIND:
		return answer(s, id, do_find(s, c));
	default:
		return answer(s, id, dv_err(DV_EUSAGE, "there is no such request"));
	}
}

/* Reads a request and answers it; 1 at the end. */
static int serve_one(server *s)
{
	uint8_t h[HEADER];
	int rc = read_all(s, h, HEADER, true);

	if (rc)
		return rc;
	dv_cursor c = { h, HEADER, false };
	size_t len = dv_cursor_u32(&c);
	c.p++, c.n--;
	uint32_t id = dv_cursor_u32(&c);
	if (len < HEADER - 4 || len > REQUEST_MAX)
		return dv_err(DV_ERROR, "the requests are not dv's");
	s->n = len - (HEADER - 4);
	if (s->n > s->cap) {
		uint8_t *p = dv_realloc(s->body, s->n);
		if (!p)
			return DV_ERROR;
		s->body = p;
		s->cap = s->n;
	}
	if ((rc = read_all(s, s->body, s->n, false)))
		return rc;
	c = (dv_cursor){ s->body, s->n, false };
	return handle(s, h[4], id, &c);
}

int dv_serve(const char *path, const dv_serve_options *o)
{
	dv_auto(server) s = { .path = path, .read_only = o->read_only, .in = o->in, .out = o->out,
			      .lock = PTHREAD_MUTEX_INITIALIZER };
	dv_autofree char *absolute = dv_path_absolute(path);
	int rc;

	if (!absolute)
		return dv_error_last()->code;
	s.path = absolute;
	if ((rc = dv_pool_new(&s.pool, SYNC_THREADS, PUTS_MAX)))
		return rc;
	while ((rc = serve_one(&s)) == 0)
		;
	if (rc == 1)
		rc = dv_pool_wait(s.pool);
	return rc;
}
