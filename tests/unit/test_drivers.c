/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every remote driver must do, tried on the place that the environment names, or on a folder. tests/t/drivers.sh runs it for every server.
 *
 *   DV_TEST_URL        an empty place that may be written to; each test takes a folder of its own
 *   DV_TEST_SETTINGS   settings of the remote, "key=value;key=value"
 *   DV_TEST_READ_URL   a place made by 'DV_TEST_MAKE=FOLDER', for drivers that only read
 *   DV_TEST_DENIED_URL a place that must not be written to; DV_TEST_DENIED_SETTINGS
 *   DV_TEST_WEAK       the server does not keep one of two writers from a name
 *   DV_TEST_WEATHER    the rules of a fault proxy on the way; DV_TEST_PROXY: http or tcp
 *   DV_TEST_LARGE      bytes of the large object; none without it
 *   DV_TEST_MAKE       only makes the files of DV_TEST_READ_URL in this folder
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/path.h"
#include "transfer/internal.h"

#include "folder.h"

#define MIB ((size_t)1 << 20)
/* A long file that is named by its hash goes on where it was cut. */
#define HASH "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"

static int counter;

/* -- places ------------------------------------------------------------------------------------ */

static const char *extra_setting;	/* "key=value"; counts before those of the environment */

static const char *setting(void *ctx, const char *key)
{
	static __thread char values[16][1024];
	static __thread unsigned next;
	const char *lists[] = { extra_setting, ctx };
	size_t n = strlen(key);

	for (size_t i = 0; i < 2; i++)
		for (const char *s = lists[i]; s && *s; s += strcspn(s, ";"), s += *s == ';')
			if (!strncmp(s, key, n) && s[n] == '=') {
				char *value = values[next++ % 16];

				snprintf(value, sizeof values[0], "%.*s",
					 (int)strcspn(s + n + 1, ";"), s + n + 1);
				return value;
			}
	return NULL;
}

static const dv_driver *driver_for(const char *url)
{
	size_t n = strcspn(url, ":");
	const char *scheme = url;

	if (url[0] == '/')
		scheme = "file", n = 4;
	for (size_t i = 0; dv_drivers[i]; i++)
		if (dv_drivers[i]->reaches ? dv_drivers[i]->reaches(url) :
		    strlen(dv_drivers[i]->scheme) == n && !memcmp(dv_drivers[i]->scheme, scheme, n))
			return dv_drivers[i];
	fail_msg("no driver for '%s'", url);
	return NULL;
}

static int open_with(dv_remote **out, const char *url, const char *settings, bool create)
{
	const dv_driver_options o = { .name = "r", .create = create, .url_is_own = true,
				      .setting = setting, .ctx = (void *)(uintptr_t)settings };

	*out = NULL;
	return driver_for(url)->open(out, url, &o);
}

static int open_place(dv_remote **out, const char *url, bool create)
{
	return open_with(out, url, getenv("DV_TEST_SETTINGS"), create);
}

/* The URL of a place that no test has used. Owned. */
static char *fresh_url(const char *what)
{
	const char *base = getenv("DV_TEST_URL");
	char name[64];

	snprintf(name, sizeof name, "%s-%ld-%d", what, (long)getpid(), ++counter);
	return dv_path_join(base ? base : root, name);
}

static void close_remote(dv_remote **r)
{
	if (*r)
		(*r)->driver->close(*r);
}
#define dv_autoremote __attribute__((cleanup(close_remote))) dv_remote *

static dv_remote *fresh_place(const char *what)
{
	dv_autofree char *url = fresh_url(what);
	dv_remote *r;

	ok(open_place(&r, url, true));
	return r;
}

/* -- bytes ------------------------------------------------------------------------------------- */

static uint8_t byte_at(uint64_t i, uint32_t seed)
{
	uint64_t x = (i >> 3) + ((uint64_t)seed << 40);

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return (uint8_t)((x ^ (x >> 31)) >> (i % 8 * 8));
}

static void fill(uint8_t *p, size_t n, uint64_t from, uint32_t seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = byte_at(from + i, seed);
}

/* An unlinked file of such bytes. */
static int data_file(size_t n, uint32_t seed)
{
	dv_autofree uint8_t *p = dv_malloc(n + 1);

	fill(p, n, 0, seed);
	int fd = dv_memory_file(p, n);
	assert_true(fd >= 0);
	return fd;
}

/* Compares what comes with what should, from `at` on. */
typedef struct expected {
	uint64_t at, got;
	uint32_t seed;
	bool wrong;
	uint64_t stop_after;	/* of the bytes got; 0: never */
} expected;

static int check_sink(const void *p, size_t n, void *payload)
{
	expected *e = payload;
	const uint8_t *b = p;

	for (size_t i = 0; i < n && !e->wrong; i++)
		e->wrong = b[i] != byte_at(e->at + e->got + i, e->seed);
	e->got += n;
	return e->stop_after && e->got >= e->stop_after ? 77 : 0;
}

static int append_sink(const void *p, size_t n, void *payload)
{
	return dv_buf_add(payload, p, n);
}

static int put_bytes(dv_remote *r, const char *name, size_t n, uint32_t seed)
{
	dv_autoclose int fd = data_file(n, seed);

	return r->driver->put(r, name, fd, n);
}

/* The range is there, right, and of this length. */
static void assert_range(dv_remote *r, const char *name, uint64_t offset, uint64_t length,
			 uint64_t expect, uint32_t seed)
{
	expected e = { .at = offset, .seed = seed };

	ok(r->driver->get(r, name, offset, length, check_sink, &e));
	assert_false(e.wrong);
	assert_int_equal(e.got, expect);
}

static void assert_text(dv_remote *r, const char *name, const char *text)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	ok(r->driver->get(r, name, 0, UINT64_MAX, append_sink, &b));
	assert_string_equal(dv_buf_str(&b), text);
}

static void assert_absent(dv_remote *r, const char *name)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	uint64_t size;

	assert_int_equal(r->driver->stat(r, name, &size), DV_ENOTFOUND);
	assert_int_equal(r->driver->get(r, name, 0, 10, append_sink, &b), DV_ENOTFOUND);
	assert_int_equal(b.n, 0);
}

/* -- the verbs --------------------------------------------------------------------------------- */

static void test_absent_place(void **state)
{
	dv_autofree char *url = fresh_url("absent");
	dv_autoremote r = NULL;
	int rc = open_place(&r, url, false);

	(void)state;
	/* The driver may find it out when it opens the place, or when it is asked for something. */
	if (rc)
		assert_int_equal(rc, DV_ENOTFOUND);
	else
		assert_absent(r, "dv-store.json");
}

static void test_stat_get(void **state)
{
	dv_autoremote r = fresh_place("get");
	const dv_driver *d = r->driver;
	uint64_t size = 0;

	(void)state;
	assert_true(r->caps & DV_REMOTE_WRITE);
	assert_absent(r, "log/000000000001");
	ok(put_bytes(r, "packs/ab/abcd", 3 * MIB + 5, 1));
	ok(d->stat(r, "packs/ab/abcd", &size));
	assert_int_equal(size, 3 * MIB + 5);
	assert_absent(r, "packs/ab/abc");
	assert_true(d->stat(r, "packs/ab", &size) < 0);
	/* Inside, at both ends, clipped, of nothing, and beyond the end. */
	assert_range(r, "packs/ab/abcd", 0, UINT64_MAX, 3 * MIB + 5, 1);
	assert_range(r, "packs/ab/abcd", 0, 1, 1, 1);
	assert_range(r, "packs/ab/abcd", 1000, 70000, 70000, 1);
	assert_range(r, "packs/ab/abcd", 3 * MIB + 4, 1, 1, 1);
	assert_range(r, "packs/ab/abcd", 3 * MIB, 100, 5, 1);
	assert_range(r, "packs/ab/abcd", 3 * MIB, UINT64_MAX, 5, 1);
	assert_range(r, "packs/ab/abcd", 5, UINT64_MAX - 3, 3 * MIB, 1);
	assert_range(r, "packs/ab/abcd", 17, 0, 0, 1);
	assert_range(r, "packs/ab/abcd", 3 * MIB + 5, 1, 0, 1);
	assert_range(r, "packs/ab/abcd", 3 * MIB + 5, UINT64_MAX, 0, 1);
	assert_range(r, "packs/ab/abcd", (uint64_t)1 << 40, 10, 0, 1);
	/* A sink that has enough is heard, and the remote goes on. */
	expected e = { .seed = 1, .stop_after = 1 };
	assert_int_equal(d->get(r, "packs/ab/abcd", 0, UINT64_MAX, check_sink, &e), 77);
	assert_false(e.wrong);
	e = (expected){ .seed = 1, .stop_after = MIB };
	assert_int_equal(d->get(r, "packs/ab/abcd", 0, UINT64_MAX, check_sink, &e), 77);
	assert_false(e.wrong);
	assert_range(r, "packs/ab/abcd", 1000, 100, 100, 1);
}

static void test_put(void **state)
{
	dv_autoremote r = fresh_place("put");
	static const size_t sizes[] = { 0, 1, 4095, 65536, 65537, 5 * MIB, 8 * MIB + 1,
					20 * MIB + 3 };
	const dv_driver *d = r->driver;
	uint64_t size = 1;

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		char name[32];

		snprintf(name, sizeof name, "packs/%02zu/pack", i);
		ok(put_bytes(r, name, sizes[i], (uint32_t)i));
		ok(d->stat(r, name, &size));
		assert_int_equal(size, sizes[i]);
		assert_range(r, name, 0, UINT64_MAX, sizes[i], (uint32_t)i);
	}
	/* A name that is there is kept, whatever is put. */
	ok(put_bytes(r, "packs/02/pack", 4095, 2));
	int rc = put_bytes(r, "packs/02/pack", 4095, 3);
	assert_true(rc == 0 || rc == DV_EEXISTS);
	assert_int_equal(put_bytes(r, "packs/02/pack", 4096, 3), DV_EEXISTS);
	assert_int_equal(put_bytes(r, "packs/02/pack", 0, 3), DV_EEXISTS);
	assert_range(r, "packs/02/pack", 0, UINT64_MAX, 4095, 2);
	/* All of the file, wherever it stands. */
	dv_autoclose int fd = data_file(1000, 4);
	assert_int_equal(lseek(fd, 500, SEEK_SET), 500);
	ok(d->put(r, "index/other", fd, 1000));
	assert_range(r, "index/other", 0, UINT64_MAX, 1000, 4);
	/* Less than the caller said: nothing appears. */
	assert_true(d->put(r, "index/long", fd, 1001) < 0);
	assert_absent(r, "index/long");
}

static void test_put_if_absent(void **state)
{
	dv_autoremote r = fresh_place("log");
	const dv_driver *d = r->driver;
	dv_autofree uint8_t *big = dv_malloc(MIB);

	(void)state;
	ok(d->put_if_absent(r, "dv-store.json", "{}", 2));
	ok(d->put_if_absent(r, "log/000000000001", "hello", 5));
	assert_text(r, "log/000000000001", "hello");
	if (!getenv("DV_TEST_WEAK")) {
		assert_true(r->caps & DV_REMOTE_PUT_IF_ABSENT);
		assert_int_equal(d->put_if_absent(r, "log/000000000001", "world", 5), DV_EEXISTS);
		assert_int_equal(d->put_if_absent(r, "log/000000000001", "hello", 5), DV_EEXISTS);
		assert_text(r, "log/000000000001", "hello");
	}
	ok(d->put_if_absent(r, "log/000000000002", "", 0));
	assert_text(r, "log/000000000002", "");
	fill(big, MIB, 0, 9);
	ok(d->put_if_absent(r, "log/000000000003", big, MIB));
	assert_range(r, "log/000000000003", 0, UINT64_MAX, MIB, 9);
}

static void test_names(void **state)
{
	dv_autoremote r = fresh_place("names");
	const dv_driver *d = r->driver;
	char wide[200];
	uint64_t size;
	const char *const good[] = {
		"0", "a.b", "a-b_c.d", "x.-", "-dash", "a/-dash", "deep/er/and/deep/er/still/x",
		"packs/00/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"tmp", "a..b", "..a", wide,
	};
	static const char *const bad[] = {
		"../x", "a/../x", "a/..", "..", ".", "/etc/x", "", "a//b", "a/", "A", "a b", "a\nb",
		"a\\b", "a?b", "a#b", "a%2fb", "a:b", "a*b", "\xc3\xa4",
	};

	(void)state;
	memset(wide, 'w', sizeof wide);
	memcpy(wide, "wide/", 5);
	wide[190] = '\0';
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		int rc = d->put_if_absent(r, good[i], good[i], strlen(good[i]));

		if (rc)
			fail_msg("%s: %s", good[i], dv_error_last()->message);
		assert_text(r, good[i], good[i]);
		ok(d->stat(r, good[i], &size));
		assert_int_equal(size, strlen(good[i]));
	}
	dv_autoclose int fd = data_file(1, 1);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		dv_auto(dv_buf) b = DV_BUF_INIT;

		if (d->put_if_absent(r, bad[i], "x", 1) >= 0 || d->put(r, bad[i], fd, 1) >= 0 ||
		    d->stat(r, bad[i], &size) >= 0 || d->remove(r, bad[i]) >= 0 ||
		    d->get(r, bad[i], 0, 1, append_sink, &b) >= 0)
			fail_msg("'%s' was let through", bad[i]);
	}
}

typedef struct listing {
	int n;
	uint64_t bytes;
	char last[64];
} listing;

static int list_cb(const char *name, uint64_t size, void *payload)
{
	listing *l = payload;

	l->n++;
	l->bytes += size;
	if (strcmp(name, l->last) > 0)
		snprintf(l->last, sizeof l->last, "%s", name);
	return strchr(name, '/') ? 99 : 0;
}

static int stop_cb(const char *name, uint64_t size, void *payload)
{
	(void)name, (void)size;
	(*(int *)payload)++;
	return 55;
}

static void test_list(void **state)
{
	dv_autoremote r = fresh_place("list");
	const dv_driver *d = r->driver;
	listing l = { 0 };
	int stopped = 0;

	(void)state;
	assert_true(r->caps & DV_REMOTE_LIST);
	ok(d->list(r, "log", NULL, list_cb, &l));
	assert_int_equal(l.n, 0);
	for (int i = 1; i <= 9; i++) {
		char name[32];

		snprintf(name, sizeof name, "log/%012d", i);
		ok(d->put_if_absent(r, name, name, (size_t)i));
	}
	ok(d->put_if_absent(r, "log/below/000000000001", "x", 1));
	ok(d->put_if_absent(r, "log-not/000000000001", "x", 1));
	ok(d->put_if_absent(r, "top", "xyz", 3));
	ok(d->list(r, "log", NULL, list_cb, &l));
	assert_int_equal(l.n, 9);
	assert_int_equal(l.bytes, 45);
	assert_string_equal(l.last, "000000000009");
	l = (listing){ 0 };
	ok(d->list(r, "log", "000000000006", list_cb, &l));
	assert_int_equal(l.n, 3);
	assert_int_equal(l.bytes, 24);
	l = (listing){ 0 };
	ok(d->list(r, "log", "000000000009", list_cb, &l));
	assert_int_equal(l.n, 0);
	ok(d->list(r, "", NULL, list_cb, &l));
	assert_int_equal(l.n, 1);
	assert_string_equal(l.last, "top");
	assert_int_equal(d->list(r, "log", NULL, stop_cb, &stopped), 55);
	assert_int_equal(stopped, 1);
	assert_true(d->list(r, "../log", NULL, list_cb, &l) < 0);
}

static void test_remove(void **state)
{
	dv_autoremote r = fresh_place("remove");
	const dv_driver *d = r->driver;

	(void)state;
	ok(d->put_if_absent(r, "log/000000000001", "x", 1));
	ok(d->put_if_absent(r, "log/000000000002", "y", 1));
	ok(d->remove(r, "log/000000000001"));
	assert_absent(r, "log/000000000001");
	assert_text(r, "log/000000000002", "y");
	/* S3 does not say whether there was something. */
	int rc = d->remove(r, "log/000000000001");
	assert_true(rc == 0 || rc == DV_ENOTFOUND);
	/* The name is free again. */
	ok(d->put_if_absent(r, "log/000000000001", "z", 1));
	assert_text(r, "log/000000000001", "z");
}

/* -- many at once ------------------------------------------------------------------------------ */

typedef struct worker {
	pthread_t thread;
	dv_remote *r;
	int number, rc;
	bool wrong;
	char message[256];
} worker;

static int work_all(worker *w, int n, void *(*run)(void *))
{
	int failed = 0;

	for (int i = 0; i < n; i++) {
		w[i].number = i;
		assert_int_equal(pthread_create(&w[i].thread, NULL, run, &w[i]), 0);
	}
	for (int i = 0; i < n; i++) {
		pthread_join(w[i].thread, NULL);
		if (w[i].rc && w[i].rc != DV_EEXISTS) {
			print_message("%d: %s\n", w[i].rc, w[i].message);
			failed++;
		}
	}
	return failed;
}

static void note(worker *w, int rc)
{
	w->rc = rc;
	if (rc)
		snprintf(w->message, sizeof w->message, "%.200s", dv_error_last()->message);
}

static void *race(void *payload)
{
	worker *w = payload;
	char text[16];

	snprintf(text, sizeof text, "racer %02d", w->number);
	note(w, w->r->driver->put_if_absent(w->r, "log/000000000007", text, strlen(text)));
	return NULL;
}

static void test_race(void **state)
{
	worker w[16] = { 0 };
	dv_remote *remotes[4];

	(void)state;
	if (getenv("DV_TEST_WEAK"))
		skip();
	for (int round = 0; round < 4; round++) {
		dv_autofree char *url = fresh_url("race");
		int winners = 0;
		char text[16] = "";

		for (int i = 0; i < 4; i++)
			ok(open_place(&remotes[i], url, true));
		for (int i = 0; i < 16; i++)
			w[i].r = remotes[i % 4];
		assert_int_equal(work_all(w, 16, race), 0);
		for (int i = 0; i < 16; i++)
			if (w[i].rc == 0) {
				winners++;
				snprintf(text, sizeof text, "racer %02d", i);
			}
		assert_int_equal(winners, 1);
		assert_text(remotes[3], "log/000000000007", text);
		for (int i = 0; i < 4; i++)
			remotes[i]->driver->close(remotes[i]);
	}
}

static void *read_ranges(void *payload)
{
	worker *w = payload;

	for (uint64_t i = 0; i < 30 && w->rc == 0; i++) {
		uint64_t at = (i * 977 + (uint64_t)w->number * 6151) * 97 % (3 * MIB);
		expected e = { .at = at, .seed = 5 };

		note(w, w->r->driver->get(w->r, "packs/00/x", at, 10000, check_sink, &e));
		w->wrong = w->wrong || e.wrong;
	}
	return NULL;
}

static void *put_own(void *payload)
{
	worker *w = payload;

	for (int i = 0; i < 6 && w->rc == 0; i++) {
		char name[32];
		size_t n = (size_t)(i * i) * 40000;
		dv_autofree uint8_t *p = dv_malloc(n + 1);

		fill(p, n, 0, (uint32_t)w->number);
		dv_autoclose int fd = dv_memory_file(p, n);
		snprintf(name, sizeof name, "packs/%02d/own-%d", w->number, i);
		note(w, w->r->driver->put(w->r, name, fd, n));
		/* All at once put this one; a weak server may show it while it grows. */
		if (getenv("DV_TEST_WEAK"))
			continue;
		fill(p, n, 0, 1000);
		dv_autoclose int same = dv_memory_file(p, n);
		snprintf(name, sizeof name, "packs/xx/same-%d", i);
		if (w->rc == 0)
			note(w, w->r->driver->put(w->r, name, same, n));
	}
	return NULL;
}

static void test_many_threads(void **state)
{
	dv_autoremote r = fresh_place("threads");
	worker w[8] = { 0 };

	(void)state;
	ok(put_bytes(r, "packs/00/x", 4 * MIB, 5));
	for (int i = 0; i < 8; i++)
		w[i].r = r;
	assert_int_equal(work_all(w, 8, read_ranges), 0);
	for (int i = 0; i < 8; i++)
		assert_false(w[i].wrong);
	assert_int_equal(work_all(w, 8, put_own), 0);
	for (uint32_t i = 0; i < 8; i++) {
		char name[32];

		assert_int_equal(w[i].rc, 0);
		snprintf(name, sizeof name, "packs/%02u/own-5", i);
		assert_range(r, name, 0, UINT64_MAX, 1000000, i);
	}
	if (!getenv("DV_TEST_WEAK"))
		assert_range(r, "packs/xx/same-5", 0, UINT64_MAX, 1000000, 1000);
}

static void *put_many(void *payload)
{
	worker *w = payload;

	for (int i = 0; i < 140 && w->rc == 0; i++) {
		char name[32];

		snprintf(name, sizeof name, "log/%012d", i * 8 + w->number);
		note(w, w->r->driver->put_if_absent(w->r, name, name, 16));
	}
	return NULL;
}

/* More than one page of a listing. */
static void test_long_list(void **state)
{
	dv_autoremote r = fresh_place("pages");
	worker w[8] = { 0 };
	listing l = { 0 };

	(void)state;
	for (int i = 0; i < 8; i++)
		w[i].r = r;
	assert_int_equal(work_all(w, 8, put_many), 0);
	ok(r->driver->list(r, "log", NULL, list_cb, &l));
	assert_int_equal(l.n, 1120);
	assert_int_equal(l.bytes, 1120 * 16);
	assert_string_equal(l.last, "000000001119");
	l = (listing){ 0 };
	ok(r->driver->list(r, "log", "000000000099", list_cb, &l));
	assert_int_equal(l.n, 1020);
}

/* -- what may not be, and what only reads ------------------------------------------------------ */

static void test_denied(void **state)
{
	const char *url = getenv("DV_TEST_DENIED_URL"), *text = getenv("DV_TEST_DENIED_SETTINGS");
	dv_autoremote r = NULL;

	(void)state;
	if (!url)
		skip();
	int rc = open_with(&r, url, text, true);
	if (rc == 0)
		rc = r->driver->put_if_absent(r, "log/000000000001", "x", 1);
	assert_int_equal(rc, DV_EAUTH);
	dv_autoclose int fd = data_file(10, 1);
	if (r)
		assert_int_equal(r->driver->put(r, "packs/aa/x", fd, 10), DV_EAUTH);
}

#define READ_BIG (3 * MIB + 5)

static void test_read_only(void **state)
{
	const char *url = getenv("DV_TEST_READ_URL");
	dv_autoremote r = NULL;
	dv_autoremote other = NULL;
	uint64_t size = 0;

	(void)state;
	if (!url)
		skip();
	ok(open_place(&r, url, false));
	const dv_driver *d = r->driver;
	assert_text(r, "log/000000000001", "hello");
	assert_text(r, "log/000000000002", "");
	ok(d->stat(r, "packs/ab/abcd", &size));
	assert_int_equal(size, READ_BIG);
	assert_absent(r, "log/000000000003");
	assert_range(r, "packs/ab/abcd", 0, UINT64_MAX, READ_BIG, 1);
	assert_range(r, "packs/ab/abcd", 1000, 70000, 70000, 1);
	assert_range(r, "packs/ab/abcd", 3 * MIB, 100, 5, 1);
	assert_range(r, "packs/ab/abcd", 3 * MIB, UINT64_MAX, 5, 1);
	assert_range(r, "packs/ab/abcd", READ_BIG, 1, 0, 1);
	assert_range(r, "packs/ab/abcd", 17, 0, 0, 1);
	expected e = { .seed = 1, .stop_after = 1 };
	assert_int_equal(d->get(r, "packs/ab/abcd", 0, UINT64_MAX, check_sink, &e), 77);
	if (!(r->caps & DV_REMOTE_WRITE)) {
		assert_true(d->put_if_absent(r, "log/000000000003", "x", 1) < 0);
		assert_true(put_bytes(r, "packs/ab/other", 10, 1) < 0);
		assert_true(d->remove(r, "packs/ab/abcd") < 0);
		assert_false(r->caps & DV_REMOTE_PUT_IF_ABSENT);
	}
	assert_range(r, "packs/ab/abcd", 5, 5, 5, 1);
	dv_autofree char *absent = dv_path_join(url, "not-there");
	int rc = open_place(&other, absent, false);
	if (rc)
		assert_int_equal(rc, DV_ENOTFOUND);
	else
		assert_absent(other, "dv-store.json");
}

static int make_readable(const char *folder)
{
	dv_autoremote r = NULL;
	int rc = open_with(&r, folder, NULL, true);

	if (rc == 0)
		rc = r->driver->put_if_absent(r, "log/000000000001", "hello", 5);
	if (rc == 0)
		rc = r->driver->put_if_absent(r, "log/000000000002", "", 0);
	return rc ? rc : put_bytes(r, "packs/ab/abcd", READ_BIG, 1);
}

/* -- a bad road -------------------------------------------------------------------------------- */

static bool over_http(void)
{
	const char *mode = getenv("DV_TEST_PROXY");

	return mode && !strcmp(mode, "http");
}

/* What the proxy does from now on: one fault, when a form is given. */
static void weather(const char *rules)
{
	const char *path = getenv("DV_TEST_WEATHER");
	char fresh[512];

	snprintf(fresh, sizeof fresh, "%s.new", path);
	ok(dv_fs_write_file(fresh, rules, strlen(rules), 0));
	assert_int_equal(rename(fresh, path), 0);
}

/* Bytes that went to the server since the log of the proxy had `from` bytes; *end: what it has. */
static uint64_t sent_since(long from, long *end)
{
	char path[512], line[1024];
	const char *rules = getenv("DV_TEST_WEATHER");
	uint64_t sum = 0;

	snprintf(path, sizeof path, "%.*s/requests.log", (int)(strrchr(rules, '/') - rules), rules);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	fseek(f, from, SEEK_SET);
	while (fgets(line, sizeof line, f)) {
		unsigned long long up = 0;

		if (sscanf(line, "%*s %*s %*s %llu", &up) == 1)
			sum += up;
	}
	*end = ftell(f);
	fclose(f);
	return sum;
}

/* Goes on until the proxy has written down what happened. */
static uint64_t settled(long from, long *end)
{
	nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL);
	return sent_since(from, end);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#define need_proxy() do { if (!getenv("DV_TEST_WEATHER")) skip(); } while (0)

/* As skip(), which does not return, for who owns an address already. */
static void skip_without(char **url)
{
	free(dv_steal(url));
	skip();
}

static void test_cut_put(void **state)
{
	dv_autofree char *url = fresh_url("cut");
	dv_autoremote r = NULL;
	const size_t size = 48 * MIB;
	long at;

	(void)state;
	need_proxy();
	weather("{}");
	ok(open_place(&r, url, true));
	ok(r->driver->put_if_absent(r, "dv-store.json", "{}", 2));
	r->driver->close(dv_steal(&r));
	settled(0, &at);
	weather(over_http() ? "{\"faults\": [{\"fault\": \"reset\", \"match\": \"^PUT\", "
			      "\"skip\": 2, \"after\": 2000000}]}" :
			      "{\"faults\": [{\"fault\": \"reset\", \"after\": 30000000}]}");
	ok(open_place(&r, url, true));
	assert_int_equal(put_bytes(r, "packs/aa/" HASH, size, 3), DV_ETRANSIENT);
	weather("{}");
	assert_absent(r, "packs/aa/" HASH);
	r->driver->close(dv_steal(&r));
	uint64_t first = settled(at, &at);
	ok(open_place(&r, url, true));
	ok(put_bytes(r, "packs/aa/" HASH, size, 3));
	assert_range(r, "packs/aa/" HASH, 0, UINT64_MAX, size, 3);
	r->driver->close(dv_steal(&r));
	uint64_t second = settled(at, &at);
	print_message("cut after %.1f MiB, then %.1f MiB\n", (double)first / (double)MIB,
		      (double)second / (double)MIB);
	assert_true(first > 2 * MIB && second < size - 2 * MIB);
}

static void test_cut_get(void **state)
{
	dv_autofree char *url = fresh_url("cut");
	dv_autoremote r = NULL;
	expected e = { .seed = 3 };

	(void)state;
	need_proxy();
	weather("{}");
	ok(open_place(&r, url, true));
	ok(put_bytes(r, "packs/aa/large", 6 * MIB, 3));
	r->driver->close(dv_steal(&r));
	weather(over_http() ? "{\"faults\": [{\"fault\": \"cut\", \"match\": \"large\", "
			      "\"after\": 2000000, \"times\": 1}]}" :
			      "{\"faults\": [{\"fault\": \"cut\", \"after\": 2000000, "
			      "\"times\": 1}]}");
	ok(open_place(&r, url, false));
	assert_int_equal(r->driver->get(r, "packs/aa/large", 0, UINT64_MAX, check_sink, &e),
			 DV_ETRANSIENT);
	assert_false(e.wrong);
	assert_true(e.got <= 2000000);	/* less: a reset takes what is under way with it */
	/* The same remote goes on from there. */
	assert_range(r, "packs/aa/large", e.got, UINT64_MAX, 6 * MIB - e.got, 3);
	if (over_http()) {
		weather("{\"faults\": [{\"fault\": \"truncate\", \"match\": \"large\"}]}");
		e = (expected){ .seed = 3 };
		assert_int_equal(r->driver->get(r, "packs/aa/large", 0, UINT64_MAX, check_sink,
						&e), DV_ETRANSIENT);
		assert_false(e.wrong);
	}
	weather("{}");
}

/* Each verb says what a busy server says. */
static void test_busy(void **state)
{
	dv_autofree char *url = fresh_url("busy");
	dv_autoremote r = NULL;
	dv_auto(dv_buf) b = DV_BUF_INIT;
	listing l = { 0 };
	uint64_t size;

	(void)state;
	need_proxy();
	if (!over_http())
		skip_without(&url);
	weather("{}");
	ok(open_place(&r, url, true));
	const dv_driver *d = r->driver;
	ok(d->put_if_absent(r, "log/000000000001", "hello", 5));
	weather("{\"faults\": [{\"fault\": \"503\", \"retry_after\": 7}]}");
	assert_int_equal(d->get(r, "log/000000000001", 0, 9, append_sink, &b), DV_ETRANSIENT);
	assert_int_equal(dv_error_last()->retry_after_ms, 7000);
	assert_int_equal(d->stat(r, "log/000000000001", &size), DV_ETRANSIENT);
	assert_int_equal(dv_error_last()->retry_after_ms, 7000);
	assert_int_equal(put_bytes(r, "packs/aa/x", 100, 1), DV_ETRANSIENT);
	assert_int_equal(dv_error_last()->retry_after_ms, 7000);
	assert_int_equal(d->put_if_absent(r, "log/000000000002", "x", 1), DV_ETRANSIENT);
	assert_int_equal(d->list(r, "log", NULL, list_cb, &l), DV_ETRANSIENT);
	assert_int_equal(d->remove(r, "log/000000000001"), DV_ETRANSIENT);
	weather("{\"faults\": [{\"fault\": \"500\"}]}");
	assert_int_equal(d->stat(r, "log/000000000001", &size), DV_ETRANSIENT);
	weather("{}");
	assert_int_equal(b.n, 0);
	assert_text(r, "log/000000000001", "hello");
	assert_absent(r, "log/000000000002");
}

static void test_lost_answer(void **state)
{
	dv_autofree char *url = fresh_url("lost");
	dv_autoremote r = NULL;

	(void)state;
	need_proxy();
	if (!over_http() || getenv("DV_TEST_WEAK"))
		skip_without(&url);
	weather("{}");
	ok(open_place(&r, url, true));
	ok(r->driver->put_if_absent(r, "log/000000000001", "hello", 5));
	weather("{\"faults\": [{\"fault\": \"lost\", \"match\": \"^PUT\", \"times\": 1}]}");
	/* libcurl may ask again by itself on a connection that was used before. */
	int rc = r->driver->put_if_absent(r, "log/000000000002", "x", 1);
	assert_true(rc == DV_ETRANSIENT || rc == DV_EEXISTS);
	assert_int_equal(r->driver->put_if_absent(r, "log/000000000002", "x", 1), DV_EEXISTS);
	weather("{\"faults\": [{\"fault\": \"lost\", \"match\": \"^PUT\", \"times\": 1}]}");
	rc = put_bytes(r, "packs/aa/x", 100, 1);
	assert_true(rc == DV_ETRANSIENT || rc == 0);
	ok(put_bytes(r, "packs/aa/x", 100, 1));
	assert_range(r, "packs/aa/x", 0, UINT64_MAX, 100, 1);
}

static void stall_after(size_t n)
{
	char rules[128];

	snprintf(rules, sizeof rules, "{\"faults\": [{\"fault\": \"stall\", \"match\": \"%s\", "
		 "\"after\": %zu, \"times\": 1}]}", over_http() ? "large" : "", n);
	weather(rules);
}

static void test_stall(void **state)
{
	dv_autofree char *url = fresh_url("stall");
	dv_autoremote r = NULL;
	expected e = { .seed = 3 };

	(void)state;
	need_proxy();
	weather("{}");
	ok(open_place(&r, url, true));
	ok(put_bytes(r, "packs/aa/large", 6 * MIB, 3));
	r->driver->close(dv_steal(&r));
	stall_after(2000000);
	extra_setting = "timeout=2";
	int rc = open_place(&r, url, false);
	extra_setting = NULL;
	ok(rc);
	double before = now();
	assert_int_equal(r->driver->get(r, "packs/aa/large", 0, UINT64_MAX, check_sink, &e),
			 DV_ETRANSIENT);
	print_message("gave up after %.1f s\n", now() - before);
	assert_true(now() - before > 1 && now() - before < 30);
	assert_false(e.wrong);
	assert_range(r, "packs/aa/large", e.got, UINT64_MAX, 6 * MIB - e.got, 3);
}

static void *cancel_soon(void *payload)
{
	double *at = payload;

	nanosleep(&(struct timespec){ .tv_nsec = 500000000 }, NULL);
	*at = now();
	dv_cancel();
	return NULL;
}

static void test_cancel(void **state)
{
	dv_autofree char *url = fresh_url("cancel");
	dv_autoremote r = NULL;
	pthread_t thread;
	double at = 0;

	(void)state;
	need_proxy();
	weather("{}");
	ok(open_place(&r, url, true));
	ok(put_bytes(r, "packs/aa/large", 6 * MIB, 3));
	r->driver->close(dv_steal(&r));
	for (int verb = 0; verb < 2; verb++) {
		expected e = { .seed = 3 };

		if (verb == 0)
			stall_after(2000000);
		else
			weather("{\"rate\": 200000}");
		ok(open_place(&r, url, false));
		assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &at), 0);
		int rc = verb == 0 ? r->driver->get(r, "packs/aa/large", 0, UINT64_MAX,
						    check_sink, &e) :
				     put_bytes(r, "packs/aa/other", 20 * MIB, 4);
		double after = now();
		pthread_join(thread, NULL);
		r->driver->close(dv_steal(&r));
		double closed = now();
		dv_cancel_reset();
		assert_int_equal(rc, DV_ECANCELLED);
		print_message("stopped after %.2f s, closed after %.2f s\n", after - at,
			      closed - at);
		assert_true(closed - at < 5);	/* seconds, however busy the machine is */
	}
	weather("{}");
	ok(open_place(&r, url, false));
	assert_absent(r, "packs/aa/other");
	assert_range(r, "packs/aa/large", 0, UINT64_MAX, 6 * MIB, 3);
}

/* -- a large object ---------------------------------------------------------------------------- */

static int count_sink(const void *p, size_t n, void *payload)
{
	const uint8_t *b = p;
	uint64_t *sums = payload;

	for (size_t i = 0; i < n; i++)
		if (b[i])
			sums[1] += sums[0] + i;
	sums[0] += n;
	return 0;
}

static void assert_byte(dv_remote *r, const char *name, uint64_t at, char c)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	ok(r->driver->get(r, name, at, 2, append_sink, &b));
	assert_int_equal(b.p[0], c);
}

static void test_large(void **state)
{
	const char *text = getenv("DV_TEST_LARGE");
	uint64_t size = text ? strtoull(text, NULL, 10) : 0, found = 0, sums[2] = { 0, 0 };
	uint64_t marks[] = { 0, size / 2, size - 2 }, sum = 0;
	char path[320];

	(void)state;
	if (size < 4)
		skip();
	dv_autoremote r = fresh_place("large");
	snprintf(path, sizeof path, "%s/sparse", root);
	dv_autoclose int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(pwrite(fd, "x", 1, (off_t)marks[i]), 1);
		sum += marks[i];
	}
	double began = now();
	ok(r->driver->put(r, "packs/aa/large", fd, size));
	double put = now();
	ok(r->driver->stat(r, "packs/aa/large", &found));
	assert_int_equal(found, size);
	for (size_t i = 0; i < 3; i++)
		assert_byte(r, "packs/aa/large", marks[i], 'x');
	assert_byte(r, "packs/aa/large", size - 3, 0);
	double got = now();
	ok(r->driver->get(r, "packs/aa/large", 0, UINT64_MAX, count_sink, sums));
	assert_int_equal(sums[0], size);
	assert_int_equal(sums[1], sum);
	print_message("%.1f MiB/s there, %.1f MiB/s back\n", (double)(size >> 20) / (put - began),
		      (double)(size >> 20) / (now() - got));
	ok(r->driver->remove(r, "packs/aa/large"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_absent_place), cmocka_unit_test(test_stat_get),
		cmocka_unit_test(test_put),	     cmocka_unit_test(test_put_if_absent),
		cmocka_unit_test(test_names),	     cmocka_unit_test(test_list),
		cmocka_unit_test(test_remove),	     cmocka_unit_test(test_race),
		cmocka_unit_test(test_many_threads), cmocka_unit_test(test_long_list),
		cmocka_unit_test(test_denied),	     cmocka_unit_test(test_large),
	};
	const struct CMUnitTest reading[] = { cmocka_unit_test(test_read_only) };
	const struct CMUnitTest faults[] = {
		cmocka_unit_test(test_cut_put),	  cmocka_unit_test(test_cut_get),
		cmocka_unit_test(test_busy),	  cmocka_unit_test(test_lost_answer),
		cmocka_unit_test(test_stall),	  cmocka_unit_test(test_cancel),
	};
	const char *make = getenv("DV_TEST_MAKE");

	if (make)
		return make_readable(make) ? 1 : 0;
	if (getenv("DV_TEST_WEATHER"))
		return cmocka_run_group_tests_name("drivers: faults", faults, setup, teardown);
	if (getenv("DV_TEST_READ_URL"))
		return cmocka_run_group_tests_name("drivers: reading", reading, setup, teardown);
	return cmocka_run_group_tests_name("drivers", tests, setup, teardown);
}
