/* SPDX-License-Identifier: Apache-2.0 */
/* Servers of Git LFS: no store of dv's, but reached by the part that speaks HTTP. */
#ifndef DV_TRANSFER_LFS_API_H
#define DV_TRANSFER_LFS_API_H

#include <stddef.h>
#include <stdint.h>

/** A Git LFS server. All borrowed. */
typedef struct dv_lfs_server {
	const char *url;		/* "https://host/path.git/info/lfs", without a user */
	const char *user, *password;	/* NULL: none; for the server's own host alone */
	const char *const *headers;	/* "Name: value", likewise */
	size_t nheaders;
} dv_lfs_server;
typedef struct dv_lfs_object {
	const char *oid;	/* 64 hex digits */
	uint64_t size;
	int fd;			/* gets the bytes */
	int rc;			/* what became of it */
} dv_lfs_object;
/** Fetches at most some hundred objects; what comes is as long as it should be, and otherwise not
 *  checked. DV_EAUTH: it wants a login. Defined by remotes/lfs.c. */
int dv_lfs_fetch(const dv_lfs_server *s, dv_lfs_object *objects, size_t n);

#endif
