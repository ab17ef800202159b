/* SPDX-License-Identifier: Apache-2.0 */
/* dv db: the index of what is known about runs. */
#include "cli/commands.h"
#include "cli/runs.h"

#include <string.h>

static int rebuild_run(dv_cli *cli, void *args, int argc, char **argv)
{
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_begin(cli, argc, 0, 0, &r);

	(void)args;
	(void)argv;
	if (rc)
		return rc;
	rc = dv_lineage_rebuild(r);
	return rc ? dv_out_fail(rc) : DV_EXIT_OK;
}

static int on_fact(const char *key, const char *value, void *payload)
{
	json_t *doc = payload;

	if (doc) {
		char *end = NULL;
		json_int_t n = strtoll(value, &end, 10);

		json_object_set_new(doc, key, *value && !*end ? json_integer(n)
							      : json_string(value));
		return 0;
	}
	dv_out("%-10s ", key);
	dv_out_name(*value ? value : "(in memory)");
	dv_out("\n");
	return 0;
}

static int status_run(dv_cli *cli, void *args, int argc, char **argv)
{
	dv_cli_autojson json_t *doc = cli->json ? json_object() : NULL;
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_begin(cli, argc, 0, 0, &r);

	(void)args;
	(void)argv;
	if (rc)
		return rc;
	rc = dv_lineage_status(r, on_fact, doc);
	if (rc)
		return dv_out_fail(rc);
	return doc ? dv_cli_answer(&doc) : DV_EXIT_OK;
}

static const dv_cmd db_rebuild = {
	.name = "rebuild",
	.summary = "make the index anew from the records of runs",
	.synopsis = "",
	.run = rebuild_run,
};

static const dv_cmd db_status = {
	.name = "status",
	.summary = "tell what the index holds",
	.synopsis = "",
	.run = status_run,
	.flags = DV_CMD_JSON,
};

static const dv_cmd *const db_commands[] = { &db_rebuild, &db_status, NULL };

const dv_cmd dv_cmd_db = {
	.name = "db",
	.group = DV_GROUP_KEEP,
	.summary = "look after the index of runs",
	.synopsis = "",
	.subcommands = db_commands,
	.flags = DV_CMD_JSON,
};
