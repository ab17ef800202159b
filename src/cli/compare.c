/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What 'params diff' and 'metrics diff' share.
 */
#include "cli/compare.h"

#include "cli/common.h"
#include "cli/revs.h"
#include "cli/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* "0.50000" -> "0.5", "3.00000" -> "3.0" */
static void trim_zeros(char *s)
{
	size_t n = strlen(s);

	if (!strchr(s, '.') || strchr(s, 'e'))
		return;
	while (n > 2 && s[n - 1] == '0' && s[n - 2] != '.')
		s[--n] = 0;
}

static void format(char buf[DV_CLI_NUMBER_MAX], double f, int precision)
{
	if (fabs(f) >= 1 && fabs(f) < 1e15)
		snprintf(buf, DV_CLI_NUMBER_MAX, "%.*f", precision, f);
	else
		snprintf(buf, DV_CLI_NUMBER_MAX, "%.*g", precision, f);
	trim_zeros(buf);
}

const char *dv_cli_number(char buf[DV_CLI_NUMBER_MAX], const dv_datum *d, int precision)
{
	if (!d)
		return NULL;
	if (!d->is_number || d->is_integer || !isfinite(d->number) || precision < 0)
		return d->text;
	format(buf, d->number, precision < 30 ? precision : 30);
	return buf;
}

typedef struct compare_state {
	const dv_cli_compare *args;
	dv_table table;
	json_t *files; /* with --json */
	bool change;
	uint64_t n;
} compare_state;

static bool both_numbers(const dv_value_change *c)
{
	return c->before && c->after && c->before->is_number && c->after->is_number;
}

static void set_json(json_t *o, const char *key, const dv_datum *d)
{
	if (d)
		json_object_set_new(o, key, json_loads(d->json, JSON_DECODE_ANY, NULL));
}

static void add_json(json_t *files, const dv_value_change *c, bool change)
{
	json_t *file = json_object_get(files, c->path), *one = json_object();

	if (!file) {
		file = json_object();
		json_object_set_new(files, c->path, file);
	}
	set_json(one, "old", c->before);
	set_json(one, "new", c->after);
	if (change && both_numbers(c)) {
		double d = c->after->number - c->before->number;

		json_object_set_new(one, "diff", c->after->is_integer && c->before->is_integer
							 ? json_integer((json_int_t)d)
							 : json_real(d));
	}
	json_object_set_new(file, c->key, one);
}

static int on_change(const dv_value_change *c, void *payload)
{
	compare_state *s = payload;
	char before[DV_CLI_NUMBER_MAX], after[DV_CLI_NUMBER_MAX], diff[DV_CLI_NUMBER_MAX];
	int precision = s->args->precision;

	s->n++;
	if (s->files) {
		add_json(s->files, c, s->change);
		return 0;
	}
	dv_table_add(&s->table, c->path);
	dv_table_add(&s->table, c->key);
	dv_table_add(&s->table, dv_cli_number(before, c->before, precision));
	dv_table_add(&s->table, dv_cli_number(after, c->after, precision));
	if (!s->change)
		return 0;
	if (both_numbers(c)) {
		double d = c->after->number - c->before->number;

		if (c->after->is_integer && c->before->is_integer && fabs(d) < 1e15)
			snprintf(diff, sizeof(diff), "%.0f", d);
		else
			format(diff, d, precision < 0 ? 17 : precision < 30 ? precision : 30);
	}
	dv_table_add(&s->table, both_numbers(c) ? diff : NULL);
	return 0;
}

int dv_cli_compare_run(const dv_cli *cli, const dv_cli_compare *a, int argc, char **argv,
		       dv_cli_compare_fn fn, const char *what, bool change)
{
	dv_compare_options o = { .all = a->all, .deps = a->deps };
	dv_cli_autofree char *from = NULL, *to = NULL;
	int revs = 0;
	compare_state s = { .args = a, .change = change };
	dv_cli_autofree const char **targets = NULL;
	dv_cli_autojson json_t *files = cli->json ? json_object() : NULL;
	dv_cli_autorepo dv_repo *r = NULL;

	int rc = dv_cli_open(&r);
	if (!rc)
		rc = dv_cli_count_revs(&revs, cli, r, argc, argv, 2, NULL);
	if (rc)
		return rc;
	o.before = revs > 0 ? argv[0] : NULL;
	o.after = revs > 1 ? argv[1] : NULL;
	if (revs == 1 && dv_revision(r, argv[0], NULL) &&
	    dv_cli_split_range(argv[0], &from, &to)) {
		o.before = from;
		o.after = to;
	}
	targets = calloc(a->targets.len + (size_t)argc + 1, sizeof(*targets));
	if (!targets) {
		dv_out_error("out of memory");
		return DV_EXIT_FAILED;
	}
	for (size_t i = 0; i < a->targets.len; i++)
		targets[o.ntargets++] = a->targets.items[i];
	for (int i = revs; i < argc; i++)
		targets[o.ntargets++] = argv[i];
	o.targets = targets;
	s.files = files;
	dv_table_start(&s.table, change ? 5 : 4);
	dv_table_add(&s.table, "Path");
	dv_table_add(&s.table, what);
	dv_table_add(&s.table, o.before ? o.before : "HEAD");
	dv_table_add(&s.table, o.after ? o.after : "workspace");
	if (change)
		dv_table_add(&s.table, "Change");
	if (a->no_path)
		dv_table_drop(&s.table, 0);
	rc = fn(r, &o, on_change, &s);
	int code = rc ? dv_out_fail(rc) : DV_EXIT_OK;
	if (files && (rc == 0 || rc == DV_EPARTIAL))
		dv_cli_answer(&files);
	else if (s.n)
		dv_table_print(&s.table, a->markdown);
	dv_table_release(&s.table);
	return code;
}
