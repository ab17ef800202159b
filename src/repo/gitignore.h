/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lines that dv keeps in .gitignore, so that git passes over outputs. What else stands there is
 * left as it is.
 */
#ifndef DV_REPO_GITIGNORE_H
#define DV_REPO_GITIGNORE_H

#include "base/buf.h"
#include "repo/scratch.h"

#define DV_GITIGNORE_MAX ((size_t)16 << 20)

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
