/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From dvc.lock to dv.lock. An MD5 becomes an oid only by way of bytes that have it: what was taken
 * over, or what stands in the workspace. Where there are none the entry is left out, so that the
 * stage counts as changed and not as done.
 */
#include "pipeline/import_dvc.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/path.h"

#define FILES_MAX 1000000	/* of a directory in the workspace */
#define DEPTH_MAX 64	/* folders in folders */
#define READ_BYTES ((size_t)256 << 10)	/* at a time */

/* -- reading ----------------------------------------------------------------------------------- */

/* The text of a scalar: an MD5 of digits alone may stand there as a number. */
static const char *text_of(dv_arena *a, dv_value *dict, const char *key)
{
	const dv_value *v = dv_value_get(dict, key);
	dv_auto(dv_buf) b = DV_BUF_INIT;

	if (!v || !dv_value_is_scalar(v) || v->kind == DV_VALUE_NULL)
		return NULL;
	if (v->kind == DV_VALUE_STRING)
		return v->s;
	return dv_value_text(&b, v) ? NULL : dv_arena_strdup(a, dv_buf_str(&b));
}

static int read_paths(dv_arena *a, dv_value *list, dv_dvc_locked **out, size_t *n)
{
	*n = 0;
	*out = dv_arena_alloc(a, ((list && list->kind == DV_VALUE_LIST ? list->n : 0) + 1) *
					 sizeof(**out));
	if (!*out)
		return DV_ERROR;
	for (size_t i = 0; list && list->kind == DV_VALUE_LIST && i < list->n; i++) {
		dv_value *item = list->items[i];
		const char *path = text_of(a, item, "path"), *md5 = text_of(a, item, "md5");
		const char *hash = text_of(a, item, "hash");
		const dv_value *exec = dv_value_get(item, "isexec");
		dv_dvc_locked *e = &(*out)[*n];

		if (!path || !md5 || (hash && strcmp(hash, "md5") != 0) ||
		    !dv_dvc_name_parse(&e->name, md5, !hash))
			continue;
		e->path = path;
		e->isexec = exec && exec->kind == DV_VALUE_BOOL && exec->b;
		++*n;
	}
	return 0;
}

static int read_stage(dv_dvc_lock *l, dv_arena *a, const char *name, dv_value *body)
{
	dv_dvc_locked_stage s = { .name = name, .cmd = dv_value_get(body, "cmd"),
				  .params = dv_value_get(body, "params") };
	int rc;

	if (body->kind != DV_VALUE_DICT || !s.cmd)
		return 0;
	if (s.params && s.params->kind != DV_VALUE_DICT)
		s.params = NULL;
	if ((rc = read_paths(a, dv_value_get(body, "deps"), &s.deps, &s.ndeps)) ||
	    (rc = read_paths(a, dv_value_get(body, "outs"), &s.outs, &s.nouts)) ||
	    (rc = dv_arena_grow(a, &l->s, &l->cap, l->n + 1, sizeof(*l->s))))
		return rc;
	l->s[l->n++] = s;
	return 0;
}

int dv_dvc_lock_parse(dv_dvc_lock *out, dv_arena *a, const char *text, size_t n, const char *name)
{
	dv_value *top = NULL, *stages;
	int rc = dv_yaml_parse(a, text, n, name, &top);

	if (rc < 0)
		return rc;
	if (!top || top->kind == DV_VALUE_NULL)
		return 0;
	if (top->kind != DV_VALUE_DICT)
		return dv_err(DV_ECORRUPT, "'%s' is no lock file of DVC", name);
	stages = dv_value_get(top, "schema") ? dv_value_get(top, "stages") : top;
	for (size_t i = 0; rc == 0 && stages && stages->kind == DV_VALUE_DICT && i < stages->n; i++)
		rc = read_stage(out, a, stages->members[i].key, stages->members[i].value);
	return rc;
}

const dv_stage *dv_dvc_lock_stage(const dv_dvc_lock *l, const char *name)
{
	for (size_t i = 0; i < l->pipeline.n; i++)
		if (!strcmp(l->pipeline.stages[i].name, name))
			return &l->pipeline.stages[i];
	return NULL;
}

/* The path as the pipeline file has it and from the root, of an entry as the lock has it. */
static int path_of(dv_arena *a, const dv_stage *s, const char *written, const char **path)
{
	*path = dv_stage_path(a, s->wdir, written);
	return *path ? 0 : DV_ERROR;
}

static const dv_stage_out *find_out(const dv_stage *s, const char *path)
{
	for (size_t i = 0; i < s->nouts; i++)
		if (!strcmp(s->outs[i].path, path))
			return &s->outs[i];
	return NULL;
}

static const dv_stage_dep *find_dep(const dv_stage *s, const char *path)
{
	for (size_t i = 0; i < s->ndeps; i++)
		if (!strcmp(s->deps[i].path, path))
			return &s->deps[i];
	return NULL;
}

int dv_dvc_lock_outs(const dv_dvc_lock *l, dv_arena *a, dv_dvc_outs *out)
{
	for (size_t i = 0; i < l->n; i++) {
		const dv_stage *s = dv_dvc_lock_stage(l, l->s[i].name);

		for (size_t k = 0; s && k < l->s[i].nouts; k++) {
			const dv_dvc_locked *e = &l->s[i].outs[k];
			dv_dvc_out o = { .from = l->path, .written = e->path, .name = e->name,
					 .has_name = true, .isexec = e->isexec };
			const dv_stage_out *d;
			int rc = path_of(a, s, e->path, &o.path);

			if (rc < 0)
				return rc;
			if (!(d = find_out(s, o.path)) || !d->cache)
				continue;
			if ((rc = dv_arena_grow(a, &out->o, &out->cap, out->n + 1,
						sizeof(*out->o))) < 0)
				return rc;
			out->o[out->n++] = o;
		}
	}
	return 0;
}

/* -- what stands in the workspace -------------------------------------------------------------- */

static int md5_of_file(int dirfd, const char *name, bool dos2unix, const dv_md5 *is, dv_md5 *out)
{
	dv_autofree uint8_t *buf = dv_malloc(READ_BYTES);
	dv_autoptr(dv_md5_stream) s = NULL;
	dv_autoclose int fd = dv_fs_openat(dirfd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	dv_md5 sums[2];
	struct stat st;
	ssize_t n = 1;
	int rc = dv_md5_new(&s, dos2unix);

	if (rc < 0 || !buf)
		return DV_ERROR;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return dv_err_sys("cannot read '%s'", name);
	while (n > 0 && (rc = dv_check_cancel()) == 0) {
		n = read(fd, buf, READ_BYTES);
		if (n > 0)
			dv_md5_update(s, buf, (size_t)n);
	}
	if (n < 0)
		return dv_err_sys("cannot read '%s'", name);
	if (rc == 0)
		rc = dv_md5_end(s, sums);
	if (rc < 0)
		return rc;
	*out = rc > 1 && is && !memcmp(is, &sums[1], sizeof *is) ? sums[1] : sums[0];
	return 0;
}

/* A directory as DVC sees it. */
typedef struct walk {
	const dv_dvc_translation *t;
	bool dos2unix;
	dv_dvc_listing l;
	size_t nfolders;	/* links that lead around make them many */
	const char *base;	/* of the directory, relative to the root */
} walk;

static int walk_dir(walk *w, int fd, const char *inner, unsigned depth);

static int walk_entry(walk *w, int fd, const char *inner, const char *name, unsigned depth)
{
	dv_autofree char *path = dv_path_join(inner, name);
	dv_autofree char *full = path ? dv_path_join(w->base, path) : NULL;
	struct stat st;
	dv_md5 md5;
	int rc;

	if (!full)
		return dv_err_nomem();
	if (fstatat(fd, name, &st, 0) < 0)
		return 0;
	if (dv_ignore_match_here(w->t->repo->ignore, full, S_ISDIR(st.st_mode), NULL))
		return 0;
	if (S_ISDIR(st.st_mode)) {
		dv_autoclose int sub = dv_fs_openat(fd, name, O_RDONLY | O_DIRECTORY, 0);

		return sub < 0 ? 0 : walk_dir(w, sub, path, depth + 1);
	}
	if (!S_ISREG(st.st_mode))
		return 0;
	if (w->l.n >= FILES_MAX)
		return dv_err(DV_ENOTFOUND, "'%s' has too many files", w->base);
	rc = md5_of_file(fd, name, w->dos2unix, NULL, &md5);
	const char *kept = rc == 0 ? dv_arena_strdup(w->t->arena, path) : NULL;
	return rc ? rc : kept ? dv_dvc_listing_add(&w->l, w->t->arena, kept, &md5) : DV_ERROR;
}

static int walk_dir(walk *w, int fd, const char *inner, unsigned depth)
{
	int own = depth > DEPTH_MAX || ++w->nfolders > FILES_MAX ? -1 : dup(fd);
	int rc = dv_check_cancel();
	DIR *d = own < 0 ? NULL : fdopendir(own);
	const struct dirent *e;

	if (!d) {
		if (own >= 0)
			close(own);
		return dv_err(DV_ENOTFOUND, "'%s' cannot be listed", w->base);
	}
	while (rc == 0 && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    !dv_repo_is_own(e->d_name) && strcmp(e->d_name, DV_DVC_FOLDER) != 0)
			rc = walk_entry(w, fd, inner, e->d_name, depth);
	closedir(d);
	return rc;
}

static int md5_of_dir(const dv_dvc_translation *t, const char *path, int fd, bool dos2unix,
		      dv_md5 *out)
{
	walk w = { .t = t, .dos2unix = dos2unix, .base = path };
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = walk_dir(&w, fd, "", 0);

	if (rc == 0)
		rc = dv_dvc_listing_print(&text, &w.l);
	return rc ? rc : dv_md5_of(out, text.p, text.n);
}

/* Has what stands at `path` that name? */
static int has_name(const dv_dvc_translation *t, const char *path, const dv_dvc_name *n, bool *yes)
{
	dv_autofree char *abs = *path == '/' ? dv_strdup(path) : dv_repo_abs(t->repo, path);
	dv_autoclose int fd = -1;
	struct stat st;
	dv_md5 md5;
	int rc;

	*yes = false;
	if (!abs)
		return dv_err_nomem();
	if (stat(abs, &st) < 0 || (n->is_dir ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode)))
		return 0;
	if (n->is_dir) {
		fd = dv_fs_openat(AT_FDCWD, abs, O_RDONLY | O_DIRECTORY, 0);
		rc = fd < 0 ? DV_ENOTFOUND : md5_of_dir(t, path, fd, n->dos2unix, &md5);
	} else {
		rc = md5_of_file(AT_FDCWD, abs, n->dos2unix, &n->md5, &md5);
	}
	if (rc == DV_ECANCELLED)
		return rc;
	*yes = rc == 0 && !memcmp(&md5, &n->md5, sizeof md5);
	dv_error_clear();
	return 0;
}

/* -- from MD5 to oid --------------------------------------------------------------------------- */

static const dv_dvc_out *find_taken(const dv_dvc_translation *t, const dv_dvc_name *n)
{
	for (size_t i = 0; i < t->outs->n; i++) {
		const dv_dvc_out *o = &t->outs->o[i];

		if (o->state == DV_DVC_DONE && o->name.is_dir == n->is_dir &&
		    o->name.dos2unix == n->dos2unix &&
		    !memcmp(&o->name.md5, &n->md5, sizeof n->md5))
			return o;
	}
	return NULL;
}

/* Fills what the entry's content is; *found is false when nobody can tell. */
static int identify(const dv_dvc_translation *t, const char *path, const dv_dvc_name *n,
		    dv_locked_path *out, bool *found)
{
	const dv_dvc_out *o = n->is_dir ? find_taken(t, n) : NULL;
	dv_content now;
	int rc = 0;

	*found = true;
	out->is_dir = n->is_dir;
	if (o) {
		out->oid = o->oid;
		out->size = o->size;
		out->nfiles = o->nfiles;
		return 0;
	}
	if (!n->is_dir && dv_dvc_take_find(t->take, n, &out->oid, &out->size))
		return 0;
	if ((rc = has_name(t, path, n, found)) < 0 || !*found)
		return rc;
	if ((rc = dv_contents_get(t->states->contents, path, &now)) < 0)
		return rc;
	*found = now.kind && (now.kind == 'd') == n->is_dir;
	out->oid = now.oid;
	out->size = now.size;
	out->nfiles = n->is_dir ? now.nfiles : 0;
	out->isexec = now.kind == 'x';
	return 0;
}

/* -- writing ----------------------------------------------------------------------------------- */

static int add_deps(const dv_dvc_translation *t, dv_dvc_lock *l, const dv_stage *s,
		    const dv_dvc_locked_stage *from, dv_locked_stage *out)
{
	for (size_t i = 0; i < from->ndeps; i++) {
		dv_locked_path *p = &out->deps[out->ndeps];
		const dv_stage_dep *d;
		const char *path;
		bool found;
		int rc = path_of(t->arena, s, from->deps[i].path, &path);

		if (rc < 0)
			return rc;
		if (!(d = find_dep(s, path)))
			continue;
		*p = (dv_locked_path){ .path = d->written };
		if ((rc = identify(t, path, &from->deps[i].name, p, &found)) < 0)
			return rc;
		p->isexec = false;
		out->ndeps += found;
		l->incomplete |= !found;
	}
	return 0;
}

static int add_outs(const dv_dvc_translation *t, dv_dvc_lock *l, const dv_stage *s,
		    const dv_dvc_locked_stage *from, dv_locked_stage *out)
{
	for (size_t i = 0; i < from->nouts; i++) {
		dv_locked_path *p = &out->outs[out->nouts];
		const dv_stage_out *o;
		const char *path;
		bool found;
		int rc = path_of(t->arena, s, from->outs[i].path, &path);

		if (rc < 0)
			return rc;
		if (!(o = find_out(s, path)))
			continue;
		*p = (dv_locked_path){ .path = o->written, .isexec = from->outs[i].isexec,
				       .no_cache = !o->cache, .no_push = !o->push,
				       .remote = o->remote };
		if ((rc = identify(t, path, &from->outs[i].name, p, &found)) < 0)
			return rc;
		out->nouts += found;
		l->incomplete |= !found;
	}
	return 0;
}

static const char *relative_wdir(dv_arena *a, const dv_stage *s)
{
	dv_autofree char *from = dv_path_join("/", s->dir), *to = dv_path_join("/", s->wdir);
	dv_autofree char *rel = from && to ? dv_path_relative(to, from) : NULL;

	return rel ? dv_arena_strdup(a, *rel ? rel : ".") : NULL;
}

static int translate(const dv_dvc_translation *t, dv_dvc_lock *l, const dv_stage *s,
		     const dv_dvc_locked_stage *from, dv_lockfile *lock)
{
	dv_locked_stage out = { .name = s->name, .cmd = from->cmd, .params = from->params,
				.wdir = relative_wdir(t->arena, s) };
	int rc;

	out.deps = dv_arena_alloc(t->arena, (from->ndeps + 1) * sizeof(*out.deps));
	out.outs = dv_arena_alloc(t->arena, (from->nouts + 1) * sizeof(*out.outs));
	if (!out.wdir || !out.deps || !out.outs)
		return DV_ERROR;
	if ((rc = add_deps(t, l, s, from, &out)) < 0 || (rc = add_outs(t, l, s, from, &out)) < 0)
		return rc;
	return dv_lockfile_put(lock, &out);
}

int dv_dvc_lock_write(const dv_dvc_translation *t, dv_dvc_lock *l, bool *changed, size_t *nstages)
{
	dv_autofree char *path = dv_path_join(l->dir, DV_LOCKFILE);
	dv_autofree char *abs = path ? dv_repo_abs(t->repo, path) : NULL;
	dv_auto(dv_lockfile) lock = DV_LOCKFILE_INIT;
	dv_auto(dv_buf) text = DV_BUF_INIT, old = DV_BUF_INIT;
	int rc = abs ? dv_lockfile_read(&lock, abs, l->dir, path) : dv_err_nomem();

	*changed = false;
	*nstages = 0;
	for (size_t i = 0; rc == 0 && i < l->n; i++) {
		const dv_stage *s = dv_dvc_lock_stage(l, l->s[i].name);
		const dv_locked_stage *was = s ? dv_lockfile_find(&lock, s->name) : NULL;

		if (!s || (was && was->has_run))
			continue;
		rc = translate(t, l, s, &l->s[i], &lock);
		++*nstages;
	}
	if (rc < 0 || !*nstages)
		return rc;
	if ((rc = dv_lockfile_settle(&lock, l->dir)) < 0 ||
	    (rc = dv_lockfile_print(&text, &lock)) < 0)
		return rc;
	rc = dv_fs_read_file(&old, abs, DV_LOCKFILE_MAX);
	if (rc == 0 && old.n == text.n && !memcmp(old.p, text.p, text.n))
		return 0;
	dv_error_clear();
	*changed = true;
	return dv_scratch_write(&t->repo->scratch, abs, text.p, text.n, DV_ATOMIC_SYNC);
}
