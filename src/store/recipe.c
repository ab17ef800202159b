/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recipes: the lists of chunks that make objects. A recipe that was read is only believed as far as
 * its numbers add up; that it makes the right bytes shows when the whole object is hashed.
 */
#include "store/recipe.h"

#include <string.h>

#include "base/alloc.h"

static const char recipe_magic[8] = "DVRECIP1";

void dv_recipe_release(dv_recipe *r)
{
	free(r->c);
	free(r->inner);
	*r = (dv_recipe)DV_RECIPE_INIT;
}

/* -- parsing ----------------------------------------------------------------------------------- */

/* Takes the bytes of one level as they come, in pieces of any length. */
typedef struct parser {
	dv_recipe *out;
	uint8_t level;
	bool begun;			/* the header was taken */
	uint64_t sum;			/* of the lengths so far */
	uint8_t part[DV_RECIPE_ITEM];	/* an item or header that the last piece ended in */
	size_t part_len;
} parser;

static int bad_recipe(const char *why)
{
	return dv_err(DV_ECORRUPT, "bad recipe: %s", why);
}

static int parse_header(parser *ps, const uint8_t *p)
{
	static const uint8_t zero[6];

	if (memcmp(p, recipe_magic, sizeof(recipe_magic)))
		return bad_recipe("not a recipe");
	if (p[8] > DV_RECIPE_LEVELS || memcmp(p + 10, zero, sizeof(zero)))
		return bad_recipe("made by a newer version or damaged");
	ps->level = p[8];
	ps->out->chunker = p[9];
	ps->out->size = dv_get_u64(p + 16);
	ps->begun = true;
	if (ps->out->size > (ps->level ? DV_RECIPE_BYTES_MAX : (uint64_t)INT64_MAX))
		return bad_recipe("impossible size");
	return 0;
}

static int parse_item(parser *ps, const uint8_t *p)
{
	dv_recipe *r = ps->out;
	uint32_t len = dv_get_u32(p + sizeof(dv_oid));
	int rc;

	if (!len || len > DV_RAW_MAX)
		return bad_recipe("impossible length of a chunk");
	ps->sum += len; /* at most 2^20 for each item read: no overflow */
	if (ps->sum > r->size)
		return bad_recipe("longer than its size");
	rc = dv_grow(&r->c, &r->cap, r->n + 1, sizeof(*r->c));
	if (rc < 0)
		return rc;
	memcpy(r->c[r->n].id.b, p, sizeof(dv_oid));
	r->c[r->n++].len = len;
	return 0;
}

static int parse_piece(parser *ps, const uint8_t *p, size_t n)
{
	while (n) {
		size_t want = ps->begun ? DV_RECIPE_ITEM : DV_RECIPE_HEADER;
		const uint8_t *item = p;
		size_t take = want;
		int rc;

		if (ps->part_len || n < want) {
			take = want - ps->part_len < n ? want - ps->part_len : n;
			memcpy(ps->part + ps->part_len, p, take);
			ps->part_len += take;
			item = ps->part;
		}
		p += take;
		n -= take;
		if (ps->part_len && ps->part_len < want)
			return 0;
		ps->part_len = 0;
		rc = ps->begun ? parse_item(ps, item) : parse_header(ps, item);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int parse_end(const parser *ps)
{
	if (!ps->begun || ps->part_len)
		return bad_recipe("cut off");
	if (ps->out->n < 2)
		return bad_recipe("fewer than two chunks");
	if (ps->sum != ps->out->size)
		return bad_recipe("its chunks do not add up to its size");
	return 0;
}

int dv_recipe_parse(dv_recipe *out, uint8_t *level, const uint8_t *p, size_t n)
{
	dv_auto(dv_recipe) r = DV_RECIPE_INIT;
	parser ps = { .out = &r };
	int rc;

	*out = (dv_recipe)DV_RECIPE_INIT;
	*level = 0;
	rc = parse_piece(&ps, p, n);
	if (!rc)
		rc = parse_end(&ps);
	if (rc < 0)
		return rc;
	*level = ps.level;
	*out = r;
	r = (dv_recipe)DV_RECIPE_INIT;
	return 0;
}

/* -- loading ----------------------------------------------------------------------------------- */

/* Replaces a list of level > 0 by the list it makes; its chunks become inner ones. */
static int descend(dv_recipe *r, uint8_t *level, dv_reader *reader)
{
	dv_auto(dv_recipe) low = DV_RECIPE_INIT;
	parser ps = { .out = &low };
	int rc = dv_grow(&r->inner, &r->inner_cap, r->ninner + r->n, sizeof(*r->inner));

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < r->n; i++)
		r->inner[r->ninner++] = r->c[i].id;
	for (size_t i = 0; i < r->n && !rc; i++) {
		const uint8_t *p;
		size_t n;

		rc = dv_reader_get(reader, DV_KIND_CHUNK, &r->c[i].id, &p, &n);
		if (!rc && n != r->c[i].len)
			rc = bad_recipe("a chunk has another length");
		if (!rc)
			rc = parse_piece(&ps, p, n);
	}
	if (!rc)
		rc = parse_end(&ps);
	if (!rc && ps.level + 1 != *level)
		rc = bad_recipe("its levels are out of order");
	if (rc < 0)
		return rc;
	free(r->c);
	r->c = dv_steal(&low.c);
	r->n = low.n;
	r->cap = low.cap;
	r->size = low.size;
	r->chunker = low.chunker;
	*level = ps.level;
	return 0;
}

static int load_single(dv_recipe *out, const dv_oid *oid, uint32_t len)
{
	out->c = dv_malloc(sizeof(*out->c));
	if (!out->c)
		return DV_ERROR;
	out->c[0] = (dv_chunk_ref){ *oid, len };
	out->n = out->cap = 1;
	out->size = len;
	out->is_chunk = true;
	return 0;
}

int dv_recipe_load(dv_recipe *out, dv_reader *r, const dv_oid *oid)
{
	dv_auto(dv_recipe) top = DV_RECIPE_INIT;
	char hex[DV_OID_HEX_SIZE + 1];
	const dv_store *s = dv_reader_store(r);
	const uint8_t *p;
	dv_place at;
	uint8_t level;
	size_t n;
	int rc;

	*out = (dv_recipe)DV_RECIPE_INIT;
	if (dv_oid_is_empty(oid))
		return 0;
	if (dv_store_find(s, DV_KIND_CHUNK, oid, &at))
		return load_single(out, oid, at.raw);
	dv_oid_hex(hex, oid);
	if (!dv_store_find(s, DV_KIND_RECIPE, oid, &at))
		return dv_err(DV_ENOTFOUND, "object %s is not in the store", hex);
	rc = dv_reader_get_at(r, oid, &at, &p, &n);
	if (!rc)
		rc = dv_recipe_parse(&top, &level, p, n);
	while (!rc && level)
		rc = descend(&top, &level, r);
	if (rc < 0)
		return dv_err_ctx(rc, "object %s", hex);
	*out = top;
	top = (dv_recipe)DV_RECIPE_INIT;
	return 0;
}

/* -- storing ----------------------------------------------------------------------------------- */

int dv_recipe_begin(dv_buf *b, uint8_t level, uint8_t chunker, uint64_t size)
{
	uint8_t head[8] = { level, chunker };

	dv_buf_clear(b);
	dv_buf_add(b, recipe_magic, sizeof(recipe_magic));
	dv_buf_add(b, head, sizeof(head));
	dv_buf_add_u64(b, size);
	return b->err;
}

void dv_recipe_append(dv_buf *b, const dv_oid *id, size_t len)
{
	dv_buf_add(b, id->b, sizeof(id->b));
	dv_buf_add_u32(b, (uint32_t)len);
}

void dv_recipe_resize(dv_buf *b, uint64_t size)
{
	if (!b->err)
		dv_put_u64(b->p + sizeof(recipe_magic) + 8, size);
}

int dv_recipe_put(dv_writer *w, dv_encoder *enc, const dv_oid *oid, const dv_buf *level0)
{
	dv_auto(dv_buf) own = DV_BUF_INIT, next = DV_BUF_INIT;
	dv_auto(dv_cuts) cuts = DV_CUTS_INIT;
	const dv_buf *b = level0;
	int rc = 0;

	for (uint8_t level = 1; b->n > DV_RECIPE_MAX && !rc; level++) {
		const dv_chunker_params *params = dv_chunker_for_size(b->n);
		const uint8_t *p = (const uint8_t *)b->p;
		dv_oid ignored;

		if (b->n > DV_RECIPE_BYTES_MAX || level > DV_RECIPE_LEVELS)
			return dv_err(DV_ERROR, "the file has too many chunks");
		rc = dv_cuts_make(&cuts, params, p, b->n, &ignored);
		if (!rc)
			rc = dv_recipe_begin(&next, level, params->id, b->n);
		for (size_t i = 0; i < cuts.n && !rc; i++) {
			rc = dv_writer_put(w, enc, DV_KIND_CHUNK, &cuts.ids[i], p, cuts.lens[i],
					   NULL, NULL);
			dv_recipe_append(&next, &cuts.ids[i], cuts.lens[i]);
			p += cuts.lens[i];
		}
		dv_buf_release(&own);
		own = next;
		next = (dv_buf)DV_BUF_INIT;
		b = &own;
	}
	if (!rc)
		rc = b->err;
	if (!rc)
		rc = dv_writer_put(w, enc, DV_KIND_RECIPE, oid, (const uint8_t *)b->p, b->n, NULL,
				   NULL);
	return rc;
}
