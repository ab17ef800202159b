/* SPDX-License-Identifier: Apache-2.0 */
/* Targets that name stages: they stand for the outputs that the stages made. */
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "repo/lockfile.h"
#include "repo/targets.h"

/* What a target says when it is no path: stages of the lock file in a folder. */
typedef struct named {
	size_t dir;		/* length of the folder with its slash */
	const char *stage;	/* NULL: all of them */
} named;

static named read_name(const char *target)
{
	const char *base = dv_path_base(target), *colon = strchr(base, ':');
	size_t n = colon ? (size_t)(colon - base) : strlen(base);
	bool file = (n == 7 && !memcmp(base, "dv.yaml", n)) ||
		    (n == 8 && !memcmp(base, "dvc.yaml", n));

	return (named){ (size_t)(base - target), !file ? base : colon ? colon + 1 : NULL };
}

/* A group's name stands for its members. */
static bool is_meant(const dv_output *o, const char *target, const named *x)
{
	size_t n = x->stage ? strlen(x->stage) : 0;

	if (!o->stage || strncmp(o->pointer_path, target, x->dir) != 0 ||
	    strcmp(o->pointer_path + x->dir, DV_LOCKFILE) != 0)
		return false;
	return !x->stage || (strncmp(o->stage, x->stage, n) == 0 &&
			     (!o->stage[n] || o->stage[n] == '@'));
}

static bool is_path(const dv_output_list *l, const char *target)
{
	for (size_t i = 0; i < l->n; i++)
		if (dv_path_below(l->o[i].path, target, NULL) ||
		    dv_path_below(target, l->o[i].path, NULL) ||
		    strcmp(l->o[i].pointer_path, target) == 0)
			return true;
	return false;
}

/* Adds the outputs that a target means; *found when there are any. */
static int add_meant(dv_targets *t, const dv_output_list *l, const char *target, bool *found)
{
	const named x = read_name(target);
	int rc = 0;

	*found = false;
	for (size_t i = 0; rc == 0 && i < l->n; i++)
		if (is_meant(&l->o[i], target, &x)) {
			*found = true;
			rc = dv_targets_add(t, dv_strdup(l->o[i].path));
		}
	return rc;
}

int dv_targets_name_stages(dv_targets *t, const dv_output_list *l)
{
	size_t n = t->n, kept = 0;
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		bool found = false;
		int rc = *t->path[i] && !is_path(l, t->path[i])
				 ? add_meant(t, l, t->path[i], &found) : 0;

		if (rc < 0)
			return rc;
		if (found)
			free(dv_steal(&t->path[i]));
		any = any || found;
	}
	for (size_t i = 0; i < t->n; i++)
		if (t->path[i])
			t->path[kept++] = t->path[i];
	t->n = kept;
	return any ? dv_targets_finish(t) : 0;
}
