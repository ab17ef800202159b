/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a remote's log: how few requests it takes, with a mirror and without, with a listing and
 * without, and that what is read adds up to the same.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "folder.h"

#include "base/path.h"
#include "base/sha256.h"
#include "transfer/internal.h"

static dv_log_state made;

/* Adds entry `number` to the remote in the folder "r": a commit with one root, or a checkpoint. */
static void add_entry(uint64_t number, bool checkpoint)
{
	dv_auto(dv_log_entry) e = { .kind = DV_LOG_COMMIT, .base = number - 1 };
	dv_auto(dv_buf) b = DV_BUF_INIT;
	char path[64];
	dv_oid oid;

	dv_sha256(&oid, &number, sizeof number);
	if (checkpoint)
		ok(dv_log_checkpoint(&e, &made));
	else
		ok(dv_log_add_root(&e, &oid, true, "data", NULL, NULL));
	e.base = number - 1;
	ok(dv_log_apply(&made, number, &e));
	ok(dv_log_entry_write(&b, &e));
	snprintf(path, sizeof path, "r/log/%012" PRIu64, number);
	ok(dv_fs_write_file(path, b.p, b.n, 0));
}

static dv_remote_store *open_it(const char *mirror, uint64_t *requests)
{
	char url[300], at[300];
	dv_remote_store *r = NULL;

	snprintf(url, sizeof url, "%s/r", root);
	snprintf(at, sizeof at, "%s/%s", root, mirror);
	ok(dv_remote_store_open(&r, &(dv_remote_options){
		.name = "r", .url = url, .mirror_dir = at, .jobs = 8 }));
	*requests = dv_remote_store_traffic(r).requests;
	return r;
}

static void check_state(const dv_remote_store *r)
{
	const dv_log_state *s = dv_remote_store_state(r);

	assert_int_equal(s->head, made.head);
	assert_int_equal(s->roots.n, made.roots.n);
}

/* Opens with that mirror; how many requests it took. */
static uint64_t requests(const char *mirror)
{
	uint64_t n;
	dv_autoptr(dv_remote_store) r = open_it(mirror, &n);

	check_state(r);
	return n;
}

static void test_requests(void **state)
{
	uint64_t n = 0;

	(void)state;
	made = (dv_log_state)DV_LOG_STATE_INIT;
	ok(dv_fs_mkdirs("r/log"));
	ok(dv_fs_write_file("r/dv-store.json", dv_store_description, strlen(dv_store_description),
			    0));
	while (n < 10)
		add_entry(++n, false);
	/* The description, a listing, ten entries. */
	assert_int_equal(requests("m"), 12);
	/* The last entry is the one we know, the description is there, and there is no next. */
	assert_int_equal(requests("m"), 3);
	add_entry(++n, false);
	assert_int_equal(requests("m"), 4);
	for (int i = 0; i < 20; i++)
		add_entry(++n, false);
	assert_int_equal(requests("m"), 2 + 3 + 1 + 17);
	while (n < 300)
		add_entry(++n, false);
	add_entry(++n, true);
	while (n < 1000)
		add_entry(++n, false);
	/* No checkpoint near: from the beginning. */
	uint64_t many = requests("all");
	assert_true(many > 1000);
	add_entry(++n, true);
	while (n < 1100)
		add_entry(++n, false);
	/* The longest entry is the checkpoint. */
	assert_int_equal(requests("late"), 3 + 1100 - 1001 + 1);
	assert_true(requests("m") < 120);
	dv_log_state_release(&made);
}

/* A driver that cannot list finds the end by doubling its steps. */
static void test_without_list(void **state)
{
	uint64_t n = 0, calls;

	(void)state;
	made = (dv_log_state)DV_LOG_STATE_INIT;
	ok(dv_fs_mkdirs("r/log"));
	ok(dv_fs_write_file("r/dv-store.json", dv_store_description, strlen(dv_store_description),
			    0));
	while (n < 40)
		add_entry(++n, false);
	dv_autoptr(dv_remote_store) r = open_it("m", &calls);
	r->r->caps &= ~(unsigned)DV_REMOTE_LIST;
	for (int i = 0; i < 100; i++)
		add_entry(++n, false);
	ok(dv_remote_store_refresh(r));
	check_state(r);
	dv_log_state_release(&made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(test_without_list, setup, teardown),
	};

	return cmocka_run_group_tests_name("remote log", tests, NULL, NULL);
}
