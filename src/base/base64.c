/* SPDX-License-Identifier: Apache-2.0 */
/* Base64. */
#include "base/base64.h"

int dv_base64(dv_buf *out, const void *p, size_t n)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *b = p;

	if (dv_buf_reserve(out, n / 3 * 4 + 4))
		return out->err;
	for (size_t i = 0; i < n; i += 3) {
		unsigned left = n - i < 3 ? (unsigned)(n - i) : 3;
		unsigned v = (unsigned)b[i] << 16 | (left > 1 ? (unsigned)b[i + 1] << 8 : 0) |
			     (left > 2 ? b[i + 2] : 0);
		char four[4] = { digits[v >> 18], digits[v >> 12 & 63], digits[v >> 6 & 63],
				 digits[v & 63] };

		for (unsigned k = left + 1; k < 4; k++)
			four[k] = '=';
		dv_buf_add(out, four, 4);
	}
	return out->err;
}
