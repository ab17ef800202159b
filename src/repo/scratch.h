/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where files are on their way into the workspace, and out of it: a folder of the process's own in
 * dv's part of the git folder, so that neither git nor anybody else sees them. The process holds a
 * lock in it; who finds such a folder without its owner removes it with what is in there. Where a
 * rename from there is impossible (another file system), the file lies beside its target, and a
 * link in the folder tells of it.
 */
#ifndef DV_REPO_SCRATCH_H
#define DV_REPO_SCRATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "base/fs.h"

/** Prefix of temporary files beside their targets; scans skip them. */
#define DV_TMP_PREFIX ".dv-tmp-"
/** Prefix of what is to be put back into the workspace: saved when nobody does (aside.h). */
#define DV_SCRATCH_ASIDE "aside-"

/** What was seen under a name when the workspace was scanned. Whoever replaces or removes it makes
 *  sure that it is still that, so that what somebody wrote meanwhile is not lost. */
typedef struct dv_seen {
	char kind;		/* 'f' 'x' 'l' 'd', 0: nothing was there */
	bool linked;		/* a link to the cache, of which only that is known */
	uint64_t dev, ino, size;	/* ino 0: unknown */
	int64_t mtime_ns;
} dv_seen;
/** Is it still that? The time of inode change is left out: links to the same file, made and removed
 *  beside it, alter it. */
bool dv_seen_is_still(const dv_seen *was, const struct stat *st);
/** What lstat saw. */
dv_seen dv_seen_of(const struct stat *st);

typedef struct dv_scratch {
	char *dvdir, *dir;	/* NULL when not open */
	int fd;
	dv_lock lock;
	uint64_t dev, mount;	/* mount 0: the kernel does not tell */
	_Atomic uint64_t next;
	_Atomic bool off;	/* a rename from here was refused: beside the targets from then */
} dv_scratch;
#define DV_SCRATCH_INIT { .fd = -1, .lock = DV_LOCK_INIT }
/** Makes the folder below `dvdir` (which is made when absent), and removes what processes that
 *  ended too early left there. Files that they took out of the workspace, and that are not what
 *  they had seen there, go to `dvdir`/saved with a warning. Does nothing when it is open. */
int dv_scratch_open(dv_scratch *s, const char *dvdir) DV_MUST_CHECK;
void dv_scratch_release(dv_scratch *s);
/** As dv_fs_write_file, by way of the scratch folder; NULL stands for beside the target. */
int dv_scratch_write(const dv_scratch *s, const char *path, const void *p, size_t n,
		     unsigned flags) DV_MUST_CHECK;

/** Moves `name` of folder `dir` to `dvdir`/saved, under a name of its own; *path is that, owned. */
int dv_saved_put(const char *dvdir, int dir, const char *name, char **path) DV_MUST_CHECK;

#define DV_TMP_MAX 120
/** A temporary name for a file on its way into a folder or out of it. From any thread. */
typedef struct dv_tmp {
	dv_scratch *s;
	int dir;		/* where the name is; borrowed */
	char name[DV_TMP_MAX];	/* "" when none */
	char note[DV_TMP_MAX];	/* the link that tells of it, "" when none */
} dv_tmp;
/** Finds a name for what belongs to folder `dirfd`; there is no such file yet. `s` NULL: beside. */
int dv_tmp_begin(dv_tmp *t, dv_scratch *s, int dirfd) DV_MUST_CHECK;
/** Has the name say that from now on the file may be the one that was seen, taken from its place,
 *  or still the one whose inode is `own` (0: there is none yet). */
int dv_tmp_may_be(dv_tmp *t, const dv_seen *was, uint64_t own) DV_MUST_CHECK;
/** The name is free again: nothing is to be told of it. */
void dv_tmp_done(dv_tmp *t);
/** Keeps the file for the user; *path (owned) says where. */
int dv_tmp_save(dv_tmp *t, char **path) DV_MUST_CHECK;
/** Refused with EXDEV: the name moves beside its target in `dirfd`, without its file. */
int dv_tmp_beside(dv_tmp *t, int dirfd) DV_MUST_CHECK;

#endif
