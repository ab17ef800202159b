/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer to FIND from anywhere. The first byte says how many questions there were and to how many
 * segments; no row may be told that was not asked for, or twice, or that leads out of its pack. And
 * the same bytes as a request, to a store without segments.
 */
#include <stdlib.h>
#include <string.h>

#include "transfer/find.h"
#include "transfer/remote_driver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define QUESTIONS 31u

typedef struct last {
	const dv_found *f;
	size_t segment, question;
	bool any;
} last;

static int row(size_t i, size_t q, const dv_place *at, void *payload)
{
	last *l = payload;

	if (q >= l->f->done || l->f->done > l->f->n || i >= l->f->nsegments)
		abort();
	if (at->kind != l->f->q[q].kind || at->offset > at->in.size ||
	    at->stored > at->in.size - at->offset)
		abort();
	if (l->any && (i < l->segment || (i == l->segment && q <= l->question)))
		abort();
	*l = (last){ l->f, i, q, true };
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	dv_question q[QUESTIONS + 1] = { 0 };
	dv_found_segment are[8];
	dv_auto(dv_buf) out = DV_BUF_INIT;
	dv_finder *finder;

	if (size < 1)
		return 0;
	/* The ids are such that a fuzzer can hit them. */
	for (size_t i = 0; i <= QUESTIONS; i++)
		q[i] = (dv_question){ .id.b = { (uint8_t)(i / 2) }, .kind = (uint8_t)(1 + i % 2) };
	dv_found f = { .q = q, .n = data[0] % (QUESTIONS + 1), .nsegments = data[0] >> 5,
		       .row = row, .segments = are };
	last l = { .f = &f };
	f.payload = &l;
	if (dv_find_answer(&f, data + 1, size - 1))
		dv_error_clear();
	if (dv_finder_new(&finder, "/dev/null"))
		abort();
	if (dv_finder_answer(finder, data + 1, size - 1, (size_t)1 << 20, &out))
		dv_error_clear();
	dv_finder_free(finder);
	return 0;
}
