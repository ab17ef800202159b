/* SPDX-License-Identifier: Apache-2.0 */
/* Errors, allocation, buffers, the oid map and JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"
#include "base/map.h"

static void test_error_record(void **state)
{
	dv_error kept;

	(void)state;
	assert_int_equal(dv_err(DV_EAUTH, "cannot log in to '%s'", "x"), DV_EAUTH);
	assert_int_equal(dv_err_hint(DV_EAUTH, "run '%s'", "y"), DV_EAUTH);
	assert_int_equal(dv_error_last()->code, DV_EAUTH);
	assert_string_equal(dv_error_last()->message, "cannot log in to 'x'");
	assert_string_equal(dv_error_last()->hint, "run 'y'");
	dv_err_ctx(DV_EAUTH, "remote '%s'", "r");
	assert_string_equal(dv_error_last()->message, "remote 'r': cannot log in to 'x'");
	assert_string_equal(dv_error_last()->hint, "run 'y'");

	dv_error_take(&kept);
	dv_err(DV_ERROR, "again: %s", dv_error_last()->message);
	assert_string_equal(dv_error_last()->message, "again: remote 'r': cannot log in to 'x'");
	assert_string_equal(dv_error_last()->hint, "");
	assert_int_equal(dv_error_put(&kept), DV_EAUTH);
	assert_string_equal(dv_error_last()->hint, "run 'y'");
	dv_error_clear();
	assert_int_equal(dv_error_last()->code, 0);
	assert_string_equal(dv_error_last()->message, "");
}

static void test_error_errno(void **state)
{
	(void)state;
	errno = ENOENT;
	assert_int_equal(dv_err_sys("cannot open 'a'"), DV_ENOTFOUND);
	assert_string_equal(dv_error_last()->message, "cannot open 'a': No such file or directory");
	assert_int_equal(errno, ENOENT);
	errno = EEXIST;
	assert_int_equal(dv_err_sys("x"), DV_EEXISTS);
	assert_string_equal(dv_error_last()->hint, "");
	errno = ENOSPC;
	assert_int_equal(dv_err_sys("x"), DV_ERROR);
	assert_true(*dv_error_last()->hint);
	errno = EDQUOT;
	assert_int_equal(dv_err_sys("x"), DV_ERROR);
	assert_true(*dv_error_last()->hint);
}

/* A long message is cut, but no character is. */
static void test_error_cut(void **state)
{
	static const char *const chars[] = { "a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };
	char text[4000];

	(void)state;
	for (size_t c = 0; c < 4; c++) {
		size_t len = strlen(chars[c]);

		for (size_t shift = 0; shift < 4; shift++) {
			size_t n = shift, got;

			memset(text, 'x', shift);
			while (n + len < sizeof(text)) {
				memcpy(text + n, chars[c], len);
				n += len;
			}
			text[n] = '\0';
			dv_err(DV_ERROR, "%s", text);
			got = strlen(dv_error_last()->message);
			assert_true(got <= 2047 && got + len > 2047);
			assert_int_equal((got - shift) % len, 0);
			dv_err_ctx(DV_ERROR, "%s", "c");
			got = strlen(dv_error_last()->message);
			assert_int_equal((got - shift - 3) % len, 0);
		}
	}
}

static void count_warning(const char *message, void *payload)
{
	assert_string_equal(message, "odd 7");
	++*(int *)payload;
	dv_warn("not again");
}

static void test_warn_and_cancel(void **state)
{
	int n = 0;

	(void)state;
	dv_warn("nobody listens");
	dv_set_warning_cb(count_warning, &n);
	dv_warn("odd %d", 7);
	dv_set_warning_cb(NULL, NULL);
	dv_warn("odd %d", 7);
	assert_int_equal(n, 1);

	assert_int_equal(dv_check_cancel(), 0);
	dv_cancel();
	assert_int_equal(dv_check_cancel(), DV_ECANCELLED);
	dv_cancel_reset();
	assert_int_equal(dv_check_cancel(), 0);
	assert_string_equal(dv_version(), DV_VERSION);
}

static void test_alloc(void **state)
{
	dv_autofree char *s = dv_strndup("hello", 3), *z = dv_malloc(0);
	dv_autofree void *aligned = dv_aligned_alloc(4096, 100);
	dv_autofree int *items = NULL;
	size_t cap = 0;

	(void)state;
	assert_string_equal(s, "hel");
	assert_non_null(z);
	assert_int_equal((uintptr_t)aligned % 4096, 0);
	assert_null(dv_reallocarray(NULL, SIZE_MAX / 2, 3));
	assert_int_equal(dv_grow(&items, &cap, 100, sizeof(*items)), 0);
	assert_true(cap >= 100);
	items[99] = 5;
	assert_int_equal(dv_grow(&items, &cap, 1000, sizeof(*items)), 0);
	assert_int_equal(items[99], 5);
	assert_int_equal(dv_grow(&items, &cap, SIZE_MAX, sizeof(*items)), DV_ERROR);
	assert_int_equal(items[99], 5);
}

static void test_buf(void **state)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	dv_autofree char *s = NULL;

	(void)state;
	assert_string_equal(dv_buf_str(&b), "");
	for (int i = 0; i < 1000; i++)
		dv_buf_addf(&b, "%d,", i);
	assert_int_equal(b.err, 0);
	assert_int_equal(b.n, 10 * 2 + 90 * 3 + 900 * 4);
	assert_memory_equal(b.p + b.n - 4, "999,", 5);
	dv_buf_clear(&b);
	assert_string_equal(dv_buf_str(&b), "");

	dv_buf_add_u16(&b, 0x0102);
	dv_buf_add_u32(&b, 0x03040506);
	dv_buf_add_u64(&b, 0x0708090a0b0c0d0e);
	assert_memory_equal(b.p, "\2\1\6\5\4\3\xe\xd\xc\xb\xa\x9\x8\x7", 14);
	assert_int_equal(dv_get_u16(b.p), 0x0102);
	assert_int_equal(dv_get_u32(b.p + 2), 0x03040506);
	assert_true(dv_get_u64(b.p + 6) == 0x0708090a0b0c0d0e);

	/* One failure stops all further appends and leaves what was there. */
	assert_int_equal(dv_buf_reserve(&b, SIZE_MAX), DV_ERROR);
	assert_int_equal(dv_buf_addc(&b, 'x'), DV_ERROR);
	assert_int_equal(b.n, 14);
	assert_null(dv_buf_detach(&b));
	dv_buf_clear(&b);
	s = dv_buf_detach(&b);
	assert_string_equal(s, "");
	assert_null(b.p);
}

static dv_oid number(uint64_t i, size_t at)
{
	dv_oid oid = { { 0 } };

	dv_put_u64(oid.b + at, i);
	return oid;
}

/* Ids that differ in one word only, wherever that is, are no slower than others. */
static void test_map(void **state)
{
	const uint64_t count = 50000;

	(void)state;
	for (size_t at = 0; at < 32; at += 8) {
		dv_auto(dv_map) m = DV_MAP_INIT;
		uint64_t v = 7, seen = 0;
		size_t pos = 0;
		bool added;

		assert_false(dv_map_has(&m, &(dv_oid){ { 0 } }));
		assert_null(dv_map_next(&m, &pos));
		for (uint64_t i = 0; i < count; i++) {
			dv_oid oid = number(i, at);

			assert_int_equal(dv_map_put(&m, &oid, i), 0);
		}
		for (uint64_t i = 0; i < 2 * count; i++) {
			dv_oid oid = number(i, at);

			assert_int_equal(dv_map_get(&m, &oid, &v), i < count);
			if (i < count)
				assert_true(v == i);
		}
		for (uint64_t i = 0; i < count; i += 3) {
			dv_oid oid = number(i, at);

			assert_true(dv_map_remove(&m, &oid));
			assert_false(dv_map_remove(&m, &oid));
		}
		for (uint64_t i = 0; i < count; i++) {
			dv_oid oid = number(i, at);

			assert_int_equal(dv_map_has(&m, &oid), i % 3 != 0);
			assert_int_equal(dv_map_add(&m, &oid, 1, &added), 0);
			assert_int_equal(added, i % 3 == 0);
		}
		pos = 0;
		for (dv_map_entry *e; (e = dv_map_next(&m, &pos)); seen++)
			assert_true(e->value == 1 || e->value == dv_get_u64(e->oid.b + at));
		assert_true(seen == count && m.n == count);
		dv_map_clear(&m);
		assert_int_equal(m.n, 0);
		assert_false(dv_map_has(&m, &(dv_oid){ { 0 } }));
	}
}

static int parse(dv_json **out, const char *text)
{
	return dv_json_parse(out, text, strlen(text), 1000, 4, "x");
}

static void test_json_strict(void **state)
{
	static const char *const bad[] = { "", "{", "{\"a\":1,\"a\":2}", "{} {}", "[[[[[]]]]]",
					   "{\"a\":\"\\u0000\"}", "\"\xff\"", "[1e999]",
					   "\"[[[[[[[[\\\"", "nul" };
	dv_json *j = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(parse(&j, bad[i]), DV_ECORRUPT);
		assert_null(j);
	}
	assert_int_equal(dv_json_parse(&j, "[1, 2]", 6, 5, 4, "x"), DV_ECORRUPT);
	assert_int_equal(parse(&j, "[[[[\"[[[\\\"[\"]]]]"), 0);
	dv_json_free(j);
}

static void test_json_getters(void **state)
{
	dv_autoptr(dv_json) j = NULL;
	const char *s = NULL;
	dv_json *list, *o;
	uint64_t v = 0;
	bool b = false;

	(void)state;
	assert_int_equal(parse(&j, "{\"s\":\"t\",\"n\":12,\"m\":-1,\"b\":true,\"l\":[1,2],\"o\":{}}"), 0);
	assert_int_equal(dv_json_get_str(j, "s", &s), 0);
	assert_string_equal(s, "t");
	assert_int_equal(dv_json_get_str(j, "n", &s), DV_ECORRUPT);
	assert_string_equal(dv_error_last()->message, "the value of 'n' is not a string");
	assert_int_equal(dv_json_get_str(j, "zz", &s), DV_ECORRUPT);
	assert_string_equal(dv_error_last()->message, "the key 'zz' is missing");
	assert_int_equal(dv_json_opt_str(j, "zz", &s), 0);
	assert_string_equal(s, "t");
	assert_int_equal(dv_json_get_u64(j, "n", 12, &v), 0);
	assert_true(v == 12);
	assert_int_equal(dv_json_get_u64(j, "n", 11, &v), DV_ECORRUPT);
	assert_int_equal(dv_json_opt_u64(j, "m", UINT64_MAX, &v), DV_ECORRUPT);
	assert_int_equal(dv_json_get_bool(j, "b", &b), 0);
	assert_true(b);
	assert_int_equal(dv_json_get_bool(j, "n", &b), DV_ECORRUPT);
	assert_int_equal(dv_json_get_array(j, "l", 2, &list), 0);
	assert_int_equal(dv_json_get_array(j, "l", 1, &list), DV_ECORRUPT);
	assert_int_equal(dv_json_get_object(j, "o", &o), 0);
	assert_int_equal(dv_json_get_object(j, "l", &o), DV_ECORRUPT);
	assert_int_equal(dv_json_get_str(list, "x", &s), DV_ECORRUPT);
	assert_int_equal(dv_json_get_str(NULL, "x", &s), DV_ECORRUPT);
}

static void test_json_canonical(void **state)
{
	dv_autoptr(dv_json) j = json_object();
	dv_auto(dv_buf) b = DV_BUF_INIT;

	(void)state;
	assert_int_equal(dv_json_set(j, "b", json_integer(3)), 0);
	assert_int_equal(dv_json_set_str(j, "a", "\xc3\xa4\n"), 0);
	assert_int_equal(dv_json_set(j, "B", json_true()), 0);
	assert_int_equal(dv_json_set(j, "x", NULL), DV_ERROR);
	assert_int_equal(dv_json_set_str(j, "x", "\xff"), DV_EUSAGE);
	dv_buf_adds(&b, "> ");
	assert_int_equal(dv_json_write(&b, j), 0);
	assert_string_equal(b.p, "> {\"B\":true,\"a\":\"\xc3\xa4\\n\",\"b\":3}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_error_record), cmocka_unit_test(test_error_errno),
		cmocka_unit_test(test_error_cut),    cmocka_unit_test(test_warn_and_cancel),
		cmocka_unit_test(test_alloc),	     cmocka_unit_test(test_buf),
		cmocka_unit_test(test_map),	     cmocka_unit_test(test_json_strict),
		cmocka_unit_test(test_json_getters), cmocka_unit_test(test_json_canonical),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
