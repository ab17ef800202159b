/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetch: trees and recipes first, level by level, then all chunks that they name. What is here is
 * not asked for. Roots are recorded for wants that are complete; the rest of what came is kept as
 * well, so that a fetch which is cut goes on from there.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/progress.h"
#include "transfer/internal.h"

#define CACHE_MAX ((uint64_t)256 << 20)
#define LEVEL 3

static void dv_fetching_release(dv_fetching *f)
{
	dv_pool_free(f->pool);
	dv_writer_free(f->writer);
	for (int i = 0; f->readers && i <= f->threads; i++)
		dv_reader_free(f->readers[i]);
	free(f->readers);
	for (size_t i = 0; i < f->ncached; i++)
		dv_buf_release(&f->cached[i]);
	free(f->cached);
	dv_map_release(&f->cache[0]);
	dv_map_release(&f->cache[1]);
	free(f->missing);
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
	dv_map files, trees, chunks;	/* visited */
	dv_map asked[2];		/* structure entries asked for: chunks, recipes */
	item *items;
	size_t n, cap;
	dv_need *meta, *data;
	size_t nmeta, meta_cap, ndata, data_cap;
	uint64_t objects, nfiles;	/* to be fetched */
	uint64_t lost, waiting;		/* entries not found by the last attempt */
} walk;
static void walk_release(walk *w)
{
	dv_map_release(&w->files);
	dv_map_release(&w->trees);
	dv_map_release(&w->chunks);
	dv_map_release(&w->asked[0]);
	dv_map_release(&w->asked[1]);
	free(w->items);
	free(w->meta);
	free(w->data);
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
	dv_reader *reader = f->readers[f->threads];
	uint64_t index;
	const uint8_t *p;
	dv_place at;
	bool added;
	size_t n;

	dv_buf_clear(out);
	if (dv_map_get(&f->cache[kind == DV_KIND_RECIPE], id, &index))
		return dv_buf_add(out, f->cached[index].p, f->cached[index].n);
	if (dv_store_find(f->local, kind, id, &at)) {
		int rc = dv_reader_get(reader, kind, id, &p, &n);
		return rc ? rc : dv_buf_add(out, p, n);
	}
	if (!dv_remote_store_find(f->r, kind, id, &at)) {
		w->lost++;
		return DV_ENOTFOUND;
	}
	w->waiting++;
	int rc = dv_map_add(&w->asked[kind == DV_KIND_RECIPE], id, 1, &added);
	if (rc == 0 && added)
		rc = push_need(&w->meta, &w->nmeta, &w->meta_cap, id, &at);
	return rc ? rc : DV_ENOTFOUND;
}

/* A chunk of a file: here, there, or missing. */
static int want_chunk(walk *w, const dv_oid *id, size_t want)
{
	dv_place at;
	bool added;
	int rc = dv_map_add(&w->chunks, id, 1, &added);

	if (rc || !added || dv_store_find(w->f->local, DV_KIND_CHUNK, id, &at))
		return rc;
	if (!dv_remote_store_find(w->f->r, DV_KIND_CHUNK, id, &at)) {
		w->f->missing[want]++;
		return 0;
	}
	return push_need(&w->data, &w->ndata, &w->data_cap, id, &at);
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

/* *again: parts of its recipe have to come first. */
static int expand_file(walk *w, const dv_oid *oid, size_t want, bool *again)
{
	dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;
	bool added;

	*again = false;
	if (dv_map_has(&w->files, oid))
		return 0;
	if (has_chunk(w->f, oid) || dv_oid_is_empty(oid)) {
		size_t before = w->ndata;
		int rc = dv_map_add(&w->files, oid, 1, &added);

		if (rc == 0 && !dv_oid_is_empty(oid))
			rc = want_chunk(w, oid, want);
		w->nfiles += w->ndata > before;
		w->objects += w->ndata > before;
		return rc;
	}
	size_t before = w->ndata;
	w->lost = w->waiting = 0;
	int rc = dv_meta_recipe(&recipe, oid, meta_get, w);
	*again = settle(w, want, &rc);
	if (rc || *again)
		return rc;
	for (size_t i = 0; i < recipe.n && rc == 0; i++)
		rc = want_chunk(w, &recipe.c[i].id, want);
	w->nfiles += w->ndata > before;
	w->objects += w->ndata > before;
	return rc ? rc : dv_map_add(&w->files, oid, 1, &added);
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

	return dv_map_get(&dv_store_state(f->local)->roots, oid, &tree) && (tree || !is_tree);
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
	int rc = 0;

	walk_release(w);
	*w = (walk){ .f = f };
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
		if (rc == 0 && f->cached_bytes > CACHE_MAX)
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
static int walk_all(walk *w, dv_fetching *f)
{
	int rc = walk_wants(w, f, f->nwants);

	if (rc || !lacks_any(f))
		return rc;
	memset(f->missing, 0, (f->nwants + 1) * sizeof *f->missing);
	for (size_t i = 0; i < f->nwants; i++)
		if ((rc = walk_wants(w, f, i)))
			return rc;
	return walk_wants(w, f, f->nwants);
}

static int commit(dv_fetching *f)
{
	dv_autofree dv_root *roots = dv_calloc(f->nwants + 1, sizeof *roots);
	size_t n = 0;

	if (!roots)
		return DV_ERROR;
	for (size_t i = 0; i < f->nwants; i++) {
		const dv_want *w = &f->wants[i];

		if (f->missing[i] || local_vouches(f, &w->oid, w->is_tree))
			continue;
		roots[n++] = (dv_root){
			.oid = w->oid, .is_tree = w->is_tree, .path = (char *)(uintptr_t)w->path,
			.project = (char *)(uintptr_t)f->o->project,
			.commit = (char *)(uintptr_t)f->o->commit,
		};
	}
	return dv_writer_commit(f->writer, roots, n);
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
	int code = bad == f->nwants ? DV_ENOTFOUND : DV_EPARTIAL;
	code = dv_transfer_missing(code, &f->wants[first], f->missing[first], f->r);
	return bad > 1 ? dv_err_ctx(code, "%zu outputs are incomplete", bad) : code;
}

static int prepare(dv_fetching *f)
{
	f->threads = dv_move_jobs(f->o);
	f->missing = dv_calloc(f->nwants + 1, sizeof *f->missing);
	f->readers = dv_calloc((size_t)f->threads + 1, sizeof(void *));
	if (!f->missing || !f->readers)
		return DV_ERROR;
	for (int i = 0; i <= f->threads; i++) {
		int rc = dv_reader_new(&f->readers[i], f->local);
		if (rc)
			return rc;
	}
	int rc = dv_pool_new(&f->pool, f->threads, 16);
	return rc ? rc : dv_writer_new(&f->writer, f->local, LEVEL);
}

static int run(dv_fetching *f, dv_move_stats *out)
{
	dv_auto(walk) w = { .f = f };
	uint64_t bytes = 0;
	int rc = walk_all(&w, f);

	for (size_t i = 0; rc == 0 && i < w.ndata; i++)
		bytes += w.data[i].at.stored;
	out->objects = w.objects;
	out->files = w.nfiles;
	out->chunks = w.ndata;
	if (rc == 0 && w.ndata && !f->o->dry) {
		dv_progress_start("fetching", bytes, 0);
		rc = dv_fetching_retrieve(f, &w.data, &w.ndata, &w.data_cap, false);
		dv_progress_end();
	}
	if (rc)
		return rc;
	out->bytes = f->o->dry ? bytes : f->bytes;
	out->packs = f->packs;
	return f->o->dry ? 0 : commit(f);
}

int dv_transfer_fetch(dv_store *local, dv_remote_store *remote, const dv_want *w, size_t n,
		      const dv_move_options *o, dv_move_stats *out)
{
	static const dv_move_options none;
	dv_auto(dv_fetching) f = {
		.local = local, .r = remote, .wants = w, .nwants = n, .o = o ? o : &none,
	};
	dv_move_stats unused;
	bool here = true;

	out = out ? out : &unused;
	*out = (dv_move_stats){ 0 };
	pthread_mutex_init(&f.lock, NULL);
	for (size_t i = 0; i < n; i++)
		here = here && local_vouches(&f, &w[i].oid, w[i].is_tree);
	if (here)
		return 0;
	int rc = prepare(&f);
	if (rc || (rc = run(&f, out)))
		return rc;
	return missing_error(&f);
}
