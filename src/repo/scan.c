/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scanning: walk, one job per directory, comparing with the stat cache; read the files that it does
 * not vouch for, small ones in batches in the pool, large ones at the end with the whole pool each.
 * Whoever completes the last thing in a directory names its tree, hands its row to the stat cache,
 * and keeps what a listing needs: only the directories in work are in memory as a whole. One in
 * which nothing changed keeps the tree oid that the cache has for it.
 */
#include "repo/scan_impl.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <time.h>

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

static void node_free(node *d)
{
	dv_buf_release(&d->names);
	free(d->e);
	free(d->k);
	free(d->batches);
	dv_scan_before_forget(d);
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
	s->nlarge = s->nunread = 0;
	dv_scan_forget_relinks(s);
	s->hashed = 0;
	free(s->base);
	s->base = NULL;
}

static int encoder(dv_scan *s, int worker, dv_encoder **out)
{
	size_t i = (size_t)(worker < 0 ? dv_pool_threads(s->pool) : worker);
	int r = s->enc[i] ? 0 : dv_encoder_new(&s->enc[i], dv_repo_compression(s->repo));

	*out = s->enc[i];
	return r;
}

static int scan_new(dv_scan **out, dv_repo *repo, dv_pool *pool, dv_writer *writer, bool alone)
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
	if ((r = dv_repo_statcache(repo, &s->cache)) < 0 ||
	    (!alone && (r = (writer ? dv_repo_store : dv_repo_store_look)(repo, &s->store)) < 0))
		return r;
	dv_links_init(&s->links, repo, s->store);
	if (writer && ((r = dv_ingest_new(&s->ingest, writer, pool)) < 0 ||
		       (r = dv_ingest_deltas(s->ingest, dv_repo_deltas(repo))) < 0))
		return r;
	s->enc = dv_calloc((size_t)dv_pool_threads(pool) + 1, sizeof(*s->enc));
	if (!s->enc)
		return DV_ERROR;
	s->rootfd = dv_fs_openat(AT_FDCWD, repo->root, O_RDONLY | O_DIRECTORY, 0);
	if (s->rootfd < 0)
		return dv_err_sys("cannot open the workspace '%s'", repo->root);
	*out = dv_steal(&s);
	return 0;
}

int dv_scan_new(dv_scan **out, dv_repo *repo, dv_pool *pool, dv_writer *writer)
{
	return scan_new(out, repo, pool, writer, false);
}

int dv_scan_new_alone(dv_scan **out, dv_repo *repo, dv_pool *pool)
{
	return scan_new(out, repo, pool, NULL, true);
}

void dv_scan_free(dv_scan *s)
{
	if (!s)
		return;
	forget_nodes(s);
	free(s->nodes);
	dv_map_release(&s->by_path);
	free(s->large);
	free(s->relinks);
	dv_links_release(&s->links);
	dv_ingest_free(s->ingest);
	for (int i = 0; s->enc && i <= dv_pool_threads(s->pool); i++)
		dv_encoder_free(s->enc[i]);
	free(s->enc);
	dv_scan_patches_free(s->patches);
	if (s->rootfd >= 0)
		close(s->rootfd);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static int refuse_special(const char *path, mode_t mode)
{
	const char *what = S_ISSOCK(mode) ? "a socket" : S_ISFIFO(mode) ? "a fifo" : "a device";

	dv_err(DV_ERROR, "cannot track '%s': it is %s", path, what);
	return dv_err_hint(DV_ERROR, "remove it, or name it in .dvignore");
}

/* True when the content behind a remembered oid is where it must be: with a writer, in its store;
 * or where that sends, which no recipe vouches for. */
static bool is_kept(dv_scan *s, const dv_oid *oid)
{
	return !s->writer || dv_store_has_object(s->store, oid) ||
	       dv_writer_has(s->writer, DV_KIND_CHUNK, oid) ||
	       (!dv_writer_sends(s->writer) && dv_writer_has(s->writer, DV_KIND_RECIPE, oid));
}

/* Takes the oid over from the stat cache when it vouches for the file. */
static bool remembered(dv_scan *s, const dv_dircache *row, const dv_cached_file *old, entry *e,
		       const struct stat *st)
{
	if (!old || old->ino == 0 || !dv_cached_file_is(row, old, st)) {
		/* A status may have seen a version that nobody added: deltas need one that was. */
		e->had = old && s->writer && (old->kind == 'f' || old->kind == 'x') &&
			 is_kept(s, &old->oid);
		if (e->had)
			e->f.oid = old->oid;
		return false;
	}
	e->f.oid = old->oid;
	e->f.ino = old->ino;
	return is_kept(s, &e->f.oid);
}

static int read_link(dv_scan *s, int dirfd, const char *path, entry *e, int worker)
{
	dv_encoder *enc;
	char target[PATH_MAX];
	ssize_t n = readlinkat(dirfd, e->f.name, target, sizeof(target));

	if (n < 0)
		return dv_err_sys("cannot read link '%s/%s'", path, e->f.name);
	if ((size_t)n == sizeof(target))
		return dv_err(DV_ERROR, "link '%s/%s' is too long", path, e->f.name);
	e->f.size = (uint64_t)n;
	dv_sha256(&e->f.oid, target, (size_t)n);
	int r = s->writer ? encoder(s, worker, &enc) : 0;
	if (r == 0 && s->writer)
		r = dv_object_put(s->writer, enc, target, (size_t)n, &e->f.oid);
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
static void index_names(node *d)
{
	size_t at = 0;

	for (size_t i = 0; i < d->n; i++) {
		d->e[i].f.name = d->names.p + at;
		at += strlen(d->names.p + at) + 1;
	}
	if (d->n)
		qsort(d->e, d->n, sizeof(*d->e), compare_names);
}

/* type: as readdir tells it; it only tells folders from what is none. */
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
	while (r == 0 && (errno = 0, de = readdir(dir)) != NULL) {
		if (!is_ours(de->d_name))
			r = add_name(d, de->d_name, de->d_type);
		else if (d->scan->writer && strcmp(de->d_name, ".git") == 0 &&
			 !atomic_flag_test_and_set(&d->scan->said_git))
			dv_warn("'%s' is a git repository by itself: its '.git' is not recorded",
				d->path);
	}
	if (r == 0 && errno != 0)
		r = dv_err_sys("cannot list '%s'", d->path);
	closedir(dir);
	if (r == 0)
		index_names(d);
	return r;
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
	d->open = 1;
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
	if (parent->e[slot].had)
		d->tree = parent->e[slot].f.oid;
	if (d->depth > DV_TREE_DEPTH)
		return dv_err(DV_ERROR, "'%s' is nested deeper than %u levels", d->path,
			      DV_TREE_DEPTH);
	atomic_fetch_add(&parent->open, 1);
	return dv_pool_submit(s->pool, walk_job, d);
}

static int note_large(dv_scan *s, node *d, size_t i)
{
	pthread_mutex_lock(&s->lock);
	int r = dv_grow(&s->large, &s->large_cap, s->nlarge + 1, sizeof(*s->large));
	if (r == 0)
		s->large[s->nlarge++] = (large_file){ d, i };
	d->e[i].large = true;
	atomic_fetch_add(&d->open, 1);
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
		   const dv_cached_file *old, int worker)
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
	if (e->f.kind == 'l' && dv_scan_look_through(s, fd, e)) {
		if (e->todo || !old || old->kind != e->f.kind ||
		    !dv_oid_eq(&old->oid, &e->f.oid))
			d->dirty = true;
		if (!e->todo || e->f.size <= DV_INGEST_SMALL)
			return 0;
		e->todo = false;
		return note_large(s, d, i);
	}
	if (!old || old->kind != e->f.kind)
		d->dirty = true;
	if (e->f.kind == 'd') {
		e->had = old && old->kind == 'd';
		if (e->had)
			e->f.oid = old->oid;
		return 0;
	}
	dv_scan_set_file(&e->f, &st, dv_now_ns());
	e->nfiles = 1;
	if (remembered(s, row, old, e, &st))
		return 0;
	d->dirty = true;
	if (e->f.kind == 'l')
		return forget_gone(d, e, read_link(s, fd, d->path, e, worker));
	dv_scan_look_behind(s, old, &st);
	if (e->f.size > DV_INGEST_SMALL)
		return note_large(s, d, i);
	e->todo = true;
	return 0;
}

static bool is_folder(const entry *e, int fd)
{
	struct stat st;

	return e->f.kind ? e->f.kind == 'd' :
	       fstatat(fd, e->f.name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int drop_ignored(dv_scan *s, node *d, int fd)
{
	dv_auto(dv_buf) path = DV_BUF_INIT;
	size_t n = 0, base;

	dv_buf_addf(&path, "%s/", d->path);
	base = path.n;
	for (size_t i = 0; i < d->n; i++) {
		path.n = base;
		dv_buf_adds(&path, d->e[i].f.name);
		if (path.err)
			return path.err;
		if (!dv_ignore_match_here(s->repo->ignore, path.p, is_folder(&d->e[i], fd), NULL))
			d->e[n++] = d->e[i];
	}
	d->n = n;
	return 0;
}

static int batch_job(void *arg, int worker);

/* Cuts the files to read into batches. */
static int make_batches(node *d, size_t *nbatches)
{
	uint64_t bytes = 0;
	size_t from = 0, files = 0, cap = 0, n = 0;

	for (size_t i = 0; i < d->n; i++) {
		if (d->e[i].todo) {
			files++;
			bytes += d->e[i].f.size;
		}
		bool full = files >= BATCH_FILES || bytes >= BATCH_BYTES;
		if (!full && (i + 1 < d->n || files == 0))
			continue;
		int r = dv_grow(&d->batches, &cap, n + 1, sizeof(*d->batches));
		if (r < 0)
			return r;
		d->batches[n++] = (batch){ d, from, i + 1 };
		from = i + 1;
		files = 0;
		bytes = 0;
	}
	*nbatches = n;
	return 0;
}

/* The pool takes first what came last: so folders are entered, and files read, in order, and one
 * folder after the other. */
static int submit_inside(dv_scan *s, node *d)
{
	size_t n = 0;
	int r = make_batches(d, &n);

	for (size_t i = d->n; r == 0 && i-- > 0;)
		if (d->e[i].f.kind == 'd')
			r = enter_dir(s, d, i);
	atomic_fetch_add(&d->open, n);
	while (r == 0 && n-- > 0)
		r = dv_pool_submit(s->pool, batch_job, &d->batches[n]);
	return r;
}

static int complete(dv_scan *s, node *d, int worker);

static int walk_job(void *arg, int worker)
{
	node *d = arg;
	dv_scan *s = d->scan;
	dv_auto(dv_dircache) old = DV_DIRCACHE_INIT;
	dv_autoclose int fd = -1;
	int r;

	r = dv_workdir_open(&fd, s->rootfd, d->path, false);
	if (d->parent)
		r = forget_gone(d->parent, &d->parent->e[d->slot], r);
	d->gone = r == 0 && fd < 0;
	if (d->gone)
		return complete(s, d, worker);
	if (r < 0 || (r = read_names(d, fd)) < 0 || (r = drop_ignored(s, d, fd)) < 0)
		return r;
	bool known = dv_statcache_get(s->cache, d->path, &old);
	d->dirty = !known || !old.has_tree || old.n != d->n;
	if (known)
		d->tree = old.tree;
	d->size = old.size;
	d->nfiles = old.nfiles;
	for (size_t i = 0, j = 0; i < d->n; i++) {
		const dv_cached_file *o = NULL;

		while (j < old.n && strcmp(old.files[j].name, d->e[i].f.name) < 0)
			j++;
		if (j < old.n && strcmp(old.files[j].name, d->e[i].f.name) == 0)
			o = &old.files[j++];
		if ((r = look_at(s, d, fd, i, &old, o, worker)) < 0)
			return r;
	}
	dv_dircache_release(&old);
	if ((r = dv_scan_before_by_tree(s, d)) < 0 || (r = submit_inside(s, d)) < 0)
		return r;
	return complete(s, d, worker);
}

static int show_from_start(dv_scan *s, int worker)
{
	dv_witness see = { 0 };
	int r = s->watch && s->ingest ? s->watch->begin(s->watch->ctx, worker, &see) : 0;

	if (s->ingest)
		dv_ingest_witness(s->ingest, worker, &see);
	return r;
}

/* Reads or stores what `name` in `dirfd` is; `before`: what it was, or NULL. A dv_take or
 * negative. */
static int read_once(dv_scan *s, int dirfd, const char *name, const char *path, entry *e,
		     const dv_oid *before, bool take, int worker, struct stat *st)
{
	int r = show_from_start(s, worker);
	dv_autoclose int fd = -1;

	if (r == 0 && take)
		r = dv_links_take(&s->links, s->ingest, s->writer, worker, dirfd, name, path,
				  &e->f.oid, st);
	/* What is not there may be a folder of the cache: the file itself tells. */
	if (r != DV_TAKE_NOT && r != DV_ENOTFOUND)
		return r;
	fd = dv_fs_openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return dv_err_sys("cannot open '%s'", path);
	if (take && (r = show_from_start(s, worker)) < 0)
		return r;
	if (!s->ingest)
		r = dv_hash_file(fd, path, &e->f.oid, st);
	else if (worker < 0)
		r = dv_ingest_large(s->ingest, fd, path, before, &e->f.oid, st);
	else
		r = dv_ingest_small(s->ingest, worker, fd, path, before, &e->f.oid, st);
	return r;
}

/* A large file that was written just now is worth a wait of some milliseconds: read sooner, it
 * would have to be read again next time. */
static void let_settle(const dv_cached_file *f)
{
	int64_t last = f->mtime_ns > f->ctime_ns ? f->mtime_ns : f->ctime_ns;
	int64_t left = last + DV_SETTLE_NS + 1000000 - dv_now_ns();
	struct timespec t = { .tv_nsec = (long)left };

	if (f->size > DV_INGEST_SMALL && left > 0 && left <= DV_SETTLE_NS + 1000000)
		nanosleep(&t, NULL);
}

/* Reads one file until it holds still. `dir` is the folder's path, for messages. */
static int read_file(dv_scan *s, int dirfd, const char *dir, node *d, size_t i, int worker)
{
	entry *e = &d->e[i];
	dv_scan_before_by_name(d, e);
	dv_autofree char *path = dv_path_join(dir, e->f.name);
	dv_store *own = s->linked_to ? s->linked_to : s->store;
	dv_autofree char *whole = e->linked ? dv_store_whole_path(own, &e->f.oid) : NULL;
	const char *name = e->linked ? whole : e->f.name;
	const dv_oid was = e->f.oid, *before = e->had ? &was : NULL;
	struct stat st;
	int r = 0;

	if (!path || !name)
		return dv_err_nomem();
	if (worker < 0 && !e->linked)
		let_settle(&e->f);
	for (int try = 0; try < READ_TRIES; try++) {
		int64_t since = dv_now_ns();
		/* At last without a link: another thread may be at the same file. */
		bool take = s->writer && try + 1 < READ_TRIES &&
			    dv_links_wanted(&s->links, e->f.size);

		r = read_once(s, e->linked ? AT_FDCWD : dirfd, name, path, e, before, take, worker,
			      &st);
		if (r == DV_ETRANSIENT)
			continue;
		if (r < 0)
			return r == DV_ENOTFOUND && e->linked ? DV_ERROR
							      : dv_scan_not_read(s, e, r);
		if (!S_ISREG(st.st_mode))
			return refuse_special(path, st.st_mode);
		dv_scan_set_file(&e->f, &st, since);
		if (e->linked)
			e->f.ino = 0;
		atomic_fetch_add(&s->hashed, e->f.size);
		dv_progress_add(0, 1);
		if (s->watch && s->watch->end(s->watch->ctx, worker, path, &e->f.oid, e->f.size))
			return DV_ERROR;
		return r == DV_TAKE_RELINK || (e->linked && r == DV_TAKE_DONE)
			       ? dv_scan_note_relink(s, d, e, dirfd) : 0;
	}
	return dv_err_hint(r, "wait until nothing writes to it, and run the command again");
}

static int batch_job(void *arg, int worker)
{
	const batch *b = arg;
	node *d = b->dir;
	dv_autoclose int fd = -1;
	int opened = dv_workdir_open(&fd, d->scan->rootfd, d->path, false), r = 0;

	for (size_t i = b->from; r == 0 && i < b->to; i++) {
		entry *e = &d->e[i];

		if (!e->todo)
			continue;
		if (dv_pool_stopping(d->scan->pool))
			return dv_check_cancel();
		r = opened ? opened : read_file(d->scan, fd, d->path, d, i, worker);
		r = forget_gone(d, e, r);
	}
	return r < 0 ? r : complete(d->scan, d, worker);
}

static int read_large(dv_scan *s)
{
	uint64_t bytes = 0;
	int r = 0;

	for (size_t i = 0; i < s->nlarge; i++)
		bytes += s->large[i].dir->e[s->large[i].i].f.size;
	if (s->nlarge)
		dv_progress_ahead(bytes, s->nlarge);
	for (size_t i = 0; r == 0 && i < s->nlarge; i++) {
		node *d = s->large[i].dir;
		dv_autoclose int fd = -1;

		r = dv_workdir_open(&fd, s->rootfd, d->path, false);
		if (r == 0)
			r = read_file(s, fd, d->path, d, s->large[i].i, -1);
		r = forget_gone(d, &d->e[s->large[i].i], r);
		if (r == 0)
			r = complete(s, d, -1);
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

static int name_tree(dv_scan *s, node *d, int worker)
{
	dv_auto(dv_tree) t = DV_TREE_INIT;
	dv_auto(dv_buf) b = DV_BUF_INIT;
	const dv_oid was = d->tree;
	int r = node_tree(d, &t);

	if (r == 0)
		r = dv_tree_write(&b, &t);
	if (r == 0 && s->ingest)
		r = dv_ingest_bytes(s->ingest, worker, b.p, b.n, &was, &d->tree);
	else if (r == 0)
		dv_sha256(&d->tree, b.p, b.n);
	if (r == 0)
		dv_tree_totals(&t, &d->size, &d->nfiles);
	return r;
}

static int save_row(dv_scan *s, node *d)
{
	dv_auto(dv_dircache) row = { .dev = d->dev, .has_tree = d->dir, .tree = d->tree,
				     .size = d->size, .nfiles = d->nfiles };
	int r = 0;

	for (size_t i = 0; r == 0 && i < d->n; i++)
		if (d->e[i].f.kind)
			r = dv_dircache_append(&row, &d->e[i].f);
	if (r == 0)
		dv_statcache_put(s->cache, d->path, &row);
	return r;
}

/* Keeps what a listing needs; of what is recorded nobody asks for one. */
static int shrink(node *d)
{
	free(dv_steal(&d->batches));
	dv_scan_before_forget(d);
	if (d->scan->writer) {
		free(dv_steal(&d->e));
		dv_buf_release(&d->names);
		d->n = 0;
	}
	if (d->names.n > UINT32_MAX)
		return dv_err(DV_ERROR, "'%s' has too many entries", d->path);
	d->k = dv_reallocarray(NULL, d->n + 1, sizeof(*d->k));
	if (!d->k)
		return DV_ERROR;
	for (size_t i = 0; i < d->n; i++) {
		const dv_cached_file *f = &d->e[i].f;

		d->k[i] = (kept){ f->oid, f->size, f->mtime_ns,
				   (uint32_t)(f->name - d->names.p), f->kind,
				   d->e[i].linked };
	}
	free(dv_steal(&d->e));
	return 0;
}

/* Everything in the directory is known: names it, and tells its parent. */
static int finish_node(dv_scan *s, node *d, int worker)
{
	int r = 0;

	if (d->dir && (d->dirty || !is_kept(s, &d->tree))) {
		d->dirty = true;
		r = name_tree(s, d, worker);
	}
	if (r == 0 && d->dirty)
		r = save_row(s, d);
	if (r == 0)
		r = shrink(d);
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

/* One thing in the directory is complete. With the last one so is the directory, and that is one
 * thing of its parent. */
static int complete(dv_scan *s, node *d, int worker)
{
	int r = 0;

	for (; r == 0 && d && atomic_fetch_sub(&d->open, 1) == 1; d = d->parent)
		r = d->gone ? 0 : finish_node(s, d, worker);
	return r;
}

static int scan_dir(dv_scan *s, const char *path, dv_scanned *out)
{
	node *top = NULL;
	int r;

	dv_statcache_preload(s->cache, path);
	if ((r = new_node(s, dv_strdup(path), NULL, 0, &top)) < 0)
		return r;
	top->dir = true;
	top->tree = s->before;
	if ((r = dv_pool_submit(s->pool, walk_job, top)) < 0 || (r = dv_pool_wait(s->pool)) < 0 ||
	    (r = read_large(s)) < 0)
		return r;
	dv_assert(top->k);
	*out = (dv_scanned){ 'd', top->tree, top->size, top->nfiles, s->hashed };
	return 0;
}

/* An output that is a single file: a cache row of its own, under its path, with one entry. */
static int scan_file(dv_scan *s, const char *path, int fd, const struct stat *st, dv_scanned *out)
{
	dv_auto(dv_dircache) old = DV_DIRCACHE_INIT;
	const char *name = dv_path_base(path);
	node *d = NULL;
	int r;

	dv_statcache_preload(s->cache, path);
	if ((r = new_node(s, dv_strdup(path), NULL, 0, &d)) < 0 ||
	    (r = add_name(d, name, DT_REG)) < 0)
		return r;
	index_names(d);
	entry *e = &d->e[0];
	d->dev = st->st_dev;
	dv_scan_set_file(&e->f, st, dv_now_ns());
	if (!e->f.kind)
		return refuse_special(path, st->st_mode);
	bool known = dv_statcache_get(s->cache, path, &old) && old.n == 1 && !old.has_tree;
	bool through = e->f.kind == 'l' && dv_scan_look_through(s, fd, e);
	bool as_known = !through && known && remembered(s, &old, &old.files[0], e, st);
	if (!through && !as_known && !e->had && e->f.kind != 'l' && !dv_oid_is_zero(&s->before)) {
		e->f.oid = s->before;
		e->had = true;
	}
	if (through ? e->todo : !as_known) {
		dv_autofree char *dir = dv_strndup(path, (size_t)(name - path));

		d->dirty = true;
		if (!dir)
			return dv_err_nomem();
		if (*dir)
			dir[strlen(dir) - 1] = '\0';
		dv_scan_look_behind(s, known ? &old.files[0] : NULL, st);
		dv_progress_ahead(e->f.kind == 'l' ? 0 : e->f.size, 1);
		/* Not in a pool worker, so also a small file takes the way of large ones. */
		r = e->f.kind == 'l' ? read_link(s, fd, dir, e, -1)
				     : read_file(s, fd, dir, d, 0, -1);
	}
	if (r < 0)
		return r;
	*out = (dv_scanned){ e->f.kind, e->f.oid, e->f.size, 1, s->hashed };
	return complete(s, d, -1);
}

int dv_scan_path(dv_scan *s, const char *path, dv_scanned *out)
{
	dv_autoclose int fd = -1;
	const char *name;
	struct stat st;

	forget_nodes(s);
	memset(out, 0, sizeof(*out));
	if (!(s->base = dv_strdup(path)))
		return dv_err_nomem();
	int r = dv_workdir_parent(&fd, &name, s->rootfd, path, false);
	if (r == 0 && fstatat(fd, *name ? name : ".", &st, AT_SYMLINK_NOFOLLOW) < 0)
		r = dv_err_sys("cannot look at '%s'", path);
	if (r == DV_ENOTFOUND) {
		dv_error_clear();
		return 0;
	}
	if (r < 0)
		return r;
	return S_ISDIR(st.st_mode) ? scan_dir(s, path, out) : scan_file(s, path, fd, &st, out);
}
