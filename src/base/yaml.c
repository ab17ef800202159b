/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML in and out. Reading follows YAML 1.2's core schema with what Python's readers of such files
 * add (underscores in numbers, merge keys), and is bounded: depth, number of values after anchors
 * were expanded. What is wrong is told with its line. Writing is done a scalar at a time, by those
 * who edit files and keep the rest of them as it is.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <libfyaml.h>

#include "base/alloc.h"
#include "base/value.h"
#include "base/yaml_block.h"

#define VALUES_MAX ((size_t)8 << 20)

/* -- plain scalars ----------------------------------------------------------------------------- */

static bool one_of(const char *s, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(s, *words) == 0)
			return true;
	return false;
}

/* Digits of a base, with '_' between them. */
static bool digits(const char *s, size_t n, int base)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		int c = tolower((unsigned char)s[i]);
		int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;

		if (c == '_')
			continue;
		if (d >= base)
			return false;
		any = true;
	}
	return any;
}

static bool is_int(const char *s, int *base)
{
	s += *s == '-' || *s == '+';
	size_t n = strlen(s);

	char mark = s[0] == '0' && n > 2 ? s[1] : 0;

	*base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
	if (*base != 10)
		s += 2, n -= 2;
	return *s != '_' && digits(s, n, *base);
}

static bool is_float(const char *s)
{
	s += *s == '-' || *s == '+';
	if (*s == '_')
		return false;
	size_t whole = strspn(s, "0123456789_"), part = 0;
	bool point = s[whole] == '.';
	const char *e = s + whole + point;

	part = point ? strspn(e, "0123456789_") : 0;
	e += part;
	if (whole + part == 0 || (part && e[-(long)part] == '_'))
		return false;
	if (!*e)
		return point;
	if (tolower((unsigned char)*e) != 'e')
		return false;
	e += 1 + (e[1] == '-' || e[1] == '+');
	return *e && !e[strspn(e, "0123456789")];
}

/* Without '_'; NULL when it is too long for a number. */
static const char *clean(char out[400], const char *s)
{
	size_t n = 0;

	for (; *s && n < 399; s++)
		if (*s != '_')
			out[n++] = *s;
	out[n] = 0;
	return *s ? NULL : out;
}

static int plain_int(dv_arena *a, const char *s, int base, dv_value *v)
{
	char text[400];
	const char *c = clean(text, s);
	bool minus = *s == '-';

	v->kind = DV_VALUE_INT;
	if (c) {
		c += *c == '-' || *c == '+';
		c += base == 10 ? 0 : 2;
		errno = 0;
		unsigned long long u = strtoull(c, NULL, base);
		if (!errno && u <= (unsigned long long)INT64_MAX + minus) {
			v->i = minus ? (int64_t)(0 - u) : (int64_t)u;
			return 0;
		}
	}
	v->s = dv_arena_strdup(a, s);
	return v->s ? 0 : DV_ERROR;
}

int dv_yaml_plain(dv_arena *a, const char *s, const dv_spot *at, dv_value **out)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const yes[] = { "true", "True", "TRUE", NULL };
	static const char *const no[] = { "false", "False", "FALSE", NULL };
	static const char *const inf[] = { ".inf", ".Inf", ".INF", NULL };
	static const char *const nan_[] = { ".nan", ".NaN", ".NAN", NULL };
	dv_value *v = *out = dv_value_new(a, DV_VALUE_NULL, at);
	bool sign = *s == '-' || *s == '+';
	char text[400];
	int base;

	if (!v)
		return DV_ERROR;
	if (one_of(s, nulls))
		return 0;
	if (one_of(s, yes) || one_of(s, no)) {
		v->kind = DV_VALUE_BOOL;
		v->b = one_of(s, yes);
		return 0;
	}
	if (is_int(s, &base))
		return plain_int(a, s, base, v);
	if (one_of(s + sign, inf) || one_of(s, nan_)) {
		v->kind = DV_VALUE_FLOAT;
		v->f = one_of(s, nan_) ? (double)NAN : *s == '-' ? -(double)INFINITY :
		       (double)INFINITY;
		return 0;
	}
	if (is_float(s) && clean(text, s)) {
		v->kind = DV_VALUE_FLOAT;
		v->f = strtod(text, NULL);
		return 0;
	}
	v->kind = DV_VALUE_STRING;
	v->s = dv_arena_strdup(a, s);
	return v->s ? 0 : DV_ERROR;
}

/* -- documents --------------------------------------------------------------------------------- */

typedef struct fy_diag dv_fydiag;
static void dv_fydiag__freep(dv_fydiag **d)
{
	fy_diag_destroy(*d);
}
typedef struct fy_document dv_fydoc;
static void dv_fydoc__freep(dv_fydoc **d)
{
	fy_document_destroy(*d);
}

typedef struct reading {
	dv_arena *a;
	const char *name;
	size_t values;
	char complaint[256];	/* the first of the parser's */
} reading;

static void hear(struct fy_diag *diag, void *user, const char *text, size_t n)
{
	reading *r = user;

	(void)diag;
	if (!*r->complaint && n)
		snprintf(r->complaint, sizeof(r->complaint), "%.*s", (int)strcspn(text, "\n"),
			 text);
}

static dv_spot spot_of(const reading *r, struct fy_node *node)
{
	dv_spot at = { .file = r->name };
	struct fy_token *t = NULL;

	/* Collections begin where their first scalar does. */
	for (int depth = 0; node && !t && depth < DV_VALUE_DEPTH; depth++) {
		void *it = NULL;
		struct fy_node_pair *pair;

		switch (fy_node_get_type(node)) {
		case FYNT_SCALAR:
			t = fy_node_get_scalar_token(node);
			node = NULL;
			break;
		case FYNT_SEQUENCE:
			node = fy_node_sequence_iterate(node, &it);
			break;
		default:
			pair = fy_node_mapping_iterate(node, &it);
			node = pair ? fy_node_pair_key(pair) : NULL;
		}
	}
	const struct fy_mark *m = t ? fy_token_start_mark(t) : NULL;
	if (m) {
		at.line = (unsigned)m->line + 1;
		at.column = (unsigned)m->column + 1;
	}
	return at;
}

static int read_node(reading *r, struct fy_node *node, int depth, dv_value **out);

static int read_scalar(reading *r, struct fy_node *node, const dv_spot *at, dv_value **out)
{
	size_t n = 0;
	const char *p = fy_node_get_scalar(node, &n);
	const char *tag = fy_node_get_tag(node, NULL);
	bool plain = fy_node_get_style(node) == FYNS_PLAIN && !tag;

	if (p && memchr(p, 0, n))
		return dv_err_at(DV_ERROR, at, "text holds a NUL byte");
	char *s = dv_arena_strndup(r->a, p ? p : "", p ? n : 0);
	if (!s)
		return DV_ERROR;
	if (plain)
		return dv_yaml_plain(r->a, s, at, out);
	*out = dv_value_new(r->a, DV_VALUE_STRING, at);
	if (*out)
		(*out)->s = s;
	return *out ? 0 : DV_ERROR;
}

static int read_list(reading *r, struct fy_node *node, int depth, dv_value *list)
{
	struct fy_node *item;
	void *it = NULL;

	while ((item = fy_node_sequence_iterate(node, &it))) {
		dv_value *v;
		int rc = read_node(r, item, depth + 1, &v);

		if (rc || (rc = dv_value_append(r->a, list, v)))
			return rc;
	}
	return 0;
}

/* "<<": what the named dicts have and this one does not. */
static int merge_under(reading *r, dv_value *dict, dv_value *from, const dv_spot *at)
{
	if (from->kind == DV_VALUE_LIST) {
		for (size_t i = 0; i < from->n; i++) {
			int rc = merge_under(r, dict, from->items[i], at);
			if (rc)
				return rc;
		}
		return 0;
	}
	if (from->kind != DV_VALUE_DICT)
		return dv_err_at(DV_ERROR, at, "'<<' names what is no dict");
	for (size_t i = 0; i < from->n; i++) {
		const dv_member *m = &from->members[i];
		int rc = dv_value_get(dict, m->key) ? 0 :
			 dv_value_set(r->a, dict, m->key, &m->at, m->value);
		if (rc)
			return rc;
	}
	return 0;
}

static int read_dict(reading *r, struct fy_node *node, int depth, dv_value *dict)
{
	struct fy_node_pair *pair;
	dv_value *under = NULL;
	void *it = NULL;

	while ((pair = fy_node_mapping_iterate(node, &it))) {
		struct fy_node *key_node = fy_node_pair_key(pair);
		dv_auto(dv_buf) text = DV_BUF_INIT;
		dv_value *key, *value;
		int rc = read_node(r, key_node, depth + 1, &key);

		if (rc || (rc = read_node(r, fy_node_pair_value(pair), depth + 1, &value)))
			return rc;
		if (!dv_value_is_scalar(key))
			return dv_err_at(DV_ERROR, &key->at, "a key is %s",
					 dv_value_kind_name(key->kind));
		if ((rc = dv_value_text(&text, key)))
			return rc;
		if (key->kind == DV_VALUE_STRING && strcmp(key->s, "<<") == 0 &&
		    fy_node_get_style(key_node) == FYNS_PLAIN) {
			under = value;
			continue;
		}
		if (dv_value_get(dict, dv_buf_str(&text)))
			return dv_err_at(DV_ERROR, &key->at, "the key '%s' is there twice",
					 dv_buf_str(&text));
		value->odd_key = key->kind != DV_VALUE_STRING;
		if ((rc = dv_value_set(r->a, dict, dv_buf_str(&text), &key->at, value)))
			return rc;
	}
	return under ? merge_under(r, dict, under, &under->at) : 0;
}

static int read_node(reading *r, struct fy_node *node, int depth, dv_value **out)
{
	dv_spot at = spot_of(r, node);

	if (depth > DV_VALUE_DEPTH)
		return dv_err_at(DV_ERROR, &at, "nested more than %d deep", DV_VALUE_DEPTH);
	if (++r->values > VALUES_MAX)
		return dv_err_at(DV_ERROR, &at, "the file holds too many values");
	if (!node) {
		*out = dv_value_new(r->a, DV_VALUE_NULL, &at);
		return *out ? 0 : DV_ERROR;
	}
	if (fy_node_is_alias(node)) {
		struct fy_node *real = fy_node_resolve_alias(node);

		if (!real)
			return dv_err_at(DV_ERROR, &at, "an alias names no anchor");
		return read_node(r, real, depth + 1, out);
	}
	if (fy_node_get_type(node) == FYNT_SCALAR)
		return read_scalar(r, node, &at, out);
	bool list = fy_node_get_type(node) == FYNT_SEQUENCE;
	*out = dv_value_new(r->a, list ? DV_VALUE_LIST : DV_VALUE_DICT, &at);
	if (!*out)
		return DV_ERROR;
	return list ? read_list(r, node, depth, *out) : read_dict(r, node, depth, *out);
}

/* libfyaml says "NAME:LINE:COLUMN: error: WHAT", the name being its own. */
static int complain(const reading *r)
{
	const char *s = strstr(r->complaint, "error: ");
	dv_spot at = { .file = r->name };
	const char *p = r->complaint;

	for (; *p && p < s; p++)
		if (p[0] == ':' && sscanf(p, ":%u:%u:", &at.line, &at.column) == 2)
			break;
	return dv_err_at(DV_ERROR, &at, "this is no YAML: %s", s ? s + 7 : "it cannot be read");
}

int dv_yaml_full_parse(dv_arena *a, const char *text, size_t n, const char *name, dv_value **out)
{
	reading r = { .a = a, .name = name };
	struct fy_parse_cfg cfg = { .flags = FYPCF_DISABLE_RECYCLING };
	struct fy_diag_cfg diag_cfg;

	fy_diag_cfg_default(&diag_cfg);
	diag_cfg.fp = NULL;
	diag_cfg.output_fn = hear;
	diag_cfg.user = &r;
	diag_cfg.colorize = false;
	diag_cfg.show_source = false;
	diag_cfg.show_position = true;
	diag_cfg.show_type = true;
	dv_autoptr(dv_fydiag) diag = fy_diag_create(&diag_cfg);
	if (!diag)
		return dv_err_nomem();
	cfg.diag = diag;
	__attribute__((cleanup(dv_fydoc__freep))) dv_fydoc *doc =
		n ? fy_document_build_from_string(&cfg, text, n) : NULL;
	if (!doc && n && text[strspn(text, " \n\r\t")] && *r.complaint)
		return complain(&r);
	return read_node(&r, doc ? fy_document_root(doc) : NULL, 0, out);
}

int dv_yaml_parse(dv_arena *a, const char *text, size_t n, const char *name, dv_value **out)
{
	const dv_spot top = { .file = name };

	*out = NULL;
	if (memchr(text, 0, n))
		return dv_err_at(DV_ERROR, &top, "this is no YAML: it holds a NUL byte");
	int rc = dv_yaml_block_parse(a, text, n, name, out);
	return rc > 0 ? dv_yaml_full_parse(a, text, n, name, out) : rc;
}

/* -- writing ----------------------------------------------------------------------------------- */

/* May a string stand without quotes, and is it then read as the same string? */
static bool plain_string(const char *s)
{
	dv_auto(dv_arena) a = DV_ARENA_INIT;
	dv_value *v = NULL;
	size_t n = strlen(s);

	if (!n || isspace((unsigned char)s[0]) || isspace((unsigned char)s[n - 1]) ||
	    strchr("-?:,[]{}#&*!|>'\"%@`=<", s[0]))
		return false;
	for (const char *p = s; *p; p++)
		if ((unsigned char)*p < 32 || *p == 127 || (*p == ':' && (!p[1] || p[1] == ' ')) ||
		    (*p == '#' && p > s && p[-1] == ' ') || strchr(",[]{}", *p))
			return false;
	return dv_yaml_plain(&a, s, NULL, &v) == 0 && v->kind == DV_VALUE_STRING;
}

int dv_yaml_quote(dv_buf *out, const char *s)
{
	bool control = false;

	if (plain_string(s))
		return dv_buf_adds(out, s);
	for (const char *p = s; *p; p++)
		control = control || (unsigned char)*p < 32 || *p == 127 || *p == '\'';
	dv_buf_addc(out, control ? '"' : '\'');
	for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
		if (control && (*p < 32 || *p == 127))
			dv_buf_addf(out, *p == '\n' ? "\\n" : *p == '\t' ? "\\t" : "\\x%02x", *p);
		else if (control ? *p == '"' || *p == '\\' : *p == '\'')
			dv_buf_addf(out, control ? "\\%c" : "'%c", *p);
		else
			dv_buf_addc(out, (char)*p);
	}
	return dv_buf_addc(out, control ? '"' : '\'');
}

int dv_value_yaml(dv_buf *out, const dv_value *v)
{
	char text[32];

	switch (v->kind) {
	case DV_VALUE_NULL:
		return dv_buf_adds(out, "null");
	case DV_VALUE_STRING:
		return dv_yaml_quote(out, v->s);
	case DV_VALUE_FLOAT:
		dv_double_text(text, v->f);
		if (isfinite(v->f))
			return dv_buf_adds(out, text);
		return dv_buf_addf(out, "%s%s", v->f < 0 ? "-" : "", isnan(v->f) ? ".nan" : ".inf");
	case DV_VALUE_LIST:
	case DV_VALUE_DICT:
		dv_buf_addc(out, v->kind == DV_VALUE_LIST ? '[' : '{');
		for (size_t i = 0; i < v->n; i++) {
			dv_buf_adds(out, i ? ", " : "");
			if (v->kind == DV_VALUE_DICT) {
				dv_yaml_quote(out, v->members[i].key);
				dv_buf_adds(out, ": ");
			}
			dv_value_yaml(out, v->kind == DV_VALUE_LIST ? v->items[i] :
					   v->members[i].value);
		}
		return dv_buf_addc(out, v->kind == DV_VALUE_LIST ? ']' : '}');
	default:
		return dv_value_text(out, v);
	}
}
