/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The token service of AWS (STS), and of servers that have the like of it: it gives a key for a
 * role. Where it is comes from the user or from AWS, never from a committed file.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/sha256.h"
#include "remotes/credentials_impl.h"
#include "remotes/http.h"
#include "remotes/s3_sign.h"
#include "remotes/s3_xml.h"

#define TOKEN_MAX ((size_t)64 << 10)
#define DEADLINE_MS 30000u
#define REGION "us-east-1"

/* An answer, or a part of one that tells of a failure. */
typedef struct answer {
	char *id, *secret, *token, *ends, *code, *message;
} answer;
static void answer_release(answer *a)
{
	dv_secret_free(a->id);
	dv_secret_free(a->secret);
	dv_secret_free(a->token);
	dv_secret_free(a->ends);
	dv_secret_free(a->code);
	dv_secret_free(a->message);
}

static int on_element(const char *path, const char *text, void *payload)
{
	answer *a = payload;
	const struct {
		const char *name;
		char **to;
	} wanted[] = {
		{ "Credentials/AccessKeyId", &a->id },
		{ "Credentials/SecretAccessKey", &a->secret },
		{ "Credentials/SessionToken", &a->token },
		{ "Credentials/Expiration", &a->ends },
		{ "Error/Code", &a->code }, { "Error/Message", &a->message },
	};
	size_t n = strlen(path);

	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
		size_t k = strlen(wanted[i].name);

		if (n < k || strcmp(path + n - k, wanted[i].name) != 0 ||
		    (n > k && path[n - k - 1] != '/') || *wanted[i].to)
			continue;
		if (!(*wanted[i].to = dv_strdup(text)))
			return DV_ERROR;
	}
	return 0;
}

/* -- the request ------------------------------------------------------------------------------- */

static int add_field(dv_buf *b, const char *name, const char *value)
{
	if (!value)
		return b->err;
	dv_buf_addf(b, "%s%s=", b->n ? "&" : "", name);
	return dv_s3_encode(b, value, false);
}

static int add_role(dv_buf *b, const char *action, const dv_aws_role *role)
{
	char session[40];

	snprintf(session, sizeof session, "dv-%lld", (long long)time(NULL));
	add_field(b, "Action", action);
	add_field(b, "Version", "2011-06-15");
	add_field(b, "RoleArn", role->arn);
	add_field(b, "RoleSessionName", role->session ? role->session : session);
	add_field(b, "ExternalId", role->external_id);
	return add_field(b, "DurationSeconds", role->duration);
}

static int service_url(const dv_credentials *c, dv_buf *out)
{
	const char *region = c->sts_region ? c->sts_region : REGION;

	if (c->sts)
		dv_buf_adds(out, c->sts);
	else
		dv_buf_addf(out, "https://sts.%s.amazonaws.com%s", region,
			    strncmp(region, "cn-", 3) ? "" : ".cn");
	while (out->n && out->p[out->n - 1] == '/')
		out->p[--out->n] = 0;
	return out->err ? out->err : dv_buf_addc(out, '/');
}

/* Signs a POST of `body` and appends the headers; `host` and the rest are kept in `text`. */
typedef struct signed_headers {
	dv_buf host, date, token, auth;
	const char *h[5];
	size_t n;
} signed_headers;
static void signed_headers_release(signed_headers *s)
{
	dv_secret_buf_release(&s->token);
	dv_buf_release(&s->host);
	dv_buf_release(&s->date);
	dv_buf_release(&s->auth);
}

static int sign(signed_headers *s, const dv_credentials *c, const dv_lease *by, const char *url,
		const dv_buf *body)
{
	const char *host = strstr(url, "://");
	char date[DV_S3_DATE_ROOM], hex[DV_OID_HEX_SIZE + 1];
	dv_auto(dv_buf) path = DV_BUF_INIT;
	dv_oid sum;

	if (!host)
		return dv_err(DV_EUSAGE, "the address of the token service is no URL");
	host += 3;
	size_t n = strcspn(host, "/");
	dv_s3_date(date, time(NULL));
	dv_sha256(&sum, body->p, body->n);
	dv_oid_hex(hex, &sum);
	dv_buf_addf(&s->host, "host: %.*s", (int)n, host);
	dv_buf_addf(&s->date, "x-amz-date: %s", date);
	dv_buf_adds(&path, host + n);
	s->h[s->n++] = dv_buf_str(&s->host);
	s->h[s->n++] = dv_buf_str(&s->date);
	if (by->key.token) {
		dv_buf_addf(&s->token, "x-amz-security-token: %s", by->key.token);
		s->h[s->n++] = dv_buf_str(&s->token);
	}
	if (s->host.err || s->date.err || s->token.err || path.err)
		return dv_err_nomem();
	dv_buf_adds(&s->auth, "authorization: ");
	int rc = dv_s3_sign(&s->auth, &(dv_s3_signing){
		.method = "POST", .path = dv_buf_str(&path), .query = "", .headers = s->h,
		.nheaders = s->n, .payload = hex, .date = date, .service = "sts",
		.region = c->sts_region ? c->sts_region : REGION,
		.id = by->key.id, .secret = by->key.secret });
	s->h[s->n++] = dv_buf_str(&s->auth);
	return rc;
}

/* -- the answer -------------------------------------------------------------------------------- */

static int failed(const dv_http_answer *a, const answer *said, const dv_aws_role *role)
{
	static const char *const later[] = { "Throttling", "ThrottlingException",
					     "RequestLimitExceeded", "IDPCommunicationError",
					     "InternalFailure", "ServiceUnavailable", NULL };
	bool again = a->status >= 500 || a->status == 429;

	for (const char *const *l = later; *l && said->code; l++)
		again = again || !strcmp(said->code, *l);
	int rc = dv_err(again ? DV_ETRANSIENT : DV_EAUTH,
			"the token service refuses the role '%.200s': %.60s%s%.300s", role->arn,
			said->code ? said->code : "no reason given", said->message ? ": " : "",
			said->message ? said->message : "");
	return rc;
}

static int take(dv_http_answer *a, const dv_aws_role *role, dv_lease *out)
{
	__attribute__((cleanup(answer_release))) answer said = { 0 };
	int rc = a->body.n ? dv_xml_scan(a->body.p, a->body.n, on_element, &said) : 0;

	if (rc)
		dv_error_clear();
	if (a->status != 200)
		return failed(a, &said, role);
	if (rc || !said.id || !said.secret || !*said.id || !*said.secret ||
	    (said.ends && !dv_aws_time(said.ends, &out->expires)))
		return dv_err(DV_EAUTH, "the token service gave no key for the role '%.200s'",
			      role->arn);
	return dv_lease_set(out, said.id, said.secret, said.token);
}

static int post(const dv_credentials *c, const char *url, const dv_buf *body,
		const signed_headers *s, const dv_aws_role *role, dv_lease *out)
{
	const char *headers[6] = { "content-type: application/x-www-form-urlencoded" };
	dv_auto(dv_http_answer) a = DV_HTTP_ANSWER_INIT;
	dv_http_request q = DV_HTTP_REQUEST_INIT;
	dv_autoptr(dv_http) h = NULL;
	size_t n = 1;

	for (size_t i = 0; s && i < s->n; i++)
		headers[n++] = s->h[i];
	q.method = "POST", q.url = url;
	q.headers = headers, q.nheaders = n;
	q.body = body->p, q.n = body->n;
	q.deadline_ms = DEADLINE_MS;
	int rc = dv_http_new(&h, &(dv_http_options){ .cafile = c->cafile });
	if (rc == 0)
		rc = dv_http_perform(h, &q, &a);
	if (rc == 0)
		rc = take(&a, role, out);
	else
		rc = dv_err_ctx(rc, "the token service");
	if (a.body.p)
		OPENSSL_cleanse(a.body.p, a.body.cap);
	return rc;
}

int dv_aws_assume_role(const dv_credentials *c, const dv_lease *by, const dv_aws_role *role,
		       dv_lease *out)
{
	__attribute__((cleanup(signed_headers_release))) signed_headers s = { 0 };
	dv_auto(dv_buf) url = DV_BUF_INIT, body = DV_BUF_INIT;
	int rc = service_url(c, &url);

	if (rc || (rc = add_role(&body, "AssumeRole", role)) ||
	    (rc = sign(&s, c, by, url.p, &body)))
		return rc;
	return post(c, url.p, &body, &s, role, out);
}

int dv_aws_web_identity(const dv_credentials *c, const char *token_file, const dv_aws_role *role,
			dv_lease *out)
{
	dv_auto(dv_buf) url = DV_BUF_INIT;
	dv_auto(dv_secret_buf) body = DV_BUF_INIT;
	dv_auto(dv_secret_buf) token = DV_BUF_INIT;
	int rc = service_url(c, &url);

	if (rc == 0)
		rc = dv_buf_reserve(&token, TOKEN_MAX + 1);
	if (rc == 0)
		rc = dv_buf_reserve(&body, 3 * TOKEN_MAX + 4096);
	if (rc)
		return rc;
	if (dv_fs_read_file(&token, token_file, TOKEN_MAX))
		return dv_err(DV_EAUTH, "cannot read the web identity's token in '%s'", token_file);
	while (token.n && strchr(" \r\n\t", token.p[token.n - 1]))
		token.p[--token.n] = 0;
	if ((rc = add_role(&body, "AssumeRoleWithWebIdentity", role)) ||
	    (rc = add_field(&body, "WebIdentityToken", dv_buf_str(&token))))
		return rc;
	return post(c, url.p, &body, NULL, role, out);
}

int dv_aws_env_identity(const dv_credentials *c, dv_lease *out, bool *found)
{
	const char *file = dv_aws_env("AWS_WEB_IDENTITY_TOKEN_FILE");
	dv_aws_role role = { .arn = dv_aws_env("AWS_ROLE_ARN"),
			     .session = dv_aws_env("AWS_ROLE_SESSION_NAME") };

	*found = file != NULL;
	if (!*found)
		return 0;
	if (!role.arn)
		return dv_err(DV_EAUTH, "AWS_WEB_IDENTITY_TOKEN_FILE is set, but not AWS_ROLE_ARN");
	snprintf(out->source, sizeof out->source, "the web identity of role '%.200s'", role.arn);
	return dv_aws_web_identity(c, file, &role, out);
}
