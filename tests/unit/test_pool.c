/* SPDX-License-Identifier: Apache-2.0 */
/* Worker threads: every job once, the first failure wins, nobody waits for ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/pool.h"

typedef struct shared {
	dv_pool *pool;
	atomic_int done;
	atomic_int per_worker[8];
	int plain[8];	/* touched by one worker each, without atomics */
} shared;

static int count_job(void *arg, int worker)
{
	shared *s = arg;

	atomic_fetch_add(&s->done, 1);
	atomic_fetch_add(&s->per_worker[worker], 1);
	s->plain[worker]++;
	return 0;
}

static void test_all_jobs(void **state)
{
	(void)state;
	for (int threads = 1; threads <= 8; threads *= 2) {
		dv_autoptr(dv_pool) p = NULL;
		shared s = { 0 };
		int sum = 0;

		assert_int_equal(dv_pool_new(&p, threads, 3), 0);
		assert_int_equal(dv_pool_threads(p), threads);
		assert_int_equal(dv_pool_wait(p), 0);
		for (int round = 1; round <= 3; round++) {
			for (int i = 0; i < 1000; i++)
				assert_int_equal(dv_pool_submit(p, count_job, &s), 0);
			assert_int_equal(dv_pool_wait(p), 0);
			assert_int_equal(s.done, round * 1000);
		}
		for (int i = 0; i < 8; i++) {
			sum += s.plain[i];
			assert_int_equal(s.plain[i], s.per_worker[i]);
		}
		assert_int_equal(sum, 3000);
	}
}

static int failing_job(void *arg, int worker)
{
	shared *s = arg;

	(void)worker;
	if (atomic_fetch_add(&s->done, 1) == 5) {
		dv_err(DV_ECORRUPT, "job %d is bad", 5);
		return dv_err_hint(DV_ECORRUPT, "mend it");
	}
	return 0;
}

static void test_failure(void **state)
{
	dv_autoptr(dv_pool) p = NULL;
	shared s = { 0 };
	int rc = 0, i;

	(void)state;
	assert_int_equal(dv_pool_new(&p, 2, 4), 0);
	for (i = 0; i < 100000 && !rc; i++)
		rc = dv_pool_submit(p, failing_job, &s);
	assert_int_equal(rc, DV_ECORRUPT);
	assert_string_equal(dv_error_last()->message, "job 5 is bad");
	assert_true(i < 1000);
	assert_true(dv_pool_stopping(p));
	dv_error_clear();
	assert_int_equal(dv_pool_wait(p), DV_ECORRUPT);
	assert_string_equal(dv_error_last()->message, "job 5 is bad");
	assert_string_equal(dv_error_last()->hint, "mend it");
	/* The pool begins anew. */
	assert_false(dv_pool_stopping(p));
	assert_int_equal(dv_pool_submit(p, failing_job, &s), 0);
	assert_int_equal(dv_pool_wait(p), 0);
}

/* Splits itself, as a walk of folders does: a worker that submits must never block. */
static int splitting_job(void *arg, int worker)
{
	shared *s = arg;

	(void)worker;
	for (int n = atomic_fetch_add(&s->done, 1), i = 0; n < 2000 && i < 3; i++) {
		int rc = dv_pool_submit(s->pool, splitting_job, s);

		if (rc)
			return rc;
	}
	return 0;
}

static void test_submit_from_worker(void **state)
{
	dv_autoptr(dv_pool) p = NULL;
	shared s = { 0 };

	(void)state;
	assert_int_equal(dv_pool_new(&p, 2, 1), 0);
	s.pool = p;
	assert_int_equal(dv_pool_submit(p, splitting_job, &s), 0);
	assert_int_equal(dv_pool_wait(p), 0);
	assert_int_equal(s.done, 1 + 3 * 2000);
}

static int slow_failing_job(void *arg, int worker)
{
	(void)arg;
	(void)worker;
	usleep(20000);
	return dv_err(DV_EAUTH, "refused");
}

static void *submit_some(void *arg)
{
	int rc = 0;

	for (int i = 0; i < 10 && !rc; i++)
		rc = dv_pool_submit(arg, slow_failing_job, NULL);
	return (void *)(intptr_t)(rc == DV_EAUTH);
}

/* More threads wait for room than jobs will ever be taken out. */
static void test_failure_wakes_all(void **state)
{
	dv_autoptr(dv_pool) p = NULL;
	pthread_t t[6];
	void *told;

	(void)state;
	assert_int_equal(dv_pool_new(&p, 1, 1), 0);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(pthread_create(&t[i], NULL, submit_some, p), 0);
	for (size_t i = 0; i < 6; i++) {
		pthread_join(t[i], &told);
		assert_non_null(told);
	}
	assert_int_equal(dv_pool_wait(p), DV_EAUTH);
}

static int cancelling_job(void *arg, int worker)
{
	(void)worker;
	if (atomic_fetch_add(&((shared *)arg)->done, 1) == 3)
		dv_cancel();
	return 0;
}

static void test_cancel(void **state)
{
	dv_autoptr(dv_pool) p = NULL;
	shared s = { 0 };
	int rc = 0;

	(void)state;
	assert_int_equal(dv_pool_new(&p, 2, 2), 0);
	for (int i = 0; i < 100000 && !rc; i++)
		rc = dv_pool_submit(p, cancelling_job, &s);
	assert_int_equal(rc, DV_ECANCELLED);
	assert_int_equal(dv_pool_wait(p), DV_ECANCELLED);
	assert_true(s.done < 100);
	assert_true(dv_pool_stopping(p));
	dv_cancel_reset();
	assert_int_equal(dv_pool_wait(p), 0);
}

/* Runs until it is told to stop, and submits until it is refused. */
static int endless_job(void *arg, int worker)
{
	shared *s = arg;

	(void)worker;
	atomic_fetch_add(&s->done, 1);
	while (!dv_pool_stopping(s->pool))
		usleep(1000);
	return dv_pool_submit(s->pool, endless_job, s);
}

static void test_free_with_work(void **state)
{
	dv_pool *p = NULL;
	shared s = { 0 };

	(void)state;
	assert_int_equal(dv_pool_new(&p, 2, 10), 0);
	s.pool = p;
	for (int i = 0; i < 6; i++)
		assert_int_equal(dv_pool_submit(p, endless_job, &s), 0);
	while (atomic_load(&s.done) < 2)
		usleep(1000);
	dv_pool_free(p);
	assert_int_equal(s.done, 2);
	dv_pool_free(NULL);
}

static void test_cpus(void **state)
{
	(void)state;
	assert_true(dv_cpu_count() >= 1);
	assert_true(dv_cpu_count() <= (int)sysconf(_SC_NPROCESSORS_CONF));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_jobs),
		cmocka_unit_test(test_failure),
		cmocka_unit_test(test_submit_from_worker),
		cmocka_unit_test(test_failure_wakes_all),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_free_with_work),
		cmocka_unit_test(test_cpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
