/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv import: an output with the content of another repository's.
 */
#include "cli/commands.h"
#include "cli/common.h"

typedef struct import_args {
	const char *rev, *out;
	bool force, no_download, no_stage;
	int jobs;
} import_args;

static int import_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const import_args *a = args;
	const dv_import_options o = {
		.rev = a->rev,
		.out = a->out,
		.force = a->force,
		.no_download = a->no_download,
		.no_stage = a->no_stage,
		.jobs = a->jobs,
	};
	dv_cli_outputs outputs = { .quiet = cli->quiet };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_begin_list(cli, argc, 2, 2, &r, &outputs.list);

	if (rc)
		return rc;
	rc = dv_import(r, argv[0], argv[1], &o, dv_cli_recorded, &outputs);
	return dv_cli_recorded_end(r, &outputs, rc, a->no_stage, true);
}

static const dv_opt import_opts[] = {
	DV_OPT_STR(0, "rev", import_args, rev, "REV", "of this revision; else of its HEAD"),
	DV_OPT_STR('o', "out", import_args, out, "PATH", "make it this output"),
	DV_OPT_FLAG('f', "force", import_args, force, "replace what is there"),
	DV_OPT_FLAG(0, "no-download", import_args, no_download, "write only the pointer"),
	DV_OPT_FLAG(0, "no-stage", import_args, no_stage, "leave the index of git alone"),
	DV_OPT_COUNT('j', "jobs", import_args, jobs, "N", "connections at once, at most"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_import = {
	.name = "import",
	.group = DV_GROUP_SHARE,
	.summary = "track data of another repository",
	.synopsis = "[--rev REV] [-o PATH] [-f] [--no-download] URL PATH",
	.opts = import_opts,
	.args_size = sizeof(import_args),
	.run = import_run,
	.flags = DV_CMD_JSON,
};
