/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of chunks that others build on. */
#include "store/peers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"

#define LEAST 512u	/* shorter chunks have little to give */
#define SETS_MAX 64u	/* after so many sets nothing is tried any more */
#define COMPARE 8u	/* of the first chunks one in so many is compressed both ways, */
#define SETTLED 128u	/* after so many, which is 16 comparisons, */
#define COMPARE_LATER 64u	/* one in so many */
#define ENOUGH 8u	/* comparisons before a set is judged */

typedef struct peer_set {
	dv_peer_set s;
	uint8_t *p;
	size_t cap;
} peer_set;

struct dv_peers {
	size_t enough;
	pthread_mutex_t lock;
	peer_set *sets[SETS_MAX];	/* all there were; the last one may be in the making */
	size_t n;
	_Atomic(const dv_peer_set *) current;
	_Atomic unsigned asked;
	size_t with, alone;	/* bytes of what was compared */
	unsigned compared;
};

static atomic_uint_fast64_t numbers;

int dv_peers_new(dv_peers **out, size_t enough)
{
	dv_peers *ps = dv_calloc(1, sizeof(*ps));

	if (!ps)
		return DV_ERROR;
	ps->enough = enough;
	pthread_mutex_init(&ps->lock, NULL);
	*out = ps;
	return 0;
}

void dv_peers_free(dv_peers *ps)
{
	if (!ps)
		return;
	for (size_t i = 0; i < ps->n; i++) {
		free(ps->sets[i]->p);
		free(ps->sets[i]);
	}
	pthread_mutex_destroy(&ps->lock);
	free(ps);
}

const dv_peer_set *dv_peers_get(dv_peers *ps, bool *compare)
{
	const dv_peer_set *set = atomic_load(&ps->current);

	unsigned nth = set ? atomic_fetch_add(&ps->asked, 1) : 0;

	*compare = set && nth % (nth < SETTLED ? COMPARE : COMPARE_LATER) == 0;
	return set;
}

static bool is_complete(const dv_peers *ps, const peer_set *set)
{
	return set->s.n == DV_BASES_MAX || set->s.len >= ps->enough;
}

/* The set in the making. *out is NULL when there were enough. */
static int gather_into(dv_peers *ps, peer_set **out)
{
	peer_set *last = ps->n ? ps->sets[ps->n - 1] : NULL;

	*out = last;
	if (last && !is_complete(ps, last))
		return 0;
	*out = NULL;
	if (ps->n == SETS_MAX)
		return 0;
	last = dv_calloc(1, sizeof(*last));
	if (!last)
		return DV_ERROR;
	ps->sets[ps->n++] = last;
	*out = last;
	return 0;
}

static int offer(dv_peers *ps, const dv_oid *id, const uint8_t *raw, size_t n)
{
	peer_set *set;
	int rc = gather_into(ps, &set);

	if (rc || !set)
		return rc;
	rc = dv_grow(&set->p, &set->cap, set->s.len + n, 1);
	if (rc)
		return rc;
	memcpy(set->p + set->s.len, raw, n);
	set->s.ids[set->s.n++] = *id;
	set->s.len += n;
	set->s.p = set->p;
	if (is_complete(ps, set)) {
		set->s.number = atomic_fetch_add(&numbers, 1) + 1;
		ps->with = ps->alone = ps->compared = 0;
		atomic_store(&ps->asked, 0);
		atomic_store(&ps->current, &set->s);
	}
	return 0;
}

int dv_peers_offer(dv_peers *ps, const dv_oid *id, const uint8_t *raw, size_t n, size_t stored)
{
	int rc = 0;

	if (n < LEAST || stored > n - n / 4 || atomic_load(&ps->current))
		return 0;
	pthread_mutex_lock(&ps->lock);
	if (!atomic_load(&ps->current))
		rc = offer(ps, id, raw, n);
	pthread_mutex_unlock(&ps->lock);
	return rc;
}

void dv_peers_learn(dv_peers *ps, const dv_peer_set *set, size_t with, size_t alone)
{
	pthread_mutex_lock(&ps->lock);
	if (set == atomic_load(&ps->current)) {
		ps->with += with;
		ps->alone += alone;
		/* It must bring 3 % in what was compared lately. */
		if (++ps->compared >= ENOUGH) {
			if (ps->with > ps->alone - ps->alone / 32)
				atomic_store(&ps->current, NULL);
			ps->with /= 2;
			ps->alone /= 2;
			ps->compared /= 2;
		}
	}
	pthread_mutex_unlock(&ps->lock);
}
