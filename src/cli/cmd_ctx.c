/* SPDX-License-Identifier: Apache-2.0 */
/* dv ctx: runs and artifacts in named groups. */
#include "cli/commands.h"
#include "cli/runs.h"

#include <inttypes.h>
#include <string.h>

typedef struct ctx_args {
	dv_strlist props;
	const char *part_of;
} ctx_args;

/* "TYPE:NAME" in two; *copy is owned. */
static int split(const char *text, char **copy, const char **type, const char **name)
{
	char *colon;

	*copy = strdup(text);
	colon = *copy ? strchr(*copy, ':') : NULL;
	if (!colon || colon == *copy || !colon[1])
		return dv_out_usage("'%s' is no context: these are written TYPE:NAME, as in "
				    "experiment:rates", text);
	*colon = 0;
	*type = *copy;
	*name = colon + 1;
	return 0;
}

static int set(dv_cli *cli, const ctx_args *a, int argc, char **argv, bool remove)
{
	dv_cli_autofree char *copy = NULL, *parent = NULL;
	dv_context_options o = { .remove = remove };
	const char *type = NULL, *name = NULL;
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_out_operands(cli, argc, 1, -1);

	if (!rc)
		rc = split(argv[0], &copy, &type, &name);
	if (!rc && a && a->part_of)
		rc = split(a->part_of, &parent, &o.parent_type, &o.parent_name);
	if (!rc)
		rc = dv_cli_open(&r);
	if (rc)
		return rc;
	o.targets = dv_cli_targets(argv + 1);
	o.ntargets = (size_t)argc - 1;
	if (a) {
		o.props = a->props.items;
		o.nprops = a->props.len;
	}
	rc = dv_context_set(r, type, name, &o);
	return rc ? dv_out_fail(rc) : DV_EXIT_OK;
}

static int add_run(dv_cli *cli, void *args, int argc, char **argv)
{
	return set(cli, args, argc, argv, false);
}

static int remove_run(dv_cli *cli, void *args, int argc, char **argv)
{
	(void)args;
	return set(cli, NULL, argc, argv, true);
}

static const dv_opt add_opts[] = {
	DV_OPT_STRLIST('p', "property", ctx_args, props, "NAME=VALUE",
		       "what is to be known of it; may be repeated"),
	DV_OPT_STR(0, "part-of", ctx_args, part_of, "TYPE:NAME", "it is part of that context"),
	DV_OPT_END,
};

static const dv_cmd ctx_add = {
	.name = "add",
	.summary = "put runs and artifacts into a context",
	.synopsis = "[-p NAME=VALUE]... [--part-of TYPE:NAME] TYPE:NAME [PATH|OID|RUN...]",
	.opts = add_opts,
	.args_size = sizeof(ctx_args),
	.run = add_run,
};

static const dv_cmd ctx_remove = {
	.name = "remove",
	.summary = "take runs and artifacts out of a context",
	.synopsis = "TYPE:NAME PATH|OID|RUN...",
	.run = remove_run,
};

/* -- listing ----------------------------------------------------------------------------------- */

static json_t *context_json(const dv_context_info *i)
{
	json_t *j = json_object();

	dv_out_json_bytes(j, "type", i->type);
	dv_out_json_bytes(j, "name", i->name);
	dv_cli_json_count(j, "runs", i->runs);
	dv_cli_json_count(j, "artifacts", i->artifacts);
	json_object_set_new(j, "first", json_integer(i->first_us));
	json_object_set_new(j, "last", json_integer(i->last_us));
	json_object_set_new(j, "properties", dv_cli_parse(i->props));
	json_object_set_new(j, "part_of", dv_cli_parse(i->parents));
	return j;
}

static int on_context(const dv_context_info *i, void *payload)
{
	json_t *list = payload;

	if (list)
		return json_array_append_new(list, context_json(i)) ? DV_ERROR : 0;
	dv_out_name(i->type);
	dv_out(":");
	dv_out_name(i->name);
	dv_out("  %" PRIu64 " %s, %" PRIu64 " %s", i->runs, dv_out_plural(i->runs, "run", "runs"),
	       i->artifacts, dv_out_plural(i->artifacts, "artifact", "artifacts"));
	if (strcmp(i->props, "{}") != 0) {
		dv_out("  ");
		dv_out_name(i->props);
	}
	dv_out("\n");
	return dv_out_broken() ? DV_ECANCELLED : 0;
}

static int ls_run(dv_cli *cli, void *args, int argc, char **argv)
{
	dv_cli_autorepo dv_repo *r = NULL;
	json_t *list = NULL;
	int rc = dv_cli_begin(cli, argc, 0, 1, &r);

	(void)args;
	if (rc)
		return rc;
	list = cli->json ? json_array() : NULL;
	rc = dv_contexts(r, argc ? argv[0] : NULL, NULL, on_context, list);
	if (!rc)
		return list ? dv_out_json(list) : DV_EXIT_OK;
	json_decref(list);
	return dv_out_fail(rc);
}

static const dv_cmd ctx_ls = {
	.name = "ls",
	.summary = "list contexts",
	.synopsis = "[TYPE]",
	.run = ls_run,
	.flags = DV_CMD_JSON,
};

/* -- show -------------------------------------------------------------------------------------- */

typedef struct show_state {
	json_t *doc, *list;
	bool json;
} show_state;

static int on_run(const dv_run_info *i, void *payload)
{
	show_state *s = payload;

	if (s->json)
		return json_array_append_new(s->list, dv_cli_run_json(i)) ? DV_ERROR : 0;
	dv_cli_run_line(i);
	return dv_out_broken() ? DV_ECANCELLED : 0;
}

static int on_artifact(const dv_artifact_info *i, void *payload)
{
	show_state *s = payload;

	if (s->json)
		return json_array_append_new(s->list, dv_cli_artifact_json(i)) ? DV_ERROR : 0;
	dv_cli_artifact_line(i);
	return dv_out_broken() ? DV_ECANCELLED : 0;
}

static int on_one(const dv_context_info *i, void *payload)
{
	show_state *s = payload;

	s->doc = context_json(i);
	return s->json ? 0 : on_context(i, NULL);
}

static int tell_members(dv_repo *r, const char *context, show_state *s)
{
	dv_cli_autofree char *filter = NULL;
	int rc = asprintf(&filter, "context=%s", context) < 0 ? DV_ERROR : 0;
	const char *const filters[] = { filter };
	dv_lineage_list_options o = { .filters = filters, .nfilters = 1 };

	s->list = json_array();
	if (!rc)
		rc = dv_runs(r, &o, on_run, s, NULL);
	json_object_set_new(s->doc, "run_list", s->list);
	s->list = json_array();
	if (!rc)
		rc = dv_artifacts(r, &o, on_artifact, s, NULL);
	json_object_set_new(s->doc, "artifact_list", s->list);
	return rc;
}

static int show_run(dv_cli *cli, void *args, int argc, char **argv)
{
	dv_cli_autofree char *copy = NULL;
	const char *type = NULL, *name = NULL;
	dv_cli_autorepo dv_repo *r = NULL;
	show_state s = { .json = cli->json };
	int rc = dv_out_operands(cli, argc, 1, 1);

	(void)args;
	if (!rc)
		rc = split(argv[0], &copy, &type, &name);
	if (!rc)
		rc = dv_cli_open(&r);
	if (rc)
		return rc;
	rc = dv_contexts(r, type, name, on_one, &s);
	if (!rc && !s.doc) {
		dv_out_error("there is no context '%s'", argv[0]);
		dv_out_hint("see 'dv ctx ls'");
		return DV_EXIT_FAILED;
	}
	if (!rc)
		rc = tell_members(r, argv[0], &s);
	dv_cli_autojson json_t *doc = s.doc;
	if (rc)
		return dv_out_fail(rc);
	return cli->json ? dv_cli_answer(&doc) : DV_EXIT_OK;
}

static const dv_cmd ctx_show = {
	.name = "show",
	.summary = "list what is in a context",
	.synopsis = "TYPE:NAME",
	.run = show_run,
	.flags = DV_CMD_JSON,
};

static const dv_cmd *const ctx_commands[] = { &ctx_add, &ctx_remove, &ctx_ls, &ctx_show, NULL };

const dv_cmd dv_cmd_ctx = {
	.name = "ctx",
	.group = DV_GROUP_RUN,
	.summary = "group runs: experiments, projects, releases",
	.synopsis = "",
	.subcommands = ctx_commands,
	.flags = DV_CMD_JSON,
};
