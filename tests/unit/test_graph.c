/* SPDX-License-Identifier: Apache-2.0 */
/* The graph of stages: edges, order, reach, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "pipeline/graph.h"

/* A pipeline from lines "NAME: out out < dep dep" (a '!' before the name: frozen). */
static void make(dv_pipeline *p, const char *const *lines)
{
	dv_arena *a = &p->arena;

	for (; *lines; lines++) {
		dv_stage s = { .file = "dv.yaml", .dir = "", .wdir = "" };
		char *text = dv_arena_strdup(a, *lines), *save = NULL;
		bool deps = false;

		s.outs = dv_arena_alloc(a, 8 * sizeof(*s.outs));
		s.deps = dv_arena_alloc(a, 8 * sizeof(*s.deps));
		s.frozen = *text == '!';
		s.name = strtok_r(text + s.frozen, ": ", &save);
		for (char *w; (w = strtok_r(NULL, " ", &save)) != NULL;) {
			if (!strcmp(w, "<"))
				deps = true;
			else if (deps)
				s.deps[s.ndeps++] = (dv_stage_dep){ .written = w, .path = w };
			else if (strcmp(w, ":") != 0)
				s.outs[s.nouts++] = (dv_stage_out){ .written = w, .path = w };
		}
		assert_int_equal(dv_grow(&p->stages, &p->cap, p->n + 1, sizeof(s)), 0);
		p->stages[p->n++] = s;
	}
}

static void order_is(const char *const *lines, const char *targets, enum dv_graph_reach reach,
		     const char *expected)
{
	dv_auto(dv_pipeline) p = DV_PIPELINE_INIT;
	dv_auto(dv_graph) g = DV_GRAPH_INIT;
	dv_auto(dv_buf) got = DV_BUF_INIT;
	dv_autofree size_t *order = NULL;
	bool chosen[64] = { false };
	size_t n = 0;

	make(&p, lines);
	assert_int_equal(dv_graph_build(&g, &p, NULL), 0);
	for (size_t i = 0; i < p.n; i++)
		chosen[i] = !*targets || strstr(targets, p.stages[i].name);
	assert_int_equal(dv_graph_order(&g, chosen, reach, &order, &n), 0);
	for (size_t i = 0; i < n; i++)
		dv_buf_addf(&got, "%s%s", i ? " " : "", p.stages[order[i]].name);
	assert_string_equal(dv_buf_str(&got), expected);
}

static const char *const nine[] = {
	"1: o1 < o2 o3", "2: o2 < o4 o5", "3: o3 < o6 o7", "4: o4", "5: o5", "6: o6", "7: o7",
	"8: o8 < o9", "9: o9", NULL,
};

static void test_order(void **state)
{
	(void)state;
	order_is(nine, "", DV_REACH_UP, "4 5 2 6 7 3 1 9 8");
	order_is(nine, "1", DV_REACH_UP, "4 5 2 6 7 3 1");
	order_is(nine, "4", DV_REACH_DOWN, "4 2 1");
	order_is(nine, "4", DV_REACH_ONLY, "4");
	order_is(nine, "12", DV_REACH_ONLY, "2 1");
	order_is(nine, "9", DV_REACH_ALL_AROUND, "9 8");
	order_is(nine, "5", DV_REACH_ALL_AROUND, "4 5 2 6 7 3 1");
}

static void test_edges(void **state)
{
	static const char *const folders[] = {
		"use: x < dir/a/file", "part: y < big", "make: dir/a", "in: big/one", "in2: big/two",
		"near: dir-b", "other: z < dir", NULL,
	};
	static const char *const frozen[] = { "a: x", "!b: y < x", "c: z < y", NULL };

	(void)state;
	order_is(folders, "use", DV_REACH_UP, "make use");
	order_is(folders, "part", DV_REACH_UP, "in in2 part");
	order_is(folders, "other", DV_REACH_UP, "make other");
	order_is(folders, "near", DV_REACH_UP, "near");
	order_is(frozen, "c", DV_REACH_UP, "b c");
	order_is(frozen, "a", DV_REACH_DOWN, "a");
}

static void refused(const char *const *lines, const char *message)
{
	dv_auto(dv_pipeline) p = DV_PIPELINE_INIT;
	dv_auto(dv_graph) g = DV_GRAPH_INIT;

	make(&p, lines);
	assert_true(dv_graph_build(&g, &p, NULL) < 0);
	if (!strstr(dv_error_last()->message, message))
		fail_msg("%s", dv_error_last()->message);
}

static void test_refused(void **state)
{
	(void)state;
	refused((const char *const[]){ "a: x", "b: x", NULL }, "both make 'x'");
	refused((const char *const[]){ "a: d", "b: d/e", NULL }, "'d/e' of the stage 'b' lies in 'd'");
	refused((const char *const[]){ "a: x < z", "b: y < x", "c: z < y", NULL },
		"'a' needs 'c' needs 'b' needs 'a'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order), cmocka_unit_test(test_edges),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
