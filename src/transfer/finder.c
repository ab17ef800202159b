/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answering side of FIND (find.h): looks up rows in the index segments of a store that is
 * served. A segment counts only after its bytes were found to have its name, once for as long as it
 * is kept open; that takes a while for a large one, and who asks is told to ask again meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/sha256.h"
#include "transfer/find.h"
#include "transfer/internal.h"

#define OPEN_MAX 4096			/* segments that are kept open */
#define SLICE ((size_t)4 << 20)		/* hashed between two looks at the clock */
#define PATIENCE_MS 1000		/* of hashing for one request */
/* A row, its container, its part of the fan-out table; and what stands before the rows. */
#define ROW_BYTES ((size_t)56 + 48 + 8)
#define SEGMENT_BYTES ((size_t)20 + 32 + 8)

typedef struct opened {
	dv_oid id;
	uint8_t *p;
	size_t n, hashed;
	dv_segment *seg;
	dv_sha256_ctx sum;
	bool good;
} opened;

struct dv_finder {
	char *dir;
	opened *s;
	size_t n, cap;
};

static void opened_release(opened *o)
{
	dv_segment_free(o->seg);
	if (o->p)
		munmap(o->p, o->n);
}

static void close_all(dv_finder *f)
{
	for (size_t i = 0; i < f->n; i++)
		opened_release(&f->s[i]);
	f->n = 0;
}

void dv_finder_free(dv_finder *f)
{
	if (!f)
		return;
	close_all(f);
	free(f->s);
	free(f->dir);
	free(f);
}

int dv_finder_new(dv_finder **out, const char *store)
{
	dv_finder *f = dv_calloc(1, sizeof *f);

	if (f && !(f->dir = dv_strdup(store))) {
		free(f);
		f = NULL;
	}
	*out = f;
	return f ? 0 : DV_ERROR;
}

/* -- segments ---------------------------------------------------------------------------------- */

static void segment_name(char out[DV_NAME_ROOM], const dv_oid *id)
{
	char hex[DV_OID_HEX_SIZE + 1];

	dv_oid_hex(hex, id);
	snprintf(out, DV_NAME_ROOM, "index/%s", hex);
}

static int map_file(const dv_finder *f, const char *name, opened *out)
{
	dv_auto(dv_buf) path = DV_BUF_INIT;
	struct stat st;

	if (dv_buf_addf(&path, "%s/%s", f->dir, name))
		return path.err;
	dv_autoclose int fd = dv_fs_openat(AT_FDCWD, dv_buf_str(&path),
					   O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return dv_err(DV_ENOTFOUND, "'%s' is not there", name);
	if (fd < 0 || fstat(fd, &st))
		return dv_err_sys("cannot open '%s'", name);
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || (uint64_t)st.st_size > SIZE_MAX / 2)
		return dv_err(DV_ECORRUPT, "'%s' is damaged", name);
	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return dv_err_sys("cannot map '%s'", name);
	out->p = p;
	out->n = (size_t)st.st_size;
	return 0;
}

/* Opens a segment, or finds it open: its index in f->s. */
static int open_one(dv_finder *f, const dv_oid *id, size_t *out)
{
	char name[DV_NAME_ROOM];
	opened o = { .id = *id };

	for (size_t i = 0; i < f->n; i++)
		if (dv_oid_eq(&f->s[i].id, id)) {
			*out = i;
			return 0;
		}
	segment_name(name, id);
	int rc = map_file(f, name, &o);
	if (rc == 0 && (rc = dv_segment_open_memory(&o.seg, o.p, o.n)))
		rc = dv_err_ctx(rc, "'%s'", name);
	if (rc == 0)
		rc = dv_grow(&f->s, &f->cap, f->n + 1, sizeof *f->s);
	if (rc) {
		opened_release(&o);
		return rc;
	}
	dv_sha256_init(&o.sum);
	*out = f->n;
	f->s[f->n++] = o;
	return 0;
}

/* Compares the bytes with the name. *ready: done; else the time was up. */
static int check(opened *o, int64_t until, bool *ready)
{
	dv_oid real;

	while (!o->good && o->hashed < o->n) {
		size_t n = o->n - o->hashed < SLICE ? o->n - o->hashed : SLICE;
		int rc = dv_check_cancel();

		if (rc)
			return rc;
		if (dv_clock_ms() >= until) {
			*ready = false;
			return 0;
		}
		dv_sha256_update(&o->sum, o->p + o->hashed, n);
		o->hashed += n;
	}
	if (!o->good) {
		char name[DV_NAME_ROOM];

		dv_sha256_final(&o->sum, &real);
		segment_name(name, &o->id);
		dv_sha256_init(&o->sum);
		o->hashed = 0;
		if (!dv_oid_eq(&real, &o->id))
			return dv_err(DV_ECORRUPT, "'%s' is damaged", name);
		o->good = true;
	}
	return 0;
}

/* -- a request --------------------------------------------------------------------------------- */

typedef struct request {
	size_t nsegs, n;
	const uint8_t *names, *questions;
	size_t *at;		/* of each segment, in f->s */
	dv_segment_builder **rows;
} request;
static void request_release(request *r)
{
	for (size_t i = 0; r->rows && i < r->nsegs; i++)
		dv_segment_builder_free(r->rows[i]);
	free(r->rows);
	free(r->at);
}

static dv_question question(const request *r, size_t i)
{
	const uint8_t *p = r->questions + i * DV_FIND_QUESTION;
	dv_question q = { .kind = p[DV_OID_RAW_SIZE] };

	memcpy(q.id.b, p, DV_OID_RAW_SIZE);
	return q;
}

static int parse(request *r, const uint8_t *p, size_t n)
{
	static const char bad[] = "a request is malformed";

	if (n < 4)
		return dv_err(DV_EUSAGE, bad);
	r->nsegs = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
	if (r->nsegs > DV_FIND_SEGMENTS_MAX || r->nsegs * DV_OID_RAW_SIZE > n - 4)
		return dv_err(DV_EUSAGE, bad);
	r->names = p + 4;
	r->questions = r->names + r->nsegs * DV_OID_RAW_SIZE;
	n -= 4 + r->nsegs * DV_OID_RAW_SIZE;
	r->n = n / DV_FIND_QUESTION;
	if (n % DV_FIND_QUESTION)
		return dv_err(DV_EUSAGE, bad);
	for (size_t i = 1; i < r->n; i++) {
		const dv_question a = question(r, i - 1), b = question(r, i);

		if (dv_question_compare(&a, &b) >= 0)
			return dv_err(DV_EUSAGE, bad);
	}
	return 0;
}

static int open_segments(dv_finder *f, request *r, bool *ready)
{
	int64_t until = dv_clock_ms() + PATIENCE_MS;

	*ready = true;
	if (f->n + r->nsegs > OPEN_MAX)
		close_all(f);
	r->at = dv_calloc(r->nsegs + 1, sizeof *r->at);
	r->rows = dv_calloc(r->nsegs + 1, sizeof(void *));
	if (!r->at || !r->rows)
		return DV_ERROR;
	for (size_t i = 0; i < r->nsegs; i++) {
		dv_oid id;

		memcpy(id.b, r->names + i * DV_OID_RAW_SIZE, DV_OID_RAW_SIZE);
		int rc = open_one(f, &id, &r->at[i]);
		if (rc || (rc = dv_segment_builder_new(&r->rows[i])))
			return rc;
	}
	for (size_t i = 0; r->n && i < r->nsegs; i++) {
		int rc = check(&f->s[r->at[i]], until, ready);

		if (rc || !*ready)
			return rc;
	}
	return 0;
}

/* Looks up question q in every segment; *bytes grows by what that adds at most. */
static int look_up(const dv_finder *f, const request *r, size_t q, size_t *bytes)
{
	const dv_question is = question(r, q);
	dv_pack_entry e;
	dv_place at;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < r->nsegs; i++) {
		if (!dv_segment_find(f->s[r->at[i]].seg, is.kind, &is.id, &at))
			continue;
		dv_place_entry(&e, &is.id, &at);
		rc = dv_segment_builder_add(r->rows[i], &at.in,
					    &(dv_pack_footer){ .e = &e, .n = 1 });
		*bytes += ROW_BYTES;
	}
	return rc;
}

static void put_int(dv_buf *b, uint64_t v, size_t n)
{
	while (n-- > 0)
		dv_buf_addc(b, (char)(v >> (8 * n)));
}

static int add_segment(const dv_finder *f, const request *r, size_t i, dv_buf *out)
{
	dv_auto(dv_buf) rows = DV_BUF_INIT;
	const opened *o = &f->s[r->at[i]];
	dv_oid name;
	int rc = dv_segment_builder_count(r->rows[i]) ?
			 dv_segment_builder_finish(r->rows[i], &rows, &name) : 0;

	put_int(out, o->n, 8);
	put_int(out, dv_segment_count(o->seg), 8);
	put_int(out, rows.n, 4);
	if (rows.n)
		dv_buf_add(out, rows.p, rows.n);
	return rc ? rc : out->err;
}

int dv_finder_answer(dv_finder *f, const uint8_t *p, size_t n, size_t max, dv_buf *out)
{
	dv_auto(request) r = { 0 };
	bool ready;
	int rc = parse(&r, p, n);
	size_t bytes = 8 + r.nsegs * SEGMENT_BYTES, done = 0;

	if (rc == 0)
		rc = open_segments(f, &r, &ready);
	while (rc == 0 && ready && done < r.n && bytes + r.nsegs * ROW_BYTES <= max)
		rc = look_up(f, &r, done++, &bytes);
	if (rc)
		return rc;
	put_int(out, ready ? 0 : DV_FIND_NOT_YET, 4);
	put_int(out, done, 4);
	for (size_t i = 0; rc == 0 && i < r.nsegs; i++)
		rc = add_segment(f, &r, i, out);
	return rc;
}
