/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv remote: names the places that data is shared through.
 */
#include "cli/commands.h"
#include "cli/common.h"

typedef struct remote_args {
	dv_cli_levels levels;
	bool make_default, force, unset, no_probe;
} remote_args;

static int list_json(const dv_remote_info *i, void *payload)
{
	json_t *j = json_object();

	dv_out_json_bytes(j, "name", i->name);
	dv_out_json_bytes(j, "url", i->url);
	json_object_set_new(j, "default", json_boolean(i->is_default));
	json_array_append_new(payload, j);
	return 0;
}

static int list_text(const dv_remote_info *i, void *payload)
{
	(void)payload;
	dv_out_name(i->name);
	dv_out("\t");
	dv_out_name(i->url);
	dv_out("%s\n", i->is_default ? "\t(default)" : "");
	return 0;
}

static int list_run(dv_cli *cli, void *args, int argc, char **argv)
{
	dv_cli_autojson json_t *list = cli->json ? json_array() : NULL;
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_begin(cli, argc, 0, 0, &r);

	(void)args;
	(void)argv;
	if (rc)
		return rc;
	rc = dv_remote_list(r, list ? list_json : list_text, list);
	if (rc)
		return dv_out_fail(rc);
	return list ? dv_cli_answer(&list) : DV_EXIT_OK;
}

/* Checks operands and level and opens the repository: what all that write begin with. */
static int begin(dv_cli *cli, const remote_args *a, int argc, int min, int max, dv_repo **r,
		 enum dv_config_level *level)
{
	int rc = dv_out_operands(cli, argc, min, max);

	if (!rc)
		rc = dv_cli_level(level, &a->levels, DV_CONFIG_ANY);
	return rc ? rc : dv_cli_open(r);
}

/* The settings of a clone are its own; .dv/config reaches the others by git. */
static int changed(const dv_cli *cli, dv_repo *r, enum dv_config_level level, const char *why)
{
	if (!cli->quiet && (level == DV_CONFIG_ANY || level == DV_CONFIG_REPO) &&
	    dv_cli_in_git(r))
		dv_out_hint("commit '.dv/config' with git, so that every clone %s", why);
	return DV_EXIT_OK;
}

/* "'store' can: read, write, list, create-if-absent, remove" */
static void tell_abilities(const char *name, const dv_abilities *a)
{
	const struct {
		bool can;
		const char *word;
	} words[] = {
		{ a->read, "read" }, { a->write, "write" }, { a->list, "list" },
		{ a->create == DV_CREATE_ENFORCED, "create-if-absent" }, { a->remove, "remove" },
	};
	const char *comma = "";
	dv_cli_autofree char *quoted = dv_out_quote(name);

	dv_out("'%s' can: ", quoted ? quoted : name);
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (words[i].can) {
			dv_out("%s%s", comma, words[i].word);
			comma = ", ";
		}
	dv_out("%s\n", *comma ? "" : "nothing");
	if (!a->write)
		dv_out_warn("remote '%s' cannot be written to: 'dv push' will fail", name);
	else if (a->create != DV_CREATE_ENFORCED)
		dv_out_warn("remote '%s' cannot create files only if they are absent: of two "
			    "pushes in the same moment one may have to be made again", name);
}

/* The remote stays added, whatever comes of it. */
static void probe(const dv_cli *cli, dv_repo *r, const char *name)
{
	dv_abilities a;
	int rc = dv_remote_probe(r, name, &a);

	if (rc == DV_ENOTFOUND)
		return;	/* the first push makes it */
	if (!rc) {
		if (!cli->quiet)
			tell_abilities(name, &a);
		return;
	}
	dv_out_warn("the remote was added, but cannot be %s now: %s",
		    a.read ? "written to" : "used", dv_error_last()->message);
	if (*dv_error_last()->hint)
		dv_out_hint("%s", dv_error_last()->hint);
}

static int add_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const remote_args *a = args;
	dv_cli_autorepo dv_repo *r = NULL;
	enum dv_config_level level;
	int rc = begin(cli, a, argc, 2, 2, &r, &level);

	if (rc)
		return rc;
	rc = dv_remote_add(r, level, argv[0], argv[1],
			   &(dv_remote_add_options){ a->make_default, a->force });
	if (rc)
		return dv_out_fail(rc);
	if (a->make_default)
		dv_out_note("'%s' is the default remote", argv[0]);
	if (r && !a->no_probe)
		probe(cli, r, argv[0]);
	return changed(cli, r, level, "has the remote");
}

static int modify_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const remote_args *a = args;
	int operands = a->unset ? 2 : 3;
	dv_cli_autorepo dv_repo *r = NULL;
	enum dv_config_level level;
	int rc = begin(cli, a, argc, operands, operands, &r, &level);

	if (rc)
		return rc;
	rc = dv_remote_modify(r, level, argv[0], argv[1], a->unset ? NULL : argv[2]);
	return rc ? dv_out_fail(rc) : changed(cli, r, level, "follows");
}

static int remove_run(dv_cli *cli, void *args, int argc, char **argv)
{
	dv_cli_autorepo dv_repo *r = NULL;
	enum dv_config_level level;
	int rc = begin(cli, args, argc, 1, 1, &r, &level);

	if (rc)
		return rc;
	rc = dv_remote_remove(r, level, argv[0]);
	return rc ? dv_out_fail(rc) : changed(cli, r, level, "follows");
}

static int rename_run(dv_cli *cli, void *args, int argc, char **argv)
{
	dv_cli_autorepo dv_repo *r = NULL;
	enum dv_config_level level;
	int rc = begin(cli, args, argc, 2, 2, &r, &level);

	if (rc)
		return rc;
	rc = dv_remote_rename(r, level, argv[0], argv[1]);
	return rc ? dv_out_fail(rc) : changed(cli, r, level, "follows");
}

typedef struct default_state {
	json_t *doc;
	bool found;
} default_state;

static int show_default(const dv_remote_info *i, void *payload)
{
	default_state *s = payload;

	s->found = true;
	if (s->doc) {
		dv_out_json_bytes(s->doc, "name", i->name);
		dv_out_json_bytes(s->doc, "url", i->url);
	} else {
		dv_out_name(i->name);
		dv_out("\n");
	}
	return 0;
}

static int default_run(dv_cli *cli, void *args, int argc, char **argv)
{
	const remote_args *a = args;
	dv_cli_autojson json_t *doc = cli->json ? json_object() : NULL;
	default_state s = { .doc = doc };
	dv_cli_autorepo dv_repo *r = NULL;
	enum dv_config_level level;
	const char *name = a->unset ? "" : argc ? argv[0] : NULL;
	int rc = begin(cli, a, argc, 0, a->unset ? 0 : 1, &r, &level);

	if (rc)
		return rc;
	rc = dv_remote_default(r, level, name, show_default, &s);
	if (!name && (rc == DV_ENOTFOUND || (!rc && !s.found))) {
		dv_out_error("there is no default remote");
		dv_out_hint("'dv remote default NAME' sets it");
		return DV_EXIT_NO;
	}
	if (rc)
		return dv_out_fail(rc);
	if (name)
		return changed(cli, r, level, "follows");
	return doc ? dv_cli_answer(&doc) : DV_EXIT_OK;
}

#define LEVEL_OPTS                                                                                 \
	DV_OPT_FLAG(0, "system", remote_args, levels.system, "write settings of this machine"),    \
	DV_OPT_FLAG(0, "global", remote_args, levels.global, "write the user's own settings"),     \
	DV_OPT_FLAG(0, "repo", remote_args, levels.repo, "write .dv/config (the default)"),        \
	DV_OPT_FLAG(0, "local", remote_args, levels.local, "write settings of this clone only")

static const dv_opt add_opts[] = {
	DV_OPT_FLAG('d', "default", remote_args, make_default, "make it the default remote"),
	DV_OPT_FLAG('f', "force", remote_args, force, "replace a remote of that name"),
	DV_OPT_FLAG(0, "no-probe", remote_args, no_probe, "do not find out what it can do"),
	LEVEL_OPTS,
	DV_OPT_END,
};

static const dv_opt unset_opts[] = {
	DV_OPT_FLAG(0, "unset", remote_args, unset, "take the setting away"),
	LEVEL_OPTS,
	DV_OPT_END,
};

static const dv_opt level_opts[] = {
	LEVEL_OPTS,
	DV_OPT_END,
};

#define SUB(sub, text, syn, table, more)                                                           \
	static const dv_cmd remote_##sub = {                                                       \
		.name = #sub,                                                                      \
		.summary = text,                                                                   \
		.synopsis = syn,                                                                   \
		.opts = table,                                                                     \
		.args_size = sizeof(remote_args),                                                  \
		.run = sub##_run,                                                                  \
		.flags = more,                                                                     \
	}

SUB(add, "name a place to share data through",
	"[-d] [-f] [--no-probe] [--global | --local] NAME URL", add_opts, 0);
SUB(list, "list the remotes", "", NULL, DV_CMD_JSON);
SUB(modify, "change an option of a remote", "[--unset] NAME OPTION [VALUE]", unset_opts, 0);
SUB(remove, "forget a remote", "NAME", level_opts, 0);
SUB(rename, "give a remote another name", "OLD NEW", level_opts, 0);
SUB(default, "show or set the default remote", "[--unset] [NAME]", unset_opts, DV_CMD_JSON);

static const dv_cmd *const remote_commands[] = {
	&remote_add, &remote_list, &remote_modify, &remote_remove, &remote_rename,
	&remote_default, NULL,
};

const dv_cmd dv_cmd_remote = {
	.name = "remote",
	.group = DV_GROUP_SHARE,
	.summary = "name the places data is shared through",
	.synopsis = "",
	.run = list_run,
	.subcommands = remote_commands,
	.flags = DV_CMD_JSON,
};
