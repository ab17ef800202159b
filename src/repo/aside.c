/* SPDX-License-Identifier: Apache-2.0 */
/* Ignored files inside of directories that are made anew. */
#include "repo/aside.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "repo/workdir.h"

#define DEPTH_MAX 512	/* folders in folders */

struct dv_aside_item {
	char *path;		/* where it was, relative to the root */
	char name[40];		/* in the scratch folder */
};

/* All names before the first change. */
static int list(int fd, dv_path_list *names)
{
	dv_autoclose int own = dv_fs_openat(fd, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *d = own < 0 ? NULL : fdopendir(own);
	const struct dirent *e;
	int rc = 0;

	if (!d)
		return dv_err_sys("cannot list a folder");
	(void)dv_steal_fd(&own);
	while (rc == 0 && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = dv_path_list_add(names, e->d_name);
	closedir(d);
	return rc;
}

static int open_folder(int dir, const char *name)
{
	return dv_fs_openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
}

/* -- taking ------------------------------------------------------------------------------------ */

static int take_one(dv_aside *a, int dir, const char *name, const char *path)
{
	dv_scratch *s = &a->repo->scratch;
	struct dv_aside_item *i;
	int rc = dv_grow(&a->items, &a->cap, a->n + 1, sizeof(*a->items));

	if (rc)
		return rc;
	i = &a->items[a->n];
	snprintf(i->name, sizeof(i->name), DV_SCRATCH_ASIDE "%" PRIx64,
		 (uint64_t)atomic_fetch_add(&s->next, 1));
	if (!(i->path = dv_strdup(path)))
		return dv_err_nomem();
	if (dv_fs_rename_noreplace(dir, name, s->fd, i->name) == 0) {
		a->n++;
		return 0;
	}
	free(i->path);
	if (errno == ENOENT)
		return 0;
	rc = dv_err_sys("cannot take '%s' out of the way", path);
	return dv_err_hint(rc, ".dvignore excludes it, and its folder is made anew: move it away");
}

/* `path` names the open folder and grows by what is in it. */
static int take_below(dv_aside *a, int fd, dv_buf *path, unsigned depth)
{
	dv_auto(dv_path_list) names = DV_PATH_LIST_INIT;
	size_t base = path->n;
	int rc = dv_check_cancel();

	if (rc == 0 && depth > DEPTH_MAX)
		rc = dv_err(DV_ERROR, "'%s' is nested too deep", dv_buf_str(path));
	if (rc == 0)
		rc = list(fd, &names);
	for (size_t i = 0; rc == 0 && i < names.n; i++) {
		const char *name = names.p[i];
		dv_autoclose int inner = -1;
		struct stat st;

		if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		path->n = base;
		if ((rc = dv_buf_addf(path, "/%s", name)))
			break;
		if (dv_ignore_match_here(a->repo->ignore, dv_buf_str(path), S_ISDIR(st.st_mode),
					 NULL))
			rc = take_one(a, fd, name, dv_buf_str(path));
		else if (S_ISDIR(st.st_mode) && (inner = open_folder(fd, name)) >= 0)
			rc = take_below(a, inner, path, depth + 1);
	}
	path->n = base;
	return rc;
}

int dv_aside_take(dv_aside *a, dv_repo *r, const char *path)
{
	dv_autoclose int root = dv_fs_openat(AT_FDCWD, r->root, O_RDONLY | O_DIRECTORY, 0);
	dv_autoclose int fd = -1;
	dv_auto(dv_buf) at = DV_BUF_INIT;
	int rc;

	a->repo = r;
	if (root < 0)
		return dv_err_sys("cannot open the workspace '%s'", r->root);
	rc = dv_workdir_open(&fd, root, path, false);
	if (rc == DV_ENOTFOUND || rc == DV_EUNSAFE) {
		dv_error_clear();
		return 0;
	}
	if (rc == 0 && (rc = dv_buf_adds(&at, path)) == 0)
		rc = take_below(a, fd, &at, 0);
	return rc;
}

/* -- putting back ------------------------------------------------------------------------------ */

/* Moves a name into a folder. False: it could not be, or not all of it. What the command made under
 * the same name is newer, as if it had written over the old one. */
static bool merge(int from, const char *name, int to, const char *as, unsigned depth)
{
	dv_auto(dv_path_list) names = DV_PATH_LIST_INIT;
	dv_autoclose int a = -1, b = -1;
	struct stat old, new_;
	bool all = true;

	if (dv_fs_rename_noreplace(from, name, to, as) == 0)
		return true;
	if (errno != EEXIST || depth > DEPTH_MAX ||
	    fstatat(from, name, &old, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fstatat(to, as, &new_, AT_SYMLINK_NOFOLLOW) < 0 ||
	    S_ISDIR(old.st_mode) != S_ISDIR(new_.st_mode))
		return false;
	if (!S_ISDIR(old.st_mode))
		return dv_fs_unlinkat(from, name, 0) == 0;
	if ((a = open_folder(from, name)) < 0 || (b = open_folder(to, as)) < 0 || list(a, &names))
		return false;
	for (size_t i = 0; i < names.n; i++)
		all &= merge(a, names.p[i], b, names.p[i], depth + 1);
	return all && dv_fs_unlinkat(from, name, AT_REMOVEDIR) == 0;
}

static void put_back(dv_aside *a, int root, const struct dv_aside_item *i)
{
	dv_autoclose int dir = -1;
	dv_autofree char *saved = NULL;
	const char *base;

	if (root >= 0 && dv_workdir_parent(&dir, &base, root, i->path, false) == 0 &&
	    merge(a->repo->scratch.fd, i->name, dir, base, 0))
		return;
	if (dv_saved_put(a->repo->dvdir, a->repo->scratch.fd, i->name, &saved) == 0)
		dv_warn("'%s', which .dvignore excludes, has no place any more: it is saved as "
			"'%s'", i->path, saved);
	else
		dv_warn("'%s': %s", i->path, dv_error_last()->message);
}

void dv_aside_return(dv_aside *a)
{
	dv_autoclose int root = -1;
	dv_error before;

	if (a->n == 0) {
		free(dv_steal(&a->items));
		a->cap = 0;
		return;
	}
	dv_error_take(&before);
	root = dv_fs_openat(AT_FDCWD, a->repo->root, O_RDONLY | O_DIRECTORY, 0);
	for (size_t i = 0; i < a->n; i++) {
		put_back(a, root, &a->items[i]);
		dv_error_clear();
		free(a->items[i].path);
	}
	free(dv_steal(&a->items));
	a->n = a->cap = 0;
	dv_error_put(&before);
}
