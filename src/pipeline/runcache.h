/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run cache: what a command made of the same inputs before. A key is the SHA-256 of the
 * canonical JSON of command, folder, dependencies (path and oid), parameters and paths of outputs;
 * runs/AB/KEY in the cache holds the newest run with that key:
 *
 *   dv-run 1 SHA256        of what follows
 *   schema: dv 1 …         a lock file of this one stage, as if it lay at the root
 *
 * An entry that is damaged, that has another key than its name, or whose outputs are not all in the
 * store is none.
 */
#ifndef DV_PIPELINE_RUNCACHE_H
#define DV_PIPELINE_RUNCACHE_H

#include "pipeline/stage.h"
#include "repo/lockfile.h"

#define DV_RUNCACHE_MAX ((size_t)64 << 20)

/** May runs of the stage be remembered? Not without dependencies or parameters, or without outputs,
 *  nor when it always runs, keeps what was there, depends on what is outside the workspace, or has
 *  outputs, but for metrics and plots, that are not kept in the store. */
bool dv_runcache_fits(const dv_stage *s);
/** The key of an entry, of whose outputs only the names count. `folder`: of the lock file,
 *  "" or "a/b". */
int dv_runcache_key(const dv_locked_stage *s, const char *folder, dv_oid *key) DV_MUST_CHECK;
/** Remembers a run; overwrites an older one with the same key. */
int dv_runcache_put(dv_repo *r, const dv_locked_stage *s, const char *folder) DV_MUST_CHECK;
/** As above, unless there is one already. */
int dv_runcache_put_new(dv_repo *r, const dv_locked_stage *s, const char *folder) DV_MUST_CHECK;
/** Finds a run with the inputs and names of outputs of `s`: 1 found, then its outputs in `s` are as
 *  they were, and its run is that run's; 0 not found. With `reader`, only one whose outputs are all
 *  in the store counts. */
int dv_runcache_get(dv_repo *r, dv_reader *reader, dv_locked_stage *s, const char *folder)
	DV_MUST_CHECK;

#endif
