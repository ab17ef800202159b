/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256: padding, streams, and the dealing of many messages to the lanes of
 * a kernel. The compression functions are libcrypto's or those of
 * sha256_x86.c; whichever runs, the digests are the same.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* the low-level context: no allocation, plain state */
#include "base/sha256.h"

#include <openssl/sha.h>
#include <stdatomic.h>
#include <string.h>

#include "base/sha256_kernels.h"

#define BLOCK	 DV_SHA256_BLOCK
#define LANES	 DV_SHA256_LANES_MAX
#define SETS_MAX (DV_SHA256_X86_MAX + 1)

static const uint32_t initial[8] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

/* --- choice of the kernels ------------------------------------------------ */

static void libcrypto_one(uint32_t *const *h, const uint8_t *const *p, size_t blocks)
{
	SHA256_CTX c = { .md_len = SHA256_DIGEST_LENGTH };

	memcpy(c.h, h[0], sizeof(c.h));
	SHA256_Update(&c, p[0], blocks * BLOCK);
	memcpy(h[0], c.h, sizeof(c.h));
}

static const dv_sha256_kernels portable = { .name = "portable", .one = libcrypto_one };

static _Atomic(const dv_sha256_kernels *) chosen;

/* Every set that this CPU can run, best first. */
static size_t available(const dv_sha256_kernels *out[SETS_MAX])
{
	size_t n = 0;

#if defined(__x86_64__)
	n = dv_sha256_x86(out);
#endif
	out[n++] = &portable;
	return n;
}

static const dv_sha256_kernels *kernels(void)
{
	const dv_sha256_kernels *k = atomic_load_explicit(&chosen, memory_order_relaxed);
	const dv_sha256_kernels *all[SETS_MAX];

	if (k)
		return k;
	available(all);
	/* Threads that meet here choose the same. */
	atomic_store_explicit(&chosen, all[0], memory_order_relaxed);
	return all[0];
}

const char *dv_sha256_backend(void)
{
	return kernels()->name;
}

int dv_sha256_force_backend(const char *name)
{
	const dv_sha256_kernels *all[SETS_MAX];
	size_t n = available(all);

	for (size_t i = 0; i < n; i++) {
		if (!name || strcmp(all[i]->name, name) == 0) {
			atomic_store_explicit(&chosen, all[i], memory_order_relaxed);
			return 0;
		}
	}
	return -1;
}

/* --- one message ------------------------------------------------------------ */

static void put_be32(uint8_t *p, uint32_t v)
{
	v = __builtin_bswap32(v);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap32(v);
#endif
	memcpy(p, &v, 4);
}

static void put_state(dv_oid *out, const uint32_t h[8])
{
	for (size_t i = 0; i < 8; i++)
		put_be32(out->b + 4 * i, h[i]);
}

/*
 * Pads the last `n` (0..63) bytes, at `p`, of a message of `total` bytes.
 * Returns the number of blocks written to `tail`, 1 or 2.
 */
static size_t pad(uint8_t tail[2 * BLOCK], const uint8_t *p, size_t n, uint64_t total)
{
	size_t blocks = n + 9 <= BLOCK ? 1 : 2;

	memset(tail, 0, 2 * BLOCK);
	if (n)
		memcpy(tail, p, n);
	tail[n] = 0x80;
	put_be32(tail + blocks * BLOCK - 8, (uint32_t)(total >> 29));
	put_be32(tail + blocks * BLOCK - 4, (uint32_t)(total << 3));
	return blocks;
}

static void run_one(uint32_t h[8], const uint8_t *p, size_t blocks)
{
	if (blocks)
		kernels()->one(&h, &p, blocks);
}

void dv_sha256_init(dv_sha256_ctx *ctx)
{
	memset(ctx, 0, sizeof(*ctx));
	memcpy(ctx->h, initial, sizeof(initial));
}

void dv_sha256_update(dv_sha256_ctx *ctx, const void *data, size_t n)
{
	const uint8_t *p = data;
	size_t have = ctx->total % BLOCK;

	ctx->total += n;
	if (have) {
		size_t take = n < BLOCK - have ? n : BLOCK - have;

		if (take)
			memcpy(ctx->buf + have, p, take);
		if (have + take < BLOCK)
			return;
		run_one(ctx->h, ctx->buf, 1);
		p += take;
		n -= take;
	}
	run_one(ctx->h, p, n / BLOCK);
	if (n % BLOCK)
		memcpy(ctx->buf, p + n - n % BLOCK, n % BLOCK);
}

void dv_sha256_final(dv_sha256_ctx *ctx, dv_oid *out)
{
	uint8_t tail[2 * BLOCK];
	size_t blocks = pad(tail, ctx->buf, ctx->total % BLOCK, ctx->total);

	run_one(ctx->h, tail, blocks);
	put_state(out, ctx->h);
}

void dv_sha256(dv_oid *out, const void *p, size_t n)
{
	dv_sha256_ctx ctx;

	dv_sha256_init(&ctx);
	dv_sha256_update(&ctx, p, n);
	dv_sha256_final(&ctx, out);
}

/* --- many messages ------------------------------------------------------------ */

/* A message on its way: first its whole blocks, then its padded tail. */
typedef struct lane {
	uint32_t h[8];
	const uint8_t *p;
	size_t blocks; /* left at p, never 0 while the lane is in use */
	dv_oid *out;
	size_t tail_blocks; /* still to come after these, 0 once p is in the tail */
	uint8_t tail[2 * BLOCK];
} lane;

static void lane_begin(lane *l, dv_oid *out, const uint8_t *p, size_t n)
{
	memcpy(l->h, initial, sizeof(l->h));
	l->out = out;
	l->p = p;
	l->blocks = n / BLOCK;
	l->tail_blocks = pad(l->tail, n % BLOCK ? p + n - n % BLOCK : NULL, n % BLOCK, n);
	if (!l->blocks) {
		l->p = l->tail;
		l->blocks = l->tail_blocks;
		l->tail_blocks = 0;
	}
}

/* Returns false when the message is done and its digest written. */
static bool lane_advance(lane *l, size_t blocks)
{
	l->p += blocks * BLOCK;
	l->blocks -= blocks;
	if (l->blocks)
		return true;
	if (l->tail_blocks) {
		l->p = l->tail;
		l->blocks = l->tail_blocks;
		l->tail_blocks = 0;
		return true;
	}
	put_state(l->out, l->h);
	return false;
}

/* Puts lane `from` in the place of lane `to`; a pointer into its own tail moves with it. */
static void lane_move(lane *lanes, unsigned to, unsigned from)
{
	bool in_tail = !lanes[from].tail_blocks;
	size_t at = in_tail ? (size_t)(lanes[from].p - lanes[from].tail) : 0;

	if (to == from)
		return;
	lanes[to] = lanes[from];
	if (in_tail)
		lanes[to].p = lanes[to].tail + at;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* All `used` lanes; the rest of sixteen repeats the first, for nobody to read. */
static size_t run_sixteen(lane *lanes, unsigned used)
{
	uint32_t scratch[8] = { 0 };
	uint32_t *h[LANES];
	const uint8_t *p[LANES];
	size_t blocks = SIZE_MAX;

	for (unsigned i = 0; i < LANES; i++) {
		h[i] = i < used ? lanes[i].h : scratch;
		p[i] = i < used ? lanes[i].p : lanes[0].p;
		if (i < used)
			blocks = least(blocks, lanes[i].blocks);
	}
	kernels()->sixteen(h, p, blocks);
	return blocks;
}

/*
 * Moves as many of the `used` lanes as a kernel takes, by equally many blocks.
 * Returns how many lanes, the first ones, and sets *blocks.
 */
static unsigned run_lanes(lane *lanes, unsigned used, size_t *blocks)
{
	const dv_sha256_kernels *k = kernels();
	dv_sha256_kernel *kernel = k->one;
	uint32_t *h[4];
	const uint8_t *p[4];
	unsigned width = 1;

	if (k->sixteen && used >= k->sixteen_from) {
		*blocks = run_sixteen(lanes, used);
		return used;
	}
	if (k->four && used >= 4) {
		kernel = k->four;
		width = 4;
	} else if (k->two && used >= 2) {
		kernel = k->two;
		width = 2;
	}
	*blocks = SIZE_MAX;
	for (unsigned i = 0; i < width; i++) {
		h[i] = lanes[i].h;
		p[i] = lanes[i].p;
		*blocks = least(*blocks, lanes[i].blocks);
	}
	kernel(h, p, *blocks);
	return width;
}

/* How many messages to have under way. */
static unsigned lanes_wanted(void)
{
	const dv_sha256_kernels *k = kernels();

	return k->sixteen ? 16 : k->four ? 4 : k->two ? 2 : 1;
}

void dv_sha256_many(dv_oid *out, const void *const *p, const size_t *n, size_t count)
{
	unsigned wanted = lanes_wanted();
	unsigned used = 0;
	size_t next = 0;
	lane lanes[LANES];

	for (;;) {
		size_t blocks;
		unsigned moved;

		for (; used < wanted && next < count; next++, used++)
			lane_begin(&lanes[used], &out[next], p[next], n[next]);
		if (!used)
			break;
		moved = run_lanes(lanes, used, &blocks);
		for (unsigned i = moved; i-- > 0;)
			if (!lane_advance(&lanes[i], blocks))
				lane_move(lanes, i, --used);
	}
}

/* --- a file and its chunks ------------------------------------------------------ */

/* One chunk, and the same bytes to the stream, on two lanes. */
static void stream_and_chunk(dv_sha256_ctx *stream, dv_oid *id, const uint8_t *p, size_t len)
{
	size_t fill = (BLOCK - stream->total % BLOCK) % BLOCK;
	size_t blocks = len > fill ? (len - fill) / BLOCK : 0;
	uint32_t *h[2];
	const uint8_t *at[2];
	lane chunk;

	lane_begin(&chunk, id, p, len);
	if (blocks) {
		/* Their blocks begin `fill` bytes apart. */
		dv_sha256_update(stream, p, fill);
		h[0] = stream->h;
		at[0] = p + fill;
		h[1] = chunk.h;
		at[1] = chunk.p;
		kernels()->two(h, at, blocks);
		lane_advance(&chunk, blocks);
		stream->total += blocks * BLOCK;
		fill += blocks * BLOCK;
		dv_sha256_update(stream, p + fill, len - fill);
	} else {
		dv_sha256_update(stream, p, len);
	}
	do {
		blocks = chunk.blocks;
		run_one(chunk.h, chunk.p, blocks);
	} while (lane_advance(&chunk, blocks));
}

/* Chunks to gather for the lanes of dv_sha256_many(), so that few of them run empty. */
#define BATCH 128

bool dv_sha256_overlaps(void)
{
	return kernels()->two_as_one;
}

void dv_sha256_stream_and_chunks(dv_sha256_ctx *stream, dv_oid *ids, const uint8_t *p,
				 const size_t *lens, size_t count)
{
	const void *at[BATCH];
	bool pairs = kernels()->two_as_one;

	for (size_t i = 0, n; i < count; i += n) {
		size_t total = 0;

		if (pairs) {
			n = 1;
			total = lens[i];
			stream_and_chunk(stream, &ids[i], p, total);
		} else {
			n = least(count - i, BATCH);
			for (size_t j = 0; j < n; j++) {
				at[j] = p + total;
				total += lens[i + j];
			}
			dv_sha256_many(ids + i, at, lens + i, n);
			dv_sha256_update(stream, p, total);
		}
		p += total;
	}
}
