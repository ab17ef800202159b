/* SPDX-License-Identifier: Apache-2.0 */
/* dv_doctor_pipelines: can the pipeline files be read, and is there what their stages run with? */
#include <stdio.h>

#include "pipeline/executor.h"
#include "pipeline/plan.h"
#include "pipeline/slurm_tools.h"
#include "repo/doctor.h"

static int tell(dv_finding_cb cb, void *payload, const char *topic, const char *value,
		const char *problem, const char *hint)
{
	const dv_finding f = { topic, value, problem, hint };

	return cb(&f, payload);
}

static int tell_failure(dv_finding_cb cb, void *payload, const char *topic, const char *hint)
{
	dv_error e;

	dv_error_take(&e);
	dv_error_clear();
	return tell(cb, payload, topic, "", e.message, *e.hint ? e.hint : hint);
}

/* The programs that dv starts, and whether the controller behind them answers. */
static int check_slurm(dv_repo *r, dv_finding_cb cb, void *payload)
{
	dv_auto(dv_arena) a = DV_ARENA_INIT;
	dv_slurm_seen *seen;
	char text[64];
	size_t n;
	int rc;

	if (dv_slurm_available())
		return tell_failure(cb, payload, "slurm", NULL);
	rc = dv_slurm_look(&a, &seen, &n);
	if (rc == DV_ECANCELLED)
		return rc;
	if (rc)
		rc = tell_failure(cb, payload, "slurm",
				  "look with 'scontrol ping' whether its controller runs, and with "
				  "SLURM_CONF whether this is its cluster");
	else {
		snprintf(text, sizeof(text), "its controller answers, %zu %s of yours", n,
			 n == 1 ? "job" : "jobs");
		rc = tell(cb, payload, "slurm", text, NULL, NULL);
	}
	/* The nodes work there, and have to see it at the same place. */
	return rc ? rc : dv_doctor_folder(cb, payload, "slurm jobs", r->dvdir);
}

int dv_doctor_pipelines(dv_repo *r, dv_finding_cb cb, void *payload)
{
	dv_auto(dv_plan) x = DV_PLAN_INIT;
	bool apart = dv_executor_slurm_has_left(r);
	char text[64];
	int rc;

	if (dv_plan_open(&x, r))
		return tell_failure(cb, payload, "pipelines", NULL);
	if (x.p.nfiles == 0)
		return 0;
	snprintf(text, sizeof(text), "%zu %s in %zu %s", x.p.n, x.p.n == 1 ? "stage" : "stages",
		 x.p.nfiles, x.p.nfiles == 1 ? "file" : "files");
	rc = tell(cb, payload, "pipelines", text, NULL, NULL);
	for (size_t i = 0; i < x.p.n; i++)
		apart |= dv_executor_is_apart(x.p.stages[i].executor);
	return rc || !apart ? rc : check_slurm(r, cb, payload);
}
