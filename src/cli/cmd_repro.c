/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv repro: runs what changed.
 */
#include "cli/commands.h"
#include "cli/stages.h"
#include "cli/term.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct repro_args {
	bool force, single, pipeline, all, recursive, downstream, force_downstream, keep_going;
	bool ignore_errors, dry, pull, allow_missing, no_commit, no_run_cache, glob, interactive;
	bool no_stage, trace, strict;
	int jobs;
	const char *executor;
} repro_args;

typedef struct repro_state {
	json_t *list; /* with --json */
	bool quiet, verbose, dry;
} repro_state;

/* What commands say goes where they would say it, and never into a JSON document. */
static void on_text(const char *stage, bool prefix, bool is_error, const char *text, size_t n,
		    void *payload)
{
	const repro_state *s = payload;
	FILE *to = is_error || s->list ? stderr : stdout;

	dv_term_clear();
	while (n > 0) {
		const char *eol = memchr(text, '\n', n);
		size_t len = eol && prefix ? (size_t)(eol - text) + 1 : n;

		if (prefix)
			fprintf(to, "[%s] ", stage);
		fwrite(text, 1, len, to);
		text += len;
		n -= len;
	}
	fflush(to);
}

static void tell_begin(const repro_state *s, const dv_stage_event *e)
{
	dv_cli_autofree char *name = dv_out_quote(e->name);

	if (s->quiet)
		return;
	dv_out_note("running '%s'", name);
	for (size_t i = 0; s->verbose && i < e->nreasons; i++) {
		dv_cli_autofree char *why = dv_cli_reason(&e->reasons[i]);

		dv_out_note("  since %s", why ? why : "");
	}
	for (size_t i = 0; i < e->ncmd; i++)
		dv_out_note("> %s", e->cmd[i]);
}

static void tell_plan(const repro_state *s, const dv_stage_event *e)
{
	if (e->state == DV_STAGE_UNCHANGED && !s->verbose)
		return;
	dv_out_name(e->name);
	dv_out(": %s\n", e->state == DV_STAGE_UNCHANGED ? "up to date" : "would run");
	dv_cli_reasons("  ", e);
	for (size_t i = 0; e->state == DV_STAGE_STALE && s->verbose && i < e->ncmd; i++)
		dv_out("  > %s\n", e->cmd[i]);
}

/* Nothing that the stage depends on is different: the run that made them is the one recorded. */
static bool only_outputs(const dv_stage_event *e)
{
	for (size_t i = 0; i < e->nreasons; i++)
		if (e->reasons[i].why != DV_WHY_OUT)
			return false;
	return e->nreasons > 0;
}

static void tell_end(const repro_state *s, const dv_stage_event *e)
{
	dv_cli_autofree char *name = dv_out_quote(e->name);

	if (e->state == DV_STAGE_CACHED && only_outputs(e))
		dv_out_note("the outputs of '%s' are checked out as they were recorded", name);
	else if (e->state == DV_STAGE_CACHED)
		dv_out_note("'%s' ran like this before: its outputs are checked out", name);
	else if (e->state == DV_STAGE_SKIPPED)
		dv_out_note("'%s' is skipped", name);
	else if (e->state == DV_STAGE_CANCELLED)
		dv_out_note("'%s' was interrupted", name);
	else if ((e->state == DV_STAGE_SUBMITTED || e->state == DV_STAGE_ADOPTED) && !*e->job)
		dv_out_note("'%s' is to be a job", name);
	else if (e->state == DV_STAGE_SUBMITTED)
		dv_out_note("'%s' is job %s", name, e->job);
	else if (e->state == DV_STAGE_ADOPTED)
		dv_out_note("'%s' is job %s, which was submitted before", name, e->job);
	else if (e->state == DV_STAGE_RETRIED && e->error && *e->error)
		dv_out_note("'%s' is run again: %s", name, e->error);
	else if (e->state == DV_STAGE_RETRIED)
		dv_out_note("'%s' failed with exit status %d and is run again", name,
			    e->exit_code);
	else if (e->state == DV_STAGE_UNCHANGED && s->verbose)
		dv_out_note("'%s' is up to date", name);
	else if (e->state == DV_STAGE_RAN && s->verbose)
		dv_out_note("'%s' ran for %.1f s", name, e->seconds);
}

static bool is_end(const dv_stage_event *e)
{
	return e->state != DV_STAGE_RUNS && e->state != DV_STAGE_RETRIED &&
	       e->state != DV_STAGE_SUBMITTED && e->state != DV_STAGE_ADOPTED;
}

static int on_stage(const dv_stage_event *e, void *payload)
{
	repro_state *s = payload;

	if (s->list && is_end(e))
		json_array_append_new(s->list, dv_cli_stage_json(e));
	if (e->state == DV_STAGE_FAILED) {
		dv_out_error("%s", e->error);
		if (*e->hint)
			dv_out_hint("%s", e->hint);
	} else if (s->list) {
		return 0;
	} else if (s->dry) {
		tell_plan(s, e);
	} else if (e->state == DV_STAGE_RUNS) {
		tell_begin(s, e);
	} else {
		tell_end(s, e);
	}
	return dv_out_broken() ? DV_ECANCELLED : 0;
}

static int ask(const char *stage, void *payload)
{
	dv_cli_autofree char *name = dv_out_quote(stage), *line = NULL;
	size_t cap = 0;

	(void)payload;
	fprintf(stderr, "run '%s'? [y/N] ", name);
	fflush(stderr);
	return getline(&line, &cap, stdin) > 0 && (*line == 'y' || *line == 'Y');
}

/* Do both lead to the same place, so that their order matters to somebody? */
static bool same_place(void)
{
	struct stat a, b;

	return !fstat(STDOUT_FILENO, &a) && !fstat(STDERR_FILENO, &b) && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino && a.st_rdev == b.st_rdev;
}

static int answer_json(json_t *list, const dv_repro_summary *sum)
{
	json_t *doc = json_object();

	dv_cli_json_count(doc, "stages", sum->stages);
	dv_cli_json_count(doc, "ran", sum->ran);
	dv_cli_json_count(doc, "cached", sum->cached);
	dv_cli_json_count(doc, "unchanged", sum->unchanged);
	dv_cli_json_count(doc, "failed", sum->failed);
	dv_cli_json_count(doc, "skipped", sum->skipped);
	json_object_set(doc, "results", list);
	return dv_out_json(doc);
}

static void part(bool *any, uint64_t n, const char *what)
{
	char count[DV_CLI_COUNT_MAX];

	if (n)
		dv_out("%s%s %s", *any ? ", " : "", dv_cli_count(count, n), what);
	*any |= n != 0;
}

static void summary(const repro_state *s, const dv_repro_summary *sum)
{
	bool any = false;

	if (sum->stages == 0) {
		dv_out("There are no stages.\n");
	} else if (sum->unchanged == sum->stages) {
		dv_out("Everything is up to date.\n");
	} else {
		part(&any, sum->ran, s->dry ? "would run" : "ran");
		part(&any, sum->cached, "from the run cache");
		part(&any, sum->unchanged, "up to date");
		part(&any, sum->failed, "failed");
		part(&any, sum->skipped, "skipped");
		dv_out("\n");
	}
}

int dv_cli_repro(dv_cli *cli, dv_repo *r, const char *const *targets, size_t n,
		 const dv_repro_options *options)
{
	dv_repro_options o = *options;
	dv_cli_autojson json_t *list = cli->json ? json_array() : NULL;
	repro_state s = { .list = list, .quiet = cli->quiet, .verbose = cli->verbose,
			  .dry = o.dry };
	char program[4096];
	dv_repro_summary sum;
	ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);

	/* The nodes of a cluster have the same program in the same place. */
	if (len > 0) {
		program[len] = 0;
		o.program = program;
	}
	o.merged = !cli->json && same_place();
	o.text = on_text;
	int rc = dv_repro(r, targets, n, &o, on_stage, &s, &sum);
	if (cli->json && (rc == 0 || sum.failed))
		answer_json(list, &sum);
	else if (!cli->quiet && (rc == 0 || sum.failed))
		summary(&s, &sum);
	/* What failed was told when it did. */
	if (sum.failed && (rc == DV_ERROR || rc == DV_EPARTIAL))
		return dv_exit_code(rc);
	return rc ? dv_out_fail(rc) : DV_EXIT_OK;
}

static int repro_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const repro_args *a = args;
	const dv_repro_options o = {
		.force = a->force, .single = a->single, .pipeline = a->pipeline,
		.all_pipelines = a->all, .recursive = a->recursive, .downstream = a->downstream,
		.force_downstream = a->force_downstream, .keep_going = a->keep_going,
		.ignore_errors = a->ignore_errors, .dry = a->dry, .pull = a->pull,
		.allow_missing = a->allow_missing, .no_commit = a->no_commit,
		.no_run_cache = a->no_run_cache, .no_stage = a->no_stage, .glob = a->glob,
		.trace = a->trace || a->strict, .strict = a->strict,
		.jobs = a->jobs, .executor = a->executor, .ask = a->interactive ? ask : NULL,
	};
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_open(&r);

	return rc ? rc : dv_cli_repro(cli, r, dv_cli_targets(argv), (size_t)argc, &o);
}

static const dv_opt repro_opts[] = {
	DV_OPT_FLAG('f', "force", repro_args, force, "run all stages, changed or not"),
	DV_OPT_FLAG('s', "single-item", repro_args, single, "the targets, not what they need"),
	DV_OPT_FLAG('p', "pipeline", repro_args, pipeline,
		    "all that is connected with the targets"),
	DV_OPT_FLAG('P', "all-pipelines", repro_args, all, "all stages of the repository"),
	DV_OPT_FLAG('R', "recursive", repro_args, recursive, "targets are folders"),
	DV_OPT_FLAG(0, "downstream", repro_args, downstream, "the targets and what needs them"),
	DV_OPT_FLAG(0, "force-downstream", repro_args, force_downstream,
		    "what needs a stage that ran is run, too"),
	DV_OPT_FLAG('k', "keep-going", repro_args, keep_going,
		    "go on with what needs nothing that failed"),
	DV_OPT_FLAG(0, "ignore-errors", repro_args, ignore_errors, "go on whatever fails"),
	DV_OPT_FLAG(0, "dry", repro_args, dry, "only tell what would run, and why"),
	DV_OPT_FLAG(0, "pull", repro_args, pull, "bring what is missing from the remote"),
	DV_OPT_FLAG(0, "allow-missing", repro_args, allow_missing,
		    "data that is only missing is no change"),
	DV_OPT_FLAG(0, "no-commit", repro_args, no_commit, "store nothing in the cache"),
	DV_OPT_FLAG(0, "no-run-cache", repro_args, no_run_cache,
		    "run also what ran like this before"),
	DV_OPT_FLAG(0, "no-stage", repro_args, no_stage, "leave the index of git alone"),
	DV_OPT_FLAG(0, "glob", repro_args, glob, "targets are patterns for names of stages"),
	DV_OPT_FLAG(0, "trace", repro_args, trace, "tell of files that are read and not named"),
	DV_OPT_FLAG(0, "strict", repro_args, strict, "that is a failure"),
	DV_OPT_FLAG('i', "interactive", repro_args, interactive, "ask before each stage runs"),
	DV_OPT_INT('j', "jobs", repro_args, jobs, "N", "stages that run at a time"),
	DV_OPT_STR(0, "executor", repro_args, executor, "NAME",
		   "run all stages there: local or slurm"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_repro = {
	.name = "repro",
	.group = DV_GROUP_RUN,
	.summary = "run the stages that changed",
	.synopsis = "[OPTION...] [TARGET...]",
	.opts = repro_opts,
	.args_size = sizeof(repro_args),
	.run = repro_run,
	.flags = DV_CMD_JSON,
};
