/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Help, all of it made from the command tables.
 */
#ifndef DV_CLI_HELP_H
#define DV_CLI_HELP_H

#include "cli/cmd.h"

/* What `dv` alone prints (with `all` also the rare commands). */
void dv_help_list(bool all);

/* The short help of a command: usage, summary, options. `parent` is NULL or the outer command. */
void dv_help_short(const dv_cmd *cmd, const dv_cmd *parent);

/* The manual page of a command (NULL: of dv itself) through man(1) when stdout is a terminal and
 * the page is there, else the short help. Returns an exit code. */
int dv_help_manual(const dv_cmd *cmd, const dv_cmd *parent);

/* The table of exit codes. */
void dv_help_exit_codes(void);

#endif
