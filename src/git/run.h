/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user's own `git` program, for what libgit2 cannot: logins that git has helpers for, ssh as
 * ~/.ssh/config says, repositories in formats that libgit2 does not know. Arguments go as they
 * are, through no shell; what the environment says about another repository (GIT_DIR …) does not
 * reach it.
 */
#ifndef DV_GIT_RUN_H
#define DV_GIT_RUN_H

#include "base/buf.h"

/** Is there a git program? */
bool dv_git_program(void);

/** One call. All is borrowed. */
typedef struct dv_git_call {
	const char *const *argv;	/* behind "git"; ends with NULL */
	const void *in;			/* its standard input, nin bytes */
	size_t nin;
	const char *const *env;		/* "NAME=VALUE" beside ours, ends with NULL; or NULL */
	size_t max;			/* bytes of its standard output at most */
	int code;			/* set: its exit code, 128 and the signal's number */
} dv_git_call;
/** Runs git to its end and replaces `out` (NULL: not wanted). 0 when it ended with 0; else DV_ERROR
 *  with its words, DV_ENOTFOUND with a hint when there is no git, DV_ECANCELLED. A program that is
 *  not done when we are is killed. Any thread. */
int dv_git_run(dv_git_call *call, dv_buf *out) DV_MUST_CHECK;

#endif
