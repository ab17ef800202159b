/* SPDX-License-Identifier: Apache-2.0 */
/* What pipeline files say about plots. */
#include <string.h>
#include <strings.h>

#include "base/words.h"
#include "pipeline/plots.h"

static const struct {
	const char *name;
	enum dv_plot_form form;
} forms[] = {
	{ "linear", DV_PLOT_LINEAR },
	{ "simple", DV_PLOT_SIMPLE },
	{ "smooth", DV_PLOT_SMOOTH },
	{ "scatter", DV_PLOT_SCATTER },
	{ "scatter_jitter", DV_PLOT_SCATTER },
	{ "confusion", DV_PLOT_CONFUSION },
	{ "confusion_normalized", DV_PLOT_CONFUSION_NORMALIZED },
	{ "bar_horizontal", DV_PLOT_BAR },
	{ "bar_horizontal_sorted", DV_PLOT_BAR_SORTED },
};

int dv_plot_form_of(const char *name, enum dv_plot_form *out)
{
	const char *near = NULL;
	unsigned least = 4;

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		unsigned d = dv_edit_distance(name, forms[i].name);

		if (d == 0) {
			*out = forms[i].form;
			return 0;
		}
		if (d < least)
			least = d, near = forms[i].name;
	}
	int rc = dv_err(DV_ENOTFOUND, "there is no template '%s'", name);
	return near ? dv_err_hint(rc, "did you mean '%s'", near) :
		      dv_err_hint(rc, "choose linear, simple, smooth, scatter, confusion, "
				  "confusion_normalized or bar_horizontal");
}

const char *dv_plot_image_type(const char *path)
{
	static const char *const types[][2] = {
		{ ".png", "image/png" }, { ".jpg", "image/jpeg" }, { ".jpeg", "image/jpeg" },
		{ ".gif", "image/gif" }, { ".svg", "image/svg+xml" }, { ".webp", "image/webp" },
	};
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; dot && i < sizeof(types) / sizeof(*types); i++)
		if (!strcasecmp(dot, types[i][0]))
			return types[i][1];
	return NULL;
}

int dv_plot_defs_put(dv_arena *a, dv_plot_defs *defs, const dv_plot_def *d)
{
	for (size_t i = 0; i < defs->n; i++)
		if (!strcmp(defs->d[i].id, d->id)) {
			defs->d[i] = *d;
			return 0;
		}
	int rc = dv_arena_grow(a, &defs->d, &defs->cap, defs->n + 1, sizeof(*d));
	if (rc == 0)
		defs->d[defs->n++] = *d;
	return rc;
}

/* -- options ----------------------------------------------------------------------------------- */

static int text_of(dv_value *options, const char *key, const char **out)
{
	dv_value *v = dv_value_get(options, key);

	if (!v || v->kind == DV_VALUE_NULL)
		return 0;
	if (v->kind != DV_VALUE_STRING)
		return dv_err_at(DV_ERROR, &v->at, "'%s' is %s, and text is expected", key,
				 dv_value_kind_name(v->kind));
	*out = v->s;
	return 0;
}

static int scale_of(dv_value *options, const char *key, bool *log)
{
	const char *word = "linear";
	int rc = text_of(options, key, &word);

	if (rc)
		return rc;
	*log = !strcmp(word, "log");
	if (!*log && strcmp(word, "linear") != 0)
		return dv_err_at(DV_ERROR, &dv_value_member(options, key)->at,
				 "'%s' is 'linear' or 'log'", key);
	return 0;
}

static int read_options(dv_value *options, dv_plot_def *d)
{
	dv_value *header = dv_value_get(options, "header");
	const char *name = NULL;
	int rc;

	if ((rc = text_of(options, "template", &name)) ||
	    (rc = text_of(options, "title", &d->title)) ||
	    (rc = text_of(options, "x_label", &d->x_label)) ||
	    (rc = text_of(options, "y_label", &d->y_label)) ||
	    (rc = scale_of(options, "x_scale", &d->x_log)) ||
	    (rc = scale_of(options, "y_scale", &d->y_log)))
		return rc;
	d->no_header = header && header->kind == DV_VALUE_BOOL && !header->b;
	if (name && (rc = dv_plot_form_of(name, &d->form))) {
		dv_error e;

		dv_error_take(&e);
		rc = dv_err_at(DV_ERROR, &dv_value_member(options, "template")->at, "%s",
			       e.message);
		return dv_err_hint(rc, "%s", e.hint);
	}
	return 0;
}

/* -- x and y ----------------------------------------------------------------------------------- */

static int bad_field(const dv_value *v)
{
	return dv_err_at(DV_ERROR, &v->at, "this is %s, and the name of a field is expected",
			 dv_value_kind_name(v->kind));
}

static int add_line(dv_arena *a, dv_plot_def *d, const char *path, const dv_value *field)
{
	int rc = 0;

	if (field && field->kind == DV_VALUE_LIST) {
		for (size_t i = 0; rc == 0 && i < field->n; i++)
			rc = field->items[i]->kind == DV_VALUE_STRING ?
			     add_line(a, d, path, field->items[i]) : bad_field(field->items[i]);
		return rc;
	}
	if (field && field->kind == DV_VALUE_NULL)
		field = NULL;
	if (field && field->kind != DV_VALUE_STRING)
		return bad_field(field);
	if (rc == 0)
		rc = dv_arena_grow(a, &d->lines, &d->cap, d->n + 1, sizeof(*d->lines));
	if (rc == 0)
		d->lines[d->n++] = (dv_plot_line){ .path = path, .y = field ? field->s : NULL };
	return rc;
}

static int inner(dv_arena *a, const char *dir, const dv_member *m, const char **out)
{
	return dv_stage_inner_path(a, dir, m->key, &m->at, "file of a plot", out);
}

/* "x" is a field, or {FILE: FIELD}: of the line's own file, else of the only one, else in turn. */
static int set_x(dv_arena *a, const char *dir, dv_plot_def *d, dv_value *x)
{
	if (!x || x->kind == DV_VALUE_NULL)
		return 0;
	if (x->kind != DV_VALUE_STRING && (x->kind != DV_VALUE_DICT || x->n == 0))
		return bad_field(x);
	for (size_t i = 0; i < d->n; i++) {
		dv_plot_line *l = &d->lines[i];
		const dv_member *m = NULL;

		if (x->kind == DV_VALUE_STRING) {
			l->x = x->s;
			continue;
		}
		for (size_t k = 0; k < x->n && !m; k++) {
			const char *path;
			int rc = inner(a, dir, &x->members[k], &path);

			if (rc)
				return rc;
			if (!strcmp(path, l->path))
				m = &x->members[k];
		}
		m = m ? m : &x->members[i < x->n ? i : x->n - 1];
		if (m->value->kind != DV_VALUE_STRING)
			return bad_field(m->value);
		l->x = m->value->s;
		int rc = inner(a, dir, m, &l->x_path);
		if (rc)
			return rc;
	}
	return 0;
}

static int read_axes(dv_arena *a, const char *dir, dv_value *options, const dv_spot *at,
		     dv_plot_def *d)
{
	dv_value *x = dv_value_get(options, "x"), *y = dv_value_get(options, "y");
	const char *path;
	int rc = 0;

	if (y && y->kind == DV_VALUE_DICT) {
		for (size_t i = 0; rc == 0 && i < y->n; i++) {
			rc = inner(a, dir, &y->members[i], &path);
			if (rc == 0)
				rc = add_line(a, d, path, y->members[i].value);
		}
	} else {
		rc = dv_stage_inner_path(a, dir, d->id, at, "plot", &path);
		d->path = d->id = path;
		rc = rc ? rc : add_line(a, d, path, y);
	}
	return rc ? rc : set_x(a, dir, d, x);
}

/* -- definitions ------------------------------------------------------------------------------- */

static int one_of_top(dv_arena *a, const dv_pipeline_file *f, dv_value *item, dv_plot_defs *defs)
{
	static const char *const known[] = { "x", "y", "x_label", "y_label", "title", "template",
					     "header", "x_scale", "y_scale", NULL };
	bool named = item->kind == DV_VALUE_DICT;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < (named ? item->n : 1); i++) {
		dv_value *options = named ? item->members[i].value : NULL;
		dv_plot_def d = { .id = named ? item->members[i].key : item->s };

		if (options && options->kind == DV_VALUE_NULL)
			options = NULL;
		if (options && options->kind != DV_VALUE_DICT)
			return dv_err_at(DV_ERROR, &options->at, "the plot '%s' is %s, and a dict "
					 "of options is expected", d.id,
					 dv_value_kind_name(options->kind));
		if (options && (rc = dv_stage_check_keys(options, known, "a plot")))
			return rc;
		if ((rc = read_options(options, &d)) ||
		    (rc = read_axes(a, f->dir, options, named ? &item->members[i].at : &item->at,
				    &d)))
			return rc;
		rc = dv_plot_defs_put(a, defs, &d);
	}
	return rc;
}

static int one_of_stage(dv_arena *a, const dv_stage *s, const dv_stage_out *o,
			dv_plot_defs *defs)
{
	dv_plot_def d = { .id = o->path, .path = o->path };
	dv_value *x = dv_value_get(o->props, "x");
	int rc = read_options(o->props, &d);

	if (rc == 0)
		rc = add_line(a, &d, o->path, dv_value_get(o->props, "y"));
	if (rc == 0)
		rc = set_x(a, s->wdir, &d, x);
	return rc ? rc : dv_plot_defs_put(a, defs, &d);
}

int dv_plot_defs_add(dv_arena *a, dv_plot_defs *defs, const dv_pipeline *p)
{
	int rc = 0;

	for (size_t i = 0; i < p->n; i++)
		for (size_t k = 0; rc == 0 && k < p->stages[i].nouts; k++)
			if (p->stages[i].outs[k].kind == DV_OUT_PLOT)
				rc = one_of_stage(a, &p->stages[i], &p->stages[i].outs[k],
						  defs);
	for (size_t i = 0; i < p->nfiles; i++) {
		const dv_value *list = p->files[i].plots;

		for (size_t k = 0; rc == 0 && list && k < list->n; k++)
			rc = one_of_top(a, &p->files[i], list->items[k], defs);
	}
	return rc;
}
