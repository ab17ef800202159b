/* SPDX-License-Identifier: Apache-2.0 */
/* Objects: in and out again, of every size, and what is said when the bytes are wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "store/care.h"
#include "store/recipe.h"
#include "folder.h"

/* Bytes that do not repeat; the same for the same seed. */
static uint8_t *noise(size_t n, uint64_t seed, bool text)
{
	uint8_t *p = malloc(n + 8);

	assert_non_null(p);
	for (size_t i = 0; i < n; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		p[i] = text ? "0123456789,\n"[(seed >> 33) % 12] : (uint8_t)(seed >> 33);
	}
	return p;
}

static int file_of(const char *name, const void *p, size_t n)
{
	int fd;

	ok(dv_fs_write_file(name, p, n, 0));
	fd = open(name, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void expect_file(const char *name, const uint8_t *p, size_t n)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	ok(dv_fs_read_file(&b, name, (size_t)1 << 30));
	assert_int_equal(b.n, n);
	assert_memory_equal(dv_buf_str(&b), p, n);
}

static int collect(const void *p, size_t n, void *payload)
{
	return dv_buf_add(payload, p, n);
}

static void check_out(dv_store *s, dv_pool *pool, const dv_oid *oid, const uint8_t *p, size_t n)
{
	dv_autoptr(dv_reader) r = NULL;
	dv_auto(dv_buf) b = DV_BUF_INIT;
	size_t from = n / 3, len = n / 2;
	int fd;

	ok(dv_reader_new(&r, s));
	fd = open("out", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	ok(dv_object_write(r, oid, n, fd));
	close(fd);
	expect_file("out", p, n);
	fd = open("out", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	ok(dv_object_write_large(s, pool, oid, n, fd));
	expect_file("out", p, n);
	assert_int_equal(dv_object_write(r, oid, n + 1, fd), DV_ECORRUPT);
	close(fd);
	ok(dv_object_read(r, oid, n, &b));
	assert_int_equal(b.n, n);
	assert_memory_equal(dv_buf_str(&b), p, n);
	if (n)
		assert_true(dv_object_read(r, oid, n - 1, &b) < 0);
	dv_buf_clear(&b);
	ok(dv_object_stream(r, oid, from, len, collect, &b));
	assert_int_equal(b.n, len);
	assert_memory_equal(dv_buf_str(&b), p + from, len);
	dv_buf_clear(&b);
	ok(dv_object_stream(r, oid, from, UINT64_MAX, collect, &b));
	assert_int_equal(b.n, n - from);
	ok(dv_object_stream(r, oid, n + 5, 1, collect, &b));
	assert_int_equal(b.n, n - from);
	ok(dv_store_check_object(r, oid, false, NULL, NULL));
}

static const size_t sizes[] = { 0, 1, 100, 4096, 65536, 65537, 300000, 1048576, 4194304, 4194305,
				9000001, 30000000, 70000000 };

/* Stored three ways, every object has one name and comes back whole. */
static void test_sizes(void **state)
{
	dv_autoptr(dv_store) s = NULL;
	dv_autoptr(dv_pool) pool = NULL;
	dv_autoptr(dv_writer) w = NULL;
	dv_autoptr(dv_ingest) in = NULL;
	dv_autoptr(dv_encoder) enc = NULL;
	dv_oid oids[13];

	(void)state;
	ok(dv_store_open(&s, "sizes", DV_STORE_CREATE));
	ok(dv_pool_new(&pool, 2, 64));
	ok(dv_writer_new(&w, s, 1));
	ok(dv_ingest_new(&in, w, pool));
	ok(dv_encoder_new(&enc, 1));
	for (size_t i = 0; i < 13; i++) {
		uint8_t *p = noise(sizes[i], i, i % 2);
		int fd = file_of("in", p, sizes[i]);
		struct stat st;
		dv_oid want, is;

		dv_sha256(&want, p, sizes[i]);
		ok(dv_ingest_large(in, fd, "in", NULL, &oids[i], &st));
		assert_memory_equal(oids[i].b, want.b, sizeof(want.b));
		ok(dv_hash_file(fd, "in", &is, &st));
		assert_memory_equal(is.b, want.b, sizeof(want.b));
		assert_int_equal(st.st_size, sizes[i]);
		if (sizes[i] <= DV_INGEST_SMALL) {
			ok(dv_ingest_small(in, 0, fd, "in", NULL, &is, &st));
			assert_memory_equal(is.b, want.b, sizeof(want.b));
		}
		ok(dv_object_put(w, enc, p, sizes[i], &is));
		assert_memory_equal(is.b, want.b, sizeof(want.b));
		close(fd);
		free(p);
	}
	ok(dv_writer_commit(w, NULL, 0));
	for (size_t i = 0; i < 13; i++) {
		uint8_t *p = noise(sizes[i], i, i % 2);

		check_out(s, pool, &oids[i], p, sizes[i]);
		free(p);
	}
}

/* Chunks of zeros come back as holes, also over what was in the file, and nothing else does. */
static void test_holes(void **state)
{
	const size_t n = 40000000, from = 9000001, to = 30000000;
	dv_autoptr(dv_store) s = NULL;
	dv_autoptr(dv_pool) pool = NULL;
	dv_autoptr(dv_writer) w = NULL;
	dv_autoptr(dv_ingest) in = NULL;
	uint8_t *p = noise(n, 77, false);
	struct stat st;
	dv_oid oid;
	int fd;

	(void)state;
	ok(dv_store_open(&s, "holes", DV_STORE_CREATE));
	ok(dv_pool_new(&pool, 2, 64));
	ok(dv_writer_new(&w, s, 1));
	ok(dv_ingest_new(&in, w, pool));
	memset(p + from, 0, to - from);
	p[20000000] = 1;
	fd = file_of("in", p, n);
	ok(dv_ingest_large(in, fd, "in", NULL, &oid, &st));
	close(fd);
	ok(dv_writer_commit(w, NULL, 0));
	check_out(s, pool, &oid, p, n);
	fd = open("in", O_RDWR | O_CLOEXEC);
	memset(p, 0xff, n);
	assert_int_equal(dv_fs_pwrite_all(fd, p, n, 5), 0);
	ok(dv_object_write_large(s, pool, &oid, n, fd));
	assert_int_equal(fstat(fd, &st), 0);
	assert_true((size_t)st.st_blocks * 512 < n - (to - from) / 2);
	close(fd);
	free(p);
	p = noise(n, 77, false);
	memset(p + from, 0, to - from);
	p[20000000] = 1;
	expect_file("in", p, n);
	free(p);
}

/* Cuts do not depend on the way in: a file read in segments gets the chunks of one in memory. */
static void test_same_cuts(void **state)
{
	dv_autoptr(dv_store) s = NULL;
	dv_autoptr(dv_pool) pool = NULL;
	dv_autoptr(dv_writer) w = NULL;
	dv_autoptr(dv_ingest) in = NULL;
	dv_autoptr(dv_encoder) enc = NULL;
	size_t n = 40000000;
	uint8_t *p = noise(n, 99, false);
	uint64_t before;
	struct stat st;
	dv_oid oid;
	int fd;

	(void)state;
	/* A long run of one byte is cut at the longest, across segments too. */
	memset(p + 3000000, 'x', 6000000);
	fd = file_of("in", p, n);
	ok(dv_store_open(&s, "cuts", DV_STORE_CREATE));
	ok(dv_pool_new(&pool, 3, 8));
	ok(dv_writer_new(&w, s, 1));
	ok(dv_ingest_new(&in, w, pool));
	ok(dv_encoder_new(&enc, 1));
	ok(dv_object_put(w, enc, p, n, &oid));
	before = dv_writer_bytes(w);
	ok(dv_ingest_large(in, fd, "in", NULL, &oid, &st));
	assert_int_equal(dv_writer_bytes(w), before);
	close(fd);
	free(p);
}

static void test_recipe(void **state)
{
	static const char hex[] = "44565245434950310001000000000000"
				  "0500000000000000"
				  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
				  "03000000"
				  "959a45d44e6fcf58361ed004681556fe50129f2109e817dec098c00c9e5d2578"
				  "02000000";
	uint8_t bytes[96], bad[96];
	char digest[DV_OID_HEX_SIZE + 1];
	dv_auto(dv_buf) b = DV_BUF_INIT;
	dv_auto(dv_recipe) r = DV_RECIPE_INIT;
	uint8_t level;
	dv_oid id;

	(void)state;
	for (size_t i = 0; i < 96; i++) {
		unsigned v;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &v), 1);
		bytes[i] = (uint8_t)v;
	}
	ok(dv_recipe_begin(&b, 0, DV_CHUNKER_GEAR64_16K, 5));
	dv_sha256(&id, "abc", 3);
	dv_recipe_append(&b, &id, 3);
	dv_sha256(&id, "de", 2);
	dv_recipe_append(&b, &id, 2);
	assert_int_equal(b.n, 96);
	assert_memory_equal(b.p, bytes, 96);
	dv_sha256(&id, b.p, b.n);
	dv_oid_hex(digest, &id);
	assert_string_equal(digest,
			    "576d5114a259db6256f3e8c2380e3345c9f5bc2aa78664d7f63d99084d535bad");
	ok(dv_recipe_parse(&r, &level, bytes, 96));
	assert_int_equal(r.n, 2);
	assert_int_equal(r.size, 5);
	dv_recipe_release(&r);
	for (size_t n = 0; n < 96; n++)
		assert_int_equal(dv_recipe_parse(&r, &level, bytes, n), DV_ECORRUPT);
	/* Every byte but those of the ids and the chunker's matters. */
	for (size_t i = 0; i < 96; i++) {
		memcpy(bad, bytes, 96);
		bad[i] ^= 0x81;
		if (i == 9 || (i >= 24 && i < 56) || (i >= 60 && i < 92))
			continue;
		assert_int_equal(dv_recipe_parse(&r, &level, bad, 96), DV_ECORRUPT);
	}
}

/* A recipe longer than one entry goes through further levels. */
static void test_levels(void **state)
{
	dv_autoptr(dv_store) s = NULL;
	dv_autoptr(dv_writer) w = NULL;
	dv_autoptr(dv_encoder) enc = NULL;
	dv_autoptr(dv_reader) r = NULL;
	dv_auto(dv_buf) b = DV_BUF_INIT;
	dv_auto(dv_recipe) back = DV_RECIPE_INIT;
	dv_auto(dv_closure) c = DV_CLOSURE_INIT;
	uint64_t n = 300000;
	dv_oid oid, first;

	(void)state;
	ok(dv_store_open(&s, "levels", DV_STORE_CREATE));
	ok(dv_writer_new(&w, s, 1));
	ok(dv_encoder_new(&enc, 1));
	ok(dv_recipe_begin(&b, 0, DV_CHUNKER_GEAR64_64K, n * 7));
	for (uint64_t i = 0; i < n; i++) {
		dv_oid id;

		dv_sha256(&id, &i, sizeof(i));
		if (!i)
			first = id;
		dv_recipe_append(&b, &id, 7);
	}
	dv_sha256(&oid, "levels", 6);
	ok(dv_recipe_put(w, enc, &oid, &b));
	ok(dv_writer_commit(w, NULL, 0));
	ok(dv_reader_new(&r, s));
	ok(dv_recipe_load(&back, r, &oid));
	assert_int_equal(back.n, n);
	assert_int_equal(back.size, n * 7);
	assert_true(back.ninner > 1);
	assert_memory_equal(back.c[0].id.b, first.b, 32);
	assert_int_equal(dv_closure_add(&c, r, &oid, false, false), DV_ENOTFOUND);
	dv_closure_release(&c);
	ok(dv_closure_add(&c, r, &oid, false, true));
	assert_int_equal(c.nmissing, n);
	assert_int_equal(c.chunks.n, n + back.ninner);
}

static void test_changed(void **state)
{
	dv_autoptr(dv_store) s = NULL;
	dv_autoptr(dv_reader) r = NULL;
	dv_oid none = { { 1 } };

	(void)state;
	ok(dv_store_open(&s, "none", DV_STORE_CREATE));
	ok(dv_reader_new(&r, s));
	assert_int_equal(dv_object_write(r, &none, 1, -1), DV_ENOTFOUND);
	assert_non_null(strstr(dv_error_last()->message, "is not in the store"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recipe),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_holes),
		cmocka_unit_test(test_same_cuts),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_changed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
