/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directory comparison: a stack of directory pairs, each merged by name. Nothing recurses, so the
 * depth is bounded by DV_TREE_DEPTH alone.
 */
#include "repo/treediff.h"

#include <string.h>

#include "base/alloc.h"

/* A pair of directories still to compare. A zero oid means that the side has none. */
typedef struct pair {
	char *path;
	dv_oid a, b;
	bool has_a, has_b;
	unsigned depth;
} pair;

typedef struct work {
	pair *p;
	size_t n, cap;
	const dv_side *a, *b;
	unsigned flags;
	dv_treediff_fn fn;
	void *payload;
} work;

static void work_release(work *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->p[i].path);
	free(w->p);
}

void dv_deltas_release(dv_deltas *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->d[i].path);
		free(d->d[i].old_path);
	}
	free(d->d);
	*d = (dv_deltas)DV_DELTAS_INIT;
}

int dv_deltas_add(dv_deltas *out, const char *path, const dv_tree_entry *a, const dv_tree_entry *b)
{
	int r = dv_grow(&out->d, &out->cap, out->n + 1, sizeof(*out->d));

	if (r < 0)
		return r;
	dv_delta d = { .path = dv_strdup(path) };
	if (!d.path)
		return dv_err_nomem();
	if (a) {
		d.old_kind = a->kind;
		d.old_oid = a->oid;
		d.old_size = a->size;
	}
	if (b) {
		d.new_kind = b->kind;
		d.new_oid = b->oid;
		d.new_size = b->size;
	}
	out->d[out->n++] = d;
	return 0;
}

static int push(work *w, const char *path, const dv_oid *a, const dv_oid *b, unsigned depth)
{
	if (depth > DV_TREE_DEPTH)
		return dv_err(DV_ECORRUPT, "directory '%s' is nested deeper than %u levels", path,
			      DV_TREE_DEPTH);
	int r = dv_grow(&w->p, &w->cap, w->n + 1, sizeof(*w->p));
	if (r < 0)
		return r;
	pair p = { .path = dv_strdup(path), .has_a = a != NULL, .has_b = b != NULL,
		   .depth = depth };
	if (!p.path)
		return dv_err_nomem();
	if (a)
		p.a = *a;
	if (b)
		p.b = *b;
	w->p[w->n++] = p;
	return 0;
}

static char *child_path(const char *dir, const char *name)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	if (*dir)
		dv_buf_addf(&b, "%s/", dir);
	dv_buf_adds(&b, name);
	return dv_buf_detach(&b);
}

/* One name of a directory: x on the old side, y on the new; either may be NULL. */
/* What stands there, when it is told: directories speak through what is in them. */
static const dv_tree_entry *told(const work *w, const dv_tree_entry *e)
{
	bool dir = e && e->kind == 'd';
	bool empty = dir && e->nfiles == 0;

	if (!dir || (w->flags & DV_TREEDIFF_DIRS) || (empty && (w->flags & DV_TREEDIFF_EMPTY)))
		return e;
	return NULL;
}

static int compare_entry(work *w, const pair *p, const dv_tree_entry *x, const dv_tree_entry *y)
{
	if (x && y && x->kind == y->kind && dv_oid_eq(&x->oid, &y->oid))
		return 0;

	dv_autofree char *path = child_path(p->path, x ? x->name : y->name);
	if (!path)
		return dv_err_nomem();
	const dv_tree_entry *xd = x && x->kind == 'd' ? x : NULL;
	const dv_tree_entry *yd = y && y->kind == 'd' ? y : NULL;
	int r = 0;

	if (xd || yd)
		r = push(w, path, xd ? &xd->oid : NULL, yd ? &yd->oid : NULL, p->depth + 1);
	if (r < 0)
		return r;
	if (xd && yd)
		return 0;
	x = told(w, x);
	y = told(w, y);
	if (!x && !y)
		return 0;
	return w->fn(w->payload, path, x, y);
}

static int compare_pair(work *w, const pair *p)
{
	dv_auto(dv_tree) a = DV_TREE_INIT;
	dv_auto(dv_tree) b = DV_TREE_INIT;
	int r;

	if (p->has_a && (r = w->a->list(w->a->ctx, p->path, &p->a, &a)) < 0)
		return r;
	if (p->has_b && (r = w->b->list(w->b->ctx, p->path, &p->b, &b)) < 0)
		return r;
	for (size_t i = 0, j = 0; i < a.n || j < b.n;) {
		int c = i == a.n ? 1 : j == b.n ? -1 : strcmp(a.e[i].name, b.e[j].name);

		r = compare_entry(w, p, c <= 0 ? &a.e[i] : NULL, c >= 0 ? &b.e[j] : NULL);
		if (r < 0)
			return r;
		i += c <= 0;
		j += c >= 0;
	}
	return 0;
}

static int by_path(const void *x, const void *y)
{
	const dv_delta *a = x, *b = y;

	return strcmp(a->path, b->path);
}

static void sort(dv_deltas *d)
{
	if (d->n)
		qsort(d->d, d->n, sizeof(*d->d), by_path);
}

int dv_treediff_each(const dv_side *a, const dv_oid *a_oid, const dv_side *b, const dv_oid *b_oid,
		     unsigned flags, dv_treediff_fn fn, void *payload)
{
	dv_auto(work) w = { .a = a, .b = b, .flags = flags, .fn = fn, .payload = payload };
	int r;

	if (a_oid && b_oid && dv_oid_eq(a_oid, b_oid))
		return 0;
	if ((r = push(&w, "", a_oid, b_oid, 0)) < 0)
		return r;
	while (w.n > 0) {
		pair p = w.p[--w.n];
		dv_autofree char *owned = p.path;

		if ((r = dv_check_cancel()) < 0 || (r = compare_pair(&w, &p)) < 0)
			return r;
	}
	return 0;
}

static int add(void *out, const char *path, const dv_tree_entry *a, const dv_tree_entry *b)
{
	return dv_deltas_add(out, path, a, b);
}

int dv_treediff(dv_deltas *out, const dv_side *a, const dv_oid *a_oid, const dv_side *b,
		const dv_oid *b_oid, unsigned flags)
{
	int r = dv_treediff_each(a, a_oid, b, b_oid, flags, add, out);

	if (r < 0)
		return r;
	if (flags & DV_TREEDIFF_RENAMES)
		return dv_deltas_pair_renames(out);
	sort(out);
	return 0;
}

int dv_list_stored(void *ctx, const char *path, const dv_oid *oid, dv_tree *out)
{
	int r = dv_tree_load(out, ctx, oid);

	return r < 0 && *path ? dv_err_ctx(r, "directory '%s'", path) : r;
}

static bool is_file(char kind)
{
	return kind == 'f' || kind == 'x';
}

int dv_deltas_pair_renames(dv_deltas *d)
{
	dv_auto(dv_map) gone = DV_MAP_INIT;
	size_t kept = 0;
	int r;

	/* Sorted first, so that of several deleted files with one content the same is always
	 * taken. */
	sort(d);
	for (size_t i = d->n; i-- > 0;) {
		const dv_delta *x = &d->d[i];

		if (is_file(x->old_kind) && !x->new_kind && x->old_size > 0 &&
		    (r = dv_map_put(&gone, &x->old_oid, i)) < 0)
			return r;
	}
	for (size_t i = 0; i < d->n; i++) {
		dv_delta *x = &d->d[i];
		uint64_t from;

		if (!is_file(x->new_kind) || x->old_kind ||
		    !dv_map_get(&gone, &x->new_oid, &from))
			continue;
		dv_delta *old = &d->d[from];
		x->old_path = dv_steal(&old->path);
		x->old_kind = old->old_kind;
		x->old_oid = old->old_oid;
		x->old_size = old->old_size;
		dv_map_remove(&gone, &x->new_oid);
	}
	for (size_t i = 0; i < d->n; i++)
		if (d->d[i].path)
			d->d[kept++] = d->d[i];
	d->n = kept;
	return 0;
}
