/* SPDX-License-Identifier: Apache-2.0 */
/* Plans: which stages, in which order, and why. */
#include "pipeline/plan.h"

#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "git/wildmatch.h"
#include "repo/changes.h"

void dv_plan_release(dv_plan *x)
{
	for (size_t i = 0; x->locks && i < x->p.nfiles; i++) {
		dv_lockfile_release(&x->locks[i].l);
		free(x->locks[i].path);
	}
	free(x->locks);
	free(x->file_of);
	free(x->chosen);
	free(x->order);
	dv_lockjournal_release(&x->journal);
	dv_graph_release(&x->g);
	dv_pipeline_release(&x->p);
	dv_output_list_release(&x->outputs);
}

int dv_plan_open(dv_plan *x, dv_repo *r)
{
	int rc;

	x->repo = r;
	/* Before the lock files: what leaves a journal is in them by then. */
	if ((rc = dv_lockjournal_read(&x->journal, r)) ||
	    (rc = dv_pipeline_load(&x->p, r, &x->outputs)) ||
	    (rc = dv_graph_build(&x->g, &x->p, &x->outputs)))
		return rc;
	x->locks = dv_calloc(x->p.nfiles + 1, sizeof(*x->locks));
	x->file_of = dv_calloc(x->p.n + 1, sizeof(*x->file_of));
	x->chosen = dv_calloc(x->p.n + 1, sizeof(*x->chosen));
	if (!x->locks || !x->file_of || !x->chosen)
		return DV_ERROR;
	for (size_t i = 0; i < x->p.nfiles; i++)
		for (size_t k = 0; k < x->p.files[i].n; k++)
			x->file_of[x->p.files[i].first + k] = i;
	return 0;
}

int dv_plan_locked(dv_plan *x, size_t stage, dv_locked_stage **out)
{
	const dv_pipeline_file *f = &x->p.files[x->file_of[stage]];
	dv_plan_lock *l = &x->locks[x->file_of[stage]];

	*out = NULL;
	if (!l->path) {
		dv_autofree char *rel = *f->dir ? dv_path_join(f->dir, DV_LOCKFILE)
						: dv_strdup(DV_LOCKFILE);
		dv_autofree char *abs = rel ? dv_repo_abs(x->repo, rel) : NULL;
		int rc = abs ? dv_lockfile_read(&l->l, abs, f->dir, rel) : DV_ERROR;

		if (rc == 0)
			rc = dv_lockjournal_apply(&x->journal, &l->l, rel, f->dir);
		if (rc)
			return rc;
		l->path = dv_steal(&rel);
	}
	*out = dv_lockfile_find(&l->l, x->p.stages[stage].name);
	return 0;
}

/* -- targets ---------------------------------------------------------------------------------- */

/* Stages of the pipeline files in a folder and below. */
static int choose_folder(dv_plan *x, const char *target)
{
	dv_autofree char *rel = NULL;
	bool any = false;
	int rc = dv_repo_rel(x->repo, target, &rel);

	for (size_t i = 0; rc == 0 && i < x->p.n; i++)
		if (!*rel || dv_path_below(x->p.stages[i].dir, rel, NULL))
			x->chosen[i] = any = true;
	if (rc == 0 && !any)
		rc = dv_err(DV_ENOTFOUND, "there is no pipeline file in '%s'", target);
	return rc;
}

static int choose_pattern(dv_plan *x, const char *pattern)
{
	dv_autofree char *here = NULL;
	bool any = false;
	int rc = dv_repo_rel(x->repo, ".", &here);

	for (size_t i = 0; rc == 0 && i < x->p.n; i++)
		if (!strcmp(x->p.stages[i].dir, here) &&
		    dv_wildmatch(pattern, x->p.stages[i].name))
			x->chosen[i] = any = true;
	if (rc == 0 && !any)
		rc = dv_err_hint(dv_err(DV_ENOTFOUND, "no stage here has a name like '%s'",
					pattern),
				 "'dv stage list' shows their names");
	return rc;
}

/* A target may be what a stage makes. */
static int choose_output(dv_plan *x, const char *target, bool *found)
{
	dv_autofree char *rel = NULL;

	*found = false;
	if (dv_repo_rel(x->repo, target, &rel)) {
		dv_error_clear();
		return 0;
	}
	for (size_t i = 0; i < x->p.n; i++)
		for (size_t k = 0; k < x->p.stages[i].nouts; k++)
			if (!strcmp(x->p.stages[i].outs[k].path, rel))
				x->chosen[i] = *found = true;
	return 0;
}

static int choose_target(dv_plan *x, const char *target)
{
	dv_error kept;
	bool found;
	int rc = dv_stage_select(x->repo, &x->p, &target, 1, false, x->chosen);

	if (rc != DV_ENOTFOUND)
		return rc;
	dv_error_take(&kept);
	rc = choose_output(x, target, &found);
	return rc || found ? rc : dv_error_put(&kept);
}

int dv_plan_choose(dv_plan *x, const dv_plan_targets *t)
{
	int rc = 0;

	memset(x->chosen, 0, x->p.n * sizeof(*x->chosen));
	for (size_t i = 0; rc == 0 && i < t->n; i++)
		rc = t->recursive ? choose_folder(x, t->names[i]) :
		     t->glob ? choose_pattern(x, t->names[i]) : choose_target(x, t->names[i]);
	if (rc == 0 && t->n == 0)
		rc = dv_stage_select(x->repo, &x->p, NULL, 0, t->all, x->chosen);
	if (rc)
		return rc;
	free(dv_steal(&x->order));
	return dv_graph_order(&x->g, x->chosen, t->reach, &x->order, &x->n);
}

/* -- what is recorded elsewhere --------------------------------------------------------------- */

int dv_plan_source(dv_plan *x, size_t stage, const char *path, const char **root, dv_tree_entry *e)
{
	const dv_edges *edges = &x->g.producers;
	const dv_output *o = dv_output_list_holding(&x->outputs, path, NULL);

	/* What a stage made a moment ago is in its entry alone. */
	*root = o ? o->path : NULL;
	if (o)
		*e = dv_pointer_entry(&o->pointer);
	if (o && !o->stage)
		return 0;
	for (size_t k = edges->at[stage]; k < edges->at[stage + 1]; k++) {
		const dv_stage *s = &x->p.stages[edges->to[k]];
		dv_locked_stage *l;
		int rc = dv_plan_locked(x, edges->to[k], &l);

		for (size_t i = 0; rc == 0 && l && i < s->nouts; i++) {
			const dv_locked_path *p = dv_locked_out(l, s->outs[i].written);

			if (p && dv_path_below(path, s->outs[i].path, NULL)) {
				*root = s->outs[i].path;
				*e = dv_locked_path_entry(p);
				return 0;
			}
		}
		if (rc)
			return rc;
	}
	return 0;
}

int dv_plan_look_at(dv_plan *x, dv_states *st, size_t stage, dv_stage_check *out)
{
	const dv_stage *s = &x->p.stages[stage];
	dv_locked_stage *locked;
	int rc = dv_plan_locked(x, stage, &locked);

	if (rc || (rc = dv_stage_look(st, s, locked, out)) || !st->allow_missing || s->frozen)
		return rc;
	for (size_t i = 0; rc == 0 && i < s->ndeps; i++) {
		const dv_locked_path *was = dv_locked_dep(locked, s->deps[i].written);
		const char *root;
		dv_content now;
		dv_tree_entry e;

		if (!was || (rc = dv_contents_get(st->contents, s->deps[i].path, &now)) ||
		    now.kind || (rc = dv_plan_source(x, stage, s->deps[i].path, &root, &e)) ||
		    !root || strcmp(root, s->deps[i].path) != 0 || dv_oid_eq(&e.oid, &was->oid))
			continue;
		rc = dv_stage_check_add(st, out, DV_WHY_DEP, DV_MODIFIED, s->deps[i].written,
					NULL);
		out->outs_only = false;
	}
	return rc;
}

/* -- verdicts --------------------------------------------------------------------------------- */

static int look_upstream(dv_plan *x, dv_states *st, size_t stage, const bool *runs,
			 dv_plan_verdict *v)
{
	const dv_edges *e = &x->g.producers;
	int rc = 0;

	for (size_t k = e->at[stage]; rc == 0 && k < e->at[stage + 1]; k++) {
		const char *name;

		if (!runs[e->to[k]])
			continue;
		v->runs = true;
		name = dv_stage_address(&x->p, &x->p.stages[e->to[k]]);
		rc = name ? dv_stage_check_add(st, &v->check, DV_WHY_UPSTREAM, DV_MODIFIED, name,
					       NULL) : DV_ERROR;
	}
	return rc;
}

int dv_plan_look(dv_plan *x, dv_states *st, unsigned flags, dv_plan_verdict **verdicts)
{
	dv_autofree dv_plan_verdict *v = dv_calloc(x->n + 1, sizeof(*v));
	dv_autofree const dv_stage **stages = dv_calloc(x->n + 1, sizeof(*stages));
	dv_autofree bool *runs = dv_calloc(x->p.n + 1, sizeof(*runs));
	int rc = v && stages && runs ? 0 : DV_ERROR;

	for (size_t i = 0; rc == 0 && i < x->n; i++)
		stages[i] = &x->p.stages[x->order[i]];
	if (rc == 0)
		rc = dv_states_learn(st, stages, x->n);
	for (size_t i = 0; rc == 0 && i < x->n; i++) {
		size_t stage = x->order[i];

		if ((rc = dv_plan_look_at(x, st, stage, &v[i].check)))
			break;
		if (flags & DV_PLAN_FORCE && v[i].check.n == 0)
			rc = dv_stage_check_add(st, &v[i].check, DV_WHY_FORCED, DV_MODIFIED, NULL,
						NULL);
		v[i].runs = v[i].check.n > 0;
		if (rc == 0 && flags & DV_PLAN_UPSTREAM && !stages[i]->frozen)
			rc = look_upstream(x, st, stage, runs, &v[i]);
		runs[stage] = v[i].runs;
	}
	if (rc == 0)
		*verdicts = dv_steal(&v);
	return rc;
}

int dv_plan_event(dv_plan *x, dv_states *st, size_t stage, dv_stage_event *out)
{
	const dv_stage *s = &x->p.stages[stage];
	size_t n = s->cmd->kind == DV_VALUE_LIST ? s->cmd->n : 1;
	const char **texts = dv_arena_alloc(&st->arena, (n + 1) * sizeof(*texts));

	if (!texts)
		return DV_ERROR;
	for (size_t i = 0; i < n; i++)
		texts[i] = s->cmd->kind == DV_VALUE_LIST ? s->cmd->items[i]->s : s->cmd->s;
	*out = (dv_stage_event){ .name = dv_stage_address(&x->p, s), .cmd = texts, .ncmd = n,
				 .frozen = s->frozen, .error = "", .hint = "" };
	return out->name ? 0 : DV_ERROR;
}
