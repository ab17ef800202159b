/* SPDX-License-Identifier: Apache-2.0 */
/* URLs: what is refused, and what is shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "folder.h"
#include "base/alloc.h"
#include "base/url.h"

static void test_check(void **state)
{
	static const char *const good[] = {
		"", "/a/b", "../x", "host:path", "s3://b", "s3://b/p@q", "ssh://u@h:22/x",
		"http://h:80/a:b@c", "http://[::1]:80/a:b@c", "x://", "file:///-x", "s3://b/-x",
	};
	static const char *const bad[] = {
		"http://u:p@h", "http://:p@h/x", "http://u:@h", "ssh://u:p/q@h/x", "http://u:p?q@h", "x://a@b:c@d",
		"ssh://-h", "ssh://-u@h", "ssh://u@-h/x", "s3://-b/x", "http://h/\n", "http://h\x7f",
	};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		ok(dv_url_check(good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(dv_url_check(bad[i]), DV_EUNSAFE);
}

static void test_redact(void **state)
{
	static const struct {
		const char *url, *shown;
	} cases[] = {
		{ "", "" }, { "/a?b", "/a?b" }, { "s3://b/p@q", "s3://b/p@q" },
		{ "ssh://u@h:22/x", "ssh://u@h:22/x" },
		{ "http://h:80/a:b@c", "http://h:80/a:b@c" },
		{ "http://u:p@h/x", "http://u:***@h/x" }, { "http://u:p@", "http://u:***@" },
		{ "http://u:p/q@h/x", "http://u:***@h/x" }, { "http://:p@h", "http://:***@h" },
		{ "http://a:b@c:d@h", "http://a:***@h" },
		{ "http://h/x?sig=1", "http://h/x?***" }, { "http://h?x#y", "http://h?***" },
		{ "http://u:p?q@h/x?y", "http://u:***@h/x?***" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		dv_autofree char *shown = dv_url_redact(cases[i].url);

		assert_string_equal(shown, cases[i].shown);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check), cmocka_unit_test(test_redact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
