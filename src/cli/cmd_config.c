/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv config: shows and changes settings.
 */
#include "cli/commands.h"
#include "cli/common.h"

typedef struct config_args {
	dv_cli_levels levels;
	bool list, unset, show_origin;
} config_args;

typedef struct config_state {
	json_t *list; /* with --json */
	bool with_key, with_origin;
	uint64_t n;
} config_state;

static const char *level_name(enum dv_config_level level)
{
	switch (level) {
	case DV_CONFIG_SYSTEM:
		return "system";
	case DV_CONFIG_GLOBAL:
		return "global";
	case DV_CONFIG_REPO:
		return "repo";
	case DV_CONFIG_LOCAL:
		return "local";
	default:
		return "any";
	}
}

static int on_value(const dv_config_value *v, void *payload)
{
	config_state *s = payload;

	s->n++;
	if (s->list) {
		json_t *j = json_object();

		dv_out_json_bytes(j, "key", v->key);
		dv_out_json_bytes(j, "value", v->value);
		json_object_set_new(j, "level", json_string(level_name(v->level)));
		dv_out_json_bytes(j, "origin", v->origin);
		json_array_append_new(s->list, j);
		return 0;
	}
	if (s->with_origin) {
		dv_out("%s\t", level_name(v->level));
		dv_out_name(v->origin ? v->origin : "");
		dv_out("\t");
	}
	if (s->with_key)
		dv_out("%s=", v->key);
	if (v->value && *v->value)
		dv_out_name(v->value);
	dv_out("\n");
	return 0;
}

/* Without a repository the user's and the system's settings can still be had. */
static int open_maybe(dv_repo **r, enum dv_config_level level)
{
	int rc = dv_repo_open(r, NULL);

	if (rc == DV_ENOREPO && level != DV_CONFIG_REPO && level != DV_CONFIG_LOCAL)
		return 0;
	return rc;
}

static int config_read(const config_args *a, bool json, dv_repo *r, enum dv_config_level level,
		       const char *key)
{
	dv_cli_autojson json_t *list = json ? json_array() : NULL;
	config_state s = {
		.list = list,
		.with_key = !key,
		.with_origin = a->show_origin,
	};
	int rc = key ? dv_config_get(r, level, key, on_value, &s)
		     : dv_config_list(r, level, on_value, &s);

	if (key && (rc == DV_ENOTFOUND || (!rc && !s.n)))
		return DV_EXIT_NO;
	if (rc)
		return dv_out_fail(rc);
	if (key && list)
		return dv_out_json(json_incref(json_array_get(list, 0)));
	return list ? dv_cli_answer(&list) : DV_EXIT_OK;
}

static int config_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const config_args *a = args;
	dv_cli_autorepo dv_repo *r = NULL;
	enum dv_config_level level;
	bool all = a->list || !argc;
	int rc = dv_out_operands(cli, argc, a->unset ? 1 : 0, a->unset ? 1 : a->list ? 0 : 2);

	if (!rc && a->list && a->unset)
		rc = dv_out_usage("'--list' and '--unset' do not go together");
	if (!rc)
		rc = dv_cli_level(&level, &a->levels, DV_CONFIG_ANY);
	if (rc)
		return rc;
	rc = open_maybe(&r, level);
	if (rc)
		return dv_out_fail(rc);
	if (all || (argc == 1 && !a->unset))
		return config_read(a, cli->json, r, level, all ? NULL : argv[0]);
	if (!r && level == DV_CONFIG_ANY) {
		dv_out_error("not in a dv repository");
		dv_out_hint("'--global' changes the settings of the user");
		return DV_EXIT_NOREPO;
	}
	if (a->unset) {
		rc = dv_config_unset(r, level, argv[0]);
		if (rc == DV_ENOTFOUND)
			return DV_EXIT_NO;
	} else {
		rc = dv_config_set(r, level, argv[0], argv[1]);
	}
	return rc ? dv_out_fail(rc) : DV_EXIT_OK;
}

static const dv_opt config_opts[] = {
	DV_OPT_FLAG(0, "system", config_args, levels.system, "settings of this machine"),
	DV_OPT_FLAG(0, "global", config_args, levels.global, "settings of the user"),
	DV_OPT_FLAG(0, "repo", config_args, levels.repo, "settings in .dv/config (committed)"),
	DV_OPT_FLAG(0, "local", config_args, levels.local, "settings of this clone only"),
	DV_OPT_FLAG('l', "list", config_args, list, "list all settings"),
	DV_OPT_FLAG(0, "unset", config_args, unset, "take the setting away"),
	DV_OPT_FLAG(0, "show-origin", config_args, show_origin, "show level and file of a value"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_config = {
	.name = "config",
	.group = DV_GROUP_HELP,
	.summary = "show or change settings",
	.synopsis = "[LEVEL] [-l] [--show-origin] [--unset] [KEY [VALUE]]",
	.opts = config_opts,
	.args_size = sizeof(config_args),
	.run = config_run,
	.flags = DV_CMD_JSON,
};
