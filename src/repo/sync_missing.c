/* SPDX-License-Identifier: Apache-2.0 */
/* Which outputs the remotes lack, in whole or in part. */
#include "repo/sync.h"

#include "base/alloc.h"
#include "repo/changes.h"

static int missing_at(dv_store *s, dv_remote_store *remote, const dv_output *o,
		      dv_change_cb cb, void *payload, uint64_t *n)
{
	dv_want w = { .oid = o->pointer.oid, .is_tree = o->pointer.is_dir, .path = o->path };
	bool has = false;
	int rc = dv_transfer_has_all(s, remote, &w, &has);

	if (rc < 0 || has)
		return rc;
	(*n)++;
	return dv_changes_tell_output(DV_NOT_IN_REMOTE, o, NULL, 0, cb, payload);
}

int dv_sync_missing(dv_repo *r, const char *remote, const dv_output_list *l, dv_change_cb cb,
		    void *payload, uint64_t *n)
{
	dv_autofree bool *done = dv_calloc(l->n + 1, sizeof(*done));
	dv_store *s = NULL;
	int rc = done ? dv_repo_store_look(r, &s) : DV_ERROR;

	*n = 0;
	for (size_t i = 0; rc == 0 && i < l->n; i++) {
		const char *own = l->o[i].pointer.remote, *name = own ? own : remote;
		dv_autoptr(dv_remote_store) store = NULL;

		if (done[i] || l->o[i].pointer.no_push)
			continue;
		rc = dv_repo_remote_open(r, name, false, &store, NULL);
		if (rc == 0 && dv_remote_store_state(store)->head == 0)
			dv_warn("the remote is empty or not there");
		for (size_t j = i; rc == 0 && j < l->n; j++) {
			const dv_pointer *p = &l->o[j].pointer;

			if (done[j] || p->no_push ||
			    !dv_sync_same_remote(name, p->remote ? p->remote : remote))
				continue;
			done[j] = true;
			rc = missing_at(s, store, &l->o[j], cb, payload, n);
		}
	}
	return rc;
}
