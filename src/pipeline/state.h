/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a stage is against what its lock entry says it was: why it has to run. The rules are DVC's:
 * a command that is another text; unless the stage is frozen, dependencies and parameters that are
 * new or different (what was taken out of the pipeline file makes no stage stale); outputs that are
 * not there or different; a stage that says so, or that names neither dependencies nor outputs.
 */
#ifndef DV_PIPELINE_STATE_H
#define DV_PIPELINE_STATE_H

#include "pipeline/content.h"
#include "pipeline/stage.h"
#include "repo/lockfile.h"

typedef struct dv_state_file {
	const char *path;
	dv_value *doc;		/* NULL: the file is not there */
	bool known;
} dv_state_file;

/** What is needed to look at stages. Zero-initialised, then dv_states_open. */
typedef struct dv_states {
	dv_repo *repo;
	dv_pool *pool;
	dv_contents *contents;
	dv_store *store;
	dv_reader *reader;
	dv_arena arena;		/* parameters and what is handed out */
	dv_state_file *files;	/* of parameters */
	size_t nfiles, files_cap;
	bool allow_missing;	/* what is only missing makes no stage stale */
	/* For who only looks: a path that cannot be read makes its stage stale. */
	bool looks_on;
	size_t nunread;
	dv_error unread;	/* the first; the others are warned of */
} dv_states;
/** Opens what states are made of; released also after a failure. The flags are the caller's. */
int dv_states_open(dv_states *x, dv_repo *r, int jobs) DV_MUST_CHECK;
void dv_states_release(dv_states *x);

typedef struct dv_stage_check {
	dv_reason *reasons;	/* of the arena */
	size_t n, cap;
	bool outs_only;		/* nothing but outputs differ: they can be as the entry says */
	bool missing;		/* outputs that are kept in the store are not all there */
} dv_stage_check;

/** Looks at a stage; `locked` is its entry or NULL. */
int dv_stage_look(dv_states *x, const dv_stage *s, const dv_locked_stage *locked,
		  dv_stage_check *out) DV_MUST_CHECK;
int dv_stage_check_add(dv_states *x, dv_stage_check *c, enum dv_why why, enum dv_change_kind kind,
		       const char *path, const char *key) DV_MUST_CHECK;
/** What was wrong with paths, when something was: DV_EPARTIAL. */
int dv_states_unread(const dv_states *x) DV_MUST_CHECK;
/** Learns what stands at all paths of stages. */
int dv_states_learn(dv_states *x, const dv_stage *const *stages, size_t n) DV_MUST_CHECK;
/** The entry of a stage as it would be written now, without outputs; all of the arena. DV_ENOTFOUND
 *  naming stage and file when a dependency or a parameter is not there. */
int dv_stage_entry(dv_states *x, const dv_stage *s, dv_locked_stage *out) DV_MUST_CHECK;
/** An output of the entry: what stands there now, or DV_ENOTFOUND. */
int dv_stage_entry_out(dv_states *x, const dv_stage *s, const dv_stage_out *o,
		       const dv_content *now, dv_locked_path *out) DV_MUST_CHECK;
/** Something was written below these paths: forgets what was known, parameters too. */
void dv_states_forget(dv_states *x, const dv_stage *s);
/** The recorded path as it stands in a tree, without a name. */
dv_tree_entry dv_locked_path_entry(const dv_locked_path *p);
const dv_locked_path *dv_locked_out(const dv_locked_stage *l, const char *written);
const dv_locked_path *dv_locked_dep(const dv_locked_stage *l, const char *written);

#endif
