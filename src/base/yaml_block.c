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
	const char *const *skip;	/* keys of dicts that are passed over, or NULL */
	int skip_depth;			/* of these dicts */
} reader;

#define GIVE_UP 1
#define KEY_MAX 1000	/* what a key on its line may have in YAML, and a little less */

/* The length of the UTF-8 character at `s` when YAML shows it as it is and it breaks no line, else
 * 0. It may lack its last bytes. */
static size_t shown(const unsigned char *s, size_t left)
{
	unsigned c = s[0];
	size_t n = c >= 0xc2 && c < 0xe0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4
											      : 0;

	if (n == 0 || n > left)
		return 0;
	c &= 0x7fu >> n;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < 0xa0 || (n == 3 && c < 0x800) || (n == 4 && (c < 0x10000 || c > 0x10ffff)) ||
	    (c >= 0xd800 && c < 0xe000) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
	    (c & 0xfffe) == 0xfffe)
		return 0;
	return n;
}

/* Nothing but characters that stand for themselves? */
static bool is_shown(const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text;
	unsigned bad = 0, all = 0;

	for (size_t i = 0; i < n; i++) {
		bad |= (s[i] < 32) | (s[i] == 127);
		all |= s[i];
	}
	for (size_t i = 0; !bad && (all & 0x80) && i < n;) {
		size_t step = s[i] < 0x80 ? 1 : shown(s + i, n - i);

		bad = step == 0;
		i += step;
	}
	return !bad;
}

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
		if (!is_shown(s, l.n))
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

/* What follows a backslash in double quotes; 0 for what is left to the other parser. */
static char escaped(char c)
{
	return c == '"' || c == '\\' ? c : c == 'n' ? '\n' : c == 't' ? '\t' : 0;
}

/* A quoted scalar from `s` on, and how long it was; `out` NULL: it is passed over. */
static int quoted(reader *r, const char *s, size_t n, char **out, size_t *used)
{
	char *text = out ? dv_arena_alloc(r->a, n + 1) : NULL;
	size_t k = 0;
	char quote = *s;

	if (out && !text)
		return DV_ERROR;
	for (size_t i = 1; i < n; i++) {
		char c = s[i];

		if (c == quote && (quote == '"' || i + 1 == n || s[i + 1] != quote)) {
			*used = i + 1;
			if (out)
				*out = text;
			return 0;
		}
		if (c == quote)
			i++;
		else if (c == '\\' && quote == '"' && (++i == n || !(c = escaped(s[i]))))
			return GIVE_UP;
		if (text)
			text[k++] = c;
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

/* Begins a plain text with a letter, and is no null or truth value? It is the same string then. */
static bool is_word(const char *s, size_t n)
{
	if (!(*s >= 'a' && *s <= 'z') && !(*s >= 'A' && *s <= 'Z'))
		return false;
	/* These words have four or five letters. */
	return !strchr("nNtTfF", *s) || n < 4 || n > 5;
}

/* `out` NULL, here and below: what is there is understood, and passed over. */
static int new_value(reader *r, enum dv_value_kind kind, const dv_spot *at, dv_value **out)
{
	if (++r->values > DV_YAML_VALUES_MAX)
		return GIVE_UP;
	if (!out)
		return 0;
	*out = dv_value_new(r->a, kind, at);
	if (!*out)
		return DV_ERROR;
	(*out)->plain = r->texts && kind == DV_VALUE_DICT;
	return 0;
}

static int new_string(reader *r, const char *s, bool plain, const dv_spot *at, dv_value **out)
{
	int rc = new_value(r, DV_VALUE_STRING, at, out);

	if (rc || !out)
		return rc;
	(*out)->s = s;
	(*out)->plain = plain && r->texts;
	return 0;
}

static int scalar(reader *r, const char *s, size_t n, dv_value **out)
{
	const dv_spot at = spot(r, s);
	size_t used = 0;
	char *text = NULL;
	int rc;

	if (n == 2 && (!memcmp(s, "[]", 2) || !memcmp(s, "{}", 2)))
		return new_value(r, *s == '[' ? DV_VALUE_LIST : DV_VALUE_DICT, &at, out);
	if (*s == '\'' || *s == '"') {
		if ((rc = quoted(r, s, n, out ? &text : NULL, &used)))
			return rc;
		return used == n ? new_string(r, text, false, &at, out) : GIVE_UP;
	}
	if (!is_plain(s, n))
		return GIVE_UP;
	if (out && !(text = dv_arena_strndup(r->a, s, n)))
		return DV_ERROR;
	if (!out || r->texts || is_word(s, n))
		return new_string(r, text, true, &at, out);
	return ++r->values > DV_YAML_VALUES_MAX ? GIVE_UP : dv_yaml_plain(r->a, text, &at, out);
}

static bool is_ascii(const char *s, size_t n)
{
	unsigned all = 0;

	for (size_t i = 0; i < n; i++)
		all |= (unsigned char)s[i];
	return all < 0x80;
}

/* The key at `s`; *used is its length with the colon. GIVE_UP when none is there. `key` NULL: it is
 * passed over. */
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
		/* What follows has a column, of characters. */
		if (!is_ascii(s, k))
			return GIVE_UP;
	} else {
		for (k = 0; k < n && memchr(plain, s[k], sizeof(plain) - 1); k++)
			;
		if (k == 0 || *s == '-' || *s == '@')
			return GIVE_UP;
		char *own = NULL;
		if ((key || !is_word(s, k)) && !(own = dv_arena_strndup(r->a, s, k)))
			return DV_ERROR;
		/* Numbers and the like as keys are rare: the other parser says what they mean. */
		if (!is_word(s, k) && (rc = dv_yaml_plain(r->a, own, NULL, &v)))
			return rc;
		if (!is_word(s, k) && v->kind != DV_VALUE_STRING)
			return GIVE_UP;
		if (key)
			*key = own;
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

static bool is_skipped(const reader *r, int depth, const char *key)
{
	for (const char *const *k = depth == r->skip_depth ? r->skip : NULL; k && *k; k++)
		if (strcmp(*k, key) == 0)
			return true;
	return false;
}

static int dict(reader *r, size_t indent, int depth, dv_value *d)
{
	while (r->at.s && r->at.indent == indent && !is_item(&r->at)) {
		const dv_spot at = spot(r, r->at.s);
		const char *s = r->at.s;
		size_t n = r->at.n, used = 0;
		dv_value *v = NULL;
		char *key = NULL;
		int rc = key_at(r, s, n, d ? &key : NULL, &used);

		if (rc)
			return rc;
		if (d && (dv_value_get(d, key) || strcmp(key, "<<") == 0))
			return GIVE_UP;
		bool skip = !d || is_skipped(r, depth, key);
		rc = value_of(r, s + used, n - used, indent, depth, skip ? NULL : &v);
		if (rc == 0 && d && skip)
			rc = new_value(r, DV_VALUE_NULL, &at, &v);
		if (rc == 0 && d)
			rc = dv_value_set(r->a, d, key, &at, v);
		if (rc)
			return rc;
	}
	return 0;
}

static int list(reader *r, size_t indent, int depth, dv_value *l)
{
	while (r->at.s && r->at.indent == indent && is_item(&r->at)) {
		dv_value *v = NULL, **item = l ? &v : NULL;
		size_t skip = 1, used;
		int rc;

		while (skip < r->at.n && r->at.s[skip] == ' ')
			skip++;
		if (skip == r->at.n ||
		    (r->at.s[skip] == '-' && (skip + 1 == r->at.n || r->at.s[skip + 1] == ' ')))
			return GIVE_UP;
		rc = key_at(r, r->at.s + skip, r->at.n - skip, NULL, &used);
		if (rc < 0)
			return rc;
		if (rc == GIVE_UP) {
			rc = value_of(r, r->at.s + skip, r->at.n - skip, indent, depth, item);
		} else {
			/* A dict that begins behind the dash: its keys line up with the first. */
			r->at.s += skip;
			r->at.n -= skip;
			r->at.indent += skip;
			rc = block(r, r->at.indent, depth + 1, item);
		}
		if (rc == 0 && l)
			rc = dv_value_append(r->a, l, v);
		if (rc)
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
	dv_value *v = out ? *out : NULL;
	rc = items ? list(r, indent, depth, v) : dict(r, indent, depth, v);
	/* The block ended; what follows belongs to one further out, or is not understood. */
	return rc ? rc : r->at.s && r->at.indent > indent ? GIVE_UP : 0;
}

static int document(reader *r, dv_value **out)
{
	int rc = next_line(r);

	if (rc)
		return rc;
	if (!r->at.s || r->at.indent != 0)
		return GIVE_UP;
	rc = block(r, 0, 0, out);
	return rc ? rc : r->at.s ? GIVE_UP : 0;
}

int dv_yaml_block_parse(dv_arena *a, const char *text, size_t n, const char *name, bool texts,
			dv_value **out)
{
	reader r = { .a = a, .p = text, .end = text + n, .name = name, .texts = texts };

	return document(&r, out);
}

int dv_yaml_block_parse_part(dv_arena *a, const char *text, size_t n, const char *name,
			     const char *const *skip, int depth, dv_value **out)
{
	reader r = { .a = a, .p = text, .end = text + n, .name = name, .skip = skip,
		     .skip_depth = depth };

	return document(&r, out);
}
