/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv pull: fetch, then checkout.
 */
#include "cli/commands.h"
#include "cli/common.h"

static int pull_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const dv_cli_transfer *a = args;
	dv_transfer_options o = dv_cli_transfer_options(a);
	dv_cli_autojson json_t *list = cli->json ? json_array() : NULL;
	dv_cli_changes changes = { .list = list, .silent = cli->quiet };
	dv_transfer_summary sum = { 0 };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_open(&r);

	if (rc)
		return rc;
	rc = dv_pull(r, dv_cli_targets(argv), (size_t)argc, &o, dv_cli_changed, &changes, &sum);
	if (rc && rc != DV_EPARTIAL)
		return dv_out_fail(rc);
	if (cli->json) {
		json_t *doc = dv_cli_transfer_json(a, &sum);
		json_t *checkout = dv_cli_checkout_json(&sum.checkout);

		json_object_set(checkout, "changes", list);
		json_object_set_new(doc, "checkout", checkout);
		dv_out_json(doc);
	} else if (!cli->quiet) {
		bool moved = sum.packs || sum.chunks || sum.bytes;
		bool wrote = sum.checkout.added || sum.checkout.modified || sum.checkout.deleted;

		if (moved || !wrote)
			dv_cli_transfer_line(r, a, &sum, "fetched from", "would be fetched from");
		if (wrote)
			dv_cli_checkout_line(&sum.checkout);
	}
	return rc ? dv_out_fail(rc) : DV_EXIT_OK;
}

static const dv_opt pull_opts[] = {
	DV_CLI_TRANSFER_OPTS,
	DV_OPT_FLAG('f', "force", dv_cli_transfer, force, "overwrite work that is not recorded"),
	DV_OPT_FLAG(0, "relink", dv_cli_transfer, relink,
		    "make every file anew, as cache.type asks"),
	DV_OPT_FLAG(0, "wait", dv_cli_transfer, wait, "wait for stages that use what is to change"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_pull = {
	.name = "pull",
	.group = DV_GROUP_SHARE,
	.summary = "bring data from a remote and check it out",
	.synopsis = "[-r NAME] [-f] [-a] [-T] [-A] [--rev REV] [--glob] [--wait] [--dry] "
		    "[TARGET...]",
	.opts = pull_opts,
	.args_size = sizeof(dv_cli_transfer),
	.run = pull_run,
	.flags = DV_CMD_JSON,
};
