/* SPDX-License-Identifier: Apache-2.0 */
/* Files into the store: what all of them need, and small ones, which are read whole by a worker
 * each. */
#include "store/ingest_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/progress.h"

int dv_ingest_new(dv_ingest **out, dv_writer *w, dv_pool *pool)
{
	dv_autoptr(dv_ingest) in = dv_calloc(1, sizeof(*in));
	int threads = dv_pool_threads(pool);

	if (!in)
		return DV_ERROR;
	pthread_mutex_init(&in->lock, NULL);
	pthread_cond_init(&in->changed, NULL);
	in->w = w;
	in->pool = pool;
	in->nslots = threads > 6 ? SLOTS_MAX : (size_t)threads * 2 + 4;
	for (size_t i = 0; i < SLOTS_MAX; i++)
		in->slots[i].in = in;
	in->stations = dv_calloc((size_t)threads + 1, sizeof(*in->stations));
	if (!in->stations)
		return DV_ERROR;
	in->nstations = threads + 1;
	*out = dv_steal(&in);
	return 0;
}

void dv_ingest_free(dv_ingest *in)
{
	if (!in)
		return;
	for (int i = 0; i < in->nstations; i++) {
		dv_encoder_free(in->stations[i].enc);
		dv_delta_free(in->stations[i].delta);
		free(in->stations[i].buf);
		dv_cuts_release(&in->stations[i].cuts);
		dv_buf_release(&in->stations[i].recipe);
	}
	for (size_t i = 0; i < SLOTS_MAX; i++) {
		free(in->slots[i].buf);
		free(in->slots[i].cand);
		dv_cuts_release(&in->slots[i].cuts);
	}
	dv_buf_release(&in->f.recipe);
	dv_basis_free(in->f.basis);
	dv_peers_free(in->f.peers);
	dv_peers_free(in->peers);
	free(in->stations);
	pthread_mutex_destroy(&in->lock);
	pthread_cond_destroy(&in->changed);
	free(in);
}

void dv_ingest_witness(dv_ingest *in, int worker, const dv_witness *w)
{
	in->stations[worker < 0 ? in->nstations - 1 : worker].witness = w ? *w : (dv_witness){ 0 };
}

void dv_ingest_show(const station *s, const void *p, size_t n)
{
	if (s->witness.see && n)
		s->witness.see(s->witness.ctx, p, n);
}

int dv_ingest_encoder(dv_ingest *in, int worker, dv_encoder **enc)
{
	station *s = &in->stations[worker];
	int rc = s->enc ? 0 : dv_encoder_new(&s->enc, dv_writer_level(in->w));

	*enc = s->enc;
	return rc;
}

int dv_ingest_deltas(dv_ingest *in, bool on)
{
	int rc = 0;

	/* What a delta builds on must be there to be read. */
	on = on && !dv_writer_sends(in->w);
	if (on && !in->peers)
		rc = dv_peers_new(&in->peers, PEERS_SMALL);
	in->deltas = on && !rc;
	return rc;
}

int dv_ingest_delta(dv_ingest *in, int worker, dv_delta **delta)
{
	station *s = &in->stations[worker];
	size_t room = BASES_ROOM / (size_t)in->nstations;
	int rc = s->delta ? 0 : dv_delta_new(&s->delta, dv_writer_store(in->w),
					     room > BASES_LEAST ? room : BASES_LEAST);

	*delta = s->delta;
	return rc;
}

int dv_ingest_basis(dv_ingest *in, int worker, const dv_oid *before, dv_basis **out)
{
	dv_delta *d;
	int rc;

	*out = NULL;
	if (!in->deltas || !before)
		return 0;
	rc = dv_ingest_delta(in, worker, &d);
	return rc ? rc : dv_basis_open(out, dv_delta_reader(d), before);
}

/* -- reading files that may change ------------------------------------------------------------- */

static int changed(const char *name)
{
	return dv_err(DV_ETRANSIENT, "file '%s' changed while it was read", name);
}

int dv_ingest_stat(int fd, const char *name, struct stat *st)
{
	if (fstat(fd, st) < 0)
		return dv_err_sys("cannot read '%s'", name);
	if (!S_ISREG(st->st_mode))
		return dv_err(DV_ERROR, "cannot read '%s': not a regular file", name);
	return 0;
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

int dv_ingest_unchanged(int fd, const char *name, const struct stat *st)
{
	struct stat now;

	if (fstat(fd, &now) < 0)
		return dv_err_sys("cannot read '%s'", name);
	if (now.st_size != st->st_size || !same_time(now.st_mtim, st->st_mtim) ||
	    !same_time(now.st_ctim, st->st_ctim))
		return changed(name);
	return 0;
}

int dv_ingest_read(int fd, const char *name, uint8_t *p, size_t n, uint64_t at)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = pread(fd, p + done, n - done, (off_t)(at + done));

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return dv_err_sys("cannot read '%s'", name);
		if (!r)
			return changed(name);
		done += (size_t)r;
	}
	dv_progress_add(n, 0);
	return 0;
}

int dv_hash_file(int fd, const char *name, dv_oid *oid, struct stat *st)
{
	dv_autofree uint8_t *buf = NULL;
	dv_sha256_ctx ctx;
	uint64_t at = 0, size;
	size_t room;
	int rc = dv_ingest_stat(fd, name, st);

	if (rc < 0)
		return rc;
	size = (uint64_t)st->st_size;
	room = size < HASH_BUFFER ? (size_t)size : HASH_BUFFER;
	if (size > HASH_BUFFER)
		posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	buf = dv_malloc(room + 1);
	if (!buf)
		return DV_ERROR;
	dv_sha256_init(&ctx);
	while (at < size && !rc) {
		size_t n = size - at < room ? (size_t)(size - at) : room;

		rc = dv_check_cancel();
		if (!rc)
			rc = dv_ingest_read(fd, name, buf, n, at);
		if (!rc)
			dv_sha256_update(&ctx, buf, n);
		at += n;
	}
	if (rc < 0)
		return rc;
	dv_sha256_final(&ctx, oid);
	return dv_ingest_unchanged(fd, name, st);
}

/* -- small files ------------------------------------------------------------------------------- */

static int station_room(station *s, size_t need)
{
	size_t cap = s->buf_cap ? s->buf_cap : 64 << 10;

	if (need <= s->buf_cap)
		return 0;
	while (cap < need)
		cap *= 2;
	free(s->buf);
	s->buf_cap = 0;
	s->buf = dv_malloc(cap);
	if (!s->buf)
		return DV_ERROR;
	s->buf_cap = cap;
	return 0;
}

int dv_ingest_table(dv_pack_footer *table, const dv_buf *recipe)
{
	const uint8_t *p = (const uint8_t *)recipe->p + DV_RECIPE_HEADER;
	size_t n = (recipe->n - DV_RECIPE_HEADER) / DV_RECIPE_ITEM;
	uint64_t offset = 0;

	table->e = dv_calloc(n + 1, sizeof(*table->e));
	if (!table->e)
		return DV_ERROR;
	for (; table->n < n; p += DV_RECIPE_ITEM) {
		dv_pack_entry *e = &table->e[table->n++];

		memcpy(e->id.b, p, DV_OID_RAW_SIZE);
		e->offset = offset;
		e->stored = e->raw = dv_get_u32(p + DV_OID_RAW_SIZE);
		e->kind = DV_KIND_CHUNK;
		offset += e->raw;
	}
	return 0;
}

static int table_small(dv_ingest *in, station *s, size_t n, dv_pack_footer *table, dv_oid *oid)
{
	const dv_chunker_params *params = dv_chunker_for_size(n);
	int rc = dv_cuts_make(&s->cuts, params, s->buf, n, oid);

	if (!rc && s->cuts.n < 2)
		return dv_err(DV_EUSAGE, "a file of one chunk cannot be kept whole");
	if (!rc)
		rc = dv_recipe_begin(&s->recipe, 0, params->id, n);
	for (size_t i = 0; i < s->cuts.n && !rc; i++)
		dv_recipe_append(&s->recipe, &s->cuts.ids[i], s->cuts.lens[i]);
	if (!rc)
		rc = dv_recipe_put(in->w, s->enc, oid, &s->recipe);
	return rc ? rc : dv_ingest_table(table, &s->recipe);
}

/* Reads the file into the station's buffer. */
static int read_small(dv_ingest *in, int worker, int fd, const char *name, struct stat *st)
{
	station *s = &in->stations[worker];
	int rc = dv_ingest_stat(fd, name, st);

	if (!rc && st->st_size > (off_t)DV_INGEST_SMALL)
		rc = changed(name); /* the caller chose by an older size */
	if (!rc)
		rc = station_room(s, (size_t)st->st_size);
	if (!rc)
		rc = dv_ingest_read(fd, name, s->buf, (size_t)st->st_size, 0);
	/* A file that grew shows in its size now; the read never goes past the old one. */
	return rc ? rc : dv_ingest_unchanged(fd, name, st);
}

/* Small files are judged together with all others of their extension: each by itself would have
 * to be looked at. */
static dv_likeness *likeness_of(dv_ingest *in, const char *name)
{
	const char *ext = strrchr(name, '.');
	unsigned h = 0;

	if (ext && !strchr(ext, '/'))
		for (; *ext; ext++)
			h = 31 * h + (unsigned char)*ext;
	return &in->likes[h % KINDS];
}

bool dv_ingest_curious(dv_ingest *in, const char *name, uint64_t size)
{
	return in && in->deltas && (size > DV_INGEST_SMALL ||
				    atomic_load(&likeness_of(in, name)->skip) <= 0);
}

/* Stores bytes as an object. `before`: what it was, or NULL; `peers`: those it may join, or
 * NULL. */
static int put_bytes(dv_ingest *in, int worker, const uint8_t *p, size_t n, const dv_oid *before,
		     dv_peers *peers, dv_likeness *like, dv_oid *oid)
{
	station *s = &in->stations[worker];
	dv_autoptr(dv_basis) basis = NULL;
	dv_sticky sticky = { 0 };
	dv_putting put = { .w = in->w, .sticky = &sticky, .like = like };
	int rc = dv_ingest_encoder(in, worker, &put.enc);

	/* Of what is one chunk the verdict may come before the look; and nobody looked for what has
	 * no version before. */
	if (!rc && !((!before || n <= DV_CHUNKER_WHOLE_MAX) && dv_delta_passes(like)))
		rc = dv_ingest_basis(in, worker, before, &basis);
	put.basis = basis;
	put.delta = s->delta;
	put.peers = in->deltas && n <= DV_CHUNKER_WHOLE_MAX ? peers : NULL;
	return rc ? rc : dv_object_put_with(&put, &s->cuts, &s->recipe, p, n, oid);
}

int dv_ingest_one_small(dv_ingest *in, int worker, int fd, const char *name, const dv_oid *before,
			dv_pack_footer *table, dv_oid *oid, struct stat *st)
{
	station *s = &in->stations[worker];
	dv_encoder *enc;
	int rc = read_small(in, worker, fd, name, st);

	if (!rc && table)
		rc = dv_ingest_encoder(in, worker, &enc);
	if (rc < 0)
		return rc;
	dv_ingest_show(s, s->buf, (size_t)st->st_size);
	return table ? table_small(in, s, (size_t)st->st_size, table, oid)
		     : put_bytes(in, worker, s->buf, (size_t)st->st_size, before, in->peers,
				 likeness_of(in, name), oid);
}

int dv_ingest_bytes(dv_ingest *in, int worker, const void *p, size_t n, const dv_oid *before,
		    dv_oid *oid)
{
	return put_bytes(in, worker < 0 ? in->nstations - 1 : worker, p, n, before, NULL,
			 &in->likes[KINDS], oid);
}

int dv_ingest_content(dv_ingest *in, int worker, const void *p, size_t n, const char *name,
		      const dv_oid *before, dv_oid *oid)
{
	return put_bytes(in, worker, p, n, before, in->peers, likeness_of(in, name), oid);
}

int dv_ingest_small(dv_ingest *in, int worker, int fd, const char *name, const dv_oid *before,
		    dv_oid *oid, struct stat *st)
{
	return dv_ingest_one_small(in, worker, fd, name, before, NULL, oid, st);
}

int dv_ingest_whole(dv_ingest *in, int worker, int fd, const char *name, dv_pack_footer *table,
		    dv_oid *oid, struct stat *st)
{
	dv_pack_footer_release(table);
	*table = (dv_pack_footer)DV_PACK_FOOTER_INIT;
	return worker < 0 ? dv_ingest_one_large(in, fd, name, NULL, table, oid, st)
			  : dv_ingest_one_small(in, worker, fd, name, NULL, table, oid, st);
}
