/* SPDX-License-Identifier: Apache-2.0 */
/* Loading and walking the graph. Closures of any size are one pass over its edges. */
#include "lineage/ancestry.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define NODES_MAX ((int64_t)1 << 30)
#define SAME_MAX 64	/* equal bytes at other paths that are looked at */

static void edges_release(dv_ends *e)
{
	free(e->start);
	free(e->to);
}

void dv_ancestry_release(dv_ancestry *g)
{
	edges_release(&g->before);
	edges_release(&g->after);
	edges_release(&g->wholes);
	edges_release(&g->parts);
	sqlite3_finalize(g->same);
	sqlite3_finalize(g->oid_of);
	*g = (dv_ancestry)DV_ANCESTRY_INIT;
}

typedef struct pair {
	uint32_t a, b;
} pair;
typedef struct pairs {
	pair *p;
	size_t n, cap;
} pairs;
static void pairs_release(pairs *p)
{
	free(p->p);
}

static int add_pair(pairs *l, uint32_t a, uint32_t b)
{
	int rc = dv_grow(&l->p, &l->cap, l->n + 1, sizeof(*l->p));

	if (rc == 0)
		l->p[l->n++] = (pair){ a, b };
	return rc;
}

/* Edges from a to b, or from b to a, by counting. */
static int make_edges(dv_ends *e, const pairs *l, size_t nodes, bool backwards)
{
	if (!(e->start = dv_calloc(nodes + 2, sizeof(uint32_t))) ||
	    !(e->to = dv_calloc(l->n + 1, sizeof(uint32_t))))
		return DV_ERROR;
	for (size_t i = 0; i < l->n; i++)
		e->start[(backwards ? l->p[i].b : l->p[i].a) + 2]++;
	for (size_t i = 2; i < nodes + 2; i++)
		e->start[i] += e->start[i - 1];
	for (size_t i = 0; i < l->n; i++) {
		uint32_t from = backwards ? l->p[i].b : l->p[i].a;

		e->to[e->start[from + 1]++] = backwards ? l->p[i].a : l->p[i].b;
	}
	return 0;
}

static int greatest(dv_index *x, const char *sql, uint32_t *out)
{
	dv_autostmt *s = NULL;
	int rc = dv_index_prepare(x, &s, sql);

	if (rc == 0)
		rc = dv_index_step(x, s);
	if (rc < 0)
		return rc;
	int64_t n = sqlite3_column_int64(s, 0);
	if (n < 0 || n > NODES_MAX)
		return dv_err(DV_ERROR, "the lineage index is damaged");
	*out = (uint32_t)n + 1;
	return 0;
}

static int damaged(void)
{
	return dv_err_hint(dv_err(DV_ERROR, "the lineage index is damaged"),
			   "run 'dv db rebuild' to make it anew");
}

static int load_events(dv_ancestry *g, pairs *l)
{
	dv_autostmt *s = NULL;
	int rc = dv_index_prepare(g->index, &s,
				  "SELECT execution_id, type, artifact_id FROM Event");

	while (rc == 0 && (rc = dv_index_step(g->index, s)) > 0) {
		int64_t e = sqlite3_column_int64(s, 0), a = sqlite3_column_int64(s, 2);
		int type = sqlite3_column_int(s, 1);
		bool in = type == DV_EVENT_INPUT || type == DV_EVENT_DECLARED_INPUT;

		if (e < 0 || e >= g->nruns || a < 0 || a >= g->nartifacts)
			return damaged();
		uint32_t run = g->nartifacts + (uint32_t)e, artifact = (uint32_t)a;
		rc = in ? add_pair(l, artifact, run) : add_pair(l, run, artifact);
	}
	return rc;
}

static int load_parts(dv_ancestry *g, pairs *l)
{
	dv_autostmt *s = NULL;
	int rc = dv_index_prepare(g->index, &s, "SELECT whole, part FROM Part");

	while (rc == 0 && (rc = dv_index_step(g->index, s)) > 0) {
		int64_t whole = sqlite3_column_int64(s, 0), part = sqlite3_column_int64(s, 1);

		if (whole < 0 || whole >= g->nartifacts || part < 0 || part >= g->nartifacts)
			return damaged();
		rc = add_pair(l, (uint32_t)whole, (uint32_t)part);
	}
	return rc;
}

int dv_ancestry_load(dv_ancestry *g, dv_index *x)
{
	__attribute__((cleanup(pairs_release))) pairs events = { 0 }, parts = { 0 };
	int rc;

	g->index = x;
	if ((rc = greatest(x, "SELECT coalesce(max(id), 0) FROM Artifact", &g->nartifacts)) < 0 ||
	    (rc = greatest(x, "SELECT coalesce(max(id), 0) FROM Execution", &g->nruns)) < 0 ||
	    (rc = load_events(g, &events)) < 0 || (rc = load_parts(g, &parts)) < 0)
		return rc;
	size_t nodes = (size_t)g->nartifacts + g->nruns;
	if ((rc = make_edges(&g->after, &events, nodes, false)) < 0 ||
	    (rc = make_edges(&g->before, &events, nodes, true)) < 0 ||
	    (rc = make_edges(&g->parts, &parts, g->nartifacts, false)) < 0)
		return rc;
	return make_edges(&g->wholes, &parts, g->nartifacts, true);
}

/* -- walking ----------------------------------------------------------------------------------- */

void dv_walk_release(dv_walk *w)
{
	free(w->visits);
	free(w->steps);
	free(w->at);
	*w = (dv_walk)DV_WALK_INIT;
}

int dv_walk_begin(dv_walk *w, const dv_ancestry *g)
{
	w->at = dv_calloc((size_t)g->nartifacts + g->nruns + 1, sizeof(uint32_t));
	return w->at ? 0 : DV_ERROR;
}

static int visit(dv_walk *w, uint32_t node, uint32_t depth, uint32_t *place)
{
	if (!w->at[node]) {
		int rc = dv_grow(&w->visits, &w->cap, w->n + 1, sizeof(*w->visits));

		if (rc < 0)
			return rc;
		w->visits[w->n++] = (dv_visit){ node, depth };
		w->at[node] = (uint32_t)w->n;
	}
	*place = w->at[node] - 1;
	return 0;
}

int dv_walk_start(dv_walk *w, uint32_t node)
{
	uint32_t place;

	return visit(w, node, 0, &place);
}

int dv_walk_target(dv_walk *w, const dv_ancestry *g, const dv_target *t)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < t->nruns; i++)
		rc = dv_walk_start(w, g->nartifacts + (uint32_t)t->runs[i]);
	for (size_t i = 0; rc == 0 && i < t->nartifacts; i++)
		rc = dv_walk_start(w, (uint32_t)t->artifacts[i]);
	return rc;
}

typedef struct going {
	dv_walk *w;
	dv_ancestry *g;
	bool up;
	uint32_t place, depth;	/* where it stands */
	uint8_t *done;		/* places whose edges were followed in this direction */
	uint32_t *queue;	/* places in the order of their depth */
	size_t head, n, cap;
} going;
static void going_release(going *o)
{
	free(o->queue);
	free(o->done);
}

/* A step to another node, which is looked at later when it is new in this direction. */
static int step_to(going *o, uint32_t node, enum dv_bond link)
{
	dv_walk *w = o->w;
	uint32_t place;
	int rc = visit(w, node, o->depth + 1, &place);

	if (rc == 0)
		rc = dv_grow(&w->steps, &w->steps_cap, w->nsteps + 1, sizeof(*w->steps));
	if (rc < 0)
		return rc;
	w->steps[w->nsteps++] = o->up ? (dv_step){ place, o->place, link }
				      : (dv_step){ o->place, place, link };
	if (o->done[node])
		return 0;
	o->done[node] = 1;
	rc = dv_grow(&o->queue, &o->cap, o->n + 1, sizeof(*o->queue));
	if (rc == 0)
		o->queue[o->n++] = place;
	return rc;
}

static int follow(going *o, const dv_ends *e, uint32_t node, enum dv_bond link)
{
	int rc = 0;

	for (uint32_t i = e->start[node]; rc == 0 && i < e->start[node + 1]; i++)
		rc = step_to(o, e->to[i], link);
	return rc;
}

static bool has_any(const dv_ends *e, uint32_t node)
{
	return e->start[node] < e->start[node + 1];
}

/* Equal bytes at other paths; upwards only such that some run made. */
static int follow_same(going *o, uint32_t node)
{
	dv_ancestry *g = o->g;
	uint32_t found[SAME_MAX];
	size_t n = 0;
	dv_oid oid;
	int rc = 0;

	if (!g->same) {
		rc = dv_index_prepare(g->index, &g->oid_of,
				      "SELECT external_id FROM Artifact WHERE id = ?1 "
				      "AND size > 0");
		if (rc == 0)
			rc = dv_index_prepare(g->index, &g->same, "SELECT id FROM Artifact WHERE "
					      "external_id = ?1 AND id != ?2 LIMIT 64");
	}
	if (rc < 0)
		return rc;
	sqlite3_reset(g->oid_of);
	sqlite3_bind_int64(g->oid_of, 1, node);
	if ((rc = dv_index_step(g->index, g->oid_of)) <= 0)
		return rc;
	if (!dv_index_oid(g->oid_of, 0, &oid))
		return 0;
	sqlite3_reset(g->same);
	sqlite3_bind_blob(g->same, 1, oid.b, DV_OID_RAW_SIZE, SQLITE_STATIC);
	sqlite3_bind_int64(g->same, 2, node);
	while ((rc = dv_index_step(g->index, g->same)) > 0 && n < SAME_MAX) {
		int64_t id = sqlite3_column_int64(g->same, 0);

		if (id > 0 && id < g->nartifacts)
			found[n++] = (uint32_t)id;
	}
	sqlite3_reset(g->same);
	for (size_t i = 0; rc >= 0 && i < n; i++) {
		/* Upwards from what nobody made, downwards to what nobody made. */
		bool made = has_any(&g->before, found[i]);

		if (o->up == made)
			rc = step_to(o, found[i], DV_BOND_SAME);
	}
	return rc < 0 ? rc : 0;
}

static int look_around(going *o)
{
	dv_ancestry *g = o->g;
	uint32_t node = o->w->visits[o->place].node;
	const dv_ends *e = o->up ? &g->before : &g->after;
	int rc = follow(o, e, node, DV_BOND_EVENT);

	if (rc < 0 || node >= g->nartifacts)
		return rc;
	/* A file comes from its directory when nobody made it alone, and a directory from the files
	 * that were made one by one; a file that is used is a use of its directory. */
	bool made = has_any(&g->before, node);
	if (o->up) {
		if (made)
			return 0;
		rc = follow(o, &g->wholes, node, DV_BOND_PART);
		if (rc == 0)
			rc = follow(o, &g->parts, node, DV_BOND_PART);
		return rc < 0 || has_any(&g->wholes, node) || has_any(&g->parts, node)
			? rc : follow_same(o, node);
	}
	for (uint32_t i = g->parts.start[node]; rc == 0 && i < g->parts.start[node + 1]; i++)
		if (!has_any(&g->before, g->parts.to[i]))
			rc = step_to(o, g->parts.to[i], DV_BOND_PART);
	for (uint32_t i = g->wholes.start[node]; rc == 0 && i < g->wholes.start[node + 1]; i++)
		if (!has_any(&g->before, g->wholes.to[i]))
			rc = step_to(o, g->wholes.to[i], DV_BOND_PART);
	return rc == 0 && made ? follow_same(o, node) : rc;
}

int dv_walk_go(dv_walk *w, dv_ancestry *g, bool up, unsigned depth)
{
	__attribute__((cleanup(going_release))) going o = { .w = w, .g = g, .up = up };
	size_t starts = 0;
	int rc = 0;

	o.done = dv_calloc((size_t)g->nartifacts + g->nruns + 1, 1);
	while (starts < w->n && w->visits[starts].depth == 0)
		starts++;
	if (!o.done || dv_grow(&o.queue, &o.cap, starts + 1, sizeof(*o.queue)) < 0)
		return DV_ERROR;
	for (size_t i = 0; i < starts; i++) {
		o.done[w->visits[i].node] = 1;
		o.queue[o.n++] = (uint32_t)i;
	}
	while (rc == 0 && o.head < o.n) {
		o.place = o.queue[o.head++];
		o.depth = w->visits[o.place].depth;
		if (depth && o.depth >= depth)
			continue;
		rc = look_around(&o);
		if (rc == 0 && o.head % 4096 == 0)
			rc = dv_check_cancel();
	}
	return rc;
}

/* -- for the public API ------------------------------------------------------------------------ */

static int tell_node(dv_index *x, const dv_ancestry *g, const dv_visit *v, sqlite3_stmt *runs,
		     sqlite3_stmt *artifacts, dv_lineage_node_cb cb, void *payload)
{
	dv_lineage_node n = { .depth = v->depth, .is_start = v->depth == 0 };
	bool is_run = v->node >= g->nartifacts;
	sqlite3_stmt *s = is_run ? runs : artifacts;
	dv_artifact_row a;
	dv_run_row r;
	int rc;

	sqlite3_reset(s);
	sqlite3_bind_int64(s, 1, is_run ? v->node - g->nartifacts : v->node);
	if ((rc = dv_index_step(x, s)) <= 0)
		return rc < 0 ? rc : damaged();
	if (is_run) {
		dv_run_row_read(&r, s);
		n.run = &r.info;
	} else {
		dv_artifact_row_read(&a, s);
		n.artifact = &a.info;
	}
	return cb(&n, payload);
}

int dv_lineage(dv_repo *r, const char *target, const dv_lineage_options *o,
	       dv_lineage_node_cb nodes, dv_lineage_edge_cb edges, void *payload)
{
	static const char *const links[] = { "", "part", "same" };
	dv_autoptr(dv_index) x = NULL;
	dv_auto(dv_ancestry) g = DV_ANCESTRY_INIT;
	dv_auto(dv_target) t = DV_TARGET_INIT;
	dv_auto(dv_walk) w = DV_WALK_INIT;
	dv_autostmt *runs = NULL, *artifacts = NULL;
	int rc = dv_index_open(&x, r);

	o = DV_OR_ZERO(o);
	bool both = o->up == o->down;
	if (rc < 0 || (rc = dv_target_find(&t, x, target)) < 0 ||
	    (rc = dv_ancestry_load(&g, x)) < 0 || (rc = dv_walk_begin(&w, &g)) < 0 ||
	    (rc = dv_walk_target(&w, &g, &t)) < 0)
		return rc;
	if (o->up || both)
		rc = dv_walk_go(&w, &g, true, o->depth);
	if (rc == 0 && (o->down || both))
		rc = dv_walk_go(&w, &g, false, o->depth);
	if (rc < 0 ||
	    (rc = dv_index_prepare(x, &runs, "SELECT " DV_RUN_COLUMNS
				   " FROM Execution e WHERE e.id = ?1")) < 0 ||
	    (rc = dv_index_prepare(x, &artifacts, "SELECT " DV_ARTIFACT_BARE
				   "0, 0 FROM Artifact a WHERE a.id = ?1")) < 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < w.n; i++)
		rc = tell_node(x, &g, &w.visits[i], runs, artifacts, nodes, payload);
	for (size_t i = 0; rc == 0 && edges && i < w.nsteps; i++) {
		const dv_step *s = &w.steps[i];
		const char *kind = s->link != DV_BOND_EVENT ? links[s->link] :
				   w.visits[s->to].node >= g.nartifacts ? "input" : "output";

		rc = edges(s->from, s->to, kind, payload);
	}
	return rc;
}
