/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv get: copies data of another repository to a place here.
 */
#include "cli/commands.h"
#include "cli/common.h"

typedef struct get_args {
	const char *rev, *out;
	bool force;
	int jobs;
} get_args;

static int get_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const get_args *a = args;
	const dv_get_options o = { .rev = a->rev, .out = a->out, .force = a->force,
				   .jobs = a->jobs };
	char count[DV_CLI_COUNT_MAX], size[DV_OUT_SIZE_MAX];
	dv_get_summary sum;
	int rc = dv_out_operands(cli, argc, 1, 2);

	if (rc)
		return rc;
	rc = dv_get(argv[0], argc > 1 ? argv[1] : NULL, &o, &sum);
	if (rc)
		return dv_out_fail(rc);
	if (cli->json) {
		json_t *doc = json_object();

		dv_out_json_bytes(doc, "name", sum.name);
		json_object_set_new(doc, "commit", json_string(sum.commit));
		dv_cli_json_count(doc, "files", sum.files);
		dv_cli_json_count(doc, "size", sum.bytes);
		return dv_out_json(doc);
	}
	if (cli->quiet)
		return DV_EXIT_OK;
	dv_out_name(sum.name);
	dv_out(": %s %s, %s, of commit %.10s\n", dv_cli_count(count, sum.files),
	       dv_out_plural(sum.files, "file", "files"), dv_out_size(size, sum.bytes), sum.commit);
	return DV_EXIT_OK;
}

static const dv_opt get_opts[] = {
	DV_OPT_STR(0, "rev", get_args, rev, "REV", "of this revision; else of its HEAD"),
	DV_OPT_STR('o', "out", get_args, out, "PATH", "put it there"),
	DV_OPT_FLAG('f', "force", get_args, force, "replace what is there"),
	DV_OPT_COUNT('j', "jobs", get_args, jobs, "N", "connections at once, at most"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_get = {
	.name = "get",
	.group = DV_GROUP_SHARE,
	.summary = "copy data of another repository",
	.synopsis = "[--rev REV] [-o PATH] [-f] [-j N] URL [PATH]",
	.opts = get_opts,
	.args_size = sizeof(get_args),
	.run = get_run,
	.flags = DV_CMD_JSON,
};
