/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A wrapper that finds out how many calls at once serve a remote best. It begins with a few and
 * lets more in while they make the whole faster: twice as many first, then one by one. When a call
 * fails in a way that passes (the server is busy, a connection broke), it lets in half as many and
 * waits a while before it tries more. A call that is about to be tried again waits outside, so its
 * place is free for others meanwhile.
 */
#include <pthread.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "transfer/wrap.h"

#define BEGIN_WITH 4
#define WINDOW_MS 200
#define CALL_COSTS ((uint64_t)32 << 10)	/* a call is worth so many bytes */
#define REST_MS 2000			/* after a failure */
#define LOOK_AGAIN 16			/* windows without growth before one more is tried */

typedef struct gate_remote {
	dv_wrapper w;
	pthread_mutex_t lock;
	pthread_cond_t room;
	int limit, max, busy;
	int little;		/* calls for little, which are let in besides */
	bool full;		/* somebody waited in this window */
	bool doubling;
	int flat;		/* windows that were not faster than the best */
	uint64_t work;		/* bytes and calls of this window */
	double best;		/* work in a millisecond */
	int64_t since, rest_until;
} gate_remote;

static void gate_close(dv_remote *r)
{
	gate_remote *g = (gate_remote *)r;

	pthread_mutex_destroy(&g->lock);
	pthread_cond_destroy(&g->room);
	dv_wrapper_close(r);
}

static void set_limit(gate_remote *g, int limit)
{
	bool more = limit > g->limit;

	g->limit = limit < 1 ? 1 : limit > g->max ? g->max : limit;
	if (more)
		pthread_cond_broadcast(&g->room);
}

static void new_window(gate_remote *g, int64_t now)
{
	g->since = now;
	g->work = 0;
	g->full = g->busy >= g->limit;
}

/* The lock is held. */
static void judge(gate_remote *g, int64_t now)
{
	if (now - g->since < WINDOW_MS)
		return;
	double rate = (double)g->work / (double)(now - g->since);
	if (g->full && now >= g->rest_until) {
		if (rate > g->best * 1.1) {
			g->best = rate;
			g->flat = 0;
			set_limit(g, g->doubling ? g->limit * 2 : g->limit + 1);
		} else if (++g->flat % LOOK_AGAIN == 0) {
			g->best = rate;
			set_limit(g, g->limit + 1);
		} else {
			g->doubling = false;
		}
	}
	new_window(g, now);
}

static void did(gate_remote *g, uint64_t work)
{
	pthread_mutex_lock(&g->lock);
	g->work += work;
	judge(g, dv_clock_ms());
	pthread_mutex_unlock(&g->lock);
}

/* Calls for little on connections that are there anyway need not be found out about. */
static bool enter_besides(gate_remote *g, uint64_t length)
{
	pthread_mutex_lock(&g->lock);
	bool in = length <= DV_REMOTE_LITTLE && g->little < g->w.base.many &&
		  dv_clock_ms() >= g->rest_until;
	g->little += in;
	pthread_mutex_unlock(&g->lock);
	return in;
}

static int enter(gate_remote *g)
{
	int rc = 0;

	pthread_mutex_lock(&g->lock);
	while (rc == 0 && g->busy >= g->limit) {
		struct timespec until;

		g->full = true;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += 50 * 1000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&g->room, &g->lock, &until);
		rc = dv_check_cancel();
	}
	g->busy += rc == 0;
	pthread_mutex_unlock(&g->lock);
	return rc;
}

/* Returns rc. */
static int leave_as(gate_remote *g, bool besides, int rc)
{
	int64_t now = dv_clock_ms();

	pthread_mutex_lock(&g->lock);
	g->busy -= !besides;
	g->little -= besides;
	g->work += CALL_COSTS;
	if (rc == DV_ETRANSIENT) {
		if (now >= g->rest_until)
			set_limit(g, g->limit / 2);
		g->rest_until = now + REST_MS;
		g->doubling = false;
		g->best = 0;
		new_window(g, now);
	}
	judge(g, now);
	pthread_cond_signal(&g->room);
	pthread_mutex_unlock(&g->lock);
	return rc;
}

static int leave(gate_remote *g, int rc)
{
	return leave_as(g, false, rc);
}

static int gate_sending(void *ctx, size_t n)
{
	gate_remote *g = ctx;

	did(g, n);
	return dv_remote_sending(&g->w.base, n);
}

static int gate_stat(dv_remote *r, const char *name, uint64_t *size)
{
	gate_remote *g = (gate_remote *)r;
	dv_remote *in = g->w.inner;
	int rc = enter(g);

	return rc ? rc : leave(g, in->driver->stat(in, name, size));
}

typedef struct gate_sink_to {
	gate_remote *g;
	dv_sink_cb sink;
	void *payload;
} gate_sink_to;

static int gate_sink(const void *p, size_t n, void *payload)
{
	const gate_sink_to *to = payload;

	did(to->g, n);
	return to->sink(p, n, to->payload);
}

static int gate_get(dv_remote *r, const char *name, uint64_t offset, uint64_t length,
		    dv_sink_cb sink, void *payload)
{
	gate_remote *g = (gate_remote *)r;
	dv_remote *in = g->w.inner;
	gate_sink_to to = { g, sink, payload };
	bool besides = enter_besides(g, length);
	int rc = besides ? 0 : enter(g);

	if (rc)
		return rc;
	return leave_as(g, besides, in->driver->get(in, name, offset, length, gate_sink, &to));
}

static int gate_put(dv_remote *r, const char *name, int fd, uint64_t size)
{
	gate_remote *g = (gate_remote *)r;
	dv_remote *in = g->w.inner;
	int rc = enter(g);

	if (rc)
		return rc;
	rc = in->driver->put(in, name, fd, size);
	if (rc == 0 && !(r->caps & DV_REMOTE_TELLS))
		did(g, size);
	return leave(g, rc);
}

static int gate_put_if_absent(dv_remote *r, const char *name, const void *p, size_t n)
{
	gate_remote *g = (gate_remote *)r;
	dv_remote *in = g->w.inner;
	int rc = enter(g);

	return rc ? rc : leave(g, in->driver->put_if_absent(in, name, p, n));
}

static int gate_list(dv_remote *r, const char *dir, const char *after, dv_list_cb cb, void *payload)
{
	gate_remote *g = (gate_remote *)r;
	dv_remote *in = g->w.inner;
	int rc = enter(g);

	return rc ? rc : leave(g, in->driver->list(in, dir, after, cb, payload));
}

static int gate_remove(dv_remote *r, const char *name)
{
	gate_remote *g = (gate_remote *)r;
	dv_remote *in = g->w.inner;
	int rc = enter(g);

	return rc ? rc : leave(g, in->driver->remove(in, name));
}

static int gate_find(dv_remote *r, const void *request, size_t n, dv_buf *out)
{
	gate_remote *g = (gate_remote *)r;
	dv_remote *in = g->w.inner;
	int rc = enter(g);

	if (rc)
		return rc;
	rc = in->driver->find(in, request, n, out);
	if (rc == 0)
		did(g, n + out->n);
	return leave(g, rc);
}

static const dv_driver gate_driver = {
	.version = 2,
	.scheme = "gate",
	.close = gate_close,
	.stat = gate_stat,
	.get = gate_get,
	.put = gate_put,
	.put_if_absent = gate_put_if_absent,
	.list = gate_list,
	.remove = gate_remove,
	.find = gate_find,
};

int dv_gate_wrap(dv_remote **r, int jobs)
{
	gate_remote *g = dv_calloc(1, sizeof *g);
	pthread_condattr_t clock;

	if (!g)
		return DV_ERROR;
	pthread_mutex_init(&g->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&g->room, &clock);
	pthread_condattr_destroy(&clock);
	g->max = jobs;
	g->limit = jobs < BEGIN_WITH ? jobs : BEGIN_WITH;
	g->doubling = true;
	g->since = dv_clock_ms();
	dv_wrapper_init(&g->w, &gate_driver, r, gate_sending);
	g->w.base.jobs = jobs;
	return 0;
}
