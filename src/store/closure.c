/* SPDX-License-Identifier: Apache-2.0 */
/* What objects need: their chunks, recipes and the bases of deltas, and all below a tree. */
#include <string.h>

#include "base/alloc.h"
#include "store/recipe.h"
#include "store/tree.h"

enum { SEEN_FILE = 1, SEEN_TREE = 2 };

typedef struct item {
	dv_oid oid;
	uint32_t depth;
	bool is_tree;
} item;
typedef struct work {
	dv_closure *c;
	dv_reader *r;
	bool tolerate;
	item *todo;
	size_t n, cap;
	dv_oid *bases;		/* chunks that are still to be looked at */
	size_t nbases, bases_cap;
} work;

static void work_release(work *w)
{
	free(w->todo);
	free(w->bases);
}

void dv_closure_release(dv_closure *c)
{
	dv_map_release(&c->chunks);
	dv_map_release(&c->recipes);
	dv_map_release(&c->objects);
	free(c->missing);
	*c = (dv_closure)DV_CLOSURE_INIT;
}

static int push(work *w, const dv_oid *oid, bool is_tree, uint32_t depth)
{
	int rc = dv_grow(&w->todo, &w->cap, w->n + 1, sizeof(*w->todo));

	if (!rc)
		w->todo[w->n++] = (item){ *oid, depth, is_tree };
	return rc;
}

static int add_missing(work *w, const dv_oid *id, const char *what)
{
	dv_closure *c = w->c;
	char hex[DV_OID_HEX_SIZE + 1];
	int rc;

	if (!w->tolerate) {
		dv_oid_hex(hex, id);
		return dv_err(DV_ENOTFOUND, "%s %s is not in the store", what, hex);
	}
	rc = dv_grow(&c->missing, &c->missing_cap, c->nmissing + 1, sizeof(*c->missing));
	if (!rc)
		c->missing[c->nmissing++] = *id;
	return rc;
}

/* Notes the bases of the entry at `at` as still to be looked at. */
static int add_bases(work *w, const dv_oid *id, const dv_place *at)
{
	const dv_oid *bases = NULL;
	int rc;

	if (!at->nbases)
		return 0;
	rc = dv_reader_bases(w->r, id, at, &bases);
	if (!rc)
		rc = dv_grow(&w->bases, &w->bases_cap, w->nbases + at->nbases, sizeof(*w->bases));
	for (uint8_t i = 0; i < at->nbases && !rc; i++)
		w->bases[w->nbases++] = bases[i];
	return rc;
}

static int add_chunk(work *w, const dv_oid *id)
{
	dv_oid next = *id;

	for (;;) {
		dv_place at;
		bool fresh;
		int rc = dv_map_add(&w->c->chunks, &next, 1, &fresh);

		if (!rc && fresh) {
			if (dv_store_find(dv_reader_store(w->r), DV_KIND_CHUNK, &next, &at))
				rc = add_bases(w, &next, &at);
			else
				rc = add_missing(w, &next, "chunk");
		}
		if (rc < 0 || !w->nbases)
			return rc;
		next = w->bases[--w->nbases];
	}
}

static int add_recipe(work *w, const dv_oid *oid, const dv_recipe *recipe)
{
	dv_place at;
	int rc = dv_map_put(&w->c->recipes, oid, 1);

	if (!rc && dv_store_find(dv_reader_store(w->r), DV_KIND_RECIPE, oid, &at))
		rc = add_bases(w, oid, &at);
	for (size_t i = 0; i < recipe->ninner && !rc; i++)
		rc = add_chunk(w, &recipe->inner[i]);
	for (size_t i = 0; i < recipe->n && !rc; i++)
		rc = add_chunk(w, &recipe->c[i].id);
	return rc;
}

/* Adds the entries of one object. *gone: it is not in the store and that was noted. */
static int add_entries(work *w, const dv_oid *oid, uint64_t *size, bool *gone)
{
	dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;
	int rc;

	*size = 0;
	*gone = !dv_store_has_object(dv_reader_store(w->r), oid);
	if (*gone)
		return add_missing(w, oid, "object");
	rc = dv_recipe_load(&recipe, w->r, oid);
	if (rc == DV_ENOTFOUND && w->tolerate) {
		/* A piece of the recipe itself is not there. */
		*gone = true;
		rc = dv_map_put(&w->c->recipes, oid, 1);
		return rc < 0 ? rc : add_missing(w, oid, "object");
	}
	if (rc < 0)
		return rc;
	*size = recipe.size;
	if (recipe.is_chunk)
		return add_chunk(w, oid);
	return recipe.n ? add_recipe(w, oid, &recipe) : 0;
}

static int add_children(work *w, const item *it)
{
	dv_auto(dv_tree) t = DV_TREE_INIT;
	size_t missing = w->c->nmissing;
	int rc;

	if (it->depth >= DV_TREE_DEPTH)
		return dv_err(DV_ECORRUPT, "a directory is nested too deeply");
	rc = dv_tree_load(&t, w->r, &it->oid);
	if (rc == DV_ENOTFOUND && w->tolerate && missing)
		return 0; /* its missing chunks were noted */
	for (size_t i = 0; i < t.n && !rc; i++)
		rc = push(w, &t.e[i].oid, t.e[i].kind == 'd', it->depth + 1);
	return rc;
}

/* Most files are one chunk: that it was seen says the same of the file. *done: this one is. */
static int add_short_file(work *w, const item *it, bool *done)
{
	size_t before = w->c->chunks.n;
	dv_place at;
	int rc;

	*done = !it->is_tree &&
		dv_store_find(dv_reader_store(w->r), DV_KIND_CHUNK, &it->oid, &at);
	if (!*done || dv_map_has(&w->c->chunks, &it->oid))
		return 0;
	rc = add_chunk(w, &it->oid);
	if (!rc && w->c->chunks.n > before) {
		w->c->nobjects++;
		w->c->nfiles++;
		w->c->bytes += at.raw;
	}
	return rc;
}

static int add_object(work *w, const item *it)
{
	const uint64_t *seen = dv_map_find(&w->c->objects, &it->oid);
	uint64_t size = 0;
	bool gone = false, done;
	int rc;

	if (seen && (*seen == SEEN_TREE || !it->is_tree))
		return 0;
	rc = add_short_file(w, it, &done);
	if (rc < 0 || done)
		return rc;
	if (!seen) {
		rc = add_entries(w, &it->oid, &size, &gone);
		if (rc < 0)
			return rc;
		if (!it->is_tree && !gone) {
			w->c->nfiles++;
			w->c->bytes += size;
		}
	} else {
		gone = !dv_store_has_object(dv_reader_store(w->r), &it->oid);
	}
	w->c->nobjects += !seen;
	rc = dv_map_put(&w->c->objects, &it->oid, it->is_tree ? SEEN_TREE : SEEN_FILE);
	if (!rc && it->is_tree && !gone)
		rc = add_children(w, it);
	return rc;
}

int dv_closure_add(dv_closure *c, dv_reader *r, const dv_oid *oid, bool is_tree, bool tolerate)
{
	__attribute__((cleanup(work_release))) work w = { .c = c, .r = r, .tolerate = tolerate };
	int rc = push(&w, oid, is_tree, 0);

	while (!rc && w.n) {
		item it = w.todo[--w.n];

		rc = dv_check_cancel();
		if (!rc)
			rc = add_object(&w, &it);
	}
	return rc;
}
