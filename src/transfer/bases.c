/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the deltas of a fetch build on: bases that are neither here nor asked for come as well, and
 * every delta after its bases. Only footers say which those are: they are read at once.
 */
#include <string.h>

#include "base/alloc.h"
#include "transfer/internal.h"

#define LEVELS_MAX 64		/* of deltas over deltas; copies in many packs may mix */

/* Puts every delta above its bases. The depths that places state may stem from other copies. */
static int set_levels(dv_fetching *f, dv_need *needs, size_t n)
{
	dv_auto(dv_map) index = DV_MAP_INIT;
	bool changed = true;
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++)
		if (needs[i].at.kind == DV_KIND_CHUNK)
			rc = dv_map_put(&index, &needs[i].id, i);
	for (int pass = 0; changed && rc == 0; pass++) {
		if (pass > LEVELS_MAX)
			return dv_err(DV_ECORRUPT, "the deltas of remote '%s' have no end",
				      f->r->name);
		changed = false;
		for (size_t i = 0; i < n && rc == 0; i++) {
			dv_oid bases[DV_BASES_MAX];
			uint64_t b;

			rc = dv_remote_bases(f->r, needs[i].at.kind, &needs[i].id, &needs[i].at,
					     bases);
			for (size_t k = 0; k < needs[i].at.nbases && rc == 0; k++)
				if (dv_map_get(&index, &bases[k], &b) &&
				    needs[i].level <= needs[b].level) {
					needs[i].level = needs[b].level + 1;
					changed = true;
				}
		}
	}
	return rc;
}

/* A pack whose footer will be looked into. */
typedef struct footer_job {
	dv_fetching *f;
	dv_container c;
	uint64_t from;		/* the end of its last entry that is known */
} footer_job;

static int footer_run(void *arg, int worker)
{
	const footer_job *j = arg;
	const dv_pack_footer *unused;

	(void)worker;
	/* What fails will fail again, for whom it matters to. */
	if (dv_remote_footer_behind(j->f->r, &j->c, j->from, &unused))
		dv_error_clear();
	return 0;
}

/* Reads the footers that finding the bases takes, at once. */
static int read_footers(dv_fetching *f, const dv_need *needs, size_t n)
{
	dv_auto(dv_map) index = DV_MAP_INIT;
	dv_autofree footer_job *list = NULL;
	size_t nlist = 0, cap = 0;
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		const dv_place *at = &needs[i].at;
		uint64_t k = nlist;
		bool fresh;

		if (!at->nbases || at->in.kind != DV_CONTAINER_PACK)
			continue;
		if ((rc = dv_map_add(&index, &at->in.id, k, &fresh)))
			break;
		if (!fresh)
			dv_map_get(&index, &at->in.id, &k);
		else if ((rc = dv_grow(&list, &cap, nlist + 1, sizeof *list)) == 0)
			list[nlist++] = (footer_job){ .f = f, .c = at->in };
		if (rc == 0 && at->offset + at->stored > list[k].from)
			list[k].from = at->offset + at->stored;
	}
	for (size_t i = 0; i < nlist && rc == 0; i++)
		rc = dv_pool_submit(f->pool, footer_run, &list[i]);
	int end = dv_pool_wait(f->pool);
	return end ? end : rc;
}

int dv_fetching_add_bases(dv_fetching *f, dv_need **needs, size_t *n, size_t *cap)
{
	dv_auto(dv_map) asked = DV_MAP_INIT;
	bool deltas = false;
	int rc = 0;

	for (size_t i = 0; i < *n; i++)
		deltas = deltas || (*needs)[i].at.nbases > 0;
	if (!deltas)
		return 0;
	rc = read_footers(f, *needs, *n);
	for (size_t i = 0; i < *n && rc == 0; i++)
		if ((*needs)[i].at.kind == DV_KIND_CHUNK)
			rc = dv_map_put(&asked, &(*needs)[i].id, 1);
	for (size_t i = 0; i < *n && rc == 0; i++) {
		const dv_need need = (*needs)[i];
		dv_oid bases[DV_BASES_MAX];

		rc = dv_remote_bases(f->r, need.at.kind, &need.id, &need.at, bases);
		if (rc == DV_ENOTFOUND && !f->reloaded)
			return dv_fetching_overtaken(f);
		if (rc == DV_ECORRUPT || rc == DV_ENOTFOUND) {
			dv_warn("%s", dv_error_last()->message);
			dv_error_clear();
			rc = dv_fetching_note_bad(f, &need);
			(*needs)[i--] = (*needs)[--*n];
			continue;
		}
		for (size_t k = 0; k < need.at.nbases && rc == 0; k++) {
			dv_place at;
			bool added;

			if (dv_store_find(f->local, DV_KIND_CHUNK, &bases[k], &at))
				continue;
			rc = dv_map_add(&asked, &bases[k], 1, &added);
			if (rc || !added)
				continue;
			/* The delta cannot be read, which its turn will show. */
			if (!dv_remote_store_find(f->r, DV_KIND_CHUNK, &bases[k], &at))
				continue;
			rc = dv_grow(needs, cap, *n + 1, sizeof **needs);
			if (rc == 0)
				(*needs)[(*n)++] = (dv_need){ .id = bases[k], .at = at };
		}
	}
	return rc ? rc : set_levels(f, *needs, *n);
}
