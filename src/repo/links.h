/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Link modes: how files of the workspace and whole files of the cache share their bytes
 * (cache.type). The modes are tried in the order of the setting, with copy as the last one; a mode
 * that the file systems refuse is given up for the rest of the command, with one warning. Files of
 * at most DV_WHOLE_MIN bytes are always copied.
 *
 * Guarantees: a whole file is read-only, sealed and durable before anything links to it; a link
 * takes its name in the workspace by rename; no link of the workspace is followed: a symbolic link
 * counts as a file of the cache by its text alone.
 */
#ifndef DV_REPO_LINKS_H
#define DV_REPO_LINKS_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/map.h"
#include "repo/repo.h"
#include "repo/workdir.h"
#include "store/whole.h"

enum dv_link_mode { DV_LINK_COPY, DV_LINK_REFLINK, DV_LINK_HARDLINK, DV_LINK_SYMLINK };
#define DV_LINKS_MAX 8

/** The link modes of one command. Any thread may use it. */
typedef struct dv_links {
	dv_store *store;
	dv_scratch *scratch;
	enum dv_link_mode modes[DV_LINKS_MAX + 1];	/* the last is copy */
	_Atomic int at;			/* the mode in use */
	pthread_mutex_t lock;
	dv_map claimed;			/* whole files that this command makes */
} dv_links;
/** Reads cache.type. */
void dv_links_init(dv_links *l, dv_repo *r, dv_store *s);
void dv_links_release(dv_links *l);
enum dv_link_mode dv_links_mode(const dv_links *l);
/** Is a file of that length to be linked? */
bool dv_links_wanted(const dv_links *l, uint64_t size);
/** Tries the modes between the cache and the folder `dirfd`, so that none is found out to fail
 *  after work was done for it. */
int dv_links_probe(dv_links *l, int dirfd) DV_MUST_CHECK;

enum dv_take {
	DV_TAKE_NOT = 0,	/* store it as a copy is stored */
	DV_TAKE_DONE = 1,
	DV_TAKE_RELINK = 2,	/* stored; to be replaced by a link after the commit */
};
/** Takes the file `name` in `dirfd` into the cache as a whole file, or finds that it is there
 *  already. `path` is for messages, worker as for dv_ingest_whole. *st is the workspace file's stat
 *  afterwards. A dv_take; DV_ETRANSIENT when the file changed meanwhile. */
int dv_links_take(dv_links *l, dv_ingest *in, dv_writer *w, int worker, int dirfd,
		  const char *name, const char *path, dv_oid *oid, struct stat *st) DV_MUST_CHECK;
/** Makes the whole file of an object whose chunks the cache has; visible after the commit. pool
 *  NULL: with the reader alone. 0 also when no mode is left that needs it. */
int dv_links_make(dv_links *l, dv_writer *w, dv_reader *r, dv_pool *pool, const dv_oid *oid,
		  uint64_t size, bool executable) DV_MUST_CHECK;
/** Puts a link to the whole file of `oid` under `name` in `dirfd`, in place of what was seen there
 *  (NULL: of anything). 1: done, *st is its stat; 0: it must be copied. */
int dv_links_put(dv_links *l, const dv_oid *oid, char kind, int dirfd, const char *name,
		 const dv_seen *was, struct stat *st) DV_MUST_CHECK;
/** Is `name` in `dirfd` already what the mode in use would make of it? */
bool dv_links_is_right(const dv_links *l, const dv_oid *oid, char kind, uint64_t size, int dirfd,
		       const char *name);

/** Is `name` in `dirfd` a symbolic link to a place for whole files in the cache? *oid is that of
 *  the place; whether anything is there is another question. */
bool dv_links_points_in(const dv_store *s, int dirfd, const char *name, dv_oid *oid);

#endif
