/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees: the canonical listing of one directory. The line "dv-tree 1", then one line per entry,
 * sorted by name bytes, no name twice:
 *
 *   KIND SP OID SP SIZE SP [NFILES SP] NAME LF
 *
 * KIND f (file), x (executable file), l (symbolic link; the object is its target), d (directory;
 * the object is its tree, SIZE and NFILES count everything below). Numbers are decimal without
 * leading zeros. In NAME the bytes \ and LF are written \\ and \n. A name is one component: not
 * empty, no slash, no NUL, not "." or "..". Everything else is refused, so equal directories have
 * equal oids.
 */
#ifndef DV_STORE_TREE_H
#define DV_STORE_TREE_H

#include "store/object.h"

#define DV_TREE_MAX (1u << 30)	/* bytes of one listing */
#define DV_TREE_DEPTH 512	/* deepest nesting that is followed */

typedef struct dv_tree_entry {
	char kind;
	dv_oid oid;
	uint64_t size, nfiles;	/* nfiles: 1 but for directories */
	char *name;		/* unescaped, NUL-terminated; owned by the tree */
} dv_tree_entry;
typedef struct dv_tree {
	dv_tree_entry *e;
	size_t n, cap;
	char *names;		/* one block behind parsed names; added ones own theirs */
	size_t names_len;
} dv_tree;
#define DV_TREE_INIT { 0 }
void dv_tree_release(dv_tree *t);
int dv_tree_parse(dv_tree *out, const char *p, size_t n) DV_MUST_CHECK;
/** Adds a copy of the entry (any order). */
int dv_tree_add(dv_tree *t, char kind, const dv_oid *oid, uint64_t size, uint64_t nfiles,
		const char *name) DV_MUST_CHECK;
/** Sorts and serialises. */
int dv_tree_write(dv_buf *out, dv_tree *t) DV_MUST_CHECK;
/** Entry by name (binary search in a parsed or written tree), or NULL. Borrowed. */
const dv_tree_entry *dv_tree_find(const dv_tree *t, const char *name);
/** Sum of sizes and files. */
void dv_tree_totals(const dv_tree *t, uint64_t *size, uint64_t *nfiles);
int dv_tree_load(dv_tree *out, dv_reader *r, const dv_oid *oid) DV_MUST_CHECK;
/** Sorts, serialises and stores. */
int dv_tree_store(dv_tree *t, dv_writer *w, dv_encoder *enc, dv_oid *oid) DV_MUST_CHECK;

/** One object reached by a walk. path is relative to the walk's start ("" for the start). */
typedef int (*dv_walk_cb)(const dv_tree_entry *e, const char *path, void *payload);
/** Calls cb for every entry below tree `oid`, parents first; a return of 1 from cb for a directory
 *  skips its inside. Iterative; depth bounded. */
int dv_tree_walk(dv_reader *r, const dv_oid *oid, dv_walk_cb cb, void *payload) DV_MUST_CHECK;

/** Everything that a set of objects needs: chunk and recipe entries, bases included. */
typedef struct dv_closure {
	dv_map chunks;		/* chunk ids -> 1 */
	dv_map recipes;		/* oids with a recipe entry -> 1 */
	dv_map objects;		/* walked: oid -> 1 file or link of several chunks, 2 tree */
	uint64_t nobjects;
	uint64_t nfiles, bytes;	/* of distinct file objects */
	dv_oid *missing;	/* objects or chunks that are not in the store */
	size_t nmissing, missing_cap;
} dv_closure;
#define DV_CLOSURE_INIT { 0 }
void dv_closure_release(dv_closure *c);
/** Adds an object (a tree: with everything below). With `tolerate`, what is missing is listed in
 *  `missing`; else DV_ENOTFOUND. Objects already in c->objects are skipped. */
int dv_closure_add(dv_closure *c, dv_reader *r, const dv_oid *oid, bool is_tree, bool tolerate)
	DV_MUST_CHECK;

#endif
