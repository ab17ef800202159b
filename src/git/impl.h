/* SPDX-License-Identifier: Apache-2.0 */
/* Private to src/git: what its files share of libgit2. */
#ifndef DV_GIT_IMPL_H
#define DV_GIT_IMPL_H

#include <git2.h>
#include <git2/sys/repository.h>

#include "base/map.h"
#include "git/git.h"

struct dv_git {
	git_repository *repo;
	char *root;	/* of the workspace */
	char *workdir, *commondir;
	char *prefix;	/* of the workspace in the work tree: "" or "sub/" */
	bool doubtful;	/* see dv_git_keep_doubtful */
};

/* Owned libgit2 objects for dv_autoptr. */
DV_DEFINE_AUTOPTR(git_repository)
DV_DEFINE_AUTOPTR(git_index)
DV_DEFINE_AUTOPTR(git_object)
DV_DEFINE_AUTOPTR(git_commit)
DV_DEFINE_AUTOPTR(git_tree)
DV_DEFINE_AUTOPTR(git_tree_entry)
DV_DEFINE_AUTOPTR(git_blob)
DV_DEFINE_AUTOPTR(git_odb)
DV_DEFINE_AUTOPTR(git_signature)
DV_DEFINE_AUTOPTR(git_reference)
DV_DEFINE_AUTOPTR(git_reference_iterator)
DV_DEFINE_AUTOPTR(git_reflog)
DV_DEFINE_AUTOPTR(git_worktree)

/** Starts libgit2 where that was not done; before anything else is asked of it. */
int dv_git_start(void) DV_MUST_CHECK;
/** Opens the repository at `path`, a work tree's root or a bare one, with what the user trusts.
 *  DV_ENOTFOUND. */
int dv_git_open_path(git_repository **out, const char *path) DV_MUST_CHECK;
/** The size of a file in git, likewise brought when it lacks. A code of libgit2's. */
int dv_git_blob_size(dv_git *g, const git_oid *id, size_t *size) DV_MUST_CHECK;
/** git_blob_lookup, which brings what a partial clone lacks. A code of libgit2's. */
int dv_git_blob(dv_git *g, const git_oid *id, git_blob **out) DV_MUST_CHECK;
/** Records libgit2's last failure `gc` behind "WHAT: " and returns our code for it. */
int dv_git_fail(int gc, const char *fmt, ...) DV_PRINTF(2, 3);
/** "PREFIXpath", owned. */
char *dv_git_full(const dv_git *g, const char *path);
/** The path below the workspace, or NULL. Borrowed. */
const char *dv_git_own(const dv_git *g, const char *full);
int dv_git_lookup(dv_git *g, const char *rev, git_commit **out) DV_MUST_CHECK;

/** A set of commits that tells each of them once. */
typedef int (*dv_git_each_fn)(git_commit *c, void *payload);
typedef struct dv_git_set {
	dv_git *g;
	dv_map seen;
	dv_git_each_fn fn;
	void *payload;
} dv_git_set;
void dv_git_set_release(dv_git_set *s);
/** Tells a commit when it is new. */
int dv_git_set_add(dv_git_set *s, git_commit *c) DV_MUST_CHECK;
/** Adds HEAD of a repository that may be another work tree's; nothing when there is none. */
int dv_git_set_add_head(dv_git_set *s, git_repository *repo) DV_MUST_CHECK;
/** Calls fn for every commit of the scope once. */
int dv_git_each_commit(dv_git *g, const dv_git_scope *o, dv_git_each_fn fn, void *payload)
	DV_MUST_CHECK;

#endif
