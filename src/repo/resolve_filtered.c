/* SPDX-License-Identifier: Apache-2.0 */
/* Taking one version of a file that git's filter keeps: its content goes into the workspace. */
#include <string.h>

#include "git/lfs_pointer.h"
#include "repo/record.h"
#include "repo/resolve_impl.h"
#include "repo/restore.h"

static int read_version(const dv_resolving *x, const dv_conflicted *c, unsigned i,
			dv_lfs_pointer *out, bool *yes)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = dv_resolving_version(x, c, i, &text);

	*yes = rc == 0 && c->id[i][0] &&
	       dv_lfs_pointer_parse(out, dv_buf_str(&text), text.n);
	return rc;
}

/* What stands there is to be had again: from git's versions, whose oids are `known`, or from the
 * store. */
static int check_saved(const dv_resolving *x, const dv_conflicted *c, dv_store *s, dv_oid known[3],
		       size_t *n)
{
	dv_autoptr(dv_pool) pool = NULL;
	bool any = false;
	dv_autoptr(dv_scan) scan = NULL;
	dv_scanned now;
	int rc = dv_repo_pool(&pool, x->repo, 1);

	if (rc == 0)
		rc = dv_scan_new(&scan, x->repo, pool, NULL);
	if (rc == 0)
		rc = dv_scan_path(scan, c->path, &now);
	for (unsigned i = 0; rc == 0 && i < 3; i++) {
		dv_lfs_pointer p;
		bool yes;

		rc = read_version(x, c, i, &p, &yes);
		if (rc == 0 && yes) {
			any = any || dv_oid_eq(&p.oid, &now.oid);
			known[(*n)++] = p.oid;
		}
	}
	if (rc || any || !now.kind || dv_store_has_object(s, &now.oid))
		return rc;
	return dv_err_hint(dv_err(DV_EDIRTY, "'%s' has work that is not in the store", c->path),
			   "save it elsewhere, or overwrite it with '--force'");
}

int dv_resolve_filtered(const dv_resolving *x, const dv_conflicted *c, unsigned version, bool force)
{
	dv_autoptr(dv_restore) restore = NULL;
	dv_lfs_pointer p;
	dv_store *s = NULL;
	bool yes = false;
	dv_oid known[3];
	size_t n = 0;
	int rc = dv_repo_store(x->repo, &s);

	if (rc == 0)
		rc = read_version(x, c, version, &p, &yes);
	if (rc == 0 && !yes)
		return dv_err_hint(dv_err(DV_ERROR, "that version of '%s' is no pointer", c->path),
				   "settle it with 'git checkout' and 'git add'");
	if (rc == 0 && !force)
		rc = check_saved(x, c, s, known, &n);
	const dv_want want = { .oid = p.oid, .path = c->path };
	if (rc == 0 && !dv_store_has_object(s, &p.oid))
		rc = dv_sync_bring(x->repo, &want, 1);
	if (rc == 0)
		rc = dv_restore_new(&restore, x->repo, 1);
	/* It may have taken a while to bring the content here. */
	if (rc == 0 && !force)
		dv_restore_careful(restore, known, n);
	const dv_tree_entry e = { .kind = (c->mode[version] & 0111) ? 'x' : 'f', .oid = p.oid,
				  .size = p.size, .nfiles = 1 };
	return rc ? rc : dv_restore_path(restore, c->path, &e, false);
}
