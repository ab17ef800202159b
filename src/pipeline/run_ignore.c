/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of .gitignore for what stages make, and what becomes of them when it is made no more. */
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "pipeline/run.h"
#include "repo/record.h"

int dv_runner_ignore(dv_runner *r)
{
	dv_autofree const char **paths = NULL;
	dv_auto(dv_lock) lock = DV_LOCK_INIT;
	size_t n = 0;
	int rc;

	for (size_t i = 0; i < r->npending; i++)
		n += r->nodes[r->pending[i]].s->nouts;
	if (!(paths = dv_calloc(n + 1, sizeof(*paths))))
		return DV_ERROR;
	n = 0;
	for (size_t i = 0; i < r->npending; i++) {
		const dv_node *node = &r->nodes[r->pending[i]];

		for (size_t k = 0; k < node->s->nouts; k++)
			if (node->s->outs[k].cache && !node->store_only)
				paths[n++] = node->s->outs[k].path;
	}
	if (n == 0 || !r->repo->has_git)
		return 0;
	rc = dv_repo_lock(r->repo, &lock);
	return rc ? rc : dv_repo_ignore_outputs(r->repo, paths, n, &r->staged);
}

/* -- what is made no more ---------------------------------------------------------------------- */

int dv_runner_note_dropped(dv_runner *r, const dv_node *n, const dv_locked_stage *was)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && was && i < was->nouts; i++) {
		const dv_locked_path *p = &was->outs[i], *now = dv_locked_out(&n->entry, p->path);
		const char *full;

		if (p->no_cache || (now && !now->no_cache))
			continue;
		full = dv_locked_path_full(&r->st.arena, dv_node_folder(r, n), was, p);
		rc = full ? dv_path_list_add(&r->dropped, full) : DV_ERROR;
	}
	return rc;
}

/* Who has the path now: a stage or a pointer (git is to pass over it), git itself, or nobody. */
enum owner { NOBODY, DV, GIT };

static enum owner owner_of(const dv_runner *r, const char *path)
{
	const dv_output *o = dv_output_list_find(&r->plan.outputs, path);

	for (size_t i = 0; i < r->plan.p.n; i++)
		for (size_t k = 0; k < r->plan.p.stages[i].nouts; k++)
			if (strcmp(r->plan.p.stages[i].outs[k].path, path) == 0)
				return r->plan.p.stages[i].outs[k].cache ? DV : GIT;
	return o && !o->stage ? DV : NOBODY;
}

/* What is still there would all of a sudden be new to git, which might be told to take all that is
 * new: then the line stays. */
static int unignore(dv_runner *r, const char *path)
{
	enum owner owner = owner_of(r, path);
	dv_autofree char *abs = dv_repo_abs(r->repo, path);
	struct stat st;

	if (!abs)
		return DV_ERROR;
	if (owner == DV)
		return 0;
	if (owner == NOBODY && lstat(abs, &st) == 0) {
		dv_warn("no stage makes '%s' any more: it is still there, and in .gitignore", path);
		return 0;
	}
	return dv_repo_unignore(r->repo, path, &r->staged, &r->unstaged);
}

int dv_runner_unignore(dv_runner *r)
{
	dv_auto(dv_lock) lock = DV_LOCK_INIT;
	int rc;

	if (!r->dropped.n || !r->repo->has_git)
		return 0;
	rc = dv_repo_lock(r->repo, &lock);
	for (size_t i = 0; rc == 0 && i < r->dropped.n; i++)
		rc = unignore(r, r->dropped.p[i]);
	return rc;
}
