/* SPDX-License-Identifier: Apache-2.0 */
/* Git's packets from a pipe: whatever comes, every packet handed out was sent in full, and the end
 * is found. The same bytes may be a pointer. */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/pktline.h"
#include "git/lfs_pointer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	dv_auto(dv_pkt_reader) r = DV_PKT_READER_INIT;
	dv_autoclose int fd = memfd_create("fuzz", MFD_CLOEXEC);
	dv_auto(dv_buf) text = DV_BUF_INIT;
	enum dv_pkt_kind kind = DV_PKT_DATA;
	size_t taken = 0;

	dv_lfs_pointer_parse(NULL, data, size);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) ||
	    dv_pkt_reader_open(&r, fd))
		return 0;
	for (size_t i = 0; kind != DV_PKT_EOF; i++) {
		const uint8_t *p;
		size_t n;

		if (i % 3 == 2) {
			uint8_t part[5];

			if (dv_pkt_read_into(&r, &kind, part, 1 + i % sizeof(part), &n))
				return 0;
			dv_assert(n <= 1 + i % sizeof(part) && (n > 0) == (kind == DV_PKT_DATA));
			taken += n;
			continue;
		}
		if (i & 1) {
			if (dv_pkt_read_text(&r, &kind, &text))
				return 0;
			dv_assert(strlen(dv_buf_str(&text)) == text.n);
			continue;
		}
		if (dv_pkt_read(&r, &kind, &p, &n))
			return 0;
		dv_assert(n <= DV_PKT_DATA_MAX);
		taken += n;
		dv_assert(taken <= size);
	}
	return 0;
}
