/* SPDX-License-Identifier: Apache-2.0 */
/* dv lineage export and import: runs for other programs, and theirs. */
#include "cli/runs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define INPUT_MAX ((size_t)256 << 20)

typedef struct export_args {
	const char *format;
} export_args;

static int export_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const export_args *a = args;
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_open(&r);

	(void)cli;
	if (rc)
		return rc;
	rc = dv_lineage_export(r, a->format ? a->format : "openlineage", dv_cli_targets(argv),
			       (size_t)argc, dv_cli_print_data, NULL);
	return rc ? dv_out_fail(rc) : DV_EXIT_OK;
}

static const dv_opt export_opts[] = {
	DV_OPT_STR(0, "format", export_args, format, "FORMAT", "openlineage or prov"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_lineage_export = {
	.name = "export",
	.summary = "write runs as other programs read them",
	.synopsis = "[--format FORMAT] [PATH|OID|RUN...]",
	.opts = export_opts,
	.args_size = sizeof(export_args),
	.run = export_run,
};

/* -- import ------------------------------------------------------------------------------------ */

/* A file as a whole, or standard input for "-". */
static char *read_all(const char *name, size_t *n)
{
	bool is_stdin = strcmp(name, "-") == 0;
	FILE *f = is_stdin ? stdin : fopen(name, "r");
	char *text = NULL;
	size_t cap = 0;

	*n = 0;
	while (f && !feof(f) && !ferror(f) && *n < INPUT_MAX) {
		if (*n + 1 >= cap) {
			char *more = realloc(text, cap = cap ? 2 * cap : (size_t)1 << 16);

			if (!more)
				break;
			text = more;
		}
		*n += fread(text + *n, 1, cap - *n - 1, f);
	}
	if (f && !ferror(f) && feof(f) && text) {
		if (!is_stdin)
			fclose(f);
		return text;
	}
	dv_out_error("cannot read '%s': %s", name, *n >= INPUT_MAX ? "it is too long"
								    : strerror(errno));
	if (f && !is_stdin)
		fclose(f);
	free(text);
	return NULL;
}

static int import_run(dv_cli *cli, void *args, int argc, char **argv)
{
	dv_cli_autofree char *text = NULL;
	dv_cli_autorepo dv_repo *r = NULL;
	uint64_t runs = 0;
	size_t n;
	int rc = dv_cli_begin(cli, argc, 1, 1, &r);

	(void)args;
	if (rc)
		return rc;
	if (!(text = read_all(argv[0], &n)))
		return DV_EXIT_FAILED;
	rc = dv_lineage_import(r, text, n, &runs);
	if (rc)
		return dv_out_fail(rc);
	if (cli->json) {
		json_t *doc = json_object();

		dv_cli_json_count(doc, "runs", runs);
		return dv_out_json(doc);
	}
	dv_out_note("%" PRIu64 " new %s", runs, dv_out_plural(runs, "run", "runs"));
	return DV_EXIT_OK;
}

const dv_cmd dv_cmd_lineage_import = {
	.name = "import",
	.summary = "read OpenLineage events of other programs",
	.synopsis = "FILE|-",
	.run = import_run,
	.flags = DV_CMD_JSON,
};
