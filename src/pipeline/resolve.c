/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a pipeline file as written to its stages: variables are loaded, groups (foreach, matrix)
 * expanded, templates replaced. What fails says where in the file.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "pipeline/params.h"
#include "pipeline/stage.h"
#include "pipeline/template.h"

#define MEMBERS_MAX 100000	/* of one group */

/* One file while it is resolved. */
typedef struct resolving {
	dv_pipeline *p;
	dv_repo *repo;
	dv_pipeline_file *f;
	dv_value *loaded;	/* path of a file -> null (all of it) or a list of its keys */
	dv_template_style style;
} resolving;

/* -- variables --------------------------------------------------------------------------------- */

static int loaded_before(resolving *r, const dv_spot *at, const char *path, dv_value *keys,
			 bool *skip)
{
	dv_value *before = dv_value_get(r->loaded, path);

	*skip = false;
	if (!before)
		return 0;
	if (!keys && before->kind == DV_VALUE_NULL) {
		*skip = true;
		return 0;
	}
	if (!keys || before->kind == DV_VALUE_NULL)
		return dv_err_at(DV_ERROR, at, "'%s' is loaded both whole and in part", path);
	for (size_t i = 0; i < keys->n; i++)
		for (size_t k = 0; k < before->n; k++)
			if (!strcmp(keys->items[i]->s, before->items[k]->s))
				return dv_err_at(DV_ERROR, at, "'%s' of '%s' is loaded twice",
						 keys->items[i]->s, path);
	return 0;
}

/* "file:a,b" -> the file's name and the list of keys, or NULL for all of it. */
static int split_source(dv_arena *a, const char *source, const dv_spot *at, const char **file,
			dv_value **keys)
{
	const char *colon = strrchr(source, ':');

	*keys = NULL;
	*file = source;
	if (!colon || !colon[1])
		return 0;
	*file = dv_arena_strndup(a, source, (size_t)(colon - source));
	*keys = dv_value_new(a, DV_VALUE_LIST, at);
	if (!*file || !*keys)
		return DV_ERROR;
	for (const char *s = colon + 1; *s;) {
		size_t n = strcspn(s, ",");
		char *word = dv_arena_strndup(a, s, n);
		int rc = word ? dv_value_append(a, *keys, dv_value_string(a, word, at)) : DV_ERROR;

		if (rc)
			return rc;
		s += n + (s[n] == ',');
	}
	return 0;
}

static int load_source(resolving *r, const char *dir, const char *source, const dv_spot *at,
		       bool optional, dv_value **vars)
{
	dv_arena *a = &r->p->arena;
	dv_value *keys, *all, *some;
	const char *file, *path;
	bool skip;
	int rc = split_source(a, source, at, &file, &keys);

	if (rc)
		return rc;
	if (!(path = dv_stage_path(a, dir, file)))
		return DV_ERROR;
	if ((rc = loaded_before(r, at, path, keys, &skip)) || skip)
		return rc;
	rc = r->p->view ? dv_params_read_view(a, r->p->view, path, &all) :
			  dv_params_read(a, r->repo, path, &all);
	if (rc == DV_ENOTFOUND && optional) {
		dv_error_clear();
		return 0;
	}
	if (rc == DV_ENOTFOUND)
		return dv_err_at(DV_ENOTFOUND, at, "the file of variables '%s' is not there", file);
	if (rc)
		return rc;
	some = keys ? dv_value_new(a, DV_VALUE_DICT, &all->at) : all;
	for (size_t i = 0; some && keys && i < keys->n; i++) {
		dv_value *v = dv_value_get(all, keys->items[i]->s);

		if (!v)
			return dv_err_at(DV_ERROR, at, "'%s' is not in '%s'", keys->items[i]->s,
					 file);
		if ((rc = dv_value_set(a, some, keys->items[i]->s, &v->at, v)))
			return rc;
	}
	if (!some || (rc = dv_vars_merge(a, vars, some)))
		return some ? rc : DV_ERROR;
	dv_value *mark = keys ? keys : dv_value_new(a, DV_VALUE_NULL, at);
	return dv_value_set(a, r->loaded, path, at, mark);
}

static int load_vars(resolving *r, const char *dir, dv_value *list, dv_value **vars)
{
	if (!list || list->kind == DV_VALUE_NULL)
		return 0;
	if (list->kind != DV_VALUE_LIST)
		return dv_err_at(DV_ERROR, &list->at, "'vars' is %s, and a list is expected",
				 dv_value_kind_name(list->kind));
	for (size_t i = 0; i < list->n; i++) {
		dv_value *v = list->items[i];
		int rc;

		if (v->kind == DV_VALUE_DICT)
			rc = dv_vars_merge(&r->p->arena, vars, v);
		else if (v->kind != DV_VALUE_STRING)
			rc = dv_err_at(DV_ERROR, &v->at, "'vars' holds dicts and names of files");
		else if (dv_template_has(v->s))
			rc = dv_err_at(DV_ERROR, &v->at, "'vars' cannot hold '${…}'");
		else
			rc = load_source(r, dir, v->s, &v->at, false, vars);
		if (rc)
			return rc;
	}
	return 0;
}

/* -- one stage --------------------------------------------------------------------------------- */

/* cmd is the one place where a dict may be written into text. */
static int resolve_cmd(resolving *r, const dv_scope *scope, dv_value *cmd, dv_value **out)
{
	dv_arena *a = &r->p->arena;

	*out = cmd;
	if (cmd->kind == DV_VALUE_STRING)
		return dv_template_has(cmd->s) ?
		       dv_template_text(a, scope, cmd->s, &cmd->at, &r->style, out) : 0;
	if (cmd->kind != DV_VALUE_LIST)
		return 0;
	*out = dv_value_new(a, DV_VALUE_LIST, &cmd->at);
	for (size_t i = 0; *out && i < cmd->n; i++) {
		dv_value *v;
		int rc = resolve_cmd(r, scope, cmd->items[i], &v);

		if (rc || (rc = dv_value_append(a, *out, v)))
			return rc;
	}
	return *out ? 0 : DV_ERROR;
}

/* Variables of the stage's own, seen from its folder, over those of the file. */
static int own_vars(resolving *r, const dv_scope *scope, dv_value *body, dv_scope *own)
{
	dv_value *list = dv_value_get(body, "vars"), *wdir = dv_value_get(body, "wdir");
	dv_arena *a = &r->p->arena;
	const char *dir = r->f->dir;

	*own = *scope;
	if (!list)
		return 0;
	if (wdir && wdir->kind == DV_VALUE_STRING) {
		int rc = dv_template_value(a, scope, wdir, true, &wdir);

		if (rc)
			return rc;
		if (wdir->kind == DV_VALUE_STRING && !(dir = dv_stage_path(a, dir, wdir->s)))
			return DV_ERROR;
	}
	/* The outermost scope is the file's: it is extended, and the inner ones stay above it. */
	dv_scope *file_scope = dv_arena_alloc(a, sizeof(*file_scope));
	dv_value *loaded = r->loaded;
	if (!file_scope || !(r->loaded = dv_value_new(a, DV_VALUE_DICT, NULL)))
		return DV_ERROR;
	file_scope->vars = r->f->vars;
	int rc = load_vars(r, dir, list, &file_scope->vars);
	r->loaded = loaded;
	if (scope->outer)
		own->outer = file_scope;
	else
		*own = *file_scope;
	return rc;
}

static int resolve_stage(resolving *r, const dv_scope *scope, const char *name, const char *group,
			 const dv_spot *at, dv_value *written)
{
	dv_arena *a = &r->p->arena;
	dv_value *body = dv_value_new(a, DV_VALUE_DICT, &written->at);
	dv_scope own;
	int rc = body ? own_vars(r, scope, written, &own) : DV_ERROR;

	for (size_t i = 0; rc == 0 && i < written->n; i++) {
		const dv_member *m = &written->members[i];
		dv_value *v = m->value;

		if (!strcmp(m->key, "vars"))
			continue;
		if (!strcmp(m->key, "cmd"))
			rc = resolve_cmd(r, &own, v, &v);
		else
			rc = dv_template_value(a, &own, v, strcmp(m->key, "meta") != 0, &v);
		if (rc == 0)
			rc = dv_value_set(a, body, m->key, &m->at, v);
	}
	if (rc == 0 && r->p->n >= DV_STAGES_MAX)
		rc = dv_err(DV_ERROR, "there are more than %d stages", DV_STAGES_MAX);
	if (rc == 0)
		rc = dv_grow(&r->p->stages, &r->p->cap, r->p->n + 1, sizeof(*r->p->stages));
	if (rc)
		return dv_err_ctx(rc, "stage '%s'", name);
	dv_stage *s = &r->p->stages[r->p->n];
	if ((rc = dv_stage_parse(a, r->f, name, at, body, s)))
		return rc;
	s->group = group;
	r->p->n++;
	return 0;
}

/* -- groups ------------------------------------------------------------------------------------ */

/* One member: `item` and `key` (may be NULL) are defined while it is resolved. */
static int resolve_member(resolving *r, const char *group, const char *suffix, const dv_spot *at,
			  dv_value *body, dv_value *item, dv_value *key)
{
	dv_arena *a = &r->p->arena;
	dv_value *locals = dv_value_new(a, DV_VALUE_DICT, at);
	const dv_scope file = { .vars = r->f->vars };
	const dv_scope scope = { .vars = locals, .outer = &file };
	const char *name = dv_arena_printf(a, "%s@%s", group, suffix);
	int rc = locals && name ? dv_value_set(a, locals, "item", at, item) : DV_ERROR;

	if (rc == 0 && key)
		rc = dv_value_set(a, locals, "key", at, key);
	return rc ? rc : resolve_stage(r, &scope, name, group, at, body);
}

static int scalar_text(dv_arena *a, const dv_value *v, const char **out)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	int rc = dv_value_text(&b, v);

	*out = rc ? NULL : dv_arena_strdup(a, dv_buf_str(&b));
	return rc ? rc : *out ? 0 : DV_ERROR;
}

static bool all_scalars(const dv_value *list)
{
	for (size_t i = 0; i < list->n; i++)
		if (!dv_value_is_scalar(list->items[i]))
			return false;
	return true;
}

static int resolve_foreach(resolving *r, const char *name, const dv_spot *at, dv_value *def)
{
	static const char *const known[] = { "foreach", "do", NULL };
	dv_value *over = dv_value_get(def, "foreach"), *body = dv_value_get(def, "do");
	dv_arena *a = &r->p->arena;
	const dv_scope file = { .vars = r->f->vars };
	int rc = dv_stage_check_keys(def, known, "a stage with 'foreach'");

	if (rc)
		return rc;
	if (!body || body->kind != DV_VALUE_DICT)
		return dv_err_at(DV_ERROR, at, "'foreach' of the stage '%s' needs a dict 'do'",
				 name);
	if ((rc = dv_template_value(a, &file, over, false, &over)))
		return rc;
	if ((over->kind != DV_VALUE_LIST && over->kind != DV_VALUE_DICT) || over->n > MEMBERS_MAX)
		return dv_err_at(DV_ERROR, &over->at, "'foreach' is %s, and a list or a dict of at "
				 "most %d is expected", dv_value_kind_name(over->kind),
				 MEMBERS_MAX);
	bool scalars = over->kind == DV_VALUE_LIST && all_scalars(over);
	dv_value *seen = dv_value_new(a, DV_VALUE_DICT, at);
	for (size_t i = 0; seen && rc == 0 && i < over->n; i++) {
		dv_value *item, *key = NULL;
		const char *suffix;

		if (over->kind == DV_VALUE_DICT) {
			item = over->members[i].value;
			suffix = over->members[i].key;
			key = dv_value_string(a, suffix, &item->at);
		} else {
			item = over->items[i];
			suffix = dv_arena_printf(a, "%zu", i);
			if (scalars && (rc = scalar_text(a, item, &suffix)))
				return rc;
		}
		if (!suffix)
			return DV_ERROR;
		if (dv_value_get(seen, suffix))
			continue;
		if ((rc = dv_value_set(a, seen, suffix, at, item)) == 0)
			rc = resolve_member(r, name, suffix, at, body, item, key);
	}
	return seen ? rc : DV_ERROR;
}

/* One combination: at[i] is the chosen value of axis i. */
static int matrix_member(resolving *r, const char *name, const dv_spot *at, dv_value *body,
			 dv_value *axes, const size_t *chosen)
{
	dv_arena *a = &r->p->arena;
	dv_value *item = dv_value_new(a, DV_VALUE_DICT, at);
	dv_auto(dv_buf) suffix = DV_BUF_INIT;

	if (!item)
		return DV_ERROR;
	for (size_t i = 0; i < axes->n; i++) {
		dv_value *v = axes->members[i].value->items[chosen[i]];
		int rc = dv_value_set(a, item, axes->members[i].key, &v->at, v);

		dv_buf_adds(&suffix, i ? "-" : "");
		if (rc == 0 && dv_value_is_scalar(v))
			rc = dv_value_text(&suffix, v);
		else if (rc == 0)
			rc = dv_buf_addf(&suffix, "%s%zu", axes->members[i].key, chosen[i]);
		if (rc)
			return rc;
	}
	dv_value *key = dv_value_string(a, dv_buf_str(&suffix), at);
	return key ? resolve_member(r, name, key->s, at, body, item, key) : DV_ERROR;
}

static int resolve_axes(resolving *r, dv_value *matrix, dv_value **out)
{
	const dv_scope file = { .vars = r->f->vars };
	size_t members = 1;
	int rc = dv_template_value(&r->p->arena, &file, matrix, false, out);

	if (rc)
		return rc;
	if ((*out)->kind != DV_VALUE_DICT || (*out)->n == 0)
		return dv_err_at(DV_ERROR, &matrix->at, "'matrix' is %s, and a dict of lists is "
				 "expected", dv_value_kind_name((*out)->kind));
	for (size_t i = 0; i < (*out)->n; i++) {
		const dv_value *axis = (*out)->members[i].value;

		if (axis->kind != DV_VALUE_LIST)
			return dv_err_at(DV_ERROR, &axis->at, "'%s' of the matrix is %s, and a "
					 "list is expected", (*out)->members[i].key,
					 dv_value_kind_name(axis->kind));
		if (axis->n && members > MEMBERS_MAX / axis->n)
			return dv_err_at(DV_ERROR, &axis->at, "the matrix has more than %d members",
					 MEMBERS_MAX);
		members *= axis->n;
	}
	return 0;
}

static int resolve_matrix(resolving *r, const char *name, const dv_spot *at, dv_value *def)
{
	dv_arena *a = &r->p->arena;
	dv_value *axes, *body = dv_value_new(a, DV_VALUE_DICT, &def->at);
	int rc = body ? resolve_axes(r, dv_value_get(def, "matrix"), &axes) : DV_ERROR;

	for (size_t i = 0; rc == 0 && i < def->n; i++)
		if (strcmp(def->members[i].key, "matrix") != 0)
			rc = dv_value_set(a, body, def->members[i].key, &def->members[i].at,
					  def->members[i].value);
	if (rc)
		return rc;
	size_t *chosen = dv_arena_alloc(a, axes->n * sizeof(*chosen));
	if (!chosen)
		return DV_ERROR;
	for (size_t i = 0; i < axes->n; i++)
		if (axes->members[i].value->n == 0)
			return 0;
	for (;;) {
		if ((rc = matrix_member(r, name, at, body, axes, chosen)))
			return rc;
		/* Counts up, the last axis fastest. */
		size_t i = axes->n;
		while (i > 0 && ++chosen[i - 1] == axes->members[i - 1].value->n)
			chosen[--i] = 0;
		if (i == 0)
			return 0;
	}
}

/* -- files ------------------------------------------------------------------------------------- */

int dv_stage_check_name(const char *name, const dv_spot *at)
{
	static const char bad[] = "!\"#$%&'()*+,./:;<=>?@[\\]^`{|}~";

	size_t n = strlen(name), k = 0;

	/* Blanks within are DVC's; control characters would spoil every list of names. */
	while (k < n && (unsigned char)name[k] >= ' ' && name[k] != 127)
		k++;
	if (n && k == n && !strpbrk(name, bad) && name[0] != ' ' && name[n - 1] != ' ')
		return 0;
	return dv_err_hint(dv_err_at(DV_ERROR, at, "'%s' is no name of a stage", name),
			   "names hold letters, digits, '-' and '_'");
}

static int resolve_stages(resolving *r, dv_value *stages)
{
	const dv_scope file = { .vars = r->f->vars };

	if (!stages || stages->kind == DV_VALUE_NULL)
		return 0;
	if (stages->kind != DV_VALUE_DICT)
		return dv_err_at(DV_ERROR, &stages->at, "'stages' is %s, and a dict is expected",
				 dv_value_kind_name(stages->kind));
	for (size_t i = 0; i < stages->n; i++) {
		const dv_member *m = &stages->members[i];
		int rc = dv_stage_check_name(m->key, &m->at);

		if (rc)
			return rc;
		if (m->value->kind != DV_VALUE_DICT)
			return dv_err_at(DV_ERROR, &m->at, "the stage '%s' is %s, and a dict is "
					 "expected", m->key, dv_value_kind_name(m->value->kind));
		if (dv_value_get(m->value, "foreach"))
			rc = resolve_foreach(r, m->key, &m->at, m->value);
		else if (dv_value_get(m->value, "matrix"))
			rc = resolve_matrix(r, m->key, &m->at, m->value);
		else
			rc = resolve_stage(r, &file, m->key, NULL, &m->at, m->value);
		if (rc)
			return rc;
	}
	return 0;
}

static int read_document(dv_pipeline *p, dv_repo *repo, const char *path, dv_value **out)
{
	static const char *const known[] = { "stages", "vars", "params", "metrics", "plots",
					     "artifacts", "datasets", "executor",
					     "resources", NULL };
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_autofree char *abs = dv_repo_abs(repo, path);
	bool draft = p->draft && strcmp(p->draft, path) == 0;
	int rc = !abs ? DV_ERROR :
		 draft ? dv_buf_add(&text, dv_buf_str(p->draft_text), p->draft_text->n) :
		 p->view ? dv_view_read(p->view, path, DV_PIPELINE_FILE_MAX, &text) :
			   dv_fs_read_file(&text, abs, DV_PIPELINE_FILE_MAX);

	if (rc || (rc = dv_yaml_parse(&p->arena, dv_buf_str(&text), text.n, path, out)))
		return rc;
	if ((*out)->kind == DV_VALUE_NULL)
		(*out)->kind = DV_VALUE_DICT;
	if ((*out)->kind != DV_VALUE_DICT)
		return dv_err_at(DV_ERROR, &(*out)->at, "the file is %s, and a dict with 'stages' "
				 "is expected", dv_value_kind_name((*out)->kind));
	return dv_stage_check_keys(*out, known, "a pipeline file");
}

int dv_pipeline_load_file(dv_pipeline *p, dv_repo *repo, const char *path)
{
	dv_pipeline_file f = { .first = p->n };
	resolving r = { .p = p, .repo = repo, .f = &f };
	const char *slash = strrchr(path, '/');
	const dv_spot nowhere = { .file = path };

	r.style.no_flags = false;
	f.path = dv_arena_strdup(&p->arena, path);
	f.dir = dv_arena_strndup(&p->arena, path, slash ? (size_t)(slash - path) : 0);
	f.vars = dv_value_new(&p->arena, DV_VALUE_DICT, NULL);
	r.loaded = dv_value_new(&p->arena, DV_VALUE_DICT, NULL);
	if (!f.path || !f.dir || !f.vars || !r.loaded)
		return DV_ERROR;
	const char *bool_style = dv_config_string(&repo->config, "parsing.bool", NULL);
	const char *list_style = dv_config_string(&repo->config, "parsing.list", NULL);
	r.style.no_flags = bool_style && !strcmp(bool_style, "boolean_optional");
	r.style.repeat = list_style && !strcmp(list_style, "append");
	int rc = read_document(p, repo, f.path, &f.doc);
	if (rc || (rc = load_source(&r, f.dir, DV_PARAMS_FILE, &nowhere, true, &f.vars)) ||
	    (rc = load_vars(&r, f.dir, dv_value_get(f.doc, "vars"), &f.vars)) ||
	    (rc = dv_running_tops(&p->arena, &f)) ||
	    (rc = resolve_stages(&r, dv_value_get(f.doc, "stages"))) ||
	    (rc = dv_tops_parse(&p->arena, &f)) ||
	    (rc = dv_grow(&p->files, &p->files_cap, p->nfiles + 1, sizeof(f))))
		return rc;
	f.n = p->n - f.first;
	p->files[p->nfiles++] = f;
	return 0;
}

int dv_pipeline_load(dv_pipeline *p, dv_repo *r, dv_output_list *outputs)
{
	dv_auto(dv_path_list) files = DV_PATH_LIST_INIT;
	int rc = dv_repo_outputs_and_pipelines(r, outputs, &files);
	bool drafted = !p->draft;

	for (size_t i = 0; rc == 0 && i < files.n; i++) {
		drafted = drafted || strcmp(files.p[i], p->draft) == 0;
		if (strcmp(dv_path_base(files.p[i]), DV_PIPELINE_FILE) != 0)
			dv_warn("reading '%s', since there is no '%s' beside it", files.p[i],
				DV_PIPELINE_FILE);
		rc = dv_pipeline_load_file(p, r, files.p[i]);
	}
	return rc || drafted ? rc : dv_pipeline_load_file(p, r, p->draft);
}

int dv_pipeline_load_view(dv_pipeline *p, dv_view *v)
{
	dv_auto(dv_output_list) outputs = DV_OUTPUT_LIST_INIT;
	dv_auto(dv_path_list) files = DV_PATH_LIST_INIT;
	int rc;

	if (!v->rev)
		return dv_pipeline_load(p, v->r, &outputs);
	p->view = v;
	rc = dv_view_pipelines(v, &files);
	for (size_t i = 0; rc == 0 && i < files.n; i++)
		rc = dv_pipeline_load_file(p, v->r, files.p[i]);
	return rc ? dv_err_ctx(rc, "in '%s'", v->rev) : 0;
}

void dv_pipeline_release(dv_pipeline *p)
{
	free(p->files);
	free(p->stages);
	dv_arena_release(&p->arena);
	*p = (dv_pipeline)DV_PIPELINE_INIT;
}

const char *dv_stage_address(dv_pipeline *p, const dv_stage *s)
{
	return *s->dir ? dv_arena_printf(&p->arena, "%s:%s", s->file, s->name) : s->name;
}
