/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stat cache's file: SQLite, one row for each directory of each workspace. Rows are read in one
 * ordered scan and written in one transaction; whatever goes wrong means "no cache", never failure.
 */
#include "repo/statcache.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/path.h"

#define STATE_FILE "state.db"
#define STATE_VERSION 1
#define BUSY_MS 2000
/* So many preloads of parts, then everything is read at once. */
#define PARTS_MAX 16
/* Bytes of rows that a preload keeps, and of rows that wait to be written. */
#define LOADED_MAX ((size_t)24 << 20)
#define WAITING_MAX ((size_t)8 << 20)

struct row {
	char *path;
	uint8_t *data;
	size_t n;
};

struct change {
	char kind;		/* 'd' drop, 'r' rename, 'p' put */
	char *path, *to;
	uint8_t *data;
	size_t n;
};

struct dv_statcache {
	char *dir, *file, *root;
	sqlite3 *db;
	bool tried;		/* opening was tried */
	struct row *rows;	/* sorted by path bytes */
	size_t nrows, rows_cap;
	int parts;		/* preloads so far; PARTS_MAX when all is there */
	size_t loaded;		/* bytes of rows */
	bool partial;		/* there are rows that were not loaded */
	struct change *changes;
	size_t nchanges, changes_cap;
	size_t waiting;		/* bytes of changes */
	pthread_mutex_t lock;	/* guards changes, and db beside get and put */
};

/* -- opening ----------------------------------------------------------------------------------- */

static bool sql(sqlite3 *db, const char *text)
{
	return sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK;
}

static int64_t user_version(sqlite3 *db)
{
	sqlite3_stmt *st = NULL;
	int64_t v = -1;

	if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW)
		v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return v;
}

static void close_db(dv_statcache *c)
{
	sqlite3_close_v2(c->db);
	c->db = NULL;
}

static bool make_schema(sqlite3 *db)
{
	return sql(db, "PRAGMA page_size=16384; PRAGMA journal_mode=WAL;"
		       "BEGIN IMMEDIATE;"
		       "CREATE TABLE IF NOT EXISTS dirs(ws TEXT NOT NULL, path BLOB NOT NULL,"
		       " data BLOB NOT NULL, PRIMARY KEY(ws, path)) WITHOUT ROWID;"
		       "PRAGMA user_version=1; COMMIT");
}

/* 1: open, 0: not there or not usable now, -1: damaged. */
static int try_open(dv_statcache *c, bool create)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);

	if (sqlite3_open_v2(c->file, &c->db, flags, NULL) != SQLITE_OK) {
		close_db(c);
		return 0;
	}
	sqlite3_busy_timeout(c->db, BUSY_MS);
	sqlite3_limit(c->db, SQLITE_LIMIT_LENGTH, 1 << 30);
	int64_t v = user_version(c->db);
	int code = sqlite3_errcode(c->db);
	bool damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
	if (v == 0 && create && make_schema(c->db))
		v = STATE_VERSION;
	if (v == STATE_VERSION && sql(c->db, "PRAGMA synchronous=NORMAL; PRAGMA mmap_size=0;"
					     "PRAGMA cache_size=-4096"))
		return 1;
	close_db(c);
	return damaged || v > STATE_VERSION ? -1 : 0;
}

static void remove_files(const dv_statcache *c)
{
	static const char *const tails[] = { "", "-wal", "-shm", NULL };

	for (const char *const *t = tails; *t; t++) {
		dv_auto(dv_buf) name = DV_BUF_INIT;
		if (!dv_buf_addf(&name, "%s%s", c->file, *t))
			dv_fs_unlinkat(AT_FDCWD, dv_buf_str(&name), 0);
	}
}

static bool open_db(dv_statcache *c, bool create)
{
	if (c->db || (c->tried && !create))
		return c->db != NULL;
	c->tried = true;
	if (create && access(c->dir, F_OK) != 0 && dv_fs_mkdirs(c->dir))
		return false;
	int rc = try_open(c, create);
	if (rc < 0) {
		remove_files(c);
		rc = create ? try_open(c, create) : 0;
	}
	return rc > 0;
}

int dv_statcache_open(dv_statcache **out, const char *dir, const char *root)
{
	dv_autoptr(dv_statcache) c = dv_calloc(1, sizeof(*c));

	*out = NULL;
	if (!c)
		return DV_ERROR;
	pthread_mutex_init(&c->lock, NULL);
	c->dir = dv_strdup(dir);
	c->root = dv_strdup(root);
	c->file = dv_path_join(dir, STATE_FILE);
	if (!c->dir || !c->root || !c->file)
		return dv_err_nomem();
	*out = dv_steal(&c);
	return 0;
}

static void free_changes(dv_statcache *c)
{
	for (size_t i = 0; i < c->nchanges; i++) {
		free(c->changes[i].path);
		free(c->changes[i].to);
		free(c->changes[i].data);
	}
	c->nchanges = 0;
	c->waiting = 0;
}

void dv_statcache_free(dv_statcache *c)
{
	if (!c)
		return;
	close_db(c);
	for (size_t i = 0; i < c->nrows; i++) {
		free(c->rows[i].path);
		free(c->rows[i].data);
	}
	free(c->rows);
	free_changes(c);
	free(c->changes);
	free(c->dir);
	free(c->file);
	free(c->root);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* -- reading ----------------------------------------------------------------------------------- */

static bool add_row(dv_statcache *c, sqlite3_stmt *st)
{
	const void *path = sqlite3_column_blob(st, 0);
	const void *data = sqlite3_column_blob(st, 1);
	size_t pn = (size_t)sqlite3_column_bytes(st, 0), n = (size_t)sqlite3_column_bytes(st, 1);
	struct row r = { .n = n };

	if (dv_grow(&c->rows, &c->rows_cap, c->nrows + 1, sizeof(*c->rows)))
		return false;
	r.path = dv_strndup(path ? path : "", pn);
	r.data = dv_malloc(n ? n : 1);
	if (!r.path || !r.data) {
		free(r.path);
		free(r.data);
		return false;
	}
	if (n)
		memcpy(r.data, data, n);
	c->rows[c->nrows++] = r;
	c->loaded += n;
	return true;
}

static const struct row *find_row(const dv_statcache *c, const char *path)
{
	size_t lo = 0, hi = c->nrows;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int cmp = strcmp(c->rows[mid].path, path);
		if (!cmp)
			return &c->rows[mid];
		if (cmp < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static int compare_rows(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->path, ((const struct row *)b)->path);
}

/* Paths equal to ?2, or from ?2 and '/' up to the next byte after '/'. An empty ?2 is all. */
#define BELOW "ws=?1 AND (path=?2 OR (path>=?3 AND path<?4))"

static void bind_below(sqlite3_stmt *st, const char *root, const char *prefix, dv_buf *from,
		       dv_buf *to)
{
	dv_buf_adds(from, prefix);
	dv_buf_adds(to, prefix);
	if (*prefix) {
		dv_buf_addc(from, '/');
		dv_buf_addc(to, '/' + 1);
	} else {
		dv_buf_add(to, "\xff\xff\xff\xff", 4);
	}
	sqlite3_bind_text(st, 1, root, -1, SQLITE_STATIC);
	sqlite3_bind_blob(st, 2, prefix, (int)strlen(prefix), SQLITE_STATIC);
	sqlite3_bind_blob(st, 3, dv_buf_str(from), (int)from->n, SQLITE_STATIC);
	sqlite3_bind_blob(st, 4, dv_buf_str(to), (int)to->n, SQLITE_STATIC);
}

/* Reads every row that the range ?1 ?2 ?3 ?4 names; false when the table is damaged. */
static bool scan(dv_statcache *c, const char *text, const char *prefix)
{
	dv_auto(dv_buf) from = DV_BUF_INIT;
	dv_auto(dv_buf) to = DV_BUF_INIT;
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(c->db, text, -1, &st, NULL);

	if (rc == SQLITE_OK) {
		bind_below(st, c->root, prefix, &from, &to);
		while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
			c->partial = c->partial || c->loaded > LOADED_MAX;
			if (c->partial || !add_row(c, st))
				break;
		}
	}
	sqlite3_finalize(st);
	return rc == SQLITE_DONE || rc == SQLITE_ROW || rc == SQLITE_BUSY;
}

void dv_statcache_preload(dv_statcache *c, const char *prefix)
{
	size_t had = c->nrows;

	if (c->parts >= PARTS_MAX || c->partial || !open_db(c, false))
		return;
	if (++c->parts >= PARTS_MAX)
		prefix = "";
	if (!*prefix)
		c->parts = PARTS_MAX;
	if (!scan(c, "SELECT path, data FROM dirs WHERE ws=?1 AND path=?2 AND ?3<?4", prefix) ||
	    !scan(c, "SELECT path, data FROM dirs WHERE ws=?1 AND path>=?3 AND path<?4"
		     " AND path<>?2 ORDER BY path", prefix)) {
		close_db(c);
		remove_files(c);
		c->tried = false;
	}
	if (c->nrows == had)
		return;
	/* Preloading twice is rare; rows that came twice are dropped. */
	if (had)
		qsort(c->rows, c->nrows, sizeof(*c->rows), compare_rows);
	size_t n = 1;
	for (size_t i = 1; i < c->nrows; i++) {
		if (strcmp(c->rows[i].path, c->rows[n - 1].path) != 0) {
			c->rows[n++] = c->rows[i];
		} else {
			free(c->rows[i].path);
			free(c->rows[i].data);
		}
	}
	c->nrows = n;
}

/* Reads one row; the lock is held. */
static bool read_row(dv_statcache *c, const char *dir, dv_dircache *out)
{
	sqlite3_stmt *st = NULL;
	void *copy = NULL;
	size_t n = 0;

	if (!open_db(c, false) ||
	    sqlite3_prepare_v2(c->db, "SELECT data FROM dirs WHERE ws=?1 AND path=?2", -1, &st,
			       NULL) != SQLITE_OK)
		return false;
	sqlite3_bind_text(st, 1, c->root, -1, SQLITE_STATIC);
	sqlite3_bind_blob(st, 2, dir, (int)strlen(dir), SQLITE_STATIC);
	if (sqlite3_step(st) == SQLITE_ROW) {
		const void *data = sqlite3_column_blob(st, 0);

		n = (size_t)sqlite3_column_bytes(st, 0);
		copy = data ? dv_malloc(n + 1) : NULL;
		if (copy)
			memcpy(copy, data, n);
	}
	sqlite3_finalize(st);
	if (!copy || dv_dircache_parse(out, copy, n)) {
		free(copy);
		return false;
	}
	out->row = copy;
	return true;
}

bool dv_statcache_get(dv_statcache *c, const char *dir, dv_dircache *out)
{
	const struct row *r = find_row(c, dir);
	bool good;

	*out = (dv_dircache)DV_DIRCACHE_INIT;
	if (r || !c->partial)
		return r && !dv_dircache_parse(out, r->data, r->n);
	pthread_mutex_lock(&c->lock);
	good = read_row(c, dir, out);
	pthread_mutex_unlock(&c->lock);
	return good;
}

bool dv_statcache_get_written(dv_statcache *c, const char *dir, dv_dircache *out)
{
	*out = (dv_dircache)DV_DIRCACHE_INIT;
	return read_row(c, dir, out);
}

/* -- writing ----------------------------------------------------------------------------------- */

static void flush_locked(dv_statcache *c);

static void add_change(dv_statcache *c, char kind, const char *path, const char *to, dv_buf *data)
{
	struct change g = { .kind = kind, .path = dv_strdup(path),
			    .to = to ? dv_strdup(to) : NULL };
	bool good = g.path && (!to || g.to);

	if (data) {
		g.n = data->n;
		g.data = (uint8_t *)dv_buf_detach(data);
		good = good && g.data;
	}
	pthread_mutex_lock(&c->lock);
	if (good && !dv_grow(&c->changes, &c->changes_cap, c->nchanges + 1, sizeof(g))) {
		c->changes[c->nchanges++] = g;
		c->waiting += g.n;
		g = (struct change){ 0 };
	}
	if (c->waiting > WAITING_MAX)
		flush_locked(c);
	pthread_mutex_unlock(&c->lock);
	free(g.path);
	free(g.to);
	free(g.data);
}

static int compare_files(const void *a, const void *b)
{
	return strcmp(((const dv_cached_file *)a)->name, ((const dv_cached_file *)b)->name);
}

void dv_statcache_put(dv_statcache *c, const char *dir, dv_dircache *d)
{
	dv_auto(dv_buf) data = DV_BUF_INIT;

	for (size_t i = 1; i < d->n; i++) {
		if (strcmp(d->files[i - 1].name, d->files[i].name) >= 0) {
			qsort(d->files, d->n, sizeof(*d->files), compare_files);
			break;
		}
	}
	if (!dv_dircache_print(&data, d))
		add_change(c, 'p', dir, NULL, &data);
}

void dv_statcache_drop(dv_statcache *c, const char *prefix)
{
	add_change(c, 'd', prefix, NULL, NULL);
}

void dv_statcache_rename(dv_statcache *c, const char *old, const char *new_)
{
	add_change(c, 'r', old, new_, NULL);
}

static bool step_done(sqlite3_stmt *st)
{
	bool good = sqlite3_step(st) == SQLITE_DONE;

	sqlite3_reset(st);
	return good;
}

static bool write_below(dv_statcache *c, const struct change *g)
{
	dv_auto(dv_buf) from = DV_BUF_INIT;
	dv_auto(dv_buf) to = DV_BUF_INIT;
	sqlite3_stmt *st = NULL;
	const char *text = g->kind == 'd' ?
		"DELETE FROM dirs WHERE " BELOW :
		"UPDATE OR REPLACE dirs SET path=CAST(?5 || substr(path, ?6) AS BLOB) WHERE " BELOW;

	if (sqlite3_prepare_v2(c->db, text, -1, &st, NULL) != SQLITE_OK)
		return false;
	bind_below(st, c->root, g->path, &from, &to);
	if (g->kind == 'r') {
		sqlite3_bind_blob(st, 5, g->to, (int)strlen(g->to), SQLITE_STATIC);
		sqlite3_bind_int64(st, 6, (sqlite3_int64)strlen(g->path) + 1);
	}
	bool good = step_done(st);
	sqlite3_finalize(st);
	return good;
}

static bool write_put(sqlite3_stmt *st, const char *root, const struct change *g)
{
	sqlite3_bind_text(st, 1, root, -1, SQLITE_STATIC);
	sqlite3_bind_blob(st, 2, g->path, (int)strlen(g->path), SQLITE_STATIC);
	sqlite3_bind_blob64(st, 3, g->data, g->n, SQLITE_STATIC);
	return step_done(st);
}

static bool write_kind(dv_statcache *c, char kind, sqlite3_stmt *put)
{
	for (size_t i = 0; i < c->nchanges; i++) {
		const struct change *g = &c->changes[i];
		if (g->kind != kind)
			continue;
		if (kind == 'p' ? !write_put(put, c->root, g) : !write_below(c, g))
			return false;
	}
	return true;
}

static void flush_locked(dv_statcache *c)
{
	sqlite3_stmt *put = NULL;
	dv_error kept;

	if (!c->nchanges)
		return;
	dv_error_take(&kept);
	if (!c->db)
		c->tried = false;
	if (open_db(c, true) && sql(c->db, "BEGIN IMMEDIATE")) {
		bool good = sqlite3_prepare_v2(c->db, "INSERT OR REPLACE INTO dirs(ws, path, data)"
						      " VALUES(?1, ?2, ?3)", -1, &put, NULL) ==
				    SQLITE_OK &&
			    write_kind(c, 'd', put) && write_kind(c, 'r', put) &&
			    write_kind(c, 'p', put);
		sqlite3_finalize(put);
		if (!good || !sql(c->db, "COMMIT"))
			sql(c->db, "ROLLBACK");
	}
	free_changes(c);
	dv_error_put(&kept);
}

void dv_statcache_flush(dv_statcache *c)
{
	pthread_mutex_lock(&c->lock);
	flush_locked(c);
	pthread_mutex_unlock(&c->lock);
}
