/* SPDX-License-Identifier: Apache-2.0 */
/* Progress: what is told of the whole, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dv.h>

#include "base/progress.h"

static dv_progress last;

static void on_progress(const dv_progress *p, void *payload)
{
	(void)payload;
	last = *p;
}

static void ahead(void **state)
{
	(void)state;
	dv_progress_start("adding", 0, 0);
	dv_progress_add(10, 1);
	dv_progress_more(true);
	dv_progress_ahead(90, 9);
	dv_progress_end();
	assert_string_equal(last.phase, "adding");
	assert_int_equal(last.bytes_done, 10);
	assert_int_equal(last.bytes_total, 0);
	dv_progress_start("adding", 0, 0);
	dv_progress_add(10, 1);
	dv_progress_ahead(90, 9);
	dv_progress_end();
	assert_int_equal(last.bytes_total, 100);
	assert_int_equal(last.files_total, 10);
}

/* Totals that were given stay. */
static void given(void **state)
{
	(void)state;
	dv_progress_start("checking out", 50, 5);
	dv_progress_add(10, 1);
	dv_progress_ahead(90, 9);
	dv_progress_end();
	assert_int_equal(last.bytes_total, 50);
	assert_int_equal(last.files_total, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ahead),
		cmocka_unit_test(given),
	};

	dv_set_progress_cb(on_progress, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
