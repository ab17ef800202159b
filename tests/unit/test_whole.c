/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files as containers: the seal, and what a broken one means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "store/recipe.h"
#include "store/whole.h"
#include "folder.h"

#define SIZE ((size_t)300000)

static void test_stamp(void **state)
{
	dv_oid oid;

	(void)state;
	dv_sha256(&oid, "abc", 3);
	assert_int_equal(dv_whole_stamp(&oid), 205920954);
	memset(&oid, 0xff, sizeof(oid));
	assert_int_equal(dv_whole_stamp(&oid), 0xffffffffu % 1000000000u);
}

static void fill(uint8_t *p)
{
	uint64_t seed = 7;

	for (size_t i = 0; i < SIZE; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		p[i] = (uint8_t)(seed >> 33);
	}
}

/* Puts p[0..SIZE) into the store as a whole file. */
static void put_whole(dv_store *s, const uint8_t *p, dv_oid *oid)
{
	dv_autoptr(dv_pool) pool = NULL;
	dv_autoptr(dv_writer) w = NULL;
	dv_autoptr(dv_ingest) in = NULL;
	dv_auto(dv_pack_footer) table = DV_PACK_FOOTER_INIT;
	dv_autofree char *tmp = dv_store_whole_tmp(s);
	struct stat st;
	dv_container c;
	int fd = open(tmp, O_RDWR | O_CREAT | O_EXCL, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, SIZE), SIZE);
	ok(dv_pool_new(&pool, 2, 16));
	ok(dv_writer_new(&w, s, 1));
	ok(dv_ingest_new(&in, w, pool));
	ok(dv_ingest_whole(in, -1, fd, "x", &table, oid, &st));
	assert_true(table.n > 1);
	assert_int_equal(dv_whole_seal(fd, tmp, oid, &st), 0);
	assert_int_equal(st.st_mode & 0222, 0);
	c = dv_whole_container(oid, &st);
	ok(dv_writer_adopt_file(w, tmp, &c, &table));
	ok(dv_writer_commit(w, NULL, 0));
	close(fd);
}

static void set_byte(const char *path, off_t at, uint8_t b)
{
	int fd;

	chmod(path, 0644);
	fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, &b, 1, at), 1);
	close(fd);
}

/* That a file cannot be opened does not make it missing; nothing new relies on it, though. */
static void test_unlooked(void **state)
{
	dv_autofree uint8_t *p = malloc(SIZE);
	dv_autoptr(dv_store) s = NULL;
	dv_autoptr(dv_store) other = NULL;
	dv_autoptr(dv_writer) w = NULL;
	struct rlimit was, none;
	dv_oid oid;

	(void)state;
	fill(p);
	ok(dv_store_open(&s, "unlooked", DV_STORE_CREATE));
	put_whole(s, p, &oid);
	ok(dv_store_open(&other, "unlooked", 0));
	ok(dv_writer_new(&w, other, 1));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_true(dv_store_has_object(other, &oid));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_int_equal(dv_writer_commit(w, NULL, 0), DV_ERROR);
	assert_non_null(strstr(dv_error_last()->message, "cannot tell"));
	/* The answer was not kept. */
	assert_true(dv_store_has_whole(other, &oid, NULL));
}

static void test_changed(void **state)
{
	dv_autofree uint8_t *p = malloc(SIZE);
	dv_autoptr(dv_store) s = NULL;
	dv_autoptr(dv_store) other = NULL;
	dv_autoptr(dv_store) third = NULL;
	dv_autoptr(dv_reader) r = NULL;
	dv_auto(dv_buf) b = DV_BUF_INIT;
	dv_autofree char *path = NULL;
	struct timespec old[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000000 } };
	struct stat st;
	dv_oid oid;

	(void)state;
	assert_non_null(p);
	fill(p);
	ok(dv_store_open(&s, "store", DV_STORE_CREATE));
	put_whole(s, p, &oid);
	path = dv_store_whole_path(s, &oid);
	assert_true(dv_store_has_whole(s, &oid, &st));
	ok(dv_reader_new(&r, s));
	ok(dv_object_read(r, &oid, SIZE, &b));
	assert_memory_equal(b.p, p, SIZE);

	/* Touched: the bytes decide, and the seal is mended. */
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	ok(dv_store_open(&other, "store", 0));
	assert_true(dv_store_has_whole(other, &oid, &st));
	assert_true(dv_whole_is_sealed(&st, &oid));

	/* Written to: nothing of it counts. */
	set_byte(path, 1000, (uint8_t)~p[1000]);
	ok(dv_store_open(&third, "store", 0));
	assert_false(dv_store_has_whole(third, &oid, NULL));
	assert_false(dv_store_has_object(third, &oid));
	assert_false(dv_store_wholes_intact(third));

	/* Stored again: mended, and what was there is put aside. */
	put_whole(third, p, &oid);
	assert_true(dv_store_has_whole(third, &oid, NULL));
	assert_true(dv_store_has_object(third, &oid));
	{
		dv_autofree char *aside = NULL;
		dv_auto(dv_buf) name = DV_BUF_INIT;

		ok(dv_buf_addf(&name, "store/damaged/%s", strrchr(path, '/') + 1));
		aside = dv_buf_detach(&name);
		assert_int_equal(stat(aside, &st), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stamp),
		cmocka_unit_test(test_unlooked),
		cmocka_unit_test(test_changed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
