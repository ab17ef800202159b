/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Link modes, the way into the cache: a file of the workspace, or an object whose chunks are there,
 * becomes a whole file. With hardlink and symlink the file itself gets a name in the cache (symlink
 * across file systems: a copy of it), with reflink a clone. It is protected first, then read, then
 * sealed; until the commit it has a temporary name.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "base/alloc.h"
#include "repo/links_impl.h"
#include "repo/workdir.h"

/* A file on its way. The release undoes what was not completed. */
typedef struct taking {
	dv_links *l;
	dv_ingest *in;
	dv_writer *w;
	int worker;
	int dirfd;
	const char *name, *path;
	dv_oid *oid;
	struct stat *st;
	int fd;		/* the workspace's file */
	int tmpfd;	/* the clone */
	char *tmp;	/* its name in the cache */
	mode_t was;	/* the mode to go back to; 0 when there is nothing to undo */
	dv_pack_footer table;
} taking;

static void taking_release(taking *t)
{
	dv_error kept;

	dv_error_take(&kept);
	if (t->was && t->fd >= 0)
		dv_fs_fchmod(t->fd, t->was & 07777);
	if (t->tmp)
		dv_fs_unlinkat(AT_FDCWD, t->tmp, 0);
	free(t->tmp);
	if (t->fd >= 0)
		close(t->fd);
	if (t->tmpfd >= 0)
		close(t->tmpfd);
	dv_pack_footer_release(&t->table);
	dv_error_put(&kept);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Has another program the file open for writing? A lease is refused then. */
static bool is_being_written(int fd)
{
	/* The news that a lease is broken would end the program; this signal is ignored. */
	if (fcntl(fd, F_SETSIG, SIGURG) < 0 || fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
		return errno == EAGAIN;
	fcntl(fd, F_SETLEASE, F_UNLCK);
	return false;
}

/* Seals what was read and hands it to the batch. `fd` is open on it. 1: the seal does not hold. */
static int hand_over(taking *t, int fd, struct stat *st)
{
	dv_container c;
	int rc = dv_whole_seal(fd, t->tmp, t->oid, st);

	if (rc > 0)
		dv_links_no_seal(t->l);
	if (rc)
		return rc;
	c = dv_whole_container(t->oid, st);
	rc = dv_writer_adopt_file(t->w, t->tmp, &c, &t->table);
	if (rc < 0)
		return rc;
	free(t->tmp);
	t->tmp = NULL;
	t->was = 0;
	return 0;
}

/* The file itself gets a name in the cache. */
static int link_in(taking *t)
{
	struct stat at;

	if (dv_fs_linkat(t->dirfd, t->name, AT_FDCWD, t->tmp) < 0) {
		free(t->tmp);
		t->tmp = NULL;
		return dv_link_is_refused(errno) ? DV_LINK_REFUSED + errno :
		       errno == EMLINK ? 0 : dv_err_sys("cannot link '%s' into the cache", t->path);
	}
	if (lstat(t->tmp, &at) < 0 || !same_file(&at, t->st))
		return dv_err(DV_ETRANSIENT, "file '%s' was replaced while it was read", t->path);
	/* Before it is read: from here on only who insists can write to it. */
	if (t->st->st_mode & 07777 & ~(mode_t)0555) {
		if (dv_fs_fchmod(t->fd, t->st->st_mode & 0555) < 0)
			return dv_link_is_refused(errno) ? DV_LINK_REFUSED + errno :
			       dv_err_sys("cannot protect '%s'", t->path);
		t->was = t->st->st_mode;
	}
	return 1;
}

static int take_inode(taking *t, enum dv_link_mode mode)
{
	struct stat whole;
	bool fresh = true;
	int rc = link_in(t);

	if (rc != 1)
		return rc;
	if (is_being_written(t->fd))
		return DV_TAKE_NOT;
	rc = dv_ingest_whole(t->in, t->worker, t->fd, t->path, &t->table, t->oid, t->st);
	if (rc < 0)
		return rc;
	if (dv_store_has_whole(t->l->store, t->oid, &whole)) {
		fresh = same_file(&whole, t->st);
		if (fresh)
			t->was = 0;
	} else if ((rc = dv_links_claim(t->l, t->oid, &fresh)) < 0) {
		return rc;
	} else if (fresh) {
		rc = hand_over(t, t->fd, t->st);
		if (rc)
			return rc < 0 ? rc : DV_TAKE_NOT;
	}
	if (!fresh && t->was) {
		dv_fs_fchmod(t->fd, t->was & 07777);
		t->was = 0;
	}
	if (t->tmp)
		dv_fs_unlinkat(AT_FDCWD, t->tmp, 0);
	free(t->tmp);
	t->tmp = NULL;
	if (fstat(t->fd, t->st) < 0)
		return dv_err_sys("cannot look at '%s'", t->path);
	return fresh && mode == DV_LINK_HARDLINK ? DV_TAKE_DONE : DV_TAKE_RELINK;
}

static int open_tmp(taking *t)
{
	t->tmpfd = dv_fs_openat(AT_FDCWD, t->tmp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (t->tmpfd >= 0)
		return 0;
	free(t->tmp);
	t->tmp = NULL;
	return dv_err_sys("cannot create a file in '%s'", dv_store_dir(t->l->store));
}

/* A clone, or from another file system a copy, becomes the whole file. */
static int take_clone(taking *t, enum dv_link_mode mode)
{
	struct stat now, whole;
	bool fresh = true;
	int rc = open_tmp(t);

	if (rc < 0)
		return rc;
	if (mode == DV_LINK_REFLINK && dv_fs_clone(t->fd, t->tmpfd) < 0)
		return dv_link_is_refused(errno) ? DV_LINK_REFUSED + errno :
		       dv_err_sys("cannot clone '%s'", t->path);
	if (mode != DV_LINK_REFLINK &&
	    dv_fs_copy(t->fd, t->tmpfd, (uint64_t)t->st->st_size) < 0)
		return dv_err_sys("cannot copy '%s' into the cache", t->path);
	if (dv_fs_fchmod(t->tmpfd, dv_workdir_mode(t->st->st_mode & S_IXUSR) & 0555) < 0)
		return dv_err_sys("cannot protect '%s'", t->tmp);
	rc = dv_ingest_whole(t->in, t->worker, t->tmpfd, t->path, &t->table, t->oid, &whole);
	if (rc < 0)
		return rc;
	if (fstat(t->fd, &now) < 0)
		return dv_err_sys("cannot look at '%s'", t->path);
	if (now.st_size != t->st->st_size || now.st_mtim.tv_sec != t->st->st_mtim.tv_sec ||
	    now.st_mtim.tv_nsec != t->st->st_mtim.tv_nsec)
		return dv_err(DV_ETRANSIENT, "file '%s' changed while it was read", t->path);
	if (!dv_store_has_whole(t->l->store, t->oid, NULL)) {
		if ((rc = dv_links_claim(t->l, t->oid, &fresh)) < 0)
			return rc;
		if (fresh && (rc = hand_over(t, t->tmpfd, &whole)) != 0)
			return rc < 0 ? rc : DV_TAKE_NOT;
	}
	return mode == DV_LINK_SYMLINK ? DV_TAKE_RELINK : DV_TAKE_DONE;
}

static int take(taking *t, enum dv_link_mode mode)
{
	int rc;

	t->tmp = dv_store_whole_tmp(t->l->store);
	t->fd = dv_fs_openat(t->dirfd, t->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (!t->tmp)
		return dv_err_nomem();
	if (t->fd < 0 || fstat(t->fd, t->st) < 0) {
		free(t->tmp);
		t->tmp = NULL;
		return dv_err_sys("cannot open '%s'", t->path);
	}
	if (!S_ISREG(t->st->st_mode) || !dv_links_wanted(t->l, (uint64_t)t->st->st_size)) {
		free(t->tmp);
		t->tmp = NULL;
		return DV_TAKE_NOT;
	}
	if (mode == DV_LINK_REFLINK)
		return take_clone(t, mode);
	rc = take_inode(t, mode);
	if (rc != DV_LINK_REFUSED + EXDEV || mode != DV_LINK_SYMLINK)
		return rc;
	t->tmp = dv_store_whole_tmp(t->l->store);
	return t->tmp ? take_clone(t, mode) : dv_err_nomem();
}

int dv_links_take(dv_links *l, dv_ingest *in, dv_writer *w, int worker, int dirfd,
		  const char *name, const char *path, dv_oid *oid, struct stat *st)
{
	for (;;) {
		__attribute__((cleanup(taking_release))) taking t = {
			.l = l, .in = in, .w = w, .worker = worker, .dirfd = dirfd, .name = name,
			.path = path, .oid = oid, .st = st, .fd = -1, .tmpfd = -1
		};
		enum dv_link_mode mode = dv_links_mode(l);
		int rc = mode == DV_LINK_COPY ? DV_TAKE_NOT : take(&t, mode);

		if (rc < DV_LINK_REFUSED)
			return rc;
		dv_links_give_up(l, mode, rc - DV_LINK_REFUSED);
	}
}

/* -- from chunks ------------------------------------------------------------------------------- */

static int make(taking *t, dv_reader *r, dv_pool *pool, uint64_t size, bool executable)
{
	dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;
	int rc = open_tmp(t);

	if (rc == 0 && dv_fs_fchmod(t->tmpfd, dv_workdir_mode(executable) & 0555) < 0)
		rc = dv_err_sys("cannot protect '%s'", t->tmp);
	if (rc == 0)
		rc = pool ? dv_object_write_large(t->l->store, pool, t->oid, size, t->tmpfd)
			  : dv_object_write(r, t->oid, size, t->tmpfd);
	if (rc == 0)
		rc = dv_recipe_load(&recipe, r, t->oid);
	if (rc == 0)
		rc = dv_whole_table(&t->table, &recipe);
	return rc < 0 ? rc : hand_over(t, t->tmpfd, t->st);
}

int dv_links_make(dv_links *l, dv_writer *w, dv_reader *r, dv_pool *pool, const dv_oid *oid,
		  uint64_t size, bool executable)
{
	dv_oid own = *oid;
	struct stat st;
	__attribute__((cleanup(taking_release))) taking t = { .l = l, .w = w, .oid = &own,
							      .st = &st, .fd = -1, .tmpfd = -1 };
	bool fresh = false;
	int rc;

	if (!dv_links_wanted(l, size) || dv_store_has_whole(l->store, oid, NULL))
		return 0;
	if ((rc = dv_links_claim(l, oid, &fresh)) < 0 || !fresh)
		return rc;
	if (!(t.tmp = dv_store_whole_tmp(l->store)))
		return dv_err_nomem();
	rc = make(&t, r, pool, size, executable);
	return rc < 0 ? rc : 0;
}
