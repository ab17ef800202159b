/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv metrics: what stages measured.
 */
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/compare.h"
#include "cli/table.h"

#include <string.h>

#define METRICS_PRECISION 5

/* -- show -------------------------------------------------------------------------------------- */

typedef struct metrics_show_args {
	bool all_branches, all_tags, all_commits, markdown;
	dv_strlist revs;
	int precision;
} metrics_show_args;

/* One value; all are kept, since the columns are known only at the end. */
typedef struct value {
	char *rev, *path, *key, *text;
} value;

typedef struct metrics_show_state {
	const metrics_show_args *args;
	json_t *revs; /* with --json */
	value *values;
	size_t n, cap;
	bool failed;
} metrics_show_state;

static void state_release(metrics_show_state *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->values[i].rev);
		free(s->values[i].path);
		free(s->values[i].key);
		free(s->values[i].text);
	}
	free(s->values);
	json_decref(s->revs);
}

static json_t *member(json_t *object, const char *key)
{
	json_t *inner = json_object_get(object, key);

	if (!inner) {
		inner = json_object();
		json_object_set_new(object, key, inner);
	}
	return inner;
}

static int on_metric(const dv_metric *m, void *payload)
{
	metrics_show_state *s = payload;
	char number[DV_CLI_NUMBER_MAX];

	if (s->revs) {
		json_object_set_new(member(member(s->revs, m->rev), m->path), m->key,
				    json_loads(m->value->json, JSON_DECODE_ANY, NULL));
		return 0;
	}
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 64;
		value *more = realloc(s->values, cap * sizeof(*more));

		if (!more)
			return DV_ERROR;
		s->values = more;
		s->cap = cap;
	}
	value *v = &s->values[s->n++];
	*v = (value){ strdup(m->rev), strdup(m->path), strdup(m->key),
		      strdup(dv_cli_number(number, m->value, s->args->precision)) };
	return v->rev && v->path && v->key && v->text ? 0 : DV_ERROR;
}

static int compare_keys(const void *x, const void *y)
{
	return strcmp(*(const char *const *)x, *(const char *const *)y);
}

/* A commit's id in full is too much for a table. */
static const char *rev_name(char buf[11], const char *rev)
{
	if (strlen(rev) != 40 || strspn(rev, "0123456789abcdef") != 40)
		return rev;
	memcpy(buf, rev, 10);
	buf[10] = 0;
	return buf;
}

/* The names of all metrics, sorted, each once. */
static size_t all_keys(const metrics_show_state *s, const char **keys)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		keys[i] = s->values[i].key;
	qsort(keys, s->n, sizeof(*keys), compare_keys);
	for (size_t i = 0; i < s->n; i++)
		if (n == 0 || strcmp(keys[n - 1], keys[i]) != 0)
			keys[n++] = keys[i];
	return n;
}

static void print_metrics(const metrics_show_state *s, bool revs, bool markdown)
{
	dv_cli_autofree const char **keys = calloc(s->n + 1, sizeof(*keys));
	char short_rev[11];
	size_t n;
	dv_table t;

	if (!keys) {
		dv_out_error("out of memory");
		return;
	}
	n = all_keys(s, keys);
	dv_table_start(&t, n + 2);
	if (!revs)
		dv_table_drop(&t, 0);
	dv_table_add(&t, "Revision");
	dv_table_add(&t, "Path");
	for (size_t k = 0; k < n; k++)
		dv_table_add(&t, *keys[k] ? keys[k] : "value");
	/* What belongs to one file of one revision stands together, sorted by key. */
	for (size_t i = 0; i < s->n;) {
		const value *first = &s->values[i];

		dv_table_add(&t, rev_name(short_rev, first->rev));
		dv_table_add(&t, first->path);
		for (size_t k = 0; k < n; k++) {
			const value *v = i < s->n ? &s->values[i] : NULL;
			bool here = v && !strcmp(v->rev, first->rev) &&
				    !strcmp(v->path, first->path) && !strcmp(v->key, keys[k]);

			dv_table_add(&t, here ? v->text : NULL);
			i += here;
		}
	}
	dv_table_print(&t, markdown);
	dv_table_release(&t);
}

static int metrics_show_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const metrics_show_args *a = args;
	const dv_metrics_options o = {
		.revs = a->revs.items,
		.nrevs = a->revs.len,
		.all_branches = a->all_branches,
		.all_tags = a->all_tags,
		.all_commits = a->all_commits,
		.targets = dv_cli_targets(argv),
		.ntargets = (size_t)argc,
	};
	__attribute__((cleanup(state_release))) metrics_show_state s = { .args = a };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_open(&r);

	if (rc)
		return rc;
	s.revs = cli->json ? json_object() : NULL;
	rc = dv_metrics_show(r, &o, on_metric, &s);
	int code = rc ? dv_out_fail(rc) : DV_EXIT_OK;
	if (rc && rc != DV_EPARTIAL)
		return code;
	if (cli->json)
		dv_cli_answer(&s.revs);
	else if (s.n)
		print_metrics(&s, o.nrevs || o.all_branches || o.all_tags || o.all_commits,
			      a->markdown);
	else if (!cli->quiet)
		dv_out_note("there are no metrics");
	return code;
}

static const dv_opt metrics_show_opts[] = {
	DV_OPT_FLAG('a', "all-branches", metrics_show_args, all_branches, "of all branches, too"),
	DV_OPT_FLAG('T', "all-tags", metrics_show_args, all_tags, "of all tags, too"),
	DV_OPT_FLAG('A', "all-commits", metrics_show_args, all_commits, "of all commits, too"),
	DV_OPT_STRLIST(0, "rev", metrics_show_args, revs, "REV",
		       "of this revision and not of the workspace; may be repeated"),
	DV_OPT_FLAG(0, "md", metrics_show_args, markdown, "print the table as Markdown"),
	DV_OPT_INT(0, "precision", metrics_show_args, precision, "N",
		   "show numbers with so many decimals"),
	DV_OPT_END,
};

static const metrics_show_args metrics_show_defaults = { .precision = METRICS_PRECISION };

static const dv_cmd metrics_show = {
	.name = "show",
	.summary = "show metrics",
	.synopsis = "[-a] [-T] [-A] [--rev REV] [--md] [FILE...]",
	.opts = metrics_show_opts,
	.args_size = sizeof(metrics_show_args),
	.defaults = &metrics_show_defaults,
	.run = metrics_show_run,
	.flags = DV_CMD_JSON,
};

/* -- diff -------------------------------------------------------------------------------------- */

static int metrics_diff_run(dv_cli *cli, void *args, int argc, char **argv)
{
	return dv_cli_compare_run(cli, args, argc, argv, dv_metrics_diff, "Metric", true);
}

static const dv_opt metrics_diff_opts[] = {
	DV_OPT_FLAG(0, "all", dv_cli_compare, all, "show also what is the same"),
	DV_OPT_STRLIST(0, "targets", dv_cli_compare, targets, "FILE",
		       "compare this file; may be repeated"),
	DV_OPT_FLAG(0, "md", dv_cli_compare, markdown, "print the table as Markdown"),
	DV_OPT_FLAG(0, "no-path", dv_cli_compare, no_path, "leave out the names of files"),
	DV_OPT_INT(0, "precision", dv_cli_compare, precision, "N",
		   "show numbers with so many decimals"),
	DV_OPT_END,
};

static const dv_cli_compare metrics_diff_defaults = { .precision = METRICS_PRECISION };

static const dv_cmd metrics_diff = {
	.name = "diff",
	.summary = "compare metrics of two revisions",
	.synopsis = "[--all] [--md] [--precision N] [REV [REV]] [-- FILE...]",
	.opts = metrics_diff_opts,
	.args_size = sizeof(dv_cli_compare),
	.defaults = &metrics_diff_defaults,
	.run = metrics_diff_run,
	.flags = DV_CMD_JSON,
};

static const dv_cmd *const metrics_commands[] = { &metrics_show, &metrics_diff, NULL };

const dv_cmd dv_cmd_metrics = {
	.name = "metrics",
	.group = DV_GROUP_RUN,
	.summary = "show and compare what stages measured",
	.synopsis = "",
	.subcommands = metrics_commands,
	.flags = DV_CMD_JSON,
};
