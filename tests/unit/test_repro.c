/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of running stages: commands, keys of the run cache, journals, locks on paths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <signal.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "folder.h"
#include "pipeline/children.h"
#include "pipeline/lockwrite.h"
#include "pipeline/runcache.h"
#include "pipeline/trace.h"
#include "repo/pathlock.h"

/* -- commands ---------------------------------------------------------------------------------- */

static void lines_are(const char *text, const char *expected)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	size_t n;

	ok(dv_child_lines(&b, text, &n));
	for (size_t i = 0; i < b.n; i++)
		if (!b.p[i])
			b.p[i] = '|';
	assert_string_equal(dv_buf_str(&b), expected);
}

static void test_lines(void **state)
{
	(void)state;
	lines_are("", "");
	lines_are("a b", "a b|");
	lines_are("a\nb\n", "a|b|");
	lines_are("\n  \na\n\t\n", "a|");
	lines_are("a \\\n  b\nc", "a \\\n  b|c|");
	lines_are("a\\", "a\\|");
	lines_are("a\\\n", "a\\\n|");
}

static void append(size_t owner, bool is_error, const char *text, size_t n, void *payload)
{
	(void)owner;
	dv_buf_adds(payload, is_error ? "e:" : "o:");
	dv_buf_add(payload, text, n);
}

static void test_children(void **state)
{
	static const char *const cmds[] = { "echo one; echo two >&2", "pwd; exit 7", "echo no" };
	char *const env[] = { (char *)(uintptr_t)"PATH=/usr/bin:/bin", NULL };
	dv_auto(dv_buf) said = DV_BUF_INIT;
	dv_autoptr(dv_children) c = NULL;
	dv_child_end end;
	dv_child_spec spec = { .owner = 5, .cmd = cmds, .ncmd = 3, .dir = "/", .env = env,
			       .keep_fd = -1, .lines = true, .merged = false };

	(void)state;
	ok(dv_children_new(&c, append, &said));
	assert_false(dv_children_wait(c, 1, &end));
	ok(dv_children_start(c, &spec));
	assert_true(dv_children_wait(c, 20000, &end));
	assert_int_equal(end.owner, 5);
	assert_int_equal(end.exit_code, 7);
	assert_non_null(strstr(dv_buf_str(&said), "o:one\n"));
	assert_non_null(strstr(dv_buf_str(&said), "e:two\n"));
	assert_non_null(strstr(dv_buf_str(&said), "o:/\n"));
	assert_null(strstr(dv_buf_str(&said), "no"));
	assert_int_equal(end.log.n, strlen("one\ntwo\n/\n"));
	dv_buf_release(&end.log);

	static const char *const forever[] = { "sleep 600" };
	spec.cmd = forever;
	spec.ncmd = 1;
	ok(dv_children_start(c, &spec));
	dv_children_stop(c);
	assert_true(dv_children_wait(c, 20000, &end));
	/* The first signal may come before there is a command, and count for nothing. */
	assert_true(end.exit_code == 128 + SIGINT || end.exit_code == 128 + SIGTERM);
	dv_buf_release(&end.log);

	spec.dir = "/no/such/folder";
	assert_true(dv_children_start(c, &spec) < 0);
}

/* -- keys -------------------------------------------------------------------------------------- */

static void key_is(const char *yaml, const char *folder, const char *expected)
{
	dv_auto(dv_lockfile) l = DV_LOCKFILE_INIT;
	char hex[DV_OID_HEX_SIZE + 1];
	dv_oid key;

	ok(dv_lockfile_parse(&l, yaml, strlen(yaml), folder, "dv.lock"));
	assert_int_equal(l.n, 1);
	ok(dv_runcache_key(&l.stages[0], folder, &key));
	dv_oid_hex(hex, &key);
	assert_string_equal(hex, expected);
}

#define OID_D "sha256:18ac3e7343f016890c510e93f935261169d9e3f565436429830faf0934f4f8e4"
#define OID_T "sha256:e3b98a4da31a127d4bde6e43033f66ba274cab0eb7eb1c70ec41402bf6273dd8"
#define KEY_TRAIN "f10ea968488d0f31498793b34bb95a372b540a788719d76eae7a9d3bce41348e"
#define KEY_LIST "aef668e3f56148f8456d2ffccbd1536232f0835326de1bcbdb66307b7166e8d3"

/* Sizes, the order of entries and what came out do not count, the folder does. */
static void test_keys(void **state)
{
	(void)state;
	key_is("schema: dv 1\nstages:\n  train:\n    cmd: python train.py\n    wdir: sub\n"
	       "    deps:\n    - path: ../train.py\n      oid: " OID_T "\n      size: 1\n"
	       "    - path: data\n      oid: " OID_D "\n      size: 9\n      nfiles: 2\n"
	       "    params:\n      params.yaml:\n        n: 3\n        lr: 0.1\n"
	       "    outs:\n    - path: model\n      oid: " OID_T "\n      size: 1\n"
	       "    - path: m.json\n      oid: " OID_D "\n      size: 1\n", "", KEY_TRAIN);
	key_is("schema: dv 1\nstages:\n  other:\n    cmd: python train.py\n"
	       "    deps:\n    - path: data\n      oid: " OID_D "\n      size: 9\n      nfiles: 2\n"
	       "    - path: ../train.py\n      oid: " OID_T "\n      size: 1\n"
	       "    params:\n      params.yaml:\n        lr: 0.1\n        n: 3\n"
	       "    outs:\n    - path: m.json\n      oid: " OID_T "\n      size: 1\n"
	       "    - path: model\n      oid: " OID_D "\n      size: 1\n", "sub", KEY_TRAIN);
	key_is("schema: dv 1\nstages:\n  list:\n    cmd:\n    - a\n    - b\n"
	       "    params:\n      p.yaml: {}\n"
	       "    outs:\n    - path: x\n      oid: " OID_T "\n      size: 1\n", "", KEY_LIST);
}

/* -- journals ---------------------------------------------------------------------------------- */

static void entry(dv_lockfile *l, const char *name, const char *cmd)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	dv_buf_addf(&b, "schema: dv 1\nstages:\n  %s:\n    cmd: %s\n", name, cmd);
	ok(dv_lockfile_parse(l, dv_buf_str(&b), b.n, "", "dv.lock"));
}

static void record(dv_buf *out, const char *name, const char *old, const char *cmd)
{
	dv_auto(dv_lockfile) before = DV_LOCKFILE_INIT, now = DV_LOCKFILE_INIT;
	dv_oid sum = { { 0 } };

	if (old) {
		entry(&before, name, old);
		ok(dv_locked_stage_digest(&before.stages[0], &sum));
	}
	entry(&now, name, cmd);
	ok(dv_lockjournal_print(out, "dv.lock", &sum, &now.stages[0]));
}

static void test_journal(void **state)
{
	dv_auto(dv_buf) text = DV_BUF_INIT, printed = DV_BUF_INIT;
	dv_auto(dv_lockfile) l = DV_LOCKFILE_INIT;
	size_t whole;

	(void)state;
	entry(&l, "b", "old");
	record(&text, "a", NULL, "one");
	record(&text, "b", "old", "new");
	record(&text, "b", "other", "never");
	whole = text.n;
	record(&text, "c", NULL, "torn");

	/* Cut anywhere in the last record. */
	for (size_t n = whole; n < text.n; n++) {
		dv_auto(dv_lockjournal) j = DV_LOCKJOURNAL_INIT;

		ok(dv_lockjournal_parse(&j, text.p, n));
		assert_int_equal(j.n, 3);
	}
	/* Damaged anywhere in the first. */
	for (size_t at = 0; at < whole / 3; at += 7) {
		dv_auto(dv_lockjournal) j = DV_LOCKJOURNAL_INIT;

		text.p[at] ^= 1;
		ok(dv_lockjournal_parse(&j, text.p, whole));
		assert_int_equal(j.n, 0);
		text.p[at] ^= 1;
	}
	dv_auto(dv_lockjournal) j = DV_LOCKJOURNAL_INIT;
	ok(dv_lockjournal_parse(&j, text.p, whole));
	ok(dv_lockjournal_apply(&j, &l, "sub/dv.lock", "sub"));
	assert_int_equal(l.n, 1);
	ok(dv_lockjournal_apply(&j, &l, "dv.lock", ""));
	ok(dv_lockfile_print(&printed, &l));
	assert_string_equal(dv_buf_str(&printed), "schema: dv 1\nstages:\n  a:\n    cmd: one\n"
						  "  b:\n    cmd: new\n");
	/* Twice is as once. */
	ok(dv_lockjournal_apply(&j, &l, "dv.lock", ""));
	assert_int_equal(l.n, 2);
}

/* -- paths ------------------------------------------------------------------------------------- */

static int try_one(dv_pathlocks *l, size_t owner, const dv_pathlock_path *p)
{
	dv_autofree char *blocker = NULL, *text = NULL;
	int rc = dv_pathlocks_try(l, owner, "the stage 'me'", p, 1, &blocker);

	ok(rc);
	assert_true(rc == 1 || asprintf(&text, "the stage 'me' uses '%s'", p->path) > 0);
	assert_true(rc == 1 || !strcmp(blocker, text));
	return rc;
}

static void test_pathlocks(void **state)
{
	static const dv_pathlock_path out = { "data/x", true }, dep = { "data/x", false },
				      around = { "data", false }, inside = { "data/x/y", false },
				      beside = { "data/xy", true }, all = { "data", true };
	dv_repo r = { .root = root, .dvdir = root };
	dv_autoptr(dv_pathlocks) a = NULL;
	dv_autoptr(dv_pathlocks) b = NULL;

	(void)state;
	ok(dv_pathlocks_new(&a, &r));
	ok(dv_pathlocks_new(&b, &r));
	assert_int_equal(try_one(a, 1, &out), 1);
	assert_int_equal(try_one(a, 2, &dep), 1);
	assert_int_equal(try_one(b, 1, &dep), 0);
	assert_int_equal(try_one(b, 1, &out), 0);
	assert_int_equal(try_one(b, 1, &around), 0);
	assert_int_equal(try_one(b, 1, &inside), 0);
	assert_int_equal(try_one(b, 1, &beside), 1);
	ok(dv_pathlocks_release(a, 1));
	assert_int_equal(try_one(b, 2, &inside), 1);
	assert_int_equal(try_one(b, 3, &dep), 1);
	assert_int_equal(try_one(a, 3, &all), 0);
	assert_true(dv_pathlocks_met_others(a));
	ok(dv_pathlocks_release(b, 2));
	ok(dv_pathlocks_release(b, 3));
	assert_int_equal(try_one(a, 3, &all), 0);
	ok(dv_pathlocks_release(b, 1));
	assert_int_equal(try_one(a, 3, &all), 1);
}

/* -- traces ------------------------------------------------------------------------------------ */

static void test_trace(void **state)
{
	static const char text[] =
		"7 openat(AT_FDCWD</w>, \"a\", O_RDONLY|O_CLOEXEC) = 3</w/a>\n"
		"7 openat(AT_FDCWD</w>, \"a\", O_RDONLY) = 3</w/a>\n"
		"7 openat(AT_FDCWD</w>, \"dep/x\", O_RDONLY) = 3</w/dep/x>\n"
		"7 openat(AT_FDCWD</w>, \"o\", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 3</w/o>\n"
		"7 openat(AT_FDCWD</w>, \"d\", O_RDONLY|O_DIRECTORY) = 3</w/d>\n"
		"7 openat(AT_FDCWD</w>, \"no\", O_RDONLY) = -1 ENOENT (No such file)\n"
		"8 openat(AT_FDCWD</w>, \"b\", O_RDONLY <unfinished ...>\n"
		"9 openat(AT_FDCWD</w>, \"w\", O_WRONLY <unfinished ...>\n"
		"9 <... openat resumed>) = 4</w/w>\n"
		"8 <... openat resumed>) = 4</w/b = 1 \\303\\251>\n"
		"8 openat(AT_FDCWD</w>, \"/etc/passwd\", O_RDONLY) = 4</etc/passwd>\n"
		"8 openat(AT_FDCWD</w>, \".git/x\", O_RDONLY) = 4</w/.git/x>\n"
		"8 openat(AT_FDCWD</w>, \"torn\", O_RDONLY) = 4</w/torn>";
	dv_stage_dep dep = { .written = "dep", .path = "dep" };
	const dv_stage s = { .name = "s", .deps = &dep, .ndeps = 1 };
	dv_auto(dv_trace_reads) reads = DV_TRACE_READS_INIT;

	(void)state;
	ok(dv_trace_parse(&reads, text, sizeof(text) - 1, "/w", &s));
	assert_int_equal(reads.n, 2);
	assert_string_equal(reads.paths[0], "a");
	assert_string_equal(reads.paths[1], "b = 1 \303\251");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_children),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_journal),
		cmocka_unit_test(test_trace),
		cmocka_unit_test_setup_teardown(test_pathlocks, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
