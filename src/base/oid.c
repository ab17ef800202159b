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

#define PREFIX "sha256:"
#define PREFIX_SIZE (sizeof(PREFIX) - 1)

void dv_oid_text(char out[DV_OID_TEXT_SIZE + 1], const dv_oid *oid)
{
	memcpy(out, PREFIX, PREFIX_SIZE);
	dv_oid_hex(out + PREFIX_SIZE, oid);
}

const char *dv_oid_digits(const char *s)
{
	return strncmp(s, PREFIX, PREFIX_SIZE) == 0 ? s + PREFIX_SIZE : s;
}

int dv_oid_parse_text(dv_oid *out, const char *s)
{
	const char *digits = dv_oid_digits(s);

	return digits == s ? -1 : dv_oid_parse(out, digits, strlen(digits));
}

bool dv_oid_is_empty(const dv_oid *oid)
{
	static const dv_oid empty = { { 0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14,
					0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
					0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c,
					0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55 } };

	return dv_oid_eq(oid, &empty);
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int dv_hex_parse(uint8_t *out, size_t n, const char *s)
{
	for (size_t i = 0; i < n; i++) {
		int hi = digit_value(s[2 * i]);
		int lo = hi < 0 ? -1 : digit_value(s[2 * i + 1]);

		if (lo < 0)
			return -1;
		out[i] = (uint8_t)(hi << 4 | lo);
	}
	return 0;
}

int dv_oid_parse(dv_oid *out, const char *s, size_t n)
{
	dv_oid oid;

	if (n != DV_OID_HEX_SIZE || dv_hex_parse(oid.b, sizeof(oid.b), s))
		return -1;
	*out = oid;
	return 0;
}
