/* SPDX-License-Identifier: Apache-2.0 */
/* Run records: the vectors of docs/format.md, what must not get in, and what must not come out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "folder.h"

#include "base/clock.h"
#include "base/sha256.h"
#include "lineage/exchange.h"
#include "lineage/record.h"
#include "lineage/scrub.h"

#define OID_A "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define OID_B "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define UUID "01890a5d-ac96-774b-bcce-b302099a8057"

/* The first vector, as dv writes it without a context: only its own version is not fixed. */
#define VECTOR(version)                                                                            \
	"{\"cmd\":\"python train.py\",\"deps\":[{\"nfiles\":2,\"oid\":\"" OID_A "\","              \
	"\"path\":\"data/raw\","                                                                 \
	"\"size\":3}],\"dv\":\"" version "\",\"end\":1714564801500000,\"exit\":0,"    \
	"\"file\":\"dv.yaml\",\"kind\":\"run\",\"outs\":[{\"exec\":true,\"oid\":\"" OID_A "\","    \
	"\"path\":\"model\",\"size\":3},{\"path_hex\":\"6dff\"}],\"params\":{\"params.yaml\":"     \
	"{\"lr\":0.1,\"n\":3}},\"schema\":1,\"stage\":\"train\",\"start\":1714564800000000,"       \
	"\"state\":\"COMPLETE\",\"type\":\"stage\",\"uuid\":\"" UUID "\",\"wdir\":\".\"}"

static dv_oid oid_of(const char *text)
{
	dv_oid oid;

	assert_int_equal(0, dv_oid_parse(&oid, text + 7, 64));
	return oid;
}

static void prints_the_vector(void **state)
{
	dv_auto(dv_arena) a = DV_ARENA_INIT;
	dv_auto(dv_buf) out = DV_BUF_INIT;
	dv_value *cmd = dv_value_string(&a, "python train.py", NULL), *params = NULL;
	const char *yaml = "params.yaml: {lr: 0.1, n: 3}\n", *vector = VECTOR(DV_VERSION);

	(void)state;
	ok(dv_yaml_parse(&a, yaml, strlen(yaml), "p", &params));
	dv_run_path dep = { .path = "data/raw", .is_dir = true, .has_oid = true,
			    .oid = oid_of(OID_A), .size = 3, .nfiles = 2 };
	dv_run_path outs[] = {
		{ .path = "model", .isexec = true, .has_oid = true, .oid = oid_of(OID_A),
		  .size = 3 },
		{ .path = "m\xff" },
	};
	dv_run run = { .type = "stage", .uuid = UUID, .file = "dv.yaml", .stage = "train",
		       .wdir = ".", .cmd = cmd, .deps = &dep, .ndeps = 1, .outs = outs, .nouts = 2,
		       .params = params, .start_us = 1714564800000000, .end_us = 1714564801500000 };
	ok(dv_run_print(&out, NULL, &run));
	assert_string_equal(vector, dv_buf_str(&out));
}

static void reads_what_it_prints(void **state)
{
	dv_auto(dv_run_doc) d = DV_RUN_DOC_INIT;
	const char *vector = VECTOR("0.1.0");

	(void)state;
	dv_oid oid;
	dv_sha256(&oid, vector, strlen(vector));
	assert_true(dv_oid_eq(&oid, &(dv_oid){ { 0x54, 0x3b, 0x00, 0x73, 0x80, 0x56, 0x4a, 0x2c, 0x92,
		0xbc, 0x84, 0x63, 0xcf, 0x5c, 0x5b, 0xd5, 0x6b, 0x1a, 0x5a, 0xd1, 0xb4, 0x7c, 0x8b, 0xb8,
		0x7e, 0xc1, 0xbd, 0x92, 0xa7, 0xae, 0x0a, 0xf2 } }));
	ok(dv_run_doc_parse(&d, vector, strlen(vector)));
	assert_int_equal(DV_RUN_DOC_RUN, d.kind);
	assert_string_equal("train", d.run.stage);
	assert_string_equal("dv.yaml", d.run.file);
	assert_int_equal(1, d.run.ndeps);
	assert_true(d.run.deps[0].is_dir && d.run.deps[0].has_oid);
	assert_int_equal(2, d.run.deps[0].nfiles);
	assert_int_equal(2, d.run.nouts);
	assert_true(d.run.outs[0].isexec);
	assert_string_equal("m\xff", d.run.outs[1].path);
	assert_false(d.run.outs[1].has_oid);
	assert_int_equal(-1, d.dirty);
	assert_null(d.commit);
}

static void refuses_strange_records(void **state)
{
	static const char *const bad[] = {
		"", "{}", "[]", "null", "{\"schema\":1}", "{\"kind\":\"run\",\"schema\":2}",
		"{\"kind\":\"x\",\"schema\":1}", "{\"kind\":\"run\",\"schema\":1}",
		"{\"kind\":\"run\",\"schema\":1,\"type\":\"stage\",\"state\":\"DONE\",\"start\":1,"
		"\"end\":1}",
		"{\"kind\":\"run\",\"schema\":1,\"type\":\"stage\",\"state\":\"FAILED\",\"start\":"
		"\"1\",\"end\":1}",
		"{\"kind\":\"run\",\"schema\":1,\"type\":\"stage\",\"state\":\"FAILED\",\"start\":1,"
		"\"end\":1,\"deps\":[1]}",
		"{\"kind\":\"run\",\"schema\":1,\"type\":\"stage\",\"state\":\"FAILED\",\"start\":1,"
		"\"end\":1,\"deps\":[{\"path\":\"\"}]}",
		"{\"kind\":\"run\",\"schema\":1,\"type\":\"stage\",\"state\":\"FAILED\",\"start\":1,"
		"\"end\":1,\"outs\":[{\"path_hex\":\"0\"}]}",
		"{\"kind\":\"run\",\"schema\":1,\"type\":\"stage\",\"state\":\"FAILED\",\"start\":1,"
		"\"end\":1,\"outs\":[{\"path_hex\":\"00\"}]}",
		"{\"kind\":\"run\",\"schema\":1,\"type\":\"stage\",\"state\":\"FAILED\",\"start\":1,"
		"\"end\":1,\"log\":\"sha256:00\"}",
		"{\"kind\":\"run\",\"schema\":1,\"type\":\"stage\",\"state\":\"FAILED\",\"start\":1,"
		"\"end\":1,\"cmd\":{}}",
		"{\"kind\":\"run\",\"schema\":1,\"type\":\"stage\",\"state\":\"FAILED\",\"start\":1,"
		"\"end\":1,\"exit\":-1}",
		"{\"kind\":\"group\",\"schema\":1,\"type\":\"a\",\"time\":1}",
		"{\"kind\":\"group\",\"schema\":1,\"type\":\"a\",\"name\":\"b\",\"time\":1,"
		"\"runs\":[\"x\"]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		dv_auto(dv_run_doc) d = DV_RUN_DOC_INIT;
		int rc = dv_run_doc_parse(&d, bad[i], strlen(bad[i]));

		if (rc != DV_ECORRUPT && rc != DV_ERROR)
			fail_msg("took '%s'", bad[i]);
	}
}

static void keeps_secrets_out(void **state)
{
	static const char *const pairs[][2] = {
		{ "plain", "plain" },
		{ "curl https://ada:pw@example.org/x -o y", "curl https://***@example.org/x -o y" },
		{ "git clone https://ghp_1234@example.org/r", "git clone https://***@example.org/r" },
		{ "ssh://git@example.org/r", "ssh://git@example.org/r" },
		{ "sftp://ada:pw@example.org/r", "sftp://ada:***@example.org/r" },
		{ "get 'https://h/p?X-Amz-Signature=1&a=2' b", "get 'https://h/p?***' b" },
		{ "https://h/p?page=2", "https://h/p?page=2" },
		{ "https://h/a@b", "https://h/a@b" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		dv_auto(dv_buf) out = DV_BUF_INIT;

		ok(dv_scrub_text(&out, pairs[i][0]));
		assert_string_equal(pairs[i][1], dv_buf_str(&out));
	}
	assert_true(dv_scrub_is_secret("AWS_SECRET_ACCESS_KEY"));
	assert_true(dv_scrub_is_secret("db_password"));
	assert_false(dv_scrub_is_secret("CUDA_VISIBLE_DEVICES"));
}

static void hides_secrets_in_records(void **state)
{
	dv_auto(dv_arena) a = DV_ARENA_INIT;
	dv_auto(dv_buf) out = DV_BUF_INIT;
	const char *const env[] = { "MY_TOKEN", "PLAIN" };
	dv_value *cmd = dv_value_string(&a, "get http://u:hidden1@h/x", NULL);
	dv_run_path dep = { .path = "https://u:hidden2@h/x?k=hidden3" };
	dv_run run = { .type = "stage", .uuid = UUID, .cmd = cmd, .deps = &dep, .ndeps = 1,
		       .env = env, .nenv = 2 };

	(void)state;
	setenv("MY_TOKEN", "hidden4", 1);
	setenv("PLAIN", "seen", 1);
	ok(dv_run_print(&out, NULL, &run));
	assert_null(strstr(dv_buf_str(&out), "hidden"));
	assert_non_null(strstr(dv_buf_str(&out), "\"PLAIN\":\"seen\""));
}

static void makes_uuids(void **state)
{
	char a[DV_RUN_UUID], b[DV_RUN_UUID];

	(void)state;
	ok(dv_run_uuid(a, 1714564800000000));
	ok(dv_run_uuid(b, 1714564800000000));
	assert_int_equal(36, strlen(a));
	assert_memory_equal("018f3406-", a, 9);
	assert_int_equal('7', a[14]);
	assert_string_not_equal(a, b);
}

/* The events of the vector, as OpenLineage's readers get them. */
static void writes_events(void **state)
{
	dv_auto(dv_run_doc) d = DV_RUN_DOC_INIT;
	dv_auto(dv_buf) out = DV_BUF_INIT;
	const char *vector = VECTOR("0.1.0"), *nl;
	dv_oid oid = oid_of(OID_B);

	(void)state;
	ok(dv_run_doc_parse(&d, vector, strlen(vector)));
	ok(dv_openlineage_events(&out, "dv://p", &d, &oid));
	nl = strchr(dv_buf_str(&out), '\n');
	assert_non_null(nl);
	dv_autoptr(dv_json) start = NULL;
	dv_autoptr(dv_json) end = NULL;
	ok(dv_json_parse(&start, out.p, (size_t)(nl - out.p), 100000, 20, "event"));
	ok(dv_json_parse(&end, nl + 1, out.n - (size_t)(nl + 1 - out.p) - 1, 100000, 20, "event"));
	assert_string_equal("START", json_string_value(json_object_get(start, "eventType")));
	assert_string_equal("COMPLETE", json_string_value(json_object_get(end, "eventType")));
	assert_string_equal("2024-05-01T12:00:01.500000Z",
			    json_string_value(json_object_get(end, "eventTime")));
	assert_string_equal(UUID, json_string_value(json_object_get(json_object_get(end, "run"),
								    "runId")));
	assert_int_equal(1, json_array_size(json_object_get(end, "inputs")));
	assert_int_equal(2, json_array_size(json_object_get(end, "outputs")));
	assert_int_equal(0, json_array_size(json_object_get(start, "outputs")));
}

/* How many lines a file has, and whether all of them hold `text`. */
static size_t lines_with(const char *name, const char *text)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	size_t n = 0;

	ok(dv_fs_read_file(&b, name, 1 << 20));
	for (const char *p = dv_buf_str(&b), *nl; (nl = strchr(p, '\n')); p = nl + 1, n++)
		assert_non_null(memmem(p, (size_t)(nl - p), text, strlen(text)));
	return n;
}

/* A run of a stage recorded in a workspace; ms: how long that took. */
static void record_one(dv_oid *oid, int64_t *ms)
{
	dv_auto(dv_arena) a = DV_ARENA_INIT;
	dv_value *cmd = dv_value_string(&a, "true", NULL);
	dv_run run = { .type = "stage", .file = "dv.yaml", .stage = "s", .wdir = ".", .cmd = cmd,
		       .start_us = dv_clock_wall_us(), .end_us = dv_clock_wall_us() };
	dv_autoptr(dv_repo) r = NULL;
	dv_autoptr(dv_run_context) c = NULL;
	dv_autoptr(dv_writer) w = NULL;
	dv_store *s = NULL;

	ok(dv_repo_open(&r, NULL));
	ok(dv_repo_store(r, &s));
	ok(dv_writer_new(&w, s, 1));
	ok(dv_run_context_open(&c, r));
	ok(dv_run_record(c, w, &run, oid));
	ok(dv_writer_commit(w, NULL, 0));
	ok(dv_run_flush(c, true));
	*ms = dv_clock_wall_us();
	dv_run_context_free(dv_steal(&c));
	*ms = (dv_clock_wall_us() - *ms) / 1000;
}

static void tells_of_runs_as_they_happen(void **state)
{
	dv_autoptr(dv_repo) r = NULL;
	dv_oid oid;
	int64_t ms;

	(void)state;
	setenv("DV_CONFIG_SYSTEM", "/nonexistent", 1);
	setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
	setenv("OPENLINEAGE_NAMESPACE", "dv://here", 1);
	setenv("OPENLINEAGE_PARENT_ID", "air/dag.task/" UUID, 1);
	ok(dv_init(".", &(dv_init_options){ .no_scm = true }));
	ok(dv_repo_open(&r, NULL));
	ok(dv_config_set(r, DV_CONFIG_LOCAL, "lineage.openlineage", "events.jsonl"));
	record_one(&oid, &ms);
	assert_int_equal(2, lines_with("events.jsonl", "dv://here"));
	assert_int_equal(2, lines_with("events.jsonl", "\"runId\":\"" UUID "\""));
	assert_int_equal(2, lines_with("events.jsonl", "dag.task"));
	/* Nobody listens there: the run is recorded all the same, and soon. */
	ok(dv_config_unset(r, DV_CONFIG_LOCAL, "lineage.openlineage"));
	setenv("OPENLINEAGE_URL", "http://127.0.0.1:9", 1);
	record_one(&oid, &ms);
	assert_true(ms < 9000);
	setenv("OPENLINEAGE_DISABLED", "true", 1);
	record_one(&oid, &ms);
	assert_int_equal(3, lines_with(".dv/runs", "record "));
	unsetenv("OPENLINEAGE_URL");
	unsetenv("OPENLINEAGE_DISABLED");
	unsetenv("OPENLINEAGE_PARENT_ID");
	unsetenv("OPENLINEAGE_NAMESPACE");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(prints_the_vector, setup, teardown),
		cmocka_unit_test(reads_what_it_prints),
		cmocka_unit_test(refuses_strange_records),
		cmocka_unit_test(keeps_secrets_out),
		cmocka_unit_test(hides_secrets_in_records),
		cmocka_unit_test(makes_uuids),
		cmocka_unit_test(writes_events),
		cmocka_unit_test_setup_teardown(tells_of_runs_as_they_happen, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
