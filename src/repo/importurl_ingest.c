/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file or folder at a URL, read straight into a writer. Small files come several at once, each
 * into memory; a long one, or one whose length nobody tells, as a stream through the chunker.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/progress.h"
#include "repo/importurl.h"
#include "transfer/foreign.h"

#define DEPTH_MAX 130	/* of folders: dv_foreign_walk ends sooner */

typedef struct reading reading;
typedef struct got {
	reading *r;
	const char *path;	/* below the URL; NULL: that itself */
	const dv_remote_look *look;
	dv_oid oid;
	uint64_t size;
} got;

struct reading {
	dv_urlplace *u;
	const dv_urlread *how;
	dv_pool *pool;
	dv_ingest *in;
	got *g;
	size_t n;
};
static void reading_release(reading *r)
{
	dv_pool_free(r->pool);
	dv_ingest_free(r->in);
	free(r->g);
}

static char *full_name(const got *g)
{
	const char *name = g->r->u->name;

	return !g->path ? dv_strdup(name) : *name ? dv_path_join(name, g->path)
						  : dv_strdup(g->path);
}

static int changed(const got *g)
{
	return dv_err_hint(dv_err(DV_ETRANSIENT, "'%s' changed while it was read",
				  g->path ? g->path : g->r->u->name),
			   "run the command again");
}

/* A wrong length is found out here, a wrong content by the look that follows. */
static int check_size(const got *g)
{
	return g->look->has_size && g->size != g->look->size ? changed(g) : 0;
}

/* -- small files ------------------------------------------------------------------------------- */

typedef struct taking {
	got *g;
	dv_buf b;
	bool streams;	/* the rest, and what is in `b`, goes into a stream */
	bool may_stream;
} taking;
static void taking_release(taking *t)
{
	dv_buf_release(&t->b);
}

static int put_stream(taking *t, const uint8_t *p, size_t n)
{
	dv_ingest *in = t->g->r->in;

	while (n) {
		uint8_t *room;
		size_t k;
		int rc = dv_ingest_stream_room(in, &room, &k);

		if (rc)
			return rc;
		k = k < n ? k : n;
		memcpy(room, p, k);
		p += k;
		n -= k;
		if ((rc = dv_ingest_stream_took(in, k)))
			return rc;
	}
	return 0;
}

static int take(const void *p, size_t n, void *payload)
{
	taking *t = payload;
	int rc = dv_check_cancel();

	t->g->size += n;
	dv_progress_add(n, 0);
	if (rc || t->streams)
		return rc ? rc : put_stream(t, p, n);
	if (n <= DV_INGEST_SMALL - t->b.n)
		return dv_buf_add(&t->b, p, n);
	if (!t->may_stream)
		return changed(t->g);
	if ((rc = dv_ingest_stream_begin(t->g->r->in, t->g->path ? t->g->path : "",
					 t->g->r->how->before)))
		return rc;
	t->streams = true;
	if ((rc = put_stream(t, (const uint8_t *)dv_buf_str(&t->b), t->b.n)))
		return rc;
	dv_buf_release(&t->b);
	t->b = (dv_buf)DV_BUF_INIT;
	return put_stream(t, p, n);
}

static int small_job(void *arg, int worker)
{
	got *g = arg;
	dv_auto(taking) t = { .g = g };
	dv_autofree char *name = full_name(g);
	int rc = name ? dv_foreign_read(g->r->u->f, name, take, &t) : dv_err_nomem();

	if (!rc && !(rc = check_size(g)))
		rc = dv_ingest_content(g->r->in, worker, dv_buf_str(&t.b), t.b.n, name, NULL,
				       &g->oid);
	dv_progress_add(0, 1);
	return rc;
}

/* -- others ------------------------------------------------------------------------------------ */

static int read_one(got *g)
{
	dv_auto(taking) t = { .g = g, .may_stream = true };
	dv_autofree char *name = full_name(g);
	uint64_t size;
	int rc = name ? dv_foreign_read(g->r->u->f, name, take, &t) : dv_err_nomem();

	if (!rc)
		rc = check_size(g);
	if (rc && t.streams)
		dv_ingest_stream_drop(g->r->in);
	else if (t.streams)
		rc = dv_ingest_stream_end(g->r->in, &g->oid, &size);
	else if (!rc)
		rc = dv_ingest_bytes(g->r->in, -1, dv_buf_str(&t.b), t.b.n,
				     g->r->how->before, &g->oid);
	dv_progress_add(0, 1);
	return rc;
}

static bool is_small(const got *g)
{
	return g->look->has_size && g->look->size <= DV_INGEST_SMALL;
}

static int read_all(reading *r)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < r->n; i++)
		if (is_small(&r->g[i]))
			rc = dv_pool_submit(r->pool, small_job, &r->g[i]);
	int end = dv_pool_wait(r->pool);
	rc = rc ? rc : end;
	for (size_t i = 0; !rc && i < r->n; i++)
		if (!is_small(&r->g[i]))
			rc = read_one(&r->g[i]);
	return rc;
}

/* -- the folder -------------------------------------------------------------------------------- */

typedef struct folder {
	const char *name;	/* in a path, up to `len` */
	size_t len;
	dv_tree t;
} folder;
typedef struct folders {
	folder f[DEPTH_MAX];
	size_t n;
} folders;
static void folders_release(folders *f)
{
	while (f->n)
		dv_tree_release(&f->f[--f->n].t);
}

static int leave(reading *r, folders *s, dv_tree_entry *out)
{
	folder *f = &s->f[s->n - 1];
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = dv_tree_write(&text, &f->t);

	*out = (dv_tree_entry){ .kind = 'd' };
	if (!rc)
		rc = dv_ingest_bytes(r->in, -1, text.p, text.n, NULL, &out->oid);
	dv_tree_totals(&f->t, &out->size, &out->nfiles);
	if (rc || s->n == 1)
		return rc;
	dv_autofree char *name = dv_strndup(f->name, f->len);
	dv_tree_release(&f->t);
	s->n--;
	return name ? dv_tree_add(&s->f[s->n - 1].t, 'd', &out->oid, out->size, out->nfiles, name)
		    : dv_err_nomem();
}

/* Leaves the folders that the path does not go through, and enters those that it does. *name is its
 * last part. */
static int go_to(reading *r, folders *s, const char *path, const char **name)
{
	dv_tree_entry e;
	size_t depth = 1;
	int rc = 0;

	while (depth < s->n) {
		const folder *f = &s->f[depth];

		if (strncmp(path, f->name, f->len) != 0 || path[f->len] != '/')
			break;
		path += f->len + 1;
		depth++;
	}
	while (!rc && s->n > depth)
		rc = leave(r, s, &e);
	for (size_t len; !rc && path[len = strcspn(path, "/")]; path += len + 1) {
		if (s->n == DEPTH_MAX)
			return dv_err(DV_ERROR, "the folders there are nested too deeply");
		s->f[s->n++] = (folder){ path, len, DV_TREE_INIT };
	}
	*name = path;
	return rc;
}

/* The paths are sorted, so what is in a folder stands together. */
static int make_trees(reading *r, dv_tree_entry *out)
{
	dv_autofree folders *own = dv_calloc(1, sizeof *own);
	const char *name = "";
	int rc = 0;

	if (!own)
		return DV_ERROR;
	own->n = 1;
	for (size_t i = 0; !rc && i < r->n; i++)
		if (!(rc = go_to(r, own, r->g[i].path, &name)))
			rc = dv_tree_add(&own->f[own->n - 1].t, 'f', &r->g[i].oid, r->g[i].size, 1,
					 name);
	while (!rc && own->n > 1)
		rc = leave(r, own, out);
	if (!rc)
		rc = leave(r, own, out);
	folders_release(own);
	return rc;
}

static int start(reading *r, dv_writer *w)
{
	int cpus = dv_cpu_count(), jobs = r->how->jobs;
	int rc;

	if (jobs <= 0 && (jobs = dv_foreign_jobs(r->u->f)) < cpus)
		jobs = cpus;
	if ((rc = dv_pool_new(&r->pool, jobs, 1024)) || (rc = dv_ingest_new(&r->in, w, r->pool)))
		return rc;
	return dv_ingest_deltas(r->in, r->how->deltas);
}

int dv_urlplace_ingest(dv_urlplace *u, const dv_source *s, const dv_urlfiles *l, dv_writer *w,
		       const dv_urlread *how, dv_tree_entry *out)
{
	const dv_remote_look one = { .has_size = s->has_size, .size = s->size };
	dv_auto(reading) r = { .u = u, .how = how, .n = s->is_dir ? l->n : 1 };
	int rc = start(&r, w);

	*out = (dv_tree_entry){ .kind = 'f' };
	if (rc || !(r.g = dv_calloc(r.n + 1, sizeof *r.g)))
		return rc ? rc : DV_ERROR;
	for (size_t i = 0; i < r.n; i++)
		r.g[i] = (got){ .r = &r, .path = s->is_dir ? l->l[i].path : NULL,
				.look = s->is_dir ? &l->l[i].look : &one };
	dv_progress_start(how->phase, s->has_size ? s->size : 0, r.n);
	if (!(rc = read_all(&r)) && s->is_dir)
		rc = make_trees(&r, out);
	dv_progress_end();
	if (!rc && !s->is_dir) {
		out->oid = r.g[0].oid;
		out->size = r.g[0].size;
		out->nfiles = 1;
	}
	return rc ? rc : dv_urlplace_check_again(u, s);
}
