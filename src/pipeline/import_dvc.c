/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv import-dvc. The order is that of everything: content durable in the store, then pointers and
 * lock files, then git's index, and only then, if asked for, DVC's own files go. Whatever stops it
 * leaves a repository of DVC's as it was, and the next call goes on.
 */
#include "pipeline/import_dvc.h"

#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/progress.h"
#include "base/url.h"
#include "lineage/record.h"
#include "repo/config_keys.h"
#include "takeover/report.h"

/* Files of DVC's; what is needed as long as something is missing comes behind the pointers. */
#define NLISTS 4
#define FOUND_LISTS(m) { &(m)->found.pointers, &(m)->found.pipelines, &(m)->found.locks, \
			 &(m)->found.ignores }

typedef struct import {
	dv_repo *repo;
	const dv_import_dvc_options *o;
	dv_take_report report;
	dv_arena arena;
	dv_dvc_found found;
	dv_seen *was[NLISTS];	/* what the found files were like before they were read */
	dv_dvc_settings settings;
	dv_dvc_mapping mapping;
	dv_dvc_remote remote;
	dv_dvc_outs outs;
	dv_dvc_lock *locks;
	size_t nlocks;
	dv_output_list known;		/* outputs that dv has already */
	dv_path_list stage, drop, ignored;
	const char *cache;
	dv_lock lock;
	dv_dvc_take *take;
	dv_writer *writer;
	dv_pool *pool;
	bool incomplete;		/* something of DVC's is still needed */
	int64_t start;
} import;

static void import_release(import *m)
{
	dv_dvc_take_free(m->take);
	dv_writer_free(m->writer);
	dv_pool_free(m->pool);
	for (size_t i = 0; i < m->nlocks; i++)
		dv_pipeline_release(&m->locks[i].pipeline);
	dv_dvc_found_release(&m->found);
	dv_dvc_settings_release(&m->settings);
	dv_output_list_release(&m->known);
	dv_path_list_release(&m->stage);
	dv_path_list_release(&m->drop);
	dv_path_list_release(&m->ignored);
	dv_arena_release(&m->arena);
	dv_lock_release(&m->lock);
}

static int tell(import *m, const dv_takeover *t)
{
	return dv_take_tell(&m->report, t);
}

/* Something of DVC's stays as it is. */
static int leave(import *m, const char *from, const char *path, const char *why)
{
	m->incomplete = true;
	return tell(m, &(dv_takeover){ .kind = DV_TAKE_LEFT, .from = from, .path = path,
				       .why = why });
}

/* Of one file, whose failure is none of the others. */
static int leave_failed(import *m, const char *from, int rc)
{
	dv_autofree char *why = dv_strdup(dv_error_last()->message);

	if (rc == DV_ECANCELLED || !why)
		return rc;
	dv_error_clear();
	return leave(m, from, NULL, why);
}

/* -- reading ----------------------------------------------------------------------------------- */

static int read_text(import *m, const char *path, size_t max, dv_buf *out)
{
	dv_autofree char *abs = dv_repo_abs(m->repo, path);

	return abs ? dv_fs_read_file(out, abs, max) : dv_err_nomem();
}

static int read_pointers(import *m)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < m->found.pointers.n; i++) {
		const char *from = m->found.pointers.p[i];
		dv_auto(dv_buf) text = DV_BUF_INIT;

		rc = read_text(m, from, DV_DVC_FILE_MAX, &text);
		if (rc == 0)
			rc = dv_dvc_file_parse(&m->outs, &m->arena, dv_buf_str(&text), text.n,
					       from);
		if (rc < 0)
			rc = leave_failed(m, from, rc);
	}
	return rc;
}

static const char *folder_of(dv_arena *a, const char *path)
{
	const char *slash = strrchr(path, '/');

	return dv_arena_strndup(a, path, slash ? (size_t)(slash - path) : 0);
}

static int read_lock(import *m, dv_dvc_lock *l, const char *path)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	const char *pipeline;
	int rc;

	l->path = path;
	l->dir = folder_of(&m->arena, path);
	pipeline = l->dir ? dv_arena_printf(&m->arena, "%s%sdvc.yaml", l->dir, *l->dir ? "/" : "")
			  : NULL;
	if (!pipeline)
		return DV_ERROR;
	rc = dv_pipeline_load_file(&l->pipeline, m->repo, pipeline);
	if (rc < 0)
		return leave_failed(m, pipeline, rc);
	if ((rc = read_text(m, path, DV_DVC_LOCK_MAX, &text)) == 0)
		rc = dv_dvc_lock_parse(l, &m->arena, dv_buf_str(&text), text.n, path);
	if (rc == 0)
		rc = dv_dvc_lock_outs(l, &m->arena, &m->outs);
	return rc < 0 ? leave_failed(m, path, rc) : 0;
}

static int read_locks(import *m)
{
	int rc = 0;

	m->locks = dv_arena_alloc(&m->arena, (m->found.locks.n + 1) * sizeof(*m->locks));
	if (!m->locks)
		return DV_ERROR;
	for (size_t i = 0; rc == 0 && i < m->found.locks.n; i++)
		rc = read_lock(m, &m->locks[m->nlocks++], m->found.locks.p[i]);
	return rc;
}

/* What is inside an output that dv has, or that DVC names twice, is left alone. */
static int check_places(import *m)
{
	dv_auto(dv_map) seen = DV_MAP_INIT;
	int rc = dv_repo_outputs(m->repo, &m->known);

	for (size_t i = 0; rc == 0 && i < m->outs.n; i++) {
		dv_dvc_out *o = &m->outs.o[i];
		const char *rest;
		const dv_output *holder = dv_output_list_holding(&m->known, o->path, &rest);
		dv_oid key;
		bool added;

		dv_sha256(&key, o->path, strlen(o->path));
		rc = dv_map_add(&seen, &key, i, &added);
		if (o->state != DV_DVC_OPEN || rc < 0)
			continue;
		if (!added)
			o->why = "it is named twice";
		else if (holder && *rest)
			o->why = "it lies in an output that dv has";
		if (o->why)
			o->state = DV_DVC_UNSUPPORTED;
	}
	return rc;
}

/* What the files are like that are read now. */
static int look_at_found(import *m)
{
	const dv_path_list *const lists[] = FOUND_LISTS(m);

	for (size_t k = 0; k < NLISTS; k++) {
		m->was[k] = dv_arena_alloc(&m->arena, (lists[k]->n + 1) * sizeof(**m->was));
		if (!m->was[k])
			return DV_ERROR;
		for (size_t i = 0; i < lists[k]->n; i++) {
			dv_autofree char *abs = dv_repo_abs(m->repo, lists[k]->p[i]);
			struct stat st;

			if (!abs)
				return dv_err_nomem();
			m->was[k][i] = (dv_seen){ 0 };
			if (lstat(abs, &st) == 0)
				m->was[k][i] = dv_seen_of(&st);
		}
	}
	return 0;
}

static int read_all(import *m)
{
	struct stat st;
	dv_autofree char *folder = dv_repo_abs(m->repo, DV_DVC_FOLDER);
	int rc = folder ? dv_dvc_find(m->repo, &m->found) : dv_err_nomem();

	if (rc == 0)
		rc = look_at_found(m);
	if (rc < 0)
		return rc;
	if (!m->found.pointers.n && !m->found.pipelines.n && lstat(folder, &st) < 0)
		return dv_err(DV_ENOTFOUND, "there is nothing of DVC in '%s'", m->repo->root);
	if ((rc = dv_dvc_settings_read(&m->settings, m->repo)) < 0 ||
	    (rc = dv_dvc_settings_map(&m->settings, m->repo, true, &m->mapping)) < 0 ||
	    (rc = read_pointers(m)) < 0 || (rc = read_locks(m)) < 0)
		return rc;
	m->cache = m->o->cache ? m->o->cache : dv_dvc_cache_dir(&m->settings, m->repo);
	return m->cache ? check_places(m) : DV_ERROR;
}

/* -- what would be done ------------------------------------------------------------------------ */

static int plan_out(import *m, const dv_dvc_out *o)
{
	dv_autofree char *abs = dv_repo_abs(m->repo, o->path);
	dv_takeover t = { .kind = DV_TAKE_PLANNED, .from = o->from, .path = o->path,
			  .size = o->said_size };
	struct stat st;

	if (!abs)
		return dv_err_nomem();
	if (o->state == DV_DVC_UNSUPPORTED)
		return leave(m, o->from, o->path, o->why);
	m->report.sum.outputs++;
	t.why = !lstat(abs, &st) ? "in the workspace" :
		dv_dvc_cache_has(m->cache, &o->name) ? "in DVC's cache" :
						       "not in the workspace or DVC's cache";
	return tell(m, &t);
}

static int plan(import *m)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < m->outs.n; i++)
		rc = plan_out(m, &m->outs.o[i]);
	for (size_t i = 0; rc == 0 && i < m->found.pipelines.n; i++)
		rc = tell(m, &(dv_takeover){ .kind = DV_TAKE_PLANNED,
					     .from = m->found.pipelines.p[i] });
	for (size_t i = 0; rc == 0 && i < m->mapping.n; i++) {
		const dv_dvc_mapped *s = &m->mapping.m[i];

		rc = s->key ? tell(m, &(dv_takeover){ .kind = DV_TAKE_PLANNED, .from = s->from,
						     .to = s->key })
			    : leave(m, s->from, NULL, s->why);
	}
	return rc;
}

/* -- settings and patterns --------------------------------------------------------------------- */

static int set_one(import *m, dv_dvc_mapped *s)
{
	enum dv_config_level level = s->local ? DV_CONFIG_LOCAL : DV_CONFIG_REPO;
	const char *old = dv_config_string(&m->repo->config, s->key, NULL);
	dv_takeover t = { .kind = DV_TAKEN, .from = s->from, .to = s->key };
	int rc;

	m->report.sum.settings++;
	if (old && strcmp(old, s->value) != 0)
		return leave(m, s->from, NULL, "dv has another value, which stays");
	s->done = true;
	if (old) {
		t.kind = DV_TAKEN_BEFORE;
		return tell(m, &t);
	}
	rc = dv_config_check(s->key, s->value);
	if (rc == 0)
		rc = dv_config_set(m->repo, level, s->key, s->value);
	s->done = rc == 0;
	if (rc < 0)
		return leave_failed(m, s->from, rc);
	if (level == DV_CONFIG_REPO && (rc = dv_path_list_add(&m->stage, ".dv/config")) < 0)
		return rc;
	return tell(m, &t);
}

static int take_settings(import *m)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < m->mapping.n; i++) {
		dv_dvc_mapped *s = &m->mapping.m[i];
		const bool needed = m->incomplete;

		rc = s->key ? set_one(m, s) : leave(m, s->from, NULL, s->why);
		/* Settings that cannot be had keep no data with DVC. */
		m->incomplete = needed;
	}
	return rc;
}

/* Is the line there already? */
static bool has_line(const dv_buf *text, const char *line, size_t n)
{
	const char *p = dv_buf_str(text);

	while (*p) {
		size_t k = strcspn(p, "\n");

		if (k == n && !memcmp(p, line, n))
			return true;
		p += k + (p[k] == '\n');
	}
	return false;
}

/* The patterns of .dvcignore into the .dvignore beside it. */
static int take_patterns(import *m, const char *from)
{
	const char *dir = folder_of(&m->arena, from);
	const char *to = dir ? dv_arena_printf(&m->arena, "%s%s" DV_IGNORE_FILE, dir,
					       *dir ? "/" : "") : NULL;
	dv_autofree char *abs = to ? dv_repo_abs(m->repo, to) : NULL;
	dv_auto(dv_buf) text = DV_BUF_INIT, out = DV_BUF_INIT;
	int rc = abs ? read_text(m, from, DV_IGNORE_FILE_MAX, &text) : dv_err_nomem();

	if (rc == 0)
		rc = dv_fs_read_file(&out, abs, DV_IGNORE_FILE_MAX);
	if (rc == DV_ENOTFOUND) {
		dv_error_clear();
		rc = 0;
	}
	const size_t before = out.n;
	for (const char *p = dv_buf_str(&text); rc == 0 && *p;) {
		size_t n = strcspn(p, "\n"), k = n && p[n - 1] == '\r' ? n - 1 : n;

		if (k && *p != '#' && !has_line(&out, p, k)) {
			if (out.n && out.p[out.n - 1] != '\n')
				dv_buf_addc(&out, '\n');
			dv_buf_add(&out, p, k);
			rc = dv_buf_addc(&out, '\n');
		}
		p += n + (p[n] == '\n');
	}
	if (rc < 0 || out.n == before)
		return rc;
	if ((rc = dv_scratch_write(&m->repo->scratch, abs, out.p, out.n, DV_ATOMIC_SYNC)) < 0 ||
	    (rc = dv_path_list_add(&m->stage, to)) < 0)
		return rc;
	return tell(m, &(dv_takeover){ .kind = DV_TAKEN, .from = from, .to = to });
}

static int take_all_patterns(import *m)
{
	dv_autoptr(dv_ignore) fresh = NULL;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < m->found.ignores.n; i++)
		rc = take_patterns(m, m->found.ignores.p[i]);
	if (rc == 0)
		rc = dv_ignore_new(&fresh, m->repo->root);
	if (rc < 0)
		return rc;
	dv_ignore_free(m->repo->ignore);
	m->repo->ignore = dv_steal(&fresh);
	return 0;
}

/* -- content ----------------------------------------------------------------------------------- */

static int open_remote(void *ctx, dv_foreign **out)
{
	import *m = ctx;

	return dv_dvc_remote_open(out, &m->remote, &m->settings, m->repo, m->o->remote);
}

static int tell_missing(const dv_dvc_out *o, const char *path, const char *md5, void *ctx)
{
	import *m = ctx;

	m->incomplete = true;
	return tell(m, &(dv_takeover){ .kind = DV_TAKE_MISSING, .from = o->from, .path = path,
				       .why = md5 });
}

static int take_content(import *m)
{
	dv_autofree dv_dvc_out **outs = dv_calloc(m->outs.n + 1, sizeof(*outs));
	dv_dvc_take_options o = { .repo = m->repo, .cache = m->cache, .ctx = m,
				  .open_remote = m->o->no_fetch ? NULL : open_remote };
	dv_store *store;
	int rc = outs ? dv_repo_store(m->repo, &store) : DV_ERROR;

	for (size_t i = 0; i < m->outs.n && outs; i++) {
		outs[i] = &m->outs.o[i];
		o.dos2unix |= outs[i]->name.dos2unix;
		o.plain |= !outs[i]->name.dos2unix;
	}
	if (rc == 0)
		rc = dv_repo_pool(&m->pool, m->repo, m->o->jobs);
	if (rc == 0)
		rc = dv_writer_new(&m->writer, store, dv_repo_compression(m->repo));
	o.pool = m->pool;
	o.writer = m->writer;
	if (rc == 0)
		rc = dv_dvc_take_new(&m->take, &o);
	if (rc < 0)
		return rc;
	dv_progress_start("importing", 0, 0);
	rc = dv_dvc_take_outs(m->take, outs, m->outs.n, tell_missing, m);
	dv_progress_end();
	return rc;
}

/* -- pointers ---------------------------------------------------------------------------------- */

/* One whose pointer names something else stays, unless forced. */
static bool is_kept(const import *m, const dv_dvc_out *o, const dv_output *was)
{
	return was && !m->o->force && !dv_oid_eq(&was->pointer.oid, &o->oid);
}

static int write_pointer(import *m, dv_dvc_out *o)
{
	const dv_output *was = dv_output_list_find(&m->known, o->path);
	dv_auto(dv_pointer) p = DV_POINTER_INIT;
	const char *file = dv_arena_printf(&m->arena, "%s" DV_POINTER_SUFFIX, o->path);
	dv_autofree char *abs = file ? dv_repo_abs(m->repo, file) : NULL;
	char hex[DV_OID_HEX_SIZE + 1];
	dv_takeover t = { .kind = DV_TAKEN_BEFORE, .from = o->from, .to = file, .path = o->path,
			  .oid = hex, .size = o->size, .nfiles = o->nfiles };
	bool changed = false;
	int rc;

	if (!abs)
		return dv_err_nomem();
	if (is_kept(m, o, was) || (was && was->stage)) {
		o->state = DV_DVC_UNSUPPORTED;
		return leave(m, o->from, o->path, was->stage ? "a stage of dv's makes it" :
			     "dv has other content for it, which stays; '--force' replaces it");
	}
	dv_oid_hex(hex, &o->oid);
	dv_take_count(&m->report, o->nfiles, o->size);
	if (!was || !dv_oid_eq(&was->pointer.oid, &o->oid)) {
		if ((rc = dv_dvc_pointer(&p, o)) < 0 ||
		    (rc = dv_pointer_write(&p, &m->repo->scratch, abs, &changed)) < 0 ||
		    (rc = dv_path_list_add(&m->stage, file)) < 0)
			return rc;
		t.kind = changed ? DV_TAKEN : DV_TAKEN_BEFORE;
	}
	if ((rc = dv_path_list_add(&m->ignored, o->path)) < 0)
		return rc;
	return tell(m, &t);
}

static bool is_pointer_of_dvc(const dv_dvc_out *o)
{
	return strcmp(dv_path_base(o->from), "dvc.lock") != 0;
}

static int write_pointers(import *m)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < m->outs.n; i++) {
		dv_dvc_out *o = &m->outs.o[i];

		if (o->state == DV_DVC_UNSUPPORTED) {
			rc = leave(m, o->from, o->path, o->why);
		} else if (o->state == DV_DVC_DONE && is_pointer_of_dvc(o)) {
			rc = write_pointer(m, o);
		} else if (o->state == DV_DVC_DONE) {
			dv_take_count(&m->report, o->nfiles, o->size);
			rc = dv_path_list_add(&m->ignored, o->path);
		}
	}
	return rc ? rc : dv_repo_ignore_outputs(m->repo, (const char *const *)m->ignored.p,
						m->ignored.n, &m->stage);
}

/* -- pipelines --------------------------------------------------------------------------------- */

/* dvc.yaml is dv.yaml by another name: a copy, which dv reads from now on. */
static int copy_pipeline(import *m, const char *from)
{
	const char *dir = folder_of(&m->arena, from);
	const char *to = dir ? dv_arena_printf(&m->arena, "%s%s" DV_PIPELINE_FILE, dir,
					       *dir ? "/" : "") : NULL;
	dv_autofree char *abs = to ? dv_repo_abs(m->repo, to) : NULL;
	dv_auto(dv_buf) text = DV_BUF_INIT, old = DV_BUF_INIT;
	dv_takeover t = { .kind = DV_TAKEN, .from = from, .to = to };
	int rc = abs ? read_text(m, from, DV_PIPELINE_FILE_MAX, &text) : dv_err_nomem();

	if (rc < 0)
		return rc;
	rc = dv_fs_read_file(&old, abs, DV_PIPELINE_FILE_MAX);
	if (rc == 0 && (old.n != text.n || memcmp(old.p, text.p, text.n) != 0))
		return leave(m, from, NULL, "there is a dv.yaml that says something else");
	if (rc == 0) {
		t.kind = DV_TAKEN_BEFORE;
		return tell(m, &t);
	}
	dv_error_clear();
	rc = dv_scratch_write(&m->repo->scratch, abs, text.p, text.n,
			      DV_ATOMIC_SYNC | DV_ATOMIC_NOREPLACE);
	if (rc == 0)
		rc = dv_path_list_add(&m->stage, to);
	return rc ? rc : tell(m, &t);
}

static int write_lock(import *m, dv_dvc_lock *l, dv_states *states)
{
	const dv_dvc_translation t = { m->repo, m->take, states, &m->outs, &m->arena };
	const char *to = dv_arena_printf(&m->arena, "%s%s" DV_LOCKFILE, l->dir, *l->dir ? "/" : "");
	bool changed;
	size_t n;
	int rc = to ? dv_dvc_lock_write(&t, l, &changed, &n) : DV_ERROR;

	if (rc < 0)
		return leave_failed(m, l->path, rc);
	m->report.sum.stages += n;
	m->incomplete |= l->incomplete;
	if (!n)
		return 0;
	if (changed && (rc = dv_path_list_add(&m->stage, to)) < 0)
		return rc;
	return tell(m, &(dv_takeover){ .kind = changed ? DV_TAKEN : DV_TAKEN_BEFORE,
				       .from = l->path, .to = to });
}

static int take_pipelines(import *m)
{
	dv_auto(dv_states) states = { 0 };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < m->found.pipelines.n; i++)
		rc = copy_pipeline(m, m->found.pipelines.p[i]);
	if (rc == 0 && m->nlocks)
		rc = dv_states_open(&states, m->repo, m->o->jobs);
	for (size_t i = 0; rc == 0 && i < m->nlocks; i++)
		if (m->locks[i].pipeline.nfiles)
			rc = write_lock(m, &m->locks[i], &states);
	return rc == 0 && states.contents ? dv_contents_remember(states.contents) : rc;
}

/* -- the rest ---------------------------------------------------------------------------------- */

/* Symbolic links into DVC's cache make room for files of dv's. */
static int replace_links(import *m)
{
	const dv_path_list *l = dv_dvc_take_links(m->take);
	const dv_seen link = { .kind = 'l', .linked = true };
	dv_autoclose int rootfd = dv_fs_openat(AT_FDCWD, m->repo->root, O_RDONLY | O_DIRECTORY, 0);
	dv_auto(dv_path_list) users = DV_PATH_LIST_INIT;
	int rc = rootfd < 0 ? dv_err_sys("cannot open the workspace '%s'", m->repo->root) : 0;

	for (size_t i = 0; rc == 0 && i < l->n; i++) {
		const dv_dvc_out *o = NULL;
		const char *rest;

		for (size_t k = 0; !o && k < m->outs.n; k++)
			if (m->outs.o[k].state == DV_DVC_DONE &&
			    dv_path_below(l->p[i], m->outs.o[k].path, &rest))
				o = &m->outs.o[k];
		dv_autofree char *abs = o ? dv_repo_abs(m->repo, l->p[i]) : NULL;
		rc = abs ? dv_workdir_unlink(&m->repo->scratch, rootfd, l->p[i], &link) : 0;
		if (rc == DV_EDIRTY) {
			/* Somebody put a file of his own there since. */
			dv_error_clear();
			rc = 0;
		} else if (abs && rc == 0) {
			rc = dv_path_list_add(&users, abs);
		}
	}
	if (rc == 0 && users.n) {
		dv_lock_release(&m->lock);
		m->lock = (dv_lock)DV_LOCK_INIT;
		rc = dv_checkout(m->repo, (const char *const *)users.p, users.n, NULL, NULL, NULL,
				 NULL);
	}
	return rc;
}

/* One record for all that came, with the places that imports were imported from. */
static int keep_record(import *m)
{
	dv_autofree dv_run_path *outs = dv_calloc(m->outs.n + 1, sizeof(*outs));
	dv_autofree dv_run_path *deps = dv_calloc(m->outs.n + 1, sizeof(*deps));
	dv_run run = { .type = "import", .file = DV_DVC_FOLDER, .outs = outs, .deps = deps,
		       .start_us = m->start, .origin = "dvc" };

	if (!outs || !deps)
		return DV_ERROR;
	for (size_t i = 0; i < m->outs.n; i++) {
		const dv_dvc_out *o = &m->outs.o[i];
		const dv_output *was = dv_output_list_find(&m->known, o->path);

		if (o->state != DV_DVC_DONE || (was && dv_oid_eq(&was->pointer.oid, &o->oid)))
			continue;
		outs[run.nouts++] = (dv_run_path){ .path = o->path, .is_dir = o->kind == 'd',
						   .isexec = o->kind == 'x', .has_oid = true,
						   .oid = o->oid, .size = o->size,
						   .nfiles = o->kind == 'd' ? o->nfiles : 0 };
		if (o->repo_url || o->source)
			deps[run.ndeps++] = (dv_run_path){ .path = o->repo_url ? o->repo_url
									       : o->source };
	}
	return dv_run_record_import(m->repo, m->writer, &run);
}

/* Of a file that is not there nothing is said. One that is not as it was read stays. */
static int remove_file(import *m, int rootfd, const char *path, const dv_seen *was)
{
	struct stat st;
	int rc = dv_workdir_stat(&st, rootfd, path);

	if (rc == DV_ENOTFOUND) {
		dv_error_clear();
		return 0;
	}
	if (rc == 0)
		rc = dv_workdir_unlink(&m->repo->scratch, rootfd, path, was);
	if (rc == DV_EDIRTY) {
		dv_error_clear();
		return leave(m, path, NULL, "it was changed meanwhile");
	}
	if (rc == 0)
		rc = dv_path_list_add(&m->drop, path);
	return rc ? rc : tell(m, &(dv_takeover){ .kind = DV_TAKE_REMOVED, .from = path });
}

/* Files that git does not have either are nowhere else: is there a setting in them that dv has
 * not? Those of a remote that dv cannot reach are told of by its URL. */
static bool has_own_settings(const import *m)
{
	for (size_t i = 0; i < m->settings.n; i++) {
		const dv_dvc_setting *s = &m->settings.s[i];
		size_t n = strlen(s->section);
		bool told = false, done = false, any = strncmp(s->section, "remote.", 7) != 0;

		for (size_t k = 0; s->own && k < m->mapping.n; k++) {
			const dv_dvc_mapped *t = &m->mapping.m[k];

			if (strncmp(t->from, s->section, n) != 0 || t->from[n] != '.')
				continue;
			any = any || t->done;
			if (strcmp(t->from + n + 1, s->key) == 0) {
				told = true;
				done = done || t->done;
			}
		}
		if (s->own && (!any || (told && !done)))
			return true;
	}
	return false;
}

/* A pointer of DVC's goes when dv has everything that it names. */
static bool is_complete(const import *m, const char *from)
{
	bool any = false;

	for (size_t i = 0; i < m->outs.n; i++)
		if (!strcmp(m->outs.o[i].from, from)) {
			any = true;
			if (m->outs.o[i].state != DV_DVC_DONE)
				return false;
		}
	return any;
}

/* What is left of DVC's own folder is its cache, with the file that hides it from git. */
static int remove_dvc(import *m)
{
	dv_autoclose int root = dv_fs_openat(AT_FDCWD, m->repo->root, O_RDONLY | O_DIRECTORY, 0);
	const dv_path_list *const lists[] = FOUND_LISTS(m);
	int rc = root < 0 ? dv_err_sys("cannot open the workspace '%s'", m->repo->root) : 0;

	for (size_t k = 0; rc == 0 && k < NLISTS && (k == 0 || !m->incomplete); k++)
		for (size_t i = 0; rc == 0 && i < lists[k]->n; i++)
			if (k > 0 || is_complete(m, lists[k]->p[i]))
				rc = remove_file(m, root, lists[k]->p[i], &m->was[k][i]);
	if (rc || m->incomplete)
		return rc;
	if ((rc = remove_file(m, root, ".dvc/config", NULL)))
		return rc;
	return has_own_settings(m) ? leave(m, ".dvc/config.local", NULL,
					   "it has settings that dv has not")
				   : remove_file(m, root, ".dvc/config.local", NULL);
}

static int stage(import *m, const dv_path_list *add, const dv_path_list *drop)
{
	dv_git *git;
	int rc;

	if (!dv_repo_autostage(m->repo, m->o->no_stage) || !(add->n + drop->n))
		return 0;
	rc = dv_repo_git(m->repo, &git);
	return rc ? rc : dv_git_stage(git, (const char *const *)add->p, add->n,
				      (const char *const *)drop->p, drop->n);
}

static int take_all(import *m)
{
	const dv_path_list none = { 0 };
	int rc;

	if ((rc = dv_scratch_open(&m->repo->scratch, m->repo->dvdir)) < 0 ||
	    (rc = take_settings(m)) < 0 || (rc = take_all_patterns(m)) < 0 ||
	    (rc = take_content(m)) < 0 || (rc = write_pointers(m)) < 0 ||
	    (rc = take_pipelines(m)) < 0 || (rc = keep_record(m)) < 0 ||
	    (rc = stage(m, &m->stage, &none)) < 0)
		return rc;
	if (m->o->remove && ((rc = remove_dvc(m)) < 0 || (rc = stage(m, &none, &m->drop)) < 0))
		return rc;
	return replace_links(m);
}

int dv_import_dvc(dv_repo *r, const dv_import_dvc_options *o, dv_takeover_cb cb, void *payload,
		  dv_takeover_summary *out)
{
	__attribute__((cleanup(import_release))) import m = {
		.repo = r, .o = DV_OR_ZERO(o), .report = { .cb = cb, .payload = payload },
		.lock = DV_LOCK_INIT, .start = dv_clock_wall_us(),
	};
	int rc = m.o->dry ? 0 : dv_repo_lock(r, &m.lock);

	if (rc == 0)
		rc = read_all(&m);
	if (rc == 0)
		rc = m.o->dry ? plan(&m) : take_all(&m);
	if (out)
		*out = m.report.sum;
	if (rc == 0 && m.report.sum.missing)
		return dv_err_hint(dv_err(DV_EPARTIAL, "some of the content is not here"),
				   "run 'dvc pull' where it can be had, or name DVC's remote with "
				   "'--remote', and run this again");
	return rc;
}
