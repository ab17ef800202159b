/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever parses as a lock file prints as one that parses to the same, and its outputs, read at
 * once or stage by stage, stay in the workspace. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/path.h"
#include "repo/lockfile.h"
#include "repo/repo.h"

static void check_outputs(const char *text, size_t n)
{
	dv_auto(dv_output_list) once = DV_OUTPUT_LIST_INIT, parts = DV_OUTPUT_LIST_INIT;
	dv_auto(dv_map) seen = DV_MAP_INIT;

	if (dv_output_list_read(&once, "d/dv.lock", text, n, NULL))
		return;
	dv_assert(dv_output_list_read(&parts, "d/dv.lock", text, n, &seen) == 0);
	dv_assert(once.n == parts.n);
	for (size_t i = 0; i < once.n; i++) {
		dv_assert(!strcmp(once.o[i].path, parts.o[i].path));
		dv_assert(!strcmp(once.o[i].stage, parts.o[i].stage));
		dv_assert(dv_path_is_safe(once.o[i].path) && !dv_repo_is_own(once.o[i].path));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	dv_auto(dv_lockfile) a = DV_LOCKFILE_INIT, b = DV_LOCKFILE_INIT;
	dv_auto(dv_buf) text = DV_BUF_INIT, again = DV_BUF_INIT;

	if (dv_lockfile_parse(&a, (const char *)data, size, "d", "d/dv.lock"))
		return 0;
	check_outputs((const char *)data, size);
	dv_assert(dv_lockfile_print(&text, &a) == 0);
	dv_assert(dv_lockfile_parse(&b, dv_buf_str(&text), text.n, "d", "d/dv.lock") == 0);
	dv_assert(dv_lockfile_print(&again, &b) == 0);
	dv_assert(text.n == again.n && !memcmp(dv_buf_str(&text), dv_buf_str(&again), text.n));
	check_outputs(dv_buf_str(&text), text.n);
	return 0;
}
