/* SPDX-License-Identifier: Apache-2.0 */
/* Where the chunks of a file stood in its previous version. */
#include "store/basis.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/map.h"

struct dv_basis {
	dv_recipe recipe;
	uint64_t *starts;	/* offset of each chunk */
	dv_map at;		/* chunk id -> its index; of equal ones the last */
	_Atomic int64_t shift;	/* old minus new offset at the last tie that was seen */
};

void dv_basis_free(dv_basis *b)
{
	if (!b)
		return;
	dv_recipe_release(&b->recipe);
	dv_map_release(&b->at);
	free(b->starts);
	free(b);
}

static int index_chunks(dv_basis *b)
{
	uint64_t at = 0;
	int rc = dv_map_reserve(&b->at, b->recipe.n);

	b->starts = dv_reallocarray(NULL, b->recipe.n, sizeof(*b->starts));
	if (!b->starts)
		return DV_ERROR;
	for (size_t i = 0; i < b->recipe.n && !rc; i++) {
		b->starts[i] = at;
		at += b->recipe.c[i].len;
		rc = dv_map_put(&b->at, &b->recipe.c[i].id, i);
	}
	return rc;
}

int dv_basis_open(dv_basis **out, dv_reader *r, const dv_oid *before)
{
	dv_autoptr(dv_basis) b = NULL;
	int rc;

	*out = NULL;
	if (!dv_store_has_object(dv_reader_store(r), before))
		return 0;
	b = dv_calloc(1, sizeof(*b));
	if (!b)
		return DV_ERROR;
	rc = dv_recipe_load(&b->recipe, r, before);
	if (rc < 0) {
		/* A version that cannot be read is no help, and no harm to the new one. */
		dv_error_clear();
		return 0;
	}
	if (!b->recipe.n)
		return 0;
	rc = index_chunks(b);
	if (!rc)
		*out = dv_steal(&b);
	return rc;
}

uint64_t dv_basis_size(const dv_basis *b)
{
	return b->recipe.size;
}

/* A place where both versions have the same chunk: offsets of its begin. */
typedef struct tie {
	uint64_t was, is;
	size_t i; /* index among the new chunks; the number of chunks when there is none */
} tie;

/* The next tie from chunk `i` on, which begins at `is`. */
static tie next_tie(const dv_basis *b, uint64_t is, const dv_oid *ids, const size_t *lens, size_t i,
		    size_t n)
{
	uint64_t k;

	for (; i < n; i++) {
		if (dv_map_get(&b->at, &ids[i], &k))
			return (tie){ b->starts[k], is, i };
		is += lens[i];
	}
	return (tie){ 0, is, n };
}

static uint64_t clip(const dv_basis *b, int64_t at)
{
	return at < 0 ? 0 : (uint64_t)at > b->recipe.size ? b->recipe.size : (uint64_t)at;
}

/* Where new offset `at` was, between a tie (or the begin of what was looked at) and the next. */
static uint64_t between(uint64_t at, uint64_t was, uint64_t is, uint64_t next_was, uint64_t next_is)
{
	double part = next_is > is ? (double)(at - is) / (double)(next_is - is) : 0;

	return was + (uint64_t)((double)(next_was - was) * part);
}

void dv_basis_walk(dv_basis *b, uint64_t offset, const dv_oid *ids, const size_t *lens, size_t n,
		   bool last, dv_stretch *out)
{
	int64_t shift = offset ? atomic_load(&b->shift) : 0;
	uint64_t is = offset, was = clip(b, (int64_t)offset + shift);
	bool tied = !offset;
	size_t i = 0;

	while (i < n) {
		tie t = next_tie(b, is, ids, lens, i, n);
		bool ahead = t.i < n;
		uint64_t at = is;

		if (!ahead && last) {
			t.was = b->recipe.size;
			ahead = true;
		}
		if (ahead && !tied)
			was = clip(b, (int64_t)t.was - (int64_t)(t.is - is));
		for (; i < t.i; i++) {
			uint64_t end = at + lens[i];

			if (ahead && t.was >= was) {
				out[i].from = between(at, was, is, t.was, t.is);
				out[i].to = between(end, was, is, t.was, t.is);
			} else {
				out[i].from = clip(b, (int64_t)(was + (at - is)));
				out[i].to = clip(b, (int64_t)(was + (end - is)));
			}
			at = end;
		}
		if (i >= n)
			break;
		/* The chunk that ties needs no base, but its place is known. */
		out[i] = (dv_stretch){ t.was, t.was + lens[i] };
		was = t.was + lens[i];
		is = t.is + lens[i];
		tied = true;
		i++;
	}
	if (tied)
		atomic_store(&b->shift, (int64_t)was - (int64_t)is);
}

/* The chunk that holds `offset`; the last one for what lies behind the end. */
static size_t chunk_at(const dv_basis *b, uint64_t offset)
{
	size_t lo = 0, hi = b->recipe.n;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (b->starts[mid] <= offset)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

static bool among(const dv_oid *ids, size_t n, const dv_oid *id)
{
	for (size_t i = 0; i < n; i++)
		if (dv_oid_eq(&ids[i], id))
			return true;
	return false;
}

size_t dv_basis_chunks(const dv_basis *b, dv_stretch where, dv_oid *ids, size_t max)
{
	size_t from = chunk_at(b, where.from), n = 0;
	size_t to = chunk_at(b, where.to > where.from ? where.to - 1 : where.from);

	if (to - from >= max) {
		size_t mid = chunk_at(b, where.from + (where.to - where.from) / 2);

		from = mid - from < max / 2 ? from : mid - max / 2;
		to = from + max - 1;
	}
	for (size_t i = from; i <= to && i < b->recipe.n; i++)
		if (!among(ids, n, &b->recipe.c[i].id))
			ids[n++] = b->recipe.c[i].id;
	return n;
}
