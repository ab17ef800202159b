/* SPDX-License-Identifier: Apache-2.0 */
/* The single values in files of parameters and of metrics. */
#include "pipeline/measures.h"

#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "pipeline/params.h"

/* What is read: path -> null (all of it) or a dict whose keys are wanted. */
typedef struct gathering {
	dv_leaves *out;
	dv_view *v;
	const dv_measuring *m;
	dv_value *files;
} gathering;

void dv_leaves_release(dv_leaves *l)
{
	dv_arena_release(&l->arena);
	*l = (dv_leaves)DV_LEAVES_INIT;
}

/* -- which files ------------------------------------------------------------------------------- */

static int want_all(gathering *g, const char *path)
{
	dv_arena *a = &g->out->arena;

	if (!path)
		return DV_ERROR;
	return dv_value_set(a, g->files, path, NULL, dv_value_new(a, DV_VALUE_NULL, NULL));
}

static int want_keys(gathering *g, const dv_stage_params *p)
{
	dv_arena *a = &g->out->arena;
	dv_value *keys = dv_value_get(g->files, p->path);
	int rc = 0;

	if (p->whole || (keys && keys->kind == DV_VALUE_NULL))
		return want_all(g, p->path);
	if (!keys) {
		keys = dv_value_new(a, DV_VALUE_DICT, NULL);
		rc = keys ? dv_value_set(a, g->files, p->path, NULL, keys) : DV_ERROR;
	}
	for (size_t i = 0; rc == 0 && i < p->nkeys; i++)
		rc = dv_value_set(a, keys, p->keys[i], NULL, dv_value_new(a, DV_VALUE_NULL, NULL));
	return rc;
}

/* The files of a list at the top of a pipeline file. */
static int want_list(gathering *g, const dv_pipeline_file *f, const dv_value *list,
		     const char *what)
{
	int rc = 0;

	for (size_t i = 0; list && rc == 0 && i < list->n; i++) {
		const dv_value *v = list->items[i];
		const char *path;

		rc = dv_stage_inner_path(&g->out->arena, f->dir, v->s, &v->at, what, &path);
		if (rc == 0)
			rc = want_all(g, path);
	}
	return rc;
}

/* "FILE" or "FILE:NAME,NAME" of "vars". */
static int want_source(gathering *g, const dv_pipeline_file *f, const dv_value *v)
{
	dv_arena *a = &g->out->arena;
	size_t n = strcspn(v->s, ":");
	dv_stage_params p = { .written = dv_arena_strndup(a, v->s, n), .whole = !v->s[n] };
	int rc = p.written ? dv_stage_inner_path(a, f->dir, p.written, &v->at,
						 "file of variables", &p.path) : DV_ERROR;

	if (rc == DV_EUNSAFE) {
		/* Outside the workspace there are no revisions. */
		dv_error_clear();
		return 0;
	}
	for (const char *s = v->s + n; rc == 0 && *s; s += n) {
		const char *key = NULL;
		size_t cap = p.nkeys;

		n = strcspn(++s, ",");
		key = dv_arena_strndup(a, s, n);
		rc = key ? dv_arena_grow(a, &p.keys, &cap, p.nkeys + 1, sizeof(key)) : DV_ERROR;
		if (rc == 0)
			p.keys[p.nkeys++] = key;
	}
	return rc ? rc : want_keys(g, &p);
}

/* What templates are filled with is told, too. */
static int want_vars(gathering *g, const dv_pipeline_file *f)
{
	dv_value *vars = dv_value_get(f->doc, "vars");
	int rc = 0;

	for (size_t i = 0; vars && vars->kind == DV_VALUE_LIST && rc == 0 && i < vars->n; i++)
		if (vars->items[i]->kind == DV_VALUE_STRING)
			rc = want_source(g, f, vars->items[i]);
	return rc;
}

static int want_params(gathering *g, const dv_pipeline *p)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && !g->m->deps && i < p->nfiles; i++) {
		const dv_pipeline_file *f = &p->files[i];

		rc = want_list(g, f, f->params, "file of parameters");
		if (rc == 0)
			rc = want_vars(g, f);
		if (rc == 0)
			rc = want_all(g, dv_stage_path(&g->out->arena, f->dir, DV_PARAMS_FILE));
	}
	if (rc == 0 && !g->m->deps)
		rc = want_all(g, DV_PARAMS_FILE);
	for (size_t i = 0; i < p->n; i++)
		for (size_t k = 0; rc == 0 && k < p->stages[i].nparams; k++)
			rc = want_keys(g, &p->stages[i].params[k]);
	return rc;
}

static int want_metrics(gathering *g, const dv_pipeline *p)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < p->nfiles; i++)
		rc = want_list(g, &p->files[i], p->files[i].metrics, "file of metrics");
	for (size_t i = 0; i < p->n; i++)
		for (size_t k = 0; rc == 0 && k < p->stages[i].nouts; k++)
			if (p->stages[i].outs[k].kind == DV_OUT_METRIC)
				rc = want_all(g, p->stages[i].outs[k].path);
	return rc;
}

static int want(gathering *g, dv_pipeline *p)
{
	int rc = 0;

	if (!g->m->ntargets) {
		rc = dv_pipeline_load_view(p, g->v);
		if (rc == 0)
			rc = g->m->what == DV_MEASURE_PARAMS ? want_params(g, p) :
							       want_metrics(g, p);
	}
	for (size_t i = 0; rc == 0 && i < g->m->ntargets; i++)
		rc = want_all(g, g->m->targets[i]);
	return rc;
}

/* -- what is in them --------------------------------------------------------------------------- */

static int add(gathering *g, const char *path, const char *key, const dv_value *v)
{
	dv_leaves *out = g->out;
	int rc = key ? dv_arena_grow(&out->arena, &out->l, &out->cap, out->n + 1,
				     sizeof(*out->l)) : DV_ERROR;

	if (rc == 0)
		out->l[out->n++] = (dv_leaf){ path, key, v };
	return rc;
}

/* Metrics are numbers and words; what is no metric is passed over. */
static bool counts(const gathering *g, const dv_value *v)
{
	if (g->m->what == DV_MEASURE_METRICS)
		return v->kind != DV_VALUE_NULL && v->kind != DV_VALUE_LIST;
	return true;
}

static int flatten(gathering *g, const char *path, const char *key, const dv_value *v, int depth)
{
	int rc = 0;

	if (v->kind != DV_VALUE_DICT || depth > DV_VALUE_DEPTH)
		return counts(g, v) ? add(g, path, key, v) : 0;
	for (size_t i = 0; rc == 0 && i < v->n; i++) {
		const dv_member *m = &v->members[i];
		const char *inner = *key ? dv_arena_printf(&g->out->arena, "%s.%s", key, m->key) :
					   m->key;

		rc = inner ? flatten(g, path, inner, m->value, depth + 1) : DV_ERROR;
	}
	return rc;
}

static int read_file(gathering *g, const char *path, const dv_value *keys)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_arena *a = &g->out->arena;
	dv_value *v = NULL;
	int rc = dv_view_read(g->v, path, DV_PARAMS_MAX, &text);

	if (rc)
		return rc;
	rc = g->m->what == DV_MEASURE_PARAMS ?
	     dv_params_parse(a, dv_buf_str(&text), text.n, path, &v) :
	     dv_data_parse(a, dv_buf_str(&text), text.n, path, &v);
	if (rc || keys->kind == DV_VALUE_NULL)
		return rc ? rc : flatten(g, path, "", v, 0);
	for (size_t i = 0; rc == 0 && i < keys->n; i++) {
		const char *key = keys->members[i].key;
		dv_value *one = dv_value_get(v, key);

		one = one ? one : dv_value_at(v, key);
		if (one)
			rc = flatten(g, path, key, one, 0);
	}
	return rc;
}

/* What cannot be read in one revision does not keep the others from being shown. */
static int take_file(gathering *g, const char *path, const dv_value *keys)
{
	int rc = read_file(g, path, keys);
	bool default_file = g->m->what == DV_MEASURE_PARAMS && !g->m->ntargets;

	if (rc == 0 || rc == DV_ECANCELLED)
		return rc;
	if (rc != DV_ENOTFOUND) {
		dv_warn("%s%s%s", g->v->rev ? g->v->rev : "", g->v->rev ? ": " : "",
			dv_error_last()->message);
		g->out->partly = true;
	} else if (g->m->tell_missing && !default_file) {
		dv_warn("%s", dv_error_last()->message);
	}
	dv_error_clear();
	return 0;
}

static int take_files(gathering *g)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < g->files->n; i++) {
		dv_auto(dv_path_list) paths = DV_PATH_LIST_INIT;
		const dv_member *f = &g->files->members[i];

		rc = dv_view_files(g->v, f->key, &paths);
		if (rc == DV_ENOTFOUND) {
			/* The listing of a directory that is not here. */
			dv_warn("%s", dv_error_last()->message);
			dv_error_clear();
			rc = 0;
		}
		if (rc == 0 && paths.n == 0)
			rc = take_file(g, f->key, f->value);
		for (size_t k = 0; rc == 0 && k < paths.n; k++) {
			const char *path = dv_arena_strdup(&g->out->arena, paths.p[k]);

			rc = path ? take_file(g, path, f->value) : DV_ERROR;
		}
	}
	return rc;
}

static int compare(const void *x, const void *y)
{
	const dv_leaf *a = x, *b = y;
	int c = strcmp(a->path, b->path);

	return c ? c : strcmp(a->key, b->key);
}

int dv_leaves_read(dv_leaves *out, dv_view *v, const dv_measuring *m)
{
	dv_auto(dv_pipeline) p = DV_PIPELINE_INIT;
	gathering g = { .out = out, .v = v, .m = m };
	size_t kept = 0;
	int rc;

	if (!(g.files = dv_value_new(&out->arena, DV_VALUE_DICT, NULL)))
		return DV_ERROR;
	if ((rc = want(&g, &p)) || (rc = take_files(&g)))
		return rc;
	if (out->n)
		qsort(out->l, out->n, sizeof(*out->l), compare);
	/* A key and a dict above it may both be wanted. */
	for (size_t i = 0; i < out->n; i++)
		if (!kept || compare(&out->l[kept - 1], &out->l[i]))
			out->l[kept++] = out->l[i];
	out->n = kept;
	return 0;
}
