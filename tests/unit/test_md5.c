/* SPDX-License-Identifier: Apache-2.0 */
/* MD5 as DVC makes it; the digests are those of its own code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/md5.h"

#define M ((size_t)1 << 20)

/* Lines of text with CRLF, `n` bytes. */
static void add_text(dv_buf *b, size_t n)
{
	size_t end = b->n + n;

	for (unsigned i = 0; b->n < end; i++)
		dv_buf_addf(b, "line %u of text\r\n", i);
	b->n = end;
}

static void add_binary(dv_buf *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dv_buf_addc(b, (char)((i * 7 + 3) & 0xff));
}

/* One of the digests is `want`, however the bytes come. */
static void check(const void *p, size_t n, const char *want)
{
	static const size_t steps[] = { 1, 511, 4096, M - 1, SIZE_MAX };

	for (size_t s = n > 4096 ? 1 : 0; s < sizeof steps / sizeof *steps; s++) {
		dv_autoptr(dv_md5_stream) m = NULL;
		dv_md5 sums[2];
		bool found = false;

		assert_int_equal(dv_md5_new(&m, true), 0);
		dv_md5_update(m, "rubbish\r\n", 9);
		dv_md5_begin(m);
		for (size_t at = 0; at < n;) {
			size_t k = n - at < steps[s] ? n - at : steps[s];

			dv_md5_update(m, (const char *)p + at, k);
			at += k;
		}
		int count = dv_md5_end(m, sums);

		assert_true(count > 0);
		for (int i = 0; i < count; i++) {
			char hex[DV_MD5_HEX + 1];

			dv_md5_hex(hex, &sums[i]);
			found |= !strcmp(hex, want);
		}
		assert_true(found);
	}
}

static void small(void **state)
{
	(void)state;
	check("", 0, "d41d8cd98f00b204e9800998ecf8427e");
	check("a\r\nb\r\n", 6, "dd8c6a395b5dd36c56d23275028f526c");
	check("a\r", 2, "1acf82be6284b470636b4c3aee954254");
	check("a\rb\n\r\n\r", 7, "7cac26aba767a592243df4a0f24ed663");
	check("\0a\r\nb", 5, "1fdb1911aa51d561efaf8856edb9e8e9");
}

static void at_the_look(void **state)
{
	char text[535];

	(void)state;
	memset(text, 'x', 511);
	memcpy(text + 511, "\r\n", 2);
	check(text, 513, "e58b3f23547418a6f237e460ceb3c3f6");
	memset(text + 513, 'y', 20);
	memcpy(text + 533, "\r\n", 2);
	check(text, 535, "4e4ca5c59568626704c7e3ba0eb11a19");
}

static void over_blocks(void **state)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	(void)state;
	add_text(&b, M - 1);
	for (size_t i = 0; i < b.n; i++)
		if (b.p[i] == '\r' || b.p[i] == '\n')
			b.p[i] = ' ';
	dv_buf_adds(&b, "\r\ntail\r\n");
	check(b.p, b.n, "0545a3afed160a8b241f0c5cb2cbfb3b");
	dv_buf_clear(&b);
	add_text(&b, 3 * M + 17);
	check(b.p, b.n, "8e2f5aef404219bc97d18c7c47f361c9");
}

static void blocks_of_two_kinds(void **state)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	(void)state;
	add_text(&b, M);
	add_binary(&b, M - 2);
	dv_buf_adds(&b, "\r\n");
	add_text(&b, 1000);
	check(b.p, b.n, "fe0f8753f28352816381a8a0340e4318");
	check(b.p, b.n, "9ad5a3725a547d4441da0a739fef157e");
}

static void plain(void **state)
{
	char hex[DV_MD5_HEX + 1];
	dv_md5 md5;

	(void)state;
	assert_int_equal(dv_md5_of(&md5, "abc", 3), 0);
	dv_md5_hex(hex, &md5);
	assert_string_equal(hex, "900150983cd24fb0d6963f7d28e17f72");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small),
		cmocka_unit_test(at_the_look),
		cmocka_unit_test(over_blocks),
		cmocka_unit_test(blocks_of_two_kinds),
		cmocka_unit_test(plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
