/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv_remove and dv_move: pointers, ignore lines and the stat cache follow. The data is touched only
 * by remove with `outs`, and then never what the store does not have, unless forced.
 */
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "repo/changes.h"
#include "repo/follow.h"
#include "repo/gitignore.h"
#include "repo/record.h"
#include "repo/targets.h"
#include "repo/workdir.h"

/* Takes the output's line out of .gitignore and notes both files for git. */
static int unignore(dv_record *c, const char *path, bool *has_file)
{
	dv_autofree char *abs = dv_repo_abs(c->repo, path);
	dv_autofree char *dir = abs ? dv_path_dir(abs) : NULL;
	dv_autofree char *file = dir ? dv_path_join(dir, ".gitignore") : NULL;
	struct stat st;
	int r;

	if (!file)
		return dv_err_nomem();
	*has_file = false;
	if (!c->repo->has_git)
		return 0;
	if ((r = dv_gitignore_remove(&c->repo->scratch, dir, dv_path_base(path), NULL)) < 0)
		return r;
	*has_file = lstat(file, &st) == 0;
	return 0;
}

static char *gitignore_of(const char *path)
{
	size_t n = (size_t)(dv_path_base(path) - path);
	dv_auto(dv_buf) b = DV_BUF_INIT;

	dv_buf_add(&b, path, n);
	dv_buf_adds(&b, ".gitignore");
	return dv_buf_detach(&b);
}

/* Is the workspace's content what the pointer says, and the store's too? The scan takes in what the
 * store lacks, as after the loss of a cache, so that the data is not deleted with its last copy. */
static int check_kept(dv_record *c, const dv_output *o)
{
	dv_scanned now;
	int r = dv_scan_path(c->scan, o->path, &now);

	if (r < 0 || !now.kind)
		return r;
	if (dv_oid_eq(&now.oid, &o->pointer.oid))
		return dv_writer_commit(c->writer, NULL, 0);
	dv_err(DV_EDIRTY, "'%s' has changes that were never recorded", o->path);
	return dv_err_hint(DV_EDIRTY, "run 'dv add %s' first, or use --force to drop them",
			   o->path);
}

/* Removing what was looked at. Folders go last, from the end. */
typedef struct removal {
	dv_record *c;
	dv_scan *scan;
	const dv_output *o;
	int root;
	dv_deltas folders;
} removal;

static void removal_release(removal *m)
{
	dv_deltas_release(&m->folders);
	dv_scan_free(m->scan);
}

static int remove_seen(removal *m, const char *path, const dv_tree_entry *e)
{
	dv_seen was;
	int r;

	if (e->kind == 'd')
		return dv_deltas_add(&m->folders, path, e, NULL);
	r = dv_scan_seen(m->scan, path, &was, NULL);
	return r < 0 ? r : dv_workdir_unlink(&m->c->repo->scratch, m->root, path, &was);
}

static int remove_one(void *payload, const char *inner, const dv_tree_entry *old,
		      const dv_tree_entry *new_)
{
	removal *m = payload;
	dv_autofree char *path = dv_path_join(m->o->path, inner);

	(void)new_;
	return !path ? dv_err_nomem() : old ? remove_seen(m, path, old) : 0;
}

/* What came after the check stays, and stops the command; what .dvignore hides stays too. */
static int delete_seen(dv_record *c, const dv_output *o, int root)
{
	dv_auto(removal) m = { .c = c, .o = o, .root = root };
	dv_tree_entry top = dv_pointer_entry(&o->pointer);
	dv_scanned now;
	dv_side side;
	int r;

	if ((r = dv_scan_new(&m.scan, c->repo, c->pool, NULL)) < 0 ||
	    (r = dv_scan_path(m.scan, o->path, &now)) < 0 || !now.kind)
		return r;
	if (!dv_oid_eq(&now.oid, &o->pointer.oid))
		return dv_err_hint(dv_err(DV_EDIRTY, "'%s': changed by another program meanwhile",
					  o->path), "run the command again");
	if ((r = remove_seen(&m, o->path, &top)) < 0 || top.kind != 'd')
		return r;
	side = dv_scan_side(m.scan);
	r = dv_treediff_each(&side, &now.oid, &side, NULL, DV_TREEDIFF_DIRS, remove_one, &m);
	for (size_t i = m.folders.n; r == 0 && i-- > 0;)
		r = dv_workdir_rmdir(root, m.folders.d[i].path);
	return r;
}

static int delete_data(dv_record *c, const dv_output *o, bool force)
{
	dv_autofree char *abs = dv_repo_abs(c->repo, o->path);
	dv_autoclose int root = dv_fs_openat(AT_FDCWD, c->repo->root, O_RDONLY | O_DIRECTORY, 0);
	struct stat st;
	int r;

	if (!abs)
		return dv_err_nomem();
	if (root < 0)
		return dv_err_sys("cannot open the workspace '%s'", c->repo->root);
	/* Refuses a way that leads through a link. */
	r = dv_workdir_stat(&st, root, o->path);
	if (r == DV_ENOTFOUND) {
		dv_error_clear();
		return 0;
	}
	if (r < 0)
		return r;
	return force ? dv_fs_remove_tree(abs) : delete_seen(c, o, root);
}

static int stage_removed(dv_record *c, const char *pointer, const char *ignore, bool has_ignore)
{
	const char *drop[2] = { pointer, ignore }, *add[1] = { ignore };
	dv_git *git;
	int r;

	if (!c->stage)
		return 0;
	if ((r = dv_repo_git(c->repo, &git)) < 0)
		return r;
	return dv_git_stage(git, add, has_ignore ? 1 : 0, drop, has_ignore ? 1 : 2);
}

static int remove_output(dv_record *c, const dv_output *o, const dv_remove_options *opt)
{
	dv_autofree char *pointer = dv_repo_abs(c->repo, o->pointer_path);
	dv_autofree char *ignore = gitignore_of(o->path);
	char hex[DV_OID_HEX_SIZE + 1];
	bool has_ignore;
	int r;

	if (!pointer || !ignore)
		return dv_err_nomem();
	if (opt->outs && !opt->force && (r = check_kept(c, o)) < 0)
		return r;
	if (opt->outs && (r = delete_data(c, o, opt->force)) < 0)
		return r;
	if (dv_fs_unlinkat(AT_FDCWD, pointer, 0) < 0 && errno != ENOENT)
		return dv_err_sys("cannot remove '%s'", o->pointer_path);
	if ((r = unignore(c, o->path, &has_ignore)) < 0 ||
	    (r = stage_removed(c, o->pointer_path, ignore, has_ignore)) < 0)
		return r;
	dv_oid_hex(hex, &o->pointer.oid);
	const dv_output_event e = { .path = o->path, .pointer = o->pointer_path, .oid = hex,
				    .is_dir = o->pointer.is_dir, .changed = true,
				    .size = o->pointer.size,
				    .nfiles = o->pointer.is_dir ? o->pointer.nfiles : 1 };
	return c->cb ? c->cb(&e, c->payload) : 0;
}

/* What a stage makes, or git tracks, is not ours to forget. */
static int refuse(const dv_record *c, const dv_output *o, const char *what)
{
	dv_autofree char *stage = o->filtered ? NULL : dv_output_stage_address(c->repo, o);

	if (o->filtered)
		return dv_err_hint(dv_err(DV_EUSAGE, "cannot %s '%s': it passes through git's "
					  "filter (dv track)", what, o->path),
				   "use 'git %s'", strcmp(what, "move") ? "rm" : "mv");
	if (!stage)
		return dv_err_nomem();
	dv_err(DV_EUSAGE, "cannot %s '%s': the stage '%s' of '%s' makes it", what, o->path,
	       o->stage, o->pointer_path);
	if (strcmp(what, "move") == 0)
		return dv_err_hint(DV_EUSAGE, "change its path in the pipeline file and run 'dv "
				   "repro %s'", stage);
	return dv_err_hint(DV_EUSAGE, "run 'dv stage remove %s' to forget the stage", stage);
}

int dv_remove(dv_repo *r, const char *const *targets, size_t n, const dv_remove_options *o,
	      dv_output_cb cb, void *payload)
{
	o = DV_OR_ZERO(o);
	dv_auto(dv_record) c = { .cb = cb, .payload = payload };
	dv_auto(dv_targets) t = DV_TARGETS_INIT;
	dv_targets_scope scope = { .repo = r, .a = &c.outputs };
	const char *inner;
	int e;

	if (n == 0)
		return dv_err(DV_EUSAGE, "nothing to remove");
	if ((e = dv_targets_resolve(&t, r, targets, n)) < 0 ||
	    (e = dv_record_open(&c, r, 0, o->no_stage)) < 0 ||
	    (e = dv_targets_check(&t, &scope)) < 0)
		return e;
	for (size_t i = 0; i < c.outputs.n; i++)
		if ((c.outputs.o[i].stage || c.outputs.o[i].filtered) &&
		    dv_targets_want(&t, &c.outputs.o[i], &inner))
			return refuse(&c, &c.outputs.o[i], "remove");
	for (size_t i = 0; e == 0 && i < c.outputs.n; i++) {
		const dv_output *out = &c.outputs.o[i];

		if (!dv_targets_want(&t, out, &inner))
			continue;
		if (inner) {
			dv_err(DV_EUSAGE, "'%s' is inside output '%s'", inner, out->path);
			return dv_err_hint(DV_EUSAGE, "delete the file and run 'dv add %s/%s'",
					   out->path, inner);
		}
		e = remove_output(&c, out, o);
	}
	return e;
}

/* -- data without a record --------------------------------------------------------------------- */

int dv_repo_drop_data(dv_repo *r, const dv_output_list *l, uint64_t *dropped)
{
	dv_auto(dv_record) c = { 0 };
	int e = dv_record_open(&c, r, 0, true);

	*dropped = 0;
	for (size_t i = 0; e == 0 && i < l->n; i++) {
		dv_autofree char *abs = dv_repo_abs(r, l->o[i].path);
		struct stat st;

		if (!abs)
			return dv_err_nomem();
		if (lstat(abs, &st) < 0)
			continue;
		e = check_kept(&c, &l->o[i]);
		if (e == 0)
			e = delete_data(&c, &l->o[i], false);
		if (e == 0)
			(*dropped)++;
		if (e == DV_EDIRTY || e == DV_EUNSAFE) {
			dv_warn("'%s' is no output any more, and stays: it is not as it was "
				"recorded", l->o[i].path);
			dv_error_clear();
			e = 0;
		}
	}
	return e;
}

/* -- move -------------------------------------------------------------------------------------- */

/* Is there a pointer of the same data at `to`, and the data at one place only? Then a move was cut
 * short, and goes on. */
static bool was_moved(dv_record *c, const dv_output *o, const char *to)
{
	const dv_output *there = dv_output_list_find(&c->outputs, to);
	dv_autofree char *a = dv_repo_abs(c->repo, o->path), *b = dv_repo_abs(c->repo, to);
	struct stat st;

	return there && !there->stage && there != o &&
	       dv_oid_eq(&there->pointer.oid, &o->pointer.oid) && a && b &&
	       (lstat(a, &st) < 0 || lstat(b, &st) < 0);
}

/* Where the output goes: into an existing folder, or to the name given. */
static int destination(dv_record *c, const dv_output *o, const char *dst, char **out)
{
	dv_autofree char *rel = NULL;
	dv_autofree char *abs = NULL;
	struct stat st;
	int r;

	if ((r = dv_repo_rel(c->repo, dst, &rel)) < 0)
		return r;
	if (!(abs = dv_repo_abs(c->repo, rel)))
		return dv_err_nomem();
	if (was_moved(c, o, rel)) {
		*out = dv_steal(&rel);
		return 0;
	}
	if (lstat(abs, &st) == 0 && S_ISDIR(st.st_mode) &&
	    !dv_output_list_find(&c->outputs, rel)) {
		char *in = dv_path_join(rel, dv_path_base(o->path));

		free(rel);
		free(abs);
		rel = in;
		abs = in ? dv_repo_abs(c->repo, in) : NULL;
		if (!abs)
			return dv_err_nomem();
		if (was_moved(c, o, rel)) {
			*out = dv_steal(&rel);
			return 0;
		}
	}
	if (lstat(abs, &st) == 0)
		return dv_err_hint(dv_err(DV_EEXISTS, "'%s' is there already", rel),
				   "choose another name, or move that away first");
	const char *rest;
	if (dv_output_list_holding(&c->outputs, rel, &rest))
		return dv_err_hint(dv_err(DV_EUSAGE, "'%s' would be inside an output", rel),
				   "an output cannot lie in another; choose a place outside");
	*out = dv_steal(&rel);
	return 0;
}

/* The new pointer is durable before anything of the old one goes; git never sees the data. */
static int move_output(dv_record *c, dv_output *o, const char *to)
{
	dv_auto(dv_pointer) p = DV_POINTER_INIT;
	dv_autofree char *from_abs = dv_repo_abs(c->repo, o->path);
	dv_autofree char *to_abs = dv_repo_abs(c->repo, to);
	dv_autofree char *dir = to_abs ? dv_path_dir(to_abs) : NULL;
	dv_autofree char *old_pointer = dv_repo_abs(c->repo, o->pointer_path);
	dv_autofree char *old_ignore = gitignore_of(o->path);
	dv_autofree char *new_ignore = gitignore_of(to);
	dv_auto(dv_buf) pointer = DV_BUF_INIT, rel_pointer = DV_BUF_INIT;
	bool has_ignore;
	int r;

	if (!from_abs || !dir || !old_pointer || !old_ignore || !new_ignore)
		return dv_err_nomem();
	dv_buf_addf(&pointer, "%s" DV_POINTER_SUFFIX, to_abs);
	dv_buf_addf(&rel_pointer, "%s" DV_POINTER_SUFFIX, to);
	if (pointer.err || rel_pointer.err)
		return dv_err_nomem();
	if ((r = dv_pointer_copy(&p, &o->pointer)) < 0 || (r = dv_fs_mkdirs(dir)) < 0)
		return r;
	free(p.path);
	if (!(p.path = dv_strdup(dv_path_base(to))))
		return dv_err_nomem();
	if (c->repo->has_git && ((r = dv_gitignore_add(&c->repo->scratch, dir, p.path,
						      NULL)) < 0 ||
				 (r = dv_record_stage(c, new_ignore)) < 0))
		return r;
	if ((r = dv_pointer_write(&p, &c->repo->scratch, pointer.p, NULL)) < 0)
		return r;
	if (dv_fs_rename_noreplace(AT_FDCWD, from_abs, AT_FDCWD, to_abs) < 0 && errno != ENOENT) {
		r = dv_err_sys("cannot move '%s' to '%s'", o->path, to);
		dv_fs_unlinkat(AT_FDCWD, pointer.p, 0);
		return r;
	}
	if (dv_fs_unlinkat(AT_FDCWD, old_pointer, 0) < 0)
		return dv_err_sys("cannot remove '%s'", o->pointer_path);
	if ((r = unignore(c, o->path, &has_ignore)) < 0 ||
	    (r = dv_record_stage(c, rel_pointer.p)) < 0 ||
	    (r = dv_record_finish(c, NULL)) < 0 ||
	    (r = stage_removed(c, o->pointer_path, old_ignore, has_ignore)) < 0)
		return r;
	dv_statcache *cache;
	if ((r = dv_repo_statcache(c->repo, &cache)) < 0)
		return r;
	dv_statcache_rename(cache, o->path, to);
	dv_statcache_flush(cache);
	char hex[DV_OID_HEX_SIZE + 1];
	dv_oid_hex(hex, &p.oid);
	const dv_output_event e = { .path = to, .pointer = rel_pointer.p, .oid = hex,
				    .is_dir = p.is_dir, .changed = true, .size = p.size,
				    .nfiles = p.is_dir ? p.nfiles : 1 };
	return c->cb ? c->cb(&e, c->payload) : 0;
}

static int no_output(dv_output_list *l, const char *path)
{
	const dv_output *o = dv_output_list_holding(l, path, NULL);

	if (!o) {
		dv_err(DV_ENOTFOUND, "'%s' is not tracked by dv", path);
		return dv_err_hint(DV_ENOTFOUND, "run 'dv ls' to see what is");
	}
	dv_err(DV_ENOTFOUND, "'%s' is a part of the output '%s'", path, o->path);
	if (o->stage)
		return dv_err_hint(DV_ENOTFOUND, "the stage '%s' of '%s' makes it", o->stage,
				   o->pointer_path);
	return dv_err_hint(DV_ENOTFOUND, "move it with 'mv', then run 'dv add %s'", o->path);
}

int dv_move(dv_repo *r, const char *src, const char *dst, const dv_move_output_options *opt,
	    dv_output_cb cb, void *payload)
{
	opt = DV_OR_ZERO(opt);
	dv_auto(dv_record) c = { .cb = cb, .payload = payload };
	dv_autofree char *from = NULL;
	dv_autofree char *to = NULL;
	int e;

	if ((e = dv_record_open(&c, r, 0, opt->no_stage)) < 0 ||
	    (e = dv_repo_rel(r, src, &from)) < 0)
		return e;
	dv_output *o = dv_output_list_find(&c.outputs, from);
	if (!o)
		o = dv_targets_by_pointer(&c.outputs, from);
	if (!o)
		return no_output(&c.outputs, from);
	if (o->stage || o->filtered)
		return refuse(&c, o, "move");
	if ((e = destination(&c, o, dst, &to)) < 0)
		return e;
	return move_output(&c, o, to);
}
