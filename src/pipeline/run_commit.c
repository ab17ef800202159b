/* SPDX-License-Identifier: Apache-2.0 */
/* Committing what stages made, several stages at a time. */
#include "base/alloc.h"
#include "base/clock.h"
#include "pipeline/run.h"
#include "pipeline/runcache.h"
#include "repo/record.h"

#define SHARE 10		/* a commit may cost one part in so many of the time between two */
#define WAIT_LEAST_US 100000
#define WAIT_MOST_US 1000000

void dv_runner_pend(dv_runner *r, dv_node *n)
{
	if (r->npending == 0)
		r->pending_us = dv_clock_us();
	n->pending = true;
	r->pending[r->npending++] = (size_t)(n - r->nodes);
}

bool dv_runner_commit_due(const dv_runner *r, bool idle)
{
	int64_t most = r->commit_us * SHARE;

	if (!r->npending)
		return false;
	most = most < WAIT_LEAST_US ? WAIT_LEAST_US : most > WAIT_MOST_US ? WAIT_MOST_US : most;
	return idle || dv_clock_us() - r->pending_us >= most;
}

/* -- the store --------------------------------------------------------------------------------- */

static int commit_store(dv_runner *r)
{
	dv_autofree dv_root *roots = NULL;
	size_t n = 0;
	int rc;

	if (!r->writer)
		return dv_contents_remember(r->st.contents);
	for (size_t i = 0; i < r->npending; i++)
		n += r->nodes[r->pending[i]].entry.nouts;
	if (!(roots = dv_calloc(n + 1, sizeof(*roots))))
		return DV_ERROR;
	n = 0;
	for (size_t i = 0; i < r->npending; i++) {
		const dv_node *node = &r->nodes[r->pending[i]];

		for (size_t k = 0; k < node->entry.nouts; k++) {
			const dv_locked_path *p = &node->entry.outs[k];

			if (!p->no_cache)
				roots[n++] = (dv_root){
					.oid = p->oid, .is_tree = p->is_dir,
					.path = (char *)(uintptr_t)node->s->outs[k].path,
					.project = r->repo->root,
				};
		}
	}
	if ((rc = dv_writer_commit(r->writer, roots, n)))
		return rc;
	return dv_scan_remember(r->scan);
}

/* Files that are to be links become links once the store has their content. */
static int relink(dv_runner *r)
{
	int rc = 0;

	if (!r->links || r->o->no_commit)
		return 0;
	if (!r->restore && (rc = dv_restore_new(&r->restore, r->repo, 0)))
		return rc;
	for (size_t i = 0; i < r->npending; i++) {
		const dv_node *n = &r->nodes[r->pending[i]];

		for (size_t k = 0; rc == 0 && k < n->entry.nouts; k++) {
			const dv_locked_path *p = &n->entry.outs[k];
			const dv_tree_entry e = dv_locked_path_entry(p);

			if (!p->no_cache)
				rc = dv_restore_path(r->restore, n->s->outs[k].path, &e, true);
		}
		if (rc)
			return rc;
	}
	return 0;
}

/* -- the lock ---------------------------------------------------------------------------------- */

static int put_entries(dv_runner *r)
{
	for (size_t i = 0; i < r->npending; i++) {
		dv_node *n = &r->nodes[r->pending[i]];
		dv_plan_lock *l = &r->plan.locks[r->plan.file_of[n->stage]];
		const char *folder = dv_node_folder(r, n);
		int rc = 0;

		if (n->store_only)
			continue;
		rc = dv_runner_note_dropped(r, n, dv_lockfile_find(&l->l, n->entry.name));
		if (rc == 0)
			rc = dv_lockwriter_put(r->lock, &l->l, l->path, folder, &n->entry);
		if (rc == 0 && !r->o->no_commit && n->how == DV_STAGE_RAN &&
		    dv_runcache_fits(n->s))
			rc = dv_runcache_put(r->repo, &n->entry, folder);
		if (rc)
			return rc;
	}
	return dv_lockwriter_commit(r->lock);
}

int dv_runner_commit(dv_runner *r)
{
	int64_t start = dv_clock_us();
	int rc;

	if (!r->npending && !r->unlisted)
		return 0;
	if ((rc = commit_store(r)) || (rc = relink(r)) || (rc = dv_runner_ignore(r)) ||
	    (r->unlisted && (rc = dv_run_flush(r->records, true))) || (rc = put_entries(r)))
		return rc;
	r->unlisted = false;
	while (r->npending) {
		dv_node *n = &r->nodes[r->pending[--r->npending]];

		n->pending = false;
		if ((rc = dv_node_let_go(r, n)))
			return rc;
	}
	r->commit_us = dv_clock_us() - start;
	return r->slurm ? r->slurm->ops->forget(r->slurm) : 0;
}

int dv_runner_finish(dv_runner *r)
{
	dv_autofree const char **paths = NULL;
	dv_auto(dv_lock) lock = DV_LOCK_INIT;
	const char *path;
	size_t n = 0;
	dv_git *git;
	int rc = dv_lockwriter_finish(r->lock);

	if (rc || (rc = dv_contents_remember(r->st.contents)) ||
	    (rc = dv_runner_unignore(r)) || !r->stage_git)
		return rc;
	while (dv_lockwriter_written(r->lock, n))
		n++;
	if (!(paths = dv_calloc(n + r->staged.n + 1, sizeof(*paths))))
		return DV_ERROR;
	n = 0;
	for (size_t i = 0; i < r->staged.n; i++)
		paths[n++] = r->staged.p[i];
	for (size_t i = 0; (path = dv_lockwriter_written(r->lock, i)); i++)
		paths[n++] = path;
	if (n == 0 && r->unstaged.n == 0)
		return 0;
	if ((rc = dv_repo_lock(r->repo, &lock)) || (rc = dv_repo_git(r->repo, &git)))
		return rc;
	return dv_git_stage(git, paths, n, (const char *const *)r->unstaged.p, r->unstaged.n);
}
