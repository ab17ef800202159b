/* SPDX-License-Identifier: Apache-2.0 */
/* The table of settings, for those who write them. */
#ifndef DV_REPO_CONFIG_KEYS_H
#define DV_REPO_CONFIG_KEYS_H

#include "repo/config.h"

/** Does dv know the normal key, and may it hold the value? DV_EUSAGE with a hint when not. */
int dv_config_check(const char *key, const char *value) DV_MUST_CHECK;
/** Is the value of the normal key a secret, which is never shown? */
bool dv_config_is_secret(const char *key);

#endif
