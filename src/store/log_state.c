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

static int add_container(dv_log_state *s, const dv_container *c)
{
	int rc;

	/* A whole file may come back under its old name after it was collected. */
	dv_map_remove(&s->condemned, &c->id);
	if (dv_map_has(&s->packs, &c->id))
		return 0;
	rc = dv_grow(&s->containers, &s->containers_cap, s->ncontainers + 1,
		     sizeof(*s->containers));
	if (!rc)
		rc = dv_map_put(&s->packs, &c->id, s->ncontainers);
	if (rc)
		return rc;
	s->containers[s->ncontainers++] = *c;
	return 0;
}

static int condemn(dv_log_state *s, const dv_oid *id)
{
	uint64_t at;

	if (dv_map_get(&s->packs, id, &at)) {
		uint64_t *moved;

		s->containers[at] = s->containers[--s->ncontainers];
		moved = dv_map_find(&s->packs, &s->containers[at].id);
		if (moved)
			*moved = at;
		dv_map_remove(&s->packs, id);
	}
	return dv_map_put(&s->condemned, id, 1);
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
		rc = e->kind == DV_LOG_CONDEMN ? condemn(s, &e->packs[i].id)
					       : add_container(s, &e->packs[i]);
	for (size_t i = 0; !rc && i < e->ncondemned; i++)
		rc = condemn(s, &e->condemned[i]);
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
