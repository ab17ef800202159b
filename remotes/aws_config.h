/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that the tools of AWS keep in ~/.aws: sections of "key = value". They are the user's
 * own; still any bytes are safe.
 */
#ifndef DV_REMOTES_AWS_CONFIG_H
#define DV_REMOTES_AWS_CONFIG_H

#include <stdbool.h>

#include "remotes/secret.h"

#define DV_AWS_FILE_MAX ((size_t)1 << 20)

/** One value. Sections are "profile NAME", "services NAME" …; a section without a value has one
 *  with the key "". Keys are lower case; those of a nested group are "s3.addressing_style". */
typedef struct dv_aws_entry {
	char *section, *key, *value;
} dv_aws_entry;
typedef struct dv_aws_config {
	dv_aws_entry *e;
	size_t n, cap;
} dv_aws_config;
#define DV_AWS_CONFIG_INIT { 0 }
/** Wipes it. */
void dv_aws_config_release(dv_aws_config *c);

/** Adds what a file says; later values win. In the file of credentials every section is a profile,
 *  in the file of settings those called "profile NAME" and "default". DV_ENOTFOUND when there is no
 *  such file, DV_ERROR above 1 MiB. */
int dv_aws_config_read(dv_aws_config *c, const char *path, bool credentials) DV_MUST_CHECK;
/** As above, from a text. */
int dv_aws_config_parse(dv_aws_config *c, const char *text, size_t n, bool credentials)
	DV_MUST_CHECK;
bool dv_aws_config_has(const dv_aws_config *c, const char *section);
/** Borrowed; NULL when it is not there or empty. */
const char *dv_aws_config_get(const dv_aws_config *c, const char *section, const char *key);
/** The same for profile `profile`. */
const char *dv_aws_profile_get(const dv_aws_config *c, const char *profile, const char *key);

#endif
