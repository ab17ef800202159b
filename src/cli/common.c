/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What several commands share.
 */
#include "cli/common.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int dv_cli_open(dv_repo **out)
{
	int rc = dv_repo_open(out, NULL);

	return rc ? dv_out_fail(rc) : 0;
}

int dv_cli_begin(const dv_cli *cli, int argc, int min, int max, dv_repo **out)
{
	int rc = dv_out_operands(cli, argc, min, max);

	return rc ? rc : dv_cli_open(out);
}

int dv_cli_check_to_remote(bool to_remote, const char *remote, bool no_download)
{
	if (to_remote && no_download)
		return dv_out_usage("'--to-remote' reads the data, '--no-download' does not");
	if (remote && !to_remote)
		return dv_out_usage("'--remote' goes with '--to-remote'");
	return 0;
}

int dv_cli_begin_list(const dv_cli *cli, int argc, int min, int max, dv_repo **out, json_t **list)
{
	int rc = dv_cli_begin(cli, argc, min, max, out);

	if (!rc && cli->json)
		*list = json_array();
	return rc;
}

static bool has_name(const char *dir, const char *name)
{
	struct stat st;
	char path[4096];

	return (size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) < sizeof(path) &&
	       stat(path, &st) == 0;
}

/* Is the folder the root of the workspace that we are in? */
static bool is_workspace(const char *dir)
{
	dv_cli_autorepo dv_repo *r = NULL;
	dv_cli_autofree char *real = realpath(dir, NULL);

	return real && dv_repo_open(&r, NULL) == 0 && strcmp(real, dv_repo_root(r)) == 0;
}

bool dv_cli_is_address(const char *name)
{
	const char *at = strchr(name, '@'), *colon = strchr(name, ':'), *slash = strchr(name, '/');
	struct stat st;

	if (strstr(name, "://") || (colon && colon[1] == ':'))
		return true;
	if (at && colon && at < colon && (!slash || colon < slash) && stat(name, &st))
		return true;
	return (has_name(name, ".git") && !is_workspace(name)) ||
	       (has_name(name, "HEAD") && has_name(name, "objects") && has_name(name, "refs"));
}

bool dv_cli_in_git(dv_repo *r)
{
	dv_cli_autofree char *path = strdup(dv_repo_root(r));

	while (path && *path) {
		dv_cli_autofree char *git = NULL;
		char *slash;

		if (asprintf(&git, "%s/.git", path) < 0) {
			git = NULL;
			return false;
		}
		if (!access(git, F_OK))
			return true;
		slash = strrchr(path, '/');
		if (!slash)
			return false;
		*slash = 0;
	}
	return false;
}

/* -- text -------------------------------------------------------------------------------------- */

const char *dv_cli_count(char buf[DV_CLI_COUNT_MAX], uint64_t n)
{
	char digits[24];
	size_t len = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, n), o = 0;

	for (size_t i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			buf[o++] = ',';
		buf[o++] = digits[i];
	}
	buf[o] = 0;
	return buf;
}

static const struct {
	const char *text, *key;
	char letter;
	int color; /* -1: none */
} kinds[] = {
	[DV_UNCHANGED] = { "unchanged", "unchanged", ' ', -1 },
	[DV_ADDED] = { "added", "added", 'A', DV_COLOR_GREEN },
	[DV_MODIFIED] = { "modified", "modified", 'M', DV_COLOR_YELLOW },
	[DV_DELETED] = { "deleted", "deleted", 'D', DV_COLOR_RED },
	[DV_RENAMED] = { "renamed", "renamed", 'R', DV_COLOR_CYAN },
	[DV_NOT_IN_CACHE] = { "not in cache", "not_in_cache", 'C', DV_COLOR_RED },
	[DV_NOT_IN_REMOTE] = { "not in remote", "not_in_remote", 'P', DV_COLOR_YELLOW },
	[DV_NOT_CHECKED_OUT] = { "not checked out", "not_checked_out", '-', DV_COLOR_RED },
};
#define N_KINDS (sizeof(kinds) / sizeof(*kinds))

const char *dv_cli_kind(enum dv_change_kind kind)
{
	return (size_t)kind < N_KINDS ? kinds[kind].text : "unknown";
}

const char *dv_cli_kind_key(enum dv_change_kind kind)
{
	return (size_t)kind < N_KINDS ? kinds[kind].key : "unknown";
}

char dv_cli_kind_letter(enum dv_change_kind kind)
{
	return (size_t)kind < N_KINDS ? kinds[kind].letter : '?';
}

const char *dv_cli_kind_color(enum dv_change_kind kind)
{
	if ((size_t)kind >= N_KINDS || kinds[kind].color < 0)
		return "";
	return dv_out_color((enum dv_color)kinds[kind].color);
}

void dv_cli_change_line(const char *indent, const char *word, const dv_change *c)
{
	const char *color = dv_cli_kind_color(c->kind);

	dv_out("%s%s%s", indent, color, word);
	if (c->old_path) {
		dv_out_name(c->old_path);
		dv_out(" -> ");
	}
	dv_out_name(c->path);
	dv_out("%s%s\n", c->is_dir ? "/" : "", *color ? dv_out_color_end() : "");
}

static int no_entry(const dv_entry *e, void *payload)
{
	(void)e;
	*(bool *)payload = true;
	return DV_ECANCELLED;
}

bool dv_cli_is_tracked(dv_repo *r, const char *name, bool doubt)
{
	bool found = false;
	int rc = dv_ls(r, NULL, name, false, no_entry, &found);

	/* A listing that cannot be had, or a record that cannot be read, is no answer. */
	if (!rc || found)
		return true;
	return rc != DV_ENOTFOUND && rc != DV_EUSAGE && doubt;
}

/* -- JSON -------------------------------------------------------------------------------------- */

void dv_cli_json_count(json_t *object, const char *key, uint64_t n)
{
	json_object_set_new(object, key,
			    json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n));
}

void dv_cli_json_oid(json_t *object, const char *key, const char *hex)
{
	json_object_set_new(object, key, hex ? json_sprintf("sha256:%s", hex) : json_null());
}

static void set_bool(json_t *object, const char *key, bool b)
{
	json_object_set_new(object, key, json_boolean(b));
}

json_t *dv_cli_change_json(const dv_change *c)
{
	json_t *j = json_object();

	json_object_set_new(j, "kind", json_string(dv_cli_kind_key(c->kind)));
	dv_out_json_bytes(j, "output", c->output);
	dv_out_json_bytes(j, "stage", c->stage);
	dv_out_json_bytes(j, "path", c->path);
	dv_out_json_bytes(j, "old_path", c->old_path);
	dv_cli_json_oid(j, "old_oid", c->old_oid);
	dv_cli_json_oid(j, "new_oid", c->new_oid);
	dv_cli_json_count(j, "old_size", c->old_size);
	dv_cli_json_count(j, "new_size", c->new_size);
	set_bool(j, "is_dir", c->is_dir);
	set_bool(j, "filtered", c->filtered);
	set_bool(j, "recorded", c->recorded);
	return j;
}

json_t *dv_cli_checkout_json(const dv_checkout_summary *s)
{
	json_t *j = json_object();

	dv_cli_json_count(j, "outputs", s->outputs);
	dv_cli_json_count(j, "added", s->added);
	dv_cli_json_count(j, "modified", s->modified);
	dv_cli_json_count(j, "deleted", s->deleted);
	dv_cli_json_count(j, "relinked", s->relinked);
	dv_cli_json_count(j, "bytes", s->bytes);
	return j;
}

json_t *dv_cli_event_json(const dv_output_event *e)
{
	json_t *j = json_object();

	dv_out_json_bytes(j, "path", e->path);
	dv_out_json_bytes(j, "pointer", e->pointer);
	dv_cli_json_oid(j, "oid", e->oid);
	set_bool(j, "is_dir", e->is_dir);
	set_bool(j, "changed", e->changed);
	dv_cli_json_count(j, "size", e->size);
	dv_cli_json_count(j, "files", e->nfiles);
	if (e->sent_to) {
		dv_out_json_bytes(j, "remote", e->sent_to);
		dv_cli_json_count(j, "sent", e->sent);
	}
	return j;
}

/* -- recording --------------------------------------------------------------------------------- */

int dv_cli_recorded(const dv_output_event *e, void *outputs)
{
	dv_cli_outputs *o = outputs;
	char count[DV_CLI_COUNT_MAX], size[DV_OUT_SIZE_MAX], more[DV_OUT_SIZE_MAX];
	uint64_t grown = e->stored > o->stored ? e->stored - o->stored : 0;

	o->stored = e->stored > o->stored ? e->stored : o->stored;
	o->total++;
	if (e->changed) {
		o->changed++;
		free(o->pointer);
		o->pointer = e->pointer ? strdup(e->pointer) : NULL;
	}
	if (o->list) {
		json_array_append_new(o->list, dv_cli_event_json(e));
		return 0;
	}
	if (o->quiet)
		return 0;
	dv_out_name(e->path);
	if (!e->changed && !e->made && !e->sent) {
		dv_out(": unchanged\n");
		return 0;
	}
	dv_out(": ");
	if (e->is_dir)
		dv_out("%s %s, ", dv_cli_count(count, e->nfiles),
		       dv_out_plural(e->nfiles, "file", "files"));
	if (e->is_dir && e->nfiles < e->nfiles_before)
		dv_out("%s fewer than before, ", dv_cli_count(count, e->nfiles_before - e->nfiles));
	if (e->sent_to) {
		dv_out("%s recorded (%s new on remote ", dv_out_size(size, e->size),
		       dv_out_size(more, e->sent));
		dv_out_name(e->sent_to);
		dv_out(")\n");
		return 0;
	}
	dv_out("%s %s (%s new in the cache)\n", dv_out_size(size, e->size),
	       e->made ? "stored" : "recorded", dv_out_size(more, grown));
	return 0;
}

int dv_cli_recorded_end(dv_repo *r, dv_cli_outputs *o, int rc, bool no_stage, bool hint)
{
	dv_cli_autofree char *pointer = o->pointer;
	const char *what = no_stage ? "stage and commit" : "commit";
	int code = rc ? dv_out_fail(rc) : DV_EXIT_OK;
	char count[DV_CLI_COUNT_MAX];

	o->pointer = NULL;
	if (o->list) {
		json_t *doc = json_object();

		json_object_set_new(doc, "outputs", o->list);
		dv_cli_json_count(doc, "stored", o->stored);
		o->list = NULL;
		dv_out_json(doc);
		return code;
	}
	if (code || !hint || o->quiet || !o->changed || !dv_cli_in_git(r))
		return code;
	if (o->changed == 1 && pointer)
		dv_out_hint("%s '%s' with git", what, pointer);
	else
		dv_out_hint("%s the %s pointers with git", what, dv_cli_count(count, o->changed));
	return code;
}

/* -- checking out ------------------------------------------------------------------------------ */

int dv_cli_changed(const dv_change *c, void *changes)
{
	dv_cli_changes *out = changes;
	char word[] = { dv_cli_kind_letter(c->kind), ' ', 0 };

	if (c->kind == DV_UNCHANGED)
		return 0;
	if (out->list)
		json_array_append_new(out->list, dv_cli_change_json(c));
	else if (!out->silent)
		dv_cli_change_line("", word, c);
	return 0;
}

void dv_cli_checkout_line(const dv_checkout_summary *s)
{
	char a[DV_CLI_COUNT_MAX], m[DV_CLI_COUNT_MAX], d[DV_CLI_COUNT_MAX];

	if (s->relinked)
		dv_out("%s %s made anew as cache.type asks\n", dv_cli_count(a, s->relinked),
		       dv_out_plural(s->relinked, "file", "files"));
	if (!s->added && !s->modified && !s->deleted && !s->relinked && !s->outputs)
		dv_out("Nothing changed.\n");
	else if (!s->added && !s->modified && !s->deleted && !s->relinked)
		dv_out("Only empty directories changed\n");
	else if (s->added || s->modified || s->deleted)
		dv_out("%s %s added, %s modified, %s deleted\n", dv_cli_count(a, s->added),
		       dv_out_plural(s->added, "file", "files"), dv_cli_count(m, s->modified),
		       dv_cli_count(d, s->deleted));
}

/* -- transfer ---------------------------------------------------------------------------------- */

dv_transfer_options dv_cli_transfer_options(const dv_cli_transfer *a)
{
	return (dv_transfer_options){
		.remote = a->remote,
		.all_branches = a->all_branches,
		.all_tags = a->all_tags,
		.all_commits = a->all_commits,
		.revs = a->revs.items,
		.nrevs = a->revs.len,
		.jobs = a->jobs,
		.dry = a->dry,
		.glob = a->glob,
		.force = a->force,
		.relink = a->relink,
		.wait = a->wait,
		.limit_rate = a->limit_rate,
	};
}

json_t *dv_cli_transfer_json(const dv_cli_transfer *a, const dv_transfer_summary *s)
{
	json_t *j = json_object();

	set_bool(j, "dry", a->dry);
	dv_cli_json_count(j, "objects", s->objects);
	dv_cli_json_count(j, "chunks", s->chunks);
	dv_cli_json_count(j, "packs", s->packs);
	dv_cli_json_count(j, "bytes", s->bytes);
	dv_cli_json_count(j, "files", s->files);
	dv_cli_json_count(j, "requests", s->requests);
	dv_cli_json_count(j, "sent", s->sent);
	dv_cli_json_count(j, "received", s->received);
	return j;
}

static int keep_name(const dv_remote_info *i, void *payload)
{
	char **name = payload;

	free(*name);
	*name = strdup(i->name);
	return 0;
}

void dv_cli_transfer_line(dv_repo *r, const dv_cli_transfer *a, const dv_transfer_summary *s,
			  const char *verb, const char *dry_verb)
{
	dv_cli_autofree char *name = NULL, *quoted = NULL;
	char count[DV_CLI_COUNT_MAX], size[DV_OUT_SIZE_MAX];
	uint64_t n = s->packs ? s->packs : s->chunks;
	const char *things = s->packs ? dv_out_plural(n, "pack", "packs")
				      : dv_out_plural(n, "chunk", "chunks");

	if (!s->packs && !s->chunks && !s->bytes) {
		dv_out("Everything is up to date");
		if (s->requests)
			dv_out(" (%s %s)", dv_cli_count(count, s->requests),
			       dv_out_plural(s->requests, "request", "requests"));
		dv_out(".\n");
		return;
	}
	if (!a->remote)
		dv_remote_default(r, DV_CONFIG_ANY, NULL, keep_name, &name);
	quoted = dv_out_quote(a->remote ? a->remote : name ? name : "the remote");
	/* What has no chunks: listings of directories alone. */
	if (n)
		dv_out("%s %s, ", dv_cli_count(count, n), things);
	dv_out("%s %s '%s'", dv_out_size(size, s->bytes), a->dry ? dry_verb : verb, quoted);
	if (a->dry) {
		dv_out(" (%s %s", dv_cli_count(count, s->files),
		       dv_out_plural(s->files, "file", "files"));
		dv_out(", %s %s)", dv_cli_count(count, s->requests),
		       dv_out_plural(s->requests, "request", "requests"));
	}
	dv_out("\n");
}

int dv_cli_transfer_run(const dv_cli *cli, const dv_cli_transfer *a, int argc, char **argv,
			dv_cli_transfer_fn fn, const char *verb, const char *dry_verb)
{
	dv_transfer_options o = dv_cli_transfer_options(a);
	dv_transfer_summary sum = { 0 };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_open(&r);

	if (rc)
		return rc;
	rc = fn(r, dv_cli_targets(argv), (size_t)argc, &o, &sum);
	if (rc)
		return dv_out_fail(rc);
	if (cli->json)
		return dv_out_json(dv_cli_transfer_json(a, &sum));
	if (!cli->quiet)
		dv_cli_transfer_line(r, a, &sum, verb, dry_verb);
	return DV_EXIT_OK;
}

/* -- settings ---------------------------------------------------------------------------------- */

int dv_cli_level(enum dv_config_level *out, const dv_cli_levels *l,
		 enum dv_config_level otherwise)
{
	if (l->system + l->global + l->repo + l->local > 1)
		return dv_out_usage("give only one of '--system', '--global', '--repo' and "
				    "'--local'");
	*out = l->system   ? DV_CONFIG_SYSTEM
	       : l->global ? DV_CONFIG_GLOBAL
	       : l->repo   ? DV_CONFIG_REPO
	       : l->local  ? DV_CONFIG_LOCAL
			   : otherwise;
	return 0;
}

/* -- stages ------------------------------------------------------------------------------------ */

int dv_cli_stage_changed(const char *file, const char *name, bool changed, void *stages)
{
	dv_cli_stages *s = stages;

	s->changed |= changed;
	if (s->list) {
		json_t *j = json_object();

		dv_out_json_bytes(j, "file", file);
		dv_out_json_bytes(j, "name", name);
		json_object_set_new(j, "changed", json_boolean(changed));
		json_array_append_new(s->list, j);
	} else if (!s->quiet) {
		dv_out_name(name);
		dv_out(": %s ", changed ? s->done : s->was);
		dv_out_name(file);
		dv_out("\n");
	}
	return 0;
}

int dv_cli_stages_end(dv_repo *r, dv_cli_stages *s, int rc, bool no_stage)
{
	if (rc) {
		json_decref(s->list);
		return dv_out_fail(rc);
	}
	if (s->list) {
		json_t *doc = json_object();

		json_object_set_new(doc, "stages", s->list);
		return dv_out_json(doc);
	}
	if (!s->quiet && s->changed && dv_cli_in_git(r))
		dv_out_hint("%s the change with git", no_stage ? "stage and commit" : "commit");
	return DV_EXIT_OK;
}
