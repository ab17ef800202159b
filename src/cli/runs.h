/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands about lineage share: words, JSON and lines for runs and artifacts. */
#ifndef DV_CLI_RUNS_H
#define DV_CLI_RUNS_H

#include "cli/common.h"

#define DV_CLI_TIME_MAX 40
/* "2024-05-01 12:00:00" in UTC. Returns buf. */
const char *dv_cli_time(char buf[DV_CLI_TIME_MAX], int64_t us);
/* "0.4 s", "3 min 20 s". Returns buf. */
const char *dv_cli_duration(char buf[DV_CLI_TIME_MAX], int64_t us);
/* The first digits of an oid; "-" for none. */
const char *dv_cli_short(char buf[16], const char *hex);
/* The colour of a state. */
const char *dv_cli_state_color(const char *state);

json_t *dv_cli_run_json(const dv_run_info *i);
json_t *dv_cli_artifact_json(const dv_artifact_info *i);
/* One line each. */
void dv_cli_run_line(const dv_run_info *i);
void dv_cli_artifact_line(const dv_artifact_info *i);

/* The record of a run as JSON; NULL when it failed, with *rc set. */
json_t *dv_cli_run_read(dv_repo *r, const char *run, int *rc);
/* A JSON text of the library's own making; NULL when memory runs out. */
json_t *dv_cli_parse(const char *text);
/* A dv_data_cb that prints. */
int dv_cli_print_data(const void *p, size_t n, void *unused);
/* A value of a record for people: text as it is, the rest as JSON. */
void dv_cli_print_value(const json_t *v);

/* What differs between two records in what was asked of them: command, parameters, inputs and
 * outputs; cb gets "cmd", "param X", "input X", "output X", with the texts of both, NULL for
 * none. */
typedef void (*dv_cli_difference_cb)(const char *what, const char *a, const char *b, void *payload);
void dv_cli_run_diff(const json_t *a, const json_t *b, dv_cli_difference_cb cb, void *payload);

typedef struct dv_cli_list {
	dv_strlist filters;
	int limit;
	const char *after;
	bool reverse;
} dv_cli_list;
/* clang-format off */
#define DV_CLI_LIST_OPTS                                                                           \
	DV_OPT_STRLIST('f', "filter", dv_cli_list, filters, "FILTER",                              \
		       "only those of which this holds; may be repeated"),                         \
	DV_OPT_INT('n', "limit", dv_cli_list, limit, "N", "so many at most"),                      \
	DV_OPT_STR(0, "after", dv_cli_list, after, "TOKEN", "go on where a page ended"),           \
	DV_OPT_FLAG(0, "reverse", dv_cli_list, reverse, "oldest first")
/* clang-format on */
/* Asks for a page: appends to the list, or prints lines when it is NULL; *next is the token of the
 * page that follows, NULL when none does. */
typedef int (*dv_cli_list_cb)(dv_repo *r, const dv_lineage_list_options *o, json_t *list,
			      char **next);
/* A command that lists a page; key names the list in its JSON. */
int dv_cli_list_run(dv_cli *cli, const dv_cli_list *a, int argc, const char *key,
		    dv_cli_list_cb ask);

/* The commands of 'dv lineage' beside itself. */
extern const dv_cmd dv_cmd_lineage_why, dv_cmd_lineage_impact, dv_cmd_lineage_verify;
extern const dv_cmd dv_cmd_lineage_export, dv_cmd_lineage_import;

#endif
