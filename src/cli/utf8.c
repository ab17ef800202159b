/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8, as far as printing needs it.
 */
#include "cli/utf8.h"

#include <stdint.h>

static size_t decode(const char *text, size_t n, uint32_t *out)
{
	const unsigned char *p = (const unsigned char *)text;
	static const uint32_t least[] = { 0, 1, 0x80, 0x800, 0x10000 };
	uint32_t c;
	size_t len;

	if (n == 0 || p[0] == 0 || (p[0] >= 0x80 && p[0] < 0xc2) || p[0] > 0xf4)
		return 0;
	len = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (len > n)
		return 0;
	c = len == 1 ? p[0] : p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*out = c;
	return len;
}

size_t dv_utf8_valid(const char *p, size_t n)
{
	uint32_t c;

	return decode(p, n, &c);
}

size_t dv_utf8_printable(const char *p, size_t n)
{
	uint32_t c = 0;
	size_t len = decode(p, n, &c);

	if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0x61c ||
	    c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
	    (c >= 0x2066 && c <= 0x2069))
		return 0;
	return len;
}
