/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv version: one stable line; with --json or -v the libraries too.
 */
#include "cli/commands.h"
#include "cli/out.h"

#include <string.h>

static int add_json(const char *key, const char *value, void *payload)
{
	char name[64];
	size_t n = strnlen(key, sizeof(name) - 1);

	for (size_t i = 0; i < n; i++)
		name[i] = key[i] == ' ' ? '_' : key[i];
	name[n] = 0;
	if (strcmp(name, "dv") != 0)
		json_object_set_new(payload, name, json_string(value));
	return 0;
}

static int print_line(const char *key, const char *value, void *payload)
{
	(void)payload;
	if (strcmp(key, "dv") != 0)
		dv_out("%s %s\n", key, value);
	return 0;
}

static int version_run(dv_cli *cli, void *args, int argc, char **argv)
{
	int rc;

	(void)args;
	(void)argv;
	rc = dv_out_operands(cli, argc, 0, 0);
	if (rc)
		return rc;
	if (cli->json) {
		json_t *doc = json_object();

		json_object_set_new(doc, "version", json_string(dv_version()));
		rc = dv_version_info(add_json, doc);
		if (!rc)
			return dv_out_json(doc);
		json_decref(doc);
		return dv_out_fail(rc);
	}
	dv_out("dv %s\n", dv_version());
	rc = cli->verbose ? dv_version_info(print_line, NULL) : 0;
	return rc ? dv_out_fail(rc) : DV_EXIT_OK;
}

const dv_cmd dv_cmd_version = {
	.name = "version",
	.group = DV_GROUP_HELP,
	.summary = "print the version",
	.synopsis = "[-v | --json]",
	.run = version_run,
	.flags = DV_CMD_JSON,
};
