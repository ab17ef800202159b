/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings: four levels of files in git-config syntax, read without libgit2. A later level wins.
 * Files that come with a clone are hostile: what .dv/config (level repo) may say is limited to what
 * cannot start a program, show a secret or reach outside the workspace, and no level may include
 * other files.
 *
 * A dv_config is read-only after loading and may be read from any thread.
 */
#ifndef DV_REPO_CONFIG_H
#define DV_REPO_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define DV_CONFIG_FILE_MAX ((size_t)1 << 20)

/** One "key = value". The key is normal: section and name in lower case, subsection as written. */
typedef struct dv_config_entry {
	char *key, *value;
	enum dv_config_level level;
} dv_config_entry;
typedef struct dv_config {
	dv_config_entry *e;	/* weakest level first, order of the files within */
	size_t n, cap;
	char *file[DV_CONFIG_LOCAL + 1];	/* by level; NULL when there is none */
} dv_config;
#define DV_CONFIG_INIT { 0 }
void dv_config_release(dv_config *c);

/** Reads all levels. `root` is the workspace and `local` the local level's file; NULL without a
 *  repository. Absent files are empty. Refused settings of the repo level are left out with a
 *  warning; an include there is DV_EUNSAFE. */
int dv_config_load(dv_config *c, const char *root, const char *local) DV_MUST_CHECK;

/** Adds a setting, stronger than all before. */
int dv_config_put(dv_config *c, const char *key, const char *value, enum dv_config_level level)
	DV_MUST_CHECK;
/** Is this the address of a remote, and a folder relative to the workspace? */
bool dv_config_is_relative(const char *key, const char *value);

/** The strongest value of a normal key, or NULL. Borrowed; *level may be NULL. */
const char *dv_config_string(const dv_config *c, const char *key, enum dv_config_level *level);
/** A boolean as git reads it (true/yes/on/1, false/no/off/0, a bare key is true); `dflt` when
 *  absent or not a boolean (with a warning). */
bool dv_config_bool(const dv_config *c, const char *key, bool dflt);
/** An integer with an optional k, m or g; `dflt` when absent, malformed or outside min … max (with
 *  a warning). */
int64_t dv_config_int(const dv_config *c, const char *key, int64_t dflt, int64_t min, int64_t max);

/** "REMOTE.Origin.URL" -> "remote.Origin.url", owned. DV_EUSAGE for what is no key, also when it is
 *  not one dv knows (the hint names the nearest one). */
int dv_config_normal_key(char **out, const char *key) DV_MUST_CHECK;
/** Is this normal key with this value refused at the repo level? */
bool dv_config_refused(const char *key, const char *value);

/** The address of a remote for the transfer layer: a URL as it is, a folder absolute (relative ones
 *  are relative to the workspace `root`). Name NULL: the default remote. *name_out (may be NULL) is
 *  the name, both owned. DV_ENOTFOUND with a hint when there is none. */
int dv_config_remote(const dv_config *c, const char *root, const char *name, char **name_out,
		     char **url) DV_MUST_CHECK;

/* -- the syntax (config_file.c) ---------------------------------------------------------------- */

/** Called for each setting; `begin` and `end` are the bytes of its lines in the text. Key is
 *  normal, value NULL for a bare key. Returns 0 to go on. */
typedef int (*dv_config_parse_cb)(const char *key, const char *value, size_t begin, size_t end,
				  void *payload);
/** Parses git-config syntax. Any bytes are safe. DV_ERROR "NAME:LINE: …". */
int dv_config_parse(const char *text, size_t n, const char *name, dv_config_parse_cb cb,
		    void *payload) DV_MUST_CHECK;
/** The text with `key` set to `value` (NULL: taken out; DV_ENOTFOUND when it is not in it). All
 *  else stays as it is, comments too. */
int dv_config_edit(dv_buf *out, const char *text, size_t n, const char *name, const char *key,
		   const char *value) DV_MUST_CHECK;
/** The text with section `old` ("remote.a") renamed to `new_`, or taken out when `new_` is NULL.
 *  *found tells whether there was one. */
int dv_config_edit_section(dv_buf *out, const char *text, size_t n, const char *name,
			   const char *old, const char *new_, bool *found) DV_MUST_CHECK;

#endif
