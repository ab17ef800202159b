/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the git repository with a few system calls and without libgit2. */
#include "git/git.h"

#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/path.h"

#define LINK_FILE_MAX ((size_t)64 << 10)

void dv_git_dirs_release(dv_git_dirs *d)
{
	free(d->workdir);
	free(d->gitdir);
	free(d->commondir);
	*d = (dv_git_dirs)DV_GIT_DIRS_INIT;
}

static bool is_dir(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static bool has(const char *dir, const char *name)
{
	dv_autofree char *path = dv_path_join(dir, name);

	return path && access(path, F_OK) == 0;
}

/* Reads "PREFIX path" from a small file; the path is resolved against `base`. */
static int read_link(char **out, const char *file, const char *prefix, const char *base)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = dv_fs_read_file(&text, file, LINK_FILE_MAX);

	if (rc)
		return rc;
	while (text.n && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
		text.p[--text.n] = 0;
	size_t skip = strlen(prefix);
	if (text.n <= skip || memchr(text.p, 0, text.n) || strncmp(text.p, prefix, skip) != 0)
		return dv_err(DV_ERROR, "'%s' is damaged: no '%s' in it", file, prefix);
	dv_autofree char *joined = dv_path_join(base, text.p + skip);
	*out = joined ? dv_path_normal(joined) : NULL;
	return *out ? 0 : dv_err_nomem();
}

static int fill_common(dv_git_dirs *d)
{
	dv_autofree char *file = dv_path_join(d->gitdir, "commondir");

	if (!file)
		return dv_err_nomem();
	if (access(file, F_OK) == 0)
		return read_link(&d->commondir, file, "", d->gitdir);
	d->commondir = dv_strdup(d->gitdir);
	return d->commondir ? 0 : DV_ERROR;
}

/* GIT_DIR and GIT_WORK_TREE, where `start` lies in that work tree. */
static int from_environment(dv_git_dirs *d, const char *start)
{
	const char *gitdir = getenv("GIT_DIR"), *tree = getenv("GIT_WORK_TREE");

	if (!gitdir || !*gitdir)
		return 0;
	dv_auto(dv_git_dirs) found = DV_GIT_DIRS_INIT;
	found.workdir = dv_path_absolute(tree && *tree ? tree : ".");
	found.gitdir = dv_path_absolute(gitdir);
	if (!found.workdir || !found.gitdir)
		return dv_error_last()->code;
	if (!dv_path_below(start, found.workdir, NULL))
		return 0;
	if (!has(found.gitdir, "HEAD"))
		return dv_err_hint(dv_err(DV_ERROR, "GIT_DIR is '%s', which is no git repository",
					  gitdir), "unset GIT_DIR");
	int rc = fill_common(&found);
	if (rc)
		return rc;
	*d = found;
	found = (dv_git_dirs)DV_GIT_DIRS_INIT;
	return 0;
}

/* Is `dir` the root of a work tree? Then fills `d`. */
static int try_dir(dv_git_dirs *d, const char *dir)
{
	dv_auto(dv_git_dirs) found = DV_GIT_DIRS_INIT;
	dv_autofree char *dot = dv_path_join(dir, ".git");
	struct stat st;

	if (!dot)
		return dv_err_nomem();
	if (stat(dot, &st))
		return 0;
	if (S_ISREG(st.st_mode)) {
		int rc = read_link(&found.gitdir, dot, "gitdir: ", dir);
		if (rc)
			return rc;
		if (!is_dir(found.gitdir))
			return dv_err_hint(dv_err(DV_ERROR, "'%s' points to '%s', which is not "
						  "there", dot, found.gitdir),
					   "repair the work tree with 'git worktree repair'");
	} else if (S_ISDIR(st.st_mode) && has(dot, "HEAD")) {
		found.gitdir = dv_steal(&dot);
	} else {
		return 0;
	}
	found.workdir = dv_strdup(dir);
	int rc = found.workdir ? fill_common(&found) : DV_ERROR;
	if (rc)
		return rc;
	*d = found;
	found = (dv_git_dirs)DV_GIT_DIRS_INIT;
	return 0;
}

static bool looks_bare(const char *dir)
{
	return has(dir, "HEAD") && has(dir, "objects") && has(dir, "refs");
}

bool dv_git_is_ceiling(const char *dir)
{
	const char *p = getenv("GIT_CEILING_DIRECTORIES");
	bool resolve = true;

	while (p && *p) {
		size_t n = strcspn(p, ":");
		dv_autofree char *one = dv_strndup(p, n);
		dv_autofree char *real = one && n && resolve ? realpath(one, NULL) : NULL;
		dv_autofree char *normal = real ? NULL : one && n ? dv_path_normal(one) : NULL;

		/* As in git: behind an empty entry links are not resolved. */
		resolve = resolve && n;
		if ((real && !strcmp(real, dir)) || (normal && !strcmp(normal, dir)))
			return true;
		p += n + (p[n] == ':');
	}
	return false;
}

/* GIT_WORK_TREE without GIT_DIR: another work tree for the repository that was found. */
static int other_work_tree(dv_git_dirs *d, const char *start)
{
	const char *tree = getenv("GIT_WORK_TREE");
	dv_autofree char *path = NULL;

	if (!d->workdir || !tree || !*tree)
		return 0;
	path = dv_path_absolute(tree);
	if (!path)
		return dv_error_last()->code;
	if (!dv_path_below(start, path, NULL))
		return 0;
	free(d->workdir);
	d->workdir = dv_steal(&path);
	return 0;
}

static int search(dv_git_dirs *out, const char *start)
{
	int rc = 0;
	dv_autofree char *dir = dv_path_normal(start);
	if (!dir)
		return dv_err_nomem();
	for (;;) {
		rc = try_dir(out, dir);
		if (rc || out->workdir)
			return rc;
		if (looks_bare(dir))
			return dv_err_hint(dv_err(DV_ERROR, "'%s' is a bare git repository", dir),
					   "run dv in a work tree");
		char *slash = strrchr(dir, '/');
		if (!slash || !dir[1])
			return 0;
		slash[slash == dir] = 0;
		if (dv_git_is_ceiling(dir))
			return 0;
	}
}

int dv_git_discover(dv_git_dirs *out, const char *start)
{
	*out = (dv_git_dirs)DV_GIT_DIRS_INIT;
	int rc = from_environment(out, start);
	if (rc || out->workdir)
		return rc;
	rc = search(out, start);
	return rc ? rc : other_work_tree(out, start);
}
