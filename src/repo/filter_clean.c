/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clean: content on its way into git. Small files are answered as soon as they are hashed, and
 * stored in batches by the workers while git goes on; large ones are cut and stored while they come
 * in. What was answered is durable after dv_filter_commit, which comes when git pauses, when much
 * has gathered, and before the filter ends, for which git waits. Where git may take the files away
 * meanwhile, as for a stash, small ones have a copy in a file before the answer, until they are
 * durable; and large ones are durable before it.
 */
#include "repo/filter_impl.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"
#include "repo/filter_past.h"
#include "repo/record.h"

#define COMMIT_BYTES ((uint64_t)256 << 20)	/* at most so much is not durable */
#define BATCH_FILES 64	/* small files are hashed side by side: */
#define BATCH_BYTES ((size_t)256 << 10)	/* so many, or so much, at a time */
#define META_MAX ((size_t)64 << 20)	/* a record of dv's, or a file of git's rules */
#define QUEUE 8

typedef struct held {
	size_t at, n;		/* the content in `data` */
	size_t name;		/* the path in `names` */
	bool had;
	dv_oid before;		/* what the file was, when `had` */
} held;

struct dv_filter_batch {
	dv_filter *f;
	dv_filter_batch *next;	/* of those that were submitted */
	_Atomic bool done;
	dv_buf data, names;
	held files[BATCH_FILES];
	size_t n;
};

static void batch_free(dv_filter_batch *b)
{
	if (!b)
		return;
	dv_buf_release(&b->data);
	dv_buf_release(&b->names);
	free(b);
}

/* Frees what was submitted and is done; `all`: also what the pool dropped. */
static void sweep_batches(dv_filter *f, bool all)
{
	for (dv_filter_batch **at = &f->submitted; *at;) {
		dv_filter_batch *b = *at;

		if (!all && !atomic_load(&b->done)) {
			at = &b->next;
			continue;
		}
		*at = b->next;
		batch_free(b);
	}
}

static int clean_open(dv_filter *f)
{
	int rc = dv_filter_open(f);

	if (rc || f->ingest)
		return rc;
	if (!f->pool)
		rc = dv_pool_new(&f->pool, (int)dv_config_int(&f->repo->config, "core.jobs", 0, 0,
							      1024), QUEUE);
	if (!rc && !f->writer)
		rc = dv_writer_new(&f->writer, f->store, dv_repo_compression(f->repo));
	if (!rc)
		rc = dv_ingest_new(&f->ingest, f->writer, f->pool);
	return rc ? rc : dv_ingest_deltas(f->ingest, dv_repo_deltas(f->repo));
}

void dv_filter_clean_release(dv_filter *f)
{
	dv_pool_free(f->pool);
	f->pool = NULL;
	sweep_batches(f, true);
	batch_free(f->batch);
	f->batch = NULL;
	dv_ingest_free(f->ingest);
	f->ingest = NULL;
	dv_writer_free(f->writer);
	f->writer = NULL;
	dv_filter_past_free(f->past);
	f->past = NULL;
	/* What is in it is nowhere else then. */
	free(f->spare);
	f->spare = NULL;
}

/* -- copies ------------------------------------------------------------------------------------ */

static bool may_go(dv_filter *f)
{
	if (!f->stays)
		f->stays = dv_filter_git_leaves() ? 1 : -1;
	return f->stays < 0;
}

static int make_spare(dv_filter *f)
{
	dv_autofree char *saved = dv_path_join(f->repo->dvdir, "saved");
	dv_auto(dv_buf) dir = DV_BUF_INIT;
	uint64_t id;
	int rc = saved ? dv_random(&id, sizeof(id)) : DV_ERROR;

	if (!rc)
		rc = dv_buf_addf(&dir, "%s/filter-%016" PRIx64, saved, id);
	if (!rc)
		rc = dv_fs_mkdirs(dv_buf_str(&dir));
	if (!rc)
		f->spare = dv_buf_detach(&dir);
	return rc;
}

/* Copies what is in memory to a file that has its oid for a name. */
static int spare(dv_filter *f, const dv_oid *oid)
{
	char hex[DV_OID_HEX_SIZE + 1];
	dv_autofree char *path = NULL;
	int rc = f->spare ? 0 : make_spare(f);

	dv_oid_hex(hex, oid);
	if (rc || !(path = dv_path_join(f->spare, hex)))
		return DV_ERROR;
	dv_autoclose int fd = dv_fs_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC |
					   O_NOFOLLOW, 0600);
	if (fd < 0 || dv_fs_write_all(fd, f->content.p, f->content.n) < 0 ||
	    close(dv_steal_fd(&fd)) < 0)
		return dv_err_sys("cannot write '%s'", path);
	return 0;
}

static void drop_spare(dv_filter *f)
{
	if (f->spare && dv_fs_remove_tree(f->spare))
		dv_error_clear();
	free(f->spare);
	f->spare = NULL;
}

/* -- small files ------------------------------------------------------------------------------- */

static int store_batch(void *arg, int worker)
{
	dv_filter_batch *b = arg;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < b->n; i++) {
		const held *h = &b->files[i];
		dv_oid oid;

		rc = dv_ingest_content(b->f->ingest, worker, b->data.p + h->at, h->n,
				       b->names.p + h->name, h->had ? &h->before : NULL, &oid);
	}
	atomic_store(&b->done, true);
	return rc;
}

static int submit_batch(dv_filter *f)
{
	dv_filter_batch *b = dv_steal(&f->batch);

	if (!b)
		return 0;
	sweep_batches(f, false);
	b->next = f->submitted;
	f->submitted = b;
	return dv_pool_submit(f->pool, store_batch, b);
}

static int hold(dv_filter *f)
{
	dv_filter_batch *b = f->batch;
	int rc = 0;

	if (!b) {
		b = f->batch = dv_calloc(1, sizeof(*b));
		if (!b)
			return DV_ERROR;
		b->f = f;
	}
	held *h = &b->files[b->n];
	*h = (held){ .at = b->data.n, .n = f->content.n, .name = b->names.n };
	rc = dv_filter_past_find(f, dv_buf_str(&f->path), &h->before, &h->had);
	if (!rc)
		rc = dv_buf_add(&b->data, f->content.p, f->content.n);
	if (!rc)
		rc = dv_buf_add(&b->names, dv_buf_str(&f->path), f->path.n + 1);
	if (rc)
		return rc;
	b->n++;
	return b->n == BATCH_FILES || b->data.n >= BATCH_BYTES ? submit_batch(f) : 0;
}

static int clean_small(dv_filter *f)
{
	dv_lfs_pointer p = { .size = f->content.n };
	char text[DV_LFS_POINTER_MAX + 1];

	dv_sha256(&p.oid, f->content.p, f->content.n);
	if (!dv_store_has_object(f->store, &p.oid)) {
		if ((may_go(f) && spare(f, &p.oid)) || hold(f))
			return dv_filter_refuse(f);
		f->dirty = true;
		f->since += f->content.n;
	}
	return dv_filter_answer(f, text, dv_lfs_pointer_print(text, &p));
}

/* -- large files ------------------------------------------------------------------------------- */

static int put_bytes(dv_filter *f, const uint8_t *p, size_t n)
{
	while (n) {
		uint8_t *room;
		size_t free_;
		int rc = dv_ingest_stream_room(f->ingest, &room, &free_);

		if (rc)
			return rc;
		if (free_ > n)
			free_ = n;
		memcpy(room, p, free_);
		p += free_;
		n -= free_;
		rc = dv_ingest_stream_took(f->ingest, free_);
		if (rc)
			return rc;
	}
	return 0;
}

/* What git sends, straight to where it is cut. `broken`: not what it should, which ends the
 * conversation. */
static int take_packets(dv_filter *f, bool *broken)
{
	int rc = 0;

	while (!rc && !f->whole) {
		uint8_t *room;
		size_t n;

		rc = dv_ingest_stream_room(f->ingest, &room, &n);
		if (rc)
			return rc;
		rc = dv_filter_next_into(f, room, n, &n);
		*broken = rc != 0;
		if (!rc)
			rc = dv_ingest_stream_took(f->ingest, n);
	}
	return rc;
}

static int take_stream(dv_filter *f, dv_lfs_pointer *p, bool *broken)
{
	dv_oid before;
	bool had = false;
	int rc = submit_batch(f);

	*broken = false;
	if (!rc && (rc = dv_pool_wait(f->pool)) && !f->lost.code) {
		/* That was about files that have their answer already. */
		dv_error_take(&f->lost);
		dv_error_put(&f->lost);
	}
	if (!rc)
		rc = dv_filter_past_find(f, dv_buf_str(&f->path), &before, &had);
	if (!rc)
		rc = dv_ingest_stream_begin(f->ingest, dv_buf_str(&f->path), had ? &before : NULL);
	if (!rc)
		rc = put_bytes(f, (const uint8_t *)f->content.p, f->content.n);
	if (!rc)
		rc = take_packets(f, broken);
	return rc ? rc : dv_ingest_stream_end(f->ingest, &p->oid, &p->size);
}

static int clean_large(dv_filter *f)
{
	dv_lfs_pointer p = { .size = 0 };
	char text[DV_LFS_POINTER_MAX + 1];
	bool broken;

	dv_pkt_widen(&f->in);
	f->dirty = true;
	int rc = take_stream(f, &p, &broken);
	if (broken)
		dv_ingest_stream_drop(f->ingest);
	if (rc)
		return broken ? rc : dv_filter_refuse(f);
	f->since += p.size;
	if (may_go(f) && dv_filter_commit(f))
		return dv_filter_refuse(f);
	return dv_filter_answer(f, text, dv_lfs_pointer_print(text, &p));
}

/* -- all --------------------------------------------------------------------------------------- */

/* Records that belong to dv and git are read by them as they are. */
static int pass_meta(dv_filter *f)
{
	int rc = 0;

	while (!rc && !f->whole && f->content.n < META_MAX) {
		const uint8_t *p;
		size_t n;

		rc = dv_filter_next(f, &p, &n);
		if (!rc)
			rc = dv_buf_add(&f->content, p, n);
	}
	return rc ? rc : dv_filter_pass(f);
}

int dv_filter_clean(dv_filter *f)
{
	const char *name = dv_path_base(dv_buf_str(&f->path));
	int rc = dv_filter_read(f);

	if (rc)
		return rc;
	if (dv_repo_is_meta(name) || strcmp(name, ".gitattributes") == 0)
		return pass_meta(f);
	if (f->whole && dv_lfs_pointer_parse(NULL, f->content.p, f->content.n))
		return dv_filter_answer(f, f->content.p, f->content.n);
	if (clean_open(f))
		return dv_filter_refuse(f);
	rc = f->whole ? clean_small(f) : clean_large(f);
	if (!rc && f->since >= COMMIT_BYTES)
		rc = dv_filter_commit(f);
	return rc;
}

static int not_stored(dv_filter *f, int rc)
{
	dv_autofree char *kept = dv_steal(&f->spare);

	dv_err_ctx(rc, "not everything that git was given a pointer to could be stored");
	if (kept)
		return dv_err_hint(rc, "it is kept in '%s', in files that have their SHA-256 for a "
				   "name: mend this, and put them back", kept);
	return dv_err_hint(rc, "the files still have it: mend this, then run 'dv status'");
}

int dv_filter_commit(dv_filter *f)
{
	if (!f->dirty)
		return 0;
	f->dirty = false;
	f->since = 0;
	int rc = submit_batch(f);
	dv_error first;
	dv_error_take(&first);
	int e = f->pool ? dv_pool_wait(f->pool) : 0;
	sweep_batches(f, true);
	if (!rc && !e && f->writer)
		e = dv_writer_commit(f->writer, NULL, 0);
	if (!e && rc)
		e = dv_error_put(&first);
	if (!e && f->lost.code)
		e = dv_error_put(&f->lost);
	f->lost = (dv_error){ 0 };
	if (e)
		return not_stored(f, e);
	drop_spare(f);
	return 0;
}
