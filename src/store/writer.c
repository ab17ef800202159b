/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch of new entries: reserved and appended by many threads, written out by one.
 *
 * A put reserves its id, compresses outside of every lock and appends to the current buffer. Full
 * buffers go to the batch's own thread, which appends them to a temporary pack; at
 * most QUEUE of them wait. Until the commit nothing has a name that anybody reads.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"
#include "store/delta.h"
#include "store/writer_priv.h"

#define BUFFER ((size_t)4 << 20)
#define BUFFER_ENTRIES 65536u
#define QUEUE 4

int dv_writer_new(dv_writer **out, dv_store *s, int level)
{
	dv_autoptr(dv_writer) w = NULL;
	int rc = dv_store_lock(s, false, -1);

	if (rc)
		return rc;
	w = dv_calloc(1, sizeof(*w));
	if (!w)
		return DV_ERROR;
	w->store = s;
	w->level = level;
	w->pack.file = (dv_atomic)DV_ATOMIC_INIT;
	w->pack.out = (dv_direct_writer)DV_DIRECT_INIT;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->work, NULL);
	pthread_cond_init(&w->room, NULL);
	rc = dv_segment_builder_new(&w->index);
	if (rc)
		return rc;
	*out = dv_steal(&w);
	return 0;
}

int dv_writer_level(const dv_writer *w)
{
	return w->level;
}

void dv_writer_renew(dv_writer *w)
{
	w->renew = true;
}

void dv_writer_send_to(dv_writer *w, const dv_outlet *o)
{
	w->outlet = o;
}

bool dv_writer_sends(const dv_writer *w)
{
	return w->outlet != NULL;
}

dv_store *dv_writer_store(const dv_writer *w)
{
	return w->store;
}

static void buffer_free(dv_wbuf *b)
{
	if (!b)
		return;
	free(b->p);
	free(b->e);
	free(b->bases);
	free(b);
}

static void stop_thread(dv_writer *w)
{
	if (!w->running)
		return;
	pthread_mutex_lock(&w->lock);
	w->ending = true;
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	w->running = false;
}

void dv_writer_free(dv_writer *w)
{
	if (!w)
		return;
	stop_thread(w);
	dv_writer_drop_pack(w);
	dv_writer_drop_pending(w);
	for (size_t i = 0; i < w->nqueue; i++)
		buffer_free(w->queue[i]);
	buffer_free(w->current);
	for (size_t i = 0; i < w->nspare; i++)
		buffer_free(w->spare[i]);
	dv_map_release(&w->have);
	dv_segment_builder_free(w->index);
	free(w->pending);
	pthread_cond_destroy(&w->work);
	pthread_cond_destroy(&w->room);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

/* -- what the batch has ------------------------------------------------------------------ */

/* Is it where the batch goes, as something that is not of the batch? */
static bool is_there(const dv_writer *w, uint8_t kind, const dv_oid *id)
{
	dv_place at;

	return w->outlet ? w->outlet->has(w->outlet->ctx, kind, id)
			 : dv_store_find(w->store, kind, id, &at);
}

bool dv_writer_has(dv_writer *w, uint8_t kind, const dv_oid *id)
{
	dv_place at;
	uint64_t kinds;
	bool has;

	pthread_mutex_lock(&w->lock);
	has = (dv_map_get(&w->have, id, &kinds) && (kinds & kind)) ||
	      dv_segment_builder_spilled(w->index, kind, id, &at);
	pthread_mutex_unlock(&w->lock);
	return has || is_there(w, kind, id);
}

/* The kinds are the bits 1 and 2; above them is the depth of the chunk. */
#define DEPTH_SHIFT 2

int dv_writer_reserve(dv_writer *w, uint8_t kind, const dv_oid *id, uint8_t depth, bool *fresh)
{
	uint64_t value = kind, *known = dv_map_find(&w->have, id);
	dv_place at;

	if (kind == DV_KIND_CHUNK)
		value |= (uint64_t)depth << DEPTH_SHIFT;
	*fresh = (!known || !(*known & kind)) &&
		 !dv_segment_builder_spilled(w->index, kind, id, &at);
	if (*fresh && !known)
		return dv_map_put(&w->have, id, value);
	if (*fresh)
		*known |= value;
	return 0;
}

/* The depth of a chunk that the store or this batch has. */
static bool chunk_depth(dv_writer *w, const dv_oid *id, uint8_t *depth)
{
	uint64_t known = 0;
	dv_place at;

	if (dv_store_find(w->store, DV_KIND_CHUNK, id, &at)) {
		*depth = at.depth;
		return true;
	}
	pthread_mutex_lock(&w->lock);
	if ((!dv_map_get(&w->have, id, &known) || !(known & DV_KIND_CHUNK)) &&
	    dv_segment_builder_spilled(w->index, DV_KIND_CHUNK, id, &at))
		known = DV_KIND_CHUNK | (uint64_t)at.depth << DEPTH_SHIFT;
	pthread_mutex_unlock(&w->lock);
	*depth = (uint8_t)(known >> DEPTH_SHIFT);
	return known & DV_KIND_CHUNK;
}

uint64_t dv_writer_bytes(dv_writer *w)
{
	uint64_t n;

	pthread_mutex_lock(&w->lock);
	n = w->bytes;
	pthread_mutex_unlock(&w->lock);
	return n;
}

/* -- buffers ----------------------------------------------------------------------------- */

static dv_wbuf *buffer_new(void)
{
	dv_wbuf *b = dv_calloc(1, sizeof(*b));

	if (b)
		b->p = dv_malloc(BUFFER);
	if (b && !b->p) {
		free(b);
		return NULL;
	}
	return b;
}

/* Remembers the first failure; later calls return it. The lock is held. */
static int fail(dv_writer *w, int rc)
{
	if (rc && !w->failed) {
		dv_error_take(&w->error);
		w->failed = true;
	}
	return rc;
}

static void *writer_main(void *arg)
{
	dv_writer *w = arg;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		dv_wbuf *b;
		int rc = 0;

		while (!w->nqueue && !w->ending)
			pthread_cond_wait(&w->work, &w->lock);
		if (!w->nqueue)
			break;
		b = w->queue[0];
		memmove(w->queue, w->queue + 1, --w->nqueue * sizeof(*w->queue));
		w->busy = true;
		if (!w->failed && !w->ending) {
			pthread_mutex_unlock(&w->lock);
			rc = dv_writer_write_buffer(w, b);
			pthread_mutex_lock(&w->lock);
		}
		fail(w, rc);
		w->busy = false;
		b->n = b->ne = b->nb = 0;
		if (w->nspare < DV_WRITER_SPARE)
			w->spare[w->nspare++] = b;
		else
			buffer_free(b);
		pthread_cond_broadcast(&w->room);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* Signals belong to the program's own threads. */
static int start_thread(dv_writer *w)
{
	sigset_t all, old;
	int err;

	if (w->running)
		return 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&w->thread, NULL, writer_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		return dv_err(DV_ERROR, "cannot start a thread: %s", strerror(err));
	w->running = true;
	return 0;
}

/* Hands the current buffer on; waits while too many wait. The lock is held. */
static int hand_on(dv_writer *w)
{
	int rc = start_thread(w);

	if (rc)
		return fail(w, rc);
	while (w->nqueue >= QUEUE && !w->failed)
		pthread_cond_wait(&w->room, &w->lock);
	if (w->failed)
		return dv_error_put(&w->error);
	/* Somebody else may have done it while this one waited. */
	if (!w->current)
		return 0;
	w->queue[w->nqueue++] = dv_steal(&w->current);
	pthread_cond_signal(&w->work);
	return 0;
}

static int add_entry(dv_wbuf *b, const dv_pack_entry *e, const uint8_t *stored,
		     const dv_oid *bases)
{
	int rc = dv_grow(&b->e, &b->e_cap, b->ne + 1, sizeof(*b->e));

	if (!rc && e->nbases)
		rc = dv_grow(&b->bases, &b->bases_cap, b->nb + e->nbases, sizeof(*b->bases));
	if (rc)
		return rc;
	b->e[b->ne] = *e;
	b->e[b->ne].offset = b->n;
	b->e[b->ne].bases_at = dv_pack_add_bases(b->bases, &b->nb, bases, e->nbases);
	b->ne++;
	memcpy(b->p + b->n, stored, e->stored);
	b->n += e->stored;
	return 0;
}

static int append_locked(dv_writer *w, const dv_pack_entry *e, const uint8_t *stored,
			 const dv_oid *bases)
{
	int rc = 0;

	if (w->failed)
		return dv_error_put(&w->error);
	while (!rc && w->current &&
	       (w->current->n + e->stored > BUFFER || w->current->ne >= BUFFER_ENTRIES ||
		w->current->nb >= BUFFER_ENTRIES))
		rc = hand_on(w);
	if (rc)
		return rc;
	if (!w->current)
		w->current = w->nspare ? w->spare[--w->nspare] : buffer_new();
	rc = w->current ? add_entry(w->current, e, stored, bases) : DV_ERROR;
	if (!rc)
		w->bytes += e->stored;
	return fail(w, rc);
}

static int append(dv_writer *w, const dv_pack_entry *e, const uint8_t *stored, const dv_oid *bases)
{
	int rc;

	pthread_mutex_lock(&w->lock);
	rc = append_locked(w, e, stored, bases);
	pthread_mutex_unlock(&w->lock);
	return rc;
}

/* -- putting ----------------------------------------------------------------------------- */

/* Reserves an entry that neither store nor batch has. */
static int reserve_new(dv_writer *w, uint8_t kind, const dv_oid *id, uint8_t depth, bool *fresh)
{
	int rc;

	*fresh = false;
	if (!w->renew && is_there(w, kind, id))
		return 0;
	pthread_mutex_lock(&w->lock);
	rc = w->failed ? dv_error_put(&w->error) :
			 fail(w, dv_writer_reserve(w, kind, id, depth, fresh));
	pthread_mutex_unlock(&w->lock);
	return rc;
}

/* An id that was reserved and could not be appended must not count as stored. */
static int give_up(dv_writer *w, int rc)
{
	pthread_mutex_lock(&w->lock);
	fail(w, rc);
	pthread_mutex_unlock(&w->lock);
	return rc;
}

/* Encodes into `e`; *stored is borrowed from the encoder. */
static int encode(dv_encoder *enc, const uint8_t *raw, dv_sticky *sticky, const dv_bases *bases,
		  dv_pack_entry *e, const uint8_t **stored, dv_outcome *out)
{
	dv_prefix prefix = { bases->prefix, bases->prefix_len, bases->number, bases->sure };
	int rc;

	if (bases->n)
		rc = dv_encode_based(enc, raw, e->raw, &prefix, sticky, stored, &out->stored,
				     &e->codec, &out->with, &out->alone);
	else
		rc = dv_encode(enc, raw, e->raw, sticky, stored, &out->stored, &e->codec);
	if (!rc && e->codec == DV_CODEC_ZSTD_DELTA) {
		e->nbases = bases->n;
		e->depth = bases->depth;
	}
	e->stored = (uint32_t)out->stored;
	out->codec = e->codec;
	return rc;
}

static int put(dv_writer *w, dv_encoder *enc, uint8_t kind, const dv_oid *id, const uint8_t *raw,
	       size_t n, dv_sticky *sticky, const dv_bases *bases, dv_outcome *out)
{
	dv_pack_entry e = { .id = *id, .kind = kind, .raw = (uint32_t)n };
	const uint8_t *stored;
	int rc;

	*out = (dv_outcome){ 0 };
	if (!n || n > DV_RAW_MAX)
		return dv_err(DV_EUSAGE, "a chunk of %zu bytes cannot be stored", n);
	/* The batch may take the chunk for deeper than it becomes: that does no harm. */
	rc = reserve_new(w, kind, id, bases->depth, &out->fresh);
	if (rc || !out->fresh)
		return rc;
	rc = encode(enc, raw, sticky, bases, &e, &stored, out);
	return rc ? give_up(w, rc) : append(w, &e, stored, bases->ids);
}

int dv_writer_put(dv_writer *w, dv_encoder *enc, uint8_t kind, const dv_oid *id, const uint8_t *raw,
		  size_t n, dv_sticky *sticky, bool *added)
{
	const dv_bases none = { 0 };
	dv_outcome out;
	int rc = put(w, enc, kind, id, raw, n, sticky, &none, &out);

	if (added)
		*added = !rc && out.fresh;
	return rc;
}

int dv_writer_put_based(dv_writer *w, dv_encoder *enc, const dv_oid *id, const uint8_t *raw,
			size_t n, dv_sticky *sticky, const dv_bases *bases, dv_outcome *out)
{
	return put(w, enc, DV_KIND_CHUNK, id, raw, n, sticky, bases, out);
}

int dv_writer_put_stored(dv_writer *w, const dv_pack_entry *e, const uint8_t *stored,
			 const dv_oid *bases)
{
	dv_pack_entry copy = *e;
	const char *wrong;
	bool fresh;
	int rc;

	copy.offset = 0;
	wrong = dv_pack_entry_check(&copy, e->stored);
	if (wrong)
		return dv_err(DV_ECORRUPT, "cannot store %s", wrong);
	for (int i = 0; i < e->nbases; i++) {
		uint8_t depth;

		if (!chunk_depth(w, &bases[i], &depth))
			return dv_err(DV_ENOTFOUND, "a delta needs a base that is not stored");
		if (depth >= DV_DEPTH_MAX)
			return dv_err(DV_EUSAGE, "the chain of deltas would be too long");
		if (copy.depth <= depth)
			copy.depth = (uint8_t)(depth + 1);
	}
	rc = reserve_new(w, e->kind, &e->id, copy.depth, &fresh);
	if (rc || !fresh)
		return rc;
	return append(w, &copy, stored, bases);
}

/* -- adopting ---------------------------------------------------------------------------- */

static int adopt(dv_writer *w, const char *tmp, const dv_container *c, const dv_pack_footer *f)
{
	dv_autofree char *copy = dv_strdup(tmp);
	bool fresh;
	int rc = copy ? 0 : DV_ERROR;

	if (!rc)
		rc = dv_writer_add_pending(w, c, copy, true);
	if (rc)
		return rc;
	copy = NULL;
	rc = dv_segment_builder_add(w->index, c, f);
	for (size_t i = 0; !rc && i < f->n; i++)
		rc = dv_writer_reserve(w, f->e[i].kind, &f->e[i].id, f->e[i].depth, &fresh);
	w->bytes += c->size;
	return rc ? rc : dv_writer_spill(w);
}

static int adopt_as(dv_writer *w, const char *tmp, const dv_container *c, const dv_pack_footer *f,
		    uint8_t kind)
{
	int rc;

	if (c->kind != kind)
		return dv_err(DV_EUSAGE, "a container of the wrong kind");
	pthread_mutex_lock(&w->lock);
	/* The thread adds to the index as well. */
	while (w->busy || w->nqueue)
		pthread_cond_wait(&w->room, &w->lock);
	rc = w->failed ? dv_error_put(&w->error) : fail(w, adopt(w, tmp, c, f));
	pthread_mutex_unlock(&w->lock);
	return rc;
}

int dv_writer_adopt_pack(dv_writer *w, const char *tmp, const dv_container *c,
			 const dv_pack_footer *f)
{
	return adopt_as(w, tmp, c, f, DV_CONTAINER_PACK);
}

int dv_writer_adopt_file(dv_writer *w, const char *tmp, const dv_container *c,
			 const dv_pack_footer *f)
{
	return adopt_as(w, tmp, c, f, DV_CONTAINER_FILE);
}

/* -- flushing ---------------------------------------------------------------------------- */

/* Waits for the thread, then writes the rest from here: small batches need no thread at all. */
int dv_writer_flush(dv_writer *w)
{
	dv_wbuf *b;
	int rc = 0;

	pthread_mutex_lock(&w->lock);
	while (w->nqueue || w->busy)
		pthread_cond_wait(&w->room, &w->lock);
	b = dv_steal(&w->current);
	if (w->failed)
		rc = dv_error_put(&w->error);
	pthread_mutex_unlock(&w->lock);
	if (!rc && b)
		rc = dv_writer_write_buffer(w, b);
	buffer_free(b);
	if (!rc)
		rc = dv_writer_close_pack(w);
	return rc ? give_up(w, rc) : 0;
}

int dv_writer_hand_over(dv_writer *w, dv_segment_builder **out)
{
	int rc = dv_writer_flush(w);

	*out = rc ? NULL : dv_steal(&w->index);
	return rc;
}
