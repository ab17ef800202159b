/* SPDX-License-Identifier: Apache-2.0 */
/* Storing content as its parts see it: ingest.c has what is small, ingest_large.c what is large. */
#ifndef DV_STORE_INGEST_IMPL_H
#define DV_STORE_INGEST_IMPL_H

#include <pthread.h>

#include "store/recipe.h"
#include "store/whole.h"

#define SEGMENT ((size_t)4 << 20)	/* bytes of the file that are in one slot */
#define BEFORE 63u			/* bytes in front of a segment that its scan looks at */
#define CARRY DV_CHUNK_SIZE_MAX		/* room in front for a chunk that began earlier */
#define SLOTS_MAX 16
#define HASH_BATCH 64
#define BASES_ROOM ((size_t)48 << 20)	/* for decoded bases of all workers together, but */
#define BASES_LEAST ((size_t)2 << 20)	/* at least so many each */
#define PEERS_SMALL ((size_t)64 << 10)	/* bytes that small files share as bases */
#define PEERS_LARGE ((size_t)128 << 10)	/* and the chunks of one large file */
#define HASH_BUFFER ((size_t)256 << 10)
#define KINDS 64			/* of small files, by their extensions */

/* Scratch of one worker. */
typedef struct station {
	dv_encoder *enc;
	dv_delta *delta;
	uint8_t *buf;
	size_t buf_cap;
	dv_cuts cuts;
	dv_buf recipe;
	dv_witness witness;
} station;

enum slot_state { SLOT_FREE, SLOT_READING, SLOT_READ, SLOT_PUTTING };
typedef struct slot {
	dv_ingest *in;
	uint8_t *buf;		/* CARRY + SEGMENT */
	dv_chunker_cand *cand;
	size_t cand_cap, ncand;
	dv_cuts cuts;
	const uint8_t *first;	/* the first chunk of `cuts` */
	uint64_t offset;	/* of the segment in the file */
	size_t len;
	size_t recipe_at;	/* where the recipe has the first chunk of `cuts` */
	bool hashed;		/* the ids of `cuts` are known */
	bool last;		/* the object ends with it */
	unsigned users;		/* of the bytes, once they were cut */
	enum slot_state state;
} slot;

/* The large file or stream in work. */
typedef struct large {
	int fd;			/* -1 for a stream */
	const char *name;
	const dv_chunker_params *params;
	uint64_t size, nsegments;	/* UINT64_MAX until a stream ends */
	uint64_t issued, cut;	/* segments given to readers; segments cut */
	bool filling;		/* a stream: the slot of segment `issued` is being filled */
	uint64_t start;		/* where the current chunk begins */
	dv_sha256_ctx hash;
	dv_buf recipe;
	dv_sticky sticky;
	dv_likeness like;
	dv_basis *basis;	/* NULL: no previous version */
	dv_peers *peers;	/* the file's first chunks */
	dv_pack_footer *table;	/* takes the chunks instead of the store; or NULL */
} large;

struct dv_ingest {
	dv_writer *w;
	dv_pool *pool;
	station *stations;	/* one a worker, and one for the thread that owns the pool */
	int nstations;
	bool deltas;
	dv_peers *peers;	/* of small files, with deltas */
	dv_likeness likes[KINDS + 1];	/* what files with an extension are like; last: trees */
	slot slots[SLOTS_MAX];
	size_t nslots;
	pthread_mutex_t lock;	/* slot states and users, the sticky verdict, the recipe */
	pthread_cond_t changed;
	bool failed;
	large f;
};

/** Shows bytes to the station's witness, if there is one. */
void dv_ingest_show(const station *s, const void *p, size_t n);
/** The worker's encoder, made when it is first needed. */
int dv_ingest_encoder(dv_ingest *in, int worker, dv_encoder **enc) DV_MUST_CHECK;
/** The worker's means to make deltas, likewise. */
int dv_ingest_delta(dv_ingest *in, int worker, dv_delta **delta) DV_MUST_CHECK;
/** Loads what the file was, when that is of any use; *out is NULL otherwise. */
int dv_ingest_basis(dv_ingest *in, int worker, const dv_oid *before, dv_basis **out) DV_MUST_CHECK;
/** fstat of what must be a regular file. */
int dv_ingest_stat(int fd, const char *name, struct stat *st) DV_MUST_CHECK;
/** DV_ETRANSIENT when the file is not as it was. */
int dv_ingest_unchanged(int fd, const char *name, const struct stat *st) DV_MUST_CHECK;
/** Reads exactly `n` bytes; DV_ETRANSIENT when there are fewer. */
int dv_ingest_read(int fd, const char *name, uint8_t *p, size_t n, uint64_t at) DV_MUST_CHECK;
/** The chunks that a recipe of level 0 lists, as the table of a whole file. */
int dv_ingest_table(dv_pack_footer *table, const dv_buf *recipe) DV_MUST_CHECK;
/** A small file; with a table it is kept whole. */
int dv_ingest_one_small(dv_ingest *in, int worker, int fd, const char *name, const dv_oid *before,
			dv_pack_footer *table, dv_oid *oid, struct stat *st) DV_MUST_CHECK;
int dv_ingest_one_large(dv_ingest *in, int fd, const char *name, const dv_oid *before,
			dv_pack_footer *table, dv_oid *oid, struct stat *st) DV_MUST_CHECK;

#endif
