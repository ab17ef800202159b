/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv fetch: brings what the cache lacks.
 */
#include "cli/commands.h"
#include "cli/common.h"

static int fetch_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const dv_cli_transfer *a = args;
	dv_transfer_options o = dv_cli_transfer_options(a);
	dv_transfer_summary sum = { 0 };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_open(&r);

	if (rc)
		return rc;
	rc = dv_fetch(r, dv_cli_targets(argv), (size_t)argc, &o, &sum);
	if (rc)
		return dv_out_fail(rc);
	if (cli->json)
		return dv_out_json(dv_cli_transfer_json(a, &sum));
	if (!cli->quiet)
		dv_cli_transfer_line(r, a, &sum, "fetched from", "would be fetched from");
	return DV_EXIT_OK;
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
