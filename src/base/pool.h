/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worker threads with a bounded queue. The first failure of a job wins: later jobs are skipped, and
 * dv_pool_wait() puts the record of that failure into the caller's thread.
 */
#ifndef DV_BASE_POOL_H
#define DV_BASE_POOL_H

#include "base/cleanup.h"
#include "base/error.h"

typedef struct dv_pool dv_pool;
/** `worker` is 0 … threads-1: an index for per-thread scratch. 0 or a negative dv_errcode. */
typedef int (*dv_job_fn)(void *arg, int worker);

/** Usable CPUs (affinity respected), at least 1. */
int dv_cpu_count(void);
/** `threads` ≥ 1 or 0 for dv_cpu_count(). `queue_max` jobs may wait; submitting more blocks. */
int dv_pool_new(dv_pool **out, int threads, int queue_max) DV_MUST_CHECK;
int dv_pool_threads(const dv_pool *p);
/** Queues a job; blocks while the queue is full. From a worker of the same pool the queue grows
 *  instead, and the job runs before all that wait: work is finished before more of it is begun.
 *  After a failure or a cancel the job is dropped and the code returned, with its
 *  record. A dropped or skipped job is never called: what `arg` points to must belong to somebody
 *  else than the job and live until dv_pool_wait() or dv_pool_free() has returned. */
int dv_pool_submit(dv_pool *p, dv_job_fn fn, void *arg) DV_MUST_CHECK;
/** Waits until every job is done. 0, or the first failure's code with its record. The pool can be
 *  used again afterwards. */
int dv_pool_wait(dv_pool *p) DV_MUST_CHECK;
/** True once a job failed or dv_cancel() was called: long jobs look and stop. */
int dv_pool_stopping(dv_pool *p);
/** Drops waiting jobs, waits for running ones, ends the threads. NULL is fine. */
void dv_pool_free(dv_pool *p);
DV_DEFINE_AUTOPTR(dv_pool)

#endif
