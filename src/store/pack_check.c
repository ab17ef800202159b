/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check of a whole pack in memory, before it is believed or sent: its name, and every entry in
 * it. Chunks are hashed many at a time, as they lie or decoded, so that each byte is hashed once.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "store/pack.h"
#include "store/recipe.h"

#define BATCH 128
#define SCRATCH ((size_t)1 << 20)	/* decoded bytes that wait to be hashed, one chunk aside */

/* Chunks whose digests are due. */
typedef struct batch {
	const dv_pack_entry *e[BATCH];
	const void *p[BATCH];
	size_t len[BATCH];
	size_t n, used;
	uint8_t *scratch;	/* SCRATCH + DV_RAW_MAX */
} batch;

static int compare_offsets(const void *a, const void *b)
{
	const dv_pack_entry *x = *(const dv_pack_entry *const *)a;
	const dv_pack_entry *y = *(const dv_pack_entry *const *)b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

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

static int check_name(const uint8_t *p, size_t n, const dv_pack_footer *f,
		      const dv_pack_entry *const *order, const dv_oid *name)
{
	size_t end = n - DV_PACK_TAIL - f->nbases * DV_OID_RAW_SIZE - f->n * DV_PACK_ENTRY;
	dv_sha256_ctx sum;
	dv_oid real;

	dv_sha256_init(&sum);
	if (dv_pack_version(p) == 1) {
		dv_sha256_update(&sum, p, n);
	} else {
		dv_sha256_update(&sum, p, DV_PACK_HEADER);
		for (size_t i = 0; i < f->n; i++)
			dv_pack_name_entry(&sum, order[i], p + order[i]->offset);
		dv_sha256_update(&sum, p + end, n - end);
	}
	dv_sha256_final(&sum, &real);
	return dv_oid_eq(&real, name) ? 0 : dv_err(DV_ECORRUPT, "its bytes do not have its name");
}

static int check_batch(batch *b)
{
	dv_oid ids[BATCH];

	dv_sha256_many(ids, b->p, b->len, b->n);
	for (size_t i = 0; i < b->n; i++)
		if (!dv_oid_eq(&ids[i], &b->e[i]->id))
			return dv_err(DV_ECORRUPT, "a chunk does not have its id");
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

int dv_pack_check(const uint8_t *p, size_t n, const dv_pack_footer *f, const dv_oid *name,
		  dv_pack_delta_cb delta, void *payload)
{
	dv_autofree const dv_pack_entry **order = in_order(f);
	dv_autofree uint8_t *scratch = dv_malloc(SCRATCH + DV_RAW_MAX);
	batch b = { .scratch = scratch };
	int rc;

	if (!order || !scratch)
		return DV_ERROR;
	if (n < DV_PACK_HEADER + DV_PACK_TAIL || !dv_pack_version(p))
		return dv_err(DV_ECORRUPT, "it is no pack");
	rc = check_name(p, n, f, order, name);
	for (size_t i = 0; i < f->n && !rc; i++)
		rc = order[i]->nbases ? delta(order[i], payload) :
					check_entry(&b, order[i], p + order[i]->offset);
	return rc ? rc : check_batch(&b);
}
