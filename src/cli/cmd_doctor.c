/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv doctor: looks at the machine, the store, the remotes and the pipelines.
 */
#include "cli/commands.h"
#include "cli/common.h"

typedef struct doctor_state {
	json_t *list; /* with --json */
	bool quiet;
	uint64_t problems;
} doctor_state;

static int on_finding(const dv_finding *f, void *payload)
{
	doctor_state *s = payload;

	if (f->problem)
		s->problems++;
	if (s->list) {
		json_t *j = json_object();

		dv_out_json_bytes(j, "topic", f->topic);
		dv_out_json_bytes(j, "value", f->value);
		dv_out_json_bytes(j, "problem", f->problem);
		dv_out_json_bytes(j, "hint", f->hint);
		json_array_append_new(s->list, j);
		return 0;
	}
	if (s->quiet && !f->problem)
		return 0;
	dv_out("%s: ", f->topic);
	if (f->value && *f->value)
		dv_out_name(f->value);
	dv_out("\n");
	if (f->problem) {
		dv_out("  %sproblem:%s ", dv_out_color(DV_COLOR_RED), dv_out_color_end());
		dv_out_name(f->problem);
		dv_out("\n");
	}
	if (f->hint) {
		dv_out("  %shint:%s ", dv_out_color(DV_COLOR_CYAN), dv_out_color_end());
		dv_out_name(f->hint);
		dv_out("\n");
	}
	return 0;
}

static int doctor_run(dv_cli *cli, void *args, int argc, char **argv)
{
	dv_cli_autojson json_t *list = cli->json ? json_array() : NULL;
	doctor_state s = { .list = list, .quiet = cli->quiet };
	dv_cli_autorepo dv_repo *r = NULL;
	char n[DV_CLI_COUNT_MAX];
	int rc = dv_out_operands(cli, argc, 0, 0);

	(void)args;
	(void)argv;
	if (rc)
		return rc;
	rc = dv_repo_open(&r, NULL);
	/* Outside of a repository the machine can still be looked at. */
	if (rc && rc != DV_ENOREPO)
		return dv_out_fail(rc);
	rc = dv_doctor(r, on_finding, &s);
	if (rc == 0 && r)
		rc = dv_doctor_pipelines(r, on_finding, &s);
	if (rc)
		return dv_out_fail(rc);
	if (list)
		dv_cli_answer(&list);
	else if (!cli->quiet && s.problems)
		dv_out("%s %s found\n", dv_cli_count(n, s.problems),
		       dv_out_plural(s.problems, "problem", "problems"));
	else if (!cli->quiet)
		dv_out("No problems found.\n");
	return s.problems ? DV_EXIT_NO : DV_EXIT_OK;
}

const dv_cmd dv_cmd_doctor = {
	.name = "doctor",
	.group = DV_GROUP_KEEP,
	.summary = "look for problems and tell how to solve them",
	.synopsis = "",
	.run = doctor_run,
	.flags = DV_CMD_JSON,
};
