/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the executor for Slurm share: slurm.c, slurm_submit.c, slurm_left.c. */
#ifndef DV_PIPELINE_SLURM_PRIV_H
#define DV_PIPELINE_SLURM_PRIV_H

#include "pipeline/jobspec.h"
#include "pipeline/slurm_tools.h"

typedef struct sjob {
	char id[DV_JOB_ID];
	char number[DV_SLURM_NUMBER];	/* "" while it is not known */
	char *dir, *key, *file, *stage;	/* owned; the last three of jobs that were found */
	size_t owner;
	bool live;		/* ours, and has not ended */
	bool ended;		/* and was handed out */
	bool stopped;		/* its node says that somebody ended it */
	bool waiting;		/* Slurm did not answer when it was to be submitted */
	const dv_stage *what;	/* of one that is live; borrowed */
	int keep_fd;
	dv_error *why;		/* it could not be submitted; owned */
	char state[32], node[128];	/* as squeue told last */
	int64_t over_ms;	/* when it was seen to be over; 0: it was not */
	dv_jobresult result;	/* of one that was stopped */
	dv_jobspec spec;	/* what an old one was, and the end of */
	dv_jobresult old_result;	/* it, while they are borrowed */
} sjob;

typedef struct slurm {
	dv_executor x;
	dv_repo *repo;
	char *program, *dir, *done;
	sjob **j;
	size_t n, cap;
	int64_t look_at, look_every, ask_at, ask_every;
	int64_t changed;	/* when something happened last */
	int cancels;
	bool warned;		/* that squeue does not answer */
	int64_t silent_ms;	/* since when Slurm takes no jobs; 0: it does */
} slurm;

/* A small file in the folder of a job; "" when it is not there. */
int dv_sjob_read(const sjob *j, const char *name, dv_buf *out) DV_MUST_CHECK;
/* Takes the number that a text begins with, if it does. */
void dv_sjob_set_number(sjob *j, const char *text);
/* Makes the number durable. */
int dv_sjob_note_number(const sjob *j) DV_MUST_CHECK;

/* The job is live: it is waited for. */
void dv_sjob_watch(slurm *s, sjob *j, const dv_job *job);
/* Forgets it here; its folder stays. */
void dv_sjob_drop(slurm *s, sjob *j);
/* The job among those that squeue shows, by its number or else by its name; or NULL. */
const dv_slurm_seen *dv_sjob_seen(const dv_slurm_seen *seen, size_t n, const sjob *j);

/* Makes the folder of a job complete and durable. */
int dv_sjob_write(slurm *s, sjob *j, const dv_job *job) DV_MUST_CHECK;
/* Submits j->what from its folder. While Slurm does not answer that is 0, and the job waits. */
int dv_sjob_submit(slurm *s, sjob *j) DV_MUST_CHECK;
/* Slurm did not answer, as the thread's record says, which is cleared: the job waits. */
void dv_sjob_wait(slurm *s, sjob *j);
/* Slurm answers again and knows no job of that name: submits what waits. */
void dv_sjob_submit_again(slurm *s, sjob *j);
/* Slurm was asked in vain, for what the thread's record says: waiting jobs are given up after a
 * while. */
void dv_slurm_was_silent(slurm *s);

/* See dv_executor_ops. */
int dv_slurm_adopt(dv_executor *x, const dv_job *job, dv_job_left *old) DV_MUST_CHECK;
int dv_slurm_dismiss(dv_executor *x, bool (*end)(const dv_jobspec *spec, void *payload),
		     void *payload, dv_job_left *old) DV_MUST_CHECK;

#endif
