/* SPDX-License-Identifier: Apache-2.0 */
/* Grafting: down along the path with one tree a level, then up again, storing each. */
#include "repo/graft.h"

#include <string.h>

#include "base/alloc.h"
#include "base/path.h"

typedef struct chain {
	dv_tree *t;		/* t[0] is the root's */
	char **name;		/* name[i]: the component taken in t[i] */
	size_t n, cap, name_cap;
} chain;

static void chain_release(chain *c)
{
	for (size_t i = 0; i < c->n; i++) {
		dv_tree_release(&c->t[i]);
		free(c->name[i]);
	}
	free(c->t);
	free(c->name);
}

static int chain_add(chain *c, const char *name, size_t len)
{
	int r;

	if (c->n >= DV_TREE_DEPTH)
		return dv_err(DV_ERROR, "a path is nested deeper than %u levels", DV_TREE_DEPTH);
	if ((r = dv_grow(&c->t, &c->cap, c->n + 1, sizeof(*c->t))) < 0 ||
	    (r = dv_grow(&c->name, &c->name_cap, c->n + 1, sizeof(*c->name))) < 0)
		return r;
	c->t[c->n] = (dv_tree)DV_TREE_INIT;
	if (!(c->name[c->n] = dv_strndup(name, len)))
		return dv_err_nomem();
	c->n++;
	return 0;
}

/* Loads the trees along the path; where there is none, empty ones. */
static int descend(chain *c, dv_reader *r, const dv_oid *root, const char *path)
{
	const dv_oid *at = root;
	int e;

	for (const char *p = path; *p;) {
		size_t len = strcspn(p, "/");

		if (!dv_name_is_safe(p, len))
			return dv_err(DV_EUNSAFE, "'%s' is not a path inside a directory", path);
		if ((e = chain_add(c, p, len)) < 0)
			return e;
		dv_tree *t = &c->t[c->n - 1];
		if (at && (e = dv_tree_load(t, r, at)) < 0)
			return e;
		const dv_tree_entry *x = dv_tree_find(t, c->name[c->n - 1]);
		at = x && x->kind == 'd' ? &x->oid : NULL;
		p += len + (p[len] == '/');
	}
	return 0;
}

/* A copy of the tree in which `name` is `entry`, or is not. */
static int replace(dv_tree *out, const dv_tree *t, const char *name, const dv_tree_entry *entry)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < t->n; i++) {
		const dv_tree_entry *e = &t->e[i];
		if (strcmp(e->name, name) != 0)
			r = dv_tree_add(out, e->kind, &e->oid, e->size, e->nfiles, e->name);
	}
	if (r == 0 && entry)
		r = dv_tree_add(out, entry->kind, &entry->oid, entry->size, entry->nfiles, name);
	return r;
}

int dv_graft(dv_grafted *out, dv_reader *r, dv_writer *w, dv_encoder *enc, const dv_oid *root,
	     const char *path, const dv_tree_entry *entry)
{
	dv_auto(chain) c = { 0 };
	dv_tree_entry up = { .kind = 'd' };
	int e = descend(&c, r, root, path);

	for (size_t i = c.n; e == 0 && i-- > 0;) {
		dv_auto(dv_tree) t = DV_TREE_INIT;

		e = replace(&t, &c.t[i], c.name[i], entry);
		if (e == 0)
			e = dv_tree_store(&t, w, enc, &up.oid);
		dv_tree_totals(&t, &up.size, &up.nfiles);
		entry = &up;
	}
	if (e == 0)
		*out = (dv_grafted){ up.oid, up.size, up.nfiles };
	return e;
}

int dv_tree_lookup(dv_tree_entry *out, dv_reader *r, const dv_oid *root, const char *path)
{
	dv_oid at = *root;
	dv_tree_entry found = { .kind = 'd', .oid = *root };

	for (const char *p = path; *p;) {
		dv_auto(dv_tree) t = DV_TREE_INIT;
		size_t len = strcspn(p, "/");
		dv_autofree char *name = dv_strndup(p, len);
		int e;

		if (!name)
			return dv_err_nomem();
		if (found.kind != 'd')
			return dv_err(DV_ENOTFOUND, "'%s' is not in the directory", path);
		if ((e = dv_tree_load(&t, r, &at)) < 0)
			return e;
		const dv_tree_entry *x = dv_tree_find(&t, name);
		if (!x)
			return dv_err(DV_ENOTFOUND, "'%s' is not in the directory", path);
		found = *x;
		found.name = NULL;
		at = x->oid;
		p += len + (p[len] == '/');
	}
	*out = found;
	return 0;
}
