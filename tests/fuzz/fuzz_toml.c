/* SPDX-License-Identifier: Apache-2.0 */
/* TOML from outside parses within bounds or fails at a place; what parses can be written. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	dv_auto(dv_arena) a = DV_ARENA_INIT;
	dv_value *v = NULL;

	if (dv_toml_parse(&a, (const char *)data, size, "fuzz", &v) < 0) {
		dv_assert(strstr(dv_error_last()->message, "fuzz:") == dv_error_last()->message);
		dv_error_clear();
		return 0;
	}
	dv_assert(v->kind == DV_VALUE_DICT);
	dv_autoptr(dv_json) j = dv_value_to_json(v);
	dv_assert(j != NULL);
	return 0;
}
