/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One object read from where it is, the cache or the remote, and stored nowhere. Only the chunks
 * that are needed are asked for, neighbours in one request; each is verified before it is handed
 * out.
 */
#include <string.h>

#include "base/alloc.h"
#include "transfer/internal.h"

#define GAP_MAX (256u << 10)
#define RUN_MAX (8u << 20)

typedef struct peek {
	dv_store *local;
	dv_reader *reader;
	dv_remote_store *r;
} peek;

static int peek_get(uint8_t kind, const dv_oid *id, dv_buf *out, void *payload)
{
	peek *k = payload;
	const uint8_t *p;
	dv_place at;
	size_t n;

	dv_buf_clear(out);
	if (!dv_store_find(k->local, kind, id, &at))
		return dv_remote_store_read(k->r, kind, id, out);
	int rc = dv_reader_get(k->reader, kind, id, &p, &n);
	return rc ? rc : dv_buf_add(out, p, n);
}

/* Whether to try again what was not found: when a collection was faster, the log has grown. */
static bool was_overtaken(dv_remote_store *r, bool *asked, int *rc)
{
	uint64_t before = r->state.head;
	dv_error why;

	if (*rc != DV_ENOTFOUND || *asked)
		return false;
	*asked = true;
	dv_error_take(&why);
	*rc = dv_remote_store_refresh(r);
	if (*rc == 0 && r->state.head == before)
		*rc = why.code ? dv_error_put(&why) : DV_ENOTFOUND;
	return *rc == 0;
}

int dv_transfer_read(dv_store *local, dv_remote_store *remote, const dv_oid *oid, size_t max,
		     dv_buf *out)
{
	dv_autoptr(dv_reader) reader = NULL;
	dv_place at;
	int rc = dv_reader_new(&reader, local);
	peek k = { local, reader, remote };
	bool asked = false;

	if (rc)
		return rc;
	do {
		bool is_chunk = dv_store_find(local, DV_KIND_CHUNK, oid, &at) ||
				dv_remote_store_find(remote, DV_KIND_CHUNK, oid, &at);

		rc = dv_meta_object(out, oid, is_chunk, max, peek_get, &k);
	} while (was_overtaken(remote, &asked, &rc));
	return rc;
}

/* -- a part of an object ----------------------------------------------------------------------- */

typedef struct streaming {
	peek k;
	const dv_chunk_ref *c;		/* the chunks that are needed */
	size_t n;
	uint64_t skip, left;		/* bytes of the first one to leave out; to be told */
	bool reloaded;
	dv_sink_cb sink;
	void *payload;
	dv_buf bytes, raw;
} streaming;
static void streaming_release(streaming *s)
{
	dv_buf_release(&s->bytes);
	dv_buf_release(&s->raw);
}

static int tell(streaming *s, const void *p, size_t n)
{
	size_t from = s->skip < n ? (size_t)s->skip : n, some = n - from;

	s->skip -= from;
	if (some > s->left)
		some = (size_t)s->left;
	s->left -= some;
	return some ? s->sink((const char *)p + from, some, s->payload) : 0;
}

/* Where chunk i is on the remote, when that is where it has to come from and it stands alone. */
static bool plain_place(const streaming *s, size_t i, dv_place *at)
{
	dv_place here;

	return !dv_store_find(s->k.local, DV_KIND_CHUNK, &s->c[i].id, &here) &&
	       dv_remote_store_find(s->k.r, DV_KIND_CHUNK, &s->c[i].id, at) && at->nbases == 0;
}

/* How many chunks from i on stand so close in one container that one request brings them. */
static size_t run_length(const streaming *s, size_t i, const dv_place *first, uint64_t *end)
{
	size_t n = 1;
	dv_place at;

	*end = first->offset + first->stored;
	for (; i + n < s->n && plain_place(s, i + n, &at); n++) {
		if (!dv_oid_eq(&at.in.id, &first->in.id) || at.offset < *end ||
		    at.offset - *end > GAP_MAX ||
		    at.offset + at.stored - first->offset > RUN_MAX)
			break;
		*end = at.offset + at.stored;
	}
	return n;
}

static int tell_decoded(streaming *s, const dv_oid *id, const dv_place *at, const uint8_t *stored)
{
	dv_pack_entry e;

	dv_buf_clear(&s->raw);
	int rc = dv_buf_reserve(&s->raw, at->raw);
	dv_place_entry(&e, id, at);
	if (rc == 0)
		rc = dv_pack_decode((uint8_t *)s->raw.p, &e, stored, NULL, 0);
	if (rc == 0)
		rc = dv_check_entry(DV_KIND_CHUNK, id, (const uint8_t *)s->raw.p, at->raw);
	return rc ? rc : tell(s, s->raw.p, at->raw);
}

/* Chunks i to i + n, of which the first is at `first`. */
static int tell_run(streaming *s, size_t i, size_t n, const dv_place *first, uint64_t end)
{
	char name[DV_NAME_ROOM];

	dv_remote_container_name(name, &first->in);
	int rc = dv_remote_get_range(s->k.r, name, first->offset, (size_t)(end - first->offset),
				     &s->bytes);
	for (size_t k = i; rc == 0 && k < i + n; k++) {
		dv_place at;

		if (!plain_place(s, k, &at) || at.offset < first->offset ||
		    at.offset + at.stored > end)
			return dv_err(DV_ECORRUPT, "the index of remote '%s' is damaged",
				      s->k.r->name);
		rc = tell_decoded(s, &s->c[k].id, &at,
				  (const uint8_t *)s->bytes.p + (at.offset - first->offset));
		if (rc)
			rc = dv_err_ctx(rc, "remote '%s': '%s'", s->k.r->name, name);
	}
	return rc;
}

static int stream_chunks(streaming *s)
{
	int rc = 0;

	for (size_t i = 0, n = 1; rc == 0 && i < s->n && s->left; i += n) {
		dv_place at;
		uint64_t end;

		n = 1;
		if ((rc = dv_check_cancel()))
			break;
		if (plain_place(s, i, &at)) {
			n = run_length(s, i, &at, &end);
			rc = tell_run(s, i, n, &at, end);
		} else {
			rc = peek_get(DV_KIND_CHUNK, &s->c[i].id, &s->bytes, &s->k);
			if (rc == 0)
				rc = tell(s, s->bytes.p, s->bytes.n);
		}
		/* Nothing of these chunks was told yet. */
		if (was_overtaken(s->k.r, &s->reloaded, &rc))
			n = 0;
	}
	return rc;
}

int dv_transfer_stream(dv_store *local, dv_remote_store *remote, const dv_oid *oid,
		       uint64_t offset, uint64_t length, dv_sink_cb sink, void *payload)
{
	dv_autoptr(dv_reader) reader = NULL;
	dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;
	dv_chunk_ref whole = { .id = *oid };
	dv_place at;
	int rc = dv_reader_new(&reader, local);
	dv_auto(streaming) s = { .k = { local, reader, remote }, .skip = offset, .left = length,
				 .sink = sink, .payload = payload };

	if (rc || dv_oid_is_empty(oid))
		return rc;
	if (dv_store_find(local, DV_KIND_CHUNK, oid, &at) ||
	    dv_remote_store_find(remote, DV_KIND_CHUNK, oid, &at)) {
		s.c = &whole;
		s.n = 1;
	} else {
		do
			rc = dv_meta_recipe(&recipe, oid, peek_get, &s.k);
		while (was_overtaken(remote, &s.reloaded, &rc));
		if (rc)
			return rc;
		s.c = recipe.c;
		s.n = recipe.n;
		for (; s.n && s.skip >= s.c->len; s.c++, s.n--)
			s.skip -= s.c->len;
		/* What stands behind the end is not asked for, not even for the gap's sake. */
		uint64_t sum = 0, need = s.left;
		need += need < UINT64_MAX - s.skip ? s.skip : 0;
		size_t n = 0;

		while (n < s.n && sum < need)
			sum += s.c[n++].len;
		s.n = n;
	}
	return stream_chunks(&s);
}
