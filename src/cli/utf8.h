/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8, as far as printing needs it.
 */
#ifndef DV_CLI_UTF8_H
#define DV_CLI_UTF8_H

#include <stddef.h>

/* Length of the valid UTF-8 character at p, 1 to 4, or 0 when there is none in the n bytes.
 * Surrogates, overlong forms and NUL are not valid. */
size_t dv_utf8_valid(const char *p, size_t n);

/* The same, but 0 also for what would act on a terminal or reorder a line: control characters
 * (C0, DEL, C1), line separators and the marks that change the direction of text. */
size_t dv_utf8_printable(const char *p, size_t n);

#endif
