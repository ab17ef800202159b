/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects back into files. The whole is verified against the oid, which is cheaper than verifying
 * every chunk; only when it does not match are the chunks tried one by one to name the damage.
 */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/progress.h"
#include "store/recipe.h"

#define BATCH ((size_t)1 << 20)		/* bytes decoded by one job; a chunk more at most */
#define BATCH_ROOM (BATCH + DV_RAW_MAX)
#define SLOTS_MAX 16
#define DIRECT_MAX ((size_t)1 << 20)	/* objects up to this are written at once */

static int write_failed(void)
{
	return dv_err_sys("cannot write");
}

static int wrong_size(const dv_oid *oid, uint64_t is, uint64_t expected)
{
	char hex[DV_OID_HEX_SIZE + 1];

	dv_oid_hex(hex, oid);
	return dv_err(DV_ECORRUPT, "object %s is %llu bytes long, not %llu", hex,
		      (unsigned long long)is, (unsigned long long)expected);
}

/* The object did not come out right: says which chunk, or else that the recipe is to blame. */
static int name_damage(dv_reader *r, const dv_oid *oid, const dv_recipe *recipe)
{
	char hex[DV_OID_HEX_SIZE + 1];

	for (size_t i = 0; i < recipe->n; i++) {
		const uint8_t *p;
		size_t n;
		int rc = dv_reader_get(r, DV_KIND_CHUNK, &recipe->c[i].id, &p, &n);

		if (rc < 0)
			return rc;
	}
	dv_oid_hex(hex, oid);
	return dv_err(DV_ECORRUPT, "the recipe of object %s is damaged", hex);
}

static int find_chunk(dv_reader *r, const dv_chunk_ref *c, dv_place *at)
{
	char hex[DV_OID_HEX_SIZE + 1];

	if (!dv_store_find(dv_reader_store(r), DV_KIND_CHUNK, &c->id, at)) {
		dv_oid_hex(hex, &c->id);
		return dv_err(DV_ENOTFOUND, "chunk %s is not in the store", hex);
	}
	if (at->raw == c->len)
		return 0;
	dv_oid_hex(hex, &c->id);
	return dv_err(DV_ECORRUPT, "chunk %s is not as long as its recipe says", hex);
}

/* One chunk without verification of its id. DV_ECORRUPT also when its length is another. */
static int get_chunk(dv_reader *r, const dv_chunk_ref *c, const uint8_t **p)
{
	dv_place at;
	size_t n;
	int rc = find_chunk(r, c, &at);

	return rc ? rc : dv_reader_get_at(r, &c->id, &at, p, &n);
}

/* -- small objects ----------------------------------------------------------------------------- */

static int write_single(dv_reader *r, const dv_oid *oid, uint64_t size, int fd)
{
	const uint8_t *p;
	size_t n;
	int rc = dv_reader_get(r, DV_KIND_CHUNK, oid, &p, &n);

	if (rc < 0)
		return rc;
	if (n != size)
		return wrong_size(oid, n, size);
	dv_progress_add(n, 0);
	return dv_fs_pwrite_all(fd, p, n, 0) < 0 ? write_failed() : 0;
}

static int write_chunks(dv_reader *r, const dv_oid *oid, const dv_recipe *recipe, int fd)
{
	bool at_once = recipe->size <= DIRECT_MAX;
	dv_autofree uint8_t *buf = at_once ? dv_malloc((size_t)recipe->size) : NULL;
	dv_sha256_ctx hash;
	uint64_t at = 0;
	dv_oid found;

	if (at_once && !buf)
		return DV_ERROR;
	dv_sha256_init(&hash);
	for (size_t i = 0; i < recipe->n; i++) {
		const dv_chunk_ref *c = &recipe->c[i];
		const uint8_t *p;
		int rc = dv_check_cancel();

		if (!rc)
			rc = get_chunk(r, c, &p);
		if (rc < 0)
			return rc;
		dv_sha256_update(&hash, p, c->len);
		if (at_once)
			memcpy(buf + at, p, c->len);
		else if (dv_fs_pwrite_all(fd, p, c->len, (off_t)at) < 0)
			return write_failed();
		at += c->len;
		dv_progress_add(c->len, 0);
	}
	dv_sha256_final(&hash, &found);
	if (!dv_oid_eq(&found, oid))
		return name_damage(r, oid, recipe);
	if (at_once && dv_fs_pwrite_all(fd, buf, (size_t)at, 0) < 0)
		return write_failed();
	return 0;
}

int dv_object_write(dv_reader *r, const dv_oid *oid, uint64_t size, int fd)
{
	dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;
	dv_place at;
	int rc;

	if (dv_oid_is_empty(oid))
		return size ? wrong_size(oid, 0, size) : 0;
	if (dv_store_find(dv_reader_store(r), DV_KIND_CHUNK, oid, &at))
		return write_single(r, oid, size, fd);
	rc = dv_recipe_load(&recipe, r, oid);
	if (rc < 0)
		return rc;
	if (recipe.size != size)
		return wrong_size(oid, recipe.size, size);
	return write_chunks(r, oid, &recipe, fd);
}

/* -- large objects ----------------------------------------------------------------------------- */

typedef struct restore restore;
/* Some chunks in a row, decoded and written by a worker, then hashed by the owner in order. */
typedef struct batch {
	restore *rs;
	uint8_t *buf;
	size_t first, n, len;	/* chunks and bytes */
	uint64_t at;		/* in the object */
	bool done;
} batch;
struct restore {
	dv_store *s;
	dv_pool *pool;
	const dv_recipe *recipe;
	int fd;
	dv_reader **readers;	/* one a worker */
	int nreaders;
	batch slots[SLOTS_MAX];
	size_t nslots;
	size_t next;		/* chunk that the next batch begins with */
	uint64_t next_at;
	bool failed;
	pthread_mutex_t lock;	/* done and failed */
	pthread_mutex_t write_lock;
	pthread_cond_t changed;
};

static void restore_release(restore *rs)
{
	for (int i = 0; rs->readers && i < rs->nreaders; i++)
		dv_reader_free(rs->readers[i]);
	free(rs->readers);
	for (size_t i = 0; i < SLOTS_MAX; i++)
		free(rs->slots[i].buf);
	pthread_mutex_destroy(&rs->lock);
	pthread_mutex_destroy(&rs->write_lock);
	pthread_cond_destroy(&rs->changed);
}

static bool is_zero(const uint8_t *p, size_t n)
{
	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

/* Writes what is not zero: the file is as long as it will be, and the rest stays a hole. */
static int write_batch(const restore *rs, const batch *b)
{
	size_t from = 0, at = 0;

	for (size_t i = b->first; i < b->first + b->n; i++) {
		size_t len = rs->recipe->c[i].len, upto;
		bool hole = is_zero(b->buf + at, len);

		upto = hole ? at : at + len;
		at += len;
		if (!hole && i + 1 < b->first + b->n)
			continue;
		if (upto > from && dv_fs_pwrite_all(rs->fd, b->buf + from, upto - from,
						    (off_t)(b->at + from)) < 0)
			return write_failed();
		from = at;
	}
	return 0;
}

static int decode_batch(batch *b, int worker)
{
	restore *rs = b->rs;
	dv_reader **r = &rs->readers[worker];
	int rc = *r ? 0 : dv_reader_new(r, rs->s);
	size_t at = 0;

	for (size_t i = b->first; i < b->first + b->n && !rc; i++) {
		const dv_chunk_ref *c = &rs->recipe->c[i];
		dv_place place;

		rc = find_chunk(*r, c, &place);
		if (!rc)
			rc = dv_reader_read_at(*r, &c->id, &place, b->buf + at);
		at += c->len;
	}
	if (rc < 0)
		return rc;
	/* The kernel lets one at a time write to a file; to wait for it would be to spin. */
	pthread_mutex_lock(&rs->write_lock);
	rc = write_batch(rs, b);
	pthread_mutex_unlock(&rs->write_lock);
	return rc;
}

static int batch_job(void *arg, int worker)
{
	batch *b = arg;
	int rc = decode_batch(b, worker);

	pthread_mutex_lock(&b->rs->lock);
	if (rc < 0)
		b->rs->failed = true;
	else
		b->done = true;
	pthread_cond_broadcast(&b->rs->changed);
	pthread_mutex_unlock(&b->rs->lock);
	return rc;
}

/* Hands the next chunks to the workers in slot `b`. */
static int issue(restore *rs, batch *b)
{
	const dv_recipe *recipe = rs->recipe;

	if (!b->buf)
		b->buf = dv_malloc(BATCH_ROOM);
	if (!b->buf)
		return DV_ERROR;
	b->rs = rs;
	b->first = rs->next;
	b->at = rs->next_at;
	b->done = false;
	for (b->len = 0; rs->next < recipe->n && b->len < BATCH; rs->next++)
		b->len += recipe->c[rs->next].len;
	b->n = rs->next - b->first;
	rs->next_at += b->len;
	return dv_pool_submit(rs->pool, batch_job, b);
}

/* Waits for the batch; a batch that the pool skips tells nobody, so it looks now and then. */
static int wait_batch(restore *rs, const batch *b)
{
	bool done = false, failed = false;

	while (!done && !failed) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 50000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000;
		}
		pthread_mutex_lock(&rs->lock);
		if (!b->done && !rs->failed)
			pthread_cond_timedwait(&rs->changed, &rs->lock, &until);
		done = b->done;
		failed = rs->failed;
		pthread_mutex_unlock(&rs->lock);
		failed = failed || dv_pool_stopping(rs->pool);
	}
	return failed ? 1 : 0;
}

static int run_restore(restore *rs, dv_sha256_ctx *hash)
{
	size_t issued = 0, taken = 0;
	int rc = 0;

	for (;;) {
		while (!rc && rs->next < rs->recipe->n && issued < taken + rs->nslots)
			rc = issue(rs, &rs->slots[issued++ % rs->nslots]);
		if (rc || taken == issued)
			return rc;
		rc = wait_batch(rs, &rs->slots[taken % rs->nslots]);
		if (rc)
			return rc;
		dv_sha256_update(hash, rs->slots[taken % rs->nslots].buf,
				 rs->slots[taken % rs->nslots].len);
		dv_progress_add(rs->slots[taken % rs->nslots].len, 0);
		taken++;
	}
}

static int restore_recipe(dv_store *s, dv_pool *pool, const dv_recipe *recipe, int fd,
			  dv_oid *found)
{
	__attribute__((cleanup(restore_release))) restore rs = {
		.s = s, .pool = pool, .recipe = recipe, .fd = fd,
		.lock = PTHREAD_MUTEX_INITIALIZER, .write_lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER
	};
	int threads = dv_pool_threads(pool), rc, first;
	dv_sha256_ctx hash;
	dv_error own;

	rs.nslots = threads > 6 ? SLOTS_MAX : (size_t)threads * 2 + 4;
	rs.readers = dv_calloc((size_t)threads, sizeof(*rs.readers));
	if (!rs.readers)
		return DV_ERROR;
	rs.nreaders = threads;
	dv_sha256_init(&hash);
	rc = run_restore(&rs, &hash);
	if (rc) {
		/* The jobs use what is about to go. */
		dv_error_take(&own);
		first = dv_pool_wait(pool);
		if (first < 0)
			return first;
		return rc < 0 ? dv_error_put(&own) : dv_err(DV_ERROR, "work was dropped");
	}
	dv_sha256_final(&hash, found);
	return 0;
}

int dv_object_write_large(dv_store *s, dv_pool *pool, const dv_oid *oid, uint64_t size, int fd)
{
	dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;
	dv_autoptr(dv_reader) r = NULL;
	dv_oid found;
	int rc = dv_reader_new(&r, s);

	if (!rc)
		rc = dv_recipe_load(&recipe, r, oid);
	if (rc < 0)
		return rc;
	if (recipe.size != size)
		return wrong_size(oid, recipe.size, size);
	if (recipe.n < 2)
		return dv_object_write(r, oid, size, fd);
	if (dv_fs_ftruncate(fd, 0) < 0 || dv_fs_ftruncate(fd, (off_t)size) < 0)
		return write_failed();
	rc = restore_recipe(s, pool, &recipe, fd, &found);
	if (!rc && !dv_oid_eq(&found, oid))
		rc = name_damage(r, oid, &recipe);
	return rc;
}
