/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What git holds of a file that passes through the filter: Git LFS's pointer, so that hosts show it
 * as such and repositories of Git LFS come over as they are.
 *
 *   version https://git-lfs.github.com/spec/v1
 *   oid sha256:HEX
 *   size N
 *
 * Every content has exactly one encoding, to the byte, and parse accepts no other: so bytes that
 * are a pointer pass through the filter unchanged both ways. The empty file is the empty pointer.
 * Pure functions, any thread.
 */
#ifndef DV_GIT_LFS_POINTER_H
#define DV_GIT_LFS_POINTER_H

#include "base/oid.h"

typedef struct dv_lfs_pointer {
	dv_oid oid;
	uint64_t size;	/* bytes; 0 only for the empty object */
} dv_lfs_pointer;

/** The length of the shortest but for the empty one, and of the longest. */
#define DV_LFS_POINTER_MIN ((size_t)126)
#define DV_LFS_POINTER_MAX ((size_t)144)

/** Is this the encoding of a pointer? *out (may be NULL) is set only then. */
bool dv_lfs_pointer_parse(dv_lfs_pointer *out, const void *p, size_t n);
/** Writes the encoding and a NUL; returns its length, 0 for the empty object. */
size_t dv_lfs_pointer_print(char out[DV_LFS_POINTER_MAX + 1], const dv_lfs_pointer *p);

#endif
