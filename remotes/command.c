/* SPDX-License-Identifier: Apache-2.0 */
/* Running the programs that hand out credentials. */
#include "remotes/command.h"

#include <string.h>

#include "base/alloc.h"
#include "base/process.h"

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

int dv_command_run(const char *line, const char *what, const char *input, dv_secret_buf *out,
		   size_t max)
{
	dv_auto(dv_words) words = DV_WORDS_INIT;
	dv_process p = DV_PROCESS_INIT;
	char last[LAST_WORDS];
	int rc = dv_command_split(&words, line, what);

	if (rc == 0)
		rc = dv_buf_reserve(out, max);
	if (rc == 0)
		rc = dv_process_run(&p, (const char *const *)words.w, what, input, strlen(input),
				    out, max);
	if (rc || dv_process_code(&p) == 0)
		return rc;
	dv_process_words(&p, last, sizeof last);
	return dv_err(DV_EAUTH, "%s failed with status %d%s%s", what, dv_process_code(&p),
		      *last ? ": " : "", last);
}
