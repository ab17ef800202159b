/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing pipeline files: texts are edited in memory, all of them, before the first is written.
 */
#ifndef DV_PIPELINE_EDIT_H
#define DV_PIPELINE_EDIT_H

#include "base/yaml_edit.h"
#include "pipeline/stage.h"

typedef struct dv_edit_file {
	char *path, *dir;	/* relative to the root; dir is "" or "a/b" */
	dv_buf text;
	bool changed;
	dv_value *doc;		/* of the text; NULL for a file that is new */
} dv_edit_file;

/** One command. Zero-initialised, then dv_edit_open. */
typedef struct dv_edit {
	dv_repo *repo;
	dv_arena arena;
	dv_lock lock;
	bool locked, stage;	/* stage: git's index follows */
	dv_edit_file **files;
	size_t n, cap;
	char **staged, **dropped;	/* paths for git's index */
	size_t nstaged, staged_cap, ndropped, dropped_cap;
} dv_edit;
/** Takes the lock of the work tree. */
int dv_edit_open(dv_edit *e, dv_repo *r, bool no_stage) DV_MUST_CHECK;
void dv_edit_release(dv_edit *e);

/** The pipeline file at a path, read when it is asked for first; with `make` it need not exist. */
int dv_edit_file_at(dv_edit *e, const char *path, bool make, dv_edit_file **out) DV_MUST_CHECK;
/** That of a folder: dv.yaml, or dvc.yaml where there is no dv.yaml. */
int dv_edit_file_in(dv_edit *e, const char *dir, bool make, dv_edit_file **out) DV_MUST_CHECK;
/** The value of a key of "stages" as written, or NULL. */
dv_value *dv_edit_stage(const dv_edit_file *f, const char *name);
/** Notes that the text was changed, and reads it anew. */
int dv_edit_done(dv_edit *e, dv_edit_file *f) DV_MUST_CHECK;
/** The order in which keys of a stage are written. */
extern const char *const dv_stage_keys[];
/** Has git ignore an output that is not in its index, or no longer; `path` is relative to the
 *  root. The line stands in the .gitignore of the nearest folder that is there. */
int dv_edit_ignore(dv_edit *e, const char *path, bool ignore) DV_MUST_CHECK;
/** Notes a path for git's index, to be added or dropped. */
int dv_edit_note(dv_edit *e, const char *path, bool drop) DV_MUST_CHECK;
/** Writes the files that changed. */
int dv_edit_write(dv_edit *e) DV_MUST_CHECK;
/** Tells git. */
int dv_edit_finish(dv_edit *e) DV_MUST_CHECK;

#endif
