/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv_add_to_remote: from a file, a directory or a URL to a remote and a pointer. The work tree is
 * locked while it is looked at, not while the data travel: what may change meanwhile is looked at
 * again before the pointer is written.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/progress.h"
#include "base/url.h"
#include "repo/fill.h"
#include "repo/importurl.h"
#include "repo/toremote.h"

typedef struct adding {
	dv_repo *repo;
	const dv_to_remote_options *o;
	dv_importing im;
	dv_pointer old;		/* of the output so far */
	bool has_old;
	char *real;		/* of a source on this machine */
	const char *inside;	/* in it, the part below the root of the workspace; or NULL */
	bool in_place;		/* it is the output itself */
	dv_urlplace u;		/* of others */
} adding;
static void adding_release(adding *a)
{
	dv_importing_release(&a->im);
	dv_pointer_release(&a->old);
	dv_urlplace_release(&a->u);
	free(a->real);
}

/* -- the source -------------------------------------------------------------------------------- */

static int refuse_own(const adding *a, const char *source)
{
	const char *rest;

	if (!strcmp(a->real, "/") || dv_path_below(a->repo->root, a->real, &rest))
		return dv_err_hint(dv_err(DV_EUSAGE, "cannot send '%s': the workspace itself is in "
					  "it", source),
				   "name the files and directories to send");
	if (a->inside && (dv_repo_is_own(a->inside) || dv_repo_is_meta(dv_path_base(a->real))))
		return dv_err(DV_EUNSAFE, "cannot send '%s': it belongs to dv or git itself",
			      source);
	return 0;
}

/* Resolves a source on this machine; a->real stays NULL for one that is elsewhere. */
static int find_source(adding *a, const char *source)
{
	dv_autofree char *path = NULL;
	struct stat st;
	int rc = *source ? dv_url_check(source)
			 : dv_err(DV_EUSAGE, "'' is no file and no directory");

	if (rc || !strncmp(source, "remote://", 9) || (rc = dv_guest_folder(&path, source, NULL)) ||
	    !path)
		return rc;
	if (lstat(path, &st)) {
		rc = dv_err_sys("cannot send '%s'", source);
		return strpbrk(source, "*?[") ? dv_err_hint(rc, "with '--to-remote' patterns are "
							    "not taken") : rc;
	}
	if (S_ISLNK(st.st_mode))
		return dv_err_hint(dv_err(DV_ERROR, "cannot track '%s': it is a symbolic link",
					  source),
				   "name the file or directory that it points to");
	a->real = realpath(path, NULL);
	if (!a->real)
		return dv_err_sys("cannot send '%s'", source);
	if (!dv_path_below(a->real, a->repo->root, &a->inside) || !*a->inside)
		a->inside = NULL;
	return refuse_own(a, source);
}

static int open_source(adding *a, const char *source)
{
	int rc = find_source(a, source);

	if (rc || a->real)
		return rc;
	a->u.lock = (dv_lock)DV_LOCK_INIT;
	return dv_urlplace_open(&a->u, a->repo, source, NULL);
}

/* -- the output -------------------------------------------------------------------------------- */

static int find_place(adding *a)
{
	dv_autofree char *name = a->real ? dv_strdup(dv_path_base(a->real)) : NULL;
	dv_autofree char *out = a->o->out ? dv_strdup(a->o->out) :
				a->inside ? dv_path_dir(a->real) : dv_strdup(".");
	int rc = a->real ? 0 : dv_urlplace_usual(&a->u, a->o->out, &name);

	if (rc == 0)
		rc = name && out ? dv_importing_place(&a->im, out, name) : dv_err_nomem();
	a->in_place = !rc && a->inside && !strcmp(a->im.path, a->inside);
	return rc;
}

/* An output in its place may be recorded again, as dv_add does it. */
static int check_in_place(adding *a)
{
	const char *rest = "";
	dv_output *o = dv_output_list_holding(&a->im.rec.outputs, a->im.path, &rest);

	if (!o)
		return dv_record_check_new(&a->im.rec, a->im.path);
	if (o->stage || o->filtered)
		return dv_record_refuse(&a->im.rec, o, "track", a->im.path);
	if (*rest)
		return dv_err_hint(dv_err(DV_EEXISTS, "'%s' lies in the output '%s'", a->im.path,
					  o->path), "send '%s' as a whole", o->path);
	if (o->pointer.is_dir && !a->o->force)
		return dv_record_check_whole(&a->im.rec, o->path, &o->pointer.oid);
	return 0;
}

/* Opens the record, which locks the work tree, and looks whether the output may be. */
static int look(adding *a, dv_output_cb cb, void *payload)
{
	int rc = dv_importing_open_at(&a->im, cb, payload, !a->in_place);

	if (rc || (a->in_place && (rc = check_in_place(a))))
		return rc;
	const dv_output *o = dv_output_list_find(&a->im.rec.outputs, a->im.path);
	dv_pointer_release(&a->old);
	a->old = (dv_pointer)DV_POINTER_INIT;
	a->has_old = o != NULL;
	return o ? dv_pointer_copy(&a->old, &o->pointer) : 0;
}

/* -- sending ----------------------------------------------------------------------------------- */

/* A repository as the scan of the source wants it. What lies in the workspace is ignored by its
 * rules, and known by its stat cache. */
static int around(const adding *a, const dv_toremote *t, dv_repo **out)
{
	dv_autofree char *dir = dv_path_dir(a->real);
	dv_autofree char *work = dv_path_join(t->dir, "work");
	const char *root = a->inside ? a->repo->root : dir;
	int rc;

	*out = NULL;
	if (!dir || !work)
		return dv_err_nomem();
	rc = dv_fill_around(out, root, a->inside ? a->repo->dvdir : work, dv_store_dir(t->scratch));
	if (rc || !a->inside)
		return rc;
	dv_ignore_free((*out)->ignore);
	(*out)->ignore = NULL;
	return dv_ignore_new(&(*out)->ignore, root);
}

static int send_local(dv_toremote *t, dv_writer *w, dv_tree_entry *out, void *payload)
{
	const adding *a = payload;
	dv_autoptr(dv_repo) r = NULL;
	dv_autoptr(dv_pool) pool = NULL;
	dv_autoptr(dv_scan) scan = NULL;
	dv_store *own = NULL;
	dv_scanned now;
	int rc;

	if ((rc = around(a, t, &r)) || (a->inside && (rc = dv_repo_store_look(a->repo, &own))) ||
	    (rc = dv_repo_pool(&pool, a->repo, a->o->jobs)) ||
	    (rc = dv_scan_new(&scan, r, pool, w)))
		return rc;
	dv_scan_linked_to(scan, own);
	dv_progress_start("sending", 0, 0);
	rc = dv_scan_path(scan, a->inside ? a->inside : dv_path_base(a->real), &now);
	dv_progress_end();
	if (!rc && !now.kind)
		rc = dv_err(DV_ENOTFOUND, "'%s' is not there any more", a->real);
	if (rc || (rc = dv_scan_remember(scan)))
		return rc;
	*out = (dv_tree_entry){ .kind = now.kind, .oid = now.oid, .size = now.size,
				.nfiles = now.nfiles };
	return 0;
}

static int send_url(dv_toremote *t, dv_writer *w, dv_tree_entry *out, void *payload)
{
	adding *a = payload;
	dv_autoptr(dv_source) s = dv_calloc(1, sizeof *s);
	dv_auto(dv_urlfiles) l = { 0 };
	const dv_urlread how = { .phase = "sending", .jobs = a->o->jobs };
	int rc = s ? dv_urlplace_look(&a->u, s, &l) : DV_ERROR;

	(void)t;
	return rc ? rc : dv_urlplace_ingest(&a->u, s, &l, w, &how, out);
}

static int send(adding *a, dv_toremote *t, const char *source, dv_tree_entry *e)
{
	const char *remote = a->o->remote ? a->o->remote : a->has_old ? a->old.remote : NULL;
	int rc = dv_toremote_open(t, a->repo, remote, a->real ? a->real : a->u.url, a->o->jobs);

	if (rc)
		return rc;
	rc = dv_toremote_run(t, a->real ? send_local : send_url, a, a->im.path, e);
	if (!rc || a->real)
		return rc;
	dv_autofree char *shown = dv_url_redact(source);
	return dv_err_ctx(rc, "'%s'", shown ? shown : "");
}

/* -- recording --------------------------------------------------------------------------------- */

static int make_pointer(const adding *a, const dv_tree_entry *e, dv_pointer *p)
{
	if (!a->has_old)
		return dv_import_pointer(p, a->im.path, e, NULL);
	int rc = dv_pointer_copy(p, &a->old);
	if (rc)
		return rc;
	if (!dv_oid_eq(&p->oid, &e->oid) || p->is_pending)
		dv_record_make_own(p, a->im.path);
	p->is_pending = false;
	p->oid = e->oid;
	p->size = e->size;
	p->is_dir = e->kind == 'd';
	p->nfiles = p->is_dir ? e->nfiles : 0;
	p->isexec = e->kind == 'x';
	return 0;
}


int dv_repo_add_to_remote(dv_repo *r, const char *source, const dv_to_remote_options *o,
			  const dv_accountant *acc, dv_output_cb cb, void *payload)
{
	o = DV_OR_ZERO(o);
	dv_auto(adding) a = {
		.repo = r, .o = o, .u = { .lock = DV_LOCK_INIT },
		.im = { .repo = r, .force = o->force, .no_stage = o->no_stage, .jobs = o->jobs,
			.accountant = acc },
	};
	dv_auto(dv_toremote) t = { .lock = DV_LOCK_INIT };
	dv_auto(dv_pointer) p = DV_POINTER_INIT;
	dv_tree_entry e;
	int rc;

	if (o->message && (o->no_stage || !r->has_git))
		return dv_err(DV_EUSAGE, "a message needs git and staging: there would be nothing "
					 "to commit");
	if ((rc = open_source(&a, source)) || (rc = find_place(&a)) ||
	    (rc = look(&a, cb, payload)))
		return rc;
	dv_toremote_unlock(&a.im);
	if ((rc = send(&a, &t, source, &e)))
		return rc;
	dv_toremote_unlock(&a.im);
	if ((rc = look(&a, cb, payload)) || (rc = make_pointer(&a, &e, &p)))
		return rc;
	a.im.rec.commit = o->message != NULL;
	if ((rc = dv_toremote_publish(&t, &a.im, &p, a.has_old ? &a.old : NULL)))
		return rc;
	return dv_record_finish(&a.im.rec, o->message);
}
