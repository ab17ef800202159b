/* SPDX-License-Identifier: Apache-2.0 */
/* What the containers of a store hold, read from themselves; and a new index made from that. */
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "store/care_impl.h"
#include "store/store_priv.h"
#include "store/whole.h"

/* -- all containers ---------------------------------------------------------------------------- */

void dv_holdings_release(dv_holdings *h)
{
	for (size_t i = 0; i < h->n; i++)
		dv_pack_footer_release(&h->h[i].f);
	free(h->h);
	dv_map_release(&h->at);
	*h = (dv_holdings)DV_HOLDINGS_INIT;
}

dv_holding *dv_holdings_find(const dv_holdings *all, const dv_container *c)
{
	dv_oid key = dv_container_key(c->kind, &c->id);
	uint64_t at;

	return dv_map_get(&all->at, &key, &at) ? &all->h[at] : NULL;
}

/* Takes from a segment the entries of containers without a footer. */
static int borrow_entries(dv_holdings *all, size_t *caps, const dv_segment *seg)
{
	size_t n = dv_segment_count(seg);

	for (size_t i = 0; i < n; i++) {
		dv_pack_entry *e;
		dv_holding *h;
		dv_place p;
		dv_oid id;
		int rc;

		if (!dv_segment_at(seg, i, &id, &p) ||
		    !(h = dv_holdings_find(all, &p.in)))
			continue;
		if (h->readable)
			continue;
		rc = dv_grow(&h->f.e, &caps[h - all->h], h->f.n + 1, sizeof(*h->f.e));
		if (rc < 0)
			return rc;
		e = &h->f.e[h->f.n++];
		*e = (dv_pack_entry){ .id = id, .offset = p.offset, .stored = p.stored,
				      .raw = p.raw, .kind = p.kind, .codec = p.codec,
				      .nbases = p.nbases, .depth = p.depth };
	}
	return 0;
}

static int borrow_all(dv_holdings *all, const dv_store *s)
{
	const dv_log_state *state = dv_store_state(s);
	dv_autofree size_t *caps = dv_calloc(all->n + 1, sizeof(*caps));

	if (!caps)
		return DV_ERROR;
	for (size_t i = 0; i < state->nsegments; i++) {
		dv_autofree char *path = dv_store_segment_path(s, &state->segments[i]);
		dv_autoptr(dv_segment) seg = NULL;
		int rc;

		if (!path)
			return DV_ERROR;
		rc = dv_segment_open(&seg, path);
		if (dv_is_damage(rc))
			continue; /* what it alone knows cannot be known */
		if (!rc)
			rc = borrow_entries(all, caps, seg);
		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < all->n; i++) {
		dv_pack_footer *f = &all->h[i].f;
		size_t n = 0;

		if (all->h[i].readable || !f->n)
			continue;
		qsort(f->e, f->n, sizeof(*f->e), dv_pack_entry_cmp);
		for (size_t k = 0; k < f->n; k++)
			if (!n || dv_pack_entry_cmp(&f->e[n - 1], &f->e[k]))
				f->e[n++] = f->e[k];
		f->n = n;
	}
	return 0;
}

/* A whole file holds what its recipe lists; the index may have led to copies elsewhere. */
static int load_whole(dv_holding *h, dv_reader **r, const dv_store *s)
{
	dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;
	int rc = *r ? 0 : dv_reader_new(r, (dv_store *)(uintptr_t)s);

	if (!rc)
		rc = dv_recipe_load(&recipe, *r, &h->c.id);
	if (!rc && recipe.size == h->c.size)
		rc = dv_whole_table(&h->f, &recipe);
	else if (!rc)
		rc = DV_ECORRUPT;
	h->readable = rc == 0;
	h->suspect = !dv_whole_intact(s, &h->c);
	if (rc != DV_ENOTFOUND && !dv_is_damage(rc))
		return rc;
	dv_error_clear();
	return 0;
}

int dv_holdings_load(dv_holdings *out, const dv_store *s)
{
	const dv_log_state *state = dv_store_state(s);
	dv_auto(dv_holdings) all = DV_HOLDINGS_INIT;
	dv_autoptr(dv_reader) reader = NULL;
	bool borrow = false;
	int rc = 0;

	*out = (dv_holdings)DV_HOLDINGS_INIT;
	all.h = dv_calloc(state->ncontainers + 1, sizeof(*all.h));
	if (!all.h)
		return DV_ERROR;
	for (size_t i = 0; i < state->ncontainers && !rc; i++) {
		dv_holding *h = &all.h[all.n++];
		dv_oid key;

		h->c = state->containers[i];
		key = dv_container_key(h->c.kind, &h->c.id);
		rc = dv_map_put(&all.at, &key, i);
		if (!rc)
			rc = dv_check_cancel();
		if (!rc && h->c.kind == DV_CONTAINER_PACK)
			rc = dv_store_load_footer(s, &h->c, &h->f);
		h->readable = !rc && h->c.kind == DV_CONTAINER_PACK;
		if (dv_is_damage(rc))
			rc = 0;
		if (!rc && h->c.kind == DV_CONTAINER_FILE)
			rc = load_whole(h, &reader, s);
		borrow |= !h->readable;
	}
	if (!rc)
		rc = dv_whole_check_looks((dv_store *)(uintptr_t)s);
	if (!rc && borrow)
		rc = borrow_all(&all, s);
	if (rc < 0)
		return rc;
	*out = all;
	all = (dv_holdings)DV_HOLDINGS_INIT;
	return 0;
}

int dv_holding_index(const dv_store *s, dv_segment_builder *b, const dv_holding *h,
		     const bool *use)
{
	dv_pack_footer some = { .bases = h->f.bases, .nbases = h->f.nbases };
	dv_autofree dv_pack_entry *e = dv_calloc(h->f.n + 1, sizeof(*e));
	const dv_segment *spilled;
	int rc;

	if (!e)
		return DV_ERROR;
	for (size_t i = 0; i < h->f.n; i++)
		if (use[i])
			e[some.n++] = h->f.e[i];
	some.e = e;
	rc = some.n ? dv_segment_builder_add(b, &h->c, &some) : 0;
	return rc ? rc : dv_store_spill_segment(s, b, &spilled);
}

/* -- a new index ------------------------------------------------------------------------------- */

static bool has_bases(const dv_holding *h, const dv_pack_entry *e, const dv_map *chunks)
{
	if (e->nbases && !h->readable)
		return false;
	for (size_t i = 0; i < e->nbases; i++)
		if (!dv_map_has(chunks, &h->f.bases[e->bases_at + i]))
			return false;
	return true;
}

/* Marks in `use` the entries of `depth`, each once, if all their bases were marked before: a delta
 * that gc left behind without them must not come back to light. */
static int choose_depth(const dv_holdings *all, bool **use, unsigned depth, bool suspect,
			dv_map *chunks, dv_map *recipes)
{
	for (size_t i = 0; i < all->n; i++) {
		const dv_holding *h = &all->h[i];

		if (h->suspect != suspect)
			continue;
		for (size_t k = 0; k < h->f.n; k++) {
			const dv_pack_entry *e = &h->f.e[k];
			dv_map *seen = e->kind == DV_KIND_CHUNK ? chunks : recipes;
			int rc;

			if (e->depth != depth || dv_map_has(seen, &e->id) ||
			    !has_bases(h, e, chunks))
				continue;
			rc = dv_map_put(seen, &e->id, 1);
			if (rc < 0)
				return rc;
			use[i][k] = true;
		}
	}
	return 0;
}

typedef struct marks {
	bool **use;
	size_t n;
} marks;

static void marks_release(marks *m)
{
	for (size_t i = 0; m->use && i < m->n; i++)
		free(m->use[i]);
	free(m->use);
}

static int index_all(const dv_store *s, dv_segment_builder *b, const dv_holdings *all)
{
	__attribute__((cleanup(marks_release))) marks m = { .n = all->n };
	dv_auto(dv_map) chunks = DV_MAP_INIT;
	dv_auto(dv_map) recipes = DV_MAP_INIT;
	int rc = 0;

	m.use = dv_calloc(all->n + 1, sizeof(*m.use));
	if (!m.use)
		return DV_ERROR;
	for (size_t i = 0; i < all->n; i++) {
		m.use[i] = dv_calloc(all->h[i].f.n + 1, sizeof(bool));
		if (!m.use[i])
			return DV_ERROR;
	}
	for (unsigned depth = 0; depth <= DV_DEPTH_MAX && !rc; depth++)
		rc = choose_depth(all, m.use, depth, false, &chunks, &recipes);
	if (!rc)
		rc = choose_depth(all, m.use, 0, true, &chunks, &recipes);
	for (size_t i = 0; i < all->n && !rc; i++)
		rc = dv_holding_index(s, b, &all->h[i], m.use[i]);
	return rc;
}

int dv_store_reindex(dv_store *s)
{
	dv_auto(dv_holdings) all = DV_HOLDINGS_INIT;
	dv_autoptr(dv_segment_builder) b = NULL;
	dv_auto(dv_log_entry) e = DV_LOG_ENTRY_INIT;
	const dv_log_state *state = dv_store_state(s);
	bool same = false;
	dv_oid name;
	int rc = dv_store_refresh(s);

	if (!rc)
		rc = dv_holdings_load(&all, s);
	if (!rc)
		rc = dv_segment_builder_new(&b);
	if (!rc)
		rc = index_all(s, b, &all);
	if (!rc)
		rc = dv_store_put_segment(s, b, NULL, 0, &name);
	for (size_t i = 0; i < state->nsegments && !rc; i++) {
		if (dv_oid_eq(&state->segments[i], &name))
			same = true;
		else
			rc = dv_log_drop_segment(&e, &state->segments[i]);
	}
	if (rc < 0 || (same && !e.nseg_drop))
		return rc < 0 ? rc : dv_store_refresh(s);
	e.kind = DV_LOG_COMMIT;
	if (!same)
		rc = dv_log_add_segment(&e, &name);
	if (!rc)
		rc = dv_store_append(s, &e);
	return rc < 0 ? rc : dv_store_refresh(s);
}
