/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes one output equal to its pointer. In order: scan what stands there; look at what differs,
 * and refuse when something would be overwritten that the store does not have, or when the store
 * lacks something that is wanted; only then change the workspace. The differences are found anew
 * for each step, so that they are never all in memory. Every file appears by rename once its bytes
 * were verified against its oid, so a checkout that was cut leaves old and new files, never half
 * ones, and running it again completes it.
 */
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/progress.h"
#include "repo/changes.h"
#include "repo/checkout_impl.h"
#include "repo/landed.h"
#include "repo/graft.h"
#include "repo/record.h"
#include "repo/workdir.h"

#define BATCH_FILES 64
#define BATCH_BYTES (2u << 20)
/* Dated back, so that they are not read again soon, are files that take long to read, and those
 * that may be written last: the others have aged when the command ends. */
#define DATE_SIZE (256u << 10)
#define DATE_LAST 4096
#define NAMED_MAX 5
#define WINDOW 32768	/* differences in work at once */

void dv_checkout_work_release(checkout *c)
{
	dv_scan_free(c->scan);
	dv_writer_free(c->writer);
	dv_links_release(&c->links);
	for (int i = 0; c->readers && i <= dv_pool_threads(c->pool); i++)
		dv_reader_free(c->readers[i]);
	free(c->readers);
	dv_pool_free(c->pool);
	dv_deltas_release(&c->deltas);
	dv_deltas_release(&c->folders);
	dv_buf_release(&c->lost);
	dv_buf_release(&c->missing);
	dv_targets_release(&c->targets);
	free(c->written);
	free(c->seen);
	if (c->rootfd >= 0)
		close(c->rootfd);
}

int dv_checkout_work_open(checkout *c)
{
	int r;

	if ((r = dv_repo_store(c->repo, &c->store)) < 0 ||
	    (r = dv_repo_pool(&c->pool, c->repo, c->o->jobs)) < 0 ||
	    (r = dv_scan_new(&c->scan, c->repo, c->pool, NULL)) < 0)
		return r;
	dv_links_init(&c->links, c->repo, c->store);
	c->readers = dv_calloc((size_t)dv_pool_threads(c->pool) + 1, sizeof(dv_reader *));
	if (!c->readers)
		return dv_err_nomem();
	for (int i = 0; i <= dv_pool_threads(c->pool); i++)
		if ((r = dv_reader_new(&c->readers[i], c->store)) < 0)
			return r;
	c->rootfd = dv_fs_openat(AT_FDCWD, c->repo->root, O_RDONLY | O_DIRECTORY, 0);
	return c->rootfd < 0 ? dv_err_sys("cannot open the workspace '%s'", c->repo->root) : 0;
}

dv_reader *dv_checkout_work_reader(checkout *c)
{
	return c->readers[dv_pool_threads(c->pool)];
}

/* -- what would be lost, what is missing ------------------------------------------------------ */

static int refuse(int code, const dv_buf *names, size_t n, const char *what)
{
	if (n > NAMED_MAX)
		return dv_err(code, "%s:%s and %zu more", what, dv_buf_str(names), n - NAMED_MAX);
	return dv_err(code, "%s:%s", what, dv_buf_str(names));
}

static void name(dv_buf *names, size_t *n, const char *path)
{
	if ((*n)++ < NAMED_MAX)
		dv_buf_addf(names, "%s '%s'", *n > 1 ? "," : "", path);
}

static bool is_content(char kind)
{
	return kind && kind != 'd';
}

/* A symbolic link to a whole file that is not in the cache any more holds nothing to lose. */
static bool is_dangling(const checkout *c, const char *at, const dv_tree_entry *old)
{
	dv_autofree char *path = NULL;
	dv_autoclose int dir = -1;
	const char *base;
	dv_oid oid;

	if (old->kind != 'l')
		return false;
	if (dv_workdir_parent(&dir, &base, c->rootfd, at, false) < 0) {
		dv_error_clear();
		return false;
	}
	return dv_links_points_in(c->store, dir, base, &oid) &&
	       (path = dv_store_whole_path(c->store, &oid)) && access(path, F_OK) != 0;
}

static int look_at(checkout *c, const char *path, const dv_tree_entry *old,
		   const dv_tree_entry *new_)
{
	char from = old ? old->kind : 0, to = new_ ? new_->kind : 0;

	if (is_content(from) && !dv_store_has_object(c->store, &old->oid) &&
	    !is_dangling(c, path, old))
		name(&c->lost, &c->nlost, path);
	if (is_content(to)) {
		if (!dv_store_has_object(c->store, &new_->oid))
			name(&c->missing, &c->nmissing, path);
		c->total += new_->size;
		c->nfiles++;
	}
	c->ndeltas++;
	c->nremovals += from && (!to || (from == 'd') != (to == 'd'));
	return 0;
}

/* How what is missing comes here. */
static int hint_fetch(const checkout *c, int rc, const char *path)
{
	const char *space = *path ? " " : "";

	if (c->o->rev)
		return dv_err_hint(rc, "run 'dv fetch --rev %s%s%s' to bring it from the remote",
				   c->o->rev, space, path);
	return dv_err_hint(rc, "run 'dv pull%s%s' to bring it from the remote", space, path);
}

/* Does what stands there count as kept, wherever it is? */
static bool is_known(const checkout *c)
{
	for (size_t i = 0; i < c->nknown; i++)
		if (dv_oid_eq(&c->now.oid, &c->known[i]))
			return true;
	return false;
}

static int check_deltas(const checkout *c)
{
	if (c->nmissing) {
		refuse(DV_ENOTFOUND, &c->missing, c->nmissing, "content is not in the cache");
		return hint_fetch(c, DV_ENOTFOUND, "");
	}
	if (c->nlost && !c->o->force && !is_known(c)) {
		refuse(DV_EDIRTY, &c->lost, c->nlost,
		       "would overwrite or delete work that is not in the store");
		return dv_err_hint(DV_EDIRTY, c->output && c->output->stage
				   ? "copy it elsewhere to keep it, or use --force to drop it"
				   : "run 'dv add' to record it, or use --force to drop it");
	}
	return 0;
}

/* -- applying --------------------------------------------------------------------------------- */

static int read_target(checkout *c, const dv_oid *oid, dv_buf *out, int worker)
{
	int r = dv_object_read(c->readers[worker], oid, 65536, out);

	if (r == 0 && (out->n == 0 || strlen(dv_buf_str(out)) != out->n))
		return dv_err(DV_ECORRUPT, "the target of a link is empty or holds a NUL");
	return r;
}

static bool is_file(char kind)
{
	return kind == 'f' || kind == 'x';
}

/* Makes the whole file that a link will need; worker as for put_file. */
static int make_whole(checkout *c, size_t i, int worker)
{
	const dv_delta *d = &c->deltas.d[i];
	bool large = d->new_size > DV_INGEST_SMALL && worker == dv_pool_threads(c->pool);
	int r;

	if (!is_file(d->new_kind) || !dv_links_wanted(&c->links, d->new_size))
		return 0;
	r = dv_links_make(&c->links, c->writer, c->readers[worker], large ? c->pool : NULL,
			  &d->new_oid, d->new_size, d->new_kind == 'x');
	return r < 0 ? dv_err_ctx(r, "'%s'", d->path) : 0;
}

/* What may be replaced: that which was compared, and nothing that came later. */
static int note_seen(checkout *c)
{
	int r = 0;

	free(c->seen);
	c->seen = NULL;
	if (c->o->force)
		return 0;
	if (!(c->seen = dv_calloc(c->deltas.n + 1, sizeof(*c->seen))))
		return dv_err_nomem();
	for (size_t i = 0; r == 0 && i < c->deltas.n; i++) {
		const dv_delta *d = &c->deltas.d[i];
		dv_oid now = { { 0 } };

		r = dv_scan_seen(c->scan, d->path, &c->seen[i], &now);
		if (r == 0 && d->old_kind && d->old_kind != 'd' && !dv_oid_eq(&now, &d->old_oid))
			return dv_err_hint(dv_err(DV_EDIRTY, "'%s': changed by another program "
						  "meanwhile, so it stays as it is", d->path),
					   "run the command again");
	}
	return r;
}

static const dv_seen *seen_at(const checkout *c, size_t i)
{
	return c->seen ? &c->seen[i] : NULL;
}

/* A new file for folder `dir` with what the delta says, verified; worker as for put_file. */
static int write_content(checkout *c, const dv_delta *d, int worker, int dir, dv_newfile *f)
{
	bool large = d->new_size > DV_INGEST_SMALL && worker == dv_pool_threads(c->pool);
	int r;

	if (large && dv_landed_take(c->repo->landed, c->readers[worker], &d->new_oid, dir, f))
		return 0;
	if ((r = dv_newfile_open(f, &c->repo->scratch, dir)) < 0)
		return r;
	return large ? dv_object_write_large(c->store, c->pool, &d->new_oid, d->new_size, f->fd)
		     : dv_object_write(c->readers[worker], &d->new_oid, d->new_size, f->fd);
}

/* Writes one file or link; worker is the pool's size for the calling thread. */
static int put_file(checkout *c, size_t i, int worker)
{
	const dv_delta *d = &c->deltas.d[i];
	/* Before what is removed from it when something fails. */
	dv_autoclose int dir = -1;
	dv_auto(dv_newfile) f = DV_NEWFILE_INIT;
	dv_auto(dv_buf) target = DV_BUF_INIT;
	const char *base;
	struct stat *st = &c->written[i];
	int r;

	if ((r = dv_workdir_parent(&dir, &base, c->rootfd, d->path, true)) < 0)
		return r;
	if (d->new_kind == 'l') {
		if ((r = read_target(c, &d->new_oid, &target, worker)) < 0 ||
		    (r = dv_workdir_symlink(&c->repo->scratch, dir, base, target.p,
					    seen_at(c, i))) < 0)
			return dv_err_ctx(r, "'%s'", d->path);
		return fstatat(dir, base, st, AT_SYMLINK_NOFOLLOW) < 0
			       ? dv_err_sys("cannot look at '%s'", d->path) : 0;
	}
	if (dv_links_wanted(&c->links, d->new_size) &&
	    (r = dv_links_put(&c->links, &d->new_oid, d->new_kind, dir, base, seen_at(c, i),
			      st)) != 0) {
		dv_progress_add(0, 1);
		return r < 0 ? dv_err_ctx(r, "'%s'", d->path) : 0;
	}
	if ((r = write_content(c, d, worker, dir, &f)) < 0)
		return dv_err_ctx(r, "'%s'", d->path);
	f.date_back = d->new_size >= DATE_SIZE || i + DATE_LAST >= c->deltas.n;
	r = dv_newfile_replace(&f, base, dv_workdir_mode(d->new_kind == 'x'), seen_at(c, i));
	if (r < 0)
		return dv_err_ctx(r, "'%s'", d->path);
	/* By the descriptor: what stands under the name may be another's already. */
	if (fstat(f.fd, st) < 0)
		return dv_err_sys("cannot look at '%s'", d->path);
	atomic_fetch_add(&c->bytes, d->new_size);
	dv_progress_add(0, 1);
	return 0;
}

/* What is done with each file of the deltas. */
typedef int (*file_fn)(checkout *c, size_t i, int worker);

typedef struct batch {
	checkout *c;
	file_fn fn;
	size_t from, to;
} batch;

static bool is_small_file(const dv_delta *d)
{
	return d->new_kind && d->new_kind != 'd' && d->new_size <= DV_INGEST_SMALL;
}

static int batch_job(void *arg, int worker)
{
	batch *b = arg;
	int r = 0;

	for (size_t i = b->from; r == 0 && i < b->to; i++) {
		if (dv_pool_stopping(b->c->pool))
			return dv_check_cancel();
		if (is_small_file(&b->c->deltas.d[i]))
			r = b->fn(b->c, i, worker);
	}
	return r;
}

static int for_small_files(checkout *c, file_fn fn, batch *jobs)
{
	uint64_t bytes = 0;
	size_t from = 0, njobs = 0;

	for (size_t i = 0; i < c->deltas.n; i++) {
		if (is_small_file(&c->deltas.d[i]))
			bytes += c->deltas.d[i].new_size;
		if (i + 1 - from < BATCH_FILES && bytes < BATCH_BYTES && i + 1 < c->deltas.n)
			continue;
		jobs[njobs] = (batch){ c, fn, from, i + 1 };
		int r = dv_pool_submit(c->pool, batch_job, &jobs[njobs++]);
		if (r < 0)
			break;	/* wait tells what failed */
		from = i + 1;
		bytes = 0;
	}
	return dv_pool_wait(c->pool);
}

static int for_files(checkout *c, file_fn fn)
{
	dv_autofree batch *jobs = dv_calloc(c->deltas.n + 1, sizeof(*jobs));
	int r;

	if (!jobs)
		return dv_err_nomem();
	r = for_small_files(c, fn, jobs);
	for (size_t i = 0; r == 0 && i < c->deltas.n; i++) {
		const dv_delta *d = &c->deltas.d[i];

		if (d->new_kind && d->new_kind != 'd' && !is_small_file(d) &&
		    (r = dv_check_cancel()) == 0)
			r = fn(c, i, dv_pool_threads(c->pool));
	}
	return r;
}

/* Whole files for everything that is to be linked, durable before the first link. */
static int make_wholes(checkout *c)
{
	bool any = false;
	int r = 0;

	for (size_t i = 0; !any && i < c->deltas.n; i++)
		any = is_file(c->deltas.d[i].new_kind) &&
		      dv_links_wanted(&c->links, c->deltas.d[i].new_size);
	if (any && !c->probed) {
		c->probed = true;
		r = dv_links_probe(&c->links, c->rootfd);
	}
	if (!any || r < 0 || dv_links_mode(&c->links) == DV_LINK_COPY)
		return r;
	if (!c->writer)
		r = dv_writer_new(&c->writer, c->store, dv_repo_compression(c->repo));
	if (r == 0)
		r = for_files(c, make_whole);
	return r < 0 ? r : dv_writer_commit(c->writer, NULL, 0);
}

static int note_results(checkout *c)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->deltas.n; i++) {
		const dv_delta *d = &c->deltas.d[i];
		bool file = d->new_kind && d->new_kind != 'd';

		r = dv_scan_update(c->scan, d->path, d->new_kind, &d->new_oid,
				   file ? &c->written[i] : NULL);
		if (d->old_kind == 'd' || d->new_kind == 'd')
			continue;
		if (d->old_kind == d->new_kind && dv_oid_eq(&d->old_oid, &d->new_oid))
			c->sum->relinked++;
		else if (!d->old_kind)
			c->sum->added++;
		else if (!d->new_kind)
			c->sum->deleted++;
		else
			c->sum->modified++;
	}
	return r < 0 ? r : dv_scan_remember(c->scan);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const dv_delta *)a)->path, ((const dv_delta *)b)->path);
}

/* Writes the files in work and tells the stat cache. */
static int flush(checkout *c)
{
	int r;

	if (c->deltas.n == 0)
		return 0;
	qsort(c->deltas.d, c->deltas.n, sizeof(*c->deltas.d), by_path);
	free(c->written);
	c->written = dv_calloc(c->deltas.n, sizeof(*c->written));
	if (!c->written)
		return DV_ERROR;
	if ((r = make_wholes(c)) == 0 && (r = note_seen(c)) == 0 &&
	    (r = for_files(c, put_file)) == 0)
		r = note_results(c);
	dv_deltas_release(&c->deltas);
	return r;
}

static int take(checkout *c, const char *path, const dv_tree_entry *old, const dv_tree_entry *new_)
{
	int r = dv_deltas_add(&c->deltas, path, old, new_);

	return r == 0 && c->deltas.n >= WINDOW ? flush(c) : r;
}

static int remove_old(checkout *c, const char *path, const dv_tree_entry *old,
		      const dv_tree_entry *new_)
{
	dv_seen was;
	int r = 0;

	if (!old || (new_ && (old->kind == 'd') == (new_->kind == 'd')))
		return 0;
	if (old->kind == 'd')
		return dv_deltas_add(&c->folders, path, old, new_);
	if (!c->o->force)
		r = dv_scan_seen(c->scan, path, &was, NULL);
	if (r == 0)
		r = dv_workdir_unlink(&c->repo->scratch, c->rootfd, path,
				      c->o->force ? NULL : &was);
	return r < 0 || new_ ? r : take(c, path, old, NULL);
}

/* From the end, so that folders are empty when their turn comes. */
static int remove_folders(checkout *c)
{
	int r = 0;

	for (size_t i = c->folders.n; r == 0 && i-- > 0;) {
		const dv_delta *d = &c->folders.d[i];
		const dv_tree_entry old = { .kind = 'd', .oid = d->old_oid };

		r = dv_workdir_rmdir(c->rootfd, d->path);
		if (r == 0 && !d->new_kind)
			r = take(c, d->path, &old, NULL);
	}
	dv_deltas_release(&c->folders);
	return r < 0 ? r : flush(c);
}

static int put_new(checkout *c, const char *path, const dv_tree_entry *old,
		   const dv_tree_entry *new_)
{
	dv_autoclose int fd = -1;
	int r;

	if (!new_)
		return 0;
	if (new_->kind == 'd' && (!old || old->kind != 'd') &&
	    (r = dv_workdir_open(&fd, c->rootfd, path, true)) < 0)
		return r;
	return take(c, path, old, new_);
}

/* -- one output ------------------------------------------------------------------------------- */

typedef int (*step_fn)(checkout *c, const char *path, const dv_tree_entry *old,
		       const dv_tree_entry *new_);
typedef struct step {
	checkout *c;
	step_fn fn;
} step;

/* Makes the path root-relative and, when only parts are wanted, passes over the others. */
static int one_delta(void *payload, const char *inner, const dv_tree_entry *old,
		     const dv_tree_entry *new_)
{
	const step *s = payload;
	const dv_targets *t = &s->c->targets;
	dv_autofree char *path = dv_path_join(s->c->output->path, inner);

	if (!path)
		return DV_ERROR;
	if (s->c->parts && !dv_targets_want_path(t, path) &&
	    !(new_ && new_->kind == 'd' && dv_targets_want_below(t, path)))
		return 0;
	return s->fn(s->c, path, old, new_);
}

/* The stored side of a comparison that concerns parts only: what lies elsewhere need not be in the
 * store, and is listed as empty. */
typedef struct pruned {
	dv_reader *reader;
	const dv_targets *t;
	const char *output;
} pruned;

static int list_pruned(void *ctx, const char *path, const dv_oid *oid, dv_tree *out)
{
	const pruned *p = ctx;
	dv_autofree char *full = dv_path_join(p->output, path);

	if (!full)
		return dv_err_nomem();
	if (dv_targets_want_path(p->t, full) || dv_targets_want_below(p->t, full))
		return dv_list_stored(p->reader, path, oid, out);
	*out = (dv_tree)DV_TREE_INIT;
	return 0;
}

/* Takes one step over all differences of the output, a folder before what is in it. */
static int over_deltas(checkout *c, step_fn fn)
{
	const dv_output *o = c->output;
	dv_tree_entry want = dv_pointer_entry(&o->pointer);
	dv_tree_entry have = { .kind = c->now.kind, .oid = c->now.oid, .size = c->now.size };
	pruned only = { dv_checkout_work_reader(c), &c->targets, o->path };
	dv_side cur = dv_scan_side(c->scan), all = { dv_list_stored, dv_checkout_work_reader(c) };
	dv_side some = { list_pruned, &only };
	step s = { c, fn };
	bool wd = want.kind == 'd', hd = have.kind == 'd';
	int r = 0;

	if (!hd && !wd && have.kind == want.kind && dv_oid_eq(&have.oid, &want.oid))
		return 0;
	if (hd != wd || !wd)
		r = fn(c, o->path, have.kind ? &have : NULL, &want);
	if (r == 0 && (hd || wd))
		r = dv_treediff_each(&cur, hd ? &have.oid : NULL, c->parts ? &some : &all,
				     wd ? &want.oid : NULL, DV_TREEDIFF_DIRS, one_delta, &s);
	return r;
}

static void plan_begin(checkout *c)
{
	dv_buf_clear(&c->lost);
	dv_buf_clear(&c->missing);
	c->nlost = c->nmissing = c->nremovals = c->ndeltas = 0;
	c->total = c->nfiles = 0;
}

static int plan(checkout *c)
{
	int r;

	plan_begin(c);
	r = over_deltas(c, look_at);
	if (r == DV_ENOTFOUND) {
		dv_err(r, "a listing of '%s' is not in the cache", c->output->path);
		return hint_fetch(c, r, c->output->path);
	}
	return r < 0 ? r : check_deltas(c);
}

static int apply(checkout *c)
{
	int r = 0;

	dv_progress_start("checking out", c->total, c->nfiles);
	if (c->nremovals && (r = over_deltas(c, remove_old)) == 0)
		r = remove_folders(c);
	if (r == 0)
		r = over_deltas(c, put_new);
	return r < 0 ? r : flush(c);
}

/* -- links ------------------------------------------------------------------------------------- */

/* 1 when the file is right, but not as cache.type asks. */
static int is_unlinked(checkout *c, const char *path, const dv_tree_entry *e)
{
	dv_autoclose int dir = -1;
	const char *base;
	int r = 0;

	if (!e || !is_file(e->kind))
		return 0;
	if (!c->probed) {
		c->probed = true;
		r = dv_links_probe(&c->links, c->rootfd);
	}
	if (r < 0 || (r = dv_workdir_parent(&dir, &base, c->rootfd, path, false)) < 0)
		return r;
	return !dv_links_is_right(&c->links, &e->oid, e->kind, e->size, dir, base);
}

static int look_at_link(checkout *c, const char *path, const dv_tree_entry *old,
			const dv_tree_entry *new_)
{
	int r = is_unlinked(c, path, new_);

	(void)old;
	return r > 0 ? look_at(c, path, new_, new_) : r;
}

static int put_link(checkout *c, const char *path, const dv_tree_entry *old,
		    const dv_tree_entry *new_)
{
	int r = is_unlinked(c, path, new_);

	(void)old;
	return r > 0 ? take(c, path, new_, new_) : r;
}

static int over_files(checkout *c, step_fn fn)
{
	dv_tree_entry want = dv_pointer_entry(&c->output->pointer);
	pruned only = { dv_checkout_work_reader(c), &c->targets, c->output->path };
	dv_side all = { dv_list_stored, dv_checkout_work_reader(c) };
	dv_side some = { list_pruned, &only };
	const dv_side *stored = c->parts ? &some : &all;
	step s = { c, fn };

	if (want.kind != 'd')
		return fn(c, c->output->path, NULL, &want);
	return dv_treediff_each(stored, NULL, stored, &want.oid, 0, one_delta, &s);
}

/* Makes files anew that are right and of another link mode. The workspace is as the pointer
 * says. */
static int relink_output(checkout *c)
{
	int r = 0;

	/* What was written since the scan is to be seen too. */
	if (c->ndeltas)
		r = dv_scan_path(c->scan, c->output->path, &c->now);
	plan_begin(c);
	if (r < 0 || (r = over_files(c, look_at_link)) < 0 || (r = check_deltas(c)) < 0 ||
	    c->ndeltas == 0)
		return r;
	dv_progress_start("checking out", c->total, c->nfiles);
	r = over_files(c, put_link);
	return r < 0 ? r : flush(c);
}

int dv_checkout_work_output(checkout *c, const dv_output *o, bool parts, dv_change_cb cb,
			    void *payload)
{
	int r;

	c->output = o;
	c->parts = parts;
	if ((r = dv_scan_path(c->scan, o->path, &c->now)) < 0 ||
	    (r = dv_scan_remember(c->scan)) < 0 || (r = plan(c)) < 0)
		return r;
	if (c->ndeltas) {
		if ((r = apply(c)) < 0)
			return r;
		c->sum->outputs++;
		r = dv_changes_tell_output(c->now.kind ? DV_MODIFIED : DV_ADDED, o,
					   &o->pointer.oid, o->pointer.size, cb, payload);
	}
	return r == 0 && c->o->relink ? relink_output(c) : r;
}

int dv_checkout_work_differs(checkout *c, const dv_output *o, bool parts, bool *yes)
{
	int r;

	c->output = o;
	c->parts = parts;
	*yes = false;
	if ((r = dv_scan_path(c->scan, o->path, &c->now)) < 0)
		return r;
	plan_begin(c);
	r = over_deltas(c, look_at);
	*yes = c->ndeltas > 0;
	return r;
}
