/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FIND: what a finder answers from the segments of a store, taken apart again; requests and answers
 * that nobody should send.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/path.h"
#include "transfer/find.h"
#include "transfer/remote_driver.h"

#define MAX ((size_t)1 << 20)

static char top[] = "/tmp/dv-test-find-XXXXXX";

static void ok(int rc)
{
	if (rc)
		fail_msg("%d: %s", rc, dv_error_last()->message);
}

/* Ids in order: number i begins with its bytes. */
static dv_oid id_of(uint32_t i)
{
	dv_oid id = { .b = { (uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8),
			     (uint8_t)i, 1 } };

	return id;
}

/* A segment with the chunks first, first + step … below end, in a pack that `mark` names; every
 * third one is a recipe. Its name. */
static dv_oid put_segment(uint32_t first, uint32_t step, uint32_t end, uint8_t mark)
{
	dv_autoptr(dv_segment_builder) b = NULL;
	dv_auto(dv_buf) out = DV_BUF_INIT, path = DV_BUF_INIT;
	dv_container c = { .id.b = { mark }, .size = 1 << 30 };
	char hex[DV_OID_HEX_SIZE + 1];
	dv_oid name;

	ok(dv_segment_builder_new(&b));
	for (uint32_t i = first; i < end; i += step) {
		dv_pack_entry e = { .id = id_of(i), .offset = 32 + 100 * (uint64_t)i, .stored = 50,
				    .raw = 50, .kind = i % 3 ? DV_KIND_CHUNK : DV_KIND_RECIPE };

		ok(dv_segment_builder_add(b, &c, &(dv_pack_footer){ .e = &e, .n = 1 }));
	}
	ok(dv_segment_builder_finish(b, &out, &name));
	dv_oid_hex(hex, &name);
	ok(dv_buf_addf(&path, "%s/index/%s", top, hex));
	dv_autoclose int fd = dv_fs_openat(AT_FDCWD, dv_buf_str(&path), O_WRONLY | O_CREAT, 0644);
	assert_true(fd >= 0);
	assert_int_equal(dv_fs_write_all(fd, out.p, out.n), 0);
	return name;
}

/* Asks for entries 0 … n-1; the answer, or the finder's failure. */
static int ask(dv_finder *f, const dv_oid *segs, size_t nsegs, const dv_question *q, size_t n,
	       dv_buf *out)
{
	dv_auto(dv_buf) request = DV_BUF_INIT;

	ok(dv_find_request(&request, segs, nsegs, q, n));
	dv_buf_clear(out);
	return dv_finder_answer(f, (const uint8_t *)request.p, request.n, MAX, out);
}

static dv_question *questions(uint32_t n)
{
	dv_question *q = dv_calloc(n, sizeof *q);

	assert_non_null(q);
	for (uint32_t i = 0; i < n; i++)
		q[i] = (dv_question){ id_of(i), i % 3 ? DV_KIND_CHUNK : DV_KIND_RECIPE };
	return q;
}

/* What came: for each question a bit for each segment. */
typedef struct got {
	uint8_t seen[40000];
	uint32_t base;
} got;

static int row(size_t i, size_t q, const dv_place *at, void *payload)
{
	got *g = payload;

	q += g->base;
	assert_int_equal(at->in.id.b[0], i + 1);
	assert_int_equal(at->offset, 32 + 100 * q);
	assert_false(g->seen[q] & 1u << i);
	g->seen[q] |= (uint8_t)(1u << i);
	return 0;
}

/* Many questions to three segments, in as many answers as it takes. */
static void test_rows(void **state)
{
	const dv_oid segs[] = { put_segment(0, 1, 30000, 1), put_segment(0, 2, 30000, 2),
				put_segment(50000, 1, 50003, 3) };
	const uint32_t n = 40000;
	dv_autofree dv_question *q = questions(n);
	dv_autofree got *g = dv_calloc(1, sizeof *g);
	dv_auto(dv_buf) answer = DV_BUF_INIT;
	dv_found_segment are[3];
	dv_finder *f;
	int answers = 0;

	(void)state;
	ok(dv_finder_new(&f, top));
	while (g->base < n) {
		/* As many as fit into a request. */
		size_t left = n - g->base < 30000 ? n - g->base : 30000;
		dv_found found = { .q = q + g->base, .n = left, .nsegments = 3, .row = row,
				   .payload = g, .segments = are };

		ok(ask(f, segs, 3, q + g->base, left, &answer));
		assert_true(answer.n <= MAX);
		ok(dv_find_answer(&found, (const uint8_t *)answer.p, answer.n));
		assert_false(found.wait);
		g->base += (uint32_t)found.done;
		answers++;
	}
	assert_true(answers > 1);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(g->seen[i], i >= 30000 ? 0 : i % 2 ? 1 : 3);
	assert_int_equal(are[0].entries, 30000);
	assert_int_equal(are[2].entries, 3);
	assert_true(are[0].size > 56 * 30000);
	dv_finder_free(f);
}

/* No questions: what the segments are like. A kind of no entry is not found. */
static void test_none(void **state)
{
	const dv_oid seg = put_segment(1, 1, 3, 1);
	const dv_question odd = { id_of(1), 77 };
	dv_auto(dv_buf) answer = DV_BUF_INIT;
	dv_found_segment is;
	dv_finder *f;

	(void)state;
	ok(dv_finder_new(&f, top));
	ok(ask(f, &seg, 1, NULL, 0, &answer));
	dv_found found = { .nsegments = 1, .segments = &is };
	ok(dv_find_answer(&found, (const uint8_t *)answer.p, answer.n));
	assert_int_equal(is.entries, 2);
	ok(ask(f, &seg, 1, &odd, 1, &answer));
	found = (dv_found){ .q = &odd, .n = 1, .nsegments = 1, .row = row };
	ok(dv_find_answer(&found, (const uint8_t *)answer.p, answer.n));
	assert_int_equal(found.done, 1);
	dv_finder_free(f);
}

static void test_bad_requests(void **state)
{
	const dv_oid seg = put_segment(1, 1, 3, 1), none = id_of(9);
	const dv_question q[] = { { id_of(2), 1 }, { id_of(1), 1 }, { id_of(1), 1 } };
	dv_auto(dv_buf) out = DV_BUF_INIT, request = DV_BUF_INIT;
	dv_finder *f;

	(void)state;
	ok(dv_finder_new(&f, top));
	assert_int_equal(ask(f, &none, 1, q, 1, &out), DV_ENOTFOUND);
	assert_int_equal(ask(f, &seg, 1, q, 2, &out), DV_EUSAGE);
	assert_int_equal(ask(f, &seg, 1, q + 1, 2, &out), DV_EUSAGE);
	ok(dv_find_request(&request, &seg, 1, q, 1));
	for (size_t n = 0; n < request.n; n++)
		if (n != 36)
			assert_int_equal(dv_finder_answer(f, (const uint8_t *)request.p, n, MAX,
							  &out), DV_EUSAGE);
	request.p[0] = 1;
	assert_int_equal(dv_finder_answer(f, (const uint8_t *)request.p, request.n, MAX, &out),
			 DV_EUSAGE);
	dv_finder_free(f);
}

/* A segment whose bytes are not those of its name answers nothing. */
static void test_damage(void **state)
{
	const dv_oid seg = put_segment(1, 1, 300, 9);
	const dv_question q = { id_of(1), 1 };
	dv_auto(dv_buf) out = DV_BUF_INIT, path = DV_BUF_INIT;
	char hex[DV_OID_HEX_SIZE + 1];
	dv_finder *f;

	(void)state;
	dv_oid_hex(hex, &seg);
	ok(dv_buf_addf(&path, "%s/index/%s", top, hex));
	dv_autoclose int fd = dv_fs_openat(AT_FDCWD, dv_buf_str(&path), O_WRONLY, 0);
	assert_int_equal(dv_fs_pwrite_all(fd, "\1", 1, 1000), 0);
	ok(dv_finder_new(&f, top));
	for (int i = 0; i < 2; i++)
		assert_int_equal(ask(f, &seg, 1, &q, 1, &out), DV_ECORRUPT);
	dv_finder_free(f);
}

/* Every answer that is cut short, or longer, is refused; and rows that were not asked for. */
static void test_bad_answers(void **state)
{
	const dv_oid segs[] = { put_segment(1, 1, 300, 1), put_segment(2, 2, 300, 2) };
	dv_autofree dv_question *q = questions(20);
	dv_auto(dv_buf) out = DV_BUF_INIT;
	dv_finder *f;

	(void)state;
	ok(dv_finder_new(&f, top));
	ok(ask(f, segs, 2, q, 20, &out));
	dv_found found = { .q = q, .n = 20, .nsegments = 2 };
	ok(dv_find_answer(&found, (const uint8_t *)out.p, out.n));
	for (size_t n = 0; n < out.n; n++) {
		/* A copy, so that reading on would be seen. */
		dv_autofree uint8_t *p = dv_malloc(n + 1);

		memcpy(p, out.p, n);
		assert_int_equal(dv_find_answer(&found, p, n), DV_ERROR);
	}
	found.n = 19;
	assert_int_equal(dv_find_answer(&found, (const uint8_t *)out.p, out.n), DV_ERROR);
	found = (dv_found){ .q = q + 1, .n = 20, .nsegments = 2 };
	q[19] = q[18];
	found.q = q;
	assert_int_equal(dv_find_answer(&found, (const uint8_t *)out.p, out.n), DV_ERROR);
	ok(dv_buf_addc(&out, 'x'));
	q[19] = (dv_question){ id_of(19), DV_KIND_CHUNK };
	assert_int_equal(dv_find_answer(&found, (const uint8_t *)out.p, out.n), DV_ERROR);
	dv_finder_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_bad_answers),
	};
	dv_autofree char *index = NULL;

	if (!mkdtemp(top) || !(index = dv_path_join(top, "index")) || dv_fs_mkdirs(index))
		return 1;
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	if (dv_fs_remove_tree(top))
		return 1;
	return rc;
}
