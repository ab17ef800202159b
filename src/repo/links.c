/* SPDX-License-Identifier: Apache-2.0 */
/* Link modes: which one is in use, and links from the cache into the workspace. */
#include "repo/links.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "repo/links_impl.h"
#include "repo/workdir.h"

static const char *const names[] = { "copy", "reflink", "hardlink", "symlink" };

void dv_links_init(dv_links *l, dv_repo *r, dv_store *s)
{
	const char *p = dv_config_string(&r->config, "cache.type", NULL);
	int n = 0;

	*l = (dv_links){ .store = s, .scratch = &r->scratch, .lock = PTHREAD_MUTEX_INITIALIZER };
	while (p && *p && n < DV_LINKS_MAX) {
		size_t len = strcspn(p, ",");

		for (int k = 0; k < 4; k++)
			if (strlen(names[k]) == len && strncmp(p, names[k], len) == 0)
				l->modes[n++] = (enum dv_link_mode)k;
		p += len + (p[len] == ',');
	}
	l->modes[n] = DV_LINK_COPY;
}

void dv_links_release(dv_links *l)
{
	dv_map_release(&l->claimed);
	pthread_mutex_destroy(&l->lock);
}

enum dv_link_mode dv_links_mode(const dv_links *l)
{
	return l->modes[atomic_load(&l->at)];
}

bool dv_links_wanted(const dv_links *l, uint64_t size)
{
	return size > DV_WHOLE_MIN && dv_links_mode(l) != DV_LINK_COPY;
}

bool dv_link_is_refused(int err)
{
	return err == EXDEV || err == EPERM || err == EOPNOTSUPP || err == ENOTTY ||
	       err == EINVAL || err == ENOSYS || err == EACCES;
}

void dv_links_give_up(dv_links *l, enum dv_link_mode mode, int err)
{
	int at = atomic_load(&l->at);

	if (l->modes[at] != mode || !atomic_compare_exchange_strong(&l->at, &at, at + 1))
		return;
	dv_warn("cannot use cache.type '%s' between the cache and the workspace: %s; using '%s'",
		names[mode], strerror(err), names[l->modes[at + 1]]);
}

void dv_links_no_seal(dv_links *l)
{
	int at = atomic_load(&l->at), last = 0;

	while (l->modes[last] != DV_LINK_COPY)
		last++;
	if (at < last && atomic_compare_exchange_strong(&l->at, &at, last))
		dv_warn("cannot use cache.type '%s': the cache's file system does not keep "
			"nanoseconds; using 'copy'", names[l->modes[at]]);
}

int dv_links_claim(dv_links *l, const dv_oid *oid, bool *fresh)
{
	int rc;

	pthread_mutex_lock(&l->lock);
	rc = dv_map_add(&l->claimed, oid, 1, fresh);
	pthread_mutex_unlock(&l->lock);
	return rc;
}

/* -- making links ------------------------------------------------------------------------------ */

/* Each: 1 done, 0 copy this file, DV_LINK_REFUSED + errno when the mode is refused, negative:
 * failed. */

static int refused(const char *path)
{
	if (!dv_link_is_refused(errno))
		return dv_err_sys("cannot link to '%s'", path);
	return DV_LINK_REFUSED + errno;
}

static int put_clone(dv_links *l, const char *path, char kind, int dirfd, const char *name,
		     const dv_seen *was, struct stat *st)
{
	dv_auto(dv_newfile) f = DV_NEWFILE_INIT;
	dv_autoclose int in = dv_fs_openat(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW, 0);
	int rc = in < 0 ? dv_err_sys("cannot open '%s'", path)
			: dv_newfile_open(&f, l->scratch, dirfd);

	if (rc < 0)
		return rc;
	if (dv_fs_clone(in, f.fd) < 0)
		return refused(path);
	f.date_back = true;
	rc = dv_newfile_replace(&f, name, dv_workdir_mode(kind == 'x'), was);
	if (rc < 0)
		return rc;
	return fstat(f.fd, st) < 0 ? dv_err_sys("cannot look at '%s'", name) : 1;
}

static int put_hardlink(dv_links *l, const char *path, const struct stat *whole, int dirfd,
			const char *name, const dv_seen *was, struct stat *st)
{
	dv_auto(dv_newfile) f = DV_NEWFILE_INIT;
	int rc;

	if (fstatat(dirfd, name, st, AT_SYMLINK_NOFOLLOW) == 0 && st->st_ino == whole->st_ino &&
	    st->st_dev == whole->st_dev)
		return 1;	/* and a rename over itself would do nothing */
	if ((rc = dv_tmp_begin(&f.tmp, l->scratch, dirfd)) < 0)
		return rc;
	f.dirfd = dirfd;
	if (dv_fs_linkat(AT_FDCWD, path, f.tmp.dir, f.tmp.name) < 0) {
		rc = errno == EMLINK ? 0 : refused(path);
		dv_tmp_done(&f.tmp);
		return rc;
	}
	if (fstatat(f.tmp.dir, f.tmp.name, st, AT_SYMLINK_NOFOLLOW) < 0)
		return dv_err_sys("cannot look at '%s'", name);
	if (st->st_ino != whole->st_ino || st->st_dev != whole->st_dev)
		return 0;
	rc = dv_newfile_replace(&f, name, 0, was);
	return rc < 0 ? rc : 1;
}

static int put_symlink(dv_links *l, const char *path, int dirfd, const char *name,
		       const dv_seen *was, struct stat *st)
{
	int rc = dv_workdir_symlink(l->scratch, dirfd, name, path, was);

	if (rc < 0)
		return rc;
	if (fstatat(dirfd, name, st, AT_SYMLINK_NOFOLLOW) < 0)
		return dv_err_sys("cannot look at '%s'", name);
	return 1;
}

/* Somebody may have taken the right to write. */
static void protect(const char *path, const struct stat *whole)
{
	dv_autoclose int fd = -1;

	if (!(whole->st_mode & 0222))
		return;
	fd = dv_fs_openat(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW, 0);
	if (fd >= 0)
		dv_fs_fchmod(fd, whole->st_mode & 0555);
}

int dv_links_put(dv_links *l, const dv_oid *oid, char kind, int dirfd, const char *name,
		 const dv_seen *was, struct stat *st)
{
	dv_autofree char *path = dv_store_whole_path(l->store, oid);
	struct stat whole;

	if (!path)
		return dv_err_nomem();
	/* A hard link has the mode of its file, so only what is executable alike is linked. */
	if (!dv_store_has_whole(l->store, oid, &whole) || dv_stat_kind(&whole) != kind)
		return 0;
	for (;;) {
		enum dv_link_mode mode = dv_links_mode(l);
		int rc = 0;

		if (mode == DV_LINK_REFLINK) {
			rc = put_clone(l, path, kind, dirfd, name, was, st);
		} else if (mode != DV_LINK_COPY) {
			protect(path, &whole);
			rc = mode == DV_LINK_HARDLINK
				     ? put_hardlink(l, path, &whole, dirfd, name, was, st)
				     : put_symlink(l, path, dirfd, name, was, st);
		}
		if (rc < DV_LINK_REFUSED)
			return rc;
		dv_links_give_up(l, mode, rc - DV_LINK_REFUSED);
	}
}

/* -- what is there ----------------------------------------------------------------------------- */

bool dv_links_points_in(const dv_store *s, int dirfd, const char *name, dv_oid *oid)
{
	const char *dir = dv_store_dir(s);
	size_t head = strlen(dir), tail = strlen("/files/ab/");
	char target[PATH_MAX];
	ssize_t n = readlinkat(dirfd, name, target, sizeof(target));
	const char *hex;

	if (n < 0 || (size_t)n != head + tail + DV_OID_HEX_SIZE || memcmp(target, dir, head) != 0)
		return false;
	hex = target + head + tail;
	return memcmp(target + head, "/files/", 7) == 0 && hex[-1] == '/' &&
	       memcmp(target + head + 7, hex, 2) == 0 &&
	       dv_oid_parse(oid, hex, DV_OID_HEX_SIZE) == 0;
}

bool dv_links_is_right(const dv_links *l, const dv_oid *oid, char kind, uint64_t size, int dirfd,
		       const char *name)
{
	enum dv_link_mode mode = dv_links_wanted(l, size) ? dv_links_mode(l) : DV_LINK_COPY;
	struct stat st, whole;
	dv_oid target;
	bool shared;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	if (S_ISLNK(st.st_mode))
		return mode == DV_LINK_SYMLINK &&
		       dv_links_points_in(l->store, dirfd, name, &target) &&
		       dv_oid_eq(&target, oid);
	shared = dv_store_has_whole(l->store, oid, &whole) && whole.st_ino == st.st_ino &&
		 whole.st_dev == st.st_dev;
	if (mode == DV_LINK_HARDLINK)
		return shared;
	/* Nobody can tell whether extents are shared. */
	return mode == DV_LINK_COPY && !shared && (st.st_mode & S_IWUSR) &&
	       dv_stat_kind(&st) == kind;
}

/* -- what is possible -------------------------------------------------------------------------- */

static int try_mode(dv_links *l, enum dv_link_mode mode, const char *path, int in, int dirfd)
{
	dv_auto(dv_newfile) f = DV_NEWFILE_INIT;
	int rc;

	if (mode == DV_LINK_REFLINK) {
		if ((rc = dv_newfile_open(&f, l->scratch, dirfd)) < 0)
			return rc;
		return dv_fs_clone(in, f.fd) < 0 ? refused(path) : 1;
	}
	if ((rc = dv_tmp_begin(&f.tmp, l->scratch, dirfd)) < 0)
		return rc;
	rc = mode == DV_LINK_HARDLINK ? dv_fs_linkat(AT_FDCWD, path, f.tmp.dir, f.tmp.name)
				      : dv_fs_symlinkat(path, f.tmp.dir, f.tmp.name);
	if (rc == 0)
		return 1;
	rc = refused(path);
	dv_tmp_done(&f.tmp);
	return rc;
}

static int probe(dv_links *l, const char *path, int dirfd)
{
	dv_autoclose int fd = dv_fs_openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW,
					   0600);
	int rc = 0;

	if (fd < 0)
		return dv_err_sys("cannot create a file in '%s'", dv_store_dir(l->store));
	if (dv_fs_write_all(fd, "dv", 2) < 0)
		rc = dv_err_sys("cannot write '%s'", path);
	while (rc == 0 && dv_links_mode(l) != DV_LINK_COPY) {
		enum dv_link_mode mode = dv_links_mode(l);

		rc = try_mode(l, mode, path, fd, dirfd);
		if (rc < DV_LINK_REFUSED)
			break;
		dv_links_give_up(l, mode, rc - DV_LINK_REFUSED);
		rc = 0;
	}
	dv_fs_unlinkat(AT_FDCWD, path, 0);
	return rc < 0 ? rc : 0;
}

int dv_links_probe(dv_links *l, int dirfd)
{
	dv_autofree char *path = dv_store_whole_tmp(l->store);

	return path ? probe(l, path, dirfd) : dv_err_nomem();
}
