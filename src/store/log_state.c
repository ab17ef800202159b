/* SPDX-License-Identifier: Apache-2.0 */
/* What the entries of a log add up to. Segment lists are short (merging sees to it), so they are
 * plain arrays; everything else is found by id. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/sha256.h"
#include "store/log.h"

void dv_log_state_release(dv_log_state *s)
{
	dv_map_release(&s->packs);
	dv_map_release(&s->condemned);
	dv_map_release(&s->roots);
	dv_map_release(&s->owned_at);
	for (size_t i = 0; i < s->nowned; i++)
		free(s->owned[i].project);
	free(s->owned);
	free(s->containers);
	free(s->segments);
	*s = (dv_log_state)DV_LOG_STATE_INIT;
}

dv_oid dv_container_key(uint8_t kind, const dv_oid *id)
{
	dv_oid key = *id;

	for (size_t i = 0; kind == DV_CONTAINER_FILE && i < sizeof(key.b); i++)
		key.b[i] = (uint8_t)~key.b[i];
	return key;
}

bool dv_log_state_has(const dv_log_state *s, uint8_t kind, const dv_oid *id)
{
	dv_oid key = dv_container_key(kind, id);

	return dv_map_has(&s->packs, &key);
}

static int add_container(dv_log_state *s, const dv_container *c)
{
	dv_oid key = dv_container_key(c->kind, &c->id);
	int rc;

	/* A whole file may come back under its old name after it was collected. */
	dv_map_remove(&s->condemned, &key);
	if (dv_map_has(&s->packs, &key))
		return 0;
	rc = dv_grow(&s->containers, &s->containers_cap, s->ncontainers + 1,
		     sizeof(*s->containers));
	if (!rc)
		rc = dv_map_put(&s->packs, &key, s->ncontainers);
	if (rc)
		return rc;
	s->containers[s->ncontainers++] = *c;
	return 0;
}

static int condemn(dv_log_state *s, uint8_t kind, const dv_oid *id)
{
	dv_oid key = dv_container_key(kind, id);
	uint64_t at;

	/* Entries of old did not tell the kinds apart. */
	if (kind == DV_CONTAINER_PACK && !dv_map_has(&s->packs, &key)) {
		dv_oid file = dv_container_key(DV_CONTAINER_FILE, id);

		if (dv_map_has(&s->packs, &file)) {
			kind = DV_CONTAINER_FILE;
			key = file;
		}
	}
	if (dv_map_get(&s->packs, &key, &at)) {
		const dv_container *last = &s->containers[--s->ncontainers];
		dv_oid its = dv_container_key(last->kind, &last->id);
		uint64_t *moved = dv_map_find(&s->packs, &its);

		s->containers[at] = *last;
		if (moved)
			*moved = at;
		dv_map_remove(&s->packs, &key);
	}
	return dv_map_put(&s->condemned, &key, kind);
}

static int add_segment(dv_log_state *s, const dv_oid *id)
{
	int rc;

	for (size_t i = 0; i < s->nsegments; i++)
		if (dv_oid_eq(&s->segments[i], id))
			return 0;
	rc = dv_grow(&s->segments, &s->segments_cap, s->nsegments + 1, sizeof(*s->segments));
	if (rc)
		return rc;
	s->segments[s->nsegments++] = *id;
	return 0;
}

static void drop_segment(dv_log_state *s, const dv_oid *id)
{
	for (size_t i = 0; i < s->nsegments; i++) {
		if (!dv_oid_eq(&s->segments[i], id))
			continue;
		memmove(s->segments + i, s->segments + i + 1,
			(s->nsegments - i - 1) * sizeof(*s->segments));
		s->nsegments--;
		return;
	}
}

/* -- roots ------------------------------------------------------------------------------------- */

dv_oid dv_root_key(const dv_oid *oid, const char *project)
{
	dv_sha256_ctx h;
	dv_oid key;

	dv_sha256_init(&h);
	dv_sha256_update(&h, oid->b, sizeof(oid->b));
	dv_sha256_update(&h, project ? project : "", project ? strlen(project) : 0);
	dv_sha256_final(&h, &key);
	return key;
}

bool dv_log_state_has_root(const dv_log_state *s, const dv_oid *oid, bool is_tree,
			   const char *project)
{
	dv_oid key = dv_root_key(oid, project);
	uint64_t at;

	return dv_map_get(&s->owned_at, &key, &at) && (s->owned[at].is_tree || !is_tree);
}

static int add_root(dv_log_state *s, const dv_root *r)
{
	dv_oid key = dv_root_key(&r->oid, r->project);
	uint64_t tree = 0, at;
	char *project;
	int rc;

	dv_map_get(&s->roots, &r->oid, &tree);
	rc = dv_map_put(&s->roots, &r->oid, r->is_tree || tree);
	if (rc)
		return rc;
	if (dv_map_get(&s->owned_at, &key, &at)) {
		s->owned[at].is_tree |= r->is_tree;
		s->owned[at].runs = s->owned[at].runs ? s->owned[at].runs : r->runs;
		return 0;
	}
	project = r->project ? dv_strdup(r->project) : NULL;
	if (r->project && !project)
		return DV_ERROR;
	rc = dv_grow(&s->owned, &s->owned_cap, s->nowned + 1, sizeof(*s->owned));
	if (!rc)
		rc = dv_map_put(&s->owned_at, &key, s->nowned);
	if (rc) {
		free(project);
		return rc;
	}
	s->owned[s->nowned++] = (dv_root){ .oid = r->oid, .is_tree = r->is_tree,
					   .runs = r->runs, .project = project };
	return 0;
}

static void forget_roots(dv_log_state *s)
{
	for (size_t i = 0; i < s->nowned; i++)
		free(s->owned[i].project);
	s->nowned = 0;
	dv_map_clear(&s->owned_at);
	dv_map_clear(&s->roots);
}

static void forget_all(dv_log_state *s)
{
	dv_map_clear(&s->packs);
	dv_map_clear(&s->condemned);
	forget_roots(s);
	s->ncontainers = 0;
	s->nsegments = 0;
}

int dv_log_apply(dv_log_state *s, uint64_t number, const dv_log_entry *e)
{
	bool checkpoint = e->kind == DV_LOG_CHECKPOINT;
	int rc = 0;

	if (number <= s->head || (number != s->head + 1 && !checkpoint))
		return dv_err(DV_ECORRUPT, "log entry %" PRIu64 " is missing", s->head + 1);
	if (checkpoint)
		forget_all(s);
	if (e->kind == DV_LOG_CONDEMN)
		forget_roots(s);
	for (size_t i = 0; !rc && i < e->npacks; i++)
		rc = e->kind == DV_LOG_CONDEMN ? condemn(s, e->packs[i].kind, &e->packs[i].id)
					       : add_container(s, &e->packs[i]);
	for (size_t i = 0; !rc && i < e->ncondemned; i++)
		rc = dv_map_put(&s->condemned, &e->condemned[i], DV_CONTAINER_PACK);
	for (size_t i = 0; i < e->nseg_drop; i++)
		drop_segment(s, &e->seg_drop[i]);
	for (size_t i = 0; !rc && i < e->nseg_add; i++)
		rc = add_segment(s, &e->seg_add[i]);
	for (size_t i = 0; !rc && i < e->nroots; i++)
		rc = add_root(s, &e->roots[i]);
	if (rc)
		return rc;
	s->head = number;
	if (checkpoint)
		s->checkpoint = number;
	return 0;
}

int dv_log_checkpoint(dv_log_entry *out, const dv_log_state *s)
{
	dv_auto(dv_log_entry) e = { .kind = DV_LOG_CHECKPOINT, .base = s->head };
	const dv_map_entry *it;
	int rc = 0;

	*out = (dv_log_entry)DV_LOG_ENTRY_INIT;
	for (size_t i = 0; !rc && i < s->ncontainers; i++)
		rc = dv_log_add_pack(&e, &s->containers[i].id, s->containers[i].size,
				     s->containers[i].kind);
	for (size_t i = 0; !rc && i < s->nsegments; i++)
		rc = dv_log_add_segment(&e, &s->segments[i]);
	for (size_t pos = 0; !rc && (it = dv_map_next(&s->condemned, &pos));) {
		if (it->value != DV_CONTAINER_PACK)
			continue; /* a file's name may come back */
		rc = dv_grow(&e.condemned, &e.condemned_cap, e.ncondemned + 1,
			     sizeof(*e.condemned));
		if (!rc)
			e.condemned[e.ncondemned++] = it->oid;
	}
	for (size_t i = 0; !rc && i < s->nowned; i++) {
		rc = dv_log_add_root(&e, &s->owned[i].oid, s->owned[i].is_tree, NULL,
				     s->owned[i].project, NULL);
		if (!rc)
			e.roots[e.nroots - 1].runs = s->owned[i].runs;
	}
	if (rc)
		return rc;
	*out = e;
	e = (dv_log_entry)DV_LOG_ENTRY_INIT;
	return 0;
}
