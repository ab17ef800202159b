/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The streaming and the two-stage chunker, fed in pieces that the input
 * dictates, must cut where the one-shot chunker cuts. The parameter set is
 * tiny so that short inputs have many cuts.
 */
#include <stdlib.h>
#include <string.h>

#include "store/chunker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE_LIMIT ((size_t)1 << 16)
#define CUTS_MAX   (SIZE_LIMIT / 64 + 2)
#define CANDS	   5

static const dv_chunker_params tiny = {
	.name = "tiny",
	.id = 255,
	.min = 64,
	.avg = 128,
	.max = 300,
	.strict = (uint64_t)1 << 57,
	.loose = (uint64_t)1 << 61,
};

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void require(int holds)
{
	if (!holds)
		abort();
}

static void check_same(const size_t *a, size_t na, const size_t *b, size_t nb)
{
	require(na == nb);
	require(na == 0 || memcmp(a, b, na * sizeof(*a)) == 0);
}

/* The first byte says how far the pieces' sizes are drawn from the bytes that follow. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static size_t whole[CUTS_MAX], pieces[CUTS_MAX];
	size_t count, k = 0, total = 0;
	uint64_t start = 0;
	dv_chunker c;

	size = smaller(size, SIZE_LIMIT);
	dv_chunker_init(&c, &tiny);
	count = dv_chunker_feed(&c, data, size, true, whole);
	for (size_t i = 0; i < count; i++) {
		require(whole[i] <= tiny.max && (whole[i] >= tiny.min || i + 1 == count));
		total += whole[i];
	}
	require(total == size);

	dv_chunker_init(&c, &tiny);
	for (size_t at = 0, n; at < size; at += n) {
		n = smaller((size_t)data[at] + (size_t)data[0] % 3, size - at);
		n = n ? n : 1;
		k += dv_chunker_feed(&c, data + at, n, at + n == size, pieces + k);
	}
	check_same(whole, count, pieces, k);

	k = 0;
	for (size_t at = 0, n; at < size; at += n) {
		dv_chunker_cand cand[CANDS];
		size_t want = smaller((size_t)data[at] * 4 + 1, size - at);
		size_t found = dv_chunker_scan(&tiny, data + at, smaller(at, 63), want, at, cand,
					       1 + (size_t)data[at] % CANDS, &n);

		k += dv_chunker_resolve(&tiny, &start, cand, found, at + n, at + n == size,
					pieces + k);
	}
	check_same(whole, count, pieces, k);
	return 0;
}
