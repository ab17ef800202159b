/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv_add and dv_commit: recording outputs, with a run record for each that is new or has changed.
 * It is stored with the same commit as the content, so it costs no wait for the disk of its own.
 */
#include "lineage/record.h"
#include "repo/import.h"
#include "base/clock.h"
#include "repo/record.h"
#include "repo/toremote.h"

typedef struct account {
	dv_repo *repo;
	dv_run_context *context;
	const char *type;
	int64_t start;
} account;

static int stored(void *ctx, dv_writer *w, const char *path, const char *pointer_path,
		  const dv_pointer *p)
{
	account *a = ctx;
	dv_run_path out = { .path = path, .is_dir = p->is_dir, .isexec = p->isexec,
			    .has_oid = true, .oid = p->oid, .size = p->size, .nfiles = p->nfiles };
	dv_run run = { .type = a->type, .file = pointer_path, .outs = &out, .nouts = 1,
		       .start_us = a->start, .end_us = dv_clock_wall_us() };
	int rc = a->context ? 0 : dv_run_context_open_quick(&a->context, a->repo);
	dv_auto(dv_buf) from = DV_BUF_INIT;
	dv_run_path dep = out;
	dv_oid oid;

	if (p->source) {
		const dv_source *s = p->source;

		dv_buf_adds(&from, s->url);
		if (s->is_repo)
			dv_buf_addf(&from, "#%s:%s", s->rev_lock, s->path);
		if (from.err)
			return from.err;
		dep.path = from.p;
		run.deps = &dep;
		run.ndeps = 1;
	}

	a->start = run.end_us;
	return rc < 0 ? rc : dv_run_record(a->context, w, &run, &oid);
}

static int done(void *ctx)
{
	account *a = ctx;

	return dv_run_flush(a->context, false);
}

static void account_release(account *a)
{
	dv_run_context_free(a->context);
}

static bool is_wanted(const dv_repo *r)
{
	return dv_config_bool(&r->config, "lineage.add", true);
}

int dv_run_record_import(dv_repo *r, dv_writer *w, dv_run *run)
{
	dv_autoptr(dv_run_context) c = NULL;
	dv_oid oid;
	int rc;

	if (!run->nouts || !is_wanted(r))
		return 0;
	run->end_us = dv_clock_wall_us();
	if ((rc = dv_run_context_open_quick(&c, r)) < 0 ||
	    (rc = dv_run_record(c, w, run, &oid)) < 0 ||
	    (rc = dv_writer_commit(w, NULL, 0)) < 0)
		return rc;
	return dv_run_flush(c, true);
}

/* NULL when no account is to be kept. */
static const dv_accountant *accountant(dv_accountant *out, account *a)
{
	if (!is_wanted(a->repo))
		return NULL;
	a->start = dv_clock_wall_us();
	*out = (dv_accountant){ stored, done, a };
	return out;
}

int dv_add(dv_repo *r, const char *const *targets, size_t n, const dv_add_options *o,
	   dv_output_cb cb, void *payload)
{
	dv_auto(account) a = { .repo = r, .type = "add" };
	dv_accountant who;

	return dv_repo_add(r, targets, n, o, accountant(&who, &a), cb, payload);
}

int dv_add_to_remote(dv_repo *r, const char *source, const dv_to_remote_options *o,
		     dv_output_cb cb, void *payload)
{
	dv_auto(account) a = { .repo = r, .type = "add" };
	dv_accountant who;

	return dv_repo_add_to_remote(r, source, o, accountant(&who, &a), cb, payload);
}

int dv_commit(dv_repo *r, const char *const *targets, size_t n, const dv_commit_options *o,
	      dv_output_cb cb, void *payload)
{
	dv_auto(account) a = { .repo = r, .type = "commit" };
	dv_accountant who;

	return dv_repo_commit(r, targets, n, o, accountant(&who, &a), cb, payload);
}

int dv_import(dv_repo *r, const char *url, const char *path, const dv_import_options *o,
	      dv_output_cb cb, void *payload)
{
	dv_auto(account) a = { .repo = r, .type = "import" };
	dv_accountant who;

	return dv_repo_import(r, url, path, o, accountant(&who, &a), cb, payload);
}

int dv_import_url(dv_repo *r, const char *url, const dv_import_options *o, dv_output_cb cb,
		  void *payload)
{
	dv_auto(account) a = { .repo = r, .type = "import" };
	dv_accountant who;

	return dv_repo_import_url(r, url, o, accountant(&who, &a), cb, payload);
}

int dv_update(dv_repo *r, const char *const *targets, size_t n, const dv_update_options *o,
	      dv_output_cb cb, void *payload, dv_update_summary *out)
{
	dv_auto(account) a = { .repo = r, .type = "import" };
	dv_accountant who;

	return dv_repo_update(r, targets, n, o, accountant(&who, &a), cb, payload, out);
}
