/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv's own protocol on the standard input and output of a program, docs/remote-protocol.md: the
 * verbs of a driver, one answer to each request, many requests under way.
 */
#ifndef DV_REMOTES_STDIO_H
#define DV_REMOTES_STDIO_H

#include "remotes/wire.h"

#define DV_STDIO_VERSION 1
#define DV_STDIO_MAGIC "dv-remote"
#define DV_STDIO_BLOCK ((uint32_t)1 << 20)	/* most that one request moves */
#define DV_STDIO_PART_FROM ((uint64_t)4 << 20)	/* shorter files are sent again */

enum dv_stdio_type {
	DV_STDIO_HELLO = 1,	/* to an SFTP server this looks like its own */
	DV_STDIO_STAT = 16,
	DV_STDIO_GET,
	DV_STDIO_PUT,
	DV_STDIO_WRITE,
	DV_STDIO_DONE,
	DV_STDIO_DROP,
	DV_STDIO_LIST,
	DV_STDIO_REMOVE,
	DV_STDIO_FIND,
	DV_STDIO_WELCOME = 128,
	DV_STDIO_OK,
	DV_STDIO_ERROR,
};
enum dv_stdio_flags {
	DV_STDIO_CREATE = 1u << 0,	/* hello: make the place when it is absent */
	DV_STDIO_RESUME = 1u << 0,	/* put: go on from a part, leave one when cut */
	DV_STDIO_IF_ABSENT = 1u << 1,	/* put: a file of the same size is in the way, too */
	DV_STDIO_THERE = 1u << 0,	/* answer to put: it is there, nothing need be sent */
	DV_STDIO_MORE = 1u << 0,	/* answer to list: ask again for what comes after */
};

/** What WELCOME says that the other side can do, as DV_REMOTE_…: the bits are those. */
#define DV_STDIO_CAPS (DV_REMOTE_WRITE | DV_REMOTE_LIST | DV_REMOTE_PUT_IF_ABSENT | DV_REMOTE_FIND)

/** Says hello; the answer may be an SFTP server's. */
int dv_stdio_hello(dv_mux *m, dv_answer *a, bool create) DV_MUST_CHECK;
/** Takes over a mux whose other side answered hello with `a` of type DV_STDIO_WELCOME, or with
 *  DV_STDIO_ERROR, which is recorded and returned. `what` names the place in messages. */
int dv_stdio_new(dv_wire **out, dv_mux *m, const dv_answer *a, const char *what) DV_MUST_CHECK;

#endif
