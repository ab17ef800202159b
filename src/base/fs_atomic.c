/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that appear complete or not at all: a temporary file in the target's folder (whose name no
 * reader of dv's takes for anything else), data, fdatasync, rename, fsync of the folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/path.h"

static char *temp_name(const char *dir)
{
	char name[sizeof(".dv-tmp-") + 16];
	uint8_t raw[8];

	if (dv_random(raw, sizeof(raw)))
		return NULL;
	snprintf(name, sizeof(name), ".dv-tmp-%016llx", (unsigned long long)dv_get_u64(raw));
	return dv_path_join(dir, name);
}

/* Before anything is written: a file that was a secret stays one. */
static int keep_mode(const dv_atomic *a)
{
	struct stat st;

	if ((a->flags & DV_ATOMIC_KEEP_MODE) && !lstat(a->path, &st) && S_ISREG(st.st_mode) &&
	    dv_fs_fchmod(a->fd, st.st_mode & 0777))
		return dv_err_sys("cannot set the mode of '%s'", a->tmp);
	return 0;
}

/* With the temporary file in `tmpdir`; NULL: in the folder of `path`. */
static int open_in(dv_atomic *a, const char *tmpdir, const char *path, unsigned flags)
{
	dv_autofree char *dir = tmpdir ? dv_strdup(tmpdir) : dv_path_dir(path);
	dv_autofree char *own = dv_strdup(path);

	*a = (dv_atomic)DV_ATOMIC_INIT;
	if (!dir || !own)
		return DV_ERROR;
	/* Sixteen digits collide only by the hand of somebody who guesses: a few tries do. */
	for (int tries = 0; tries < 8; tries++) {
		dv_autofree char *tmp = temp_name(dir);

		if (!tmp)
			return DV_ERROR;
		a->fd = dv_fs_openat(AT_FDCWD, tmp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
		if (a->fd >= 0) {
			a->tmp = dv_steal(&tmp);
			a->path = dv_steal(&own);
			a->flags = flags;
			return keep_mode(a);
		}
		if (errno != EEXIST)
			break;
	}
	return dv_err_sys("cannot create a file in '%s'", dir);
}

int dv_atomic_open(dv_atomic *a, const char *path, unsigned flags)
{
	return open_in(a, NULL, path, flags);
}

/* Everything up to the rename. The descriptor is closed in any case. */
static int finish_file(dv_atomic *a)
{
	int fd = dv_steal_fd(&a->fd);
	struct stat st;
	int rc = 0;

	if (a->flags & DV_ATOMIC_READONLY) {
		/* The mode it was created with says what the umask leaves. */
		if (fstat(fd, &st) || dv_fs_fchmod(fd, st.st_mode & 0444))
			rc = dv_err_sys("cannot protect '%s'", a->tmp);
	}
	if (!rc && (a->flags & DV_ATOMIC_SYNC) && dv_fs_fdatasync(fd))
		rc = dv_err_sys("cannot sync '%s'", a->tmp);
	/* Network file systems may tell of a failed write only now. */
	if (close(fd) && errno != EINTR && !rc)
		rc = dv_err_sys("cannot write '%s'", a->tmp);
	return rc;
}

/* 1 when the file cannot be renamed to there: another file system. */
static int commit_as(dv_atomic *a, const char *path)
{
	dv_autofree char *dir = NULL;
	int rc;

	dv_assert(a->fd >= 0 && a->tmp);
	rc = finish_file(a);
	if (rc)
		return rc;
	if (a->flags & DV_ATOMIC_NOREPLACE)
		rc = dv_fs_rename_noreplace(AT_FDCWD, a->tmp, AT_FDCWD, path);
	else
		rc = dv_fs_renameat(AT_FDCWD, a->tmp, AT_FDCWD, path);
	if (rc && errno == EXDEV)
		return 1;
	if (rc)
		return dv_err_sys("cannot create '%s'", path);
	free(a->tmp);
	a->tmp = NULL;
	if (a->flags & DV_ATOMIC_SYNC) {
		dir = dv_path_dir(path);
		return dir ? dv_fs_sync_dir(dir) : DV_ERROR;
	}
	return 0;
}

int dv_atomic_commit_as(dv_atomic *a, const char *path)
{
	int rc = commit_as(a, path);

	return rc == 1 ? dv_err_sys("cannot create '%s'", path) : rc;
}

int dv_atomic_commit(dv_atomic *a)
{
	return dv_atomic_commit_as(a, a->path);
}

void dv_atomic_release(dv_atomic *a)
{
	int saved = errno;

	if (a->fd >= 0)
		close(a->fd);
	/* A leftover is found by its name and does no harm. */
	if (a->tmp)
		dv_fs_unlinkat(AT_FDCWD, a->tmp, 0);
	free(a->tmp);
	free(a->path);
	*a = (dv_atomic)DV_ATOMIC_INIT;
	errno = saved;
}

/* 1 as from commit_as. */
static int write_in(const char *tmpdir, const char *path, const void *p, size_t n, unsigned flags)
{
	dv_auto(dv_atomic) a = DV_ATOMIC_INIT;
	int rc = open_in(&a, tmpdir, path, flags);

	if (rc)
		return rc;
	if (dv_fs_write_all(a.fd, p, n))
		return dv_err_sys("cannot write '%s'", path);
	return tmpdir ? commit_as(&a, path) : dv_atomic_commit(&a);
}

int dv_fs_write_file_via(const char *tmpdir, const char *path, const void *p, size_t n,
			 unsigned flags)
{
	int rc = tmpdir ? write_in(tmpdir, path, p, n, flags) : 1;

	return rc == 1 ? write_in(NULL, path, p, n, flags) : rc;
}

int dv_fs_write_file(const char *path, const void *p, size_t n, unsigned flags)
{
	return write_in(NULL, path, p, n, flags);
}
