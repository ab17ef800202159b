/* SPDX-License-Identifier: Apache-2.0 */
/* How a large object is cut into parts, and which of them need not travel again. */
#ifndef DV_REMOTES_S3_PARTS_H
#define DV_REMOTES_S3_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#define DV_S3_PART_SIZE ((uint64_t)16 << 20)	/* about so large */
#define DV_S3_SINGLE_MAX ((uint64_t)24 << 20)	/* larger objects go in parts */
#define DV_S3_PARTS_MAX 10000u
#define DV_S3_ETAG_ROOM 72

/** A part that the server has. */
typedef struct dv_s3_part {
	unsigned number;	/* from 1 */
	uint64_t size;
	char etag[DV_S3_ETAG_ROOM];	/* without quotes */
} dv_s3_part;

/** Size of all parts of an object but the last, so that there are at most DV_S3_PARTS_MAX; whole
 *  MiB, and the same for the same size, always: an upload that was cut goes on with it. */
uint64_t dv_s3_part_size(uint64_t size);
/** An ETag without its quotes; "" when it is none. */
void dv_s3_etag_plain(char out[DV_S3_ETAG_ROOM], const char *etag);
/** Is the part on the server the local one, of `size` bytes and MD5 `md5` (hex)? */
bool dv_s3_part_is_there(const dv_s3_part *p, uint64_t size, const char *md5);

#endif
