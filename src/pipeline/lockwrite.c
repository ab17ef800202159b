/* SPDX-License-Identifier: Apache-2.0 */
/* The writer of lock files. */
#include "pipeline/lockwrite.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/sha256.h"

#define FOLD_SHARE 20		/* a fold may cost one part in so many of the time that passed */
#define FOLD_GUESS_US 3000	/* what the first one costs */

/* A lock file in work. */
typedef struct target {
	dv_lockfile *l;		/* as this process knows it */
	char *lock, *dir;
	char **fresh;		/* names of stages that were put since the last fold */
	size_t n, cap;
	dv_oid on_disk;		/* of the text that `l` comes from, when known */
	bool known, written;
} target;

struct dv_lockwriter {
	dv_repo *repo;
	target *t;
	size_t n, cap;
	dv_buf waiting;		/* records that are not in the journal */
	char *dir, *path;	/* of the journals; of our own */
	int fd;			/* of it, locked; -1 before the first use */
	bool journaled;		/* it has records */
	int64_t began_us, spent_us, last_us;
};

static void target_release(target *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->fresh[i]);
	free(t->fresh);
	free(t->lock);
	free(t->dir);
}

void dv_lockwriter_free(dv_lockwriter *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->n; i++)
		target_release(&w->t[i]);
	free(w->t);
	dv_buf_release(&w->waiting);
	if (w->fd >= 0) {
		if (!w->journaled)
			dv_fs_unlinkat(AT_FDCWD, w->path, 0);
		close(w->fd);
	}
	free(w->dir);
	free(w->path);
	free(w);
}

/* -- lock files -------------------------------------------------------------------------------- */

static int write_lock(dv_repo *r, const char *lock, const char *dir, dv_lockfile *l,
		      dv_oid *on_disk, bool *written)
{
	dv_auto(dv_buf) text = DV_BUF_INIT, old = DV_BUF_INIT;
	dv_autofree char *abs = dv_repo_abs(r, lock);
	int rc = abs ? dv_lockfile_settle(l, dir) : DV_ERROR;

	if (rc || (rc = dv_lockfile_print(&text, l)))
		return rc;
	rc = dv_fs_read_file(&old, abs, DV_LOCKFILE_MAX);
	if (rc == DV_ENOTFOUND) {
		dv_error_clear();
		rc = 0;
	}
	if (rc)
		return rc;
	dv_sha256(on_disk, text.p, text.n);
	if (old.n == text.n && !memcmp(dv_buf_str(&old), dv_buf_str(&text), text.n))
		return 0;
	*written = true;
	return dv_scratch_write(&r->scratch, abs, text.p, text.n,
				DV_ATOMIC_SYNC | DV_ATOMIC_KEEP_MODE);
}

/* Somebody else wrote the file: our entries go on top of what it has now. */
static int take_over(dv_repo *r, target *t)
{
	dv_auto(dv_lockfile) now = DV_LOCKFILE_INIT;
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_autofree char *abs = dv_repo_abs(r, t->lock);
	dv_oid sum;
	int rc = abs ? dv_fs_read_file(&text, abs, DV_LOCKFILE_MAX) : DV_ERROR;

	if (rc == DV_ENOTFOUND) {
		dv_error_clear();
		rc = 0;
	}
	if (rc)
		return rc;
	dv_sha256(&sum, text.p, text.n);
	if (t->known && dv_oid_eq(&sum, &t->on_disk))
		return 0;
	if ((rc = dv_lockfile_parse(&now, dv_buf_str(&text), text.n, t->dir, t->lock)))
		return rc;
	for (size_t i = 0; rc == 0 && i < t->n; i++) {
		const dv_locked_stage *s = dv_lockfile_find(t->l, t->fresh[i]);

		rc = s ? dv_lockfile_put(&now, s) : 0;
	}
	if (rc)
		return rc;
	dv_lockfile old = *t->l;
	*t->l = now;
	now = old;
	return 0;
}

static int fold(dv_lockwriter *w)
{
	dv_auto(dv_lock) lock = DV_LOCK_INIT;
	int64_t start = dv_clock_us();
	int rc = dv_repo_lock(w->repo, &lock);

	for (size_t i = 0; rc == 0 && i < w->n; i++) {
		target *t = &w->t[i];

		if (t->n == 0)
			continue;
		if ((rc = take_over(w->repo, t)) == 0)
			rc = write_lock(w->repo, t->lock, t->dir, t->l, &t->on_disk,
					&t->written);
		t->known = rc == 0;
		while (rc == 0 && t->n)
			free(t->fresh[--t->n]);
	}
	if (rc)
		return rc;
	if (w->journaled && dv_fs_ftruncate(w->fd, 0) < 0)
		return dv_err_sys("cannot cut '%s'", w->path);
	if (w->journaled && lseek(w->fd, 0, SEEK_SET) < 0)
		return dv_err_sys("cannot cut '%s'", w->path);
	w->journaled = false;
	dv_buf_clear(&w->waiting);
	w->last_us = dv_clock_us() - start;
	w->spent_us += w->last_us;
	return 0;
}

/* -- what killed runs left --------------------------------------------------------------------- */

static int fold_journal(dv_repo *r, const dv_lockjournal *j)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < j->n; i++) {
		dv_auto(dv_lockfile) l = DV_LOCKFILE_INIT;
		const char *lock = j->r[i].lock;
		dv_autofree char *abs = NULL, *dir = NULL;
		bool before = false, written = false;
		dv_oid sum;

		for (size_t k = 0; !before && k < i; k++)
			before = !strcmp(j->r[k].lock, lock);
		if (before || !dv_path_is_safe(lock))
			continue;
		abs = dv_repo_abs(r, lock);
		dir = dv_path_dir(lock);
		if (!abs || !dir)
			return DV_ERROR;
		const char *folder = strcmp(dir, ".") ? dir : "";
		if ((rc = dv_lockfile_read(&l, abs, folder, lock)) == 0 &&
		    (rc = dv_lockjournal_apply(j, &l, lock, folder)) == 0)
			rc = write_lock(r, lock, folder, &l, &sum, &written);
	}
	return rc;
}

/* Folds one journal, unless its run is alive. */
static int recover(dv_repo *r, const char *path)
{
	dv_auto(dv_lockjournal) j = DV_LOCKJOURNAL_INIT;
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_autoclose int fd = dv_fs_openat(AT_FDCWD, path, O_RDONLY, 0);
	int rc;

	if (fd < 0)
		return errno == ENOENT ? 0 : dv_err_sys("cannot open '%s'", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return 0;
	if ((rc = dv_fs_read_fd(&text, fd, path, DV_LOCKJOURNAL_MAX)) ||
	    (rc = dv_lockjournal_parse(&j, dv_buf_str(&text), text.n)) ||
	    (rc = fold_journal(r, &j)))
		return rc;
	if (dv_fs_unlinkat(AT_FDCWD, path, 0) < 0 && errno != ENOENT)
		return dv_err_sys("cannot remove '%s'", path);
	return 0;
}

static int recover_all(dv_lockwriter *w)
{
	dv_auto(dv_lock) lock = DV_LOCK_INIT;
	struct dirent *e;
	int rc;
	DIR *d = opendir(w->dir);

	if (!d)
		return 0;
	rc = dv_repo_lock(w->repo, &lock);
	while (rc == 0 && (e = readdir(d))) {
		dv_autofree char *path = *e->d_name == '.' ? NULL
							    : dv_path_join(w->dir, e->d_name);

		if (*e->d_name != '.')
			rc = path ? recover(w->repo, path) : DV_ERROR;
	}
	closedir(d);
	return rc;
}

int dv_lockwriter_new(dv_lockwriter **out, dv_repo *r)
{
	dv_autoptr(dv_lockwriter) w = dv_calloc(1, sizeof(*w));

	*out = NULL;
	if (!w)
		return DV_ERROR;
	w->repo = r;
	w->fd = -1;
	w->began_us = dv_clock_us();
	w->last_us = FOLD_GUESS_US;
	if (!(w->dir = dv_lockjournal_dir(r)))
		return DV_ERROR;
	int rc = recover_all(w);
	if (rc)
		return rc;
	*out = dv_steal(&w);
	return 0;
}

/* -- our own ----------------------------------------------------------------------------------- */

static int open_journal(dv_lockwriter *w)
{
	char name[32];
	uint64_t id;
	int rc;

	if (w->fd >= 0)
		return 0;
	if ((rc = dv_random(&id, sizeof(id))) || (rc = dv_fs_mkdirs_sync(w->dir)))
		return rc;
	snprintf(name, sizeof(name), "%016llx", (unsigned long long)id);
	if (!(w->path = dv_path_join(w->dir, name)))
		return dv_err_nomem();
	w->fd = dv_fs_openat(AT_FDCWD, w->path, O_WRONLY | O_CREAT | O_EXCL, 0666);
	if (w->fd < 0)
		return dv_err_sys("cannot create '%s'", w->path);
	if (flock(w->fd, LOCK_EX | LOCK_NB) < 0)
		return dv_err_sys("cannot lock '%s'", w->path);
	return dv_fs_sync_dir(w->dir);
}

static target *target_of(dv_lockwriter *w, dv_lockfile *l, const char *lock, const char *dir)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->t[i].l == l)
			return &w->t[i];
	if (dv_grow(&w->t, &w->cap, w->n + 1, sizeof(*w->t)))
		return NULL;
	target *t = &w->t[w->n];
	*t = (target){ .l = l, .lock = dv_strdup(lock), .dir = dv_strdup(dir) };
	if (!t->lock || !t->dir) {
		target_release(t);
		return NULL;
	}
	w->n++;
	return t;
}

int dv_lockwriter_put(dv_lockwriter *w, dv_lockfile *l, const char *lock, const char *dir,
		      const dv_locked_stage *s)
{
	target *t = target_of(w, l, lock, dir);
	dv_oid before;
	int rc;

	if (!t)
		return DV_ERROR;
	if ((rc = dv_locked_stage_digest(dv_lockfile_find(l, s->name), &before)) ||
	    (rc = dv_lockjournal_print(&w->waiting, lock, &before, s)) ||
	    (rc = dv_lockfile_put(l, s)) ||
	    (rc = dv_grow(&t->fresh, &t->cap, t->n + 1, sizeof(*t->fresh))))
		return rc;
	if (!(t->fresh[t->n] = dv_strdup(s->name)))
		return DV_ERROR;
	t->n++;
	return 0;
}

int dv_lockwriter_refresh(dv_lockwriter *w, dv_lockfile *l, const char *lock, const char *dir)
{
	dv_auto(dv_lockjournal) j = DV_LOCKJOURNAL_INIT;
	target *t = target_of(w, l, lock, dir);
	int rc;

	if (!t)
		return DV_ERROR;
	/* The journals first: what leaves them is in the file by then. */
	if ((rc = dv_lockjournal_read(&j, w->repo)) || (rc = take_over(w->repo, t)))
		return rc;
	return dv_lockjournal_apply(&j, l, lock, dir);
}

int dv_lockwriter_commit(dv_lockwriter *w)
{
	int64_t passed = dv_clock_us() - w->began_us;
	int rc;

	if (!w->waiting.n)
		return 0;
	if ((w->spent_us + w->last_us) * FOLD_SHARE <= passed)
		return fold(w);
	if ((rc = open_journal(w)))
		return rc;
	w->journaled = true;
	if (dv_fs_write_all(w->fd, w->waiting.p, w->waiting.n) < 0 || dv_fs_fdatasync(w->fd) < 0)
		return dv_err_sys("cannot write '%s'", w->path);
	dv_buf_clear(&w->waiting);
	return 0;
}

int dv_lockwriter_finish(dv_lockwriter *w)
{
	return w->waiting.n || w->journaled ? fold(w) : 0;
}

const char *dv_lockwriter_written(const dv_lockwriter *w, size_t i)
{
	for (size_t k = 0; k < w->n; k++)
		if (w->t[k].written && i-- == 0)
			return w->t[k].lock;
	return NULL;
}
