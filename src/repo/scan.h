/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands in the workspace: an output's directory tree with the oid of every file. Files whose
 * stat is as the stat cache remembers are not read; the others are hashed, or stored when the scan
 * has a writer. Directories are walked and files are read in parallel.
 *
 * Guarantees: a file that changes while it is read is read again, and refused when it does not hold
 * still; links are never followed; sockets, fifos and devices are refused by name.
 */
#ifndef DV_REPO_SCAN_H
#define DV_REPO_SCAN_H

#include "repo/repo.h"
#include "repo/statcache.h"
#include "repo/treediff.h"
#include "repo/workdir.h"
#include "store/object.h"

typedef struct dv_scan dv_scan;

/** writer NULL: only hash. With one, content that its store lacks is stored, trees too. */
int dv_scan_new(dv_scan **out, dv_repo *repo, dv_pool *pool, dv_writer *writer) DV_MUST_CHECK;
/** One that only hashes and does not open the store, which takes time: there a link to a file of
 *  the cache counts as a link. */
int dv_scan_new_alone(dv_scan **out, dv_repo *repo, dv_pool *pool) DV_MUST_CHECK;
void dv_scan_free(dv_scan *s);
DV_DEFINE_AUTOPTR(dv_scan)

/** Somebody who watches what a scan with a writer reads. Called by any worker (-1: the thread that
 *  scans). */
typedef struct dv_scan_watch {
	/** A file is read from its start, perhaps not for the first time; fills `see`. */
	int (*begin)(void *ctx, int worker, dv_witness *see);
	/** It was read as it is. */
	int (*end)(void *ctx, int worker, const char *path, const dv_oid *oid, uint64_t size);
	void *ctx;
} dv_scan_watch;
/** Borrows `w`. */
void dv_scan_watched(dv_scan *s, const dv_scan_watch *w);

/** Links to files of the store `own` (borrowed) count as those files, where the scan's own store is
 *  another one: what it has is read like anything else. */
void dv_scan_linked_to(dv_scan *s, dv_store *own);

/** What a path is. kind 0: nothing is there. */
typedef struct dv_scanned {
	char kind;		/* 0 f x l d */
	dv_oid oid;
	uint64_t size, nfiles;
	uint64_t hashed;	/* bytes that had to be read */
} dv_scanned;
/** Scans `path` (root-relative, an output). The scan keeps the directories for dv_scan_side until
 *  the next call. */
int dv_scan_path(dv_scan *s, const char *path, dv_scanned *out) DV_MUST_CHECK;
/** Passes from now on over files in directories that cannot be read, instead of failing; for one
 *  that only hashes. They have no content then: an oid of zeros, in dv_scan_side too. */
void dv_scan_pass_over(dv_scan *s);
/** Over how many the last dv_scan_path passed; *first (may be NULL) says why not the first. The
 *  oids of the directories around them mean nothing. */
size_t dv_scan_unread(dv_scan *s, dv_error *first);
/** What the output that is scanned next was before, as its pointer says, or zero: new content is
 *  stored as deltas to that where the stat cache knows nothing newer. Holds until it is said
 *  anew. */
void dv_scan_before(dv_scan *s, const dv_oid *oid);
/** The directories of the last dv_scan_path as a side of dv_treediff. Borrows the scan, which must
 *  have no writer. */
dv_side dv_scan_side(dv_scan *s);
/** What the last dv_scan_path saw at `path` (root-relative), without the inode. *oid (may be NULL)
 *  is its content's, when there is any. */
int dv_scan_seen(dv_scan *s, const char *path, dv_seen *out, dv_oid *oid) DV_MUST_CHECK;
/** What the last dv_scan_path found at `path` (root-relative) in the directory that it scanned;
 *  false when it saw nothing there, or has a writer. */
bool dv_scan_find(dv_scan *s, const char *path, dv_scanned *out);
/** Tells the scan what was done to `path` (root-relative) since: it is now `kind` with `oid` and
 *  `st`, or gone when kind is 0. Borrows path until dv_scan_remember. Only of what the last
 *  dv_scan_path covered. */
int dv_scan_update(dv_scan *s, const char *path, char kind, const dv_oid *oid,
		   const struct stat *st) DV_MUST_CHECK;
/** Replaces by links, as cache.type asks, the files that were stored; after the commit. */
int dv_scan_relink(dv_scan *s) DV_MUST_CHECK;
/** Hands what was learned to the stat cache (written when the repository is closed). */
int dv_scan_remember(dv_scan *s) DV_MUST_CHECK;

#endif
