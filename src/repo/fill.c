/* SPDX-License-Identifier: Apache-2.0 */
/* Planning and putting files of other repositories; see fill.h. */
#include "repo/fill.h"

#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/progress.h"
#include "repo/changes.h"
#include "repo/record.h"
#include "repo/restore.h"
#include "repo/workdir.h"

#define LINK_MAX ((size_t)64 << 10)	/* of what a link names; the kernel has 4096 */

void dv_fill_release(dv_fill *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->p[i].path);
		free(p->p[i].remote);
	}
	free(p->p);
	*p = (dv_fill){ 0 };
}

/* -- the plan ---------------------------------------------------------------------------------- */

static int add_part(dv_fill *p, const char *path, dv_fill_part **out)
{
	int rc = dv_grow(&p->p, &p->cap, p->n + 1, sizeof *p->p);

	if (rc)
		return rc;
	*out = &p->p[p->n];
	**out = (dv_fill_part){ .path = dv_strdup(path) };
	if (!(*out)->path)
		return DV_ERROR;
	p->n++;
	return 0;
}

static int add_entry(dv_fill *p, const char *path, const dv_tree_entry *e, const char *remote)
{
	dv_fill_part *part;
	int rc = add_part(p, path, &part);

	if (rc)
		return rc;
	part->entry = *e;
	part->entry.name = NULL;
	part->remote = remote ? dv_strdup(remote) : NULL;
	p->files += e->kind == 'd' ? e->nfiles : 1;
	p->bytes += e->size;
	return remote && !part->remote ? DV_ERROR : 0;
}

static int add_item(dv_fill *p, const char *path, const dv_git_item *i)
{
	dv_fill_part *part;
	int rc = add_part(p, path, &part);

	if (rc)
		return rc;
	part->kind = i->kind;
	memcpy(part->id, i->id, sizeof part->id);
	p->of_git = true;
	p->files += i->kind != 'd';
	p->bytes += i->size;
	return 0;
}

/* The record of an output that is put itself says nothing there; nor does a submodule. */
static bool is_left_out(const dv_fill *p, const dv_git_item *i)
{
	if (i->kind == 'm')
		return true;
	for (size_t k = 0; k < p->f->outputs.n; k++) {
		const dv_output *o = &p->f->outputs.o[k];

		if (!o->stage && !strcmp(o->pointer_path, i->path))
			return true;
	}
	return dv_output_list_holding(&p->f->outputs, i->path, NULL) != NULL;
}

static int on_item(const dv_git_item *i, void *payload)
{
	dv_fill *p = payload;
	const char *rest = "";

	if (!dv_path_below(i->path, p->f->path, &rest) && *p->f->path)
		return 0;
	if (!*p->f->path)
		rest = i->path;
	return is_left_out(p, i) ? 0 : add_item(p, rest, i);
}

static int no_such_path(const dv_guest *f)
{
	dv_auto(dv_buf) pointer = DV_BUF_INIT;
	bool yes = false;

	dv_buf_addf(&pointer, "%s.dvc", f->path);
	if (*f->path &&
	    !dv_git_has_file(f->repo->git, f->commit, dv_buf_str(&pointer), &yes) && yes)
		return dv_err_hint(dv_err(DV_ENOTFOUND, "'%s' of '%s' is kept by DVC, whose data "
					  "dv does not read from afar", f->path, f->shown),
				   "clone the repository, and run 'dv import-dvc' there");
	return dv_err_hint(dv_err(DV_ENOTFOUND, "'%s' is not in '%s' at %.10s", f->path, f->shown,
				  f->commit),
			   "run 'dv ls %s' to see what there is", f->shown);
}

/* A folder: git's files in it, and the outputs. */
static int plan_folder(dv_fill *p)
{
	const dv_guest *f = p->f;
	int rc = dv_git_items(f->repo->git, f->commit, f->path, true, on_item, p);

	if (rc == DV_ENOTFOUND) {
		dv_error_clear();
		rc = 0;
	}
	for (size_t i = 0; !rc && i < f->outputs.n; i++) {
		const dv_output *o = &f->outputs.o[i];
		dv_tree_entry e = dv_pointer_entry(&o->pointer);
		const char *rest = o->path;

		if (!*f->path || (dv_path_below(o->path, f->path, &rest) && *rest))
			rc = add_entry(p, rest, &e, o->pointer.remote);
	}
	return rc;
}

int dv_fill_plan(dv_fill *p, dv_guest *f)
{
	const dv_output *o = *f->path ? dv_output_list_holding(&f->outputs, f->path, NULL) : NULL;
	dv_tree_entry e;
	dv_git_item item;
	int rc;

	*p = (dv_fill){ .f = f };
	if (o) {
		rc = dv_output_entry(f->repo, &f->outputs, f->path, &e);
		return rc ? rc : add_entry(p, "", &e, o->pointer.remote);
	}
	rc = dv_git_item_at(f->repo->git, f->commit, f->path, &item);
	if (rc && rc != DV_ENOTFOUND)
		return rc;
	if (rc == 0 && item.kind == 'm')
		return dv_err(DV_ERROR, "'%s' is a submodule", f->path);
	if (rc == 0 && item.kind != 'd')
		return add_item(p, "", &item);
	if (rc == 0)
		rc = add_item(p, "", &item);
	else
		dv_error_clear(), rc = 0;
	if (!rc)
		rc = plan_folder(p);
	return rc || p->n ? rc : no_such_path(f);
}

/* -- bringing ---------------------------------------------------------------------------------- */

int dv_fill_fetch(dv_fill *p, dv_store *into, int jobs, dv_move_stats *moved)
{
	dv_autofree dv_guest_want *w = dv_calloc(p->n + 1, sizeof *w);
	size_t n = 0;

	if (!w)
		return DV_ERROR;
	for (size_t i = 0; i < p->n; i++) {
		const dv_fill_part *part = &p->p[i];

		if (!part->entry.kind)
			continue;
		w[n++] = (dv_guest_want){
			.want = { .oid = part->entry.oid, .is_tree = part->entry.kind == 'd',
				  .path = *part->path ? part->path : p->f->path },
			.remote = part->remote,
		};
	}
	return n ? dv_guest_fetch(p->f, into, w, n, jobs, moved) : 0;
}

/* -- putting ----------------------------------------------------------------------------------- */

static int put_blob(const dv_fill *p, dv_repo *r, int rootfd, const dv_fill_part *part,
		    const char *path)
{
	bool is_link = part->kind == 'l';
	dv_auto(dv_buf) data = DV_BUF_INIT;
	dv_autoclose int dir = -1;
	dv_auto(dv_newfile) file = DV_NEWFILE_INIT;
	const char *base;
	int rc = dv_git_read_id(p->f->repo->git, part->id, path, is_link ? LINK_MAX :
				DV_GIT_FILE_MAX, &data);

	if (rc || (rc = dv_workdir_parent(&dir, &base, rootfd, path, true)))
		return rc;
	if (is_link && (!data.n || strlen(data.p) != data.n))
		return dv_err(DV_ECORRUPT, "the target of the link '%s' is empty or holds a NUL",
			      path);
	if (is_link)
		return dv_workdir_symlink(&r->scratch, dir, base, data.p, NULL);
	if ((rc = dv_newfile_open(&file, &r->scratch, dir)))
		return rc;
	if (dv_fs_write_all(file.fd, dv_buf_str(&data), data.n) < 0)
		return dv_err_sys("cannot write '%s'", path);
	dv_progress_add(data.n, 1);
	return dv_newfile_replace(&file, base, dv_workdir_mode(part->kind == 'x'), NULL);
}

static int put_part(const dv_fill *p, dv_restore *x, dv_repo *r, int rootfd,
		    const dv_fill_part *part, const char *path)
{
	dv_autoclose int fd = -1;

	if (part->entry.kind)
		return dv_restore_path(x, path, &part->entry, false);
	if (part->kind == 'd')
		return dv_workdir_open(&fd, rootfd, path, true);
	return put_blob(p, r, rootfd, part, path);
}

int dv_fill_put(dv_fill *p, dv_repo *r, const char *path, int jobs)
{
	dv_autoclose int rootfd = dv_fs_openat(AT_FDCWD, r->root, O_RDONLY | O_DIRECTORY, 0);
	dv_autoptr(dv_restore) x = NULL;
	int rc = rootfd < 0 ? dv_err_sys("cannot open the folder '%s'", r->root) :
			      dv_restore_new(&x, r, jobs);

	if (!rc && p->of_git)
		rc = dv_restore_make_room(x, path, false);
	for (size_t i = 0; !rc && i < p->n; i++) {
		dv_autofree char *full = *p->p[i].path ? dv_path_join(path, p->p[i].path) :
							 dv_strdup(path);

		rc = full ? dv_check_cancel() : dv_err_nomem();
		if (!rc)
			rc = put_part(p, x, r, rootfd, &p->p[i], full);
	}
	return rc;
}

/* -- into the store ---------------------------------------------------------------------------- */

bool dv_fill_is_output(const dv_fill *p)
{
	return p->n == 1 && p->p[0].entry.kind && !*p->p[0].path;
}

int dv_fill_around(dv_repo **out, const char *root, const char *dvdir, const char *cache_dir)
{
	dv_autoptr(dv_repo) r = dv_calloc(1, sizeof *r);
	int rc;

	*out = NULL;
	if (!r)
		return DV_ERROR;
	r->scratch = (dv_scratch)DV_SCRATCH_INIT;
	r->guest = true;
	r->root = dv_strdup(root);
	r->dvdir = dv_strdup(dvdir);
	r->cache_dir = dv_strdup(cache_dir);
	if (!r->root || !r->dvdir || !r->cache_dir)
		return dv_err_nomem();
	if ((rc = dv_ignore_new(&r->ignore, NULL)) || (rc = dv_scratch_open(&r->scratch, r->dvdir)))
		return rc;
	*out = dv_steal(&r);
	return 0;
}

/* Scans the file or folder "x" of the folder and stores it. */
static int store_x(dv_repo *around, dv_store *s, int jobs, dv_tree_entry *out)
{
	dv_autoptr(dv_writer) writer = NULL;
	dv_autoptr(dv_pool) pool = NULL;
	dv_autoptr(dv_scan) scan = NULL;
	dv_scanned now;
	int rc;

	if ((rc = dv_pool_new(&pool, jobs, 1024)) ||
	    (rc = dv_writer_new(&writer, s, dv_repo_compression(around))) ||
	    (rc = dv_scan_new(&scan, around, pool, writer)) ||
	    (rc = dv_scan_path(scan, "x", &now)) || (rc = dv_writer_commit(writer, NULL, 0)))
		return rc;
	*out = (dv_tree_entry){ .kind = now.kind, .oid = now.oid, .size = now.size,
				.nfiles = now.nfiles };
	return 0;
}

/* Files of git have to be read to be known. */
static int store_files(dv_fill *p, dv_repo *around, int jobs, dv_tree_entry *out,
		       dv_move_stats *moved)
{
	dv_store *s;
	int rc;

	if ((rc = dv_repo_store(around, &s)) || (rc = dv_fill_fetch(p, s, jobs, moved)) ||
	    (rc = dv_fill_put(p, around, "x", jobs)))
		return rc;
	return store_x(around, s, jobs, out);
}

int dv_fill_bring(dv_fill *p, dv_repo *r, int jobs, dv_tree_entry *out, dv_move_stats *moved)
{
	dv_autofree char *work = dv_path_join(p->f->dir, "get");
	dv_autofree char *root = work ? dv_path_join(work, "files") : NULL;
	dv_autoptr(dv_repo) around = NULL;
	dv_store *own;
	int rc = dv_repo_store(r, &own);

	if (rc || !root)
		return rc ? rc : dv_err_nomem();
	if (dv_fill_is_output(p)) {
		*out = p->p[0].entry;
		return dv_fill_fetch(p, own, jobs, moved);
	}
	if ((rc = dv_fs_remove_tree(work)) || (rc = dv_fs_mkdirs(root)) ||
	    (rc = dv_fill_around(&around, root, work, r->cache_dir)))
		return rc;
	rc = store_files(p, around, jobs, out, moved);
	dv_repo_free(dv_steal(&around));
	if (dv_fs_remove_tree(work))
		dv_error_clear();
	return rc ? rc : dv_store_refresh(own);
}
