/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of another repository's revision, of dv and of git alike, put into a folder here.
 */
#ifndef DV_REPO_FILL_H
#define DV_REPO_FILL_H

#include "repo/guest.h"

/** One thing to be put: an output (or a part of one), or a file, link or folder of git. */
typedef struct dv_fill_part {
	char *path;		/* below what was asked for; "" for that itself */
	dv_tree_entry entry;	/* of an output; kind 0 for git's */
	char kind;		/* of git's */
	char id[DV_GIT_HEX + 1];
	char *remote;		/* the output's own, or NULL */
} dv_fill_part;
typedef struct dv_fill {
	dv_guest *f;
	dv_fill_part *p;
	size_t n, cap;
	uint64_t files, bytes;
	bool of_git;		/* not all of it is one output's */
} dv_fill;
void dv_fill_release(dv_fill *p);
/** What stands at the path that is asked for: an output, something in one, a file of git, or a
 *  folder with any of these. Pointers of outputs that are part of it are left out. */
int dv_fill_plan(dv_fill *p, dv_guest *f) DV_MUST_CHECK;
/** Brings what outputs need into the store. */
int dv_fill_fetch(dv_fill *p, dv_store *into, int jobs, dv_move_stats *moved) DV_MUST_CHECK;
/** Makes `path` (relative to the root of `r`, whose scratch folder is open and whose store has what
 *  outputs need) what was planned. What stood there is replaced. */
int dv_fill_put(dv_fill *p, dv_repo *r, const char *path, int jobs) DV_MUST_CHECK;

/** Is it one output, or one thing in an output, so that its oid is known? */
bool dv_fill_is_output(const dv_fill *p);
/** Brings all of it into the store of `r`; *out is what it is. Files of git are read for it. */
int dv_fill_bring(dv_fill *p, dv_repo *r, int jobs, dv_tree_entry *out, dv_move_stats *moved)
	DV_MUST_CHECK;
/** A repository around a folder, with a store, for what is on its way; its scratch folder is
 *  open. */
int dv_fill_around(dv_repo **out, const char *root, const char *dvdir, const char *cache_dir)
	DV_MUST_CHECK;

#endif
