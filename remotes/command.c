/* SPDX-License-Identifier: Apache-2.0 */
/* Running the programs that hand out credentials. */
#include "remotes/command.h"

#include <errno.h>
#include <poll.h>

#include "base/alloc.h"
#include "remotes/process.h"

#define TICK_MS 100
#define LAST_WORDS 300

void dv_words_release(dv_words *w)
{
	for (size_t i = 0; i < w->n; i++)
		dv_secret_free(w->w[i]);
	*w = (dv_words)DV_WORDS_INIT;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* One word at `p`, without its quotes; what follows it, NULL for an open quote. */
static const char *cut(const char *p, char *out)
{
	char quote = 0;

	for (; *p && (quote || !is_blank(*p)); p++) {
		if (quote ? *p == quote : *p == '\'' || *p == '"') {
			quote = quote ? 0 : *p;
			continue;
		}
		if (*p == '\\' && quote != '\'') {
			if (!p[1])
				return NULL;
			if (!quote || p[1] == '"' || p[1] == '\\')
				p++;
		}
		*out++ = *p;
	}
	*out = 0;
	return quote ? NULL : p;
}

int dv_command_split(dv_words *out, const char *line, const char *what)
{
	dv_autosecret char *word = dv_strdup(line);
	size_t room = strlen(line);

	for (const char *p = line; word;) {
		while (is_blank(*p))
			p++;
		if (!*p)
			break;
		if (!(p = cut(p, word)))
			return dv_err(DV_EUSAGE, "%s has a quote that does not end", what);
		if (out->n == DV_COMMAND_WORDS)
			return dv_err(DV_EUSAGE, "%s has too many words", what);
		if (!(out->w[out->n] = dv_strdup(word)))
			return DV_ERROR;
		out->n++;
	}
	if (!word)
		return DV_ERROR;
	OPENSSL_cleanse(word, room);
	return out->n ? 0 : dv_err(DV_EUSAGE, "%s is empty", what);
}

typedef struct dv_process running;
static void running_release(running *p)
{
	dv_process_end(p, 200);
}

/* Feeds `input` and reads what comes, until the program closes its output. */
static int talk(dv_process *p, const char *what, const char *input, dv_secret_buf *out, size_t max)
{
	size_t left = strlen(input);

	for (;;) {
		struct pollfd fds[3] = { { p->out, POLLIN, 0 }, { p->err, POLLIN, 0 },
					 { left ? p->in : -1, POLLOUT, 0 } };
		char buf[4096];
		int rc = dv_check_cancel();

		if (rc)
			return rc;
		if (!left && p->in >= 0) {
			close(p->in);
			p->in = -1;
		}
		poll(fds, 3, TICK_MS);
		dv_process_listen(p);
		dv_process_show(p);
		if (fds[2].revents) {
			const struct iovec v = { (void *)(uintptr_t)input, left };
			ssize_t n = dv_process_writev(p, &v, 1);

			if (n > 0)
				input += n, left -= (size_t)n;
			else if (n < 0 && errno != EAGAIN && errno != EINTR)
				left = 0;	/* it does not want to know */
		}
		ssize_t n = read(p->out, buf, sizeof buf);
		if (n > 0) {
			if ((size_t)n > max - out->n)
				rc = dv_err(DV_EAUTH, "%s printed too much", what);
			else
				rc = dv_buf_add(out, buf, (size_t)n);
			OPENSSL_cleanse(buf, (size_t)n);
			if (rc)
				return rc;
		} else if (n == 0) {
			return 0;
		} else if (errno != EAGAIN && errno != EINTR) {
			return dv_err_sys("cannot read what %s prints", what);
		}
	}
}

static int check_end(dv_process *p, const char *what)
{
	char words[LAST_WORDS];

	while (!dv_process_wait(p, TICK_MS)) {
		int rc = dv_check_cancel();

		if (rc)
			return rc;
	}
	int code = dv_process_code(p);
	if (code == 0)
		return 0;
	dv_process_words(p, words, sizeof words);
	return dv_err(DV_EAUTH, "%s failed with status %d%s%s", what, code, *words ? ": " : "",
		      words);
}

int dv_command_run(const char *line, const char *what, const char *input, dv_secret_buf *out,
		   size_t max)
{
	dv_auto(dv_words) words = DV_WORDS_INIT;
	dv_auto(running) p = DV_PROCESS_INIT;
	int rc = dv_command_split(&words, line, what);

	if (rc == 0)
		rc = dv_buf_reserve(out, max);
	if (rc == 0)
		rc = dv_process_start(&p, NULL, (const char *const *)words.w);
	if (rc == 0)
		rc = talk(&p, what, input, out, max);
	return rc ? rc : check_end(&p, what);
}
