/* SPDX-License-Identifier: Apache-2.0 */
/* Pipeline files while they are changed, and what git is told of it. */
#include "pipeline/edit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/path.h"
#include "repo/gitignore.h"

#define DVC_FILE "dvc.yaml"

const char *const dv_stage_keys[] = {
	"foreach", "matrix", "do", "desc", "vars", "cmd", "wdir", "deps", "params", "outs",
	"metrics", "plots", "frozen", "always_changed", "env", "executor", "image", "resources",
	"retry", "meta", NULL,
};

int dv_edit_open(dv_edit *e, dv_repo *r, bool no_stage)
{
	e->repo = r;
	e->stage = dv_repo_autostage(r, no_stage);
	int rc = dv_repo_lock(r, &e->lock);

	e->locked = rc == 0;
	return rc;
}

static void free_all(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

void dv_edit_release(dv_edit *e)
{
	for (size_t i = 0; i < e->n; i++) {
		free(e->files[i]->path);
		free(e->files[i]->dir);
		dv_buf_release(&e->files[i]->text);
		free(e->files[i]);
	}
	free(e->files);
	free_all(e->staged, e->nstaged);
	free_all(e->dropped, e->ndropped);
	dv_arena_release(&e->arena);
	if (e->locked)
		dv_lock_release(&e->lock);
}

/* -- files ------------------------------------------------------------------------------------- */

static int read_file(dv_edit *e, dv_edit_file *f, bool make)
{
	dv_autofree char *abs = dv_repo_abs(e->repo, f->path);
	struct stat st;

	if (!abs)
		return dv_err_nomem();
	if (lstat(abs, &st) == 0 && S_ISLNK(st.st_mode))
		return dv_err_hint(dv_err(DV_EUNSAFE, "'%s' is a symbolic link", f->path),
				   "change the file that it points to");
	int rc = dv_fs_read_file(&f->text, abs, DV_PIPELINE_FILE_MAX);
	if (rc == DV_ENOTFOUND && make) {
		dv_error_clear();
		return 0;
	}
	if (rc == DV_ENOTFOUND)
		return dv_err(DV_ENOTFOUND, "there is no pipeline file '%s'", f->path);
	if (rc || (rc = dv_yaml_parse(&e->arena, dv_buf_str(&f->text), f->text.n, f->path,
				      &f->doc)))
		return rc;
	if (f->doc->kind != DV_VALUE_DICT && f->doc->kind != DV_VALUE_NULL)
		return dv_err_at(DV_ERROR, &f->doc->at, "the file is %s, and a dict with 'stages' "
				 "is expected", dv_value_kind_name(f->doc->kind));
	dv_value *stages = dv_value_get(f->doc, "stages");
	if (stages && stages->kind != DV_VALUE_DICT && stages->kind != DV_VALUE_NULL)
		return dv_err_at(DV_ERROR, &stages->at, "'stages' is %s, and a dict is expected",
				 dv_value_kind_name(stages->kind));
	return 0;
}

int dv_edit_file_at(dv_edit *e, const char *path, bool make, dv_edit_file **out)
{
	for (size_t i = 0; i < e->n; i++)
		if (!strcmp(e->files[i]->path, path)) {
			*out = e->files[i];
			return 0;
		}
	int rc = dv_grow(&e->files, &e->cap, e->n + 1, sizeof(dv_edit_file *));
	dv_edit_file *f = rc ? NULL : dv_calloc(1, sizeof(*f));

	*out = f;
	if (!f)
		return DV_ERROR;
	e->files[e->n++] = f;
	f->path = dv_strdup(path);
	f->dir = dv_strndup(path, (size_t)(dv_path_base(path) - path));
	if (!f->path || !f->dir)
		return DV_ERROR;
	if (*f->dir)
		f->dir[strlen(f->dir) - 1] = 0;
	return read_file(e, f, make);
}

static int exists(dv_edit *e, const char *path, bool *there)
{
	dv_autofree char *abs = dv_repo_abs(e->repo, path);
	struct stat st;

	*there = abs && lstat(abs, &st) == 0;
	return abs ? 0 : DV_ERROR;
}

int dv_edit_file_in(dv_edit *e, const char *dir, bool make, dv_edit_file **out)
{
	dv_autofree char *own = dv_path_join(dir, DV_PIPELINE_FILE);
	dv_autofree char *dvc = dv_path_join(dir, DVC_FILE);
	bool has_own = false, has_dvc = false;
	int rc = own && dvc ? 0 : dv_err_nomem();

	if (rc || (rc = exists(e, own, &has_own)) || (rc = exists(e, dvc, &has_dvc)))
		return rc;
	if (!has_own && !has_dvc && !make)
		return dv_err_hint(dv_err(DV_ENOTFOUND, "there is no '%s' here",
					  DV_PIPELINE_FILE),
				   "name a stage of another folder as 'DIR/dv.yaml:NAME'");
	return dv_edit_file_at(e, !has_own && has_dvc ? dvc : own, make, out);
}

int dv_edit_done(dv_edit *e, dv_edit_file *f)
{
	f->changed = true;
	return dv_yaml_parse(&e->arena, dv_buf_str(&f->text), f->text.n, f->path, &f->doc);
}

dv_value *dv_edit_stage(const dv_edit_file *f, const char *name)
{
	return f->doc ? dv_value_get(dv_value_get(f->doc, "stages"), name) : NULL;
}

/* -- git --------------------------------------------------------------------------------------- */

int dv_edit_note(dv_edit *e, const char *path, bool drop)
{
	char ***list = drop ? &e->dropped : &e->staged, **other = drop ? e->staged : e->dropped;
	size_t *n = drop ? &e->ndropped : &e->nstaged;
	size_t *nother = drop ? &e->nstaged : &e->ndropped;

	/* What came and went is gone, and the other way round. */
	for (size_t i = 0; i < *nother; i++)
		if (!strcmp(other[i], path)) {
			free(other[i]);
			other[i] = other[--*nother];
			break;
		}
	for (size_t i = 0; i < *n; i++)
		if (!strcmp((*list)[i], path))
			return 0;
	int rc = dv_grow(list, drop ? &e->dropped_cap : &e->staged_cap, *n + 1, sizeof(char *));
	char *copy = rc ? NULL : dv_strdup(path);

	if (!copy)
		return DV_ERROR;
	(*list)[(*n)++] = copy;
	return 0;
}

/* The line of an output in the .gitignore of folder `dir`, put there or taken out. */
static int change_line(dv_edit *e, const char *dir, const char *path, bool ignore, bool *changed)
{
	dv_autofree char *abs = dv_repo_abs(e->repo, dir);
	dv_autofree char *file = dv_path_join(dir, ".gitignore");
	const char *name = *dir ? path + strlen(dir) + 1 : path;
	bool there;

	if (!abs || !file)
		return dv_err_nomem();
	int rc = ignore ? dv_gitignore_add(&e->repo->scratch, abs, name, changed) :
			  dv_gitignore_remove(&e->repo->scratch, abs, name, changed);
	if (rc || !*changed || (rc = exists(e, file, &there)))
		return rc;
	return dv_edit_note(e, file, !there);
}

int dv_edit_ignore(dv_edit *e, const char *path, bool ignore)
{
	dv_autofree char *dir = dv_strdup(path);

	if (!dir || !e->repo->has_git)
		return dir ? 0 : DV_ERROR;
	for (;;) {
		char *slash = strrchr(dir, '/');
		bool there, changed = false;
		int rc;

		*(slash ? slash : dir) = 0;
		if ((rc = exists(e, dir, &there)) ||
		    (there && (rc = change_line(e, dir, path, ignore, &changed))))
			return rc;
		if (!*dir || (there && ignore) || changed)
			return 0;
	}
}

/* -- the end ----------------------------------------------------------------------------------- */

static bool is_blank(const dv_buf *text)
{
	for (size_t i = 0; i < text->n; i++)
		if (!strchr(" \t\r\n", text->p[i]))
			return false;
	return true;
}

int dv_edit_write(dv_edit *e)
{
	for (size_t i = 0; i < e->n; i++) {
		dv_edit_file *f = e->files[i];
		dv_autofree char *abs = dv_repo_abs(e->repo, f->path);
		int rc;

		if (!f->changed)
			continue;
		if (!abs)
			return dv_err_nomem();
		if (is_blank(&f->text)) {
			if (dv_fs_unlinkat(AT_FDCWD, abs, 0) && errno != ENOENT)
				return dv_err_sys("cannot remove '%s'", f->path);
			if ((rc = dv_edit_note(e, f->path, true)))
				return rc;
			continue;
		}
		rc = dv_scratch_write(&e->repo->scratch, abs, dv_buf_str(&f->text), f->text.n,
				      DV_ATOMIC_SYNC | DV_ATOMIC_KEEP_MODE);
		if (rc || (rc = dv_edit_note(e, f->path, false)))
			return rc;
	}
	return 0;
}

int dv_edit_finish(dv_edit *e)
{
	dv_git *git;

	if (!e->stage || e->nstaged + e->ndropped == 0)
		return 0;
	int rc = dv_repo_git(e->repo, &git);
	return rc ? rc : dv_git_stage(git, (const char *const *)e->staged, e->nstaged,
				      (const char *const *)e->dropped, e->ndropped);
}
