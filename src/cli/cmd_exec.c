/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv exec: does a job of 'dv repro', on the node of a cluster.
 */
#include "cli/commands.h"
#include "cli/common.h"

#include <stdlib.h>

static int exec_run(dv_cli *cli, void *args, int argc, char **argv)
{
	/* The job has a repository of its own, whatever the one that it came from was told. */
	static const char *const theirs[] = { "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE",
					      "GIT_PREFIX", "GIT_OBJECT_DIRECTORY",
					      "GIT_CEILING_DIRECTORIES", "GIT_COMMON_DIR" };
	dv_exec_summary sum;
	int rc;

	(void)cli;
	(void)args;
	if (argc != 1)
		return dv_out_usage("'dv exec' takes the folder of one job");
	for (size_t i = 0; i < sizeof(theirs) / sizeof(*theirs); i++)
		unsetenv(theirs[i]);
	rc = dv_exec(argv[0], &sum);
	if (rc)
		return dv_out_fail(rc);
	return sum.state == DV_STAGE_RAN ? DV_EXIT_OK :
	       sum.state == DV_STAGE_CANCELLED ? DV_EXIT_INTERRUPTED : DV_EXIT_FAILED;
}

const dv_cmd dv_cmd_exec = {
	.name = "exec",
	.group = DV_GROUP_RUN,
	.summary = "do a job of 'dv repro' on a node of a cluster",
	.synopsis = "JOB",
	.run = exec_run,
	.flags = DV_CMD_RARE,
};
