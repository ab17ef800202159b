/* SPDX-License-Identifier: Apache-2.0 */
/* Numbered entries and sets of them; see entries.h. */
#include "store/entries.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "store/store_priv.h"

void dv_entries_release(dv_entries *e)
{
	free(e->segs);
	free(e->first);
	*e = (dv_entries)DV_ENTRIES_INIT;
}

int dv_entries_init(dv_entries *e, const dv_segment *const *segs, size_t n, dv_entry_ok ok,
		    const void *payload)
{
	dv_entries_release(e);
	e->segs = dv_reallocarray(NULL, n + 1, sizeof(*e->segs));
	e->first = dv_calloc(n + 1, sizeof(*e->first));
	if (!e->segs || !e->first) {
		dv_entries_release(e);
		return DV_ERROR;
	}
	for (size_t i = 0; i < n; i++) {
		e->segs[i] = segs[i];
		e->first[i + 1] = e->first[i] + dv_segment_count(segs[i]);
	}
	e->n = n;
	e->ok = ok;
	e->payload = payload;
	return 0;
}

static bool is_live(dv_place *at, const void *payload)
{
	const dv_store *s = payload;

	return dv_log_state_has(&s->state, at->in.kind, &at->in.id);
}

int dv_entries_of_store(dv_entries *e, const dv_store *s)
{
	dv_autofree const dv_segment **segs = dv_reallocarray(NULL, s->nsegs + 1, sizeof(*segs));

	if (!segs)
		return DV_ERROR;
	for (size_t i = 0; i < s->nsegs; i++)
		segs[i] = s->segs[i].seg;
	return dv_entries_init(e, segs, s->nsegs, is_live, s);
}

uint64_t dv_entries_total(const dv_entries *e)
{
	return e->n ? e->first[e->n] : 0;
}

bool dv_entries_find(const dv_entries *e, uint8_t kind, const dv_oid *id, dv_place *at,
		     uint64_t *number)
{
	bool found = false;

	for (size_t i = e->n; (!found || at->depth) && i-- > 0;) {
		dv_place other;
		size_t k;

		if (!dv_segment_find_at(e->segs[i], kind, id, &other, &k) ||
		    (found && other.depth >= at->depth) || (e->ok && !e->ok(&other, e->payload)))
			continue;
		*at = other;
		*number = e->first[i] + k;
		found = true;
	}
	return found;
}

bool dv_entries_at(const dv_entries *e, uint64_t number, dv_oid *id, dv_place *at)
{
	size_t lo = 0, hi = e->n;

	if (number >= dv_entries_total(e))
		return false;
	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (e->first[mid] <= number)
			lo = mid;
		else
			hi = mid;
	}
	return dv_segment_at(e->segs[lo], (size_t)(number - e->first[lo]), id, at) &&
	       (!e->ok || e->ok(at, e->payload));
}

void dv_bits_release(dv_bits *b)
{
	free(b->w);
	*b = (dv_bits)DV_BITS_INIT;
}

int dv_bits_init(dv_bits *b, uint64_t total)
{
	dv_bits_release(b);
	b->w = dv_calloc((size_t)(total / 64 + 1), sizeof(*b->w));
	b->total = b->w ? total : 0;
	return b->w ? 0 : DV_ERROR;
}

bool dv_bits_add(dv_bits *b, uint64_t number)
{
	uint64_t bit = UINT64_C(1) << number % 64, *w = &b->w[number / 64];
	bool fresh = !(*w & bit);

	*w |= bit;
	return fresh;
}

bool dv_bits_has(const dv_bits *b, uint64_t number)
{
	return number < b->total && b->w[number / 64] >> number % 64 & 1;
}

bool dv_bits_next(const dv_bits *b, uint64_t *at)
{
	while (*at < b->total) {
		uint64_t rest = b->w[*at / 64] >> *at % 64;

		if (rest) {
			*at += (uint64_t)__builtin_ctzll(rest);
			return true;
		}
		*at += 64 - *at % 64;
	}
	return false;
}
