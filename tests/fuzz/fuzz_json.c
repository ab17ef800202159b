/* SPDX-License-Identifier: Apache-2.0 */
/* JSON from outside parses within bounds or fails; what parses has one canonical form. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/json.h"

static void ask(const dv_json *j)
{
	const char *s = NULL;
	dv_json *inner = NULL;
	uint64_t u = 0;
	bool b = false;

	if (dv_json_get_str(j, "a", &s) == 0)
		dv_assert(s && strlen(s) <= 4096);
	if (dv_json_get_u64(j, "a", 999, &u) == 0)
		dv_assert(u <= 999);
	if (dv_json_get_array(j, "a", 3, &inner) == 0)
		dv_assert(json_array_size(inner) <= 3);
	if (dv_json_get_object(j, "a", &inner) == 0)
		dv_assert(json_is_object(inner));
	if (dv_json_get_bool(j, "a", &b) < 0)
		dv_error_clear();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	dv_autoptr(dv_json) j = NULL;
	dv_autoptr(dv_json) again = NULL;
	dv_auto(dv_buf) one = DV_BUF_INIT, two = DV_BUF_INIT;

	if (dv_json_parse(&j, data, size, 4096, 6, "fuzz") < 0) {
		dv_error_clear();
		return 0;
	}
	if (json_is_object(j))
		ask(j);
	/* What was read can be written, unless a number has no canonical form. */
	if (dv_json_write(&one, j) < 0) {
		dv_error_clear();
		return 0;
	}
	dv_assert(dv_json_parse(&again, one.p, one.n, (size_t)1 << 20, 6, "again") == 0);
	dv_assert(dv_json_write(&two, again) == 0);
	dv_assert(one.n == two.n && !memcmp(one.p, two.p, one.n));
	return 0;
}
