/* SPDX-License-Identifier: Apache-2.0 */
/* Between the local store and the remotes of a workspace: which outputs go where. */
#ifndef DV_REPO_SYNC_H
#define DV_REPO_SYNC_H

#include "repo/repo.h"
#include "store/tree.h"
#include "transfer/transfer.h"

/** Opens a remote by name (NULL: the default one), with its mirror below the workspace's own
 *  folder. `create` makes a store of an empty place. *name_out (may be NULL) is the name, owned. */
int dv_repo_remote_open(dv_repo *r, const char *name, bool create, dv_remote_store **out,
			char **name_out) DV_MUST_CHECK;
/** Calls cb (may be NULL) with DV_NOT_IN_REMOTE for every output of `l` that is not whole on its
 *  remote (`remote`, NULL: the default one, for those that prefer none); *n counts them. Outputs
 *  that are never pushed are passed over. */
int dv_sync_missing(dv_repo *r, const char *remote, const dv_output_list *l, dv_change_cb cb,
		    void *payload, uint64_t *n) DV_MUST_CHECK;
/** Do two names of remotes mean the same? NULL: the default one. */
bool dv_sync_same_remote(const char *a, const char *b);
/** How a remote is used by one command. */
typedef struct dv_sync_how {
	bool create;		/* make a store of an empty place */
	bool anew;		/* also where there was one before */
	bool push;		/* and only that: of the remote's index only what it needs */
	int jobs;		/* 0: what remote.NAME.jobs says, or as the driver likes */
	uint64_t rate;		/* 0: what remote.NAME.limitrate says */
	int tries;		/* of what passes by itself; 0: as many as have a chance */
} dv_sync_how;
/** dv_repo_remote_open with all that a command may say about it. */
int dv_sync_remote_open(dv_repo *r, const char *name, const dv_sync_how *how,
			dv_remote_store **out, char **name_out) DV_MUST_CHECK;
/** Brings objects from the default remote into the local store. */
int dv_sync_bring(dv_repo *r, const dv_want *w, size_t n) DV_MUST_CHECK;
/** Brings the run records that the default remote has. That there is none, or that it is not in
 *  reach, is no failure. */
int dv_sync_bring_runs(dv_repo *r) DV_MUST_CHECK;
/** Copies a remote (NULL: the default one) as it is into the empty folder `dir`; as
 *  dv_transfer_replica. */
int dv_sync_replica(dv_repo *r, const char *name, const char *dir, bool full) DV_MUST_CHECK;
/** Is the object in the local store, with everything below it when it is a tree? */
int dv_sync_is_cached(dv_reader *rd, const dv_oid *oid, bool is_tree, bool *yes) DV_MUST_CHECK;
/** As above for one file of many: `seen`, empty at first, is what was met with the others. */
int dv_sync_is_cached_file(dv_closure *seen, dv_reader *rd, const dv_oid *oid, bool *yes)
	DV_MUST_CHECK;
/** Pushes these outputs, which may come in any order and several times for one path, and nothing
 *  else but run records. `l` is emptied. */
int dv_sync_push(dv_repo *r, dv_output_list *l, const dv_transfer_options *o,
		 dv_transfer_summary *out) DV_MUST_CHECK;
/** Appends the outputs of every commit of the scope to `out`, which is not finished: one path may
 *  come several times. What cannot be read is passed over with a warning. */
int dv_sync_outputs_in(dv_repo *r, const dv_git_scope *scope, dv_output_list *out) DV_MUST_CHECK;

#endif
