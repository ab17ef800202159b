/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv import-lfs: content first, then git's settings of the filter, and then the patterns, which
 * make git hand its files to dv. Pointers and history stay: what Git LFS wrote into git is what
 * dv's filter writes.
 */
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/progress.h"
#include "git/drivers.h"
#include "lineage/record.h"
#include "repo/gitignore.h"
#include "repo/record.h"
#include "takeover/lfs_take.h"
#include "takeover/report.h"

typedef struct import {
	dv_repo *repo;
	const dv_import_lfs_options *o;
	dv_take_report report;
	dv_lfs_place place;
	dv_lfs_files files;
	dv_path_list stage;
	dv_pool *pool;
	dv_writer *writer;
	dv_lock lock;
	size_t patterns;	/* .gitattributes files that name Git LFS's filter */
	int64_t start;
} import;

static void import_release(import *m)
{
	dv_writer_free(m->writer);
	dv_pool_free(m->pool);
	dv_lfs_place_release(&m->place);
	dv_lfs_files_release(&m->files);
	dv_path_list_release(&m->stage);
	dv_lock_release(&m->lock);
}

static int tell(import *m, const dv_takeover *t)
{
	return dv_take_tell(&m->report, t);
}

/* -- patterns ---------------------------------------------------------------------------------- */

/* Translates one .gitattributes; written only with `write`. */
static int translate(import *m, const char *path, bool write)
{
	dv_autofree char *abs = dv_repo_abs(m->repo, path);
	dv_auto(dv_buf) text = DV_BUF_INIT, out = DV_BUF_INIT;
	dv_takeover t = { .kind = write ? DV_TAKEN : DV_TAKE_PLANNED, .from = path };
	bool changed;
	int rc = abs ? dv_fs_read_file(&text, abs, DV_GITIGNORE_MAX) : dv_err_nomem();

	if (rc == DV_ENOTFOUND) {
		dv_error_clear();
		return 0;
	}
	if (rc == 0)
		rc = dv_lfs_attributes(&out, dv_buf_str(&text), text.n, &changed);
	if (rc < 0 || !changed)
		return rc;
	m->patterns++;
	if (write && ((rc = dv_scratch_write(&m->repo->scratch, abs, out.p, out.n,
					     DV_ATOMIC_SYNC | DV_ATOMIC_KEEP_MODE)) < 0 ||
		      (rc = dv_path_list_add(&m->stage, path)) < 0))
		return rc;
	return write || m->o->dry ? tell(m, &t) : 0;
}

static int translate_all(import *m, bool write)
{
	bool root = false;
	int rc = 0;

	m->patterns = 0;
	for (size_t i = 0; rc == 0 && i < m->files.attributes.n; i++) {
		root |= !strcmp(m->files.attributes.p[i], ".gitattributes");
		rc = translate(m, m->files.attributes.p[i], write);
	}
	/* One that is not committed yet. */
	return rc || root ? rc : translate(m, ".gitattributes", write);
}

/* -- content ----------------------------------------------------------------------------------- */

static int tell_missing(import *m)
{
	char hex[DV_OID_HEX_SIZE + 1];
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < m->files.n; i++) {
		const dv_lfs_file *f = &m->files.f[i];

		dv_oid_hex(hex, &f->oid);
		if (f->stored) {
			dv_take_count(&m->report, 1, f->size);
		} else {
			rc = tell(m, &(dv_takeover){ .kind = DV_TAKE_MISSING, .from = "HEAD",
						     .path = f->path, .why = hex });
		}
	}
	return rc;
}

static int commit_roots(import *m)
{
	dv_autofree dv_root *roots = dv_calloc(m->files.n + 1, sizeof(*roots));
	size_t n = 0;

	if (!roots)
		return DV_ERROR;
	for (size_t i = 0; i < m->files.n; i++)
		if (m->files.f[i].stored)
			roots[n++] = (dv_root){ .oid = m->files.f[i].oid,
						.path = m->files.f[i].path,
						.project = m->repo->root };
	return dv_writer_commit(m->writer, roots, n);
}

static int keep_record(import *m)
{
	dv_autofree dv_run_path *outs = dv_calloc(m->files.n + 1, sizeof(*outs));
	dv_run run = { .type = "import", .file = ".gitattributes", .outs = outs,
		       .start_us = m->start, .origin = "git-lfs" };

	if (!outs)
		return DV_ERROR;
	for (size_t i = 0; i < m->files.n; i++)
		outs[run.nouts++] = (dv_run_path){ .path = m->files.f[i].path, .has_oid = true,
						   .oid = m->files.f[i].oid,
						   .size = m->files.f[i].size };
	return dv_run_record_import(m->repo, m->writer, &run);
}

static int take_content(import *m)
{
	dv_lfs_taken taken;
	dv_store *store;
	int rc;

	if ((rc = dv_repo_store(m->repo, &store)) < 0 ||
	    (rc = dv_repo_pool(&m->pool, m->repo, m->o->jobs)) < 0 ||
	    (rc = dv_writer_new(&m->writer, store, dv_repo_compression(m->repo))) < 0)
		return rc;
	dv_progress_start("importing", 0, 0);
	rc = dv_lfs_take(m->repo, m->writer, m->pool, &m->place, &m->files, !m->o->no_fetch,
			 &taken);
	dv_progress_end();
	if (rc == 0)
		rc = commit_roots(m);
	return rc ? rc : tell_missing(m);
}

/* -- git --------------------------------------------------------------------------------------- */

/* git-lfs's own hook would look for objects that only dv has from now on. */
static int tell_hook(import *m)
{
	dv_autofree char *path = dv_path_join(m->repo->dirs.commondir, "hooks/pre-push");
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = path ? dv_fs_read_file(&text, path, 1 << 20) : dv_err_nomem();

	if (rc < 0) {
		dv_error_clear();
		return 0;
	}
	if (!strstr(dv_buf_str(&text), "git lfs") && !strstr(dv_buf_str(&text), "git-lfs"))
		return 0;
	return tell(m, &(dv_takeover){ .kind = DV_TAKE_LEFT, .from = ".git/hooks/pre-push",
				       .why = "it calls git-lfs, which fails where dv has the "
					      "objects: run 'git lfs uninstall --local'" });
}

static int hand_over(import *m)
{
	dv_git *git;
	int rc;

	if ((rc = dv_scratch_open(&m->repo->scratch, m->repo->dvdir)) < 0 ||
	    (rc = dv_gitdrivers_write(&m->repo->dirs, DV_DRIVERS_ALL, false, NULL)) < 0 ||
	    (rc = translate_all(m, true)) < 0 || (rc = keep_record(m)) < 0)
		return rc;
	if (m->stage.n && dv_repo_autostage(m->repo, m->o->no_stage) &&
	    ((rc = dv_repo_git(m->repo, &git)) < 0 ||
	     (rc = dv_git_stage(git, (const char *const *)m->stage.p, m->stage.n, NULL, 0)) < 0))
		return rc;
	return tell_hook(m);
}

static int plan(import *m)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < m->files.n; i++) {
		const dv_lfs_file *f = &m->files.f[i];

		m->report.sum.outputs++;
		rc = tell(m, &(dv_takeover){ .kind = DV_TAKE_PLANNED, .from = "HEAD",
					     .path = f->path, .size = f->size });
	}
	return rc;
}

int dv_import_lfs(dv_repo *r, const dv_import_lfs_options *o, dv_takeover_cb cb, void *payload,
		  dv_takeover_summary *out)
{
	__attribute__((cleanup(import_release))) import m = {
		.repo = r, .o = DV_OR_ZERO(o), .report = { .cb = cb, .payload = payload },
		.lock = DV_LOCK_INIT, .start = dv_clock_wall_us(),
	};
	int rc = r->has_git ? 0 : dv_err(DV_ENOTFOUND, "Git LFS needs git, and there is none");

	if (rc == 0 && !m.o->dry)
		rc = dv_repo_lock(r, &m.lock);
	if (rc == 0)
		rc = dv_lfs_place_find(&m.place, r);
	if (rc == 0)
		rc = dv_lfs_files_find(&m.files, r);
	if (rc == 0)
		rc = translate_all(&m, false);
	if (rc == 0 && !m.patterns && !m.files.n)
		rc = dv_err(DV_ENOTFOUND, "there is nothing of Git LFS in '%s'", r->root);
	if (rc == 0)
		rc = m.o->dry ? plan(&m) : take_content(&m);
	if (rc == 0 && !m.o->dry && !m.report.sum.missing)
		rc = hand_over(&m);
	if (out)
		*out = m.report.sum;
	if (rc == 0 && m.report.sum.missing)
		return dv_err_hint(dv_err(DV_EPARTIAL, "some of the content is not here, so the "
					  "patterns of Git LFS stay"),
				   "run 'git lfs fetch' where it can be had, and this again");
	return rc;
}
