/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking a remote for rows of its index segments, in place of copies of the segments: the bodies of
 * the request FIND and of its answer, as docs/remote-protocol.md has them. The rows of an answer
 * come as index segments, so what checks those checks these. finder.c answers, asking.c asks.
 */
#ifndef DV_TRANSFER_FIND_H
#define DV_TRANSFER_FIND_H

#include "base/buf.h"
#include "store/segment.h"

#define DV_FIND_SEGMENTS_MAX ((size_t)1024)	/* named in one request */
#define DV_FIND_NOT_YET 1u		/* flag: nothing is answered yet; ask again */
#define DV_FIND_QUESTION ((size_t)DV_OID_RAW_SIZE + 1)	/* bytes of one */

/** Where is the entry (kind, id)? */
typedef struct dv_question {
	dv_oid id;
	uint8_t kind;
} dv_question;
/** The order of questions and rows: by id, then kind. For qsort. */
int dv_question_compare(const void *a, const void *b);

/** Appends a request: at most DV_FIND_SEGMENTS_MAX segments, oldest first; questions in order, none
 *  twice, or none at all, which asks what the segments are like. */
int dv_find_request(dv_buf *out, const dv_oid *segments, size_t nsegments, const dv_question *q,
		    size_t n) DV_MUST_CHECK;

/** What an answer says of a segment as a whole. Not checked: it may be a lie. */
typedef struct dv_found_segment {
	uint64_t size;		/* of the file */
	uint64_t entries;
} dv_found_segment;
/** Called with a row that segment number `i` of the request has for question number `q`. */
typedef int (*dv_row_cb)(size_t i, size_t q, const dv_place *at, void *payload);
/** What was asked, and what the answer turned out to be. */
typedef struct dv_found {
	const dv_question *q;
	size_t n, nsegments;
	dv_row_cb row;		/* NULL: rows are only checked */
	void *payload;
	dv_found_segment *segments;	/* filled, nsegments of them; NULL: not wanted */
	size_t done;		/* so many questions are answered, from the first */
	bool wait;		/* none is yet */
} dv_found;
/** Takes an answer apart. DV_ERROR when it cannot be one to that request: damaged, or with rows
 *  that were not asked for, twice, or out of order. Rows may have been told by then. */
int dv_find_answer(dv_found *f, const uint8_t *p, size_t n) DV_MUST_CHECK;

#endif
