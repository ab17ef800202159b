/* SPDX-License-Identifier: Apache-2.0 */
/* Pointers: what is read, what is refused, and that writing is stable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/sha256.h"
#include "repo/pointer.h"

#define HEX "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define OID "sha256:" HEX

static int warnings;

static void on_warning(const char *message, void *payload)
{
	(void)message, (void)payload;
	warnings++;
}

static int parse(dv_pointer *p, const char *text)
{
	return dv_pointer_parse(p, text, strlen(text), "x.dv");
}

static void reads_all_fields(void **state)
{
	dv_auto(dv_pointer) p = DV_POINTER_INIT;

	(void)state;
	assert_int_equal(0, parse(&p, "version: 1\nouts:\n- path: data\n  oid: " OID
				      "\n  size: 12\n  nfiles: 3\n"));
	assert_string_equal("data", p.path);
	assert_true(p.is_dir && p.size == 12 && p.nfiles == 3 && !p.isexec);
	dv_pointer_release(&p);
	assert_int_equal(0, parse(&p, "outs: [{path: 'a b', oid: '" OID "', size: 0, "
				      "isexec: true, remote: far, push: false}]"));
	assert_string_equal("a b", p.path);
	assert_string_equal("far", p.remote);
	assert_true(!p.is_dir && p.isexec && p.no_push);
}

static void writes_stable(void **state)
{
	dv_auto(dv_pointer) p = DV_POINTER_INIT;
	dv_auto(dv_buf) out = DV_BUF_INIT;
	const char *text = "# who made this\nouts:\n- path: data\n  oid: " OID
			   "\n  size: 12\n  nfiles: 3\n  remote: far\n  push: false\n";

	(void)state;
	assert_int_equal(0, parse(&p, text));
	assert_int_equal(0, dv_pointer_print(&out, &p));
	assert_string_equal(text, dv_buf_str(&out));
}

/* The vectors of docs/format.md. */
static void vectors(void **state)
{
	static const char *const digests[] = {
		"e4433b36549435021f4dbe529ad1cca402f226dcd6af9ed2e5d535e9f5ecd77f",
		"2e6e8f2bfc03a355833374d10cd84a5280fd0bf486a3379dbd823a911cb6da27",
	};
	dv_pointer p[] = {
		{ .path = (char *)"data", .size = 123456, .nfiles = 42, .is_dir = true },
		{ .path = (char *)"\xff\n", .size = 3, .isexec = true },
	};

	(void)state;
	dv_sha256(&p[0].oid, "test", 4);
	dv_sha256(&p[1].oid, "abc", 3);
	for (size_t i = 0; i < 2; i++) {
		dv_auto(dv_buf) out = DV_BUF_INIT;
		char hex[DV_OID_HEX_SIZE + 1];
		dv_oid sum;

		assert_int_equal(0, dv_pointer_print(&out, &p[i]));
		dv_sha256(&sum, out.p, out.n);
		dv_oid_hex(hex, &sum);
		assert_string_equal(digests[i], hex);
	}
}

static void keeps_unknown_keys(void **state)
{
	dv_auto(dv_pointer) p = DV_POINTER_INIT;
	dv_auto(dv_pointer) again = DV_POINTER_INIT;
	dv_auto(dv_buf) one = DV_BUF_INIT;
	dv_auto(dv_buf) two = DV_BUF_INIT;

	(void)state;
	warnings = 0;
	assert_int_equal(0, parse(&p, "outs:\n- path: a\n  oid: " OID "\n  size: 1\n"
				      "  desc: some words\n  novel:\n    deep: [1_0, '2', 1.10, ~]\n"
				      "meta:\n  k: v\nfrozen: true\n"));
	assert_int_equal(2, warnings);
	assert_int_equal(0, dv_pointer_print(&one, &p));
	assert_non_null(strstr(dv_buf_str(&one), "desc: some words"));
	assert_non_null(strstr(dv_buf_str(&one), "novel:"));
	assert_non_null(strstr(dv_buf_str(&one), "frozen: true"));
	assert_non_null(strstr(dv_buf_str(&one), "novel: {deep: [1_0, '2', 1.10, ~]}"));
	assert_int_equal(0, parse(&again, dv_buf_str(&one)));
	assert_int_equal(0, dv_pointer_print(&two, &again));
	assert_string_equal(dv_buf_str(&one), dv_buf_str(&two));
}

static void names_of_all_kinds(void **state)
{
	static const char *const names[] = { "data", "a b", "-x", "#x", "true", "123", "x: y",
					     "\"quo\\ted\"", "caf\xc3\xa9", "\xff\xfe", "a\nb",
					     "\xed\xa0\x80", "\xc0\x80", "tab\there", " blank ",
					     "*", "&a", "x\xc2\x85y", "{a}", "\xf0\x9f\x98\x80" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		dv_pointer p = { .path = (char *)names[i], .size = 1 };
		dv_auto(dv_pointer) q = DV_POINTER_INIT;
		dv_auto(dv_buf) out = DV_BUF_INIT;
		memset(p.oid.b, (int)i, sizeof(p.oid.b));
		assert_int_equal(0, dv_pointer_print(&out, &p));
		if (parse(&q, dv_buf_str(&out)))
			fail_msg("%s: %s", dv_error_last()->message, dv_buf_str(&out));
		assert_string_equal(names[i], q.path);
		assert_memory_equal(&p.oid, &q.oid, sizeof(p.oid));
	}
}

static void refuses(void **state)
{
	static const struct {
		int code;
		const char *text;
	} cases[] = {
		{ DV_ECORRUPT, "" },
		{ DV_ECORRUPT, "just words" },
		{ DV_ECORRUPT, "outs: []" },
		{ DV_ECORRUPT, "outs: {}" },
		{ DV_ECORRUPT, "meta: 1" },
		{ DV_ECORRUPT, "outs:\n- path: a\n  size: 1\n" },
		{ DV_ECORRUPT, "outs:\n- path: a\n  oid: " OID "\n" },
		{ DV_ECORRUPT, "outs:\n- oid: " OID "\n  size: 1\n" },
		{ DV_ECORRUPT, "outs:\n- path: a\n  oid: md5:00\n  size: 1\n" },
		{ DV_ECORRUPT, "outs:\n- path: a\n  oid: " OID "\n  size: -1\n" },
		{ DV_ECORRUPT, "outs:\n- path: a\n  oid: " OID "\n  size: 99999999999999999999\n" },
		{ DV_ECORRUPT, "outs:\n- path: a\n  path: b\n  oid: " OID "\n  size: 1\n" },
		{ DV_ECORRUPT, "outs:\n- path: a\n  path_hex: 62\n  oid: " OID "\n  size: 1\n" },
		{ DV_ECORRUPT, "outs:\n- &x\n  path: a\n  oid: " OID "\n  size: 1\n" },
		{ DV_ECORRUPT, "a: &x 1\nouts:\n- path: *x\n  oid: " OID "\n  size: 1\n" },
		{ DV_ECORRUPT, "outs:\n- path: a\n  oid: " OID "\n  size: 1\n- path: b\n" },
		{ DV_ECORRUPT, "<<<<<<< HEAD\nouts:\n" },
		{ DV_ECORRUPT, "outs:\n- path: !!str a\n  oid: " OID "\n  size: 1\n" },
		{ DV_ECORRUPT, "outs:\n- path: a\n  oid: " OID "\n  size: 1\n---\nx: 1\n" },
		{ DV_ECORRUPT, "outs:\n- path: a\n  oid: " OID "\n  size: 1\nx:\n\ty: 1\n" },
		{ DV_EUNSAFE, "outs:\n- path: ../a\n  oid: " OID "\n  size: 1\n" },
		{ DV_EUNSAFE, "outs:\n- path: /a\n  oid: " OID "\n  size: 1\n" },
		{ DV_EUNSAFE, "outs:\n- path: a/b\n  oid: " OID "\n  size: 1\n" },
		{ DV_EUNSAFE, "outs:\n- path: ..\n  oid: " OID "\n  size: 1\n" },
		{ DV_EUNSAFE, "outs:\n- path: .git\n  oid: " OID "\n  size: 1\n" },
		{ DV_EUNSAFE, "outs:\n- path_hex: 2e2e\n  oid: " OID "\n  size: 1\n" },
		{ DV_ERROR, "version: 2\nouts:\n- path: a\n  oid: " OID "\n  size: 1\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		dv_pointer p;
		int rc = parse(&p, cases[i].text);
		if (rc != cases[i].code)
			fail_msg("%d instead of %d: %s", rc, cases[i].code, cases[i].text);
		assert_null(p.path);
	}
}

static void refuses_depth(void **state)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_pointer p;

	(void)state;
	dv_buf_adds(&text, "outs:\n- path: a\n  oid: " OID "\n  size: 1\n  meta: ");
	for (int i = 0; i < 5000; i++)
		dv_buf_addc(&text, '[');
	assert_true(parse(&p, dv_buf_str(&text)) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_all_fields), cmocka_unit_test(writes_stable),
		cmocka_unit_test(vectors), cmocka_unit_test(keeps_unknown_keys), cmocka_unit_test(names_of_all_kinds),
		cmocka_unit_test(refuses), cmocka_unit_test(refuses_depth),
	};

	dv_set_warning_cb(on_warning, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
