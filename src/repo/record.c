/* SPDX-License-Identifier: Apache-2.0 */
/* Recording outputs. See record.h for the order of things, which is what matters here. */
#include "repo/gitignore.h"
#include "repo/record.h"

#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/progress.h"
#include "repo/graft.h"
#include "repo/kin.h"
#include "repo/sync.h"

#define KIN_MAX 4096u	/* outputs among which the kin of a new one is looked for */

int dv_repo_compression(const dv_repo *r)
{
	return (int)dv_config_int(&r->config, "cache.compression", 1, 0, 19);
}

bool dv_repo_deltas(const dv_repo *r)
{
	return dv_config_bool(&r->config, "cache.delta", true);
}

int dv_repo_pool(dv_pool **out, const dv_repo *r, int jobs)
{
	if (jobs <= 0)
		jobs = (int)dv_config_int(&r->config, "core.jobs", 0, 0, 1024);
	return dv_pool_new(out, jobs, 1024);
}

int dv_record_open(dv_record *c, dv_repo *r, int jobs, bool no_stage)
{
	int e;

	c->repo = r;
	dv_git *git;

	c->stage = dv_repo_autostage(r, no_stage);
	/* What git cannot do here is found before anything is written. */
	if (c->stage && ((e = dv_repo_git(r, &git)) < 0 || (e = dv_git_check(git)) < 0))
		return e;
	if ((e = dv_repo_lock(r, &c->lock)) < 0)
		return e;
	c->locked = true;
	if ((e = dv_repo_outputs(r, &c->outputs)) < 0 || (e = dv_repo_store(r, &c->store)) < 0 ||
	    (e = dv_repo_pool(&c->pool, r, jobs)) < 0 ||
	    (e = dv_writer_new(&c->writer, c->store, dv_repo_compression(r))) < 0)
		return e;
	return dv_scan_new(&c->scan, r, c->pool, c->writer);
}

void dv_record_release(dv_record *c)
{
	dv_scan_free(c->scan);
	dv_scan_free(c->look);
	dv_writer_free(c->writer);
	dv_pool_free(c->pool);
	dv_output_list_release(&c->outputs);
	for (size_t i = 0; i < c->nstaged; i++)
		free(c->staged[i]);
	free(c->staged);
	if (c->locked)
		dv_lock_release(&c->lock);
}

int dv_record_stage(dv_record *c, const char *path)
{
	if (!c->stage)
		return 0;
	for (size_t i = 0; i < c->nstaged; i++)
		if (strcmp(c->staged[i], path) == 0)
			return 0;
	int r = dv_grow(&c->staged, &c->staged_cap, c->nstaged + 1, sizeof(*c->staged));
	if (r < 0)
		return r;
	if (!(c->staged[c->nstaged] = dv_strdup(path)))
		return dv_err_nomem();
	c->nstaged++;
	return 0;
}

/* Does git have the output's line already, so that .gitignore, which may hold unfinished work of
 * the user's, can be left alone? */
static int line_is_known(dv_record *c, const char *file, const char *name, bool *known)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_git *git;
	int r = dv_repo_git(c->repo, &git);

	*known = false;
	if (r == 0)
		r = dv_git_read_staged(git, file, DV_GITIGNORE_MAX, &text);
	if (r == 0)
		r = dv_gitignore_has(&text, name, known);
	if (r == 0 && *known && c->commit &&
	    (r = dv_git_read_blob(git, "HEAD", file, DV_GITIGNORE_MAX, &text)) == 0)
		r = dv_gitignore_has(&text, name, known);
	if (r != DV_ENOTFOUND)
		return r;
	dv_error_clear();
	*known = false;
	return 0;
}

/* Keeps git from seeing the data: "/NAME" in the .gitignore beside the pointer. As
 * dv_repo_ignore_outputs, and notes the file also when the line is there and git does not know. */
static int ignore_in_git(dv_record *c, const char *path)
{
	dv_autofree char *abs = dv_repo_abs(c->repo, path);
	dv_autofree char *dir = abs ? dv_path_dir(abs) : NULL;
	dv_autofree char *rel_dir = dv_path_dir(path);
	bool changed, known = false;
	int r;

	if (!dir || !rel_dir)
		return dv_err_nomem();
	if (!c->repo->has_git)
		return 0;
	if ((r = dv_gitignore_add(&c->repo->scratch, dir, dv_path_base(path), &changed)) < 0 ||
	    !c->stage)
		return r;
	dv_autofree char *file = strcmp(rel_dir, ".") == 0 ? dv_strdup(".gitignore")
							    : dv_path_join(rel_dir, ".gitignore");
	if (!file)
		return dv_err_nomem();
	if (!changed && ((r = line_is_known(c, file, dv_path_base(path), &known)) < 0 || known))
		return r;
	return dv_record_stage(c, file);
}

/* What the store has of an output afterwards: the log is told what it has whole. */
enum stored { PART, WHOLE, ABSENT };

/* Makes the content durable, then the pointer, then the rest. `old`: what the pointer named so far,
 * or NULL; `before`: how many files that had. */
static int publish(dv_record *c, const char *path, const char *pointer_path, const dv_pointer *p,
		   const dv_oid *old, uint64_t before, enum stored stored_as)
{
	const dv_accountant *a = old && dv_oid_eq(old, &p->oid) ? NULL : c->accountant;
	dv_root root = { .oid = p->oid, .is_tree = p->is_dir, .path = (char *)(uintptr_t)path,
			 .project = c->repo->root };
	dv_autofree char *file = dv_repo_abs(c->repo, pointer_path);
	bool changed = false;
	uint64_t stored = dv_writer_bytes(c->writer);
	char hex[DV_OID_HEX_SIZE + 1];
	int r;

	if (!file)
		return dv_err_nomem();
	if (stored_as != ABSENT &&
	    ((a && (r = a->stored(a->ctx, c->writer, path, pointer_path, p)) < 0) ||
	     (r = dv_writer_commit(c->writer, &root, stored_as == WHOLE)) < 0))
		return r;
	if ((r = dv_pointer_write(p, &c->repo->scratch, file, &changed)) < 0 ||
	    (r = dv_scan_relink(c->scan)) < 0 ||
	    (r = ignore_in_git(c, path)) < 0 || (r = dv_record_stage(c, pointer_path)) < 0 ||
	    (a && stored_as != ABSENT && (r = a->done(a->ctx)) < 0))
		return r;
	dv_oid_hex(hex, &p->oid);
	const dv_output_event e = { .path = path, .pointer = pointer_path, .oid = hex,
				    .is_dir = p->is_dir, .changed = changed, .size = p->size,
				    .nfiles = p->is_dir ? p->nfiles : 1, .stored = stored,
				    .nfiles_before = before, .sent_to = c->sent_to,
				    .sent = c->sent };
	return c->cb ? c->cb(&e, c->payload) : 0;
}

int dv_record_known(dv_record *c, const char *path, const char *pointer_path, const dv_pointer *p,
		    const dv_pointer *old, bool absent)
{
	return publish(c, path, pointer_path, p, old ? &old->oid : NULL,
		       old && p->is_dir ? old->nfiles : 0, absent ? ABSENT : WHOLE);
}

int dv_record_sent(dv_record *c, const char *path, const char *pointer_path, const dv_pointer *p,
		   const dv_pointer *old)
{
	return publish(c, path, pointer_path, p, old ? &old->oid : NULL,
		       old && p->is_dir ? old->nfiles : 0, PART);
}

void dv_record_make_own(dv_pointer *p, const char *path)
{
	if (!p->source)
		return;
	dv_warn("'%s' was changed here: it is not taken for an import any more", path);
	p->no_push = p->no_push && !p->source->is_repo;
	dv_source_free(p->source);
	p->source = NULL;
}

static int not_there(const char *path, bool tracked)
{
	dv_err(DV_ENOTFOUND, "'%s' is not there", path);
	if (tracked)
		return dv_err_hint(DV_ENOTFOUND, "run 'dv checkout %s' to bring it back, or "
				   "'dv remove %s' to stop tracking it", path, path);
	if (strpbrk(path, "*?["))
		return dv_err_hint(DV_ENOTFOUND, "with '--glob' names are patterns");
	return dv_err_hint(DV_ENOTFOUND, "look for the name with 'ls'");
}

/* What a new output may have been: another one in the same folder that has a name like it. */
static dv_oid output_before(const dv_record *c, const char *path)
{
	const char *base = dv_path_base(path);
	size_t folder = (size_t)(base - path);
	dv_kin_search search = { .name = base };

	for (size_t i = 0; i < c->outputs.n && c->outputs.n <= KIN_MAX; i++) {
		const dv_output *o = &c->outputs.o[i];
		dv_kin k = { dv_path_base(o->path), 0, o->pointer.oid, false };

		if ((size_t)(k.name - o->path) == folder && memcmp(o->path, path, folder) == 0)
			dv_kin_offer(&search, &k);
	}
	return search.best.oid;
}

int dv_record_output(dv_record *c, const char *path, const char *pointer_path,
		     const dv_pointer *old)
{
	dv_auto(dv_pointer) p = DV_POINTER_INIT;
	const dv_oid before = old ? old->oid : output_before(c, path);
	dv_scanned now;
	int r;

	if (old && old->is_dir && !c->force &&
	    (r = dv_record_check_whole(c, path, &old->oid)) < 0)
		return r;
	dv_scan_before(c->scan, &before);
	if ((r = dv_scan_path(c->scan, path, &now)) < 0)
		return r;
	if (!now.kind)
		return not_there(path, old != NULL);
	if (now.kind == 'l') {
		dv_err(DV_ERROR, "cannot track '%s': it is a symbolic link", path);
		return dv_err_hint(DV_ERROR, "add the file or directory that it points to");
	}
	if (old && (r = dv_pointer_copy(&p, old)) < 0)
		return r;
	if (!p.path && !(p.path = dv_strdup(dv_path_base(path))))
		return dv_err_nomem();
	if (!dv_oid_eq(&p.oid, &now.oid))
		dv_record_make_own(&p, path);
	p.is_pending = false;
	p.oid = now.oid;
	p.size = now.size;
	p.is_dir = now.kind == 'd';
	p.nfiles = p.is_dir ? now.nfiles : 0;
	p.isexec = now.kind == 'x';
	if ((r = publish(c, path, pointer_path, &p, old ? &old->oid : NULL,
			 old && p.is_dir ? old->nfiles : 0, WHOLE)) < 0)
		return r;
	return dv_scan_remember(c->scan);
}

int dv_record_inner(dv_record *c, dv_output *o, const char *inner)
{
	dv_autofree char *path = dv_path_join(o->path, inner);
	dv_autoptr(dv_reader) reader = NULL;
	dv_autoptr(dv_encoder) enc = NULL;
	dv_grafted g;
	dv_scanned now;
	bool whole;
	int r;

	if (!path)
		return dv_err_nomem();
	if (!o->pointer.is_dir)
		return dv_err(DV_ENOTFOUND, "'%s' is a file, so '%s' cannot be in it", o->path,
			      path);
	static const dv_oid unknown;
	dv_scan_before(c->scan, &unknown);
	if ((r = dv_scan_path(c->scan, path, &now)) < 0 ||
	    (r = dv_reader_new(&reader, c->store)) < 0 ||
	    (r = dv_sync_is_cached(reader, &o->pointer.oid, true, &whole)) < 0 ||
	    (r = dv_encoder_new(&enc, dv_repo_compression(c->repo))) < 0)
		return r;
	dv_tree_entry was = { 0 };
	r = dv_tree_lookup(&was, reader, &o->pointer.oid, inner);
	if (r < 0 && !now.kind)
		return dv_err_ctx(r, "'%s' is neither in the workspace nor recorded", path);
	if (r < 0)
		dv_error_clear();
	else if (now.kind && was.kind == 'd' && !c->force &&
		 (r = dv_record_check_whole(c, path, &was.oid)) < 0)
		return r;
	dv_tree_entry e = { now.kind, now.oid, now.size, now.nfiles, NULL };
	r = dv_graft(&g, reader, c->writer, enc, &o->pointer.oid, inner, now.kind ? &e : NULL);
	if (r == DV_ENOTFOUND)
		return dv_err_hint(r, "run 'dv fetch %s' first", o->path);
	if (r < 0)
		return r;
	dv_oid old = o->pointer.oid;
	if (!dv_oid_eq(&old, &g.oid))
		dv_record_make_own(&o->pointer, o->path);
	o->pointer.oid = g.oid;
	o->pointer.size = g.size;
	uint64_t before = o->pointer.nfiles;
	o->pointer.nfiles = g.nfiles;
	return publish(c, o->path, o->pointer_path, &o->pointer, &old, before,
		       whole ? WHOLE : PART);
}

static bool is_as_recorded(const dv_scanned *now, const dv_pointer *p)
{
	return now->kind && now->kind != 'l' && (now->kind == 'd') == p->is_dir &&
	       dv_oid_eq(&now->oid, &p->oid);
}

int dv_record_made(dv_record *c, dv_reader *reader, const dv_output *o, bool named)
{
	dv_root root = { .oid = o->pointer.oid, .is_tree = o->pointer.is_dir, .path = o->path,
			 .project = c->repo->root };
	char hex[DV_OID_HEX_SIZE + 1];
	bool cached = false;
	uint64_t stored;
	dv_scanned now;
	int r = dv_sync_is_cached(reader, &root.oid, root.is_tree, &cached);

	if (r < 0 || (cached && !named) ||
	    (!c->look && (r = dv_scan_new(&c->look, c->repo, c->pool, NULL)) < 0) ||
	    (r = dv_scan_path(c->look, o->path, &now)) < 0)
		return r;
	if (!is_as_recorded(&now, &o->pointer))
		return named ? dv_record_refuse(c, o, "record", o->path) : 0;
	if (cached)
		return 0;
	dv_scan_before(c->scan, &root.oid);
	if ((r = dv_scan_path(c->scan, o->path, &now)) < 0)
		return r;
	if (!is_as_recorded(&now, &o->pointer))
		return dv_err(DV_EDIRTY, "'%s' changed while it was stored", o->path);
	stored = dv_writer_bytes(c->writer);
	if ((r = dv_writer_commit(c->writer, &root, 1)) < 0 ||
	    (r = dv_scan_relink(c->scan)) < 0 || (r = dv_scan_remember(c->scan)) < 0)
		return r;
	dv_oid_hex(hex, &root.oid);
	const dv_output_event e = { .path = o->path, .pointer = o->pointer_path, .oid = hex,
				    .is_dir = root.is_tree, .made = true,
				    .size = o->pointer.size, .stored = stored,
				    .nfiles = root.is_tree ? o->pointer.nfiles : 1 };
	return c->cb ? c->cb(&e, c->payload) : 0;
}

int dv_record_refuse(const dv_record *c, const dv_output *o, const char *what, const char *path)
{
	dv_autofree char *stage = o->filtered ? NULL : dv_output_stage_address(c->repo, o);

	if (o->filtered)
		return dv_err_hint(dv_err(DV_EEXISTS, "cannot %s '%s': it passes through git's "
					  "filter (dv track)", what, path),
				   "run 'git add %s'", path);
	if (!stage)
		return dv_err_nomem();
	dv_err(DV_EEXISTS, "cannot %s '%s': the stage '%s' of '%s' makes it", what, path, o->stage,
	       o->pointer_path);
	return dv_err_hint(DV_EEXISTS, "run 'dv repro %s' to make and record it, or 'dv stage "
			   "remove %s' to forget the stage", stage, stage);
}

int dv_record_finish(dv_record *c, const char *message)
{
	const char *const *paths = (const char *const *)c->staged;
	dv_git *git;
	int r;

	if (c->nstaged == 0)
		return 0;
	if ((r = dv_repo_git(c->repo, &git)) < 0 ||
	    (r = dv_git_stage(git, paths, c->nstaged, NULL, 0)) < 0)
		return r;
	return message ? dv_git_commit(git, message, paths, c->nstaged, NULL) : 0;
}
