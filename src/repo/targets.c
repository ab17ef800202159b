/* SPDX-License-Identifier: Apache-2.0 */
/* From what the user typed to outputs and paths inside them. */
#include "repo/targets.h"

#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/path.h"

void dv_targets_release(dv_targets *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->path[i]);
	free(t->path);
	free(t->sorted);
	*t = (dv_targets)DV_TARGETS_INIT;
}

/* -- the list ---------------------------------------------------------------------------------- */

/* Bytes, '/' before all others, so that what is below a folder follows it at once. */
static int order(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	unsigned x = (unsigned char)*a, y = (unsigned char)*b;
	x = x == '/' ? 1 : x ? x + 1 : 0;
	y = y == '/' ? 1 : y ? y + 1 : 0;
	return x < y ? -1 : x > y;
}

typedef struct place {
	char *path;
	size_t at;
} place;

static int compare(const void *a, const void *b)
{
	const place *x = a, *y = b;
	int c = order(x->path, y->path);

	return c ? c : x->at < y->at ? -1 : x->at > y->at;
}

int dv_targets_add(dv_targets *t, char *owned)
{
	int e = owned ? dv_grow(&t->path, &t->cap, t->n + 1, sizeof(*t->path)) : dv_err_nomem();

	if (e < 0)
		free(owned);
	else
		t->path[t->n++] = owned;
	return e;
}

int dv_targets_finish(dv_targets *t)
{
	dv_autofree place *p = dv_calloc(t->n + 1, sizeof(*p));
	size_t n = 0;

	free(t->sorted);
	t->sorted = dv_calloc(t->n + 1, sizeof(*t->sorted));
	if (!p || !t->sorted)
		return dv_err_nomem();
	for (size_t i = 0; i < t->n; i++)
		p[i] = (place){ t->path[i], i };
	qsort(p, t->n, sizeof(*p), compare);
	for (size_t i = 0; i < t->n; i++) {
		if (n && strcmp(t->sorted[n - 1], p[i].path) == 0) {
			free(p[i].path);
			t->path[p[i].at] = NULL;
			continue;
		}
		t->sorted[n++] = p[i].path;
	}
	n = 0;
	for (size_t i = 0; i < t->n; i++)
		if (t->path[i])
			t->path[n++] = t->path[i];
	t->n = n;
	return 0;
}

int dv_targets_resolve(dv_targets *t, const dv_repo *r, const char *const *user, size_t n)
{
	t->all = n == 0;
	for (size_t i = 0; i < n; i++) {
		char *rel = NULL;
		int e = dv_repo_rel(r, user[i], &rel);

		if (e < 0 || (e = dv_targets_add(t, rel)) < 0)
			return e;
	}
	return dv_targets_finish(t);
}

int dv_targets_tracked(dv_targets *t, const dv_repo *r, const dv_output_list *l, dv_reader *reader,
		       bool glob, const char *const *user, size_t n)
{
	dv_side stored = { dv_list_stored, reader };
	int e;

	if (glob)
		return dv_targets_glob_tracked(t, r, l, &stored, true, user, n);
	e = dv_targets_resolve(t, r, user, n);
	return e < 0 ? e : dv_targets_name_stages(t, l);
}

/* -- asking ------------------------------------------------------------------------------------ */

/* The first target that does not stand before `path`. */
static size_t lower(const dv_targets *t, const char *path)
{
	size_t lo = 0, hi = t->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (order(t->sorted[mid], path) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool has(const dv_targets *t, const char *path)
{
	size_t i = lower(t, path);

	return i < t->n && strcmp(t->sorted[i], path) == 0;
}

bool dv_targets_want_path(const dv_targets *t, const char *path)
{
	if (t->all || has(t, "") || has(t, path))
		return true;
	dv_autofree char *above = t->n ? dv_strdup(path) : NULL;
	/* Out of memory: rather too much than too little. */
	if (!above)
		return t->n > 0;
	for (char *s; (s = strrchr(above, '/'));) {
		*s = '\0';
		if (has(t, above))
			return true;
	}
	return false;
}

/* The first target strictly below `path`; t->n when there is none. */
static size_t first_below(const dv_targets *t, const char *path)
{
	size_t i = lower(t, path);

	if (i < t->n && strcmp(t->sorted[i], path) == 0)
		i++;
	return i < t->n && dv_path_below(t->sorted[i], path, NULL) ? i : t->n;
}

bool dv_targets_want_below(const dv_targets *t, const char *path)
{
	return !t->all && first_below(t, path) < t->n;
}

bool dv_targets_want(const dv_targets *t, const dv_output *o, const char **inner)
{
	size_t i;

	*inner = NULL;
	if (dv_targets_want_path(t, o->path) || has(t, o->pointer_path))
		return true;
	i = first_below(t, o->path);
	if (i == t->n)
		return false;
	dv_path_below(t->sorted[i], o->path, inner);
	return true;
}

const char *dv_targets_inner(const dv_targets *t, const dv_output *o, size_t *i)
{
	const char *rest;
	size_t at = *i ? *i : first_below(t, o->path);

	*i = at + 1;
	return at < t->n && dv_path_below(t->sorted[at], o->path, &rest) ? rest : NULL;
}

bool dv_targets_name(const dv_targets *t, const dv_output *o)
{
	return !t->all && (has(t, o->path) || has(t, o->pointer_path) ||
			   first_below(t, o->path) < t->n);
}

dv_output *dv_targets_by_pointer(const dv_output_list *l, const char *path)
{
	for (size_t i = 0; i < l->n; i++)
		if (!l->o[i].stage && strcmp(l->o[i].pointer_path, path) == 0)
			return &l->o[i];
	return NULL;
}

/* -- what concerns nothing --------------------------------------------------------------------- */

enum known {
	UNKNOWN,	/* no output has to do with it */
	IN_FILE,	/* below an output that is a file */
	NOT_INSIDE,	/* below a directory, where nothing of that name is */
	KNOWN
};

static bool exists(const dv_repo *r, const char *rel)
{
	dv_autofree char *abs = dv_repo_abs(r, rel);
	struct stat st;

	return abs && lstat(abs, &st) == 0;
}

/* Is there something at `rest` in the directory, as far as the store can tell? */
static int look_inside(dv_reader *rd, const dv_oid *root, const char *rest, enum known *out)
{
	dv_oid at = *root;

	*out = KNOWN;
	for (const char *p = rest; *p;) {
		dv_auto(dv_tree) tree = DV_TREE_INIT;
		size_t len = strcspn(p, "/");
		dv_autofree char *name = dv_strndup(p, len);
		int e;

		if (!name)
			return dv_err_nomem();
		if (!dv_store_has_object(dv_reader_store(rd), &at))
			return 0;
		if ((e = dv_tree_load(&tree, rd, &at)) < 0)
			return e;
		const dv_tree_entry *x = dv_tree_find(&tree, name);
		p += len + (p[len] == '/');
		if (!x || (*p && x->kind != 'd')) {
			*out = NOT_INSIDE;
			return 0;
		}
		at = x->oid;
	}
	return 0;
}

static int look_at(const dv_targets_scope *s, const dv_output *o, const char *target,
		   enum known *out, const dv_output **near)
{
	const char *rest = NULL;
	enum known now;
	int e;

	if (dv_path_below(o->path, target, NULL) || strcmp(o->pointer_path, target) == 0) {
		*out = KNOWN;
		return 0;
	}
	if (!dv_path_below(target, o->path, &rest))
		return 0;
	now = o->pointer.is_dir ? KNOWN : IN_FILE;
	if (s->reader && now == KNOWN &&
	    (e = look_inside(s->reader, &o->pointer.oid, rest, &now)) < 0)
		return e;
	if (now == NOT_INSIDE && s->workspace && exists(s->repo, target))
		now = KNOWN;
	if (now > *out) {
		*out = now;
		*near = o;
	}
	return 0;
}

static int check_one(const dv_targets_scope *s, const char *target)
{
	const dv_output *near = NULL;
	enum known k = *target ? UNKNOWN : KNOWN;
	int e = 0;

	for (size_t i = 0; e == 0 && k != KNOWN && i < s->a->n; i++)
		e = look_at(s, &s->a->o[i], target, &k, &near);
	for (size_t i = 0; e == 0 && k != KNOWN && s->b && i < s->b->n; i++)
		e = look_at(s, &s->b->o[i], target, &k, &near);
	if (e < 0 || k == KNOWN)
		return e;
	if (k == IN_FILE)
		e = dv_err(DV_ENOTFOUND, "'%s' is a file, so there is no '%s'", near->path, target);
	else if (k == NOT_INSIDE)
		e = dv_err(DV_ENOTFOUND, "there is no '%s' in the output '%s'",
			   target + strlen(near->path) + 1, near->path);
	else
		e = dv_err(DV_ENOTFOUND, "'%s' is not tracked by dv", target);
	if (k == UNKNOWN && exists(s->repo, target))
		return dv_err_hint(e, "run 'dv add %s' to track it, or 'dv ls' to see what is "
				   "tracked", target);
	if (k == UNKNOWN)
		return dv_err_hint(e, "run 'dv ls' to see what is");
	return dv_err_hint(e, "run 'dv ls %s' to see what is there", near->path);
}

int dv_targets_check(const dv_targets *t, const dv_targets_scope *s)
{
	int e = 0;

	for (size_t i = 0; e == 0 && i < t->n; i++)
		e = check_one(s, t->path[i]);
	return e;
}
