/* SPDX-License-Identifier: Apache-2.0 */
/* Objects in memory: stored from a buffer, read into one, streamed in part. */
#include "store/object.h"

#include "base/alloc.h"
#include "store/recipe.h"

void dv_cuts_release(dv_cuts *c)
{
	free(c->lens);
	free(c->ids);
	*c = (dv_cuts)DV_CUTS_INIT;
}

int dv_cuts_reserve(dv_cuts *c, size_t need)
{
	size_t cap = c->cap;
	int rc = dv_grow(&c->lens, &cap, need, sizeof(*c->lens));

	if (!rc && cap != c->cap) {
		dv_oid *ids = dv_reallocarray(c->ids, cap, sizeof(*ids));

		if (!ids)
			return DV_ERROR;
		c->ids = ids;
		c->cap = cap;
	}
	return rc;
}

int dv_cuts_make(dv_cuts *c, const dv_chunker_params *params, const uint8_t *p, size_t n,
		 dv_oid *oid)
{
	dv_sha256_ctx stream;
	dv_chunker chunker;
	int rc = dv_cuts_reserve(c, dv_chunker_bound(params, n));

	if (rc < 0)
		return rc;
	dv_chunker_init(&chunker, params);
	c->n = dv_chunker_feed(&chunker, p, n, true, c->lens);
	dv_sha256_init(&stream);
	dv_sha256_stream_and_chunks(&stream, c->ids, p, c->lens, c->n);
	dv_sha256_final(&stream, oid);
	return 0;
}

int dv_object_put_with(const dv_putting *put, dv_cuts *cuts, dv_buf *recipe, const uint8_t *p,
		       size_t n, dv_oid *oid)
{
	const dv_chunker_params *params = dv_chunker_for_size(n);
	int rc;

	cuts->n = 0;
	if (params->id != DV_CHUNKER_WHOLE) {
		rc = dv_cuts_make(cuts, params, p, n, oid);
		if (rc < 0)
			return rc;
	}
	if (cuts->n < 2) {
		if (!cuts->n)
			dv_sha256(oid, p, n);
		return n ? dv_put_chunks(put, 0, oid, &n, 1, p, true) : 0;
	}
	rc = dv_put_chunks(put, 0, cuts->ids, cuts->lens, cuts->n, p, true);
	if (!rc)
		rc = dv_recipe_begin(recipe, 0, params->id, n);
	for (size_t i = 0; i < cuts->n && !rc; i++)
		dv_recipe_append(recipe, &cuts->ids[i], cuts->lens[i]);
	return rc < 0 ? rc : dv_recipe_put(put->w, put->enc, oid, recipe);
}

int dv_object_put(dv_writer *w, dv_encoder *enc, const void *p, size_t n, dv_oid *oid)
{
	dv_auto(dv_cuts) cuts = DV_CUTS_INIT;
	dv_auto(dv_buf) recipe = DV_BUF_INIT;
	dv_sticky sticky = { 0 };
	dv_putting put = { .w = w, .enc = enc, .sticky = &sticky };

	return dv_object_put_with(&put, &cuts, &recipe, p, n, oid);
}

/* -- reading ----------------------------------------------------------------------------------- */

int dv_object_read(dv_reader *r, const dv_oid *oid, size_t max, dv_buf *out)
{
	dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;
	char hex[DV_OID_HEX_SIZE + 1];
	size_t start = out->n;
	dv_oid found;
	int rc = dv_recipe_load(&recipe, r, oid);

	if (rc < 0)
		return rc;
	dv_oid_hex(hex, oid);
	if (recipe.size > max)
		return dv_err(DV_ERROR, "object %s is longer than %zu bytes", hex, max);
	for (size_t i = 0; i < recipe.n && !rc; i++) {
		const uint8_t *p;
		size_t n;

		rc = dv_reader_get(r, DV_KIND_CHUNK, &recipe.c[i].id, &p, &n);
		if (!rc && n != recipe.c[i].len)
			rc = dv_err(DV_ECORRUPT, "the recipe of object %s is damaged", hex);
		if (!rc)
			rc = dv_buf_add(out, p, n);
	}
	if (rc < 0 || recipe.is_chunk)
		return rc;
	dv_sha256(&found, out->p ? out->p + start : NULL, out->n - start);
	if (!dv_oid_eq(&found, oid))
		return dv_err(DV_ECORRUPT, "the recipe of object %s is damaged", hex);
	return 0;
}

int dv_object_stream(dv_reader *r, const dv_oid *oid, uint64_t offset, uint64_t length,
		     int (*sink)(const void *p, size_t n, void *payload), void *payload)
{
	dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;
	char hex[DV_OID_HEX_SIZE + 1];
	uint64_t at = 0, end;
	int rc = dv_recipe_load(&recipe, r, oid);

	if (rc < 0)
		return rc;
	if (offset >= recipe.size)
		return 0;
	end = length < recipe.size - offset ? offset + length : recipe.size;
	for (size_t i = 0; i < recipe.n && at < end && !rc; i++) {
		const dv_chunk_ref *c = &recipe.c[i];
		uint64_t from = offset > at ? offset - at : 0;
		uint64_t to = end - at < c->len ? end - at : c->len;
		const uint8_t *p;
		size_t n;

		at += c->len;
		if (from >= c->len)
			continue;
		rc = dv_check_cancel();
		if (!rc)
			rc = dv_reader_get(r, DV_KIND_CHUNK, &c->id, &p, &n);
		if (!rc && n != c->len) {
			dv_oid_hex(hex, oid);
			rc = dv_err(DV_ECORRUPT, "the recipe of object %s is damaged", hex);
		}
		if (!rc)
			rc = sink(p + from, (size_t)(to - from), payload);
	}
	return rc;
}
