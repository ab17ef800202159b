/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the driver for web servers: addresses, logins, the words of a command. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "folder.h"
#include "remotes/command.h"
#include "remotes/netrc.h"
#include "remotes/web.h"

static bool said(const char *text)
{
	const dv_error *e = dv_error_last();

	return strstr(e->message, text) || strstr(e->hint, text);
}

static void test_places(void **state)
{
	static const struct {
		const char *url, *base, *host, *user;
	} good[] = {
		{ "http://h", "http://h", "h", NULL },
		{ "HTTPS://h.x:8443/a/b//", "https://h.x:8443/a/b", "h.x", NULL },
		{ "https://me@h/%20x/", "https://h/%20x", "h", "me" },
		{ "http://[::1]:80/x", "http://[::1]:80/x", "[::1]", NULL },
	};
	static const struct {
		const char *url;
		int code;
	} bad[] = {
		{ "ftp://h/x", DV_EUSAGE }, { "http://", DV_EUSAGE }, { "http:///x", DV_EUSAGE },
		{ "http://h:", DV_EUSAGE }, { "http://h:1x/", DV_EUSAGE },
		{ "http://h/a?b", DV_EUSAGE }, { "http://h/a#b", DV_EUSAGE },
		{ "http://h?x", DV_EUSAGE }, { "http://h /x", DV_EUSAGE },
		{ "http://h/x\ny", DV_EUSAGE }, { "http://h\\@x/", DV_EUSAGE },
		{ "http://[::1", DV_EUSAGE }, { "http://[::1]x/", DV_EUSAGE },
		{ "http://me@", DV_EUSAGE }, { "http://-h/", DV_EUNSAFE },
		{ "http://-oProxyCommand=x/", DV_EUNSAFE }, { "http://me@-h/", DV_EUNSAFE },
		{ "http://me:hush@h/", DV_EUNSAFE }, { "http://:hush@h/", DV_EUNSAFE },
		{ "http://a@b:hush@h/", DV_EUNSAFE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		dv_auto(dv_web_place) p = DV_WEB_PLACE_INIT;

		ok(dv_web_place_read(&p, good[i].url));
		assert_string_equal(p.base, good[i].base);
		assert_string_equal(p.host, good[i].host);
		assert_true(!p.user == !good[i].user);
		if (p.user)
			assert_string_equal(p.user, good[i].user);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		dv_auto(dv_web_place) p = DV_WEB_PLACE_INIT;

		assert_int_equal(dv_web_place_read(&p, bad[i].url), bad[i].code);
		assert_false(said("hush"));
	}
}

/* "user:password" for a host, or "-". */
static const char *login(const char *text, const char *host, const char *user, bool dflt)
{
	static char out[200];
	dv_auto(dv_login) l = DV_LOGIN_INIT;

	if (!dv_netrc_find(text, host, user, dflt, &l))
		return "-";
	snprintf(out, sizeof out, "%s:%s", l.user ? l.user : "", l.password);
	return out;
}

static void test_netrc(void **state)
{
	static const char text[] =
		"# machine h login no password no\n"
		"machine a.org login alice password p1\n"
		"machine a.org\n\tlogin bob\n\tpassword \"p 2\\\"x\"\n\taccount z\n"
		"machine hash login x password #5\n"
		"machine m login u macdef init\ncd /x\nmachine evil login e password e\n\n"
		"machine evil login good password right\n"
		"machine nopass login only\n"
		"default login dd password dp\n"
		"machine late login l password lp\n";

	(void)state;
	assert_string_equal(login(text, "a.org", NULL, false), "alice:p1");
	assert_string_equal(login(text, "A.ORG", "alice", false), "alice:p1");
	assert_string_equal(login(text, "a.org", "bob", false), "bob:p 2\"x");
	assert_string_equal(login(text, "a.org", "carl", false), "-");
	assert_string_equal(login(text, "hash", NULL, false), "x:#5");
	assert_string_equal(login(text, "evil", NULL, false), "good:right");
	assert_string_equal(login(text, "nopass", NULL, false), "-");
	assert_string_equal(login(text, "h", NULL, false), "-");
	assert_string_equal(login(text, "h", NULL, true), "dd:dp");
	assert_string_equal(login(text, "a.org", NULL, true), "alice:p1");
	assert_string_equal(login("machine", "h", NULL, true), "-");
	assert_string_equal(login("machine h login", "h", NULL, true), "-");
	assert_string_equal(login("machine h password \"x", "h", NULL, true), ":x");
	assert_string_equal(login("machine h macdef", "h", NULL, true), "-");
}

static void test_netrc_noise(void **state)
{
	static const char *const some[] = { "machine ", "default ", "login ", "password ", "h ",
					    "\"", "\\", "#", "\n", "\n\n", "macdef ", "account " };
	char text[2000];

	(void)state;
	for (int i = 0; i < 5000; i++) {
		uint8_t pick[100];

		ok(dv_random(pick, sizeof pick));
		*text = 0;
		for (size_t k = 0, n = 0; k < sizeof pick; k++)
			n += (size_t)snprintf(text + n, sizeof text - n, "%s",
					      some[pick[k] % (sizeof some / sizeof *some)]);
		login(text, "h", NULL, i & 1);
	}
}

/* The words of a line with '|' between; "error" when it is none. */
static const char *split(const char *line)
{
	static char out[300];
	dv_auto(dv_words) w = DV_WORDS_INIT;
	size_t n = 0;

	if (dv_command_split(&w, line, "the line"))
		return "error";
	*out = 0;
	for (size_t i = 0; i < w.n; i++)
		n += (size_t)snprintf(out + n, sizeof out - n, "%s%s", i ? "|" : "", w.w[i]);
	return out;
}

static void test_split(void **state)
{
	(void)state;
	assert_string_equal(split("a b  c"), "a|b|c");
	assert_string_equal(split("  'a b' \"c d\"e\t"), "a b|c de");
	assert_string_equal(split("a\\ b \\\"c '\\x' \"\\x\\\"\\\\\""), "a b|\"c|\\x|\\x\"\\");
	assert_string_equal(split("x '' y"), "x||y");
	assert_string_equal(split("a;b $(c) `d` *"), "a;b|$(c)|`d`|*");
	assert_string_equal(split("'open"), "error");
	assert_string_equal(split("open\""), "error");
	assert_string_equal(split("end\\"), "error");
	assert_string_equal(split("  "), "error");
	char many[400];
	memset(many, 'x', sizeof many);
	for (size_t i = 1; i < sizeof many; i += 2)
		many[i] = ' ';
	many[sizeof many - 1] = 0;
	assert_string_equal(split(many), "error");
}

static void test_run(void **state)
{
	dv_auto(dv_secret_buf) out = DV_BUF_INIT;

	(void)state;
	ok(dv_command_run("cat", "it", "a line\n", &out, 100));
	assert_string_equal(dv_buf_str(&out), "a line\n");
	dv_buf_clear(&out);
	ok(dv_command_run("printf '%s' ';x $HOME'", "it", "unread", &out, 100));
	assert_string_equal(dv_buf_str(&out), ";x $HOME");
	dv_buf_clear(&out);
	assert_int_equal(dv_command_run("yes", "it", "", &out, 100), DV_ERROR);
	assert_true(said("it printed too much"));
	dv_buf_clear(&out);
	assert_int_equal(dv_command_run("false", "it", "", &out, 100), DV_EAUTH);
	assert_true(said("it failed with status 1"));
	assert_int_equal(dv_command_run("./nowhere", "it", "", &out, 100), DV_EAUTH);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_places), CASE(test_netrc), CASE(test_netrc_noise), CASE(test_split),
		CASE(test_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
