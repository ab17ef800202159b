/* SPDX-License-Identifier: Apache-2.0 */
/* Telling others what happens, over the network. */
#ifndef DV_REPO_TELL_H
#define DV_REPO_TELL_H

#include "base/error.h"

/** Posts a JSON text to an http or https URL. `key` (may be NULL) goes along as a bearer token.
 *  0 when the server took it; it gets no second chance, and all of it takes `ms` at most. */
int dv_repo_post(const char *url, const void *text, size_t n, const char *key, unsigned ms)
	DV_MUST_CHECK;

#endif
