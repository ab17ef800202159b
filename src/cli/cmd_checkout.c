/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv checkout: makes data equal to its pointers.
 */
#include "cli/commands.h"
#include "cli/common.h"

#include <unistd.h>

typedef struct checkout_args {
	bool force, glob, relink, summary, wait;
	const char *rev;
	int jobs;
} checkout_args;

static int checkout_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const checkout_args *a = args;
	dv_checkout_options o = {
		.force = a->force,
		.relink = a->relink,
		.rev = a->rev,
		.glob = a->glob,
		.wait = a->wait,
		.jobs = a->jobs,
	};
	dv_cli_autojson json_t *list = cli->json ? json_array() : NULL;
	dv_cli_changes changes = { .list = list, .silent = cli->quiet || a->summary };
	dv_checkout_summary sum = { 0 };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_open(&r), failed = DV_EXIT_OK;

	if (rc)
		return rc;
	rc = dv_checkout(r, dv_cli_targets(argv), (size_t)argc, &o, dv_cli_changed, &changes,
			 &sum);
	if (cli->json && (!rc || rc == DV_EPARTIAL)) {
		json_t *doc = dv_cli_checkout_json(&sum);

		json_object_set(doc, "changes", list);
		dv_out_json(doc);
	} else if ((!rc || rc == DV_EPARTIAL) && (a->summary || !cli->quiet)) {
		dv_cli_checkout_line(&sum);
		if (a->rev && !rc)
			dv_out_note("the pointers stay as they are: 'dv commit' records this data, "
				    "'dv checkout' brings back theirs");
	}
	if (rc)
		failed = dv_out_fail(rc);
	if (rc == DV_ENOTFOUND && argc && !a->rev && access(argv[0], F_OK))
		dv_out_hint("for a revision: 'git checkout REV', then 'dv checkout'; or '--rev'");
	return failed;
}

static const dv_opt checkout_opts[] = {
	DV_OPT_FLAG('f', "force", checkout_args, force, "overwrite work that is not recorded"),
	DV_OPT_FLAG(0, "glob", checkout_args, glob, "targets are patterns: *, ?, [], **"),
	DV_OPT_FLAG(0, "relink", checkout_args, relink, "make every file anew, as cache.type asks"),
	DV_OPT_FLAG(0, "summary", checkout_args, summary, "print only how many files changed"),
	DV_OPT_STR(0, "rev", checkout_args, rev, "REV", "take the data of this revision"),
	DV_OPT_FLAG(0, "wait", checkout_args, wait, "wait for stages that use what is to change"),
	DV_OPT_COUNT('j', "jobs", checkout_args, jobs, "N", "number of threads"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_checkout = {
	.name = "checkout",
	.group = DV_GROUP_TRACK,
	.summary = "bring data back as its pointers say",
	.synopsis = "[-f] [--rev REV] [--glob] [--summary] [--relink] [--wait] [-j N] [TARGET...]",
	.opts = checkout_opts,
	.args_size = sizeof(checkout_args),
	.run = checkout_run,
	.flags = DV_CMD_JSON,
};
