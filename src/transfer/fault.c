/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A wrapper that makes a driver fail on purpose, for tests. DV_REMOTE_FAULT="<n>:<kind>" hits the
 * n-th call of a driver in this process, counted from 1 over all remotes:
 *   error      fails with DV_ERROR             transient  fails with DV_ETRANSIENT
 *   lost       does it, then claims DV_ETRANSIENT (the answer got lost)
 *   short      gives half of what a get asks for
 *   die        the process dies before the call
 * "count" only counts. Without the variable nothing is wrapped.
 */
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "transfer/internal.h"

enum fault { FAULT_NONE, FAULT_ERROR, FAULT_TRANSIENT, FAULT_LOST, FAULT_SHORT, FAULT_DIE };

typedef struct fault_remote {
	dv_remote base;
	dv_remote *inner;
	uint64_t at;
	enum fault kind;
} fault_remote;

static _Atomic uint64_t calls;

uint64_t dv_fault_calls(void)
{
	return atomic_load(&calls);
}

/* Counts a call; what is to happen to it. */
static enum fault hit(const fault_remote *f)
{
	if (atomic_fetch_add(&calls, 1) + 1 != f->at)
		return FAULT_NONE;
	if (f->kind == FAULT_DIE)
		raise(SIGKILL);
	return f->kind;
}

static int before(enum fault k)
{
	if (k == FAULT_ERROR)
		return dv_err(DV_ERROR, "the remote failed on purpose");
	if (k == FAULT_TRANSIENT)
		return dv_err(DV_ETRANSIENT, "the remote was out of reach on purpose");
	return 0;
}

static int after(enum fault k, int rc)
{
	if (k == FAULT_LOST && rc == 0)
		return dv_err(DV_ETRANSIENT, "the remote's answer got lost on purpose");
	return rc;
}

static void fault_close(dv_remote *r)
{
	fault_remote *f = (fault_remote *)r;

	f->inner->driver->close(f->inner);
	free(f);
}

static int fault_stat(dv_remote *r, const char *name, uint64_t *size)
{
	fault_remote *f = (fault_remote *)r;
	enum fault k = hit(f);
	int rc = before(k);

	return rc ? rc : after(k, f->inner->driver->stat(f->inner, name, size));
}

static int fault_get(dv_remote *r, const char *name, uint64_t offset, uint64_t length,
		     dv_sink_cb sink, void *payload)
{
	fault_remote *f = (fault_remote *)r;
	enum fault k = hit(f);
	int rc = before(k);

	if (rc)
		return rc;
	if (k == FAULT_SHORT) {
		uint64_t size = 0;

		if ((rc = f->inner->driver->stat(f->inner, name, &size)))
			return rc;
		if (length > size)
			length = size;
		length /= 2;
	}
	return after(k, f->inner->driver->get(f->inner, name, offset, length, sink, payload));
}

static int fault_put(dv_remote *r, const char *name, int fd, uint64_t size)
{
	fault_remote *f = (fault_remote *)r;
	enum fault k = hit(f);
	int rc = before(k);

	return rc ? rc : after(k, f->inner->driver->put(f->inner, name, fd, size));
}

static int fault_put_if_absent(dv_remote *r, const char *name, const void *p, size_t n)
{
	fault_remote *f = (fault_remote *)r;
	enum fault k = hit(f);
	int rc = before(k);

	return rc ? rc : after(k, f->inner->driver->put_if_absent(f->inner, name, p, n));
}

static int fault_list(dv_remote *r, const char *dir, const char *name, dv_list_cb cb, void *payload)
{
	fault_remote *f = (fault_remote *)r;
	enum fault k = hit(f);
	int rc = before(k);

	return rc ? rc : after(k, f->inner->driver->list(f->inner, dir, name, cb, payload));
}

static int fault_remove(dv_remote *r, const char *name)
{
	fault_remote *f = (fault_remote *)r;
	enum fault k = hit(f);
	int rc = before(k);

	return rc ? rc : after(k, f->inner->driver->remove(f->inner, name));
}

static const dv_driver fault_driver = {
	.version = 2,
	.scheme = "fault",
	.close = fault_close,
	.stat = fault_stat,
	.get = fault_get,
	.put = fault_put,
	.put_if_absent = fault_put_if_absent,
	.list = fault_list,
	.remove = fault_remove,
};

int dv_fault_wrap(dv_remote **r)
{
	static const char *const names[] = {
		[FAULT_NONE] = "none", [FAULT_ERROR] = "error", [FAULT_TRANSIENT] = "transient",
		[FAULT_LOST] = "lost", [FAULT_SHORT] = "short", [FAULT_DIE] = "die",
	};
	const char *env = getenv("DV_REMOTE_FAULT");
	enum fault kind = FAULT_NONE;
	uint64_t at = 0;

	if (!env || !*env)
		return 0;
	if (strcmp(env, "count") != 0) {
		char *end = NULL;

		at = strtoull(env, &end, 10);
		for (size_t i = 1; *end == ':' && i < sizeof names / sizeof *names; i++)
			if (strcmp(end + 1, names[i]) == 0)
				kind = (enum fault)i;
		if (kind == FAULT_NONE)
			return dv_err(DV_EUSAGE, "DV_REMOTE_FAULT is '%s', not '<n>:<kind>'", env);
	}
	fault_remote *f = dv_calloc(1, sizeof *f);
	if (!f)
		return DV_ERROR;
	f->base.driver = &fault_driver;
	f->base.caps = (*r)->caps;
	f->base.jobs = (*r)->jobs;
	f->inner = *r;
	f->at = at;
	f->kind = kind;
	*r = &f->base;
	return 0;
}
