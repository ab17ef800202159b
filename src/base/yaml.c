/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML's scalars, in and out: what a plain one means, and how one is written. Meanings are those of
 * YAML 1.2's core schema, with the underscores in numbers that Python's readers of such files take.
 * Writing is done a value at a time, by those who edit files and keep the rest of them as it is.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/value.h"

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

/* -- writing ----------------------------------------------------------------------------------- */

/* The character at `s` and its length; 0 for what is no UTF-8. */
static size_t character(const unsigned char *s, unsigned *out)
{
	unsigned c = s[0];
	size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : (c & 0xf0) == 0xe0 ? 3 :
		   c >= 0xf0 && c < 0xf5 ? 4 : 0;

	if (n > 1)
		c &= 0x7fu >> n;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	*out = c;
	return (n == 3 && (c < 0x800 || (c >= 0xd800 && c < 0xe000))) ||
	       (n == 4 && (c < 0x10000 || c > 0x10ffff)) ? 0 : n;
}

/* May a character stand as it is? The others are controls, breaks of lines and the like. */
static bool printable(unsigned c)
{
	return c >= 0x20 && !(c >= 0x7f && c < 0xa0) && c != 0x2028 && c != 0x2029 &&
	       c != 0xfeff && (c & 0xfffe) != 0xfffe;
}

size_t dv_yaml_printable(const char *s)
{
	unsigned c = 0;
	size_t n = character((const unsigned char *)s, &c);

	return printable(c) ? n : 0;
}

/* May a text stand without quotes, in a list on one line too, and be read as that text? */
static bool stands_plain(const char *s)
{
	size_t n = strlen(s), step;
	unsigned c;

	if (!n || s[0] == ' ' || s[n - 1] == ' ' || strchr("?:#&*!|>'\"%@`", s[0]) ||
	    (s[0] == '-' && (n == 1 || s[1] == ' ')))
		return false;
	for (const char *p = s; *p; p += step) {
		step = character((const unsigned char *)p, &c);
		if (!step || !printable(c) ||
		    (*p == ':' && (!p[1] || p[1] == ' ' || p[1] == '?')) ||
		    (*p == '#' && p > s && p[-1] == ' ') || strchr(",[]{}", *p))
			return false;
	}
	return true;
}

/* The same, and is it a string then, to readers of older YAML too? */
static bool plain_string(const char *s)
{
	dv_auto(dv_arena) a = DV_ARENA_INIT;
	dv_value *v = NULL;

	return stands_plain(s) && !strchr("-=<", s[0]) && strncmp(s, "---", 3) &&
	       strncmp(s, "...", 3) && dv_yaml_plain(&a, s, NULL, &v) == 0 &&
	       v->kind == DV_VALUE_STRING;
}

static void escape(dv_buf *out, const char *s, size_t n, unsigned c)
{
	if (c == '\n' || c == '\t')
		dv_buf_adds(out, c == '\n' ? "\\n" : "\\t");
	else if (!printable(c))
		dv_buf_addf(out, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
	else if (c == '"' || c == '\\')
		dv_buf_addf(out, "\\%c", (char)c);
	else
		dv_buf_add(out, s, n);
}

int dv_yaml_quote(dv_buf *out, const char *s)
{
	bool escapes = false;
	size_t step = 0;
	unsigned c = 0;

	if (plain_string(s))
		return dv_buf_adds(out, s);
	for (const char *p = s; *p; p += step) {
		step = character((const unsigned char *)p, &c);
		if (!step)
			return out->err = dv_err(DV_ERROR, "'%s' is not UTF-8, and YAML is", s);
		escapes = escapes || !printable(c) || c == '\'';
	}
	dv_buf_addc(out, escapes ? '"' : '\'');
	for (const char *p = s; *p && escapes; p += step) {
		step = character((const unsigned char *)p, &c);
		escape(out, p, step, c);
	}
	return dv_buf_addf(out, "%s%c", escapes ? "" : s, escapes ? '"' : '\'');
}

int dv_value_yaml_key(dv_buf *out, const dv_value *dict, const dv_member *m)
{
	if (dict->plain && m->value->odd_key && stands_plain(m->key))
		return dv_buf_adds(out, m->key);
	return dv_yaml_quote(out, m->key);
}

int dv_value_yaml(dv_buf *out, const dv_value *v)
{
	char text[32];

	switch (v->kind) {
	case DV_VALUE_NULL:
		return dv_buf_adds(out, "null");
	case DV_VALUE_STRING:
		if (v->plain && (!*v->s || stands_plain(v->s)))
			return dv_buf_adds(out, *v->s ? v->s : "null");
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
				/* Longer ones are not seen as keys without the mark. */
				dv_buf_adds(out, strlen(v->members[i].key) > 160 ? "? " : "");
				dv_value_yaml_key(out, v, &v->members[i]);
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
