/* SPDX-License-Identifier: Apache-2.0 */
/* Characters of UTF-8. */
#ifndef DV_BASE_UTF8_H
#define DV_BASE_UTF8_H

#include <stddef.h>

#include "base/buf.h"

/** Bytes of the character at `p`, which is before `end`; 0 when there is none: broken, too long,
 *  a surrogate or out of range. */
size_t dv_utf8_size(const char *p, const char *end);
/** Appends the character of that number, at most 0x10ffff. */
int dv_utf8_add(dv_buf *out, unsigned c);
/** Appends a JSON string, in quotes. What is not UTF-8 becomes U+FFFD. */
int dv_utf8_json(dv_buf *out, const char *s);

#endif
