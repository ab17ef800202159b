/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks on paths of a workspace, between processes that run stages in it and those that check
 * outputs out: what a stage depends on is shared, what it makes is its own, with everything in and
 * around it; so is what is checked out.
 *
 * Each process lists the paths that it uses at the moment in a file of its own in
 * dv/running-WORKSPACE/, which it keeps locked (flock) while it lives; the commands of stages
 * inherit that lock, so that the paths of a command that outlives a killed dv stay taken until it
 * ends. A list that nobody has locked counts for nothing and is removed. Lists are read and written
 * under one more lock, held for that moment.
 */
#ifndef DV_REPO_PATHLOCK_H
#define DV_REPO_PATHLOCK_H

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

/** Has another process used paths here since dv_pathlocks_new, as the last call saw it? What it
 *  changed may be anything. */
bool dv_pathlocks_met_others(const dv_pathlocks *l);

/** Takes all paths for `owner`, or none: 1 taken, 0 another process uses one of them: *blocker
 *  (owned, may be NULL) says "WHO uses 'PATH'". Paths of this process never block it. `who` is what
 *  others are told; it and the paths are borrowed until they are given back. */
int dv_pathlocks_try(dv_pathlocks *l, size_t owner, const char *who, const dv_pathlock_path *paths,
		     size_t n, char **blocker) DV_MUST_CHECK;
/** As above, but takes those that are free. holders[i], NULL before, is who uses the path that was
 *  not to be had; owned, and borrowed like the paths. What the stage takes whose command called
 *  this program blocks nothing. */
int dv_pathlocks_claim(dv_pathlocks *l, size_t owner, const char *who,
		       const dv_pathlock_path *paths, size_t n, char **holders) DV_MUST_CHECK;
int dv_pathlocks_release(dv_pathlocks *l, size_t owner) DV_MUST_CHECK;
/** What others are told of a stage: "the stage 'sub/dv.yaml:train'"; owned, NULL when memory runs
 *  out. `dir` is the folder of its file. */
char *dv_pathlock_stage(const char *dir, const char *file, const char *name);

#endif
