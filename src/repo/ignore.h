/* SPDX-License-Identifier: Apache-2.0 */
/*
 * .dvignore: gitignore's rules, a file in any folder of the workspace. Folders below the root are
 * read when something in them is first asked about, once. ".git" and ".dv" are always ignored.
 * Queries may come from any thread. Also the lines that dv keeps in .gitignore.
 */
#ifndef DV_REPO_IGNORE_H
#define DV_REPO_IGNORE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "repo/scratch.h"

#define DV_IGNORE_FILE ".dvignore"
#define DV_IGNORE_FILE_MAX ((size_t)1 << 20)
#define DV_GITIGNORE_MAX ((size_t)16 << 20)

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
/** Does a gitignore-style pattern (*, ?, [], ** across folders) match the whole path? */
bool dv_glob_match(const char *pattern, const char *path);

/** Adds the line "/NAME", escaped, to DIR/.gitignore (made when absent). *changed may be NULL. The
 *  rest of the file stays. DV_EUNSAFE when .gitignore is a symbolic link. */
int dv_gitignore_add(const dv_scratch *s, const char *dir, const char *name, bool *changed)
	DV_MUST_CHECK;
/** The same for many names with one write. */
int dv_gitignore_add_all(const dv_scratch *s, const char *dir, const char *const *names, size_t n,
			 bool *changed) DV_MUST_CHECK;
/** Does the text of a .gitignore have that line? */
int dv_gitignore_has(const dv_buf *text, const char *name, bool *has) DV_MUST_CHECK;
/** Takes the line out; removes a file that is empty then. */
int dv_gitignore_remove(const dv_scratch *s, const char *dir, const char *name, bool *changed)
	DV_MUST_CHECK;

#endif
