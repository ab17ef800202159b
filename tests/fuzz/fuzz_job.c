/* SPDX-License-Identifier: Apache-2.0 */
/* What a job and its owner tell each other: no path of it leaves the workspace, and a result prints
 * as one that parses to the same. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/path.h"
#include "pipeline/jobspec.h"

static void check_paths(const dv_run_path *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dv_assert(dv_path_is_safe(p[i].path) && !dv_repo_is_own(p[i].path));
}

static void check_spec(const char *text, size_t n)
{
	dv_auto(dv_jobspec) j = DV_JOBSPEC_INIT;

	if (dv_jobspec_parse(&j, text, n, "job"))
		return;
	check_paths(j.inputs, j.ninputs);
	check_paths(j.outs, j.nouts);
	dv_assert(j.cmd && j.id && strlen(j.id) == DV_JOB_ID - 1);
	dv_assert(j.no_git || (j.commondir && j.head && j.prefix));
}

static void check_result(const char *text, size_t n)
{
	dv_auto(dv_jobresult) a = DV_JOBRESULT_INIT, b = DV_JOBRESULT_INIT;
	dv_auto(dv_buf) once = DV_BUF_INIT, again = DV_BUF_INIT;

	if (dv_jobresult_parse(&a, text, n, "result"))
		return;
	check_paths(a.made.outs, a.made.nouts);
	dv_assert(dv_jobresult_print(&once, &a) == 0);
	dv_assert(dv_jobresult_parse(&b, once.p, once.n, "result") == 0);
	dv_assert(dv_jobresult_print(&again, &b) == 0);
	dv_assert(once.n == again.n && memcmp(once.p, again.p, once.n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_spec((const char *)data, size);
	check_result((const char *)data, size);
	return 0;
}
