/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv update: imports as they are now where they came from.
 */
#include "cli/commands.h"
#include "cli/common.h"

#include <inttypes.h>

typedef struct update_args {
	const char *rev, *remote;
	bool force, no_download, no_stage, to_remote;
	int jobs;
} update_args;

static int update_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const update_args *a = args;
	const dv_update_options o = {
		.rev = a->rev,
		.force = a->force,
		.no_download = a->no_download,
		.to_remote = a->to_remote,
		.remote = a->remote,
		.no_stage = a->no_stage,
		.jobs = a->jobs,
	};
	dv_cli_outputs outputs = { .quiet = cli->quiet };
	dv_update_summary sum = { 0 };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_check_to_remote(a->to_remote, a->remote, a->no_download);

	if (!rc)
		rc = dv_cli_begin_list(cli, argc, 0, -1, &r, &outputs.list);
	if (rc)
		return rc;
	rc = dv_update(r, dv_cli_targets(argv), (size_t)argc, &o, dv_cli_recorded, &outputs, &sum);
	if (!rc && !cli->json && !cli->quiet && !sum.changed)
		dv_out("%" PRIu64 " %s up to date\n", sum.imports,
		       dv_out_plural(sum.imports, "import is", "imports are"));
	return dv_cli_recorded_end(r, &outputs, rc, a->no_stage, true);
}

static const dv_opt update_opts[] = {
	DV_OPT_STR(0, "rev", update_args, rev, "REV", "from now on of this revision"),
	DV_OPT_FLAG('f', "force", update_args, force, "drop what was changed here"),
	DV_OPT_FLAG(0, "no-download", update_args, no_download, "change only the pointers"),
	DV_OPT_FLAG(0, "to-remote", update_args, to_remote, "send it to a remote, keep nothing"),
	DV_OPT_STR('r', "remote", update_args, remote, "NAME", "the remote of '--to-remote'"),
	DV_OPT_FLAG(0, "no-stage", update_args, no_stage, "leave the index of git alone"),
	DV_OPT_COUNT('j', "jobs", update_args, jobs, "N", "connections at once, at most"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_update = {
	.name = "update",
	.group = DV_GROUP_SHARE,
	.summary = "take what is new of imported data",
	.synopsis = "[--rev REV] [-f] [--no-download | --to-remote [-r NAME]] [TARGET...]",
	.opts = update_opts,
	.args_size = sizeof(update_args),
	.run = update_run,
	.flags = DV_CMD_JSON,
};
