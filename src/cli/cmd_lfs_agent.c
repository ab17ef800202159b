/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv lfs-agent: git-lfs stores into a dv remote.
 */
#include "cli/commands.h"
#include "cli/common.h"

typedef struct agent_args {
	const char *remote;
} agent_args;

static int agent_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const agent_args *a = args;
	const dv_lfs_agent_options o = { .in = 0, .out = 1, .remote = a->remote };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_out_operands(cli, argc, 0, 0);

	(void)argv;
	if (rc)
		return rc;
	/* git-lfs shows what it is answered, and nothing of standard error. */
	if (dv_repo_open(&r, NULL))
		r = NULL;
	rc = dv_lfs_agent(r, &o);
	return rc ? dv_out_fail(rc) : DV_EXIT_OK;
}

static const dv_opt agent_opts[] = {
	DV_OPT_STR('r', "remote", agent_args, remote, "NAME", "use this remote"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_lfs_agent = {
	.name = "lfs-agent",
	.group = DV_GROUP_SHARE,
	.summary = "store for git-lfs, which runs this",
	.synopsis = "[-r NAME]",
	.opts = agent_opts,
	.args_size = sizeof(agent_args),
	.run = agent_run,
	.flags = DV_CMD_RARE,
};
