/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv resolve: lists what is in conflict, or takes one side of it.
 */
#include "cli/commands.h"
#include "cli/common.h"

typedef struct resolve_args {
	bool ours, theirs, force, no_stage;
} resolve_args;

typedef struct resolve_state {
	json_t *list; /* with --json */
	uint64_t n;
} resolve_state;

static int on_conflict(const dv_conflict *c, void *payload)
{
	resolve_state *s = payload;
	dv_cli_conflict_line line;

	s->n++;
	if (s->list) {
		json_array_append_new(s->list, dv_cli_conflict_json(c));
		return 0;
	}
	dv_cli_conflict_text(line, c);
	dv_out("%s\n", line);
	return dv_out_broken() ? DV_ECANCELLED : 0;
}

static int list(const dv_cli *cli, dv_repo *r, int argc, char **argv)
{
	dv_cli_autojson json_t *conflicts = cli->json ? json_array() : NULL;
	resolve_state s = { .list = conflicts };
	int rc = dv_conflicts(r, dv_cli_targets(argv), (size_t)argc, on_conflict, &s);

	if (rc)
		return dv_out_fail(rc);
	if (cli->json)
		return dv_out_json(json_incref(conflicts));
	if (!s.n && !cli->quiet)
		dv_out("Nothing is in conflict.\n");
	else if (!cli->quiet)
		dv_out_hint("take a side with '--ours PATH' or '--theirs PATH'");
	return DV_EXIT_OK;
}

static int settle(const dv_cli *cli, const resolve_args *a, dv_repo *r, int argc, char **argv)
{
	const dv_resolve_options o = { .theirs = a->theirs, .force = a->force,
				       .no_stage = a->no_stage };
	dv_cli_autojson json_t *left = cli->json ? json_array() : NULL;
	resolve_state s = { .list = left };
	dv_resolve_summary sum = { 0 };
	char n[DV_CLI_COUNT_MAX];
	int rc = dv_resolve(r, dv_cli_targets(argv), (size_t)argc, &o, on_conflict, &s, &sum);

	if (rc)
		return dv_out_fail(rc);
	if (cli->json) {
		json_t *doc = json_object();

		dv_cli_json_count(doc, "settled", sum.settled);
		json_object_set(doc, "left", left);
		return dv_out_json(doc);
	}
	if (cli->quiet)
		return DV_EXIT_OK;
	if (s.n)
		dv_out("%s %s left\n", dv_cli_count(n, s.n),
		       dv_out_plural(s.n, "conflict is", "conflicts are"));
	if (sum.settled) {
		dv_out("%s %s settled\n", dv_cli_count(n, sum.settled),
		       dv_out_plural(sum.settled, "record is", "records are"));
		dv_out_hint("'dv checkout' brings the data to it; go on with git");
	}
	return DV_EXIT_OK;
}

static int resolve_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const resolve_args *a = args;
	dv_cli_autorepo dv_repo *r = NULL;
	int rc;

	if (a->ours && a->theirs)
		return dv_out_usage("--ours and --theirs exclude each other");
	if ((a->ours || a->theirs) && !argc)
		return dv_out_usage("name what is to be settled, '.' for all of it");
	rc = dv_cli_begin(cli, argc, 0, -1, &r);
	if (rc)
		return rc;
	return a->ours || a->theirs ? settle(cli, a, r, argc, argv) : list(cli, r, argc, argv);
}

static const dv_opt resolve_opts[] = {
	DV_OPT_FLAG(0, "ours", resolve_args, ours, "take what our side has"),
	DV_OPT_FLAG(0, "theirs", resolve_args, theirs, "take what the other side has"),
	DV_OPT_FLAG('f', "force", resolve_args, force, "overwrite work that is not recorded"),
	DV_OPT_FLAG(0, "no-stage", resolve_args, no_stage, "leave the index of git alone"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_resolve = {
	.name = "resolve",
	.group = DV_GROUP_TRACK,
	.summary = "settle conflicts of a merge",
	.synopsis = "[--ours | --theirs] [-f] [--no-stage] [--] [PATH...]",
	.opts = resolve_opts,
	.args_size = sizeof(resolve_args),
	.run = resolve_run,
	.flags = DV_CMD_JSON,
};
