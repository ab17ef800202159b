/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder as a remote, seen by the program that serves it to others: files are read and received
 * piece by piece. All names are checked. The guarantees are those of the driver.
 */
#ifndef DV_REMOTES_LOCAL_H
#define DV_REMOTES_LOCAL_H

#include "base/cleanup.h"
#include "transfer/remote_driver.h"

enum dv_local_flags {
	DV_LOCAL_RESUME = 1u << 0,	/* go on from a part of an earlier try, and leave one */
	DV_LOCAL_IF_ABSENT = 1u << 1,	/* a file of the same size is in the way, too */
};

/** A file on its way in. For one thread at a time. */
typedef struct dv_local_receive dv_local_receive;
/** 0, or 1 when the file is there already (then nothing is stored, and all that follows succeeds);
 *  DV_EEXISTS. *have: bytes of a part, which are to be checked, or dropped by opening again without
 *  DV_LOCAL_RESUME. */
int dv_local_receive_open(dv_local_receive **out, dv_remote *r, const char *name, uint64_t size,
			  unsigned flags, uint64_t *have) DV_MUST_CHECK;
/** The open file, to read what a part holds; -1 when the file is there already. */
int dv_local_receive_fd(const dv_local_receive *g);
/** Appends. */
int dv_local_receive_add(dv_local_receive *g, const void *p, size_t n) DV_MUST_CHECK;
/** Makes it durable and gives it its name; DV_EEXISTS. */
int dv_local_receive_end(dv_local_receive *g) DV_MUST_CHECK;
void dv_local_receive_free(dv_local_receive *g);
DV_DEFINE_AUTOPTR(dv_local_receive)

/** Up to *n bytes at an offset into `p`; *n becomes how many, *size the file's. */
int dv_local_read(dv_remote *r, const char *name, uint64_t offset, void *p, size_t *n,
		  uint64_t *size) DV_MUST_CHECK;

#endif
