/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lineage index: the run records of a clone as tables of SQLite, in the file `lineage.db`
 * beside the state, with the model and the names of ML Metadata: artifacts (a path with given
 * bytes), executions (runs), contexts (groups of them), events between artifacts and executions,
 * attributions and associations. It says nothing that the records do not say: it can be deleted,
 * and made anew with the same answers. Opening it takes in what the list of runs grew by. Where no
 * file can be written it is made in memory.
 *
 * A dv_index belongs to one thread.
 */
#ifndef DV_LINEAGE_INDEX_H
#define DV_LINEAGE_INDEX_H

#include <sqlite3.h>

#include "lineage/record.h"
#include "store/tree.h"

#define DV_INDEX_FILE "lineage.db"

/** As in ML Metadata. */
enum dv_type_kind { DV_TYPE_EXECUTION, DV_TYPE_ARTIFACT, DV_TYPE_CONTEXT };
enum dv_event_type { DV_EVENT_DECLARED_OUTPUT = 1, DV_EVENT_DECLARED_INPUT, DV_EVENT_INPUT,
		     DV_EVENT_OUTPUT };
enum dv_execution_state { DV_EXECUTION_UNKNOWN, DV_EXECUTION_NEW, DV_EXECUTION_RUNNING,
			  DV_EXECUTION_COMPLETE, DV_EXECUTION_FAILED, DV_EXECUTION_CACHED,
			  DV_EXECUTION_CANCELED };
enum dv_artifact_state { DV_ARTIFACT_UNKNOWN, DV_ARTIFACT_PENDING, DV_ARTIFACT_LIVE };

typedef struct dv_index {
	dv_repo *repo;
	dv_reader *reader;
	sqlite3 *db;
	struct dv_index_statements *st;	/* for taking records in */
	uint64_t taken, missing;	/* records by this opening; that are not in the store */
	bool in_memory;
} dv_index;

/** Opens it and takes in what is new. */
int dv_index_open(dv_index **out, dv_repo *r) DV_MUST_CHECK;
/** As above, from nothing. */
int dv_index_rebuild(dv_index **out, dv_repo *r) DV_MUST_CHECK;
void dv_index_free(dv_index *x);
DV_DEFINE_AUTOPTR(dv_index)

/** A statement; freed with its owner. Failures carry SQLite's words. */
int dv_index_prepare(dv_index *x, sqlite3_stmt **out, const char *sql) DV_MUST_CHECK;
static inline void dv_stmt_freep(sqlite3_stmt **s)
{
	sqlite3_finalize(*s);
}
#define dv_autostmt __attribute__((cleanup(dv_stmt_freep))) sqlite3_stmt
/** Records what SQLite last complained about, and returns DV_ERROR. */
int dv_index_fail(dv_index *x, const char *what);
/** A row: 1, none: 0, or a failure. */
int dv_index_step(dv_index *x, sqlite3_stmt *s) DV_MUST_CHECK;
/** The text of a column, "" for NULL; borrowed until the next step. */
const char *dv_index_text(sqlite3_stmt *s, int column);
/** An oid of a column; false when it holds none. */
bool dv_index_oid(sqlite3_stmt *s, int column, dv_oid *out);

/** Takes one record in; within a transaction. DV_ECORRUPT for one that is none. For index.c. */
int dv_index_take(dv_index *x, const dv_oid *oid, const dv_run_doc *d) DV_MUST_CHECK;
int dv_index_statements_new(dv_index *x) DV_MUST_CHECK;
void dv_index_statements_free(struct dv_index_statements *st);

#endif
