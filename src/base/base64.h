/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648, with padding), writing only. */
#ifndef DV_BASE_BASE64_H
#define DV_BASE_BASE64_H

#include "base/buf.h"

/** Appends the text of `n` bytes. */
int dv_base64(dv_buf *out, const void *p, size_t n);

#endif
