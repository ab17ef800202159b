/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which files a command read that its stage does not name, by what strace wrote down of it.
 */
#ifndef DV_PIPELINE_TRACE_H
#define DV_PIPELINE_TRACE_H

#include "pipeline/stage.h"

#define DV_TRACE_MAX ((size_t)1 << 30)	/* bytes of a trace that are read */

typedef struct dv_trace_reads {
	char **paths;		/* relative to the root, sorted, each once; owned */
	size_t n, cap;
} dv_trace_reads;
#define DV_TRACE_READS_INIT { 0 }
void dv_trace_reads_release(dv_trace_reads *r);

/** Is there a strace that can be used? */
bool dv_trace_available(void);
/** Appends the files below `root` that a trace ("strace -f -y -e trace=open,openat,openat2,execve")
 *  opened for reading, and that `s` neither depends on nor makes: not those of git and dv. */
int dv_trace_parse(dv_trace_reads *out, const char *text, size_t n, const char *root,
		   const dv_stage *s) DV_MUST_CHECK;

#endif
