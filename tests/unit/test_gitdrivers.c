/* SPDX-License-Identifier: Apache-2.0 */
/* What git is told about dv: written once, taken away without a trace, and the user's own kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "folder.h"

#include "base/path.h"
#include "git/drivers.h"

static dv_git_dirs dirs;

static int set_up(void **state)
{
	if (setup(state) < 0)
		return -1;
	unsetenv("GIT_CONFIG_GLOBAL");
	unsetenv("XDG_CONFIG_HOME");
	setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
	setenv("HOME", root, 1);
	dirs = (dv_git_dirs){ root, dv_path_join(root, ".git"), dv_path_join(root, ".git") };
	return dirs.gitdir && dirs.commondir ? dv_fs_mkdirs(dirs.commondir) : -1;
}

static int tear_down(void **state)
{
	free(dirs.gitdir);
	free(dirs.commondir);
	return teardown(state);
}

static void put(const char *path, const char *text)
{
	ok(dv_fs_write_file(path, text, strlen(text), 0));
}

static void same(const char *path, const char *text)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	ok(dv_fs_read_file(&b, path, 1 << 20));
	assert_string_equal(text, dv_buf_str(&b));
}

static void has(const char *path, const char *text)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	ok(dv_fs_read_file(&b, path, 1 << 20));
	if (!strstr(dv_buf_str(&b), text))
		fail_msg("'%s' is not in: %s", text, dv_buf_str(&b));
}

static void looks(const dv_git_dirs *d, unsigned there, unsigned own)
{
	unsigned t, o;

	ok(dv_gitdrivers_look(d, &t, &o));
	assert_int_equal(there, t);
	assert_int_equal(own, o);
}

#define CONFIG "[core]\n\tbare = false\n\n# mine\n[user]\n\tname = A\n"
#define ATTRIBUTES "*.png -diff\n*.dv -diff"

static void test_comes_and_goes(void **state)
{
	dv_drivers r;

	(void)state;
	put(".git/config", CONFIG);
	ok(dv_fs_mkdirs(".git/info"));
	put(".git/info/attributes", ATTRIBUTES);
	looks(&dirs, 0, 0);
	ok(dv_gitdrivers_write(&dirs, DV_DRIVERS_ALL, false, &r));
	assert_int_equal(DV_DRIVERS_ALL, r.changed);
	assert_int_equal(0, r.own);
	looks(&dirs, DV_DRIVERS_ALL, 0);
	has(".git/config", "process = dv filter-process\n");
	has(".git/config", "required = true\n");
	has(".git/config", "driver = dv merge-driver %O %A %B %L %P\n");
	has(".git/config", "textconv = dv textconv\n");
	has(".git/info/attributes", "dv.lock merge=dv\n" ATTRIBUTES);
	ok(dv_gitdrivers_write(&dirs, DV_DRIVERS_ALL, false, &r));
	assert_int_equal(0, r.changed);
	ok(dv_gitdrivers_remove(&dirs, DV_DRIVERS_ALL, false, &r));
	assert_int_equal(DV_DRIVERS_ALL, r.changed);
	same(".git/config", CONFIG);
	same(".git/info/attributes", ATTRIBUTES);
	looks(&dirs, 0, 0);
	ok(dv_gitdrivers_remove(&dirs, DV_DRIVERS_ALL, false, &r));
	assert_int_equal(0, r.changed);
}

static void test_in_part(void **state)
{
	dv_drivers r;

	(void)state;
	ok(dv_gitdrivers_write(&dirs, DV_DRIVER_FILTER, false, &r));
	assert_int_equal(DV_DRIVER_FILTER, r.changed);
	looks(&dirs, DV_DRIVER_FILTER, 0);
	assert_int_not_equal(0, access(".git/info", F_OK));
	ok(dv_gitdrivers_write(&dirs, DV_DRIVERS_ALL, false, NULL));
	ok(dv_gitdrivers_remove(&dirs, DV_DRIVERS_ALL & ~(unsigned)DV_DRIVER_FILTER, false, &r));
	looks(&dirs, DV_DRIVER_FILTER, 0);
	assert_int_not_equal(0, access(".git/info/attributes", F_OK));
}

static void test_keeps_the_users(void **state)
{
	static const char mine[] = "[filter \"dv\"]\n\tprocess = /opt/dv/bin/dv filter-process\n"
				   "[diff \"dv\"]\n\tbinary = true\n";
	dv_drivers r;

	(void)state;
	put(".gitconfig", mine);
	ok(dv_gitdrivers_write(&dirs, DV_DRIVERS_ALL, false, &r));
	assert_int_equal(DV_DRIVER_FILTER, r.own);
	assert_int_equal(DV_DRIVERS_ALL & ~(unsigned)DV_DRIVER_FILTER, r.changed);
	looks(&dirs, DV_DRIVERS_ALL & ~(unsigned)DV_DRIVER_FILTER, DV_DRIVER_FILTER);
	ok(dv_gitdrivers_write(NULL, DV_DRIVERS_ALL, false, &r));
	assert_int_equal(DV_DRIVER_FILTER, r.own);
	ok(dv_gitdrivers_remove(NULL, DV_DRIVERS_ALL, false, &r));
	assert_int_equal(DV_DRIVER_FILTER, r.own);
	same(".gitconfig", mine);
	ok(dv_gitdrivers_write(NULL, DV_DRIVERS_ALL, true, &r));
	assert_int_equal(0, r.own);
	looks(NULL, DV_DRIVERS_ALL, 0);
	ok(dv_gitdrivers_remove(NULL, DV_DRIVERS_ALL, false, &r));
	same(".gitconfig", "[diff \"dv\"]\n\tbinary = true\n");
}

static void test_users_level(void **state)
{
	dv_auto(dv_buf) v = DV_BUF_INIT;

	(void)state;
	ok(dv_fs_mkdirs("dot"));
	put("dot/gitconfig", "[core]\n\tattributesFile = ~/dot/attributes\n");
	assert_int_equal(0, symlink("dot/gitconfig", ".gitconfig")); /* not disk */
	ok(dv_gitdrivers_write(NULL, DV_DRIVERS_ALL, false, NULL));
	has("dot/gitconfig", "dv filter-process");
	has("dot/attributes", "*.dv diff=dv merge=dv\n");
	looks(NULL, DV_DRIVERS_ALL, 0);
	looks(&dirs, DV_DRIVERS_ALL, 0);
	ok(dv_gitconfig_read(&dirs, "core.attributesfile", true, &v));
	assert_int_equal('/', dv_buf_str(&v)[0]);
	assert_int_equal(DV_ENOTFOUND, dv_gitconfig_read(&dirs, "core.hookspath", true, &v));
	ok(dv_gitdrivers_remove(NULL, DV_DRIVERS_ALL, false, NULL));
	same("dot/gitconfig", "[core]\n\tattributesFile = ~/dot/attributes\n");
	assert_int_not_equal(0, access("dot/attributes", F_OK));
	unsetenv("HOME");
	assert_int_equal(DV_ERROR, dv_gitdrivers_write(NULL, DV_DRIVERS_ALL, false, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_comes_and_goes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_in_part, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_keeps_the_users, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_users_level, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
