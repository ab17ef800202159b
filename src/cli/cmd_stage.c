/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv stage: the steps of a pipeline, as its files define them.
 */
#include "cli/commands.h"
#include "cli/common.h"

#include <string.h>

typedef struct stage_list_args {
	bool all, names;
} stage_list_args;

typedef struct stage_list_state {
	const stage_list_args *args;
	json_t *list; /* with --json */
	uint64_t n;
} stage_list_state;

static json_t *texts_json(const char *const *texts, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(texts[i]));
	return list;
}

static json_t *params_json(const dv_stage_info *s)
{
	json_t *files = json_object();

	for (size_t i = 0; i < s->nparams; i++)
		json_object_set_new(files, s->params[i].file,
				    s->params[i].nkeys
					    ? texts_json(s->params[i].keys, s->params[i].nkeys)
					    : json_null());
	return files;
}

static void stage_json(json_t *list, const dv_stage_info *s)
{
	json_t *j = json_object();

	dv_out_json_bytes(j, "file", s->file);
	dv_out_json_bytes(j, "name", s->name);
	json_object_set_new(j, "cmd", s->cmd_is_list ? texts_json(s->cmd, s->ncmd)
						     : json_string(s->cmd[0]));
	dv_out_json_bytes(j, "wdir", s->wdir);
	json_object_set_new(j, "deps", texts_json(s->deps, s->ndeps));
	json_object_set_new(j, "params", params_json(s));
	json_object_set_new(j, "outs", texts_json(s->outs, s->nouts));
	json_object_set_new(j, "frozen", json_boolean(s->frozen));
	json_object_set_new(j, "always_changed", json_boolean(s->always_changed));
	if (s->desc)
		dv_out_json_bytes(j, "desc", s->desc);
	json_array_append_new(list, j);
}

static int on_stage(const dv_stage_info *s, void *payload)
{
	stage_list_state *st = payload;

	st->n++;
	if (st->list) {
		stage_json(st->list, s);
		return 0;
	}
	if (strchr(s->file, '/')) {
		dv_out_name(s->file);
		dv_out(":");
	}
	dv_out_name(s->name);
	if (!st->args->names) {
		dv_out("\t");
		if (s->desc)
			dv_out_name(s->desc);
		else if (s->nouts)
			dv_out("makes ");
		for (size_t i = 0; !s->desc && i < s->nouts; i++) {
			dv_out("%s", i ? ", " : "");
			dv_out_name(s->outs[i]);
		}
	}
	dv_out("\n");
	return dv_out_broken() ? DV_ECANCELLED : 0;
}

static int list_run(dv_cli *cli, void *args, int argc, char **argv)
{
	stage_list_state s = { .args = args };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_open(&r);

	if (rc)
		return rc;
	if (cli->json)
		s.list = json_array();
	rc = dv_stage_list(r, dv_cli_targets(argv), (size_t)argc, s.args->all, on_stage, &s);
	if (rc) {
		json_decref(s.list);
		return dv_out_fail(rc);
	}
	if (s.list)
		return dv_out_json(s.list);
	if (s.n == 0 && !cli->quiet)
		dv_out_note(s.args->all ? "there are no stages"
					: "there are no stages in this folder's pipeline file");
	return DV_EXIT_OK;
}

static const dv_opt list_opts[] = {
	DV_OPT_FLAG(0, "all", stage_list_args, all, "of all pipeline files of the repository"),
	DV_OPT_FLAG(0, "name-only", stage_list_args, names, "print only names"),
	DV_OPT_END,
};

static const dv_cmd stage_list = {
	.name = "list",
	.summary = "list the stages after templating",
	.synopsis = "[--all] [--name-only] [TARGET...]",
	.opts = list_opts,
	.args_size = sizeof(stage_list_args),
	.run = list_run,
	.flags = DV_CMD_JSON,
};

static const dv_cmd *const stage_commands[] = { &stage_list, NULL };

const dv_cmd dv_cmd_stage = {
	.name = "stage",
	.group = DV_GROUP_RUN,
	.summary = "define and list the steps of a pipeline",
	.synopsis = "",
	.subcommands = stage_commands,
	.flags = DV_CMD_JSON,
};
