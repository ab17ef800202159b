/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv stage: the steps of a pipeline: adding, listing, removing. And dv run, which adds and runs.
 */
#include "cli/commands.h"
#include "cli/stages.h"

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

/* -- add --------------------------------------------------------------------------------------- */

typedef struct stage_add_args {
	const char *name, *wdir, *desc;
	dv_strlist deps, params;
	dv_strlist outs[8]; /* by the index of out_kinds */
	bool always_changed, force, no_stage, run;
} stage_add_args;

static const dv_stage_new_out out_kinds[] = {
	{ NULL, DV_STAGE_OUT, false, false },   { NULL, DV_STAGE_OUT, true, false },
	{ NULL, DV_STAGE_OUT, false, true },    { NULL, DV_STAGE_OUT, true, true },
	{ NULL, DV_STAGE_METRIC, false, false }, { NULL, DV_STAGE_METRIC, true, false },
	{ NULL, DV_STAGE_PLOT, false, false },  { NULL, DV_STAGE_PLOT, true, false },
};
#define OUT_KINDS (sizeof(out_kinds) / sizeof(*out_kinds))

/* The words of a command as one text. One word is that text already; of several those that hold
 * blanks, or nothing, are quoted. */
static char *command_text(int argc, char **argv)
{
	size_t size = 1;

	for (int i = 0; i < argc; i++)
		size += 4 * strlen(argv[i]) + 3;
	char *text = calloc(1, size), *p = text;
	for (int i = 0; text && i < argc; i++) {
		bool quote = argc > 1 && (!*argv[i] || strpbrk(argv[i], " \t\n"));

		if (i)
			*p++ = ' ';
		if (quote)
			*p++ = '\'';
		for (const char *s = argv[i]; *s; s++) {
			if (quote && *s == '\'') {
				memcpy(p, "'\\''", 4);
				p += 4;
			} else {
				*p++ = *s;
			}
		}
		if (quote)
			*p++ = '\'';
	}
	return text;
}

static dv_stage_new_out *all_outs(const stage_add_args *a, size_t *n)
{
	dv_stage_new_out *outs;

	*n = 0;
	for (size_t k = 0; k < OUT_KINDS; k++)
		*n += a->outs[k].len;
	outs = calloc(*n + 1, sizeof(*outs));
	*n = 0;
	for (size_t k = 0; outs && k < OUT_KINDS; k++)
		for (size_t i = 0; i < a->outs[k].len; i++) {
			outs[*n] = out_kinds[k];
			outs[(*n)++].path = a->outs[k].items[i];
		}
	return outs;
}

static int add_stage(dv_cli *cli, const stage_add_args *a, bool run, int argc, char **argv)
{
	dv_cli_stages s = { .quiet = cli->quiet || run, .done = "added to",
			    .was = "is so already in" };
	dv_cli_autorepo dv_repo *r = NULL;
	size_t nouts;
	int rc;

	if (!a->name)
		return dv_out_usage("a stage needs a name: '-n NAME'");
	if (argc == 0)
		return dv_out_usage("the stage '%s' needs a command", a->name);
	if ((rc = dv_cli_open(&r)))
		return rc;
	char *dv_cli_autofree cmd = command_text(argc, argv);
	dv_stage_new_out *dv_cli_autofree outs = all_outs(a, &nouts);
	if (!cmd || !outs) {
		dv_out_error("out of memory");
		return DV_EXIT_FAILED;
	}
	const dv_stage_new stage = {
		.name = a->name, .cmd = cmd, .wdir = a->wdir, .desc = a->desc,
		.deps = a->deps.items, .ndeps = a->deps.len, .params = a->params.items,
		.nparams = a->params.len, .outs = outs, .nouts = nouts,
		.always_changed = a->always_changed, .force = a->force, .no_stage = a->no_stage,
	};
	if (cli->json && !run)
		s.list = json_array();
	rc = dv_stage_add(r, &stage, dv_cli_stage_changed, &s);
	if (rc || !run)
		return dv_cli_stages_end(r, &s, rc, a->no_stage);
	const dv_repro_options o = { .no_stage = a->no_stage };
	return dv_cli_repro(cli, r, &a->name, 1, &o);
}

static int add_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const stage_add_args *a = args;

	return add_stage(cli, a, a->run, argc, argv);
}

static int run_run(dv_cli *cli, void *args, int argc, char **argv)
{
	return add_stage(cli, args, true, argc, argv);
}

/* clang-format off */
#define STAGE_OPTS										\
	DV_OPT_STR('n', "name", stage_add_args, name, "NAME", "what to call it"),		\
	DV_OPT_STRLIST('d', "deps", stage_add_args, deps, "PATH", "it depends on this"),	\
	DV_OPT_STRLIST('p', "params", stage_add_args, params, "[FILE:]NAME",			\
		       "it depends on these parameters, of params.yaml or FILE"),		\
	DV_OPT_STRLIST('o', "outs", stage_add_args, outs[0], "PATH", "it makes this"),		\
	DV_OPT_STRLIST('O', "outs-no-cache", stage_add_args, outs[1], "PATH",			\
		       "it makes this, which git keeps"),					\
	DV_OPT_STRLIST(0, "outs-persist", stage_add_args, outs[2], "PATH",			\
		       "it makes this, which is not removed before it runs"),			\
	DV_OPT_STRLIST(0, "outs-persist-no-cache", stage_add_args, outs[3], "PATH",		\
		       "both of these"),							\
	DV_OPT_STRLIST('m', "metrics", stage_add_args, outs[4], "PATH", "it makes these metrics"),\
	DV_OPT_STRLIST('M', "metrics-no-cache", stage_add_args, outs[5], "PATH",		\
		       "it makes these metrics, which git keeps"),				\
	DV_OPT_STRLIST(0, "plots", stage_add_args, outs[6], "PATH", "it makes data of a plot"),	\
	DV_OPT_STRLIST(0, "plots-no-cache", stage_add_args, outs[7], "PATH",			\
		       "it makes data of a plot, which git keeps"),				\
	DV_OPT_STR('w', "wdir", stage_add_args, wdir, "DIR", "where it runs, and paths begin"),	\
	DV_OPT_STR(0, "desc", stage_add_args, desc, "TEXT", "what it does, in words"),		\
	DV_OPT_FLAG(0, "always-changed", stage_add_args, always_changed,			\
		    "run it again each time"),							\
	DV_OPT_FLAG('f', "force", stage_add_args, force, "replace the stage of this name"),	\
	DV_OPT_FLAG(0, "no-stage", stage_add_args, no_stage, "leave the index of git alone")

static const dv_opt add_opts[] = {
	STAGE_OPTS,
	DV_OPT_FLAG(0, "run", stage_add_args, run, "and run it, with all that it needs"),
	DV_OPT_END,
};
static const dv_opt run_opts[] = { STAGE_OPTS, DV_OPT_END };
/* clang-format on */

static const dv_cmd stage_add = {
	.name = "add",
	.summary = "add a stage to the pipeline file",
	.synopsis = "-n NAME [-d PATH] [-p PARAM] [-o PATH] [-w DIR] [-f] [...] COMMAND [ARG...]",
	.opts = add_opts,
	.args_size = sizeof(stage_add_args),
	.run = add_run,
	.flags = DV_CMD_JSON | DV_CMD_REST,
};

/* -- remove ------------------------------------------------------------------------------------ */

typedef struct stage_remove_args {
	bool no_stage;
} stage_remove_args;

static int remove_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const stage_remove_args *a = args;
	const dv_stage_change_options o = { .no_stage = a->no_stage };
	dv_cli_stages s = { .quiet = cli->quiet, .done = "removed from" };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_begin_list(cli, argc, 1, -1, &r, &s.list);

	if (rc)
		return rc;
	rc = dv_stage_remove(r, dv_cli_targets(argv), (size_t)argc, &o, dv_cli_stage_changed, &s);
	return dv_cli_stages_end(r, &s, rc, a->no_stage);
}

static const dv_opt remove_opts[] = {
	DV_OPT_FLAG(0, "no-stage", stage_remove_args, no_stage, "leave the index of git alone"),
	DV_OPT_END,
};

static const dv_cmd stage_remove = {
	.name = "remove",
	.summary = "remove stages from their pipeline files",
	.synopsis = "[--no-stage] TARGET...",
	.opts = remove_opts,
	.args_size = sizeof(stage_remove_args),
	.run = remove_run,
	.flags = DV_CMD_JSON,
};

static const dv_cmd *const stage_commands[] = { &stage_add, &stage_list, &stage_remove, NULL };

const dv_cmd dv_cmd_stage = {
	.name = "stage",
	.group = DV_GROUP_RUN,
	.summary = "define and list the steps of a pipeline",
	.synopsis = "",
	.subcommands = stage_commands,
	.flags = DV_CMD_JSON,
};

const dv_cmd dv_cmd_run = {
	.name = "run",
	.group = DV_GROUP_RUN,
	.summary = "run a command and keep it as a stage",
	.synopsis = "-n NAME [-d PATH] [-p PARAM] [-o PATH] [-w DIR] [-f] [...] COMMAND [ARG...]",
	.opts = run_opts,
	.args_size = sizeof(stage_add_args),
	.run = run_run,
	.flags = DV_CMD_JSON | DV_CMD_REST,
};
