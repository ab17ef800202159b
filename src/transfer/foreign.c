/* SPDX-License-Identifier: Apache-2.0 */
/* Files of places that are none of dv's. */
#include "transfer/foreign.h"

#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/path.h"
#include "transfer/internal.h"

struct dv_foreign {
	dv_remote *r;
	char *name;
	dv_traffic traffic;
};

void dv_foreign_free(dv_foreign *f)
{
	if (!f)
		return;
	if (f->r)
		f->r->driver->close(f->r);
	free(f->name);
	free(f);
}

int dv_foreign_open(dv_foreign **out, const dv_remote_options *o)
{
	dv_autoptr(dv_foreign) f = dv_calloc(1, sizeof(*f));
	const dv_driver *d = dv_driver_for(o->url);

	*out = NULL;
	if (!f || !(f->name = dv_strdup(o->shown ? o->shown : o->name)))
		return DV_ERROR;
	if (!d)
		return dv_err(DV_ERROR, "this dv cannot reach '%.*s' URLs: it knows folders, ssh, "
			      "s3, https, http and programs 'dv-remote-…' on PATH",
			      (int)strcspn(o->url, ":"), o->url);
	const dv_driver_options to = { .name = o->name, .jobs = o->jobs, .setting = o->setting,
				       .url_is_own = o->url_is_own, .ctx = o->ctx };
	const dv_wrap_options wrap = { .name = f->name, .rate = o->rate, .jobs = o->jobs,
				       .tries = o->tries, .traffic = &f->traffic };
	int rc = dv_wrap_open(&f->r, d, o->url, &to, &wrap);

	if (rc < 0)
		return dv_err_ctx(rc, "remote '%s'", f->name);
	*out = dv_steal(&f);
	return 0;
}

int dv_foreign_jobs(const dv_foreign *f)
{
	return dv_wrap_jobs(f->r, 0);
}

typedef struct taking {
	int fd;
	uint64_t left;
	const char *name;
} taking;

static int take(const void *p, size_t n, void *payload)
{
	taking *t = payload;

	if (n > t->left)
		return dv_err(DV_ECORRUPT, "'%s' is longer than it may be", t->name);
	t->left -= n;
	return dv_fs_write_all(t->fd, p, n) ? dv_err_sys("cannot write a copy of '%s'", t->name)
					    : 0;
}

int dv_foreign_get(dv_foreign *f, const char *name, int fd, uint64_t max)
{
	taking t = { fd, max, name };
	int rc = f->r->driver->get(f->r, name, 0, UINT64_MAX, take, &t);

	return rc < 0 ? dv_err_ctx(rc, "remote '%s'", f->name) : 0;
}

int dv_foreign_read(dv_foreign *f, const char *name,
		    int (*sink)(const void *p, size_t n, void *payload), void *payload)
{
	int rc = f->r->driver->get(f->r, name, 0, UINT64_MAX, sink, payload);

	return rc < 0 ? dv_err_ctx(rc, "remote '%s'", f->name) : rc;
}

/* -- places of others -------------------------------------------------------------------------- */

/* The driver under the wrappers, which know nothing of looking. */
static dv_remote *driver_of(const dv_foreign *f)
{
	dv_remote *r = f->r;

	while (r->driver->open == NULL)
		r = ((dv_wrapper *)r)->inner;
	return r;
}

int dv_foreign_open_theirs(dv_foreign **out, const dv_remote_options *o)
{
	int rc = dv_foreign_open(out, o);

	if (!rc)
		driver_of(*out)->any_names = true;
	return rc;
}

int dv_foreign_look(dv_foreign *f, const char *name, dv_remote_look *out)
{
	dv_remote *r = driver_of(f);
	dv_tries t = { .name = f->name, .traffic = &f->traffic };
	int rc;

	*out = (dv_remote_look){ 0 };
	do {
		if (r->driver->look)
			rc = r->driver->look(r, name, out);
		else if (!(rc = r->driver->stat(r, name, &out->size)))
			out->has_size = true;
	} while (dv_try_again(&t, &rc));
	return rc;
}

#define WALK_DEPTH 128	/* folders in folders */
#define WALK_MAX ((size_t)20 << 20)	/* files of one place */

typedef struct found {
	char *path;
	dv_remote_look look;
} found;
/* What is in folders: one at a time, as they are met. */
typedef struct walking {
	const char *dir;	/* relative to the start, "" for it */
	found *f;
	size_t n, cap;
} walking;
static void walking_release(walking *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->f[i].path);
	free(w->f);
}

static int on_found(const char *name, const dv_remote_look *l, void *payload)
{
	walking *w = payload;

	if (!dv_name_is_safe(name, strlen(name)))
		return dv_err(DV_EUNSAFE, "'%s' is no name of a file", name);
	if (w->n >= WALK_MAX)
		return dv_err(DV_ERROR, "there are too many files");
	int rc = dv_grow(&w->f, &w->cap, w->n + 1, sizeof(*w->f));
	if (rc)
		return rc;
	w->f[w->n].path = *w->dir ? dv_path_join(w->dir, name) : dv_strdup(name);
	if (!w->f[w->n].path)
		return dv_err_nomem();
	w->f[w->n++].look = *l;
	return 0;
}

static int depth_of(const char *path)
{
	int n = 1;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

/* A folder that was listed in part is listed again when that passes by itself. */
static int list_folder(dv_foreign *f, walking *w, const char *full)
{
	dv_remote *r = driver_of(f);
	dv_tries t = { .name = f->name, .traffic = &f->traffic };
	size_t before = w->n;
	int rc;

	do {
		while (w->n > before)
			free(w->f[--w->n].path);
		rc = r->driver->look_in(r, full, on_found, w);
	} while (dv_try_again(&t, &rc));
	return rc;
}

int dv_foreign_walk(dv_foreign *f, const char *name, dv_foreign_walk_cb cb, void *payload)
{
	dv_auto(walking) w = { .dir = "" };
	int rc;

	if (!driver_of(f)->driver->look_in)
		return dv_err_hint(dv_err(DV_ERROR, "no folder can be listed there"),
				   "name one file");
	rc = list_folder(f, &w, name);
	for (size_t i = 0; !rc && i < w.n; i++) {
		dv_autofree char *path = dv_strdup(w.f[i].path);
		dv_remote_look l = w.f[i].look;

		if (!path || (rc = cb(path, &l, payload)) || !l.is_dir)
			continue;
		dv_autofree char *full = *name ? dv_path_join(name, path) : dv_strdup(path);
		if (!full)
			return dv_err_nomem();
		if (depth_of(path) > WALK_DEPTH)
			return dv_err(DV_ERROR, "the folders there are nested too deeply");
		w.dir = path;
		rc = list_folder(f, &w, full);
	}
	return rc;
}
