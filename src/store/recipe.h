/* SPDX-License-Identifier: Apache-2.0 */
/* What storing an object and storing its recipe share inside the store layer. */
#ifndef DV_STORE_RECIPE_H
#define DV_STORE_RECIPE_H

#include "base/sha256.h"
#include "store/chunker.h"
#include "store/delta.h"

#define DV_RECIPE_BYTES_MAX ((uint64_t)1 << 31)	/* one level of a recipe: some 60 million chunks */

/** Begins the bytes of a recipe (level 0 for an object). */
int dv_recipe_begin(dv_buf *b, uint8_t level, uint8_t chunker, uint64_t size) DV_MUST_CHECK;
/** Appends a chunk; failures stay in b->err. */
void dv_recipe_append(dv_buf *b, const dv_oid *id, size_t len);
/** Says anew how large the object is. */
void dv_recipe_resize(dv_buf *b, uint64_t size);
/** Stores a recipe of level 0 as the one of `oid`, through more levels when it is long. */
int dv_recipe_put(dv_writer *w, dv_encoder *enc, const dv_oid *oid, const dv_buf *level0)
	DV_MUST_CHECK;

/** Room for cutting one buffer; kept by whoever cuts many. */
typedef struct dv_cuts {
	size_t *lens;
	dv_oid *ids;
	size_t cap, n;
} dv_cuts;
#define DV_CUTS_INIT { 0 }
void dv_cuts_release(dv_cuts *c);
/** Makes room for `need` chunks. */
int dv_cuts_reserve(dv_cuts *c, size_t need) DV_MUST_CHECK;
/** Cuts and hashes p[0..n): the chunks' lengths and ids, and the digest of the whole. */
int dv_cuts_make(dv_cuts *c, const dv_chunker_params *params, const uint8_t *p, size_t n,
		 dv_oid *oid) DV_MUST_CHECK;
/** Stores bytes as an object with the caller's scratch. */
int dv_object_put_with(const dv_putting *put, dv_cuts *cuts, dv_buf *recipe,
		       const uint8_t *p, size_t n, dv_oid *oid) DV_MUST_CHECK;

#endif
