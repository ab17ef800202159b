/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv diff: tracked data of two revisions, or of a revision and the workspace.
 */
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/revs.h"

#include <string.h>

typedef struct diff_args {
	bool exit_code;
} diff_args;

typedef struct diff_state {
	json_t *list; /* with --json */
	bool quiet, any;
} diff_state;

static int on_change(const dv_change *c, void *payload)
{
	diff_state *s = payload;
	char old_size[DV_OUT_SIZE_MAX], new_size[DV_OUT_SIZE_MAX];
	const char *color = dv_cli_kind_color(c->kind);

	if (c->kind == DV_UNCHANGED)
		return 0;
	s->any = true;
	if (s->list) {
		json_array_append_new(s->list, dv_cli_change_json(c));
		return 0;
	}
	if (s->quiet)
		return 0;
	dv_out("%s%c ", color, dv_cli_kind_letter(c->kind));
	if (c->old_path) {
		dv_out_name(c->old_path);
		dv_out(" -> ");
	}
	dv_out_name(c->path);
	dv_out("%s%s", c->is_dir ? "/" : "", *color ? dv_out_color_end() : "");
	dv_out_size(old_size, c->old_size);
	dv_out_size(new_size, c->new_size);
	if (c->kind == DV_MODIFIED && strcmp(old_size, new_size) != 0)
		dv_out("  (%s -> %s)", old_size, new_size);
	else
		dv_out("  (%s)", c->kind == DV_DELETED ? old_size : new_size);
	dv_out("\n");
	return dv_out_broken() ? DV_ECANCELLED : 0;
}

static void diff_summary(const dv_diff_summary *s)
{
	char n[4][DV_CLI_COUNT_MAX], plus[DV_OUT_SIZE_MAX], minus[DV_OUT_SIZE_MAX];

	dv_out("%s added, %s modified, %s deleted, %s renamed (+%s, -%s)\n",
	       dv_cli_count(n[0], s->added), dv_cli_count(n[1], s->modified),
	       dv_cli_count(n[2], s->deleted), dv_cli_count(n[3], s->renamed),
	       dv_out_size(plus, s->added_bytes), dv_out_size(minus, s->deleted_bytes));
}

static void diff_json(json_t **list, const dv_diff_summary *s)
{
	json_t *doc = json_object();

	dv_cli_json_count(doc, "added", s->added);
	dv_cli_json_count(doc, "modified", s->modified);
	dv_cli_json_count(doc, "deleted", s->deleted);
	dv_cli_json_count(doc, "renamed", s->renamed);
	dv_cli_json_count(doc, "added_bytes", s->added_bytes);
	dv_cli_json_count(doc, "deleted_bytes", s->deleted_bytes);
	json_object_set_new(doc, "changes", *list);
	*list = NULL;
	dv_out_json(doc);
}

static int diff_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const diff_args *a = args;
	dv_cli_autojson json_t *list = cli->json ? json_array() : NULL;
	diff_state s = { .list = list, .quiet = cli->quiet };
	dv_diff_summary sum = { 0 };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc, revs = 0;

	dv_cli_autofree char *from = NULL, *to = NULL;
	const char *rev[2] = { NULL, NULL };

	rc = dv_cli_open(&r);
	if (!rc)
		rc = dv_cli_count_revs(&revs, cli, r, argc, argv, 2, NULL);
	if (rc)
		return rc;
	for (int i = 0; i < revs && i < 2; i++)
		rev[i] = argv[i];
	if (revs == 1 && dv_revision(r, argv[0], NULL) &&
	    dv_cli_split_range(argv[0], &from, &to)) {
		rev[0] = from;
		rev[1] = to;
	}
	rc = dv_diff(r, rev[0], rev[1], dv_cli_targets(argv + revs), (size_t)(argc - revs),
		     on_change, &s, &sum);
	if (rc)
		return dv_out_fail(rc);
	if (cli->json)
		diff_json(&list, &sum);
	else if (!cli->quiet && s.any)
		diff_summary(&sum);
	else if (!cli->quiet)
		dv_out("Nothing changed.\n");
	return s.any && (a->exit_code || cli->quiet) ? DV_EXIT_NO : DV_EXIT_OK;
}

static const dv_opt diff_opts[] = {
	DV_OPT_FLAG(0, "exit-code", diff_args, exit_code, "exit with 1 when something differs"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_diff = {
	.name = "diff",
	.group = DV_GROUP_LOOK,
	.summary = "compare tracked data of two revisions",
	.synopsis = "[--exit-code] [REV [REV] | REV..REV] [--] [TARGET...]",
	.opts = diff_opts,
	.args_size = sizeof(diff_args),
	.run = diff_run,
	.flags = DV_CMD_JSON,
};
