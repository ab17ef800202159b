/* SPDX-License-Identifier: Apache-2.0 */
/* Pointers by the ids of their blobs: rows, sorted, behind a name and before their SHA-256. */
#include "repo/filtered_known.h"

#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/sha256.h"

#define MAGIC "DVBLOBS1"
#define HEAD 8
#define ID 20			/* SHA-1: the only ids that are read */
#define SUM sizeof(dv_oid)
#define ROW (ID + SUM + 8)
#define FILE_MAX ((size_t)1 << 30)
#define WORTH_IT 64		/* new rows for which the file is written */
#define SPARE 4			/* rows kept for each that was asked for, and */
#define SPARE_LEAST 4096	/* so many at least: other branches have theirs */

void dv_filtered_known_release(dv_filtered_known *k)
{
	dv_buf_release(&k->file);
	dv_buf_release(&k->fresh);
}

static char *path_of(const dv_repo *r)
{
	return dv_path_join(r->dvdir, "blobs");
}

static bool is_sound(const dv_buf *b)
{
	dv_oid sum;

	if (b->n < HEAD + SUM || (b->n - HEAD - SUM) % ROW ||
	    memcmp(b->p, MAGIC, HEAD) != 0)
		return false;
	dv_sha256(&sum, b->p, b->n - SUM);
	return memcmp(sum.b, b->p + b->n - SUM, SUM) == 0;
}

void dv_filtered_known_open(dv_filtered_known *k, const dv_repo *r)
{
	dv_autofree char *path = path_of(r);

	if (!path || dv_fs_read_file(&k->file, path, FILE_MAX))
		dv_error_clear();
	else if (is_sound(&k->file))
		k->n = (k->file.n - HEAD - SUM) / ROW;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, ID);
}

bool dv_filtered_known_find(dv_filtered_known *k, const dv_gitindex_entry *e, dv_lfs_pointer *p)
{
	const uint8_t *row;

	if (!k->n || e->id_size != ID)
		return false;
	row = bsearch(e->id, k->file.p + HEAD, k->n, ROW, compare);
	if (!row)
		return false;
	k->used++;
	memcpy(p->oid.b, row + ID, SUM);
	p->size = 0;
	for (int i = 8; i-- > 0;)
		p->size = p->size << 8 | row[ID + SUM + i];
	return true;
}

int dv_filtered_known_add(dv_filtered_known *k, const dv_gitindex_entry *e,
			  const dv_lfs_pointer *p)
{
	uint8_t row[ROW];

	if (e->id_size != ID)
		return 0;
	memcpy(row, e->id, ID);
	memcpy(row + ID, p->oid.b, SUM);
	for (int i = 0; i < 8; i++)
		row[ID + SUM + i] = (uint8_t)(p->size >> 8 * i);
	return dv_buf_add(&k->fresh, row, ROW);
}

/* Drops all but the first of equal rows, which stand together; returns how many are left. */
static size_t unique(char *rows, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (!kept || compare(rows + (kept - 1) * ROW, rows + i * ROW) != 0)
			memmove(rows + kept++ * ROW, rows + i * ROW, ROW);
	return kept;
}

void dv_filtered_known_save(dv_filtered_known *k, const dv_repo *r)
{
	size_t n = k->fresh.n / ROW, old = k->n;
	dv_autofree char *path = path_of(r);
	dv_auto(dv_buf) out = DV_BUF_INIT;
	dv_oid sum;

	if (n < WORTH_IT || !path)
		return;
	if (old > SPARE_LEAST && old / SPARE > k->used + n)
		old = 0;
	dv_buf_adds(&out, MAGIC);
	dv_buf_add(&out, k->fresh.p, k->fresh.n);
	if (old)
		dv_buf_add(&out, k->file.p + HEAD, old * ROW);
	if (!out.err) {
		qsort(out.p + HEAD, n + old, ROW, compare);
		out.n = HEAD + unique(out.p + HEAD, n + old) * ROW;
		dv_sha256(&sum, out.p, out.n);
		dv_buf_add(&out, sum.b, SUM);
	}
	if (out.err || out.n > FILE_MAX || dv_fs_write_file(path, out.p, out.n, 0))
		dv_error_clear();
}
