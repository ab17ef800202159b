/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv cat: streams a tracked file to stdout.
 *
 * With two operands the first is another repository. REV:PATH is split at a colon only when the
 * whole is not the path of something tracked.
 */
#include "cli/commands.h"
#include "cli/common.h"

#include <string.h>

#define CAT_BUFFER (256 * 1024)

typedef struct cat_args {
	uint64_t offset, length;
	const char *rev;
} cat_args;

static int on_data(const void *p, size_t n, void *payload)
{
	*(bool *)payload = true;
	return dv_out_bytes(p, n) ? DV_ECANCELLED : 0;
}

static int cat_run(dv_cli *cli, void *args, int argc, char **argv)
{
	static char buffer[CAT_BUFFER];
	const cat_args *a = args;
	dv_cli_autofree char *rev = NULL;
	dv_cli_autorepo dv_repo *r = NULL;
	bool wrote = false;
	char *colon;
	int rc = dv_out_operands(cli, argc, 1, 2);

	if (rc)
		return rc;
	if (argc == 2) {
		setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
		rc = dv_cat_url(argv[0], a->rev, argv[1], a->offset, a->length, on_data, &wrote);
		return rc ? dv_out_fail(rc) : DV_EXIT_OK;
	}
	if ((rc = dv_cli_open(&r)))
		return rc;
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	rc = dv_cat(r, a->rev, argv[0], a->offset, a->length, on_data, &wrote);
	colon = strchr(argv[0], ':');
	if (rc == DV_ENOTFOUND && !a->rev && !wrote && colon && colon != argv[0] && colon[1]) {
		rev = strndup(argv[0], (size_t)(colon - argv[0]));
		if (!rev) {
			dv_out_error("out of memory");
			return DV_EXIT_FAILED;
		}
		rc = dv_cat(r, rev, colon + 1, a->offset, a->length, on_data, &wrote);
	}
	return rc ? dv_out_fail(rc) : DV_EXIT_OK;
}

static const cat_args cat_defaults = { .length = UINT64_MAX };

static const dv_opt cat_opts[] = {
	DV_OPT_STR(0, "rev", cat_args, rev, "REV", "of this revision"),
	DV_OPT_SIZE(0, "offset", cat_args, offset, "BYTES", "start here"),
	DV_OPT_SIZE(0, "length", cat_args, length, "BYTES", "write at most so many bytes"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_cat = {
	.name = "cat",
	.group = DV_GROUP_LOOK,
	.summary = "write a tracked file to standard output",
	.synopsis = "[--rev REV] [--offset BYTES] [--length BYTES] [URL] [REV:]PATH",
	.opts = cat_opts,
	.args_size = sizeof(cat_args),
	.defaults = &cat_defaults,
	.run = cat_run,
};
