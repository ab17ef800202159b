/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hooks of git that call dv: where git looks for them, what stands there, and the small scripts
 * that dv puts there. A hook of somebody else's is never lost: it is kept beside dv's, which runs
 * it first, or it stays where it is and its owner is told what to add.
 */
#ifndef DV_REPO_HOOKS_H
#define DV_REPO_HOOKS_H

#include "repo/repo.h"

/** What a hook that was there before is called: "pre-push.before-dv". */
#define DV_HOOK_KEPT ".before-dv"
/** In dv's part of the git folder: the workspaces whose hooks are installed, relative to the work
 *  tree, one a line; "." is its root. */
#define DV_HOOK_WORKSPACES "workspaces"
#define DV_HOOK_FILE_MAX ((size_t)4 << 20)	/* the largest hook that is read */

/** The names of the hooks, ending in NULL. */
extern const char *const dv_hook_names[];

enum dv_hook_state {
	DV_HOOK_ABSENT,
	DV_HOOK_OURS,		/* as dv writes it */
	DV_HOOK_OLD,		/* as another version of dv wrote it */
	DV_HOOK_CALLS,		/* somebody else's, which calls dv */
	DV_HOOK_FOREIGN		/* somebody else's */
};

enum dv_hook_manager {
	DV_MANAGER_NONE,
	DV_MANAGER_FOLDER,	/* a folder outside of git's, by core.hooksPath */
	DV_MANAGER_HUSKY,
	DV_MANAGER_LEFTHOOK	/* rewrites its hooks when it likes */
};

/** Where git looks for the hooks of a workspace. */
typedef struct dv_hooks {
	char *dir;		/* absolute; may not exist */
	char *usual;		/* the hooks folder of the git folder */
	char *scripts;		/* where people write what dir's hooks run: of husky; else dir */
	char *lefthook;		/* lefthook's settings, or NULL */
	bool own;		/* dir is inside the git folder: dv may write there */
	bool husky;
} dv_hooks;
#define DV_HOOKS_INIT { 0 }
void dv_hooks_release(dv_hooks *h);
/** Asks git's settings, and looks for the files of those who manage hooks. */
int dv_hooks_find(dv_hooks *out, dv_repo *r) DV_MUST_CHECK;

/** One hook as it stands in `dir`. */
typedef struct dv_hook_file {
	enum dv_hook_state state;
	enum dv_hook_manager manager;	/* who looks after it */
	bool executable;
	bool kept;			/* there is one that was there before */
} dv_hook_file;
/** Looks at the hook `name`; one that is not there is DV_HOOK_ABSENT, and no failure. */
int dv_hook_look(dv_hook_file *out, const dv_hooks *h, const char *dir, const char *name)
	DV_MUST_CHECK;

/** The script of a hook. */
int dv_hook_script(dv_buf *out, const char *name) DV_MUST_CHECK;
/** Is this text a hook that some version of dv wrote? */
bool dv_hook_is_ours(const dv_buf *text);
/** What is to be added, and to which file (owned), where somebody else looks after the hook. */
int dv_hook_by_hand(const dv_hooks *h, enum dv_hook_manager m, const char *name, char **file,
		    dv_buf *text) DV_MUST_CHECK;

/** The workspaces whose hooks are installed, absolute. */
int dv_hook_workspaces(dv_path_list *out, const dv_git_dirs *d) DV_MUST_CHECK;
/** Tells dv_doctor's callback whether the hooks of the workspace run, and git knows the drivers. */
int dv_hooks_check(dv_repo *r, dv_finding_cb cb, void *payload) DV_MUST_CHECK;

#endif
