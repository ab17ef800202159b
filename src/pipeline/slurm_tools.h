/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slurm's own programs, from PATH: sbatch, squeue, scancel. They are started with a list of
 * arguments, which no shell looks at, and none of them needs Slurm's accounting database. A failure
 * carries the program's words, and is DV_ETRANSIENT when they say that Slurm's controller does not
 * answer.
 */
#ifndef DV_PIPELINE_SLURM_TOOLS_H
#define DV_PIPELINE_SLURM_TOOLS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"

#define DV_SLURM_NUMBER 24	/* of a job, as text */

/** Are these programs there? DV_ENOTFOUND with a hint when not. */
int dv_slurm_available(void) DV_MUST_CHECK;
/** Submits; `argv` ends with NULL and begins with "sbatch". keep_fd stays open in it (-1: none).
 *  Neither Ctrl-C nor a cancel stops it: it is known whether there is a job. */
int dv_slurm_submit(const char *const *argv, int keep_fd, char number[DV_SLURM_NUMBER])
	DV_MUST_CHECK;

/** A job of ours as squeue shows it; of the arena. */
typedef struct dv_slurm_seen {
	const char *number, *state, *node, *reason, *name;
} dv_slurm_seen;
/** All jobs of this user that Slurm knows, also those that ended a little while ago. Where nobody
 *  answers that takes ten seconds, which dv_cancel() ends: DV_ECANCELLED. */
int dv_slurm_look(dv_arena *a, dv_slurm_seen **out, size_t *n) DV_MUST_CHECK;
/** Has a job in that state ended? */
bool dv_slurm_is_over(const char *state);

/** Ends jobs, all with one call. */
int dv_slurm_cancel(const char *const *numbers, size_t n) DV_MUST_CHECK;

#endif
