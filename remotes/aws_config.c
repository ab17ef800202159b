/* SPDX-License-Identifier: Apache-2.0 */
/* Reading ~/.aws/config and ~/.aws/credentials. */
#include "remotes/aws_config.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/fs.h"

#define SECTION_MAX 512

void dv_aws_config_release(dv_aws_config *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->e[i].section);
		free(c->e[i].key);
		dv_secret_free(c->e[i].value);
	}
	free(c->e);
	*c = (dv_aws_config)DV_AWS_CONFIG_INIT;
}

static int add(dv_aws_config *c, const char *section, const char *key, const char *value, size_t n)
{
	int rc = dv_grow(&c->e, &c->cap, c->n + 1, sizeof *c->e);

	if (rc)
		return rc;
	dv_aws_entry *e = &c->e[c->n++];
	*e = (dv_aws_entry){ dv_strdup(section), dv_strdup(key), dv_strndup(value, n) };
	return e->section && e->key && e->value ? 0 : DV_ERROR;
}

/* -- lines ------------------------------------------------------------------------------------- */

typedef struct parser {
	dv_aws_config *c;
	bool credentials;
	char section[SECTION_MAX];	/* "" where values belong to nobody */
	char group[128];		/* of nested values, or "" */
} parser;

static void trim(const char **p, size_t *n)
{
	while (*n > 0 && isspace((unsigned char)**p))
		(*p)++, (*n)--;
	while (*n > 0 && isspace((unsigned char)(*p)[*n - 1]))
		(*n)--;
}

/* What stands between the brackets: [name], [profile name] or [profile "some name"]. */
static int on_section(parser *s, const char *p, size_t n)
{
	static const char *const kinds[] = { "profile", "services", "sso-session", NULL };
	const char *kind = s->credentials ? "profile" : NULL;

	*s->section = *s->group = 0;
	trim(&p, &n);
	for (const char *const *k = kinds; *k && !s->credentials; k++) {
		size_t len = strlen(*k);

		if (n > len && !strncmp(p, *k, len) && isspace((unsigned char)p[len])) {
			kind = *k;
			p += len, n -= len;
			trim(&p, &n);
			break;
		}
	}
	if (!kind && n == 7 && !strncmp(p, "default", n))
		kind = "profile";
	if (n >= 2 && (*p == '"' || *p == '\'') && p[n - 1] == *p)
		p++, n -= 2;
	if (!kind || n == 0 || n > SECTION_MAX - 16)
		return 0;
	snprintf(s->section, sizeof s->section, "%s %.*s", kind, (int)n, p);
	return add(s->c, s->section, "", "", 0);
}

static int on_line(parser *s, const char *p, size_t n)
{
	bool indented = n > 0 && (*p == ' ' || *p == '\t');
	char key[256];

	trim(&p, &n);
	if (n == 0 || *p == '#' || *p == ';')
		return 0;
	if (*p == '[') {
		const char *end = memchr(p, ']', n);

		return end ? on_section(s, p + 1, (size_t)(end - p) - 1) : 0;
	}
	const char *eq = memchr(p, '=', n);
	if (!eq || !*s->section)
		return 0;
	const char *value = eq + 1;
	size_t len = (size_t)(eq - p), vlen = n - len - 1;
	trim(&p, &len);
	trim(&value, &vlen);
	if (!indented)
		*s->group = 0;
	if (len == 0 || len + strlen(s->group) + 2 > sizeof key)
		return 0;
	snprintf(key, sizeof key, "%s%s%.*s", s->group, *s->group ? "." : "", (int)len, p);
	for (char *k = key; *k; k++)
		*k = (char)tolower((unsigned char)*k);
	if (!indented && vlen == 0 && len < sizeof s->group)
		snprintf(s->group, sizeof s->group, "%.*s", (int)len, p);
	return add(s->c, s->section, key, value, vlen);
}

int dv_aws_config_parse(dv_aws_config *c, const char *text, size_t n, bool credentials)
{
	parser s = { .c = c, .credentials = credentials };
	int rc = 0;

	for (size_t at = 0; at < n && rc == 0;) {
		const char *nl = memchr(text + at, '\n', n - at);
		size_t len = nl ? (size_t)(nl - text) - at : n - at;

		if (!memchr(text + at, 0, len))
			rc = on_line(&s, text + at, len);
		at += len + 1;
	}
	return rc;
}

int dv_aws_config_read(dv_aws_config *c, const char *path, bool credentials)
{
	dv_auto(dv_secret_buf) text = DV_BUF_INIT;
	dv_autoclose int fd = dv_fs_openat(AT_FDCWD, path, O_RDONLY | O_NOCTTY, 0);
	struct stat st;

	if (fd < 0 && errno == ENOTDIR)
		return dv_err(DV_ENOTFOUND, "cannot open '%s'", path);
	if (fd < 0 || fstat(fd, &st))
		return dv_err_sys("cannot open '%s'", path);
	/* At once, so that no copy of a secret stays behind where the buffer grew. */
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size <= DV_AWS_FILE_MAX) {
		int rc = dv_buf_reserve(&text, (size_t)st.st_size + 4096);
		if (rc)
			return rc;
	}
	int rc = dv_fs_read_fd(&text, fd, path, DV_AWS_FILE_MAX);
	return rc ? rc : dv_aws_config_parse(c, dv_buf_str(&text), text.n, credentials);
}

/* -- lookups ----------------------------------------------------------------------------------- */

bool dv_aws_config_has(const dv_aws_config *c, const char *section)
{
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->e[i].section, section))
			return true;
	return false;
}

const char *dv_aws_config_get(const dv_aws_config *c, const char *section, const char *key)
{
	for (size_t i = c->n; i-- > 0;)
		if (!strcmp(c->e[i].section, section) && !strcmp(c->e[i].key, key))
			return *c->e[i].value ? c->e[i].value : NULL;
	return NULL;
}

const char *dv_aws_profile_get(const dv_aws_config *c, const char *profile, const char *key)
{
	char section[SECTION_MAX];

	if (strlen(profile) > SECTION_MAX - 16)
		return NULL;
	snprintf(section, sizeof section, "profile %s", profile);
	return dv_aws_config_get(c, section, key);
}
