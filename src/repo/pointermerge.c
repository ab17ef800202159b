/* SPDX-License-Identifier: Apache-2.0 */
/* Three-way merge of pointers. */
#include "repo/pointermerge.h"

#include <string.h>

#include "base/alloc.h"
#include "repo/changes.h"
#include "repo/conflict.h"

#define LINES_MAX 512	/* of kept keys that are merged one by one */

void dv_pointer_pair_release(dv_pointer_pair *x)
{
	dv_pointer_release(&x->p[0]);
	dv_pointer_release(&x->p[1]);
}

int dv_pointer_pair_read(dv_pointer_pair *out, const char *text, size_t n, const char *name,
			 bool *merged)
{
	*out = (dv_pointer_pair){ 0 };
	for (unsigned i = 0; i < 2; i++) {
		dv_auto(dv_buf) side = DV_BUF_INIT;
		int rc = dv_conflict_take(&side, text, n, i, merged);

		if (rc)
			rc = dv_err_ctx(rc, "'%s'", name);
		else
			rc = dv_pointer_parse(&out->p[i], dv_buf_str(&side), side.n, name);
		if (rc) {
			dv_pointer_pair_release(out);
			return rc;
		}
	}
	return 0;
}

/* -- values ------------------------------------------------------------------------------------ */

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

enum { OURS, THEIRS, BOTH };

/* Whose value is to be had; NULL stands for none. The two of `b` differ where it is not known. */
static unsigned choose(const char *const b[2], const char *o, const char *t)
{
	bool known = same(b[0], b[1]);

	if (same(o, t) || (known && same(b[0], t)))
		return OURS;
	return known && same(b[0], o) ? THEIRS : BOTH;
}

/* Gives the other side, too, what is chosen of one. */
static int take_text(unsigned side, char **ours, char **theirs, bool *clash)
{
	char **from = side == OURS ? ours : theirs, **to = side == OURS ? theirs : ours;
	char *copy = NULL;

	if (side == BOTH) {
		*clash = true;
		return 0;
	}
	if (*from && !(copy = dv_strdup(*from)))
		return DV_ERROR;
	free(*to);
	*to = copy;
	return 0;
}

static int merge_text(const char *b0, const char *b1, char **o, char **t, bool *clash)
{
	const char *const b[2] = { b0, b1 };

	return take_text(choose(b, *o, *t), o, t, clash);
}

/* -- kept keys: lines "KEY: VALUE" ------------------------------------------------------------- */

typedef struct lines {
	char *text;		/* cut at its line feeds */
	char *l[LINES_MAX];
	size_t n;
} lines;

static void lines_release(lines *x)
{
	free(x->text);
}

/* False where there are too many. */
static bool split(lines *x, const char *text)
{
	x->text = dv_strdup(text ? text : "");
	for (char *p = x->text; p && *p; x->n++) {
		size_t len = strcspn(p, "\n");

		if (x->n == LINES_MAX)
			return false;
		x->l[x->n] = p;
		p += len + (p[len] == '\n');
		x->l[x->n][len] = 0;
	}
	return x->text != NULL;
}

/* The length of the key, quotes and all. */
static size_t key_len(const char *line)
{
	const char *end = strstr(line, ": ");

	if (*line == '"' || *line == '\'') {
		const char *p = line + 1;

		while (*p && *p != *line)
			p += *p == '\\' && *line == '"' && p[1] ? 2 : 1;
		end = strstr(p, ": ");
	}
	return end ? (size_t)(end - line) : strlen(line);
}

static const char *find_line(const lines *x, const char *like)
{
	size_t n = key_len(like);

	for (size_t i = 0; i < x->n; i++)
		if (key_len(x->l[i]) == n && memcmp(x->l[i], like, n) == 0)
			return x->l[i];
	return NULL;
}

static void add_line(dv_buf *out, const char *line)
{
	if (line)
		dv_buf_addf(out, "%s\n", line);
}

struct kept {
	lines b[2], o, t;
	dv_buf out[2];
	bool clash;
};
static void kept_release(struct kept *k)
{
	lines_release(&k->b[0]);
	lines_release(&k->b[1]);
	lines_release(&k->o);
	lines_release(&k->t);
	dv_buf_release(&k->out[0]);
	dv_buf_release(&k->out[1]);
}

static void merge_line(struct kept *k, const char *like)
{
	const char *const b[2] = { find_line(&k->b[0], like), find_line(&k->b[1], like) };
	const char *o = find_line(&k->o, like), *t = find_line(&k->t, like);
	unsigned side = choose(b, o, t);

	add_line(&k->out[0], side == THEIRS ? t : o);
	add_line(&k->out[1], side == OURS ? o : t);
	k->clash = k->clash || side == BOTH;
}

static int replace(char **at, dv_buf *text)
{
	char *s = NULL;

	if (text->err || (text->n && !(s = dv_buf_detach(text))))
		return dv_err_nomem();
	free(*at);
	*at = s;
	return 0;
}

/* Keys in the order of ours, then those that theirs added. */
static int merge_kept(const char *b0, const char *b1, char **o, char **t, bool *clash)
{
	__attribute__((cleanup(kept_release))) struct kept k = { .clash = false };
	int rc;

	if (same(*o, *t))
		return 0;
	if (!split(&k.b[0], b0) || !split(&k.b[1], b1) || !split(&k.o, *o) || !split(&k.t, *t))
		return merge_text(b0, b1, o, t, clash);
	for (size_t i = 0; i < k.o.n; i++)
		merge_line(&k, k.o.l[i]);
	for (size_t i = 0; i < k.t.n; i++)
		if (!find_line(&k.o, k.t.l[i]))
			merge_line(&k, k.t.l[i]);
	*clash = *clash || k.clash;
	rc = replace(o, &k.out[0]);
	return rc ? rc : replace(t, &k.out[1]);
}

/* -- the whole --------------------------------------------------------------------------------- */

void dv_pointer_set_entry(dv_pointer *p, const dv_tree_entry *e)
{
	p->oid = e->oid;
	p->size = e->size;
	p->is_dir = e->kind == 'd';
	p->isexec = e->kind == 'x';
	p->nfiles = p->is_dir ? e->nfiles : 0;
}

static int merge_keys(const dv_pointer_pair *base, dv_pointer_pair *x, bool *clash)
{
	const dv_pointer *b0 = &base->p[0], *b1 = &base->p[1];
	dv_pointer *o = &x->p[0], *t = &x->p[1];
	const char *const push[2] = { b0->no_push ? "" : NULL, b1->no_push ? "" : NULL };
	unsigned side = choose(push, o->no_push ? "" : NULL, t->no_push ? "" : NULL);
	int rc;

	o->no_push = t->no_push = side == OURS ? o->no_push : t->no_push;
	if ((rc = merge_text(b0->path, b1->path, &o->path, &t->path, clash)) ||
	    (rc = merge_text(b0->remote, b1->remote, &o->remote, &t->remote, clash)) ||
	    (rc = merge_text(b0->comment, b1->comment, &o->comment, &t->comment, clash)) ||
	    (rc = merge_kept(b0->extra_out, b1->extra_out, &o->extra_out, &t->extra_out, clash)))
		return rc;
	return merge_kept(b0->extra_top, b1->extra_top, &o->extra_top, &t->extra_top, clash);
}

int dv_pointer_merge(dv_mergework *w, const char *path, const dv_pointer_pair *base,
		     dv_pointer_pair *x, bool *keys)
{
	static const dv_pointer_pair none;
	dv_tree_entry o = dv_pointer_entry(&x->p[0]), t = dv_pointer_entry(&x->p[1]), out[2];
	dv_tree_base b = { 0 };

	for (unsigned i = 0; base && i < 2; i++)
		b.e[i] = dv_pointer_entry(&base->p[i]);
	*keys = false;
	int rc = dv_tree_merge(&w->tree, path, &b, &o, &t, out);
	if (rc)
		return rc;
	dv_pointer_set_entry(&x->p[0], &out[0]);
	dv_pointer_set_entry(&x->p[1], &out[1]);
	return merge_keys(base ? base : &none, x, keys);
}

int dv_pointer_pair_print(dv_buf *out, const dv_pointer_pair *x, int marker, bool *equal)
{
	dv_auto(dv_buf) o = DV_BUF_INIT, t = DV_BUF_INIT;
	int rc = dv_pointer_print(&o, &x->p[0]);

	if (!rc)
		rc = dv_pointer_print(&t, &x->p[1]);
	if (rc)
		return rc;
	*equal = o.n == t.n && memcmp(o.p, t.p, o.n) == 0;
	return *equal ? dv_buf_add(out, o.p, o.n) : dv_conflict_print(out, &o, &t, marker, true);
}
