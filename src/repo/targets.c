/* SPDX-License-Identifier: Apache-2.0 */
/* From what the user typed to outputs and paths inside them. */
#include "repo/targets.h"

#include <glob.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"

void dv_targets_release(dv_targets *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->path[i]);
	free(t->path);
	*t = (dv_targets)DV_TARGETS_INIT;
}

static int add(dv_targets *t, const dv_repo *r, const char *user)
{
	int e = dv_grow(&t->path, &t->cap, t->n + 1, sizeof(*t->path));

	if (e < 0 || (e = dv_repo_rel(r, user, &t->path[t->n])) < 0)
		return e;
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->path[i], t->path[t->n]) == 0) {
			free(t->path[t->n]);
			return 0;
		}
	t->n++;
	return 0;
}

static int add_matches(dv_targets *t, const dv_repo *r, const char *pattern)
{
	glob_t g = { 0 };
	int e = 0, rc = glob(pattern, GLOB_NOSORT, NULL, &g);

	if (rc == GLOB_NOMATCH)
		e = dv_err(DV_ENOTFOUND, "nothing matches '%s'", pattern);
	else if (rc != 0)
		e = dv_err(DV_ERROR, "cannot expand '%s'", pattern);
	for (size_t i = 0; e == 0 && i < g.gl_pathc; i++)
		/* Pointers lie beside their outputs, so "*" means the data. */
		if (!dv_pointer_is_name(dv_path_base(g.gl_pathv[i])))
			e = add(t, r, g.gl_pathv[i]);
	globfree(&g);
	return e;
}

int dv_targets_resolve(dv_targets *t, const dv_repo *r, const char *const *user, size_t n,
		       bool expand)
{
	int e = 0;

	for (size_t i = 0; e == 0 && i < n; i++)
		e = expand ? add_matches(t, r, user[i]) : add(t, r, user[i]);
	return e;
}

dv_output *dv_targets_by_pointer(const dv_output_list *l, const char *path)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->o[i].pointer_path, path) == 0)
			return &l->o[i];
	return NULL;
}

int dv_targets_check(const dv_targets *t, const dv_output_list *l)
{
	const char *rest;

	for (size_t i = 0; i < t->n; i++) {
		bool found = !*t->path[i] || dv_output_list_holding(l, t->path[i], &rest) ||
			     dv_targets_by_pointer(l, t->path[i]);

		for (size_t j = 0; !found && j < l->n; j++)
			found = dv_path_below(l->o[j].path, t->path[i], &rest);
		if (!found) {
			dv_err(DV_ENOTFOUND, "'%s' is not tracked by dv", t->path[i]);
			return dv_err_hint(DV_ENOTFOUND, "run 'dv ls' to see what is");
		}
	}
	return 0;
}

bool dv_targets_want(const dv_targets *t, const dv_output *o, const char **inner)
{
	const char *rest;

	*inner = NULL;
	if (t->n == 0)
		return true;
	for (size_t i = 0; i < t->n; i++) {
		if (!*t->path[i] || dv_path_below(o->path, t->path[i], &rest) ||
		    strcmp(o->pointer_path, t->path[i]) == 0) {
			*inner = NULL;
			return true;
		}
		if (dv_path_below(t->path[i], o->path, &rest) && *rest)
			*inner = rest;
	}
	return *inner != NULL;
}

const char *dv_targets_inner(const dv_targets *t, const dv_output *o, size_t *i)
{
	const char *rest;

	while (*i < t->n)
		if (dv_path_below(t->path[(*i)++], o->path, &rest) && *rest)
			return rest;
	return NULL;
}

bool dv_targets_want_path(const dv_targets *t, const char *path)
{
	const char *rest;

	for (size_t i = 0; i < t->n; i++)
		if (!*t->path[i] || dv_path_below(path, t->path[i], &rest))
			return true;
	return t->n == 0;
}
