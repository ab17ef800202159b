/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv filter-process: what git starts for files that pass through the filter.
 */
#include "cli/commands.h"
#include "cli/common.h"

#include <unistd.h>

static int filter_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const dv_filter_options o = { .in = STDIN_FILENO, .out = STDOUT_FILENO };
	int rc = dv_out_operands(cli, argc, 0, 0);

	(void)args, (void)argv;
	if (rc)
		return rc;
	if (isatty(STDIN_FILENO))
		return dv_out_usage("'dv filter-process' is started by git, see 'dv track'");
	rc = dv_filter_process(&o);
	return rc ? dv_out_fail(rc) : DV_EXIT_OK;
}

const dv_cmd dv_cmd_filter_process = {
	.name = "filter-process",
	.group = DV_GROUP_TRACK,
	.summary = "speak git's filter protocol",
	.synopsis = "",
	.run = filter_run,
	.flags = DV_CMD_RARE,
};
