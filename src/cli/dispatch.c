/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the command, parses its options, runs it. Everything that is wrong with a command line is
 * said here.
 */
#include "cli/dispatch.h"

#include "cli/commands.h"
#include "cli/help.h"
#include "cli/opt.h"
#include "cli/out.h"
#include "cli/term.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static int refuse(const dv_opt_error *e, const dv_cli *cli)
{
	dv_out_start(cli);
	dv_out_error("%s", e->message);
	if (e->hint[0])
		dv_out_hint("%s", e->hint);
	else if (cli->cmd && cli->parent)
		dv_out_hint("see 'dv %s %s -h'", cli->parent->name, cli->cmd->name);
	else if (cli->cmd)
		dv_out_hint("see 'dv %s -h'", cli->cmd->name);
	else
		dv_out_hint("see 'dv help'");
	return DV_EXIT_USAGE;
}

/* What other programs call it. */
static const char *known_elsewhere(const char *typed)
{
	static const char *const names[][2] = {
		{ "list", "ls" },    { "rm", "remove" },  { "mv", "move" },
		{ "track", "add" },  { "untrack", "remove" }, { "data", "status" },
		{ "verify", "fsck" }, { "prune", "gc" },  { "get", "cat" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(typed, names[i][0]))
			return names[i][1];
	return NULL;
}

static int unknown_command(const dv_cmd *parent, const char *typed)
{
	const dv_cmd *const *list = parent ? parent->subcommands : dv_commands;
	const char *elsewhere = parent ? NULL : known_elsewhere(typed);
	const char *nearest = elsewhere ? elsewhere : dv_cmd_nearest(list, typed);
	const char *outer = parent ? parent->name : "", *space = parent ? " " : "";

	dv_out_error("'%s' is not a dv %s%scommand", typed, outer, space);
	if (nearest)
		dv_out_hint("did you mean '%s'? see 'dv %s%s'", nearest,
			    parent ? outer : "help", parent ? " -h" : "");
	else
		dv_out_hint("see 'dv %s%s'", parent ? outer : "help", parent ? " -h" : "");
	return DV_EXIT_USAGE;
}

static int check_globals(const dv_cli *cli)
{
	if (cli->color && strcmp(cli->color, "auto") != 0 && strcmp(cli->color, "always") != 0 &&
	    strcmp(cli->color, "never") != 0)
		return dv_out_usage("'%s' is not a value for '--color'", cli->color);
	if (cli->json && cli->cmd && !(cli->cmd->flags & DV_CMD_JSON))
		return dv_out_usage("'dv %s%s%s' has no answer that '--json' could show",
				    cli->parent ? cli->parent->name : "", cli->parent ? " " : "",
				    cli->cmd->name);
	for (size_t i = 0; i < cli->dir.len; i++)
		if (chdir(cli->dir.items[i])) {
			dv_out_error("cannot change to '%s': %s", cli->dir.items[i],
				     strerror(errno));
			dv_out_hint("give '-C' a folder that is there");
			return DV_EXIT_FAILED;
		}
	return 0;
}

/* Parses what follows the command's name and runs it. */
static int run_command(dv_cli *cli, void *args, int argc, char **argv)
{
	const dv_cmd *cmd = cli->cmd;
	dv_opt_set sets[] = { { cmd->opts, args }, { dv_global_opts, cli } };
	dv_opt_error err;
	int n, code;

	if (cmd->defaults)
		memcpy(args, cmd->defaults, cmd->args_size);
	bool rest = cmd->flags & DV_CMD_REST;
	code = dv_opt_parse(&n, &cli->before_dashes, sets, 2, argc, argv, rest, &err);
	if (!code && rest) {
		argv += n;
		n = argc - n;
	}
	dv_out_start(cli);
	if (cli->help) {
		dv_help_short(cmd, cli->parent);
		return DV_EXIT_OK;
	}
	if (cli->manual)
		return dv_help_manual(cmd, cli->parent);
	if (cli->version)
		return dv_cmd_version.run(cli, NULL, 0, NULL);
	if (code)
		return refuse(&err, cli);
	code = check_globals(cli);
	if (!code && !cmd->run)
		code = n ? unknown_command(cmd, argv[0])
			 : dv_out_usage("'dv %s' needs a command", cmd->name);
	if (code)
		return code;
	dv_set_warning_cb(dv_out_warning_cb, NULL);
	dv_term_start(cli);
	code = cmd->run(cli, args, n, argv);
	dv_term_end();
	return code;
}

/* Finds the command at argv[0], one or two words, and hands over what follows. */
static int run_named(dv_cli *cli, int argc, char **argv)
{
	dv_opt_set global = { dv_global_opts, cli };
	dv_opt_error err;
	size_t dirs;
	void *args;
	int at, dashes, code;

	cli->cmd = dv_cmd_find(dv_commands, argv[0]);
	if (!cli->cmd)
		return unknown_command(NULL, argv[0]);
	dirs = cli->dir.len;
	if (!cli->cmd->subcommands) {
		/* one word */
	} else if (dv_opt_parse(&at, &dashes, &global, 1, argc - 1, argv + 1, true, &err)) {
		/* Perhaps an option of the outer command: parsed again with its table. */
		cli->dir.len = dirs;
	} else {
		const dv_cmd *sub = NULL;

		argc -= at;
		argv += at;
		if (argc > 1) {
			sub = dv_cmd_find(cli->cmd->subcommands, argv[1]);
			if (!sub && !cli->help && !(cli->cmd->flags & DV_CMD_OPERANDS))
				return unknown_command(cli->cmd, argv[1]);
		}
		if (sub) {
			cli->parent = cli->cmd;
			cli->cmd = sub;
			argc--;
			argv++;
		}
	}
	args = calloc(1, cli->cmd->args_size + 1);
	if (!args) {
		dv_out_error("out of memory");
		return DV_EXIT_FAILED;
	}
	code = run_command(cli, args, argc - 1, argv + 1);
	dv_opt_release(cli->cmd->opts, args);
	free(args);
	return code;
}

int dv_dispatch(dv_cli *cli, int argc, char **argv)
{
	dv_opt_set global = { dv_global_opts, cli };
	dv_opt_error err;
	int at, dashes, code;

	if (dv_opt_parse(&at, &dashes, &global, 1, argc, argv, true, &err))
		return refuse(&err, cli);
	dv_out_start(cli);
	if (cli->version)
		return dv_cmd_version.run(cli, NULL, 0, NULL);
	if (at < argc)
		return run_named(cli, argc - at, argv + at);
	if (cli->manual)
		return dv_help_manual(NULL, NULL);
	code = check_globals(cli);
	if (!code)
		dv_help_list(false);
	return code;
}
