/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv import-lfs: takes over what Git LFS keeps.
 */
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/takeover.h"

typedef struct import_args {
	bool no_fetch, no_stage, dry;
	int jobs;
} import_args;

static int import_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const import_args *a = args;
	const dv_import_lfs_options o = {
		.no_fetch = a->no_fetch, .no_stage = a->no_stage, .dry = a->dry, .jobs = a->jobs,
	};
	dv_cli_takeovers t = { .quiet = cli->quiet, .verbose = cli->verbose, .dry = a->dry };
	dv_takeover_summary sum = { 0 };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_out_operands(cli, argc, 0, 0);

	(void)argv;
	if (!rc)
		rc = dv_cli_open_or_init(&r, ".git", ".gitattributes", a->dry);
	if (rc)
		return rc;
	if (cli->json)
		t.list = json_array();
	rc = dv_import_lfs(r, &o, dv_cli_taken, &t, &sum);
	return dv_cli_taken_end(&t, rc, &sum, "'git diff --cached' shows the patterns; commit "
				"them, and add a remote with 'dv remote add'");
}

static const dv_opt import_opts[] = {
	DV_OPT_FLAG(0, "no-fetch", import_args, no_fetch, "leave the Git LFS server alone"),
	DV_OPT_FLAG(0, "no-stage", import_args, no_stage, "leave the index of git alone"),
	DV_OPT_FLAG(0, "dry", import_args, dry, "only tell what would be done"),
	DV_OPT_COUNT('j', "jobs", import_args, jobs, "N", "number of threads"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_import_lfs = {
	.name = "import-lfs",
	.group = DV_GROUP_SHARE,
	.summary = "take over what Git LFS keeps",
	.synopsis = "[--no-fetch] [--no-stage] [--dry] [-j N]",
	.opts = import_opts,
	.args_size = sizeof(import_args),
	.run = import_run,
	.flags = DV_CMD_JSON | DV_CMD_RARE,
};
