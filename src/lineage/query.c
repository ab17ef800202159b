/* SPDX-License-Identifier: Apache-2.0 */
/* Listings of runs and artifacts, and from what a user names to rows. */
#include "lineage/query.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "repo/runlist.h"

/* -- rows -------------------------------------------------------------------------------------- */

const char *dv_execution_state_name(int state)
{
	static const char *const names[] = { "UNKNOWN", "NEW", "RUNNING", "COMPLETE", "FAILED",
					     "CACHED", "CANCELED" };

	return state >= 0 && state < 7 ? names[state] : "UNKNOWN";
}

static const char *text_or_null(sqlite3_stmt *s, int column)
{
	const void *p = sqlite3_column_text(s, column);
	const char *text = p;

	return text && *text ? text : NULL;
}

void dv_run_row_read(dv_run_row *out, sqlite3_stmt *s)
{
	*out = (dv_run_row){ .id = sqlite3_column_int64(s, 0) };
	if (dv_index_oid(s, 1, &out->oid))
		dv_oid_hex(out->hex, &out->oid);
	out->info = (dv_run_info){
		.oid = out->hex, .type = dv_index_text(s, 2), .name = dv_index_text(s, 3),
		.state = dv_execution_state_name(sqlite3_column_int(s, 4)),
		.start_us = sqlite3_column_int64(s, 5), .end_us = sqlite3_column_int64(s, 6),
		.exit_code = sqlite3_column_int(s, 7), .commit = text_or_null(s, 8),
		.dirty = sqlite3_column_type(s, 9) == SQLITE_NULL ? -1 : sqlite3_column_int(s, 9),
		.author = text_or_null(s, 10),
	};
}

void dv_artifact_row_read(dv_artifact_row *out, sqlite3_stmt *s)
{
	*out = (dv_artifact_row){ .id = sqlite3_column_int64(s, 0) };
	bool has = dv_index_oid(s, 2, &out->oid);
	if (has)
		dv_oid_hex(out->hex, &out->oid);
	out->info = (dv_artifact_info){
		.path = dv_index_text(s, 1), .oid = has ? out->hex : NULL,
		.size = (uint64_t)sqlite3_column_int64(s, 3),
		.is_dir = sqlite3_column_type(s, 4) != SQLITE_NULL,
		.nfiles = (uint64_t)sqlite3_column_int64(s, 4),
		.first_us = sqlite3_column_int64(s, 5), .last_us = sqlite3_column_int64(s, 6),
		.made = (uint64_t)sqlite3_column_int64(s, 7),
		.used = (uint64_t)sqlite3_column_int64(s, 8),
	};
}

/* -- listings ---------------------------------------------------------------------------------- */

/* "TIME-KEY": where a page begins. */
static int parse_token(const char *text, int64_t *time, const char **key)
{
	char *end = NULL;

	errno = 0;
	*time = strtoll(text, &end, 10);
	*key = end + 1;
	if (end == text || *end != '-' || errno)
		return dv_err(DV_EUSAGE, "'%s' does not tell where to go on", text);
	return 0;
}

static int list_sql(dv_buf *out, const dv_lineage_list_options *o, const dv_filter *f, bool runs)
{
	const char *key = runs ? "e.external_id" : "a.id", *t = runs ? "e" : "a";
	const char *order = o->reverse ? "ASC" : "DESC";

	dv_buf_addf(out, runs ? "SELECT " DV_RUN_COLUMNS " FROM Execution e WHERE "
				"e.last_known_state != 0"
			      : "SELECT " DV_ARTIFACT_COLUMNS " FROM Artifact a WHERE 1");
	if (o->after)
		dv_buf_addf(out, " AND (%s.create_time, %s) %s (?1, ?2)", t, key,
			    o->reverse ? ">" : "<");
	else
		dv_buf_adds(out, " AND ?1 IS NULL AND ?2 IS NULL");
	dv_buf_addf(out, "%s ORDER BY %s.create_time %s, %s %s", dv_filter_sql(f), t, order, key,
		    order);
	return out->err;
}

static int list_prepare(dv_index *x, const dv_lineage_list_options *o, bool runs,
			sqlite3_stmt **out, dv_filter **filter, dv_oid *oid)
{
	dv_auto(dv_buf) sql = DV_BUF_INIT;
	const char *key = NULL;
	int64_t time = 0;
	int rc = dv_filter_new(filter, o->filters, o->nfilters, runs);

	if (rc == 0 && o->after)
		rc = parse_token(o->after, &time, &key);
	if (rc == 0 && o->after && runs && dv_oid_parse(oid, key, strlen(key)) < 0)
		rc = dv_err(DV_EUSAGE, "'%s' does not tell where to go on", o->after);
	if (rc == 0)
		rc = list_sql(&sql, o, *filter, runs);
	if (rc == 0)
		rc = dv_index_prepare(x, out, dv_buf_str(&sql));
	if (rc < 0)
		return rc;
	if (o->after) {
		sqlite3_bind_int64(*out, 1, time);
		if (runs)
			sqlite3_bind_blob(*out, 2, oid->b, DV_OID_RAW_SIZE, SQLITE_STATIC);
		else
			sqlite3_bind_int64(*out, 2, strtoll(key, NULL, 10));
	}
	return dv_filter_bind(*filter, *out, 3);
}

/* Remembers the last row of a page, and tells it when there is another behind it. */
static int set_next(char **next, int64_t time, const char *key)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	if (!next)
		return 0;
	dv_buf_addf(&b, "%" PRId64 "-%s", time, key);
	free(*next);
	*next = b.err ? NULL : dv_buf_detach(&b);
	return b.err;
}

int dv_runs(dv_repo *r, const dv_lineage_list_options *o, dv_run_cb cb, void *payload, char **next)
{
	dv_autoptr(dv_filter) f = NULL;
	dv_autoptr(dv_index) x = NULL;
	dv_autostmt *s = NULL;
	dv_autofree char *token = NULL;
	dv_run_row row;
	dv_oid oid;

	o = DV_OR_ZERO(o);
	if (next)
		*next = NULL;
	int rc = dv_index_open(&x, r);
	if (rc == 0)
		rc = list_prepare(x, o, true, &s, &f, &oid);
	for (uint64_t n = 0; rc == 0 && (rc = dv_index_step(x, s)) > 0; n++) {
		rc = 0;
		if (o->limit && n == o->limit) {
			if (next)
				*next = dv_steal(&token);
			return 0;
		}
		dv_run_row_read(&row, s);
		rc = set_next(next ? &token : NULL, row.info.start_us, row.hex);
		if (rc == 0)
			rc = cb(&row.info, payload);
	}
	return rc;
}

int dv_artifacts(dv_repo *r, const dv_lineage_list_options *o, dv_artifact_cb cb, void *payload,
		 char **next)
{
	dv_autoptr(dv_filter) f = NULL;
	dv_autoptr(dv_index) x = NULL;
	dv_autostmt *s = NULL;
	dv_autofree char *token = NULL;
	dv_artifact_row row;
	dv_oid oid;
	char id[24];

	o = DV_OR_ZERO(o);
	if (next)
		*next = NULL;
	int rc = dv_index_open(&x, r);
	if (rc == 0)
		rc = list_prepare(x, o, false, &s, &f, &oid);
	for (uint64_t n = 0; rc == 0 && (rc = dv_index_step(x, s)) > 0; n++) {
		rc = 0;
		if (o->limit && n == o->limit) {
			if (next)
				*next = dv_steal(&token);
			return 0;
		}
		dv_artifact_row_read(&row, s);
		snprintf(id, sizeof(id), "%" PRId64, row.id);
		rc = set_next(next ? &token : NULL, row.info.first_us, id);
		if (rc == 0)
			rc = cb(&row.info, payload);
	}
	return rc;
}

/* -- targets ----------------------------------------------------------------------------------- */

void dv_target_release(dv_target *t)
{
	free(t->runs);
	free(t->artifacts);
	free(t->path);
	*t = (dv_target)DV_TARGET_INIT;
}

static int add_ids(dv_index *x, sqlite3_stmt *s, int64_t **list, size_t *n, size_t *cap)
{
	int rc = 0;

	while (rc == 0 && (rc = dv_index_step(x, s)) > 0) {
		rc = dv_grow(list, cap, *n + 1, sizeof(**list));
		if (rc == 0)
			(*list)[(*n)++] = sqlite3_column_int64(s, 0);
	}
	return rc;
}

/* The bounds of all oids that begin with these digits. */
static void hex_range(const char *hex, size_t n, dv_oid *low, dv_oid *high)
{
	char text[DV_OID_HEX_SIZE + 1];

	memset(text, '0', DV_OID_HEX_SIZE);
	memcpy(text, hex, n);
	text[DV_OID_HEX_SIZE] = 0;
	(void)!dv_oid_parse(low, text, DV_OID_HEX_SIZE);
	memset(text, 'f', DV_OID_HEX_SIZE);
	memcpy(text, hex, n);
	(void)!dv_oid_parse(high, text, DV_OID_HEX_SIZE);
}

static int count_of(dv_index *x, const char *sql, const dv_oid *low, const dv_oid *high,
		    int64_t *n)
{
	dv_autostmt *s = NULL;
	int rc = dv_index_prepare(x, &s, sql);

	if (rc < 0)
		return rc;
	sqlite3_bind_blob(s, 1, low->b, DV_OID_RAW_SIZE, SQLITE_STATIC);
	sqlite3_bind_blob(s, 2, high->b, DV_OID_RAW_SIZE, SQLITE_STATIC);
	rc = dv_index_step(x, s);
	*n = rc > 0 ? sqlite3_column_int64(s, 0) : 0;
	return rc < 0 ? rc : 0;
}

static int find_hex(dv_target *t, dv_index *x, const char *hex, const char *said)
{
	static const char *const runs =
		"SELECT id FROM Execution WHERE external_id BETWEEN ?1 AND ?2 AND "
		"last_known_state != 0",
		*const artifacts = "SELECT id FROM Artifact WHERE external_id BETWEEN ?1 AND ?2";
	int64_t nruns = 0, noids = 0;
	dv_autostmt *s = NULL;
	dv_oid low, high;

	hex_range(hex, strlen(hex), &low, &high);
	int rc = count_of(x, "SELECT count(*) FROM Execution WHERE external_id BETWEEN ?1 AND ?2 "
			     "AND last_known_state != 0", &low, &high, &nruns);
	if (rc == 0)
		rc = count_of(x, "SELECT count(DISTINCT external_id) FROM Artifact WHERE "
				 "external_id BETWEEN ?1 AND ?2", &low, &high, &noids);
	if (rc < 0)
		return rc;
	if (nruns + noids > 1)
		return dv_err_hint(dv_err(DV_EUSAGE, "'%s' is the beginning of several oids", said),
				   "give more digits");
	if (nruns + noids == 0)
		return DV_ENOTFOUND;
	rc = dv_index_prepare(x, &s, nruns ? runs : artifacts);
	if (rc < 0)
		return rc;
	sqlite3_bind_blob(s, 1, low.b, DV_OID_RAW_SIZE, SQLITE_STATIC);
	sqlite3_bind_blob(s, 2, high.b, DV_OID_RAW_SIZE, SQLITE_STATIC);
	return nruns ? add_ids(x, s, &t->runs, &t->nruns, &t->runs_cap)
		     : add_ids(x, s, &t->artifacts, &t->nartifacts, &t->artifacts_cap);
}

/* What the pointers and locks say that stands at the path now. */
static int find_now(dv_target *t, dv_index *x, const char *rel)
{
	dv_auto(dv_output_list) l = DV_OUTPUT_LIST_INIT;
	const char *rest = NULL;
	dv_autostmt *s = NULL;
	int rc = dv_repo_outputs(x->repo, &l);
	dv_output *o = rc == 0 ? dv_output_list_holding(&l, rel, &rest) : NULL;

	if (rc < 0) {
		/* Questions about the past are answered although the present is broken. */
		dv_error_clear();
		return 0;
	}
	if (!o)
		return 0;
	rc = dv_index_prepare(x, &s, "SELECT id FROM Artifact WHERE uri = ?1 AND external_id = ?2");
	if (rc < 0)
		return rc;
	sqlite3_bind_blob64(s, 1, o->path, strlen(o->path), SQLITE_STATIC);
	sqlite3_bind_blob(s, 2, o->pointer.oid.b, DV_OID_RAW_SIZE, SQLITE_STATIC);
	rc = add_ids(x, s, &t->artifacts, &t->nartifacts, &t->artifacts_cap);
	t->is_now = t->nartifacts > 0;
	return rc;
}

static int find_path(dv_target *t, dv_index *x, const char *text)
{
	dv_autofree char *rel = NULL;
	dv_autostmt *s = NULL;
	int rc = dv_repo_rel(x->repo, text, &rel);

	if (rc == DV_EUNSAFE || rc == DV_EUSAGE) {
		/* A dep outside the workspace is known by its absolute path or URL. */
		dv_error_clear();
		rc = (rel = dv_strdup(text)) ? 0 : DV_ERROR;
	}
	if (rc == 0)
		rc = dv_index_prepare(x, &s, "SELECT id FROM Artifact WHERE uri = ?1 AND "
					     "length(external_id) ORDER BY last_update_time DESC, "
					     "external_id LIMIT 1");
	if (rc < 0)
		return rc;
	size_t n = strlen(rel);
	if (n > 3 && strcmp(rel + n - 3, ".dv") == 0)
		rel[n -= 3] = 0;
	rc = find_now(t, x, rel);
	if (rc == 0 && t->nartifacts == 0) {
		sqlite3_bind_blob64(s, 1, rel, n, SQLITE_STATIC);
		rc = add_ids(x, s, &t->artifacts, &t->nartifacts, &t->artifacts_cap);
	}
	t->path = dv_steal(&rel);
	return rc < 0 || t->nartifacts ? rc : DV_ENOTFOUND;
}

int dv_target_find(dv_target *out, dv_index *x, const char *text)
{
	dv_auto(dv_target) t = DV_TARGET_INIT;
	const char *hex = dv_oid_digits(text);
	size_t n = strlen(hex);
	bool is_hex = n >= 4 && n <= DV_OID_HEX_SIZE && strspn(hex, "0123456789abcdef") == n;
	int rc = hex == text ? find_path(&t, x, text) : DV_ENOTFOUND;

	*out = (dv_target)DV_TARGET_INIT;
	if (rc == DV_ENOTFOUND && is_hex)
		rc = find_hex(&t, x, hex, text);
	if (rc == DV_ENOTFOUND)
		return dv_err_hint(dv_err(rc, "no run is known that read or made '%s'", text),
				   "see 'dv artifacts ls' and 'dv runs ls' for what is known");
	if (rc < 0)
		return rc;
	*out = t;
	t = (dv_target)DV_TARGET_INIT;
	return 0;
}

static int run_oid(dv_index *x, int64_t id, dv_oid *oid)
{
	dv_autostmt *s = NULL;
	int rc = dv_index_prepare(x, &s, "SELECT external_id FROM Execution WHERE id = ?1");

	if (rc < 0)
		return rc;
	sqlite3_bind_int64(s, 1, id);
	rc = dv_index_step(x, s);
	if (rc > 0 && dv_index_oid(s, 0, oid))
		return 0;
	return rc < 0 ? rc : dv_err(DV_ERROR, "the lineage index is damaged");
}

int dv_target_maker(dv_index *x, const dv_target *t, dv_oid *oid, bool *found)
{
	dv_autostmt *s = NULL;
	int64_t best = INT64_MIN;
	int rc = dv_index_prepare(x, &s, "SELECT e.external_id, e.create_time FROM Event v JOIN "
			"Execution e ON e.id = v.execution_id WHERE v.artifact_id = ?1 AND "
			"v.type = 4 ORDER BY e.create_time DESC, e.external_id DESC LIMIT 1");

	*found = false;
	for (size_t i = 0; rc == 0 && i < t->nartifacts; i++) {
		sqlite3_reset(s);
		sqlite3_bind_int64(s, 1, t->artifacts[i]);
		rc = dv_index_step(x, s);
		if (rc > 0 && sqlite3_column_int64(s, 1) >= best && dv_index_oid(s, 0, oid)) {
			best = sqlite3_column_int64(s, 1);
			*found = true;
		}
		rc = rc < 0 ? rc : 0;
	}
	return rc;
}

int dv_target_run(dv_index *x, const char *text, dv_oid *oid)
{
	dv_auto(dv_target) t = DV_TARGET_INIT;
	bool found = false;
	int rc = dv_target_find(&t, x, text);

	if (rc < 0)
		return rc;
	if (t.nruns)
		return run_oid(x, t.runs[0], oid);
	rc = dv_target_maker(x, &t, oid, &found);
	if (rc == 0 && !found)
		rc = dv_err(DV_ENOTFOUND, "no run is known that made '%s'", text);
	return rc;
}

/* -- one run ----------------------------------------------------------------------------------- */

int dv_run_read(dv_repo *r, const char *run, dv_data_cb cb, void *payload)
{
	dv_autoptr(dv_index) x = NULL;
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_oid oid;
	int rc = dv_index_open(&x, r);

	if (rc == 0)
		rc = dv_target_run(x, run, &oid);
	if (rc == 0)
		rc = dv_object_read(x->reader, &oid, DV_RUN_RECORD_MAX, &text);
	return rc < 0 ? rc : cb(text.p, text.n, payload);
}

int dv_run_log(dv_repo *r, const char *run, dv_data_cb cb, void *payload)
{
	dv_autoptr(dv_index) x = NULL;
	dv_auto(dv_run_doc) d = DV_RUN_DOC_INIT;
	dv_oid oid;
	int rc = dv_index_open(&x, r);

	if (rc == 0)
		rc = dv_target_run(x, run, &oid);
	if (rc == 0)
		rc = dv_run_doc_load(&d, x->reader, &oid);
	if (rc == 0 && !d.run.has_log)
		rc = dv_err(DV_ENOTFOUND, "of this run no output of the command was kept");
	return rc < 0 ? rc : dv_object_stream(x->reader, &d.run.log, 0, UINT64_MAX, cb, payload);
}
