/* SPDX-License-Identifier: Apache-2.0 */
/* Log entries: the frozen bytes, both ways, refusals, and what they add up to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/sha256.h"
#include "store/log.h"

static dv_oid id_of(uint8_t i)
{
	dv_oid id;

	dv_sha256(&id, &i, 1);
	return id;
}

static void make(dv_log_entry *e, enum dv_log_kind kind)
{
	dv_oid id;

	*e = (dv_log_entry){ .kind = kind, .base = 41 };
	for (int i = 0; i < 16; i++)
		e->nonce[i] = (uint8_t)i;
	id = id_of(1);
	assert_int_equal(dv_log_add_pack(e, &id, 268, DV_CONTAINER_PACK), 0);
	id = id_of(2);
	assert_int_equal(dv_log_add_pack(e, &id, 5000000000, DV_CONTAINER_FILE), 0);
	id = id_of(3);
	assert_int_equal(dv_log_add_segment(e, &id), 0);
	id = id_of(4);
	assert_int_equal(dv_log_drop_segment(e, &id), 0);
	id = id_of(5);
	assert_int_equal(dv_log_add_root(e, &id, true, "a \"b\"\\\n", "p", "c0ffee"), 0);
	id = id_of(6);
	assert_int_equal(dv_log_add_root(e, &id, false, NULL, NULL, NULL), 0);
}

static void hex_is(const dv_buf *b, const char *want)
{
	char hex[DV_OID_HEX_SIZE + 1];
	dv_oid id;

	dv_sha256(&id, b->p, b->n);
	dv_oid_hex(hex, &id);
	assert_string_equal(hex, want);
}

static void test_vectors(void **state)
{
	static const char *const want[] = {
		"46dfbde4237afadecdabb62e457dc1cacfc54b9d1a115c991e86e3316e5c1566",
		"15313750149dc92e170b5e8e3ab249c85133c8caea05655e08ba01d65d24312e",
		"cdd5b4d2f122343e958a5eeb73785bff2c3bcb7bc23734346250d8153eb18291",
	};

	(void)state;
	for (int kind = DV_LOG_COMMIT; kind <= DV_LOG_CHECKPOINT; kind++) {
		dv_auto(dv_log_entry) e = DV_LOG_ENTRY_INIT;
		dv_auto(dv_log_entry) back = DV_LOG_ENTRY_INIT;
		dv_auto(dv_buf) text = DV_BUF_INIT;
		dv_auto(dv_buf) again = DV_BUF_INIT;

		make(&e, (enum dv_log_kind)kind);
		assert_int_equal(dv_log_entry_write(&text, &e), 0);
		assert_int_equal(dv_log_entry_parse(&back, text.p, text.n), 0);
		assert_int_equal(dv_log_entry_write(&again, &back), 0);
		assert_string_equal(text.p, again.p);
		hex_is(&text, want[kind - 1]);
		for (size_t n = 0; n + 2 < text.n; n++) {
			dv_log_entry cut;

			assert_int_equal(dv_log_entry_parse(&cut, text.p, n), DV_ECORRUPT);
		}
	}
}

#define FRAME "{\"base\":0,\"format\":1,\"nonce\":\"00000000000000000000000000000000\","

static void test_refusals(void **state)
{
	static const char *const bad[] = {
		"[]",
		"{}",
		FRAME "\"kind\":\"x\"}",
		FRAME "\"kind\":\"commit\",\"packs\":{}}",
		FRAME "\"kind\":\"commit\",\"packs\":[1]}",
		FRAME "\"kind\":\"commit\",\"packs\":[{\"id\":\"00\",\"size\":1}]}",
		FRAME "\"kind\":\"commit\",\"segments\":{\"add\":[\"0\"]}}",
		FRAME "\"kind\":\"commit\",\"roots\":[{\"oid\":3}]}",
		FRAME "\"kind\":\"commit\"} x",
	};
	dv_log_entry e;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(dv_log_entry_parse(&e, bad[i], strlen(bad[i])), DV_ECORRUPT);
	assert_int_equal(dv_log_entry_parse(&e, "{\"format\":2}", 12), DV_ERROR);
	/* What is not known is not used. */
	static const char more[] = FRAME "\"kind\":\"commit\",\"later\":[{}]}";
	assert_int_equal(dv_log_entry_parse(&e, more, strlen(more)), 0);
	dv_log_entry_release(&e);
}

static void test_names(void **state)
{
	char name[DV_LOG_NAME_LEN + 1];

	(void)state;
	dv_log_name(name, 42);
	assert_string_equal(name, "000000000042");
	assert_int_equal(dv_log_number(name), 42);
	assert_int_equal(dv_log_number("000000000000"), 0);
	assert_int_equal(dv_log_number("00000000004"), 0);
	assert_int_equal(dv_log_number("0000000000042"), 0);
	assert_int_equal(dv_log_number(".dv-tmp-0000"), 0);
	assert_int_equal(dv_log_number("-00000000042"), 0);
}

static void test_replay(void **state)
{
	dv_auto(dv_log_state) s = DV_LOG_STATE_INIT;
	dv_auto(dv_log_state) t = DV_LOG_STATE_INIT;
	dv_auto(dv_log_entry) commit = DV_LOG_ENTRY_INIT;
	dv_auto(dv_log_entry) condemn = DV_LOG_ENTRY_INIT;
	dv_auto(dv_log_entry) check = DV_LOG_ENTRY_INIT;
	dv_oid one = id_of(1), two = id_of(2), root = id_of(5);
	dv_oid file = dv_container_key(DV_CONTAINER_FILE, &two);
	uint64_t at;

	(void)state;
	make(&commit, DV_LOG_COMMIT);
	assert_int_equal(dv_log_apply(&s, 2, &commit), DV_ECORRUPT);
	assert_int_equal(dv_log_apply(&s, 1, &commit), 0);
	assert_int_equal(s.ncontainers, 2);
	assert_int_equal(s.nsegments, 1);
	assert_true(dv_map_has(&s.roots, &root));
	condemn.kind = DV_LOG_CONDEMN;
	assert_int_equal(dv_log_add_pack(&condemn, &one, 0, 0), 0);
	assert_int_equal(dv_log_apply(&s, 2, &condemn), 0);
	assert_int_equal(s.ncontainers, 1);
	assert_false(dv_map_has(&s.packs, &one));
	assert_true(dv_map_has(&s.condemned, &one));
	assert_false(dv_map_has(&s.roots, &root));
	assert_true(dv_map_get(&s.packs, &file, &at));
	assert_true(dv_oid_eq(&s.containers[at].id, &two));
	assert_int_equal(dv_log_checkpoint(&check, &s), 0);
	assert_int_equal(dv_log_apply(&t, 3, &check), 0);
	assert_int_equal(t.head, 3);
	assert_int_equal(t.checkpoint, 3);
	assert_int_equal(t.ncontainers, 1);
	assert_int_equal(t.nsegments, 1);
	assert_true(dv_map_has(&t.condemned, &one));
	assert_true(dv_map_has(&t.packs, &file));
	assert_int_equal(dv_log_apply(&t, 3, &commit), DV_ECORRUPT);
}

/* A file that is a pack, byte for byte, beside that pack: each comes and goes for itself. */
static void test_same_id(void **state)
{
	dv_oid id = id_of(1);

	(void)state;
	for (uint8_t gone = 0; gone < 2; gone++) {
		dv_auto(dv_log_state) s = DV_LOG_STATE_INIT;
		dv_auto(dv_log_state) t = DV_LOG_STATE_INIT;
		dv_auto(dv_log_entry) commit = { .kind = DV_LOG_COMMIT };
		dv_auto(dv_log_entry) condemn = { .kind = DV_LOG_CONDEMN };
		dv_auto(dv_log_entry) back = DV_LOG_ENTRY_INIT;
		dv_auto(dv_log_entry) check = DV_LOG_ENTRY_INIT;
		dv_auto(dv_buf) text = DV_BUF_INIT;

		assert_int_equal(dv_log_add_pack(&commit, &id, 268, DV_CONTAINER_PACK), 0);
		assert_int_equal(dv_log_add_pack(&commit, &id, 268, DV_CONTAINER_FILE), 0);
		assert_int_equal(dv_log_apply(&s, 1, &commit), 0);
		assert_int_equal(s.ncontainers, 2);
		assert_int_equal(dv_log_add_pack(&condemn, &id, 0, gone), 0);
		assert_int_equal(dv_log_entry_write(&text, &condemn), 0);
		assert_int_equal(dv_log_entry_parse(&back, text.p, text.n), 0);
		assert_int_equal(dv_log_apply(&s, 2, &back), 0);
		assert_int_equal(s.ncontainers, 1);
		assert_int_equal(s.containers[0].kind, !gone);
		assert_int_equal(dv_log_checkpoint(&check, &s), 0);
		assert_int_equal(dv_log_apply(&t, 3, &check), 0);
		assert_int_equal(t.ncontainers, 1);
		assert_int_equal(t.containers[0].kind, !gone);
	}
}

/* An id alone was once written for a file, too. */
static void test_condemned_of_old(void **state)
{
	dv_auto(dv_log_state) s = DV_LOG_STATE_INIT;
	dv_auto(dv_log_entry) commit = { .kind = DV_LOG_COMMIT };
	dv_auto(dv_log_entry) condemn = { .kind = DV_LOG_CONDEMN };
	dv_oid id = id_of(1);

	(void)state;
	assert_int_equal(dv_log_add_pack(&commit, &id, 268, DV_CONTAINER_FILE), 0);
	assert_int_equal(dv_log_apply(&s, 1, &commit), 0);
	assert_int_equal(dv_log_add_pack(&condemn, &id, 0, DV_CONTAINER_PACK), 0);
	assert_int_equal(dv_log_apply(&s, 2, &condemn), 0);
	assert_int_equal(s.ncontainers, 0);
}

/* A digit that turned into another on its way makes no other entry of it. */
static void test_spoilt(void **state)
{
	dv_auto(dv_log_entry) commit = { .kind = DV_LOG_COMMIT, .base = 41 };
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_oid id = id_of(1), root = id_of(2);

	(void)state;
	assert_int_equal(dv_log_add_pack(&commit, &id, 268, DV_CONTAINER_PACK), 0);
	assert_int_equal(dv_log_add_segment(&commit, &id), 0);
	assert_int_equal(dv_log_add_root(&commit, &root, true, "data", NULL, NULL), 0);
	assert_int_equal(dv_log_entry_write(&text, &commit), 0);
	for (size_t i = 0; i < text.n * 8; i++) {
		dv_auto(dv_log_entry) e = DV_LOG_ENTRY_INIT;

		text.p[i / 8] ^= 1 << i % 8;
		int rc = dv_log_entry_parse(&e, text.p, text.n);
		text.p[i / 8] ^= 1 << i % 8;
		/* The name of the sum is all that may change: then nothing else has. */
		if (rc == 0)
			assert_true(i / 8 > text.n - 75 && i / 8 < text.n - 66);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_same_id),
		cmocka_unit_test(test_condemned_of_old),
		cmocka_unit_test(test_spoilt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
