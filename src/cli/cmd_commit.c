/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv commit: records what changed in the outputs.
 */
#include "cli/commands.h"
#include "cli/common.h"

typedef struct commit_args {
	bool force, glob, no_stage;
	int jobs;
} commit_args;

static int commit_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const commit_args *a = args;
	dv_commit_options o = { .force = a->force, .glob = a->glob, .no_stage = a->no_stage,
				.jobs = a->jobs };
	dv_cli_outputs outputs = { .quiet = cli->quiet };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_begin_list(cli, argc, 0, -1, &r, &outputs.list);

	if (rc)
		return rc;
	rc = dv_commit(r, dv_cli_targets(argv), (size_t)argc, &o, dv_cli_recorded, &outputs);
	if (!rc && !outputs.total && !cli->json && !cli->quiet)
		dv_out("Nothing changed.\n");
	return dv_cli_recorded_end(r, &outputs, rc, a->no_stage, true);
}

static const dv_opt commit_opts[] = {
	DV_OPT_FLAG('f', "force", commit_args, force, "take out what was never brought here"),
	DV_OPT_FLAG(0, "glob", commit_args, glob, "targets are patterns: *, ?, [], **"),
	DV_OPT_FLAG(0, "no-stage", commit_args, no_stage, "leave the index of git alone"),
	DV_OPT_COUNT('j', "jobs", commit_args, jobs, "N", "number of threads"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_commit = {
	.name = "commit",
	.group = DV_GROUP_TRACK,
	.summary = "record what changed in tracked data",
	.synopsis = "[-f] [--glob] [--no-stage] [-j N] [--] [TARGET...]",
	.opts = commit_opts,
	.args_size = sizeof(commit_args),
	.run = commit_run,
	.flags = DV_CMD_JSON,
};
