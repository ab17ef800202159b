/* SPDX-License-Identifier: Apache-2.0 */
/* What a scan found, directory by directory; and what was done to it since. */
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"
#include "repo/scan_impl.h"
#include "repo/workdir.h"

void dv_scan_set_file(dv_cached_file *f, const struct stat *st, int64_t since)
{
	dv_cached_file_set(f, st);
	/* Inode 0 matches nothing: what is too young is read again next time. A file with a seal is
	 * never too young, as no write leaves the seal whole. */
	if (!dv_stat_is_settled(st, since) &&
	    !(st->st_nlink > 1 && dv_whole_is_sealed(st, &f->oid)))
		f->ino = 0;
}

void dv_scan_linked_to(dv_scan *s, dv_store *own)
{
	s->linked_to = own;
}

void dv_scan_watched(dv_scan *s, const dv_scan_watch *w)
{
	s->watch = w;
}

/* The directory of that path, or NULL. */
static int find_node(dv_scan *s, const char *path, node **out)
{
	dv_oid key;
	uint64_t i;
	int r;

	for (; s->indexed < s->n; s->indexed++) {
		const char *p = s->nodes[s->indexed]->path;

		dv_sha256(&key, p, strlen(p));
		if ((r = dv_map_put(&s->by_path, &key, s->indexed)) < 0)
			return r;
	}
	dv_sha256(&key, path, strlen(path));
	*out = dv_map_get(&s->by_path, &key, &i) ? s->nodes[i] : NULL;
	return 0;
}

static int list_node(const node *d, dv_tree *out)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->n; i++)
		if (d->k[i].kind)
			r = dv_tree_add(out, d->k[i].kind, &d->k[i].oid, d->k[i].size, 0,
				d->names.p + d->k[i].name);
	return r;
}

static int list_scanned(void *ctx, const char *path, const dv_oid *oid, dv_tree *out)
{
	dv_scan *s = ctx;
	dv_autofree char *full = dv_path_join(s->base, path);
	node *d = NULL;
	int r;

	(void)oid;
	if (!full)
		return dv_err_nomem();
	if ((r = find_node(s, full, &d)) < 0)
		return r;
	return d ? list_node(d, out) : dv_err(DV_ENOTFOUND, "'%s' was not scanned", full);
}

dv_side dv_scan_side(dv_scan *s)
{
	return (dv_side){ list_scanned, s };
}

/* The entries stand in the order of their names. */
static const kept *find_kept(const node *d, const char *name)
{
	size_t lo = 0, hi = d->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(d->names.p + d->k[mid].name, name);

		if (c == 0)
			return &d->k[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

int dv_scan_seen(dv_scan *s, const char *path, dv_seen *out, dv_oid *oid)
{
	bool own = strcmp(path, s->base) == 0;
	dv_autofree char *dir = own ? dv_strdup(path) : dv_path_dir(path);
	node *d = NULL;
	int r = dir ? find_node(s, dir, &d) : dv_err_nomem();
	const kept *k = r == 0 && d && d->k ? find_kept(d, dv_path_base(path)) : NULL;

	*out = (dv_seen){ 0 };
	if (own && d && d->dir)
		out->kind = 'd';
	else if (k)
		*out = (dv_seen){ k->linked ? 'l' : k->kind, k->linked, d->dev, 0, k->size,
				  k->mtime_ns };
	if (oid && k)
		*oid = k->oid;
	return r;
}

bool dv_scan_find(dv_scan *s, const char *path, dv_scanned *out)
{
	dv_autofree char *dir = dv_path_dir(path);
	node *own = NULL, *d = NULL;

	*out = (dv_scanned){ 0 };
	if (!dir || find_node(s, path, &own) < 0 || find_node(s, dir, &d) < 0) {
		dv_error_clear();
		return false;
	}
	if (own && own->dir && own->k)
		*out = (dv_scanned){ 'd', own->tree, own->size, own->nfiles, 0 };
	else if (d && d->dir && d->k) {
		const kept *k = find_kept(d, dv_path_base(path));

		if (k && k->kind && k->kind != 'd')
			*out = (dv_scanned){ k->kind, k->oid, k->size, 1, 0 };
	}
	return out->kind != 0;
}

int dv_scan_update(dv_scan *s, const char *path, char kind, const dv_oid *oid,
		   const struct stat *st)
{
	node *folder = NULL;
	dv_cached_file f = { 0 };
	int r;

	if (!s->patches && (r = dv_scan_patches_new(&s->patches)) < 0)
		return r;
	/* A folder that is gone, or is something else now, has no row any more. */
	if (kind != 'd' && (r = find_node(s, path, &folder)) < 0)
		return r;
	if (folder && folder->dir)
		dv_statcache_drop(s->cache, path);
	if (kind)
		f.oid = *oid;
	if (kind && st)
		dv_scan_set_file(&f, st, dv_now_ns());
	if (kind && st && dv_stat_is_dated_back(st, dv_now_ns()))
		f.ino = st->st_ino;
	/* A symbolic link to a file of the cache is looked through each time. */
	if (kind && st && S_ISLNK(st->st_mode) && kind != 'l')
		f.ino = 0;
	f.kind = kind;
	return dv_scan_patches_add(s->patches, path, strcmp(path, s->base) == 0, &f,
				   st ? st->st_dev : 0);
}

int dv_scan_remember(dv_scan *s)
{
	int r = s->patches ? dv_scan_patches_apply(s->patches, s->cache) : 0;

	dv_statcache_flush(s->cache);
	return r;
}

/* -- links ------------------------------------------------------------------------------------- */

void dv_scan_forget_relinks(dv_scan *s)
{
	for (size_t i = 0; i < s->nrelinks; i++)
		free(s->relinks[i].path);
	s->nrelinks = 0;
}

int dv_scan_note_relink(dv_scan *s, const node *d, const entry *e, int dirfd)
{
	relink x = { .oid = e->f.oid, .kind = e->f.kind };
	int r = 0;

	if (fstatat(dirfd, e->f.name, &x.st, AT_SYMLINK_NOFOLLOW) < 0)
		return dv_err_sys("cannot look at '%s/%s'", d->path, e->f.name);
	x.path = d->dir ? dv_path_join(d->path, e->f.name) : dv_strdup(d->path);
	if (!x.path)
		return dv_err_nomem();
	pthread_mutex_lock(&s->lock);
	r = dv_grow(&s->relinks, &s->relinks_cap, s->nrelinks + 1, sizeof(*s->relinks));
	if (r == 0)
		s->relinks[s->nrelinks++] = x;
	pthread_mutex_unlock(&s->lock);
	if (r < 0)
		free(x.path);
	return r;
}

bool dv_scan_look_through(dv_scan *s, int dirfd, entry *e)
{
	dv_store *own = s->linked_to ? s->linked_to : s->store;
	dv_autofree char *path = NULL;
	struct stat st;

	if (!own || !dv_links_points_in(own, dirfd, e->f.name, &e->f.oid) ||
	    !(path = dv_store_whole_path(own, &e->f.oid)) || lstat(path, &st) < 0 ||
	    !S_ISREG(st.st_mode))
		return false;
	e->linked = true;
	dv_scan_set_file(&e->f, &st, dv_now_ns());
	e->f.ino = 0;
	e->nfiles = 1;
	e->todo = s->linked_to || !dv_store_has_whole(own, &e->f.oid, NULL);
	return true;
}

void dv_scan_look_behind(dv_scan *s, const dv_cached_file *old, const struct stat *st)
{
	if (s->store && old && old->kind != 'l' && old->kind != 'd' && st->st_nlink > 1)
		(void)dv_store_has_whole(s->store, &old->oid, NULL);
}

/* Replaces one file by a link, unless something else stands there by now. */
static int make_link(dv_scan *s, const relink *x)
{
	dv_autoclose int fd = -1;
	const char *name;
	struct stat st;
	int r = dv_workdir_parent(&fd, &name, s->rootfd, x->path, false);

	if (r < 0)
		return r;
	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_ino != x->st.st_ino ||
	    st.st_size != x->st.st_size || st.st_mtim.tv_sec != x->st.st_mtim.tv_sec ||
	    st.st_mtim.tv_nsec != x->st.st_mtim.tv_nsec)
		return 0;
	r = dv_links_put(&s->links, &x->oid, x->kind, fd, name, NULL, &st);
	return r <= 0 ? r : dv_scan_update(s, x->path, x->kind, &x->oid, &st);
}

int dv_scan_relink(dv_scan *s)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->nrelinks; i++)
		r = make_link(s, &s->relinks[i]);
	return r;
}

/* -- what cannot be read ----------------------------------------------------------------------- */

void dv_scan_pass_over(dv_scan *s)
{
	s->passes_over = !s->writer;
}

int dv_scan_not_read(dv_scan *s, entry *e, int rc)
{
	if (!s->passes_over || rc != DV_ERROR)
		return rc;
	pthread_mutex_lock(&s->lock);
	if (!s->nunread++)
		dv_error_take(&s->unread);
	else
		dv_warn("%s", dv_error_last()->message);
	pthread_mutex_unlock(&s->lock);
	dv_error_clear();
	e->f.oid = (dv_oid){ 0 };
	e->f.ino = 0;
	return 0;
}

size_t dv_scan_unread(dv_scan *s, dv_error *first)
{
	if (first && s->nunread)
		*first = s->unread;
	return s->nunread;
}
