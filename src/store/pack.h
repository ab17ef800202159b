/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packs: immutable files that hold many chunks and recipes. The name of one is the SHA-256 of its
 * header, its recipes, its footer and its tail: chunks are vouched for by their ids, which the
 * footer lists. docs/format.md defines packs to the byte. Everything here treats a pack's bytes as
 * hostile.
 */
#ifndef DV_STORE_PACK_H
#define DV_STORE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/oid.h"
#include "base/sha256.h"

#define DV_PACK_HEADER 32u		/* "DVPACK2\n", nonce 16, reserved 8 (zero) */
#define DV_PACK_ENTRY 56u
#define DV_PACK_TAIL 32u		/* "DVPTAIL1", footer offset u64, entries u32, bases u32,
					   first 8 bytes of SHA-256(entries and bases) */
#define DV_PACK_TARGET (64u << 20)	/* a pack is closed once it holds this many stored bytes */
#define DV_RAW_MAX (1u << 20)		/* no chunk or recipe is longer, decoded */
#define DV_STORED_MAX (DV_RAW_MAX + 4096u)
#define DV_DEPTH_MAX 16			/* longest chain of deltas that is read */
#define DV_BASES_MAX 16
#define DV_PREFIX_MAX (8u << 20)	/* bytes of all bases of one delta together */
#define DV_PACK_ENTRIES_MAX (1u << 20)	/* a pack has no more entries, nor more bases, than this */

enum dv_kind {
	DV_KIND_CHUNK = 1,	/* id = SHA-256 of the raw bytes */
	DV_KIND_RECIPE = 2	/* id = oid of the object that it describes */
};
enum dv_codec {
	DV_CODEC_RAW = 0,
	DV_CODEC_ZSTD = 1,
	DV_CODEC_ZSTD_DELTA = 2	/* zstd with the concatenated bases as raw-content prefix */
};

/** One entry of a pack's footer (sorted by id, then kind). */
typedef struct dv_pack_entry {
	dv_oid id;
	uint64_t offset;	/* of the stored bytes, from the start of the pack */
	uint32_t stored, raw;	/* lengths */
	uint8_t kind, codec, nbases, depth;
	uint32_t bases_at;	/* index of the first base in the base table */
} dv_pack_entry;

/** A parsed and checked footer. */
typedef struct dv_pack_footer {
	dv_pack_entry *e;
	size_t n;
	dv_oid *bases;
	size_t nbases;
} dv_pack_footer;
#define DV_PACK_FOOTER_INIT { 0 }
void dv_pack_footer_release(dv_pack_footer *f);
/** Parses from the pack's last `n` bytes; `size` is the whole pack's. When `n` is too few, returns
 *  0 with *need set to how many are needed (else 0). DV_ECORRUPT on anything that does not add up
 *  (overlap, order, lengths over the limits, unknown kind). */
int dv_pack_footer_parse(dv_pack_footer *out, const uint8_t *end, size_t n, uint64_t size,
			 size_t *need) DV_MUST_CHECK;
/** Sorts the entries and appends footer and tail of a pack whose entries end at `footer_offset`. */
int dv_pack_footer_write(dv_buf *out, dv_pack_footer *f, uint64_t footer_offset) DV_MUST_CHECK;
/** Header with the given nonce. */
void dv_pack_header(uint8_t out[DV_PACK_HEADER], const uint8_t nonce[16]);
/** The version that the first DV_PACK_HEADER bytes of a pack tell: 2, 1 (whose name is the SHA-256
 *  of all its bytes; read, not written any more), or 0 when this is no header of either. */
int dv_pack_version(const uint8_t *p);
/** What the name of a pack of version 2 is made of: header, then the stored bytes of recipes in the
 *  order of their offsets, then footer and tail. Chunks are passed over. */
void dv_pack_name_entry(dv_sha256_ctx *name, const dv_pack_entry *e, const uint8_t *stored);
/** NULL when the entry keeps to the limits and lies before offset `end`; else what is wrong. */
const char *dv_pack_entry_check(const dv_pack_entry *e, uint64_t end);
/** The order of a footer's entries: id, then kind. For qsort and bsearch. */
int dv_pack_entry_cmp(const void *a, const void *b);
/** Binary search in a parsed (or written) footer; NULL when it is not there. Borrowed. */
const dv_pack_entry *dv_pack_footer_find(const dv_pack_footer *f, uint8_t kind, const dv_oid *id);

/** Decodes stored bytes into exactly `e->raw` bytes at `out`; the prefix is the concatenated bases
 *  (NULL, 0 without). Never writes more than e->raw bytes. Does not verify the id. */
int dv_pack_decode(uint8_t *out, const dv_pack_entry *e, const uint8_t *stored,
		   const uint8_t *prefix, size_t prefix_len) DV_MUST_CHECK;

/** Who takes part in the check of a pack. */
typedef struct dv_pack_watch {
	/** Decodes and checks an entry that has bases, which are elsewhere. */
	int (*delta)(const dv_pack_entry *e, void *payload);
	/** Sees chunks without bases that have their ids; may be NULL. */
	void (*seen)(const dv_oid *ids, const void *const *p, const size_t *n, size_t count,
		     void *payload);
	void *payload;
} dv_pack_watch;
/** The name that a pack of `size` bytes of which `f` is the footer ought to have, by its version;
 *  *version is 0 when it has none (DV_ECORRUPT). Any thread. */
int dv_pack_name(int fd, uint64_t size, const dv_pack_footer *f, dv_oid *name, int *version)
	DV_MUST_CHECK;
/** Checks such a pack: its name, then that every chunk has its id and every recipe parses. Entries
 *  with bases are left to w->delta; `w` may be NULL when there are none. DV_ECORRUPT on damage. Any
 *  thread. */
int dv_pack_check(int fd, uint64_t size, const dv_pack_footer *f, const dv_oid *name,
		  const dv_pack_watch *w) DV_MUST_CHECK;

/** Per-thread compression state. */
typedef struct dv_encoder dv_encoder;
int dv_encoder_new(dv_encoder **out, int level) DV_MUST_CHECK;
void dv_encoder_free(dv_encoder *enc);
DV_DEFINE_AUTOPTR(dv_encoder)
/** What the neighbours in the same file taught: skips files that do not compress, and tries again
 *  now and then. Zero to start with; one per file, one thread at a time. */
typedef struct dv_sticky {
	uint8_t misses;
	uint8_t skip;
} dv_sticky;
/** Compresses when that pays (≤ 15/16 of raw). *stored borrows either raw or the encoder's buffer
 *  until the next call. sticky may be NULL. */
int dv_encode(dv_encoder *enc, const uint8_t *raw, size_t n, dv_sticky *sticky,
	      const uint8_t **stored, size_t *stored_len, uint8_t *codec) DV_MUST_CHECK;
/** Bytes that a chunk may be compressed against. */
typedef struct dv_prefix {
	const uint8_t *p;
	size_t n;
	uint64_t number;	/* 0, or the same whenever the bytes are: they are taken in once */
	bool sure;		/* need not be compared with what the chunk takes alone */
} dv_prefix;
/** As dv_encode, against `prefix` where that pays: *codec says whether it is needed. *with and
 *  *alone are the lengths of both ways when they were compared, else 0. */
int dv_encode_based(dv_encoder *enc, const uint8_t *raw, size_t n, const dv_prefix *prefix,
		    dv_sticky *sticky, const uint8_t **stored, size_t *stored_len, uint8_t *codec,
		    size_t *with, size_t *alone) DV_MUST_CHECK;
/** Adds the `count` bases of one entry to a base table of *n, which has room for them. Entries in a
 *  row that have the same bases share their places. Returns the index of the first. */
uint32_t dv_pack_add_bases(dv_oid *table, size_t *n, const dv_oid *bases, size_t count);

#endif
