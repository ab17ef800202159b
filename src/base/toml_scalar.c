/* SPDX-License-Identifier: Apache-2.0 */
/* The scalars of TOML: text, numbers, dates. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/toml_impl.h"
#include "base/utf8.h"

#define NUMBER_MAX 400	/* bytes of a number as it is written */

int dv_toml_check_text(toml *t)
{
	toml at = *t;

	while (at.p < at.end) {
		size_t n = *at.p ? dv_utf8_size(at.p, at.end) : 0;

		if (n == 0)
			return dv_toml_bad(&at, *at.p ? "it is not UTF-8" : "it holds a NUL");
		at.p += n;
		if (at.p[-1] == '\n')
			at.line++, at.line_start = at.p;
	}
	return 0;
}

/* -- text -------------------------------------------------------------------------------------- */

static int read_unicode(toml *t, size_t digits, dv_buf *out)
{
	unsigned c = 0;

	t->p++;
	for (size_t i = 0; i < digits; i++, t->p++) {
		char d = t->p < t->end ? *t->p : 0;
		unsigned v = d >= '0' && d <= '9' ? (unsigned)(d - '0') :
			     d >= 'a' && d <= 'f' ? (unsigned)(d - 'a') + 10 :
			     d >= 'A' && d <= 'F' ? (unsigned)(d - 'A') + 10 : 16;

		if (v == 16)
			return dv_toml_bad(t, "a hexadecimal digit is expected here");
		c = c << 4 | v;
	}
	if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return dv_toml_bad(t, "there is no such character");
	return c ? dv_utf8_add(out, c) : dv_toml_bad(t, "dv does not take NUL in text");
}

/* A backslash at the end of a line takes away all blanks up to the next text. */
static int join_lines(toml *t)
{
	while (t->p < t->end && (*t->p == ' ' || *t->p == '\t'))
		t->p++;
	if (!dv_toml_newline(t))
		return dv_toml_bad(t, "there is no such escape");
	for (;;) {
		while (t->p < t->end && (*t->p == ' ' || *t->p == '\t'))
			t->p++;
		if (!dv_toml_newline(t))
			return 0;
	}
}

static int read_escape(toml *t, bool several, dv_buf *out)
{
	static const char names[] = "btnfr\"\\", values[] = "\b\t\n\f\r\"\\";
	char c = ++t->p < t->end ? *t->p : 0;
	const char *known = c ? strchr(names, c) : NULL;

	if (known) {
		t->p++;
		return dv_buf_addc(out, values[known - names]);
	}
	if (c == 'u' || c == 'U')
		return read_unicode(t, c == 'u' ? 4 : 8, out);
	if (several && (c == ' ' || c == '\t' || c == '\r' || c == '\n'))
		return join_lines(t);
	return dv_toml_bad(t, "there is no such escape");
}

/* Where the run of quotes that ends a text of several lines stands: up to two belong to it. */
static bool closes(toml *t, char quote, dv_buf *out)
{
	size_t n = 0;

	while (n < 5 && t->p + n < t->end && t->p[n] == quote)
		n++;
	bool end = n >= 3;
	size_t inside = end ? n - 3 : n;

	for (size_t i = 0; i < inside; i++)
		dv_buf_addc(out, quote);
	t->p += n;
	return end;
}

int dv_toml_string(toml *t, bool several, const char **out)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	char quote = *t->p;
	bool three = t->end - t->p >= 3 && t->p[1] == quote && t->p[2] == quote;
	int rc = 0;

	if (three && !several)
		return dv_toml_bad(t, "a key stands on one line");
	t->p += three ? 3 : 1;
	if (three)
		dv_toml_newline(t);
	while (rc == 0) {
		if (t->p == t->end)
			return dv_toml_bad(t, "the text does not end");
		if (*t->p == quote && !three) {
			t->p++;
			break;
		}
		if (*t->p == quote) {
			if (closes(t, quote, &b))
				break;
		} else if (*t->p == '\\' && quote == '"') {
			rc = read_escape(t, three, &b);
		} else if (three && dv_toml_newline(t)) {
			rc = dv_buf_addc(&b, '\n');
		} else if (dv_toml_is_control(*t->p)) {
			return dv_toml_bad(t, *t->p == '\n' ? "the text does not end on its line" :
					   "the text holds a control character");
		} else {
			rc = dv_buf_addc(&b, *t->p++);
		}
	}
	if (rc || b.err)
		return rc ? rc : b.err;
	*out = dv_arena_strndup(t->a, dv_buf_str(&b), b.n);
	return *out ? 0 : DV_ERROR;
}

/* -- numbers ----------------------------------------------------------------------------------- */

static bool is_digit(char c, int base)
{
	if (base == 16)
		return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'f');
	return c >= '0' && c < '0' + base;
}

/* Digits with single '_' between them -> the digits; bytes taken, 0 when there are none. */
static size_t digits(const char *s, int base, char *out, size_t *n)
{
	size_t i = 0;

	while (is_digit(s[i], base) || (s[i] == '_' && i && s[i - 1] != '_' &&
					is_digit(s[i + 1], base))) {
		if (s[i] != '_')
			out[(*n)++] = s[i];
		i++;
	}
	out[*n] = 0;
	return i;
}

static int read_int(toml *t, const char *s, int base, dv_value *v)
{
	char *end;

	errno = 0;
	v->kind = DV_VALUE_INT;
	v->i = strtoll(s, &end, base);
	return errno ? dv_toml_bad(t, "the number does not fit into 64 bits") : 0;
}

/* "0x1F", "0o17", "0b11" */
static int read_based(toml *t, const char *word, bool *ours, dv_value *v)
{
	char clean[NUMBER_MAX + 1];
	int base = word[1] == 'x' ? 16 : word[1] == 'o' ? 8 : 2;
	size_t n = 0;

	*ours = word[0] == '0' && (word[1] == 'x' || word[1] == 'o' || word[1] == 'b');
	if (!*ours)
		return 0;
	size_t used = digits(word + 2, base, clean, &n);
	*ours = used && !word[2 + used];
	return *ours ? read_int(t, clean, base, v) : 0;
}

static int read_number(toml *t, const char *word, bool *ours, dv_value *v)
{
	char clean[NUMBER_MAX + 8];
	const char *s = word;
	size_t n = 0, used;
	bool real = false;
	int rc = read_based(t, word, ours, v);

	if (rc || *ours)
		return rc;
	if (*s == '+' || *s == '-')
		clean[n++] = *s++;
	if (!strcmp(s, "inf") || !strcmp(s, "nan")) {
		v->kind = DV_VALUE_FLOAT;
		v->f = *s == 'n' ? NAN : *word == '-' ? -INFINITY : INFINITY;
		*ours = true;
		return 0;
	}
	used = digits(s, 10, clean, &n);
	if (!used || (*s == '0' && used > 1))
		return 0;
	s += used;
	if (*s == '.') {
		real = true;
		clean[n++] = *s++;
		if (!(used = digits(s, 10, clean, &n)))
			return 0;
		s += used;
	}
	if (*s == 'e' || *s == 'E') {
		real = true;
		clean[n++] = *s++;
		if (*s == '+' || *s == '-')
			clean[n++] = *s++;
		if (!(used = digits(s, 10, clean, &n)))
			return 0;
		s += used;
	}
	if (*s)
		return 0;
	*ours = true;
	if (!real)
		return read_int(t, clean, 10, v);
	v->kind = DV_VALUE_FLOAT;
	v->f = strtod(clean, NULL);
	return 0;
}

/* -- dates and times --------------------------------------------------------------------------- */

/* "00-00" with 0 for a digit; *s goes behind it. */
static bool shaped(const char **s, const char *shape)
{
	for (const char *p = *s; ; p++, shape++) {
		if (!*shape) {
			*s = p;
			return true;
		}
		if (*shape == '0' ? !is_digit(*p, 10) : *p != *shape)
			return false;
	}
}

static int two(const char *s)
{
	return (s[0] - '0') * 10 + s[1] - '0';
}

static bool is_date(const char **s)
{
	static const int days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	const char *p = *s;

	if (!shaped(s, "0000-00-00"))
		return false;
	int year = two(p) * 100 + two(p + 2), month = two(p + 5), day = two(p + 8);
	if (month < 1 || month > 12 || day < 1 || day > days[month - 1])
		return false;
	return month != 2 || day != 29 || (year % 4 == 0 && (year % 100 || year % 400 == 0));
}

static bool is_time(const char **s)
{
	const char *p = *s;

	if (!shaped(s, "00:00:00") || two(p) > 23 || two(p + 3) > 59 || two(p + 6) > 60)
		return false;
	if (**s != '.')
		return true;
	if (!is_digit((*s)[1], 10))
		return false;
	for (++*s; is_digit(**s, 10); ++*s)
		continue;
	return true;
}

static bool is_moment(const char *s)
{
	if (is_digit(s[0], 10) && is_digit(s[1], 10) && s[2] == ':')
		return is_time(&s) && !*s;
	if (!is_date(&s))
		return false;
	if (!*s)
		return true;
	if (*s != 'T' && *s != 't' && *s != ' ')
		return false;
	s++;
	if (!is_time(&s))
		return false;
	if (!*s || ((*s == 'Z' || *s == 'z') && !s[1]))
		return true;
	const char *zone = s + 1;
	return (*s == '+' || *s == '-') && (s++, shaped(&s, "00:00")) && !*s &&
	       two(zone) <= 23 && two(zone + 3) <= 59;
}

/* -- any --------------------------------------------------------------------------------------- */

static bool in_word(char c)
{
	return is_digit(c, 10) || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
	       (c && strchr("_+-.:", c));
}

/* What stands up to the next blank or mark; a date may have a blank before its time. */
static size_t take_word(toml *t, char word[NUMBER_MAX + 1])
{
	size_t n = 0;

	while (t->p + n < t->end && n < NUMBER_MAX &&
	       (in_word(t->p[n]) ||
		(n == 10 && t->p[n] == ' ' && t->p[4] == '-' && t->p[7] == '-' &&
		 t->end - t->p > 11 && is_digit(t->p[11], 10)))) {
		word[n] = t->p[n];
		n++;
	}
	word[n] = 0;
	return n;
}

int dv_toml_scalar(toml *t, const dv_spot *at, dv_value **out)
{
	char word[NUMBER_MAX + 2] = "";
	dv_value *v = dv_value_new(t->a, DV_VALUE_STRING, at);
	bool ours = false;
	int rc;

	*out = v;
	if (!v)
		return DV_ERROR;
	if (t->p < t->end && (*t->p == '"' || *t->p == '\''))
		return dv_toml_string(t, true, &v->s);
	size_t n = take_word(t, word);
	if (!strcmp(word, "true") || !strcmp(word, "false")) {
		v->kind = DV_VALUE_BOOL;
		v->b = *word == 't';
	} else if (is_moment(word)) {
		if (!(v->s = dv_arena_strdup(t->a, word)))
			return DV_ERROR;
	} else if ((rc = read_number(t, word, &ours, v)) || !ours) {
		return rc ? rc : dv_toml_bad(t, n ? "this is no value; text stands in quotes" :
					     "a value is expected here");
	}
	t->p += n;
	return 0;
}
