/* SPDX-License-Identifier: Apache-2.0 */
/* What a takeover tells its caller, counted as it is told. */
#ifndef DV_TAKEOVER_REPORT_H
#define DV_TAKEOVER_REPORT_H

#include "base/error.h"

typedef struct dv_take_report {
	dv_takeover_cb cb;	/* or NULL */
	void *payload;
	dv_takeover_summary sum;
} dv_take_report;

/** Tells of one thing; what is missing, left or removed counts in the sum. Returns what the caller
 *  returned. */
int dv_take_tell(dv_take_report *r, const dv_takeover *t) DV_MUST_CHECK;
/** Counts an output that is dv's now; nobody is told. */
void dv_take_count(dv_take_report *r, uint64_t files, uint64_t bytes);

#endif
