/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks on paths of a workspace between processes that run stages in it at the same time: what a
 * stage depends on is shared, what it makes is its own, with everything in and around it.
 *
 * Each process lists the paths that its running stages use in a file of its own in
 * dv/running-WORKSPACE/, which it keeps locked (flock) while it lives; the commands that it starts
 * inherit that lock, so that the paths of a command that outlives a killed dv stay taken until it
 * ends. A list that nobody has locked counts for nothing and is removed. Lists are read and written
 * under one more lock, held for that moment.
 */
#ifndef DV_PIPELINE_PATHLOCK_H
#define DV_PIPELINE_PATHLOCK_H

#include "base/arena.h"
#include "repo/repo.h"

typedef struct dv_pathlock_path {
	const char *path;	/* relative to the root, or absolute */
	bool exclusive;
} dv_pathlock_path;

typedef struct dv_pathlocks dv_pathlocks;
int dv_pathlocks_new(dv_pathlocks **out, dv_repo *r) DV_MUST_CHECK;
void dv_pathlocks_free(dv_pathlocks *l);
DV_DEFINE_AUTOPTR(dv_pathlocks)
/** The descriptor that children inherit. */
int dv_pathlocks_fd(const dv_pathlocks *l);

/** Was another process seen that runs stages here? */
bool dv_pathlocks_met_others(const dv_pathlocks *l);

/** Takes all paths for `owner`, or none: 1 taken, 0 another process uses one of them: *blocker
 *  (owned, may be NULL) names it. Paths of this process never block it. The paths are borrowed
 *  until they are given back. */
int dv_pathlocks_try(dv_pathlocks *l, size_t owner, const dv_pathlock_path *paths, size_t n,
		     char **blocker) DV_MUST_CHECK;
int dv_pathlocks_release(dv_pathlocks *l, size_t owner) DV_MUST_CHECK;

#endif
