/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns as in gitignore: ?, *, [class], [!class], [[:name:]], \x and ** between slashes. */
#ifndef DV_GIT_WILDMATCH_H
#define DV_GIT_WILDMATCH_H

#include <stdbool.h>

/** Does `pattern` match the whole of `text`? Only ** crosses a slash, where it is a component of
 *  its own: any number of folders, or at the end everything below. Time is bounded by the product
 *  of the lengths, whatever the pattern. */
bool dv_wildmatch(const char *pattern, const char *text);

#endif
