/* SPDX-License-Identifier: Apache-2.0 */
/* Which files pass through the filter, by the rules of gitattributes(5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "git/attributes.h"

static dv_attributes *with(const char *dir, const char *text)
{
	dv_attributes *a = NULL;

	assert_int_equal(0, dv_attributes_new(&a));
	assert_int_equal(0, dv_attributes_add(a, dir, text, strlen(text)));
	return a;
}

static void patterns_match_as_in_git(void **state)
{
	static const struct {
		const char *text, *path;
		bool yes;
	} t[] = {
		{ "*.bin filter=dv", "a.bin", true },
		{ "*.bin filter=dv", "x/y/a.bin", true },
		{ "*.bin filter=dv", "a.txt", false },
		{ "*.bin\tfilter=dv\r\n", "a.bin", true },
		{ "# *.bin filter=dv", "a.bin", false },
		{ "*.bin filter=dvx", "a.bin", false },
		{ "*.bin filter", "a.bin", false },
		{ "*.bin diff=dv", "a.bin", false },
		{ "/a.bin filter=dv", "a.bin", true },
		{ "/a.bin filter=dv", "x/a.bin", false },
		{ "x/*.bin filter=dv", "x/a.bin", true },
		{ "x/*.bin filter=dv", "x/y/a.bin", false },
		{ "x/** filter=dv", "x/y/a.bin", true },
		{ "x/ filter=dv", "x/a.bin", false },
		{ "**/z/*.bin filter=dv", "x/z/a.bin", true },
		{ "\"a b\" filter=dv", "a b", true },
		{ "\"a\\\"\\142\" filter=dv", "a\"b", true },
		{ "!*.bin filter=dv", "a.bin", false },
		{ "*.bin filter=dv\n*.bin -filter", "a.bin", false },
		{ "*.bin filter=dv\na.bin !filter", "a.bin", false },
		{ "*.bin filter=lfs\na.bin filter=dv", "a.bin", true },
		{ "*.bin filter=dv -filter", "a.bin", false },
		{ "[attr]big filter=dv -text\n*.bin big", "a.bin", true },
		{ "[attr]big filter=dv -text\n*.bin -big", "a.bin", false },
		{ "\xef\xbb\xbf*.bin filter=dv", "a.bin", true },
		{ "*.bin text filter=dv", "a.bin", true },
		{ "", "a.bin", false },
		{ "\n\n  \n", "a.bin", false },
		{ "\"unfinished filter=dv", "unfinished filter=dv", false },
		{ "\"a\\", "a", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		dv_autoptr(dv_attributes) a = with("", t[i].text);

		if (dv_attributes_filtered(a, t[i].path) != t[i].yes)
			fail_msg("'%s' and '%s'", t[i].text, t[i].path);
	}
}

static void deeper_files_come_first(void **state)
{
	dv_autoptr(dv_attributes) a = with("sub", "*.txt filter=dv\n/only filter=dv\n");
	dv_oid one, two;

	(void)state;
	assert_true(dv_attributes_any(a));
	assert_true(dv_attributes_filtered(a, "sub/x/a.txt"));
	assert_false(dv_attributes_filtered(a, "a.txt"));
	assert_false(dv_attributes_filtered(a, "subway/a.txt"));
	assert_true(dv_attributes_filtered(a, "sub/only"));
	assert_false(dv_attributes_filtered(a, "sub/x/only"));
	dv_attributes_name(a, &one);
	assert_int_equal(0, dv_attributes_add(a, "", "* -filter", 9));
	assert_true(dv_attributes_filtered(a, "sub/x/a.txt"));
	assert_int_equal(0, dv_attributes_add(a, "sub/x", "* -filter", 9));
	assert_false(dv_attributes_filtered(a, "sub/x/a.txt"));
	dv_attributes_name(a, &two);
	assert_false(dv_oid_eq(&one, &two));
	assert_int_equal(3, dv_attributes_count(a));
	dv_attributes_cut(a, 2);
	assert_true(dv_attributes_filtered(a, "sub/x/a.txt"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_match_as_in_git),
		cmocka_unit_test(deeper_files_come_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
