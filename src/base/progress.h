/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters that any thread may add to, sent to the callback of dv_set_progress_cb() at most some
 * ten times a second. Knows no terminal. One operation at a time in a process.
 */
#ifndef DV_BASE_PROGRESS_H
#define DV_BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/** Starts a phase and zeroes the counters. `phase` must stay valid ("adding", "pushing" …). */
void dv_progress_start(const char *phase, uint64_t bytes_total, uint64_t files_total);
void dv_progress_total(uint64_t bytes, uint64_t files);
/** In a phase that began without totals: so much is left to do, and that is all. The calling thread
 *  of the operation only. Says nothing while more follows of which nobody knows how much it is. */
void dv_progress_ahead(uint64_t bytes, uint64_t files);
/** Does more follow what is done next? No, when a phase begins. */
void dv_progress_more(bool more);
/** Any thread; cheap. */
void dv_progress_add(uint64_t bytes, uint64_t files);
/** Ends the phase with a last call. */
void dv_progress_end(void);

#endif
