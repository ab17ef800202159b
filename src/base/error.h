/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one way to fail: a negative dv_errcode is returned, and the thread's record holds the message
 * and at most one hint. A failure is recorded once, where it is found; callers may add context.
 */
#ifndef DV_BASE_ERROR_H
#define DV_BASE_ERROR_H

#include <dv.h>

#define DV_MUST_CHECK __attribute__((warn_unused_result))
#define DV_PRINTF(f, a) __attribute__((format(printf, f, a)))

/** Records `code` with a message and returns `code`. Clears the hint. */
int dv_err(int code, const char *fmt, ...) DV_PRINTF(2, 3);
/** As dv_err, with strerror(errno) appended; the code is chosen from errno (ENOENT is
 *  DV_ENOTFOUND, EEXIST is DV_EEXISTS, everything else DV_ERROR). ENOSPC and EDQUOT get a hint. */
int dv_err_sys(const char *fmt, ...) DV_PRINTF(1, 2);
/** Puts "<context>: " before the recorded message and returns `code`. */
int dv_err_ctx(int code, const char *fmt, ...) DV_PRINTF(2, 3);
/** Sets the record's hint (an imperative sentence, no full stop) and returns `code`. */
int dv_err_hint(int code, const char *fmt, ...) DV_PRINTF(2, 3);
/** Notes that a remote asked for a pause of `ms` before the next try, and returns `code`. */
int dv_err_retry_after(int code, unsigned ms);
/** Records that memory ran out. */
int dv_err_nomem(void);
/** Copies the thread's record, to carry it over a cleanup or to another thread. */
void dv_error_take(dv_error *out);
/** Makes a taken record the thread's own; returns its code. */
int dv_error_put(const dv_error *e);
void dv_error_clear(void);

/** 0, or DV_ECANCELLED (recorded) when dv_cancel() was called. Cheap: one relaxed atomic load. */
int dv_check_cancel(void);
/** Whether dv_cancel() was called; records nothing. */
bool dv_cancel_requested(void);

/** Sends a warning to the callback that dv_set_warning_cb() installed; nothing without one.
 *  Any thread. */
void dv_warn(const char *fmt, ...) DV_PRINTF(1, 2);

/** A broken invariant of our own, never bad input: prints where and aborts, in every build. */
#define dv_assert(x) ((x) ? (void)0 : dv_assert_failed(#x, __FILE__, __LINE__))
_Noreturn void dv_assert_failed(const char *what, const char *file, int line);

#endif
