/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running a plan: what the parts of the executor share. A stage waits for the planned stages that
 * make what it needs, is looked at again then, and runs only when it is still stale. One thread
 * decides and stores; another one takes what the commands write (children.h).
 *
 * The order of things for a stage that ran: outputs stored, commit (several stages share one),
 * ignore lines, lock entry. So a lock entry never names what is not durable.
 */
#ifndef DV_PIPELINE_RUN_H
#define DV_PIPELINE_RUN_H

#include <pthread.h>

#include "lineage/record.h"
#include "pipeline/executor.h"
#include "pipeline/lockwrite.h"
#include "pipeline/plan.h"
#include "pipeline/trace.h"
#include "repo/aside.h"
#include "repo/pathlock.h"
#include "repo/restore.h"

#define DV_NO_NODE SIZE_MAX

enum dv_node_state {
	DV_NODE_WAITING,	/* for other stages */
	DV_NODE_READY,
	DV_NODE_BLOCKED,	/* another process uses its paths */
	DV_NODE_RUNNING,
	DV_NODE_DONE,
	DV_NODE_FAILED,		/* or skipped */
};

/** One planned stage. */
typedef struct dv_node {
	size_t stage;
	const dv_stage *s;
	enum dv_node_state state;
	size_t waits;		/* planned stages that make what it needs and are not done */
	bool forced;
	bool held;		/* its paths are ours */
	bool pending;		/* its entry waits for a commit */
	bool store_only;	/* nothing ran: its outputs are to be stored */
	bool apart;		/* it becomes a job */
	bool adopted;		/* which was there before */
	unsigned tries;
	dv_locked_stage entry;	/* as it is to be written; of the states' arena */
	dv_pathlock_path *paths;
	char *who;		/* what others are told of it; owned */
	size_t npaths;
	const char **cmd;
	size_t ncmd;
	char **env;
	char *dir;		/* where it runs, absolute; owned */
	dv_aside aside;		/* ignored files of its outputs, while it runs */
	char *trace;		/* file of its trace, or NULL; owned */
	dv_executor *executor;	/* that runs it; NULL before it starts */
	int64_t start_us, end_us;
	enum dv_stage_state how;	/* it ended */
} dv_node;

typedef struct dv_runner {
	dv_repo *repo;
	const dv_repro_options *o;
	dv_stage_event_cb cb;
	void *payload;
	dv_repro_summary *sum;
	dv_plan plan;
	dv_states st;
	dv_store *store;
	dv_writer *writer;	/* NULL when nothing is to be stored */
	dv_scan *scan;		/* with it */
	dv_restore *restore;
	dv_lockwriter *lock;
	dv_pathlocks *paths;
	dv_executor *local, *slurm;	/* where commands run; slurm NULL until its first job */
	bool mixed;		/* stages of both are to run */
	dv_run_context *records;	/* NULL until the first */
	bool unlisted;		/* records wait for a commit */
	bool learnt;		/* the run cache knows the records of others */
	pthread_mutex_t talk;	/* held by callbacks */
	bool stage_git, links;	/* git's index follows; files are linked as cache.type asks */
	int jobs;
	dv_node *nodes;		/* in the order of the plan */
	size_t n;
	size_t *node_of;	/* of a stage, or DV_NO_NODE */
	size_t *ready, nready, ready_at;	/* nodes, in order, from ready_at on */
	size_t nblocked, running, left;
	char *blocker;		/* what the last blocked stage waits for; owned */
	size_t *pending, npending;	/* nodes whose entries wait for a commit */
	int64_t pending_us;	/* since when */
	int64_t commit_us;	/* what the last commit cost */
	bool stopping, cancelled, waited;
	dv_error failed;	/* of the run as a whole; code 0: none */
	dv_path_list staged;	/* .gitignore files that changed */
	dv_path_list unstaged;	/* and such that are not there any more */
	dv_path_list dropped;	/* what entries named before, and do not name now */
} dv_runner;

/* -- run_stage.c: one stage -------------------------------------------------------------------- */

/** Looks at a ready stage and does what is to be done: nothing, restore, or start its command.
 *  A failure of the stage itself is told and 0 is returned. */
int dv_node_begin(dv_runner *r, dv_node *n) DV_MUST_CHECK;
/** It was given to its executor. */
void dv_node_started(dv_runner *r, dv_node *n);
/** Its commands ended. */
int dv_node_end(dv_runner *r, dv_node *n, dv_job_end *end) DV_MUST_CHECK;
/** It failed, and that is recorded: starts it again, where it may be, else tells why: NULL for the
 *  exit status. */
int dv_node_failed(dv_runner *r, dv_node *n, int exit_code, const dv_error *why) DV_MUST_CHECK;
/** Checks an output out that stays from run to run, when it is not there. */
int dv_node_bring_kept(dv_runner *r, const dv_node *n, const dv_stage_out *o) DV_MUST_CHECK;
/** It ended well. */
int dv_node_finish(dv_runner *r, dv_node *n, enum dv_stage_state how, const dv_stage_check *why)
	DV_MUST_CHECK;
/** The stage failed with what is recorded on the thread. */
int dv_node_fail(dv_runner *r, dv_node *n, int exit_code) DV_MUST_CHECK;
/** Tells how it ended. */
int dv_node_tell(dv_runner *r, dv_node *n, enum dv_stage_state state, const dv_stage_check *why,
		 int exit_code, const dv_error *error) DV_MUST_CHECK;
/** Gives its paths back. */
int dv_node_let_go(dv_runner *r, dv_node *n) DV_MUST_CHECK;
/** Moves what stands at an output to the folder `saved`, with a warning, when it is nobody knows
 *  whose: before it is removed or replaced. The restore is open, the path ours. */
int dv_node_spare(dv_runner *r, const dv_node *n, const dv_stage_out *o) DV_MUST_CHECK;
/** Notes what a failed command left at its outputs: it need not be saved. */
int dv_node_note_left(dv_runner *r, const dv_node *n) DV_MUST_CHECK;
/** The folder of its lock file. */
const char *dv_node_folder(const dv_runner *r, const dv_node *n);

/* -- run_apart.c: one that becomes a job ------------------------------------------------------- */

/** Hands the stage's commands to the executor, or finds the job that an earlier process left. */
int dv_node_start_apart(dv_runner *r, dv_node *n) DV_MUST_CHECK;
/** Takes what the job made, and records the run, also one that failed. */
int dv_node_end_apart(dv_runner *r, dv_node *n, dv_job_end *job) DV_MUST_CHECK;
/** When all else is done: jobs that earlier processes left and that the plan does without are told
 *  to end, recorded and forgotten. */
int dv_runner_end_needless(dv_runner *r) DV_MUST_CHECK;

/* -- run_record.c: what is written down of a run ----------------------------------------------- */

/** Stores the record of a run, which the entry names then. `log`, `reads` (what it read and does
 *  not name) and `cached` may be NULL. */
int dv_node_record(dv_runner *r, dv_node *n, enum dv_run_state state, int exit_code,
		   const dv_buf *log, const dv_trace_reads *reads, const dv_oid *cached)
	DV_MUST_CHECK;
/** Opens `records`. */
int dv_runner_records(dv_runner *r) DV_MUST_CHECK;
/** Makes entries of the run cache of records that came from elsewhere. */
int dv_runner_learn_runs(dv_runner *r) DV_MUST_CHECK;

/* -- run_commit.c: several stages -------------------------------------------------------------- */

/** Notes that the entry of a stage whose outputs are stored waits. */
void dv_runner_pend(dv_runner *r, dv_node *n);
/** Commits what waits: store, ignore lines, lock. */
int dv_runner_commit(dv_runner *r) DV_MUST_CHECK;
/** Is it time? `idle`: nothing else is to be done now. */
bool dv_runner_commit_due(const dv_runner *r, bool idle);
/** Lock files are complete, git's index follows. */
int dv_runner_finish(dv_runner *r) DV_MUST_CHECK;

/* -- run_ignore.c: what git is not to see ------------------------------------------------------ */

/** Has git pass over the outputs of the stages that wait for a commit. */
int dv_runner_ignore(dv_runner *r) DV_MUST_CHECK;
/** Notes what the entry of a stage named so far (NULL: there was none) and does not name now. */
int dv_runner_note_dropped(dv_runner *r, const dv_node *n, const dv_locked_stage *was)
	DV_MUST_CHECK;
/** At the end: git need not pass over what was dropped and is not there. */
int dv_runner_unignore(dv_runner *r) DV_MUST_CHECK;

/* -- run.c: all of them ------------------------------------------------------------------------ */

/** Runs the plan of `r`, which has been chosen. */
int dv_runner_run(dv_runner *r) DV_MUST_CHECK;
void dv_runner_release(dv_runner *r);
/** Stops what runs when the caller wants it. */
void dv_runner_look_for_cancel(dv_runner *r);
/** The stage is done with: what waits for it may go on, or is skipped when it failed. */
int dv_runner_done(dv_runner *r, dv_node *n, bool failed) DV_MUST_CHECK;

#endif
