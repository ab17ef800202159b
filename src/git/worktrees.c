/* SPDX-License-Identifier: Apache-2.0 */
/* The work trees of a repository. */
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "git/impl.h"

int dv_git_each_repository(dv_git *g, dv_git_repository_fn fn, void *payload)
{
	git_repository *main_repo = NULL;
	git_strarray names = { 0 };
	int rc = 0;

	/* The main work tree first, also when we are in a linked one. */
	if (!git_repository_open_ext(&main_repo, g->commondir,
				     GIT_REPOSITORY_OPEN_NO_SEARCH | GIT_REPOSITORY_OPEN_NO_DOTGIT,
				     NULL))
		rc = fn(main_repo, payload);
	git_repository_free(main_repo);
	int gc = rc ? 0 : git_worktree_list(&names, g->repo);
	if (gc)
		return dv_git_fail(gc, "cannot list git's work trees");
	for (size_t i = 0; !rc && i < names.count; i++) {
		dv_autoptr(git_worktree) wt = NULL;
		dv_autoptr(git_repository) repo = NULL;
		if (!git_worktree_lookup(&wt, g->repo, names.strings[i]) &&
		    !git_repository_open_from_worktree(&repo, wt))
			rc = fn(repo, payload);
		else
			dv_warn("the work tree '%s' cannot be read and is passed over",
				names.strings[i]);
	}
	git_strarray_dispose(&names);
	git_error_clear();
	return rc;
}

struct roots {
	dv_git *g;
	dv_git_root_cb cb;
	void *payload;
};

static int report_root(git_repository *repo, void *payload)
{
	const struct roots *r = payload;
	const char *dir = git_repository_workdir(repo);
	dv_autofree char *joined = dir ? dv_path_join(dir, r->g->prefix) : NULL;
	dv_autofree char *root = joined ? dv_path_normal(joined) : NULL;

	if (!dir)
		return 0;
	if (!root)
		return dv_err_nomem();
	return access(root, F_OK) == 0 ? r->cb(root, r->payload) : 0;
}

int dv_git_worktrees(dv_git *g, dv_git_root_cb cb, void *payload)
{
	struct roots r = { .g = g, .cb = cb, .payload = payload };

	return dv_git_each_repository(g, report_root, &r);
}
