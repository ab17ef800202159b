/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a fetch. A remote pack that is needed for the most part comes as a whole and becomes
 * a local one; of others the needed ranges are read, neighbours together. Nothing enters the writer
 * before every byte of it was checked: packs against their name and each entry in them against its
 * id, in one pass. Deltas come after their bases, so that they can be decoded.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/progress.h"
#include "transfer/internal.h"

#define WHOLE_PERCENT 60u
#define GAP_MAX (64u << 10)
#define FLUSH_EVERY ((uint64_t)256 << 20)	/* so much a kill may cost */
#define WIDE_MAX ((uint64_t)16 << 20)	/* of small pieces that are asked for all at once */

typedef struct job {
	dv_fetching *f;
	const dv_need *needs;	/* what is wanted of it */
	size_t n;
	dv_container c;
	uint64_t offset, length;
	bool keep, whole;
	bool gone;		/* the remote does not have the file */
} job;

static int bad_pack(const dv_fetching *f, const dv_container *c, int code)
{
	char name[DV_NAME_ROOM];

	dv_remote_container_name(name, c);
	if (code == DV_ENOTFOUND)
		code = dv_err(DV_ECORRUPT, "'%s' is missing, though the log names it", name);
	if (code != DV_ECORRUPT)
		return code;
	code = dv_err_ctx(code, "remote '%s': '%s' is damaged", f->r->name, name);
	return dv_err_hint(code, "run 'dv fsck -r %s'", f->r->name);
}

/* -- whole packs ------------------------------------------------------------------------------- */

typedef struct file_sink {
	int fd;
	uint64_t left;
} file_sink;

static int to_file(const void *p, size_t n, void *payload)
{
	file_sink *s = payload;

	if (n > s->left)
		return dv_err(DV_ECORRUPT, "it is longer than the log says");
	s->left -= n;
	if (dv_fs_write_all(s->fd, p, n))
		return dv_err_sys("cannot write a pack to the cache");
	dv_progress_add(n, 0);
	return 0;
}

typedef struct mapped {
	void *p;
	size_t n;
} mapped;
static void mapped_release(mapped *m)
{
	if (m->p)
		munmap(m->p, m->n);
}

static int run_entries(job *j, int slot, const uint8_t *bytes, uint64_t at);

void dv_fetching_drop_spools(dv_fetching *f)
{
	for (size_t i = 0; i < f->nspools; i++)
		dv_spool_release(&f->spools[i]);
	f->nspools = 0;
}

/* Brings what is missing of the pack to the end of its file. */
static int download(job *j, dv_spool *s)
{
	dv_fetching *f = j->f;
	file_sink sink = { s->fd, j->c.size - s->have };
	char name[DV_NAME_ROOM];

	dv_remote_container_name(name, &j->c);
	dv_progress_add(s->have, 0);
	int rc = sink.left ? f->r->r->driver->get(f->r->r, name, s->have, UINT64_MAX, to_file,
						  &sink) : 0;
	j->gone = rc == DV_ENOTFOUND;
	if (rc && rc != DV_ECORRUPT)
		return dv_err_ctx(rc, "remote '%s'", f->r->name);
	if (rc == 0 && sink.left)
		rc = dv_err(DV_ECORRUPT, "it is shorter than the log says");
	return rc;
}

static void show(const dv_oid *ids, const void *const *p, const size_t *n, size_t count,
		 void *payload)
{
	dv_landing_show(payload, ids, p, n, count);
}

/* Hands the pack to the writer, or takes from it what is needed. One with deltas is not adopted:
 * their bases may be elsewhere. */
static int take_pack(job *j, int slot, dv_spool *s)
{
	dv_fetching *f = j->f;
	dv_auto(dv_pack_footer) footer = DV_PACK_FOOTER_INIT;
	dv_auto(mapped) m = { .n = (size_t)j->c.size };
	size_t need = 0;
	void *p = mmap(NULL, m.n, PROT_READ, MAP_SHARED, s->fd, 0);

	if (p == MAP_FAILED)
		return dv_err_sys("cannot map '%s'", s->path);
	m.p = p;
	int rc = dv_pack_footer_parse(&footer, m.p, m.n, m.n, &need);
	if (rc == 0 && need)
		rc = dv_err(DV_ECORRUPT, "it has no footer");
	if (rc)
		return rc;
	if (footer.nbases) {
		if ((rc = run_entries(j, slot, m.p, 0)) == 0)
			dv_spool_remove(s);
		return rc;
	}
	const dv_pack_watch watch = { .seen = f->o->landing ? show : NULL,
				      .payload = f->o->landing };
	if ((rc = dv_pack_check(s->fd, m.n, &footer, &j->c.id, &watch)))
		return rc;
	if (dv_fs_fdatasync(s->fd))
		return dv_err_sys("cannot write '%s' to disk", s->path);
	if ((rc = dv_writer_adopt_pack(f->writer, s->path, &j->c, &footer)))
		return rc;
	/* Kept open until the commit, so that nobody else takes it for a leftover. */
	pthread_mutex_lock(&f->lock);
	rc = dv_grow(&f->spools, &f->spools_cap, f->nspools + 1, sizeof *f->spools);
	if (rc == 0) {
		f->spools[f->nspools++] = *s;
		*s = (dv_spool)DV_SPOOL_INIT;
	}
	pthread_mutex_unlock(&f->lock);
	return rc;
}

/* Damage may have come about on the way, or stem from a crash: what is damaged is asked for once
 * more from its beginning. What did not come in full stays for the next time. */
static int whole_run(job *j)
{
	dv_autofree char *dir = dv_path_join(dv_store_dir(j->f->local), "packs");
	dv_auto(dv_spool) s = DV_SPOOL_INIT;
	int rc = dir ? dv_spool_open(&s, dir, &j->c.id, j->c.size) : DV_ERROR;

	for (int i = 0; rc == 0 && i < 2; i++) {
		if ((rc = download(j, &s)) == 0) {
			int slot = dv_slots_take(&j->f->slots);

			rc = take_pack(j, slot, &s);
			dv_slots_give(&j->f->slots, slot);
		}
		if (rc != DV_ECORRUPT || i > 0)
			break;
		dv_progress_add(0 - j->c.size, 0);
		rc = dv_spool_discard(&s);
	}
	if (rc == DV_ECORRUPT || rc == DV_ENOTFOUND)
		dv_spool_remove(&s);
	return rc;
}

/* -- ranges ------------------------------------------------------------------------------------ */

static int keep_bytes(dv_fetching *f, uint8_t kind, const dv_oid *id, const uint8_t *p, size_t n)
{
	pthread_mutex_lock(&f->lock);
	int rc = dv_grow(&f->cached, &f->cached_cap, f->ncached + 1, sizeof *f->cached);
	if (rc == 0) {
		f->cached[f->ncached] = (dv_kept){ DV_BUF_INIT, *id, kind };
		rc = dv_buf_add(&f->cached[f->ncached].bytes, p, n);
		if (rc == 0)
			rc = dv_map_put(&f->cache[kind == DV_KIND_RECIPE], id, f->ncached);
		if (rc)
			dv_buf_release(&f->cached[f->ncached].bytes);
		else
			f->ncached++;
		f->cached_bytes += n;
	}
	pthread_mutex_unlock(&f->lock);
	return rc;
}

/* A chunk that the cache keeps; the bytes stay where they are while the cache grows. */
static bool kept_bytes(dv_fetching *f, const dv_oid *id, const uint8_t **p, size_t *n)
{
	uint64_t i;

	pthread_mutex_lock(&f->lock);
	bool found = dv_map_get(&f->cache[0], id, &i);
	if (found) {
		*p = (const uint8_t *)f->cached[i].bytes.p;
		*n = f->cached[i].bytes.n;
	}
	pthread_mutex_unlock(&f->lock);
	return found;
}

/* The bytes of an entry's bases, one after the other. Neighbours often have the same ones. */
typedef struct prefix {
	dv_oid ids[DV_BASES_MAX];
	size_t n;
	dv_buf bytes;
} prefix;

static void prefix_release(prefix *x)
{
	dv_buf_release(&x->bytes);
}

/* Reads what is not there from before; all bases are in the cache or the local store by now. */
static int read_prefix(dv_fetching *f, int slot, const dv_oid *bases, size_t n, prefix *x)
{
	if (n && n == x->n && !memcmp(bases, x->ids, n * sizeof *bases))
		return 0;
	x->n = 0;
	dv_buf_clear(&x->bytes);
	for (size_t i = 0; i < n; i++) {
		const uint8_t *p;
		size_t len;
		int rc = kept_bytes(f, &bases[i], &p, &len) ? 0 :
			 dv_reader_get(f->readers[slot], DV_KIND_CHUNK, &bases[i], &p, &len);

		if (rc)
			return rc;
		if (len > DV_PREFIX_MAX - x->bytes.n)
			return dv_err(DV_ECORRUPT, "a delta has too long bases");
		if ((rc = dv_buf_add(&x->bytes, p, len)))
			return rc;
	}
	if (n)
		memcpy(x->ids, bases, n * sizeof *bases);
	x->n = n;
	return 0;
}

/* The cache may hold the bases in another form than the remote: what would be too deep here is
 * stored in full. */
static int put_in_full(dv_fetching *f, int slot, const dv_pack_entry *e, const uint8_t *raw)
{
	int rc = 0;

	dv_error_clear();
	if (!f->encoders[slot])
		rc = dv_encoder_new(&f->encoders[slot], dv_writer_level(f->writer));
	return rc ? rc : dv_writer_put(f->writer, f->encoders[slot], e->kind, &e->id, raw,
				       e->raw, NULL, NULL);
}

/* No hash speaks for the bytes of a recipe, but a bit that was turned on the way names a chunk that
 * nobody has. Such a recipe is not kept: it would stand in the way of the right one. */
static int check_named(const dv_fetching *f, const dv_oid *id, const uint8_t *p, size_t n)
{
	dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;
	char hex[DV_OID_HEX_SIZE + 1];
	dv_place at;
	uint8_t level;
	int rc = dv_recipe_parse(&recipe, &level, p, n);

	for (size_t i = 0; i < recipe.n && rc == 0; i++) {
		const dv_oid *c = &recipe.c[i].id;

		if (dv_remote_store_find(f->r, DV_KIND_CHUNK, c, &at) ||
		    dv_store_find(f->local, DV_KIND_CHUNK, c, &at))
			continue;
		dv_oid_hex(hex, id);
		rc = dv_err(DV_ECORRUPT, "the recipe of %s names a chunk that is nowhere", hex);
	}
	return rc;
}

/* Entries that are decoded, and wait to be checked together: to hash many at a time is cheaper. */
#define LOT 64
#define LOT_BYTES ((size_t)1 << 20)	/* decoded, one entry aside */
typedef struct lot {
	dv_pack_entry e[LOT];
	dv_oid ids[LOT];
	dv_oid bases[LOT][DV_BASES_MAX];
	const uint8_t *stored[LOT];
	const void *raw[LOT];
	size_t len[LOT];
	size_t n, used;
	prefix x;
	uint8_t *room;		/* LOT_BYTES + DV_RAW_MAX */
} lot;

static lot *lot_new(void)
{
	lot *l = dv_calloc(1, sizeof *l);

	if (l && !(l->room = dv_malloc(LOT_BYTES + DV_RAW_MAX))) {
		free(l);
		return NULL;
	}
	return l;
}

static void lot_free(lot *l)
{
	if (!l)
		return;
	prefix_release(&l->x);
	free(l->room);
	free(l);
}
DV_DEFINE_AUTOPTR(lot)

static int check_lot(const dv_fetching *f, const lot *l)
{
	char hex[DV_OID_HEX_SIZE + 1];
	dv_oid real[LOT];
	int rc = 0;

	dv_sha256_many(real, l->raw, l->len, l->n);
	for (size_t i = 0; rc == 0 && i < l->n; i++) {
		const dv_oid *id = &l->ids[i];

		if (l->e[i].kind == DV_KIND_RECIPE) {
			if ((rc = dv_check_entry(DV_KIND_RECIPE, id, l->raw[i], l->len[i])) == 0)
				rc = check_named(f, id, l->raw[i], l->len[i]);
		} else if (!dv_oid_eq(&real[i], id)) {
			dv_oid_hex(hex, id);
			rc = dv_err(DV_ECORRUPT, "chunk %s is damaged", hex);
		}
	}
	return rc;
}

/* Checks all that is in the lot, keeps it, and empties the lot. */
static int take_lot(job *j, int slot, lot *l)
{
	dv_fetching *f = j->f;
	int rc = check_lot(f, l);

	if (rc == 0 && !j->keep && f->o->landing)
		dv_landing_show(f->o->landing, l->ids, l->raw, l->len, l->n);
	for (size_t i = 0; rc == 0 && i < l->n; i++) {
		const dv_pack_entry *e = &l->e[i];

		if (j->keep) {
			rc = keep_bytes(f, e->kind, &e->id, l->raw[i], e->raw);
			continue;
		}
		rc = dv_writer_put_stored(f->writer, e, l->stored[i], l->bases[i]);
		if (rc == DV_EUSAGE)
			rc = put_in_full(f, slot, e, l->raw[i]);
	}
	l->n = l->used = 0;
	return rc;
}

/* Decodes an entry into the lot. */
static int add_entry(job *j, int slot, const dv_need *need, const uint8_t *stored, lot *l)
{
	dv_fetching *f = j->f;
	dv_pack_entry *e = &l->e[l->n];
	uint8_t *raw = l->room + l->used;
	dv_oid *bases = l->bases[l->n];
	uint8_t nbases = need->at.nbases;
	int rc = dv_remote_bases(f->r, need->at.kind, &need->id, &need->at, bases);

	if (rc || (nbases && (rc = read_prefix(f, slot, bases, nbases, &l->x))))
		return rc;
	dv_place_entry(e, &need->id, &need->at);
	rc = dv_pack_decode(raw, e, stored, (const uint8_t *)l->x.bytes.p,
			    nbases ? l->x.bytes.n : 0);
	if (rc)
		return rc;
	l->ids[l->n] = need->id;
	l->stored[l->n] = stored;
	l->raw[l->n] = raw;
	l->len[l->n++] = e->raw;
	l->used += e->raw;
	return 0;
}

/* `bytes` begin at offset `at` of the container. */
static int run_entries(job *j, int slot, const uint8_t *bytes, uint64_t at)
{
	dv_autoptr(lot) l = lot_new();
	int rc = l ? 0 : DV_ERROR;

	for (size_t i = 0; rc == 0 && i < j->n; i++) {
		rc = add_entry(j, slot, &j->needs[i], bytes + (j->needs[i].at.offset - at), l);
		if (rc == 0 && (l->n == LOT || l->used >= LOT_BYTES) &&
		    (rc = take_lot(j, slot, l)) == 0)
			rc = dv_check_cancel();
	}
	return rc ? rc : take_lot(j, slot, l);
}

static int range_run(job *j)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	char name[DV_NAME_ROOM];

	dv_remote_container_name(name, &j->c);
	int rc = dv_remote_get_range(j->f->r, name, j->offset, (size_t)j->length, &b);
	j->gone = rc == DV_ENOTFOUND;
	if (rc == DV_ECORRUPT)
		return dv_err(DV_ECORRUPT, "it is shorter than the log says");
	if (rc)
		return rc;
	dv_progress_add(j->length, 0);
	int slot = dv_slots_take(&j->f->slots);
	rc = run_entries(j, slot, (const uint8_t *)b.p, j->offset);
	dv_slots_give(&j->f->slots, slot);
	return rc;
}

/* -- what is gone ------------------------------------------------------------------------------ */

/* A collection may have been faster than this fetch: the log tells where things are now. */
int dv_fetching_overtaken(dv_fetching *f)
{
	pthread_mutex_lock(&f->lock);
	f->overtaken = true;
	pthread_mutex_unlock(&f->lock);
	return dv_err(DV_ETRANSIENT, "files of remote '%s' went away", f->r->name);
}

/* -- damage ------------------------------------------------------------------------------------ */

int dv_fetching_note_bad(dv_fetching *f, const dv_need *need)
{
	bool added;

	pthread_mutex_lock(&f->lock);
	int rc = dv_map_add(&f->bad[need->at.kind == DV_KIND_RECIPE], &need->id, 1, &added);
	f->nbad += rc == 0 && added;
	pthread_mutex_unlock(&f->lock);
	return rc;
}

/* One entry by itself. */
static int salvage_entry(job *j, const dv_need *need)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	char name[DV_NAME_ROOM];
	int rc = 0;

	dv_remote_container_name(name, &j->c);
	if (!j->gone)
		rc = dv_remote_get_range(j->f->r, name, need->at.offset, need->at.stored, &b);
	if (rc == 0 && !j->gone) {
		job one = { .f = j->f, .needs = need, .n = 1, .c = j->c, .keep = j->keep };
		int slot = dv_slots_take(&j->f->slots);

		rc = run_entries(&one, slot, (const uint8_t *)b.p, need->at.offset);
		dv_slots_give(&j->f->slots, slot);
	}
	if (rc != DV_ECORRUPT && rc != DV_ENOTFOUND && !j->gone)
		return rc;
	dv_error_clear();
	return dv_fetching_note_bad(j->f, need);
}

/* A file of the remote is damaged: what of it is whole still comes, the rest is noted. */
static int salvage(job *j, int code)
{
	int rc = 0;

	bad_pack(j->f, &j->c, code);
	dv_warn("%s", dv_error_last()->message);
	dv_error_clear();
	for (size_t i = 0; rc == 0 && i < j->n; i++)
		if ((rc = dv_check_cancel()) == 0)
			rc = salvage_entry(j, &j->needs[i]);
	return rc;
}

static int job_run(void *arg, int worker)
{
	job *j = arg;
	int rc = j->whole ? whole_run(j) : range_run(j);

	(void)worker;
	if (rc == DV_ENOTFOUND && !j->f->reloaded)
		return dv_fetching_overtaken(j->f);
	if (rc == DV_ECORRUPT || rc == DV_ENOTFOUND)
		return salvage(j, rc);
	if (rc)
		return rc;
	pthread_mutex_lock(&j->f->lock);
	j->f->bytes += j->length;
	j->f->packs += j->whole;
	pthread_mutex_unlock(&j->f->lock);
	return 0;
}

/* -- the plan ---------------------------------------------------------------------------------- */

static int compare_needs(const void *a, const void *b)
{
	const dv_need *x = a, *y = b;
	int c = (x->level > y->level) - (x->level < y->level);

	if (c == 0)
		c = (x->rank > y->rank) - (x->rank < y->rank);
	if (c || (c = dv_oid_cmp(&x->at.in.id, &y->at.in.id)))
		return c;
	if (x->at.offset != y->at.offset)
		return x->at.offset < y->at.offset ? -1 : 1;
	return (x->at.kind > y->at.kind) - (x->at.kind < y->at.kind);
}

typedef struct jobs {
	job *j;
	size_t n, cap;
} jobs;
static void jobs_release(jobs *js)
{
	free(js->j);
}

static int add_job(jobs *js, const job *j)
{
	int rc = dv_grow(&js->j, &js->cap, js->n + 1, sizeof *js->j);

	if (rc == 0)
		js->j[js->n++] = *j;
	return rc;
}

/* Jobs for the needs of one container and depth, sorted by offset. */
static int plan_container(dv_fetching *f, jobs *js, const dv_need *needs, size_t n, bool keep)
{
	const dv_container *c = &needs[0].at.in;
	uint64_t sum = 0;
	int rc = 0;

	for (size_t i = 0; i < n; i++)
		sum += needs[i].at.stored;
	if (!keep && c->kind == DV_CONTAINER_PACK && needs[0].level == 0 &&
	    sum * 100 >= c->size * WHOLE_PERCENT &&
	    !dv_map_has(&dv_store_state(f->local)->condemned, &c->id)) {
		job j = { f, needs, n, *c, 0, c->size, keep, true, false };

		return add_job(js, &j);
	}
	for (size_t i = 0, end; i < n && rc == 0; i = end) {
		uint64_t start = needs[i].at.offset, stop = start + needs[i].at.stored;

		for (end = i + 1; end < n && needs[end].at.offset <= stop + GAP_MAX; end++) {
			uint64_t next = needs[end].at.offset + needs[end].at.stored;

			if (next - start > f->run_max)
				break;
			stop = next > stop ? next : stop;
		}
		job j = { f, needs + i, end - i, *c, start, stop - start, keep, false, false };
		rc = add_job(js, &j);
	}
	return rc;
}

int dv_fetching_settle(dv_fetching *f)
{
	dv_autoptr(dv_encoder) enc = NULL;
	int rc = f->ncached ? dv_encoder_new(&enc, dv_writer_level(f->writer)) : 0;

	for (size_t i = 0; i < f->ncached && rc == 0; i++) {
		const dv_kept *k = &f->cached[i];

		rc = dv_writer_put(f->writer, enc, k->kind, &k->id, (const uint8_t *)k->bytes.p,
				   k->bytes.n, NULL, NULL);
	}
	return rc;
}

/* What arrived stays when the rest is cut off, and can be read. The structure waits: it may come
 * with a pack. */
static int commit_data(dv_fetching *f)
{
	f->uncommitted = 0;
	int rc = dv_writer_commit(f->writer, NULL, 0);
	if (rc == 0)
		dv_fetching_drop_spools(f);
	return rc;
}

int dv_fetching_flush(dv_fetching *f)
{
	int rc = dv_fetching_settle(f);

	if (rc == 0)
		rc = commit_data(f);
	for (size_t i = 0; i < f->ncached; i++)
		dv_buf_release(&f->cached[i].bytes);
	dv_map_clear(&f->cache[0]);
	dv_map_clear(&f->cache[1]);
	f->ncached = 0;
	f->cached_bytes = f->uncommitted = 0;
	return rc;
}

/* Structure comes in many small pieces, and so do bases; the next level waits for all of them. */
static int widen(const dv_fetching *f, const jobs *js, dv_pool **out)
{
	int many = f->r->r->many, n = js->n < (size_t)many ? (int)js->n : many;
	uint64_t sum = 0;

	for (size_t i = 0; i < js->n; i++)
		sum += js->j[i].length;
	return n <= dv_pool_threads(f->pool) || sum > WIDE_MAX ? 0 : dv_pool_new(out, n, 16);
}

static int run_jobs(dv_fetching *f, jobs *js)
{
	dv_autoptr(dv_pool) wide = NULL;
	int rc = widen(f, js, &wide);
	dv_pool *pool = wide ? wide : f->pool;

	for (size_t i = 0; i < js->n && rc == 0; i++) {
		rc = dv_pool_submit(pool, job_run, &js->j[i]);
		/* Whole packs are found again after a kill, other entries are not. */
		f->uncommitted += js->j[i].length / (js->j[i].whole ? 4 : 1);
		if (rc == 0 && f->uncommitted >= FLUSH_EVERY && !js->j[i].keep) {
			rc = dv_pool_wait(pool);
			if (rc == 0)
				rc = commit_data(f);
		}
	}
	int end = dv_pool_wait(pool);
	return end ? end : rc;
}

int dv_fetching_retrieve(dv_fetching *f, dv_need **needs, size_t *n, size_t *cap, bool keep)
{
	/* Finding the bases takes requests of its own. */
	int rc = f->plan_only ? 0 : dv_fetching_add_bases(f, needs, n, cap);

	if (rc || *n == 0)
		return rc;
	for (size_t i = 0; i < *n; i++) {
		uint64_t rank = UINT32_MAX;

		dv_map_get(&f->ranks, &(*needs)[i].at.in.id, &rank);
		(*needs)[i].rank = (uint32_t)rank;
	}
	qsort(*needs, *n, sizeof **needs, compare_needs);
	for (size_t i = 0, level; i < *n && rc == 0; i = level) {
		dv_auto(jobs) js = { 0 };
		const dv_need *all = *needs;

		for (level = i; level < *n && all[level].level == all[i].level;) {
			size_t from = level;

			while (level < *n && all[level].level == all[i].level &&
			       dv_oid_eq(&all[level].at.in.id, &all[from].at.in.id))
				level++;
			if ((rc = plan_container(f, &js, all + from, level - from, keep)))
				return rc;
		}
		f->planned += js.n;
		rc = f->plan_only ? 0 : run_jobs(f, &js);
		/* The next level decodes against this one. */
		if (rc == 0 && level < *n && !keep)
			rc = commit_data(f);
	}
	return rc;
}
