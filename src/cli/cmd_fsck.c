/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv fsck: verifies a whole store.
 *
 * Damages of one thing come as one event for each output that it touches; they are gathered into
 * one line.
 */
#include "cli/commands.h"
#include "cli/common.h"

#include <string.h>

typedef struct fsck_args {
	bool remote, repair, quick, full;
	const char *remote_name;
	int jobs;
} fsck_args;

/* `damages` is an array of objects as --json shows them. */
static json_t *find(json_t *damages, const dv_damage *d, const char *name)
{
	size_t n = json_array_size(damages);
	json_t *last = n ? json_array_get(damages, n - 1) : NULL;

	if (last && !strcmp(json_string_value(json_object_get(last, "kind")), d->kind) &&
	    !strcmp(json_string_value(json_object_get(last, "name")), name))
		return last;
	return NULL;
}

static int on_damage(const dv_damage *d, void *payload)
{
	json_t *damages = payload;
	const char *name = d->name ? d->name : "";
	json_t *j = find(damages, d, name);
	json_t *output = json_object();

	if (!j) {
		j = json_object();
		json_object_set_new(j, "kind", json_string(d->kind));
		dv_out_json_bytes(j, "name", name);
		dv_out_json_bytes(j, "detail", d->detail ? d->detail : "");
		json_object_set_new(j, "repaired", json_boolean(d->repaired));
		json_object_set_new(j, "outputs", json_array());
		json_array_append_new(damages, j);
	}
	if (d->output) {
		dv_out_json_bytes(output, "name", d->output);
		json_array_append(json_object_get(j, "outputs"), json_object_get(output, "name"));
	}
	json_decref(output);
	return 0;
}

static void print_damage(const json_t *j)
{
	const json_t *outputs = json_object_get(j, "outputs");
	bool repaired = json_is_true(json_object_get(j, "repaired"));

	dv_out("%s%s ", dv_out_color(repaired ? DV_COLOR_GREEN : DV_COLOR_RED),
	       json_string_value(json_object_get(j, "kind")));
	dv_out_name(json_string_value(json_object_get(j, "name")));
	dv_out("%s: ", dv_out_color_end());
	dv_out_name(json_string_value(json_object_get(j, "detail")));
	for (size_t i = 0; i < json_array_size(outputs); i++) {
		dv_out(i ? ", " : " (touches ");
		dv_out_name(json_string_value(json_array_get(outputs, i)));
	}
	dv_out("%s%s\n", json_array_size(outputs) ? ")" : "", repaired ? " - repaired" : "");
}

static void print_summary(const dv_fsck_summary *s)
{
	char p[DV_CLI_COUNT_MAX], c[DV_CLI_COUNT_MAX], size[DV_OUT_SIZE_MAX];
	char bad[DV_CLI_COUNT_MAX], good[DV_CLI_COUNT_MAX];

	dv_out("%s %s, %s %s, %s %s: ", dv_cli_count(p, s->packs),
	       dv_out_plural(s->packs, "pack", "packs"), dv_cli_count(c, s->chunks),
	       dv_out_plural(s->chunks, "chunk", "chunks"), dv_out_size(size, s->bytes),
	       s->quick ? "looked through" : "verified");
	if (!s->damaged)
		dv_out("no damage\n");
	else
		dv_out("%s damaged, %s repaired\n", dv_cli_count(bad, s->damaged),
		       dv_cli_count(good, s->repaired));
}

static void print_json(const dv_fsck_summary *s, json_t *damages)
{
	json_t *doc = json_object();

	dv_cli_json_count(doc, "packs", s->packs);
	dv_cli_json_count(doc, "segments", s->segments);
	dv_cli_json_count(doc, "chunks", s->chunks);
	dv_cli_json_count(doc, "recipes", s->recipes);
	dv_cli_json_count(doc, "trees", s->trees);
	dv_cli_json_count(doc, "bytes", s->bytes);
	dv_cli_json_count(doc, "damaged", s->damaged);
	dv_cli_json_count(doc, "repaired", s->repaired);
	json_object_set_new(doc, "quick", json_boolean(s->quick));
	json_object_set(doc, "damages", damages);
	dv_out_json(doc);
}

static int fsck_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const fsck_args *a = args;
	dv_fsck_options o = {
		.remote = a->remote || a->remote_name,
		.remote_name = a->remote_name,
		.repair = a->repair,
		.quick = a->quick,
		.full = a->full,
		.jobs = a->jobs,
	};
	dv_cli_autojson json_t *damages = json_array();
	dv_fsck_summary sum = { 0 };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_begin(cli, argc, 0, 0, &r);

	(void)argv;
	if (rc)
		return rc;
	rc = dv_fsck(r, &o, on_damage, damages, &sum);
	if (cli->json && !rc)
		print_json(&sum, damages);
	for (size_t i = 0; !cli->json && i < json_array_size(damages); i++)
		print_damage(json_array_get(damages, i));
	if (rc)
		return dv_out_fail(rc);
	if (!cli->json && !cli->quiet)
		print_summary(&sum);
	if (sum.damaged <= sum.repaired)
		return DV_EXIT_OK;
	if (!a->repair)
		dv_out_hint("%s", o.remote ? "'dv fsck --remote --repair' brings what the cache of "
					     "this clone has" :
					     "'dv fsck --repair' brings what the remote has");
	return DV_EXIT_DAMAGED;
}

static const dv_opt fsck_opts[] = {
	DV_OPT_FLAG(0, "remote", fsck_args, remote, "check the remote, not the cache"),
	DV_OPT_STR('r', "remote-name", fsck_args, remote_name, "NAME", "check this remote"),
	DV_OPT_FLAG(0, "full", fsck_args, full, "read every byte: the cache anyway, a remote too"),
	DV_OPT_FLAG(0, "quick", fsck_args, quick, "do not read the bytes of chunks"),
	DV_OPT_FLAG(0, "repair", fsck_args, repair, "bring what is damaged from the other store"),
	DV_OPT_COUNT('j', "jobs", fsck_args, jobs, "N", "number of threads"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_fsck = {
	.name = "fsck",
	.group = DV_GROUP_KEEP,
	.summary = "verify everything that is stored",
	.synopsis = "[--remote] [-r NAME] [--full | --quick] [--repair] [-j N]",
	.opts = fsck_opts,
	.args_size = sizeof(fsck_args),
	.run = fsck_run,
	.flags = DV_CMD_JSON,
};
