/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of the last failure (one for each thread), cancelling, warnings and the version.
 * A message is formatted aside before it replaces the old one, so its arguments may point into the
 * record itself. Texts that are too long are cut between characters, never inside one.
 */
#include "base/error.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local dv_error record;

/* Shortens the full buffer `s` so that no UTF-8 sequence is left without its end. */
static void cut_at_character(char *s, size_t size)
{
	size_t n = size - 1, i = n;

	while (i > 0 && n - i < 3 && ((unsigned char)s[i - 1] & 0xc0) == 0x80)
		i--;
	if (i > 0) {
		unsigned char lead = (unsigned char)s[i - 1];
		size_t len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;

		if (len > 1 && n - (i - 1) < len)
			n = i - 1;
	}
	s[n] = '\0';
}

static void format(char *out, size_t size, const char *fmt, va_list ap) DV_PRINTF(3, 0);
static void format(char *out, size_t size, const char *fmt, va_list ap)
{
	int n = vsnprintf(out, size, fmt, ap);

	if (n < 0)
		snprintf(out, size, "(a message that cannot be formatted)");
	else if ((size_t)n >= size)
		cut_at_character(out, size);
}

/* Appends to the NUL-terminated text in `out`. */
static void append(char *out, size_t size, const char *s)
{
	size_t used = strlen(out);
	int n = snprintf(out + used, size - used, "%s", s);

	if (n > 0 && (size_t)n >= size - used)
		cut_at_character(out, size);
}

static int set_record(int code, const char *text)
{
	record.code = code;
	memcpy(record.message, text, strlen(text) + 1);
	record.hint[0] = '\0';
	record.retry_after_ms = 0;
	return code;
}

int dv_err_retry_after(int code, unsigned ms)
{
	record.retry_after_ms = ms;
	return code;
}

const dv_error *dv_error_last(void)
{
	return &record;
}

int dv_err(int code, const char *fmt, ...)
{
	char text[sizeof(record.message)];
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	format(text, sizeof(text), fmt, ap);
	va_end(ap);
	errno = saved;
	return set_record(code, text);
}

int dv_err_sys(const char *fmt, ...)
{
	char text[sizeof(record.message)];
	int saved = errno, code;
	va_list ap;

	va_start(ap, fmt);
	format(text, sizeof(text), fmt, ap);
	va_end(ap);
	append(text, sizeof(text), ": ");
	append(text, sizeof(text), strerror(saved));

	code = saved == ENOENT ? DV_ENOTFOUND : saved == EEXIST ? DV_EEXISTS : DV_ERROR;
	set_record(code, text);
	if (saved == ENOSPC)
		dv_err_hint(code, "make room on the file system and run the command again");
	else if (saved == EDQUOT)
		dv_err_hint(code, "make room within your quota and run the command again");
	errno = saved;
	return code;
}

int dv_err_ctx(int code, const char *fmt, ...)
{
	char text[sizeof(record.message)];
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	format(text, sizeof(text), fmt, ap);
	va_end(ap);
	append(text, sizeof(text), ": ");
	append(text, sizeof(text), record.message);
	memcpy(record.message, text, strlen(text) + 1);
	record.code = code;
	errno = saved;
	return code;
}

int dv_err_hint(int code, const char *fmt, ...)
{
	char text[sizeof(record.hint)];
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	format(text, sizeof(text), fmt, ap);
	va_end(ap);
	memcpy(record.hint, text, strlen(text) + 1);
	errno = saved;
	return code;
}

int dv_err_nomem(void)
{
	return set_record(DV_ERROR, "out of memory");
}

void dv_error_take(dv_error *out)
{
	*out = record;
}

int dv_error_put(const dv_error *e)
{
	if (e != &record)
		record = *e;
	return record.code;
}

void dv_error_clear(void)
{
	record.code = 0;
	record.message[0] = '\0';
	record.hint[0] = '\0';
	record.retry_after_ms = 0;
}

/* -- cancelling -------------------------------------------------------------------------------- */

/* Lock-free, so that a signal handler may set it. */
static atomic_int cancelled;
_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "dv_cancel must be async-signal-safe");

void dv_cancel(void)
{
	atomic_store_explicit(&cancelled, 1, memory_order_relaxed);
}

bool dv_cancel_requested(void)
{
	return atomic_load_explicit(&cancelled, memory_order_relaxed);
}

void dv_cancel_reset(void)
{
	atomic_store_explicit(&cancelled, 0, memory_order_relaxed);
}

int dv_check_cancel(void)
{
	if (!dv_cancel_requested())
		return 0;
	return dv_err(DV_ECANCELLED, "cancelled");
}

/* -- warnings ---------------------------------------------------------------------------------- */

static pthread_mutex_t warning_lock = PTHREAD_MUTEX_INITIALIZER;
static dv_warning_cb warning_cb;
static void *warning_payload;
static _Thread_local int warning_depth;

void dv_set_warning_cb(dv_warning_cb cb, void *payload)
{
	/* A callback may replace itself: this thread then holds the lock already. */
	if (!warning_depth)
		pthread_mutex_lock(&warning_lock);
	warning_cb = cb;
	warning_payload = payload;
	if (!warning_depth)
		pthread_mutex_unlock(&warning_lock);
}

void dv_warn(const char *fmt, ...)
{
	char text[sizeof(record.message)];
	int saved = errno;
	va_list ap;

	/* A warning about warning would never end. */
	if (warning_depth)
		return;
	va_start(ap, fmt);
	format(text, sizeof(text), fmt, ap);
	va_end(ap);

	pthread_mutex_lock(&warning_lock);
	warning_depth = 1;
	if (warning_cb)
		warning_cb(text, warning_payload);
	warning_depth = 0;
	pthread_mutex_unlock(&warning_lock);
	errno = saved;
}

/* -- the rest ---------------------------------------------------------------------------------- */

const char *dv_version(void)
{
	return DV_VERSION;
}

void dv_assert_failed(const char *what, const char *file, int line)
{
	/* The one line the library ever prints: what follows is abort(). */
	fprintf(stderr, "dv: internal error: '%s' does not hold at %s:%d\n", what, file, line);
	abort();
}
