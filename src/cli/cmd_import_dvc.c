/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv import-dvc: takes over what DVC has in the workspace.
 */
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/takeover.h"

typedef struct import_args {
	const char *remote, *cache;
	bool no_fetch, force, remove, no_stage, dry;
	int jobs;
} import_args;

static int import_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const import_args *a = args;
	const dv_import_dvc_options o = {
		.remote = a->remote, .cache = a->cache, .no_fetch = a->no_fetch,
		.force = a->force, .remove = a->remove, .no_stage = a->no_stage, .dry = a->dry,
		.jobs = a->jobs,
	};
	dv_cli_takeovers t = { .quiet = cli->quiet, .verbose = cli->verbose, .dry = a->dry };
	dv_takeover_summary sum = { 0 };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_out_operands(cli, argc, 0, 0);

	(void)argv;
	if (!rc && a->remove && a->dry)
		rc = dv_out_usage("'--remove' and '--dry' exclude each other");
	if (!rc)
		rc = dv_cli_open_or_init(&r, ".dvc", NULL, a->dry);
	if (rc)
		return rc;
	if (cli->json)
		t.list = json_array();
	rc = dv_import_dvc(r, &o, dv_cli_taken, &t, &sum);
	return dv_cli_taken_end(&t, rc, &sum, "'git status' shows the new files; commit them");
}

static const dv_opt import_opts[] = {
	DV_OPT_STR('r', "remote", import_args, remote, "NAME", "fetch from this remote of DVC's"),
	DV_OPT_STR(0, "cache", import_args, cache, "FOLDER", "where DVC's cache is"),
	DV_OPT_FLAG(0, "no-fetch", import_args, no_fetch, "leave DVC's remote alone"),
	DV_OPT_FLAG('f', "force", import_args, force, "replace pointers that say something else"),
	DV_OPT_FLAG(0, "remove", import_args, remove, "then take away DVC's files"),
	DV_OPT_FLAG(0, "no-stage", import_args, no_stage, "leave the index of git alone"),
	DV_OPT_FLAG(0, "dry", import_args, dry, "only tell what would be done"),
	DV_OPT_COUNT('j', "jobs", import_args, jobs, "N", "number of threads"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_import_dvc = {
	.name = "import-dvc",
	.group = DV_GROUP_SHARE,
	.summary = "take over a repository of DVC's",
	.synopsis = "[-r NAME] [--cache FOLDER] [--no-fetch] [-f] [--remove] [--no-stage] [--dry] "
		    "[-j N]",
	.opts = import_opts,
	.args_size = sizeof(import_args),
	.run = import_run,
	.flags = DV_CMD_JSON | DV_CMD_RARE,
};
