/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A wrapper that makes a driver fail on purpose, for tests. DV_REMOTE_FAULT is a list of rules with
 * commas between. "<n>:<kind>" hits the n-th call of a driver in this process, counted from 1 over
 * all remotes; "<p>%:<kind>" hits so many of a hundred calls, by chance:
 *   error      fails with DV_ERROR             transient  fails with DV_ETRANSIENT
 *   lost       does it, then claims DV_ETRANSIENT (the answer got lost)
 *   cut        breaks off in the middle of a get or a put, with DV_ETRANSIENT
 *   short      gives half of what a get asks for
 *   denied     fails with DV_EAUTH
 *   die        the process dies before the call; "half": in the middle of it
 *   stop       the process stops before the call (SIGSTOP) and goes on when it is continued
 *   any        one of transient, lost and cut
 * "delay:<ms>" waits before every call, "seed:<n>" chooses another chance, "quick" makes pauses
 * between tries a thousand times shorter, "count" only counts. "refuse" plays a server that does
 * not create files only if absent, "overwrite" one that says yes and replaces them. Without the
 * variable nothing is wrapped.
 */
#include <signal.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "transfer/wrap.h"

#define RULES_MAX 8

enum fault {
	FAULT_NONE, FAULT_ERROR, FAULT_TRANSIENT, FAULT_LOST, FAULT_CUT, FAULT_SHORT, FAULT_DENIED,
	FAULT_DIE, FAULT_HALF, FAULT_STOP, FAULT_ANY
};

static const char *const names[] = {
	[FAULT_NONE] = "none", [FAULT_ERROR] = "error", [FAULT_TRANSIENT] = "transient",
	[FAULT_LOST] = "lost", [FAULT_CUT] = "cut", [FAULT_SHORT] = "short",
	[FAULT_DENIED] = "denied", [FAULT_DIE] = "die", [FAULT_HALF] = "half",
	[FAULT_STOP] = "stop", [FAULT_ANY] = "any",
};

typedef struct rule {
	uint64_t n;
	bool percent;
	enum fault kind;
} rule;

typedef struct fault_remote {
	dv_wrapper w;
	rule rules[RULES_MAX];
	size_t n;
	unsigned delay;
	uint64_t seed;
	bool refuse, overwrite;
} fault_remote;

static _Atomic uint64_t calls;

uint64_t dv_fault_calls(void)
{
	return atomic_load(&calls);
}

bool dv_fault_quick(void)
{
	const char *env = getenv("DV_REMOTE_FAULT");

	return env && strstr(env, "quick");
}

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

/* Counts a call; *kind is what is to happen to it. What comes before the call happens here. */
static int begin(const fault_remote *f, enum fault *kind)
{
	uint64_t call = atomic_fetch_add(&calls, 1) + 1;
	int rc = f->delay ? dv_pause(f->delay) : 0;

	*kind = FAULT_NONE;
	for (size_t i = 0; i < f->n && *kind == FAULT_NONE; i++) {
		const rule *r = &f->rules[i];
		uint64_t chance = mix(f->seed ^ mix(call * RULES_MAX + i)) % 100;

		if (r->percent ? chance < r->n : call == r->n)
			*kind = r->kind;
	}
	if (*kind == FAULT_ANY) {
		static const enum fault any[] = { FAULT_TRANSIENT, FAULT_LOST, FAULT_CUT };

		*kind = any[mix(f->seed + call) % 3];
	}
	if (*kind == FAULT_DIE)
		raise(SIGKILL);
	if (*kind == FAULT_STOP)
		raise(SIGSTOP);
	if (*kind == FAULT_ERROR)
		return dv_err(DV_ERROR, "the remote failed on purpose");
	if (*kind == FAULT_DENIED)
		return dv_err(DV_EAUTH, "the remote refused on purpose");
	if (*kind == FAULT_TRANSIENT)
		return dv_err(DV_ETRANSIENT, "the remote was out of reach on purpose");
	return rc;
}

static int lose(enum fault k, int rc)
{
	if (k == FAULT_LOST && rc == 0)
		return dv_err(DV_ETRANSIENT, "the remote's answer got lost on purpose");
	return rc;
}

static int break_off(enum fault k)
{
	if (k == FAULT_HALF)
		raise(SIGKILL);
	return dv_err(DV_ETRANSIENT, "the connection broke on purpose");
}

/* What this thread may still send, before its put breaks off. */
static _Thread_local struct {
	enum fault kind;	/* FAULT_NONE: as much as it likes */
	uint64_t left;
} allowed;

static int fault_sending(void *ctx, size_t n)
{
	const fault_remote *f = ctx;

	if (allowed.kind != FAULT_NONE) {
		if (n > allowed.left)
			return break_off(allowed.kind);
		allowed.left -= n;
	}
	return dv_remote_sending(&f->w.base, n);
}

/* For what is done at once, or not at all: it breaks off before. */
static int begin_at_once(const fault_remote *f, enum fault *k)
{
	int rc = begin(f, k);

	return rc == 0 && (*k == FAULT_CUT || *k == FAULT_HALF) ? break_off(*k) : rc;
}

static int fault_stat(dv_remote *r, const char *name, uint64_t *size)
{
	const fault_remote *f = (fault_remote *)r;
	dv_remote *in = f->w.inner;
	enum fault k;
	int rc = begin(f, &k);

	return rc ? rc : lose(k, in->driver->stat(in, name, size));
}

typedef struct cut_sink {
	dv_sink_cb sink;
	void *payload;
	enum fault kind;
	uint64_t left;
} cut_sink;

static int cut(const void *p, size_t n, void *payload)
{
	cut_sink *c = payload;
	size_t some = n < c->left ? n : (size_t)c->left;
	int rc = some ? c->sink(p, some, c->payload) : 0;

	c->left -= some;
	return rc || some == n ? rc : break_off(c->kind);
}

static int fault_get(dv_remote *r, const char *name, uint64_t offset, uint64_t length,
		     dv_sink_cb sink, void *payload)
{
	const fault_remote *f = (fault_remote *)r;
	dv_remote *in = f->w.inner;
	enum fault k;
	int rc = begin(f, &k);

	if (rc)
		return rc;
	if (k == FAULT_SHORT || k == FAULT_CUT || k == FAULT_HALF) {
		uint64_t size = 0;

		if ((rc = in->driver->stat(in, name, &size)))
			return k == FAULT_SHORT ? rc : break_off(k);
		size = size > offset ? size - offset : 0;
		length = length < size ? length : size;
		if (k == FAULT_SHORT)
			return in->driver->get(in, name, offset, length / 2, sink, payload);
		cut_sink c = { sink, payload, k, length / 2 };
		rc = in->driver->get(in, name, offset, length, cut, &c);
		return rc ? rc : break_off(k);
	}
	return lose(k, in->driver->get(in, name, offset, length, sink, payload));
}

static int fault_put(dv_remote *r, const char *name, int fd, uint64_t size)
{
	const fault_remote *f = (fault_remote *)r;
	dv_remote *in = f->w.inner;
	enum fault k;
	int rc = begin(f, &k);

	if (rc)
		return rc;
	if (k != FAULT_CUT && k != FAULT_HALF)
		return lose(k, in->driver->put(in, name, fd, size));
	if (!(r->caps & DV_REMOTE_TELLS))
		return break_off(k);
	allowed.kind = k;
	allowed.left = size / 2;
	rc = in->driver->put(in, name, fd, size);
	allowed.kind = FAULT_NONE;
	return rc ? rc : break_off(k);
}

static int fault_put_if_absent(dv_remote *r, const char *name, const void *p, size_t n)
{
	const fault_remote *f = (fault_remote *)r;
	dv_remote *in = f->w.inner;
	enum fault k;
	int rc = begin_at_once(f, &k);

	if (rc == 0 && f->refuse)
		rc = dv_err(DV_ERROR, "the remote does not know conditions on purpose");
	if (rc == 0 && f->overwrite && in->driver->remove(in, name))
		dv_error_clear();
	return rc ? rc : lose(k, in->driver->put_if_absent(in, name, p, n));
}

typedef struct cut_list {
	dv_list_cb cb;
	void *payload;
	enum fault kind;
	int left;
} cut_list;

static int cut_cb(const char *name, uint64_t size, void *payload)
{
	cut_list *c = payload;

	return c->left-- > 0 ? c->cb(name, size, c->payload) : break_off(c->kind);
}

static int fault_list(dv_remote *r, const char *dir, const char *after, dv_list_cb cb,
		      void *payload)
{
	const fault_remote *f = (fault_remote *)r;
	dv_remote *in = f->w.inner;
	enum fault k;
	int rc = begin(f, &k);

	if (rc)
		return rc;
	if (k != FAULT_CUT && k != FAULT_HALF)
		return lose(k, in->driver->list(in, dir, after, cb, payload));
	cut_list c = { cb, payload, k, 2 };
	rc = in->driver->list(in, dir, after, cut_cb, &c);
	return rc ? rc : break_off(k);
}

static int fault_remove(dv_remote *r, const char *name)
{
	const fault_remote *f = (fault_remote *)r;
	dv_remote *in = f->w.inner;
	enum fault k;
	int rc = begin_at_once(f, &k);

	return rc ? rc : lose(k, in->driver->remove(in, name));
}

static int fault_find(dv_remote *r, const void *request, size_t n, dv_buf *out)
{
	const fault_remote *f = (fault_remote *)r;
	dv_remote *in = f->w.inner;
	enum fault k;
	int rc = begin_at_once(f, &k);

	return rc ? rc : lose(k, in->driver->find(in, request, n, out));
}

static const dv_driver fault_driver = {
	.version = 2,
	.scheme = "fault",
	.close = dv_wrapper_close,
	.stat = fault_stat,
	.get = fault_get,
	.put = fault_put,
	.put_if_absent = fault_put_if_absent,
	.list = fault_list,
	.remove = fault_remove,
	.find = fault_find,
};

/* -- rules ------------------------------------------------------------------------------------- */

static bool parse_rule(fault_remote *f, const char *s)
{
	const char *colon = strchr(s, ':');
	char *end = NULL;

	if (!strcmp(s, "count") || !strcmp(s, "quick"))
		return true;
	f->refuse |= !strcmp(s, "refuse");
	f->overwrite |= !strcmp(s, "overwrite");
	if (!colon)
		return !strcmp(s, "refuse") || !strcmp(s, "overwrite");
	if (!strncmp(s, "delay:", 6) || !strncmp(s, "seed:", 5)) {
		uint64_t v = strtoull(colon + 1, &end, 10);

		if (*s == 'd')
			f->delay = (unsigned)v;
		else
			f->seed = v;
		return end != colon + 1 && !*end;
	}
	if (f->n == RULES_MAX)
		return false;
	rule *r = &f->rules[f->n];
	r->n = strtoull(s, &end, 10);
	r->percent = *end == '%';
	if (end == s || end + r->percent != colon)
		return false;
	for (size_t i = 1; i < sizeof names / sizeof *names; i++)
		if (strcmp(colon + 1, names[i]) == 0)
			r->kind = (enum fault)i;
	return r->kind != FAULT_NONE && ++f->n;
}

static int parse_rules(fault_remote *f, const char *env)
{
	dv_autofree char *copy = dv_strdup(env);
	char *save = NULL;

	if (!copy)
		return DV_ERROR;
	for (char *s = strtok_r(copy, ",", &save); s; s = strtok_r(NULL, ",", &save))
		if (!parse_rule(f, s))
			return dv_err(DV_EUSAGE, "DV_REMOTE_FAULT has no rule '%s'", s);
	return 0;
}

int dv_fault_wrap(dv_remote **r)
{
	const char *env = getenv("DV_REMOTE_FAULT");

	if (!env || !*env)
		return 0;
	dv_autofree fault_remote *f = dv_calloc(1, sizeof *f);
	int rc = f ? parse_rules(f, env) : DV_ERROR;
	if (rc)
		return rc;
	dv_wrapper_init(&f->w, &fault_driver, r, fault_sending);
	if (f->refuse || f->overwrite)
		f->w.base.caps |= DV_REMOTE_DEPENDS;
	(void)dv_steal(&f);
	return 0;
}
