/* SPDX-License-Identifier: Apache-2.0 */
/* Private to src/git: what its files share of libgit2. */
#ifndef DV_GIT_IMPL_H
#define DV_GIT_IMPL_H

#include <git2.h>
#include <git2/sys/repository.h>

#include "base/map.h"
#include "git/git.h"

/* Folders in folders of a commit: what is nested deeper is refused, not followed. */
#define DV_GIT_DEPTH_MAX 256

struct dv_git {
	git_repository *repo;
	char *root;	/* of the workspace */
	char *workdir, *commondir;
	char *prefix;	/* of the workspace in the work tree: "" or "sub/" */
	bool doubtful;	/* see dv_git_keep_doubtful */
	int partial;	/* see dv_git_is_partial: 1 yes, -1 no, 0 not looked */
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
/** git_tree_lookup, likewise. */
int dv_git_tree(dv_git *g, const git_oid *id, git_tree **out) DV_MUST_CHECK;
/** The entry at a path of a tree, likewise; NULL where there is none. A code of libgit2's. */
int dv_git_entry(dv_git *g, const git_tree *tree, const char *path, git_tree_entry **out)
	DV_MUST_CHECK;
/** The folder at a path of a tree, likewise; NULL where there is none. */
int dv_git_subtree(dv_git *g, const git_tree *tree, const char *path, git_tree **out)
	DV_MUST_CHECK;
/** Has some remote promised to have what is not here? */
bool dv_git_is_partial(dv_git *g);

/** Objects that a partial clone lacks, to be brought together. */
typedef struct dv_git_lacking {
	git_oid *ids;
	size_t n, cap;
} dv_git_lacking;
#define DV_GIT_LACKING_INIT { 0 }
void dv_git_lacking_release(dv_git_lacking *l);
/** Looks whether an object is here, and notes it when it is not; either answer may be NULL. */
int dv_git_lacking_note(dv_git_lacking *l, dv_git *g, const git_oid *id, bool *lacks)
	DV_MUST_CHECK;
/** Has git fetch them from the remotes that promised to have them. */
int dv_git_lacking_bring(dv_git_lacking *l, dv_git *g) DV_MUST_CHECK;

typedef int (*dv_git_repository_fn)(git_repository *repo, void *payload);
/** The repository of every work tree, the main one first. */
int dv_git_each_repository(dv_git *g, dv_git_repository_fn fn, void *payload) DV_MUST_CHECK;

/** The index as it is on disk now; NULL when it is one that git has to be asked about. */
int dv_git_open_index(dv_git *g, git_index **out) DV_MUST_CHECK;
/** git_index_write, with the time of the index before: files as young as that one are still looked
 *  into by git, which compares seconds where libgit2 compares parts of them, and knows the filter.
 *  A code of libgit2's. */
int dv_git_write_index(git_index *index) DV_MUST_CHECK;
/** Records libgit2's last failure `gc` behind "WHAT: " and returns our code for it. */
int dv_git_fail(int gc, const char *fmt, ...) DV_PRINTF(2, 3);
/** "PREFIXpath", owned. */
char *dv_git_full(const dv_git *g, const char *path);
/** The path below the workspace, or NULL. Borrowed. */
const char *dv_git_own(const dv_git *g, const char *full);
/** The commit that a revision names. DV_ENOTFOUND "unknown revision". */
int dv_git_lookup(dv_git *g, const char *rev, git_commit **out) DV_MUST_CHECK;
/** HEAD's commit, or NULL when there is none yet. */
int dv_git_head_commit(dv_git *g, git_commit **out) DV_MUST_CHECK;

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
