/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking content over from Git LFS. An object's name there is its SHA-256, as it is here: so it is
 * stored under what its bytes are, and what has another name than that is damaged, and left.
 */
#ifndef DV_TAKEOVER_LFS_TAKE_H
#define DV_TAKEOVER_LFS_TAKE_H

#include "base/pool.h"
#include "takeover/lfs_server.h"

/** A file that HEAD has as a pointer of Git LFS. */
typedef struct dv_lfs_file {
	char *path;
	dv_oid oid;
	uint64_t size;
	bool stored;
} dv_lfs_file;
typedef struct dv_lfs_files {
	dv_lfs_file *f;		/* in git's order */
	size_t n, cap;
	dv_path_list attributes;	/* .gitattributes files */
} dv_lfs_files;
void dv_lfs_files_release(dv_lfs_files *l);
/** Reads HEAD. */
int dv_lfs_files_find(dv_lfs_files *out, dv_repo *r) DV_MUST_CHECK;

typedef struct dv_lfs_taken {
	uint64_t objects, bytes;	/* that were read */
} dv_lfs_taken;
/** Stores all objects of the place's folder, and for `files` what is not there: from the remote's
 *  folder, or with `fetch` from the server. What is stored afterwards is marked. Everything is
 *  durable. A server that cannot be reached is a warning. */
int dv_lfs_take(dv_repo *r, dv_writer *w, dv_pool *pool, dv_lfs_place *place, dv_lfs_files *files,
		bool fetch, dv_lfs_taken *out) DV_MUST_CHECK;

/** The text of a .gitattributes file with dv's filter where Git LFS's was; *changed: is it another
 *  one? All else stays, to the byte. */
int dv_lfs_attributes(dv_buf *out, const char *text, size_t n, bool *changed) DV_MUST_CHECK;

#endif
