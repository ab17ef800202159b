/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv ls: lists what is tracked, in the workspace's pointers or in a revision.
 *
 * The first operand may be a revision (revs.h), or the address of another repository.
 */
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/revs.h"

#include <inttypes.h>

typedef struct ls_args {
	bool recursive, sizes, oids, outputs_only;
	const char *rev;
} ls_args;

typedef struct ls_state {
	const ls_args *args;
	json_t *list; /* with --json */
	bool any;
} ls_state;

static void entry_json(json_t *list, const dv_entry *e)
{
	json_t *j = json_object();

	dv_out_json_bytes(j, "path", e->path);
	json_object_set_new(j, "kind", json_string(e->kind == 'd'   ? "directory"
						   : e->kind == 'l' ? "symlink"
						   : e->kind == 'x' ? "executable"
								    : "file"));
	dv_cli_json_oid(j, "oid", e->oid);
	dv_cli_json_count(j, "size", e->size);
	dv_cli_json_count(j, "files", e->nfiles);
	json_object_set_new(j, "is_output", json_boolean(e->is_output));
	if (e->is_output)
		dv_out_json_bytes(j, "stage", e->stage);
	json_array_append_new(list, j);
}

static int on_entry(const dv_entry *e, void *payload)
{
	ls_state *s = payload;

	s->any = true;
	if (s->list) {
		entry_json(s->list, e);
		return 0;
	}
	if (s->args->sizes)
		dv_out("%c %15" PRIu64 " ", e->kind == 'f' ? '-' : e->kind, e->size);
	if (s->args->oids)
		dv_out("%s%-*s ", e->oid ? "sha256:" : "", e->oid ? 64 : 71, e->oid ? e->oid : "-");
	dv_out_name(e->path);
	dv_out("%s\n", e->kind == 'd' ? "/" : e->kind == 'x' && s->args->sizes ? "*" : "");
	return dv_out_broken() ? DV_ECANCELLED : 0;
}

/* Another repository, with what git has there. */
static int ls_url(ls_state *s, const char *url, const char *path)
{
	const dv_ls_url_options o = { .recursive = s->args->recursive,
				      .outputs_only = s->args->outputs_only };
	int rc = dv_ls_url(url, s->args->rev, path, &o, on_entry, s);

	if (rc) {
		json_decref(s->list);
		return dv_out_fail(rc);
	}
	return s->list ? dv_out_json(s->list) : DV_EXIT_OK;
}

static int ls_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const ls_args *a = args;
	const char *rev = NULL, *path = NULL;
	int revs = 0;
	ls_state s = { .args = a };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_out_operands(cli, argc, 0, 2);

	if (rc)
		return rc;
	if (argc > 0 && dv_cli_is_address(argv[0])) {
		if (cli->json)
			s.list = json_array();
		return ls_url(&s, argv[0], argc > 1 ? argv[1] : NULL);
	}
	if (a->rev && argc > 1)
		return dv_out_usage("a revision is given twice, or '%s' is no repository", argv[0]);
	if ((rc = dv_cli_open(&r)))
		return rc;
	if (!a->rev && (rc = dv_cli_count_revs(&revs, cli, r, argc, argv, 1, NULL)))
		return rc;
	if (argc - revs > 1)
		return dv_out_usage("one path is listed, not %d", argc - revs);
	rev = revs ? argv[0] : a->rev;
	path = argc > revs ? argv[revs] : NULL;
	if (cli->json)
		s.list = json_array();
	rc = dv_ls(r, rev, path, a->recursive, on_entry, &s);
	if (rc) {
		json_decref(s.list);
		return dv_out_fail(rc);
	}
	return s.list ? dv_out_json(s.list) : DV_EXIT_OK;
}

static const dv_opt ls_opts[] = {
	DV_OPT_FLAG('R', "recursive", ls_args, recursive, "list what is in directories too"),
	DV_OPT_STR(0, "rev", ls_args, rev, "REV", "of this revision"),
	DV_OPT_FLAG('l', "long", ls_args, sizes, "show kinds and sizes in bytes"),
	DV_OPT_FLAG(0, "oid", ls_args, oids, "show the identity of the content"),
	DV_OPT_FLAG(0, "dv-only", ls_args, outputs_only, "of a repository, leave out what git has"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_ls = {
	.name = "ls",
	.group = DV_GROUP_LOOK,
	.summary = "list what is tracked",
	.synopsis = "[-R] [-l] [--oid] [--rev REV] [--dv-only] [REV|URL] [PATH]",
	.opts = ls_opts,
	.args_size = sizeof(ls_args),
	.run = ls_run,
	.flags = DV_CMD_JSON,
};
