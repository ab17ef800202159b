/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merging lock files, stage by stage: each is the account of one run, so that what one side's run
 * says is taken as a whole. Two accounts that differ in nothing but their run records are the same.
 */
#ifndef DV_REPO_LOCKMERGE_H
#define DV_REPO_LOCKMERGE_H

#include "base/buf.h"

/** A stage in conflict. */
typedef int (*dv_lock_clash_fn)(void *payload, const char *stage);
/** Merges three texts (ancestor, ours, theirs) of the lock file `name` in folder `dir` into out.
 *  *clean is false when stages are in conflict: each stands between markers of its own. Codes of
 *  dv_lockfile_parse. */
int dv_lock_merge(dv_buf *out, const dv_buf text[3], const char *dir, const char *name, int marker,
		  dv_lock_clash_fn fn, void *payload, bool *clean) DV_MUST_CHECK;
/** Which conflicts a choice concerns: `stage` stands there, on one side at least. */
typedef bool (*dv_lock_want_fn)(void *payload, const char *stage, const char *const *outs,
				size_t nouts);
/** Takes `side` of the conflicts that are wanted (fn NULL: all), in a text of dv_lock_merge; *left
 *  counts the other ones, *taken those. Outputs are relative to the root. */
int dv_lock_settle(dv_buf *out, const char *text, size_t n, const char *dir, const char *name,
		   unsigned side, dv_lock_want_fn fn, void *payload, uint64_t *taken,
		   uint64_t *left) DV_MUST_CHECK;

#endif
