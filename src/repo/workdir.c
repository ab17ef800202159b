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
	dv_autoclose int at = -1;

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
		int r = open_component(&next, at < 0 ? rootfd : at, name, path, create);
		if (r < 0)
			return r;
		if (at >= 0)
			close(at);
		at = next;
	}
	if (at < 0 && (at = dv_fs_openat(rootfd, ".", DIR_FLAGS, 0)) < 0)
		return dv_err_sys("cannot open the workspace");
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

int dv_newfile_open(dv_newfile *f, dv_scratch *s, int dirfd)
{
	int r = dv_tmp_begin(&f->tmp, s, dirfd);

	if (r < 0)
		return r;
	f->dirfd = dirfd;
	f->fd = dv_fs_openat(f->tmp.dir, f->tmp.name,
			     O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (f->fd < 0) {
		r = dv_err_sys("cannot create a file in the workspace");
		dv_tmp_done(&f->tmp);
		return r;
	}
	return 0;
}

/* Sets the time of the last change a little back, before anybody knows the file: whoever writes to
 * it under its name gives it another, so that the stat cache may trust it at once. Best effort. */
static void date_back(const dv_newfile *f)
{
	int64_t past = dv_now_ns() - DV_DATED_BACK_NS;

	if (f->began_ns && f->began_ns < past)
		past = f->began_ns;
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
				     { past / 1000000000, (long)(past % 1000000000) } };

	(void)dv_fs_futimens(f->fd, times);
}

/* The last that is done to a file before it gets its name. */
static int dress(const dv_newfile *f, const char *name, mode_t mode)
{
	if (f->fd >= 0 && f->date_back)
		date_back(f);
	if (f->fd >= 0 && dv_fs_fchmod(f->fd, mode) < 0)
		return dv_err_sys("cannot set the mode of '%s'", name);
	return 0;
}

/* Makes the file anew beside its place, where a rename from the scratch folder is refused although
 * nothing foretold it. */
static int move_beside(dv_newfile *f)
{
	dv_tmp from = f->tmp;
	char target[PATH_MAX];
	int r = dv_tmp_beside(&f->tmp, f->dirfd);

	if (r == 0 && f->fd >= 0) {
		dv_autoclose int in = dv_steal_fd(&f->fd);
		struct stat st;

		f->fd = dv_fs_openat(f->tmp.dir, f->tmp.name,
				     O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (f->fd < 0 || fstat(in, &st) < 0 || lseek(in, 0, SEEK_SET) < 0 ||
		    dv_fs_copy(in, f->fd, (uint64_t)st.st_size) < 0 ||
		    dv_fs_fchmod(f->fd, st.st_mode & 07777) < 0)
			r = dv_err_sys("cannot create a file in the workspace");
		else if (f->date_back)
			date_back(f);
	} else if (r == 0) {
		ssize_t n = readlinkat(from.dir, from.name, target, sizeof(target) - 1);

		target[n > 0 ? n : 0] = '\0';
		if (n <= 0 || dv_fs_symlinkat(target, f->tmp.dir, f->tmp.name) < 0)
			r = dv_err_sys("cannot create a link in the workspace");
	}
	dv_fs_unlinkat(from.dir, from.name, 0);
	return r;
}

/* How a file comes out of its temporary name: 0, or -1 with errno. */
static int into_place(dv_newfile *f, const char *name, bool replace)
{
	if ((replace ? dv_fs_renameat : dv_fs_rename_noreplace)(f->tmp.dir, f->tmp.name, f->dirfd,
								name) < 0)
		return -1;
	dv_tmp_done(&f->tmp);
	return 0;
}

static int put(dv_newfile *f, const char *name, bool replace)
{
	int r = into_place(f, name, replace);

	if (r < 0 && errno == EXDEV && f->tmp.s && f->tmp.dir == f->tmp.s->fd) {
		if ((r = move_beside(f)) < 0)
			return r;
		r = into_place(f, name, replace);
	}
	return r < 0 ? dv_err_sys("cannot put '%s' in place", name) : 0;
}

/* -- replacing what was seen ------------------------------------------------------------------- */

/* The callers know the path and say it. */
static int changed(void)
{
	return dv_err_hint(dv_err(DV_EDIRTY, "changed by another program meanwhile, so it stays as "
				  "it is"),
			   "run 'dv add' to record it, or use --force to drop it");
}

static int saved(dv_tmp *tmp)
{
	dv_autofree char *path = NULL;
	int r = dv_tmp_save(tmp, &path);

	if (r < 0)
		return r;
	return dv_err_hint(dv_err(DV_EDIRTY, "changed by other programs meanwhile"),
			   "what was there first is saved as '%s'", path);
}

/* Puts back under its name what was taken away too soon. When the name is taken again, both
 * stay. */
static int put_back(dv_tmp *tmp, int dirfd, const char *name)
{
	if (dv_fs_rename_noreplace(tmp->dir, tmp->name, dirfd, name) < 0)
		return saved(tmp);
	dv_tmp_done(tmp);
	return changed();
}

/* Takes the name of what was seen there. */
static int exchange(dv_newfile *f, const char *name, const dv_seen *was)
{
	struct stat st, own;
	dv_tmp *t = &f->tmp;
	int r;

	if (fstatat(t->dir, t->name, &own, AT_SYMLINK_NOFOLLOW) < 0)
		return dv_err_sys("cannot look at '%s'", t->name);
	if ((r = dv_tmp_may_be(t, was, (uint64_t)own.st_ino)) < 0)
		return r;
	if (dv_fs_rename_exchange(t->dir, t->name, f->dirfd, name) < 0) {
		if (errno == EXDEV && t->s && t->dir == t->s->fd)
			return (r = move_beside(f)) < 0 ? r : exchange(f, name, was);
		if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
			return dv_err_sys("cannot put '%s' in place", name);
		return put(f, name, true);
	}
	if (fstatat(t->dir, t->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    dv_seen_is_still(was, &st)) {
		if (dv_fs_unlinkat(t->dir, t->name, 0) < 0)
			return dv_err_sys("cannot remove what '%s' was before", name);
		dv_tmp_done(t);
		return 0;
	}
	if (dv_fs_rename_exchange(t->dir, t->name, f->dirfd, name) == 0 &&
	    fstatat(t->dir, t->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_dev == own.st_dev && st.st_ino == own.st_ino)
		return changed();
	/* What stands under the temporary name is not ours to remove. */
	return saved(t);
}

int dv_newfile_replace(dv_newfile *f, const char *name, mode_t mode, const dv_seen *was)
{
	struct stat st;
	int r = dress(f, name, mode);

	if (r < 0)
		return r;
	if (!was)
		return put(f, name, true);
	if (fstatat(f->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		/* A folder that was seen is gone by now, so nothing may be here. */
		if (!was->kind || was->kind == 'd' || !dv_seen_is_still(was, &st))
			return changed();
		return exchange(f, name, was);
	}
	if (errno != ENOENT)
		return dv_err_sys("cannot look at '%s'", name);
	r = put(f, name, false);
	return r == DV_EEXISTS ? changed() : r;
}

void dv_newfile_release(dv_newfile *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	if (f->tmp.name[0]) {
		dv_fs_unlinkat(f->tmp.dir, f->tmp.name, 0);
		dv_tmp_done(&f->tmp);
	}
}

int dv_workdir_symlink(dv_scratch *s, int dirfd, const char *name, const char *target,
		       const dv_seen *was)
{
	dv_auto(dv_newfile) f = DV_NEWFILE_INIT;
	int r = dv_tmp_begin(&f.tmp, s, dirfd);

	if (r < 0)
		return r;
	f.dirfd = dirfd;
	if (dv_fs_symlinkat(target, f.tmp.dir, f.tmp.name) < 0) {
		r = dv_err_sys("cannot create link '%s'", name);
		dv_tmp_done(&f.tmp);
		return r;
	}
	return dv_newfile_replace(&f, name, 0, was);
}

/* What was seen goes to a temporary name. 1: refused there with EXDEV; 2: it is gone already. */
static int take_away(dv_tmp *t, int dir, const char *name, const dv_seen *was)
{
	int r = dv_tmp_may_be(t, was, 0);

	if (r < 0)
		return r;
	if (dv_fs_rename_noreplace(dir, name, t->dir, t->name) == 0)
		return 0;
	r = errno == ENOENT ? 2 : errno == EXDEV && t->s && t->dir == t->s->fd ? 1 :
	    dv_err_sys("cannot remove '%s'", name);
	dv_tmp_done(t);
	return r;
}

/* Away from its name first, so that what is removed is what was looked at. */
static int unlink_seen(dv_scratch *s, int dir, const char *name, const dv_seen *was)
{
	struct stat st;
	dv_tmp t;
	int r;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : dv_err_sys("cannot look at '%s'", name);
	if (!dv_seen_is_still(was, &st))
		return changed();
	if ((r = dv_tmp_begin(&t, s, dir)) < 0)
		return r;
	r = take_away(&t, dir, name, was);
	if (r == 1 && (r = dv_tmp_beside(&t, dir)) == 0)
		r = take_away(&t, dir, name, was);
	if (r != 0)
		return r < 0 ? r : 0;
	if (fstatat(t.dir, t.name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !dv_seen_is_still(was, &st))
		return put_back(&t, dir, name);
	if (dv_fs_unlinkat(t.dir, t.name, 0) == 0 || errno == ENOENT) {
		dv_tmp_done(&t);
		return 0;
	}
	r = dv_err_sys("cannot remove '%s'", name);
	if (dv_fs_rename_noreplace(t.dir, t.name, dir, name) == 0)
		dv_tmp_done(&t);
	return r;
}

/* The folder of what is to go. 1 when not even that is there. */
static int open_parent(int *dir, const char **name, int rootfd, const char *path)
{
	int r = dv_workdir_parent(dir, name, rootfd, path, false);

	if (r != DV_ENOTFOUND)
		return r;
	dv_error_clear();
	return 1;
}

int dv_workdir_unlink(dv_scratch *s, int rootfd, const char *path, const dv_seen *was)
{
	dv_autoclose int dir = -1;
	const char *name = path;
	int r = open_parent(&dir, &name, rootfd, path);

	if (r != 0)
		return r < 0 ? r : 0;
	if (was) {
		r = unlink_seen(s, dir, name, was);
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
	int r = open_parent(&dir, &name, rootfd, path);

	if (r != 0)
		return r < 0 ? r : 0;
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
