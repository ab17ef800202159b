/* SPDX-License-Identifier: Apache-2.0 */
/* Lock files: what is read, what is refused, that writing is stable, and which outputs they make. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/path.h"
#include "base/sha256.h"
#include "repo/lockfile.h"
#include "repo/repo.h"

#define ABC "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define TREE "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define EMPTY "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HEAD "schema: dv 1\nstages:\n"
#define OUT(path) "    outs:\n    - path: " path "\n      oid: " ABC "\n      size: 3\n"

/* The vector of docs/format.md. */
static const char vector[] = HEAD
	"  train:\n"
	"    cmd: python train.py\n"
	"    wdir: src\n"
	"    deps:\n"
	"    - path: ../data\n"
	"      oid: " TREE "\n"
	"      size: 123456\n"
	"      nfiles: 42\n"
	"    params:\n"
	"      params.yaml:\n"
	"        train.lr: 0.1\n"
	"    outs:\n"
	"    - path: log.txt\n"
	"      oid: " ABC "\n"
	"      size: 3\n"
	"      cache: false\n"
	"    - path: model.bin\n"
	"      oid: " ABC "\n"
	"      size: 3\n"
	"    run: " EMPTY "\n";

static void vectors(void **state)
{
	dv_auto(dv_lockfile) l = DV_LOCKFILE_INIT;
	dv_auto(dv_buf) out = DV_BUF_INIT;
	char hex[DV_OID_HEX_SIZE + 1];
	dv_oid oid;

	(void)state;
	assert_int_equal(617, strlen(vector));
	dv_sha256(&oid, vector, strlen(vector));
	dv_oid_hex(hex, &oid);
	assert_string_equal("04214276b9bb2a46efbfea89768687a514fdbda31171c51be039d9e772cfe039",
			    hex);
	assert_int_equal(0, dv_lockfile_parse(&l, vector, strlen(vector), "a", "a/dv.lock"));
	assert_int_equal(1, l.n);
	assert_string_equal("a/src/model.bin", l.stages[0].outs[1].full);
	assert_true(l.stages[0].outs[0].no_cache && l.stages[0].has_run);
	assert_int_equal(0, dv_lockfile_print(&out, &l));
	assert_string_equal(vector, dv_buf_str(&out));
}

static int parse(const char *text, size_t n, const char *dir)
{
	dv_auto(dv_lockfile) l = DV_LOCKFILE_INIT;

	return dv_lockfile_parse(&l, text, n, dir, "dv.lock");
}

static void refuses(void **state)
{
	static const struct {
		const char *dir, *text;
		int code;
	} cases[] = {
		{ "", "", 0 },
		{ "", "# nothing\n", 0 },
		{ "", "schema: dv 1\n", 0 },
		{ "", "schema: dv 2\n", DV_ERROR },
		{ "", "schema: '2.0'\nstages: {}\n", DV_ERROR },
		{ "", "stages: {}\n", DV_ECORRUPT },
		{ "", "a: [\n", DV_ECORRUPT },
		{ "", "schema: dv 1\nschema: dv 1\n", DV_ECORRUPT },
		{ "", HEAD "  a: 1\n", DV_ECORRUPT },
		{ "", HEAD "  a:\n    cmd: x\n    outs: 1\n", DV_ECORRUPT },
		{ "", HEAD "  a:\n    cmd: x\n    outs:\n    - path: b\n", DV_ECORRUPT },
		{ "", HEAD "  a:\n    cmd: x\n    outs:\n    - path: b\n      oid: " ABC
		      "\n      size: -1\n", DV_ECORRUPT },
		{ "", HEAD "  a:\n    cmd: x\n" OUT("b") "      remote: ../b\n", DV_ECORRUPT },
		{ "", HEAD "  a:\n    cmd: x\n    run: " ABC "0\n", DV_ECORRUPT },
		{ "", HEAD "<<<<<<< ours\n", DV_ECORRUPT },
		{ "", "<<<<<<< ours\n", DV_ECORRUPT },
		{ "", HEAD "  a:\n    cmd: x\n" OUT("../b"), DV_EUNSAFE },
		{ "d", HEAD "  a:\n    cmd: x\n" OUT("../b"), 0 },
		{ "d", HEAD "  a:\n    cmd: x\n" OUT("../../b"), DV_EUNSAFE },
		{ "d", HEAD "  a:\n    cmd: x\n    wdir: ..\n" OUT("../b"), DV_EUNSAFE },
		{ "", HEAD "  a:\n    cmd: x\n    wdir: /etc\n" OUT("b"), DV_EUNSAFE },
		{ "", HEAD "  a:\n    cmd: x\n" OUT("/etc/b"), DV_EUNSAFE },
		{ "", HEAD "  a:\n    cmd: x\n" OUT("."), DV_EUNSAFE },
		{ "", HEAD "  a:\n    cmd: x\n" OUT(".git/hooks/post-checkout"), DV_EUNSAFE },
		{ "", HEAD "  a:\n    cmd: x\n" OUT("b/.dv/config"), DV_EUNSAFE },
		{ "", HEAD "  a:\n    cmd: x\n" OUT("b/dv.yaml"), DV_EUNSAFE },
		{ "", HEAD "  a:\n    cmd: x\n" OUT("b.dv"), DV_EUNSAFE },
		{ "", HEAD "  a:\n    cmd: x\n" OUT(".gitignore"), DV_EUNSAFE },
		{ "d/e", HEAD "  a:\n    cmd: x\n" OUT("../../d"), DV_EUNSAFE },
		{ "d/e", HEAD "  a:\n    cmd: x\n" OUT("../../d-b"), 0 },
		{ "", HEAD "  a:\n    cmd: x\n" OUT("x/../y//z/"), 0 },
	};
	static const char nul[] = "schema: dv 1\0\n";

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int rc = parse(cases[i].text, strlen(cases[i].text), cases[i].dir);
		if (rc != cases[i].code)
			fail_msg("%d for case %zu: %s", rc, i, dv_error_last()->message);
		if (rc == DV_ECORRUPT)
			assert_non_null(strstr(dv_error_last()->hint, "git"));
	}
	assert_int_equal(DV_ECORRUPT, parse(nul, sizeof(nul) - 1, ""));
	assert_int_equal(DV_ECORRUPT, parse("a\\0b", 4, ""));
}

/* -- putting ----------------------------------------------------------------------------------- */

static void put_stage(dv_lockfile *l, const char *name, const char *path)
{
	dv_locked_path out = { .path = path, .size = 3 };
	dv_value cmd = { .kind = DV_VALUE_STRING, .s = "x" };
	dv_locked_stage s = { .name = name, .cmd = &cmd, .wdir = ".", .outs = &out, .nouts = 1 };

	assert_int_equal(0, dv_lockfile_put(l, &s));
}

static void forgets_former_stages(void **state)
{
	static const char text[] = HEAD "  a:\n    cmd: x\n" OUT("p") "  b:\n    cmd: x\n"
		OUT("q/r") "  c:\n    cmd: x\n" OUT("s") "  d:\n    cmd: x\n" OUT("t");
	dv_auto(dv_lockfile) l = DV_LOCKFILE_INIT;

	(void)state;
	assert_int_equal(0, dv_lockfile_parse(&l, text, strlen(text), "", "dv.lock"));
	put_stage(&l, "renamed", "p");
	put_stage(&l, "above", "q");
	put_stage(&l, "below", "s/u");
	assert_int_equal(7, l.n);
	assert_int_equal(0, dv_lockfile_settle(&l, ""));
	assert_int_equal(4, l.n);
	assert_non_null(dv_lockfile_find(&l, "d"));
	assert_non_null(dv_lockfile_find(&l, "renamed"));
	assert_non_null(dv_lockfile_find(&l, "above"));
	assert_non_null(dv_lockfile_find(&l, "below"));
	assert_null(dv_lockfile_find(&l, "a"));
}

/* -- outputs ----------------------------------------------------------------------------------- */

static void reads_history(void **state)
{
	static const char one[] = HEAD "  a:\n    cmd: x\n" OUT("p") "  b:\n    cmd: x\n" OUT("q");
	static const char two[] = "# top\n" HEAD "  a:\n    cmd: y\n" OUT("p") "  b:\n    cmd: x\n"
				  OUT("q");
	/* A text of two lines that looks like a stage. */
	static const char odd[] = HEAD "  a:\n    cmd: \"x\n  z:\n    y\"\n" OUT("p");
	static const char bad[] = HEAD "  c:\n    cmd: x\n" OUT("s") "  a: 1\n";
	dv_auto(dv_output_list) l = DV_OUTPUT_LIST_INIT;
	dv_auto(dv_map) seen = DV_MAP_INIT;

	(void)state;
	assert_int_equal(0, dv_output_list_read(&l, "d/dv.lock", one, strlen(one), &seen));
	assert_int_equal(2, l.n);
	assert_string_equal("d/p", l.o[0].path);
	assert_string_equal("a", l.o[0].stage);
	assert_string_equal("d/dv.lock", l.o[0].pointer_path);
	assert_int_equal(0, dv_output_list_read(&l, "d/dv.lock", one, strlen(one), &seen));
	assert_int_equal(2, l.n);
	assert_int_equal(0, dv_output_list_read(&l, "d/dv.lock", two, strlen(two), &seen));
	assert_int_equal(3, l.n);
	assert_int_equal(0, dv_output_list_read(&l, "dv.lock", two, strlen(two), &seen));
	assert_int_equal(5, l.n);
	if (dv_output_list_read(&l, "dv.lock", odd, strlen(odd), &seen))
		assert_int_equal(0, dv_output_list_add_copy(&l, &l.o[0]));
	assert_int_equal(6, l.n);
	assert_string_equal("a", l.o[5].stage);
	/* What is damaged is not remembered. */
	assert_int_equal(DV_ECORRUPT, dv_output_list_read(&l, "dv.lock", bad, strlen(bad), &seen));
	assert_int_equal(6, l.n);
	assert_int_equal(0, dv_output_list_read(&l, "dv.lock", bad, strlen(bad) - 7, &seen));
	assert_int_equal(7, l.n);
	assert_int_equal(0, dv_output_list_read(&l, "dv.lock", one, strlen(one), NULL));
	assert_int_equal(9, l.n);
}

static char dir[100];

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/dv-lock-XXXXXX");
	if (!mkdtemp(dir) || chdir(dir)) /* not disk */
		return -1;
	setenv("DV_CONFIG_SYSTEM", "/nonexistent", 1);
	setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
	setenv("HOME", dir, 1);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return chdir("/") || dv_fs_remove_tree(dir);
}

static void put(const char *name, const char *text)
{
	dv_autofree char *path = dv_path_join(dir, name);
	dv_autofree char *parent = dv_path_dir(path);

	assert_int_equal(0, dv_fs_mkdirs(parent));
	assert_int_equal(0, dv_fs_write_file(path, text, strlen(text), 0));
}

static void walk(dv_repo *r, int code, const char *want)
{
	dv_auto(dv_output_list) l = DV_OUTPUT_LIST_INIT;
	dv_auto(dv_buf) all = DV_BUF_INIT;
	int rc = dv_repo_outputs(r, &l);

	if (rc != code)
		fail_msg("%d: %s", rc, dv_error_last()->message);
	for (size_t i = 0; !rc && i < l.n; i++)
		dv_buf_addf(&all, "%s:%s ", l.o[i].path, l.o[i].stage ? l.o[i].stage : "-");
	if (rc && !strstr(dv_error_last()->message, want))
		fail_msg("%s", dv_error_last()->message);
	if (!rc)
		assert_string_equal(want, dv_buf_str(&all));
}

#define DIR_OUT(path) "    outs:\n    - path: " path "\n      oid: " ABC \
	"\n      size: 3\n      nfiles: 1\n"
#define POINTER(path) "outs:\n- path: " path "\n  oid: " ABC "\n  size: 3\n"

static void walks(void **state)
{
	dv_autoptr(dv_repo) r = NULL;
	dv_init_options o = { .no_scm = true };

	(void)state;
	assert_int_equal(0, dv_init(NULL, &o));
	assert_int_equal(0, dv_repo_open(&r, NULL));
	put("a.dv", POINTER("a"));
	put("dv.lock", HEAD "  s:\n    cmd: x\n" OUT("b") "  t:\n    cmd: x\n" DIR_OUT("m/n"));
	put("sub/dv.lock", HEAD "  u:\n    cmd: x\n" OUT("../c") "    - path: z\n      oid: " ABC
	    "\n      size: 1\n      cache: false\n");
	walk(r, 0, "a:- b:s c:u m/n:t ");
	/* What a stage makes is not searched, whichever way the walk comes. */
	put("m/n/inside.dv", POINTER("inside"));
	put("m/n/dv.lock", "damaged");
	put("zz/made/inside.dv", POINTER("inside"));
	put("aa/dv.lock", HEAD "  v:\n    cmd: x\n" DIR_OUT("../zz/made"));
	put("zz/dv.lock", HEAD "  w:\n    cmd: x\n" DIR_OUT("../aa/made"));
	put("aa/made/inside.dv", "damaged");
	put("zz/made/dv.lock", "damaged");
	walk(r, 0, "a:- aa/made:w b:s c:u m/n:t zz/made:v ");
	put(".dvignore", "aa\nmade\n");
	dv_repo_free(r);
	r = NULL;
	assert_int_equal(0, dv_repo_open(&r, NULL));
	put("b.dv", POINTER("b"));
	walk(r, DV_ERROR, "'b.dv'");
	walk(r, DV_ERROR, "the stage 's' of 'dv.lock'");
	put("b.dv", POINTER("bb"));
	put("m.dv", POINTER("m"));
	walk(r, DV_ERROR, "the stage 't' of 'dv.lock' tracks 'm/n', which lies in 'm'");
	put("m.dv", POINTER("mm"));
	put("sub/dv.lock", HEAD "  u:\n    cmd: x\n" OUT("../b"));
	walk(r, DV_ERROR, "the stage 'u' of 'sub/dv.lock'");
	put("sub/dv.lock", HEAD "  u:\n    cmd: x\n" OUT("b") "  v:\n    cmd: x\n" OUT("b"));
	walk(r, DV_ERROR, "'sub/b'");
	put("sub/dv.lock", "damaged");
	walk(r, DV_ECORRUPT, "sub/dv.lock");
	put("sub/dv.lock", HEAD "  u:\n    cmd: x\n<<<<<<< HEAD\n");
	walk(r, DV_ECORRUPT, "'sub/dv.lock' has conflict markers");
}

/* Two locks whose folders lie in each other's output leave nobody to believe. */
static void refuses_circles(void **state)
{
	static const char a[] = HEAD "  s:\n    cmd: x\n" DIR_OUT("../b");
	static const char b[] = HEAD "  s:\n    cmd: x\n" DIR_OUT("../a");
	dv_auto(dv_output_list) l = DV_OUTPUT_LIST_INIT;

	(void)state;
	assert_int_equal(0, dv_output_list_read(&l, "a/dv.lock", a, strlen(a), NULL));
	assert_int_equal(0, dv_output_list_read(&l, "b/dv.lock", b, strlen(b), NULL));
	assert_int_equal(DV_ERROR, dv_output_list_finish(&l));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors), cmocka_unit_test(refuses),
		cmocka_unit_test(forgets_former_stages), cmocka_unit_test(reads_history),
		cmocka_unit_test_setup_teardown(walks, set_up, tear_down),
		cmocka_unit_test(refuses_circles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
