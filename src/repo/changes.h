/* SPDX-License-Identifier: Apache-2.0 */
/* From differences found to what the caller's callback is told. */
#ifndef DV_REPO_CHANGES_H
#define DV_REPO_CHANGES_H

#include "repo/repo.h"
#include "repo/scan.h"
#include "repo/treediff.h"

/** Tells cb about one difference of output `o` (NULL: the path is all that is known of it); `path`
 *  is root-relative. */
int dv_changes_tell(const dv_delta *d, const dv_output *o, const char *path, const char *old_path,
		    dv_change_cb cb, void *payload) DV_MUST_CHECK;
/** As above, of a file that is neither in the workspace nor in the store: it is not deleted. */
int dv_changes_tell_absent(const dv_delta *d, const dv_output *o, const char *path,
			   dv_change_cb cb, void *payload) DV_MUST_CHECK;
/** Tells cb about the state of a whole output: kind, and both sides as far as they are known. */
int dv_changes_tell_output(enum dv_change_kind kind, const dv_output *o, const dv_oid *now,
			   uint64_t now_size, dv_change_cb cb, void *payload) DV_MUST_CHECK;
/** As above, of the workspace; `recorded`: the store has what stands there. */
int dv_changes_tell_state(enum dv_change_kind kind, const dv_output *o, const dv_scanned *now,
			  bool recorded, dv_change_cb cb, void *payload) DV_MUST_CHECK;
/** The entry that a pointer stands for, without a name. */
dv_tree_entry dv_pointer_entry(const dv_pointer *p);

#endif
