/* SPDX-License-Identifier: Apache-2.0 */
/* Git LFS's pointer: one encoding, and nothing else is taken for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/sha256.h"
#include "git/lfs_pointer.h"

#define VERSION "version https://git-lfs.github.com/spec/v1\n"
#define HEX "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393"
#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define POINTER VERSION "oid sha256:" HEX "\nsize 12345\n"

static bool parse(dv_lfs_pointer *out, const char *text)
{
	return dv_lfs_pointer_parse(out, text, strlen(text));
}

static void reads_what_it_prints(void **state)
{
	const uint64_t sizes[] = { 1, 9, 10, 12345, INT64_MAX };
	dv_lfs_pointer p, q;
	char text[DV_LFS_POINTER_MAX + 1];

	(void)state;
	assert_true(parse(&p, POINTER));
	assert_int_equal(12345, p.size);
	assert_int_equal(strlen(POINTER), dv_lfs_pointer_print(text, &p));
	assert_string_equal(POINTER, text);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		p.size = sizes[i];
		size_t n = dv_lfs_pointer_print(text, &p);
		assert_true(n >= DV_LFS_POINTER_MIN && n <= DV_LFS_POINTER_MAX);
		assert_int_equal(n, strlen(text));
		assert_true(dv_lfs_pointer_parse(&q, text, n));
		assert_true(q.size == p.size && dv_oid_eq(&q.oid, &p.oid));
	}
}

static void empty_is_empty(void **state)
{
	char text[DV_LFS_POINTER_MAX + 1] = "x";
	dv_lfs_pointer p;

	(void)state;
	assert_true(dv_lfs_pointer_parse(&p, NULL, 0));
	assert_true(p.size == 0 && dv_oid_is_empty(&p.oid));
	assert_int_equal(0, dv_lfs_pointer_print(text, &p));
	assert_string_equal("", text);
}

static void takes_no_other(void **state)
{
	static const char *const no[] = {
		"\n", "version", VERSION,
		VERSION "oid sha256:" HEX "\nsize 12345",
		VERSION "oid sha256:" HEX "\nsize 12345\n\n",
		VERSION "oid sha256:" HEX "\nsize 12345 \n",
		VERSION "oid sha256:" HEX "\nsize 012345\n",
		VERSION "oid sha256:" HEX "\nsize +1\n",
		VERSION "oid sha256:" HEX "\nsize -1\n",
		VERSION "oid sha256:" HEX "\nsize 0\n",
		VERSION "oid sha256:" HEX "\nsize \n",
		VERSION "oid sha256:" HEX "\nsize 0x10\n",
		VERSION "oid sha256:" HEX "\nsize 9223372036854775808\n",
		VERSION "oid sha256:" HEX "\nsize 18446744073709551617\n",
		VERSION "oid sha256:" EMPTY "\nsize 0\n",
		VERSION "oid sha256:" EMPTY "\nsize 1\n",
		VERSION "oid sha512:" HEX "\nsize 1\n",
		VERSION "oid sha256:4D7A214614AB2935C943F9E0FF69D22EADBB8F32B1258DAAA5E2CA24D17E2393"
			"\nsize 1\n",
		VERSION "size 12345\noid sha256:" HEX "\n",
		VERSION "oid sha256:" HEX "\nsize 12345\nx y\n",
		VERSION "ext-0-foo sha256:" HEX "\noid sha256:" HEX "\nsize 12345\n",
		"version http://git-media.io/v/2\noid sha256:" HEX "\nsize 12345\n",
		"version https://git-lfs.github.com/spec/v1\r\noid sha256:" HEX "\r\nsize 1\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++)
		if (parse(NULL, no[i]))
			fail_msg("taken for a pointer: %s", no[i]);
	/* Every change of one byte gives another pointer or none. */
	for (size_t i = 0; i < strlen(POINTER); i++) {
		char text[] = POINTER, back[DV_LFS_POINTER_MAX + 1];
		dv_lfs_pointer p;

		for (int c = 0; c < 256; c++) {
			text[i] = (char)c;
			if (dv_lfs_pointer_parse(&p, text, sizeof(text) - 1)) {
				dv_lfs_pointer_print(back, &p);
				assert_memory_equal(text, back, sizeof(text));
			}
		}
	}
	for (size_t n = 1; n < strlen(POINTER); n++)
		assert_false(dv_lfs_pointer_parse(NULL, POINTER, n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_it_prints),
		cmocka_unit_test(empty_is_empty),
		cmocka_unit_test(takes_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
