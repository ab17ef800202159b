/* SPDX-License-Identifier: Apache-2.0 */
/* dv_stage_status: which stages are stale, and why. */
#include <string.h>

#include "base/alloc.h"
#include "base/progress.h"
#include "pipeline/plan.h"

static int tell(dv_plan *x, dv_states *st, size_t i, const dv_plan_verdict *v, dv_stage_event_cb cb,
		void *payload)
{
	dv_stage_event e;
	int rc = dv_plan_event(x, st, x->order[i], &e);

	if (rc)
		return rc;
	e.state = v->runs ? DV_STAGE_STALE : DV_STAGE_UNCHANGED;
	e.reasons = v->check.reasons;
	e.nreasons = v->check.n;
	return cb ? cb(&e, payload) : 0;
}

int dv_stage_status(dv_repo *r, const char *const *targets, size_t n, int jobs,
		    dv_stage_event_cb cb, void *payload, dv_stage_status_summary *out)
{
	dv_auto(dv_plan) x = DV_PLAN_INIT;
	dv_auto(dv_states) st = { 0 };
	dv_autofree dv_plan_verdict *v = NULL;
	const dv_plan_targets t = { .names = targets, .n = n, .all = true,
				    .reach = DV_REACH_ONLY };
	int rc;

	out = DV_OR_ZERO(out);
	*out = (dv_stage_status_summary){ 0 };
	if ((rc = dv_plan_open(&x, r)) || x.p.n == 0)
		return rc;
	st.looks_on = true;
	dv_progress_start("comparing", 0, 0);
	if ((rc = dv_plan_choose(&x, &t)) == 0 && (rc = dv_states_open(&st, r, jobs)) == 0)
		rc = dv_plan_look(&x, &st, 0, &v);
	dv_progress_end();
	for (size_t i = 0; rc == 0 && i < x.n; i++) {
		out->stages++;
		out->stale += v[i].runs;
		rc = tell(&x, &st, i, &v[i], cb, payload);
	}
	return rc ? rc : dv_states_unread(&st);
}
