/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver for a folder: a disk, a mounted share. Files appear under their name complete and
 * durable, or not at all: temporary file in the same folder, data, fdatasync, rename without
 * replacing, fsync of the folder. Needs no lock file, so it works on network file systems too.
 */
#include "remotes/drivers.h"
#include "remotes/local.h"
#include "remotes/wire.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/path.h"

#define READ_SIZE (256u << 10)	/* stays in the processor's cache between read and write */
#define PIECE ((uint64_t)4 << 20)
#define NAME_MAX_LEN 200
#define TMP_PREFIX ".dv-tmp-"
#define PART_PREFIX ".dv-part-"
#define TMP_AGE (24 * 60 * 60)	/* seconds */

typedef struct local_remote {
	dv_remote base;
	int dir;	/* the folder */
	char *path;
} local_remote;

static void local_close(dv_remote *r)
{
	local_remote *l = (local_remote *)r;

	if (l == NULL)
		return;
	if (l->dir >= 0)
		close(l->dir);
	free(l->path);
	free(l);
}
static void dv_remote_close(dv_remote **r)
{
	local_close(*r);
}

static int local_open(dv_remote **out, const char *url, const dv_driver_options *o)
{
	dv_autofree char *path = NULL;
	int rc = dv_path_from_url(&path, url);

	if (rc)
		return rc;
	if (o->create && (rc = dv_fs_mkdirs_sync(path)))
		return rc;
	__attribute__((cleanup(dv_remote_close))) dv_remote *r = NULL;
	local_remote *l = dv_calloc(1, sizeof *l);
	if (!l)
		return DV_ERROR;
	r = &l->base;
	l->dir = dv_fs_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	if (l->dir < 0)
		return dv_err_sys("cannot open folder '%s'", path);
	l->path = dv_steal(&path);
	l->base.driver = &dv_driver_local;
	l->base.caps = DV_REMOTE_WRITE | DV_REMOTE_LIST | DV_REMOTE_PUT_IF_ABSENT | DV_REMOTE_TELLS;
	*out = dv_steal(&r);
	return 0;
}

/* Names are dv's own; anything else is a mistake above, and must not reach the file system. */
static int check_name(const local_remote *l, const char *name)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyz0123456789/._-";
	size_t n = strlen(name);

	if (l->base.any_names && dv_path_is_safe(name))
		return 0;
	if (n == 0 || n > NAME_MAX_LEN || strspn(name, ok) != n || !dv_path_is_safe(name))
		return dv_err(DV_EUNSAFE, "refused to use '%s' as a name in a remote", name);
	return 0;
}

static int open_file(const local_remote *l, const char *name, struct stat *st)
{
	int rc = check_name(l, name);

	if (rc)
		return rc;
	int fd = dv_fs_openat(l->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return dv_err_sys("cannot open '%s/%s'", l->path, name);
	if (fstat(fd, st) || !S_ISREG(st->st_mode)) {
		close(fd);
		return dv_err(DV_ERROR, "'%s/%s' is not a regular file", l->path, name);
	}
	return fd;
}

static int local_stat(dv_remote *r, const char *name, uint64_t *size)
{
	const local_remote *l = (local_remote *)r;
	struct stat st;
	int rc = check_name(l, name);

	if (rc)
		return rc;
	if (fstatat(l->dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return dv_err_sys("cannot look at '%s/%s'", l->path, name);
	if (!S_ISREG(st.st_mode))
		return dv_err(DV_ERROR, "'%s/%s' is not a regular file", l->path, name);
	*size = (uint64_t)st.st_size;
	return 0;
}

static void fill_look(dv_remote_look *out, const struct stat *st)
{
	*out = (dv_remote_look){ .is_dir = S_ISDIR(st->st_mode), .has_size = S_ISREG(st->st_mode),
				 .has_mtime = true, .size = (uint64_t)st->st_size };
	out->mtime_ns = st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec;
}

static int local_look(dv_remote *r, const char *name, dv_remote_look *out)
{
	const local_remote *l = (local_remote *)r;
	struct stat st;
	int rc = *name ? check_name(l, name) : 0;

	if (rc)
		return rc;
	if (fstatat(l->dir, *name ? name : ".", &st, AT_SYMLINK_NOFOLLOW))
		return dv_err_sys("cannot look at '%s/%s'", l->path, name);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return dv_err(DV_ERROR, "'%s/%s' is neither a file nor a folder", l->path, name);
	fill_look(out, &st);
	return 0;
}

static void close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

static int local_look_in(dv_remote *r, const char *dir, dv_remote_look_cb cb, void *payload)
{
	const local_remote *l = (local_remote *)r;
	__attribute__((cleanup(close_dir))) DIR *d = NULL;
	const struct dirent *e;
	int rc = *dir ? check_name(l, dir) : 0;

	if (rc)
		return rc;
	int fd = dv_fs_openat(l->dir, *dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0 || !(d = fdopendir(fd))) {
		rc = dv_err_sys("cannot open folder '%s/%s'", l->path, dir);
		if (fd >= 0)
			close(fd);
		return rc;
	}
	while (!rc && (e = readdir(d))) {
		dv_remote_look look;
		struct stat st;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;	/* gone since */
		if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
			dv_warn("'%s' in '%s/%s' is neither a file nor a folder, and is left out",
				e->d_name, l->path, dir);
			continue;
		}
		fill_look(&look, &st);
		rc = cb(e->d_name, &look, payload);
	}
	return rc;
}

static int local_get(dv_remote *r, const char *name, uint64_t offset, uint64_t length,
		     dv_sink_cb sink, void *payload)
{
	const local_remote *l = (local_remote *)r;
	struct stat st;
	dv_autoclose int fd = open_file(l, name, &st);

	if (fd < 0)
		return fd;
	uint64_t size = (uint64_t)st.st_size;
	if (offset >= size)
		return 0;
	if (length > size - offset)
		length = size - offset;
	dv_autofree uint8_t *buf = dv_malloc(length < READ_SIZE ? (size_t)length + 1 : READ_SIZE);
	if (!buf)
		return DV_ERROR;
	while (length > 0) {
		size_t want = length < READ_SIZE ? (size_t)length : READ_SIZE, got = 0;
		int rc = dv_check_cancel();

		if (rc)
			return rc;
		if (dv_fs_pread_all(fd, buf, want, (off_t)offset, &got) && got == 0)
			return dv_err_sys("cannot read '%s/%s'", l->path, name);
		if (got == 0)
			break;
		if ((rc = sink(buf, got, payload)))
			return rc;
		offset += got;
		length -= got;
	}
	return 0;
}

/* The folder part of `name` below the remote's, made when it is absent. Owned. */
static int folder_for(const local_remote *l, const char *name, char **out)
{
	const char *slash = strrchr(name, '/');
	dv_autofree char *rel = slash ? dv_strndup(name, (size_t)(slash - name)) : dv_strdup(".");

	if (!rel)
		return DV_ERROR;
	dv_autofree char *full = slash ? dv_path_join(l->path, rel) : dv_strdup(l->path);
	if (!full)
		return DV_ERROR;
	struct stat st;
	if (fstatat(l->dir, rel, &st, AT_SYMLINK_NOFOLLOW)) {
		if (errno != ENOENT)
			return dv_err_sys("cannot open folder '%s'", full);
		/* The new folders' own names must survive a crash as well. */
		int rc = dv_fs_mkdirs_sync(full);
		if (rc)
			return rc;
	}
	*out = dv_steal(&full);
	return 0;
}

/* A temporary file that is removed unless it got its name. */
typedef struct tmp_file {
	int fd, dir;
	char name[NAME_MAX_LEN + 64];	/* "" when there is none (any more) */
} tmp_file;
static void tmp_file_release(tmp_file *t)
{
	if (t->fd >= 0)
		close(t->fd);
	if (t->name[0])
		dv_fs_unlinkat(t->dir, t->name, 0);
}

static int tmp_open(tmp_file *t, const local_remote *l, const char *name)
{
	uint8_t rnd[8];
	const char *slash = strrchr(name, '/');
	int len = slash ? (int)(slash - name + 1) : 0;
	int rc = dv_random(rnd, sizeof rnd);

	if (rc)
		return rc;
	snprintf(t->name, sizeof t->name, "%.*s" TMP_PREFIX "%02x%02x%02x%02x%02x%02x%02x%02x", len,
		 name, rnd[0], rnd[1], rnd[2], rnd[3], rnd[4], rnd[5], rnd[6], rnd[7]);
	t->dir = l->dir;
	t->fd = dv_fs_openat(l->dir, t->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0444);
	if (t->fd < 0) {
		rc = dv_err_sys("cannot create '%s/%s'", l->path, t->name);
		t->name[0] = '\0';
	}
	return rc;
}

/* Data durable, name given without replacing, folder durable. DV_EEXISTS when the name is taken. */
static int tmp_commit(tmp_file *t, const local_remote *l, const char *name, const char *folder)
{
	if (dv_fs_fdatasync(t->fd))
		return dv_err_sys("cannot write '%s/%s' to disk", l->path, name);
	if (dv_fs_rename_noreplace(l->dir, t->name, l->dir, name)) {
		if (errno == EEXIST)
			return dv_err(DV_EEXISTS, "'%s/%s' is there already", l->path, name);
		return dv_err_sys("cannot name '%s/%s'", l->path, name);
	}
	t->name[0] = '\0';
	return dv_fs_sync_dir(folder);
}

/* 1 when the file is there with that size, 0 when absent, DV_EEXISTS when it differs. */
static int there_already(const local_remote *l, const char *name, uint64_t size)
{
	struct stat st;

	if (fstatat(l->dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : dv_err_sys("cannot look at '%s/%s'", l->path, name);
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size == size)
		return 1;
	return dv_err(DV_EEXISTS, "'%s/%s' is there already with another size", l->path, name);
}

/* A push that was killed leaves a temporary file or a part. One that nobody wrote to for a day is
 * nobody's; it goes when something else is put into the folder. Best effort. */
static void sweep_tmp(const char *folder)
{
	DIR *d = opendir(folder);
	time_t before = time(NULL) - TMP_AGE;
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		struct stat st;

		if ((strncmp(e->d_name, TMP_PREFIX, strlen(TMP_PREFIX)) == 0 ||
		     strncmp(e->d_name, PART_PREFIX, strlen(PART_PREFIX)) == 0) &&
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) && st.st_mtime < before)
			dv_fs_unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d)
		closedir(d);
}

/* Copies in pieces, as a limit of the rate and a wish to stop ask for. */
static int copy(dv_remote *r, int from, int to, uint64_t size, const char *name)
{
	const local_remote *l = (local_remote *)r;

	if (lseek(from, 0, SEEK_SET) < 0)
		return dv_err_sys("cannot read what is sent as '%s'", name);
	for (uint64_t at = 0, n; at < size; at += n) {
		n = size - at < PIECE ? size - at : PIECE;
		int rc = dv_check_cancel();

		if (rc || (rc = dv_remote_sending(r, (size_t)n)))
			return rc;
		if (dv_fs_copy(from, to, n))
			return dv_err_sys("cannot write '%s/%s'", l->path, name);
	}
	return 0;
}

static int local_put(dv_remote *r, const char *name, int fd, uint64_t size)
{
	const local_remote *l = (local_remote *)r;
	dv_autofree char *folder = NULL;
	struct stat st;
	int rc = check_name(l, name);

	if (rc || (rc = there_already(l, name, size)) != 0)
		return rc < 0 ? rc : 0;
	if ((rc = folder_for(l, name, &folder)))
		return rc;
	if (fstat(fd, &st))
		return dv_err_sys("cannot look at what is sent as '%s'", name);
	if ((uint64_t)st.st_size != size)
		return dv_err(DV_ERROR, "what is sent as '%s' has %" PRIu64 " bytes, not %" PRIu64,
			      name, (uint64_t)st.st_size, size);
	sweep_tmp(folder);
	dv_auto(tmp_file) t = { .fd = -1 };
	if ((rc = tmp_open(&t, l, name)))
		return rc;
	if (size && dv_fs_clone(fd, t.fd) != 0 && (rc = copy(r, fd, t.fd, size, name)))
		return rc;
	rc = tmp_commit(&t, l, name, folder);
	if (rc == DV_EEXISTS) {
		rc = there_already(l, name, size);
		return rc < 0 ? rc : 0;
	}
	return rc;
}

static int local_put_if_absent(dv_remote *r, const char *name, const void *p, size_t n)
{
	const local_remote *l = (local_remote *)r;
	dv_autofree char *folder = NULL;
	struct stat st;
	int rc = check_name(l, name);

	if (rc)
		return rc;
	if (fstatat(l->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return dv_err(DV_EEXISTS, "'%s/%s' is there already", l->path, name);
	if ((rc = folder_for(l, name, &folder)))
		return rc;
	sweep_tmp(folder);
	dv_auto(tmp_file) t = { .fd = -1 };
	if ((rc = tmp_open(&t, l, name)))
		return rc;
	if (dv_fs_write_all(t.fd, p, n))
		return dv_err_sys("cannot write '%s/%s'", l->path, name);
	return tmp_commit(&t, l, name, folder);
}

/* -- receiving --------------------------------------------------------------------------------- */

/* A file that comes piece by piece. */
struct dv_local_receive {
	const local_remote *l;
	char *name, *folder;
	tmp_file tmp;
	uint64_t size, at;
	bool if_absent, part, there;
};

void dv_local_receive_free(dv_local_receive *g)
{
	if (!g)
		return;
	/* A part waits for the next try. */
	if (g->part)
		g->tmp.name[0] = '\0';
	tmp_file_release(&g->tmp);
	free(g->name);
	free(g->folder);
	free(g);
}

/* Opens what an earlier try left, or begins it. 1 when it can be none of this file: several may be
 * writing to it, which does no harm where their bytes are the same. */
static int part_open(dv_local_receive *g, uint64_t *have)
{
	const char *slash = strrchr(g->name, '/'), *leaf = slash ? slash + 1 : g->name;
	tmp_file *t = &g->tmp;
	struct stat st;

	if (!dv_wire_names_bytes(leaf))
		return 1;
	snprintf(t->name, sizeof t->name, "%.*s" PART_PREFIX "%s", (int)(leaf - g->name), g->name,
		 leaf);
	t->dir = g->l->dir;
	t->fd = dv_fs_openat(t->dir, t->name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0644);
	if (t->fd < 0 || fstat(t->fd, &st) || !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size > g->size) {
		if (t->fd >= 0)
			close(t->fd);
		t->fd = -1;
		t->name[0] = '\0';
		return 1;
	}
	g->part = true;
	*have = g->at = (uint64_t)st.st_size;
	return 0;
}

int dv_local_receive_open(dv_local_receive **out, dv_remote *r, const char *name, uint64_t size,
			  unsigned flags, uint64_t *have)
{
	dv_autoptr(dv_local_receive) g = NULL;
	int rc = check_name((const local_remote *)r, name);

	*have = 0;
	if (rc || !(g = dv_calloc(1, sizeof *g)))
		return rc ? rc : DV_ERROR;
	g->l = (local_remote *)r;
	g->tmp.fd = -1;
	g->size = size;
	g->if_absent = flags & DV_LOCAL_IF_ABSENT;
	if (!(g->name = dv_strdup(name)))
		return DV_ERROR;
	rc = there_already(g->l, name, size);
	if (rc == DV_EEXISTS || (rc == 1 && g->if_absent))
		return dv_err(DV_EEXISTS, "'%s' is there already", name);
	g->there = rc == 1;
	if (rc == 0)
		rc = folder_for(g->l, name, &g->folder);
	if (rc == 0 && !g->there) {
		sweep_tmp(g->folder);
		if (!(flags & DV_LOCAL_RESUME) || part_open(g, have))
			rc = tmp_open(&g->tmp, g->l, name);
	}
	if (rc < 0)
		return rc;
	rc = g->there;
	*out = dv_steal(&g);
	return rc;
}

int dv_local_receive_fd(const dv_local_receive *g)
{
	return g->tmp.fd;
}

int dv_local_receive_add(dv_local_receive *g, const void *p, size_t n)
{
	if (g->there)
		return 0;
	if (n > g->size - g->at)
		return dv_err(DV_ERROR, "'%s' is longer than it was said to be", g->name);
	if (dv_fs_pwrite_all(g->tmp.fd, p, n, (off_t)g->at))
		return dv_err_sys("cannot write '%s/%s'", g->l->path, g->name);
	g->at += n;
	return 0;
}

int dv_local_receive_end(dv_local_receive *g)
{
	struct stat st;
	int rc;

	if (g->there)
		return 0;
	if (g->at != g->size || fstat(g->tmp.fd, &st) || (uint64_t)st.st_size != g->size)
		return dv_err(DV_ERROR, "'%s' is shorter than it was said to be", g->name);
	if (g->part && dv_fs_fchmod(g->tmp.fd, st.st_mode & 0444))
		return dv_err_sys("cannot write '%s/%s'", g->l->path, g->name);
	rc = tmp_commit(&g->tmp, g->l, g->name, g->folder);
	if (rc && !g->if_absent) {
		/* Another writer of the same bytes may have been quicker. */
		dv_error kept;
		dv_error_take(&kept);
		rc = there_already(g->l, g->name, g->size);
		if (rc == 1)
			g->part = false;
		return rc == 1 ? 0 : rc < 0 ? rc : dv_error_put(&kept);
	}
	return rc;
}

int dv_local_read(dv_remote *r, const char *name, uint64_t offset, void *p, size_t *n,
		  uint64_t *size)
{
	const local_remote *l = (local_remote *)r;
	size_t want = *n;
	struct stat st;
	dv_autoclose int fd = open_file(l, name, &st);

	*n = 0;
	if (fd < 0)
		return fd;
	*size = (uint64_t)st.st_size;
	if (offset >= *size || want == 0)
		return 0;
	if (dv_fs_pread_all(fd, p, want, (off_t)offset, n) && *n == 0)
		return dv_err_sys("cannot read '%s/%s'", l->path, name);
	return 0;
}

static int local_list(dv_remote *r, const char *dir, const char *after, dv_list_cb cb,
		      void *payload)
{
	const local_remote *l = (local_remote *)r;
	int rc = dir[0] ? check_name(l, dir) : 0;

	if (rc)
		return rc;
	dv_autoclose int fd = dv_fs_openat(l->dir, dir[0] ? dir : ".", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return errno == ENOENT ? 0 : dv_err_sys("cannot list '%s/%s'", l->path, dir);
	__attribute__((cleanup(close_dir))) DIR *d = fdopendir(fd);
	if (!d)
		return dv_err_sys("cannot list '%s/%s'", l->path, dir);
	int dfd = dv_steal_fd(&fd);
	for (;;) {
		errno = 0;
		const struct dirent *e = readdir(d);
		struct stat st;

		if (!e)
			return errno ? dv_err_sys("cannot list '%s/%s'", l->path, dir) : 0;
		if (e->d_name[0] == '.' || (after && strcmp(e->d_name, after) <= 0))
			continue;
		if (fstatat(dfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
			continue;
		if ((rc = cb(e->d_name, (uint64_t)st.st_size, payload)))
			return rc;
	}
}

static int local_remove(dv_remote *r, const char *name)
{
	const local_remote *l = (local_remote *)r;
	int rc = check_name(l, name);

	if (rc)
		return rc;
	if (dv_fs_unlinkat(l->dir, name, 0))
		return dv_err_sys("cannot remove '%s/%s'", l->path, name);
	/* Nothing but the probe of a remote writes there. */
	if (!strncmp(name, "probe/", 6))
		dv_fs_unlinkat(l->dir, "probe", AT_REMOVEDIR);
	return 0;
}

const dv_driver dv_driver_local = {
	.version = 2,
	.scheme = "file",
	.open = local_open,
	.close = local_close,
	.stat = local_stat,
	.get = local_get,
	.put = local_put,
	.put_if_absent = local_put_if_absent,
	.list = local_list,
	.remove = local_remove,
	.look = local_look,
	.look_in = local_look_in,
};
