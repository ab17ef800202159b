/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Advisory locks. The lock file is never deleted: somebody may be waiting on the old one while a
 * third takes the new one, and both would hold "the" lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"

/* Opens the lock file; a shared lock needs no right to write, unless the file is to be made. */
static int open_lock(const char *path, bool exclusive)
{
	int fd = exclusive ? -1 : dv_fs_openat(AT_FDCWD, path, O_RDONLY | O_NOCTTY, 0);

	return fd >= 0 ? fd : dv_fs_openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_NOCTTY, 0666);
}

/* 0 when taken, 1 when somebody else holds it, or a negative dv_errcode. */
static int try_lock(int fd, const char *path, bool exclusive)
{
	for (;;) {
		if (flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0)
			return 0;
		if (errno == EWOULDBLOCK)
			return 1;
		if (errno != EINTR)
			return dv_err_sys("cannot lock '%s'", path);
	}
}

int dv_lock_take(dv_lock *l, const char *path, bool exclusive, int timeout_ms, const char *what)
{
	dv_autoclose int fd = open_lock(path, exclusive);
	int64_t start = dv_clock_ms(), pause_ms = 1;
	bool warned = false;
	int rc;

	l->fd = -1;
	if (fd < 0)
		return dv_err_sys("cannot open the lock file '%s'", path);
	while ((rc = try_lock(fd, path, exclusive)) == 1) {
		int64_t waited = dv_clock_ms() - start, left = timeout_ms - waited;
		struct timespec ts;

		if (timeout_ms >= 0 && left <= 0) {
			dv_err(DV_ELOCKED, "another process is using %s", what);
			return dv_err_hint(DV_ELOCKED, "try again when it has ended (lock: '%s')",
					   path);
		}
		rc = dv_check_cancel();
		if (rc)
			return rc;
		if (!warned && waited >= 1000) {
			dv_warn("waiting for another process that is using %s", what);
			warned = true;
		}
		if (timeout_ms >= 0 && pause_ms > left)
			pause_ms = left;
		ts.tv_sec = 0;
		ts.tv_nsec = (long)pause_ms * 1000000;
		nanosleep(&ts, NULL);
		pause_ms = pause_ms < 32 ? pause_ms * 2 : 50;
	}
	if (rc == 0)
		l->fd = dv_steal_fd(&fd);
	return rc;
}

void dv_lock_release(dv_lock *l)
{
	int saved = errno;

	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	errno = saved;
}
