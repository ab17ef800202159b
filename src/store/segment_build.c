/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Index segments: writing. Entries are collected in memory, some 64 bytes each, sorted and written
 * in one piece. The bytes depend on what was added and in which order, on nothing else.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "base/sha256.h"
#include "store/segment.h"
#include "store/segment_format.h"

typedef struct item {
	dv_oid id;
	uint64_t offset;
	uint32_t stored, raw, container, seq;
	uint8_t kind, codec, nbases, depth;
} item;

struct dv_segment_builder {
	item *e;
	size_t n, cap;
	dv_container *c;
	size_t nc, c_cap;
	dv_map by_id; /* container id -> index */
};

int dv_segment_builder_new(dv_segment_builder **out)
{
	*out = dv_calloc(1, sizeof(**out));
	return *out ? 0 : DV_ERROR;
}

void dv_segment_builder_free(dv_segment_builder *b)
{
	if (!b)
		return;
	free(b->e);
	free(b->c);
	dv_map_release(&b->by_id);
	free(b);
}

size_t dv_segment_builder_count(const dv_segment_builder *b)
{
	return b->n;
}

/* The index of a container in the new table; it is added when it is new there. */
static int intern(dv_segment_builder *b, const dv_container *c, uint32_t *index)
{
	uint64_t known;
	int rc;

	if (dv_map_get(&b->by_id, &c->id, &known) && b->c[known].kind == c->kind) {
		*index = (uint32_t)known;
		return 0;
	}
	if (b->nc >= UINT32_MAX)
		return dv_err(DV_ERROR, "too many packs for one index segment");
	rc = dv_grow(&b->c, &b->c_cap, b->nc + 1, sizeof(*b->c));
	if (!rc)
		rc = dv_map_put(&b->by_id, &c->id, b->nc);
	if (rc)
		return rc;
	*index = (uint32_t)b->nc;
	b->c[b->nc++] = *c;
	return 0;
}

static int append(dv_segment_builder *b, const item *e)
{
	int rc;

	if (b->n >= UINT32_MAX)
		return dv_err(DV_ERROR, "too many entries for one index segment");
	rc = dv_grow(&b->e, &b->cap, b->n + 1, sizeof(*b->e));
	if (rc)
		return rc;
	b->e[b->n] = *e;
	b->e[b->n].seq = (uint32_t)b->n;
	b->n++;
	return 0;
}

int dv_segment_builder_add(dv_segment_builder *b, const dv_container *c, const dv_pack_footer *f)
{
	uint32_t index;
	int rc = intern(b, c, &index);

	for (size_t i = 0; !rc && i < f->n; i++) {
		const dv_pack_entry *e = &f->e[i];
		item it = { .id = e->id, .offset = e->offset, .stored = e->stored, .raw = e->raw,
			    .container = index, .kind = e->kind, .codec = e->codec,
			    .nbases = e->nbases, .depth = e->depth };

		rc = append(b, &it);
	}
	return rc;
}

int dv_segment_builder_merge(dv_segment_builder *b, const dv_segment *s,
			     bool (*keep)(const dv_container *c, void *payload), void *payload)
{
	size_t nc = dv_segment_containers(s), n = dv_segment_count(s);
	dv_autofree uint64_t *kept = dv_calloc(nc ? nc : 1, sizeof(*kept));
	int rc = 0;

	if (!kept)
		return DV_ERROR;
	/* Containers without entries count too: they are part of what the store knows. */
	for (size_t i = 0; !rc && i < nc; i++) {
		dv_container c = dv_segment_container(s, i);
		uint32_t index;

		if (dv_oid_is_zero(&c.id) || (keep && !keep(&c, payload)))
			continue;
		rc = intern(b, &c, &index);
		kept[i] = (uint64_t)index + 1;
	}
	for (size_t i = 0; !rc && i < n; i++) {
		dv_place at;
		uint32_t from;
		item it = { 0 };

		if (!dv_segment_at_raw(s, i, &it.id, &at, &from) || !kept[from])
			continue;
		it.offset = at.offset, it.stored = at.stored, it.raw = at.raw;
		it.container = (uint32_t)(kept[from] - 1);
		it.kind = at.kind, it.codec = at.codec, it.nbases = at.nbases, it.depth = at.depth;
		rc = append(b, &it);
	}
	return rc;
}

static int compare_items(const void *pa, const void *pb)
{
	const item *a = pa, *b = pb;
	int c = dv_oid_cmp(&a->id, &b->id);

	if (!c)
		c = (int)a->kind - (int)b->kind;
	if (!c)
		c = a->seq < b->seq ? -1 : a->seq > b->seq;
	return c;
}

/* Some eight entries a slot: a lookup then touches two or three cache lines of entries. */
static uint32_t choose_bits(size_t n)
{
	uint32_t bits = 0;

	while (bits < DV_SEGMENT_BITS_MAX && n >> bits > 8)
		bits++;
	return bits;
}

static void sort_unique(dv_segment_builder *b)
{
	size_t kept = 0;

	if (b->n)
		qsort(b->e, b->n, sizeof(*b->e), compare_items);
	for (size_t i = 0; i < b->n; i++) {
		if (kept && b->e[kept - 1].kind == b->e[i].kind &&
		    dv_oid_eq(&b->e[kept - 1].id, &b->e[i].id))
			continue;
		b->e[kept++] = b->e[i];
	}
	b->n = kept;
	for (size_t i = 0; i < b->n; i++)
		b->e[i].seq = (uint32_t)i;
}

static uint8_t *write_containers(uint8_t *p, const dv_segment_builder *b)
{
	for (size_t i = 0; i < b->nc; i++, p += DV_SEGMENT_CONTAINER) {
		memset(p, 0, DV_SEGMENT_CONTAINER);
		memcpy(p, b->c[i].id.b, DV_OID_RAW_SIZE);
		dv_put_u64(p + 32, b->c[i].size);
		p[40] = b->c[i].kind;
	}
	return p;
}

static uint8_t *write_fan(uint8_t *p, const dv_segment_builder *b, uint32_t bits)
{
	size_t slots = (size_t)1 << bits, i = 0;

	for (size_t slot = 0; slot <= slots; slot++, p += 4) {
		while (i < b->n && dv_segment_slot(&b->e[i].id, bits) < slot)
			i++;
		dv_put_u32(p, (uint32_t)i);
	}
	return p;
}

static void write_entries(uint8_t *p, const dv_segment_builder *b)
{
	for (size_t i = 0; i < b->n; i++, p += DV_SEGMENT_ENTRY) {
		const item *e = &b->e[i];

		memcpy(p, e->id.b, DV_OID_RAW_SIZE);
		dv_put_u64(p + 32, e->offset);
		dv_put_u32(p + 40, e->stored);
		dv_put_u32(p + 44, e->raw);
		dv_put_u32(p + 48, e->container);
		p[52] = e->kind, p[53] = e->codec, p[54] = e->nbases, p[55] = e->depth;
	}
}

int dv_segment_builder_finish(dv_segment_builder *b, dv_buf *out, dv_oid *name)
{
	uint32_t bits;
	uint8_t *start, *p;
	size_t size;
	int rc;

	sort_unique(b);
	bits = choose_bits(b->n);
	size = DV_SEGMENT_HEADER + b->nc * DV_SEGMENT_CONTAINER + (((size_t)1 << bits) + 1) * 4 +
	       b->n * DV_SEGMENT_ENTRY;
	dv_buf_clear(out);
	rc = dv_buf_reserve(out, size);
	if (rc)
		return rc;
	start = p = (uint8_t *)out->p;
	memset(p, 0, DV_SEGMENT_HEADER);
	memcpy(p, DV_SEGMENT_MAGIC, 8);
	dv_put_u64(p + 8, b->n);
	dv_put_u32(p + 16, (uint32_t)b->nc);
	p[20] = (uint8_t)bits;
	p = write_containers(p + DV_SEGMENT_HEADER, b);
	p = write_fan(p, b, bits);
	write_entries(p, b);
	out->n = size;
	out->p[size] = '\0';
	dv_sha256(name, start, size);
	return 0;
}
