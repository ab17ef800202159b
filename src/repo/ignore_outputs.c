/* SPDX-License-Identifier: Apache-2.0 */
/* Keeping git from seeing many outputs at once, folder by folder, and the end of it. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/path.h"
#include "repo/gitignore.h"
#include "repo/repo.h"
#include "repo/workdir.h"

static size_t folder_length(const char *path)
{
	return (size_t)(dv_path_base(path) - path);
}

/* By folder, then by name. */
static int compare(const void *a, const void *b)
{
	const char *x = *(const char *const *)a, *y = *(const char *const *)b;
	size_t n = folder_length(x), m = folder_length(y);
	int c = memcmp(x, y, n < m ? n : m);

	return c ? c : n != m ? (n < m ? -1 : 1) : strcmp(x + n, y + m);
}

/* Has git's index the lines, too? A command that was killed may have come as far as the file. */
static int is_staged(dv_repo *r, const char *file, const char **names, size_t n, bool *staged)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_git *git;
	int rc = dv_repo_git(r, &git);

	*staged = true;
	if (rc == 0)
		rc = dv_git_read_staged(git, file, DV_GITIGNORE_MAX, &text);
	if (rc == DV_ENOTFOUND) {
		dv_error_clear();
		*staged = false;
		return 0;
	}
	for (size_t i = 0; rc == 0 && *staged && i < n; i++)
		rc = dv_gitignore_has(&text, names[i], staged);
	return rc;
}

/* Paths of one folder. */
static int ignore_folder(dv_repo *r, int root, const char **paths, size_t n, dv_path_list *changed)
{
	size_t len = folder_length(paths[0]);
	dv_autofree char *dir = dv_strndup(paths[0], len ? len - 1 : 0);
	dv_autofree char *abs = dir ? dv_repo_abs(r, dir) : NULL;
	dv_autofree char *file = dir ? dv_path_join(dir, ".gitignore") : NULL;
	dv_autoclose int fd = -1;
	bool wrote = false, staged = false;

	if (!abs || !file)
		return dv_err_nomem();
	/* Refuses a way that leads through a link. */
	int rc = dv_workdir_open(&fd, root, dir, false);
	if (rc == DV_ENOTFOUND) {
		dv_error_clear();
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		paths[i] += len;
	if (rc == 0)
		rc = dv_gitignore_add_all(&r->scratch, abs, paths, n, &wrote);
	for (size_t i = 0; changed && i < changed->n; i++)
		if (!strcmp(changed->p[i], file))
			return rc;
	if (rc == 0 && !wrote && changed)
		rc = is_staged(r, file, paths, n, &staged);
	return rc || staged || !changed ? rc : dv_path_list_add(changed, file);
}

int dv_repo_ignore_outputs(dv_repo *r, const char *const *paths, size_t n, dv_path_list *changed)
{
	dv_autofree const char **sorted = dv_calloc(n + 1, sizeof(*sorted));
	dv_autoclose int root = -1;
	int rc = 0;

	if (!sorted)
		return DV_ERROR;
	if (!r->has_git || !n)
		return 0;
	root = dv_fs_openat(AT_FDCWD, r->root, O_RDONLY | O_DIRECTORY, 0);
	if (root < 0)
		return dv_err_sys("cannot open the workspace '%s'", r->root);
	memcpy(sorted, paths, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare);
	for (size_t from = 0, to; rc == 0 && from < n; from = to) {
		size_t len = folder_length(sorted[from]);

		for (to = from + 1; to < n && folder_length(sorted[to]) == len &&
				    memcmp(sorted[to], sorted[from], len) == 0; to++)
			;
		rc = ignore_folder(r, root, sorted + from, to - from, changed);
	}
	return rc;
}

int dv_repo_unignore(dv_repo *r, const char *path, dv_path_list *changed, dv_path_list *gone)
{
	size_t len = folder_length(path);
	dv_autofree char *dir = dv_strndup(path, len ? len - 1 : 0);
	dv_autofree char *abs = dir ? dv_repo_abs(r, dir) : NULL;
	dv_autofree char *file = dir ? dv_path_join(dir, ".gitignore") : NULL;
	dv_autofree char *file_abs = file ? dv_repo_abs(r, file) : NULL;
	dv_autoclose int root = -1, fd = -1;
	bool wrote = false;
	int rc;

	if (!abs || !file_abs)
		return dv_err_nomem();
	root = dv_fs_openat(AT_FDCWD, r->root, O_RDONLY | O_DIRECTORY, 0);
	if (root < 0)
		return dv_err_sys("cannot open the workspace '%s'", r->root);
	rc = dv_workdir_open(&fd, root, dir, false);
	if (rc == 0)
		rc = dv_gitignore_remove(&r->scratch, abs, path + len, &wrote);
	if (rc == DV_ENOTFOUND) {
		dv_error_clear();
		return 0;
	}
	if (rc || !wrote)
		return rc;
	return dv_path_list_add(access(file_abs, F_OK) == 0 ? changed : gone, file);
}
