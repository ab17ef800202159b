/* SPDX-License-Identifier: Apache-2.0 */
/* How long something takes, and when it was. */
#ifndef DV_BASE_CLOCK_H
#define DV_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/** Microseconds since some moment; never goes back. */
static inline int64_t dv_clock_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/** The same in milliseconds. */
static inline int64_t dv_clock_ms(void)
{
	return dv_clock_us() / 1000;
}

/** Microseconds since 1970 by the clock on the wall, which may be set back. */
static inline int64_t dv_clock_wall_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

#endif
