/* SPDX-License-Identifier: Apache-2.0 */
/* Edits of YAML: what they change, and that the rest stays as it is, to the byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/yaml_edit.h"

static const char *const order[] = { "desc", "cmd", "deps", "outs", "frozen", "meta", NULL };

static dv_value *value(dv_arena *a, const char *yaml)
{
	dv_value *v = NULL;

	assert_int_equal(0, dv_yaml_parse(a, yaml, strlen(yaml), "value", &v));
	return v;
}

/* "a/b/c" -> its keys. */
static void keys_of(const char *keys[8], char *path)
{
	size_t n = 0;

	for (char *s = path; s; n++) {
		char *slash = strchr(s, '/');

		assert_true(n < 7);
		keys[n] = s;
		if (slash)
			*slash = 0;
		s = slash ? slash + 1 : NULL;
	}
	keys[n] = NULL;
}

enum what { SET, UNSET, APPEND, TAKE };

/* Edits `before` and expects `after`; NULL: the edit is refused. `arg` is a value or an index. */
static void edits(enum what what, const char *path, const char *arg, const char *before,
		  const char *after)
{
	dv_auto(dv_arena) a = DV_ARENA_INIT;
	dv_auto(dv_buf) text = DV_BUF_INIT;
	const char *keys[8];
	char copy[64];
	int rc;

	snprintf(copy, sizeof(copy), "%s", path);
	keys_of(keys, copy);
	dv_buf_adds(&text, before);
	if (what == SET)
		rc = dv_yaml_set(&text, "f", keys, value(&a, arg), order);
	else if (what == UNSET)
		rc = dv_yaml_unset(&text, "f", keys);
	else if (what == APPEND)
		rc = dv_yaml_append(&text, "f", keys, value(&a, arg));
	else
		rc = dv_yaml_take(&text, "f", keys, (size_t)(*arg - '0'));
	if (rc && after)
		fail_msg("%s in '%s': %s", path, before, dv_error_last()->message);
	if (!rc && !after)
		fail_msg("%s in '%s' is not refused: '%s'", path, before, dv_buf_str(&text));
	assert_string_equal(dv_buf_str(&text), after ? after : before);
}

static void new_members(void **state)
{
	(void)state;
	edits(SET, "stages/a", "{cmd: x, deps: [b, c: {d: 1}]}", "",
	      "stages:\n  a:\n    cmd: x\n    deps:\n    - b\n    - c:\n        d: 1\n");
	edits(SET, "stages/a", "{cmd: x}", "# why\n", "# why\nstages:\n  a:\n    cmd: x\n");
	edits(SET, "stages/a", "{cmd: x}", "# why", "# why\nstages:\n  a:\n    cmd: x");
	edits(SET, "stages/b", "{cmd: y}", "stages:\n  a: {cmd: x} # c\n",
	      "stages:\n  a: {cmd: x} # c\n  b:\n    cmd: y\n");
	edits(SET, "stages/b", "{cmd: y}", "stages:\n    a:\n        cmd: x\n",
	      "stages:\n    a:\n        cmd: x\n    b:\n        cmd: y\n");
	edits(SET, "stages/b", "{deps: [y]}", "stages:\n  a:\n    deps:\n      - x",
	      "stages:\n  a:\n    deps:\n      - x\n  b:\n    deps:\n      - y");
	edits(SET, "stages/b", "1", "stages:\r\n  a: 1\r\nvars: []\r\n",
	      "stages:\r\n  a: 1\r\n  b: 1\r\nvars: []\r\n");
	edits(SET, "stages/b", "1", "stages: {}\nvars: []\n", "stages:\n  b: 1\nvars: []\n");
	edits(SET, "stages/b", "1", "stages: # none yet\n", "stages: # none yet\n  b: 1\n");
	edits(SET, "stages/b", "1", "{stages: {a: 1}}", "{stages: {a: 1, b: 1}}");
	edits(SET, "stages/b", "[1]", "{stages: {a: 1,\n}}\n", "{stages: {a: 1, b: [1]\n}}\n");
	edits(SET, "stages/b", "1", "---\nstages:\n  a: 1\n...\n", "---\nstages:\n  a: 1\n  b: 1\n...\n");
	edits(SET, "stages/b", "1", "\xef\xbb\xbfstages:\n  a: 1\n",
	      "\xef\xbb\xbfstages:\n  a: 1\n  b: 1\n");
	edits(SET, "stages/d", "1", "stages:\n  \xc3\xa4: \xe2\x82\xac # \xf0\x9f\x98\x80\n  b: \xc3\xbc\n",
	      "stages:\n  \xc3\xa4: \xe2\x82\xac # \xf0\x9f\x98\x80\n  b: \xc3\xbc\n  d: 1\n");
}

static void where_comments_belong(void **state)
{
	(void)state;
	edits(SET, "s/b", "1", "s:\n  a:\n    x: 1\n    # of a\n  # of s\n# of none\nt: 1\n",
	      "s:\n  a:\n    x: 1\n    # of a\n  # of s\n  b: 1\n# of none\nt: 1\n");
	edits(SET, "s/c", "1", "s:\n  a: 1\n\n  b: 1\n\nt: 1\n", "s:\n  a: 1\n\n  b: 1\n\n  c: 1\n\nt: 1\n");
	edits(SET, "s/a/frozen", "true", "s:\n  a:\n    cmd: x\n    # m\n    meta: 1\n  b: 1\n",
	      "s:\n  a:\n    cmd: x\n    frozen: true\n    # m\n    meta: 1\n  b: 1\n");
	edits(SET, "s/a/desc", "text", "s:\n  a:\n    cmd: |\n      x\n      y\n",
	      "s:\n  a:\n    desc: text\n    cmd: |\n      x\n      y\n");
	edits(SET, "s/a/frozen", "true", "s:\n  a:\n    cmd: >-\n      x\n\n  b: 1\n",
	      "s:\n  a:\n    cmd: >-\n      x\n    frozen: true\n\n  b: 1\n");
	edits(UNSET, "s/a", NULL, "s:\n  # one\n  a: 1 # two\n  # three\n  b: 1\n",
	      "s:\n  # one\n  # three\n  b: 1\n");
	edits(UNSET, "s/b", NULL, "s:\n  a: 1\n\n  b:\n  - 1\n  - 2\n\n  c: 1\n", "s:\n  a: 1\n\n  c: 1\n");
	edits(UNSET, "s/b", NULL, "s:\n  a: 1\n  b: 1", "s:\n  a: 1");
	edits(UNSET, "s/b", NULL, "s:\r\n  a: 1\r\n  b: 1", "s:\r\n  a: 1");
	edits(UNSET, "s/a", NULL, "s: # why\n  a:\n    x: 1\n# end\n", "s: {} # why\n# end\n");
}

static void replaced_values(void **state)
{
	(void)state;
	edits(SET, "a/cmd", "new", "a:\n  cmd:   old # c\n  deps: [x]\n", "a:\n  cmd: new # c\n  deps: [x]\n");
	edits(SET, "a/cmd", "new", "a:\n  cmd: | # c\n    one\n    two\n  deps: [x]\n",
	      "a:\n  cmd: new\n  deps: [x]\n");
	edits(SET, "a/cmd", "new", "a:\n  cmd: # c\n  - one\n  - two\n", "a:\n  cmd: new # c\n");
	edits(SET, "a/cmd", "[1, 2]", "a:\n  cmd: old # c\n", "a:\n  cmd: # c\n  - 1\n  - 2\n");
	edits(SET, "a/cmd", "[1, 2]", "a:\n  cmd:  # c\n    old\n  b: 1\n",
	      "a:\n  cmd:  # c\n  - 1\n  - 2\n  b: 1\n");
	edits(SET, "a/cmd", "new", "a: {cmd: \"o\\\"ld\", 'b': [1,\n 2]}\n", "a: {cmd: new, 'b': [1,\n 2]}\n");
	edits(SET, "a/cmd", "new", "a: {cmd: , b}\n", "a: {cmd: new, b}\n");
	edits(SET, "a/b", "new", "a: {cmd: , b}\n", "a: {cmd: , b: new}\n");
	edits(SET, "a/cmd", "'it''s #1: x'", "a:\n  'cmd' : \"old\"\n", "a:\n  'cmd' : \"it's #1: x\"\n");
	edits(SET, "a", "1", "a: null", "a: 1");
}

static void lists(void **state)
{
	(void)state;
	edits(APPEND, "a", "{x: {y: 1}}", "a:\n  - 1 # one\n    # more\nb: 1\n",
	      "a:\n  - 1 # one\n    # more\n  - x:\n      y: 1\nb: 1\n");
	edits(APPEND, "a", "z", "a: [x, 'y'] # c\n", "a: [x, 'y', z] # c\n");
	edits(APPEND, "a", "z", "a: [\n  x,\n  y, # c\n]\n", "a: [\n  x,\n  y, z # c\n]\n");
	edits(TAKE, "a", "0", "a:\n- x # c\n- y\n", "a:\n- y\n");
	edits(TAKE, "a", "1", "a:\n- x # c\n# k\n- y:\n    z: 1\nb: 1\n", "a:\n- x # c\n# k\nb: 1\n");
	edits(TAKE, "a", "1", "a: [x, y, z]", "a: [x, z]");
	edits(TAKE, "a", "2", "a: [x, y, z]", "a: [x, y]");
	edits(TAKE, "a", "0", "a: [x]", NULL);
}

static void refused(void **state)
{
	(void)state;
	edits(SET, "b/x", "1", "a: &a {x: 1}\nb: *a\n", NULL);
	edits(UNSET, "a", NULL, "a: &a {x: 1}\nb: *a\n", NULL);
	edits(UNSET, "b/x", NULL, "a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  z: 1\n", NULL);
	edits(SET, "b/x", "3", "a: &a {x: 1}\nb:\n  <<: *a\n", "a: &a {x: 1}\nb:\n  <<: *a\n  x: 3\n");
	edits(UNSET, "a/nobody", NULL, "a:\n  b: 1\n", NULL);
	edits(SET, "a/b", "1", "a: [1, 2]\n", NULL);
	edits(SET, "a", "1", "- x\n", NULL);
	edits(SET, "a", "1", "a: [\n", NULL);
	edits(UNSET, "a/x", NULL, "a:\n  ? x\n  : 1\n  y: 2\n", NULL);
	edits(SET, "a/z", "1", "? a\n: ? x\n  : 1\n", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_members), cmocka_unit_test(where_comments_belong),
		cmocka_unit_test(replaced_values), cmocka_unit_test(lists),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
