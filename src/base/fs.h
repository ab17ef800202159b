/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every file-system call that changes something. Durability is decided here, and faults are
 * injected here: DV_FAULT="<kind>:<n>" in the environment makes the n-th changing call (1-based,
 * counted over the process) fail with EIO (eio) or ENOSPC (enospc), write half of its data and then
 * fail with ENOSPC (short), or write half of its data and kill the process on the spot (die);
 * "stop" stops the process before the call (SIGSTOP), which goes on when it is continued.
 * DV_FAULT="count:FILE" writes the number of calls to FILE at exit. The seam is always compiled in
 * and costs one branch.
 *
 * The law: temporary file in the target's folder -> data -> fdatasync -> rename without replace (or
 * with, for what is allowed to change) -> fsync of the folder. A failed fsync is never retried: the
 * file counts as lost.
 */
#ifndef DV_BASE_FS_H
#define DV_BASE_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include "base/buf.h"

/* Thin calls: 0 or a descriptor, -1 with errno (not recorded), as their namesakes. EINTR is
 * retried. Descriptors are close-on-exec. */
int dv_fs_openat(int dirfd, const char *path, int flags, mode_t mode);
int dv_fs_mkdirat(int dirfd, const char *path, mode_t mode);
int dv_fs_renameat(int olddir, const char *old, int newdir, const char *new_);
/** Fails with EEXIST when `new_` exists; atomic (renameat2, else link + unlink). */
int dv_fs_rename_noreplace(int olddir, const char *old, int newdir, const char *new_);
/** Exchanges two names in one step. Fails with EINVAL or ENOSYS where that is not to be had. */
int dv_fs_rename_exchange(int adir, const char *a, int bdir, const char *b);
int dv_fs_linkat(int olddir, const char *old, int newdir, const char *new_);
int dv_fs_symlinkat(const char *target, int dirfd, const char *path);
/** flags as unlinkat (AT_REMOVEDIR). */
int dv_fs_unlinkat(int dirfd, const char *path, int flags);
int dv_fs_fchmod(int fd, mode_t mode);
int dv_fs_ftruncate(int fd, off_t n);
int dv_fs_fdatasync(int fd);
/** For folders; for files where times and mode matter too. */
int dv_fs_fsync(int fd);
/** Sets access and modification time, as utimensat. */
int dv_fs_utimensat(int dirfd, const char *path, const struct timespec times[2], int flags);
int dv_fs_futimens(int fd, const struct timespec times[2]);
/** Whole buffer or failure; -1 with errno. */
int dv_fs_write_all(int fd, const void *p, size_t n);
int dv_fs_pwrite_all(int fd, const void *p, size_t n, off_t at);
/** Copies `n` bytes between descriptors at their positions, in the kernel where it can
 *  (copy_file_range, sendfile), else through a buffer. -1 with errno; EIO when `in` ends early. */
int dv_fs_copy(int in, int out, uint64_t n);
/** Clones the whole of `in` into the empty `out` (FICLONE); -1 with errno where unsupported. */
int dv_fs_clone(int in, int out);

/* Reading: whole or failure; -1 with errno, *got bytes read before the end of the file. */
int dv_fs_pread_all(int fd, void *p, size_t n, off_t at, size_t *got);

/* Recorded calls: 0 or a negative dv_errcode. */

/** Reads a regular file of at most `max` bytes into `out`, whose content is replaced. DV_ENOTFOUND
 *  when it is not there; DV_ERROR over `max`, and for what is not a regular file. */
int dv_fs_read_file(dv_buf *out, const char *path, size_t max) DV_MUST_CHECK;
/** As above, to the end of an open file or pipe; `name` is for messages. */
int dv_fs_read_fd(dv_buf *out, int fd, const char *name, size_t max) DV_MUST_CHECK;
/** Creates a folder with its parents, mode 0777 less the umask. */
int dv_fs_mkdirs(const char *path) DV_MUST_CHECK;
/** As dv_fs_mkdirs, and what was created is durable. */
int dv_fs_mkdirs_sync(const char *path) DV_MUST_CHECK;
/** fsync of a folder. Not an error where the file system refuses it (EINVAL). */
int dv_fs_sync_dir(const char *path) DV_MUST_CHECK;
/** Removes a file or a whole tree below `path` without following links; absent is success. */
int dv_fs_remove_tree(const char *path) DV_MUST_CHECK;

/** How an atomic file comes into view. */
enum dv_atomic_flags {
	DV_ATOMIC_NOREPLACE = 1u << 0,	/* DV_EEXISTS when the name is taken */
	DV_ATOMIC_SYNC = 1u << 1,	/* data and folder are durable before success */
	DV_ATOMIC_READONLY = 1u << 2,	/* mode 0444 less the umask */
	DV_ATOMIC_KEEP_MODE = 1u << 3,	/* of the file that it replaces, if any */
};
/** A file that appears complete under its name or not at all. */
typedef struct dv_atomic {
	int fd;		/* write here; -1 when none */
	char *tmp, *path;
	unsigned flags;
} dv_atomic;
#define DV_ATOMIC_INIT { .fd = -1 }
/** Opens a temporary file beside `path` (whose folder exists), mode 0666 less the umask. */
int dv_atomic_open(dv_atomic *a, const char *path, unsigned flags) DV_MUST_CHECK;
/** Makes it visible. After failure the release removes the temporary file. */
int dv_atomic_commit(dv_atomic *a) DV_MUST_CHECK;
/** As commit, under a name known only now (same folder or another of the same file system). */
int dv_atomic_commit_as(dv_atomic *a, const char *path) DV_MUST_CHECK;
void dv_atomic_release(dv_atomic *a);
/** open + write + commit. */
int dv_fs_write_file(const char *path, const void *p, size_t n, unsigned flags) DV_MUST_CHECK;
/** As above, with the temporary file in the folder `tmpdir` where a rename from there is possible,
 *  else (and for NULL) beside `path`. */
int dv_fs_write_file_via(const char *tmpdir, const char *path, const void *p, size_t n,
			 unsigned flags) DV_MUST_CHECK;

/** Cryptographically random bytes (getrandom). */
int dv_random(void *out, size_t n) DV_MUST_CHECK;

/** An advisory lock on a file that is created when absent: flock, released with dv_lock_release or
 *  by the end of the process. */
typedef struct dv_lock {
	int fd;
} dv_lock;
#define DV_LOCK_INIT { .fd = -1 }
/** `exclusive` or shared; waits at most `timeout_ms` (0: does not wait, -1: for ever), then
 *  DV_ELOCKED. Waiting calls dv_check_cancel(); after a second it warns once, naming `what`. */
int dv_lock_take(dv_lock *l, const char *path, bool exclusive, int timeout_ms, const char *what)
	DV_MUST_CHECK;
void dv_lock_release(dv_lock *l);

/** Writes a new file from its start to its end past the page cache (O_DIRECT) where the file system
 *  allows, which is steadier and cheaper for what is not read soon; buffered with early write-out
 *  where it does not. Small files are always buffered. While one buffer is being written (by a
 *  thread of the writer's own) the other one is filled. For one thread at a time. */
typedef struct dv_direct_writer {
	struct dv_direct *d;
} dv_direct_writer;
#define DV_DIRECT_INIT { 0 }
/** Starts writing at offset 0 of the empty file `fd` (of a dv_atomic, say), open for writing, which
 *  nobody else touches before the finish or the release; it stays the caller's. */
int dv_direct_open(dv_direct_writer *w, int fd, const char *path) DV_MUST_CHECK;
/** A failure may be that of an earlier write; after one the writer can only be released. */
int dv_direct_write(dv_direct_writer *w, const void *p, size_t n) DV_MUST_CHECK;
/** Writes what waits, cuts the file to its length, and leaves `fd` an ordinary buffered descriptor
 *  positioned at the end. Does not sync. */
int dv_direct_finish(dv_direct_writer *w) DV_MUST_CHECK;
/** Bytes taken so far. */
uint64_t dv_direct_size(const dv_direct_writer *w);
/** Waits for the write under way: comes before the descriptor is closed. */
void dv_direct_writer_release(dv_direct_writer *w);

/** Replaces what DV_FAULT said and starts counting anew; NULL ends injection. For tests. */
void dv_fs_faults(const char *spec);

#endif
