/* SPDX-License-Identifier: Apache-2.0 */
/* How long something takes. */
#ifndef DV_BASE_CLOCK_H
#define DV_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/** Microseconds since some moment; never goes back. */
static inline uint64_t dv_clock_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

#endif
