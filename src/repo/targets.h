/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: what the user named, as paths relative to the root. A target is an output, its pointer,
 * a folder above outputs, or a path inside a directory output.
 */
#ifndef DV_REPO_TARGETS_H
#define DV_REPO_TARGETS_H

#include "repo/repo.h"

typedef struct dv_targets {
	char **path;		/* root-relative, normal, "" is the root */
	size_t n, cap;
} dv_targets;
#define DV_TARGETS_INIT { 0 }
void dv_targets_release(dv_targets *t);
/** Resolves user paths; with `glob` each is a pattern, matched against what is in the workspace and
 *  must match something. */
int dv_targets_resolve(dv_targets *t, const dv_repo *r, const char *const *user, size_t n,
		       bool glob) DV_MUST_CHECK;
/** DV_ENOTFOUND for a target that concerns no output. */
int dv_targets_check(const dv_targets *t, const dv_output_list *l) DV_MUST_CHECK;
/** Is the output wanted (no targets: all are)? *inner is set to a path below it when only parts are
 *  wanted, else NULL; dv_targets_inner lists all such paths. */
bool dv_targets_want(const dv_targets *t, const dv_output *o, const char **inner);
/** The next target inside output `o`, from *i on (start with 0), as the path below it; NULL at the
 *  end. */
const char *dv_targets_inner(const dv_targets *t, const dv_output *o, size_t *i);
/** Is the path below output `o` wanted, or needed on the way? */
bool dv_targets_want_path(const dv_targets *t, const char *path);
/** The output whose pointer file is `path`, or NULL. */
dv_output *dv_targets_by_pointer(const dv_output_list *l, const char *path);

#endif
