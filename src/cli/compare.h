/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What 'params diff' and 'metrics diff' share: their options, and telling what differs.
 */
#ifndef DV_CLI_COMPARE_H
#define DV_CLI_COMPARE_H

#include "cli/cmd.h"

#include <dv.h>

typedef struct dv_cli_compare {
	dv_strlist targets;
	bool all, deps, markdown, no_path;
	int precision; /* of numbers in text */
} dv_cli_compare;

typedef int (*dv_cli_compare_fn)(dv_repo *r, const dv_compare_options *o, dv_value_change_cb cb,
				 void *payload);

/* All of such a command. `what` heads the column of names ("Param"); `change` adds one with the
 * difference of numbers. Returns an exit code. */
int dv_cli_compare_run(const dv_cli *cli, const dv_cli_compare *a, int argc, char **argv,
		       dv_cli_compare_fn fn, const char *what, bool change);

#define DV_CLI_NUMBER_MAX 64
/* A value as a table shows it: numbers with `precision` decimals, and no fewer digits that count.
 * Returns buf, or the value's own text. */
const char *dv_cli_number(char buf[DV_CLI_NUMBER_MAX], const dv_datum *d, int precision);

#endif
