/* SPDX-License-Identifier: Apache-2.0 */
/* Work trees that the repository does not know of, for commands that run apart. */
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/path.h"
#include "git/impl.h"

static int write_line(const char *dir, const char *name, const char *text)
{
	dv_autofree char *path = dv_path_join(dir, name);
	dv_auto(dv_buf) line = DV_BUF_INIT;

	dv_buf_addf(&line, "%s\n", text);
	if (!path || line.err)
		return dv_err_nomem();
	return dv_fs_write_file(path, line.p, line.n, 0);
}

static bool works_in(git_repository *repo, const char *dir)
{
	const char *now = git_repository_workdir(repo);
	size_t n = strlen(dir);

	return now && strncmp(now, dir, n) == 0 && strcmp(now + n, "/") == 0;
}

int dv_git_work_tree(const char *dir, const char *commondir, const char *head)
{
	dv_autofree char *gitdir = dv_path_join(dir, ".git");
	git_checkout_options o = { .version = GIT_CHECKOUT_OPTIONS_VERSION };
	dv_autoptr(dv_git) g = NULL;
	int rc, gc;

	if (!gitdir)
		return dv_err_nomem();
	const dv_git_dirs d = { (char *)(uintptr_t)dir, gitdir, (char *)(uintptr_t)commondir };
	if ((rc = dv_fs_mkdirs(gitdir)) || (rc = write_line(gitdir, "HEAD", head)) ||
	    (rc = write_line(gitdir, "commondir", commondir)) || (rc = dv_git_open(&g, &d, dir)))
		return rc;
	/* The settings that it shares may name the work tree of somebody else. */
	if (!works_in(g->repo, dir) && (gc = git_repository_set_workdir(g->repo, dir, 0)))
		return dv_git_fail(gc, "cannot make a work tree in '%s'", dir);
	if (strncmp(head, "ref:", 4) == 0)
		return 0;
	o.checkout_strategy = GIT_CHECKOUT_FORCE;
	gc = git_checkout_head(g->repo, &o);
	return gc ? dv_git_fail(gc, "cannot check out the commit %s", head) : 0;
}
