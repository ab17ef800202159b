/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request to S3: addressed, signed, sent. What only the server knows, its clock and the region
 * of the bucket, is learned from its first refusal; that, and a key that ran out, are the only
 * reasons to ask twice here.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "remotes/curl.h"
#include "remotes/s3.h"
#include "remotes/s3_sign.h"
#include "remotes/s3_xml.h"
#include "remotes/secret.h"

#define NO_BODY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SKEW_SECONDS 300
#define SKEW_MAX (INT64_C(100) * 365 * 24 * 60 * 60)

enum { FIX_REGION = 1, FIX_CLOCK = 2, FIX_KEY = 4 };

void dv_s3_call_header(dv_s3_call *c, const char *header)
{
	size_t i = 0;

	while (c->headers[i])
		i++;
	dv_assert(i + 1 < DV_S3_CALL_HEADERS);
	c->headers[i] = header;
}

/* -- signing and sending ----------------------------------------------------------------------- */

/* What a request was made from; another thread may have learned better since. */
typedef struct known {
	char region[DV_S3_REGION_ROOM];
	int64_t clock_offset;
	dv_s3_key key;
} known;
static void known_release(known *k)
{
	dv_s3_key_release(&k->key);
}

typedef struct header_block {
	dv_buf text[5];	/* host, hash, date, token, authorization */
	const char *all[DV_S3_HEADERS_MAX];
	size_t n;
} header_block;
static void header_block_release(header_block *h)
{
	for (size_t i = 0; i < sizeof h->text / sizeof *h->text; i++)
		dv_secret_buf_release(&h->text[i]);
}

static int add_signature(header_block *h, const dv_s3_call *c, const dv_s3_address *to,
			 const known *k)
{
	char date[DV_S3_DATE_ROOM];
	const char *payload = c->sha256 ? c->sha256 : NO_BODY;

	dv_s3_date(date, time(NULL) + (time_t)k->clock_offset);
	dv_buf_addf(&h->text[1], "x-amz-content-sha256: %s", payload);
	dv_buf_addf(&h->text[2], "x-amz-date: %s", date);
	h->all[h->n++] = dv_buf_str(&h->text[1]);
	h->all[h->n++] = dv_buf_str(&h->text[2]);
	if (k->key.token) {
		dv_buf_addf(&h->text[3], "x-amz-security-token: %s", k->key.token);
		h->all[h->n++] = dv_buf_str(&h->text[3]);
	}
	dv_buf_adds(&h->text[4], "Authorization: ");
	const dv_s3_signing s = {
		.method = c->method, .path = dv_buf_str(&to->path),
		.query = c->query ? c->query : "",
		.headers = h->all, .nheaders = h->n, .payload = payload, .date = date,
		.region = k->region, .id = k->key.id, .secret = k->key.secret,
	};
	int rc = dv_s3_sign(&h->text[4], &s);
	h->all[h->n++] = dv_buf_str(&h->text[4]);
	for (size_t i = 0; rc == 0 && i < sizeof h->text / sizeof *h->text; i++)
		rc = h->text[i].err;
	return rc;
}

static int once(dv_s3 *s, const dv_s3_call *c, known *k, dv_http_answer *a)
{
	dv_auto(dv_s3_address) to = { .url = DV_BUF_INIT };
	dv_auto(header_block) h = { .n = 0 };
	int rc = dv_credentials_get(s->credentials, &k->key);

	if (rc)
		return rc;
	pthread_mutex_lock(&s->lock);
	memcpy(k->region, s->region, sizeof k->region);
	k->clock_offset = s->clock_offset;
	pthread_mutex_unlock(&s->lock);
	rc = dv_s3_address_of(&to, &s->place, k->region, c->key, c->query ? c->query : "");
	if (rc || (rc = dv_buf_addf(&h.text[0], "host: %s", dv_buf_str(&to.host))))
		return rc;
	/* libcurl sends the same by itself; it stands here to be signed. */
	h.all[h.n++] = dv_buf_str(&h.text[0]);
	for (size_t i = 0; i < DV_S3_CALL_HEADERS && c->headers[i]; i++)
		h.all[h.n++] = c->headers[i];
	if (s->requester_pays)
		h.all[h.n++] = "x-amz-request-payer: requester";
	if (k->key.id && (rc = add_signature(&h, c, &to, k)))
		return rc;
	const dv_http_request q = {
		.method = c->method, .url = dv_buf_str(&to.url),
		.headers = h.all, .nheaders = h.n, .body = c->body, .fd = c->fd,
		.offset = c->offset, .n = c->n, .sink = c->sink, .begin = c->begin,
		.payload = c->payload, .remote = c->body ? NULL : &s->base,
	};
	return dv_http_perform(s->http, &q, a);
}

/* -- what an answer says ----------------------------------------------------------------------- */

static void keep(char *out, size_t size, const char *text)
{
	size_t n = 0;

	for (; *text && n + 1 < size; text++)
		if ((unsigned char)*text >= 0x20 && *text != 0x7f)
			out[n++] = *text;
	out[n] = '\0';
}

static int error_cb(const char *path, const char *text, void *payload)
{
	dv_s3_error *e = payload;
	const char *last = strrchr(path, '/');

	/* Some servers put the error into another element. */
	last = last ? last + 1 : path;
	if (!strstr(path, "Error/"))
		return 0;
	if (strcmp(last, "Code") == 0)
		keep(e->code, sizeof e->code, text);
	else if (strcmp(last, "Message") == 0)
		keep(e->message, sizeof e->message, text);
	else if (strcmp(last, "Region") == 0)
		keep(e->region, sizeof e->region, text);
	return 0;
}

void dv_s3_error_parse(dv_s3_error *out, const dv_http_answer *a)
{
	*out = (dv_s3_error){ 0 };
	/* What is no XML, or was cut, says as much as it says. */
	if (a->body.n > 0 && dv_xml_scan(a->body.p, a->body.n, error_cb, out))
		dv_error_clear();
	dv_http_header(a, "x-amz-bucket-region", out->region, sizeof out->region);
	if (!dv_s3_region_is_valid(out->region))
		out->region[0] = '\0';
}

static bool is_one_of(const char *s, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(s, *words) == 0)
			return true;
	return false;
}

static unsigned learn_region(dv_s3 *s, const known *k, const dv_s3_error *e)
{
	if (!e->region[0] || strcmp(e->region, k->region) == 0)
		return 0;
	pthread_mutex_lock(&s->lock);
	memcpy(s->region, e->region, sizeof s->region);
	pthread_mutex_unlock(&s->lock);
	return FIX_REGION;
}

static unsigned learn_clock(dv_s3 *s, const known *k, const dv_http_answer *a,
			    const dv_s3_error *e)
{
	const dv_curl *curl = dv_curl_load();
	char text[64];

	if (a->status != 403 || (e->code[0] && strcmp(e->code, "RequestTimeTooSkewed") != 0) ||
	    !curl || !dv_http_header(a, "date", text, sizeof text))
		return 0;
	int64_t now = time(NULL), there = curl->getdate(text, NULL), ahead = there - now;
	int64_t change = ahead - k->clock_offset;
	if (there < 0 || ahead > SKEW_MAX || ahead < -SKEW_MAX ||
	    (change <= SKEW_SECONDS && change >= -SKEW_SECONDS))
		return 0;
	pthread_mutex_lock(&s->lock);
	s->clock_offset = ahead;
	pthread_mutex_unlock(&s->lock);
	return FIX_CLOCK;
}

static unsigned renew_key(dv_s3 *s, const dv_http_answer *a, const dv_s3_error *e,
			  const dv_s3_key *used)
{
	static const char *const codes[] = { "ExpiredToken", "ExpiredTokenException",
					     "TokenRefreshRequired", NULL };
	/* The answer to HEAD says no more than 400. */
	bool expired = e->code[0] ? is_one_of(e->code, codes) : a->status == 400;

	return expired && used->token && dv_credentials_expired(s->credentials, used) ?
		FIX_KEY : 0;
}

int dv_s3_call_perform(dv_s3 *s, const dv_s3_call *c, dv_http_answer *a)
{
	unsigned tried = 0;

	for (;;) {
		dv_auto(known) k = { .key = DV_S3_KEY_INIT };
		dv_s3_error e;
		int rc = once(s, c, &k, a);

		if (rc)
			return rc;
		if (a->status != 301 && a->status != 307 && a->status != 308 &&
		    a->status != 400 && a->status != 403)
			return 0;
		dv_s3_error_parse(&e, a);
		unsigned fix = learn_region(s, &k, &e);
		if (!fix && k.key.id)
			fix = learn_clock(s, &k, a, &e) | renew_key(s, a, &e, &k.key);
		if ((fix & ~tried) == 0)
			return 0;
		tried |= fix;
	}
}

/* -- failures ---------------------------------------------------------------------------------- */

static const struct meaning {
	const char *code;
	int rc;
	const char *text, *hint;
} meanings[] = {
	{ "AccessDenied", DV_EAUTH, "access is denied",
	  "the key needs s3:ListBucket, s3:GetObject and, to push, s3:PutObject" },
	{ "InvalidAccessKeyId", DV_EAUTH, "the server does not know the access key", NULL },
	{ "SignatureDoesNotMatch", DV_EAUTH, "the secret does not belong to the access key", NULL },
	{ "InvalidToken", DV_EAUTH, "the session token is not valid", NULL },
	{ "ExpiredToken", DV_EAUTH, "the session has ended", "sign in again" },
	{ "RequestTimeTooSkewed", DV_EAUTH, "the clocks differ too much",
	  "set the clock of this machine" },
	{ "AuthorizationHeaderMalformed", DV_EAUTH, "the signature is for another region",
	  "name the bucket's region in the remote's setting 'region'" },
	{ "PermanentRedirect", DV_ERROR, "the bucket is elsewhere",
	  "name its region in the remote's setting 'region', or its server in 'endpointurl'" },
	{ "NoSuchKey", DV_ENOTFOUND, "is not there", NULL },
	{ "NoSuchUpload", DV_ENOTFOUND, "the upload is not there", NULL },
	{ "PreconditionFailed", DV_EEXISTS, "is there already", NULL },
	{ "ConditionalRequestConflict", DV_ETRANSIENT, "somebody else writes it just now", NULL },
	{ "OperationAborted", DV_ETRANSIENT, "somebody else changes it just now", NULL },
	{ "SlowDown", DV_ETRANSIENT, "the server asks for fewer requests", NULL },
	{ "RequestTimeout", DV_ETRANSIENT, "the server waited for bytes in vain", NULL },
	{ "InternalError", DV_ETRANSIENT, "the server failed", NULL },
	{ "BadDigest", DV_ETRANSIENT, "bytes were damaged on the way", NULL },
	{ "XAmzContentSHA256Mismatch", DV_ETRANSIENT, "bytes were damaged on the way", NULL },
	{ "IncompleteBody", DV_ETRANSIENT, "bytes were lost on the way", NULL },
	{ "InvalidObjectState", DV_ERROR, "is in an archive",
	  "restore the bucket's objects from the archive first" },
	{ "QuotaExceeded", DV_ERROR, "the quota is used up", "make room, or ask for more" },
	{ "KeyTooLongError", DV_ERROR, "the name is too long", "use a shorter prefix" },
};

static int no_bucket(const dv_s3 *s)
{
	int rc = dv_err(DV_ERROR, "bucket '%s' does not exist", s->place.bucket);

	return dv_err_hint(rc, "make it first, as with 'aws s3 mb s3://%s', or correct the URL of "
			   "the remote", s->place.bucket);
}

/* Where the key came from that was refused. */
bool dv_s3_is_anonymous(dv_s3 *s)
{
	dv_auto(dv_s3_key) key = DV_S3_KEY_INIT;

	return dv_credentials_get(s->credentials, &key) == 0 && !key.id;
}

static int auth_hint(dv_s3 *s, bool anonymous, int rc, const char *hint)
{
	char text[DV_CREDENTIALS_SOURCE_ROOM];
	const char *source = dv_credentials_source(s->credentials, text) ? text : NULL;

	if (anonymous)
		return dv_err_hint(rc, "requests go without a key: take the remote's setting "
				   "'anonymous' away, or have the bucket made public");
	if (hint && source)
		return dv_err_hint(rc, "the key is from %s: %s", source, hint);
	if (hint)
		return dv_err_hint(rc, "%s", hint);
	if (source)
		return dv_err_hint(rc, "the key is from %s: check it, and whether the remote's "
				   "'endpointurl' is its server", source);
	return rc;
}

int dv_s3_failure(dv_s3 *s, const dv_s3_call *c, const dv_http_answer *a)
{
	dv_auto(dv_buf) what = DV_BUF_INIT;
	dv_s3_error e;
	int rc;

	dv_s3_error_parse(&e, a);
	dv_buf_addf(&what, "'s3://%s/%s'", s->place.bucket, c->key ? c->key : s->place.prefix);
	if (what.err)
		return what.err;
	if (strcmp(e.code, "NoSuchBucket") == 0)
		return no_bucket(s);
	bool anonymous = dv_s3_is_anonymous(s);
	for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
		const struct meaning *m = &meanings[i];

		if (strcmp(m->code, e.code) != 0)
			continue;
		unsigned pause = 0;
		if (m->rc == DV_ETRANSIENT) {
			dv_http_status_error(a, "");
			pause = dv_error_last()->retry_after_ms;
		}
		/* Some say what the object is, the others why it is not to be had. */
		rc = dv_err(m->rc, "%s%s %s (%s)", dv_buf_str(&what),
			    strncmp(m->text, "is ", 3) == 0 ? "" : ":", m->text, e.code);
		if (m->rc == DV_EAUTH)
			return auth_hint(s, anonymous, rc, m->hint);
		if (m->hint)
			dv_err_hint(rc, "%s", m->hint);
		return dv_err_retry_after(rc, pause);
	}
	if (e.code[0])
		dv_buf_addf(&what, ": %s%s%s", e.code, e.message[0] ? ": " : "", e.message);
	rc = dv_http_status_error(a, dv_buf_str(&what));
	if (rc == DV_EAUTH)
		return auth_hint(s, anonymous, rc, NULL);
	if (a->status == 301 || a->status == 307 || a->status == 308)
		dv_err_hint(rc, "name the bucket's region in the remote's setting 'region', or its "
			    "server in 'endpointurl'");
	return rc;
}

int dv_s3_ask(dv_s3 *s, const dv_s3_call *c, dv_http_answer *a)
{
	int rc = dv_s3_call_perform(s, c, a);

	if (rc)
		return rc;
	return a->status >= 200 && a->status < 300 ? 0 : dv_s3_failure(s, c, a);
}
