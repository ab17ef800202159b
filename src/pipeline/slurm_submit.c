/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Submitting jobs of Slurm, also while its controller is restarted: then a job waits. squeue tells
 * when somebody answers again, and whether sbatch did what it could not say; only then it is called
 * once more.
 */
#include "pipeline/slurm_priv.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/path.h"

#define SILENCE_MOST_MS 900000	/* then what waits has failed */

static int write_in(const sjob *j, const char *name, const void *p, size_t n, unsigned flags)
{
	dv_autofree char *path = dv_path_join(j->dir, name);

	return path ? dv_fs_write_file(path, p, n, flags) : dv_err_nomem();
}

int dv_sjob_write(slurm *s, sjob *j, const dv_job *job)
{
	static const char script[] = "#!/bin/sh\nexec \"$1\" exec \"$2\"\n";
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = dv_jobspec_print(&text, s->repo, job, j->id);

	if (rc || (rc = dv_fs_mkdirs_sync(j->dir)) ||
	    (rc = write_in(j, "job.sh", script, sizeof(script) - 1, 0)))
		return rc;
	return write_in(j, "job.json", text.p, text.n, DV_ATOMIC_SYNC);
}

int dv_sjob_note_number(const sjob *j)
{
	return write_in(j, "submitted", j->number, strlen(j->number), DV_ATOMIC_SYNC);
}

/* DV_ETRANSIENT: Slurm does not answer; it may have taken the job all the same. */
static int submit(const slurm *s, sjob *j)
{
	const dv_stage *st = j->what;
	dv_autofree const char **argv = dv_calloc(st->nsbatch + 12, sizeof(*argv));
	dv_autofree char *script = dv_path_join(j->dir, "job.sh");
	dv_auto(dv_buf) name = DV_BUF_INIT, output = DV_BUF_INIT, dir = DV_BUF_INIT;
	size_t n = 0;
	int rc;

	dv_buf_addf(&name, "--job-name=dv:%s:%s", j->id, st->name);
	/* "%" begins a pattern there, "\" ends them all. */
	dv_buf_addf(&output, "--output=%s/slurm.out", j->dir);
	dv_buf_addf(&dir, "--chdir=%s", j->dir);
	if (!argv || !script || name.err || output.err || dir.err)
		return dv_err_nomem();
	argv[n++] = "sbatch";
	argv[n++] = "--parsable";
	argv[n++] = "--no-requeue";
	argv[n++] = dv_buf_str(&name);
	argv[n++] = dv_buf_str(&output);
	argv[n++] = dv_buf_str(&dir);
	for (size_t i = 0; i < st->nsbatch; i++)
		argv[n++] = st->sbatch[i];
	argv[n++] = script;
	argv[n++] = s->program;
	argv[n++] = j->dir;
	rc = dv_slurm_submit(argv, j->keep_fd, j->number);
	return rc ? rc : dv_sjob_note_number(j);
}

void dv_sjob_wait(slurm *s, sjob *j)
{
	j->waiting = true;
	if (!s->silent_ms) {
		s->silent_ms = dv_clock_ms();
		dv_warn("Slurm takes no jobs, which wait until it does: %s",
			dv_error_last()->message);
	}
	dv_error_clear();
}

int dv_sjob_submit(slurm *s, sjob *j)
{
	int rc;

	if (s->silent_ms) {
		j->waiting = true;
		return 0;
	}
	if ((rc = submit(s, j)) != DV_ETRANSIENT)
		return rc;
	dv_sjob_wait(s, j);
	return 0;
}

static void fail(sjob *j)
{
	dv_error *why = dv_calloc(1, sizeof(*why));

	if (why) {
		dv_error_take(why);
		dv_err_ctx(dv_error_put(why), "cannot submit the job");
		dv_error_take(why);
	}
	dv_error_clear();
	j->waiting = !why;
	j->why = why;
}

void dv_sjob_submit_again(slurm *s, sjob *j)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = 0;

	/* It may have begun, and even ended, since it was looked for. */
	if (dv_sjob_read(j, "started", &text) == 0 && text.n)
		dv_sjob_set_number(j, dv_buf_str(&text));
	if (!j->number[0])
		rc = submit(s, j);
	if (rc == DV_ETRANSIENT) {
		dv_sjob_wait(s, j);
		return;
	}
	j->waiting = false;
	if (rc)
		fail(j);
}

void dv_slurm_was_silent(slurm *s)
{
	dv_error why;

	if (!s->silent_ms || dv_clock_ms() - s->silent_ms < SILENCE_MOST_MS)
		return;
	dv_error_take(&why);
	for (size_t i = 0; i < s->n; i++)
		if (s->j[i]->live && s->j[i]->waiting) {
			dv_error_put(&why);
			fail(s->j[i]);
		}
	dv_error_put(&why);
}
