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
		"http://u%3ap@h/x", "ssh://u%3Ap@h/x",
		"s3://AKIA@b/p", "S3://AKIA@b", "s3://@b",
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
		{ "http://u:p@h/x", "http://***@h/x" }, { "http://u:p@", "http://***@" },
		{ "http://u:p/q@h/x", "http://***@h/x" }, { "http://:p@h", "http://***@h" },
		{ "http://a:b@c:d@h", "http://***@h" },
		{ "https://TOKEN@h/x", "https://***@h/x" }, { "HTTPS://TOKEN@h", "HTTPS://***@h" },
		{ "demo://TOKEN@h/x", "demo://***@h/x" }, { "s3://KEY@b/p", "s3://***@b/p" },
		{ "ssh://u:p@h/x", "ssh://u:***@h/x" }, { "SSH://u%3Ap@h", "SSH://u%3A***@h" },
		{ "assh://u@h", "assh://***@h" }, { "http://h/x#sig", "http://h/x#***" },
		{ "curl https://T@h/x", "curl https://***@h/x" },
		{ "http://h/x?sig=1", "http://h/x?***" }, { "http://h?x#y", "http://h?***" },
		{ "http://u:p?q@h/x?y", "http://***@h/x?***" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		dv_autofree char *shown = dv_url_redact(cases[i].url);

		assert_string_equal(shown, cases[i].shown);
	}
}

static void test_scheme(void **state)
{
	static const struct {
		const char *url, *lower;
		size_t n;
	} cases[] = {
		{ "S3://B/P", "s3://B/P", 2 }, { "SSH://U@H", "ssh://U@H", 3 },
		{ "a+B.c-1://X", "a+b.c-1://X", 7 }, { "/A://x", "/A://x", 0 },
		{ "Host:Path", "Host:Path", 0 }, { "-X://y", "-X://y", 0 }, { "://X", "://X", 0 },
		{ "", "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		dv_autofree char *url = dv_strdup(cases[i].url);

		assert_int_equal(dv_url_scheme(url), cases[i].n);
		dv_url_lower_scheme(url);
		assert_string_equal(url, cases[i].lower);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check), cmocka_unit_test(test_redact),
		cmocka_unit_test(test_scheme),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
