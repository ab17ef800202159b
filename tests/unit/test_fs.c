/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files: reading, trees, locks, copying, the direct writer, and above all that an atomic file is
 * there whole or not at all, whichever of the calls that make it fails or is the process's last.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/path.h"

static char root[256];

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(root, sizeof(root), "%s/dv-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	return mkdtemp(root) && chdir(root) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	dv_fs_faults(NULL);
	return chdir("/") == 0 ? dv_fs_remove_tree(root) : -1;
}

static void expect_file(const char *path, const char *want)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	assert_int_equal(dv_fs_read_file(&b, path, 1 << 20), 0);
	assert_string_equal(b.p, want);
}

/* Names in a folder, "." and ".." not counted; *temps those of temporary files. */
static int count_names(const char *dir, int *temps)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int n = 0;

	assert_non_null(d);
	*temps = 0;
	while ((e = readdir(d))) {
		if (!dv_name_is_safe(e->d_name, strlen(e->d_name)))
			continue;
		n++;
		*temps += strncmp(e->d_name, ".dv-tmp-", 8) == 0;
	}
	closedir(d);
	return n;
}

static int open_fds(void)
{
	int temps;

	return count_names("/proc/self/fd", &temps);
}

static void test_read(void **state)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	dv_autofree char *big = dv_malloc(300001);

	(void)state;
	memset(big, 'x', 300000);
	big[300000] = '\0';
	assert_int_equal(dv_fs_write_file("big", big, 300000, 0), 0);
	assert_int_equal(dv_fs_read_file(&b, "big", 300000), 0);
	assert_int_equal(b.n, 300000);
	assert_string_equal(b.p, big);
	assert_int_equal(dv_fs_read_file(&b, "big", 299999), DV_ERROR);
	assert_int_equal(b.n, 0);
	assert_int_equal(dv_fs_write_file("empty", NULL, 0, 0), 0);
	assert_int_equal(dv_fs_read_file(&b, "empty", 0), 0);
	assert_int_equal(b.n, 0);
	assert_int_equal(dv_fs_read_file(&b, "absent", 10), DV_ENOTFOUND);
	assert_int_equal(dv_fs_read_file(&b, "empty/below", 10), DV_ENOTFOUND);
	assert_int_equal(dv_fs_read_file(&b, ".", 10), DV_ERROR);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(dv_fs_read_file(&b, "fifo", 10), DV_ERROR);
	assert_int_equal(dv_fs_read_file(&b, "/dev/zero", 10), DV_ERROR);
	/* Files that claim to be empty and are not. */
	assert_int_equal(dv_fs_read_file(&b, "/proc/self/status", 1 << 20), 0);
	assert_true(b.n > 100);
	assert_int_equal(dv_fs_read_file(&b, "/proc/self/status", 50), DV_ERROR);
}

static void test_atomic(void **state)
{
	struct stat st;
	int temps, before = open_fds();
	mode_t mask = umask(027);

	(void)state;
	assert_int_equal(dv_fs_mkdirs("a/b"), 0);
	assert_int_equal(dv_fs_write_file("a/f", "one", 3, DV_ATOMIC_SYNC), 0);
	assert_int_equal(stat("a/f", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(dv_fs_write_file("a/f", "two", 3, DV_ATOMIC_READONLY), 0);
	assert_int_equal(stat("a/f", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0440);
	umask(mask);
	expect_file("a/f", "two");
	assert_int_equal(dv_fs_write_file("a/f", "three", 5, DV_ATOMIC_NOREPLACE), DV_EEXISTS);
	expect_file("a/f", "two");
	assert_int_equal(dv_fs_write_file("a/none/f", "x", 1, 0), DV_ENOTFOUND);
	{
		dv_auto(dv_atomic) a = DV_ATOMIC_INIT;

		assert_int_equal(dv_atomic_open(&a, "a/x", DV_ATOMIC_SYNC), 0);
		assert_int_equal(dv_fs_write_all(a.fd, "four", 4), 0);
		assert_int_equal(dv_atomic_commit_as(&a, "a/b/named"), 0);
	}
	expect_file("a/b/named", "four");
	{
		dv_auto(dv_atomic) a = DV_ATOMIC_INIT;

		assert_int_equal(dv_atomic_open(&a, "a/given-up", 0), 0);
	}
	assert_int_equal(count_names("a", &temps), 2);
	assert_int_equal(temps, 0);
	assert_int_equal(open_fds(), before);
}

/* Every call that makes a file fails once: the old content stays, and no temporary file. */
static void test_fault_errors(void **state)
{
	static const char *const kinds[] = { "eio", "enospc", "short" };
	static const unsigned modes[] = { 0, DV_ATOMIC_SYNC,
					  DV_ATOMIC_SYNC | DV_ATOMIC_READONLY };
	static const int calls[] = { 3, 5, 6 };
	int before = open_fds(), temps;
	char spec[32];

	(void)state;
	for (size_t i = 0; i < 9; i++) {
		int n = 0, rc;

		do {
			const char *want;

			dv_fs_faults(NULL);
			assert_int_equal(dv_fs_write_file("f", "old", 3, 0), 0);
			snprintf(spec, sizeof(spec), "%s:%d", kinds[i / 3], ++n);
			dv_fs_faults(spec);
			rc = dv_fs_write_file("f", "a new content", 13, modes[i % 3]);
			dv_fs_faults(NULL);
			/* A failed sync of the folder comes after the rename. */
			want = n >= calls[i % 3] && (rc == 0 || modes[i % 3]) ? "a new content" :
										"old";
			expect_file("f", want);
			assert_int_equal(count_names(".", &temps), 1);
			if (rc)
				assert_int_equal(rc, DV_ERROR);
			if (rc && i / 3)
				assert_true(*dv_error_last()->hint);
			dv_error_clear();
		} while (rc);
		assert_int_equal(n, calls[i % 3] + 1);
	}
	assert_int_equal(open_fds(), before);
}

/* Runs the writing in a process of its own; its wait status. */
static int write_in_child(const char *spec, unsigned flags)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		dv_fs_faults(spec);
		_exit(dv_fs_write_file("f", "a new content", 13, flags) ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* The process dies at every call: old or new content, never a mixture. */
static void test_fault_die(void **state)
{
	int status, names, temps, n = 0, died = 0;
	char spec[32];

	(void)state;
	do {
		assert_int_equal(dv_fs_write_file("f", "old", 3, 0), 0);
		snprintf(spec, sizeof(spec), "die:%d", ++n);
		status = write_in_child(spec, DV_ATOMIC_SYNC);
		if (WIFSIGNALED(status)) {
			assert_int_equal(WTERMSIG(status), SIGKILL);
			died++;
		}
		expect_file("f", n <= 4 ? "old" : "a new content");
		/* A leftover may stay, but only under the name that says what it is. */
		names = count_names(".", &temps);
		assert_int_equal(names, 1 + temps);
		assert_int_equal(dv_fs_remove_tree("f"), 0);
	} while (WIFSIGNALED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(died, 5);
}

static void test_fault_environment(void **state)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		dv_fs_faults("count:calls");
		exit(dv_fs_write_file("f", "x", 1, DV_ATOMIC_SYNC) ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(dv_fs_read_file(&b, "calls", 100), 0);
	assert_string_equal(b.p, "5\n");
}

static void test_mkdirs(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(dv_fs_mkdirs("a//b/c/"), 0);
	assert_int_equal(stat("a/b/c", &st), 0);
	assert_int_equal(dv_fs_mkdirs("a/b/c"), 0);
	assert_int_equal(dv_fs_mkdirs_sync("a/b/d/e"), 0);
	assert_int_equal(dv_fs_write_file("a/f", "", 0, 0), 0);
	assert_int_equal(dv_fs_mkdirs("a/f"), DV_EEXISTS);
	assert_true(dv_fs_mkdirs("a/f/g") < 0);
	assert_int_equal(dv_fs_mkdirs("/"), 0);
	assert_int_equal(dv_fs_mkdirs("."), 0);
	assert_true(dv_fs_mkdirs("") < 0);
	assert_int_equal(dv_fs_sync_dir("a"), 0);
	assert_int_equal(dv_fs_sync_dir("absent"), DV_ENOTFOUND);
}

static void test_remove_tree(void **state)
{
	int temps, before = open_fds();
	char name[64];

	(void)state;
	assert_int_equal(dv_fs_mkdirs("keep"), 0);
	assert_int_equal(dv_fs_write_file("keep/me", "x", 1, 0), 0);
	assert_int_equal(dv_fs_mkdirs("t/a/b"), 0);
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "t/%s/%d", i % 2 ? "a" : "a/b", i);
		assert_int_equal(dv_fs_write_file(name, "x", 1, 0), 0);
	}
	assert_int_equal(symlink("../keep", "t/link"), 0);
	assert_int_equal(symlink("keep", "link"), 0);
	assert_int_equal(dv_fs_remove_tree("t/"), 0);
	assert_int_equal(access("t", F_OK), -1);
	assert_int_equal(dv_fs_remove_tree("link"), 0);
	assert_int_equal(dv_fs_remove_tree("absent"), 0);
	assert_int_equal(dv_fs_remove_tree("absent/below"), 0);
	expect_file("keep/me", "x");
	assert_int_equal(dv_fs_remove_tree("keep/me"), 0);
	assert_int_equal(dv_fs_remove_tree("keep/.."), DV_EUSAGE);
	assert_int_equal(dv_fs_remove_tree("/"), DV_EUSAGE);
	assert_int_equal(dv_fs_remove_tree(""), DV_EUSAGE);
	assert_int_equal(count_names(".", &temps), 1);

	/* Deeper than any path may be long and than descriptors reach. */
	for (int i = 0; i < 5000; i++) {
		assert_int_equal(mkdir("deep", 0777), 0);
		assert_int_equal(chdir("deep"), 0);
	}
	assert_int_equal(chdir(root), 0);
	assert_int_equal(dv_fs_remove_tree("deep"), 0);
	assert_int_equal(count_names(".", &temps), 1);
	assert_int_equal(open_fds(), before);
}

static void test_rename_noreplace(void **state)
{
	(void)state;
	assert_int_equal(dv_fs_write_file("a", "a", 1, 0), 0);
	assert_int_equal(dv_fs_write_file("b", "b", 1, 0), 0);
	assert_int_equal(dv_fs_rename_noreplace(AT_FDCWD, "a", AT_FDCWD, "b"), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(dv_fs_rename_noreplace(AT_FDCWD, "a", AT_FDCWD, "c"), 0);
	expect_file("b", "b");
	expect_file("c", "a");
	assert_int_equal(access("a", F_OK), -1);
}

static void test_copy(void **state)
{
	dv_autofree char *data = dv_malloc(700001);
	dv_autoclose int in = -1, out = -1;
	int ends[2];
	char byte;

	(void)state;
	memset(data, 'y', 700000);
	memcpy(data, "start", 5);
	data[700000] = '\0';
	assert_int_equal(dv_fs_write_file("in", data, 700000, 0), 0);
	in = dv_fs_openat(AT_FDCWD, "in", O_RDONLY, 0);
	out = dv_fs_openat(AT_FDCWD, "out", O_RDWR | O_CREAT | O_APPEND, 0666);
	assert_true(in >= 0 && out >= 0);
	/* Append mode forbids copy_file_range. */
	assert_int_equal(dv_fs_copy(in, out, 300000), 0);
	assert_int_equal(fcntl(out, F_SETFL, 0), 0);
	assert_int_equal(dv_fs_copy(in, out, 400000), 0);
	expect_file("out", data);
	assert_int_equal(dv_fs_copy(in, out, 1), -1);
	assert_int_equal(errno, EIO);
	assert_int_equal(dv_fs_copy(in, out, 0), 0);
	/* From a pipe neither way of the kernel need work. */
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "abc", 3), 3);
	assert_int_equal(dv_fs_copy(ends[0], out, 2), 0);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	assert_int_equal(byte, 'c');
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(lseek(out, 0, SEEK_CUR), 700002);
}

static void test_pread(void **state)
{
	dv_autoclose int fd = -1;
	char buf[10];
	size_t got;

	(void)state;
	assert_int_equal(dv_fs_write_file("f", "0123456789", 10, 0), 0);
	fd = dv_fs_openat(AT_FDCWD, "f", O_RDWR, 0);
	assert_int_equal(dv_fs_pread_all(fd, buf, 4, 3, &got), 0);
	assert_int_equal(got, 4);
	assert_memory_equal(buf, "3456", 4);
	assert_int_equal(dv_fs_pread_all(fd, buf, 10, 8, &got), 0);
	assert_int_equal(got, 2);
	assert_int_equal(dv_fs_pwrite_all(fd, "xy", 2, 8), 0);
	expect_file("f", "01234567xy");
	assert_int_equal(dv_fs_pread_all(-1, buf, 1, 0, &got), -1);
	assert_int_equal(got, 0);
}

static void test_lock(void **state)
{
	dv_auto(dv_lock) a = DV_LOCK_INIT, b = DV_LOCK_INIT, c = DV_LOCK_INIT;

	(void)state;
	assert_int_equal(dv_lock_take(&a, "lock", false, 0, "the store"), 0);
	assert_int_equal(dv_lock_take(&b, "lock", false, 0, "the store"), 0);
	assert_int_equal(dv_lock_take(&c, "lock", true, 0, "the store"), DV_ELOCKED);
	assert_int_equal(dv_lock_take(&c, "lock", true, 30, "the store"), DV_ELOCKED);
	assert_true(*dv_error_last()->hint);
	dv_cancel();
	assert_int_equal(dv_lock_take(&c, "lock", true, -1, "the store"), DV_ECANCELLED);
	dv_cancel_reset();
	dv_lock_release(&a);
	dv_lock_release(&b);
	assert_int_equal(dv_lock_take(&c, "lock", true, -1, "the store"), 0);
	assert_int_equal(dv_lock_take(&a, "lock", false, 0, "the store"), DV_ELOCKED);
	dv_lock_release(&c);
	assert_int_equal(access("lock", F_OK), 0);
	assert_int_equal(dv_lock_take(&a, "no/lock", true, 0, "the store"), DV_ENOTFOUND);
}

/* Writes `size` bytes in odd parts and compares. */
static int write_direct(const char *path, size_t size)
{
	dv_auto(dv_atomic) a = DV_ATOMIC_INIT;
	dv_auto(dv_direct_writer) w = DV_DIRECT_INIT;
	uint8_t part[70001];
	size_t at = 0, n;
	int rc = dv_atomic_open(&a, path, DV_ATOMIC_SYNC);

	if (!rc)
		rc = dv_direct_open(&w, a.fd, path);
	for (; !rc && at < size; at += n) {
		n = size - at < sizeof(part) ? size - at : sizeof(part);
		for (size_t i = 0; i < n; i++)
			part[i] = (uint8_t)((at + i) * 2654435761u >> 13);
		rc = dv_direct_write(&w, part, n);
		if (!rc)
			assert_true(dv_direct_size(&w) == at + n);
	}
	if (!rc)
		rc = dv_direct_finish(&w);
	if (!rc) {
		assert_int_equal(fcntl(a.fd, F_GETFL) & O_DIRECT, 0);
		rc = dv_fs_write_all(a.fd, "end", 3) ? dv_err_sys("cannot write") : 0;
	}
	return rc ? rc : dv_atomic_commit(&a);
}

static void check_direct(const char *path, size_t size)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	assert_int_equal(write_direct(path, size), 0);
	assert_int_equal(dv_fs_read_file(&b, path, 64 << 20), 0);
	assert_int_equal(b.n, size + 3);
	for (size_t i = 0; i < size; i++)
		if ((uint8_t)b.p[i] != (uint8_t)(i * 2654435761u >> 13))
			fail_msg("byte %zu of %zu differs", i, size);
	assert_memory_equal(b.p + size, "end", 3);
}

static void test_direct(void **state)
{
	static const size_t sizes[] = { 0,	  1,		 4096,		    (4 << 20) - 1,
					4 << 20, (4 << 20) + 1, (8 << 20) + 4096, (21 << 20) + 777 };
	char spec[32];
	int n = 0, rc, temps;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		check_direct("f", sizes[i]);
	/* Where O_DIRECT is refused. */
	if (access("/dev/shm", W_OK) == 0) {
		char path[64];

		snprintf(path, sizeof(path), "/dev/shm/dv-test-%d", (int)getpid());
		check_direct(path, (21 << 20) + 777);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(unlink("f"), 0);
	do {
		snprintf(spec, sizeof(spec), "eio:%d", ++n);
		dv_fs_faults(spec);
		rc = write_direct("f", (9 << 20) + 5);
		dv_fs_faults(NULL);
		assert_int_equal(count_names(".", &temps), access("f", F_OK) == 0);
	} while (rc == DV_ERROR);
	assert_int_equal(rc, 0);
	assert_true(n > 7);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_read),	     TEST(test_atomic),		TEST(test_fault_errors),
		TEST(test_fault_die),	     TEST(test_fault_environment), TEST(test_mkdirs),
		TEST(test_remove_tree),	     TEST(test_rename_noreplace), TEST(test_copy),
		TEST(test_pread),	     TEST(test_lock),		TEST(test_direct),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
