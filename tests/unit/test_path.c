/* SPDX-License-Identifier: Apache-2.0 */
/* Paths: tables of what goes in and what must come out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/path.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

typedef struct triple {
	const char *a, *b, *out;
} triple;

static void test_join(void **state)
{
	static const triple t[] = { { "a", "b", "a/b" },  { "a/", "b", "a/b" }, { "a", "/b", "/b" },
				    { "", "b", "b" },	  { "a", "", "a" },	{ "/", "b", "/b" },
				    { "", "", "" } };

	(void)state;
	for (size_t i = 0; i < COUNT(t); i++) {
		dv_autofree char *got = dv_path_join(t[i].a, t[i].b);

		assert_string_equal(got, t[i].out);
	}
}

static void test_dir_base(void **state)
{
	static const triple t[] = { { "a/b", "b", "a" },      { "a", "a", "." },
				    { "/a", "a", "/" },	      { "/", "", "/" },
				    { "a//b", "b", "a" },     { "//a", "a", "/" },
				    { "/a/b/c", "c", "/a/b" } };

	(void)state;
	for (size_t i = 0; i < COUNT(t); i++) {
		dv_autofree char *got = dv_path_dir(t[i].a);

		assert_string_equal(got, t[i].out);
		assert_string_equal(dv_path_base(t[i].a), t[i].b);
	}
}

static void test_normal(void **state)
{
	static const char *const t[][2] = {
		{ "", "." },	      { ".", "." },	       { "/", "/" },
		{ "//", "/" },	      { "a//b/", "a/b" },      { "./a/./b/.", "a/b" },
		{ "a/..", "." },      { "a/../..", ".." },     { "../../a", "../../a" },
		{ "../a/../b", "../b" }, { "/..", "/" },       { "/../a", "/a" },
		{ "/a/../../b", "/b" }, { "a/b/../../c", "c" }, { "...", "..." },
		{ "a/..b/.c", "a/..b/.c" }, { "/a/b/..", "/a" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(t); i++) {
		dv_autofree char *got = dv_path_normal(t[i][0]);

		assert_string_equal(got, t[i][1]);
	}
}

static void test_relative(void **state)
{
	static const triple t[] = { { "/a/b", "/a", "b" },	 { "/a", "/a", "." },
				    { "/a", "/a/b", ".." },	 { "/a/b", "/a/bc", "../b" },
				    { "/a/bc", "/a/b", "../bc" }, { "/a", "/", "a" },
				    { "/", "/a/b", "../.." },	 { "/x/y", "/a/b", "../../x/y" },
				    { "/", "/", "." } };

	(void)state;
	for (size_t i = 0; i < COUNT(t); i++) {
		dv_autofree char *got = dv_path_relative(t[i].a, t[i].b);

		assert_string_equal(got, t[i].out);
	}
}

static void test_below(void **state)
{
	static const triple t[] = { { "/a/b", "/a", "b" }, { "/a", "/a", "" },
				    { "/ab", "/a", NULL }, { "/a", "/", "a" },
				    { "/", "/", "" },	   { "a/b/c", "a", "b/c" },
				    { "a", "a/b", NULL },  { "a", ".", "a" },
				    { ".", ".", "" },	   { "../a", ".", NULL },
				    { "..a", ".", "..a" }, { "/a", ".", NULL },
				    { "a", "", "a" } };

	(void)state;
	for (size_t i = 0; i < COUNT(t); i++) {
		const char *rest = NULL;

		assert_int_equal(dv_path_below(t[i].a, t[i].b, &rest), t[i].out != NULL);
		if (t[i].out)
			assert_string_equal(rest, t[i].out);
		assert_int_equal(dv_path_below(t[i].a, t[i].b, NULL), t[i].out != NULL);
	}
}

static void test_safe(void **state)
{
	static const char *const good[] = { "a", "a/b", ".a", "..a", "a..", "...", "a b/\n", "\xff" };
	static const char *const bad[] = { "",	   "/",	    "/a",   "a/",  "a//b", ".",	 "..",
					   "a/..", "../a",  "./a",  "a/.", "a/./b", "a/../b" };

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(dv_path_is_safe(good[i]));
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(dv_path_is_safe(bad[i]));
	assert_true(dv_name_is_safe("a/b", 1));
	assert_false(dv_name_is_safe("a/b", 3));
	assert_false(dv_name_is_safe("a\0b", 3));
	assert_false(dv_name_is_safe("..x", 2));
	assert_true(dv_name_is_safe("..x", 3));
	assert_false(dv_name_is_safe("", 0));
}

static void expect_absolute(const char *path, const char *root, const char *want)
{
	dv_autofree char *got = dv_path_absolute(path), *full = dv_path_join(root, want);

	assert_string_equal(got, full);
}

static void test_absolute(void **state)
{
	char dir[] = "/tmp/dv-test-XXXXXX";
	dv_autofree char *root = NULL;

	(void)state;
	assert_non_null(mkdtemp(dir));
	root = realpath(dir, NULL);
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(dv_fs_mkdirs("real/deep"), 0);
	assert_int_equal(symlink("real/deep", "link"), 0);
	expect_absolute(".", root, "");
	expect_absolute("x", root, "x");
	expect_absolute("no/such/../way", root, "no/way");
	expect_absolute("link", root, "link");
	expect_absolute("link/", root, "link");
	expect_absolute("link/x", root, "real/deep/x");
	expect_absolute("link/../x", root, "real/x");
	expect_absolute("link/..", root, "real");
	expect_absolute("link/.", root, "real/deep");
	expect_absolute("link/no/x", root, "real/deep/no/x");
	expect_absolute("/", "/", "");
	expect_absolute("/no-such-folder/x", "/", "no-such-folder/x");
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(dv_fs_remove_tree(dir), 0);
}

static void test_from_url(void **state)
{
	static const struct {
		const char *url, *folder;
	} t[] = {
		{ "/a b/%20", "/a b/%20" },
		{ "file:///a%20b", "/a b" },
		{ "file:///%C3%a4/x%2Fy", "/\xc3\xa4/x/y" },
		{ "file://localhost/a", "/a" },
		{ "file://host/a", NULL },
		{ "file://localhost", NULL },
		{ "file:/a", NULL },
		{ "ssh://host/a", NULL },
		{ "a/b", NULL },
		{ "", NULL },
		{ "file:///a%", NULL },
		{ "file:///a%4", NULL },
		{ "file:///a%4g", NULL },
		{ "file:///a%00b", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(t); i++) {
		dv_autofree char *got = NULL;

		assert_int_equal(dv_path_from_url(&got, t[i].url), t[i].folder ? 0 : DV_EUSAGE);
		if (t[i].folder)
			assert_string_equal(got, t[i].folder);
		else
			assert_null(got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_join),	 cmocka_unit_test(test_dir_base),
		cmocka_unit_test(test_normal),	 cmocka_unit_test(test_relative),
		cmocka_unit_test(test_below),	 cmocka_unit_test(test_safe),
		cmocka_unit_test(test_absolute), cmocka_unit_test(test_from_url),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
