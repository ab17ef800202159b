/* SPDX-License-Identifier: Apache-2.0 */
/* Rules and paths from outside: first line the path, the rest the rules. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "git/ignore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	const char *eol = size ? memchr(text, '\n', size) : NULL;
	dv_autoptr(dv_ignore) ig = NULL;

	if (!eol || size > 65536)
		return 0;
	dv_autofree char *path = dv_strndup(text, (size_t)(eol - text));
	size_t skip = (size_t)(eol - text) + 1;
	if (!path || !dv_path_is_safe(path) || dv_ignore_new(&ig, "/nonexistent"))
		return 0;
	dv_assert(dv_ignore_add_text(ig, "", text + skip, size - skip) == 0);
	bool as_file = dv_ignore_match(ig, path, false, NULL);
	bool as_dir = dv_ignore_match(ig, path, true, NULL);
	bool again = dv_ignore_match(ig, path, false, NULL);
	dv_assert(as_file == again);
	(void)as_dir;
	return 0;
}
