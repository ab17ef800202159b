/* SPDX-License-Identifier: Apache-2.0 */
/* Reports of takeovers; see report.h. */
#include "takeover/report.h"

int dv_take_tell(dv_take_report *r, const dv_takeover *t)
{
	r->sum.missing += t->kind == DV_TAKE_MISSING;
	r->sum.left += t->kind == DV_TAKE_LEFT;
	r->sum.removed += t->kind == DV_TAKE_REMOVED;
	return r->cb ? r->cb(t, r->payload) : 0;
}

void dv_take_count(dv_take_report *r, uint64_t files, uint64_t bytes)
{
	r->sum.outputs++;
	r->sum.files += files;
	r->sum.bytes += bytes;
}
