/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv install, dv uninstall: hooks of git, and what git is told about dv.
 */
#include "cli/commands.h"
#include "cli/common.h"

#include <string.h>

typedef struct install_args {
	bool global, force;
} install_args;

typedef struct install_state {
	json_t *list; /* with --json */
	bool quiet, global, removing;
	uint64_t hooks, drivers, was; /* written or taken away; there already */
} install_state;

static const char *state_word(enum dv_setup_state s)
{
	switch (s) {
	case DV_SETUP_DONE:
		return "written";
	case DV_SETUP_WAS:
		return "there";
	case DV_SETUP_KEPT:
		return "kept";
	case DV_SETUP_BY_HAND:
		return "by hand";
	case DV_SETUP_REMOVED:
		return "removed";
	default:
		return "restored";
	}
}

/* Lines of text, each with an indent. */
static void show_lines(const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");

		dv_out("    %.*s\n", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

static void show_path(const char *before, const char *path, const char *after)
{
	dv_out("%s", before);
	dv_out_name(path ? path : "");
	dv_out("%s\n", after);
}

static void show_by_hand(const dv_setup_event *e)
{
	if (!e->text) {
		show_path("by hand: take the line of dv out of ", e->path, "");
		return;
	}
	dv_out("by hand: %s, add to ", e->name);
	show_path("", e->path, ":");
	show_lines(e->text);
}

static int on_setup(const dv_setup_event *e, void *payload)
{
	install_state *s = payload;
	bool hook = strcmp(e->what, "hook") == 0;

	if (e->state == DV_SETUP_WAS)
		s->was++;
	else if (e->state != DV_SETUP_KEPT && e->state != DV_SETUP_BY_HAND)
		*(hook ? &s->hooks : &s->drivers) += 1;
	if (s->list) {
		json_t *j = json_object();

		json_object_set_new(j, "what", json_string(e->what));
		json_object_set_new(j, "name", json_string(e->name));
		json_object_set_new(j, "state", json_string(state_word(e->state)));
		dv_out_json_bytes(j, "path", e->path);
		dv_out_json_bytes(j, "text", e->text);
		json_object_set_new(j, "chained", json_boolean(e->chained));
		json_array_append_new(s->list, j);
		return 0;
	}
	if (e->state == DV_SETUP_BY_HAND) {
		show_by_hand(e);
		return 0;
	}
	if (s->quiet)
		return 0;
	if (e->state == DV_SETUP_KEPT && strcmp(e->what, "hooks") == 0)
		dv_out("Hooks and drivers stay: other workspaces of this repository use them.\n");
	else if (e->state == DV_SETUP_KEPT && strcmp(e->what, "filter") == 0)
		dv_out("The filter stays: a .gitattributes file names it ('--force' takes it away)"
		       ".\n");
	else if (e->state == DV_SETUP_KEPT)
		dv_out("%s: set otherwise by you, and left so ('--force' replaces it)\n", e->name);
	else if (hook && e->chained && e->state == DV_SETUP_DONE)
		dv_out("%s: the hook that was there is kept, and runs first\n", e->name);
	else if (hook && e->state == DV_SETUP_RESTORED)
		dv_out("%s: the hook that was there is back\n", e->name);
	return 0;
}

static void show_sum(const install_state *s)
{
	char n[DV_CLI_COUNT_MAX];

	if (!s->hooks && !s->drivers) {
		dv_out(s->removing ? "Nothing was installed.\n" : "Everything is installed.\n");
		return;
	}
	if (s->hooks)
		dv_out("%s %s %s.\n", dv_cli_count(n, s->hooks),
		       dv_out_plural(s->hooks, "hook", "hooks"),
		       s->removing ? "uninstalled" : "installed");
	if (s->drivers)
		dv_out(s->removing ? "Git was told to forget dv's drivers%s.\n"
				   : "Git was told about dv's drivers%s.\n",
		       s->global ? ", for all repositories of yours" : "");
}

static int run(const dv_cli *cli, const install_args *a, int argc, bool removing)
{
	dv_cli_autojson json_t *list = cli->json ? json_array() : NULL;
	install_state s = { .list = list, .quiet = cli->quiet, .global = a->global,
			    .removing = removing };
	dv_install_options o = { .global = a->global, .force = a->force };
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_out_operands(cli, argc, 0, 0);

	if (rc)
		return rc;
	rc = a->global ? 0 : dv_repo_open(&r, NULL);
	if (!rc)
		rc = removing ? dv_uninstall(r, &o, on_setup, &s) : dv_install(r, &o, on_setup, &s);
	if (list && (!rc || rc == DV_EPARTIAL))
		dv_cli_answer(&list);
	else if (!rc && !cli->quiet)
		show_sum(&s);
	return rc ? dv_out_fail(rc) : DV_EXIT_OK;
}

static int install_run(dv_cli *cli, void *args, int argc, char **argv)
{
	(void)argv;
	return run(cli, args, argc, false);
}

static int uninstall_run(dv_cli *cli, void *args, int argc, char **argv)
{
	(void)argv;
	return run(cli, args, argc, true);
}

static const dv_opt install_opts[] = {
	DV_OPT_FLAG(0, "global", install_args, global,
		    "tell git about dv in all repositories of yours; no hooks"),
	DV_OPT_FLAG('f', "force", install_args, force,
		    "also replace settings of yours, and write to any folder of hooks"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_install = {
	.name = "install",
	.group = DV_GROUP_START,
	.summary = "have git bring and push data by itself",
	.synopsis = "[--global] [-f]",
	.opts = install_opts,
	.args_size = sizeof(install_args),
	.run = install_run,
	.flags = DV_CMD_JSON,
};

static const dv_opt uninstall_opts[] = {
	DV_OPT_FLAG(0, "global", install_args, global, "in your own settings of git"),
	DV_OPT_FLAG('f', "force", install_args, force,
		    "also settings that you made yourself, and a filter that is in use"),
	DV_OPT_END,
};

const dv_cmd dv_cmd_uninstall = {
	.name = "uninstall",
	.group = DV_GROUP_START,
	.summary = "undo dv install",
	.synopsis = "[--global] [-f]",
	.opts = uninstall_opts,
	.args_size = sizeof(install_args),
	.run = uninstall_run,
	.flags = DV_CMD_JSON | DV_CMD_RARE,
};
