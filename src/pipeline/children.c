/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread polls the pipes of all children and a descriptor of each process. What a child leaves
 * running in the background does not hold it up: the end of the process is the end of the command,
 * after what is in the pipes was read.
 */
#include "pipeline/children.h"

#include <dv.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"

#define SHELL "/bin/sh"
#define LINE_MAX_LENGTH ((size_t)64 << 10)	/* handed out without its end */
#define TERM_AFTER_MS 2000
#define KILL_AFTER_MS 5000
#define POLL_MS 20	/* where the kernel has no descriptors for processes */

typedef struct stream {
	int fd;			/* -1: at its end */
	dv_buf line;
} stream;

typedef struct child {
	dv_child_spec spec;
	size_t next;		/* command */
	pid_t pid;
	int pidfd;
	stream s[2];
	int exit_code;
	dv_child_end end;
	struct child *later;	/* of those that ended */
} child;

struct dv_children {
	dv_child_text_fn text;
	void *payload;
	pthread_t thread;
	bool running;		/* the thread */
	pthread_mutex_t lock;
	pthread_cond_t ended;
	int wake;		/* an eventfd: there is something new */
	child *c[DV_CHILDREN_MAX];
	size_t n;
	child *done, **last;
	bool leave;
	int64_t stop_at;	/* when the children were asked to end; 0: they were not */
	int stage;		/* of asking */
};

/* The groups that run, for dv_repro_kill(). */
static _Atomic pid_t groups[DV_CHILDREN_MAX];

static void note_group(pid_t old, pid_t new_)
{
	for (size_t i = 0; i < DV_CHILDREN_MAX; i++) {
		pid_t expected = old;

		if (atomic_compare_exchange_strong(&groups[i], &expected, new_))
			return;
	}
}

void dv_repro_kill(void)
{
	for (size_t i = 0; i < DV_CHILDREN_MAX; i++) {
		pid_t pid = atomic_load(&groups[i]);

		if (pid > 0)
			kill(-pid, SIGKILL);
	}
}

int dv_child_lines(dv_buf *out, const char *text, size_t *n)
{
	size_t at = out->n;

	*n = 0;
	while (*text) {
		const char *eol = strchrnul(text, '\n');
		size_t len = (size_t)(eol - text);
		bool more = len && text[len - 1] == '\\' && *eol;

		dv_buf_add(out, text, len + more);
		text = eol + (*eol != 0);
		if (out->err)
			return out->err;
		if (more && *text)
			continue;
		if (strspn(dv_buf_str(out) + at, " \t\r") == out->n - at) {
			if (out->n > at)
				out->p[out->n = at] = '\0';
			continue;
		}
		dv_buf_addc(out, '\0');
		at = out->n;
		++*n;
	}
	return out->err;
}

/* -- starting ---------------------------------------------------------------------------------- */

typedef struct spawning {
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
} spawning;
static void spawning_release(spawning *s)
{
	posix_spawn_file_actions_destroy(&s->actions);
	posix_spawnattr_destroy(&s->attr);
}

static int prepare(spawning *s, const child *c, const int out[2])
{
	sigset_t all, none;
	int rc;

	sigfillset(&all);
	sigdelset(&all, SIGKILL);
	sigdelset(&all, SIGSTOP);
	sigemptyset(&none);
	if ((rc = posix_spawnattr_setflags(&s->attr, POSIX_SPAWN_SETPGROUP |
					   POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)) ||
	    (rc = posix_spawnattr_setpgroup(&s->attr, 0)) ||
	    (rc = posix_spawnattr_setsigmask(&s->attr, &none)) ||
	    (rc = posix_spawnattr_setsigdefault(&s->attr, &all)) ||
	    (rc = posix_spawn_file_actions_addopen(&s->actions, 0, "/dev/null", O_RDONLY, 0)) ||
	    (rc = posix_spawn_file_actions_adddup2(&s->actions, out[0], 1)) ||
	    (rc = posix_spawn_file_actions_adddup2(&s->actions,
						   c->spec.merged ? out[0] : out[1], 2)) ||
	    (rc = posix_spawn_file_actions_addchdir_np(&s->actions, c->spec.dir)))
		return rc;
	return c->spec.keep_fd < 0 ? 0 :
	       posix_spawn_file_actions_adddup2(&s->actions, c->spec.keep_fd, c->spec.keep_fd);
}

/* Starts the next command. 0 or an errno. */
static int spawn(child *c, const int out[2])
{
	const char *argv[] = { "strace", "-f", "-qq", "-y", "-A", "-e",
			       "trace=open,openat,openat2,execve", "-o", c->spec.trace, "--",
			       SHELL, "-c", c->spec.cmd[c->next], NULL };
	char *const *all = (char *const *)(uintptr_t)argv;
	spawning s;
	int rc = posix_spawn_file_actions_init(&s.actions);

	if (rc)
		return rc;
	if ((rc = posix_spawnattr_init(&s.attr))) {
		posix_spawn_file_actions_destroy(&s.actions);
		return rc;
	}
	rc = prepare(&s, c, out);
	if (rc == 0 && c->spec.trace)
		rc = posix_spawnp(&c->pid, "strace", &s.actions, &s.attr, all, c->spec.env);
	else if (rc == 0)
		rc = posix_spawn(&c->pid, SHELL, &s.actions, &s.attr, all + 10, c->spec.env);
	spawning_release(&s);
	if (rc) {
		c->pid = 0;
		return rc;
	}
	note_group(0, c->pid);
	c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	c->next++;
	return 0;
}

/* Pipes whose ends for the children are 10 or above, so that no dup2 of theirs is in the way. */
static int open_pipe(int *in, int *out)
{
	int p[2], high;

	if (pipe2(p, O_CLOEXEC) < 0)
		return dv_err_sys("cannot make a pipe");
	high = fcntl(p[1], F_DUPFD_CLOEXEC, 10);
	close(p[1]);
	if (high < 0) {
		close(p[0]);
		return dv_err_sys("cannot make a pipe");
	}
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	*in = p[0];
	*out = high;
	return 0;
}

static int start_next(child *c)
{
	int ends[2] = { -1, -1 }, rc = 0;

	for (int i = 0; rc == 0 && i < (c->spec.merged ? 1 : 2); i++)
		rc = open_pipe(&c->s[i].fd, &ends[i]);
	if (rc == 0) {
		int e = spawn(c, ends);

		errno = e;
		rc = e ? dv_err_sys("cannot start a command in '%s'", c->spec.dir) : 0;
	}
	for (int i = 0; i < 2; i++)
		if (ends[i] >= 0)
			close(ends[i]);
	return rc;
}

/* -- what they write --------------------------------------------------------------------------- */

static void hand_out(dv_children *x, child *c, int which, const char *p, size_t n)
{
	stream *s = &c->s[which];
	const char *eol;

	if (c->end.log.n + n <= DV_CHILD_LOG_MAX)
		dv_buf_add(&c->end.log, p, n);
	else if (c->end.log.n < DV_CHILD_LOG_MAX)
		dv_buf_add(&c->end.log, p, DV_CHILD_LOG_MAX - c->end.log.n);
	if (!x->text)
		return;
	if (!c->spec.lines) {
		x->text(c->spec.owner, which == 1, p, n, x->payload);
		return;
	}
	dv_buf_add(&s->line, p, n);
	while ((eol = memrchr(dv_buf_str(&s->line), '\n', s->line.n)) ||
	       s->line.n > LINE_MAX_LENGTH) {
		size_t len = eol ? (size_t)(eol - s->line.p) + 1 : s->line.n;

		x->text(c->spec.owner, which == 1, s->line.p, len, x->payload);
		memmove(s->line.p, s->line.p + len, s->line.n - len);
		s->line.n -= len;
	}
}

/* Reads what is there; at most `max` bytes, so that one does not keep the others waiting. */
static void drain(dv_children *x, child *c, int which, size_t max)
{
	char buf[32768];

	while (c->s[which].fd >= 0 && max > 0) {
		ssize_t n = read(c->s[which].fd, buf, sizeof(buf));

		if (n > 0) {
			hand_out(x, c, which, buf, (size_t)n);
			max -= (size_t)n < max ? (size_t)n : max;
		} else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
			close(c->s[which].fd);
			c->s[which].fd = -1;
		} else if (errno == EAGAIN) {
			return;
		}
	}
}

static void close_streams(dv_children *x, child *c)
{
	for (int i = 0; i < 2; i++) {
		drain(x, c, i, (size_t)1 << 20);
		if (c->s[i].fd >= 0)
			close(c->s[i].fd);
		c->s[i].fd = -1;
		if (c->s[i].line.n && x->text) {
			dv_buf_addc(&c->s[i].line, '\n');
			x->text(c->spec.owner, i == 1, c->s[i].line.p, c->s[i].line.n, x->payload);
		}
		dv_buf_clear(&c->s[i].line);
	}
}

/* -- ends -------------------------------------------------------------------------------------- */

static void free_child(child *c)
{
	if (!c)
		return;
	for (int i = 0; i < 2; i++) {
		if (c->s[i].fd >= 0)
			close(c->s[i].fd);
		dv_buf_release(&c->s[i].line);
	}
	if (c->pidfd >= 0)
		close(c->pidfd);
	dv_buf_release(&c->end.log);
	free(c);
}

/* Has the command ended? Its number in the end, when it was the last one. */
static bool has_ended(dv_children *x, child *c)
{
	int status;
	pid_t pid = waitpid(c->pid, &status, WNOHANG);

	if (pid == 0 || (pid < 0 && errno == EINTR))
		return false;
	note_group(c->pid, 0);
	c->pid = 0;
	if (c->pidfd >= 0)
		close(c->pidfd);
	c->pidfd = -1;
	c->exit_code = pid < 0 ? 1 : WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
		       WEXITSTATUS(status);
	close_streams(x, c);
	return true;
}

/* The lock is held. */
static void finish(dv_children *x, size_t i)
{
	child *c = x->c[i];

	c->end.owner = c->spec.owner;
	c->end.exit_code = c->exit_code;
	c->end.end_us = dv_clock_wall_us();
	x->c[i] = x->c[--x->n];
	*x->last = c;
	x->last = &c->later;
	pthread_cond_signal(&x->ended);
}

/* The lock is held; it is given back while callbacks run. */
static void look_at(dv_children *x, size_t i)
{
	child *c = x->c[i];
	bool ended, over;

	pthread_mutex_unlock(&x->lock);
	for (int k = 0; k < 2; k++)
		drain(x, c, k, (size_t)256 << 10);
	ended = has_ended(x, c);
	over = ended && (c->exit_code != 0 || c->next == c->spec.ncmd);
	pthread_mutex_lock(&x->lock);
	if (ended && !over && x->stop_at) {
		c->exit_code = 128 + SIGINT;
		over = true;
	}
	if (ended && !over && start_next(c)) {
		dv_error_take(&c->end.error);
		over = true;
	}
	if (over)
		finish(x, i);
}

/* The lock is held. Asks again, more firmly each time; returns how long to wait until the next. */
static int ask_to_end(dv_children *x)
{
	static const struct {
		int signal, after;
	} steps[] = { { SIGINT, 0 }, { SIGTERM, TERM_AFTER_MS }, { SIGKILL, KILL_AFTER_MS } };
	int64_t since = x->stop_at ? dv_clock_ms() - x->stop_at : 0;

	if (!x->stop_at)
		return -1;
	while (x->stage < 3 && since >= steps[x->stage].after) {
		for (size_t i = 0; i < x->n; i++)
			if (x->c[i]->pid > 0)
				kill(-x->c[i]->pid, steps[x->stage].signal);
		x->stage++;
	}
	return x->stage < 3 ? (int)(steps[x->stage].after - since) : -1;
}

static void *run(void *arg)
{
	dv_children *x = arg;
	dv_autofree struct pollfd *fds = dv_calloc(3 * DV_CHILDREN_MAX + 1, sizeof(*fds));
	uint64_t ignored;

	pthread_mutex_lock(&x->lock);
	while (fds && !x->leave) {
		size_t n = 1;
		int wait = ask_to_end(x);

		fds[0] = (struct pollfd){ .fd = x->wake, .events = POLLIN };
		for (size_t i = 0; i < x->n; i++) {
			const child *c = x->c[i];

			for (int k = 0; k < 2; k++)
				fds[n++] = (struct pollfd){ .fd = c->s[k].fd, .events = POLLIN };
			fds[n++] = (struct pollfd){ .fd = c->pidfd, .events = POLLIN };
			if (c->pidfd < 0 && (wait < 0 || wait > POLL_MS))
				wait = POLL_MS;
		}
		pthread_mutex_unlock(&x->lock);
		poll(fds, n, wait);
		if (fds[0].revents & POLLIN && read(x->wake, &ignored, sizeof(ignored)) < 0)
			ignored = 0;
		pthread_mutex_lock(&x->lock);
		for (size_t i = x->n; i-- > 0;)
			look_at(x, i);
	}
	pthread_mutex_unlock(&x->lock);
	return NULL;
}

/* -- the caller's side ------------------------------------------------------------------------- */

static void wake(dv_children *x)
{
	const uint64_t one = 1;

	while (write(x->wake, &one, sizeof(one)) < 0 && errno == EINTR) /* not disk */
		;
}

int dv_children_new(dv_children **out, dv_child_text_fn text, void *payload)
{
	dv_autoptr(dv_children) x = dv_calloc(1, sizeof(*x));
	pthread_condattr_t attr;
	sigset_t all, old;

	*out = NULL;
	if (!x)
		return DV_ERROR;
	x->text = text;
	x->payload = payload;
	x->last = &x->done;
	pthread_mutex_init(&x->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&x->ended, &attr);
	pthread_condattr_destroy(&attr);
	x->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (x->wake < 0)
		return dv_err_sys("cannot make an event descriptor");
	/* Signals are for the caller's threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	errno = pthread_create(&x->thread, NULL, run, x);
	x->running = errno == 0;
	if (!x->running)
		dv_err_sys("cannot start a thread");
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!x->running)
		return DV_ERROR;
	*out = dv_steal(&x);
	return 0;
}

void dv_children_free(dv_children *x)
{
	if (!x)
		return;
	if (x->running) {
		pthread_mutex_lock(&x->lock);
		x->leave = true;
		pthread_mutex_unlock(&x->lock);
		wake(x);
		pthread_join(x->thread, NULL);
	}
	for (size_t i = 0; i < x->n; i++) {
		kill(-x->c[i]->pid, SIGKILL);
		waitpid(x->c[i]->pid, NULL, 0);
		note_group(x->c[i]->pid, 0);
		free_child(x->c[i]);
	}
	while (x->done) {
		child *c = x->done;

		x->done = c->later;
		free_child(c);
	}
	if (x->wake >= 0)
		close(x->wake);
	pthread_cond_destroy(&x->ended);
	pthread_mutex_destroy(&x->lock);
	free(x);
}

int dv_children_start(dv_children *x, const dv_child_spec *spec)
{
	child *c = dv_calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return DV_ERROR;
	c->spec = *spec;
	c->pidfd = c->s[0].fd = c->s[1].fd = -1;
	c->end.start_us = dv_clock_wall_us();
	rc = spec->ncmd ? start_next(c) : dv_err(DV_ERROR, "there is no command to run");
	if (rc) {
		free_child(c);
		return rc;
	}
	pthread_mutex_lock(&x->lock);
	dv_assert(x->n < DV_CHILDREN_MAX);
	x->c[x->n++] = c;
	pthread_mutex_unlock(&x->lock);
	wake(x);
	return 0;
}

bool dv_children_wait(dv_children *x, int timeout_ms, dv_child_end *end)
{
	struct timespec until;
	child *c;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	until.tv_sec += timeout_ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&x->lock);
	while (!x->done && pthread_cond_timedwait(&x->ended, &x->lock, &until) == 0)
		;
	c = x->done;
	if (c && !(x->done = c->later))
		x->last = &x->done;
	pthread_mutex_unlock(&x->lock);
	if (!c)
		return false;
	*end = c->end;
	c->end.log = (dv_buf)DV_BUF_INIT;
	free_child(c);
	return true;
}

void dv_children_stop(dv_children *x)
{
	pthread_mutex_lock(&x->lock);
	if (!x->stop_at)
		x->stop_at = dv_clock_ms();
	pthread_mutex_unlock(&x->lock);
	wake(x);
}

size_t dv_children_running(dv_children *x)
{
	pthread_mutex_lock(&x->lock);
	size_t n = x->n + (x->done != NULL);
	pthread_mutex_unlock(&x->lock);
	return n;
}
