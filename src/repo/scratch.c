/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder of temporary files. Names in it: "new-N" is written by dv, and nobody's loss;
 * "old-KIND-INO-SIZE-MTIME-OWN-N" (hexadecimal) may be the file of that inode, size and time that
 * stood in the workspace, or dv's own of inode OWN; "at-…" is a link to such a file elsewhere.
 */
#include "repo/scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "repo/statcache.h"

static int64_t stamp(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

bool dv_seen_is_still(const dv_seen *was, const struct stat *st)
{
	if (was->linked)
		return S_ISLNK(st->st_mode);
	return was->kind == dv_stat_kind(st) && was->dev == (uint64_t)st->st_dev &&
	       (!was->ino || was->ino == (uint64_t)st->st_ino) &&
	       was->size == (uint64_t)st->st_size && was->mtime_ns == stamp(st->st_mtim);
}

dv_seen dv_seen_of(const struct stat *st)
{
	return (dv_seen){ .kind = dv_stat_kind(st), .dev = st->st_dev, .ino = st->st_ino,
			  .size = (uint64_t)st->st_size, .mtime_ns = stamp(st->st_mtim) };
}

/* File system and mount of an open folder; bind mounts of one file system refuse renames too. */
static int place_of(int fd, uint64_t *dev, uint64_t *mount)
{
	struct statx x;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_MNT_ID, &x) < 0)
		return -1;
	*dev = (uint64_t)x.stx_dev_major << 32 | x.stx_dev_minor;
	*mount = x.stx_mask & STATX_MNT_ID ? x.stx_mnt_id : 0;
	return 0;
}

/* -- what others left -------------------------------------------------------------------------- */

/* May a leftover of that name be removed? What dv wrote, and what is as it was seen. */
static bool is_nobodys(const char *name, const struct stat *st)
{
	uint64_t ino, size, mtime, own;
	char kind;

	if (strncmp(name, "old-", 4) != 0)
		return true;
	if (sscanf(name, "old-%c-%" SCNx64 "-%" SCNx64 "-%" SCNx64 "-%" SCNx64, &kind, &ino, &size,
		   &mtime, &own) != 5)
		return false;
	const dv_seen was = { .kind = kind, .linked = kind == 'c', .dev = (uint64_t)st->st_dev,
			      .ino = ino, .size = size, .mtime_ns = (int64_t)mtime };
	return (own && own == (uint64_t)st->st_ino) || dv_seen_is_still(&was, st);
}

int dv_saved_put(const char *dvdir, int dir, const char *name, char **path)
{
	dv_autofree char *folder = dv_path_join(dvdir, "saved"), *to = NULL;
	char unique[20];
	uint64_t id;
	int r = dv_random(&id, sizeof(id));

	snprintf(unique, sizeof(unique), "%016" PRIx64, id);
	to = folder ? dv_path_join(folder, unique) : NULL;
	if (r < 0 || !to)
		return DV_ERROR;
	if ((r = dv_fs_mkdirs(folder)) < 0)
		return r;
	if (dv_fs_rename_noreplace(dir, name, AT_FDCWD, to) < 0)
		return dv_err_sys("cannot save a file as '%s'", to);
	*path = dv_steal(&to);
	return 0;
}

static void tell_saved(const char *path)
{
	dv_warn("what a command that was cut short took out of the workspace, after another "
		"program had changed it, is saved as '%s'", path);
}

/* The file beside its target, of which the link `name` tells. */
static bool clean_beside(int dir, const char *name)
{
	char path[PATH_MAX];
	ssize_t n = readlinkat(dir, name, path, sizeof(path) - 1);
	struct stat st;

	if (n <= 0)
		return false;
	path[n] = '\0';
	if (path[0] != '/' ||
	    strncmp(dv_path_base(path), DV_TMP_PREFIX, strlen(DV_TMP_PREFIX)) != 0 ||
	    lstat(path, &st) < 0 || S_ISDIR(st.st_mode))
		return true;
	if (is_nobodys(name + 3, &st))
		return dv_fs_unlinkat(AT_FDCWD, path, 0) == 0;
	tell_saved(path);
	return true;
}

static void clean_name(const char *dvdir, int dir, const char *name)
{
	dv_autofree char *saved = NULL;
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (strncmp(name, DV_SCRATCH_ASIDE, strlen(DV_SCRATCH_ASIDE)) == 0) {
		if (dv_saved_put(dvdir, dir, name, &saved) < 0)
			dv_error_clear();
		else
			dv_warn("files that .dvignore excludes, in an output that a killed run "
				"was to make anew, are saved as '%s'", saved);
	} else if (S_ISDIR(st.st_mode)) {
		return;
	} else if (strncmp(name, "at-", 3) == 0) {
		if (clean_beside(dir, name))
			dv_fs_unlinkat(dir, name, 0);
	} else if (is_nobodys(name, &st)) {
		dv_fs_unlinkat(dir, name, 0);
	} else if (dv_saved_put(dvdir, dir, name, &saved) == 0) {
		tell_saved(saved);
	} else {
		dv_error_clear();
	}
}

/* Best effort: what stays is found again. The lock is the last to go. */
static void clean_folder(const char *dvdir, const char *path)
{
	dv_autofree char *file = dv_path_join(path, "lock");
	dv_auto(dv_lock) lock = DV_LOCK_INIT;
	DIR *dir;

	if (!file || dv_lock_take(&lock, file, true, 0, "its temporary files") < 0) {
		dv_error_clear();
		return;
	}
	if ((dir = opendir(path)) != NULL) {
		struct dirent *d;

		while ((d = readdir(dir)) != NULL)
			if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0 &&
			    strcmp(d->d_name, "lock") != 0)
				clean_name(dvdir, dirfd(dir), d->d_name);
		closedir(dir);
	}
	dv_fs_unlinkat(AT_FDCWD, file, 0);
	dv_fs_unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

static void clean(const char *dvdir, const char *all)
{
	DIR *dir = opendir(all);
	struct dirent *d;

	if (!dir)
		return;
	while ((d = readdir(dir)) != NULL) {
		dv_autofree char *path = d->d_name[0] == '.' ? NULL : dv_path_join(all, d->d_name);

		if (path)
			clean_folder(dvdir, path);
	}
	closedir(dir);
}

/* -- the process's own ------------------------------------------------------------------------- */

/* 1: somebody took the new folder for one without an owner, before it had its lock. */
static int make_own(dv_scratch *s, const char *all)
{
	dv_autofree char *dir = NULL, *file = NULL;
	char name[20];
	struct stat st;
	uint64_t id;
	int r = dv_random(&id, sizeof(id));

	snprintf(name, sizeof(name), "%016" PRIx64, id);
	dir = dv_path_join(all, name);
	file = dir ? dv_path_join(dir, "lock") : NULL;
	if (r < 0 || !file)
		return DV_ERROR;
	if (dv_fs_mkdirat(AT_FDCWD, dir, 0700) < 0)
		return dv_err_sys("cannot create folder '%s'", dir);
	r = dv_lock_take(&s->lock, file, true, 0, "the folder of temporary files");
	if (r == DV_ENOTFOUND || r == DV_ELOCKED || (r == 0 && fstat(s->lock.fd, &st) == 0 &&
						     st.st_nlink == 0)) {
		dv_error_clear();
		dv_lock_release(&s->lock);
		return 1;
	}
	if (r == 0 && ((s->fd = dv_fs_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0)) < 0 ||
		       place_of(s->fd, &s->dev, &s->mount) < 0))
		r = dv_err_sys("cannot open folder '%s'", dir);
	if (r == 0)
		s->dir = dv_steal(&dir);
	return r;
}

int dv_scratch_open(dv_scratch *s, const char *dvdir)
{
	dv_autofree char *all = dv_path_join(dvdir, "tmp");
	int r = 1;

	if (s->dir)
		return 0;
	if (!all)
		return dv_err_nomem();
	clean(dvdir, all);
	if ((r = dv_fs_mkdirs(all)) < 0)
		return r;
	r = 1;
	for (int tries = 0; r == 1 && tries < 8; tries++)
		r = make_own(s, all);
	if (r != 0)
		return r < 0 ? r : dv_err(DV_ELOCKED, "cannot keep a folder in '%s'", all);
	s->dvdir = dv_strdup(dvdir);
	return s->dvdir ? 0 : dv_err_nomem();
}

void dv_scratch_release(dv_scratch *s)
{
	if (s->fd >= 0) {
		dv_fs_unlinkat(s->fd, "lock", 0);
		close(s->fd);
		s->fd = -1;
	}
	if (s->dir)
		dv_fs_unlinkat(AT_FDCWD, s->dir, AT_REMOVEDIR);
	dv_lock_release(&s->lock);
	free(s->dir);
	free(s->dvdir);
	s->dir = s->dvdir = NULL;
}

int dv_scratch_write(const dv_scratch *s, const char *path, const void *p, size_t n,
		     unsigned flags)
{
	return dv_fs_write_file_via(s ? s->dir : NULL, path, p, n, flags);
}

/* -- names ------------------------------------------------------------------------------------- */

/* A name beside the target, and the link that tells of it. */
static int name_beside(dv_tmp *t, int dirfd)
{
	char proc[40], path[PATH_MAX];
	uint64_t id;
	int r = dv_random(&id, sizeof(id));
	ssize_t n;

	if (r < 0)
		return r;
	t->dir = dirfd;
	snprintf(t->name, sizeof(t->name), DV_TMP_PREFIX "%016" PRIx64, id);
	if (!t->s)
		return 0;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", dirfd);
	n = readlink(proc, path, sizeof(path) - sizeof(DV_TMP_PREFIX) - 20);
	if (n <= 0)
		return 0;	/* nobody will find it, as nobody could before */
	snprintf(path + n, sizeof(path) - (size_t)n, "/%s", t->name);
	snprintf(t->note, sizeof(t->note), "at-new-%" PRIx64, atomic_fetch_add(&t->s->next, 1));
	if (dv_fs_symlinkat(path, t->s->fd, t->note) == 0)
		return 0;
	t->name[0] = t->note[0] = '\0';
	return dv_err_sys("cannot create a file in '%s'", t->s->dir);
}

int dv_tmp_begin(dv_tmp *t, dv_scratch *s, int dirfd)
{
	uint64_t dev, mount;

	*t = (dv_tmp){ .s = s && s->dir ? s : NULL };
	if (!t->s || atomic_load(&s->off) || place_of(dirfd, &dev, &mount) < 0 ||
	    dev != s->dev || mount != s->mount)
		return name_beside(t, dirfd);
	t->dir = s->fd;
	snprintf(t->name, sizeof(t->name), "new-%" PRIx64, atomic_fetch_add(&s->next, 1));
	return 0;
}

int dv_tmp_may_be(dv_tmp *t, const dv_seen *was, uint64_t own)
{
	char name[DV_TMP_MAX], *now = t->note[0] ? t->note : t->name;

	if (!t->s || (t->dir != t->s->fd && !t->note[0]))
		return 0;
	snprintf(name, sizeof(name), "%sold-%c-%" PRIx64 "-%" PRIx64 "-%" PRIx64 "-%" PRIx64
		 "-%" PRIx64, t->note[0] ? "at-" : "", was->linked ? 'c' : was->kind, was->ino,
		 was->size, (uint64_t)was->mtime_ns, own, atomic_fetch_add(&t->s->next, 1));
	/* Without an inode of its own there is no file yet, but there is a note. */
	if ((own || t->note[0]) && dv_fs_renameat(t->s->fd, now, t->s->fd, name) < 0)
		return dv_err_sys("cannot rename a file in '%s'", t->s->dir);
	memcpy(now, name, sizeof(name));
	return 0;
}

void dv_tmp_done(dv_tmp *t)
{
	if (t->note[0])
		dv_fs_unlinkat(t->s->fd, t->note, 0);
	t->name[0] = t->note[0] = '\0';
}

int dv_tmp_save(dv_tmp *t, char **path)
{
	int r = 0;

	*path = NULL;
	if (t->s && t->dir == t->s->fd) {
		r = dv_saved_put(t->s->dvdir, t->dir, t->name, path);
		if (r < 0) {
			/* It stays, and the next command saves it. */
			dv_error_clear();
			*path = dv_path_join(t->s->dir, t->name);
		}
	} else {
		*path = dv_strdup(t->name);
	}
	if (t->note[0])
		dv_fs_unlinkat(t->s->fd, t->note, 0);
	t->name[0] = t->note[0] = '\0';
	return *path ? 0 : dv_err_nomem();
}

int dv_tmp_beside(dv_tmp *t, int dirfd)
{
	atomic_store(&t->s->off, true);
	return name_beside(t, dirfd);
}
