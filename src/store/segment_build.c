/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Index segments: writing. Entries are collected in memory, some 64 bytes each, sorted and written
 * in one piece; very many go to temporary segments first, which are merged at the end. What comes
 * out depends on what was added and in which order, on nothing else.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
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

typedef struct spill {
	dv_atomic file;		/* never gets a name */
	dv_segment *seg;
} spill;

struct dv_segment_builder {
	item *e;
	size_t n, cap;
	dv_container *c;
	size_t nc, c_cap;
	dv_map by_id; /* container id -> index */
	spill *spills;
	size_t nspills, spills_cap;
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
	for (size_t i = 0; i < b->nspills; i++) {
		dv_segment_free(b->spills[i].seg);
		dv_atomic_release(&b->spills[i].file);
	}
	free(b->spills);
	free(b->e);
	free(b->c);
	dv_map_release(&b->by_id);
	free(b);
}

size_t dv_segment_builder_count(const dv_segment_builder *b)
{
	size_t n = b->n;

	for (size_t i = 0; i < b->nspills; i++)
		n += dv_segment_count(b->spills[i].seg);
	return n;
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
	uint32_t index = 0;
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

static int compare_items(const void *pa, const void *pb)
{
	const item *a = pa, *b = pb;
	int c = dv_oid_cmp(&a->id, &b->id);

	if (!c)
		c = (int)a->kind - (int)b->kind;
	/* Of several copies the least deep one stays. */
	if (!c)
		c = (int)a->depth - (int)b->depth;
	if (!c)
		c = a->seq < b->seq ? -1 : a->seq > b->seq;
	return c;
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
	bits = dv_segment_bits(b->n);
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

int dv_segment_builder_spill(dv_segment_builder *b, const char *path, const dv_segment **out)
{
	dv_auto(dv_buf) bytes = DV_BUF_INIT;
	dv_auto(dv_atomic) file = DV_ATOMIC_INIT;
	dv_oid name;
	int rc;

	*out = NULL;
	if (b->n < DV_SEGMENT_SPILL)
		return 0;
	rc = dv_grow(&b->spills, &b->spills_cap, b->nspills + 1, sizeof(*b->spills));
	if (!rc)
		rc = dv_segment_builder_finish(b, &bytes, &name);
	if (!rc)
		rc = dv_atomic_open(&file, path, 0);
	if (rc)
		return rc;
	if (dv_fs_write_all(file.fd, bytes.p, bytes.n))
		return dv_err_sys("cannot write '%s'", file.tmp);
	rc = dv_segment_open(&b->spills[b->nspills].seg, file.tmp);
	if (rc)
		return rc;
	*out = b->spills[b->nspills].seg;
	b->spills[b->nspills++].file = file;
	file = (dv_atomic)DV_ATOMIC_INIT;
	b->n = b->nc = 0;
	dv_map_clear(&b->by_id);
	return 0;
}

bool dv_segment_builder_spilled(const dv_segment_builder *b, uint8_t kind, const dv_oid *id,
				dv_place *out)
{
	bool found = false;
	dv_place at;

	for (size_t i = 0; b && i < b->nspills; i++)
		if (dv_segment_find(b->spills[i].seg, kind, id, &at) &&
		    (!found || at.depth < out->depth)) {
			*out = at;
			found = true;
		}
	return found;
}

/* What comes from elsewhere may name containers that are gone; what was added may not. */
typedef struct own_keep {
	const dv_segment_builder *b;
	dv_segment_keep keep;
	void *payload;
	const dv_map *own;
} own_keep;

static bool keep_own(const dv_container *c, void *payload)
{
	const own_keep *k = payload;

	return dv_map_has(k->own, &c->id) || !k->keep || k->keep(c, k->payload);
}

static int note_own(dv_map *own, const dv_segment *s)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < dv_segment_containers(s); i++) {
		dv_container c = dv_segment_container(s, i);

		rc = dv_map_put(own, &c.id, 1);
	}
	return rc;
}

int dv_segment_builder_write(dv_segment_builder *b, const dv_segment *const *with, size_t n,
			     dv_segment_keep keep, void *payload, int fd, dv_oid *name)
{
	dv_autofree const dv_segment **all = dv_reallocarray(NULL, b->nspills + n + 1,
							     sizeof(*all));
	dv_autoptr(dv_segment) rest = NULL;
	dv_auto(dv_buf) bytes = DV_BUF_INIT;
	dv_auto(dv_map) own = DV_MAP_INIT;
	own_keep both = { b, keep, payload, &own };
	size_t k = 0;
	int rc = all ? dv_segment_builder_finish(b, &bytes, name) : DV_ERROR;

	if (!rc)
		rc = dv_segment_open_memory(&rest, bytes.p, bytes.n);
	if (rc)
		return rc;
	for (size_t i = 0; i < b->nspills; i++)
		all[k++] = b->spills[i].seg;
	all[k++] = rest;
	for (size_t i = 0; i < k && !rc; i++)
		rc = note_own(&own, all[i]);
	for (size_t i = 0; i < n; i++)
		all[k++] = with[i];
	return rc ? rc : dv_segment_merge(all, k, keep_own, &both, fd, name);
}
