/* SPDX-License-Identifier: Apache-2.0 */
/* Settings: the syntax, what edits leave alone, the levels and what a committed file may say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "repo/config_keys.h"

static int collect(const char *key, const char *value, size_t begin, size_t end, void *payload)
{
	(void)begin, (void)end;
	return dv_buf_addf(payload, "%s=%s;", key, value ? value : "(bare)");
}

static void reads_git_config(void **state)
{
	static const struct {
		const char *text, *want;	/* NULL: refused */
	} cases[] = {
		{ "", "" },
		{ "[core]\n\tremote = a\n", "core.remote=a;" },
		{ "[CORE]\nReMote=a", "core.remote=a;" },
		{ "[core] remote = a b  # c\n", "core.remote=a b;" },
		{ "[core]\nx = \" a \" ; c\n", "core.x= a ;" },
		{ "[core]\nx = a\\\n b\n", "core.x=a b;" },
		{ "[core]\nx = \"a;\\\"\\\\\\n\\t#\"\n", "core.x=a;\"\\\n\t#;" },
		{ "[core]\nx\ny =\n", "core.x=(bare);core.y=;" },
		{ "[remote \"Ab\\\"c\"]\r\n\turl = /x\r\n", "remote.Ab\"c.url=/x;" },
		{ "; c\n# d\n\n[a.B]\nc=1\n", "a.b.c=1;" },
		{ "x = 1\n", NULL },
		{ "[a\nb=1\n", NULL },
		{ "[]\n", NULL },
		{ "[a \"b]\nc=1\n", NULL },
		{ "[a]\nb=\"1\n", NULL },
		{ "[a]\nb=\\x\n", NULL },
		{ "[a]\n1b=2\n", NULL },
		{ "[a]\nb c=2\n", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		dv_auto(dv_buf) out = DV_BUF_INIT;
		int rc = dv_config_parse(cases[i].text, strlen(cases[i].text), "f", collect, &out);
		if ((rc == 0) != (cases[i].want != NULL))
			fail_msg("%d for %s", rc, cases[i].text);
		if (cases[i].want)
			assert_string_equal(cases[i].want, dv_buf_str(&out));
	}
}

static void edit(const char *text, const char *key, const char *value, const char *want)
{
	dv_auto(dv_buf) out = DV_BUF_INIT;

	assert_int_equal(0, dv_config_edit(&out, text, strlen(text), "f", key, value));
	assert_string_equal(want, dv_buf_str(&out));
}

static void edits_leave_the_rest(void **state)
{
	(void)state;
	edit("", "core.remote", "a", "[core]\n\tremote = a\n");
	edit("# c\n[core]\n  # d\n\tremote = a ; e\n\tx=1\n", "core.remote", "b",
	     "# c\n[core]\n  # d\n\tremote = b\n\tx=1\n");
	edit("[core]\n\tx=1\n[z]\n", "core.remote", "b", "[core]\n\tx=1\n\tremote = b\n[z]\n");
	edit("[core]\n[z]\n", "core.remote", "b", "[core]\n\tremote = b\n[z]\n");
	edit("[core]\n\tx=1", "remote.A.url", " s#", "[core]\n\tx=1\n[remote \"A\"]\n"
						      "\turl = \" s#\"\n");
	edit("[core]\n\tremote = a\n\tx=1\n", "core.remote", NULL, "[core]\n\tx=1\n");
	dv_auto(dv_buf) out = DV_BUF_INIT;
	assert_int_equal(DV_ENOTFOUND, dv_config_edit(&out, "", 0, "f", "core.remote", NULL));
}

static void edits_sections(void **state)
{
	const char *text = "# c\n[remote \"a\"]\n\turl = x\n[core]\n\tremote = a\n";
	dv_auto(dv_buf) out = DV_BUF_INIT;
	bool found;

	(void)state;
	assert_int_equal(0, dv_config_edit_section(&out, text, strlen(text), "f", "remote.a",
						   "remote.b", &found));
	assert_true(found);
	assert_string_equal("# c\n[remote \"b\"]\n\turl = x\n[core]\n\tremote = a\n",
			    dv_buf_str(&out));
	assert_int_equal(0, dv_config_edit_section(&out, text, strlen(text), "f", "remote.a", NULL,
						   &found));
	assert_string_equal("# c\n[core]\n\tremote = a\n", dv_buf_str(&out));
}

static void knows_keys(void **state)
{
	dv_autofree char *key = NULL;

	(void)state;
	assert_int_equal(0, dv_config_normal_key(&key, "REMOTE.Ab.URL"));
	assert_string_equal("remote.Ab.url", key);
	free(key);
	assert_int_equal(DV_EUSAGE, dv_config_normal_key(&key, "core.remot"));
	assert_string_equal("did you mean 'core.remote'", dv_error_last()->hint);
	assert_int_equal(DV_EUSAGE, dv_config_normal_key(&key, "core"));
	assert_int_equal(DV_EUSAGE, dv_config_normal_key(&key, "core."));
	assert_int_equal(DV_EUSAGE, dv_config_normal_key(&key, ".x"));
	assert_int_equal(0, dv_config_check("cache.type", "reflink,copy"));
	assert_int_equal(DV_EUSAGE, dv_config_check("cache.type", "reflink,"));
	assert_int_equal(DV_EUSAGE, dv_config_check("cache.compression", "20"));
	assert_int_equal(DV_EUSAGE, dv_config_check("remote.a.url", "-x"));
}

static int warnings;

static void on_warning(const char *message, void *payload)
{
	(void)message, (void)payload;
	warnings++;
}

static void put(const char *dir, const char *name, const char *text)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(0, dv_fs_write_file(path, text, strlen(text), 0));
}

static void levels(void **state)
{
	char dir[] = "/tmp/dv-config-XXXXXX", dot[100], system[100], local[100];
	dv_auto(dv_config) c = DV_CONFIG_INIT;
	dv_autofree char *url = NULL;
	enum dv_config_level level;

	(void)state;
	assert_non_null(mkdtemp(dir)); /* not disk */
	snprintf(dot, sizeof(dot), "%s/.dv", dir);
	snprintf(system, sizeof(system), "%s/system", dir);
	snprintf(local, sizeof(local), "%s/local", dir);
	assert_int_equal(0, dv_fs_mkdirs(dot));
	setenv("DV_CONFIG_SYSTEM", system, 1);
	setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
	assert_int_equal(0, dv_config_load(&c, dir, local));
	assert_int_equal(0, c.n);
	put(dir, "system", "[core]\n\tjobs = 3\n\tremote = s\n");
	put(dot, "config", "[core]\n\tremote = up\n\teditor = evil\n[cache]\n\tdir = /tmp\n"
			   "[remote \"up\"]\n\turl = ../up\n\tsshcommand = evil\n");
	put(dir, "local", "[core]\n\tautostage = no\n");
	warnings = 0;
	assert_int_equal(0, dv_config_load(&c, dir, local));
	assert_int_equal(2, warnings);
	assert_string_equal("up", dv_config_string(&c, "core.remote", &level));
	assert_int_equal(DV_CONFIG_REPO, level);
	assert_int_equal(3, dv_config_int(&c, "core.jobs", 0, 0, 64));
	assert_false(dv_config_bool(&c, "core.autostage", true));
	assert_null(dv_config_string(&c, "cache.dir", NULL));
	assert_null(dv_config_string(&c, "remote.up.sshcommand", NULL));
	assert_int_equal(0, dv_config_remote(&c, dir, NULL, NULL, &url));
	assert_string_equal("/tmp/up", url);
	put(dir, "local", "[cache]\n\tdir = /tmp\n");
	assert_int_equal(0, dv_config_load(&c, dir, local));
	assert_string_equal("/tmp", dv_config_string(&c, "cache.dir", NULL));
	put(dot, "config", "[include]\n\tpath = /etc/passwd\n");
	assert_int_equal(DV_EUNSAFE, dv_config_load(&c, dir, local));
	put(dot, "config", "[includeIf \"gitdir:/\"]\n\tpath = /etc/passwd\n");
	assert_int_equal(DV_EUNSAFE, dv_config_load(&c, dir, local));
	assert_int_equal(0, dv_fs_remove_tree(dir));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_git_config), cmocka_unit_test(edits_leave_the_rest),
		cmocka_unit_test(edits_sections), cmocka_unit_test(knows_keys),
		cmocka_unit_test(levels),
	};

	dv_set_warning_cb(on_warning, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
