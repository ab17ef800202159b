/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files into the store. Small files are read whole by a worker each. A large file goes through a
 * ring of segments in three steps: read and scanned for candidates (workers), cut and fed to the
 * digest of the file in order (the calling thread: that is sequential), hashed chunk by chunk,
 * compressed and put (workers). Where the processor overlaps both digests, one pass makes them.
 * Memory is the ring and 36 bytes a chunk.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/progress.h"
#include "store/recipe.h"
#include "store/whole.h"

#define SEGMENT ((size_t)4 << 20)	/* bytes of the file that are in one slot */
#define BEFORE 63u			/* bytes in front of a segment that its scan looks at */
#define CARRY DV_CHUNK_SIZE_MAX		/* room in front for a chunk that began earlier */
#define SLOTS_MAX 16
#define HASH_BATCH 64
#define BASES_ROOM ((size_t)48 << 20)	/* for decoded bases of all workers together, but */
#define BASES_LEAST ((size_t)2 << 20)	/* at least so many each */
#define PEERS_SMALL ((size_t)64 << 10)	/* bytes that small files share as bases */
#define PEERS_LARGE ((size_t)128 << 10)	/* and the chunks of one large file */
#define HASH_BUFFER ((size_t)256 << 10)
#define KINDS 64			/* of small files, by their extensions */

/* Scratch of one worker. */
typedef struct station {
	dv_encoder *enc;
	dv_delta *delta;
	uint8_t *buf;
	size_t buf_cap;
	dv_cuts cuts;
	dv_buf recipe;
	dv_witness witness;
} station;

enum slot_state { SLOT_FREE, SLOT_READING, SLOT_READ, SLOT_PUTTING };
typedef struct slot {
	dv_ingest *in;
	uint8_t *buf;		/* CARRY + SEGMENT */
	dv_chunker_cand *cand;
	size_t cand_cap, ncand;
	dv_cuts cuts;
	const uint8_t *first;	/* the first chunk of `cuts` */
	uint64_t offset;	/* of the segment in the file */
	size_t len;
	size_t recipe_at;	/* where the recipe has the first chunk of `cuts` */
	bool hashed;		/* the ids of `cuts` are known */
	unsigned users;		/* of the bytes, once they were cut */
	enum slot_state state;
} slot;

/* The large file in work. */
typedef struct large {
	int fd;
	const char *name;
	const dv_chunker_params *params;
	uint64_t size, nsegments;
	uint64_t issued, cut;	/* segments given to readers; segments cut */
	uint64_t start;		/* where the current chunk begins */
	dv_sha256_ctx hash;
	dv_buf recipe;
	dv_sticky sticky;
	dv_likeness like;
	dv_basis *basis;	/* NULL: no previous version */
	dv_peers *peers;	/* the file's first chunks */
	dv_pack_footer *table;	/* takes the chunks instead of the store; or NULL */
} large;

struct dv_ingest {
	dv_writer *w;
	dv_pool *pool;
	station *stations;	/* one a worker, and one for the thread that owns the pool */
	int nstations;
	bool deltas;
	dv_peers *peers;	/* of small files, with deltas */
	dv_likeness likes[KINDS + 1];	/* what files with an extension are like; last: trees */
	slot slots[SLOTS_MAX];
	size_t nslots;
	pthread_mutex_t lock;	/* slot states and users, the sticky verdict, the recipe */
	pthread_cond_t changed;
	bool failed;
	large f;
};

int dv_ingest_new(dv_ingest **out, dv_writer *w, dv_pool *pool)
{
	dv_autoptr(dv_ingest) in = dv_calloc(1, sizeof(*in));
	int threads = dv_pool_threads(pool);

	if (!in)
		return DV_ERROR;
	pthread_mutex_init(&in->lock, NULL);
	pthread_cond_init(&in->changed, NULL);
	in->w = w, in->pool = pool;
	in->nslots = threads > 6 ? SLOTS_MAX : (size_t)threads * 2 + 4;
	for (size_t i = 0; i < SLOTS_MAX; i++)
		in->slots[i].in = in;
	in->stations = dv_calloc((size_t)threads + 1, sizeof(*in->stations));
	if (!in->stations)
		return DV_ERROR;
	in->nstations = threads + 1;
	*out = dv_steal(&in);
	return 0;
}

void dv_ingest_free(dv_ingest *in)
{
	if (!in)
		return;
	for (int i = 0; i < in->nstations; i++) {
		dv_encoder_free(in->stations[i].enc);
		dv_delta_free(in->stations[i].delta);
		free(in->stations[i].buf);
		dv_cuts_release(&in->stations[i].cuts);
		dv_buf_release(&in->stations[i].recipe);
	}
	for (size_t i = 0; i < SLOTS_MAX; i++) {
		free(in->slots[i].buf);
		free(in->slots[i].cand);
		dv_cuts_release(&in->slots[i].cuts);
	}
	dv_buf_release(&in->f.recipe);
	dv_basis_free(in->f.basis);
	dv_peers_free(in->f.peers);
	dv_peers_free(in->peers);
	free(in->stations);
	pthread_mutex_destroy(&in->lock);
	pthread_cond_destroy(&in->changed);
	free(in);
}

void dv_ingest_witness(dv_ingest *in, int worker, const dv_witness *w)
{
	in->stations[worker < 0 ? in->nstations - 1 : worker].witness = w ? *w : (dv_witness){ 0 };
}

static void show(const station *s, const void *p, size_t n)
{
	if (s->witness.see && n)
		s->witness.see(s->witness.ctx, p, n);
}

/* The worker's encoder, made when it is first needed. */
static int station_encoder(dv_ingest *in, int worker, dv_encoder **enc)
{
	station *s = &in->stations[worker];
	int rc = s->enc ? 0 : dv_encoder_new(&s->enc, dv_writer_level(in->w));

	*enc = s->enc;
	return rc;
}

int dv_ingest_deltas(dv_ingest *in, bool on)
{
	int rc = on && !in->peers ? dv_peers_new(&in->peers, PEERS_SMALL) : 0;

	in->deltas = on && !rc;
	return rc;
}

static int station_delta(dv_ingest *in, int worker, dv_delta **delta)
{
	station *s = &in->stations[worker];
	size_t room = BASES_ROOM / (size_t)in->nstations;
	int rc = s->delta ? 0 : dv_delta_new(&s->delta, dv_writer_store(in->w),
					     room > BASES_LEAST ? room : BASES_LEAST);

	*delta = s->delta;
	return rc;
}

/* Loads what the file was, when that is of any use; *out is NULL otherwise. */
static int open_basis(dv_ingest *in, int worker, const dv_oid *before, dv_basis **out)
{
	dv_delta *d;
	int rc;

	*out = NULL;
	if (!in->deltas || !before)
		return 0;
	rc = station_delta(in, worker, &d);
	return rc ? rc : dv_basis_open(out, dv_delta_reader(d), before);
}

/* -- reading files that may change ------------------------------------------------------------- */

static int changed(const char *name)
{
	return dv_err(DV_ETRANSIENT, "file '%s' changed while it was read", name);
}

static int stat_file(int fd, const char *name, struct stat *st)
{
	if (fstat(fd, st) < 0)
		return dv_err_sys("cannot read '%s'", name);
	if (!S_ISREG(st->st_mode))
		return dv_err(DV_ERROR, "cannot read '%s': not a regular file", name);
	return 0;
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static int check_unchanged(int fd, const char *name, const struct stat *st)
{
	struct stat now;

	if (fstat(fd, &now) < 0)
		return dv_err_sys("cannot read '%s'", name);
	if (now.st_size != st->st_size || !same_time(now.st_mtim, st->st_mtim) ||
	    !same_time(now.st_ctim, st->st_ctim))
		return changed(name);
	return 0;
}

/* Reads exactly `n` bytes. */
static int read_exact(int fd, const char *name, uint8_t *p, size_t n, uint64_t at)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = pread(fd, p + done, n - done, (off_t)(at + done));

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return dv_err_sys("cannot read '%s'", name);
		if (!r)
			return changed(name);
		done += (size_t)r;
	}
	dv_progress_add(n, 0);
	return 0;
}

int dv_hash_file(int fd, const char *name, dv_oid *oid, struct stat *st)
{
	dv_autofree uint8_t *buf = NULL;
	dv_sha256_ctx ctx;
	uint64_t at = 0, size;
	size_t room;
	int rc = stat_file(fd, name, st);

	if (rc < 0)
		return rc;
	size = (uint64_t)st->st_size;
	room = size < HASH_BUFFER ? (size_t)size : HASH_BUFFER;
	if (size > HASH_BUFFER)
		posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	buf = dv_malloc(room + 1);
	if (!buf)
		return DV_ERROR;
	dv_sha256_init(&ctx);
	while (at < size && !rc) {
		size_t n = size - at < room ? (size_t)(size - at) : room;

		rc = dv_check_cancel();
		if (!rc)
			rc = read_exact(fd, name, buf, n, at);
		if (!rc)
			dv_sha256_update(&ctx, buf, n);
		at += n;
	}
	if (rc < 0)
		return rc;
	dv_sha256_final(&ctx, oid);
	return check_unchanged(fd, name, st);
}

/* -- small files ------------------------------------------------------------------------------- */

static int station_room(station *s, size_t need)
{
	size_t cap = s->buf_cap ? s->buf_cap : 64 << 10;

	if (need <= s->buf_cap)
		return 0;
	while (cap < need)
		cap *= 2;
	free(s->buf);
	s->buf_cap = 0;
	s->buf = dv_malloc(cap);
	if (!s->buf)
		return DV_ERROR;
	s->buf_cap = cap;
	return 0;
}

/* The chunks that a recipe of level 0 lists, as the table of a whole file. */
static int table_from(dv_pack_footer *table, const dv_buf *recipe)
{
	const uint8_t *p = (const uint8_t *)recipe->p + DV_RECIPE_HEADER;
	size_t n = (recipe->n - DV_RECIPE_HEADER) / DV_RECIPE_ITEM;
	uint64_t offset = 0;

	table->e = dv_calloc(n + 1, sizeof(*table->e));
	if (!table->e)
		return DV_ERROR;
	for (; table->n < n; p += DV_RECIPE_ITEM) {
		dv_pack_entry *e = &table->e[table->n++];

		memcpy(e->id.b, p, DV_OID_RAW_SIZE);
		e->offset = offset;
		e->stored = e->raw = dv_get_u32(p + DV_OID_RAW_SIZE);
		e->kind = DV_KIND_CHUNK;
		offset += e->raw;
	}
	return 0;
}

static int table_small(dv_ingest *in, station *s, size_t n, dv_pack_footer *table, dv_oid *oid)
{
	const dv_chunker_params *params = dv_chunker_for_size(n);
	int rc = dv_cuts_make(&s->cuts, params, s->buf, n, oid);

	if (!rc && s->cuts.n < 2)
		return dv_err(DV_EUSAGE, "a file of one chunk cannot be kept whole");
	if (!rc)
		rc = dv_recipe_begin(&s->recipe, 0, params->id, n);
	for (size_t i = 0; i < s->cuts.n && !rc; i++)
		dv_recipe_append(&s->recipe, &s->cuts.ids[i], s->cuts.lens[i]);
	if (!rc)
		rc = dv_recipe_put(in->w, s->enc, oid, &s->recipe);
	return rc ? rc : table_from(table, &s->recipe);
}

/* Reads the file into the station's buffer. */
static int read_small(dv_ingest *in, int worker, int fd, const char *name, struct stat *st)
{
	station *s = &in->stations[worker];
	int rc = stat_file(fd, name, st);

	if (!rc && st->st_size > (off_t)DV_INGEST_SMALL)
		rc = changed(name); /* the caller chose by an older size */
	if (!rc)
		rc = station_room(s, (size_t)st->st_size);
	if (!rc)
		rc = read_exact(fd, name, s->buf, (size_t)st->st_size, 0);
	/* A file that grew shows in its size now; the read never goes past the old one. */
	return rc ? rc : check_unchanged(fd, name, st);
}

/* Small files are judged together with all others of their extension: each by itself would have
 * to be looked at. */
static dv_likeness *likeness_of(dv_ingest *in, const char *name)
{
	const char *ext = strrchr(name, '.');
	unsigned h = 0;

	if (ext && !strchr(ext, '/'))
		for (; *ext; ext++)
			h = 31 * h + (unsigned char)*ext;
	return &in->likes[h % KINDS];
}

bool dv_ingest_curious(dv_ingest *in, const char *name, uint64_t size)
{
	return in && in->deltas && (size > DV_INGEST_SMALL ||
				    atomic_load(&likeness_of(in, name)->skip) <= 0);
}

/* Stores bytes as an object. `before`: what it was, or NULL; `peers`: those it may join, or
 * NULL. */
static int put_bytes(dv_ingest *in, int worker, const uint8_t *p, size_t n, const dv_oid *before,
		     dv_peers *peers, dv_likeness *like, dv_oid *oid)
{
	station *s = &in->stations[worker];
	dv_autoptr(dv_basis) basis = NULL;
	dv_sticky sticky = { 0 };
	dv_putting put = { .w = in->w, .sticky = &sticky, .like = like };
	int rc = station_encoder(in, worker, &put.enc);

	/* Of what is one chunk the verdict may come before the look; and nobody looked for what has
	 * no version before. */
	if (!rc && !((!before || n <= DV_CHUNKER_WHOLE_MAX) && dv_delta_passes(like)))
		rc = open_basis(in, worker, before, &basis);
	put.basis = basis;
	put.delta = s->delta;
	put.peers = in->deltas && n <= DV_CHUNKER_WHOLE_MAX ? peers : NULL;
	return rc ? rc : dv_object_put_with(&put, &s->cuts, &s->recipe, p, n, oid);
}

static int ingest_small(dv_ingest *in, int worker, int fd, const char *name, const dv_oid *before,
			dv_pack_footer *table, dv_oid *oid, struct stat *st)
{
	station *s = &in->stations[worker];
	dv_encoder *enc;
	int rc = read_small(in, worker, fd, name, st);

	if (!rc && table)
		rc = station_encoder(in, worker, &enc);
	if (rc < 0)
		return rc;
	show(s, s->buf, (size_t)st->st_size);
	return table ? table_small(in, s, (size_t)st->st_size, table, oid)
		     : put_bytes(in, worker, s->buf, (size_t)st->st_size, before, in->peers,
				 likeness_of(in, name), oid);
}

int dv_ingest_bytes(dv_ingest *in, int worker, const void *p, size_t n, const dv_oid *before,
		    dv_oid *oid)
{
	return put_bytes(in, worker < 0 ? in->nstations - 1 : worker, p, n, before, NULL,
			 &in->likes[KINDS], oid);
}

int dv_ingest_small(dv_ingest *in, int worker, int fd, const char *name, const dv_oid *before,
		    dv_oid *oid, struct stat *st)
{
	return ingest_small(in, worker, fd, name, before, NULL, oid, st);
}

/* -- large files ------------------------------------------------------------------------------- */

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
	int rc = read_exact(f->fd, f->name, s->buf + CARRY - before, before + s->len,
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
	uint64_t begin = s->offset - (uint64_t)(s->buf + CARRY - s->first), end = begin;
	dv_sticky sticky;
	dv_putting put = { .w = in->w, .sticky = &sticky, .basis = f->basis, .like = &in->f.like,
			   .peers = f->peers };
	int rc = station_encoder(in, worker, &put.enc);

	if (!rc && f->basis)
		rc = station_delta(in, worker, &put.delta);
	pthread_mutex_lock(&in->lock);
	sticky = f->sticky;
	pthread_mutex_unlock(&in->lock);
	for (size_t i = 0; i < s->cuts.n; i++)
		end += s->cuts.lens[i];
	if (!rc)
		rc = dv_put_chunks(&put, begin, s->cuts.ids, s->cuts.lens, s->cuts.n, s->first,
				   end == f->size);
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

	while (f->issued < f->nsegments && f->issued + 1 < f->cut + in->nslots) {
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
	uint64_t upto = s->offset + s->len;
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
	s->cuts.n = dv_chunker_resolve(f->params, &f->start, s->cand, s->ncand, upto,
				       upto == f->size, s->cuts.lens);
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
		show(&in->stations[in->nstations - 1], s->first, (size_t)whole);
	release_slot(s);
	return rc;
}

static int run_large(dv_ingest *in)
{
	large *f = &in->f;
	int rc;

	for (uint64_t k = 0; k < f->nsegments; k++) {
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

/* Sets out on a file of which `st` was just taken. */
static int begin_large(dv_ingest *in, int fd, const char *name, const dv_oid *before,
		       dv_pack_footer *table, const struct stat *st)
{
	large *f = &in->f;
	int rc = 0;

	f->table = table;
	f->fd = fd;
	f->name = name;
	f->size = (uint64_t)st->st_size;
	f->params = dv_chunker_for_size(f->size);
	f->nsegments = (f->size + SEGMENT - 1) / SEGMENT;
	f->issued = f->cut = f->start = 0;
	f->sticky = (dv_sticky){ 0 }, f->like = (dv_likeness){ 0 };
	dv_basis_free(f->basis);
	dv_peers_free(f->peers);
	f->basis = NULL;
	f->peers = NULL;
	if (!table && in->deltas)
		rc = dv_peers_new(&f->peers, PEERS_LARGE);
	if (!rc && !table)
		rc = open_basis(in, in->nstations - 1, before, &f->basis);
	if (!rc)
		rc = dv_recipe_begin(&f->recipe, 0, f->params->id, f->size);
	dv_sha256_init(&f->hash);
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return rc;
}

static int ingest_large(dv_ingest *in, int fd, const char *name, const dv_oid *before,
			dv_pack_footer *table, dv_oid *oid, struct stat *st)
{
	large *f = &in->f;
	dv_encoder *enc = NULL;
	int rc = stat_file(fd, name, st);

	if (rc < 0)
		return rc;
	if (st->st_size <= (off_t)DV_INGEST_SMALL)
		return ingest_small(in, in->nstations - 1, fd, name, before, table, oid, st);
	rc = begin_large(in, fd, name, before, table, st);
	if (rc < 0)
		return rc;
	rc = run_large(in);
	if (rc)
		return quiesce(in, rc);
	dv_sha256_final(&f->hash, oid);
	rc = check_unchanged(fd, name, st);
	if (!rc)
		rc = station_encoder(in, in->nstations - 1, &enc);
	if (!rc)
		rc = dv_recipe_put(in->w, enc, oid, &f->recipe);
	if (!rc && table)
		rc = table_from(table, &f->recipe);
	if (f->recipe.cap > (size_t)1 << 20)
		dv_buf_release(&f->recipe);
	dv_basis_free(f->basis);
	f->basis = NULL;
	return rc;
}

int dv_ingest_large(dv_ingest *in, int fd, const char *name, const dv_oid *before, dv_oid *oid,
		    struct stat *st)
{
	return ingest_large(in, fd, name, before, NULL, oid, st);
}

int dv_ingest_whole(dv_ingest *in, int worker, int fd, const char *name, dv_pack_footer *table,
		    dv_oid *oid, struct stat *st)
{
	dv_pack_footer_release(table);
	*table = (dv_pack_footer)DV_PACK_FOOTER_INIT;
	return worker < 0 ? ingest_large(in, fd, name, NULL, table, oid, st)
			  : ingest_small(in, worker, fd, name, NULL, table, oid, st);
}
