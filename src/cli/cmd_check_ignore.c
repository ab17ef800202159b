/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv check-ignore: which paths .dvignore excludes, and why.
 */
#include "cli/commands.h"
#include "cli/common.h"

#include <string.h>

typedef struct rule {
	char *source, *pattern;
} rule;

static int keep_rule(const char *source, const char *pattern, void *payload)
{
	rule *m = payload;

	free(m->source);
	free(m->pattern);
	m->source = strdup(source);
	m->pattern = strdup(pattern);
	return 0;
}

static void print_path(const dv_cli *cli, const char *path, bool ignored, const rule *m)
{
	if (cli->verbose) {
		dv_out_name(m->source ? m->source : "");
		dv_out(":");
		dv_out_name(m->pattern ? m->pattern : "");
		dv_out("\t");
	} else if (!ignored) {
		return;
	}
	dv_out_name(path);
	dv_out("\n");
}

static int check_one(const dv_cli *cli, dv_repo *r, const char *path, bool *any, json_t *list)
{
	rule m = { NULL, NULL };
	bool ignored = false;
	int rc = dv_check_ignore(r, path, &ignored, keep_rule, &m);

	if (!rc && list) {
		json_t *j = json_object();

		dv_out_json_bytes(j, "path", path);
		json_object_set_new(j, "ignored", json_boolean(ignored));
		dv_out_json_bytes(j, "source", m.source);
		dv_out_json_bytes(j, "pattern", m.pattern);
		json_array_append_new(list, j);
	} else if (!rc && !cli->quiet && (ignored || m.source)) {
		print_path(cli, path, ignored, &m);
	}
	*any |= ignored;
	free(m.source);
	free(m.pattern);
	return rc;
}

static int check_ignore_run(dv_cli *cli, void *args, int argc, char **argv)
{
	dv_cli_autojson json_t *list = cli->json ? json_array() : NULL;
	dv_cli_autorepo dv_repo *r = NULL;
	bool any = false;
	int rc = dv_cli_begin(cli, argc, 1, -1, &r);

	(void)args;
	if (rc)
		return rc;
	for (int i = 0; i < argc; i++) {
		rc = check_one(cli, r, argv[i], &any, list);
		if (rc)
			return dv_out_fail(rc);
	}
	if (list)
		dv_cli_answer(&list);
	return any ? DV_EXIT_OK : DV_EXIT_NO;
}

const dv_cmd dv_cmd_check_ignore = {
	.name = "check-ignore",
	.group = DV_GROUP_HELP,
	.summary = "tell which paths .dvignore excludes",
	.synopsis = "[-v | -q] [--] PATH...",
	.run = check_ignore_run,
	.flags = DV_CMD_JSON | DV_CMD_RARE,
};
