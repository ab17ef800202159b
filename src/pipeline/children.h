/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands of stages as child processes, each in a process group of its own, with nothing to read
 * on its standard input. A thread of its own takes what they write and sees them end, so that the
 * caller may be busy with something else meanwhile. The commands of a stage run one after the
 * other, each in a shell of its own, until one fails.
 *
 * One thread starts, waits and stops.
 */
#ifndef DV_PIPELINE_CHILDREN_H
#define DV_PIPELINE_CHILDREN_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"

#define DV_CHILDREN_MAX 1024		/* at a time */
#define DV_CHILD_LOG_MAX ((size_t)16 << 20)	/* of what one writes is kept, its beginning */

/** What a child wrote, on the thread of the children; whole lines when `lines`. */
typedef void (*dv_child_text_fn)(size_t owner, bool is_error, const char *text, size_t n,
				 void *payload);

typedef struct dv_child_spec {
	size_t owner;			/* the caller's name for it */
	const char *const *cmd;		/* one after the other; borrowed until it ended */
	size_t ncmd;
	const char *dir;		/* absolute, where it runs; likewise */
	char *const *env;		/* likewise */
	const char *trace;		/* file for a trace of what it opens, or NULL; likewise */
	int keep_fd;			/* stays open in the child, -1: none */
	bool lines;			/* hand out whole lines */
	bool merged;			/* standard error goes where standard output goes */
} dv_child_spec;

typedef struct dv_child_end {
	size_t owner;
	int exit_code;			/* of the last command; 128 and the signal's number */
	int64_t start_us, end_us;	/* since 1970 */
	dv_buf log;			/* what it wrote; the caller's */
	dv_error error;			/* code 0, or why it could not be started */
} dv_child_end;

typedef struct dv_children dv_children;
int dv_children_new(dv_children **out, dv_child_text_fn text, void *payload) DV_MUST_CHECK;
/** Kills what runs. */
void dv_children_free(dv_children *c);
DV_DEFINE_AUTOPTR(dv_children)

/** Starts the first command; the others follow by themselves, each when the one before ended with
 *  0. At most DV_CHILDREN_MAX at once. */
int dv_children_start(dv_children *c, const dv_child_spec *spec) DV_MUST_CHECK;
/** Waits at most `timeout_ms` for one to end; false when none did. */
bool dv_children_wait(dv_children *c, int timeout_ms, dv_child_end *end);
/** Asks all to end: SIGINT, some seconds later SIGTERM, then SIGKILL. Returns at once. */
void dv_children_stop(dv_children *c);
size_t dv_children_running(dv_children *c);

/** Commands of a text as they are run: its lines, where "\" at an end goes on with the next. */
int dv_child_lines(dv_buf *out, const char *text, size_t *n) DV_MUST_CHECK;

#endif
