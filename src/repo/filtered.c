/* SPDX-License-Identifier: Apache-2.0 */
/* Which files of git's index pass through the filter, and what stands in the work tree for them. */
#include "repo/filtered.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "git/ask.h"
#include "git/attributes.h"
#include "git/run.h"
#include "repo/filtered_known.h"
#include "repo/record.h"
#include "store/object.h"

typedef struct listing {
	dv_repo *r;
	dv_git *git;
	dv_attributes *rules;
	const char *prefix;	/* of the workspace in the work tree: "" or "sub" */
	dv_path_list nested;	/* roots of other repositories of dv in it */
	dv_output_list *out;
	dv_path_list *raw;	/* or NULL */
	dv_filtered_known known;
	dv_filtered_rules_cb cb;	/* for dv_filtered_rules, or NULL */
	void *payload;
	bool root_read;
} listing;

static const char *own_path(const listing *l, const char *full)
{
	const char *rest = full;

	if (*l->prefix && !dv_path_below(full, l->prefix, &rest))
		return NULL;
	return dv_path_is_safe(rest) ? rest : NULL;
}

static int read_entry(listing *l, const dv_gitindex_entry *e, size_t max, dv_buf *out)
{
	char hex[DV_GIT_HEX + 1];
	int rc = l->git ? 0 : dv_repo_git(l->r, &l->git);

	if (rc || e->id_size != DV_GIT_HEX / 2)
		return rc ? rc : dv_err(DV_ERROR, "dv does not read git's objects of SHA-256");
	for (size_t i = 0; i < e->id_size; i++)
		snprintf(hex + 2 * i, 3, "%02x", e->id[i]);
	return dv_git_read_id(l->git, hex, e->path, max, out);
}

static int take_rules(listing *l, const char *file, const char *dir, const dv_buf *text)
{
	if (!*dir && l->root_read)
		return 0;
	l->root_read |= !*dir;
	return l->cb ? l->cb(file, dv_buf_str(text), text->n, l->payload)
		     : dv_attributes_add(l->rules, dir, text->p, text->n);
}

/* The rules as they stand in the work tree; as staged where it has none. */
static int read_rules(listing *l, const dv_gitindex_entry *e)
{
	dv_autofree char *path = dv_path_join(l->r->dirs.workdir, e->path);
	dv_autofree char *dir = dv_path_dir(e->path);
	dv_auto(dv_buf) text = DV_BUF_INIT;

	if (!path || !dir)
		return dv_err_nomem();
	if (dv_fs_read_file(&text, path, DV_ATTRIBUTES_MAX)) {
		dv_error_clear();
		if (read_entry(l, e, DV_ATTRIBUTES_MAX, &text)) {
			dv_error_clear();
			return 0;
		}
	}
	return take_rules(l, e->path, strcmp(dir, ".") ? dir : "", &text);
}

static int on_rules(const dv_gitindex_entry *e, void *payload)
{
	listing *l = payload;
	const char *name = dv_path_base(e->path), *own;
	size_t n = strlen(e->path);

	if (e->merge_stage || (e->mode & S_IFMT) != S_IFREG)
		return 0;
	if (strcmp(name, DV_ATTRIBUTES_FILE) == 0)
		return read_rules(l, e);
	if (n > 11 && !strcmp(e->path + n - 11, "/.dv/config") && (own = own_path(l, e->path))) {
		dv_autofree char *root = dv_strndup(own, strlen(own) > 11 ? strlen(own) - 11 : 0);

		return !root ? DV_ERROR : *root ? dv_path_list_add(&l->nested, root) : 0;
	}
	return 0;
}

static bool is_nested(const listing *l, const char *path)
{
	for (size_t i = 0; i < l->nested.n; i++)
		if (dv_path_below(path, l->nested.p[i], NULL))
			return true;
	return false;
}

/* The pointer that is staged. *is says whether it is one: something else goes to `raw`. */
static int read_pointer(listing *l, const dv_gitindex_entry *e, const char *own, dv_lfs_pointer *p,
			bool *is)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;

	*is = dv_filtered_known_find(&l->known, e, p);
	if (*is)
		return 0;
	if (read_entry(l, e, DV_LFS_POINTER_MAX, &text)) {
		/* Too large for a pointer, or not here, as in a partial clone. */
		bool raw = l->raw && dv_error_last()->code != DV_ENOTFOUND;

		dv_error_clear();
		return raw ? dv_path_list_add(l->raw, own) : dv_check_cancel();
	}
	*is = dv_lfs_pointer_parse(p, text.p, text.n);
	if (*is)
		return dv_filtered_known_add(&l->known, e, p);
	return l->raw ? dv_path_list_add(l->raw, own) : 0;
}

static int on_file(const dv_gitindex_entry *e, void *payload)
{
	listing *l = payload;
	const char *own = own_path(l, e->path);
	dv_lfs_pointer p;
	bool is;

	if (e->merge_stage || (e->mode & S_IFMT) != S_IFREG || !own || dv_repo_is_own(own) ||
	    dv_repo_is_meta(dv_path_base(own)) || !dv_attributes_filtered(l->rules, e->path) ||
	    is_nested(l, own))
		return 0;
	int rc = read_pointer(l, e, own, &p, &is);
	if (rc || !is || !p.size)
		return rc;
	rc = dv_output_list_add_filtered(l->out, own, &p);
	if (!rc) {
		dv_output *o = &l->out->o[l->out->n - 1];

		o->index = e->st;
		o->index_racy = e->racy;
		o->index_exec = e->mode & 0100;
		o->skipped = e->skip_worktree;
	}
	return rc;
}

static int list_files(listing *l, const dv_gitindex *x)
{
	dv_filtered_known_open(&l->known, l->r);
	int rc = dv_gitindex_each(x, on_file, l);
	if (!rc)
		dv_filtered_known_save(&l->known, l->r);
	dv_filtered_known_release(&l->known);
	return rc;
}

/* The root's rules count before they are staged. */
static int read_root_rules(listing *l)
{
	dv_autofree char *path = dv_path_join(l->r->dirs.workdir, DV_ATTRIBUTES_FILE);
	dv_auto(dv_buf) text = DV_BUF_INIT;

	if (!path)
		return dv_err_nomem();
	if (dv_fs_read_file(&text, path, DV_ATTRIBUTES_MAX)) {
		dv_error_clear();
		return 0;
	}
	return take_rules(l, DV_ATTRIBUTES_FILE, "", &text);
}

static int open_index(dv_repo *r, dv_gitindex *x)
{
	const char *other = getenv("GIT_INDEX_FILE");
	dv_autofree char *path = other && *other ? dv_path_join(r->dirs.workdir, other)
						 : dv_path_join(r->dirs.gitdir, "index");

	dv_git *g;
	int rc = path ? dv_gitindex_read(x, path) : dv_err_nomem();

	/* One in two files, or with folders. */
	if (rc != DV_ERROR || !dv_git_program())
		return rc;
	dv_error_clear();
	rc = dv_repo_git(r, &g);
	return rc ? rc : dv_gitask_index(g, x);
}

int dv_filtered_list(dv_repo *r, dv_output_list *out, dv_path_list *raw)
{
	listing l = { .r = r, .prefix = "", .out = out, .raw = raw,
		      .known = DV_FILTERED_KNOWN_INIT };
	dv_autoptr(dv_attributes) rules = NULL;
	dv_auto(dv_gitindex) x = DV_GITINDEX_INIT;
	int rc;

	if (!r->has_git || !dv_path_below(r->root, r->dirs.workdir, &l.prefix))
		return 0;
	if ((rc = dv_attributes_new(&rules)) < 0 ||
	    (rc = dv_attributes_add_own(rules, &r->dirs)) < 0)
		return rc;
	l.rules = rules;
	if ((rc = read_root_rules(&l)) < 0)
		return rc;
	rc = open_index(r, &x);
	if (rc == DV_ERROR && !dv_attributes_any(rules)) {
		/* It is one that is not read, and nothing says that there is something in it. */
		dv_error_clear();
		return 0;
	}
	if (!rc)
		rc = dv_gitindex_each(&x, on_rules, &l);
	if (!rc && dv_attributes_any(rules))
		rc = list_files(&l, &x);
	dv_path_list_release(&l.nested);
	return rc;
}

int dv_filtered_outputs(dv_repo *r, dv_output_list *out)
{
	return dv_filtered_list(r, out, NULL);
}

int dv_filtered_rules(dv_repo *r, dv_filtered_rules_cb cb, void *payload)
{
	listing l = { .r = r, .prefix = "", .cb = cb, .payload = payload };
	dv_auto(dv_gitindex) x = DV_GITINDEX_INIT;
	int rc;

	if (!r->has_git || !dv_path_below(r->root, r->dirs.workdir, &l.prefix))
		return 0;
	rc = read_root_rules(&l);
	if (!rc)
		rc = open_index(r, &x);
	if (!rc)
		rc = dv_gitindex_each(&x, on_rules, &l);
	dv_path_list_release(&l.nested);
	return rc;
}

/* -- the work tree ----------------------------------------------------------------------------- */

static int hash(int fd, const dv_output *o, enum dv_filtered_state *state, dv_scanned *now)
{
	struct stat st;
	int rc = dv_hash_file(fd, o->path, &now->oid, &st);

	if (rc == DV_ETRANSIENT) {
		dv_error_clear();
		*state = DV_FILTERED_CHANGED;
		return 0;
	}
	if (rc)
		return rc;
	now->kind = dv_stat_kind(&st);
	now->size = now->hashed = (uint64_t)st.st_size;
	*state = dv_oid_eq(&now->oid, &o->pointer.oid) ? DV_FILTERED_SAME : DV_FILTERED_CHANGED;
	return 0;
}

static int look(dv_repo *r, const dv_output *o, bool read, enum dv_filtered_state *state,
		dv_scanned *now)
{
	dv_autofree char *path = dv_repo_abs(r, o->path);
	char want[DV_LFS_POINTER_MAX + 1], have[DV_LFS_POINTER_MAX + 1];
	const dv_lfs_pointer p = { o->pointer.oid, o->pointer.size };
	size_t n = 0, got = 0;
	struct stat st;

	if (!path)
		return dv_err_nomem();
	*now = (dv_scanned){ .nfiles = 1 };
	*state = DV_FILTERED_ABSENT;
	if (lstat(path, &st))
		return errno == ENOENT || errno == ENOTDIR ? 0
			       : dv_err_sys("cannot look at '%s'", o->path);
	*state = DV_FILTERED_CHANGED;
	now->kind = dv_stat_kind(&st);
	if (!S_ISREG(st.st_mode))
		return 0;
	now->size = (uint64_t)st.st_size;
	if (now->size && now->size <= DV_LFS_POINTER_MAX)
		n = dv_lfs_pointer_print(want, &p);
	bool as_long = n && now->size == n;
	if (!as_long && !o->index_racy && dv_gitindex_stat_is(&o->index, &st)) {
		now->oid = o->pointer.oid;
		*state = DV_FILTERED_SAME;
		return 0;
	}
	if (!read && !as_long)
		return 0;
	dv_autoclose int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return dv_err_sys("cannot read '%s'", o->path);
	if (as_long && dv_fs_pread_all(fd, have, n, 0, &got) == 0 && got == n &&
	    memcmp(have, want, n) == 0) {
		*state = DV_FILTERED_POINTER;
		return 0;
	}
	return read ? hash(fd, o, state, now) : 0;
}

int dv_filtered_look(dv_repo *r, const dv_output *o, enum dv_filtered_state *state,
		     dv_scanned *now)
{
	return look(r, o, true, state, now);
}

int dv_filtered_peek(dv_repo *r, const dv_output *o, enum dv_filtered_state *state,
		     dv_scanned *now)
{
	return look(r, o, false, state, now);
}

/* -- content that the store lacks -------------------------------------------------------------- */

static int store_file(dv_repo *r, dv_ingest *in, const dv_output *o, bool *stored)
{
	dv_autofree char *path = dv_repo_abs(r, o->path);
	struct stat st;
	dv_oid oid;

	if (!path)
		return dv_err_nomem();
	dv_autoclose int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size != o->pointer.size)
		return 0;
	int rc = dv_hash_file(fd, o->path, &oid, &st);
	if (rc || !dv_oid_eq(&oid, &o->pointer.oid))
		return rc;
	rc = dv_ingest_large(in, fd, o->path, NULL, &oid, &st);
	*stored |= rc == 0;
	return rc;
}

int dv_filtered_store_missing(dv_repo *r, const dv_output *const *o, size_t n)
{
	dv_autoptr(dv_pool) pool = NULL;
	dv_autoptr(dv_writer) w = NULL;
	dv_autoptr(dv_ingest) in = NULL;
	dv_store *s = NULL;
	bool stored = false;
	int rc = 0;

	for (size_t i = 0; !rc && i < n; i++) {
		if (!o[i]->filtered || (!s && (rc = dv_repo_store(r, &s)) < 0) ||
		    dv_store_has_object(s, &o[i]->pointer.oid))
			continue;
		if (!in && ((rc = dv_repo_pool(&pool, r, 0)) < 0 ||
			    (rc = dv_writer_new(&w, s, dv_repo_compression(r))) < 0 ||
			    (rc = dv_ingest_new(&in, w, pool)) < 0))
			break;
		rc = store_file(r, in, o[i], &stored);
		if (rc == DV_ETRANSIENT) {
			dv_error_clear();
			rc = 0;
		}
	}
	return rc || !stored ? rc : dv_writer_commit(w, NULL, 0);
}
