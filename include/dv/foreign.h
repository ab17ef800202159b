/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libdv: data of other repositories, and from other places.
 *
 * A part of <dv.h>, which includes it; what is said there of errors, ownership and threads holds.
 */
#ifndef DV_FOREIGN_H
#define DV_FOREIGN_H

#include <dv.h>

#ifdef __cplusplus
extern "C" {
#endif

/* URL: a folder (a work tree's root or a bare repository), http, https, ssh, git, file, or scp's
 * "host:path"; paths are relative to its root. Data comes from the remotes that the repository
 * itself names, or, on this machine, from its cache. None of these needs a repository here. */

typedef struct dv_get_options {
	const char *rev;	/* NULL: its HEAD */
	const char *out;	/* as cp takes it; NULL: the last part of the path */
	bool force;		/* replace what is there */
	int jobs;
} dv_get_options;
typedef struct dv_get_summary {
	uint64_t files, bytes;
	char commit[65];	/* it came from */
	char name[256];		/* what it is called here */
} dv_get_summary;
/** Copies a file or directory of another repository, tracked by dv or by git, to a place here:
 *  complete or not at all. `path` NULL: all of it. */
DV_API int dv_get(const char *url, const char *path, const dv_get_options *o, dv_get_summary *out);
typedef struct dv_ls_url_options {
	bool recursive;
	bool outputs_only;	/* leave out what git has */
} dv_ls_url_options;
/** Lists what there is at `path` (NULL: its root), with what git has (an entry without oid). */
DV_API int dv_ls_url(const char *url, const char *rev, const char *path,
		     const dv_ls_url_options *o, dv_entry_cb cb, void *payload);
/** As dv_cat. */
DV_API int dv_cat_url(const char *url, const char *rev, const char *path, uint64_t offset,
		      uint64_t length, dv_data_cb cb, void *payload);

/* -- imports ----------------------------------------------------------------------------------- */

typedef struct dv_import_options {
	const char *rev;	/* of a repository; NULL: its HEAD */
	const char *out;	/* as cp takes it; NULL: the last part of the path */
	bool force;		/* replace what is there */
	bool no_download;	/* write the pointer only; dv_pull or dv_update bring the data */
	bool to_remote;		/* dv_import_url: send it to a remote, and keep nothing here */
	const char *remote;	/* which one; NULL: the default one */
	bool no_stage;
	int jobs;
} dv_import_options;
/** Makes an output of a file or directory of another repository. Its pointer says where it came
 *  from, and at which commit; it is not pushed, and pull brings it from there. */
DV_API int dv_import(dv_repo *r, const char *url, const char *path, const dv_import_options *o,
		     dv_output_cb cb, void *payload);

/** Makes an output of a file or, where that can be listed, a directory at a URL: http, https, s3,
 *  ssh, "remote://NAME/path" or a path. Its pointer says where it came from, and what was seen
 *  there. Of the options `rev` is not looked at. */
DV_API int dv_import_url(dv_repo *r, const char *url, const dv_import_options *o, dv_output_cb cb,
			 void *payload);

typedef struct dv_update_options {
	const char *rev;	/* of repositories: from now on this one */
	bool force;		/* drop what was changed here */
	bool no_download;
	bool to_remote;		/* of URLs: send what is new to a remote, and keep nothing here */
	const char *remote;	/* which one; NULL: the output's own or the default one */
	bool no_stage;
	int jobs;
} dv_update_options;
typedef struct dv_update_summary {
	uint64_t imports, changed;
} dv_update_summary;
/** Takes imports (all of them when n is 0) as they are now where they came from. */
DV_API int dv_update(dv_repo *r, const char *const *targets, size_t n, const dv_update_options *o,
		     dv_output_cb cb, void *payload, dv_update_summary *out);

#ifdef __cplusplus
}
#endif

#endif
