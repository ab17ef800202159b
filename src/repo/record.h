/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recording: from files in the workspace to content in the store, a pointer, an ignore line and
 * git's index, in this order, so that a pointer never names what is not durable.
 */
#ifndef DV_REPO_RECORD_H
#define DV_REPO_RECORD_H

#include "repo/scan.h"

/** Somebody who keeps account of what is recorded. `stored` comes for an output that is new or has
 *  other content than before, and may put more into the writer; `done` when that is durable and the
 *  pointer is written. */
typedef struct dv_accountant {
	int (*stored)(void *ctx, dv_writer *w, const char *path, const char *pointer_path,
		      const dv_pointer *p);
	int (*done)(void *ctx);
	void *ctx;
} dv_accountant;

/** dv_add and dv_commit with an accountant, who may be NULL. */
int dv_repo_add(dv_repo *r, const char *const *targets, size_t n, const dv_add_options *o,
		const dv_accountant *a, dv_output_cb cb, void *payload) DV_MUST_CHECK;
int dv_repo_commit(dv_repo *r, const char *const *targets, size_t n, const dv_commit_options *o,
		   const dv_accountant *a, dv_output_cb cb, void *payload) DV_MUST_CHECK;

/** One call of add or commit. Zero-initialised, then dv_record_open. */
typedef struct dv_record {
	dv_repo *repo;
	dv_store *store;
	dv_pool *pool;
	dv_writer *writer;
	dv_scan *scan;
	dv_scan *look;			/* stores nothing; NULL until it is needed */
	dv_output_list outputs;		/* as they were when the call began */
	bool stage;
	bool force;			/* takes out what was never brought: set after the open */
	bool commit;			/* what is staged will be committed: set after the open */
	char **staged;			/* root-relative paths to put into git's index; owned */
	size_t nstaged, staged_cap;
	dv_lock lock;			/* of the work tree, from open to release */
	bool locked;
	const char *sent_to;		/* the remote that dv_record_sent() is about; borrowed */
	uint64_t sent;			/* bytes that went there */
	const dv_accountant *accountant;	/* or NULL */
	dv_output_cb cb;
	void *payload;
} dv_record;
/** Takes the lock of the work tree and reads which outputs there are; released also after a
 *  failure. What git cannot stage here is found before anything is written. */
int dv_record_open(dv_record *c, dv_repo *r, int jobs, bool no_stage) DV_MUST_CHECK;
void dv_record_release(dv_record *c);
/** Records what stands at `path` as output, with pointer `pointer_path`; `old` is its pointer so
 *  far, or NULL. */
int dv_record_output(dv_record *c, const char *path, const char *pointer_path,
		     const dv_pointer *old) DV_MUST_CHECK;
/** Records what stands at `inner` below the directory output `o`, or that nothing does. */
int dv_record_inner(dv_record *c, dv_output *o, const char *inner) DV_MUST_CHECK;
/** Stores what a stage made when it is what the lock file says and the store lacks it; other
 *  content is left alone, as that run did not make it, or refused when the output was `named`. */
int dv_record_made(dv_record *c, dv_reader *reader, const dv_output *o, bool named)
	DV_MUST_CHECK;
/** Publishes an output whose content the store has, or, when `absent`, is to have later: pointer,
 *  ignore line, git's index. `old`: its pointer so far, or NULL. */
int dv_record_known(dv_record *c, const char *path, const char *pointer_path, const dv_pointer *p,
		    const dv_pointer *old, bool absent) DV_MUST_CHECK;
/** The same for one whose content a remote has, and the store need not have. */
int dv_record_sent(dv_record *c, const char *path, const char *pointer_path, const dv_pointer *p,
		   const dv_pointer *old) DV_MUST_CHECK;
/** May there be a new output at the path? Refuses with a hint. */
int dv_record_check_new(dv_record *c, const char *path) DV_MUST_CHECK;
/** DV_EDIRTY when files that the recorded directory `tree` has at `path` (root-relative) are
 *  neither there nor in the store. */
int dv_record_check_whole(const dv_record *c, const char *path, const dv_oid *tree) DV_MUST_CHECK;
/** The failure of whoever wants to `what` ("track") the path, which is at or in the output of a
 *  stage: that is the pipeline's; or passes through the filter: that is git's. */
int dv_record_refuse(const dv_record *c, const dv_output *o, const char *what, const char *path);
/** What was changed here is no longer what it was taken from elsewhere as: says so, and drops where
 *  that was. */
void dv_record_make_own(dv_pointer *p, const char *path);
/** Puts what changed into git's index, and commits that alone when there is a message. */
int dv_record_finish(dv_record *c, const char *message) DV_MUST_CHECK;
/** Notes a path to be staged. */
int dv_record_stage(dv_record *c, const char *path) DV_MUST_CHECK;

/** A pool as the options and core.jobs want it. */
int dv_repo_pool(dv_pool **out, const dv_repo *r, int jobs) DV_MUST_CHECK;
/** zstd's level for new chunks (cache.compression). */
int dv_repo_compression(const dv_repo *r);
/** Whether new chunks may be stored as deltas (cache.delta). */
bool dv_repo_deltas(const dv_repo *r);

#endif
