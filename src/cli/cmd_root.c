/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv root: the root of the workspace, as it is, for scripts.
 */
#include "cli/commands.h"
#include "cli/common.h"

static int root_run(dv_cli *cli, void *args, int argc, char **argv)
{
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_begin(cli, argc, 0, 0, &r);

	(void)args;
	(void)argv;
	if (rc)
		return rc;
	if (cli->json) {
		json_t *doc = json_object();

		dv_out_json_bytes(doc, "root", dv_repo_root(r));
		return dv_out_json(doc);
	}
	dv_out("%s\n", dv_repo_root(r));
	return DV_EXIT_OK;
}

const dv_cmd dv_cmd_root = {
	.name = "root",
	.group = DV_GROUP_HELP,
	.summary = "print the root of the workspace",
	.synopsis = "",
	.run = root_run,
	.flags = DV_CMD_JSON | DV_CMD_RARE,
};
