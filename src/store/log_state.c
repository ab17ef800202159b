/* SPDX-License-Identifier: Apache-2.0 */
/* What the entries of a log add up to. Segment lists are short (merging sees to it), so they are
 * plain arrays; everything else is found by id. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "store/log.h"

void dv_log_state_release(dv_log_state *s)
{
	dv_map_release(&s->packs);
	dv_map_release(&s->condemned);
	dv_map_release(&s->roots);
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

static void forget_all(dv_log_state *s)
{
	dv_map_clear(&s->packs);
	dv_map_clear(&s->condemned);
	dv_map_clear(&s->roots);
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
		dv_map_clear(&s->roots);
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
		rc = dv_map_put(&s->roots, &e->roots[i].oid, e->roots[i].is_tree);
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
	for (size_t pos = 0; !rc && (it = dv_map_next(&s->roots, &pos));)
		rc = dv_log_add_root(&e, &it->oid, it->value != 0, NULL, NULL, NULL);
	if (rc)
		return rc;
	*out = e;
	e = (dv_log_entry)DV_LOG_ENTRY_INIT;
	return 0;
}
