/* SPDX-License-Identifier: Apache-2.0 */
/* What a scan found, directory by directory; and what was done to it since. */
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"
#include "repo/scan_impl.h"

void dv_scan_set_file(dv_cached_file *f, const struct stat *st)
{
	dv_cached_file_set(f, st);
	/* Inode 0 matches nothing: what is too young is read again next time. */
	if (!dv_stat_is_settled(st, dv_now_ns()))
		f->ino = 0;
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
	if (kind && st)
		dv_scan_set_file(&f, st);
	f.kind = kind;
	if (kind)
		f.oid = *oid;
	return dv_scan_patches_add(s->patches, path, strcmp(path, s->base) == 0, &f,
				   st ? st->st_dev : 0);
}

int dv_scan_remember(dv_scan *s)
{
	int r = s->patches ? dv_scan_patches_apply(s->patches, s->cache) : 0;

	dv_statcache_flush(s->cache);
	return r;
}
