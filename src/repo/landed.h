/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the two halves of a pull: large files that the fetch puts together as their chunks come
 * (store/landing.h), in the scratch folder, for the checkout to give them their names. Only for
 * names under which the workspace has nothing. What is not taken goes.
 */
#ifndef DV_REPO_LANDED_H
#define DV_REPO_LANDED_H

#include "repo/repo.h"
#include "repo/workdir.h"
#include "store/landing.h"

typedef struct dv_landed dv_landed;
/** *out is NULL where files are links into the cache (cache.type), or where nothing can be put
 *  together beforehand. */
int dv_landed_new(dv_landed **out, dv_repo *r) DV_MUST_CHECK;
void dv_landed_free(dv_landed *l);
DV_DEFINE_AUTOPTR(dv_landed)
/** For the fetch; NULL for NULL. Borrowed. */
dv_landing *dv_landed_landing(dv_landed *l);
/** Is the object there as a file, verified? Then *f is it, for folder `dirfd`, and the caller's. */
bool dv_landed_take(dv_landed *l, dv_reader *r, const dv_oid *oid, int dirfd, dv_newfile *f);

#endif
