/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame of a pack (header, footer, tail) and the decoding of its entries. Nothing read here is
 * believed: a footer that parses names ranges that lie in the pack, do not overlap and stay within
 * the limits, and decoding never writes more than it was told to.
 */
#include "store/pack.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/alloc.h"

static const uint8_t header_magic[8] = { 'D', 'V', 'P', 'A', 'C', 'K', '2', '\n' };
static const uint8_t header_magic_1[8] = { 'D', 'V', 'P', 'A', 'C', 'K', '1', '\n' };
static const uint8_t tail_magic[8] = { 'D', 'V', 'P', 'T', 'A', 'I', 'L', '1' };

void dv_pack_footer_release(dv_pack_footer *f)
{
	free(f->e);
	free(f->bases);
	*f = (dv_pack_footer)DV_PACK_FOOTER_INIT;
}

void dv_pack_header(uint8_t out[DV_PACK_HEADER], const uint8_t nonce[16])
{
	memset(out, 0, DV_PACK_HEADER);
	memcpy(out, header_magic, sizeof(header_magic));
	memcpy(out + 8, nonce, 16);
}

int dv_pack_version(const uint8_t *p)
{
	static const uint8_t zero[8];

	if (memcmp(p + 24, zero, 8))
		return 0;
	if (!memcmp(p, header_magic, sizeof(header_magic)))
		return 2;
	return !memcmp(p, header_magic_1, sizeof(header_magic_1)) ? 1 : 0;
}

void dv_pack_name_entry(dv_sha256_ctx *name, const dv_pack_entry *e, const uint8_t *stored)
{
	/* Of a recipe nothing else says what its bytes are. */
	if (e->kind == DV_KIND_RECIPE)
		dv_sha256_update(name, stored, e->stored);
}

/* -- footer ------------------------------------------------------------------------------ */

int dv_pack_entry_cmp(const void *pa, const void *pb)
{
	const dv_pack_entry *a = pa, *b = pb;
	int c = dv_oid_cmp(&a->id, &b->id);

	return c ? c : (int)a->kind - (int)b->kind;
}

static int compare_offsets(const void *pa, const void *pb)
{
	const uint64_t *a = pa, *b = pb;

	return a[0] < b[0] ? -1 : a[0] > b[0];
}

static void entry_get(dv_pack_entry *e, const uint8_t *p)
{
	memcpy(e->id.b, p, DV_OID_RAW_SIZE);
	e->offset = dv_get_u64(p + 32);
	e->stored = dv_get_u32(p + 40);
	e->raw = dv_get_u32(p + 44);
	e->kind = p[48], e->codec = p[49], e->nbases = p[50], e->depth = p[51];
	e->bases_at = dv_get_u32(p + 52);
}

static void entry_put(uint8_t *p, const dv_pack_entry *e)
{
	memcpy(p, e->id.b, DV_OID_RAW_SIZE);
	dv_put_u64(p + 32, e->offset);
	dv_put_u32(p + 40, e->stored);
	dv_put_u32(p + 44, e->raw);
	p[48] = e->kind, p[49] = e->codec, p[50] = e->nbases, p[51] = e->depth;
	dv_put_u32(p + 52, e->bases_at);
}

const char *dv_pack_entry_check(const dv_pack_entry *e, uint64_t end)
{
	bool delta = e->codec == DV_CODEC_ZSTD_DELTA;

	if (e->kind != DV_KIND_CHUNK && e->kind != DV_KIND_RECIPE)
		return "an entry of unknown kind";
	if (e->codec > DV_CODEC_ZSTD_DELTA)
		return "an entry of unknown codec";
	if (!e->raw || e->raw > DV_RAW_MAX || !e->stored || e->stored > DV_STORED_MAX)
		return "an entry of impossible length";
	if (e->codec == DV_CODEC_RAW && e->stored != e->raw)
		return "an entry of two lengths";
	if (delta != (e->nbases > 0) || delta != (e->depth > 0) || e->nbases > DV_BASES_MAX ||
	    e->depth > DV_DEPTH_MAX)
		return "an entry of impossible bases";
	if (e->offset > end || e->stored > end - e->offset)
		return "an entry that lies outside";
	return NULL;
}

/* Entries must not share bytes: sorted by offset, each ends before the next begins. */
static int check_overlap(const dv_pack_footer *f)
{
	dv_autofree uint64_t *ranges = dv_reallocarray(NULL, f->n ? f->n : 1, 16);

	if (!ranges)
		return DV_ERROR;
	for (size_t i = 0; i < f->n; i++) {
		ranges[2 * i] = f->e[i].offset;
		ranges[2 * i + 1] = f->e[i].offset + f->e[i].stored;
	}
	qsort(ranges, f->n, 16, compare_offsets);
	for (size_t i = 1; i < f->n; i++)
		if (ranges[2 * i] < ranges[2 * i - 1])
			return dv_err(DV_ECORRUPT, "pack footer has entries that overlap");
	return 0;
}

static int parse_entries(dv_pack_footer *f, const uint8_t *p, uint64_t footer_offset)
{
	for (size_t i = 0; i < f->n; i++, p += DV_PACK_ENTRY) {
		dv_pack_entry *e = &f->e[i];
		const char *wrong;

		entry_get(e, p);
		wrong = dv_pack_entry_check(e, footer_offset);
		if (!wrong && e->offset < DV_PACK_HEADER)
			wrong = "an entry that lies outside";
		if (!wrong && (e->bases_at > f->nbases || e->nbases > f->nbases - e->bases_at))
			wrong = "bases that are not there";
		if (!wrong && i && dv_pack_entry_cmp(e - 1, e) >= 0)
			wrong = "entries out of order";
		if (wrong)
			return dv_err(DV_ECORRUPT, "pack footer has %s", wrong);
	}
	if (f->nbases)
		memcpy(f->bases, p, f->nbases * DV_OID_RAW_SIZE);
	return check_overlap(f);
}

int dv_pack_footer_parse(dv_pack_footer *out, const uint8_t *end, size_t n, uint64_t size,
			 size_t *need)
{
	dv_auto(dv_pack_footer) f = DV_PACK_FOOTER_INIT;
	const uint8_t *tail;
	uint64_t at, len;
	dv_oid sum;
	int rc;

	*out = (dv_pack_footer)DV_PACK_FOOTER_INIT;
	*need = 0;
	if (size < DV_PACK_HEADER + DV_PACK_TAIL)
		return dv_err(DV_ECORRUPT, "pack is too short");
	if (n < DV_PACK_TAIL) {
		*need = DV_PACK_TAIL;
		return 0;
	}
	tail = end + n - DV_PACK_TAIL;
	if (memcmp(tail, tail_magic, sizeof(tail_magic)))
		return dv_err(DV_ECORRUPT, "pack has no tail");
	at = dv_get_u64(tail + 8);
	f.n = dv_get_u32(tail + 16);
	f.nbases = dv_get_u32(tail + 20);
	len = (uint64_t)f.n * DV_PACK_ENTRY + (uint64_t)f.nbases * DV_OID_RAW_SIZE + DV_PACK_TAIL;
	if (f.n > DV_PACK_ENTRIES_MAX || f.nbases > DV_PACK_ENTRIES_MAX || at < DV_PACK_HEADER ||
	    at > size || size - at != len)
		return dv_err(DV_ECORRUPT, "pack tail does not fit the pack");
	if (n < len) {
		*need = (size_t)len;
		return 0;
	}
	end += n - len;
	dv_sha256(&sum, end, (size_t)len - DV_PACK_TAIL);
	if (memcmp(sum.b, tail + 24, 8))
		return dv_err(DV_ECORRUPT, "pack footer is damaged");
	f.e = dv_reallocarray(NULL, f.n ? f.n : 1, sizeof(*f.e));
	f.bases = dv_reallocarray(NULL, f.nbases ? f.nbases : 1, sizeof(*f.bases));
	if (!f.e || !f.bases)
		return DV_ERROR;
	rc = parse_entries(&f, end, at);
	if (rc)
		return rc;
	*out = f;
	f = (dv_pack_footer)DV_PACK_FOOTER_INIT;
	return 0;
}

int dv_pack_footer_write(dv_buf *out, dv_pack_footer *f, uint64_t footer_offset)
{
	size_t len = f->n * DV_PACK_ENTRY + f->nbases * DV_OID_RAW_SIZE, start = out->n;
	uint8_t *p;
	dv_oid sum;
	int rc;

	dv_assert(f->n <= DV_PACK_ENTRIES_MAX && f->nbases <= DV_PACK_ENTRIES_MAX);
	rc = dv_buf_reserve(out, len + DV_PACK_TAIL);
	if (rc)
		return rc;
	if (f->n)
		qsort(f->e, f->n, sizeof(*f->e), dv_pack_entry_cmp);
	p = (uint8_t *)out->p + start;
	for (size_t i = 0; i < f->n; i++, p += DV_PACK_ENTRY)
		entry_put(p, &f->e[i]);
	if (f->nbases)
		memcpy(p, f->bases, f->nbases * DV_OID_RAW_SIZE);
	out->n += len;
	dv_sha256(&sum, out->p + start, len);
	dv_buf_add(out, tail_magic, sizeof(tail_magic));
	dv_buf_add_u64(out, footer_offset);
	dv_buf_add_u32(out, (uint32_t)f->n);
	dv_buf_add_u32(out, (uint32_t)f->nbases);
	dv_buf_add(out, sum.b, 8);
	return out->err;
}

const dv_pack_entry *dv_pack_footer_find(const dv_pack_footer *f, uint8_t kind, const dv_oid *id)
{
	dv_pack_entry key = { .id = *id, .kind = kind };

	return f->n ? bsearch(&key, f->e, f->n, sizeof(*f->e), dv_pack_entry_cmp) : NULL;
}

#define SHARED_WITHIN 256u /* places of the base table that are looked at for equal ones */

uint32_t dv_pack_add_bases(dv_oid *table, size_t *n, const dv_oid *bases, size_t count)
{
	size_t from = *n > SHARED_WITHIN ? *n - SHARED_WITHIN : 0;

	if (!count)
		return 0;
	for (size_t i = *n; i-- > from;)
		if (*n - i >= count && !memcmp(&table[i], bases, count * sizeof(*bases)))
			return (uint32_t)i;
	memcpy(&table[*n], bases, count * sizeof(*bases));
	*n += count;
	return (uint32_t)(*n - count);
}

/* -- decoding ---------------------------------------------------------------------------- */

static pthread_key_t dctx_key;
static pthread_once_t dctx_once = PTHREAD_ONCE_INIT;
static bool dctx_key_ok;

static void dctx_drop(void *p)
{
	ZSTD_freeDCtx(p);
}

static void dctx_init(void)
{
	dctx_key_ok = !pthread_key_create(&dctx_key, dctx_drop);
}

/* The thread's own decompression state, made once and given back when the thread ends. */
static ZSTD_DCtx *thread_dctx(void)
{
	ZSTD_DCtx *d;

	pthread_once(&dctx_once, dctx_init);
	if (!dctx_key_ok)
		return NULL;
	d = pthread_getspecific(dctx_key);
	if (!d) {
		d = ZSTD_createDCtx();
		if (d && pthread_setspecific(dctx_key, d)) {
			ZSTD_freeDCtx(d);
			d = NULL;
		}
	}
	return d;
}

int dv_pack_decode(uint8_t *out, const dv_pack_entry *e, const uint8_t *stored,
		   const uint8_t *prefix, size_t prefix_len)
{
	ZSTD_DCtx *d;
	size_t got;

	if (e->codec == DV_CODEC_RAW) {
		if (e->stored != e->raw)
			return dv_err(DV_ECORRUPT, "stored bytes have the wrong length");
		memcpy(out, stored, e->raw);
		return 0;
	}
	if (e->codec > DV_CODEC_ZSTD_DELTA)
		return dv_err(DV_ECORRUPT, "unknown codec %u", e->codec);
	d = thread_dctx();
	if (!d)
		return dv_err_nomem();
	/* A reset drops whatever a failed call before left behind, an unused prefix included. */
	ZSTD_DCtx_reset(d, ZSTD_reset_session_and_parameters);
	if (e->codec == DV_CODEC_ZSTD_DELTA && prefix_len &&
	    ZSTD_isError(ZSTD_DCtx_refPrefix(d, prefix, prefix_len)))
		return dv_err_nomem();
	got = ZSTD_decompressDCtx(d, out, e->raw, stored, e->stored);
	if (ZSTD_isError(got))
		return dv_err(DV_ECORRUPT, "stored bytes do not decode: %s",
			      ZSTD_getErrorName(got));
	if (got != e->raw)
		return dv_err(DV_ECORRUPT, "stored bytes decode to the wrong length");
	return 0;
}
