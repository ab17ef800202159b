/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fsck finds what is damaged, gc keeps what is kept: whichever call that changes the disk is the
 * last of the process, the store opens afterwards and every kept object is whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/path.h"
#include "base/sha256.h"
#include "store/care.h"
#include "folder.h"

#define OBJECTS 24

static size_t object_size(unsigned i)
{
	return i % 3 ? 1000 + i * 37 : 150000 + i * 1001;
}

static void object_bytes(uint8_t *p, unsigned i)
{
	uint64_t seed = i + 1;

	for (size_t k = 0; k < object_size(i); k++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		p[k] = (uint8_t)(seed >> 40);
	}
}

static dv_oid object_oid(unsigned i)
{
	static uint8_t p[300000];
	dv_oid oid;

	object_bytes(p, i);
	dv_sha256(&oid, p, object_size(i));
	return oid;
}

/* A store of several packs, each with objects to keep (even) and to drop (odd), and a tree. */
static void fill(const char *dir, dv_oid *tree)
{
	static uint8_t p[300000];
	dv_autoptr(dv_store) s = NULL;
	dv_autoptr(dv_encoder) enc = NULL;
	dv_auto(dv_tree) t = DV_TREE_INIT;

	ok(dv_store_open(&s, dir, DV_STORE_CREATE));
	ok(dv_encoder_new(&enc, 1));
	for (unsigned i = 0; i < OBJECTS; i += 8) {
		dv_autoptr(dv_writer) w = NULL;

		ok(dv_writer_new(&w, s, 1));
		for (unsigned k = i; k < i + 8; k++) {
			char name[16];
			dv_oid oid;

			object_bytes(p, k);
			ok(dv_object_put(w, enc, p, object_size(k), &oid));
			snprintf(name, sizeof(name), "file%02u", k);
			if (k % 2 == 0)
				ok(dv_tree_add(&t, 'f', &oid, object_size(k), 1, name));
		}
		if (i + 8 >= OBJECTS)
			ok(dv_tree_store(&t, w, enc, tree));
		ok(dv_writer_commit(w, NULL, 0));
	}
}

static int count_damage(const dv_store_damage *d, void *payload)
{
	(void)d;
	++*(unsigned *)payload;
	return 0;
}

static unsigned damage_of(dv_store *s, dv_store_stats *stats)
{
	dv_autoptr(dv_pool) pool = NULL;
	unsigned n = 0;

	ok(dv_pool_new(&pool, 2, 16));
	ok(dv_store_fsck(s, pool, false, count_damage, &n, stats));
	return n;
}

static unsigned tree_damage(dv_store *s, const dv_oid *tree)
{
	dv_autoptr(dv_reader) r = NULL;
	unsigned n = 0;

	ok(dv_reader_new(&r, s));
	ok(dv_store_check_object(r, tree, true, count_damage, &n));
	return n;
}

static int sweep_store(const char *dir, const dv_oid *tree, bool dry, dv_sweep_stats *st)
{
	dv_autoptr(dv_store) s = NULL;
	dv_autoptr(dv_reader) r = NULL;
	dv_auto(dv_closure) keep = DV_CLOSURE_INIT;
	dv_sweep o = { .keep = &keep, .dry = dry, .level = 1 };
	int rc = dv_store_open(&s, dir, 0);

	if (!rc)
		rc = dv_store_lock(s, true, 0);
	if (!rc)
		rc = dv_reader_new(&r, s);
	if (!rc)
		rc = dv_closure_add(&keep, r, tree, true, false);
	return rc < 0 ? rc : dv_store_sweep(s, &o, st);
}

static unsigned count_files(const char *dir, const char *folder)
{
	dv_autofree char *path = dv_path_join(dir, folder);
	DIR *d = opendir(path);
	unsigned n = 0;

	for (const struct dirent *e; d && (e = readdir(d));) {
		dv_autofree char *sub = dv_path_join(folder, e->d_name);

		if (e->d_name[0] == '.' && strncmp(e->d_name, ".dv-tmp-", 8) != 0)
			continue;
		n += strlen(e->d_name) == 2 ? count_files(dir, sub) : 1;
	}
	if (d)
		closedir(d);
	return n;
}

static void test_sweep(void **state)
{
	dv_autoptr(dv_store) s = NULL;
	dv_sweep_stats dry, st, again;
	dv_store_stats stats;
	dv_oid tree;

	(void)state;
	fill("a", &tree);
	ok(sweep_store("a", &tree, true, &dry));
	assert_int_equal(count_files("a", "packs"), 3);
	ok(sweep_store("a", &tree, false, &st));
	assert_memory_equal(&dry, &st, sizeof(st));
	assert_int_equal(st.packs_rewritten, 3);
	assert_true(st.chunks_dropped > 0 && st.bytes_freed > 0);
	assert_int_equal(count_files("a", "packs"), 1);
	assert_int_equal(count_files("a", "index"), 1);
	ok(dv_store_open(&s, "a", 0));
	assert_int_equal(damage_of(s, &stats), 0);
	assert_int_equal(stats.packs, 1);
	assert_int_equal(tree_damage(s, &tree), 0);
	for (unsigned i = 0; i < OBJECTS; i++) {
		dv_oid oid = object_oid(i);

		assert_int_equal(dv_store_has_object(s, &oid), i % 2 == 0);
	}
	ok(sweep_store("a", &tree, false, &again));
	assert_int_equal(again.packs_rewritten + again.packs_dropped + again.chunks_dropped, 0);
	assert_int_equal(again.chunks_kept, st.chunks_kept);
}

static void test_sweep_all(void **state)
{
	dv_autoptr(dv_store) s = NULL;
	dv_auto(dv_closure) keep = DV_CLOSURE_INIT;
	dv_sweep o = { .keep = &keep, .level = 1 };
	dv_sweep_stats st;
	dv_oid tree;

	(void)state;
	fill("all", &tree);
	ok(dv_store_open(&s, "all", 0));
	assert_int_equal(dv_store_sweep(s, &o, &st), DV_ELOCKED);
	ok(dv_store_lock(s, true, 0));
	ok(dv_store_sweep(s, &o, &st));
	assert_int_equal(st.packs_dropped, 3);
	assert_int_equal(count_files("all", "packs"), 0);
	assert_int_equal(count_files("all", "index"), 0);
	assert_false(dv_store_has_object(s, &tree));
}

/* A pack of tiny chunks is mostly footer; that is no reason to write it anew. */
static void test_sweep_tiny(void **state)
{
	dv_autoptr(dv_store) s = NULL;
	dv_autoptr(dv_writer) w = NULL;
	dv_autoptr(dv_encoder) enc = NULL;
	dv_auto(dv_closure) keep = DV_CLOSURE_INIT;
	dv_sweep o = { .keep = &keep, .level = 1 };
	dv_sweep_stats st;

	(void)state;
	ok(dv_store_open(&s, "tiny", DV_STORE_CREATE));
	ok(dv_encoder_new(&enc, 1));
	ok(dv_writer_new(&w, s, 1));
	for (uint32_t i = 0; i < 1000; i++) {
		dv_oid oid;

		dv_sha256(&oid, &i, sizeof(i));
		ok(dv_writer_put(w, enc, DV_KIND_CHUNK, &oid, (const uint8_t *)&i, sizeof(i), NULL,
				 NULL));
		ok(dv_map_put(&keep.chunks, &oid, 1));
	}
	ok(dv_writer_commit(w, NULL, 0));
	ok(dv_store_lock(s, true, 0));
	ok(dv_store_sweep(s, &o, &st));
	assert_int_equal(st.chunks_kept, 1000);
	assert_int_equal(st.packs_rewritten + st.packs_dropped, 0);
}

/* The process dies at every call in turn. */
static void test_sweep_dies(void **state)
{
	bool finished = false;

	(void)state;
	for (unsigned n = 1; !finished; n++) {
		dv_autoptr(dv_store) s = NULL;
		char fault[32], hex[DV_OID_HEX_SIZE + 1];
		dv_sweep_stats st;
		dv_oid tree;
		int status;
		pid_t pid;

		assert_true(n < 500);
		fill("die", &tree);
		dv_oid_hex(hex, &tree);
		snprintf(fault, sizeof(fault), "die:%u", n);
		pid = fork();
		if (!pid) {
			setenv("DV_FAULT", fault, 1);
			execl("/proc/self/exe", "test_care", "--sweep", "die", hex, (char *)NULL);
			_exit(99);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		finished = WIFEXITED(status) && WEXITSTATUS(status) == 0;
		ok(dv_store_open(&s, "die", 0));
		assert_int_equal(damage_of(s, NULL), 0);
		assert_int_equal(tree_damage(s, &tree), 0);
		dv_store_free(dv_steal(&s));
		/* What was left behind goes the next time, but for a pack that no entry names:
		 * while it is young it may be somebody's push. */
		ok(sweep_store("die", &tree, false, &st));
		assert_in_range(count_files("die", "packs"), 1, finished ? 1 : 2);
		ok(dv_store_open(&s, "die", 0));
		assert_int_equal(dv_store_state(s)->ncontainers, 1);
		assert_int_equal(tree_damage(s, &tree), 0);
		assert_int_equal(damage_of(s, NULL), 0);
		ok(dv_fs_remove_tree("die"));
		if (finished)
			print_message("the sweep makes %u calls\n", n - 1);
	}
}

static void first_pack(const char *dir, char *out, size_t n)
{
	dv_autoptr(dv_store) s = NULL;
	dv_autofree char *path = NULL;

	ok(dv_store_open(&s, dir, 0));
	path = dv_store_container_path(s, &dv_store_state(s)->containers[0]);
	snprintf(out, n, "%s", path);
}

static bool is_first(const dv_container *c, void *payload)
{
	return dv_oid_eq(&c->id, payload);
}

/* A flipped byte is found and named; the rest of its pack outlives it. */
static void test_damage(void **state)
{
	dv_autoptr(dv_store) s = NULL;
	dv_autoptr(dv_reader) r = NULL;
	dv_auto(dv_closure) keep = DV_CLOSURE_INIT;
	dv_sweep o = { .keep = &keep, .level = 1, .drop_container = is_first };
	dv_sweep_stats st;
	char path[512];
	uint8_t byte;
	size_t got;
	dv_oid tree, id;
	int fd;

	(void)state;
	fill("hurt", &tree);
	first_pack("hurt", path, sizeof(path));
	assert_int_equal(chmod(path, 0644), 0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(dv_fs_pread_all(fd, &byte, 1, 5000, &got), 0);
	byte ^= 1;
	assert_int_equal(dv_fs_pwrite_all(fd, &byte, 1, 5000), 0);
	close(fd);
	ok(dv_store_open(&s, "hurt", 0));
	assert_int_equal(damage_of(s, NULL), 2); /* the pack and one chunk */
	assert_int_equal(tree_damage(s, &tree), 1);
	ok(dv_reader_new(&r, s));
	ok(dv_closure_add(&keep, r, &tree, true, false));
	ok(dv_store_lock(s, true, 0));
	id = dv_store_state(s)->containers[0].id;
	o.payload = &id;
	ok(dv_store_sweep(s, &o, &st));
	assert_int_equal(damage_of(s, NULL), 0);
	assert_int_equal(tree_damage(s, &tree), 1); /* the one chunk is gone for good */
}

/* Without its index a store is as good as new after a reindex. */
static void test_reindex(void **state)
{
	dv_autoptr(dv_store) s = NULL;
	dv_oid tree;

	(void)state;
	fill("bare", &tree);
	ok(dv_fs_remove_tree("bare/index"));
	ok(dv_fs_mkdirs("bare/index"));
	ok(dv_store_open(&s, "bare", DV_STORE_TOLERATE));
	assert_true(damage_of(s, NULL) > 0);
	ok(dv_store_reindex(s));
	assert_int_equal(damage_of(s, NULL), 0);
	assert_int_equal(tree_damage(s, &tree), 0);
	assert_int_equal(dv_store_state(s)->nsegments, 1);
	ok(dv_store_reindex(s));
	assert_int_equal(dv_store_state(s)->nsegments, 1);
}

static int count_walk(const dv_tree_entry *e, const char *path, void *payload)
{
	(void)e;
	++*(unsigned *)payload;
	return !strcmp(path, "skip") || !strcmp(path, "skip/no");
}

/* A directory in a directory, deeper than is allowed at the end. */
static void test_depth(void **state)
{
	dv_autoptr(dv_store) s = NULL;
	dv_autoptr(dv_encoder) enc = NULL;
	dv_autoptr(dv_writer) w = NULL;
	dv_autoptr(dv_reader) r = NULL;
	dv_auto(dv_closure) c = DV_CLOSURE_INIT;
	dv_oid tree = { { 0 } }, deep[2];
	unsigned n = 0;

	(void)state;
	ok(dv_store_open(&s, "deep", DV_STORE_CREATE));
	ok(dv_encoder_new(&enc, 1));
	ok(dv_writer_new(&w, s, 1));
	for (unsigned i = 0; i <= DV_TREE_DEPTH; i++) {
		dv_auto(dv_tree) t = DV_TREE_INIT;

		if (i)
			ok(dv_tree_add(&t, 'd', &tree, 0, 0, i % 2 ? "skip" : "d"));
		ok(dv_tree_store(&t, w, enc, &tree));
		if (i + 1 >= DV_TREE_DEPTH)
			deep[i + 1 - DV_TREE_DEPTH] = tree;
	}
	ok(dv_writer_commit(w, NULL, 0));
	ok(dv_reader_new(&r, s));
	ok(dv_tree_walk(r, &deep[0], count_walk, &n));
	assert_int_equal(n, 1);
	ok(dv_closure_add(&c, r, &deep[0], true, false));
	dv_closure_release(&c);
	assert_int_equal(dv_closure_add(&c, r, &deep[1], true, false), DV_ECORRUPT);
}

/* Whoever cannot open files for want of descriptors learns nothing about the store. */
static void test_no_descriptors(void **state)
{
	dv_autoptr(dv_store) s = NULL;
	dv_autoptr(dv_pool) pool = NULL;
	struct rlimit old, low;
	dv_store_stats stats;
	unsigned told = 0;
	dv_oid tree;
	int spare, rc;

	(void)state;
	fill("f", &tree);
	ok(dv_store_open(&s, "f", 0));
	ok(dv_pool_new(&pool, 2, 16));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	for (int room = 0; room < 4; room++) {
		dv_autoptr(dv_reader) r = NULL;

		ok(dv_reader_new(&r, s));
		spare = dup(0);
		assert_true(spare >= 0);
		close(spare);
		low = old;
		low.rlim_cur = (rlim_t)(spare + room);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
		rc = dv_store_fsck(s, pool, false, count_damage, &told, &stats);
		if (!rc || rc == DV_ERROR)
			rc = dv_store_check_object(r, &tree, true, count_damage, &told);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
		assert_true(!rc || rc == DV_ERROR);
		assert_int_equal(told, 0);
	}
}

static int child(char **argv)
{
	dv_sweep_stats st;
	dv_oid tree;

	if (dv_oid_parse(&tree, argv[3], strlen(argv[3])) < 0)
		return 98;
	return sweep_store(argv[2], &tree, false, &st) < 0 ? 97 : 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sweep),	  cmocka_unit_test(test_sweep_all),
		cmocka_unit_test(test_sweep_dies), cmocka_unit_test(test_sweep_tiny),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_no_descriptors),
		cmocka_unit_test(test_reindex),	  cmocka_unit_test(test_depth),
	};

	if (argc == 4 && !strcmp(argv[1], "--sweep"))
		return child(argv);
	return cmocka_run_group_tests(tests, setup, teardown);
}
