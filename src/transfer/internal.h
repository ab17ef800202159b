/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of this layer share: the inside of a remote store, and the retrieval of its files.
 * Threads: the functions that say so may run in pool workers; the rest belong to the owner.
 */
#ifndef DV_TRANSFER_INTERNAL_H
#define DV_TRANSFER_INTERNAL_H

#include <pthread.h>

#include "transfer/remote_driver.h"
#include "transfer/transfer.h"

#define DV_MOVE_JOBS 4		/* connections when the caller does not say */
#define DV_MOVE_JOBS_MAX 64
#define DV_SEGMENT_MAX ((uint64_t)4 << 30)
#define DV_FOOTER_MAX (256u << 20)
#define DV_NAME_ROOM 96		/* of any file in a remote */

typedef struct dv_remote_segment {
	dv_oid id;
	dv_segment *map;
} dv_remote_segment;

typedef struct dv_footer_slot {
	dv_oid pack;
	dv_pack_footer f;
} dv_footer_slot;

struct dv_remote_store {
	char *name, *mirror, *folder;	/* folder: NULL unless the remote is one */
	dv_remote *r;
	bool exists;			/* a store is there; else an empty place */
	dv_log_state state;
	dv_oid head_print;		/* SHA-256 of the head entry's first bytes */
	dv_remote_segment *segs;	/* as state.segments: oldest first */
	size_t nsegs, segs_cap;
	pthread_mutex_t footers_lock;
	dv_footer_slot **footers;	/* of packs with deltas, once read */
	size_t nfooters, footers_cap;
};

/** Reads what the log grew by and mirrors its segments. */
int dv_remote_store_refresh(dv_remote_store *r) DV_MUST_CHECK;
/** Reads and parses entry `number`; DV_ENOTFOUND when it is not there (yet). */
int dv_remote_log_read(dv_remote_store *r, uint64_t number, dv_log_entry *out, dv_oid *print)
	DV_MUST_CHECK;
/** Creates entry `number` from `e`: 0, or DV_EEXISTS when it is somebody else's. */
int dv_remote_log_create(dv_remote_store *r, uint64_t number, const dv_log_entry *e, dv_oid *print)
	DV_MUST_CHECK;
/** Reads the mirror's state; an unusable one counts as none. */
void dv_mirror_load(dv_remote_store *r);
/** Writes the state to the mirror. */
int dv_mirror_save(dv_remote_store *r) DV_MUST_CHECK;
/** Applies entry `number` of the remote's log, which was read or created. */
int dv_remote_log_apply(dv_remote_store *r, uint64_t number, const dv_log_entry *e,
			const dv_oid *print) DV_MUST_CHECK;
/** Finds the newest entry and applies all that are new. */
int dv_remote_log_replay(dv_remote_store *r) DV_MUST_CHECK;
/** Forgets the mirror when the remote's log is not the one that it was made from. */
int dv_remote_log_verify(dv_remote_store *r) DV_MUST_CHECK;
/** A file of at most `max` bytes from `offset` on. */
int dv_remote_get_file(dv_remote_store *r, const char *name, size_t max, dv_buf *out) DV_MUST_CHECK;
/** Puts a segment's bytes into the mirror, without opening it. */
int dv_remote_store_keep_segment(dv_remote_store *r, const dv_oid *id, const dv_buf *bytes)
	DV_MUST_CHECK;
/** Opens the mirror's segments as the state lists them, fetching those that are missing. */
int dv_remote_store_sync_segments(dv_remote_store *r) DV_MUST_CHECK;

/** "packs/ab/<hex>" or "files/ab/<hex>". */
void dv_remote_container_name(char out[DV_NAME_ROOM], const dv_container *c);
/** Bytes [offset, offset + n) of a file, all of them; DV_ECORRUPT when it ends before. Any thread. */
int dv_remote_get_range(dv_remote_store *r, const char *name, uint64_t offset, size_t n,
			dv_buf *out) DV_MUST_CHECK;
/** The bases of an entry in a remote pack: appended to `out` (nbases of them). Any thread. */
int dv_remote_bases(dv_remote_store *r, uint8_t kind, const dv_oid *id, const dv_place *at,
		    dv_oid out[DV_BASES_MAX]) DV_MUST_CHECK;
/** Makes the pack entry that a place describes (bases_at is 0). */
void dv_place_entry(dv_pack_entry *out, const dv_oid *id, const dv_place *at);
/** Checks decoded bytes: a chunk against its id, a recipe that it parses. Any thread. */
int dv_check_entry(uint8_t kind, const dv_oid *id, const uint8_t *p, size_t n) DV_MUST_CHECK;

/** Wraps the driver of `r` when DV_REMOTE_FAULT asks for it; owns the inner one. */
int dv_fault_wrap(dv_remote **r) DV_MUST_CHECK;
/** Calls made to drivers through the wrapper so far in this process (DV_REMOTE_FAULT=count). */
uint64_t dv_fault_calls(void);

#endif
