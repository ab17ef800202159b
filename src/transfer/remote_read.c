/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading files and entries of a remote. All that comes back is bounded by what was asked for, and
 * an entry is decoded and checked against its id before anybody sees it.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/sha256.h"
#include "transfer/internal.h"

#define TAIL_GUESS (64u << 10)
#define TAIL_MOST (8u << 20)	/* some 60 bytes for each of 64 Ki entries, and their bases */
#define READ_BUDGET 1024	/* entries read for the sake of one */

typedef struct bounded {
	dv_buf *out;
	size_t max;
	const char *name;
} bounded;

static int bounded_sink(const void *p, size_t n, void *payload)
{
	bounded *b = payload;

	if (n > b->max - b->out->n)
		return dv_err(DV_ECORRUPT, "'%s' is longer than it may be", b->name);
	return dv_buf_add(b->out, p, n);
}

int dv_remote_get_file(dv_remote_store *r, const char *name, size_t max, dv_buf *out)
{
	bounded b = { out, max, name };

	dv_buf_clear(out);
	if (!r->r)
		return dv_err(DV_ENOTFOUND, "remote '%s' is empty", r->name);
	int rc = r->r->driver->get(r->r, name, 0, UINT64_MAX, bounded_sink, &b);
	return rc ? dv_err_ctx(rc, "remote '%s'", r->name) : 0;
}

int dv_remote_get_range(dv_remote_store *r, const char *name, uint64_t offset, size_t n,
			dv_buf *out)
{
	bounded b = { out, n, name };

	dv_buf_clear(out);
	if (!r->r)
		return dv_err(DV_ENOTFOUND, "remote '%s' is empty", r->name);
	int rc = dv_buf_reserve(out, n);
	if (rc == 0)
		rc = r->r->driver->get(r->r, name, offset, n, bounded_sink, &b);
	if (rc)
		return dv_err_ctx(rc, "remote '%s'", r->name);
	if (out->n < n)
		return dv_err(DV_ECORRUPT, "remote '%s': '%s' is shorter than expected",
			      r->name, name);
	return 0;
}

void dv_remote_container_name(char out[DV_NAME_ROOM], const dv_container *c)
{
	char hex[DV_OID_HEX_SIZE + 1];

	dv_oid_hex(hex, &c->id);
	snprintf(out, DV_NAME_ROOM, "%s/%.2s/%s",
		 c->kind == DV_CONTAINER_FILE ? "files" : "packs", hex, hex);
}

void dv_place_entry(dv_pack_entry *out, const dv_oid *id, const dv_place *at)
{
	*out = (dv_pack_entry){
		.id = *id, .offset = at->offset, .stored = at->stored, .raw = at->raw,
		.kind = at->kind, .codec = at->codec, .nbases = at->nbases, .depth = at->depth,
	};
}

int dv_check_entry(uint8_t kind, const dv_oid *id, const uint8_t *p, size_t n)
{
	dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;
	uint8_t level;
	char hex[DV_OID_HEX_SIZE + 1];
	dv_oid real;
	int rc = 0;

	dv_oid_hex(hex, id);
	if (kind == DV_KIND_RECIPE)
		rc = dv_recipe_parse(&recipe, &level, p, n);
	else if (dv_sha256(&real, p, n), !dv_oid_eq(&real, id))
		rc = dv_err(DV_ECORRUPT, "chunk %s is damaged", hex);
	return rc && kind == DV_KIND_RECIPE ? dv_err_ctx(rc, "recipe of %s", hex) : rc;
}

/* With `guess` bytes from the end in the first request. */
static int read_footer(dv_remote_store *r, const dv_container *c, size_t guess, dv_pack_footer *out)
{
	char name[DV_NAME_ROOM];
	dv_auto(dv_buf) b = DV_BUF_INIT;
	size_t need = c->size < guess ? (size_t)c->size : guess;

	dv_remote_container_name(name, c);
	for (int i = 0; i < 2 && need; i++) {
		if (need > c->size || need > DV_FOOTER_MAX)
			break;
		size_t n = need;
		int rc = dv_remote_get_range(r, name, c->size - n, n, &b);
		if (rc == 0)
			rc = dv_pack_footer_parse(out, (const uint8_t *)b.p, n, c->size, &need);
		if (rc)
			return dv_err_ctx(rc, "remote '%s': '%s'", r->name, name);
		if (need == 0)
			return 0;
	}
	return dv_err(DV_ECORRUPT, "remote '%s': '%s' is no pack", r->name, name);
}

/* With the lock. */
static const dv_pack_footer *known_footer(const dv_remote_store *r, const dv_container *c)
{
	for (size_t i = 0; i < r->nfooters; i++)
		if (dv_oid_eq(&r->footers[i]->pack, &c->id))
			return &r->footers[i]->f;
	return NULL;
}

/* Takes the slot over, unless another thread was faster. */
static int keep_footer(dv_remote_store *r, const dv_container *c, dv_footer_slot **slot,
		       const dv_pack_footer **out)
{
	int rc = 0;

	pthread_mutex_lock(&r->footers_lock);
	*out = known_footer(r, c);
	if (!*out)
		rc = dv_grow(&r->footers, &r->footers_cap, r->nfooters + 1, sizeof(void *));
	if (!*out && rc == 0) {
		*out = &(*slot)->f;
		r->footers[r->nfooters++] = dv_steal(slot);
	}
	pthread_mutex_unlock(&r->footers_lock);
	return rc;
}

static int get_footer(dv_remote_store *r, const dv_container *c, size_t guess,
		      const dv_pack_footer **out)
{
	pthread_mutex_lock(&r->footers_lock);
	*out = known_footer(r, c);
	pthread_mutex_unlock(&r->footers_lock);
	if (*out)
		return 0;
	dv_footer_slot *slot = dv_calloc(1, sizeof *slot);
	if (!slot)
		return DV_ERROR;
	slot->pack = c->id;
	int rc = read_footer(r, c, guess, &slot->f);
	if (rc == 0)
		rc = keep_footer(r, c, &slot, out);
	if (slot) {
		dv_pack_footer_release(&slot->f);
		free(slot);
	}
	return rc;
}

int dv_remote_footer(dv_remote_store *r, const dv_container *c, const dv_pack_footer **out)
{
	return get_footer(r, c, TAIL_GUESS, out);
}

int dv_remote_footer_behind(dv_remote_store *r, const dv_container *c, uint64_t from,
			    const dv_pack_footer **out)
{
	uint64_t n = from < c->size ? c->size - from : 0;

	return get_footer(r, c, n > TAIL_GUESS && n <= TAIL_MOST ? (size_t)n : TAIL_GUESS, out);
}

int dv_remote_bases(dv_remote_store *r, uint8_t kind, const dv_oid *id, const dv_place *at,
		    dv_oid out[DV_BASES_MAX])
{
	const dv_pack_footer *f;

	if (at->nbases == 0)
		return 0;
	if (at->nbases > DV_BASES_MAX || at->in.kind != DV_CONTAINER_PACK)
		return dv_err(DV_ECORRUPT, "an entry of remote '%s' has bad bases", r->name);
	int rc = dv_remote_footer(r, &at->in, &f);
	if (rc)
		return rc;
	const dv_pack_entry *e = dv_pack_footer_find(f, kind, id);
	if (!e || e->nbases != at->nbases)
		return dv_err(DV_ECORRUPT, "the index of remote '%s' does not match its packs",
			      r->name);
	memcpy(out, &f->bases[e->bases_at], e->nbases * sizeof *out);
	return 0;
}

/* Recursion is bounded by the depth of deltas, work by the budget. */
static int read_entry(dv_remote_store *r, uint8_t kind, const dv_oid *id, int depth, int *budget,
		      dv_buf *out)
{
	dv_auto(dv_buf) stored = DV_BUF_INIT, prefix = DV_BUF_INIT, base = DV_BUF_INIT;
	char name[DV_NAME_ROOM], hex[DV_OID_HEX_SIZE + 1];
	dv_oid bases[DV_BASES_MAX];
	dv_pack_entry e;
	dv_place at;

	dv_oid_hex(hex, id);
	if (!r->exists)
		return dv_err(DV_ENOTFOUND, "remote '%s' is empty or not there", r->name);
	if (!dv_remote_store_find(r, kind, id, &at))
		return dv_err(DV_ENOTFOUND, "%s %s is not on remote '%s'",
			      kind == DV_KIND_RECIPE ? "recipe" : "chunk", hex, r->name);
	if (depth > DV_DEPTH_MAX || --*budget < 0)
		return dv_err(DV_ECORRUPT, "remote '%s': the deltas of chunk %s have no end",
			      r->name, hex);
	dv_remote_container_name(name, &at.in);
	int rc = dv_remote_bases(r, kind, id, &at, bases);
	if (rc || (rc = dv_remote_get_range(r, name, at.offset, at.stored, &stored)))
		return rc;
	for (size_t i = 0; i < at.nbases; i++) {
		rc = read_entry(r, DV_KIND_CHUNK, &bases[i], depth + 1, budget, &base);
		if (rc == 0 && base.n > DV_PREFIX_MAX - prefix.n)
			rc = dv_err(DV_ECORRUPT, "chunk %s has too long bases", hex);
		if (rc || (rc = dv_buf_add(&prefix, base.p, base.n)))
			return rc;
	}
	dv_buf_clear(out);
	if ((rc = dv_buf_reserve(out, at.raw)))
		return rc;
	dv_place_entry(&e, id, &at);
	rc = dv_pack_decode((uint8_t *)out->p, &e, (const uint8_t *)stored.p,
			    (const uint8_t *)prefix.p, prefix.n);
	if (rc == 0) {
		out->n = at.raw;
		out->p[out->n] = '\0';
		rc = dv_check_entry(kind, id, (const uint8_t *)out->p, out->n);
	}
	return rc ? dv_err_ctx(rc, "remote '%s': '%s'", r->name, name) : 0;
}

int dv_remote_store_read(dv_remote_store *r, uint8_t kind, const dv_oid *id, dv_buf *out)
{
	int budget = READ_BUDGET;

	return read_entry(r, kind, id, 0, &budget, out);
}
