/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv_stage_causes: the stages at and above a path that are stale by themselves. What is only the
 * consequence of a stage further up is no cause. Nothing is written; one look at every stage.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/progress.h"
#include "pipeline/plan.h"

#define NOWHERE SIZE_MAX
#define HOPS_HALF ((size_t)DV_STAGE_HOPS_MAX / 2)

typedef struct causes {
	dv_plan *x;
	dv_states *st;
	const char *path;		/* of the target, relative to the root; NULL */
	dv_plan_verdict *verdicts;	/* in the plan's order */
	size_t *at;			/* of a stage in that order */
	size_t *next;			/* stage that needs it, nearest to the target */
	size_t *depth;			/* stages from it to the target; NOWHERE: not reached */
	dv_stage_hop hops[DV_STAGE_HOPS_MAX];
	dv_stage_cause_cb cb;
	void *payload;
} causes;
static void causes_release(causes *c)
{
	free(c->verdicts);
	free(c->at);
	free(c->next);
	free(c->depth);
}

static bool touch(const char *a, const char *b)
{
	return dv_path_below(a, b, NULL) || dv_path_below(b, a, NULL);
}

/* The output of `s` that holds the path or lies in it. */
static const char *made_at(const dv_stage *s, const char *path)
{
	for (size_t i = 0; i < s->nouts; i++)
		if (touch(s->outs[i].path, path))
			return s->outs[i].path;
	return NULL;
}

static const char *handed_on(const dv_stage *s, const dv_stage *to)
{
	const char *path = NULL;

	for (size_t i = 0; !path && i < to->ndeps; i++)
		path = made_at(s, to->deps[i].path);
	return path;
}

/* The stages that make the path, else the one that has the name. */
static bool choose(causes *c, const char *name)
{
	dv_plan *x = c->x;
	bool any = false;

	for (size_t i = 0; c->path && i < x->p.n; i++)
		if (made_at(&x->p.stages[i], c->path))
			x->chosen[i] = any = true;
	c->path = any ? c->path : NULL;
	for (size_t i = 0; !any && name && i < x->p.n; i++) {
		const char *address = dv_stage_address(&x->p, &x->p.stages[i]);

		if (address && !strcmp(address, name))
			x->chosen[i] = any = true;
	}
	return any;
}

/* From the chosen stages upwards, nearest first. A frozen stage does not follow what it needs. */
static int climb(causes *c)
{
	const dv_plan *x = c->x;
	const dv_edges *e = &x->g.producers;
	dv_autofree size_t *todo = dv_calloc(x->p.n + 1, sizeof(*todo));
	size_t n = 0;

	c->at = dv_calloc(x->p.n + 1, sizeof(*c->at));
	c->next = dv_calloc(x->p.n + 1, sizeof(*c->next));
	c->depth = dv_calloc(x->p.n + 1, sizeof(*c->depth));
	if (!todo || !c->at || !c->next || !c->depth)
		return DV_ERROR;
	for (size_t i = 0; i < x->n; i++)
		c->at[x->order[i]] = i;
	for (size_t i = 0; i < x->p.n; i++) {
		c->depth[i] = x->chosen[i] ? 0 : NOWHERE;
		if (x->chosen[i])
			todo[n++] = i;
	}
	for (size_t i = 0; i < n; i++) {
		size_t s = todo[i];

		for (size_t k = e->at[s]; !x->p.stages[s].frozen && k < e->at[s + 1]; k++) {
			size_t to = e->to[k];

			if (c->depth[to] != NOWHERE)
				continue;
			c->depth[to] = c->depth[s] + 1;
			c->next[to] = s;
			todo[n++] = to;
		}
	}
	return 0;
}

/* Is the change of the path what another stage brings about: one that makes it and never ran, or
 * whose output is not as it was? */
static bool follows(const causes *c, size_t stage, const char *path)
{
	const dv_edges *e = &c->x->g.producers;

	for (size_t k = e->at[stage]; k < e->at[stage + 1]; k++) {
		const dv_stage *s = &c->x->p.stages[e->to[k]];
		const dv_stage_check *v = &c->verdicts[c->at[e->to[k]]].check;

		if (c->depth[e->to[k]] == NOWHERE)
			continue;
		for (size_t i = 0; i < s->nouts; i++)
			for (size_t j = 0; touch(s->outs[i].path, path) && j < v->n; j++)
				if (v->reasons[j].why == DV_WHY_NEW ||
				    (v->reasons[j].why == DV_WHY_OUT &&
				     !strcmp(v->reasons[j].path, s->outs[i].written)))
					return true;
	}
	return false;
}

/* Leaves the reasons that are not what a stage further up brought about. */
static size_t own_reasons(const causes *c, size_t stage, const dv_stage_check *v, dv_reason *out)
{
	const dv_stage *s = &c->x->p.stages[stage];
	size_t n = 0;

	for (size_t i = 0; i < v->n; i++) {
		const dv_reason *r = &v->reasons[i];
		bool other = false;

		for (size_t k = 0; r->why == DV_WHY_DEP && !other && k < s->ndeps; k++)
			other = !strcmp(s->deps[k].written, r->path) &&
				follows(c, stage, s->deps[k].path);
		if (!other)
			out[n++] = *r;
	}
	return n;
}

static int tell(causes *c, size_t stage)
{
	const dv_plan_verdict *v = &c->verdicts[c->at[stage]];
	dv_autofree dv_reason *own = dv_calloc(v->check.n + 1, sizeof(*own));
	size_t n = own ? own_reasons(c, stage, &v->check, own) : 0, len = c->depth[stage] + 1;
	dv_stage_cause cause = { .via = c->hops };
	int rc;

	if (n == 0)
		return own ? 0 : DV_ERROR;
	if ((rc = dv_plan_event(c->x, c->st, stage, &cause.stage)))
		return rc;
	cause.stage.state = DV_STAGE_STALE;
	cause.stage.reasons = own;
	cause.stage.nreasons = n;
	cause.left_out = len > DV_STAGE_HOPS_MAX ? len - DV_STAGE_HOPS_MAX : 0;
	for (size_t i = 0; i < len; i++, stage = c->next[stage]) {
		const dv_stage *s = &c->x->p.stages[stage];
		bool last = i + 1 == len;
		dv_stage_hop h;

		if (cause.left_out && i >= HOPS_HALF && i < HOPS_HALF + cause.left_out)
			continue;
		h.stage = dv_stage_address(&c->x->p, s);
		h.path = !last ? handed_on(s, &c->x->p.stages[c->next[stage]]) :
			 c->path ? made_at(s, c->path) : NULL;
		if (!h.stage)
			return DV_ERROR;
		/* A file in what the last one makes is what was asked for. */
		if (last && h.path && dv_path_below(c->path, h.path, NULL))
			h.path = c->path;
		c->hops[cause.nvia++] = h;
	}
	return c->cb(&cause, c->payload);
}

int dv_stage_causes(dv_repo *r, const char *path, const char *stage, dv_stage_cause_cb cb,
		    void *payload)
{
	dv_auto(dv_plan) x = DV_PLAN_INIT;
	dv_auto(dv_states) st = { 0 };
	dv_autofree char *rel = NULL;
	__attribute__((cleanup(causes_release))) causes c = { .x = &x, .st = &st, .cb = cb,
							      .payload = payload };
	int rc;

	if (path && dv_repo_rel(r, path, &rel) < 0)
		dv_error_clear();	/* it may be an oid, or lead out of the workspace */
	c.path = rel;
	if ((rc = dv_plan_open(&x, r)) || !choose(&c, stage))
		return rc;
	if ((rc = dv_graph_order(&x.g, x.chosen, DV_REACH_UP, &x.order, &x.n)) ||
	    (rc = climb(&c)))
		return rc;
	dv_progress_start("comparing", 0, 0);
	if ((rc = dv_states_open(&st, r, 0)) == 0) {
		st.looks_on = true;
		rc = dv_plan_look(&x, &st, 0, &c.verdicts);
	}
	dv_progress_end();
	for (size_t i = 0; rc == 0 && i < x.n; i++)
		if ((rc = dv_check_cancel()) == 0)
			rc = tell(&c, x.order[i]);
	return rc ? rc : dv_states_unread(&st);
}
