/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs of the user's own settings that hand out credentials: a line is cut into words as a
 * shell does it, without a shell; what they print is a secret.
 */
#ifndef DV_REMOTES_COMMAND_H
#define DV_REMOTES_COMMAND_H

#include "remotes/secret.h"

#define DV_COMMAND_WORDS 64

typedef struct dv_words {
	char *w[DV_COMMAND_WORDS + 1];	/* ends with NULL */
	size_t n;
} dv_words;
#define DV_WORDS_INIT { 0 }
void dv_words_release(dv_words *w);
/** Blanks separate; '…' and "…" keep them, and backslashes what follows (in "…" only \" and \\).
 *  Nothing else is special. DV_EUSAGE for an open quote, no word or too many; `what` names the line
 *  in messages, which never show it. */
int dv_command_split(dv_words *out, const char *line, const char *what) DV_MUST_CHECK;
/** Runs the line with `input` as its standard input and collects at most `max` bytes of output.
 *  DV_EAUTH with the program's last words when it fails; DV_ECANCELLED within a second. */
int dv_command_run(const char *line, const char *what, const char *input, dv_secret_buf *out,
		   size_t max) DV_MUST_CHECK;

#endif
