/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the lineage index as the public API tells them, and what a target means. */
#ifndef DV_LINEAGE_QUERY_H
#define DV_LINEAGE_QUERY_H

#include "lineage/index.h"

#define DV_RUN_COLUMNS                                                                             \
	"e.id, e.external_id, (SELECT name FROM Type WHERE id = e.type_id), e.name, "              \
	"e.last_known_state, e.create_time, e.last_update_time, e.exit_code, "                     \
	"lower(hex(e.git_commit)), e.dirty, e.author"
#define DV_ARTIFACT_BARE                                                                           \
	"a.id, a.uri, a.external_id, a.size, a.nfiles, a.create_time, a.last_update_time, "
/** With how many runs made and used it, which costs two more looks. */
#define DV_ARTIFACT_COLUMNS                                                                        \
	DV_ARTIFACT_BARE                                                                           \
	"(SELECT count(*) FROM Event WHERE artifact_id = a.id AND type = 4), "                     \
	"(SELECT count(*) FROM Event WHERE artifact_id = a.id AND type IN (2, 3))"

/** What a row says; texts are the statement's, until its next step. */
typedef struct dv_run_row {
	int64_t id;
	dv_oid oid;
	char hex[DV_OID_HEX_SIZE + 1];
	dv_run_info info;
} dv_run_row;
void dv_run_row_read(dv_run_row *out, sqlite3_stmt *s);
typedef struct dv_artifact_row {
	int64_t id;
	dv_oid oid;
	char hex[DV_OID_HEX_SIZE + 1];
	dv_artifact_info info;
} dv_artifact_row;
void dv_artifact_row_read(dv_artifact_row *out, sqlite3_stmt *s);
/** "COMPLETE" … of an execution's state. */
const char *dv_execution_state_name(int state);

/** What a target names: rows of runs, or of artifacts. */
typedef struct dv_target {
	int64_t *runs, *artifacts;
	size_t nruns, runs_cap, nartifacts, artifacts_cap;
	char *path;	/* when it was a path: relative to the root; owned */
	bool is_now;	/* the artifacts are what stands at the path, as far as pointers tell */
} dv_target;
#define DV_TARGET_INIT { 0 }
void dv_target_release(dv_target *t);
/** DV_ENOTFOUND when nothing is known of it, DV_EUSAGE when an abbreviation is not unique. */
int dv_target_find(dv_target *out, dv_index *x, const char *text) DV_MUST_CHECK;
/** The record of the run that the target is, or of the newest that made it. */
int dv_target_run(dv_index *x, const char *text, dv_oid *oid) DV_MUST_CHECK;
/** The newest run that made one of the artifacts; false when none did. */
int dv_target_maker(dv_index *x, const dv_target *t, dv_oid *oid, bool *found) DV_MUST_CHECK;

/** The filters of a listing, as conditions of SQL with bound values. */
typedef struct dv_filter dv_filter;
int dv_filter_new(dv_filter **out, const char *const *filters, size_t n, bool of_runs)
	DV_MUST_CHECK;
void dv_filter_free(dv_filter *f);
DV_DEFINE_AUTOPTR(dv_filter)
/** " AND (…) AND (…)"; borrowed. */
const char *dv_filter_sql(const dv_filter *f);
/** Binds from parameter `first` on. */
int dv_filter_bind(const dv_filter *f, sqlite3_stmt *s, int first) DV_MUST_CHECK;

#endif
