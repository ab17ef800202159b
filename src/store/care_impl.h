/* SPDX-License-Identifier: Apache-2.0 */
/* What fsck, reindex and sweep share inside the store layer. */
#ifndef DV_STORE_CARE_IMPL_H
#define DV_STORE_CARE_IMPL_H

#include "store/care.h"

/** Does a failure tell of the store? Of memory or descriptors that ran out, and of reading that the
 *  system refused, the machine is to blame: such failures end a check and never start a repair. */
static inline bool dv_is_damage(int rc)
{
	return rc == DV_ECORRUPT || rc == DV_ENOTFOUND;
}

/** A container and what is known of its entries: from its footer, for whole files from the recipe,
 *  and from the index where that cannot be read. */
typedef struct dv_holding {
	dv_container c;
	dv_pack_footer f;
	bool readable;	/* the footer or recipe was read */
	bool suspect;	/* a whole file that was changed by somebody */
} dv_holding;
typedef struct dv_holdings {
	dv_holding *h;
	size_t n;
	dv_map at;	/* container key -> index into h */
} dv_holdings;
#define DV_HOLDINGS_INIT { 0 }
void dv_holdings_release(dv_holdings *h);
/** The holding of a container, or NULL. */
dv_holding *dv_holdings_find(const dv_holdings *all, const dv_container *c);
/** All live containers of the store, in the order of its state. */
int dv_holdings_load(dv_holdings *out, const dv_store *s) DV_MUST_CHECK;
/** Adds to the builder those entries of holding `i` that `use` says. */
int dv_holding_index(const dv_store *s, dv_segment_builder *b, const dv_holding *h,
		     const bool *use) DV_MUST_CHECK;

#endif
