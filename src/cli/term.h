/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The progress line on stderr: only on a terminal, only after one second, at most ten times a
 * second, gone when the command speaks or ends.
 */
#ifndef DV_CLI_TERM_H
#define DV_CLI_TERM_H

#include "cli/cmd.h"

#include <dv.h>

/* Installs the callback when progress is wanted (stderr a terminal, no -q). */
void dv_term_start(const dv_cli *cli);

/* Takes the line away until the next frame. Cheap when there is none. Any thread. */
void dv_term_clear(void);

/* Takes the line away for good. */
void dv_term_end(void);

/* The dv_progress_cb. Any thread. */
void dv_term_progress(const dv_progress *p, void *payload);

/* Formats a progress line of at most `width` columns; for the callback and its test.
 * `rate` is in bytes (or files, where no bytes are counted) per second. */
void dv_term_format(char *buf, size_t size, const dv_progress *p, double rate, int width);

#endif
