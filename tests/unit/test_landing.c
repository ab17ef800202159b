/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are put together as their chunks come: only what is right to the byte is given out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/sha256.h"
#include "store/landing.h"
#include "folder.h"

#define CHUNK 50000u
#define CHUNKS 200u
#define SIZE ((size_t)CHUNK * CHUNKS)

/* An object in which one chunk stands in many places, and others are zeros. */
typedef struct thing {
	uint8_t *p;
	dv_oid oid;
	dv_recipe recipe;
	dv_oid ids[CHUNKS];	/* of its chunks, whatever the recipe says */
} thing;

static void make_thing(thing *t, uint64_t seed)
{
	*t = (thing){ .p = malloc(SIZE), .recipe = DV_RECIPE_INIT };
	assert_non_null(t->p);
	for (size_t i = 0; i < SIZE; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		t->p[i] = (uint8_t)(seed >> 33);
	}
	for (size_t i = 3; i < CHUNKS; i += 5)
		memcpy(t->p + i * CHUNK, t->p, CHUNK);
	for (size_t i = 4; i < CHUNKS; i += 9)
		memset(t->p + i * CHUNK, 0, CHUNK);
	dv_sha256(&t->oid, t->p, SIZE);
	t->recipe.c = calloc(CHUNKS, sizeof *t->recipe.c);
	t->recipe.n = CHUNKS;
	t->recipe.size = SIZE;
	for (size_t i = 0; i < CHUNKS; i++) {
		dv_sha256(&t->recipe.c[i].id, t->p + i * CHUNK, CHUNK);
		t->recipe.c[i].len = CHUNK;
		t->ids[i] = t->recipe.c[i].id;
	}
}

static void drop_thing(thing *t)
{
	free(t->p);
	dv_recipe_release(&t->recipe);
}

static int opened = -1;

static int open_file(int *fd, const dv_oid *oid, uint64_t size, const char *path, void *payload)
{
	(void)oid;
	(void)payload;
	assert_int_equal(size, SIZE);
	assert_string_equal(path, "the/path");
	opened = open("landed", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	assert_true(opened >= 0);
	*fd = opened;
	return 0;
}

/* Chunks from, from + step, ... below `to`. */
typedef struct showing {
	dv_landing *l;
	const thing *t;
	size_t from, step, to;
} showing;

static void *show(void *arg)
{
	const showing *s = arg;

	for (size_t i = s->from; i < s->to; i += s->step) {
		const void *p = s->t->p + i * CHUNK;
		size_t n = CHUNK;

		dv_landing_show(s->l, &s->t->ids[i], &p, &n, 1);
	}
	return NULL;
}

static void show_all(dv_landing *l, const thing *t, size_t to)
{
	pthread_t threads[3];
	showing s[3];

	for (size_t i = 0; i < 3; i++) {
		s[i] = (showing){ l, t, 2 - i, 3, to };
		assert_int_equal(pthread_create(&threads[i], NULL, show, &s[i]), 0);
	}
	for (size_t i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}

static void expect_landed(const thing *t)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	ok(dv_fs_read_file(&b, "landed", SIZE));
	assert_int_equal(b.n, SIZE);
	assert_memory_equal(dv_buf_str(&b), t->p, SIZE);
}

/* The first `shown` chunks come by, the others are in the store if `store` says so. */
static bool lands(const thing *t, size_t shown, bool store)
{
	dv_autoptr(dv_store) s = NULL;
	dv_autoptr(dv_reader) r = NULL;
	dv_autoptr(dv_writer) w = NULL;
	dv_autoptr(dv_encoder) enc = NULL;
	dv_autoptr(dv_landing) l = NULL;

	ok(dv_store_open(&s, "store", DV_STORE_CREATE));
	ok(dv_writer_new(&w, s, 1));
	ok(dv_encoder_new(&enc, 1));
	for (size_t i = shown; store && i < CHUNKS; i++)
		ok(dv_writer_put(w, enc, DV_KIND_CHUNK, &t->recipe.c[i].id, t->p + i * CHUNK, CHUNK,
				 NULL, NULL));
	ok(dv_writer_commit(w, NULL, 0));
	ok(dv_reader_new(&r, s));
	ok(dv_landing_new(&l, open_file, NULL));
	ok(dv_landing_expect(l, &t->oid, &t->recipe, "the/path"));
	int fd = opened;
	opened = -1;
	ok(dv_landing_expect(l, &t->oid, &t->recipe, "the/path"));
	assert_int_equal(opened, -1);
	show_all(l, t, shown);
	show_all(l, t, shown);
	bool landed = dv_landing_take(l, r, &t->oid, fd);
	assert_int_equal(dv_error_last()->code, 0);
	/* Once only. */
	assert_false(dv_landing_take(l, r, &t->oid, fd));
	close(fd);
	return landed;
}

static void test_lands(void **state)
{
	thing t;

	(void)state;
	make_thing(&t, 1);
	assert_true(lands(&t, CHUNKS, false));
	expect_landed(&t);
	assert_false(lands(&t, CHUNKS - 60, false));
	assert_true(lands(&t, CHUNKS - 60, true));
	expect_landed(&t);
	drop_thing(&t);
}

/* Every chunk has its id, and the recipe is a wrong one. */
static void test_wrong_recipe(void **state)
{
	dv_chunk_ref first;
	thing t;

	(void)state;
	make_thing(&t, 2);
	first = t.recipe.c[1];
	t.recipe.c[1] = t.recipe.c[2];
	t.recipe.c[2] = first;
	assert_false(lands(&t, CHUNKS, false));
	drop_thing(&t);
	make_thing(&t, 3);
	t.recipe.c[1].len -= 7;
	t.recipe.c[2].len += 7;
	assert_false(lands(&t, CHUNKS, false));
	drop_thing(&t);
}

/* What a store that is damaged gives does not come through. */
static void test_wrong_chunk(void **state)
{
	thing t;

	(void)state;
	make_thing(&t, 4);
	t.p[SIZE - 1] ^= 1;
	assert_false(lands(&t, CHUNKS - 60, true));
	drop_thing(&t);
}

/* A disk that is full is no failure here. */
static void test_faults(void **state)
{
	thing t;

	(void)state;
	make_thing(&t, 5);
	for (int i = 1; i < 4; i++) {
		dv_autoptr(dv_landing) l = NULL;
		char spec[32];

		ok(dv_landing_new(&l, open_file, NULL));
		snprintf(spec, sizeof spec, "enospc:%d", i * 40);
		dv_fs_faults(spec);
		ok(dv_landing_expect(l, &t.oid, &t.recipe, "the/path"));
		show_all(l, &t, CHUNKS);
		dv_fs_faults(NULL);
		assert_false(dv_landing_take(l, NULL, &t.oid, opened));
		assert_int_equal(dv_error_last()->code, 0);
		close(opened);
	}
	drop_thing(&t);
}

/* The end may come before all has. */
static void test_dropped(void **state)
{
	dv_autoptr(dv_landing) l = NULL;
	thing t;

	(void)state;
	make_thing(&t, 6);
	ok(dv_landing_new(&l, open_file, NULL));
	ok(dv_landing_expect(l, &t.oid, &t.recipe, "the/path"));
	show_all(l, &t, CHUNKS / 2);
	dv_landing_free(dv_steal(&l));
	close(opened);
	drop_thing(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lands),
		cmocka_unit_test(test_wrong_recipe),
		cmocka_unit_test(test_wrong_chunk),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_dropped),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
