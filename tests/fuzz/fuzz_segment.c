/* SPDX-License-Identifier: Apache-2.0 */
/* An index segment from anywhere: every entry is looked at, looked up and merged into a new one,
 * which must then be whole. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fs.h"
#include "store/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	dv_autoptr(dv_segment) s = NULL;
	dv_autoptr(dv_segment) t = NULL;
	dv_autoclose int fd = -1;
	dv_auto(dv_buf) out = DV_BUF_INIT;
	const dv_segment *in;
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
	in = s;
	fd = memfd_create("segment", MFD_CLOEXEC);
	if (fd < 0 || dv_segment_merge(&in, 1, NULL, NULL, fd, &name) ||
	    lseek(fd, 0, SEEK_SET) != 0 || dv_fs_read_fd(&out, fd, "segment", SIZE_MAX / 2))
		return 0;
	if (dv_segment_open_memory(&t, out.p, out.n))
		abort();
	for (size_t i = 0; i < dv_segment_count(t); i++)
		if (!dv_segment_at(t, i, &id, &at) || !dv_segment_find(t, at.kind, &id, &at))
			abort();
	return 0;
}
