/* SPDX-License-Identifier: Apache-2.0 */
/* The user's file of logins, ~/.netrc: read, never written. Any bytes are safe. */
#ifndef DV_REMOTES_NETRC_H
#define DV_REMOTES_NETRC_H

#include <stdbool.h>

#include "remotes/secret.h"

#define DV_NETRC_MAX ((size_t)1 << 20)

typedef struct dv_login {
	char *user, *password;	/* either may be NULL */
} dv_login;
#define DV_LOGIN_INIT { 0 }
/** Wipes and empties it. */
void dv_login_release(dv_login *l);

/** The login for a host in a text: of the first entry that names it (and `user`, when that is not
 *  NULL); with `dflt` also of a "default" entry. True when there is one with a password. */
bool dv_netrc_find(const char *text, const char *host, const char *user, bool dflt,
		   dv_login *out);
/** The same from a file; NULL: ~/.netrc, which may be absent. *found tells. */
int dv_netrc_read(const char *path, const char *host, const char *user, bool dflt, dv_login *out,
		  bool *found) DV_MUST_CHECK;

#endif
