/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an output was taken from: the `deps` of a pointer.
 *
 *   deps:
 *   - path: data              in the repository
 *     repo:
 *       url: https://…
 *       rev: v1               what was asked for; absent: its HEAD
 *       rev_lock: 3f2a…       the commit that it came from
 * or
 *   deps:
 *   - url: s3://bucket/data
 *     size: 123               what was seen there, as far as the place tells:
 *     nfiles: 4               directories only
 *     etag: "…"
 *     mtime: 1700000000000000000
 *     checksum: sha256:…      of the listing of a directory with all of these
 *
 * It is a stranger's word as all of a pointer is: what it names is checked where it is used.
 */
#ifndef DV_REPO_POINTER_SOURCE_H
#define DV_REPO_POINTER_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/value.h"

typedef struct dv_source {
	char *url;
	bool is_repo;		/* of git; else the data itself is there */
	char *path;		/* in the repository; "." is all of it */
	char *rev, *rev_lock;	/* rev may be NULL */
	bool has_size, has_mtime, is_dir;
	uint64_t size, nfiles;
	int64_t mtime_ns;
	char *etag, *checksum;	/* or NULL */
	char *extra;		/* kept keys, ready to be written, or NULL */
} dv_source;
void dv_source_free(dv_source *s);
DV_DEFINE_AUTOPTR(dv_source)
/** A copy; NULL when memory runs out. */
dv_source *dv_source_copy(const dv_source *s);
/** Reads the value of `deps`. *out is NULL when it is something else, which is kept as any unknown
 *  key. DV_ECORRUPT naming what is malformed; DV_EUNSAFE for a path that leaves the repository. */
int dv_source_parse(dv_source **out, const dv_value *deps, const char *name) DV_MUST_CHECK;
/** Appends the lines of `deps`. */
void dv_source_print(dv_buf *out, const dv_source *s);
/** Is what was seen the same, as far as both tell? False when neither tells enough to know. */
bool dv_source_is_unchanged(const dv_source *a, const dv_source *b);

#endif
