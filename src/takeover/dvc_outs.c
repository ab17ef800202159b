/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outputs of DVC's into the store: the workspace first, read once; then what it lacks, by name; and
 * then trees. A directory that stands in the workspace just as its listing says keeps what listings
 * of DVC do not know: executable files and empty folders.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "repo/record.h"
#include "takeover/dvc_take_impl.h"

/* -- trees ------------------------------------------------------------------------------------- */

typedef struct builder {
	dv_writer *w;
	dv_encoder *enc;
	const dv_dvc_entry *e;
} builder;

/* The tree of the entries [from, to), whose paths have `skip` bytes in common. */
static int build(const builder *b, size_t from, size_t to, size_t skip, unsigned depth,
		 dv_oid *oid, uint64_t *size, uint64_t *nfiles)
{
	dv_auto(dv_tree) t = DV_TREE_INIT;
	int rc = depth > DV_TREE_DEPTH ? dv_err(DV_EUNSAFE, "folders are nested too deep") : 0;

	for (size_t i = from; rc == 0 && i < to;) {
		const char *name = b->e[i].path + skip, *slash = strchr(name, '/');
		dv_tree_entry e = { b->e[i].kind, b->e[i].oid, b->e[i].size, 1, NULL };
		size_t n = slash ? (size_t)(slash - name) : strlen(name), k = i + 1;
		dv_autofree char *own = dv_strndup(name, n);

		if (!own)
			return dv_err_nomem();
		if (slash) {
			while (k < to && !strncmp(b->e[k].path + skip, name, n + 1))
				k++;
			e.kind = 'd';
			rc = build(b, i, k, skip + n + 1, depth + 1, &e.oid, &e.size, &e.nfiles);
		}
		if (rc == 0)
			rc = dv_tree_add(&t, e.kind, &e.oid, e.size, e.nfiles, own);
		i = k;
	}
	if (rc == 0)
		rc = dv_tree_store(&t, b->w, b->enc, oid);
	if (rc == 0)
		dv_tree_totals(&t, size, nfiles);
	return rc;
}

int dv_dvc_tree(dv_writer *w, dv_encoder *enc, const dv_dvc_entry *e, size_t n, dv_oid *oid,
		uint64_t *size)
{
	const builder b = { w, enc, e };
	uint64_t nfiles;

	return build(&b, 0, n, 0, 0, oid, size, &nfiles);
}

/* -- the workspace ----------------------------------------------------------------------------- */

/* An output on its way. */
typedef struct item {
	dv_dvc_out *o;
	dv_scanned now;		/* what stands in the workspace; kind 0: nothing */
	dv_dvc_entry *seen;	/* of a directory, sorted as a listing: what is in there */
	size_t nseen, seen_cap;
	char *names;
} item;

typedef struct items {
	item *i;
	size_t n;
} items;
static void items_release(items *l)
{
	for (size_t k = 0; l->i && k < l->n; k++) {
		for (size_t j = 0; j < l->i[k].nseen; j++)
			free((char *)(uintptr_t)l->i[k].seen[j].path);
		free(l->i[k].seen);
	}
	free(l->i);
}

/* What cannot be read there is not there: what the output was may be elsewhere. */
static int scan_one(dv_dvc_take *t, item *k)
{
	int rc = dv_check_cancel();

	if (rc == 0)
		rc = dv_scan_path(t->scan, k->o->path, &k->now);
	if (rc < 0 && rc != DV_ECANCELLED && rc != DV_ECORRUPT) {
		dv_warn("'%s' cannot be read as it stands in the workspace: %s", k->o->path,
			dv_error_last()->message);
		dv_error_clear();
		k->now = (dv_scanned){ 0 };
		return 0;
	}
	if (rc == 0 && dv_links_mode(&t->links) != DV_LINK_COPY &&
	    (rc = dv_dvc_take_commit(t, NULL, 0)) == 0)
		rc = dv_scan_relink(t->scan);
	if (rc == 0)
		rc = dv_scan_remember(t->scan);
	return rc ? rc : dv_dvc_take_commit_some(t);
}

static int compare(const void *a, const void *b)
{
	return dv_dvc_path_cmp(((const dv_dvc_entry *)a)->path, ((const dv_dvc_entry *)b)->path);
}

static int note_seen(const dv_tree_entry *e, const char *path, void *ctx)
{
	item *k = ctx;
	char *own;
	int rc;

	if (e->kind == 'd')
		return 0;
	rc = dv_grow(&k->seen, &k->seen_cap, k->nseen + 1, sizeof(*k->seen));
	if (rc < 0 || !(own = dv_strdup(path)))
		return DV_ERROR;
	k->seen[k->nseen++] = (dv_dvc_entry){ own, e->oid, e->size, e->kind };
	return 0;
}

/* Is the link one into DVC's cache, as DVC's link type "symlink" makes them? */
static bool leads_to_cache(const dv_dvc_take *t, const char *path)
{
	dv_autofree char *abs = dv_repo_abs(t->o.repo, path);
	dv_autofree char *real = abs ? realpath(abs, NULL) : NULL;
	dv_autofree char *cache = t->o.cache ? realpath(t->o.cache, NULL) : NULL;

	return real && cache && dv_path_below(real, cache, NULL);
}

/* Lists what is in the directories that stand there; the writer was committed. */
static int list_seen(dv_dvc_take *t, dv_reader *reader, item *k)
{
	int rc = 0;

	if (k->now.kind == 'l' && leads_to_cache(t, k->o->path))
		return dv_path_list_add(&t->symlinks, k->o->path);
	if (k->now.kind != 'd' || !k->o->name.is_dir)
		return 0;
	rc = dv_tree_walk(reader, &k->now.oid, note_seen, k);
	if (rc == 0 && k->nseen)
		qsort(k->seen, k->nseen, sizeof(*k->seen), compare);
	for (size_t i = 0; rc == 0 && i < k->nseen; i++) {
		dv_autofree char *path = k->seen[i].kind == 'l'
						 ? dv_path_join(k->o->path, k->seen[i].path) : NULL;

		if (path && leads_to_cache(t, path))
			rc = dv_path_list_add(&t->symlinks, path);
	}
	return rc;
}

static const dv_dvc_entry *find_seen(const item *k, const char *path)
{
	const dv_dvc_entry key = { .path = path };

	return k->nseen ? bsearch(&key, k->seen, k->nseen, sizeof key, compare) : NULL;
}

/* Makes the listing from what stands in the workspace, when that gives its name. */
static int listing_from_seen(dv_dvc_take *t, item *k, dv_arena *a)
{
	dv_dvc_listing made = { 0 };
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_md5 md5;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < k->nseen; i++) {
		const char *path = dv_arena_strdup(a, k->seen[i].path);
		dv_dvc_name name;

		if (k->seen[i].kind == 'l' ||
		    !dv_dvc_take_name_of(t, &k->seen[i].oid, k->o->name.dos2unix, &name))
			return 0;
		rc = path ? dv_dvc_listing_add(&made, a, path, &name.md5) : DV_ERROR;
	}
	if (rc == 0)
		rc = dv_dvc_listing_print(&text, &made);
	if (rc == 0)
		rc = dv_md5_of(&md5, text.p, text.n);
	if (rc == 0 && !memcmp(&md5, &k->o->name.md5, sizeof md5)) {
		k->o->listing = made;
		k->o->has_listing = true;
	}
	return rc;
}

static int find_listing(dv_dvc_take *t, item *k, dv_arena *a)
{
	dv_dvc_out *o = k->o;
	int rc;

	if (!o->name.is_dir || o->has_listing)
		return 0;
	rc = k->now.kind == 'd' ? listing_from_seen(t, k, a) : 0;
	if (rc < 0 || o->has_listing)
		return rc;
	rc = dv_dvc_take_listing(t, &o->name, a, &o->listing);
	o->has_listing = rc == 0;
	if (rc == DV_ENOTFOUND || rc == DV_ECORRUPT || rc == DV_EUNSAFE) {
		if (rc != DV_ENOTFOUND)
			dv_warn("'%s': %s", o->path, dv_error_last()->message);
		dv_error_clear();
		return 0;
	}
	return rc;
}

/* -- what is wanted ---------------------------------------------------------------------------- */

typedef struct wants {
	dv_dvc_want *w;
	size_t n, cap;
	dv_map known;
} wants;
static void wants_release(wants *l)
{
	free(l->w);
	dv_map_release(&l->known);
}

static int want(dv_dvc_take *t, wants *l, const dv_dvc_name *name, const char *path)
{
	dv_oid key = { { 0 } }, oid;
	uint64_t size;
	bool added;
	int rc;

	if (dv_dvc_take_find(t, name, &oid, &size))
		return 0;
	memcpy(key.b, name->md5.b, DV_MD5_SIZE);
	key.b[DV_MD5_SIZE] = name->dos2unix;
	if ((rc = dv_map_add(&l->known, &key, 1, &added)) < 0 || !added ||
	    (rc = dv_grow(&l->w, &l->cap, l->n + 1, sizeof(*l->w))) < 0)
		return rc;
	l->w[l->n++] = (dv_dvc_want){ *name, path, false, false };
	return 0;
}

static int want_all(dv_dvc_take *t, wants *l, const item *k)
{
	const dv_dvc_out *o = k->o;
	int rc = 0;

	if (!o->name.is_dir)
		return want(t, l, &o->name, o->path);
	for (size_t i = 0; rc == 0 && i < o->listing.n; i++) {
		const dv_dvc_name name = { o->listing.f[i].md5, o->name.dos2unix, false };

		rc = want(t, l, &name, o->listing.f[i].path);
	}
	return rc;
}

/* -- what became of them ----------------------------------------------------------------------- */

typedef struct telling {
	dv_dvc_missing_cb cb;
	void *ctx;
} telling;

static int tell_missing(dv_dvc_out *o, const char *inner, const dv_dvc_name *n, const telling *t)
{
	dv_autofree char *path = dv_path_join(o->path, inner);
	char md5[DV_MD5_HEX + 5], hex[DV_MD5_HEX + 1];

	dv_md5_hex(hex, &n->md5);
	snprintf(md5, sizeof md5, "%s%s", hex, n->is_dir ? ".dir" : "");
	o->state = DV_DVC_MISSING;
	return !path ? dv_err_nomem() : t->cb ? t->cb(o, path, md5, t->ctx) : 0;
}

static int settle_file(dv_dvc_take *t, item *k, const telling *tell)
{
	dv_dvc_out *o = k->o;

	if (!dv_dvc_take_find(t, &o->name, &o->oid, &o->size))
		return tell_missing(o, "", &o->name, tell);
	/* What stands there tells whether it can be executed; DVC's pointer does so otherwise. */
	bool same = (k->now.kind == 'f' || k->now.kind == 'x') && dv_oid_eq(&k->now.oid, &o->oid);

	o->kind = (same ? k->now.kind == 'x' : o->isexec) ? 'x' : 'f';
	o->nfiles = 1;
	o->state = DV_DVC_DONE;
	return 0;
}

/* Does the workspace have these files and no others? */
static bool is_as_seen(const item *k, const dv_dvc_entry *e, size_t n)
{
	if (k->now.kind != 'd' || k->nseen != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (strcmp(k->seen[i].path, e[i].path) != 0 || k->seen[i].kind == 'l' ||
		    !dv_oid_eq(&k->seen[i].oid, &e[i].oid))
			return false;
	return true;
}

static int settle_dir(dv_dvc_take *t, item *k, const telling *tell)
{
	dv_dvc_out *o = k->o;
	dv_autofree dv_dvc_entry *e = NULL;
	int rc = 0;

	if (!o->has_listing)
		return tell_missing(o, "", &o->name, tell);
	if (!(e = dv_calloc(o->listing.n + 1, sizeof(*e))))
		return DV_ERROR;
	for (size_t i = 0; rc == 0 && i < o->listing.n; i++) {
		const dv_dvc_name name = { o->listing.f[i].md5, o->name.dos2unix, false };
		const dv_dvc_entry *seen = find_seen(k, o->listing.f[i].path);

		e[i] = (dv_dvc_entry){ .path = o->listing.f[i].path, .kind = 'f' };
		if (!dv_dvc_take_find(t, &name, &e[i].oid, &e[i].size))
			rc = tell_missing(o, e[i].path, &name, tell);
		else if (seen && seen->kind == 'x' && dv_oid_eq(&seen->oid, &e[i].oid))
			e[i].kind = 'x';
	}
	if (rc < 0 || o->state != DV_DVC_OPEN)
		return rc;
	o->kind = 'd';
	o->nfiles = o->listing.n;
	o->state = DV_DVC_DONE;
	if (is_as_seen(k, e, o->listing.n)) {
		o->oid = k->now.oid;
		o->size = k->now.size;
		return 0;
	}
	return dv_dvc_tree(t->o.writer, t->enc, e, o->listing.n, &o->oid, &o->size);
}

/* Makes what was settled durable, and says of what it belongs to. */
static int commit_roots(dv_dvc_take *t, const items *l)
{
	dv_autofree dv_root *roots = dv_calloc(l->n + 1, sizeof(*roots));
	size_t n = 0;

	if (!roots)
		return DV_ERROR;
	for (size_t i = 0; i < l->n; i++) {
		const dv_dvc_out *o = l->i[i].o;

		if (o->state == DV_DVC_DONE)
			roots[n++] = (dv_root){ .oid = o->oid, .is_tree = o->kind == 'd',
						.path = (char *)(uintptr_t)o->path,
						.project = t->o.repo->root };
	}
	return dv_dvc_take_commit(t, roots, n);
}

static int bring(dv_dvc_take *t, const items *l)
{
	__attribute__((cleanup(wants_release))) wants w = { 0 };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < l->n; i++)
		rc = want_all(t, &w, &l->i[i]);
	if (rc == 0 && w.n)
		rc = dv_dvc_take_from_cache(t, w.w, w.n);
	for (size_t i = 0; rc == 0 && i < w.n; i++)
		if (!w.w[i].found)
			return dv_dvc_take_from_remote(t, w.w, w.n);
	return rc;
}

int dv_dvc_take_outs(dv_dvc_take *t, dv_dvc_out *const *outs, size_t n, dv_dvc_missing_cb cb,
		     void *ctx)
{
	__attribute__((cleanup(items_release))) items l = { dv_calloc(n + 1, sizeof(item)), 0 };
	const telling tell = { cb, ctx };
	dv_autoptr(dv_reader) reader = NULL;
	dv_auto(dv_arena) arena = DV_ARENA_INIT;
	int rc = l.i ? 0 : DV_ERROR;

	for (size_t i = 0; rc == 0 && i < n; i++)
		if (outs[i]->state == DV_DVC_OPEN) {
			l.i[l.n] = (item){ .o = outs[i] };
			rc = scan_one(t, &l.i[l.n++]);
		}
	/* Trees are read from the store. */
	if (rc == 0)
		rc = dv_dvc_take_commit(t, NULL, 0);
	if (rc == 0)
		rc = dv_reader_new(&reader, t->store);
	for (size_t i = 0; rc == 0 && i < l.n; i++)
		if ((rc = list_seen(t, reader, &l.i[i])) == 0)
			rc = find_listing(t, &l.i[i], &arena);
	if (rc == 0)
		rc = bring(t, &l);
	for (size_t i = 0; rc == 0 && i < l.n; i++)
		rc = l.i[i].o->name.is_dir ? settle_dir(t, &l.i[i], &tell)
					   : settle_file(t, &l.i[i], &tell);
	/* Nobody looks at listings any more, whose memory goes now. */
	for (size_t i = 0; i < l.n; i++) {
		l.i[i].o->listing = (dv_dvc_listing){ 0 };
		l.i[i].o->has_listing = false;
	}
	return rc ? rc : commit_roots(t, &l);
}
