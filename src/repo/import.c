/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv_import: an output with the content of another repository's, and a pointer that says where it
 * came from. The content is durable in the store before the pointer is written, and stands in the
 * workspace after that.
 */
#include "repo/import.h"

#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/progress.h"
#include "base/url.h"
#include "repo/changes.h"
#include "repo/fill.h"
#include "repo/restore.h"

void dv_importing_release(dv_importing *im)
{
	dv_record_release(&im->rec);
	free(im->path);
	free(im->pointer_path);
}

/* -- where it goes ----------------------------------------------------------------------------- */

/* Said before anything travels: "a/" is no name for a file, and folders are the user's to make. */
static int check_folder(const dv_importing *im, const char *out)
{
	dv_autofree char *abs = dv_repo_abs(im->repo, im->path);
	dv_autofree char *above = abs ? dv_path_dir(abs) : NULL;
	bool slash = *out && out[strlen(out) - 1] == '/';
	struct stat st;

	if (!above)
		return dv_err_nomem();
	if (!slash && stat(above, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	return dv_err_hint(dv_err(DV_ENOTFOUND, "there is no folder '%s'", slash ? abs : above),
			   "make it with 'mkdir -p'");
}

int dv_importing_place(dv_importing *im, const char *out, const char *usual)
{
	dv_auto(dv_buf) pointer = DV_BUF_INIT;
	dv_autofree char *inside = NULL;
	struct stat st;
	int rc;

	if (!out)
		out = usual;
	else if (!stat(out, &st) && S_ISDIR(st.st_mode) && (inside = dv_path_join(out, usual)))
		out = inside;
	if ((rc = dv_repo_rel(im->repo, out, &im->path)))
		return rc;
	if (!*im->path)
		return dv_err_hint(dv_err(DV_EUSAGE, "the workspace itself cannot be an import"),
				   "give a name with '-o'");
	if ((rc = check_folder(im, out)))
		return rc;
	dv_buf_addf(&pointer, "%s" DV_POINTER_SUFFIX, im->path);
	if (pointer.err)
		return pointer.err;
	im->pointer_path = dv_buf_detach(&pointer);
	return 0;
}

int dv_importing_check_free(const dv_importing *im)
{
	dv_autofree char *abs = dv_repo_abs(im->repo, im->path);
	struct stat st;

	if (!abs)
		return dv_err_nomem();
	if (im->force || lstat(abs, &st))
		return 0;
	return dv_err_hint(dv_err(DV_EEXISTS, "'%s' is there already", im->path),
			   "give another place with '-o', or replace it with '--force'");
}

static int check_place(dv_importing *im)
{
	const dv_output *o = dv_output_list_holding(&im->rec.outputs, im->path, NULL);
	int rc;

	if (o && (o->stage || o->filtered))
		return dv_record_refuse(&im->rec, o, "import", im->path);
	if (o && strcmp(o->path, im->path) != 0)
		return dv_err_hint(dv_err(DV_EEXISTS, "'%s' lies in the output '%s'", im->path,
					  o->path), "give another place with '-o'");
	if (o && !im->force)
		return dv_err_hint(dv_err(DV_EEXISTS, "'%s' is tracked already", im->path),
				   "'dv update %s' brings what is new; '--force' replaces it",
				   im->path);
	if (!o && (rc = dv_record_check_new(&im->rec, im->path)))
		return rc;
	return o ? 0 : dv_importing_check_free(im);
}

int dv_importing_open(dv_importing *im, dv_output_cb cb, void *payload)
{
	return dv_importing_open_at(im, cb, payload, im->path != NULL);
}

int dv_importing_open_at(dv_importing *im, dv_output_cb cb, void *payload, bool check)
{
	int rc = dv_record_open(&im->rec, im->repo, im->jobs, im->no_stage);

	if (rc)
		return rc;
	im->rec.accountant = im->accountant;
	im->rec.cb = cb;
	im->rec.payload = payload;
	return check ? check_place(im) : 0;
}

/* -- putting it there -------------------------------------------------------------------------- */

int dv_import_pointer(dv_pointer *out, const char *path, const dv_tree_entry *e, const dv_source *s)
{
	dv_auto(dv_pointer) p = { .oid = e->oid, .size = e->size, .is_dir = e->kind == 'd',
				  .isexec = e->kind == 'x' };

	if (e->kind == 'l')
		return dv_err_hint(dv_err(DV_ERROR, "'%s' is a symbolic link there", path),
				   "import what it leads to");
	p.nfiles = p.is_dir ? e->nfiles : 0;
	p.path = dv_strdup(dv_path_base(path));
	p.source = s ? dv_source_copy(s) : NULL;
	p.no_push = s && s->is_repo;
	if (!p.path || (s && !p.source))
		return dv_err_nomem();
	*out = p;
	p = (dv_pointer)DV_POINTER_INIT;
	return 0;
}

int dv_importing_check_clean(dv_importing *im, const dv_pointer *old, const dv_oid *fresh)
{
	dv_autoptr(dv_scan) scan = NULL;
	dv_scanned now;
	int rc;

	if (im->force)
		return 0;
	if ((rc = dv_scan_new(&scan, im->repo, im->rec.pool, NULL)) ||
	    (rc = dv_scan_path(scan, im->path, &now)))
		return rc;
	if (!now.kind || dv_oid_eq(&now.oid, &old->oid) || (fresh && dv_oid_eq(&now.oid, fresh)))
		return dv_scan_remember(scan);
	return dv_err_hint(dv_err(DV_EDIRTY, "'%s' was changed here, so it stays as it is",
				  im->path),
			   "copy it elsewhere to keep it, or use --force to drop it");
}

int dv_importing_publish(dv_importing *im, const dv_pointer *p, const dv_pointer *old, bool absent)
{
	/* What the old pointer says was brought, and what the new one says is. */
	const dv_oid known[] = { p->oid, old ? old->oid : p->oid };
	dv_tree_entry e = dv_pointer_entry(p);
	dv_autoptr(dv_restore) x = NULL;
	int rc = dv_record_known(&im->rec, im->path, im->pointer_path, p, old, absent);

	if (rc || absent)
		return rc;
	if ((rc = dv_restore_new(&x, im->repo, im->jobs)))
		return rc;
	if (!im->force)
		dv_restore_careful(x, known, 2);
	rc = dv_restore_path(x, im->path, &e, false);
	dv_progress_end();
	return rc;
}

/* -- importing --------------------------------------------------------------------------------- */

/* The address as the pointer has it: a relative folder is relative to the root of the workspace. */
static char *written_url(const dv_repo *r, const dv_guest *f)
{
	if (!f->local || *f->url == '/' || dv_url_scheme(f->url))
		return dv_strdup(f->url);
	return dv_path_relative(f->local, r->root);
}

static int make_source(dv_source **out, const dv_repo *r, const dv_guest *f, const char *rev)
{
	dv_autoptr(dv_source) s = dv_calloc(1, sizeof *s);
	dv_autofree char *path = dv_path_join(f->prefix, f->path);

	if (!s || !path)
		return DV_ERROR;
	for (size_t n = strlen(path); n && path[n - 1] == '/';)
		path[--n] = 0;
	s->is_repo = true;
	s->url = written_url(r, f);
	s->path = dv_strdup(*path ? path : ".");
	s->rev = rev ? dv_strdup(rev) : NULL;
	s->rev_lock = dv_strdup(f->commit);
	if (!s->url || !s->path || (rev && !s->rev) || !s->rev_lock)
		return dv_err_nomem();
	*out = dv_steal(&s);
	return 0;
}

static const char *usual_name(const dv_guest *f)
{
	const char *at = *f->path ? f->path : f->local ? f->local : f->url;

	return dv_path_base(at);
}

/* Without a download, what is known is the oid of an output alone. */
static int entry_of(dv_fill *plan, dv_importing *im, bool no_download, dv_tree_entry *e,
		    bool *absent)
{
	*absent = no_download && dv_fill_is_output(plan);
	if (*absent) {
		*e = plan->p[0].entry;
		return 0;
	}
	return dv_fill_bring(plan, im->repo, im->jobs, e, NULL);
}

int dv_repo_import(dv_repo *r, const char *url, const char *path, const dv_import_options *o,
		   const dv_accountant *a, dv_output_cb cb, void *payload)
{
	o = DV_OR_ZERO(o);
	dv_auto(dv_importing) im = { .repo = r, .force = o->force, .no_stage = o->no_stage,
				     .jobs = o->jobs, .accountant = a };
	const dv_guest_options fo = { .user = r, .url = url, .rev = o->rev, .path = path };
	dv_autoptr(dv_guest) f = NULL;
	dv_autoptr(dv_source) source = NULL;
	dv_auto(dv_fill) plan = { 0 };
	dv_auto(dv_pointer) p = DV_POINTER_INIT;
	dv_tree_entry e;
	bool absent;
	int rc;

	if ((rc = dv_guest_open(&f, &fo)) || (rc = dv_fill_plan(&plan, f)) ||
	    (rc = dv_importing_place(&im, o->out, usual_name(f))) ||
	    (rc = dv_importing_open(&im, cb, payload)) ||
	    (rc = entry_of(&plan, &im, o->no_download, &e, &absent)) ||
	    (rc = dv_importing_check_free(&im)) ||
	    (rc = make_source(&source, r, f, o->rev)) ||
	    (rc = dv_import_pointer(&p, im.path, &e, source)) ||
	    (rc = dv_importing_publish(&im, &p, NULL, absent)))
		return rc;
	return dv_record_finish(&im.rec, NULL);
}

/* -- again ------------------------------------------------------------------------------------- */

bool dv_import_is_foreign(const dv_pointer *p)
{
	return p->source && p->source->is_repo && p->no_push;
}

/* An address that a pointer gives is a stranger's. */
int dv_import_open(dv_repo *r, const dv_source *s, const char *rev, dv_guest **out)
{
	const dv_guest_options fo = { .user = r, .base = r->root, .url = s->url, .rev = rev,
					.path = strcmp(s->path, ".") ? s->path : NULL };

	return dv_guest_open(out, &fo);
}

int dv_import_bring(dv_repo *r, const dv_output *o, int jobs, dv_move_stats *moved)
{
	const dv_source *s = o->pointer.source;
	dv_autoptr(dv_guest) f = NULL;
	dv_auto(dv_fill) plan = { 0 };
	dv_tree_entry e;
	int rc;

	if ((rc = dv_import_open(r, s, s->rev_lock, &f)) || (rc = dv_fill_plan(&plan, f)))
		return rc;
	if (dv_fill_is_output(&plan) && !dv_oid_eq(&plan.p[0].entry.oid, &o->pointer.oid))
		rc = DV_ECORRUPT;
	else if ((rc = dv_fill_bring(&plan, r, jobs, &e, moved)))
		return rc;
	else if (!dv_oid_eq(&e.oid, &o->pointer.oid))
		rc = DV_ECORRUPT;
	if (!rc)
		return 0;
	dv_err(rc, "'%s' of '%s' at %.10s is not what '%s' says", s->path, f->shown, f->commit,
	       o->pointer_path);
	return dv_err_hint(rc, "'dv update %s' takes what is there now", o->path);
}
