/* SPDX-License-Identifier: Apache-2.0 */
/* Templating: finding expressions, looking names up, writing values into text, merging vars. */
#include "pipeline/template.h"

#include <ctype.h>
#include <string.h>

#include "base/alloc.h"

/* The next "${" that no backslash escapes; *end is its "}". NULL when there is none. */
static const char *next_expression(const char *s, const char *start, const char **end)
{
	for (const char *p = s; (p = strstr(p, "${")) != NULL; p += 2) {
		if (p > start && p[-1] == '\\')
			continue;
		*end = strchr(p, '}');
		return *end ? p : NULL;
	}
	return NULL;
}

bool dv_template_has(const char *s)
{
	const char *end;

	return strstr(s, "${") && (next_expression(s, s, &end) || strstr(s, "\\${"));
}

/* -- expressions ------------------------------------------------------------------------------- */

static int malformed(const dv_spot *at, const char *expr)
{
	return dv_err_hint(dv_err_at(DV_ERROR, at, "'${%s}' is no expression", expr),
			   "write names with dots or brackets: ${a.b[0]}; a literal '${' is "
			   "'\\${'");
}

/* Cuts the next word off; *p then stands behind it. */
static const char *next_word(dv_arena *a, const char **p, bool first)
{
	const char *s = *p;
	bool bracket = *s == '[';

	if (!first && *s != '.' && *s != '[')
		return NULL;
	s += !first;
	if (first && bracket)
		return NULL;
	size_t n = strcspn(s, ".[]");
	const char *end = s + n;
	while (n && isspace((unsigned char)*s))
		s++, n--;
	while (n && isspace((unsigned char)s[n - 1]))
		n--;
	if (n == 0 || (bracket && *end != ']') || (!bracket && *end == ']'))
		return NULL;
	*p = end + bracket;
	while (isspace((unsigned char)**p))
		(*p)++;
	return dv_arena_strndup(a, s, n);
}

static dv_value *step(dv_value *v, const char *word)
{
	char *end = NULL;

	if (v->kind == DV_VALUE_LIST) {
		long i = strtol(word, &end, 10);

		return *end || i < 0 || (size_t)i >= v->n ? NULL : v->items[i];
	}
	v = dv_value_get(v, word);
	return v && !v->odd_key ? v : NULL;
}

static int look_up(dv_arena *a, const dv_scope *scope, const char *expr, const dv_spot *at,
		   dv_value **out)
{
	const char *p = expr;
	dv_value *v = NULL;

	while (isspace((unsigned char)*p))
		p++;
	for (bool first = true; first || *p; first = false) {
		const char *word = next_word(a, &p, first);

		if (!word)
			return malformed(at, expr);
		for (const dv_scope *s = scope; first && s && !v; s = s->outer)
			v = s->vars ? step(s->vars, word) : NULL;
		if (!first)
			v = step(v, word);
		if (!v)
			return dv_err_hint(dv_err_at(DV_ERROR, at, "'${%s}' is not defined", expr),
					   "define '%s' in params.yaml or under 'vars'", word);
	}
	*out = v;
	return 0;
}

/* -- writing into text ------------------------------------------------------------------------- */

static int shell_quote(dv_buf *out, const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789@%+=:,./-_";

	if (*s && !s[strspn(s, plain)])
		return dv_buf_adds(out, s);
	dv_buf_addc(out, '\'');
	for (; *s; s++) {
		if (*s == '\'')
			dv_buf_adds(out, "'\"'\"'");
		else
			dv_buf_addc(out, *s);
	}
	return dv_buf_addc(out, '\'');
}

static int flag_word(dv_buf *out, const dv_value *v)
{
	return v->kind == DV_VALUE_STRING ? shell_quote(out, v->s) : dv_value_text(out, v);
}

static int flag(dv_buf *out, const char *name, const dv_value *v, const dv_template_style *style,
		const dv_spot *at)
{
	const char *gap = out->n ? " " : "";

	if (v->kind == DV_VALUE_BOOL) {
		if (v->b || style->no_flags)
			dv_buf_addf(out, "%s--%s%s", gap, v->b ? "" : "no-", name);
		return out->err;
	}
	if (v->kind != DV_VALUE_LIST) {
		dv_buf_addf(out, "%s--%s ", gap, name);
		return flag_word(out, v);
	}
	for (size_t i = 0; i < v->n; i++) {
		if (!dv_value_is_scalar(v->items[i]))
			return dv_err_at(DV_ERROR, at, "a list inside the list '%s' cannot be "
					 "written into a command", name);
		dv_buf_adds(out, out->n ? " " : "");
		if (i == 0 || style->repeat)
			dv_buf_addf(out, "--%s ", name);
		flag_word(out, v->items[i]);
	}
	return out->err;
}

static int flags(dv_buf *out, const char *prefix, const dv_value *dict,
		 const dv_template_style *style, const dv_spot *at)
{
	for (size_t i = 0; i < dict->n; i++) {
		const dv_member *m = &dict->members[i];
		dv_auto(dv_buf) name = DV_BUF_INIT;
		int rc;

		if (dv_buf_addf(&name, "%s%s%s", prefix, *prefix ? "." : "", m->key))
			return name.err;
		if (m->value->kind == DV_VALUE_DICT)
			rc = flags(out, dv_buf_str(&name), m->value, style, at);
		else
			rc = flag(out, dv_buf_str(&name), m->value, style, at);
		if (rc)
			return rc;
	}
	return out->err;
}

static int embed(dv_buf *out, const dv_value *v, const dv_template_style *command,
		 const char *expr, size_t n, const dv_spot *at)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;

	if (dv_value_is_scalar(v))
		return dv_value_text(out, v);
	if (v->kind == DV_VALUE_DICT && command) {
		int rc = flags(&text, "", v, command, at);

		return rc ? rc : dv_buf_add(out, dv_buf_str(&text), text.n);
	}
	return dv_err_at(DV_ERROR, at, "'${%.*s}' is %s, which cannot stand in text", (int)n, expr,
			 dv_value_kind_name(v->kind));
}

/* Text without expressions, its "\${" turned into "${". */
static int add_literal(dv_buf *out, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!(s[i] == '\\' && i + 2 < n && s[i + 1] == '$' && s[i + 2] == '{'))
			dv_buf_addc(out, s[i]);
	return out->err;
}

int dv_template_text(dv_arena *a, const dv_scope *scope, const char *s, const dv_spot *at,
		     const dv_template_style *command, dv_value **out)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	const char *p = s, *begin, *end;

	while ((begin = next_expression(p, s, &end)) != NULL) {
		const char *expr = dv_arena_strndup(a, begin + 2, (size_t)(end - begin) - 2);
		dv_value *v = NULL;
		int rc = expr ? look_up(a, scope, expr, at, &v) : DV_ERROR;

		if (rc)
			return rc;
		if (begin == s && !end[1] && (!command || v->kind != DV_VALUE_DICT)) {
			*out = v;
			return 0;
		}
		add_literal(&text, p, (size_t)(begin - p));
		if ((rc = embed(&text, v, command, expr, strlen(expr), at)))
			return rc;
		p = end + 1;
	}
	if (add_literal(&text, p, strlen(p)))
		return text.err;
	*out = dv_value_string(a, dv_buf_str(&text), at);
	return *out ? 0 : DV_ERROR;
}

/* -- whole values ------------------------------------------------------------------------------ */

static bool value_has(const dv_value *v)
{
	if (v->kind == DV_VALUE_STRING)
		return dv_template_has(v->s);
	for (size_t i = 0; v->kind == DV_VALUE_LIST && i < v->n; i++)
		if (value_has(v->items[i]))
			return true;
	for (size_t i = 0; v->kind == DV_VALUE_DICT && i < v->n; i++)
		if (dv_template_has(v->members[i].key) || value_has(v->members[i].value))
			return true;
	return false;
}

static int template_key(dv_arena *a, const dv_scope *scope, const dv_member *m, const char **out)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_value *v;

	*out = m->key;
	if (!dv_template_has(m->key))
		return 0;
	int rc = dv_template_text(a, scope, m->key, &m->at, NULL, &v);
	if (rc)
		return rc;
	if (!dv_value_is_scalar(v))
		return dv_err_at(DV_ERROR, &m->at, "'%s' is %s, which cannot be a key", m->key,
				 dv_value_kind_name(v->kind));
	if ((rc = dv_value_text(&text, v)))
		return rc;
	*out = dv_arena_strdup(a, dv_buf_str(&text));
	return *out ? 0 : DV_ERROR;
}

int dv_template_value(dv_arena *a, const dv_scope *scope, dv_value *v, bool scalars,
		      dv_value **out)
{
	int rc;

	*out = v;
	if (!value_has(v))
		return 0;
	if (v->kind == DV_VALUE_STRING) {
		rc = dv_template_text(a, scope, v->s, &v->at, NULL, out);
		if (rc == 0 && scalars && !dv_value_is_scalar(*out))
			return dv_err_at(DV_ERROR, &v->at, "'%s' is %s, and a single value is "
					 "expected", v->s, dv_value_kind_name((*out)->kind));
		return rc;
	}
	dv_value *copy = dv_value_new(a, v->kind, &v->at);
	if (!copy)
		return DV_ERROR;
	for (size_t i = 0; i < v->n; i++) {
		dv_value *item;
		const char *key;

		if (v->kind == DV_VALUE_LIST) {
			rc = dv_template_value(a, scope, v->items[i], scalars, &item);
			if (rc == 0)
				rc = dv_value_append(a, copy, item);
		} else {
			const dv_member *m = &v->members[i];

			rc = template_key(a, scope, m, &key);
			if (rc == 0)
				rc = dv_template_value(a, scope, m->value, scalars, &item);
			if (rc == 0)
				rc = dv_value_set(a, copy, key, &m->at, item);
		}
		if (rc)
			return rc;
	}
	*out = copy;
	return 0;
}

/* -- vars -------------------------------------------------------------------------------------- */

static dv_value *copy_dict(dv_arena *a, const dv_value *d)
{
	dv_value *copy = dv_value_new(a, DV_VALUE_DICT, &d->at);

	for (size_t i = 0; copy && i < d->n; i++)
		if (dv_value_set(a, copy, d->members[i].key, &d->members[i].at,
				 d->members[i].value))
			return NULL;
	return copy;
}

int dv_vars_merge(dv_arena *a, dv_value **into, dv_value *from)
{
	dv_value *copy = copy_dict(a, *into);

	if (!copy)
		return DV_ERROR;
	for (size_t i = 0; i < from->n; i++) {
		const dv_member *m = &from->members[i];
		dv_member *old = dv_value_member(copy, m->key);
		int rc;

		if (!old)
			rc = dv_value_set(a, copy, m->key, &m->at, m->value);
		else if (old->value->kind == DV_VALUE_DICT && m->value->kind == DV_VALUE_DICT)
			rc = dv_vars_merge(a, &old->value, m->value);
		else
			rc = dv_err_at(DV_ERROR, &m->at, "'%s' is defined already, in %s:%u",
				       m->key, old->at.file ? old->at.file : "?", old->at.line);
		if (rc)
			return rc;
	}
	*into = copy;
	return 0;
}
