/* SPDX-License-Identifier: Apache-2.0 */
/* Three-way merge of directories. */
#include "repo/treemerge.h"

#include <string.h>

#include "base/alloc.h"
#include "base/path.h"

bool dv_tree_entry_same(const dv_tree_entry *a, const dv_tree_entry *b)
{
	return a->kind == b->kind && (!a->kind || dv_oid_eq(&a->oid, &b->oid));
}

static bool is_file(const dv_tree_entry *e)
{
	return e->kind == 'f' || e->kind == 'x';
}

static bool is_dir_or_none(const dv_tree_entry *e)
{
	return e->kind == 'd' || !e->kind;
}

static const dv_tree_entry nothing;

/* -- several listings side by side ------------------------------------------------------------- */

#define SIDES 4		/* two bases, ours, theirs */

typedef struct join {
	dv_tree t[SIDES];
	size_t at[SIDES];
	dv_tree_entry e[SIDES];	/* under the present name; kind 0: nothing */
	const char *name;
} join;

static void join_release(join *j)
{
	for (size_t i = 0; i < SIDES; i++)
		dv_tree_release(&j->t[i]);
}

static int join_load(join *j, const dv_treemerge *m, size_t i, const char *path,
		     const dv_tree_entry *e)
{
	return e->kind == 'd' ? m->side.list(m->side.ctx, path, &e->oid, &j->t[i]) : 0;
}

/* The next name that any listing has. */
static bool join_next(join *j)
{
	j->name = NULL;
	for (size_t i = 0; i < SIDES; i++) {
		const dv_tree *t = &j->t[i];

		if (j->at[i] < t->n && (!j->name || strcmp(t->e[j->at[i]].name, j->name) < 0))
			j->name = t->e[j->at[i]].name;
	}
	if (!j->name)
		return false;
	for (size_t i = 0; i < SIDES; i++) {
		const dv_tree *t = &j->t[i];

		j->e[i] = nothing;
		if (j->at[i] < t->n && strcmp(t->e[j->at[i]].name, j->name) == 0)
			j->e[i] = t->e[j->at[i]++];
	}
	return true;
}

/* -- results ----------------------------------------------------------------------------------- */

/* The two listings that come out, and whether they differ. */
typedef struct pair {
	dv_tree t[2];
	bool differ;
} pair;

static void pair_release(pair *p)
{
	dv_tree_release(&p->t[0]);
	dv_tree_release(&p->t[1]);
}

static int pair_add(pair *p, const char *name, const dv_tree_entry e[2])
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < 2; i++)
		if (e[i].kind)
			rc = dv_tree_add(&p->t[i], e[i].kind, &e[i].oid, e[i].size, e[i].nfiles,
					 name);
	p->differ = p->differ || !dv_tree_entry_same(&e[0], &e[1]);
	return rc;
}

static int store(const dv_treemerge *m, dv_tree *t, dv_tree_entry *out)
{
	int rc = dv_tree_store(t, m->writer, m->enc, &out->oid);

	out->kind = 'd';
	dv_tree_totals(t, &out->size, &out->nfiles);
	return rc;
}

/* A directory that came out empty is there only when `keep_empty`. */
static int pair_store(const dv_treemerge *m, pair *p, bool keep_empty, dv_tree_entry out[2])
{
	int rc = 0;

	out[0] = out[1] = nothing;
	if (p->t[0].n || keep_empty)
		rc = store(m, &p->t[0], &out[0]);
	if (!p->differ)
		out[1] = out[0];
	else if (rc == 0 && (p->t[1].n || keep_empty))
		rc = store(m, &p->t[1], &out[1]);
	return rc;
}

/* -- the merge --------------------------------------------------------------------------------- */

typedef struct place {
	const char *path;
	int depth;
} place;

static int merge(const dv_treemerge *m, place at, const dv_tree_base *base,
		 const dv_tree_entry *o, const dv_tree_entry *t, dv_tree_entry out[2]);

static int below(const dv_treemerge *m, place at, join *j, pair *p)
{
	dv_autofree char *path = *at.path ? dv_path_join(at.path, j->name) : dv_strdup(j->name);
	const dv_tree_base base = { { j->e[0], j->e[1] } };
	dv_tree_entry e[2];

	if (!path)
		return dv_err_nomem();
	int rc = merge(m, (place){ path, at.depth + 1 }, &base, &j->e[2], &j->e[3], e);
	return rc ? rc : pair_add(p, j->name, e);
}

/* Both are directories, or one is and the other is nothing. */
static int merge_dirs(const dv_treemerge *m, place at, const dv_tree_base *base,
		      const dv_tree_entry *o, const dv_tree_entry *t, dv_tree_entry out[2])
{
	__attribute__((cleanup(join_release))) join j = { 0 };
	__attribute__((cleanup(pair_release))) pair p = { 0 };
	int rc = dv_check_cancel();

	if (at.depth > DV_TREE_DEPTH)
		return dv_err(DV_ECORRUPT, "directories are nested too deep");
	if (!rc)
		rc = join_load(&j, m, 0, at.path, &base->e[0]);
	if (!rc)
		rc = join_load(&j, m, 1, at.path, &base->e[1]);
	if (!rc)
		rc = join_load(&j, m, 2, at.path, o);
	if (!rc)
		rc = join_load(&j, m, 3, at.path, t);
	while (!rc && join_next(&j))
		rc = below(m, at, &j, &p);
	return rc ? rc : pair_store(m, &p, o->kind && t->kind, out);
}

/* Content and executable bit, each by itself; false when they clash. */
static bool merge_files(const dv_tree_entry *b, const dv_tree_entry *o, const dv_tree_entry *t,
			dv_tree_entry *out)
{
	const dv_tree_entry *content = dv_oid_eq(&o->oid, &t->oid) ? o
				     : dv_oid_eq(&b->oid, &o->oid) ? t
				     : dv_oid_eq(&b->oid, &t->oid) ? o : NULL;
	char kind = o->kind == t->kind ? o->kind : b->kind == o->kind ? t->kind : o->kind;

	if (!content)
		return false;
	*out = *content;
	out->kind = kind;
	out->name = NULL;
	return true;
}

static enum dv_tree_clash reason(const dv_tree_base *base, const dv_tree_entry *o,
				 const dv_tree_entry *t)
{
	if (!o->kind)
		return DV_CLASH_OURS_DELETED;
	if (!t->kind)
		return DV_CLASH_THEIRS_DELETED;
	if (is_file(o) != is_file(t) || (o->kind == 'd') != (t->kind == 'd'))
		return DV_CLASH_KIND;
	return base->e[0].kind || base->e[1].kind ? DV_CLASH_CHANGED : DV_CLASH_ADDED;
}

static int merge(const dv_treemerge *m, place at, const dv_tree_base *base,
		 const dv_tree_entry *o, const dv_tree_entry *t, dv_tree_entry out[2])
{
	bool known = dv_tree_entry_same(&base->e[0], &base->e[1]);
	const dv_tree_entry *b = &base->e[0];

	out[0] = out[1] = *o;
	if (dv_tree_entry_same(o, t) || (known && dv_tree_entry_same(b, t)))
		return 0;
	out[0] = out[1] = *t;
	if (known && dv_tree_entry_same(b, o))
		return 0;
	if (is_dir_or_none(o) && is_dir_or_none(t))
		return merge_dirs(m, at, base, o, t, out);
	if (known && is_file(b) && is_file(o) && is_file(t) && merge_files(b, o, t, &out[0])) {
		out[1] = out[0];
		return 0;
	}
	out[0] = *o;
	return m->clash ? m->clash(m->payload, at.path, reason(base, o, t)) : 0;
}

int dv_tree_merge(const dv_treemerge *m, const char *path, const dv_tree_base *base,
		  const dv_tree_entry *ours, const dv_tree_entry *theirs, dv_tree_entry out[2])
{
	int rc = merge(m, (place){ path, 0 }, base, ours, theirs, out);

	out[0].name = out[1].name = NULL;
	return rc;
}

/* -- two results ------------------------------------------------------------------------------- */

/* The base only tells added from changed: where its listing cannot be had, all that is below it
 * counts as not known. */
static int load_base(join *j, const dv_treemerge *m, const char *path, const dv_tree_entry *b)
{
	int rc = join_load(j, m, 0, path, b);

	if (rc != DV_ENOTFOUND)
		return rc;
	dv_error_clear();
	dv_tree_release(&j->t[0]);
	return 0;
}

/* Told is the highest place where not both results are directories. `b` is what stood there before
 * the sides parted. */
static int find_clashes(const dv_treemerge *m, place at, const dv_tree_entry *b,
			const dv_tree_entry x[2], dv_clash_fn fn, void *payload)
{
	const dv_tree_base base = { { *b, *b } };
	const dv_tree_entry *o = &x[0], *t = &x[1];
	__attribute__((cleanup(join_release))) join j = { 0 };
	int rc = dv_check_cancel();

	if (rc || dv_tree_entry_same(o, t))
		return rc;
	if (!is_dir_or_none(o) || !is_dir_or_none(t))
		return fn(payload, at.path, reason(&base, o, t));
	if (at.depth > DV_TREE_DEPTH)
		return dv_err(DV_ECORRUPT, "directories are nested too deep");
	if (!(rc = load_base(&j, m, at.path, b)) && !(rc = join_load(&j, m, 2, at.path, o)))
		rc = join_load(&j, m, 3, at.path, t);
	if (!rc && !j.t[2].n && !j.t[3].n)
		return fn(payload, at.path, reason(&base, o, t));
	while (!rc && join_next(&j)) {
		dv_autofree char *path = *at.path ? dv_path_join(at.path, j.name)
						  : dv_strdup(j.name);

		rc = path ? find_clashes(m, (place){ path, at.depth + 1 }, &j.e[0], &j.e[2], fn,
					 payload) : dv_err_nomem();
	}
	return rc;
}

int dv_tree_clashes(const dv_treemerge *m, const char *path, const dv_tree_entry *base,
		    const dv_tree_entry x[2], dv_clash_fn fn, void *payload)
{
	return find_clashes(m, (place){ path, 0 }, base ? base : &nothing, x, fn, payload);
}

static int settle(const dv_treemerge *m, dv_tree_entry x[2], const char *rest, unsigned side,
		  int depth);

/* Goes one folder down, where the name that `rest` begins with is settled. */
static int settle_below(const dv_treemerge *m, dv_tree_entry x[2], const char *rest, unsigned side,
			int depth)
{
	__attribute__((cleanup(join_release))) join j = { 0 };
	__attribute__((cleanup(pair_release))) pair p = { 0 };
	size_t len = strcspn(rest, "/");
	bool both = x[0].kind && x[1].kind, found = false;
	int rc = join_load(&j, m, 2, "", &x[0]);

	if (!rc)
		rc = join_load(&j, m, 3, "", &x[1]);
	while (!rc && join_next(&j)) {
		dv_tree_entry e[2] = { j.e[2], j.e[3] };

		if (strlen(j.name) == len && memcmp(j.name, rest, len) == 0) {
			found = true;
			rc = settle(m, e, rest + len + (rest[len] == '/'), side, depth + 1);
		}
		if (!rc)
			rc = pair_add(&p, j.name, e);
	}
	if (!rc && !found)
		return dv_err(DV_ENOTFOUND, "there is no '%s'", rest);
	/* A folder that the side which was chosen has not goes with the last that was in it. */
	return rc ? rc : pair_store(m, &p, both, x);
}

static int settle(const dv_treemerge *m, dv_tree_entry x[2], const char *rest, unsigned side,
		  int depth)
{
	if (dv_tree_entry_same(&x[0], &x[1]))
		return dv_err(DV_ENOTFOUND, "it is not in conflict");
	if (!*rest) {
		x[!side] = x[side];
		return 0;
	}
	if (!is_dir_or_none(&x[0]) || !is_dir_or_none(&x[1]))
		return dv_err(DV_ENOTFOUND, "the folder that holds it is a file on the other side");
	if (depth > DV_TREE_DEPTH)
		return dv_err(DV_ECORRUPT, "directories are nested too deep");
	return settle_below(m, x, rest, side, depth);
}

int dv_tree_settle(const dv_treemerge *m, dv_tree_entry x[2], const char *path, unsigned side)
{
	int rc = settle(m, x, path, side, 0);

	x[0].name = x[1].name = NULL;
	return rc;
}
