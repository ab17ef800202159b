/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns out of CSV (RFC 4180) and TSV: quotes may enclose commas, ends of lines and doubled
 * quotes; a line may end in CR LF; empty lines are passed over.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "pipeline/plots.h"

#define COLUMNS_MAX 100000

/* A file while it is read, a field at a time. */
typedef struct table {
	const char *p, *end;
	char comma;
	dv_buf field;
	bool last;		/* the field was the last of its line */
} table;
static void table_release(table *t)
{
	dv_buf_release(&t->field);
}

/* Reads a field into t->field. */
static int next(table *t)
{
	bool quoted = t->p < t->end && *t->p == '"';

	dv_buf_clear(&t->field);
	t->p += quoted;
	while (t->p < t->end) {
		char c = *t->p;

		if (quoted && c == '"') {
			if (t->end - t->p > 1 && t->p[1] == '"') {
				t->p++;
			} else {
				quoted = false;
				t->p++;
				continue;
			}
		} else if (!quoted && (c == t->comma || c == '\n')) {
			break;
		}
		/* A NUL would end the text for those who read it. */
		dv_buf_addc(&t->field, c ? c : ' ');
		t->p++;
	}
	t->last = t->p == t->end || *t->p == '\n';
	t->p += t->p < t->end;
	if (t->last && t->field.n && t->field.p[t->field.n - 1] == '\r')
		t->field.p[--t->field.n] = 0;
	return t->field.err;
}

/* Is the text a number as JSON writes it? (One of many digits is no integer for all who read.) */
static bool is_json_number(const char *s)
{
	size_t n;

	s += *s == '-';
	n = strspn(s, "0123456789");
	if (!n || (*s == '0' && n > 1))
		return false;
	s += n;
	if (*s == '.') {
		if (!(n = strspn(s + 1, "0123456789")))
			return false;
		s += n + 1;
	}
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '-' || *s == '+';
		if (!(n = strspn(s, "0123456789")))
			return false;
		s += n;
	}
	return !*s;
}

static int set_cell(dv_arena *a, const char *text, dv_cell *out)
{
	char number[40];
	char *end;

	*out = (dv_cell){ DV_CELL_TEXT, NULL };
	while (*text == ' ' || *text == '\t')
		text++;
	size_t n = strlen(text);
	while (n && (text[n - 1] == ' ' || text[n - 1] == '\t'))
		n--;
	if (n == 0) {
		out->kind = DV_CELL_NONE;
		return 0;
	}
	char *own = dv_arena_strndup(a, text, n);
	if (!own)
		return DV_ERROR;
	out->s = own;
	if (is_json_number(own) && (n <= 15 || strpbrk(own, ".eE"))) {
		out->kind = isfinite(strtod(own, NULL)) ? DV_CELL_NUMBER : DV_CELL_TEXT;
	} else if (strspn(own, "0123456789+-.eE") == n) {
		double f = strtod(own, &end);

		if (*end || !isfinite(f))
			return 0;
		snprintf(number, sizeof(number), "%.17g", f);
		out->kind = DV_CELL_NUMBER;
		if (!(out->s = dv_arena_strdup(a, number)))
			return DV_ERROR;
	} else if (!strcasecmp(own, "nan")) {
		out->kind = DV_CELL_NONE;
	}
	return 0;
}

/* -- which column ------------------------------------------------------------------------------ */

typedef struct head {
	size_t wanted, n;	/* SIZE_MAX: not found */
	const char *name;
	dv_buf names;		/* for messages */
} head;
static void head_release(head *h)
{
	dv_buf_release(&h->names);
}

/* Reads the first line. Without a field that is asked for it is the last that is not `other`. */
static int read_head(dv_arena *a, table *t, const char *field, const char *other, bool no_header,
		     head *h)
{
	h->wanted = SIZE_MAX;
	do {
		char number[24];
		int rc = next(t);

		if (rc)
			return rc;
		if (h->n == COLUMNS_MAX)
			return dv_err(DV_ERROR, "there are more than %d columns", COLUMNS_MAX);
		snprintf(number, sizeof(number), "%zu", h->n);
		const char *name = no_header ? number : dv_buf_str(&t->field);
		if (field ? !strcmp(name, field) : !other || strcmp(name, other) != 0) {
			h->wanted = field && h->wanted != SIZE_MAX ? h->wanted : h->n;
			if (!(h->name = dv_arena_strdup(a, name)))
				return DV_ERROR;
		}
		if (h->names.n < 200)
			dv_buf_addf(&h->names, "%s'%s'", h->n ? ", " : "", name);
		h->n++;
	} while (!t->last);
	return 0;
}

int dv_column_from_table(dv_arena *a, const char *text, size_t n, const char *path, char comma,
			 const char *field, const char *other, bool no_header, dv_column *out)
{
	__attribute__((cleanup(table_release))) table t = { .p = text, .end = text + n,
							    .comma = comma };
	__attribute__((cleanup(head_release))) head h = { 0 };

	if (n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		t.p += 3;
	while (t.p < t.end && (*t.p == '\n' || *t.p == '\r'))
		t.p++;
	if (t.p == t.end)
		return 0;
	const char *start = t.p;
	int rc = read_head(a, &t, field, other, no_header, &h);
	if (rc)
		return rc;
	if (h.wanted == SIZE_MAX)
		return dv_err_hint(dv_err(DV_ENOTFOUND, "there is no field '%s' in '%s'",
					  field ? field : "", path),
				   "its fields are %s", dv_buf_str(&h.names));
	out->name = h.name;
	if (no_header)
		t.p = start;
	while (t.p < t.end) {
		dv_cell cell = { DV_CELL_NONE, NULL };
		size_t i = 0;
		bool empty = false;

		do {
			if ((rc = next(&t)))
				return rc;
			empty = i == 0 && t.last && !t.field.n;
			if (i++ == h.wanted && (rc = set_cell(a, dv_buf_str(&t.field), &cell)))
				return rc;
		} while (!t.last);
		if (empty && h.n > 1)
			continue;
		if (out->n >= DV_PLOT_ROWS_MAX)
			return dv_err(DV_ERROR, "'%s' has more than %d rows", path,
				      DV_PLOT_ROWS_MAX);
		if ((rc = dv_arena_grow(a, &out->c, &out->cap, out->n + 1, sizeof(cell))))
			return rc;
		out->c[out->n++] = cell;
	}
	return 0;
}
