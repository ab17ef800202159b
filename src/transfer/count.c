/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A wrapper that counts requests and bytes.
 */
#include "transfer/wrap.h"

#include "base/alloc.h"

typedef struct count_remote {
	dv_wrapper w;
	dv_traffic *t;
} count_remote;

static dv_remote *counted(dv_remote *r)
{
	count_remote *c = (count_remote *)r;

	atomic_fetch_add_explicit(&c->t->requests, 1, memory_order_relaxed);
	return c->w.inner;
}

static void add_sent(const count_remote *c, uint64_t n)
{
	atomic_fetch_add_explicit(&c->t->sent, n, memory_order_relaxed);
	dv_sending_add(n);
}

static int count_sending(void *ctx, size_t n)
{
	const count_remote *c = ctx;

	add_sent(c, n);
	return dv_remote_sending(&c->w.base, n);
}

static int count_stat(dv_remote *r, const char *name, uint64_t *size)
{
	dv_remote *in = counted(r);

	return in->driver->stat(in, name, size);
}

typedef struct receipt {
	dv_traffic *t;
	dv_sink_cb sink;
	void *payload;
} receipt;

static int count_sink(const void *p, size_t n, void *payload)
{
	const receipt *to = payload;

	atomic_fetch_add_explicit(&to->t->received, n, memory_order_relaxed);
	return to->sink(p, n, to->payload);
}

static int count_get(dv_remote *r, const char *name, uint64_t offset, uint64_t length,
		     dv_sink_cb sink, void *payload)
{
	const count_remote *c = (count_remote *)r;
	dv_remote *in = counted(r);
	receipt to = { c->t, sink, payload };

	return in->driver->get(in, name, offset, length, count_sink, &to);
}

static int count_put(dv_remote *r, const char *name, int fd, uint64_t size)
{
	dv_remote *in = counted(r);
	int rc = in->driver->put(in, name, fd, size);

	/* A driver that does not tell may have found it there; nobody knows. */
	if (rc == 0 && !(r->caps & DV_REMOTE_TELLS))
		add_sent((count_remote *)r, size);
	return rc;
}

static int count_put_if_absent(dv_remote *r, const char *name, const void *p, size_t n)
{
	dv_remote *in = counted(r);

	atomic_fetch_add_explicit(&((count_remote *)r)->t->sent, n, memory_order_relaxed);
	return in->driver->put_if_absent(in, name, p, n);
}

static int count_list(dv_remote *r, const char *dir, const char *after, dv_list_cb cb,
		      void *payload)
{
	dv_remote *in = counted(r);

	return in->driver->list(in, dir, after, cb, payload);
}

static int count_remove(dv_remote *r, const char *name)
{
	dv_remote *in = counted(r);

	return in->driver->remove(in, name);
}

static int count_find(dv_remote *r, const void *request, size_t n, dv_buf *out)
{
	const count_remote *c = (count_remote *)r;
	dv_remote *in = counted(r);

	atomic_fetch_add_explicit(&c->t->sent, n, memory_order_relaxed);
	int rc = in->driver->find(in, request, n, out);
	if (rc == 0)
		atomic_fetch_add_explicit(&c->t->received, out->n, memory_order_relaxed);
	return rc;
}

static const dv_driver count_driver = {
	.version = 2,
	.scheme = "count",
	.close = dv_wrapper_close,
	.stat = count_stat,
	.get = count_get,
	.put = count_put,
	.put_if_absent = count_put_if_absent,
	.list = count_list,
	.remove = count_remove,
	.find = count_find,
};

int dv_count_wrap(dv_remote **r, dv_traffic *t)
{
	count_remote *c = dv_calloc(1, sizeof *c);

	if (!c)
		return DV_ERROR;
	dv_wrapper_init(&c->w, &count_driver, r, count_sending);
	c->t = t;
	return 0;
}
