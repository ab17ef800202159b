/* SPDX-License-Identifier: Apache-2.0 */
/* Hexadecimal form of an oid. Upper-case digits are refused: one oid, one spelling. */
#include "base/oid.h"

void dv_oid_hex(char out[DV_OID_HEX_SIZE + 1], const dv_oid *oid)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < DV_OID_RAW_SIZE; i++) {
		out[2 * i] = digits[oid->b[i] >> 4];
		out[2 * i + 1] = digits[oid->b[i] & 15];
	}
	out[DV_OID_HEX_SIZE] = '\0';
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int dv_oid_parse(dv_oid *out, const char *s, size_t n)
{
	dv_oid oid;

	if (n != DV_OID_HEX_SIZE)
		return -1;
	for (size_t i = 0; i < DV_OID_RAW_SIZE; i++) {
		int hi = digit_value(s[2 * i]);
		int lo = digit_value(s[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return -1;
		oid.b[i] = (uint8_t)(hi << 4 | lo);
	}
	*out = oid;
	return 0;
}
