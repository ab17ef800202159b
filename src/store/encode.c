/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compression of single entries: zstd frames without content size, checksum and dictionary id, as
 * the pack's footer knows the length and the entry's id is its checksum. What does not shrink is
 * stored as it is, and is found out cheaply.
 */
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/alloc.h"
#include "store/pack.h"

#define TINY 64u	 /* below this a frame's own bytes eat what it saves */
#define PROBE 6144u	 /* what is compressed of a chunk to see whether the rest is worth it */
#define PROBE_MIN 16384u /* chunks from this length on are probed first when in doubt */
#define MISSES 4	 /* misses in a row after which chunks are skipped */
#define SKIPS 16	 /* how many before the next probe */

struct dv_encoder {
	ZSTD_CCtx *cctx;
	uint8_t *out;
	size_t cap;
};

int dv_encoder_new(dv_encoder **out, int level)
{
	dv_autoptr(dv_encoder) enc = dv_calloc(1, sizeof(*enc));

	if (!enc)
		return DV_ERROR;
	if (level < 1)
		level = 1;
	if (level > ZSTD_maxCLevel())
		level = ZSTD_maxCLevel();
	enc->cctx = ZSTD_createCCtx();
	if (!enc->cctx)
		return dv_err_nomem();
	if (ZSTD_isError(ZSTD_CCtx_setParameter(enc->cctx, ZSTD_c_compressionLevel, level)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(enc->cctx, ZSTD_c_contentSizeFlag, 0)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(enc->cctx, ZSTD_c_checksumFlag, 0)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(enc->cctx, ZSTD_c_dictIDFlag, 0)))
		return dv_err(DV_ERROR, "cannot set up compression");
	*out = dv_steal(&enc);
	return 0;
}

void dv_encoder_free(dv_encoder *enc)
{
	if (!enc)
		return;
	ZSTD_freeCCtx(enc->cctx);
	free(enc->out);
	free(enc);
}

/* Compresses into the encoder's buffer; *len is 0 when it does not become ≤ 15/16. */
static int squeeze(dv_encoder *enc, const uint8_t *raw, size_t n, size_t *len)
{
	size_t room = n - n / 16, want = ZSTD_compressBound(n), got;

	*len = 0;
	if (enc->cap < want) {
		uint8_t *p = dv_realloc(enc->out, want);

		if (!p)
			return DV_ERROR;
		enc->out = p;
		enc->cap = want;
	}
	/* With room for the bound zstd writes straight into it. */
	got = ZSTD_compress2(enc->cctx, enc->out, enc->cap, raw, n);
	if (ZSTD_isError(got))
		return dv_err(DV_ERROR, "cannot compress: %s", ZSTD_getErrorName(got));
	if (got <= room)
		*len = got;
	return 0;
}

/* Whether a look at the middle of a chunk says that compressing all of it will pay. */
static int probe(dv_encoder *enc, const uint8_t *raw, size_t n, bool *pays)
{
	size_t len;
	int rc = squeeze(enc, raw + (n - PROBE) / 2, PROBE, &len);

	*pays = len > 0;
	return rc;
}

int dv_encode(dv_encoder *enc, const uint8_t *raw, size_t n, dv_sticky *sticky,
	      const uint8_t **stored, size_t *stored_len, uint8_t *codec)
{
	size_t len = 0;
	bool pays = true;
	int rc;

	*stored = raw;
	*stored_len = n;
	*codec = DV_CODEC_RAW;
	if (n < TINY)
		return 0;
	if (sticky && sticky->misses >= MISSES && sticky->skip) {
		sticky->skip--;
		return 0;
	}
	/* After a miss, and for want of any knowledge of a lone large chunk, look before
	 * leaping. */
	if (n >= PROBE_MIN && (!sticky || sticky->misses)) {
		rc = probe(enc, raw, n, &pays);
		if (rc)
			return rc;
	}
	if (pays) {
		rc = squeeze(enc, raw, n, &len);
		if (rc)
			return rc;
	}
	if (!sticky) {
		;
	} else if (len) {
		*sticky = (dv_sticky){ 0 };
	} else {
		if (sticky->misses < MISSES)
			sticky->misses++;
		if (sticky->misses == MISSES)
			sticky->skip = SKIPS;
	}
	if (len) {
		*stored = enc->out;
		*stored_len = len;
		*codec = DV_CODEC_ZSTD;
	}
	return 0;
}
