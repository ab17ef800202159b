/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 at the speed of the processor: one buffer, a stream, many buffers
 * at once, and a file together with its chunks in one pass.
 *
 * Nothing here allocates or fails. The backend is chosen once, at run time, by
 * what the CPU offers; every backend gives the same digests. All functions may
 * be called from any thread; a context belongs to one thread at a time.
 */
#ifndef DV_BASE_SHA256_H
#define DV_BASE_SHA256_H

#include "base/oid.h"

/*
 * A running digest. A plain value: it may be copied (to fork a digest),
 * stored and dropped without being finished.
 */
typedef struct dv_sha256_ctx {
	uint32_t h[8];	 /* state after all complete blocks */
	uint64_t total;	 /* bytes taken so far, below 2^61 */
	uint8_t buf[64]; /* the incomplete block: total % 64 bytes */
} dv_sha256_ctx;

void dv_sha256_init(dv_sha256_ctx *ctx);
void dv_sha256_update(dv_sha256_ctx *ctx, const void *p, size_t n);
/* Writes the digest of everything taken; `ctx` must be initialised anew before further use. */
void dv_sha256_final(dv_sha256_ctx *ctx, dv_oid *out);

/* The digest of one buffer; `p` may be NULL when `n` is 0. */
void dv_sha256(dv_oid *out, const void *p, size_t n);

/*
 * The digests of `count` independent buffers of any lengths, several at a
 * time: out[i] is the digest of the n[i] bytes at p[i].
 */
void dv_sha256_many(dv_oid *out, const void *const *p, const size_t *n, size_t count);

/*
 * `p` holds `count` chunks back to back, chunk i of lens[i] bytes. Writes the
 * digest of every chunk to ids[i] and feeds the same bytes to `stream`, in one
 * pass where the CPU can overlap the two, and then hardly slower than feeding
 * `stream` alone; else by whatever is fastest. Give many chunks at once.
 * `stream` may have taken any number of bytes before.
 */
void dv_sha256_stream_and_chunks(dv_sha256_ctx *stream, dv_oid *ids, const uint8_t *p,
				 const size_t *lens, size_t count);

/* Whether the CPU overlaps the two, so that one pass on one thread is best. */
bool dv_sha256_overlaps(void);

/*
 * The backend in use: "portable" (libcrypto), "sha-ni" or "avx512" (sixteen
 * messages at once), the last two also as "...-pairs" where the CPU overlaps
 * two SHA-NI messages.
 */
const char *dv_sha256_backend(void);

/*
 * For tests and benchmarks: use the backend named, or choose again when
 * `name` is NULL. Returns 0, or -1 when there is no such backend or this CPU
 * cannot run it. Not to be called while another thread hashes.
 */
int dv_sha256_force_backend(const char *name);

#endif
