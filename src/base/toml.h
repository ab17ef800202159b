/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TOML 1.0 into values. Strict: what the standard forbids is refused, with its line and column.
 * Bounded: depth of nesting as for every file. Dates and times become text as they were written;
 * an integer outside 64 bits is refused.
 */
#ifndef DV_BASE_TOML_H
#define DV_BASE_TOML_H

#include "base/value.h"

/** A document, always a dict. `name` is borrowed by the spots. DV_ERROR, with its place, for what
 *  is no TOML. */
int dv_toml_parse(dv_arena *a, const char *text, size_t n, const char *name, dv_value **out)
	DV_MUST_CHECK;

#endif
