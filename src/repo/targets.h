/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: what the user named, as paths relative to the root. A target is an output, its record (a
 * pointer, or a lock file: then all outputs in it), a folder above outputs, or a path inside a
 * directory output.
 */
#ifndef DV_REPO_TARGETS_H
#define DV_REPO_TARGETS_H

#include "repo/repo.h"
#include "repo/treediff.h"

typedef struct dv_targets {
	char **path;		/* as the user ordered them, each once; "" is the root */
	char **sorted;		/* the same, ordered; borrowed from path */
	size_t n, cap;
	bool all;		/* nothing was named: everything is wanted */
} dv_targets;
#define DV_TARGETS_INIT { .all = true }
void dv_targets_release(dv_targets *t);
/** Resolves user paths. */
int dv_targets_resolve(dv_targets *t, const dv_repo *r, const char *const *user, size_t n)
	DV_MUST_CHECK;
/** Puts the outputs of a stage in the place of a target that is no path and names the stage as
 *  commands do: "train", "sub/dv.yaml:train", the name of a group, "sub/dv.yaml". */
int dv_targets_name_stages(dv_targets *t, const dv_output_list *l) DV_MUST_CHECK;
/** Expands patterns (*, ?, [] and **) over the workspace; each must match something. What lies in
 *  a folder that matches is not named again; pointers, what .dvignore excludes and nested
 *  repositories never match, names with a leading "." only where the pattern has one. */
int dv_targets_glob(dv_targets *t, const dv_repo *r, const char *const *user, size_t n)
	DV_MUST_CHECK;
/** Expands patterns over what is tracked: outputs of `l` (in any order), their pointers and folders
 *  above them, what `inside` lists in directories (DV_ENOTFOUND from it: nothing is known), and
 *  with `workspace` also what stands there inside outputs (`l` is sorted then). */
int dv_targets_glob_tracked(dv_targets *t, const dv_repo *r, const dv_output_list *l,
			    const dv_side *inside, bool workspace, const char *const *user,
			    size_t n) DV_MUST_CHECK;
/** resolve with names of stages, or with `glob` glob_tracked through `reader`, with the
 *  workspace. */
int dv_targets_tracked(dv_targets *t, const dv_repo *r, const dv_output_list *l, dv_reader *reader,
		       bool glob, const char *const *user, size_t n) DV_MUST_CHECK;

/** Where dv_targets_check looks. */
typedef struct dv_targets_scope {
	const dv_repo *repo;
	const dv_output_list *a, *b;	/* in any order; b may be NULL */
	dv_reader *reader;	/* also paths inside directories must exist, as far as the store
				   knows; NULL: they need not */
	bool workspace;		/* what stands in the workspace inside an output counts */
} dv_targets_scope;
/** DV_ENOTFOUND with a hint for a target that concerns no output. */
int dv_targets_check(const dv_targets *t, const dv_targets_scope *s) DV_MUST_CHECK;
/** Is the output wanted? *inner is set to a path below it when only parts are wanted, else NULL;
 *  dv_targets_inner lists all such paths. */
bool dv_targets_want(const dv_targets *t, const dv_output *o, const char **inner);
/** The next target inside output `o`, from *i on (start with 0), as the path below it; NULL at the
 *  end. */
const char *dv_targets_inner(const dv_targets *t, const dv_output *o, size_t *i);
/** Is the path wanted, itself or through a folder above it? */
bool dv_targets_want_path(const dv_targets *t, const char *path);
/** Is anything below the path wanted that is not wanted through the path itself? */
bool dv_targets_want_below(const dv_targets *t, const char *path);
/** Is an output named by itself, by its record, or by something in it, rather than by a folder
 *  above it? */
bool dv_targets_name(const dv_targets *t, const dv_output *o);
/** The output whose pointer file is `path`, or NULL. */
dv_output *dv_targets_by_pointer(const dv_output_list *l, const char *path);

/* For the two files of this module. */
/** Takes over an owned path (NULL: out of memory). */
int dv_targets_add(dv_targets *t, char *owned) DV_MUST_CHECK;
/** Drops what was named twice, and sorts. */
int dv_targets_finish(dv_targets *t) DV_MUST_CHECK;

#endif
