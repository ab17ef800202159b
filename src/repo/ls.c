/* SPDX-License-Identifier: Apache-2.0 */
/* dv_ls, dv_cat and dv_check_ignore: looking at what is tracked, without changing anything. */
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/path.h"
#include "repo/changes.h"
#include "repo/graft.h"
#include "repo/sync.h"

typedef struct listing {
	dv_repo *repo;
	dv_reader *reader;
	dv_entry_cb cb;
	void *payload;
	bool recursive;
	const dv_output *of;	/* whose inside is walked */
	dv_remote_store *from;	/* where the cache has no listing; open when it was asked */
	const char *rev;	/* NULL: the workspace's */
	char *from_name;	/* the output's own remote; NULL: the default one */
} listing;

static void listing_release(listing *l)
{
	dv_remote_store_free(l->from);
	free(l->from_name);
}

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

/* `o`: the entry is this output; NULL: it is inside one. */
static int tell(const listing *l, const char *path, const dv_tree_entry *t, const dv_output *o)
{
	char hex[DV_OID_HEX_SIZE + 1];
	dv_entry e = { .path = path, .kind = t->kind, .oid = hex, .size = t->size,
		       .nfiles = t->nfiles, .is_output = o != NULL,
		       .stage = o ? o->stage : NULL };

	dv_oid_hex(hex, &t->oid);
	return l->cb(&e, l->payload);
}

/* How what is missing comes here. */
static int hint_fetch(int rc, const char *rev, const char *path)
{
	return dv_err_hint(rc, "run 'dv fetch %s%s%s%s' to bring it from the remote",
			   rev ? "--rev " : "", rev ? rev : "", rev ? " " : "", path);
}

static int no_listing(int rc, const char *rev, const char *path)
{
	if (rc != DV_ENOTFOUND)
		return rc;
	return hint_fetch(dv_err(rc, "the listing of '%s' is not in the cache", path), rev, path);
}

/* A listing from the cache, or else from the remote, if that is open. */
static int load_listing(dv_reader *rd, dv_remote_store *from, const dv_oid *oid, dv_tree *out)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = dv_tree_load(out, rd, oid);

	if (rc != DV_ENOTFOUND || !from)
		return rc;
	rc = dv_transfer_read(dv_reader_store(rd), from, oid, DV_TREE_MAX, &text);
	return rc ? rc : dv_tree_parse(out, dv_buf_str(&text), text.n);
}

/* In a repository of somebody else's. */
static int no_source(const char *path)
{
	return dv_err_hint(dv_err(DV_ERROR, "nothing in that repository tells where the data of "
				  "'%s' is: it names no remote at this revision", path),
			   "its owner adds one with 'dv remote add -d NAME URL', and commits "
			   ".dv/config");
}

/* Opens the remote of the output. Without one, why the cache did not do is the answer. */
static int ask_remote(listing *l, const char *path)
{
	const char *name = l->of->pointer.remote;

	if (l->from && (name == l->from_name ||
			(name && l->from_name && !strcmp(name, l->from_name))))
		return 0;
	listing_release(l);
	l->from = NULL;
	l->from_name = name ? dv_strdup(name) : NULL;
	if (name && !l->from_name)
		return DV_ERROR;
	int rc = dv_repo_remote_open(l->repo, name, false, &l->from, NULL);
	if ((rc == DV_ENOTFOUND || rc == DV_EUSAGE) && l->repo->guest)
		return no_source(path);
	if (rc == DV_ENOTFOUND || rc == DV_EUSAGE)
		return hint_fetch(dv_err(DV_ERROR, "the listing of '%s' is not in the cache", path),
				  l->rev, path);
	return rc ? dv_err_ctx(rc, "the listing of '%s' is not in the cache", path) : 0;
}

/* What it means that the remote does not have it either: it is tracked, and yet not known. */
static int nowhere(int rc, const char *path)
{
	if (rc != DV_ENOTFOUND)
		return rc ? dv_err_ctx(rc, "the listing of '%s' is not in the cache", path) : 0;
	return dv_err_hint(dv_err(DV_ERROR, "the listing of '%s' is neither in the cache nor on "
				  "its remote", path), "run 'dv push' where it was added");
}

static int list_tree(listing *l, const dv_oid *oid, const char *path, dv_tree *out)
{
	int rc = load_listing(l->reader, NULL, oid, out);

	if (rc != DV_ENOTFOUND || (rc = ask_remote(l, path)))
		return rc;
	return nowhere(load_listing(l->reader, l->from, oid, out), path);
}

/* What is inside the directory `oid` at `path`; so deep at most as a directory may be. */
static int list_inside(listing *l, const dv_oid *oid, const char *path, int depth)
{
	dv_auto(dv_tree) t = DV_TREE_INIT;
	int rc = depth > DV_TREE_DEPTH ? dv_err(DV_ECORRUPT, "directories are nested too deep") :
					 list_tree(l, oid, path, &t);

	for (size_t i = 0; rc == 0 && i < t.n; i++) {
		dv_autofree char *full = dv_path_join(path, t.e[i].name);

		if (!full)
			return dv_err_nomem();
		rc = tell(l, full, &t.e[i], NULL);
		if (rc == 0 && t.e[i].kind == 'd' && l->recursive)
			rc = list_inside(l, &t.e[i].oid, full, depth + 1);
	}
	return rc;
}

/* A folder of the workspace above outputs, of which the first is `from`; told once for all the
 * outputs below it, which follow each other. */
static int tell_folder(const listing *l, const dv_output_list *all, size_t from, const char *path)
{
	dv_entry e = { .path = path, .kind = 'd' };

	for (size_t i = from; i < all->n && dv_path_below(all->o[i].path, path, NULL); i++) {
		const dv_pointer *p = &all->o[i].pointer;

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
				rc = tell_folder(l, all, i, folder);
			free(last);
			last = folder;
			continue;
		}
		rc = tell(l, o->path, &t, o);
		l->of = o;
		if (rc == 0 && l->recursive && t.kind == 'd')
			rc = list_inside(l, &t.oid, o->path, 0);
	}
	if (rc == 0 && n && !any)
		return dv_err_hint(dv_err(DV_ENOTFOUND, "'%s' is not tracked by dv", dir),
				   "run 'dv ls' to see what is");
	return rc;
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

/* Finds what stands at `rest` inside output o. *lacking: a listing on the way could not be had, so
 * that nobody knows. */
static int find_anywhere(dv_reader *rd, dv_remote_store *from, const dv_output *o,
			 const char *rest, dv_tree_entry *out, bool *lacking)
{
	*lacking = false;
	*out = dv_pointer_entry(&o->pointer);
	if (*rest && !o->pointer.is_dir)
		return dv_err_hint(dv_err(DV_ENOTFOUND, "'%s' is a file, so there is no '%s' in it",
					  o->path, rest),
				   "run 'dv ls -R' to see what there is");
	while (*rest) {
		dv_auto(dv_tree) t = DV_TREE_INIT;
		size_t len = strcspn(rest, "/");
		dv_autofree char *name = dv_strndup(rest, len);
		const dv_tree_entry *e = NULL;
		int rc = name ? 0 : DV_ERROR;

		if (rc == 0 && out->kind == 'd') {
			rc = load_listing(rd, from, &out->oid, &t);
			*lacking = rc == DV_ENOTFOUND;
		}
		if (rc < 0)
			return rc;
		if (out->kind == 'd')
			e = dv_tree_find(&t, name);
		if (!e)
			return dv_err_hint(dv_err(DV_ENOTFOUND, "'%s' is not in the output '%s'",
						  rest, o->path),
					   "run 'dv ls -R' to see what there is");
		*out = *e;
		out->name = NULL;
		rest += len + (rest[len] == '/');
	}
	return 0;
}

/* What is at `rest` of the output l->of, wherever its listings are. */
static int find_entry(listing *l, const char *rest, dv_tree_entry *at)
{
	bool lacking;
	int rc = find_anywhere(l->reader, NULL, l->of, rest, at, &lacking);

	if (lacking && (rc = ask_remote(l, l->of->path)) == 0)
		rc = find_anywhere(l->reader, l->from, l->of, rest, at, &lacking);
	return rc && lacking && l->from ? nowhere(rc, l->of->path) : rc;
}

int dv_output_entry(dv_repo *r, const dv_output_list *all, const char *rel, dv_tree_entry *out)
{
	dv_autoptr(dv_reader) reader = NULL;
	dv_auto(listing) l = { .repo = r };
	const char *rest = "";
	dv_store *s;
	int rc;

	*out = (dv_tree_entry){ .kind = 0 };
	if (!(l.of = dv_output_list_holding(all, rel, &rest)))
		return dv_err(DV_ENOTFOUND, "'%s' is not tracked by dv", rel);
	if ((rc = dv_repo_store_look(r, &s)) || (rc = dv_reader_new(&reader, s)))
		return rc;
	l.reader = reader;
	return find_entry(&l, rest, out);
}

static int ls_at(dv_repo *r, const char *rev, const dv_output_list *all, const char *rel,
		 bool recursive, dv_entry_cb cb, void *payload)
{
	dv_auto(listing) l = { .repo = r, .rev = rev, .cb = cb, .payload = payload,
			       .recursive = recursive };
	dv_autoptr(dv_reader) reader = NULL;
	const char *rest = "";
	dv_tree_entry at;
	dv_store *s;
	int rc = dv_repo_store_look(r, &s);

	if (rc || (rc = dv_reader_new(&reader, s)))
		return rc;
	l.reader = reader;
	l.of = *rel ? dv_output_list_holding(all, rel, &rest) : NULL;
	if (!l.of)
		return list_folder(&l, all, rel);
	if ((rc = find_entry(&l, rest, &at)))
		return rc;
	if (at.kind == 'd')
		return list_inside(&l, &at.oid, rel, 0);
	return tell(&l, rel, &at, *rest ? NULL : l.of);
}

int dv_output_ls(dv_repo *r, const dv_output_list *all, const char *rel, bool recursive,
		 dv_entry_cb cb, void *payload)
{
	return ls_at(r, NULL, all, rel, recursive, cb, payload);
}

int dv_ls(dv_repo *r, const char *rev, const char *path, bool recursive, dv_entry_cb cb,
	  void *payload)
{
	dv_auto(dv_output_list) all = DV_OUTPUT_LIST_INIT;
	dv_autofree char *rel = NULL;
	int rc = user_rel(r, path, &rel);

	if (!rc)
		rc = load_outputs(r, rev, &all);
	return rc ? rc : ls_at(r, rev, &all, rel, recursive, cb, payload);
}

static int is_directory(const char *rel)
{
	return dv_err_hint(dv_err(DV_EUSAGE, "'%s' is a directory", rel),
			   "run 'dv ls %s' to list it", rel);
}

typedef struct part {
	uint64_t offset, length;
	dv_data_cb cb;
	void *payload;
	const char *rev;	/* for hints; NULL: the workspace's */
} part;

/* What the cache lacks comes from the output's remote, and is not kept. Where there
 * is no remote it ends with the failure that was recorded. */
static int cat_remote(dv_repo *r, dv_reader *reader, const dv_output *o, const char *rest,
		      const char *rel, const part *p)
{
	dv_autoptr(dv_remote_store) from = NULL;
	dv_tree_entry at;
	dv_error here;
	bool lacking;

	dv_error_take(&here);
	int rc = dv_repo_remote_open(r, o->pointer.remote, false, &from, NULL);
	if ((rc == DV_ENOTFOUND || rc == DV_EUSAGE) && r->guest)
		return no_source(o->path);
	if (rc == DV_ENOTFOUND || rc == DV_EUSAGE)
		return dv_error_put(&here);
	if (rc == 0)
		rc = find_anywhere(reader, from, o, rest, &at, &lacking);
	if (rc == 0 && at.kind == 'd')
		return is_directory(rel);
	if (rc == 0)
		rc = dv_transfer_stream(dv_reader_store(reader), from, &at.oid, p->offset,
					p->length, p->cb, p->payload);
	return rc < 0 ? dv_err_ctx(rc, "'%s' is not in the cache", rel) : rc;
}

/* *lacking: the remote may have it. */
static int cat_here(dv_reader *reader, const dv_output *o, const char *rest, const char *rel,
		    const part *p, bool *lacking)
{
	dv_tree_entry at;
	bool all = false;
	int rc = find_anywhere(reader, NULL, o, rest, &at, lacking);

	if (*lacking)
		return no_listing(rc, p->rev, o->path);
	if (rc < 0)
		return rc;
	if (at.kind == 'd')
		return is_directory(rel);
	*lacking = true;
	if (!dv_store_has_object(dv_reader_store(reader), &at.oid))
		return hint_fetch(dv_err(DV_ENOTFOUND, "the content of '%s' is not in the cache",
					 rel), p->rev, rel);
	if ((rc = dv_sync_is_cached(reader, &at.oid, false, &all)) < 0)
		return rc;
	if (!all)
		return dv_err_hint(dv_err(DV_ENOTFOUND, "parts of '%s' are not in the cache", rel),
				   "run 'dv fsck --repair'");
	*lacking = false;
	rc = dv_object_stream(reader, &at.oid, p->offset, p->length, p->cb, p->payload);
	return rc < 0 ? dv_err_ctx(rc, "'%s'", rel) : rc;
}

static int stream(dv_repo *r, const dv_output_list *all, dv_reader *reader, const char *rel,
		  const part *p)
{
	const char *rest = "";
	const dv_output *o = dv_output_list_holding(all, rel, &rest);
	bool lacking;

	if (!o)
		return dv_err_hint(dv_err(DV_ENOTFOUND, "'%s' is not tracked by dv", rel),
				   "run 'dv ls -R' to see what is");
	int rc = cat_here(reader, o, rest, rel, p, &lacking);
	return rc == DV_ENOTFOUND && lacking ? cat_remote(r, reader, o, rest, rel, p) : rc;
}

int dv_output_stream(dv_repo *r, const dv_output_list *all, dv_reader *reader, const char *rel,
		     uint64_t offset, uint64_t length, dv_data_cb cb, void *payload)
{
	const part p = { offset, length, cb, payload, NULL };

	return stream(r, all, reader, rel, &p);
}

int dv_cat(dv_repo *r, const char *rev, const char *path, uint64_t offset, uint64_t length,
	   dv_data_cb cb, void *payload)
{
	dv_auto(dv_output_list) all = DV_OUTPUT_LIST_INIT;
	dv_autoptr(dv_reader) reader = NULL;
	dv_autofree char *rel = NULL;
	dv_store *s;
	const part p = { offset, length, cb, payload, rev };
	int rc = look(r, rev, path, &rel, &all, &s, &reader);

	return rc < 0 ? rc : stream(r, &all, reader, rel, &p);
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
