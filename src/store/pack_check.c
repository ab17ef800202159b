/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check of a whole pack, before it is believed or sent: its name, and every entry in it. It is
 * read in pieces that stay in the processor's cache; mapping it would cost more. Chunks are hashed
 * many at a time, as they lie or decoded, so that each byte is hashed once.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "store/pack.h"
#include "store/recipe.h"

#define BATCH 128
#define WINDOW ((size_t)DV_STORED_MAX)	/* read at once; no entry is longer */
#define SCRATCH ((size_t)1 << 20)	/* decoded bytes that wait to be hashed, one chunk aside */

/* Chunks whose digests are due. */
typedef struct batch {
	const dv_pack_entry *e[BATCH];
	const void *p[BATCH];
	size_t len[BATCH];
	size_t n, used;
	uint8_t *scratch;	/* SCRATCH + DV_RAW_MAX */
	const dv_pack_watch *watch;
	uint8_t *window;
} batch;

static int compare_offsets(const void *a, const void *b)
{
	const dv_pack_entry *x = *(const dv_pack_entry *const *)a;
	const dv_pack_entry *y = *(const dv_pack_entry *const *)b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

/* -- the name ---------------------------------------------------------------------------------- */

/* The entries in the order in which they lie; owned, of f->n pointers. */
static const dv_pack_entry **in_order(const dv_pack_footer *f)
{
	const dv_pack_entry **order = dv_reallocarray(NULL, f->n + 1, sizeof(*order));

	for (size_t i = 0; order && i < f->n; i++)
		order[i] = &f->e[i];
	if (order)
		qsort(order, f->n, sizeof(*order), compare_offsets);
	return order;
}

/* Exactly `n` bytes. */
static int read_at(int fd, void *p, size_t n, uint64_t at)
{
	size_t got;

	if (dv_fs_pread_all(fd, p, n, (off_t)at, &got) < 0)
		return dv_err_sys("cannot read a pack");
	return got == n ? 0 : dv_err(DV_ECORRUPT, "it is too short");
}

/* Adds a range of the pack to its name. */
static int name_range(dv_sha256_ctx *name, int fd, uint8_t *window, uint64_t at, uint64_t n)
{
	int rc = 0;

	while (n && !rc) {
		size_t part = n < WINDOW ? (size_t)n : WINDOW;

		rc = read_at(fd, window, part, at);
		if (!rc)
			dv_sha256_update(name, window, part);
		at += part;
		n -= part;
		if (!rc)
			rc = dv_check_cancel();
	}
	return rc;
}

/* All but the chunks. */
static int name_named(dv_sha256_ctx *name, int fd, uint64_t size, const dv_pack_footer *f,
		      const dv_pack_entry *const *order, uint8_t *window)
{
	uint64_t end = f->nbases * DV_OID_RAW_SIZE + f->n * DV_PACK_ENTRY + DV_PACK_TAIL;
	int rc = name_range(name, fd, window, 0, DV_PACK_HEADER);

	for (size_t i = 0; i < f->n && !rc; i++)
		if (order[i]->kind == DV_KIND_RECIPE)
			rc = name_range(name, fd, window, order[i]->offset, order[i]->stored);
	return rc ? rc : name_range(name, fd, window, size - end, end);
}

int dv_pack_name(int fd, uint64_t size, const dv_pack_footer *f, dv_oid *name, int *version)
{
	dv_autofree const dv_pack_entry **order = in_order(f);
	dv_autofree uint8_t *window = dv_malloc(WINDOW);
	uint8_t header[DV_PACK_HEADER];
	dv_sha256_ctx sum;
	int rc;

	*version = 0;
	if (!order || !window)
		return DV_ERROR;
	rc = read_at(fd, header, sizeof(header), 0);
	if (rc)
		return rc;
	*version = dv_pack_version(header);
	if (!*version)
		return dv_err(DV_ECORRUPT, "it is no pack of a known version");
	dv_sha256_init(&sum);
	rc = *version == 1 ? name_range(&sum, fd, window, 0, size) :
			     name_named(&sum, fd, size, f, order, window);
	dv_sha256_final(&sum, name);
	return rc;
}

/* -- entries ----------------------------------------------------------------------------------- */

static int check_batch(batch *b)
{
	dv_oid ids[BATCH];

	dv_sha256_many(ids, b->p, b->len, b->n);
	for (size_t i = 0; i < b->n; i++)
		if (!dv_oid_eq(&ids[i], &b->e[i]->id))
			return dv_err(DV_ECORRUPT, "a chunk does not have its id");
	if (b->watch && b->watch->seen && b->n)
		b->watch->seen(ids, b->p, b->len, b->n, b->watch->payload);
	b->n = b->used = 0;
	return dv_check_cancel();
}

/* Checks an entry without bases, or puts it into the batch. */
static int check_entry(batch *b, const dv_pack_entry *e, const uint8_t *stored)
{
	dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;
	uint8_t *raw = b->scratch + b->used, level;
	int rc = 0;

	if (e->kind == DV_KIND_RECIPE) {
		rc = dv_pack_decode(raw, e, stored, NULL, 0);
		return rc ? rc : dv_recipe_parse(&recipe, &level, raw, e->raw);
	}
	if (e->codec == DV_CODEC_RAW) {
		b->p[b->n] = stored;
	} else {
		rc = dv_pack_decode(raw, e, stored, NULL, 0);
		b->p[b->n] = raw;
		b->used += e->raw;
	}
	b->e[b->n] = e;
	b->len[b->n++] = e->raw;
	return !rc && (b->n == BATCH || b->used >= SCRATCH) ? check_batch(b) : rc;
}

/* Reads and checks entries that lie close together, from order[0] on. Returns how many in *done. */
static int check_window(batch *b, int fd, const dv_pack_entry *const *order, size_t n,
			size_t *done)
{
	uint64_t from = order[0]->offset, to = from;
	size_t k = 0;
	int rc;

	for (; k < n && !order[k]->nbases; k++) {
		uint64_t end = order[k]->offset + order[k]->stored;

		if (end - from > WINDOW)
			break;
		to = end;
	}
	*done = k;
	rc = read_at(fd, b->window, (size_t)(to - from), from);
	for (size_t i = 0; i < k && !rc; i++)
		rc = check_entry(b, order[i], b->window + (order[i]->offset - from));
	return rc ? rc : check_batch(b);
}

int dv_pack_check(int fd, uint64_t size, const dv_pack_footer *f, const dv_oid *name,
		  const dv_pack_watch *watch)
{
	dv_autofree const dv_pack_entry **order = in_order(f);
	dv_autofree uint8_t *scratch = dv_malloc(SCRATCH + DV_RAW_MAX);
	dv_autofree uint8_t *window = dv_malloc(WINDOW);
	batch b = { .scratch = scratch, .window = window, .watch = watch };
	dv_oid real;
	int version, rc;

	if (!order || !scratch || !window)
		return DV_ERROR;
	rc = dv_pack_name(fd, size, f, &real, &version);
	if (!rc && !dv_oid_eq(&real, name))
		rc = dv_err(DV_ECORRUPT, "its bytes do not have its name");
	for (size_t i = 0, done; i < f->n && !rc; i += done) {
		done = 1;
		rc = order[i]->nbases ? watch->delta(order[i], watch->payload) :
					check_window(&b, fd, order + i, f->n - i, &done);
	}
	return rc;
}
