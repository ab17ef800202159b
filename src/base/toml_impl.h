/* SPDX-License-Identifier: Apache-2.0 */
/* Private to src/base/toml*.c. */
#ifndef DV_BASE_TOML_IMPL_H
#define DV_BASE_TOML_IMPL_H

#include "base/value.h"

#define DV_TOML_VALUES_MAX ((size_t)8 << 20)

/* A document while it is read. */
typedef struct toml {
	dv_arena *a;
	const char *p, *end, *line_start;
	unsigned line;
	const char *name;
	uint64_t section;	/* of the header or inline table that keys belong to now */
	uint64_t sections;	/* so many there were */
	size_t nvalues;
} toml;

dv_spot dv_toml_spot(const toml *t);
int dv_toml_bad(const toml *t, const char *what);
/** Is it UTF-8 without NUL? */
int dv_toml_check_text(toml *t) DV_MUST_CHECK;
/** Takes the end of a line; false when something else stands here. */
bool dv_toml_newline(toml *t);
/** A quoted text; `several` also one of several lines, in three quotes. */
int dv_toml_string(toml *t, bool several, const char **out) DV_MUST_CHECK;
/** Anything but lists and tables. */
int dv_toml_scalar(toml *t, const dv_spot *at, dv_value **out) DV_MUST_CHECK;

static inline bool dv_toml_is_control(char c)
{
	return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

#endif
