/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packs that are written one after the other, each as large as packs should be. A pack has its name
 * once it is complete and durable; no log entry names it yet. One thread.
 */
#ifndef DV_STORE_PACK_OUT_H
#define DV_STORE_PACK_OUT_H

#include "base/sha256.h"
#include "store/care_impl.h"

typedef struct dv_pack_out {
	const dv_store *s;
	/* The pack being written. */
	dv_atomic file;
	dv_sha256_ctx hash;
	dv_buf buf;		/* what was not handed to the file yet */
	uint64_t offset;
	dv_pack_footer f;
	size_t e_cap, bases_cap;
	/* Those that are done. */
	dv_holding *made;
	size_t nmade, made_cap;
} dv_pack_out;
#define DV_PACK_OUT_INIT(store) { .s = (store), .file = DV_ATOMIC_INIT }
/** Also takes away a pack that is not complete. */
void dv_pack_out_release(dv_pack_out *o);
/** Appends an entry, of which the place is filled in here, with its stored bytes and e.nbases bases
 *  (NULL when there are none). */
int dv_pack_out_add(dv_pack_out *o, dv_pack_entry e, const uint8_t *stored, const dv_oid *bases)
	DV_MUST_CHECK;
/** Completes the pack being written, if there is one. */
int dv_pack_out_end(dv_pack_out *o) DV_MUST_CHECK;

#endif
