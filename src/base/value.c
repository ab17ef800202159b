/* SPDX-License-Identifier: Apache-2.0 */
/* Values: making, finding, comparing, writing. */
#include "base/value.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

#define LINEAR_MAX 12	/* members that are looked through one by one */

int dv_err_at(int code, const dv_spot *at, const char *fmt, ...)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	dv_buf_vaddf(&b, fmt, ap);
	va_end(ap);
	if (!at || !at->file)
		return dv_err(code, "%s", dv_buf_str(&b));
	if (!at->line)
		return dv_err(code, "%s: %s", at->file, dv_buf_str(&b));
	return dv_err(code, "%s:%u:%u: %s", at->file, at->line, at->column, dv_buf_str(&b));
}

const char *dv_value_kind_name(enum dv_value_kind kind)
{
	static const char *const names[] = {
		[DV_VALUE_NULL] = "null", [DV_VALUE_BOOL] = "true or false",
		[DV_VALUE_INT] = "a number", [DV_VALUE_FLOAT] = "a number",
		[DV_VALUE_STRING] = "text", [DV_VALUE_LIST] = "a list", [DV_VALUE_DICT] = "a dict",
	};

	return names[kind];
}

dv_value *dv_value_new(dv_arena *a, enum dv_value_kind kind, const dv_spot *at)
{
	dv_value *v = dv_arena_alloc(a, sizeof(*v));

	if (v) {
		v->kind = kind;
		if (at)
			v->at = *at;
	}
	return v;
}

dv_value *dv_value_string(dv_arena *a, const char *s, const dv_spot *at)
{
	dv_value *v = dv_value_new(a, DV_VALUE_STRING, at);

	if (v && !(v->s = dv_arena_strdup(a, s)))
		return NULL;
	return v;
}

int dv_value_append(dv_arena *a, dv_value *list, dv_value *item)
{
	int rc = item ? dv_arena_grow(a, &list->items, &list->cap, list->n + 1, sizeof(item)) :
			DV_ERROR;

	if (rc == 0)
		list->items[list->n++] = item;
	return rc;
}

/* -- members ----------------------------------------------------------------------------------- */

/* FNV-1a; what makes a table slow on purpose only slows down who wrote the file. */
static size_t hash(const char *key)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *key; key++)
		h = (h ^ (unsigned char)*key) * 0x100000001b3u;
	return (size_t)(h ^ h >> 32);
}

static void enter(dv_value *d, size_t member)
{
	size_t mask = 2 * d->cap - 1, i = hash(d->members[member].key) & mask;

	while (d->table[i])
		i = (i + 1) & mask;
	d->table[i] = (uint32_t)member + 1;
}

dv_member *dv_value_member(dv_value *d, const char *key)
{
	if (!d || d->kind != DV_VALUE_DICT)
		return NULL;
	if (!d->table) {
		for (size_t i = 0; i < d->n; i++)
			if (strcmp(d->members[i].key, key) == 0)
				return &d->members[i];
		return NULL;
	}
	size_t mask = 2 * d->cap - 1;
	for (size_t i = hash(key) & mask; d->table[i]; i = (i + 1) & mask) {
		dv_member *m = &d->members[d->table[i] - 1];

		if (strcmp(m->key, key) == 0)
			return m;
	}
	return NULL;
}

dv_value *dv_value_get(dv_value *dict, const char *key)
{
	dv_member *m = dv_value_member(dict, key);

	return m ? m->value : NULL;
}

int dv_value_set(dv_arena *a, dv_value *d, const char *key, const dv_spot *at, dv_value *value)
{
	dv_member *m = dv_value_member(d, key);

	if (!value)
		return DV_ERROR;
	if (m) {
		m->value = value;
		return 0;
	}
	size_t cap = d->cap;
	int rc = d->n < UINT32_MAX / 4 ? dv_arena_grow(a, &d->members, &d->cap, d->n + 1,
						       sizeof(*d->members)) : dv_err_nomem();
	char *copy = rc ? NULL : dv_arena_strdup(a, key);
	if (!copy)
		return DV_ERROR;
	d->members[d->n++] = (dv_member){ copy, at ? *at : (dv_spot){ 0 }, value };
	if (d->cap <= LINEAR_MAX)
		return 0;
	if (cap == d->cap) {
		enter(d, d->n - 1);
		return 0;
	}
	d->table = dv_arena_alloc(a, 2 * d->cap * sizeof(*d->table));
	for (size_t i = 0; d->table && i < d->n; i++)
		enter(d, i);
	return d->table ? 0 : DV_ERROR;
}

dv_value *dv_value_copy(dv_arena *a, const dv_value *v)
{
	dv_value *copy = dv_value_new(a, v->kind, &v->at);

	if (!copy)
		return NULL;
	copy->b = v->b;
	copy->i = v->i;
	copy->f = v->f;
	copy->odd_key = v->odd_key;
	if (v->s && !(copy->s = dv_arena_strdup(a, v->s)))
		return NULL;
	for (size_t i = 0; i < v->n; i++) {
		const dv_member *m = v->kind == DV_VALUE_DICT ? &v->members[i] : NULL;
		dv_value *item = dv_value_copy(a, m ? m->value : v->items[i]);

		if (!item || (m ? dv_value_set(a, copy, m->key, &m->at, item) :
				  dv_value_append(a, copy, item)))
			return NULL;
	}
	return copy;
}

dv_value *dv_value_at(dv_value *v, const char *dotted)
{
	char word[256];

	while (v && *dotted) {
		size_t n = strcspn(dotted, ".[");

		if (*dotted == '[') {
			dotted++;
			n = strcspn(dotted, "]");
		}
		if (n >= sizeof(word))
			return NULL;
		memcpy(word, dotted, n);
		word[n] = 0;
		dotted += n;
		dotted += *dotted == ']';
		dotted += *dotted == '.';
		if (v->kind == DV_VALUE_LIST) {
			char *end = NULL;
			long i = strtol(word, &end, 10);

			if (end == word || *end || i < 0 || (size_t)i >= v->n)
				return NULL;
			v = v->items[i];
		} else {
			v = dv_value_get(v, word);
		}
	}
	return v;
}

/* -- comparing --------------------------------------------------------------------------------- */

static bool number(const dv_value *v, double *f)
{
	if (v->s && v->kind == DV_VALUE_INT)
		return false;
	*f = v->kind == DV_VALUE_FLOAT ? v->f : v->kind == DV_VALUE_INT ? (double)v->i : v->b;
	return v->kind == DV_VALUE_FLOAT || v->kind == DV_VALUE_INT || v->kind == DV_VALUE_BOOL;
}

static bool equal_dicts(const dv_value *a, const dv_value *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		/* What the lookup returns is not changed. */
		const dv_value *other = dv_value_get((dv_value *)(uintptr_t)b, a->members[i].key);

		if (!other || !dv_value_equal(a->members[i].value, other))
			return false;
	}
	return true;
}

bool dv_value_equal(const dv_value *a, const dv_value *b)
{
	double x, y;

	if (a->kind == DV_VALUE_INT && b->kind == DV_VALUE_INT)
		return a->s || b->s ? a->s && b->s && !strcmp(a->s, b->s) : a->i == b->i;
	if (number(a, &x) && number(b, &y))
		return x == y;
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case DV_VALUE_NULL:
		return true;
	case DV_VALUE_STRING:
		return strcmp(a->s, b->s) == 0;
	case DV_VALUE_LIST:
		if (a->n != b->n)
			return false;
		for (size_t i = 0; i < a->n; i++)
			if (!dv_value_equal(a->items[i], b->items[i]))
				return false;
		return true;
	case DV_VALUE_DICT:
		return equal_dicts(a, b);
	default:
		return false;
	}
}

bool dv_value_same(const dv_value *a, const dv_value *b)
{
	if (a->kind != b->kind || a->n != b->n || !a->s != !b->s || (a->s && strcmp(a->s, b->s)))
		return false;
	if (dv_value_is_scalar(a))
		return a->b == b->b && a->i == b->i &&
		       (a->f == b->f || (isnan(a->f) && isnan(b->f)));
	for (size_t i = 0; i < a->n; i++) {
		/* What the lookup returns is not changed. */
		const dv_value *other = a->kind == DV_VALUE_LIST ? b->items[i] :
					dv_value_get((dv_value *)(uintptr_t)b, a->members[i].key);

		if (!other || !dv_value_same(a->kind == DV_VALUE_LIST ? a->items[i] :
					     a->members[i].value, other))
			return false;
	}
	return true;
}

/* -- text -------------------------------------------------------------------------------------- */

void dv_double_text(char out[32], double f)
{
	char digits[40];
	int exponent = 0;

	if (isnan(f) || isinf(f)) {
		snprintf(out, 32, "%s", isnan(f) ? "nan" : f < 0 ? "-inf" : "inf");
		return;
	}
	for (int precision = 0; precision < 17; precision++) {
		snprintf(digits, sizeof(digits), "%.*e", precision, f);
		if (strtod(digits, NULL) == f)
			break;
	}
	char *e = strchr(digits, 'e');
	exponent = e ? (int)strtol(e + 1, NULL, 10) : 0;
	if (exponent < -4 || exponent >= 16) {
		int mantissa = (int)(e - digits);

		snprintf(out, 32, "%.*se%c%02d", mantissa, digits, exponent < 0 ? '-' : '+',
			 exponent < 0 ? -exponent : exponent);
		return;
	}
	int significant = (int)strcspn(digits[0] == '-' ? digits + 1 : digits, "e");
	significant -= significant > 1;	/* the point */
	int decimals = significant - 1 - exponent;
	snprintf(out, 32, "%.*f", decimals > 0 ? decimals : 1, f);
}

int dv_value_text(dv_buf *out, const dv_value *v)
{
	char number_text[32];

	switch (v->kind) {
	case DV_VALUE_NULL:
		return dv_buf_adds(out, "None");
	case DV_VALUE_BOOL:
		return dv_buf_adds(out, v->b ? "true" : "false");
	case DV_VALUE_INT:
		return v->s ? dv_buf_adds(out, v->s) : dv_buf_addf(out, "%lld", (long long)v->i);
	case DV_VALUE_FLOAT:
		dv_double_text(number_text, v->f);
		return dv_buf_adds(out, number_text);
	case DV_VALUE_STRING:
		return dv_buf_adds(out, v->s);
	default:
		return dv_err(DV_ERROR, "%s is no text", dv_value_kind_name(v->kind));
	}
}

/* -- JSON -------------------------------------------------------------------------------------- */

static dv_json *collection_to_json(const dv_value *v)
{
	bool list = v->kind == DV_VALUE_LIST;
	dv_autoptr(dv_json) j = list ? json_array() : json_object();

	for (size_t i = 0; j && i < v->n; i++) {
		dv_json *item = dv_value_to_json(list ? v->items[i] : v->members[i].value);

		if (!item || (list ? json_array_append_new(j, item) :
				     json_object_set_new(j, v->members[i].key, item))) {
			dv_err_nomem();
			return NULL;
		}
	}
	return dv_steal(&j);
}

dv_json *dv_value_to_json(const dv_value *v)
{
	switch (v->kind) {
	case DV_VALUE_NULL:
		return json_null();
	case DV_VALUE_BOOL:
		return json_boolean(v->b);
	case DV_VALUE_INT:
		return v->s ? json_string(v->s) : json_integer(v->i);
	case DV_VALUE_FLOAT:
		return isfinite(v->f) ? json_real(v->f) : json_null();
	case DV_VALUE_STRING:
		return json_string(v->s);
	default:
		return collection_to_json(v);
	}
}

static dv_value *collection_from_json(dv_arena *a, const dv_json *j, const dv_spot *at)
{
	dv_value *v = dv_value_new(a, json_is_array(j) ? DV_VALUE_LIST : DV_VALUE_DICT, at);
	const char *key;
	json_t *item;
	size_t i;

	if (!v)
		return NULL;
	if (json_is_array(j)) {
		json_array_foreach(j, i, item)
			if (dv_value_append(a, v, dv_value_from_json(a, item, at)))
				return NULL;
		return v;
	}
	json_object_foreach((json_t *)(uintptr_t)j, key, item)
		if (dv_value_set(a, v, key, at, dv_value_from_json(a, item, at)))
			return NULL;
	return v;
}

dv_value *dv_value_from_json(dv_arena *a, const dv_json *j, const dv_spot *at)
{
	dv_value *v;

	switch (json_typeof(j)) {
	case JSON_OBJECT:
	case JSON_ARRAY:
		return collection_from_json(a, j, at);
	case JSON_STRING:
		return dv_value_string(a, json_string_value(j), at);
	case JSON_INTEGER:
		v = dv_value_new(a, DV_VALUE_INT, at);
		if (v)
			v->i = json_integer_value(j);
		return v;
	case JSON_REAL:
		v = dv_value_new(a, DV_VALUE_FLOAT, at);
		if (v)
			v->f = json_real_value(j);
		return v;
	case JSON_NULL:
		return dv_value_new(a, DV_VALUE_NULL, at);
	default:
		v = dv_value_new(a, DV_VALUE_BOOL, at);
		if (v)
			v->b = json_is_true(j);
		return v;
	}
}
