/* SPDX-License-Identifier: Apache-2.0 */
/* What a checkout did to files, brought into the rows of the stat cache. One thread. */
#ifndef DV_REPO_SCAN_PATCH_H
#define DV_REPO_SCAN_PATCH_H

#include "base/cleanup.h"
#include "repo/statcache.h"

typedef struct dv_scan_patches dv_scan_patches;
int dv_scan_patches_new(dv_scan_patches **out) DV_MUST_CHECK;
void dv_scan_patches_free(dv_scan_patches *p);
/** Notes that `path` is now as `f` says, or gone when its kind is 0; f->name does not count. `own`:
 *  an output that is one file, with a row of its own. Borrows path until apply. */
int dv_scan_patches_add(dv_scan_patches *p, const char *path, bool own, const dv_cached_file *f,
			uint64_t dev) DV_MUST_CHECK;
/** Puts the changed rows and forgets what was noted. */
int dv_scan_patches_apply(dv_scan_patches *p, dv_statcache *c) DV_MUST_CHECK;

#endif
