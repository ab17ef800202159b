/* SPDX-License-Identifier: Apache-2.0 */
/* .dvignore follows gitignore's rules; .gitignore keeps what is not ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "git/ignore.h"
#include "repo/gitignore.h"

/* Is `path` ignored by these rules? A path that ends with '/' is a folder. */
static const struct {
	const char *rules, *path;
	bool ignored;
} cases[] = {
	{ "", "a", false },
	{ "", ".git/", true },
	{ "", "x/.git/config", true },
	{ "!.git\n!.dv\n", ".dv/", true },
	{ "*.o\n", "a.o", true },
	{ "*.o\n", "d/e/a.o", true },
	{ "*.o\n", "a.oo", false },
	{ "# c\n\\#x\n", "#x", true },
	{ "# c\n", "# c", false },
	{ "\\!x\n", "!x", true },
	{ "*.o\n!keep.o\n", "keep.o", false },
	{ "!keep.o\n*.o\n", "keep.o", true },
	{ "build/\n", "build/", true },
	{ "build/\n", "build", false },
	{ "build/\n", "x/build/y", true },
	{ "build/\n!build/keep\n", "build/keep", true },
	{ "build/*\n!build/keep\n", "build/keep", false },
	{ "/a\n", "a", true },
	{ "/a\n", "d/a", false },
	{ "a/b\n", "a/b", true },
	{ "a/b\n", "x/a/b", false },
	{ "a/*\n", "a/b", true },
	{ "a/*\n", "a/b/c", true },
	{ "a/*.c\n", "a/b/c.c", false },
	{ "**/foo\n", "foo", true },
	{ "**/foo\n", "x/y/foo", true },
	{ "**/foo/bar\n", "x/foo/bar", true },
	{ "**/foo/bar\n", "x/foo/y/bar", false },
	{ "abc/**\n", "abc/x/y", true },
	{ "abc/**\n", "abc/", false },
	{ "a/**/b\n", "a/b", true },
	{ "a/**/b\n", "a/x/b", true },
	{ "a/**/b\n", "a/x/y/b", true },
	{ "a/**/b\n", "a/xb", false },
	{ "a/**b\n", "a/x/b", false },
	{ "a/**b\n", "a/xb", true },
	{ "foo?\n", "foo", false },
	{ "foo?\n", "foo1", true },
	{ "a?b\n", "a/b", false },
	{ "[a-c]x\n", "bx", true },
	{ "[!a-c]x\n", "bx", false },
	{ "[^a-c]x\n", "dx", true },
	{ "[]-]x\n", "]x", true },
	{ "[[:digit:]]x\n", "1x", true },
	{ "[[:digit:]]x\n", "ax", false },
	{ "[\n", "[", false },
	{ "a\\*\n", "a*", true },
	{ "a\\*\n", "ab", false },
	{ "a \n", "a", true },
	{ "a\\ \n", "a ", true },
	{ "a\r\n", "a", true },
	{ "*\n!*/\n!*.dv\n", "d/x.dv", false },
	{ "*\n!*/\n!*.dv\n", "d/x", true },
	{ "*", "any", true },
	{ "/\n", "a", false },
	{ "\xef\xbb\xbf" "a\n", "a", true },
	{ "*a*a*a*a*a*a*b\n", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false },
};

static void follows_gitignore(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		dv_autoptr(dv_ignore) ig = NULL;
		char path[200];
		size_t n = strlen(cases[i].path);
		bool is_dir = cases[i].path[n - 1] == '/';
		memcpy(path, cases[i].path, n + 1);
		path[n - is_dir] = 0;
		assert_int_equal(0, dv_ignore_new(&ig, "/nonexistent"));
		assert_int_equal(0, dv_ignore_add_text(ig, "", cases[i].rules,
						       strlen(cases[i].rules)));
		if (dv_ignore_match(ig, path, is_dir, NULL) != cases[i].ignored)
			fail_msg("'%s' against '%s'", cases[i].path, cases[i].rules);
	}
}

static void deeper_files_win(void **state)
{
	dv_autoptr(dv_ignore) ig = NULL;
	const dv_ignore_rule *why = NULL;

	(void)state;
	assert_int_equal(0, dv_ignore_new(&ig, "/nonexistent"));
	assert_int_equal(0, dv_ignore_add_text(ig, "", "*.log\n", 6));
	assert_int_equal(0, dv_ignore_add_text(ig, "d", "\n!*.log\n/only\n", 14));
	assert_true(dv_ignore_match(ig, "a.log", false, &why));
	assert_string_equal(".dvignore", why->file);
	assert_false(dv_ignore_match(ig, "d/a.log", false, &why));
	assert_string_equal("d/.dvignore", why->file);
	assert_int_equal(2, why->line);
	assert_string_equal("!*.log", why->pattern);
	assert_true(dv_ignore_match(ig, "d/only", false, NULL));
	assert_false(dv_ignore_match(ig, "d/e/only", false, NULL));
	assert_false(dv_ignore_match(ig, "only", false, &why));
	assert_null(why);
}

static void assert_text(const char *path, const char *text)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	assert_int_equal(0, dv_fs_read_file(&b, path, 1000));
	assert_string_equal(text, dv_buf_str(&b));
}

static void gitignore_lines(void **state)
{
	char dir[] = "/tmp/dv-ignore-XXXXXX", path[100];
	bool changed;

	(void)state;
	assert_non_null(mkdtemp(dir)); /* not disk */
	snprintf(path, sizeof(path), "%s/.gitignore", dir);
	assert_int_equal(0, dv_gitignore_add(NULL, dir, "data", &changed));
	assert_true(changed);
	assert_int_equal(0, dv_gitignore_add(NULL, dir, "data", &changed));
	assert_false(changed);
	assert_text(path, "/data\n");
	assert_int_equal(0, dv_fs_write_file(path, "*.o", 3, 0));
	assert_int_equal(0, dv_gitignore_add(NULL, dir, "a*[b] ", &changed));
	assert_text(path, "*.o\n/a\\*\\[b]\\ \n");
	assert_int_equal(0, dv_gitignore_remove(NULL, dir, "a*[b] ", &changed));
	assert_text(path, "*.o\n");
	assert_int_equal(0, dv_fs_remove_tree(path));
	assert_int_equal(0, dv_gitignore_add(NULL, dir, "x", NULL));
	assert_int_equal(0, dv_gitignore_remove(NULL, dir, "x", NULL));
	assert_int_equal(-1, access(path, F_OK));
	static const char *const names[] = { "b", "a", "b", "x\\y", "old" };
	assert_int_equal(0, dv_fs_write_file(path, "/old\r\n*.o\r\n", 11, 0));
	assert_int_equal(0, dv_gitignore_add_all(NULL, dir, names, 5, &changed));
	assert_true(changed);
	assert_text(path, "/old\r\n*.o\r\n/b\r\n/a\r\n/x\\\\y\r\n");
	assert_int_equal(0, dv_gitignore_add_all(NULL, dir, names, 5, &changed));
	assert_false(changed);
	assert_int_equal(0, dv_fs_remove_tree(path));
	assert_int_equal(0, symlink("elsewhere", path)); /* not disk */
	assert_int_equal(DV_EUNSAFE, dv_gitignore_add(NULL, dir, "x", NULL));
	assert_int_equal(0, dv_fs_remove_tree(dir));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows_gitignore),
		cmocka_unit_test(deeper_files_win),
		cmocka_unit_test(gitignore_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
