/* SPDX-License-Identifier: Apache-2.0 */
/* Lines and JSON of what was taken over from another tool. */
#include "cli/takeover.h"
#include "cli/common.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const words[] = {
	[DV_TAKEN] = "taken over", [DV_TAKEN_BEFORE] = "taken over before",
	[DV_TAKE_MISSING] = "missing", [DV_TAKE_LEFT] = "left", [DV_TAKE_PLANNED] = "to take over",
	[DV_TAKE_REMOVED] = "removed",
};
static const char *const keys[] = {
	[DV_TAKEN] = "taken", [DV_TAKEN_BEFORE] = "taken_before", [DV_TAKE_MISSING] = "missing",
	[DV_TAKE_LEFT] = "left", [DV_TAKE_PLANNED] = "planned", [DV_TAKE_REMOVED] = "removed",
};

static void set_name(json_t *item, const char *key, const char *value)
{
	if (value)
		dv_out_json_bytes(item, key, value);
}

static int add(json_t *list, const dv_takeover *t)
{
	json_t *item = json_object();

	json_object_set_new(item, "what", json_string(keys[t->kind]));
	set_name(item, "from", t->from);
	set_name(item, "to", t->to);
	set_name(item, "path", t->path);
	set_name(item, "why", t->why);
	if (t->oid) {
		dv_cli_json_oid(item, "oid", t->oid);
		dv_cli_json_count(item, "size", t->size);
		dv_cli_json_count(item, "nfiles", t->nfiles);
	}
	return json_array_append_new(list, item);
}

/* "missing: data/a.csv (22a1…), which 'data.dvc' names" */
static void show(const dv_takeover *t)
{
	const char *what = t->path ? t->path : t->from;

	dv_out("%s: ", words[t->kind]);
	dv_out_name(what);
	if (t->to) {
		dv_out(" -> ");
		dv_out_name(t->to);
	}
	if (t->why) {
		dv_cli_autofree char *why = dv_out_quote(t->why);

		dv_out(t->kind == DV_TAKE_LEFT ? ": %s" : " (%s)", why);
	}
	if (t->path && t->kind != DV_TAKEN && t->kind != DV_TAKEN_BEFORE) {
		dv_out(", named by ");
		dv_out_name(t->from);
	}
	dv_out("\n");
}

int dv_cli_taken(const dv_takeover *t, void *takeovers)
{
	dv_cli_takeovers *all = takeovers;
	const bool news = t->kind != DV_TAKEN_BEFORE;

	all->changed += t->kind == DV_TAKEN || t->kind == DV_TAKE_REMOVED;
	if (all->list)
		return add(all->list, t);
	if (t->kind == DV_TAKE_MISSING || (!all->quiet && (news || all->verbose)))
		show(t);
	return 0;
}

static int document(dv_cli_takeovers *t, const dv_takeover_summary *sum)
{
	json_t *doc = json_object();

	dv_cli_json_count(doc, "outputs", sum->outputs);
	dv_cli_json_count(doc, "files", sum->files);
	dv_cli_json_count(doc, "bytes", sum->bytes);
	dv_cli_json_count(doc, "stages", sum->stages);
	dv_cli_json_count(doc, "settings", sum->settings);
	dv_cli_json_count(doc, "missing", sum->missing);
	dv_cli_json_count(doc, "left", sum->left);
	dv_cli_json_count(doc, "removed", sum->removed);
	json_object_set_new(doc, "items", t->list);
	t->list = NULL;
	return dv_out_json(doc);
}

int dv_cli_taken_end(dv_cli_takeovers *t, int rc, const dv_takeover_summary *sum, const char *hint)
{
	char outputs[DV_CLI_COUNT_MAX], files[DV_CLI_COUNT_MAX], size[DV_OUT_SIZE_MAX];

	if (rc && rc != DV_EPARTIAL) {
		json_decref(t->list);
		return dv_out_fail(rc);
	}
	if (t->list) {
		document(t, sum);
	} else if (!t->quiet) {
		dv_out("%s %s%s", dv_cli_count(outputs, sum->outputs),
		       dv_out_plural(sum->outputs, "output", "outputs"),
		       t->dry ? " to take over" : "");
		if (!t->dry)
			dv_out(" (%s %s, %s)", dv_cli_count(files, sum->files),
			       dv_out_plural(sum->files, "file", "files"),
			       dv_out_size(size, sum->bytes));
		if (sum->stages)
			dv_out(", %s %s", dv_cli_count(files, sum->stages),
			       dv_out_plural(sum->stages, "stage", "stages"));
		if (sum->missing)
			dv_out(", %s missing", dv_cli_count(files, sum->missing));
		if (sum->left)
			dv_out(", %s left", dv_cli_count(files, sum->left));
		dv_out("\n");
		if (!t->dry && t->changed && hint)
			dv_out_hint("%s", hint);
	}
	return rc ? dv_out_fail(rc) : DV_EXIT_OK;
}

/* -- where it goes ----------------------------------------------------------------------------- */

static bool has(const char *dir, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	return snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path &&
	       !lstat(path, &st);
}

/* The folder here or above that has `name`; false when there is none. */
static bool find_above(char dir[PATH_MAX], const char *name)
{
	if (!getcwd(dir, PATH_MAX))
		return false;
	while (!has(dir, name)) {
		char *slash = strrchr(dir, '/');

		if (!slash || !dir[1])
			return false;
		slash[slash == dir] = 0;
	}
	return true;
}

int dv_cli_open_or_init(dv_repo **r, const char *mark, const char *with, bool dry)
{
	char dir[PATH_MAX], git[PATH_MAX];
	const dv_init_options o = { .subdir = true, .no_scm = !find_above(git, ".git") };
	int rc = dv_repo_open(r, NULL);

	if (rc != DV_ENOREPO || !find_above(dir, mark) || (with && !has(dir, with)))
		return rc ? dv_out_fail(rc) : 0;
	if (dry) {
		dv_out_fail(rc);
		dv_out_hint("without '--dry' this command makes '%s' one", dir);
		return DV_EXIT_FAILED;
	}
	rc = dv_init(dir, &o);
	if (!rc)
		rc = dv_repo_open(r, NULL);
	return rc ? dv_out_fail(rc) : 0;
}
