/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libdv: taking over what other tools had.
 *
 * A part of <dv.h>, which includes it; what is said there of errors, ownership and threads holds.
 */
#ifndef DV_TAKEOVER_H
#define DV_TAKEOVER_H

#include <dv.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What became of one thing that another tool had. */
enum dv_takeover_kind {
	DV_TAKEN,		/* dv has it now */
	DV_TAKEN_BEFORE,	/* dv had it already */
	DV_TAKE_MISSING,	/* bytes that nobody here has */
	DV_TAKE_LEFT,		/* dv cannot express it, or somebody decided otherwise */
	DV_TAKE_PLANNED,	/* dry: would be taken over */
	DV_TAKE_REMOVED		/* the other tool's file is gone */
};
typedef struct dv_takeover {
	enum dv_takeover_kind kind;
	const char *from;	/* the other tool's file or setting */
	const char *to;		/* dv's, or NULL */
	const char *path;	/* of the output, or of the file that is missing; or NULL */
	const char *oid;	/* of an output, 64 hex digits, or NULL */
	const char *why;	/* left; missing: the other tool's name of the bytes; or NULL */
	uint64_t size, nfiles;
} dv_takeover;
typedef int (*dv_takeover_cb)(const dv_takeover *t, void *payload);
typedef struct dv_takeover_summary {
	uint64_t outputs, files, bytes;	/* taken over, now or before */
	uint64_t stages, settings;
	uint64_t missing, left, removed;
} dv_takeover_summary;

typedef struct dv_import_dvc_options {
	const char *remote;	/* DVC's remote to fetch from; NULL: its default one */
	const char *cache;	/* DVC's cache; NULL: where its settings say */
	bool no_fetch;		/* what is neither in the workspace nor in the cache is missing */
	bool force;		/* also in place of pointers that name something else */
	bool remove;		/* then takes away DVC's files, but never its cache */
	bool no_stage;
	bool dry;
	int jobs;
} dv_import_dvc_options;
/** Takes over what DVC has in the workspace: pointers, pipelines, settings, and the content that
 *  these name, of which every MD5 is checked. DV_ENOTFOUND when there is nothing of DVC's.
 *  DV_EPARTIAL when something is missing. */
DV_API int dv_import_dvc(dv_repo *r, const dv_import_dvc_options *o, dv_takeover_cb cb,
			 void *payload, dv_takeover_summary *out);

typedef struct dv_import_lfs_options {
	bool no_fetch;		/* what is not in .git/lfs is missing */
	bool no_stage;
	bool dry;
	int jobs;
} dv_import_lfs_options;
/** Takes over what Git LFS keeps: its objects, of which every SHA-256 is checked, and the patterns
 *  in .gitattributes, which name dv's filter then. Git's pointers stay as they are. What HEAD needs
 *  and is not here comes from the LFS server of the repository. DV_ENOTFOUND when there is nothing
 *  of Git LFS's; DV_EPARTIAL when something is missing: then the patterns stay, too. */
DV_API int dv_import_lfs(dv_repo *r, const dv_import_lfs_options *o, dv_takeover_cb cb,
			 void *payload, dv_takeover_summary *out);

typedef struct dv_lfs_agent_options {
	int in, out;		/* where git-lfs asks and is answered: 0 and 1 */
	const char *remote;	/* NULL: the default one */
} dv_lfs_agent_options;
/** Speaks with git-lfs as its standalone custom transfer agent until it ends: what it uploads is on
 *  the remote, durable, when it is told so; what it downloads is checked. Several may run at
 *  once. Without a repository (NULL), right after dv_repo_open failed, git-lfs is told of that
 *  failure, which it would not show otherwise, and its code is returned. */
DV_API int dv_lfs_agent(dv_repo *r, const dv_lfs_agent_options *o);

#ifdef __cplusplus
}
#endif

#endif
