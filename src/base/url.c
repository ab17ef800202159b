/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets and traps in URLs; see url.h. */
#include "base/url.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"

/* Where a URL's parts are, as somebody wrote it who may not know the rules. */
typedef struct parts {
	const char *user;	/* behind "://" */
	size_t user_n;		/* with the password; 0: none */
	const char *password;	/* behind the ':', or NULL */
	const char *host;
	const char *query;	/* behind the '?' or '#', or NULL */
	bool names_account;	/* the user may be seen */
	bool is_s3;
} parts;

static bool is_number(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] < '0' || p[i] > '9')
			return false;
	return true;
}

/* Does the scheme that ends at `end` have this name? */
static bool is_scheme(const char *url, const char *end, const char *name)
{
	size_t n = strlen(name);

	return (size_t)(end - url) >= n && !strncasecmp(end - n, name, n) &&
	       ((size_t)(end - url) == n || !isalnum((unsigned char)end[-1 - (ptrdiff_t)n]));
}

/* Behind the ':' between user and password, which may be escaped; NULL without one. */
static const char *find_password(const char *user, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (user[i] == ':')
			return user + i + 1;
		if (i + 2 < n && !strncasecmp(user + i, "%3a", 3))
			return user + i + 3;
	}
	return NULL;
}

static bool take_apart(parts *out, const char *url)
{
	const char *p = strstr(url, "://");

	*out = (parts){ 0 };
	if (!p)
		return false;
	/* Behind ssh there are accounts, and keys let in; elsewhere people write tokens there. */
	out->names_account = is_scheme(url, p, "ssh");
	out->is_s3 = is_scheme(url, p, "s3");
	out->user = out->host = p += 3;
	size_t n = strcspn(p, "/?#"), colon = strcspn(p, ":/?#");
	const char *at = memrchr(p, '@', n);
	/* A '/', '?' or '#' in a password ends the host for those who read by the rules. */
	if (!at && colon < n && *p != '[' && !is_number(p + colon + 1, n - colon - 1))
		at = strrchr(p, '@');
	if (at) {
		out->user_n = (size_t)(at - p);
		out->password = find_password(p, out->user_n);
		out->host = at + 1;
	}
	bool web = is_scheme(url, p - 3, "http") || is_scheme(url, p - 3, "https");
	const char *query = strpbrk(out->host, web ? "?#" : "?");
	out->query = query ? query + 1 : NULL;
	return true;
}

size_t dv_url_scheme(const char *url)
{
	const char *colon = strstr(url, "://");

	if (!colon || *url == '-')
		return 0;
	for (const char *s = url; s < colon; s++)
		if (!isalnum((unsigned char)*s) && *s != '+' && *s != '.' && *s != '-')
			return 0;
	return (size_t)(colon - url);
}

void dv_url_lower_scheme(char *url)
{
	for (size_t n = dv_url_scheme(url); n-- > 0;)
		url[n] = (char)tolower((unsigned char)url[n]);
}

int dv_url_check(const char *url)
{
	parts p;

	if (!take_apart(&p, url))
		return 0;
	for (const char *s = url; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return dv_err(DV_EUNSAFE, "refused a URL with control characters");
	if (p.password)
		return dv_err_hint(dv_err(DV_EUNSAFE, "refused a URL with a password in it"),
				   "take it out, and keep it in ~/.netrc, in the files of the AWS "
				   "tools or with ssh's agent");
	if (p.is_s3 && p.host != p.user)
		return dv_err_hint(dv_err(DV_EUNSAFE, "refused an s3 URL with a key in it"),
				   "take it out, and keep keys in the environment, in the files of "
				   "the AWS tools or in the setting 'accesskeyid' (--local)");
	if (*p.host == '-' || *p.user == '-')
		return dv_err(DV_EUNSAFE, "refused a URL whose host begins with '-'");
	return 0;
}

char *dv_url_redact(const char *url)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	parts p;

	if (!take_apart(&p, url)) {
		dv_buf_adds(&b, url);
		return dv_buf_detach(&b);
	}
	const char *from = url, *hide = p.names_account ? p.password : p.user_n ? p.user : NULL;
	if (hide) {
		dv_buf_add(&b, from, (size_t)(hide - from));
		dv_buf_adds(&b, "***@");
		from = p.host;
	}
	if (p.query) {
		dv_buf_add(&b, from, (size_t)(p.query - from));
		dv_buf_adds(&b, "***");
	} else {
		dv_buf_adds(&b, from);
	}
	return dv_buf_detach(&b);
}
