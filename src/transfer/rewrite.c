/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New packs for what is needed of old ones on a remote. To the log it is a push without roots: the
 * packs are put, then the segment, then the entry; and when a collection came between, what was
 * copied may lean on what that one condemned, so nothing is committed. From then on the copies are
 * found in place of the old, whose packs the collection that follows condemns like any other.
 *
 * Entries keep their form and depth. Each is decoded and compared with its id first.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/progress.h"
#include "transfer/internal.h"

#define GAP_MAX (64u << 10)
#define RUN_MAX ((uint64_t)8 << 20)

typedef struct rewriting {
	dv_store *local;
	dv_reader *reader;
	dv_remote_store *r;
	dv_pushing p;		/* of which only what a commit needs is used */
	dv_map bad;		/* packs that stay because they are damaged */
	dv_oid ids[DV_BASES_MAX];	/* of the prefix */
	size_t nids;
	dv_buf prefix, bytes, base, raw;
} rewriting;

static void rewriting_release(rewriting *w)
{
	dv_segment_builder_free(w->p.index);
	free(w->p.sent);
	free(w->p.spill);
	dv_map_release(&w->bad);
	dv_buf_release(&w->prefix);
	dv_buf_release(&w->bytes);
	dv_buf_release(&w->base);
	dv_buf_release(&w->raw);
}

/* A chunk's bytes, from the cache where it has them. */
static int get_base(rewriting *w, const dv_oid *id)
{
	const uint8_t *p;
	dv_place at;
	size_t n;

	dv_buf_clear(&w->base);
	if (dv_store_find(w->local, DV_KIND_CHUNK, id, &at)) {
		if (dv_reader_get(w->reader, DV_KIND_CHUNK, id, &p, &n) == 0)
			return dv_buf_add(&w->base, p, n);
		dv_error_clear();
	}
	return dv_remote_store_read(w->r, DV_KIND_CHUNK, id, &w->base);
}

/* Neighbours often have the same bases. */
static int read_prefix(rewriting *w, const dv_oid *bases, size_t n)
{
	if (n == w->nids && !memcmp(bases, w->ids, n * sizeof *bases))
		return 0;
	w->nids = 0;
	dv_buf_clear(&w->prefix);
	for (size_t i = 0; i < n; i++) {
		int rc = get_base(w, &bases[i]);

		if (rc == 0 && w->base.n > DV_PREFIX_MAX - w->prefix.n)
			rc = dv_err(DV_ECORRUPT, "a delta has too long bases");
		if (rc || (rc = dv_buf_add(&w->prefix, w->base.p, w->base.n)))
			return rc;
	}
	memcpy(w->ids, bases, n * sizeof *bases);
	w->nids = n;
	return 0;
}

/* No hash speaks for the bytes of a recipe; but all that it names has to be there, and as long as
 * it says. */
static int check_recipe(const rewriting *w, const uint8_t *p, size_t n)
{
	dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;
	uint8_t level;
	int rc = dv_recipe_parse(&recipe, &level, p, n);

	for (size_t i = 0; i < recipe.n && rc == 0; i++) {
		dv_place at;

		if (!dv_remote_store_find(w->r, DV_KIND_CHUNK, &recipe.c[i].id, &at) ||
		    at.raw != recipe.c[i].len)
			rc = dv_err(DV_ECORRUPT, "a recipe names a chunk that is nowhere");
	}
	return rc;
}

static int take_entry(rewriting *w, dv_packer *k, const dv_need *need, const uint8_t *stored)
{
	dv_oid bases[DV_BASES_MAX];
	dv_pack_entry e;
	uint8_t *raw;
	int rc = dv_remote_bases(w->r, need->at.kind, &need->id, &need->at, bases);

	if (rc == 0 && need->at.nbases)
		rc = read_prefix(w, bases, need->at.nbases);
	dv_buf_clear(&w->raw);
	if (rc || (rc = dv_buf_reserve(&w->raw, need->at.raw)))
		return rc;
	raw = (uint8_t *)w->raw.p;
	dv_place_entry(&e, &need->id, &need->at);
	rc = dv_pack_decode(raw, &e, stored, (const uint8_t *)w->prefix.p,
			    e.nbases ? w->prefix.n : 0);
	if (rc == 0)
		rc = dv_check_entry(e.kind, &e.id, raw, e.raw);
	if (rc == 0 && e.kind == DV_KIND_RECIPE)
		rc = check_recipe(w, raw, e.raw);
	return rc ? rc : dv_packer_add(k, &e, stored, bases);
}

/* Takes the entries [i, i + n), which lie close together. */
static int take_run(rewriting *w, dv_packer *k, const dv_need *needs, size_t n, uint64_t end)
{
	const dv_place *first = &needs[0].at;
	char name[DV_NAME_ROOM];

	dv_remote_container_name(name, &first->in);
	int rc = dv_remote_get_range(w->r, name, first->offset, (size_t)(end - first->offset),
				     &w->bytes);
	for (size_t i = 0; i < n && rc == 0; i++)
		if ((rc = i % 64 ? 0 : dv_check_cancel()) == 0)
			rc = take_entry(w, k, &needs[i], (const uint8_t *)w->bytes.p +
					(needs[i].at.offset - first->offset));
	if (rc != DV_ECORRUPT && rc != DV_ENOTFOUND)
		return rc;
	dv_warn("remote '%s': '%s' is damaged and stays as it is: %s", w->r->name, name,
		dv_error_last()->message);
	dv_error_clear();
	return dv_map_put(&w->bad, &first->in.id, 1);
}

static int take_all(rewriting *w, dv_packer *k, const dv_need *needs, size_t n)
{
	int rc = 0;

	for (size_t i = 0, m; i < n && rc == 0; i += m) {
		uint64_t start = needs[i].at.offset, end = start + needs[i].at.stored;

		for (m = 1; i + m < n; m++) {
			const dv_place *at = &needs[i + m].at;

			if (!dv_oid_eq(&at->in.id, &needs[i].at.in.id) || at->offset < end ||
			    at->offset - end > GAP_MAX || at->offset + at->stored - start > RUN_MAX)
				break;
			end = at->offset + at->stored;
		}
		if (!dv_map_has(&w->bad, &needs[i].at.in.id))
			rc = take_run(w, k, needs + i, m, end);
		dv_progress_add(end - start, 0);
	}
	return rc;
}

static int make_pack(rewriting *w, const dv_need *needs, size_t n)
{
	dv_auto(dv_packer) k = DV_PACKER_INIT;
	char name[DV_NAME_ROOM];
	dv_container c;
	int rc = dv_packer_begin(&k, w->r, needs, n, false);

	if (rc == 0)
		rc = take_all(w, &k, needs, n);
	if (rc || k.f.n == 0 || (rc = dv_packer_end(&k, &c)))
		return rc;
	dv_remote_container_name(name, &c);
	rc = w->r->r->driver->put(w->r->r, name, k.fd, c.size);
	return rc ? dv_err_ctx(rc, "remote '%s'", w->r->name) :
		    dv_pushing_note_sent(&w->p, &c, &k.f);
}

static int compare_needs(const void *a, const void *b)
{
	const dv_need *x = a, *y = b;
	int c = dv_oid_cmp(&x->at.in.id, &y->at.in.id);

	return c ? c : (x->at.offset > y->at.offset) - (x->at.offset < y->at.offset);
}

int dv_rewrite(dv_store *local, dv_reader *reader, dv_remote_store *r, dv_need *needs, size_t n,
	       bool *again)
{
	dv_auto(rewriting) w = { .local = local, .reader = reader, .r = r, .p = { .r = r } };
	dv_auto(dv_log_entry) e = { .kind = DV_LOG_COMMIT };
	uint64_t total = 0;
	int rc = dv_segment_builder_new(&w.p.index);

	*again = false;
	if (rc == 0 && !(w.p.spill = dv_path_join(r->mirror, "index/new")))
		rc = DV_ERROR;
	if (rc || n == 0)
		return rc;
	qsort(needs, n, sizeof *needs, compare_needs);
	for (size_t i = 0; i < n; i++)
		total += needs[i].at.stored;
	dv_progress_start("rewriting", total, 0);
	for (size_t i = 0, end; rc == 0 && i < n; i = end) {
		uint64_t sum = 0;

		for (end = i; end < n && sum < DV_PACK_TARGET &&
			      end - i < DV_PACK_ENTRIES_MAX / DV_BASES_MAX; end++)
			sum += needs[end].at.stored;
		rc = make_pack(&w, needs + i, end - i);
	}
	dv_progress_end();
	return rc || w.p.nsent == 0 ? rc : dv_pushing_commit(&w.p, &e, again);
}
