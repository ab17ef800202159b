/* SPDX-License-Identifier: Apache-2.0 */
/* Stored bytes of any codec decode to exactly the length that the entry says, or fail. Input: codec,
 * raw length (three bytes), length of the bases, the bases, the stored bytes. */
#include <stdlib.h>
#include <string.h>

#include "store/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	dv_pack_entry e = { .kind = DV_KIND_CHUNK };
	size_t prefix;
	uint8_t *out;

	if (size < 6)
		return 0;
	e.codec = data[0] % 4;
	e.raw = data[1] | (uint32_t)data[2] << 8 | (uint32_t)(data[3] % 17) << 16;
	if (!e.raw || e.raw > DV_RAW_MAX)
		return 0;
	prefix = data[4] < size - 5 ? data[4] : size - 5;
	e.stored = (uint32_t)(size - 5 - prefix);
	/* Exactly as long as it may become: the sanitizer sees one byte more. */
	out = malloc(e.raw);
	if (out && dv_pack_decode(out, &e, data + 5 + prefix, prefix ? data + 5 : NULL, prefix))
		dv_error_clear();
	free(out);
	return 0;
}
