/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The previous version of a file, as the place where bases for the chunks of the new one are
 * looked for: which old chunks stood where a new chunk stands now.
 *
 * Old and new offsets are tied together where both versions have the same chunk; between two ties
 * the way is divided in proportion, and beyond the last one the shift stays as it was.
 */
#ifndef DV_STORE_BASIS_H
#define DV_STORE_BASIS_H

#include "store/object.h"

typedef struct dv_basis dv_basis;
/** Loads the recipe of `before`. *out is NULL, without an error, when the store cannot say what
 *  the object was made of. Memory: some 100 bytes a chunk. */
int dv_basis_open(dv_basis **out, dv_reader *r, const dv_oid *before) DV_MUST_CHECK;
void dv_basis_free(dv_basis *b);
DV_DEFINE_AUTOPTR(dv_basis)

/** A stretch of the previous version. */
typedef struct dv_stretch {
	uint64_t from, to;
} dv_stretch;
/** Says for each of the `n` chunks in a row that begin at `offset` of the new version where it
 *  stood in the previous one. `last`: they reach the end of the new version. Any thread; calls
 *  for different parts of the file help each other by remembering the shift. */
void dv_basis_walk(dv_basis *b, uint64_t offset, const dv_oid *ids, const size_t *lens, size_t n,
		   bool last, dv_stretch *out);
/** Writes the ids of at most `max` chunks that a stretch touches, in order, each once; returns
 *  their number. When there are more, those around its middle are taken. */
size_t dv_basis_chunks(const dv_basis *b, dv_stretch where, dv_oid *ids, size_t max);
/** The length of the previous version. */
uint64_t dv_basis_size(const dv_basis *b);

#endif
