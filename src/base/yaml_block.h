/* SPDX-License-Identifier: Apache-2.0 */
/* The fast reader behind dv_yaml_parse, apart so that a test can compare the two. */
#ifndef DV_BASE_YAML_BLOCK_H
#define DV_BASE_YAML_BLOCK_H

#include "base/value.h"

/** As dv_yaml_parse for plain block YAML; 1, with nothing recorded, for everything else. The text
 *  has no NUL. */
int dv_yaml_block_parse(dv_arena *a, const char *text, size_t n, const char *name, dv_value **out)
	DV_MUST_CHECK;
/** The full parser alone. */
int dv_yaml_full_parse(dv_arena *a, const char *text, size_t n, const char *name, dv_value **out)
	DV_MUST_CHECK;

#endif
