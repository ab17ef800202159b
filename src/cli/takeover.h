/* SPDX-License-Identifier: Apache-2.0 */
/* What import-dvc and import-lfs tell of what they took over. */
#ifndef DV_CLI_TAKEOVER_H
#define DV_CLI_TAKEOVER_H

#include <dv.h>
#include <jansson.h>
#include <stdbool.h>

typedef struct dv_cli_takeovers {
	json_t *list; /* with --json */
	bool quiet, verbose, dry;
	uint64_t changed;
} dv_cli_takeovers;

/* dv_takeover_cb */
int dv_cli_taken(const dv_takeover *t, void *takeovers);
/* Ends such a command: the failure, the JSON document, or the sum with `hint` when something
 * changed. An exit code. */
int dv_cli_taken_end(dv_cli_takeovers *t, int rc, const dv_takeover_summary *sum,
		     const char *hint);
/* Opens the repository of the working folder. Where there is none, the folder here or above that
 * has `mark`, and `with` if that is not NULL, becomes one, unless nothing may change. 0, or prints
 * and returns an exit code. */
int dv_cli_open_or_init(dv_repo **r, const char *mark, const char *with, bool dry);

#endif
