/* SPDX-License-Identifier: Apache-2.0 */
/* The file of the lineage index: made, opened, kept up with the list of runs. See index.h. */
#include "lineage/index.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/progress.h"
#include "repo/runlist.h"

#define VERSION 1
#define BUSY_MS 20000

static const char *const schema =
	"CREATE TABLE Type(id INTEGER PRIMARY KEY, type_kind INTEGER NOT NULL,"
	" name TEXT NOT NULL, UNIQUE(type_kind, name));"
	"CREATE TABLE TypeProperty(type_id INTEGER NOT NULL REFERENCES Type, name TEXT NOT NULL,"
	" data_type INTEGER NOT NULL, PRIMARY KEY(type_id, name)) WITHOUT ROWID;"
	"CREATE TABLE Artifact(id INTEGER PRIMARY KEY, type_id INTEGER NOT NULL REFERENCES Type,"
	" uri BLOB NOT NULL, external_id BLOB NOT NULL, state INTEGER NOT NULL, size INTEGER,"
	" nfiles INTEGER, create_time INTEGER NOT NULL, last_update_time INTEGER NOT NULL);"
	"CREATE UNIQUE INDEX ArtifactByUri ON Artifact(uri, external_id);"
	"CREATE INDEX ArtifactByOid ON Artifact(external_id);"
	"CREATE INDEX ArtifactByTime ON Artifact(create_time, id);"
	"CREATE TABLE ArtifactProperty(artifact_id INTEGER NOT NULL REFERENCES Artifact,"
	" is_custom_property INTEGER NOT NULL, name TEXT NOT NULL, int_value INTEGER,"
	" double_value REAL, string_value TEXT, bool_value INTEGER,"
	" PRIMARY KEY(artifact_id, is_custom_property, name)) WITHOUT ROWID;"
	"CREATE TABLE Execution(id INTEGER PRIMARY KEY, type_id INTEGER NOT NULL,"
	" name TEXT, external_id BLOB NOT NULL UNIQUE, last_known_state INTEGER NOT NULL,"
	" create_time INTEGER NOT NULL, last_update_time INTEGER NOT NULL, exit_code INTEGER,"
	" git_commit BLOB, dirty INTEGER, author TEXT);"
	"CREATE INDEX ExecutionByTime ON Execution(create_time, external_id);"
	"CREATE INDEX ExecutionByName ON Execution(name, create_time);"
	"CREATE TABLE ExecutionProperty(execution_id INTEGER NOT NULL REFERENCES Execution,"
	" is_custom_property INTEGER NOT NULL, name TEXT NOT NULL, int_value INTEGER,"
	" double_value REAL, string_value TEXT, bool_value INTEGER,"
	" PRIMARY KEY(execution_id, is_custom_property, name)) WITHOUT ROWID;"
	"CREATE TABLE Event(execution_id INTEGER NOT NULL REFERENCES Execution,"
	" type INTEGER NOT NULL, artifact_id INTEGER NOT NULL REFERENCES Artifact,"
	" PRIMARY KEY(execution_id, type, artifact_id)) WITHOUT ROWID;"
	"CREATE INDEX EventByArtifact ON Event(artifact_id, type);"
	"CREATE TABLE Part(whole INTEGER NOT NULL REFERENCES Artifact,"
	" part INTEGER NOT NULL REFERENCES Artifact, PRIMARY KEY(whole, part)) WITHOUT ROWID;"
	"CREATE TABLE Context(id INTEGER PRIMARY KEY, type_id INTEGER NOT NULL REFERENCES Type,"
	" name TEXT NOT NULL, create_time INTEGER NOT NULL, last_update_time INTEGER NOT NULL,"
	" UNIQUE(type_id, name));"
	"CREATE TABLE ContextProperty(context_id INTEGER NOT NULL REFERENCES Context,"
	" is_custom_property INTEGER NOT NULL, name TEXT NOT NULL, int_value INTEGER,"
	" double_value REAL, string_value TEXT, bool_value INTEGER, stamp BLOB NOT NULL,"
	" PRIMARY KEY(context_id, is_custom_property, name)) WITHOUT ROWID;"
	"CREATE TABLE ParentContext(context_id INTEGER NOT NULL,"
	" parent_context_id INTEGER NOT NULL, stamp BLOB NOT NULL, gone INTEGER NOT NULL,"
	" PRIMARY KEY(context_id, parent_context_id)) WITHOUT ROWID;"
	"CREATE TABLE Association(context_id INTEGER NOT NULL, execution_id INTEGER NOT NULL,"
	" stamp BLOB NOT NULL, gone INTEGER NOT NULL,"
	" PRIMARY KEY(context_id, execution_id)) WITHOUT ROWID;"
	"CREATE TABLE Attribution(context_id INTEGER NOT NULL, artifact_id INTEGER NOT NULL,"
	" stamp BLOB NOT NULL, gone INTEGER NOT NULL,"
	" PRIMARY KEY(context_id, artifact_id)) WITHOUT ROWID;"
	"CREATE TABLE Missing(oid BLOB PRIMARY KEY, bad INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE Place(list_end INTEGER NOT NULL, last BLOB NOT NULL);"
	"INSERT INTO Place VALUES(0, x'');";

/* -- SQLite ------------------------------------------------------------------------------------ */

int dv_index_fail(dv_index *x, const char *what)
{
	return dv_err_hint(dv_err(DV_ERROR, "%s: %s", what,
				  x->db ? sqlite3_errmsg(x->db) : "out of memory"),
			   "run 'dv db rebuild' to make the index anew");
}

int dv_index_prepare(dv_index *x, sqlite3_stmt **out, const char *sql)
{
	*out = NULL;
	if (sqlite3_prepare_v2(x->db, sql, -1, out, NULL) == SQLITE_OK)
		return 0;
	return dv_index_fail(x, "the lineage index does not answer");
}

int dv_index_step(dv_index *x, sqlite3_stmt *s)
{
	int code = sqlite3_step(s);

	if (code == SQLITE_ROW || code == SQLITE_DONE)
		return code == SQLITE_ROW;
	return dv_index_fail(x, "the lineage index failed");
}

const char *dv_index_text(sqlite3_stmt *s, int column)
{
	const void *p = sqlite3_column_text(s, column);

	return p ? p : "";
}

bool dv_index_oid(sqlite3_stmt *s, int column, dv_oid *out)
{
	const void *p = sqlite3_column_blob(s, column);

	if (!p || sqlite3_column_bytes(s, column) != DV_OID_RAW_SIZE)
		return false;
	memcpy(out->b, p, DV_OID_RAW_SIZE);
	return true;
}

static bool run_sql(dv_index *x, const char *sql)
{
	return sqlite3_exec(x->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static int64_t number(dv_index *x, const char *sql)
{
	dv_autostmt *s = NULL;

	if (sqlite3_prepare_v2(x->db, sql, -1, &s, NULL) != SQLITE_OK ||
	    sqlite3_step(s) != SQLITE_ROW)
		return -1;
	return sqlite3_column_int64(s, 0);
}

/* -- the file ---------------------------------------------------------------------------------- */

static bool set_up(dv_index *x)
{
	char version[40];

	sqlite3_busy_timeout(x->db, BUSY_MS);
	/* What is lost with the power is made anew from the records. */
	if (!run_sql(x, "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA cache_size=-65536;"
			"PRAGMA mmap_size=268435456;"))
		return false;
	if (number(x, "PRAGMA user_version") == VERSION)
		return true;
	if (!run_sql(x, "BEGIN IMMEDIATE"))
		return false;
	if (number(x, "PRAGMA user_version") == 0) {
		snprintf(version, sizeof(version), "PRAGMA user_version=%d", VERSION);
		if (!run_sql(x, schema) || !run_sql(x, version)) {
			run_sql(x, "ROLLBACK");
			return false;
		}
	}
	return run_sql(x, "COMMIT") && number(x, "PRAGMA user_version") == VERSION;
}

static void close_db(dv_index *x)
{
	dv_index_statements_free(x->st);
	x->st = NULL;
	sqlite3_close(x->db);
	x->db = NULL;
}

static bool open_db(dv_index *x, const char *path)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;

	if (sqlite3_open_v2(path, &x->db, flags, NULL) == SQLITE_OK && set_up(x))
		return true;
	close_db(x);
	return false;
}

static void remove_db(const char *path)
{
	static const char *const tails[] = { "", "-wal", "-shm", NULL };

	for (const char *const *t = tails; *t; t++) {
		dv_auto(dv_buf) name = DV_BUF_INIT;

		if (!dv_buf_addf(&name, "%s%s", path, *t))
			dv_fs_unlinkat(AT_FDCWD, dv_buf_str(&name), 0);
	}
}

/* One of a later version, or damaged, is made anew; where none can be, it is made in memory. */
static int open_any(dv_index *x, bool anew)
{
	dv_autofree char *path = dv_path_join(x->repo->dvdir, DV_INDEX_FILE);

	if (!path)
		return DV_ERROR;
	if (anew)
		remove_db(path);
	if (open_db(x, path))
		return 0;
	if (!anew && dv_fs_mkdirs(x->repo->dvdir) == 0) {
		remove_db(path);
		if (open_db(x, path))
			return 0;
	}
	dv_error_clear();
	x->in_memory = true;
	return open_db(x, ":memory:") ? 0 : dv_err(DV_ERROR, "cannot open the lineage index");
}

/* -- keeping up -------------------------------------------------------------------------------- */

static int exec_oid(dv_index *x, const char *sql, const dv_oid *oid)
{
	dv_autostmt *s = NULL;
	int rc = dv_index_prepare(x, &s, sql);

	if (rc < 0)
		return rc;
	sqlite3_bind_blob(s, 1, oid->b, DV_OID_RAW_SIZE, SQLITE_STATIC);
	rc = dv_index_step(x, s);
	return rc < 0 ? rc : 0;
}

/* One record of the list. What is not here is noted, and tried again another time; what is no
 * record that this dv can read is noted as such. */
static int take(dv_index *x, const dv_oid *oid, bool *there)
{
	dv_auto(dv_run_doc) d = DV_RUN_DOC_INIT;
	char hex[DV_OID_HEX_SIZE + 1];
	int rc;

	*there = dv_store_has_object(dv_reader_store(x->reader), oid);
	if (!*there)
		return exec_oid(x, "INSERT OR IGNORE INTO Missing VALUES(?1, 0)", oid);
	rc = dv_run_doc_load(&d, x->reader, oid);
	if (rc == 0 || rc == DV_ECANCELLED)
		return rc < 0 ? rc : dv_index_take(x, oid, &d);
	dv_oid_hex(hex, oid);
	dv_warn("a run record is left out: %s", dv_error_last()->message);
	dv_error_clear();
	*there = false;
	return exec_oid(x, "INSERT OR REPLACE INTO Missing VALUES(?1, 1)", oid);
}

static int take_missing(dv_index *x)
{
	dv_autofree dv_oid *ids = NULL;
	size_t n = 0, cap = 0;
	dv_autostmt *s = NULL;
	int rc = dv_index_prepare(x, &s, "SELECT oid FROM Missing WHERE NOT bad"), row = 0;

	while (rc == 0 && (row = dv_index_step(x, s)) > 0) {
		rc = dv_grow(&ids, &cap, n + 1, sizeof(*ids));
		if (rc == 0 && dv_index_oid(s, 0, &ids[n]) &&
		    dv_store_has_object(dv_reader_store(x->reader), &ids[n]))
			n++;
	}
	sqlite3_reset(s);
	if (row < 0)
		return row;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		bool there = false;

		rc = take(x, &ids[i], &there);
		if (rc == 0 && there)
			rc = exec_oid(x, "DELETE FROM Missing WHERE oid = ?1", &ids[i]);
	}
	return rc;
}

/* The place in the list up to which it was read, and what stood last before it: another list, as of
 * a folder that was copied, has something else there. */
static int read_place(dv_index *x, uint64_t *end, dv_oid *last, bool *has)
{
	dv_autostmt *s = NULL;
	int rc = dv_index_prepare(x, &s, "SELECT list_end, last FROM Place");

	if (rc == 0)
		rc = dv_index_step(x, s);
	if (rc <= 0)
		return rc < 0 ? rc : dv_err(DV_ERROR, "the lineage index is damaged");
	*end = (uint64_t)sqlite3_column_int64(s, 0);
	*has = dv_index_oid(s, 1, last);
	return 0;
}

static int write_place(dv_index *x, uint64_t end, const dv_oid *last)
{
	dv_autostmt *s = NULL;
	int rc = dv_index_prepare(x, &s, "UPDATE Place SET list_end = ?1, last = ?2");

	if (rc < 0)
		return rc;
	sqlite3_bind_int64(s, 1, (sqlite3_int64)end);
	sqlite3_bind_blob(s, 2, last->b, DV_OID_RAW_SIZE, SQLITE_STATIC);
	rc = dv_index_step(x, s);
	return rc < 0 ? rc : 0;
}

#define LAST_LINES 1024u
/* Is the list still the one that was read? */
static int same_list(dv_index *x, uint64_t end, const dv_oid *last, bool has, bool *same)
{
	dv_auto(dv_run_list) l = DV_RUN_LIST_INIT;
	int rc;

	*same = end == 0;
	if (end == 0 || !has)
		return 0;
	rc = dv_run_list_read(&l, x->repo, end > LAST_LINES ? end - LAST_LINES : 0);
	for (size_t i = 0; rc == 0 && i < l.n && !*same; i++)
		*same = dv_oid_eq(&l.items[i].oid, last);
	if (l.end < end)
		*same = false;
	return rc;
}

static int catch_up(dv_index *x)
{
	dv_auto(dv_run_list) l = DV_RUN_LIST_INIT;
	uint64_t end = 0;
	dv_oid last;
	bool has = false;
	int rc = read_place(x, &end, &last, &has);

	if (rc == 0)
		rc = dv_run_list_read(&l, x->repo, end);
	if (rc == 0)
		rc = take_missing(x);
	if (l.n > 1000)
		dv_progress_start("indexing runs", 0, l.n);
	for (size_t i = 0; rc == 0 && i < l.n; i++) {
		bool there;

		if (l.items[i].kind == DV_RUN_ITEM_RECORD)
			rc = take(x, &l.items[i].oid, &there);
		if (rc == 0 && i % 256 == 0)
			rc = dv_check_cancel();
		if (l.n > 1000)
			dv_progress_add(0, 1);
		x->taken++;
	}
	if (l.n > 1000)
		dv_progress_end();
	if (rc == 0 && l.n)
		rc = write_place(x, l.end, &l.items[l.n - 1].oid);
	return rc;
}

/* Cheap where nothing is new, which is the rule: then nothing is written. */
static int sync_index(dv_index *x, bool *foreign)
{
	dv_auto(dv_run_list) l = DV_RUN_LIST_INIT;
	uint64_t end = 0;
	dv_oid last;
	bool has = false, same = false;
	int rc = read_place(x, &end, &last, &has);

	*foreign = false;
	if (rc == 0)
		rc = same_list(x, end, &last, has, &same);
	if (rc < 0)
		return rc;
	if (!same) {
		*foreign = true;
		return 0;
	}
	rc = dv_run_list_read(&l, x->repo, end);
	if (rc < 0 || (l.n == 0 && number(x, "SELECT count(*) FROM Missing WHERE NOT bad") == 0))
		return rc;
	if (!run_sql(x, "BEGIN IMMEDIATE"))
		return dv_index_fail(x, "cannot write the lineage index");
	rc = dv_index_statements_new(x);
	if (rc == 0)
		rc = catch_up(x);
	dv_index_statements_free(x->st);
	x->st = NULL;
	if (rc < 0) {
		dv_error e;

		dv_error_take(&e);
		run_sql(x, "ROLLBACK");
		return dv_error_put(&e);
	}
	return run_sql(x, "COMMIT") ? 0 : dv_index_fail(x, "cannot write the lineage index");
}

static int open_index(dv_index **out, dv_repo *r, bool anew)
{
	dv_autoptr(dv_index) x = dv_calloc(1, sizeof(*x));
	dv_store *s = NULL;
	bool foreign = false;
	int rc = x ? dv_repo_store_look(r, &s) : DV_ERROR;

	*out = NULL;
	if (rc < 0)
		return rc;
	x->repo = r;
	if ((rc = dv_reader_new(&x->reader, s)) < 0 || (rc = open_any(x, anew)) < 0)
		return rc;
	rc = sync_index(x, &foreign);
	if (rc == 0 && foreign) {
		close_db(x);
		if ((rc = open_any(x, true)) == 0)
			rc = sync_index(x, &foreign);
	}
	if (rc < 0)
		return rc;
	int64_t missing = number(x, "SELECT count(*) FROM Missing");
	x->missing = missing > 0 ? (uint64_t)missing : 0;
	*out = dv_steal(&x);
	return 0;
}

int dv_index_open(dv_index **out, dv_repo *r)
{
	return open_index(out, r, false);
}

int dv_index_rebuild(dv_index **out, dv_repo *r)
{
	return open_index(out, r, true);
}

void dv_index_free(dv_index *x)
{
	if (!x)
		return;
	close_db(x);
	dv_reader_free(x->reader);
	free(x);
}
