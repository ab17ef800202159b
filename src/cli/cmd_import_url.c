/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv import-url: an output with the content of a file or directory at a URL.
 */
#include "cli/commands.h"
#include "cli/common.h"

typedef struct import_url_args {
	bool force, no_download, no_stage;
	int jobs;
} import_url_args;

static int import_url_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const import_url_args *a = args;
	const dv_import_options o = {
		.out = argc > 1 ? argv[1] : NULL,
		.force = a->force,
		.no_download = a->no_download,
		.no_stage = a->no_stage,
		.jobs = a->jobs,
	};
	dv_cli_outputs outputs = { .quiet = cli->quiet };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_begin_list(cli, argc, 1, 2, &r, &outputs.list);

	if (rc)
		return rc;
	rc = dv_import_url(r, argv[0], &o, dv_cli_recorded, &outputs);
	return dv_cli_recorded_end(r, &outputs, rc, a->no_stage, true);
}

static const dv_opt import_url_opts[] = {
	DV_OPT_FLAG('f', "force", import_url_args, force, "replace what is there"),
	DV_OPT_FLAG(0, "no-download", import_url_args, no_download, "write only the pointer"),
	DV_OPT_FLAG(0, "no-stage", import_url_args, no_stage, "leave the index of git alone"),
	DV_OPT_COUNT('j', "jobs", import_url_args, jobs, "N", "connections at once, at most"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_import_url = {
	.name = "import-url",
	.group = DV_GROUP_SHARE,
	.summary = "track data from a URL",
	.synopsis = "[-f] [--no-download] URL [PATH]",
	.opts = import_url_opts,
	.args_size = sizeof(import_url_args),
	.run = import_url_run,
	.flags = DV_CMD_JSON,
};
