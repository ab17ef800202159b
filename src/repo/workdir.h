/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing the workspace. Every path is walked from the root's descriptor one component at a time
 * without following links, so nothing outside can be reached whatever lies in the way; a file comes
 * into view by rename, complete or not at all.
 */
#ifndef DV_REPO_WORKDIR_H
#define DV_REPO_WORKDIR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "repo/scratch.h"

/** Opens folder `path` below `rootfd` ("" or ".": a duplicate of it). With `create`, missing
 *  folders are made. DV_ENOTFOUND; DV_EUNSAFE when a component is a symbolic link or no folder. */
int dv_workdir_open(int *out, int rootfd, const char *path, bool create) DV_MUST_CHECK;
/** Splits into folder and name and opens the folder. *name borrows from path. */
int dv_workdir_parent(int *out, const char **name, int rootfd, const char *path, bool create)
	DV_MUST_CHECK;
/** fstatat without following links; DV_ENOTFOUND when it is not there. */
int dv_workdir_stat(struct stat *st, int rootfd, const char *path) DV_MUST_CHECK;

/** A file being written for folder `dirfd`. */
typedef struct dv_newfile {
	int dirfd;	/* borrowed */
	int fd;		/* -1 for a link */
	dv_tmp tmp;	/* what it is called until then */
	bool date_back;	/* see dv_stat_is_dated_back */
	int64_t began_ns;	/* then to this time, when it is earlier */
} dv_newfile;
#define DV_NEWFILE_INIT { .dirfd = -1, .fd = -1 }
/** `s` is where it lies while it is written; NULL: beside its place. */
int dv_newfile_open(dv_newfile *f, dv_scratch *s, int dirfd) DV_MUST_CHECK;
/** Gives it `mode` and its name, replacing a file or link of that name (not a folder). What it
 *  replaces must be what was seen (NULL: whatever is there), else DV_EDIRTY and the name keeps what
 *  it has, also when that was written in the last moment: the two are exchanged, and exchanged back
 *  when the old one is not the one expected. */
int dv_newfile_replace(dv_newfile *f, const char *name, mode_t mode, const dv_seen *was)
	DV_MUST_CHECK;
/** Removes what was not committed. */
void dv_newfile_release(dv_newfile *f);
/** A symbolic link under `name`, replacing a file or link atomically; `was` as above. */
int dv_workdir_symlink(dv_scratch *s, int dirfd, const char *name, const char *target,
		       const dv_seen *was) DV_MUST_CHECK;
/** Removes a file or link; absent is success. `was` as above. */
int dv_workdir_unlink(dv_scratch *s, int rootfd, const char *path, const dv_seen *was)
	DV_MUST_CHECK;
/** Removes an empty folder; success when it is absent or not empty. */
int dv_workdir_rmdir(int rootfd, const char *path) DV_MUST_CHECK;
/** The mode of a new file less the umask: 0666 or 0777. */
mode_t dv_workdir_mode(bool executable);

#endif
