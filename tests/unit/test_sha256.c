/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 against libcrypto: every backend this CPU can run, every interface,
 * lengths around the block borders, odd alignments. And the text form of oids.
 */
#include "base/sha256.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define POOL_SIZE ((size_t)3 << 20)
#define MANY_MAX  200

static const char *const backends[] = {
	"portable", "sha-ni", "sha-ni-pairs", "avx512", "avx512-pairs",
};
#define NBACKENDS (sizeof(backends) / sizeof(backends[0]))

static uint8_t *pool;
static uint64_t seed;

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

static dv_oid expected(const void *p, size_t n)
{
	dv_oid oid;

	assert_int_equal(EVP_Digest(p, n, oid.b, NULL, EVP_sha256(), NULL), 1);
	return oid;
}

static void assert_oid(const dv_oid *got, const void *p, size_t n)
{
	dv_oid want = expected(p, n);

	assert_memory_equal(got->b, want.b, sizeof(want.b));
}

static int make_pool(void **state)
{
	(void)state;
	seed = 88172645463325252u;
	pool = malloc(POOL_SIZE);
	if (!pool)
		return -1;
	for (size_t i = 0; i < POOL_SIZE; i++)
		pool[i] = (uint8_t)next_random();
	return 0;
}

static int drop_pool(void **state)
{
	(void)state;
	free(pool);
	return dv_sha256_force_backend(NULL);
}

/* Calls `check` once with every backend that can be forced. */
static void with_every_backend(void (*check)(void))
{
	for (size_t i = 0; i < NBACKENDS; i++) {
		if (dv_sha256_force_backend(backends[i]))
			continue;
		assert_string_equal(dv_sha256_backend(), backends[i]);
		check();
	}
}

static void check_lengths(void)
{
	for (size_t n = 0; n <= 300; n++) {
		for (size_t offset = 0; offset < 4; offset++) {
			dv_oid oid;

			dv_sha256(&oid, pool + offset, n);
			assert_oid(&oid, pool + offset, n);
		}
	}
}

static void test_lengths(void **state)
{
	(void)state;
	with_every_backend(check_lengths);
}

static void check_stream(void)
{
	for (int round = 0; round < 100; round++) {
		size_t offset = below(100);
		size_t n = below(round < 50 ? 1000 : 100000);
		dv_sha256_ctx ctx, fork;
		dv_oid oid;

		dv_sha256_init(&ctx);
		for (size_t at = 0; at < n;) {
			size_t m = 1 + below(below(2) ? 70 : n);

			m = m < n - at ? m : n - at;
			dv_sha256_update(&ctx, pool + offset + at, m);
			at += m;
			fork = ctx;
			if (below(4) == 0) {
				dv_sha256_final(&fork, &oid);
				assert_oid(&oid, pool + offset, at);
			}
		}
		dv_sha256_update(&ctx, NULL, 0);
		dv_sha256_final(&ctx, &oid);
		assert_oid(&oid, pool + offset, n);
	}
}

static void test_stream(void **state)
{
	(void)state;
	with_every_backend(check_stream);
}

static void check_many(void)
{
	static const size_t limits[] = { 1, 60, 300, 5000, 70000 };
	dv_oid oids[MANY_MAX];
	const void *p[MANY_MAX];
	size_t n[MANY_MAX];

	for (size_t round = 0; round < 60; round++) {
		size_t count = below(round < 40 ? 24 : MANY_MAX);
		size_t limit = limits[round % 5];

		for (size_t i = 0; i < count; i++) {
			n[i] = below(8) ? below(limit) : below(100);
			p[i] = pool + below(POOL_SIZE - n[i]);
		}
		dv_sha256_many(oids, p, n, count);
		for (size_t i = 0; i < count; i++)
			assert_oid(&oids[i], p[i], n[i]);
	}
}

static void test_many(void **state)
{
	(void)state;
	with_every_backend(check_many);
}

static void check_fused(void)
{
	static const size_t limits[] = { 2, 70, 700, 15000 };
	dv_oid oids[MANY_MAX], oid;
	size_t lens[MANY_MAX];

	for (size_t round = 0; round < 60; round++) {
		size_t count = below(MANY_MAX);
		size_t before = below(200);
		size_t total = 0;
		dv_sha256_ctx stream;

		for (size_t i = 0; i < count; i++) {
			lens[i] = below(limits[round % 4]);
			total += lens[i];
		}
		dv_sha256_init(&stream);
		dv_sha256_update(&stream, pool, before);
		dv_sha256_stream_and_chunks(&stream, oids, pool + before, lens, count);
		total = before;
		for (size_t i = 0; i < count; i++) {
			assert_oid(&oids[i], pool + total, lens[i]);
			total += lens[i];
		}
		dv_sha256_update(&stream, pool + total, 77);
		dv_sha256_final(&stream, &oid);
		assert_oid(&oid, pool, total + 77);
	}
}

static void test_fused(void **state)
{
	(void)state;
	with_every_backend(check_fused);
}

/* The length in bits no longer fits 32 bits. */
static void test_long(void **state)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	dv_sha256_ctx ctx;
	dv_oid got, want;

	(void)state;
	assert_non_null(md);
	assert_int_equal(EVP_DigestInit_ex(md, EVP_sha256(), NULL), 1);
	dv_sha256_force_backend(NULL);
	dv_sha256_init(&ctx);
	for (uint64_t total = 0; total <= (uint64_t)513 << 20; total += POOL_SIZE) {
		dv_sha256_update(&ctx, pool, POOL_SIZE);
		EVP_DigestUpdate(md, pool, POOL_SIZE);
	}
	dv_sha256_final(&ctx, &got);
	EVP_DigestFinal_ex(md, want.b, NULL);
	EVP_MD_CTX_free(md);
	assert_memory_equal(got.b, want.b, sizeof(want.b));
}

static void test_force(void **state)
{
	(void)state;
	assert_int_equal(dv_sha256_force_backend("none such"), -1);
	assert_int_equal(dv_sha256_force_backend("portable"), 0);
	assert_string_equal(dv_sha256_backend(), "portable");
	assert_int_equal(dv_sha256_force_backend(NULL), 0);
}

static void test_oid_text(void **state)
{
	static const char empty[] =
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
	char hex[DV_OID_HEX_SIZE + 1], bad[DV_OID_HEX_SIZE + 1];
	dv_oid a, b;

	(void)state;
	dv_sha256(&a, NULL, 0);
	dv_oid_hex(hex, &a);
	assert_string_equal(hex, empty);
	assert_int_equal(dv_oid_parse(&b, empty, 64), 0);
	assert_true(dv_oid_eq(&a, &b));
	assert_int_equal(dv_oid_cmp(&a, &b), 0);
	b.b[31]++;
	assert_true(dv_oid_cmp(&a, &b) < 0);
	assert_false(dv_oid_is_zero(&a));
	memset(&b, 0, sizeof(b));
	assert_true(dv_oid_is_zero(&b));

	b = a;
	assert_int_equal(dv_oid_parse(&b, empty, 63), -1);
	assert_int_equal(dv_oid_parse(&b, empty, 65), -1);
	assert_int_equal(dv_oid_parse(&b, "", 0), -1);
	for (size_t i = 0; i < DV_OID_HEX_SIZE; i++) {
		static const char wrong[] = { 'A', 'g', '/', ':', '`', ' ', '\0', (char)0xff };

		for (size_t j = 0; j < sizeof(wrong); j++) {
			memcpy(bad, empty, sizeof(bad));
			bad[i] = wrong[j];
			assert_int_equal(dv_oid_parse(&b, bad, 64), -1);
		}
	}
	assert_true(dv_oid_eq(&a, &b));

	char text[DV_OID_TEXT_SIZE + 1];

	dv_oid_text(text, &a);
	assert_memory_equal(text, "sha256:", 7);
	assert_string_equal(text + 7, empty);
	memset(&b, 0, sizeof(b));
	assert_int_equal(dv_oid_parse_text(&b, empty), -1);
	assert_int_equal(dv_oid_parse_text(&b, "sha256:"), -1);
	assert_true(dv_oid_is_zero(&b));
	assert_int_equal(dv_oid_parse_text(&b, text), 0);
	assert_true(dv_oid_eq(&a, &b));
	assert_string_equal(dv_oid_digits(text), empty);
	assert_string_equal(dv_oid_digits(empty), empty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lengths),	 cmocka_unit_test(test_stream),
		cmocka_unit_test(test_many),	 cmocka_unit_test(test_fused),
		cmocka_unit_test(test_long),	 cmocka_unit_test(test_force),
		cmocka_unit_test(test_oid_text),
	};

	return cmocka_run_group_tests(tests, make_pool, drop_pool);
}
