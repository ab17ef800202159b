/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Git's index as a file, without libgit2: listed fast, and with stat data put right after dv wrote
 * files of the work tree itself. libgit2 would look at such files to see whether they changed, and
 * it does not know the filter. Versions 2 to 4 with ids of SHA-1 or SHA-256; extensions stay as
 * they are. Everything read is checked.
 */
#ifndef DV_GIT_INDEX_H
#define DV_GIT_INDEX_H

#include <sys/stat.h>

#include "base/buf.h"

#define DV_GITINDEX_ID_MAX 32	/* bytes: SHA-256; SHA-1 has 20 */

typedef struct dv_gitindex_stat {
	uint32_t ctime_s, ctime_ns, mtime_s, mtime_ns, dev, ino, size;
} dv_gitindex_stat;
typedef struct dv_gitindex_entry {
	const char *path;	/* relative to the root of the work tree; borrowed */
	const uint8_t *id;	/* of the blob, `id_size` bytes; borrowed */
	size_t id_size;
	uint32_t mode;
	unsigned merge_stage;	/* 0: not in conflict */
	bool skip_worktree;	/* left out of the work tree on purpose */
	bool racy;		/* as young as the index: its stat data proves nothing */
	dv_gitindex_stat st;
} dv_gitindex_entry;

typedef struct dv_gitindex {
	dv_buf bytes;
	size_t id_size, nentries;
	uint32_t version;
	struct stat st;		/* of the file */
} dv_gitindex;
#define DV_GITINDEX_INIT { .bytes = DV_BUF_INIT }
void dv_gitindex_release(dv_gitindex *x);
/** Reads the file; one that is not there has no entries. DV_ECORRUPT for a damaged one. DV_ERROR
 *  for one that refers to another file or has folders as entries (split and sparse indexes). */
int dv_gitindex_read(dv_gitindex *x, const char *path) DV_MUST_CHECK;
/** One entry after the other, in order of their paths. Returns 0 to go on. */
typedef int (*dv_gitindex_cb)(const dv_gitindex_entry *e, void *payload);
int dv_gitindex_each(const dv_gitindex *x, dv_gitindex_cb cb, void *payload) DV_MUST_CHECK;
/** Makes an index of entries (ids of SHA-1) in memory: one call each, in their order, and the end.
 *  x begins empty; its `st` is for the caller to set. */
int dv_gitindex_put(dv_gitindex *x, const dv_gitindex_entry *e) DV_MUST_CHECK;
int dv_gitindex_put_end(dv_gitindex *x) DV_MUST_CHECK;
/** Does what lstat said match what the index knows? */
bool dv_gitindex_stat_is(const dv_gitindex_stat *a, const struct stat *st);
/** The id of a blob with that content. */
int dv_gitindex_blob_id(uint8_t out[DV_GITINDEX_ID_MAX], size_t id_size, const void *p, size_t n)
	DV_MUST_CHECK;

/** A file that was written: its entry in the index gets this stat data if it still has the content
 *  `text` (as git keeps it). */
typedef struct dv_gitindex_fresh {
	const char *path;	/* relative to the root of the work tree */
	const char *text;
	size_t n;
	struct stat st;
} dv_gitindex_fresh;
/** By git's own rules: the new index is written as "index.lock", which nobody else has, and takes
 *  the old one's place; what changed in the work tree `tree` since the old one was written is found
 *  by git as before. DV_ELOCKED when somebody has it for longer than `wait_ms`. Sorts `f`. */
int dv_gitindex_freshen(const char *path, const char *tree, dv_gitindex_fresh *f, size_t n,
			int wait_ms) DV_MUST_CHECK;

#endif
