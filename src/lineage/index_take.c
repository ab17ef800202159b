/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a record to rows. Records are taken in the order of the list, so that an index that grew and
 * one that was made anew are the same; what contradicts itself is settled by the time and the name
 * of the records, so that clones whose lists differ agree.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "lineage/index.h"

#define STAMP (8 + DV_OID_RAW_SIZE)
/* Versions of a directory in which a file is looked for, and the other way round. */
#define PARTS_MAX 8
#define PATH_DEPTH 64
#define LISTING_MAX ((size_t)16 << 20)	/* bytes; in longer ones nothing is looked for */
#define NCACHED 16
#define PROPS_MAX 10000		/* of one run */
#define PROP_NAME_MAX 1000
#define PROP_DEPTH 8

enum {
	FIND_TYPE, ADD_TYPE, FIND_ARTIFACT, ADD_ARTIFACT, TOUCH_ARTIFACT, FIND_RUN, ADD_RUN,
	FILL_RUN, ADD_EVENT, ADD_PROP, AT_PATH, BELOW_PATH, ADD_PART, FIND_CONTEXT, ADD_CONTEXT,
	TOUCH_CONTEXT, CONTEXT_PROP, PARENT, ASSOCIATION, ATTRIBUTION, PROPERTY_TYPE, N_STATEMENTS,
};

#define UPSERT(table, a, b)                                                                        \
	"INSERT INTO " table "(" a "," b ",stamp,gone) VALUES(?1,?2,?3,?4) ON CONFLICT DO UPDATE " \
	"SET stamp=excluded.stamp, gone=excluded.gone WHERE excluded.stamp > stamp"

static const char *const sql[N_STATEMENTS] = {
	[FIND_TYPE] = "SELECT id FROM Type WHERE type_kind=?1 AND name=?2",
	[ADD_TYPE] = "INSERT INTO Type(type_kind,name) VALUES(?1,?2)",
	[FIND_ARTIFACT] = "SELECT id FROM Artifact WHERE uri=?1 AND external_id=?2",
	[ADD_ARTIFACT] = "INSERT INTO Artifact(type_id,uri,external_id,state,size,nfiles,"
			 "create_time,last_update_time) VALUES(?1,?2,?3,?4,?5,?6,?7,?7)",
	[TOUCH_ARTIFACT] = "UPDATE Artifact SET create_time=min(create_time,?2),"
			   "last_update_time=max(last_update_time,?2) WHERE id=?1 AND "
			   "(create_time>?2 OR last_update_time<?2)",
	[FIND_RUN] = "SELECT id, last_known_state FROM Execution WHERE external_id=?1",
	[ADD_RUN] = "INSERT INTO Execution(type_id,external_id,last_known_state,create_time,"
		    "last_update_time) VALUES(?1,?2,0,0,0)",
	[FILL_RUN] = "UPDATE Execution SET type_id=?2,name=?3,last_known_state=?4,create_time=?5,"
		     "last_update_time=?6,exit_code=?7,git_commit=?8,dirty=?9,author=?10 "
		     "WHERE id=?1",
	[ADD_EVENT] = "INSERT OR IGNORE INTO Event(execution_id,type,artifact_id) VALUES(?1,?2,?3)",
	[ADD_PROP] = "INSERT OR IGNORE INTO ExecutionProperty(execution_id,is_custom_property,name,"
		     "int_value,double_value,string_value,bool_value) VALUES(?1,?2,?3,?4,?5,?6,?7)",
	[AT_PATH] = "SELECT id, external_id FROM Artifact WHERE uri=?1 AND nfiles IS NOT NULL "
		    "ORDER BY id DESC LIMIT 8",
	[BELOW_PATH] = "SELECT id, external_id, uri FROM Artifact WHERE uri>=?1 AND uri<?2 "
		       "ORDER BY id DESC LIMIT 1024",
	[ADD_PART] = "INSERT OR IGNORE INTO Part VALUES(?1,?2)",
	[FIND_CONTEXT] = "SELECT id FROM Context WHERE type_id=?1 AND name=?2",
	[ADD_CONTEXT] = "INSERT INTO Context(type_id,name,create_time,last_update_time) "
			"VALUES(?1,?2,?3,?3)",
	[TOUCH_CONTEXT] = "UPDATE Context SET create_time=min(create_time,?2),"
			  "last_update_time=max(last_update_time,?2) WHERE id=?1 AND "
			  "(create_time>?2 OR last_update_time<?2)",
	[CONTEXT_PROP] = "INSERT INTO ContextProperty(context_id,is_custom_property,name,int_value,"
			 "double_value,string_value,bool_value,stamp) VALUES(?1,?2,?3,?4,?5,?6,?7,"
			 "?8) ON CONFLICT DO UPDATE SET int_value=excluded.int_value,"
			 "double_value=excluded.double_value,string_value=excluded.string_value,"
			 "bool_value=excluded.bool_value,stamp=excluded.stamp "
			 "WHERE excluded.stamp > stamp",
	[PARENT] = UPSERT("ParentContext", "context_id", "parent_context_id"),
	[ASSOCIATION] = UPSERT("Association", "context_id", "execution_id"),
	[ATTRIBUTION] = UPSERT("Attribution", "context_id", "artifact_id"),
	[PROPERTY_TYPE] = "INSERT OR IGNORE INTO TypeProperty VALUES(?1,?2,?3)",
};

/* Listings of directories that were looked into. */
typedef struct cached_tree {
	dv_oid oid;
	dv_tree tree;
	bool used, bad;
} cached_tree;

struct dv_index_statements {
	sqlite3_stmt *s[N_STATEMENTS];
	cached_tree trees[NCACHED];
	unsigned next;
};

int dv_index_statements_new(dv_index *x)
{
	int rc = 0;

	if (x->st)
		return 0;
	if (!(x->st = dv_calloc(1, sizeof(*x->st))))
		return DV_ERROR;
	for (int i = 0; rc == 0 && i < N_STATEMENTS; i++)
		rc = dv_index_prepare(x, &x->st->s[i], sql[i]);
	return rc;
}

void dv_index_statements_free(struct dv_index_statements *st)
{
	if (!st)
		return;
	for (int i = 0; i < N_STATEMENTS; i++)
		sqlite3_finalize(st->s[i]);
	for (int i = 0; i < NCACHED; i++)
		dv_tree_release(&st->trees[i].tree);
	free(st);
}

/* -- small pieces ------------------------------------------------------------------------------ */

static sqlite3_stmt *fresh(dv_index *x, int which)
{
	sqlite3_stmt *s = x->st->s[which];

	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	return s;
}

static void bind_blob(sqlite3_stmt *s, int at, const void *p, size_t n)
{
	if (n)
		sqlite3_bind_blob64(s, at, p, n, SQLITE_STATIC);
	else
		sqlite3_bind_zeroblob(s, at, 0);
}

static void bind_text(sqlite3_stmt *s, int at, const char *text)
{
	if (text)
		sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
}

static int run(dv_index *x, sqlite3_stmt *s)
{
	int rc = dv_index_step(x, s);

	sqlite3_reset(s);
	return rc < 0 ? rc : 0;
}

/* The id that a statement finds; *id is 0 when it finds none. */
static int find(dv_index *x, sqlite3_stmt *s, int64_t *id)
{
	int rc = dv_index_step(x, s);

	*id = rc > 0 ? sqlite3_column_int64(s, 0) : 0;
	sqlite3_reset(s);
	return rc < 0 ? rc : 0;
}

static int insert(dv_index *x, sqlite3_stmt *s, int64_t *id)
{
	int rc = run(x, s);

	*id = sqlite3_last_insert_rowid(x->db);
	return rc;
}

static int type_id(dv_index *x, enum dv_type_kind kind, const char *name, int64_t *id)
{
	sqlite3_stmt *s = fresh(x, FIND_TYPE);

	sqlite3_bind_int(s, 1, (int)kind);
	bind_text(s, 2, name);
	int rc = find(x, s, id);
	if (rc < 0 || *id)
		return rc;
	s = fresh(x, ADD_TYPE);
	sqlite3_bind_int(s, 1, (int)kind);
	bind_text(s, 2, name);
	return insert(x, s, id);
}

/* When, and which record: what orders statements that contradict each other. */
static void make_stamp(uint8_t out[STAMP], int64_t time_us, const dv_oid *oid)
{
	uint64_t t = (uint64_t)time_us ^ ((uint64_t)1 << 63);

	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t)(t >> (56 - 8 * i));
	memcpy(out + 8, oid->b, DV_OID_RAW_SIZE);
}

/* -- artifacts --------------------------------------------------------------------------------- */

static int add_part(dv_index *x, int64_t whole, int64_t part)
{
	sqlite3_stmt *s = fresh(x, ADD_PART);

	sqlite3_bind_int64(s, 1, whole);
	sqlite3_bind_int64(s, 2, part);
	return run(x, s);
}

/* The listing `oid`, or NULL when it is not here or cannot be read. */
static const dv_tree *listing(dv_index *x, const dv_oid *oid)
{
	struct dv_index_statements *st = x->st;
	dv_auto(dv_buf) text = DV_BUF_INIT;
	cached_tree *c;

	for (int i = 0; i < NCACHED; i++)
		if (st->trees[i].used && dv_oid_eq(&st->trees[i].oid, oid))
			return st->trees[i].bad ? NULL : &st->trees[i].tree;
	c = &st->trees[st->next++ % NCACHED];
	dv_tree_release(&c->tree);
	*c = (cached_tree){ .oid = *oid, .used = true, .bad = true };
	if (dv_store_has_object(dv_reader_store(x->reader), oid) &&
	    dv_object_read(x->reader, oid, LISTING_MAX, &text) == 0)
		c->bad = dv_tree_parse(&c->tree, dv_buf_str(&text), text.n) < 0;
	dv_error_clear();
	return c->bad ? NULL : &c->tree;
}

/* Has the directory `whole` the content `oid` at `inner`, as far as its listing is here? */
static bool holds(dv_index *x, const dv_oid *whole, const char *inner, const dv_oid *oid)
{
	char name[256];
	dv_oid at = *whole;

	for (int depth = 0; *inner && depth < PATH_DEPTH; depth++) {
		size_t n = strcspn(inner, "/");
		const dv_tree *t = n && n < sizeof(name) ? listing(x, &at) : NULL;
		const dv_tree_entry *e;

		if (!t)
			return false;
		memcpy(name, inner, n);
		name[n] = 0;
		if (!(e = dv_tree_find(t, name)) || (inner[n] && e->kind != 'd'))
			return false;
		at = e->oid;
		inner += n + (inner[n] == '/');
	}
	return !*inner && dv_oid_eq(&at, oid);
}

/* The directories that the new artifact lies in. */
static int link_up(dv_index *x, int64_t id, const dv_run_path *p)
{
	dv_autofree char *dir = dv_strdup(p->path);
	int rc = dir ? 0 : DV_ERROR, depth = 0;
	char *slash;

	while (rc == 0 && depth++ < PATH_DEPTH && (slash = strrchr(dir, '/')) != NULL &&
	       slash != dir) {
		const char *inner = p->path + (slash - dir) + 1;
		int64_t wholes[PARTS_MAX];
		size_t n = 0;
		dv_oid oid;

		*slash = 0;
		sqlite3_stmt *s = fresh(x, AT_PATH);
		bind_blob(s, 1, dir, strlen(dir));
		while ((rc = dv_index_step(x, s)) > 0 && n < PARTS_MAX)
			if (dv_index_oid(s, 1, &oid) && holds(x, &oid, inner, &p->oid))
				wholes[n++] = sqlite3_column_int64(s, 0);
		sqlite3_reset(s);
		rc = rc < 0 ? rc : 0;
		for (size_t i = 0; rc == 0 && i < n; i++)
			rc = add_part(x, wholes[i], id);
	}
	return rc;
}

/* What is known that lies in the new directory. */
static int link_down(dv_index *x, int64_t id, const dv_run_path *p)
{
	dv_auto(dv_buf) low = DV_BUF_INIT, high = DV_BUF_INIT, name = DV_BUF_INIT;
	dv_autofree int64_t *parts = NULL;
	size_t n = 0, cap = 0;
	int rc = dv_buf_addf(&low, "%s/", p->path);

	if (rc == 0)
		rc = dv_buf_addf(&high, "%s0", p->path);	/* '0' follows '/' */
	if (rc < 0)
		return rc;
	sqlite3_stmt *s = fresh(x, BELOW_PATH);
	bind_blob(s, 1, low.p, low.n);
	bind_blob(s, 2, high.p, high.n);
	while (rc == 0 && (rc = dv_index_step(x, s)) > 0) {
		dv_oid oid;

		dv_buf_clear(&name);
		rc = dv_buf_add(&name, sqlite3_column_blob(s, 2),
				(size_t)sqlite3_column_bytes(s, 2));
		if (rc == 0 && dv_index_oid(s, 1, &oid) && name.n > low.n &&
		    holds(x, &p->oid, name.p + low.n, &oid)) {
			rc = dv_grow(&parts, &cap, n + 1, sizeof(*parts));
			if (rc == 0)
				parts[n++] = sqlite3_column_int64(s, 0);
		}
	}
	sqlite3_reset(s);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = add_part(x, id, parts[i]);
	return rc;
}

static int artifact_id(dv_index *x, const dv_run_path *p, bool live, int64_t time, int64_t *id)
{
	sqlite3_stmt *s = fresh(x, FIND_ARTIFACT);
	size_t n = p->has_oid ? DV_OID_RAW_SIZE : 0;
	int64_t type;
	int rc;

	bind_blob(s, 1, p->path, strlen(p->path));
	bind_blob(s, 2, p->oid.b, n);
	rc = find(x, s, id);
	if (rc == 0 && *id) {
		s = fresh(x, TOUCH_ARTIFACT);
		sqlite3_bind_int64(s, 1, *id);
		sqlite3_bind_int64(s, 2, time);
		return run(x, s);
	}
	if (rc == 0)
		rc = type_id(x, DV_TYPE_ARTIFACT, p->is_dir ? "Directory" : "File", &type);
	if (rc < 0)
		return rc;
	s = fresh(x, ADD_ARTIFACT);
	sqlite3_bind_int64(s, 1, type);
	bind_blob(s, 2, p->path, strlen(p->path));
	bind_blob(s, 3, p->oid.b, n);
	sqlite3_bind_int(s, 4, live && n ? DV_ARTIFACT_LIVE : DV_ARTIFACT_PENDING);
	if (n)
		sqlite3_bind_int64(s, 5, (sqlite3_int64)p->size);
	if (p->is_dir)
		sqlite3_bind_int64(s, 6, (sqlite3_int64)p->nfiles);
	sqlite3_bind_int64(s, 7, time);
	rc = insert(x, s, id);
	if (rc == 0 && n)
		rc = link_up(x, *id, p);
	return rc == 0 && n && p->is_dir ? link_down(x, *id, p) : rc;
}

/* -- runs -------------------------------------------------------------------------------------- */

/* The row of a run; one that is only named so far is there without a state. */
static int run_row(dv_index *x, const dv_oid *oid, int64_t *id, bool *filled)
{
	sqlite3_stmt *s = fresh(x, FIND_RUN);
	int rc;

	bind_blob(s, 1, oid->b, DV_OID_RAW_SIZE);
	rc = dv_index_step(x, s);
	*id = rc > 0 ? sqlite3_column_int64(s, 0) : 0;
	*filled = rc > 0 && sqlite3_column_int(s, 1) != DV_EXECUTION_UNKNOWN;
	sqlite3_reset(s);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	s = fresh(x, ADD_RUN);
	sqlite3_bind_int(s, 1, 0);
	bind_blob(s, 2, oid->b, DV_OID_RAW_SIZE);
	return insert(x, s, id);
}

static int add_event(dv_index *x, int64_t execution, enum dv_event_type type,
		     const dv_run_path *p, bool live, int64_t time)
{
	int64_t artifact;
	int rc = artifact_id(x, p, live, time, &artifact);

	if (rc < 0)
		return rc;
	sqlite3_stmt *s = fresh(x, ADD_EVENT);
	sqlite3_bind_int64(s, 1, execution);
	sqlite3_bind_int(s, 2, (int)type);
	sqlite3_bind_int64(s, 3, artifact);
	return run(x, s);
}

static int add_events(dv_index *x, int64_t id, const dv_run *r)
{
	bool made = r->state == DV_RUN_COMPLETE || r->state == DV_RUN_CACHED;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < r->ndeps; i++)
		rc = add_event(x, id, r->deps[i].has_oid ? DV_EVENT_INPUT : DV_EVENT_DECLARED_INPUT,
			       &r->deps[i], true, r->start_us);
	for (size_t i = 0; rc == 0 && i < r->nouts; i++) {
		bool is_output = made && r->outs[i].has_oid;

		rc = add_event(x, id, is_output ? DV_EVENT_OUTPUT : DV_EVENT_DECLARED_OUTPUT,
			       &r->outs[i], is_output, r->end_us);
	}
	return rc;
}

/* The value of a property, in the column of its type; false for what is no scalar. */
static bool bind_value(sqlite3_stmt *s, int at, const json_t *v)
{
	if (json_is_integer(v))
		sqlite3_bind_int64(s, at, json_integer_value(v));
	else if (json_is_real(v))
		sqlite3_bind_double(s, at + 1, json_real_value(v));
	else if (json_is_string(v))
		bind_text(s, at + 2, json_string_value(v));
	else if (json_is_boolean(v))
		sqlite3_bind_int(s, at + 3, json_is_true(v));
	else
		return false;
	return true;
}

/* Parameters by their dotted names; lists as JSON text. */
static int add_props(dv_index *x, int64_t id, const json_t *v, const char *name, int depth,
		     size_t *count)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	const char *key;
	json_t *member;
	int rc = 0;

	if (json_is_object(v) && depth < PROP_DEPTH) {
		json_object_foreach((json_t *)(uintptr_t)v, key, member) {
			dv_buf_clear(&text);
			rc = dv_buf_addf(&text, "%s%s%s", name,
					 depth == 0 ? "" : depth == 1 ? ":" : ".", key);
			if (rc == 0)
				rc = add_props(x, id, member, dv_buf_str(&text), depth + 1, count);
			if (rc < 0)
				return rc;
		}
		return 0;
	}
	if (++*count > PROPS_MAX || strlen(name) > PROP_NAME_MAX || json_is_null(v))
		return 0;
	sqlite3_stmt *s = fresh(x, ADD_PROP);
	sqlite3_bind_int64(s, 1, id);
	sqlite3_bind_int(s, 2, 1);
	bind_text(s, 3, name);
	if (!bind_value(s, 4, v)) {
		if ((rc = dv_json_write(&text, v)) < 0)
			return rc;
		bind_text(s, 6, dv_buf_str(&text));
	}
	return run(x, s);
}

/* "dv.yaml:train"; "train" for the stage of the file in the root, as everywhere. */
static int run_name(dv_buf *out, const dv_run *r)
{
	if (r->stage && r->file && strcmp(r->file, "dv.yaml") != 0)
		return dv_buf_addf(out, "%s:%s", r->file, r->stage);
	return dv_buf_adds(out, r->stage ? r->stage : r->file ? r->file : "");
}

static int context_id(dv_index *x, const char *type, const char *name, int64_t time, int64_t *id)
{
	int64_t t;
	int rc = type_id(x, DV_TYPE_CONTEXT, type, &t);

	if (rc < 0)
		return rc;
	sqlite3_stmt *s = fresh(x, FIND_CONTEXT);
	sqlite3_bind_int64(s, 1, t);
	bind_text(s, 2, name);
	if ((rc = find(x, s, id)) < 0)
		return rc;
	s = fresh(x, *id ? TOUCH_CONTEXT : ADD_CONTEXT);
	if (*id) {
		sqlite3_bind_int64(s, 1, *id);
		sqlite3_bind_int64(s, 2, time);
		return run(x, s);
	}
	sqlite3_bind_int64(s, 1, t);
	bind_text(s, 2, name);
	sqlite3_bind_int64(s, 3, time);
	return insert(x, s, id);
}

static int member(dv_index *x, int which, int64_t context, int64_t other,
		  const uint8_t stamp[STAMP], bool gone)
{
	sqlite3_stmt *s = fresh(x, which);

	sqlite3_bind_int64(s, 1, context);
	sqlite3_bind_int64(s, 2, other);
	bind_blob(s, 3, stamp, STAMP);
	sqlite3_bind_int(s, 4, gone);
	return run(x, s);
}

static int fill_run(dv_index *x, int64_t id, const dv_run_doc *d)
{
	static const int states[] = { DV_EXECUTION_COMPLETE, DV_EXECUTION_FAILED,
				      DV_EXECUTION_CANCELED, DV_EXECUTION_CACHED };
	dv_auto(dv_buf) name = DV_BUF_INIT, author = DV_BUF_INIT;
	const dv_run *r = &d->run;
	uint8_t commit[DV_GIT_HEX / 2];
	int64_t type;
	int rc = type_id(x, DV_TYPE_EXECUTION, r->type, &type);

	if (rc == 0)
		rc = run_name(&name, r);
	if (rc == 0 && (d->author_name || d->author_email))
		rc = dv_buf_addf(&author, "%s%s%s%s", d->author_name ? d->author_name : "",
				 d->author_name && d->author_email ? " " : "",
				 d->author_email ? "<" : "",
				 d->author_email ? d->author_email : "");
	if (rc == 0 && d->author_email)
		rc = dv_buf_addc(&author, '>');
	if (rc < 0)
		return rc;
	sqlite3_stmt *s = fresh(x, FILL_RUN);
	sqlite3_bind_int64(s, 1, id);
	sqlite3_bind_int64(s, 2, type);
	bind_text(s, 3, dv_buf_str(&name));
	sqlite3_bind_int(s, 4, states[r->state]);
	sqlite3_bind_int64(s, 5, r->start_us);
	sqlite3_bind_int64(s, 6, r->end_us);
	sqlite3_bind_int(s, 7, r->exit_code);
	if (d->commit && strlen(d->commit) == DV_GIT_HEX &&
	    dv_hex_parse(commit, sizeof(commit), d->commit) == 0)
		bind_blob(s, 8, commit, sizeof(commit));
	if (d->dirty >= 0)
		sqlite3_bind_int(s, 9, d->dirty);
	if (author.n)
		bind_text(s, 10, dv_buf_str(&author));
	return run(x, s);
}

static int take_run(dv_index *x, const dv_oid *oid, const dv_run_doc *d)
{
	uint8_t stamp[STAMP];
	int64_t id, context;
	bool filled;
	size_t count = 0;
	int rc = run_row(x, oid, &id, &filled);

	if (rc < 0 || filled)
		return rc;
	rc = fill_run(x, id, d);
	if (rc == 0)
		rc = add_events(x, id, &d->run);
	if (rc == 0 && d->params)
		rc = add_props(x, id, d->params, "", 0, &count);
	if (rc == 0 && d->env)
		rc = add_props(x, id, d->env, "env:", 1, &count);
	if (rc < 0 || !d->run.stage || !d->run.file)
		return rc;
	make_stamp(stamp, d->run.start_us, oid);
	rc = context_id(x, "pipeline", d->run.file, d->run.start_us, &context);
	return rc < 0 ? rc : member(x, ASSOCIATION, context, id, stamp, false);
}

/* -- groups ------------------------------------------------------------------------------------ */

static int value_type(const json_t *v)
{
	return json_is_integer(v) ? 1 : json_is_real(v) ? 2 : json_is_string(v) ? 3 :
	       json_is_boolean(v) ? 6 : 0;
}

static int take_props(dv_index *x, int64_t context, const dv_run_group *g,
		      const uint8_t stamp[STAMP])
{
	const char *key;
	int64_t type;
	json_t *v;
	int rc = type_id(x, DV_TYPE_CONTEXT, g->type, &type);

	if (rc < 0 || !g->props)
		return rc;
	json_object_foreach((json_t *)(uintptr_t)g->props, key, v) {
		sqlite3_stmt *s = fresh(x, CONTEXT_PROP);

		sqlite3_bind_int64(s, 1, context);
		sqlite3_bind_int(s, 2, 0);
		bind_text(s, 3, key);
		if (!bind_value(s, 4, v))
			continue;
		bind_blob(s, 8, stamp, STAMP);
		if ((rc = run(x, s)) < 0)
			return rc;
		s = fresh(x, PROPERTY_TYPE);
		sqlite3_bind_int64(s, 1, type);
		bind_text(s, 2, key);
		sqlite3_bind_int(s, 3, value_type(v));
		if ((rc = run(x, s)) < 0)
			return rc;
	}
	return 0;
}

static int take_group(dv_index *x, const dv_oid *oid, const dv_run_group *g)
{
	uint8_t stamp[STAMP];
	int64_t context, other;
	bool filled;
	int rc = context_id(x, g->type, g->name, g->time_us, &context);

	make_stamp(stamp, g->time_us, oid);
	for (size_t i = 0; rc == 0 && i < g->nruns; i++) {
		rc = run_row(x, &g->runs[i], &other, &filled);
		if (rc == 0)
			rc = member(x, ASSOCIATION, context, other, stamp, g->gone);
	}
	for (size_t i = 0; rc == 0 && i < g->nartifacts; i++) {
		rc = artifact_id(x, &g->artifacts[i], true, g->time_us, &other);
		if (rc == 0)
			rc = member(x, ATTRIBUTION, context, other, stamp, g->gone);
	}
	if (rc == 0 && g->parent_type && g->parent_name) {
		rc = context_id(x, g->parent_type, g->parent_name, g->time_us, &other);
		if (rc == 0 && other != context)
			rc = member(x, PARENT, context, other, stamp, g->gone);
	}
	return rc < 0 ? rc : take_props(x, context, g, stamp);
}

int dv_index_take(dv_index *x, const dv_oid *oid, const dv_run_doc *d)
{
	return d->kind == DV_RUN_DOC_GROUP ? take_group(x, oid, &d->group) : take_run(x, oid, d);
}
