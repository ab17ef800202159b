/* SPDX-License-Identifier: Apache-2.0 */
/* What must not be in a URL, and what must not be shown of one. */
#ifndef DV_BASE_URL_H
#define DV_BASE_URL_H

#include "base/error.h"

/** DV_EUNSAFE when a URL holds a password, or a user or host that begins with '-', which a program
 *  could take for an option, or control characters. The message does not show it. What is no URL
 *  passes. */
int dv_url_check(const char *url) DV_MUST_CHECK;
/** The URL as it may be shown: "***" for a password and for what follows '?'. Owned; NULL when
 *  memory runs out. */
char *dv_url_redact(const char *url);

#endif
