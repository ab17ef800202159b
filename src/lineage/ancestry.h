/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The graph of artifacts and runs in memory, and walks over it. Beside the events there are two
 * ways from one artifact to another: a file and the directory that holds it, and, for what no run
 * made, equal bytes at another path that some run did make.
 */
#ifndef DV_LINEAGE_ANCESTRY_H
#define DV_LINEAGE_ANCESTRY_H

#include "lineage/query.h"

typedef struct dv_ends {
	uint32_t *start;	/* of each node, and one more: index into `to` */
	uint32_t *to;
} dv_ends;
/** Rows by their ids: artifact i is node i, run i is node nartifacts + i. */
typedef struct dv_ancestry {
	uint32_t nartifacts, nruns;	/* one more than the greatest id */
	dv_ends before, after;		/* inputs of runs, makers of artifacts; and back */
	dv_ends wholes, parts;		/* of artifacts */
	dv_index *index;
	sqlite3_stmt *same, *oid_of;	/* on first use */
} dv_ancestry;
#define DV_ANCESTRY_INIT { 0 }
void dv_ancestry_release(dv_ancestry *g);
/** Reads all events: some 0.3 µs for each. */
int dv_ancestry_load(dv_ancestry *g, dv_index *x) DV_MUST_CHECK;

/** What a walk came to, nearest first. */
typedef struct dv_visit {
	uint32_t node;
	uint32_t depth;
} dv_visit;
enum dv_bond { DV_BOND_EVENT, DV_BOND_PART, DV_BOND_SAME };
typedef struct dv_step {
	uint32_t from, to;	/* places in `visits`: `to` was made from `from` */
	enum dv_bond link;
} dv_step;
typedef struct dv_walk {
	dv_visit *visits;
	size_t n, cap;
	dv_step *steps;
	size_t nsteps, steps_cap;
	uint32_t *at;		/* node -> place in visits + 1 */
} dv_walk;
#define DV_WALK_INIT { 0 }
void dv_walk_release(dv_walk *w);
int dv_walk_begin(dv_walk *w, const dv_ancestry *g) DV_MUST_CHECK;
int dv_walk_start(dv_walk *w, uint32_t node) DV_MUST_CHECK;
/** Goes from all starts, up (to what they were made from) or down; depth 0: no limit. May be called
 *  once for each direction. */
int dv_walk_go(dv_walk *w, dv_ancestry *g, bool up, unsigned depth) DV_MUST_CHECK;

/** The starts of a target. */
int dv_walk_target(dv_walk *w, const dv_ancestry *g, const dv_target *t) DV_MUST_CHECK;

#endif
