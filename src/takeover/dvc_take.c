/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files by their MD5: from DVC's cache and its remote into the store, and the memory of what was
 * taken over. A name is learned from the bytes alone, while they are stored.
 */
#include "takeover/dvc_take_impl.h"

#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/progress.h"
#include "repo/record.h"

#define COMMIT_BYTES ((uint64_t)1 << 30)	/* at most so much is not durable */
#define NOTES_MAX ((size_t)1 << 30)	/* of the file of notes */
#define READ_TRIES 3	/* of a file that changes while it is read */
#define ROUND 128	/* files that are fetched before they are stored */

/* -- what is known ----------------------------------------------------------------------------- */

static dv_oid key_of(const dv_dvc_name *n)
{
	dv_oid key = { { 0 } };

	memcpy(key.b, n->md5.b, DV_MD5_SIZE);
	key.b[DV_MD5_SIZE] = n->dos2unix;
	key.b[DV_MD5_SIZE + 1] = n->is_dir;
	return key;
}

static int remember(dv_dvc_take *t, const dv_dvc_name *n, const dv_oid *oid, uint64_t size,
		    bool *added)
{
	const dv_oid key = key_of(n);
	int rc = dv_grow(&t->t, &t->cap, t->n + 1, sizeof(*t->t));

	*added = false;
	if (rc == 0)
		rc = dv_map_add(&t->by_name, &key, t->n, added);
	if (rc == 0 && *added)
		rc = dv_map_add(&t->by_oid[n->dos2unix], oid, t->n, NULL);
	if (rc == 0 && *added)
		t->t[t->n++] = (taken){ *n, *oid, size };
	return rc;
}

int dv_dvc_take_learn(dv_dvc_take *t, const dv_dvc_name *n, const dv_oid *oid, uint64_t size)
{
	char md5[DV_MD5_HEX + 1], hex[DV_OID_HEX_SIZE + 1];
	bool added;
	int rc;

	dv_md5_hex(md5, &n->md5);
	dv_oid_hex(hex, oid);
	pthread_mutex_lock(&t->lock);
	rc = remember(t, n, oid, size, &added);
	if (rc == 0 && added)
		rc = dv_buf_addf(&t->waiting, "%s %s %s %llu\n", n->dos2unix ? "dos2unix" : "md5",
				 md5, hex, (unsigned long long)size);
	pthread_mutex_unlock(&t->lock);
	return rc;
}

static bool is_stored(dv_dvc_take *t, const dv_oid *oid)
{
	return dv_store_has_object(t->store, oid) ||
	       dv_writer_has(t->o.writer, DV_KIND_CHUNK, oid) ||
	       dv_writer_has(t->o.writer, DV_KIND_RECIPE, oid);
}

bool dv_dvc_take_find(dv_dvc_take *t, const dv_dvc_name *n, dv_oid *oid, uint64_t *size)
{
	const dv_oid key = key_of(n);
	uint64_t i;
	bool found;

	pthread_mutex_lock(&t->lock);
	found = dv_map_get(&t->by_name, &key, &i);
	if (found) {
		*oid = t->t[i].oid;
		*size = t->t[i].size;
	}
	pthread_mutex_unlock(&t->lock);
	return found && is_stored(t, oid);
}

bool dv_dvc_take_name_of(dv_dvc_take *t, const dv_oid *oid, bool dos2unix, dv_dvc_name *out)
{
	uint64_t i;
	bool found;

	pthread_mutex_lock(&t->lock);
	found = dv_map_get(&t->by_oid[dos2unix], oid, &i);
	if (found)
		*out = t->t[i].name;
	pthread_mutex_unlock(&t->lock);
	return found;
}

/* A line of the notes; one that is cut or is something else counts as not there. */
static int read_note(dv_dvc_take *t, char *line)
{
	char *kind = line, *md5 = strchr(line, ' '), *hex = md5 ? strchr(md5 + 1, ' ') : NULL;
	char *size = hex ? strchr(hex + 1, ' ') : NULL, *end = NULL;
	dv_dvc_name name;
	uint64_t n;
	dv_oid oid;
	bool added;

	if (!size)
		return 0;
	*md5++ = *hex++ = *size++ = 0;
	n = strtoull(size, &end, 10);
	if (end == size || *end || (strcmp(kind, "md5") != 0 && strcmp(kind, "dos2unix") != 0) ||
	    !dv_dvc_name_parse(&name, md5, *kind == 'd') || name.is_dir ||
	    dv_oid_parse(&oid, hex, strlen(hex)))
		return 0;
	return remember(t, &name, &oid, n, &added);
}

static int read_notes(dv_dvc_take *t)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = dv_fs_read_file(&text, t->notes, NOTES_MAX);
	char *p = text.p, *nl;

	if (rc == DV_ENOTFOUND || (rc == 0 && !text.n)) {
		dv_error_clear();
		return 0;
	}
	for (; rc == 0 && (nl = strchr(p, '\n')); p = nl + 1) {
		*nl = 0;
		rc = read_note(t, p);
	}
	return rc;
}

static int write_notes(dv_dvc_take *t)
{
	dv_autoclose int fd = -1;

	if (!t->waiting.n)
		return 0;
	fd = dv_fs_openat(AT_FDCWD, t->notes, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0666);
	if (fd < 0 || dv_fs_write_all(fd, t->waiting.p, t->waiting.n))
		return dv_err_sys("cannot write '%s'", t->notes);
	dv_buf_clear(&t->waiting);
	return 0;
}

int dv_dvc_take_commit(dv_dvc_take *t, const dv_root *roots, size_t n)
{
	int rc = dv_writer_commit(t->o.writer, roots, n);

	t->committed = dv_writer_bytes(t->o.writer);
	return rc ? rc : write_notes(t);
}

int dv_dvc_take_commit_some(dv_dvc_take *t)
{
	uint64_t now = dv_writer_bytes(t->o.writer);

	return now > t->committed && now - t->committed > COMMIT_BYTES
		       ? dv_dvc_take_commit(t, NULL, 0) : 0;
}

/* -- watching what is stored ------------------------------------------------------------------- */

static void see(void *ctx, const void *p, size_t n)
{
	const station *s = ctx;

	if (s->plain)
		dv_md5_update(s->plain, p, n);
	if (s->dos2unix)
		dv_md5_update(s->dos2unix, p, n);
}

static int begin(void *ctx, int worker, dv_witness *out)
{
	dv_dvc_take *t = ctx;
	station *s = &t->stations[worker < 0 ? t->nstations - 1 : worker];

	if (s->plain)
		dv_md5_begin(s->plain);
	if (s->dos2unix)
		dv_md5_begin(s->dos2unix);
	*out = (dv_witness){ see, s };
	return 0;
}

static int end(void *ctx, int worker, const char *path, const dv_oid *oid, uint64_t size)
{
	dv_dvc_take *t = ctx;
	station *s = &t->stations[worker < 0 ? t->nstations - 1 : worker];
	dv_md5_stream *const streams[] = { s->plain, s->dos2unix };
	int rc = 0;

	(void)path;
	for (int k = 0; rc >= 0 && k < 2; k++) {
		dv_dvc_name name = { .dos2unix = k };
		dv_md5 sums[2];
		int n = rc = streams[k] ? dv_md5_end(streams[k], sums) : 0;

		for (int i = 0; rc >= 0 && i < n; i++) {
			name.md5 = sums[i];
			rc = dv_dvc_take_learn(t, &name, oid, size);
		}
	}
	return rc < 0 ? rc : 0;
}

/* -- opening ----------------------------------------------------------------------------------- */

static int make_stations(dv_dvc_take *t)
{
	int rc = 0;

	t->nstations = dv_pool_threads(t->o.pool) + 1;
	t->stations = dv_calloc((size_t)t->nstations, sizeof(*t->stations));
	if (!t->stations)
		return DV_ERROR;
	for (int i = 0; rc == 0 && i < t->nstations; i++) {
		if (t->o.plain)
			rc = dv_md5_new(&t->stations[i].plain, false);
		if (rc == 0 && t->o.dos2unix)
			rc = dv_md5_new(&t->stations[i].dos2unix, true);
	}
	return rc;
}

int dv_dvc_take_new(dv_dvc_take **out, const dv_dvc_take_options *o)
{
	dv_autoptr(dv_dvc_take) t = dv_calloc(1, sizeof(*t));
	int rc;

	*out = NULL;
	if (!t)
		return DV_ERROR;
	t->o = *o;
	t->store = dv_writer_store(o->writer);
	pthread_mutex_init(&t->lock, NULL);
	dv_links_init(&t->links, o->repo, t->store);
	t->watch = (dv_scan_watch){ begin, end, t };
	if (!(t->notes = dv_path_join(o->repo->dvdir, "import-dvc")))
		return DV_ERROR;
	if ((rc = make_stations(t)) || (rc = read_notes(t)) ||
	    (rc = dv_scan_new(&t->scan, o->repo, o->pool, o->writer)) ||
	    (rc = dv_ingest_new(&t->ingest, o->writer, o->pool)) ||
	    (rc = dv_ingest_deltas(t->ingest, dv_repo_deltas(o->repo))) ||
	    (rc = dv_encoder_new(&t->enc, dv_writer_level(o->writer))))
		return rc;
	dv_scan_watched(t->scan, &t->watch);
	t->committed = dv_writer_bytes(o->writer);
	*out = dv_steal(&t);
	return 0;
}

void dv_dvc_take_free(dv_dvc_take *t)
{
	if (!t)
		return;
	dv_scan_free(t->scan);
	dv_ingest_free(t->ingest);
	dv_encoder_free(t->enc);
	dv_foreign_free(t->remote);
	dv_links_release(&t->links);
	for (int i = 0; t->stations && i < t->nstations; i++) {
		dv_md5_stream_free(t->stations[i].plain);
		dv_md5_stream_free(t->stations[i].dos2unix);
	}
	free(t->stations);
	free(t->notes);
	free(t->t);
	dv_map_release(&t->by_name);
	dv_map_release(&t->by_oid[0]);
	dv_map_release(&t->by_oid[1]);
	dv_buf_release(&t->waiting);
	dv_path_list_release(&t->symlinks);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

const dv_path_list *dv_dvc_take_links(const dv_dvc_take *t)
{
	return &t->symlinks;
}

/* -- one file ---------------------------------------------------------------------------------- */

/* Stores what is open as `fd`, or stands at `file`; its names are learned. */
static int store_once(dv_dvc_take *t, int worker, int fd, const char *file, const char *shown)
{
	dv_witness w;
	struct stat st;
	dv_oid oid;
	int rc = begin(t, worker, &w);

	dv_ingest_witness(t->ingest, worker, &w);
	if (rc == 0 && file && !fstat(fd, &st) &&
	    dv_links_wanted(&t->links, (uint64_t)st.st_size)) {
		rc = dv_links_take(&t->links, t->ingest, t->o.writer, worker, AT_FDCWD, file, shown,
				   &oid, &st);
		if (rc != DV_TAKE_NOT)
			return rc < 0 ? rc : end(t, worker, shown, &oid, (uint64_t)st.st_size);
		begin(t, worker, &w);
	}
	if (rc == 0)
		rc = worker < 0 ? dv_ingest_large(t->ingest, fd, shown, NULL, &oid, &st)
				: dv_ingest_small(t->ingest, worker, fd, shown, NULL, &oid, &st);
	return rc ? rc : end(t, worker, shown, &oid, (uint64_t)st.st_size);
}

static int store_file(dv_dvc_take *t, int worker, int fd, const char *file, const char *shown)
{
	int rc = DV_ETRANSIENT;

	for (int i = 0; i < READ_TRIES && rc == DV_ETRANSIENT; i++)
		rc = store_once(t, worker, fd, file, shown);
	if (rc == 0)
		dv_progress_add(0, 1);
	return rc;
}

/* -- from the cache ---------------------------------------------------------------------------- */

/* The path of a name in the cache as it is now or was before, or NULL when it has none; owned. */
static char *cache_path(const char *cache, const dv_dvc_name *n, struct stat *st)
{
	for (int older = 0; cache && older < 2; older++) {
		char place[DV_DVC_PLACE_MAX];
		char *path;

		dv_dvc_place(place, n, older != n->dos2unix);
		path = dv_path_join(cache, place);
		if (path && !lstat(path, st) && S_ISREG(st->st_mode))
			return path;
		free(path);
	}
	return NULL;
}

bool dv_dvc_cache_has(const char *cache, const dv_dvc_name *n)
{
	struct stat st;
	dv_autofree char *path = cache_path(cache, n, &st);

	return path != NULL;
}

/* Wants that are brought together. */
typedef struct cache_job {
	dv_dvc_take *t;
	dv_dvc_want *w;
	bool large;
} cache_job;

static int take_cached(dv_dvc_take *t, dv_dvc_want *w, int worker)
{
	struct stat st;
	dv_autofree char *path = cache_path(t->o.cache, &w->name, &st);
	dv_autoclose int fd = path ? dv_fs_openat(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW |
						  O_NONBLOCK, 0) : -1;
	uint64_t size;
	dv_oid oid;
	int rc;

	if (!path)
		return 0;
	if (fd < 0)
		return dv_err_sys("cannot open '%s'", path);
	rc = store_file(t, worker, fd, path, path);
	if (rc < 0)
		return rc;
	w->found = dv_dvc_take_find(t, &w->name, &oid, &size);
	w->damaged = !w->found;
	if (w->damaged)
		dv_warn("'%s' has not the MD5 that is its name: it is damaged, and left out", path);
	return 0;
}

static int cache_job_run(void *arg, int worker)
{
	cache_job *j = arg;
	struct stat st;
	dv_autofree char *path = cache_path(j->t->o.cache, &j->w->name, &st);

	j->large = path && st.st_size > (off_t)DV_INGEST_SMALL;
	return j->large || dv_pool_stopping(j->t->o.pool) ? dv_check_cancel()
							  : take_cached(j->t, j->w, worker);
}

int dv_dvc_take_from_cache(dv_dvc_take *t, dv_dvc_want *w, size_t n)
{
	dv_autofree cache_job *jobs = dv_calloc(n + 1, sizeof(*jobs));
	int rc = jobs ? 0 : DV_ERROR;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		jobs[i] = (cache_job){ t, &w[i], false };
		if (!w[i].found)
			rc = dv_pool_submit(t->o.pool, cache_job_run, &jobs[i]);
		if (rc == 0 && i % 4096 == 4095 && (rc = dv_pool_wait(t->o.pool)) == 0)
			rc = dv_dvc_take_commit_some(t);
	}
	int waited = dv_pool_wait(t->o.pool);

	rc = rc ? rc : waited;
	for (size_t i = 0; rc == 0 && i < n; i++)
		if (jobs[i].large && (rc = take_cached(t, &w[i], -1)) == 0)
			rc = dv_dvc_take_commit_some(t);
	return rc;
}

/* -- from the remote --------------------------------------------------------------------------- */

/* A file without a name, that is gone with its descriptor. */
static int open_nameless(dv_repo *r, int *fd)
{
	dv_auto(dv_buf) path = DV_BUF_INIT;
	int rc = dv_scratch_open(&r->scratch, r->dvdir);

	if (rc < 0)
		return rc;
	*fd = dv_fs_openat(AT_FDCWD, r->scratch.dir, O_RDWR | O_TMPFILE, 0600);
	if (*fd >= 0)
		return 0;
	uint64_t number;
	if ((rc = dv_random(&number, sizeof number)) < 0)
		return rc;
	dv_buf_addf(&path, "%s/%016llx", r->scratch.dir, (unsigned long long)number);
	if (path.err)
		return path.err;
	*fd = dv_fs_openat(AT_FDCWD, path.p, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (*fd < 0 || dv_fs_unlinkat(AT_FDCWD, path.p, 0))
		return dv_err_sys("cannot create a file in '%s'", r->scratch.dir);
	return 0;
}

typedef struct fetch_job {
	dv_dvc_take *t;
	dv_dvc_want *w;
	int fd;
	bool large;
} fetch_job;

/* Fetches by either place; fd stays -1 when the remote has it nowhere. */
static int fetch(dv_dvc_take *t, const dv_dvc_name *name, uint64_t max, int *out)
{
	int rc = DV_ENOTFOUND;

	*out = -1;
	for (int older = 0; rc == DV_ENOTFOUND && older < 2; older++) {
		char place[DV_DVC_PLACE_MAX];
		dv_autoclose int fd = -1;

		if ((rc = open_nameless(t->o.repo, &fd)) < 0)
			return rc;
		dv_dvc_place(place, name, older != name->dos2unix);
		rc = dv_foreign_get(t->remote, place, fd, max);
		if (rc == 0)
			*out = dv_steal_fd(&fd);
	}
	if (rc == DV_ENOTFOUND)
		dv_error_clear();
	return rc == DV_ENOTFOUND ? 0 : rc;
}

static int fetch_job_run(void *arg, int worker)
{
	fetch_job *j = arg;

	(void)worker;
	return fetch(j->t, &j->w->name, UINT64_MAX, &j->fd);
}

static int store_fetched(dv_dvc_take *t, fetch_job *j, int worker)
{
	uint64_t size;
	dv_oid oid;
	int rc = store_file(t, worker, j->fd, NULL, j->w->path);

	close(dv_steal_fd(&j->fd));
	if (rc < 0)
		return rc;
	j->w->found = dv_dvc_take_find(t, &j->w->name, &oid, &size);
	if (!j->w->found)
		dv_warn("what DVC's remote has for '%s' has not the MD5 that is its name: it is "
			"damaged, and left out", j->w->path);
	return 0;
}

static int store_job_run(void *arg, int worker)
{
	fetch_job *j = arg;
	struct stat st;

	if (j->fd < 0)
		return 0;
	if (fstat(j->fd, &st) < 0)
		return dv_err_sys("cannot read what was fetched for '%s'", j->w->path);
	j->large = st.st_size > (off_t)DV_INGEST_SMALL;
	return j->large ? 0 : store_fetched(j->t, j, worker);
}

/* The remote, opened once; NULL when there is none. */
static int the_remote(dv_dvc_take *t)
{
	int rc = 0;

	if (!t->remote_tried && t->o.open_remote)
		rc = t->o.open_remote(t->o.ctx, &t->remote);
	t->remote_tried = true;
	return rc;
}

static int fetch_round(dv_dvc_take *t, dv_pool *net, fetch_job *jobs, size_t n)
{
	int rc = 0, waited;

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = dv_pool_submit(net, fetch_job_run, &jobs[i]);
	waited = dv_pool_wait(net);
	rc = rc ? rc : waited;
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = dv_pool_submit(t->o.pool, store_job_run, &jobs[i]);
	waited = dv_pool_wait(t->o.pool);
	rc = rc ? rc : waited;
	for (size_t i = 0; rc == 0 && i < n; i++)
		if (jobs[i].fd >= 0)
			rc = store_fetched(t, &jobs[i], -1);
	for (size_t i = 0; i < n; i++)
		if (jobs[i].fd >= 0)
			close(jobs[i].fd);
	return rc ? rc : dv_dvc_take_commit_some(t);
}

int dv_dvc_take_from_remote(dv_dvc_take *t, dv_dvc_want *w, size_t n)
{
	dv_autoptr(dv_pool) net = NULL;
	int rc = the_remote(t);

	if (rc < 0 || !t->remote)
		return rc;
	rc = dv_pool_new(&net, dv_foreign_jobs(t->remote), ROUND);
	for (size_t i = 0; rc == 0 && i < n;) {
		fetch_job jobs[ROUND];
		size_t k = 0;

		for (; i < n && k < ROUND; i++)
			if (!w[i].found)
				jobs[k++] = (fetch_job){ t, &w[i], -1, false };
		rc = fetch_round(t, net, jobs, k);
	}
	return rc;
}

/* -- listings ---------------------------------------------------------------------------------- */

static int is_named(const dv_buf *text, const dv_dvc_name *n, const char *where, bool *yes)
{
	dv_md5 md5;
	int rc = dv_md5_of(&md5, dv_buf_str(text), text->n);

	*yes = rc == 0 && memcmp(&md5, &n->md5, sizeof md5) == 0;
	if (rc == 0 && !*yes)
		dv_warn("the listing '%s' has not the MD5 that is its name: it is damaged", where);
	return rc;
}

int dv_dvc_take_listing(dv_dvc_take *t, const dv_dvc_name *n, dv_arena *a, dv_dvc_listing *out)
{
	struct stat st;
	dv_autofree char *path = cache_path(t->o.cache, n, &st);
	dv_auto(dv_buf) text = DV_BUF_INIT;
	char place[DV_DVC_PLACE_MAX];
	dv_autoclose int fd = -1;
	bool good = false;
	int rc = 0;

	dv_dvc_place(place, n, false);
	if (path && (rc = dv_fs_read_file(&text, path, DV_DVC_LISTING_MAX)) == 0)
		rc = is_named(&text, n, path, &good);
	if (rc < 0)
		return rc;
	if (!good) {
		if ((rc = the_remote(t)) < 0)
			return rc;
		rc = t->remote ? fetch(t, n, DV_DVC_LISTING_MAX, &fd) : 0;
		if (rc == 0 && fd >= 0) {
			if (lseek(fd, 0, SEEK_SET) < 0)
				return dv_err_sys("cannot read what was fetched");
			if ((rc = dv_fs_read_fd(&text, fd, place, DV_DVC_LISTING_MAX)) == 0)
				rc = is_named(&text, n, place, &good);
		}
		if (rc < 0)
			return rc;
	}
	if (!good)
		return dv_err(DV_ENOTFOUND, "the listing '%s' is not there", place);
	return dv_dvc_listing_parse(out, a, dv_buf_str(&text), text.n, place);
}
