/* SPDX-License-Identifier: Apache-2.0 */
/* Private to src/repo/resolve*.c: the records in conflict, and which of them are targets. */
#ifndef DV_REPO_RESOLVE_IMPL_H
#define DV_REPO_RESOLVE_IMPL_H

#include "repo/lockmerge.h"
#include "repo/pointermerge.h"
#include "repo/targets.h"

enum dv_record_kind { DV_RECORD_POINTER, DV_RECORD_LOCK, DV_RECORD_FILTERED };

typedef struct dv_conflicted {
	char *path;		/* relative to the root; owned */
	enum dv_record_kind kind;
	bool staged;		/* git's index has the versions; else only the text shows it */
	char id[3][DV_GIT_HEX + 1];	/* ancestor, ours, theirs; "": none */
	unsigned mode[3];
} dv_conflicted;

typedef struct dv_resolving {
	dv_repo *repo;
	dv_git *git;		/* NULL without git */
	dv_targets targets;
	dv_conflicted *c;
	size_t n, cap;
	dv_lock lock;
} dv_resolving;
#define DV_RESOLVING_INIT { .targets = DV_TARGETS_INIT, .lock = DV_LOCK_INIT }
/** Finds all records in conflict. */
int dv_resolving_open(dv_resolving *x, dv_repo *r, const char *const *targets, size_t n)
	DV_MUST_CHECK;
void dv_resolving_release(dv_resolving *x);

/** The next target, from *at on, that concerns the record; *inner is the path in its output that is
 *  meant ("": all of it). False at the end. */
bool dv_resolving_wants(const dv_resolving *x, const dv_conflicted *c, size_t *at,
			const char **inner);
/** The file of the workspace. */
int dv_resolving_text(const dv_resolving *x, const dv_conflicted *c, dv_buf *out) DV_MUST_CHECK;
/** One side's version of the record as git has it; empty when it has none. */
int dv_resolving_version(const dv_resolving *x, const dv_conflicted *c, unsigned i, dv_buf *out)
	DV_MUST_CHECK;
/** Both sides of a pointer, merged, with what was decided so far. Opens `w` when it has to. */
int dv_resolving_pair(const dv_resolving *x, const dv_conflicted *c, dv_mergework *w,
		      dv_pointer_pair *out) DV_MUST_CHECK;
/** The merge of a lock file from git's index. */
int dv_resolving_lock(const dv_resolving *x, const dv_conflicted *c, dv_lock_clash_fn fn,
		      void *payload, dv_buf *out) DV_MUST_CHECK;
/** Tells what is in conflict in one record; adds the number to *n (may be NULL). */
int dv_resolving_tell(const dv_resolving *x, const dv_conflicted *c, dv_conflict_cb cb,
		      void *payload, uint64_t *n) DV_MUST_CHECK;
/** Did one side delete the record? */
bool dv_conflicted_is_whole(const dv_conflicted *c);
/** Puts a version of a file that git's filter keeps into the workspace; what stands there must be
 *  one of the versions, or be in the store, unless `force`. */
int dv_resolve_filtered(const dv_resolving *x, const dv_conflicted *c, unsigned version, bool force)
	DV_MUST_CHECK;

#endif
