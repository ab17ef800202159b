/* SPDX-License-Identifier: Apache-2.0 */
/* dv_stage_add: a stage is put into words, into its file, and tried, before the file is written. */
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "pipeline/edit.h"
#include "pipeline/graph.h"

/* What a stage is made of; of one that is replaced, the other keys stay. */
static const char *const own_keys[] = { "cmd", "wdir", "deps", "params", "outs", "metrics", "plots",
					"frozen", "always_changed", NULL };

/* -- into words -------------------------------------------------------------------------------- */

static int set(dv_arena *a, dv_value *dict, const char *key, dv_value *v)
{
	return v ? dv_value_set(a, dict, key, NULL, v) : DV_ERROR;
}

static int set_text(dv_arena *a, dv_value *dict, const char *key, const char *text)
{
	return text ? set(a, dict, key, dv_value_string(a, text, NULL)) : 0;
}

static int set_true(dv_arena *a, dv_value *dict, const char *key, bool wanted, bool value)
{
	dv_value *v = dv_value_new(a, DV_VALUE_BOOL, NULL);

	if (v)
		v->b = value;
	return wanted ? set(a, dict, key, v) : 0;
}

/* The list of a key, made when it is new. */
static dv_value *list_of(dv_arena *a, dv_value *dict, const char *key)
{
	dv_value *v = dv_value_get(dict, key);

	if (v)
		return v;
	v = dv_value_new(a, DV_VALUE_LIST, NULL);
	return v && !set(a, dict, key, v) ? v : NULL;
}

/* Puts a text into its place in a sorted list; once. */
static int add_sorted(dv_arena *a, dv_value *list, const char *text)
{
	size_t at = 0;

	while (list && at < list->n && strcmp(list->items[at]->s, text) < 0)
		at++;
	if (!list || (at < list->n && !strcmp(list->items[at]->s, text)))
		return list ? 0 : DV_ERROR;
	dv_value *v = dv_value_string(a, text, NULL);
	int rc = v ? dv_value_append(a, list, v) : DV_ERROR;
	if (rc)
		return rc;
	memmove(&list->items[at + 1], &list->items[at],
		(list->n - 1 - at) * sizeof(*list->items));
	list->items[at] = v;
	return 0;
}

static int put_deps(dv_arena *a, dv_value *body, const dv_stage_new *s)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < s->ndeps; i++)
		rc = add_sorted(a, list_of(a, body, "deps"), s->deps[i]);
	return rc;
}

/* "FILE:a,b" goes into files[FILE], a list; an empty one is the whole file. */
static int gather_params(dv_arena *a, dv_value *files, const char *text)
{
	const char *colon = strrchr(text, ':');
	const char *file = colon ? dv_arena_strndup(a, text, (size_t)(colon - text)) : "";
	const char *s = colon ? colon + 1 : text;

	if (!file)
		return DV_ERROR;
	file = *file ? file : DV_PARAMS_FILE;
	dv_value *keys = list_of(a, files, file);
	bool any = false;
	while (*s) {
		size_t n = strcspn(s, ",");
		char *key = dv_arena_strndup(a, s, n);
		int rc = !key ? DV_ERROR : n ? add_sorted(a, keys, key) : 0;

		if (rc)
			return rc;
		any = any || n;
		s += n + (s[n] == ',');
	}
	if (!any && !colon)
		return dv_err(DV_EUSAGE, "'%s' names no parameter", text);
	if (!any && keys)
		keys->odd_key = true;	/* the whole file, whatever else is named */
	return keys ? 0 : DV_ERROR;
}

static int put_file_params(dv_arena *a, dv_value *params, const char *file, dv_value *keys)
{
	dv_value *dict = dv_value_new(a, DV_VALUE_DICT, NULL);
	bool whole = keys->odd_key;

	keys->odd_key = false;
	int rc = dict ? set(a, dict, file, whole ? dv_value_new(a, DV_VALUE_NULL, NULL) : keys) :
			DV_ERROR;
	return rc ? rc : dv_value_append(a, params, dict);
}

/* Those of params.yaml first, by name, then the other files. */
static int put_params(dv_arena *a, dv_value *body, const dv_stage_new *s)
{
	dv_value *files = dv_value_new(a, DV_VALUE_DICT, NULL);
	dv_value *names = dv_value_new(a, DV_VALUE_LIST, NULL);
	int rc = files && names ? 0 : DV_ERROR;

	for (size_t i = 0; rc == 0 && i < s->nparams; i++)
		rc = gather_params(a, files, s->params[i]);
	if (rc || !files->n)
		return rc;
	dv_value *params = list_of(a, body, "params");
	dv_value *usual = dv_value_get(files, DV_PARAMS_FILE);
	if (!params)
		return DV_ERROR;
	for (size_t i = 0; rc == 0 && usual && !usual->odd_key && i < usual->n; i++)
		rc = dv_value_append(a, params, usual->items[i]);
	for (size_t i = 0; rc == 0 && i < files->n; i++)
		if (files->members[i].value != usual || usual->odd_key)
			rc = add_sorted(a, names, files->members[i].key);
	for (size_t i = 0; rc == 0 && i < names->n; i++)
		rc = put_file_params(a, params, names->items[i]->s,
				     dv_value_get(files, names->items[i]->s));
	return rc;
}

/* The lists in the order in which they are written, each by path. */
static int compare_outs(const void *x, const void *y)
{
	const dv_stage_new_out *const *a = x, *const *b = y;

	return (*a)->type != (*b)->type ? ((*a)->type < (*b)->type ? -1 : 1) :
	       strcmp((*a)->path, (*b)->path);
}

static int put_out(dv_arena *a, dv_value *body, const dv_stage_new_out *o)
{
	static const char *const keys[] = { [DV_STAGE_OUT] = "outs", [DV_STAGE_METRIC] = "metrics",
					    [DV_STAGE_PLOT] = "plots" };
	dv_value *list = list_of(a, body, keys[o->type]);
	dv_value *options = dv_value_new(a, DV_VALUE_DICT, NULL);
	dv_value *v = dv_value_new(a, DV_VALUE_DICT, NULL);

	if (!list || !options || !v)
		return DV_ERROR;
	if (!o->no_cache && !o->persist)
		return dv_value_append(a, list, dv_value_string(a, o->path, NULL));
	int rc = set_true(a, options, "cache", o->no_cache, false);
	if (rc || (rc = set_true(a, options, "persist", o->persist, true)) ||
	    (rc = set(a, v, o->path, options)))
		return rc;
	return dv_value_append(a, list, v);
}

static int put_outs(dv_arena *a, dv_value *body, const dv_stage_new *s)
{
	const dv_stage_new_out **sorted = dv_arena_alloc(a, (s->nouts + 1) * sizeof(*sorted));
	int rc = sorted ? 0 : DV_ERROR;

	for (size_t i = 0; sorted && i < s->nouts; i++)
		sorted[i] = &s->outs[i];
	if (sorted)
		qsort(sorted, s->nouts, sizeof(*sorted), compare_outs);
	for (size_t i = 0; rc == 0 && i < s->nouts; i++)
		rc = put_out(a, body, sorted[i]);
	return rc;
}

static int put_into_words(dv_arena *a, const dv_stage_new *s, dv_value **out)
{
	dv_value *body = *out = dv_value_new(a, DV_VALUE_DICT, NULL);
	int rc;

	if (!body)
		return DV_ERROR;
	if ((rc = set_text(a, body, "desc", s->desc)) || (rc = set_text(a, body, "cmd", s->cmd)) ||
	    (rc = set_text(a, body, "wdir", s->wdir && strcmp(s->wdir, ".") ? s->wdir : NULL)) ||
	    (rc = put_deps(a, body, s)) || (rc = put_params(a, body, s)) ||
	    (rc = put_outs(a, body, s)))
		return rc;
	return set_true(a, body, "always_changed", s->always_changed, true);
}

/* -- into the file ----------------------------------------------------------------------------- */

static bool has_same(const dv_value *list, const dv_value *v)
{
	for (size_t i = 0; i < list->n; i++)
		if (dv_value_same(list->items[i], v))
			return true;
	return false;
}

/* A list in place of another: what is in both stays as it is written. */
static int change_list(dv_edit_file *f, const char *const *path, const dv_value *old,
		       dv_value *new_)
{
	size_t kept = 0;
	int rc = 0;

	for (size_t i = 0; i < old->n; i++)
		kept += has_same(new_, old->items[i]);
	if (!kept)
		return dv_yaml_set(&f->text, f->path, path, new_, dv_stage_keys);
	for (size_t i = old->n; rc == 0 && i-- > 0;)
		if (!has_same(new_, old->items[i]))
			rc = dv_yaml_take(&f->text, f->path, path, i);
	for (size_t i = 0; rc == 0 && i < new_->n; i++)
		if (!has_same(old, new_->items[i]))
			rc = dv_yaml_append(&f->text, f->path, path, new_->items[i]);
	return rc;
}

static int change_key(dv_edit_file *f, const char *const *path, const dv_value *old, dv_value *new_)
{
	if (!old && !new_)
		return 0;
	if (!new_)
		return dv_yaml_unset(&f->text, f->path, path);
	if (old && dv_value_same(old, new_))
		return 0;
	if (old && old->kind == DV_VALUE_LIST && new_->kind == DV_VALUE_LIST)
		return change_list(f, path, old, new_);
	return dv_yaml_set(&f->text, f->path, path, new_, dv_stage_keys);
}

/* Makes the stage that is there the new one, a key at a time. */
static int change_stage(dv_edit_file *f, const char *name, dv_value *old, dv_value *body)
{
	int rc = 0;

	if (old->kind != DV_VALUE_DICT || dv_value_get(old, "foreach") ||
	    dv_value_get(old, "matrix"))
		return dv_err_hint(dv_err_at(DV_ERROR, &old->at, "'%s' is a group of stages", name),
				   "edit '%s' by hand", f->path);
	if (dv_value_get(body, "desc")) {
		const char *const path[] = { "stages", name, "desc", NULL };

		rc = change_key(f, path, dv_value_get(old, "desc"), dv_value_get(body, "desc"));
	}
	for (const char *const *key = own_keys; rc == 0 && *key; key++) {
		const char *const path[] = { "stages", name, *key, NULL };

		rc = change_key(f, path, dv_value_get(old, *key), dv_value_get(body, *key));
	}
	return rc;
}

static int put_into_file(dv_edit *e, dv_edit_file *f, const dv_stage_new *s, dv_value *body)
{
	const char *const path[] = { "stages", s->name, NULL };
	dv_value *old = dv_edit_stage(f, s->name);
	int rc;

	if (old && !s->force)
		return dv_err_hint(dv_err_at(DV_EEXISTS, &old->at, "the stage '%s' is there "
					     "already", s->name), "replace it with '--force'");
	rc = old && old->kind != DV_VALUE_NULL ? change_stage(f, s->name, old, body) :
	     dv_yaml_set(&f->text, f->path, path, body, NULL);
	return rc ? rc : dv_edit_done(e, f);
}

/* -- does it fit? ------------------------------------------------------------------------------ */

static int check_out(dv_edit *e, const dv_stage_out *o)
{
	dv_autofree char *which = NULL;
	bool tracked = false;
	dv_git *git;

	if (dv_ignore_match(e->repo->ignore, o->path, false, NULL) ||
	    dv_ignore_match(e->repo->ignore, o->path, true, NULL))
		return dv_err_hint(dv_err(DV_EUSAGE, "the output '%s' is excluded by .dvignore",
					  o->path),
				   "run 'dv check-ignore -v %s' to see the rule", o->path);
	if (!o->cache || !e->repo->has_git)
		return 0;
	int rc = dv_repo_git(e->repo, &git);
	if (rc || (rc = dv_git_is_tracked(git, o->path, &tracked, &which)) || !tracked)
		return rc;
	return dv_err_hint(dv_err(DV_EEXISTS, "git tracks the output '%s'",
				  which ? which : o->path),
			   "run 'git rm -r --cached %s' first, or give it as one that dv does not "
			   "cache", o->path);
}

/* Loads all pipelines as they would be, and lets git ignore what the new stage makes. */
static int try_and_write(dv_edit *e, dv_edit_file *f, const char *name)
{
	dv_auto(dv_output_list) outputs = DV_OUTPUT_LIST_INIT;
	dv_auto(dv_pipeline) p = { .draft = f->path, .draft_text = &f->text };
	dv_auto(dv_graph) g = DV_GRAPH_INIT;
	const dv_stage *s = NULL;
	int rc = dv_pipeline_load(&p, e->repo, &outputs);

	if (rc || (rc = dv_graph_build(&g, &p, &outputs)))
		return rc;
	for (size_t i = 0; i < p.n; i++)
		if (!strcmp(p.stages[i].file, f->path) && !strcmp(p.stages[i].name, name))
			s = &p.stages[i];
	for (size_t i = 0; s && rc == 0 && i < s->nouts; i++)
		rc = check_out(e, &s->outs[i]);
	if (rc || (rc = dv_edit_write(e)))
		return rc;
	for (size_t i = 0; s && rc == 0 && i < s->nouts; i++)
		if (s->outs[i].cache)
			rc = dv_edit_ignore(e, s->outs[i].path, true);
	return rc;
}

int dv_stage_add(dv_repo *r, const dv_stage_new *s, dv_stage_change_cb cb, void *payload)
{
	dv_auto(dv_edit) e = { 0 };
	dv_autofree char *dir = NULL;
	dv_edit_file *f;
	dv_value *body;
	int rc;

	if (!s->name)
		return dv_err(DV_EUSAGE, "the stage has no name");
	if (!s->cmd || !*s->cmd)
		return dv_err(DV_EUSAGE, "the stage '%s' has no command", s->name);
	if ((rc = dv_stage_check_name(s->name, NULL)) || (rc = dv_repo_rel(r, ".", &dir)) ||
	    (rc = dv_edit_open(&e, r, s->no_stage)) ||
	    (rc = put_into_words(&e.arena, s, &body)) ||
	    (rc = dv_edit_file_in(&e, dir, true, &f)))
		return rc;
	if (dv_ignore_match(r->ignore, f->path, false, NULL))
		return dv_err(DV_EUSAGE, "'%s' is excluded by .dvignore", f->path);
	dv_auto(dv_buf) before = DV_BUF_INIT;
	dv_buf_add(&before, dv_buf_str(&f->text), f->text.n);
	if (before.err || (rc = put_into_file(&e, f, s, body)))
		return before.err ? before.err : rc;
	f->changed = before.n != f->text.n || memcmp(dv_buf_str(&before), dv_buf_str(&f->text),
						     before.n) != 0;
	if ((rc = try_and_write(&e, f, s->name)))
		return dv_err_ctx(rc, "the stage '%s' is not added", s->name);
	if ((rc = dv_edit_finish(&e)))
		return rc;
	return cb ? cb(f->path, s->name, f->changed, payload) : 0;
}
