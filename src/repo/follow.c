/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data follows the pointers that git changed. What is compared is what two commits recorded;
 * what is brought back is what the workspace's pointers say now, which git made equal to the new
 * commit's wherever the two differ.
 */
#include "repo/follow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "repo/sync.h"

#define NAMED_MAX 5	/* outputs; the others are counted */

typedef struct follow {
	dv_repo *repo;
	dv_hook_cb cb;
	void *payload;
	dv_path_list records;	/* that differ; sorted */
	dv_output_list before;	/* what they recorded */
	dv_output_list now;	/* all outputs of the workspace */
	dv_path_list targets;	/* to be brought: absolute */
	dv_path_list missing;	/* those of them that are not in the cache */
} follow;

static void follow_release(follow *f)
{
	dv_path_list_release(&f->records);
	dv_path_list_release(&f->targets);
	dv_path_list_release(&f->missing);
	dv_output_list_release(&f->before);
	dv_output_list_release(&f->now);
}

static void say(const follow *f, enum dv_hook_word kind, const char *text)
{
	if (f->cb && *text)
		f->cb(kind, text, f->payload);
}

/* The failure on record, which is none of git's. */
static void say_failure(const follow *f)
{
	dv_error e;

	dv_error_take(&e);
	dv_error_clear();
	say(f, DV_HOOK_WARNING, e.message);
	say(f, DV_HOOK_HINT, e.hint);
}

/* -- what differs ------------------------------------------------------------------------------ */

static int on_changed(const char *path, const char *text, size_t n, void *payload)
{
	follow *f = payload;
	int rc = dv_path_list_add(&f->records, path);

	if (rc == 0 && text)
		rc = dv_output_list_read(&f->before, path, text, n, NULL);
	if (rc == DV_ECORRUPT || rc == DV_EUNSAFE || rc == DV_ERROR) {
		/* Nothing is known of what was before; the new one counts. */
		dv_error_clear();
		rc = 0;
	}
	return rc;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool has_changed(const follow *f, const dv_output *o)
{
	const dv_output *was;

	if (f->records.n == 0 || !bsearch(&o->pointer_path, f->records.p, f->records.n,
					  sizeof(*f->records.p), by_name))
		return false;
	was = dv_output_list_find(&f->before, o->path);
	return !was || was->pointer.is_dir != o->pointer.is_dir ||
	       was->pointer.isexec != o->pointer.isexec ||
	       !dv_oid_eq(&was->pointer.oid, &o->pointer.oid);
}

static int compare(follow *f, const char *old, const char *new_)
{
	dv_git *g = NULL;
	int rc = dv_repo_git(f->repo, &g);

	if (rc == 0)
		rc = dv_git_changed_records(g, old, new_, on_changed, f);
	if (rc < 0 || f->records.n == 0)
		return rc;
	qsort(f->records.p, f->records.n, sizeof(*f->records.p), by_name);
	if (dv_output_list_finish(&f->before) < 0) {
		/* A commit in which outputs are in each other's way tells nothing. */
		dv_error_clear();
		dv_output_list_cut(&f->before, 0);
	}
	return dv_repo_outputs(f->repo, &f->now);
}

/* -- outputs that are none any more ------------------------------------------------------------ */

static int drop_gone(follow *f, dv_follow_summary *out)
{
	dv_auto(dv_output_list) gone = DV_OUTPUT_LIST_INIT;
	dv_git *g = NULL;
	int rc = dv_repo_git(f->repo, &g);

	for (size_t i = 0; rc == 0 && i < f->before.n; i++) {
		const dv_output *o = &f->before.o[i];
		bool tracked = false;
		const char *rest;

		if (dv_output_list_holding(&f->now, o->path, &rest))
			continue;
		/* What git has at that place now is git's. */
		rc = dv_git_is_tracked(g, o->path, &tracked, NULL);
		if (rc == 0 && !tracked)
			rc = dv_output_list_add_copy(&gone, o);
	}
	return rc < 0 || gone.n == 0 ? rc : dv_repo_drop_data(f->repo, &gone, &out->dropped);
}

/* -- content that is not here ------------------------------------------------------------------ */

static bool has_remote(const follow *f, const char *name)
{
	dv_autofree char *url = NULL;
	int rc = dv_config_remote(&f->repo->config, f->repo->root, name, NULL, &url);

	dv_error_clear();
	return rc == 0;
}

static int name_missing(const follow *f, const dv_path_list *l, const char *why)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;

	dv_buf_adds(&text, "content is not in the cache:");
	for (size_t i = 0; i < l->n && i < NAMED_MAX; i++) {
		const char *rest = "";

		dv_path_below(l->p[i], f->repo->root, &rest);
		dv_buf_addf(&text, "%s '%s'", i ? "," : "", rest);
	}
	if (l->n > NAMED_MAX)
		dv_buf_addf(&text, " and %zu more", l->n - NAMED_MAX);
	if (text.err)
		return text.err;
	say(f, DV_HOOK_WARNING, dv_buf_str(&text));
	say(f, DV_HOOK_HINT, why);
	return 0;
}

/* Sorts the targets into those that are here and those that are not. */
static int look_for(follow *f, const dv_output *o, dv_reader *reader, bool *remote)
{
	dv_autofree char *abs = NULL;
	bool here = false;
	int rc = dv_sync_is_cached(reader, &o->pointer.oid, o->pointer.is_dir, &here);

	if (rc < 0)
		return rc;
	if (!(abs = dv_repo_abs(f->repo, o->path)))
		return dv_err_nomem();
	if (!here)
		*remote |= has_remote(f, o->pointer.remote);
	return dv_path_list_add(here ? &f->targets : &f->missing, abs);
}

static int choose(follow *f, bool *remote)
{
	dv_autoptr(dv_reader) reader = NULL;
	dv_store *s = NULL;
	int rc = 0;

	*remote = false;
	for (size_t i = 0; rc == 0 && i < f->now.n; i++) {
		if (!has_changed(f, &f->now.o[i]))
			continue;
		if (!reader && ((rc = dv_repo_store(f->repo, &s)) < 0 ||
				(rc = dv_reader_new(&reader, s)) < 0))
			return rc;
		rc = look_for(f, &f->now.o[i], reader, remote);
	}
	return rc;
}

static bool contains(const dv_path_list *l, const char *abs)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->p[i], abs) == 0)
			return true;
	return false;
}

/* After a fetch: what came is a target, and what did not is named. */
static int look_again(follow *f, bool failed)
{
	dv_auto(dv_path_list) still = DV_PATH_LIST_INIT;
	dv_autoptr(dv_reader) reader = NULL;
	dv_store *s = NULL;
	int rc = dv_repo_store(f->repo, &s);

	if (rc == 0)
		rc = dv_reader_new(&reader, s);
	for (size_t i = 0; rc == 0 && i < f->now.n; i++) {
		const dv_output *o = &f->now.o[i];
		dv_autofree char *abs = dv_repo_abs(f->repo, o->path);
		bool here = false;

		if (!abs)
			return dv_err_nomem();
		if (!contains(&f->missing, abs))
			continue;
		rc = dv_sync_is_cached(reader, &o->pointer.oid, o->pointer.is_dir, &here);
		if (rc == 0)
			rc = dv_path_list_add(here ? &f->targets : &still, abs);
	}
	if (rc < 0 || still.n == 0)
		return rc;
	return name_missing(f, &still, failed ? "run 'dv pull' when the remote is in reach"
					      : "run 'dv push' where that data is");
}

static int fetch_missing(follow *f, bool remote)
{
	const dv_transfer_options o = { .jobs = 0 };
	int rc;

	if (f->missing.n == 0)
		return 0;
	if (!remote)
		return name_missing(f, &f->missing,
				    "add a remote with 'dv remote add -d NAME URL', then 'dv "
				    "pull'");
	rc = dv_fetch(f->repo, (const char *const *)f->missing.p, f->missing.n, &o, NULL);
	if (rc == DV_ECANCELLED)
		return rc;
	if (rc < 0)
		say_failure(f);
	return look_again(f, rc < 0);
}

/* -- all of it --------------------------------------------------------------------------------- */

static int bring(follow *f, dv_follow_summary *out)
{
	const dv_checkout_options o = { .force = false };
	dv_checkout_summary sum = { 0 };
	int rc;

	if (f->targets.n == 0)
		return 0;
	rc = dv_checkout(f->repo, (const char *const *)f->targets.p, f->targets.n, &o, NULL, NULL,
			 &sum);
	out->outputs = sum.outputs;
	if (rc == DV_EDIRTY || rc == DV_ENOTFOUND || rc == DV_ECORRUPT || rc == DV_EPARTIAL) {
		if (strstr(dv_error_last()->hint, "--force"))
			dv_err_hint(rc, "run 'dv add' to record it here, or 'dv checkout "
				    "--force' to drop it");
		say_failure(f);
		rc = 0;
	}
	return rc;
}

int dv_repo_follow(dv_repo *r, const char *old, const char *new_, dv_hook_cb cb, void *payload,
		   dv_follow_summary *out)
{
	dv_auto(follow) f = { .repo = r, .cb = cb, .payload = payload };
	bool remote = false;
	int rc;

	*out = (dv_follow_summary){ 0 };
	if ((rc = compare(&f, old, new_)) < 0 || f.records.n == 0)
		return rc;
	if ((rc = drop_gone(&f, out)) < 0 || (rc = choose(&f, &remote)) < 0 ||
	    (rc = fetch_missing(&f, remote)) < 0)
		return rc;
	return bring(&f, out);
}
