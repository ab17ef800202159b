/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For dv_doctor: do the hooks run, and does git know the drivers that its attributes name? Who
 * never ran "dv install" has no problem; who did wants to know when it has no effect any more.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "git/drivers.h"
#include "repo/hooks.h"

typedef struct check {
	dv_repo *repo;
	dv_finding_cb cb;
	void *payload;
	dv_hooks hooks;
	size_t running, old, idle, absent, foreign;	/* by what stands where git looks */
	size_t elsewhere;	/* of ours, where git does not look */
	dv_buf not_running;	/* their names */
} check;

static void check_release(check *c)
{
	dv_hooks_release(&c->hooks);
	dv_buf_release(&c->not_running);
}

static int tell(check *c, const char *topic, const char *value, const char *problem,
		const char *hint)
{
	dv_finding f = { topic, value, problem, hint };

	return c->cb(&f, c->payload);
}

static int look(check *c)
{
	bool two = strcmp(c->hooks.dir, c->hooks.usual) != 0;

	for (const char *const *n = dv_hook_names; *n; n++) {
		dv_hook_file f;
		int rc = dv_hook_look(&f, &c->hooks, c->hooks.dir, *n);
		bool ours = f.state == DV_HOOK_OURS || f.state == DV_HOOK_OLD;

		if (rc < 0)
			return rc;
		c->old += f.state == DV_HOOK_OLD;
		c->idle += ours && !f.executable;
		c->absent += f.state == DV_HOOK_ABSENT;
		c->foreign += f.state == DV_HOOK_FOREIGN;
		if (f.state == DV_HOOK_CALLS || (ours && f.executable))
			c->running++;
		else
			dv_buf_addf(&c->not_running, " %s", *n);
		if (two && (rc = dv_hook_look(&f, &c->hooks, c->hooks.usual, *n)) < 0)
			return rc;
		c->elsewhere += two && (f.state == DV_HOOK_OURS || f.state == DV_HOOK_OLD);
	}
	return c->not_running.err;
}

static bool on_path(const char *program)
{
	const char *p = getenv("PATH");

	while (p && *p) {
		size_t n = strcspn(p, ":");
		dv_autofree char *dir = n ? dv_strndup(p, n) : dv_strdup(".");
		dv_autofree char *path = dir ? dv_path_join(dir, program) : NULL;

		if (path && access(path, X_OK) == 0)
			return true;
		p += n + (p[n] == ':');
	}
	return false;
}

/* Was 'dv install' run here? */
static int is_listed(const check *c, bool *yes)
{
	dv_auto(dv_path_list) l = DV_PATH_LIST_INIT;
	int rc = dv_hook_workspaces(&l, &c->repo->dirs);

	*yes = false;
	for (size_t i = 0; rc == 0 && i < l.n; i++)
		*yes |= strcmp(l.p[i], c->repo->root) == 0;
	return rc;
}

static int check_state(check *c)
{
	dv_auto(dv_buf) problem = DV_BUF_INIT;
	const char *dir = c->hooks.dir;
	bool listed;
	int rc = is_listed(c, &listed);

	if (rc < 0)
		return rc;
	if (!listed && !c->running && !c->idle && !c->elsewhere)
		return tell(c, "hooks", "none; 'dv install' has git bring and push data", NULL,
			    NULL);
	if (c->elsewhere && !c->running)
		return tell(c, "hooks", dir, "core.hooksPath has git look there, and dv's hooks "
			    "are in its usual folder: they do not run",
			    "run 'dv install' again: it says what to do");
	if (c->idle)
		return tell(c, "hooks", dir, "hooks are not executable, so git passes them over",
			    "run 'dv install' again");
	if (c->absent || c->foreign) {
		dv_buf_addf(&problem, "these do not call dv:%s", dv_buf_str(&c->not_running));
		return problem.err ? problem.err
				   : tell(c, "hooks", dir, problem.p,
					  "run 'dv install' again: it says what to do");
	}
	if (c->old)
		return tell(c, "hooks", dir, "another version of dv wrote them",
			    "run 'dv install' again");
	if (!on_path("dv"))
		return tell(c, "hooks", dir, "there is no 'dv' on PATH: they do nothing",
			    "put the folder of dv on PATH, also for programs that are not "
			    "started from a shell");
	return tell(c, "hooks", dir, NULL, NULL);
}

static int check_drivers(check *c)
{
	unsigned there = 0, own = 0;
	bool used = false;
	dv_git *g = NULL;
	int rc = dv_repo_git(c->repo, &g);

	if (rc == 0)
		rc = dv_gitdrivers_look(&c->repo->dirs, &there, &own);
	if (rc == 0)
		rc = dv_git_uses_filter(g, &used);
	if (rc < 0)
		return rc;
	if (used && !((there | own) & DV_DRIVER_FILTER))
		return tell(c, "drivers", "no filter", "a .gitattributes file says 'filter=dv', "
			    "and git does not know that filter: it would take in the data itself",
			    "run 'dv install'");
	if ((there & DV_DRIVER_ATTRIBUTES) && !((there | own) & DV_DRIVER_MERGE))
		return tell(c, "drivers", "no merge driver", "git's attributes name it, and git "
			    "does not know it", "run 'dv install'");
	return there | own ? tell(c, "drivers", "known to git", NULL, NULL) : 0;
}

int dv_hooks_check(dv_repo *r, dv_finding_cb cb, void *payload)
{
	dv_auto(check) c = { .repo = r, .cb = cb, .payload = payload };
	int rc;

	if ((rc = dv_hooks_find(&c.hooks, r)) < 0 || (rc = look(&c)) < 0)
		return rc;
	rc = check_state(&c);
	return rc ? rc : check_drivers(&c);
}
