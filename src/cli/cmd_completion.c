/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv completion: prints a completion script.
 */
#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/out.h"

#include <string.h>

static int completion_run(dv_cli *cli, void *args, int argc, char **argv)
{
	int rc = dv_out_operands(cli, argc, 1, 1);

	(void)args;
	if (rc)
		return rc;
	if (!strcmp(argv[0], "bash"))
		dv_completion_bash();
	else if (!strcmp(argv[0], "zsh"))
		dv_completion_zsh();
	else if (!strcmp(argv[0], "fish"))
		dv_completion_fish();
	else
		return dv_out_usage("there is no completion for the shell '%s'", argv[0]);
	return DV_EXIT_OK;
}

const dv_cmd dv_cmd_completion = {
	.name = "completion",
	.group = DV_GROUP_HELP,
	.summary = "print a completion script for a shell",
	.synopsis = "bash | zsh | fish",
	.run = completion_run,
	.flags = DV_CMD_RARE,
};
