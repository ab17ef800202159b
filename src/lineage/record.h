/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run records: what went in, what came out, how, and who asked for it. A record is an object of the
 * store, canonical JSON (docs/format.md), so that its name vouches for it; it is never changed. The
 * list of a clone's runs (repo/runlist.h) names its records, push and fetch exchange them.
 *
 * No secrets: of the environment only allow-listed variables are recorded, and of these none whose
 * name speaks of a secret; passwords in URLs are left out, in paths and commands too.
 *
 * How to: open a context once, dv_run_record for every run with the writer that stores its outputs,
 * dv_writer_commit, dv_run_flush. What was not flushed is listed when the context is freed, as far
 * as its objects were committed.
 */
#ifndef DV_LINEAGE_RECORD_H
#define DV_LINEAGE_RECORD_H

#include "base/value.h"
#include "repo/repo.h"

#define DV_RUN_UUID 37		/* "018f…-…" and a NUL */

enum dv_run_state { DV_RUN_COMPLETE, DV_RUN_FAILED, DV_RUN_CANCELED, DV_RUN_CACHED };
/** "COMPLETE", "FAILED", "CANCELED", "CACHED". */
const char *dv_run_state_name(enum dv_run_state s);

typedef struct dv_run_path {
	const char *path;	/* relative to the root, or absolute or a URL when it is outside */
	bool is_dir, isexec;
	bool has_oid;		/* false: it was not there, or is not known */
	bool undeclared;	/* a dep that the stage does not name but was seen to read */
	dv_oid oid;
	uint64_t size, nfiles;	/* nfiles: directories only */
} dv_run_path;

typedef struct dv_run {
	const char *type;	/* "stage", "add", "import", "command" */
	const char *uuid;	/* of dv_run_uuid(), where it was told to others before; or NULL */
	const char *file, *stage;	/* "a/dv.yaml", "train@x"; NULL for add and import */
	const char *wdir;	/* relative to the root, "." for it; NULL where nothing was run */
	const dv_value *cmd;	/* text or list of texts, or NULL */
	const dv_run_path *deps, *outs;
	size_t ndeps, nouts;
	const dv_value *params;	/* file -> dict, or NULL */
	const char *const *env;	/* names of variables to record, beside the allow-list */
	size_t nenv;
	const char *image;	/* container image, or NULL */
	int64_t start_us, end_us;	/* microseconds since 1970 */
	int exit_code;		/* 128 + n for signal n */
	enum dv_run_state state;
	dv_oid log;		/* the output of the command, an object of the store */
	bool has_log;
	dv_oid cached;		/* CACHED: the record whose outputs were taken */
	bool has_cached;
	const char *origin;	/* who ran it, when that was not dv: "openlineage"; or NULL */
} dv_run;

/** Sets what JSON says of a path beside its name and oid: "size", "nfiles", "exec". */
int dv_run_path_facts(dv_json *o, const dv_run_path *p) DV_MUST_CHECK;

/** What is the same for all runs of a process (OS, arch, dv's version, git commit, dirty flag,
 *  author, ids of a CI run, the OpenLineage parent), taken once; and the list of what was recorded.
 *  One thread at a time. Borrows the repository. */
typedef struct dv_run_context dv_run_context;
int dv_run_context_open(dv_run_context **out, dv_repo *r) DV_MUST_CHECK;
/** As above without the dirty flag, which costs a look at every file in git. */
int dv_run_context_open_quick(dv_run_context **out, dv_repo *r) DV_MUST_CHECK;
/** As dv_run_context_open where a run is recorded that somebody else lists (dv_run_take): nobody is
 *  told of it yet. */
int dv_run_context_open_apart(dv_run_context **out, dv_repo *r) DV_MUST_CHECK;
/** Lists what was not flushed, as far as it is in the store. */
void dv_run_context_free(dv_run_context *c);
DV_DEFINE_AUTOPTR(dv_run_context)
/** Stores the record as an object through `w`; *oid is its name. */
int dv_run_record(dv_run_context *c, dv_writer *w, const dv_run *run, dv_oid *oid) DV_MUST_CHECK;
/** Records an import that ends now, and commits the writer; durable. Nothing is done where the run
 *  has no outputs, or the settings want no account of what is added. */
int dv_run_record_import(dv_repo *r, dv_writer *w, dv_run *run) DV_MUST_CHECK;
/** Takes a record that is in the store already, made by dv_run_record elsewhere, to be listed as if
 *  it had been made here. */
int dv_run_take(dv_run_context *c, dv_reader *reader, const dv_oid *oid) DV_MUST_CHECK;
/** After a commit of the writer: puts what was recorded since the last flush into the list of runs,
 *  durable when `sync`. */
int dv_run_flush(dv_run_context *c, bool sync) DV_MUST_CHECK;

/** The text of a record, as it is stored; for tests and for what is not stored. */
int dv_run_print(dv_buf *out, const dv_run_context *c, const dv_run *run) DV_MUST_CHECK;
/** A new UUID, version 7, for a run that starts at this time. */
int dv_run_uuid(char out[DV_RUN_UUID], int64_t start_us) DV_MUST_CHECK;

/** A statement about runs and artifacts beside runs themselves: they belong to a context. Stored,
 *  listed and sent as run records are. */
typedef struct dv_run_group {
	const char *type, *name;	/* "experiment", "rates" */
	const dv_oid *runs;		/* records */
	size_t nruns;
	const dv_run_path *artifacts;	/* with oids */
	size_t nartifacts;
	const char *parent_type, *parent_name;	/* it is part of that context; or NULL */
	const dv_json *props;		/* name -> text, number, boolean; or NULL; borrowed */
	bool gone;			/* they do not belong to it any more */
	int64_t time_us;		/* of two that contradict the later one counts */
} dv_run_group;
/** As dv_run_record. */
int dv_run_group_record(dv_run_context *c, dv_writer *w, const dv_run_group *g, dv_oid *oid)
	DV_MUST_CHECK;

/* -- reading ----------------------------------------------------------------------------------- */

enum dv_run_doc_kind { DV_RUN_DOC_RUN, DV_RUN_DOC_GROUP };
/** A record as it was read. Everything is borrowed from `json` and the arrays of this structure. */
typedef struct dv_run_doc {
	enum dv_run_doc_kind kind;
	dv_json *json;
	dv_run run;		/* without cmd, params, env: see below */
	dv_run_group group;
	dv_run_path *deps, *outs;
	dv_oid *runs;
	char **names;		/* paths that JSON cannot hold, owned */
	size_t nnames, names_cap;
	const dv_json *cmd, *params, *env;	/* or NULL */
	const char *commit;	/* hexadecimal, or NULL */
	int dirty;		/* -1: not known */
	const char *author_name, *author_email, *version, *os, *arch;	/* or NULL */
	const char *parent_run, *parent_job, *parent_namespace;
} dv_run_doc;
#define DV_RUN_DOC_INIT { 0 }
void dv_run_doc_release(dv_run_doc *d);
/** Reads a record; DV_ECORRUPT for what is none, DV_ERROR for a later schema. Bounded. */
int dv_run_doc_parse(dv_run_doc *out, const char *p, size_t n) DV_MUST_CHECK;
/** Reads the record `oid` of the store. */
int dv_run_doc_load(dv_run_doc *out, dv_reader *reader, const dv_oid *oid) DV_MUST_CHECK;

#endif
