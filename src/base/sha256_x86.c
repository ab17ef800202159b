/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 compression for x86-64: the SHA extensions over one, two or four messages, also together
 * with AVX-512, and AVX-512 over sixteen. Every function carries its own target, so the file is
 * built for the plain architecture and is safe to link everywhere; dv_sha256_x86() says what may be
 * called.
 */
#include "base/sha256_kernels.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#define INLINE	   static inline __attribute__((always_inline))
#define TARGET_NI  __attribute__((target("sha,sse4.1,ssse3")))
#define TARGET_VL  __attribute__((target("sha,sse4.1,ssse3,avx512f,avx512vl,avx512bw")))
#define TARGET_512 __attribute__((target("avx512f,avx512bw")))

/* Arrays of vectors live in registers only where their loops are unrolled. */
#ifdef __clang__
#define UNROLL(n) _Pragma("unroll")
#else
#define UNROLL_TEXT(n) #n
#define UNROLL(n)      _Pragma(UNROLL_TEXT(GCC unroll n))
#endif

static const uint32_t k[64] __attribute__((aligned(64))) = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

/* --- SHA extensions ----------------------------------------------------------- */

/* The order in which sha256rnds2 wants the state. */
typedef struct ni_state {
	__m128i abef, cdgh;
} ni_state;

TARGET_NI INLINE __m128i big_endian_words(void)
{
	return _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
}

TARGET_NI INLINE ni_state ni_load(const uint32_t h[8])
{
	__m128i abcd = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)h), 0xb1);
	__m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(h + 4)), 0x1b);

	return (ni_state){ _mm_alignr_epi8(abcd, efgh, 8), _mm_blend_epi16(efgh, abcd, 0xf0) };
}

TARGET_NI INLINE void ni_store(uint32_t h[8], ni_state s)
{
	__m128i feba = _mm_shuffle_epi32(s.abef, 0x1b);
	__m128i dchg = _mm_shuffle_epi32(s.cdgh, 0xb1);

	_mm_storeu_si128((__m128i *)h, _mm_blend_epi16(feba, dchg, 0xf0));
	_mm_storeu_si128((__m128i *)(h + 4), _mm_alignr_epi8(dchg, feba, 8));
}

/* Rounds 4*r to 4*r + 3. `m` holds the last sixteen words of the message schedule. */
TARGET_NI INLINE void ni_rounds(ni_state *s, __m128i m[4], int r)
{
	__m128i w = m[r & 3];
	__m128i t;

	if (r >= 4) {
		t = _mm_sha256msg1_epu32(w, m[(r + 1) & 3]);
		t = _mm_add_epi32(t, _mm_alignr_epi8(m[(r + 3) & 3], m[(r + 2) & 3], 4));
		w = _mm_sha256msg2_epu32(t, m[(r + 3) & 3]);
		m[r & 3] = w;
	}
	t = _mm_add_epi32(w, _mm_load_si128((const __m128i *)(k + 4 * r)));
	s->cdgh = _mm_sha256rnds2_epu32(s->cdgh, s->abef, t);
	t = _mm_shuffle_epi32(t, 0x0e);
	s->abef = _mm_sha256rnds2_epu32(s->abef, s->cdgh, t);
}

TARGET_NI INLINE void ni_message(__m128i m[4], const uint8_t *p)
{
	UNROLL(4)
	for (int i = 0; i < 4; i++)
		m[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(p + 16 * i)),
					big_endian_words());
}

/* `lanes` is a constant in every caller, so this becomes straight code. */
TARGET_NI INLINE void ni_blocks(int lanes, uint32_t *const *h, const uint8_t *const *p,
				size_t blocks)
{
	ni_state s[4];

	UNROLL(4)
	for (int i = 0; i < lanes; i++)
		s[i] = ni_load(h[i]);
	for (size_t b = 0; b < blocks; b++) {
		ni_state before[4];
		__m128i m[4][4];

		UNROLL(4)
		for (int i = 0; i < lanes; i++) {
			before[i] = s[i];
			ni_message(m[i], p[i] + b * DV_SHA256_BLOCK);
		}
		UNROLL(16)
		for (int r = 0; r < 16; r++) {
			UNROLL(4)
			for (int i = 0; i < lanes; i++)
				ni_rounds(&s[i], m[i], r);
		}
		UNROLL(4)
		for (int i = 0; i < lanes; i++) {
			s[i].abef = _mm_add_epi32(s[i].abef, before[i].abef);
			s[i].cdgh = _mm_add_epi32(s[i].cdgh, before[i].cdgh);
		}
	}
	UNROLL(4)
	for (int i = 0; i < lanes; i++)
		ni_store(h[i], s[i]);
}

TARGET_NI static void ni_one(uint32_t *const *h, const uint8_t *const *p, size_t blocks)
{
	ni_blocks(1, h, p, blocks);
}

TARGET_NI static void ni_two(uint32_t *const *h, const uint8_t *const *p, size_t blocks)
{
	ni_blocks(2, h, p, blocks);
}

TARGET_NI static void ni_four(uint32_t *const *h, const uint8_t *const *p, size_t blocks)
{
	ni_blocks(4, h, p, blocks);
}

/* --- SHA extensions, with the schedule from AVX-512 ------------------------------------ */

/*
 * Intel's cores (Ice Lake was measured) take two rounds in four cycles, but nine for each
 * sha256msg1 and sha256msg2. So the schedule of a block is made with plain vector instructions,
 * between the rounds of the block before it, where they cost nothing: 1.25 times as fast. They are
 * of 128 bits, and the upper halves of the registers are cleared first: with anything in these, two
 * rounds take six cycles.
 */
TARGET_VL INLINE __m128i vl_sigma1(__m128i x)
{
	return _mm_ternarylogic_epi32(_mm_ror_epi32(x, 17), _mm_ror_epi32(x, 19),
				      _mm_srli_epi32(x, 10), 0x96);
}

/* Words 4*r to 4*r + 3 of the schedule plus their constants; `m` holds the sixteen before. */
TARGET_VL INLINE void vl_words(__m128i *out, __m128i m[4], int r)
{
	__m128i w = m[r & 3], last = m[(r + 3) & 3], x;

	if (r >= 4) {
		x = _mm_alignr_epi8(m[(r + 1) & 3], w, 4);
		w = _mm_add_epi32(w, _mm_alignr_epi8(last, m[(r + 2) & 3], 4));
		x = _mm_ternarylogic_epi32(_mm_ror_epi32(x, 7), _mm_ror_epi32(x, 18),
					   _mm_srli_epi32(x, 3), 0x96);
		w = _mm_add_epi32(w, x);
		/* The last two words need the first two. */
		w = _mm_add_epi32(w, vl_sigma1(_mm_srli_si128(last, 8)));
		w = _mm_add_epi32(w, vl_sigma1(_mm_slli_si128(w, 8)));
		m[r & 3] = w;
	}
	_mm_store_si128(out, _mm_add_epi32(w, _mm_load_si128((const __m128i *)(k + 4 * r))));
}

/* The rounds of one block, and between them the schedule of the next, at `p` unless NULL. */
TARGET_VL INLINE void vl_block(ni_state *s, const __m128i now[16], __m128i next[16],
			       const uint8_t *p)
{
	ni_state before = *s;
	__m128i m[4];

	if (p)
		ni_message(m, p);
	UNROLL(16)
	for (int r = 0; r < 16; r++) {
		__m128i t = _mm_load_si128(&now[r]);

		s->cdgh = _mm_sha256rnds2_epu32(s->cdgh, s->abef, t);
		t = _mm_shuffle_epi32(t, 0x0e);
		s->abef = _mm_sha256rnds2_epu32(s->abef, s->cdgh, t);
		if (p)
			vl_words(&next[r], m, r);
	}
	s->abef = _mm_add_epi32(s->abef, before.abef);
	s->cdgh = _mm_add_epi32(s->cdgh, before.cdgh);
}

TARGET_VL static void vl_one(uint32_t *const *h, const uint8_t *const *p, size_t blocks)
{
	__m128i w[2][16], m[4];
	ni_state s;

	_mm256_zeroupper();
	if (blocks < 3) {
		ni_one(h, p, blocks);
		return;
	}
	s = ni_load(h[0]);
	ni_message(m, p[0]);
	UNROLL(16)
	for (int r = 0; r < 16; r++)
		vl_words(&w[0][r], m, r);
	for (size_t b = 1; b < blocks; b++)
		vl_block(&s, w[~b & 1], w[b & 1], p[0] + b * DV_SHA256_BLOCK);
	vl_block(&s, w[~blocks & 1], NULL, NULL);
	ni_store(h[0], s);
}

/* --- AVX-512: lane i of every vector belongs to message i ---------------------- */

/* Turns sixteen rows of sixteen words into sixteen columns. */
TARGET_512 INLINE void transpose(__m512i r[16])
{
	__m512i t[16];

	UNROLL(8)
	for (int i = 0; i < 8; i++) {
		t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
		t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
	}
	UNROLL(4)
	for (int i = 0; i < 4; i++) {
		r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
		r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
		r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
		r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
	}
	UNROLL(4)
	for (int i = 0; i < 4; i++) {
		t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
		t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
		t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
		t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
	}
	UNROLL(4)
	for (int i = 0; i < 4; i++) {
		r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
		r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
		r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
		r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
	}
}

#define XOR3(a, b, c)	  _mm512_ternarylogic_epi32(a, b, c, 0x96)
#define CHOOSE(e, f, g)	  _mm512_ternarylogic_epi32(e, f, g, 0xca)
#define MAJORITY(a, b, c) _mm512_ternarylogic_epi32(a, b, c, 0xe8)
#define ROTR(x, n)	  _mm512_ror_epi32(x, n)

/* Word r of the message schedule; `w` holds the sixteen before it. */
TARGET_512 INLINE __m512i wide_word(__m512i w[16], int r)
{
	__m512i x, y;

	if (r >= 16) {
		x = w[(r + 1) & 15];
		y = w[(r + 14) & 15];
		x = XOR3(ROTR(x, 7), ROTR(x, 18), _mm512_srli_epi32(x, 3));
		y = XOR3(ROTR(y, 17), ROTR(y, 19), _mm512_srli_epi32(y, 10));
		w[r & 15] = _mm512_add_epi32(_mm512_add_epi32(w[r & 15], x),
					     _mm512_add_epi32(w[(r + 9) & 15], y));
	}
	return w[r & 15];
}

/* Round r. The variables a..h stand still; their names rotate: `a` is v[-r & 7]. */
TARGET_512 INLINE void wide_round(__m512i v[8], __m512i w[16], int r)
{
#define V(n) v[((n)-r) & 7]
	__m512i t, u;

	t = XOR3(ROTR(V(4), 6), ROTR(V(4), 11), ROTR(V(4), 25));
	u = _mm512_add_epi32(wide_word(w, r), _mm512_set1_epi32((int)k[r]));
	t = _mm512_add_epi32(_mm512_add_epi32(V(7), t),
			     _mm512_add_epi32(CHOOSE(V(4), V(5), V(6)), u));
	u = XOR3(ROTR(V(0), 2), ROTR(V(0), 13), ROTR(V(0), 22));
	u = _mm512_add_epi32(u, MAJORITY(V(0), V(1), V(2)));
	V(3) = _mm512_add_epi32(V(3), t);
	V(7) = _mm512_add_epi32(t, u);
#undef V
}

TARGET_512 INLINE void wide_load(__m512i s[8], uint32_t *const *h)
{
	uint32_t column[16] __attribute__((aligned(64)));

	for (int i = 0; i < 8; i++) {
		for (int j = 0; j < 16; j++)
			column[j] = h[j][i];
		s[i] = _mm512_load_si512(column);
	}
}

TARGET_512 INLINE void wide_store(uint32_t *const *h, const __m512i s[8])
{
	uint32_t column[16] __attribute__((aligned(64)));

	for (int i = 0; i < 8; i++) {
		_mm512_store_si512(column, s[i]);
		for (int j = 0; j < 16; j++)
			h[j][i] = column[j];
	}
}

TARGET_512 INLINE void wide_message(__m512i w[16], const uint8_t *const *p, size_t offset)
{
	__m512i swap =
		_mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));

	UNROLL(16)
	for (int j = 0; j < 16; j++)
		w[j] = _mm512_shuffle_epi8(_mm512_loadu_si512(p[j] + offset), swap);
	transpose(w);
}

TARGET_512 static void wide_sixteen(uint32_t *const *h, const uint8_t *const *p, size_t blocks)
{
	__m512i s[8], v[8], w[16];

	wide_load(s, h);
	for (size_t b = 0; b < blocks; b++) {
		wide_message(w, p, b * DV_SHA256_BLOCK);
		UNROLL(8)
		for (int i = 0; i < 8; i++)
			v[i] = s[i];
		UNROLL(64)
		for (int r = 0; r < 64; r++)
			wide_round(v, w, r);
		UNROLL(8)
		for (int i = 0; i < 8; i++)
			s[i] = _mm512_add_epi32(s[i], v[i]);
	}
	wide_store(h, s);
}

/* --- what may run ---------------------------------------------------------------- */

static bool has_sha_extensions(void)
{
	unsigned a, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1) &&
	       __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("ssse3");
}

/*
 * Which of them pays was measured on one CPU of each kind, in bytes a second
 * against one message alone: on AMD Zen 5 four SHA-NI messages at once gained
 * 1.8 times and sixteen AVX-512 lanes 2.3; on Intel Ice Lake two SHA-NI
 * messages gained nothing, four lost a fifth, and the lanes gained 2.5. The
 * vendor stands for that difference; newer Intel cores were not measured.
 * `sixteen_from` is where the lanes in use break even by these figures.
 */
static const dv_sha256_kernels ni = { .name = "sha-ni", .one = ni_one };
static const dv_sha256_kernels ni_pairs = {
	.name = "sha-ni-pairs",
	.one = ni_one,
	.two = ni_two,
	.four = ni_four,
	.two_as_one = true,
};
static const dv_sha256_kernels wide = {
	.name = "avx512",
	.one = vl_one,
	.sixteen = wide_sixteen,
	.sixteen_from = 7,
};
static const dv_sha256_kernels wide_pairs = {
	.name = "avx512-pairs",
	.one = ni_one,
	.two = ni_two,
	.four = ni_four,
	.sixteen = wide_sixteen,
	.sixteen_from = 12,
	.two_as_one = true,
};

size_t dv_sha256_x86(const dv_sha256_kernels *out[DV_SHA256_X86_MAX])
{
	bool amd, avx512;
	size_t n = 0;

	__builtin_cpu_init();
	if (!has_sha_extensions())
		return 0;
	amd = __builtin_cpu_is("amd");
	avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		 __builtin_cpu_supports("avx512vl");
	if (avx512) {
		out[n++] = amd ? &wide_pairs : &wide;
		out[n++] = amd ? &wide : &wide_pairs;
	}
	out[n++] = amd ? &ni_pairs : &ni;
	out[n++] = amd ? &ni : &ni_pairs;
	return n;
}

#else
typedef int dv_sha256_x86_is_for_x86_only;
#endif
