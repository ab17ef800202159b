/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bringing single paths of the workspace to what the store has, for who runs stages: many calls
 * share what a checkout opens. One thread.
 */
#ifndef DV_REPO_RESTORE_H
#define DV_REPO_RESTORE_H

#include "repo/repo.h"
#include "store/tree.h"

typedef struct dv_restore dv_restore;
/** The scratch folder of the repository must be open. */
int dv_restore_new(dv_restore **out, dv_repo *r, int jobs) DV_MUST_CHECK;
void dv_restore_free(dv_restore *x);
DV_DEFINE_AUTOPTR(dv_restore)

/** Makes what stands at `path` (root-relative) be the object; what stood there before is replaced.
 *  With `relink`, files that are right are made anew where they are not linked as cache.type asks.
 *  DV_ENOTFOUND, and nothing changed, when the store lacks a part of it. */
int dv_restore_path(dv_restore *x, const char *path, const dv_tree_entry *want, bool relink)
	DV_MUST_CHECK;
/** From now on nothing is replaced that the store lacks, as by a checkout without force, nor what
 *  changes while it is replaced: DV_EDIRTY. What is whole one of `known` (borrowed) counts as
 *  stored. */
void dv_restore_careful(dv_restore *x, const dv_oid *known, size_t n);
/** Makes the folders above `path`, and, unless `keep`, removes what stands there. */
int dv_restore_make_room(dv_restore *x, const char *path, bool keep) DV_MUST_CHECK;
/** Moves what stands at `path` to the folder `saved` of the repository; *saved is its name there,
 *  owned. */
int dv_restore_put_aside(dv_restore *x, const char *path, char **saved) DV_MUST_CHECK;
/** Makes files at and below `path` copies that may be written to, where they share their bytes with
 *  the cache. The scratch folder of the repository must be open. */
int dv_restore_unshare(dv_repo *r, const char *path) DV_MUST_CHECK;

#endif
