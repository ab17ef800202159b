/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What files were before they changed, where the stat cache does not know it or knows only a
 * version that nobody added: by the pointer, and for new names by their resemblance to old ones.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "repo/record.h"
#include "repo/scan_impl.h"

#define FEW 16u		/* new files of which each looks at all old ones */
#define FOLDERS_MAX 4096u	/* entries of a tree among which a folder's kin is looked for */

void dv_scan_before(dv_scan *s, const dv_oid *oid)
{
	s->before = *oid;
}

static bool is_wanting(const entry *e)
{
	return !e->linked && (e->todo || e->large) && !e->had;
}

/* False where there is none; it only would be a hint. */
static bool load(dv_tree *t, dv_reader *r, const dv_oid *oid)
{
	if (dv_oid_is_zero(oid))
		return false;
	if (!dv_tree_load(t, r, oid))
		return true;
	dv_error_clear();
	return false;
}

static bool is_here(const node *d, const char *name)
{
	size_t lo = 0, hi = d->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(d->e[mid].f.name, name);

		if (!c)
			return true;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

/* The directory in the old tree `t` of `parent` that a new one may have been, or zero. The names
 * in the parent stay as they are while something in it is not complete. */
static dv_oid folder_kin(const node *parent, const dv_tree *t, const char *name)
{
	dv_kin_search search = { .name = name };

	for (size_t i = 0; i < t->n && t->n <= FOLDERS_MAX; i++) {
		const dv_tree_entry *e = &t->e[i];
		dv_kin k = { e->name, 0, e->oid, e->kind == 'd' && !is_here(parent, e->name) };

		if (e->kind == 'd')
			dv_kin_offer(&search, &k);
	}
	return search.best.oid;
}

/* The newest stored tree that the directory was: the stat cache's, else what the tree of the folder
 * around it says, up to the output's own. No deeper than DV_TREE_DEPTH. */
static dv_oid tree_before(dv_scan *s, const node *d, dv_reader *r)
{
	dv_oid none = { 0 };

	if (!dv_oid_is_zero(&d->tree) && dv_store_has_object(s->store, &d->tree))
		return d->tree;
	if (!d->parent)
		return s->before;

	dv_auto(dv_tree) t = DV_TREE_INIT;
	dv_oid above = tree_before(s, d->parent, r);
	const char *name = dv_path_base(d->path);
	const dv_tree_entry *e;
	if (!load(&t, r, &above))
		return none;
	e = dv_tree_find(&t, name);
	if (!e)
		return folder_kin(d->parent, &t, name);
	return e->kind == 'd' ? e->oid : none;
}

/* Keeps the files of the old tree `t`, which it takes, for new ones that look for kin. */
static int gather_kin(node *d, dv_tree *t, size_t wanting)
{
	before_tree *b = dv_calloc(1, sizeof(*b));
	int rc = 0;

	if (!b)
		return DV_ERROR;
	d->before = b;
	b->few = wanting <= FEW;
	b->t = *t;
	*t = (dv_tree)DV_TREE_INIT;
	for (size_t i = 0; i < b->t.n && !rc; i++) {
		const dv_tree_entry *e = &b->t.e[i];

		if (e->kind == 'f' || e->kind == 'x')
			rc = dv_kin_list_add(&b->kin, &(dv_kin){ e->name, e->size, e->oid,
								 !is_here(d, e->name) });
	}
	return rc ? rc : dv_kin_list_finish(&b->kin);
}

void dv_scan_before_forget(node *d)
{
	if (!d->before)
		return;
	dv_kin_list_release(&d->before->kin);
	dv_tree_release(&d->before->t);
	free(dv_steal(&d->before));
}

void dv_scan_before_by_name(const node *d, entry *e)
{
	dv_kin_search search = { .name = e->f.name, .size = e->f.size };

	if (e->had || !d->before || e->linked ||
	    !dv_ingest_curious(d->scan->ingest, e->f.name, e->f.size))
		return;
	dv_kin_list_search(&d->before->kin, &search, d->before->few);
	if (search.found) {
		e->f.oid = search.best.oid;
		e->had = true;
	}
}

int dv_scan_before_by_tree(dv_scan *s, node *d)
{
	dv_auto(dv_tree) t = DV_TREE_INIT;
	dv_autoptr(dv_reader) r = NULL;
	size_t first = 0, wanting = 0;
	dv_oid before;
	int rc;

	while (first < d->n && !is_wanting(&d->e[first]))
		first++;
	if (first == d->n || !s->ingest || !dv_repo_deltas(s->repo))
		return 0;
	rc = dv_reader_new(&r, s->store);
	if (rc)
		return rc;
	before = tree_before(s, d, r);
	if (!load(&t, r, &before) || !t.n)
		return 0;
	for (size_t i = first; i < d->n; i++) {
		entry *e = &d->e[i];
		const dv_tree_entry *old = is_wanting(e) ? dv_tree_find(&t, e->f.name) : NULL;

		wanting += is_wanting(e) && !old;
		if (!old || old->kind == 'd' || old->kind == 'l')
			continue;
		e->f.oid = old->oid;
		e->had = true;
	}
	return wanting ? gather_kin(d, &t, wanting) : 0;
}
