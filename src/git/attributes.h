/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Git's attributes, as far as dv asks: has a path the attribute "filter=dv"? By the rules of
 * gitattributes(5): the last line that matches counts, the file of the deepest folder before those
 * above it; with macros and quoted patterns. The texts come from anywhere: the work tree, the
 * index, a revision.
 */
#ifndef DV_GIT_ATTRIBUTES_H
#define DV_GIT_ATTRIBUTES_H

#include "base/cleanup.h"
#include "base/oid.h"
#include "git/git.h"

#define DV_ATTRIBUTES_FILE ".gitattributes"
#define DV_ATTRIBUTES_MAX ((size_t)10 << 20)	/* git's own limit is ten times that */

typedef struct dv_attributes dv_attributes;
int dv_attributes_new(dv_attributes **out) DV_MUST_CHECK;
void dv_attributes_free(dv_attributes *a);
DV_DEFINE_AUTOPTR(dv_attributes)
/** What counts in the whole repository, whatever is committed: the user's own attributes, and
 *  info/attributes. Unreadable files count for nothing. */
int dv_attributes_add_own(dv_attributes *a, const dv_git_dirs *d) DV_MUST_CHECK;
/** The rules of the file in the folder `dir` ("" for the root of the work tree). */
int dv_attributes_add(dv_attributes *a, const char *dir, const char *text, size_t n)
	DV_MUST_CHECK;
/** How many texts were added, and: forgets those behind the first `n`, which must be the last that
 *  were added. */
size_t dv_attributes_count(const dv_attributes *a);
void dv_attributes_cut(dv_attributes *a, size_t n);
/** Is there a rule that could set "filter=dv"? */
bool dv_attributes_any(const dv_attributes *a);
/** Do all rules together say that the path, relative to the root of the work tree, passes through
 *  dv's filter? */
bool dv_attributes_filtered(const dv_attributes *a, const char *path);
/** A name for what was added so far: equal rules have equal names. */
void dv_attributes_name(const dv_attributes *a, dv_oid *out);

/** The pattern of one line, without quotes; *n is its length in the line. False when the line has
 *  none. */
bool dv_attributes_pattern(const char *line, size_t len, dv_buf *out, size_t *n);

#endif
