/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completion scripts, made from the command tables.
 *
 * Names in the tables are plain words (the check of the tables says so); help texts are quoted
 * for the shell.
 */
#include "cli/completion.h"

#include "cli/cmd.h"
#include "cli/opt.h"
#include "cli/out.h"

#include <string.h>

/* Text inside single quotes of a shell; `also` is a byte that the shell's own syntax needs
 * escaped with a backslash, 0 for none. */
static void quoted(const char *text, char also)
{
	for (; *text; text++) {
		if (*text == '\'')
			dv_out("'\\''");
		else if (also && *text == also)
			dv_out("\\%c", *text);
		else
			dv_out("%c", *text);
	}
}

/* Letters and names of the options of a table, each with a space before it. */
static void option_words(const dv_opt *opts, bool json)
{
	for (const dv_opt *o = opts; o && o->kind; o++) {
		if (opts == dv_global_opts && !json && o->name && !strcmp(o->name, "json"))
			continue;
		if (o->letter)
			dv_out(" -%c", o->letter);
		if (o->name)
			dv_out(" --%s%s", o->name, o->argname ? "=" : "");
	}
}

/* -- bash -------------------------------------------------------------------------------------- */

static void bash_case(const dv_cmd *cmd, const dv_cmd *parent)
{
	dv_out("\t'%s%s%s') words='", parent ? parent->name : "", parent ? " " : "", cmd->name);
	for (const dv_cmd *const *s = cmd->subcommands; s && *s; s++)
		dv_out("%s%s", s == cmd->subcommands ? "" : " ", (*s)->name);
	dv_out("' options='");
	option_words(cmd->opts, true);
	if (cmd->flags & DV_CMD_JSON)
		dv_out(" --json");
	dv_out("' ;;\n");
}

static void bash_commands(void)
{
	for (const dv_cmd *const *c = dv_commands; *c; c++) {
		bash_case(*c, NULL);
		for (const dv_cmd *const *s = (*c)->subcommands; s && *s; s++)
			bash_case(*s, *c);
	}
}

static void names(const dv_cmd *const *list)
{
	for (const dv_cmd *const *c = list; *c; c++)
		dv_out("%s%s", c == list ? "" : " ", (*c)->name);
}

void dv_completion_bash(void)
{
	dv_out("# bash completion for dv; to use it: source <(dv completion bash)\n\n"
	       "_dv()\n{\n"
	       "\tlocal cur=${COMP_WORDS[COMP_CWORD]} cmd='' sub='' i words='' options=''\n"
	       "\tlocal general='");
	option_words(dv_global_opts, false);
	dv_out("'\n"
	       "\tlocal two=' ");
	for (const dv_cmd *const *c = dv_commands; *c; c++)
		if ((*c)->subcommands)
			dv_out("%s ", (*c)->name);
	dv_out("'\n"
	       "\tCOMPREPLY=()\n"
	       "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	       "\t\tcase ${COMP_WORDS[i]} in\n"
	       "\t\t-C) ((i++)) ;;\n"
	       "\t\t-*) ;;\n"
	       "\t\t*)\n"
	       "\t\t\tif [[ -z $cmd ]]; then\n"
	       "\t\t\t\tcmd=${COMP_WORDS[i]}\n"
	       "\t\t\telif [[ -z $sub && $two == *\" $cmd \"* ]]; then\n"
	       "\t\t\t\tsub=${COMP_WORDS[i]}\n"
	       "\t\t\tfi ;;\n"
	       "\t\tesac\n"
	       "\tdone\n"
	       "\tcase \"$cmd${sub:+ $sub}\" in\n"
	       "\t'') words='");
	names(dv_commands);
	dv_out("' options=' --json' ;;\n");
	bash_commands();
	dv_out("\tesac\n"
	       "\tcase $cmd in\n"
	       "\thelp) words='exit-codes ");
	names(dv_commands);
	dv_out("' ;;\n"
	       "\tcompletion) words='bash zsh fish' ;;\n"
	       "\tesac\n"
	       "\tcase \"$cmd${sub:+ $sub}/${COMP_WORDS[COMP_CWORD - 1]}\" in\n"
	       "\t*/-r | remote\\ modify/modify | remote\\ re*/re* | remote\\ default/default)\n"
	       "\t\twords=$(dv remote list 2>/dev/null | cut -f 1) ;;\n"
	       "\tesac\n"
	       "\tif [[ $cur == -* ]]; then\n"
	       "\t\tmapfile -t COMPREPLY < <(compgen -W \"$options $general\" -- \"$cur\")\n"
	       "\t\t[[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace\n"
	       "\telif [[ -n $words ]]; then\n"
	       "\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
	       "\tfi\n"
	       "\treturn 0\n"
	       "}\n\n"
	       "complete -o default -o bashdefault -F _dv dv\n");
}

/* Is the first operand the name of a remote that is there? */
static bool takes_remote(const dv_cmd *cmd, const dv_cmd *parent)
{
	return parent && !strcmp(parent->name, "remote") && strcmp(cmd->name, "add") != 0 &&
	       strcmp(cmd->name, "list") != 0;
}

/* -- zsh --------------------------------------------------------------------------------------- */

/* One line of _arguments: '(-j --jobs)'{-j+,--jobs=}'[help]:N:_files' */
static void zsh_option(const dv_opt *o)
{
	const char *many = o->kind == DV_OPT_KIND_STRLIST ? "*" : "";

	dv_out(" \\\n\t\t\t");
	if (o->letter && o->name)
		dv_out("'%s'{-%c%s,--%s%s}'", many, o->letter, o->argname ? "+" : "", o->name,
		       o->argname ? "=" : "");
	else if (o->letter)
		dv_out("'%s-%c%s", many, o->letter, o->argname ? "+" : "");
	else
		dv_out("'%s--%s%s", many, o->name, o->argname ? "=" : "");
	dv_out("[");
	quoted(o->help, ']');
	dv_out("]");
	if (o->argname) {
		dv_out(":");
		quoted(o->argname, ':');
		dv_out(o->letter == 'r' ? ":_dv_remotes" : ":_files");
	}
	dv_out("'");
}

static void zsh_options(const dv_opt *opts, bool json)
{
	for (const dv_opt *o = opts; o && o->kind; o++)
		if (json || opts != dv_global_opts || !o->name || strcmp(o->name, "json") != 0)
			zsh_option(o);
}

static void zsh_describe(const dv_cmd *const *list, const char *what)
{
	dv_out("\t\tlocal -a words=(\n");
	for (; *list; list++) {
		dv_out("\t\t\t'%s:", (*list)->name);
		quoted((*list)->summary, 0);
		dv_out("'\n");
	}
	dv_out("\t\t)\n"
	       "\t\t_describe -t commands '%s' words\n",
	       what);
}

static void zsh_case(const dv_cmd *cmd, const dv_cmd *parent)
{
	dv_out("\t'%s%s%s')\n\t\t_arguments -s", parent ? parent->name : "", parent ? " " : "",
	       cmd->name);
	zsh_options(cmd->opts, true);
	zsh_options(dv_global_opts, cmd->flags & DV_CMD_JSON);
	if (!strcmp(cmd->name, "completion")) {
		dv_out(" \\\n\t\t\t'1:shell:(bash zsh fish)'");
	} else if (!strcmp(cmd->name, "help")) {
		dv_out(" \\\n\t\t\t'1:command:(exit-codes ");
		names(dv_commands);
		dv_out(")'");
	} else if (takes_remote(cmd, parent)) {
		dv_out(" \\\n\t\t\t'1:remote:_dv_remotes'");
	} else if (!cmd->subcommands) {
		dv_out(" \\\n\t\t\t'*:file:_files'");
	}
	dv_out("\n");
	if (cmd->subcommands)
		zsh_describe(cmd->subcommands, "command");
	dv_out("\t\t;;\n");
}

void dv_completion_zsh(void)
{
	dv_out("#compdef dv\n"
	       "# zsh completion for dv; put it as '_dv' into a folder of $fpath\n\n"
	       "_dv_remotes() {\n"
	       "\tlocal -a names=(${(f)\"$(dv remote list 2>/dev/null | cut -f 1)\"})\n"
	       "\tcompadd -a names\n"
	       "}\n\n"
	       "_dv() {\n"
	       "\tlocal cmd='' sub='' i=2 two=' ");
	for (const dv_cmd *const *c = dv_commands; *c; c++)
		if ((*c)->subcommands)
			dv_out("%s ", (*c)->name);
	dv_out("'\n"
	       "\tfor ((; i < CURRENT; i++)); do\n"
	       "\t\tcase ${words[i]} in\n"
	       "\t\t-C) ((i++)) ;;\n"
	       "\t\t-*) ;;\n"
	       "\t\t*)\n"
	       "\t\t\tif [[ -z $cmd ]]; then\n"
	       "\t\t\t\tcmd=${words[i]}\n"
	       "\t\t\t\t[[ $two == *\" $cmd \"* ]] || break\n"
	       "\t\t\telse\n"
	       "\t\t\t\tsub=${words[i]}\n"
	       "\t\t\t\tbreak\n"
	       "\t\t\tfi ;;\n"
	       "\t\tesac\n"
	       "\tdone\n"
	       "\tif ((i < CURRENT)); then\n"
	       "\t\t((CURRENT -= i - 1))\n"
	       "\t\tshift $((i - 1)) words\n"
	       "\tfi\n"
	       "\tcase \"$cmd${sub:+ $sub}\" in\n"
	       "\t'')\n"
	       "\t\t_arguments -s");
	zsh_options(dv_global_opts, true);
	dv_out("\n");
	zsh_describe(dv_commands, "dv command");
	dv_out("\t\t;;\n");
	for (const dv_cmd *const *c = dv_commands; *c; c++) {
		zsh_case(*c, NULL);
		for (const dv_cmd *const *s = (*c)->subcommands; s && *s; s++)
			zsh_case(*s, *c);
	}
	dv_out("\tesac\n"
	       "}\n\n"
	       "if [[ $funcstack[1] == _dv ]]; then\n"
	       "\t_dv \"$@\"\n"
	       "else\n"
	       "\tcompdef _dv dv\n"
	       "fi\n");
}

/* -- fish -------------------------------------------------------------------------------------- */

#define LIST_REMOTES "dv remote list 2>/dev/null | cut -f 1"

static void fish_option(const dv_opt *o, const char *condition)
{
	dv_out("complete -c dv%s%s", *condition ? " -n " : "", condition);
	if (o->letter)
		dv_out(" -s %c", o->letter);
	if (o->name)
		dv_out(" -l %s", o->name);
	if (o->argname)
		dv_out(o->letter == 'r' ? " -x -a '(" LIST_REMOTES ")'" : " -r");
	dv_out(" -d '");
	for (const char *p = o->help; *p; p++)
		dv_out(*p == '\'' || *p == '\\' ? "\\%c" : "%c", *p);
	dv_out("'\n");
}

static void fish_command(const dv_cmd *cmd, const char *condition)
{
	dv_out("complete -c dv -n %s -f -a %s -d '", condition, cmd->name);
	for (const char *p = cmd->summary; *p; p++)
		dv_out(*p == '\'' || *p == '\\' ? "\\%c" : "%c", *p);
	dv_out("'\n");
}

static void fish_options(const dv_cmd *cmd, const char *condition)
{
	for (const dv_opt *o = cmd->opts; o && o->kind; o++)
		fish_option(o, condition);
	if (cmd->flags & DV_CMD_JSON)
		dv_out("complete -c dv -n %s -l json -d 'answer as one JSON document'\n",
		       condition);
}

static void fish_subcommands(const dv_cmd *cmd)
{
	char condition[256];

	for (const dv_cmd *const *s = cmd->subcommands; s && *s; s++) {
		snprintf(condition, sizeof(condition),
			 "'__fish_seen_subcommand_from %s; "
			 "and test (count (commandline -opc)) -eq 2'",
			 cmd->name);
		fish_command(*s, condition);
		snprintf(condition, sizeof(condition),
			 "'__fish_seen_subcommand_from %s; and __fish_seen_subcommand_from %s'",
			 cmd->name, (*s)->name);
		fish_options(*s, condition);
		if (takes_remote(*s, cmd))
			dv_out("complete -c dv -n %s -f -a '(" LIST_REMOTES ")'\n", condition);
	}
}

void dv_completion_fish(void)
{
	char condition[128];

	dv_out("# fish completion for dv; to use it: dv completion fish | source\n\n");
	for (const dv_opt *o = dv_global_opts; o->kind; o++)
		if (!o->name || strcmp(o->name, "json") != 0)
			fish_option(o, "");
	for (const dv_cmd *const *c = dv_commands; *c; c++) {
		fish_command(*c, "__fish_use_subcommand");
		snprintf(condition, sizeof(condition), "'__fish_seen_subcommand_from %s'",
			 (*c)->name);
		fish_options(*c, condition);
		fish_subcommands(*c);
	}
	for (const dv_cmd *const *c = dv_commands; *c; c++)
		dv_out("complete -c dv -n '__fish_seen_subcommand_from help' -f -a %s\n",
		       (*c)->name);
	dv_out("complete -c dv -n '__fish_seen_subcommand_from help' -f -a exit-codes\n"
	       "complete -c dv -n '__fish_seen_subcommand_from completion' -f "
	       "-a 'bash zsh fish'\n");
}
