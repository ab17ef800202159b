/* SPDX-License-Identifier: Apache-2.0 */
/* dv_stage_list: which stages there are, and how users name them. */
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/path.h"
#include "pipeline/stage.h"

/* -- names ------------------------------------------------------------------------------------- */

/* The folder in which the user stands, relative to the root: "" or "a/b"; owned. */
static int working_folder(const dv_repo *r, char **out)
{
	*out = NULL;
	return dv_repo_rel(r, ".", out);
}

static const dv_pipeline_file *file_in(const dv_pipeline *p, const char *dir)
{
	for (size_t i = 0; i < p->nfiles; i++)
		if (!strcmp(p->files[i].dir, dir))
			return &p->files[i];
	return NULL;
}

static const dv_pipeline_file *file_at(const dv_pipeline *p, const char *path)
{
	for (size_t i = 0; i < p->nfiles; i++)
		if (!strcmp(p->files[i].path, path))
			return &p->files[i];
	return NULL;
}

/* "DIR/dv.yaml[:NAME]" or "NAME" -> the file and the name (NULL: all of it). */
static int split_target(dv_repo *r, const dv_pipeline *p, const char *target,
			const dv_pipeline_file **file, const char **name)
{
	const char *colon = strrchr(target, ':');
	size_t n = colon ? (size_t)(colon - target) : strlen(target);
	dv_autofree char *first = dv_strndup(target, n), *rel = NULL;
	int rc = first ? 0 : DV_ERROR;

	*name = NULL;
	*file = NULL;
	if (rc == 0 && n > 5 && !strcmp(first + n - 5, ".yaml")) {
		rc = dv_repo_rel(r, first, &rel);
		if (rc == 0 && !(*file = file_at(p, rel)))
			rc = dv_err(DV_ENOTFOUND, "there is no pipeline file '%s'", first);
		*name = colon ? colon + 1 : NULL;
	} else if (rc == 0) {
		rc = working_folder(r, &rel);
		if (rc == 0 && !(*file = file_in(p, rel)))
			rc = dv_err_hint(dv_err(DV_ENOTFOUND, "there is no '%s' here",
						DV_PIPELINE_FILE),
					 "name a stage of another folder as 'DIR/dv.yaml:NAME'");
		*name = target;
	}
	return rc;
}

static int select_target(dv_repo *r, const dv_pipeline *p, const char *target, bool *chosen)
{
	const dv_pipeline_file *f;
	const char *name;
	bool any = false;
	int rc = split_target(r, p, target, &f, &name);

	if (rc)
		return rc;
	for (size_t i = f->first; i < f->first + f->n; i++) {
		const dv_stage *s = &p->stages[i];

		if (name && strcmp(s->name, name) != 0 &&
		    (!s->group || strcmp(s->group, name) != 0))
			continue;
		chosen[i] = any = true;
	}
	if (!any && name)
		return dv_err_hint(dv_err(DV_ENOTFOUND, "'%s' has no stage '%s'", f->path, name),
				   "'dv stage list --all' shows what there is");
	return 0;
}

int dv_stage_select(dv_repo *r, const dv_pipeline *p, const char *const *targets, size_t n,
		    bool all, bool *chosen)
{
	dv_autofree char *here = NULL;
	int rc = working_folder(r, &here);

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = select_target(r, p, targets[i], chosen);
	for (size_t i = 0; rc == 0 && n == 0 && i < p->n; i++)
		chosen[i] = all || !strcmp(p->stages[i].dir, here);
	return rc;
}

/* -- telling ----------------------------------------------------------------------------------- */

static int tell(dv_arena *a, const dv_stage *s, dv_stage_cb cb, void *payload)
{
	size_t ncmd = s->cmd->kind == DV_VALUE_LIST ? s->cmd->n : 1;
	const char **texts = dv_arena_alloc(a, (ncmd + s->ndeps + s->nouts + 1) * sizeof(*texts));
	dv_stage_param_info *params = dv_arena_alloc(a, (s->nparams + 1) * sizeof(*params));

	if (!texts || !params)
		return DV_ERROR;
	for (size_t i = 0; i < ncmd; i++)
		texts[i] = s->cmd->kind == DV_VALUE_LIST ? s->cmd->items[i]->s : s->cmd->s;
	for (size_t i = 0; i < s->ndeps; i++)
		texts[ncmd + i] = s->deps[i].written;
	for (size_t i = 0; i < s->nouts; i++)
		texts[ncmd + s->ndeps + i] = s->outs[i].written;
	for (size_t i = 0; i < s->nparams; i++)
		params[i] = (dv_stage_param_info){ s->params[i].written, s->params[i].keys,
						   s->params[i].nkeys };
	const dv_stage_info info = {
		.file = s->file, .name = s->name, .wdir = *s->wdir ? s->wdir : ".",
		.desc = s->desc, .cmd = texts, .ncmd = ncmd,
		.cmd_is_list = s->cmd->kind == DV_VALUE_LIST,
		.deps = texts + ncmd, .ndeps = s->ndeps,
		.outs = texts + ncmd + s->ndeps, .nouts = s->nouts,
		.params = params, .nparams = s->nparams,
		.frozen = s->frozen, .always_changed = s->always_changed,
	};
	return cb(&info, payload);
}

int dv_stage_list(dv_repo *r, const char *const *targets, size_t n, bool all, dv_stage_cb cb,
		  void *payload)
{
	dv_auto(dv_output_list) outputs = DV_OUTPUT_LIST_INIT;
	dv_auto(dv_pipeline) p = DV_PIPELINE_INIT;
	int rc = dv_pipeline_load(&p, r, &outputs);
	dv_autofree bool *chosen = rc ? NULL : dv_calloc(p.n + 1, sizeof(*chosen));

	if (!chosen)
		return rc ? rc : DV_ERROR;
	rc = dv_stage_select(r, &p, targets, n, all, chosen);
	for (size_t i = 0; rc == 0 && i < p.n; i++)
		if (chosen[i])
			rc = tell(&p.arena, &p.stages[i], cb, payload);
	return rc;
}

int dv_stage_targets(dv_repo *r, const char *const *targets, size_t n, bool *yes)
{
	dv_auto(dv_output_list) outputs = DV_OUTPUT_LIST_INIT;
	dv_auto(dv_pipeline) p = DV_PIPELINE_INIT;
	dv_autofree bool *chosen = NULL;
	int rc;

	memset(yes, 0, n * sizeof(*yes));
	if ((rc = dv_pipeline_load(&p, r, &outputs)))
		return rc;
	if (!(chosen = dv_calloc(p.n + 1, sizeof(*chosen))))
		return DV_ERROR;
	for (size_t i = 0; i < n; i++) {
		yes[i] = select_target(r, &p, targets[i], chosen) == 0;
		dv_error_clear();
	}
	return 0;
}
