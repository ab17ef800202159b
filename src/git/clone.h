/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Repositories of others: bringing what one revision needs into a bare repository of ours, and
 * reading files of a revision with their kinds. libgit2 comes first; what it cannot reach, the
 * user's git is asked for.
 */
#ifndef DV_GIT_CLONE_H
#define DV_GIT_CLONE_H

#include "git/git.h"

/** The largest file of git that is handed out. */
#define DV_GIT_FILE_MAX ((size_t)2 << 30)

/** Opens a repository (a work tree's root, or a bare one) only to read its objects. DV_ENOTFOUND
 *  when there is none at `path`. */
int dv_git_open_objects(dv_git **out, const char *path) DV_MUST_CHECK;
/** From now on `prefix` ("" or "sub/") is the workspace, and paths are relative to it. */
int dv_git_set_prefix(dv_git *g, const char *prefix) DV_MUST_CHECK;

/** Is it an address that git is to be given: a path, http, https, ssh, git, file, or scp's
 *  "host:path"? DV_EUNSAFE for what begins with '-', names a helper ("ext::…") or holds a password,
 *  DV_EUSAGE for other schemes. */
int dv_git_check_url(const char *url) DV_MUST_CHECK;
/** Brings into the bare repository `dir`, which is made when absent, what is needed for `rev`
 *  (NULL: the HEAD there) of the repository at `url`; hex is its commit. An id of a commit that is
 *  here already asks nobody. DV_ENOTFOUND "unknown revision". */
int dv_git_bring(const char *dir, const char *url, const char *rev, char hex[DV_GIT_HEX + 1])
	DV_MUST_CHECK;

/** A file of a revision. kind: 'f' 'x' 'l' 'd', 'm' for a submodule. */
typedef struct dv_git_item {
	const char *path;	/* relative to the workspace */
	char kind;
	char id[DV_GIT_HEX + 1];
	uint64_t size;		/* of files and links */
} dv_git_item;
typedef int (*dv_git_item_cb)(const dv_git_item *i, void *payload);
/** What stands at `path` ("" is the workspace): path in *out is borrowed from the argument.
 *  DV_ENOTFOUND. */
int dv_git_item_at(dv_git *g, const char *rev, const char *path, dv_git_item *out) DV_MUST_CHECK;
/** Tells what is in the folder `dir` of a revision, and with `deep` in all folders below, folders
 *  before what is in them. Nothing named .git or .dv is told. */
int dv_git_items(dv_git *g, const char *rev, const char *dir, bool deep, dv_git_item_cb cb,
		 void *payload) DV_MUST_CHECK;

#endif
