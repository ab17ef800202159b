/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of the command tables, checked by the unit test of the parser.
 */
#include "cli/opt.h"

#include <ctype.h>
#include <dv.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static int fault(dv_opt_error *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	err->hint[0] = 0;
	return DV_ERROR;
}

static bool same(const dv_opt *a, const dv_opt *b)
{
	return (a->letter && a->letter == b->letter) ||
	       (a->name && b->name && !strcmp(a->name, b->name));
}

static bool is_phrase(const char *s)
{
	size_t n = s ? strlen(s) : 0;

	if (!n || s[n - 1] == '.')
		return false;
	return !(isupper((unsigned char)s[0]) && islower((unsigned char)s[1]));
}

static int check_opt(const dv_cmd *c, const dv_opt *o, dv_opt_error *err)
{
	const char *name = o->name ? o->name : "?";

	if (!o->name)
		return fault(err, "%s: option -%c has no long name", c->name, o->letter);
	if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(name) ||
	    strlen(name) < 2 || name[0] == '-')
		return fault(err, "%s: bad option name --%s", c->name, name);
	if (o->letter && !isalnum((unsigned char)o->letter))
		return fault(err, "%s: bad letter of --%s", c->name, name);
	if (!is_phrase(o->help))
		return fault(err, "%s: --%s has no help, or it is not a phrase", c->name, name);
	if ((o->kind == DV_OPT_KIND_FLAG) != !o->argname)
		return fault(err, "%s: --%s needs an argname exactly if it has a value", c->name,
			     name);
	if (o->argname && (!*o->argname || strchr(o->argname, ' ')))
		return fault(err, "%s: argname of --%s is empty or has a space", c->name, name);
	if (o->offset >= c->args_size)
		return fault(err, "%s: --%s lies outside the command's struct", c->name, name);
	for (const dv_opt *g = dv_global_opts; g->kind; g++)
		if (same(o, g))
			return fault(err, "%s: --%s or its letter is a global option", c->name,
				     name);
	for (const dv_opt *p = c->opts; p != o; p++)
		if (same(o, p))
			return fault(err, "%s: --%s or its letter is there twice", c->name, name);
	return DV_OK;
}

static int check_cmd(const dv_cmd *c, dv_opt_error *err)
{
	if (!c->name || strspn(c->name, "abcdefghijklmnopqrstuvwxyz-") != strlen(c->name))
		return fault(err, "bad command name '%s'", c->name ? c->name : "");
	if (!is_phrase(c->summary) || strlen(c->summary) > 50)
		return fault(err, "%s: summary is not a phrase of at most 50", c->name);
	if (!c->synopsis || strlen(c->synopsis) > 90)
		return fault(err, "%s: no synopsis, or a long one", c->name);
	if (!c->run && !c->subcommands)
		return fault(err, "%s: does nothing", c->name);
	if (c->opts && !c->args_size)
		return fault(err, "%s: options without args_size", c->name);
	for (const dv_opt *o = c->opts; o && o->kind; o++)
		if (check_opt(c, o, err))
			return DV_ERROR;
	return DV_OK;
}

static int check_list(const dv_cmd *const *list, bool grouped, dv_opt_error *err)
{
	for (const dv_cmd *const *c = list; *c; c++) {
		if (check_cmd(*c, err))
			return DV_ERROR;
		if (grouped != ((*c)->group != NULL))
			return fault(err, "%s: group missing or not wanted", (*c)->name);
		for (const dv_cmd *const *d = list; d != c; d++) {
			if (!strcmp((*d)->name, (*c)->name))
				return fault(err, "%s: there twice", (*c)->name);
			if (grouped && !strcmp((*d)->group, (*c)->group) &&
			    strcmp(c[-1]->group, (*c)->group))
				return fault(err, "%s: not beside its group", (*c)->name);
		}
	}
	return DV_OK;
}

int dv_cmd_check(const dv_cmd *const *list, dv_opt_error *err)
{
	*err = (dv_opt_error){ "", "" };
	if (check_list(list, true, err))
		return DV_ERROR;
	for (; *list; list++) {
		const dv_cmd *const *sub = (*list)->subcommands;

		if (!sub)
			continue;
		if (check_list(sub, false, err))
			return DV_ERROR;
		for (; *sub; sub++)
			if ((*sub)->subcommands)
				return fault(err, "%s: commands have two words at most",
					     (*sub)->name);
	}
	return DV_OK;
}
