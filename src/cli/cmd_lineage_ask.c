/* SPDX-License-Identifier: Apache-2.0 */
/* dv lineage why, impact and verify: questions to the lineage of one thing. */
#include "cli/runs.h"
#include "cli/stages.h"

#include <stdio.h>
#include <string.h>

/* -- why --------------------------------------------------------------------------------------- */

#define RUNS_BACK 100

typedef struct why {
	dv_repo *repo;
	json_t *doc;			/* the record of the run that made it */
	json_t *found;			/* of the run before it, or NULL */
	char *self;			/* oid of that record */
	json_t *changes, *stale, *causes;	/* with --json */
	bool json, any;
} why;
static void why_release(why *w)
{
	json_decref(w->doc);
	json_decref(w->found);
	json_decref(w->changes);
	json_decref(w->stale);
	json_decref(w->causes);
	free(w->self);
}

static void on_change(const char *what, const char *a, const char *b, void *payload)
{
	why *w = payload;

	if (w->json) {
		json_t *j = json_object();

		dv_out_json_bytes(j, "what", what);
		dv_out_json_bytes(j, "before", a);
		dv_out_json_bytes(j, "now", b);
		json_array_append_new(w->changes, j);
		return;
	}
	dv_out("  ");
	dv_out_name(what);
	dv_out(": ");
	dv_out_name(a ? a : "(none)");
	dv_out(" -> ");
	dv_out_name(b ? b : "(none)");
	dv_out("\n");
}

/* The run of the same stage before, that made something else. */
static int on_earlier(const dv_run_info *i, void *payload)
{
	why *w = payload;
	dv_cli_autojson json_t *doc = NULL;
	int rc;

	if (w->self && strcmp(i->oid, w->self) == 0)
		return 0;
	if (i->start_us > json_integer_value(json_object_get(w->doc, "start")))
		return 0;
	doc = dv_cli_run_read(w->repo, i->oid, &rc);
	if (rc || json_equal(json_object_get(doc, "outs"), json_object_get(w->doc, "outs")))
		return rc;
	w->found = json_incref(doc);
	return 1;
}

static int on_maker(const dv_lineage_node *n, void *payload)
{
	why *w = payload;
	const char *uuid = json_string_value(json_object_get(w->doc, "uuid"));
	dv_cli_autojson json_t *doc = NULL;
	int rc;

	if (!n->run || w->self || !uuid)
		return 0;
	doc = dv_cli_run_read(w->repo, n->run->oid, &rc);
	if (!rc && json_equal(json_object_get(doc, "uuid"), json_object_get(w->doc, "uuid")) &&
	    !(w->self = strdup(n->run->oid)))
		return DV_ERROR;
	return rc;
}

static int on_input(const dv_run_check *c, void *payload)
{
	why *w = payload;

	if (c->in_workspace)
		return 0;
	w->any = true;
	if (w->json) {
		json_t *j = json_object();

		dv_out_json_bytes(j, "path", c->path);
		json_object_set_new(j, "kind", json_string(c->is_output ? "output" : "input"));
		dv_cli_json_oid(j, "recorded", c->oid);
		json_array_append_new(w->stale, j);
		return 0;
	}
	dv_out("  the %s ", c->is_output ? "output" : "input");
	dv_out_name(c->path);
	dv_out(" is not as it was\n");
	return 0;
}

#define HOPS_SHOWN 10

/* "split -> parts -> train -> model" */
static void tell_way(const dv_stage_cause *c)
{
	size_t half = HOPS_SHOWN / 2, cut = c->nvia > HOPS_SHOWN ? c->nvia - HOPS_SHOWN : 0;

	dv_out("    by ");
	for (size_t i = 0; i < c->nvia; i++) {
		if (cut && i == half) {
			dv_out(" -> ... %zu stages ...", cut + c->left_out);
			i += cut;
		}
		dv_out("%s", i ? " -> " : "");
		dv_out_name(c->via[i].stage);
		if (c->via[i].path) {
			dv_out(" -> ");
			dv_out_name(c->via[i].path);
		}
	}
	dv_out("\n");
}

static int on_cause(const dv_stage_cause *c, void *payload)
{
	why *w = payload;

	w->any = true;
	if (w->json) {
		json_t *j = dv_cli_stage_json(&c->stage), *via = json_array();

		for (size_t i = 0; i < c->nvia; i++) {
			json_t *hop = json_object();

			dv_out_json_bytes(hop, "stage", c->via[i].stage);
			if (c->via[i].path)
				dv_out_json_bytes(hop, "path", c->via[i].path);
			json_array_append_new(via, hop);
		}
		json_object_set_new(j, "via", via);
		dv_cli_json_count(j, "left_out", c->left_out);
		json_array_append_new(w->causes, j);
		return 0;
	}
	dv_out("  the stage ");
	dv_out_name(c->stage.name);
	dv_out(" is %sstale%s:\n", dv_out_color(DV_COLOR_YELLOW), dv_out_color_end());
	dv_cli_reasons("    ", &c->stage);
	if (c->nvia > 1)
		tell_way(c);
	return dv_out_broken() ? DV_ECANCELLED : 0;
}

static void tell_maker(const why *w)
{
	const char *stage = json_string_value(json_object_get(w->doc, "stage"));
	const char *file = json_string_value(json_object_get(w->doc, "file"));
	const json_t *cmd = json_object_get(w->doc, "cmd");
	char time[DV_CLI_TIME_MAX], id[16];

	dv_out("made by %s", json_string_value(json_object_get(w->doc, "type")));
	if (stage || file) {
		dv_out(" ");
		dv_out_name(stage ? stage : file);
	}
	dv_out(" at %s UTC, run %s\n",
	       dv_cli_time(time, json_integer_value(json_object_get(w->doc, "end"))),
	       dv_cli_short(id, w->self));
	if (cmd) {
		dv_out("  ");
		dv_cli_print_value(cmd);
		dv_out("\n");
	}
}

/* What the run is called: a stage as dv_stage_event has it, else a file; NULL for neither. */
static int name_run(const why *w, char **out)
{
	const char *stage = json_string_value(json_object_get(w->doc, "stage"));
	const char *file = json_string_value(json_object_get(w->doc, "file"));
	bool root = stage && file && strcmp(file, "dv.yaml") == 0;
	int n = stage && file && !root ? asprintf(out, "%s:%s", file, stage) :
		stage || file ? asprintf(out, "%s", stage ? stage : file) : 0;

	return n < 0 ? DV_ERROR : 0;
}

static int find_earlier(why *w, const char *name)
{
	dv_cli_autofree char *filter = NULL;
	int n = name ? asprintf(&filter, "name=%s", name) : 0;
	const char *const filters[] = { filter, "state!=FAILED", "state!=CANCELED" };
	dv_lineage_list_options o = { .filters = filters, .nfilters = 3, .limit = RUNS_BACK };
	int rc;

	if (n <= 0)
		return n < 0 ? DV_ERROR : 0;
	rc = dv_runs(w->repo, &o, on_earlier, w, NULL);
	return rc > 0 ? 0 : rc;
}

static int why_json(why *w)
{
	json_t *doc = json_object();

	json_object_set(doc, "run", w->doc);
	dv_cli_json_oid(doc, "oid", w->self);
	json_object_set(doc, "changes", w->changes);
	json_object_set(doc, "stale", w->stale);
	json_object_set(doc, "causes", w->causes);
	return dv_out_json(doc);
}

/* What has changed since: of the run itself, and of the stages from which its inputs come. */
static int look_now(why *w, const char *target, const char *name)
{
	uint64_t bad;
	int rc;

	if (!w->json)
		dv_out("now:\n");
	if ((rc = dv_lineage_verify(w->repo, w->self ? w->self : target, true, on_input, w, &bad)))
		return dv_out_fail(rc);
	rc = dv_stage_causes(w->repo, target, name, on_cause, w);
	rc = rc ? dv_out_fail(rc) : 0;
	if (w->json)
		why_json(w);
	else if (!w->any && !rc)
		dv_out("  everything that it read and made is as it was\n");
	return rc;
}

static int why_run(dv_cli *cli, void *args, int argc, char **argv)
{
	__attribute__((cleanup(why_release))) why w = { .json = cli->json };
	dv_lineage_options o = { .up = true, .depth = 2 };
	dv_cli_autofree char *name = NULL;
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_begin(cli, argc, 1, 1, &r);

	(void)args;
	if (rc)
		return rc;
	w.repo = r;
	w.changes = json_array();
	w.stale = json_array();
	w.causes = json_array();
	w.doc = dv_cli_run_read(r, argv[0], &rc);
	if (!rc)
		rc = dv_lineage(r, argv[0], &o, on_maker, NULL, &w);
	if (!rc)
		rc = name_run(&w, &name);
	if (!rc)
		rc = find_earlier(&w, name);
	if (rc)
		return dv_out_fail(rc);
	if (!w.json)
		tell_maker(&w);
	if (w.found && !w.json)
		dv_out("since the run before that made something else:\n");
	if (w.found)
		dv_cli_run_diff(w.found, w.doc, on_change, &w);
	return look_now(&w, argv[0], name);
}

const dv_cmd dv_cmd_lineage_why = {
	.name = "why",
	.summary = "tell what made it, and what has changed",
	.synopsis = "PATH|OID|RUN",
	.run = why_run,
	.flags = DV_CMD_JSON,
};

/* -- impact ------------------------------------------------------------------------------------ */

typedef struct impact_args {
	bool versions;
} impact_args;
typedef struct impact_state {
	json_t *list;
	size_t n;
} impact_state;

static int on_impact(const dv_impact *i, void *payload)
{
	impact_state *s = payload;
	char id[16];

	s->n++;
	if (s->list) {
		json_t *j = dv_cli_artifact_json(i->artifact), *refs = json_array();

		for (size_t k = 0; k < i->nrefs; k++)
			json_array_append_new(refs, json_string(i->refs[k]));
		json_object_set_new(j, "refs", refs);
		json_array_append_new(s->list, j);
		return 0;
	}
	dv_out("%-12s  ", dv_cli_short(id, i->artifact->oid));
	dv_out_name(i->artifact->path);
	dv_out("%s", i->artifact->is_dir ? "/" : "");
	for (size_t k = 0; k < i->nrefs; k++) {
		dv_out("%s", k ? ", " : "  in ");
		dv_out_name(i->refs[k]);
	}
	dv_out("\n");
	return dv_out_broken() ? DV_ECANCELLED : 0;
}

static int impact_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const impact_args *a = args;
	dv_cli_autorepo dv_repo *r = NULL;
	impact_state s = { 0 };
	int rc = dv_cli_begin(cli, argc, 1, 1, &r);

	if (rc)
		return rc;
	s.list = cli->json ? json_array() : NULL;
	rc = dv_lineage_impact(r, argv[0], a->versions, on_impact, &s);
	if (rc) {
		json_decref(s.list);
		return dv_out_fail(rc);
	}
	if (s.list)
		return dv_out_json(s.list);
	if (s.n == 0)
		dv_out_note("no run is known that made something from it");
	return DV_EXIT_OK;
}

static const dv_opt impact_opts[] = {
	DV_OPT_FLAG(0, "all-versions", impact_args, versions, "from whatever stood at that path"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_lineage_impact = {
	.name = "impact",
	.summary = "list all that was made from it, on any branch",
	.synopsis = "[--all-versions] PATH|OID|RUN",
	.opts = impact_opts,
	.args_size = sizeof(impact_args),
	.run = impact_run,
	.flags = DV_CMD_JSON,
};

/* -- verify ------------------------------------------------------------------------------------ */

typedef struct verify_args {
	bool all;
} verify_args;
typedef struct verify_state {
	json_t *list;
	bool verbose;
	size_t n;
} verify_state;

static int on_check(const dv_run_check *c, void *payload)
{
	verify_state *s = payload;
	bool found = c->in_workspace || c->in_cache || c->in_git;
	const char *where = c->is_damaged ? "DAMAGED in the cache" : c->in_cache ? "in the cache" :
			    c->in_workspace ? "in the workspace" : c->in_git ? "in git" : "NOWHERE";
	char id[16], run[16];

	s->n++;
	if (s->list) {
		json_t *j = json_object();

		dv_cli_json_oid(j, "run", c->run);
		dv_out_json_bytes(j, "name", c->name);
		dv_out_json_bytes(j, "path", c->path);
		dv_cli_json_oid(j, "oid", c->oid);
		json_object_set_new(j, "kind", json_string(c->is_output ? "output" : "input"));
		json_object_set_new(j, "workspace", json_boolean(c->in_workspace));
		json_object_set_new(j, "cache", json_boolean(c->in_cache));
		json_object_set_new(j, "git", json_boolean(c->in_git));
		json_object_set_new(j, "damaged", json_boolean(c->is_damaged));
		json_array_append_new(s->list, j);
		return 0;
	}
	if (found && !c->is_damaged && !s->verbose)
		return 0;
	dv_out("%s: %s ", where, c->is_output ? "output" : "input");
	dv_out_name(c->path);
	dv_out(" (%s) of run %s ", dv_cli_short(id, c->oid), dv_cli_short(run, c->run));
	dv_out_name(c->name);
	dv_out("\n");
	return dv_out_broken() ? DV_ECANCELLED : 0;
}

static int verify_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const verify_args *a = args;
	verify_state s = { .verbose = cli->verbose };
	dv_cli_autorepo dv_repo *r = NULL;
	uint64_t bad = 0;
	int rc = dv_cli_begin(cli, argc, a->all ? 0 : 1, a->all ? 0 : 1, &r);

	if (rc)
		return rc;
	s.list = cli->json ? json_array() : NULL;
	rc = dv_lineage_verify(r, a->all ? NULL : argv[0], false, on_check, &s, &bad);
	if (rc) {
		json_decref(s.list);
		return dv_out_fail(rc);
	}
	if (s.list)
		dv_out_json(s.list);
	else if (bad == 0)
		dv_out_note("the recorded bytes of %zu %s are there", s.n,
			    dv_out_plural(s.n, "path", "paths"));
	return bad ? DV_EXIT_NO : DV_EXIT_OK;
}

static const dv_opt verify_opts[] = {
	DV_OPT_FLAG(0, "all", verify_args, all, "of all runs that are known"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_lineage_verify = {
	.name = "verify",
	.summary = "look whether recorded bytes are still there",
	.synopsis = "--all | PATH|OID|RUN",
	.opts = verify_opts,
	.args_size = sizeof(verify_args),
	.run = verify_run,
	.flags = DV_CMD_JSON,
};
