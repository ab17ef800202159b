/* SPDX-License-Identifier: Apache-2.0 */
/* Pack footers: the frozen bytes, every kind of nonsense, and encoding with its sticky verdict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/sha256.h"
#include "store/chunker.h"
#include "store/pack.h"
#include "store/recipe.h"

static void hex_is(const void *p, size_t n, const char *want)
{
	char hex[DV_OID_HEX_SIZE + 1];
	dv_oid id;

	dv_sha256(&id, p, n);
	dv_oid_hex(hex, &id);
	assert_string_equal(hex, want);
}

/* The pack of docs/format.md: "hello\n" and "world\n" as raw chunks, a made-up recipe, nonce 0…15. */
static void make_pack(dv_buf *out, dv_pack_footer *f)
{
	static const char body[] = "hello\nworld\nDVRECIP1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
	uint8_t header[DV_PACK_HEADER], nonce[16];

	for (int i = 0; i < 16; i++)
		nonce[i] = (uint8_t)i;
	dv_pack_header(header, nonce);
	dv_buf_add(out, header, sizeof(header));
	dv_buf_add(out, body, 36);
	f->e = calloc(3, sizeof(*f->e));
	f->n = 3;
	f->e[0] = (dv_pack_entry){ .offset = 32, .stored = 6, .raw = 6, .kind = DV_KIND_CHUNK };
	f->e[1] = (dv_pack_entry){ .offset = 38, .stored = 6, .raw = 6, .kind = DV_KIND_CHUNK };
	f->e[2] = (dv_pack_entry){ .offset = 44, .stored = 24, .raw = 24, .kind = DV_KIND_RECIPE };
	dv_sha256(&f->e[0].id, "hello\n", 6);
	dv_sha256(&f->e[1].id, "world\n", 6);
	dv_sha256(&f->e[2].id, "hello\nworld\n", 12);
	assert_int_equal(dv_pack_footer_write(out, f, 68), 0);
}

static int parse(const dv_buf *b, dv_pack_footer *f)
{
	size_t need;
	int rc = dv_pack_footer_parse(f, (const uint8_t *)b->p, b->n, b->n, &need);

	assert_int_equal(need, 0);
	return rc;
}

static void test_vector(void **state)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	dv_auto(dv_pack_footer) f = DV_PACK_FOOTER_INIT;
	dv_auto(dv_pack_footer) g = DV_PACK_FOOTER_INIT;
	size_t need;
	dv_oid id;

	(void)state;
	make_pack(&b, &f);
	assert_int_equal(b.n, 268);
	hex_is(b.p, b.n, "e6ecc58e0336d9d28985f54dee9b839c852c51faaaa23515f848fb776a414ec2");
	assert_int_equal(dv_pack_version((const uint8_t *)b.p), 2);
	memmove(b.p + 32, b.p + 44, b.n - 44);
	hex_is(b.p, b.n - 12, "fbc84b7f33396fff59f8acc135dd4828b394e65a5423a8ae7b02008b74d62317");
	memmove(b.p + 44, b.p + 32, b.n - 44);
	assert_int_equal(dv_pack_footer_parse(&g, NULL, 0, b.n, &need), 0);
	assert_int_equal(need, 32);
	assert_int_equal(dv_pack_footer_parse(&g, (uint8_t *)b.p + 200, 68, b.n, &need), 0);
	assert_int_equal(need, 200);
	assert_int_equal(parse(&b, &g), 0);
	assert_int_equal(g.n, 3);
	dv_sha256(&id, "world\n", 6);
	assert_int_equal(dv_pack_footer_find(&g, DV_KIND_CHUNK, &id)->offset, 38);
	assert_null(dv_pack_footer_find(&g, DV_KIND_RECIPE, &id));
}

/* A whole pack of the version: two chunks, and the recipe that joins them. */
static void make_whole(dv_buf *out, char version, dv_oid *name)
{
	static const char text[] = "hello\nworld\n";
	dv_auto(dv_pack_footer) f = DV_PACK_FOOTER_INIT;
	uint8_t header[DV_PACK_HEADER], nonce[16] = { 0 };
	dv_auto(dv_buf) recipe = DV_BUF_INIT;
	dv_sha256_ctx sum;

	dv_pack_header(header, nonce);
	header[6] = (uint8_t)version;
	f.e = calloc(3, sizeof(*f.e));
	f.n = 3;
	assert_int_equal(dv_recipe_begin(&recipe, 0, DV_CHUNKER_GEAR64_16K, 12), 0);
	for (size_t i = 0; i < 2; i++) {
		f.e[i] = (dv_pack_entry){ .offset = 32 + 6 * i, .stored = 6, .raw = 6,
					  .kind = DV_KIND_CHUNK };
		dv_sha256(&f.e[i].id, text + 6 * i, 6);
		dv_recipe_append(&recipe, &f.e[i].id, 6);
	}
	f.e[2] = (dv_pack_entry){ .offset = 44, .stored = (uint32_t)recipe.n,
				  .raw = (uint32_t)recipe.n, .kind = DV_KIND_RECIPE };
	dv_sha256(&f.e[2].id, text, 12);
	dv_buf_add(out, header, sizeof(header));
	dv_buf_add(out, text, 12);
	dv_buf_add(out, recipe.p, recipe.n);
	assert_int_equal(dv_pack_footer_write(out, &f, 44 + recipe.n), 0);
	dv_sha256_init(&sum);
	dv_sha256_update(&sum, out->p, version == '1' ? 44 : 32);
	dv_sha256_update(&sum, out->p + 44, out->n - 44);
	dv_sha256_final(&sum, name);
}

static int check(const dv_buf *b, const dv_pack_footer *f, const dv_oid *name)
{
	dv_autoclose int fd = memfd_create("pack", MFD_CLOEXEC);

	assert_int_equal(write(fd, b->p, b->n), b->n);
	return dv_pack_check(fd, b->n, f, name, NULL);
}

/* Packs of both versions are what their names say, and no byte of them can change. */
static void test_check(void **state)
{
	(void)state;
	for (char version = '1'; version <= '2'; version++) {
		dv_auto(dv_pack_footer) f = DV_PACK_FOOTER_INIT;
		dv_auto(dv_buf) b = DV_BUF_INIT;
		dv_oid name;

		make_whole(&b, version, &name);
		assert_int_equal(dv_pack_version((uint8_t *)b.p), version - '0');
		assert_int_equal(parse(&b, &f), 0);
		assert_int_equal(check(&b, &f, &name), 0);
		for (size_t i = 0; i < b.n; i++) {
			b.p[i] ^= 1;
			assert_int_equal(check(&b, &f, &name), DV_ECORRUPT);
			b.p[i] ^= 1;
		}
	}
}

/* Any changed byte of footer or tail is noticed. */
static void test_flips(void **state)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	dv_auto(dv_pack_footer) f = DV_PACK_FOOTER_INIT;

	(void)state;
	make_pack(&b, &f);
	for (size_t i = 68; i < b.n; i++) {
		dv_pack_footer g;

		b.p[i] ^= 4;
		assert_int_equal(parse(&b, &g), DV_ECORRUPT);
		b.p[i] ^= 4;
	}
	for (size_t n = 64; n < b.n; n++) {
		dv_pack_footer g;
		size_t need;

		assert_int_equal(dv_pack_footer_parse(&g, (uint8_t *)b.p, n, n, &need),
				 DV_ECORRUPT);
	}
}

/* Footers whose checksum is right and whose content is not. */
static void test_nonsense(void **state)
{
	for (int what = 0; what < 13; what++) {
		dv_auto(dv_buf) b = DV_BUF_INIT;
		dv_auto(dv_pack_footer) f = DV_PACK_FOOTER_INIT;
		dv_pack_footer g;
		dv_pack_entry *e;

		(void)state;
		make_pack(&b, &f);
		b.n = 68;
		e = &f.e[1];
		if (what == 0)
			e->offset = 31;
		else if (what == 1)
			e->offset = UINT64_MAX - 2;
		else if (what == 2)
			e->offset = 63;
		else if (what == 3)
			e->stored = 7;
		else if (what == 4)
			e->raw = e->stored = 0;
		else if (what == 5)
			e->raw = DV_RAW_MAX + 1, e->codec = DV_CODEC_ZSTD;
		else if (what == 6)
			e->kind = 3;
		else if (what == 7)
			e->codec = 3;
		else if (what == 8)
			e->nbases = 1;
		else if (what == 9)
			e->codec = DV_CODEC_ZSTD_DELTA, e->nbases = 1, e->depth = 1;
		else if (what == 10)
			e->codec = DV_CODEC_ZSTD_DELTA, e->depth = 1;
		else if (what == 11)
			e->offset = f.e[0].offset + 1;
		else
			e->id = f.e[0].id, e->kind = f.e[0].kind;
		assert_int_equal(dv_pack_footer_write(&b, &f, 68), 0);
		assert_int_equal(parse(&b, &g), DV_ECORRUPT);
	}
}

static void test_encode(void **state)
{
	dv_autoptr(dv_encoder) enc = NULL;
	static uint8_t raw[100000], out[100000];
	uint64_t x = 1;
	dv_sticky sticky = { 0 };

	(void)state;
	assert_int_equal(dv_encoder_new(&enc, 1), 0);
	for (size_t n = 1; n <= sizeof(raw); n = n * 3 + 1) {
		const uint8_t *p;
		dv_pack_entry e = { .raw = (uint32_t)n };
		size_t len;

		memset(raw, 'x', n);
		raw[n / 2] = 'y';
		assert_int_equal(dv_encode(enc, raw, n, NULL, &p, &len, &e.codec), 0);
		assert_int_equal(e.codec, n < 64 ? DV_CODEC_RAW : DV_CODEC_ZSTD);
		e.stored = (uint32_t)len;
		assert_int_equal(dv_pack_decode(out, &e, p, NULL, 0), 0);
		assert_memory_equal(out, raw, n);
		if (e.codec == DV_CODEC_ZSTD) {
			e.raw--;
			assert_int_equal(dv_pack_decode(out, &e, p, NULL, 0), DV_ECORRUPT);
			e.raw += 2;
			assert_int_equal(dv_pack_decode(out, &e, p, NULL, 0), DV_ECORRUPT);
		}
	}
	for (size_t i = 0; i < sizeof(raw); i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		raw[i] = (uint8_t)(x >> 56);
	}
	for (int i = 0; i < 12; i++) {
		const uint8_t *p;
		uint8_t codec;
		size_t len;

		assert_int_equal(dv_encode(enc, raw, 20000, &sticky, &p, &len, &codec), 0);
		assert_int_equal(codec, DV_CODEC_RAW);
		assert_ptr_equal(p, raw);
		assert_int_equal(sticky.skip, i < 3 ? 0 : 19 - i);
	}
	/* After the skips a chunk is tried again, and what shrinks ends the verdict. */
	memset(raw, 0, sizeof(raw));
	for (int i = 0; i < 10; i++) {
		const uint8_t *p;
		uint8_t codec;
		size_t len;

		assert_int_equal(dv_encode(enc, raw, 20000, &sticky, &p, &len, &codec), 0);
		assert_int_equal(codec, i < 8 ? DV_CODEC_RAW : DV_CODEC_ZSTD);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vector),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_encode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
