/* SPDX-License-Identifier: Apache-2.0 */
/* Add and commit: which outputs the targets mean, and what may become one. */
#include <fcntl.h>
#include <ftw.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/progress.h"
#include "repo/record.h"
#include "repo/targets.h"
#include "repo/workdir.h"

/* What a new output may not be: each refusal names the way out. */
int dv_record_check_new(dv_record *c, const char *rel)
{
	const char *base = dv_path_base(rel), *rest;
	bool tracked = false;

	if (!*rel) {
		dv_err(DV_EUSAGE, "cannot track the workspace itself");
		return dv_err_hint(DV_EUSAGE, "name the files and directories to track in it");
	}
	if (dv_repo_is_meta(base))
		return dv_err_hint(dv_err(DV_EUSAGE,
					  "cannot track '%s': it belongs to dv or git itself", rel),
				   "keep it in git: 'git add %s'", rel);
	for (size_t i = 0; i < c->outputs.n; i++) {
		const dv_output *o = &c->outputs.o[i];

		if (!dv_path_below(o->path, rel, &rest))
			continue;
		if (o->stage)
			return dv_err_hint(dv_err(DV_EEXISTS, "cannot track '%s': the stage '%s' "
						  "of '%s' makes '%s' in it", rel, o->stage,
						  o->pointer_path, o->path),
					   "track what no stage makes, each by itself");
		return dv_err_hint(dv_err(DV_EEXISTS, "cannot track '%s': output '%s' is inside it",
					  rel, o->path),
				   "run 'dv remove %s' first", o->pointer_path);
	}
	if (dv_ignore_match(c->repo->ignore, rel, false, NULL) ||
	    dv_ignore_match(c->repo->ignore, rel, true, NULL)) {
		dv_err(DV_EUSAGE, "cannot track '%s': .dvignore excludes it", rel);
		return dv_err_hint(DV_EUSAGE, "run 'dv check-ignore -v %s' to see the rule", rel);
	}
	if (!c->repo->has_git)
		return 0;
	dv_git *git;
	dv_autofree char *which = NULL;
	int r = dv_repo_git(c->repo, &git);
	if (r < 0 || (r = dv_git_is_tracked(git, rel, &tracked, &which)) < 0)
		return r;
	if (!tracked)
		return 0;
	dv_err(DV_EEXISTS, "cannot track '%s': git tracks '%s'", rel, which ? which : rel);
	return dv_err_hint(DV_EEXISTS, "run 'git rm -r --cached %s' first; the files stay", rel);
}

static int add_one(dv_record *c, const char *rel)
{
	const char *rest = "";
	dv_output *o = dv_output_list_holding(&c->outputs, rel, &rest);

	if (!o)
		o = dv_targets_by_pointer(&c->outputs, rel);
	if (o && (o->stage || o->filtered))
		return dv_record_refuse(c, o, "track", rel);
	if (o && *rest)
		return dv_record_inner(c, o, rest);
	if (o)
		return dv_record_output(c, o->path, o->pointer_path, &o->pointer);

	dv_auto(dv_buf) pointer = DV_BUF_INIT;
	int r = dv_record_check_new(c, rel);
	if (r < 0)
		return r;
	if ((r = dv_buf_addf(&pointer, "%s" DV_POINTER_SUFFIX, rel)) < 0)
		return r;
	return dv_record_output(c, rel, pointer.p, NULL);
}

/* No new output may lie in another: what is tracked already was looked at, this is about the
 * targets among themselves. */
static int check_apart(const dv_record *c, const dv_targets *t)
{
	const char *rest = "";

	for (size_t i = 1; i < t->n; i++) {
		const char *outer = t->sorted[i - 1], *inner = t->sorted[i];

		if (!dv_path_below(inner, outer, &rest) || !*rest ||
		    dv_output_list_holding(&c->outputs, inner, NULL))
			continue;
		dv_err(DV_EEXISTS, "cannot track '%s' by itself: '%s' is to be tracked", inner,
		       outer);
		return dv_err_hint(DV_EEXISTS, "leave out one of the two");
	}
	return 0;
}

int dv_repo_add(dv_repo *r, const char *const *targets, size_t n, const dv_add_options *o,
		const dv_accountant *a, dv_output_cb cb, void *payload)
{
	o = DV_OR_ZERO(o);
	dv_auto(dv_record) c = { .accountant = a, .cb = cb, .payload = payload };
	dv_auto(dv_targets) t = DV_TARGETS_INIT;
	int e;

	if (n == 0)
		return dv_err(DV_EUSAGE, "nothing to add");
	if (o->message && (o->no_stage || !r->has_git))
		return dv_err(DV_EUSAGE, "a message needs git and staging: there would be nothing "
					 "to commit");
	e = o->glob ? dv_targets_glob(&t, r, targets, n) : dv_targets_resolve(&t, r, targets, n);
	if (e < 0 || (e = dv_record_open(&c, r, o->jobs, o->no_stage)) < 0)
		return e;
	if ((e = check_apart(&c, &t)) < 0)
		return e;
	c.commit = o->message != NULL;
	c.force = o->force;
	dv_progress_start("adding", 0, 0);
	for (size_t i = 0; e == 0 && i < t.n; i++) {
		dv_progress_more(i + 1 < t.n);
		if ((e = dv_check_cancel()) == 0)
			e = add_one(&c, t.path[i]);
	}
	dv_progress_end();
	if (e != 0)
		return e;
	return dv_record_finish(&c, o->message);
}

/* A directory that is here only in part stops itself alone. */
static int note_partial(dv_error *first)
{
	if (!first->code)
		dv_error_take(first);
	else
		dv_warn("%s", dv_error_last()->message);
	dv_error_clear();
	return 0;
}

int dv_repo_commit(dv_repo *r, const char *const *targets, size_t n, const dv_commit_options *o,
		   const dv_accountant *a, dv_output_cb cb, void *payload)
{
	o = DV_OR_ZERO(o);
	dv_auto(dv_record) c = { .accountant = a, .cb = cb, .payload = payload };
	dv_auto(dv_targets) t = DV_TARGETS_INIT;
	dv_autoptr(dv_reader) reader = NULL;
	dv_targets_scope scope = { .repo = r, .a = &c.outputs, .workspace = true };
	dv_error partial = { 0 };
	size_t done = 0;
	int e;

	if ((e = dv_record_open(&c, r, o->jobs, o->no_stage)) < 0 ||
	    (e = dv_reader_new(&reader, c.store)) < 0)
		return e;
	c.force = o->force;
	scope.reader = reader;
	if ((e = dv_targets_tracked(&t, r, &c.outputs, reader, o->glob, targets, n)) < 0 ||
	    (e = dv_targets_check(&t, &scope)) < 0)
		return e;
	dv_progress_start("recording", 0, 0);
	for (size_t i = 0; e == 0 && i < c.outputs.n; i++) {
		dv_output *out = &c.outputs.o[i];
		const char *inner = NULL;

		if (!dv_targets_want(&t, out, &inner) || (e = dv_check_cancel()) < 0)
			continue;
		if (out->filtered) {
			if (!o->glob && dv_targets_name(&t, out))
				e = dv_record_refuse(&c, out, "record", out->path);
			continue;
		}
		if (out->stage) {
			e = dv_record_made(&c, reader, out, !o->glob && dv_targets_name(&t, out));
			continue;
		}
		dv_progress_more(i + 1 < c.outputs.n);
		if (inner) {
			size_t k = 0;

			while (e == 0 && (inner = dv_targets_inner(&t, out, &k)) != NULL)
				e = dv_record_inner(&c, out, inner);
			continue;
		}
		e = dv_record_output(&c, out->path, out->pointer_path, &out->pointer);
		if (e == DV_ENOTFOUND) {
			dv_warn("'%s' is not in the workspace; its pointer stays as it is",
				out->path);
			dv_error_clear();
			e = 0;
		}
		done += e == 0;
		if (e == DV_EDIRTY)
			e = note_partial(&partial);
	}
	dv_progress_end();
	if (e != 0 || (e = dv_record_finish(&c, NULL)) < 0 || !partial.code)
		return e;
	if (done)
		partial.code = DV_EPARTIAL;
	return dv_error_put(&partial);
}
