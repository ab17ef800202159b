/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turning deltas round. First what has no versions keeps its form, as far as it builds on such
 * chunks alone; then files follow, the versions of each in the order of their depth in
 * a plan, so that a chunk which several versions have gets the least of their depths; at last
 * what builds on chunks of theirs is given its new depth.
 */
#include "store/turn.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/sha256.h"
#include "store/delta.h"

#define LEVEL_DELTA 10		/* from 11 on it takes three times as long for 1 to 3 % */
#define LEVEL_FULL 17		/* there are few of these, but */
#define LARGE ((uint64_t)64 << 20)	/* in files from here on, where LEVEL_DELTA must do */
#define CACHE ((size_t)24 << 20)
#define TRIES 8			/* chunks in a row that compressing again left as long, */
#define PASS 64			/* after which so many are passed over */

typedef struct turner {
	const dv_turn *t;
	dv_reader *r;
	dv_encoder *enc, *full;	/* for deltas, and for what is stored by itself */
	dv_delta *delta;
	uint8_t *check;		/* DV_RAW_MAX bytes */
	dv_map placed;		/* chunks that have their final form -> depth */
	dv_map versions;	/* chunks of files that have versions, not in `placed` at first */
	unsigned tries, pass;
	bool large, newest;	/* the version in work */
	/* While a file is looked at that may be turned already: */
	dv_oid *accepted;
	size_t naccepted, accepted_cap;
	bool deltas;
} turner;

/* A file's versions without repetition, and what each builds on. */
typedef struct line {
	const dv_oid *oid[DV_TURN_VERSIONS];
	uint16_t parent[DV_TURN_VERSIONS];
	uint8_t depth[DV_TURN_VERSIONS];
	size_t n;
} line;

static void turner_release(turner *w)
{
	dv_reader_free(w->r);
	dv_encoder_free(w->enc);
	dv_encoder_free(w->full);
	dv_delta_free(w->delta);
	dv_map_release(&w->placed);
	dv_map_release(&w->versions);
	free(w->check);
	free(w->accepted);
}

/* A chunk may be built on once it has its final form, unless the chain would become too long. */
static bool placed_depth(void *ctx, const dv_oid *id, uint8_t *depth)
{
	const turner *w = ctx;
	uint64_t d;

	if (!dv_map_get(&w->placed, id, &d) || d >= DV_DEPTH_MAX)
		return false;
	*depth = (uint8_t)d;
	return true;
}

/* The depth of a chunk with these bases; false when one has no final form yet, or the chain would
 * be too long. */
static bool depth_upon(const turner *w, const dv_oid *bases, size_t n, uint8_t *depth)
{
	*depth = 0;
	for (size_t i = 0; i < n; i++) {
		uint64_t d;

		if (!dv_map_get(&w->placed, &bases[i], &d) || d >= DV_DEPTH_MAX)
			return false;
		if (*depth <= d)
			*depth = (uint8_t)(d + 1);
	}
	return true;
}

/* -- storing ------------------------------------------------------------------------------- */

/* What was encoded is decoded once more and compared with the id before it replaces anything. */
static int put(turner *w, const dv_pack_entry *e, const uint8_t *stored, const dv_bases *bases)
{
	dv_oid is;
	int rc = dv_pack_decode(w->check, e, stored, e->nbases ? bases->prefix : NULL,
				e->nbases ? bases->prefix_len : 0);

	if (!rc)
		dv_sha256(&is, w->check, e->raw);
	if (rc || !dv_oid_eq(&is, &e->id))
		return dv_err(DV_ERROR, "a chunk that was compressed does not decode");
	rc = w->t->put(w->t->ctx, e, stored, bases->ids);
	return rc ? rc : dv_map_put(&w->placed, &e->id, e->depth);
}

/* Whether compressing a chunk that is stored in full already is worth trying. */
static bool try_again(turner *w)
{
	if (!w->pass)
		return true;
	w->pass--;
	return false;
}

static void learn(turner *w, bool smaller)
{
	w->tries = smaller ? 0 : w->tries + 1;
	if (w->tries >= TRIES)
		w->pass = PASS;
}

/* Keeps the form of a chunk all of whose bases have theirs. */
static int keep(turner *w, const dv_oid *id, const dv_turn_copy *have, uint8_t depth)
{
	dv_oid bases[DV_BASES_MAX];
	const dv_oid *ids;
	const uint8_t *stored, *raw;
	size_t n;
	dv_pack_entry e = { .id = *id, .kind = DV_KIND_CHUNK, .raw = have->at.raw,
			    .stored = have->at.stored, .codec = have->at.codec,
			    .nbases = have->at.nbases, .depth = depth };
	int rc;

	if (depth == have->at.depth)
		return dv_map_put(&w->placed, id, depth);
	rc = dv_reader_get(w->r, DV_KIND_CHUNK, id, &raw, &n);
	if (!rc)
		rc = dv_reader_stored(w->r, id, &have->at, &stored, &ids);
	if (rc)
		return rc;
	if (e.nbases)
		memcpy(bases, have->bases, e.nbases * sizeof(*bases));
	rc = w->t->put(w->t->ctx, &e, stored, bases);
	return rc ? rc : dv_map_put(&w->placed, id, depth);
}

/* Stored in full, or with the help of peers that have their final form? */
static bool is_shallow(const turner *w, const dv_turn_copy *have)
{
	uint8_t depth;

	return have->at.depth <= 1 && depth_upon(w, have->bases, have->at.nbases, &depth) &&
	       depth == have->at.depth;
}

static int encode(turner *w, const dv_oid *id, const dv_turn_copy *have, const dv_bases *bases)
{
	dv_prefix prefix = { bases->prefix, bases->prefix_len, 0, bases->sure };
	dv_pack_entry e = { .id = *id, .kind = DV_KIND_CHUNK, .raw = have->at.raw };
	const uint8_t *raw, *stored;
	uint8_t depth;
	size_t n, len, with, alone;
	int rc = dv_reader_get(w->r, DV_KIND_CHUNK, id, &raw, &n);

	if (rc)
		return rc;
	if (bases->n)
		rc = dv_encode_based(w->enc, raw, n, &prefix, NULL, &stored, &len, &e.codec, &with,
				     &alone);
	if (!rc && e.codec != DV_CODEC_ZSTD_DELTA)
		rc = dv_encode(w->large ? w->enc : w->full, raw, n, NULL, &stored, &len, &e.codec);
	if (rc)
		return rc;
	e.stored = (uint32_t)len;
	/* Peers may bring more than newer versions, and what is there may be as good. */
	if (!w->newest && have->at.nbases && have->at.stored <= len &&
	    depth_upon(w, have->bases, have->at.nbases, &depth))
		return keep(w, id, have, depth);
	if (e.codec == DV_CODEC_ZSTD_DELTA) {
		e.nbases = bases->n;
		e.depth = bases->depth;
	} else if (is_shallow(w, have)) {
		bool smaller = len < have->at.stored - have->at.stored / 64;

		learn(w, smaller);
		if (!smaller)
			return dv_map_put(&w->placed, id, have->at.depth);
	}
	return put(w, &e, stored, bases);
}

/* -- versions ------------------------------------------------------------------------------ */

static int store_chunk(turner *w, const dv_basis *basis, dv_stretch where, const dv_oid *id,
		       dv_likeness *like)
{
	dv_bases bases = { 0 };
	dv_turn_copy have;
	const uint8_t *raw;
	size_t n;
	int rc = dv_check_cancel();

	if (rc || dv_map_has(&w->placed, id))
		return rc;
	if (!w->t->copy(w->t->ctx, id, &have))
		return 0;
	/* A whole file serves for itself. */
	if (have.at.in.kind == DV_CONTAINER_FILE)
		return dv_map_put(&w->placed, id, 0);
	if (basis) {
		rc = dv_reader_get(w->r, DV_KIND_CHUNK, id, &raw, &n);
		if (!rc)
			rc = dv_delta_choose(w->delta, basis, where, id, raw, n, like, &bases);
	}
	if (rc < 0)
		return rc;
	if (!bases.n && is_shallow(w, &have) && !try_again(w))
		return dv_map_put(&w->placed, id, have.at.depth);
	if (bases.n)
		dv_delta_learn(like, true);
	return encode(w, id, &have, &bases);
}

static int store_version(turner *w, const line *l, size_t k)
{
	dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;
	dv_autoptr(dv_basis) basis = NULL;
	dv_autofree dv_stretch *where = NULL;
	dv_autofree dv_oid *ids = NULL;
	dv_autofree size_t *lens = NULL;
	dv_likeness like = { 0 };
	int rc = dv_recipe_load(&recipe, w->r, l->oid[k]);

	if (!rc && k)
		rc = dv_basis_open(&basis, w->r, l->oid[l->parent[k]]);
	if (rc)
		return rc;
	w->newest = !k;
	w->large = recipe.size >= LARGE;
	where = dv_calloc(recipe.n + 1, sizeof(*where));
	ids = dv_calloc(recipe.n + 1, sizeof(*ids));
	lens = dv_calloc(recipe.n + 1, sizeof(*lens));
	if (!where || !ids || !lens)
		return DV_ERROR;
	for (size_t i = 0; i < recipe.n; i++) {
		ids[i] = recipe.c[i].id;
		lens[i] = recipe.c[i].len;
	}
	if (basis)
		dv_basis_walk(basis, 0, ids, lens, recipe.n, true, where);
	for (size_t i = 0; i < recipe.n && !rc; i++)
		rc = store_chunk(w, basis, where[i], &ids[i], &like);
	return rc;
}

/* -- what is turned already ---------------------------------------------------------------- */

/* Adds a version's chunks to `placed` as they are. 1: one of them is not as it should be. */
static int accept_version(turner *w, const line *l, size_t k)
{
	dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;
	int rc = dv_recipe_load(&recipe, w->r, l->oid[k]);

	for (size_t i = 0; i < recipe.n && !rc; i++) {
		const dv_oid *id = &recipe.c[i].id;
		dv_turn_copy have;
		uint8_t depth;

		if (dv_map_has(&w->placed, id) || !w->t->copy(w->t->ctx, id, &have))
			continue;
		if (!depth_upon(w, have.bases, have.at.nbases, &depth) || depth != have.at.depth)
			return 1;
		w->deltas |= depth > 0;
		rc = dv_map_put(&w->placed, id, depth);
		if (!rc)
			rc = dv_grow(&w->accepted, &w->accepted_cap, w->naccepted + 1,
				     sizeof(*w->accepted));
		if (!rc)
			w->accepted[w->naccepted++] = *id;
	}
	return rc;
}

/* Takes the next versions of a history, each once. */
static int take_line(line *l, const dv_history *from, size_t *at)
{
	dv_auto(dv_map) seen = DV_MAP_INIT;
	int rc = 0;

	for (l->n = 0; *at < from->n && l->n < DV_TURN_VERSIONS && !rc; (*at)++) {
		bool fresh;

		rc = dv_map_add(&seen, &from->oids[*at], 1, &fresh);
		if (!rc && fresh)
			l->oid[l->n++] = &from->oids[*at];
	}
	if (!rc && l->n)
		rc = dv_turn_plan(l->n, DV_DEPTH_MAX, l->parent, l->depth);
	return rc;
}

/* Calls `fn` for the versions of a file in the order in which they build on each other. */
static int each_version(turner *w, const dv_history *from, line *l,
			int (*fn)(turner *w, const line *l, size_t k))
{
	size_t at = 0;
	int rc = 0;

	while (at < from->n && !rc) {
		rc = take_line(l, from, &at);
		for (unsigned d = 0; d <= DV_DEPTH_MAX && !rc; d++)
			for (size_t k = 0; k < l->n && !rc; k++)
				if (l->depth[k] == d)
					rc = fn(w, l, k);
	}
	return rc;
}

/* A file that has deltas, all to newer versions, is left as it is. */
static int turn_history(turner *w, const dv_history *from, line *l)
{
	int rc;

	w->naccepted = 0;
	w->deltas = false;
	rc = each_version(w, from, l, accept_version);
	if (rc < 0 || (!rc && w->deltas))
		return rc;
	for (size_t i = 0; i < w->naccepted; i++)
		dv_map_remove(&w->placed, &w->accepted[i]);
	return each_version(w, from, l, store_version);
}

static int note_version(turner *w, const line *l, size_t k)
{
	dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;
	int rc = dv_recipe_load(&recipe, w->r, l->oid[k]);

	for (size_t i = 0; i < recipe.n && !rc; i++)
		rc = dv_map_put(&w->versions, &recipe.c[i].id, 1);
	return rc;
}

/* -- the others ---------------------------------------------------------------------------- */

/* Gives chunks of one depth that have no versions their final form. At the end it must be. */
static int place_others(turner *w, const dv_map *chunks, unsigned depth, bool end)
{
	const dv_map_entry *m;
	size_t pos = 0;
	int rc = 0;

	while (!rc && (m = dv_map_next(chunks, &pos))) {
		const dv_bases none = { 0 };
		dv_turn_copy have;
		uint8_t now;

		if (dv_map_has(&w->versions, &m->oid) || dv_map_has(&w->placed, &m->oid))
			continue;
		if (!w->t->copy(w->t->ctx, &m->oid, &have) || have.at.depth != depth)
			continue;
		if (depth_upon(w, have.bases, have.at.nbases, &now))
			rc = keep(w, &m->oid, &have, now);
		else if (end)
			rc = encode(w, &m->oid, &have, &none);
	}
	return rc;
}

static int place_all_others(turner *w, bool end)
{
	int rc = 0;

	for (unsigned d = 0; d <= DV_DEPTH_MAX && !rc; d++)
		for (size_t i = 0; i < 2 && !rc; i++)
			rc = place_others(w, w->t->chunks[i], d, end);
	return rc;
}

static int set_up(turner *w)
{
	int rc = dv_reader_new(&w->r, w->t->s);

	if (!rc)
		rc = dv_encoder_new(&w->enc, LEVEL_DELTA);
	if (!rc)
		rc = dv_encoder_new(&w->full, LEVEL_FULL);
	if (!rc)
		rc = dv_delta_new(&w->delta, w->t->s, CACHE);
	if (rc)
		return rc;
	dv_delta_only(w->delta, placed_depth, w);
	w->check = dv_malloc(DV_RAW_MAX);
	return w->check ? 0 : DV_ERROR;
}

int dv_turn_round(const dv_turn *t)
{
	__attribute__((cleanup(turner_release))) turner w = { .t = t };
	dv_autofree line *l = dv_calloc(1, sizeof(*l));
	int rc = l ? set_up(&w) : DV_ERROR;

	for (size_t i = 0; i < t->histories->n && !rc; i++)
		if (t->histories->l[i].n > 1)
			rc = each_version(&w, &t->histories->l[i], l, note_version);
	if (!rc)
		rc = place_all_others(&w, false);
	for (size_t i = 0; i < t->histories->n && !rc; i++)
		if (t->histories->l[i].n > 1)
			rc = turn_history(&w, &t->histories->l[i], l);
	return rc ? rc : place_all_others(&w, true);
}
