/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv textconv: what git diff shows of a pointer, called by git.
 */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/common.h"

#define TEXTCONV_BUFFER (256 * 1024)

static int on_data(const void *p, size_t n, void *payload)
{
	(void)payload;
	return dv_out_bytes(p, n) ? DV_ECANCELLED : 0;
}

/* A pointer that is shown warns nobody. */
static void silent(const char *message, void *payload)
{
	(void)message;
	(void)payload;
}

static int textconv_run(dv_cli *cli, void *args, int argc, char **argv)
{
	static char buffer[TEXTCONV_BUFFER];
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_out_operands(cli, argc, 1, 1);

	(void)args;
	if (rc)
		return rc;
	dv_set_warning_cb(silent, NULL);
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	/* Without a repository the pointer's own lines are shown. */
	if (dv_repo_open(&r, NULL))
		r = NULL;
	rc = dv_textconv(r, argv[0], on_data, NULL);
	return rc ? dv_out_fail(rc) : DV_EXIT_OK;
}

const dv_cmd dv_cmd_textconv = {
	.name = "textconv",
	.group = DV_GROUP_TRACK,
	.summary = "show a pointer in lines, called by git",
	.synopsis = "FILE",
	.run = textconv_run,
	.flags = DV_CMD_RARE,
};
