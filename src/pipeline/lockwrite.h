/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing lock files while stages run. Entries that were committed are made durable group by
 * group: in the lock files themselves while that costs next to nothing, else in a journal (see
 * repo/lockjournal.h) that is folded into the lock files when it costs less than a twentieth of the
 * time that passed, and at the end. So the cost does not grow with the square of the stages.
 */
#ifndef DV_PIPELINE_LOCKWRITE_H
#define DV_PIPELINE_LOCKWRITE_H

#include "repo/lockjournal.h"

typedef struct dv_lockwriter dv_lockwriter;
/** Folds what killed runs left behind. Takes the lock of the work tree for that, and for each later
 *  write. */
int dv_lockwriter_new(dv_lockwriter **out, dv_repo *r) DV_MUST_CHECK;
/** Does not write what waits. */
void dv_lockwriter_free(dv_lockwriter *w);
DV_DEFINE_AUTOPTR(dv_lockwriter)

/** Puts an entry into `l`, the content of the lock file `lock` of folder `dir` as this process
 *  knows it, and notes it to be written. `l` lives as long as the writer. */
int dv_lockwriter_put(dv_lockwriter *w, dv_lockfile *l, const char *lock, const char *dir,
		      const dv_locked_stage *s) DV_MUST_CHECK;
/** Brings `l` up to what other processes wrote, below what was put. */
int dv_lockwriter_refresh(dv_lockwriter *w, dv_lockfile *l, const char *lock, const char *dir)
	DV_MUST_CHECK;
/** What was put is durable after this. */
int dv_lockwriter_commit(dv_lockwriter *w) DV_MUST_CHECK;
/** It is in the lock files after this. */
int dv_lockwriter_finish(dv_lockwriter *w) DV_MUST_CHECK;
/** The lock files that were written, by index from 0; NULL at the end. */
const char *dv_lockwriter_written(const dv_lockwriter *w, size_t i);

#endif
