/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv params: the parameters that pipelines take.
 */
#include "cli/commands.h"
#include "cli/compare.h"

static int params_diff_run(dv_cli *cli, void *args, int argc, char **argv)
{
	return dv_cli_compare_run(cli, args, argc, argv, dv_params_diff, "Param", false);
}

static const dv_opt params_diff_opts[] = {
	DV_OPT_FLAG(0, "all", dv_cli_compare, all, "show also what is the same"),
	DV_OPT_FLAG(0, "deps", dv_cli_compare, deps, "show only parameters that stages take"),
	DV_OPT_STRLIST(0, "targets", dv_cli_compare, targets, "FILE",
		       "compare this file; may be repeated"),
	DV_OPT_FLAG(0, "md", dv_cli_compare, markdown, "print the table as Markdown"),
	DV_OPT_FLAG(0, "no-path", dv_cli_compare, no_path, "leave out the names of files"),
	DV_OPT_END,
};

static const dv_cli_compare params_defaults = { .precision = -1 };

static const dv_cmd params_diff = {
	.name = "diff",
	.summary = "compare parameters of two revisions",
	.synopsis = "[--all] [--deps] [--md] [REV [REV]] [-- FILE...]",
	.opts = params_diff_opts,
	.args_size = sizeof(dv_cli_compare),
	.defaults = &params_defaults,
	.run = params_diff_run,
	.flags = DV_CMD_JSON,
};

static const dv_cmd *const params_commands[] = { &params_diff, NULL };

const dv_cmd dv_cmd_params = {
	.name = "params",
	.group = DV_GROUP_RUN,
	.summary = "compare the parameters of stages",
	.synopsis = "",
	.subcommands = params_commands,
	.flags = DV_CMD_JSON,
};
