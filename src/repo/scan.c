/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scanning in three steps: (1) walk, one job per directory, comparing with the stat cache; (2) read
 * the files that it does not vouch for, small ones in batches in the pool, large ones one after the
 * other with the whole pool each; (3) name the trees from the leaves up, on the calling thread. A
 * directory in which nothing changed keeps the tree oid that the cache has for it.
 */
#include "repo/scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/progress.h"
#include "base/sha256.h"
#include "repo/record.h"
#include "repo/workdir.h"
#include "store/object.h"

#define READ_TRIES 3
#define BATCH_FILES 64
#define BATCH_BYTES (2u << 20)

typedef struct entry {
	dv_cached_file f;
	uint64_t nfiles;
	bool todo;		/* the content must be read */
} entry;

/* One directory, or an output that is one file. */
typedef struct node {
	char *path;		/* root-relative */
	struct node *parent;
	size_t slot;		/* of this directory's entry in its parent */
	unsigned depth;
	_Atomic bool dirty;	/* differs from what the stat cache has */
	bool stale;		/* changed since its tree was named */
	dv_buf names;		/* behind e[i].f.name */
	entry *e;		/* sorted by name */
	size_t n, cap;
	size_t sorted;		/* how many of them stand in order */
	uint64_t dev;
	dv_oid tree;
	uint64_t size, nfiles;
	bool dir;		/* false: the one file of an output that is a file */
	dv_scan *scan;
} node;

typedef struct large_file {
	node *dir;
	size_t i;
} large_file;

struct dv_scan {
	dv_repo *repo;
	dv_statcache *cache;
	dv_pool *pool;
	dv_writer *writer;
	dv_ingest *ingest;
	dv_encoder *enc;
	dv_store *store;
	int rootfd;
	char *base;		/* path of the last scan */
	pthread_mutex_t lock;
	node **nodes;		/* parents before their children */
	size_t n, cap;
	dv_map by_path;		/* SHA-256 of a node's path -> its index, for nodes [0, indexed) */
	size_t indexed;
	_Atomic uint64_t hashed;
	large_file *large;	/* found by the walk */
	size_t nlarge, large_cap;
};

/* Some files of one directory, to be read by one job. */
typedef struct batch {
	node *dir;
	size_t from, to;
} batch;

static void node_free(node *d)
{
	dv_buf_release(&d->names);
	free(d->e);
	free(d->path);
	free(d);
}

static void forget_nodes(dv_scan *s)
{
	for (size_t i = 0; i < s->n; i++)
		node_free(s->nodes[i]);
	s->n = 0;
	s->indexed = 0;
	dv_map_clear(&s->by_path);
	s->nlarge = 0;
	s->hashed = 0;
	free(s->base);
	s->base = NULL;
}

int dv_scan_new(dv_scan **out, dv_repo *repo, dv_pool *pool, dv_writer *writer)
{
	dv_autoptr(dv_scan) s = dv_calloc(1, sizeof(*s));
	int r;

	if (!s)
		return dv_err_nomem();
	s->rootfd = -1;
	pthread_mutex_init(&s->lock, NULL);
	s->repo = repo;
	s->pool = pool;
	s->writer = writer;
	if ((r = dv_repo_statcache(repo, &s->cache)) < 0)
		return r;
	if (writer && ((r = dv_repo_store(repo, &s->store)) < 0 ||
		       (r = dv_ingest_new(&s->ingest, writer, pool)) < 0 ||
		       (r = dv_encoder_new(&s->enc, dv_repo_compression(repo))) < 0))
		return r;
	s->rootfd = dv_fs_openat(AT_FDCWD, repo->root, O_RDONLY | O_DIRECTORY, 0);
	if (s->rootfd < 0)
		return dv_err_sys("cannot open the workspace '%s'", repo->root);
	*out = dv_steal(&s);
	return 0;
}

void dv_scan_free(dv_scan *s)
{
	if (!s)
		return;
	forget_nodes(s);
	free(s->nodes);
	dv_map_release(&s->by_path);
	free(s->large);
	dv_ingest_free(s->ingest);
	dv_encoder_free(s->enc);
	if (s->rootfd >= 0)
		close(s->rootfd);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void fill_stat(entry *e, const struct stat *st)
{
	dv_cached_file_set(&e->f, st);
	/* Inode 0 matches nothing: what is too young is read again next time. */
	if (!dv_stat_is_settled(st, dv_now_ns()))
		e->f.ino = 0;
	e->nfiles = 1;
}

static int refuse_special(const char *path, mode_t mode)
{
	const char *what = S_ISSOCK(mode) ? "a socket" : S_ISFIFO(mode) ? "a fifo" : "a device";

	dv_err(DV_ERROR, "cannot track '%s': it is %s", path, what);
	return dv_err_hint(DV_ERROR, "remove it, or name it in .dvignore");
}

/* True when the content behind a remembered oid is where it must be: with a writer, in its
 * store. */
static bool is_kept(dv_scan *s, const dv_oid *oid)
{
	return !s->store || dv_store_has_object(s->store, oid) ||
	       dv_writer_has(s->writer, DV_KIND_CHUNK, oid) ||
	       dv_writer_has(s->writer, DV_KIND_RECIPE, oid);
}

/* Takes the oid over from the stat cache when it vouches for the file. */
static bool remembered(dv_scan *s, const dv_dircache *row, const dv_cached_file *old, entry *e,
		       const struct stat *st)
{
	if (!old || old->ino == 0 || !dv_cached_file_is(row, old, st))
		return false;
	e->f.oid = old->oid;
	e->f.ino = old->ino;
	return is_kept(s, &e->f.oid);
}

static int read_link(dv_scan *s, int dirfd, const char *path, entry *e)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dirfd, e->f.name, target, sizeof(target));

	if (n < 0)
		return dv_err_sys("cannot read link '%s/%s'", path, e->f.name);
	if ((size_t)n == sizeof(target))
		return dv_err(DV_ERROR, "link '%s/%s' is too long", path, e->f.name);
	e->f.size = (uint64_t)n;
	dv_sha256(&e->f.oid, target, (size_t)n);
	if (!s->writer)
		return 0;
	pthread_mutex_lock(&s->lock);
	int r = dv_object_put(s->writer, s->enc, target, (size_t)n, &e->f.oid);
	pthread_mutex_unlock(&s->lock);
	return r;
}

static int compare_names(const void *a, const void *b)
{
	const entry *x = a, *y = b;

	return strcmp(x->f.name, y->f.name);
}

static bool is_ours(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, ".git") == 0 ||
	       strcmp(name, ".dv") == 0 ||
	       strncmp(name, DV_TMP_PREFIX, strlen(DV_TMP_PREFIX)) == 0;
}

/* Makes entries of the NUL-terminated names collected so far. */
static int index_names(node *d)
{
	size_t at = 0;

	for (size_t i = 0; i < d->n; i++) {
		d->e[i].f.name = d->names.p + at;
		at += strlen(d->names.p + at) + 1;
	}
	if (d->n)
		qsort(d->e, d->n, sizeof(*d->e), compare_names);
	d->sorted = d->n;
	return 0;
}

/* type: as readdir tells it; only folders and what is no folder are told apart by it. */
static int add_name(node *d, const char *name, unsigned char type)
{
	int r = dv_grow(&d->e, &d->cap, d->n + 1, sizeof(*d->e));

	if (r < 0 || (r = dv_buf_add(&d->names, name, strlen(name) + 1)) < 0)
		return r;
	d->e[d->n++] = (entry){ .f.kind = type == DT_DIR ? 'd' : type == DT_UNKNOWN ? 0 : 'f' };
	return 0;
}

static int read_names(node *d, int fd)
{
	dv_autoclose int own = dup(fd);
	DIR *dir = own < 0 ? NULL : fdopendir(own);
	struct dirent *de;
	int r = 0;

	if (!dir)
		return dv_err_sys("cannot list '%s'", d->path);
	(void)dv_steal_fd(&own);
	while (r == 0 && (errno = 0, de = readdir(dir)) != NULL)
		if (!is_ours(de->d_name))
			r = add_name(d, de->d_name, de->d_type);
	if (r == 0 && errno != 0)
		r = dv_err_sys("cannot list '%s'", d->path);
	closedir(dir);
	return r < 0 ? r : index_names(d);
}

static int walk_job(void *arg, int worker);

static int new_node(dv_scan *s, char *path, node *parent, size_t slot, node **out)
{
	node *d = path ? dv_calloc(1, sizeof(*d)) : NULL;

	if (!d) {
		free(path);
		return dv_err_nomem();
	}
	d->path = path;
	d->parent = parent;
	d->slot = slot;
	d->depth = parent ? parent->depth + 1 : 0;
	d->scan = s;
	pthread_mutex_lock(&s->lock);
	int r = dv_grow(&s->nodes, &s->cap, s->n + 1, sizeof(*s->nodes));
	if (r == 0)
		s->nodes[s->n++] = d;
	pthread_mutex_unlock(&s->lock);
	if (r < 0) {
		node_free(d);
		return r;
	}
	*out = d;
	return 0;
}

static int enter_dir(dv_scan *s, node *parent, size_t slot)
{
	node *d = NULL;
	int r = new_node(s, dv_path_join(parent->path, parent->e[slot].f.name), parent, slot, &d);

	if (r < 0)
		return r;
	d->dir = true;
	if (d->depth > DV_TREE_DEPTH)
		return dv_err(DV_ERROR, "'%s' is nested deeper than %u levels", d->path,
			      DV_TREE_DEPTH);
	return dv_pool_submit(s->pool, walk_job, d);
}

static int note_large(dv_scan *s, node *d, size_t i)
{
	pthread_mutex_lock(&s->lock);
	int r = dv_grow(&s->large, &s->large_cap, s->nlarge + 1, sizeof(*s->large));
	if (r == 0)
		s->large[s->nlarge++] = (large_file){ d, i };
	pthread_mutex_unlock(&s->lock);
	return r;
}

/* What went between the listing and the look at it was never there: other programs may work in a
 * directory that is only compared. An entry without a kind is in no tree and no row. */
static int forget_gone(node *d, entry *e, int r)
{
	if (r != DV_ENOTFOUND)
		return r;
	dv_error_clear();
	e->f.kind = 0;
	d->dirty = true;
	return 0;
}

/* Decides about one entry: directory, link, remembered file, or file to read. */
static int look_at(dv_scan *s, node *d, int fd, size_t i, const dv_dircache *row,
		   const dv_cached_file *old)
{
	entry *e = &d->e[i];
	struct stat st;

	if (fstatat(fd, e->f.name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return forget_gone(d, e, dv_err_sys("cannot look at '%s/%s'", d->path,
						    e->f.name));
	e->f.kind = dv_stat_kind(&st);
	d->dev = st.st_dev;
	if (!e->f.kind) {
		dv_autofree char *path = dv_path_join(d->path, e->f.name);
		return refuse_special(path ? path : e->f.name, st.st_mode);
	}
	if (!old || old->kind != e->f.kind)
		d->dirty = true;
	if (e->f.kind == 'd') {
		if (old)
			e->f.oid = old->oid;
		return enter_dir(s, d, i);
	}
	fill_stat(e, &st);
	if (remembered(s, row, old, e, &st))
		return 0;
	d->dirty = true;
	if (e->f.kind == 'l')
		return forget_gone(d, e, read_link(s, fd, d->path, e));
	if (e->f.size > DV_INGEST_SMALL)
		return note_large(s, d, i);
	e->todo = true;
	return 0;
}

static bool is_folder(const entry *e, int fd)
{
	struct stat st;

	if (e->f.kind)
		return e->f.kind == 'd';
	return fstatat(fd, e->f.name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int drop_ignored(dv_scan *s, node *d, int fd)
{
	dv_auto(dv_buf) path = DV_BUF_INIT;
	size_t kept = 0, base;

	dv_buf_addf(&path, "%s/", d->path);
	base = path.n;
	for (size_t i = 0; i < d->n; i++) {
		path.n = base;
		dv_buf_adds(&path, d->e[i].f.name);
		if (path.err)
			return path.err;
		if (!dv_ignore_match_here(s->repo->ignore, path.p, is_folder(&d->e[i], fd), NULL))
			d->e[kept++] = d->e[i];
	}
	d->n = d->sorted = kept;
	return 0;
}

static int batch_job(void *arg, int worker);

static int submit_batches(dv_scan *s, node *d)
{
	uint64_t bytes = 0;
	size_t from = 0, files = 0;

	for (size_t i = 0; i < d->n; i++) {
		if (d->e[i].todo) {
			files++;
			bytes += d->e[i].f.size;
		}
		bool full = files >= BATCH_FILES || bytes >= BATCH_BYTES;
		if (!full && (i + 1 < d->n || files == 0))
			continue;
		batch *b = dv_malloc(sizeof(*b));
		if (!b)
			return dv_err_nomem();
		*b = (batch){ d, from, i + 1 };
		int r = dv_pool_submit(s->pool, batch_job, b);
		if (r < 0) {
			free(b);
			return r;
		}
		from = i + 1;
		files = 0;
		bytes = 0;
	}
	return 0;
}

static int walk_job(void *arg, int worker)
{
	node *d = arg;
	dv_scan *s = d->scan;
	dv_auto(dv_dircache) old = DV_DIRCACHE_INIT;
	dv_autoclose int fd = -1;
	int r;

	(void)worker;
	r = dv_workdir_open(&fd, s->rootfd, d->path, false);
	if (d->parent)
		r = forget_gone(d->parent, &d->parent->e[d->slot], r);
	if (r == 0 && fd < 0)
		return 0;
	if (r < 0 || (r = read_names(d, fd)) < 0 || (r = drop_ignored(s, d, fd)) < 0)
		return r;
	bool known = dv_statcache_get(s->cache, d->path, &old);
	d->dirty = !known || !old.has_tree || old.n != d->n;
	d->tree = old.tree;
	d->size = old.size;
	d->nfiles = old.nfiles;
	for (size_t i = 0, j = 0; i < d->n; i++) {
		const dv_cached_file *o = NULL;

		while (j < old.n && strcmp(old.files[j].name, d->e[i].f.name) < 0)
			j++;
		if (j < old.n && strcmp(old.files[j].name, d->e[i].f.name) == 0)
			o = &old.files[j++];
		if ((r = look_at(s, d, fd, i, &old, o)) < 0)
			return r;
	}
	return submit_batches(s, d);
}

/* Reads one file until it holds still. */
static int read_file(dv_scan *s, int dirfd, const char *dir, entry *e, int worker)
{
	dv_autofree char *path = dv_path_join(dir, e->f.name);
	struct stat st;
	int r = 0;

	if (!path)
		return dv_err_nomem();
	for (int try = 0; try < READ_TRIES; try++) {
		dv_autoclose int fd = dv_fs_openat(dirfd, e->f.name,
						   O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
		if (fd < 0)
			return dv_err_sys("cannot open '%s'", path);
		if (!s->ingest)
			r = dv_hash_file(fd, path, &e->f.oid, &st);
		else if (worker < 0)
			r = dv_ingest_large(s->ingest, fd, path, &e->f.oid, &st);
		else
			r = dv_ingest_small(s->ingest, worker, fd, path, &e->f.oid, &st);
		if (r == 0) {
			if (!S_ISREG(st.st_mode))
				return refuse_special(path, st.st_mode);
			fill_stat(e, &st);
			atomic_fetch_add(&s->hashed, e->f.size);
			dv_progress_add(0, 1);
		}
		if (r != DV_ETRANSIENT)
			return r;
	}
	return dv_err_hint(r, "wait until nothing writes to it, and run the command again");
}

static int batch_job(void *arg, int worker)
{
	dv_autofree batch *b = arg;
	node *d = b->dir;
	dv_autoclose int fd = -1;
	int opened = dv_workdir_open(&fd, d->scan->rootfd, d->path, false), r = 0;

	for (size_t i = b->from; r == 0 && i < b->to; i++) {
		entry *e = &d->e[i];

		if (!e->todo)
			continue;
		if (dv_pool_stopping(d->scan->pool))
			return dv_check_cancel();
		r = forget_gone(d, e, opened ? opened : read_file(d->scan, fd, d->path, e, worker));
	}
	return r;
}

static int read_large(dv_scan *s)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->nlarge; i++) {
		node *d = s->large[i].dir;
		dv_autoclose int fd = -1;

		r = dv_workdir_open(&fd, s->rootfd, d->path, false);
		if (r == 0)
			r = read_file(s, fd, d->path, &d->e[s->large[i].i], -1);
		r = forget_gone(d, &d->e[s->large[i].i], r);
	}
	return r;
}

static int node_tree(const node *d, dv_tree *t)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->n; i++) {
		const entry *e = &d->e[i];

		if (e->f.kind)
			r = dv_tree_add(t, e->f.kind, &e->f.oid, e->f.size, e->nfiles, e->f.name);
	}
	return r;
}

/* Names a directory once all below it have names, and tells its parent. */
static int finish_node(dv_scan *s, node *d)
{
	dv_auto(dv_tree) t = DV_TREE_INIT;
	int r = 0;

	if (d->dirty || !is_kept(s, &d->tree)) {
		d->dirty = true;
		if ((r = node_tree(d, &t)) < 0)
			return r;
		if (s->writer) {
			r = dv_tree_store(&t, s->writer, s->enc, &d->tree);
		} else {
			dv_auto(dv_buf) b = DV_BUF_INIT;
			if ((r = dv_tree_write(&b, &t)) == 0)
				dv_sha256(&d->tree, b.p, b.n);
		}
		dv_tree_totals(&t, &d->size, &d->nfiles);
	}
	if (r < 0 || !d->parent)
		return r;
	entry *e = &d->parent->e[d->slot];
	if (!dv_oid_eq(&e->f.oid, &d->tree))
		d->parent->dirty = true;
	e->f.oid = d->tree;
	e->f.size = d->size;
	e->nfiles = d->nfiles;
	return 0;
}

static int scan_dir(dv_scan *s, const char *path, dv_scanned *out)
{
	node *top = NULL;
	int r;

	dv_statcache_preload(s->cache, path);
	if ((r = new_node(s, dv_strdup(path), NULL, 0, &top)) < 0)
		return r;
	top->dir = true;
	if ((r = dv_pool_submit(s->pool, walk_job, top)) < 0 || (r = dv_pool_wait(s->pool)) < 0 ||
	    (r = read_large(s)) < 0)
		return r;
	for (size_t i = s->n; r == 0 && i-- > 0;)
		r = finish_node(s, s->nodes[i]);
	if (r < 0)
		return r;
	*out = (dv_scanned){ 'd', top->tree, top->size, top->nfiles, s->hashed };
	return 0;
}

/* An output that is a single file: a cache row of its own, under its path, with one entry. */
static int scan_file(dv_scan *s, const char *path, const struct stat *st, dv_scanned *out)
{
	dv_auto(dv_dircache) old = DV_DIRCACHE_INIT;
	dv_autoclose int fd = -1;
	const char *name;
	node *d = NULL;
	int r = dv_workdir_parent(&fd, &name, s->rootfd, path, false);

	dv_statcache_preload(s->cache, path);
	if (r < 0 || (r = new_node(s, dv_strdup(path), NULL, 0, &d)) < 0 ||
	    (r = add_name(d, name, DT_REG)) < 0 || (r = index_names(d)) < 0)
		return r;
	entry *e = &d->e[0];
	d->dev = st->st_dev;
	fill_stat(e, st);
	e->f.kind = dv_stat_kind(st);
	if (!e->f.kind)
		return refuse_special(path, st->st_mode);
	bool known = dv_statcache_get(s->cache, path, &old) && old.n == 1 && !old.has_tree;
	if (!known || !remembered(s, &old, &old.files[0], e, st)) {
		dv_autofree char *dir = dv_strndup(path, (size_t)(name - path));

		d->dirty = true;
		if (!dir)
			return dv_err_nomem();
		if (*dir)
			dir[strlen(dir) - 1] = '\0';
		/* Not in a pool worker, so also a small file takes the way of large ones. */
		r = e->f.kind == 'l' ? read_link(s, fd, dir, e) : read_file(s, fd, dir, e, -1);
	}
	if (r < 0)
		return r;
	*out = (dv_scanned){ e->f.kind, e->f.oid, e->f.size, 1, s->hashed };
	return 0;
}

int dv_scan_path(dv_scan *s, const char *path, dv_scanned *out)
{
	struct stat st;

	forget_nodes(s);
	memset(out, 0, sizeof(*out));
	if (!(s->base = dv_strdup(path)))
		return dv_err_nomem();
	int r = dv_workdir_stat(&st, s->rootfd, path);
	if (r == DV_ENOTFOUND) {
		dv_error_clear();
		return 0;
	}
	if (r < 0)
		return r;
	return S_ISDIR(st.st_mode) ? scan_dir(s, path, out) : scan_file(s, path, &st, out);
}

/* The directory of that path, or NULL. */
static int find_node(dv_scan *s, const char *path, node **out)
{
	dv_oid key;
	uint64_t i;
	int r;

	for (; s->indexed < s->n; s->indexed++) {
		const char *p = s->nodes[s->indexed]->path;

		dv_sha256(&key, p, strlen(p));
		if ((r = dv_map_put(&s->by_path, &key, s->indexed)) < 0)
			return r;
	}
	dv_sha256(&key, path, strlen(path));
	*out = dv_map_get(&s->by_path, &key, &i) ? s->nodes[i] : NULL;
	return 0;
}

static int list_scanned(void *ctx, const char *path, const dv_oid *oid, dv_tree *out)
{
	dv_scan *s = ctx;
	dv_autofree char *full = dv_path_join(s->base, path);
	node *d = NULL;
	int r;

	(void)oid;
	if (!full)
		return dv_err_nomem();
	if ((r = find_node(s, full, &d)) < 0)
		return r;
	return d ? node_tree(d, out) : dv_err(DV_ENOTFOUND, "'%s' was not scanned", full);
}

dv_side dv_scan_side(dv_scan *s)
{
	return (dv_side){ list_scanned, s };
}

/* The node that holds the row for `path`: its folder's, or for an output that is a file its own. */
static int node_of(dv_scan *s, const char *path, node **out)
{
	bool own = strcmp(path, s->base) == 0;
	dv_autofree char *dir = own ? dv_strdup(path) : dv_path_dir(path);
	int r;

	if (!dir)
		return dv_err_nomem();
	if ((r = find_node(s, dir, out)) < 0 || *out)
		return r;
	r = new_node(s, dv_strdup(dir), NULL, 0, out);
	if (r == 0)
		(*out)->dir = !own;
	return r;
}

/* A folder that is gone, or is something else now, has no row any more. */
static int forget_folder(dv_scan *s, const char *path)
{
	node *d = NULL;
	int r = find_node(s, path, &d);

	if (r == 0 && d && d->dir) {
		d->n = 0;
		d->stale = true;
		dv_statcache_drop(s->cache, path);
	}
	return r;
}

int dv_scan_update(dv_scan *s, const char *path, char kind, const dv_oid *oid,
		   const struct stat *st)
{
	node *d = NULL;
	entry *e = NULL;
	int r;

	if ((kind != 'd' && (r = forget_folder(s, path)) < 0) || (r = node_of(s, path, &d)) < 0)
		return r;
	d->dirty = true;
	d->stale = true;
	const char *name = dv_path_base(path);
	for (size_t i = 0; !e && d->n <= 1 && i < d->n; i++)
		if (strcmp(d->e[i].f.name, name) == 0)
			e = &d->e[i];
	entry key = { .f.name = name };
	if (!e && d->sorted)
		e = bsearch(&key, d->e, d->sorted, sizeof(*d->e), compare_names);
	if (!e) {
		if (!kind)
			return 0;
		if ((r = dv_grow(&d->e, &d->cap, d->n + 1, sizeof(*d->e))) < 0)
			return r;
		e = &d->e[d->n++];
		*e = (entry){ .f.name = name };
	}
	e->f.kind = kind;
	if (!kind)
		return 0;
	if (st) {
		fill_stat(e, st);
		d->dev = st->st_dev;
	}
	e->f.kind = kind;
	e->f.oid = *oid;
	return 0;
}

static int remember_node(dv_scan *s, node *d)
{
	dv_auto(dv_dircache) row = { .dev = d->dev, .has_tree = d->dir && !d->stale,
				     .tree = d->tree, .size = d->size, .nfiles = d->nfiles };
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->n; i++)
		if (d->e[i].f.kind)
			r = dv_dircache_append(&row, &d->e[i].f);
	if (r == 0)
		dv_statcache_put(s->cache, d->path, &row);
	return r;
}

int dv_scan_remember(dv_scan *s)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->n; i++)
		if (s->nodes[i]->dirty)
			r = remember_node(s, s->nodes[i]);
	dv_statcache_flush(s->cache);
	return r;
}
