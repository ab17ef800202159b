/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chunker against the frozen vectors of docs/format.md and against a byte
 * by byte reading of its rule: however the data arrives or the work is split,
 * the cuts are the same.
 */
#include "store/chunker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/sha256.h"

#define KIB	  ((size_t)1024)
#define MIB	  (KIB * 1024)
#define DATA_SIZE (6 * MIB)
#define CUTS_MAX  (DATA_SIZE / (4 * KIB) + 16)

static uint8_t *data;
static size_t want[CUTS_MAX], got[CUTS_MAX];
static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1d;
}

static size_t below(size_t n)
{
	return (size_t)(next_random() % n);
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* The rule, as the header states it. */
static size_t naive(const dv_chunker_params *q, const uint8_t *p, size_t n, size_t *lens)
{
	const uint64_t *gear = dv_chunker_gear();
	uint64_t h = 0;
	size_t count = 0;
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		bool cut;

		h = 2 * h + gear[p[i]];
		len++;
		cut = len == q->max || i + 1 == n;
		if (len >= q->min && h < (len <= q->avg ? q->strict : q->loose))
			cut = true;
		if (cut) {
			lens[count++] = len;
			len = 0;
		}
	}
	return count;
}

static size_t feed_pieces(const dv_chunker_params *q, size_t n, size_t piece_max, size_t *lens)
{
	dv_chunker c;
	size_t count = 0;
	size_t at = 0;

	dv_chunker_init(&c, q);
	do {
		size_t m = smaller(below(piece_max + 1), n - at);
		size_t k = dv_chunker_feed(&c, data + at, m, at + m == n, lens + count);

		assert_true(k <= dv_chunker_bound(q, m));
		count += k;
		at += m;
	} while (at < n);
	return count;
}

/* Scans ranges of random sizes with room for few candidates, resolving as it goes. */
static size_t two_stages(const dv_chunker_params *q, size_t n, size_t piece_max, size_t *lens)
{
	dv_chunker_cand cand[64];
	uint64_t start = 0;
	size_t count = 0;
	size_t at = 0;

	while (at < n) {
		size_t m = smaller(1 + below(piece_max), n - at);
		size_t cap = 1 + below(64);
		size_t scanned, found, k;

		found = dv_chunker_scan(q, data + at, smaller(at, 63), m, at, cand, cap, &scanned);
		assert_true(found <= cap);
		assert_true(scanned == m || found == cap);
		at += scanned;
		k = dv_chunker_resolve(q, &start, cand, found, at, at == n, lens + count);
		count += k;
	}
	return count;
}

static void compare_all(const dv_chunker_params *q, size_t n)
{
	static const size_t pieces[] = { 7, 100, 5000, 70000, MIB, DATA_SIZE };
	size_t count = naive(q, data, n, want);
	size_t total = 0;

	for (size_t i = 0; i < count; i++) {
		assert_true(want[i] <= q->max);
		assert_true(want[i] >= q->min || i + 1 == count);
		total += want[i];
	}
	assert_int_equal(total, n);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		if (pieces[i] < 100 && n > MIB)
			continue;
		assert_int_equal(feed_pieces(q, n, pieces[i], got), count);
		assert_memory_equal(got, want, count * sizeof(*want));
		assert_int_equal(two_stages(q, n, pieces[i], got), count);
		assert_memory_equal(got, want, count * sizeof(*want));
	}
}

static void fill_random(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)next_random();
}

/* Stretches of noise, of one byte, of a short period, of digits. */
static void fill_mixed(uint8_t *p, size_t n)
{
	while (n) {
		size_t m = smaller(1 + below(500 * KIB), n);
		size_t period = 2 + below(200);
		uint8_t byte = (uint8_t)next_random();
		size_t kind = below(4);

		fill_random(p, smaller(m, period));
		for (size_t i = 0; i < m; i++) {
			if (kind == 0)
				p[i] = byte;
			else if (kind == 1 && i >= period)
				p[i] = p[i - period];
			else if (kind == 2)
				p[i] = (uint8_t)('0' + below(10));
			else
				p[i] = (uint8_t)next_random();
		}
		p += m;
		n -= m;
	}
}

static void test_same_cuts(void **state)
{
	(void)state;
	for (uint8_t id = 1; id <= 2; id++) {
		const dv_chunker_params *q = dv_chunker_by_id(id);

		fill_random(data, DATA_SIZE);
		compare_all(q, DATA_SIZE);
		for (int round = 0; round < 6; round++) {
			fill_mixed(data, DATA_SIZE);
			compare_all(q, 1 + below(DATA_SIZE));
		}
		memset(data, 'x', MIB);
		compare_all(q, MIB - 1);
	}
}

/* Lengths around min, avg, max, with cuts wherever the data allows. */
static void test_small_lengths(void **state)
{
	(void)state;
	fill_random(data, DATA_SIZE);
	for (uint8_t id = 0; id <= 2; id++) {
		const dv_chunker_params *q = dv_chunker_by_id(id);
		const size_t sizes[] = { 1,	     63,	 64,	     q->min - 1,
					 q->min,     q->min + 1, q->avg - 1, q->avg,
					 q->avg + 1, q->max - 1, q->max,     q->max + 1 };

		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			compare_all(q, sizes[i]);
	}
}

static void test_nothing(void **state)
{
	const dv_chunker_params *q = dv_chunker_by_id(DV_CHUNKER_GEAR64_16K);
	uint64_t start = 0;
	dv_chunker c;

	(void)state;
	dv_chunker_init(&c, q);
	assert_int_equal(dv_chunker_feed(&c, data, 0, false, got), 0);
	assert_int_equal(dv_chunker_feed(&c, data, 0, true, got), 0);
	assert_int_equal(dv_chunker_resolve(q, &start, NULL, 0, 0, true, got), 0);
	/* The end may be learnt after the last byte. */
	assert_int_equal(dv_chunker_feed(&c, data, 5, false, got), 0);
	assert_int_equal(dv_chunker_feed(&c, data, 0, true, got), 1);
	assert_int_equal(got[0], 5);
}

static void test_parameter_sets(void **state)
{
	(void)state;
	for (uint8_t id = 0; id <= 2; id++) {
		const dv_chunker_params *q = dv_chunker_by_id(id);

		assert_int_equal(q->id, id);
		assert_ptr_equal(dv_chunker_by_name(q->name), q);
		assert_true(q->min >= 64 && q->min <= q->avg && q->avg <= q->max);
		assert_true(q->max <= DV_CHUNK_SIZE_MAX);
		assert_true(q->strict <= q->loose);
	}
	assert_null(dv_chunker_by_id(3));
	assert_null(dv_chunker_by_name("gear64-1-17k"));
	assert_int_equal(dv_chunker_for_size(0)->id, DV_CHUNKER_WHOLE);
	assert_int_equal(dv_chunker_for_size(64 * KIB)->id, DV_CHUNKER_WHOLE);
	assert_int_equal(dv_chunker_for_size(64 * KIB + 1)->id, DV_CHUNKER_GEAR64_64K);
	assert_int_equal(dv_chunker_for_size(64 * MIB)->id, DV_CHUNKER_GEAR64_64K);
	assert_int_equal(dv_chunker_for_size(UINT64_MAX)->id, DV_CHUNKER_GEAR64_64K);
}

/* --- frozen ---------------------------------------------------------------------- */

static uint64_t get_le64(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

static void put_le64(uint8_t *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static void assert_digest(const void *p, size_t n, const char *want_hex)
{
	char hex[DV_OID_HEX_SIZE + 1];
	dv_oid oid;

	dv_sha256(&oid, p, n);
	dv_oid_hex(hex, &oid);
	assert_string_equal(hex, want_hex);
}

static void test_gear_table(void **state)
{
	const uint64_t *gear = dv_chunker_gear();
	uint8_t text[11] = "dv gear v1";
	uint8_t bytes[256 * 8];

	(void)state;
	for (int i = 0; i < 256; i++) {
		dv_oid oid;

		text[10] = (uint8_t)i;
		dv_sha256(&oid, text, sizeof(text));
		assert_true(gear[i] == get_le64(oid.b));
		put_le64(bytes + 8 * i, gear[i]);
		/* 64 equal bytes hash to -G[byte]: no candidate, by a factor of two. */
		assert_true(0 - gear[i] >= (uint64_t)1 << 53);
	}
	assert_true(gear[0] == 0x9543bef4e89f1d25);
	assert_true(gear[1] == 0xb251526ef3b9b188);
	assert_true(gear[255] == 0x69609bdffd872f2c);
	assert_digest(bytes, sizeof(bytes),
		      "40f97c1b54fdd36f5d42e7bb957679be92f116d9da63c76ce60a258242e34534");
}

/* Byte 32*i onwards is SHA-256 of i as eight bytes, little endian. */
static void fill_counter(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n / 32; i++) {
		uint8_t le[8];
		dv_oid oid;

		put_le64(le, i);
		dv_sha256(&oid, le, sizeof(le));
		memcpy(p + 32 * i, oid.b, 32);
	}
}

struct vector {
	uint8_t id;
	size_t size;
	size_t count;
	size_t first[6];    /* ends of the first chunks */
	const char *digest; /* SHA-256 of all ends, eight bytes each, little endian */
};

static void check_vector(const struct vector *v)
{
	static uint8_t ends[CUTS_MAX * 8];
	size_t count = feed_pieces(dv_chunker_by_id(v->id), v->size, DATA_SIZE, got);
	uint64_t at = 0;

	for (size_t i = 0; i < count; i++) {
		at += got[i];
		put_le64(ends + 8 * i, at);
		if (i < sizeof(v->first) / sizeof(v->first[0]))
			assert_int_equal(at, v->first[i]);
	}
	assert_int_equal(count, v->count);
	assert_digest(ends, 8 * count, v->digest);
}

static void test_vectors(void **state)
{
	static const struct vector random[] = {
		{ DV_CHUNKER_GEAR64_16K,
		  1048576,
		  54,
		  { 18184, 28706, 45910, 60254, 83933, 103689 },
		  "cafdb4cb5d42c8ebfef62ad8880bd77233b0bc3cf61cf6ebfaabbb77a6cd25ab" },
		{ DV_CHUNKER_GEAR64_16K,
		  4194304,
		  228,
		  { 18184, 28706, 45910, 60254, 83933, 103689 },
		  "2ead012bc641e493f926fe98e13f99973a24c43627c96c8f839c07b8d1d6601f" },
		{ DV_CHUNKER_GEAR64_64K,
		  4194304,
		  57,
		  { 28706, 128446, 197218, 276515, 331473, 433297 },
		  "f29c66234fac1e1aeb3b2b33e153caeb3e00716fea6023068db37c5cfc426b91" },
	};
	static const struct vector periodic[] = {
		{ DV_CHUNKER_GEAR64_16K,
		  1048576,
		  16,
		  { 65536, 131072, 196608, 262144, 327680, 393216 },
		  "df8f047e25674b0c962ed9fc8e0783b517f04b15418e6cf8775f77ffa058af7d" },
		{ DV_CHUNKER_GEAR64_64K,
		  1048576,
		  4,
		  { 262144, 524288, 786432, 1048576 },
		  "7493203cdfd76658ed6940812b2803458dfebe4c04738485fe7414768de19c04" },
	};

	(void)state;
	fill_counter(data, 4 * MIB);
	assert_digest(data, MIB, "8936491f7e7dd3ca297960ec425e8375f1b9db51278d5fff5481205c0992a132");
	for (size_t i = 0; i < sizeof(random) / sizeof(random[0]); i++)
		check_vector(&random[i]);
	/* The first 1000 bytes of the same, over and over. */
	for (size_t i = 1000; i < MIB; i++)
		data[i] = data[i - 1000];
	for (size_t i = 0; i < sizeof(periodic) / sizeof(periodic[0]); i++)
		check_vector(&periodic[i]);
}

/* A run of one byte value is cut at max, whichever value it is. */
static void test_runs(void **state)
{
	(void)state;
	for (int byte = 0; byte < 256; byte++) {
		memset(data, byte, MIB);
		for (uint8_t id = 1; id <= 2; id++) {
			const dv_chunker_params *q = dv_chunker_by_id(id);
			size_t count = feed_pieces(q, MIB, DATA_SIZE, got);

			assert_int_equal(count, MIB / q->max);
			for (size_t i = 0; i < count; i++)
				assert_int_equal(got[i], q->max);
		}
	}
}

static int make_data(void **state)
{
	(void)state;
	data = malloc(DATA_SIZE);
	return data ? 0 : -1;
}

static int drop_data(void **state)
{
	(void)state;
	free(data);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gear_table),     cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_parameter_sets), cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_small_lengths),  cmocka_unit_test(test_same_cuts),
		cmocka_unit_test(test_runs),
	};

	return cmocka_run_group_tests(tests, make_data, drop_data);
}
