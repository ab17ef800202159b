/* SPDX-License-Identifier: Apache-2.0 */
/* Single paths of the workspace, for who runs stages. */
#include "repo/restore.h"

#include <string.h>

#include "base/alloc.h"
#include "repo/checkout_impl.h"
#include "repo/workdir.h"

struct dv_restore {
	checkout c;
	dv_checkout_options o;
	dv_checkout_summary sum;
};

int dv_restore_new(dv_restore **out, dv_repo *r, int jobs)
{
	dv_autoptr(dv_restore) x = dv_calloc(1, sizeof(*x));
	int rc;

	*out = NULL;
	if (!x)
		return DV_ERROR;
	x->o = (dv_checkout_options){ .force = true, .jobs = jobs };
	x->c = (checkout){ .repo = r, .o = &x->o, .sum = &x->sum, .rootfd = -1,
			   .targets = DV_TARGETS_INIT };
	if ((rc = dv_checkout_work_open(&x->c)) < 0)
		return rc;
	*out = dv_steal(&x);
	return 0;
}

void dv_restore_free(dv_restore *x)
{
	if (x)
		dv_checkout_work_release(&x->c);
	free(x);
}

void dv_restore_careful(dv_restore *x, const dv_oid *known, size_t n)
{
	x->o.force = false;
	x->c.known = known;
	x->c.nknown = n;
}

int dv_restore_path(dv_restore *x, const char *path, const dv_tree_entry *want, bool relink)
{
	dv_output o = { .path = (char *)(uintptr_t)path, .pointer_path = (char *)(uintptr_t)path };

	o.pointer = (dv_pointer){ .oid = want->oid, .size = want->size, .nfiles = want->nfiles,
				  .is_dir = want->kind == 'd', .isexec = want->kind == 'x' };
	x->o.relink = relink;
	return dv_checkout_work_output(&x->c, &o, false, NULL, NULL);
}

int dv_restore_make_room(dv_restore *x, const char *path, bool keep)
{
	dv_autofree char *abs = dv_repo_abs(x->c.repo, path);
	dv_autoclose int dir = -1;
	const char *base;
	int rc = abs ? dv_workdir_parent(&dir, &base, x->c.rootfd, path, true) : DV_ERROR;

	return rc || keep ? rc : dv_fs_remove_tree(abs);
}

int dv_restore_put_aside(dv_restore *x, const char *path, char **saved)
{
	dv_autoclose int dir = -1;
	const char *base;
	int rc = dv_workdir_parent(&dir, &base, x->c.rootfd, path, true);

	return rc ? rc : dv_saved_put(x->c.repo->dvdir, dir, base, saved);
}
