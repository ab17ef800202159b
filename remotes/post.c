/* SPDX-License-Identifier: Apache-2.0 */
/* One JSON text to one address, for who only wants to tell somebody something. */
#include "base/url.h"
#include "remotes/http.h"

#include <string.h>

int dv_driver_post(const char *url, const void *text, size_t n, const char *key, unsigned ms)
{
	const dv_http_options o = { .connect_seconds = ms / 1000 + 1 };
	dv_auto(dv_buf) bearer = DV_BUF_INIT;
	dv_auto(dv_http_answer) a = DV_HTTP_ANSWER_INIT;
	const char *headers[2] = { "Content-Type: application/json", NULL };
	dv_autoptr(dv_http) h = NULL;
	int rc = dv_url_check(url);

	if (rc == 0 && key && *key)
		rc = strpbrk(key, "\r\n") ? dv_err(DV_EUSAGE, "a key with a line end")
					  : dv_buf_addf(&bearer, "Authorization: Bearer %s", key);
	headers[1] = dv_buf_str(&bearer);
	if (rc == 0)
		rc = dv_http_new(&h, &o);
	if (rc < 0)
		return rc;
	dv_http_request q = { .method = "POST", .url = url, .headers = headers,
			      .nheaders = bearer.n ? 2 : 1, .body = text, .n = n, .fd = -1,
			      .deadline_ms = ms };
	rc = dv_http_perform(h, &q, &a);
	if (rc == 0 && (a.status < 200 || a.status > 299))
		rc = dv_http_status_error(&a, "the address of events");
	return rc;
}
