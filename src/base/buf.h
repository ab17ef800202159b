/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growable bytes, always followed by a NUL that is not counted. An append that fails leaves the
 * buffer as it was and the failure in `err`, so a run of appends needs one check at its end.
 */
#ifndef DV_BASE_BUF_H
#define DV_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

typedef struct dv_buf {
	char *p;	/* never NULL after an append; "" before it through dv_buf_str */
	size_t n, cap;
	int err;	/* first failure, 0 when all is well */
} dv_buf;

#define DV_BUF_INIT { 0 }

void dv_buf_release(dv_buf *b);
/** Empties the buffer and keeps its room. */
void dv_buf_clear(dv_buf *b);
/** Room for `extra` more bytes. */
int dv_buf_reserve(dv_buf *b, size_t extra);
int dv_buf_add(dv_buf *b, const void *p, size_t n);
int dv_buf_adds(dv_buf *b, const char *s);
int dv_buf_addc(dv_buf *b, char c);
int dv_buf_addf(dv_buf *b, const char *fmt, ...) DV_PRINTF(2, 3);
int dv_buf_vaddf(dv_buf *b, const char *fmt, va_list ap) DV_PRINTF(2, 0);
/** Little-endian integers, as all formats of dv use them. */
int dv_buf_add_u16(dv_buf *b, uint16_t v);
int dv_buf_add_u32(dv_buf *b, uint32_t v);
int dv_buf_add_u64(dv_buf *b, uint64_t v);
/** The bytes as a string; "" for an empty buffer. Borrowed. */
const char *dv_buf_str(const dv_buf *b);
/** Hands the block to the caller (free()); the buffer is empty afterwards. NULL on failure. */
char *dv_buf_detach(dv_buf *b);

static inline uint16_t dv_get_u16(const void *p)
{
	const uint8_t *b = p;
	return (uint16_t)(b[0] | b[1] << 8);
}
static inline uint32_t dv_get_u32(const void *p)
{
	const uint8_t *b = p;
	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}
static inline uint64_t dv_get_u64(const void *p)
{
	return dv_get_u32(p) | (uint64_t)dv_get_u32((const uint8_t *)p + 4) << 32;
}
static inline void dv_put_u16(void *p, uint16_t v)
{
	uint8_t *b = p;
	b[0] = (uint8_t)v, b[1] = (uint8_t)(v >> 8);
}
static inline void dv_put_u32(void *p, uint32_t v)
{
	uint8_t *b = p;
	b[0] = (uint8_t)v, b[1] = (uint8_t)(v >> 8), b[2] = (uint8_t)(v >> 16),
	b[3] = (uint8_t)(v >> 24);
}
static inline void dv_put_u64(void *p, uint64_t v)
{
	dv_put_u32(p, (uint32_t)v);
	dv_put_u32((uint8_t *)p + 4, (uint32_t)(v >> 32));
}

#endif
