/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stages as the pipeline files of a workspace define them, after templating. The shape and the
 * rules are those of DVC's dvc.yaml, which is read where a folder has no dv.yaml. Paths are kept
 * twice: as written, and relative to the root of the workspace.
 *
 * A pipeline is read-only after loading; all of it is its arena's.
 */
#ifndef DV_PIPELINE_STAGE_H
#define DV_PIPELINE_STAGE_H

#include "base/value.h"
#include "repo/view.h"

#define DV_PIPELINE_FILE "dv.yaml"
#define DV_PIPELINE_FILE_MAX ((size_t)64 << 20)
#define DV_PARAMS_FILE "params.yaml"
#define DV_STAGES_MAX 1000000

enum dv_stage_out_kind { DV_OUT_PLAIN, DV_OUT_METRIC, DV_OUT_PLOT };

typedef struct dv_stage_out {
	const char *written, *path;	/* path is relative to the root, normal */
	enum dv_stage_out_kind kind;
	bool cache, persist, push;
	const char *remote, *desc;	/* NULL when not given */
	dv_value *props;		/* of a plot, as written: a dict or NULL */
	dv_spot at;
} dv_stage_out;

typedef struct dv_stage_dep {
	const char *written, *path;	/* path is absolute for what lies outside the workspace */
	bool outside;
	dv_spot at;
} dv_stage_dep;

/** The parameters that a stage takes from one file. */
typedef struct dv_stage_params {
	const char *written, *path;
	const char **keys;		/* sorted; none: the whole file */
	size_t nkeys;
	bool whole;
	dv_spot at;
} dv_stage_params;

typedef struct dv_stage {
	const char *file;		/* of definition, relative to the root */
	const char *name;		/* "train", "train@a" */
	const char *group;		/* of a member of foreach or matrix: "train" */
	const char *dir;		/* of the file: "" or "a/b" */
	const char *wdir;		/* where it runs, relative to the root: "" or "a/b" */
	dv_value *cmd;			/* text, or a list of texts */
	dv_stage_dep *deps;
	size_t ndeps;
	dv_stage_params *params;	/* params.yaml first, then by name */
	size_t nparams;
	dv_stage_out *outs;
	size_t nouts;
	bool frozen, always_changed;
	const char *desc;
	dv_value *meta;
	const char **env;		/* names of variables to record */
	size_t nenv;
	const char *executor, *image;	/* the executor is "local" or another that there is */
	dv_value *resources;		/* a dict or NULL */
	const char **sbatch;		/* resources as options of sbatch */
	size_t nsbatch;
	unsigned retry;			/* times that a failed run is tried again */
	dv_spot at;			/* of the name */
} dv_stage;

typedef struct dv_pipeline_file {
	const char *path, *dir;		/* relative to the root */
	dv_value *doc;			/* as written */
	dv_value *vars;			/* what "${…}" sees at the top */
	dv_value *params, *metrics, *plots;	/* of the top, templates replaced; lists or NULL */
	const char *executor;		/* of its stages that name none; or NULL */
	dv_value *resources;		/* what its stages do not say of theirs: a dict or NULL */
	size_t first, n;		/* its stages */
} dv_pipeline_file;

typedef struct dv_pipeline {
	dv_arena arena;
	dv_view *view;			/* what files are read from; NULL: the work tree */
	dv_pipeline_file *files;	/* by path */
	size_t nfiles, files_cap;
	dv_stage *stages;		/* in the order of the files and of expansion */
	size_t n, cap;
	/* Set before loading by who is about to write a file: its path and what it will hold. */
	const char *draft;
	const dv_buf *draft_text;
} dv_pipeline;
#define DV_PIPELINE_INIT { 0 }
void dv_pipeline_release(dv_pipeline *p);

/** Reads all pipeline files of the workspace; `outputs` gets those that pointers describe.
 *  DV_ERROR and DV_EUNSAFE point into a file. */
int dv_pipeline_load(dv_pipeline *p, dv_repo *r, dv_output_list *outputs) DV_MUST_CHECK;
/** Reads all pipeline files of a view, which must live as long as the pipeline is loaded. */
int dv_pipeline_load_view(dv_pipeline *p, dv_view *v) DV_MUST_CHECK;
/** Reads one, `path` relative to the root. DV_ENOTFOUND. */
int dv_pipeline_load_file(dv_pipeline *p, dv_repo *r, const char *path) DV_MUST_CHECK;

/** Marks the stages that targets name ("NAME", a group's name, "DIR/dv.yaml", "DIR/dv.yaml:NAME");
 *  without targets those of the working folder's file, or all when `all`. `chosen` has a flag for
 *  every stage. DV_ENOTFOUND for a target that names nothing. */
int dv_stage_select(dv_repo *r, const dv_pipeline *p, const char *const *targets, size_t n,
		    bool all, bool *chosen) DV_MUST_CHECK;
/** "dv.yaml:NAME", or NAME alone for a stage of ./dv.yaml; of the arena. */
const char *dv_stage_address(dv_pipeline *p, const dv_stage *s);

/* -- for resolve.c and its parts --------------------------------------------------------------- */

/** Parses one resolved entry of "stages" into *out. `body` has no templates left. */
int dv_stage_parse(dv_arena *a, const dv_pipeline_file *f, const char *name, const dv_spot *at,
		   dv_value *body, dv_stage *out) DV_MUST_CHECK;
/** Replaces the templates of the top's "params", "metrics" and "plots", and sees that they are
 *  lists of what belongs there. */
int dv_tops_parse(dv_arena *a, dv_pipeline_file *f) DV_MUST_CHECK;
/** Fails unless the value names an executor that there is. */
int dv_executor_check(const dv_value *v) DV_MUST_CHECK;
/** Options of sbatch for the resources of a stage, and for those of its file (both a dict or NULL)
 *  that it does not name itself; of the arena. What is wrong points into the file. */
int dv_resources_options(dv_arena *a, dv_value *own, dv_value *file, const char ***out, size_t *n)
	DV_MUST_CHECK;
/** Reads the top's "executor" and "resources"; comes before the stages. */
int dv_running_tops(dv_arena *a, dv_pipeline_file *f) DV_MUST_CHECK;
/** Is this a name that "stages" may have? DV_ERROR. */
int dv_stage_check_name(const char *name, const dv_spot *at) DV_MUST_CHECK;
/** Fails with the nearest known word when a dict has a key that is not in `known`. */
int dv_stage_check_keys(dv_value *dict, const char *const *known, const char *what) DV_MUST_CHECK;
/** Reads a file of parameters by its suffix: .json, .toml, else YAML. `path` is relative to the
 *  root. The value is a dict; an empty file is an empty one. DV_ENOTFOUND. */
int dv_params_read(dv_arena *a, dv_repo *r, const char *path, dv_value **out) DV_MUST_CHECK;
/** A path written in a file of folder `dir` (relative to the root) -> relative to the root;
 *  absolute when it is outside. NULL with the failure recorded. */
const char *dv_stage_path(dv_arena *a, const char *dir, const char *written);
/** As above for a path that must lie in the workspace; DV_EUNSAFE at `at`, which says what it is
 *  ("output"). */
int dv_stage_inner_path(dv_arena *a, const char *dir, const char *written, const dv_spot *at,
			const char *what, const char **out) DV_MUST_CHECK;

#endif
