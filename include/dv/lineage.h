/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libdv: what was made from what.
 *
 * A part of <dv.h>, which includes it; what is said there of errors, ownership and threads holds.
 */
#ifndef DV_LINEAGE_H
#define DV_LINEAGE_H

#include <dv.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What was made from what. Every run of a stage, and every add and commit, leaves a record; all of
 * this is answered from an index of them, which is kept up at the first question. TARGET is a path,
 * an oid or its first digits (with "sha256:" before it or not), or the oid of a run's record. */

/** A run. Pointers may be NULL where nothing is known. */
typedef struct dv_run_info {
	const char *oid;	/* of its record */
	const char *type;	/* "stage", "add", "commit", "import", "command" */
	const char *name;	/* "train", "sub/dv.yaml:train"; of an add the pointer */
	const char *state;	/* "COMPLETE", "FAILED", "CANCELED", "CACHED" */
	const char *commit, *author;
	int64_t start_us, end_us;	/* microseconds since 1970 */
	int exit_code;
	int dirty;		/* of the workspace when it ran; -1: not known */
} dv_run_info;
typedef int (*dv_run_cb)(const dv_run_info *i, void *payload);
/** Bytes at a path. */
typedef struct dv_artifact_info {
	const char *path, *oid;	/* oid NULL: it was named, and was not there or was not recorded */
	bool is_dir;
	uint64_t size, nfiles;
	int64_t first_us, last_us;	/* of the runs that name it */
	uint64_t made, used;	/* by so many runs */
} dv_artifact_info;
typedef int (*dv_artifact_cb)(const dv_artifact_info *i, void *payload);
typedef struct dv_lineage_list_options {
	/** All must hold: "KEY OP VALUE" with = != < <= > >= and ~ (a pattern with * and ?). Keys
	 *  of runs: name type state exit commit author start end seconds input output context
	 *  param.NAME; of artifacts: path oid kind size files first last context. */
	const char *const *filters;
	size_t nfilters;
	uint64_t limit;		/* 0: all */
	const char *after;	/* what *next was of the page before */
	bool reverse;		/* oldest first */
} dv_lineage_list_options;
/** Newest first. *next (may be NULL) is where the next page begins, owned, NULL at the end. */
DV_API int dv_runs(dv_repo *r, const dv_lineage_list_options *o, dv_run_cb cb, void *payload,
		   char **next);
DV_API int dv_artifacts(dv_repo *r, const dv_lineage_list_options *o, dv_artifact_cb cb,
			void *payload, char **next);

/** The record of a run, as it is stored: JSON. The run is named by its record, or by what it made:
 *  then it is the newest. */
DV_API int dv_run_read(dv_repo *r, const char *run, dv_data_cb cb, void *payload);
/** What the command of a run said. DV_ENOTFOUND when nothing was kept. */
DV_API int dv_run_log(dv_repo *r, const char *run, dv_data_cb cb, void *payload);

/** A node of the graph: a run, or an artifact. */
typedef struct dv_lineage_node {
	const dv_run_info *run;		/* or */
	const dv_artifact_info *artifact;	/* made and used are not counted */
	unsigned depth;			/* steps from the start */
	bool is_start;
} dv_lineage_node;
typedef int (*dv_lineage_node_cb)(const dv_lineage_node *n, void *payload);
/** `to` was made from `from`; by the numbers of nodes, from 0 in the order in which they came.
 *  kind: "input", "output", "part" (a file of a directory), "same" (equal bytes elsewhere). */
typedef int (*dv_lineage_edge_cb)(size_t from, size_t to, const char *kind, void *payload);
typedef struct dv_lineage_options {
	bool up, down;		/* neither: both */
	unsigned depth;		/* 0: no limit */
} dv_lineage_options;
/** First all nodes, nearest first, then all edges. */
DV_API int dv_lineage(dv_repo *r, const char *target, const dv_lineage_options *o,
		      dv_lineage_node_cb nodes, dv_lineage_edge_cb edges, void *payload);

/** What became of a path that a run read or made. */
typedef struct dv_run_check {
	const char *run, *name;	/* oid of the record, name of the run */
	const char *path, *oid;
	bool is_output;
	bool in_workspace, in_cache, in_git;	/* the recorded bytes are there */
	bool is_damaged;	/* the cache says it has them, and they are not as they should be */
} dv_run_check;
typedef int (*dv_run_check_cb)(const dv_run_check *c, void *payload);
/** Looks for the bytes that a run read and made; *bad counts those that are nowhere, or damaged.
 *  TARGET: a run, or what it made; NULL: all runs. With `quick` what the cache says that it has is
 *  believed, else read. */
DV_API int dv_lineage_verify(dv_repo *r, const char *target, bool quick, dv_run_check_cb cb,
			     void *payload, uint64_t *bad);

/** Something made from the target, directly or not, and where it is an output now. */
typedef struct dv_impact {
	const dv_artifact_info *artifact;
	const char *const *refs;	/* "workspace", "main", "origin/x", "tags/v1" */
	size_t nrefs;
} dv_impact;
typedef int (*dv_impact_cb)(const dv_impact *i, void *payload);
/** Tells everything that runs made from the target; with all_versions from whatever stood at that
 *  path. What is an output of the workspace, a branch or a tag comes first. */
DV_API int dv_lineage_impact(dv_repo *r, const char *target, bool all_versions, dv_impact_cb cb,
			     void *payload);

/** Puts runs and artifacts into a context, a named group; it comes into being with the first. */
typedef struct dv_context_options {
	const char *const *targets;	/* runs, oids and paths */
	size_t ntargets;
	const char *const *props;	/* "NAME=VALUE" */
	size_t nprops;
	const char *parent_type, *parent_name;	/* part of that context; or NULL */
	bool remove;			/* takes them out instead */
} dv_context_options;
DV_API int dv_context_set(dv_repo *r, const char *type, const char *name,
			  const dv_context_options *o);
typedef struct dv_context_info {
	const char *type, *name;
	uint64_t runs, artifacts;
	int64_t first_us, last_us;
	const char *props;		/* a JSON object */
	const char *parents;		/* a JSON array of "TYPE:NAME" */
} dv_context_info;
typedef int (*dv_context_cb)(const dv_context_info *i, void *payload);
/** type and name may be NULL: all of them. */
DV_API int dv_contexts(dv_repo *r, const char *type, const char *name, dv_context_cb cb,
		       void *payload);

/** Writes runs as others read them, oldest first: "openlineage" (a JSON event on each line) or
 *  "prov" (one W3C PROV-JSON document). Without targets all runs; else those that the targets are
 *  or were made by, with all runs before. */
DV_API int dv_lineage_export(dv_repo *r, const char *format, const char *const *targets, size_t n,
			     dv_data_cb cb, void *payload);
/** Reads OpenLineage events, JSON on each line, and records the runs that they tell of and that are
 *  not known. *runs (may be NULL) counts the new ones. */
DV_API int dv_lineage_import(dv_repo *r, const void *text, size_t n, uint64_t *runs);

/** Makes the index anew from the records. */
DV_API int dv_lineage_rebuild(dv_repo *r);
/** Tells about the index: file, runs, artifacts, events, contexts, missing, bytes. */
DV_API int dv_lineage_status(dv_repo *r, dv_kv_cb cb, void *payload);

#ifdef __cplusplus
}
#endif

#endif
