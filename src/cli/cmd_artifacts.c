/* SPDX-License-Identifier: Apache-2.0 */
/* dv artifacts: what runs read and made. */
#include "cli/commands.h"
#include "cli/runs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int on_artifact(const dv_artifact_info *i, void *payload)
{
	json_t *list = payload;

	if (list)
		return json_array_append_new(list, dv_cli_artifact_json(i)) ? DV_ERROR : 0;
	dv_cli_artifact_line(i);
	return dv_out_broken() ? DV_ECANCELLED : 0;
}

static int ask(dv_repo *r, const dv_lineage_list_options *o, json_t *list, char **next)
{
	return dv_artifacts(r, o, on_artifact, list, next);
}

static int ls_run(dv_cli *cli, void *args, int argc, char **argv)
{
	(void)argv;
	return dv_cli_list_run(cli, args, argc, "artifacts", ask);
}

static const dv_opt ls_opts[] = {
	DV_CLI_LIST_OPTS,
	DV_OPT_END,
};

static const dv_cmd artifacts_ls = {
	.name = "ls",
	.summary = "list artifacts, newest first",
	.synopsis = "[-f FILTER]... [-n N] [--after TOKEN] [--reverse]",
	.opts = ls_opts,
	.args_size = sizeof(dv_cli_list),
	.run = ls_run,
	.flags = DV_CMD_JSON,
};

/* -- show -------------------------------------------------------------------------------------- */

/* An artifact with the runs around it. */
typedef struct shown {
	json_t *self;		/* the first start that is an artifact */
	json_t *nodes;		/* of all, in order */
	json_t *makers, *users;
	size_t start;
} shown;
static void shown_release(shown *s)
{
	json_decref(s->self);
	json_decref(s->nodes);
	json_decref(s->makers);
	json_decref(s->users);
}

static int on_node(const dv_lineage_node *n, void *payload)
{
	shown *s = payload;
	json_t *j = n->run ? dv_cli_run_json(n->run) : dv_cli_artifact_json(n->artifact);

	if (n->is_start && n->artifact && !s->self) {
		s->self = json_incref(j);
		s->start = json_array_size(s->nodes);
	}
	return json_array_append_new(s->nodes, j) ? DV_ERROR : 0;
}

static int on_edge(size_t from, size_t to, const char *kind, void *payload)
{
	shown *s = payload;

	if (!s->self)
		return 0;
	if (to == s->start && strcmp(kind, "output") == 0)
		json_array_append(s->makers, json_array_get(s->nodes, from));
	if (from == s->start && strcmp(kind, "input") == 0)
		json_array_append(s->users, json_array_get(s->nodes, to));
	return 0;
}

static int load(dv_repo *r, const char *target, shown *s)
{
	dv_lineage_options o = { .depth = 1 };
	int rc;

	s->nodes = json_array();
	s->makers = json_array();
	s->users = json_array();
	rc = dv_lineage(r, target, &o, on_node, on_edge, s);
	if (rc)
		return dv_out_fail(rc);
	if (s->self)
		return 0;
	dv_out_error("'%s' is a run", target);
	dv_out_hint("see 'dv runs show %s'", target);
	return DV_EXIT_FAILED;
}

static void show_runs(const json_t *list, const char *label)
{
	char id[16], time[DV_CLI_TIME_MAX];

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *j = json_array_get(list, i);
		const char *name = json_string_value(json_object_get(j, "name"));

		dv_out("%-8s  %s  %s  %-8s  ", i ? "" : label,
		       dv_cli_short(id, json_string_value(json_object_get(j, "oid"))),
		       dv_cli_time(time, json_integer_value(json_object_get(j, "start"))),
		       json_string_value(json_object_get(j, "state")));
		dv_out_name(name ? name : "");
		dv_out("\n");
	}
}

static int show_run(dv_cli *cli, void *args, int argc, char **argv)
{
	__attribute__((cleanup(shown_release))) shown s = { 0 };
	dv_cli_autorepo dv_repo *r = NULL;
	char time[DV_CLI_TIME_MAX], size[DV_OUT_SIZE_MAX];
	int rc = dv_cli_begin(cli, argc, 1, 1, &r);

	(void)args;
	if (!rc)
		rc = load(r, argv[0], &s);
	if (rc)
		return rc;
	if (cli->json) {
		json_object_set(s.self, "made_by", s.makers);
		json_object_set(s.self, "used_by", s.users);
		return dv_cli_answer(&s.self);
	}
	const json_t *j = s.self, *files = json_object_get(j, "files");
	const char *path = json_string_value(json_object_get(j, "path"));
	const char *oid = json_string_value(json_object_get(j, "oid"));
	dv_out("path      ");
	dv_out_name(path ? path : "");
	dv_out("%s\noid       %s\n", files ? "/" : "", oid ? oid : "(content not recorded)");
	dv_out("size      %s", dv_out_size(size, (uint64_t)json_integer_value(
						   json_object_get(j, "size"))));
	if (files)
		dv_out(" in %" JSON_INTEGER_FORMAT " files", json_integer_value(files));
	dv_out("\nsince     %s UTC\n",
	       dv_cli_time(time, json_integer_value(json_object_get(j, "first"))));
	show_runs(s.makers, "made by");
	show_runs(s.users, "used by");
	return DV_EXIT_OK;
}

static const dv_cmd artifacts_show = {
	.name = "show",
	.summary = "tell what is known of an artifact",
	.synopsis = "PATH|OID",
	.run = show_run,
	.flags = DV_CMD_JSON,
};

/* -- compare ----------------------------------------------------------------------------------- */

typedef struct comparison {
	json_t *list;		/* with --json */
	size_t n;
} comparison;

static void on_difference(const char *what, const char *a, const char *b, void *payload)
{
	comparison *c = payload;

	c->n++;
	if (c->list) {
		json_t *j = json_object();

		dv_out_json_bytes(j, "what", what);
		dv_out_json_bytes(j, "a", a);
		dv_out_json_bytes(j, "b", b);
		json_array_append_new(c->list, j);
		return;
	}
	dv_out_name(what);
	dv_out(": ");
	dv_out_name(a ? a : "(none)");
	dv_out(" | ");
	dv_out_name(b ? b : "(none)");
	dv_out("\n");
}

static void compare_key(const char *key, const shown *a, const shown *b, comparison *c)
{
	json_t *x = json_object_get(a->self, key), *y = json_object_get(b->self, key);
	dv_cli_autofree char *p = NULL, *q = NULL;

	if (json_equal(x, y))
		return;
	if (json_is_string(x) && json_is_string(y)) {
		on_difference(key, json_string_value(x), json_string_value(y), c);
		return;
	}
	p = x ? json_dumps(x, JSON_ENCODE_ANY) : NULL;
	q = y ? json_dumps(y, JSON_ENCODE_ANY) : NULL;
	on_difference(key, p, q, c);
}

/* The newest run that made it, as a record. */
static json_t *maker(dv_repo *r, const shown *s, int *rc)
{
	const json_t *best = NULL;

	for (size_t i = 0; i < json_array_size(s->makers); i++) {
		const json_t *j = json_array_get(s->makers, i);

		if (!best || json_integer_value(json_object_get(j, "start")) >
				     json_integer_value(json_object_get(best, "start")))
			best = j;
	}
	*rc = 0;
	return best ? dv_cli_run_read(r, json_string_value(json_object_get(best, "oid")), rc)
		    : NULL;
}

static int compare_run(dv_cli *cli, void *args, int argc, char **argv)
{
	static const char *const keys[] = { "path", "oid", "kind", "size", "files", NULL };
	__attribute__((cleanup(shown_release))) shown a = { 0 }, b = { 0 };
	dv_cli_autojson json_t *x = NULL, *y = NULL;
	dv_cli_autorepo dv_repo *r = NULL;
	comparison c = { 0 };
	int rc = dv_cli_begin(cli, argc, 2, 2, &r);

	(void)args;
	if (!rc)
		rc = load(r, argv[0], &a);
	if (!rc)
		rc = load(r, argv[1], &b);
	if (rc)
		return rc;
	x = maker(r, &a, &rc);
	if (!rc)
		y = maker(r, &b, &rc);
	if (rc)
		return dv_out_fail(rc);
	c.list = cli->json ? json_array() : NULL;
	for (const char *const *k = keys; *k; k++)
		compare_key(*k, &a, &b, &c);
	if (x && y)
		dv_cli_run_diff(x, y, on_difference, &c);
	if (c.list)
		return dv_out_json(c.list);
	if (c.n == 0)
		dv_out_note("they are the same, and were made in the same way");
	return DV_EXIT_OK;
}

static const dv_cmd artifacts_compare = {
	.name = "compare",
	.summary = "tell how two artifacts and their making differ",
	.synopsis = "PATH|OID PATH|OID",
	.run = compare_run,
	.flags = DV_CMD_JSON,
};

static const dv_cmd *const artifacts_commands[] = {
	&artifacts_ls, &artifacts_show, &artifacts_compare, NULL,
};

const dv_cmd dv_cmd_artifacts = {
	.name = "artifacts",
	.group = DV_GROUP_RUN,
	.summary = "list and compare what runs read and made",
	.synopsis = "",
	.subcommands = artifacts_commands,
	.flags = DV_CMD_JSON,
};
