/* SPDX-License-Identifier: Apache-2.0 */
/* Changing the workspace without ever following a link. */
#include "repo/workdir.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "repo/statcache.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static int open_component(int *out, int dirfd, const char *name, const char *path, bool create)
{
	int fd = dv_fs_openat(dirfd, name, DIR_FLAGS, 0);

	if (fd < 0 && errno == ENOENT && create) {
		if (dv_fs_mkdirat(dirfd, name, 0777) < 0 && errno != EEXIST)
			return dv_err_sys("cannot create folder '%s'", path);
		fd = dv_fs_openat(dirfd, name, DIR_FLAGS, 0);
	}
	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
		return dv_err(DV_EUNSAFE, "'%s' is not a folder but something else stands there, "
					  "in the way of '%s'", name, path);
	if (fd < 0)
		return dv_err_sys("cannot open folder '%s'", path);
	*out = fd;
	return 0;
}

int dv_workdir_open(int *out, int rootfd, const char *path, bool create)
{
	dv_autoclose int at = dv_fs_openat(rootfd, ".", DIR_FLAGS, 0);

	if (at < 0)
		return dv_err_sys("cannot open the workspace");
	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/");
		char name[NAME_MAX + 1];
		int next = -1;

		if (n > NAME_MAX)
			return dv_err(DV_ERROR, "a name in '%s' is too long", path);
		memcpy(name, p, n);
		name[n] = '\0';
		p += n + (p[n] == '/');
		if (n == 0 || strcmp(name, ".") == 0)
			continue;
		if (strcmp(name, "..") == 0)
			return dv_err(DV_EUNSAFE, "'%s' leads out of the workspace", path);
		int r = open_component(&next, at, name, path, create);
		if (r < 0)
			return r;
		close(at);
		at = next;
	}
	*out = dv_steal_fd(&at);
	return 0;
}

int dv_workdir_parent(int *out, const char **name, int rootfd, const char *path, bool create)
{
	const char *slash = strrchr(path, '/');
	dv_autofree char *dir = slash ? dv_strndup(path, (size_t)(slash - path)) : dv_strdup("");

	if (!dir)
		return dv_err_nomem();
	*name = slash ? slash + 1 : path;
	return dv_workdir_open(out, rootfd, dir, create);
}

int dv_workdir_stat(struct stat *st, int rootfd, const char *path)
{
	dv_autoclose int dir = -1;
	const char *name = path;
	int r = dv_workdir_parent(&dir, &name, rootfd, path, false);

	if (r < 0)
		return r;
	if (fstatat(dir, *name ? name : ".", st, AT_SYMLINK_NOFOLLOW) < 0)
		return dv_err_sys("cannot look at '%s'", path);
	return 0;
}

int dv_workdir_tmpname(char out[40])
{
	uint64_t id;
	int r = dv_random(&id, sizeof(id));

	if (r < 0)
		return r;
	snprintf(out, 40, DV_TMP_PREFIX "%016llx", (unsigned long long)id);
	return 0;
}

int dv_newfile_open(dv_newfile *f, int dirfd)
{
	int r = dv_workdir_tmpname(f->tmp);

	if (r < 0)
		return r;
	f->dirfd = dirfd;
	f->fd = dv_fs_openat(dirfd, f->tmp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			     0600);
	if (f->fd < 0) {
		f->tmp[0] = '\0';
		return dv_err_sys("cannot create a file in the workspace");
	}
	return 0;
}

/* Sets the time of the last change a little back, before anybody knows the file: whoever writes to
 * it under its name gives it another, so that the stat cache may trust it at once. Best effort. */
static void date_back(int fd)
{
	int64_t past = dv_now_ns() - DV_DATED_BACK_NS;
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
				     { past / 1000000000, (long)(past % 1000000000) } };

	(void)dv_fs_futimens(fd, times);
}

/* The last that is done to a file before it gets its name. */
static int dress(const dv_newfile *f, const char *name, mode_t mode)
{
	if (f->fd >= 0 && f->date_back)
		date_back(f->fd);
	if (f->fd >= 0 && dv_fs_fchmod(f->fd, mode) < 0)
		return dv_err_sys("cannot set the mode of '%s'", name);
	return 0;
}

int dv_newfile_commit(dv_newfile *f, const char *name, mode_t mode)
{
	int r = dress(f, name, mode);

	if (r < 0)
		return r;
	if (dv_fs_renameat(f->dirfd, f->tmp, f->dirfd, name) < 0)
		return dv_err_sys("cannot put '%s' in place", name);
	f->tmp[0] = '\0';
	return 0;
}

/* -- replacing what was seen ------------------------------------------------------------------- */

static int64_t stamp(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The time of change is left out: links to the same file, made and removed beside it, alter it. */
static bool is_still(const dv_seen *was, const struct stat *st)
{
	if (was->linked)
		return S_ISLNK(st->st_mode);
	return was->kind == dv_stat_kind(st) && was->dev == (uint64_t)st->st_dev &&
	       (!was->ino || was->ino == (uint64_t)st->st_ino) &&
	       was->size == (uint64_t)st->st_size && was->mtime_ns == stamp(st->st_mtim);
}

/* The callers know the path and say it. */
static int changed(void)
{
	return dv_err_hint(dv_err(DV_EDIRTY, "changed by another program meanwhile, so it stays as "
				  "it is"),
			   "run 'dv add' to record it, or use --force to drop it");
}

static int saved(const char *tmp)
{
	return dv_err_hint(dv_err(DV_EDIRTY, "changed by other programs meanwhile"),
			   "what was there first is saved beside it as '%s'", tmp);
}

/* Puts back under its name what was taken away too soon. When the name is taken again, both stay:
 * the one that was taken away keeps the name it got. */
static int put_back(int dirfd, const char *tmp, const char *name)
{
	return dv_fs_rename_noreplace(dirfd, tmp, dirfd, name) == 0 ? changed() : saved(tmp);
}

/* Takes the name of what was seen there. */
static int exchange(dv_newfile *f, const char *name, const dv_seen *was)
{
	struct stat st, own;

	if (fstatat(f->dirfd, f->tmp, &own, AT_SYMLINK_NOFOLLOW) < 0)
		return dv_err_sys("cannot look at '%s'", f->tmp);
	if (dv_fs_rename_exchange(f->dirfd, f->tmp, name) < 0) {
		if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
			return dv_err_sys("cannot put '%s' in place", name);
		if (dv_fs_renameat(f->dirfd, f->tmp, f->dirfd, name) < 0)
			return dv_err_sys("cannot put '%s' in place", name);
		f->tmp[0] = '\0';
		return 0;
	}
	if (fstatat(f->dirfd, f->tmp, &st, AT_SYMLINK_NOFOLLOW) == 0 && is_still(was, &st)) {
		if (dv_fs_unlinkat(f->dirfd, f->tmp, 0) < 0)
			return dv_err_sys("cannot remove what '%s' was before", name);
		f->tmp[0] = '\0';
		return 0;
	}
	if (dv_fs_rename_exchange(f->dirfd, f->tmp, name) == 0 &&
	    fstatat(f->dirfd, f->tmp, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_dev == own.st_dev && st.st_ino == own.st_ino)
		return changed();
	/* What stands under the temporary name is not ours to remove. */
	int r = saved(f->tmp);
	f->tmp[0] = '\0';
	return r;
}

int dv_newfile_replace(dv_newfile *f, const char *name, mode_t mode, const dv_seen *was)
{
	struct stat st;
	int r;

	if (!was)
		return dv_newfile_commit(f, name, mode);
	if ((r = dress(f, name, mode)) < 0)
		return r;
	if (fstatat(f->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		/* A folder that was seen is gone by now, so nothing may be here. */
		if (!was->kind || was->kind == 'd' || !is_still(was, &st))
			return changed();
		return exchange(f, name, was);
	}
	if (errno != ENOENT)
		return dv_err_sys("cannot look at '%s'", name);
	if (dv_fs_rename_noreplace(f->dirfd, f->tmp, f->dirfd, name) < 0)
		return errno == EEXIST ? changed() :
					 dv_err_sys("cannot put '%s' in place", name);
	f->tmp[0] = '\0';
	return 0;
}

void dv_newfile_release(dv_newfile *f)
{
	if (f->fd >= 0)
		close(f->fd);
	if (f->tmp[0])
		dv_fs_unlinkat(f->dirfd, f->tmp, 0);
	f->fd = -1;
	f->tmp[0] = '\0';
}

int dv_workdir_symlink(int dirfd, const char *name, const char *target, const dv_seen *was)
{
	dv_auto(dv_newfile) f = DV_NEWFILE_INIT;
	int r = dv_workdir_tmpname(f.tmp);

	if (r < 0)
		return r;
	f.dirfd = dirfd;
	if (dv_fs_symlinkat(target, dirfd, f.tmp) < 0) {
		f.tmp[0] = '\0';
		return dv_err_sys("cannot create link '%s'", name);
	}
	return dv_newfile_replace(&f, name, 0, was);
}

/* Away from its name first, so that what is removed is what was looked at. */
static int unlink_seen(int dir, const char *name, const dv_seen *was)
{
	struct stat st;
	char tmp[40];
	int r;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : dv_err_sys("cannot look at '%s'", name);
	if (!is_still(was, &st))
		return changed();
	if ((r = dv_workdir_tmpname(tmp)) < 0)
		return r;
	if (dv_fs_rename_noreplace(dir, name, dir, tmp) < 0)
		return errno == ENOENT ? 0 : dv_err_sys("cannot remove '%s'", name);
	if (fstatat(dir, tmp, &st, AT_SYMLINK_NOFOLLOW) < 0 || !is_still(was, &st))
		return put_back(dir, tmp, name);
	if (dv_fs_unlinkat(dir, tmp, 0) == 0 || errno == ENOENT)
		return 0;
	r = dv_err_sys("cannot remove '%s'", name);
	if (dv_fs_rename_noreplace(dir, tmp, dir, name) < 0)
		return dv_err_hint(r, "it is saved as '%s'", tmp);
	return r;
}

int dv_workdir_unlink(int rootfd, const char *path, const dv_seen *was)
{
	dv_autoclose int dir = -1;
	const char *name = path;
	int r = dv_workdir_parent(&dir, &name, rootfd, path, false);

	if (r == DV_ENOTFOUND) {
		dv_error_clear();
		return 0;
	}
	if (r < 0)
		return r;
	if (was) {
		r = unlink_seen(dir, name, was);
		return r < 0 ? dv_err_ctx(r, "'%s'", path) : 0;
	}
	if (dv_fs_unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return dv_err_sys("cannot remove '%s'", path);
	return 0;
}

int dv_workdir_rmdir(int rootfd, const char *path)
{
	dv_autoclose int dir = -1;
	const char *name = path;
	int r = dv_workdir_parent(&dir, &name, rootfd, path, false);

	if (r == DV_ENOTFOUND) {
		dv_error_clear();
		return 0;
	}
	if (r < 0)
		return r;
	if (dv_fs_unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT && errno != ENOTEMPTY &&
	    errno != EEXIST && errno != ENOTDIR)
		return dv_err_sys("cannot remove folder '%s'", path);
	return 0;
}

static mode_t mask;

/* As the kernel tells it without any change: a line "Umask:" and octal digits. */
static bool told_umask(mode_t *out)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = dv_fs_read_file(&text, "/proc/self/status", 1 << 16);
	const char *line = rc == 0 ? strstr(dv_buf_str(&text), "\nUmask:") : NULL;

	if (rc < 0)
		dv_error_clear();
	if (!line)
		return false;
	*out = (mode_t)strtoul(line + strlen("\nUmask:"), NULL, 8) & 0777;
	return true;
}

static void read_umask(void)
{
	if (told_umask(&mask))
		return;
	/* Else only umask() itself tells, by setting it; once, and files that another thread of the
	 * program creates meanwhile are nobody else's. */
	mask = umask(077);
	umask(mask);
}

mode_t dv_workdir_mode(bool executable)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, read_umask);
	return (executable ? 0777 : 0666) & ~mask;
}
