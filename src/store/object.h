/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects: bytes named by their SHA-256, kept as one chunk or as a recipe of chunks.
 *
 * Recipe bytes: "DVRECIP1", level u8, chunker id u8, zero 6, size u64 (of what it makes), then per
 * chunk: id 32, raw length u32. Level 0 lists the object's own chunks. When a recipe would be
 * longer than DV_RECIPE_MAX its bytes are themselves cut into chunks, and the recipe kept under the
 * oid is of level + 1 and lists those; at most DV_RECIPE_LEVELS times.
 */
#ifndef DV_STORE_OBJECT_H
#define DV_STORE_OBJECT_H

#include "store/store.h"

#define DV_RECIPE_HEADER 24u
#define DV_RECIPE_ITEM 36u
#define DV_RECIPE_MAX (256u << 10)
#define DV_RECIPE_LEVELS 3

typedef struct dv_chunk_ref {
	dv_oid id;
	uint32_t len;
} dv_chunk_ref;
/** The chunks of one object, in order (one item for an object of one chunk, none for the empty). */
typedef struct dv_recipe {
	dv_chunk_ref *c;
	size_t n, cap;
	uint64_t size;
	dv_oid *inner;		/* chunks that the recipe itself is made of (levels above 0) */
	size_t ninner, inner_cap;
	bool is_chunk;		/* the object is a single chunk; there is no recipe entry */
	uint8_t chunker;
} dv_recipe;
#define DV_RECIPE_INIT { 0 }
void dv_recipe_release(dv_recipe *r);
/** Loads and checks the recipe of an object, through all levels. Memory: 36 bytes a chunk, i.e.
 *  some 60 MB for 100 GiB. DV_ENOTFOUND when the object is not in the store. */
int dv_recipe_load(dv_recipe *out, dv_reader *r, const dv_oid *oid) DV_MUST_CHECK;
/** Parses one level (for fuzzing and fsck). */
int dv_recipe_parse(dv_recipe *out, uint8_t *level, const uint8_t *p, size_t n) DV_MUST_CHECK;

/** Stores bytes in memory as an object (trees, link targets). enc is the calling thread's. */
int dv_object_put(dv_writer *w, dv_encoder *enc, const void *p, size_t n, dv_oid *oid)
	DV_MUST_CHECK;

/** Shared state for storing many files: encoders, buffers, the pool. */
typedef struct dv_ingest dv_ingest;
int dv_ingest_new(dv_ingest **out, dv_writer *w, dv_pool *pool) DV_MUST_CHECK;
void dv_ingest_free(dv_ingest *in);
DV_DEFINE_AUTOPTR(dv_ingest)
/** Whether chunks may be stored as deltas, to those of a previous version and to their peers; not
 *  to begin with. */
int dv_ingest_deltas(dv_ingest *in, bool on) DV_MUST_CHECK;
/** Whether it may pay to find out what a file was; after many that were unlike it does not. */
bool dv_ingest_curious(dv_ingest *in, const char *name, uint64_t size);
#define DV_INGEST_SMALL (4u << 20)
/** Stores a file of at most DV_INGEST_SMALL bytes; call from pool workers (worker: its index), many
 *  at once. `size` is from fstat; *oid and *stored_size tell what was read. Returns DV_ETRANSIENT
 *  when the file changed under the read (size, mtime or ctime differ afterwards): read it again.
 *  `before`: the object that the file was, as far as anybody knows; may be NULL. */
int dv_ingest_small(dv_ingest *in, int worker, int fd, const char *name, const dv_oid *before,
		    dv_oid *oid, struct stat *st) DV_MUST_CHECK;
/** Stores a file of any size using the whole pool; call from the thread that owns the pool, while
 *  no other large file is in work. Memory is bounded whatever the size. */
int dv_ingest_large(dv_ingest *in, int fd, const char *name, const dv_oid *before, dv_oid *oid,
		    struct stat *st) DV_MUST_CHECK;
/** Stores bytes in memory (trees) like a small file; from pool workers, or with -1 from the thread
 *  that owns the pool. */
int dv_ingest_bytes(dv_ingest *in, int worker, const void *p, size_t n, const dv_oid *before,
		    dv_oid *oid) DV_MUST_CHECK;
/** Somebody who sees the bytes of a file, in order, as they are stored. */
typedef struct dv_witness {
	void (*see)(void *ctx, const void *p, size_t n);
	void *ctx;
} dv_witness;
/** Shows `w` (copied; NULL: nobody) what `worker`, or with -1 the pool's owner, stores from now on.
 *  A file that must be read again is shown again: say it anew before. */
void dv_ingest_witness(dv_ingest *in, int worker, const dv_witness *w);
/** Stores the content of a small file that is in memory; from pool workers. `name` tells what sort
 *  of file it is. */
int dv_ingest_content(dv_ingest *in, int worker, const void *p, size_t n, const char *name,
		      const dv_oid *before, dv_oid *oid) DV_MUST_CHECK;
/** Stores a stream of more than DV_INGEST_SMALL bytes and of unknown length, using the whole pool;
 *  from the thread that owns the pool, one at a time, with nothing else in the pool. `name` is
 *  borrowed until the end. After a failure nothing but the next begin may follow. */
int dv_ingest_stream_begin(dv_ingest *in, const char *name, const dv_oid *before) DV_MUST_CHECK;
/** Where the next bytes go, at least one; may wait for work that is behind. */
int dv_ingest_stream_room(dv_ingest *in, uint8_t **p, size_t *n) DV_MUST_CHECK;
/** So many were put there. */
int dv_ingest_stream_took(dv_ingest *in, size_t n) DV_MUST_CHECK;
int dv_ingest_stream_end(dv_ingest *in, dv_oid *oid, uint64_t *size) DV_MUST_CHECK;
/** Forgets a stream that was begun and not ended. Keeps the error's record. */
void dv_ingest_stream_drop(dv_ingest *in);
/** Only hashes: the oid a file would get. Any thread. */
int dv_hash_file(int fd, const char *name, dv_oid *oid, struct stat *st) DV_MUST_CHECK;

/** Writes an object's bytes to fd from offset 0 and verifies the whole against `oid`; for small
 *  objects, from pool workers. `size` must match. */
int dv_object_write(dv_reader *r, const dv_oid *oid, uint64_t size, int fd) DV_MUST_CHECK;
/** As above for large ones, with decoding spread over the pool; from the pool's owner. What was in
 *  the file goes, and chunks of zeros become holes. */
int dv_object_write_large(dv_store *s, dv_pool *pool, const dv_oid *oid, uint64_t size, int fd)
	DV_MUST_CHECK;
/** Reads a whole object into memory (trees), at most `max` bytes, verified against its oid. */
int dv_object_read(dv_reader *r, const dv_oid *oid, size_t max, dv_buf *out) DV_MUST_CHECK;
/** Streams bytes [offset, offset + length) clipped to the object, reading only the chunks needed,
 *  each verified. */
int dv_object_stream(dv_reader *r, const dv_oid *oid, uint64_t offset, uint64_t length,
		     int (*sink)(const void *p, size_t n, void *payload), void *payload)
	DV_MUST_CHECK;

#endif
