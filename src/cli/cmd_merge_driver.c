/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv merge-driver: what git calls to merge pointers, lock files and files that its filter keeps.
 * Its exit status is the driver's: 1 is a conflict.
 */
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/common.h"
#include "cli/opt.h"

#define MARKER_SIZE 7	/* git's own, where no attribute says otherwise */

static const char *why_text(enum dv_conflict_why why)
{
	switch (why) {
	case DV_CONFLICT_ADDED:
		return "added on both sides";
	case DV_CONFLICT_CHANGED:
		return "changed on both sides";
	case DV_CONFLICT_OURS_DELETED:
		return "deleted by us, changed by them";
	case DV_CONFLICT_THEIRS_DELETED:
		return "changed by us, deleted by them";
	case DV_CONFLICT_KIND:
		return "of another kind on each side";
	case DV_CONFLICT_KEYS:
		return "settings changed on both sides";
	case DV_CONFLICT_STAGE:
		return "run on both sides";
	}
	return "changed on both sides";
}

static const char *why_word(enum dv_conflict_why why)
{
	static const char *const words[] = { "", "added", "changed", "deleted-by-us",
					     "deleted-by-them", "kind", "settings", "stage" };

	return (size_t)why < sizeof(words) / sizeof(*words) ? words[why] : "";
}

json_t *dv_cli_conflict_json(const dv_conflict *c)
{
	json_t *j = json_object();

	dv_out_json_bytes(j, "path", c->path);
	dv_out_json_bytes(j, "record", c->record);
	dv_out_json_bytes(j, "stage", c->stage);
	json_object_set_new(j, "why", json_string(why_word(c->why)));
	return j;
}

void dv_cli_conflict_text(dv_cli_conflict_line out, const dv_conflict *c)
{
	dv_cli_autofree char *path = dv_out_quote(c->path);

	if (c->stage)
		snprintf(out, sizeof(dv_cli_conflict_line), "%s: stage '%s': %s", path, c->stage,
			 why_text(c->why));
	else
		snprintf(out, sizeof(dv_cli_conflict_line), "%s: %s", path, why_text(c->why));
}

static int on_conflict(const dv_conflict *c, void *payload)
{
	const bool *silent = payload;
	dv_cli_conflict_line line;

	dv_cli_conflict_text(line, c);
	if (!*silent)
		dv_out_warn("conflict in %s", line);
	return 0;
}

/* The repository of the path's folder, or of the nearest one above that is there. */
static int open_near(dv_repo **out, const char *path)
{
	dv_cli_autofree char *dir = strdup(path);
	int rc;

	*out = NULL;
	if (!dir)
		return DV_ERROR;
	for (;;) {
		char *slash = strrchr(dir, '/');

		if (slash)
			*slash = 0;
		if (!slash || !access(dir, F_OK)) {
			rc = dv_repo_open(out, slash ? dir : NULL);
			return rc;
		}
	}
}

static int merge_run(dv_cli *cli, void *args, int argc, char **argv)
{
	dv_merge_files f = { 0 };
	dv_cli_autorepo dv_repo *r = NULL;
	uint64_t conflicts = 0;
	bool inner = false;
	int rc = dv_out_operands(cli, argc, 5, 5);

	(void)args;
	if (rc)
		return rc;
	f.base = argv[0];
	f.ours = argv[1];
	f.theirs = argv[2];
	f.path = argv[4];
	if (dv_parse_int(&f.marker, argv[3]))
		return dv_out_usage("'%s' is no length of a conflict marker", argv[3]);
	/* Ancestors of several are merged with longer markers; that is nothing for people. */
	inner = f.marker > MARKER_SIZE && f.marker % 2;
	rc = open_near(&r, f.path);
	if (rc)
		dv_out_warn("%s", dv_error_last()->message);
	rc = dv_merge(r, &f, on_conflict, &inner, &conflicts);
	if (rc)
		return dv_out_fail(rc);
	if (!conflicts)
		return DV_EXIT_OK;
	if (!inner)
		dv_out_hint("take a side with 'dv resolve --ours PATH' or '--theirs', then go on "
			    "with git; 'dv resolve' lists what is left");
	return DV_EXIT_NO;
}

const dv_cmd dv_cmd_merge_driver = {
	.name = "merge-driver",
	.group = DV_GROUP_TRACK,
	.summary = "merge pointers, called by git",
	.synopsis = "BASE OURS THEIRS SIZE PATH",
	.run = merge_run,
	.flags = DV_CMD_RARE,
};
