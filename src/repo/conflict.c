/* SPDX-License-Identifier: Apache-2.0 */
/* Texts with conflict markers. */
#include "repo/conflict.h"

#include <string.h>

#include "base/error.h"
#include "git/git.h"

#define BY_DV " (merged by dv)"

static const char *line_end(const char *p, const char *end)
{
	const char *eol = memchr(p, '\n', (size_t)(end - p));

	return eol ? eol + 1 : end;
}

/* The length of the marker of character `c` that the line is, or 0. */
static size_t marker(const char *p, const char *end, char c)
{
	size_t n = 0;

	while (p + n < end && p[n] == c)
		n++;
	if (n < DV_CONFLICT_MARKER)
		return 0;
	return p + n == end || p[n] == ' ' || p[n] == '\n' || p[n] == '\r' ? n : 0;
}

static size_t any_marker(const char *p, const char *end)
{
	static const char kinds[] = "<=>|";
	size_t n = 0;

	for (const char *k = kinds; *k && !n; k++)
		n = marker(p, end, *k);
	return n;
}

bool dv_conflict_has(const char *text, size_t n)
{
	const char *end = text + n;

	for (const char *p = text; p < end; p = line_end(p, end))
		if (any_marker(p, end))
			return true;
	return false;
}

int dv_conflict_hint(int rc, const char *name)
{
	return dv_err_hint(rc, "take one side with 'dv resolve --ours %s' or '--theirs', or edit "
			   "the file and 'git add' it", name);
}

static bool is_by_dv(const char *p, const char *eol)
{
	size_t n = sizeof(BY_DV) - 1;

	while (eol > p && (eol[-1] == '\n' || eol[-1] == '\r'))
		eol--;
	return (size_t)(eol - p) > n && !memcmp(eol - n, BY_DV, n);
}

static int malformed(const char *what)
{
	return dv_err(DV_ECORRUPT, "its conflict markers do not fit together: %s", what);
}

/* The lines from `p` up to a marker of that size and character; *next is behind it. NULL when there
 * is none, or another marker comes first. */
static const char *up_to(const char *p, const char *end, char c, size_t size, const char **next)
{
	for (; p < end; p = line_end(p, end)) {
		if (marker(p, end, c) == size) {
			*next = line_end(p, end);
			return p;
		}
		if (any_marker(p, end) >= size)
			return NULL;
	}
	return NULL;
}

static int read_conflict(dv_conflict_part *out, const char **at, const char *end)
{
	const char *open = *at, *p = line_end(open, end), *stop, *next;
	size_t size = marker(open, end, '<');

	*out = (dv_conflict_part){ .raw = open, .conflict = true, .merged = is_by_dv(open, p) };
	out->side[0] = p;
	stop = up_to(p, end, '|', size, &next);
	if (stop) {
		out->n[0] = (size_t)(stop - p);
		stop = up_to(next, end, '=', size, &p);
	} else {
		stop = up_to(p, end, '=', size, &next);
		out->n[0] = stop ? (size_t)(stop - p) : 0;
		p = next;
	}
	if (!stop)
		return malformed("'=======' is missing");
	out->side[1] = p;
	stop = up_to(p, end, '>', size, &next);
	if (!stop)
		return malformed("'>>>>>>>' is missing");
	out->n[1] = (size_t)(stop - p);
	out->nraw = (size_t)(next - open);
	*at = next;
	return 0;
}

bool dv_conflict_next(dv_conflict_part *out, const char **at, const char *end, int *rc)
{
	const char *p = *at;

	*rc = 0;
	if (p >= end)
		return false;
	if (marker(p, end, '<')) {
		*rc = read_conflict(out, at, end);
		return *rc == 0;
	}
	while (p < end && !marker(p, end, '<')) {
		if (any_marker(p, end)) {
			*rc = malformed("'<<<<<<<' is missing");
			return false;
		}
		p = line_end(p, end);
	}
	*out = (dv_conflict_part){ .side = { *at, *at }, .raw = *at };
	out->n[0] = out->n[1] = out->nraw = (size_t)(p - *at);
	*at = p;
	return true;
}

int dv_conflict_take(dv_buf *out, const char *text, size_t n, unsigned side, bool *merged)
{
	const char *at = text, *end = text + n;
	bool any = false, all = true;
	dv_conflict_part part;
	int rc;

	while (dv_conflict_next(&part, &at, end, &rc)) {
		any = any || part.conflict;
		all = all && (!part.conflict || part.merged);
		dv_buf_add(out, part.side[side], part.n[side]);
	}
	if (merged)
		*merged = any && all;
	return rc ? rc : out->err;
}

static void print_marker(dv_buf *out, char c, size_t n, const char *label)
{
	for (size_t i = 0; i < n; i++)
		dv_buf_addc(out, c);
	dv_buf_adds(out, label);
	dv_buf_addc(out, '\n');
}

int dv_conflict_print(dv_buf *out, const dv_buf *ours, const dv_buf *theirs, int size, bool merged)
{
	size_t n = size >= DV_CONFLICT_MARKER && size <= DV_GIT_MARKER_MAX
			   ? (size_t)size : DV_CONFLICT_MARKER;

	print_marker(out, '<', n, merged ? " ours" BY_DV : " ours");
	dv_buf_add(out, ours->p, ours->n);
	if (ours->n && ours->p[ours->n - 1] != '\n')
		dv_buf_addc(out, '\n');
	print_marker(out, '=', n, "");
	dv_buf_add(out, theirs->p, theirs->n);
	if (theirs->n && theirs->p[theirs->n - 1] != '\n')
		dv_buf_addc(out, '\n');
	print_marker(out, '>', n, merged ? " theirs" BY_DV : " theirs");
	return out->err;
}
