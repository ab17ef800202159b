/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three-way merge of directories, name by name. What only one side changed is taken from it, what
 * both changed alike is taken once; content and executable bit of a file are two things. Where the
 * sides disagree there are two results, which differ in just that: one with what ours has there,
 * one with what theirs has. Nothing is looked at but listings.
 */
#ifndef DV_REPO_TREEMERGE_H
#define DV_REPO_TREEMERGE_H

#include "repo/treediff.h"

/** Why it is a conflict; as enum dv_conflict_why. */
enum dv_tree_clash {
	DV_CLASH_ADDED = 1,	/* both sides added it, differently */
	DV_CLASH_CHANGED,	/* both changed it, differently */
	DV_CLASH_OURS_DELETED,	/* ours deleted what theirs changed */
	DV_CLASH_THEIRS_DELETED,
	DV_CLASH_KIND		/* a directory against a file, or a file against a link */
};
typedef int (*dv_clash_fn)(void *payload, const char *path, enum dv_tree_clash why);

typedef struct dv_treemerge {
	dv_side side;		/* lists directories of all sides */
	dv_writer *writer;	/* new listings are put here; the caller commits */
	dv_encoder *enc;
	dv_clash_fn clash;	/* told in the order of paths; may be NULL */
	void *payload;
} dv_treemerge;

/** What stood there before the sides parted; kind 0 is nothing. Two that differ stand for "not
 *  known", which is like neither side. */
typedef struct dv_tree_base {
	dv_tree_entry e[2];
} dv_tree_base;

/** Merges what stands at one place; kind 0 is nothing. out[0] is ours and out[1] theirs, the same
 *  where there is no conflict; without names. `path` is where, for dv_clash_fn. */
int dv_tree_merge(const dv_treemerge *m, const char *path, const dv_tree_base *base,
		  const dv_tree_entry *ours, const dv_tree_entry *theirs, dv_tree_entry out[2])
	DV_MUST_CHECK;

/** Settles a conflict: both results get at `path` ("" is the whole) what x[side] has there.
 *  DV_ENOTFOUND when the two do not differ there. */
int dv_tree_settle(const dv_treemerge *m, dv_tree_entry x[2], const char *path, unsigned side)
	DV_MUST_CHECK;
/** Calls fn for every path at which two results differ: the highest place of each conflict. Without
 *  `base` (NULL), or its listings, what both sides have counts as added. */
int dv_tree_clashes(const dv_treemerge *m, const char *path, const dv_tree_entry *base,
		    const dv_tree_entry x[2], dv_clash_fn fn, void *payload) DV_MUST_CHECK;
/** Do two places hold the same? */
bool dv_tree_entry_same(const dv_tree_entry *a, const dv_tree_entry *b);

#endif
