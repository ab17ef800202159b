/* SPDX-License-Identifier: Apache-2.0 */
/* dv_update: imports as they are now where they came from. */
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/url.h"
#include "repo/fill.h"
#include "repo/importurl.h"
#include "repo/targets.h"
#include "repo/toremote.h"

typedef struct updating {
	dv_importing im;
	const dv_update_options *o;
	dv_update_summary *sum;
	size_t wanted, nfailed;
	dv_path_list dead;	/* hosts that did not answer, and repositories out of reach */
	dv_error failed;
} updating;

static void updating_release(updating *u)
{
	/* Their names are the output's. */
	u->im.path = u->im.pointer_path = NULL;
	dv_path_list_release(&u->dead);
	dv_importing_release(&u->im);
}

/* Writes the pointer anew, with what is there now, and brings that into the workspace. */
static int take(updating *u, const dv_output *o, const dv_tree_entry *e, dv_source *s, bool absent,
		dv_toremote *t)
{
	dv_auto(dv_pointer) p = DV_POINTER_INIT;
	int rc = dv_pointer_copy(&p, &o->pointer);

	if (rc)
		return rc;
	dv_source_free(p.source);
	p.source = dv_source_copy(s);
	if (!p.source)
		return DV_ERROR;
	bool same = !p.is_pending && dv_oid_eq(&p.oid, &e->oid);
	if (!same && !absent && !t && (rc = dv_importing_check_clean(&u->im, &o->pointer, &e->oid)))
		return rc;
	p.oid = e->oid;
	p.size = e->size;
	p.is_dir = e->kind == 'd';
	p.isexec = e->kind == 'x';
	p.nfiles = p.is_dir ? e->nfiles : 0;
	p.is_pending = false;
	u->sum->changed += !same;
	if (t && !same)
		return dv_toremote_publish(t, &u->im, &p,
					   o->pointer.is_pending ? NULL : &o->pointer);
	/* What did not change stays as it is in the workspace, whatever that is. */
	return dv_importing_publish(&u->im, &p, o->pointer.is_pending ? NULL : &o->pointer,
				    absent || same);
}

static int update_repo(updating *u, const dv_output *o)
{
	const char *rev = u->o->rev ? u->o->rev : o->pointer.source->rev;
	dv_autoptr(dv_source) s = dv_source_copy(o->pointer.source);
	dv_autoptr(dv_guest) f = NULL;
	dv_auto(dv_fill) plan = { 0 };
	dv_tree_entry e;
	int rc = s ? dv_import_open(u->im.repo, s, rev, &f) : DV_ERROR;

	if (rc || (rc = dv_fill_plan(&plan, f)))
		return rc;
	free(s->rev_lock);
	s->rev_lock = dv_strdup(f->commit);
	free(s->rev);
	s->rev = rev ? dv_strdup(rev) : NULL;
	if (!s->rev_lock || (rev && !s->rev))
		return DV_ERROR;
	bool known = dv_fill_is_output(&plan);
	bool absent = known && u->o->no_download;
	e = known ? plan.p[0].entry : (dv_tree_entry){ .kind = 0 };
	/* Nothing is to be brought for what did not change. */
	if (!absent && !(known && dv_oid_eq(&e.oid, &o->pointer.oid)) &&
	    (rc = dv_fill_bring(&plan, u->im.repo, u->im.jobs, &e, NULL)))
		return rc;
	return take(u, o, &e, s, absent, NULL);
}

static int update_url(updating *u, const dv_output *o)
{
	dv_auto(dv_toremote) t = { .lock = DV_LOCK_INIT };
	dv_autoptr(dv_source) s = NULL;
	dv_tree_entry e;
	bool same;
	int rc;

	if (u->o->rev)
		return dv_err(DV_EUSAGE, "it comes from a URL, where there are no revisions");
	rc = dv_importurl_again(&u->im, o, u->o, &t, &s, &e, &same);
	if (rc || same)
		return rc;
	if (!e.kind) {
		dv_warn("'%s' is not what it was where it came from", o->path);
		u->sum->changed++;
		return 0;
	}
	rc = take(u, o, &e, s, false, u->o->to_remote ? &t : NULL);
	u->im.rec.sent_to = NULL;
	return rc;
}

/* Is another import of the same place known to be out of reach? To find that out again would take
 * as long as before. */
static int update_from(updating *u, const dv_output *o)
{
	const dv_source *s = o->pointer.source;
	dv_autofree char *host = s->is_repo ? dv_url_redact(s->url) : dv_urlplace_host(s->url);

	if (!host)
		return DV_ERROR;
	for (size_t i = 0; i < u->dead.n; i++)
		if (!strcmp(u->dead.p[i], host))
			return dv_err(DV_ETRANSIENT, "'%s' did not answer before, so it was not "
				      "asked again", host);
	int rc = s->is_repo ? update_repo(u, o) : update_url(u, o);
	if (rc == DV_ETRANSIENT && dv_path_list_add(&u->dead, host) < 0)
		return DV_ERROR;
	return rc;
}

static int update_one(updating *u, const dv_output *o)
{
	const dv_source *s = o->pointer.source;

	u->im.path = o->path;
	u->im.pointer_path = o->pointer_path;
	u->sum->imports++;
	int rc;

	if (s->is_repo && u->o->to_remote)
		rc = dv_err_hint(dv_err(DV_EUSAGE, "it comes from a repository, whose remote has "
					"it"), "'dv import-url' makes outputs that are sent");
	else
		rc = update_from(u, o);
	if (rc && rc != DV_ECANCELLED)
		rc = dv_err_ctx(rc, "'%s'", o->path);
	return rc;
}

/* One that fails stops only itself. */
static int note_failure(updating *u, int rc)
{
	if (!rc || rc == DV_ECANCELLED)
		return rc;
	if (!u->nfailed++)
		dv_error_take(&u->failed);
	else
		dv_warn("%s", dv_error_last()->message);
	return 0;
}

static int no_import(const dv_targets *t)
{
	dv_err(DV_ENOTFOUND, t->n ? "'%s' is no import" : "there is nothing imported here",
	       t->n ? t->path[0] : "");
	return dv_err_hint(DV_ENOTFOUND, "'dv import' and 'dv import-url' make imports");
}

int dv_repo_update(dv_repo *r, const char *const *targets, size_t n, const dv_update_options *o,
		   const dv_accountant *a, dv_output_cb cb, void *payload, dv_update_summary *out)
{
	o = DV_OR_ZERO(o);
	out = DV_OR_ZERO(out);
	dv_auto(updating) u = { .o = o, .sum = out };
	dv_auto(dv_output_list) l = { .pending_too = true };
	dv_auto(dv_targets) t = DV_TARGETS_INIT;
	dv_targets_scope scope = { .repo = r, .a = &l };
	const char *inner;
	int rc;

	*out = (dv_update_summary){ 0 };
	if (o->to_remote && o->no_download)
		return dv_err(DV_EUSAGE, "what is not read cannot be sent to a remote");
	u.im = (dv_importing){ .repo = r, .force = o->force, .no_stage = o->no_stage,
			       .jobs = o->jobs, .accountant = a };
	if ((rc = dv_targets_resolve(&t, r, targets, n)) ||
	    (rc = dv_importing_open(&u.im, cb, payload)) || (rc = dv_repo_outputs(r, &l)) ||
	    (n && (rc = dv_targets_check(&t, &scope))))
		return rc;
	for (size_t i = 0; !rc && i < l.n; i++) {
		if (!l.o[i].pointer.source || !dv_targets_want(&t, &l.o[i], &inner))
			continue;
		u.wanted++;
		if (!(rc = dv_check_cancel()))
			rc = note_failure(&u, update_one(&u, &l.o[i]));
	}
	if (!rc && !u.wanted && n)
		return no_import(&t);
	if (!rc)
		rc = dv_record_finish(&u.im.rec, NULL);
	if (rc || !u.nfailed)
		return rc;
	if (u.nfailed < u.wanted)
		u.failed.code = DV_EPARTIAL;
	return dv_error_put(&u.failed);
}
