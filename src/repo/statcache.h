/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stat cache: what files looked like (device, inode, size, times) when their content was last
 * known, one row for each directory. It only saves time: when it is missing, damaged or locked,
 * every lookup finds nothing and every put does nothing, silently.
 *
 * Memory: a preload keeps rows up to a bound, and get reads the others when it is asked for them;
 * puts are written out as soon as there are many.
 *
 * Threads: preload first, then any number of threads may get and put. Rows that get returned stay
 * valid until the cache is freed, also beside puts.
 */
#ifndef DV_REPO_STATCACHE_H
#define DV_REPO_STATCACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/oid.h"

typedef struct dv_cached_file {
	const char *name;	/* one component */
	uint64_t ino, size;
	int64_t mtime_ns, ctime_ns;
	char kind;		/* 'f', 'x', 'l'; 'd' with the oid of its tree */
	dv_oid oid;
} dv_cached_file;
/** One directory. */
typedef struct dv_dircache {
	uint64_t dev;		/* of everything in it */
	dv_cached_file *files;	/* sorted by name bytes */
	size_t n, cap;
	bool has_tree;		/* tree, size and nfiles are those of the whole directory */
	dv_oid tree;
	uint64_t size, nfiles;
	void *row;		/* behind the names of a row that get read; owned */
} dv_dircache;
#define DV_DIRCACHE_INIT { 0 }
/** Frees the array and the row; names in neither belong to whoever made them. */
void dv_dircache_release(dv_dircache *d);
/** Appends a file; the name is borrowed and must outlive `d`. Sorted later by put when needed. */
int dv_dircache_append(dv_dircache *d, const dv_cached_file *f) DV_MUST_CHECK;
/** Binary search; NULL when absent. */
const dv_cached_file *dv_dircache_find(const dv_dircache *d, const char *name);
/** Does the cached entry still describe the file? Compares kind, device, inode, size and times. */
bool dv_cached_file_is(const dv_dircache *d, const dv_cached_file *f, const struct stat *st);
/** Fills all but name and oid from a stat result. */
void dv_cached_file_set(dv_cached_file *f, const struct stat *st);
/** 'f', 'x', 'l', 'd', or 0 for what dv does not keep. Executable means u+x. */
char dv_stat_kind(const struct stat *st);
/** May a stat result taken at about now (CLOCK_REALTIME, ns) be trusted later? Not when the file
 *  changed so recently that it may change again with the same times. */
bool dv_stat_is_settled(const struct stat *st, int64_t now_ns);
/** May a stat result be trusted later of a file that this process wrote itself, and dated back
 *  before it got its name? Not when somebody wrote to it since. */
bool dv_stat_is_dated_back(const struct stat *st, int64_t now_ns);
#define DV_SETTLE_NS INT64_C(20000000)	/* what is younger is recent */
#define DV_DATED_BACK_NS INT64_C(50000000)	/* more than what counts as recent */
int64_t dv_now_ns(void);

/* Serialisation, exposed for tests. Parse is bounded: damage is DV_ECORRUPT (not recorded as text
 * for the user). Names point into `p`, which must outlive `out`. */
int dv_dircache_print(dv_buf *out, const dv_dircache *d) DV_MUST_CHECK;
int dv_dircache_parse(dv_dircache *out, const void *p, size_t n) DV_MUST_CHECK;

typedef struct dv_statcache dv_statcache;
/** Opens DIR/state.db for the workspace `root`; never fails but for memory. Made anew when damaged.
 *  Nothing is created before the first flush with something to write. */
int dv_statcache_open(dv_statcache **out, const char *dir, const char *root) DV_MUST_CHECK;
/** Drops what was put and not flushed. */
void dv_statcache_free(dv_statcache *c);
DV_DEFINE_AUTOPTR(dv_statcache)
/** Reads the rows of `prefix` (relative to the root; "" is all) and below into memory, so many as
 *  the bound allows. */
void dv_statcache_preload(dv_statcache *c, const char *prefix);
/** The row of a directory as it was at preload; false when there is none. `out` is replaced;
 *  release it. */
bool dv_statcache_get(dv_statcache *c, const char *dir, dv_dircache *out);
/** As above, as it was at the last flush; nothing need be preloaded. One thread. */
bool dv_statcache_get_written(dv_statcache *c, const char *dir, dv_dircache *out);
/** Takes a copy; written by flush, or before when many wait. Files with a zero oid are left out. */
void dv_statcache_put(dv_statcache *c, const char *dir, dv_dircache *d);
/** Forgets `prefix` and everything below, at flush, before the puts. */
void dv_statcache_drop(dv_statcache *c, const char *prefix);
/** Renames `old` and everything below, at flush, after drops and before puts. */
void dv_statcache_rename(dv_statcache *c, const char *old, const char *new_);
/** Writes everything collected in one transaction. */
void dv_statcache_flush(dv_statcache *c);

#endif
