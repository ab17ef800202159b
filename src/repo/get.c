/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv_get, dv_ls_url, dv_cat_url: data of another repository without a repository of one's own. What
 * comes is on its way in a store of its own, and is in the end renamed to its place, complete or
 * not at all.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/progress.h"
#include "base/url.h"
#include "repo/changes.h"
#include "repo/fill.h"

/* The user's repository when there is one here; not having one is fine. */
static void open_user(dv_repo **out)
{
	if (dv_repo_open(out, NULL)) {
		*out = NULL;
		dv_error_clear();
	}
}

/* -- where it goes ----------------------------------------------------------------------------- */

typedef struct place {
	char *dir, *name;	/* folder (absolute) and name */
	char *tmp;		/* a folder in `dir` for what is on its way */
	dv_lock lock;		/* of it */
	bool made;
} place;
static void place_release(place *p)
{
	if (p->made && dv_fs_remove_tree(p->tmp))
		dv_error_clear();
	dv_lock_release(&p->lock);
	free(p->dir);
	free(p->name);
	free(p->tmp);
}

/* The last part of the path, or the name of the repository. */
static char *usual_name(const dv_guest *f)
{
	dv_autofree char *url = NULL;

	if (*f->path)
		return dv_strdup(dv_path_base(f->path));
	if (*f->prefix)
		return dv_strndup(f->prefix, strlen(f->prefix) - 1);
	url = dv_strdup(f->local ? f->local : f->url);
	size_t n = url ? strlen(url) : 0;
	while (n && url[n - 1] == '/')
		url[--n] = 0;
	if (n > 4 && !strcmp(url + n - 4, ".git"))
		url[n -= 4] = 0;
	while (n && url[n - 1] == '/')
		url[--n] = 0;
	const char *colon = url ? strrchr(dv_path_base(url), ':') : NULL;
	return url ? dv_strdup(colon ? colon + 1 : dv_path_base(url)) : NULL;
}

static bool is_folder(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

/* Clears what a try before left that was cut; one that goes on keeps its own. */
static int open_tmp(place *p)
{
	dv_autofree char *lock = dv_path_join(p->tmp, "lock"), *x = dv_path_join(p->tmp, "x");
	dv_autofree char *old = dv_path_join(p->tmp, "old"), *to = dv_path_join(p->dir, p->name);
	struct stat st;
	int rc;

	if (!lock || !x || !old || !to)
		return dv_err_nomem();
	if (dv_fs_mkdirat(AT_FDCWD, p->tmp, 0700) &&
	    (errno != EEXIST || lstat(p->tmp, &st) || !S_ISDIR(st.st_mode) ||
	     st.st_uid != geteuid()))
		return dv_err_sys("cannot make the folder '%s'", p->tmp);
	if ((rc = dv_lock_take(&p->lock, lock, true, 0, "what is on its way to that name")))
		return rc;
	p->made = true;
	/* It was about to be replaced. */
	if (lstat(to, &st) && errno == ENOENT && dv_fs_rename_noreplace(AT_FDCWD, old, AT_FDCWD,
									to) && errno != ENOENT)
		return dv_err_sys("cannot put '%s' back", to);
	rc = dv_fs_remove_tree(x);
	return rc ? rc : dv_fs_remove_tree(old);
}

static int no_folder(const char *path)
{
	return dv_err_hint(dv_err(DV_ENOTFOUND, "there is no folder '%s'", path),
			   "make it with 'mkdir -p'");
}

/* As cp does: into a folder that is there, else under that name. */
static int find_place(place *p, const dv_guest *f, const dv_get_options *o)
{
	dv_autofree char *usual = usual_name(f);
	dv_autofree char *target = !usual ? NULL : !o->out ? dv_strdup(usual) :
				   is_folder(o->out) ? dv_path_join(o->out, usual) :
				   dv_strdup(o->out);
	dv_autofree char *abs = target ? dv_path_absolute(target) : NULL;
	dv_auto(dv_buf) tmp = DV_BUF_INIT;
	struct stat st;

	if (!abs)
		return target ? dv_error_last()->code : dv_err_nomem();
	if (!dv_name_is_safe(dv_path_base(abs), strlen(dv_path_base(abs))))
		return dv_err_hint(dv_err(DV_EUSAGE, "nothing can be named '%s'", target),
				   "give a name with '-o'");
	if (*target && target[strlen(target) - 1] == '/')
		return no_folder(abs);
	if (!o->force && !lstat(abs, &st))
		return dv_err_hint(dv_err(DV_EEXISTS, "'%s' is there already", target),
				   "give another name with '-o', or replace it with '--force'");
	p->dir = dv_path_dir(abs);
	p->name = dv_strdup(dv_path_base(abs));
	if (!p->dir || !p->name)
		return dv_err_nomem();
	if (!is_folder(p->dir))
		return no_folder(p->dir);
	dv_buf_addf(&tmp, "%s/" DV_TMP_PREFIX "get-%.64s", p->dir, p->name);
	if (tmp.err)
		return tmp.err;
	p->tmp = dv_buf_detach(&tmp);
	return open_tmp(p);
}

/* Names it unless something has that name. A file system that cannot do so in one step still never
 * replaces a folder that holds something, nor a file by a folder. */
static int take_free_place(const char *from, const char *to)
{
	if (dv_fs_rename_noreplace(AT_FDCWD, from, AT_FDCWD, to) == 0 ||
	    (errno == EPERM && dv_fs_renameat(AT_FDCWD, from, AT_FDCWD, to) == 0))
		return 0;
	if (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR)
		return dv_err_hint(dv_err(DV_EEXISTS, "'%s' came into being meanwhile, and stays",
					  to),
				   "give another name with '-o', or replace it with '--force'");
	return dv_err_sys("cannot name '%s'", to);
}

/* Brings it into view. What it replaces keeps a name until the new one has its own. */
static int take_place(const place *p, bool force)
{
	dv_autofree char *from = dv_path_join(p->tmp, "x");
	dv_autofree char *old = dv_path_join(p->tmp, "old");
	dv_autofree char *to = dv_path_join(p->dir, p->name);

	if (!from || !old || !to)
		return dv_err_nomem();
	if (!force)
		return take_free_place(from, to);
	if (dv_fs_rename_exchange(AT_FDCWD, from, AT_FDCWD, to) == 0)
		return 0;
	if (errno != ENOENT && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
		return dv_err_sys("cannot replace '%s'", to);
	if (dv_fs_renameat(AT_FDCWD, to, AT_FDCWD, old) && errno != ENOENT)
		return dv_err_sys("cannot replace '%s'", to);
	if (dv_fs_renameat(AT_FDCWD, from, AT_FDCWD, to) == 0)
		return 0;
	int rc = dv_err_sys("cannot name '%s'", to);
	if (dv_fs_renameat(AT_FDCWD, old, AT_FDCWD, to) && errno != ENOENT)
		dv_warn("what was '%s' cannot be put back", to);
	return rc;
}

/* -- getting ----------------------------------------------------------------------------------- */

/* Is everything in the cache of the repository, on this machine? */
static bool is_at_hand(const dv_fill *p)
{
	for (size_t i = 0; i < p->n; i++) {
		const dv_fill_part *part = &p->p[i];
		const dv_want w = { .oid = part->entry.oid, .is_tree = part->entry.kind == 'd' };

		if (part->entry.kind && !dv_guest_has(p->f, &w))
			return false;
	}
	return p->f->local != NULL;
}

static int fill_place(dv_fill *p, const place *at, int jobs)
{
	dv_guest *f = p->f;
	dv_autofree char *work = dv_path_join(f->dir, "get");
	dv_autofree char *spare = work ? dv_path_join(work, "cache") : NULL;
	dv_autoptr(dv_repo) r = NULL;
	dv_store *s;
	int rc;

	if (!spare)
		return dv_err_nomem();
	bool at_hand = is_at_hand(p);
	if ((rc = dv_fill_around(&r, at->tmp, work, at_hand ? f->repo->cache_dir : spare)) ||
	    (rc = at_hand ? dv_repo_store_look(r, &s) : dv_repo_store(r, &s)))
		return rc;
	if (!at_hand && (rc = dv_fill_fetch(p, s, jobs, NULL)))
		return rc;
	return dv_fill_put(p, r, "x", jobs);
}

int dv_get(const char *url, const char *path, const dv_get_options *o, dv_get_summary *out)
{
	o = DV_OR_ZERO(o);
	out = DV_OR_ZERO(out);
	dv_autoptr(dv_repo) user = NULL;
	dv_autoptr(dv_guest) f = NULL;
	dv_auto(dv_fill) plan = { 0 };
	dv_auto(place) at = { .lock = DV_LOCK_INIT };
	dv_guest_options fo = { .url = url, .rev = o->rev, .path = path };
	int rc;

	*out = (dv_get_summary){ 0 };
	open_user(&user);
	fo.user = user;
	if ((rc = dv_guest_open(&f, &fo)) || (rc = dv_fill_plan(&plan, f)) ||
	    (rc = find_place(&at, f, o)))
		return rc;
	rc = fill_place(&plan, &at, o->jobs);
	dv_progress_end();
	if (rc || (rc = take_place(&at, o->force)))
		return rc;
	/* What was on its way is where it belongs. After a failure it is there for the next try. */
	dv_autofree char *work = dv_path_join(f->dir, "get");
	if (!work || dv_fs_remove_tree(work))
		dv_error_clear();
	out->files = plan.files;
	out->bytes = plan.bytes;
	memcpy(out->commit, f->commit, sizeof f->commit);
	snprintf(out->name, sizeof out->name, "%s", at.name);
	return 0;
}

/* -- looking ----------------------------------------------------------------------------------- */

/* An entry that is told once all are known, in the order of their paths. */
typedef struct line {
	char *path;
	char oid[DV_OID_HEX_SIZE + 1];
	dv_entry e;
} line;
typedef struct lines {
	dv_guest *f;
	line *l;
	size_t n, cap;
	bool outputs_only;
} lines;
static void lines_release(lines *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->l[i].path);
	free(l->l);
}

static int on_output(const dv_entry *e, void *payload)
{
	lines *l = payload;
	int rc = dv_grow(&l->l, &l->cap, l->n + 1, sizeof *l->l);

	if (rc)
		return rc;
	line *n = &l->l[l->n];
	*n = (line){ .path = dv_strdup(e->path), .e = *e };
	if (!n->path)
		return DV_ERROR;
	if (e->oid)
		snprintf(n->oid, sizeof n->oid, "%s", e->oid);
	l->n++;
	return 0;
}

/* What dv tells of already: outputs, and folders above them. */
static bool is_told(const lines *l, const dv_git_item *i)
{
	for (size_t k = 0; k < l->f->outputs.n; k++) {
		const dv_output *o = &l->f->outputs.o[k];

		if ((i->kind == 'd' && dv_path_below(o->path, i->path, NULL)) ||
		    dv_path_below(i->path, o->path, NULL))
			return true;
	}
	return false;
}

static int on_git(const dv_git_item *i, void *payload)
{
	lines *l = payload;
	dv_entry e = { .path = i->path, .kind = i->kind == 'm' ? 'd' : i->kind, .size = i->size,
		       .nfiles = i->kind != 'd' && i->kind != 'm' };

	return is_told(l, i) ? 0 : on_output(&e, l);
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(((const line *)a)->path, ((const line *)b)->path);
}

static int list_git(lines *l, bool recursive)
{
	const dv_guest *f = l->f;
	dv_git_item item;
	int rc = dv_git_item_at(f->repo->git, f->commit, f->path, &item);

	if (!rc && item.kind != 'd' && item.kind != 'm')
		return on_git(&item, l);
	if (!rc && item.kind == 'd')
		rc = dv_git_items(f->repo->git, f->commit, f->path, recursive, on_git, l);
	if (rc == DV_ENOTFOUND) {
		dv_error_clear();
		rc = 0;
	}
	return rc;
}

int dv_ls_url(const char *url, const char *rev, const char *path, const dv_ls_url_options *o,
	      dv_entry_cb cb, void *payload)
{
	o = DV_OR_ZERO(o);
	dv_autoptr(dv_repo) user = NULL;
	dv_autoptr(dv_guest) f = NULL;
	dv_guest_options fo = { .url = url, .rev = rev, .path = path };
	dv_auto(lines) l = { .outputs_only = o->outputs_only };
	int rc;

	open_user(&user);
	fo.user = user;
	if ((rc = dv_guest_open(&f, &fo)))
		return rc;
	l.f = f;
	rc = dv_output_ls(f->repo, &f->outputs, f->path, o->recursive, on_output, &l);
	if (rc == DV_ENOTFOUND && !l.n && !dv_output_list_holding(&f->outputs, f->path, NULL)) {
		dv_error_clear();
		rc = 0;
	}
	if (!rc && !o->outputs_only &&
	    !(*f->path && dv_output_list_holding(&f->outputs, f->path, NULL)))
		rc = list_git(&l, o->recursive);
	if (rc)
		return rc;
	if (!l.n && *f->path)
		return dv_err_hint(dv_err(DV_ENOTFOUND, "'%s' is not in '%s' at %.10s", f->path,
					  f->shown, f->commit),
				   "run 'dv ls %s' to see what there is", f->shown);
	if (l.n)
		qsort(l.l, l.n, sizeof *l.l, compare_lines);
	for (size_t i = 0; !rc && i < l.n; i++) {
		line *n = &l.l[i];

		n->e.path = n->path;
		n->e.oid = *n->oid ? n->oid : NULL;
		n->e.stage = NULL;
		rc = cb(&n->e, payload);
	}
	return rc;
}

int dv_cat_url(const char *url, const char *rev, const char *path, uint64_t offset,
	       uint64_t length, dv_data_cb cb, void *payload)
{
	dv_autoptr(dv_repo) user = NULL;
	dv_autoptr(dv_guest) f = NULL;
	dv_autoptr(dv_reader) reader = NULL;
	dv_auto(dv_buf) data = DV_BUF_INIT;
	dv_guest_options fo = { .url = url, .rev = rev, .path = path };
	dv_store *s;
	int rc;

	open_user(&user);
	fo.user = user;
	if ((rc = dv_guest_open(&f, &fo)))
		return rc;
	if (dv_output_list_holding(&f->outputs, f->path, NULL)) {
		if ((rc = dv_repo_store_look(f->repo, &s)) || (rc = dv_reader_new(&reader, s)))
			return rc;
		return dv_output_stream(f->repo, &f->outputs, reader, f->path, offset, length, cb,
					payload);
	}
	rc = dv_git_read_blob(f->repo->git, f->commit, f->path, DV_GIT_FILE_MAX, &data);
	if (rc)
		return dv_err_ctx(rc, "repository '%s'", f->shown);
	if (offset >= data.n)
		return 0;
	size_t n = data.n - (size_t)offset;
	return cb(data.p + offset, length < n ? (size_t)length : n, payload);
}
