/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program at the other end of two pipes: what it prints on its standard error is kept, so that a
 * failure can be told in its own words, and it is gone when its owner is done with it. The program
 * stays in our process group, so that it may ask for a password on the terminal, but Ctrl-C is not
 * for it: the owner decides what becomes of work under way.
 */
#ifndef DV_BASE_PROCESS_H
#define DV_BASE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "base/error.h"

#define DV_PROCESS_TEXT 4096

typedef struct dv_process {
	/* For the owner to set before the start. */
	int keep_fd;		/* stays open in the program; -1: none */
	int patience_ms;	/* how long dv_process_run waits for it; 0: for ever */
	bool finishes;		/* no cancel and no signal from a terminal stops what it does */
	bool cancelable;	/* but a cancel does */

	pid_t pid;	/* 0: none, or reaped */
	int in, out;	/* its standard input and output, both non-blocking; -1 when closed */
	int err;
	int status;	/* of waitpid, once reaped */
	bool own_group;	/* there is no terminal to ask on: it may stand in a group of its own */
	char text[DV_PROCESS_TEXT];	/* the last of its standard error */
	size_t ntext, shown;		/* of which so much was passed on */
} dv_process;
#define DV_PROCESS_INIT { .keep_fd = -1, .in = -1, .out = -1, .err = -1 }

/** Is there a terminal on which a program could ask its user? */
bool dv_process_has_terminal(void);
/** Starts a program of PATH, or, when `command` is not NULL, that line of the user's own settings
 *  through sh, with the arguments behind it. argv ends with NULL; argv[0] is the program's name,
 *  and with a command it is not looked at. p is DV_PROCESS_INIT, and what its owner set. */
int dv_process_start(dv_process *p, const char *command, const char *const *argv) DV_MUST_CHECK;
/** Writes to its standard input as writev does. A program that is gone is EPIPE, and never a signal
 *  that takes this one with it. */
ssize_t dv_process_writev(const dv_process *p, const struct iovec *v, int n);
/** Reads what there is of its standard error; does not wait. */
void dv_process_listen(dv_process *p);
/** Passes on to our standard error, when that is a terminal, what was not passed on yet: the
 *  program is waiting, perhaps for its user. */
void dv_process_show(dv_process *p);
/** The text of its standard error on one line, without control characters, at most `size`. */
void dv_process_words(const dv_process *p, char *out, size_t size);
/** Waits so long for the program to end by itself, and reads its last words. True when it ended. */
bool dv_process_wait(dv_process *p, int ms);
/** Closes the pipes; a program that does not end within `ms` is told to, then made to. */
void dv_process_end(dv_process *p, int ms);
/** The exit code, 128 + signal, or -1 while it runs. */
int dv_process_code(const dv_process *p);
/** Runs a program of PATH to its end: gives it the n bytes of input, and appends what it prints to
 *  out (NULL: not wanted), until there are max bytes (an error beyond); out may hold secrets when
 *  it has room for max bytes. `what` names the program in messages. 0 when it ended by itself, with
 *  whatever code: dv_process_code and dv_process_words tell of it. DV_ETRANSIENT when it does not
 *  within p->patience_ms. It never outlives the call. A git that works in another repository than
 *  ours begins its argv with "env", "-u", "GIT_DIR". */
int dv_process_run(dv_process *p, const char *const *argv, const char *what, const void *input,
		   size_t n, dv_buf *out, size_t max) DV_MUST_CHECK;

#endif
