/* SPDX-License-Identifier: Apache-2.0 */
/* Paths as byte strings: joining, normalising, and the rules that keep a path inside a folder. */
#ifndef DV_BASE_PATH_H
#define DV_BASE_PATH_H

#include <stdbool.h>
#include <stddef.h>

/** "a/b" (or b when it is absolute, or a when b is ""); NULL when memory runs out. */
char *dv_path_join(const char *a, const char *b);
/** Folder part; "." when there is none. Owned. */
char *dv_path_dir(const char *path);
/** Last component; borrowed. */
const char *dv_path_base(const char *path);
/** Lexical: no "//", ".", "..", no slash at the end; "" is ".". ".." above the start of a relative
 *  path is kept, above "/" dropped. Owned. */
char *dv_path_normal(const char *path);
/** The normal absolute path, without resolving links in the last component; parents are resolved
 *  when they exist. Owned; NULL with the error recorded. */
char *dv_path_absolute(const char *path);
/** The folder that an absolute path or a URL names: "/…", "file:///…" or "file://localhost/…", in
 *  URLs with %XX for any byte but NUL. Owned; DV_EUSAGE for anything else. */
int dv_path_from_url(char **out, const char *url);
/** `path` relative to folder `base`, both absolute and normal; may begin with "..". Owned. */
char *dv_path_relative(const char *path, const char *base);
/** True when `path` equals `dir` or lies below it; both normal. *rest is what follows: "" or
 *  "a/b". */
bool dv_path_below(const char *path, const char *dir, const char **rest);
/** True for a relative path that stays inside: not empty, no leading or double slash, no component
 *  "." or "..", no NUL. What hostile files must satisfy. */
bool dv_path_is_safe(const char *path);
/** True for one component: not empty, not "." or "..", no slash. */
bool dv_name_is_safe(const char *name, size_t n);

/** Does the text look like scp's "[user@]host:path": a ':' before any '/', and no scheme? */
bool dv_path_is_scp(const char *s);
/** The ssh:// URL that such a text means; a relative path is below the login's folder. Owned; NULL
 *  when memory runs out. */
char *dv_path_scp_url(const char *s);

#endif
