/* SPDX-License-Identifier: Apache-2.0 */
/* Deltas as they are made: where bases are looked for, how deep chains get, what comes back. */
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

#include "base/fs.h"
#include "store/care.h"
#include "store/recipe.h"
#include "folder.h"

#define ROW 60u

static uint64_t draw(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 33;
}

/* A row of digits, always the same for the same number. */
static void add_row(dv_buf *b, uint64_t number)
{
	uint64_t seed = number + 1;
	char row[ROW];

	for (size_t i = 0; i < ROW - 1; i++)
		row[i] = (char)('0' + draw(&seed) % 10);
	row[ROW - 1] = '\n';
	ok(dv_buf_add(b, row, ROW));
}

/* Version `v` of a table: rows change all over, and some are new in every one. */
static void table(dv_buf *b, uint64_t rows, uint64_t v)
{
	dv_buf_clear(b);
	for (uint64_t i = 0; i < rows; i++) {
		uint64_t changed = v / 64 + ((i * 37) % 64 < v % 64);

		add_row(b, (i << 20) + changed);
		if (i % 97 == v % 97)
			add_row(b, (i << 20) + 1000 + v);
	}
}

typedef struct shop {
	dv_store *s;
	dv_pool *pool;
} shop;

static void shop_open(shop *o, const char *dir)
{
	ok(dv_store_open(&o->s, dir, DV_STORE_CREATE));
	ok(dv_pool_new(&o->pool, 2, 64));
}

static void shop_close(shop *o)
{
	dv_pool_free(o->pool);
	dv_store_free(o->s);
}

/* Stores bytes as the successor of `before` in a batch of their own; returns what that takes. */
static uint64_t store(shop *o, const dv_buf *b, bool deltas, const dv_oid *before, dv_oid *oid)
{
	dv_autoptr(dv_writer) w = NULL;
	dv_autoptr(dv_ingest) in = NULL;
	struct stat st;
	uint64_t bytes;
	int fd;

	ok(dv_fs_write_file("in", b->p, b->n, 0));
	fd = open("in", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	ok(dv_writer_new(&w, o->s, 1));
	ok(dv_ingest_new(&in, w, o->pool));
	ok(dv_ingest_deltas(in, deltas));
	ok(dv_ingest_large(in, fd, "in", before, oid, &st));
	bytes = dv_writer_bytes(w);
	ok(dv_writer_commit(w, NULL, 0));
	close(fd);
	return bytes;
}

/* The object is whole, its chains are no longer than allowed and end in the same store. Returns
 * the depth of its deepest chunk. */
static int check(shop *o, const dv_oid *oid, const dv_buf *b)
{
	dv_autoptr(dv_reader) r = NULL;
	dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;
	dv_auto(dv_closure) all = DV_CLOSURE_INIT;
	dv_auto(dv_buf) got = DV_BUF_INIT;
	int depth = 0;

	ok(dv_reader_new(&r, o->s));
	ok(dv_object_read(r, oid, (size_t)1 << 30, &got));
	assert_int_equal(got.n, b->n);
	assert_memory_equal(got.p, b->p, b->n);
	ok(dv_recipe_load(&recipe, r, oid));
	for (size_t i = 0; i < recipe.n; i++) {
		dv_place at;

		assert_true(dv_store_find(o->s, DV_KIND_CHUNK, &recipe.c[i].id, &at));
		assert_int_equal(at.depth > 0, at.nbases > 0);
		assert_true(at.nbases <= DV_BASES_MAX);
		if (at.depth > depth)
			depth = at.depth;
	}
	assert_true(depth <= DV_DELTA_DEPTH);
	/* Not tolerant: a base that is not there fails it. */
	ok(dv_closure_add(&all, r, oid, false, false));
	return depth;
}

/* Many versions: each comes back, with the same name as without deltas, in a fraction of the
 * room, and chains use their bound without going beyond it. */
static void test_versions(void **state)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	shop with, without;
	dv_oid was[2], is[2];
	uint64_t bytes[2] = { 0 };
	int deepest = 0;

	(void)state;
	shop_open(&with, "with");
	shop_open(&without, "without");
	for (uint64_t v = 0; v < 60; v++) {
		int depth;

		table(&b, 12000, v);
		bytes[0] += store(&with, &b, true, v ? &was[0] : NULL, &is[0]);
		bytes[1] += store(&without, &b, false, v ? &was[1] : NULL, &is[1]);
		assert_memory_equal(is[0].b, is[1].b, sizeof(is[0].b));
		depth = check(&with, &is[0], &b);
		deepest = depth > deepest ? depth : deepest;
		assert_int_equal(check(&without, &is[1], &b), 0);
		memcpy(was, is, sizeof(was));
	}
	assert_true(deepest > 2);
	assert_true(bytes[0] < bytes[1] / 8);
	{
		dv_store_stats stats;

		ok(dv_store_fsck(with.s, with.pool, false, NULL, NULL, &stats));
	}
	shop_close(&with);
	shop_close(&without);
}

/* A file of many segments: insertions shift all that follows. */
static void test_large(void **state)
{
	dv_auto(dv_buf) b = DV_BUF_INIT, c = DV_BUF_INIT;
	shop o;
	dv_oid was, is;
	uint64_t first, second;

	(void)state;
	shop_open(&o, "large");
	table(&b, 400000, 0);
	first = store(&o, &b, true, NULL, &was);
	for (size_t i = 0; i < b.n; i += ROW) {
		if (i / ROW % 1000 == 7)
			add_row(&c, ((uint64_t)1 << 50) + i);
		ok(dv_buf_add(&c, b.p + i, b.n - i < ROW ? b.n - i : ROW));
	}
	second = store(&o, &c, true, &was, &is);
	check(&o, &is, &c);
	assert_true(second < first / 20);
	shop_close(&o);
}

/* Small files are one chunk, whose base is the whole old file. */
static void test_small(void **state)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	shop o;
	dv_oid was, is;

	(void)state;
	shop_open(&o, "small");
	table(&b, 500, 1);
	store(&o, &b, true, NULL, &was);
	table(&b, 500, 2);
	assert_true(store(&o, &b, true, &was, &is) < b.n / 8);
	assert_int_equal(check(&o, &is, &b), 1);
	shop_close(&o);
}

/* What is unlike its previous version is stored by itself; one that is not there is no trouble. */
static void test_unlike(void **state)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	shop o;
	dv_oid was, is, none = { { 1, 2, 3 } };

	(void)state;
	shop_open(&o, "unlike");
	table(&b, 20000, 0);
	store(&o, &b, true, &none, &was);
	assert_int_equal(check(&o, &was, &b), 0);
	dv_buf_clear(&b);
	for (uint64_t i = 0; i < 20000; i++)
		add_row(&b, ((uint64_t)7 << 40) + i);
	store(&o, &b, true, &was, &is);
	assert_int_equal(check(&o, &is, &b), 0);
	shop_close(&o);
}

static void ids_of(shop *o, const dv_oid *oid, dv_recipe *recipe, size_t **lens, dv_oid **ids)
{
	dv_autoptr(dv_reader) r = NULL;

	ok(dv_reader_new(&r, o->s));
	ok(dv_recipe_load(recipe, r, oid));
	*lens = calloc(recipe->n, sizeof(**lens));
	*ids = calloc(recipe->n, sizeof(**ids));
	assert_true(*lens && *ids);
	for (size_t i = 0; i < recipe->n; i++) {
		(*lens)[i] = recipe->c[i].len;
		(*ids)[i] = recipe->c[i].id;
	}
}

/* Offsets are tied at equal chunks, in proportion between them. */
static void test_walk(void **state)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;
	dv_autoptr(dv_reader) r = NULL;
	dv_autoptr(dv_basis) basis = NULL;
	dv_autofree dv_stretch *where = NULL;
	dv_autofree size_t *lens = NULL;
	dv_autofree dv_oid *ids = NULL;
	dv_oid was, found[4];
	uint64_t at = 0;
	shop o;

	(void)state;
	shop_open(&o, "walk");
	table(&b, 40000, 0);
	store(&o, &b, true, NULL, &was);
	ids_of(&o, &was, &recipe, &lens, &ids);
	assert_true(recipe.n > 8);
	ok(dv_reader_new(&r, o.s));
	ok(dv_basis_open(&basis, r, &was));
	assert_non_null(basis);
	assert_int_equal(dv_basis_size(basis), b.n);
	where = calloc(recipe.n, sizeof(*where));
	assert_non_null(where);
	/* Two chunks became others, twice as long together. */
	memset(ids[3].b, 9, sizeof(ids[3].b));
	memset(ids[4].b, 8, sizeof(ids[4].b));
	lens[3] *= 2;
	lens[4] *= 2;
	dv_basis_walk(basis, 0, ids, lens, recipe.n, true, where);
	for (size_t i = 0; i < recipe.n; i++) {
		int64_t off = (int64_t)where[i].from - (int64_t)at;

		assert_true(off >= -1 && off <= 1);
		assert_int_equal(dv_basis_chunks(basis, (dv_stretch){ at, at + 1 }, found, 4), 1);
		assert_memory_equal(found[0].b, recipe.c[i].id.b, sizeof(found[0].b));
		at += recipe.c[i].len;
	}
	assert_int_equal(dv_basis_chunks(basis, (dv_stretch){ 0, b.n }, found, 4), 4);
	/* Beyond the end there is the last chunk. */
	assert_int_equal(dv_basis_chunks(basis, (dv_stretch){ b.n, b.n + 5 }, found, 4), 1);
	shop_close(&o);
}

/* docs/format.md has these bytes. */
static void test_vector(void **state)
{
	static const uint8_t stored[28] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x00, 0x9d,
					    0x00, 0x00, 0x40, 0x39, 0x32, 0x30, 0x32,
					    0x33, 0x32, 0x30, 0x0a, 0x03, 0x00, 0x08,
					    0x43, 0x10, 0x88, 0x97, 0x63, 0x86, 0x20 };
	static const char bases[] = "year,place,count\n2021,north,104\n2021,south,98\n"
				    "2022,north,111\n2022,south,97\n";
	static const char chunk[] = "year,place,count\n2021,north,104\n2021,south,99\n"
				    "2022,north,111\n2022,south,97\n2023,north,120\n";
	dv_pack_entry e = { .stored = sizeof(stored), .raw = sizeof(chunk) - 1,
			    .codec = DV_CODEC_ZSTD_DELTA };
	uint8_t out[sizeof(chunk)];

	(void)state;
	ok(dv_pack_decode(out, &e, stored, (const uint8_t *)bases, sizeof(bases) - 1));
	assert_memory_equal(out, chunk, sizeof(chunk) - 1);
}

/* Small files share bases, the chunks of a long file too; all come back. */
static void test_peers(void **state)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	dv_autoptr(dv_writer) w = NULL;
	dv_autoptr(dv_ingest) in = NULL;
	uint64_t bytes[2] = { 0 }, rows = 0;
	dv_oid oids[2][200];
	shop o[2];

	(void)state;
	shop_open(&o[0], "peers");
	shop_open(&o[1], "alone");
	for (int k = 0; k < 2; k++) {
		ok(dv_writer_new(&w, o[k].s, 1));
		ok(dv_ingest_new(&in, w, o[k].pool));
		ok(dv_ingest_deltas(in, !k));
		for (uint64_t i = 0; i < 200; i++) {
			struct stat st;
			int fd;

			table(&b, 30, i % 16);
			add_row(&b, ((uint64_t)9 << 40) + i);
			ok(dv_fs_write_file("in", b.p, b.n, 0));
			fd = open("in", O_RDONLY | O_CLOEXEC);
			assert_true(fd >= 0);
			ok(dv_ingest_small(in, 0, fd, "in", NULL, &oids[k][i], &st));
			close(fd);
		}
		bytes[k] = dv_writer_bytes(w);
		ok(dv_writer_commit(w, NULL, 0));
		dv_ingest_free(dv_steal(&in));
		dv_writer_free(dv_steal(&w));
	}
	assert_memory_equal(oids[0], oids[1], sizeof(oids[0]));
	assert_true(bytes[0] < bytes[1] / 2);
	for (uint64_t i = 0; i < 200; i++) {
		table(&b, 30, i % 16);
		add_row(&b, ((uint64_t)9 << 40) + i);
		assert_true(check(&o[0], &oids[0][i], &b) <= 1);
	}
	/* Rows of one of a thousand kinds: no chunk is another's, but all have the same words. */
	dv_buf_clear(&b);
	for (uint64_t seed = 5; rows < 200000; rows++)
		add_row(&b, draw(&seed) % 4000);
	bytes[0] = store(&o[0], &b, true, NULL, &oids[0][0]);
	bytes[1] = store(&o[1], &b, false, NULL, &oids[1][0]);
	assert_memory_equal(oids[0][0].b, oids[1][0].b, sizeof(oids[0][0].b));
	assert_true(bytes[0] < bytes[1] - bytes[1] / 20);
	assert_int_equal(check(&o[0], &oids[0][0], &b), 1);
	shop_close(&o[0]);
	shop_close(&o[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions), cmocka_unit_test(test_large),
		cmocka_unit_test(test_small),	 cmocka_unit_test(test_unlike),
		cmocka_unit_test(test_walk),	 cmocka_unit_test(test_vector),
		cmocka_unit_test(test_peers),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
