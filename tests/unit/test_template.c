/* SPDX-License-Identifier: Apache-2.0 */
/* Templates: expressions, types, writing into text, merging of variables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pipeline/template.h"

static dv_arena arena;

static dv_value *yaml(const char *text)
{
	dv_value *v = NULL;

	assert_int_equal(dv_yaml_parse(&arena, text, strlen(text), "vars", &v), 0);
	return v;
}

static const char vars_text[] =
	"a: 1\nf: 0.5\nt: true\nn: null\ns: text\n"
	"l: [10, 20, {k: deep}]\nd: {x: 1, y: {z: it's}, on: true, off: false, many: [a b, 2]}\n"
	"weird key: w\n7: number\n";

static dv_value *try(const char *text, bool command)
{
	static const dv_template_style style;
	const dv_scope scope = { .vars = yaml(vars_text) };
	const dv_spot at = { "dv.yaml", 3, 5 };
	dv_value *v = NULL;

	return dv_template_text(&arena, &scope, text, &at, command ? &style : NULL, &v) ? NULL : v;
}

static void gives(const char *text, bool command, const char *expected)
{
	dv_value *v = try(text, command);

	if (!v)
		fail_msg("'%s': %s", text, dv_error_last()->message);
	dv_auto(dv_buf) b = DV_BUF_INIT;
	assert_int_equal(dv_value_text(&b, v), 0);
	assert_string_equal(dv_buf_str(&b), expected);
}

static void fails(const char *text, const char *message)
{
	assert_null(try(text, false));
	if (!strstr(dv_error_last()->message, message))
		fail_msg("'%s': %s", text, dv_error_last()->message);
}

static void test_text(void **state)
{
	(void)state;
	gives("x ${a} y ${ s }z", false, "x 1 y textz");
	gives("${l[1]} ${l.0} ${l[2].k} ${d[y][z]} ${d.y.z}", false, "20 10 deep it's it's");
	gives("${t} ${n} ${f}", false, "true None 0.5");
	gives("\\${a} ${a}", false, "${a} 1");
	gives("${weird key}", false, "w");
	gives("$a ${a", false, "$a ${a");
	assert_int_equal(try("${a}", false)->kind, DV_VALUE_INT);
	assert_int_equal(try("${t}", false)->kind, DV_VALUE_BOOL);
	assert_int_equal(try("${l}", false)->kind, DV_VALUE_LIST);
	assert_int_equal(try("${a} ", false)->kind, DV_VALUE_STRING);
	assert_false(dv_template_has("$x {a}"));
}

static void test_failures(void **state)
{
	(void)state;
	fails("${nobody}", "dv.yaml:3:5: '${nobody}' is not defined");
	fails("${a.b}", "is not defined");
	fails("${l[7]}", "is not defined");
	fails("${7}", "is not defined");
	fails("${}", "is no expression");
	fails("${a..b}", "is no expression");
	fails("${a[b}", "is no expression");
	fails("x ${l}", "a list, which cannot stand in text");
	fails("x ${d}", "a dict, which cannot stand in text");
}

static void test_flags(void **state)
{
	(void)state;
	gives("run ${d}", true, "run --x 1 --y.z 'it'\"'\"'s' --on --many 'a b' 2");
	gives("${d}", true, "--x 1 --y.z 'it'\"'\"'s' --on --many 'a b' 2");

	const dv_template_style other = { .no_flags = true, .repeat = true };
	const dv_scope scope = { .vars = yaml(vars_text) };
	dv_value *v = NULL;
	assert_int_equal(dv_template_text(&arena, &scope, "${d}", NULL, &other, &v), 0);
	assert_string_equal(v->s, "--x 1 --y.z 'it'\"'\"'s' --on --no-off --many 'a b' --many 2");
}

static void test_values(void **state)
{
	const dv_scope scope = { .vars = yaml(vars_text) };
	dv_value *in = yaml("'${s}': ['${a}', plain, {k: 'v${a}'}]\nsame: [1]\n"), *out = NULL;

	(void)state;
	assert_int_equal(dv_template_value(&arena, &scope, in, true, &out), 0);
	dv_value *list = dv_value_get(out, "text");
	assert_int_equal(list->items[0]->i, 1);
	assert_string_equal(dv_value_get(list->items[2], "k")->s, "v1");
	assert_ptr_equal(dv_value_get(out, "same"), dv_value_get(in, "same"));
	assert_true(dv_template_value(&arena, &scope, yaml("x: ${l}"), true, &out) < 0);
	assert_int_equal(dv_template_value(&arena, &scope, yaml("x: ${l}"), false, &out), 0);
}

static void test_merge(void **state)
{
	dv_value *first = yaml("a: {x: 1}\nb: 2\n"), *into = first;

	(void)state;
	assert_int_equal(dv_vars_merge(&arena, &into, yaml("a: {y: 3}\nc: 4\n")), 0);
	assert_int_equal(dv_value_at(into, "a.y")->i, 3);
	assert_int_equal(dv_value_at(into, "a.x")->i, 1);
	assert_null(dv_value_at(first, "a.y"));
	assert_true(dv_vars_merge(&arena, &into, yaml("\n\na: {x: 5}\n")) < 0);
	assert_non_null(strstr(dv_error_last()->message, "vars:3:5: 'x' is defined already, in vars:1"));
}

static int done(void **state)
{
	(void)state;
	dv_arena_release(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text), cmocka_unit_test(test_failures),
		cmocka_unit_test(test_flags), cmocka_unit_test(test_values),
		cmocka_unit_test(test_merge),
	};

	return cmocka_run_group_tests(tests, NULL, done);
}
