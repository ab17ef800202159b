/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which version builds on which, and what a store is like whose deltas were turned round by such
 * plans: chains within the bound, no circle, nothing lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "store/recipe.h"
#include "store/turn.h"
#include "folder.h"

#define FILES 3
#define VERSIONS 24
#define ROWS_MAX 9000

static uint64_t draw(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 33;
}

/* -- plans --------------------------------------------------------------------------------- */

typedef struct tree {
	uint16_t parent[DV_TURN_VERSIONS];
	uint8_t depth[DV_TURN_VERSIONS];
	double way;	/* the sum of what the plan keeps small */
} tree;

/* The way that `x` versions are. */
static double root_of(size_t x)
{
	double r = (double)x;

	for (int i = 0; i < 40; i++)
		r = (r + (double)x / r) / 2;
	return r;
}

/* A plan, every number of which was written and is right. */
static tree *plan(size_t n, unsigned max)
{
	static tree t;

	memset(&t, 0xff, sizeof(t));
	t.way = 0;
	ok(dv_turn_plan(n, max, t.parent, t.depth));
	for (size_t k = 0; k < n; k++) {
		if (!k) {
			assert_int_equal(t.parent[0], 0);
			assert_int_equal(t.depth[0], 0);
			continue;
		}
		/* On a newer one, always: so there is no circle. */
		assert_true(t.parent[k] < k);
		assert_int_equal(t.depth[k], t.depth[t.parent[k]] + 1);
		assert_true(t.depth[k] <= max);
		t.way += root_of(k - t.parent[k]);
	}
	/* Nothing beyond the versions there are. */
	assert_int_equal(t.parent[n], 0xffff);
	assert_int_equal(t.depth[n], 0xff);
	return &t;
}

static void test_few(void **state)
{
	const tree *t;

	(void)state;
	plan(0, DV_DEPTH_MAX);
	plan(1, DV_DEPTH_MAX);
	/* As long as the bound allows it, each builds on the next newer one. */
	for (size_t n = 2; n <= DV_DEPTH_MAX + 1; n++) {
		t = plan(n, DV_DEPTH_MAX);
		for (size_t k = 1; k < n; k++)
			assert_int_equal(t->parent[k], k - 1);
	}
	/* One more, and it must not. */
	t = plan(DV_DEPTH_MAX + 2, DV_DEPTH_MAX);
	assert_true(t->way > DV_DEPTH_MAX + 1);
	/* With a bound of one all build on the newest. */
	t = plan(50, 1);
	for (size_t k = 1; k < 50; k++)
		assert_int_equal(t->parent[k], 0);
}

static void test_bounds(void **state)
{
	(void)state;
	for (unsigned max = 1; max <= DV_DEPTH_MAX; max++) {
		double before = 0;

		for (size_t n = 2; n < 130; n += 1 + n / 9) {
			double way = plan(n, max)->way;

			/* More versions are not less work, and more depth is not more. */
			assert_true(way > before);
			before = way;
			if (max > 1)
				assert_true(plan(n, max - 1)->way >= way - 1e-6);
		}
	}
}

static void test_most(void **state)
{
	(void)state;
	plan(DV_TURN_VERSIONS - 1, DV_DEPTH_MAX);
}

/* Of all trees over a few versions the plan's is the best. */
static void test_best(void **state)
{
	(void)state;
	for (size_t n = 2; n <= 7; n++)
		for (unsigned max = 1; max <= 3; max++) {
			double best = 1e9;
			size_t ways = 1;

			for (size_t k = 2; k < n; k++)
				ways *= k;
			for (size_t w = 0; w < ways; w++) {
				unsigned depth[8] = { 0 }, deepest = 0;
				double way = 0;

				for (size_t k = 1, left = w; k < n; left /= k, k++) {
					size_t p = left % k;

					depth[k] = depth[p] + 1;
					deepest = depth[k] > deepest ? depth[k] : deepest;
					way += root_of(k - p);
				}
				if (deepest <= max && way < best)
					best = way;
			}
			assert_true(plan(n, max)->way < best + 1e-6);
		}
}

/* -- stores -------------------------------------------------------------------------------- */

typedef struct history {
	dv_store *s;
	dv_pool *pool;
	uint32_t rows[FILES][ROWS_MAX + 400];
	size_t nrows[FILES];
	dv_oid oids[FILES][VERSIONS];	/* newest first, as far as there are any */
	size_t n[FILES];
	uint64_t seed;
} history;

static void render(dv_buf *b, const uint32_t *rows, size_t n)
{
	dv_buf_clear(b);
	for (size_t i = 0; i < n; i++) {
		uint64_t seed = rows[i];
		char row[24];

		for (size_t k = 0; k < sizeof(row); k++)
			row[k] = (char)('0' + draw(&seed) % 10);
		row[sizeof(row) - 1] = '\n';
		ok(dv_buf_add(b, row, sizeof(row)));
	}
}

/* Changes a file: here and there, at its end, or all of it. */
static void edit(history *h, size_t f)
{
	uint32_t *rows = h->rows[f];
	size_t *n = &h->nrows[f], many = draw(&h->seed) % 60;

	switch (*n ? draw(&h->seed) % 12 : 0) {
	case 0:
		*n = 10 + draw(&h->seed) % (ROWS_MAX - 10);
		for (size_t i = 0; i < *n; i++)
			rows[i] = (uint32_t)draw(&h->seed);
		break;
	case 1:
	case 2:
		for (size_t i = 0; i < many && *n < ROWS_MAX; i++)
			rows[(*n)++] = (uint32_t)draw(&h->seed);
		break;
	case 3:
		*n -= draw(&h->seed) % *n / 2;
		break;
	default:
		for (size_t i = 0; i < many; i++)
			rows[draw(&h->seed) % *n] = (uint32_t)draw(&h->seed);
	}
}

static void add_version(history *h, size_t f, bool deltas)
{
	dv_autoptr(dv_writer) w = NULL;
	dv_autoptr(dv_ingest) in = NULL;
	dv_auto(dv_buf) b = DV_BUF_INIT;
	struct stat st;
	dv_oid oid;
	int fd;

	edit(h, f);
	render(&b, h->rows[f], h->nrows[f]);
	ok(dv_fs_write_file("in", b.p, b.n, 0));
	fd = open("in", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	ok(dv_writer_new(&w, h->s, 1));
	ok(dv_ingest_new(&in, w, h->pool));
	ok(dv_ingest_deltas(in, deltas));
	ok(dv_ingest_large(in, fd, "in", h->n[f] ? &h->oids[f][0] : NULL, &oid, &st));
	ok(dv_writer_commit(w, NULL, 0));
	close(fd);
	assert_true(h->n[f] < VERSIONS);
	memmove(&h->oids[f][1], &h->oids[f][0], h->n[f] * sizeof(oid));
	h->oids[f][0] = oid;
	h->n[f]++;
}

static void repack(history *h, dv_sweep_stats *st)
{
	dv_auto(dv_closure) keep = DV_CLOSURE_INIT;
	dv_autoptr(dv_reader) r = NULL;
	dv_history l[FILES];
	dv_histories all = { .l = l, .n = FILES };
	dv_sweep o = { .keep = &keep, .level = 1, .turn = &all };

	ok(dv_reader_new(&r, h->s));
	for (size_t f = 0; f < FILES; f++) {
		l[f] = (dv_history){ .oids = h->oids[f], .n = h->n[f] };
		for (size_t k = 0; k < h->n[f]; k++)
			ok(dv_closure_add(&keep, r, &h->oids[f][k], false, true));
	}
	ok(dv_store_lock(h->s, true, 0));
	ok(dv_store_sweep(h->s, &o, st));
	dv_store_unlock(h->s);
}

/* The depth of a chunk, counted along its bases: at most as it says, and no circle. */
static unsigned count_depth(dv_reader *r, const dv_oid *id, unsigned below)
{
	const dv_oid *borrowed;
	dv_oid bases[DV_BASES_MAX];
	unsigned deepest = 0;
	dv_place at;

	assert_true(below <= DV_DEPTH_MAX);
	assert_true(dv_store_find(dv_reader_store(r), DV_KIND_CHUNK, id, &at));
	ok(dv_reader_bases(r, id, &at, &borrowed));
	if (at.nbases)
		memcpy(bases, borrowed, at.nbases * sizeof(*bases));
	for (size_t i = 0; i < at.nbases; i++) {
		unsigned d = count_depth(r, &bases[i], below + 1) + 1;

		deepest = d > deepest ? d : deepest;
	}
	assert_int_equal(deepest, at.depth);
	return deepest;
}

static int on_damage(const dv_store_damage *d, void *payload)
{
	(void)payload;
	fail_msg("%s %s: %s", d->kind, d->name, d->detail);
	return 0;
}

/* Returns the depth of the deepest chunk. */
static unsigned check_object(dv_reader *r, const dv_oid *oid, bool newest)
{
	unsigned deepest = 0;
	dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;

	ok(dv_store_check_object(r, oid, false, on_damage, NULL));
	ok(dv_recipe_load(&recipe, r, oid));
	for (size_t i = 0; i < recipe.n; i++) {
		unsigned depth = count_depth(r, &recipe.c[i].id, 0);

		/* At most on peers. */
		assert_true(!newest || depth <= 1);
		deepest = depth > deepest ? depth : deepest;
	}
	return deepest;
}

static void check_all(const history *h)
{
	dv_autoptr(dv_reader) r = NULL;
	dv_store_stats stats;
	unsigned deepest = 0;

	ok(dv_reader_new(&r, h->s));
	for (size_t f = 0; f < FILES; f++)
		for (size_t k = 0; k < h->n[f]; k++) {
			unsigned d = check_object(r, &h->oids[f][k], !k);

			deepest = d > deepest ? d : deepest;
		}
	assert_true(deepest > 2);
	ok(dv_store_fsck(h->s, h->pool, false, on_damage, NULL, &stats));
}

/* Histories at random, repacked in between: what is there stays whole, within the bounds, and a
 * second time there is nothing to do. */
static void test_histories(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		history *h = calloc(1, sizeof(*h));
		dv_sweep_stats st;
		char dir[16];

		assert_non_null(h);
		h->seed = seed;
		snprintf(dir, sizeof(dir), "store%d", (int)seed);
		ok(dv_store_open(&h->s, dir, DV_STORE_CREATE));
		ok(dv_pool_new(&h->pool, 2, 64));
		for (unsigned v = 0; v < VERSIONS; v++) {
			/* The first has few versions, which now and then is one. */
			for (size_t f = 0; f < FILES; f++)
				if (f || v % 16 == 3)
					add_version(h, f, seed % 3 != 0);
			if (v != 9 && v != VERSIONS - 1)
				continue;
			repack(h, &st);
			check_all(h);
		}
		assert_true(st.turned > 0);
		repack(h, &st);
		assert_int_equal(st.turned, 0);
		dv_pool_free(h->pool);
		dv_store_free(h->s);
		free(h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few),  cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_most), cmocka_unit_test(test_best),
		cmocka_unit_test(test_histories),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
