/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv init: makes a folder a dv repository.
 */
#include "cli/commands.h"
#include "cli/common.h"

typedef struct init_args {
	bool no_scm, subdir, force;
} init_args;

static int init_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const init_args *a = args;
	dv_init_options o = { .no_scm = a->no_scm, .subdir = a->subdir, .force = a->force };
	const char *path = argc ? argv[0] : ".";
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_out_operands(cli, argc, 0, 1);

	if (rc)
		return rc;
	rc = dv_init(path, &o);
	if (!rc)
		rc = dv_repo_open(&r, path);
	if (rc)
		return dv_out_fail(rc);
	if (cli->json) {
		json_t *doc = json_object();

		dv_out_json_bytes(doc, "root", dv_repo_root(r));
		dv_out_json_bytes(doc, "cache", dv_repo_cache_dir(r));
		return dv_out_json(doc);
	}
	if (cli->quiet)
		return DV_EXIT_OK;
	dv_out("Initialized a dv repository in ");
	dv_out_name(dv_repo_root(r));
	dv_out("\n");
	if (!a->no_scm)
		dv_out_hint("commit '.dv' and '.dvignore' with git, then 'dv add' your data");
	return DV_EXIT_OK;
}

static const dv_opt init_opts[] = {
	DV_OPT_FLAG(0, "no-scm", init_args, no_scm, "work without git"),
	DV_OPT_FLAG(0, "subdir", init_args, subdir, "allow a folder below the root of git"),
	DV_OPT_FLAG('f', "force", init_args, force, "start anew: settings go, data and cache stay"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_init = {
	.name = "init",
	.group = DV_GROUP_START,
	.summary = "make a folder a dv repository",
	.synopsis = "[--no-scm] [--subdir] [-f] [FOLDER]",
	.opts = init_opts,
	.args_size = sizeof(init_args),
	.run = init_run,
	.flags = DV_CMD_JSON,
};
