/* SPDX-License-Identifier: Apache-2.0 */
/* Kin: which of the old files a new name goes back to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "repo/kin.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static void gather(dv_kin_list *l, const dv_kin *k, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(dv_kin_list_add(l, &k[i]), 0);
	assert_int_equal(dv_kin_list_finish(l), 0);
}

static void expect(const dv_kin_list *l, const char *name, uint64_t size, bool few,
		   const char *best)
{
	dv_kin_search s = { .name = name, .size = size };

	dv_kin_list_search(l, &s, few);
	assert_int_equal(s.found, best != NULL);
	if (best)
		assert_string_equal(s.best.name, best);
}

static void test_numbers_count_versions(void **state)
{
	static const dv_kin k[] = {
		{ .name = "data-1.csv" },  { .name = "data-10.csv" }, { .name = "data-2.csv" },
		{ .name = "data-98.csv" }, { .name = "data-99.csv" }, { .name = "data-99.json" },
		{ .name = "notes.txt" },
	};
	dv_auto(dv_kin_list) l = DV_KIN_LIST_INIT;

	(void)state;
	gather(&l, k, COUNT(k));
	expect(&l, "data-100.csv", 0, true, "data-99.csv");
	expect(&l, "data-100.csv", 0, false, "data-99.csv");
	expect(&l, "data-3.csv", 0, true, "data-2.csv");
	expect(&l, "data-0.csv", 0, true, "data-1.csv");
	expect(&l, "data-100.json", 0, true, "data-99.json");
	expect(&l, "else.txt", 0, true, NULL);
	expect(&l, "data-100", 0, true, NULL);
	expect(&l, "", 0, true, NULL);
	expect(&l, ".csv", 0, true, NULL);
}

static void test_what_is_gone_was_renamed(void **state)
{
	static const dv_kin k[] = {
		{ .name = "0001.json", .size = 4000, .gone = true },
		{ .name = "0002.json", .size = 5000 },
		{ .name = "0003.json", .size = 6000, .gone = true },
		{ .name = "0004.json", .size = 7000 },
	};
	dv_auto(dv_kin_list) l = DV_KIN_LIST_INIT;

	(void)state;
	gather(&l, k, COUNT(k));
	for (int few = 0; few < 2; few++) {
		expect(&l, "reviewed-0001.json", 0, few, "0001.json");
		expect(&l, "reviewed-0003.json", 0, few, "0003.json");
		expect(&l, "0003-new.json", 0, few, "0003.json");
		expect(&l, "reviewed.json", 5990, few, "0003.json");
		expect(&l, "reviewed.json", 4010, few, "0001.json");
		expect(&l, "reviewed.csv", 4010, few, NULL);
	}
}

static void test_many(void **state)
{
	static char names[3000][24];
	dv_auto(dv_kin_list) l = DV_KIN_LIST_INIT;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		dv_kin k = { .name = names[i], .size = 1000, .gone = i % 2 };

		snprintf(names[i], sizeof(names[i]), "item_%05d.txt", i);
		assert_int_equal(dv_kin_list_add(&l, &k), 0);
	}
	assert_int_equal(dv_kin_list_finish(&l), 0);
	expect(&l, "item_01001-b.txt", 1001, false, "item_01001.txt");
	expect(&l, "zzz", 1000, false, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_count_versions),
		cmocka_unit_test(test_what_is_gone_was_renamed),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
