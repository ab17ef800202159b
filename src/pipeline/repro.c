/* SPDX-License-Identifier: Apache-2.0 */
/* dv_repro: from targets to a plan, and to what becomes of it. */

#include "base/alloc.h"
#include "pipeline/run.h"
#include "repo/record.h"
#include "repo/sync.h"

static dv_plan_targets targets_of(const dv_repro_options *o, const char *const *targets, size_t n)
{
	dv_plan_targets t = { .names = targets, .n = n, .all = o->all_pipelines,
			      .recursive = o->recursive, .glob = o->glob,
			      .reach = DV_REACH_UP };

	/* As in DVC, what asks for more wins. */
	if (o->all_pipelines)
		t.n = 0;
	else if (o->pipeline)
		t.reach = DV_REACH_ALL_AROUND;
	else if (o->downstream)
		t.reach = DV_REACH_DOWN;
	else if (o->single)
		t.reach = DV_REACH_ONLY;
	return t;
}

/* -- what the remote has ----------------------------------------------------------------------- */

typedef struct wanted {
	char **paths;		/* absolute */
	size_t n, cap;
} wanted;
static void wanted_release(wanted *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->paths[i]);
	free(w->paths);
}

/* Notes the output that holds the path when the store lacks a part of it. */
static int want(dv_runner *r, wanted *w, const char *path)
{
	const dv_output *o = dv_output_list_holding(&r->plan.outputs, path, NULL);
	bool cached = true;
	int rc = o ? dv_sync_is_cached(r->st.reader, &o->pointer.oid, o->pointer.is_dir, &cached)
		   : 0;

	if (rc || cached || (rc = dv_grow(&w->paths, &w->cap, w->n + 1, sizeof(*w->paths))))
		return rc;
	if (!(w->paths[w->n] = dv_repo_abs(r->repo, o->path)))
		return DV_ERROR;
	w->n++;
	return 0;
}

static int pull(dv_runner *r)
{
	__attribute__((cleanup(wanted_release))) wanted w = { 0 };
	int rc = dv_states_open(&r->st, r->repo, 0);

	for (size_t i = 0; rc == 0 && i < r->plan.n; i++) {
		const dv_stage *s = &r->plan.p.stages[r->plan.order[i]];

		for (size_t k = 0; rc == 0 && k < s->ndeps; k++)
			rc = s->deps[k].outside ? 0 : want(r, &w, s->deps[k].path);
		for (size_t k = 0; rc == 0 && k < s->nouts; k++)
			rc = want(r, &w, s->outs[k].path);
	}
	dv_states_release(&r->st);
	r->st = (dv_states){ .allow_missing = r->o->allow_missing };
	if (rc || w.n == 0)
		return rc ? rc : dv_sync_bring_runs(r->repo);
	rc = dv_fetch(r->repo, (const char *const *)w.paths, w.n, NULL, NULL);
	if (rc == DV_ENOTFOUND || rc == DV_EPARTIAL) {
		/* What is not there is made. */
		dv_warn("%s", dv_error_last()->message);
		dv_error_clear();
		rc = 0;
	}
	return rc;
}

/* -- plans ------------------------------------------------------------------------------------- */

static int tell_plan(dv_runner *r)
{
	dv_autofree dv_plan_verdict *v = NULL;
	int rc = dv_states_open(&r->st, r->repo, 0);

	r->st.looks_on = true;
	if (rc == 0)
		rc = dv_plan_look(&r->plan, &r->st, DV_PLAN_UPSTREAM |
				  (r->o->force ? DV_PLAN_FORCE : 0), &v);
	for (size_t i = 0; rc == 0 && i < r->plan.n; i++) {
		dv_stage_event e;

		if ((rc = dv_plan_event(&r->plan, &r->st, r->plan.order[i], &e)))
			break;
		e.state = v[i].runs ? DV_STAGE_STALE : DV_STAGE_UNCHANGED;
		e.reasons = v[i].check.reasons;
		e.nreasons = v[i].check.n;
		*(v[i].runs ? &r->sum->ran : &r->sum->unchanged) += 1;
		rc = r->cb ? r->cb(&e, r->payload) : 0;
	}
	return rc ? rc : dv_states_unread(&r->st);
}

static int check_options(const dv_repro_options *o, size_t n)
{
	if (o->recursive && o->glob)
		return dv_err(DV_EUSAGE, "targets are folders or patterns, not both");
	if (o->single && !n && !o->all_pipelines && !o->pipeline)
		return dv_err(DV_EUSAGE, "which stages are meant to run alone");
	if (o->executor && !dv_executor_known(o->executor))
		return dv_err_hint(dv_err(DV_EUSAGE, "there is no executor '%s'", o->executor),
				   "say 'local' or 'slurm'");
	if (o->jobs < 0)
		return dv_err(DV_EUSAGE, "the number of jobs cannot be negative");
	return 0;
}

static int jobs_of(const dv_repro_options *o)
{
	int jobs = o->jobs ? o->jobs : dv_cpu_count();

	/* Questions come one at a time. */
	return o->ask ? 1 : jobs > DV_CHILDREN_MAX ? DV_CHILDREN_MAX : jobs;
}

int dv_repro(dv_repo *repo, const char *const *targets, size_t n, const dv_repro_options *o,
	     dv_stage_event_cb cb, void *payload, dv_repro_summary *out)
{
	o = DV_OR_ZERO(o);
	out = DV_OR_ZERO(out);
	__attribute__((cleanup(dv_runner_release))) dv_runner r = {
		.repo = repo, .o = o, .cb = cb, .payload = payload, .sum = out,
		.talk = PTHREAD_MUTEX_INITIALIZER, .jobs = jobs_of(o),
		.stage_git = dv_repo_autostage(repo, o->no_stage),
	};
	const dv_plan_targets t = targets_of(o, targets, n);
	int rc = check_options(o, n);

	*out = (dv_repro_summary){ 0 };
	if (rc)
		return rc;
	if (!o->dry && ((rc = dv_scratch_open(&repo->scratch, repo->dvdir)) ||
			(rc = dv_lockwriter_new(&r.lock, repo))))
		return rc;
	r.st.allow_missing = o->allow_missing;
	if ((rc = dv_plan_open(&r.plan, repo)) || (rc = dv_plan_choose(&r.plan, &t)))
		return rc;
	out->stages = r.plan.n;
	if (o->pull && !o->dry && (rc = pull(&r)))
		return rc;
	return o->dry ? tell_plan(&r) : dv_runner_run(&r);
}
