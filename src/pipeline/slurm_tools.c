/* SPDX-License-Identifier: Apache-2.0 */
/* Starting Slurm's programs, and what they say. See slurm_tools.h. */
#include "pipeline/slurm_tools.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/process.h"

#define OUTPUT_MAX ((size_t)64 << 20)
#define WORDS_MAX 800		/* of a program's complaint */
#define PATIENCE_MS 120000	/* then it is ended: sbatch itself gives up earlier */
#define CANCEL_AT_ONCE 500	/* numbers on one command line */

static bool is_on_path(const char *name)
{
	const char *path = getenv("PATH");

	for (size_t n; path && *path; path += n + (path[n] == ':')) {
		dv_autofree char *dir = NULL, *file = NULL;

		n = strcspn(path, ":");
		dir = dv_strndup(path, n);
		file = dir && n ? dv_path_join(dir, name) : NULL;
		if (file && access(file, X_OK) == 0)
			return true;
	}
	return false;
}

int dv_slurm_available(void)
{
	static const char *const names[] = { "sbatch", "squeue", "scancel", NULL };

	for (const char *const *n = names; *n; n++)
		if (!is_on_path(*n))
			return dv_err_hint(dv_err(DV_ENOTFOUND, "there is no '%s': Slurm is not "
						  "installed here", *n), "run this where Slurm "
					   "is, or here with '--executor local'");
	return 0;
}

/* -- one program ------------------------------------------------------------------------------- */

/* Does it complain that the controller cannot be reached, or has too much to do? */
static bool is_passing(const char *words)
{
	static const char *const known[] = {
		"Unable to contact slurm controller", "Socket timed out", "in standby mode",
		"Zero Bytes were transmitted or received", "Resource temporarily unavailable",
		"Slurm temporarily unable", NULL
	};

	for (const char *const *k = known; *k; k++)
		if (strcasestr(words, *k))
			return true;
	return false;
}

/* Runs it to its end, and takes what it prints. A Ctrl-C must not leave a job of which nobody
 * knows, and comes when jobs are to be looked at and canceled; but one that only `looks` may wait
 * long for an answer, and is ended. */
static int run(dv_buf *out, const char *const *argv, int keep_fd, bool looks)
{
	dv_process p = DV_PROCESS_INIT;
	char words[WORDS_MAX];

	p.keep_fd = keep_fd;
	p.patience_ms = PATIENCE_MS;
	p.finishes = true;
	p.cancelable = looks;
	int rc = dv_process_run(&p, argv, argv[0], NULL, 0, out, OUTPUT_MAX);
	if (rc || dv_process_code(&p) == 0)
		return rc;
	dv_process_words(&p, words, sizeof words);
	if (*words)
		return dv_err(is_passing(words) ? DV_ETRANSIENT : DV_ERROR, "%s", words);
	return dv_err(DV_ERROR, "'%s' failed with exit status %d", argv[0], dv_process_code(&p));
}

/* -- what they do ------------------------------------------------------------------------------ */

int dv_slurm_submit(const char *const *argv, int keep_fd, char number[DV_SLURM_NUMBER])
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = run(&text, argv, keep_fd, false);
	const char *s;
	size_t n;

	if (rc)
		return rc;
	/* "123", or "123;cluster". */
	s = dv_buf_str(&text);
	n = strspn(s, "0123456789");
	if (n == 0 || n >= DV_SLURM_NUMBER)
		return dv_err(DV_ERROR, "'sbatch' does not tell the number of the job");
	memcpy(number, s, n);
	number[n] = 0;
	return 0;
}

/* The next field of a line; the last one may hold anything. */
static char *field(char **line, bool last)
{
	char *s = *line, *end = last ? NULL : strchr(s, '|');

	if (end)
		*end = 0;
	*line = end ? end + 1 : s + strlen(s);
	return s;
}

static int parse(dv_arena *a, const dv_buf *text, dv_slurm_seen **out, size_t *n)
{
	char *s = dv_arena_strndup(a, dv_buf_str(text), text->n);
	size_t cap = 0;

	*out = NULL;
	*n = 0;
	while (s && *s) {
		char *eol = strchr(s, '\n'), *next = eol ? eol + 1 : s + strlen(s);

		if (eol)
			*eol = 0;
		if (dv_arena_grow(a, out, &cap, *n + 1, sizeof(**out)))
			return DV_ERROR;
		dv_slurm_seen *j = &(*out)[(*n)++];
		j->number = field(&s, false);
		j->state = field(&s, false);
		j->node = field(&s, false);
		j->reason = field(&s, false);
		j->name = field(&s, true);
		s = next;
	}
	return s ? 0 : DV_ERROR;
}

int dv_slurm_look(dv_arena *a, dv_slurm_seen **out, size_t *n)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	char user[24];
	const char *const argv[] = { "squeue", "-h", "-a", "-u", user, "-t", "all", "-o",
				     "%i|%T|%N|%r|%j", NULL };

	snprintf(user, sizeof(user), "%lu", (unsigned long)geteuid());
	int rc = run(&text, argv, -1, true);
	return rc ? rc : parse(a, &text, out, n);
}

bool dv_slurm_is_over(const char *state)
{
	static const char *const over[] = { "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE",
					    "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED",
					    "REVOKED", "TIMEOUT", NULL };

	for (const char *const *o = over; *o; o++)
		if (strcmp(state, *o) == 0)
			return true;
	return false;
}

int dv_slurm_cancel(const char *const *numbers, size_t n)
{
	int rc = 0;

	for (size_t at = 0; rc == 0 && at < n;) {
		const char *argv[CANCEL_AT_ONCE + 3] = { "scancel", "-Q" };
		size_t k = 2;

		while (at < n && k < CANCEL_AT_ONCE + 2)
			argv[k++] = numbers[at++];
		rc = run(NULL, argv, -1, false);
	}
	return rc;
}
