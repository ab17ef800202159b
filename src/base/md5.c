/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MD5 streams. One with dos2unix has two lanes at most: the second comes into being with the first
 * block that is another kind than the first one, and from there on takes all blocks as that kind.
 */
#include "base/md5.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/alloc.h"

#define BLOCK ((size_t)1 << 20)
#define LOOK 512u

typedef struct lane {
	EVP_MD_CTX *ctx;
	bool text;	/* the block in work is */
} lane;

struct dv_md5_stream {
	bool dos2unix, failed;
	lane lanes[2];
	int n;
	size_t at;		/* bytes of the block that were taken */
	uint8_t head[LOOK];	/* its first bytes, until it is known what they are */
	bool first_text, any;	/* what the first block was */
	bool cr;		/* the last byte was a CR and waits for what follows */
};

void dv_md5_hex(char out[DV_MD5_HEX + 1], const dv_md5 *md5)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < DV_MD5_SIZE; i++) {
		out[2 * i] = digits[md5->b[i] >> 4];
		out[2 * i + 1] = digits[md5->b[i] & 15];
	}
	out[DV_MD5_HEX] = 0;
}

static void start_lane(dv_md5_stream *s, lane *l)
{
	if (!EVP_DigestInit_ex(l->ctx, EVP_md5(), NULL))
		s->failed = true;
}

int dv_md5_new(dv_md5_stream **out, bool dos2unix)
{
	dv_autoptr(dv_md5_stream) s = dv_calloc(1, sizeof(*s));

	*out = NULL;
	if (!s)
		return DV_ERROR;
	s->dos2unix = dos2unix;
	for (int i = 0; i < 2; i++)
		if (!(s->lanes[i].ctx = EVP_MD_CTX_new()))
			return dv_err_nomem();
	dv_md5_begin(s);
	if (s->failed)
		return dv_err_hint(dv_err(DV_ERROR, "libcrypto refuses to make MD5 sums"),
				   "DVC's checksums cannot be verified on this system");
	*out = dv_steal(&s);
	return 0;
}

void dv_md5_stream_free(dv_md5_stream *s)
{
	if (!s)
		return;
	EVP_MD_CTX_free(s->lanes[0].ctx);
	EVP_MD_CTX_free(s->lanes[1].ctx);
	free(s);
}

void dv_md5_begin(dv_md5_stream *s)
{
	s->failed = s->any = s->cr = false;
	s->n = 1;
	s->at = 0;
	start_lane(s, &s->lanes[0]);
}

static void feed(dv_md5_stream *s, const lane *l, const void *p, size_t n)
{
	if (n && !EVP_DigestUpdate(l->ctx, p, n))
		s->failed = true;
}

static void feed_raw(dv_md5_stream *s, const void *p, size_t n, bool of_text)
{
	for (int i = 0; i < s->n; i++)
		if (s->lanes[i].text == of_text)
			feed(s, &s->lanes[i], p, n);
}

/* Bytes of text: every CR before an LF goes. */
static void feed_text(dv_md5_stream *s, const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n;

	if (s->cr && n && *p != '\n')
		feed_raw(s, "\r", 1, true);
	if (n)
		s->cr = false;
	while (p < end) {
		const uint8_t *cr = memchr(p, '\r', (size_t)(end - p));

		if (!cr) {
			feed_raw(s, p, (size_t)(end - p), true);
			return;
		}
		feed_raw(s, p, (size_t)(cr - p), true);
		if (cr + 1 == end)
			s->cr = true;
		else if (cr[1] != '\n')
			feed_raw(s, cr, 1, true);
		p = cr + 1;
	}
}

static void feed_all(dv_md5_stream *s, const uint8_t *p, size_t n)
{
	feed_raw(s, p, n, false);
	feed_text(s, p, n);
}

/* The bytes that text consists of: blanks, printable ASCII, and a few control characters. */
static bool is_text(const uint8_t *p, size_t n)
{
	size_t odd = 0;

	for (size_t i = 0; i < n; i++) {
		if (!p[i])
			return false;
		odd += !((p[i] >= 32 && p[i] < 127) || strchr("\n\r\t\f\b", p[i]));
	}
	return odd * 10 <= n * 3;
}

/* The first bytes of a block are there: says what it is, and passes them on. */
static void begin_block(dv_md5_stream *s, size_t n)
{
	bool text = is_text(s->head, n);

	if (!s->any)
		s->first_text = text;
	s->any = true;
	if (s->n == 1 && text != s->first_text) {
		if (!EVP_MD_CTX_copy_ex(s->lanes[1].ctx, s->lanes[0].ctx))
			s->failed = true;
		s->n = 2;
	}
	s->lanes[0].text = text;
	s->lanes[1].text = s->first_text;
	feed_all(s, s->head, n);
}

/* A CRLF over the border of two blocks stays what it was. */
static void end_block(dv_md5_stream *s)
{
	if (s->at && s->at < LOOK)
		begin_block(s, s->at);
	if (s->cr)
		feed_raw(s, "\r", 1, true);
	s->cr = false;
	s->at = 0;
}

void dv_md5_update(dv_md5_stream *s, const void *data, size_t n)
{
	const uint8_t *p = data;

	if (!s->dos2unix) {
		feed(s, &s->lanes[0], p, n);
		return;
	}
	while (n) {
		size_t end = s->at < LOOK ? LOOK : BLOCK;
		size_t take = n < end - s->at ? n : end - s->at;

		if (s->at < LOOK)
			memcpy(s->head + s->at, p, take);
		else
			feed_all(s, p, take);
		s->at += take;
		if (s->at == LOOK && end == LOOK)
			begin_block(s, LOOK);
		else if (s->at == BLOCK)
			end_block(s);
		p += take;
		n -= take;
	}
}

int dv_md5_end(dv_md5_stream *s, dv_md5 out[2])
{
	if (s->dos2unix)
		end_block(s);
	for (int i = 0; i < s->n; i++)
		if (!EVP_DigestFinal_ex(s->lanes[i].ctx, out[i].b, NULL))
			s->failed = true;
	return s->failed ? dv_err(DV_ERROR, "libcrypto could not make an MD5 sum") : s->n;
}

int dv_md5_of(dv_md5 *out, const void *p, size_t n)
{
	dv_autoptr(dv_md5_stream) s = NULL;
	dv_md5 sums[2];
	int rc = dv_md5_new(&s, false);

	if (rc < 0)
		return rc;
	dv_md5_update(s, p, n);
	rc = dv_md5_end(s, sums);
	*out = sums[0];
	return rc < 0 ? rc : 0;
}
