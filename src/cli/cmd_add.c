/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv add: records files and directories.
 */
#include "cli/commands.h"
#include "cli/common.h"

typedef struct add_args {
	bool force, glob, no_stage;
	const char *message;
	int jobs;
} add_args;

static int add_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const add_args *a = args;
	dv_add_options o = {
		.glob = a->glob,
		.message = a->message,
		.no_stage = a->no_stage,
		.force = a->force,
		.jobs = a->jobs,
	};
	dv_cli_outputs outputs = { .quiet = cli->quiet };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_out_operands(cli, argc, 1, -1);

	if (!rc && a->message && a->no_stage)
		rc = dv_out_usage("'--message' commits what '--no-stage' does not stage");
	if (!rc)
		rc = dv_cli_open(&r);
	if (rc)
		return rc;
	if (cli->json)
		outputs.list = json_array();
	rc = dv_add(r, dv_cli_targets(argv), (size_t)argc, &o, dv_cli_recorded, &outputs);
	return dv_cli_recorded_end(r, &outputs, rc, a->no_stage, !a->message);
}

static const dv_opt add_opts[] = {
	DV_OPT_FLAG('f', "force", add_args, force, "take out what was never brought here"),
	DV_OPT_FLAG(0, "glob", add_args, glob, "targets are patterns: *, ?, [], **"),
	DV_OPT_STR('m', "message", add_args, message, "TEXT", "commit the pointers with git"),
	DV_OPT_FLAG(0, "no-stage", add_args, no_stage, "leave the index of git alone"),
	DV_OPT_COUNT('j', "jobs", add_args, jobs, "N", "number of threads"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_add = {
	.name = "add",
	.group = DV_GROUP_TRACK,
	.summary = "record files and directories",
	.synopsis = "[-f] [--glob] [-m TEXT] [--no-stage] [-j N] [--] TARGET...",
	.opts = add_opts,
	.args_size = sizeof(add_args),
	.run = add_run,
	.flags = DV_CMD_JSON,
};
