/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command tables keep their rules, and the parser keeps its promises.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dv.h>
#include <string.h>

#include "cli/opt.h"
#include "cli/out.h"
#include "cli/term.h"
#include "cli/utf8.h"

struct args {
	bool force, no_stage;
	int jobs;
	uint64_t length;
	const char *remote;
	dv_strlist revs;
};

static const dv_opt opts[] = {
	DV_OPT_FLAG('f', "force", struct args, force, "overwrite"),
	DV_OPT_FLAG(0, "no-stage", struct args, no_stage, "leave the index alone"),
	DV_OPT_INT('j', "jobs", struct args, jobs, "N", "threads"),
	DV_OPT_SIZE(0, "length", struct args, length, "BYTES", "how much"),
	DV_OPT_STR('r', "remote", struct args, remote, "NAME", "the remote"),
	DV_OPT_STRLIST(0, "rev", struct args, revs, "REV", "a revision"),
	DV_OPT_END,
};

static dv_opt_error err;
static int n, dashes;
static char *operands[16];

/* Parses words that end in NULL, with the table above and the global options. */
static int parse(struct args *a, dv_cli *cli, bool stop, const char *const *words)
{
	dv_opt_set sets[] = { { opts, a }, { dv_global_opts, cli } };
	int argc = 0;

	memset(a, 0, sizeof(*a));
	memset(cli, 0, sizeof(*cli));
	for (; words[argc]; argc++)
		operands[argc] = (char *)(uintptr_t)words[argc];
	operands[argc] = NULL;
	return dv_opt_parse(&n, &dashes, sets, 2, argc, operands, stop, &err);
}

#define PARSE(...) parse(&a, &cli, false, (const char *const[]){ __VA_ARGS__, NULL })
#define RELEASE() (dv_opt_release(opts, &a), dv_opt_release(dv_global_opts, &cli))

static void tables_are_right(void **state)
{
	(void)state;
	if (dv_cmd_check(dv_commands, &err))
		fail_msg("%s", err.message);
}

static void check_finds_faults(void **state)
{
	static const dv_opt twice[] = {
		DV_OPT_FLAG('f', "force", struct args, force, "overwrite"),
		DV_OPT_INT('f', "jobs", struct args, jobs, "N", "threads"),
		DV_OPT_END,
	};
	static const dv_opt global[] = {
		DV_OPT_FLAG('q', "fast", struct args, force, "hurry"),
		DV_OPT_END,
	};
	static const dv_opt helpless[] = {
		DV_OPT_FLAG('f', "force", struct args, force, ""),
		DV_OPT_END,
	};
	static const dv_opt *const bad[] = { twice, global, helpless };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		dv_cmd cmd = *dv_commands[0];
		const dv_cmd *list[] = { &cmd, NULL };

		assert_int_equal(dv_cmd_check(list, &err), DV_OK);
		cmd.opts = bad[i];
		cmd.args_size = sizeof(struct args);
		assert_int_equal(dv_cmd_check(list, &err), DV_ERROR);
		assert_true(err.message[0]);
		cmd.opts = opts;
		assert_int_equal(dv_cmd_check(list, &err), DV_OK);
		cmd.summary = NULL;
		assert_int_equal(dv_cmd_check(list, &err), DV_ERROR);
	}
}

static void options_anywhere(void **state)
{
	struct args a;
	dv_cli cli;

	(void)state;
	assert_int_equal(PARSE("one", "-fj4", "two", "--remote=far", "--rev", "a", "-", "--rev=b",
			       "-q", "--", "--force", "-x"),
			 DV_OK);
	assert_true(a.force && cli.quiet);
	assert_int_equal(a.jobs, 4);
	assert_string_equal(a.remote, "far");
	assert_int_equal(a.revs.len, 2);
	assert_string_equal(a.revs.items[0], "a");
	assert_string_equal(a.revs.items[1], "b");
	assert_int_equal(n, 5);
	assert_int_equal(dashes, 3);
	assert_string_equal(operands[0], "one");
	assert_string_equal(operands[2], "-");
	assert_string_equal(operands[3], "--force");
	assert_string_equal(operands[4], "-x");
	assert_null(operands[5]);
	RELEASE();

	assert_int_equal(PARSE("-rfar", "--length=3K"), DV_OK);
	assert_string_equal(a.remote, "far");
	assert_int_equal(a.length, 3072);
	assert_int_equal(n, 0);
	assert_int_equal(dashes, -1);
	assert_int_equal(PARSE("-r", "far", "-f", "--remote="), DV_OK);
	assert_string_equal(a.remote, "");
}

static void negation(void **state)
{
	struct args a;
	dv_cli cli;

	(void)state;
	assert_int_equal(PARSE("--force", "--no-force", "--no-stage"), DV_OK);
	assert_false(a.force);
	assert_true(a.no_stage);
	assert_int_equal(PARSE("--no-stage", "--stage"), DV_OK);
	assert_false(a.no_stage);
	assert_int_equal(PARSE("--no-jobs"), DV_EUSAGE);
}

static void stops_at_the_command(void **state)
{
	static const char *const words[] = { "-q", "-C", "x", "add", "--odd", NULL };
	struct args a;
	dv_cli cli;

	(void)state;
	assert_int_equal(parse(&a, &cli, true, words), DV_OK);
	assert_int_equal(n, 3);
	assert_string_equal(operands[n], "add");
	assert_string_equal(cli.dir.items[0], "x");
	RELEASE();
}

static void wrong_lines(void **state)
{
	struct args a;
	dv_cli cli;

	(void)state;
	assert_int_equal(PARSE("--forse"), DV_EUSAGE);
	assert_string_equal(err.message, "unknown option '--forse'");
	assert_string_equal(err.hint, "did you mean '--force'?");
	assert_int_equal(PARSE("--forc"), DV_EUSAGE);
	assert_int_equal(PARSE("--zzzzzzzz"), DV_EUSAGE);
	assert_string_equal(err.hint, "");
	assert_int_equal(PARSE("-fx"), DV_EUSAGE);
	assert_string_equal(err.message, "unknown option '-x'");
	assert_int_equal(PARSE("-f\xc3\xa4"), DV_EUSAGE);
	assert_int_equal(PARSE("--force=yes"), DV_EUSAGE);
	assert_int_equal(PARSE("--jobs"), DV_EUSAGE);
	assert_int_equal(PARSE("-j"), DV_EUSAGE);
	assert_int_equal(PARSE("-j", "4x"), DV_EUSAGE);
	assert_int_equal(PARSE("--jobs=-1"), DV_EUSAGE);
	assert_int_equal(PARSE("--length=1Q"), DV_EUSAGE);
	assert_int_equal(PARSE("---force"), DV_EUSAGE);
	assert_int_equal(PARSE("--=x"), DV_EUSAGE);
}

static void numbers(void **state)
{
	static const char *const bad[] = { "",	 " 1", "1 ", "+1", "-1", "0x1", "1.5",
					   "KB", "K",  "1KB", "1k1", "18446744073709551616",
					   "16777216T" };
	uint64_t v;
	int i;

	(void)state;
	for (size_t k = 0; k < sizeof(bad) / sizeof(*bad); k++) {
		assert_int_equal(dv_parse_size(&v, bad[k]), DV_EUSAGE);
		assert_int_equal(dv_parse_int(&i, bad[k]), DV_EUSAGE);
	}
	assert_int_equal(dv_parse_size(&v, "18446744073709551615"), DV_OK);
	assert_true(v == UINT64_MAX);
	assert_int_equal(dv_parse_size(&v, "2g"), DV_OK);
	assert_true(v == UINT64_C(2) << 30);
	assert_int_equal(dv_parse_int(&i, "2147483647"), DV_OK);
	assert_int_equal(dv_parse_int(&i, "2147483648"), DV_EUSAGE);
}

static void distances(void **state)
{
	char longest[65];

	(void)state;
	assert_int_equal(dv_opt_distance("", ""), 0);
	assert_int_equal(dv_opt_distance("psuh", "push"), 1);
	assert_int_equal(dv_opt_distance("push", "pull"), 2);
	assert_int_equal(dv_opt_distance("statsu", "status"), 1);
	assert_int_equal(dv_opt_distance("a", ""), 1);
	assert_int_equal(dv_opt_distance("kitten", "sitting"), 3);
	memset(longest, 'x', 64);
	longest[64] = 0;
	assert_true(dv_opt_distance(longest, "x") == SIZE_MAX);
	longest[63] = 0;
	assert_int_equal(dv_opt_distance(longest, "x"), 62);
	assert_string_equal(dv_cmd_nearest(dv_commands, "hlep"), "help");
	assert_null(dv_cmd_nearest(dv_commands, "frobnicate-it"));
}

static void quoting(void **state)
{
	static const char *const cases[][2] = {
		{ "a b.txt", "a b.txt" },
		{ "gr\xc3\xb6\xc3\x9f" "e", "gr\xc3\xb6\xc3\x9f" "e" },
		{ "", "\"\"" },
		{ "a\nb\t", "\"a\\nb\\t\"" },
		{ "\"q\\", "\"\\\"q\\\\\"" },
		{ "\x1b[31m", "\"\\033[31m\"" },
		{ "x\xff\xc3", "\"x\\377\\303\"" },
		{ "\xc2\x9b", "\"\\302\\233\"" },
		{ "\xe2\x80\xae", "\"\\342\\200\\256\"" },
		{ "\xed\xa0\x80\xc0\x80", "\"\\355\\240\\200\\300\\200\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		dv_cli_autofree char *q = dv_out_quote(cases[i][0]);

		assert_string_equal(q, cases[i][1]);
	}
	assert_int_equal(dv_utf8_valid("\xf4\x8f\xbf\xbf", 4), 4);
	assert_int_equal(dv_utf8_valid("\xf4\x90\x80\x80", 4), 0);
	assert_int_equal(dv_utf8_valid("\xe2\x82", 2), 0);
}

static void json_names(void **state)
{
	json_t *o = json_object();

	(void)state;
	dv_out_json_bytes(o, "path", "plain");
	assert_string_equal(json_string_value(json_object_get(o, "path")), "plain");
	assert_null(json_object_get(o, "path_hex"));
	dv_out_json_bytes(o, "path", "a\xff\n");
	assert_string_equal(json_string_value(json_object_get(o, "path")), "a\xef\xbf\xbd\n");
	assert_string_equal(json_string_value(json_object_get(o, "path_hex")), "61ff0a");
	dv_out_json_bytes(o, "old_path", NULL);
	assert_true(json_is_null(json_object_get(o, "old_path")));
	json_decref(o);
}

static void sizes(void **state)
{
	char b[DV_OUT_SIZE_MAX];

	(void)state;
	assert_string_equal(dv_out_size(b, 0), "0 B");
	assert_string_equal(dv_out_size(b, 999), "999 B");
	assert_string_equal(dv_out_size(b, 1000), "1.0 kB");
	assert_string_equal(dv_out_size(b, 1234567), "1.2 MB");
	assert_string_equal(dv_out_size(b, 999960), "1.0 MB");
	assert_string_equal(dv_out_size(b, UINT64_MAX), "18.4 EB");
}

static void progress_line(void **state)
{
	dv_progress p = { "push", 512000000, 1024000000, 3, 10 };
	char line[256];

	(void)state;
	dv_term_format(line, sizeof(line), &p, 51200000, 80);
	assert_string_equal(line,
			    "push  50%  512.0 MB of 1.0 GB  3 of 10 files  51.2 MB/s  0:10 left");
	dv_term_format(line, sizeof(line), &p, 51200000, 20);
	assert_true(strlen(line) < 20);
	p = (dv_progress){ "walk", 0, 0, 7, 0 };
	dv_term_format(line, sizeof(line), &p, 0, 80);
	assert_string_equal(line, "walk  7 files");
	p = (dv_progress){ NULL, UINT64_MAX, 1, UINT64_MAX, 1 };
	dv_term_format(line, sizeof(line), &p, 1e18, 80);
	assert_true(strlen(line) < 80);
}

static void exit_codes(void **state)
{
	(void)state;
	assert_int_equal(dv_exit_code(DV_OK), 0);
	assert_int_equal(dv_exit_code(DV_ERROR), 2);
	assert_int_equal(dv_exit_code(DV_EPARTIAL), 3);
	assert_int_equal(dv_exit_code(DV_EAUTH), 4);
	assert_int_equal(dv_exit_code(DV_ENOREPO), 10);
	assert_int_equal(dv_exit_code(DV_ELOCKED), 11);
	assert_int_equal(dv_exit_code(DV_ECORRUPT), 12);
	assert_int_equal(dv_exit_code(DV_EUSAGE), 129);
	assert_int_equal(dv_exit_code(DV_ECANCELLED), 130);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_are_right), cmocka_unit_test(check_finds_faults),
		cmocka_unit_test(options_anywhere), cmocka_unit_test(negation),
		cmocka_unit_test(stops_at_the_command), cmocka_unit_test(wrong_lines),
		cmocka_unit_test(numbers),	    cmocka_unit_test(distances),
		cmocka_unit_test(quoting),	    cmocka_unit_test(json_names),
		cmocka_unit_test(sizes),	    cmocka_unit_test(progress_line),
		cmocka_unit_test(exit_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
