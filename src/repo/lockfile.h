/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv.lock: what the stages of the pipeline file beside it were last run with, and what they made.
 *
 *   schema: dv 1
 *   stages:
 *     train:
 *       cmd: python train.py 3           text, or a list of texts
 *       wdir: sub                        when it is not the file's folder
 *       deps:
 *       - path: data/x                   as the pipeline file has it
 *         oid: sha256:…
 *         size: 1
 *         nfiles: 2                      directories only
 *       params:
 *         params.yaml:
 *           train.lr: 0.1
 *       outs:
 *       - path: model.pkl
 *         oid: sha256:…
 *         size: 1
 *         isexec: true                   executable files only
 *         cache: false                   not in the store; also push: false, remote: NAME
 *       run: sha256:…                    the run record
 *
 * Stages are sorted by name, entries by path, so that merges stay small. Text from outside is
 * hostile: outputs outside the workspace, or in .git or .dv, are refused. All memory is an arena's.
 */
#ifndef DV_REPO_LOCKFILE_H
#define DV_REPO_LOCKFILE_H

#include "base/oid.h"
#include "base/value.h"
#include "git/records.h"

typedef struct dv_locked_path {
	const char *path;	/* as written, relative to the stage's folder */
	const char *full;	/* of an output that was read: relative to the root; else NULL */
	dv_oid oid;
	uint64_t size, nfiles;	/* nfiles: directories only */
	bool is_dir, isexec;
	bool no_cache, no_push;	/* outputs only */
	const char *remote;	/* likewise, a remote's name or NULL */
} dv_locked_path;

typedef struct dv_locked_stage {
	const char *name;
	dv_value *cmd;
	const char *wdir;	/* relative to the lock file's folder; "." when it is that */
	dv_locked_path *deps, *outs;
	size_t ndeps, nouts;
	dv_value *params;	/* file -> dict of names, or NULL */
	dv_oid run;
	bool has_run;
	dv_value *extra;	/* keys of a later version, kept: a dict or NULL */
	bool fresh;		/* was put in since the file was read */
} dv_locked_stage;

typedef struct dv_lockfile {
	dv_arena arena;
	dv_locked_stage *stages;	/* by name */
	size_t n, cap;
	const char *comment;		/* lines at the top, or NULL */
} dv_lockfile;
#define DV_LOCKFILE_INIT { 0 }
void dv_lockfile_release(dv_lockfile *l);

/** Reads the text of a lock file; `name` is for messages. DV_ECORRUPT for what is none, no YAML
 *  too, DV_ERROR for a newer schema, DV_EUNSAFE for outputs that leave the workspace, hold the lock
 *  file, or are files of git or dv: `dir` is the file's folder relative to its root ("" or
 *  "a/b"). */
int dv_lockfile_parse(dv_lockfile *out, const char *text, size_t n, const char *dir,
		      const char *name) DV_MUST_CHECK;
/** The same, faster, for who wants the outputs alone: stages come without command, dependencies and
 *  parameters, and what is wrong there is not noticed unless it is no YAML. */
int dv_lockfile_parse_outs(dv_lockfile *out, const char *text, size_t n, const char *dir,
			   const char *name) DV_MUST_CHECK;
/** Reads the file at `path`; none is an empty one. */
int dv_lockfile_read(dv_lockfile *out, const char *path, const char *dir, const char *name)
	DV_MUST_CHECK;
dv_locked_stage *dv_lockfile_find(const dv_lockfile *l, const char *name);
/** Puts a stage in, in the place of the one of its name; a deep copy. */
int dv_lockfile_put(dv_lockfile *l, const dv_locked_stage *s) DV_MUST_CHECK;
/** Drops stages of former times that claim what stages put in since the file was read make now,
 *  such as one that was renamed in the pipeline file. Done before the file is printed. */
int dv_lockfile_settle(dv_lockfile *l, const char *dir) DV_MUST_CHECK;
/** Removes a stage; false when it was not there. */
bool dv_lockfile_drop(dv_lockfile *l, const char *name);
/** Appends the whole text: the same for the same content. */
int dv_lockfile_print(dv_buf *out, const dv_lockfile *l) DV_MUST_CHECK;
/** Appends one stage as it stands in the file, indented by two. */
int dv_locked_stage_print(dv_buf *out, const dv_locked_stage *s) DV_MUST_CHECK;
/** Two stages as they would be printed: the same text? */
bool dv_locked_stage_equal(const dv_locked_stage *a, const dv_locked_stage *b);
/** The path of an entry relative to the root, of arena `a`; NULL when memory runs out. */
const char *dv_locked_path_full(dv_arena *a, const char *dir, const dv_locked_stage *s,
				const dv_locked_path *p);

#endif
