/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever parses as a pointer prints as one that parses to the same, and prints the same again. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "repo/pointer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	dv_auto(dv_pointer) a = DV_POINTER_INIT;
	dv_auto(dv_pointer) b = DV_POINTER_INIT;
	dv_auto(dv_buf) text = DV_BUF_INIT, again = DV_BUF_INIT;

	if (dv_pointer_parse(&a, (const char *)data, size, "fuzz.dv"))
		return 0;
	dv_assert(dv_pointer_print(&text, &a) == 0);
	if (text.n > DV_POINTER_MAX)
		return 0;
	dv_assert(dv_pointer_parse(&b, dv_buf_str(&text), text.n, "again.dv") == 0);
	dv_assert(dv_pointer_print(&again, &b) == 0);
	dv_assert(!strcmp(dv_buf_str(&text), dv_buf_str(&again)));
	dv_assert(!strcmp(a.path, b.path) && dv_oid_eq(&a.oid, &b.oid) && a.size == b.size);
	dv_assert(a.is_dir == b.is_dir && a.nfiles == b.nfiles && a.isexec == b.isexec);
	return 0;
}
