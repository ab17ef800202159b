/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Git's packets: four hexadecimal digits of length, themselves included, and the bytes; "0000" ends
 * a list. What comes in is checked and bounded, what goes out is collected and written at once. One
 * thread.
 */
#ifndef DV_BASE_PKTLINE_H
#define DV_BASE_PKTLINE_H

#include <stdbool.h>

#include "base/buf.h"

#define DV_PKT_DATA_MAX ((size_t)65516)	/* git's largest packet, less its head */

enum dv_pkt_kind {
	DV_PKT_DATA,
	DV_PKT_FLUSH,
	DV_PKT_EOF,	/* the pipe ended between two packets */
};

typedef struct dv_pkt_reader {
	int fd;			/* borrowed */
	uint8_t *buf;
	size_t from, to;	/* what was read and not handed out */
	size_t left;		/* of the packet that dv_pkt_read_into is in */
} dv_pkt_reader;
#define DV_PKT_READER_INIT { .fd = -1 }
int dv_pkt_reader_open(dv_pkt_reader *r, int fd) DV_MUST_CHECK;
void dv_pkt_reader_release(dv_pkt_reader *r);
/** The next packet; its bytes are borrowed until the next call. DV_ECORRUPT for what is no packet,
 *  or when the pipe ends inside of one. */
int dv_pkt_read(dv_pkt_reader *r, enum dv_pkt_kind *kind, const uint8_t **p, size_t *n)
	DV_MUST_CHECK;
/** As above, but the bytes go straight to `p`, at most `room` of them, which is more than 0: a
 *  packet may come in parts, 1 byte or more each; the other calls pass over what is left of it. */
int dv_pkt_read_into(dv_pkt_reader *r, enum dv_pkt_kind *kind, void *p, size_t room, size_t *n)
	DV_MUST_CHECK;
/** As dv_pkt_read, as a string: a line feed at the end is taken off, a NUL in it is DV_ECORRUPT. */
int dv_pkt_read_text(dv_pkt_reader *r, enum dv_pkt_kind *kind, dv_buf *out) DV_MUST_CHECK;
/** Waits until there is something to read, or the end: false when that took longer than
 *  `timeout_ms` (-1: for ever). */
bool dv_pkt_wait(const dv_pkt_reader *r, int timeout_ms);

/** Has the pipe hold more at a time, where the system allows. */
void dv_pkt_widen(const dv_pkt_reader *r);

/** Appends a line with its line feed; failures stay in b->err. */
void dv_pkt_line(dv_buf *b, const char *fmt, ...) DV_PRINTF(2, 3);
/** Appends bytes as packets, none for none. */
void dv_pkt_bytes(dv_buf *b, const void *p, size_t n);
void dv_pkt_flush(dv_buf *b);
/** Writes everything to a pipe and empties the buffer. DV_ENOTFOUND when nobody reads any more. */
int dv_pkt_send(int fd, dv_buf *b) DV_MUST_CHECK;

#endif
