/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything dv asks of git. Finding the repository costs a few stat calls; libgit2 itself is
 * started by the first dv_git_open(). Paths are relative to the root of the dv workspace, which may
 * lie below the root of the git work tree; what is outside the workspace is never seen. No program
 * is started, so hooks do not run.
 *
 * A dv_git belongs to one thread at a time. Failures carry libgit2's words.
 */
#ifndef DV_GIT_GIT_H
#define DV_GIT_GIT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

#define DV_GIT_HEX 40
/** The largest pointer that is read from git; larger blobs are passed over with a warning. */
#define DV_GIT_POINTER_MAX ((size_t)1 << 20)

/** Where git keeps things; all absolute and normal, NULL when there is no git. */
typedef struct dv_git_dirs {
	char *workdir;		/* root of the work tree */
	char *gitdir;		/* of this work tree */
	char *commondir;	/* shared by linked work trees; the gitdir of the main one */
} dv_git_dirs;
#define DV_GIT_DIRS_INIT { 0 }
void dv_git_dirs_release(dv_git_dirs *d);
/** Looks for git from the absolute folder `start` upwards, without libgit2. GIT_DIR,
 *  GIT_WORK_TREE and GIT_CEILING_DIRECTORIES mean what they mean to git. Returns 0 and leaves
 *  `out` all NULL when there is none; DV_ERROR for a bare repository or a damaged ".git" file. */
int dv_git_discover(dv_git_dirs *out, const char *start) DV_MUST_CHECK;

/** May a search that began below the absolute folder not look into it (GIT_CEILING_DIRECTORIES)? */
bool dv_git_is_ceiling(const char *dir);

typedef struct dv_git dv_git;
/** Opens the repository. `root` is the workspace: equal to or below d->workdir. DV_EUNSAFE when it
 *  belongs to somebody else, DV_ERROR naming an extension that is not supported. */
int dv_git_open(dv_git **out, const dv_git_dirs *d, const char *root) DV_MUST_CHECK;
void dv_git_free(dv_git *g);
DV_DEFINE_AUTOPTR(dv_git)

/** Appends the value of one of git's own settings, as git sees it from here: nothing when it is not
 *  set. */
int dv_git_config(dv_git *g, const char *key, dv_buf *out) DV_MUST_CHECK;

/** As above from the settings of the user and the system alone. */
int dv_git_user_config(const char *key, dv_buf *out) DV_MUST_CHECK;

/* -- index and commits ------------------------------------------------------------------------- */

/** Puts the files `add` as they are now into the index, and takes the paths `drop` out of it (those
 *  that are not in it are passed over). All or nothing. DV_ELOCKED when git holds the index. */
int dv_git_stage(dv_git *g, const char *const *add, size_t nadd, const char *const *drop,
		 size_t ndrop) DV_MUST_CHECK;
/** Commits `paths` as the index has them on top of HEAD, like "git commit --only": what else is
 *  staged stays staged. Works for the first commit of a branch and on a detached HEAD. hex may be
 *  NULL. When nothing changed, succeeds without a commit (hex is HEAD, "" when there is none).
 *  DV_ERROR with a hint without user.name and user.email, during a merge, or with conflicts. */
int dv_git_commit(dv_git *g, const char *message, const char *const *paths, size_t n,
		  char hex[DV_GIT_HEX + 1]) DV_MUST_CHECK;
/** A file as the index has it, at most `max` bytes; out is replaced. DV_ENOTFOUND. */
int dv_git_read_staged(dv_git *g, const char *path, size_t max, dv_buf *out) DV_MUST_CHECK;
/** Can the index be read? DV_ERROR with a hint when it has what libgit2 does not know. */
int dv_git_check(dv_git *g) DV_MUST_CHECK;
/** Is the path in the index, or anything below it? *which (may be NULL) is that path, owned. */
int dv_git_is_tracked(dv_git *g, const char *path, bool *tracked, char **which) DV_MUST_CHECK;
typedef int (*dv_git_ref_cb)(const char *name, const char *hex, void *payload);
/** Branches as "main", those of remotes as "origin/main", tags as "tags/v1", with their commits; in
 *  git's order. What does not lead to a commit is passed over. */
int dv_git_refs(dv_git *g, dv_git_ref_cb cb, void *payload) DV_MUST_CHECK;
/** Would git ignore the path? A folder's path ends with '/'. */
int dv_git_is_ignored(dv_git *g, const char *path, bool *ignored) DV_MUST_CHECK;

/** Who would be the author of a commit: name and email, replaced; empty where git does not know. */
int dv_git_author(dv_git *g, dv_buf *name, dv_buf *email) DV_MUST_CHECK;
/** Is there a file in git that is not as HEAD has it, in the index or in the work tree? What git
 *  does not track does not count. Looks at every tracked file until one is found. */
int dv_git_is_dirty(dv_git *g, bool *dirty) DV_MUST_CHECK;

/* -- revisions --------------------------------------------------------------------------------- */

/** Anything git can name -> the commit's id. DV_ENOTFOUND "unknown revision 'x'". */
int dv_git_resolve(dv_git *g, const char *rev, char hex[DV_GIT_HEX + 1]) DV_MUST_CHECK;
/** As resolve for HEAD; hex is "" when there is no commit yet. */
int dv_git_head(dv_git *g, char hex[DV_GIT_HEX + 1]) DV_MUST_CHECK;
/** A file of a revision, at most `max` bytes; out is replaced. DV_ENOTFOUND. */
int dv_git_read_blob(dv_git *g, const char *rev, const char *path, size_t max, dv_buf *out)
	DV_MUST_CHECK;

/** A path or a name, borrowed. Returns 0 to go on. */
typedef int (*dv_git_file_cb)(const char *path, void *payload);
/** A file with the id of its content. */
typedef int (*dv_git_blob_cb)(const char *path, const char id[DV_GIT_HEX + 1], void *payload);
/** The regular files of a revision at and below a folder ("" for all), relative to the workspace,
 *  but for those in .git and .dv. None for a folder that is not there. */
int dv_git_files_at(dv_git *g, const char *rev, const char *dir, dv_git_blob_cb cb, void *payload)
	DV_MUST_CHECK;
/** The content of that id, at most `max` bytes; `path` is for messages. out is replaced. */
int dv_git_read_id(dv_git *g, const char *id, const char *path, size_t max, dv_buf *out)
	DV_MUST_CHECK;
/** Is there a file (or link) of that path in the revision? */
int dv_git_has_file(dv_git *g, const char *rev, const char *path, bool *yes) DV_MUST_CHECK;
/** The names of local branches, and of tags. */
int dv_git_branches(dv_git *g, dv_git_file_cb cb, void *payload) DV_MUST_CHECK;
int dv_git_tags(dv_git *g, dv_git_file_cb cb, void *payload) DV_MUST_CHECK;

/** One pointer or lock file found in git. All borrowed. `where` is the commit's id, or words such
 *  as "index of WORKTREE". Returns 0 to go on. */
typedef int (*dv_git_pointer_cb)(const char *where, const char *path, const char *text, size_t n,
				 void *payload);
/** The "*.dv" and "dv.lock" files (regular files only) of a revision, in git's order: what the
 *  .dvignore files of that revision exclude and nested dv repositories are left out. An unborn HEAD
 *  has none. So do the functions below, here without .dvignore, also tell the pointers of Git LFS
 *  of the files that have the attribute "filter=dv" in that revision. */
int dv_git_pointers_at(dv_git *g, const char *rev, dv_git_pointer_cb cb, void *payload)
	DV_MUST_CHECK;

/**
 * A set of commits. A rev is anything git can name, and stands for that commit; or
 *   "A..B"   what is reachable from B and not from A (each may be left out: HEAD)
 *   "A...B"  what is reachable from one of them and not from both
 *   "PAT"    with * ? or [: the branches and tags that match, as "v1.?"
 *   "^A"     leaves out what is reachable from A (or from what matches); everything else that is
 *            named, but for the ranges' own lower ends, then stands for its whole history
 * Ranges add up, and "^A" counts for all of them.
 */
typedef struct dv_git_scope {
	bool branches;		/* tips of local and remote-tracking branches */
	bool tags;		/* what tags point to */
	bool all_commits;	/* everything reachable from any reference and from HEAD */
	const char *const *revs;
	size_t nrevs;
	int last_n;		/* also the last n commits, along first parents, of each rev that
				   is one commit (of HEAD when there are no revs); not with "^A" */
	bool whole;		/* everything stands for its whole history, with "^A" or not */
} dv_git_scope;
typedef int (*dv_git_commit_cb)(const char *hex, void *payload);
/** Every commit of the scope once. */
int dv_git_commits(dv_git *g, const dv_git_scope *s, dv_git_commit_cb cb, void *payload)
	DV_MUST_CHECK;
/** The pointers of every commit of the scope, whatever .dvignore says: what is excluded in one
 *  commit may be data in the next, and is kept and moved along. The same file at the same path with
 *  the same content comes once, with the first commit met. */
int dv_git_pointers_in(dv_git *g, const dv_git_scope *s, dv_git_pointer_cb cb, void *payload)
	DV_MUST_CHECK;
/** The pointers of everything reachable from any reference and from HEAD, those of newer commits
 *  first; otherwise as dv_git_pointers_in. */
int dv_git_pointers_by_age(dv_git *g, dv_git_pointer_cb cb, void *payload) DV_MUST_CHECK;
/** From now on, where the filter is in use, everything that looks like a pointer of Git LFS is
 *  told, whatever its attributes: for who may rather keep too much. */
void dv_git_keep_doubtful(dv_git *g);
/** The oldest ancestor of HEAD along first parents: the same in every clone. "" where there is
 *  none, or the clone is too shallow to tell. */
int dv_git_first_commit(dv_git *g, char hex[DV_GIT_HEX + 1]) DV_MUST_CHECK;
/** What gc must keep beside commits: the pointers in the indexes of all work trees, in their HEADs,
 *  in all stashes, in all commits that a reflog (of any reference, of HEAD of any work tree)
 *  still names, and in those that a merge, rebase or the like under way works with. Pointers that
 *  lie in the folders of other work trees and were never staged are found by opening those
 *  (dv_git_worktrees). */
int dv_git_pointers_hidden(dv_git *g, dv_git_pointer_cb cb, void *payload) DV_MUST_CHECK;

/** The records of the commits that are reachable from `tips` and not from `known` (commits with "^"
 *  before them), but for those that stand so already, at that path, in what these grew from. */
int dv_git_pointers_new(dv_git *g, const char *const *tips, size_t ntips,
			const char *const *known, size_t nknown, dv_git_pointer_cb cb,
			void *payload) DV_MUST_CHECK;
/** A record (pointer or lock file) that is not the same in two commits; `text` is what it was in
 *  the old one, NULL when it was not there. Borrowed. */
typedef int (*dv_git_changed_cb)(const char *path, const char *text, size_t n, void *payload);
/** The records that differ between two commits (or trees). `old` NULL: there was nothing; `new_`
 *  NULL: the index. Equal folders are not looked into. */
int dv_git_changed_records(dv_git *g, const char *old, const char *new_, dv_git_changed_cb cb,
			   void *payload) DV_MUST_CHECK;
/** The files that are staged otherwise than HEAD has them, that the attribute "filter=dv" is for,
 *  and that are not pointers of Git LFS: content that went by the filter. */
int dv_git_staged_raw(dv_git *g, dv_git_file_cb cb, void *payload) DV_MUST_CHECK;
/** Does any .gitattributes file of the work tree, or info/attributes, say "filter=dv"? */
int dv_git_uses_filter(dv_git *g, bool *yes) DV_MUST_CHECK;
/** Makes the empty folder `dir` a work tree of the repository with that common folder which the
 *  repository does not know of: its git folder is dir/.git. `head` is the text of HEAD: a commit's
 *  id, whose files are checked out, or "ref: …" of a branch without commits. All absolute. */
int dv_git_work_tree(const char *dir, const char *commondir, const char *head) DV_MUST_CHECK;

typedef int (*dv_git_root_cb)(const char *root, void *payload);
/** The roots of this workspace in every work tree of the repository (main and linked) that has a
 *  folder, absolute. */
int dv_git_worktrees(dv_git *g, dv_git_root_cb cb, void *payload) DV_MUST_CHECK;

/* -- merges ------------------------------------------------------------------------------------ */

/** A path in conflict: what git's index has of the common ancestor, of ours and of theirs. */
typedef struct dv_git_conflict {
	const char *path;		/* borrowed */
	char id[3][DV_GIT_HEX + 1];	/* "": that side has no such file */
	unsigned mode[3];
} dv_git_conflict;
typedef int (*dv_git_conflict_cb)(const dv_git_conflict *c, void *payload);
/** The paths of the workspace that are in conflict, in order. */
int dv_git_conflicts(dv_git *g, dv_git_conflict_cb cb, void *payload) DV_MUST_CHECK;
/** Puts a blob that git has into the index at `path`, which is no longer in conflict then. */
int dv_git_settle(dv_git *g, const char *path, const char *id, unsigned mode) DV_MUST_CHECK;

#define DV_GIT_MERGE_UNION 1u	/* both sides' lines where they are in conflict */
/** The longest conflict markers that are written: an attribute of git's may ask for any. */
#define DV_GIT_MARKER_MAX 200
/** Merges lines of text as git does: of ancestor, ours and theirs. `marker`: length of its
 *  markers, 0: the usual. out is appended to. */
int dv_git_merge_lines(dv_git *g, const dv_buf text[3], unsigned flags, int marker, dv_buf *out,
		       bool *clean) DV_MUST_CHECK;

/** "1.5.1", the libgit2 that runs. */
void dv_git_version(char *out, size_t n);

#endif
