/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Care of a local store: fsck and gc. Both know entries and roots, not workspaces; the caller says
 * what must stay.
 */
#ifndef DV_STORE_CARE_H
#define DV_STORE_CARE_H

#include "store/tree.h"

typedef struct dv_store_damage {
	const char *kind;	/* "pack", "file" (kept whole), "segment", "chunk", "recipe",
				   "tree", "object", "log" */
	const char *name;	/* hex id or file name */
	const char *detail;
	uint8_t entry_kind;	/* 0, or DV_KIND_… with `id` set: an entry that cannot be read */
	dv_oid id;
} dv_store_damage;
typedef int (*dv_store_damage_cb)(const dv_store_damage *d, void *payload);
typedef struct dv_store_stats {
	uint64_t packs, segments, chunks, recipes, bytes;
} dv_store_stats;
/** Reads every log entry, container, segment and entry; with `quick` nothing of a container but
 *  what its name is made of, which chunks are not. Both look whether every delta in use has its
 *  bases, each less deep than itself, so that no chain is too long or goes round in a circle. cb
 *  comes from the calling thread. */
int dv_store_fsck(dv_store *s, dv_pool *pool, bool quick, dv_store_damage_cb cb, void *payload,
		  dv_store_stats *out) DV_MUST_CHECK;
/** Checks that objects are whole: every chunk there and readable, the oid right. */
int dv_store_check_object(dv_reader *r, const dv_oid *oid, bool is_tree, dv_store_damage_cb cb,
			  void *payload) DV_MUST_CHECK;
/** Writes a new segment over all readable containers and drops the old ones: repairs the index. */
int dv_store_reindex(dv_store *s) DV_MUST_CHECK;
/** The versions of one file, newest first. */
typedef struct dv_history {
	dv_oid *oids;
	size_t n, cap;
} dv_history;
typedef struct dv_histories {
	dv_history *l;
	size_t n, cap;
} dv_histories;
typedef struct dv_sweep {
	/** Entries that stay; bases of kept deltas are added by the sweep. Without `dry`
	 *  the chunks and recipes in it are gone afterwards. */
	dv_closure *keep;
	/** NULL, or containers that must go: what is kept and readable in them is written anew. */
	bool (*drop_container)(const dv_container *c, void *payload);
	void *payload;
	bool dry;
	int level;		/* compression for rewritten entries */
	/** NULL, or files whose newest version is to be stored in full, and older ones as deltas to
	 *  newer ones. DV_ECORRUPT when something of the store cannot be read. */
	const dv_histories *turn;
} dv_sweep;
typedef struct dv_sweep_stats {
	uint64_t chunks_kept, chunks_dropped, packs_dropped, packs_rewritten;
	uint64_t bytes_freed, bytes_kept;
	uint64_t bytes_unused;	/* of bytes_kept: chunks that nothing needs, in packs that stay */
	uint64_t turned;	/* chunks stored otherwise than before */
} dv_sweep_stats;
/** Drops what is not kept: containers without a kept entry are deleted, packs less than 60 % alive
 *  or smaller than 8 MiB (when there are several) are rewritten first. The exclusive lock must be
 *  held (DV_ELOCKED), but not for `dry`. Order: new packs and segment durable, CONDEMN entry
 *  durable, then unlink. */
int dv_store_sweep(dv_store *s, const dv_sweep *o, dv_sweep_stats *out) DV_MUST_CHECK;

#endif
