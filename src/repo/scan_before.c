/* SPDX-License-Identifier: Apache-2.0 */
/* What files were before they changed, where the stat cache does not know: by the pointer. */
#include "repo/record.h"
#include "repo/scan_impl.h"

void dv_scan_before(dv_scan *s, const dv_oid *oid)
{
	s->before = *oid;
}

int dv_scan_before_by_tree(dv_scan *s, node *d)
{
	dv_auto(dv_tree) t = DV_TREE_INIT;
	dv_autoptr(dv_reader) r = NULL;
	int rc;

	if (!s->ingest || dv_oid_is_zero(&d->tree) || !dv_repo_deltas(s->repo) ||
	    !dv_store_has_object(s->store, &d->tree))
		return 0;
	rc = dv_reader_new(&r, s->store);
	if (rc)
		return rc;
	if (dv_tree_load(&t, r, &d->tree) < 0) {
		/* It only was a hint. */
		dv_error_clear();
		return 0;
	}
	for (size_t i = 0; i < d->n; i++) {
		entry *e = &d->e[i];
		const dv_tree_entry *old = e->linked ? NULL : dv_tree_find(&t, e->f.name);
		bool folder = e->f.kind == 'd';

		if (!old || folder != (old->kind == 'd') || (!folder && !e->todo && !e->large))
			continue;
		e->f.oid = old->oid;
		e->had = true;
	}
	return 0;
}
