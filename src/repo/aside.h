/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What .dvignore excludes inside of directories that are about to be removed and made anew: it is
 * nobody's output, so it is taken out of the way and put back afterwards. Meanwhile it lies in the
 * scratch folder; when the process dies, the next command saves it from there.
 */
#ifndef DV_REPO_ASIDE_H
#define DV_REPO_ASIDE_H

#include "repo/repo.h"

typedef struct dv_aside {
	dv_repo *repo;
	struct dv_aside_item *items;
	size_t n, cap;
} dv_aside;
#define DV_ASIDE_INIT { 0 }
/** Takes the ignored files and folders below `path` (relative to the root), when it is a folder.
 *  The scratch folder of the repository is open until they are put back. */
int dv_aside_take(dv_aside *a, dv_repo *r, const char *path) DV_MUST_CHECK;
/** Puts back what was taken. What stands in its place by now stays, folders are merged; what has no
 *  folder any more goes to the folder `saved`, with a warning. */
void dv_aside_return(dv_aside *a);

#endif
