/* SPDX-License-Identifier: Apache-2.0 */
/* Workspaces with and without git: opening, paths, outputs, the index, commits and what gc sees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <git2.h>

#include "base/path.h"
#include "repo/repo.h"

#define ZERO "sha256:0000000000000000000000000000000000000000000000000000000000000000"

static char dir[100];

static void put(const char *name, const char *text)
{
	dv_autofree char *path = dv_path_join(dir, name);
	dv_autofree char *parent = dv_path_dir(path);

	assert_int_equal(0, dv_fs_mkdirs(parent));
	assert_int_equal(0, dv_fs_write_file(path, text, strlen(text), 0));
}

static void put_pointer(const char *name, const char *path, char digit)
{
	char text[300];

	snprintf(text, sizeof(text), "outs:\n- path: %s\n  oid: " ZERO "\n  size: 1\n", path);
	*strstr(text, "0000") = digit;
	put(name, text);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/dv-repo-XXXXXX");
	if (!mkdtemp(dir) || chdir(dir)) /* not disk */
		return -1;
	setenv("DV_CONFIG_SYSTEM", "/nonexistent", 1);
	setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
	setenv("HOME", dir, 1);
	setenv("GIT_AUTHOR_NAME", "A", 1);
	setenv("GIT_AUTHOR_EMAIL", "a@example.org", 1);
	setenv("GIT_COMMITTER_NAME", "A", 1);
	setenv("GIT_COMMITTER_EMAIL", "a@example.org", 1);
	unsetenv("GIT_DIR");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return chdir("/") || dv_fs_remove_tree(dir);
}

static void git_init(void)
{
	git_repository *repo = NULL;

	git_libgit2_init();
	assert_int_equal(0, git_repository_init(&repo, dir, 0));
	git_repository_free(repo);
}

static void needs_git_or_says_so(void **state)
{
	dv_autoptr(dv_repo) r = NULL;
	dv_init_options o = { .no_scm = true };

	(void)state;
	assert_int_equal(DV_ENOREPO, dv_repo_open(&r, NULL));
	assert_int_equal(DV_ERROR, dv_init(NULL, NULL));
	assert_string_equal("run 'git init' first, or use '--no-scm'", dv_error_last()->hint);
	assert_int_equal(0, dv_init(NULL, &o));
	assert_int_equal(DV_EEXISTS, dv_init(NULL, &o));
	assert_int_equal(0, dv_repo_open(&r, NULL));
	assert_false(r->has_git);
	assert_string_equal(dir, r->root);
	assert_int_equal(strlen(dir), strstr(dv_repo_cache_dir(r), "/.dv/cache") - r->cache_dir);
}

static void init_stages(void **state)
{
	dv_autoptr(dv_repo) r = NULL;
	dv_git *g = NULL;
	bool tracked = false;
	char hex[DV_GIT_HEX + 1], again[DV_GIT_HEX + 1];
	dv_init_options o = { 0 };

	(void)state;
	git_init();
	assert_int_equal(0, dv_init(NULL, NULL));
	assert_int_equal(0, dv_repo_open(&r, NULL));
	assert_true(r->has_git);
	assert_null(r->git);
	assert_int_equal(0, dv_repo_git(r, &g));
	assert_int_equal(0, dv_git_is_tracked(g, ".dv/config", &tracked, NULL));
	assert_true(tracked);
	assert_int_equal(0, dv_git_is_tracked(g, ".dv", &tracked, NULL));
	assert_true(tracked);
	assert_int_equal(0, dv_git_is_tracked(g, "data", &tracked, NULL));
	assert_false(tracked);
	assert_int_equal(0, dv_git_head(g, hex));
	assert_string_equal("", hex);
	const char *both[] = { ".dv/config", ".dvignore" };
	assert_int_equal(0, dv_git_commit(g, "nothing", NULL, 0, hex));
	assert_string_equal("", hex);
	assert_int_equal(0, dv_git_commit(g, "start", both, 2, hex));
	assert_int_equal(0, dv_git_commit(g, "nothing new", both, 2, again));
	assert_string_equal(hex, again);
	assert_int_equal(0, dv_git_resolve(g, "HEAD", again));
	assert_string_equal(hex, again);
	assert_int_equal(DV_ENOTFOUND, dv_git_resolve(g, "nonsense", again));
	put("sub/x", "");
	assert_int_equal(DV_ERROR, dv_init("sub", &o));
	o.force = true;
	assert_int_equal(0, dv_init(NULL, &o));
}

static void finds_outputs(void **state)
{
	dv_autoptr(dv_repo) r = NULL;
	dv_auto(dv_output_list) l = DV_OUTPUT_LIST_INIT;
	dv_init_options o = { .no_scm = true };
	const char *rest = NULL;

	(void)state;
	assert_int_equal(0, dv_init(NULL, &o));
	put_pointer("a.dv", "a", '1');
	put_pointer("a-b.dv", "a-b", '2');
	put_pointer("d/x.dv", "x", '3');
	put_pointer("d/x/inside.dv", "inside", '4');
	put_pointer("skipped/y.dv", "y", '5');
	put_pointer("nested/z.dv", "z", '6');
	put("nested/.dv/config", "");
	put(".dvignore", "skipped\n");
	assert_int_equal(0, dv_repo_open(&r, "d"));
	assert_int_equal(0, dv_repo_outputs(r, &l));
	assert_int_equal(3, l.n);
	assert_string_equal("a", l.o[0].path);
	assert_string_equal("d/x", l.o[2].path);
	assert_string_equal("d/x.dv", l.o[2].pointer_path);
	assert_ptr_equal(&l.o[1], dv_output_list_find(&l, "a-b"));
	assert_null(dv_output_list_find(&l, "d"));
	assert_ptr_equal(&l.o[2], dv_output_list_holding(&l, "d/x/deep/file", &rest));
	assert_string_equal("deep/file", rest);
	assert_null(dv_output_list_holding(&l, "d/xy", &rest));
	dv_output_list_release(&l);
	put_pointer("b.dv", "a", '1');
	assert_int_equal(DV_ERROR, dv_repo_outputs(r, &l));
	assert_non_null(strstr(dv_error_last()->message, "'a.dv'"));
	assert_non_null(strstr(dv_error_last()->message, "'b.dv'"));
}

static void keeps_paths_inside(void **state)
{
	static const struct {
		const char *path, *want;
		int code;
	} cases[] = {
		{ "a/./b//c/../d", "a/b/d", 0 }, { ".", "", 0 }, { "..", NULL, DV_EUNSAFE },
		{ "/etc/passwd", NULL, DV_EUNSAFE }, { ".git/x", NULL, DV_EUNSAFE },
		{ "a/.dv", NULL, DV_EUNSAFE }, { "out/x", NULL, DV_EUNSAFE }, { "out", "out", 0 },
		{ "in/x", NULL, DV_EUNSAFE }, { "", NULL, DV_EUSAGE },
	};
	dv_autoptr(dv_repo) r = NULL;
	dv_init_options o = { .no_scm = true };

	(void)state;
	assert_int_equal(0, dv_init(NULL, &o));
	assert_int_equal(0, dv_repo_open(&r, NULL));
	assert_int_equal(0, symlink("/etc", "out")); /* not disk */
	assert_int_equal(0, symlink("a", "in")); /* not disk */
	put("a/b/f", "");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		dv_autofree char *rel = NULL;
		int rc = dv_repo_rel(r, cases[i].path, &rel);
		if (rc != cases[i].code)
			fail_msg("%d for '%s'", rc, cases[i].path);
		if (cases[i].want)
			assert_string_equal(cases[i].want, rel);
	}
}

/* Collects "path:digit " of every pointer. */
static int collect(const char *where, const char *path, const char *text, size_t n, void *payload)
{
	dv_auto(dv_pointer) p = DV_POINTER_INIT;

	(void)where;
	assert_int_equal(0, dv_pointer_parse(&p, text, n, path));
	return dv_buf_addf(payload, "%s:%x ", path, p.oid.b[0] >> 4);
}

static void stage_and_commit(dv_git *g, const char *path)
{
	assert_int_equal(0, dv_git_stage(g, &path, 1, NULL, 0));
	assert_int_equal(0, dv_git_commit(g, "a change", &path, 1, NULL));
}

static void reads_history(void **state)
{
	dv_autoptr(dv_repo) r = NULL;
	dv_auto(dv_buf) all = DV_BUF_INIT;
	dv_auto(dv_buf) one = DV_BUF_INIT;
	dv_auto(dv_buf) hidden = DV_BUF_INIT;
	dv_auto(dv_buf) blob = DV_BUF_INIT;
	dv_auto(dv_output_list) l = DV_OUTPUT_LIST_INIT;
	dv_git_scope scope = { .all_commits = true };
	const char *staged = "d/s.dv", *gone = "a.dv";
	dv_git *g = NULL;

	(void)state;
	git_init();
	put(".gitkeep", "");
	assert_int_equal(0, dv_init(NULL, NULL));
	assert_int_equal(0, dv_repo_open(&r, NULL));
	assert_int_equal(0, dv_repo_git(r, &g));
	assert_int_equal(0, dv_git_pointers_at(g, "HEAD", collect, &one));
	put_pointer("a.dv", "a", '1');
	stage_and_commit(g, "a.dv");
	put_pointer("a.dv", "a", '2');
	stage_and_commit(g, "a.dv");
	put_pointer("d/s.dv", "s", '3');
	assert_int_equal(0, dv_git_stage(g, &staged, 1, &gone, 1));
	assert_int_equal(0, dv_git_pointers_at(g, "HEAD~1", collect, &one));
	assert_string_equal("a.dv:1 ", dv_buf_str(&one));
	assert_int_equal(0, dv_git_pointers_in(g, &scope, collect, &all));
	assert_string_equal("a.dv:2 a.dv:1 ", dv_buf_str(&all));
	dv_buf_clear(&all);
	scope = (dv_git_scope){ .branches = true };
	assert_int_equal(0, dv_git_pointers_in(g, &scope, collect, &all));
	assert_string_equal("a.dv:2 ", dv_buf_str(&all));
	dv_buf_clear(&all);
	scope = (dv_git_scope){ .last_n = 2 };
	assert_int_equal(0, dv_git_pointers_in(g, &scope, collect, &all));
	assert_string_equal("a.dv:2 a.dv:1 ", dv_buf_str(&all));
	assert_int_equal(0, dv_git_pointers_hidden(g, collect, &hidden));
	assert_non_null(strstr(dv_buf_str(&hidden), "d/s.dv:3"));
	assert_non_null(strstr(dv_buf_str(&hidden), "a.dv:1"));
	assert_int_equal(0, dv_repo_outputs_at(r, "HEAD", &l));
	assert_int_equal(1, l.n);
	assert_int_equal(0, dv_git_read_blob(g, "HEAD", "a.dv", 1000, &blob));
	assert_int_equal(DV_ENOTFOUND, dv_git_read_blob(g, "HEAD", "b.dv", 1000, &blob));
	assert_int_equal(DV_ERROR, dv_git_read_blob(g, "HEAD", "a.dv", 3, &blob));
}

static void keeps_outputs_from_git(void **state)
{
	static const char *const paths[] = { "b/two", "a", "b/one", "gone/x", "b-c", "b/two" };
	static const char *const away[] = { "a", "link/x" };
	dv_auto(dv_path_list) changed = DV_PATH_LIST_INIT;
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_autoptr(dv_repo) r = NULL;
	dv_autofree char *file = dv_path_join(dir, "b/.gitignore");

	(void)state;
	git_init();
	put("b/two", "");
	assert_int_equal(0, symlink("b", "link")); /* not disk */
	assert_int_equal(0, dv_init(NULL, NULL));
	assert_int_equal(0, dv_repo_open(&r, NULL));
	assert_int_equal(0, dv_repo_ignore_outputs(r, paths, 6, &changed));
	assert_int_equal(2, changed.n);
	assert_string_equal(".gitignore", changed.p[0]);
	assert_string_equal("b/.gitignore", changed.p[1]);
	assert_int_equal(0, dv_fs_read_file(&text, file, 1000));
	assert_string_equal("/one\n/two\n", dv_buf_str(&text));
	assert_int_equal(0, dv_repo_ignore_outputs(r, paths, 6, &changed));
	assert_int_equal(2, changed.n);
	assert_int_equal(DV_EUNSAFE, dv_repo_ignore_outputs(r, away, 2, NULL));
}

static int count(const dv_remote_info *i, void *payload)
{
	dv_buf_addf(payload, "%s=%s%s;", i->name, i->url, i->is_default ? "*" : "");
	return 0;
}

/* A collection elsewhere must find the lock taken whatever went wrong here before. */
static void keeps_the_lock(void **state)
{
	dv_autoptr(dv_repo) r = NULL;
	dv_autoptr(dv_store) other = NULL;
	dv_init_options o = { .no_scm = true };
	dv_store *s = NULL;

	(void)state;
	assert_int_equal(0, dv_init(NULL, &o));
	assert_int_equal(0, dv_repo_open(&r, NULL));
	assert_int_equal(0, dv_repo_store(r, &s));
	assert_int_equal(0, dv_store_open(&other, dv_store_dir(s), 0));
	assert_int_equal(DV_ELOCKED, dv_store_lock(other, true, 0));
	dv_store_unlock(s);
	assert_int_equal(0, dv_store_lock(other, true, 0));
	dv_store_unlock(other);
	assert_int_equal(0, dv_repo_store(r, &s));
	assert_int_equal(DV_ELOCKED, dv_store_lock(other, true, 0));
}

static void remotes(void **state)
{
	dv_autoptr(dv_repo) r = NULL;
	dv_auto(dv_buf) list = DV_BUF_INIT;
	dv_init_options o = { .no_scm = true };
	dv_remote_add_options first = { .make_default = true };

	(void)state;
	assert_int_equal(0, dv_init(NULL, &o));
	assert_int_equal(0, dv_repo_open(&r, NULL));
	assert_int_equal(0, dv_remote_add(r, 0, "up", "../up", &first));
	assert_int_equal(DV_EEXISTS, dv_remote_add(r, 0, "up", "../up", &first));
	assert_int_equal(DV_EUSAGE, dv_remote_add(r, 0, "a b", "/x", &first));
	assert_int_equal(DV_EUSAGE, dv_remote_add(r, 0, "ab", "-x", &first));
	assert_int_equal(0, dv_remote_add(r, DV_CONFIG_LOCAL, "far", "ssh://h/p", NULL));
	assert_int_equal(0, dv_remote_list(r, count, &list));
	assert_string_equal("up=../up*;far=ssh://h/p;", dv_buf_str(&list));
	assert_int_equal(0, dv_remote_rename(r, 0, "up", "down"));
	assert_int_equal(DV_ENOTFOUND, dv_remote_remove(r, 0, "far"));
	assert_string_equal("it stands at another level: use '--local'", dv_error_last()->hint);
	assert_int_equal(0, dv_remote_modify(r, 0, "down", "url", "/abs"));
	assert_int_equal(DV_EUSAGE, dv_remote_modify(r, 0, "down", "ur", "/abs"));
	dv_buf_clear(&list);
	assert_int_equal(0, dv_remote_default(r, 0, NULL, count, &list));
	assert_string_equal("down=/abs*;", dv_buf_str(&list));
	assert_int_equal(0, dv_remote_remove(r, 0, "down"));
	assert_int_equal(DV_ENOTFOUND, dv_remote_default(r, 0, NULL, count, &list));
	assert_int_equal(DV_EUNSAFE, dv_config_set(r, DV_CONFIG_REPO, "cache.dir", "/x"));
	assert_int_equal(0, dv_config_set(r, DV_CONFIG_LOCAL, "cache.dir", "/x"));
	assert_string_equal("/x", dv_repo_cache_dir(r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(needs_git_or_says_so, set_up, tear_down),
		cmocka_unit_test_setup_teardown(init_stages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(finds_outputs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(keeps_paths_inside, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reads_history, set_up, tear_down),
		cmocka_unit_test_setup_teardown(keeps_outputs_from_git, set_up, tear_down),
		cmocka_unit_test_setup_teardown(keeps_the_lock, set_up, tear_down),
		cmocka_unit_test_setup_teardown(remotes, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
