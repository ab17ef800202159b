/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What merging directories needs: the store, listings that come from the remote when the cache
 * lacks them, and the new listings, which are durable when dv_mergework_commit returns.
 */
#ifndef DV_REPO_MERGEWORK_H
#define DV_REPO_MERGEWORK_H

#include "repo/sync.h"
#include "repo/treemerge.h"

typedef struct dv_mergework {
	dv_repo *repo;
	dv_store *store;
	dv_reader *reader;
	dv_writer *writer;
	dv_encoder *enc;
	const char *remote;	/* that the output prefers, or NULL; borrowed */
	dv_remote_store *from;	/* open when it was asked */
	bool asked;
	dv_treemerge tree;	/* ready for dv_tree_merge; clash and payload are the caller's */
} dv_mergework;
#define DV_MERGEWORK_INIT { 0 }
/** Fills *w, which is released also after a failure. */
int dv_mergework_open(dv_mergework *w, dv_repo *r, const char *remote) DV_MUST_CHECK;
void dv_mergework_release(dv_mergework *w);
/** Makes the new listings durable. */
int dv_mergework_commit(dv_mergework *w) DV_MUST_CHECK;

#endif
