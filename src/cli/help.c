/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Help, all of it made from the command tables. No line is longer than 80 columns.
 */
#include "cli/help.h"

#include "cli/opt.h"
#include "cli/out.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WIDTH 79
#define OPTION_COLUMN 28

/* Prints words from column `at` on, folded at WIDTH and continued at `indent`. */
static void fold(const char *text, int at, int indent)
{
	bool first = true;

	while (*text) {
		int len = (int)strcspn(text, " ");

		if (!first && at + 1 + len > WIDTH) {
			dv_out("\n%*s", indent, "");
			at = indent;
		} else if (!first) {
			dv_out(" ");
			at++;
		}
		dv_out("%.*s", len, text);
		at += len;
		text += len;
		text += strspn(text, " ");
		first = false;
	}
	dv_out("\n");
}

static void print_usage(const dv_cmd *cmd, const dv_cmd *parent, const char *label)
{
	char head[96];
	int n = snprintf(head, sizeof(head), "%sdv %s%s%s", label, parent ? parent->name : "",
			 parent ? " " : "", cmd->name);

	dv_out("%s", head);
	if (cmd->synopsis && *cmd->synopsis) {
		dv_out(" ");
		fold(cmd->synopsis, n + 1, n + 1);
	} else {
		dv_out("\n");
	}
}

static void print_options(const dv_opt *opts)
{
	for (const dv_opt *o = opts; o && o->kind; o++) {
		char left[96];
		int n = 0;

		if (o->letter)
			n = snprintf(left, sizeof(left), "  -%c%s", o->letter, o->name ? ", " : "");
		else
			n = snprintf(left, sizeof(left), "      ");
		if (o->name)
			n += snprintf(left + n, sizeof(left) - (size_t)n, "--%s", o->name);
		if (o->argname)
			n += snprintf(left + n, sizeof(left) - (size_t)n, "%s%s",
				      o->name ? "=" : " ", o->argname);
		dv_out("%s", left);
		if (n > OPTION_COLUMN - 2) {
			dv_out("\n");
			n = 0;
		}
		dv_out("%*s", OPTION_COLUMN - n, "");
		fold(o->help, OPTION_COLUMN, OPTION_COLUMN);
	}
}

static void print_section(const char *title)
{
	dv_out("\n%s%s%s\n", dv_out_color(DV_COLOR_BOLD), title, dv_out_color_end());
}

static void print_row(const char *name, const char *text)
{
	dv_out("  %-15s", name);
	fold(text, 16, 16);
}

void dv_help_list(bool all)
{
	const char *group = "";

	dv_out("dv versions datasets beside code: git keeps small pointers, dv keeps the bytes.\n"
	       "\nusage: dv [-C DIR] [-q] [-v] [--json] [--color=WHEN] COMMAND [ARGUMENT]...\n");
	for (const dv_cmd *const *c = dv_commands; *c; c++) {
		if (!all && ((*c)->flags & DV_CMD_RARE))
			continue;
		if (strcmp(group, (*c)->group) != 0) {
			group = (*c)->group;
			print_section(group);
		}
		print_row((*c)->name, (*c)->summary);
	}
	if (all) {
		print_section("options of every command");
		print_options(dv_global_opts);
	}
	dv_out("\nTo begin: 'dv init' in a git repository, then 'dv add DATA'.\n%s",
	       all ? "'dv COMMAND -h' is short, 'dv help COMMAND' is the manual,\n"
		     "'dv help exit-codes' lists the exit codes.\n"
		   : "All commands: 'dv help'. One of them: 'dv COMMAND -h'.\n");
}

void dv_help_short(const dv_cmd *cmd, const dv_cmd *parent)
{
	if (cmd->run)
		print_usage(cmd, parent, "usage: ");
	for (const dv_cmd *const *s = cmd->subcommands; s && *s; s++)
		print_usage(*s, cmd, !cmd->run && s == cmd->subcommands ? "usage: " : "       ");
	dv_out("\n");
	fold(cmd->summary, 0, 0);
	if (cmd->subcommands)
		print_section("commands");
	for (const dv_cmd *const *s = cmd->subcommands; s && *s; s++)
		print_row((*s)->name, (*s)->summary);
	if (cmd->opts && cmd->opts->kind) {
		print_section("options");
		print_options(cmd->opts);
	}
	dv_out("\nOptions of every command: -C DIR, -q, -v, %s--color=WHEN, -h, --help.\n"
	       "The manual: 'dv help %s'.\n",
	       cmd->flags & DV_CMD_JSON ? "--json, " : "", parent ? parent->name : cmd->name);
}

void dv_help_exit_codes(void)
{
	dv_out("Exit codes of dv. Treat a code that is not listed as a failure.\n\n");
	for (const dv_exit_meaning *m = dv_exit_meanings; m->meaning; m++)
		dv_out("  %3d  %s\n", m->code, m->meaning);
}

/* Runs man(1) with its complaints silenced. Returns whether it showed the page. */
static bool run_man(char *page)
{
	char name[] = "man";
	char *argv[] = { name, page, NULL };
	posix_spawn_file_actions_t silent;
	int status = -1;
	pid_t pid;

	fflush(stdout);
	if (posix_spawn_file_actions_init(&silent))
		return false;
	if (posix_spawn_file_actions_addopen(&silent, STDERR_FILENO, "/dev/null", O_WRONLY, 0) ||
	    posix_spawnp(&pid, name, &silent, NULL, argv, environ))
		pid = -1;
	posix_spawn_file_actions_destroy(&silent);
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int dv_help_manual(const dv_cmd *cmd, const dv_cmd *parent)
{
	char page[64] = "dv";

	if (cmd)
		snprintf(page, sizeof(page), "dv-%s", parent ? parent->name : cmd->name);
	if (isatty(STDOUT_FILENO) && run_man(page))
		return DV_EXIT_OK;
	if (cmd)
		dv_help_short(cmd, parent);
	else
		dv_help_list(true);
	return DV_EXIT_OK;
}
