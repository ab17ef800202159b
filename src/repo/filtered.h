/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that pass through the filter: git's index names their content by a pointer of Git LFS, and
 * the work tree has the content, or the pointer where it could not be had.
 */
#ifndef DV_REPO_FILTERED_H
#define DV_REPO_FILTERED_H

#include "repo/lfs_pointer.h"
#include "repo/repo.h"

/** A file of the work tree that may hold its pointer. */
typedef struct dv_filtered_file {
	const char *path;	/* relative to the workspace; borrowed */
	dv_lfs_pointer p;
	bool exec;
	bool create;		/* also when there is no file */
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
