/* SPDX-License-Identifier: Apache-2.0 */
/* Directory listings: the bytes are frozen, everything else is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/sha256.h"
#include "store/tree.h"

#define HEX0 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HEXA "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"

static dv_oid oid_of(const char *s)
{
	dv_oid id;

	dv_sha256(&id, s, strlen(s));
	return id;
}

static void expect_oid(const dv_buf *b, const char *hex)
{
	char is[DV_OID_HEX_SIZE + 1];
	dv_oid id;

	dv_sha256(&id, b->p, b->n);
	dv_oid_hex(is, &id);
	assert_string_equal(is, hex);
}

/* The vectors of docs/format.md. */
static void test_vectors(void **state)
{
	static const char text[] = "dv-tree 1\n"
				   "f " HEXA " 1 B\n"
				   "d 6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
				   " 10 3 a\n"
				   "x " HEX0 " 0 a\\\\b\\nc\n"
				   "l " HEXA " 1 z\n";
	dv_auto(dv_tree) t = DV_TREE_INIT;
	dv_auto(dv_buf) b = DV_BUF_INIT;
	dv_oid a = oid_of("a"), empty = oid_of(""), one = oid_of("1");
	uint64_t size, nfiles;

	(void)state;
	assert_int_equal(dv_tree_write(&b, &t), 0);
	assert_string_equal(dv_buf_str(&b), "dv-tree 1\n");
	expect_oid(&b, "6f4a92f560af2e3b77d840f46e61e2ec2a687489f23142e6306589e21dd5baf4");
	dv_buf_clear(&b);
	assert_int_equal(dv_tree_add(&t, 'l', &a, 1, 1, "z"), 0);
	assert_int_equal(dv_tree_add(&t, 'x', &empty, 0, 1, "a\\b\nc"), 0);
	assert_int_equal(dv_tree_add(&t, 'd', &one, 10, 3, "a"), 0);
	assert_int_equal(dv_tree_add(&t, 'f', &a, 1, 1, "B"), 0);
	assert_int_equal(dv_tree_write(&b, &t), 0);
	assert_string_equal(dv_buf_str(&b), text);
	expect_oid(&b, "32c9ace133651e133d020d82bb73dab87e52e39b51fe6afc790994111d5e1386");
	dv_tree_totals(&t, &size, &nfiles);
	assert_int_equal(size, 12);
	assert_int_equal(nfiles, 6);
	assert_ptr_equal(dv_tree_find(&t, "a"), &t.e[1]);
	assert_null(dv_tree_find(&t, "b"));
}

static void test_round_trip(void **state)
{
	dv_auto(dv_tree) t = DV_TREE_INIT;
	dv_auto(dv_tree) back = DV_TREE_INIT;
	dv_auto(dv_buf) b = DV_BUF_INIT;
	dv_auto(dv_buf) again = DV_BUF_INIT;
	dv_oid a = oid_of("a");
	struct timespec t0, t1;
	char name[64];

	(void)state;
	for (unsigned i = 0; i < 60000; i++) {
		snprintf(name, sizeof(name), "%s%u\n\xff.csv", i % 7 ? "file-" : "\\", i * 7919u);
		assert_int_equal(dv_tree_add(&t, "fxld"[i % 4], &a, i, i % 5, name), 0);
	}
	assert_int_equal(dv_tree_write(&b, &t), 0);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	assert_int_equal(dv_tree_parse(&back, b.p, b.n), 0);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	print_message("60000 entries parsed in %.1f ms\n",
		      (double)(t1.tv_sec - t0.tv_sec) * 1e3 +
			      (double)(t1.tv_nsec - t0.tv_nsec) / 1e6);
	assert_int_equal(back.n, 60000);
	assert_int_equal(dv_tree_write(&again, &back), 0);
	assert_int_equal(again.n, b.n);
	assert_memory_equal(again.p, b.p, b.n);
	/* A parsed tree takes further entries. */
	assert_int_equal(dv_tree_add(&back, 'f', &a, 1, 1, "!new"), 0);
	dv_buf_clear(&again);
	assert_int_equal(dv_tree_write(&again, &back), 0);
	assert_non_null(dv_tree_find(&back, "!new"));
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"", "dv-tree 1", "dv-tree 2\n", "dv-tree 1\n\n", "dv-tree 1\nf " HEXA " 1 a",
		"dv-tree 1\nf " HEXA " 01 a\n", "dv-tree 1\nf " HEXA " 1 \n",
		"dv-tree 1\nf " HEXA "  1 a\n", "dv-tree 1\nf " HEXA " -1 a\n",
		"dv-tree 1\nf " HEXA " 1 a/b\n", "dv-tree 1\nf " HEXA " 1 .\n",
		"dv-tree 1\nf " HEXA " 1 ..\n", "dv-tree 1\nf " HEXA " 1 a\\\n",
		"dv-tree 1\nf " HEXA " 1 a\\x\n", "dv-tree 1\nq " HEXA " 1 a\n",
		"dv-tree 1\nd " HEXA " 1 a\n", "dv-tree 1\nd " HEXA " 1 1 \n",
		"dv-tree 1\nf " HEXA " 9223372036854775808 a\n",
		"dv-tree 1\nf " HEXA " 99999999999999999999999 a\n",
		"dv-tree 1\nf " HEXA " 9223372036854775807 a\nf " HEXA " 1 b\n",
		"dv-tree 1\nf " HEXA " 1 b\nf " HEXA " 1 a\n",
		"dv-tree 1\nf " HEXA " 1 a\nf " HEXA " 1 a\n",
		"dv-tree 1\nf " HEXA " 1 a\nd " HEXA " 1 1 a\n",
		"dv-tree 1\nf CA978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb 1 a\n",
	};
	static const char nul[] = "dv-tree 1\nf " HEXA " 1 a\0b\n";
	dv_tree t;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (dv_tree_parse(&t, bad[i], strlen(bad[i])) != DV_ECORRUPT)
			fail_msg("accepted: %s", bad[i]);
		assert_null(t.e);
	}
	assert_int_equal(dv_tree_parse(&t, nul, sizeof(nul) - 1), DV_ECORRUPT);
	assert_int_equal(dv_tree_parse(&t, "dv-tree 1\nf " HEXA " 1 a b\n", 83), 0);
	dv_tree_release(&t);
}

static void test_names_refused(void **state)
{
	dv_auto(dv_tree) t = DV_TREE_INIT;
	dv_auto(dv_buf) b = DV_BUF_INIT;
	dv_oid a = oid_of("a");

	(void)state;
	assert_true(dv_tree_add(&t, 'f', &a, 1, 1, "") < 0);
	assert_true(dv_tree_add(&t, 'f', &a, 1, 1, "..") < 0);
	assert_true(dv_tree_add(&t, 'f', &a, 1, 1, "a/b") < 0);
	assert_true(dv_tree_add(&t, 'z', &a, 1, 1, "a") < 0);
	assert_int_equal(dv_tree_add(&t, 'f', &a, 1, 1, "a"), 0);
	assert_int_equal(dv_tree_add(&t, 'd', &a, 1, 1, "a"), 0);
	assert_true(dv_tree_write(&b, &t) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_names_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
