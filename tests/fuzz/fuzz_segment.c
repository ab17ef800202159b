/* SPDX-License-Identifier: Apache-2.0 */
/* An index segment from anywhere: every entry is looked at, looked up and merged into a new one,
 * which must then be whole. */
#include <stdlib.h>

#include "store/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	dv_autoptr(dv_segment) s = NULL;
	dv_autoptr(dv_segment) t = NULL;
	dv_autoptr(dv_segment_builder) b = NULL;
	dv_auto(dv_buf) out = DV_BUF_INIT;
	dv_oid id, name;
	dv_place at;

	if (dv_segment_open_memory(&s, data, size))
		return 0;
	for (size_t i = 0; i < dv_segment_count(s); i++) {
		if (!dv_segment_at(s, i, &id, &at))
			continue;
		if (at.offset > at.in.size || at.stored > at.in.size - at.offset)
			abort();
		dv_segment_find(s, at.kind, &id, &at);
	}
	if (dv_segment_builder_new(&b) || dv_segment_builder_merge(b, s, NULL, NULL) ||
	    dv_segment_builder_finish(b, &out, &name))
		return 0;
	if (dv_segment_open_memory(&t, out.p, out.n))
		abort();
	for (size_t i = 0; i < dv_segment_count(t); i++)
		if (!dv_segment_at(t, i, &id, &at) || !dv_segment_find(t, at.kind, &id, &at))
			abort();
	return 0;
}
