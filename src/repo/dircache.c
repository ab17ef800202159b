/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One directory's row of the stat cache, and what its entries mean.
 *
 * Row: "dvc1", u32 count, u64 dev, u8 has_tree, tree (32), u64 size, u64 nfiles, then per file
 * u64 ino, size, mtime, ctime, kind (1), oid (32), u16 length of the name, name, NUL.
 */
#include "repo/statcache.h"

#include <string.h>
#include <time.h>

#include "base/alloc.h"

#define ROW_MAGIC "dvc1"
#define ROW_HEAD ((size_t)(4 + 4 + 8 + 1 + 32 + 8 + 8))
#define ROW_FILE ((size_t)(8 * 4 + 1 + 32 + 2))
#define SETTLE_COARSE_NS INT64_C(2000000000)

void dv_dircache_release(dv_dircache *d)
{
	free(d->files);
	free(d->row);
	*d = (dv_dircache)DV_DIRCACHE_INIT;
}

int dv_dircache_append(dv_dircache *d, const dv_cached_file *f)
{
	int rc = dv_grow(&d->files, &d->cap, d->n + 1, sizeof(*d->files));

	if (!rc)
		d->files[d->n++] = *f;
	return rc;
}

const dv_cached_file *dv_dircache_find(const dv_dircache *d, const char *name)
{
	size_t lo = 0, hi = d->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(d->files[mid].name, name);
		if (!c)
			return &d->files[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

int64_t dv_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t stamp(struct timespec t)
{
	if (t.tv_sec > INT64_MAX / 1000000000 - 1 || t.tv_sec < INT64_MIN / 1000000000 + 1)
		return 0;
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

char dv_stat_kind(const struct stat *st)
{
	if (S_ISREG(st->st_mode))
		return st->st_mode & S_IXUSR ? 'x' : 'f';
	return S_ISLNK(st->st_mode) ? 'l' : S_ISDIR(st->st_mode) ? 'd' : 0;
}

void dv_cached_file_set(dv_cached_file *f, const struct stat *st)
{
	f->ino = st->st_ino;
	f->size = (uint64_t)st->st_size;
	f->mtime_ns = stamp(st->st_mtim);
	f->ctime_ns = stamp(st->st_ctim);
	f->kind = dv_stat_kind(st);
}

bool dv_cached_file_is(const dv_dircache *d, const dv_cached_file *f, const struct stat *st)
{
	return d->dev == (uint64_t)st->st_dev && f->ino == (uint64_t)st->st_ino &&
	       f->size == (uint64_t)st->st_size && f->mtime_ns == stamp(st->st_mtim) &&
	       f->ctime_ns == stamp(st->st_ctim) && f->kind == dv_stat_kind(st);
}

bool dv_stat_is_settled(const struct stat *st, int64_t now_ns)
{
	int64_t m = stamp(st->st_mtim), c = stamp(st->st_ctim), last = m > c ? m : c;
	bool coarse = st->st_mtim.tv_nsec == 0 && st->st_ctim.tv_nsec == 0;

	return last < now_ns - (coarse ? SETTLE_COARSE_NS : DV_SETTLE_NS);
}

/* Of the time of change of the inode, which nobody can set, the rename is the reason. */
bool dv_stat_is_dated_back(const struct stat *st, int64_t now_ns)
{
	return st->st_mtim.tv_nsec != 0 && stamp(st->st_mtim) < now_ns - DV_SETTLE_NS;
}

int dv_dircache_print(dv_buf *out, const dv_dircache *d)
{
	uint32_t count = 0;

	for (size_t i = 0; i < d->n; i++)
		count += !dv_oid_is_zero(&d->files[i].oid) && strlen(d->files[i].name) < 65536;
	dv_buf_reserve(out, ROW_HEAD + d->n * (ROW_FILE + 24));
	dv_buf_add(out, ROW_MAGIC, 4);
	dv_buf_add_u32(out, count);
	dv_buf_add_u64(out, d->dev);
	dv_buf_addc(out, d->has_tree);
	dv_buf_add(out, d->tree.b, 32);
	dv_buf_add_u64(out, d->size);
	dv_buf_add_u64(out, d->nfiles);
	for (size_t i = 0; i < d->n; i++) {
		const dv_cached_file *f = &d->files[i];
		size_t n = strlen(f->name);
		if (dv_oid_is_zero(&f->oid) || n >= 65536)
			continue;
		dv_buf_add_u64(out, f->ino);
		dv_buf_add_u64(out, f->size);
		dv_buf_add_u64(out, (uint64_t)f->mtime_ns);
		dv_buf_add_u64(out, (uint64_t)f->ctime_ns);
		dv_buf_addc(out, f->kind);
		dv_buf_add(out, f->oid.b, 32);
		dv_buf_add_u16(out, (uint16_t)n);
		dv_buf_add(out, f->name, n + 1);
	}
	return out->err;
}

/* One file at p[*at]; false when it does not fit. */
static bool parse_file(dv_cached_file *f, const uint8_t *p, size_t n, size_t *at)
{
	const uint8_t *q = p + *at;

	if (n - *at < ROW_FILE)
		return false;
	size_t len = dv_get_u16(q + 65);
	*at += ROW_FILE;
	if (n - *at < len + 1 || len == 0 || p[*at + len] != 0 || memchr(p + *at, 0, len) ||
	    memchr(p + *at, '/', len))
		return false;
	f->ino = dv_get_u64(q);
	f->size = dv_get_u64(q + 8);
	f->mtime_ns = (int64_t)dv_get_u64(q + 16);
	f->ctime_ns = (int64_t)dv_get_u64(q + 24);
	f->kind = (char)q[32];
	memcpy(f->oid.b, q + 33, 32);
	f->name = (const char *)p + *at;
	*at += len + 1;
	return true;
}

int dv_dircache_parse(dv_dircache *out, const void *data, size_t n)
{
	dv_auto(dv_dircache) d = DV_DIRCACHE_INIT;
	const uint8_t *p = data;
	size_t at = ROW_HEAD;

	*out = (dv_dircache)DV_DIRCACHE_INIT;
	if (n < ROW_HEAD || memcmp(p, ROW_MAGIC, 4) != 0 || p[16] > 1)
		return DV_ECORRUPT;
	size_t count = dv_get_u32(p + 4);
	if (count > (n - ROW_HEAD) / (ROW_FILE + 2))
		return DV_ECORRUPT;
	d.dev = dv_get_u64(p + 8);
	d.has_tree = p[16];
	memcpy(d.tree.b, p + 17, 32);
	d.size = dv_get_u64(p + 49);
	d.nfiles = dv_get_u64(p + 57);
	if (count && !(d.files = dv_reallocarray(NULL, count, sizeof(*d.files))))
		return DV_ERROR;
	d.cap = count;
	for (; d.n < count; d.n++) {
		if (!parse_file(&d.files[d.n], p, n, &at) ||
		    (d.n && strcmp(d.files[d.n - 1].name, d.files[d.n].name) >= 0))
			return DV_ECORRUPT;
	}
	if (at != n)
		return DV_ECORRUPT;
	*out = d;
	d = (dv_dircache)DV_DIRCACHE_INIT;
	return 0;
}
