/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands between the store and a driver: wrappers with a driver's table, each doing one thing.
 * From the driver outwards: fault (tests), count (requests, bytes), limit (bytes in a second), gate
 * (how many calls at once), retry (what passes by itself). dv_wrap() is the one place that stacks
 * them. Each owns what it wraps. Threads: as a driver, from any number.
 */
#ifndef DV_TRANSFER_WRAP_H
#define DV_TRANSFER_WRAP_H

#include <stdatomic.h>

#include "transfer/remote_driver.h"
#include "base/cleanup.h"
#include "base/error.h"

/** What went through a remote. */
typedef struct dv_traffic {
	_Atomic uint64_t requests;	/* calls of the driver, those in vain too */
	_Atomic uint64_t sent, received;	/* bytes of files, those sent in vain too */
	_Atomic uint64_t failures;	/* calls that were tried again */
} dv_traffic;

typedef struct dv_wrap_options {
	const char *name;	/* of the remote, for messages; borrowed as long as it is open */
	uint64_t rate;		/* bytes in a second, both directions together; 0: no limit */
	int jobs;		/* calls at once at most; 0: as the driver likes */
	int tries;		/* of what passes by itself; 0: as many as have a chance */
	dv_traffic *traffic;	/* borrowed as long as it is open */
} dv_wrap_options;

/** Opens a driver, trying again what passes by itself, and puts all wrappers around it. */
int dv_wrap_open(dv_remote **out, const dv_driver *d, const char *url, const dv_driver_options *to,
		 const dv_wrap_options *o) DV_MUST_CHECK;
/** What the driver under the wrappers of dv_wrap_open can do, as far as it knows by now. */
unsigned dv_wrap_driver_caps(const dv_remote *r);
/** dv_driver.expect of that driver, if it has one. */
void dv_wrap_expect(dv_remote *r, uint64_t bytes);
/** The number of calls that may be under way at once. */
int dv_wrap_jobs(const dv_remote *r, int wanted);

/** What a wrapper begins with. */
typedef struct dv_wrapper {
	dv_remote base;
	dv_remote *inner;
} dv_wrapper;
/** Makes `w` a wrapper with that table around *r, and *r to be it. `sending` (may be NULL) sees the
 *  bytes of puts; its ctx is the wrapper. */
void dv_wrapper_init(dv_wrapper *w, const dv_driver *table, dv_remote **r,
		     int (*sending)(void *ctx, size_t n));
/** For tables: close what is inside, and free the wrapper. */
void dv_wrapper_close(dv_remote *r);

/* The wrappers. *r becomes the wrapper; on failure it stays what it was. */
int dv_fault_wrap(dv_remote **r) DV_MUST_CHECK;		/* when DV_REMOTE_FAULT asks for it */
int dv_count_wrap(dv_remote **r, dv_traffic *t) DV_MUST_CHECK;
int dv_gate_wrap(dv_remote **r, int jobs) DV_MUST_CHECK;
int dv_retry_wrap(dv_remote **r, const dv_wrap_options *o) DV_MUST_CHECK;

/** A limit on bytes in a second, shared by all threads. */
typedef struct dv_rate dv_rate;
int dv_rate_new(dv_rate **out, uint64_t bytes_in_a_second) DV_MUST_CHECK;
void dv_rate_free(dv_rate *l);
DV_DEFINE_AUTOPTR(dv_rate)
/** Waits until `n` more bytes may move; DV_ECANCELLED. NULL limits nothing. */
int dv_rate_take(dv_rate *l, uint64_t n) DV_MUST_CHECK;
/** Limits what goes through *r; takes *l, and leaves NULL. */
int dv_limit_wrap(dv_remote **r, dv_rate **l) DV_MUST_CHECK;

/** Tries of one call. */
typedef struct dv_tries {
	const char *name;	/* of the remote */
	dv_traffic *traffic;	/* may be NULL */
	int most;		/* 0: the usual */
	int n;			/* failures in a row */
	int64_t since;		/* of the first of them, in ms; 0: none yet */
} dv_tries;
/** After a call that returned *rc: waits and says true when it is to be made again. Else *rc is
 *  what the caller returns. */
bool dv_try_again(dv_tries *t, int *rc);
/** Sleeps, or returns DV_ECANCELLED within 100 ms of dv_cancel(). */
int dv_pause(unsigned ms) DV_MUST_CHECK;

/** Counts bytes of a put that go now. */
void dv_sending_add(uint64_t n);
/** Bytes of a put, as they go, are added to the progress between begin and end, in this thread.
 *  The end says how many there were, without those that other threads of the put sent. */
void dv_sending_begin(void);
uint64_t dv_sending_end(void);

/** Calls made to drivers through the fault wrapper so far in this process
 *  (DV_REMOTE_FAULT=count). */
uint64_t dv_fault_calls(void);
/** True when a test asked for pauses of a thousandth of their length. */
bool dv_fault_quick(void);

#endif
