/* SPDX-License-Identifier: Apache-2.0 */
/* Names that a person typed the beginning of. */
#include <string.h>

#include "store/store_priv.h"

#define SHORTEST 4

static bool begins_with(const dv_oid *id, const char *hex, size_t n)
{
	char whole[DV_OID_HEX_SIZE + 1];

	dv_oid_hex(whole, id);
	return !memcmp(whole, hex, n);
}

int dv_store_complete(const dv_store *s, const char *hex, dv_oid *out)
{
	size_t n = strlen(hex);
	bool found = false;

	if (n < SHORTEST)
		return dv_err(DV_EUSAGE, "'%s' is too short for the beginning of an oid", hex);
	for (size_t i = 0; i < s->nsegs; i++) {
		const dv_segment *seg = s->segs[i].seg;

		for (size_t k = 0; k < dv_segment_count(seg); k++) {
			dv_place at;
			dv_oid id;

			if (!dv_segment_at(seg, k, &id, &at) || !begins_with(&id, hex, n) ||
			    !dv_log_state_has(&s->state, at.in.kind, &at.in.id) ||
			    (found && dv_oid_eq(&id, out)))
				continue;
			if (found)
				return dv_err_hint(dv_err(DV_EUSAGE, "'%s' may mean several oids",
							  hex), "give more digits");
			found = true;
			*out = id;
		}
	}
	return found ? 0 : dv_err(DV_ENOTFOUND, "no oid in the cache begins with '%s'", hex);
}
