/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding out what a push has to send: one walk from the wants down, asking the local store for the
 * structure and the mirrored index of the remote for what is there. What the local store lacks may
 * still be whole on the remote; that is looked at too before anything is called missing.
 */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/sha256.h"
#include "transfer/internal.h"

#define RECIPE_BYTES_MAX ((size_t)1 << 31)
#define IN_WORK UINT8_MAX	/* of a depth: the bases are being looked at */

/* -- objects from entries ---------------------------------------------------------------------- */

int dv_meta_recipe(dv_recipe *out, const dv_oid *oid, dv_get_cb get, void *payload)
{
	dv_auto(dv_buf) b = DV_BUF_INIT, part = DV_BUF_INIT;
	dv_auto(dv_recipe) list = DV_RECIPE_INIT;
	uint8_t level = 0, above = 0;
	int rc = get(DV_KIND_RECIPE, oid, &b, payload);

	if (rc == 0)
		rc = dv_recipe_parse(&list, &level, (const uint8_t *)b.p, b.n);
	while (rc == 0 && level > 0) {
		bool wait = false;

		dv_buf_clear(&b);
		above = level;
		for (size_t i = 0; i < list.n; i++) {
			rc = get(DV_KIND_CHUNK, &list.c[i].id, &part, payload);
			wait = wait || rc == DV_ENOTFOUND;
			if (rc == DV_ENOTFOUND)
				continue;
			if (rc == 0 && (part.n != list.c[i].len || part.n > RECIPE_BYTES_MAX - b.n))
				rc = dv_err(DV_ECORRUPT, "a chunk of a recipe has another length");
			if (rc || (rc = dv_buf_add(&b, part.p, part.n)))
				return rc;
		}
		if (wait)
			return DV_ENOTFOUND;
		dv_auto(dv_recipe) low = DV_RECIPE_INIT;
		rc = dv_recipe_parse(&low, &level, (const uint8_t *)b.p, b.n);
		if (rc == 0 && level + 1 != above)
			rc = dv_err(DV_ECORRUPT, "the levels of a recipe are out of order");
		if (rc)
			break;
		dv_oid *inner = dv_reallocarray(low.inner, list.ninner + list.n + 1, sizeof *inner);
		if (!inner)
			return DV_ERROR;
		if (list.ninner)
			memcpy(inner, list.inner, list.ninner * sizeof *inner);
		for (size_t i = 0; i < list.n; i++)
			inner[list.ninner + i] = list.c[i].id;
		low.inner = inner;
		low.ninner = low.inner_cap = list.ninner + list.n;
		dv_recipe_release(&list);
		list = low;
		low = (dv_recipe)DV_RECIPE_INIT;
	}
	if (rc == 0) {
		*out = list;
		list = (dv_recipe)DV_RECIPE_INIT;
	}
	return rc;
}

int dv_meta_object(dv_buf *out, const dv_oid *oid, bool is_chunk, size_t max, dv_get_cb get,
		   void *payload)
{
	dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;
	dv_auto(dv_buf) part = DV_BUF_INIT;
	bool wait = false;
	dv_oid real;

	dv_buf_clear(out);
	if (is_chunk)
		return get(DV_KIND_CHUNK, oid, out, payload);
	int rc = dv_meta_recipe(&recipe, oid, get, payload);
	if (rc)
		return rc;
	if (recipe.size > max)
		return dv_err(DV_ECORRUPT, "an object is longer than %zu bytes", max);
	for (size_t i = 0; i < recipe.n; i++) {
		rc = get(DV_KIND_CHUNK, &recipe.c[i].id, &part, payload);
		wait = wait || rc == DV_ENOTFOUND;
		if (rc == DV_ENOTFOUND)
			continue;
		if (rc == 0 && (part.n != recipe.c[i].len || part.n > max - out->n))
			rc = dv_err(DV_ECORRUPT, "a recipe is damaged");
		if (rc || (rc = dv_buf_add(out, part.p, part.n)))
			return rc;
	}
	if (wait)
		return DV_ENOTFOUND;
	dv_sha256(&real, out->p, out->n);
	return dv_oid_eq(&real, oid) ? 0 : dv_err(DV_ECORRUPT, "a recipe is damaged");
}

/* -- the walk ---------------------------------------------------------------------------------- */

void dv_push_walk_release(dv_push_walk *w)
{
	dv_map_release(&w->files);
	dv_map_release(&w->trees);
	dv_map_release(&w->chunks);
	dv_map_release(&w->recipes);
	dv_entries_release(&w->here);
	dv_bits_release(&w->seen);
	dv_bits_release(&w->needed);
	free(w->depth);
	w->depth = NULL;
}

int dv_push_walk_init(dv_push_walk *w, dv_store *local, dv_reader *reader, dv_remote_store *remote,
		      bool check_only)
{
	int rc;

	dv_push_walk_release(w);
	*w = (dv_push_walk){ .local = local, .reader = reader, .remote = remote,
			     .check_only = check_only };
	rc = dv_entries_of_store(&w->here, local);
	if (rc == 0)
		rc = dv_bits_init(&w->seen, dv_entries_total(&w->here));
	if (rc == 0)
		rc = dv_bits_init(&w->needed, dv_entries_total(&w->here));
	if (rc == 0 && !(w->depth = dv_calloc((size_t)dv_entries_total(&w->here) + 1, 1)))
		rc = DV_ERROR;
	return rc;
}

bool dv_push_walk_has_chunk(const dv_push_walk *w, const dv_oid *id, uint8_t *depth)
{
	uint64_t number;
	dv_place at;

	if (dv_entries_find(&w->here, DV_KIND_CHUNK, id, &at, &number)) {
		*depth = w->depth[number];
		return dv_bits_has(&w->seen, number);
	}
	*depth = dv_remote_store_find(w->remote, DV_KIND_CHUNK, id, &at) ? at.depth : 0;
	return dv_map_has(&w->chunks, id);
}

static int need_bases(dv_push_walk *w, const dv_oid *id, const dv_place *at, int depth,
		      uint8_t *there);

/* What is not here has to be on the remote. */
static int rely_on(dv_push_walk *w, uint8_t kind, const dv_oid *id, uint8_t *there)
{
	dv_map *seen = kind == DV_KIND_RECIPE ? &w->recipes : &w->chunks;
	dv_place at;
	bool added, found = dv_remote_store_find(w->remote, kind, id, &at);
	int rc = dv_map_add(seen, id, 1, &added);

	*there = found ? at.depth : 0;
	w->missing += rc == 0 && added && !found;
	if (rc == 0 && added && found && w->on_there)
		rc = w->on_there(id, &at, w->payload);
	return rc;
}

/* Entries of the remote are relied on; others are sent, with their bases, or missing. *there: how
 * deep the entry is, or will be, on the remote. */
static int need_entry(dv_push_walk *w, uint8_t kind, const dv_oid *id, int depth, uint8_t *there)
{
	dv_place at, on_remote;
	uint64_t number;
	int rc = 0;

	if (!dv_entries_find(&w->here, kind, id, &at, &number))
		return rely_on(w, kind, id, there);
	*there = w->depth[number];
	if (!dv_bits_add(&w->seen, number))
		return *there == IN_WORK ? dv_err(DV_ECORRUPT, "deltas in the cache have no end") :
					   0;
	if (dv_remote_store_find(w->remote, kind, id, &on_remote)) {
		w->depth[number] = *there = on_remote.depth;
		return w->on_there ? w->on_there(id, &on_remote, w->payload) : 0;
	}
	if (w->check_only || w->remote_only) {
		w->missing++;
		return 0;
	}
	dv_bits_add(&w->needed, number);
	w->n++;
	w->nchunks += kind == DV_KIND_CHUNK;
	if (w->on_need && (rc = w->on_need(&at, w->payload)))
		return rc;
	if (at.nbases) {
		w->depth[number] = IN_WORK;
		rc = need_bases(w, id, &at, depth + 1, there);
		w->depth[number] = *there;
	}
	return rc;
}

/* The remote may hold the bases in another form than the cache, and deeper: what would be too deep
 * there is sent in full. */
static int need_bases(dv_push_walk *w, const dv_oid *id, const dv_place *at, int depth,
		      uint8_t *there)
{
	const dv_oid *bases;
	dv_oid copy[DV_BASES_MAX];

	if (depth > DV_DEPTH_MAX || at->nbases > DV_BASES_MAX)
		return dv_err(DV_ECORRUPT, "a delta in the cache has too many bases");
	int rc = dv_reader_bases(w->reader, id, at, &bases);
	if (rc)
		return rc;
	memcpy(copy, bases, at->nbases * sizeof *copy);
	*there = at->depth;
	for (size_t i = 0; rc == 0 && i < at->nbases; i++) {
		uint8_t base;

		rc = need_entry(w, DV_KIND_CHUNK, &copy[i], depth, &base);
		if (rc == 0 && *there <= base)
			*there = (uint8_t)(base + 1);
	}
	if (*there > DV_DEPTH_MAX)
		*there = 0;
	return rc;
}

static int remote_get(uint8_t kind, const dv_oid *id, dv_buf *out, void *payload)
{
	dv_push_walk *w = payload;

	return dv_remote_store_read(w->remote, kind, id, out);
}

static int need_recipe(dv_push_walk *w, const dv_oid *oid, const dv_recipe *recipe)
{
	uint8_t depth;
	int rc = need_entry(w, DV_KIND_RECIPE, oid, 0, &depth);

	for (size_t i = 0; i < recipe->ninner; i++)
		dv_asking_expect(w->remote, DV_KIND_CHUNK, &recipe->inner[i]);
	for (size_t i = 0; i < recipe->n; i++)
		dv_asking_expect(w->remote, DV_KIND_CHUNK, &recipe->c[i].id);
	for (size_t i = 0; rc == 0 && i < recipe->ninner; i++)
		rc = need_entry(w, DV_KIND_CHUNK, &recipe->inner[i], 0, &depth);
	for (size_t i = 0; rc == 0 && i < recipe->n; i++)
		rc = need_entry(w, DV_KIND_CHUNK, &recipe->c[i].id, 0, &depth);
	return rc;
}

/* A long file: its recipe is here, or on the remote, or nowhere. */
static int visit_long_file(dv_push_walk *w, const dv_oid *oid)
{
	dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;
	dv_place at;
	bool added;
	int rc = dv_map_add(&w->files, oid, 1, &added);

	if (rc || !added)
		return rc;
	rc = DV_ENOTFOUND;
	if (dv_store_find(w->local, DV_KIND_RECIPE, oid, &at))
		rc = dv_recipe_load(&recipe, w->reader, oid);
	if (rc == DV_ENOTFOUND && dv_remote_store_find(w->remote, DV_KIND_RECIPE, oid, &at))
		rc = dv_meta_recipe(&recipe, oid, remote_get, w);
	if (rc == DV_ENOTFOUND) {
		dv_error_clear();
		w->missing++;
		return 0;
	}
	return rc ? rc : need_recipe(w, oid, &recipe);
}

static int visit_object(dv_push_walk *w, const dv_oid *oid)
{
	dv_place at;
	uint8_t depth;

	if (!w->on_there && dv_remote_store_has_root(w->remote, oid))
		return 0;
	if (dv_remote_store_find(w->remote, DV_KIND_CHUNK, oid, &at) ||
	    dv_store_find(w->local, DV_KIND_CHUNK, oid, &at))
		return need_entry(w, DV_KIND_CHUNK, oid, 0, &depth);
	return dv_oid_is_empty(oid) ? 0 : visit_long_file(w, oid);
}

static int visit_file(dv_push_walk *w, const dv_oid *oid, bool is_tree)
{
	uint64_t before = w->n;
	int rc = visit_object(w, oid);

	w->objects += w->n > before;
	w->nfiles += w->n > before && !is_tree;
	return rc;
}

static int load_tree(dv_push_walk *w, const dv_oid *oid, dv_tree *out, bool *remote)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	dv_place at;

	*remote = false;
	if (dv_store_has_object(w->local, oid)) {
		int rc = dv_tree_load(out, w->reader, oid);
		if (rc != DV_ENOTFOUND)
			return rc;
	}
	*remote = true;
	if (!dv_remote_store_has_object(w->remote, oid))
		return DV_ENOTFOUND;
	bool is_chunk = dv_remote_store_find(w->remote, DV_KIND_CHUNK, oid, &at);
	int rc = dv_meta_object(&b, oid, is_chunk, DV_TREE_MAX, remote_get, w);
	return rc ? rc : dv_tree_parse(out, dv_buf_str(&b), b.n);
}

/* What a listing that came from the remote names is asked for in one piece. */
static void expect_entries(dv_push_walk *w, const dv_tree *tree)
{
	for (size_t i = 0; i < tree->n; i++) {
		dv_asking_expect(w->remote, DV_KIND_CHUNK, &tree->e[i].oid);
		dv_asking_expect(w->remote, DV_KIND_RECIPE, &tree->e[i].oid);
	}
}

static int visit_tree(dv_push_walk *w, const dv_oid *oid, int depth)
{
	dv_auto(dv_tree) tree = DV_TREE_INIT;
	bool added, remote;
	uint64_t vouched;
	int rc = dv_map_add(&w->trees, oid, 1, &added);

	if (rc || !added)
		return rc;
	if (depth > DV_TREE_DEPTH)
		return dv_err(DV_ECORRUPT, "directories are nested too deep");
	/* A file of the same bytes does not vouch for what they list. */
	if (!w->on_there && dv_map_get(&w->remote->state.roots, oid, &vouched) && vouched)
		return 0;
	if ((rc = dv_check_cancel()) || (rc = visit_file(w, oid, true)))
		return rc;
	rc = load_tree(w, oid, &tree, &remote);
	if (rc == DV_ENOTFOUND) {
		dv_error_clear();
		w->missing += w->missing == 0;
		return 0;
	}
	w->remote_only += remote;
	if (remote)
		expect_entries(w, &tree);
	for (size_t i = 0; rc == 0 && i < tree.n; i++)
		rc = tree.e[i].kind == 'd' ? visit_tree(w, &tree.e[i].oid, depth + 1) :
					     visit_file(w, &tree.e[i].oid, false);
	w->remote_only -= remote;
	return rc;
}

int dv_push_walk_add(dv_push_walk *w, const dv_oid *oid, bool is_tree)
{
	return is_tree ? visit_tree(w, oid, 0) : visit_file(w, oid, false);
}

/* -- shared ------------------------------------------------------------------------------------ */

int dv_transfer_has_all(dv_store *local, dv_remote_store *remote, const dv_want *want, bool *has)
{
	dv_autoptr(dv_reader) reader = NULL;
	dv_auto(dv_push_walk) w = { 0 };
	int rc = dv_reader_new(&reader, local);

	if (rc == 0)
		rc = dv_remote_store_complete(remote);
	if (rc == 0)
		rc = dv_push_walk_init(&w, local, reader, remote, true);
	if (rc == 0)
		rc = dv_push_walk_add(&w, &want->oid, want->is_tree);
	*has = rc == 0 && w.missing == 0;
	return rc;
}

int dv_transfer_missing(int code, const dv_want *w, uint64_t missing, const dv_remote_store *r)
{
	if (!r->r || !r->exists) {
		dv_err(code, "output '%s' is not in the cache, and remote '%s' is empty or not "
		       "there", w->path ? w->path : "?", r->name);
		return dv_err_hint(code, "%s, or run 'dv push' where the data was added", r->r ?
				   "see that 'dv remote list' shows the right URL" :
				   "see that its folder is mounted");
	}
	code = dv_err(code, "output '%s': %" PRIu64 " %s neither in the cache nor on remote '%s'",
		      w->path ? w->path : "?", missing,
		      missing == 1 ? "object is" : "objects are", r->name);
	return dv_err_hint(code, "run 'dv push' where %s added, or name another remote with '-r'",
			   missing == 1 ? "it was" : "they were");
}

int dv_move_jobs(const dv_move_options *o, const dv_remote_store *r)
{
	return dv_wrap_jobs(r->r, o->jobs);
}
