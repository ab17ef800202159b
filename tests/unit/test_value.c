/* SPDX-License-Identifier: Apache-2.0 */
/* Values: YAML in and out, numbers as text, lookups; the two readers of YAML agree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/yaml_block.h"

static char *as_json(const char *text)
{
	dv_auto(dv_arena) a = DV_ARENA_INIT;
	dv_value *v = NULL;

	if (dv_yaml_parse(&a, text, strlen(text), "f", &v))
		return NULL;
	dv_autoptr(dv_json) j = dv_value_to_json(v);
	return json_dumps(j, JSON_ENCODE_ANY | JSON_COMPACT);
}

static void reads(const char *text, const char *json)
{
	dv_autofree char *got = as_json(text);

	if (!got)
		fail_msg("'%s': %s", text, dv_error_last()->message);
	assert_string_equal(got, json);
}

static void refuses(const char *text, const char *message)
{
	dv_autofree char *got = as_json(text);

	assert_null(got);
	if (!strstr(dv_error_last()->message, message))
		fail_msg("'%s': %s", text, dv_error_last()->message);
}

static void test_yaml(void **state)
{
	(void)state;
	reads("a: 1\nb: [x, 2.5, null, ~, true, False]\n",
	      "{\"a\":1,\"b\":[\"x\",2.5,null,null,true,false]}");
	reads("a: 1_000\nb: 0x1f\nc: 0o17\nd: 1e-3\ne: '12'\nf: 012\n",
	      "{\"a\":1000,\"b\":31,\"c\":15,\"d\":0.001,\"e\":\"12\",\"f\":12}");
	reads("yes: no\n1: x\n", "{\"yes\":\"no\",\"1\":\"x\"}");
	reads("base: &b {x: 1, y: 2}\nown:\n  <<: *b\n  y: 3\n",
	      "{\"base\":{\"x\":1,\"y\":2},\"own\":{\"y\":3,\"x\":1}}");
	reads("a:\n- 1\n- k: v\n  l: w\n- - deep\n", "{\"a\":[1,{\"k\":\"v\",\"l\":\"w\"},[\"deep\"]]}");
	reads("a: |\n  one\n  two\nb: >-\n  folded\n  text\n",
	      "{\"a\":\"one\\ntwo\\n\",\"b\":\"folded text\"}");
	reads("a:\nb: ''\n# end\n", "{\"a\":null,\"b\":\"\"}");
	reads("", "null");
	reads("9223372036854775808", "\"9223372036854775808\"");
	reads("-9223372036854775808", "-9223372036854775808");
	refuses("a: 1\na: 2\n", "f:2:");
	refuses("a: [1\n", "f:");
	refuses("a: *nobody\n", "alias");
	refuses("a: b: c\n", "f:1:");
	refuses("? [x]\n: y\n", "a key is a list");
}

/* What files from elsewhere look like. */
static void test_odd_files(void **state)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	(void)state;
	reads("\xef\xbb\xbf" "a: 1\r\nb:\r\n- x\r\n", "{\"a\":1,\"b\":[\"x\"]}");
	reads("%YAML 1.2\n---\na: ''''\n...\n", "{\"a\":\"'\"}");
	reads("a: \"\\u00e9\\x41\\\n  b\"\nc: \xc3\xa9\n", "{\"a\":\"\xc3\xa9" "Ab\",\"c\":\"\xc3\xa9\"}");
	reads("? a\n: b\n? c\n", "{\"a\":\"b\",\"c\":null}");
	reads("a: &x 1\nb: &x [2]\nc: *x\n", "{\"a\":1,\"b\":[2],\"c\":[2]}");
	reads("a: !!str 12\nb: ! 12\n", "{\"a\":\"12\",\"b\":\"12\"}");
	reads("# nothing\n", "null");
	reads("---\n", "null");
	refuses("a: 1\n---\nb: 2\n", "f:2:1: a second document begins");
	refuses("a: &x [*x]\n", "f:1:8: an alias names what it is a part of");
	refuses("a:\n\tb: 1\n", "f:2:1: this is no YAML");
	assert_non_null(strstr(dv_error_last()->hint, "tabs"));
	refuses("a: [1\n\n", "that began in line 1");
	refuses("a: \xff\n", "f:1:4: this is no YAML");
	refuses("a: \"\\0\"\n", "a NUL byte");
	refuses("<<: 3\n", "'<<' names what is no dict");
	for (int i = 0; i < 64; i++)
		dv_buf_adds(&b, "[");
	dv_buf_adds(&b, "{}");
	for (int i = 0; i < 64; i++)
		dv_buf_adds(&b, "]");
	dv_autofree char *deepest = as_json(dv_buf_str(&b));
	assert_non_null(deepest);
}

/* Texts: everything as it was written, and written so again. */
static void test_texts(void **state)
{
	static const struct { const char *yaml, *again; } cases[] = {
		{ "{a: 1_0, 'b': '1', 3: ~, c: }", "{a: 1_0, b: '1', 3: ~, c: null}" },
		{ "a: |\n  x\n  y\nb: [-.5, \"q\", a, 0x1, '']\n",
		  "{a: \"x\\ny\\n\", b: [-.5, q, a, 0x1, '']}" },
		{ "a: x, y [z]\n? ''\n: \xc3\xa9\n", "{a: 'x, y [z]', '': \xc3\xa9}" },
		{ "a: &x 1\n", NULL }, { "a: !!str 1\n", NULL }, { "a: *x\n", NULL },
		{ "a: 1\na: 2\n", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		dv_auto(dv_arena) a = DV_ARENA_INIT;
		dv_auto(dv_buf) b = DV_BUF_INIT;
		const char *yaml = cases[i].yaml, *again = cases[i].again;
		dv_value *v = NULL;
		int rc = dv_yaml_parse_texts(&a, yaml, strlen(yaml), "f", &v);

		if (!rc != !!again)
			fail_msg("'%s': %s", yaml, rc ? dv_error_last()->message : "is read");
		if (rc)
			continue;
		assert_int_equal(dv_value_yaml(&b, v), 0);
		assert_string_equal(dv_buf_str(&b), again);
	}
}

/* Anchors that multiply do not take the machine with them. */
static void test_bomb(void **state)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	(void)state;
	dv_buf_adds(&b, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
	for (int i = 1; i < 12; i++) {
		dv_buf_addf(&b, "a%d: &a%d [", i, i);
		for (int k = 0; k < 10; k++)
			dv_buf_addf(&b, "%s*a%d", k ? "," : "", i - 1);
		dv_buf_adds(&b, "]\n");
	}
	refuses(dv_buf_str(&b), "too many values");
	dv_buf_clear(&b);
	for (int i = 0; i < 200; i++)
		dv_buf_adds(&b, "[");
	refuses(dv_buf_str(&b), "f:");
}

static void test_numbers(void **state)
{
	static const struct { double f; const char *text; } cases[] = {
		{ 0.1, "0.1" }, { 1, "1.0" }, { 1e-5, "1e-05" }, { 1e16, "1e+16" }, { 1e15,
		"1000000000000000.0" }, { 0.0001, "0.0001" }, { 123456.789, "123456.789" },
		{ -2.5e-7, "-2.5e-07" }, { 1.0 / 3, "0.3333333333333333" }, { 5e-324, "5e-324" },
		{ 1.7976931348623157e308, "1.7976931348623157e+308" }, { 100, "100.0" },
		{ 0, "0.0" }, { -0.0, "-0.0" },
	};
	char text[32];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		dv_double_text(text, cases[i].f);
		assert_string_equal(text, cases[i].text);
	}
}

static void test_dicts(void **state)
{
	dv_auto(dv_arena) a = DV_ARENA_INIT;
	dv_value *d = dv_value_new(&a, DV_VALUE_DICT, NULL);
	char key[16];

	(void)state;
	for (int i = 0; i < 5000; i++) {
		dv_value *v = dv_value_new(&a, DV_VALUE_INT, NULL);

		v->i = i;
		snprintf(key, sizeof(key), "k%d", i);
		assert_int_equal(dv_value_set(&a, d, key, NULL, v), 0);
	}
	assert_int_equal(d->n, 5000);
	for (int i = 0; i < 5000; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		assert_int_equal(dv_value_get(d, key)->i, i);
		assert_string_equal(d->members[i].key, key);
	}
	assert_null(dv_value_get(d, "k5000"));
	assert_int_equal(dv_value_at(d, "k7")->i, 7);
	assert_true(dv_value_equal(d, dv_value_copy(&a, d)));
}

static void test_equal(void **state)
{
	dv_auto(dv_arena) a = DV_ARENA_INIT;
	dv_value *x = NULL;

	(void)state;
	assert_int_equal(dv_yaml_parse(&a, "[1, 1.0, '1', true, {a: 1, b: 2}, {b: 2, a: 1}]", 47, "f",
				       &x), 0);
	assert_true(dv_value_equal(x->items[0], x->items[1]));
	assert_false(dv_value_equal(x->items[0], x->items[2]));
	assert_true(dv_value_equal(x->items[0], x->items[3]));
	assert_true(dv_value_equal(x->items[4], x->items[5]));
}

/* Whatever is written as a scalar is read as the same string. */
static void test_quoting(void **state)
{
	static const char *const texts[] = {
		"plain", "with space", "a: b", "a #b", "#a", "true", "12", "1e3", "", " lead", "trail ",
		"it's", "\"q\"", "new\nline", "tab\t", "- x", "-x", "[a]", "a,b", "~", "null", "*a", "&a",
		"!t", "%d", "@x", "`x`", "a:", ":a", "?", "back\\slash", "0x1f", ".5", "\x01", "<<", "=",
		"a'b\nc\"d\\e", "2020-01-01", "\xc3\xa9", "\xc2\x85", "\xe2\x80\xa8x", "\xef\xbb\xbf",
		"---", "...", "--- a", "a\rb", "\xf0\x9f\x98\x80", "\xf0\x9f\xbf\xbe", "?x", "-", "--x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		dv_auto(dv_arena) a = DV_ARENA_INIT;
		dv_auto(dv_buf) b = DV_BUF_INIT;
		dv_value *v = NULL;

		dv_buf_adds(&b, "k: ");
		dv_yaml_quote(&b, texts[i]);
		dv_buf_adds(&b, "\n");
		assert_int_equal(dv_yaml_parse(&a, dv_buf_str(&b), b.n, "f", &v), 0);
		v = dv_value_get(v, "k");
		assert_int_equal(v->kind, DV_VALUE_STRING);
		assert_string_equal(v->s, texts[i]);
	}
}

static void test_spots(void **state)
{
	dv_auto(dv_arena) a = DV_ARENA_INIT, b = DV_ARENA_INIT;
	const char *text = "# c\nstages:\n  one:\n    cmd: x\n    deps:\n    - a\n    - b\n";
	dv_value *x = NULL, *y = NULL;

	(void)state;
	assert_int_equal(dv_yaml_block_parse(&a, text, strlen(text), "f", false, &x), 0);
	assert_int_equal(dv_yaml_full_parse(&b, text, strlen(text), "f", false, &y), 0);
	for (int i = 0; i < 2; i++, x = y) {
		dv_value *deps = dv_value_at(x, "stages.one.deps");

		assert_int_equal(deps->items[1]->at.line, 7);
		assert_int_equal(deps->items[1]->at.column, 7);
		assert_int_equal(dv_value_member(dv_value_at(x, "stages"), "one")->at.line, 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_yaml), cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_numbers), cmocka_unit_test(test_dicts),
		cmocka_unit_test(test_equal), cmocka_unit_test(test_quoting),
		cmocka_unit_test(test_spots), cmocka_unit_test(test_odd_files),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
