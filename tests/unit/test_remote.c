/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Push and fetch between two stores through a folder: cut at every change of the disk, in
 * competition, with a hostile other side. What a driver must do by itself: test_drivers.c.
 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"
#include "transfer/internal.h"

static char top[] = "/tmp/dv-test-remote-XXXXXX";
static int counter;

#define ok(call) assert_ok((call), #call, __LINE__)
static void assert_ok(int rc, const char *what, int line)
{
	if (rc)
		fail_msg("line %d: %s: %d: %s", line, what, rc, dv_error_last()->message);
}

/* A name of a folder that is not there yet. Owned. */
static char *fresh(const char *kind)
{
	char name[64];

	snprintf(name, sizeof name, "%s%d", kind, ++counter);
	return dv_path_join(top, name);
}

static void fill(uint8_t *p, size_t n, uint32_t seed)
{
	uint32_t x = seed * 2654435761u + 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		p[i] = (uint8_t)(x >> 24);
	}
}

/* Puts a directory of small, compressible, long and empty files into the store. */
static void put_tree(dv_store *s, uint32_t seed, int files, dv_oid *oid)
{
	dv_autoptr(dv_writer) w = NULL;
	dv_autoptr(dv_encoder) enc = NULL;
	dv_auto(dv_tree) tree = DV_TREE_INIT, sub = DV_TREE_INIT;
	dv_autofree uint8_t *p = dv_malloc(2 << 20);
	dv_oid id, sub_oid;

	ok(dv_writer_new(&w, s, 3));
	ok(dv_encoder_new(&enc, 3));
	for (int i = 0; i < files; i++) {
		char name[32];
		size_t n = i % 7 == 0 ? (size_t)1500000 : (size_t)(i * 37);

		fill(p, n, i % 2 ? seed : 7);
		if (i % 3 == 0)
			memset(p, 'a' + i % 20, n / 2);
		snprintf(name, sizeof name, "f%d", i);
		ok(dv_object_put(w, enc, p, n, &id));
		ok(dv_tree_add(i % 2 ? &sub : &tree, 'f', &id, n, 1, name));
	}
	ok(dv_tree_store(&sub, w, enc, &sub_oid));
	ok(dv_tree_add(&tree, 'd', &sub_oid, 1, 1, "sub"));
	ok(dv_tree_store(&tree, w, enc, oid));
	ok(dv_writer_commit(w, NULL, 0));
}

static dv_store *new_store(char **dir)
{
	dv_store *s = NULL;

	*dir = fresh("store");
	ok(dv_store_open(&s, *dir, DV_STORE_CREATE));
	return s;
}

static int open_remote(dv_remote_store **out, const char *url, const char *mirror, bool create)
{
	dv_remote_options o = { .name = "r", .url = url, .mirror_dir = mirror, .create = create };

	return dv_remote_store_open(out, &o);
}

static int damage_cb(const dv_store_damage *d, void *payload)
{
	int *n = payload;

	print_message("damage: %s %s: %s\n", d->kind, d->name, d->detail);
	(*n)++;
	return 0;
}

static void assert_sound(const char *dir)
{
	dv_autoptr(dv_store) s = NULL;
	dv_autoptr(dv_pool) pool = NULL;
	dv_store_stats stats;
	int n = 0;

	ok(dv_store_open(&s, dir, 0));
	ok(dv_pool_new(&pool, 2, 8));
	ok(dv_store_fsck(s, pool, false, damage_cb, &n, &stats));
	assert_int_equal(n, 0);
}

/* The store holds the directory whole. */
static void assert_whole(dv_store *s, const dv_oid *oid)
{
	dv_autoptr(dv_reader) r = NULL;
	int n = 0;

	ok(dv_reader_new(&r, s));
	ok(dv_store_check_object(r, oid, true, damage_cb, &n));
	assert_int_equal(n, 0);
}

/* -- push and fetch ---------------------------------------------------------------------------- */

static void test_round_trip(void **state)
{
	dv_autofree char *a_dir = NULL, *b_dir = NULL, *c_dir = NULL, *remote = fresh("remote");
	dv_autofree char *ma = fresh("mirror"), *mb = fresh("mirror");
	dv_autoptr(dv_store) a = new_store(&a_dir);
	dv_autoptr(dv_store) b = new_store(&b_dir);
	dv_autoptr(dv_store) c = new_store(&c_dir);
	dv_autoptr(dv_remote_store) ra = NULL;
	dv_autoptr(dv_remote_store) rb = NULL;
	dv_autoptr(dv_remote_store) rc = NULL;
	dv_move_stats stats;
	dv_move_options o = { .project = "p", .commit = "0123" };
	bool has = true;
	dv_want w[2] = { { .is_tree = true, .path = "data" }, { .is_tree = true, .path = "more" } };

	(void)state;
	put_tree(a, 1, 40, &w[0].oid);
	put_tree(a, 2, 43, &w[1].oid);
	assert_int_equal(open_remote(&ra, remote, ma, false), 0);
	assert_int_equal(dv_remote_store_state(ra)->head, 0);
	dv_remote_store_free(dv_steal(&ra));
	ok(open_remote(&ra, remote, ma, true));
	ok(dv_transfer_has_all(a, ra, &w[0], &has));
	assert_false(has);
	ok(dv_transfer_push(a, ra, w, 1, &o, &stats));
	assert_true(stats.packs > 0 && stats.chunks > 0 && stats.files > 0);
	assert_true(dv_remote_store_has_root(ra, &w[0].oid));
	uint64_t first = stats.bytes;
	/* The second shares much with the first: only the rest travels. */
	ok(dv_transfer_push(a, ra, w, 2, &o, &stats));
	assert_true(stats.bytes < first);
	ok(dv_transfer_has_all(a, ra, &w[1], &has));
	assert_true(has);
	assert_sound(remote);

	ok(open_remote(&rb, remote, mb, false));
	ok(dv_transfer_fetch(b, rb, w, 2, &o, &stats));
	assert_true(stats.chunks > 0);
	assert_whole(b, &w[0].oid);
	assert_whole(b, &w[1].oid);
	assert_sound(b_dir);
	ok(dv_transfer_fetch(b, rb, w, 2, &o, &stats));
	assert_int_equal(stats.bytes, 0);
	/* Entries of the remote can be read one by one. */
	dv_auto(dv_buf) bytes = DV_BUF_INIT;
	ok(dv_remote_store_read(rb, DV_KIND_CHUNK, &w[0].oid, &bytes));
	assert_memory_equal(bytes.p, "dv-tree 1\n", 10);

	/* A single file comes alone; an open mirror sees what others add. */
	dv_auto(dv_tree) tree = DV_TREE_INIT;
	dv_autoptr(dv_reader) reader = NULL;
	ok(dv_reader_new(&reader, a));
	ok(dv_tree_load(&tree, reader, &w[0].oid));
	const dv_tree_entry *e = dv_tree_find(&tree, "f14");
	assert_non_null(e);
	dv_want one = { .oid = e->oid, .path = "data/f14" };
	ok(open_remote(&rc, remote, mb, false));
	ok(dv_transfer_fetch(c, rc, &one, 1, &o, &stats));
	assert_true(dv_store_has_object(c, &e->oid));
	assert_false(dv_store_has_object(c, &w[0].oid));
	assert_int_equal(stats.files, 1);
}

static void test_many_pushes(void **state)
{
	dv_autofree char *dir = NULL, *remote = fresh("remote"), *m = fresh("mirror");
	dv_autofree char *fresh_mirror = fresh("mirror");
	dv_autoptr(dv_store) s = new_store(&dir);
	dv_autoptr(dv_remote_store) r = NULL;
	dv_move_stats stats;

	(void)state;
	ok(open_remote(&r, remote, m, true));
	for (uint32_t i = 0; i < 270; i++) {
		dv_want w = { .is_tree = true, .path = "data" };

		put_tree(s, 1000 + i, 4, &w.oid);
		ok(dv_transfer_push(s, r, &w, 1, NULL, &stats));
	}
	assert_true(dv_remote_store_state(r)->checkpoint > 0);
	assert_true(dv_remote_store_state(r)->nsegments <= 16);
	dv_remote_store_free(dv_steal(&r));
	ok(open_remote(&r, remote, fresh_mirror, false));
	assert_int_equal(dv_remote_store_state(r)->head, 271);
	assert_sound(remote);
}

static void test_nothing_to_push(void **state)
{
	dv_autofree char *dir = NULL, *remote = fresh("remote"), *m = fresh("mirror");
	dv_autoptr(dv_store) s = new_store(&dir);
	dv_autoptr(dv_remote_store) r = NULL;
	dv_want w = { .is_tree = true, .path = "data" };
	dv_move_stats stats;

	(void)state;
	put_tree(s, 3, 20, &w.oid);
	setenv("DV_REMOTE_FAULT", "count", 1);
	ok(open_remote(&r, remote, m, true));
	ok(dv_transfer_push(s, r, &w, 1, NULL, &stats));
	dv_remote_store_free(dv_steal(&r));
	uint64_t before = dv_fault_calls();
	ok(open_remote(&r, remote, m, true));
	ok(dv_transfer_push(s, r, &w, 1, NULL, &stats));
	unsetenv("DV_REMOTE_FAULT");
	assert_int_equal(stats.bytes, 0);
	assert_true(dv_fault_calls() - before <= 3);
}

static void test_missing(void **state)
{
	dv_autofree char *a_dir = NULL, *b_dir = NULL, *remote = fresh("remote");
	dv_autofree char *m = fresh("mirror");
	dv_autoptr(dv_store) a = new_store(&a_dir);
	dv_autoptr(dv_store) b = new_store(&b_dir);
	dv_autoptr(dv_remote_store) r = NULL;
	dv_move_stats stats;
	dv_want w[2] = { { .is_tree = true, .path = "lost" }, { .is_tree = true, .path = "data" } };

	(void)state;
	memset(w[0].oid.b, 0x55, 32);
	put_tree(a, 4, 10, &w[1].oid);
	ok(open_remote(&r, remote, m, true));
	assert_int_equal(dv_transfer_push(a, r, w, 1, NULL, &stats), DV_ENOTFOUND);
	assert_non_null(strstr(dv_error_last()->message, "output 'lost': 1 object is neither"));
	assert_int_equal(dv_transfer_push(a, r, w, 2, NULL, &stats), DV_EPARTIAL);
	assert_true(dv_remote_store_has_root(r, &w[1].oid));
	assert_false(dv_remote_store_has_root(r, &w[0].oid));
	assert_int_equal(dv_transfer_fetch(b, r, w, 1, NULL, &stats), DV_ENOTFOUND);
	assert_int_equal(dv_transfer_fetch(b, r, w, 2, NULL, &stats), DV_EPARTIAL);
	assert_whole(b, &w[1].oid);
}

/* -- cut, competing, hostile ------------------------------------------------------------------- */

static int child_push(dv_store *s, const char *remote, const char *mirror, const dv_want *w,
		      const char *fault)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		dv_autoptr(dv_remote_store) r = NULL;
		dv_move_stats stats;

		dv_fs_faults(fault);
		int rc = open_remote(&r, remote, mirror, true);
		if (rc == 0)
			rc = dv_transfer_push(s, r, w, 1, NULL, &stats);
		if (rc)
			fprintf(stderr, "child: %s\n", dv_error_last()->message);
		_exit(rc ? 1 : 0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void test_cut_anywhere(void **state)
{
	dv_autofree char *dir = NULL;
	dv_autoptr(dv_store) s = new_store(&dir);
	dv_want w = { .is_tree = true, .path = "data" };
	dv_move_stats stats;
	int n = 1;

	(void)state;
	put_tree(s, 5, 12, &w.oid);
	for (int status = 1; status != 0; n++) {
		dv_autofree char *remote = fresh("remote"), *m = fresh("mirror");
		dv_autoptr(dv_remote_store) r = NULL;
		char fault[32];

		assert_true(n < 500);
		snprintf(fault, sizeof fault, "die:%d", n);
		status = child_push(s, remote, m, &w, fault);
		ok(open_remote(&r, remote, m, true));
		ok(dv_transfer_push(s, r, &w, 1, NULL, &stats));
		assert_true(dv_remote_store_has_root(r, &w.oid));
		assert_sound(remote);
	}
	assert_true(n > 10);
	print_message("cut at %d places\n", n - 2);
}

static void test_driver_faults(void **state)
{
	static const char *const kinds[] = { "error", "short", "transient", "lost", "cut" };
	dv_autofree char *dir = NULL;
	dv_autoptr(dv_store) s = new_store(&dir);
	dv_want w = { .is_tree = true, .path = "data" };
	dv_move_stats stats;

	(void)state;
	put_tree(s, 6, 12, &w.oid);
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
		for (uint64_t n = 1; n <= 14; n++) {
			dv_autofree char *remote = fresh("remote"), *m = fresh("mirror");
			dv_autofree char *b_dir = NULL;
			dv_autoptr(dv_store) b = new_store(&b_dir);
			dv_autoptr(dv_remote_store) r = NULL;
			char fault[48];

			snprintf(fault, sizeof fault, "quick,%llu:%s",
				 (unsigned long long)(dv_fault_calls() + n), kinds[k]);
			setenv("DV_REMOTE_FAULT", fault, 1);
			int rc = open_remote(&r, remote, m, true);
			if (rc == 0)
				rc = dv_transfer_push(s, r, &w, 1, NULL, &stats);
			if (rc == 0)
				rc = dv_transfer_fetch(b, r, &w, 1, NULL, &stats);
			unsetenv("DV_REMOTE_FAULT");
			if (k >= 2)
				ok(rc);	/* what passes is tried again */
			dv_remote_store_free(dv_steal(&r));
			ok(open_remote(&r, remote, m, true));
			ok(dv_transfer_push(s, r, &w, 1, NULL, &stats));
			ok(dv_transfer_fetch(b, r, &w, 1, NULL, &stats));
			assert_sound(remote);
			assert_whole(b, &w.oid);
		}
}

static void test_two_pushers(void **state)
{
	dv_autofree char *dirs[2] = { NULL, NULL }, *remote = fresh("remote");
	dv_autofree char *m = fresh("mirror");
	dv_want w[2] = { { .is_tree = true, .path = "one" }, { .is_tree = true, .path = "two" } };
	pid_t pids[2];

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		dv_autoptr(dv_store) s = new_store(&dirs[i]);
		put_tree(s, 20 + i, 30, &w[i].oid);
	}
	for (int i = 0; i < 2; i++) {
		dv_autofree char *own = fresh("mirror");

		pids[i] = fork();
		if (pids[i] == 0) {
			dv_autoptr(dv_store) s = NULL;
			dv_autoptr(dv_remote_store) r = NULL;
			dv_move_stats stats;
			int rc = dv_store_open(&s, dirs[i], 0);

			for (uint32_t k = 0; rc == 0 && k < 20; k++) {
				dv_want more = { .is_tree = true, .path = "more" };

				put_tree(s, 100 * (uint32_t)(i + 1) + k, 3, &more.oid);
				rc = r ? 0 : open_remote(&r, remote, own, true);
				if (rc == 0)
					rc = dv_transfer_push(s, r, &more, 1, NULL, &stats);
			}
			if (rc == 0)
				rc = dv_transfer_push(s, r, &w[i], 1, NULL, &stats);
			if (rc)
				fprintf(stderr, "child: %s\n", dv_error_last()->message);
			_exit(rc ? 1 : 0);
		}
	}
	for (int i = 0; i < 2; i++) {
		int status = 1;

		waitpid(pids[i], &status, 0);
		assert_int_equal(status, 0);
	}
	dv_autoptr(dv_remote_store) r = NULL;
	ok(open_remote(&r, remote, m, false));
	assert_int_equal(dv_remote_store_state(r)->head, 42);
	assert_true(dv_remote_store_has_root(r, &w[0].oid));
	assert_true(dv_remote_store_has_root(r, &w[1].oid));
	assert_sound(remote);
	free(dirs[1]);
}

/* Changes the first regular file that it finds below remote/folder. */
static void spoil(const char *remote, const char *folder, int how)
{
	dv_autofree char *dir = dv_path_join(remote, folder);
	DIR *d = opendir(dir);
	struct dirent *e;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		dv_autofree char *path = dv_path_join(dir, e->d_name), *sub = NULL;
		struct stat st;

		if (e->d_name[0] == '.' || stat(path, &st))
			continue;
		if (S_ISDIR(st.st_mode)) {
			sub = dv_path_join(folder, e->d_name);
			spoil(remote, sub, how);
			break;
		}
		chmod(path, 0644);
		int fd = open(path, O_RDWR | O_CLOEXEC);
		assert_true(fd >= 0);
		if (how == 0) {
			assert_int_equal(ftruncate(fd, st.st_size / 2), 0);
		} else if (how == 1) {
			for (off_t at = 40; at < st.st_size; at += 97)
				assert_int_equal(pwrite(fd, "!", 1, at), 1);
		} else {
			assert_int_equal(ftruncate(fd, 0), 0);
			assert_int_equal(pwrite(fd, "{\"format\":1,", 12, 0), 12);
		}
		close(fd);
		break;
	}
	closedir(d);
}

static void test_hostile(void **state)
{
	static const char *const folders[] = { "index", "log", "packs" };

	(void)state;
	for (int i = 0; i < 9; i++) {
		dv_autofree char *a_dir = NULL, *b_dir = NULL, *remote = fresh("remote");
		dv_autofree char *ma = fresh("mirror"), *mb = fresh("mirror");
		dv_autoptr(dv_store) a = new_store(&a_dir);
		dv_autoptr(dv_store) b = new_store(&b_dir);
		dv_autoptr(dv_remote_store) ra = NULL;
		dv_autoptr(dv_remote_store) rb = NULL;
		dv_want w = { .is_tree = true, .path = "data" };
		dv_move_stats stats;

		put_tree(a, 8, 20, &w.oid);
		ok(open_remote(&ra, remote, ma, true));
		ok(dv_transfer_push(a, ra, &w, 1, NULL, &stats));
		spoil(remote, folders[i / 3], i % 3);
		int rc = open_remote(&rb, remote, mb, false);
		if (rc == 0)
			rc = dv_transfer_fetch(b, rb, &w, 1, NULL, &stats);
		if (rc != DV_ECORRUPT)
			fail_msg("%s, %d: %d %s", folders[i / 3], i % 3, rc,
				 dv_error_last()->message);
		assert_int_equal(dv_store_state(b)->ncontainers, 0);
		assert_int_equal(dv_store_state(b)->head, 0);
	}
}

static void test_damaged_here(void **state)
{
	dv_autofree char *dir = NULL, *remote = fresh("remote"), *m = fresh("mirror");
	dv_autoptr(dv_store) s = new_store(&dir);
	dv_autoptr(dv_remote_store) r = NULL;
	dv_want w = { .is_tree = true, .path = "data" };
	dv_move_stats stats;

	(void)state;
	put_tree(s, 9, 20, &w.oid);
	ok(open_remote(&r, remote, m, true));
	spoil(dir, "packs", 1);
	assert_int_equal(dv_transfer_push(s, r, &w, 1, NULL, &stats), DV_ECORRUPT);
	assert_int_equal(dv_remote_store_state(r)->head, 0);
}

static void test_replaced(void **state)
{
	dv_autofree char *dir = NULL, *remote = fresh("remote"), *m = fresh("mirror");
	dv_autofree char *mirrored = dv_path_join(m, "state");
	dv_autoptr(dv_store) s = new_store(&dir);
	dv_autoptr(dv_remote_store) r = NULL;
	dv_want w = { .is_tree = true, .path = "data" };
	dv_move_stats stats;

	(void)state;
	put_tree(s, 10, 10, &w.oid);
	for (int i = 0; i < 3; i++) {
		dv_remote_options anew = { .name = "r", .url = remote, .mirror_dir = m,
					   .create = true, .anew = true };

		dv_remote_store_free(dv_steal(&r));
		/* What was there and is gone is not made again without being told so. */
		if (i == 1) {
			assert_int_equal(open_remote(&r, remote, m, true), DV_ERROR);
			assert_null(r);
			assert_int_equal(access(remote, F_OK), -1);
			ok(open_remote(&r, remote, m, false));
			dv_remote_store_free(dv_steal(&r));
			assert_int_equal(open_remote(&r, remote, m, true), DV_ERROR);
		}
		ok(dv_remote_store_open(&r, &anew));
		assert_int_equal(dv_remote_store_has_root(r, &w.oid), i == 2);
		ok(dv_transfer_push(s, r, &w, 1, NULL, &stats));
		assert_true(i == 2 || stats.bytes > 0);
		if (i == 0)
			ok(dv_fs_remove_tree(remote));
		else
			ok(dv_fs_write_file(mirrored, "nonsense", 8, 0));
	}
	assert_sound(remote);
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(top) ? 0 : -1;
}
static int tear_down(void **state)
{
	(void)state;
	return dv_fs_remove_tree(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_nothing_to_push),	  cmocka_unit_test(test_missing),
		cmocka_unit_test(test_cut_anywhere),	  cmocka_unit_test(test_driver_faults),
		cmocka_unit_test(test_two_pushers),	  cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_damaged_here),	  cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_many_pushes),
	};

	return cmocka_run_group_tests_name("remote", tests, set_up, tear_down);
}
