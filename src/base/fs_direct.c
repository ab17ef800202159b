/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sequential writing past the page cache; see fs.h. O_DIRECT is switched on when the first buffer
 * is full, so small files never pay for it, and off for good when the file system refuses it, be it
 * at once (tmpfs) or only at a write. Every write goes through dv_fs_pwrite_all, where faults are.
 *
 * The thread that writes full buffers is started with the first of them. Where that fails, the
 * caller's thread writes: slower, but no less right. Where nothing asks for alignment, large pieces
 * go to the kernel as the caller has them, without a copy.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fs.h"

/* Offsets, lengths and addresses are multiples of this: the largest block size in use. */
#define ALIGNMENT 4096u
#define ROOM	  (4u << 20)
/* Pieces from this length on are worth a call of their own. */
#define LARGE	  (1u << 20)
/* How much may be dirty before write-out is begun. */
#define AHEAD	  (8u << 20)

_Static_assert(ROOM % ALIGNMENT == 0, "a full buffer is written as it is");

/* Small files never get beyond the first. */
enum mode { UNDECIDED, DIRECT, BUFFERED };

typedef struct dv_direct {
	/* The caller's. */
	char *path;
	uint8_t *buf;
	size_t n;	/* bytes waiting in it */
	uint64_t total;
	bool decided, has_thread;
	bool through;	/* buffered from the start */

	/* The writing side's while `busy`, else the caller's. */
	int fd;
	uint8_t *full;
	uint64_t at, started;	/* handed to the kernel; of these, write-out was begun */
	enum mode mode;
	int rc;
	dv_error failure;

	/* Under the lock. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool busy, ending;
	pthread_t thread;
} dv_direct;

static int cannot_write(const dv_direct *d)
{
	return dv_err_sys("cannot write '%s'", d->path);
}

/* Switches O_DIRECT; -1 with errno where it is refused. */
static int set_direct(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -1;
	return fcntl(fd, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT);
}

/* Memory has no disk to go around: there O_DIRECT is taken, and is but one copy more here. */
static enum mode choose(int fd)
{
	struct statfs st;

	if (fstatfs(fd, &st) == 0 && (st.f_type == TMPFS_MAGIC || st.f_type == RAMFS_MAGIC))
		return BUFFERED;
	return set_direct(fd, true) == 0 ? DIRECT : BUFFERED;
}

/* Lets the kernel begin writing what is dirty, rather than all at once at the sync. */
static void start_write_out(dv_direct *d)
{
	if (d->at - d->started < AHEAD)
		return;
	/* Only a hint: where it is not supported the sync does all the work. */
	sync_file_range(d->fd, (off_t)d->started, (off_t)(d->at - d->started),
			SYNC_FILE_RANGE_WRITE);
	d->started = d->at;
}

/* Hands `n` bytes over: an aligned number, unless the writer is buffered. */
static int put(dv_direct *d, const uint8_t *p, size_t n)
{
	int rc = dv_fs_pwrite_all(d->fd, p, n, (off_t)d->at);

	if (rc && d->mode == DIRECT && errno == EINVAL) {
		d->mode = BUFFERED;
		if (set_direct(d->fd, false))
			return cannot_write(d);
		rc = dv_fs_pwrite_all(d->fd, p, n, (off_t)d->at);
	}
	if (rc)
		return cannot_write(d);
	d->at += n;
	if (d->mode == BUFFERED)
		start_write_out(d);
	return 0;
}

static void *write_full_buffers(void *arg)
{
	dv_direct *d = arg;

	pthread_mutex_lock(&d->lock);
	for (;;) {
		while (!d->busy && !d->ending)
			pthread_cond_wait(&d->changed, &d->lock);
		if (!d->busy)
			break;
		pthread_mutex_unlock(&d->lock);
		d->rc = put(d, d->full, ROOM);
		if (d->rc)
			dv_error_take(&d->failure);
		pthread_mutex_lock(&d->lock);
		d->busy = false;
		pthread_cond_broadcast(&d->changed);
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

static void start_thread(dv_direct *d)
{
	sigset_t all, old;

	d->full = dv_aligned_alloc(ALIGNMENT, ROOM);
	if (!d->full)
		return;
	/* Signals are for the program's own threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	d->has_thread = pthread_create(&d->thread, NULL, write_full_buffers, d) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* Waits for the write under way; its failure, or that of an earlier one. */
static int settle(dv_direct *d)
{
	pthread_mutex_lock(&d->lock);
	while (d->busy)
		pthread_cond_wait(&d->changed, &d->lock);
	pthread_mutex_unlock(&d->lock);
	return d->rc ? dv_error_put(&d->failure) : 0;
}

/* Gives a full buffer away for an empty one. */
static int hand_over(dv_direct *d)
{
	uint8_t *empty;
	int rc;

	if (!d->decided) {
		d->decided = true;
		d->mode = choose(d->fd);
		d->through = d->mode == BUFFERED;
		if (!d->through)
			start_thread(d);
	}
	rc = settle(d);
	if (rc)
		return rc;
	if (!d->has_thread) {
		d->rc = put(d, d->buf, ROOM);
		if (d->rc)
			dv_error_take(&d->failure);
		d->n = 0;
		return d->rc;
	}
	empty = d->full;
	d->full = d->buf;
	d->buf = empty;
	d->n = 0;
	pthread_mutex_lock(&d->lock);
	d->busy = true;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
	return 0;
}

/* Writes what waits, then `n` bytes as they are. */
static int write_through(dv_direct *d, const uint8_t *p, size_t n)
{
	int rc = settle(d);

	if (rc)
		return rc;
	rc = d->n ? put(d, d->buf, d->n) : 0;
	if (!rc) {
		d->n = 0;
		rc = put(d, p, n);
	}
	if (!rc) {
		d->total += n;
		return 0;
	}
	d->rc = rc;
	dv_error_take(&d->failure);
	return dv_error_put(&d->failure);
}

int dv_direct_open(dv_direct_writer *w, int fd, const char *path)
{
	dv_direct *d = dv_calloc(1, sizeof(*d));

	w->d = d;
	if (!d)
		return DV_ERROR;
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->changed, NULL);
	d->fd = fd;
	d->path = dv_strdup(path);
	d->buf = dv_aligned_alloc(ALIGNMENT, ROOM);
	if (!d->path || !d->buf) {
		dv_direct_writer_release(w);
		return DV_ERROR;
	}
	return 0;
}

int dv_direct_write(dv_direct_writer *w, const void *p, size_t n)
{
	dv_direct *d = w->d;
	const uint8_t *from = p;

	if (d->through && n >= LARGE)
		return write_through(d, p, n);
	while (n > 0) {
		size_t part = ROOM - d->n;
		int rc;

		/* The buffer stays full after a failure, which is told again. */
		if (part == 0)
			return settle(d);
		if (part > n)
			part = n;
		memcpy(d->buf + d->n, from, part);
		d->n += part;
		d->total += part;
		from += part;
		n -= part;
		if (d->n < ROOM)
			break;
		rc = hand_over(d);
		if (rc)
			return rc;
	}
	return 0;
}

int dv_direct_finish(dv_direct_writer *w)
{
	dv_direct *d = w->d;
	size_t padded = d->n;
	int rc = settle(d);

	if (rc)
		return rc;
	if (d->mode == DIRECT) {
		padded = (d->n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
		memset(d->buf + d->n, 0, padded - d->n);
	}
	if (padded > 0) {
		rc = put(d, d->buf, padded);
		if (rc)
			return rc;
	}
	d->n = 0;
	if (d->at != d->total && dv_fs_ftruncate(d->fd, (off_t)d->total))
		return cannot_write(d);
	d->at = d->total;
	if (d->mode == DIRECT && set_direct(d->fd, false))
		return cannot_write(d);
	d->mode = BUFFERED;
	if (lseek(d->fd, (off_t)d->total, SEEK_SET) < 0)
		return cannot_write(d);
	return 0;
}

uint64_t dv_direct_size(const dv_direct_writer *w)
{
	return w->d ? w->d->total : 0;
}

void dv_direct_writer_release(dv_direct_writer *w)
{
	dv_direct *d = w->d;

	w->d = NULL;
	if (!d)
		return;
	if (d->has_thread) {
		pthread_mutex_lock(&d->lock);
		d->ending = true;
		pthread_cond_broadcast(&d->changed);
		pthread_mutex_unlock(&d->lock);
		pthread_join(d->thread, NULL);
	}
	pthread_mutex_destroy(&d->lock);
	pthread_cond_destroy(&d->changed);
	free(d->path);
	free(d->buf);
	free(d->full);
	free(d);
}
