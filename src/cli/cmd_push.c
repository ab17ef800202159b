/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv push: sends what the remote lacks.
 */
#include "cli/commands.h"
#include "cli/common.h"

static int push_run(dv_cli *cli, void *args, int argc, char **argv)
{
	return dv_cli_transfer_run(cli, args, argc, argv, dv_push, "pushed to",
				   "would be pushed to");
}

static const dv_opt push_opts[] = {
	DV_CLI_TRANSFER_OPTS,
	DV_OPT_FLAG('f', "force", dv_cli_transfer, force,
		    "also where the remote is gone or replaced since the last push"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_push = {
	.name = "push",
	.group = DV_GROUP_SHARE,
	.summary = "send data to a remote",
	.synopsis = "[-r NAME] [-a] [-T] [-A] [--rev REV] [--glob] [--dry] [-f] [TARGET...]",
	.opts = push_opts,
	.args_size = sizeof(dv_cli_transfer),
	.run = push_run,
	.flags = DV_CMD_JSON,
};
