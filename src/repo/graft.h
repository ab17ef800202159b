/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing one entry of a tree without its siblings: the trees above are loaded and stored anew,
 * everything else stays as it is, whether its content is at hand or not.
 */
#ifndef DV_REPO_GRAFT_H
#define DV_REPO_GRAFT_H

#include "store/tree.h"

/** What the new root is. */
typedef struct dv_grafted {
	dv_oid oid;
	uint64_t size, nfiles;
} dv_grafted;
/** Replaces the entry at `path` below tree `root` by `entry` (its name is not used), or takes it
 *  out when `entry` is NULL. Folders on the way are made. The trees of `root` must be in the
 *  store. */
int dv_graft(dv_grafted *out, dv_reader *r, dv_writer *w, dv_encoder *enc, const dv_oid *root,
	     const char *path, const dv_tree_entry *entry) DV_MUST_CHECK;
/** Finds the entry at `path` below tree `root`; a copy without name. DV_ENOTFOUND. */
int dv_tree_lookup(dv_tree_entry *out, dv_reader *r, const dv_oid *root, const char *path)
	DV_MUST_CHECK;

#endif
