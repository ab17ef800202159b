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
#define WINDOW_LOG_MIN 17 /* of a delta: the window holds its bases and the chunk */
#define WINDOW_LOG_MAX 24
#define LONG_MATCH 64	 /* bytes of the long matches that deltas are made of */
#define LONG_PEERS 65536u /* peers of so many bytes are pieces of long files */

struct dv_encoder {
	ZSTD_CCtx *cctx;
	uint8_t *out;
	size_t cap;
	int level;
	ZSTD_CCtx *based;	/* set up for old versions; made when it is first needed */
	ZSTD_CCtx *peers;	/* has taken in the peers of this number: */
	uint64_t standing;
	uint8_t *delta;
	size_t delta_cap;
};

static int setup_failed(void)
{
	return dv_err(DV_ERROR, "cannot set up compression");
}

/* No content size, checksum and dictionary id: see above. */
static int new_context(ZSTD_CCtx **out, int level)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();

	*out = c;
	if (!c)
		return dv_err_nomem();
	if (ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, level)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 0)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 0)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_dictIDFlag, 0)))
		return setup_failed();
	return 0;
}

int dv_encoder_new(dv_encoder **out, int level)
{
	dv_autoptr(dv_encoder) enc = dv_calloc(1, sizeof(*enc));
	int rc;

	if (!enc)
		return DV_ERROR;
	if (level < 1)
		level = 1;
	if (level > ZSTD_maxCLevel())
		level = ZSTD_maxCLevel();
	enc->level = level;
	rc = new_context(&enc->cctx, level);
	if (rc)
		return rc;
	*out = dv_steal(&enc);
	return 0;
}

void dv_encoder_free(dv_encoder *enc)
{
	if (!enc)
		return;
	ZSTD_freeCCtx(enc->cctx);
	ZSTD_freeCCtx(enc->based);
	ZSTD_freeCCtx(enc->peers);
	free(enc->out);
	free(enc->delta);
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

/* -- deltas ------------------------------------------------------------------------------ */

static bool set(ZSTD_CCtx *c, ZSTD_cParameter what, int value)
{
	return !ZSTD_isError(ZSTD_CCtx_setParameter(c, what, value));
}

static int window_log(size_t n)
{
	int log = WINDOW_LOG_MIN;

	while (log < WINDOW_LOG_MAX && ((size_t)1 << log) < n)
		log++;
	return log;
}

/* For the old versions of a chunk, which are others every time. Long matches are looked for first:
 * two versions share long stretches, and finding these by a table of their own makes a delta
 * smaller and costs little. */
static int take_versions(dv_encoder *enc, const dv_prefix *prefix, size_t n)
{
	int rc = 0;

	if (!enc->based) {
		rc = new_context(&enc->based, enc->level);
		if (!rc && (!set(enc->based, ZSTD_c_enableLongDistanceMatching, 1) ||
			    !set(enc->based, ZSTD_c_ldmMinMatch, LONG_MATCH)))
			rc = setup_failed();
	}
	if (!rc && (!set(enc->based, ZSTD_c_windowLog, window_log(n + prefix->n)) ||
		    ZSTD_isError(ZSTD_CCtx_refPrefix(enc->based, prefix->p, prefix->n))))
		rc = setup_failed();
	return rc;
}

/* For peers, which stay the same for many chunks. */
static int take_peers(dv_encoder *enc, const dv_prefix *prefix)
{
	int rc = 0;

	if (enc->standing == prefix->number)
		return 0;
	ZSTD_freeCCtx(enc->peers);
	enc->peers = NULL;
	enc->standing = 0;
	rc = new_context(&enc->peers, enc->level);
	/* In long texts matches of seven bytes and a table for all of the peers are worth it. */
	if (!rc && enc->level == 1 && prefix->n >= LONG_PEERS &&
	    (!set(enc->peers, ZSTD_c_strategy, ZSTD_fast) ||
	     !set(enc->peers, ZSTD_c_minMatch, 7) || !set(enc->peers, ZSTD_c_hashLog, 16)))
		rc = setup_failed();
	if (!rc && (!set(enc->peers, ZSTD_c_windowLog, window_log(prefix->n + DV_RAW_MAX / 4)) ||
		    ZSTD_isError(ZSTD_CCtx_loadDictionary(enc->peers, prefix->p, prefix->n))))
		rc = setup_failed();
	if (!rc)
		enc->standing = prefix->number;
	return rc;
}

int dv_encode_based(dv_encoder *enc, const uint8_t *raw, size_t n, const dv_prefix *prefix,
		    dv_sticky *sticky, const uint8_t **stored, size_t *stored_len, uint8_t *codec,
		    size_t *with, size_t *alone)
{
	size_t len;
	int rc;

	*with = *alone = 0;
	/* Peers do not help where nothing helped lately. */
	if (prefix->number && sticky && sticky->misses)
		return dv_encode(enc, raw, n, sticky, stored, stored_len, codec);
	rc = prefix->number ? take_peers(enc, prefix) : take_versions(enc, prefix, n);
	if (!rc)
		rc = dv_grow(&enc->delta, &enc->delta_cap, ZSTD_compressBound(n), 1);
	if (rc)
		return rc;
	len = ZSTD_compress2(prefix->number ? enc->peers : enc->based, enc->delta, enc->delta_cap,
			     raw, n);
	if (ZSTD_isError(len))
		return dv_err(DV_ERROR, "cannot compress: %s", ZSTD_getErrorName(len));
	if (!prefix->sure || len > n - n / 8) {
		rc = dv_encode(enc, raw, n, sticky, stored, stored_len, codec);
		*with = len;
		*alone = *stored_len;
		/* A chain must be worth its decoding. */
		if (rc || len > *stored_len - *stored_len / (prefix->number ? 64 : 8))
			return rc;
	}
	*stored = enc->delta;
	*stored_len = len;
	*codec = DV_CODEC_ZSTD_DELTA;
	return 0;
}
