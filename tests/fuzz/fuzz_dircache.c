/* SPDX-License-Identifier: Apache-2.0 */
/* A row of the stat cache that parses is sorted, findable, and prints as the same bytes. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "repo/statcache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	dv_auto(dv_dircache) d = DV_DIRCACHE_INIT;
	dv_auto(dv_buf) out = DV_BUF_INIT;
	bool whole = true;

	if (dv_dircache_parse(&d, data, size) < 0) {
		dv_error_clear();
		return 0;
	}
	for (size_t i = 0; i < d.n; i++) {
		dv_assert(dv_dircache_find(&d, d.files[i].name) == &d.files[i]);
		/* Rows without an oid are not written. */
		whole &= !dv_oid_is_zero(&d.files[i].oid);
	}
	dv_assert(dv_dircache_print(&out, &d) == 0);
	dv_assert(!whole || (out.n == size && !memcmp(out.p, data, size)));
	return 0;
}
