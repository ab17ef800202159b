/* SPDX-License-Identifier: Apache-2.0 */
/* The scanner of s3_xml.h: one pass, a path of open elements, the text of the innermost. */
#include "remotes/s3_xml.h"

#include <stdint.h>
#include <string.h>

#include "base/buf.h"

typedef struct scanner {
	const char *p, *end;
	dv_xml_cb cb;
	void *payload;
	dv_buf path;	/* of the open elements, '/' between */
	size_t starts[DV_XML_DEPTH_MAX];	/* of each element's name in path */
	int depth;
	bool leaf;	/* no element ended inside the innermost one */
	bool seen;	/* the root element */
	dv_buf text;
} scanner;
static void scanner_release(scanner *s)
{
	dv_buf_release(&s->path);
	dv_buf_release(&s->text);
}

static int bad(const char *what)
{
	return dv_err(DV_ERROR, "the server's answer is no XML that dv understands: %s", what);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool starts_with(const scanner *s, const char *what)
{
	size_t n = strlen(what);

	return (size_t)(s->end - s->p) >= n && memcmp(s->p, what, n) == 0;
}

/* Goes behind the next `what`. */
static int skip_to(scanner *s, const char *what)
{
	const char *at = memmem(s->p, (size_t)(s->end - s->p), what, strlen(what));

	if (!at)
		return bad("it ends too early");
	s->p = at + strlen(what);
	return 0;
}

static int add_text(scanner *s, const char *p, size_t n)
{
	if (n > DV_XML_TEXT_MAX - s->text.n)
		return bad("a text is too long");
	return dv_buf_add(&s->text, p, n);
}

static int add_code_point(scanner *s, uint32_t c)
{
	char u[4];
	size_t n;

	if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return bad("a character that does not exist");
	if (c < 0x80) {
		u[0] = (char)c, n = 1;
	} else if (c < 0x800) {
		u[0] = (char)(0xc0 | c >> 6), u[1] = (char)(0x80 | (c & 63)), n = 2;
	} else if (c < 0x10000) {
		u[0] = (char)(0xe0 | c >> 12), u[1] = (char)(0x80 | (c >> 6 & 63));
		u[2] = (char)(0x80 | (c & 63)), n = 3;
	} else {
		u[0] = (char)(0xf0 | c >> 18), u[1] = (char)(0x80 | (c >> 12 & 63));
		u[2] = (char)(0x80 | (c >> 6 & 63)), u[3] = (char)(0x80 | (c & 63)), n = 4;
	}
	return add_text(s, u, n);
}

/* "#N" or "#xN", `n` bytes. */
static int add_number(scanner *s, const char *p, size_t n)
{
	uint32_t c = 0, base = n > 1 && p[1] == 'x' ? 16 : 10;

	p += base == 16 ? 2 : 1, n -= base == 16 ? 2 : 1;
	if (n == 0 || n > 7)
		return bad("a character that does not exist");
	for (; n > 0; p++, n--) {
		uint32_t d = *p >= '0' && *p <= '9' ? (uint32_t)(*p - '0') :
			     *p >= 'a' && *p <= 'f' ? (uint32_t)(*p - 'a' + 10) :
			     *p >= 'A' && *p <= 'F' ? (uint32_t)(*p - 'A' + 10) : 99;

		if (d >= base)
			return bad("a character that does not exist");
		c = c * base + d;
	}
	return add_code_point(s, c);
}

static int add_entity(scanner *s)
{
	static const struct {
		const char *name, c;
	} known[] = { { "lt", '<' }, { "gt", '>' }, { "amp", '&' }, { "quot", '"' },
		      { "apos", '\'' } };
	size_t left = (size_t)(s->end - s->p);
	const char *semicolon = memchr(s->p, ';', left < 12 ? left : 12);

	if (!semicolon)
		return bad("an '&' without ';'");
	const char *name = s->p + 1;
	size_t n = (size_t)(semicolon - name);
	s->p = semicolon + 1;
	if (n > 0 && name[0] == '#')
		return add_number(s, name, n);
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strlen(known[i].name) == n && memcmp(known[i].name, name, n) == 0)
			return add_text(s, &known[i].c, 1);
	return bad("an unknown entity");
}

static int text(scanner *s)
{
	while (s->p < s->end && *s->p != '<') {
		if (*s->p == '&') {
			int rc = add_entity(s);

			if (rc)
				return rc;
			continue;
		}
		const char *from = s->p;
		while (s->p < s->end && *s->p != '<' && *s->p != '&')
			s->p++;
		if (memchr(from, '\0', (size_t)(s->p - from)))
			return bad("a zero byte");
		int rc = add_text(s, from, (size_t)(s->p - from));
		if (rc)
			return rc;
	}
	return 0;
}

/* A name at the scanner, without its prefix. */
static int name(scanner *s, const char **out, size_t *n)
{
	*out = s->p;
	while (s->p < s->end && !is_blank(*s->p) && *s->p != '>' && *s->p != '/' && *s->p != '<' &&
	       *s->p != '\0') {
		s->p++;
		if (s->p[-1] == ':')
			*out = s->p;
	}
	*n = (size_t)(s->p - *out);
	return *n == 0 || *n > DV_XML_NAME_MAX ? bad("a name that is none") : 0;
}

static int close_element(scanner *s)
{
	int rc = s->cb(dv_buf_str(&s->path), s->leaf ? dv_buf_str(&s->text) : "", s->payload);
	size_t at = s->starts[--s->depth];

	s->path.n = at ? at - 1 : 0;
	s->path.p[s->path.n] = '\0';
	s->leaf = false;
	dv_buf_clear(&s->text);
	return rc;
}

static int open_tag(scanner *s)
{
	const char *p;
	size_t n;
	int rc;

	s->p++;
	if ((rc = name(s, &p, &n)))
		return rc;
	if (s->depth >= DV_XML_DEPTH_MAX)
		return bad("elements lie too deep");
	if (s->depth == 0 && s->seen)
		return bad("two roots");
	s->seen = true;
	if (s->depth > 0)
		dv_buf_addc(&s->path, '/');
	s->starts[s->depth++] = s->path.n;
	if (dv_buf_add(&s->path, p, n))
		return s->path.err;
	s->leaf = true;
	dv_buf_clear(&s->text);
	char quote = '\0', last = '\0';
	for (; s->p < s->end && (quote || *s->p != '>'); s->p++) {
		if (quote ? *s->p == quote : *s->p == '"' || *s->p == '\'')
			quote = quote ? '\0' : *s->p;
		last = *s->p;
	}
	if (s->p == s->end)
		return bad("it ends too early");
	s->p++;
	return last == '/' ? close_element(s) : 0;
}

static int close_tag(scanner *s)
{
	const char *p;
	size_t n;
	int rc;

	s->p += 2;
	if ((rc = name(s, &p, &n)))
		return rc;
	while (s->p < s->end && is_blank(*s->p))
		s->p++;
	if (s->p == s->end || *s->p != '>')
		return bad("an end of an element without '>'");
	s->p++;
	if (s->depth == 0)
		return bad("an end without a beginning");
	size_t at = s->starts[s->depth - 1];
	if (s->path.n - at != n || memcmp(s->path.p + at, p, n) != 0)
		return bad("an element ends that is not open");
	return close_element(s);
}

static int tag(scanner *s)
{
	if (starts_with(s, "<!--"))
		return skip_to(s, "-->");
	if (starts_with(s, "<?"))
		return skip_to(s, "?>");
	if (starts_with(s, "<![CDATA[")) {
		const char *from = s->p + 9;
		int rc = skip_to(s, "]]>");

		return rc ? rc : add_text(s, from, (size_t)(s->p - 3 - from));
	}
	if (starts_with(s, "<!"))
		return bad("a document type");
	return starts_with(s, "</") ? close_tag(s) : open_tag(s);
}

int dv_xml_scan(const char *p, size_t n, dv_xml_cb cb, void *payload)
{
	dv_auto(scanner) s = { .p = p, .end = p + n, .cb = cb, .payload = payload };
	int rc = 0;

	if (n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		s.p += 3;
	while (rc == 0 && s.p < s.end) {
		if (*s.p == '<') {
			rc = tag(&s);
		} else if (s.depth > 0) {
			rc = text(&s);
		} else if (is_blank(*s.p)) {
			s.p++;
		} else {
			rc = bad("text outside of elements");
		}
	}
	if (rc == 0 && (s.depth > 0 || !s.seen))
		rc = bad("it ends too early");
	return rc;
}
