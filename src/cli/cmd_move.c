/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv move: renames data together with its pointer.
 */
#include "cli/commands.h"
#include "cli/common.h"

#include <string.h>

typedef struct move_args {
	bool no_stage;
} move_args;

typedef struct move_state {
	json_t *doc; /* with --json */
	bool quiet;
	const char *from;
	char *pointer; /* where it is now */
} move_state;

static int on_output(const dv_output_event *e, void *payload)
{
	move_state *s = payload;

	if (s->doc) {
		json_decref(s->doc);
		s->doc = dv_cli_event_json(e);
		return 0;
	}
	if (s->quiet)
		return 0;
	dv_out_name(s->from);
	dv_out(" -> ");
	dv_out_name(e->path);
	dv_out("\n");
	free(s->pointer);
	s->pointer = e->pointer ? strdup(e->pointer) : NULL;
	return 0;
}

static int move_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const move_args *a = args;
	move_state s = { .quiet = cli->quiet };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_begin(cli, argc, 2, 2, &r);

	if (rc)
		return rc;
	s.from = argv[0];
	if (cli->json)
		s.doc = json_object();
	rc = dv_move(r, argv[0], argv[1],
		     &(dv_move_output_options){ .no_stage = a->no_stage }, on_output, &s);
	if (!rc && cli->json)
		return dv_out_json(s.doc);
	json_decref(s.doc);
	if (!rc && s.pointer && dv_cli_in_git(r))
		dv_out_hint("%s '%s' with git", a->no_stage ? "stage and commit" : "commit",
			    s.pointer);
	free(s.pointer);
	return rc ? dv_out_fail(rc) : DV_EXIT_OK;
}

static const dv_opt move_opts[] = {
	DV_OPT_FLAG(0, "no-stage", move_args, no_stage, "leave the index of git alone"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_move = {
	.name = "move",
	.group = DV_GROUP_TRACK,
	.summary = "rename tracked data",
	.synopsis = "[--no-stage] [--] FROM TO",
	.opts = move_opts,
	.args_size = sizeof(move_args),
	.run = move_run,
	.flags = DV_CMD_JSON,
};
