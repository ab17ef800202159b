/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Progress counters. Relaxed atomics: the figures are for eyes. Whoever crosses the next tenth of a
 * second takes the mutex, so the callback runs on one thread at a time and nobody waits for it.
 */
#include "base/progress.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include <dv.h>

#define INTERVAL_MS 100

static struct {
	pthread_mutex_t lock;
	dv_progress_cb cb;
	void *payload;
	_Atomic(const char *) phase;
	_Atomic uint64_t bytes, bytes_total, files, files_total;
	_Atomic int64_t next_ms;
	bool open, more; /* began without totals; more follows */
} state = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void dv_set_progress_cb(dv_progress_cb cb, void *payload)
{
	pthread_mutex_lock(&state.lock);
	state.cb = cb;
	state.payload = payload;
	pthread_mutex_unlock(&state.lock);
}

static void report_locked(void)
{
	dv_progress p = { state.phase, state.bytes, state.bytes_total, state.files,
			  state.files_total };

	if (state.cb && p.phase)
		state.cb(&p, state.payload);
}

static void tick(void)
{
	int64_t now = now_ms();

	if (now < atomic_load_explicit(&state.next_ms, memory_order_relaxed))
		return;
	if (pthread_mutex_trylock(&state.lock) != 0)
		return;
	if (now >= state.next_ms) {
		state.next_ms = now + INTERVAL_MS;
		report_locked();
	}
	pthread_mutex_unlock(&state.lock);
}

void dv_progress_start(const char *phase, uint64_t bytes_total, uint64_t files_total)
{
	pthread_mutex_lock(&state.lock);
	state.phase = phase;
	state.bytes = state.files = 0;
	state.bytes_total = bytes_total;
	state.files_total = files_total;
	state.open = !bytes_total && !files_total;
	state.more = false;
	state.next_ms = now_ms() + INTERVAL_MS;
	pthread_mutex_unlock(&state.lock);
}

void dv_progress_total(uint64_t bytes, uint64_t files)
{
	state.bytes_total = bytes;
	state.files_total = files;
}

void dv_progress_ahead(uint64_t bytes, uint64_t files)
{
	if (state.open && !state.more)
		dv_progress_total(state.bytes + bytes, state.files + files);
}

void dv_progress_more(bool more)
{
	state.more = more;
}

void dv_progress_add(uint64_t bytes, uint64_t files)
{
	atomic_fetch_add_explicit(&state.bytes, bytes, memory_order_relaxed);
	atomic_fetch_add_explicit(&state.files, files, memory_order_relaxed);
	tick();
}

void dv_progress_end(void)
{
	pthread_mutex_lock(&state.lock);
	report_locked();
	state.phase = NULL;
	pthread_mutex_unlock(&state.lock);
}
