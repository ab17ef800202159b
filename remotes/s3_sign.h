/* SPDX-License-Identifier: Apache-2.0 */
/* AWS Signature Version 4, as S3 wants it: in the Authorization header. */
#ifndef DV_REMOTES_S3_SIGN_H
#define DV_REMOTES_S3_SIGN_H

#include <time.h>

#include "base/buf.h"
#include "base/oid.h"

#define DV_S3_DATE_ROOM 17	/* "20130524T000000Z" */
#define DV_S3_HEADERS_MAX 24

/** What is signed. All is borrowed. */
typedef struct dv_s3_signing {
	const char *method;
	const char *path;	/* percent-encoded */
	const char *query;	/* percent-encoded "a=1&b=", sorted; "" for none */
	const char *const *headers;	/* "name: value", in any order, `host` among them */
	size_t nheaders;	/* at most DV_S3_HEADERS_MAX */
	const char *payload;	/* SHA-256 of the body in hex, or UNSIGNED-PAYLOAD */
	const char *date;	/* of dv_s3_date */
	const char *region;
	const char *service;	/* NULL: "s3" */
	const char *id, *secret;	/* the key */
} dv_s3_signing;

/** The time as a request carries it. */
void dv_s3_date(char out[DV_S3_DATE_ROOM], time_t t);
/** Appends the value of the Authorization header. All headers given are signed. */
int dv_s3_sign(dv_buf *out, const dv_s3_signing *s) DV_MUST_CHECK;
/** HMAC-SHA-256. */
void dv_s3_hmac(dv_oid *out, const void *key, size_t nkey, const void *p, size_t n);
/** Appends `s` with %XX for all but letters, digits, "-._~" and, when `slash`, "/". */
int dv_s3_encode(dv_buf *out, const char *s, bool slash);

#endif
