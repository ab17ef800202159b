/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a driver with everything around it that the store counts on.
 */
#include "transfer/wrap.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/progress.h"
#include "transfer/internal.h"

/* A limit of the rate this low is served by one connection: with more of them each would wait so
 * long between two pieces that the far side takes it for dead. */
#define RATE_PER_JOB ((uint64_t)256 << 10)

static void close_remote(dv_remote **r)
{
	if (*r)
		(*r)->driver->close(*r);
}

int dv_wrap_jobs(const dv_remote *r, int wanted)
{
	int n = wanted > 0 ? wanted : r && r->jobs > 0 ? r->jobs : DV_MOVE_JOBS;

	return n < DV_MOVE_JOBS_MAX ? n : DV_MOVE_JOBS_MAX;
}

static int open_driver(dv_remote **out, const dv_driver *d, const char *url,
		       const dv_driver_options *to, const dv_wrap_options *o)
{
	dv_tries t = { .name = o->name, .traffic = o->traffic, .most = o->tries };
	int rc;

	do
		rc = d->open(out, url, to);
	while (dv_try_again(&t, &rc));
	return rc;
}

static int wrap_all(dv_remote **r, const dv_wrap_options *o)
{
	int jobs = dv_wrap_jobs(*r, o->jobs);
	dv_autoptr(dv_rate) rate = NULL;
	int rc = dv_fault_wrap(r);

	if (rc == 0 && o->rate) {
		rc = dv_rate_new(&rate, o->rate);
		(*r)->many = 0;
		if ((uint64_t)jobs > 1 + o->rate / RATE_PER_JOB)
			jobs = (int)(1 + o->rate / RATE_PER_JOB);
	}
	if (rc || (rc = dv_count_wrap(r, o->traffic)) || (rc = dv_limit_wrap(r, &rate)) ||
	    (rc = dv_gate_wrap(r, jobs)))
		return rc;
	return dv_retry_wrap(r, o);
}

/* Wrappers are not opened, so their tables have no such verb. */
static const dv_remote *innermost(const dv_remote *r)
{
	while (r->driver->open == NULL)
		r = ((const dv_wrapper *)r)->inner;
	return r;
}

unsigned dv_wrap_driver_caps(const dv_remote *r)
{
	return innermost(r)->caps;
}

void dv_wrap_expect(dv_remote *r, uint64_t bytes)
{
	dv_remote *in = (dv_remote *)(uintptr_t)innermost(r);

	if (in->driver->expect)
		in->driver->expect(in, bytes);
}

int dv_wrap_open(dv_remote **out, const dv_driver *d, const char *url, const dv_driver_options *to,
		 const dv_wrap_options *o)
{
	__attribute__((cleanup(close_remote))) dv_remote *r = NULL;
	int rc = open_driver(&r, d, url, to, o);

	if (rc == 0)
		rc = wrap_all(&r, o);
	if (rc == 0)
		*out = dv_steal(&r);
	return rc;
}

/* -- bytes on their way ------------------------------------------------------------------------ */

static _Thread_local struct {
	bool on;
	uint64_t n;
} sending;

void dv_sending_begin(void)
{
	sending.on = true;
	sending.n = 0;
}

uint64_t dv_sending_end(void)
{
	sending.on = false;
	return sending.n;
}

void dv_sending_add(uint64_t n)
{
	if (!sending.on)
		return;
	sending.n += n;
	dv_progress_add(n, 0);
}

/* -- what wrappers share ----------------------------------------------------------------------- */

static int pass_sending(void *ctx, size_t n)
{
	const dv_wrapper *w = ctx;

	return dv_remote_sending(&w->base, n);
}

void dv_wrapper_init(dv_wrapper *w, const dv_driver *table, dv_remote **r,
		     int (*tells)(void *ctx, size_t n))
{
	w->base = (dv_remote){ .driver = table, .caps = (*r)->caps, .jobs = (*r)->jobs,
			       .many = (*r)->many };
	w->inner = *r;
	(*r)->sending = tells ? tells : pass_sending;
	(*r)->sending_ctx = w;
	*r = &w->base;
}

void dv_wrapper_close(dv_remote *r)
{
	dv_wrapper *w = (dv_wrapper *)r;

	w->inner->driver->close(w->inner);
	free(w);
}
