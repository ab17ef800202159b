/* SPDX-License-Identifier: Apache-2.0 */
/* Pointers in the work tree, and the content that takes their place. */
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/progress.h"
#include "git/ask.h"
#include "git/drivers.h"
#include "git/index.h"
#include "git/run.h"
#include "repo/changes.h"
#include "repo/filtered.h"
#include "repo/record.h"
#include "repo/statcache.h"
#include "repo/workdir.h"
#include "store/object.h"

#define WAIT_FOR_INDEX_MS 2000	/* while another git writes it */

typedef struct bring {
	dv_repo *repo;
	dv_store *store;
	dv_pool *pool;
	dv_reader **readers;	/* one a worker, and one for the calling thread */
	int rootfd;
	dv_filtered_file *f;
	size_t n;
} bring;

static void bring_release(bring *b)
{
	for (int i = 0; b->readers && i <= dv_pool_threads(b->pool); i++)
		dv_reader_free(b->readers[i]);
	free(b->readers);
	dv_pool_free(b->pool);
	if (b->rootfd >= 0)
		close(b->rootfd);
}

static int bring_open(bring *b, int jobs)
{
	int rc = dv_repo_store(b->repo, &b->store);

	if (!rc)
		rc = dv_repo_pool(&b->pool, b->repo, jobs);
	if (rc)
		return rc;
	b->readers = dv_calloc((size_t)dv_pool_threads(b->pool) + 1, sizeof(*b->readers));
	if (!b->readers)
		return DV_ERROR;
	for (int i = 0; !rc && i <= dv_pool_threads(b->pool); i++)
		rc = dv_reader_new(&b->readers[i], b->store);
	b->rootfd = rc ? -1 : dv_fs_openat(AT_FDCWD, b->repo->root, O_RDONLY | O_DIRECTORY, 0);
	return rc || b->rootfd >= 0 ? rc
				    : dv_err_sys("cannot open the workspace '%s'", b->repo->root);
}

/* Is the file the pointer and nothing else? *was is what was looked at. */
static int holds_pointer(const dv_filtered_file *f, int dir, const char *name, dv_seen *was,
			 bool *yes)
{
	char want[DV_LFS_POINTER_MAX + 1], have[DV_LFS_POINTER_MAX + 1];
	size_t n = dv_lfs_pointer_print(want, &f->p), got = 0;
	dv_autoclose int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	*yes = false;
	*was = (dv_seen){ 0 };
	if (fd < 0 && errno == ENOENT) {
		*yes = f->create;
		return 0;
	}
	if (fd < 0 && (errno == ELOOP || errno == EACCES))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0 ||
	    (S_ISREG(st.st_mode) && dv_fs_pread_all(fd, have, sizeof(have), 0, &got) < 0))
		return dv_err_sys("cannot read '%s'", f->path);
	if (!S_ISREG(st.st_mode) || st.st_size != (off_t)n || got != n || memcmp(want, have, n))
		return 0;
	*was = dv_seen_of(&st);
	*yes = true;
	return 0;
}

static int write_content(bring *b, dv_filtered_file *f, int dir, const char *name,
			 const dv_seen *was, int worker)
{
	dv_auto(dv_newfile) out = DV_NEWFILE_INIT;
	bool exec = was->kind ? was->kind == 'x' : f->exec;
	int rc = dv_newfile_open(&out, &b->repo->scratch, dir);

	if (rc)
		return rc;
	/* Git compares whole seconds: what is as young as its index is read again. */
	out.date_back = true;
	out.began_ns = dv_now_ns();
	if (f->p.size > DV_INGEST_SMALL && worker == dv_pool_threads(b->pool))
		rc = dv_object_write_large(b->store, b->pool, &f->p.oid, f->p.size, out.fd);
	else
		rc = dv_object_write(b->readers[worker], &f->p.oid, f->p.size, out.fd);
	if (!rc)
		rc = dv_newfile_replace(&out, name, dv_workdir_mode(exec), was);
	if (!rc && fstat(out.fd, &f->st) < 0)
		rc = dv_err_sys("cannot look at '%s'", f->path);
	f->done = rc == 0;
	return rc;
}

static int bring_one(bring *b, dv_filtered_file *f, int worker)
{
	dv_autoclose int dir = -1;
	const char *name;
	dv_seen was;
	bool yes = true;
	int rc;

	f->done = f->missing = false;
	if (f->there)
		return 0;
	rc = dv_workdir_parent(&dir, &name, b->rootfd, f->path, f->create);
	if (rc == DV_ENOTFOUND || rc == DV_EUNSAFE) {
		dv_error_clear();
		return 0;
	}
	if (!rc && !f->was)
		rc = holds_pointer(f, dir, name, &was, &yes);
	f->missing = !rc && yes && f->p.size && !dv_store_has_object(b->store, &f->p.oid);
	if (!rc && yes && !f->missing)
		rc = write_content(b, f, dir, name, f->was ? f->was : &was, worker);
	dv_progress_add(0, 1);
	if (rc == DV_EDIRTY || rc == DV_ENOTFOUND || rc == DV_ECORRUPT) {
		/* Somebody has other plans with it, or its content is damaged: that stops only this
		 * file. */
		dv_warn("'%s': %s", f->path, dv_error_last()->message);
		f->missing = rc != DV_EDIRTY;
		dv_error_clear();
		return 0;
	}
	return rc ? dv_err_ctx(rc, "'%s'", f->path) : 0;
}

typedef struct job {
	bring *b;
	size_t from, to;
} job;
#define JOB_FILES 64

static bool is_small(const dv_filtered_file *f)
{
	return f->p.size <= DV_INGEST_SMALL;
}

static int run_job(void *arg, int worker)
{
	const job *j = arg;
	int rc = 0;

	for (size_t i = j->from; !rc && i < j->to && !dv_pool_stopping(j->b->pool); i++)
		if (is_small(&j->b->f[i]))
			rc = bring_one(j->b, &j->b->f[i], worker);
	return rc;
}

static int bring_all(bring *b)
{
	dv_autofree job *jobs = dv_calloc(b->n / JOB_FILES + 1, sizeof(*jobs));
	size_t k = 0;
	int rc;

	if (!jobs)
		return DV_ERROR;
	for (size_t i = 0; i < b->n; i += JOB_FILES) {
		jobs[k] = (job){ b, i, i + JOB_FILES < b->n ? i + JOB_FILES : b->n };
		if (dv_pool_submit(b->pool, run_job, &jobs[k++]) < 0)
			break;	/* wait tells what failed */
	}
	rc = dv_pool_wait(b->pool);
	for (size_t i = 0; !rc && i < b->n; i++)
		if (!is_small(&b->f[i]) && !(rc = dv_check_cancel()))
			rc = bring_one(b, &b->f[i], dv_pool_threads(b->pool));
	return rc;
}

/* -- git's index ------------------------------------------------------------------------------- */

typedef struct texts {
	dv_gitindex_fresh *f;
	char (*text)[DV_LFS_POINTER_MAX + 1];
	char **paths;
	size_t n;
} texts;

static void texts_release(texts *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->paths[i]);
	free(t->paths);
	free(t->f);
	free(t->text);
}

/* Git compares the size that it knows, the pointer's, and would look no further. */
static void tell_held(const texts *t)
{
	const dv_error *e = dv_error_last();

	dv_warn("git takes '%s'%s for changed until 'dv checkout' tells it otherwise: %s",
		t->f[0].path, t->n > 1 ? " and others" : "", e->message);
	dv_error_clear();
}

static int tell_git(const bring *b, const texts *t)
{
	dv_autofree char *index = dv_path_join(b->repo->dirs.gitdir, "index");
	dv_git *g;
	int rc = index ? dv_gitindex_freshen(index, b->repo->dirs.workdir, t->f, t->n,
					     WAIT_FOR_INDEX_MS)
		       : dv_err_nomem();

	/* One in two files, or with folders. */
	if (rc != DV_ERROR || !dv_git_program())
		return rc;
	dv_error_clear();
	rc = dv_repo_git(b->repo, &g);
	return rc ? rc : dv_gitask_forget(g, t->f, t->n);
}

static int tell_index(const bring *b)
{
	dv_auto(texts) t = { .f = dv_calloc(b->n + 1, sizeof(*t.f)),
			     .text = dv_calloc(b->n + 1, sizeof(*t.text)),
			     .paths = dv_calloc(b->n + 1, sizeof(*t.paths)) };
	const char *prefix = NULL;

	if (!t.f || !t.text || !t.paths)
		return DV_ERROR;
	if (!dv_path_below(b->repo->root, b->repo->dirs.workdir, &prefix))
		return 0;
	for (size_t i = 0; i < b->n; i++) {
		const dv_filtered_file *f = &b->f[i];

		if (!f->done && !f->there)
			continue;
		t.paths[t.n] = dv_path_join(prefix, f->path);
		if (!t.paths[t.n])
			return DV_ERROR;
		t.f[t.n] = (dv_gitindex_fresh){ .path = t.paths[t.n], .text = t.text[t.n],
						.n = dv_lfs_pointer_print(t.text[t.n], &f->p),
						.st = f->st };
		t.n++;
	}
	if (t.n && tell_git(b, &t) < 0)
		tell_held(&t);
	return 0;
}

int dv_filtered_bring(dv_repo *r, dv_filtered_file *f, size_t n, int jobs)
{
	dv_auto(bring) b = { .repo = r, .f = f, .n = n, .rootfd = -1 };
	uint64_t bytes = 0;
	int rc = n ? bring_open(&b, jobs) : 0;

	if (rc || !n)
		return rc;
	for (size_t i = 0; i < n; i++)
		bytes += f[i].p.size;
	dv_progress_start("checking out", bytes, n);
	rc = bring_all(&b);
	dv_progress_end();
	int e = r->has_git ? tell_index(&b) : 0;
	return rc ? rc : e;
}

/* -- checkout ---------------------------------------------------------------------------------- */

static int tell_brought(const dv_output_list *l, const dv_filtered_file *f, const size_t *at,
			size_t n, dv_change_cb cb, void *payload, dv_checkout_summary *sum)
{
	const char *lacking = NULL;
	size_t nlacking = 0;
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++) {
		const dv_output *o = &l->o[at[i]];

		if (f[i].missing && !nlacking++)
			lacking = f[i].path;
		if (!f[i].done)
			continue;
		sum->added++;
		sum->outputs++;
		sum->bytes += f[i].p.size;
		rc = dv_changes_tell_output(DV_ADDED, o, &o->pointer.oid, o->pointer.size, cb,
					    payload);
	}
	if (rc || !nlacking)
		return rc;
	if (nlacking > 1)
		dv_err(DV_ENOTFOUND, "content is not in the cache: '%s' and %zu more", lacking,
		       nlacking - 1);
	else
		dv_err(DV_ENOTFOUND, "content is not in the cache: '%s'", lacking);
	return dv_err_hint(DV_ENOTFOUND, "run 'dv pull' to bring it from the remote");
}

/* Does git know of the pointer where the content is? So it is after a checkout that was killed in
 * the middle, or that could not have git's index. */
static int is_stale(dv_repo *r, const dv_output *o, bool *stale, struct stat *st)
{
	char text[DV_LFS_POINTER_MAX + 1];
	const dv_lfs_pointer p = { o->pointer.oid, o->pointer.size };
	size_t n = dv_lfs_pointer_print(text, &p);
	dv_autofree char *path = NULL;
	dv_oid oid;

	*stale = false;
	if (o->index.size != n || o->pointer.size == n)
		return 0;
	if (!(path = dv_repo_abs(r, o->path)))
		return dv_err_nomem();
	dv_autoclose int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, st) < 0 || !S_ISREG(st->st_mode) ||
	    (uint64_t)st->st_size != o->pointer.size || !dv_stat_is_settled(st, dv_now_ns()))
		return 0;
	int rc = dv_hash_file(fd, o->path, &oid, st);
	*stale = rc == 0 && dv_oid_eq(&oid, &o->pointer.oid);
	if (rc == DV_ETRANSIENT) {
		dv_error_clear();
		rc = 0;
	}
	return rc;
}

/* Is it another content, and not only one that git has not looked at again? *path is its name. */
static int is_other(dv_repo *r, const dv_output *o, const char **path)
{
	enum dv_filtered_state state;
	dv_scanned now;
	int rc = dv_filtered_look(r, o, &state, &now);

	if (!rc && state == DV_FILTERED_CHANGED)
		*path = o->path;
	return rc;
}

/* Unlike other outputs it may be staged as it is: what git has is what comes back. */
static int refuse_changed(const char *path)
{
	return dv_err_hint(dv_err(DV_EDIRTY, "'%s' was changed here, so it stays as it is", path),
			   "'git restore %s' or 'dv checkout -f %s' brings it back, 'git add %s' "
			   "records it", path, path, path);
}

int dv_filtered_checkout(dv_repo *r, const dv_output_list *l, const dv_targets *t, int jobs,
			 dv_change_cb cb, void *payload, dv_checkout_summary *sum)
{
	dv_autofree dv_filtered_file *f = dv_calloc(l->n + 1, sizeof(*f));
	dv_autofree size_t *at = dv_calloc(l->n + 1, sizeof(*at));
	const char *inner, *changed = NULL;
	size_t n = 0;
	int rc = f && at ? 0 : DV_ERROR;

	for (size_t i = 0; !rc && i < l->n; i++) {
		const dv_output *o = &l->o[i];
		enum dv_filtered_state state;
		dv_scanned now;

		if (!o->filtered || o->skipped || !dv_targets_want(t, o, &inner) ||
		    (rc = dv_filtered_peek(r, o, &state, &now)) < 0)
			continue;
		bool create = state == DV_FILTERED_ABSENT && !t->all && dv_targets_name(t, o);
		f[n] = (dv_filtered_file){ .path = o->path, .exec = o->index_exec,
					   .p = { o->pointer.oid, o->pointer.size },
					   .create = create };
		if (state == DV_FILTERED_CHANGED &&
		    (rc = is_stale(r, o, &f[n].there, &f[n].st)) < 0)
			break;
		if (state == DV_FILTERED_CHANGED && !f[n].there && !changed &&
		    dv_targets_name(t, o) && (rc = is_other(r, o, &changed)) < 0)
			break;
		if (state != DV_FILTERED_POINTER && !create && !f[n].there)
			continue;
		at[n++] = i;
	}
	if (!rc && n)
		rc = dv_gitdrivers_write(&r->dirs, DV_DRIVER_FILTER, false, NULL);
	if (!rc && n)
		rc = dv_filtered_bring(r, f, n, jobs);
	if (!rc && n)
		rc = tell_brought(l, f, at, n, cb, payload, sum);
	return rc || !changed ? rc : refuse_changed(changed);
}
