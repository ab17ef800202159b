/* SPDX-License-Identifier: Apache-2.0 */
/* Files and folders at a URL: what is there, and bringing it. */
#ifndef DV_REPO_IMPORTURL_H
#define DV_REPO_IMPORTURL_H

#include "repo/import.h"
#include "transfer/remote_driver.h"

/** Looks at what the source of an import names. *same: it did not change since, and nothing is
 *  done. Else *s says what is there now, and unless how->no_download its content is in the store,
 *  or with how->to_remote on the remote that `t`, which the caller releases, is then open for; *e
 *  is what it is; e->kind is 0 without. */
struct dv_toremote;
int dv_importurl_again(dv_importing *im, const dv_output *o, const dv_update_options *how,
		       struct dv_toremote *t, dv_source **s, dv_tree_entry *e, bool *same)
	DV_MUST_CHECK;

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
/** "scheme://host" of a URL, without secrets; of what is none all of it. NULL: no memory. */
char *dv_urlplace_host(const char *url);
/** Opens what a URL or path names; relative folders start at `base` (NULL: the working folder).
 *  Settings of a remote are used for what lies at or below its URL, and for "remote://NAME/…". */
int dv_urlplace_open(dv_urlplace *u, dv_repo *r, const char *url, const char *base) DV_MUST_CHECK;

/** The name that the output gets when none is given, owned. Refuses what has none, unless there is
 *  an `out`. */
int dv_urlplace_usual(const dv_urlplace *u, const char *out, char **name) DV_MUST_CHECK;

/** The files below a folder of others, by their paths. */
typedef struct dv_urlfile {
	char *path;
	dv_remote_look look;
} dv_urlfile;
typedef struct dv_urlfiles {
	dv_urlfile *l;		/* sorted by the bytes of the paths */
	size_t n, cap;
	uint64_t size;
} dv_urlfiles;
void dv_urlfiles_release(dv_urlfiles *l);
/** What is there: into the fields of *s that tell so, and for a folder its files into *l. */
int dv_urlplace_look(dv_urlplace *u, dv_source *s, dv_urlfiles *l) DV_MUST_CHECK;
/** Looks again after a reading: DV_ETRANSIENT when what was seen before is not there any more. */
int dv_urlplace_check_again(dv_urlplace *u, const dv_source *before) DV_MUST_CHECK;
/** How to read. */
typedef struct dv_urlread {
	const char *phase;	/* for the progress */
	bool deltas;		/* store some chunks as deltas, if the writer can */
	int jobs;		/* files at once, at most; 0: as many as serve the place best */
	const dv_oid *before;	/* what a file was before, or NULL */
} dv_urlread;
/** Puts all of it into a writer, as it comes: nothing lies on a disk in between. */
int dv_urlplace_ingest(dv_urlplace *u, const dv_source *s, const dv_urlfiles *l, dv_writer *w,
		       const dv_urlread *how, dv_tree_entry *out) DV_MUST_CHECK;

#endif
