/* SPDX-License-Identifier: Apache-2.0 */
/* Git LFS's pointer: one encoding, printed and recognised. */
#include "git/lfs_pointer.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/sha256.h"

#define VERSION "version https://git-lfs.github.com/spec/v1\n"
#define BEFORE_OID VERSION "oid sha256:"
#define BEFORE_SIZE "\nsize "
/* Git LFS reads sizes as signed integers of 64 bits. */
#define SIZE_DIGITS 19

_Static_assert(sizeof(BEFORE_OID) + DV_OID_HEX_SIZE + sizeof(BEFORE_SIZE) ==
	       DV_LFS_POINTER_MIN, "the shortest pointer has a size of one digit");
_Static_assert(DV_LFS_POINTER_MIN + SIZE_DIGITS - 1 == DV_LFS_POINTER_MAX, "the longest pointer");

static bool parse_size(uint64_t *out, const char *p, size_t n)
{
	uint64_t v = 0;

	if (n < 2 || n > SIZE_DIGITS + 1 || p[n - 1] != '\n' || p[0] == '0')
		return false;
	for (size_t i = 0; i < n - 1; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(p[i] - '0');
	}
	*out = v;
	return v <= INT64_MAX;
}

bool dv_lfs_pointer_parse(dv_lfs_pointer *out, const void *p, size_t n)
{
	const size_t oid_at = sizeof(BEFORE_OID) - 1, size_at = oid_at + DV_OID_HEX_SIZE;
	const size_t digits_at = size_at + sizeof(BEFORE_SIZE) - 1;
	const char *s = p;
	dv_lfs_pointer l = { .size = 0 };

	if (n == 0) {
		dv_sha256(&l.oid, NULL, 0);
	} else if (n < DV_LFS_POINTER_MIN || n > DV_LFS_POINTER_MAX ||
		   memcmp(s, BEFORE_OID, oid_at) != 0 ||
		   memcmp(s + size_at, BEFORE_SIZE, digits_at - size_at) != 0 ||
		   dv_oid_parse(&l.oid, s + oid_at, DV_OID_HEX_SIZE) ||
		   !parse_size(&l.size, s + digits_at, n - digits_at) ||
		   dv_oid_is_empty(&l.oid)) {
		return false;
	}
	if (out)
		*out = l;
	return true;
}

size_t dv_lfs_pointer_print(char out[DV_LFS_POINTER_MAX + 1], const dv_lfs_pointer *p)
{
	char hex[DV_OID_HEX_SIZE + 1];

	out[0] = 0;
	if (p->size == 0)
		return 0;
	dv_oid_hex(hex, &p->oid);
	return (size_t)snprintf(out, DV_LFS_POINTER_MAX + 1, BEFORE_OID "%s" BEFORE_SIZE
				"%" PRIu64 "\n", hex, p->size);
}
