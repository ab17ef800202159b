/* SPDX-License-Identifier: Apache-2.0 */
/* Settings from outside parse or fail; an edit of what parses parses again and holds the value. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "repo/config.h"

static int check(const char *key, const char *value, size_t begin, size_t end, void *payload)
{
	dv_assert(begin < end && strchr(key, '.'));
	if (!strcmp(key, "core.remote"))
		*(bool *)payload = value && !strcmp(value, " a\"b;\n");
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	dv_auto(dv_buf) out = DV_BUF_INIT;
	dv_auto(dv_buf) renamed = DV_BUF_INIT;
	bool set = false, found = false;

	if (dv_config_parse((const char *)data, size, "fuzz", check, &set))
		return 0;
	dv_assert(dv_config_edit(&out, (const char *)data, size, "fuzz", "core.remote",
				 " a\"b;\n") == 0);
	dv_assert(dv_config_parse(dv_buf_str(&out), out.n, "again", check, &set) == 0);
	dv_assert(set);
	/* A section that was renamed is not found again. */
	if (dv_config_edit_section(&renamed, (const char *)data, size, "fuzz", "remote.x\"y",
				   "remote.]#", &found) == 0 && found) {
		dv_buf_clear(&out);
		dv_assert(dv_config_edit_section(&out, dv_buf_str(&renamed), renamed.n, "again",
						 "remote.x\"y", NULL, &found) == 0);
		dv_assert(!found);
	}
	dv_error_clear();
	return 0;
}
