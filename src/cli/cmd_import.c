/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv import, dv import-url: an output with the content of another repository's, or of what stands
 * at a URL.
 */
#include "cli/commands.h"
#include "cli/common.h"

typedef struct import_args {
	const char *rev, *out; /* of import alone */
	const char *remote;    /* of import-url alone */
	bool force, no_download, no_stage, to_remote;
	int jobs;
} import_args;

static dv_import_options options(const import_args *a)
{
	return (dv_import_options){
		.rev = a->rev,
		.out = a->out,
		.force = a->force,
		.no_download = a->no_download,
		.to_remote = a->to_remote,
		.remote = a->remote,
		.no_stage = a->no_stage,
		.jobs = a->jobs,
	};
}

static int import_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const import_args *a = args;
	const dv_import_options o = options(a);
	dv_cli_outputs outputs = { .quiet = cli->quiet };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_begin_list(cli, argc, 2, 2, &r, &outputs.list);

	if (rc)
		return rc;
	rc = dv_import(r, argv[0], argv[1], &o, dv_cli_recorded, &outputs);
	return dv_cli_recorded_end(r, &outputs, rc, a->no_stage, true);
}

static int import_url_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const import_args *a = args;
	dv_import_options o = options(a);
	dv_cli_outputs outputs = { .quiet = cli->quiet };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_check_to_remote(a->to_remote, a->remote, a->no_download);

	if (!rc)
		rc = dv_cli_begin_list(cli, argc, 1, 2, &r, &outputs.list);
	if (rc)
		return rc;
	o.out = argc > 1 ? argv[1] : NULL;
	rc = dv_import_url(r, argv[0], &o, dv_cli_recorded, &outputs);
	return dv_cli_recorded_end(r, &outputs, rc, a->no_stage, true);
}

/* clang-format off */
#define OPTS_OF_BOTH                                                                               \
	DV_OPT_FLAG('f', "force", import_args, force, "replace what is there"),                    \
	DV_OPT_FLAG(0, "no-download", import_args, no_download, "write only the pointer"),         \
	DV_OPT_FLAG(0, "no-stage", import_args, no_stage, "leave the index of git alone"),         \
	DV_OPT_COUNT('j', "jobs", import_args, jobs, "N", "connections at once, at most")
/* clang-format on */

static const dv_opt import_opts[] = {
	DV_OPT_STR(0, "rev", import_args, rev, "REV", "of this revision; else of its HEAD"),
	DV_OPT_STR('o', "out", import_args, out, "PATH", "make it this output"),
	OPTS_OF_BOTH,
	DV_OPT_END,
};

const dv_cmd dv_cmd_import = {
	.name = "import",
	.group = DV_GROUP_SHARE,
	.summary = "track data of another repository",
	.synopsis = "[--rev REV] [-o PATH] [-f] [--no-download] URL PATH",
	.opts = import_opts,
	.args_size = sizeof(import_args),
	.run = import_run,
	.flags = DV_CMD_JSON,
};

static const dv_opt import_url_opts[] = {
	DV_OPT_FLAG(0, "to-remote", import_args, to_remote, "send it to a remote, keep nothing"),
	DV_OPT_STR('r', "remote", import_args, remote, "NAME", "the remote of '--to-remote'"),
	OPTS_OF_BOTH,
	DV_OPT_END,
};

const dv_cmd dv_cmd_import_url = {
	.name = "import-url",
	.group = DV_GROUP_SHARE,
	.summary = "track data from a URL",
	.synopsis = "[-f] [--no-download | --to-remote [-r NAME]] URL [PATH]",
	.opts = import_url_opts,
	.args_size = sizeof(import_args),
	.run = import_url_run,
	.flags = DV_CMD_JSON,
};
