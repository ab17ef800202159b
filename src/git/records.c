/* SPDX-License-Identifier: Apache-2.0 */
/* The names of records; see records.h. */
#include "git/records.h"

#include <string.h>

bool dv_pointer_is_name(const char *name)
{
	const size_t suffix = sizeof(DV_POINTER_SUFFIX) - 1;
	size_t n = strlen(name);

	return n > suffix && !strcmp(name + n - suffix, DV_POINTER_SUFFIX);
}

bool dv_output_is_record(const char *name)
{
	return dv_pointer_is_name(name) || strcmp(name, DV_LOCKFILE) == 0;
}
