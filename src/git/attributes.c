/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of .gitattributes that set or unset the filter. */
#include "git/attributes.h"

#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/path.h"
#include "base/sha256.h"
#include "git/drivers.h"
#include "git/wildmatch.h"

#define RULES_MAX 100000	/* of one file; those behind them do not count */

enum verdict { SILENT, OTHER, OURS };

typedef struct rule {
	char *glob;
	bool anchored;		/* matches the path below the folder, else the name alone */
	enum verdict says;
} rule;

typedef struct text {
	char *dir;
	size_t dir_len;
	rule *rules;
	size_t n, cap;
	bool ours;		/* a rule says so */
	dv_oid name;
} text;

typedef struct macro {
	char *name;
	enum verdict says;
} macro;

struct dv_attributes {
	text *t;
	size_t n, cap;
	size_t nown;		/* the first are the user's own: they come last */
	text top;		/* info/attributes: it comes first */
	macro *macros;
	size_t nmacros, macros_cap;
};

static void text_release(text *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->rules[i].glob);
	free(t->rules);
	free(t->dir);
	*t = (text){ 0 };
}

int dv_attributes_new(dv_attributes **out)
{
	*out = dv_calloc(1, sizeof(**out));
	return *out ? 0 : DV_ERROR;
}

void dv_attributes_free(dv_attributes *a)
{
	if (!a)
		return;
	dv_attributes_cut(a, 0);
	text_release(&a->top);
	for (size_t i = 0; i < a->nmacros; i++)
		free(a->macros[i].name);
	free(a->macros);
	free(a->t);
	free(a);
}

size_t dv_attributes_count(const dv_attributes *a)
{
	return a->n;
}

void dv_attributes_cut(dv_attributes *a, size_t n)
{
	while (a->n > n)
		text_release(&a->t[--a->n]);
}

/* -- one line ---------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The byte that a backslash in quotes stands for; *i moves behind it. */
static char unescape(const char *s, size_t len, size_t *i)
{
	static const char from[] = "abfnrtv", to[] = "\a\b\f\n\r\t\v";
	char c = s[(*i)++];
	const char *at = strchr(from, c);

	if (c && at)
		return to[at - from];
	if (c < '0' || c > '3' || *i + 2 > len)
		return c;
	int v = c - '0';
	for (int k = 0; k < 2; k++) {
		if (s[*i] < '0' || s[*i] > '7')
			return c;
		v = v << 3 | (s[(*i)++] - '0');
	}
	return (char)v;
}

bool dv_attributes_pattern(const char *line, size_t len, dv_buf *out, size_t *n)
{
	size_t i = 0;

	dv_buf_clear(out);
	while (i < len && is_blank(line[i]))
		i++;
	if (i == len || line[i] == '#')
		return false;
	if (line[i] == '"') {
		for (i++; i < len && line[i] != '"'; ) {
			char c = line[i++];

			if (c == '\\' && i < len)
				c = unescape(line, len, &i);
			dv_buf_addc(out, c);
		}
		i += i < len;
	} else {
		size_t from = i;

		while (i < len && !is_blank(line[i]))
			i++;
		dv_buf_add(out, line + from, i - from);
	}
	*n = i;
	return out->n && !out->err && !memchr(out->p, 0, out->n);
}

static enum verdict verdict_of(const dv_attributes *a, const char *s, size_t n)
{
	static const char ours[] = "filter=dv";
	bool off = n && (*s == '-' || *s == '!');

	if (n == sizeof(ours) - 1 && memcmp(s, ours, n) == 0)
		return OURS;
	if (off)
		s++, n--;
	if ((n == 6 && !memcmp(s, "filter", 6)) || (n > 6 && !memcmp(s, "filter=", 7)))
		return OTHER;
	for (size_t i = a->nmacros; !off && i-- > 0; )
		if (strlen(a->macros[i].name) == n && memcmp(a->macros[i].name, s, n) == 0)
			return a->macros[i].says;
	return SILENT;
}

/* What the attributes behind the pattern say of the filter; the last word counts. */
static enum verdict verdict_of_line(const dv_attributes *a, const char *s, size_t n)
{
	enum verdict says = SILENT;

	for (size_t i = 0; i < n; ) {
		size_t from;

		while (i < n && is_blank(s[i]))
			i++;
		for (from = i; i < n && !is_blank(s[i]); )
			i++;
		enum verdict v = verdict_of(a, s + from, i - from);
		if (v != SILENT)
			says = v;
	}
	return says;
}

static int add_macro(dv_attributes *a, const char *name, enum verdict says)
{
	int rc = dv_grow(&a->macros, &a->macros_cap, a->nmacros + 1, sizeof(*a->macros));
	char *copy = rc ? NULL : dv_strdup(name);

	if (!copy)
		return rc ? rc : DV_ERROR;
	a->macros[a->nmacros++] = (macro){ copy, says };
	return 0;
}

static int add_line(dv_attributes *a, text *t, const char *s, size_t len)
{
	dv_auto(dv_buf) pattern = DV_BUF_INIT;
	size_t n = 0;

	if (!dv_attributes_pattern(s, len, &pattern, &n))
		return pattern.err;
	enum verdict says = verdict_of_line(a, s + n, len - n);
	const char *p = dv_buf_str(&pattern);
	if (says == SILENT || *p == '!' || p[pattern.n - 1] == '/' || t->n >= RULES_MAX)
		return 0;
	if (strncmp(p, "[attr]", 6) == 0)
		return add_macro(a, p + 6, says);
	int rc = dv_grow(&t->rules, &t->cap, t->n + 1, sizeof(*t->rules));
	if (rc)
		return rc;
	bool anchored = strchr(p, '/') != NULL;
	char *glob = dv_strdup(*p == '/' ? p + 1 : p);
	if (!glob)
		return DV_ERROR;
	t->rules[t->n++] = (rule){ glob, anchored, says };
	t->ours |= says == OURS;
	return 0;
}

static int fill(dv_attributes *a, text *t, const char *dir, const char *p, size_t n)
{
	int rc = 0;

	t->dir = dv_strdup(dir);
	if (!t->dir)
		return DV_ERROR;
	t->dir_len = strlen(dir);
	dv_sha256(&t->name, p, n);
	if (n >= 3 && !memcmp(p, "\xef\xbb\xbf", 3))
		p += 3, n -= 3;
	while (n && !rc) {
		const char *eol = memchr(p, '\n', n);
		size_t len = eol ? (size_t)(eol - p) : n;

		rc = add_line(a, t, p, len);
		len += eol != NULL;
		p += len, n -= len;
	}
	return rc;
}

/* -- all --------------------------------------------------------------------------------------- */

int dv_attributes_add(dv_attributes *a, const char *dir, const char *p, size_t n)
{
	text t = { 0 };
	int rc = fill(a, &t, dir, p, n);
	size_t at = a->n;

	if (!rc)
		rc = dv_grow(&a->t, &a->cap, a->n + 1, sizeof(*a->t));
	if (rc) {
		text_release(&t);
		return rc;
	}
	/* Deeper folders come later, whatever the order in which they are met. */
	for (; at > a->nown && a->t[at - 1].dir_len > t.dir_len; at--)
		a->t[at] = a->t[at - 1];
	a->t[at] = t;
	a->n++;
	return 0;
}

static int read_own(dv_attributes *a, text *top, const char *path)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	int rc = dv_fs_read_file(&b, path, DV_ATTRIBUTES_MAX);

	if (rc) {
		dv_error_clear();
		return 0;
	}
	return top ? fill(a, top, "", b.p, b.n) : dv_attributes_add(a, "", b.p, b.n);
}

int dv_attributes_add_own(dv_attributes *a, const dv_git_dirs *d)
{
	dv_auto(dv_buf) user = DV_BUF_INIT;
	dv_autofree char *info = d->commondir ? dv_path_join(d->commondir, "info/attributes")
					      : NULL;
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	int rc = dv_gitconfig_read(d, "core.attributesfile", true, &user);

	if (rc) {
		dv_error_clear();
		dv_buf_clear(&user);
		if (xdg && *xdg)
			dv_buf_addf(&user, "%s/git/attributes", xdg);
		else if (home && *home)
			dv_buf_addf(&user, "%s/.config/git/attributes", home);
	}
	rc = user.n ? read_own(a, NULL, dv_buf_str(&user)) : 0;
	a->nown = a->n;
	if (!rc && info)
		rc = read_own(a, &a->top, info);
	return rc;
}

bool dv_attributes_any(const dv_attributes *a)
{
	if (a->top.ours)
		return true;
	for (size_t i = 0; i < a->n; i++)
		if (a->t[i].ours)
			return true;
	return false;
}

static enum verdict ask(const text *t, const char *path, const char *name)
{
	const char *rest = path;

	if (t->dir_len) {
		if (strncmp(path, t->dir, t->dir_len) != 0 || path[t->dir_len] != '/')
			return SILENT;
		rest = path + t->dir_len + 1;
	}
	for (size_t i = t->n; i-- > 0; )
		if (dv_wildmatch(t->rules[i].glob, t->rules[i].anchored ? rest : name))
			return t->rules[i].says;
	return SILENT;
}

bool dv_attributes_filtered(const dv_attributes *a, const char *path)
{
	const char *name = dv_path_base(path);
	enum verdict v = ask(&a->top, path, name);

	for (size_t i = a->n; v == SILENT && i-- > 0; )
		v = ask(&a->t[i], path, name);
	return v == OURS;
}

void dv_attributes_name(const dv_attributes *a, dv_oid *out)
{
	dv_sha256_ctx c;

	dv_sha256_init(&c);
	for (size_t i = 0; i < a->n; i++) {
		if (!a->t[i].n)
			continue;
		dv_sha256_update(&c, a->t[i].dir, a->t[i].dir_len + 1);
		dv_sha256_update(&c, a->t[i].name.b, sizeof(a->t[i].name.b));
	}
	dv_sha256_final(&c, out);
}
