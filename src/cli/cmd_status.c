/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv status: workspace against what is recorded, and with --remote what the remote lacks.
 */
#include "cli/commands.h"
#include "cli/stages.h"

#include <string.h>

typedef struct status_args {
	bool glob, remote;
	const char *remote_name;
	int jobs;
} status_args;

/* What the callback gathers. */
typedef struct status_state {
	json_t *list; /* with --json */
	bool quiet;
	char *output;	 /* whose changes are being printed */
	uint64_t n[DV_NOT_CHECKED_OUT + 1];
	uint64_t work; /* files that are in no pointer */
	uint64_t made; /* outputs of stages that are not as recorded; not in the next two */
	uint64_t git; /* files of git's filter that were changed or deleted; likewise */
	uint64_t modified, deleted;
	uint64_t intact; /* not in the cache, and in the workspace as recorded */
	const char *mend; /* the command that stores the first of them */
	bool fresh; /* some of them were never recorded; else the pointers may be newer */
	json_t *stages; /* with --json */
} status_state;

static int start_output(status_state *s, const char *output)
{
	if (s->output && !strcmp(s->output, output))
		return 0;
	free(s->output);
	s->output = strdup(output);
	return 1;
}

/* What is not in the cache may be changed or gone in the workspace, too: `modified`. */
static void count_work(status_state *s, const dv_change *c, bool own, bool modified)
{
	bool deleted = c->kind == DV_DELETED || (c->kind == DV_NOT_IN_CACHE && own && !c->new_oid);

	if (c->stage) {
		s->made += own && (deleted || modified || c->kind == DV_MODIFIED);
		return;
	}
	if (c->filtered) {
		s->git += deleted || modified || c->kind == DV_MODIFIED;
		return;
	}
	s->modified += modified || c->kind == DV_MODIFIED;
	s->fresh |= own && (deleted || !c->recorded);
	s->deleted += deleted;
	s->work += c->kind == DV_ADDED || c->kind == DV_RENAMED ||
		   ((modified || c->kind == DV_MODIFIED) && !(own && c->is_dir));
}

/* The state of an output makes its heading; a file's change is a line below it. */
static int on_change(const dv_change *c, void *payload)
{
	status_state *s = payload;
	bool own = !strcmp(c->path, c->output), modified = false;

	if (c->kind == DV_UNCHANGED)
		return 0;
	if ((size_t)c->kind <= DV_NOT_CHECKED_OUT)
		s->n[c->kind]++;
	modified = c->kind == DV_NOT_IN_CACHE && own && c->new_oid &&
		   strcmp(c->new_oid, c->old_oid) != 0;
	if (c->kind == DV_NOT_IN_CACHE && own && c->new_oid && !modified && !s->intact++)
		s->mend = c->filtered ? "git add --renormalize"
			  : c->stage ? "dv commit" : "dv add";
	count_work(s, c, own, modified);
	if (s->list) {
		json_array_append_new(s->list, dv_cli_change_json(c));
		return 0;
	}
	if (s->quiet)
		return 0;
	if (own) {
		start_output(s, c->output);
		dv_out_name(c->output);
		dv_out(": %s%s%s%s\n", dv_cli_kind_color(c->kind), modified ? "modified, " : "",
		       dv_cli_kind(c->kind), dv_out_color_end());
	} else {
		dv_cli_autofree char *word = NULL;

		if (start_output(s, c->output)) {
			dv_out_name(c->output);
			dv_out(": %s\n", dv_cli_kind(DV_MODIFIED));
		}
		if (asprintf(&word, "%s: ", dv_cli_kind(c->kind)) < 0)
			word = NULL;
		dv_cli_change_line("  ", word ? word : "", c);
	}
	return dv_out_broken() ? DV_ECANCELLED : 0;
}

static int on_stage(const dv_stage_event *e, void *payload)
{
	status_state *s = payload;

	if (e->state != DV_STAGE_STALE)
		return 0;
	if (s->stages) {
		json_array_append_new(s->stages, dv_cli_stage_json(e));
	} else if (!s->quiet) {
		dv_out("stage ");
		dv_out_name(e->name);
		dv_out(": %sstale%s\n", dv_out_color(DV_COLOR_YELLOW), dv_out_color_end());
		dv_cli_reasons("  ", e);
	}
	return dv_out_broken() ? DV_ECANCELLED : 0;
}

static void suggest(const status_state *s)
{
	bool partly = s->n[DV_NOT_IN_CACHE] != 0;

	if (s->intact)
		dv_out_hint("'dv pull' brings what is not in the cache, '%s PATH' stores again "
			    "what is here as recorded", s->mend);
	else if (s->n[DV_NOT_IN_CACHE])
		dv_out_hint("'dv pull' brings what is not in the cache");
	if (s->work && partly)
		dv_out_hint("'dv add FILE' records one file of a directory that is here in part");
	else if (!partly && s->deleted && !s->work)
		dv_out_hint("'dv checkout' brings deleted data back, 'dv commit' records that "
			    "it is gone");
	else if (!partly && s->modified && !s->fresh)
		dv_out_hint("the data was recorded as it is, in another version: 'dv checkout' "
			    "brings the pointers' version, 'dv commit' takes this one");
	else if (!partly && (s->work || s->modified))
		dv_out_hint("'dv commit' records the changes, 'dv checkout' undoes them");
	if (s->n[DV_NOT_CHECKED_OUT])
		dv_out_hint("'dv checkout' brings content in the place of pointers");
	if (s->git && !partly)
		dv_out_hint("of files that pass through git's filter, 'git add' records changes, "
			    "'git restore' undoes them");
	if (s->made && !s->n[DV_NOT_IN_CACHE])
		dv_out_hint("'dv checkout' brings outputs of stages back as they were recorded");
	if (s->n[DV_NOT_IN_REMOTE])
		dv_out_hint("'dv push' sends what is not in the remote");
}

static int status_json(json_t **list, json_t **stages, const dv_status_summary *sum,
		       const dv_stage_status_summary *stage_sum)
{
	json_t *doc = json_object();

	dv_cli_json_count(doc, "outputs", sum->outputs);
	dv_cli_json_count(doc, "changed", sum->changed);
	dv_cli_json_count(doc, "not_in_cache", sum->not_in_cache);
	dv_cli_json_count(doc, "not_in_remote", sum->not_in_remote);
	json_object_set_new(doc, "changes", *list);
	*list = NULL;
	dv_cli_json_count(doc, "stages", stage_sum->stages);
	json_object_set_new(doc, "stale", *stages);
	*stages = NULL;
	return dv_out_json(doc);
}

static void add_up(dv_status_summary *sum, const dv_status_summary *more)
{
	sum->outputs += more->outputs;
	sum->changed += more->changed;
	sum->not_in_cache += more->not_in_cache;
	sum->not_in_remote += more->not_in_remote;
	sum->pipelines = more->pipelines;
}

/* Targets that name stages concern their outputs, of which there may be none yet, and themselves:
 * *n of them go to the end of argv. */
static int look_at_data(dv_repo *r, char **argv, int argc, const dv_status_options *o,
			status_state *s, dv_status_summary *sum, int *n)
{
	dv_cli_autofree bool *is_stage = calloc((size_t)argc + 1, sizeof(*is_stage));
	dv_status_summary more = { 0 };
	int rc = 0, paths = 0;

	*n = 0;
	/* Pipeline files that cannot be read matter to who asks for stages. */
	if (!is_stage || !argc || o->glob ||
	    dv_stage_targets(r, dv_cli_targets(argv), (size_t)argc, is_stage))
		return dv_status(r, dv_cli_targets(argv), (size_t)argc, o, on_change, s, sum);
	for (int i = 0; i < argc; i++) {
		char *t = argv[i];

		if (is_stage[i])
			continue;
		memmove(argv + paths + 1, argv + paths, (size_t)(i - paths) * sizeof(*argv));
		argv[paths++] = t;
	}
	*n = argc - paths;
	if (paths)
		rc = dv_status(r, dv_cli_targets(argv), (size_t)paths, o, on_change, s, sum);
	for (int i = paths; !rc && i < argc; i++) {
		rc = dv_status(r, dv_cli_targets(argv + i), 1, o, on_change, s, &more);
		add_up(sum, &more);
		if (rc == DV_ENOTFOUND)
			rc = 0;
	}
	return rc;
}

static int status_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const status_args *a = args;
	dv_status_options o = {
		.remote = a->remote || a->remote_name,
		.remote_name = a->remote_name,
		.quick = cli->quiet && !cli->json,
		.glob = a->glob,
		.jobs = a->jobs,
	};
	dv_cli_autojson json_t *list = cli->json ? json_array() : NULL;
	dv_cli_autojson json_t *stages = cli->json ? json_array() : NULL;
	status_state s = { .list = list, .quiet = cli->quiet, .stages = stages };
	dv_stage_status_summary stage_sum = { 0 };
	dv_status_summary sum = { 0 };
	dv_cli_autorepo dv_repo *r = NULL;
	bool any;
	int rc = dv_cli_open(&r), nstages, failed = DV_EXIT_OK;

	if (rc)
		return rc;
	rc = look_at_data(r, argv, argc, &o, &s, &sum, &nstages);
	free(s.output);
	if (rc && rc != DV_EPARTIAL)
		return dv_out_fail(rc);
	/* Stages are no data: with targets that name none the question is another one. */
	if (rc)
		failed = dv_out_fail(rc);
	if (sum.pipelines && (argc == 0 || nstages)) {
		rc = dv_stage_status(r, dv_cli_targets(argv + argc - nstages), (size_t)nstages,
				     a->jobs, on_stage, &s, &stage_sum);
		if (rc)
			failed = dv_out_fail(rc);
		if (rc && rc != DV_EPARTIAL)
			return failed;
	}
	any = sum.changed || sum.not_in_cache || sum.not_in_remote || stage_sum.stale;
	for (size_t i = DV_ADDED; i <= DV_NOT_CHECKED_OUT; i++)
		any |= s.n[i] != 0;
	if (cli->json)
		status_json(&list, &stages, &sum, &stage_sum);
	if (failed)
		return failed;
	if (cli->quiet)
		return any ? DV_EXIT_NO : DV_EXIT_OK;
	if (cli->json)
		return DV_EXIT_OK;
	if (any)
		suggest(&s);
	else if (!sum.outputs && !stage_sum.stages)
		dv_out("Nothing is tracked yet.\n");
	else
		dv_out("Data and %s are up to date.\n",
		       stage_sum.stages ? "pipelines" : "pointers");
	if (stage_sum.stale)
		dv_out_hint("'dv repro' runs %s", stage_sum.stale == 1 ? "the stage"
									 : "these stages");
	return DV_EXIT_OK;
}

static const dv_opt status_opts[] = {
	DV_OPT_FLAG(0, "glob", status_args, glob, "targets are patterns: *, ?, [], **"),
	DV_OPT_FLAG(0, "remote", status_args, remote, "also tell what the remote lacks"),
	DV_OPT_STR('r', "remote-name", status_args, remote_name, "NAME", "ask this remote"),
	DV_OPT_COUNT('j', "jobs", status_args, jobs, "N", "number of threads"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_status = {
	.name = "status",
	.group = DV_GROUP_LOOK,
	.summary = "show what changed since it was recorded",
	.synopsis = "[-q] [--glob] [--remote] [-r NAME] [-j N] [--] [TARGET...]",
	.opts = status_opts,
	.args_size = sizeof(status_args),
	.run = status_run,
	.flags = DV_CMD_JSON,
};
