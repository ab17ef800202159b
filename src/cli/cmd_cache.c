/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv cache: where the local store is.
 */
#include "cli/commands.h"
#include "cli/common.h"

#include <limits.h>
#include <unistd.h>

typedef struct cache_args {
	dv_cli_levels levels;
	bool unset;
} cache_args;

/* A setting outlives the working folder, so a relative folder becomes absolute. */
static int set_dir(dv_repo *r, enum dv_config_level level, const char *path)
{
	dv_cli_autofree char *here = NULL, *absolute = NULL;

	if (*path == '/')
		return dv_config_set(r, level, "cache.dir", path);
	here = realpath(".", NULL);
	if (!here || asprintf(&absolute, "%s/%s", here, path) < 0) {
		absolute = NULL;
		dv_out_error("cannot tell which folder this is");
		return DV_ERROR;
	}
	return dv_config_set(r, level, "cache.dir", absolute);
}

static int dir_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const cache_args *a = args;
	dv_cli_autorepo dv_repo *r = NULL;
	enum dv_config_level level;
	int rc = dv_out_operands(cli, argc, 0, a->unset ? 0 : 1);

	if (!rc)
		rc = dv_cli_level(&level, &a->levels, DV_CONFIG_LOCAL);
	if (!rc && argc && !*argv[0])
		rc = dv_out_usage("the name of a folder is empty");
	if (!rc)
		rc = dv_cli_open(&r);
	if (rc)
		return rc;
	if (a->unset) {
		rc = dv_config_unset(r, level, "cache.dir");
		return rc == DV_ENOTFOUND ? DV_EXIT_NO : rc ? dv_out_fail(rc) : DV_EXIT_OK;
	}
	if (argc) {
		rc = set_dir(r, level, argv[0]);
		return rc ? dv_out_fail(rc) : DV_EXIT_OK;
	}
	if (cli->json) {
		json_t *doc = json_object();

		dv_out_json_bytes(doc, "dir", dv_repo_cache_dir(r));
		return dv_out_json(doc);
	}
	dv_out("%s\n", dv_repo_cache_dir(r));
	return DV_EXIT_OK;
}

static const dv_opt dir_opts[] = {
	DV_OPT_FLAG(0, "global", cache_args, levels.global, "set it for all your repositories"),
	DV_OPT_FLAG(0, "local", cache_args, levels.local, "set it for this clone (the default)"),
	DV_OPT_FLAG(0, "unset", cache_args, unset, "go back to the usual folder"),
	DV_OPT_END,
};

static const dv_cmd cache_dir = {
	.name = "dir",
	.summary = "show or set the folder of the cache",
	.synopsis = "[--global | --local] [--unset | FOLDER]",
	.opts = dir_opts,
	.args_size = sizeof(cache_args),
	.run = dir_run,
	.flags = DV_CMD_JSON,
};

static const dv_cmd *const cache_commands[] = { &cache_dir, NULL };

const dv_cmd dv_cmd_cache = {
	.name = "cache",
	.group = DV_GROUP_KEEP,
	.summary = "show or set the folder of the cache",
	.synopsis = "",
	.subcommands = cache_commands,
	.flags = DV_CMD_RARE | DV_CMD_JSON,
};
