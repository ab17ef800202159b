/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large files, and streams, into the store. The bytes go through a ring of segments in three steps:
 * read and scanned for candidates (workers; of a stream the calling thread reads), cut and fed to
 * the digest of the file in order (the calling thread: that is sequential), hashed chunk by chunk,
 * compressed and put (workers). Where the processor overlaps both digests, one pass makes them.
 * Memory is the ring and 36 bytes a chunk.
 */
#include "store/ingest_impl.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/progress.h"

static void set_state(slot *s, enum slot_state state)
{
	pthread_mutex_lock(&s->in->lock);
	s->state = state;
	pthread_cond_broadcast(&s->in->changed);
	pthread_mutex_unlock(&s->in->lock);
}

/* One that needed the slot's bytes is done with them. */
static void release_slot(slot *s)
{
	pthread_mutex_lock(&s->in->lock);
	if (!--s->users) {
		s->state = SLOT_FREE;
		pthread_cond_broadcast(&s->in->changed);
	}
	pthread_mutex_unlock(&s->in->lock);
}

static int job_failed(dv_ingest *in, int rc)
{
	pthread_mutex_lock(&in->lock);
	in->failed = true;
	pthread_cond_broadcast(&in->changed);
	pthread_mutex_unlock(&in->lock);
	return rc;
}

static int scan_segment(slot *s)
{
	const large *f = &s->in->f;
	uint64_t before = s->offset < BEFORE ? s->offset : BEFORE;
	size_t at = 0;

	s->ncand = 0;
	while (at < s->len) {
		size_t scanned = 0;
		int rc = 0;

		if (s->cand_cap - s->ncand < 1024)
			rc = dv_grow(&s->cand, &s->cand_cap, s->cand_cap + 4096, sizeof(*s->cand));
		if (rc < 0)
			return rc;
		s->ncand += dv_chunker_scan(f->params, s->buf + CARRY + at, before + at,
					    s->len - at, s->offset + at, s->cand + s->ncand,
					    s->cand_cap - s->ncand, &scanned);
		at += scanned;
	}
	return 0;
}

static int read_job(void *arg, int worker)
{
	slot *s = arg;
	const large *f = &s->in->f;
	size_t before = s->offset < BEFORE ? (size_t)s->offset : BEFORE;
	int rc = 0;

	if (f->fd >= 0)
		rc = dv_ingest_read(f->fd, f->name, s->buf + CARRY - before, before + s->len,
				    s->offset - before);
	(void)worker;
	if (!rc)
		rc = scan_segment(s);
	if (rc < 0)
		return job_failed(s->in, rc);
	set_state(s, SLOT_READ);
	return 0;
}

/* The ids of the slot's chunks, into `cuts` and into the recipe, which has room for them. */
static void hash_cuts(slot *s)
{
	dv_ingest *in = s->in;
	const void *at[HASH_BATCH];
	const uint8_t *p = s->first;

	for (size_t i = 0, n; i < s->cuts.n && !s->hashed; i += n) {
		for (n = 0; n < HASH_BATCH && i + n < s->cuts.n; n++) {
			at[n] = p;
			p += s->cuts.lens[i + n];
		}
		dv_sha256_many(s->cuts.ids + i, at, s->cuts.lens + i, n);
	}
	pthread_mutex_lock(&in->lock);
	for (size_t i = 0; i < s->cuts.n; i++)
		memcpy(in->f.recipe.p + s->recipe_at + i * DV_RECIPE_ITEM, s->cuts.ids[i].b,
		       sizeof(s->cuts.ids[i].b));
	pthread_mutex_unlock(&in->lock);
}

/* Stores the slot's chunks, whose ids are known. */
static int put_slot(slot *s, int worker)
{
	dv_ingest *in = s->in;
	const large *f = &in->f;
	uint64_t begin = s->offset - (uint64_t)(s->buf + CARRY - s->first);
	dv_sticky sticky;
	dv_putting put = { .w = in->w, .sticky = &sticky, .basis = f->basis, .like = &in->f.like,
			   .peers = f->peers };
	int rc = dv_ingest_encoder(in, worker, &put.enc);

	if (!rc && f->basis)
		rc = dv_ingest_delta(in, worker, &put.delta);
	pthread_mutex_lock(&in->lock);
	sticky = f->sticky;
	pthread_mutex_unlock(&in->lock);
	if (!rc)
		rc = dv_put_chunks(&put, begin, s->cuts.ids, s->cuts.lens, s->cuts.n, s->first,
				   s->last);
	pthread_mutex_lock(&in->lock);
	in->f.sticky = sticky;
	pthread_mutex_unlock(&in->lock);
	return rc;
}

static int put_job(void *arg, int worker)
{
	slot *s = arg;
	int rc = 0;

	hash_cuts(s);
	if (!s->in->f.table)
		rc = put_slot(s, worker);
	if (rc < 0)
		return job_failed(s->in, rc);
	release_slot(s);
	return 0;
}

/* Gives segments to the readers as long as their slots are free. The slot of the segment cut last
 * is left alone: the next one takes the beginning of its first chunk from there. */
static int issue_reads(dv_ingest *in)
{
	large *f = &in->f;

	while (f->fd >= 0 && f->issued < f->nsegments && f->issued + 1 < f->cut + in->nslots) {
		slot *s = &in->slots[f->issued % in->nslots];
		bool is_free;
		int rc;

		pthread_mutex_lock(&in->lock);
		is_free = s->state == SLOT_FREE;
		if (is_free)
			s->state = SLOT_READING;
		pthread_mutex_unlock(&in->lock);
		if (!is_free)
			return 0;
		if (!s->buf)
			s->buf = dv_malloc(CARRY + SEGMENT);
		if (!s->buf)
			return DV_ERROR;
		s->offset = f->issued * SEGMENT;
		s->len = f->size - s->offset < SEGMENT ? (size_t)(f->size - s->offset) : SEGMENT;
		f->issued++;
		rc = dv_pool_submit(in->pool, read_job, s);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Waits for something to change while `s` is not yet in `state`; looks for a stop now and then,
 * because a job that the pool skips tells nobody. 1 when a job failed. */
static int wait_change(dv_ingest *in, const slot *s, enum slot_state state)
{
	struct timespec until;
	int failed;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 50000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&in->lock);
	if (s->state != state && !in->failed)
		pthread_cond_timedwait(&in->changed, &in->lock, &until);
	failed = in->failed;
	pthread_mutex_unlock(&in->lock);
	return failed || dv_pool_stopping(in->pool);
}

static bool has_state(dv_ingest *in, const slot *s, enum slot_state state)
{
	bool has;

	pthread_mutex_lock(&in->lock);
	has = s->state == state;
	pthread_mutex_unlock(&in->lock);
	return has;
}

/* Makes room for the slot's chunks in the recipe; their ids follow. Returns their bytes. */
static uint64_t reserve_recipe(slot *s)
{
	static const dv_oid unknown;
	dv_buf *recipe = &s->in->f.recipe;
	uint64_t whole = 0;

	pthread_mutex_lock(&s->in->lock);
	s->recipe_at = recipe->n;
	for (size_t i = 0; i < s->cuts.n; i++) {
		dv_recipe_append(recipe, &unknown, s->cuts.lens[i]);
		whole += s->cuts.lens[i];
	}
	pthread_mutex_unlock(&s->in->lock);
	return whole;
}

/* Cuts segment `k`, whose slot was read, and passes its chunks on, then feeds the file's digest. */
static int cut_segment(dv_ingest *in, uint64_t k)
{
	large *f = &in->f;
	slot *s = &in->slots[k % in->nslots];
	size_t carry = (size_t)(s->offset - f->start);
	uint64_t whole;
	int rc = dv_cuts_reserve(&s->cuts, dv_chunker_bound(f->params, carry + s->len));

	if (rc < 0)
		return rc;
	if (carry) {
		const slot *prev = &in->slots[(k - 1) % in->nslots];

		/* A chunk that reached its longest was cut, so the rest fits. */
		dv_assert(carry <= CARRY && prev->offset + prev->len == s->offset);
		memcpy(s->buf + CARRY - carry, prev->buf + CARRY + prev->len - carry, carry);
	}
	s->first = s->buf + CARRY - carry;
	s->last = k + 1 == f->nsegments;
	s->cuts.n = dv_chunker_resolve(f->params, &f->start, s->cand, s->ncand,
				       s->offset + s->len, s->last, s->cuts.lens);
	whole = reserve_recipe(s);
	dv_assert(f->start == s->offset - carry + whole);
	if (f->recipe.err)
		return f->recipe.err;
	s->hashed = dv_sha256_overlaps();
	if (s->hashed)
		dv_sha256_stream_and_chunks(&f->hash, s->cuts.ids, s->first, s->cuts.lens,
					    s->cuts.n);
	f->cut = k + 1;
	s->users = 2;
	set_state(s, SLOT_PUTTING);
	rc = dv_pool_submit(in->pool, put_job, s);
	if (!rc)
		rc = issue_reads(in);
	if (!rc && !s->hashed)
		dv_sha256_update(&f->hash, s->first, (size_t)whole);
	if (!rc)
		dv_ingest_show(&in->stations[in->nstations - 1], s->first, (size_t)whole);
	release_slot(s);
	return rc;
}

static int run_large(dv_ingest *in)
{
	large *f = &in->f;
	int rc;

	while (f->cut < f->nsegments) {
		uint64_t k = f->cut;
		const slot *s = &in->slots[k % in->nslots];

		for (;;) {
			rc = issue_reads(in);
			if (rc < 0)
				return rc;
			if (f->issued > k && has_state(in, s, SLOT_READ))
				break;
			if (wait_change(in, s, f->issued > k ? SLOT_READ : SLOT_FREE))
				return 1;
		}
		rc = cut_segment(in, k);
		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < in->nslots; i++)
		while (!has_state(in, &in->slots[i], SLOT_FREE))
			if (wait_change(in, &in->slots[i], SLOT_FREE))
				return 1;
	return 0;
}

/* The pool's own account of a failure says more than that there was one. */
static int quiesce(dv_ingest *in, int rc)
{
	dv_error own;
	int first;

	dv_error_take(&own);
	first = dv_pool_wait(in->pool);
	for (size_t i = 0; i < SLOTS_MAX; i++)
		in->slots[i].state = SLOT_FREE;
	in->failed = false;
	if (first < 0)
		return first;
	if (rc > 0)
		return dv_err(DV_ERROR, "cannot store '%s': work was dropped", in->f.name);
	return dv_error_put(&own);
}

/* Sets out on an object of that size, or of about that size. */
static int begin_large(dv_ingest *in, int fd, const char *name, const dv_oid *before,
		       dv_pack_footer *table, uint64_t size)
{
	large *f = &in->f;
	int rc = 0;

	f->table = table;
	f->fd = fd;
	f->name = name;
	f->size = fd < 0 ? UINT64_MAX : size;
	f->params = dv_chunker_for_size(size);
	f->nsegments = fd < 0 ? UINT64_MAX : (size + SEGMENT - 1) / SEGMENT;
	f->issued = f->cut = f->start = 0;
	f->filling = false;
	f->sticky = (dv_sticky){ 0 };
	f->like = (dv_likeness){ 0 };
	dv_basis_free(f->basis);
	dv_peers_free(f->peers);
	f->basis = NULL;
	f->peers = NULL;
	if (!table && in->deltas)
		rc = dv_peers_new(&f->peers, PEERS_LARGE);
	if (!rc && !table)
		rc = dv_ingest_basis(in, in->nstations - 1, before, &f->basis);
	if (!rc)
		rc = dv_recipe_begin(&f->recipe, 0, f->params->id, f->size);
	dv_sha256_init(&f->hash);
	if (fd >= 0)
		posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return rc;
}

static void end_large(dv_ingest *in)
{
	large *f = &in->f;

	if (f->recipe.cap > (size_t)1 << 20)
		dv_buf_release(&f->recipe);
	dv_basis_free(f->basis);
	f->basis = NULL;
}

int dv_ingest_one_large(dv_ingest *in, int fd, const char *name, const dv_oid *before,
			dv_pack_footer *table, dv_oid *oid, struct stat *st)
{
	large *f = &in->f;
	dv_encoder *enc = NULL;
	int rc = dv_ingest_stat(fd, name, st);

	if (rc < 0)
		return rc;
	if (st->st_size <= (off_t)DV_INGEST_SMALL)
		return dv_ingest_one_small(in, in->nstations - 1, fd, name, before, table, oid, st);
	rc = begin_large(in, fd, name, before, table, (uint64_t)st->st_size);
	if (rc < 0)
		return rc;
	rc = run_large(in);
	if (rc)
		return quiesce(in, rc);
	dv_sha256_final(&f->hash, oid);
	rc = dv_ingest_unchanged(fd, name, st);
	if (!rc)
		rc = dv_ingest_encoder(in, in->nstations - 1, &enc);
	if (!rc)
		rc = dv_recipe_put(in->w, enc, oid, &f->recipe);
	if (!rc && table)
		rc = dv_ingest_table(table, &f->recipe);
	end_large(in);
	return rc;
}

int dv_ingest_large(dv_ingest *in, int fd, const char *name, const dv_oid *before, dv_oid *oid,
		    struct stat *st)
{
	return dv_ingest_one_large(in, fd, name, before, NULL, oid, st);
}

/* -- streams ----------------------------------------------------------------------------------- */

int dv_ingest_stream_begin(dv_ingest *in, const char *name, const dv_oid *before)
{
	return begin_large(in, -1, name, before, NULL, DV_INGEST_SMALL + 1);
}

/* Cuts what was scanned. 1 when a job failed. */
static int cut_scanned(dv_ingest *in)
{
	int rc = 0;

	while (!rc && in->f.cut < in->f.issued &&
	       has_state(in, &in->slots[in->f.cut % in->nslots], SLOT_READ))
		rc = cut_segment(in, in->f.cut);
	return rc;
}

/* Takes the next slot to be filled, as soon as it is free. */
static int open_segment(dv_ingest *in)
{
	large *f = &in->f;
	slot *s = &in->slots[f->issued % in->nslots];
	size_t before = f->issued ? BEFORE : 0;

	for (int rc; f->issued + 1 >= f->cut + in->nslots || !has_state(in, s, SLOT_FREE);) {
		const slot *next = &in->slots[f->cut % in->nslots];

		if ((rc = dv_check_cancel()) < 0 || (rc = cut_scanned(in)) < 0)
			return rc;
		if (f->issued + 1 < f->cut + in->nslots
			    ? !has_state(in, s, SLOT_FREE) && wait_change(in, s, SLOT_FREE)
			    : wait_change(in, next, SLOT_READ))
			return 1;
	}
	if (!s->buf)
		s->buf = dv_malloc(CARRY + SEGMENT);
	if (!s->buf)
		return DV_ERROR;
	set_state(s, SLOT_READING);
	s->offset = f->issued * SEGMENT;
	s->len = 0;
	if (before) {
		const slot *prev = &in->slots[(f->issued - 1) % in->nslots];

		memcpy(s->buf + CARRY - before, prev->buf + CARRY + prev->len - before, before);
	}
	f->filling = true;
	return 0;
}

static int close_segment(dv_ingest *in)
{
	large *f = &in->f;
	slot *s = &in->slots[f->issued % in->nslots];

	f->filling = false;
	f->issued++;
	int rc = dv_pool_submit(in->pool, read_job, s);
	return rc < 0 ? rc : cut_scanned(in);
}

int dv_ingest_stream_room(dv_ingest *in, uint8_t **p, size_t *n)
{
	large *f = &in->f;
	slot *s = &in->slots[f->issued % in->nslots];
	int rc = f->filling ? 0 : open_segment(in);

	*p = NULL;
	*n = 0;
	if (rc)
		return quiesce(in, rc);
	*p = s->buf + CARRY + s->len;
	*n = SEGMENT - s->len;
	return 0;
}

int dv_ingest_stream_took(dv_ingest *in, size_t n)
{
	slot *s = &in->slots[in->f.issued % in->nslots];
	int rc = 0;

	dv_assert(in->f.filling && n <= SEGMENT - s->len);
	s->len += n;
	if (s->len == SEGMENT)
		rc = close_segment(in);
	return rc ? quiesce(in, rc) : 0;
}

int dv_ingest_stream_end(dv_ingest *in, dv_oid *oid, uint64_t *size)
{
	large *f = &in->f;
	slot *s = &in->slots[f->issued % in->nslots];
	dv_encoder *enc = NULL;
	int rc = f->filling ? 0 : open_segment(in);

	if (rc)
		return quiesce(in, rc);
	f->size = s->offset + s->len;
	f->nsegments = f->issued + 1;
	/* Shorter ones may be of one chunk, which is known by its own name. */
	dv_assert(f->size > DV_INGEST_SMALL);
	rc = close_segment(in);
	if (!rc)
		rc = run_large(in);
	if (rc)
		return quiesce(in, rc);
	dv_sha256_final(&f->hash, oid);
	*size = f->size;
	rc = dv_ingest_encoder(in, in->nstations - 1, &enc);
	dv_recipe_resize(&f->recipe, f->size);
	if (!rc)
		rc = dv_recipe_put(in->w, enc, oid, &f->recipe);
	end_large(in);
	return rc;
}

void dv_ingest_stream_drop(dv_ingest *in)
{
	dv_error e;

	dv_error_take(&e);
	if (quiesce(in, 0) < 0)
		dv_error_clear();
	end_large(in);
	if (e.code)
		dv_error_put(&e);
}
