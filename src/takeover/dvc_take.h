/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking content over from DVC: every file is read once, and while it is cut, hashed and stored its
 * MD5 is made. What has not the MD5 by which it was asked for is never handed out under that name.
 * Looked for in this order: what a former call took over, the workspace, DVC's cache, DVC's remote.
 *
 * What was taken over and is durable is noted in the file "import-dvc" of dv's own folder (a line
 * "md5 MD5 OID SIZE" or "dos2unix MD5 OID SIZE" each), so that a call after one that was stopped
 * goes on where that was. It can be deleted. One thread calls; the work is done by a pool.
 */
#ifndef DV_TAKEOVER_DVC_TAKE_H
#define DV_TAKEOVER_DVC_TAKE_H

#include "repo/scan.h"
#include "takeover/dvc.h"
#include "transfer/foreign.h"

typedef struct dv_dvc_take dv_dvc_take;
typedef struct dv_dvc_take_options {
	dv_repo *repo;
	dv_pool *pool;
	dv_writer *writer;
	const char *cache;	/* DVC's, absolute; NULL: none */
	/** Opens DVC's remote at the first need; NULL: there is none, or it is not to be used. */
	int (*open_remote)(void *ctx, dv_foreign **out);
	void *ctx;
	bool plain, dos2unix;	/* names of which kinds are asked for */
} dv_dvc_take_options;
/** Borrows what the options name. */
int dv_dvc_take_new(dv_dvc_take **out, const dv_dvc_take_options *o) DV_MUST_CHECK;
void dv_dvc_take_free(dv_dvc_take *t);
DV_DEFINE_AUTOPTR(dv_dvc_take)

/** Stores the outputs that are open. Afterwards each is done, with its oid, or missing. What is
 *  missing is told, by the path of the file and its MD5. */
typedef int (*dv_dvc_missing_cb)(const dv_dvc_out *o, const char *path, const char *md5, void *ctx);
int dv_dvc_take_outs(dv_dvc_take *t, dv_dvc_out *const *outs, size_t n, dv_dvc_missing_cb cb,
		     void *ctx) DV_MUST_CHECK;
/** Symbolic links into DVC's cache that stand in the workspace where the outputs have files: paths
 *  of links, for who replaces them. */
const dv_path_list *dv_dvc_take_links(const dv_dvc_take *t);

/** The oid of the file of that name that was taken over, and is in the store. */
bool dv_dvc_take_find(dv_dvc_take *t, const dv_dvc_name *n, dv_oid *oid, uint64_t *size);
/** The listing of a directory by its name: from the cache, or the remote. DV_ENOTFOUND. */
int dv_dvc_take_listing(dv_dvc_take *t, const dv_dvc_name *n, dv_arena *a, dv_dvc_listing *out)
	DV_MUST_CHECK;
/** Has DVC's cache a file of that name? Its bytes are not looked at. */
bool dv_dvc_cache_has(const char *cache, const dv_dvc_name *n);

/** DVC's remote in words of dv's settings, for as long as it is open. */
typedef struct dv_dvc_remote {
	dv_dvc_mapping settings;
	char section[208];	/* "remote.NAME" */
} dv_dvc_remote;
/** Opens DVC's remote of that name; NULL: its default one. *out is NULL where there is none, or it
 *  cannot be reached, which is a warning. DV_ENOTFOUND for a name that DVC does not know. */
int dv_dvc_remote_open(dv_foreign **out, dv_dvc_remote *r, dv_dvc_settings *s, const dv_repo *repo,
		       const char *name) DV_MUST_CHECK;

/* -- for its parts ----------------------------------------------------------------------------- */

/** A file that is wanted by its name. */
typedef struct dv_dvc_want {
	dv_dvc_name name;
	const char *path;	/* in the workspace, for messages */
	bool found, damaged;	/* damaged: the cache has other bytes under that name */
} dv_dvc_want;
struct dv_dvc_station;
/** Where content comes from. */
typedef struct dv_dvc_source {
	int fd;			/* open file, or -1: `file` names it */
	const char *file;	/* absolute, for links */
} dv_dvc_source;
/** Brings wants from the cache, and then from the remote, into the writer. */
int dv_dvc_take_from_cache(dv_dvc_take *t, dv_dvc_want *w, size_t n) DV_MUST_CHECK;
int dv_dvc_take_from_remote(dv_dvc_take *t, dv_dvc_want *w, size_t n) DV_MUST_CHECK;
/** Makes the trees of files that are sorted as in a listing; `e` is what they are. */
typedef struct dv_dvc_entry {
	const char *path;
	dv_oid oid;
	uint64_t size;
	char kind;
} dv_dvc_entry;
int dv_dvc_tree(dv_writer *w, dv_encoder *enc, const dv_dvc_entry *e, size_t n, dv_oid *oid,
		uint64_t *size) DV_MUST_CHECK;

#endif
