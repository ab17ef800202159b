/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv_diff: the outputs of one revision against those of another, or of the workspace, file by file.
 * All differences are collected under their full paths first, so that a file which moved from one
 * output to another is seen as renamed too.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "repo/changes.h"
#include "repo/filtered.h"
#include "repo/record.h"
#include "repo/targets.h"

typedef struct diff {
	dv_repo *repo;
	dv_store *store;
	dv_reader *reader;
	dv_pool *pool;
	const char *from, *to;	/* revisions; NULL: the workspace */
	dv_scan *scan;		/* NULL when both sides are revisions */
	dv_output_list a, b;
	dv_targets targets;
	dv_deltas deltas;
} diff;

static void diff_release(diff *d)
{
	dv_scan_free(d->scan);
	dv_reader_free(d->reader);
	dv_pool_free(d->pool);
	dv_output_list_release(&d->a);
	dv_output_list_release(&d->b);
	dv_targets_release(&d->targets);
	dv_deltas_release(&d->deltas);
}

static int diff_open(diff *d, const char *a, const char *b)
{
	int r;

	d->from = a ? a : "HEAD";
	d->to = b;
	if ((r = dv_repo_store_look(d->repo, &d->store)) < 0 ||
	    (r = dv_reader_new(&d->reader, d->store)) < 0 ||
	    (r = dv_repo_outputs_at(d->repo, d->from, &d->a)) < 0)
		return r;
	if (b)
		return dv_repo_outputs_at(d->repo, b, &d->b);
	if ((r = dv_repo_outputs(d->repo, &d->b)) < 0 ||
	    (r = dv_repo_pool(&d->pool, d->repo, 0)) < 0)
		return r;
	return dv_scan_new(&d->scan, d->repo, d->pool, NULL);
}

/* Takes the differences below an output over, with full paths. */
static int take(diff *d, const char *output, dv_deltas *inner)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < inner->n; i++) {
		dv_delta *x = &inner->d[i];
		dv_autofree char *path = dv_path_join(output, x->path);

		if (!path)
			return dv_err_nomem();
		r = dv_grow(&d->deltas.d, &d->deltas.cap, d->deltas.n + 1, sizeof(dv_delta));
		if (r < 0)
			return r;
		free(x->path);
		x->path = dv_steal(&path);
		d->deltas.d[d->deltas.n++] = *x;
		x->path = NULL;
		x->old_path = NULL;
	}
	return r;
}

/* A listing of one side is missing, nobody knows of which. */
static int hint_fetch(const diff *d, const char *path, int r)
{
	return dv_err_hint(r, "run 'dv fetch --rev %s%s%s %s' to bring its listings here",
			   d->from, d->to ? " --rev " : "", d->to ? d->to : "", path);
}

/* One output: `old` and `new_` are what stands on each side, kind 0 for nothing. */
static int compare(diff *d, const char *path, const dv_tree_entry *old, const dv_tree_entry *new_,
		   const dv_side *side)
{
	dv_auto(dv_deltas) inner = DV_DELTAS_INIT;
	dv_side stored = { dv_list_stored, d->reader };
	const dv_tree_entry *od = old && old->kind == 'd' ? old : NULL;
	const dv_tree_entry *nd = new_ && new_->kind == 'd' ? new_ : NULL;
	int r = 0;

	if (old && new_ && old->kind == new_->kind && dv_oid_eq(&old->oid, &new_->oid))
		return 0;
	if (od || nd)
		r = dv_treediff(&inner, &stored, od ? &od->oid : NULL, side, nd ? &nd->oid : NULL,
				DV_TREEDIFF_EMPTY);
	if (r == DV_ENOTFOUND)
		return hint_fetch(d, path, r);
	if (r < 0 || (r = take(d, path, &inner)) < 0)
		return r;
	old = od ? NULL : old;
	new_ = nd ? NULL : new_;
	return old || new_ ? dv_deltas_add(&d->deltas, path, old, new_) : 0;
}

static int compare_output(diff *d, const dv_output *a, const dv_output *b)
{
	dv_tree_entry ea = { 0 }, eb = { 0 };
	dv_side side = { dv_list_stored, d->reader };
	const char *inner;

	if (!dv_targets_want(&d->targets, a ? a : b, &inner))
		return 0;
	if (a)
		ea = dv_pointer_entry(&a->pointer);
	if (b)
		eb = dv_pointer_entry(&b->pointer);
	if (b && b->filtered && d->scan) {
		enum dv_filtered_state state;
		dv_scanned now;
		int r = dv_filtered_look(d->repo, b, &state, &now);

		if (r < 0)
			return r;
		if (state == DV_FILTERED_CHANGED)
			eb = (dv_tree_entry){ .kind = now.kind == 'x' ? 'f' : now.kind,
					      .oid = now.oid, .size = now.size };
		else if (state == DV_FILTERED_ABSENT && !b->skipped)
			eb.kind = 0;
	} else if (b && d->scan) {
		dv_scanned now;
		int r = dv_scan_path(d->scan, b->path, &now);

		if (r < 0 || (r = dv_scan_remember(d->scan)) < 0)
			return r;
		eb = (dv_tree_entry){ .kind = now.kind, .oid = now.oid, .size = now.size,
				      .nfiles = now.nfiles };
		side = dv_scan_side(d->scan);
	}
	return compare(d, a ? a->path : b->path, a ? &ea : NULL, eb.kind ? &eb : NULL, &side);
}

static int compare_lists(diff *d)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->a.n; i++)
		r = compare_output(d, &d->a.o[i], dv_output_list_find(&d->b, d->a.o[i].path));
	for (size_t i = 0; r == 0 && i < d->b.n; i++)
		if (!dv_output_list_find(&d->a, d->b.o[i].path))
			r = compare_output(d, NULL, &d->b.o[i]);
	return r;
}

static void count(dv_diff_summary *s, const dv_delta *x)
{
	if (x->old_path)
		s->renamed++;
	else if (!x->old_kind)
		s->added++;
	else if (!x->new_kind)
		s->deleted++;
	else
		s->modified++;
	if (x->new_size > x->old_size)
		s->added_bytes += x->new_size - x->old_size;
	else
		s->deleted_bytes += x->old_size - x->new_size;
}

int dv_revision(dv_repo *r, const char *rev, char hex[41])
{
	char own[DV_GIT_HEX + 1];
	dv_git *g = NULL;
	int rc = dv_repo_git(r, &g);

	return rc ? rc : dv_git_resolve(g, rev, hex ? hex : own);
}

int dv_diff(dv_repo *r, const char *a, const char *b, const char *const *targets, size_t n,
	    dv_change_cb cb, void *payload, dv_diff_summary *out)
{
	out = DV_OR_ZERO(out);
	dv_auto(diff) d = { .repo = r };
	dv_targets_scope scope = { .repo = r, .a = &d.a, .b = &d.b, .workspace = !b };
	int e;

	memset(out, 0, sizeof(*out));
	if ((e = diff_open(&d, a, b)) < 0 ||
	    (e = dv_targets_resolve(&d.targets, r, targets, n)) < 0)
		return e;
	scope.reader = d.reader;
	if ((e = dv_targets_check(&d.targets, &scope)) < 0 || (e = compare_lists(&d)) < 0 ||
	    (e = dv_deltas_pair_renames(&d.deltas)) < 0)
		return e;
	for (size_t i = 0; e == 0 && i < d.deltas.n; i++) {
		const dv_delta *x = &d.deltas.d[i];
		const char *rest;
		const dv_output *o = dv_output_list_holding(&d.b, x->path, &rest);

		if (!o)
			o = dv_output_list_holding(&d.a, x->path, &rest);
		if (!dv_targets_want_path(&d.targets, x->path) &&
		    !(o && dv_targets_want_path(&d.targets, o->pointer_path)))
			continue;
		count(out, x);
		e = dv_changes_tell(x, o, x->path, x->old_path, cb, payload);
	}
	return e;
}
