/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The choice of bases. Two chunks are compared by samples: the values of the gear hash over 64
 * bytes wherever it is small, so that about one window in `rate` counts, and the same windows count
 * in both, whatever was inserted or removed elsewhere.
 */
#include "store/delta.h"

#include <string.h>

#include "base/alloc.h"
#include "store/chunker.h"

#define KEPT 48			/* chunks in the cache */
#define NEAR 6			/* chunks around the place that are looked at */
#define REACH ((uint64_t)64 << 10)	/* how far beyond the place one looks */
#define WINDOW 64		/* bytes that a sample stands for */
#define LEAST 32		/* of this many samples about one is enough to call it alike */
#define MISSES 4		/* unlike chunks in a row, after which */
#define SKIPS 32		/* so many are not looked at, and */
#define SKIPS_MAX 256		/* each time after that twice as many, up to this many */
#define CLIMB 64		/* chunks in work while climbing; a bound, hardly ever reached */

/* A chunk that was read. */
typedef struct old_chunk {
	dv_oid id;
	uint8_t *p;		/* NULL: free place */
	size_t n;
	dv_place at;
	dv_oid bases[DV_BASES_MAX];
	uint64_t *samples;	/* sorted, each once */
	size_t nsamples;
	uint64_t used;
} old_chunk;

struct dv_delta {
	dv_store *s;
	dv_reader *r;
	old_chunk kept[KEPT];
	size_t bytes, room;
	uint64_t clock, pinned;	/* places used since `pinned` are not given away */
	uint64_t *samples;	/* of the new chunk */
	size_t nsamples, samples_cap;
	uint8_t *covered;	/* for each of them: a chosen chunk has it too */
	size_t covered_cap;
	dv_buf prefix;
	dv_oid ids[DV_DELTA_BASES];	/* of the bases chosen last */
	dv_delta_depth_fn only;	/* NULL: all chunks of the store may be chosen */
	void *ctx;
};

int dv_delta_new(dv_delta **out, dv_store *s, size_t cache_bytes)
{
	dv_autoptr(dv_delta) d = dv_calloc(1, sizeof(*d));
	int rc = d ? dv_reader_new(&d->r, s) : DV_ERROR;

	if (rc)
		return rc;
	d->s = s;
	d->room = cache_bytes;
	*out = dv_steal(&d);
	return 0;
}

void dv_delta_only(dv_delta *d, dv_delta_depth_fn fn, void *ctx)
{
	d->only = fn;
	d->ctx = ctx;
}

static void drop(dv_delta *d, old_chunk *c)
{
	d->bytes -= c->n + c->nsamples * sizeof(*c->samples);
	free(c->p);
	free(c->samples);
	*c = (old_chunk){ 0 };
}

void dv_delta_free(dv_delta *d)
{
	if (!d)
		return;
	for (int i = 0; i < KEPT; i++)
		drop(d, &d->kept[i]);
	dv_reader_free(d->r);
	dv_buf_release(&d->prefix);
	free(d->samples);
	free(d->covered);
	free(d);
}

dv_reader *dv_delta_reader(dv_delta *d)
{
	return d->r;
}

unsigned dv_delta_rung(const dv_oid *id)
{
	uint64_t end = dv_get_u64(id->b + DV_OID_RAW_SIZE - sizeof(end));

	return end ? (unsigned)__builtin_ctzll(end) : 64;
}

/* -- samples ------------------------------------------------------------------------------- */

/* One window in 2^shift is a sample: fewer for long chunks, so that the number stays near 256. */
static unsigned sample_shift(size_t n)
{
	return n >= 32768 ? 8 : n >= 8192 ? 6 : 4;
}

static int compare_samples(const void *pa, const void *pb)
{
	uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;

	return a < b ? -1 : a > b;
}

static int take_samples(const uint8_t *p, size_t n, uint64_t **samples, size_t *cap, size_t *count)
{
	const uint64_t *gear = dv_chunker_gear();
	uint64_t h = 0, below = UINT64_MAX >> sample_shift(n);
	size_t found = 0, kept = 0;

	for (size_t i = 0; i < n; i++) {
		h = 2 * h + gear[p[i]];
		if (h > below || i < WINDOW - 1)
			continue;
		if (found == *cap) {
			int rc = dv_grow(samples, cap, found + 256, sizeof(**samples));

			if (rc)
				return rc;
		}
		(*samples)[found++] = h;
	}
	if (found)
		qsort(*samples, found, sizeof(**samples), compare_samples);
	for (size_t i = 0; i < found; i++)
		if (!i || (*samples)[i] != (*samples)[i - 1])
			(*samples)[kept++] = (*samples)[i];
	*count = kept;
	return 0;
}

/* How many samples of the new chunk that nothing covers yet are in `c`; `mark` covers them. */
static size_t overlap(dv_delta *d, const old_chunk *c, bool mark)
{
	size_t n = 0;

	for (size_t i = 0, j = 0; i < d->nsamples && j < c->nsamples;) {
		if (d->samples[i] < c->samples[j]) {
			i++;
		} else if (d->samples[i] > c->samples[j]) {
			j++;
		} else {
			n += !d->covered[i];
			d->covered[i] |= mark;
			i++, j++;
		}
	}
	return n;
}

/* -- old chunks ---------------------------------------------------------------------------- */

static old_chunk *free_place(dv_delta *d, size_t need)
{
	for (;;) {
		old_chunk *place = NULL, *oldest = NULL;

		for (int i = 0; i < KEPT; i++) {
			old_chunk *c = &d->kept[i];

			if (!c->p)
				place = c;
			else if (c->used <= d->pinned && (!oldest || c->used < oldest->used))
				oldest = c;
		}
		if (place && (d->bytes + need <= d->room || !oldest))
			return place;
		if (!oldest)
			return NULL;
		drop(d, oldest);
	}
}

static int fill(dv_delta *d, old_chunk *c, const dv_oid *id, const dv_place *at)
{
	const dv_oid *bases;
	const uint8_t *p;
	size_t n, cap = 0;
	int rc = dv_reader_bases(d->r, id, at, &bases);

	if (!rc && at->nbases)
		memcpy(c->bases, bases, at->nbases * sizeof(*bases));
	if (!rc)
		rc = dv_reader_get(d->r, DV_KIND_CHUNK, id, &p, &n);
	if (!rc)
		rc = take_samples(p, n, &c->samples, &cap, &c->nsamples);
	if (!rc && !(c->p = dv_malloc(n)))
		rc = DV_ERROR;
	if (rc) {
		free(c->samples);
		*c = (old_chunk){ 0 };
		return rc;
	}
	memcpy(c->p, p, n);
	c->n = n;
	c->id = *id;
	c->at = *at;
	d->bytes += n + c->nsamples * sizeof(*c->samples);
	return 0;
}

/* The old chunk, or NULL when it cannot be had. */
static old_chunk *get(dv_delta *d, const dv_oid *id)
{
	old_chunk *c = NULL;
	uint8_t depth = 0;
	dv_place at;

	if (d->only && !d->only(d->ctx, id, &depth))
		return NULL;
	for (int i = 0; i < KEPT; i++)
		if (d->kept[i].p && dv_oid_eq(&d->kept[i].id, id)) {
			d->kept[i].used = ++d->clock;
			return &d->kept[i];
		}
	if (!dv_store_find(d->s, DV_KIND_CHUNK, id, &at))
		return NULL;
	c = free_place(d, at.raw);
	if (!c)
		return NULL;
	if (fill(d, c, id, &at)) {
		dv_error_clear();
		return NULL;
	}
	if (d->only)
		c->at.depth = depth;
	c->used = ++d->clock;
	return c;
}

/* -- the choice ---------------------------------------------------------------------------- */

typedef struct choice {
	const old_chunk *c[CLIMB];
	size_t n;
} choice;

static void add_once(choice *to, const old_chunk *c)
{
	for (size_t i = 0; i < to->n; i++)
		if (to->c[i] == c)
			return;
	if (c && to->n < CLIMB)
		to->c[to->n++] = c;
}

/* Keeps the few that together have most of the new chunk's samples, in the order they are in.
 * Returns how many samples they have. */
static size_t pick(dv_delta *d, choice *from)
{
	size_t least = d->nsamples / LEAST + 1, all = 0, kept = 0, npicked = 0;
	bool picked[CLIMB] = { false };

	memset(d->covered, 0, d->nsamples);
	while (npicked < DV_DELTA_BASES) {
		size_t best = from->n, most = 0;

		for (size_t i = 0; i < from->n; i++) {
			size_t has = picked[i] ? 0 : overlap(d, from->c[i], false);

			if (has > most) {
				most = has;
				best = i;
			}
		}
		if (best == from->n || most < least)
			break;
		picked[best] = true;
		npicked++;
		all += overlap(d, from->c[best], true);
	}
	for (size_t i = 0; i < from->n; i++)
		if (picked[i])
			from->c[kept++] = from->c[i];
	from->n = kept;
	return all;
}

static bool may_carry(const old_chunk *c, unsigned rung)
{
	return !c->at.nbases || (c->at.depth < DV_DELTA_DEPTH && dv_delta_rung(&c->id) > rung);
}

/* Adds what `c` builds on. False when that is unlike the new chunk: then the old one has other
 * kinds of bases, its peers. */
static bool add_below(dv_delta *d, choice *to, const old_chunk *c)
{
	size_t own = overlap(d, c, false), has = 0, n = to->n;

	for (int k = 0; k < c->at.nbases; k++) {
		const old_chunk *b = get(d, &c->bases[k]);

		add_once(to, b);
		has += b ? overlap(d, b, false) : 0;
	}
	if (has >= own / 2)
		return true;
	to->n = n;
	return false;
}

/* Replaces what must not be built on by what it builds on itself. True when anything changed. */
static bool climb(dv_delta *d, choice *from, unsigned rung)
{
	bool changed = false, again = true;

	memset(d->covered, 0, d->nsamples);
	for (int step = 0; again && step <= DV_DEPTH_MAX; step++) {
		choice up = { .n = 0 };

		again = false;
		for (size_t i = 0; i < from->n; i++) {
			const old_chunk *c = from->c[i];

			if (!may_carry(c, rung) && add_below(d, &up, c))
				changed = again = true;
			else
				add_once(&up, c);
		}
		*from = up;
	}
	/* Whatever happened: nothing that would make the chain too long. */
	for (size_t i = 0; i < from->n;)
		if (from->c[i]->at.depth >= DV_DELTA_DEPTH)
			from->c[i] = from->c[--from->n];
		else
			i++;
	return changed;
}

static size_t look(dv_delta *d, const dv_basis *basis, dv_stretch where, size_t most, choice *out)
{
	dv_oid ids[NEAR];
	size_t n = dv_basis_chunks(basis, where, ids, most);

	out->n = 0;
	for (size_t i = 0; i < n; i++)
		add_once(out, get(d, &ids[i]));
	return pick(d, out);
}

static int finish(dv_delta *d, const choice *chosen, dv_bases *out)
{
	dv_buf_clear(&d->prefix);
	for (size_t i = 0; i < chosen->n; i++) {
		const old_chunk *c = chosen->c[i];

		d->ids[i] = c->id;
		if (out->depth <= c->at.depth)
			out->depth = (uint8_t)(c->at.depth + 1);
		dv_buf_add(&d->prefix, c->p, c->n);
	}
	out->ids = d->ids;
	out->n = (uint8_t)chosen->n;
	out->prefix = (const uint8_t *)d->prefix.p;
	out->prefix_len = d->prefix.n;
	return d->prefix.err;
}

void dv_delta_learn(dv_likeness *like, bool paid)
{
	unsigned misses;
	int skip = SKIPS;

	if (paid) {
		/* Nearly always so already; the line of memory stays shared. */
		if (atomic_load_explicit(&like->misses, memory_order_relaxed)) {
			atomic_store(&like->misses, 0);
			atomic_store(&like->skip, 0);
		}
		return;
	}
	misses = atomic_fetch_add(&like->misses, 1) + 1;
	if (misses < MISSES)
		return;
	for (; misses > MISSES && skip < SKIPS_MAX; misses--)
		skip *= 2;
	atomic_store(&like->skip, skip);
}

bool dv_delta_passes(dv_likeness *like)
{
	return atomic_load_explicit(&like->skip, memory_order_relaxed) > 0 &&
	       atomic_fetch_sub(&like->skip, 1) > 0;
}

int dv_delta_choose(dv_delta *d, const dv_basis *basis, dv_stretch where, const dv_oid *id,
		    const uint8_t *raw, size_t n, dv_likeness *like, dv_bases *out)
{
	choice chosen = { .n = 0 };
	unsigned misses;
	size_t covered;
	int rc;

	*out = (dv_bases){ 0 };
	if (dv_delta_passes(like))
		return 0;
	misses = atomic_load_explicit(&like->misses, memory_order_relaxed);
	rc = take_samples(raw, n, &d->samples, &d->samples_cap, &d->nsamples);
	if (!rc)
		rc = dv_grow(&d->covered, &d->covered_cap, d->nsamples + 1, 1);
	if (rc || !d->nsamples)
		return rc;
	d->pinned = d->clock;
	/* When nothing was alike lately, one in the middle tells enough. */
	covered = look(d, basis, where, misses < MISSES ? NEAR : 1, &chosen);
	if (covered < d->nsamples - d->nsamples / 8 && (covered || misses < 2)) {
		where.from -= where.from < REACH ? where.from : REACH;
		where.to += REACH;
		covered = look(d, basis, where, NEAR, &chosen);
	}
	if (chosen.n && !d->only && climb(d, &chosen, dv_delta_rung(id)))
		covered = pick(d, &chosen);
	if (!chosen.n)
		dv_delta_learn(like, false);
	out->sure = covered >= d->nsamples / 2;
	return chosen.n ? finish(d, &chosen, out) : 0;
}

/* -- storing ------------------------------------------------------------------------------- */

/* With the peers there are, or alone. */
static int put_among_peers(const dv_putting *put, const dv_oid *id, const uint8_t *raw, size_t n)
{
	bool compare;
	const dv_peer_set *set = dv_peers_get(put->peers, &compare);
	dv_bases bases = { 0 };
	dv_outcome out;
	int rc;

	if (set)
		bases = (dv_bases){ .ids = set->ids, .n = set->n, .depth = 1, .sure = !compare,
				    .prefix = set->p, .prefix_len = set->len,
				    .number = set->number };
	rc = dv_writer_put_based(put->w, put->enc, id, raw, n, put->sticky, &bases, &out);
	if (rc || !out.fresh)
		return rc;
	if (out.alone)
		dv_peers_learn(put->peers, set, out.with, out.alone);
	return set ? 0 : dv_peers_offer(put->peers, id, raw, n, out.stored);
}

static int put_chunk(const dv_putting *put, dv_stretch where, const dv_oid *id, const uint8_t *raw,
		     size_t n)
{
	dv_bases bases = { 0 };
	dv_outcome out;
	int rc = 0;

	if (dv_writer_has(put->w, DV_KIND_CHUNK, id))
		return 0;
	if (put->delta && put->basis)
		rc = dv_delta_choose(put->delta, put->basis, where, id, raw, n, put->like, &bases);
	if (rc < 0)
		return rc;
	if (!bases.n && put->peers)
		return put_among_peers(put, id, raw, n);
	rc = dv_writer_put_based(put->w, put->enc, id, raw, n, put->sticky, &bases, &out);
	if (!rc && bases.n && out.fresh)
		dv_delta_learn(put->like, out.codec == DV_CODEC_ZSTD_DELTA);
	return rc;
}

int dv_put_chunks(const dv_putting *put, uint64_t offset, const dv_oid *ids, const size_t *lens,
		  size_t n, const uint8_t *p, bool last)
{
	dv_autofree dv_stretch *where = dv_calloc(n + 1, sizeof(*where));
	int rc = where ? 0 : DV_ERROR;

	if (!rc && put->delta && put->basis)
		dv_basis_walk(put->basis, offset, ids, lens, n, last, where);
	for (size_t i = 0; i < n && !rc; i++) {
		rc = put_chunk(put, where[i], &ids[i], p, lens[i]);
		p += lens[i];
	}
	return rc;
}
