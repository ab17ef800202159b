/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making files of the workspace independent of the cache: what shares its bytes with a file of the
 * cache, or is a symbolic link to one, becomes a copy that may be written to.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "repo/links.h"
#include "repo/restore.h"
#include "repo/workdir.h"

#define DEPTH_MAX 512

typedef struct sharing {
	dv_repo *repo;
	dv_store *store;
} sharing;

static int copy_file(sharing *u, int dirfd, const char *name, const char *from, mode_t mode)
{
	dv_autoclose int in = openat(dirfd, from, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	dv_auto(dv_newfile) f = DV_NEWFILE_INIT;
	struct stat st;
	int rc;

	if (in < 0 || fstat(in, &st) < 0)
		return dv_err_sys("cannot read '%s'", name);
	if ((rc = dv_newfile_open(&f, &u->repo->scratch, dirfd)))
		return rc;
	if (dv_fs_copy(in, f.fd, (uint64_t)st.st_size) < 0)
		return dv_err_sys("cannot copy '%s'", name);
	return dv_newfile_replace(&f, name, dv_workdir_mode(mode & S_IXUSR), NULL);
}

static int visit(sharing *u, int dirfd, const char *name, unsigned depth);

static int visit_all(sharing *u, int fd, unsigned depth)
{
	dv_auto(dv_path_list) names = DV_PATH_LIST_INIT;
	dv_autoclose int own = dup(fd);
	DIR *d = own < 0 ? NULL : fdopendir(own);
	const struct dirent *e;
	int rc = 0;

	if (!d)
		return dv_err_sys("cannot list a directory");
	(void)dv_steal_fd(&own);
	/* All names before the first change. */
	while (rc == 0 && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = dv_path_list_add(&names, e->d_name);
	closedir(d);
	for (size_t i = 0; rc == 0 && i < names.n; i++)
		rc = visit(u, fd, names.p[i], depth + 1);
	return rc;
}

static int visit(sharing *u, int dirfd, const char *name, unsigned depth)
{
	dv_autoclose int fd = -1;
	dv_autofree char *whole = NULL;
	struct stat st;
	dv_oid oid;
	int rc = dv_check_cancel();

	if (rc)
		return rc;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : dv_err_sys("cannot look at '%s'", name);
	if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX) {
		fd = dv_fs_openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		return fd < 0 ? dv_err_sys("cannot open '%s'", name) : visit_all(u, fd, depth);
	}
	if (S_ISLNK(st.st_mode)) {
		if (!dv_links_points_in(u->store, dirfd, name, &oid))
			return 0;
		whole = dv_store_whole_path(u->store, &oid);
		return whole ? copy_file(u, dirfd, name, whole, st.st_mode) : DV_ERROR;
	}
	/* Other names of the file may be anybody's; a copy harms none. */
	if (S_ISREG(st.st_mode) && (st.st_nlink > 1 || !(st.st_mode & S_IWUSR)))
		return copy_file(u, dirfd, name, name, st.st_mode);
	return 0;
}

int dv_restore_unshare(dv_repo *r, const char *path)
{
	dv_autofree char *abs = dv_repo_abs(r, path);
	dv_autofree char *dir = abs ? dv_path_dir(abs) : NULL;
	dv_autoclose int fd = -1;
	sharing u = { .repo = r };
	int rc = dir ? dv_repo_store(r, &u.store) : DV_ERROR;

	if (rc)
		return rc;
	fd = dv_fs_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return errno == ENOENT ? 0 : dv_err_sys("cannot open '%s'", dir);
	return visit(&u, fd, dv_path_base(path), 0);
}
