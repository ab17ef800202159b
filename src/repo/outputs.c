/* SPDX-License-Identifier: Apache-2.0 */
/* Which outputs there are: the pointers of the workspace or of a revision. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/path.h"
#include "repo/repo.h"

#define OUTPUTS_MAX 10000000

/* -- the list ---------------------------------------------------------------------------------- */

void dv_output_list_release(dv_output_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->o[i].path);
		free(l->o[i].pointer_path);
		dv_pointer_release(&l->o[i].pointer);
	}
	free(l->o);
	*l = (dv_output_list)DV_OUTPUT_LIST_INIT;
}

/* Bytes, '/' before all others. The first n bytes of b. */
static int order_n(const char *a, const char *b, size_t n)
{
	size_t i = 0;

	while (i < n && a[i] && a[i] == b[i])
		i++;
	unsigned x = (unsigned char)a[i], y = i < n ? (unsigned char)b[i] : 0;
	x = x == '/' ? 1 : x ? x + 1 : 0;
	y = y == '/' ? 1 : y ? y + 1 : 0;
	return x < y ? -1 : x > y;
}

static int compare(const void *a, const void *b)
{
	const dv_output *x = a, *y = b;

	return order_n(x->path, y->path, strlen(y->path));
}

static dv_output *find_n(const dv_output_list *l, const char *path, size_t n)
{
	size_t lo = 0, hi = l->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = order_n(l->o[mid].path, path, n);
		if (!c)
			return &l->o[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

dv_output *dv_output_list_find(const dv_output_list *l, const char *path)
{
	return find_n(l, path, strlen(path));
}

dv_output *dv_output_list_holding(const dv_output_list *l, const char *path, const char **rest)
{
	for (size_t n = 0; ; ) {
		n += strcspn(path + n, "/");
		dv_output *o = find_n(l, path, n);
		if (o) {
			if (rest)
				*rest = path + n + (path[n] == '/');
			return o;
		}
		if (!path[n])
			return NULL;
		n++;
	}
}

int dv_output_list_add(dv_output_list *l, const char *pointer_path, const dv_pointer *p)
{
	dv_output o = { .pointer_path = dv_strdup(pointer_path) };
	dv_autofree char *dir = dv_path_dir(pointer_path);

	if (l->n >= OUTPUTS_MAX) {
		free(o.pointer_path);
		return dv_err(DV_ERROR, "there are more than %d outputs", OUTPUTS_MAX);
	}
	if (dir)
		o.path = strcmp(dir, ".") != 0 ? dv_path_join(dir, p->path) : dv_strdup(p->path);
	int rc = o.path && o.pointer_path ? dv_pointer_copy(&o.pointer, p) : dv_err_nomem();
	if (!rc)
		rc = dv_grow(&l->o, &l->cap, l->n + 1, sizeof(o));
	if (rc) {
		free(o.path);
		free(o.pointer_path);
		dv_pointer_release(&o.pointer);
		return rc;
	}
	l->o[l->n++] = o;
	return 0;
}

int dv_output_list_finish(dv_output_list *l)
{
	if (l->n > 1)
		qsort(l->o, l->n, sizeof(*l->o), compare);
	for (size_t i = 1; i < l->n; i++) {
		const dv_output *a = &l->o[i - 1], *b = &l->o[i];
		if (!strcmp(a->path, b->path))
			return dv_err_hint(dv_err(DV_ERROR, "'%s' and '%s' both track '%s'",
						  a->pointer_path, b->pointer_path, a->path),
					   "remove one of the two pointers");
		if (dv_path_below(b->path, a->path, NULL))
			return dv_err_hint(dv_err(DV_ERROR, "'%s' tracks '%s', which lies in '%s' "
						  "tracked by '%s'", b->pointer_path, b->path,
						  a->path, a->pointer_path),
					   "remove one of the two pointers");
	}
	return 0;
}

/* -- the workspace ----------------------------------------------------------------------------- */

struct walk {
	dv_repo *r;
	dv_output_list *out;
	dv_path_list *pipelines;	/* or NULL */
	char **todo;		/* folders that are still to be read, owned */
	size_t n, cap;
};

void dv_path_list_release(dv_path_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->p[i]);
	free(l->p);
	*l = (dv_path_list)DV_PATH_LIST_INIT;
}

static int push(char ***list, size_t *cap, size_t *n, char *owned)
{
	int rc = owned ? dv_grow(list, cap, *n + 1, sizeof(char *)) : dv_err_nomem();

	if (rc)
		free(owned);
	else
		(*list)[(*n)++] = owned;
	return rc;
}

int dv_path_list_add(dv_path_list *l, const char *path)
{
	return push(&l->p, &l->cap, &l->n, dv_strdup(path));
}

static int read_pointer(struct walk *w, const char *rel)
{
	dv_autofree char *path = dv_repo_abs(w->r, rel);
	dv_auto(dv_pointer) p = DV_POINTER_INIT;
	dv_auto(dv_buf) text = DV_BUF_INIT;
	struct stat st;

	if (!path)
		return dv_err_nomem();
	/* A folder or a link of such a name is no pointer; it may be anybody's. */
	if (lstat(path, &st) || !S_ISREG(st.st_mode))
		return 0;
	int rc = dv_fs_read_file(&text, path, DV_POINTER_MAX);
	if (!rc)
		rc = dv_pointer_parse(&p, dv_buf_str(&text), text.n, rel);
	return rc ? rc : dv_output_list_add(w->out, rel, &p);
}

static unsigned char type_of(int dirfd, const struct dirent *e)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type;
	if (fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW))
		return DT_UNKNOWN;
	return S_ISDIR(st.st_mode) ? DT_DIR : S_ISREG(st.st_mode) ? DT_REG : DT_UNKNOWN;
}

/* The pipeline file of a folder: a dv.yaml, which takes the place of a dvc.yaml that was met. */
static int note_pipeline(struct walk *w, const char *rel, const char *name)
{
	dv_path_list *l = w->pipelines;
	bool own = !strcmp(name, "dv.yaml");
	size_t dir = strlen(rel) - strlen(name);

	if (dv_ignore_match_here(w->r->ignore, rel, false, NULL))
		return 0;
	if (l->n && !strncmp(l->p[l->n - 1], rel, dir) && !strchr(l->p[l->n - 1] + dir, '/')) {
		char *copy = own ? dv_strdup(rel) : NULL;

		if (own && !copy)
			return DV_ERROR;
		if (own) {
			free(l->p[l->n - 1]);
			l->p[l->n - 1] = copy;
		}
		return 0;
	}
	return push(&l->p, &l->cap, &l->n, dv_strdup(rel));
}

static bool is_pipeline(const char *name)
{
	return !strcmp(name, "dv.yaml") || !strcmp(name, "dvc.yaml");
}

static int visit(struct walk *w, dv_path_list *l, const char *dir, const char *name,
		 unsigned char type)
{
	bool pipeline = type == DT_REG && w->pipelines && is_pipeline(name);
	bool pointer = type == DT_REG && dv_pointer_is_name(name);

	if ((type != DT_DIR && !pointer && !pipeline) || !strcmp(name, ".") ||
	    !strcmp(name, "..") || !strcmp(name, ".git") || !strcmp(name, ".dv"))
		return 0;
	char *rel = *dir ? dv_path_join(dir, name) : dv_strdup(name);
	if (!rel)
		return DV_ERROR;
	if (type == DT_DIR)
		return push(&l->p, &l->cap, &l->n, rel);
	int rc = pipeline ? note_pipeline(w, rel, name) :
		 dv_ignore_match_here(w->r->ignore, rel, false, NULL) ? 0 : read_pointer(w, rel);
	free(rel);
	return rc;
}

/* Is this folder the root of another repository, whose outputs are its own? */
static bool is_nested(int fd)
{
	struct stat st;

	return !fstatat(fd, ".git", &st, AT_SYMLINK_NOFOLLOW) ||
	       !fstatat(fd, ".dv/config", &st, AT_SYMLINK_NOFOLLOW);
}

static bool is_output_since(const struct walk *w, size_t from, const char *rel)
{
	for (size_t i = from; i < w->out->n; i++)
		if (!strcmp(w->out->o[i].path, rel))
			return true;
	return false;
}

static int read_folder(struct walk *w, const char *dir)
{
	dv_auto(dv_path_list) l = DV_PATH_LIST_INIT;
	dv_autofree char *path = dv_repo_abs(w->r, dir);
	size_t from = w->out->n;
	int rc = 0;

	if (!path)
		return dv_err_nomem();
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		rc = dv_err_sys("cannot read the folder '%s'", *dir ? dir : ".");
		if (fd >= 0)
			close(fd);
		return rc;
	}
	bool skip = *dir && is_nested(fd);
	for (struct dirent *e; !skip && !rc && (e = readdir(d)); )
		rc = visit(w, &l, dir, e->d_name, type_of(fd, e));
	closedir(d);
	for (size_t i = 0; !rc && i < l.n; i++) {
		if (is_output_since(w, from, l.p[i]) ||
		    dv_ignore_match_here(w->r->ignore, l.p[i], true, NULL))
			continue;
		rc = push(&w->todo, &w->cap, &w->n, dv_steal(&l.p[i]));
	}
	return rc;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int dv_repo_outputs(dv_repo *r, dv_output_list *out)
{
	return dv_repo_outputs_and_pipelines(r, out, NULL);
}

int dv_repo_outputs_and_pipelines(dv_repo *r, dv_output_list *out, dv_path_list *pipelines)
{
	struct walk w = { .r = r, .out = out, .pipelines = pipelines };
	int rc = push(&w.todo, &w.cap, &w.n, dv_strdup(""));

	while (!rc && w.n) {
		dv_autofree char *dir = w.todo[--w.n];
		rc = dv_check_cancel();
		if (!rc)
			rc = read_folder(&w, dir);
	}
	while (w.n)
		free(w.todo[--w.n]);
	free(w.todo);
	if (pipelines && pipelines->n)
		qsort(pipelines->p, pipelines->n, sizeof(*pipelines->p), compare_names);
	return rc ? rc : dv_output_list_finish(out);
}

/* -- a revision -------------------------------------------------------------------------------- */

static int on_pointer(const char *where, const char *path, const char *text, size_t n,
		      void *payload)
{
	dv_auto(dv_pointer) p = DV_POINTER_INIT;
	int rc = dv_pointer_parse(&p, text, n, path);

	if (rc)
		return dv_err_ctx(rc, "in revision %.10s", where);
	return dv_output_list_add(payload, path, &p);
}

int dv_repo_outputs_at(dv_repo *r, const char *rev, dv_output_list *out)
{
	dv_git *g = NULL;
	int rc = dv_repo_git(r, &g);

	if (!rc)
		rc = dv_git_pointers_at(g, rev, on_pointer, out);
	return rc ? rc : dv_output_list_finish(out);
}
