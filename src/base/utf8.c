/* SPDX-License-Identifier: Apache-2.0 */
/* Characters of UTF-8. */
#include "base/utf8.h"

#include <string.h>

size_t dv_utf8_size(const char *text, const char *end)
{
	const unsigned char *p = (const unsigned char *)text;
	unsigned c = *p, least;
	size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 :
		   c >= 0xf0 && c < 0xf5 ? 4 : 0;

	if (n < 2)
		return n;
	if ((size_t)(end - text) < n)
		return 0;
	c &= 0x7fu >> n;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fu);
	}
	least = n == 2 ? 0x80 : n == 3 ? 0x800 : 0x10000;
	return c < least || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : n;
}

int dv_utf8_add(dv_buf *out, unsigned c)
{
	char b[4];
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (size_t i = n; i-- > 1; c >>= 6)
		b[i] = (char)(0x80 | (c & 0x3f));
	b[0] = (char)(n == 1 ? c : c | (0xf00u >> n & 0xff));
	return dv_buf_add(out, b, n);
}

int dv_utf8_json(dv_buf *out, const char *s)
{
	const char *end = s + strlen(s);

	dv_buf_addc(out, '"');
	while (s < end) {
		size_t n = dv_utf8_size(s, end);

		if (n == 0)
			dv_buf_adds(out, "\xef\xbf\xbd");
		else if (*s == '"' || *s == '\\')
			dv_buf_addf(out, "\\%c", *s);
		else if ((unsigned char)*s < 0x20 || *s == 0x7f)
			dv_buf_addf(out, "\\u%04x", (unsigned)*s);
		else
			dv_buf_add(out, s, n);
		s += n ? n : 1;
	}
	dv_buf_addc(out, '"');
	return out->err;
}
