/* SPDX-License-Identifier: Apache-2.0 */
/* The two readers behind dv_yaml_parse, apart so that tests can compare them. `texts` is for
 * dv_yaml_parse_texts. The text has neither a NUL nor a byte order mark. */
#ifndef DV_BASE_YAML_BLOCK_H
#define DV_BASE_YAML_BLOCK_H

#include "base/value.h"

/** The fast one, for plain block YAML; 1, with nothing recorded, for everything else. */
int dv_yaml_block_parse(dv_arena *a, const char *text, size_t n, const char *name, bool texts,
			dv_value **out) DV_MUST_CHECK;
/** The fast one, without what stands behind the keys `skip` (ends with NULL) of dicts in `depth`
 *  others: nulls take its place. */
int dv_yaml_block_parse_part(dv_arena *a, const char *text, size_t n, const char *name,
			     const char *const *skip, int depth, dv_value **out) DV_MUST_CHECK;
/** The full one. */
int dv_yaml_full_parse(dv_arena *a, const char *text, size_t n, const char *name, bool texts,
		       dv_value **out) DV_MUST_CHECK;
#define DV_YAML_VALUES_MAX ((size_t)8 << 20)	/* keys count, too */
#define DV_YAML_TEXT_KEY_MAX 128

#endif
