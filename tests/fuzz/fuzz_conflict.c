/* SPDX-License-Identifier: Apache-2.0 */
/* Texts with conflict markers: what is told apart fits together again, and no side keeps markers of
 * the same length. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "repo/conflict.h"
#include "repo/lockmerge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *at = text, *end = text + size;
	dv_auto(dv_buf) ours = DV_BUF_INIT, theirs = DV_BUF_INIT, again = DV_BUF_INIT;
	dv_auto(dv_buf) back = DV_BUF_INIT, whole = DV_BUF_INIT;
	dv_conflict_part part;
	bool merged;
	int rc;

	while (dv_conflict_next(&part, &at, end, &rc))
		dv_assert(dv_buf_add(&whole, part.raw, part.nraw) == 0);
	dv_assert(rc == 0 ? whole.n == size && (!size || !memcmp(whole.p, text, size))
			  : rc == DV_ECORRUPT);
	if (dv_conflict_take(&ours, text, size, 0, &merged) ||
	    dv_conflict_take(&theirs, text, size, 1, NULL)) {
		dv_assert(rc != 0);
		return 0;
	}
	dv_assert(rc == 0);
	if (dv_conflict_has(dv_buf_str(&ours), ours.n) ||
	    dv_conflict_has(dv_buf_str(&theirs), theirs.n))
		return 0;
	if (ours.n && ours.p[ours.n - 1] != '\n')
		dv_buf_addc(&ours, '\n');
	dv_assert(dv_conflict_print(&again, &ours, &theirs, 0, true) == 0);
	dv_assert(dv_conflict_take(&back, dv_buf_str(&again), again.n, 0, &merged) == 0);
	dv_assert(merged && back.n == ours.n && (!back.n || !memcmp(back.p, ours.p, back.n)));

	/* A lock file against itself is itself; against nothing, what it says. */
	const dv_buf three[3] = { ours, ours, theirs };
	dv_auto(dv_buf) lock = DV_BUF_INIT;
	bool clean;
	if (dv_lock_merge(&lock, three, "", "dv.lock", 0, NULL, NULL, &clean) == 0)
		dv_assert(clean);
	return 0;
}
