/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 32-byte name of an object, a chunk or a pack: the SHA-256 of its bytes.
 * Plain value, compared byte by byte; safe in any thread.
 */
#ifndef DV_BASE_OID_H
#define DV_BASE_OID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DV_OID_RAW_SIZE 32
#define DV_OID_HEX_SIZE 64

typedef struct dv_oid {
	uint8_t b[DV_OID_RAW_SIZE];
} dv_oid;

static inline bool dv_oid_eq(const dv_oid *a, const dv_oid *b)
{
	return memcmp(a->b, b->b, DV_OID_RAW_SIZE) == 0;
}

/* Order of the raw bytes, which is also the order of the hexadecimal forms. */
static inline int dv_oid_cmp(const dv_oid *a, const dv_oid *b)
{
	return memcmp(a->b, b->b, DV_OID_RAW_SIZE);
}

static inline bool dv_oid_is_zero(const dv_oid *a)
{
	static const dv_oid zero = { { 0 } };

	return dv_oid_eq(a, &zero);
}

/* The SHA-256 of nothing: the object that is never stored. */
bool dv_oid_is_empty(const dv_oid *oid);

/* Writes 64 lower-case hexadecimal digits and a NUL. */
void dv_oid_hex(char out[DV_OID_HEX_SIZE + 1], const dv_oid *oid);

/*
 * Reads exactly 64 lower-case hexadecimal digits: `n` must be 64, nothing may
 * follow. Returns 0, or -1 and leaves `out` untouched; records no error,
 * because only the caller knows what was being read.
 */
int dv_oid_parse(dv_oid *out, const char *s, size_t n);

/*
 * The form in which pointers, lock files and records write an oid: "sha256:" and the digits.
 * Reading takes all of the text, and returns as dv_oid_parse.
 */
#define DV_OID_TEXT_SIZE (sizeof("sha256:") - 1 + DV_OID_HEX_SIZE)
void dv_oid_text(char out[DV_OID_TEXT_SIZE + 1], const dv_oid *oid);
int dv_oid_parse_text(dv_oid *out, const char *s);
/* Behind "sha256:", which a user may leave out, where it is there. */
const char *dv_oid_digits(const char *s);

/* Reads 2n lower-case hexadecimal digits into n bytes: 0, or -1 when one is something else; then
 * the bytes before it are written. A NUL is no digit: `s` may end anywhere. */
int dv_hex_parse(uint8_t *out, size_t n, const char *s);

#endif
