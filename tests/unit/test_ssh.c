/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SSH driver without a network: what it makes of URLs, and its work with an SFTP server that is
 * run where ssh would be, when one is installed.
 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/oid.h"
#include "base/path.h"
#include "base/sha256.h"
#include "remotes/drivers.h"
#include "remotes/mux.h"

static char top[] = "/tmp/dv-test-ssh-XXXXXX";
static char command[600];	/* what stands for ssh */

#define ok(call) assert_ok((call), #call, __LINE__)
static void assert_ok(int rc, const char *what, int line)
{
	if (rc)
		fail_msg("line %d: %s: %d: %s", line, what, rc, dv_error_last()->message);
}

static const char *setting(void *ctx, const char *key)
{
	(void)ctx;
	if (strcmp(key, "sshcommand") == 0)
		return command;
	return strcmp(key, "serve") == 0 ? "never" : NULL;
}

static int open_it(dv_remote **out, const char *url, bool create)
{
	return dv_driver_ssh.open(out, url, &(dv_driver_options){ .name = "r", .create = create,
								  .setting = setting });
}

static const char *server(void)
{
	static const char *const places[] = { "/usr/lib/openssh/sftp-server",
					      "/usr/libexec/openssh/sftp-server",
					      "/usr/lib/ssh/sftp-server" };

	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	return NULL;
}

/* The arguments that ssh gets are not sftp-server's. */
static void stand_in(const char *options)
{
	snprintf(command, sizeof command, "exec %s %s #", server(), options);
}

#define need_server() do { if (!server()) skip(); } while (0)

/* -- URLs -------------------------------------------------------------------------------------- */

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"ssh://-oProxyCommand=x/p", "ssh://u:secret@host/p", "ssh://-l@host/p", "ssh://host",
		"ssh:///p", "ssh://host:12x/p", "ssh://ho;st/p", "ssh://a b/p",
		"ssh://$(x)@host/p", "ssh://host/a%0ab", "ssh://host/%zz", "ssh://[::1/p",
		"ssh://host/~/-p", "ssh://host:999999/p", "ssh://%2dx@host/p", "ssh://`x`/p",
	};
	dv_remote *r = NULL;

	(void)state;
	/* Nothing may be started for them. */
	snprintf(command, sizeof command, "touch %s/started; #", top);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		int rc = open_it(&r, bad[i], false);

		if (rc != DV_EUNSAFE && rc != DV_EUSAGE)
			fail_msg("'%s': %d", bad[i], rc);
		assert_null(strstr(dv_error_last()->message, "secret"));
	}
	dv_autofree char *mark = dv_path_join(top, "started");
	assert_int_not_equal(access(mark, F_OK), 0);
}

static void test_words(void **state)
{
	static const struct {
		const char *url, *words;
	} cases[] = {
		{ "ssh://host/p", "-- host sftp" },
		{ "ssh://me@host:2022/p", "-p 2022 -l me -s -- host sftp" },
		{ "ssh://[::1]:22/p", "-p 22 -s -- ::1 sftp" },
		{ "ssh://a@b@host/~/p", "-l a@b -s -- host sftp" },
	};
	dv_remote *r = NULL;

	(void)state;
	snprintf(command, sizeof command, "f() { echo \"$*\" >&2; exit 9; }; f");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_true(open_it(&r, cases[i].url, false) < 0);
		if (!strstr(dv_error_last()->message, cases[i].words))
			fail_msg("'%s' is not in '%s'", cases[i].words, dv_error_last()->message);
		assert_non_null(strstr(dv_error_last()->message, "ServerAliveInterval=15"));
	}
	/* The words of ssh decide what kind of failure it is. */
	snprintf(command, sizeof command, "echo 'u@h: Permission denied (publickey).' >&2; exit 255;");
	assert_int_equal(open_it(&r, "ssh://host/p", false), DV_EAUTH);
	snprintf(command, sizeof command, "echo 'Host key verification failed.' >&2; exit 255;");
	assert_int_equal(open_it(&r, "ssh://host/p", false), DV_EUNSAFE);
	snprintf(command, sizeof command, "echo 'connect to host h: refused' >&2; exit 255;");
	assert_int_equal(open_it(&r, "ssh://host/p", false), DV_ETRANSIENT);
	snprintf(command, sizeof command, "echo 'Welcome to this machine'; exec cat #");
	assert_int_equal(open_it(&r, "ssh://host/p", false), DV_ERROR);
	assert_non_null(strstr(dv_error_last()->message, "text"));
}

static void test_scp(void **state)
{
	static const struct {
		const char *text, *url;
	} cases[] = {
		{ "host:path", "ssh://host/~/path" },
		{ "me@host:/a/b", "ssh://me@host/a/b" },
		{ "host:", "ssh://host/~" },
		{ "host:~/x%y", "ssh://host/~/x%25y" },
		{ "[::1]:x", "ssh://[::1]/~/x" },
		{ "a/b:c", NULL },
		{ "ssh://h/p", NULL },
		{ "/a:b", NULL },
		{ ":x", NULL },
		{ "plain", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(dv_path_is_scp(cases[i].text), cases[i].url != NULL);
		dv_autofree char *url = cases[i].url ? dv_path_scp_url(cases[i].text) : NULL;
		if (url)
			assert_string_equal(url, cases[i].url);
	}
}

/* -- with a server ----------------------------------------------------------------------------- */

static int append_sink(const void *p, size_t n, void *payload)
{
	return dv_buf_add(payload, p, n);
}

static int stop_sink(const void *p, size_t n, void *payload)
{
	(void)p, (void)n, (void)payload;
	return 77;
}

static int count_list(const char *name, uint64_t size, void *payload)
{
	uint64_t *sum = payload;

	assert_true(name[0] != '.');
	*sum += size + 1000;
	return 0;
}

static char *url_of(const char *dir)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	dv_buf_addf(&b, "ssh://host%s/%s", top, dir);
	return dv_buf_detach(&b);
}

/* A file of some bytes that are the same for a seed; a descriptor. */
static int file_of(size_t n, uint32_t seed)
{
	dv_autofree uint8_t *p = dv_malloc(n + 1);
	dv_autofree char *path = dv_path_join(top, "source");

	assert_non_null(p);
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525u + 1013904223u;
		p[i] = (uint8_t)(seed >> 24);
	}
	ok(dv_fs_write_file(path, p, n, 0));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void assert_same(dv_remote *r, const char *name, int fd, size_t n)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	dv_autofree uint8_t *p = dv_malloc(n + 1);
	size_t got = 0;

	ok(r->driver->get(r, name, 0, UINT64_MAX, append_sink, &b));
	assert_int_equal(b.n, n);
	assert_int_equal(dv_fs_pread_all(fd, p, n, 0, &got), 0);
	assert_true(n == 0 || memcmp(p, b.p, n) == 0);
}

static void verbs(const char *options, const char *dir)
{
	dv_autofree char *url = url_of(dir);
	dv_auto(dv_buf) b = DV_BUF_INIT;
	dv_remote *r = NULL;
	uint64_t size = 0, sum = 0;

	stand_in(options);
	assert_int_equal(open_it(&r, url, false), DV_ENOTFOUND);
	ok(open_it(&r, url, true));
	const dv_driver *d = r->driver;
	assert_true(r->caps & DV_REMOTE_PUT_IF_ABSENT);
	assert_int_equal(d->stat(r, "log/1", &size), DV_ENOTFOUND);
	assert_int_equal(d->get(r, "log/1", 0, 10, append_sink, &b), DV_ENOTFOUND);
	ok(d->list(r, "log", NULL, count_list, &sum));
	assert_int_equal(sum, 0);
	ok(d->put_if_absent(r, "log/1", "hello", 5));
	assert_int_equal(d->put_if_absent(r, "log/1", "world", 5), DV_EEXISTS);
	ok(d->put_if_absent(r, "log/2", "", 0));
	ok(d->get(r, "log/1", 1, 3, append_sink, &b));
	ok(d->get(r, "log/1", 3, UINT64_MAX, append_sink, &b));
	ok(d->get(r, "log/1", 100, 5, append_sink, &b));
	assert_string_equal(dv_buf_str(&b), "elllo");
	assert_int_equal(d->get(r, "log/1", 0, 5, stop_sink, NULL), 77);
	ok(d->list(r, "log", NULL, count_list, &sum));
	assert_int_equal(sum, 2005);
	sum = 0;
	ok(d->list(r, "log", "1", count_list, &sum));
	assert_int_equal(sum, 1000);
	for (size_t n = 0; n < 12000000; n = n * 9 + 32768) {
		dv_autoclose int fd = file_of(n, (uint32_t)n);
		char name[40];

		snprintf(name, sizeof name, "packs/ab/%zu", n);
		ok(d->put(r, name, fd, n));
		ok(d->put(r, name, fd, n));
		ok(d->stat(r, name, &size));
		assert_int_equal(size, n);
		assert_same(r, name, fd, n);
		assert_true(d->put(r, name, fd, n + 1) < 0);
		assert_int_equal(d->put_if_absent(r, name, "x", 1), DV_EEXISTS);
		assert_int_equal(d->get(r, name, 0, UINT64_MAX, stop_sink, NULL), n ? 77 : 0);
		ok(d->remove(r, name));
		assert_int_equal(d->remove(r, name), DV_ENOTFOUND);
	}
	assert_true(d->put_if_absent(r, "../x", "x", 1) < 0);
	d->close(r);
}

static void test_verbs(void **state)
{
	(void)state;
	need_server();
	verbs("", "all");
	verbs("-P posix-rename,fsync,hardlink,statvfs,fstatvfs,copy-data,limits", "few");
}

static void test_read_only(void **state)
{
	dv_autofree char *url = url_of("kept");
	dv_auto(dv_buf) b = DV_BUF_INIT;
	dv_remote *r = NULL;

	(void)state;
	need_server();
	stand_in("");
	ok(open_it(&r, url, true));
	ok(r->driver->put_if_absent(r, "log/1", "hello", 5));
	r->driver->close(r);
	stand_in("-R");
	ok(open_it(&r, url, true));
	ok(r->driver->get(r, "log/1", 0, UINT64_MAX, append_sink, &b));
	assert_string_equal(dv_buf_str(&b), "hello");
	assert_int_equal(r->driver->put_if_absent(r, "log/2", "x", 1), DV_EAUTH);
	assert_non_null(strstr(dv_error_last()->hint, "may not change"));
	assert_int_equal(r->driver->remove(r, "log/1"), DV_EAUTH);
	r->driver->close(r);
}

static size_t files_in(const char *dir, const char *prefix)
{
	DIR *d = opendir(dir);
	size_t n = 0;

	assert_non_null(d);
	for (const struct dirent *e; (e = readdir(d));)
		n += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
	closedir(d);
	return n;
}

/* What was there is taken up again, whatever its end holds; what is not a part is not. */
static void test_resume(void **state)
{
	const size_t size = 40u << 20;
	dv_autofree char *url = url_of("again"), *dir = dv_path_join(top, "again/packs/ab");
	dv_autofree uint8_t *p = dv_malloc(size);
	dv_remote *r = NULL;
	char name[100], leaf[65], part[160];
	size_t got;

	(void)state;
	need_server();
	memset(leaf, 'a', 64);
	leaf[64] = '\0';
	snprintf(name, sizeof name, "packs/ab/%s", leaf);
	snprintf(part, sizeof part, "%s/.dv-part-%s", dir, leaf);
	dv_autoclose int fd = file_of(size, 9);
	assert_int_equal(dv_fs_pread_all(fd, p, size, 0, &got), 0);
	stand_in("");
	ok(open_it(&r, url, true));
	for (int i = 0; i < 5; i++) {
		size_t n = i == 0 ? size : i == 1 ? 16u << 20 : i == 2 ? 30000001 : size + 5;
		dv_autofree uint8_t *copy = dv_calloc(1, size + 5);

		memcpy(copy, p, size);
		if (i == 2)	/* a crash left a hole at its end */
			memset(copy + 29000000, 0, 1000001);
		ok(dv_fs_mkdirs(dir));
		if (i < 4)
			ok(dv_fs_write_file(part, copy, n, 0));
		ok(r->driver->put(r, name, fd, size));
		assert_same(r, name, fd, size);
		/* Too long a one is nobody's business. */
		assert_int_equal(files_in(dir, ".dv-"), i == 3);
		if (i == 3)
			assert_int_equal(unlink(part), 0);
		ok(r->driver->remove(r, name));
	}
	r->driver->close(r);
}

/* Answers live on stacks: nothing may look at one whose owner was told that it will not come. */
static void test_lost(void **state)
{
	const char *const argv[] = { "sleep", "0.2", NULL };
	const dv_mux_options o = { .what = "'it'" };
	dv_auto(dv_answer) a = { 0 }, b = { 0 };
	dv_auto(dv_buf) none = DV_BUF_INIT;
	dv_process p = DV_PROCESS_INIT;
	dv_mux *m = NULL;

	(void)state;
	ok(dv_process_start(&p, NULL, argv));
	ok(dv_mux_new(&m, &p, &o));
	ok(dv_mux_send(m, &a, 1, &none, NULL, 0));
	ok(dv_mux_send(m, &b, 1, &none, NULL, 0));
	for (int i = 0; i < 2; i++) {
		dv_answer *one = i ? &a : &b;

		assert_int_equal(dv_mux_wait(m, one), DV_ETRANSIENT);
		assert_false(one->waiting);
	}
	assert_true(dv_mux_is_lost(m));
	dv_mux_free(m);
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(top) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return dv_fs_remove_tree(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused), cmocka_unit_test(test_words),
		cmocka_unit_test(test_scp), cmocka_unit_test(test_verbs),
		cmocka_unit_test(test_read_only), cmocka_unit_test(test_resume),
		cmocka_unit_test(test_lost),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
