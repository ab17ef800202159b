/* SPDX-License-Identifier: Apache-2.0 */
/* What the stat cache knows right after a command, and that it is never wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <fcntl.h>

#include "base/path.h"
#include "repo/record.h"

#define LARGE ((size_t)5 << 20)

static char dir[100];

static int set_up(void **state)
{
	dv_init_options o = { .no_scm = true };

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/dv-scan-XXXXXX");
	if (!mkdtemp(dir) || chdir(dir)) /* not disk */
		return -1;
	setenv("DV_CONFIG_SYSTEM", "/nonexistent", 1);
	setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
	setenv("HOME", dir, 1);
	return dv_init(NULL, &o);
}

static int tear_down(void **state)
{
	(void)state;
	return chdir("/") || dv_fs_remove_tree(dir);
}

static void put(const char *name, size_t n, char byte)
{
	dv_autofree char *p = malloc(n);

	assert_non_null(p);
	memset(p, byte, n);
	p[0] = 'a';
	assert_int_equal(0, dv_fs_write_file(name, p, n, 0));
}

static void fill(void)
{
	assert_int_equal(0, dv_fs_mkdirs("data/sub"));
	for (int i = 0; i < 20; i++) {
		char name[32];

		snprintf(name, sizeof(name), "data/sub/%d", i);
		put(name, 1000, (char)i);
	}
	put("data/large", LARGE, 'x');
}

static void run(int (*command)(dv_repo *r))
{
	dv_autoptr(dv_repo) r = NULL;

	assert_int_equal(0, dv_repo_open(&r, NULL));
	if (command(r) < 0)
		fail_msg("%s", dv_error_last()->message);
}

static int add(dv_repo *r)
{
	static const char *const targets[] = { "data" };

	return dv_add(r, targets, 1, NULL, NULL, NULL);
}

static int checkout(dv_repo *r)
{
	return dv_checkout(r, NULL, 0, NULL, NULL, NULL, NULL);
}

static dv_scanned scan(void)
{
	dv_autoptr(dv_repo) r = NULL;
	dv_autoptr(dv_pool) pool = NULL;
	dv_autoptr(dv_scan) s = NULL;
	dv_scanned out;

	assert_int_equal(0, dv_repo_open(&r, NULL));
	assert_int_equal(0, dv_repo_pool(&pool, r, 2));
	assert_int_equal(0, dv_scan_new(&s, r, pool, NULL));
	assert_int_equal(0, dv_scan_path(s, "data", &out));
	return out;
}

static void nothing_is_read_after_checkout(void **state)
{
	dv_scanned before, after;

	(void)state;
	fill();
	run(add);
	before = scan();
	assert_int_equal(0, dv_fs_remove_tree("data"));
	run(checkout);
	after = scan();
	assert_true(dv_oid_eq(&before.oid, &after.oid));
	assert_int_equal(after.hashed, 0);
}

static void large_files_are_known_after_add(void **state)
{
	(void)state;
	fill();
	put("data/large", LARGE, 'y');
	run(add);
	assert_true(scan().hashed < LARGE);
}

/* Whatever is written at once, in place and of the same length, is seen. */
static void changes_after_checkout_are_seen(void **state)
{
	dv_scanned before;

	(void)state;
	fill();
	run(add);
	before = scan();
	for (int i = 0; i < 40; i++) {
		int fd;

		assert_int_equal(0, dv_fs_remove_tree("data"));
		run(checkout);
		fd = open(i % 2 ? "data/large" : "data/sub/19", O_WRONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(pwrite(fd, "b", 1, 0), 1);
		close(fd);
		dv_scanned now = scan();
		assert_false(dv_oid_eq(&before.oid, &now.oid));
		assert_int_equal(before.size, now.size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_read_after_checkout, set_up, tear_down),
		cmocka_unit_test_setup_teardown(large_files_are_known_after_add, set_up, tear_down),
		cmocka_unit_test_setup_teardown(changes_after_checkout_are_seen, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
