/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which version builds on which. A delta takes more the farther apart its versions are, though
 * less than in proportion, and chains are bounded: of all trees of bounded depth over the versions
 * in a row the cheapest is found, by what the cheapest ones of fewer versions cost.
 */
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "store/turn.h"

typedef struct plan {
	size_t n;
	double *cost;		/* [d * (n + 1) + k]: of k versions behind one that d may follow */
	uint16_t *last;		/* the farthest one of them that builds on it */
} plan;

static void plan_release(plan *p)
{
	free(p->cost);
	free(p->last);
}

/* The square root, by Newton: about what a delta takes, by the distance of its versions. */
static double root(double x)
{
	double r = x > 1 ? x : 1;

	for (int i = 0; i < 40; i++)
		r = (r + x / r) / 2;
	return r;
}

static int fill(plan *p, unsigned max)
{
	size_t row = p->n + 1;
	dv_autofree double *way = dv_calloc(row, sizeof(*way));

	p->cost = dv_reallocarray(NULL, row * (max + 1), sizeof(*p->cost));
	p->last = dv_reallocarray(NULL, row * (max + 1), sizeof(*p->last));
	if (!way || !p->cost || !p->last)
		return DV_ERROR;
	for (size_t k = 0; k < row; k++) {
		way[k] = k ? root((double)k) : 0;
		p->cost[k] = k ? INFINITY : 0;
	}
	for (unsigned d = 1; d <= max; d++) {
		double *own = p->cost + d * row;
		const double *less = own - row;

		own[0] = 0;
		for (size_t k = 1; k < row; k++) {
			own[k] = INFINITY;
			for (size_t m = 1; m <= k; m++) {
				double c = own[m - 1] + way[m] + less[k - m];

				if (c < own[k]) {
					own[k] = c;
					p->last[d * row + k] = (uint16_t)m;
				}
			}
		}
	}
	return 0;
}

/* Versions first … first + k - 1 hang below `root`, with at most d more deltas. */
typedef struct part {
	size_t root, first, k;
	unsigned d;
} part;

static int lay_out(const plan *p, unsigned max, uint16_t *parent, uint8_t *depth)
{
	dv_autofree part *todo = dv_calloc(2 * (p->n + 1), sizeof(*todo));
	size_t n = 0;

	if (!todo)
		return DV_ERROR;
	parent[0] = 0;
	depth[0] = 0;
	todo[n++] = (part){ 0, 1, p->n, max };
	while (n) {
		part at = todo[--n];
		size_t m, child;

		if (!at.k)
			continue;
		m = p->last[at.d * (p->n + 1) + at.k];
		child = at.first + m - 1;
		parent[child] = (uint16_t)at.root;
		depth[child] = (uint8_t)(depth[at.root] + 1);
		todo[n++] = (part){ at.root, at.first, m - 1, at.d };
		todo[n++] = (part){ child, child + 1, at.k - m, at.d - 1 };
	}
	return 0;
}

int dv_turn_plan(size_t n, unsigned max, uint16_t *parent, uint8_t *depth)
{
	__attribute__((cleanup(plan_release))) plan p = { .n = n ? n - 1 : 0 };
	int rc;

	if (!n)
		return 0;
	rc = fill(&p, max);
	return rc ? rc : lay_out(&p, max, parent, depth);
}
