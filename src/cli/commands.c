/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one list of all commands: declared here, and named once in the table, beside the others of
 * its group and in the order of help.
 */
#include "cli/commands.h"

const dv_cmd *const dv_commands[] = {
	/* settings and help */
	&dv_cmd_version,
	&dv_cmd_help,
	&dv_cmd_completion,
	NULL,
};
