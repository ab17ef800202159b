/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plot as a Vega-Lite specification (version 5), with its data in it. Fields have names of our
 * own (x, y, rev, line), so that those of the data need no escaping; titles say what they are. The
 * page's own renderer (plots.js) draws what is written here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "pipeline/plots.h"

#define SCHEMA "https://vega.github.io/schema/vega-lite/v5.json"
#define POINTS_MAX 60	/* rows of one line up to which its points are marked */

static void add_text(dv_buf *out, const char *before, const char *s)
{
	dv_buf_adds(out, before);
	dv_utf8_json(out, s);
}

static void add_cell(dv_buf *out, const char *before, const dv_cell *c)
{
	if (c->kind == DV_CELL_TEXT)
		add_text(out, before, c->s);
	else
		dv_buf_addf(out, "%s%s", before, c->kind == DV_CELL_NUMBER ? c->s : "null");
}

/* What a line is called where there are several: its field, and its file where these differ. */
static void add_line_name(dv_buf *out, const char *before, const dv_plot_def *d, size_t i)
{
	const dv_plot_line *l = &d->lines[i];
	bool files = false, fields = false;
	dv_auto(dv_buf) name = DV_BUF_INIT;

	for (size_t k = 0; k < d->n; k++) {
		files |= strcmp(d->lines[k].path, l->path) != 0;
		fields |= strcmp(d->lines[k].y ? d->lines[k].y : "", l->y ? l->y : "") != 0;
	}
	if (files)
		dv_buf_adds(&name, l->path);
	if (fields || !files)
		dv_buf_addf(&name, "%s%s", files ? ": " : "", l->y ? l->y : "value");
	add_text(out, before, dv_buf_str(&name));
}

/* -- what is in the data ----------------------------------------------------------------------- */

typedef struct seen {
	bool rev[64], line[64];	/* those beyond count as seen */
	bool x_numbers, y_numbers;
	size_t nrevs, nlines;
} seen;

static void look(const dv_plot *p, seen *s)
{
	*s = (seen){ .x_numbers = true, .y_numbers = true };
	for (size_t i = 0; i < p->n; i++) {
		const dv_plot_row *r = &p->rows[i];

		s->x_numbers &= r->x.kind != DV_CELL_TEXT;
		s->y_numbers &= r->y.kind != DV_CELL_TEXT;
		if (r->rev < 64 && !s->rev[r->rev])
			s->rev[r->rev] = true, s->nrevs++;
		if (r->line < 64 && !s->line[r->line])
			s->line[r->line] = true, s->nlines++;
	}
	if (p->nrevs > 64)
		s->nrevs = p->nrevs;
	if (p->def->n > 64)
		s->nlines = p->def->n;
}

/* The names in their order: colours stay the same from plot to plot. */
static void add_order(dv_buf *out, const dv_plot *p, const seen *s, bool revs)
{
	bool first = true;

	dv_buf_adds(out, ",\"sort\":[");
	for (size_t i = 0; i < (revs ? p->nrevs : p->def->n); i++) {
		if (i < 64 && !(revs ? s->rev[i] : s->line[i]))
			continue;
		if (revs)
			add_text(out, first ? "" : ",", p->revs[i]);
		else
			add_line_name(out, first ? "" : ",", p->def, i);
		first = false;
	}
	dv_buf_adds(out, "]");
}

/* -- points and lines -------------------------------------------------------------------------- */

/* Bars of several lines in several revisions are told apart by both in one. */
static bool is_joined(const dv_plot *p, const seen *s)
{
	return (p->def->form == DV_PLOT_BAR || p->def->form == DV_PLOT_BAR_SORTED) &&
	       s->nrevs > 1 && s->nlines > 1;
}

static void add_joined(dv_buf *out, const dv_plot *p, const dv_plot_row *r)
{
	add_text(out, ",\"rev\":", p->revs[r->rev]);
	out->n--;
	dv_buf_adds(out, ": ");
	/* The name without the quote that it begins with. */
	dv_auto(dv_buf) name = DV_BUF_INIT;
	add_line_name(&name, "", p->def, r->line);
	dv_buf_adds(out, dv_buf_str(&name) + (name.n > 0));
}

static void add_rows(dv_buf *out, const dv_plot *p, const seen *s)
{
	bool joined = is_joined(p, s);

	dv_buf_adds(out, "\"data\":{\"values\":[");
	for (size_t i = 0; i < p->n; i++) {
		const dv_plot_row *r = &p->rows[i];

		add_cell(out, i ? ",{\"x\":" : "{\"x\":", &r->x);
		add_cell(out, ",\"y\":", &r->y);
		if (joined)
			add_joined(out, p, r);
		else
			add_text(out, ",\"rev\":", p->revs[r->rev]);
		if (s->nlines > 1 && !joined)
			add_line_name(out, ",\"line\":", p->def, r->line);
		dv_buf_addc(out, '}');
	}
	dv_buf_adds(out, "]}");
}

static void add_axis(dv_buf *out, const char *before, const char *field, bool numbers, bool log,
		     const char *title)
{
	dv_buf_addf(out, "%s{\"field\":\"%s\",\"type\":\"%s\"", before, field,
		    numbers ? "quantitative" : "nominal");
	add_text(out, ",\"title\":", title);
	if (numbers)
		dv_buf_addf(out, ",\"scale\":{%s}", log ? "\"type\":\"log\"" : "\"zero\":false");
	else
		dv_buf_adds(out, ",\"sort\":null");
	dv_buf_addc(out, '}');
}

static void add_channel(dv_buf *out, const char *name, const dv_plot *p, const seen *s, bool revs)
{
	dv_buf_addf(out, ",\"%s\":{\"field\":\"%s\",\"type\":\"nominal\",\"title\":\"%s\"", name,
		    revs ? "rev" : "line", revs ? "revision" : "data");
	if (is_joined(p, s))
		dv_buf_adds(out, ",\"sort\":null");
	else
		add_order(out, p, s, revs);
	dv_buf_addc(out, '}');
}

static void add_bars(dv_buf *out, const dv_plot *p, const seen *s, const char *x, const char *y)
{
	bool sorted = p->def->form == DV_PLOT_BAR_SORTED;
	bool revs = s->nrevs > 1 || s->nlines < 2;

	dv_buf_adds(out, ",\"mark\":{\"type\":\"bar\",\"tooltip\":true},\"encoding\":{");
	dv_buf_adds(out, "\"x\":{\"field\":\"x\",\"type\":\"quantitative\"");
	add_text(out, ",\"title\":", x);
	add_text(out, "},\"y\":{\"field\":\"y\",\"type\":\"nominal\",\"title\":", y);
	dv_buf_addf(out, ",\"sort\":%s}", sorted ? "\"-x\"" : "null");
	dv_buf_addf(out, ",\"yOffset\":{\"field\":\"%s\"}", revs ? "rev" : "line");
	add_channel(out, "color", p, s, revs);
	dv_buf_addc(out, '}');
}

static void add_lines(dv_buf *out, const dv_plot *p, const seen *s, const char *x, const char *y)
{
	const dv_plot_def *d = p->def;
	bool scatter = d->form == DV_PLOT_SCATTER;
	bool both = s->nrevs > 1 && s->nlines > 1;
	bool points = d->form == DV_PLOT_LINEAR &&
		      p->n / (s->nrevs * s->nlines + 1) <= POINTS_MAX;

	if (d->form == DV_PLOT_SMOOTH)
		dv_buf_addf(out, ",\"transform\":[{\"loess\":\"y\",\"on\":\"x\",\"groupby\":"
			    "[\"rev\"%s],\"bandwidth\":0.3}]", s->nlines > 1 ? ",\"line\"" : "");
	dv_buf_addf(out, ",\"mark\":{\"type\":\"%s\"%s,\"tooltip\":true},\"encoding\":{",
		    scatter ? "point" : "line",
		    scatter ? ",\"filled\":true" : points ? ",\"point\":true" : "");
	add_axis(out, "\"x\":", "x", s->x_numbers, d->x_log, x);
	add_axis(out, ",\"y\":", "y", s->y_numbers, d->y_log, y);
	add_channel(out, "color", p, s, s->nrevs > 1 || s->nlines < 2);
	if (both)
		add_channel(out, scatter ? "shape" : "strokeDash", p, s, false);
	dv_buf_addc(out, '}');
}

/* -- matrices ---------------------------------------------------------------------------------- */

/* How often two labels met. */
typedef struct matrix {
	const char **labels;		/* sorted */
	bool numbers;
	size_t n, cap;
	uint64_t *counts;		/* panel by y by x */
} matrix;
static void matrix_release(matrix *m)
{
	free(m->labels);
	free(m->counts);
}

static int compare_texts(const void *x, const void *y)
{
	return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static int compare_numbers(const void *x, const void *y)
{
	double a = strtod(*(const char *const *)x, NULL), b = strtod(*(const char *const *)y, NULL);

	return a < b ? -1 : a > b ? 1 : compare_texts(x, y);
}

static int label_index(const matrix *m, const char *s, size_t *out)
{
	const char **found = bsearch(&s, m->labels, m->n, sizeof(*m->labels),
				     m->numbers ? compare_numbers : compare_texts);

	*out = found ? (size_t)(found - m->labels) : 0;
	return found ? 0 : DV_ENOTFOUND;
}

static int find_labels(const dv_plot *p, matrix *m)
{
	size_t kept = 0;

	m->numbers = true;
	for (size_t i = 0; i < 2 * p->n; i++) {
		const dv_cell *c = i % 2 ? &p->rows[i / 2].y : &p->rows[i / 2].x;
		int rc = dv_grow(&m->labels, &m->cap, m->n + 1, sizeof(*m->labels));

		if (rc)
			return rc;
		if (c->kind == DV_CELL_NONE)
			continue;
		m->numbers &= c->kind == DV_CELL_NUMBER;
		m->labels[m->n++] = c->s;
	}
	if (m->n)
		qsort(m->labels, m->n, sizeof(*m->labels),
		      m->numbers ? compare_numbers : compare_texts);
	for (size_t i = 0; i < m->n; i++)
		if (!kept || strcmp(m->labels[kept - 1], m->labels[i]) != 0)
			m->labels[kept++] = m->labels[i];
	m->n = kept;
	if (m->n > DV_PLOT_LABELS_MAX)
		return dv_err(DV_ERROR, "the plot '%s' has %zu labels, and a matrix takes %d at "
			      "most", p->def->id, m->n, DV_PLOT_LABELS_MAX);
	return 0;
}

static int count(const dv_plot *p, matrix *m)
{
	size_t panels = p->nrevs * p->def->n;

	if (m->n && panels > SIZE_MAX / 8 / m->n / m->n)
		return dv_err_nomem();
	m->counts = dv_calloc(panels * m->n * m->n + 1, sizeof(*m->counts));
	if (!m->counts)
		return DV_ERROR;
	for (size_t i = 0; i < p->n; i++) {
		const dv_plot_row *r = &p->rows[i];
		size_t x, y, panel = r->rev * p->def->n + r->line;

		if (r->x.kind == DV_CELL_NONE || r->y.kind == DV_CELL_NONE ||
		    label_index(m, r->x.s, &x) || label_index(m, r->y.s, &y))
			continue;
		m->counts[(panel * m->n + y) * m->n + x]++;
	}
	return 0;
}

static void add_label(dv_buf *out, const char *before, const matrix *m, size_t i)
{
	const dv_cell c = { m->numbers ? DV_CELL_NUMBER : DV_CELL_TEXT, m->labels[i] };

	add_cell(out, before, &c);
}

/* The cells of one panel; shares are of the cells with the same y. */
static void add_panel(dv_buf *out, const dv_plot *p, const matrix *m, size_t panel, bool *first)
{
	const uint64_t *c = m->counts + panel * m->n * m->n;
	size_t line = panel % p->def->n;

	for (size_t y = 0; y < m->n; y++) {
		uint64_t sum = 0;

		for (size_t x = 0; x < m->n; x++)
			sum += c[y * m->n + x];
		for (size_t x = 0; x < m->n; x++) {
			uint64_t n = c[y * m->n + x];

			add_label(out, *first ? "{\"x\":" : ",{\"x\":", m, x);
			add_label(out, ",\"y\":", m, y);
			add_text(out, ",\"rev\":", p->revs[panel / p->def->n]);
			if (p->def->n > 1)
				add_line_name(out, ",\"line\":", p->def, line);
			dv_buf_addf(out, ",\"count\":%llu,\"share\":%.6g}", (unsigned long long)n,
				    sum ? (double)n / (double)sum : 0);
			*first = false;
		}
	}
}

static bool is_empty(const matrix *m, size_t panel)
{
	for (size_t i = 0; i < m->n * m->n; i++)
		if (m->counts[panel * m->n * m->n + i])
			return false;
	return true;
}

static void add_label_axis(dv_buf *out, const char *name, const matrix *m, const char *title)
{
	dv_buf_addf(out, "\"%s\":{\"field\":\"%s\",\"type\":\"nominal\"", name, name);
	add_text(out, ",\"title\":", title);
	dv_buf_adds(out, ",\"sort\":[");
	for (size_t i = 0; i < m->n; i++)
		add_label(out, i ? "," : "", m, i);
	dv_buf_adds(out, "]}");
}

static int add_matrix(dv_buf *out, const dv_plot *p, const seen *s, const char *x, const char *y)
{
	__attribute__((cleanup(matrix_release))) matrix m = { 0 };
	bool share = p->def->form == DV_PLOT_CONFUSION_NORMALIZED, first = true;
	int rc = find_labels(p, &m);

	if (rc || (rc = count(p, &m)))
		return rc;
	dv_buf_adds(out, "\"data\":{\"values\":[");
	for (size_t i = 0; i < p->nrevs * p->def->n; i++)
		if (!is_empty(&m, i))
			add_panel(out, p, &m, i, &first);
	dv_buf_adds(out, "]},\"facet\":{\"column\":{\"field\":\"rev\",\"type\":\"nominal\","
		    "\"title\":\"revision\"");
	add_order(out, p, s, true);
	dv_buf_addc(out, '}');
	if (p->def->n > 1) {
		dv_buf_adds(out, ",\"row\":{\"field\":\"line\",\"type\":\"nominal\","
			    "\"title\":\"data\"");
		add_order(out, p, s, false);
		dv_buf_addc(out, '}');
	}
	dv_buf_adds(out, "},\"spec\":{\"encoding\":{");
	add_label_axis(out, "x", &m, x);
	dv_buf_addc(out, ',');
	add_label_axis(out, "y", &m, y);
	dv_buf_addf(out, "},\"layer\":[{\"mark\":{\"type\":\"rect\",\"tooltip\":true},\"encoding\":"
		    "{\"color\":{\"field\":\"%s\",\"type\":\"quantitative\",\"title\":\"%s\","
		    "\"scale\":{\"scheme\":\"blues\"%s}}}},", share ? "share" : "count",
		    share ? "share" : "count", share ? ",\"domain\":[0,1]" : "");
	dv_buf_addf(out, "{\"mark\":\"text\",\"encoding\":{\"text\":{\"field\":\"%s\",\"type\":"
		    "\"quantitative\",\"format\":\"%s\"}}}]}", share ? "share" : "count",
		    share ? ".2f" : "d");
	return 0;
}

/* -- all --------------------------------------------------------------------------------------- */

int dv_plot_spec(dv_buf *out, const dv_plot *p)
{
	const dv_plot_def *d = p->def;
	const char *x = d->x_label ? d->x_label : p->x_name ? p->x_name : "step";
	const char *y = d->y_label ? d->y_label : p->y_name ? p->y_name : "value";
	bool is_matrix = d->form == DV_PLOT_CONFUSION || d->form == DV_PLOT_CONFUSION_NORMALIZED;
	seen s;
	int rc = 0;

	look(p, &s);
	dv_buf_adds(out, "{\"$schema\":\"" SCHEMA "\"");
	add_text(out, ",\"title\":", d->title ? d->title : d->id);
	dv_buf_adds(out, is_matrix ? "," : ",\"width\":420,\"height\":280,");
	if (is_matrix)
		rc = add_matrix(out, p, &s, x, y);
	else
		add_rows(out, p, &s);
	if (!is_matrix && (d->form == DV_PLOT_BAR || d->form == DV_PLOT_BAR_SORTED))
		add_bars(out, p, &s, x, y);
	else if (!is_matrix)
		add_lines(out, p, &s, x, y);
	dv_buf_addc(out, '}');
	return rc ? rc : out->err;
}
