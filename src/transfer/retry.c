/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A wrapper that tries again what passes by itself: DV_ETRANSIENT, and nothing else. Pauses grow
 * exponentially with full jitter; one that the remote asked for is kept. A get goes on behind the
 * bytes that were delivered, and as long as it gets on it is not given up.
 *
 * What a call did before its answer got lost: stat, get, list and find change nothing; put succeeds
 * when the file is there; a removal whose file is gone has succeeded. A put_if_absent may meet its
 * own file, so its DV_EEXISTS leaves the question to the caller, who compares.
 */
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "transfer/wrap.h"

#define TRIES_MAX 8
#define TIME_MAX_MS (3 * 60 * 1000)
#define PAUSE_MIN_MS 200u
#define PAUSE_MAX_MS 20000u
#define SLICE_MS 50u
#define LIST_MAX ((size_t)1 << 30)	/* bytes; fifty million entries of a log */
#define WARN_EVERY_MS 2000	/* connections fail in flocks */
#define WARN_AFTER 2

int dv_pause(unsigned ms)
{
	int64_t end = dv_clock_ms() + ms;

	for (;;) {
		int64_t left = end - dv_clock_ms();
		int rc = dv_check_cancel();

		if (rc || left <= 0)
			return rc;
		if (left > SLICE_MS)
			left = SLICE_MS;
		nanosleep(&(struct timespec){ .tv_nsec = (long)left * 1000000 }, NULL);
	}
}

/* Anything up to the bound that doubles with each failure. */
static unsigned choose_pause(int failures)
{
	unsigned most = PAUSE_MIN_MS;
	uint32_t any;

	for (int i = 1; i < failures && most < PAUSE_MAX_MS; i++)
		most *= 2;
	if (most > PAUSE_MAX_MS)
		most = PAUSE_MAX_MS;
	return dv_random(&any, sizeof any) ? most : any % (most + 1);
}

static void warn(const dv_tries *t, const dv_error *e, unsigned pause)
{
	static _Atomic int64_t last;
	int64_t now = dv_clock_ms(), before = atomic_load(&last);

	if (t->n < WARN_AFTER || (before && now - before < WARN_EVERY_MS) ||
	    !atomic_compare_exchange_strong(&last, &before, now))
		return;
	dv_warn("remote '%s': %s; trying again in %u s", t->name, e->message, (pause + 999) / 1000);
}

bool dv_try_again(dv_tries *t, int *rc)
{
	dv_error e;

	if (*rc != DV_ETRANSIENT || dv_cancel_requested())
		return false;
	dv_error_take(&e);
	int64_t now = dv_clock_ms();
	if (t->n++ == 0)
		t->since = now;
	unsigned pause = choose_pause(t->n);
	if (pause < e.retry_after_ms)
		pause = e.retry_after_ms;
	if (dv_fault_quick())
		pause /= 1000;
	if (t->n >= (t->most ? t->most : TRIES_MAX) || now - t->since + pause > TIME_MAX_MS) {
		if (t->n > 1)
			dv_err_ctx(*rc, "after %d tries", t->n);
		return false;
	}
	if (t->traffic)
		atomic_fetch_add_explicit(&t->traffic->failures, 1, memory_order_relaxed);
	warn(t, &e, pause);
	if (dv_pause(pause)) {
		*rc = DV_ECANCELLED;
		return false;
	}
	dv_error_clear();
	return true;
}

typedef struct retry_remote {
	dv_wrapper w;
	dv_tries fresh;		/* what every call begins with */
} retry_remote;

static dv_tries tries_of(dv_remote *r, dv_remote **inner)
{
	const retry_remote *y = (retry_remote *)r;

	*inner = y->w.inner;
	return y->fresh;
}

static int retry_stat(dv_remote *r, const char *name, uint64_t *size)
{
	dv_remote *in;
	dv_tries t = tries_of(r, &in);
	int rc;

	do
		rc = in->driver->stat(in, name, size);
	while (dv_try_again(&t, &rc));
	return rc;
}

typedef struct progress_sink {
	dv_sink_cb sink;
	void *payload;
	uint64_t done;
	int stopped;	/* what the sink returned, when that was not 0 */
} progress_sink;

static int retry_sink(const void *p, size_t n, void *payload)
{
	progress_sink *s = payload;

	s->stopped = s->sink(p, n, s->payload);
	s->done += n;
	return s->stopped;
}

static int retry_get(dv_remote *r, const char *name, uint64_t offset, uint64_t length,
		     dv_sink_cb sink, void *payload)
{
	progress_sink s = { sink, payload, 0, 0 };
	dv_remote *in;
	dv_tries t = tries_of(r, &in);
	int rc;

	for (uint64_t before = 0;; before = s.done) {
		rc = in->driver->get(in, name, offset + s.done,
				     length == UINT64_MAX ? length : length - s.done, retry_sink,
				     &s);
		if (s.stopped)
			return rc ? rc : s.stopped;
		if (rc == DV_ETRANSIENT && length != UINT64_MAX && s.done >= length) {
			dv_error_clear();
			return 0;
		}
		if (s.done > before)
			t.n = 0;
		if (!dv_try_again(&t, &rc))
			return rc;
	}
}

static int retry_put(dv_remote *r, const char *name, int fd, uint64_t size)
{
	dv_remote *in;
	dv_tries t = tries_of(r, &in);
	int rc;

	do
		rc = in->driver->put(in, name, fd, size);
	while (dv_try_again(&t, &rc));
	return rc;
}

static int retry_put_if_absent(dv_remote *r, const char *name, const void *p, size_t n)
{
	dv_remote *in;
	dv_tries t = tries_of(r, &in);
	int rc;

	do
		rc = in->driver->put_if_absent(in, name, p, n);
	while (dv_try_again(&t, &rc));
	return rc;
}

/* A listing that is cut is made anew, so nothing of it is told before it is whole. */
static int collect(const char *name, uint64_t size, void *payload)
{
	dv_buf *b = payload;

	if (b->n > LIST_MAX)
		return dv_err(DV_ERROR, "the listing of a folder has no end");
	dv_buf_add_u64(b, size);
	dv_buf_add(b, name, strlen(name) + 1);
	return b->err;
}

static int retry_list(dv_remote *r, const char *dir, const char *after, dv_list_cb cb,
		      void *payload)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	dv_remote *in;
	dv_tries t = tries_of(r, &in);
	int rc;

	do {
		dv_buf_clear(&b);
		rc = in->driver->list(in, dir, after, collect, &b);
	} while (dv_try_again(&t, &rc));
	for (size_t at = 0; rc == 0 && at < b.n;) {
		const char *name = b.p + at + 8;

		rc = cb(name, dv_get_u64(b.p + at), payload);
		at += 8 + strlen(name) + 1;
	}
	return rc;
}

static int retry_remove(dv_remote *r, const char *name)
{
	dv_remote *in;
	dv_tries t = tries_of(r, &in);
	int rc;

	do
		rc = in->driver->remove(in, name);
	while (dv_try_again(&t, &rc));
	if (rc == DV_ENOTFOUND && t.n) {
		dv_error_clear();
		return 0;
	}
	return rc;
}

static int retry_find(dv_remote *r, const void *request, size_t n, dv_buf *out)
{
	dv_remote *in;
	dv_tries t = tries_of(r, &in);
	int rc;

	do
		rc = in->driver->find(in, request, n, out);
	while (dv_try_again(&t, &rc));
	return rc;
}

static const dv_driver retry_driver = {
	.version = 2,
	.scheme = "retry",
	.close = dv_wrapper_close,
	.stat = retry_stat,
	.get = retry_get,
	.put = retry_put,
	.put_if_absent = retry_put_if_absent,
	.list = retry_list,
	.remove = retry_remove,
	.find = retry_find,
};

int dv_retry_wrap(dv_remote **r, const dv_wrap_options *o)
{
	retry_remote *y = dv_calloc(1, sizeof *y);

	if (!y)
		return DV_ERROR;
	dv_wrapper_init(&y->w, &retry_driver, r, NULL);
	y->fresh = (dv_tries){ .name = o->name, .traffic = o->traffic, .most = o->tries };
	return 0;
}
