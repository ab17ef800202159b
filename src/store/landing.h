/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that come into being while their chunks arrive: whoever has decoded and verified a chunk
 * shows it, it is written to every place that it has in them, and a thread of the landing's own
 * reads back what is complete from the beginning on, and hashes it.
 *
 * Guarantees: a file is given out only when the SHA-256 of all its bytes, read back from the file,
 * is its oid; every byte is written once and hashed after that. No failure in here is one of the
 * caller's: a file that comes to nothing is not given out, and can be written from the store.
 */
#ifndef DV_STORE_LANDING_H
#define DV_STORE_LANDING_H

#include "store/object.h"

typedef struct dv_landing dv_landing;
/** Is the object wanted as a file? Then *fd is an empty one, open for reading and writing, which
 *  stays the caller's, and open until the take or the free; else it stays -1. `path` is the want's
 *  that the object belongs to. */
typedef int (*dv_landing_cb)(int *fd, const dv_oid *oid, uint64_t size, const char *path,
			     void *payload);
int dv_landing_new(dv_landing **out, dv_landing_cb wanted, void *payload) DV_MUST_CHECK;
/** Nobody shows chunks any more. */
void dv_landing_free(dv_landing *l);
DV_DEFINE_AUTOPTR(dv_landing)
/** The chunks of an object are about to be asked for. One that is expected already, or that is not
 *  worth it, is passed over. One thread, and before its chunks are shown. */
int dv_landing_expect(dv_landing *l, const dv_oid *oid, const dv_recipe *recipe, const char *path)
	DV_MUST_CHECK;
/** Shows chunks, each of which has the id that is said. Any thread. */
void dv_landing_show(dv_landing *l, const dv_oid *ids, const void *const *p, const size_t *n,
		     size_t count);
/** Completes the file from the store, waits for its hash and forgets it. Is the file in `fd` the
 *  object, to the byte? */
bool dv_landing_take(dv_landing *l, dv_reader *r, const dv_oid *oid, int fd);

#endif
