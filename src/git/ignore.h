/* SPDX-License-Identifier: Apache-2.0 */
/*
 * .dvignore: gitignore's rules, a file in any folder of the workspace. Folders below the root are
 * read when something in them is first asked about, once. ".git" and ".dv" are always ignored.
 * Queries may come from any thread.
 */
#ifndef DV_GIT_IGNORE_H
#define DV_GIT_IGNORE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

#define DV_IGNORE_FILE ".dvignore"
#define DV_IGNORE_FILE_MAX ((size_t)1 << 20)

typedef struct dv_ignore dv_ignore;
/** Where a decision came from; borrowed from the dv_ignore. */
typedef struct dv_ignore_rule {
	const char *pattern;	/* as written */
	const char *file;	/* relative to the root; "" for what is built in */
	int line;
} dv_ignore_rule;

/** root NULL: no file is read, the rules come from dv_ignore_add_text. */
int dv_ignore_new(dv_ignore **out, const char *root) DV_MUST_CHECK;
void dv_ignore_free(dv_ignore *i);
DV_DEFINE_AUTOPTR(dv_ignore)
/** Is the path (relative to the root, normal) ignored, itself or through a folder above it? *why
 *  (may be NULL) is the rule that decided, also one that re-includes; NULL when none matched. A
 *  .dvignore that cannot be read counts as empty, with a warning. */
bool dv_ignore_match(dv_ignore *i, const char *path, bool is_dir, const dv_ignore_rule **why);
/** As match, for walks that did not descend into ignored folders: looks at the path itself only. */
bool dv_ignore_match_here(dv_ignore *i, const char *path, bool is_dir, const dv_ignore_rule **why);
/** Adds the rules of text as those of folder `dir` ("" is the root). */
int dv_ignore_add_text(dv_ignore *i, const char *dir, const char *text, size_t n) DV_MUST_CHECK;

#endif
