/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What differs between two directories, file by file. Each side is a function that lists one
 * directory, so trees in the store and the scanned workspace compare alike; equal tree oids are
 * skipped at a glance. Renames are found by content: a deleted and an added file of one oid.
 */
#ifndef DV_REPO_TREEDIFF_H
#define DV_REPO_TREEDIFF_H

#include "store/tree.h"

/** Lists directory `path` ("" for the start), whose tree has oid `oid`. */
typedef int (*dv_listing_fn)(void *ctx, const char *path, const dv_oid *oid, dv_tree *out);
typedef struct dv_side {
	dv_listing_fn list;
	void *ctx;
} dv_side;

/** One difference; kinds and oids of the absent side are 0. */
typedef struct dv_delta {
	char *path;		/* below the start; owned */
	char *old_path;		/* renamed from, or NULL; owned */
	char old_kind, new_kind;	/* f x l d, 0 when absent on that side */
	dv_oid old_oid, new_oid;
	uint64_t old_size, new_size;
} dv_delta;
typedef struct dv_deltas {
	dv_delta *d;
	size_t n, cap;
} dv_deltas;
#define DV_DELTAS_INIT { 0 }
void dv_deltas_release(dv_deltas *d);

enum dv_treediff_flags {
	DV_TREEDIFF_DIRS = 1u << 0,	/* also directories that appear or go */
	DV_TREEDIFF_RENAMES = 1u << 1,	/* pair deleted and added files of equal content */
	DV_TREEDIFF_EMPTY = 1u << 2,	/* directories that appear or go without a file in them */
};
/** Lists the differences of two directories (NULL side or oid: empty) in path order. */
int dv_treediff(dv_deltas *out, const dv_side *a, const dv_oid *a_oid, const dv_side *b,
		const dv_oid *b_oid, unsigned flags) DV_MUST_CHECK;
/** One difference, a folder before what is in it; NULL for a side that has nothing there. */
typedef int (*dv_treediff_fn)(void *payload, const char *path, const dv_tree_entry *a,
			      const dv_tree_entry *b);
/** As dv_treediff, but tells them as they are found, a directory at a time, and pairs nothing. */
int dv_treediff_each(const dv_side *a, const dv_oid *a_oid, const dv_side *b, const dv_oid *b_oid,
		     unsigned flags, dv_treediff_fn fn, void *payload) DV_MUST_CHECK;
/** A side that reads trees from a store through ctx, a dv_reader. */
int dv_list_stored(void *ctx, const char *path, const dv_oid *oid, dv_tree *out);
/** Appends one difference; strings are copied. */
int dv_deltas_add(dv_deltas *out, const char *path, const dv_tree_entry *a, const dv_tree_entry *b)
	DV_MUST_CHECK;
/** Pairs deleted and added files of equal content, then sorts by path. */
int dv_deltas_pair_renames(dv_deltas *d) DV_MUST_CHECK;

#endif
