/* SPDX-License-Identifier: Apache-2.0 */
/* A recipe that parses adds up, and is made of exactly the bytes that were read. */
#include "store/object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	dv_auto(dv_recipe) r = DV_RECIPE_INIT;
	uint64_t sum = 0;
	uint8_t level;

	if (dv_recipe_parse(&r, &level, data, size) < 0)
		return 0;
	for (size_t i = 0; i < r.n; i++)
		sum += r.c[i].len;
	dv_assert(sum == r.size && r.n >= 2 && level <= DV_RECIPE_LEVELS);
	dv_assert(size == DV_RECIPE_HEADER + r.n * DV_RECIPE_ITEM);
	return 0;
}
