/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collection of garbage: which copy of each kept entry stays, which containers go, and the
 * order in which that becomes true on disk. Until the CONDEMN entry is durable everything that was
 * there is there; from then on everything kept is in containers that stay.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"
#include "store/care_impl.h"
#include "store/pack_out.h"
#include "store/recipe.h"
#include "store/store_priv.h"
#include "store/turn.h"

#define SMALL_PACK ((uint64_t)8 << 20)
#define ALIVE_MIN 60			/* percent */
#define ALIVE_MIN_TURNED 90		/* the same when deltas are turned, to save space */
#define STRANGER_AGE (24 * 60 * 60)	/* seconds before a file that no entry names is litter */

/* Where the copy that stays is: rank, holding, entry. A lower value is the better copy: not in a
 * container that must go, then not in a whole file that somebody changed, then in a whole file (so
 * that nothing of it is kept twice), then of the least depth. Of deltas it is the copy that lookups
 * find, whose bases are less deep than itself: this choice never closes a circle. */
#define COPY(rank, holding, entry)                                                                 \
	((uint64_t)(rank) << 56 | (uint64_t)(holding) << 32 | (uint64_t)(entry))
#define COPY_HOLDING(v) ((size_t)((v) >> 32 & 0xffffff))
#define COPY_ENTRY(v) ((size_t)((v)&0xffffffff))
#define RANK_FORCED 0x80u
#define RANK_SUSPECT 0x40u
#define HOLDINGS_MAX 0xffffffu
#define NO_COPY UINT64_MAX

typedef struct fate {
	bool forced, drop, rewrite;
	bool suspect;		/* a whole file that was changed: fsck alone may remove it */
	bool *use;		/* entries whose copy stays */
	size_t live;
	uint64_t live_bytes;
} fate;
typedef struct sweep {
	dv_store *s;
	const dv_sweep *o;
	dv_holdings all;
	fate *fates;
	dv_map bases;		/* wanted beside what the caller keeps -> copy, as in `keep` */
	dv_oid *base_ids;	/* the same in the order in which they came */
	size_t nbase_ids, base_ids_cap;
	dv_map turned;		/* chunks that were encoded anew */
	dv_map turned_bases;	/* what these build on */
	uint64_t turned_bytes;
	dv_reader *r;
	dv_encoder *enc;
	dv_pack_out out;	/* what is written anew */
} sweep;

static void sweep_release(sweep *w)
{
	for (size_t i = 0; w->fates && i < w->all.n; i++)
		free(w->fates[i].use);
	free(w->fates);
	dv_holdings_release(&w->all);
	dv_map_release(&w->bases);
	dv_map_release(&w->turned);
	dv_map_release(&w->turned_bases);
	free(w->base_ids);
	dv_reader_free(w->r);
	dv_encoder_free(w->enc);
	dv_pack_out_release(&w->out);
}

/* -- choosing ---------------------------------------------------------------------------------- */

/* Where the copy of a wanted entry is noted; NULL when it is not wanted. */
static uint64_t *copy_of(sweep *w, uint8_t kind, const dv_oid *id)
{
	uint64_t *copy;

	if (kind == DV_KIND_RECIPE)
		return dv_map_find(&w->o->keep->recipes, id);
	copy = dv_map_find(&w->o->keep->chunks, id);
	return copy ? copy : dv_map_find(&w->bases, id);
}

static void forget_copies(dv_map *wanted)
{
	dv_map_entry *m;
	size_t pos = 0;

	while ((m = dv_map_next(wanted, &pos)))
		m->value = NO_COPY;
}

static unsigned rank(const sweep *w, size_t i, const dv_pack_entry *e)
{
	unsigned value = w->all.h[i].c.kind == DV_CONTAINER_FILE ? 0 : e->depth + 1u;

	if (w->fates[i].suspect)
		value |= RANK_SUSPECT;
	return w->fates[i].forced ? value | RANK_FORCED : value;
}

/* May a copy stay? A delta may when it is the one that lookups find. Others are left from before,
 * in packs that stayed: their bases may be gone, or be deeper by now. */
static bool counts(const sweep *w, const dv_holding *h, const dv_pack_entry *e)
{
	dv_place at;

	return !e->nbases || (dv_store_find(w->s, e->kind, &e->id, &at) &&
			      at.in.kind == h->c.kind && dv_oid_eq(&at.in.id, &h->c.id) &&
			      at.offset == e->offset);
}

/* Looks at every copy of every wanted entry and keeps the best. */
static void choose_copies(sweep *w)
{
	for (size_t i = 0; i < w->all.n; i++) {
		const dv_holding *h = &w->all.h[i];

		for (size_t k = 0; k < h->f.n; k++) {
			const dv_pack_entry *e = &h->f.e[k];
			uint64_t *best = copy_of(w, e->kind, &e->id);
			uint64_t copy = COPY(rank(w, i, e), i, k);

			if (best && *best > copy && counts(w, h, e))
				*best = copy;
		}
	}
}

/* Wants the bases of a chosen copy; *more tells whether there were new ones. */
static int want_bases_of(sweep *w, uint64_t copy, bool *more)
{
	const dv_holding *h;
	const dv_pack_entry *e;
	int rc = 0;

	/* What moves out of a container that must go is stored without bases. */
	if (copy == NO_COPY || w->fates[COPY_HOLDING(copy)].forced)
		return 0;
	h = &w->all.h[COPY_HOLDING(copy)];
	e = &h->f.e[COPY_ENTRY(copy)];
	for (size_t i = 0; h->readable && i < e->nbases && !rc; i++) {
		const dv_oid *base = &h->f.bases[e->bases_at + i];

		if (copy_of(w, DV_KIND_CHUNK, base))
			continue;
		rc = dv_grow(&w->base_ids, &w->base_ids_cap, w->nbase_ids + 1,
			     sizeof(*w->base_ids));
		if (!rc)
			rc = dv_map_put(&w->bases, base, NO_COPY);
		if (!rc)
			w->base_ids[w->nbase_ids++] = *base;
		*more = true;
	}
	return rc;
}

static int want_bases(sweep *w, const dv_map *wanted, bool *more)
{
	const dv_map_entry *m;
	size_t pos = 0;
	int rc = 0;

	while (!rc && (m = dv_map_next(wanted, &pos)))
		rc = want_bases_of(w, m->value, more);
	return rc;
}

static int want_all_bases(sweep *w, bool *more)
{
	int rc = want_bases(w, &w->o->keep->chunks, more);

	if (!rc)
		rc = want_bases(w, &w->o->keep->recipes, more);
	for (size_t i = 0; i < w->nbase_ids && !rc; i++)
		rc = want_bases_of(w, *dv_map_find(&w->bases, &w->base_ids[i]), more);
	return rc;
}

static void mark_copies(sweep *w, const dv_map *wanted)
{
	const dv_map_entry *m;
	size_t pos = 0;

	while ((m = dv_map_next(wanted, &pos))) {
		size_t k = COPY_ENTRY(m->value);
		fate *f;

		if (m->value == NO_COPY)
			continue;
		f = &w->fates[COPY_HOLDING(m->value)];
		f->use[k] = true;
		f->live++;
		f->live_bytes += w->all.h[COPY_HOLDING(m->value)].f.e[k].stored;
	}
}

/* Must the container go, whatever is in it? A whole file whose object nobody wants must. */
static bool must_go(const sweep *w, const dv_container *c, bool suspect)
{
	if (w->o->drop_container && w->o->drop_container(c, w->o->payload))
		return true;
	return c->kind == DV_CONTAINER_FILE && !suspect &&
	       !dv_map_has(&w->o->keep->recipes, &c->id) &&
	       !dv_map_has(&w->o->keep->chunks, &c->id);
}

static int choose(sweep *w)
{
	bool more = true;
	int rc = 0;

	w->fates = dv_calloc(w->all.n + 1, sizeof(*w->fates));
	if (!w->fates)
		return DV_ERROR;
	if (w->all.n > HOLDINGS_MAX)
		return dv_err(DV_ERROR, "the store has too many packs to collect");
	for (size_t i = 0; i < w->all.n; i++) {
		fate *f = &w->fates[i];

		f->suspect = w->all.h[i].suspect;
		f->forced = must_go(w, &w->all.h[i].c, f->suspect);
		f->use = dv_calloc(w->all.h[i].f.n + 1, sizeof(bool));
		if (!f->use)
			return DV_ERROR;
	}
	forget_copies(&w->o->keep->chunks);
	forget_copies(&w->o->keep->recipes);
	while (more && !rc) {
		more = false;
		choose_copies(w);
		rc = want_all_bases(w, &more);
	}
	mark_copies(w, &w->o->keep->chunks);
	mark_copies(w, &w->o->keep->recipes);
	mark_copies(w, &w->bases);
	return rc;
}

/* Of less than ALIVE_MIN percent of its size? What is live takes room in the footer too: else a
 * pack of tiny chunks, mostly footer, would be written anew each time. */
static bool is_sparse(const sweep *w, const fate *f, const dv_container *c)
{
	unsigned least = w->turned.n ? ALIVE_MIN_TURNED : ALIVE_MIN;

	return (f->live_bytes + f->live * DV_PACK_ENTRY) * 100 < c->size * least;
}

static bool is_pack(const dv_holding *h)
{
	return h->readable && h->c.kind == DV_CONTAINER_PACK;
}

static void decide(sweep *w, dv_sweep_stats *st)
{
	size_t small = w->turned.n > 0;

	for (size_t i = 0; i < w->all.n; i++)
		small += is_pack(&w->all.h[i]) && !w->fates[i].forced && w->fates[i].live &&
			 w->all.h[i].c.size < SMALL_PACK;
	for (size_t i = 0; i < w->all.n; i++) {
		const dv_holding *h = &w->all.h[i];
		fate *f = &w->fates[i];

		f->drop = f->forced || (!f->live && !f->suspect);
		if (is_pack(h) && !f->drop)
			f->drop = (small > 1 && h->c.size < SMALL_PACK) || is_sparse(w, f, &h->c);
		f->rewrite = f->drop && f->live;
		st->packs_dropped += f->drop && !f->rewrite;
		st->packs_rewritten += f->rewrite;
		st->bytes_freed += f->drop ? h->c.size - (f->rewrite ? f->live_bytes : 0) : 0;
		st->bytes_kept += f->drop ? (f->rewrite ? f->live_bytes : 0) : h->c.size;
		for (size_t k = 0; k < h->f.n; k++) {
			if (h->f.e[k].kind != DV_KIND_CHUNK)
				continue;
			st->chunks_kept += f->use[k];
			st->chunks_dropped += f->drop && !f->use[k] &&
					      !dv_map_has(&w->turned, &h->f.e[k].id);
			if (!f->drop && !f->use[k])
				st->bytes_unused += h->f.e[k].stored;
		}
	}
	st->chunks_kept += w->turned.n;
	st->turned = w->turned.n;
	st->bytes_kept += w->turned_bytes;
	st->bytes_freed -= st->bytes_freed < w->turned_bytes ? st->bytes_freed : w->turned_bytes;
}

/* -- writing packs anew ------------------------------------------------------------------------ */

/* From a container that must go: only what proves good moves, and without bases. */
static int salvage(sweep *w, const dv_pack_entry *from, const dv_place *at)
{
	dv_pack_entry e = { .id = from->id, .raw = from->raw, .kind = from->kind };
	const uint8_t *p, *stored;
	size_t n, len;
	int rc = dv_reader_get_at(w->r, &e.id, at, &p, &n);

	if (!rc && e.kind == DV_KIND_CHUNK) {
		dv_oid is;

		dv_sha256(&is, p, n);
		if (!dv_oid_eq(&is, &e.id))
			return 0;
	} else if (!rc) {
		dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;
		uint8_t level;

		rc = dv_recipe_parse(&recipe, &level, p, n);
	}
	if (rc == DV_ECORRUPT || rc == DV_ENOTFOUND)
		return 0;
	if (!rc)
		rc = dv_encode(w->enc, p, n, NULL, &stored, &len, &e.codec);
	if (rc < 0)
		return rc;
	e.stored = (uint32_t)len;
	return dv_pack_out_add(&w->out, e, stored, NULL);
}

/* NULL for an entry without any: the table may be none at all then. */
static const dv_oid *bases_of(const dv_holding *h, const dv_pack_entry *e)
{
	return e->nbases ? h->f.bases + e->bases_at : NULL;
}

static dv_place place_of(const dv_holding *h, const dv_pack_entry *e)
{
	return (dv_place){ .in = h->c, .offset = e->offset, .stored = e->stored, .raw = e->raw,
			   .kind = e->kind, .codec = e->codec, .nbases = e->nbases,
			   .depth = e->depth };
}

static int move_entry(sweep *w, const dv_holding *h, const dv_pack_entry *e, bool forced)
{
	dv_place at = place_of(h, e);
	const dv_oid *bases = NULL;
	const uint8_t *p;
	int rc;

	if (forced)
		return salvage(w, e, &at);
	rc = dv_reader_stored(w->r, &e->id, &at, &p, &bases);
	return rc < 0 ? rc : dv_pack_out_add(&w->out, *e, p, bases_of(h, e));
}

static int by_offset(const void *a, const void *b)
{
	const dv_pack_entry *x = *(const dv_pack_entry *const *)a;
	const dv_pack_entry *y = *(const dv_pack_entry *const *)b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* In the order in which they lay, because what was stored together is read together. */
static int rewrite(sweep *w, size_t i)
{
	const dv_holding *h = &w->all.h[i];
	dv_autofree const dv_pack_entry **order = dv_calloc(w->fates[i].live + 1, sizeof(*order));
	size_t n = 0;
	int rc = 0;

	if (!order)
		return DV_ERROR;
	for (size_t k = 0; k < h->f.n; k++)
		if (w->fates[i].use[k])
			order[n++] = &h->f.e[k];
	qsort(order, n, sizeof(*order), by_offset);
	for (size_t k = 0; k < n && !rc; k++) {
		rc = dv_check_cancel();
		if (!rc)
			rc = move_entry(w, h, order[k], w->fates[i].forced);
	}
	return rc;
}

/* -- turning ----------------------------------------------------------------------------------- */

static bool turn_copy(void *ctx, const dv_oid *id, dv_turn_copy *out)
{
	sweep *w = ctx;
	const dv_holding *h;
	const dv_pack_entry *e;
	const uint64_t *copy = copy_of(w, DV_KIND_CHUNK, id);

	if (!copy || *copy == NO_COPY)
		return false;
	h = &w->all.h[COPY_HOLDING(*copy)];
	e = &h->f.e[COPY_ENTRY(*copy)];
	out->at = place_of(h, e);
	out->bases = bases_of(h, e);
	return true;
}

static bool is_used(const sweep *w, uint64_t copy)
{
	return w->fates[COPY_HOLDING(copy)].use[COPY_ENTRY(copy)];
}

/* The copy there was is used no more. */
static void unuse(sweep *w, uint64_t copy)
{
	fate *f = &w->fates[COPY_HOLDING(copy)];
	size_t k = COPY_ENTRY(copy);

	if (!f->use[k])
		return;
	f->use[k] = false;
	f->live--;
	f->live_bytes -= w->all.h[COPY_HOLDING(copy)].f.e[k].stored;
}

static int turn_put(void *ctx, const dv_pack_entry *e, const uint8_t *stored, const dv_oid *bases)
{
	sweep *w = ctx;
	const uint64_t *copy = copy_of(w, DV_KIND_CHUNK, &e->id);
	int rc = dv_map_put(&w->turned, &e->id, 1);

	for (size_t i = 0; i < e->nbases && !rc; i++)
		rc = dv_map_put(&w->turned_bases, &bases[i], 1);
	if (!rc && !w->o->dry)
		rc = dv_pack_out_add(&w->out, *e, stored, bases);
	if (!rc && copy)
		unuse(w, *copy);
	w->turned_bytes += e->stored;
	return rc;
}

/* Notes the bases of all copies that stay. */
static int note_bases(const sweep *w, dv_map *bases)
{
	int rc = 0;

	for (size_t i = 0; i < w->all.n; i++) {
		const dv_holding *h = &w->all.h[i];

		for (size_t k = 0; k < h->f.n; k++)
			for (size_t b = 0; w->fates[i].use[k] && b < h->f.e[k].nbases && !rc; b++)
				rc = dv_map_put(bases, &h->f.bases[h->f.e[k].bases_at + b], 1);
	}
	return rc;
}

/* What was only kept for deltas that are none any more goes. */
static int drop_bases(sweep *w)
{
	bool again = true;
	int rc = 0;

	while (again && !rc) {
		dv_auto(dv_map) needed = DV_MAP_INIT;
		const dv_map_entry *m;
		size_t pos = 0;

		again = false;
		rc = note_bases(w, &needed);
		while (!rc && (m = dv_map_next(&w->bases, &pos))) {
			if (m->value == NO_COPY || !is_used(w, m->value) ||
			    dv_map_has(&needed, &m->oid) || dv_map_has(&w->turned_bases, &m->oid))
				continue;
			unuse(w, m->value);
			again = true;
		}
	}
	return rc;
}

static int turn(sweep *w)
{
	dv_turn t = { .s = w->s,
		      .histories = w->o->turn,
		      .chunks = { &w->o->keep->chunks, &w->bases },
		      .copy = turn_copy,
		      .put = turn_put,
		      .ctx = w };
	int rc = 0;

	for (size_t i = 0; i < w->all.n && !rc; i++)
		if (!w->all.h[i].readable || w->all.h[i].suspect)
			rc = dv_err(DV_ECORRUPT, "a damaged store cannot be repacked");
	if (rc < 0)
		return dv_err_hint(rc, "run 'dv fsck --repair' first");
	rc = dv_turn_round(&t);
	return rc || !w->turned.n ? rc : drop_bases(w);
}

/* -- making it true ---------------------------------------------------------------------------- */

static int write_index(sweep *w, dv_oid *name, size_t *entries)
{
	dv_autoptr(dv_segment_builder) b = NULL;
	int rc = dv_segment_builder_new(&b);

	/* Dead entries of packs that stay are left out: their bases may be gone. */
	for (size_t i = 0; i < w->all.n && !rc; i++)
		if (!w->fates[i].drop)
			rc = dv_holding_index(w->s, b, &w->all.h[i], w->fates[i].use);
	for (size_t i = 0; i < w->out.nmade && !rc; i++)
		rc = dv_segment_builder_add(b, &w->out.made[i].c, &w->out.made[i].f);
	if (rc < 0)
		return rc;
	*entries = dv_segment_builder_count(b);
	return *entries ? dv_store_put_segment(w->s, b, NULL, 0, name) : 0;
}

static bool is_live_segment(const dv_log_state *state, const dv_oid *name)
{
	for (size_t i = 0; i < state->nsegments; i++)
		if (dv_oid_eq(&state->segments[i], name))
			return true;
	return false;
}

static int commit_packs(sweep *w, const dv_oid *segment)
{
	dv_auto(dv_log_entry) e = DV_LOG_ENTRY_INIT;
	int rc = 0;

	e.kind = DV_LOG_COMMIT;
	for (size_t i = 0; i < w->out.nmade && !rc; i++)
		rc = dv_log_add_pack(&e, &w->out.made[i].c.id, w->out.made[i].c.size,
				     DV_CONTAINER_PACK);
	if (!rc && !is_live_segment(dv_store_state(w->s), segment))
		rc = dv_log_add_segment(&e, segment);
	return rc < 0 ? rc : dv_store_append(w->s, &e);
}

static int condemn(sweep *w, const dv_oid *segment)
{
	const dv_log_state *state = dv_store_state(w->s);
	dv_auto(dv_log_entry) e = DV_LOG_ENTRY_INIT;
	int rc = 0;

	e.kind = DV_LOG_CONDEMN;
	for (size_t i = 0; i < w->all.n && !rc; i++)
		if (w->fates[i].drop)
			rc = dv_log_add_pack(&e, &w->all.h[i].c.id, 0, w->all.h[i].c.kind);
	if (!rc && segment && !is_live_segment(state, segment))
		rc = dv_log_add_segment(&e, segment);
	for (size_t i = 0; i < state->nsegments && !rc; i++)
		if (!segment || !dv_oid_eq(&state->segments[i], segment))
			rc = dv_log_drop_segment(&e, &state->segments[i]);
	return rc < 0 ? rc : dv_store_append(w->s, &e);
}

/* Deletes the files of one folder that the log condemned, and strangers of a day. */
static int clean_names(dv_store *s, const char *path, bool index, uint8_t kind)
{
	const dv_log_state *state = dv_store_state(s);
	DIR *dir = opendir(path);
	const struct dirent *d;

	while (dir && (d = readdir(dir))) {
		struct stat st;
		bool live, known;
		dv_oid id, key;

		if (dv_oid_parse(&id, d->d_name, strlen(d->d_name)) < 0)
			continue;
		key = dv_container_key(kind, &id);
		live = index ? is_live_segment(state, &id) : dv_map_has(&state->packs, &key);
		known = !index && dv_map_has(&state->condemned, &key);
		if (live || fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (known || st.st_mtime < time(NULL) - STRANGER_AGE)
			dv_fs_unlinkat(dirfd(dir), d->d_name, 0);
	}
	if (dir)
		closedir(dir);
	return 0;
}

static int clean(dv_store *s)
{
	static const char *const tops[] = { "packs", "files" };
	static const uint8_t kinds[] = { DV_CONTAINER_PACK, DV_CONTAINER_FILE };
	dv_autofree char *index = dv_path_join(s->dir, "index");
	int rc = index ? clean_names(s, index, true, DV_CONTAINER_PACK) : DV_ERROR;

	for (size_t i = 0; i < 2 && !rc; i++) {
		for (unsigned fan = 0; fan < 256 && !rc; fan++) {
			dv_autofree char *path = NULL;
			char rel[16];

			snprintf(rel, sizeof(rel), "%s/%02x", tops[i], fan);
			path = dv_path_join(s->dir, rel);
			rc = path ? clean_names(s, path, false, kinds[i]) : DV_ERROR;
		}
	}
	return rc < 0 ? rc : dv_store_clean(s, -1);
}

/* The log has condemned them; a file that stays behind is litter for the next time. */
static void unlink_dropped(sweep *w, const dv_oid *old, size_t nold)
{
	for (size_t i = 0; i < w->all.n; i++) {
		dv_autofree char *path = NULL;

		if (!w->fates[i].drop)
			continue;
		path = dv_store_container_path(w->s, &w->all.h[i].c);
		if (path)
			dv_fs_unlinkat(AT_FDCWD, path, 0);
	}
	for (size_t i = 0; i < nold; i++) {
		dv_autofree char *path = dv_store_segment_path(w->s, &old[i]);

		if (path && !is_live_segment(dv_store_state(w->s), &old[i]))
			dv_fs_unlinkat(AT_FDCWD, path, 0);
	}
}

static int carry_out(sweep *w)
{
	const dv_log_state *state = dv_store_state(w->s);
	dv_autofree dv_oid *old = dv_calloc(state->nsegments + 1, sizeof(*old));
	size_t nold = state->nsegments, entries = 0;
	dv_oid segment;
	int rc = old ? 0 : DV_ERROR;

	for (size_t i = 0; i < nold && !rc; i++)
		old[i] = state->segments[i];
	for (size_t i = 0; i < w->all.n && !rc; i++)
		if (w->fates[i].rewrite)
			rc = rewrite(w, i);
	if (!rc)
		rc = dv_pack_out_end(&w->out);
	if (!rc)
		rc = write_index(w, &segment, &entries);
	if (!rc && w->out.nmade)
		rc = commit_packs(w, &segment);
	if (!rc)
		rc = condemn(w, entries ? &segment : NULL);
	if (!rc)
		rc = dv_store_refresh(w->s);
	if (!rc)
		unlink_dropped(w, old, nold);
	return rc;
}

int dv_store_sweep(dv_store *s, const dv_sweep *o, dv_sweep_stats *out)
{
	__attribute__((cleanup(sweep_release))) sweep w = { .s = s, .o = o,
							    .out = DV_PACK_OUT_INIT(s) };
	bool work = false;
	int rc = dv_store_refresh(s);

	*out = (dv_sweep_stats){ 0 };
	if (!rc && !o->dry && !s->exclusive)
		return dv_err(DV_ELOCKED, "the store must be locked to be swept");
	if (!rc)
		rc = dv_holdings_load(&w.all, s);
	if (!rc)
		rc = choose(&w);
	if (rc < 0)
		return rc;
	if (o->turn)
		rc = turn(&w);
	if (rc < 0)
		return rc;
	decide(&w, out);
	if (o->dry)
		return 0;
	dv_map_release(&o->keep->chunks);
	dv_map_release(&o->keep->recipes);
	for (size_t i = 0; i < w.all.n; i++)
		work |= w.fates[i].drop;
	work |= w.turned.n > 0;
	rc = dv_reader_new(&w.r, s);
	if (!rc)
		rc = dv_encoder_new(&w.enc, o->level);
	if (!rc && work)
		rc = carry_out(&w);
	return rc < 0 ? rc : clean(s);
}
