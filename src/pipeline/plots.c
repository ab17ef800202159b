/* SPDX-License-Identifier: Apache-2.0 */
/* dv_plots: from what pipeline files describe, over the data of each revision, to a document. */
#include <string.h>

#include "base/alloc.h"
#include "base/base64.h"
#include "base/path.h"
#include "base/utf8.h"
#include "pipeline/plots.h"

#define IMAGE_MAX ((size_t)32 << 20)
#define PAGE_MAX ((size_t)1 << 30)
#define WORKSPACE "workspace"

typedef struct drawing {
	dv_repo *r;
	const dv_plots_options *o;
	dv_arena arena;
	const char **revs;
	dv_view *views;			/* of each revision; rev "" is one without a commit */
	size_t nrevs;
	dv_plot_defs defs;
	dv_buf json, errors;
	dv_plots_summary sum;
} drawing;

static void drawing_release(drawing *d)
{
	for (size_t i = 0; i < d->nrevs; i++)
		dv_view_release(&d->views[i]);
	free(d->views);
	free(d->revs);
	dv_buf_release(&d->json);
	dv_buf_release(&d->errors);
	dv_arena_release(&d->arena);
}

/* -- revisions --------------------------------------------------------------------------------- */

static int open_views(drawing *d)
{
	static const char *const here[] = { WORKSPACE };
	const char *const *revs = d->o->nrevs ? d->o->revs : here;
	size_t n = d->o->nrevs ? d->o->nrevs : 1;
	char hex[DV_GIT_HEX + 1];
	dv_git *g;

	d->revs = dv_reallocarray(NULL, n, sizeof(*d->revs));
	d->views = dv_calloc(n, sizeof(*d->views));
	if (!d->revs || !d->views)
		return DV_ERROR;
	for (size_t i = 0; i < n; i++) {
		dv_view v = { .r = d->r };
		int rc = 0;

		if (strcmp(revs[i], WORKSPACE) != 0) {
			v.rev = revs[i];
			rc = dv_repo_git(d->r, &g);
			if (rc == 0)
				rc = !strcmp(v.rev, "HEAD") ? dv_git_head(g, hex) :
							      dv_git_resolve(g, v.rev, hex);
			if (rc)
				return rc;
			if (!*hex)
				continue;
		}
		for (size_t k = 0; k < d->nrevs; k++)
			if (!strcmp(d->revs[k], revs[i]))
				return dv_err(DV_EUSAGE, "the revision '%s' is given twice",
					      revs[i]);
		d->revs[d->nrevs] = revs[i];
		d->views[d->nrevs++] = v;
	}
	return 0;
}

/* -- what is to be drawn ----------------------------------------------------------------------- */

static int described(drawing *d)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < d->nrevs; i++) {
		/* Definitions keep what they point to in the pipeline; the arena takes it over. */
		dv_pipeline *p = dv_arena_alloc(&d->arena, sizeof(*p));

		if (!p)
			return DV_ERROR;
		rc = dv_pipeline_load_view(p, &d->views[i]);
		if (rc == 0)
			rc = dv_plot_defs_add(&d->arena, &d->defs, p);
		dv_arena_adopt(&d->arena, &p->arena);
		dv_pipeline_release(p);
	}
	return rc;
}

/* What the command line says wins. */
static int override(const drawing *d, dv_plot_def *p)
{
	const dv_plots_options *o = d->o;

	p->title = o->title ? o->title : p->title;
	p->x_label = o->x_label ? o->x_label : p->x_label;
	p->y_label = o->y_label ? o->y_label : p->y_label;
	p->no_header |= o->no_header;
	for (size_t i = 0; i < p->n; i++) {
		p->lines[i].x = o->x ? o->x : p->lines[i].x;
		p->lines[i].x_path = o->x ? NULL : p->lines[i].x_path;
		p->lines[i].y = o->y ? o->y : p->lines[i].y;
	}
	return o->template_name ? dv_plot_form_of(o->template_name, &p->form) : 0;
}

/* A target is the name of a plot, or a path: of plots at or below it, or of a file that nothing
 * describes. */
static int choose_one(drawing *d, const dv_plot_defs *all, const char *target, dv_plot_defs *out)
{
	dv_autofree char *rel = NULL;
	bool any = false;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < all->n; i++)
		if (!strcmp(all->d[i].id, target)) {
			rc = dv_plot_defs_put(&d->arena, out, &all->d[i]);
			any = true;
		}
	if (any || rc || (rc = dv_repo_rel(d->r, target, &rel)))
		return rc;
	for (size_t i = 0; rc == 0 && i < all->n; i++)
		if (all->d[i].path && dv_path_below(all->d[i].path, rel, NULL)) {
			rc = dv_plot_defs_put(&d->arena, out, &all->d[i]);
			any = true;
		}
	if (any || rc)
		return rc;
	const char *path = dv_arena_strdup(&d->arena, rel);
	dv_plot_line *line = dv_arena_alloc(&d->arena, sizeof(*line));
	if (!path || !line)
		return DV_ERROR;
	line->path = path;
	/* Inside a folder that is described, what is said of that holds. */
	dv_plot_def one = { .id = path, .path = path, .lines = line, .n = 1 };
	for (size_t i = 0; i < all->n; i++)
		if (all->d[i].path && dv_path_below(rel, all->d[i].path, NULL)) {
			one.form = all->d[i].form;
			line->x = all->d[i].lines[0].x;
			line->y = all->d[i].lines[0].y;
		}
	return dv_plot_defs_put(&d->arena, out, &one);
}

static int choose(drawing *d)
{
	dv_plot_defs all = d->defs;
	int rc = 0;

	if (d->o->ntargets)
		d->defs = (dv_plot_defs){ 0 };
	for (size_t i = 0; rc == 0 && i < d->o->ntargets; i++)
		rc = choose_one(d, &all, d->o->targets[i], &d->defs);
	for (size_t i = 0; rc == 0 && i < d->defs.n; i++)
		rc = override(d, &d->defs.d[i]);
	return rc;
}

/* A definition of all that lies at a path becomes one for each file there. */
static int expand(drawing *d, const dv_plot_def *from, dv_plot_defs *out)
{
	dv_auto(dv_path_list) files = DV_PATH_LIST_INIT;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < d->nrevs; i++) {
		rc = dv_view_files(&d->views[i], from->path, &files);
		if (rc != DV_ENOTFOUND)
			continue;
		dv_warn("%s: %s", d->revs[i], dv_error_last()->message);
		dv_error_clear();
		rc = 0;
	}
	if (rc == 0 && files.n == 0)
		return dv_plot_defs_put(&d->arena, out, from);
	for (size_t i = 0; rc == 0 && i < files.n; i++) {
		dv_plot_def one = *from;

		one.id = one.path = dv_arena_strdup(&d->arena, files.p[i]);
		one.lines = dv_arena_alloc(&d->arena, from->n * sizeof(*one.lines));
		if (!one.id || !one.lines)
			return DV_ERROR;
		memcpy(one.lines, from->lines, from->n * sizeof(*one.lines));
		for (size_t k = 0; k < one.n; k++)
			if (!strcmp(one.lines[k].path, from->path))
				one.lines[k].path = one.path;
		rc = dv_plot_defs_put(&d->arena, out, &one);
	}
	return rc;
}

static int expand_all(drawing *d)
{
	dv_plot_defs out = { 0 };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < d->defs.n; i++)
		rc = d->defs.d[i].path ? expand(d, &d->defs.d[i], &out) :
					 dv_plot_defs_put(&d->arena, &out, &d->defs.d[i]);
	d->defs = out;
	return rc;
}

/* -- what cannot be drawn ---------------------------------------------------------------------- */

/* One plot that fails does not keep the others from being drawn. */
static int failed(drawing *d, const char *id, const char *rev, int rc)
{
	const dv_error *e = dv_error_last();

	if (rc == DV_ECANCELLED)
		return rc;
	dv_buf_adds(&d->errors, d->errors.n ? ",\n{\"id\":" : "{\"id\":");
	dv_utf8_json(&d->errors, id);
	if (rev) {
		dv_buf_adds(&d->errors, ",\"revision\":");
		dv_utf8_json(&d->errors, rev);
	}
	dv_buf_adds(&d->errors, ",\"message\":");
	dv_utf8_json(&d->errors, e->message);
	dv_buf_addc(&d->errors, '}');
	dv_warn("%s%s%s%s%s", rev ? rev : "", rev ? ": " : "", e->message, *e->hint ? "; " : "",
		e->hint);
	dv_error_clear();
	/* What was not made yet is no failure, unless it was asked for. */
	d->sum.nfailed += rc != DV_ENOTFOUND || d->o->ntargets;
	return d->errors.err;
}

static void start_entry(drawing *d, const char *id, const char *type)
{
	dv_buf_adds(&d->json, d->sum.nplots + d->sum.nimages ? ",\n{\"id\":" : "{\"id\":");
	dv_utf8_json(&d->json, id);
	dv_buf_addf(&d->json, ",\"type\":\"%s\"", type);
}

/* -- images ------------------------------------------------------------------------------------ */

static int draw_image(drawing *d, const dv_plot_def *p)
{
	bool any = false;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < d->nrevs; i++) {
		dv_auto(dv_buf) data = DV_BUF_INIT;

		rc = dv_view_read(&d->views[i], p->path, IMAGE_MAX, &data);
		if (rc == DV_ENOTFOUND) {
			dv_error_clear();
			rc = 0;
			continue;
		}
		any = true;
		if (rc) {
			rc = failed(d, p->id, d->revs[i], rc);
			continue;
		}
		if (d->json.n + data.n / 3 * 4 > PAGE_MAX)
			return dv_err(DV_ERROR, "the images take too much room for a page");
		start_entry(d, p->id, "image");
		dv_buf_adds(&d->json, ",\"revision\":");
		dv_utf8_json(&d->json, d->revs[i]);
		dv_buf_addf(&d->json, ",\"url\":\"data:%s;base64,", dv_plot_image_type(p->path));
		dv_base64(&d->json, data.p, data.n);
		rc = dv_buf_adds(&d->json, "\"}");
		d->sum.nimages++;
	}
	if (rc || any)
		return rc;
	return failed(d, p->id, NULL, dv_err(DV_ENOTFOUND, "there is no file '%s'", p->path));
}

/* -- lines ------------------------------------------------------------------------------------- */

typedef struct reading {
	drawing *d;
	dv_plot *plot;
	dv_arena *a;
	bool found;		/* some revision has a file of it */
} reading;

static int read_column(reading *rd, size_t rev, const char *path, const char *field,
		       const char *other, dv_column *out)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = dv_view_read(&rd->d->views[rev], path, DV_PLOT_FILE_MAX, &text);

	if (rc)
		return rc;
	rd->found = true;
	rc = dv_column_read(rd->a, dv_buf_str(&text), text.n, path, field, other,
			    rd->plot->def->no_header, out);
	/* What is wrong in the file is not that it is not there. */
	if (rc == DV_ENOTFOUND) {
		dv_error e;

		dv_error_take(&e);
		e.code = rc = DV_ERROR;
		dv_error_put(&e);
	}
	return rc;
}

static int add_rows(reading *rd, size_t rev, size_t line, const dv_column *x, const dv_column *y)
{
	dv_plot *p = rd->plot;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < y->n; i++) {
		dv_plot_row row = { .rev = (uint32_t)rev, .line = (uint32_t)line, .y = y->c[i] };

		if (x->name)
			row.x = i < x->n ? x->c[i] : (dv_cell){ DV_CELL_NONE, NULL };
		else
			row.x = (dv_cell){ DV_CELL_NUMBER, dv_arena_printf(rd->a, "%zu", i) };
		if (row.y.kind == DV_CELL_NONE || row.x.kind == DV_CELL_NONE)
			continue;
		if (p->n >= DV_PLOT_ROWS_MAX)
			return dv_err(DV_ERROR, "the plot '%s' has more than %d rows", p->def->id,
				      DV_PLOT_ROWS_MAX);
		rc = row.x.s ? dv_grow(&p->rows, &p->cap, p->n + 1, sizeof(row)) : DV_ERROR;
		if (rc == 0)
			p->rows[p->n++] = row;
	}
	return rc;
}

/* The name of an axis, when it is the same for all lines. */
static void note_name(const char **name, const char *found)
{
	if (!*name)
		*name = found;
	else if (!found || strcmp(*name, found) != 0)
		*name = "value";
}

static int read_line(reading *rd, size_t rev, size_t i)
{
	const dv_plot_line *l = &rd->plot->def->lines[i];
	const char *x_path = l->x_path ? l->x_path : l->path;
	dv_column x = { 0 }, y = { 0 };
	int rc = read_column(rd, rev, l->path, l->y,
			     l->x && !strcmp(x_path, l->path) ? l->x : NULL, &y);

	if (rc == 0 && l->x)
		rc = read_column(rd, rev, x_path, l->x, NULL, &x);
	if (rc)
		return rc;
	note_name(&rd->plot->x_name, x.name ? x.name : "step");
	note_name(&rd->plot->y_name, y.name);
	return add_rows(rd, rev, i, &x, &y);
}

static int read_lines(reading *rd)
{
	drawing *d = rd->d;
	int rc = 0;

	for (size_t i = 0; i < d->nrevs; i++)
		for (size_t k = 0; rc == 0 && k < rd->plot->def->n; k++) {
			rc = read_line(rd, i, k);
			if (rc == DV_ENOTFOUND) {
				dv_error_clear();
				rc = 0;
			} else if (rc) {
				rc = failed(d, rd->plot->def->id, d->revs[i], rc);
			}
		}
	return rc;
}

static int add_plot(drawing *d, const dv_plot *p)
{
	size_t before = d->json.n, errors = d->sum.nfailed;
	bool revs[64] = { false }, first = true;

	start_entry(d, p->def->id, "vega");
	for (size_t i = 0; i < p->n; i++)
		if (p->rows[i].rev < 64)
			revs[p->rows[i].rev] = true;
	dv_buf_adds(&d->json, ",\"revisions\":[");
	for (size_t i = 0; i < p->nrevs; i++)
		if (i >= 64 || revs[i]) {
			dv_buf_adds(&d->json, first ? "" : ",");
			dv_utf8_json(&d->json, p->revs[i]);
			first = false;
		}
	dv_buf_adds(&d->json, "],\"content\":");
	int rc = dv_plot_spec(&d->json, p);
	if (rc)
		rc = failed(d, p->def->id, NULL, rc);
	if (d->sum.nfailed > errors)
		d->json.n = before;
	else
		rc = dv_buf_addc(&d->json, '}');
	d->sum.nplots += d->sum.nfailed == errors;
	if (rc == 0 && d->json.n > PAGE_MAX)
		return dv_err(DV_ERROR, "the plots take too much room for a page");
	return rc;
}

static int draw_plot(drawing *d, const dv_plot_def *def)
{
	dv_auto(dv_arena) a = DV_ARENA_INIT;
	dv_plot p = { .def = def, .revs = d->revs, .nrevs = d->nrevs };
	reading rd = { .d = d, .plot = &p, .a = &a };
	uint64_t errors = d->sum.nfailed;
	int rc = read_lines(&rd);

	if (rc == 0 && p.n)
		rc = add_plot(d, &p);
	else if (rc == 0 && d->sum.nfailed == errors)
		rc = failed(d, def->id, NULL,
			    rd.found ? dv_err(DV_ERROR, "the plot '%s' has no data", def->id) :
				       dv_err(DV_ENOTFOUND, "there is no file for the plot '%s'",
					      def->id));
	free(p.rows);
	return rc;
}

/* -- all --------------------------------------------------------------------------------------- */

static int draw(drawing *d, dv_buf *out)
{
	int rc;

	if ((rc = open_views(d)) || (rc = described(d)) || (rc = choose(d)) ||
	    (rc = expand_all(d)))
		return rc;
	dv_buf_adds(&d->json, "{\"revisions\":[");
	for (size_t i = 0; i < d->nrevs; i++) {
		dv_buf_adds(&d->json, i ? "," : "");
		dv_utf8_json(&d->json, d->revs[i]);
	}
	dv_buf_adds(&d->json, "],\"plots\":[\n");
	for (size_t i = 0; rc == 0 && i < d->defs.n; i++) {
		const dv_plot_def *p = &d->defs.d[i];

		rc = dv_check_cancel();
		if (rc == 0)
			rc = p->path && dv_plot_image_type(p->path) ? draw_image(d, p) :
								      draw_plot(d, p);
	}
	dv_buf_addf(&d->json, "\n],\"errors\":[%s]}\n", dv_buf_str(&d->errors));
	if (rc || d->json.err)
		return rc ? rc : d->json.err;
	if (!d->o->json)
		return dv_plot_page(out, &d->json);
	*out = d->json;
	d->json = (dv_buf)DV_BUF_INIT;
	return 0;
}

static int document(dv_repo *r, const dv_plots_options *o, dv_buf *out, dv_plots_summary *sum)
{
	__attribute__((cleanup(drawing_release))) drawing d = { .r = r, .o = DV_OR_ZERO(o) };
	int rc = draw(&d, out);

	*sum = d.sum;
	return rc;
}

static int partly(const dv_plots_summary *sum)
{
	return sum->nfailed ? dv_err(DV_EPARTIAL, "some plots could not be drawn; the warnings "
				     "name them") : 0;
}

int dv_plots(dv_repo *r, const dv_plots_options *o, dv_data_cb cb, void *payload,
	     dv_plots_summary *out)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_plots_summary *sum = DV_OR_ZERO(out);
	int rc = document(r, o, &text, sum);

	if (rc == 0)
		rc = cb(text.p, text.n, payload);
	return rc ? rc : partly(sum);
}

int dv_plots_write(dv_repo *r, const dv_plots_options *o, const char *path, dv_plots_summary *out)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_plots_summary *sum = DV_OR_ZERO(out);
	int rc = document(r, o, &text, sum);
	dv_autofree char *dir = rc ? NULL : dv_path_dir(path);

	if (rc == 0 && sum->nplots + sum->nimages == 0)
		return partly(sum);
	if (rc == 0)
		rc = dir ? dv_fs_mkdirs(dir) : dv_err_nomem();
	if (rc == 0)
		rc = dv_fs_write_file(path, text.p, text.n, 0);
	return rc ? rc : partly(sum);
}
