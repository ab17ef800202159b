/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv add: records files and directories.
 */
#include "cli/commands.h"
#include "cli/common.h"

typedef struct add_args {
	bool force, glob, no_stage, to_remote;
	const char *message, *remote, *out;
	int jobs;
} add_args;

/* What goes with '--to-remote', and what does not. */
static int check_remote(const add_args *a, int argc)
{
	if (!a->to_remote && (a->remote || a->out))
		return dv_out_usage("'--remote' and '--out' go with '--to-remote'");
	if (a->to_remote && a->glob)
		return dv_out_usage("'--glob' does not go with '--to-remote': name one source");
	if (a->to_remote && argc != 1)
		return dv_out_usage("'--to-remote' takes one source at a time");
	return 0;
}

static int add_to_remote(dv_repo *r, const add_args *a, const char *source,
			 dv_cli_outputs *outputs)
{
	const dv_to_remote_options o = {
		.remote = a->remote,
		.out = a->out,
		.message = a->message,
		.force = a->force,
		.no_stage = a->no_stage,
		.jobs = a->jobs,
	};

	return dv_add_to_remote(r, source, &o, dv_cli_recorded, outputs);
}

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
		rc = check_remote(a, argc);
	if (!rc)
		rc = dv_cli_open(&r);
	if (rc)
		return rc;
	if (cli->json)
		outputs.list = json_array();
	if (a->to_remote)
		rc = add_to_remote(r, a, argv[0], &outputs);
	else
		rc = dv_add(r, dv_cli_targets(argv), (size_t)argc, &o, dv_cli_recorded, &outputs);
	return dv_cli_recorded_end(r, &outputs, rc, a->no_stage, !a->message);
}

static const dv_opt add_opts[] = {
	DV_OPT_FLAG('f', "force", add_args, force, "take out what was never brought here"),
	DV_OPT_FLAG(0, "glob", add_args, glob, "targets are patterns: *, ?, [], **"),
	DV_OPT_STR('m', "message", add_args, message, "TEXT", "commit the pointers with git"),
	DV_OPT_FLAG(0, "no-stage", add_args, no_stage, "leave the index of git alone"),
	DV_OPT_FLAG(0, "to-remote", add_args, to_remote, "send it to a remote, keep nothing here"),
	DV_OPT_STR('r', "remote", add_args, remote, "NAME", "the remote (default: core.remote)"),
	DV_OPT_STR('o', "out", add_args, out, "PATH", "what the output is called here"),
	DV_OPT_COUNT('j', "jobs", add_args, jobs, "N", "number of threads"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_add = {
	.name = "add",
	.group = DV_GROUP_TRACK,
	.summary = "record files and directories",
	.synopsis = "[-f] [--glob] [-m TEXT] [--to-remote [-r NAME] [-o PATH]] [--] TARGET...",
	.opts = add_opts,
	.args_size = sizeof(add_args),
	.run = add_run,
	.flags = DV_CMD_JSON,
};
