/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what a server answered: headers, and what a status means to dv. */
#include "remotes/http.h"

#include <string.h>
#include <time.h>

#include "remotes/curl.h"

#define RETRY_AFTER_MAX_MS (60u * 60 * 1000)

void dv_http_answer_release(dv_http_answer *a)
{
	dv_buf_release(&a->headers);
	dv_buf_release(&a->body);
}

const char *dv_http_header(const dv_http_answer *a, const char *name, char *out, size_t size)
{
	size_t len = strlen(name);
	const char *p = dv_buf_str(&a->headers);

	while (*p) {
		size_t n = strcspn(p, "\n");

		if (n >= len + 2 && memcmp(p, name, len) == 0 && p[len] == ':') {
			n -= len + 2;
			if (n >= size)
				return NULL;
			memcpy(out, p + len + 2, n);
			out[n] = '\0';
			return out;
		}
		p += n + (p[n] == '\n');
	}
	return NULL;
}

/* The pause that the server asks for, 0 when it does not: seconds, or a date. */
static unsigned retry_after(const dv_http_answer *a)
{
	char text[64], *end = NULL;

	if (!dv_http_header(a, "retry-after", text, sizeof text))
		return 0;
	unsigned long long ms = strtoull(text, &end, 10);
	if (end != text && *end == '\0') {
		ms = ms > RETRY_AFTER_MAX_MS ? RETRY_AFTER_MAX_MS : ms * 1000;
	} else {
		const dv_curl *c = dv_curl_load();
		time_t at = c ? c->getdate(text, NULL) : -1, now = time(NULL);

		ms = at > now ? (unsigned long long)(at - now) * 1000 : 0;
	}
	return (unsigned)(ms > RETRY_AFTER_MAX_MS ? RETRY_AFTER_MAX_MS : ms);
}

int dv_http_status_error(const dv_http_answer *a, const char *what)
{
	switch (a->status) {
	case 401:
		return dv_err(DV_EAUTH, "%s: the server wants credentials (HTTP 401)", what);
	case 403:
		return dv_err(DV_EAUTH, "%s: the server refuses access (HTTP 403)", what);
	case 404:
	case 410:
		return dv_err(DV_ENOTFOUND, "%s is not there (HTTP %d)", what, a->status);
	case 408:
	case 425:
	case 429:
	case 500 ... 599:
		if (a->status == 501 || a->status == 505)
			break;
		return dv_err_retry_after(dv_err(DV_ETRANSIENT, "%s: the server answers HTTP %d",
						 what, a->status), retry_after(a));
	default:
		break;
	}
	return dv_err(DV_ERROR, "%s: the server answers HTTP %d", what, a->status);
}
