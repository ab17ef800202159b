/* SPDX-License-Identifier: Apache-2.0 */
/* Git's index: what is read can be listed, entry by entry, each with a path. The checksum is made
 * right first, so that the fuzzer gets behind it. */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "git/index.h"

static int on_entry(const dv_gitindex_entry *e, void *payload)
{
	size_t *n = payload;

	dv_assert(*e->path && strlen(e->path) < (size_t)1 << 30);
	dv_assert(e->id_size == 20 || e->id_size == 32);
	dv_assert(e->id[0] <= 255 && e->merge_stage <= 3);
	++*n;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t zeros[20];
	dv_auto(dv_gitindex) x = DV_GITINDEX_INIT;
	dv_autoclose int fd = memfd_create("fuzz", MFD_CLOEXEC);
	char path[64];
	size_t n = 0;

	/* No checksum at all is what git writes with index.skipHash. */
	if (fd < 0 || write(fd, data, size) != (ssize_t)size || write(fd, zeros, 20) != 20)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (dv_gitindex_read(&x, path) == 0) {
		dv_assert(dv_gitindex_each(&x, on_entry, &n) == 0);
		dv_assert(n == x.nentries);
	}
	return 0;
}
