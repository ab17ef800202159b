/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What several commands share: opening the repository, words and JSON for changes and outputs,
 * the options of the transfer commands, levels of settings.
 */
#ifndef DV_CLI_COMMON_H
#define DV_CLI_COMMON_H

#include "cli/cmd.h"
#include "cli/out.h"

#include <dv.h>
#include <jansson.h>

static inline void dv_cli_repo_freep(dv_repo **r)
{
	dv_repo_free(*r);
}
static inline void dv_cli_json_freep(json_t **j)
{
	json_decref(*j);
}
/* `dv_cli_autorepo dv_repo *r = NULL;` is closed when it goes out of scope, NULL is fine. */
#define dv_cli_autorepo __attribute__((cleanup(dv_cli_repo_freep)))
#define dv_cli_autojson __attribute__((cleanup(dv_cli_json_freep)))

/* What the library takes as its targets. */
static inline const char *const *dv_cli_targets(char **argv)
{
	return (const char *const *)argv;
}

/* The document goes out and *doc becomes NULL; returns DV_EXIT_OK. */
static inline int dv_cli_answer(json_t **doc)
{
	json_t *d = *doc;

	*doc = NULL;
	return dv_out_json(d);
}

/* Opens the repository of the working folder. Returns 0, or prints and returns an exit code. */
int dv_cli_open(dv_repo **out);
/* The same for a command that takes min to max operands (max < 0: any number): first they are
 * counted. */
int dv_cli_begin(const dv_cli *cli, int argc, int min, int max, dv_repo **out);
/* The same, with an empty array in *list for what --json asks for. */
int dv_cli_begin_list(const dv_cli *cli, int argc, int min, int max, dv_repo **out, json_t **list);
/* Do '--to-remote' and its company go together? 0, or prints and returns an exit code. */
int dv_cli_check_to_remote(bool to_remote, const char *remote, bool no_download);

/* Is that the address of another repository: a URL, "host:path" with a user, or the folder of one
 * that is not the workspace of the working folder? */
bool dv_cli_is_address(const char *name);

/* Does a git work tree hold the root of the workspace? */
bool dv_cli_in_git(dv_repo *r);

/* -- text -------------------------------------------------------------------------------------- */

#define DV_CLI_COUNT_MAX 32
/* "1,204". Returns buf. */
const char *dv_cli_count(char buf[DV_CLI_COUNT_MAX], uint64_t n);

/* "modified", "not in cache" …; the same with underscores for JSON. */
const char *dv_cli_kind(enum dv_change_kind kind);
const char *dv_cli_kind_key(enum dv_change_kind kind);
/* A, M, D, R, C (not in cache), P (not in remote). */
char dv_cli_kind_letter(enum dv_change_kind kind);
/* The colour of a kind: see dv_out_color(). */
const char *dv_cli_kind_color(enum dv_change_kind kind);

/* "<indent><word>: PATH" or "OLD -> PATH", with "/" behind a directory, and a newline. */
void dv_cli_change_line(const char *indent, const char *word, const dv_change *c);

/* -- JSON -------------------------------------------------------------------------------------- */

json_t *dv_cli_change_json(const dv_change *c);
json_t *dv_cli_checkout_json(const dv_checkout_summary *s);
json_t *dv_cli_event_json(const dv_output_event *e);
/* Is something of that name, or below it, tracked in the workspace? `doubt` where that cannot be
 * known. */
bool dv_cli_is_tracked(dv_repo *r, const char *name, bool doubt);
/* object[key] = n */
void dv_cli_json_count(json_t *object, const char *key, uint64_t n);
/** An oid as pointers write it, "sha256:" and 64 digits; null when hex is NULL. */
void dv_cli_json_oid(json_t *object, const char *key, const char *hex);

/* -- recording --------------------------------------------------------------------------------- */

/* What add and commit gather; `list` is a JSON array with --json, else NULL. */
typedef struct dv_cli_outputs {
	json_t *list;
	bool quiet;
	uint64_t stored, changed, total;
	char *pointer; /* of the last changed output */
} dv_cli_outputs;

/* dv_output_cb: "data: 1,204 files, 83.1 MB recorded (12.4 MB new in the cache)" */
int dv_cli_recorded(const dv_output_event *e, void *outputs);
/* Ends an add or commit: the JSON document or the hint about git. Returns an exit code. */
int dv_cli_recorded_end(dv_repo *r, dv_cli_outputs *o, int rc, bool no_stage, bool hint);

/* -- checking out ------------------------------------------------------------------------------ */

/* What checkout and pull gather. */
typedef struct dv_cli_changes {
	json_t *list; /* with --json */
	bool silent;
} dv_cli_changes;

/* dv_change_cb: "M data/a.csv" */
int dv_cli_changed(const dv_change *c, void *changes);
/* "3 files added, 1 modified, 2 deleted" on a line, or that nothing was to do. */
void dv_cli_checkout_line(const dv_checkout_summary *s);

/* -- stages ------------------------------------------------------------------------------------ */

/* What the commands that edit pipeline files gather. */
typedef struct dv_cli_stages {
	json_t *list; /* with --json */
	bool quiet, changed;
	const char *done, *was; /* "added": "train: added to dv.yaml"; `was`: it was so already */
} dv_cli_stages;

/* dv_stage_change_cb */
int dv_cli_stage_changed(const char *file, const char *name, bool changed, void *stages);
/* Ends such a command: the failure, the JSON document or the hint about git. An exit code. */
int dv_cli_stages_end(dv_repo *r, dv_cli_stages *s, int rc, bool no_stage);

/* -- conflicts --------------------------------------------------------------------------------- */

typedef char dv_cli_conflict_line[4608];
/* "data/a.csv: changed on both sides" */
void dv_cli_conflict_text(dv_cli_conflict_line out, const dv_conflict *c);
json_t *dv_cli_conflict_json(const dv_conflict *c);

/* -- transfer ---------------------------------------------------------------------------------- */

typedef struct dv_cli_transfer {
	const char *remote;
	int jobs;
	uint64_t limit_rate;
	bool all_branches, all_tags, all_commits, dry, force, glob, relink, wait;
	dv_strlist revs;
} dv_cli_transfer;

/* clang-format off */
#define DV_CLI_TRANSFER_OPTS                                                                       \
	DV_OPT_STR('r', "remote", dv_cli_transfer, remote, "NAME", "use this remote"),             \
	DV_OPT_COUNT('j', "jobs", dv_cli_transfer, jobs, "N", "connections at once, at most"),     \
	DV_OPT_AMOUNT(0, "limit-rate", dv_cli_transfer, limit_rate, "SIZE",                        \
		    "move at most so many bytes in a second"),                                     \
	DV_OPT_FLAG('a', "all-branches", dv_cli_transfer, all_branches,                            \
		    "data of all branches"),                                                       \
	DV_OPT_FLAG('T', "all-tags", dv_cli_transfer, all_tags, "data of all tags"),               \
	DV_OPT_FLAG('A', "all-commits", dv_cli_transfer, all_commits, "data of all commits"),      \
	DV_OPT_STRLIST(0, "rev", dv_cli_transfer, revs, "REV",                                     \
		       "data of this revision, or range A..B; may be repeated"),                   \
	DV_OPT_FLAG(0, "glob", dv_cli_transfer, glob, "targets are patterns: *, ?, [], **"),       \
	DV_OPT_FLAG(0, "dry", dv_cli_transfer, dry, "only tell what would be moved")
/* clang-format on */

dv_transfer_options dv_cli_transfer_options(const dv_cli_transfer *a);
json_t *dv_cli_transfer_json(const dv_cli_transfer *a, const dv_transfer_summary *s);
/* "3 packs, 12.4 MB pushed to 'origin'"; `verb` is "pushed to" or "fetched from". */
void dv_cli_transfer_line(dv_repo *r, const dv_cli_transfer *a, const dv_transfer_summary *s,
			  const char *verb, const char *dry_verb);

typedef int (*dv_cli_transfer_fn)(dv_repo *r, const char *const *targets, size_t n,
				  const dv_transfer_options *o, dv_transfer_summary *out);
/* All of push and of fetch: opens, moves, tells. Returns an exit code. */
int dv_cli_transfer_run(const dv_cli *cli, const dv_cli_transfer *a, int argc, char **argv,
			dv_cli_transfer_fn fn, const char *verb, const char *dry_verb);

/* -- settings ---------------------------------------------------------------------------------- */

typedef struct dv_cli_levels {
	bool system, global, repo, local;
} dv_cli_levels;

/* The level that was asked for, `otherwise` when none was. Returns 0 or DV_EXIT_USAGE. */
int dv_cli_level(enum dv_config_level *out, const dv_cli_levels *l,
		 enum dv_config_level otherwise);

#endif
