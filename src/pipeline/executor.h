/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Executors: where the commands of stages run. Each is a table of functions, so that what decides
 * (run.c) and what writes down (run_stage.c, run_commit.c) is the same for all of them.
 *
 *   local  children of this process, in the workspace (executor_local.c)
 *   slurm  jobs of a cluster, each in a clean workspace of its own: "apart" (slurm.c)
 *
 * A job that ran apart hands back names of content that is in the store already; who takes it over
 * verifies that. What is known of it stays on disk until it is forgotten, so that it outlives this
 * process. One thread uses an executor.
 */
#ifndef DV_PIPELINE_EXECUTOR_H
#define DV_PIPELINE_EXECUTOR_H

#include "lineage/record.h"
#include "pipeline/children.h"
#include "pipeline/stage.h"
#include "repo/lockfile.h"

/** What is to be run. Borrowed until it ended. */
typedef struct dv_job {
	dv_child_spec child;	/* its owner; the rest is for who runs it here */
	/* For who runs it apart: */
	const dv_stage *stage;
	const dv_locked_stage *entry;	/* command and inputs, as they are to be recorded */
	const dv_run_path *inputs;	/* all that must be there, in the store; below the root */
	size_t ninputs;
} dv_job;

enum dv_job_fate {
	DV_JOB_ENDED,		/* its commands did, or could not be started */
	DV_JOB_CANCELED,	/* somebody ended it */
	DV_JOB_LOST,		/* it came to nothing, and no command is to blame: see the error */
};

/** What a job that ran apart says it made. */
typedef struct dv_job_made {
	dv_arena arena;
	dv_run_path *outs;
	size_t nouts;
	dv_oid run;		/* its run record */
	bool has_run;
} dv_job_made;
#define DV_JOB_MADE_INIT { 0 }
void dv_job_made_release(dv_job_made *m);

typedef struct dv_job_end {
	dv_child_end child;	/* owner, exit code, times, log, error; the caller's */
	enum dv_job_fate fate;
	dv_job_made made;	/* the caller's */
} dv_job_end;
#define DV_JOB_END_INIT { .fate = DV_JOB_ENDED }
void dv_job_end_release(dv_job_end *end);

struct dv_jobspec;
/** A job that an earlier process left and that nobody takes. What it points to is the executor's
 *  until it is forgotten. */
typedef struct dv_job_left {
	const struct dv_jobspec *spec;	/* NULL: there is none */
	const char *number;	/* "" when it was not known */
	bool ended;		/* by itself, else it was told to */
	const dv_oid *run;	/* the record of it that its node made, or NULL */
} dv_job_left;
typedef struct dv_executor dv_executor;
typedef struct dv_executor_ops {
	const char *name;
	bool apart;		/* jobs run in workspaces of their own, and outlive us */
	int (*start)(dv_executor *x, const dv_job *job) DV_MUST_CHECK;
	/** Looks for a job of that stage that an earlier process left: 1 with the same inputs,
	 *  which is from now on as if it had been started here; 0 none. *old is one with other
	 *  inputs, which was told to end and counts no more. */
	int (*adopt)(dv_executor *x, const dv_job *job, dv_job_left *old) DV_MUST_CHECK;
	/** The same of a job that earlier processes left and that `end` says is to end; where jobs
	 *  run apart. */
	int (*dismiss)(dv_executor *x, bool (*end)(const struct dv_jobspec *spec, void *payload),
		       void *payload, dv_job_left *old) DV_MUST_CHECK;
	/** Waits at most `timeout_ms` for one to end; false when none did. */
	bool (*poll)(dv_executor *x, int timeout_ms, dv_job_end *end);
	/** Asks all to end, and the second time does not wait for them. Returns at once. */
	void (*cancel)(dv_executor *x);
	/** What ended and was handed out is written down: nothing of it need be kept. */
	int (*forget)(dv_executor *x) DV_MUST_CHECK;
	/** What it is called outside, such as a job's number; "" when it has no such name. */
	const char *(*name_of)(dv_executor *x, size_t owner);
	void (*free)(dv_executor *x);
} dv_executor_ops;
struct dv_executor {
	const dv_executor_ops *ops;
	size_t running, most;	/* jobs; the caller counts */
};

/** Children of this process. */
int dv_executor_local(dv_executor **out, dv_child_text_fn text, void *payload) DV_MUST_CHECK;
/** Is Slurm installed here? */
bool dv_executor_slurm_is_here(void);
/** Did earlier processes leave jobs? */
bool dv_executor_slurm_has_left(dv_repo *r);
/** Jobs of Slurm. `program` is dv as the nodes find it. */
int dv_executor_slurm(dv_executor **out, dv_repo *r, const char *program) DV_MUST_CHECK;
static inline void dv_executor_free(dv_executor *x)
{
	if (x)
		x->ops->free(x);
}
/** Is there an executor of that name, and is it one whose jobs run apart? */
bool dv_executor_known(const char *name);
bool dv_executor_is_apart(const char *name);

#endif
