/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signature Version 4: the request in canonical form, hashed; a key made from the secret for one
 * day, region and service; the HMAC of the one by the other.
 */
#include "remotes/s3_sign.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "base/sha256.h"

#define BLOCK 64u
#define SCHEME "AWS4-HMAC-SHA256"

void dv_s3_date(char out[DV_S3_DATE_ROOM], time_t t)
{
	struct tm tm;

	if (!gmtime_r(&t, &tm) || strftime(out, DV_S3_DATE_ROOM, "%Y%m%dT%H%M%SZ", &tm) == 0)
		snprintf(out, DV_S3_DATE_ROOM, "19700101T000000Z");
}

int dv_s3_encode(dv_buf *out, const char *s, bool slash)
{
	static const char hex[] = "0123456789ABCDEF";

	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    c == '-' || c == '.' || c == '_' || c == '~' || (slash && c == '/')) {
			dv_buf_addc(out, (char)c);
		} else {
			const char e[3] = { '%', hex[c >> 4], hex[c & 15] };

			dv_buf_add(out, e, sizeof e);
		}
	}
	return out->err;
}

void dv_s3_hmac(dv_oid *out, const void *key, size_t nkey, const void *p, size_t n)
{
	uint8_t inner[BLOCK], outer[BLOCK], k[BLOCK] = { 0 };
	dv_sha256_ctx c;
	dv_oid sum;

	if (nkey > BLOCK) {
		dv_sha256(&sum, key, nkey);
		memcpy(k, sum.b, sizeof sum.b);
	} else {
		memcpy(k, key, nkey);
	}
	for (size_t i = 0; i < BLOCK; i++) {
		inner[i] = k[i] ^ 0x36;
		outer[i] = k[i] ^ 0x5c;
	}
	dv_sha256_init(&c);
	dv_sha256_update(&c, inner, BLOCK);
	dv_sha256_update(&c, p, n);
	dv_sha256_final(&c, &sum);
	dv_sha256_init(&c);
	dv_sha256_update(&c, outer, BLOCK);
	dv_sha256_update(&c, sum.b, sizeof sum.b);
	dv_sha256_final(&c, out);
	OPENSSL_cleanse(k, sizeof k);
	OPENSSL_cleanse(inner, sizeof inner);
	OPENSSL_cleanse(outer, sizeof outer);
}

static size_t name_length(const char *header)
{
	return strcspn(header, ":");
}

static int compare_names(const char *a, const char *b)
{
	size_t na = name_length(a), nb = name_length(b);
	int d = strncasecmp(a, b, na < nb ? na : nb);

	return d ? d : (na > nb) - (na < nb);
}

static void add_lower(dv_buf *out, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dv_buf_addc(out, (char)tolower((unsigned char)s[i]));
}

/* Without blanks around it, and with one where there were several. */
static void add_value(dv_buf *out, const char *s)
{
	bool blank = false, any = false;

	for (; *s; s++) {
		if (*s == ' ' || *s == '\t') {
			blank = any;
			continue;
		}
		if (blank)
			dv_buf_addc(out, ' ');
		blank = false;
		any = true;
		dv_buf_addc(out, *s);
	}
}

/* The canonical request; `names` gets the list of signed headers. */
static int canonical(dv_buf *out, dv_buf *names, const dv_s3_signing *s)
{
	const char *h[DV_S3_HEADERS_MAX];

	dv_assert(s->nheaders <= DV_S3_HEADERS_MAX);
	for (size_t i = 0; i < s->nheaders; i++) {
		size_t at = i;

		for (; at > 0 && compare_names(h[at - 1], s->headers[i]) > 0; at--)
			h[at] = h[at - 1];
		h[at] = s->headers[i];
	}
	dv_buf_addf(out, "%s\n%s\n%s\n", s->method, s->path, s->query);
	for (size_t i = 0; i < s->nheaders; i++) {
		size_t n = name_length(h[i]);

		add_lower(out, h[i], n);
		dv_buf_addc(out, ':');
		add_value(out, h[i][n] ? h[i] + n + 1 : "");
		dv_buf_addc(out, '\n');
		if (i)
			dv_buf_addc(names, ';');
		add_lower(names, h[i], n);
	}
	dv_buf_addf(out, "\n%s\n%s", dv_buf_str(names), s->payload);
	return out->err ? out->err : names->err;
}

static const char *service_of(const dv_s3_signing *s)
{
	return s->service ? s->service : "s3";
}

/* The key for one day, region and service. */
static int derive(dv_oid *out, const dv_s3_signing *s)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	int rc = dv_buf_addf(&b, "AWS4%s", s->secret);

	if (rc == 0) {
		dv_s3_hmac(out, b.p, b.n, s->date, 8);
		OPENSSL_cleanse(b.p, b.n);
		dv_s3_hmac(out, out->b, sizeof out->b, s->region, strlen(s->region));
		dv_s3_hmac(out, out->b, sizeof out->b, service_of(s), strlen(service_of(s)));
		dv_s3_hmac(out, out->b, sizeof out->b, "aws4_request", 12);
	}
	return rc;
}

int dv_s3_sign(dv_buf *out, const dv_s3_signing *s)
{
	dv_auto(dv_buf) request = DV_BUF_INIT, names = DV_BUF_INIT, text = DV_BUF_INIT;
	char hex[DV_OID_HEX_SIZE + 1];
	dv_oid sum, key;
	int rc = canonical(&request, &names, s);

	if (rc || (rc = derive(&key, s)))
		return rc;
	dv_sha256(&sum, request.p, request.n);
	dv_oid_hex(hex, &sum);
	rc = dv_buf_addf(&text, SCHEME "\n%s\n%.8s/%s/%s/aws4_request\n%s", s->date, s->date,
			 s->region, service_of(s), hex);
	if (rc)
		return rc;
	dv_s3_hmac(&sum, key.b, sizeof key.b, text.p, text.n);
	OPENSSL_cleanse(&key, sizeof key);
	dv_oid_hex(hex, &sum);
	return dv_buf_addf(out, SCHEME " Credential=%s/%.8s/%s/%s/aws4_request,SignedHeaders=%s,"
			   "Signature=%s", s->id, s->date, s->region, service_of(s),
			   dv_buf_str(&names), hex);
}
