/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stages whose commands run apart, as jobs: what such a job needs is stored before it starts, and
 * what it hands back is verified before it is checked out. Nothing in the workspace changes between
 * the two.
 */
#include <dirent.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/path.h"
#include "pipeline/jobspec.h"
#include "pipeline/run.h"
#include "repo/sync.h"

#define SEE_MS 250	/* between two looks at a store that others write to */
#define SEE_TIMES 20

/* -- what it needs ----------------------------------------------------------------------------- */

typedef struct inputs {
	dv_run_path *p;
	size_t n;
	bool stored;		/* something that is not committed yet */
} inputs;

static int store_input(dv_runner *r, const dv_run_path *p, inputs *in)
{
	dv_scanned found;
	bool cached = false;
	dv_content now;
	int rc = dv_sync_is_cached(r->st.reader, &p->oid, p->is_dir, &cached);

	if (rc || cached || (rc = dv_contents_get(r->st.contents, p->path, &now)))
		return rc;
	/* What is missing here as well is for the node to bring. */
	if (!now.kind)
		return 0;
	if ((rc = dv_scan_path(r->scan, p->path, &found)))
		return rc;
	in->stored = true;
	if (found.kind == 'l')
		return dv_err_hint(dv_err(DV_ERROR, "'%s' is a symbolic link, and its content "
					  "cannot be given to a job", p->path),
				   "name the path that it leads to");
	if (!dv_oid_eq(&found.oid, &p->oid))
		return dv_err(DV_ETRANSIENT, "'%s' changed while it was read", p->path);
	return 0;
}

/* Adds a path as it stands in the workspace. */
static int add_file(dv_runner *r, const char *path, inputs *in)
{
	dv_content now;
	int rc = dv_contents_get(r->st.contents, path, &now);

	if (rc || !now.kind)
		return rc;
	in->p[in->n] = (dv_run_path){ .path = path, .is_dir = now.kind == 'd',
				      .isexec = now.kind == 'x', .has_oid = true, .oid = now.oid,
				      .size = now.size,
				      .nfiles = now.kind == 'd' ? now.nfiles : 0 };
	return store_input(r, &in->p[in->n++], in);
}

/* Dependencies as they are going to be recorded, then files that are read all the same: those of
 * parameters, of pipelines, and outputs that stay from run to run. */
static int gather(dv_runner *r, dv_node *n, inputs *in)
{
	const dv_stage *s = n->s;
	const dv_pipeline *p = &r->plan.p;
	int rc = 0;

	in->p = dv_arena_alloc(&r->st.arena, (s->ndeps + s->nparams + p->nfiles + s->nouts + 1) *
						     sizeof(*in->p));
	if (!in->p)
		return DV_ERROR;
	for (size_t i = 0; rc == 0 && i < s->ndeps; i++) {
		const dv_locked_path *d = &n->entry.deps[i];

		if (s->deps[i].outside)
			continue;
		in->p[in->n] = (dv_run_path){ .path = s->deps[i].path, .is_dir = d->is_dir,
					      .isexec = d->isexec, .has_oid = true, .oid = d->oid,
					      .size = d->size, .nfiles = d->nfiles };
		rc = store_input(r, &in->p[in->n++], in);
	}
	for (size_t i = 0; rc == 0 && i < s->nparams; i++)
		if (s->params[i].path[0] != '/')
			rc = add_file(r, s->params[i].path, in);
	for (size_t i = 0; rc == 0 && i < p->nfiles; i++)
		rc = add_file(r, p->files[i].path, in);
	for (size_t i = 0; rc == 0 && i < s->nouts; i++)
		if (s->outs[i].persist && (rc = dv_node_bring_kept(r, n, &s->outs[i])) == 0)
			rc = add_file(r, s->outs[i].path, in);
	return rc;
}

static int provide_inputs(dv_runner *r, dv_node *n, inputs *in)
{
	/* What was made a moment ago is to be seen by the node. */
	int rc = r->npending ? dv_runner_commit(r) : 0;

	if (rc == 0)
		rc = gather(r, n, in);
	if (rc == 0 && in->stored && (rc = dv_writer_commit(r->writer, NULL, 0)) == 0)
		rc = dv_scan_remember(r->scan);
	return rc;
}

/* -- starting ---------------------------------------------------------------------------------- */

static int check(const dv_runner *r, const dv_node *n)
{
	if (!r->writer)
		return dv_err_hint(dv_err(DV_EUSAGE, "the stage '%s' becomes a job, whose outputs "
					  "come by way of the cache", n->s->name),
				   "leave '--no-commit' out, or run it with '--executor local'");
	if (r->o->trace)
		return dv_err_hint(dv_err(DV_EUSAGE, "what a job reads cannot be traced"),
				   "run the stage '%s' with '--executor local'", n->s->name);
	return 0;
}

static int open_executor(dv_runner *r, dv_node *n)
{
	int rc = 0;

	if (!r->slurm) {
		rc = dv_executor_slurm(&r->slurm, r->repo, r->o->program);
		if (rc == 0 && r->o->jobs > 0)
			r->slurm->most = (size_t)r->o->jobs;
	}
	n->executor = r->slurm;
	return rc;
}

/* Is it the record of that job, whole? */
static bool is_of(const dv_runner *r, const dv_oid *run, const dv_jobspec *spec)
{
	dv_auto(dv_run_doc) d = DV_RUN_DOC_INIT;
	int rc = dv_run_doc_load(&d, r->st.reader, run);

	if (rc)
		dv_error_clear();
	return rc == 0 && d.kind == DV_RUN_DOC_RUN && d.run.stage && d.run.file &&
	       strcmp(d.run.stage, spec->stage) == 0 && strcmp(d.run.file, spec->file) == 0;
}

/* What became of a job that an earlier process left, and that nobody needs. */
static int record_left(dv_runner *r, const dv_job_left *left)
{
	dv_run run = dv_jobspec_run(left->spec, left->spec->outs);
	dv_oid oid;
	int rc = dv_runner_records(r);

	run.state = left->ended ? DV_RUN_FAILED : DV_RUN_CANCELED;
	run.start_us = run.end_us = dv_clock_wall_us();
	run.exit_code = left->ended ? 1 : 128 + 15;
	if (rc == 0 && left->run)
		rc = dv_store_refresh(r->store);
	if (rc == 0 && left->run && is_of(r, left->run, left->spec))
		rc = dv_run_take(r->records, r->st.reader, left->run);
	else if (rc == 0)
		rc = dv_run_record(r->records, r->writer, &run, &oid);
	r->unlisted |= rc == 0;
	return rc;
}

/* -- jobs that nobody takes -------------------------------------------------------------------- */

/* Does the plan do without the job? Its stage may be gone, or be as it should be already. */
static bool is_needless(const dv_runner *r, const dv_jobspec *spec)
{
	for (size_t i = 0; i < r->plan.p.n; i++) {
		const dv_stage *s = &r->plan.p.stages[i];

		if (strcmp(s->name, spec->stage) == 0 && strcmp(s->file, spec->file) == 0)
			return r->node_of[i] != DV_NO_NODE &&
			       r->nodes[r->node_of[i]].state == DV_NODE_DONE &&
			       r->nodes[r->node_of[i]].how != DV_STAGE_SKIPPED;
	}
	return true;
}

/* Nobody else who runs here may wait for it. */
static bool is_to_end(const dv_jobspec *spec, void *payload)
{
	dv_runner *r = payload;
	dv_autofree dv_pathlock_path *paths = NULL;
	int rc;

	if (!is_needless(r, spec) || !(paths = dv_calloc(spec->nouts + 1, sizeof(*paths))))
		return false;
	for (size_t i = 0; i < spec->nouts; i++)
		paths[i] = (dv_pathlock_path){ spec->outs[i].path, true };
	rc = dv_pathlocks_try(r->paths, r->n, "'dv repro'", paths, spec->nouts, NULL);
	if (rc == 1)
		rc = dv_pathlocks_release(r->paths, r->n) == 0;
	if (rc < 0)
		dv_error_clear();
	return rc == 1;
}

int dv_runner_end_needless(dv_runner *r)
{
	int rc = 0;

	/* Records of them are to be stored, and Slurm to be at hand. */
	if (!r->writer || (!r->slurm && (!dv_executor_slurm_has_left(r->repo) ||
					 !dv_executor_slurm_is_here())))
		return 0;
	if (!r->slurm)
		rc = dv_executor_slurm(&r->slurm, r->repo, r->o->program);
	while (rc == 0) {
		dv_job_left left = { 0 };

		rc = r->slurm->ops->dismiss(r->slurm, is_to_end, r, &left);
		if (rc || !left.spec)
			break;
		dv_warn("job %s of '%s', which nothing here needs any more, %s",
			*left.number ? left.number : "(no number)", left.spec->stage,
			left.ended ? "had ended" : "was canceled");
		rc = record_left(r, &left);
	}
	return rc;
}

int dv_node_start_apart(dv_runner *r, dv_node *n)
{
	dv_job job = { .child = { .owner = (size_t)(n - r->nodes),
				  .keep_fd = dv_pathlocks_fd(r->paths) },
		       .stage = n->s, .entry = &n->entry };
	dv_job_left old = { 0 };
	inputs in = { 0 };
	int rc = check(r, n);

	if (rc || (rc = open_executor(r, n)) ||
	    (rc = n->executor->ops->adopt(n->executor, &job, &old)) < 0)
		return rc;
	n->adopted = rc == 1;
	if (old.spec && (rc = record_left(r, &old)))
		return rc;
	if (!n->adopted) {
		if ((rc = provide_inputs(r, n, &in)))
			return rc;
		job.inputs = in.p;
		job.ninputs = in.n;
		if ((rc = n->executor->ops->start(n->executor, &job)))
			return dv_err_ctx(rc, "cannot submit the stage '%s'", n->s->name);
	}
	dv_node_started(r, n);
	return dv_node_tell(r, n, n->adopted ? DV_STAGE_ADOPTED : DV_STAGE_SUBMITTED, NULL, 0,
			    NULL);
}

/* -- what it hands back ------------------------------------------------------------------------ */

/* Sees what the node stored. The memory that a file server's client has of a folder is renewed by
 * opening it. */
static int see_stored(dv_runner *r, const dv_job_made *m)
{
	dv_autofree char *log = dv_path_join(dv_store_dir(r->store), "log");
	const struct timespec pause = { 0, SEE_MS * 1000000 };

	if (!log)
		return dv_err_nomem();
	for (int i = 0; i < SEE_TIMES && m->has_run; i++) {
		DIR *d;
		int rc;

		if (dv_store_has_object(r->store, &m->run))
			return 0;
		if (i > 0)
			nanosleep(&pause, NULL);
		if ((d = opendir(log)))
			closedir(d);
		if ((rc = dv_store_refresh(r->store)))
			return rc;
	}
	return 0;
}

static int verify_record(const dv_runner *r, const dv_node *n, const dv_job_made *m, bool complete)
{
	dv_auto(dv_run_doc) d = DV_RUN_DOC_INIT;
	int rc = dv_run_doc_load(&d, r->st.reader, &m->run);
	bool right;

	if (rc)
		return rc;
	right = d.kind == DV_RUN_DOC_RUN && d.run.stage && d.run.file &&
		strcmp(d.run.stage, n->s->name) == 0 && strcmp(d.run.file, n->s->file) == 0 &&
		(d.run.state == DV_RUN_COMPLETE) == complete && d.run.nouts == n->s->nouts;
	for (size_t i = 0; complete && right && i < d.run.nouts; i++)
		right = d.outs[i].has_oid && dv_oid_eq(&d.outs[i].oid, &m->outs[i].oid);
	return right ? 0 : dv_err(DV_ECORRUPT, "the run record of the job is of another run");
}

static int verify(const dv_runner *r, const dv_node *n, const dv_job_made *m)
{
	const dv_stage *s = n->s;
	int rc;

	if (!m->has_run || m->nouts != s->nouts)
		return dv_err(DV_ECORRUPT, "the job does not say what it made");
	for (size_t i = 0; i < s->nouts; i++) {
		const dv_run_path *p = &m->outs[i];
		bool cached = false;

		if (!p->has_oid || strcmp(p->path, s->outs[i].path) != 0)
			return dv_err(DV_ECORRUPT, "the job says nothing of '%s'", s->outs[i].path);
		if ((rc = dv_sync_is_cached(r->st.reader, &p->oid, p->is_dir, &cached)))
			return rc;
		if (!cached)
			return dv_err(DV_ENOTFOUND, "what the job made of '%s' is not in the cache",
				      p->path);
	}
	return verify_record(r, n, m, true);
}

/* Checks an output out; what stands there then is what is written down. */
static int take_out(dv_runner *r, dv_node *n, size_t i, const dv_run_path *p)
{
	const dv_stage_out *o = &n->s->outs[i];
	const dv_tree_entry want = { .kind = p->is_dir ? 'd' : p->isexec ? 'x' : 'f',
				     .oid = p->oid, .size = p->size, .nfiles = p->nfiles };
	dv_content now;
	int rc;

	if ((rc = dv_contents_get(r->st.contents, o->path, &now)))
		return rc;
	if (now.kind != want.kind || !dv_oid_eq(&now.oid, &p->oid)) {
		/* One that stays from run to run was stored when the job began; it may have changed
		 * since. */
		if ((rc = dv_node_spare(r, n, o)) ||
		    (rc = dv_aside_take(&n->aside, r->repo, o->path)))
			return rc;
		dv_contents_forget(r->st.contents, o->path);
		if ((rc = dv_restore_path(r->restore, o->path, &want, r->links)) ||
		    (rc = dv_contents_get(r->st.contents, o->path, &now)))
			return rc;
	}
	if (!now.kind || !dv_oid_eq(&now.oid, &p->oid))
		return dv_err(DV_ECORRUPT, "'%s' is not what the job says it made", o->path);
	return dv_stage_entry_out(&r->st, n->s, o, &now, &n->entry.outs[n->entry.nouts++]);
}

static int take_all(dv_runner *r, dv_node *n, const dv_job_made *m)
{
	int rc = verify(r, n, m);

	if (rc == 0 && !r->restore)
		rc = dv_restore_new(&r->restore, r->repo, 0);
	n->entry.nouts = 0;
	for (size_t i = 0; rc == 0 && i < m->nouts; i++)
		rc = take_out(r, n, i, &m->outs[i]);
	dv_aside_return(&n->aside);
	return rc;
}

static int take_record(dv_runner *r, dv_node *n, const dv_job_made *m)
{
	int rc = dv_runner_records(r);

	if (rc == 0)
		rc = dv_run_take(r->records, r->st.reader, &m->run);
	n->entry.run = m->run;
	n->entry.has_run = rc == 0;
	r->unlisted |= rc == 0;
	return rc;
}

/* -- how it ended ------------------------------------------------------------------------------ */

/* What came to nothing while nobody looked is done again; else it counts as a try. */
static int lost(dv_runner *r, dv_node *n, dv_job_end *job, const dv_error *why)
{
	bool canceled = job->fate == DV_JOB_CANCELED;
	int code = job->child.exit_code ? job->child.exit_code : canceled ? 128 + 15 : 1;
	int rc;

	n->entry.nouts = 0;
	n->how = DV_STAGE_FAILED;
	if ((rc = dv_node_record(r, n, canceled ? DV_RUN_CANCELED : DV_RUN_FAILED, code,
				 &job->child.log, NULL, NULL)))
		return rc;
	if (n->adopted && !r->stopping) {
		if ((rc = dv_node_tell(r, n, DV_STAGE_RETRIED, NULL, code, why)))
			return rc;
		return dv_node_start_apart(r, n) ? dv_node_fail(r, n, 0) : 0;
	}
	if (canceled && !r->cancelled) {
		dv_error_put(why);
		return dv_node_fail(r, n, code);
	}
	return dv_node_failed(r, n, code, why);
}

static int ended(dv_runner *r, dv_node *n, dv_job_end *job)
{
	dv_error why = job->child.error;
	int rc;

	if (!job->child.exit_code && !why.code) {
		rc = take_all(r, n, &job->made);
		if (rc == DV_ECANCELLED) {
			/* What was computed is not thrown away. */
			dv_runner_look_for_cancel(r);
			rc = take_all(r, n, &job->made);
		}
		if (rc == 0) {
			if ((rc = take_record(r, n, &job->made)))
				return rc;
			dv_runner_pend(r, n);
			return dv_node_finish(r, n, DV_STAGE_RAN, NULL);
		}
		dv_error_take(&why);
		return lost(r, n, job, &why);
	}
	if (verify_record(r, n, &job->made, false)) {
		dv_error_take(&why);
		return lost(r, n, job, &why);
	}
	n->how = DV_STAGE_FAILED;
	n->entry.nouts = 0;
	if ((rc = take_record(r, n, &job->made)))
		return rc;
	return dv_node_failed(r, n, job->child.exit_code, why.code ? &why : NULL);
}

int dv_node_end_apart(dv_runner *r, dv_node *n, dv_job_end *job)
{
	dv_error why = job->child.error;
	int rc = see_stored(r, &job->made);

	if (rc)
		return rc;
	if (job->fate == DV_JOB_CANCELED) {
		dv_err(DV_ERROR, "the job of the stage '%s' was canceled", n->s->name);
		dv_error_take(&why);
	}
	return job->fate == DV_JOB_ENDED ? ended(r, n, job) : lost(r, n, job, &why);
}
