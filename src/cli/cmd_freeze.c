/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv freeze and dv unfreeze: stages that keep what they made, whatever they depend on.
 */
#include "cli/commands.h"
#include "cli/common.h"

typedef struct freeze_args {
	bool no_stage;
} freeze_args;

static int change(dv_cli *cli, void *args, int argc, char **argv, bool frozen)
{
	const freeze_args *a = args;
	const dv_stage_change_options o = { .no_stage = a->no_stage };
	dv_cli_stages s = { .quiet = cli->quiet,
			    .done = frozen ? "frozen in" : "no longer frozen in",
			    .was = frozen ? "was frozen in" : "was not frozen in" };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_begin_list(cli, argc, 1, -1, &r, &s.list);

	if (rc)
		return rc;
	rc = dv_stage_freeze(r, dv_cli_targets(argv), (size_t)argc, frozen, &o,
			     dv_cli_stage_changed, &s);
	return dv_cli_stages_end(r, &s, rc, a->no_stage);
}

static int freeze_run(dv_cli *cli, void *args, int argc, char **argv)
{
	return change(cli, args, argc, argv, true);
}

static int unfreeze_run(dv_cli *cli, void *args, int argc, char **argv)
{
	return change(cli, args, argc, argv, false);
}

static const dv_opt freeze_opts[] = {
	DV_OPT_FLAG(0, "no-stage", freeze_args, no_stage, "leave the index of git alone"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_freeze = {
	.name = "freeze",
	.group = DV_GROUP_RUN,
	.summary = "keep what stages made, whatever changes",
	.synopsis = "[--no-stage] STAGE...",
	.opts = freeze_opts,
	.args_size = sizeof(freeze_args),
	.run = freeze_run,
	.flags = DV_CMD_JSON,
};

const dv_cmd dv_cmd_unfreeze = {
	.name = "unfreeze",
	.group = DV_GROUP_RUN,
	.summary = "let stages follow what they depend on again",
	.synopsis = "[--no-stage] STAGE...",
	.opts = freeze_opts,
	.args_size = sizeof(freeze_args),
	.run = unfreeze_run,
	.flags = DV_CMD_JSON,
};
