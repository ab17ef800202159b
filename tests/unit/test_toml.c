/* SPDX-License-Identifier: Apache-2.0 */
/* TOML: what is one, what it means, and what is refused, where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/toml.h"

typedef struct good {
	const char *text, *json;
} good;

/* A text and the message that it must draw, with line and column. */
typedef struct bad {
	const char *text, *message;
} bad;

static char *as_json(const char *text)
{
	dv_auto(dv_arena) a = DV_ARENA_INIT;
	dv_value *v = NULL;

	if (dv_toml_parse(&a, text, strlen(text), "f", &v))
		return NULL;
	dv_autoptr(dv_json) j = dv_value_to_json(v);
	return json_dumps(j, JSON_COMPACT);
}

static void all_good(const good *g)
{
	for (; g->text; g++) {
		dv_autofree char *got = as_json(g->text);

		if (!got)
			fail_msg("'%s': %s", g->text, dv_error_last()->message);
		if (strcmp(got, g->json) != 0)
			fail_msg("'%s': got %s, expected %s", g->text, got, g->json);
	}
}

static void all_bad(const bad *b)
{
	for (; b->text; b++) {
		dv_autofree char *got = as_json(b->text);

		if (got)
			fail_msg("'%s' is taken as %s", b->text, got);
		if (!strstr(dv_error_last()->message, b->message))
			fail_msg("'%s': '%s' lacks '%s'", b->text, dv_error_last()->message,
				 b->message);
	}
}

static void test_keys(void **state)
{
	static const good goods[] = {
		{ "", "{}" },
		{ "# only a comment", "{}" },
		{ "\xef\xbb\xbf" "a = 1\r\n", "{\"a\":1}" },
		{ "a = 1\n\n\tb=2 # two\n", "{\"a\":1,\"b\":2}" },
		{ "a-b_1 = 1\n1234 = 2\n", "{\"a-b_1\":1,\"1234\":2}" },
		{ "\"a b\" = 1\n'c\\d' = 2\n\"\" = 3\n", "{\"a b\":1,\"c\\\\d\":2,\"\":3}" },
		{ "a.b . 'c' = 1\na.d = 2\n", "{\"a\":{\"b\":{\"c\":1},\"d\":2}}" },
		{ "3.14 = 1", "{\"3\":{\"14\":1}}" },
		{ "true = 1\ninf.nan = 2", "{\"true\":1,\"inf\":{\"nan\":2}}" },
		{ NULL, NULL },
	};
	static const bad bads[] = {
		{ "a = 1\na = 2", "f:2:1: this is no TOML: 'a' is defined already" },
		{ "a = 1\na.b = 2", "f:2:1:" },
		{ "a.b = 1\na = 2", "f:2:1:" },
		{ "= 1", "f:1:1:" },
		{ "a", "'=' is expected" },
		{ "a = ", "a value is expected" },
		{ "a = 1 b = 2", "f:1:7: this is no TOML: the end of the line" },
		{ "a..b = 1", "a key is expected" },
		{ "a b = 1", "'=' is expected" },
		{ "\"\"\"a\"\"\" = 1", "one line" },
		{ "a = 1 # \x01", "control" },
		{ "a = 1\rb = 2", "end of the line" },
		{ "\xff = 1", "not UTF-8" },
		{ "a = '\xed\xa0\x80'", "not UTF-8" },
		{ NULL, NULL },
	};

	(void)state;
	all_good(goods);
	all_bad(bads);
}

static void test_tables(void **state)
{
	static const good goods[] = {
		{ "[a]\nx = 1\n[a.b]\ny = 2\n[c]\n", "{\"a\":{\"x\":1,\"b\":{\"y\":2}},\"c\":{}}" },
		{ "[a.b]\ny = 2\n[a]\nx = 1\n", "{\"a\":{\"b\":{\"y\":2},\"x\":1}}" },
		{ "[ a . \"b.c\" ]\nx = 1", "{\"a\":{\"b.c\":{\"x\":1}}}" },
		{ "[[p]]\nn = 1\n[[p]]\n[[p]]\nn = 3\n", "{\"p\":[{\"n\":1},{},{\"n\":3}]}" },
		{ "[[p]]\n[p.q]\nx = 1\n[[p.r]]\n[[p]]\n[p.q]\nx = 2\n",
		  "{\"p\":[{\"q\":{\"x\":1},\"r\":[{}]},{\"q\":{\"x\":2}}]}" },
		{ "[f]\na.c = 1\n[f.a.t]\ns = 2\n", "{\"f\":{\"a\":{\"c\":1,\"t\":{\"s\":2}}}}" },
		{ "[a.b]\n[a]\nc.d = 1\nc.e = 2\n", "{\"a\":{\"b\":{},\"c\":{\"d\":1,\"e\":2}}}" },
		{ "[[a.b]]\nx = 1\n[a]\ny = 2\n", "{\"a\":{\"b\":[{\"x\":1}],\"y\":2}}" },
		{ "p = { x = 1, y.z = 2 , y.w = 3 }\nq = {}\n",
		  "{\"p\":{\"x\":1,\"y\":{\"z\":2,\"w\":3}},\"q\":{}}" },
		{ NULL, NULL },
	};
	static const bad bads[] = {
		{ "[a]\n[a]\n", "f:2:2: this is no TOML: 'a' is defined already" },
		{ "a = 1\n[a]\n", "f:2:2:" },
		{ "[a]\nb = 1\n[a.b]\n", "f:3:4:" },
		{ "[a]\nb.c = 1\n[a.b]\n", "f:3:4:" },
		{ "[a.b.c]\nz = 9\n[a]\nb.c.t = 1\n", "f:4:3:" },
		{ "[a.b.c.d]\nz = 9\n[a]\nb.c.d.k.t = 1\n", "f:4:5:" },
		{ "[a]\nb.c = 1\n[x]\n[a.b.d]\n[a.b]\n", "f:5:4:" },
		{ "a = []\n[[a]]\n", "f:2:3:" },
		{ "[a]\n[[a]]\n", "f:2:3:" },
		{ "[[a]]\n[a]\n", "f:2:2:" },
		{ "[[a]]\n[a.b]\n[[a.b]]\n", "f:3:5:" },
		{ "a = { b = 1 }\na.c = 2\n", "f:2:1:" },
		{ "a = { b = {} }\n[a.b.c]\n", "f:2:2:" },
		{ "a = [{ b = 1 }]\n[a.c]\n", "f:2:2:" },
		{ "a = { b = 1, }\n", "a key is expected" },
		{ "a = { b = 1\n}\n", "',' or '}'" },
		{ "a = { b = 1, b = 2 }\n", "defined already" },
		{ "a = { b.c = 1, b = 2 }\n", "defined already" },
		{ "[a\n", "']' is expected" },
		{ "[[a]\n", "']]' is expected" },
		{ "[]\n", "a key is expected" },
		{ "[a] x = 1\n", "end of the line" },
		{ NULL, NULL },
	};

	(void)state;
	all_good(goods);
	all_bad(bads);
}

static void test_text(void **state)
{
	static const good goods[] = {
		{ "a = \"x\\ty\\\\ \\\"q\\\" \\u00e9 \\U0001F600\"",
		  "{\"a\":\"x\\ty\\\\ \\\"q\\\" \xc3\xa9 \xf0\x9f\x98\x80\"}" },
		{ "a = 'C:\\x\"'", "{\"a\":\"C:\\\\x\\\"\"}" },
		{ "a = \"\"\"\none\ntwo\"\"\"", "{\"a\":\"one\\ntwo\"}" },
		{ "a = \"\"\"one \\\n   \n  two\"\"\"", "{\"a\":\"one two\"}" },
		{ "a = \"\"\"\"\"x\"\"\"\"\"", "{\"a\":\"\\\"\\\"x\\\"\\\"\"}" },
		{ "a = '''\nit''s \\n'''''", "{\"a\":\"it''s \\\\n''\"}" },
		{ "a = \"\"\nb = ''\nc = \"\"\"\"\"\"", "{\"a\":\"\",\"b\":\"\",\"c\":\"\"}" },
		{ "a = \"\"\"x\r\ny\"\"\"", "{\"a\":\"x\\ny\"}" },
		{ NULL, NULL },
	};
	static const bad bads[] = {
		{ "a = \"x\ny\"", "does not end on its line" },
		{ "a = \"x", "does not end" },
		{ "a = '''x''", "does not end" },
		{ "a = \"\\x41\"", "no such escape" },
		{ "a = \"\\ud800\"", "no such character" },
		{ "a = \"\\U00110000\"", "no such character" },
		{ "a = \"\\u00e\"", "hexadecimal" },
		{ "a = \"\\u0000\"", "NUL" },
		{ "a = \"\x1f\"", "control" },
		{ "a = \"\"\"x \\ y\"\"\"", "no such escape" },
		{ "a = \"\"\"x\"\"\"\"\"\"", "end of the line" },
		{ "a = \"x\" 'y'", "end of the line" },
		{ NULL, NULL },
	};

	(void)state;
	all_good(goods);
	all_bad(bads);
}

static void test_numbers(void **state)
{
	static const good goods[] = {
		{ "a = [0, +1, -17, 1_000, 0xDEAD_beef, 0o17, 0b101]",
		  "{\"a\":[0,1,-17,1000,3735928559,15,5]}" },
		{ "a = 9223372036854775807\nb = -9223372036854775808",
		  "{\"a\":9223372036854775807,\"b\":-9223372036854775808}" },
		{ "a = [1.0, -0.5, 5e+2, 1e6, 6.5E-1, 1_0.2_5]",
		  "{\"a\":[1.0,-0.5,500.0,1000000.0,0.65000000000000002,10.25]}" },
		{ "a = [true, false]", "{\"a\":[true,false]}" },
		{ "a = [inf, -inf, nan]", "{\"a\":[null,null,null]}" },
		{ "a = [\n 1, # one\n [2, 'x'],\n]", "{\"a\":[1,[2,\"x\"]]}" },
		{ NULL, NULL },
	};
	static const bad bads[] = {
		{ "a = 01", "no value" },
		{ "a = 9223372036854775808", "64 bits" },
		{ "a = 1__0", "no value" },
		{ "a = _1", "no value" },
		{ "a = 1_", "no value" },
		{ "a = +0x1", "no value" },
		{ "a = 0X1", "no value" },
		{ "a = 0o8", "no value" },
		{ "a = 1.", "no value" },
		{ "a = .5", "no value" },
		{ "a = 1.e5", "no value" },
		{ "a = 1e", "no value" },
		{ "a = 03.5", "no value" },
		{ "a = True", "no value; text stands in quotes" },
		{ "a = word", "no value" },
		{ "a = [1 2]", "',' or ']'" },
		{ "a = [,]", "a value is expected" },
		{ "a = [1", "',' or ']'" },
		{ NULL, NULL },
	};

	(void)state;
	all_good(goods);
	all_bad(bads);
}

static void test_dates(void **state)
{
	static const good goods[] = {
		{ "a = 1979-05-27T07:32:00Z", "{\"a\":\"1979-05-27T07:32:00Z\"}" },
		{ "a = 1979-05-27 07:32:00.999-07:00",
		  "{\"a\":\"1979-05-27 07:32:00.999-07:00\"}" },
		{ "a = 1979-05-27 # day", "{\"a\":\"1979-05-27\"}" },
		{ "a = [07:32:00, 2024-02-29]", "{\"a\":[\"07:32:00\",\"2024-02-29\"]}" },
		{ NULL, NULL },
	};
	static const bad bads[] = {
		{ "a = 1979-13-01", "no value" },
		{ "a = 2023-02-29", "no value" },
		{ "a = 1979-05-27T25:00:00", "no value" },
		{ "a = 1979-05-27T07:32", "no value" },
		{ "a = 7:32:00", "no value" },
		{ "a = 1979-5-27", "no value" },
		{ "a = 1979-05-27T07:32:00+7:00", "no value" },
		{ NULL, NULL },
	};

	(void)state;
	all_good(goods);
	all_bad(bads);
}

static void nested(const char *open, size_t n, const char *close, bool fits)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	dv_buf_adds(&b, "a = ");
	for (size_t i = 0; i < n; i++)
		dv_buf_adds(&b, open);
	for (size_t i = 0; i < n; i++)
		dv_buf_adds(&b, close);
	dv_autofree char *got = as_json(dv_buf_str(&b));
	assert_int_equal(fits, got != NULL);
	if (!fits)
		assert_non_null(strstr(dv_error_last()->message, "too deep"));
}

/* Nesting is bounded, however it is written. */
static void test_depth(void **state)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	(void)state;
	nested("[", 40, "]", true);
	nested("[", 100, "]", false);
	nested("[", 100000, "", false);
	nested("{a=", 100, "", false);
	for (int i = 0; i < 100; i++)
		dv_buf_addf(&b, "%sa", i ? "." : "");
	dv_buf_adds(&b, " = 1");
	assert_null(as_json(dv_buf_str(&b)));
	dv_buf_clear(&b);
	for (int i = 1; i < 60; i++) {
		dv_buf_adds(&b, "[[a");
		for (int k = 1; k < i; k++)
			dv_buf_adds(&b, ".a");
		dv_buf_adds(&b, "]]\n");
	}
	assert_null(as_json(dv_buf_str(&b)));
	assert_non_null(strstr(dv_error_last()->message, "too deep"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),	cmocka_unit_test(test_tables),
		cmocka_unit_test(test_text),	cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_dates),	cmocka_unit_test(test_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
