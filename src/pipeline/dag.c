/* SPDX-License-Identifier: Apache-2.0 */
/* dv_dag: the graph of stages and of the outputs that they start from, for drawing. */
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "pipeline/graph.h"

#define NOWHERE SIZE_MAX

/* The graph while it is told: stages and sources get numbers in the order of telling. */
typedef struct drawing {
	dv_pipeline *p;
	const dv_graph *g;
	const dv_output_list *outputs;
	size_t *of_stage, *of_output;	/* number, or NOWHERE */
	size_t n;
	size_t *needs;			/* of the node that is being told */
	size_t nneeds, needs_cap;
	dv_dag_cb cb;
	void *payload;
} drawing;
static void drawing_release(drawing *d)
{
	free(d->of_stage);
	free(d->of_output);
	free(d->needs);
}

static int need(drawing *d, size_t number)
{
	for (size_t i = 0; i < d->nneeds; i++)
		if (d->needs[i] == number)
			return 0;
	int rc = dv_grow(&d->needs, &d->needs_cap, d->nneeds + 1, sizeof(*d->needs));

	if (rc == 0)
		d->needs[d->nneeds++] = number;
	return rc;
}

static int tell_output(drawing *d, size_t i)
{
	const dv_output *o = &d->outputs->o[i];
	const char *const outs[] = { o->path };
	const dv_dag_node node = { .name = o->pointer_path, .outs = outs, .nouts = 1 };

	d->of_output[i] = d->n++;
	return d->cb(&node, d->payload);
}

/* The tracked outputs that hold the path or lie in it come first. */
static int tell_sources(drawing *d, const char *path, bool tell)
{
	const dv_output_list *l = d->outputs;

	for (size_t i = 0; i < l->n; i++) {
		int rc = 0;

		/* What stages make stands in the graph with them. */
		if (l->o[i].stage || (!dv_path_below(path, l->o[i].path, NULL) &&
				      !dv_path_below(l->o[i].path, path, NULL)))
			continue;
		if (tell && d->of_output[i] == NOWHERE)
			rc = tell_output(d, i);
		else if (!tell)
			rc = need(d, d->of_output[i]);
		if (rc)
			return rc;
	}
	return 0;
}

static int tell_stage(drawing *d, size_t i)
{
	const dv_stage *s = &d->p->stages[i];
	const dv_edges *e = &d->g->producers;
	const char **outs = dv_arena_alloc(&d->p->arena, (s->nouts + 1) * sizeof(*outs));
	int rc = outs ? 0 : DV_ERROR;

	for (int tell = 1; tell >= 0; tell--) {
		for (size_t k = 0; rc == 0 && k < s->ndeps; k++)
			rc = tell_sources(d, s->deps[k].path, tell);
		d->nneeds = tell ? 0 : d->nneeds;
	}
	for (size_t k = e->at[i]; rc == 0 && k < e->at[i + 1]; k++)
		if (d->of_stage[e->to[k]] != NOWHERE)
			rc = need(d, d->of_stage[e->to[k]]);
	if (rc)
		return rc;
	for (size_t k = 0; k < s->nouts; k++)
		outs[k] = s->outs[k].path;
	const dv_dag_node node = { .name = dv_stage_address(d->p, s), .is_stage = true,
				   .needs = d->needs, .nneeds = d->nneeds,
				   .outs = outs, .nouts = s->nouts };
	if (!node.name)
		return DV_ERROR;
	d->of_stage[i] = d->n++;
	return d->cb(&node, d->payload);
}

static int draw(drawing *d, const size_t *order, size_t n)
{
	d->of_stage = dv_reallocarray(NULL, d->p->n + 1, sizeof(size_t));
	d->of_output = dv_reallocarray(NULL, d->outputs->n + 1, sizeof(size_t));
	if (!d->of_stage || !d->of_output)
		return DV_ERROR;
	for (size_t i = 0; i < d->p->n; i++)
		d->of_stage[i] = NOWHERE;
	for (size_t i = 0; i < d->outputs->n; i++)
		d->of_output[i] = NOWHERE;
	for (size_t i = 0; i < n; i++) {
		int rc = tell_stage(d, order[i]);

		if (rc)
			return rc;
		d->nneeds = 0;
	}
	return 0;
}

int dv_dag(dv_repo *r, const char *const *targets, size_t n, bool connected, dv_dag_cb cb,
	   void *payload)
{
	dv_auto(dv_output_list) outputs = DV_OUTPUT_LIST_INIT;
	dv_auto(dv_pipeline) p = DV_PIPELINE_INIT;
	dv_auto(dv_graph) g = DV_GRAPH_INIT;
	__attribute__((cleanup(drawing_release))) drawing d = {
		.p = &p, .g = &g, .outputs = &outputs, .cb = cb, .payload = payload,
	};
	dv_autofree size_t *order = NULL;
	size_t norder = 0;
	int rc = dv_pipeline_load(&p, r, &outputs);
	dv_autofree bool *chosen = rc ? NULL : dv_calloc(p.n + 1, sizeof(*chosen));

	if (!chosen)
		return rc ? rc : DV_ERROR;
	if ((rc = dv_graph_build(&g, &p, &outputs)) ||
	    (rc = dv_stage_select(r, &p, targets, n, true, chosen)) ||
	    (rc = dv_graph_order(&g, chosen, connected ? DV_REACH_ALL_AROUND : DV_REACH_UP, &order,
				 &norder)))
		return rc;
	return draw(&d, order, norder);
}
