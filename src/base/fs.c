/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of fs.h that change the file system, each through one seam where faults are injected,
 * and whole-file reading. fs_atomic.c, fs_tree.c and fs_direct.c are built on these.
 */
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/path.h"

/* -- faults ------------------------------------------------------------------------------------ */

enum fault_kind { FAULT_UNKNOWN, FAULT_OFF, FAULT_COUNT, FAULT_EIO, FAULT_ENOSPC, FAULT_SHORT,
		  FAULT_DIE, FAULT_STOP };

static atomic_int fault_kind = FAULT_UNKNOWN;
static atomic_ullong fault_calls;
static unsigned long long fault_at;
static char *fault_file;
static pthread_once_t fault_once = PTHREAD_ONCE_INIT;

static void write_count(void)
{
	char text[32];
	int fd, n;

	if (atomic_load(&fault_kind) != FAULT_COUNT)
		return;
	fd = open(fault_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return;
	n = snprintf(text, sizeof(text), "%llu\n", atomic_load(&fault_calls));
	if (write(fd, text, (size_t)n) != n)
		dv_warn("cannot write '%s'", fault_file);
	close(fd);
}

static void parse_faults(const char *spec)
{
	static const struct {
		const char *name;
		enum fault_kind kind;
	} kinds[] = { { "count:", FAULT_COUNT }, { "eio:", FAULT_EIO }, { "enospc:", FAULT_ENOSPC },
		      { "short:", FAULT_SHORT }, { "die:", FAULT_DIE }, { "stop:", FAULT_STOP } };
	int kind = FAULT_OFF;
	char *end;

	for (size_t i = 0; spec && i < sizeof(kinds) / sizeof(*kinds); i++) {
		const char *arg = spec + strlen(kinds[i].name);

		if (strncmp(spec, kinds[i].name, strlen(kinds[i].name)) != 0)
			continue;
		if (kinds[i].kind == FAULT_COUNT) {
			free(fault_file);
			fault_file = dv_strdup(arg);
			kind = fault_file && atexit(write_count) == 0 ? FAULT_COUNT : FAULT_OFF;
		} else {
			fault_at = strtoull(arg, &end, 10);
			if (end != arg && !*end && *arg != '-')
				kind = kinds[i].kind;
		}
	}
	if (spec && *spec && kind == FAULT_OFF)
		dv_warn("cannot make sense of DV_FAULT='%s'", spec);
	atomic_store_explicit(&fault_calls, 0, memory_order_relaxed);
	atomic_store_explicit(&fault_kind, kind, memory_order_release);
}

static void init_faults(void)
{
	parse_faults(getenv("DV_FAULT"));
}

void dv_fs_faults(const char *spec)
{
	pthread_once(&fault_once, init_faults);
	parse_faults(spec);
}

/* Counts one changing call; the kind of fault that falls on it, or 0. */
static int fault_due(void)
{
	int kind = atomic_load_explicit(&fault_kind, memory_order_acquire);
	unsigned long long call;

	if (kind == FAULT_OFF)
		return 0;
	if (kind == FAULT_UNKNOWN) {
		pthread_once(&fault_once, init_faults);
		kind = atomic_load_explicit(&fault_kind, memory_order_acquire);
		if (kind == FAULT_OFF)
			return 0;
	}
	call = atomic_fetch_add_explicit(&fault_calls, 1, memory_order_relaxed) + 1;
	if (kind == FAULT_STOP && call == fault_at) {
		/* Not kill(): another thread might take it, and this one go on for a while. */
		raise(SIGSTOP);
		return 0;
	}
	return kind != FAULT_COUNT && call == fault_at ? kind : 0;
}

/* Lets the fault happen: -1 with errno, or no return at all. */
static int fail(int kind)
{
	if (kind == FAULT_DIE) {
		kill(getpid(), SIGKILL);
		for (;;)
			pause();
	}
	errno = kind == FAULT_EIO ? EIO : ENOSPC;
	return -1;
}

/* The seam: 0 to go on, -1 with errno when the call is to fail. */
static int fault(void)
{
	int kind = fault_due();

	return kind ? fail(kind) : 0;
}

/* -- thin calls -------------------------------------------------------------------------------- */

#define RETRY(call)                                                                                \
	(__extension__({                                                                           \
		__typeof__(call) dv_r_;                                                            \
		do                                                                                 \
			dv_r_ = (call);                                                            \
		while (dv_r_ == -1 && errno == EINTR);                                             \
		dv_r_;                                                                             \
	}))

int dv_fs_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	if ((flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) && fault())
		return -1;
	return RETRY(openat(dirfd, path, flags | O_CLOEXEC, mode));
}

int dv_fs_mkdirat(int dirfd, const char *path, mode_t mode)
{
	return fault() ? -1 : RETRY(mkdirat(dirfd, path, mode));
}

int dv_fs_renameat(int olddir, const char *old, int newdir, const char *new_)
{
	return fault() ? -1 : RETRY(renameat(olddir, old, newdir, new_));
}

int dv_fs_rename_noreplace(int olddir, const char *old, int newdir, const char *new_)
{
	int rc;

	if (fault())
		return -1;
	rc = RETRY(renameat2(olddir, old, newdir, new_, RENAME_NOREPLACE));
	if (rc == 0 || (errno != EINVAL && errno != ENOSYS))
		return rc;
	rc = RETRY(linkat(olddir, old, newdir, new_, 0));
	if (rc == 0)
		/* The file is in place; that its old name stays too is no failure. */
		RETRY(unlinkat(olddir, old, 0));
	return rc;
}

int dv_fs_rename_exchange(int adir, const char *a, int bdir, const char *b)
{
	return fault() ? -1 : RETRY(renameat2(adir, a, bdir, b, RENAME_EXCHANGE));
}

int dv_fs_linkat(int olddir, const char *old, int newdir, const char *new_)
{
	return fault() ? -1 : RETRY(linkat(olddir, old, newdir, new_, 0));
}

int dv_fs_symlinkat(const char *target, int dirfd, const char *path)
{
	return fault() ? -1 : RETRY(symlinkat(target, dirfd, path));
}

int dv_fs_unlinkat(int dirfd, const char *path, int flags)
{
	return fault() ? -1 : RETRY(unlinkat(dirfd, path, flags));
}

int dv_fs_fchmod(int fd, mode_t mode)
{
	return fault() ? -1 : RETRY(fchmod(fd, mode));
}

int dv_fs_ftruncate(int fd, off_t n)
{
	return fault() ? -1 : RETRY(ftruncate(fd, n));
}

int dv_fs_utimensat(int dirfd, const char *path, const struct timespec times[2], int flags)
{
	return fault() ? -1 : RETRY(utimensat(dirfd, path, times, flags));
}

int dv_fs_futimens(int fd, const struct timespec times[2])
{
	return fault() ? -1 : RETRY(futimens(fd, times));
}

/* Never asked twice after a failure: the kernel may have dropped the pages it could not write. */
int dv_fs_fdatasync(int fd)
{
	return fault() ? -1 : RETRY(fdatasync(fd));
}

int dv_fs_fsync(int fd)
{
	return fault() ? -1 : RETRY(fsync(fd));
}

/* Writes everything at the position (`at` < 0) or at an offset. */
static int write_fully(int fd, const uint8_t *p, size_t n, off_t at)
{
	while (n > 0) {
		ssize_t w = at < 0 ? write(fd, p, n) : pwrite(fd, p, n, at);

		if (w < 0 && errno == EINTR)
			continue;
		if (w == 0)
			errno = EIO;
		if (w <= 0)
			return -1;
		p += w;
		n -= (size_t)w;
		if (at >= 0)
			at += w;
	}
	return 0;
}

static int write_at(int fd, const void *p, size_t n, off_t at)
{
	int kind = fault_due();

	if (kind) {
		/* What a full disk or a crash leaves behind: a part. */
		if (kind == FAULT_SHORT || kind == FAULT_DIE)
			write_fully(fd, p, n / 2, at);
		return fail(kind);
	}
	return write_fully(fd, p, n, at);
}

int dv_fs_write_all(int fd, const void *p, size_t n)
{
	return write_at(fd, p, n, -1);
}

int dv_fs_pwrite_all(int fd, const void *p, size_t n, off_t at)
{
	return write_at(fd, p, n, at);
}

int dv_fs_pread_all(int fd, void *p, size_t n, off_t at, size_t *got)
{
	size_t done = 0;

	*got = 0;
	while (done < n) {
		ssize_t r = pread(fd, (uint8_t *)p + done, n - done, at + (off_t)done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		if (r == 0)
			break;
		done += (size_t)r;
		*got = done;
	}
	return 0;
}

/* -- copying ----------------------------------------------------------------------------------- */

/* One step of copying within the kernel: bytes moved, 0 when this way does not lead on. */
static ssize_t copy_step(bool range, int in, int out, uint64_t n)
{
	size_t want = n > (1u << 30) ? 1u << 30 : (size_t)n;
	ssize_t r = range ? RETRY(copy_file_range(in, NULL, out, NULL, want, 0)) :
			    RETRY(sendfile(out, in, NULL, want));

	if (r >= 0)
		return r;
	switch (errno) {
	case EBADF:	 /* out is in append mode */
	case EINVAL:	 /* not files, or the file system cannot */
	case ENOSYS:
	case EOPNOTSUPP:
	case EPERM:	 /* forbidden by a sandbox */
	case EXDEV:
		return 0;
	default:
		return -1;
	}
}

static int copy_through_buffer(int in, int out, uint64_t n)
{
	const size_t room = 256 * 1024;
	dv_autofree uint8_t *buf = malloc(room);

	if (!buf) {
		errno = ENOMEM;
		return -1;
	}
	while (n > 0) {
		ssize_t r = RETRY(read(in, buf, n < room ? (size_t)n : room));

		if (r == 0)
			errno = EIO;
		if (r <= 0 || write_fully(out, buf, (size_t)r, -1))
			return -1;
		n -= (uint64_t)r;
	}
	return 0;
}

int dv_fs_copy(int in, int out, uint64_t n)
{
	int kind = fault_due();

	if (kind == FAULT_SHORT || kind == FAULT_DIE)
		copy_through_buffer(in, out, n / 2);
	if (kind)
		return fail(kind);
	/* 0 bytes may mean the end or a file system that cannot: only read() knows for certain. */
	for (int range = 1; range >= 0; range--) {
		while (n > 0) {
			ssize_t r = copy_step(range, in, out, n);

			if (r < 0)
				return -1;
			if (r == 0)
				break;
			n -= (uint64_t)r;
		}
	}
	return n ? copy_through_buffer(in, out, n) : 0;
}

int dv_fs_clone(int in, int out)
{
	return fault() ? -1 : RETRY(ioctl(out, FICLONE, in));
}

/* -- recorded calls ---------------------------------------------------------------------------- */

static int read_all(dv_buf *out, int fd, const struct stat *st, const char *name, size_t max)
{
	size_t guess = 4095;

	/* The size is only a first guess: the file may grow, and some claim 0. */
	if (S_ISREG(st->st_mode) && st->st_size > 0) {
		if ((uint64_t)st->st_size > max)
			return dv_err(DV_ERROR, "'%s' is larger than %zu bytes", name, max);
		guess = (size_t)st->st_size + 1;
	}
	while (out->n <= max) {
		size_t room;
		ssize_t r;

		if (dv_buf_reserve(out, out->n < guess ? guess - out->n : out->n))
			return out->err;
		room = out->cap - out->n - 1;
		if (room > max - out->n)
			room = max - out->n + 1;
		r = RETRY(read(fd, out->p + out->n, room));
		if (r < 0) {
			dv_buf_clear(out);
			return dv_err_sys("cannot read '%s'", name);
		}
		out->n += (size_t)r;
		out->p[out->n] = '\0';
		if (r == 0)
			return 0;
		guess = out->n + 1;
	}
	dv_buf_clear(out);
	return dv_err(DV_ERROR, "'%s' is larger than %zu bytes", name, max);
}

int dv_fs_read_fd(dv_buf *out, int fd, const char *name, size_t max)
{
	struct stat st;

	dv_buf_clear(out);
	if (fstat(fd, &st))
		st = (struct stat){ 0 };
	return read_all(out, fd, &st, name, max);
}

int dv_fs_read_file(dv_buf *out, const char *path, size_t max)
{
	struct stat st;
	/* Not to hang on a pipe that nobody writes to. */
	dv_autoclose int fd =
		dv_fs_openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);

	dv_buf_clear(out);
	if (fd < 0) {
		int rc = dv_err_sys("cannot open '%s'", path);

		return errno == ENOTDIR ? dv_err_ctx(DV_ENOTFOUND, "no such file") : rc;
	}
	if (fstat(fd, &st))
		return dv_err_sys("cannot look at '%s'", path);
	if (S_ISDIR(st.st_mode))
		return dv_err(DV_ERROR, "'%s' is a directory", path);
	if (!S_ISREG(st.st_mode))
		return dv_err(DV_ERROR, "'%s' is not a regular file", path);
	return read_all(out, fd, &st, path, max);
}

int dv_fs_sync_dir(const char *path)
{
	dv_autoclose int fd = dv_fs_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return dv_err_sys("cannot open '%s'", path);
	if (dv_fs_fsync(fd) && errno != EINVAL && errno != EOPNOTSUPP)
		return dv_err_sys("cannot sync '%s'", path);
	return 0;
}

/* Creates one folder; 0 also when it is there. `path` must not end in a slash. */
static int make_dir(const char *path, bool durable)
{
	struct stat st;
	dv_autofree char *parent = NULL;

	if (dv_fs_mkdirat(AT_FDCWD, path, 0777) == 0) {
		if (!durable)
			return 0;
		parent = dv_path_dir(path);
		return parent ? dv_fs_sync_dir(parent) : DV_ERROR;
	}
	/* Some say EROFS or EACCES even where the folder exists. */
	if (errno != ENOENT) {
		int saved = errno;

		if (stat(path, &st) == 0) {
			if (S_ISDIR(st.st_mode))
				return 0;
			return dv_err(DV_EEXISTS, "cannot create the folder '%s': a file is there",
				      path);
		}
		errno = saved;
	}
	return dv_err_sys("cannot create the folder '%s'", path);
}

static int make_dirs(const char *path, bool durable)
{
	dv_autofree char *p = dv_strdup(path);
	struct stat st;
	size_t i;
	int rc;

	if (!p)
		return DV_ERROR;
	for (i = strlen(p); i > 1 && p[i - 1] == '/'; i--)
		p[i - 1] = '\0';
	/* Nearly always it is there already. */
	if (stat(p, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	for (i = 1; p[i - 1] && p[i]; i++) {
		if (p[i] != '/' || p[i - 1] == '/')
			continue;
		p[i] = '\0';
		rc = stat(p, &st) == 0 && S_ISDIR(st.st_mode) ? 0 : make_dir(p, durable);
		p[i] = '/';
		if (rc)
			return rc;
	}
	return make_dir(p, durable);
}

int dv_fs_mkdirs(const char *path)
{
	return make_dirs(path, false);
}

int dv_fs_mkdirs_sync(const char *path)
{
	return make_dirs(path, true);
}

int dv_random(void *out, size_t n)
{
	uint8_t *p = out;

	while (n > 0) {
		ssize_t r = RETRY(getrandom(p, n, 0));

		if (r < 0)
			return dv_err_sys("cannot get random bytes");
		p += r;
		n -= (size_t)r;
	}
	return 0;
}
