/* SPDX-License-Identifier: Apache-2.0 */
/* Files of parameters, variables, metrics and data. */
#include "pipeline/params.h"

#include <string.h>

#include "base/toml.h"

static bool ends_with(const char *s, const char *suffix)
{
	size_t n = strlen(s), k = strlen(suffix);

	return n > k && strcmp(s + n - k, suffix) == 0;
}

/* JSON as Python writes it: NaN and Infinity stand where numbers do. YAML has words for them. */
static int parse_loose_json(dv_arena *a, const char *text, size_t n, const char *name,
			    dv_value **out)
{
	static const char *const words[][2] = { { "NaN", ".nan" }, { "Infinity", ".inf" } };
	dv_auto(dv_buf) b = DV_BUF_INIT;
	bool quoted = false, any = false;

	for (size_t i = 0; i < n; ) {
		size_t step = 1;

		if (text[i] == '"')
			quoted = !quoted;
		else if (quoted && text[i] == '\\' && i + 1 < n)
			step = 2;
		for (size_t k = 0; !quoted && k < 2 && step == 1; k++) {
			size_t len = strlen(words[k][0]);

			if (n - i >= len && !memcmp(text + i, words[k][0], len)) {
				dv_buf_adds(&b, words[k][1]);
				any = true;
				step = 0;
				i += len;
			}
		}
		if (step)
			dv_buf_add(&b, text + i, step);
		i += step;
	}
	if (b.err || !any)
		return b.err ? b.err : DV_ERROR;
	return dv_yaml_parse(a, dv_buf_str(&b), b.n, name, out);
}

static int parse_json(dv_arena *a, const char *text, size_t n, const dv_spot *at, dv_value **out)
{
	dv_autoptr(dv_json) j = NULL;
	dv_error why;
	int rc = dv_json_parse(&j, text, n, DV_PARAMS_MAX, DV_VALUE_DEPTH, at->file);

	if (rc) {
		dv_error_take(&why);
		return parse_loose_json(a, text, n, at->file, out) ? dv_error_put(&why) : 0;
	}
	*out = dv_value_from_json(a, j, at);
	return *out ? 0 : DV_ERROR;
}

int dv_data_parse(dv_arena *a, const char *text, size_t n, const char *name, dv_value **out)
{
	const dv_spot at = { .file = dv_arena_strdup(a, name) };

	*out = NULL;
	if (!at.file)
		return DV_ERROR;
	if (ends_with(name, ".toml"))
		return dv_toml_parse(a, text, n, at.file, out);
	if (ends_with(name, ".py"))
		return dv_err_hint(dv_err(DV_ERROR, "'%s' is a program, and dv runs none to learn "
					  "its values", name),
				   "keep the values in a YAML, JSON or TOML file");
	if (ends_with(name, ".json"))
		return parse_json(a, text, n, &at, out);
	return dv_yaml_parse(a, text, n, at.file, out);
}

int dv_params_parse(dv_arena *a, const char *text, size_t n, const char *name, dv_value **out)
{
	size_t blank = strspn(text, " \t\r\n");
	int rc;

	if (blank == n) {
		*out = dv_value_new(a, DV_VALUE_DICT, NULL);
		return *out ? 0 : DV_ERROR;
	}
	if ((rc = dv_data_parse(a, text, n, name, out)))
		return rc;
	if ((*out)->kind == DV_VALUE_NULL)
		(*out)->kind = DV_VALUE_DICT;
	if ((*out)->kind != DV_VALUE_DICT)
		return dv_err_at(DV_ERROR, &(*out)->at, "the file '%s' is %s, and a dict of "
				 "parameters is expected", name,
				 dv_value_kind_name((*out)->kind));
	return 0;
}

int dv_params_read(dv_arena *a, dv_repo *r, const char *path, dv_value **out)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_autofree char *abs = dv_repo_abs(r, path);
	int rc = abs ? dv_fs_read_file(&text, abs, DV_PARAMS_MAX) : DV_ERROR;

	return rc ? rc : dv_params_parse(a, dv_buf_str(&text), text.n, path, out);
}

int dv_params_read_view(dv_arena *a, dv_view *v, const char *path, dv_value **out)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = dv_view_read(v, path, DV_PARAMS_MAX, &text);

	return rc ? rc : dv_params_parse(a, dv_buf_str(&text), text.n, path, out);
}
