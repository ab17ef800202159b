/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs of Slurm as an executor. The folder of a job (jobspec.h) is its journal: it is complete and
 * durable before sbatch is called, the number that sbatch tells is written after it, and it goes
 * when what became of the job is written down elsewhere. A process that finds a folder knows what
 * was submitted, and asks Slurm and the folder `done` what became of it; it needs no other memory.
 *
 * The end of a job is known from its file in `done`, which costs one look at one folder for all
 * jobs; squeue is asked for those that will never have one, also once for all jobs, ever more
 * seldom while nothing changes.
 */
#include "pipeline/slurm_priv.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/sha256.h"

#define JOBS_MOST 100		/* in flight, when nobody says how many */
#define LOOK_LEAST_MS 20	/* between two looks at the folder of results */
#define LOOK_MOST_MS 500
#define ASK_LEAST_MS 1000	/* between two questions to squeue */
#define ASK_MOST_MS 30000
#define ASK_SILENT_MS 5000	/* while it takes no jobs, and to a squeue that waited in vain */
#define ASK_ENDING_MS 300	/* while jobs are told to end */
#define GRACE_MS 3000		/* from the end that Slurm tells of to a result in a far folder */
#define LOG_MAX DV_CHILD_LOG_MAX

static void free_job(sjob *j)
{
	free(j->dir);
	free(j->key);
	free(j->file);
	free(j->stage);
	dv_jobspec_release(&j->spec);
	dv_jobresult_release(&j->old_result);
	dv_jobresult_release(&j->result);
	free(j->why);
	free(j);
}

static void slurm_free(dv_executor *x)
{
	slurm *s = (slurm *)x;

	for (size_t i = 0; i < s->n; i++)
		free_job(s->j[i]);
	free(s->j);
	free(s->program);
	free(s->dir);
	free(s->done);
	free(s);
}

static int new_job(slurm *s, const char *id, sjob **out)
{
	sjob *j = dv_calloc(1, sizeof(*j));
	int rc = j ? dv_grow(&s->j, &s->cap, s->n + 1, sizeof(sjob *)) : DV_ERROR;

	if (rc == 0 && !(j->dir = dv_path_join(s->dir, id)))
		rc = dv_err_nomem();
	if (rc) {
		free(j);
		return rc;
	}
	snprintf(j->id, sizeof(j->id), "%s", id);
	s->j[s->n++] = *out = j;
	return 0;
}

/* -- what earlier processes left --------------------------------------------------------------- */

static bool is_id(const char *name)
{
	return strlen(name) == DV_JOB_ID - 1 &&
	       strspn(name, "0123456789abcdef") == DV_JOB_ID - 1;
}

int dv_sjob_read(const sjob *j, const char *name, dv_buf *out)
{
	dv_autofree char *path = dv_path_join(j->dir, name);
	int rc = path ? dv_fs_read_file(out, path, 4096) : dv_err_nomem();

	if (rc == DV_ENOTFOUND) {
		dv_error_clear();
		dv_buf_clear(out);
		return 0;
	}
	return rc;
}

void dv_sjob_set_number(sjob *j, const char *text)
{
	size_t n = strspn(text, "0123456789");

	if (n == 0 || n >= sizeof(j->number))
		return;
	memcpy(j->number, text, n);
	j->number[n] = 0;
}

/* What is damaged says nothing, and goes. A folder that has nothing to say yet is left alone: a
 * process that runs may be about to fill it. */
static int find_one(slurm *s, const char *id)
{
	dv_auto(dv_jobspec) spec = DV_JOBSPEC_INIT;
	dv_auto(dv_buf) text = DV_BUF_INIT;
	sjob *j;
	int rc = new_job(s, id, &j);

	if (rc)
		return rc;
	rc = dv_jobspec_read(&spec, j->dir);
	if (rc || strcmp(spec.id, id) != 0) {
		j->ended = rc != DV_ENOTFOUND;
		dv_error_clear();
		return 0;
	}
	j->key = dv_strdup(spec.key);
	j->file = dv_strdup(spec.file);
	j->stage = dv_strdup(spec.stage);
	if (!j->key || !j->file || !j->stage)
		return DV_ERROR;
	if ((rc = dv_sjob_read(j, "submitted", &text)))
		return rc;
	dv_sjob_set_number(j, dv_buf_str(&text));
	if (!j->number[0] && (rc = dv_sjob_read(j, "started", &text)) == 0)
		dv_sjob_set_number(j, dv_buf_str(&text));
	return rc;
}

static int find_all(slurm *s)
{
	DIR *d = opendir(s->dir);
	struct dirent *e;
	int rc = 0;

	while (rc == 0 && d && (e = readdir(d)))
		if (is_id(e->d_name))
			rc = find_one(s, e->d_name);
	if (d)
		closedir(d);
	return rc;
}

/* -- starting ---------------------------------------------------------------------------------- */

static void changed(slurm *s)
{
	s->changed = dv_clock_ms();
	s->look_every = LOOK_LEAST_MS;
	s->look_at = s->changed;
	s->ask_every = ASK_LEAST_MS;
	if (s->ask_at > s->changed + s->ask_every)
		s->ask_at = s->changed + s->ask_every;
}

void dv_sjob_watch(slurm *s, sjob *j, const dv_job *job)
{
	j->live = true;
	j->owner = job->child.owner;
	j->what = job->stage;
	j->keep_fd = job->child.keep_fd;
	if (s->ask_at == 0)
		s->ask_at = dv_clock_ms() + ASK_LEAST_MS;
	changed(s);
}

void dv_sjob_drop(slurm *s, sjob *j)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->j[i] == j)
			s->j[i] = s->j[--s->n];
	free_job(j);
}

static int slurm_start(dv_executor *x, const dv_job *job)
{
	slurm *s = (slurm *)x;
	char id[DV_JOB_ID];
	uint64_t random;
	sjob *j;
	int rc = dv_random(&random, sizeof(random));

	if (rc)
		return rc;
	snprintf(id, sizeof(id), "%016llx", (unsigned long long)random);
	if ((rc = new_job(s, id, &j)))
		return rc;
	dv_sjob_watch(s, j, job);
	rc = dv_sjob_write(s, j, job);
	if (rc == 0)
		rc = dv_sjob_submit(s, j);
	if (rc) {
		dv_error why;

		dv_error_take(&why);
		if (dv_fs_remove_tree(j->dir))
			dv_error_clear();
		dv_sjob_drop(s, j);
		return dv_error_put(&why);
	}
	return 0;
}

/* -- what squeue says -------------------------------------------------------------------------- */

static bool is_named(const dv_slurm_seen *seen, const sjob *j)
{
	return strncmp(seen->name, "dv:", 3) == 0 && strncmp(seen->name + 3, j->id, 16) == 0;
}

const dv_slurm_seen *dv_sjob_seen(const dv_slurm_seen *seen, size_t n, const sjob *j)
{
	for (size_t i = 0; i < n; i++)
		if (j->number[0] ? strcmp(seen[i].number, j->number) == 0 : is_named(&seen[i], j))
			return &seen[i];
	return NULL;
}

static void take_seen(slurm *s, sjob *j, const dv_slurm_seen *e)
{
	if (j->waiting && !e) {
		dv_sjob_submit_again(s, j);
		return;
	}
	if (j->waiting) {
		dv_sjob_set_number(j, e->number);
		if (dv_sjob_note_number(j))
			dv_error_clear();
		j->waiting = false;
	}
	bool over = !e || dv_slurm_is_over(e->state);

	if (e && strcmp(j->state, e->state) != 0) {
		snprintf(j->state, sizeof(j->state), "%s", e->state);
		changed(s);
	}
	if (e && *e->node)
		snprintf(j->node, sizeof(j->node), "%s", e->node);
	if (over && !j->over_ms) {
		j->over_ms = dv_clock_ms();
		changed(s);
	}
}

static void ask(slurm *s)
{
	dv_auto(dv_arena) a = DV_ARENA_INIT;
	dv_slurm_seen *seen;
	size_t n;
	int rc = dv_slurm_look(&a, &seen, &n);

	if (rc == 0) {
		s->silent_ms = 0;
		s->warned = false;
	} else if (rc == DV_ECANCELLED) {
		dv_error_clear();
	} else {
		/* It may be down for a while; that says nothing of the jobs. */
		dv_slurm_was_silent(s);
		if (!s->warned && !s->silent_ms)
			dv_warn("squeue does not say how the jobs are: %s",
				dv_error_last()->message);
		s->warned = true;
		dv_error_clear();
	}
	for (size_t i = 0; rc == 0 && i < s->n; i++)
		if (s->j[i]->live && !(s->j[i]->waiting && s->silent_ms))
			take_seen(s, s->j[i], dv_sjob_seen(seen, n, s->j[i]));
	s->ask_every = s->cancels ? ASK_ENDING_MS : s->ask_every + s->ask_every / 2;
	if (s->ask_every > (s->silent_ms ? ASK_SILENT_MS : ASK_MOST_MS))
		s->ask_every = s->silent_ms ? ASK_SILENT_MS : ASK_MOST_MS;
	s->ask_at = dv_clock_ms() + s->ask_every;
}

/* -- ends -------------------------------------------------------------------------------------- */

static sjob *by_id(const slurm *s, const char *id)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->j[i]->id, id) == 0)
			return s->j[i];
	return NULL;
}

static void take_log(const sjob *j, dv_job_end *end)
{
	static const char *const names[] = { "log", "slurm.out" };

	for (int i = 0; i < 2 && !end->child.log.n; i++) {
		dv_autofree char *path = dv_path_join(j->dir, names[i]);
		dv_autoclose int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
		struct stat st;
		size_t got;

		if (fd < 0 || fstat(fd, &st) || st.st_size <= 0)
			continue;
		size_t n = (size_t)st.st_size < LOG_MAX ? (size_t)st.st_size : LOG_MAX;
		if (dv_buf_reserve(&end->child.log, n) ||
		    dv_fs_pread_all(fd, end->child.log.p, n, 0, &got))
			continue;
		end->child.log.n = got;
		end->child.log.p[got] = 0;
	}
	dv_error_clear();
}

/* When it began, as far as its folder tells. */
static int64_t begin_us(const sjob *j)
{
	static const char *const names[] = { "started", "job.json" };
	struct stat st;

	for (int i = 0; i < 2; i++) {
		dv_autofree char *path = dv_path_join(j->dir, names[i]);

		if (path && stat(path, &st) == 0)
			return (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
	}
	return dv_clock_wall_us();
}

/* Fills the end of a job and takes it out of what is watched. */
static void hand_out(slurm *s, sjob *j, dv_jobresult *res, enum dv_job_fate fate, dv_job_end *end)
{
	*end = (dv_job_end)DV_JOB_END_INIT;
	end->child.owner = j->owner;
	end->fate = fate;
	end->child.start_us = begin_us(j);
	end->child.end_us = dv_clock_wall_us();
	if (res && res->start_us) {
		end->child.start_us = res->start_us;
		end->child.end_us = res->end_us;
	}
	if (res) {
		end->child.exit_code = res->exit_code;
		end->made = res->made;
		res->made = (dv_job_made)DV_JOB_MADE_INIT;
	}
	take_log(j, end);
	j->live = false;
	j->ended = true;
	changed(s);
}

static void say(dv_job_end *end, const char *message, const char *hint)
{
	dv_err(DV_ERROR, "%s", message);
	if (hint && *hint)
		dv_err_hint(DV_ERROR, "%s", hint);
	dv_error_take(&end->child.error);
	dv_error_clear();
}

static bool hand_out_result(slurm *s, sjob *j, dv_jobresult *res, dv_job_end *end)
{
	if (res->state == DV_JOB_STOPPED && s->cancels == 0) {
		/* Slurm knows why. */
		j->stopped = true;
		j->result = *res;
		*res = (dv_jobresult)DV_JOBRESULT_INIT;
		s->ask_at = dv_clock_ms();
		return false;
	}
	if (res->state == DV_JOB_STOPPED) {
		hand_out(s, j, res, DV_JOB_CANCELED, end);
		return true;
	}
	/* Without a record no command ran, or not to its end. */
	hand_out(s, j, res, res->made.has_run ? DV_JOB_ENDED : DV_JOB_LOST, end);
	if (*res->error) {
		dv_auto(dv_buf) text = DV_BUF_INIT;

		dv_buf_addf(&text, "job %s of '%s' on %s: %s", j->number, j->stage ? j->stage : "",
			    res->node, res->error);
		say(end, res->made.has_run ? res->error : dv_buf_str(&text), res->hint);
	} else if (end->fate == DV_JOB_LOST) {
		say(end, "the job says nothing of its run", NULL);
	}
	return true;
}

static bool take_result(slurm *s, const char *id, dv_job_end *end)
{
	dv_auto(dv_jobresult) res = DV_JOBRESULT_INIT;
	dv_autofree char *path = dv_path_join(s->done, id);
	dv_auto(dv_buf) text = DV_BUF_INIT;
	sjob *j = by_id(s, id);
	int rc;

	if (!j || !j->live || j->stopped || !path)
		return false;
	rc = dv_fs_read_file(&text, path, DV_JOB_FILE_MAX);
	if (rc == 0)
		rc = dv_jobresult_parse(&res, dv_buf_str(&text), text.n, path);
	if (rc == 0)
		return hand_out_result(s, j, &res, end);
	if (rc == DV_ENOTFOUND) {
		dv_error_clear();
		return false;
	}
	dv_error why;

	dv_error_take(&why);
	hand_out(s, j, NULL, DV_JOB_LOST, end);
	end->child.error = why;
	return true;
}

/* The folder is opened anew each time: so a file server is asked, and not a memory of it. */
static bool look(slurm *s, dv_job_end *end)
{
	DIR *d = opendir(s->done);
	bool found = false;
	struct dirent *e;

	while (!found && d && (e = readdir(d)))
		found = is_id(e->d_name) && take_result(s, e->d_name, end);
	if (d)
		closedir(d);
	return found;
}

static bool is_canceled(const slurm *s, const sjob *j)
{
	return s->cancels || strcmp(j->state, "CANCELLED") == 0 || strcmp(j->state, "REVOKED") == 0;
}

static bool has_node(const sjob *j)
{
	return *j->node && strcmp(j->node, "(null)") != 0;
}

static void say_lost(const sjob *j, dv_job_end *end)
{
	static const struct {
		const char *state, *what;
	} words[] = {
		{ "TIMEOUT", "reached its time limit" },
		{ "DEADLINE", "reached its deadline" },
		{ "NODE_FAIL", "was lost with its node" },
		{ "BOOT_FAIL", "was lost with its node" },
		{ "OUT_OF_MEMORY", "used more memory than it may" },
		{ "PREEMPTED", "was preempted" },
	};
	const char *what = "ended without a word of its run";
	dv_auto(dv_buf) text = DV_BUF_INIT, hint = DV_BUF_INIT;
	bool known = false;

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(j->state, words[i].state) == 0) {
			what = words[i].what;
			known = true;
		}
	dv_buf_addf(&text, "job %s %s", j->number[0] ? j->number : "(no number)", what);
	if (has_node(j))
		dv_buf_addf(&text, " (%s)", j->node);
	if (!known && end->child.log.n)
		dv_buf_addf(&hint, "it wrote: %.*s", (int)strcspn(dv_buf_str(&end->child.log),
								  "\n"),
			    dv_buf_str(&end->child.log));
	say(end, dv_buf_str(&text), dv_buf_str(&hint));
}

/* Is it known that no result will come, or why the one that came says that it was stopped? */
static bool is_settled(const slurm *s, const sjob *j)
{
	if (s->cancels > 1 || j->why || (s->cancels && j->waiting))
		return true;
	if (j->stopped)
		return j->over_ms || s->cancels;
	/* What was canceled before it ran has nothing to say. */
	return j->over_ms && ((strcmp(j->state, "CANCELLED") == 0 && !has_node(j)) ||
			      dv_clock_ms() - j->over_ms >= GRACE_MS);
}

static bool take_over(slurm *s, dv_job_end *end)
{
	for (size_t i = 0; i < s->n; i++) {
		sjob *j = s->j[i];
		enum dv_job_fate fate;

		if (!j->live || !is_settled(s, j))
			continue;
		/* A job that was stopped may have ended before Slurm said why. */
		fate = is_canceled(s, j) || (j->stopped && (strcmp(j->state, "COMPLETED") == 0 ||
							    strcmp(j->state, "FAILED") == 0))
			       ? DV_JOB_CANCELED : DV_JOB_LOST;
		hand_out(s, j, j->stopped ? &j->result : NULL, fate, end);
		if (j->why)
			end->child.error = *j->why;
		else if (fate == DV_JOB_LOST)
			say_lost(j, end);
		return true;
	}
	return false;
}

static bool slurm_poll(dv_executor *x, int timeout_ms, dv_job_end *end)
{
	slurm *s = (slurm *)x;
	int64_t until = dv_clock_ms() + timeout_ms;

	for (;;) {
		int64_t now = dv_clock_ms(), next = until;

		if (now >= s->look_at) {
			if (look(s, end))
				return true;
			s->look_every = (now - s->changed) / 20;
			s->look_every = s->look_every < LOOK_LEAST_MS ? LOOK_LEAST_MS :
					s->look_every > LOOK_MOST_MS ? LOOK_MOST_MS :
								       s->look_every;
			s->look_at = dv_clock_ms() + s->look_every;
		}
		if (x->running && now >= s->ask_at)
			ask(s);
		if (take_over(s, end))
			return true;
		now = dv_clock_ms();
		if (now >= until)
			return false;
		next = s->look_at < next ? s->look_at : next;
		next = next > now ? next - now : 1;
		const struct timespec ts = { next / 1000, next % 1000 * 1000000 };
		if (nanosleep(&ts, NULL))
			return false;
	}
}

/* -- ending ------------------------------------------------------------------------------------ */

static void slurm_cancel(dv_executor *x)
{
	slurm *s = (slurm *)x;
	dv_autofree const char **numbers = dv_calloc(s->n + 1, sizeof(*numbers));
	size_t n = 0;

	if (s->cancels++ || !numbers)
		return;
	for (size_t i = 0; i < s->n; i++)
		if (s->j[i]->live && s->j[i]->number[0])
			numbers[n++] = s->j[i]->number;
	if (n && dv_slurm_cancel(numbers, n)) {
		dv_warn("jobs may go on: %s", dv_error_last()->message);
		dv_error_clear();
	}
	s->ask_every = ASK_ENDING_MS;
	s->ask_at = dv_clock_ms();
}

static int slurm_forget(dv_executor *x)
{
	slurm *s = (slurm *)x;

	for (size_t i = s->n; i-- > 0;) {
		sjob *j = s->j[i];
		dv_autofree char *path = NULL;
		int rc;

		if (!j->ended)
			continue;
		path = dv_path_join(s->done, j->id);
		if (!path)
			return dv_err_nomem();
		/* The folder goes first: a result without one is nobody's. */
		if ((rc = dv_fs_remove_tree(j->dir)))
			return rc;
		dv_fs_unlinkat(AT_FDCWD, path, 0);
		dv_sjob_drop(s, j);
	}
	return 0;
}

static const char *slurm_name_of(dv_executor *x, size_t owner)
{
	const slurm *s = (slurm *)x;

	for (size_t i = 0; i < s->n; i++)
		if (s->j[i]->live && s->j[i]->owner == owner)
			return s->j[i]->number;
	return "";
}

/* Results of jobs that have no folder any more, such as of those that went on after they were given
 * up. */
static void clear_done(const slurm *s)
{
	DIR *d = opendir(s->done);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		dv_autofree char *dir = dv_path_join(s->dir, e->d_name);

		if (is_id(e->d_name) && dir && access(dir, F_OK) < 0 && errno == ENOENT)
			dv_fs_unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d)
		closedir(d);
}

/* The folder of jobs of this workspace; owned. */
static char *folder_of(const dv_repo *r)
{
	char hex[DV_OID_HEX_SIZE + 1], name[] = "jobs-0123456789abcdef";
	dv_oid id;

	dv_sha256(&id, r->root, strlen(r->root));
	dv_oid_hex(hex, &id);
	memcpy(name + 5, hex, 16);
	return dv_path_join(r->dvdir, name);
}

static int open_folder(slurm *s, dv_repo *r, const char *program)
{
	s->repo = r;
	s->program = dv_strdup(program ? program : "dv");
	s->dir = folder_of(r);
	s->done = s->dir ? dv_path_join(s->dir, "done") : NULL;
	if (!s->program || !s->done)
		return dv_err_nomem();
	return dv_fs_mkdirs(s->done);
}

bool dv_executor_slurm_is_here(void)
{
	int rc = dv_slurm_available();

	if (rc)
		dv_error_clear();
	return rc == 0;
}

bool dv_executor_slurm_has_left(dv_repo *r)
{
	dv_autofree char *dir = folder_of(r);
	DIR *d = dir ? opendir(dir) : NULL;
	bool found = false;
	struct dirent *e;

	while (!found && d && (e = readdir(d)))
		found = is_id(e->d_name);
	if (d)
		closedir(d);
	return found;
}

int dv_executor_slurm(dv_executor **out, dv_repo *r, const char *program)
{
	static const dv_executor_ops ops = {
		.name = "slurm", .apart = true, .start = slurm_start, .adopt = dv_slurm_adopt,
		.dismiss = dv_slurm_dismiss, .poll = slurm_poll, .cancel = slurm_cancel,
		.forget = slurm_forget, .name_of = slurm_name_of, .free = slurm_free,
	};
	slurm *s;
	int rc;

	*out = NULL;
	if ((rc = dv_slurm_available()))
		return rc;
	if (!(s = dv_calloc(1, sizeof(*s))))
		return DV_ERROR;
	s->x.ops = &ops;
	s->x.most = JOBS_MOST;
	if ((rc = open_folder(s, r, program)) || (rc = find_all(s))) {
		slurm_free(&s->x);
		return rc;
	}
	clear_done(s);
	*out = &s->x;
	return 0;
}
