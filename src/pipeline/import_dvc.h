/* SPDX-License-Identifier: Apache-2.0 */
/* dv import-dvc as its halves see it: import_dvc.c the order of things, import_dvc_lock.c lock
 * files. */
#ifndef DV_PIPELINE_IMPORT_DVC_H
#define DV_PIPELINE_IMPORT_DVC_H

#include "pipeline/state.h"
#include "repo/record.h"
#include "takeover/dvc_take.h"

/** An entry "path: md5" of a lock file of DVC's. */
typedef struct dv_dvc_locked {
	const char *path;	/* as written */
	dv_dvc_name name;
	bool isexec;
} dv_dvc_locked;
typedef struct dv_dvc_locked_stage {
	const char *name;
	dv_value *cmd, *params;		/* params: file -> dict, or NULL */
	dv_dvc_locked *deps, *outs;
	size_t ndeps, nouts;
} dv_dvc_locked_stage;
/** A lock file of DVC's, with the pipeline file beside it. */
typedef struct dv_dvc_lock {
	const char *path, *dir;		/* relative to the root */
	dv_pipeline pipeline;
	dv_dvc_locked_stage *s;
	size_t n, cap;
	bool incomplete;		/* something in it could not be taken over */
} dv_dvc_lock;

/** Reads the text of dvc.lock, also of the schema before 2.0. Entries without an MD5 are left out.
 *  All of the arena. */
int dv_dvc_lock_parse(dv_dvc_lock *out, dv_arena *a, const char *text, size_t n, const char *name)
	DV_MUST_CHECK;
/** The stage of that name in the pipeline file, or NULL. */
const dv_stage *dv_dvc_lock_stage(const dv_dvc_lock *l, const char *name);
/** Appends the outputs of its stages that DVC keeps in its cache. */
int dv_dvc_lock_outs(const dv_dvc_lock *l, dv_arena *a, dv_dvc_outs *out) DV_MUST_CHECK;

typedef struct dv_dvc_translation {
	dv_repo *repo;
	dv_dvc_take *take;
	dv_states *states;
	const dv_dvc_outs *outs;	/* with what became of them */
	dv_arena *arena;
} dv_dvc_translation;
/** Writes dv.lock from what DVC's says, as far as every MD5 is that of bytes that are there; stages
 *  that dv ran since keep their entries. *changed: the file; *nstages: entries written. */
int dv_dvc_lock_write(const dv_dvc_translation *t, dv_dvc_lock *l, bool *changed, size_t *nstages)
	DV_MUST_CHECK;

#endif
