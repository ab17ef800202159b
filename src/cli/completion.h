/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completion scripts, made from the command tables.
 */
#ifndef DV_CLI_COMPLETION_H
#define DV_CLI_COMPLETION_H

/* Print the script for a shell to stdout. Where no command, subcommand or option can stand, all
 * of them complete the names of files. */
void dv_completion_bash(void);
void dv_completion_zsh(void);
void dv_completion_fish(void);

#endif
