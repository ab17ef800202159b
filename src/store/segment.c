/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Index segments: reading. The frame (counts, sizes, fan-out table) is checked when a segment is
 * opened; every entry is checked when it is handed out, so opening costs nothing per entry.
 */
#include "store/segment.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "store/segment_format.h"

struct dv_segment {
	const uint8_t *p;
	size_t size;
	const uint8_t *containers, *fan, *entries;
	size_t n, ncontainers;
	uint32_t bits;
	bool mapped;
};

size_t dv_segment_count(const dv_segment *s)
{
	return s->n;
}

size_t dv_segment_containers(const dv_segment *s)
{
	return s->ncontainers;
}

/* The fan-out table must grow and end at the number of entries: then no lookup leaves the map. */
static bool fan_ok(const dv_segment *s)
{
	size_t slots = ((size_t)1 << s->bits) + 1;
	uint32_t last = 0;

	for (size_t i = 0; i < slots; i++) {
		uint32_t v = dv_get_u32(s->fan + 4 * i);

		if (v < last || v > s->n)
			return false;
		last = v;
	}
	return last == s->n && dv_get_u32(s->fan) == 0;
}

static int check_frame(dv_segment *s)
{
	static const uint8_t zero[11];
	uint64_t n, containers, need;
	size_t slots;

	if (s->size < DV_SEGMENT_HEADER || memcmp(s->p, DV_SEGMENT_MAGIC, 8))
		return dv_err(DV_ECORRUPT, "index segment has no header");
	n = dv_get_u64(s->p + 8);
	containers = dv_get_u32(s->p + 16);
	s->bits = s->p[20];
	if (s->bits > DV_SEGMENT_BITS_MAX || n > UINT32_MAX || memcmp(s->p + 21, zero, 11))
		return dv_err(DV_ECORRUPT, "index segment has an impossible header");
	slots = ((size_t)1 << s->bits) + 1;
	/* All factors are below 2^33, so nothing here overflows 64 bits. */
	need = DV_SEGMENT_HEADER + containers * DV_SEGMENT_CONTAINER + slots * 4 +
	       n * DV_SEGMENT_ENTRY;
	if (need != s->size)
		return dv_err(DV_ECORRUPT, "index segment has the wrong size");
	s->n = (size_t)n;
	s->ncontainers = (size_t)containers;
	s->containers = s->p + DV_SEGMENT_HEADER;
	s->fan = s->containers + s->ncontainers * DV_SEGMENT_CONTAINER;
	s->entries = s->fan + slots * 4;
	if (!fan_ok(s))
		return dv_err(DV_ECORRUPT, "index segment has a damaged fan-out table");
	return 0;
}

int dv_segment_open_memory(dv_segment **out, const void *p, size_t n)
{
	dv_autoptr(dv_segment) s = dv_calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return DV_ERROR;
	s->p = p;
	s->size = n;
	rc = check_frame(s);
	if (rc)
		return rc;
	*out = dv_steal(&s);
	return 0;
}

int dv_segment_open(dv_segment **out, const char *path)
{
	dv_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *p;
	int rc;

	if (fd < 0 || fstat(fd, &st))
		return dv_err_sys("cannot open index segment '%s'", path);
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)DV_SEGMENT_HEADER ||
	    (uint64_t)st.st_size > SIZE_MAX / 2)
		return dv_err(DV_ECORRUPT, "index segment '%s' is truncated", path);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return dv_err_sys("cannot map index segment '%s'", path);
	rc = dv_segment_open_memory(out, p, (size_t)st.st_size);
	if (rc) {
		munmap(p, (size_t)st.st_size);
		return dv_err_ctx(rc, "'%s'", path);
	}
	(*out)->mapped = true;
	return 0;
}

void dv_segment_free(dv_segment *s)
{
	if (!s)
		return;
	if (s->mapped)
		munmap((void *)(uintptr_t)s->p, s->size);
	free(s);
}

dv_container dv_segment_container(const dv_segment *s, size_t i)
{
	dv_container c = { 0 };
	const uint8_t *p;

	if (i >= s->ncontainers)
		return c;
	p = s->containers + i * DV_SEGMENT_CONTAINER;
	if (p[40] > DV_CONTAINER_FILE)
		return c;
	memcpy(c.id.b, p, DV_OID_RAW_SIZE);
	c.size = dv_get_u64(p + 32);
	c.kind = p[40];
	return c;
}

bool dv_segment_at_raw(const dv_segment *s, size_t i, dv_oid *id, dv_place *out,
		       uint32_t *container)
{
	const uint8_t *p;
	dv_pack_entry e;

	if (i >= s->n)
		return false;
	p = s->entries + i * DV_SEGMENT_ENTRY;
	memcpy(id->b, p, DV_OID_RAW_SIZE);
	*container = dv_get_u32(p + 48);
	if (*container >= s->ncontainers)
		return false;
	*out = (dv_place){ .in = dv_segment_container(s, *container),
			   .offset = dv_get_u64(p + 32),
			   .stored = dv_get_u32(p + 40),
			   .raw = dv_get_u32(p + 44),
			   .kind = p[52],
			   .codec = p[53],
			   .nbases = p[54],
			   .depth = p[55] };
	e = (dv_pack_entry){ .offset = out->offset, .stored = out->stored, .raw = out->raw,
			     .kind = out->kind, .codec = out->codec, .nbases = out->nbases,
			     .depth = out->depth };
	return !dv_pack_entry_check(&e, out->in.size);
}

bool dv_segment_at(const dv_segment *s, size_t i, dv_oid *id, dv_place *out)
{
	uint32_t container;

	return dv_segment_at_raw(s, i, id, out, &container);
}

bool dv_segment_find(const dv_segment *s, uint8_t kind, const dv_oid *id, dv_place *out)
{
	size_t at;

	return dv_segment_find_at(s, kind, id, out, &at);
}

bool dv_segment_find_at(const dv_segment *s, uint8_t kind, const dv_oid *id, dv_place *out,
			size_t *at)
{
	size_t slot = dv_segment_slot(id, s->bits);
	size_t lo = dv_get_u32(s->fan + 4 * slot), hi = dv_get_u32(s->fan + 4 * slot + 4);

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const uint8_t *p = s->entries + mid * DV_SEGMENT_ENTRY;
		int c = memcmp(p, id->b, DV_OID_RAW_SIZE);
		dv_oid got;

		if (!c)
			c = (int)p[52] - (int)kind;
		if (!c) {
			*at = mid;
			return dv_segment_at(s, mid, &got, out);
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}
