/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the workspace or of a revision. */
#include "repo/view.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/path.h"
#include "store/tree.h"

#define FILES_MAX 100000	/* below one folder */

void dv_view_release(dv_view *v)
{
	dv_output_list_release(&v->outputs);
	dv_reader_free(v->reader);
	for (size_t i = 0; i < v->nfiles; i++)
		free(v->files[i].path);
	free(v->files);
	*v = (dv_view){ .r = v->r, .rev = v->rev };
}

/* -- outputs ----------------------------------------------------------------------------------- */

static int open_outputs(dv_view *v)
{
	dv_store *s;
	int rc;

	if (v->has_outputs)
		return 0;
	if ((rc = v->rev ? dv_repo_outputs_at(v->r, v->rev, &v->outputs) :
			   dv_repo_outputs(v->r, &v->outputs)) ||
	    (rc = dv_repo_store_look(v->r, &s)) || (rc = dv_reader_new(&v->reader, s)))
		return rc;
	v->has_outputs = true;
	return 0;
}

typedef struct taking {
	dv_buf *out;
	size_t max;
	const char *path;
} taking;

static int take(const void *p, size_t n, void *payload)
{
	taking *t = payload;

	if (n > t->max - t->out->n)
		return dv_err(DV_ERROR, "'%s' is too large", t->path);
	return dv_buf_add(t->out, p, n);
}

static int read_output(dv_view *v, const char *path, size_t max, dv_buf *out)
{
	taking t = { out, max, path };
	int rc = open_outputs(v);

	dv_buf_clear(out);
	if (rc)
		return rc;
	if (!dv_output_list_holding(&v->outputs, path, NULL))
		return dv_err(DV_ENOTFOUND, "there is no file '%s'%s%s%s", path,
			      v->rev ? " in '" : "", v->rev ? v->rev : "", v->rev ? "'" : "");
	return dv_output_stream(v->r, &v->outputs, v->reader, path, 0, UINT64_MAX, take, &t);
}

/* A link may lead to another file of the workspace or, where outputs are links, of the cache. What
 * a stranger's link finds elsewhere on this machine is not for pages that are passed on. */
static int check_link(dv_view *v, const char *abs, const char *path)
{
	dv_autofree char *real = realpath(abs, NULL);
	dv_autofree char *cache = realpath(v->r->cache_dir, NULL);
	const char *rest;

	if (!real || (cache && dv_path_below(real, cache, NULL)) ||
	    (dv_path_below(real, v->r->root, &rest) && !dv_repo_is_own(rest)))
		return 0;
	return dv_err(DV_EUNSAFE, "'%s' is a link that leads out of the workspace", path);
}

/* The first file that is not before the path. */
static size_t place_of(const dv_view *v, const char *path)
{
	size_t lo = 0, hi = v->nfiles;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(v->files[mid].path, path) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int read_git(dv_view *v, const char *path, size_t max, dv_buf *out)
{
	dv_git *g;
	int rc = dv_repo_git(v->r, &g);
	size_t i = v->has_files ? place_of(v, path) : 0;

	if (rc || !v->has_files)
		return rc ? rc : dv_git_read_blob(g, v->rev, path, max, out);
	if (i == v->nfiles || strcmp(v->files[i].path, path) != 0)
		return dv_err(DV_ENOTFOUND, "there is no file '%s' in '%s'", path, v->rev);
	return dv_git_read_id(g, v->files[i].id, path, max, out);
}

int dv_view_read(dv_view *v, const char *path, size_t max, dv_buf *out)
{
	int rc;

	if (v->rev) {
		rc = read_git(v, path, max, out);
	} else {
		dv_autofree char *abs = dv_repo_abs(v->r, path);

		rc = abs ? check_link(v, abs, path) : DV_ERROR;
		if (rc == 0)
			rc = dv_fs_read_file(out, abs, max);
	}
	if (rc != DV_ENOTFOUND)
		return rc;
	dv_error_clear();
	return read_output(v, path, max, out);
}

/* -- below a folder ---------------------------------------------------------------------------- */

static int add(dv_path_list *l, const char *path)
{
	if (l->n >= FILES_MAX)
		return dv_err(DV_ERROR, "there are more than %d files at '%s'", FILES_MAX, path);
	return dv_path_list_add(l, path);
}

static int on_git_file(const char *path, const char *id, void *payload)
{
	(void)id;
	return add(payload, path);
}

static int files_of_git(dv_view *v, const char *path, dv_path_list *out)
{
	bool is_file = false;
	dv_git *g;
	int rc = dv_repo_git(v->r, &g);

	if (rc == 0 && v->has_files) {
		for (size_t i = place_of(v, path); rc == 0 && i < v->nfiles &&
		     !strncmp(v->files[i].path, path, strlen(path)); i++)
			if (dv_path_below(v->files[i].path, path, NULL))
				rc = add(out, v->files[i].path);
		return rc;
	}
	if (rc == 0)
		rc = dv_git_has_file(g, v->rev, path, &is_file);
	if (rc == 0 && is_file)
		return add(out, path);
	return rc ? rc : dv_git_files_at(g, v->rev, path, on_git_file, out);
}

typedef struct below {
	dv_path_list *out;
	const char *base, *inside;	/* of the output; what is wanted in it */
} below;

static int on_tree_entry(const dv_tree_entry *e, const char *path, void *payload)
{
	const below *b = payload;

	if (e->kind == 'd' || !*path || (*b->inside && !dv_path_below(path, b->inside, NULL)))
		return 0;
	dv_autofree char *full = dv_path_join(b->base, path);
	return full ? add(b->out, full) : dv_err_nomem();
}

static int files_of_output(dv_view *v, const dv_output *o, const char *inside, dv_path_list *out)
{
	below b = { .out = out, .base = o->path, .inside = inside };

	if (!o->pointer.is_dir)
		return *inside ? 0 : add(out, o->path);
	return dv_tree_walk(v->reader, &o->pointer.oid, on_tree_entry, &b);
}

/* The output that holds the path, or those below it. */
static int files_of_outputs(dv_view *v, const char *path, dv_path_list *out)
{
	const char *rest = "";
	int rc = open_outputs(v);
	const dv_output *o = rc ? NULL : dv_output_list_holding(&v->outputs, path, &rest);

	if (rc || o)
		return rc ? rc : files_of_output(v, o, rest, out);
	for (size_t i = 0; rc == 0 && i < v->outputs.n; i++)
		if (dv_path_below(v->outputs.o[i].path, path, NULL))
			rc = files_of_output(v, &v->outputs.o[i], "", out);
	return rc;
}

static int files_of_folder(dv_view *v, const char *dir, dv_path_list *todo, dv_path_list *out)
{
	dv_autofree char *abs = dv_repo_abs(v->r, dir);
	DIR *d = abs ? opendir(abs) : NULL;
	int rc = dv_check_cancel();

	if (!d)
		return abs ? dv_err_sys("cannot read the folder '%s'", dir) : DV_ERROR;
	for (struct dirent *e; rc == 0 && (e = readdir(d)); ) {
		dv_autofree char *path = dv_path_join(dir, e->d_name);
		struct stat st;

		if (e->d_name[0] == '.' || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		if (!path)
			rc = dv_err_nomem();
		else if (S_ISDIR(st.st_mode))
			rc = add(todo, path);
		else if (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))
			rc = add(out, path);
	}
	closedir(d);
	return rc;
}

static int files_of_workspace(dv_view *v, const char *path, dv_path_list *out)
{
	dv_auto(dv_path_list) todo = DV_PATH_LIST_INIT;
	dv_autofree char *abs = dv_repo_abs(v->r, path);
	struct stat st;
	int rc;

	if (!abs)
		return DV_ERROR;
	if (stat(abs, &st))
		return errno == ENOENT || errno == ENOTDIR ? 0 :
		       dv_err_sys("cannot look at '%s'", path);
	if (!S_ISDIR(st.st_mode))
		return add(out, path);
	rc = add(&todo, path);
	for (size_t i = 0; rc == 0 && i < todo.n; i++)
		rc = files_of_folder(v, todo.p[i], &todo, out);
	return rc;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int dv_view_files(dv_view *v, const char *path, dv_path_list *out)
{
	size_t from = out->n;
	int rc = v->rev ? files_of_git(v, path, out) : files_of_workspace(v, path, out);

	if (rc == 0 && out->n == from)
		rc = files_of_outputs(v, path, out);
	if (rc == 0 && out->n > from)
		qsort(out->p + from, out->n - from, sizeof(*out->p), compare_names);
	return rc;
}

/* -- pipelines --------------------------------------------------------------------------------- */

static int keep_file(const char *path, const char *id, void *payload)
{
	dv_view *v = payload;
	int rc = dv_grow(&v->files, &v->files_cap, v->nfiles + 1, sizeof(*v->files));
	dv_view_file f = { .path = rc ? NULL : dv_strdup(path) };

	if (!f.path)
		return rc ? rc : DV_ERROR;
	memcpy(f.id, id, sizeof(f.id));
	v->files[v->nfiles++] = f;
	return 0;
}

static int compare_files(const void *a, const void *b)
{
	return strcmp(((const dv_view_file *)a)->path, ((const dv_view_file *)b)->path);
}

/* All files at once: each alone would search through its folders anew. */
static int open_files(dv_view *v)
{
	dv_git *g;
	int rc = v->has_files ? 0 : dv_repo_git(v->r, &g);

	if (rc || v->has_files)
		return rc;
	rc = dv_git_files_at(g, v->rev, "", keep_file, v);
	if (v->nfiles)
		qsort(v->files, v->nfiles, sizeof(*v->files), compare_files);
	v->has_files = rc == 0;
	return rc;
}

static bool is_pipeline(const dv_view *v, const char *path)
{
	const char *name = dv_path_base(path);

	return (!strcmp(name, "dv.yaml") || !strcmp(name, "dvc.yaml")) &&
	       !dv_ignore_match(v->r->ignore, path, false, NULL);
}

/* Of two in one folder the dv.yaml counts. The list is sorted. */
static int drop_doubles(dv_path_list *l, size_t from)
{
	dv_auto(dv_path_list) kept = DV_PATH_LIST_INIT;
	size_t n = l->n - from;
	int rc = 0;

	for (size_t i = from; rc == 0 && i < l->n; i++) {
		size_t dir = (size_t)(dv_path_base(l->p[i]) - l->p[i]);
		dv_auto(dv_buf) own = DV_BUF_INIT;

		dv_buf_add(&own, l->p[i], dir);
		rc = dv_buf_adds(&own, "dv.yaml");
		const char *name = dv_buf_str(&own);
		if (rc == 0 && (!strcmp(name, l->p[i]) ||
				!bsearch(&name, l->p + from, n, sizeof(*l->p), compare_names)))
			rc = dv_path_list_add(&kept, l->p[i]);
	}
	for (size_t i = 0; rc == 0 && i < kept.n; i++) {
		free(l->p[from + i]);
		l->p[from + i] = dv_steal(&kept.p[i]);
	}
	while (rc == 0 && l->n > from + kept.n)
		free(l->p[--l->n]);
	return rc;
}

int dv_view_pipelines(dv_view *v, dv_path_list *out)
{
	dv_auto(dv_output_list) outputs = DV_OUTPUT_LIST_INIT;
	size_t from = out->n;
	int rc;

	if (!v->rev)
		return dv_repo_outputs_and_pipelines(v->r, &outputs, out);
	rc = open_files(v);
	for (size_t i = 0; rc == 0 && i < v->nfiles; i++)
		if (is_pipeline(v, v->files[i].path))
			rc = add(out, v->files[i].path);
	return rc ? rc : drop_doubles(out, from);
}
