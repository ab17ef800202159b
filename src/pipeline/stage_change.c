/* SPDX-License-Identifier: Apache-2.0 */
/* dv_stage_remove and dv_stage_freeze: stages that are there. */
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/path.h"
#include "pipeline/edit.h"
#include "pipeline/lockwrite.h"
#include "repo/lockfile.h"

/* "DIR/dv.yaml:NAME" or "NAME" -> the file and the name. */
static int locate(dv_edit *e, const char *target, dv_edit_file **file, const char **name)
{
	const char *colon = strrchr(target, ':');
	dv_autofree char *first = dv_strndup(target, colon ? (size_t)(colon - target) : 0);
	dv_autofree char *rel = NULL;
	int rc;

	if (!first)
		return dv_err_nomem();
	*name = colon ? colon + 1 : target;
	if ((rc = dv_repo_rel(e->repo, colon ? first : ".", &rel)))
		return rc;
	return colon ? dv_edit_file_at(e, rel, false, file) : dv_edit_file_in(e, rel, false, file);
}

/* As locate; the name stands in the file. */
static int find(dv_edit *e, const char *target, dv_edit_file **file, const char **name)
{
	int rc = locate(e, target, file, name);

	if (rc)
		return rc;
	dv_value *v = dv_edit_stage(*file, *name);
	const char *at = strchr(*name, '@');
	if (!v && at)
		return dv_err_hint(dv_err(DV_ERROR, "'%s' is a member of a group, which is defined "
					  "as a whole", *name), "name the group: '%.*s'",
				   (int)(at - *name), *name);
	if (!v)
		return dv_err_hint(dv_err(DV_ENOTFOUND, "'%s' has no stage '%s'", (*file)->path,
					  *name), "'dv stage list --all' shows what there is");
	return v->kind == DV_VALUE_DICT ? 0 :
	       dv_err_at(DV_ERROR, &v->at, "the stage '%s' is %s, and a dict is expected", *name,
			 dv_value_kind_name(v->kind));
}

/* -- frozen ------------------------------------------------------------------------------------ */

/* What is told of a stage when all is written. */
typedef struct told {
	const dv_edit_file *file;
	const char *name;
	bool changed;
} told;

static int tell(const told *t, size_t n, dv_stage_change_cb cb, void *payload)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && cb && i < n; i++)
		rc = cb(t[i].file->path, t[i].name, t[i].changed, payload);
	return rc;
}

static int freeze_one(dv_edit *e, const char *target, bool frozen, told *t)
{
	dv_edit_file *f;
	const char *name;
	int rc = find(e, target, &f, &name);

	if (rc)
		return rc;
	dv_value *body = dv_edit_stage(f, name), *group = dv_value_get(body, "do");
	bool is_group = dv_value_get(body, "foreach") && group && group->kind == DV_VALUE_DICT;
	const char *const path[] = { "stages", name, is_group ? "do" : "frozen",
				     is_group ? "frozen" : NULL, NULL };
	dv_value *now = dv_value_get(is_group ? group : body, "frozen");
	bool is_frozen = now && now->kind == DV_VALUE_BOOL && now->b;
	bool changes = frozen ? !is_frozen : now && (now->kind != DV_VALUE_BOOL || now->b);
	dv_value *yes = dv_value_new(&e->arena, DV_VALUE_BOOL, NULL);

	if (!yes)
		return DV_ERROR;
	yes->b = true;
	*t = (told){ f, name, changes };
	if (!changes)
		return 0;
	rc = frozen ? dv_yaml_set(&f->text, f->path, path, yes, dv_stage_keys) :
		      dv_yaml_unset(&f->text, f->path, path);
	return rc ? rc : dv_edit_done(e, f);
}

int dv_stage_freeze(dv_repo *r, const char *const *targets, size_t n, bool frozen,
		    const dv_stage_change_options *o, dv_stage_change_cb cb, void *payload)
{
	dv_auto(dv_edit) e = { 0 };
	dv_autofree told *t = dv_calloc(n + 1, sizeof(*t));
	int rc = !t ? DV_ERROR : n ? dv_edit_open(&e, r, DV_OR_ZERO(o)->no_stage) :
		 dv_err(DV_EUSAGE, "no stage is named");

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = freeze_one(&e, targets[i], frozen, &t[i]);
	if (rc || (rc = dv_edit_write(&e)) || (rc = dv_edit_finish(&e)))
		return rc;
	return tell(t, n, cb, payload);
}

/* -- removed ----------------------------------------------------------------------------------- */

static int remember(dv_path_list *l, const char *path)
{
	int rc = dv_grow(&l->p, &l->cap, l->n + 1, sizeof(*l->p));
	char *copy = rc ? NULL : dv_strdup(path);

	if (!copy)
		return DV_ERROR;
	l->p[l->n++] = copy;
	return 0;
}

/* Finds what a stage made, members of a group too, while the file still tells; a file that is wrong
 * somewhere tells nothing. */
static int gather_outs(dv_edit *e, const dv_edit_file *f, const char *name, dv_path_list *outs)
{
	dv_auto(dv_pipeline) p = DV_PIPELINE_INIT;
	int rc = dv_pipeline_load_file(&p, e->repo, f->path);

	if (rc) {
		dv_warn("what '%s' made stays in .gitignore: %s", name, dv_error_last()->message);
		dv_error_clear();
		return 0;
	}
	for (size_t i = 0; i < p.n; i++) {
		const dv_stage *s = &p.stages[i];

		if (strcmp(s->name, name) != 0 && (!s->group || strcmp(s->group, name) != 0))
			continue;
		for (size_t k = 0; k < s->nouts; k++)
			if (s->outs[k].cache && (rc = remember(outs, s->outs[k].path)))
				return rc;
	}
	return 0;
}

static bool belongs(const char *locked, const char *name)
{
	size_t n = strlen(name);

	return !strncmp(locked, name, n) && (!locked[n] || locked[n] == '@');
}

/* A stage that the lock file alone has still, because somebody took it out of the pipeline file by
 * hand: what it made. */
static int gather_leftover(dv_edit *e, const dv_edit_file *f, const char *name,
			   dv_path_list *outs, bool *any)
{
	dv_autofree char *path = dv_path_join(f->dir, DV_LOCKFILE);
	dv_autofree char *abs = path ? dv_repo_abs(e->repo, path) : NULL;
	dv_autofree char *group = dv_strndup(name, strcspn(name, "@"));
	dv_auto(dv_lockfile) l = DV_LOCKFILE_INIT;

	*any = false;
	if (!abs || !group)
		return DV_ERROR;
	if (dv_edit_stage(f, group))
		return 0;
	int rc = dv_lockfile_read(&l, abs, f->dir, path);
	for (size_t i = 0; rc == 0 && i < l.n; i++) {
		const dv_locked_stage *s = &l.stages[i];

		if (!belongs(s->name, name))
			continue;
		*any = true;
		for (size_t k = 0; rc == 0 && k < s->nouts; k++)
			rc = s->outs[k].no_cache ? 0 : remember(outs, s->outs[k].full);
	}
	return rc;
}

/* The lock file forgets the stage; without stages there is none. */
static int unlock_stage(dv_edit *e, const dv_edit_file *f, const char *name)
{
	dv_autofree char *path = dv_path_join(f->dir, DV_LOCKFILE);
	dv_autofree char *abs = path ? dv_repo_abs(e->repo, path) : NULL;
	dv_auto(dv_lockfile) l = DV_LOCKFILE_INIT;
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = abs ? dv_lockfile_read(&l, abs, f->dir, path) : dv_err_nomem();
	size_t before = l.n;

	for (size_t i = l.n; rc == 0 && i-- > 0;)
		if (belongs(l.stages[i].name, name))
			dv_lockfile_drop(&l, l.stages[i].name);
	if (rc || l.n == before)
		return rc;
	if (l.n == 0) {
		if (dv_fs_unlinkat(AT_FDCWD, abs, 0) && errno != ENOENT)
			return dv_err_sys("cannot remove '%s'", path);
		return dv_edit_note(e, path, true);
	}
	if ((rc = dv_lockfile_print(&text, &l)) ||
	    (rc = dv_scratch_write(&e->repo->scratch, abs, dv_buf_str(&text), text.n,
				   DV_ATOMIC_SYNC | DV_ATOMIC_KEEP_MODE)))
		return rc;
	return dv_edit_note(e, path, false);
}

/* No stage is left: no list of stages, either. Where that cannot be edited so, it stays empty. */
static int drop_empty(dv_edit *e, dv_edit_file *f)
{
	static const char *const path[] = { "stages", NULL };
	const dv_value *stages = f->doc ? dv_value_get(f->doc, "stages") : NULL;

	if (!stages || stages->kind != DV_VALUE_DICT || stages->n)
		return 0;
	if (dv_yaml_unset(&f->text, f->path, path)) {
		dv_error_clear();
		return 0;
	}
	return dv_edit_done(e, f);
}

static int remove_one(dv_edit *e, const char *target, dv_path_list *outs, told *t)
{
	dv_edit_file *f;
	const char *name;
	bool leftover;
	int rc = locate(e, target, &f, &name);

	if (rc || (rc = gather_leftover(e, f, name, outs, &leftover)))
		return rc;
	*t = (told){ f, name, true };
	if (leftover)
		return 0;
	if ((rc = find(e, target, &f, &name)))
		return rc;
	const char *const path[] = { "stages", name, NULL };
	if ((rc = gather_outs(e, f, name, outs)) ||
	    (rc = dv_yaml_unset(&f->text, f->path, path)) || (rc = dv_edit_done(e, f)))
		return rc;
	return drop_empty(e, f);
}

int dv_stage_remove(dv_repo *r, const char *const *targets, size_t n,
		    const dv_stage_change_options *o, dv_stage_change_cb cb, void *payload)
{
	dv_auto(dv_edit) e = { 0 };
	dv_auto(dv_path_list) outs = DV_PATH_LIST_INIT;
	dv_autoptr(dv_lockwriter) writer = NULL;
	dv_autofree told *t = dv_calloc(n + 1, sizeof(*t));
	/* What runs that were killed left for the lock files comes first. */
	int rc = !t ? DV_ERROR : n ? dv_lockwriter_new(&writer, r) :
		 dv_err(DV_EUSAGE, "no stage is named");

	if (rc == 0)
		rc = dv_edit_open(&e, r, DV_OR_ZERO(o)->no_stage);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = remove_one(&e, targets[i], &outs, &t[i]);
	if (rc || (rc = dv_edit_write(&e)))
		return rc;
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = unlock_stage(&e, t[i].file, t[i].name);
	for (size_t i = 0; rc == 0 && i < outs.n; i++)
		rc = dv_edit_ignore(&e, outs.p[i], false);
	if (rc || (rc = dv_edit_finish(&e)))
		return rc;
	return tell(t, n, cb, payload);
}
