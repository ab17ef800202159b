/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers: small things compress poorly alone. The first chunks that a batch stores serve as common
 * bases, a dictionary as it were, for those that follow: the files of a directory share
 * their headers, the rows of a table their words. What the others gain by it is measured now and
 * then; a set that brings nothing is given up, and a new one is gathered from what comes next.
 */
#ifndef DV_STORE_PEERS_H
#define DV_STORE_PEERS_H

#include "store/store.h"

/** Chunks that have their final form in the batch; never changes and lives as long as the peers. */
typedef struct dv_peer_set {
	uint64_t number;	/* of this set among all of the process, from 1 */
	dv_oid ids[DV_BASES_MAX];
	uint8_t n;
	const uint8_t *p;	/* their bytes, one after the other */
	size_t len;
} dv_peer_set;

typedef struct dv_peers dv_peers;
/** A set is complete with DV_BASES_MAX chunks, or once it holds `enough` bytes. Any number of
 *  threads may use the result. */
int dv_peers_new(dv_peers **out, size_t enough) DV_MUST_CHECK;
void dv_peers_free(dv_peers *ps);
DV_DEFINE_AUTOPTR(dv_peers)
/** The set to build on, or NULL. *compare: say by dv_peers_learn what a chunk takes with and
 *  without it. */
const dv_peer_set *dv_peers_get(dv_peers *ps, bool *compare);
/** Offers a chunk that the batch just stored by itself in `stored` bytes. */
int dv_peers_offer(dv_peers *ps, const dv_oid *id, const uint8_t *raw, size_t n, size_t stored)
	DV_MUST_CHECK;
void dv_peers_learn(dv_peers *ps, const dv_peer_set *set, size_t with, size_t alone);

#endif
