/* SPDX-License-Identifier: Apache-2.0 */
/* Objects of Git LFS into the store, by way of folders and of the server. */
#include "takeover/lfs_take.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/progress.h"
#include "git/lfs_pointer.h"
#include "repo/links.h"
#include "repo/record.h"
#include "store/object.h"

#define COMMIT_BYTES ((uint64_t)1 << 30)	/* at most so much is not durable */
#define ROUND 100	/* objects that a server is asked for at once */
#define TRIES 3	/* of a file that changes while it is read */

void dv_lfs_files_release(dv_lfs_files *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->f[i].path);
	free(l->f);
	dv_path_list_release(&l->attributes);
}

/* -- what HEAD has ----------------------------------------------------------------------------- */

typedef struct finding {
	dv_lfs_files *out;
	dv_git *git;
	dv_buf text;
} finding;

static int look_at(const char *path, const char id[DV_GIT_HEX + 1], void *payload)
{
	finding *f = payload;
	dv_lfs_pointer p;
	char *own;
	int rc;

	if (!strcmp(dv_path_base(path), ".gitattributes"))
		return dv_path_list_add(&f->out->attributes, path);
	rc = dv_git_read_id(f->git, id, path, DV_LFS_POINTER_MAX, &f->text);
	if (rc < 0) {
		dv_error_clear();
		return dv_check_cancel();
	}
	if (!dv_lfs_pointer_parse(&p, f->text.p, f->text.n) || !p.size)
		return 0;
	if ((rc = dv_grow(&f->out->f, &f->out->cap, f->out->n + 1, sizeof(*f->out->f))) < 0)
		return rc;
	if (!(own = dv_strdup(path)))
		return DV_ERROR;
	f->out->f[f->out->n++] = (dv_lfs_file){ own, p.oid, p.size, false };
	return 0;
}

int dv_lfs_files_find(dv_lfs_files *out, dv_repo *r)
{
	finding f = { .out = out };
	char head[DV_GIT_HEX + 1];
	int rc = dv_repo_git(r, &f.git);

	if (rc == 0)
		rc = dv_git_head(f.git, head);
	if (rc == 0 && *head)
		rc = dv_git_files_at(f.git, "HEAD", "", look_at, &f);
	dv_buf_release(&f.text);
	return rc;
}

/* -- storing ----------------------------------------------------------------------------------- */

typedef struct taking {
	dv_repo *repo;
	dv_store *store;
	dv_writer *w;
	dv_pool *pool;
	dv_ingest *in;
	dv_links links;
	dv_lfs_taken *out;
	uint64_t committed;
	pthread_mutex_t lock;	/* of out */
} taking;

static void taking_release(taking *t)
{
	dv_ingest_free(t->in);
	dv_links_release(&t->links);
	pthread_mutex_destroy(&t->lock);
}

static int commit_some(taking *t)
{
	uint64_t now = dv_writer_bytes(t->w);

	if (now < t->committed + COMMIT_BYTES)
		return 0;
	t->committed = now;
	return dv_writer_commit(t->w, NULL, 0);
}

static bool is_stored(const taking *t, const dv_oid *oid)
{
	return dv_store_has_object(t->store, oid) || dv_writer_has(t->w, DV_KIND_CHUNK, oid) ||
	       dv_writer_has(t->w, DV_KIND_RECIPE, oid);
}

static int store_once(taking *t, int worker, int fd, const char *file, const char *shown,
		      dv_oid *real, struct stat *st)
{
	int rc = DV_TAKE_NOT;

	if (file && !fstat(fd, st) && dv_links_wanted(&t->links, (uint64_t)st->st_size))
		rc = dv_links_take(&t->links, t->in, t->w, worker, AT_FDCWD, file, shown, real,
				   st);
	if (rc != DV_TAKE_NOT)
		return rc < 0 ? rc : 0;
	return worker < 0 ? dv_ingest_large(t->in, fd, shown, NULL, real, st)
			  : dv_ingest_small(t->in, worker, fd, shown, NULL, real, st);
}

/* Stores what is open; *good is false, with a warning, when it is not what its name says. */
static int store(taking *t, int worker, int fd, const char *file, const char *shown,
		 const dv_oid *oid, bool *good)
{
	struct stat st = { 0 };
	int rc = DV_ETRANSIENT;
	dv_oid real;

	for (int i = 0; i < TRIES && rc == DV_ETRANSIENT; i++)
		rc = store_once(t, worker, fd, file, shown, &real, &st);
	if (rc < 0)
		return rc;
	*good = dv_oid_eq(&real, oid);
	if (!*good)
		dv_warn("'%s' is not what its name says: it is damaged, and left out", shown);
	pthread_mutex_lock(&t->lock);
	t->out->objects += *good;
	t->out->bytes += *good ? (uint64_t)st.st_size : 0;
	pthread_mutex_unlock(&t->lock);
	dv_progress_add(0, 1);
	return 0;
}

/* -- a folder of objects ----------------------------------------------------------------------- */

typedef struct local_job {
	taking *t;
	dv_oid oid;
	bool large, good;
	char *path;
} local_job;
typedef struct local_jobs {
	local_job *j;
	size_t n, cap;
} local_jobs;
static void local_jobs_release(local_jobs *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->j[i].path);
	free(l->j);
}

static char *object_path(const char *folder, const dv_oid *oid)
{
	char hex[DV_OID_HEX_SIZE + 1];
	dv_auto(dv_buf) b = DV_BUF_INIT;

	dv_oid_hex(hex, oid);
	dv_buf_addf(&b, "%s/%.2s/%.2s/%s", folder, hex, hex + 2, hex);
	return b.err ? NULL : dv_buf_detach(&b);
}

static int take_local(local_job *j, int worker)
{
	dv_autoclose int fd = dv_fs_openat(AT_FDCWD, j->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK,
					   0);

	if (fd < 0)
		return errno == ENOENT ? 0 : dv_err_sys("cannot open '%s'", j->path);
	return store(j->t, worker, fd, j->path, j->path, &j->oid, &j->good);
}

static int local_job_run(void *arg, int worker)
{
	local_job *j = arg;
	struct stat st;

	if (lstat(j->path, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	j->large = st.st_size > (off_t)DV_INGEST_SMALL;
	return j->large || dv_pool_stopping(j->t->pool) ? dv_check_cancel()
							: take_local(j, worker);
}

static int run_local(taking *t, local_jobs *l)
{
	int rc = 0, waited;

	for (size_t i = 0; rc == 0 && i < l->n; i++) {
		rc = dv_pool_submit(t->pool, local_job_run, &l->j[i]);
		if (rc == 0 && i % 4096 == 4095 && (rc = dv_pool_wait(t->pool)) == 0)
			rc = commit_some(t);
	}
	waited = dv_pool_wait(t->pool);
	rc = rc ? rc : waited;
	for (size_t i = 0; rc == 0 && i < l->n; i++)
		if (l->j[i].large && (rc = take_local(&l->j[i], -1)) == 0)
			rc = commit_some(t);
	return rc;
}

static int add_local(taking *t, local_jobs *l, const char *folder, const dv_oid *oid)
{
	int rc;

	if (is_stored(t, oid))
		return 0;
	if ((rc = dv_grow(&l->j, &l->cap, l->n + 1, sizeof(*l->j))) < 0)
		return rc;
	l->j[l->n] = (local_job){ .t = t, .oid = *oid, .path = object_path(folder, oid) };
	return l->j[l->n++].path ? 0 : DV_ERROR;
}

/* The names in a folder, for each of which `each` is called. One that is not there has none. */
static int each_name(const char *dir, int (*each)(const char *name, void *ctx), void *ctx)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	int rc = 0;

	if (!d)
		return errno == ENOENT || errno == ENOTDIR ? 0
							   : dv_err_sys("cannot list '%s'", dir);
	while (rc == 0 && (e = readdir(d)))
		if (*e->d_name != '.')
			rc = each(e->d_name, ctx);
	closedir(d);
	return rc;
}

typedef struct listing {
	taking *t;
	local_jobs *jobs;
	const char *folder;
	char *dir;
	int depth;
} listing;

static int list_name(const char *name, void *ctx)
{
	listing *l = ctx;
	listing below = { l->t, l->jobs, l->folder, NULL, l->depth + 1 };
	dv_oid oid;
	int rc;

	if (l->depth == 2)
		return dv_oid_parse(&oid, name, strlen(name))
			       ? 0 : add_local(l->t, l->jobs, l->folder, &oid);
	if (strlen(name) != 2)
		return 0;
	if (!(below.dir = dv_path_join(l->dir, name)))
		return dv_err_nomem();
	rc = each_name(below.dir, list_name, &below);
	free(below.dir);
	return rc;
}

static int take_folder(taking *t, const char *folder)
{
	__attribute__((cleanup(local_jobs_release))) local_jobs jobs = { 0 };
	listing l = { t, &jobs, folder, (char *)(uintptr_t)folder, 0 };
	int rc = each_name(folder, list_name, &l);

	return rc ? rc : run_local(t, &jobs);
}

/* -- what is not there ------------------------------------------------------------------------- */

static int take_remote_folder(taking *t, const char *folder, const dv_lfs_files *files)
{
	__attribute__((cleanup(local_jobs_release))) local_jobs jobs = { 0 };
	/* A file of somebody else's is never linked to. */
	int rc = 0, mode = t->links.at;

	for (size_t i = 0; rc == 0 && i < files->n; i++)
		rc = add_local(t, &jobs, folder, &files->f[i].oid);
	while (dv_links_mode(&t->links) != DV_LINK_COPY)
		t->links.at++;
	if (rc == 0)
		rc = run_local(t, &jobs);
	t->links.at = mode;
	return rc;
}

static int open_nameless(dv_repo *r, int *fd)
{
	int rc = dv_scratch_open(&r->scratch, r->dvdir);

	if (rc < 0)
		return rc;
	*fd = dv_fs_openat(AT_FDCWD, r->scratch.dir, O_RDWR | O_TMPFILE, 0600);
	return *fd < 0 ? dv_err_sys("cannot create a file in '%s'", r->scratch.dir) : 0;
}

/* Stores what came of a round, and says what did not. */
static int store_round(taking *t, const dv_lfs_file *const *of, dv_lfs_object *o, size_t n)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		bool good;

		if (o[i].rc == 0)
			rc = store(t, -1, o[i].fd, NULL, of[i]->path, &of[i]->oid, &good);
	}
	return rc ? rc : commit_some(t);
}

static int fetch_round(taking *t, dv_lfs_place *place, const dv_lfs_file *const *of, size_t n)
{
	char hex[ROUND][DV_OID_HEX_SIZE + 1];
	dv_lfs_object o[ROUND];
	size_t k = 0;
	int rc = 0;

	for (; rc == 0 && k < n; k++) {
		dv_oid_hex(hex[k], &of[k]->oid);
		o[k] = (dv_lfs_object){ hex[k], of[k]->size, -1, DV_ENOTFOUND };
		rc = open_nameless(t->repo, &o[k].fd);
	}
	if (rc == 0)
		rc = dv_lfs_place_fetch(place, o, n);
	if (rc == 0)
		rc = store_round(t, of, o, n);
	for (size_t i = 0; i < k; i++)
		if (o[i].fd >= 0)
			close(o[i].fd);
	return rc;
}

static int take_from_server(taking *t, dv_lfs_place *place, const dv_lfs_files *files)
{
	dv_auto(dv_map) asked = DV_MAP_INIT;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < files->n;) {
		const dv_lfs_file *of[ROUND];
		size_t n = 0;

		for (; rc == 0 && i < files->n && n < ROUND; i++) {
			bool added;

			if (is_stored(t, &files->f[i].oid))
				continue;
			rc = dv_map_add(&asked, &files->f[i].oid, 1, &added);
			if (rc == 0 && added)
				of[n++] = &files->f[i];
		}
		if (rc == 0 && n)
			rc = fetch_round(t, place, of, n);
	}
	return rc;
}

static int bring_missing(taking *t, dv_lfs_place *place, const dv_lfs_files *files, bool fetch)
{
	int rc = place->remote_objects ? take_remote_folder(t, place->remote_objects, files) : 0;

	if (rc < 0 || !fetch || (!place->url && !place->ssh_host))
		return rc;
	rc = take_from_server(t, place, files);
	if (rc < 0 && rc != DV_ECANCELLED) {
		dv_warn("nothing more can be fetched from the Git LFS server: %s",
			dv_error_last()->message);
		dv_error_clear();
		rc = 0;
	}
	return rc;
}

int dv_lfs_take(dv_repo *r, dv_writer *w, dv_pool *pool, dv_lfs_place *place, dv_lfs_files *files,
		bool fetch, dv_lfs_taken *out)
{
	__attribute__((cleanup(taking_release))) taking t = {
		.repo = r, .store = dv_writer_store(w), .w = w, .pool = pool, .out = out,
		.committed = dv_writer_bytes(w), .lock = PTHREAD_MUTEX_INITIALIZER,
	};
	int rc = dv_ingest_new(&t.in, w, pool);

	*out = (dv_lfs_taken){ 0 };
	dv_links_init(&t.links, r, t.store);
	if (rc == 0)
		rc = dv_ingest_deltas(t.in, dv_repo_deltas(r));
	if (rc == 0)
		rc = take_folder(&t, place->objects);
	if (rc == 0)
		rc = bring_missing(&t, place, files, fetch);
	for (size_t i = 0; rc == 0 && i < files->n; i++)
		files->f[i].stored = is_stored(&t, &files->f[i].oid);
	return rc;
}

/* -- patterns ---------------------------------------------------------------------------------- */

static bool has_word(const char *line, size_t n, const char *word)
{
	size_t k = strlen(word);

	for (size_t i = 0; i + k <= n; i++)
		if (!memcmp(line + i, word, k) && i && strchr(" \t", line[i - 1]) &&
		    (i + k == n || strchr(" \t\r", line[i + k])))
			return true;
	return false;
}

int dv_lfs_attributes(dv_buf *out, const char *text, size_t n, bool *changed)
{
	static const char *const words[] = { "filter=lfs", "diff=lfs", "merge=lfs" };
	const char *p = text, *end = text + n;

	*changed = false;
	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t len = nl ? (size_t)(nl + 1 - p) : (size_t)(end - p), i = 0;
		const bool hit = *p != '#' && has_word(p, nl ? len - 1 : len, words[0]);

		while (hit && i < len) {
			size_t k = 0, m = 0;

			while (i + k < len && !strchr(" \t\r\n", p[i + k]))
				k++;
			for (size_t j = 0; j < 3 && !m; j++)
				if (k == strlen(words[j]) && !memcmp(p + i, words[j], k))
					m = k;
			if (m)
				dv_buf_addf(out, "%.*sdv", (int)(m - 3), p + i);
			else
				dv_buf_add(out, p + i, k);
			for (i += k; i < len && strchr(" \t\r\n", p[i]); i++)
				dv_buf_addc(out, p[i]);
		}
		if (!hit)
			dv_buf_add(out, p, len);
		*changed |= hit;
		p += len;
	}
	return out->err;
}
