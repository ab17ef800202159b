/* SPDX-License-Identifier: Apache-2.0 */
/* Requests for rows of index segments, and their answers; see find.h. */
#include "transfer/find.h"

#include <string.h>

/* The remote protocol has its integers big-endian. */
static int add_u32(dv_buf *b, uint32_t v)
{
	const uint8_t s[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8),
			       (uint8_t)v };

	return dv_buf_add(b, s, sizeof s);
}

int dv_question_compare(const void *a, const void *b)
{
	const dv_question *x = a, *y = b;
	int c = dv_oid_cmp(&x->id, &y->id);

	return c ? c : (int)x->kind - (int)y->kind;
}

int dv_find_request(dv_buf *out, const dv_oid *segments, size_t nsegments, const dv_question *q,
		    size_t n)
{
	add_u32(out, (uint32_t)nsegments);
	for (size_t i = 0; i < nsegments; i++)
		dv_buf_add(out, segments[i].b, sizeof segments[i].b);
	for (size_t i = 0; i < n; i++) {
		dv_buf_add(out, q[i].id.b, sizeof q[i].id.b);
		dv_buf_addc(out, (char)q[i].kind);
	}
	return out->err;
}

/* -- the answer -------------------------------------------------------------------------------- */

typedef struct bytes {
	const uint8_t *p;
	size_t n;
	bool bad;
} bytes;

static uint64_t take_int(bytes *b, size_t n)
{
	uint64_t v = 0;

	if (b->n < n) {
		b->bad = true;
		b->n = 0;
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		v = v << 8 | b->p[i];
	b->p += n;
	b->n -= n;
	return v;
}

static int nonsense(const char *what)
{
	return dv_err(DV_ERROR, "what it tells of its index %s", what);
}

/* The rows of one segment, which are a segment. Rows and questions are in the same order, so one
 * pass through both finds what was not asked for. */
static int take_rows(const dv_found *f, size_t i, const uint8_t *p, size_t n)
{
	dv_autoptr(dv_segment) rows = NULL;
	size_t q = 0;

	if (dv_segment_open_memory(&rows, p, n)) {
		dv_error_clear();
		return nonsense("is damaged");
	}
	if (dv_segment_count(rows) > f->done)
		return nonsense("is more than was asked for");
	for (size_t k = 0; k < dv_segment_count(rows); k++, q++) {
		dv_question is;
		dv_place at;

		if (!dv_segment_at(rows, k, &is.id, &at))
			return nonsense("is damaged");
		is.kind = at.kind;
		while (q < f->done && dv_question_compare(&f->q[q], &is) < 0)
			q++;
		if (q == f->done || dv_question_compare(&f->q[q], &is) != 0)
			return nonsense("was not asked for");
		int rc = f->row ? f->row(i, q, &at, f->payload) : 0;
		if (rc)
			return rc;
	}
	return 0;
}

int dv_find_answer(dv_found *f, const uint8_t *p, size_t n)
{
	bytes b = { p, n, false };
	uint32_t flags = (uint32_t)take_int(&b, 4);

	f->done = (size_t)take_int(&b, 4);
	f->wait = flags & DV_FIND_NOT_YET;
	if (b.bad || f->done > f->n || (f->wait && f->done))
		return nonsense("is damaged");
	/* Otherwise asking would have no end. */
	if (f->n && f->done == 0 && !f->wait)
		return nonsense("is nothing");
	for (size_t i = 0; i < f->nsegments; i++) {
		dv_found_segment s = { .size = take_int(&b, 8) };

		s.entries = take_int(&b, 8);
		size_t len = (size_t)take_int(&b, 4);
		if (b.bad || len > b.n)
			return nonsense("is damaged");
		if (f->segments)
			f->segments[i] = s;
		int rc = len ? take_rows(f, i, b.p, len) : 0;
		if (rc)
			return rc;
		b.p += len;
		b.n -= len;
	}
	return b.n ? nonsense("is too long") : 0;
}
