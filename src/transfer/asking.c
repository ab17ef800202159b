/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a push knows of index segments that it did not copy: the rows it asked for (find.h). First a
 * walk notes all that it would look up, then that is asked for in a few large requests; what turns
 * out to be needed besides is asked for when it is. An answer holds for as long as the segments
 * that it was made from are those of the log; each plan of a push begins without any.
 */
#include <string.h>

#include "base/alloc.h"
#include "transfer/find.h"
#include "transfer/internal.h"

#define WORTH_FROM ((uint64_t)1 << 20)	/* bytes; fewer are copied sooner */
#define QUESTION_COSTS 40u		/* bytes, with its part of the answer */
#define GAIN 4u				/* a copy must be so many times more */
#define QUESTIONS_MAX ((uint64_t)1 << 19)	/* more take too much memory */
#define SIZE_SANE ((uint64_t)1 << 40)	/* of a segment, whatever is said of it */
#define BATCH 4096			/* questions in one request */
#define JOBS 4				/* requests under way */
#define WAITS_MAX 10000	/* for a server that hashes, a second each at most */

/* What is known of an entry, else the number of its row + ROW. */
enum { ABSENT, NOTED, ROW };

struct dv_asking {
	uint64_t missing;	/* bytes of the segments that are not in the mirror */
	dv_map known[2];	/* chunks, recipes */
	dv_place *rows;
	size_t nrows, rows_cap;
	dv_question *q;		/* noted, and not asked yet */
	size_t nq, q_cap;
	uint64_t asked;		/* questions before those */
	bool gathering;		/* nothing is asked yet */
	bool full;		/* more was to be noted than is worth it */
	int failed;		/* a question could not be asked */
	dv_error why;
};

void dv_asking_free(dv_asking *a)
{
	if (!a)
		return;
	dv_map_release(&a->known[0]);
	dv_map_release(&a->known[1]);
	free(a->rows);
	free(a->q);
	free(a);
}

static dv_map *map_of(dv_asking *a, uint8_t kind)
{
	return &a->known[kind == DV_KIND_RECIPE];
}

/* -- which segments ---------------------------------------------------------------------------- */

/* Segments that are not in the mirror, oldest first; owned. With `unknown`, those of them whose
 * size is not known. */
static dv_oid *list_missing(const dv_remote_store *r, bool unknown, size_t *n)
{
	dv_oid *out = dv_calloc(r->nsegs + 1, sizeof *out);

	*n = 0;
	for (size_t i = 0; out && i < r->nsegs; i++)
		if (!r->segs[i].map && !(unknown && r->segs[i].size))
			out[(*n)++] = r->segs[i].id;
	return out;
}

/* Asks how large the missing segments are. */
static int look_at(dv_remote_store *r)
{
	dv_auto(dv_buf) request = DV_BUF_INIT, answer = DV_BUF_INIT;
	dv_found f = { 0 };
	dv_autofree dv_oid *ids = list_missing(r, true, &f.nsegments);
	dv_autofree dv_found_segment *are = dv_calloc(f.nsegments + 1, sizeof *are);

	if (!ids || !are)
		return DV_ERROR;
	if (f.nsegments == 0)
		return 0;
	f.segments = are;
	int rc = dv_find_request(&request, ids, f.nsegments, NULL, 0);
	if (rc == 0)
		rc = r->r->driver->find(r->r, request.p, request.n, &answer);
	if (rc == 0)
		rc = dv_find_answer(&f, (const uint8_t *)dv_buf_str(&answer), answer.n);
	for (size_t i = 0, k = 0; rc == 0 && i < r->nsegs; i++) {
		if (r->segs[i].map || r->segs[i].size)
			continue;
		r->segs[i].size = are[k].size ? are[k].size : 1;
		r->segs[i].count = are[k++].entries;
	}
	return rc ? dv_err_ctx(rc, "remote '%s'", r->name) : 0;
}

int dv_asking_look(dv_remote_store *r, bool *worth)
{
	uint64_t bytes = 0;
	size_t n = 0;

	*worth = false;
	for (size_t i = 0; i < r->nsegs; i++)
		n += !r->segs[i].map;
	if (n == 0 || n > DV_FIND_SEGMENTS_MAX || !(r->r->caps & DV_REMOTE_FIND))
		return 0;
	int rc = look_at(r);
	/* One is gone or damaged: who copies it says so. */
	if (rc == DV_ENOTFOUND || rc == DV_ECORRUPT) {
		dv_error_clear();
		return 0;
	}
	for (size_t i = 0; i < r->nsegs; i++)
		if (!r->segs[i].map)
			bytes += r->segs[i].size < SIZE_SANE ? r->segs[i].size : SIZE_SANE;
	if (rc || bytes < WORTH_FROM)
		return rc;
	if (!r->asking && !(r->asking = dv_calloc(1, sizeof *r->asking)))
		return DV_ERROR;
	r->asking->missing = bytes;
	*worth = true;
	return 0;
}

/* -- asking ------------------------------------------------------------------------------------ */

/* One round of questions: batches of it are asked by several threads. */
typedef struct round {
	dv_remote_store *r;
	const dv_oid *ids;
	size_t nids;
	pthread_mutex_t lock;	/* of the rows and maps */
} round;
typedef struct batch {
	round *of;
	const dv_question *q;
	size_t n;
} batch;

/* Of several rows of one entry the least deep stays, or the newest: they come oldest first. The
 * log's word on containers counts. */
static int take_row(size_t segment, size_t number, const dv_place *at, void *payload)
{
	const batch *b = payload;
	dv_asking *a = b->of->r->asking;
	const dv_question *q = &b->q[number];
	dv_place place = *at;

	(void)segment;
	if (!dv_remote_place_ok(b->of->r, &place))
		return 0;
	uint64_t *known = dv_map_find(map_of(a, q->kind), &q->id);
	if (!known)
		return dv_err(DV_ERROR, "a question was lost");
	if (*known >= ROW) {
		dv_place *row = &a->rows[*known - ROW];

		if (place.depth <= row->depth)
			*row = place;
		return 0;
	}
	int rc = dv_grow(&a->rows, &a->rows_cap, a->nrows + 1, sizeof *a->rows);
	if (rc)
		return rc;
	*known = ROW + a->nrows;
	a->rows[a->nrows++] = place;
	return 0;
}

static int take_answer(batch *b, dv_found *f, const dv_buf *answer)
{
	dv_asking *a = b->of->r->asking;

	pthread_mutex_lock(&b->of->lock);
	int rc = dv_find_answer(f, (const uint8_t *)dv_buf_str(answer), answer->n);
	for (size_t i = 0; rc == 0 && i < f->done; i++) {
		uint64_t *known = dv_map_find(map_of(a, f->q[i].kind), &f->q[i].id);

		if (known && *known == NOTED)
			*known = ABSENT;
	}
	pthread_mutex_unlock(&b->of->lock);
	return rc;
}

static int batch_run(void *arg, int worker)
{
	batch *b = arg;
	dv_remote_store *r = b->of->r;
	dv_auto(dv_buf) request = DV_BUF_INIT, answer = DV_BUF_INIT;

	(void)worker;
	for (int waits = 0; b->n;) {
		dv_found f = { .q = b->q, .n = b->n, .nsegments = b->of->nids, .row = take_row,
			       .payload = b };

		dv_buf_clear(&request);
		int rc = dv_find_request(&request, b->of->ids, b->of->nids, b->q, b->n);
		if (rc == 0)
			rc = r->r->driver->find(r->r, request.p, request.n, &answer);
		if (rc == 0)
			rc = take_answer(b, &f, &answer);
		if (rc == 0 && f.wait && ++waits > WAITS_MAX)
			rc = dv_err(DV_ERROR, "what its index holds is never told");
		if (rc)
			return dv_err_ctx(rc, "remote '%s'", r->name);
		b->q += f.done;
		b->n -= f.done;
	}
	return 0;
}

static int ask_round(round *of, const dv_question *q, size_t n)
{
	size_t nbatches = (n + BATCH - 1) / BATCH;
	dv_autofree batch *batches = dv_calloc(nbatches, sizeof *batches);
	dv_autoptr(dv_pool) pool = NULL;
	int rc = 0;

	if (!batches)
		return DV_ERROR;
	for (size_t i = 0; i < nbatches; i++) {
		size_t left = n - i * BATCH;

		batches[i] = (batch){ of, q + i * BATCH, left < BATCH ? left : BATCH };
	}
	if (nbatches == 1)
		return batch_run(&batches[0], 0);
	if ((rc = dv_pool_new(&pool, JOBS, JOBS)))
		return rc;
	for (size_t i = 0; rc == 0 && i < nbatches; i++)
		rc = dv_pool_submit(pool, batch_run, &batches[i]);
	int end = dv_pool_wait(pool);
	return end ? end : rc;
}

/* How many questions are worth it. */
static uint64_t most_questions(const dv_asking *a)
{
	uint64_t most = a->missing / GAIN / QUESTION_COSTS;

	return most < QUESTIONS_MAX ? most : QUESTIONS_MAX;
}

/* Everything is mirrored now: what was not found there is not there. */
static void answer_no(dv_asking *a)
{
	for (size_t i = 0; i < a->nq; i++) {
		uint64_t *known = dv_map_find(map_of(a, a->q[i].kind), &a->q[i].id);

		if (known && *known == NOTED)
			*known = ABSENT;
	}
	a->nq = 0;
}

int dv_asking_send(dv_remote_store *r)
{
	dv_asking *a = r->asking;
	round of = { .r = r };
	dv_autofree dv_oid *ids = list_missing(r, false, &of.nids);
	int rc = ids ? 0 : DV_ERROR;

	a->gathering = a->full = false;
	if (rc || a->nq == 0)
		return rc;
	a->asked += a->nq;
	/* More came up than could be foreseen. */
	if (of.nids && a->asked > most_questions(a)) {
		rc = dv_remote_store_need_segments(r);
		of.nids = 0;
	}
	if (of.nids == 0) {
		answer_no(a);
		return rc;
	}
	of.ids = ids;
	qsort(a->q, a->nq, sizeof *a->q, dv_question_compare);
	pthread_mutex_init(&of.lock, NULL);
	rc = ask_round(&of, a->q, a->nq);
	pthread_mutex_destroy(&of.lock);
	a->nq = 0;
	return rc;
}

/* -- for the walk ------------------------------------------------------------------------------ */

void dv_asking_begin(dv_remote_store *r)
{
	dv_asking *a = r->asking;

	dv_map_clear(&a->known[0]);
	dv_map_clear(&a->known[1]);
	a->nrows = a->nq = 0;
	a->asked = 0;
	a->gathering = true;
	a->full = false;
	a->failed = 0;
}

bool dv_asking_is_dear(const dv_remote_store *r)
{
	return r->asking->full;
}

int dv_asking_room(const dv_place *at, void *remote)
{
	(void)at;
	return dv_asking_is_dear(remote);
}

static int note(dv_asking *a, uint8_t kind, const dv_oid *id)
{
	bool added;

	if (a->gathering && a->nq >= most_questions(a))
		a->full = true;
	if (a->full)
		return 0;
	int rc = dv_map_add(map_of(a, kind), id, NOTED, &added);
	if (rc || !added)
		return rc;
	if ((rc = dv_grow(&a->q, &a->q_cap, a->nq + 1, sizeof *a->q)))
		return rc;
	a->q[a->nq++] = (dv_question){ *id, kind };
	return 0;
}

void dv_asking_expect(dv_remote_store *r, uint8_t kind, const dv_oid *id)
{
	dv_asking *a = r->asking;

	if (a && !a->failed && (a->failed = note(a, kind, id)))
		dv_error_take(&a->why);
}

bool dv_asking_find(const dv_remote_store *r, uint8_t kind, const dv_oid *id, bool found,
		    dv_place *out)
{
	dv_asking *a = r->asking;
	const dv_map *known = map_of(a, kind);
	uint64_t is = NOTED;

	if (!dv_map_get(known, id, &is) && !a->failed && (a->failed = note(a, kind, id)))
		dv_error_take(&a->why);
	if (is == NOTED && !a->gathering && !a->failed) {
		/* The caller expects yes or no; who began the plan asks for the failure. */
		if ((a->failed = dv_asking_send((dv_remote_store *)(uintptr_t)r)))
			dv_error_take(&a->why);
		/* Segments may have come into the mirror instead. */
		return !a->failed && dv_remote_store_find(r, kind, id, out);
	}
	if (is < ROW)
		return found;
	dv_place at = a->rows[is - ROW];
	if ((found && at.depth >= out->depth) || !dv_remote_place_ok(r, &at))
		return found;
	*out = at;
	return true;
}

int dv_asking_error(dv_remote_store *r)
{
	dv_asking *a = r->asking;

	return a && a->failed ? dv_error_put(&a->why) : 0;
}
