/* SPDX-License-Identifier: Apache-2.0 */
/* Files that come into being while their chunks arrive; see landing.h. */
#include "store/landing.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/map.h"
#include "base/progress.h"
#include "base/sha256.h"

#define FILES_MAX 64			/* at once */
#define REFS_MAX ((size_t)1 << 18)	/* chunks of all files: some 20 MB of memory */
#define ROOM ((size_t)1 << 20)		/* read back at once, one chunk aside */
#define NONE UINT32_MAX
#define TICK_NS 100000000	/* how soon a cancellation is noticed */

/* A place that a chunk has in a file. */
typedef struct ref {
	uint64_t at;
	uint32_t len, file;
	uint32_t next;		/* another place of the same chunk */
	bool claimed, done;	/* somebody writes it; it is written */
} ref;

typedef struct landed {
	dv_oid oid;
	uint64_t size;
	dv_sha256_ctx hash;
	uint32_t first, n;	/* its refs */
	uint32_t hashed;	/* so many of them */
	int fd;			/* -1: given up, or taken */
} landed;

struct dv_landing {
	dv_landing_cb wanted;
	void *payload;
	pthread_mutex_t lock;	/* of what follows */
	pthread_cond_t changed;
	landed files[FILES_MAX];
	uint32_t nfiles;
	dv_map known, heads;	/* oid -> file; chunk -> the first of its places */
	ref *refs;
	dv_oid *ids;		/* of their chunks */
	size_t nrefs, refs_cap, ids_cap;
	int reading;		/* the file that the thread reads, or -1 */
	bool running, ending;
	pthread_t thread;
	pthread_mutex_t write_lock;	/* the kernel lets one at a time write to a file */
	uint8_t *room;		/* of the thread */
};

int dv_landing_new(dv_landing **out, dv_landing_cb wanted, void *payload)
{
	dv_landing *l = dv_calloc(1, sizeof *l);

	if (!l)
		return DV_ERROR;
	l->wanted = wanted;
	l->payload = payload;
	l->reading = -1;
	pthread_mutex_init(&l->lock, NULL);
	pthread_mutex_init(&l->write_lock, NULL);
	pthread_cond_init(&l->changed, NULL);
	*out = l;
	return 0;
}

void dv_landing_free(dv_landing *l)
{
	if (!l)
		return;
	if (l->running) {
		pthread_mutex_lock(&l->lock);
		l->ending = true;
		pthread_cond_broadcast(&l->changed);
		pthread_mutex_unlock(&l->lock);
		pthread_join(l->thread, NULL);
	}
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->write_lock);
	pthread_mutex_destroy(&l->lock);
	dv_map_release(&l->known);
	dv_map_release(&l->heads);
	free(l->refs);
	free(l->ids);
	free(l->room);
	free(l);
}

/* The file will not be given out. What it took of the disk others may need. With the lock. */
static void give_up(dv_landing *l, landed *f)
{
	if (f->fd >= 0)
		(void)!dv_fs_ftruncate(f->fd, 0);
	f->fd = -1;
	pthread_cond_broadcast(&l->changed);
}

/* -- hashing ----------------------------------------------------------------------------------- */

/* A file of which more is complete than was hashed. With the lock. */
static landed *find_work(dv_landing *l)
{
	for (uint32_t i = 0; i < l->nfiles; i++) {
		landed *f = &l->files[i];

		if (f->fd >= 0 && f->hashed < f->n && l->refs[f->first + f->hashed].done)
			return f;
	}
	return NULL;
}

/* Reads back and hashes the next chunks. With the lock, which it lets go meanwhile. */
static void hash_some(dv_landing *l, landed *f)
{
	const ref *r = l->refs + f->first;
	uint64_t at = r[f->hashed].at;
	uint32_t upto = f->hashed;
	size_t n = 0, got = 0;
	int fd = f->fd;

	for (; upto < f->n && r[upto].done && n < ROOM; upto++)
		n += r[upto].len;
	l->reading = (int)(f - l->files);
	pthread_mutex_unlock(&l->lock);
	bool ok = dv_fs_pread_all(fd, l->room, n, (off_t)at, &got) == 0 && got == n;
	if (ok)
		dv_sha256_update(&f->hash, l->room, n);
	pthread_mutex_lock(&l->lock);
	l->reading = -1;
	f->hashed = upto;
	if (!ok)
		give_up(l, f);
	pthread_cond_broadcast(&l->changed);
}

static void *hasher(void *arg)
{
	dv_landing *l = arg;

	pthread_mutex_lock(&l->lock);
	while (!l->ending) {
		landed *f = find_work(l);

		if (f)
			hash_some(l, f);
		else
			pthread_cond_wait(&l->changed, &l->lock);
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

/* Signals belong to the program's own threads. */
static bool start(dv_landing *l)
{
	sigset_t all, old;

	if (l->running)
		return true;
	if (!l->room && !(l->room = dv_malloc(ROOM + DV_RAW_MAX)))
		return false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	l->running = pthread_create(&l->thread, NULL, hasher, l) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return l->running;
}

/* -- what is expected -------------------------------------------------------------------------- */

/* With the lock. */
static int add_refs(dv_landing *l, const dv_recipe *recipe, uint32_t file)
{
	uint64_t at = 0;
	int rc = dv_grow(&l->refs, &l->refs_cap, l->nrefs + recipe->n, sizeof *l->refs);

	if (rc == 0)
		rc = dv_grow(&l->ids, &l->ids_cap, l->nrefs + recipe->n, sizeof *l->ids);
	for (size_t i = 0; rc == 0 && i < recipe->n; i++) {
		const dv_chunk_ref *c = &recipe->c[i];
		uint64_t head = NONE;

		dv_map_get(&l->heads, &c->id, &head);
		if ((rc = dv_map_put(&l->heads, &c->id, l->nrefs)))
			return rc;
		l->ids[l->nrefs] = c->id;
		l->refs[l->nrefs++] = (ref){ .at = at, .len = c->len, .file = file,
					     .next = (uint32_t)head };
		at += c->len;
	}
	return rc;
}

int dv_landing_expect(dv_landing *l, const dv_oid *oid, const dv_recipe *recipe, const char *path)
{
	int fd = -1;

	if (l->nfiles == FILES_MAX || dv_map_has(&l->known, oid) || recipe->n < 2 ||
	    recipe->n > REFS_MAX - l->nrefs || recipe->size > INT64_MAX)
		return 0;
	int rc = l->wanted(&fd, oid, recipe->size, path, l->payload);
	if (rc || fd < 0)
		return rc;
	/* Of a file in which nothing was written all is a hole, and chunks of zeros stay so. */
	if (dv_fs_ftruncate(fd, (off_t)recipe->size) || !start(l)) {
		dv_error_clear();
		return 0;
	}
	pthread_mutex_lock(&l->lock);
	landed *f = &l->files[l->nfiles];
	*f = (landed){ .oid = *oid, .size = recipe->size, .first = (uint32_t)l->nrefs, .fd = -1 };
	dv_sha256_init(&f->hash);
	rc = dv_map_put(&l->known, oid, l->nfiles);
	if (rc == 0)
		rc = add_refs(l, recipe, l->nfiles);
	f->n = (uint32_t)l->nrefs - f->first;
	l->nfiles++;
	if (rc == 0)
		f->fd = fd;
	pthread_mutex_unlock(&l->lock);
	return rc;
}

/* -- what is shown ----------------------------------------------------------------------------- */

static bool is_zero(const uint8_t *p, size_t n)
{
	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

/* Writes a chunk to its place, which the caller claimed, or leaves the hole that is there. */
static void fill(dv_landing *l, ref *r, int fd, const void *p)
{
	bool ok = true;

	if (!is_zero(p, r->len)) {
		pthread_mutex_lock(&l->write_lock);
		ok = dv_fs_pwrite_all(fd, p, r->len, (off_t)r->at) == 0;
		pthread_mutex_unlock(&l->write_lock);
	}
	pthread_mutex_lock(&l->lock);
	landed *f = &l->files[r->file];
	r->done = true;
	if (!ok)
		give_up(l, f);
	else if (r == &l->refs[f->first + f->hashed])
		pthread_cond_broadcast(&l->changed);
	pthread_mutex_unlock(&l->lock);
}

/* The next place of a chunk of n bytes that nobody has written to, from `at` on; *fd is its file's.
 * NULL when there is none. */
static ref *claim(dv_landing *l, uint32_t at, size_t n, int *fd)
{
	ref *found = NULL;

	pthread_mutex_lock(&l->lock);
	for (; at != NONE && !found; at = l->refs[at].next) {
		ref *r = &l->refs[at];
		landed *f = &l->files[r->file];

		if (f->fd < 0 || r->claimed)
			continue;
		if (r->len != n) {
			give_up(l, f);
			continue;
		}
		r->claimed = true;
		*fd = f->fd;
		found = r;
	}
	pthread_mutex_unlock(&l->lock);
	return found;
}

void dv_landing_show(dv_landing *l, const dv_oid *ids, const void *const *p, const size_t *n,
		     size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t at = NONE;
		int fd = -1;

		/* No file is added while chunks are shown. */
		dv_map_get(&l->heads, &ids[i], &at);
		while (at != NONE) {
			ref *r = claim(l, (uint32_t)at, n[i], &fd);

			at = r ? r->next : NONE;
			if (r)
				fill(l, r, fd, p[i]);
		}
	}
}

/* -- what is given out ------------------------------------------------------------------------- */

/* What did not come by, because the store had it, comes from there. What is wrong with it turns up
 * when it is hashed. */
static bool complete(dv_landing *l, dv_reader *r, const landed *f)
{
	for (uint32_t i = f->first; i < f->first + f->n; i++) {
		const uint8_t *p;
		dv_place at;
		size_t n;
		int fd;

		if (f->fd < 0)
			return false;
		if (l->refs[i].claimed)
			continue;
		if (dv_check_cancel() ||
		    !dv_store_find(dv_reader_store(r), DV_KIND_CHUNK, &l->ids[i], &at) ||
		    dv_reader_get_at(r, &l->ids[i], &at, &p, &n) || n != l->refs[i].len)
			return false;
		ref *to = claim(l, i, n, &fd);
		if (to)
			fill(l, to, fd, p);
	}
	return true;
}

/* With the lock. */
static void wait_a_moment(dv_landing *l)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += TICK_NS;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&l->changed, &l->lock, &until);
}

bool dv_landing_take(dv_landing *l, dv_reader *r, const dv_oid *oid, int fd)
{
	uint64_t number;
	dv_oid found;

	if (!dv_map_get(&l->known, oid, &number))
		return false;
	landed *f = &l->files[number];
	bool whole = complete(l, r, f);
	if (!whole)
		dv_error_clear();
	pthread_mutex_lock(&l->lock);
	while (whole && f->fd >= 0 && f->hashed < f->n && !dv_cancel_requested())
		wait_a_moment(l);
	while (l->reading == (int)number)
		pthread_cond_wait(&l->changed, &l->lock);
	dv_sha256_final(&f->hash, &found);
	whole = whole && f->fd == fd && f->hashed == f->n && dv_oid_eq(&found, oid);
	f->fd = -1;
	pthread_mutex_unlock(&l->lock);
	if (whole)
		dv_progress_add(f->size, 0);
	return whole;
}
