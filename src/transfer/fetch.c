/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetch: trees and recipes first, level by level, then all chunks that they name. What is here is
 * not asked for. Roots are recorded for wants that are complete; the rest of what came is kept as
 * well, so that a fetch which is cut goes on from there.
 */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/progress.h"
#include "transfer/internal.h"
#include "store/whole.h"

#define CACHE_MAX ((uint64_t)16 << 20)
#define WINDOW ((uint64_t)1 << 17)	/* entries that are planned for at once */
#define LEVEL 3
#define NAMED_MAX 5
#define TELL_EVERY ((uint64_t)4 << 20)
#define RUN_MAX ((uint64_t)8 << 20)	/* of one request */
#define RUNS_MAX ((uint64_t)64 << 20)	/* of all that are under way */

static void dv_fetching_release(dv_fetching *f)
{
	dv_pool_free(f->pool);
	dv_writer_free(f->writer);
	dv_fetching_drop_spools(f);
	free(f->spools);
	for (int i = 0; f->readers && i <= f->slots.n; i++)
		dv_reader_free(f->readers[i]);
	free(f->readers);
	for (int i = 0; f->encoders && i < f->slots.n; i++)
		dv_encoder_free(f->encoders[i]);
	free(f->encoders);
	for (size_t i = 0; i < f->ncached; i++)
		dv_buf_release(&f->cached[i].bytes);
	free(f->cached);
	dv_map_release(&f->bad[0]);
	dv_map_release(&f->bad[1]);
	dv_map_release(&f->cache[0]);
	dv_map_release(&f->cache[1]);
	dv_map_release(&f->ranks);
	free(f->missing);
	dv_slots_release(&f->slots);
	pthread_mutex_destroy(&f->lock);
}

typedef struct item {
	dv_oid oid;
	bool is_tree;
	int depth;
	size_t want;
} item;

/* A walk over some wants: what is asked for now (structure) and later (data). */
typedef struct walk {
	dv_fetching *f;
	dv_map trees, long_files;	/* visited */
	dv_map lacking;			/* chunks that are nowhere */
	dv_entries there;		/* of the remote */
	dv_bits wanted;			/* of them: chunks to be fetched */
	dv_map asked[2];		/* structure entries asked for: chunks, recipes */
	item *items;
	size_t n, cap;
	dv_need *meta;
	size_t nmeta, meta_cap;
	uint64_t ndata, bytes;		/* of the wanted chunks */
	uint64_t told;			/* bytes that the driver was told to expect */
	uint64_t here;			/* chunks of files that were found here */
	dv_oid last;			/* container whose rank is known */
	uint64_t objects, nfiles;	/* to be fetched */
	uint64_t lost, waiting;		/* entries not found by the last attempt */
} walk;
static void walk_release(walk *w)
{
	dv_map_release(&w->trees);
	dv_map_release(&w->long_files);
	dv_map_release(&w->lacking);
	dv_entries_release(&w->there);
	dv_bits_release(&w->wanted);
	dv_map_release(&w->asked[0]);
	dv_map_release(&w->asked[1]);
	free(w->items);
	free(w->meta);
}

static int push_need(dv_need **needs, size_t *n, size_t *cap, const dv_oid *id, const dv_place *at)
{
	int rc = dv_grow(needs, cap, *n + 1, sizeof **needs);

	if (rc == 0)
		(*needs)[(*n)++] = (dv_need){ .id = *id, .at = *at };
	return rc;
}

/* Structure: from the cache, from the local store, or it is asked for. */
static int meta_get(uint8_t kind, const dv_oid *id, dv_buf *out, void *payload)
{
	walk *w = payload;
	dv_fetching *f = w->f;
	dv_reader *reader = f->readers[f->slots.n];
	uint64_t index;
	const uint8_t *p;
	dv_place at;
	bool added;
	size_t n;

	dv_buf_clear(out);
	if (dv_map_get(&f->cache[kind == DV_KIND_RECIPE], id, &index))
		return dv_buf_add(out, f->cached[index].bytes.p, f->cached[index].bytes.n);
	if (dv_store_find(f->local, kind, id, &at)) {
		int rc = dv_reader_get(reader, kind, id, &p, &n);
		return rc ? rc : dv_buf_add(out, p, n);
	}
	if (dv_map_has(&f->bad[kind == DV_KIND_RECIPE], id) ||
	    !dv_remote_store_find(f->r, kind, id, &at)) {
		w->lost++;
		return DV_ENOTFOUND;
	}
	w->waiting++;
	int rc = dv_map_add(&w->asked[kind == DV_KIND_RECIPE], id, 1, &added);
	if (rc == 0 && added)
		rc = push_need(&w->meta, &w->nmeta, &w->meta_cap, id, &at);
	return rc ? rc : DV_ENOTFOUND;
}

/* What is needed first comes first: then a file can be put together while the rest is on its
 * way. */
static int note_rank(walk *w, const dv_oid *container)
{
	if (dv_oid_eq(&w->last, container))
		return 0;
	w->last = *container;
	return dv_map_add(&w->f->ranks, container, w->f->ranks.n, NULL);
}

/* A chunk of a file: here, there, or missing. */
static int want_chunk(walk *w, const dv_oid *id, size_t want)
{
	uint64_t number;
	dv_place at;
	bool added;

	if (dv_store_find(w->f->local, DV_KIND_CHUNK, id, &at)) {
		w->here++;
		return 0;
	}
	if (dv_map_has(&w->f->bad[0], id) ||
	    !dv_entries_find(&w->there, DV_KIND_CHUNK, id, &at, &number)) {
		int rc = dv_map_add(&w->lacking, id, 1, &added);

		w->f->missing[want] += rc == 0 && added;
		return rc;
	}
	if (dv_bits_add(&w->wanted, number)) {
		w->ndata++;
		w->bytes += at.stored;
		if (w->bytes - w->told >= TELL_EVERY) {
			w->told = w->bytes;
			dv_wrap_expect(w->f->r->r, w->bytes);
		}
		return note_rank(w, &at.in.id);
	}
	return 0;
}

static bool has_chunk(const dv_fetching *f, const dv_oid *oid)
{
	dv_place at;

	return dv_map_has(&f->cache[0], oid) || dv_store_find(f->local, DV_KIND_CHUNK, oid, &at) ||
	       dv_remote_store_find(f->r, DV_KIND_CHUNK, oid, &at);
}

/* After an attempt that found not all: true when the item has to be tried again. */
static bool settle(walk *w, size_t want, int *rc)
{
	if (*rc != DV_ENOTFOUND || (w->lost == 0 && w->waiting == 0))
		return false;
	*rc = 0;
	if (w->lost) {
		w->f->missing[want] += w->lost;
		return false;
	}
	return true;
}

/* A long file of which little is here may be put together as it comes. */
static int offer(const walk *w, const dv_oid *oid, const dv_recipe *recipe, uint64_t here,
		 size_t want)
{
	const dv_fetching *f = w->f;

	if (!f->o->landing || f->o->dry || recipe->size <= DV_INGEST_SMALL || f->missing[want] ||
	    here * 10 > recipe->n)
		return 0;
	return dv_landing_expect(f->o->landing, oid, recipe, f->wants[want].path);
}

/* *again: parts of its recipe have to come first. */
static int expand_file(walk *w, const dv_oid *oid, size_t want, bool *again)
{
	dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;
	uint64_t before = w->ndata, here = w->here;
	bool added;

	*again = false;
	if (has_chunk(w->f, oid) || dv_oid_is_empty(oid)) {
		int rc = dv_oid_is_empty(oid) ? 0 : want_chunk(w, oid, want);

		w->nfiles += w->ndata > before;
		w->objects += w->ndata > before;
		return rc;
	}
	if (dv_map_has(&w->long_files, oid))
		return 0;
	w->lost = w->waiting = 0;
	int rc = dv_meta_recipe(&recipe, oid, meta_get, w);
	*again = settle(w, want, &rc);
	if (rc || *again)
		return rc;
	for (size_t i = 0; i < recipe.n && rc == 0; i++)
		rc = want_chunk(w, &recipe.c[i].id, want);
	w->nfiles += w->ndata > before;
	w->objects += w->ndata > before;
	if (rc == 0)
		rc = offer(w, oid, &recipe, w->here - here, want);
	return rc ? rc : dv_map_add(&w->long_files, oid, 1, &added);
}

static int push_item(walk *w, const item *it)
{
	int rc = dv_grow(&w->items, &w->cap, w->n + 1, sizeof *w->items);

	if (rc == 0)
		w->items[w->n++] = *it;
	return rc;
}

static bool local_vouches(const dv_fetching *f, const dv_oid *oid, bool is_tree)
{
	uint64_t tree;

	return dv_map_get(&dv_store_state(f->local)->roots, oid, &tree) && (tree || !is_tree) &&
	       dv_store_wholes_intact(f->local);
}

static int expand_tree(walk *w, const item *it, bool *again)
{
	dv_auto(dv_buf) bytes = DV_BUF_INIT;
	dv_auto(dv_tree) tree = DV_TREE_INIT;
	bool added;

	*again = false;
	if (dv_map_has(&w->trees, &it->oid) || local_vouches(w->f, &it->oid, true))
		return 0;
	if (it->depth > DV_TREE_DEPTH)
		return dv_err(DV_ECORRUPT, "directories are nested too deep");
	w->lost = w->waiting = 0;
	int rc = dv_meta_object(&bytes, &it->oid, has_chunk(w->f, &it->oid), DV_TREE_MAX, meta_get,
				w);
	*again = settle(w, it->want, &rc);
	/* Lost: the want is counted as incomplete already. */
	if (rc || *again || w->lost)
		return rc;
	rc = dv_tree_parse(&tree, dv_buf_str(&bytes), bytes.n);
	if (rc == 0)
		rc = dv_map_add(&w->trees, &it->oid, 1, &added);
	for (size_t i = 0; i < tree.n && rc == 0; i++) {
		bool is_tree = tree.e[i].kind == 'd', wait = is_tree;

		if (!is_tree)
			rc = expand_file(w, &tree.e[i].oid, it->want, &wait);
		item child = { tree.e[i].oid, is_tree, it->depth + 1, it->want };
		if (rc == 0 && wait)
			rc = push_item(w, &child);
	}
	return rc;
}

/* One pass over what waits; what still waits afterwards is asked for and then tried again. */
static int round_of(walk *w)
{
	dv_autofree item *items = dv_steal(&w->items);
	size_t n = w->n;
	int rc = 0;

	w->n = w->cap = 0;
	for (size_t i = 0; i < n && rc == 0; i++) {
		const item *it = &items[i];
		const char *path = w->f->wants[it->want].path;
		bool again = false;

		rc = it->is_tree ? expand_tree(w, it, &again) :
				   expand_file(w, &it->oid, it->want, &again);
		if (rc == 0 && again)
			rc = push_item(w, it);
		if (rc)
			dv_err_ctx(rc, "output '%s'", path ? path : "?");
	}
	return rc ? rc : dv_check_cancel();
}

/* Walks all wants or `only` one, fetching structure on the way. */
static int walk_wants(walk *w, dv_fetching *f, size_t only)
{
	int rc;

	walk_release(w);
	*w = (walk){ .f = f };
	rc = dv_remote_store_entries(f->r, &w->there);
	if (rc == 0)
		rc = dv_bits_init(&w->wanted, dv_entries_total(&w->there));
	for (size_t i = 0; i < f->nwants && rc == 0; i++) {
		const dv_want *want = &f->wants[i];
		item it = { want->oid, want->is_tree, 0, i };

		if (only < f->nwants ? i != only : f->missing[i] > 0)
			continue;
		if (!local_vouches(f, &want->oid, want->is_tree))
			rc = push_item(w, &it);
	}
	while (rc == 0 && w->n) {
		rc = round_of(w);
		if (rc == 0 && w->nmeta) {
			w->objects += w->nmeta;
			rc = dv_fetching_retrieve(f, &w->meta, &w->nmeta, &w->meta_cap, true);
			w->nmeta = 0;
		}
		if (rc == 0 && f->cached_bytes > CACHE_MAX && !f->o->dry)
			rc = dv_fetching_flush(f);
	}
	return rc;
}

static bool lacks_any(const dv_fetching *f)
{
	for (size_t i = 0; i < f->nwants; i++)
		if (f->missing[i])
			return true;
	return false;
}

/* As a push does: wants share objects, so when something is missing each is looked at by itself. */
static int walk_each(walk *w, dv_fetching *f)
{
	int rc = 0;

	memset(f->missing, 0, (f->nwants + 1) * sizeof *f->missing);
	for (size_t i = 0; i < f->nwants && rc == 0; i++)
		rc = walk_wants(w, f, i);
	return rc;
}

static int walk_all(walk *w, dv_fetching *f)
{
	int rc = walk_wants(w, f, f->nwants);

	/* What is damaged takes nothing else along: the rest of every want is brought. */
	if (rc || !lacks_any(f) || f->nbad)
		return rc;
	rc = walk_each(w, f);
	return rc ? rc : walk_wants(w, f, f->nwants);
}

static int commit(dv_fetching *f)
{
	dv_autofree dv_root *roots = dv_calloc(f->nwants + 1, sizeof *roots);
	size_t n = 0;

	if (!roots)
		return DV_ERROR;
	for (size_t i = 0; i < f->nwants; i++) {
		const dv_want *w = &f->wants[i];

		/* Records of runs are found by the list of them. */
		if (f->missing[i] || w->runs || local_vouches(f, &w->oid, w->is_tree))
			continue;
		roots[n++] = (dv_root){
			.oid = w->oid, .is_tree = w->is_tree, .path = (char *)(uintptr_t)w->path,
			.project = (char *)(uintptr_t)f->o->project,
			.commit = (char *)(uintptr_t)f->o->commit,
		};
	}
	return dv_writer_commit(f->writer, roots, n);
}

/* Names the outputs that damage on the remote touches. */
static int damage_error(const dv_fetching *f, size_t bad)
{
	dv_auto(dv_buf) names = DV_BUF_INIT;
	int code = bad == f->nwants ? DV_ECORRUPT : DV_EPARTIAL;
	size_t named = 0;

	for (size_t i = 0; i < f->nwants && named < NAMED_MAX; i++)
		if (f->missing[i])
			dv_buf_addf(&names, "%s'%s'", named++ ? ", " : "",
				    f->wants[i].path ? f->wants[i].path : "?");
	if (bad > named)
		dv_buf_addf(&names, " and %zu more", bad - named);
	code = dv_err(code, "remote '%s' is damaged: %" PRIu64 " %s lost, incomplete %s %s",
		      f->r->name, f->nbad, f->nbad == 1 ? "entry is" : "entries are",
		      bad == 1 ? "is" : "are", dv_buf_str(&names));
	return dv_err_hint(code, "everything else is here; run 'dv fsck --remote --repair' in a "
			   "clone that has the data");
}

static int missing_error(const dv_fetching *f)
{
	size_t bad = 0, first = 0;

	for (size_t i = f->nwants; i-- > 0;)
		if (f->missing[i]) {
			bad++;
			first = i;
		}
	if (bad == 0)
		return 0;
	if (f->nbad)
		return damage_error(f, bad);
	int code = bad == f->nwants ? DV_ENOTFOUND : DV_EPARTIAL;
	code = dv_transfer_missing(code, &f->wants[first], f->missing[first], f->r);
	return bad > 1 ? dv_err_ctx(code, "%zu outputs are incomplete", bad) : code;
}

static int prepare(dv_fetching *f)
{
	int connections = dv_move_jobs(f->o, f->r);

	dv_slots_init(&f->slots, connections);
	f->run_max = RUNS_MAX / (uint64_t)connections < RUN_MAX ?
		     RUNS_MAX / (uint64_t)connections : RUN_MAX;
	f->missing = dv_calloc(f->nwants + 1, sizeof *f->missing);
	f->readers = dv_calloc((size_t)f->slots.n + 1, sizeof(void *));
	f->encoders = dv_calloc((size_t)f->slots.n, sizeof(void *));
	if (!f->missing || !f->readers || !f->encoders)
		return DV_ERROR;
	for (int i = 0; i <= f->slots.n; i++) {
		int rc = dv_reader_new(&f->readers[i], f->local);
		if (rc)
			return rc;
	}
	int rc = dv_pool_new(&f->pool, connections, 16);
	return rc ? rc : dv_writer_new(&f->writer, f->local, LEVEL);
}

/* The wanted entries, those of one container together. */
typedef struct order {
	uint64_t *first;	/* per container, by rank: where its entries begin in `numbers` */
	size_t n;
	uint64_t *numbers;
} order;
static void order_release(order *o)
{
	free(o->first);
	free(o->numbers);
}

static int damaged_index(const walk *w)
{
	return dv_err(DV_ECORRUPT, "the index of remote '%s' is damaged", w->f->r->name);
}

/* Tells the wanted entries, from number *i on, with the ranks of their containers: 0, 1 after the
 * last one. */
static int next_wanted(const walk *w, uint64_t *i, uint64_t *rank)
{
	dv_place at;
	dv_oid id;

	if (!dv_bits_next(&w->wanted, i))
		return 1;
	return dv_entries_at(&w->there, *i, &id, &at) &&
	       dv_map_get(&w->f->ranks, &at.in.id, rank) ? 0 : damaged_index(w);
}

static int sort_wanted(order *o, const walk *w)
{
	dv_autofree uint64_t *next = NULL;
	uint64_t rank = 0;
	int rc = 0;

	o->n = w->f->ranks.n;
	o->first = dv_calloc(o->n + 1, sizeof *o->first);
	next = dv_reallocarray(NULL, o->n + 1, sizeof *next);
	o->numbers = dv_reallocarray(NULL, (size_t)w->ndata + 1, sizeof *o->numbers);
	if (!o->first || !next || !o->numbers)
		return DV_ERROR;
	for (uint64_t i = 0; (rc = next_wanted(w, &i, &rank)) == 0; i++)
		o->first[rank + 1]++;
	for (size_t i = 0; i < o->n; i++)
		o->first[i + 1] += o->first[i];
	memcpy(next, o->first, (o->n + 1) * sizeof *next);
	for (uint64_t i = 0; rc > 0 && (rc = next_wanted(w, &i, &rank)) == 0; i++, rc = 1)
		o->numbers[next[rank]++] = i;
	return rc < 0 ? rc : 0;
}

/* Brings what is wanted of containers [from, to). */
static int retrieve_some(dv_fetching *f, const walk *w, const order *o, size_t from, size_t to)
{
	size_t n = (size_t)(o->first[to] - o->first[from]), cap = n;
	dv_autofree dv_need *needs = dv_calloc(n + 1, sizeof *needs);

	if (!needs)
		return DV_ERROR;
	for (size_t i = 0; i < n; i++)
		if (!dv_entries_at(&w->there, o->numbers[o->first[from] + i], &needs[i].id,
				   &needs[i].at))
			return damaged_index(w);
	return dv_fetching_retrieve(f, &needs, &n, &cap, false);
}

static int retrieve_all(dv_fetching *f, const walk *w)
{
	dv_auto(order) o = { 0 };
	int rc = sort_wanted(&o, w);

	for (size_t i = 0, end; rc == 0 && i < o.n; i = end) {
		for (end = i + 1; end < o.n && o.first[end + 1] - o.first[i] <= WINDOW; end++)
			;
		rc = retrieve_some(f, w, &o, i, end);
	}
	return rc;
}

/* What has come stays when the rest does not, so that the next fetch goes on from there. It is
 * whole and verified, and takes no longer than writing what is left of it to the disk. */
static void keep_what_came(dv_fetching *f)
{
	bool cancelled = dv_cancel_requested();
	dv_error why;

	dv_error_take(&why);
	dv_cancel_reset();
	(void)!dv_writer_commit(f->writer, NULL, 0);
	if (cancelled)
		dv_cancel();
	dv_error_put(&why);
}

/* Into a store that has nothing all will come that the wants have, and packed it is less. */
static void expect_all(const dv_fetching *f)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < f->nwants; i++)
		sum += f->wants[i].size / 4;
	if (!f->o->dry && f->r->r && !dv_store_state(f->local)->ncontainers)
		dv_wrap_expect(f->r->r, sum);
}

static int run(dv_fetching *f, dv_move_stats *out)
{
	dv_auto(walk) w = { .f = f };
	int rc;

	expect_all(f);
	rc = walk_all(&w, f);
	out->objects = w.objects;
	out->files = w.nfiles;
	out->chunks = w.ndata;
	f->plan_only = f->o->dry;
	f->planned = 0;
	if (rc == 0 && w.ndata) {
		dv_progress_start("fetching", w.bytes, 0);
		rc = retrieve_all(f, &w);
		dv_progress_end();
	}
	f->plan_only = false;
	out->requests = f->o->dry ? f->planned : 0;
	if (rc && !f->o->dry)
		keep_what_came(f);
	if (rc)
		return rc;
	out->bytes = f->o->dry ? w.bytes : f->bytes;
	out->packs = f->packs;
	if (f->nbad && (rc = walk_each(&w, f)))
		return rc;
	if (!f->o->dry && (rc = dv_fetching_settle(f)) == 0)
		rc = commit(f);
	return rc;
}

/* *overtaken: it has to be planned anew, by what the log says now. */
static int fetch_once(dv_store *local, dv_remote_store *remote, const dv_want *w, size_t n,
		      const dv_move_options *o, dv_move_stats *out, bool *overtaken)
{
	dv_auto(dv_fetching) f = {
		.local = local, .r = remote, .wants = w, .nwants = n, .o = o,
		.reloaded = *overtaken,
	};
	bool here = true;

	*overtaken = false;
	pthread_mutex_init(&f.lock, NULL);
	for (size_t i = 0; i < n; i++)
		here = here && local_vouches(&f, &w[i].oid, w[i].is_tree);
	if (here)
		return 0;
	int rc = prepare(&f);
	if (rc == 0)
		rc = run(&f, out);
	if (rc == DV_ETRANSIENT && f.overtaken) {
		*overtaken = true;
		*out = (dv_move_stats){ .bytes = f.bytes, .packs = f.packs };
	}
	return rc ? rc : missing_error(&f);
}

int dv_transfer_fetch(dv_store *local, dv_remote_store *remote, const dv_want *w, size_t n,
		      const dv_move_options *o, dv_move_stats *out)
{
	static const dv_move_options none;
	dv_move_stats unused, before;
	bool overtaken = false;

	out = out ? out : &unused;
	*out = (dv_move_stats){ 0 };
	int rc = dv_remote_store_complete(remote);
	if (rc)
		return rc;
	rc = fetch_once(local, remote, w, n, o ? o : &none, out, &overtaken);
	if (!overtaken)
		return rc;
	dv_error_clear();
	before = *out;
	if ((rc = dv_remote_store_refresh(remote)))
		return rc;
	rc = fetch_once(local, remote, w, n, o ? o : &none, out, &overtaken);
	out->bytes += before.bytes;
	out->packs += before.packs;
	return rc;
}
