/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sequential writing past the page cache; see fs.h. O_DIRECT is switched on when the first buffer
 * is full, so small files never pay for it, and off for good when the file system refuses it, be it
 * at once (tmpfs) or only at a write. Every write goes through dv_fs_pwrite_all, where faults are.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fs.h"

/* Offsets, lengths and addresses are multiples of this: the largest block size in use. */
#define ALIGNMENT 4096u
#define ROOM	  (4u << 20)
/* How much may be dirty before write-out is begun. */
#define AHEAD	  (8u << 20)

_Static_assert(ROOM % ALIGNMENT == 0, "a full buffer is written as it is");

enum mode { UNDECIDED, DIRECT, BUFFERED };

static int cannot_write(const dv_direct_writer *w)
{
	return dv_err_sys("cannot write '%s'", w->path);
}

/* Switches O_DIRECT; -1 with errno where it is refused. */
static int set_direct(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -1;
	return fcntl(fd, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT);
}

int dv_direct_open(dv_direct_writer *w, int fd, const char *path)
{
	*w = (dv_direct_writer)DV_DIRECT_INIT;
	w->path = dv_strdup(path);
	w->buf = dv_aligned_alloc(ALIGNMENT, ROOM);
	if (!w->path || !w->buf) {
		dv_direct_writer_release(w);
		return DV_ERROR;
	}
	w->fd = fd;
	w->mode = UNDECIDED;
	return 0;
}

/* Lets the kernel begin writing what is dirty, rather than all at once at the sync. */
static void start_write_out(dv_direct_writer *w)
{
	if (w->at - w->started < AHEAD)
		return;
	/* Only a hint: where it is not supported the sync does all the work. */
	sync_file_range(w->fd, (off_t)w->started, (off_t)(w->at - w->started),
			SYNC_FILE_RANGE_WRITE);
	w->started = w->at;
}

/* Hands `n` bytes of the buffer over, an aligned number unless the writer is buffered. */
static int put(dv_direct_writer *w, size_t n)
{
	int rc = dv_fs_pwrite_all(w->fd, w->buf, n, (off_t)w->at);

	if (rc && w->mode == DIRECT && errno == EINVAL) {
		w->mode = BUFFERED;
		if (set_direct(w->fd, false))
			return cannot_write(w);
		rc = dv_fs_pwrite_all(w->fd, w->buf, n, (off_t)w->at);
	}
	if (rc)
		return cannot_write(w);
	w->at += n;
	if (w->mode == BUFFERED)
		start_write_out(w);
	return 0;
}

int dv_direct_write(dv_direct_writer *w, const void *p, size_t n)
{
	const uint8_t *from = p;

	while (n > 0) {
		size_t part = ROOM - w->n;
		int rc;

		if (part > n)
			part = n;
		memcpy(w->buf + w->n, from, part);
		w->n += part;
		from += part;
		n -= part;
		if (w->n < ROOM)
			break;
		if (w->mode == UNDECIDED)
			w->mode = set_direct(w->fd, true) == 0 ? DIRECT : BUFFERED;
		rc = put(w, ROOM);
		if (rc)
			return rc;
		w->n = 0;
	}
	return 0;
}

int dv_direct_finish(dv_direct_writer *w)
{
	uint64_t size = dv_direct_size(w);
	size_t padded = w->n;
	int rc;

	if (w->mode == DIRECT) {
		padded = (w->n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
		memset(w->buf + w->n, 0, padded - w->n);
	}
	if (padded > 0) {
		rc = put(w, padded);
		if (rc)
			return rc;
	}
	w->n = 0;
	if (w->at != size && dv_fs_ftruncate(w->fd, (off_t)size))
		return cannot_write(w);
	w->at = size;
	if (w->mode == DIRECT && set_direct(w->fd, false))
		return cannot_write(w);
	w->mode = BUFFERED;
	if (lseek(w->fd, (off_t)size, SEEK_SET) < 0)
		return cannot_write(w);
	return 0;
}

uint64_t dv_direct_size(const dv_direct_writer *w)
{
	return w->at + w->n;
}

void dv_direct_writer_release(dv_direct_writer *w)
{
	free(w->path);
	free(w->buf);
	*w = (dv_direct_writer)DV_DIRECT_INIT;
}
