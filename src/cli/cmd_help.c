/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv help: all commands, the manual of one, the exit codes.
 */
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/opt.h"
#include "cli/out.h"

#include <string.h>

static int unknown(const char *typed, const char *nearest)
{
	dv_cli_autofree char *q = dv_out_quote(typed);

	dv_out_error("no help about '%s'", q);
	if (nearest)
		dv_out_hint("did you mean '%s'? see 'dv help'", nearest);
	else
		dv_out_hint("'dv help' lists all commands");
	return DV_EXIT_USAGE;
}

static int help_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const dv_cmd *cmd, *sub;
	int rc = dv_out_operands(cli, argc, 0, 2);

	(void)args;
	if (rc)
		return rc;
	if (argc == 0) {
		dv_help_list(true);
		return DV_EXIT_OK;
	}
	if (argc == 1 && !strcmp(argv[0], "exit-codes")) {
		dv_help_exit_codes();
		return DV_EXIT_OK;
	}
	if (argc == 1 && !strcmp(argv[0], "dv"))
		return dv_help_manual(NULL, NULL);
	cmd = dv_cmd_find(dv_commands, argv[0]);
	if (!cmd)
		return unknown(argv[0], dv_cmd_nearest(dv_commands, argv[0]));
	if (argc == 1)
		return dv_help_manual(cmd, NULL);
	if (!cmd->subcommands)
		return unknown(argv[1], NULL);
	sub = dv_cmd_find(cmd->subcommands, argv[1]);
	if (!sub)
		return unknown(argv[1], dv_cmd_nearest(cmd->subcommands, argv[1]));
	return dv_help_manual(sub, cmd);
}

const dv_cmd dv_cmd_help = {
	.name = "help",
	.group = DV_GROUP_HELP,
	.summary = "list all commands, or explain one",
	.synopsis = "[COMMAND [SUBCOMMAND] | exit-codes]",
	.run = help_run,
};
