/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stages as several commands tell of them: why they are stale, in words and as JSON.
 */
#ifndef DV_CLI_STAGES_H
#define DV_CLI_STAGES_H

#include "cli/common.h"

/* "dependency 'x' changed". The caller frees it. */
char *dv_cli_reason(const dv_reason *r);
/* { "why": "dep", "kind": "modified", "path": "x" } */
json_t *dv_cli_reason_json(const dv_reason *r);
/* One line for each reason. */
void dv_cli_reasons(const char *indent, const dv_stage_event *e);
/* { "name", "state", "reasons": [] } and what else is known. */
json_t *dv_cli_stage_json(const dv_stage_event *e);
/* Runs what changed and tells of it, as 'dv repro' does; an exit code. */
int dv_cli_repro(dv_cli *cli, dv_repo *r, const char *const *targets, size_t n,
		 const dv_repro_options *options);

#endif
