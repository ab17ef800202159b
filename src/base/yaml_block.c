/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plain part of YAML, read fast: block lists and dicts of scalars on one line, as lock files
 * and most parameter files are written. Whatever else is met, mistakes too, is left to the full
 * parser, so what one understands the other does too: this one understands less.
 */
#include "base/yaml_block.h"

#include <string.h>

typedef struct line {
	const char *s;		/* behind the indentation */
	size_t indent, n;
	unsigned number;
} line;

typedef struct reader {
	dv_arena *a;
	const char *p, *end, *name;
	unsigned number;
	bool texts;
	size_t values;
	line at;		/* the line to be read; s is NULL at the end */
} reader;

#define GIVE_UP 1
#define KEY_MAX 1000	/* what a key on its line may have in YAML, and a little less */

/* Moves to the next line that is neither blank nor a comment. */
static int next_line(reader *r)
{
	while (r->p < r->end) {
		const char *eol = memchr(r->p, '\n', (size_t)(r->end - r->p));
		const char *stop = eol ? eol : r->end, *s = r->p;

		r->number++;
		while (s < stop && *s == ' ')
			s++;
		line l = { s, (size_t)(s - r->p), (size_t)(stop - s), r->number };
		r->p = eol ? eol + 1 : r->end;
		while (l.n && s[l.n - 1] == ' ')
			l.n--;
		for (size_t i = 0; i < l.n; i++)
			if ((unsigned char)s[i] < 32 || (unsigned char)s[i] > 126)
				return GIVE_UP;
		if (l.n == 0 || *s == '#')
			continue;
		if (*s == '%' || (l.indent == 0 && l.n >= 3 && (!memcmp(s, "---", 3) ||
							       !memcmp(s, "...", 3))))
			return GIVE_UP;
		r->at = l;
		return 0;
	}
	r->at.s = NULL;
	return 0;
}

static dv_spot spot(const reader *r, const char *s)
{
	size_t column = r->at.indent + (size_t)(s - r->at.s) + 1;

	return (dv_spot){ r->name, r->at.number, (unsigned)column };
}

/* A quoted scalar from `s` on, and how long it was. */
static int quoted(reader *r, const char *s, size_t n, char **out, size_t *used)
{
	size_t k = 0;
	char quote = *s;

	*out = dv_arena_alloc(r->a, n + 1);
	if (!*out)
		return DV_ERROR;
	for (size_t i = 1; i < n; i++) {
		if (s[i] == '\\' && quote == '"')
			return GIVE_UP;
		if (s[i] != quote) {
			(*out)[k++] = s[i];
		} else if (i + 1 < n && s[i + 1] == quote) {
			return GIVE_UP;
		} else {
			*used = i + 1;
			return 0;
		}
	}
	return GIVE_UP;
}

/* Is the text a plain scalar that ends with its line? */
static bool is_plain(const char *s, size_t n)
{
	if (strchr("?:,[]{}#&*!|>'\"%@`", *s) || (*s == '-' && (n == 1 || s[1] == ' ')))
		return false;
	for (size_t i = 0; i < n; i++)
		if ((s[i] == ':' && (i + 1 == n || s[i + 1] == ' ')) ||
		    (s[i] == '#' && i > 0 && s[i - 1] == ' '))
			return false;
	return true;
}

/* Begins a plain text with a letter that no null, truth value or number begins with? */
static bool is_word(const char *s)
{
	return ((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z')) && !strchr("nNtTfF", *s);
}

static int new_value(reader *r, enum dv_value_kind kind, const dv_spot *at, dv_value **out)
{
	if (++r->values > DV_YAML_VALUES_MAX)
		return GIVE_UP;
	*out = dv_value_new(r->a, kind, at);
	if (!*out)
		return DV_ERROR;
	(*out)->plain = r->texts && kind == DV_VALUE_DICT;
	return 0;
}

static int new_string(reader *r, const char *s, bool plain, const dv_spot *at, dv_value **out)
{
	int rc = new_value(r, DV_VALUE_STRING, at, out);

	if (rc)
		return rc;
	(*out)->s = s;
	(*out)->plain = plain && r->texts;
	return 0;
}

static int scalar(reader *r, const char *s, size_t n, dv_value **out)
{
	const dv_spot at = spot(r, s);
	size_t used = 0;
	char *text;
	int rc;

	if (n == 2 && (!memcmp(s, "[]", 2) || !memcmp(s, "{}", 2)))
		return new_value(r, *s == '[' ? DV_VALUE_LIST : DV_VALUE_DICT, &at, out);
	if (*s == '\'' || *s == '"') {
		if ((rc = quoted(r, s, n, &text, &used)))
			return rc;
		return used == n ? new_string(r, text, false, &at, out) : GIVE_UP;
	}
	if (!is_plain(s, n))
		return GIVE_UP;
	text = dv_arena_strndup(r->a, s, n);
	if (!text)
		return DV_ERROR;
	if (r->texts || is_word(text))
		return new_string(r, text, true, &at, out);
	return ++r->values > DV_YAML_VALUES_MAX ? GIVE_UP : dv_yaml_plain(r->a, text, &at, out);
}

/* The key at `s`; *used is its length with the colon. GIVE_UP when none is there. */
static int key_at(reader *r, const char *s, size_t n, char **key, size_t *used)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_./@+-$";
	dv_value *v;
	size_t k;
	int rc;

	if (*s == '\'' || *s == '"') {
		if ((rc = quoted(r, s, n, key, &k)))
			return rc;
	} else {
		for (k = 0; k < n && memchr(plain, s[k], sizeof(plain) - 1); k++)
			;
		if (k == 0 || *s == '-' || *s == '@')
			return GIVE_UP;
		*key = dv_arena_strndup(r->a, s, k);
		if (!*key)
			return DV_ERROR;
		/* Numbers and the like as keys are rare: the other parser says what they mean. */
		if (!is_word(*key) && (rc = dv_yaml_plain(r->a, *key, NULL, &v)))
			return rc;
		if (!is_word(*key) && v->kind != DV_VALUE_STRING)
			return GIVE_UP;
	}
	if (k >= n || s[k] != ':' || (k + 1 < n && s[k + 1] != ' ') || k > KEY_MAX ||
	    (r->texts && k > DV_YAML_TEXT_KEY_MAX))
		return GIVE_UP;
	*used = k + 1;
	r->values++;
	return 0;
}

static int block(reader *r, size_t indent, int depth, dv_value **out);

static bool is_item(const line *l)
{
	return l->s[0] == '-' && (l->n == 1 || l->s[1] == ' ');
}

/* What stands behind "key:", on its line or below it. */
static int value_of(reader *r, const char *s, size_t n, size_t indent, int depth, dv_value **out)
{
	const dv_spot at = spot(r, s);

	while (n && *s == ' ')
		s++, n--;
	if (n) {
		int rc = scalar(r, s, n, out);

		if (rc || (rc = next_line(r)))
			return rc;
		/* A line further in goes on with the scalar. */
		return r->at.s && r->at.indent > indent ? GIVE_UP : 0;
	}
	int rc = next_line(r);
	if (rc)
		return rc;
	if (r->at.s && (r->at.indent > indent || (r->at.indent == indent && is_item(&r->at))))
		return block(r, r->at.indent, depth + 1, out);
	return r->texts ? new_string(r, "", true, &at, out) :
			  new_value(r, DV_VALUE_NULL, &at, out);
}

static int dict(reader *r, size_t indent, int depth, dv_value *d)
{
	while (r->at.s && r->at.indent == indent && !is_item(&r->at)) {
		const dv_spot at = spot(r, r->at.s);
		const char *s = r->at.s;
		size_t n = r->at.n, used = 0;
		dv_value *v;
		char *key;
		int rc = key_at(r, s, n, &key, &used);

		if (rc)
			return rc;
		if (dv_value_get(d, key) || strcmp(key, "<<") == 0)
			return GIVE_UP;
		if ((rc = value_of(r, s + used, n - used, indent, depth, &v)) ||
		    (rc = dv_value_set(r->a, d, key, &at, v)))
			return rc;
	}
	return 0;
}

static int list(reader *r, size_t indent, int depth, dv_value *l)
{
	while (r->at.s && r->at.indent == indent && is_item(&r->at)) {
		size_t skip = 1, used;
		char *key;
		dv_value *v;
		int rc;

		while (skip < r->at.n && r->at.s[skip] == ' ')
			skip++;
		if (skip == r->at.n || (r->at.s[skip] == '-' && r->at.s[skip + 1] == ' '))
			return GIVE_UP;
		rc = key_at(r, r->at.s + skip, r->at.n - skip, &key, &used);
		if (rc < 0)
			return rc;
		if (rc == GIVE_UP) {
			rc = value_of(r, r->at.s + skip, r->at.n - skip, indent, depth, &v);
		} else {
			/* A dict that begins behind the dash: its keys line up with the first. */
			r->at.s += skip;
			r->at.n -= skip;
			r->at.indent += skip;
			rc = block(r, r->at.indent, depth + 1, &v);
		}
		if (rc || (rc = dv_value_append(r->a, l, v)))
			return rc;
	}
	return 0;
}

static int block(reader *r, size_t indent, int depth, dv_value **out)
{
	bool items = is_item(&r->at);
	const dv_spot at = spot(r, r->at.s);

	/* What is nested deepest may be an empty collection on a line. */
	if (depth >= DV_VALUE_DEPTH)
		return GIVE_UP;
	int rc = new_value(r, items ? DV_VALUE_LIST : DV_VALUE_DICT, &at, out);
	if (rc)
		return rc;
	rc = items ? list(r, indent, depth, *out) : dict(r, indent, depth, *out);
	/* The block ended; what follows belongs to one further out, or is not understood. */
	return rc ? rc : r->at.s && r->at.indent > indent ? GIVE_UP : 0;
}

int dv_yaml_block_parse(dv_arena *a, const char *text, size_t n, const char *name, bool texts,
			dv_value **out)
{
	reader r = { .a = a, .p = text, .end = text + n, .name = name, .texts = texts };
	int rc = next_line(&r);

	if (rc)
		return rc;
	if (!r.at.s || r.at.indent != 0)
		return GIVE_UP;
	rc = block(&r, 0, 0, out);
	return rc ? rc : r.at.s ? GIVE_UP : 0;
}
