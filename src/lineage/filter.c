/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters of listings: "KEY OP VALUE". What the user writes only ever becomes a bound value; the
 * SQL is put together from fixed pieces.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/alloc.h"
#include "lineage/query.h"

#define FILTERS_MAX 64

typedef struct value {
	char kind;	/* 'i', 'f', 't' */
	int64_t i;
	double f;
	char *text;	/* owned */
} value;

struct dv_filter {
	dv_buf sql;
	value *v;
	size_t n, cap;
};

enum kind { TEXT, NUMBER, TIME, STATE, KIND_OF, OID, COMMIT, WITHIN, PARAM };

/* `sql`: an expression, or with WITHIN the inside of EXISTS up to the comparison. */
static const struct key {
	const char *name;
	enum kind kind;
	const char *sql;
} run_keys[] = {
	{ "name", TEXT, "e.name" },
	{ "type", TEXT, "(SELECT name FROM Type WHERE id = e.type_id)" },
	{ "state", STATE, "e.last_known_state" },
	{ "exit", NUMBER, "e.exit_code" },
	{ "commit", COMMIT, "lower(hex(e.git_commit))" },
	{ "author", TEXT, "e.author" },
	{ "start", TIME, "e.create_time" },
	{ "end", TIME, "e.last_update_time" },
	{ "seconds", NUMBER, "(e.last_update_time - e.create_time) / 1e6" },
	{ "input", WITHIN, "SELECT 1 FROM Event v JOIN Artifact a ON a.id = v.artifact_id WHERE "
			   "v.execution_id = e.id AND v.type IN (2, 3) AND CAST(a.uri AS TEXT)" },
	{ "output", WITHIN, "SELECT 1 FROM Event v JOIN Artifact a ON a.id = v.artifact_id WHERE "
			    "v.execution_id = e.id AND v.type IN (1, 4) AND CAST(a.uri AS TEXT)" },
	{ "context", WITHIN, "SELECT 1 FROM Association s JOIN Context c ON c.id = s.context_id "
			     "JOIN Type y ON y.id = c.type_id WHERE s.execution_id = e.id AND "
			     "NOT s.gone AND y.name || ':' || c.name" },
	{ NULL, TEXT, NULL },
}, artifact_keys[] = {
	{ "path", TEXT, "CAST(a.uri AS TEXT)" },
	{ "oid", OID, "lower(hex(a.external_id))" },
	{ "kind", KIND_OF, "(a.nfiles IS NOT NULL)" },
	{ "size", NUMBER, "a.size" },
	{ "files", NUMBER, "a.nfiles" },
	{ "first", TIME, "a.create_time" },
	{ "last", TIME, "a.last_update_time" },
	{ "context", WITHIN, "SELECT 1 FROM Attribution s JOIN Context c ON c.id = s.context_id "
			     "JOIN Type y ON y.id = c.type_id WHERE s.artifact_id = a.id AND "
			     "NOT s.gone AND y.name || ':' || c.name" },
	{ NULL, TEXT, NULL },
};

static const struct key param_key = {
	"param", PARAM,
	"SELECT 1 FROM ExecutionProperty p WHERE p.execution_id = e.id AND (p.name = ",
};

void dv_filter_free(dv_filter *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++)
		free(f->v[i].text);
	free(f->v);
	dv_buf_release(&f->sql);
	free(f);
}

const char *dv_filter_sql(const dv_filter *f)
{
	return dv_buf_str(&f->sql);
}

int dv_filter_bind(const dv_filter *f, sqlite3_stmt *s, int first)
{
	for (size_t i = 0; i < f->n; i++) {
		const value *v = &f->v[i];
		int at = first + (int)i;

		if (v->kind == 'i')
			sqlite3_bind_int64(s, at, v->i);
		else if (v->kind == 'f')
			sqlite3_bind_double(s, at, v->f);
		else
			sqlite3_bind_text(s, at, v->text, -1, SQLITE_STATIC);
	}
	return 0;
}

static int push(dv_filter *f, value v)
{
	int rc = dv_grow(&f->v, &f->cap, f->n + 1, sizeof(*f->v));

	if (rc < 0) {
		free(v.text);
		return rc;
	}
	f->v[f->n++] = v;
	return 0;
}

static int push_text(dv_filter *f, const char *text)
{
	value v = { .kind = 't', .text = dv_strdup(text) };

	return v.text ? push(f, v) : DV_ERROR;
}

/* -- values ------------------------------------------------------------------------------------ */

static bool as_number(const char *text, value *out)
{
	char *end = NULL;

	errno = 0;
	long long i = strtoll(text, &end, 10);
	if (end != text && !*end && !errno) {
		*out = (value){ .kind = 'i', .i = i };
		return true;
	}
	double f = strtod(text, &end);
	*out = (value){ .kind = 'f', .f = f };
	return end != text && !*end;
}

/* "2024-05-01", "2024-05-01T12:00:00", with Z or without, in UTC; or seconds since 1970. */
static bool as_time(const char *text, value *out)
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S",
					     "%Y-%m-%dT%H:%M", "%Y-%m-%d", NULL };

	for (const char *const *form = forms; *form; form++) {
		struct tm t = { 0 };
		const char *end = strptime(text, *form, &t);

		if (end && (!*end || strcmp(end, "Z") == 0)) {
			*out = (value){ .kind = 'i', .i = (int64_t)timegm(&t) * 1000000 };
			return true;
		}
	}
	if (!as_number(text, out))
		return false;
	double s = out->kind == 'i' ? (double)out->i : out->f;
	if (!(s > -9e12 && s < 9e12))
		return false;
	*out = (value){ .kind = 'i', .i = (int64_t)(s * 1e6) };
	return true;
}

static bool as_state(const char *text, value *out)
{
	for (int i = DV_EXECUTION_COMPLETE; i <= DV_EXECUTION_CANCELED; i++)
		if (strcasecmp(text, dv_execution_state_name(i)) == 0) {
			*out = (value){ .kind = 'i', .i = i };
			return true;
		}
	return false;
}

static bool as_kind(const char *text, value *out)
{
	*out = (value){ .kind = 'i', .i = strcmp(text, "directory") == 0 };
	return out->i || strcmp(text, "file") == 0;
}

/* -- one filter -------------------------------------------------------------------------------- */

typedef struct parts {
	char *name, *text;	/* owned */
	const char *op;		/* of SQL */
	bool is_pattern, is_not;
} parts;
static void parts_release(parts *p)
{
	free(p->name);
	free(p->text);
}

static int take_apart(parts *p, const char *filter)
{
	static const char *const ops[][2] = { { "!=", "=" }, { "<=", "<=" }, { ">=", ">=" },
					      { "=", "=" }, { "<", "<" }, { ">", ">" },
					      { "~", "GLOB" }, { NULL, NULL } };
	size_t n = strcspn(filter, "=!<>~ ");
	const char *at = filter + n;

	at += strspn(at, " ");
	for (size_t i = 0; ops[i][0]; i++) {
		size_t len = strlen(ops[i][0]);

		if (strncmp(at, ops[i][0], len) != 0)
			continue;
		p->op = ops[i][1];
		p->is_not = i == 0;
		p->is_pattern = *at == '~';
		at += len;
		at += strspn(at, " ");
		p->name = dv_strndup(filter, n);
		p->text = dv_strdup(at);
		return p->name && p->text ? 0 : DV_ERROR;
	}
	return dv_err_hint(dv_err(DV_EUSAGE, "'%s' is no filter", filter),
			   "filters look like 'state=FAILED' or 'param.lr>=0.1'");
}

static int wrong_value(const parts *p, const char *takes)
{
	return dv_err_hint(dv_err(DV_EUSAGE, "'%s' cannot be compared with '%s'", p->name, p->text),
			   "it takes %s", takes);
}

static int add_param(dv_filter *f, const parts *p)
{
	const char *name = p->name + strlen("param.");
	dv_auto(dv_buf) tail = DV_BUF_INIT;
	value v;
	int rc = dv_buf_addf(&tail, "*:%s", name);

	dv_buf_addf(&f->sql, "%s? OR p.name GLOB ?) AND coalesce(p.int_value, p.double_value, "
		    "p.string_value, CASE p.bool_value WHEN 1 THEN 'true' WHEN 0 THEN 'false' END)"
		    " %s ?", param_key.sql, p->op);
	if (rc == 0)
		rc = push_text(f, name);
	if (rc == 0)
		rc = push_text(f, dv_buf_str(&tail));
	if (rc < 0)
		return rc;
	return !p->is_pattern && as_number(p->text, &v) ? push(f, v) : push_text(f, p->text);
}

static int add_scalar(dv_filter *f, const struct key *k, const parts *p)
{
	bool fits = true;
	value v = { 0 };

	dv_buf_addf(&f->sql, "%s %s ?", k->sql, p->op);
	switch (k->kind) {
	case NUMBER:
		fits = as_number(p->text, &v);
		return fits ? push(f, v) : wrong_value(p, "a number");
	case TIME:
		fits = as_time(p->text, &v);
		return fits ? push(f, v) : wrong_value(p, "a time such as 2024-05-01T12:00:00");
	case STATE:
		fits = as_state(p->text, &v);
		return fits ? push(f, v)
			    : wrong_value(p, "COMPLETE, FAILED, CANCELED or CACHED");
	case KIND_OF:
		fits = as_kind(p->text, &v);
		return fits ? push(f, v) : wrong_value(p, "file or directory");
	default:
		return push_text(f, p->text);
	}
}

/* An abbreviation matches what begins with it. */
static int add_hex(dv_filter *f, const struct key *k, const parts *p)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	const char *hex = dv_oid_digits(p->text);

	dv_buf_addf(&f->sql, "%s GLOB ?", k->sql);
	if (strspn(hex, "0123456789abcdef") != strlen(hex) || strcmp(p->op, "=") != 0)
		return wrong_value(p, "'=' or '!=' and hexadecimal digits");
	int rc = dv_buf_addf(&b, "%s*", hex);
	return rc < 0 ? rc : push_text(f, dv_buf_str(&b));
}

static int add_filter(dv_filter *f, const char *text, bool of_runs)
{
	__attribute__((cleanup(parts_release))) parts p = { 0 };
	const struct key *k = of_runs ? run_keys : artifact_keys;
	int rc = take_apart(&p, text);

	if (rc < 0)
		return rc;
	bool param = of_runs && strncmp(p.name, "param.", 6) == 0 && p.name[6];
	while (!param && k->name && strcmp(k->name, p.name) != 0)
		k++;
	if (param)
		k = &param_key;
	if (!k->name)
		return dv_err_hint(dv_err(DV_EUSAGE, "there is nothing to filter by named '%s'",
					  p.name), of_runs ?
				   "runs have name type state exit commit author start end seconds "
				   "input output context param.NAME" :
				   "artifacts have path oid kind size files first last context");
	bool within = k->kind == WITHIN || k->kind == PARAM;
	dv_buf_addf(&f->sql, " AND %s(", p.is_not ? within ? "NOT EXISTS" : "NOT "
						  : within ? "EXISTS" : "");
	rc = param ? add_param(f, &p) :
	     k->kind == OID || k->kind == COMMIT ? add_hex(f, k, &p) : add_scalar(f, k, &p);
	dv_buf_addc(&f->sql, ')');
	return rc < 0 ? rc : f->sql.err;
}

int dv_filter_new(dv_filter **out, const char *const *filters, size_t n, bool of_runs)
{
	dv_autoptr(dv_filter) f = dv_calloc(1, sizeof(*f));
	int rc = f ? 0 : DV_ERROR;

	*out = NULL;
	if (n > FILTERS_MAX)
		return dv_err(DV_EUSAGE, "more than %d filters", FILTERS_MAX);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = add_filter(f, filters[i], of_runs);
	if (rc == 0)
		*out = dv_steal(&f);
	return rc;
}
