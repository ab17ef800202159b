/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copy of a remote for those who look for damage: files as they are, whatever is in them, in a
 * folder that opens as a store. By default packs come without their chunks: header, recipes and
 * footer stand at their places in a file with holes, which is all that their names are made of.
 * Nothing is listed: the log names everything, so this works through every driver.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/path.h"
#include "transfer/internal.h"

#define TAIL ((uint64_t)64 << 10)
#define GAP ((uint64_t)256 << 10)	/* recipes as near as this come with what is between */
#define QUEUE 64

typedef struct replica {
	dv_remote_store *r;
	const char *dir;
	bool full;
	dv_log_state state;
	dv_pool *pool;
} replica;

static void replica_release(replica *c)
{
	dv_pool_free(c->pool);
	dv_log_state_release(&c->state);
}

typedef struct to_file {
	int fd;
	uint64_t at;
	const char *name;
} to_file;

static int sink(const void *p, size_t n, void *payload)
{
	to_file *t = payload;

	if (lseek(t->fd, (off_t)t->at, SEEK_SET) < 0 || dv_fs_write_all(t->fd, p, n))
		return dv_err_sys("cannot write a copy of '%s'", t->name);
	t->at += n;
	return 0;
}

/* Bytes [at, at + n) to the same place. */
static int bring(replica *c, const char *name, int fd, uint64_t at, uint64_t n)
{
	to_file t = { fd, at, name };
	int rc = c->r->r->driver->get(c->r->r, name, at, n, sink, &t);

	return rc && rc != DV_ENOTFOUND ? dv_err_ctx(rc, "remote '%s'", c->r->name) : rc;
}

static int create(const replica *c, const char *name)
{
	dv_autofree char *path = dv_path_join(c->dir, name), *dir = path ? dv_path_dir(path) : NULL;

	if (!dir || dv_fs_mkdirs(dir))
		return DV_ERROR;
	int fd = dv_fs_openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return fd < 0 ? dv_err_sys("cannot create '%s'", path) : fd;
}

/* A file that is not there is not there in the copy: DV_ENOTFOUND. */
static int copy_file(replica *c, const char *name)
{
	uint64_t size;
	int rc = c->r->r->driver->stat(c->r->r, name, &size);

	if (rc)
		return rc == DV_ENOTFOUND ? rc : dv_err_ctx(rc, "remote '%s'", c->r->name);
	dv_autoclose int fd = create(c, name);
	return fd < 0 ? fd : bring(c, name, fd, 0, UINT64_MAX);
}

static int compare_offsets(const void *a, const void *b)
{
	const dv_pack_entry *x = *(const dv_pack_entry *const *)a;
	const dv_pack_entry *y = *(const dv_pack_entry *const *)b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

static int copy_recipes(replica *c, const char *name, int fd, const dv_pack_footer *f)
{
	dv_autofree const dv_pack_entry **e = dv_reallocarray(NULL, f->n + 1, sizeof *e);
	size_t n = 0;
	int rc = e ? 0 : DV_ERROR;

	for (size_t i = 0; rc == 0 && i < f->n; i++)
		if (f->e[i].kind == DV_KIND_RECIPE)
			e[n++] = &f->e[i];
	if (n)
		qsort(e, n, sizeof *e, compare_offsets);
	for (size_t i = 0, k; rc == 0 && i < n; i = k) {
		uint64_t end = e[i]->offset + e[i]->stored;

		for (k = i + 1; k < n && e[k]->offset - end <= GAP; k++)
			end = e[k]->offset + e[k]->stored;
		rc = bring(c, name, fd, e[i]->offset, end - e[i]->offset);
	}
	return rc;
}

/* The end of the pack, as far as it is one; what is wrong with it is found by who checks the
 * copy. */
static int copy_end(replica *c, const char *name, int fd, uint64_t size)
{
	dv_auto(dv_pack_footer) f = DV_PACK_FOOTER_INIT;
	uint64_t n = size < TAIL ? size : TAIL;
	size_t need = 0, got;

	for (int i = 0; i < 2; i++) {
		dv_auto(dv_buf) b = DV_BUF_INIT;
		int rc = bring(c, name, fd, size - n, n);

		if (rc || (rc = dv_buf_reserve(&b, (size_t)n)))
			return rc;
		if (dv_fs_pread_all(fd, b.p, (size_t)n, (off_t)(size - n), &got) < 0)
			return dv_err_sys("cannot read a copy of '%s'", name);
		rc = dv_pack_footer_parse(&f, (const uint8_t *)b.p, got, size, &need);
		if (rc == 0 && need == 0)
			return copy_recipes(c, name, fd, &f);
		if (rc || need > size || need > DV_FOOTER_MAX)
			break;
		n = need;
	}
	dv_error_clear();
	return 0;
}

static int copy_container(replica *c, const dv_container *in)
{
	char name[DV_NAME_ROOM];
	uint64_t size;

	dv_remote_container_name(name, in);
	if (c->full || in->kind != DV_CONTAINER_PACK)
		return copy_file(c, name);
	int rc = c->r->r->driver->stat(c->r->r, name, &size);
	if (rc)
		return rc == DV_ENOTFOUND ? rc : dv_err_ctx(rc, "remote '%s'", c->r->name);
	dv_autoclose int fd = create(c, name);
	if (fd < 0)
		return fd;
	if (dv_fs_ftruncate(fd, (off_t)size))
		return dv_err_sys("cannot write a copy of '%s'", name);
	if (size < DV_PACK_HEADER)
		return 0;
	rc = bring(c, name, fd, 0, DV_PACK_HEADER);
	return rc ? rc : copy_end(c, name, fd, size);
}

/* -- many at once ------------------------------------------------------------------------------ */

typedef struct job {
	replica *c;
	char name[DV_NAME_ROOM];	/* or, when it is empty: */
	dv_container in;
} job;

static int job_run(void *arg, int worker)
{
	dv_autofree job *j = arg;

	(void)worker;
	int rc = j->name[0] ? copy_file(j->c, j->name) : copy_container(j->c, &j->in);
	if (rc == DV_ENOTFOUND) {
		dv_error_clear();
		rc = 0;
	}
	return rc;
}

static int submit(replica *c, const char *name, const dv_container *in)
{
	job *j = dv_calloc(1, sizeof *j);

	if (!j)
		return DV_ERROR;
	j->c = c;
	if (name)
		snprintf(j->name, sizeof j->name, "%s", name);
	else
		j->in = *in;
	int rc = dv_pool_submit(c->pool, job_run, j);
	if (rc)
		free(j);
	return rc;
}

/* The log ends at the first entry that is not there; what comes behind one that cannot be read
 * names files that this copy lacks. */
static int copy_log(replica *c)
{
	bool readable = true;
	int rc = 0;

	for (uint64_t number = 1; rc == 0; number++) {
		dv_auto(dv_log_entry) e = DV_LOG_ENTRY_INIT;
		dv_auto(dv_buf) b = DV_BUF_INIT;
		char name[DV_NAME_ROOM], tail[DV_LOG_NAME_LEN + 1];

		dv_log_name(tail, number);
		snprintf(name, sizeof name, "log/%s", tail);
		if ((rc = dv_check_cancel()) ||
		    (rc = dv_remote_get_file(c->r, name, DV_LOG_ENTRY_MAX, &b)))
			break;
		dv_autoclose int fd = create(c, name);
		to_file t = { fd, 0, name };
		if (fd < 0 || (rc = sink(b.p, b.n, &t)))
			return fd < 0 ? fd : rc;
		readable = readable && dv_log_entry_parse(&e, dv_buf_str(&b), b.n) == 0 &&
			   dv_log_apply(&c->state, number, &e) == 0;
		dv_error_clear();
	}
	if (rc == DV_ENOTFOUND)
		dv_error_clear();
	return rc == DV_ENOTFOUND ? 0 : rc;
}

static int copy_all(replica *c)
{
	static const char *const dirs[] = { "packs", "index", "log", "files" };
	int rc = copy_file(c, DV_STORE_DESCRIPTION);

	if (rc == DV_ENOTFOUND)
		return dv_err(rc, "remote '%s' is empty or not there", c->r->name);
	for (size_t i = 0; rc == 0 && i < sizeof dirs / sizeof *dirs; i++) {
		dv_autofree char *path = dv_path_join(c->dir, dirs[i]);

		rc = path ? dv_fs_mkdirs(path) : DV_ERROR;
	}
	if (rc == 0)
		rc = copy_log(c);
	for (size_t i = 0; rc == 0 && i < c->state.nsegments; i++) {
		char name[DV_NAME_ROOM], hex[DV_OID_HEX_SIZE + 1];

		dv_oid_hex(hex, &c->state.segments[i]);
		snprintf(name, sizeof name, "index/%s", hex);
		rc = submit(c, name, NULL);
	}
	for (size_t i = 0; rc == 0 && i < c->state.ncontainers; i++)
		rc = submit(c, NULL, &c->state.containers[i]);
	int end = dv_pool_wait(c->pool);
	return rc ? rc : end;
}

int dv_transfer_replica(const dv_remote_options *o, const char *dir, bool full)
{
	dv_autoptr(dv_remote_store) r = NULL;
	int rc = dv_remote_place_open(&r, o);

	if (rc == 0 && !r->r)
		rc = dv_err(DV_ENOTFOUND, "remote '%s' is not there", r->name);
	if (rc)
		return rc;
	__attribute__((cleanup(replica_release))) replica c = { .r = r, .dir = dir, .full = full };
	rc = dv_pool_new(&c.pool, dv_wrap_jobs(r->r, 0), QUEUE);
	return rc ? rc : copy_all(&c);
}
