/* SPDX-License-Identifier: Apache-2.0 */
/* The scan as its two halves see it: scan.c finds out what is there, scan_known.c says it. */
#ifndef DV_REPO_SCAN_IMPL_H
#define DV_REPO_SCAN_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "repo/kin.h"
#include "repo/links.h"
#include "repo/scan.h"
#include "repo/scan_patch.h"

typedef struct entry {
	dv_cached_file f;
	uint64_t nfiles;
	bool todo;		/* the content must be read */
	bool large;		/* likewise, with the whole pool */
	bool had;		/* f.oid is what the file was before, until it is read */
	bool linked;		/* a symbolic link to the whole file f.oid of the cache */
} entry;

/* What is kept of an entry once its directory is complete. */
typedef struct kept {
	dv_oid oid;
	uint64_t size;
	int64_t mtime_ns;	/* of files and links */
	uint32_t name;		/* where it begins in the node's names */
	char kind;
	bool linked;
} kept;

/* What was in a directory, kept for new names until it is complete. */
typedef struct before_tree {
	dv_tree t;		/* behind the kin's names */
	dv_kin_list kin;
	bool few;		/* names to look for */
} before_tree;

/* One directory, or an output that is one file. */
typedef struct node {
	char *path;		/* root-relative */
	struct node *parent;
	size_t slot;		/* of this directory's entry in its parent */
	unsigned depth;
	_Atomic bool dirty;	/* differs from what the stat cache has */
	bool gone;		/* it went before it was read */
	_Atomic size_t open;	/* walk, batches, large files and folders that are not complete */
	dv_buf names;		/* behind e[i].f.name */
	entry *e;		/* sorted by name; NULL once complete */
	kept *k;		/* then this */
	struct batch *batches;
	before_tree *before;	/* NULL: no new files, or nothing known */
	size_t n, cap;
	uint64_t dev;
	dv_oid tree;
	uint64_t size, nfiles;
	bool dir;		/* false: the one file of an output that is a file */
	dv_scan *scan;
} node;

/* Some files of one directory, to be read by one job. */
typedef struct batch {
	node *dir;
	size_t from, to;
} batch;

typedef struct large_file {
	node *dir;
	size_t i;
} large_file;

/* What is to become a link once its content is durable. */
typedef struct relink {
	char *path;		/* root-relative */
	dv_oid oid;
	char kind;
	struct stat st;		/* as it was when it was read */
} relink;

struct dv_scan {
	dv_repo *repo;
	dv_statcache *cache;
	dv_pool *pool;
	dv_writer *writer;
	atomic_flag said_git;	/* one repository in the data was warned of */
	dv_ingest *ingest;
	const dv_scan_watch *watch;	/* or NULL */
	dv_encoder **enc;	/* one a worker, and one for the calling thread; made when needed */
	dv_store *store;
	dv_store *linked_to;	/* whose files links lead to, when that is another; or NULL */
	int rootfd;
	char *base;		/* path of the last scan */
	dv_oid before;		/* what the output was by its pointer; zero: nobody knows */
	pthread_mutex_t lock;
	node **nodes;
	size_t n, cap;
	dv_map by_path;		/* SHA-256 of a node's path -> its index, for nodes [0, indexed) */
	size_t indexed;
	_Atomic uint64_t hashed;
	large_file *large;	/* found by the walk */
	size_t nlarge, large_cap;
	dv_scan_patches *patches;
	dv_links links;
	bool passes_over;	/* see dv_scan_pass_over; what follows belongs to it */
	size_t nunread;
	dv_error unread;
	relink *relinks;	/* of the last scan */
	size_t nrelinks, relinks_cap;
};

/** Fills all but name and oid, which is known or zero. `since`: when (CLOCK_REALTIME, ns) reading
 *  began; what changed shortly before may change again, behind the reader, with the same times. */
void dv_scan_set_file(dv_cached_file *f, const struct stat *st, int64_t since);
/** A symbolic link to a whole file of the cache is that file. False: it is a link like others. */
bool dv_scan_look_through(dv_scan *s, int dirfd, entry *e);
/** The file differs from what is remembered. When that was written through a link to the cache, the
 *  store says so. */
void dv_scan_look_behind(dv_scan *s, const dv_cached_file *old, const struct stat *st);
/** Notes that the entry, whose content is stored, is to become a link. `dirfd` is its folder. */
int dv_scan_note_relink(dv_scan *s, const node *d, const entry *e, int dirfd) DV_MUST_CHECK;
void dv_scan_forget_relinks(dv_scan *s);
/** Says of files to be read, of which the stat cache knows no version that is stored, what they
 *  were in the tree that the directory was before, if that is known. Any worker. */
int dv_scan_before_by_tree(dv_scan *s, node *d) DV_MUST_CHECK;
/** The same of a file with a new name, before it is read: by what it resembles. Any worker. */
void dv_scan_before_by_name(const node *d, entry *e);
void dv_scan_before_forget(node *d);
/** The file could not be read, as the thread's record says: 0 when the scan passes over it. Any
 *  worker. */
int dv_scan_not_read(dv_scan *s, entry *e, int rc);

#endif
