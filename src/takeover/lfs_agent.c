/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv lfs-agent: the far side of git-lfs's custom transfers, one JSON object a line. What is asked
 * for comes from a program of the user's, what is answered decides what git believes to be stored:
 * "complete" for an upload is said after the remote's log names the object. Each agent carries one
 * object at a time; git-lfs starts several, which meet in the stores as any processes do.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/path.h"
#include "base/sha256.h"
#include "repo/record.h"
#include "repo/sync.h"
#include "store/object.h"

#define LINE_MAX_BYTES ((size_t)1 << 20)	/* of what git-lfs says */
#define TELL_BYTES ((uint64_t)4 << 20)	/* between two words of progress */
/* Of no project: a collection by dv does not know what git's pointers of Git LFS need. */
#define PROJECT "git-lfs"

typedef struct agent {
	dv_repo *repo;		/* NULL: could not be opened, */
	dv_error refusal;	/* for this */
	const dv_lfs_agent_options *o;
	dv_store *store;
	dv_pool *pool;
	dv_remote_store *remote;
	bool up;		/* to upload: makes a store where there is none */
	dv_buf line, rest;	/* what was asked; what came behind it */
	/* The object in work. */
	const char *hex;
	uint64_t size, done, told;
	dv_sha256_ctx sum;
	int fd;
	int failed;		/* an answer could not be written */
} agent;

static void agent_release(agent *a)
{
	dv_remote_store_free(a->remote);
	dv_pool_free(a->pool);
	dv_buf_release(&a->line);
	dv_buf_release(&a->rest);
}

/* -- lines ------------------------------------------------------------------------------------- */

/* The next line, without its end, in a->line; *more is false at the end of all. */
static int read_line(agent *a, bool *more)
{
	char buf[8192], *nl;

	dv_buf_clear(&a->line);
	while (!(nl = a->rest.n ? memchr(a->rest.p, '\n', a->rest.n) : NULL)) {
		ssize_t n = read(a->o->in, buf, sizeof buf);

		if (n < 0 && errno == EINTR) {
			if (dv_check_cancel())
				return DV_ECANCELLED;
			continue;
		}
		if (n < 0)
			return dv_err_sys("cannot read what git-lfs asks");
		if (n == 0 || a->rest.n > LINE_MAX_BYTES)
			break;
		if (dv_buf_add(&a->rest, buf, (size_t)n))
			return a->rest.err;
	}
	*more = nl != NULL;
	if (!nl)
		return a->rest.n ? dv_err(DV_ECORRUPT, "what git-lfs asks is no line") : 0;
	size_t n = (size_t)(nl - a->rest.p);
	int rc = dv_buf_add(&a->line, a->rest.p, n);

	memmove(a->rest.p, nl + 1, a->rest.n - n - 1);
	a->rest.n -= n + 1;
	return rc;
}

static int answer(agent *a, dv_json *doc)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = doc ? dv_json_write(&text, doc) : DV_ERROR;

	if (rc == 0)
		rc = dv_buf_addc(&text, '\n');
	if (rc == 0 && dv_fs_write_all(a->o->out, text.p, text.n))
		rc = dv_err_sys("cannot answer git-lfs");
	return rc;
}

/* The failure as git-lfs shows it, with the hint. */
static dv_json *error_json(int rc)
{
	const dv_error *e = dv_error_last();
	dv_auto(dv_buf) text = DV_BUF_INIT;

	dv_buf_addf(&text, "dv: %s", e->message);
	if (*e->hint)
		dv_buf_addf(&text, "; %s", e->hint);
	return json_pack("{s:i, s:o}", "code", rc == DV_ENOTFOUND ? 404 : -rc, "message",
			 json_stringn_nocheck(dv_buf_str(&text), text.n));
}

static int answer_init(agent *a, int rc)
{
	dv_autoptr(dv_json) doc = rc ? json_pack("{s:o}", "error", error_json(rc)) : json_object();

	return answer(a, doc);
}

static int answer_complete(agent *a, const char *path, int rc)
{
	dv_autoptr(dv_json) doc = json_pack("{s:s, s:s}", "event", "complete", "oid", a->hex);

	if (doc && rc)
		json_object_set_new(doc, "error", error_json(rc));
	else if (doc && path)
		json_object_set_new(doc, "path", json_string_nocheck(path));
	return answer(a, doc);
}

static int answer_progress(agent *a)
{
	dv_autoptr(dv_json) doc = json_pack("{s:s, s:s, s:I, s:I}", "event", "progress", "oid",
					    a->hex, "bytesSoFar", (json_int_t)a->done,
					    "bytesSinceLast", (json_int_t)(a->done - a->told));

	a->told = a->done;
	return answer(a, doc);
}

/* So many more bytes were moved. */
static void moved(agent *a, size_t n)
{
	a->done += n;
	if (!a->failed && a->done <= a->size &&
	    (a->done - a->told >= TELL_BYTES || a->done == a->size))
		a->failed = answer_progress(a);
}

/* -- uploads ----------------------------------------------------------------------------------- */

static void see(void *ctx, const void *p, size_t n)
{
	(void)p;
	moved(ctx, n);
}

/* Puts the file into the local store, as what it is; DV_ECORRUPT when that is not what was said. */
static int store_file(agent *a, const char *path, const dv_oid *oid)
{
	dv_autoclose int fd = dv_fs_openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	const dv_witness witness = { see, a };
	dv_autoptr(dv_writer) w = NULL;
	dv_autoptr(dv_ingest) in = NULL;
	struct stat st;
	dv_oid real;
	int rc;

	if (fd < 0)
		return dv_err_sys("cannot open '%s'", path);
	if ((rc = dv_writer_new(&w, a->store, dv_repo_compression(a->repo))) < 0 ||
	    (rc = dv_ingest_new(&in, w, a->pool)) < 0 ||
	    (rc = dv_ingest_deltas(in, dv_repo_deltas(a->repo))) < 0)
		return rc;
	dv_ingest_witness(in, -1, &witness);
	if ((rc = dv_ingest_large(in, fd, path, NULL, &real, &st)) < 0)
		return rc;
	if (!dv_oid_eq(&real, oid) || (uint64_t)st.st_size != a->size)
		return dv_err(DV_ECORRUPT, "'%s' is not the object that it should be", path);
	return dv_writer_commit(w, NULL, 0);
}

static int upload(agent *a, const dv_json *ask, const dv_oid *oid)
{
	const dv_want want = { .oid = *oid, .path = PROJECT };
	const dv_move_options o = { .project = PROJECT };
	dv_move_stats stats;
	const char *path;
	int rc = dv_json_get_str(ask, "path", &path);

	if (rc == 0 && !dv_oid_is_empty(oid) && !dv_store_has_object(a->store, oid))
		rc = store_file(a, path, oid);
	if (rc == 0)
		rc = dv_transfer_push(a->store, a->remote, &want, 1, &o, &stats);
	if (rc == 0 && a->done < a->size)
		moved(a, a->size - a->done);
	return rc;
}

/* -- downloads --------------------------------------------------------------------------------- */

static int take(const void *p, size_t n, void *payload)
{
	agent *a = payload;

	if (n > a->size - a->done)
		return dv_err(DV_ECORRUPT, "the object is longer than git's pointer says");
	if (dv_fs_write_all(a->fd, p, n))
		return dv_err_sys("cannot write the object");
	dv_sha256_update(&a->sum, p, n);
	moved(a, n);
	return dv_check_cancel();
}

/* A file where git-lfs keeps those on their way: it takes it from there by a rename. */
static int open_tmp(agent *a, char **path)
{
	const char *git = a->repo->has_git ? a->repo->dirs.commondir : a->repo->dvdir;
	dv_autofree char *dir = dv_path_join(git, "lfs/tmp");
	dv_auto(dv_buf) name = DV_BUF_INIT;
	uint64_t number;
	int rc = dir ? dv_fs_mkdirs(dir) : dv_err_nomem();

	if (rc == 0)
		rc = dv_random(&number, sizeof number);
	if (rc < 0)
		return rc;
	dv_buf_addf(&name, "%s/dv-%.16s-%016llx", dir, a->hex, (unsigned long long)number);
	if (name.err)
		return name.err;
	a->fd = dv_fs_openat(AT_FDCWD, name.p, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
	if (a->fd < 0)
		return dv_err_sys("cannot create '%s'", name.p);
	*path = dv_buf_detach(&name);
	return *path ? 0 : DV_ERROR;
}

static int stream(agent *a, const dv_oid *oid)
{
	dv_oid real;
	int rc;

	dv_sha256_init(&a->sum);
	rc = dv_transfer_stream(a->store, a->remote, oid, 0, UINT64_MAX, take, a);
	if (rc < 0)
		return rc;
	dv_sha256_final(&a->sum, &real);
	return dv_oid_eq(&real, oid) && a->done == a->size
		       ? 0 : dv_err(DV_ECORRUPT, "the object is not what git's pointer says");
}

static int open_remote(agent *a)
{
	dv_remote_store_free(dv_steal(&a->remote));
	return dv_repo_remote_open(a->repo, a->o->remote, a->up, &a->remote, NULL);
}

static int download(agent *a, const dv_oid *oid, char **path)
{
	int rc = open_tmp(a, path);

	if (rc < 0)
		return rc;
	rc = stream(a, oid);
	/* It may have come to the remote after this agent looked. */
	if (rc == DV_ENOTFOUND && a->done == 0) {
		dv_error_clear();
		rc = open_remote(a);
		if (rc == 0)
			rc = stream(a, oid);
	}
	if (rc == DV_ENOTFOUND)
		dv_err_hint(rc, "push it with git-lfs from where it is");
	if (close(dv_steal_fd(&a->fd)) && rc == 0)
		rc = dv_err_sys("cannot write the object");
	if (rc < 0) {
		dv_error kept;

		dv_error_take(&kept);
		dv_fs_unlinkat(AT_FDCWD, *path, 0);
		dv_error_put(&kept);
		free(dv_steal(path));
	}
	return rc;
}

/* -- what is asked ----------------------------------------------------------------------------- */

static int begin(agent *a, const dv_json *ask)
{
	const char *operation = json_string_value(json_object_get(ask, "operation"));

	a->up = !operation || strcmp(operation, "download") != 0;
	int rc = a->repo ? dv_repo_store(a->repo, &a->store) : dv_error_put(&a->refusal);

	if (rc == 0)
		rc = dv_repo_pool(&a->pool, a->repo, 0);
	return rc ? rc : open_remote(a);
}

static int move(agent *a, const dv_json *ask, bool up)
{
	dv_autofree char *path = NULL;
	dv_oid oid;
	int rc = dv_json_get_str(ask, "oid", &a->hex);

	if (rc == 0 && dv_oid_parse(&oid, a->hex, strlen(a->hex)))
		rc = dv_err(DV_ECORRUPT, "git-lfs asks for what is no oid");
	if (rc < 0)
		return rc;
	a->done = a->told = 0;
	a->failed = 0;
	rc = dv_json_get_u64(ask, "size", INT64_MAX, &a->size);
	if (rc == 0)
		rc = !a->store ? dv_err(DV_EUSAGE, "git-lfs did not begin with 'init'") :
		     up ? upload(a, ask, &oid) : download(a, &oid, &path);
	if (rc == DV_ECANCELLED || a->failed)
		return a->failed ? a->failed : rc;
	return answer_complete(a, path, rc);
}

static int obey(agent *a, bool *more)
{
	dv_autoptr(dv_json) ask = NULL;
	const char *event;
	int rc = dv_json_parse(&ask, a->line.p, a->line.n, LINE_MAX_BYTES, 16, "what git-lfs asks");

	if (rc == 0)
		rc = dv_json_get_str(ask, "event", &event);
	if (rc < 0)
		return rc;
	if (!strcmp(event, "terminate")) {
		*more = false;
		return 0;
	}
	if (!strcmp(event, "init"))
		return answer_init(a, begin(a, ask));
	if (!strcmp(event, "upload") || !strcmp(event, "download"))
		return move(a, ask, *event == 'u');
	return dv_err(DV_ERROR, "git-lfs asks for '%s', which is not known here", event);
}

int dv_lfs_agent(dv_repo *r, const dv_lfs_agent_options *o)
{
	__attribute__((cleanup(agent_release))) agent a = { .repo = r, .o = o, .fd = -1 };
	bool more = true;
	int rc = 0;

	if (!r)
		dv_error_take(&a.refusal);
	while (rc == 0 && more) {
		rc = read_line(&a, &more);
		if (rc == 0 && more && a.line.n)
			rc = obey(&a, &more);
	}
	return rc || r ? rc : dv_error_put(&a.refusal);
}
