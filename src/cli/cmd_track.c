/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv track, dv untrack, dv ls-files: files that pass through git's filter.
 */
#include "cli/commands.h"
#include "cli/common.h"

#include <inttypes.h>
#include <string.h>

#define NAMED_MAX 5	/* files; the others are counted */

typedef struct track_args {
	bool filename, no_stage;
} track_args;

typedef struct track_state {
	json_t *list; /* with --json */
	bool quiet, listing;
	const char *done, *was;
	size_t nraw;
	bool changed;
} track_state;

static int on_pattern(const dv_track_event *e, void *payload)
{
	track_state *s = payload;

	s->changed |= e->changed;
	if (s->list) {
		json_t *j = json_object();

		dv_out_json_bytes(j, "pattern", e->pattern);
		dv_out_json_bytes(j, "file", e->file);
		if (!s->listing)
			json_object_set_new(j, "changed", json_boolean(e->changed));
		json_array_append_new(s->list, j);
	} else if (s->listing) {
		dv_out_name(e->pattern);
		dv_out(" (%s)\n", e->file);
	} else if (!s->quiet) {
		dv_out_name(e->pattern);
		dv_out(": %s %s\n", e->changed ? s->done : s->was, e->file);
	}
	return 0;
}

static int on_raw(const char *path, void *payload)
{
	track_state *s = payload;

	if (s->nraw++ < NAMED_MAX)
		dv_out_warn("'%s' is in git as it is", path);
	return 0;
}

static int end(track_state *s, int rc)
{
	if (rc) {
		json_decref(s->list);
		return dv_out_fail(rc);
	}
	return s->list ? dv_out_json(s->list) : DV_EXIT_OK;
}

static int track_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const track_args *a = args;
	dv_track_options o = { .filename = a->filename, .no_stage = a->no_stage };
	track_state s = { .quiet = cli->quiet, .listing = !argc, .done = "tracked in",
			  .was = "was tracked already in" };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_begin_list(cli, argc, 0, -1, &r, &s.list);

	if (rc)
		return rc;
	if (!argc)
		return end(&s, dv_track_list(r, on_pattern, &s));
	rc = dv_track(r, dv_cli_targets(argv), (size_t)argc, &o, on_pattern, &s);
	if (!rc)
		rc = dv_track_raw(r, on_raw, &s);
	if (s.nraw > NAMED_MAX)
		dv_out_warn("and %zu more", s.nraw - NAMED_MAX);
	if (s.nraw)
		dv_out_hint("run 'git add --renormalize .' to have git keep pointers to them");
	return end(&s, rc);
}

static int untrack_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const track_args *a = args;
	dv_track_options o = { .filename = a->filename, .no_stage = a->no_stage };
	track_state s = { .quiet = cli->quiet, .done = "not tracked any more in",
			  .was = "is not tracked in" };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_begin_list(cli, argc, 1, -1, &r, &s.list);

	if (rc)
		return rc;
	rc = dv_untrack(r, dv_cli_targets(argv), (size_t)argc, &o, on_pattern, &s);
	if (!rc && s.changed && !cli->quiet && !cli->json)
		dv_out_hint("run 'git add --renormalize .' to put the files into git as they are");
	return end(&s, rc);
}

static const dv_opt track_opts[] = {
	DV_OPT_FLAG(0, "filename", track_args, filename, "the operands are names, not patterns"),
	DV_OPT_FLAG(0, "no-stage", track_args, no_stage, "leave git's index alone"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_track = {
	.name = "track",
	.group = DV_GROUP_TRACK,
	.summary = "let files pass through git's filter",
	.synopsis = "[--filename] [--no-stage] [PATTERN...]",
	.opts = track_opts,
	.args_size = sizeof(track_args),
	.run = track_run,
	.flags = DV_CMD_JSON,
};

const dv_cmd dv_cmd_untrack = {
	.name = "untrack",
	.group = DV_GROUP_TRACK,
	.summary = "let files go into git as they are",
	.synopsis = "[--filename] [--no-stage] PATTERN...",
	.opts = track_opts,
	.args_size = sizeof(track_args),
	.run = untrack_run,
	.flags = DV_CMD_JSON,
};

/* -- ls-files ---------------------------------------------------------------------------------- */

typedef struct files_args {
	bool sizes;
} files_args;

typedef struct files_state {
	json_t *list;
	bool sizes;
} files_state;

static int on_file(const dv_filtered_info *i, void *payload)
{
	const files_state *s = payload;

	if (s->list) {
		json_t *j = json_object();

		dv_out_json_bytes(j, "path", i->path);
		dv_cli_json_oid(j, "oid", i->oid);
		dv_cli_json_count(j, "size", i->size);
		json_object_set_new(j, "workspace", json_string(i->mark == '*'   ? "content"
								: i->mark == '-' ? "pointer"
										 : "none"));
		json_object_set_new(j, "cached", json_boolean(i->cached));
		json_array_append_new(s->list, j);
		return 0;
	}
	if (s->sizes)
		dv_out("%s %c %15" PRIu64 " ", i->oid, i->mark, i->size);
	else
		dv_out("%.10s %c ", i->oid, i->mark);
	dv_out_name(i->path);
	dv_out("\n");
	return dv_out_broken() ? DV_ECANCELLED : 0;
}

static int files_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const files_args *a = args;
	files_state s = { .sizes = a->sizes };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_begin_list(cli, argc, 0, 1, &r, &s.list);

	if (rc)
		return rc;
	rc = dv_ls_files(r, argc ? argv[0] : NULL, on_file, &s);
	if (rc) {
		json_decref(s.list);
		return dv_out_fail(rc);
	}
	return s.list ? dv_out_json(s.list) : DV_EXIT_OK;
}

static const dv_opt files_opts[] = {
	DV_OPT_FLAG('l', "long", files_args, sizes, "show whole oids, and sizes in bytes"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_ls_files = {
	.name = "ls-files",
	.group = DV_GROUP_LOOK,
	.summary = "list files that pass through git's filter",
	.synopsis = "[-l] [REV]",
	.opts = files_opts,
	.args_size = sizeof(files_args),
	.run = files_run,
	.flags = DV_CMD_JSON,
};
