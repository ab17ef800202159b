/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries on their way into lock files. A run of many stages cannot write a whole dv.lock after
 * each of them; it appends what finished to a journal of its own in dv/journal-WORKSPACE/, and
 * writes the lock files when that is cheap and at its end. Whoever reads a lock file puts what the
 * journals have on top; so a run that was killed loses nothing.
 *
 * A record is "dv-journal 1 SHA256 LENGTH\n" and LENGTH bytes with that SHA-256: the SHA-256 of the
 * entry's text that it replaces (64 zeros: of none), the lock file's path, both with a line end,
 * and the entry as it stands in a lock file. What is torn or damaged ends a journal. A record
 * counts only where the lock file still has the entry that it replaces: what was changed since, by
 * git for instance, stays.
 */
#ifndef DV_REPO_LOCKJOURNAL_H
#define DV_REPO_LOCKJOURNAL_H

#include "base/fs.h"
#include "repo/lockfile.h"
#include "repo/repo.h"

#define DV_LOCKJOURNAL_MAX ((size_t)512 << 20)

typedef struct dv_lockjournal_record {
	const char *lock;	/* path of the lock file, relative to the root */
	dv_oid before;		/* of the entry's text; zero: there was none */
	const char *text;	/* of the entry */
	size_t n;
} dv_lockjournal_record;

typedef struct dv_lockjournal {
	dv_arena arena;
	dv_lockjournal_record *r;	/* in the order in which they were written */
	size_t n, cap;
} dv_lockjournal;
#define DV_LOCKJOURNAL_INIT { 0 }
void dv_lockjournal_release(dv_lockjournal *j);

/** The folder of the journals of this workspace; owned. */
char *dv_lockjournal_dir(const dv_repo *r);
/** Appends one record to `out`. */
int dv_lockjournal_print(dv_buf *out, const char *lock, const dv_oid *before,
			 const dv_locked_stage *s) DV_MUST_CHECK;
/** Appends the records in `text`, as far as they are whole. */
int dv_lockjournal_parse(dv_lockjournal *j, const char *text, size_t n) DV_MUST_CHECK;
/** Reads all journals of the workspace. */
int dv_lockjournal_read(dv_lockjournal *j, const dv_repo *r) DV_MUST_CHECK;
/** Puts what the journals have for the lock file `lock` (relative to the root, in folder `dir`) on
 *  top of it. */
int dv_lockjournal_apply(const dv_lockjournal *j, dv_lockfile *l, const char *lock,
			 const char *dir) DV_MUST_CHECK;
/** As dv_output_list_read of a lock file, with what the journals have for it on top. */
int dv_output_list_read_journaled(dv_output_list *l, const char *path, const char *text, size_t n,
				  const dv_lockjournal *j) DV_MUST_CHECK;
/** The SHA-256 of a stage's text; zero when it is NULL. */
int dv_locked_stage_digest(const dv_locked_stage *s, dv_oid *out) DV_MUST_CHECK;

#endif
