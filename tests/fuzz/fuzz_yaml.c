/* SPDX-License-Identifier: Apache-2.0 */
/* What the fast reader of YAML understands, the full one understands in the same way; and what is
 * written in one line is read as the same value. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/yaml_block.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	dv_auto(dv_arena) a = DV_ARENA_INIT, b = DV_ARENA_INIT;
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_value *fast = NULL, *full = NULL, *again = NULL;

	if (size > 4096 || memchr(data, 0, size) ||
	    dv_yaml_block_parse(&a, (const char *)data, size, "fuzz", &fast))
		return 0;
	dv_assert(dv_yaml_full_parse(&b, (const char *)data, size, "fuzz", &full) == 0);
	dv_assert(dv_value_equal(fast, full) && fast->kind == full->kind);
	dv_assert(dv_value_yaml(&text, fast) == 0);
	dv_assert(dv_yaml_parse(&b, dv_buf_str(&text), text.n, "again", &again) == 0);
	dv_assert(dv_value_equal(fast, again));
	return 0;
}
