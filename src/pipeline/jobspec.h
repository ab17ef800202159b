/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a job that runs apart is told, and what it says at its end: two JSON files in a folder that
 * both sides see. Whatever reads them takes them for hostile: bounded, and every member checked.
 *
 *   jobs-WORKSPACE/ID/job.json	what to run, written before the job is submitted
 *                 /job.sh	the script that Slurm starts: "exec dv exec FOLDER"
 *                 /submitted	the number of the job, once it is known
 *                 /started	by the node, before anything else
 *                 /log		what the commands write, as they write it
 *                 /slurm.out	what Slurm and dv write there
 *   jobs-WORKSPACE/done/ID	how it ended, by the node: complete or not there
 */
#ifndef DV_PIPELINE_JOBSPEC_H
#define DV_PIPELINE_JOBSPEC_H

#include "pipeline/executor.h"

#define DV_JOB_ID 17		/* 16 hexadecimal digits and a NUL */
#define DV_JOB_FILE_MAX ((size_t)64 << 20)
#define DV_JOB_PATHS_MAX 1000000

typedef struct dv_jobspec {
	dv_json *json;		/* the texts below are its */
	dv_arena arena;
	const char *id, *key;	/* the key tells whether another job does the same */
	const char *file, *stage, *wdir;	/* wdir relative to the root: "" or "a/b" */
	const char *prefix;	/* of the workspace in git's work tree: "" or "a/b" */
	const char *commondir, *head;	/* git's folder and what HEAD holds; NULL without git */
	const char *cache;	/* the store, absolute */
	const char *config, *ignore;	/* texts of .dv/config and .dvignore, or NULL */
	bool no_git;		/* made without git */
	dv_value *cmd, *params;	/* params or NULL */
	dv_run_path *deps, *inputs, *outs;	/* outs have no oid */
	bool *persist;		/* of each out */
	size_t ndeps, ninputs, nouts;
	const char **env;
	size_t nenv;
	const char *image;	/* or NULL */
} dv_jobspec;
#define DV_JOBSPEC_INIT { 0 }
void dv_jobspec_release(dv_jobspec *j);
/** The text of job.json. DV_EUSAGE for paths that are no UTF-8. */
int dv_jobspec_print(dv_buf *out, dv_repo *r, const dv_job *job, const char *id) DV_MUST_CHECK;
/** What two jobs that do the same have in common. */
int dv_jobspec_key(const dv_job *job, dv_oid *key) DV_MUST_CHECK;
int dv_jobspec_parse(dv_jobspec *out, const char *text, size_t n, const char *name) DV_MUST_CHECK;
int dv_jobspec_read(dv_jobspec *out, const char *dir) DV_MUST_CHECK;
/** The run as it is recorded; `outs` has an item for each output. */
dv_run dv_jobspec_run(const dv_jobspec *j, const dv_run_path *outs);

enum dv_job_state { DV_JOB_COMPLETE, DV_JOB_FAILED, DV_JOB_STOPPED };
/** How it ended. STOPPED: somebody ended it, who knows why. */
typedef struct dv_jobresult {
	dv_json *json;
	enum dv_job_state state;
	int exit_code;
	int64_t start_us, end_us;
	const char *node;	/* its name */
	const char *error, *hint;	/* what else went wrong; "" when nothing did */
	dv_job_made made;
} dv_jobresult;
#define DV_JOBRESULT_INIT { 0 }
void dv_jobresult_release(dv_jobresult *x);
int dv_jobresult_print(dv_buf *out, const dv_jobresult *x) DV_MUST_CHECK;
int dv_jobresult_parse(dv_jobresult *out, const char *text, size_t n, const char *name)
	DV_MUST_CHECK;

#endif
