/* SPDX-License-Identifier: Apache-2.0 */
/* The batch as its two halves see it: writer.c fills buffers, writer_commit.c makes files of
 * them. */
#ifndef DV_STORE_WRITER_PRIV_H
#define DV_STORE_WRITER_PRIV_H

#include <pthread.h>

#include "base/sha256.h"
#include "store/store_priv.h"

#define DV_WRITER_SPARE 6

/** Entries on their way to the pack; offsets and base indices count from the buffer's start. */
typedef struct dv_wbuf {
	uint8_t *p;
	size_t n;
	dv_pack_entry *e;
	size_t ne, e_cap;
	dv_oid *bases;
	size_t nb, bases_cap;
} dv_wbuf;

/** The pack being written; used by the thread, and by the commit while the thread is idle. */
typedef struct dv_wpack {
	dv_atomic file;		/* fd -1: none */
	dv_direct_writer out;
	dv_sha256_ctx name;
	dv_pack_footer f;
	size_t e_cap, bases_cap;
	uint64_t size;
} dv_wpack;

/** A complete container that waits for the commit under a temporary name. */
typedef struct dv_pending {
	dv_container c;
	char *tmp;	/* NULL once it has its name */
	bool adopted;	/* somebody else may have a container of this name too */
} dv_pending;

struct dv_writer {
	dv_store *store;
	int level;
	bool renew;		/* the store need not be asked for what it has */
	const dv_outlet *outlet;	/* where packs go instead of the store; or NULL */
	pthread_mutex_t lock;	/* everything down to `bytes` */
	pthread_cond_t work, room;
	dv_map have;		/* id -> kinds that this batch has, depth of the chunk; but for
				 * what was spilled */
	dv_wbuf *current, *queue[4], *spare[DV_WRITER_SPARE];
	size_t nqueue, nspare;
	bool busy, ending, failed;
	dv_error error;
	uint64_t bytes;
	pthread_t thread;
	bool running;
	dv_wpack pack;
	dv_segment_builder *index;	/* entries of the pending containers */
	dv_pending *pending;
	size_t npending, pending_cap;
	bool named;		/* a log entry may name the containers: they stay */
};

/** Notes that the batch has an entry; *fresh: it had not. The lock is held. */
int dv_writer_reserve(dv_writer *w, uint8_t kind, const dv_oid *id, uint8_t depth, bool *fresh)
	DV_MUST_CHECK;
/** Appends a buffer's entries to the pack, which is opened and closed as needed. */
int dv_writer_write_buffer(dv_writer *w, dv_wbuf *b) DV_MUST_CHECK;
/** Footer, sync; the pack becomes pending. Nothing when none is open. */
int dv_writer_close_pack(dv_writer *w) DV_MUST_CHECK;
/** Takes `tmp` over on success. */
int dv_writer_add_pending(dv_writer *w, const dv_container *c, char *tmp, bool adopted)
	DV_MUST_CHECK;
/** Moves entries of the index to a file when there are many, and out of `have`. Under the lock. */
int dv_writer_spill(dv_writer *w) DV_MUST_CHECK;
int dv_writer_flush(dv_writer *w) DV_MUST_CHECK;
/** Removes what no log entry can name. */
void dv_writer_drop_pack(dv_writer *w);
void dv_writer_drop_pending(dv_writer *w);

#endif
