/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts with git's conflict markers: to write them, and to tell their sides apart again. Markers
 * are seven characters long or more; "|||||||" opens what both sides had before, which is passed
 * over. A text that comes from dv's own merge says so in its markers: then both sides are what is
 * left to decide, everything else being merged in both.
 */
#ifndef DV_REPO_CONFLICT_H
#define DV_REPO_CONFLICT_H

#include <stdbool.h>

#include "base/buf.h"

#define DV_CONFLICT_MARKER 7

/** Has the text a line that is a conflict marker? */
bool dv_conflict_has(const char *text, size_t n);
/** The hint of whoever cannot read `name` for that; returns `rc`. */
int dv_conflict_hint(int rc, const char *name);

/** A piece of a text: what both sides have (then both are the same), or a conflict. Borrowed. */
typedef struct dv_conflict_part {
	const char *side[2];	/* ours, theirs */
	size_t n[2];
	const char *raw;	/* with its markers */
	size_t nraw;
	bool conflict, merged;	/* merged: by dv */
} dv_conflict_part;
/** The next part from *at on; false at the end. *rc is DV_ECORRUPT when markers do not fit. */
bool dv_conflict_next(dv_conflict_part *out, const char **at, const char *end, int *rc);
/** The whole text with the parts of one side; *merged (may be NULL): there was a conflict, and all
 *  of them are dv's own. Without conflicts the text as it is. */
int dv_conflict_take(dv_buf *out, const char *text, size_t n, unsigned side, bool *merged)
	DV_MUST_CHECK;
/** Appends a conflict of two texts that end in a line feed (or are empty). `size` of markers, 0:
 *  the usual. */
int dv_conflict_print(dv_buf *out, const dv_buf *ours, const dv_buf *theirs, int size, bool merged)
	DV_MUST_CHECK;

#endif
