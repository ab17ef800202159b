/* SPDX-License-Identifier: Apache-2.0 */
/* Starting Slurm's programs, and what they say. See slurm_tools.h. */
#include "pipeline/slurm_tools.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/path.h"

#define OUTPUT_MAX ((size_t)64 << 20)
#define WORDS_MAX 400		/* of a program's complaint */
#define PATIENCE_MS 120000	/* then it is ended: sbatch itself gives up earlier */
#define CANCEL_AT_ONCE 500	/* numbers on one command line */

int dv_slurm_available(void)
{
	const char *path = getenv("PATH");

	for (size_t n; path && *path; path += n + (path[n] == ':')) {
		dv_autofree char *dir = NULL, *file = NULL;

		n = strcspn(path, ":");
		dir = dv_strndup(path, n);
		file = dir && n ? dv_path_join(dir, "sbatch") : NULL;
		if (file && access(file, X_OK) == 0)
			return 0;
	}
	return dv_err_hint(dv_err(DV_ENOTFOUND, "there is no 'sbatch': Slurm is not installed "
				  "here"),
			   "run this where Slurm is, or here with '--executor local'");
}

/* -- one program ------------------------------------------------------------------------------- */

typedef struct program {
	pid_t pid;
	int fd[2];		/* what it prints, and its complaints; -1 at their ends */
	dv_buf text[2];
} program;

static void program_release(program *p)
{
	for (int i = 0; i < 2; i++) {
		if (p->fd[i] >= 0)
			close(p->fd[i]);
		dv_buf_release(&p->text[i]);
	}
	if (p->pid > 0) {
		kill(p->pid, SIGKILL);
		waitpid(p->pid, NULL, 0);
	}
}

static int prepare(posix_spawn_file_actions_t *a, posix_spawnattr_t *attr, const int out[2],
		   int keep_fd)
{
	sigset_t all, none;
	int rc;

	sigfillset(&all);
	sigdelset(&all, SIGKILL);
	sigdelset(&all, SIGSTOP);
	sigemptyset(&none);
	if ((rc = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
						 POSIX_SPAWN_SETSIGDEF)) ||
	    (rc = posix_spawnattr_setpgroup(attr, 0)) ||
	    (rc = posix_spawnattr_setsigmask(attr, &none)) ||
	    (rc = posix_spawnattr_setsigdefault(attr, &all)) ||
	    (rc = posix_spawn_file_actions_addopen(a, 0, "/dev/null", O_RDONLY, 0)) ||
	    (rc = posix_spawn_file_actions_adddup2(a, out[0], 1)) ||
	    (rc = posix_spawn_file_actions_adddup2(a, out[1], 2)))
		return rc;
	return keep_fd < 0 ? 0 : posix_spawn_file_actions_adddup2(a, keep_fd, keep_fd);
}

static int spawn(program *p, const char *const *argv, const int out[2], int keep_fd)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int rc = posix_spawn_file_actions_init(&actions);

	if (rc)
		return rc;
	rc = posix_spawnattr_init(&attr);
	if (rc == 0) {
		rc = prepare(&actions, &attr, out, keep_fd);
		if (rc == 0)
			rc = posix_spawnp(&p->pid, argv[0], &actions, &attr,
					  (char *const *)(uintptr_t)argv, environ);
		if (rc)
			p->pid = 0;
		posix_spawnattr_destroy(&attr);
	}
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

/* Pipes whose ends for the program are 10 or above, so that no dup2 is in the way. */
static int open_pipe(int *in, int *out)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return dv_err_sys("cannot make a pipe");
	*in = p[0];
	*out = fcntl(p[1], F_DUPFD_CLOEXEC, 10);
	close(p[1]);
	return *out < 0 ? dv_err_sys("cannot make a pipe") : 0;
}

static int start(program *p, const char *const *argv, int keep_fd)
{
	int ends[2] = { -1, -1 }, rc;

	rc = open_pipe(&p->fd[0], &ends[0]);
	if (rc == 0)
		rc = open_pipe(&p->fd[1], &ends[1]);
	if (rc == 0) {
		errno = spawn(p, argv, ends, keep_fd);
		if (errno)
			rc = dv_err_sys("cannot run '%s'", argv[0]);
	}
	for (int i = 0; i < 2; i++)
		if (ends[i] >= 0)
			close(ends[i]);
	return rc;
}

static int read_some(program *p, int i)
{
	char buf[16384];
	ssize_t n = read(p->fd[i], buf, sizeof(buf));

	if (n < 0 && errno == EINTR)
		return 0;
	if (n <= 0) {
		close(p->fd[i]);
		p->fd[i] = -1;
		return 0;
	}
	if (p->text[i].n + (size_t)n > OUTPUT_MAX)
		return dv_err(DV_ERROR, "it prints too much");
	return dv_buf_add(&p->text[i], buf, (size_t)n);
}

/* Its complaint on one line. */
static int failed(const program *p, const char *name, int code)
{
	dv_autofree char *words = dv_strndup(dv_buf_str(&p->text[1]), WORDS_MAX);

	for (char *s = words; s && *s; s++)
		if ((unsigned char)*s < ' ')
			*s = s[1] ? ' ' : 0;
	if (words && *words)
		return dv_err(DV_ERROR, "%s", words);
	return dv_err(DV_ERROR, "'%s' failed with exit status %d", name, code);
}

/* Runs it to its end; what it prints is in p->text[0] then. */
static int run(program *p, const char *const *argv, int keep_fd)
{
	int64_t until = dv_clock_ms() + PATIENCE_MS;
	int status = 0, rc = start(p, argv, keep_fd);

	while (rc == 0 && (p->fd[0] >= 0 || p->fd[1] >= 0)) {
		struct pollfd fds[2] = { { .fd = p->fd[0], .events = POLLIN },
					 { .fd = p->fd[1], .events = POLLIN } };

		if (dv_clock_ms() > until)
			return dv_err(DV_ETRANSIENT, "'%s' does not answer", argv[0]);
		poll(fds, 2, 1000);
		for (int i = 0; rc == 0 && i < 2; i++)
			if (fds[i].fd >= 0 && fds[i].revents)
				rc = read_some(p, i);
	}
	if (rc)
		return rc;
	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		;
	p->pid = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return failed(p, argv[0], WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* -- what they do ------------------------------------------------------------------------------ */

int dv_slurm_submit(const char *const *argv, int keep_fd, char number[DV_SLURM_NUMBER])
{
	dv_auto(program) p = { .fd = { -1, -1 } };
	int rc = run(&p, argv, keep_fd);
	const char *s;
	size_t n;

	if (rc)
		return rc;
	/* "123", or "123;cluster". */
	s = dv_buf_str(&p.text[0]);
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
	dv_auto(program) p = { .fd = { -1, -1 } };
	char user[24];
	const char *const argv[] = { "squeue", "-h", "-a", "-u", user, "-t", "all", "-o",
				     "%i|%T|%N|%r|%j", NULL };

	snprintf(user, sizeof(user), "%lu", (unsigned long)geteuid());
	int rc = run(&p, argv, -1);
	return rc ? rc : parse(a, &p.text[0], out, n);
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
		dv_auto(program) p = { .fd = { -1, -1 } };
		const char *argv[CANCEL_AT_ONCE + 3] = { "scancel", "-Q" };
		size_t k = 2;

		while (at < n && k < CANCEL_AT_ONCE + 2)
			argv[k++] = numbers[at++];
		rc = run(&p, argv, -1);
	}
	return rc;
}
