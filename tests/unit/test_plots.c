/* SPDX-License-Identifier: Apache-2.0 */
/* Data for plots: columns out of tables and records, and texts that go into pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/utf8.h"
#include "pipeline/plots.h"

/* The cells of a column in brackets; numbers as they are, texts in quotes. */
static void column(const char *name, const char *text, const char *field, const char *other,
		   const char *expected)
{
	dv_auto(dv_arena) a = DV_ARENA_INIT;
	dv_auto(dv_buf) got = DV_BUF_INIT;
	dv_column c;

	if (dv_column_read(&a, text, strlen(text), name, field, other, false, &c))
		dv_buf_adds(&got, dv_error_last()->message);
	for (size_t i = 0; i < c.n; i++)
		dv_buf_addf(&got, c.c[i].kind == DV_CELL_TEXT ? "['%s']" : "[%s]",
			    c.c[i].kind == DV_CELL_NONE ? "" : c.c[i].s);
	assert_string_equal(dv_buf_str(&got), expected);
}

static void test_tables(void **state)
{
	(void)state;
	column("f.csv", "a,b\n1,2\n3,4\n", "a", NULL, "[1][3]");
	column("f.csv", "a,b\n1,2\n3,4", NULL, NULL, "[2][4]");
	column("f.csv", "a,b\n1,2\n", NULL, "b", "[1]");
	column("f.csv", "\xef\xbb\xbf" "a,b\r\n1,2\r\n\r\n3,4\r\n", "b", NULL, "[2][4]");
	column("f.csv", "a,\"b,c\"\n\"x \"\"y\"\"\nz\", 7 \n", "a", NULL, "['x \"y\"\nz']");
	column("f.csv", "a,\"b,c\"\nx, 7 \n", "b,c", NULL, "[7]");
	column("f.csv", "a,b\n1\n2,3,4\n", "b", NULL, "[][3]");
	column("f.tsv", "a\tb\n1,5\t2\n", "a", NULL, "['1,5']");
	column("f.csv", "a\n+1\n.5\n-2.50e-3\n007\n1e999\nnan\n0x10\n12345678901234567890\n", "a",
	       NULL, "[1][0.5][-2.50e-3][7]['1e999'][]['0x10'][1.2345678901234567e+19]");
	column("f.csv", "", "a", NULL, "");
	column("f.csv", "a,b\n", "c", NULL, "there is no field 'c' in 'f.csv'");
	column("f.txt", "a,b\n", "c", NULL, "the name of 'f.txt' does not tell what data it holds");
}

static void test_records(void **state)
{
	(void)state;
	column("f.json", "[{\"x\": 1, \"y\": 0.1}, {\"x\": 2}]", "x", NULL, "[1][2]");
	column("f.json", "[{\"x\": 1, \"y\": 0.1}, {\"x\": 2}]", NULL, NULL, "[0.1][]");
	column("f.json", "[{\"x\": 1, \"y\": 0.1}]", NULL, "y", "[1]");
	column("f.json", "{\"a\": [{\"p\": 1}], \"b\": {\"c\": [{\"q\": \"t\"}]}}", "q", NULL,
	       "['t']");
	column("f.json", "{\"a\": [1, 2], \"b\": [{\"q\": true}]}", NULL, NULL, "['true']");
	column("f.json", "[{\"in\": {\"ner\": 3}}]", "in.ner", NULL, "[3]");
	column("f.json", "[{\"x\": NaN}, {\"x\": -Infinity}, {\"x\": \"NaN\\\"NaN\"}]", "x", NULL,
	       "[][]['NaN\"NaN']");
	column("f.yaml", "- {x: 1e-3}\n- {x: word}\n", "x", NULL, "[0.001]['word']");
	column("f.toml", "[[r]]\nx = 1\n[[r]]\nx = 2\n", "x", NULL, "[1][2]");
	column("f.json", "[3, 4.5]", NULL, NULL, "[3][4.5]");
	column("f.json", "{}", NULL, NULL, "there is no list of records in 'f.json'");
	column("f.json", "[{\"x\": 1}]", "z", NULL, "there is no field 'z' in 'f.json'");
}

static void test_texts(void **state)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	(void)state;
	dv_utf8_json(&b, "a\"\\\n\x7f\xc3\xa9\xff\xc0\xaf\xed\xa0\x80z");
	assert_string_equal(dv_buf_str(&b), "\"a\\\"\\\\\\u000a\\u007f\xc3\xa9\xef\xbf\xbd"
			    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\"");
	dv_buf_clear(&b);
	dv_base64(&b, "", 0);
	dv_base64(&b, "f", 1);
	dv_base64(&b, "fo", 2);
	dv_base64(&b, "foo", 3);
	dv_base64(&b, "\xff\xfe\xfd\xfc", 4);
	assert_string_equal(dv_buf_str(&b), "Zg==Zm8=Zm9v//79/A==");
}

/* Nothing in a document ends the element that it stands in. */
static void test_page(void **state)
{
	dv_auto(dv_buf) json = DV_BUF_INIT, page = DV_BUF_INIT;

	(void)state;
	dv_utf8_json(&json, "</script><!-- &amp;");
	assert_int_equal(dv_plot_page(&page, &json), 0);
	assert_non_null(strstr(page.p, "\"\\u003c/script\\u003e\\u003c!-- \\u0026amp;\""));
	assert_null(strstr(page.p, "<!-- "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
