/* SPDX-License-Identifier: Apache-2.0 */
/* Index segments: the frozen bytes, lookups, merging, and damage that must stay inside the map. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/sha256.h"
#include "store/segment.h"

static dv_oid id_of(uint32_t i)
{
	uint8_t b[4];
	dv_oid id;

	dv_put_u32(b, i);
	dv_sha256(&id, b, 4);
	return id;
}

/* Chunks [from, to), one after another, in a container named after `name`. */
static dv_container add(dv_segment_builder *b, uint32_t name, uint32_t from, uint32_t to)
{
	dv_container c = { .id = id_of(name), .size = 1000000000 };
	dv_auto(dv_pack_footer) f = DV_PACK_FOOTER_INIT;

	f.e = calloc(to - from + 1, sizeof(*f.e));
	f.n = to - from;
	for (uint32_t i = from; i < to; i++)
		f.e[i - from] = (dv_pack_entry){ .id = id_of(i), .offset = 32 + 10 * (uint64_t)i,
						 .stored = 10, .raw = 20, .codec = DV_CODEC_ZSTD,
						 .kind = (uint8_t)(1 + i % 2) };
	assert_int_equal(dv_segment_builder_add(b, &c, &f), 0);
	return c;
}

static void test_vector(void **state)
{
	dv_autoptr(dv_segment_builder) b = NULL;
	dv_auto(dv_buf) out = DV_BUF_INIT;
	char hex[DV_OID_HEX_SIZE + 1];
	dv_oid name;

	(void)state;
	assert_int_equal(dv_segment_builder_new(&b), 0);
	add(b, 1000, 0, 3);
	assert_int_equal(dv_segment_builder_finish(b, &out, &name), 0);
	assert_int_equal(out.n, 32 + 48 + 8 + 3 * 56);
	dv_oid_hex(hex, &name);
	assert_string_equal(hex, "7d8fa8637d97b67b10c52ad6719e74a2d9b8e9c27f54fc0dd89c23e43d411368");
}

static void test_find(void **state)
{
	static const uint32_t sizes[] = { 0, 1, 2, 7, 8, 9, 17, 1000, 20000 };

	(void)state;
	for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++) {
		dv_autoptr(dv_segment_builder) b = NULL;
		dv_autoptr(dv_segment) s = NULL;
		dv_auto(dv_buf) out = DV_BUF_INIT;
		dv_oid name, id;
		dv_place at;

		assert_int_equal(dv_segment_builder_new(&b), 0);
		add(b, 500000, 0, sizes[k]);
		assert_int_equal(dv_segment_builder_finish(b, &out, &name), 0);
		assert_int_equal(dv_segment_open_memory(&s, out.p, out.n), 0);
		assert_int_equal(dv_segment_count(s), sizes[k]);
		for (uint32_t i = 0; i < sizes[k]; i++) {
			id = id_of(i);
			assert_true(dv_segment_find(s, (uint8_t)(1 + i % 2), &id, &at));
			assert_int_equal(at.offset, 32 + 10 * (uint64_t)i);
			assert_false(dv_segment_find(s, (uint8_t)(2 - i % 2), &id, &at));
		}
		id = id_of(sizes[k]);
		assert_false(dv_segment_find(s, 1, &id, &at));
	}
}

static bool not_second(const dv_container *c, void *payload)
{
	return !dv_oid_eq(&c->id, payload);
}

/* Opens what was written to `fd`, whose name must be right. */
static dv_segment *open_written(int fd, const dv_oid *name, dv_buf *bytes)
{
	dv_segment *s = NULL;
	dv_oid real;

	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(dv_fs_read_fd(bytes, fd, "segment", 1 << 28), 0);
	dv_sha256(&real, bytes->p, bytes->n);
	assert_true(dv_oid_eq(&real, name));
	assert_int_equal(dv_segment_open_memory(&s, bytes->p, bytes->n), 0);
	return s;
}

/* What was added first stays; containers that are not kept go with their entries. */
static void test_merge(void **state)
{
	dv_autoptr(dv_segment_builder) a = NULL;
	dv_autoptr(dv_segment_builder) b = NULL;
	dv_autoptr(dv_segment) sa = NULL;
	dv_autoptr(dv_segment) sb = NULL;
	dv_auto(dv_buf) oa = DV_BUF_INIT;
	dv_auto(dv_buf) ob = DV_BUF_INIT;
	dv_autoclose int fd = memfd_create("segment", 0);
	dv_container first, second;
	dv_oid name, id = id_of(15);
	const dv_segment *with;
	dv_place at;

	(void)state;
	assert_int_equal(dv_segment_builder_new(&a), 0);
	assert_int_equal(dv_segment_builder_new(&b), 0);
	add(a, 1001, 10, 30);
	second = add(a, 1002, 30, 50);
	assert_int_equal(dv_segment_builder_finish(a, &oa, &name), 0);
	assert_int_equal(dv_segment_open_memory(&sa, oa.p, oa.n), 0);
	with = sa;
	first = add(b, 1003, 0, 20);
	assert_int_equal(dv_segment_builder_write(b, &with, 1, not_second, &second.id, fd, &name),
			 0);
	sb = open_written(fd, &name, &ob);
	assert_int_equal(dv_segment_count(sb), 30);
	assert_int_equal(dv_segment_containers(sb), 2);
	assert_true(dv_segment_find(sb, 2, &id, &at));
	assert_true(dv_oid_eq(&at.in.id, &first.id));
}

/* Entries that were moved to files are found there, and all of them come together at the end. */
static void test_spill(void **state)
{
	dv_autoptr(dv_segment_builder) b = NULL;
	dv_autoptr(dv_segment) s = NULL;
	dv_auto(dv_buf) bytes = DV_BUF_INIT;
	dv_autoclose int fd = memfd_create("segment", 0);
	const uint32_t n = (uint32_t)DV_SEGMENT_SPILL + 5;
	const dv_segment *out;
	dv_oid name, id;
	dv_place at;

	(void)state;
	assert_int_equal(dv_segment_builder_new(&b), 0);
	add(b, 5000000, 0, 10);
	assert_int_equal(dv_segment_builder_spill(b, "test-segment", &out), 0);
	assert_null(out);
	add(b, 5000001, 10, n);
	assert_int_equal(dv_segment_builder_spill(b, "test-segment", &out), 0);
	assert_non_null(out);
	assert_int_equal(dv_segment_count(out), n);
	add(b, 5000002, n - 2, n + 7);
	assert_int_equal(dv_segment_builder_count(b), n + 9);
	id = id_of(20);
	assert_true(dv_segment_builder_spilled(b, 1, &id, &at));
	assert_int_equal(at.offset, 32 + 200);
	id = id_of(n + 1);
	assert_false(dv_segment_builder_spilled(b, (uint8_t)(1 + (n + 1) % 2), &id, &at));
	assert_int_equal(dv_segment_builder_write(b, NULL, 0, NULL, NULL, fd, &name), 0);
	s = open_written(fd, &name, &bytes);
	assert_int_equal(dv_segment_count(s), n + 7);
	assert_int_equal(dv_segment_containers(s), 3);
	for (uint32_t i = 0; i < n + 7; i += 97) {
		id = id_of(i);
		assert_true(dv_segment_find(s, (uint8_t)(1 + i % 2), &id, &at));
		assert_int_equal(at.offset, 32 + 10 * (uint64_t)i);
	}
}

/* Lookups in a segment with any byte changed, or cut short: no crash, no place outside. */
static void test_damage(void **state)
{
	dv_autoptr(dv_segment_builder) b = NULL;
	dv_auto(dv_buf) out = DV_BUF_INIT;
	dv_oid name;

	(void)state;
	assert_int_equal(dv_segment_builder_new(&b), 0);
	add(b, 1000, 0, 40);
	assert_int_equal(dv_segment_builder_finish(b, &out, &name), 0);
	for (size_t i = 0; i < out.n; i++) {
		dv_autoptr(dv_segment) s = NULL;

		out.p[i] = (char)(out.p[i] ^ 0x81);
		for (uint32_t k = 0; dv_segment_open_memory(&s, out.p, out.n) == 0 && k < 40; k++) {
			dv_oid id = id_of(k);
			dv_place at;

			if (dv_segment_find(s, (uint8_t)(1 + k % 2), &id, &at))
				assert_true(at.offset + at.stored <= at.in.size);
			dv_segment_free(dv_steal(&s));
		}
		out.p[i] = (char)(out.p[i] ^ 0x81);
	}
	for (size_t n = 0; n < out.n; n++) {
		dv_segment *s;

		assert_int_equal(dv_segment_open_memory(&s, out.p, n), DV_ECORRUPT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vector),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_spill),
		cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
