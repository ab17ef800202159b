/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a body is sent with, so that the server refuses damaged bytes: the SHA-256, which is signed,
 * and where that is not all the MD5, which is also the ETag by which a part that arrived is known
 * again. MD5 takes longer than SHA-256 on most processors.
 */
#include <openssl/evp.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/sha256.h"
#include "remotes/s3.h"

#define PIECE (128u << 10)	/* stays in the processor's cache from the one hash to the other */

typedef struct md5 {
	EVP_MD_CTX *ctx;	/* NULL where policy forbids MD5 */
} md5;
static void md5_release(md5 *m)
{
	EVP_MD_CTX_free(m->ctx);
}

static void start(md5 *m)
{
	m->ctx = EVP_MD_CTX_new();
	if (m->ctx && EVP_DigestInit_ex(m->ctx, EVP_md5(), NULL) != 1) {
		EVP_MD_CTX_free(m->ctx);
		m->ctx = NULL;
	}
}

static void finish(dv_s3_digest *out, dv_sha256_ctx *sha, md5 *m)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t sum[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	dv_oid oid;

	*out = (dv_s3_digest){ 0 };
	dv_sha256_final(sha, &oid);
	dv_oid_hex(out->sha256, &oid);
	if (!m->ctx || EVP_DigestFinal_ex(m->ctx, sum, &n) != 1 || n != 16)
		return;
	EVP_EncodeBlock((unsigned char *)out->md5, sum, 16);
	for (unsigned i = 0; i < 16; i++) {
		out->etag[2 * i] = digits[sum[i] >> 4];
		out->etag[2 * i + 1] = digits[sum[i] & 15];
	}
}

int dv_s3_digest_fd(dv_s3_digest *out, int fd, uint64_t offset, uint64_t n, bool with_md5)
{
	dv_autofree uint8_t *p = dv_malloc(PIECE);
	dv_auto(md5) m = { NULL };
	dv_sha256_ctx sha;

	if (!p)
		return DV_ERROR;
	dv_sha256_init(&sha);
	if (with_md5)
		start(&m);
	while (n > 0) {
		size_t want = n < PIECE ? (size_t)n : PIECE, got = 0;
		int rc = dv_check_cancel();

		if (rc)
			return rc;
		if (dv_fs_pread_all(fd, p, want, (off_t)offset, &got))
			return dv_err_sys("cannot read what is sent");
		if (got < want)
			return dv_err(DV_ERROR, "the file that is sent became shorter");
		dv_sha256_update(&sha, p, got);
		if (m.ctx)
			EVP_DigestUpdate(m.ctx, p, got);
		offset += got;
		n -= got;
	}
	finish(out, &sha, &m);
	return 0;
}

int dv_s3_digest_bytes(dv_s3_digest *out, const void *p, size_t n)
{
	dv_auto(md5) m = { NULL };
	dv_sha256_ctx sha;

	dv_sha256_init(&sha);
	start(&m);
	dv_sha256_update(&sha, p, n);
	if (m.ctx)
		EVP_DigestUpdate(m.ctx, p, n);
	finish(out, &sha, &m);
	return 0;
}
