/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns out of files of data. In JSON, YAML and TOML the records are a list of dicts, which may
 * lie in dicts: the first that has the field counts. A list of numbers is a column without a name.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/params.h"
#include "pipeline/plots.h"

/* -- records ----------------------------------------------------------------------------------- */

static dv_value *field_of(dv_value *record, const char *field)
{
	dv_value *v = dv_value_get(record, field);

	return v ? v : record->kind == DV_VALUE_DICT ? dv_value_at(record, field) : NULL;
}

/* The last field, but not `other`. */
static const char *last_field(const dv_value *record, const char *other)
{
	for (size_t i = record->n; i-- > 0; )
		if (!other || strcmp(record->members[i].key, other) != 0)
			return record->members[i].key;
	return NULL;
}

typedef struct search {
	const char *field;
	dv_value *best;		/* the first list of records, or of scalars when there is none */
	bool found;		/* and it has the field */
	dv_buf names;
} search;
static void search_release(search *s)
{
	dv_buf_release(&s->names);
}

static void look(search *s, dv_value *v, int depth)
{
	if (s->found || depth > DV_VALUE_DEPTH)
		return;
	if (v->kind == DV_VALUE_LIST && v->n) {
		dv_value *first = v->items[0];
		bool records = first->kind == DV_VALUE_DICT;

		if (!records && (!dv_value_is_scalar(first) || s->best))
			return;
		s->found = records && (!s->field || field_of(first, s->field));
		if (s->found || !s->best || (records && dv_value_is_scalar(s->best->items[0])))
			s->best = v;
		for (size_t i = 0; records && !s->found && i < first->n && s->names.n < 200; i++)
			dv_buf_addf(&s->names, "%s'%s'", s->names.n ? ", " : "",
				    first->members[i].key);
		return;
	}
	for (size_t i = 0; v->kind == DV_VALUE_DICT && i < v->n; i++)
		look(s, v->members[i].value, depth + 1);
}

/* -- cells ------------------------------------------------------------------------------------- */

static int set_cell(dv_arena *a, const dv_value *v, dv_cell *out)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	char number[40];
	int rc;

	*out = (dv_cell){ DV_CELL_NONE, NULL };
	if (!v || !dv_value_is_scalar(v) || v->kind == DV_VALUE_NULL)
		return 0;
	if (v->kind == DV_VALUE_FLOAT) {
		if (!isfinite(v->f))
			return 0;
		snprintf(number, sizeof(number), "%.15g", v->f);
		if (strtod(number, NULL) != v->f)
			snprintf(number, sizeof(number), "%.17g", v->f);
		*out = (dv_cell){ DV_CELL_NUMBER, dv_arena_strdup(a, number) };
		return out->s ? 0 : DV_ERROR;
	}
	if ((rc = dv_value_text(&text, v)))
		return rc;
	out->kind = v->kind == DV_VALUE_INT && !v->s ? DV_CELL_NUMBER : DV_CELL_TEXT;
	out->s = dv_arena_strdup(a, dv_buf_str(&text));
	return out->s ? 0 : DV_ERROR;
}

static int take(dv_arena *a, const char *path, dv_value *list, const char *field, dv_column *out)
{
	if (list->n > DV_PLOT_ROWS_MAX)
		return dv_err(DV_ERROR, "'%s' has more than %d rows", path, DV_PLOT_ROWS_MAX);
	out->c = dv_arena_alloc(a, (list->n + 1) * sizeof(*out->c));
	if (!out->c)
		return DV_ERROR;
	for (size_t i = 0; i < list->n; i++) {
		dv_value *v = list->items[i];
		int rc = set_cell(a, v->kind == DV_VALUE_DICT && field ? field_of(v, field) : v,
				  &out->c[out->n++]);

		if (rc)
			return rc;
	}
	out->name = field ? field : "value";
	return 0;
}

int dv_column_read(dv_arena *a, const char *text, size_t n, const char *path, const char *field,
		   const char *other, bool no_header, dv_column *out)
{
	__attribute__((cleanup(search_release))) search s = { .field = field };
	const char *dot = strrchr(path, '.');
	dv_value *v;
	int rc;

	*out = (dv_column){ 0 };
	if (dot && !strcmp(dot, ".csv"))
		return dv_column_from_table(a, text, n, path, ',', field, other, no_header, out);
	if (dot && !strcmp(dot, ".tsv"))
		return dv_column_from_table(a, text, n, path, '\t', field, other, no_header, out);
	if (!dot || (strcmp(dot, ".json") && strcmp(dot, ".yaml") && strcmp(dot, ".yml") &&
		     strcmp(dot, ".toml")))
		return dv_err_hint(dv_err(DV_ERROR, "the name of '%s' does not tell what data it "
					  "holds", path),
				   "draw .json, .yaml, .csv or .tsv, or an image");
	if ((rc = dv_data_parse(a, text, n, path, &v)))
		return rc;
	look(&s, v, 0);
	if (!s.best)
		return v->kind == DV_VALUE_LIST ? 0 :
		       dv_err(DV_ERROR, "there is no list of records in '%s'", path);
	dv_value *first = s.best->items[0];
	if (first->kind == DV_VALUE_DICT && !field)
		field = last_field(first, other);
	else if (first->kind != DV_VALUE_DICT && !field)
		return take(a, path, s.best, NULL, out);
	if (!field || !s.found)
		return dv_err_hint(dv_err(DV_ENOTFOUND, "there is no field '%s' in '%s'",
					  field ? field : "", path),
				   "its fields are %s", dv_buf_str(&s.names));
	return take(a, path, s.best, field, out);
}
