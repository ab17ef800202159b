/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The law of deltas between stores: whatever forms the same chunks have here and there, and whoever
 * writes at the same time, each delta has its bases beside it, less deep than itself. And a push
 * that meets a collection of the remote begins anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"
#include "store/care.h"
#include "store/delta.h"
#include "transfer/internal.h"
#include "folder.h"

#define LEN 20000u
#define ALONE UINT32_MAX

/* -- material ---------------------------------------------------------------------------------- */

/* Version v differs from v - 1 in some bytes. */
static void version(uint8_t *p, unsigned v)
{
	uint64_t seed = 1;

	for (size_t i = 0; i < LEN; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		p[i] = (uint8_t)(seed >> 40);
	}
	for (unsigned k = 1; k <= v; k++)
		memset(p + k * 300, (int)k, 100);
}

static dv_oid id_of(unsigned v)
{
	static uint8_t p[LEN];
	dv_oid id;

	version(p, v);
	dv_sha256(&id, p, LEN);
	return id;
}

/* Puts version v, upon version `base` or ALONE. */
static void put(dv_writer *w, unsigned v, unsigned base, uint8_t depth)
{
	static uint8_t raw[LEN], prefix[LEN];
	dv_autoptr(dv_encoder) enc = NULL;
	dv_bases bases = { 0 };
	dv_outcome out;
	dv_oid id = id_of(v), upon;

	ok(dv_encoder_new(&enc, 1));
	version(raw, v);
	if (base != ALONE) {
		upon = id_of(base);
		version(prefix, base);
		bases = (dv_bases){ .ids = &upon, .n = 1, .depth = depth, .sure = true,
				    .prefix = prefix, .prefix_len = LEN };
	}
	ok(dv_writer_put_based(w, enc, &id, raw, LEN, NULL, &bases, &out));
	assert_true(out.fresh);
	assert_int_equal(out.codec == DV_CODEC_ZSTD_DELTA, base != ALONE);
}

/* A chain from version `from` on, each upon the one before. */
static void put_chain(dv_store *s, unsigned from, unsigned to)
{
	dv_autoptr(dv_writer) w = NULL;

	ok(dv_writer_new(&w, s, 1));
	put(w, from, ALONE, 0);
	for (unsigned v = from + 1; v <= to; v++)
		put(w, v, v - 1, (uint8_t)(v - from));
	ok(dv_writer_commit(w, NULL, 0));
}

/* A directory whose only file is version v. */
static dv_want want(dv_store *s, unsigned v)
{
	dv_want w = { .is_tree = true, .path = "data" };
	dv_autoptr(dv_writer) writer = NULL;
	dv_autoptr(dv_encoder) enc = NULL;
	dv_auto(dv_tree) t = DV_TREE_INIT;
	dv_oid id = id_of(v);

	ok(dv_encoder_new(&enc, 1));
	ok(dv_writer_new(&writer, s, 1));
	ok(dv_tree_add(&t, 'f', &id, LEN, 1, "file"));
	ok(dv_tree_store(&t, writer, enc, &w.oid));
	ok(dv_writer_commit(writer, NULL, 0));
	return w;
}

static dv_store *open_store(const char *name)
{
	dv_store *s = NULL;

	ok(dv_store_open(&s, name, DV_STORE_CREATE));
	return s;
}

static dv_remote_store *open_remote(const char *name, const char *mirror)
{
	dv_autofree char *url = dv_path_join(root, name), *m = dv_path_join(root, mirror);
	dv_remote_options o = { .name = "r", .url = url, .mirror_dir = m, .create = true };
	dv_remote_store *r = NULL;

	ok(dv_remote_store_open(&r, &o));
	return r;
}

static int on_damage(const dv_store_damage *d, void *payload)
{
	unsigned *n = payload;

	print_message("%s %s: %s\n", d->kind, d->name, d->detail);
	(*n)++;
	return 0;
}

/* A store as another process finds it: it is whole, and the versions [from, to] can be read. */
static void assert_lawful(const char *name, unsigned from, unsigned to)
{
	static uint8_t raw[LEN];
	dv_autoptr(dv_store) s = open_store(name);
	dv_autoptr(dv_pool) pool = NULL;
	dv_store_stats stats;
	unsigned n = 0;

	ok(dv_pool_new(&pool, 2, 16));
	ok(dv_store_fsck(s, pool, true, on_damage, &n, &stats));
	ok(dv_store_fsck(s, pool, false, on_damage, &n, &stats));
	assert_int_equal(n, 0);
	for (unsigned v = from; v <= to; v++) {
		dv_autoptr(dv_reader) r = NULL;	/* with no base decoded yet */
		const uint8_t *p;
		dv_oid id = id_of(v);
		size_t len;

		ok(dv_reader_new(&r, s));
		ok(dv_reader_get(r, DV_KIND_CHUNK, &id, &p, &len));
		version(raw, v);
		assert_int_equal(len, LEN);
		assert_memory_equal(p, raw, LEN);
	}
}

static unsigned depth_of(const char *name, unsigned v)
{
	dv_autoptr(dv_store) s = open_store(name);
	dv_oid id = id_of(v);
	dv_place at;

	assert_true(dv_store_find(s, DV_KIND_CHUNK, &id, &at));
	assert_int_equal(at.depth > 0, at.nbases > 0);
	return at.depth;
}

/* -- one store --------------------------------------------------------------------------------- */

/* Two writers at once store the same versions, each with the chain the other way round. */
static void test_two_writers(void **state)
{
	(void)state;
	for (int turn = 0; turn < 2; turn++) {
		const char *name = turn ? "two" : "one";
		dv_autoptr(dv_store) a = open_store(name);
		dv_autoptr(dv_store) b = open_store(name);
		dv_autoptr(dv_writer) wa = NULL;
		dv_autoptr(dv_writer) wb = NULL;

		ok(dv_writer_new(&wa, a, 1));
		ok(dv_writer_new(&wb, b, 1));
		put(wa, 0, ALONE, 0);
		put(wa, 1, 0, 1);
		put(wa, 2, 1, 2);
		put(wb, 2, ALONE, 0);
		put(wb, 1, 2, 1);
		put(wb, 0, 1, 2);
		ok(dv_writer_commit(turn ? wb : wa, NULL, 0));
		ok(dv_writer_commit(turn ? wa : wb, NULL, 0));
		assert_lawful(name, 0, 2);
		assert_int_equal(depth_of(name, 0), 0);
		assert_int_equal(depth_of(name, 1), 1);
		assert_int_equal(depth_of(name, 2), 0);
		/* Until the segments are merged. */
		for (unsigned v = 10; v < 30; v++)
			put_chain(a, v, v);
		assert_lawful(name, 0, 2);
		assert_int_equal(depth_of(name, 0), 0);
		assert_int_equal(depth_of(name, 2), 0);
		ok(dv_store_reindex(a));
		assert_lawful(name, 0, 2);
	}
}

/* Of two copies a collection keeps one that can be read without what it drops. */
static void test_collected(void **state)
{
	dv_autoptr(dv_store) a = open_store("collected");
	dv_autoptr(dv_store) b = open_store("collected");
	dv_autoptr(dv_writer) wa = NULL;
	dv_autoptr(dv_writer) wb = NULL;
	dv_auto(dv_closure) keep = DV_CLOSURE_INIT;
	dv_sweep o = { .keep = &keep, .level = 1 };
	dv_sweep_stats st;
	dv_oid id = id_of(1);

	(void)state;
	ok(dv_writer_new(&wa, a, 1));
	ok(dv_writer_new(&wb, b, 1));
	put(wa, 0, ALONE, 0);
	put(wa, 1, 0, 1);
	put(wb, 2, ALONE, 0);
	put(wb, 1, 2, 1);
	ok(dv_writer_commit(wa, NULL, 0));
	ok(dv_writer_commit(wb, NULL, 0));
	dv_store_free(dv_steal(&b));
	dv_writer_free(dv_steal(&wb));
	for (int i = 0; i < 3; i++) {
		ok(dv_map_put(&keep.chunks, &id, 1));
		ok(dv_store_lock(a, true, 0));
		ok(dv_store_sweep(a, &o, &st));
		dv_store_unlock(a);
		assert_lawful("collected", 1, 1);
	}
	assert_int_equal(st.chunks_kept, 2);
}

/* -- two stores -------------------------------------------------------------------------------- */

/* The remote holds as a deep delta what is full here: chains that continue there stay short. */
static void test_push_upon_deeper(void **state)
{
	dv_autoptr(dv_store) a = open_store("a");
	dv_autoptr(dv_store) b = open_store("b");
	dv_autoptr(dv_remote_store) far = open_remote("far", "m1");
	dv_move_stats m;
	dv_want w;

	(void)state;
	put_chain(a, 0, 10);
	w = want(a, 10);
	ok(dv_transfer_push(a, far, &w, 1, NULL, &m));
	assert_int_equal(depth_of("far", 10), 10);
	put_chain(b, 10, 20);
	w = want(b, 20);
	ok(dv_transfer_push(b, far, &w, 1, NULL, &m));
	assert_lawful("far", 0, 20);
	assert_int_equal(depth_of("far", 16), 16);
	assert_int_equal(depth_of("far", 17), 0);
	assert_int_equal(depth_of("far", 18), 8);
	dv_autoptr(dv_store) c = open_store("c");
	ok(dv_transfer_fetch(c, far, &w, 1, NULL, &m));
	assert_lawful("c", 17, 20);
}

/* The same in the other direction. */
static void test_fetch_upon_deeper(void **state)
{
	dv_autoptr(dv_store) a = open_store("a2");
	dv_autoptr(dv_store) b = open_store("b2");
	dv_autoptr(dv_remote_store) far = open_remote("far2", "m2");
	dv_move_stats m;
	dv_want w;

	(void)state;
	put_chain(a, 12, 20);
	w = want(a, 20);
	ok(dv_transfer_push(a, far, &w, 1, NULL, &m));
	put_chain(b, 0, 12);
	ok(dv_transfer_fetch(b, far, &w, 1, NULL, &m));
	assert_lawful("b2", 0, 20);
	assert_int_equal(depth_of("b2", 16), 16);
	assert_int_equal(depth_of("b2", 17), 0);
}

/* A pack is not sent as it is when the depths in it are not those of the remote; nor are copies of
 * what the remote has let in that way round. */
static void test_push_turned(void **state)
{
	dv_autoptr(dv_store) a = open_store("a3");
	dv_autoptr(dv_store) b = open_store("b3");
	dv_autoptr(dv_remote_store) far = open_remote("far3", "m3");
	dv_autoptr(dv_writer) w = NULL;
	dv_move_stats m;
	dv_want one, other;

	(void)state;
	put_chain(a, 0, 3);
	one = want(a, 3);
	ok(dv_transfer_push(a, far, &one, 1, NULL, &m));
	/* The other way round, in one pack; only two versions of it are new to the remote. */
	ok(dv_writer_new(&w, b, 1));
	put(w, 3, ALONE, 0);
	put(w, 2, 3, 1);
	put(w, 1, 2, 2);
	put(w, 4, 1, 3);
	put(w, 5, 4, 4);
	ok(dv_writer_commit(w, NULL, 0));
	other = want(b, 5);
	ok(dv_transfer_push(b, far, &other, 1, NULL, &m));
	assert_lawful("far3", 0, 5);
	dv_autoptr(dv_store) c = open_store("c3");
	ok(dv_transfer_fetch(c, far, &other, 1, NULL, &m));
	ok(dv_transfer_fetch(c, far, &one, 1, NULL, &m));
	assert_lawful("c3", 0, 5);
}

/* -- a collection on the way ------------------------------------------------------------------- */

static dv_driver late;			/* a driver with another process before its log entry */
static const dv_driver *inner;
static unsigned collections;

/* Drops everything from the remote, as a collection in its folder would. */
static void collect_all(void)
{
	dv_autoptr(dv_store) s = open_store("far4");
	dv_auto(dv_closure) keep = DV_CLOSURE_INIT;
	dv_sweep o = { .keep = &keep, .level = 1 };
	dv_sweep_stats st;

	ok(dv_store_lock(s, true, 0));
	ok(dv_store_sweep(s, &o, &st));
	assert_true(st.packs_dropped > 0);
}

static int late_put_if_absent(dv_remote *r, const char *name, const void *p, size_t n)
{
	if (!strncmp(name, "log/", 4) && collections) {
		collections--;
		collect_all();
	}
	return inner->put_if_absent(r, name, p, n);
}

/* What a push counts on goes while its own packs are on their way: it begins anew, and what the log
 * says in the end is there. */
static void test_condemned_on_the_way(void **state)
{
	dv_autoptr(dv_store) a = open_store("a4");
	dv_autoptr(dv_remote_store) far = open_remote("far4", "m4");
	dv_move_stats m;
	dv_want old, new;

	(void)state;
	put_chain(a, 0, 6);
	old = want(a, 3);
	ok(dv_transfer_push(a, far, &old, 1, NULL, &m));
	new = want(a, 6);
	inner = far->r->driver;
	late = *inner;
	late.put_if_absent = late_put_if_absent;
	far->r->driver = &late;
	collections = 1;
	ok(dv_transfer_push(a, far, &new, 1, NULL, &m));
	far->r->driver = inner;
	assert_int_equal(collections, 0);
	/* The first attempt sent three versions and a tree; the second had to send all. */
	assert_int_equal(m.chunks, 8);
	assert_false(dv_remote_store_has_root(far, &old.oid));
	assert_true(dv_remote_store_has_root(far, &new.oid));
	assert_lawful("far4", 0, 6);
	dv_autoptr(dv_store) c = open_store("c4");
	ok(dv_transfer_fetch(c, far, &new, 1, NULL, &m));
	assert_lawful("c4", 0, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_writers),
		cmocka_unit_test(test_collected),
		cmocka_unit_test(test_push_upon_deeper),
		cmocka_unit_test(test_fetch_upon_deeper),
		cmocka_unit_test(test_push_turned),
		cmocka_unit_test(test_condemned_on_the_way),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
