/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What there is to do: the stages of the pipeline with their lock entries, and those that a command
 * is about, in the order in which they run. Nothing is written.
 */
#ifndef DV_PIPELINE_PLAN_H
#define DV_PIPELINE_PLAN_H

#include "pipeline/graph.h"
#include "pipeline/state.h"
#include "repo/lockjournal.h"

typedef struct dv_plan_lock {
	dv_lockfile l;
	char *path;		/* relative to the root; NULL until it is read */
} dv_plan_lock;

typedef struct dv_plan {
	dv_repo *repo;
	dv_pipeline p;
	dv_output_list outputs;
	dv_graph g;
	dv_lockjournal journal;	/* what runs have on the way into lock files */
	dv_plan_lock *locks;	/* by the index of the pipeline file */
	size_t *file_of;	/* of a stage */
	bool *chosen;		/* by the targets; a flag for every stage */
	size_t *order;		/* of the stages that the command is about */
	size_t n;
} dv_plan;
#define DV_PLAN_INIT { 0 }
void dv_plan_release(dv_plan *x);

/** Reads pipeline files and builds the graph. */
int dv_plan_open(dv_plan *x, dv_repo *r) DV_MUST_CHECK;

/** How targets are read. */
typedef struct dv_plan_targets {
	const char *const *names;
	size_t n;
	bool all;		/* without targets: all stages, not the folder's */
	bool recursive, glob;
	enum dv_graph_reach reach;
} dv_plan_targets;
/** Sets chosen, order and n. DV_ENOTFOUND for a target that names nothing. */
int dv_plan_choose(dv_plan *x, const dv_plan_targets *t) DV_MUST_CHECK;
/** The entry of a stage, or NULL in *out; reads the lock file of its folder when needed. */
int dv_plan_locked(dv_plan *x, size_t stage, dv_locked_stage **out) DV_MUST_CHECK;

/** Where a path that `stage` needs comes from: *root is the output that holds it, as a pointer or
 *  the lock entry of a stage describes it, borrowed; NULL when none does. */
int dv_plan_source(dv_plan *x, size_t stage, const char *path, const char **root, dv_tree_entry *e)
	DV_MUST_CHECK;
/** dv_stage_look; what is missing and may be is compared as it is recorded elsewhere. */
int dv_plan_look_at(dv_plan *x, dv_states *st, size_t stage, dv_stage_check *out) DV_MUST_CHECK;

/** Will the stage run? Knows the reasons of every stage of the plan, in the plan's order. */
typedef struct dv_plan_verdict {
	dv_stage_check check;
	bool runs;
} dv_plan_verdict;
enum dv_plan_flags {
	DV_PLAN_FORCE = 1u << 0,
	DV_PLAN_UPSTREAM = 1u << 1,	/* what needs a stage that runs counts as stale, too */
};
/** Looks at all stages of the plan; verdicts has n items, owned (free). */
int dv_plan_look(dv_plan *x, dv_states *st, unsigned flags, dv_plan_verdict **verdicts)
	DV_MUST_CHECK;
/** The stage as an event; the texts of the command are of the arena of `st`. */
int dv_plan_event(dv_plan *x, dv_states *st, size_t stage, dv_stage_event *out) DV_MUST_CHECK;

#endif
