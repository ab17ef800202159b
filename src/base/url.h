/* SPDX-License-Identifier: Apache-2.0 */
/* What must not be in a URL, and what must not be shown of one. */
#ifndef DV_BASE_URL_H
#define DV_BASE_URL_H

#include "base/error.h"

/** DV_EUNSAFE when a URL holds a password, or any user for S3, or a user or host that begins with
 *  '-', which a program could take for an option, or control characters. The message does not show
 *  it. What is no URL passes. */
int dv_url_check(const char *url) DV_MUST_CHECK;
/** Length of the scheme before "://", 0 when there is none. */
size_t dv_url_scheme(const char *url);
/** Writes the scheme in lower case, as the drivers know it. */
void dv_url_lower_scheme(char *url);
/** The URL as it may be shown: "***" for a password, for a user unless the scheme is ssh (it may be
 *  a token), and for what follows '?'. Any text may be given. Owned; NULL when memory runs out. */
char *dv_url_redact(const char *url);

#endif
