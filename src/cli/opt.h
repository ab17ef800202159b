/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser of command lines: GNU style, driven by the tables of cmd.h.
 *
 * Options may stand anywhere; `--name=value`, `--name value`, `-nvalue`, `-n value`; single
 * letters cluster; `--no-name` clears a flag; `--` ends options; a lone `-` is an operand.
 * A long option must be written out: abbreviations would break when a new option is added.
 * It never prints and never exits.
 */
#ifndef DV_CLI_OPT_H
#define DV_CLI_OPT_H

#include "cli/cmd.h"

/* What was wrong with a command line; hint may be empty. */
typedef struct dv_opt_error {
	char message[256];
	char hint[256];
} dv_opt_error;

/* A table and the struct that it fills. */
typedef struct dv_opt_set {
	const dv_opt *opts; /* NULL: no options */
	void *args;
} dv_opt_set;

/* The options of every command, bound to dv_cli. */
extern const dv_opt dv_global_opts[];

/*
 * Parses argv[0..argc) with the options of all `sets`. Operands are moved to the front of argv
 * in order, their number goes to *n_operands. With `stop_at_operand` it stops at the first
 * operand, *n_operands is the index at which it stands, and argv is not reordered.
 * *before_dashes is the number of operands that stood before `--`, or -1 without one.
 * Returns 0, or DV_EUSAGE with `err` filled. Lists must be given back with dv_opt_release()
 * in both cases.
 */
int dv_opt_parse(int *n_operands, int *before_dashes, const dv_opt_set *sets, size_t n_sets,
		 int argc, char **argv, bool stop_at_operand, dv_opt_error *err);

/* Frees the lists of a struct that dv_opt_parse() filled. */
void dv_opt_release(const dv_opt *opts, void *args);

/* Strict decimal numbers: digits only, no sign, no space. Return 0 or DV_EUSAGE. */
int dv_parse_int(int *out, const char *text);
int dv_parse_size(uint64_t *out, const char *text);

/* Damerau-Levenshtein distance (insert, delete, change, swap neighbours), bytewise. Words over
 * 63 bytes are infinitely far (returns SIZE_MAX). */
size_t dv_opt_distance(const char *a, const char *b);

/* The nearest command to a mistyped one in a list ending in NULL; NULL when none is near. */
const char *dv_cmd_nearest(const dv_cmd *const *list, const char *typed);

/*
 * Checks that the tables keep the rules that the parser and help rely on: help for everything,
 * no letter or name twice, none that a global option has, groups together, phrases well formed.
 * Returns 0, or DV_ERROR with the first fault in `err`.
 */
int dv_cmd_check(const dv_cmd *const *list, dv_opt_error *err);

#endif
