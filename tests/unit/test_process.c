/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that are run to their end: what they are given, what they say, and who may stop them. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/process.h"
#include "dv.h"
#include "folder.h"

/* Runs a line of sh as `p` says; what it prints is in text. */
static int run(dv_process *p, const char *line, const char *input, dv_buf *text)
{
	const char *const argv[] = { "sh", "-c", line, NULL };

	return dv_process_run(p, argv, "sh", input, strlen(input), text, 1 << 20);
}

static void test_passes_on(void **state)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_process p = DV_PROCESS_INIT;
	char words[80];

	(void)state;
	ok(run(&p, "cat; printf 'first\\nlast.\\n' >&2; exit 3", "given", &text));
	assert_string_equal(dv_buf_str(&text), "given");
	assert_int_equal(dv_process_code(&p), 3);
	dv_process_words(&p, words, sizeof words);
	assert_string_equal(words, "first; last");
}

static void test_patience_ends(void **state)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_process p = DV_PROCESS_INIT;
	int64_t began = dv_clock_ms();

	(void)state;
	p.patience_ms = 200;
	assert_int_equal(run(&p, "sleep 30", "", &text), DV_ETRANSIENT);
	assert_string_equal(dv_error_last()->message, "sh does not answer");
	assert_true(dv_clock_ms() - began < 20000);
}

static void test_cancel_ends_what_need_not_finish(void **state)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_process p = DV_PROCESS_INIT, q = DV_PROCESS_INIT;

	(void)state;
	dv_cancel();
	assert_int_equal(run(&p, "sleep 30", "", &text), DV_ECANCELLED);
	q.finishes = true;
	ok(run(&q, "sleep 0.3; echo done", "", &text));
	dv_cancel_reset();
	assert_string_equal(dv_buf_str(&text), "done\n");
}

static void test_file_stays_open(void **state)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_process p = DV_PROCESS_INIT, q = DV_PROCESS_INIT;
	dv_autoclose int fd = open("held", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	char line[80];

	(void)state;
	snprintf(line, sizeof line, "[ /proc/self/fd/%d -ef held ] && echo open || echo none", fd);
	p.keep_fd = fd;
	ok(run(&p, line, "", &text));
	ok(run(&q, line, "", &text));
	assert_string_equal(dv_buf_str(&text), "open\nnone\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_passes_on),
		cmocka_unit_test(test_patience_ends),
		cmocka_unit_test(test_cancel_ends_what_need_not_finish),
		cmocka_unit_test_setup_teardown(test_file_stays_open, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
