/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "${…}" in pipeline files. An expression is a word followed by ".word" or "[word]"; "\${" stands
 * for itself. A text that is one expression keeps the type of what it names; inside other text only
 * scalars can stand, and, in a command, dicts, which become "--key value".
 */
#ifndef DV_PIPELINE_TEMPLATE_H
#define DV_PIPELINE_TEMPLATE_H

#include "base/value.h"

/** Where names are looked for: the inner scope first. Borrowed. */
typedef struct dv_scope {
	dv_value *vars;
	const struct dv_scope *outer;
} dv_scope;

/** How dicts and lists are written into a command (settings parsing.bool and parsing.list). */
typedef struct dv_template_style {
	bool no_flags;		/* false becomes --no-key instead of nothing */
	bool repeat;		/* a list becomes --key a --key b instead of --key a b */
} dv_template_style;

bool dv_template_has(const char *s);
/** Replaces every expression. `command`: dicts are written as flags in that style; NULL elsewhere.
 *  The value is of the arena, or one of the scope's. DV_ERROR points at the text's place. */
int dv_template_text(dv_arena *a, const dv_scope *scope, const char *s, const dv_spot *at,
		     const dv_template_style *command, dv_value **out) DV_MUST_CHECK;
/** As above for all texts in a value, keys too. Values without templates are returned as they
 *  are. `scalars`: an expression may not stand for a list or dict. */
int dv_template_value(dv_arena *a, const dv_scope *scope, dv_value *v, bool scalars,
		      dv_value **out) DV_MUST_CHECK;
/** Merges `from` into `into`, whose dicts are copied before they change (*into is replaced). A leaf
 *  that is there already is DV_ERROR naming both places. */
int dv_vars_merge(dv_arena *a, dv_value **into, dv_value *from) DV_MUST_CHECK;

#endif
