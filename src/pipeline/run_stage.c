/* SPDX-License-Identifier: Apache-2.0 */
/* One stage: what is to be done about it, its command, and what it made. */
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/path.h"
#include "pipeline/run.h"
#include "pipeline/runcache.h"
#include "repo/sync.h"

const char *dv_node_folder(const dv_runner *r, const dv_node *n)
{
	return r->plan.p.files[r->plan.file_of[n->stage]].dir;
}

static dv_plan_lock *lock_of(dv_runner *r, const dv_node *n)
{
	return &r->plan.locks[r->plan.file_of[n->stage]];
}

int dv_node_tell(dv_runner *r, dv_node *n, enum dv_stage_state state, const dv_stage_check *why,
		 int exit_code, const dv_error *error)
{
	dv_stage_event e;
	int rc = dv_plan_event(&r->plan, &r->st, n->stage, &e);

	if (rc)
		return rc;
	e.state = state;
	e.exit_code = exit_code;
	e.seconds = (double)(n->end_us - n->start_us) / 1e6;
	if (n->executor && n->executor->ops->apart)
		e.job = n->executor->ops->name_of(n->executor, (size_t)(n - r->nodes));
	if (why) {
		e.reasons = why->reasons;
		e.nreasons = why->n;
	}
	if (error) {
		e.error = error->message;
		e.hint = error->hint;
	}
	if (!r->cb)
		return 0;
	pthread_mutex_lock(&r->talk);
	rc = r->cb(&e, r->payload);
	pthread_mutex_unlock(&r->talk);
	return rc;
}

int dv_node_fail(dv_runner *r, dv_node *n, int exit_code)
{
	dv_error why;
	int rc;

	dv_error_take(&why);
	dv_aside_return(&n->aside);
	n->how = DV_STAGE_FAILED;
	r->sum->failed++;
	rc = dv_node_tell(r, n, DV_STAGE_FAILED, NULL, exit_code, &why);
	return rc ? rc : dv_runner_done(r, n, true);
}

int dv_node_finish(dv_runner *r, dv_node *n, enum dv_stage_state how, const dv_stage_check *why)
{
	int rc;

	n->how = how;
	*(how == DV_STAGE_RAN ? &r->sum->ran : how == DV_STAGE_CACHED ? &r->sum->cached
								      : &r->sum->unchanged) += 1;
	rc = dv_node_tell(r, n, how, why, 0, NULL);
	return rc ? rc : dv_runner_done(r, n, false);
}

/* -- what others have -------------------------------------------------------------------------- */

static int take_paths(dv_runner *r, dv_node *n)
{
	const dv_stage *s = n->s;

	if (!n->who && !(n->who = dv_pathlock_stage(s->dir, s->file, s->name)))
		return dv_err_nomem();
	if (!n->paths) {
		n->paths = dv_arena_alloc(&r->st.arena,
					  (s->ndeps + s->nparams + s->nouts + 1) *
						  sizeof(*n->paths));
		if (!n->paths)
			return DV_ERROR;
		for (size_t i = 0; i < s->ndeps; i++)
			n->paths[n->npaths++].path = s->deps[i].path;
		for (size_t i = 0; i < s->nparams; i++)
			n->paths[n->npaths++].path = s->params[i].path;
		for (size_t i = 0; i < s->nouts; i++)
			n->paths[n->npaths++] = (dv_pathlock_path){ s->outs[i].path, true };
	}
	free(dv_steal(&r->blocker));
	int rc = dv_pathlocks_try(r->paths, (size_t)(n - r->nodes), n->who, n->paths, n->npaths,
				  &r->blocker);
	n->held = rc == 1;
	return rc;
}

int dv_node_let_go(dv_runner *r, dv_node *n)
{
	if (!n->held)
		return 0;
	n->held = false;
	return dv_pathlocks_release(r->paths, (size_t)(n - r->nodes));
}

/* Another process may have changed anything before the paths were ours. */
static int refresh(dv_runner *r, dv_node *n)
{
	dv_plan_lock *l = lock_of(r, n);

	for (size_t i = 0; i < n->npaths; i++)
		dv_contents_forget(r->st.contents, n->paths[i].path);
	for (size_t i = 0; i < r->st.nfiles; i++)
		r->st.files[i].known = false;
	return dv_lockwriter_refresh(r->lock, &l->l, l->path, dv_node_folder(r, n));
}

/* -- bringing back ----------------------------------------------------------------------------- */

static int open_restore(dv_runner *r)
{
	return r->restore ? 0 : dv_restore_new(&r->restore, r->repo, 0);
}

static int restore(dv_runner *r, const char *path, const dv_tree_entry *want)
{
	const dv_content now = { want->kind, want->oid, want->size,
				 want->kind == 'd' ? want->nfiles : 1 };
	int rc = open_restore(r);

	dv_contents_forget(r->st.contents, path);
	if (rc == 0)
		rc = dv_restore_path(r->restore, path, want, r->links);
	return rc ? rc : dv_contents_set(r->st.contents, path, &now);
}

static bool is_right(const dv_content *now, const dv_locked_path *want)
{
	return (now->kind == 'd') == want->is_dir && now->kind && dv_oid_eq(&now->oid, &want->oid);
}

/* Makes the outputs what an entry says: 1 done, 0 the store lacks something of it. */
static int restore_outs(dv_runner *r, const dv_node *n, const dv_locked_stage *from)
{
	const dv_stage *s = n->s;
	dv_autofree bool *todo = dv_calloc(s->nouts + 1, sizeof(*todo));
	int rc = todo ? 0 : DV_ERROR;

	for (size_t i = 0; rc == 0 && i < s->nouts; i++) {
		const dv_locked_path *want = dv_locked_out(from, s->outs[i].written);
		bool cached = true;
		dv_content now;

		if (!want)
			return 0;
		if ((rc = dv_contents_get(r->st.contents, s->outs[i].path, &now)))
			return rc;
		todo[i] = !is_right(&now, want);
		if (todo[i])
			rc = dv_sync_is_cached(r->st.reader, &want->oid, want->is_dir, &cached);
		if (rc == 0 && (!cached || (todo[i] && s->outs[i].persist && now.kind)))
			return 0;
	}
	for (size_t i = 0; rc == 0 && i < s->nouts; i++) {
		const dv_locked_path *want = dv_locked_out(from, s->outs[i].written);
		dv_tree_entry e = dv_locked_path_entry(want);

		if (todo[i] && (rc = open_restore(r)) == 0 &&
		    (rc = dv_node_spare(r, n, &s->outs[i])) == 0)
			rc = restore(r, s->outs[i].path, &e);
	}
	return rc ? rc : 1;
}

/* Brings dependencies that are not there from the store; *any tells whether it did. */
static int provide(dv_runner *r, dv_node *n, bool *any)
{
	int rc = 0;

	*any = false;
	for (size_t i = 0; rc == 0 && i < n->s->ndeps; i++) {
		const char *path = n->s->deps[i].path, *root;
		bool cached = false;
		dv_content now;
		dv_tree_entry e;

		if (n->s->deps[i].outside ||
		    (rc = dv_contents_get(r->st.contents, path, &now)) || now.kind ||
		    (rc = dv_plan_source(&r->plan, n->stage, path, &root, &e)) || !root ||
		    (rc = dv_contents_get(r->st.contents, root, &now)) || now.kind ||
		    (rc = dv_sync_is_cached(r->st.reader, &e.oid, e.kind == 'd', &cached)) ||
		    !cached)
			continue;
		*any = true;
		rc = restore(r, root, &e);
	}
	return rc;
}

/* -- the command ------------------------------------------------------------------------------- */

static int make_commands(dv_runner *r, dv_node *n)
{
	const dv_value *cmd = n->s->cmd;
	dv_arena *a = &r->st.arena;
	dv_auto(dv_buf) lines = DV_BUF_INIT;
	char *p;
	int rc;

	if (n->cmd)
		return 0;
	if (cmd->kind == DV_VALUE_LIST) {
		n->ncmd = cmd->n;
		n->cmd = dv_arena_alloc(a, (cmd->n + 1) * sizeof(*n->cmd));
		for (size_t i = 0; n->cmd && i < cmd->n; i++)
			n->cmd[i] = cmd->items[i]->s;
		return n->cmd ? 0 : DV_ERROR;
	}
	if ((rc = dv_child_lines(&lines, cmd->s, &n->ncmd)))
		return rc;
	p = dv_arena_alloc(a, lines.n + 1);
	n->cmd = dv_arena_alloc(a, (n->ncmd + 1) * sizeof(*n->cmd));
	if (!p || !n->cmd)
		return DV_ERROR;
	if (lines.n)
		memcpy(p, lines.p, lines.n);
	for (size_t i = 0; i < n->ncmd; i++, p += strlen(p) + 1)
		n->cmd[i] = p;
	return 0;
}

/* Ours, with DV_ROOT and DV_STAGE. */
static int make_env(dv_runner *r, dv_node *n)
{
	dv_arena *a = &r->st.arena;
	size_t have = 0, k = 0;

	if (n->env)
		return 0;
	while (environ[have])
		have++;
	n->env = dv_arena_alloc(a, (have + 3) * sizeof(*n->env));
	if (!n->env)
		return DV_ERROR;
	for (size_t i = 0; i < have; i++)
		if (strncmp(environ[i], "DV_ROOT=", 8) != 0 &&
		    strncmp(environ[i], "DV_STAGE=", 9) != 0)
			n->env[k++] = environ[i];
	n->env[k++] = dv_arena_printf(a, "DV_ROOT=%s", r->repo->root);
	n->env[k] = dv_arena_printf(a, "DV_STAGE=%s", n->s->name);
	return n->env[k - 1] && n->env[k] ? 0 : DV_ERROR;
}

/* Where strace writes: in the scratch folder, which goes when we do. */
static int start_trace(dv_runner *r, dv_node *n)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	if (!r->o->trace || n->trace)
		return 0;
	if (!dv_trace_available())
		return dv_err_hint(dv_err(DV_ENOTFOUND, "there is no 'strace' to trace with"),
				   "install strace, or leave '--trace' out");
	dv_buf_addf(&b, "%s/trace-%zu", r->repo->scratch.dir, (size_t)(n - r->nodes));
	n->trace = dv_buf_detach(&b);
	return n->trace ? 0 : dv_err_nomem();
}

/* What git keeps cannot be kept by dv as well: said before the work is done. */
static int check_outs(dv_runner *r, const dv_node *n)
{
	dv_locked_stage *locked;
	dv_git *git;
	int rc = dv_plan_locked(&r->plan, n->stage, &locked);

	for (size_t i = 0; rc == 0 && r->repo->has_git && i < n->s->nouts; i++) {
		const dv_stage_out *o = &n->s->outs[i];
		dv_autofree char *which = NULL;
		bool tracked = false;

		if (!o->cache || dv_locked_out(locked, o->written))
			continue;
		if ((rc = dv_repo_git(r->repo, &git)) ||
		    (rc = dv_git_is_tracked(git, o->path, &tracked, &which)) || !tracked)
			continue;
		dv_err_at(DV_EEXISTS, &o->at, "the stage '%s' makes '%s', and git tracks '%s'",
			  n->s->name, o->path, which ? which : o->path);
		rc = dv_err_hint(DV_EEXISTS, "run 'git rm -r --cached %s', or say 'cache: false' "
				 "there", o->path);
	}
	return rc;
}

/* The command goes on from what it left the last time, also in a clone that does not have it. */
int dv_node_bring_kept(dv_runner *r, const dv_node *n, const dv_stage_out *o)
{
	const dv_locked_path *was;
	dv_locked_stage *locked;
	bool cached = false;
	dv_content now;
	dv_tree_entry e;
	int rc;

	if ((rc = dv_contents_get(r->st.contents, o->path, &now)) || now.kind ||
	    (rc = dv_plan_locked(&r->plan, n->stage, &locked)) ||
	    !(was = dv_locked_out(locked, o->written)) ||
	    (rc = dv_sync_is_cached(r->st.reader, &was->oid, was->is_dir, &cached)))
		return rc;
	if (!cached) {
		dv_warn("'%s' is not there and not in the cache: the stage '%s' begins without it",
			o->path, n->s->name);
		return 0;
	}
	e = dv_locked_path_entry(was);
	return restore(r, o->path, &e);
}

static int make_place(dv_runner *r, dv_node *n, const dv_stage_out *o)
{
	int rc = 0;

	if (o->persist && n->tries == 0)
		rc = dv_node_bring_kept(r, n, o);
	if (!o->persist && n->tries == 0)
		rc = dv_node_spare(r, n, o);
	if (rc == 0 && !o->persist)
		rc = dv_aside_take(&n->aside, r->repo, o->path);
	if (rc == 0)
		rc = dv_restore_make_room(r->restore, o->path, o->persist);
	/* The command may write to what stays. */
	if (rc == 0 && o->persist && r->links)
		rc = dv_restore_unshare(r->repo, o->path);
	return rc;
}

void dv_node_started(dv_runner *r, dv_node *n)
{
	n->state = DV_NODE_RUNNING;
	n->executor->running++;
	r->running++;
}

static int start_command(dv_runner *r, dv_node *n)
{
	const dv_stage *s = n->s;
	struct stat st;
	int rc = 0;

	if (n->apart)
		return (rc = check_outs(r, n)) ? rc : dv_node_start_apart(r, n);
	n->executor = r->local;
	if (!n->dir && !(n->dir = dv_repo_abs(r->repo, s->wdir)))
		return DV_ERROR;
	if (stat(n->dir, &st) < 0 || !S_ISDIR(st.st_mode))
		return dv_err_at(DV_ENOTFOUND, &s->at, "the stage '%s' runs in the folder '%s', "
				 "which is not there", s->name, s->wdir);
	if ((rc = check_outs(r, n)) || (rc = make_commands(r, n)) || (rc = make_env(r, n)) ||
	    (rc = open_restore(r)) || (rc = start_trace(r, n)))
		return rc;
	for (size_t i = 0; rc == 0 && i < s->nouts; i++)
		rc = make_place(r, n, &s->outs[i]);
	dv_states_forget(&r->st, s);
	if (rc)
		return rc;
	const dv_job job = {
		.child = { .owner = (size_t)(n - r->nodes), .cmd = n->cmd, .ncmd = n->ncmd,
			   .dir = n->dir, .env = n->env, .keep_fd = dv_pathlocks_fd(r->paths),
			   .lines = r->jobs > 1, .merged = r->o->merged, .trace = n->trace },
		.stage = s, .entry = &n->entry,
	};
	if ((rc = n->executor->ops->start(n->executor, &job)))
		return rc;
	dv_node_started(r, n);
	return 0;
}

static int begin_run(dv_runner *r, dv_node *n, const dv_stage_check *why)
{
	int rc;

	if (r->o->ask) {
		pthread_mutex_lock(&r->talk);
		rc = r->o->ask(n->s->name, r->payload);
		pthread_mutex_unlock(&r->talk);
		if (rc < 0)
			return rc;
		if (rc == 0) {
			n->how = DV_STAGE_SKIPPED;
			r->sum->skipped++;
			rc = dv_node_tell(r, n, DV_STAGE_SKIPPED, NULL, 0, NULL);
			return rc ? rc : dv_runner_done(r, n, false);
		}
	}
	if ((rc = dv_node_tell(r, n, DV_STAGE_RUNS, why, 0, NULL)))
		return rc;
	rc = start_command(r, n);
	return rc ? dv_node_fail(r, n, 0) : 0;
}

/* -- what is to be done ------------------------------------------------------------------------ */

/* Brings what a run made that others did; it is no failure when the remote has it no more. */
static int bring(dv_runner *r, const dv_node *n)
{
	dv_autofree dv_want *w = dv_calloc(n->entry.nouts + 1, sizeof(*w));
	int rc;

	if (!w)
		return DV_ERROR;
	for (size_t i = 0; i < n->entry.nouts; i++)
		w[i] = (dv_want){ .oid = n->entry.outs[i].oid, .is_tree = n->entry.outs[i].is_dir,
				  .path = n->s->outs[i].path };
	rc = dv_sync_bring(r->repo, w, n->entry.nouts);
	if (rc == 0 || rc == DV_ECANCELLED)
		return rc;
	dv_warn("%s", dv_error_last()->message);
	dv_error_clear();
	return 0;
}

/* Outputs as an earlier run with the same inputs made them: 1 done. */
static int from_run_cache(dv_runner *r, dv_node *n)
{
	const dv_stage *s = n->s;
	int rc;

	if (r->o->no_run_cache || r->o->no_commit || n->forced || !dv_runcache_fits(s))
		return 0;
	if (!r->learnt && (rc = dv_runner_learn_runs(r)))
		return rc;
	r->learnt = true;
	for (size_t i = 0; i < s->nouts; i++)
		n->entry.outs[i] = (dv_locked_path){ .path = s->outs[i].written };
	n->entry.nouts = s->nouts;
	rc = dv_runcache_get(r->repo, r->st.reader, &n->entry, dv_node_folder(r, n));
	if (rc == 0 && r->o->pull &&
	    dv_runcache_get(r->repo, NULL, &n->entry, dv_node_folder(r, n)) == 1 &&
	    (rc = bring(r, n)) == 0)
		rc = dv_runcache_get(r->repo, r->st.reader, &n->entry, dv_node_folder(r, n));
	if (rc != 1 || (rc = restore_outs(r, n, &n->entry)) != 1)
		return rc;
	for (size_t i = 0; i < s->nouts; i++) {
		const dv_tree_entry e = dv_locked_path_entry(&n->entry.outs[i]);
		const dv_content now = { e.kind, e.oid, e.size, e.nfiles };

		if ((rc = dv_stage_entry_out(&r->st, s, &s->outs[i], &now, &n->entry.outs[i])))
			return rc;
	}
	return 1;
}

static bool only_unstored(const dv_stage_check *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->reasons[i].kind != DV_NOT_IN_CACHE)
			return false;
	return c->n > 0;
}

static int store_outs(dv_runner *r, dv_node *n);

/* Something differs, and the paths are ours. */
static int act(dv_runner *r, dv_node *n, const dv_locked_stage *locked, const dv_stage_check *why)
{
	int rc = 0;

	if (why->outs_only && !n->forced && only_unstored(why)) {
		if (r->o->no_commit)
			return dv_node_finish(r, n, DV_STAGE_UNCHANGED, NULL);
		n->store_only = true;
		n->entry.outs = dv_arena_alloc(&r->st.arena,
					       (n->s->nouts + 1) * sizeof(*n->entry.outs));
		if (!n->entry.outs || (rc = store_outs(r, n)))
			return rc ? rc : DV_ERROR;
		dv_runner_pend(r, n);
		return dv_node_finish(r, n, DV_STAGE_UNCHANGED, NULL);
	}
	if (why->outs_only && !n->forced && (rc = restore_outs(r, n, locked)) == 1)
		return dv_node_finish(r, n, DV_STAGE_CACHED, why);
	if (rc < 0 || (rc = dv_stage_entry(&r->st, n->s, &n->entry)))
		return rc;
	rc = from_run_cache(r, n);
	if (rc == 1) {
		const dv_oid run = n->entry.run;

		n->how = DV_STAGE_CACHED;
		rc = dv_node_record(r, n, DV_RUN_CACHED, 0, NULL, NULL,
				    n->entry.has_run ? &run : NULL);
		if (rc)
			return rc;
		dv_runner_pend(r, n);
		return dv_node_finish(r, n, DV_STAGE_CACHED, why);
	}
	return rc ? rc : begin_run(r, n, why);
}

static int look(dv_runner *r, dv_node *n, dv_locked_stage **locked, dv_stage_check *c)
{
	bool any = false;
	int rc = dv_plan_locked(&r->plan, n->stage, locked);

	if (rc || (rc = dv_plan_look_at(&r->plan, &r->st, n->stage, c)))
		return rc;
	if (n->held && (rc = provide(r, n, &any)) == 0 && any)
		rc = dv_plan_look_at(&r->plan, &r->st, n->stage, c);
	if (rc == 0 && n->forced && !c->n)
		rc = dv_stage_check_add(&r->st, c, DV_WHY_FORCED, DV_MODIFIED, NULL, NULL);
	return rc;
}

/* A path in what was made a moment ago is looked up in what is stored then. */
static int commit_inner(dv_runner *r, const dv_node *n)
{
	for (size_t i = 0; i < r->npending; i++) {
		const dv_stage *s = r->nodes[r->pending[i]].s;

		for (size_t k = 0; k < s->nouts; k++)
			for (size_t d = 0; d < n->s->ndeps; d++) {
				const char *rest;

				if (dv_path_below(n->s->deps[d].path, s->outs[k].path, &rest) &&
				    *rest)
					return dv_runner_commit(r);
			}
	}
	return 0;
}

static int begin(dv_runner *r, dv_node *n)
{
	dv_locked_stage *locked;
	dv_stage_check why;
	int rc = commit_inner(r, n);

	if (rc || (rc = look(r, n, &locked, &why)))
		return rc;
	if (!why.n)
		return dv_node_finish(r, n, DV_STAGE_UNCHANGED, NULL);
	if ((rc = take_paths(r, n)) < 0)
		return rc;
	if (rc == 0) {
		n->state = DV_NODE_BLOCKED;
		r->nblocked++;
		return 0;
	}
	if (dv_pathlocks_met_others(r->paths) && (rc = refresh(r, n)))
		return rc;
	if ((rc = look(r, n, &locked, &why)))
		return rc;
	return why.n ? act(r, n, locked, &why) : dv_node_finish(r, n, DV_STAGE_UNCHANGED, NULL);
}

int dv_node_begin(dv_runner *r, dv_node *n)
{
	int rc;

	n->start_us = n->end_us = dv_clock_wall_us();
	rc = begin(r, n);
	if (rc >= 0 || rc == DV_ECANCELLED || n->state != DV_NODE_READY)
		return rc;
	return dv_node_fail(r, n, 0);
}

/* -- what it made ------------------------------------------------------------------------------ */

/* The content of an output, stored when that is wanted. */
static int store_out(dv_runner *r, const dv_node *n, const dv_stage_out *o, dv_content *now)
{
	bool keep = o->cache || (o->kind != DV_OUT_PLAIN && dv_runcache_fits(n->s));
	dv_locked_stage *locked;
	const dv_locked_path *was;
	dv_oid before = { { 0 } };
	dv_scanned found;
	int rc;

	if (!r->scan || !keep)
		return dv_contents_get(r->st.contents, o->path, now);
	if ((rc = dv_plan_locked(&r->plan, n->stage, &locked)))
		return rc;
	if ((was = dv_locked_out(locked, o->written)))
		before = was->oid;
	dv_scan_before(r->scan, &before);
	if ((rc = dv_scan_path(r->scan, o->path, &found)))
		return rc;
	if (found.kind == 'l')
		return dv_err_hint(dv_err_at(DV_ERROR, &o->at, "'%s' is a symbolic link", o->path),
				   "the command of '%s' must make a file or a directory",
				   n->s->name);
	*now = (dv_content){ found.kind, found.oid, found.size, found.nfiles };
	return dv_contents_set(r->st.contents, o->path, now);
}

static int store_outs(dv_runner *r, dv_node *n)
{
	const dv_stage *s = n->s;
	int rc = 0;

	n->entry.nouts = 0;
	for (size_t i = 0; rc == 0 && i < s->nouts; i++) {
		dv_content now;

		rc = store_out(r, n, &s->outs[i], &now);
		if (rc == DV_ECANCELLED) {
			/* What was computed is not thrown away. */
			dv_runner_look_for_cancel(r);
			rc = store_out(r, n, &s->outs[i], &now);
		}
		if (rc == 0)
			rc = dv_stage_entry_out(&r->st, s, &s->outs[i], &now,
						&n->entry.outs[n->entry.nouts++]);
	}
	return rc;
}

int dv_node_failed(dv_runner *r, dv_node *n, int exit_code, const dv_error *why)
{
	int rc;

	if (r->cancelled) {
		n->how = DV_STAGE_CANCELLED;
		rc = dv_node_tell(r, n, DV_STAGE_CANCELLED, NULL, exit_code, NULL);
		return rc ? rc : dv_runner_done(r, n, true);
	}
	if (n->tries < n->s->retry && !r->stopping) {
		rc = dv_node_tell(r, n, DV_STAGE_RETRIED, NULL, exit_code, why);
		n->tries++;
		if (rc)
			return rc;
		return start_command(r, n) ? dv_node_fail(r, n, 0) : 0;
	}
	if (why)
		dv_error_put(why);
	else if (exit_code > 128)
		dv_err(DV_ERROR, "the stage '%s' was ended by signal %d", n->s->name,
		       exit_code - 128);
	else
		dv_err(DV_ERROR, "the stage '%s' failed with exit status %d", n->s->name,
		       exit_code);
	return dv_node_fail(r, n, exit_code);
}

static int end_failed(dv_runner *r, dv_node *n, int exit_code, const dv_buf *log)
{
	int rc;

	n->how = DV_STAGE_FAILED;
	n->entry.nouts = 0;
	if (dv_node_note_left(r, n)) {
		/* It will be saved then. */
		dv_error_clear();
	}
	if ((rc = dv_node_record(r, n, r->cancelled ? DV_RUN_CANCELED : DV_RUN_FAILED, exit_code,
				 log, NULL, NULL)))
		return rc;
	return dv_node_failed(r, n, exit_code, NULL);
}

/* Tells what was read and is not named; an error when the caller is strict. */
static int end_trace(dv_runner *r, dv_node *n, dv_trace_reads *reads)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc;

	if (!n->trace)
		return 0;
	if ((rc = dv_fs_read_file(&text, n->trace, DV_TRACE_MAX)) ||
	    (rc = dv_trace_parse(reads, dv_buf_str(&text), text.n, r->repo->root, n->s)))
		return rc;
	dv_fs_unlinkat(AT_FDCWD, n->trace, 0);
	for (size_t i = 0; i < reads->n; i++)
		dv_warn("the stage '%s' reads '%s', which it does not name", n->s->name,
			reads->paths[i]);
	if (!reads->n || !r->o->strict)
		return 0;
	return dv_err_hint(dv_err_at(DV_ERROR, &n->s->at, "the stage '%s' reads what it does not "
				     "name", n->s->name),
			   "add '%s' to its 'deps'", reads->paths[0]);
}

int dv_node_end(dv_runner *r, dv_node *n, dv_job_end *job)
{
	dv_auto(dv_trace_reads) reads = DV_TRACE_READS_INIT;
	dv_child_end *end = &job->child;
	int rc;

	n->start_us = end->start_us;
	n->end_us = end->end_us;
	dv_aside_return(&n->aside);
	dv_states_forget(&r->st, n->s);
	if (n->apart)
		return dv_node_end_apart(r, n, job);
	if (end->error.code) {
		dv_error_put(&end->error);
		return dv_node_fail(r, n, 0);
	}
	if (end->exit_code)
		return end_failed(r, n, end->exit_code, &end->log);
	if ((rc = end_trace(r, n, &reads)) || (rc = store_outs(r, n))) {
		dv_error why;

		dv_error_take(&why);
		if (dv_node_note_left(r, n))
			dv_error_clear();
		n->how = DV_STAGE_FAILED;
		if ((rc = dv_node_record(r, n, DV_RUN_FAILED, 0, &end->log, &reads, NULL)))
			return rc;
		dv_error_put(&why);
		return dv_node_fail(r, n, 0);
	}
	if ((rc = dv_node_record(r, n, DV_RUN_COMPLETE, 0, &end->log, &reads, NULL)))
		return rc;
	dv_runner_pend(r, n);
	return dv_node_finish(r, n, DV_STAGE_RAN, NULL);
}
