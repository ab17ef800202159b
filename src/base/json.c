/* SPDX-License-Identifier: Apache-2.0 */
/* Thin helpers over jansson; see json.h. */
#include "base/json.h"

#include <string.h>

/* Depth is bounded before parsing, by counting: the parser recurses. */
static bool too_deep(const char *p, size_t n, int max_depth)
{
	bool in_string = false;
	int depth = 0;

	for (size_t i = 0; i < n; i++) {
		if (in_string) {
			if (p[i] == '\\')
				i++;
			else if (p[i] == '"')
				in_string = false;
		} else if (p[i] == '"') {
			in_string = true;
		} else if (p[i] == '{' || p[i] == '[') {
			if (++depth > max_depth)
				return true;
		} else if ((p[i] == '}' || p[i] == ']') && depth > 0) {
			depth--;
		}
	}
	return false;
}

int dv_json_parse(dv_json **out, const void *p, size_t n, size_t max_size, int max_depth,
		  const char *name)
{
	json_error_t e;

	*out = NULL;
	if (n > max_size)
		return dv_err(DV_ECORRUPT, "%s: %zu bytes are more than the %zu allowed", name, n,
			      max_size);
	if (too_deep(p, n, max_depth))
		return dv_err(DV_ECORRUPT, "%s: nested deeper than %d levels", name, max_depth);
	*out = json_loadb(p, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
	if (*out)
		return 0;
	if (json_error_code(&e) == json_error_out_of_memory)
		return dv_err_nomem();
	return dv_err(DV_ECORRUPT, "%s: line %d, column %d: %s", name, e.line, e.column, e.text);
}

/* The member, or NULL with *rc 0 (absent and optional) or an error. */
static json_t *member(const json_t *obj, const char *key, bool required, int *rc)
{
	json_t *v;

	*rc = 0;
	if (!json_is_object(obj)) {
		*rc = dv_err(DV_ECORRUPT, "expected an object with the key '%s'", key);
		return NULL;
	}
	v = json_object_get(obj, key);
	if (!v && required)
		*rc = dv_err(DV_ECORRUPT, "the key '%s' is missing", key);
	return v;
}

static int wrong(const char *key, const char *what)
{
	return dv_err(DV_ECORRUPT, "the value of '%s' is not %s", key, what);
}

static int get_str(const json_t *obj, const char *key, bool required, const char **out)
{
	int rc;
	json_t *v = member(obj, key, required, &rc);

	if (!v)
		return rc;
	if (!json_is_string(v))
		return wrong(key, "a string");
	*out = json_string_value(v);
	return 0;
}

static int get_u64(const json_t *obj, const char *key, bool required, uint64_t max, uint64_t *out)
{
	int rc;
	json_t *v = member(obj, key, required, &rc);

	if (!v)
		return rc;
	if (!json_is_integer(v))
		return wrong(key, "an integer");
	if (json_integer_value(v) < 0 || (uint64_t)json_integer_value(v) > max)
		return dv_err(DV_ECORRUPT, "the value of '%s' is not from 0 to %llu", key,
			      (unsigned long long)max);
	*out = (uint64_t)json_integer_value(v);
	return 0;
}

static int get_bool(const json_t *obj, const char *key, bool required, bool *out)
{
	int rc;
	json_t *v = member(obj, key, required, &rc);

	if (!v)
		return rc;
	if (!json_is_boolean(v))
		return wrong(key, "true or false");
	*out = json_is_true(v);
	return 0;
}

static int get_array(const json_t *obj, const char *key, bool required, size_t max, json_t **out)
{
	int rc;
	json_t *v = member(obj, key, required, &rc);

	if (!v)
		return rc;
	if (!json_is_array(v))
		return wrong(key, "a list");
	if (json_array_size(v) > max)
		return dv_err(DV_ECORRUPT, "the list '%s' has more than %zu items", key, max);
	*out = v;
	return 0;
}

static int get_object(const json_t *obj, const char *key, bool required, json_t **out)
{
	int rc;
	json_t *v = member(obj, key, required, &rc);

	if (!v)
		return rc;
	if (!json_is_object(v))
		return wrong(key, "an object");
	*out = v;
	return 0;
}

int dv_json_get_str(const dv_json *obj, const char *key, const char **out)
{
	return get_str(obj, key, true, out);
}

int dv_json_opt_str(const dv_json *obj, const char *key, const char **out)
{
	return get_str(obj, key, false, out);
}

int dv_json_get_u64(const dv_json *obj, const char *key, uint64_t max, uint64_t *out)
{
	return get_u64(obj, key, true, max, out);
}

int dv_json_opt_u64(const dv_json *obj, const char *key, uint64_t max, uint64_t *out)
{
	return get_u64(obj, key, false, max, out);
}

int dv_json_get_bool(const dv_json *obj, const char *key, bool *out)
{
	return get_bool(obj, key, true, out);
}

int dv_json_opt_bool(const dv_json *obj, const char *key, bool *out)
{
	return get_bool(obj, key, false, out);
}

int dv_json_get_array(const dv_json *obj, const char *key, size_t max_items, dv_json **out)
{
	return get_array(obj, key, true, max_items, out);
}

int dv_json_opt_array(const dv_json *obj, const char *key, size_t max_items, dv_json **out)
{
	return get_array(obj, key, false, max_items, out);
}

int dv_json_get_object(const dv_json *obj, const char *key, dv_json **out)
{
	return get_object(obj, key, true, out);
}

int dv_json_opt_object(const dv_json *obj, const char *key, dv_json **out)
{
	return get_object(obj, key, false, out);
}

static int add_text(const char *p, size_t n, void *payload)
{
	return dv_buf_add(payload, p, n) ? -1 : 0;
}

int dv_json_write(dv_buf *out, const dv_json *j)
{
	size_t before = out->n;

	if (out->err)
		return out->err;
	if (json_dump_callback(j, add_text, out,
			       JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) == 0)
		return 0;
	if (out->n > before) {
		out->n = before;
		out->p[before] = '\0';
	}
	return out->err ? out->err : dv_err(DV_ERROR, "cannot write a value as JSON");
}

int dv_json_set(dv_json *obj, const char *key, dv_json *value)
{
	if (!value)
		return dv_err_nomem();
	if (json_object_set_new(obj, key, value))
		return dv_err(DV_ERROR, "cannot set the key '%s'", key);
	return 0;
}

int dv_json_set_oid(dv_json *obj, const char *key, const dv_oid *oid)
{
	char text[DV_OID_TEXT_SIZE + 1];

	dv_oid_text(text, oid);
	return dv_json_set_str(obj, key, text);
}

int dv_json_set_str(dv_json *obj, const char *key, const char *s)
{
	json_t *value = json_string(s);

	if (!value)
		return dv_err(DV_EUSAGE, "the value of '%s' is not UTF-8", key);
	return dv_json_set(obj, key, value);
}
