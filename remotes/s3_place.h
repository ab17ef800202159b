/* SPDX-License-Identifier: Apache-2.0 */
/* Where a bucket is: s3://bucket/prefix, the endpoint and the region, made into URLs. */
#ifndef DV_REMOTES_S3_PLACE_H
#define DV_REMOTES_S3_PLACE_H

#include "base/buf.h"

#define DV_S3_REGION_ROOM 64
#define DV_S3_KEY_MAX 1000u	/* S3 allows 1024 bytes */

typedef struct dv_s3_place {
	char *bucket;
	char *prefix;	/* "" or "a/b/" */
	bool amazon;	/* the endpoint follows from the region */
	bool https;
	char *host;	/* of an endpoint that was given, with its port; NULL for amazon */
	char *path;	/* of it, "" or "/v1/s3" */
	bool virtual_host;	/* the bucket stands in the host name */
} dv_s3_place;
void dv_s3_place_release(dv_s3_place *p);

/** Takes apart the URL of a remote and the endpoint (NULL: Amazon's). `addressing` is "auto" (or
 *  NULL), "path" or "virtual". DV_EUSAGE for what is no bucket or no endpoint. */
int dv_s3_place_parse(dv_s3_place *out, const char *url, const char *endpoint,
		      const char *addressing) DV_MUST_CHECK;
/** Whether a region may become part of a host name and of a signature. */
bool dv_s3_region_is_valid(const char *region);

/** A request's address in the forms that are sent and signed. */
typedef struct dv_s3_address {
	dv_buf host, path, url;	/* path and query percent-encoded */
} dv_s3_address;
void dv_s3_address_release(dv_s3_address *a);
/** The address of an object (of the bucket when `key` is NULL), with the query as written. */
int dv_s3_address_of(dv_s3_address *out, const dv_s3_place *p, const char *region,
		     const char *key, const char *query) DV_MUST_CHECK;

#endif
