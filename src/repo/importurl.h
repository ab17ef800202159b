/* SPDX-License-Identifier: Apache-2.0 */
/* Files and folders at a URL: what is there, and bringing it. */
#ifndef DV_REPO_IMPORTURL_H
#define DV_REPO_IMPORTURL_H

#include "repo/import.h"

/** Looks at what the pointer's source names. *same: it did not change since, and nothing is done.
 *  Else *s says what is there now, and unless `no_download` its content is in the store and *e is
 *  what it is; e->kind is 0 without. */
int dv_importurl_again(dv_repo *r, const dv_pointer *p, bool no_download, int jobs, dv_source **s,
		       dv_tree_entry *e, bool *same) DV_MUST_CHECK;

/** A file or folder of others, open. */
typedef struct dv_urlplace {
	struct dv_foreign *f;
	char *name;		/* below the place; "" is that */
	char *url;		/* with the scheme that a driver has */
	char *dir;		/* of ours, for what is on its way */
	dv_lock lock;
	dv_repo *user;
	char *remote;		/* of the user's, whose settings are used; or NULL */
	bool is_own;		/* that remote's URL is the user's own setting */
	bool is_folder;		/* the URL ends with a slash */
} dv_urlplace;
void dv_urlplace_release(dv_urlplace *u);
/** Opens what a URL or path names; relative folders start at `base` (NULL: the working folder).
 *  Settings of a remote are used for what lies at or below its URL, and for "remote://NAME/…". */
int dv_urlplace_open(dv_urlplace *u, dv_repo *r, const char *url, const char *base) DV_MUST_CHECK;

#endif
