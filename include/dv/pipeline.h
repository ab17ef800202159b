/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libdv: stages and their runs; parameters, metrics, plots.
 *
 * A part of <dv.h>, which includes it; what is said there of errors, ownership and threads holds.
 */
#ifndef DV_PIPELINE_H
#define DV_PIPELINE_H

#include <dv.h>

#ifdef __cplusplus
extern "C" {
#endif

/* -- pipelines --------------------------------------------------------------------------------- */

/** Parameters that a stage takes from one file. */
typedef struct dv_stage_param_info {
	const char *file;		/* as written */
	const char *const *keys;	/* none: the whole file */
	size_t nkeys;
} dv_stage_param_info;
/** A stage after templating. Paths are as written, relative to wdir. */
typedef struct dv_stage_info {
	const char *file, *name;	/* file: of the definition, relative to the root */
	const char *wdir;		/* relative to the root; "." is the root */
	const char *desc;		/* or NULL */
	const char *const *cmd;
	size_t ncmd;
	bool cmd_is_list;		/* else one command, which may have several lines */
	const char *const *deps, *const *outs;	/* outs: also those of metrics and plots */
	size_t ndeps, nouts;
	const dv_stage_param_info *params;
	size_t nparams;
	bool frozen, always_changed;
} dv_stage_info;
typedef int (*dv_stage_cb)(const dv_stage_info *s, void *payload);
/** The stages that the targets name: "NAME", a group's name, "DIR/dv.yaml", "DIR/dv.yaml:NAME".
 *  Without targets those of the working folder's pipeline file, or of all files. */
DV_API int dv_stage_list(dv_repo *r, const char *const *targets, size_t n, bool all,
			 dv_stage_cb cb, void *payload);
/** Which of the targets name stages: `yes` has a flag for each. */
DV_API int dv_stage_targets(dv_repo *r, const char *const *targets, size_t n, bool *yes);

enum dv_stage_out_type { DV_STAGE_OUT, DV_STAGE_METRIC, DV_STAGE_PLOT };
typedef struct dv_stage_new_out {
	const char *path;		/* relative to wdir, as all paths of a stage */
	enum dv_stage_out_type type;
	bool no_cache, persist;
} dv_stage_new_out;
/** A stage to be written into the pipeline file of the working folder. */
typedef struct dv_stage_new {
	const char *name, *cmd;
	const char *wdir, *desc;	/* NULL: none */
	const char *const *deps;
	size_t ndeps;
	const char *const *params;	/* "[FILE:]NAME,NAME…"; "FILE:" is the whole file */
	size_t nparams;
	const dv_stage_new_out *outs;
	size_t nouts;
	bool always_changed;
	bool force;			/* in the place of one that has this name */
	bool no_stage;			/* leave git's index alone */
} dv_stage_new;
typedef struct dv_stage_change_options {
	bool no_stage;
} dv_stage_change_options;
/** `file` is the pipeline file; `changed` is false for what was so already. */
typedef int (*dv_stage_change_cb)(const char *file, const char *name, bool changed, void *payload);
/** Adds a stage; comments and layout of the file stay. Nothing is written when the pipelines of the
 *  workspace would not fit together. DV_EEXISTS for a name or an output that is taken. */
DV_API int dv_stage_add(dv_repo *r, const dv_stage_new *s, dv_stage_change_cb cb, void *payload);
/** Removes stages or groups ("NAME", "DIR/dv.yaml:NAME") from their files, lock files and
 *  .gitignore. What they made stays. */
DV_API int dv_stage_remove(dv_repo *r, const char *const *targets, size_t n,
			   const dv_stage_change_options *o, dv_stage_change_cb cb, void *payload);
/** Has stages or groups keep what they made, whatever their dependencies do, or no longer. */
DV_API int dv_stage_freeze(dv_repo *r, const char *const *targets, size_t n, bool frozen,
			   const dv_stage_change_options *o, dv_stage_change_cb cb, void *payload);

/** A stage, or a tracked output that stages depend on, in the graph of the pipeline. */
typedef struct dv_dag_node {
	const char *name;		/* "train", "sub/dv.yaml:train", "data.dv" */
	bool is_stage;
	const size_t *needs;		/* nodes told before this one, by their number from 0 */
	size_t nneeds;
	const char *const *outs;	/* what it makes, relative to the root */
	size_t nouts;
} dv_dag_node;
typedef int (*dv_dag_cb)(const dv_dag_node *node, void *payload);
/** The stages that the targets name (see dv_stage_list; none: all stages) with all that they need,
 *  or with all that is connected with them; each behind what it needs. */
DV_API int dv_dag(dv_repo *r, const char *const *targets, size_t n, bool connected, dv_dag_cb cb,
		  void *payload);

/** Why a stage has to run. */
enum dv_why {
	DV_WHY_NEW = 1,		/* it never ran */
	DV_WHY_ALWAYS,		/* it says so, or names neither dependencies nor outputs */
	DV_WHY_FORCED,		/* the caller says so */
	DV_WHY_CMD,		/* the command is another one */
	DV_WHY_DEP,
	DV_WHY_PARAM,
	DV_WHY_OUT,
	DV_WHY_UPSTREAM		/* planning: a stage that makes what it needs has to run */
};
typedef struct dv_reason {
	enum dv_why why;
	enum dv_change_kind kind;	/* added, modified, deleted, not in cache */
	const char *path;	/* of the dependency or output, the file of the parameter, the
				   stage; or NULL */
	const char *key;	/* of the parameter, or NULL */
} dv_reason;
enum dv_stage_state {
	DV_STAGE_UNCHANGED = 1,
	DV_STAGE_STALE,		/* status, planning */
	DV_STAGE_RUNS,		/* begins; another event tells how it ended */
	DV_STAGE_RAN,
	DV_STAGE_CACHED,	/* its outputs were taken from an earlier run */
	DV_STAGE_FAILED,
	DV_STAGE_RETRIED,	/* failed, and is run again */
	DV_STAGE_CANCELLED,
	DV_STAGE_SKIPPED,	/* what it needs was not made */
	DV_STAGE_SUBMITTED,	/* became a job of a cluster */
	DV_STAGE_ADOPTED	/* a job that was submitted before goes on */
};
typedef struct dv_stage_event {
	enum dv_stage_state state;
	const char *name;	/* "train", "sub/dv.yaml:train" */
	const dv_reason *reasons;
	size_t nreasons;
	const char *const *cmd;
	size_t ncmd;
	bool frozen;
	const char *error, *hint;	/* failed: "" when nothing is known */
	int exit_code;		/* of the command that failed; 128 and the signal's number */
	double seconds;
	const char *job;	/* of a cluster: its name there, or NULL */
} dv_stage_event;
typedef int (*dv_stage_event_cb)(const dv_stage_event *e, void *payload);

typedef struct dv_stage_status_summary {
	uint64_t stages, stale;
} dv_stage_status_summary;
/** The stages that the targets name (see dv_stage_list; none: all), each with the reasons why it is
 *  stale. Writes nothing but the stat cache. DV_EPARTIAL: something could not be looked at, which
 *  makes its stage stale. */
DV_API int dv_stage_status(dv_repo *r, const char *const *targets, size_t n, int jobs,
			   dv_stage_event_cb cb, void *payload, dv_stage_status_summary *out);

/** A stage on the way from a cause to a target, and what it hands on: one of its outputs; last the
 *  target, NULL where that is no path. */
typedef struct dv_stage_hop {
	const char *stage, *path;
} dv_stage_hop;
#define DV_STAGE_HOPS_MAX 64
/** A stage that is stale by itself. */
typedef struct dv_stage_cause {
	dv_stage_event stage;		/* its reasons without those that another cause explains */
	const dv_stage_hop *via;	/* from that stage to the target, the shortest way */
	size_t nvia;			/* up to DV_STAGE_HOPS_MAX */
	size_t left_out;		/* stages in the middle that are too many for that */
} dv_stage_cause;
typedef int (*dv_stage_cause_cb)(const dv_stage_cause *c, void *payload);
/** Which stages make `path` stale: of those that make it and of all that they need each that is
 *  stale by itself, what is needed first. Where no stage makes the path (or it is NULL), the stage
 *  named `stage` (as in dv_stage_event; or NULL) is what is asked for; nothing is told where there
 *  is none. Writes nothing but the stat cache. DV_EPARTIAL: as dv_stage_status. */
DV_API int dv_stage_causes(dv_repo *r, const char *path, const char *stage, dv_stage_cause_cb cb,
			   void *payload);

/** As dv_doctor, about pipelines: that their files can be read, and that there is what runs stages
 *  apart, where one says so. Nothing is told where there is no pipeline. */
DV_API int dv_doctor_pipelines(dv_repo *r, dv_finding_cb cb, void *payload);

/** What a command of a stage says, as it comes: whole lines when `prefix` is set, else any bytes.
 *  On any thread; never at the same time as another callback of the same operation. */
typedef void (*dv_stage_text_cb)(const char *stage, bool prefix, bool is_error, const char *text,
				 size_t n, void *payload);
typedef struct dv_repro_options {
	bool force;		/* run all stages, changed or not */
	bool single;		/* the targets alone, not what they need */
	bool pipeline;		/* all that is connected with the targets */
	bool all_pipelines;	/* everything */
	bool recursive;		/* targets are folders */
	bool downstream;	/* the targets and what needs them */
	bool force_downstream;	/* what needs a stage that ran is run, too */
	bool keep_going;	/* go on with what does not need what failed */
	bool ignore_errors;	/* go on with that, too; a failure is none of the call */
	bool dry;		/* only tell */
	bool pull;		/* bring from the remote what is missing */
	bool allow_missing;	/* data that is only missing makes no stage stale */
	bool no_commit;		/* leave the store alone */
	bool no_run_cache;
	bool no_stage;		/* leave git's index alone */
	bool glob;		/* targets are patterns for names of stages */
	bool trace;		/* warn of files that commands read and stages do not name */
	bool strict;		/* that is a failure; with trace */
	bool merged;		/* errors of commands come with their output, in order */
	int jobs;		/* stages at a time; 0: one per CPU, 100 of a cluster */
	const char *executor;	/* where all stages run, whatever they say: "local", "slurm"; or
				   NULL */
	const char *program;	/* dv as the nodes of a cluster find it; NULL: "dv" in PATH */
	/** Asked before a stage runs, when set: 1 yes, 0 no, or a dv_errcode. */
	int (*ask)(const char *stage, void *payload);
	dv_stage_text_cb text;
} dv_repro_options;
typedef struct dv_repro_summary {
	uint64_t stages, ran, cached, unchanged, failed, skipped;
} dv_repro_summary;
/** Runs the stages that changed and all that they need, in parallel, and writes down in dv.lock
 *  what was made from what. DV_EPARTIAL: a stage failed (and its event told how). */
DV_API int dv_repro(dv_repo *r, const char *const *targets, size_t n, const dv_repro_options *o,
		    dv_stage_event_cb cb, void *payload, dv_repro_summary *out);
/** How a job ended: DV_STAGE_RAN, _FAILED or _CANCELLED. */
typedef struct dv_exec_summary {
	enum dv_stage_state state;
	int exit_code;		/* of its commands */
} dv_exec_summary;
/** Does the job that dv_repro left in that folder, on the node that a cluster chose: in a clean
 *  workspace, and nothing of the one it is for is touched. Who submitted it finds how it ended in a
 *  file beside the folder. An error when the commands could not be run, or their outputs not be
 *  stored; that they failed is none. */
DV_API int dv_exec(const char *job, dv_exec_summary *out);
/** Kills the commands of stages that run. Async-signal-safe; for who is about to end at once. */
DV_API void dv_repro_kill(void);

/* -- parameters, metrics, plots ---------------------------------------------------------------- */

/** One value of a file of parameters or metrics. */
typedef struct dv_datum {
	const char *text;		/* as it is shown: 0.91, true, [1, 2] */
	const char *json;		/* the same as JSON; what is no number there is null */
	bool is_number, is_integer;
	double number;
} dv_datum;
typedef struct dv_value_change {
	const char *path, *key;		/* key "a.b"; "" when the file is one value */
	const dv_datum *before, *after;	/* NULL: not there */
} dv_value_change;
typedef int (*dv_value_change_cb)(const dv_value_change *c, void *payload);
typedef struct dv_compare_options {
	const char *before, *after;	/* revisions; NULL: HEAD, and the workspace */
	const char *const *targets;	/* only these files, which no pipeline file need name */
	size_t ntargets;
	bool all;			/* tell also what is the same */
	bool deps;			/* only parameters that stages take */
} dv_compare_options;
/** Compares the values in the files that the pipeline files name: of params.yaml, "params:" and
 *  "vars:" whole, of other files what stages take; of "metrics:" numbers and texts. Sorted by path
 *  and key. DV_EPARTIAL when a file could not be read. */
DV_API int dv_params_diff(dv_repo *r, const dv_compare_options *o, dv_value_change_cb cb,
			  void *payload);
DV_API int dv_metrics_diff(dv_repo *r, const dv_compare_options *o, dv_value_change_cb cb,
			   void *payload);

typedef struct dv_metric {
	const char *rev;		/* "workspace", or as given; a commit's id */
	const char *path, *key;
	const dv_datum *value;
} dv_metric;
typedef int (*dv_metric_cb)(const dv_metric *m, void *payload);
typedef struct dv_metrics_options {
	const char *const *revs;	/* none: the workspace, and those that follow */
	size_t nrevs;
	bool all_branches, all_tags, all_commits;
	const char *const *targets;
	size_t ntargets;
} dv_metrics_options;
/** Tells the metrics of one revision after the other. DV_EPARTIAL as above. */
DV_API int dv_metrics_show(dv_repo *r, const dv_metrics_options *o, dv_metric_cb cb,
			   void *payload);

typedef struct dv_plots_options {
	const char *const *revs;	/* "workspace" is one; none: the workspace */
	size_t nrevs;
	const char *const *targets;	/* files, folders or names of plots; none: all */
	size_t ntargets;
	/* For the targets, in place of what pipeline files say; NULL: nothing. */
	const char *template_name, *x, *y, *title, *x_label, *y_label;
	bool no_header;			/* CSV and TSV without a line of names */
	bool json;			/* Vega-Lite specifications instead of a page */
} dv_plots_options;
typedef struct dv_plots_summary {
	uint64_t nplots, nimages, nfailed;	/* failed: data that could not be drawn; what is
						   not there counts when a target names it */
} dv_plots_summary;
/** Draws the plots that the pipeline files of the revisions describe: a page of HTML that needs
 *  nothing beside it, or JSON. Warnings name what could not be drawn. */
DV_API int dv_plots(dv_repo *r, const dv_plots_options *o, dv_data_cb cb, void *payload,
		    dv_plots_summary *out);
/** As above, into a file, whose folders are made; complete or not at all. */
DV_API int dv_plots_write(dv_repo *r, const dv_plots_options *o, const char *path,
			  dv_plots_summary *out);

#ifdef __cplusplus
}
#endif

#endif
