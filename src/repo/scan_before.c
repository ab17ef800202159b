/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What files were before they changed, where the stat cache does not know it or knows only a
 * version that nobody added: by the pointer.
 */
#include <string.h>

#include "repo/record.h"
#include "repo/scan_impl.h"

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
	const char *slash = strrchr(d->path, '/');
	const dv_tree_entry *e =
		load(&t, r, &above) ? dv_tree_find(&t, slash ? slash + 1 : d->path) : NULL;
	return e && e->kind == 'd' ? e->oid : none;
}

int dv_scan_before_by_tree(dv_scan *s, node *d)
{
	dv_auto(dv_tree) t = DV_TREE_INIT;
	dv_autoptr(dv_reader) r = NULL;
	size_t first = 0;
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
	if (!load(&t, r, &before))
		return 0;
	for (size_t i = first; i < d->n; i++) {
		entry *e = &d->e[i];
		const dv_tree_entry *old = is_wanting(e) ? dv_tree_find(&t, e->f.name) : NULL;

		if (!old || old->kind == 'd' || old->kind == 'l')
			continue;
		e->f.oid = old->oid;
		e->had = true;
	}
	return 0;
}
