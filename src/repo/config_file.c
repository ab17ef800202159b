/* SPDX-License-Identifier: Apache-2.0 */
/*
 * git-config's syntax, read and edited without touching what is not meant: a setting knows which
 * bytes of the text it came from.
 */
#include <ctype.h>
#include <string.h>

#include "base/alloc.h"
#include "repo/config.h"

struct parser {
	const char *p;
	size_t n, at;
	int line;
	const char *name;
	dv_buf section;		/* "remote.Origin", "" before the first header */
	bool in_section;
};

static int bad(const struct parser *c, const char *what)
{
	return dv_err_hint(dv_err(DV_ERROR, "'%s' line %d: %s", c->name, c->line, what),
			   "correct the line; the syntax is git-config's");
}

static int peek(const struct parser *c)
{
	return c->at < c->n ? (unsigned char)c->p[c->at] : -1;
}

static int next(struct parser *c)
{
	int ch = peek(c);

	if (ch >= 0)
		c->at++;
	if (ch == '\n')
		c->line++;
	return ch;
}

static void skip_line(struct parser *c)
{
	for (int ch = next(c); ch >= 0 && ch != '\n'; ch = next(c))
		;
}

static void skip_blanks(struct parser *c)
{
	while (peek(c) == ' ' || peek(c) == '\t' || peek(c) == '\r')
		next(c);
}

/* Behind '[': 'name]', 'name.sub]' or 'name "Sub"]'. */
static int parse_header(struct parser *c)
{
	int ch;

	dv_buf_clear(&c->section);
	for (ch = next(c); isalnum(ch) || ch == '-' || ch == '.'; ch = next(c))
		dv_buf_addc(&c->section, (char)tolower(ch));
	if (!c->section.n)
		return bad(c, "a section without a name");
	if (ch == ' ' || ch == '\t') {
		skip_blanks(c);
		if (next(c) != '"')
			return bad(c, "a malformed section header");
		dv_buf_addc(&c->section, '.');
		for (ch = next(c); ch != '"'; ch = next(c)) {
			if (ch == '\\')
				ch = next(c);
			if (ch <= 0 || ch == '\n')
				return bad(c, "a malformed section header");
			dv_buf_addc(&c->section, (char)ch);
		}
		ch = next(c);
	}
	if (ch != ']')
		return bad(c, "a malformed section header");
	c->in_section = true;
	return c->section.err;
}

static int unescape(struct parser *c, dv_buf *out)
{
	int ch = next(c);

	switch (ch) {
	case '\n':
		return 0;
	case '\r':
		return next(c) == '\n' ? 0 : bad(c, "a malformed escape");
	case 'n':
		return dv_buf_addc(out, '\n');
	case 't':
		return dv_buf_addc(out, '\t');
	case 'b':
		return dv_buf_addc(out, '\b');
	case '\\':
	case '"':
		return dv_buf_addc(out, (char)ch);
	default:
		return bad(c, "a malformed escape");
	}
}

/* Behind '=': the value up to the end of the line, which is taken too. */
static int parse_value(struct parser *c, dv_buf *out)
{
	bool quoted = false;
	size_t keep = 0;	/* what stays when blanks at the end go */
	int rc = 0;

	skip_blanks(c);
	for (int ch = next(c); !rc; ch = next(c)) {
		if (ch == 0)
			return bad(c, "a NUL byte");
		if (ch < 0 || ch == '\n') {
			if (quoted)
				return bad(c, "a quote without an end");
			break;
		}
		if (!quoted && (ch == '#' || ch == ';')) {
			skip_line(c);
			break;
		}
		if (ch == '"') {
			quoted = !quoted;
			keep = out->n;
		} else if (ch == '\\') {
			rc = unescape(c, out);
			keep = out->n;
		} else if (!(ch == '\r' && peek(c) == '\n')) {
			dv_buf_addc(out, (char)ch);
			if (quoted || (ch != ' ' && ch != '\t' && ch != '\r'))
				keep = out->n;
		}
	}
	if (!rc && out->err)
		rc = out->err;
	if (!rc && out->n > keep) {
		out->n = keep;
		out->p[keep] = 0;
	}
	return rc;
}

static int parse_setting(struct parser *c, dv_config_parse_cb cb, void *payload, size_t begin)
{
	dv_auto(dv_buf) key = DV_BUF_INIT;
	dv_auto(dv_buf) value = DV_BUF_INIT;
	bool bare = true;
	int rc = 0;

	if (!c->in_section)
		return bad(c, "a setting before the first section");
	dv_buf_addf(&key, "%s.", dv_buf_str(&c->section));
	if (!isalpha(peek(c)))
		return bad(c, "a malformed line");
	while (isalnum(peek(c)) || peek(c) == '-')
		dv_buf_addc(&key, (char)tolower(next(c)));
	skip_blanks(c);
	int ch = peek(c);
	if (ch == '=') {
		next(c);
		bare = false;
		rc = parse_value(c, &value);
	} else if (ch < 0 || ch == '\n' || ch == '#' || ch == ';') {
		skip_line(c);
	} else {
		return bad(c, "a malformed line");
	}
	if (!rc)
		rc = key.err;
	return rc ? rc : cb(dv_buf_str(&key), bare ? NULL : dv_buf_str(&value), begin, c->at,
			    payload);
}

typedef int (*section_fn)(const char *section, size_t begin, size_t end, void *payload);

static int parse_all(const char *text, size_t n, const char *name, dv_config_parse_cb cb,
		     section_fn on_section, void *payload)
{
	struct parser c = { .p = text, .n = n, .line = 1, .name = name };
	int rc = 0;

	if (n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		c.at = 3;
	while (!rc && c.at < n) {
		size_t begin = c.at;
		skip_blanks(&c);
		int ch = peek(&c);
		if (ch == '\n') {
			next(&c);
		} else if (ch == '#' || ch == ';') {
			skip_line(&c);
		} else if (ch == '[') {
			next(&c);
			rc = parse_header(&c);
			if (!rc && on_section)
				rc = on_section(dv_buf_str(&c.section), begin, c.at, payload);
			if (!rc && !cb)
				skip_line(&c);
		} else if (ch >= 0) {
			rc = cb ? parse_setting(&c, cb, payload, begin) : 0;
			if (!cb)
				skip_line(&c);
		}
	}
	dv_buf_release(&c.section);
	return rc;
}

int dv_config_parse(const char *text, size_t n, const char *name, dv_config_parse_cb cb,
		    void *payload)
{
	return parse_all(text, n, name, cb, NULL, payload);
}

/* -- editing ----------------------------------------------------------------------------------- */

struct place {
	const char *key;	/* looked for */
	size_t section_len;	/* of the part of key before the last dot */
	bool in_section;
	bool found, has_section;
	size_t begin, end;	/* the last setting of that key */
	size_t last;		/* end of the section's last setting or header */
};

static int on_setting(const char *key, const char *value, size_t begin, size_t end, void *payload)
{
	struct place *f = payload;

	(void)value;
	if (f->in_section)
		f->last = end;
	if (!strcmp(key, f->key)) {
		f->found = true;
		f->begin = begin;
		f->end = end;
	}
	return 0;
}

static int on_header(const char *section, size_t begin, size_t end, void *payload)
{
	struct place *f = payload;

	(void)begin;
	f->in_section = strlen(section) == f->section_len &&
			!strncmp(section, f->key, f->section_len);
	if (f->in_section) {
		f->has_section = true;
		f->last = end;
	}
	return 0;
}

static void print_header(dv_buf *out, const char *section, size_t n)
{
	const char *dot = memchr(section, '.', n);

	dv_buf_addc(out, '[');
	dv_buf_add(out, section, dot ? (size_t)(dot - section) : n);
	if (dot) {
		dv_buf_adds(out, " \"");
		for (const char *s = dot + 1; s < section + n; s++) {
			if (*s == '"' || *s == '\\')
				dv_buf_addc(out, '\\');
			dv_buf_addc(out, *s);
		}
		dv_buf_addc(out, '"');
	}
	dv_buf_adds(out, "]");
}

static void print_setting(dv_buf *out, const char *name, const char *value)
{
	size_t n = strlen(value);
	bool quote = n && (strpbrk(value, "#;\"") || isspace((unsigned char)value[0]) ||
			   isspace((unsigned char)value[n - 1]));

	dv_buf_addf(out, "\t%s = %s", name, quote ? "\"" : "");
	for (; *value; value++) {
		if (*value == '\n')
			dv_buf_adds(out, "\\n");
		else if (*value == '\t')
			dv_buf_adds(out, "\\t");
		else if (*value == '\b')
			dv_buf_adds(out, "\\b");
		else if (*value == '"' || *value == '\\')
			dv_buf_addf(out, "\\%c", *value);
		else
			dv_buf_addc(out, *value);
	}
	dv_buf_addf(out, "%s\n", quote ? "\"" : "");
}

static void end_line(dv_buf *out)
{
	/* A backslash before the last newline would take what follows into its value. */
	if (out->n > 1 && out->p[out->n - 1] == '\n' && out->p[out->n - 2] == '\\')
		dv_buf_addc(out, '\n');
	if (out->n > 2 && !memcmp(out->p + out->n - 3, "\\\r\n", 3))
		dv_buf_addc(out, '\n');
	if (out->n && out->p[out->n - 1] != '\n')
		dv_buf_addc(out, '\n');
}

/* Behind a header: the start of the next line when only blanks and a comment follow on this one. */
static size_t after_comment(const char *text, size_t n, size_t at)
{
	size_t k = at;

	if (at && text[at - 1] == '\n')
		return at;
	while (k < n && (text[k] == ' ' || text[k] == '\t' || text[k] == '\r'))
		k++;
	if (k < n && (text[k] == '#' || text[k] == ';'))
		while (k < n && text[k] != '\n')
			k++;
	return k == n ? n : text[k] == '\n' ? k + 1 : at;
}

int dv_config_edit(dv_buf *out, const char *text, size_t n, const char *name, const char *key,
		   const char *value)
{
	const char *leaf = strrchr(key, '.');
	struct place f = { .key = key, .section_len = (size_t)(leaf - key) };
	int rc = parse_all(text, n, name, on_setting, on_header, &f);

	if (rc)
		return rc;
	dv_buf_clear(out);
	if (f.found) {
		dv_buf_add(out, text, f.begin);
		if (value) {
			end_line(out);
			print_setting(out, leaf + 1, value);
		}
		dv_buf_add(out, text + f.end, n - f.end);
		return out->err;
	}
	if (!value)
		return dv_err_hint(dv_err(DV_ENOTFOUND, "'%s' is not set in '%s'", key, name),
				   "'dv config -l --show-origin' tells what is set where");
	size_t at = f.has_section ? after_comment(text, n, f.last) : n;
	dv_buf_add(out, text, at);
	end_line(out);
	if (!f.has_section) {
		print_header(out, key, f.section_len);
		dv_buf_addc(out, '\n');
	}
	print_setting(out, leaf + 1, value);
	dv_buf_add(out, text + at, n - at);
	return out->err;
}

/* Copies the text but for sections `old`, whose headers change or which go as a whole. */
struct renamer {
	dv_buf *out;
	const char *text, *old, *new_;
	size_t done;		/* bytes of the text that were handled */
	bool dropping, found;
};

static int on_renamed(const char *section, size_t begin, size_t end, void *payload)
{
	struct renamer *r = payload;

	if (!r->dropping)
		dv_buf_add(r->out, r->text + r->done, begin - r->done);
	r->done = begin;
	r->dropping = false;
	if (!strcmp(section, r->old)) {
		r->found = true;
		r->dropping = !r->new_;
		if (r->new_)
			print_header(r->out, r->new_, strlen(r->new_));
		r->done = end;
	}
	return 0;
}

static int nothing(const char *key, const char *value, size_t begin, size_t end, void *payload)
{
	(void)key, (void)value, (void)begin, (void)end, (void)payload;
	return 0;
}

int dv_config_edit_section(dv_buf *out, const char *text, size_t n, const char *name,
			   const char *old, const char *new_, bool *found)
{
	struct renamer r = { .out = out, .text = text, .old = old, .new_ = new_ };

	dv_buf_clear(out);
	int rc = parse_all(text, n, name, nothing, on_renamed, &r);
	if (rc)
		return rc;
	if (!r.dropping)
		dv_buf_add(out, text + r.done, n - r.done);
	*found = r.found;
	return out->err;
}
