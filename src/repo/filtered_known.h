/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What git's blobs were found to say: those that are pointers, by their ids, in a file of the
 * repository. So the pointers of many files are known without git's objects, each of which would
 * be opened and inflated. A blob's id is of its content, so what is known stays true. The file may
 * be deleted at any time; one that is damaged counts as absent.
 */
#ifndef DV_REPO_FILTERED_KNOWN_H
#define DV_REPO_FILTERED_KNOWN_H

#include "git/index.h"
#include "git/lfs_pointer.h"
#include "repo/repo.h"

typedef struct dv_filtered_known {
	dv_buf file;		/* as it is on disk */
	size_t n;		/* rows in it */
	size_t used;		/* how often one of them was asked for */
	dv_buf fresh;		/* rows that are to join it */
} dv_filtered_known;
#define DV_FILTERED_KNOWN_INIT { .file = DV_BUF_INIT, .fresh = DV_BUF_INIT }
void dv_filtered_known_release(dv_filtered_known *k);
/** Reads the file, if there is one. */
void dv_filtered_known_open(dv_filtered_known *k, const dv_repo *r);
bool dv_filtered_known_find(dv_filtered_known *k, const dv_gitindex_entry *e, dv_lfs_pointer *p);
int dv_filtered_known_add(dv_filtered_known *k, const dv_gitindex_entry *e,
			  const dv_lfs_pointer *p) DV_MUST_CHECK;
/** Writes the file where that pays; where it fails the next one has more to read. */
void dv_filtered_known_save(dv_filtered_known *k, const dv_repo *r);

#endif
