/* SPDX-License-Identifier: Apache-2.0 */
/* DVC's settings: .dvc/config and .dvc/config.local, sections with lines "key = value". */
#include <ctype.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "takeover/dvc.h"

#define SETTINGS_MAX 100000	/* in all; those behind them do not count */

void dv_dvc_settings_release(dv_dvc_settings *s)
{
	dv_arena_release(&s->arena);
	*s = (dv_dvc_settings){ 0 };
}

static void trim(const char **p, size_t *n)
{
	while (*n && isspace((unsigned char)**p))
		++*p, --*n;
	while (*n && isspace((unsigned char)(*p)[*n - 1]))
		--*n;
}

/* Takes away quotes around the whole. */
static void unquote(const char **p, size_t *n)
{
	if (*n > 1 && (**p == '"' || **p == '\'') && (*p)[*n - 1] == **p) {
		++*p;
		*n -= 2;
	}
}

/* "['remote "name"']" is section "remote.name". */
static const char *section_name(dv_arena *a, const char *p, size_t n)
{
	const char *quote;
	char *name;

	trim(&p, &n);
	unquote(&p, &n);
	quote = memchr(p, '"', n);
	if (!quote || p[n - 1] != '"' || quote == p + n - 1) {
		name = dv_arena_strndup(a, p, n);
	} else {
		size_t kind = (size_t)(quote - p);
		const char *sub = quote + 1;
		size_t len = n - kind - 2;

		trim(&p, &kind);
		name = dv_arena_printf(a, "%.*s.%.*s", (int)kind, p, (int)len, sub);
	}
	for (char *c = name; c && *c && *c != '.'; c++)
		*c = (char)tolower((unsigned char)*c);
	return name;
}

static int add(dv_dvc_settings *s, const char *section, const char *line, size_t n, bool own)
{
	const char *eq = memchr(line, '=', n), *key = line, *value = eq + 1;
	size_t k = (size_t)(eq - line), v = n - k - 1;
	int rc = dv_arena_grow(&s->arena, &s->s, &s->cap, s->n + 1, sizeof(*s->s));
	char *name;

	if (rc < 0)
		return rc;
	trim(&key, &k);
	unquote(&key, &k);
	trim(&value, &v);
	/* A comment behind the value begins with '#' after a blank. */
	for (size_t i = 1; i < v && *value != '"' && *value != '\''; i++)
		if (value[i] == '#' && isspace((unsigned char)value[i - 1]))
			v = i;
	trim(&value, &v);
	unquote(&value, &v);
	name = dv_arena_strndup(&s->arena, key, k);
	for (char *c = name; c && *c; c++)
		*c = (char)tolower((unsigned char)*c);
	s->s[s->n] = (dv_dvc_setting){ section, name, dv_arena_strndup(&s->arena, value, v), own };
	if (!name || !s->s[s->n].value)
		return DV_ERROR;
	s->n++;
	return 0;
}

int dv_dvc_settings_parse(dv_dvc_settings *s, const char *text, size_t n, bool own,
			  const char *name)
{
	const char *p = text, *end = text + n, *section = "";
	size_t number = 0;
	int rc = 0;

	if (n && memchr(text, 0, n))
		return dv_err(DV_ERROR, "'%s' is no file of settings", name);
	for (; rc == 0 && p < end; p++) {
		const char *nl = memchr(p, '\n', (size_t)(end - p)), *line = p;
		size_t len = (size_t)((nl ? nl : end) - p);

		p = nl ? nl : end;
		number++;
		trim(&line, &len);
		if (!len || *line == '#' || *line == ';')
			continue;
		if (*line == '[' && memchr(line, ']', len)) {
			while (line[len - 1] != ']')
				len--;
			section = section_name(&s->arena, line + 1, len - 2);
			rc = section ? 0 : DV_ERROR;
		} else if (*section && memchr(line, '=', len) && s->n < SETTINGS_MAX) {
			rc = add(s, section, line, len, own);
		} else {
			rc = dv_err(DV_ERROR, "'%s' line %zu is no setting", name, number);
		}
	}
	return rc;
}

static int read_one(dv_dvc_settings *s, const dv_repo *r, const char *name, bool own)
{
	dv_autofree char *path = dv_repo_abs(r, name);
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = path ? dv_fs_read_file(&text, path, DV_CONFIG_FILE_MAX) : dv_err_nomem();

	if (rc == DV_ENOTFOUND) {
		dv_error_clear();
		return 0;
	}
	return rc ? rc : dv_dvc_settings_parse(s, dv_buf_str(&text), text.n, own, name);
}

int dv_dvc_settings_read(dv_dvc_settings *s, const dv_repo *r)
{
	int rc = read_one(s, r, ".dvc/config", false);

	return rc ? rc : read_one(s, r, ".dvc/config.local", true);
}

const char *dv_dvc_setting_get(const dv_dvc_settings *s, const char *section, const char *key,
			       bool *own)
{
	for (size_t i = s->n; i-- > 0;)
		if (!strcmp(s->s[i].section, section) && !strcmp(s->s[i].key, key)) {
			if (own)
				*own = s->s[i].own;
			return s->s[i].value;
		}
	return NULL;
}

const char *dv_dvc_cache_dir(dv_dvc_settings *s, const dv_repo *r)
{
	const char *dir = dv_dvc_setting_get(s, "cache", "dir", NULL), *home = getenv("HOME");
	dv_autofree char *base = NULL, *joined = NULL;
	char *normal = NULL, *out;

	if (dir && !strncmp(dir, "~/", 2) && home)
		joined = dv_path_join(home, dir + 2);
	else if ((base = dv_path_join(r->root, DV_DVC_FOLDER)))
		joined = dv_path_join(base, dir && *dir ? dir : "cache");
	if (joined)
		normal = dv_path_normal(joined);
	out = normal ? dv_arena_strdup(&s->arena, normal) : NULL;
	free(normal);
	return out;
}
