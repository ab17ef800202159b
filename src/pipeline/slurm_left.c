/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs of Slurm that earlier processes left: taken over, or told to end. */
#include "pipeline/slurm_priv.h"

#include <string.h>
#include <unistd.h>

#include "base/path.h"

static sjob *find_left(const slurm *s, const dv_stage *st)
{
	for (size_t i = 0; i < s->n; i++) {
		sjob *j = s->j[i];

		if (!j->live && !j->ended && j->stage && strcmp(j->stage, st->name) == 0 &&
		    strcmp(j->file, st->file) == 0)
			return j;
	}
	return NULL;
}

/* Was it ever submitted? Where sbatch was called and its answer lost, Slurm knows the name.
 * DV_ETRANSIENT when it does not answer. */
static int find_number(sjob *j, const char *done, bool *known)
{
	dv_auto(dv_arena) a = DV_ARENA_INIT;
	dv_autofree char *path = dv_path_join(done, j->id);
	const dv_slurm_seen *e;
	dv_slurm_seen *seen;
	size_t n;
	int rc;

	*known = j->number[0] || (path && access(path, F_OK) == 0);
	if (*known)
		return 0;
	if ((rc = dv_slurm_look(&a, &seen, &n)))
		return rc;
	if (!(e = dv_sjob_seen(seen, n, j)))
		return 0;
	*known = true;
	dv_sjob_set_number(j, e->number);
	return dv_sjob_note_number(j);
}

/* What its node says of its end, if it does. */
static void read_end(const slurm *s, sjob *j)
{
	dv_autofree char *path = dv_path_join(s->done, j->id);
	dv_auto(dv_buf) text = DV_BUF_INIT;

	if (!path || dv_fs_read_file(&text, path, DV_JOB_FILE_MAX) ||
	    dv_jobresult_parse(&j->old_result, dv_buf_str(&text), text.n, path))
		dv_error_clear();
}

static int end_old(slurm *s, sjob *j, dv_job_left *old)
{
	const dv_job_made *made = &j->old_result.made;
	const char *number = j->number;
	int rc;

	if ((rc = dv_jobspec_read(&j->spec, j->dir)))
		return rc;
	read_end(s, j);
	old->ended = j->old_result.json && j->old_result.state != DV_JOB_STOPPED;
	if (!old->ended && *number && dv_slurm_cancel(&number, 1))
		dv_error_clear();
	j->ended = true;
	old->spec = &j->spec;
	old->number = number;
	old->run = old->ended && made->has_run ? &made->run : NULL;
	return 0;
}

/* Another process may have brought it to its end since. */
static bool is_there(const sjob *j)
{
	dv_autofree char *path = dv_path_join(j->dir, "job.json");

	return path && access(path, F_OK) == 0;
}

int dv_slurm_adopt(dv_executor *x, const dv_job *job, dv_job_left *old)
{
	slurm *s = (slurm *)x;
	sjob *j = find_left(s, job->stage);
	char hex[DV_OID_HEX_SIZE + 1];
	bool known;
	dv_oid key;
	int rc;

	if (j && !is_there(j)) {
		dv_sjob_drop(s, j);
		j = NULL;
	}
	if (!j)
		return 0;
	if ((rc = dv_jobspec_key(job, &key)))
		return rc;
	rc = find_number(j, s->done, &known);
	j->waiting = rc == DV_ETRANSIENT;
	if (rc && !j->waiting)
		return rc;
	if (rc == 0 && !known) {
		j->ended = true;
		return 0;
	}
	dv_oid_hex(hex, &key);
	if (strcmp(hex, j->key) != 0)
		return end_old(s, j, old);
	dv_sjob_watch(s, j, job);
	if (j->waiting)
		dv_sjob_wait(s, j);
	return 1;
}

int dv_slurm_dismiss(dv_executor *x, bool (*end)(const dv_jobspec *spec, void *payload),
		     void *payload, dv_job_left *old)
{
	slurm *s = (slurm *)x;

	for (size_t i = 0; i < s->n; i++) {
		sjob *j = s->j[i];
		dv_auto(dv_jobspec) spec = DV_JOBSPEC_INIT;
		bool known;

		if (j->live || j->ended || !j->stage)
			continue;
		/* It may be gone since. */
		if (dv_jobspec_read(&spec, j->dir)) {
			dv_error_clear();
			continue;
		}
		if (!end(&spec, payload))
			continue;
		/* Where nobody tells the number: without its folder it does nothing. */
		if (find_number(j, s->done, &known))
			dv_error_clear();
		return end_old(s, j, old);
	}
	return 0;
}
