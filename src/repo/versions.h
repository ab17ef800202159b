/* SPDX-License-Identifier: Apache-2.0 */
/* The versions that git's history knows of every file of the outputs. */
#ifndef DV_REPO_VERSIONS_H
#define DV_REPO_VERSIONS_H

#include "repo/repo.h"
#include "store/care.h"

void dv_histories_release(dv_histories *l);
/** Lists for every file that has several versions among the objects in `kept` those versions, that
 *  of the workspace first, then by the age of commits. A file that got another path goes on with
 *  the versions it had under the old one. Memory: some 100 bytes a version of a file. */
int dv_histories_find(dv_histories *out, dv_repo *r, dv_reader *reader, const dv_map *kept)
	DV_MUST_CHECK;

#endif
