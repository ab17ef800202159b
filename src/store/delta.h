/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deltas: which chunks of the store a new chunk is compressed against.
 *
 * The chunks that stood in its place in the previous version are read, and by samples of their
 * content the few that it resembles are kept. So that chains of versions stay short, a chunk whose
 * id ends in k zero bits does not build on chunks whose ids end in as many or fewer, but on
 * what these build on: like the rungs of a skip list, half of the versions lean on their
 * predecessor, a quarter on one two back, and so on. No chain is longer than DV_DELTA_DEPTH.
 */
#ifndef DV_STORE_DELTA_H
#define DV_STORE_DELTA_H

#include <stdatomic.h>

#include "store/basis.h"
#include "store/peers.h"

#define DV_DELTA_DEPTH 8	/* chains that are written; longer ones are only read */
#define DV_DELTA_BASES 3

/** What one thread needs to choose bases: a reader and a bounded cache of decoded chunks. */
typedef struct dv_delta dv_delta;
/** cache_bytes bounds what is kept between calls. */
int dv_delta_new(dv_delta **out, dv_store *s, size_t cache_bytes) DV_MUST_CHECK;
void dv_delta_free(dv_delta *d);
DV_DEFINE_AUTOPTR(dv_delta)
/** The reader inside, for dv_basis_open. Borrowed. */
dv_reader *dv_delta_reader(dv_delta *d);

/** The depth of a chunk that may be built on; false when it may not. */
typedef bool (*dv_delta_depth_fn)(void *ctx, const dv_oid *id, uint8_t *depth);
/** From now on only such chunks are chosen, and none for the sake of short chains. */
void dv_delta_only(dv_delta *d, dv_delta_depth_fn fn, void *ctx);

/** What the chunks before taught: files that are unlike their previous version are left alone,
 *  and looked at again now and then. Zero to start with; any number of threads may share one. */
typedef struct dv_likeness {
	_Atomic unsigned misses;
	_Atomic int skip;
} dv_likeness;

/** The bases of one chunk. */
typedef struct dv_bases {
	const dv_oid *ids;	/* borrowed like the prefix */
	uint8_t n;		/* 0: store the chunk by itself */
	uint8_t depth;		/* of the new chunk, if it builds on them */
	bool sure;		/* so alike that compressing without them need not be tried */
	const uint8_t *prefix;	/* their bytes, one after the other; borrowed until the next call */
	size_t prefix_len;
	uint64_t number;	/* of the set of peers that they are, or 0 */
} dv_bases;
/** Chooses bases for the chunk `raw` with `id` that stood at `where` in `basis`. Failures to read
 *  an old chunk only make it no candidate. */
int dv_delta_choose(dv_delta *d, const dv_basis *basis, dv_stretch where, const dv_oid *id,
		    const uint8_t *raw, size_t n, dv_likeness *like, dv_bases *out) DV_MUST_CHECK;

/** Whether the next chunk is left alone; counts it then. Choosing asks this itself. */
bool dv_delta_passes(dv_likeness *like);
/** Notes whether the bases chosen for a chunk paid. */
void dv_delta_learn(dv_likeness *like, bool paid);

/** What became of a chunk that was put. */
typedef struct dv_outcome {
	bool fresh;		/* it was not there before; the rest is only set then */
	uint8_t codec;
	size_t stored;
	size_t with, alone;	/* lengths with bases and without, where both were tried; else 0 */
} dv_outcome;
/** As dv_writer_put for a chunk that may become a delta to `bases`, which store or batch have. */
int dv_writer_put_based(dv_writer *w, dv_encoder *enc, const dv_oid *id, const uint8_t *raw,
			size_t n, dv_sticky *sticky, const dv_bases *bases, dv_outcome *out)
	DV_MUST_CHECK;

/** How the chunks of one file are stored, one thread at a time. */
typedef struct dv_putting {
	dv_writer *w;
	dv_encoder *enc;
	dv_sticky *sticky;	/* may be NULL */
	dv_delta *delta;	/* NULL without deltas */
	dv_basis *basis;	/* NULL: there is no previous version */
	dv_likeness *like;
	dv_peers *peers;	/* NULL without them */
} dv_putting;
/** Stores chunks in a row, as deltas to what stood in their place where that pays. Their bytes
 *  follow each other from `p`; they begin at `offset` of the file; `last`: they reach its end. */
int dv_put_chunks(const dv_putting *put, uint64_t offset, const dv_oid *ids, const size_t *lens,
		  size_t n, const uint8_t *p, bool last) DV_MUST_CHECK;

/** Zero bits in which the last eight bytes of an id, as a little-endian number, end: a new chunk
 *  builds on chunks with more of them than it has itself. */
unsigned dv_delta_rung(const dv_oid *id);

#endif
