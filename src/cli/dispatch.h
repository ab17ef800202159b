/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a command line to the command that it names.
 */
#ifndef DV_CLI_DISPATCH_H
#define DV_CLI_DISPATCH_H

#include "cli/cmd.h"

/* Runs argv[0..argc), which does not begin with the program's name. Fills the zeroed `cli`, whose
 * lists the caller gives back with dv_opt_release(). Returns the exit code. */
int dv_dispatch(dv_cli *cli, int argc, char **argv);

#endif
