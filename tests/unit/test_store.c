/* SPDX-License-Identifier: Apache-2.0 */
/* Stores in a scratch folder: batches, commits, lookups, damage, merging, checkpoints. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <zstd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"
#include "store/store_priv.h"

static int setup(void **state)
{
	char *dir = strdup("/tmp/dv-store-XXXXXX");

	if (!dir || !mkdtemp(dir))
		return -1;
	*state = dir;
	return 0;
}

static int teardown(void **state)
{
	int rc = dv_fs_remove_tree(*state);

	free(*state);
	return rc;
}

/* Compressible text that depends on `seed`. */
static size_t make(uint8_t *out, size_t n, uint64_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		out[i] = (uint8_t)("abcdefgh"[seed >> 61]);
	}
	return n;
}

static void must(int rc)
{
	if (rc)
		fail_msg("%d: %s", rc, dv_error_last()->message);
}

static dv_oid put(dv_writer *w, dv_encoder *enc, size_t n, uint64_t seed)
{
	dv_autofree uint8_t *p = malloc(n);
	dv_oid id;

	make(p, n, seed);
	dv_sha256(&id, p, n);
	must(dv_writer_put(w, enc, DV_KIND_CHUNK, &id, p, n, NULL, NULL));
	return id;
}

static int get(dv_store *s, const dv_oid *id, size_t n, uint64_t seed)
{
	dv_autoptr(dv_reader) r = NULL;
	dv_autofree uint8_t *want = malloc(n);
	const uint8_t *p;
	size_t len;
	int rc;

	must(dv_reader_new(&r, s));
	rc = dv_reader_get(r, DV_KIND_CHUNK, id, &p, &len);
	if (rc)
		return rc;
	make(want, n, seed);
	assert_int_equal(len, n);
	assert_memory_equal(p, want, n);
	return 0;
}

static void test_round_trip(void **state)
{
	enum { N = 300 };
	dv_oid ids[N];

	for (int round = 0; round < 2; round++) {
		dv_autoptr(dv_store) s = NULL;
		dv_autoptr(dv_writer) w = NULL;
		dv_autoptr(dv_encoder) enc = NULL;

		must(dv_store_open(&s, *state, DV_STORE_CREATE));
		must(dv_writer_new(&w, s, 1));
		must(dv_encoder_new(&enc, 1));
		for (int i = 0; i < N; i++)
			ids[i] = put(w, enc, 1 + (size_t)i * 97, (uint64_t)i);
		assert_int_equal(dv_store_has_object(s, &ids[5]), round);
		assert_true(dv_writer_has(w, DV_KIND_CHUNK, &ids[5]));
		must(dv_writer_commit(w, NULL, 0));
		/* The second round had nothing to write. */
		assert_int_equal(dv_store_state(s)->head, 1);
		for (int i = 0; i < N; i++)
			must(get(s, &ids[i], 1 + (size_t)i * 97, (uint64_t)i));
	}
}

static void test_nothing_before_commit(void **state)
{
	dv_autoptr(dv_store) s = NULL;
	dv_autoptr(dv_store) other = NULL;
	dv_autoptr(dv_encoder) enc = NULL;
	dv_root root = { .is_tree = true, .path = (char *)"data\xff \"x\"" };
	dv_oid id;

	assert_int_equal(dv_store_open(&s, *state, 0), DV_ENOTFOUND);
	must(dv_store_open(&s, *state, DV_STORE_CREATE));
	must(dv_encoder_new(&enc, 1));
	{
		dv_autoptr(dv_writer) w = NULL;

		must(dv_writer_new(&w, s, 1));
		id = put(w, enc, 1000, 1);
	}
	must(dv_store_open(&other, *state, 0));
	assert_false(dv_store_has_object(other, &id));
	{
		dv_autoptr(dv_writer) w = NULL;

		must(dv_writer_new(&w, s, 1));
		id = root.oid = put(w, enc, 1000, 1);
		must(dv_writer_commit(w, &root, 1));
		must(dv_writer_commit(w, &root, 1));
		assert_int_equal(dv_store_state(s)->head, 1);
	}
	assert_false(dv_store_has_object(other, &id));
	must(dv_store_refresh(other));
	assert_true(dv_store_has_object(other, &id));
	assert_true(dv_map_has(&dv_store_state(other)->roots, &id));
	must(get(other, &id, 1000, 1));
}

/* Many small commits stay few segments, pass a checkpoint, and open again to the same state. */
static void test_many_commits(void **state)
{
	enum { N = 600 };
	dv_autoptr(dv_store) s = NULL;
	dv_autoptr(dv_store) again = NULL;
	dv_autoptr(dv_writer) w = NULL;
	dv_autoptr(dv_encoder) enc = NULL;
	dv_oid ids[N];

	must(dv_store_open(&s, *state, DV_STORE_CREATE));
	must(dv_encoder_new(&enc, 1));
	must(dv_writer_new(&w, s, 1));
	for (int i = 0; i < N; i++) {
		ids[i] = put(w, enc, 500, (uint64_t)i);
		must(dv_writer_commit(w, NULL, 0));
		assert_true(dv_store_state(s)->nsegments < 24);
	}
	must(dv_store_open(&again, *state, 0));
	assert_int_equal(dv_store_state(again)->head, dv_store_state(s)->head);
	assert_int_equal(dv_store_state(again)->checkpoint, 513);
	assert_int_equal(dv_store_state(again)->ncontainers, N);
	for (int i = 0; i < N; i++)
		must(get(again, &ids[i], 500, (uint64_t)i));
}

typedef struct putter {
	dv_writer *w;
	int from;
} putter;

static void *put_many(void *arg)
{
	putter *p = arg;
	dv_autoptr(dv_encoder) enc = NULL;

	must(dv_encoder_new(&enc, 1));
	for (int i = 0; i < 1200; i++)
		put(p->w, enc, 100000, (uint64_t)(p->from + i));
	return NULL;
}

/* Four threads put overlapping sets that fill more than one pack. */
static void test_threads(void **state)
{
	dv_autoptr(dv_store) s = NULL;
	dv_autoptr(dv_writer) w = NULL;
	pthread_t threads[4];
	putter args[4];
	uint8_t buf[100000];
	dv_oid id;

	must(dv_store_open(&s, *state, DV_STORE_CREATE));
	must(dv_writer_new(&w, s, 1));
	for (int i = 0; i < 4; i++) {
		args[i] = (putter){ w, i * 500 };
		assert_int_equal(pthread_create(&threads[i], NULL, put_many, &args[i]), 0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	must(dv_writer_commit(w, NULL, 0));
	assert_true(dv_store_state(s)->ncontainers > 1);
	for (uint64_t i = 0; i < 2700; i++) {
		make(buf, sizeof(buf), i);
		dv_sha256(&id, buf, sizeof(buf));
		must(get(s, &id, sizeof(buf), i));
	}
}

/* One flipped byte anywhere in a pack's entries is noticed, wherever it is. */
static void test_damage(void **state)
{
	dv_autoptr(dv_store) s = NULL;
	dv_autoptr(dv_writer) w = NULL;
	dv_autoptr(dv_encoder) enc = NULL;
	dv_autofree char *path = NULL;
	dv_autoclose int fd = -1;
	dv_place at;
	dv_oid id;

	must(dv_store_open(&s, *state, DV_STORE_CREATE));
	must(dv_encoder_new(&enc, 1));
	must(dv_writer_new(&w, s, 1));
	id = put(w, enc, 3000, 7);
	must(dv_writer_commit(w, NULL, 0));
	assert_true(dv_store_find(s, DV_KIND_CHUNK, &id, &at));
	assert_false(dv_store_find(s, DV_KIND_RECIPE, &id, &at));
	assert_true(dv_store_find(s, DV_KIND_CHUNK, &id, &at));
	path = dv_store_container_path(s, &at.in);
	assert_int_equal(chmod(path, 0644), 0);
	fd = open(path, O_RDWR);
	for (uint32_t i = 0; i < at.stored; i += 41) {
		uint8_t c, bad;

		assert_int_equal(pread(fd, &c, 1, (off_t)(at.offset + i)), 1);
		bad = (uint8_t)(c ^ 0x15);
		assert_int_equal(pwrite(fd, &bad, 1, (off_t)(at.offset + i)), 1);
		/* A changed bit of the frame's header may mean the same: then the bytes agree. */
		if (i > 8)
			assert_int_equal(get(s, &id, 3000, 7), DV_ECORRUPT);
		assert_int_equal(pwrite(fd, &c, 1, (off_t)(at.offset + i)), 1);
	}
	must(get(s, &id, 3000, 7));
	assert_int_equal(ftruncate(fd, 100), 0);
	assert_int_equal(get(s, &id, 3000, 7), DV_ECORRUPT);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(get(s, &id, 3000, 7), DV_ECORRUPT);
}

static void overwrite(const char *dir, const char *name, const char *text)
{
	dv_autofree char *path = dv_path_join(dir, name);

	must(dv_fs_write_file(path, text, strlen(text), 0));
}

static void test_refusals(void **state)
{
	dv_autoptr(dv_store) s = NULL;

	must(dv_store_open(&s, *state, DV_STORE_CREATE));
	overwrite(*state, "log/000000000001", "");
	dv_store_free(dv_steal(&s));
	assert_int_equal(dv_store_open(&s, *state, 0), DV_ECORRUPT);
	overwrite(*state, "log/000000000001", "{\"base\":0,\"format\":2}");
	assert_int_equal(dv_store_open(&s, *state, 0), DV_ERROR);
	overwrite(*state, "log/000000000001",
		  "{\"base\":0,\"format\":1,\"kind\":\"commit\","
		  "\"nonce\":\"00000000000000000000000000000000\",\"segments\":{\"add\":["
		  "\"0000000000000000000000000000000000000000000000000000000000000001\"]}}");
	assert_int_equal(dv_store_open(&s, *state, 0), DV_ECORRUPT);
	must(dv_store_open(&s, *state, DV_STORE_TOLERATE));
	dv_store_free(dv_steal(&s));
	overwrite(*state, "log/000000000003", "{}");
	assert_int_equal(dv_store_open(&s, *state, 0), DV_ECORRUPT);
	assert_non_null(strstr(dv_error_last()->message, "2 is missing"));
	overwrite(*state, "dv-store.json", "{\"chunker\":\"gear64-1\",\"features\":[],\"format\":2}");
	assert_int_equal(dv_store_open(&s, *state, 0), DV_ERROR);
	overwrite(*state, "dv-store.json",
		  "{\"chunker\":\"gear64-1\",\"features\":[\"x\"],\"format\":1}");
	assert_int_equal(dv_store_open(&s, *state, 0), DV_ERROR);
	overwrite(*state, "dv-store.json", "{");
	assert_int_equal(dv_store_open(&s, *state, 0), DV_ECORRUPT);
}

/* A delta put in stored form is read through its bases. */
static void test_delta(void **state)
{
	dv_autoptr(dv_store) s = NULL;
	dv_autoptr(dv_writer) w = NULL;
	dv_autoptr(dv_encoder) enc = NULL;
	static uint8_t raw[20001], prefix[20000], out[40000];
	ZSTD_CCtx *c = ZSTD_createCCtx();
	dv_pack_entry e = { .kind = DV_KIND_CHUNK, .codec = DV_CODEC_ZSTD_DELTA, .nbases = 2,
			    .depth = 1, .raw = 20001 };
	dv_autoptr(dv_reader) r = NULL;
	const uint8_t *p;
	dv_oid bases[2];
	size_t n;

	must(dv_store_open(&s, *state, DV_STORE_CREATE));
	must(dv_encoder_new(&enc, 1));
	must(dv_writer_new(&w, s, 1));
	make(raw, 10000, 1);
	make(raw + 10000, 10000, 2);
	raw[20000] = 'z';
	memcpy(prefix, raw, sizeof(prefix)); /* a prefix that is the input itself is no use */
	ZSTD_CCtx_refPrefix(c, prefix, sizeof(prefix));
	n = ZSTD_compress2(c, out, sizeof(out), raw, sizeof(raw));
	ZSTD_freeCCtx(c);
	assert_true(n < 1000);
	e.stored = (uint32_t)n;
	dv_sha256(&e.id, raw, sizeof(raw));
	memset(bases, 1, sizeof(bases));
	assert_int_equal(dv_writer_put_stored(w, &e, out, bases), DV_ENOTFOUND);
	bases[0] = put(w, enc, 10000, 1);
	bases[1] = put(w, enc, 10000, 2);
	must(dv_writer_put_stored(w, &e, out, bases));
	must(dv_writer_commit(w, NULL, 0));
	must(dv_reader_new(&r, s));
	for (int i = 0; i < 2; i++) {
		must(dv_reader_get(r, DV_KIND_CHUNK, &e.id, &p, &n));
		assert_int_equal(n, sizeof(raw));
		assert_memory_equal(p, raw, n);
	}
}

/* What an entry says of its depth is another store's: here its bases may be deeper. */
static void test_depth(void **state)
{
	dv_autoptr(dv_store) s = NULL;
	dv_autoptr(dv_writer) w = NULL;
	dv_autoptr(dv_encoder) enc = NULL;
	const uint8_t bytes[1] = { 0 };
	dv_pack_entry e = { .kind = DV_KIND_CHUNK, .codec = DV_CODEC_ZSTD_DELTA, .nbases = 1,
			    .depth = 1, .raw = 1, .stored = 1 };
	dv_oid base;
	dv_place at;

	must(dv_store_open(&s, *state, DV_STORE_CREATE));
	must(dv_encoder_new(&enc, 1));
	must(dv_writer_new(&w, s, 1));
	base = put(w, enc, 10000, 1);
	for (uint8_t i = 1; i <= DV_DEPTH_MAX; i++) {
		memset(e.id.b, i, sizeof(e.id.b));
		must(dv_writer_put_stored(w, &e, bytes, &base));
		base = e.id;
		/* In the batch and in the store. */
		if (i == 8)
			must(dv_writer_commit(w, NULL, 0));
	}
	memset(e.id.b, 0xff, sizeof(e.id.b));
	assert_int_equal(dv_writer_put_stored(w, &e, bytes, &base), DV_EUSAGE);
	must(dv_writer_commit(w, NULL, 0));
	assert_true(dv_store_find(s, DV_KIND_CHUNK, &base, &at));
	assert_int_equal(at.depth, DV_DEPTH_MAX);
}

/* Two handles append at the same time: both entries stay. */
static void test_race(void **state)
{
	dv_autoptr(dv_store) a = NULL;
	dv_autoptr(dv_store) b = NULL;
	dv_autoptr(dv_writer) wa = NULL;
	dv_autoptr(dv_writer) wb = NULL;
	dv_autoptr(dv_encoder) enc = NULL;
	dv_oid ia, ib;

	must(dv_encoder_new(&enc, 1));
	must(dv_store_open(&a, *state, DV_STORE_CREATE));
	must(dv_store_open(&b, *state, DV_STORE_CREATE));
	must(dv_writer_new(&wa, a, 1));
	must(dv_writer_new(&wb, b, 1));
	ia = put(wa, enc, 100, 1);
	ib = put(wb, enc, 100, 2);
	must(dv_writer_commit(wa, NULL, 0));
	must(dv_writer_commit(wb, NULL, 0));
	assert_int_equal(dv_store_state(b)->head, 2);
	must(get(b, &ia, 100, 1));
	must(get(b, &ib, 100, 2));
	assert_false(dv_store_has_object(a, &ib));
	assert_int_equal(dv_store_lock(b, true, 0), DV_ELOCKED);
}

/* Whatever call fails, a store opens afterwards and holds all or nothing of the batch. */
static void test_faults(void **state)
{
	static const char *const kinds[] = { "eio", "enospc", "short" };

	for (int at = 1; at < 60; at++) {
		dv_autofree char *dir = NULL;
		dv_autoptr(dv_store) s = NULL;
		dv_autoptr(dv_store) again = NULL;
		dv_autoptr(dv_writer) w = NULL;
		dv_autoptr(dv_encoder) enc = NULL;
		char spec[32], name[16];
		dv_oid id;
		int rc;

		snprintf(name, sizeof(name), "s%d", at);
		dir = dv_path_join(*state, name);
		must(dv_store_open(&s, dir, DV_STORE_CREATE));
		must(dv_encoder_new(&enc, 1));
		must(dv_writer_new(&w, s, 1));
		id = put(w, enc, 5000, 3);
		snprintf(spec, sizeof(spec), "%s:%d", kinds[at % 3], at);
		dv_fs_faults(spec);
		rc = dv_writer_commit(w, NULL, 0);
		dv_fs_faults(NULL);
		must(dv_store_open(&again, dir, 0));
		if (!rc)
			must(get(again, &id, 5000, 3));
		else if (dv_store_has_object(again, &id))
			must(get(again, &id, 5000, 3));
	}
}

/* Killed at any change of the disk, in the middle of a commit with deltas: what was there before is
 * there, of the batch all or nothing, and the next one goes through. */
static void test_deaths(void **state)
{
	int status = 1, at = 0;

	while (status) {
		dv_autofree char *dir = NULL;
		dv_autoptr(dv_store) s = NULL;
		dv_autoptr(dv_writer) w = NULL;
		dv_autoptr(dv_encoder) enc = NULL;
		dv_oid old, id;
		char spec[32], name[16];
		pid_t pid;

		snprintf(name, sizeof(name), "d%d", ++at);
		snprintf(spec, sizeof(spec), "die:%d", at);
		assert_true(at < 200);
		dir = dv_path_join(*state, name);
		must(dv_encoder_new(&enc, 1));
		must(dv_store_open(&s, dir, DV_STORE_CREATE));
		must(dv_writer_new(&w, s, 1));
		old = put(w, enc, 4000, 1);
		must(dv_writer_commit(w, NULL, 0));
		pid = fork();
		assert_true(pid >= 0);
		if (!pid) {
			dv_fs_faults(spec);
			put(w, enc, 5000, 3);
			_exit(dv_writer_commit(w, NULL, 0) ? 1 : 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(!status || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
		must(dv_store_refresh(s));
		must(get(s, &old, 4000, 1));
		id = put(w, enc, 5000, 3);
		if (dv_store_has_object(s, &id))
			must(get(s, &id, 5000, 3));
		must(dv_writer_commit(w, NULL, 0));
		must(get(s, &id, 5000, 3));
	}
	assert_true(at > 8);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_round_trip), T(test_nothing_before_commit), T(test_many_commits),
		T(test_threads),    T(test_damage),		   T(test_refusals),
		T(test_delta),	    T(test_depth),		   T(test_race),
		T(test_faults),	    T(test_deaths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
