/* SPDX-License-Identifier: Apache-2.0 */
/* dv_metrics_show, dv_metrics_diff, dv_params_diff. */
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "pipeline/measures.h"

#define WORKSPACE "workspace"
#define PARTLY "some files could not be read; the warnings name them"

/* -- values for callers ------------------------------------------------------------------------ */

typedef struct shown {
	dv_buf text;
	char *json;
	dv_datum d;
} shown;
static void shown_release(shown *s)
{
	dv_buf_release(&s->text);
	free(s->json);
}

static int show(shown *s, const dv_value *v)
{
	dv_autoptr(dv_json) j = dv_value_to_json(v);

	s->json = j ? json_dumps(j, JSON_ENCODE_ANY) : NULL;
	if (!s->json)
		return dv_err_nomem();
	int rc = dv_value_is_scalar(v) ? dv_value_text(&s->text, v) :
					 dv_buf_adds(&s->text, s->json);
	if (rc)
		return rc;
	s->d = (dv_datum){ .text = dv_buf_str(&s->text), .json = s->json };
	if (v->kind == DV_VALUE_INT && !v->s) {
		s->d.is_integer = s->d.is_number = true;
		s->d.number = (double)v->i;
	} else if (v->kind == DV_VALUE_FLOAT) {
		s->d.is_number = true;
		s->d.number = v->f;
	}
	return 0;
}

/* -- targets ----------------------------------------------------------------------------------- */

/* Paths of the user -> paths below the root. */
static int targets_of(dv_repo *r, const char *const *targets, size_t n, dv_path_list *out)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		dv_autofree char *rel = NULL;

		rc = dv_repo_rel(r, targets[i], &rel);
		if (rc == 0)
			rc = dv_path_list_add(out, rel);
	}
	return rc;
}

/* -- comparing --------------------------------------------------------------------------------- */

/* Before the first commit HEAD is empty. */
static int read_side(dv_repo *r, const char *rev, const dv_measuring *m, dv_leaves *out)
{
	dv_auto(dv_view) v = { .r = r, .rev = rev };
	char hex[DV_GIT_HEX + 1];
	dv_git *g;
	int rc;

	if (rev && !strcmp(rev, WORKSPACE))
		v.rev = NULL;
	if (!v.rev)
		return dv_leaves_read(out, &v, m);
	if ((rc = dv_repo_git(r, &g)))
		return rc;
	if (!strcmp(v.rev, "HEAD")) {
		if ((rc = dv_git_head(g, hex)) || !*hex)
			return rc;
	} else if ((rc = dv_git_resolve(g, v.rev, hex))) {
		return rc;
	}
	return dv_leaves_read(out, &v, m);
}

static int tell(const dv_leaf *a, const dv_leaf *b, dv_value_change_cb cb, void *payload)
{
	__attribute__((cleanup(shown_release))) shown before = { 0 };
	__attribute__((cleanup(shown_release))) shown after = { 0 };
	dv_value_change c = { .path = (a ? a : b)->path, .key = (a ? a : b)->key };
	int rc = 0;

	if (a && (rc = show(&before, a->value)) == 0)
		c.before = &before.d;
	if (rc == 0 && b && (rc = show(&after, b->value)) == 0)
		c.after = &after.d;
	return rc ? rc : cb(&c, payload);
}

static int order(const dv_leaf *a, const dv_leaf *b)
{
	if (!a || !b)
		return a ? -1 : 1;
	int c = strcmp(a->path, b->path);
	return c ? c : strcmp(a->key, b->key);
}

static int compare(const dv_leaves *a, const dv_leaves *b, bool all, dv_value_change_cb cb,
		   void *payload)
{
	size_t i = 0, k = 0;
	int rc = 0;

	while (rc == 0 && (i < a->n || k < b->n)) {
		const dv_leaf *x = i < a->n ? &a->l[i] : NULL, *y = k < b->n ? &b->l[k] : NULL;
		int c = order(x, y);

		i += c <= 0;
		k += c >= 0;
		if (c == 0 && !all && dv_value_equal(x->value, y->value))
			continue;
		rc = tell(c <= 0 ? x : NULL, c >= 0 ? y : NULL, cb, payload);
	}
	return rc;
}

static int diff(dv_repo *r, enum dv_measure what, const dv_compare_options *o,
		dv_value_change_cb cb, void *payload)
{
	dv_auto(dv_path_list) targets = DV_PATH_LIST_INIT;
	dv_auto(dv_leaves) a = DV_LEAVES_INIT, b = DV_LEAVES_INIT;
	int rc;

	o = DV_OR_ZERO(o);
	if ((rc = targets_of(r, o->targets, o->ntargets, &targets)))
		return rc;
	const dv_measuring m = { .what = what, .targets = (const char *const *)targets.p,
				 .ntargets = targets.n, .deps = o->deps };
	if ((rc = read_side(r, o->before ? o->before : "HEAD", &m, &a)) ||
	    (rc = read_side(r, o->after, &m, &b)) || (rc = compare(&a, &b, o->all, cb, payload)))
		return rc;
	for (size_t i = 0; i < targets.n; i++) {
		bool any = false;

		for (size_t k = 0; k < a.n && !any; k++)
			any = dv_path_below(a.l[k].path, targets.p[i], NULL);
		for (size_t k = 0; k < b.n && !any; k++)
			any = dv_path_below(b.l[k].path, targets.p[i], NULL);
		if (!any && !a.partly && !b.partly)
			return dv_err(DV_ENOTFOUND, "there is nothing to compare in '%s'",
				      targets.p[i]);
	}
	return a.partly || b.partly ? dv_err(DV_EPARTIAL, PARTLY) : 0;
}

int dv_params_diff(dv_repo *r, const dv_compare_options *o, dv_value_change_cb cb, void *payload)
{
	return diff(r, DV_MEASURE_PARAMS, o, cb, payload);
}

int dv_metrics_diff(dv_repo *r, const dv_compare_options *o, dv_value_change_cb cb, void *payload)
{
	return diff(r, DV_MEASURE_METRICS, o, cb, payload);
}

/* -- showing ----------------------------------------------------------------------------------- */

static int show_rev(dv_repo *r, const char *rev, dv_measuring m, dv_metric_cb cb, void *payload,
		    bool *any, bool *partly)
{
	dv_auto(dv_leaves) l = DV_LEAVES_INIT;
	int rc;

	m.tell_missing = !rev;
	rc = read_side(r, rev, &m, &l);
	*partly |= l.partly;
	*any |= l.n > 0;
	for (size_t i = 0; rc == 0 && i < l.n; i++) {
		__attribute__((cleanup(shown_release))) shown s = { 0 };
		dv_metric one = { .rev = rev ? rev : WORKSPACE, .path = l.l[i].path,
				  .key = l.l[i].key, .value = &s.d };

		rc = show(&s, l.l[i].value);
		if (rc == 0)
			rc = cb(&one, payload);
	}
	return rc;
}

static int note_name(const char *name, void *payload)
{
	return dv_path_list_add(payload, name);
}

static int revisions(dv_repo *r, const dv_metrics_options *o, dv_path_list *out)
{
	const dv_git_scope scope = { .all_commits = true };
	dv_git *g;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < o->nrevs; i++)
		rc = dv_path_list_add(out, o->revs[i]);
	if (rc || (!o->all_branches && !o->all_tags && !o->all_commits) ||
	    (rc = dv_repo_git(r, &g)))
		return rc;
	if (o->all_branches)
		rc = dv_git_branches(g, note_name, out);
	if (rc == 0 && o->all_tags)
		rc = dv_git_tags(g, note_name, out);
	if (rc == 0 && o->all_commits)
		rc = dv_git_commits(g, &scope, note_name, out);
	return rc;
}

int dv_metrics_show(dv_repo *r, const dv_metrics_options *o, dv_metric_cb cb, void *payload)
{
	dv_auto(dv_path_list) targets = DV_PATH_LIST_INIT, revs = DV_PATH_LIST_INIT;
	bool any = false, partly = false;
	int rc;

	o = DV_OR_ZERO(o);
	if ((rc = targets_of(r, o->targets, o->ntargets, &targets)) ||
	    (rc = revisions(r, o, &revs)))
		return rc;
	const dv_measuring m = { .what = DV_MEASURE_METRICS,
				 .targets = (const char *const *)targets.p,
				 .ntargets = targets.n };
	if (!o->nrevs)
		rc = show_rev(r, NULL, m, cb, payload, &any, &partly);
	for (size_t i = 0; rc == 0 && i < revs.n; i++)
		rc = show_rev(r, revs.p[i], m, cb, payload, &any, &partly);
	if (rc == 0 && targets.n && !any && !partly)
		return dv_err(DV_ENOTFOUND, "there are no metrics in '%s'", targets.p[0]);
	return rc ? rc : partly ? dv_err(DV_EPARTIAL, PARTLY) : 0;
}
