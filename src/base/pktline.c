/* SPDX-License-Identifier: Apache-2.0 */
/* Git's packets, read and written. */
#include "base/pktline.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "base/alloc.h"

#define HEAD 4	/* bytes in front of a packet */
#define ROOM ((size_t)256 << 10)	/* some packets: a call of read for several */

int dv_pkt_reader_open(dv_pkt_reader *r, int fd)
{
	*r = (dv_pkt_reader){ .fd = fd, .buf = dv_malloc(ROOM) };
	return r->buf ? 0 : DV_ERROR;
}

void dv_pkt_reader_release(dv_pkt_reader *r)
{
	free(r->buf);
	*r = (dv_pkt_reader)DV_PKT_READER_INIT;
}

/* Has `need` bytes at hand, if the pipe has so many. */
static int fill(dv_pkt_reader *r, size_t need)
{
	if (ROOM - r->from < need) {
		memmove(r->buf, r->buf + r->from, r->to - r->from);
		r->to -= r->from;
		r->from = 0;
	}
	while (r->to - r->from < need) {
		ssize_t n = read(r->fd, r->buf + r->to, ROOM - r->to);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return dv_err_sys("cannot read from git");
		if (!n)
			return 0;
		r->to += (size_t)n;
	}
	return 0;
}

static int digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The length that the head says, or -1. */
static int length(const uint8_t *p)
{
	int v = 0;

	for (int i = 0; i < HEAD; i++) {
		int d = digit(p[i]);

		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

static int broken(void)
{
	return dv_err(DV_ECORRUPT, "git sent what is no packet");
}

static int in_packet(void)
{
	return dv_err(DV_ECORRUPT, "git stopped in the middle of a packet");
}

static int pass_over_rest(dv_pkt_reader *r)
{
	int rc = fill(r, r->left);

	if (rc)
		return rc;
	if (r->to - r->from < r->left)
		return in_packet();
	r->from += r->left;
	r->left = 0;
	return 0;
}

/* The head of the next packet; *n is the length of its bytes. */
static int read_head(dv_pkt_reader *r, enum dv_pkt_kind *kind, size_t *n)
{
	int rc = r->left ? pass_over_rest(r) : 0;

	*n = 0;
	if (r->from == r->to)
		r->from = r->to = 0;
	if (!rc)
		rc = fill(r, HEAD);
	if (rc)
		return rc;
	if (r->from == r->to) {
		*kind = DV_PKT_EOF;
		return 0;
	}
	if (r->to - r->from < HEAD)
		return broken();
	int len = length(r->buf + r->from);
	if (len < 0 || (len > 0 && len < HEAD) || (size_t)len > DV_PKT_DATA_MAX + HEAD)
		return broken();
	*kind = len ? DV_PKT_DATA : DV_PKT_FLUSH;
	*n = len ? (size_t)len - HEAD : 0;
	r->from += HEAD;
	return 0;
}

int dv_pkt_read(dv_pkt_reader *r, enum dv_pkt_kind *kind, const uint8_t **p, size_t *n)
{
	size_t len;
	int rc = read_head(r, kind, &len);

	*p = NULL;
	*n = 0;
	if (rc || *kind != DV_PKT_DATA)
		return rc;
	rc = fill(r, len);
	if (rc)
		return rc;
	if (r->to - r->from < len)
		return in_packet();
	*p = r->buf + r->from;
	*n = len;
	r->from += len;
	return 0;
}

/* Reads the packet's bytes, and with the last of them the head of the next one. */
static ssize_t read_through(dv_pkt_reader *r, void *p, size_t want)
{
	const struct iovec to[2] = { { p, want }, { r->buf, want == r->left ? HEAD : 0 } };
	ssize_t n;

	r->from = r->to = 0;
	do
		n = readv(r->fd, to, 2);
	while (n < 0 && errno == EINTR);
	if (n > (ssize_t)want) {
		r->to = (size_t)n - want;
		n = (ssize_t)want;
	}
	return n;
}

int dv_pkt_read_into(dv_pkt_reader *r, enum dv_pkt_kind *kind, void *p, size_t room, size_t *n)
{
	size_t have, want;

	*n = 0;
	*kind = DV_PKT_DATA;
	/* A packet may be empty. */
	while (!r->left) {
		int rc = read_head(r, kind, &r->left);

		if (rc || *kind != DV_PKT_DATA)
			return rc;
	}
	want = r->left < room ? r->left : room;
	have = r->to - r->from;
	if (have) {
		*n = have < want ? have : want;
		memcpy(p, r->buf + r->from, *n);
		r->from += *n;
	} else {
		ssize_t got = read_through(r, p, want);

		if (got < 0)
			return dv_err_sys("cannot read from git");
		if (!got)
			return in_packet();
		*n = (size_t)got;
	}
	r->left -= *n;
	return 0;
}

int dv_pkt_read_text(dv_pkt_reader *r, enum dv_pkt_kind *kind, dv_buf *out)
{
	const uint8_t *p;
	size_t n;
	int rc = dv_pkt_read(r, kind, &p, &n);

	dv_buf_clear(out);
	if (rc || *kind != DV_PKT_DATA)
		return rc;
	if (n && p[n - 1] == '\n')
		n--;
	if (n && memchr(p, 0, n))
		return broken();
	return dv_buf_add(out, p, n);
}

bool dv_pkt_wait(const dv_pkt_reader *r, int timeout_ms)
{
	struct pollfd f = { .fd = r->fd, .events = POLLIN };

	/* A failure shows when it is read. */
	return r->from < r->to || poll(&f, 1, timeout_ms) != 0;
}

void dv_pkt_widen(const dv_pkt_reader *r)
{
	(void)fcntl(r->fd, F_SETPIPE_SZ, 1 << 20);
}

void dv_pkt_flush(dv_buf *b)
{
	dv_buf_adds(b, "0000");
}

static void put_length(char out[HEAD], size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = HEAD; i-- > 0; n >>= 4)
		out[i] = digits[n & 15];
}

void dv_pkt_bytes(dv_buf *b, const void *p, size_t n)
{
	for (const uint8_t *at = p; n;) {
		size_t part = n < DV_PKT_DATA_MAX ? n : DV_PKT_DATA_MAX;

		char head[HEAD];

		put_length(head, part + HEAD);
		dv_buf_add(b, head, HEAD);
		dv_buf_add(b, at, part);
		at += part;
		n -= part;
	}
}

void dv_pkt_line(dv_buf *b, const char *fmt, ...)
{
	size_t at = b->n;
	va_list ap;

	dv_buf_add(b, "0000", HEAD);
	va_start(ap, fmt);
	dv_buf_vaddf(b, fmt, ap);
	va_end(ap);
	dv_buf_addc(b, '\n');
	if (!b->err)
		put_length(b->p + at, b->n - at);
}

int dv_pkt_send(int fd, dv_buf *b)
{
	int rc = b->err;

	for (size_t at = 0; !rc && at < b->n;) {
		ssize_t n = write(fd, b->p + at, b->n - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EPIPE)
			rc = dv_err(DV_ENOTFOUND, "git does not listen any more");
		else if (n < 0)
			rc = dv_err_sys("cannot write to git");
		else
			at += (size_t)n;
	}
	dv_buf_clear(b);
	return rc;
}
