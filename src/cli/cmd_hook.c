/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv hook: what git's hooks call. Everything that it says goes to standard error.
 */
#include "cli/commands.h"
#include "cli/common.h"

static void on_word(enum dv_hook_word kind, const char *text, void *payload)
{
	(void)payload;
	if (kind == DV_HOOK_WARNING)
		dv_out_warn("%s", text);
	else if (kind == DV_HOOK_HINT)
		dv_out_hint("%s", text);
	else
		dv_out_note("dv: %s", text);
}

static int hook_run(dv_cli *cli, void *args, int argc, char **argv)
{
	int rc = dv_out_operands(cli, argc, 1, -1);

	(void)args;
	if (rc)
		return rc;
	rc = dv_hook(argv[0], dv_cli_targets(argv + 1), (size_t)argc - 1, 0, on_word, NULL);
	return rc ? dv_out_fail(rc) : DV_EXIT_OK;
}

const dv_cmd dv_cmd_hook = {
	.name = "hook",
	.group = DV_GROUP_HELP,
	.summary = "do what a hook of git is for",
	.synopsis = "NAME [ARG...]",
	.run = hook_run,
	.flags = DV_CMD_RARE | DV_CMD_REST,
};
