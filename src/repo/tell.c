/* SPDX-License-Identifier: Apache-2.0 */
/* Between those who tell and the part that speaks HTTP. */
#include "repo/tell.h"

#include "transfer/remote_driver.h"

int dv_repo_post(const char *url, const void *text, size_t n, const char *key, unsigned ms)
{
	return dv_driver_post(url, text, n, key, ms);
}
