/* SPDX-License-Identifier: Apache-2.0 */
/* Programs with pipes; see process.h. */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define PIPE_SIZE (1 << 20)	/* asked for; a smaller one does as well */
#define TICK_MS 5
#define CANCEL_MS 100	/* how soon a cancel is noticed */

extern char **environ;

bool dv_process_has_terminal(void)
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

typedef struct pipes {
	int fd[6];	/* for stdin, stdout, stderr: read end, write end */
} pipes;
static void pipes_release(pipes *p)
{
	for (int i = 0; i < 6; i++)
		if (p->fd[i] >= 0)
			close(p->fd[i]);
}

static int pipes_open(pipes *p)
{
	for (int i = 0; i < 6; i += 2)
		if (pipe2(&p->fd[i], O_CLOEXEC))
			return dv_err_sys("cannot make a pipe");
	fcntl(p->fd[1], F_SETPIPE_SZ, PIPE_SIZE);
	fcntl(p->fd[3], F_SETPIPE_SZ, PIPE_SIZE);
	for (int i = 1; i <= 4; i += i == 1 ? 1 : 2)
		fcntl(p->fd[i], F_SETFL, O_NONBLOCK);
	return 0;
}

typedef struct spawning {
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
} spawning;
static void spawning_release(spawning *s)
{
	posix_spawn_file_actions_destroy(&s->files);
	posix_spawnattr_destroy(&s->attr);
}

static int spawn(dv_process *p, const pipes *pp, char *const *argv)
{
	dv_auto(spawning) s;
	short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
	sigset_t none, usual;

	posix_spawn_file_actions_init(&s.files);
	posix_spawnattr_init(&s.attr);
	posix_spawn_file_actions_adddup2(&s.files, pp->fd[0], 0);
	posix_spawn_file_actions_adddup2(&s.files, pp->fd[3], 1);
	posix_spawn_file_actions_adddup2(&s.files, pp->fd[5], 2);
	if (p->keep_fd >= 0)
		posix_spawn_file_actions_adddup2(&s.files, p->keep_fd, p->keep_fd);
	sigemptyset(&none);
	sigemptyset(&usual);
	sigaddset(&usual, SIGPIPE);
	sigaddset(&usual, SIGTERM);
	posix_spawnattr_setsigmask(&s.attr, &none);
	posix_spawnattr_setsigdefault(&s.attr, &usual);
	/* Outside the terminal's foreground group a program cannot ask; where it cannot anyway, a
	 * group of its own lets all of it be ended at once. */
	if (p->own_group) {
		posix_spawnattr_setpgroup(&s.attr, 0);
		flags |= POSIX_SPAWN_SETPGROUP;
	}
	posix_spawnattr_setflags(&s.attr, flags);
	int e = posix_spawnp(&p->pid, argv[0], &s.files, &s.attr, argv, environ);
	if (e) {
		p->pid = 0;
		errno = e;
		return dv_err_sys("cannot start '%s'", argv[0]);
	}
	return 0;
}

int dv_process_start(dv_process *p, const char *command, const char *const *argv)
{
	dv_auto(pipes) pp = { { -1, -1, -1, -1, -1, -1 } };
	dv_auto(dv_buf) script = DV_BUF_INIT;
	size_t n = 0;

	while (argv[n])
		n++;
	dv_autofree const char **all = dv_calloc(n + 5, sizeof *all);
	if (!all)
		return DV_ERROR;
	/* What a shell ignores stays ignored in what it starts. */
	dv_buf_addf(&script, "trap '' INT QUIT; %s%s \"$@\"", command ? "" : "exec",
		    command ? command : "");
	if (script.err)
		return script.err;
	all[0] = "sh", all[1] = "-c", all[2] = script.p, all[3] = command ? command : argv[0];
	memcpy(all + 4, argv + (command != NULL), (n - (command != NULL) + 1) * sizeof *all);
	p->own_group = p->finishes || !dv_process_has_terminal();
	int rc = pipes_open(&pp);
	if (rc == 0)
		rc = spawn(p, &pp, (char *const *)all);
	if (rc)
		return rc;
	p->in = dv_steal_fd(&pp.fd[1]);
	p->out = dv_steal_fd(&pp.fd[2]);
	p->err = dv_steal_fd(&pp.fd[4]);
	return 0;
}

ssize_t dv_process_writev(const dv_process *p, const struct iovec *v, int n)
{
	const struct timespec now = { 0 };
	sigset_t pipe, old, pending;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &pipe, &old);
	ssize_t done = writev(p->in, v, n); /* not disk */
	int e = errno;
	if (done < 0 && e == EPIPE && !sigismember(&pending, SIGPIPE))
		while (sigtimedwait(&pipe, NULL, &now) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = e;
	return done;
}

static void keep(dv_process *p, const char *s, size_t n)
{
	if (n > sizeof p->text - p->ntext) {
		size_t drop = n - (sizeof p->text - p->ntext);

		memmove(p->text, p->text + drop, p->ntext - drop);
		p->ntext -= drop;
		p->shown -= drop < p->shown ? drop : p->shown;
	}
	memcpy(p->text + p->ntext, s, n);
	p->ntext += n;
}

void dv_process_listen(dv_process *p)
{
	char buf[DV_PROCESS_TEXT / 2];

	while (p->err >= 0) {
		ssize_t n = read(p->err, buf, sizeof buf);

		if (n > 0) {
			keep(p, buf, (size_t)n);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0 || errno != EAGAIN) {
			close(p->err);
			p->err = -1;
		}
		return;
	}
}

void dv_process_show(dv_process *p)
{
	if (p->shown < p->ntext && isatty(STDERR_FILENO)) {
		ssize_t n = write(STDERR_FILENO, p->text + p->shown, /* not disk */
				  p->ntext - p->shown);
		(void)n;
	}
	p->shown = p->ntext;
}

void dv_process_words(const dv_process *p, char *out, size_t size)
{
	size_t from = 0, n = 0;
	bool gap = false;

	/* Its end matters most: the reason comes last. */
	if (p->ntext > size / 2) {
		from = p->ntext - size / 2;
		const char *line = memchr(p->text + from, '\n', p->ntext - from - 1);
		if (line)
			from = (size_t)(line + 1 - p->text);
	}
	for (size_t i = from; i < p->ntext && n + 3 < size; i++) {
		unsigned char c = (unsigned char)p->text[i];

		if (c == '\n' || c == '\r') {
			gap = n > 0;
			continue;
		}
		if (gap)
			out[n++] = ';', out[n++] = ' ';
		gap = false;
		out[n++] = c < ' ' || c >= 0x7f ? '?' : (char)c;
	}
	while (n && (out[n - 1] == '.' || out[n - 1] == ' '))
		n--;
	out[n] = '\0';
}

static bool reap(dv_process *p)
{
	pid_t got;

	if (p->pid == 0)
		return true;
	do
		got = waitpid(p->pid, &p->status, WNOHANG);
	while (got < 0 && errno == EINTR);
	if (got == 0)
		return false;
	if (got < 0)
		p->status = 0;
	p->pid = 0;
	return true;
}

bool dv_process_wait(dv_process *p, int ms)
{
	int64_t end = dv_clock_ms() + ms;

	for (;;) {
		struct pollfd fd = { .fd = p->err, .events = POLLIN };

		dv_process_listen(p);
		if (reap(p)) {
			dv_process_listen(p);
			return true;
		}
		if (dv_clock_ms() >= end)
			return false;
		/* It may close its standard error before it ends. */
		poll(&fd, 1, p->err >= 0 ? TICK_MS : 1);
	}
}

static void send_signal(const dv_process *p, int sig)
{
	if (p->pid > 0)
		kill(p->own_group ? -p->pid : p->pid, sig);
}

void dv_process_end(dv_process *p, int ms)
{
	if (p->in >= 0)
		close(p->in);
	if (p->out >= 0)
		close(p->out);
	p->in = p->out = -1;
	if (!dv_process_wait(p, ms)) {
		send_signal(p, SIGTERM);
		if (!dv_process_wait(p, 500)) {
			send_signal(p, SIGKILL);
			dv_process_wait(p, 2000);
		}
	}
	if (p->err >= 0)
		close(p->err);
	p->err = -1;
}

int dv_process_code(const dv_process *p)
{
	if (p->pid)
		return -1;
	return WIFSIGNALED(p->status) ? 128 + WTERMSIG(p->status) : WEXITSTATUS(p->status);
}

/* -- to the end -------------------------------------------------------------------------------- */

/* Gives the program more of its input; closes when all is there, or it wants no more. */
static int feed(dv_process *p, const char *input, size_t n, size_t *done)
{
	while (*done < n) {
		struct iovec v = { (char *)(uintptr_t)input + *done, n - *done };
		ssize_t k = dv_process_writev(p, &v, 1);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 && errno == EAGAIN)
			return 0;
		if (k < 0 && errno != EPIPE)
			return dv_err_sys("cannot write to a program");
		if (k < 0)
			break;
		*done += (size_t)k;
	}
	close(p->in);
	p->in = -1;
	return 0;
}

/* Takes what there is of its output; closes at its end. */
static int take(dv_process *p, const char *what, dv_buf *out, size_t max)
{
	char buf[16384];
	int rc;

	for (;;) {
		ssize_t k = read(p->out, buf, sizeof buf);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 && errno == EAGAIN)
			return 0;
		if (k < 0)
			return dv_err_sys("cannot read what %s prints", what);
		if (k == 0)
			break;
		if (!out)
			continue;
		if ((size_t)k > max - out->n)
			rc = dv_err(DV_ERROR, "%s printed too much", what);
		else
			rc = dv_buf_add(out, buf, (size_t)k);
		explicit_bzero(buf, (size_t)k); /* it may be a secret */
		if (rc)
			return rc;
	}
	close(p->out);
	p->out = -1;
	return 0;
}

/* Is there a reason to wait no longer? */
static int check_on(const dv_process *p, const char *what, int64_t until)
{
	if (dv_clock_ms() > until)
		return dv_err(DV_ETRANSIENT, "%s does not answer", what);
	return p->finishes && !p->cancelable ? 0 : dv_check_cancel();
}

int dv_process_run(dv_process *p, const char *const *argv, const char *what, const void *input,
		   size_t n, dv_buf *out, size_t max)
{
	int64_t until = p->patience_ms ? dv_clock_ms() + p->patience_ms : INT64_MAX;
	size_t done = 0;
	int rc = dv_process_start(p, NULL, argv);

	while (rc == 0 && p->out >= 0) {
		struct pollfd fds[] = { { .fd = p->out, .events = POLLIN },
					{ .fd = p->in, .events = POLLOUT },
					{ .fd = p->err, .events = POLLIN } };

		bool silent = poll(fds, 3, CANCEL_MS) == 0;
		dv_process_listen(p);
		if (silent && !p->finishes)
			dv_process_show(p);
		rc = check_on(p, what, until);
		if (rc == 0 && p->in >= 0)
			rc = feed(p, input, n, &done);
		if (rc == 0)
			rc = take(p, what, out, max);
	}
	/* It may go on for a while after its last word. */
	while (rc == 0 && !dv_process_wait(p, CANCEL_MS))
		rc = check_on(p, what, until);
	dv_process_end(p, 0);
	return rc;
}
