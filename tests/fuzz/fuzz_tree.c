/* SPDX-License-Identifier: Apache-2.0 */
/* A listing that parses must come out of the writer as the same bytes. */
#include <string.h>

#include "store/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	dv_auto(dv_tree) t = DV_TREE_INIT;
	dv_auto(dv_buf) out = DV_BUF_INIT;

	if (dv_tree_parse(&t, (const char *)data, size) < 0)
		return 0;
	dv_assert(dv_tree_write(&out, &t) == 0);
	dv_assert(out.n == size && !memcmp(out.p, data, size));
	return 0;
}
