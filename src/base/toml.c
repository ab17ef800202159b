/* SPDX-License-Identifier: Apache-2.0 */
/* Reading TOML: the document, its tables and keys. Scalars are toml_scalar.c's. */
#include "base/toml.h"

#include <string.h>

#include "base/toml_impl.h"

/*
 * How a dict came about decides who may add to it; while a document is read that stands in the
 * dict's `i`, which nothing else uses. HEADER: [a]. PASSED: the "a" of [a.b], which a header may
 * still define. DOTTED: the "a" of "a.b = 1"; only keys of the same section may add to it, and
 * headers may put tables in it. CLOSED: written as {…} or […]. TABLES: the list of [[a]].
 */
enum origin { PASSED = 1, HEADER, DOTTED, CLOSED, TABLES };

static enum origin origin_of(const dv_value *v)
{
	return (enum origin)(v->i & 7);
}

static void set_origin(const toml *t, dv_value *v, enum origin o)
{
	v->i = (int64_t)o | (int64_t)(t->section << 3);
}

static bool of_this_section(const toml *t, const dv_value *v)
{
	return (uint64_t)v->i >> 3 == t->section;
}

/* -- blanks ------------------------------------------------------------------------------------ */

dv_spot dv_toml_spot(const toml *t)
{
	return (dv_spot){ t->name, t->line, (unsigned)(t->p - t->line_start) + 1 };
}

int dv_toml_bad(const toml *t, const char *what)
{
	const dv_spot at = dv_toml_spot(t);

	return dv_err_at(DV_ERROR, &at, "this is no TOML: %s", what);
}

bool dv_toml_newline(toml *t)
{
	size_t n = t->p < t->end && *t->p == '\n' ? 1 :
		   t->end - t->p >= 2 && t->p[0] == '\r' && t->p[1] == '\n' ? 2 : 0;

	if (n == 0)
		return false;
	t->p += n;
	t->line++;
	t->line_start = t->p;
	return true;
}

static void skip_blanks(toml *t)
{
	while (t->p < t->end && (*t->p == ' ' || *t->p == '\t'))
		t->p++;
}

static int skip_comment(toml *t)
{
	skip_blanks(t);
	if (t->p == t->end || *t->p != '#')
		return 0;
	while (t->p < t->end && *t->p != '\n') {
		if (*t->p == '\r' && t->end - t->p >= 2 && t->p[1] == '\n')
			break;
		if (dv_toml_is_control(*t->p))
			return dv_toml_bad(t, "a comment holds a control character");
		t->p++;
	}
	return 0;
}

/* Blanks, comments and ends of lines. */
static int skip_lines(toml *t)
{
	int rc;

	do
		rc = skip_comment(t);
	while (rc == 0 && dv_toml_newline(t));
	return rc;
}

static int end_line(toml *t)
{
	int rc = skip_comment(t);

	if (rc || t->p == t->end || dv_toml_newline(t))
		return rc;
	return dv_toml_bad(t, "the end of the line is expected here");
}

static bool take(toml *t, char c)
{
	bool there = t->p < t->end && *t->p == c;

	t->p += there;
	return there;
}

/* -- keys -------------------------------------------------------------------------------------- */

typedef struct key {
	const char *word[DV_VALUE_DEPTH];
	dv_spot at[DV_VALUE_DEPTH];
	size_t n;
} key;

static bool is_bare(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

static int read_word(toml *t, const char **out)
{
	const char *from = t->p;

	if (t->p < t->end && (*t->p == '"' || *t->p == '\''))
		return dv_toml_string(t, false, out);
	while (t->p < t->end && is_bare(*t->p))
		t->p++;
	if (t->p == from)
		return dv_toml_bad(t, "a key is expected here");
	*out = dv_arena_strndup(t->a, from, (size_t)(t->p - from));
	return *out ? 0 : DV_ERROR;
}

static int read_key(toml *t, key *k)
{
	k->n = 0;
	do {
		if (k->n == DV_VALUE_DEPTH)
			return dv_toml_bad(t, "the key is nested too deeply");
		skip_blanks(t);
		k->at[k->n] = dv_toml_spot(t);
		int rc = read_word(t, &k->word[k->n++]);
		if (rc)
			return rc;
		skip_blanks(t);
	} while (take(t, '.'));
	return 0;
}

static int twice(const key *k, size_t i, const char *what)
{
	return dv_err_at(DV_ERROR, &k->at[i], "this is no TOML: '%s' is %s already", k->word[i],
			 what);
}

static int new_dict(toml *t, dv_value *in, const key *k, size_t i, enum origin o, dv_value **out)
{
	*out = dv_value_new(t->a, DV_VALUE_DICT, &k->at[i]);
	if (!*out)
		return DV_ERROR;
	set_origin(t, *out, o);
	return dv_value_set(t->a, in, k->word[i], &k->at[i], *out);
}

/* -- key = value ------------------------------------------------------------------------------- */

static int read_value(toml *t, size_t depth, dv_value **out);

/* "a.b.c = value" in a dict: the dicts on the way are made, or are of this section's own making. */
static int read_pair(toml *t, dv_value *dict, size_t depth)
{
	key k;
	dv_value *v;
	int rc = read_key(t, &k);

	if (rc)
		return rc;
	for (size_t i = 0; i + 1 < k.n; i++) {
		dv_value *next = dv_value_get(dict, k.word[i]);

		if (!next) {
			if ((rc = new_dict(t, dict, &k, i, DOTTED, &next)))
				return rc;
		} else if (next->kind != DV_VALUE_DICT || origin_of(next) == HEADER ||
			   origin_of(next) == CLOSED ||
			   (origin_of(next) == DOTTED && !of_this_section(t, next))) {
			return twice(&k, i, "defined");
		}
		if (origin_of(next) == PASSED)
			set_origin(t, next, DOTTED);
		dict = next;
	}
	if (dv_value_get(dict, k.word[k.n - 1]))
		return twice(&k, k.n - 1, "defined");
	if (!take(t, '='))
		return dv_toml_bad(t, "'=' is expected here");
	skip_blanks(t);
	if ((rc = read_value(t, depth + k.n, &v)))
		return rc;
	return dv_value_set(t->a, dict, k.word[k.n - 1], &k.at[k.n - 1], v);
}

static int read_list(toml *t, size_t depth, dv_value *list)
{
	int rc;

	t->p++;
	for (;;) {
		dv_value *v;

		if ((rc = skip_lines(t)) || take(t, ']'))
			return rc;
		if ((rc = read_value(t, depth + 1, &v)) ||
		    (rc = dv_value_append(t->a, list, v)) || (rc = skip_lines(t)))
			return rc;
		if (!take(t, ',')) {
			if (take(t, ']'))
				return 0;
			return dv_toml_bad(t, "',' or ']' is expected here");
		}
	}
}

/* On one line, without a comma behind the last pair. */
static int read_inline(toml *t, size_t depth, dv_value *dict)
{
	uint64_t outer = t->section;
	int rc = 0;

	t->p++;
	t->section = ++t->sections;
	skip_blanks(t);
	if (!take(t, '}')) {
		do {
			skip_blanks(t);
			rc = read_pair(t, dict, depth);
			skip_blanks(t);
		} while (rc == 0 && take(t, ','));
		if (rc == 0 && !take(t, '}'))
			rc = dv_toml_bad(t, "',' or '}' is expected here");
	}
	t->section = outer;
	return rc;
}

static int read_value(toml *t, size_t depth, dv_value **out)
{
	const dv_spot at = dv_toml_spot(t);
	char c = t->p < t->end ? *t->p : 0;
	int rc;

	*out = NULL;
	if (depth > DV_VALUE_DEPTH)
		return dv_toml_bad(t, "the values are nested too deeply");
	if (++t->nvalues > DV_TOML_VALUES_MAX)
		return dv_toml_bad(t, "there are too many values");
	if (c != '[' && c != '{')
		return dv_toml_scalar(t, &at, out);
	*out = dv_value_new(t->a, c == '[' ? DV_VALUE_LIST : DV_VALUE_DICT, &at);
	if (!*out)
		return DV_ERROR;
	rc = c == '[' ? read_list(t, depth, *out) : read_inline(t, depth, *out);
	set_origin(t, *out, CLOSED);
	return rc;
}

/* -- [header] and [[header]] ------------------------------------------------------------------- */

/* One step of a header's path, into the last of several tables. */
static int step(toml *t, const key *k, size_t i, dv_value **dict, size_t *depth)
{
	dv_value *next = dv_value_get(*dict, k->word[i]);
	int rc = 0;

	if (!next)
		rc = new_dict(t, *dict, k, i, PASSED, &next);
	else if (next->kind == DV_VALUE_LIST && origin_of(next) == TABLES && next->n)
		next = next->items[next->n - 1], *depth += 1;
	else if (next->kind != DV_VALUE_DICT || origin_of(next) == CLOSED)
		return twice(k, i, "defined");
	*dict = next;
	*depth += 1;
	return rc;
}

static int add_table(toml *t, const key *k, dv_value *in, dv_value **out)
{
	size_t last = k->n - 1;
	dv_value *list = dv_value_get(in, k->word[last]);
	int rc;

	if (list && (list->kind != DV_VALUE_LIST || origin_of(list) != TABLES))
		return twice(k, last, "defined");
	if (!list) {
		list = dv_value_new(t->a, DV_VALUE_LIST, &k->at[last]);
		if (!list)
			return DV_ERROR;
		set_origin(t, list, TABLES);
		if ((rc = dv_value_set(t->a, in, k->word[last], &k->at[last], list)))
			return rc;
	}
	*out = dv_value_new(t->a, DV_VALUE_DICT, &k->at[last]);
	if (!*out)
		return DV_ERROR;
	set_origin(t, *out, HEADER);
	return dv_value_append(t->a, list, *out);
}

static int define_table(toml *t, const key *k, dv_value *in, dv_value **out)
{
	size_t last = k->n - 1;
	dv_value *v = dv_value_get(in, k->word[last]);

	if (!v)
		return new_dict(t, in, k, last, HEADER, out);
	if (v->kind != DV_VALUE_DICT || origin_of(v) != PASSED)
		return twice(k, last, "defined");
	set_origin(t, v, HEADER);
	*out = v;
	return 0;
}

static int read_header(toml *t, dv_value *root, dv_value **out, size_t *depth)
{
	bool several;
	dv_value *in = root;
	key k;

	t->p++;
	several = take(t, '[');
	t->section = ++t->sections;
	int rc = read_key(t, &k);
	if (rc)
		return rc;
	if (!take(t, ']') || (several && !take(t, ']')))
		return dv_toml_bad(t, several ? "']]' is expected here" : "']' is expected here");
	*depth = 1;
	for (size_t i = 0; i + 1 < k.n; i++)
		if ((rc = step(t, &k, i, &in, depth)))
			return rc;
	*depth += several ? 2 : 1;
	if (++t->nvalues > DV_TOML_VALUES_MAX)
		return dv_toml_bad(t, "there are too many values");
	if (*depth > DV_VALUE_DEPTH)
		return dv_err_at(DV_ERROR, &k.at[0], "the tables are nested too deeply");
	rc = several ? add_table(t, &k, in, out) : define_table(t, &k, in, out);
	return rc ? rc : end_line(t);
}

/* -- the document ------------------------------------------------------------------------------ */

int dv_toml_parse(dv_arena *a, const char *text, size_t n, const char *name, dv_value **out)
{
	toml t = { .a = a, .p = text, .end = text + n, .line_start = text, .line = 1,
		   .name = name };
	const dv_spot start = { name, 1, 1 };
	dv_value *root = dv_value_new(a, DV_VALUE_DICT, &start), *table = root;
	size_t depth = 1;
	int rc = root ? dv_toml_check_text(&t) : DV_ERROR;

	*out = NULL;
	if (rc == 0 && n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		t.p += 3, t.line_start += 3;
	while (rc == 0 && (rc = skip_lines(&t)) == 0 && t.p < t.end) {
		if (*t.p == '[') {
			rc = read_header(&t, root, &table, &depth);
		} else {
			rc = read_pair(&t, table, depth);
			rc = rc ? rc : end_line(&t);
		}
	}
	if (rc == 0)
		*out = root;
	return rc;
}
