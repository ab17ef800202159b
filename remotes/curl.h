/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl, loaded when it is first needed: no command that stays on this machine pays for it, and
 * dv runs where it is not installed.
 */
#ifndef DV_REMOTES_CURL_H
#define DV_REMOTES_CURL_H

#include <curl/curl.h>

#include "base/error.h"

#define DV_CURL_FUNCTIONS(X)                                                                       \
	X(global_init)                                                                             \
	X(getdate)                                                                                 \
	X(slist_append)                                                                            \
	X(slist_free_all)                                                                          \
	X(easy_init)                                                                               \
	X(easy_reset)                                                                              \
	X(easy_setopt)                                                                             \
	X(easy_getinfo)                                                                            \
	X(easy_strerror)                                                                           \
	X(easy_cleanup)                                                                            \
	X(multi_init)                                                                              \
	X(multi_setopt)                                                                            \
	X(multi_add_handle)                                                                        \
	X(multi_remove_handle)                                                                     \
	X(multi_perform)                                                                           \
	X(multi_poll)                                                                              \
	X(multi_info_read)                                                                         \
	X(multi_cleanup)                                                                           \
	X(multi_strerror)                                                                          \
	X(share_init)                                                                              \
	X(share_setopt)                                                                            \
	X(share_cleanup)                                                                           \
	X(url)                                                                                     \
	X(url_set)                                                                                 \
	X(url_get)                                                                                 \
	X(url_cleanup)                                                                             \
	X(free)

typedef struct dv_curl {
#define DV_CURL_MEMBER(name) __typeof__(curl_##name) *name;
	DV_CURL_FUNCTIONS(DV_CURL_MEMBER)
#undef DV_CURL_MEMBER
} dv_curl;

/** The functions of libcurl, loaded and started at the first call; any thread. NULL, with the
 *  failure recorded, when there is none. */
const dv_curl *dv_curl_load(void);

#endif
