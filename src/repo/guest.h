/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A revision of somebody else's repository, read as a repository without a workspace: what git has
 * of it lies in a folder of ours, or is read in place when the repository is on this machine.
 *
 * It is hostile. Of the settings that are committed there only those count that say where a remote
 * is; what the user has set for a remote at the same URL is used for it, and nothing else of
 * the user's. No program that it names is started.
 */
#ifndef DV_REPO_GUEST_H
#define DV_REPO_GUEST_H

#include "git/clone.h"
#include "repo/sync.h"

typedef struct dv_guest_options {
	dv_repo *user;		/* whose settings and folders are used; NULL: outside of any */
	const char *base;	/* relative folders start here; NULL: the working folder */
	const char *url, *rev;	/* rev NULL: its HEAD */
	const char *path;	/* what is asked for, relative to its root; NULL: that */
} dv_guest_options;

typedef struct dv_guest {
	char *url;		/* as it was given */
	char *shown;		/* as it may be shown */
	char *local;		/* absolute folder of a repository on this machine; or NULL */
	char *dir;		/* of ours, for what is known of it */
	dv_lock lock;		/* of that */
	dv_repo *repo;
	char commit[DV_GIT_HEX + 1];
	char *prefix;		/* of its workspace in git's tree: "" or "sub/" */
	char *path;		/* what is asked for, relative to that workspace; "" for all */
	dv_output_list outputs;
} dv_guest;
/** Finds what git has of the revision, brought when it is not here, and the outputs of the
 *  workspace that holds the path. DV_EUNSAFE for a URL or revision that git must not be given;
 *  DV_ENOTFOUND "unknown revision". */
int dv_guest_open(dv_guest **out, const dv_guest_options *o) DV_MUST_CHECK;
void dv_guest_free(dv_guest *f);
DV_DEFINE_AUTOPTR(dv_guest)

/** One thing of it to be brought. */
typedef struct dv_guest_want {
	dv_want want;
	const char *remote;	/* its own, or NULL */
} dv_guest_want;
/** Brings objects into the store `into`, from its cache when that is on this machine and has them,
 *  else from its remotes. Everything is verified. `moved` (may be NULL) grows. */
int dv_guest_fetch(dv_guest *f, dv_store *into, const dv_guest_want *w, size_t n, int jobs,
		   dv_move_stats *moved) DV_MUST_CHECK;
/** Does the cache on this machine have all of the object? */
bool dv_guest_has(dv_guest *f, const dv_want *w);

/** The folder on this machine that an address names, absolute; *out NULL when it is elsewhere. */
int dv_guest_folder(char **out, const char *url, const char *base) DV_MUST_CHECK;

#endif
