/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands at the paths that stages name. A path is looked at once, however many stages name
 * it; files that the stat cache vouches for are not read, those inside a directory that was hashed
 * are not hashed again. Symbolic links are followed. One thread.
 */
#ifndef DV_PIPELINE_CONTENT_H
#define DV_PIPELINE_CONTENT_H

#include "base/pool.h"
#include "repo/scan.h"

typedef struct dv_content {
	char kind;		/* 'f', 'x', 'd'; 0: nothing is there */
	dv_oid oid;
	uint64_t size, nfiles;	/* nfiles: 1 but for directories */
} dv_content;

typedef struct dv_contents dv_contents;
/** `reader` finds what is inside directories that are in the store. Borrowed. */
int dv_contents_new(dv_contents **out, dv_repo *r, dv_pool *pool, dv_reader *reader) DV_MUST_CHECK;
void dv_contents_free(dv_contents *c);
DV_DEFINE_AUTOPTR(dv_contents)

/** What stands at `path`: relative to the root, or absolute for what lies outside. */
int dv_contents_get(dv_contents *c, const char *path, dv_content *out) DV_MUST_CHECK;
/** Looks at many paths in the order that costs least. Sorts the array. */
int dv_contents_learn(dv_contents *c, const char **paths, size_t n) DV_MUST_CHECK;
/** Says what stands at a path now. */
int dv_contents_set(dv_contents *c, const char *path, const dv_content *now) DV_MUST_CHECK;
/** Forgets the path, what is in it and the directories around it. */
void dv_contents_forget(dv_contents *c, const char *path);
/** Writes what was learned to the stat cache. */
int dv_contents_remember(dv_contents *c) DV_MUST_CHECK;

#endif
