/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MD5 as DVC names files by it: a checksum to compare with, never a name of our own. Until DVC 3
 * text was hashed with its CRLF as LF ("md5-dos2unix"): in blocks of 1 MiB, of which each, or the
 * first for all, told by its first 512 bytes whether the file is text. Both are found.
 */
#ifndef DV_BASE_MD5_H
#define DV_BASE_MD5_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"

#define DV_MD5_SIZE 16
#define DV_MD5_HEX 32

typedef struct dv_md5 {
	uint8_t b[DV_MD5_SIZE];
} dv_md5;

/** Writes 32 lower-case hexadecimal digits and a NUL. */
void dv_md5_hex(char out[DV_MD5_HEX + 1], const dv_md5 *md5);

/** A running digest, for one thread at a time. */
typedef struct dv_md5_stream dv_md5_stream;
/** `dos2unix`: of text with CRLF as LF. */
int dv_md5_new(dv_md5_stream **out, bool dos2unix) DV_MUST_CHECK;
void dv_md5_stream_free(dv_md5_stream *s);
DV_DEFINE_AUTOPTR(dv_md5_stream)
/** Starts anew. */
void dv_md5_begin(dv_md5_stream *s);
void dv_md5_update(dv_md5_stream *s, const void *p, size_t n);
/** The digests of all that came since the start: one, or with dos2unix perhaps two. Returns their
 *  number, or a negative dv_errcode when any step failed. */
int dv_md5_end(dv_md5_stream *s, dv_md5 out[2]) DV_MUST_CHECK;
/** The plain digest of a buffer. */
int dv_md5_of(dv_md5 *out, const void *p, size_t n) DV_MUST_CHECK;

#endif
