/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A remote's log: found, read, replayed, added to; and the mirror's `state` file, which keeps what
 * the entries add up to, so that only new ones are read. The state names the entry it goes up to by
 * a print of its bytes: a remote that was replaced is noticed, and the mirror starts anew.
 *
 * state: "dv-mirror 1 <head, 12 digits> <checkpoint, 12 digits> <print, 64 hex> <SHA-256 of the
 * rest, 64 hex>", newline, a checkpoint entry.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/sha256.h"
#include "transfer/internal.h"

#define PRINT_BYTES (64u << 10)
#define STATE_HEADER 168u
#define SETTLE_MS 1000u		/* at least so long an entry stands alone before it counts */
#define SETTLE_MAX_MS 10000u
#define ATTEMPTS 10000		/* numbers that others may take in a row */
#define FEW 3			/* entries that are read one by one before more are looked for */
#define WINDOW 64		/* entries that are read at once */
#define WINDOW_BYTES ((uint64_t)16 << 20)
#define STATE_MAX (2u * DV_LOG_ENTRY_MAX)

static void log_path(char out[DV_NAME_ROOM], uint64_t number)
{
	char name[DV_LOG_NAME_LEN + 1];

	dv_log_name(name, number);
	snprintf(out, DV_NAME_ROOM, "log/%s", name);
}

static void print_of(dv_oid *out, const dv_buf *b)
{
	dv_sha256(out, b->p, b->n < PRINT_BYTES ? b->n : PRINT_BYTES);
}

static int bad_entry(int rc, uint64_t number, const dv_remote_store *r)
{
	rc = dv_err_ctx(rc, "entry %" PRIu64 " of remote '%s'", number, r->name);
	if (rc == DV_ECORRUPT)
		dv_err_hint(rc, "run 'dv fsck -r %s' to see what is left", r->name);
	return rc;
}

int dv_remote_log_read(dv_remote_store *r, uint64_t number, dv_log_entry *out, dv_oid *print)
{
	char name[DV_NAME_ROOM];
	dv_auto(dv_buf) b = DV_BUF_INIT;

	log_path(name, number);
	for (int again = 1;; again--) {
		dv_buf_clear(&b);
		int rc = dv_remote_get_file(r, name, DV_LOG_ENTRY_MAX, &b);
		if (rc)
			return rc;
		print_of(print, &b);
		rc = dv_log_entry_parse(out, dv_buf_str(&b), b.n);
		/* What was spoilt on its way comes well the next time. */
		if (rc != DV_ECORRUPT || !again)
			return rc ? bad_entry(rc, number, r) : 0;
	}
}

static int create_enforced(dv_remote_store *r, const char *name, const void *p, size_t n)
{
	int rc = r->r->driver->put_if_absent(r->r, name, p, n);

	return rc && rc != DV_EEXISTS ? dv_err_ctx(rc, "remote '%s'", r->name) : rc;
}

/* Where the place does not help: look, put, wait, and look whether it was overwritten. Who looked
 * before we put, and puts within the pause, is seen. Who takes longer from look to put
 * hides our file; docs/durability.md says what that means. */
static int create_weakly(dv_remote_store *r, const char *name, const void *p, size_t n)
{
	dv_autoclose int fd = dv_memory_file(p, n);
	int64_t begin = dv_clock_ms();
	uint64_t size;
	int rc = fd < 0 ? DV_ERROR : r->r->driver->stat(r->r, name, &size);

	if (rc == 0)
		return DV_EEXISTS;
	if (rc == DV_ENOTFOUND)
		rc = r->r->driver->put(r->r, name, fd, n);
	if (rc)
		return rc == DV_EEXISTS ? rc : dv_err_ctx(rc, "remote '%s'", r->name);
	uint64_t took = (uint64_t)(dv_clock_ms() - begin);
	uint64_t pause = 5 * took < SETTLE_MS ? SETTLE_MS : 5 * took;
	if ((rc = dv_pause(pause < SETTLE_MAX_MS ? (unsigned)pause : SETTLE_MAX_MS)))
		return rc;
	return DV_EEXISTS;	/* ours or not: the bytes tell */
}

int dv_remote_create_file(dv_remote_store *r, const char *name, const void *p, size_t n)
{
	dv_auto(dv_buf) there = DV_BUF_INIT;
	int rc = r->create == DV_CREATE_ENFORCED ? create_enforced(r, name, p, n) :
						   create_weakly(r, name, p, n);

	if (rc != DV_EEXISTS)
		return rc;
	/* Our own, when the answer to a first try got lost. */
	rc = dv_remote_get_file(r, name, DV_LOG_ENTRY_MAX, &there);
	if (rc)
		return rc;
	if (there.n == n && memcmp(there.p, p, n) == 0)
		return 0;
	return dv_err(DV_EEXISTS, "remote '%s' has '%s' already", r->name, name);
}

int dv_remote_log_create(dv_remote_store *r, uint64_t number, const dv_log_entry *e, dv_oid *print)
{
	char name[DV_NAME_ROOM];
	dv_auto(dv_buf) b = DV_BUF_INIT;
	int rc = dv_log_entry_write(&b, e);

	if (rc)
		return rc;
	print_of(print, &b);
	log_path(name, number);
	return dv_remote_create_file(r, name, b.p, b.n);
}

int dv_remote_log_apply(dv_remote_store *r, uint64_t number, const dv_log_entry *e,
			const dv_oid *print)
{
	int rc = dv_log_apply(&r->state, number, e);

	if (rc)
		return bad_entry(rc, number, r);
	r->head_print = *print;
	return 0;
}

int dv_remote_log_append(dv_remote_store *r, dv_log_entry *e, const dv_log_appending *with,
			 bool *stopped)
{
	int rc = dv_random(e->nonce, sizeof e->nonce);

	*stopped = false;
	for (int i = 0; rc == 0 && i < ATTEMPTS; i++) {
		dv_auto(dv_log_entry) other = DV_LOG_ENTRY_INIT;
		uint64_t number = r->state.head + 1;
		dv_oid print;

		if (with->prepare && (rc = with->prepare(e, stopped, with->payload)))
			return rc;
		if (*stopped)
			return 0;
		e->base = r->state.head;
		rc = dv_remote_log_create(r, number, e, &print);
		if (rc == 0)
			return dv_remote_log_apply(r, number, e, &print);
		if (rc != DV_EEXISTS)
			return rc;
		if ((rc = dv_check_cancel()) ||
		    (rc = dv_remote_log_read(r, number, &other, &print)) ||
		    (rc = dv_remote_log_apply(r, number, &other, &print)) ||
		    (rc = with->came(&other, stopped, with->payload)) || *stopped)
			return rc;
	}
	return rc ? rc : dv_err(DV_ETRANSIENT, "remote '%s' is too busy", r->name);
}

/* -- finding what is new ----------------------------------------------------------------------- */

/* What a listing tells of entries. */
typedef struct listed {
	uint64_t number, size;
} listed;
typedef struct listing {
	listed *e;
	size_t n, cap;
} listing;
static void listing_release(listing *l)
{
	free(l->e);
}

static int top_cb(const char *name, uint64_t size, void *payload)
{
	listing *l = payload;
	uint64_t n = dv_log_number(name);

	if (n == 0 || strlen(name) != DV_LOG_NAME_LEN)
		return 0;
	int rc = dv_grow(&l->e, &l->cap, l->n + 1, sizeof *l->e);
	if (rc == 0)
		l->e[l->n++] = (listed){ n, size };
	return rc;
}

static int compare_listed(const void *a, const void *b)
{
	const listed *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

/* The entries after the state's head, by a listing: the run without a gap. */
static int top_by_list(dv_remote_store *r, listing *l)
{
	char after[DV_LOG_NAME_LEN + 1];
	size_t n = 0;

	dv_log_name(after, r->state.head);
	int rc = r->r->driver->list(r->r, "log", r->state.head ? after : NULL, top_cb, l);
	if (rc)
		return dv_err_ctx(rc, "remote '%s'", r->name);
	if (l->n)
		qsort(l->e, l->n, sizeof *l->e, compare_listed);
	while (n < l->n && l->e[n].number == r->state.head + 1 + n)
		n++;
	l->n = n;
	return 0;
}

static int entry_exists(dv_remote_store *r, uint64_t number, bool *exists)
{
	char name[DV_NAME_ROOM];
	uint64_t size;

	log_path(name, number);
	int rc = r->r->driver->stat(r->r, name, &size);
	*exists = rc == 0;
	return rc == DV_ENOTFOUND ? 0 : rc;
}

/* The same without listing: doubling steps, then halving them. */
static int top_by_probe(dv_remote_store *r, uint64_t *top)
{
	uint64_t low = r->state.head, step = 1, high;
	bool exists;
	int rc;

	for (;; step *= 2) {
		high = low + step;
		if ((rc = entry_exists(r, high, &exists)))
			return rc;
		if (!exists)
			break;
		low = high;
		if (step >= (uint64_t)1 << 36)
			return dv_err(DV_ECORRUPT, "the log of remote '%s' has no end", r->name);
	}
	while (high - low > 1) {
		uint64_t mid = low + (high - low) / 2;

		if ((rc = entry_exists(r, mid, &exists)))
			return rc;
		if (exists)
			low = mid;
		else
			high = mid;
	}
	*top = low;
	return 0;
}

/* -- reading many ------------------------------------------------------------------------------ */

typedef struct read_job {
	dv_remote_store *r;
	uint64_t number;
	dv_log_entry e;
	dv_oid print;
} read_job;

static int read_run(void *arg, int worker)
{
	read_job *j = arg;

	(void)worker;
	return dv_remote_log_read(j->r, j->number, &j->e, &j->print);
}

/* A run of entries, read at once. */
typedef struct window {
	read_job j[WINDOW];
	size_t n;
} window;
static void window_release(window *w)
{
	for (size_t i = 0; i < w->n; i++)
		dv_log_entry_release(&w->j[i].e);
	w->n = 0;
}

static int read_window(dv_remote_store *r, dv_pool *pool, uint64_t from, size_t n, window *w)
{
	int rc = 0;

	window_release(w);
	w->n = n;
	for (size_t i = 0; i < n; i++)
		w->j[i] = (read_job){ .r = r, .number = from + i, .e = DV_LOG_ENTRY_INIT };
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = dv_pool_submit(pool, read_run, &w->j[i]);
	int end = dv_pool_wait(pool);
	return end ? end : rc;
}

/* How many entries from `from` on may be read at once: those that a listing knows to be small. */
static size_t window_size(const listing *l, uint64_t from, uint64_t top)
{
	uint64_t sum = 0;
	size_t n = 0;

	for (; n < WINDOW && from + n <= top; n++) {
		uint64_t i = l->n ? from + n - l->e[0].number : 0;

		sum += i < l->n ? l->e[i].size : WINDOW_BYTES / 8;
		if (n && sum > WINDOW_BYTES)
			break;
	}
	return n;
}

/* The newest checkpoint, which is not far back; *from stays when there is none. Checkpoints are
 * long, so the longest entry is tried before all are looked at. */
static int find_checkpoint(dv_remote_store *r, dv_pool *pool, const listing *l, uint64_t top,
			   uint64_t *from)
{
	dv_auto(window) w = { .n = 0 };
	uint64_t low = top - 2 * DV_CHECKPOINT_EVERY + 1;
	size_t longest = l->n ? (size_t)(low - l->e[0].number) : 0;
	int rc = 0;

	for (size_t i = longest; i < l->n; i++)
		if (l->e[i].size >= l->e[longest].size)
			longest = i;
	if (longest < l->n) {
		rc = read_window(r, pool, l->e[longest].number, 1, &w);
		if (rc == 0 && w.j[0].e.kind == DV_LOG_CHECKPOINT) {
			*from = l->e[longest].number;
			return 0;
		}
	}
	for (uint64_t high = top; rc == 0 && high >= low; high -= WINDOW / 2) {
		rc = read_window(r, pool, high - WINDOW / 2 + 1, WINDOW / 2, &w);
		for (size_t i = w.n; rc == 0 && i-- > 0;)
			if (w.j[i].e.kind == DV_LOG_CHECKPOINT) {
				*from = w.j[i].number;
				return 0;
			}
	}
	return rc;
}

static int replay_many(dv_remote_store *r, const listing *l, uint64_t top)
{
	dv_auto(window) w = { .n = 0 };
	dv_autoptr(dv_pool) pool = NULL;
	uint64_t from = r->state.head + 1;
	int rc = dv_pool_new(&pool, dv_wrap_jobs(r->r, 0), WINDOW);

	if (rc == 0 && top > r->state.head + 2 * DV_CHECKPOINT_EVERY)
		rc = find_checkpoint(r, pool, l, top, &from);
	while (rc == 0 && from <= top) {
		size_t n = window_size(l, from, top);

		rc = read_window(r, pool, from, n, &w);
		for (size_t i = 0; i < n && rc == 0; i++)
			rc = dv_remote_log_apply(r, from + i, &w.j[i].e, &w.j[i].print);
		from += n;
	}
	return rc;
}

int dv_remote_log_each(dv_remote_store *r, uint64_t from, uint64_t to, dv_log_cb cb, void *payload)
{
	dv_auto(window) w = { .n = 0 };
	dv_autoptr(dv_pool) pool = NULL;
	const listing none = { 0 };
	int rc = dv_pool_new(&pool, dv_wrap_jobs(r->r, 0), WINDOW);

	while (rc == 0 && from <= to) {
		size_t n = window_size(&none, from, to);

		if ((rc = dv_check_cancel()) == 0)
			rc = read_window(r, pool, from, n, &w);
		for (size_t i = 0; i < n && rc == 0; i++)
			rc = cb(&w.j[i].e, payload);
		from += n;
	}
	return rc;
}

/* The usual case is that nothing or little is new: one look tells. */
static int replay_few(dv_remote_store *r, bool *more)
{
	*more = true;
	for (int i = 0; i < FEW; i++) {
		dv_auto(dv_log_entry) e = DV_LOG_ENTRY_INIT;
		dv_oid print;
		int rc = dv_remote_log_read(r, r->state.head + 1, &e, &print);

		if (rc == DV_ENOTFOUND) {
			dv_error_clear();
			*more = false;
			return 0;
		}
		if (rc == 0)
			rc = dv_remote_log_apply(r, r->state.head + 1, &e, &print);
		if (rc)
			return rc;
	}
	return 0;
}

int dv_remote_log_replay(dv_remote_store *r)
{
	dv_auto(listing) l = { 0 };
	bool more = true;
	uint64_t top = r->state.head;
	int rc = r->state.head ? replay_few(r, &more) : 0;

	if (rc || !more)
		return rc;
	if (r->r->caps & DV_REMOTE_LIST) {
		rc = top_by_list(r, &l);
		top = r->state.head + l.n;
	} else {
		rc = top_by_probe(r, &top);
	}
	if (rc || top == r->state.head)
		return rc;
	return replay_many(r, &l, top);
}

/* -- the mirror -------------------------------------------------------------------------------- */

static void forget(dv_remote_store *r)
{
	dv_log_state_release(&r->state);
	r->state = (dv_log_state)DV_LOG_STATE_INIT;
	memset(&r->head_print, 0, sizeof r->head_print);
}

int dv_remote_log_verify(dv_remote_store *r)
{
	char name[DV_NAME_ROOM];
	dv_auto(dv_buf) b = DV_BUF_INIT;
	dv_oid print;

	if (r->state.head == 0)
		return 0;
	log_path(name, r->state.head);
	int rc = dv_remote_get_range(r, name, 0, PRINT_BYTES, &b);
	if (rc && rc != DV_ENOTFOUND && rc != DV_ECORRUPT)
		return rc;
	print_of(&print, &b);
	if (rc == DV_ENOTFOUND || !dv_oid_eq(&print, &r->head_print))
		forget(r);
	return 0;
}

static bool parse_number(const char *p, uint64_t *out)
{
	*out = 0;
	for (int i = 0; i < DV_LOG_NAME_LEN; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		*out = *out * 10 + (uint64_t)(p[i] - '0');
	}
	return true;
}

static int parse_state(dv_remote_store *r, const char *p, size_t n)
{
	dv_auto(dv_log_entry) e = DV_LOG_ENTRY_INIT;
	uint64_t head, checkpoint;
	dv_oid print, sum, real;

	if (n <= STATE_HEADER || memcmp(p, "dv-mirror 1 ", 12) != 0 ||
	    !parse_number(p + 12, &head) || !parse_number(p + 25, &checkpoint) ||
	    dv_oid_parse(&print, p + 38, 64) ||
	    dv_oid_parse(&sum, p + 103, 64) || head == 0 || checkpoint > head)
		return dv_err(DV_ECORRUPT, "the mirror of remote '%s' is damaged", r->name);
	dv_sha256(&real, p + STATE_HEADER, n - STATE_HEADER);
	if (!dv_oid_eq(&real, &sum))
		return dv_err(DV_ECORRUPT, "the mirror of remote '%s' is damaged", r->name);
	int rc = dv_log_entry_parse(&e, p + STATE_HEADER, n - STATE_HEADER);
	if (rc == 0 && e.kind != DV_LOG_CHECKPOINT)
		rc = dv_err(DV_ECORRUPT, "the mirror of remote '%s' is damaged", r->name);
	if (rc || (rc = dv_log_apply(&r->state, head, &e)))
		return rc;
	r->state.checkpoint = checkpoint;
	r->head_print = print;
	return 0;
}

void dv_mirror_load(dv_remote_store *r)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	dv_autofree char *path = dv_path_join(r->mirror, "state");

	forget(r);
	if (!path || dv_fs_read_file(&b, path, STATE_MAX) || parse_state(r, dv_buf_str(&b), b.n)) {
		forget(r);
		dv_error_clear();
	}
}

int dv_mirror_save(dv_remote_store *r)
{
	dv_auto(dv_log_entry) e = DV_LOG_ENTRY_INIT;
	dv_auto(dv_buf) b = DV_BUF_INIT, all = DV_BUF_INIT;
	char hex[DV_OID_HEX_SIZE + 1], sum[DV_OID_HEX_SIZE + 1];
	dv_autofree char *path = dv_path_join(r->mirror, "state");
	dv_oid real;

	if (!path)
		return DV_ERROR;
	if (r->state.head == 0)
		return dv_fs_remove_tree(path);
	int rc = dv_log_checkpoint(&e, &r->state);
	if (rc || (rc = dv_log_entry_write(&b, &e)))
		return rc;
	dv_sha256(&real, b.p, b.n);
	dv_oid_hex(sum, &real);
	dv_oid_hex(hex, &r->head_print);
	dv_buf_addf(&all, "dv-mirror 1 %012" PRIu64 " %012" PRIu64 " %s %s\n", r->state.head,
		    r->state.checkpoint, hex, sum);
	dv_buf_add(&all, b.p, b.n);
	if (all.err)
		return all.err;
	return dv_fs_write_file(path, all.p, all.n, 0);
}
