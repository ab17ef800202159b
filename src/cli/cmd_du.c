/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv du: what outputs take in the cache, of the workspace or of a revision.
 */
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/revs.h"

typedef struct du_args {
	bool all, bytes;
} du_args;

typedef struct du_state {
	const du_args *args;
	json_t *list; /* with --json */
	unsigned lines;
} du_state;

static void usage_json(json_t *list, const dv_usage *u)
{
	json_t *j = json_object(), *saved = json_object();

	dv_out_json_bytes(j, "path", u->path);
	dv_cli_json_count(j, "versions", u->versions);
	dv_cli_json_count(j, "files", u->nfiles);
	dv_cli_json_count(j, "logical", u->logical);
	dv_cli_json_count(j, "unique", u->unique);
	dv_cli_json_count(j, "stored", u->stored);
	dv_cli_json_count(j, "support", u->support);
	dv_cli_json_count(j, "shared", u->shared);
	dv_cli_json_count(saved, "sharing", u->saved_sharing);
	dv_cli_json_count(saved, "deltas", u->saved_deltas);
	dv_cli_json_count(saved, "compression", u->saved_compression);
	json_object_set_new(j, "saved", saved);
	dv_cli_json_count(j, "missing", u->missing);
	json_array_append_new(list, j);
}

static void cell(const du_args *a, uint64_t n)
{
	char size[DV_OUT_SIZE_MAX], count[DV_CLI_COUNT_MAX];

	if (a->bytes)
		dv_out("%19s  ", dv_cli_count(count, n));
	else
		dv_out("%9s  ", dv_out_size(size, n));
}

static void heads(const du_args *a)
{
	static const char *const names[] = { "logical", "unique", "stored", "shared" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		dv_out("%*s  ", a->bytes ? 19 : 9, names[i]);
	dv_out("output\n");
}

static void saved_line(const dv_usage *u)
{
	char size[DV_OUT_SIZE_MAX];

	dv_out("saved: %s by sharing chunks", dv_out_size(size, u->saved_sharing));
	dv_out(", %s by deltas", dv_out_size(size, u->saved_deltas));
	dv_out(", %s by compression\n", dv_out_size(size, u->saved_compression));
}

static int on_usage(const dv_usage *u, void *payload)
{
	char count[DV_CLI_COUNT_MAX];
	du_state *s = payload;

	if (s->list) {
		usage_json(s->list, u);
		return 0;
	}
	if (!u->path && !s->lines)
		return 0;
	if (!s->lines++)
		heads(s->args);
	cell(s->args, u->logical);
	cell(s->args, u->unique);
	cell(s->args, u->stored);
	cell(s->args, u->shared);
	if (u->path)
		dv_out_name(u->path);
	else
		dv_out("total");
	if (u->path && u->versions > 1)
		dv_out(" (%s versions)", dv_cli_count(count, u->versions));
	if (u->missing)
		dv_out(" (%s not in the cache)", dv_cli_count(count, u->missing));
	dv_out("\n");
	if (!u->path)
		saved_line(u);
	return dv_out_broken() ? DV_ECANCELLED : 0;
}

static int du_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const du_args *a = args;
	dv_du_options o = { .all_commits = a->all };
	const char *path = NULL;
	int revs = 0;
	du_state s = { .args = a };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_out_operands(cli, argc, 0, 2);

	if (!rc && a->all && argc > 1)
		rc = dv_out_usage("--all-commits and a revision exclude each other");
	if (!rc)
		rc = dv_cli_open(&r);
	if (rc)
		return rc;
	if (!a->all && (rc = dv_cli_count_revs(&revs, cli, r, argc, argv, 1, NULL)))
		return rc;
	if (argc - revs > 1)
		return dv_out_usage("one path is looked at, not %d", argc - revs);
	o.rev = revs ? argv[0] : NULL;
	path = argc > revs ? argv[revs] : NULL;
	if (cli->json)
		s.list = json_array();
	rc = dv_du(r, path, &o, on_usage, &s);
	if (!rc)
		return s.list ? dv_out_json(s.list) : DV_EXIT_OK;
	json_decref(s.list);
	return dv_out_fail(rc);
}

static const dv_opt du_opts[] = {
	DV_OPT_FLAG('a', "all-commits", du_args, all, "count all versions that git has"),
	DV_OPT_FLAG('b', "bytes", du_args, bytes, "print sizes in bytes"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_du = {
	.name = "du",
	.group = DV_GROUP_LOOK,
	.summary = "tell what outputs take in the cache",
	.synopsis = "[-a] [-b] [REV] [PATH]",
	.opts = du_opts,
	.args_size = sizeof(du_args),
	.run = du_run,
	.flags = DV_CMD_JSON,
};
