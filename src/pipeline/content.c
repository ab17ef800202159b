/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content by path. Single files are looked up in the stat cache here, by their own row or by that
 * of their folder: a scan is for what must be read, and for directories.
 */
#include "pipeline/content.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "base/path.h"
#include "base/sha256.h"
#include "repo/graft.h"
#include "store/object.h"


#define KNOWN_FILES 2048	/* in a directory that is looked at without the pool */
#define KNOWN_DEPTH 16

typedef struct seen {
	char *path;
	dv_content now;
	bool known;
} seen;

struct dv_contents {
	dv_repo *repo;
	dv_statcache *cache;
	dv_reader *reader;
	dv_scan *scan;
	char *scanned;		/* the directory that the scan holds, or NULL */
	int rootfd;
	seen *s;
	size_t n, cap;
	dv_map by_path;		/* SHA-256 of a path -> its index */
	char *row_dir;		/* whose row is `row`; NULL when none */
	dv_dircache row;
	bool has_row;
};

int dv_contents_new(dv_contents **out, dv_repo *r, dv_pool *pool, dv_reader *reader)
{
	dv_autoptr(dv_contents) c = dv_calloc(1, sizeof(*c));
	int rc;

	*out = NULL;
	if (!c)
		return DV_ERROR;
	c->repo = r;
	c->reader = reader;
	c->rootfd = dv_fs_openat(AT_FDCWD, r->root, O_RDONLY | O_DIRECTORY, 0);
	if (c->rootfd < 0)
		return dv_err_sys("cannot open the workspace '%s'", r->root);
	if ((rc = dv_repo_statcache(r, &c->cache)) || (rc = dv_scan_new(&c->scan, r, pool, NULL)))
		return rc;
	dv_statcache_preload(c->cache, "");
	*out = dv_steal(&c);
	return 0;
}

static void drop_row(dv_contents *c)
{
	if (c->has_row)
		dv_dircache_release(&c->row);
	c->has_row = false;
	free(dv_steal(&c->row_dir));
}

void dv_contents_free(dv_contents *c)
{
	if (!c)
		return;
	drop_row(c);
	dv_scan_free(c->scan);
	for (size_t i = 0; i < c->n; i++)
		free(c->s[i].path);
	free(c->s);
	free(c->scanned);
	dv_map_release(&c->by_path);
	if (c->rootfd >= 0)
		close(c->rootfd);
	free(c);
}

/* -- what is known ---------------------------------------------------------------------------- */

static seen *find(dv_contents *c, const char *path)
{
	dv_oid key;
	uint64_t i;

	dv_sha256(&key, path, strlen(path));
	return dv_map_get(&c->by_path, &key, &i) ? &c->s[i] : NULL;
}

int dv_contents_set(dv_contents *c, const char *path, const dv_content *now)
{
	seen *s = find(c, path);
	dv_oid key;
	int rc;

	if (!s) {
		dv_sha256(&key, path, strlen(path));
		if ((rc = dv_grow(&c->s, &c->cap, c->n + 1, sizeof(*c->s))) ||
		    (rc = dv_map_put(&c->by_path, &key, c->n)))
			return rc;
		s = &c->s[c->n];
		*s = (seen){ .path = dv_strdup(path) };
		if (!s->path) {
			dv_map_remove(&c->by_path, &key);
			return DV_ERROR;
		}
		c->n++;
	}
	s->now = *now;
	s->known = true;
	return 0;
}

void dv_contents_forget(dv_contents *c, const char *path)
{
	for (size_t i = 0; i < c->n; i++)
		if (dv_path_below(c->s[i].path, path, NULL) ||
		    dv_path_below(path, c->s[i].path, NULL))
			c->s[i].known = false;
	free(dv_steal(&c->scanned));
	drop_row(c);
}

int dv_contents_remember(dv_contents *c)
{
	return dv_scan_remember(c->scan);
}

/* -- looking ---------------------------------------------------------------------------------- */

static bool take(const dv_dircache *row, const dv_cached_file *f, const struct stat *st,
		 dv_content *out)
{
	if (!f || f->ino == 0 || (f->kind != 'f' && f->kind != 'x') ||
	    !dv_cached_file_is(row, f, st))
		return false;
	*out = (dv_content){ f->kind, f->oid, f->size, 1 };
	return true;
}

/* Does the stat cache vouch for the file? */
static bool look_up(dv_contents *c, const char *path, const struct stat *st, dv_content *out)
{
	dv_auto(dv_dircache) own = DV_DIRCACHE_INIT;
	dv_autofree char *dir = dv_path_dir(path);
	const char *folder = dir && strcmp(dir, ".") ? dir : "";

	if (dv_statcache_get(c->cache, path, &own) && own.n == 1 && !own.has_tree &&
	    take(&own, &own.files[0], st, out))
		return true;
	if (!dir)
		return false;
	if (!c->row_dir || strcmp(c->row_dir, folder) != 0) {
		drop_row(c);
		c->row = (dv_dircache)DV_DIRCACHE_INIT;
		c->has_row = dv_statcache_get(c->cache, folder, &c->row);
		c->row_dir = dv_strdup(folder);
	}
	return c->has_row && c->row.has_tree &&
	       take(&c->row, dv_dircache_find(&c->row, dv_path_base(path)), st, out);
}

/* -- directories as they were ------------------------------------------------------------------ */

/* Does the folder have nothing but what the row names? What .dvignore excludes does not count. */
static bool has_no_more(const dv_contents *c, const char *path, int fd, const dv_dircache *row)
{
	dv_autoclose int own = dup(fd);
	DIR *d = own < 0 ? NULL : fdopendir(own);
	const struct dirent *e;
	bool good = d != NULL;

	if (!d)
		return false;
	(void)dv_steal_fd(&own);
	while (good && (e = readdir(d))) {
		dv_autofree char *inner = NULL;
		bool dir = e->d_type == DT_DIR;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    dv_dircache_find(row, e->d_name))
			continue;
		inner = dv_path_join(path, e->d_name);
		good = inner && e->d_type != DT_UNKNOWN &&
		       dv_ignore_match_here(c->repo->ignore, inner, dir, NULL);
	}
	closedir(d);
	return good;
}

/* Is a directory, and all that is in it, as the stat cache remembers it? That spares small ones the
 * way through the pool. False also when it would take long to find out. */
static bool is_as_known(const dv_contents *c, const char *path, int fd, unsigned depth,
			dv_dircache *row, const dv_oid *tree)
{
	if (depth > KNOWN_DEPTH || !dv_statcache_get(c->cache, path, row) || !row->has_tree ||
	    row->n > KNOWN_FILES || (tree && !dv_oid_eq(tree, &row->tree)))
		return false;
	for (size_t i = 0; i < row->n; i++) {
		const dv_cached_file *f = &row->files[i];
		struct stat st;

		if (fstatat(fd, f->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return false;
		if (f->kind == 'd' && S_ISDIR(st.st_mode)) {
			dv_auto(dv_dircache) inner = DV_DIRCACHE_INIT;
			dv_autofree char *sub = dv_path_join(path, f->name);
			dv_autoclose int subfd = dv_fs_openat(fd, f->name, O_RDONLY | O_DIRECTORY |
							      O_NOFOLLOW, 0);

			if (!sub || subfd < 0 ||
			    !is_as_known(c, sub, subfd, depth + 1, &inner, &f->oid))
				return false;
		} else if (f->ino == 0 || !dv_cached_file_is(row, f, &st)) {
			return false;
		}
	}
	return has_no_more(c, path, fd, row);
}

static bool look_up_dir(dv_contents *c, const char *path, dv_content *out)
{
	dv_auto(dv_dircache) row = DV_DIRCACHE_INIT;
	dv_autoclose int fd = -1;
	bool known = dv_workdir_open(&fd, c->rootfd, path, false) == 0 &&
		     is_as_known(c, path, fd, 0, &row, NULL);

	dv_error_clear();
	if (known)
		*out = (dv_content){ 'd', row.tree, row.size, row.nfiles };
	return known;
}

/* -- looking further --------------------------------------------------------------------------- */

static int look_outside(const char *path, dv_content *out)
{
	dv_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	*out = (dv_content){ 0 };
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return dv_err_sys("cannot read '%s'", path);
	if (S_ISDIR(st.st_mode))
		return dv_err_hint(dv_err(DV_ERROR, "'%s' is a directory outside the workspace",
					  path),
				   "only single files can be depended on there");
	if (!S_ISREG(st.st_mode))
		return dv_err(DV_ERROR, "'%s' is no regular file", path);
	*out = (dv_content){ .kind = 'f', .nfiles = 1 };
	int rc = dv_hash_file(fd, path, &out->oid, &st);
	out->size = rc ? 0 : (uint64_t)st.st_size;
	return rc;
}

/* Where a path leads that is a link, or goes through one. */
static int look_through(dv_contents *c, const char *path, dv_content *out)
{
	dv_autofree char *abs = dv_repo_abs(c->repo, path);
	dv_autofree char *real = abs ? realpath(abs, NULL) : NULL;
	const char *rest = NULL;

	*out = (dv_content){ 0 };
	if (!abs)
		return DV_ERROR;
	if (!real)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
			       ? 0 : dv_err_sys("cannot look at '%s'", path);
	if (!dv_path_below(real, c->repo->root, &rest))
		return look_outside(real, out);
	return dv_contents_get(c, rest, out);
}

static int scan(dv_contents *c, const char *path, dv_content *out)
{
	dv_scanned now;
	int rc = 0;

	if (!c->scanned || !dv_path_below(path, c->scanned, NULL) ||
	    !dv_scan_find(c->scan, path, &now)) {
		rc = dv_scan_path(c->scan, path, &now);
		free(dv_steal(&c->scanned));
		if (rc)
			return rc;
		if (now.kind == 'd' && !(c->scanned = dv_strdup(path)))
			return DV_ERROR;
	}
	if (now.kind == 'l')
		return look_through(c, path, out);
	*out = (dv_content){ now.kind, now.oid, now.size, now.nfiles };
	return 0;
}

/* In a directory that was looked at and is in the store it need not be looked at by itself. */
static bool look_inside(dv_contents *c, const char *path, dv_content *out)
{
	dv_autofree char *dir = dv_path_dir(path);
	bool found = false;

	while (dir && !found && strcmp(dir, ".") != 0 && strcmp(dir, "/") != 0) {
		const seen *s = find(c, dir);
		dv_tree_entry e;

		if (s && s->known && s->now.kind == 'd' &&
		    dv_store_has_object(dv_reader_store(c->reader), &s->now.oid)) {
			if (dv_tree_lookup(&e, c->reader, &s->now.oid, path + strlen(dir) + 1) ||
			    e.kind == 'l')
				break;
			*out = (dv_content){ e.kind, e.oid, e.size, e.nfiles };
			found = true;
		}
		char *up = dv_path_dir(dir);
		free(dir);
		dir = up;
	}
	dv_error_clear();
	return found;
}

static int look(dv_contents *c, const char *path, dv_content *out)
{
	struct stat st;
	int rc;

	*out = (dv_content){ 0 };
	if (*path == '/')
		return look_outside(path, out);
	if (look_inside(c, path, out))
		return 0;
	rc = dv_workdir_stat(&st, c->rootfd, path);
	if (rc == DV_EUNSAFE) {
		dv_error_clear();
		return look_through(c, path, out);
	}
	if (rc == DV_ENOTFOUND) {
		dv_error_clear();
		return 0;
	}
	if (rc)
		return rc;
	if (S_ISREG(st.st_mode) ? look_up(c, path, &st, out) :
	    S_ISDIR(st.st_mode) && look_up_dir(c, path, out))
		return 0;
	return scan(c, path, out);
}

int dv_contents_get(dv_contents *c, const char *path, dv_content *out)
{
	const seen *s = find(c, path);
	int rc;

	if (s && s->known) {
		*out = s->now;
		return 0;
	}
	rc = look(c, path, out);
	return rc ? rc : dv_contents_set(c, path, out);
}

/* Bytes, '/' before all others: a folder comes right before what is in it. */
static int by_path(const void *pa, const void *pb)
{
	const char *a = *(const char *const *)pa, *b = *(const char *const *)pb;

	while (*a && *a == *b)
		a++, b++;
	unsigned x = *a == '/' ? 1 : *a ? (unsigned char)*a + 1u : 0;
	unsigned y = *b == '/' ? 1 : *b ? (unsigned char)*b + 1u : 0;

	return (x > y) - (x < y);
}

int dv_contents_learn(dv_contents *c, const char **paths, size_t n)
{
	dv_content now;
	int rc = 0;

	if (n)
		qsort(paths, n, sizeof(*paths), by_path);
	for (size_t i = 0; rc == 0 && i < n; i++)
		if ((rc = dv_check_cancel()) == 0 &&
		    (rc = dv_contents_get(c, paths[i], &now)) && rc != DV_ECANCELLED) {
			/* Found again by who asks for this one. */
			dv_error_clear();
			rc = 0;
		}
	return rc ? rc : dv_contents_remember(c);
}
