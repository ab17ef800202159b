/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matching without recursion: of each kind of star only the last one met is ever tried again (a
 * later star can do whatever an earlier one could), so no pattern takes exponential time.
 */
#include "git/wildmatch.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

static bool named_class(const char *name, size_t n, unsigned char c, bool *known)
{
	static const struct {
		const char *name;
		int (*is)(int);
	} classes[] = {
		{ "alnum", isalnum }, { "alpha", isalpha }, { "blank", isblank },
		{ "cntrl", iscntrl }, { "digit", isdigit }, { "graph", isgraph },
		{ "lower", islower }, { "print", isprint }, { "punct", ispunct },
		{ "space", isspace }, { "upper", isupper }, { "xdigit", isxdigit },
	};

	for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++)
		if (strlen(classes[i].name) == n && !memcmp(classes[i].name, name, n))
			return classes[i].is(c) != 0;
	*known = false;
	return false;
}

/* One character or range of a bracket expression at *p; false ends the pattern as malformed. */
static bool bracket_item(const char **p, unsigned char c, bool *hit)
{
	const char *s = *p;

	if (s[0] == '[' && s[1] == ':') {
		const char *end = strstr(s + 2, ":]");
		bool known = end != NULL;
		if (end && named_class(s + 2, (size_t)(end - s - 2), c, &known))
			*hit = true;
		if (!known)
			return false;
		*p = end + 2;
		return true;
	}
	if (*s == '\\' && !*++s)
		return false;
	unsigned char lo = (unsigned char)*s++, hi = lo;
	if (s[0] == '-' && s[1] && s[1] != ']') {
		s++;
		if (*s == '\\' && !*++s)
			return false;
		hi = (unsigned char)*s++;
	}
	if (c >= lo && c <= hi)
		*hit = true;
	*p = s;
	return true;
}

/* The expression behind '['; the place behind its ']' or NULL when it does not match `c`. */
static const char *bracket(const char *p, unsigned char c)
{
	bool negate = *p == '!' || *p == '^', hit = false, first = true;

	for (p += negate; *p && (first || *p != ']'); first = false)
		if (!bracket_item(&p, c, &hit))
			return NULL;
	return *p && hit != negate ? p + 1 : NULL;
}

/* One non-star element against one character; the place behind the element or NULL. */
static const char *element(const char *p, char c)
{
	if (*p == '?')
		return c != '/' ? p + 1 : NULL;
	if (*p == '[')
		return c != '/' ? bracket(p + 1, (unsigned char)c) : NULL;
	if (*p == '\\')
		return p[1] && p[1] == c ? p + 2 : NULL;
	return *p && *p == c ? p + 1 : NULL;
}

/* At the start of a component: is this a "**" that stands alone between slashes? */
static bool is_deep(const char *pattern, const char *p)
{
	return p[0] == '*' && p[1] == '*' && (p == pattern || p[-1] == '/') &&
	       (p[2] == '/' || !p[2]);
}

bool dv_wildmatch(const char *pattern, const char *text)
{
	const char *p = pattern, *t = text;
	const char *star_p = NULL, *star_t = NULL;	/* last '*' */
	const char *deep_p = NULL, *deep_t = NULL;	/* last "**" + "/" */

	for (;;) {
		const char *next;
		if (is_deep(pattern, p)) {
			if (!p[2])
				return *t != 0;
			/* No folder first; when that fails, one more folder each time. */
			p += 3;
			deep_p = p, deep_t = t;
			star_p = NULL;
			continue;
		}
		if (*p == '*') {
			while (*p == '*')
				p++;
			star_p = p, star_t = t;
			continue;
		}
		if (!*p && !*t)
			return true;
		if (*t && (next = element(p, *t))) {
			p = next;
			t++;
			continue;
		}
		if (star_p && *star_t && *star_t != '/') {
			p = star_p;
			t = ++star_t;
			continue;
		}
		const char *slash = deep_p ? strchr(deep_t, '/') : NULL;
		if (!slash)
			return false;
		star_p = NULL;
		p = deep_p;
		t = deep_t = slash + 1;
	}
}
