/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files as containers: the seal, and what is believed of a file that others can reach. */
#include "store/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"
#include "store/care_impl.h"
#include "store/store_priv.h"

#define SETTLED_S 2	/* seconds after which a time of change is certain to be old */

enum { UNKNOWN, INTACT, CHANGED };

long dv_whole_stamp(const dv_oid *oid)
{
	return (long)(dv_get_u32(oid->b) % 1000000000u);
}

bool dv_whole_is_sealed(const struct stat *st, const dv_oid *oid)
{
	return st->st_mtim.tv_nsec == dv_whole_stamp(oid);
}

/* Sets the seal; the seconds stay. 1 when it does not hold. */
static int stamp(int fd, const char *path, const dv_oid *oid, struct stat *st)
{
	struct timespec t[2] = { { .tv_nsec = UTIME_OMIT }, st->st_mtim };

	t[1].tv_nsec = dv_whole_stamp(oid);
	if (dv_fs_utimensat(AT_FDCWD, path, t, AT_SYMLINK_NOFOLLOW) < 0 || fstat(fd, st) < 0)
		return dv_err_sys("cannot set the time of '%s'", path);
	return dv_whole_is_sealed(st, oid) ? 0 : 1;
}

int dv_whole_seal(int fd, const char *path, const dv_oid *oid, struct stat *st)
{
	int rc;

	if (fstat(fd, st) < 0)
		return dv_err_sys("cannot look at '%s'", path);
	if ((st->st_mode & 07777 & ~(mode_t)0555) && dv_fs_fchmod(fd, st->st_mode & 0555) < 0)
		return dv_err_sys("cannot protect '%s'", path);
	rc = stamp(fd, path, oid, st);
	if (rc)
		return rc;
	return dv_fs_fsync(fd) < 0 ? dv_err_sys("cannot sync '%s'", path) : 0;
}

/* -- names ------------------------------------------------------------------------------------- */

char *dv_store_whole_path(const dv_store *s, const dv_oid *oid)
{
	return dv_store_path(s, "files", oid, true);
}

char *dv_store_whole_tmp(const dv_store *s)
{
	char name[sizeof("files/.dv-tmp-") + 16];
	uint64_t id;

	if (dv_random(&id, sizeof(id)) < 0)
		return NULL;
	snprintf(name, sizeof(name), "files/.dv-tmp-%016llx", (unsigned long long)id);
	return dv_path_join(s->dir, name);
}

dv_container dv_whole_container(const dv_oid *oid, const struct stat *st)
{
	return (dv_container){ .id = *oid, .size = (uint64_t)st->st_size,
			       .kind = DV_CONTAINER_FILE };
}

/* -- belief ------------------------------------------------------------------------------------ */

static bool same_times(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* The seal is broken: the bytes decide. A touch is mended where that is possible. */
static bool has_its_bytes(int fd, const char *path, const dv_container *c, struct stat *st)
{
	struct stat now;
	dv_oid is;

	if (dv_hash_file(fd, path, &is, &now) < 0 || !dv_oid_eq(&is, &c->id) ||
	    !same_times(&now, st))
		return false;
	if (now.st_mtim.tv_sec < time(NULL) - SETTLED_S)
		(void)(stamp(fd, path, &c->id, st) != 0);
	return true;
}

/* Only what is not there is missing: that a file cannot be opened says nothing of its content. */
static bool is_gone(int err)
{
	return err == ENOENT || err == ENOTDIR || err == ELOOP;
}

static uint64_t look(dv_store *s, const dv_container *c)
{
	dv_autofree char *path = dv_store_container_path(s, c);
	dv_autoclose int fd = -1;
	dv_error kept;
	struct stat st;
	bool good;

	if (!path)
		return UNKNOWN;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && !is_gone(errno)) {
		if (!s->unlooked)
			dv_warn("cannot look at '%s' in the cache: %s", path, strerror(errno));
		s->unlooked = errno;
		return UNKNOWN;
	}
	dv_error_take(&kept);
	good = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       (uint64_t)st.st_size == c->size &&
	       (dv_whole_is_sealed(&st, &c->id) || has_its_bytes(fd, path, c, &st));
	dv_error_clear();
	dv_error_put(&kept);
	if (!good)
		dv_warn("'%s' in the cache %s, so what it held counts as missing; "
			"'dv fsck --repair' brings back what a remote has",
			path, fd < 0 ? "is gone" : "was changed by another program");
	return good ? INTACT : CHANGED;
}

bool dv_whole_intact(const dv_store *s, const dv_container *c)
{
	/* The memory of earlier looks is no part of what a const store promises. */
	dv_store *own = (dv_store *)(uintptr_t)s;
	uint64_t known = UNKNOWN;

	pthread_mutex_lock(&own->whole_lock);
	if (!dv_map_get(&own->wholes, &c->id, &known)) {
		known = look(own, c);
		if (known != UNKNOWN && dv_map_put(&own->wholes, &c->id, known) < 0)
			dv_error_clear();
	}
	pthread_mutex_unlock(&own->whole_lock);
	return known != CHANGED;
}

int dv_whole_check_looks(dv_store *s)
{
	int err;

	pthread_mutex_lock(&s->whole_lock);
	err = s->unlooked;
	pthread_mutex_unlock(&s->whole_lock);
	if (!err)
		return 0;
	return dv_err_hint(dv_err(DV_ERROR, "cannot tell what the files kept whole in '%s' hold: "
				  "%s", s->dir, strerror(err)),
			   "make the files readable, or allow more open files, and run the "
			   "command again");
}

void dv_whole_forget(dv_store *s, const dv_oid *oid)
{
	pthread_mutex_lock(&s->whole_lock);
	dv_map_remove(&s->wholes, oid);
	pthread_mutex_unlock(&s->whole_lock);
}

int dv_whole_put_aside(dv_store *s, const dv_container *c, const char *path)
{
	dv_autofree char *dir = dv_path_join(s->dir, "damaged"), *to = NULL;
	uint64_t known = 0;
	struct stat st;
	int rc;

	pthread_mutex_lock(&s->whole_lock);
	(void)dv_map_get(&s->wholes, &c->id, &known);
	pthread_mutex_unlock(&s->whole_lock);
	if (known != CHANGED || lstat(path, &st) < 0)
		return 0;
	to = dir ? dv_path_join(dir, dv_path_base(path)) : NULL;
	if (!to)
		return DV_ERROR;
	rc = dv_fs_mkdirs(dir);
	if (rc == 0 && dv_fs_linkat(AT_FDCWD, path, AT_FDCWD, to) < 0 && errno != EEXIST)
		rc = dv_err_sys("cannot put '%s' aside", path);
	return rc;
}

/* The container of that id, when the log has it as a whole file. */
static bool find_whole(const dv_store *s, const dv_oid *oid, dv_container *out)
{
	pthread_rwlock_t *lock = (pthread_rwlock_t *)(uintptr_t)&s->lock;
	dv_oid key = dv_container_key(DV_CONTAINER_FILE, oid);
	uint64_t at;
	bool found;

	pthread_rwlock_rdlock(lock);
	found = dv_map_get(&s->state.packs, &key, &at);
	if (found)
		*out = s->state.containers[at];
	pthread_rwlock_unlock(lock);
	return found;
}

bool dv_store_has_whole(const dv_store *s, const dv_oid *oid, struct stat *st)
{
	dv_autofree char *path = NULL;
	dv_container c;

	if (!find_whole(s, oid, &c) || !dv_whole_intact(s, &c))
		return false;
	if (!st)
		return true;
	path = dv_store_container_path(s, &c);
	return path && lstat(path, st) == 0 && S_ISREG(st->st_mode);
}

bool dv_store_wholes_intact(const dv_store *s)
{
	bool good = true;

	for (size_t i = 0; i < s->state.ncontainers; i++)
		if (s->state.containers[i].kind == DV_CONTAINER_FILE)
			good = dv_whole_intact(s, &s->state.containers[i]) && good;
	return good;
}

/* True unless the object's whole file was changed and its chunks are nowhere else. */
bool dv_whole_chunks_there(const dv_store *s, const dv_oid *oid)
{
	dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;
	dv_autoptr(dv_reader) r = NULL;
	dv_container c;
	dv_error kept;
	dv_place at;
	bool there;

	if (!find_whole(s, oid, &c) || dv_whole_intact(s, &c))
		return true;
	dv_error_take(&kept);
	there = dv_reader_new(&r, (dv_store *)(uintptr_t)s) == 0 &&
		dv_recipe_load(&recipe, r, oid) == 0;
	for (size_t i = 0; there && i < recipe.n; i++)
		there = dv_store_find(s, DV_KIND_CHUNK, &recipe.c[i].id, &at);
	dv_error_clear();
	dv_error_put(&kept);
	return there;
}

/* -- tables ------------------------------------------------------------------------------------ */

static int by_id(const void *a, const void *b)
{
	const dv_pack_entry *x = a, *y = b;
	int cmp = dv_oid_cmp(&x->id, &y->id);

	return cmp ? cmp : x->offset < y->offset ? -1 : x->offset > y->offset;
}

int dv_whole_table(dv_pack_footer *out, const dv_recipe *r)
{
	uint64_t offset = 0;
	size_t n = 0;

	*out = (dv_pack_footer)DV_PACK_FOOTER_INIT;
	out->e = dv_calloc(r->n + 1, sizeof(*out->e));
	if (!out->e)
		return DV_ERROR;
	for (size_t i = 0; i < r->n; offset += r->c[i++].len)
		out->e[i] = (dv_pack_entry){ .id = r->c[i].id, .offset = offset,
					     .stored = r->c[i].len, .raw = r->c[i].len,
					     .kind = DV_KIND_CHUNK };
	if (r->n)
		qsort(out->e, r->n, sizeof(*out->e), by_id);
	/* Of a chunk that occurs twice the first place counts. */
	for (size_t i = 0; i < r->n; i++)
		if (!n || !dv_oid_eq(&out->e[n - 1].id, &out->e[i].id))
			out->e[n++] = out->e[i];
	out->n = n;
	return 0;
}
