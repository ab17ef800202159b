/* SPDX-License-Identifier: Apache-2.0 */
/* dv_ls, dv_cat and dv_check_ignore: looking at what is tracked, without changing anything. */
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/path.h"
#include "repo/changes.h"
#include "repo/graft.h"

typedef struct listing {
	dv_reader *reader;
	dv_entry_cb cb;
	void *payload;
	const char *base;	/* path of what is walked */
	bool recursive;
} listing;

static int load_outputs(dv_repo *r, const char *rev, dv_output_list *l)
{
	return rev ? dv_repo_outputs_at(r, rev, l) : dv_repo_outputs(r, l);
}

/* The user's path below the root; the root itself for NULL and "". */
static int user_rel(const dv_repo *r, const char *path, char **rel)
{
	if (path && *path)
		return dv_repo_rel(r, path, rel);
	*rel = dv_strdup("");
	return *rel ? 0 : DV_ERROR;
}

static int tell(const listing *l, const char *path, const dv_tree_entry *t, bool is_output)
{
	char hex[DV_OID_HEX_SIZE + 1];
	dv_entry e = { .path = path, .kind = t->kind, .oid = hex, .size = t->size,
		       .nfiles = t->nfiles, .is_output = is_output };

	dv_oid_hex(hex, &t->oid);
	return l->cb(&e, l->payload);
}

static int on_entry(const dv_tree_entry *t, const char *path, void *payload)
{
	const listing *l = payload;
	dv_autofree char *full = dv_path_join(l->base, path);
	int rc;

	if (!full)
		return dv_err_nomem();
	if (!*path)
		return 0;	/* the start itself */
	rc = tell(l, full, t, false);
	return rc == 0 && t->kind == 'd' && !l->recursive ? 1 : rc;
}

static int hint_fetch(int rc, const char *path)
{
	if (rc != DV_ENOTFOUND)
		return rc;
	return dv_err_hint(dv_err(rc, "the listing of '%s' is not in the cache", path),
			   "run 'dv fetch %s'", path);
}

/* What is inside the directory `oid` at `path`. */
static int list_inside(listing *l, const dv_oid *oid, const char *path)
{
	l->base = path;
	return hint_fetch(dv_tree_walk(l->reader, oid, on_entry, l), path);
}

/* A folder of the workspace above outputs; told once for all the outputs below it. */
static int tell_folder(const listing *l, const dv_output_list *all, const char *path)
{
	dv_entry e = { .path = path, .kind = 'd' };

	for (size_t i = 0; i < all->n; i++) {
		const dv_pointer *p = &all->o[i].pointer;

		if (!dv_path_below(all->o[i].path, path, NULL))
			continue;
		e.size += p->size;
		e.nfiles += p->is_dir ? p->nfiles : 1;
	}
	return l->cb(&e, l->payload);
}

/* The outputs below the folder `dir` ("" is the root). */
static int list_folder(listing *l, const dv_output_list *all, const char *dir)
{
	dv_autofree char *last = NULL;
	size_t n = strlen(dir);
	bool any = false;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < all->n; i++) {
		const dv_output *o = &all->o[i];
		dv_tree_entry t = dv_pointer_entry(&o->pointer);
		const char *rest = o->path;

		if (n && (!dv_path_below(o->path, dir, &rest) || !*rest))
			continue;
		any = true;
		if (!l->recursive && strchr(rest, '/')) {
			size_t len = (size_t)(rest - o->path) + strcspn(rest, "/");
			char *folder = dv_strndup(o->path, len);

			if (!folder)
				return dv_err_nomem();
			if (!last || strcmp(last, folder) != 0)
				rc = tell_folder(l, all, folder);
			free(last);
			last = folder;
			continue;
		}
		rc = tell(l, o->path, &t, true);
		if (rc == 0 && l->recursive && t.kind == 'd')
			rc = list_inside(l, &t.oid, o->path);
	}
	if (rc == 0 && n && !any)
		return dv_err_hint(dv_err(DV_ENOTFOUND, "'%s' is not tracked by dv", dir),
				   "run 'dv ls' to see what is");
	return rc;
}

/* Finds what stands at `rest` inside output o. */
static int find_inside(dv_reader *rd, const dv_output *o, const char *rest, dv_tree_entry *out)
{
	int rc;

	*out = dv_pointer_entry(&o->pointer);
	if (!*rest)
		return 0;
	if (!o->pointer.is_dir)
		return dv_err(DV_ENOTFOUND, "'%s' is a file, so there is no '%s' in it", o->path,
			      rest);
	if (!dv_store_has_object(dv_reader_store(rd), &o->pointer.oid))
		return hint_fetch(DV_ENOTFOUND, o->path);
	rc = dv_tree_lookup(out, rd, &o->pointer.oid, rest);
	if (rc < 0)
		dv_err_ctx(rc, "output '%s'", o->path);
	return rc == DV_ENOTFOUND ? dv_err_hint(rc, "run 'dv ls -R' to see what there is") : rc;
}

/* Opens what a question about `path` at `rev` needs. */
static int look(dv_repo *r, const char *rev, const char *path, char **rel, dv_output_list *all,
		dv_store **s, dv_reader **reader)
{
	int rc;

	if ((rc = user_rel(r, path, rel)) < 0 || (rc = load_outputs(r, rev, all)) < 0 ||
	    (rc = dv_repo_store_look(r, s)) < 0)
		return rc;
	return dv_reader_new(reader, *s);
}

int dv_ls(dv_repo *r, const char *rev, const char *path, bool recursive, dv_entry_cb cb,
	  void *payload)
{
	dv_auto(dv_output_list) all = DV_OUTPUT_LIST_INIT;
	dv_autoptr(dv_reader) reader = NULL;
	listing l = { .cb = cb, .payload = payload, .recursive = recursive };
	dv_autofree char *rel = NULL;
	const char *rest = "";
	const dv_output *o;
	dv_tree_entry at;
	dv_store *s;
	int rc = look(r, rev, path, &rel, &all, &s, &reader);

	if (rc < 0)
		return rc;
	l.reader = reader;
	o = *rel ? dv_output_list_holding(&all, rel, &rest) : NULL;
	if (!o)
		return list_folder(&l, &all, rel);
	if ((rc = find_inside(reader, o, rest, &at)) < 0)
		return rc;
	return at.kind == 'd' ? list_inside(&l, &at.oid, rel) : tell(&l, rel, &at, !*rest);
}

int dv_cat(dv_repo *r, const char *rev, const char *path, uint64_t offset, uint64_t length,
	   dv_data_cb cb, void *payload)
{
	dv_auto(dv_output_list) all = DV_OUTPUT_LIST_INIT;
	dv_autoptr(dv_reader) reader = NULL;
	dv_autofree char *rel = NULL;
	const char *rest = "";
	const dv_output *o;
	dv_tree_entry at;
	dv_store *s;
	int rc = look(r, rev, path, &rel, &all, &s, &reader);

	if (rc < 0)
		return rc;
	o = dv_output_list_holding(&all, rel, &rest);
	if (!o)
		return dv_err_hint(dv_err(DV_ENOTFOUND, "'%s' is not tracked by dv", rel),
				   "run 'dv ls -R' to see what is");
	if ((rc = find_inside(reader, o, rest, &at)) < 0)
		return rc;
	if (at.kind == 'd')
		return dv_err_hint(dv_err(DV_EUSAGE, "'%s' is a directory", rel),
				   "run 'dv ls %s' to list it", rel);
	if (!dv_store_has_object(s, &at.oid))
		return dv_err_hint(dv_err(DV_ENOTFOUND, "the content of '%s' is not in the cache",
					  rel), "run 'dv fetch %s' to bring it from the remote",
				   rel);
	rc = dv_object_stream(reader, &at.oid, offset, length, cb, payload);
	if (rc == DV_ENOTFOUND)
		/* The object is known, but not all of it is there. */
		dv_err_hint(rc, "run 'dv fsck --repair'");
	return rc < 0 ? dv_err_ctx(rc, "'%s'", rel) : rc;
}

int dv_check_ignore(dv_repo *r, const char *path, bool *ignored, dv_kv_cb cb, void *payload)
{
	dv_autofree char *rel = NULL, *abs = NULL;
	const dv_ignore_rule *why = NULL;
	dv_auto(dv_buf) source = DV_BUF_INIT;
	size_t n = strlen(path);
	struct stat st;
	bool is_dir;
	int rc = dv_repo_rel(r, path, &rel);

	if (rc < 0)
		return rc;
	if (!(abs = dv_repo_abs(r, rel)))
		return dv_err_nomem();
	is_dir = lstat(abs, &st) == 0 ? S_ISDIR(st.st_mode) : n && path[n - 1] == '/';
	*ignored = dv_ignore_match(r->ignore, rel, is_dir, &why);
	if (!why || !cb)
		return 0;
	if (*why->file)
		dv_buf_addf(&source, "%s:%d", why->file, why->line);
	else
		dv_buf_adds(&source, "built in");
	return source.err ? source.err : cb(dv_buf_str(&source), why->pattern, payload);
}
