/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets and traps in URLs. */
#include "base/url.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"

/* Where a URL's parts are, as somebody wrote it who may not know the rules. */
typedef struct parts {
	const char *user;	/* behind "://" */
	size_t user_n;		/* with the password; 0: none */
	const char *password;	/* behind the ':', or NULL */
	const char *host;
	const char *query;	/* behind the '?', or NULL */
} parts;

static bool is_number(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] < '0' || p[i] > '9')
			return false;
	return true;
}

static bool take_apart(parts *out, const char *url)
{
	const char *p = strstr(url, "://");

	*out = (parts){ 0 };
	if (!p)
		return false;
	out->user = out->host = p += 3;
	size_t n = strcspn(p, "/?#"), colon = strcspn(p, ":/?#");
	const char *at = memrchr(p, '@', n);
	/* A '/', '?' or '#' in a password ends the host for those who read by the rules. */
	if (!at && colon < n && *p != '[' && !is_number(p + colon + 1, n - colon - 1))
		at = strrchr(p, '@');
	if (at) {
		out->user_n = (size_t)(at - p);
		const char *mark = memchr(p, ':', out->user_n);
		out->password = mark ? mark + 1 : NULL;
		out->host = at + 1;
	}
	const char *query = strchr(out->host, '?');
	out->query = query ? query + 1 : NULL;
	return true;
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
	const char *from = url;
	if (p.password) {
		dv_buf_add(&b, from, (size_t)(p.password - from));
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
