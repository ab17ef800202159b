/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a file is cut into chunks. The cuts depend on the bytes and the
 * parameter set only: not on how the bytes arrive, how the work is split, or
 * the machine. docs/format.md freezes them with test vectors.
 *
 * A 64-bit gear hash, h = 2*h + G[byte] mod 2^64, depends on the last 64
 * bytes and is never reset at a cut. After a byte, h below `loose` makes a
 * candidate, h below `strict` a strong one. A chunk ends at the first
 *   - strong candidate with min <= length <= avg,
 *   - candidate with avg < length <= max,
 *   - else at max, or at the end of the data.
 * So every chunk but the last has min <= length <= max, the last 1..max, and
 * no data means no chunk.
 *
 * Nothing here allocates, fails or keeps global state that changes.
 */
#ifndef DV_STORE_CHUNKER_H
#define DV_STORE_CHUNKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Files up to this many bytes are one chunk, whatever they hold. */
#define DV_CHUNKER_WHOLE_MAX ((uint64_t)64 << 10)
/* No parameter set ever makes a larger chunk; a reader may refuse one. */
#define DV_CHUNK_SIZE_MAX ((size_t)256 << 10)

/* Ids are part of the format: never reused, never changed in meaning. */
enum dv_chunker_id {
	DV_CHUNKER_WHOLE = 0,	   /* the file is one chunk */
	DV_CHUNKER_GEAR64_16K = 1, /* "gear64-1-16k"; no file is cut by it at present */
	DV_CHUNKER_GEAR64_64K = 2, /* "gear64-1-64k" */
};

typedef struct dv_chunker_params {
	const char *name;
	uint8_t id;		/* enum dv_chunker_id */
	uint32_t min, avg, max; /* bytes */
	uint64_t strict, loose; /* thresholds, strict <= loose */
} dv_chunker_params;

/*
 * The parameter set for a file of `file_size` bytes; never NULL. Files of at
 * most DV_CHUNKER_WHOLE_MAX bytes get "whole", whose only chunk is the file.
 * For data of unknown length pass UINT64_MAX.
 */
const dv_chunker_params *dv_chunker_for_size(uint64_t file_size);
/* NULL when unknown. */
const dv_chunker_params *dv_chunker_by_id(uint8_t id);
const dv_chunker_params *dv_chunker_by_name(const char *name);

/* The gear table, 256 entries. */
const uint64_t *dv_chunker_gear(void);

/* --- streaming ---------------------------------------------------------- */

/* Plain value, no ownership: may be copied or dropped. */
typedef struct dv_chunker {
	const dv_chunker_params *params;
	uint64_t hash; /* gear hash, valid from min - 63 bytes into the chunk on */
	size_t len;    /* bytes of the current, unfinished chunk taken so far */
} dv_chunker;

/* `params` must outlive `c`. */
void dv_chunker_init(dv_chunker *c, const dv_chunker_params *params);

/*
 * Takes bytes from p[0..n) up to and including the end of the current chunk.
 * Returns how many were taken (n when the chunk does not end here, 0 only when
 * n is 0) and sets *cut_len to the length of the chunk that ended, or to 0.
 * `last` says that the data ends with p[0..n): the final chunk is then cut at
 * the end. Call again with the rest until everything is taken.
 */
size_t dv_chunker_next(dv_chunker *c, const uint8_t *p, size_t n, bool last, size_t *cut_len);

/*
 * Takes all of p[0..n) and writes the lengths of the chunks that end in it.
 * `lens` must have room for dv_chunker_bound(params, n) entries; returns how
 * many were written. The first chunk may have begun in an earlier call.
 */
size_t dv_chunker_feed(dv_chunker *c, const uint8_t *p, size_t n, bool last, size_t *lens);

/* The most chunks that can end within n bytes fed at once. */
size_t dv_chunker_bound(const dv_chunker_params *params, size_t n);

/* --- two stages: scan ranges in parallel, then resolve in order ---------- */

/* A candidate: (offset just after its last byte) << 1 | strong. */
typedef uint64_t dv_chunker_cand;

/*
 * Stage 1: finds the candidates in p[0..n), bytes `base`..`base + n` of the
 * data. The `before` bytes just in front of p must be readable; give 63, or
 * all there are at the start of the data. Writes at most `cap` candidates, in
 * order, to `out` and returns their number; *scanned is how many bytes were
 * covered, less than n only when `out` is full: go on from there with the
 * same arguments moved.
 */
size_t dv_chunker_scan(const dv_chunker_params *params, const uint8_t *p, size_t before, size_t n,
		       uint64_t base, dv_chunker_cand *out, size_t cap, size_t *scanned);

/*
 * Stage 2: walks the candidates of the data up to offset `upto`, all of them,
 * in order, continuing at *start, where the current chunk begins (0 at first).
 * Writes the lengths of the chunks that end by then to `lens`, which needs
 * dv_chunker_bound(params, upto - *start) entries, moves *start behind them
 * and returns their number. `last` says that the data ends at `upto`.
 */
size_t dv_chunker_resolve(const dv_chunker_params *params, uint64_t *start,
			  const dv_chunker_cand *cand, size_t ncand, uint64_t upto, bool last,
			  size_t *lens);

#endif
