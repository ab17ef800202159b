/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv_status: every output's workspace content against what is recorded. Reads, and writes nothing
 * but the stat cache, so that the next call need not hash again.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/progress.h"
#include "repo/changes.h"
#include "repo/filtered.h"
#include "repo/record.h"
#include "repo/sync.h"
#include "repo/targets.h"

typedef struct status {
	dv_repo *repo;
	dv_store *store;
	dv_reader *reader;
	dv_pool *pool;
	dv_scan *scan;
	dv_closure seen;	/* of filtered files */
	const dv_status_options *o;
	const dv_targets *targets;
	dv_change_cb cb;
	void *payload;
	dv_status_summary *sum;
	dv_error failed;	/* the first failure of an output */
	size_t nfailed;
} status;

static void status_release(status *s)
{
	dv_scan_free(s->scan);
	dv_closure_release(&s->seen);
	dv_reader_free(s->reader);
	dv_pool_free(s->pool);
}

static int status_open(status *s)
{
	int r;

	if ((r = dv_repo_store_look(s->repo, &s->store)) < 0 ||
	    (r = dv_reader_new(&s->reader, s->store)) < 0 ||
	    (r = dv_repo_pool(&s->pool, s->repo, s->o->jobs)) < 0)
		return r;
	r = dv_scan_new(&s->scan, s->repo, s->pool, NULL);
	if (r == 0)
		dv_scan_pass_over(s->scan);
	return r;
}

/* The recorded side of a directory that may be here only in part. */
typedef struct recorded {
	status *s;
	const dv_output *o;
	dv_deltas *absent;	/* folders that are neither here nor listed in the store */
} recorded;

static int list_recorded(void *ctx, const char *inner, const dv_oid *oid, dv_tree *out)
{
	const recorded *x = ctx;
	const dv_tree_entry folder = { .kind = 'd', .oid = *oid };
	dv_autofree char *path = NULL;
	dv_scanned now;

	if (!*inner || dv_store_has_object(x->s->store, oid))
		return dv_list_stored(x->s->reader, inner, oid, out);
	*out = (dv_tree)DV_TREE_INIT;
	if (!(path = dv_path_join(x->o->path, inner)))
		return dv_err_nomem();
	if (dv_scan_find(x->s->scan, path, &now))
		return dv_err(DV_ENOTFOUND, "the listing of '%s' is not in the cache", path);
	return dv_deltas_add(x->absent, inner, &folder, NULL);
}

/* Without the recorded listing only the whole can be told from what it was: then there is none. */
static int diff_files(status *s, const dv_output *o, const dv_oid *now, dv_deltas *d)
{
	recorded x = { s, o, d };
	dv_side old = { list_recorded, &x }, cur = dv_scan_side(s->scan);
	int r = dv_treediff(d, &old, &o->pointer.oid, &cur, now,
			    DV_TREEDIFF_RENAMES | DV_TREEDIFF_EMPTY);

	if (r == DV_ENOTFOUND) {
		dv_error_clear();
		dv_deltas_release(d);
		r = 0;
	}
	return r;
}

/* A file that could not be read is not said to have changed. */
static bool is_unread(const dv_delta *d)
{
	return (d->new_kind == 'f' || d->new_kind == 'x') && dv_oid_is_zero(&d->new_oid);
}

static int tell_deltas(status *s, const dv_output *o, const dv_deltas *d)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->n; i++) {
		const dv_delta *x = &d->d[i];
		dv_autofree char *path = dv_path_join(o->path, x->path);
		dv_autofree char *from = x->old_path ? dv_path_join(o->path, x->old_path) : NULL;

		if (!path)
			return dv_err_nomem();
		if (is_unread(x) || (!dv_targets_want_path(s->targets, path) &&
				     !dv_targets_want_path(s->targets, o->pointer_path)))
			continue;
		if (!x->new_kind && !dv_store_has_object(s->store, &x->old_oid))
			r = dv_changes_tell_absent(x, o, path, s->cb, s->payload);
		else
			r = dv_changes_tell(x, o, path, from, s->cb, s->payload);
	}
	return r;
}

static int tell_files(status *s, const dv_output *o, const dv_oid *now)
{
	dv_auto(dv_deltas) d = DV_DELTAS_INIT;
	int r = diff_files(s, o, now, &d);

	return r ? r : tell_deltas(s, o, &d);
}

/* An output that cannot be read stops only itself: the first such failure is kept, the others are
 * warned of. */
static int note_failure(status *s, const dv_output *o, int r)
{
	if (r != DV_ERROR && r != DV_EUNSAFE && r != DV_ETRANSIENT)
		return r;
	if (!s->nfailed++) {
		dv_err_ctx(r, "output '%s'", o->path);
		dv_error_take(&s->failed);
	} else {
		dv_warn("output '%s': %s", o->path, dv_error_last()->message);
	}
	return 0;
}

/* Of a directory in which something could not be read: what else changed there. */
static int partly(status *s, const dv_output *o, const dv_oid *now, bool cached)
{
	dv_auto(dv_deltas) d = DV_DELTAS_INIT;
	dv_error why = { 0 };
	size_t changes = 0;
	int r = s->o->quick ? 0 : diff_files(s, o, now, &d);

	for (size_t i = 0; r == 0 && i < d.n; i++)
		changes += !is_unread(&d.d[i]);
	s->sum->changed += changes > 0;
	s->sum->not_in_cache += !cached;
	if (r == 0 && (changes || !cached))
		r = dv_changes_tell_output(cached ? DV_MODIFIED : DV_NOT_IN_CACHE, o, NULL, 0,
					   s->cb, s->payload);
	if (r == 0)
		r = tell_deltas(s, o, &d);
	if (r)
		return r;
	dv_scan_unread(s->scan, &why);
	return note_failure(s, o, dv_error_put(&why));
}

/* What stands there for a file that passes through the filter. Only a pointer is no content; what
 * a sparse checkout leaves out is nowhere to be. */
static int scan_filtered(status *s, const dv_output *o, dv_scanned *now,
			 enum dv_change_kind *absent)
{
	enum dv_filtered_state state;
	int r = dv_filtered_look(s->repo, o, &state, now);

	if (r == 0 && (state == DV_FILTERED_SAME || (o->skipped && state == DV_FILTERED_ABSENT)))
		*now = (dv_scanned){ .kind = 'f', .oid = o->pointer.oid,
				     .size = o->pointer.size };
	if (r == 0 && state == DV_FILTERED_POINTER) {
		*now = (dv_scanned){ 0 };
		*absent = DV_NOT_CHECKED_OUT;
	}
	return r;
}

static int output_status(status *s, const dv_output *o)
{
	dv_tree_entry want = dv_pointer_entry(&o->pointer);
	enum dv_change_kind absent = DV_DELETED;
	dv_scanned now;
	bool cached, same;
	int r;

	s->sum->outputs++;
	if ((r = o->filtered ? dv_sync_is_cached_file(&s->seen, s->reader, &o->pointer.oid,
						      &cached)
			     : dv_sync_is_cached(s->reader, &o->pointer.oid, o->pointer.is_dir,
						 &cached)) < 0 ||
	    (r = o->filtered ? scan_filtered(s, o, &now, &absent)
			     : dv_scan_path(s->scan, o->path, &now)) < 0 ||
	    (!o->filtered && (r = dv_scan_remember(s->scan)) < 0))
		return note_failure(s, o, r);
	if (now.kind == 'd' && want.kind == 'd' && dv_scan_unread(s->scan, NULL))
		return partly(s, o, &now.oid, cached);
	same = now.kind == want.kind && dv_oid_eq(&now.oid, &want.oid);
	s->sum->changed += !same;
	s->sum->not_in_cache += !cached;
	if (cached && same)
		return 0;
	r = dv_changes_tell_state(!cached ? DV_NOT_IN_CACHE : now.kind ? DV_MODIFIED : absent, o,
				  &now, now.kind && dv_store_has_object(s->store, &now.oid),
				  s->cb, s->payload);
	if (r == 0 && !same && now.kind == 'd' && want.kind == 'd' && !s->o->quick)
		r = tell_files(s, o, &now.oid);
	return r;
}

static int finish(status *s, uint64_t wanted)
{
	if (!s->nfailed)
		return 0;
	if (s->nfailed < wanted)
		s->failed.code = DV_EPARTIAL;
	return dv_error_put(&s->failed);
}

/* What the remote lacks of the outputs that are wanted. */
static int remote_status(status *s, const dv_output_list *l)
{
	dv_autofree dv_output *wanted = dv_calloc(l->n + 1, sizeof(*wanted));
	dv_output_list some = { .o = wanted };
	const char *inner;

	if (!wanted)
		return dv_err_nomem();
	for (size_t i = 0; i < l->n; i++)
		if (dv_targets_want(s->targets, &l->o[i], &inner))
			wanted[some.n++] = l->o[i];
	return dv_sync_missing(s->repo, s->o->remote_name, &some, s->cb, s->payload,
			       &s->sum->not_in_remote);
}

int dv_status(dv_repo *r, const char *const *targets, size_t n, const dv_status_options *o,
	      dv_change_cb cb, void *payload, dv_status_summary *out)
{
	o = DV_OR_ZERO(o);
	out = DV_OR_ZERO(out);
	dv_auto(dv_output_list) l = DV_OUTPUT_LIST_INIT;
	dv_auto(dv_path_list) pipelines = DV_PATH_LIST_INIT;
	dv_auto(dv_targets) t = DV_TARGETS_INIT;
	dv_auto(status) s = { .repo = r, .o = o, .targets = &t, .cb = cb, .payload = payload,
			      .sum = out };
	dv_targets_scope scope = { .repo = r, .a = &l, .workspace = true };
	const char *inner;
	int e;

	memset(out, 0, sizeof(*out));
	e = dv_repo_outputs_and_pipelines(r, &l, &pipelines);
	out->pipelines = pipelines.n;
	if (e < 0 || (l.n == 0 && n == 0))
		return e;
	if ((e = status_open(&s)) < 0)
		return e;
	scope.reader = s.reader;
	if ((e = dv_targets_tracked(&t, r, &l, s.reader, o->glob, targets, n)) < 0 ||
	    (e = dv_targets_check(&t, &scope)) < 0)
		return e;
	dv_progress_start("comparing", 0, 0);
	for (size_t i = 0; e == 0 && i < l.n; i++) {
		if (!dv_targets_want(&t, &l.o[i], &inner) || (e = dv_check_cancel()) < 0)
			continue;
		dv_progress_more(i + 1 < l.n);
		e = output_status(&s, &l.o[i]);
		if (o->quick && out->changed + out->not_in_cache > 0)
			break;
	}
	dv_progress_end();
	if (e == 0 && o->remote)
		e = remote_status(&s, &l);
	return e != 0 ? e : finish(&s, out->outputs);
}
