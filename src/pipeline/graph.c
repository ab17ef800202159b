/* SPDX-License-Identifier: Apache-2.0 */
/* The graph of stages: who makes what, in which order they run. */
#include "pipeline/graph.h"

#include <string.h>

#include "base/alloc.h"
#include "base/path.h"

/* -- who makes a path -------------------------------------------------------------------------- */

/* One output of a stage; sorted with '/' before all other bytes, so that what is in a folder
 * follows it at once. */
typedef struct made {
	const char *path;
	const dv_stage_out *out;
	size_t stage;
} made;

static int compare_paths(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	unsigned x = *a == '/' ? 1 : *a ? (unsigned char)*a + 1u : 0;
	unsigned y = *b == '/' ? 1 : *b ? (unsigned char)*b + 1u : 0;

	return (x > y) - (x < y);
}

static int compare_made(const void *a, const void *b)
{
	return compare_paths(((const made *)a)->path, ((const made *)b)->path);
}

typedef struct index {
	made *m;
	size_t n;
} index_t;
static void index_release(index_t *x)
{
	free(x->m);
}

/* The first output that is not before `path`. */
static size_t lower_bound(const index_t *x, const char *path)
{
	size_t low = 0, high = x->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (compare_paths(x->m[mid].path, path) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int fail_twice(const made *a, const made *b, const dv_pipeline *p)
{
	const char *first = p->stages[a->stage].name, *second = p->stages[b->stage].name;
	int rc;

	if (strcmp(a->path, b->path) == 0)
		rc = dv_err_at(DV_ERROR, &b->out->at, "the stages '%s' and '%s' both make '%s'",
			       first, second, a->path);
	else
		rc = dv_err_at(DV_ERROR, &b->out->at, "'%s' of the stage '%s' lies in '%s' of '%s'",
			       b->path, second, a->path, first);
	return dv_err_hint(rc, "every path is made by one stage");
}

static int index_build(index_t *x, const dv_pipeline *p, const dv_output_list *pointers)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		n += p->stages[i].nouts;
	x->m = dv_reallocarray(NULL, n + 1, sizeof(*x->m));
	if (!x->m)
		return DV_ERROR;
	for (size_t i = 0; i < p->n; i++)
		for (size_t k = 0; k < p->stages[i].nouts; k++) {
			const dv_stage_out *o = &p->stages[i].outs[k];

			x->m[x->n++] = (made){ o->path, o, i };
		}
	qsort(x->m, x->n, sizeof(*x->m), compare_made);
	for (size_t i = 1; i < x->n; i++)
		if (dv_path_below(x->m[i].path, x->m[i - 1].path, NULL))
			return fail_twice(&x->m[i - 1], &x->m[i], p);
	for (size_t i = 0; pointers && i < x->n; i++) {
		const dv_output *o = dv_output_list_holding(pointers, x->m[i].path, NULL);

		if (o && !o->stage)
			return dv_err_hint(dv_err_at(DV_ERROR, &x->m[i].out->at, "'%s' is tracked "
						     "by '%s' already", x->m[i].path,
						     o->pointer_path),
					   "run 'dv remove %s', or do not make it in a stage",
					   o->pointer_path);
	}
	return 0;
}

/* -- edges ------------------------------------------------------------------------------------- */

typedef struct builder {
	const dv_pipeline *p;
	index_t x;
	size_t *from, *to;	/* edges in the order they were found, by stage */
	size_t n, from_cap, to_cap;
} builder;
static void builder_release(builder *b)
{
	index_release(&b->x);
	free(b->from);
	free(b->to);
}

static int add_edge(builder *b, size_t from, size_t to)
{
	if (from == to)
		return 0;
	/* Several outputs of one stage make one edge. */
	for (size_t i = b->n; i > 0 && b->from[i - 1] == from; i--)
		if (b->to[i - 1] == to)
			return 0;
	int rc = dv_grow(&b->from, &b->from_cap, b->n + 1, sizeof(*b->from));

	if (rc == 0)
		rc = dv_grow(&b->to, &b->to_cap, b->n + 1, sizeof(*b->to));
	if (rc)
		return rc;
	b->from[b->n] = from;
	b->to[b->n++] = to;
	return 0;
}

/* Edges to whoever makes `path`, a folder around it, or something in it. */
static int add_producers(builder *b, size_t stage, const char *path)
{
	size_t at = lower_bound(&b->x, path);

	for (size_t i = at; i < b->x.n && dv_path_below(b->x.m[i].path, path, NULL); i++) {
		int rc = add_edge(b, stage, b->x.m[i].stage);

		if (rc)
			return rc;
	}
	/* Outputs do not nest: the only one that can hold the path stands right before it. */
	if (at > 0 && dv_path_below(path, b->x.m[at - 1].path, NULL))
		return add_edge(b, stage, b->x.m[at - 1].stage);
	return 0;
}

static int find_edges(builder *b)
{
	for (size_t i = 0; i < b->p->n; i++) {
		const dv_stage *s = &b->p->stages[i];
		int rc = 0;

		for (size_t k = 0; rc == 0 && k < s->ndeps; k++)
			rc = s->deps[k].outside ? 0 : add_producers(b, i, s->deps[k].path);
		for (size_t k = 0; rc == 0 && k < s->nparams; k++)
			rc = add_producers(b, i, s->params[k].path);
		if (rc)
			return rc;
	}
	return 0;
}

/* Sorts edges into lists by their node; the order within a list is that of the edges. */
static int gather(dv_edges *out, size_t nodes, const size_t *node, const size_t *other, size_t n)
{
	out->at = dv_calloc(nodes + 2, sizeof(*out->at));
	out->to = dv_calloc(n + 1, sizeof(*out->to));
	if (!out->at || !out->to)
		return DV_ERROR;
	for (size_t i = 0; i < n; i++)
		out->at[node[i] + 2]++;
	for (size_t i = 2; i < nodes + 2; i++)
		out->at[i] += out->at[i - 1];
	for (size_t i = 0; i < n; i++)
		out->to[out->at[node[i] + 1]++] = other[i];
	return 0;
}

/* -- circles ----------------------------------------------------------------------------------- */

enum color { WHITE, GREY, BLACK };

/* A walk along producers that needs no recursion. */
typedef struct walk {
	const dv_graph *g;
	unsigned char *color;
	size_t *stack, *next;	/* nodes on the way, and the next edge of each */
	size_t depth;
} walk;
static void walk_release(walk *w)
{
	free(w->color);
	free(w->stack);
	free(w->next);
}

static int walk_init(walk *w, const dv_graph *g)
{
	*w = (walk){ .g = g, .color = dv_calloc(g->n + 1, 1),
		     .stack = dv_calloc(g->n + 1, sizeof(size_t)),
		     .next = dv_calloc(g->n + 1, sizeof(size_t)) };
	return w->color && w->stack && w->next ? 0 : DV_ERROR;
}

static int fail_circle(const walk *w, size_t node)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	size_t from = w->depth;

	while (from > 0 && w->stack[from - 1] != node)
		from--;
	for (size_t i = from ? from - 1 : 0; i < w->depth; i++)
		dv_buf_addf(&b, "'%s' needs ", w->g->p->stages[w->stack[i]].name);
	dv_buf_addf(&b, "'%s'", w->g->p->stages[node].name);
	return dv_err_hint(dv_err_at(DV_ERROR, &w->g->p->stages[node].at,
				     "stages form a circle: %s", dv_buf_str(&b)),
			   "take one of these dependencies away");
}

/* Visits what `start` needs and then itself, each once, as far as `may` (NULL: everywhere) says;
 * appends to order (may be NULL). */
static int visit(walk *w, size_t start, const bool *may, size_t *order, size_t *n)
{
	const dv_graph *g = w->g;

	if (w->color[start] != WHITE)
		return 0;
	w->depth = 0;
	w->stack[w->depth++] = start;
	w->next[start] = g->producers.at[start];
	w->color[start] = GREY;
	while (w->depth) {
		size_t node = w->stack[w->depth - 1];
		bool cut = order && g->p->stages[node].frozen;

		if (!cut && w->next[node] < g->producers.at[node + 1]) {
			size_t to = g->producers.to[w->next[node]++];

			if (w->color[to] == GREY)
				return fail_circle(w, to);
			if (w->color[to] == WHITE && (!may || may[to])) {
				w->color[to] = GREY;
				w->next[to] = g->producers.at[to];
				w->stack[w->depth++] = to;
			}
			continue;
		}
		w->color[node] = BLACK;
		w->depth--;
		if (order)
			order[(*n)++] = node;
	}
	return 0;
}

void dv_graph_release(dv_graph *g)
{
	free(g->producers.at);
	free(g->producers.to);
	free(g->consumers.at);
	free(g->consumers.to);
	*g = (dv_graph)DV_GRAPH_INIT;
}

int dv_graph_build(dv_graph *out, const dv_pipeline *p, const dv_output_list *pointers)
{
	__attribute__((cleanup(builder_release))) builder b = { .p = p };
	__attribute__((cleanup(walk_release))) walk w = { 0 };
	dv_auto(dv_graph) g = { .p = p, .n = p->n };
	int rc = index_build(&b.x, p, pointers);

	*out = (dv_graph)DV_GRAPH_INIT;
	if (rc || (rc = find_edges(&b)) || (rc = gather(&g.producers, p->n, b.from, b.to, b.n)) ||
	    (rc = gather(&g.consumers, p->n, b.to, b.from, b.n)) || (rc = walk_init(&w, &g)))
		return rc;
	for (size_t i = 0; rc == 0 && i < g.n; i++)
		rc = visit(&w, i, NULL, NULL, NULL);
	if (rc)
		return rc;
	*out = g;
	g = (dv_graph)DV_GRAPH_INIT;
	return 0;
}

/* -- order ------------------------------------------------------------------------------------- */

/* Marks what is connected with the marked nodes: by consumers, and with `both` by producers too. */
static int spread(const dv_graph *g, bool *mark, bool both)
{
	dv_autofree size_t *todo = dv_calloc(g->n + 1, sizeof(*todo));
	size_t n = 0;

	if (!todo)
		return DV_ERROR;
	for (size_t i = 0; i < g->n; i++)
		if (mark[i])
			todo[n++] = i;
	while (n) {
		size_t node = todo[--n];

		for (int side = 0; side <= both; side++) {
			const dv_edges *e = side ? &g->producers : &g->consumers;

			for (size_t k = e->at[node]; k < e->at[node + 1]; k++) {
				size_t to = e->to[k];

				/* A frozen stage does not follow what it depends on. */
				if (mark[to] || (!both && g->p->stages[to].frozen))
					continue;
				mark[to] = true;
				todo[n++] = to;
			}
		}
	}
	return 0;
}

int dv_graph_order(const dv_graph *g, const bool *chosen, enum dv_graph_reach reach, size_t **order,
		   size_t *n)
{
	__attribute__((cleanup(walk_release))) walk w = { 0 };
	dv_autofree bool *start = dv_calloc(g->n + 1, sizeof(*start));
	dv_autofree size_t *out = dv_calloc(g->n + 1, sizeof(*out));
	bool inside = reach == DV_REACH_ONLY || reach == DV_REACH_DOWN;
	int rc = start && out ? walk_init(&w, g) : DV_ERROR;

	*order = NULL;
	*n = 0;
	if (rc)
		return rc;
	memcpy(start, chosen, g->n * sizeof(*start));
	if (reach == DV_REACH_DOWN || reach == DV_REACH_ALL_AROUND)
		rc = spread(g, start, reach == DV_REACH_ALL_AROUND);
	for (size_t i = 0; rc == 0 && i < g->n; i++)
		if (start[i])
			rc = visit(&w, i, inside ? start : NULL, out, n);
	if (rc == 0)
		*order = dv_steal(&out);
	return rc;
}
