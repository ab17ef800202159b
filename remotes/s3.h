/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the S3 driver share. */
#ifndef DV_REMOTES_S3_H
#define DV_REMOTES_S3_H

#include <pthread.h>
#include <stdatomic.h>

#include "remotes/credentials.h"
#include "remotes/http.h"
#include "remotes/s3_place.h"

#define DV_S3_JOBS 8		/* connections that serve a bucket well */
#define DV_S3_PART_THREADS 4	/* of one large put */

/** What the server makes of "If-None-Match: *". */
enum dv_s3_conditions {
	DV_S3_UNKNOWN,
	DV_S3_ENFORCED,	/* it refused an existing name once */
	DV_S3_REFUSED,	/* it said that it does not implement it */
};

/** An unfinished upload of a large object. */
typedef struct dv_s3_upload {
	char *key, *id;
} dv_s3_upload;

typedef struct dv_s3 {
	dv_remote base;
	dv_http *http;
	dv_credentials *credentials;
	dv_s3_place place;
	char *storage_class;	/* of packs; NULL: the bucket's */
	char *sse, *sse_key;
	bool requester_pays;
	atomic_int conditions;	/* enum dv_s3_conditions */
	atomic_int part_threads;	/* more that may be started for large puts */
	pthread_mutex_t lock;	/* of what follows */
	char region[DV_S3_REGION_ROOM];
	int64_t clock_offset;	/* seconds that the server's clock is ahead */
	bool uploads_listed;
	dv_s3_upload *uploads;
	size_t nuploads, uploads_cap;
} dv_s3;

#define DV_S3_CALL_HEADERS 10
/** One request. Borrowed. */
typedef struct dv_s3_call {
	const char *method;
	const char *key;	/* NULL: the bucket */
	const char *query;	/* percent-encoded and sorted; NULL: none */
	const char *headers[DV_S3_CALL_HEADERS];	/* "Name: value", up to the first NULL */
	const void *body;
	int fd;
	uint64_t offset, n;
	const char *sha256;	/* of the body, in hex; NULL: there is none */
	dv_sink_cb sink;
	void *payload;
	int (*begin)(const dv_http_answer *a, void *payload);
} dv_s3_call;
#define DV_S3_CALL_INIT { .fd = -1 }

/** What a server says in an error document. */
typedef struct dv_s3_error {
	char code[64];		/* "" when it says nothing */
	char message[256];
	char region[DV_S3_REGION_ROOM];
} dv_s3_error;
void dv_s3_error_parse(dv_s3_error *out, const dv_http_answer *a);

/** Signs and performs a request; learns the region and the time, and renews a key, when the server
 *  says that they are wrong, and then asks once more. 0 when the server answered. */
int dv_s3_call_perform(dv_s3 *s, const dv_s3_call *c, dv_http_answer *a) DV_MUST_CHECK;
/** Records the failure that an answer means. */
int dv_s3_failure(dv_s3 *s, const dv_s3_call *c, const dv_http_answer *a);
/** Performs; what is not 2xx is a failure. */
int dv_s3_ask(dv_s3 *s, const dv_s3_call *c, dv_http_answer *a) DV_MUST_CHECK;

/** Is nothing signed, so that the SHA-256 of a body does not reach the server? */
bool dv_s3_is_anonymous(dv_s3 *s);
/** Size of the object `key`; DV_ENOTFOUND. */
int dv_s3_head(dv_s3 *s, const char *key, uint64_t *size) DV_MUST_CHECK;
/** 1 when the object is there with that size, 0 when there is none, DV_EEXISTS when it differs. */
int dv_s3_there(dv_s3 *s, const char *key, uint64_t size);

/** Digests of bytes of a file, in one pass. */
typedef struct dv_s3_digest {
	char sha256[65];
	char md5[25];		/* base64; "" where MD5 was not asked for or is not to be had */
	char etag[33];		/* the same in hex */
} dv_s3_digest;
int dv_s3_digest_fd(dv_s3_digest *out, int fd, uint64_t offset, uint64_t n, bool with_md5)
	DV_MUST_CHECK;
int dv_s3_digest_bytes(dv_s3_digest *out, const void *p, size_t n) DV_MUST_CHECK;

/** Headers of a new object: encryption, and the storage class when `pack`. Appends to `c`; `room`
 *  holds what they are written in. */
int dv_s3_object_headers(const dv_s3 *s, dv_s3_call *c, bool pack, dv_buf room[3]) DV_MUST_CHECK;
void dv_s3_call_header(dv_s3_call *c, const char *header);

/** Stores a file in parts, going on with an upload of the same key that was cut. */
int dv_s3_put_parts(dv_s3 *s, const char *key, bool pack, int fd, uint64_t size) DV_MUST_CHECK;
void dv_s3_uploads_release(dv_s3 *s);

#endif
