/* SPDX-License-Identifier: Apache-2.0 */
/* The stat cache: rows survive, damage and locks only cost the cache. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "repo/statcache.h"

static char dir[100];

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/dv-statcache-XXXXXX");
	return mkdtemp(dir) ? 0 : -1; /* not disk */
}

static int tear_down(void **state)
{
	(void)state;
	return dv_fs_remove_tree(dir);
}

static dv_statcache *open_cache(void)
{
	dv_statcache *c = NULL;

	assert_int_equal(0, dv_statcache_open(&c, dir, "/ws"));
	return c;
}

static void put(dv_statcache *c, const char *path, const char *name, uint64_t size)
{
	dv_auto(dv_dircache) d = { .dev = 7, .has_tree = true, .size = size, .nfiles = 2 };
	dv_cached_file f = { .name = name, .ino = 1, .size = size, .mtime_ns = -5, .ctime_ns = 6,
			     .kind = 'x' };

	memset(f.oid.b, 1, sizeof(f.oid.b));
	memset(d.tree.b, 2, sizeof(d.tree.b));
	assert_int_equal(0, dv_dircache_append(&d, &f));
	f.name = "a";
	assert_int_equal(0, dv_dircache_append(&d, &f));
	f.name = "left out";
	memset(f.oid.b, 0, sizeof(f.oid.b));
	assert_int_equal(0, dv_dircache_append(&d, &f));
	dv_statcache_put(c, path, &d);
}

static bool has(dv_statcache *c, const char *path)
{
	dv_auto(dv_dircache) d = DV_DIRCACHE_INIT;

	return dv_statcache_get(c, path, &d);
}

static void keeps_rows(void **state)
{
	dv_autoptr(dv_statcache) c = open_cache();
	dv_auto(dv_dircache) d = DV_DIRCACHE_INIT;

	(void)state;
	dv_statcache_preload(c, "");
	assert_false(has(c, "data"));
	put(c, "", "z", 1);
	put(c, "data", "z", 2);
	put(c, "data/sub", "z", 3);
	put(c, "data-2", "z", 4);
	dv_statcache_flush(c);
	dv_autoptr(dv_statcache) again = open_cache();
	dv_statcache_preload(again, "data");
	assert_false(has(again, ""));
	assert_false(has(again, "data-2"));
	assert_true(has(again, "data/sub"));
	dv_statcache_preload(again, "");
	assert_true(has(again, ""));
	assert_true(dv_statcache_get(again, "data", &d));
	assert_true(d.dev == 7 && d.has_tree && d.size == 2 && d.nfiles == 2 && d.n == 2);
	const dv_cached_file *f = dv_dircache_find(&d, "z");
	assert_non_null(f);
	assert_true(f->mtime_ns == -5 && f->ctime_ns == 6 && f->kind == 'x' && f->oid.b[9] == 1);
	assert_null(dv_dircache_find(&d, "left out"));
}

static void drops_and_renames(void **state)
{
	dv_autoptr(dv_statcache) c = open_cache();

	(void)state;
	put(c, "a", "z", 1);
	put(c, "a/b", "z", 1);
	put(c, "ab", "z", 1);
	put(c, "c/d", "z", 1);
	dv_statcache_flush(c);
	dv_statcache_drop(c, "c");
	dv_statcache_rename(c, "a", "long/new");
	dv_statcache_flush(c);
	dv_autoptr(dv_statcache) again = open_cache();
	dv_statcache_preload(again, "");
	assert_false(has(again, "a") || has(again, "a/b") || has(again, "c/d"));
	assert_true(has(again, "long/new") && has(again, "long/new/b") && has(again, "ab"));
}

static void survives_damage(void **state)
{
	char path[200];

	(void)state;
	snprintf(path, sizeof(path), "%s/state.db", dir);
	assert_int_equal(0, dv_fs_write_file(path, "this is no database, not at all", 31, 0));
	dv_autoptr(dv_statcache) c = open_cache();
	dv_statcache_preload(c, "");
	put(c, "a", "z", 1);
	dv_statcache_flush(c);
	dv_autoptr(dv_statcache) again = open_cache();
	dv_statcache_preload(again, "");
	assert_true(has(again, "a"));
}

static void parse_is_bounded(void **state)
{
	dv_auto(dv_dircache) d = { .dev = 7 };
	dv_auto(dv_buf) b = DV_BUF_INIT;
	dv_cached_file f = { .name = "name", .kind = 'f' };

	(void)state;
	f.oid.b[0] = 1;
	assert_int_equal(0, dv_dircache_append(&d, &f));
	assert_int_equal(0, dv_dircache_print(&b, &d));
	for (size_t n = 0; n <= b.n; n++) {
		dv_auto(dv_dircache) out = DV_DIRCACHE_INIT;
		dv_autofree char *exact = malloc(n ? n : 1);
		memcpy(exact, b.p, n);
		assert_int_equal(n == b.n ? 0 : DV_ECORRUPT, dv_dircache_parse(&out, exact, n));
	}
	for (size_t i = 0; i < b.n; i++) {
		dv_auto(dv_dircache) out = DV_DIRCACHE_INIT;
		b.p[i] ^= (char)0xff;
		int rc = dv_dircache_parse(&out, b.p, b.n);
		assert_true(rc == 0 || rc == DV_ECORRUPT);
		b.p[i] ^= (char)0xff;
	}
}

static void young_files_are_not_settled(void **state)
{
	struct stat st = { 0 };

	(void)state;
	st.st_mtim.tv_sec = 100;
	st.st_mtim.tv_nsec = 1;
	st.st_ctim.tv_sec = 100;
	assert_false(dv_stat_is_settled(&st, 100010000000));
	assert_true(dv_stat_is_settled(&st, 100030000000));
	st.st_mtim.tv_nsec = 0;
	assert_false(dv_stat_is_settled(&st, 101000000000));
	assert_true(dv_stat_is_settled(&st, 102100000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(keeps_rows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(drops_and_renames, set_up, tear_down),
		cmocka_unit_test_setup_teardown(survives_damage, set_up, tear_down),
		cmocka_unit_test(parse_is_bounded), cmocka_unit_test(young_files_are_not_settled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
