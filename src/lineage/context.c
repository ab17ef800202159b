/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contexts: runs and artifacts in named groups. What is said about them is a record like that of a
 * run, so it travels with the data and survives the index.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "lineage/query.h"
#include "repo/record.h"

#define NAME_MAX_LEN 255

typedef struct members {
	dv_oid *runs;
	size_t nruns, runs_cap;
	dv_run_path *artifacts;
	size_t nartifacts, artifacts_cap;
	dv_arena arena;
} members;
static void members_release(members *m)
{
	free(m->runs);
	free(m->artifacts);
	dv_arena_release(&m->arena);
}

static int check_name(const char *what, const char *name)
{
	dv_autoptr(dv_json) ok = json_string(name);
	size_t n = strlen(name);
	bool bad = !ok || !n || n > NAME_MAX_LEN;

	for (size_t i = 0; i < n; i++)
		bad |= (unsigned char)name[i] < ' ';
	if (!bad && (what[0] == 'n' || !strchr(name, ':')))
		return 0;
	return dv_err_hint(dv_err(DV_EUSAGE, "'%s' cannot be the %s of a context", name, what),
			   "a type has no ':', and both are printable text of up to %d bytes",
			   NAME_MAX_LEN);
}

static int add_run(members *m, dv_index *x, int64_t id)
{
	dv_autostmt *s = NULL;
	int rc = dv_index_prepare(x, &s, "SELECT external_id FROM Execution WHERE id = ?1");

	if (rc == 0)
		rc = dv_grow(&m->runs, &m->runs_cap, m->nruns + 1, sizeof(*m->runs));
	if (rc < 0)
		return rc;
	sqlite3_bind_int64(s, 1, id);
	rc = dv_index_step(x, s);
	if (rc > 0 && dv_index_oid(s, 0, &m->runs[m->nruns]))
		m->nruns++;
	return rc < 0 ? rc : 0;
}

static int add_artifact(members *m, dv_index *x, int64_t id)
{
	dv_autostmt *s = NULL;
	dv_artifact_row row;
	int rc = dv_index_prepare(x, &s, "SELECT " DV_ARTIFACT_COLUMNS
				  " FROM Artifact a WHERE a.id = ?1");

	if (rc == 0)
		rc = dv_grow(&m->artifacts, &m->artifacts_cap, m->nartifacts + 1,
			     sizeof(*m->artifacts));
	if (rc < 0)
		return rc;
	sqlite3_bind_int64(s, 1, id);
	if ((rc = dv_index_step(x, s)) <= 0)
		return rc;
	dv_artifact_row_read(&row, s);
	m->artifacts[m->nartifacts] = (dv_run_path){
		.path = dv_arena_strdup(&m->arena, row.info.path), .is_dir = row.info.is_dir,
		.has_oid = row.info.oid != NULL, .oid = row.oid, .size = row.info.size,
		.nfiles = row.info.nfiles };
	return m->artifacts[m->nartifacts++].path ? 0 : DV_ERROR;
}

static int find_members(members *m, dv_index *x, const dv_context_options *o)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < o->ntargets; i++) {
		dv_auto(dv_target) t = DV_TARGET_INIT;

		rc = dv_target_find(&t, x, o->targets[i]);
		for (size_t k = 0; rc == 0 && k < t.nruns; k++)
			rc = add_run(m, x, t.runs[k]);
		for (size_t k = 0; rc == 0 && k < t.nartifacts; k++)
			rc = add_artifact(m, x, t.artifacts[k]);
	}
	return rc;
}

/* "NAME=VALUE": numbers and true and false are what they look like. */
static int add_prop(dv_json *props, const char *text)
{
	const char *eq = strchr(text, '=');
	char *end = NULL;
	json_t *v;

	if (!eq || eq == text)
		return dv_err_hint(dv_err(DV_EUSAGE, "'%s' is no property", text),
				   "properties look like 'owner=Ada' or 'budget=3.5'");
	dv_autofree char *name = dv_strndup(text, (size_t)(eq - text));
	if (!name)
		return DV_ERROR;
	long long i = strtoll(eq + 1, &end, 10);
	if (end != eq + 1 && !*end) {
		v = json_integer(i);
	} else {
		double f = strtod(eq + 1, &end);

		v = end != eq + 1 && !*end && f - f == 0 ? json_real(f) :
		    strcmp(eq + 1, "true") == 0 ? json_true() :
		    strcmp(eq + 1, "false") == 0 ? json_false() : json_string(eq + 1);
	}
	if (!v)
		return dv_err(DV_EUSAGE, "the value of '%s' is not UTF-8", name);
	return dv_json_set(props, name, v);
}

static int record(dv_repo *r, const dv_run_group *g)
{
	dv_autoptr(dv_run_context) c = NULL;
	dv_autoptr(dv_writer) w = NULL;
	dv_store *s = NULL;
	dv_oid oid;
	int rc = dv_repo_store(r, &s);

	if (rc == 0)
		rc = dv_writer_new(&w, s, dv_repo_compression(r));
	if (rc == 0)
		rc = dv_run_context_open_quick(&c, r);
	if (rc == 0)
		rc = dv_run_group_record(c, w, g, &oid);
	if (rc == 0)
		rc = dv_writer_commit(w, NULL, 0);
	return rc < 0 ? rc : dv_run_flush(c, true);
}

int dv_context_set(dv_repo *r, const char *type, const char *name, const dv_context_options *o)
{
	__attribute__((cleanup(members_release))) members m = { 0 };
	dv_autoptr(dv_json) props = json_object();
	int rc = props ? check_name("type", type) : dv_err_nomem();

	o = DV_OR_ZERO(o);
	if (rc == 0)
		rc = check_name("name", name);
	if (rc == 0 && o->parent_type)
		rc = check_name("type", o->parent_type);
	if (rc == 0 && o->parent_name)
		rc = check_name("name", o->parent_name);
	for (size_t i = 0; rc == 0 && i < o->nprops; i++)
		rc = add_prop(props, o->props[i]);
	if (rc == 0 && o->ntargets) {
		dv_autoptr(dv_index) x = NULL;

		rc = dv_index_open(&x, r);
		if (rc == 0)
			rc = find_members(&m, x, o);
	}
	if (rc < 0)
		return rc;
	dv_run_group g = {
		.type = type, .name = name, .runs = m.runs, .nruns = m.nruns,
		.artifacts = m.artifacts, .nartifacts = m.nartifacts, .gone = o->remove,
		.parent_type = o->parent_type, .parent_name = o->parent_name,
		.props = json_object_size(props) ? props : NULL, .time_us = dv_clock_wall_us(),
	};
	return record(r, &g);
}

/* -- listing ----------------------------------------------------------------------------------- */

static int read_props(dv_index *x, int64_t id, dv_json **out)
{
	dv_autoptr(dv_json) o = json_object();
	dv_autostmt *s = NULL;
	int rc = dv_index_prepare(x, &s, "SELECT name, int_value, double_value, string_value, "
					 "bool_value FROM ContextProperty WHERE context_id = ?1");

	if (rc == 0)
		sqlite3_bind_int64(s, 1, id);
	while (rc == 0 && (rc = dv_index_step(x, s)) > 0) {
		json_t *v = sqlite3_column_type(s, 1) != SQLITE_NULL
			    ? json_integer(sqlite3_column_int64(s, 1)) :
			    sqlite3_column_type(s, 2) != SQLITE_NULL
			    ? json_real(sqlite3_column_double(s, 2)) :
			    sqlite3_column_type(s, 4) != SQLITE_NULL
			    ? json_boolean(sqlite3_column_int(s, 4))
			    : json_string(dv_index_text(s, 3));

		rc = dv_json_set(o, dv_index_text(s, 0), v);
	}
	if (rc == 0)
		*out = dv_steal(&o);
	return rc;
}

static int read_parents(dv_index *x, int64_t id, dv_json **out)
{
	dv_autoptr(dv_json) list = json_array();
	dv_autostmt *s = NULL;
	int rc = dv_index_prepare(x, &s, "SELECT t.name || ':' || c.name FROM ParentContext p JOIN "
					 "Context c ON c.id = p.parent_context_id JOIN Type t ON "
					 "t.id = c.type_id WHERE p.context_id = ?1 AND NOT p.gone "
					 "ORDER BY 1");

	if (rc == 0)
		sqlite3_bind_int64(s, 1, id);
	while (rc == 0 && (rc = dv_index_step(x, s)) > 0)
		rc = json_array_append_new(list, json_string(dv_index_text(s, 0)))
		     ? dv_err_nomem() : 0;
	if (rc == 0)
		*out = dv_steal(&list);
	return rc;
}

static int tell_context(dv_index *x, sqlite3_stmt *s, dv_context_cb cb, void *payload)
{
	dv_autoptr(dv_json) props = NULL;
	dv_autoptr(dv_json) parents = NULL;
	dv_auto(dv_buf) props_text = DV_BUF_INIT, parents_text = DV_BUF_INIT;
	int64_t id = sqlite3_column_int64(s, 0);
	int rc = read_props(x, id, &props);

	if (rc == 0)
		rc = read_parents(x, id, &parents);
	if (rc == 0)
		rc = dv_json_write(&props_text, props);
	if (rc == 0)
		rc = dv_json_write(&parents_text, parents);
	if (rc < 0)
		return rc;
	dv_context_info i = {
		.type = dv_index_text(s, 1), .name = dv_index_text(s, 2),
		.first_us = sqlite3_column_int64(s, 3), .last_us = sqlite3_column_int64(s, 4),
		.runs = (uint64_t)sqlite3_column_int64(s, 5),
		.artifacts = (uint64_t)sqlite3_column_int64(s, 6),
		.props = dv_buf_str(&props_text), .parents = dv_buf_str(&parents_text),
	};
	return cb(&i, payload);
}

int dv_contexts(dv_repo *r, const char *type, const char *name, dv_context_cb cb, void *payload)
{
	dv_autoptr(dv_index) x = NULL;
	dv_autostmt *s = NULL;
	int rc = dv_index_open(&x, r);

	if (rc == 0)
		rc = dv_index_prepare(x, &s,
			"SELECT c.id, t.name, c.name, c.create_time, c.last_update_time, "
			"(SELECT count(*) FROM Association a WHERE a.context_id = c.id "
			"AND NOT gone), "
			"(SELECT count(*) FROM Attribution a WHERE a.context_id = c.id "
			"AND NOT gone) "
			"FROM Context c JOIN Type t ON t.id = c.type_id WHERE "
			"(?1 IS NULL OR t.name = ?1) AND (?2 IS NULL OR c.name = ?2) "
			"ORDER BY t.name, c.name");
	if (rc < 0)
		return rc;
	if (type)
		sqlite3_bind_text(s, 1, type, -1, SQLITE_STATIC);
	if (name)
		sqlite3_bind_text(s, 2, name, -1, SQLITE_STATIC);
	while (rc == 0 && (rc = dv_index_step(x, s)) > 0)
		rc = tell_context(x, s, cb, payload);
	return rc;
}
