/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests and answers over the pipes of a program, many at a time and from many threads. A frame
 * is a length (u32, big-endian, of what follows), a type (u8), an id (u32) and a body; each request
 * gets one answer, which bears its id. SFTP and dv's own protocol are both made so.
 *
 * There is no thread of its own: whoever waits for an answer reads for all. What is broken stays
 * broken, and everybody who waits hears the same reason.
 */
#ifndef DV_REMOTES_MUX_H
#define DV_REMOTES_MUX_H

#include <stdint.h>

#include "base/buf.h"
#include "base/process.h"

#define DV_FRAME_MAX ((size_t)(1 << 20) + 4096)	/* of an answer; no more is ever asked for */
#define DV_MUX_FIRST_ID 3	/* the id of the first request: SFTP's hello has a version there */

typedef struct dv_mux dv_mux;

/** An answer that is awaited. All zero at first; may be used again when done, keeping its room. */
typedef struct dv_answer {
	uint8_t type;
	uint8_t *p;		/* the body behind the id; owned */
	size_t n, cap;
	uint32_t id;
	bool done, waiting;	/* of the mux */
	struct dv_answer *next;
} dv_answer;
/** The answer is not awaited any more (dv_mux_forget) by now. */
void dv_answer_release(dv_answer *a);

/** Says why a connection was lost: `words` is what the program printed, `code` how it ended (-1:
 *  it runs), `up` whether it ever answered. Records an error and returns it. */
typedef int (*dv_lost_cb)(bool up, int code, const char *words, void *payload);

typedef struct dv_mux_options {
	const char *what;	/* is at the other end, for messages: "'host'"; copied */
	unsigned hello_seconds;	/* for the first answer; 0: no limit, a user may have to be asked */
	unsigned stall_seconds;	/* without a byte while an answer is due; 0: no limit */
	dv_lost_cb lost;
	void *payload;		/* outlives the mux */
	const _Atomic bool *stop;	/* who waits for the first answer gives up; may be NULL */
} dv_mux_options;
/** Takes the process over, on failure too. */
int dv_mux_new(dv_mux **out, dv_process *p, const dv_mux_options *o) DV_MUST_CHECK;
/** Ends the program, at once where the connection is lost. Nobody uses the mux any more. */
void dv_mux_free(dv_mux *m);
bool dv_mux_is_lost(dv_mux *m);

/** Sends a request: `head` and then `tail`, which may be NULL, are its body. `a` must stay where it
 *  is until it was waited for or forgotten; with NULL nobody wants the answer. */
int dv_mux_send(dv_mux *m, dv_answer *a, uint8_t type, const dv_buf *head, const void *tail,
		size_t ntail) DV_MUST_CHECK;
/** Waits for the answer. DV_ETRANSIENT, or what the callback said, when the connection is lost, and
 *  DV_ECANCELLED; the answer is not awaited any more then either. */
int dv_mux_wait(dv_mux *m, dv_answer *a) DV_MUST_CHECK;
/** What was sent and not waited for: its answer will be dropped. */
void dv_mux_forget(dv_mux *m, dv_answer *a);
/** The other side said what makes no sense: the connection is given up. Records and returns. */
int dv_mux_nonsense(dv_mux *m, const char *what);

/* -- bodies ------------------------------------------------------------------------------------ */

void dv_frame_u32(dv_buf *b, uint32_t v);
void dv_frame_u64(dv_buf *b, uint64_t v);
/** A length (u32) and the bytes. */
void dv_frame_bytes(dv_buf *b, const void *p, size_t n);
void dv_frame_str(dv_buf *b, const char *s);

/** A body being taken apart. Past its end everything is zero and `bad` says so. */
typedef struct dv_cursor {
	const uint8_t *p;
	size_t n;
	bool bad;
} dv_cursor;
uint32_t dv_cursor_u32(dv_cursor *c);
uint64_t dv_cursor_u64(dv_cursor *c);
/** Bytes with their length before them; borrowed, never NULL. */
const uint8_t *dv_cursor_bytes(dv_cursor *c, size_t *n);

#endif
