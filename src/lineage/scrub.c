/* SPDX-License-Identifier: Apache-2.0 */
/* Takes secrets out of texts. What is no URL and has no telling name is left as it is. */
#include "lineage/scrub.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>

#define DEPTH 80
#define SECRET_MIN 8	/* bytes of a value that is looked for in what commands print */

static const char *const secret_words[] = { "secret", "password", "passwd", "token", "credential",
					    "apikey", "api_key", "access_key", "private_key",
					    "signature", "sig=", NULL };

static bool speaks_of_secrets(const char *p, size_t n)
{
	for (const char *const *w = secret_words; *w; w++) {
		size_t len = strlen(*w);

		for (size_t i = 0; i + len <= n; i++)
			if (strncasecmp(p + i, *w, len) == 0)
				return true;
	}
	return false;
}

bool dv_scrub_is_secret(const char *name)
{
	return speaks_of_secrets(name, strlen(name));
}

/* Where the URL ends that goes on at `p`, in the middle of a text. */
static size_t url_length(const char *p)
{
	return strcspn(p, " \t\r\n\"'`<>|");
}

/* `p` stands behind "://". Over http a name alone may be a token. */
static int scrub_url(dv_buf *out, const char *p, size_t n, bool is_http)
{
	const char *mark = memchr(p, '?', n), *at;
	size_t query = mark ? (size_t)(mark - p) : n, host = 0;

	while (host < n && !strchr("/?#", p[host]))
		host++;
	at = memrchr(p, '@', host);
	if (at) {
		size_t user = (size_t)(at - p);
		const char *colon = memchr(p, ':', user);

		if (colon || is_http) {
			if (colon && !is_http)
				dv_buf_add(out, p, (size_t)(colon + 1 - p));
			dv_buf_adds(out, "***");
		} else {
			dv_buf_add(out, p, user);
		}
		p += user;
		n -= user;
		query -= query >= user ? user : query;
	}
	if (query < n && speaks_of_secrets(p + query, n - query)) {
		dv_buf_add(out, p, query + 1);
		return dv_buf_adds(out, "***");
	}
	return dv_buf_add(out, p, n);
}

int dv_scrub_text(dv_buf *out, const char *text)
{
	for (const char *p = text, *next; *p && !out->err; p = next) {
		const char *mark = strstr(p, "://");

		if (!mark)
			return dv_buf_adds(out, p);
		bool http = (mark - text >= 4 && strncasecmp(mark - 4, "http", 4) == 0) ||
			    (mark - text >= 5 && strncasecmp(mark - 5, "https", 5) == 0);
		size_t n = url_length(mark + 3);

		dv_buf_add(out, p, (size_t)(mark + 3 - p));
		if (scrub_url(out, mark + 3, n, http) < 0)
			break;
		next = mark + 3 + n;
	}
	return out->err;
}

/* Appends n bytes with "***" for each `secret` in them. */
static int hide(dv_buf *out, const char *p, size_t n, const char *secret)
{
	size_t len = strlen(secret);

	for (const char *at; (at = memmem(p, n, secret, len));) {
		dv_buf_add(out, p, (size_t)(at - p));
		dv_buf_adds(out, "***");
		n -= (size_t)(at - p) + len;
		p = at + len;
	}
	return dv_buf_add(out, p, n);
}

int dv_scrub_log(dv_buf *out, const char *p, size_t n)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = dv_buf_add(&text, p, n);

	for (char **e = environ; rc == 0 && *e; e++) {
		dv_auto(dv_buf) clean = DV_BUF_INIT;
		size_t name = strcspn(*e, "=");
		const char *value = *e + name + ((*e)[name] == '=');

		if (strlen(value) < SECRET_MIN || *value == '/' || !speaks_of_secrets(*e, name) ||
		    !memmem(text.p, text.n, value, strlen(value)))
			continue;
		if ((rc = hide(&clean, text.p, text.n, value)) == 0) {
			dv_buf_release(&text);
			text = clean;
			clean = (dv_buf)DV_BUF_INIT;
		}
	}
	return rc ? rc : dv_buf_add(out, text.p, text.n);
}

static dv_json *scrub(const dv_json *j, int depth);

static dv_json *scrub_object(const dv_json *j, int depth)
{
	dv_autoptr(dv_json) out = json_object();
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)j, key, value) {
		bool hide = json_is_string(value) && dv_scrub_is_secret(key);
		json_t *v = hide ? json_string("***") : scrub(value, depth + 1);

		if (!v || json_object_set_new(out, key, v))
			return NULL;
	}
	return dv_steal(&out);
}

static dv_json *scrub(const dv_json *j, int depth)
{
	if (depth > DEPTH)
		return json_null();
	if (json_is_object(j))
		return scrub_object(j, depth);
	if (json_is_array(j)) {
		dv_autoptr(dv_json) out = json_array();

		for (size_t i = 0; i < json_array_size(j); i++)
			if (json_array_append_new(out, scrub(json_array_get(j, i), depth + 1)))
				return NULL;
		return dv_steal(&out);
	}
	if (json_is_string(j)) {
		dv_auto(dv_buf) b = DV_BUF_INIT;

		if (dv_scrub_text(&b, json_string_value(j)) < 0)
			return NULL;
		return json_string(dv_buf_str(&b));
	}
	return json_incref((json_t *)(uintptr_t)j);
}

dv_json *dv_scrub_json(const dv_json *j)
{
	dv_json *out = scrub(j, 0);

	if (!out)
		dv_err_nomem();
	return out;
}
