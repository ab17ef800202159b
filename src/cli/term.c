/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The progress line. See term.h.
 */
#include "cli/term.h"

#include "cli/out.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define DELAY_MS 1000
#define FRAME_MS 100

static struct {
	pthread_mutex_t lock;
	bool on, shown;
	char phase[64];
	int64_t start, last_frame;   /* of the command; ms */
	int64_t rate_at;             /* when the rate was last measured */
	uint64_t rate_done;          /* what was done then */
	double rate;                 /* smoothed; units a second */
} term = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int columns(void)
{
	struct winsize w;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) || w.ws_col < 20)
		return 80;
	return w.ws_col;
}

void dv_term_start(const dv_cli *cli)
{
	if (cli->quiet || !isatty(STDERR_FILENO))
		return;
	term.on = true;
	term.start = now_ms();
	dv_set_progress_cb(dv_term_progress, NULL);
}

/* The lock is held. */
static void clear(void)
{
	if (!term.shown)
		return;
	fputs("\r\033[K", stderr);
	term.shown = false;
}

void dv_term_clear(void)
{
	if (!term.on)
		return;
	pthread_mutex_lock(&term.lock);
	clear();
	pthread_mutex_unlock(&term.lock);
}

void dv_term_end(void)
{
	if (!term.on)
		return;
	dv_set_progress_cb(NULL, NULL);
	dv_term_clear();
	term.on = false;
}

static void format_time(char buf[16], double seconds)
{
	unsigned s = seconds < 359999 ? (unsigned)(seconds + 0.5) : 359999;

	if (s >= 3600)
		snprintf(buf, 16, "%u:%02u:%02u", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(buf, 16, "%u:%02u", s / 60, s % 60);
}

/* Appends at *at what still fits; returns false when it does not. */
__attribute__((format(printf, 4, 5))) static bool append(char *buf, size_t room, size_t *at,
							 const char *fmt, ...)
{
	char piece[96];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(piece, sizeof(piece), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(piece) || *at + (size_t)n >= room)
		return false;
	memcpy(buf + *at, piece, (size_t)n + 1);
	*at += (size_t)n;
	return true;
}

void dv_term_format(char *buf, size_t size, const dv_progress *p, double rate, int width)
{
	size_t room = size < (size_t)width ? size : (size_t)width, at = 0;
	bool bytes = p->bytes_done || p->bytes_total;
	uint64_t done = bytes ? p->bytes_done : p->files_done;
	uint64_t total = bytes ? p->bytes_total : p->files_total;
	char a[DV_OUT_SIZE_MAX], b[DV_OUT_SIZE_MAX], left[16];

	buf[0] = 0;
	append(buf, room, &at, "%.40s", p->phase ? p->phase : "working");
	if (total)
		append(buf, room, &at, " %3u%%",
		       done >= total ? 100u : (unsigned)((double)done * 100 / (double)total));
	if (bytes && total)
		append(buf, room, &at, "  %s of %s", dv_out_size(a, done), dv_out_size(b, total));
	else if (bytes)
		append(buf, room, &at, "  %s", dv_out_size(a, done));
	if (p->files_total)
		append(buf, room, &at, "  %" PRIu64 " of %" PRIu64 " %s", p->files_done,
		       p->files_total, dv_out_plural(p->files_total, "file", "files"));
	else if (p->files_done)
		append(buf, room, &at, "  %" PRIu64 " %s", p->files_done,
		       dv_out_plural(p->files_done, "file", "files"));
	if (rate >= 1 && bytes)
		append(buf, room, &at, "  %s/s", dv_out_size(a, (uint64_t)rate));
	else if (rate >= 1)
		append(buf, room, &at, "  %.0f/s", rate);
	if (rate >= 1 && total > done) {
		format_time(left, (double)(total - done) / rate);
		append(buf, room, &at, "  %s left", left);
	}
}

/* Follows the speed: a new phase starts afresh, later samples are smoothed over some seconds. */
static void measure(const dv_progress *p, int64_t now)
{
	uint64_t done = p->bytes_done || p->bytes_total ? p->bytes_done : p->files_done;
	const char *phase = p->phase ? p->phase : "";
	double seconds = (double)(now - term.rate_at) / 1000, sample;

	if (strncmp(phase, term.phase, sizeof(term.phase) - 1) != 0 || done < term.rate_done ||
	    !term.rate_at) {
		snprintf(term.phase, sizeof(term.phase), "%s", phase);
		term.rate_at = now;
		term.rate_done = done;
		term.rate = 0;
		return;
	}
	if (seconds < 0.25)
		return;
	sample = (double)(done - term.rate_done) / seconds;
	term.rate = term.rate > 0 ? term.rate + (sample - term.rate) * (seconds / (seconds + 3))
				  : sample;
	term.rate_at = now;
	term.rate_done = done;
}

void dv_term_progress(const dv_progress *p, void *payload)
{
	char line[256];
	int64_t now = now_ms();

	(void)payload;
	if (!term.on)
		return;
	pthread_mutex_lock(&term.lock);
	measure(p, now);
	if (now - term.start >= DELAY_MS && now - term.last_frame >= FRAME_MS) {
		dv_term_format(line, sizeof(line), p, term.rate, columns());
		fprintf(stderr, "\r%s\033[K", line);
		term.shown = true;
		term.last_frame = now;
	}
	pthread_mutex_unlock(&term.lock);
}
