/* SPDX-License-Identifier: Apache-2.0 */
/* Where in a workspace DVC's files are. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "repo/workdir.h"
#include "takeover/dvc.h"

#define DEPTH_MAX 128	/* folders in folders */

void dv_dvc_found_release(dv_dvc_found *f)
{
	dv_path_list_release(&f->pointers);
	dv_path_list_release(&f->pipelines);
	dv_path_list_release(&f->locks);
	dv_path_list_release(&f->ignores);
}

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), k = strlen(end);

	return n > k && !strcmp(name + n - k, end);
}

static dv_path_list *list_for(dv_dvc_found *f, const char *name)
{
	if (!strcmp(name, "dvc.yaml"))
		return &f->pipelines;
	if (!strcmp(name, "dvc.lock"))
		return &f->locks;
	if (!strcmp(name, ".dvcignore"))
		return &f->ignores;
	return ends_with(name, ".dvc") ? &f->pointers : NULL;
}

/* A folder that has a repository of its own, of git, DVC or dv. */
static bool is_nested(int fd)
{
	static const char *const marks[] = { ".git", ".dv/config", ".dvc/config" };
	struct stat st;

	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
		if (!fstatat(fd, marks[i], &st, AT_SYMLINK_NOFOLLOW))
			return true;
	return false;
}

/* Takes the files of a folder, and its folders to `todo`. */
static int look_at(dv_repo *r, int fd, const char *dir, const struct dirent *e,
		   dv_dvc_found *found, dv_path_list *todo)
{
	dv_autofree char *path = dv_path_join(dir, e->d_name);
	dv_path_list *list = list_for(found, e->d_name);
	struct stat st;

	if (!path)
		return dv_err_nomem();
	if ((e->d_type == DT_REG && !list) || e->d_type == DT_LNK ||
	    dv_repo_is_own(e->d_name) || !strcmp(e->d_name, DV_DVC_FOLDER))
		return 0;
	if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : dv_err_sys("cannot look at '%s'", path);
	if (dv_ignore_match_here(r->ignore, path, S_ISDIR(st.st_mode), NULL))
		return 0;
	if (S_ISDIR(st.st_mode))
		return dv_path_list_add(todo, path);
	return S_ISREG(st.st_mode) && list ? dv_path_list_add(list, path) : 0;
}

static int walk_one(dv_repo *r, int rootfd, const char *dir, dv_dvc_found *found,
		    dv_path_list *todo)
{
	dv_autoclose int fd = -1;
	int rc = dv_workdir_open(&fd, rootfd, dir, false), own;
	const struct dirent *e;
	unsigned depth = 0;
	DIR *d;

	for (const char *p = dir; *p; p++)
		depth += *p == '/';
	if (rc == DV_ENOTFOUND || rc == DV_EUNSAFE || depth > DEPTH_MAX) {
		dv_error_clear();
		return 0;
	}
	if (rc < 0 || (*dir && is_nested(fd)))
		return rc;
	own = dup(fd);
	d = own < 0 ? NULL : fdopendir(own);
	if (!d) {
		if (own >= 0)
			close(own);
		return dv_err_sys("cannot list '%s'", dir);
	}
	while (rc == 0 && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = look_at(r, fd, dir, e, found, todo);
	closedir(d);
	return rc;
}

static int by_name(const void *a, const void *b)
{
	return dv_dvc_path_cmp(*(const char *const *)a, *(const char *const *)b);
}

static void sort(dv_path_list *l)
{
	if (l->n)
		qsort(l->p, l->n, sizeof(*l->p), by_name);
}

int dv_dvc_find(dv_repo *r, dv_dvc_found *out)
{
	dv_auto(dv_path_list) todo = DV_PATH_LIST_INIT;
	dv_autoclose int rootfd = dv_fs_openat(AT_FDCWD, r->root, O_RDONLY | O_DIRECTORY, 0);
	int rc = rootfd < 0 ? dv_err_sys("cannot open the workspace '%s'", r->root)
			    : dv_path_list_add(&todo, "");

	while (rc == 0 && todo.n) {
		dv_autofree char *dir = todo.p[--todo.n];

		rc = walk_one(r, rootfd, dir, out, &todo);
		if (rc == 0)
			rc = dv_check_cancel();
	}
	sort(&out->pointers);
	sort(&out->pipelines);
	sort(&out->locks);
	sort(&out->ignores);
	return rc;
}
