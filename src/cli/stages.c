/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words for stages.
 */
#include "cli/stages.h"

static const char *const whys[] = {
	[DV_WHY_NEW] = "new", [DV_WHY_ALWAYS] = "always", [DV_WHY_FORCED] = "forced",
	[DV_WHY_CMD] = "cmd", [DV_WHY_DEP] = "dep", [DV_WHY_PARAM] = "param",
	[DV_WHY_OUT] = "out", [DV_WHY_UPSTREAM] = "upstream",
};

static const char *const states[] = {
	[DV_STAGE_UNCHANGED] = "unchanged", [DV_STAGE_STALE] = "stale",
	[DV_STAGE_RUNS] = "runs", [DV_STAGE_RAN] = "ran", [DV_STAGE_CACHED] = "cached",
	[DV_STAGE_FAILED] = "failed", [DV_STAGE_RETRIED] = "retried",
	[DV_STAGE_CANCELLED] = "cancelled", [DV_STAGE_SKIPPED] = "skipped",
};

static const char *change_of(enum dv_change_kind kind)
{
	switch (kind) {
	case DV_ADDED:
		return "is new";
	case DV_DELETED:
		return "is not there";
	case DV_NOT_IN_CACHE:
		return "is not in the cache";
	default:
		return "changed";
	}
}

char *dv_cli_reason(const dv_reason *r)
{
	dv_cli_autofree char *path = dv_out_quote(r->path ? r->path : "");
	dv_cli_autofree char *key = dv_out_quote(r->key ? r->key : "");
	const char *change = change_of(r->kind);
	char *text = NULL;
	int n = 0;

	switch (r->why) {
	case DV_WHY_NEW:
		n = asprintf(&text, "it never ran");
		break;
	case DV_WHY_ALWAYS:
		n = asprintf(&text, "it always runs");
		break;
	case DV_WHY_FORCED:
		n = asprintf(&text, "it was asked for");
		break;
	case DV_WHY_CMD:
		n = asprintf(&text, "the command changed");
		break;
	case DV_WHY_DEP:
		n = asprintf(&text, "the dependency '%s' %s", path, change);
		break;
	case DV_WHY_OUT:
		n = asprintf(&text, "the output '%s' %s", path, change);
		break;
	case DV_WHY_UPSTREAM:
		n = asprintf(&text, "'%s' runs before", path);
		break;
	case DV_WHY_PARAM:
		n = r->key ? asprintf(&text, "the parameter '%s' of '%s' %s", key, path, change)
			   : asprintf(&text, "the parameters in '%s' %s", path,
				      r->kind == DV_DELETED ? "are not there" : "are new");
		break;
	}
	return n < 0 ? NULL : text;
}

json_t *dv_cli_reason_json(const dv_reason *r)
{
	json_t *j = json_object();

	json_object_set_new(j, "why", json_string(whys[r->why]));
	json_object_set_new(j, "kind", json_string(dv_cli_kind_key(r->kind)));
	if (r->path)
		dv_out_json_bytes(j, "path", r->path);
	if (r->key)
		dv_out_json_bytes(j, "key", r->key);
	return j;
}

void dv_cli_reasons(const char *indent, const dv_stage_event *e)
{
	for (size_t i = 0; i < e->nreasons; i++) {
		dv_cli_autofree char *text = dv_cli_reason(&e->reasons[i]);

		dv_out("%s%s\n", indent, text ? text : "");
	}
}

json_t *dv_cli_stage_json(const dv_stage_event *e)
{
	json_t *j = json_object(), *reasons = json_array();

	dv_out_json_bytes(j, "name", e->name);
	json_object_set_new(j, "state", json_string(states[e->state]));
	for (size_t i = 0; i < e->nreasons; i++)
		json_array_append_new(reasons, dv_cli_reason_json(&e->reasons[i]));
	json_object_set_new(j, "reasons", reasons);
	if (e->frozen)
		json_object_set_new(j, "frozen", json_true());
	if (e->state == DV_STAGE_RAN || e->state == DV_STAGE_FAILED)
		json_object_set_new(j, "seconds", json_real(e->seconds));
	if (e->state == DV_STAGE_FAILED || e->state == DV_STAGE_CANCELLED)
		json_object_set_new(j, "exit_code", json_integer(e->exit_code));
	if (e->error && *e->error)
		dv_out_json_bytes(j, "error", e->error);
	return j;
}
