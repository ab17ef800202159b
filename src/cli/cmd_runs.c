/* SPDX-License-Identifier: Apache-2.0 */
/* dv runs: the runs that are known, and what one did. */
#include "cli/commands.h"
#include "cli/runs.h"

#include <string.h>

static int on_run(const dv_run_info *i, void *payload)
{
	json_t *list = payload;

	if (list)
		return json_array_append_new(list, dv_cli_run_json(i)) ? DV_ERROR : 0;
	dv_cli_run_line(i);
	return dv_out_broken() ? DV_ECANCELLED : 0;
}

static int ask(dv_repo *r, const dv_lineage_list_options *o, json_t *list, char **next)
{
	return dv_runs(r, o, on_run, list, next);
}

static int ls_run(dv_cli *cli, void *args, int argc, char **argv)
{
	(void)argv;
	return dv_cli_list_run(cli, args, argc, "runs", ask);
}

static const dv_opt ls_opts[] = {
	DV_CLI_LIST_OPTS,
	DV_OPT_END,
};

static const dv_cmd runs_ls = {
	.name = "ls",
	.summary = "list runs, newest first",
	.synopsis = "[-f FILTER]... [-n N] [--after TOKEN] [--reverse]",
	.opts = ls_opts,
	.args_size = sizeof(dv_cli_list),
	.run = ls_run,
	.flags = DV_CMD_JSON,
};

/* -- show -------------------------------------------------------------------------------------- */

static void show_text(const json_t *doc, const char *label, const char *key)
{
	const json_t *v = json_object_get(doc, key);

	if (!v)
		return;
	dv_out("%-8s  ", label);
	dv_cli_print_value(v);
	dv_out("\n");
}

static void show_paths(const json_t *list, const char *label)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *p = json_array_get(list, i);
		const char *path = json_string_value(json_object_get(p, "path"));
		const char *oid = json_string_value(json_object_get(p, "oid"));
		char id[16], size[DV_OUT_SIZE_MAX];

		dv_out("%-8s  %-12s %9s  ", i ? "" : label, dv_cli_short(id, oid),
		       dv_out_size(size, (uint64_t)json_integer_value(json_object_get(p, "size"))));
		dv_out_name(path ? path : json_string_value(json_object_get(p, "path_hex")));
		dv_out("%s\n", json_object_get(p, "nfiles") ? "/" : "");
	}
}

static void show_params(const json_t *params)
{
	const char *file, *key;
	json_t *dict, *v;
	bool first = true;

	json_object_foreach((json_t *)(uintptr_t)params, file, dict)
		json_object_foreach(dict, key, v) {
			dv_out("%-8s  ", first ? "params" : "");
			dv_out_name(file);
			dv_out(":");
			dv_out_name(key);
			dv_out(" = ");
			dv_cli_print_value(v);
			dv_out("\n");
			first = false;
		}
}

static void show_times(const json_t *doc)
{
	int64_t start = json_integer_value(json_object_get(doc, "start"));
	int64_t end = json_integer_value(json_object_get(doc, "end"));
	char time[DV_CLI_TIME_MAX], took[DV_CLI_TIME_MAX];

	dv_out("started   %s UTC, took %s\n", dv_cli_time(time, start),
	       dv_cli_duration(took, end - start));
}

static void show_origin(const json_t *doc)
{
	const json_t *git = json_object_get(doc, "git"), *who = json_object_get(doc, "author");
	const char *commit = json_string_value(json_object_get(git, "commit"));
	const char *name = json_string_value(json_object_get(who, "name"));
	const char *email = json_string_value(json_object_get(who, "email"));

	if (commit) {
		dv_out("commit    ");
		dv_out_name(commit);
		dv_out("%s\n", json_is_true(json_object_get(git, "dirty"))
				       ? ", with changes that were not committed" : "");
	}
	if (name || email) {
		dv_out("author    ");
		dv_out_name(name ? name : "");
		dv_out(" <");
		dv_out_name(email ? email : "");
		dv_out(">\n");
	}
}

static int show_run(dv_cli *cli, void *args, int argc, char **argv)
{
	dv_cli_autojson json_t *doc = NULL;
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_begin(cli, argc, 1, 1, &r);

	(void)args;
	if (rc)
		return rc;
	doc = dv_cli_run_read(r, argv[0], &rc);
	if (rc)
		return dv_out_fail(rc);
	if (cli->json)
		return dv_cli_answer(&doc);
	show_text(doc, "type", "type");
	show_text(doc, "file", "file");
	show_text(doc, "stage", "stage");
	show_text(doc, "wdir", "wdir");
	show_text(doc, "command", "cmd");
	show_text(doc, "state", "state");
	show_text(doc, "exit", "exit");
	show_times(doc);
	show_origin(doc);
	show_params(json_object_get(doc, "params"));
	show_text(doc, "env", "env");
	show_text(doc, "image", "image");
	show_text(doc, "parent", "parent");
	show_text(doc, "log", "log");
	show_text(doc, "cached", "cached_from");
	show_paths(json_object_get(doc, "deps"), "read");
	show_paths(json_object_get(doc, "outs"), "made");
	return DV_EXIT_OK;
}

static const dv_cmd runs_show = {
	.name = "show",
	.summary = "tell all that is known of a run",
	.synopsis = "RUN",
	.run = show_run,
	.flags = DV_CMD_JSON,
};

/* -- diff -------------------------------------------------------------------------------------- */

typedef struct diff_state {
	json_t *list;
	size_t n;
} diff_state;

static void on_difference(const char *what, const char *a, const char *b, void *payload)
{
	diff_state *s = payload;

	s->n++;
	if (s->list) {
		json_t *j = json_object();

		dv_out_json_bytes(j, "what", what);
		dv_out_json_bytes(j, "a", a);
		dv_out_json_bytes(j, "b", b);
		json_array_append_new(s->list, j);
		return;
	}
	dv_out_name(what);
	dv_out("\n");
	if (a) {
		dv_out("  %s- ", dv_out_color(DV_COLOR_RED));
		dv_out_name(a);
		dv_out("%s\n", dv_out_color_end());
	}
	if (b) {
		dv_out("  %s+ ", dv_out_color(DV_COLOR_GREEN));
		dv_out_name(b);
		dv_out("%s\n", dv_out_color_end());
	}
}

static int diff_run(dv_cli *cli, void *args, int argc, char **argv)
{
	dv_cli_autojson json_t *a = NULL, *b = NULL;
	dv_cli_autorepo dv_repo *r = NULL;
	diff_state s = { 0 };
	int rc = dv_cli_begin(cli, argc, 2, 2, &r);

	(void)args;
	if (rc)
		return rc;
	a = dv_cli_run_read(r, argv[0], &rc);
	if (!rc)
		b = dv_cli_run_read(r, argv[1], &rc);
	if (rc)
		return dv_out_fail(rc);
	if (cli->json)
		s.list = json_array();
	dv_cli_run_diff(a, b, on_difference, &s);
	if (s.list)
		return dv_out_json(s.list);
	if (s.n == 0)
		dv_out_note("the runs did the same with the same");
	return DV_EXIT_OK;
}

static const dv_cmd runs_diff = {
	.name = "diff",
	.summary = "tell what differs between two runs",
	.synopsis = "RUN RUN",
	.run = diff_run,
	.flags = DV_CMD_JSON,
};

/* -- log --------------------------------------------------------------------------------------- */

static int log_run(dv_cli *cli, void *args, int argc, char **argv)
{
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_begin(cli, argc, 1, 1, &r);

	(void)args;
	if (rc)
		return rc;
	rc = dv_run_log(r, argv[0], dv_cli_print_data, NULL);
	return rc ? dv_out_fail(rc) : DV_EXIT_OK;
}

static const dv_cmd runs_log = {
	.name = "log",
	.summary = "print what the command of a run said",
	.synopsis = "RUN",
	.run = log_run,
};

static const dv_cmd *const runs_commands[] = { &runs_ls, &runs_show, &runs_diff, &runs_log, NULL };

const dv_cmd dv_cmd_runs = {
	.name = "runs",
	.group = DV_GROUP_RUN,
	.summary = "list and compare runs",
	.synopsis = "",
	.subcommands = runs_commands,
	.flags = DV_CMD_JSON,
};
