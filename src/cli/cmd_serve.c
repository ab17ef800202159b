/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv serve: what a dv elsewhere starts through ssh to reach a folder here.
 */
#include "cli/commands.h"
#include "cli/common.h"

#include <unistd.h>

typedef struct serve_args {
	bool use_stdio, read_only;
} serve_args;

static int serve_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const serve_args *a = args;
	int rc = dv_out_operands(cli, argc, 1, 1);

	if (rc)
		return rc;
	if (!a->use_stdio)
		return dv_out_usage("'dv serve' needs '--stdio': there is no other way to serve");
	if (!*argv[0])
		return dv_out_usage("the name of a folder is empty");
	const dv_serve_options o = { .in = STDIN_FILENO, .out = STDOUT_FILENO,
				     .read_only = a->read_only };
	rc = dv_serve(argv[0], &o);
	return rc ? dv_out_fail(rc) : DV_EXIT_OK;
}

static const dv_opt serve_opts[] = {
	DV_OPT_FLAG(0, "stdio", serve_args, use_stdio, "serve on standard input and output"),
	DV_OPT_FLAG(0, "read-only", serve_args, read_only, "let nobody change anything"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_serve = {
	.name = "serve",
	.group = DV_GROUP_SHARE,
	.summary = "serve a folder to a dv elsewhere, over ssh",
	.synopsis = "--stdio [--read-only] FOLDER",
	.opts = serve_opts,
	.args_size = sizeof(serve_args),
	.run = serve_run,
	.flags = DV_CMD_RARE,
};
