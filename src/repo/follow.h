/* SPDX-License-Identifier: Apache-2.0 */
/* After git changed the pointers: the data follows. */
#ifndef DV_REPO_FOLLOW_H
#define DV_REPO_FOLLOW_H

#include "repo/repo.h"

typedef struct dv_follow_summary {
	uint64_t outputs;	/* brought to their pointers */
	uint64_t dropped;	/* removed: nothing records them any more, and the store has them */
} dv_follow_summary;
/** Brings the outputs whose record differs between two commits (`old` NULL: there was nothing,
 *  `new_` NULL: the index) to what the workspace's pointers say now. Those that have no record any
 *  more go when they are as recorded. Content that is missing is fetched where there is a remote.
 *  Work that the store lacks stays, and is named through `cb`, as is content that cannot be had:
 *  neither is a failure. */
int dv_repo_follow(dv_repo *r, const char *old, const char *new_, dv_hook_cb cb, void *payload,
		   dv_follow_summary *out) DV_MUST_CHECK;

/** Removes the data of outputs that nothing records any more, where it is what they recorded and
 *  the store has it. Others are warned of; *dropped counts those that went. */
int dv_repo_drop_data(dv_repo *r, const dv_output_list *l, uint64_t *dropped) DV_MUST_CHECK;

#endif
