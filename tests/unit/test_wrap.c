/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wrappers around a driver: what is tried again and what is not, where a get goes on, how fast
 * bytes may move, how many calls are let in, and that all of it stops when it is told to.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "folder.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "transfer/internal.h"

/* A driver that has one file of 1 MiB and does as it is told. */
typedef struct mock {
	dv_remote base;
	int fail_with;		/* the next `failures` calls */
	int failures;
	unsigned retry_after;
	uint64_t cut_at;	/* a get gives so many bytes and breaks off; 0: never */
	int calls, busy, most;
	pthread_mutex_t lock;
} mock;

static uint8_t bytes[1 << 20];
static mock *last;

static int answer(dv_remote *r)
{
	mock *m = (mock *)r;

	pthread_mutex_lock(&m->lock);
	m->calls++;
	bool bad = m->failures > 0;
	m->failures -= bad;
	pthread_mutex_unlock(&m->lock);
	if (!bad)
		return 0;
	return dv_err_retry_after(dv_err(m->fail_with, "the mock fails"), m->retry_after);
}

static int mock_open(dv_remote **out, const char *url, const dv_driver_options *o);

static void mock_close(dv_remote *r)
{
	pthread_mutex_destroy(&((mock *)r)->lock);
	free(r);
}

static int mock_stat(dv_remote *r, const char *name, uint64_t *size)
{
	(void)name;
	*size = sizeof bytes;
	return answer(r);
}

static int mock_get(dv_remote *r, const char *name, uint64_t offset, uint64_t length,
		    dv_sink_cb sink, void *payload)
{
	const mock *m = (mock *)r;
	int rc = answer(r);

	(void)name;
	if (rc)
		return rc;
	if (length > sizeof bytes - offset)
		length = sizeof bytes - offset;
	uint64_t end = offset + length;
	if (m->cut_at && m->cut_at < length)
		end = offset + m->cut_at;
	for (uint64_t at = offset; at < end; at += 1000) {
		rc = sink(bytes + at, end - at < 1000 ? (size_t)(end - at) : 1000, payload);
		if (rc)
			return rc;
	}
	return end < offset + length ? dv_err(DV_ETRANSIENT, "the mock breaks off") : 0;
}

static int mock_put(dv_remote *r, const char *name, int fd, uint64_t size)
{
	mock *m = (mock *)r;
	int rc = answer(r);

	(void)name;
	(void)fd;
	pthread_mutex_lock(&m->lock);
	m->busy++;
	m->most = m->busy > m->most ? m->busy : m->most;
	pthread_mutex_unlock(&m->lock);
	for (uint64_t at = 0; rc == 0 && at < size; at += 65536)
		if ((rc = dv_pause(5)) == 0)
			rc = dv_remote_sending(r, 65536);
	pthread_mutex_lock(&m->lock);
	m->busy--;
	pthread_mutex_unlock(&m->lock);
	return rc;
}

static int mock_put_if_absent(dv_remote *r, const char *name, const void *p, size_t n)
{
	(void)name;
	(void)p;
	(void)n;
	return answer(r);
}

static int mock_list(dv_remote *r, const char *dir, const char *after, dv_list_cb cb, void *payload)
{
	int rc = cb("a", 1, payload);

	(void)dir;
	(void)after;
	if (rc == 0)
		rc = answer(r);
	return rc ? rc : cb("b", 2, payload);
}

static int mock_remove(dv_remote *r, const char *name)
{
	int rc = answer(r);

	(void)name;
	return rc ? rc : dv_err(DV_ENOTFOUND, "the mock has no such file");
}

static const dv_driver mock_driver = {
	.version = 2,
	.scheme = "mock",
	.open = mock_open,
	.close = mock_close,
	.stat = mock_stat,
	.get = mock_get,
	.put = mock_put,
	.put_if_absent = mock_put_if_absent,
	.list = mock_list,
	.remove = mock_remove,
};

static int mock_open(dv_remote **out, const char *url, const dv_driver_options *o)
{
	mock *m = dv_calloc(1, sizeof *m);

	(void)url;
	(void)o;
	if (!m)
		return DV_ERROR;
	pthread_mutex_init(&m->lock, NULL);
	m->base.driver = &mock_driver;
	m->base.caps = DV_REMOTE_WRITE | DV_REMOTE_TELLS;
	m->base.jobs = 16;
	last = m;
	*out = &m->base;
	return 0;
}

static void close_it(dv_remote **r)
{
	(*r)->driver->close(*r);
}
#define auto_remote __attribute__((cleanup(close_it))) dv_remote

static dv_traffic traffic;

static dv_remote *wrapped(uint64_t rate)
{
	dv_wrap_options o = { .name = "mock", .rate = rate, .traffic = &traffic };
	dv_remote *r = NULL;

	memset(&traffic, 0, sizeof traffic);
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 7 + (i >> 8));
	ok(dv_wrap_open(&r, &mock_driver, "mock://", NULL, &o));
	return r;
}

static int keep(const void *p, size_t n, void *payload)
{
	return dv_buf_add(payload, p, n);
}

static void test_tried_again(void **state)
{
	auto_remote *r = wrapped(0);
	uint64_t size;

	(void)state;
	last->fail_with = DV_ETRANSIENT;
	last->failures = 3;
	ok(r->driver->stat(r, "f", &size));
	assert_int_equal(last->calls, 4);
	assert_int_equal(traffic.requests, 4);
	assert_int_equal(traffic.failures, 3);
	last->calls = 0;
	last->failures = 100;
	assert_int_equal(r->driver->put_if_absent(r, "f", "x", 1), DV_ETRANSIENT);
	assert_int_equal(last->calls, 8);
	assert_non_null(strstr(dv_error_last()->message, "after 8 tries"));
}

static void test_not_tried_again(void **state)
{
	static const int codes[] = { DV_EAUTH, DV_ENOTFOUND, DV_EEXISTS, DV_EUNSAFE, DV_ERROR };
	auto_remote *r = wrapped(0);

	(void)state;
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
		uint64_t size;

		last->calls = 0;
		last->failures = 1;
		last->fail_with = codes[i];
		assert_int_equal(r->driver->stat(r, "f", &size), codes[i]);
		assert_int_equal(last->calls, 1);
	}
}

static void test_get_goes_on(void **state)
{
	auto_remote *r = wrapped(0);
	dv_auto(dv_buf) b = DV_BUF_INIT;

	(void)state;
	/* Cut more often than anything is tried again, and yet it comes, each byte once. */
	last->cut_at = 50000;
	ok(r->driver->get(r, "f", 0, UINT64_MAX, keep, &b));
	assert_int_equal(b.n, sizeof bytes);
	assert_memory_equal(b.p, bytes, sizeof bytes);
	assert_int_equal(traffic.received, sizeof bytes);
	assert_true(last->calls > 20);
	dv_buf_clear(&b);
	ok(r->driver->get(r, "f", 12345, 654321, keep, &b));
	assert_int_equal(b.n, 654321);
	assert_memory_equal(b.p, bytes + 12345, b.n);
}

static int count_names(const char *name, uint64_t size, void *payload)
{
	(void)name;
	*(uint64_t *)payload += size;
	return 0;
}

static void test_list_and_remove(void **state)
{
	auto_remote *r = wrapped(0);
	uint64_t sum = 0;

	(void)state;
	last->fail_with = DV_ETRANSIENT;
	last->failures = 2;
	ok(r->driver->list(r, "log", NULL, count_names, &sum));
	assert_int_equal(sum, 3);
	assert_int_equal(r->driver->remove(r, "f"), DV_ENOTFOUND);
	last->failures = 1;
	ok(r->driver->remove(r, "f"));
}

static void test_retry_after(void **state)
{
	auto_remote *r = wrapped(0);
	int64_t begin;
	uint64_t size;

	(void)state;
	last->fail_with = DV_ETRANSIENT;
	last->failures = 1;
	unsetenv("DV_REMOTE_FAULT");
	last->retry_after = 600;
	begin = dv_clock_ms();
	ok(r->driver->stat(r, "f", &size));
	assert_true(dv_clock_ms() - begin >= 600);
	/* A pause that is longer than anybody waits ends it at once. */
	last->failures = 1;
	last->retry_after = 3600 * 1000;
	begin = dv_clock_ms();
	assert_int_equal(r->driver->stat(r, "f", &size), DV_ETRANSIENT);
	assert_true(dv_clock_ms() - begin < 500);
	setenv("DV_REMOTE_FAULT", "quick", 1);
}

static void *cancel_soon(void *arg)
{
	nanosleep(&(struct timespec){ .tv_nsec = 100 * 1000000 }, NULL);
	dv_cancel();
	return arg;
}

static void test_cancel(void **state)
{
	auto_remote *r = wrapped(1000);
	pthread_t t;

	(void)state;
	for (int i = 0; i < 2; i++) {
		int64_t begin = dv_clock_ms();
		uint64_t size;
		int rc;

		assert_int_equal(pthread_create(&t, NULL, cancel_soon, NULL), 0);
		if (i == 0) {
			last->fail_with = DV_ETRANSIENT;
			last->failures = 1;
			last->retry_after = 100000;
			unsetenv("DV_REMOTE_FAULT");
			rc = r->driver->stat(r, "f", &size);
			setenv("DV_REMOTE_FAULT", "quick", 1);
		} else {
			rc = r->driver->put(r, "f", 0, sizeof bytes);
		}
		pthread_join(t, NULL);
		dv_cancel_reset();
		assert_int_equal(rc, DV_ECANCELLED);
		assert_true(dv_clock_ms() - begin < 250);
	}
}

static void test_rate(void **state)
{
	auto_remote *r = wrapped(2 << 20);
	dv_auto(dv_buf) b = DV_BUF_INIT;
	int64_t begin = dv_clock_ms(), took;

	(void)state;
	ok(r->driver->get(r, "f", 0, UINT64_MAX, keep, &b));
	ok(r->driver->put(r, "f", 0, sizeof bytes));
	took = dv_clock_ms() - begin;
	/* 2 MiB at 2 MiB in a second, less what may come in one burst. */
	assert_true(took > 750);
	assert_true(took < 3000);
	assert_int_equal(traffic.sent, sizeof bytes);
	assert_int_equal(traffic.received, sizeof bytes);
}

static void *put_some(void *arg)
{
	dv_remote *r = arg;

	for (int i = 0; i < 6; i++)
		if (r->driver->put(r, "f", 0, sizeof bytes))
			return arg;
	return NULL;
}

static int put_from_many(dv_remote *r, int n)
{
	pthread_t t[32];
	int bad = 0;

	for (int i = 0; i < n; i++)
		assert_int_equal(pthread_create(&t[i], NULL, put_some, r), 0);
	for (int i = 0; i < n; i++) {
		void *failed = NULL;

		pthread_join(t[i], &failed);
		bad += failed != NULL;
	}
	return bad;
}

static void test_gate(void **state)
{
	auto_remote *r = wrapped(0);

	(void)state;
	assert_int_equal(r->jobs, 16);
	/* Each call is as slow as the others, so more of them at once are faster. */
	assert_int_equal(put_from_many(r, 32), 0);
	assert_true(last->most > 8);
	assert_true(last->most <= 16);
	/* A busy server sees fewer. */
	last->fail_with = DV_ETRANSIENT;
	last->failures = 3;
	assert_int_equal(put_from_many(r, 4), 0);
}

static int set_up(void **state)
{
	setenv("DV_REMOTE_FAULT", "quick", 1);
	return setup(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tried_again), cmocka_unit_test(test_not_tried_again),
		cmocka_unit_test(test_get_goes_on), cmocka_unit_test(test_list_and_remove),
		cmocka_unit_test(test_retry_after), cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_rate),	    cmocka_unit_test(test_gate),
	};

	return cmocka_run_group_tests_name("wrap", tests, set_up, teardown);
}
