/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the driver for web servers: where it goes and who it says it is. */
#ifndef DV_REMOTES_WEB_H
#define DV_REMOTES_WEB_H

#include "remotes/secret.h"
#include "transfer/remote_driver.h"

/** A URL taken apart. All owned. */
typedef struct dv_web_place {
	char *base;	/* without a user and without a slash at the end */
	char *host;	/* without the port */
	char *user;	/* of the URL, or NULL */
	char *authority;	/* host and port as in the URL */
	const char *path;	/* in base; "" or "/…" */
	bool tls;
} dv_web_place;
#define DV_WEB_PLACE_INIT { 0 }
void dv_web_place_release(dv_web_place *p);
/** DV_EUNSAFE for what could be taken for an option and for a password, DV_EUSAGE for what is no
 *  http or https URL of a folder. Messages do not show the user's part. */
int dv_web_place_read(dv_web_place *out, const char *url) DV_MUST_CHECK;

/** What goes with every request. */
typedef struct dv_web_auth {
	char *user, *password;	/* of basic authentication, or NULL */
	char **headers;		/* "Name: value", a bearer token among them */
	size_t n, cap;
} dv_web_auth;
#define DV_WEB_AUTH_INIT { 0 }
/** Wipes it. */
void dv_web_auth_release(dv_web_auth *a);
/** From the settings auth, header, netrc and credentialhelper; runs the helper. The header goes
 *  only to a URL that is the user's own; what netrc and helper know is for a host, and goes to a
 *  URL that is not the user's own over TLS only. */
int dv_web_auth_read(dv_web_auth *out, const dv_driver_options *o, const dv_web_place *at)
	DV_MUST_CHECK;

#endif
