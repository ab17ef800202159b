/* SPDX-License-Identifier: Apache-2.0 */
/* One stage: from the dict that stands in a pipeline file, templates replaced, to its parts. */
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/words.h"
#include "pipeline/stage.h"

#define RETRY_MAX 100

/* -- what is expected -------------------------------------------------------------------------- */

static int wrong_kind(const dv_value *v, const char *what, const char *expected)
{
	return dv_err_at(DV_ERROR, &v->at, "'%s' is %s, and %s is expected", what,
			 dv_value_kind_name(v->kind), expected);
}

int dv_stage_check_keys(dv_value *dict, const char *const *known, const char *what)
{
	for (size_t i = 0; i < dict->n; i++) {
		const char *key = dict->members[i].key, *best = NULL;
		unsigned least = 3;
		bool found = false;

		for (const char *const *k = known; *k && !found; k++) {
			unsigned d = dv_edit_distance(key, *k);

			found = d == 0;
			if (d < least)
				least = d, best = *k;
		}
		if (found)
			continue;
		int rc = dv_err_at(DV_ERROR, &dict->members[i].at, "'%s' is no key of %s", key,
				   what);
		return best ? dv_err_hint(rc, "did you mean '%s'", best) : rc;
	}
	return 0;
}

static int want_text(dv_value *v, const char *what, const char **out)
{
	*out = v->s;
	return v->kind == DV_VALUE_STRING ? 0 : wrong_kind(v, what, "text");
}

static int want_bool(dv_value *v, const char *what, bool *out)
{
	*out = v->b;
	return v->kind == DV_VALUE_BOOL ? 0 : wrong_kind(v, what, "true or false");
}

static int opt_text(dv_value *dict, const char *key, const char **out)
{
	dv_value *v = dv_value_get(dict, key);

	return v && v->kind != DV_VALUE_NULL ? want_text(v, key, out) : 0;
}

static int opt_bool(dv_value *dict, const char *key, bool *out)
{
	dv_value *v = dv_value_get(dict, key);

	return v && v->kind != DV_VALUE_NULL ? want_bool(v, key, out) : 0;
}

/* A list by its key; *n is 0 when there is none. */
static int opt_list(dv_value *dict, const char *key, dv_value **out, size_t *n)
{
	*out = dv_value_get(dict, key);
	*n = 0;
	if (!*out || (*out)->kind == DV_VALUE_NULL)
		return 0;
	*n = (*out)->n;
	return (*out)->kind == DV_VALUE_LIST ? 0 : wrong_kind(*out, key, "a list");
}

/* The text of a path; a number is a name too. */
static const char *path_text(dv_arena *a, const dv_value *v)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	if (v->kind == DV_VALUE_STRING)
		return v->s;
	return dv_value_text(&b, v) ? NULL : dv_arena_strdup(a, dv_buf_str(&b));
}

/* -- paths ------------------------------------------------------------------------------------- */

const char *dv_stage_path(dv_arena *a, const char *dir, const char *written)
{
	dv_autofree char *joined = dv_path_join(dir, written);
	dv_autofree char *normal = joined ? dv_path_normal(joined) : NULL;

	if (!normal) {
		dv_err_nomem();
		return NULL;
	}
	return dv_arena_strdup(a, strcmp(normal, ".") ? normal : "");
}

static bool outside(const char *path)
{
	return *path == '/' || !strcmp(path, "..") || !strncmp(path, "../", 3);
}

int dv_stage_inner_path(dv_arena *a, const char *dir, const char *written, const dv_spot *at,
			const char *what, const char **out)
{
	*out = dv_stage_path(a, dir, written);
	if (!*out)
		return DV_ERROR;
	if (outside(*out) || !**out)
		return dv_err_at(DV_EUNSAFE, at, "the %s '%s' is %s", what, written,
				 **out ? "outside the workspace" : "the workspace itself");
	if (dv_repo_is_own(*out))
		return dv_err_at(DV_EUNSAFE, at, "the %s '%s' lies in a folder of git or dv", what,
				 written);
	return 0;
}

/* -- parts ------------------------------------------------------------------------------------- */

static int parse_deps(dv_arena *a, dv_value *body, dv_stage *s)
{
	dv_value *list;
	int rc = opt_list(body, "deps", &list, &s->ndeps);

	if (rc || !s->ndeps)
		return rc;
	s->deps = dv_arena_alloc(a, s->ndeps * sizeof(*s->deps));
	if (!s->deps)
		return DV_ERROR;
	for (size_t i = 0; i < s->ndeps; i++) {
		dv_value *v = list->items[i];
		dv_stage_dep *d = &s->deps[i];

		if (!dv_value_is_scalar(v))
			return wrong_kind(v, "deps", "a path");
		d->at = v->at;
		d->written = path_text(a, v);
		if (!d->written)
			return DV_ERROR;
		if (strstr(d->written, "://"))
			return dv_err_hint(dv_err_at(DV_ERROR, &v->at, "the dependency '%s' is a "
						     "URL", d->written),
					   "bring it into the workspace with 'dv import-url'");
		d->path = dv_stage_path(a, s->wdir, d->written);
		if (!d->path)
			return DV_ERROR;
		d->outside = outside(d->path);
	}
	return 0;
}

static int compare_keys(const void *x, const void *y)
{
	return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static int compare_params(const void *x, const void *y)
{
	const dv_stage_params *a = x, *b = y;
	bool da = !strcmp(a->written, DV_PARAMS_FILE), db = !strcmp(b->written, DV_PARAMS_FILE);

	return da != db ? (da ? -1 : 1) : strcmp(a->path, b->path);
}

/* The entry of a file, made when it is new. */
static dv_stage_params *params_of(dv_arena *a, dv_stage *s, size_t *cap, const char *written,
				  const dv_spot *at)
{
	const char *path;

	if (dv_stage_inner_path(a, s->wdir, written, at, "parameter file", &path))
		return NULL;
	for (size_t i = 0; i < s->nparams; i++)
		if (!strcmp(s->params[i].path, path))
			return &s->params[i];
	if (dv_arena_grow(a, &s->params, cap, s->nparams + 1, sizeof(*s->params)))
		return NULL;
	dv_stage_params *p = &s->params[s->nparams++];
	*p = (dv_stage_params){ .written = written, .path = path, .at = *at };
	return p;
}

static int add_keys(dv_arena *a, dv_stage_params *p, dv_value *keys)
{
	if (keys->kind == DV_VALUE_NULL || (keys->kind == DV_VALUE_LIST && keys->n == 0)) {
		p->whole = true;
		return 0;
	}
	size_t n = keys->kind == DV_VALUE_LIST ? keys->n : 1;
	const char **all = dv_arena_alloc(a, (p->nkeys + n) * sizeof(*all));
	if (!all)
		return DV_ERROR;
	if (p->nkeys)
		memcpy(all, p->keys, p->nkeys * sizeof(*all));
	for (size_t i = 0; i < n; i++) {
		dv_value *v = keys->kind == DV_VALUE_LIST ? keys->items[i] : keys;

		if (!dv_value_is_scalar(v))
			return wrong_kind(v, "params", "the name of a parameter");
		if (!(all[p->nkeys++] = path_text(a, v)))
			return DV_ERROR;
	}
	p->keys = all;
	return 0;
}

static int parse_params(dv_arena *a, dv_value *body, dv_stage *s)
{
	dv_value *list;
	size_t n, cap = 0;
	int rc = opt_list(body, "params", &list, &n);

	for (size_t i = 0; rc == 0 && i < n; i++) {
		dv_value *v = list->items[i];
		dv_stage_params *p;

		if (v->kind == DV_VALUE_LIST || v->kind == DV_VALUE_NULL)
			return wrong_kind(v, "params", "the name of a parameter or FILE: [NAMES]");
		if (v->kind != DV_VALUE_DICT) {
			p = params_of(a, s, &cap, DV_PARAMS_FILE, &v->at);
			rc = p ? add_keys(a, p, v) : dv_error_last()->code;
			continue;
		}
		for (size_t k = 0; rc == 0 && k < v->n; k++) {
			p = params_of(a, s, &cap, v->members[k].key, &v->members[k].at);
			rc = p ? add_keys(a, p, v->members[k].value) : dv_error_last()->code;
		}
	}
	for (size_t i = 0; rc == 0 && i < s->nparams; i++) {
		dv_stage_params *p = &s->params[i];
		size_t kept = 0;

		p->nkeys = p->whole ? 0 : p->nkeys;
		if (p->nkeys)
			qsort(p->keys, p->nkeys, sizeof(*p->keys), compare_keys);
		for (size_t k = 0; k < p->nkeys; k++)
			if (!kept || strcmp(p->keys[kept - 1], p->keys[k]) != 0)
				p->keys[kept++] = p->keys[k];
		p->nkeys = kept;
	}
	if (s->nparams)
		qsort(s->params, s->nparams, sizeof(*s->params), compare_params);
	return rc;
}

static int parse_out_options(dv_arena *a, dv_value *dict, dv_stage_out *o)
{
	static const char *const plain[] = { "cache", "persist", "remote", "push", "desc", "type",
					     "labels", "meta", NULL };
	static const char *const plot[] = { "cache", "persist", "remote", "push", "desc", "type",
					    "labels", "meta", "template", "x", "y", "x_label",
					    "y_label", "title", "header", "x_scale", "y_scale",
					    NULL };
	int rc = dv_stage_check_keys(dict, o->kind == DV_OUT_PLOT ? plot : plain, "an output");

	if (rc || (rc = opt_bool(dict, "cache", &o->cache)) ||
	    (rc = opt_bool(dict, "persist", &o->persist)) ||
	    (rc = opt_bool(dict, "push", &o->push)) ||
	    (rc = opt_text(dict, "remote", &o->remote)) || (rc = opt_text(dict, "desc", &o->desc)))
		return rc;
	(void)a;
	o->props = o->kind == DV_OUT_PLOT ? dict : NULL;
	return 0;
}

static int parse_out(dv_arena *a, const dv_stage *s, dv_value *v, dv_stage_out *o)
{
	dv_value *options = NULL;
	int rc = 0;

	o->cache = o->push = true;
	o->at = v->at;
	if (v->kind == DV_VALUE_DICT) {
		if (v->n != 1)
			return dv_err_at(DV_ERROR, &v->at, "an output is a path, or PATH: OPTIONS");
		o->written = v->members[0].key;
		o->at = v->members[0].at;
		options = v->members[0].value;
	} else if (dv_value_is_scalar(v) && v->kind != DV_VALUE_NULL) {
		o->written = path_text(a, v);
	} else {
		return wrong_kind(v, "outs", "a path");
	}
	if (!o->written)
		return DV_ERROR;
	if (options && options->kind == DV_VALUE_DICT)
		rc = parse_out_options(a, options, o);
	else if (options && options->kind != DV_VALUE_NULL)
		rc = wrong_kind(options, o->written, "a dict of options");
	if (rc || (rc = dv_stage_inner_path(a, s->wdir, o->written, &o->at, "output", &o->path)))
		return rc;
	if (dv_repo_is_meta(dv_path_base(o->path)))
		return dv_err_at(DV_EUNSAFE, &o->at, "the output '%s' has a name that git or dv "
				 "gives a meaning", o->written);
	return 0;
}

static int parse_outs(dv_arena *a, dv_value *body, dv_stage *s)
{
	static const char *const keys[] = { [DV_OUT_PLAIN] = "outs", [DV_OUT_METRIC] = "metrics",
					    [DV_OUT_PLOT] = "plots" };
	dv_value *lists[3];
	size_t n[3];
	int rc = 0;

	for (int k = 0; k < 3 && rc == 0; k++)
		rc = opt_list(body, keys[k], &lists[k], &n[k]);
	if (rc || n[0] + n[1] + n[2] == 0)
		return rc;
	s->outs = dv_arena_alloc(a, (n[0] + n[1] + n[2]) * sizeof(*s->outs));
	if (!s->outs)
		return DV_ERROR;
	for (int k = 0; k < 3; k++)
		for (size_t i = 0; i < n[k]; i++) {
			dv_stage_out *o = &s->outs[s->nouts++];

			o->kind = (enum dv_stage_out_kind)k;
			if ((rc = parse_out(a, s, lists[k]->items[i], o)))
				return rc;
		}
	return 0;
}

static int parse_cmd(dv_value *body, const char *name, const dv_spot *at, dv_stage *s)
{
	s->cmd = dv_value_get(body, "cmd");
	if (!s->cmd || s->cmd->kind == DV_VALUE_NULL)
		return dv_err_hint(dv_err_at(DV_ERROR, at, "the stage '%s' has no 'cmd'", name),
				   "say what the stage runs, as in 'cmd: python train.py'");
	if (s->cmd->kind == DV_VALUE_STRING)
		return 0;
	if (s->cmd->kind != DV_VALUE_LIST || s->cmd->n == 0)
		return wrong_kind(s->cmd, "cmd", "a command or a list of commands");
	for (size_t i = 0; i < s->cmd->n; i++)
		if (s->cmd->items[i]->kind != DV_VALUE_STRING)
			return wrong_kind(s->cmd->items[i], "cmd", "a command");
	return 0;
}

static int parse_env(dv_arena *a, dv_value *body, dv_stage *s)
{
	dv_value *list;
	int rc = opt_list(body, "env", &list, &s->nenv);

	if (rc || !s->nenv)
		return rc;
	s->env = dv_arena_alloc(a, s->nenv * sizeof(*s->env));
	for (size_t i = 0; s->env && rc == 0 && i < s->nenv; i++)
		rc = want_text(list->items[i], "env", &s->env[i]);
	return s->env ? rc : DV_ERROR;
}

static int parse_executor(dv_arena *a, const dv_pipeline_file *f, dv_value *body, dv_stage *s)
{
	const dv_value *v = dv_value_get(body, "executor");
	int rc = 0;

	if (v && v->kind != DV_VALUE_NULL && (rc = dv_executor_check(v)))
		return rc;
	s->executor = v && v->kind != DV_VALUE_NULL ? v->s : f->executor ? f->executor : "local";
	s->resources = dv_value_get(body, "resources");
	if (s->resources && s->resources->kind == DV_VALUE_NULL)
		s->resources = NULL;
	if (!s->resources && !f->resources)
		return 0;
	return dv_resources_options(a, s->resources, f->resources, &s->sbatch, &s->nsbatch);
}

static int parse_running(dv_arena *a, const dv_pipeline_file *f, dv_value *body, dv_stage *s)
{
	dv_value *retry = dv_value_get(body, "retry");
	int rc = opt_bool(body, "frozen", &s->frozen);

	if (rc || (rc = opt_bool(body, "always_changed", &s->always_changed)) ||
	    (rc = opt_text(body, "desc", &s->desc)) || (rc = parse_env(a, body, s)) ||
	    (rc = parse_executor(a, f, body, s)) || (rc = opt_text(body, "image", &s->image)))
		return rc;
	s->meta = dv_value_get(body, "meta");
	if (retry && (retry->kind != DV_VALUE_INT || retry->s || retry->i < 0 ||
		      retry->i > RETRY_MAX))
		return dv_err_at(DV_ERROR, &retry->at, "'retry' is a number from 0 to %d",
				 RETRY_MAX);
	s->retry = retry ? (unsigned)retry->i : 0;
	return 0;
}

/* -- names that are used twice ----------------------------------------------------------------- */

static int check_twice(const dv_stage *s)
{
	for (size_t i = 0; i < s->nouts; i++) {
		for (size_t k = 0; k < i; k++)
			if (!strcmp(s->outs[i].path, s->outs[k].path))
				return dv_err_at(DV_ERROR, &s->outs[i].at, "the output '%s' is "
						 "there twice", s->outs[i].written);
		for (size_t k = 0; k < s->ndeps; k++)
			if (!strcmp(s->outs[i].path, s->deps[k].path))
				return dv_err_at(DV_ERROR, &s->outs[i].at, "'%s' is both an output "
						 "and a dependency of the stage '%s'",
						 s->outs[i].written, s->name);
	}
	for (size_t i = 0; i < s->ndeps; i++)
		for (size_t k = 0; k < i; k++)
			if (!strcmp(s->deps[i].path, s->deps[k].path))
				return dv_err_at(DV_ERROR, &s->deps[i].at, "the dependency '%s' is "
						 "there twice", s->deps[i].written);
	return 0;
}

int dv_stage_parse(dv_arena *a, const dv_pipeline_file *f, const char *name, const dv_spot *at,
		   dv_value *body, dv_stage *s)
{
	static const char *const known[] = {
		"cmd", "wdir", "deps", "params", "outs", "metrics", "plots", "frozen",
		"always_changed", "desc", "meta", "vars", "env", "executor", "image", "resources",
		"retry", NULL,
	};
	const char *wdir = ".";

	*s = (dv_stage){ .file = f->path, .dir = f->dir, .name = name, .at = *at };
	if (body->kind != DV_VALUE_DICT)
		return wrong_kind(body, name, "a dict with 'cmd'");
	int rc = dv_stage_check_keys(body, known, "a stage");
	if (rc || (rc = opt_text(body, "wdir", &wdir)))
		return rc;
	s->wdir = dv_stage_path(a, f->dir, wdir);
	if (!s->wdir)
		return DV_ERROR;
	if (outside(s->wdir))
		return dv_err_at(DV_EUNSAFE, &dv_value_member(body, "wdir")->at,
				 "the folder '%s' is outside the workspace", wdir);
	if ((rc = parse_cmd(body, name, at, s)) || (rc = parse_deps(a, body, s)) ||
	    (rc = parse_params(a, body, s)) || (rc = parse_outs(a, body, s)) ||
	    (rc = parse_running(a, f, body, s)))
		return rc;
	return check_twice(s);
}
