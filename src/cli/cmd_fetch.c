/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv fetch: brings what the cache lacks.
 */
#include "cli/commands.h"
#include "cli/common.h"

static int fetch_run(dv_cli *cli, void *args, int argc, char **argv)
{
	return dv_cli_transfer_run(cli, args, argc, argv, dv_fetch, "fetched from",
				   "would be fetched from");
}

static const dv_opt fetch_opts[] = {
	DV_CLI_TRANSFER_OPTS,
	DV_OPT_END,
};

const dv_cmd dv_cmd_fetch = {
	.name = "fetch",
	.group = DV_GROUP_SHARE,
	.summary = "bring data into the cache",
	.synopsis = "[-r NAME] [-a] [-T] [-A] [--rev REV] [--glob] [--dry] [TARGET...]",
	.opts = fetch_opts,
	.args_size = sizeof(dv_cli_transfer),
	.run = fetch_run,
	.flags = DV_CMD_JSON,
};
