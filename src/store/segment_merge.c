/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Index segments: merging files into a file. Entries go from the inputs to the output in order, so
 * memory does not grow with them; only the table of containers and the fan-out table are held.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/map.h"
#include "base/sha256.h"
#include "store/segment.h"
#include "store/segment_format.h"

#define BUFFER ((size_t)256 << 10)

typedef struct input {
	const dv_segment *seg;
	size_t at;
	uint32_t *index;	/* of its containers in the output, plus 1; 0: left out */
	dv_oid id;		/* the entry at `at`, when there is one */
	bool any;		/* it is not the first */
	dv_place place;
	uint32_t container;
} input;

typedef struct merge {
	input *in;
	size_t n;
	dv_buf head;		/* header, containers and fan-out table */
	dv_map containers;
	size_t ncontainers;
	uint32_t *fan, bits;
	uint64_t count;
	dv_buf out;
	int fd;
} merge;

static void merge_release(merge *m)
{
	for (size_t i = 0; m->in && i < m->n; i++)
		free(m->in[i].index);
	free(m->in);
	dv_buf_release(&m->head);
	dv_buf_release(&m->out);
	dv_map_release(&m->containers);
	free(m->fan);
}

static int add_container(merge *m, const dv_container *c, uint32_t *index)
{
	uint8_t p[DV_SEGMENT_CONTAINER] = { 0 };
	uint64_t known;
	int rc;

	memcpy(p, c->id.b, DV_OID_RAW_SIZE);
	dv_put_u64(p + 32, c->size);
	p[40] = c->kind;
	if (dv_map_get(&m->containers, &c->id, &known)) {
		const char *there = m->head.p + DV_SEGMENT_HEADER + known * sizeof(p);

		/* One name has one content: where they differ is damage, and the first counts. */
		*index = memcmp(there, p, sizeof(p)) == 0 ? (uint32_t)known + 1 : 0;
		return 0;
	}
	if (m->ncontainers >= UINT32_MAX - 1)
		return dv_err(DV_ERROR, "too many packs for one index segment");
	rc = dv_map_put(&m->containers, &c->id, m->ncontainers);
	if (rc)
		return rc;
	*index = (uint32_t)++m->ncontainers;
	return dv_buf_add(&m->head, p, sizeof(p));
}

/* Containers without entries count too: they are part of what the store knows. */
static int add_containers(merge *m, input *in, dv_segment_keep keep, void *payload)
{
	size_t n = dv_segment_containers(in->seg);
	int rc = 0;

	in->index = dv_calloc(n + 1, sizeof(*in->index));
	if (!in->index)
		return DV_ERROR;
	for (size_t i = 0; !rc && i < n; i++) {
		dv_container c = dv_segment_container(in->seg, i);

		if (!dv_oid_is_zero(&c.id) && (!keep || keep(&c, payload)))
			rc = add_container(m, &c, &in->index[i]);
	}
	return rc;
}

static int compare(const dv_oid *a, uint8_t a_kind, const dv_oid *b, uint8_t b_kind)
{
	int c = dv_oid_cmp(a, b);

	return c ? c : (int)a_kind - (int)b_kind;
}

static int compare_inputs(const input *a, const input *b)
{
	return compare(&a->id, a->place.kind, &b->id, b->place.kind);
}

/* Does `a` come out before `b`? Of several copies of an entry the least deep one does, alone. */
static bool precedes(const input *a, const input *b)
{
	int c = compare_inputs(a, b);

	return c < 0 || (!c && a->place.depth < b->place.depth);
}

/* Goes on to the next entry from `at` that counts. One out of order is damaged, and no lookup would
 * have found it. */
static void settle(input *in)
{
	size_t n = dv_segment_count(in->seg);

	for (; in->at < n; in->at++) {
		uint32_t container;
		dv_place place;
		dv_oid id;

		if (!dv_segment_at_raw(in->seg, in->at, &id, &place, &container) ||
		    !in->index[container] ||
		    (in->any && compare(&id, place.kind, &in->id, in->place.kind) <= 0))
			continue;
		in->id = id;
		in->place = place;
		in->container = container;
		in->any = true;
		return;
	}
}

static int flush(merge *m)
{
	if (m->out.err)
		return m->out.err;
	if (dv_fs_write_all(m->fd, m->out.p, m->out.n))
		return dv_err_sys("cannot write an index segment");
	dv_buf_clear(&m->out);
	return 0;
}

static int put_entry(merge *m, const input *in)
{
	uint8_t p[DV_SEGMENT_ENTRY];
	const dv_place *at = &in->place;

	if (m->count >= UINT32_MAX)
		return dv_err(DV_ERROR, "too many entries for one index segment");
	memcpy(p, in->id.b, DV_OID_RAW_SIZE);
	dv_put_u64(p + 32, at->offset);
	dv_put_u32(p + 40, at->stored);
	dv_put_u32(p + 44, at->raw);
	dv_put_u32(p + 48, in->index[in->container] - 1);
	p[52] = at->kind, p[53] = at->codec, p[54] = at->nbases, p[55] = at->depth;
	m->fan[dv_segment_slot(&in->id, m->bits) + 1]++;
	m->count++;
	dv_buf_add(&m->out, p, sizeof(p));
	return m->out.n >= BUFFER ? flush(m) : m->out.err;
}

static int put_entries(merge *m)
{
	for (;;) {
		input *least = NULL;
		int rc;

		for (size_t i = 0; i < m->n; i++)
			if (m->in[i].at < dv_segment_count(m->in[i].seg) &&
			    (!least || precedes(&m->in[i], least)))
				least = &m->in[i];
		if (!least)
			return flush(m);
		if (m->count % 65536 == 0 && (rc = dv_check_cancel()))
			return rc;
		rc = put_entry(m, least);
		if (rc)
			return rc;
		/* The same entry in other inputs is passed over. */
		for (size_t i = 0; i < m->n; i++) {
			input *in = &m->in[i];

			if (in != least && in->at < dv_segment_count(in->seg) &&
			    compare_inputs(in, least) == 0) {
				in->at++;
				settle(in);
			}
		}
		least->at++;
		settle(least);
	}
}

static void fill_head(merge *m)
{
	uint8_t *p = (uint8_t *)m->head.p;
	uint32_t sum = 0;

	dv_put_u64(p + 8, m->count);
	dv_put_u32(p + 16, (uint32_t)m->ncontainers);
	p[20] = (uint8_t)m->bits;
	p += DV_SEGMENT_HEADER + m->ncontainers * DV_SEGMENT_CONTAINER;
	for (size_t i = 0; i <= (size_t)1 << m->bits; i++, p += 4) {
		sum += m->fan[i];
		dv_put_u32(p, sum);
	}
}

static int hash_file(int fd, dv_oid *name)
{
	dv_autofree uint8_t *buf = dv_malloc(BUFFER);
	dv_sha256_ctx sum;
	size_t got = BUFFER;

	if (!buf)
		return DV_ERROR;
	dv_sha256_init(&sum);
	for (off_t at = 0; got == BUFFER; at += (off_t)got) {
		if (dv_fs_pread_all(fd, buf, BUFFER, at, &got))
			return dv_err_sys("cannot read an index segment");
		dv_sha256_update(&sum, buf, got);
	}
	dv_sha256_final(&sum, name);
	return 0;
}

static int begin(merge *m, const dv_segment *const *in, size_t n, dv_segment_keep keep,
		 void *payload)
{
	uint8_t header[DV_SEGMENT_HEADER] = { 0 };
	uint64_t total = 0;
	size_t slots;
	int rc;

	m->in = dv_calloc(n + 1, sizeof(*m->in));
	if (!m->in)
		return DV_ERROR;
	m->n = n;
	memcpy(header, DV_SEGMENT_MAGIC, 8);
	rc = dv_buf_add(&m->head, header, sizeof(header));
	for (size_t i = 0; !rc && i < n; i++) {
		m->in[i].seg = in[i];
		total += dv_segment_count(in[i]);
		rc = add_containers(m, &m->in[i], keep, payload);
	}
	if (rc)
		return rc;
	for (size_t i = 0; i < n; i++)
		settle(&m->in[i]);
	m->bits = dv_segment_bits(total);
	slots = ((size_t)1 << m->bits) + 1;
	m->fan = dv_calloc(slots, sizeof(*m->fan));
	if (!m->fan)
		return DV_ERROR;
	for (size_t i = 0; i < slots; i++)
		dv_buf_add_u32(&m->head, 0);
	return m->head.err;
}

int dv_segment_merge(const dv_segment *const *in, size_t n, dv_segment_keep keep, void *payload,
		     int fd, dv_oid *name)
{
	__attribute__((cleanup(merge_release))) merge m = { .fd = fd };
	int rc = begin(&m, in, n, keep, payload);

	if (!rc && dv_fs_write_all(fd, m.head.p, m.head.n))
		rc = dv_err_sys("cannot write an index segment");
	if (!rc)
		rc = put_entries(&m);
	if (rc)
		return rc;
	fill_head(&m);
	if (dv_fs_pwrite_all(fd, m.head.p, m.head.n, 0))
		return dv_err_sys("cannot write an index segment");
	return hash_file(fd, name);
}
