/* SPDX-License-Identifier: Apache-2.0 */
/* Words, JSON and lines for runs and artifacts. See runs.h. */
#include "cli/runs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

const char *dv_cli_time(char buf[DV_CLI_TIME_MAX], int64_t us)
{
	time_t t = (time_t)(us / 1000000);
	struct tm tm;

	if (!gmtime_r(&t, &tm) || tm.tm_year > 8099 || tm.tm_year < -900)
		snprintf(buf, DV_CLI_TIME_MAX, "-");
	else
		strftime(buf, DV_CLI_TIME_MAX, "%Y-%m-%d %H:%M:%S", &tm);
	return buf;
}

const char *dv_cli_duration(char buf[DV_CLI_TIME_MAX], int64_t us)
{
	int64_t s = us / 1000000;

	if (us < 0)
		snprintf(buf, DV_CLI_TIME_MAX, "-");
	else if (s < 60)
		snprintf(buf, DV_CLI_TIME_MAX, "%.1f s", (double)us / 1e6);
	else if (s < 3600)
		snprintf(buf, DV_CLI_TIME_MAX, "%" PRId64 " min %" PRId64 " s", s / 60, s % 60);
	else
		snprintf(buf, DV_CLI_TIME_MAX, "%" PRId64 " h %" PRId64 " min", s / 3600,
			 s / 60 % 60);
	return buf;
}

const char *dv_cli_short(char buf[16], const char *hex)
{
	if (hex && strncmp(hex, "sha256:", 7) == 0)
		hex += 7;
	snprintf(buf, 16, "%.12s", hex && *hex ? hex : "-");
	return buf;
}

const char *dv_cli_state_color(const char *state)
{
	if (strcmp(state, "FAILED") == 0)
		return dv_out_color(DV_COLOR_RED);
	if (strcmp(state, "CANCELED") == 0)
		return dv_out_color(DV_COLOR_YELLOW);
	return dv_out_color(strcmp(state, "CACHED") == 0 ? DV_COLOR_CYAN : DV_COLOR_GREEN);
}

/* -- JSON -------------------------------------------------------------------------------------- */

json_t *dv_cli_run_json(const dv_run_info *i)
{
	json_t *j = json_object();

	dv_cli_json_oid(j, "oid", i->oid);
	dv_out_json_bytes(j, "type", i->type);
	dv_out_json_bytes(j, "name", i->name);
	json_object_set_new(j, "state", json_string(i->state));
	json_object_set_new(j, "start", json_integer(i->start_us));
	json_object_set_new(j, "end", json_integer(i->end_us));
	json_object_set_new(j, "exit", json_integer(i->exit_code));
	dv_out_json_bytes(j, "commit", i->commit);
	json_object_set_new(j, "dirty", i->dirty < 0 ? json_null() : json_boolean(i->dirty));
	dv_out_json_bytes(j, "author", i->author);
	return j;
}

json_t *dv_cli_artifact_json(const dv_artifact_info *i)
{
	json_t *j = json_object();

	dv_out_json_bytes(j, "path", i->path);
	dv_cli_json_oid(j, "oid", i->oid);
	json_object_set_new(j, "kind", json_string(i->is_dir ? "directory" : "file"));
	dv_cli_json_count(j, "size", i->size);
	if (i->is_dir)
		dv_cli_json_count(j, "files", i->nfiles);
	json_object_set_new(j, "first", json_integer(i->first_us));
	json_object_set_new(j, "last", json_integer(i->last_us));
	dv_cli_json_count(j, "made", i->made);
	dv_cli_json_count(j, "used", i->used);
	return j;
}

static int gather(const void *p, size_t n, void *payload)
{
	json_t **out = payload;

	*out = json_loadb(p, n, 0, NULL);
	return *out ? 0 : DV_ECORRUPT;
}

json_t *dv_cli_run_read(dv_repo *r, const char *run, int *rc)
{
	json_t *doc = NULL;

	*rc = dv_run_read(r, run, gather, &doc);
	return doc;
}

json_t *dv_cli_parse(const char *text)
{
	return json_loads(text ? text : "null", JSON_DECODE_ANY, NULL);
}

int dv_cli_print_data(const void *p, size_t n, void *unused)
{
	(void)unused;
	return dv_out_bytes(p, n) ? DV_ECANCELLED : 0;
}

/* -- lines ------------------------------------------------------------------------------------- */

void dv_cli_run_line(const dv_run_info *i)
{
	char id[16], time[DV_CLI_TIME_MAX], took[DV_CLI_TIME_MAX];

	dv_out("%s  %s  %s%-8s%s  %-8s %9s  ", dv_cli_short(id, i->oid),
	       dv_cli_time(time, i->start_us), dv_cli_state_color(i->state), i->state,
	       dv_out_color_end(), i->type, dv_cli_duration(took, i->end_us - i->start_us));
	dv_out_name(i->name);
	dv_out("\n");
}

void dv_cli_artifact_line(const dv_artifact_info *i)
{
	char id[16], time[DV_CLI_TIME_MAX], size[DV_OUT_SIZE_MAX];

	dv_out("%-12s  %s  %9s  ", dv_cli_short(id, i->oid), dv_cli_time(time, i->first_us),
	       i->oid ? dv_out_size(size, i->size) : "-");
	dv_out_name(i->path);
	dv_out("%s\n", i->is_dir ? "/" : "");
}

/* A number as short as it is the same; what is no text as JSON. Owned. */
static char *text_of(const json_t *v)
{
	char number[40];

	if (json_is_string(v))
		return strdup(json_string_value(v));
	if (!json_is_real(v))
		return json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS |
					     JSON_REAL_PRECISION(16));
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(number, sizeof(number), "%.*g", digits, json_real_value(v));
		if (strtod(number, NULL) == json_real_value(v))
			break;
	}
	return strdup(number);
}

/* Has JSON nothing but its own quotes that a terminal should not see? */
static bool is_plain(const char *text)
{
	dv_cli_autofree char *copy = strdup(text), *quoted = NULL;

	for (char *s = copy; s && *s; s++)
		if (*s == '"' || *s == '\\')
			*s = 'x';
	quoted = copy ? dv_out_quote(copy) : NULL;
	return quoted && strcmp(quoted, copy) == 0;
}

void dv_cli_print_value(const json_t *v)
{
	dv_cli_autofree char *text = text_of(v);

	if (text && (json_is_object(v) || json_is_array(v)) && is_plain(text))
		dv_out("%s", text);
	else
		dv_out_name(text ? text : "?");
}

static dv_lineage_list_options list_options(const dv_cli_list *a)
{
	return (dv_lineage_list_options){
		.filters = a->filters.items, .nfilters = a->filters.len,
		.limit = (uint64_t)a->limit, .after = a->after, .reverse = a->reverse,
	};
}

int dv_cli_list_run(dv_cli *cli, const dv_cli_list *a, int argc, const char *key,
		    dv_cli_list_cb ask)
{
	dv_lineage_list_options o = list_options(a);
	dv_cli_autojson json_t *list = cli->json ? json_array() : NULL;
	dv_cli_autofree char *next = NULL;
	dv_cli_autorepo dv_repo *r = NULL;
	int rc = dv_cli_begin(cli, argc, 0, 0, &r);

	if (rc)
		return rc;
	rc = ask(r, &o, list, a->limit ? &next : NULL);
	if (rc)
		return dv_out_fail(rc);
	if (cli->json) {
		json_t *doc = json_object();

		json_object_set(doc, key, list);
		dv_out_json_bytes(doc, "next", next);
		return dv_out_json(doc);
	}
	if (next)
		dv_out_note("more with '--after %s'", next);
	return DV_EXIT_OK;
}

/* -- differences ------------------------------------------------------------------------------- */

static void compare(const char *what, const char *name, const json_t *a, const json_t *b,
		    dv_cli_difference_cb cb, void *payload)
{
	dv_cli_autofree char *x = a ? text_of(a) : NULL, *y = b ? text_of(b) : NULL, *label = NULL;

	if ((!x && !y) || (x && y && strcmp(x, y) == 0))
		return;
	if (asprintf(&label, "%s%s%s", what, name ? " " : "", name ? name : "") >= 0)
		cb(label, x, y, payload);
}

static void compare_members(const char *what, const json_t *a, const json_t *b, int depth,
			    const char *above, dv_cli_difference_cb cb, void *payload)
{
	dv_cli_autojson json_t *keys = json_object();
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)a, key, v)
		json_object_set(keys, key, v);
	json_object_foreach((json_t *)(uintptr_t)b, key, v)
		json_object_set(keys, key, v);
	json_object_foreach(keys, key, v) {
		dv_cli_autofree char *name = NULL;
		json_t *x = json_object_get(a, key), *y = json_object_get(b, key);

		if (asprintf(&name, "%s%s%s", above, *above ? depth == 1 ? ":" : "." : "", key) < 0)
			return;
		if (depth < 8 && (json_is_object(x) || !x) && (json_is_object(y) || !y))
			compare_members(what, x, y, depth + 1, name, cb, payload);
		else
			compare(what, name, x, y, cb, payload);
	}
}

/* A list of paths as path -> oid. */
static json_t *by_path(const json_t *list)
{
	json_t *out = json_object();

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *p = json_array_get(list, i);
		const char *path = json_string_value(json_object_get(p, "path"));
		const char *oid = json_string_value(json_object_get(p, "oid"));

		if (!path)
			path = json_string_value(json_object_get(p, "path_hex"));
		if (path)
			json_object_set_new(out, path, json_string(oid ? oid : "(not there)"));
	}
	return out;
}

void dv_cli_run_diff(const json_t *a, const json_t *b, dv_cli_difference_cb cb, void *payload)
{
	static const char *const plain[] = { "cmd", "wdir", "image", NULL };
	static const char *const paths[][2] = { { "deps", "input" }, { "outs", "output" } };

	for (const char *const *k = plain; *k; k++)
		compare(*k, NULL, json_object_get(a, *k), json_object_get(b, *k), cb, payload);
	compare_members("param", json_object_get(a, "params"), json_object_get(b, "params"), 0, "",
			cb, payload);
	compare_members("env", json_object_get(a, "env"), json_object_get(b, "env"), 0, "", cb,
			payload);
	compare("commit", NULL, json_object_get(json_object_get(a, "git"), "commit"),
		json_object_get(json_object_get(b, "git"), "commit"), cb, payload);
	for (size_t i = 0; i < 2; i++) {
		dv_cli_autojson json_t *x = by_path(json_object_get(a, paths[i][0]));
		dv_cli_autojson json_t *y = by_path(json_object_get(b, paths[i][0]));

		compare_members(paths[i][1], x, y, 9, "", cb, payload);
	}
}
