/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deltas turned round: of every file that has versions the newest one is stored in full, and older
 * ones build on newer ones. Which entries are stored how is decided and encoded here; what becomes
 * of packs is the sweep's.
 *
 * A chunk is given bases only among those that have their final form already. So no circle of
 * deltas can come about, and the depths that are stated are true.
 */
#ifndef DV_STORE_TURN_H
#define DV_STORE_TURN_H

#include "store/care.h"

/** The copy of a chunk that stays. */
typedef struct dv_turn_copy {
	dv_place at;
	const dv_oid *bases;	/* borrowed */
} dv_turn_copy;
typedef struct dv_turn {
	dv_store *s;
	const dv_histories *histories;
	const dv_map *chunks[2];	/* ids of all chunks that stay */
	/** Their copies; false when there is none. */
	bool (*copy)(void *ctx, const dv_oid *id, dv_turn_copy *out);
	/** Takes over an entry in place of the copy there is; its bytes were checked. */
	int (*put)(void *ctx, const dv_pack_entry *e, const uint8_t *stored, const dv_oid *bases);
	void *ctx;
} dv_turn;
/** Calls `put` for every chunk that is to be stored otherwise than it is: bases before what builds
 *  on them. Fails with DV_ECORRUPT or DV_ENOTFOUND where something cannot be read. Memory: some
 *  100 bytes for each chunk that stays, and for each of two versions of one file. */
int dv_turn_round(const dv_turn *t) DV_MUST_CHECK;

/** Which version each of `n` builds on, newest first: parent[k] < k and depth[k]; the first has
 *  depth 0 and is its own parent. No depth is above `max`, which is at least 1, and the ways are
 *  short. At most DV_TURN_VERSIONS. */
#define DV_TURN_VERSIONS 2048u
int dv_turn_plan(size_t n, unsigned max, uint16_t *parent, uint8_t *depth) DV_MUST_CHECK;

#endif
