/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worker threads; see pool.h. One lock and a ring of jobs: a job is far larger than the cost of the
 * lock. Workers block all signals, so these come to the program's own threads.
 */
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"

typedef struct job {
	dv_job_fn fn;
	void *arg;
} job;

typedef struct worker {
	dv_pool *pool;
	int index;
	pthread_t thread;
} worker;

struct dv_pool {
	pthread_mutex_t lock;
	pthread_cond_t has_job, has_room, idle;
	job *ring;
	size_t cap, head, n;	/* of the ring */
	size_t max;		/* jobs that may wait */
	size_t running;
	bool ending;
	atomic_bool failed;
	dv_error first;		/* the failure, once `failed` */
	worker *workers;
	int threads;
};

/* The pool whose worker this thread is. */
static _Thread_local const dv_pool *own_pool;

/* -- CPUs -------------------------------------------------------------------------------------- */

static int affinity_count(void)
{
	for (int cpus = 1024; cpus <= 1 << 20; cpus *= 4) {
		size_t size = CPU_ALLOC_SIZE(cpus);
		cpu_set_t *set = CPU_ALLOC(cpus);
		int n = 0;

		if (!set)
			return 1;
		CPU_ZERO_S(size, set);
		if (sched_getaffinity(0, size, set) == 0)
			n = CPU_COUNT_S(size, set);
		CPU_FREE(set);
		if (n > 0)
			return n;
	}
	return 1;
}

/* The CPUs that the limit in a cgroup's cpu.max grants, rounded up; 0 for no limit. */
static int cgroup_limit(const char *folder)
{
	dv_auto(dv_buf) path = DV_BUF_INIT, text = DV_BUF_INIT;
	unsigned long long quota, period;
	char *end;

	dv_buf_addf(&path, "/sys/fs/cgroup%s/cpu.max", folder);
	if (path.err || dv_fs_read_file(&text, path.p, 256))
		return 0;
	quota = strtoull(dv_buf_str(&text), &end, 10);
	if (end == text.p || *end != ' ')
		return 0;
	period = strtoull(end + 1, NULL, 10);
	if (!period || !quota || quota / period >= 1 << 20)
		return 0;
	return (int)((quota + period - 1) / period);
}

/* Every level above us limits too. */
static int cgroup_count(int cpus)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	char *line, *folder, *cut;

	if (dv_fs_read_file(&text, "/proc/self/cgroup", 64 * 1024))
		return cpus;
	line = strstr(text.p, "0::/");
	if (!line || (line != text.p && line[-1] != '\n'))
		return cpus;
	folder = line + 3;
	folder[strcspn(folder, "\n")] = '\0';
	while ((cut = strrchr(folder, '/'))) {
		int limit = cgroup_limit(strcmp(folder, "/") == 0 ? "" : folder);

		if (limit && limit < cpus)
			cpus = limit;
		*cut = '\0';
	}
	return cpus;
}

int dv_cpu_count(void)
{
	static atomic_int known;
	int n = atomic_load_explicit(&known, memory_order_relaxed);
	dv_error kept;

	if (n)
		return n;
	dv_error_take(&kept);
	n = cgroup_count(affinity_count());
	dv_error_put(&kept);
	atomic_store_explicit(&known, n, memory_order_relaxed);
	return n;
}

/* -- workers ----------------------------------------------------------------------------------- */

/* Keeps the first failure: the calling thread's record, under the lock. */
static void fail(dv_pool *p, int code)
{
	if (atomic_load_explicit(&p->failed, memory_order_relaxed))
		return;
	dv_error_take(&p->first);
	p->first.code = code;
	atomic_store_explicit(&p->failed, true, memory_order_relaxed);
	/* Everybody who waits for room gives up, not only one for each job taken out. */
	pthread_cond_broadcast(&p->has_room);
}

/* Runs one job, unless the pool is stopping; the lock is held around this. */
static void run(dv_pool *p, job j, int index)
{
	int rc;

	p->running++;
	pthread_mutex_unlock(&p->lock);
	dv_error_clear();
	rc = 0;
	if (!atomic_load_explicit(&p->failed, memory_order_relaxed)) {
		rc = dv_check_cancel();
		if (!rc)
			rc = j.fn(j.arg, index);
	}
	pthread_mutex_lock(&p->lock);
	if (rc)
		fail(p, rc);
	p->running--;
	if (!p->running && !p->n)
		pthread_cond_broadcast(&p->idle);
}

static void *work(void *arg)
{
	worker *w = arg;
	dv_pool *p = w->pool;

	own_pool = p;
	pthread_mutex_lock(&p->lock);
	for (;;) {
		job j;

		while (!p->n && !p->ending)
			pthread_cond_wait(&p->has_job, &p->lock);
		if (!p->n)
			break;
		j = p->ring[p->head];
		p->head = (p->head + 1) % p->cap;
		p->n--;
		if (p->n < p->max)
			pthread_cond_signal(&p->has_room);
		run(p, j, w->index);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static int start_workers(dv_pool *p, int threads)
{
	sigset_t all, old;
	int rc = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (p->threads < threads) {
		worker *w = &p->workers[p->threads];

		*w = (worker){ .pool = p, .index = p->threads };
		rc = pthread_create(&w->thread, NULL, work, w);
		if (rc)
			break;
		p->threads++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (p->threads > 0)
		return 0;
	errno = rc;
	return dv_err_sys("cannot start a thread");
}

int dv_pool_new(dv_pool **out, int threads, int queue_max)
{
	dv_autoptr(dv_pool) p = dv_calloc(1, sizeof(*p));
	int rc;

	*out = NULL;
	if (!p)
		return DV_ERROR;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->has_job, NULL);
	pthread_cond_init(&p->has_room, NULL);
	pthread_cond_init(&p->idle, NULL);
	if (threads <= 0)
		threads = dv_cpu_count();
	p->max = queue_max > 0 ? (size_t)queue_max : 1;
	p->cap = p->max;
	p->ring = dv_calloc(p->cap, sizeof(*p->ring));
	p->workers = dv_calloc((size_t)threads, sizeof(*p->workers));
	if (!p->ring || !p->workers)
		return DV_ERROR;
	rc = start_workers(p, threads);
	if (rc)
		return rc;
	*out = dv_steal(&p);
	return 0;
}

int dv_pool_threads(const dv_pool *p)
{
	return p->threads;
}

/* Doubles the ring, unrolled to start at 0; the lock is held. */
static int grow_ring(dv_pool *p)
{
	job *ring = dv_reallocarray(NULL, p->cap * 2, sizeof(*ring));

	if (!ring)
		return DV_ERROR;
	for (size_t i = 0; i < p->n; i++)
		ring[i] = p->ring[(p->head + i) % p->cap];
	free(p->ring);
	p->ring = ring;
	p->head = 0;
	p->cap *= 2;
	return 0;
}

static int submit_locked(dv_pool *p, dv_job_fn fn, void *arg)
{
	int rc = dv_check_cancel();

	if (rc) {
		fail(p, rc);
		return rc;
	}
	if (own_pool != p) {
		while (p->n >= p->max && !atomic_load_explicit(&p->failed, memory_order_relaxed))
			pthread_cond_wait(&p->has_room, &p->lock);
	}
	if (atomic_load_explicit(&p->failed, memory_order_relaxed))
		return dv_error_put(&p->first);
	if (p->n == p->cap) {
		rc = grow_ring(p);
		if (rc)
			return rc;
	}
	if (own_pool == p)
		p->head = (p->head + p->cap - 1) % p->cap;
	p->ring[own_pool == p ? p->head : (p->head + p->n) % p->cap] = (job){ fn, arg };
	p->n++;
	pthread_cond_signal(&p->has_job);
	return 0;
}

int dv_pool_submit(dv_pool *p, dv_job_fn fn, void *arg)
{
	int rc;

	pthread_mutex_lock(&p->lock);
	rc = submit_locked(p, fn, arg);
	pthread_mutex_unlock(&p->lock);
	return rc;
}

int dv_pool_wait(dv_pool *p)
{
	int rc = 0;

	dv_assert(own_pool != p);
	pthread_mutex_lock(&p->lock);
	while (p->n || p->running)
		pthread_cond_wait(&p->idle, &p->lock);
	if (atomic_load_explicit(&p->failed, memory_order_relaxed)) {
		rc = dv_error_put(&p->first);
		atomic_store_explicit(&p->failed, false, memory_order_relaxed);
	}
	pthread_mutex_unlock(&p->lock);
	return rc;
}

int dv_pool_stopping(dv_pool *p)
{
	return atomic_load_explicit(&p->failed, memory_order_relaxed) || dv_cancel_requested();
}

void dv_pool_free(dv_pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->ending = true;
	p->n = 0;
	/* Running jobs see that they are to stop, and submit nothing more. */
	if (!atomic_load_explicit(&p->failed, memory_order_relaxed)) {
		p->first = (dv_error){ .code = DV_ECANCELLED, .message = "cancelled" };
		atomic_store_explicit(&p->failed, true, memory_order_relaxed);
	}
	pthread_cond_broadcast(&p->has_job);
	pthread_cond_broadcast(&p->has_room);
	pthread_mutex_unlock(&p->lock);
	for (int i = 0; i < p->threads; i++)
		pthread_join(p->workers[i].thread, NULL);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->has_job);
	pthread_cond_destroy(&p->has_room);
	pthread_cond_destroy(&p->idle);
	free(p->ring);
	free(p->workers);
	free(p);
}
