/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A wrapper that keeps a remote to so many bytes in a second, over all threads and both directions.
 * A bucket of tokens that may be overdrawn: who takes more than there is waits until what they took
 * has come in, so pieces of any size add up to the rate.
 */
#include <pthread.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "transfer/wrap.h"

#define BURST_MS 100

struct dv_rate {
	pthread_mutex_t lock;
	double rate;		/* bytes in a millisecond */
	double tokens;		/* negative: a debt */
	int64_t at;		/* when `tokens` was true */
};

int dv_rate_new(dv_rate **out, uint64_t bytes_in_a_second)
{
	dv_rate *l = dv_calloc(1, sizeof *l);

	if (!l)
		return DV_ERROR;
	pthread_mutex_init(&l->lock, NULL);
	l->rate = (double)bytes_in_a_second / 1000.0;
	l->at = dv_clock_ms();
	*out = l;
	return 0;
}

void dv_rate_free(dv_rate *l)
{
	if (!l)
		return;
	pthread_mutex_destroy(&l->lock);
	free(l);
}

int dv_rate_take(dv_rate *l, uint64_t n)
{
	double wait;

	if (!l)
		return 0;
	pthread_mutex_lock(&l->lock);
	int64_t now = dv_clock_ms();
	l->tokens += (double)(now - l->at) * l->rate;
	if (l->tokens > BURST_MS * l->rate)
		l->tokens = BURST_MS * l->rate;
	l->at = now;
	l->tokens -= (double)n;
	wait = l->tokens < 0 ? -l->tokens / l->rate : 0;
	pthread_mutex_unlock(&l->lock);
	return wait >= 1 ? dv_pause(wait < 1e9 ? (unsigned)wait : 1000000000u) : dv_check_cancel();
}

typedef struct limit_remote {
	dv_wrapper w;
	dv_rate *rate;
} limit_remote;

static void limit_close(dv_remote *r)
{
	dv_rate *rate = ((limit_remote *)r)->rate;

	dv_wrapper_close(r);
	dv_rate_free(rate);
}

static int limit_sending(void *ctx, size_t n)
{
	const limit_remote *l = ctx;
	int rc = dv_rate_take(l->rate, n);

	return rc ? rc : dv_remote_sending(&l->w.base, n);
}

static int limit_stat(dv_remote *r, const char *name, uint64_t *size)
{
	dv_remote *in = ((dv_wrapper *)r)->inner;

	return in->driver->stat(in, name, size);
}

typedef struct slow_sink {
	dv_rate *rate;
	dv_sink_cb sink;
	void *payload;
} slow_sink;

static int limit_sink(const void *p, size_t n, void *payload)
{
	const slow_sink *s = payload;
	int rc = s->sink(p, n, s->payload);

	return rc ? rc : dv_rate_take(s->rate, n);
}

static int limit_get(dv_remote *r, const char *name, uint64_t offset, uint64_t length,
		     dv_sink_cb sink, void *payload)
{
	dv_remote *in = ((dv_wrapper *)r)->inner;
	slow_sink s = { ((limit_remote *)r)->rate, sink, payload };

	return in->driver->get(in, name, offset, length, limit_sink, &s);
}

static int limit_put(dv_remote *r, const char *name, int fd, uint64_t size)
{
	dv_remote *in = ((dv_wrapper *)r)->inner;
	int rc = in->driver->put(in, name, fd, size);

	/* What the driver does not tell of is paid afterwards. */
	if (rc == 0 && !(r->caps & DV_REMOTE_TELLS))
		rc = dv_rate_take(((limit_remote *)r)->rate, size);
	return rc;
}

static int limit_put_if_absent(dv_remote *r, const char *name, const void *p, size_t n)
{
	dv_remote *in = ((dv_wrapper *)r)->inner;

	return in->driver->put_if_absent(in, name, p, n);
}

static int limit_list(dv_remote *r, const char *dir, const char *after, dv_list_cb cb,
		      void *payload)
{
	dv_remote *in = ((dv_wrapper *)r)->inner;

	return in->driver->list(in, dir, after, cb, payload);
}

static int limit_remove(dv_remote *r, const char *name)
{
	dv_remote *in = ((dv_wrapper *)r)->inner;

	return in->driver->remove(in, name);
}

static int limit_find(dv_remote *r, const void *request, size_t n, dv_buf *out)
{
	dv_rate *rate = ((limit_remote *)r)->rate;
	dv_remote *in = ((dv_wrapper *)r)->inner;
	int rc = dv_rate_take(rate, n);

	if (rc == 0)
		rc = in->driver->find(in, request, n, out);
	return rc ? rc : dv_rate_take(rate, out->n);
}

static const dv_driver limit_driver = {
	.version = 2,
	.scheme = "limit",
	.close = limit_close,
	.stat = limit_stat,
	.get = limit_get,
	.put = limit_put,
	.put_if_absent = limit_put_if_absent,
	.list = limit_list,
	.remove = limit_remove,
	.find = limit_find,
};

int dv_limit_wrap(dv_remote **r, dv_rate **rate)
{
	if (!*rate)
		return 0;
	limit_remote *l = dv_calloc(1, sizeof *l);
	if (!l)
		return DV_ERROR;
	dv_wrapper_init(&l->w, &limit_driver, r, limit_sending);
	l->rate = dv_steal(rate);
	return 0;
}
