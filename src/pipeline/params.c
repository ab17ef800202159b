/* SPDX-License-Identifier: Apache-2.0 */
/* Files of parameters and variables. */
#include <string.h>

#include "pipeline/stage.h"

#define PARAMS_MAX ((size_t)64 << 20)

static bool ends_with(const char *s, const char *suffix)
{
	size_t n = strlen(s), k = strlen(suffix);

	return n > k && strcmp(s + n - k, suffix) == 0;
}

int dv_params_read(dv_arena *a, dv_repo *r, const char *path, dv_value **out)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_autofree char *abs = dv_repo_abs(r, path);
	int rc = abs ? dv_fs_read_file(&text, abs, PARAMS_MAX) : DV_ERROR;

	if (rc)
		return rc;
	const char *name = dv_arena_strdup(a, path);
	const dv_spot at = { .file = name };
	if (!name)
		return DV_ERROR;
	if (ends_with(path, ".json")) {
		dv_autoptr(dv_json) j = NULL;

		rc = dv_json_parse(&j, dv_buf_str(&text), text.n, PARAMS_MAX, DV_VALUE_DEPTH, path);
		*out = rc ? NULL : dv_value_from_json(a, j, &at);
		rc = rc ? rc : *out ? 0 : DV_ERROR;
	} else {
		rc = dv_yaml_parse(a, dv_buf_str(&text), text.n, name, out);
	}
	if (rc)
		return rc;
	if ((*out)->kind == DV_VALUE_NULL)
		(*out)->kind = DV_VALUE_DICT;
	if ((*out)->kind != DV_VALUE_DICT)
		return dv_err_at(DV_ERROR, &(*out)->at, "the file '%s' is %s, and a dict of "
				 "parameters is expected", path,
				 dv_value_kind_name((*out)->kind));
	return 0;
}
