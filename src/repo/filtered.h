/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that pass through the filter: git's index names their content by a pointer of Git LFS, and
 * the work tree has the content, or the pointer where it could not be had.
 */
#ifndef DV_REPO_FILTERED_H
#define DV_REPO_FILTERED_H

#include "git/lfs_pointer.h"
#include "repo/repo.h"
#include "repo/scan.h"
#include "repo/targets.h"

/** Appends those of the workspace: entries of git's index with the attribute "filter=dv" that are
 *  pointers. Nothing without git. */
int dv_filtered_outputs(dv_repo *r, dv_output_list *out) DV_MUST_CHECK;

/** As above, and for `raw` (may be NULL) those that should be pointers and are in git as they
 *  are. */
int dv_filtered_list(dv_repo *r, dv_output_list *out, dv_path_list *raw) DV_MUST_CHECK;
/** A file of attributes: its path below the workspace, or a name for those outside. */
typedef int (*dv_filtered_rules_cb)(const char *file, const char *text, size_t n, void *payload);
int dv_filtered_rules(dv_repo *r, dv_filtered_rules_cb cb, void *payload) DV_MUST_CHECK;

enum dv_filtered_state {
	DV_FILTERED_SAME,	/* the content is there */
	DV_FILTERED_POINTER,	/* only the pointer, as smudge left it */
	DV_FILTERED_ABSENT,	/* nothing is there */
	DV_FILTERED_CHANGED	/* something else */
};
/** What stands in the workspace for such an output. Files that git's index vouches for are not
 *  read. *now says what it is; of DV_FILTERED_POINTER and of what is no file only the kind. */
int dv_filtered_look(dv_repo *r, const dv_output *o, enum dv_filtered_state *state,
		     dv_scanned *now) DV_MUST_CHECK;
/** As above, but reads nothing longer than a pointer: what might be changed is. */
int dv_filtered_peek(dv_repo *r, const dv_output *o, enum dv_filtered_state *state,
		     dv_scanned *now) DV_MUST_CHECK;
/** Stores the content of those of `o` that the store lacks and the workspace has. Others stay
 *  missing. */
int dv_filtered_store_missing(dv_repo *r, const dv_output *const *o, size_t n) DV_MUST_CHECK;

/** The checkout of all such outputs of `l` that are wanted: content for those that hold their
 *  pointers, and for those that are named and not there. Tells git of the filter, without which it
 *  would take the content for a change. DV_ENOTFOUND for what the store lacks, after the others;
 *  DV_EDIRTY for one that is named and changed, which stays.
 *  The lock of the work tree is held. */
int dv_filtered_checkout(dv_repo *r, const dv_output_list *l, const dv_targets *t, int jobs,
			 dv_change_cb cb, void *payload, dv_checkout_summary *sum) DV_MUST_CHECK;

/** A file of the work tree that may hold its pointer. */
typedef struct dv_filtered_file {
	const char *path;	/* relative to the workspace; borrowed */
	dv_lfs_pointer p;
	bool exec;
	bool create;		/* also when there is no file */
	bool there;		/* the content is there, as `st` has it: only git is told */
	const dv_seen *was;	/* replace this, whatever it holds; NULL: only the pointer */
	bool done;		/* the content was written */
	bool missing;		/* the store lacks it */
	struct stat st;		/* of the file that was written */
} dv_filtered_file;

/** Brings content into the files that hold nothing but their pointer, by rename; a file that holds
 *  anything else stays as it is. Then git's index learns of the new stat data, so that git need not
 *  look at the content again. The lock of the work tree is held, which opens the scratch folder. */
int dv_filtered_bring(dv_repo *r, dv_filtered_file *f, size_t n, int jobs) DV_MUST_CHECK;

#endif
