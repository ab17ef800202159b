/* SPDX-License-Identifier: Apache-2.0 */
/* What files were before: the pointers that git's index has, so that new content is stored as
 * deltas to the version before. */
#ifndef DV_REPO_FILTER_PAST_H
#define DV_REPO_FILTER_PAST_H

#include "repo/filter_impl.h"

typedef struct dv_filter_past dv_filter_past;
/** The oid of what git's index has at the path, if that is a pointer. The index is read the first
 *  time. It only saves room: what cannot be found out is not known. */
int dv_filter_past_find(dv_filter *f, const char *path, dv_oid *oid, bool *had) DV_MUST_CHECK;
void dv_filter_past_free(dv_filter_past *p);

#endif
