/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv remove: stops tracking data.
 */
#include "cli/commands.h"
#include "cli/common.h"

typedef struct remove_args {
	bool outs, force, no_stage;
} remove_args;

typedef struct remove_state {
	json_t *list; /* with --json */
	bool quiet, outs, any;
} remove_state;

static int on_output(const dv_output_event *e, void *payload)
{
	remove_state *s = payload;

	s->any = true;
	if (s->list) {
		json_array_append_new(s->list, dv_cli_event_json(e));
	} else if (!s->quiet) {
		dv_out_name(e->path);
		dv_out(s->outs ? ": removed with its data\n" : ": no longer tracked\n");
	}
	return 0;
}

static int remove_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const remove_args *a = args;
	dv_remove_options o = { .outs = a->outs, .force = a->force, .no_stage = a->no_stage };
	remove_state s = { .quiet = cli->quiet, .outs = a->outs };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_begin_list(cli, argc, 1, -1, &r, &s.list);

	if (rc)
		return rc;
	rc = dv_remove(r, dv_cli_targets(argv), (size_t)argc, &o, on_output, &s);
	if (cli->json) {
		json_t *doc = json_object();

		json_object_set_new(doc, "outputs", s.list);
		dv_out_json(doc);
	}
	if (rc)
		return dv_out_fail(rc);
	if (!s.any && !cli->json && !cli->quiet)
		dv_out("Nothing changed.\n");
	else if (!cli->json && !cli->quiet && dv_cli_in_git(r))
		dv_out_hint("%s the removal with git", a->no_stage ? "stage and commit" : "commit");
	return DV_EXIT_OK;
}

static const dv_opt remove_opts[] = {
	DV_OPT_FLAG(0, "outs", remove_args, outs, "remove the data too"),
	DV_OPT_FLAG('f', "force", remove_args, force, "also data that is not in the cache"),
	DV_OPT_FLAG(0, "no-stage", remove_args, no_stage, "leave the index of git alone"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_remove = {
	.name = "remove",
	.group = DV_GROUP_TRACK,
	.summary = "stop tracking data",
	.synopsis = "[--outs] [-f] [--no-stage] [--] TARGET...",
	.opts = remove_opts,
	.args_size = sizeof(remove_args),
	.run = remove_run,
	.flags = DV_CMD_JSON,
};
