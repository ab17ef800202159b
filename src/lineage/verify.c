/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Are the bytes that a run read and made still to be had, and are they what the record says? They
 * may stand in the workspace, in the cache, or in git at the commit from which the run went out.
 */
#include <string.h>

#include "base/sha256.h"
#include "lineage/query.h"
#include "repo/record.h"
#include "repo/scan.h"
#include "store/care.h"

#define GIT_FILE_MAX ((size_t)256 << 20)

typedef struct verify {
	dv_index *index;
	dv_pool *pool;
	dv_scan *scan;
	dv_git *git;
	dv_run_check_cb cb;
	void *payload;
	uint64_t *bad;
	bool quick, damaged;
} verify;
static void verify_release(verify *v)
{
	dv_scan_free(v->scan);
	dv_pool_free(v->pool);
}

static int on_damage(const dv_store_damage *d, void *payload)
{
	verify *v = payload;

	(void)d;
	v->damaged = true;
	return 0;
}

static int look_in_cache(verify *v, const dv_run_path *p, dv_run_check *c)
{
	dv_reader *reader = v->index->reader;
	int rc;

	if (!dv_store_has_object(dv_reader_store(reader), &p->oid))
		return 0;
	if (v->quick) {
		c->in_cache = true;
		return 0;
	}
	v->damaged = false;
	rc = dv_store_check_object(reader, &p->oid, p->is_dir, on_damage, v);
	if (rc == DV_ECORRUPT) {
		dv_error_clear();
		v->damaged = true;
		rc = 0;
	}
	c->is_damaged = v->damaged;
	c->in_cache = !v->damaged;
	return rc;
}

static int look_in_workspace(verify *v, const dv_run_path *p, dv_run_check *c)
{
	dv_autofree char *rel = NULL;
	dv_autofree char *abs = *p->path == '/' ? NULL : dv_repo_abs(v->index->repo, p->path);
	dv_scanned now = { 0 };
	int rc;

	/* The path is a stranger's: it has to lead into the workspace. */
	if (!abs || strstr(p->path, "://") || dv_repo_rel(v->index->repo, abs, &rel) < 0 || !*rel) {
		dv_error_clear();
		return 0;
	}
	rc = dv_scan_path(v->scan, rel, &now);
	if (rc < 0 && rc != DV_ECANCELLED) {
		dv_error_clear();
		rc = 0;
	}
	c->in_workspace = rc == 0 && now.kind && now.kind != 'l' && dv_oid_eq(&now.oid, &p->oid);
	return rc;
}

static int look_in_git(verify *v, const dv_run_doc *d, const dv_run_path *p, dv_run_check *c)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_oid oid;

	if (!v->git || !d->commit || p->is_dir || strlen(d->commit) != DV_GIT_HEX)
		return 0;
	if (dv_git_read_blob(v->git, d->commit, p->path, GIT_FILE_MAX, &text) < 0) {
		dv_error_clear();
		return 0;
	}
	dv_sha256(&oid, text.p, text.n);
	c->in_git = dv_oid_eq(&oid, &p->oid);
	return 0;
}

static int check_paths(verify *v, const dv_run_doc *d, dv_run_check *c, const dv_run_path *p,
		       size_t n)
{
	char hex[DV_OID_HEX_SIZE + 1];
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (!p[i].has_oid)
			continue;
		dv_oid_hex(hex, &p[i].oid);
		c->path = p[i].path;
		c->oid = hex;
		c->in_workspace = c->in_cache = c->in_git = c->is_damaged = false;
		rc = look_in_cache(v, &p[i], c);
		if (rc == 0)
			rc = look_in_workspace(v, &p[i], c);
		if (rc == 0 && !c->in_cache && !c->in_workspace)
			rc = look_in_git(v, d, &p[i], c);
		if (c->is_damaged || (!c->in_cache && !c->in_workspace && !c->in_git &&
				      !dv_oid_is_empty(&p[i].oid)))
			++*v->bad;
		if (rc == 0)
			rc = dv_check_cancel();
		if (rc == 0 && v->cb)
			rc = v->cb(c, v->payload);
	}
	return rc;
}

static int check_run(verify *v, const dv_oid *oid, const char *name)
{
	dv_auto(dv_run_doc) d = DV_RUN_DOC_INIT;
	char hex[DV_OID_HEX_SIZE + 1];
	dv_run_check c = { .run = hex, .name = name };
	int rc = dv_run_doc_load(&d, v->index->reader, oid);

	dv_oid_hex(hex, oid);
	if (rc == 0)
		rc = check_paths(v, &d, &c, d.run.deps, d.run.ndeps);
	c.is_output = true;
	return rc < 0 ? rc : check_paths(v, &d, &c, d.run.outs, d.run.nouts);
}

static int open_verify(verify *v, dv_repo *r)
{
	int rc = dv_repo_pool(&v->pool, r, 0);

	if (rc == 0)
		rc = dv_scan_new(&v->scan, r, v->pool, NULL);
	if (rc == 0 && r->has_git && dv_repo_git(r, &v->git) < 0) {
		v->git = NULL;
		dv_error_clear();
	}
	return rc;
}

int dv_lineage_verify(dv_repo *r, const char *target, bool quick, dv_run_check_cb cb,
		      void *payload, uint64_t *bad)
{
	dv_autoptr(dv_index) x = NULL;
	__attribute__((cleanup(verify_release))) verify v = { .cb = cb, .payload = payload,
							      .bad = bad, .quick = quick };
	dv_autostmt *s = NULL;
	dv_run_row row;
	dv_oid oid;
	int rc = dv_index_open(&x, r);

	*bad = 0;
	v.index = x;
	if (rc == 0)
		rc = open_verify(&v, r);
	if (rc == 0 && target)
		rc = dv_target_run(x, target, &oid);
	if (rc == 0)
		rc = dv_index_prepare(x, &s, target ?
			"SELECT " DV_RUN_COLUMNS " FROM Execution e WHERE external_id = ?1" :
			"SELECT " DV_RUN_COLUMNS " FROM Execution e WHERE last_known_state != 0 "
			"ORDER BY create_time, external_id");
	if (rc == 0 && target)
		sqlite3_bind_blob(s, 1, oid.b, DV_OID_RAW_SIZE, SQLITE_STATIC);
	while (rc == 0 && (rc = dv_index_step(x, s)) > 0) {
		dv_run_row_read(&row, s);
		rc = check_run(&v, &row.oid, row.info.name);
	}
	return rc;
}
