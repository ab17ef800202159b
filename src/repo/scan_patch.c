/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes to rows of the stat cache, collected by directory. A row that was changed has no tree any
 * more: the next scan names it.
 */
#include "repo/scan_patch.h"

#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "base/path.h"
#include "base/sha256.h"

/* The changes to one row. */
typedef struct patch {
	char *dir;
	dv_dircache now;	/* kind 0: gone */
} patch;

struct dv_scan_patches {
	patch *p;
	size_t n, cap;
	dv_map by_dir;		/* SHA-256 of the path -> index */
};

static void forget(dv_scan_patches *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->p[i].dir);
		dv_dircache_release(&p->p[i].now);
	}
	p->n = 0;
	dv_map_clear(&p->by_dir);
}

int dv_scan_patches_new(dv_scan_patches **out)
{
	*out = dv_calloc(1, sizeof(**out));
	return *out ? 0 : DV_ERROR;
}

void dv_scan_patches_free(dv_scan_patches *p)
{
	if (!p)
		return;
	forget(p);
	free(p->p);
	dv_map_release(&p->by_dir);
	free(p);
}

static int patch_of(dv_scan_patches *p, const char *path, bool own, patch **out)
{
	dv_autofree char *dir = own ? dv_strdup(path) : dv_path_dir(path);
	uint64_t at;
	dv_oid key;
	int r;

	if (!dir)
		return dv_err_nomem();
	dv_sha256(&key, dir, strlen(dir));
	if (dv_map_get(&p->by_dir, &key, &at)) {
		*out = &p->p[at];
		return 0;
	}
	if ((r = dv_grow(&p->p, &p->cap, p->n + 1, sizeof(*p->p))) < 0 ||
	    (r = dv_map_put(&p->by_dir, &key, p->n)) < 0)
		return r;
	*out = &p->p[p->n++];
	**out = (patch){ .dir = dv_steal(&dir) };
	return 0;
}

int dv_scan_patches_add(dv_scan_patches *p, const char *path, bool own, const dv_cached_file *f,
			uint64_t dev)
{
	dv_cached_file named = *f;
	patch *to = NULL;
	int r = patch_of(p, path, own, &to);

	if (r < 0)
		return r;
	named.name = dv_path_base(path);
	if (dev)
		to->now.dev = dev;
	return dv_dircache_append(&to->now, &named);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const dv_cached_file *)a)->name, ((const dv_cached_file *)b)->name);
}

static int merge(dv_dircache *out, const dv_dircache *old, const dv_dircache *now)
{
	int r = 0;

	for (size_t i = 0, k = 0; r == 0 && (i < old->n || k < now->n);) {
		int c = i == old->n ? 1 : k == now->n ? -1 : strcmp(old->files[i].name,
								    now->files[k].name);
		const dv_cached_file *f = c < 0 ? &old->files[i] : &now->files[k];

		if (f->kind)
			r = dv_dircache_append(out, f);
		i += c <= 0;
		k += c >= 0;
	}
	return r;
}

static int apply(patch *p, dv_statcache *c)
{
	dv_auto(dv_dircache) old = DV_DIRCACHE_INIT;
	dv_auto(dv_dircache) row = DV_DIRCACHE_INIT;
	int r;

	qsort(p->now.files, p->now.n, sizeof(*p->now.files), by_name);
	dv_statcache_get_written(c, p->dir, &old);
	/* What is on another file system now was not there before. */
	if (p->now.dev && p->now.dev != old.dev)
		old.n = 0;
	row.dev = p->now.dev ? p->now.dev : old.dev;
	if ((r = merge(&row, &old, &p->now)) == 0)
		dv_statcache_put(c, p->dir, &row);
	return r;
}

int dv_scan_patches_apply(dv_scan_patches *p, dv_statcache *c)
{
	int r = 0;

	dv_statcache_flush(c);
	for (size_t i = 0; r == 0 && i < p->n; i++)
		r = apply(&p->p[i], c);
	forget(p);
	return r;
}
