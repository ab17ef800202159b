/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv gc: drops from the cache, or from a remote, what nothing needs.
 */
#include <errno.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/common.h"

typedef struct gc_args {
	bool workspace, all_branches, all_tags, all_commits, dry, force, repack;
	dv_strlist revs;
	int last_n;
	bool remote;
	const char *remote_name, *grace;
} gc_args;

static int gc_json(const gc_args *a, const dv_gc_summary *s)
{
	json_t *doc = json_object();

	json_object_set_new(doc, "dry", json_boolean(a->dry));
	dv_cli_json_count(doc, "objects_kept", s->objects_kept);
	dv_cli_json_count(doc, "chunks_kept", s->chunks_kept);
	dv_cli_json_count(doc, "chunks_dropped", s->chunks_dropped);
	dv_cli_json_count(doc, "packs_dropped", s->packs_dropped);
	dv_cli_json_count(doc, "packs_rewritten", s->packs_rewritten);
	dv_cli_json_count(doc, "bytes_freed", s->bytes_freed);
	dv_cli_json_count(doc, "bytes_kept", s->bytes_kept);
	dv_cli_json_count(doc, "bytes_unused", s->bytes_unused);
	dv_cli_json_count(doc, "chunks_repacked", s->chunks_repacked);
	dv_cli_json_count(doc, "kept_not_on_remote", s->kept_not_on_remote);
	return dv_out_json(doc);
}

static void gc_text(const gc_args *a, const dv_gc_summary *s)
{
	char n[DV_CLI_COUNT_MAX], freed[DV_OUT_SIZE_MAX], kept[DV_OUT_SIZE_MAX];
	char unused[DV_OUT_SIZE_MAX];

	if (s->chunks_repacked)
		dv_out("%s %s %s\n", dv_cli_count(n, s->chunks_repacked),
		       dv_out_plural(s->chunks_repacked, "chunk", "chunks"),
		       a->dry ? "would be stored anew" : "stored anew");
	if (!s->chunks_dropped && !s->bytes_freed)
		dv_out("Nothing to drop, %s kept", dv_out_size(kept, s->bytes_kept));
	else if (!s->chunks_dropped)
		dv_out("%s %s, %s kept", dv_out_size(freed, s->bytes_freed),
		       a->dry ? "would be freed" : "freed", dv_out_size(kept, s->bytes_kept));
	else
		dv_out("%s %s (%s) %s, %s kept", dv_cli_count(n, s->chunks_dropped),
		       dv_out_plural(s->chunks_dropped, "chunk", "chunks"),
		       dv_out_size(freed, s->bytes_freed), a->dry ? "would be dropped" : "dropped",
		       dv_out_size(kept, s->bytes_kept));
	if (s->bytes_unused)
		dv_out(", %s of it unused", dv_out_size(unused, s->bytes_unused));
	dv_out("\n");
	if (s->kept_not_on_remote)
		dv_out_hint("%s unused %s kept because no remote has %s; '--force' drops %s",
			    dv_cli_count(n, s->kept_not_on_remote),
			    dv_out_plural(s->kept_not_on_remote, "object is", "objects are"),
			    dv_out_plural(s->kept_not_on_remote, "it", "them"),
			    dv_out_plural(s->kept_not_on_remote, "it", "them"));
}

static int remote_json(const gc_args *a, const dv_gc_summary *s)
{
	json_t *doc = json_object();

	json_object_set_new(doc, "dry", json_boolean(a->dry));
	dv_cli_json_count(doc, "roots_kept", s->roots_kept);
	dv_cli_json_count(doc, "roots_dropped", s->roots_dropped);
	dv_cli_json_count(doc, "roots_of_others", s->roots_of_others);
	dv_cli_json_count(doc, "roots_unknown", s->roots_unknown);
	dv_cli_json_count(doc, "packs_rewritten", s->packs_rewritten);
	dv_cli_json_count(doc, "packs_condemned", s->packs_dropped);
	dv_cli_json_count(doc, "bytes_condemned", s->bytes_freed);
	dv_cli_json_count(doc, "bytes_kept", s->bytes_kept);
	dv_cli_json_count(doc, "files_removed", s->files_removed);
	dv_cli_json_count(doc, "bytes_removed", s->bytes_removed);
	dv_cli_json_count(doc, "files_waiting", s->files_waiting);
	dv_cli_json_count(doc, "bytes_waiting", s->bytes_waiting);
	return dv_out_json(doc);
}

static void remote_text(const gc_args *a, const dv_gc_summary *s)
{
	char n[DV_CLI_COUNT_MAX], size[DV_OUT_SIZE_MAX], kept[DV_OUT_SIZE_MAX];

	if (s->roots_dropped)
		dv_out("%s pushed %s %s needed any more\n", dv_cli_count(n, s->roots_dropped),
		       dv_out_plural(s->roots_dropped, "object", "objects"),
		       s->roots_dropped == 1 ? "is not" : "are not");
	if (s->packs_rewritten)
		dv_out("%s %s %s, of which little was needed\n",
		       dv_cli_count(n, s->packs_rewritten),
		       dv_out_plural(s->packs_rewritten, "pack", "packs"),
		       a->dry ? "would be rewritten" : "rewritten");
	if (s->packs_dropped)
		dv_out("%s %s (%s) %s, %s kept\n", dv_cli_count(n, s->packs_dropped),
		       dv_out_plural(s->packs_dropped, "pack", "packs"),
		       dv_out_size(size, s->bytes_freed),
		       a->dry ? "would be condemned" : "condemned",
		       dv_out_size(kept, s->bytes_kept));
	else
		dv_out("Nothing to condemn, %s kept\n", dv_out_size(kept, s->bytes_kept));
	if (s->files_removed)
		dv_out("%s %s (%s) %s\n", dv_cli_count(n, s->files_removed),
		       dv_out_plural(s->files_removed, "file", "files"),
		       dv_out_size(size, s->bytes_removed),
		       a->dry ? "would be removed" : "removed");
	if (s->files_waiting)
		dv_out_hint("%s %s for readers and writers under way; 'dv gc --remote' removes "
			    "%s later", dv_cli_count(n, s->files_waiting),
			    dv_out_plural(s->files_waiting, "file stays", "files stay"),
			    dv_out_plural(s->files_waiting, "it", "them"));
	if (s->roots_unknown)
		dv_out_hint("%s pushed %s kept because no commit here names %s: 'git fetch' may "
			    "bring it, '--force' drops %s", dv_cli_count(n, s->roots_unknown),
			    dv_out_plural(s->roots_unknown, "object is", "objects are"),
			    dv_out_plural(s->roots_unknown, "it", "them"),
			    dv_out_plural(s->roots_unknown, "it", "them"));
}

/* What belongs to one kind of collection alone; *grace as the library wants it. */
static int check_remote_opts(const gc_args *a, int *grace)
{
	bool remote = a->remote || a->remote_name;
	char *end = NULL;
	long n = 0;

	if (remote && a->repack) {
		dv_out_error("'--repack' is for the cache, not for a remote");
		return DV_EXIT_USAGE;
	}
	*grace = 0;
	if (!a->grace)
		return DV_EXIT_OK;
	errno = 0;
	n = strtol(a->grace, &end, 10);
	if (!remote || errno || end == a->grace || *end || n < 0 || n > 24 * 365) {
		dv_out_error(remote ? "'--grace' takes a number of hours"
				    : "'--grace' is for remotes");
		return DV_EXIT_USAGE;
	}
	*grace = n ? (int)n : -1;
	return DV_EXIT_OK;
}

static int gc_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const gc_args *a = args;
	dv_gc_options o = {
		.workspace = a->workspace,
		.all_branches = a->all_branches,
		.all_tags = a->all_tags,
		.all_commits = a->all_commits,
		.revs = a->revs.items,
		.nrevs = a->revs.len,
		.last_n = a->last_n,
		.dry = a->dry,
		.force = a->force,
		.repack = a->repack,
		.remote = a->remote || a->remote_name,
		.remote_name = a->remote_name,
	};
	static const char *const head[] = { "HEAD" };
	dv_gc_summary sum = { 0 };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_out_operands(cli, argc, 0, 0);

	(void)argv;
	if (!rc)
		rc = check_remote_opts(a, &o.grace);
	if (rc)
		return rc;
	if (!a->workspace && !a->all_branches && !a->all_tags && !a->all_commits &&
	    !a->revs.len && !a->last_n) {
		dv_out_error("'dv gc' must be told what to keep");
		dv_out_hint("'-w' keeps what the workspace needs, '-a' all branches, '-T' all "
			    "tags, '-A' all commits");
		return DV_EXIT_USAGE;
	}
	/* A number of commits alone counts from where we are. */
	if (!a->workspace && !a->all_branches && !a->all_tags && !a->all_commits && !o.nrevs) {
		o.revs = head;
		o.nrevs = 1;
	}
	rc = dv_cli_open(&r);
	if (rc)
		return rc;
	rc = dv_gc(r, &o, &sum);
	if (rc)
		return dv_out_fail(rc);
	if (cli->json)
		return o.remote ? remote_json(a, &sum) : gc_json(a, &sum);
	if (!cli->quiet && o.remote)
		remote_text(a, &sum);
	else if (!cli->quiet)
		gc_text(a, &sum);
	return DV_EXIT_OK;
}

static const dv_opt gc_opts[] = {
	DV_OPT_FLAG('w', "workspace", gc_args, workspace, "keep what the workspace needs"),
	DV_OPT_FLAG('a', "all-branches", gc_args, all_branches, "keep what all branches need"),
	DV_OPT_FLAG('T', "all-tags", gc_args, all_tags, "keep what all tags need"),
	DV_OPT_FLAG('A', "all-commits", gc_args, all_commits, "keep what any commit needs"),
	DV_OPT_STRLIST(0, "rev", gc_args, revs, "REV",
		       "keep this revision, or range A..B; may be repeated"),
	DV_OPT_INT('n', "num", gc_args, last_n, "N", "also the last N commits of each revision"),
	DV_OPT_FLAG(0, "dry", gc_args, dry, "only tell what would be dropped"),
	DV_OPT_FLAG('f', "force", gc_args, force, "drop also what is on no remote"),
	DV_OPT_FLAG(0, "repack", gc_args, repack,
		    "store newest versions in full, older ones as deltas"),
	DV_OPT_FLAG(0, "remote", gc_args, remote, "collect the remote, not the cache"),
	DV_OPT_STR('r', "remote-name", gc_args, remote_name, "NAME", "collect this remote"),
	DV_OPT_STR(0, "grace", gc_args, grace, "HOURS",
		   "how long condemned packs stay for readers (24)"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_gc = {
	.name = "gc",
	.group = DV_GROUP_KEEP,
	.summary = "drop from the cache or a remote what nothing needs",
	.synopsis = "-w | -a | -T | -A | --rev REV | -n N [--repack | --remote] [--dry] [-f]",
	.opts = gc_opts,
	.args_size = sizeof(gc_args),
	.run = gc_run,
	.flags = DV_CMD_JSON,
};
