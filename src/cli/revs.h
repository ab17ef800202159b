/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operands that are revisions and paths. `--` stands between them; without it the words in front
 * that git knows as revisions are revisions, unless they could be paths as well: that is refused.
 */
#ifndef DV_CLI_REVS_H
#define DV_CLI_REVS_H

#include <dv.h>

#include "cli/cmd.h"

/* How many of the operands in front are revisions, at most `max`; "A..B" counts as one word and as
 * two revisions. `words` (may be NULL) are revisions for the command alone, ending in NULL. 0, or
 * an exit code after the error was printed. */
int dv_cli_count_revs(int *out, const dv_cli *cli, dv_repo *r, int argc, char **argv, int max,
		      const char *const *words);

/* Splits "A..B" (left out: HEAD); both are owned. False where it is no range. */
bool dv_cli_split_range(const char *word, char **from, char **to);

#endif
