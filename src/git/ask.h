/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Git's index by way of the user's git, where it has a form that libgit2 cannot read: a sparse
 * index, or one in two files.
 */
#ifndef DV_GIT_ASK_H
#define DV_GIT_ASK_H

#include "git/git.h"
#include "git/index.h"

/** Was libgit2's last failure such an index, and is there a git that reads it? */
bool dv_gitask_is_served(void);
/** As their namesakes without "index". */
int dv_gitask_stage(dv_git *g, const char *const *add, size_t nadd, const char *const *drop,
		    size_t ndrop) DV_MUST_CHECK;
int dv_gitask_is_tracked(dv_git *g, const char *path, bool *tracked, char **which) DV_MUST_CHECK;
int dv_gitask_read_staged(dv_git *g, const char *path, size_t max, dv_buf *out) DV_MUST_CHECK;
/** Every regular file of the index, with its path in the work tree. */
int dv_gitask_each(dv_git *g, dv_git_blob_cb cb, void *payload) DV_MUST_CHECK;
/** The index that is in use, read by git: as dv_gitindex_read reads one that it can. */
int dv_gitask_index(dv_git *g, dv_gitindex *x) DV_MUST_CHECK;
/** Has git forget what it knows of the stat data of files that were written, where its index still
 *  has the content `text`: it looks at them again. Sorts `f`. */
int dv_gitask_forget(dv_git *g, dv_gitindex_fresh *f, size_t n) DV_MUST_CHECK;
/** Brings an object that a partial clone lacks. False when it is none, or that did not help. */
bool dv_gitask_bring_object(dv_git *g, const char *id);
/** Fetches objects, an id a line, from a remote that promised to have them. */
int dv_gitask_bring_objects(dv_git *g, const char *remote, const dv_buf *ids) DV_MUST_CHECK;

#endif
