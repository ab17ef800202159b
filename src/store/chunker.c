/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content-defined chunking. The streaming interface and the two-stage one make
 * the same cuts; both rest on find_below(), the only loop that sees every byte.
 */
#include "store/chunker.h"

#include <string.h>

#include "store/chunker_gear.h"

/* The hash reaches this far back. No parameter set may have a smaller min. */
#define WINDOW 64

#define KIB 1024u
/* A threshold that a random hash is below once in 2^bits bytes. */
#define ONE_IN(bits) ((uint64_t)1 << (64 - (bits)))

/*
 * Two bits around the average: a quarter as many cuts before it, four times
 * as many after, so that lengths crowd there and an edit dirties less.
 */
static const dv_chunker_params sets[] = {
	{ "whole", DV_CHUNKER_WHOLE, 64 * KIB, 64 * KIB, 64 * KIB, 0, 0 },
	{ "gear64-1-16k", DV_CHUNKER_GEAR64_16K, 4 * KIB, 16 * KIB, 64 * KIB, ONE_IN(16),
	  ONE_IN(12) },
	{ "gear64-1-64k", DV_CHUNKER_GEAR64_64K, 16 * KIB, 64 * KIB, 256 * KIB, ONE_IN(18),
	  ONE_IN(14) },
};
#define NSETS (sizeof(sets) / sizeof(sets[0]))

const dv_chunker_params *dv_chunker_by_id(uint8_t id)
{
	for (size_t i = 0; i < NSETS; i++)
		if (sets[i].id == id)
			return &sets[i];
	return NULL;
}

const dv_chunker_params *dv_chunker_by_name(const char *name)
{
	for (size_t i = 0; i < NSETS; i++)
		if (strcmp(sets[i].name, name) == 0)
			return &sets[i];
	return NULL;
}

const dv_chunker_params *dv_chunker_for_size(uint64_t file_size)
{
	if (file_size <= DV_CHUNKER_WHOLE_MAX)
		return dv_chunker_by_id(DV_CHUNKER_WHOLE);
	return dv_chunker_by_id(DV_CHUNKER_GEAR64_64K);
}

const uint64_t *dv_chunker_gear(void)
{
	return gear;
}

size_t dv_chunker_bound(const dv_chunker_params *params, size_t n)
{
	return n / params->min + 2;
}

static uint64_t roll(uint64_t h, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = (h << 1) + gear[p[i]];
	return h;
}

/*
 * Rolls *h over p[0..n) and stops after the first byte that brings it below t.
 * Returns the bytes taken; *found says whether it stopped for that reason.
 */
static inline size_t find_below(const uint8_t *p, size_t n, uint64_t *hash, uint64_t t, bool *found)
{
	uint64_t h = *hash;
	size_t i = 0;

#define STEP(k)                           \
	h = (h << 1) + gear[p[i + (k)]];  \
	if (__builtin_expect(h < t, 0)) { \
		*hash = h;                \
		*found = true;            \
		return i + (k) + 1;       \
	}
	for (; i + 8 <= n; i += 8) {
		STEP(0) STEP(1) STEP(2) STEP(3) STEP(4) STEP(5) STEP(6) STEP(7)
	}
	for (; i < n; i++) {
		STEP(0)
	}
#undef STEP
	*hash = h;
	*found = false;
	return n;
}

void dv_chunker_init(dv_chunker *c, const dv_chunker_params *params)
{
	*c = (dv_chunker){ .params = params };
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Takes bytes, of which there are n, until the chunk is `upto` bytes long; no cut can be there. */
static size_t skip(const dv_chunker *c, size_t upto, size_t n)
{
	return c->len < upto ? smaller(upto - c->len, n) : 0;
}

size_t dv_chunker_next(dv_chunker *c, const uint8_t *p, size_t n, bool last, size_t *cut_len)
{
	const dv_chunker_params *q = c->params;
	size_t i, m;
	bool found = false;

	*cut_len = 0;
	/* Only the last WINDOW bytes in front of the first possible cut count. */
	i = skip(c, q->min - WINDOW, n);
	c->len += i;
	m = skip(c, q->min - 1, n - i);
	c->hash = roll(c->hash, p + i, m);
	c->len += m;
	i += m;

	if (i < n && c->len < q->avg) {
		m = find_below(p + i, smaller(q->avg - c->len, n - i), &c->hash, q->strict, &found);
		c->len += m;
		i += m;
	}
	if (i < n && !found && c->len < q->max) {
		m = find_below(p + i, smaller(q->max - c->len, n - i), &c->hash, q->loose, &found);
		c->len += m;
		i += m;
	}
	if (found || c->len == q->max || (last && i == n)) {
		*cut_len = c->len;
		c->len = 0;
		c->hash = 0;
	}
	return i;
}

size_t dv_chunker_feed(dv_chunker *c, const uint8_t *p, size_t n, bool last, size_t *lens)
{
	size_t count = 0;
	size_t i = 0;

	do {
		size_t len;

		i += dv_chunker_next(c, p + i, n - i, last, &len);
		if (len)
			lens[count++] = len;
	} while (i < n);
	return count;
}

size_t dv_chunker_scan(const dv_chunker_params *params, const uint8_t *p, size_t before, size_t n,
		       uint64_t base, dv_chunker_cand *out, size_t cap, size_t *scanned)
{
	size_t warm = smaller(before, WINDOW - 1);
	uint64_t h = roll(0, p - warm, warm);
	size_t count = 0;
	size_t i = 0;

	while (i < n && count < cap) {
		bool found;

		i += find_below(p + i, n - i, &h, params->loose, &found);
		if (found)
			out[count++] = (base + i) << 1 | (h < params->strict);
	}
	*scanned = i;
	return count;
}

size_t dv_chunker_resolve(const dv_chunker_params *params, uint64_t *start,
			  const dv_chunker_cand *cand, size_t ncand, uint64_t upto, bool last,
			  size_t *lens)
{
	uint64_t at = *start;
	size_t count = 0;

	for (size_t i = 0; i <= ncand; i++) {
		uint64_t pos = i < ncand ? cand[i] >> 1 : upto;
		uint64_t len;

		for (; pos > at && pos - at > params->max; at += params->max)
			lens[count++] = params->max;
		len = pos > at ? pos - at : 0;
		if (i == ncand ? len == params->max || (last && len)
			       : len >= params->min && (len > params->avg || (cand[i] & 1))) {
			lens[count++] = len;
			at = pos;
		}
	}
	*start = at;
	return count;
}
