/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which files in git are records: those that name data, and are told from all others by their names
 * alone. What stands in them is for the layers above.
 */
#ifndef DV_GIT_RECORDS_H
#define DV_GIT_RECORDS_H

#include <stdbool.h>
#include <stddef.h>

#define DV_POINTER_SUFFIX ".dv"
#define DV_LOCKFILE "dv.lock"
/** The largest lock file that is read, in bytes; for pointers see DV_GIT_POINTER_MAX. */
#define DV_LOCKFILE_MAX ((size_t)128 << 20)

/** Is this name one of a pointer: "x.dv" with a non-empty x? */
bool dv_pointer_is_name(const char *name);
/** Does a file of that name record outputs: is it one of a pointer, or "dv.lock"? */
bool dv_output_is_record(const char *name);

#endif
