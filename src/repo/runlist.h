/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runs that a clone knows: a file beside the state that names run records, the logs of their
 * commands, and the listings in which they travelled between stores. It is only added to; lines
 * that are torn or strange are passed over, so that a crash costs no more than the last of them.
 *
 *   record <64 hex>      log <64 hex>      batch <64 hex>
 *
 * A batch is a tree (store/tree.h) with one entry for each object: "<oid>" for a record,
 * "<oid>.log" for a log. In the log of a remote it is a root that says so (store/log.h). What is in
 * a batch of a remote is read as hostile.
 */
#ifndef DV_REPO_RUNLIST_H
#define DV_REPO_RUNLIST_H

#include "repo/repo.h"
#include "store/tree.h"

#define DV_RUNS_FILE "runs"
#define DV_RUNS_MAX ((size_t)1 << 30)	/* bytes of the file */
#define DV_RUN_RECORD_MAX ((size_t)16 << 20)	/* bytes of one record */
#define DV_RUN_LOG_MAX ((uint64_t)1 << 30)	/* bytes of one log, for it to be taken over */

typedef struct dv_run_item {
	dv_oid oid;
	enum dv_run_item_kind kind;
} dv_run_item;
typedef struct dv_run_list {
	dv_run_item *items;	/* in the order of the file; some may come twice */
	size_t n, cap;
	uint64_t end;		/* the place behind the last whole line that was read */
} dv_run_list;
#define DV_RUN_LIST_INIT { 0 }
void dv_run_list_release(dv_run_list *l);
int dv_run_list_add(dv_run_list *l, enum dv_run_item_kind kind, const dv_oid *oid) DV_MUST_CHECK;

/** Reads what stands behind the first `from` bytes; no file is an empty one. */
int dv_run_list_read(dv_run_list *out, const dv_repo *r, uint64_t from) DV_MUST_CHECK;
/** Appends; durable before success when `sync`. From several processes at once. */
int dv_run_list_append(dv_repo *r, const dv_run_item *items, size_t n, bool sync) DV_MUST_CHECK;

/** The records and logs that a remote lacks, which the log state `there` is of. Many of them become
 *  a batch in the local store, committed and named in the list. */
int dv_runs_unsent(dv_run_list *out, dv_repo *r, dv_store *s, dv_reader *reader,
		   const dv_log_state *there, const char *project) DV_MUST_CHECK;
/** What the log of a remote names for a project that this clone does not list, or has not got. */
int dv_runs_unknown(dv_run_list *out, dv_repo *r, dv_store *s, const dv_log_state *there,
		    const char *project) DV_MUST_CHECK;
/** Puts into the list what came, and what the batches among it name. Those that are none are left
 *  out with a warning. */
int dv_runs_take(dv_repo *r, dv_reader *reader, const dv_run_item *items, size_t n) DV_MUST_CHECK;

#endif
