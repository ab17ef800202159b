/* SPDX-License-Identifier: Apache-2.0 */
/* Reading run records. They may come from a remote, so all of it is checked; see record.h. */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "lineage/record.h"
#include "repo/runlist.h"

#define SCHEMA 1
#define DEPTH 80
#define ITEMS_MAX ((size_t)1 << 20)
#define TEXT_MAX ((size_t)1 << 20)	/* of a name */

void dv_run_doc_release(dv_run_doc *d)
{
	json_decref(d->json);
	free(d->deps);
	free(d->outs);
	free(d->runs);
	for (size_t i = 0; i < d->nnames; i++)
		free(d->names[i]);
	free(d->names);
	*d = (dv_run_doc)DV_RUN_DOC_INIT;
}

static int parse_oid(dv_oid *out, const char *s)
{
	if (!s || dv_oid_parse_text(out, s) < 0)
		return dv_err(DV_ECORRUPT, "'%.80s' is no oid", s ? s : "");
	return 0;
}

static int opt_oid(const dv_json *o, const char *key, dv_oid *out, bool *has)
{
	const char *s = NULL;
	int rc = dv_json_opt_str(o, key, &s);

	*has = rc == 0 && s;
	return *has ? parse_oid(out, s) : rc;
}

/* Microseconds since 1970; whatever a machine's clock may have said. */
static int get_time(const dv_json *o, const char *key, int64_t *out)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_integer(v))
		return dv_err(DV_ECORRUPT, "'%s' is no time", key);
	*out = json_integer_value(v);
	return 0;
}

static int keep_name(dv_run_doc *d, char *name)
{
	int rc = dv_grow(&d->names, &d->names_cap, d->nnames + 1, sizeof(*d->names));

	if (rc < 0) {
		free(name);
		return rc;
	}
	d->names[d->nnames++] = name;
	return 0;
}

static int hex_path(dv_run_doc *d, const char *hex, const char **out)
{
	size_t n = strlen(hex) / 2;
	dv_autofree char *name = n && n <= TEXT_MAX ? dv_calloc(n + 1, 1) : NULL;

	if (!name)
		return dv_err(DV_ECORRUPT, "a path in hexadecimal is none");
	if (strlen(hex) % 2 || dv_hex_parse((uint8_t *)name, n, hex) || strlen(name) != n)
		return dv_err(DV_ECORRUPT, "a path in hexadecimal is none");
	*out = name;
	return keep_name(d, dv_steal(&name));
}

static int parse_path(dv_run_doc *d, const dv_json *o, dv_run_path *p)
{
	const char *hex = NULL;
	int rc;

	*p = (dv_run_path){ 0 };
	if (!json_is_object(o))
		return dv_err(DV_ECORRUPT, "a path is not an object");
	rc = dv_json_opt_str(o, "path_hex", &hex);
	if (rc == 0)
		rc = hex ? hex_path(d, hex, &p->path) : dv_json_get_str(o, "path", &p->path);
	if (rc == 0 && (!*p->path || strlen(p->path) > TEXT_MAX))
		rc = dv_err(DV_ECORRUPT, "a path is empty or too long");
	if (rc == 0)
		rc = opt_oid(o, "oid", &p->oid, &p->has_oid);
	if (rc == 0)
		rc = dv_json_opt_u64(o, "size", (uint64_t)INT64_MAX, &p->size);
	p->is_dir = rc == 0 && json_object_get(o, "nfiles");
	if (rc == 0)
		rc = dv_json_opt_u64(o, "nfiles", (uint64_t)INT64_MAX, &p->nfiles);
	if (rc == 0)
		rc = dv_json_opt_bool(o, "exec", &p->isexec);
	if (rc == 0)
		rc = dv_json_opt_bool(o, "undeclared", &p->undeclared);
	return rc;
}

static int parse_paths(dv_run_doc *d, const char *key, dv_run_path **out, size_t *n)
{
	dv_json *list = NULL;
	int rc = dv_json_opt_array(d->json, key, ITEMS_MAX, &list);
	size_t count = rc == 0 && list ? json_array_size(list) : 0;

	if (rc < 0 || count == 0)
		return rc;
	if (!(*out = dv_calloc(count, sizeof(**out))))
		return DV_ERROR;
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = parse_path(d, json_array_get(list, i), &(*out)[i]);
	*n = count;
	return rc;
}

static int parse_state(const dv_json *o, enum dv_run_state *out)
{
	const char *s = NULL;
	int rc = dv_json_get_str(o, "state", &s);

	for (int i = DV_RUN_COMPLETE; rc == 0 && i <= DV_RUN_CACHED; i++)
		if (strcmp(s, dv_run_state_name((enum dv_run_state)i)) == 0) {
			*out = (enum dv_run_state)i;
			return 0;
		}
	return rc < 0 ? rc : dv_err(DV_ECORRUPT, "'%.20s' is no state of a run", s);
}

/* Texts of one object; key NULL ends the list. */
typedef struct wanted_text {
	const char *key;
	const char **out;
} wanted_text;
static int opt_texts(const dv_json *o, const wanted_text *t)
{
	int rc = 0;

	for (; o && rc == 0 && t->key; t++)
		rc = dv_json_opt_str(o, t->key, t->out);
	return rc;
}

static int parse_context(dv_run_doc *d)
{
	dv_json *git = NULL, *author = NULL, *host = NULL, *parent = NULL;
	int rc = dv_json_opt_object(d->json, "git", &git);
	bool dirty = false;

	d->dirty = -1;
	if (rc == 0)
		rc = dv_json_opt_object(d->json, "author", &author);
	if (rc == 0)
		rc = dv_json_opt_object(d->json, "host", &host);
	if (rc == 0)
		rc = dv_json_opt_object(d->json, "parent", &parent);
	if (rc == 0 && git)
		rc = dv_json_opt_bool(git, "dirty", &dirty);
	if (rc == 0 && git && json_object_get(git, "dirty"))
		d->dirty = dirty;
	if (rc == 0)
		rc = opt_texts(git, (wanted_text[]){ { "commit", &d->commit }, { NULL, NULL } });
	if (rc == 0)
		rc = opt_texts(author, (wanted_text[]){ { "name", &d->author_name },
							{ "email", &d->author_email },
							{ NULL, NULL } });
	if (rc == 0)
		rc = opt_texts(host, (wanted_text[]){ { "os", &d->os }, { "arch", &d->arch },
						      { NULL, NULL } });
	if (rc == 0)
		rc = opt_texts(parent, (wanted_text[]){ { "run", &d->parent_run },
							{ "job", &d->parent_job },
							{ "namespace", &d->parent_namespace },
							{ NULL, NULL } });
	return rc < 0 ? rc : dv_json_opt_str(d->json, "dv", &d->version);
}

static int parse_how(dv_run_doc *d)
{
	dv_json *params = NULL, *env = NULL;
	dv_run *run = &d->run;
	const json_t *code = json_object_get(d->json, "exit");
	const wanted_text texts[] = {
		{ "type", &run->type }, { "uuid", &run->uuid }, { "file", &run->file },
		{ "stage", &run->stage }, { "wdir", &run->wdir }, { "image", &run->image },
		{ "origin", &run->origin }, { NULL, NULL },
	};
	int rc = opt_texts(d->json, texts);

	if (rc == 0 && !run->type)
		rc = dv_err(DV_ECORRUPT, "a run without a type");
	if (rc == 0)
		rc = dv_json_opt_object(d->json, "params", &params);
	if (rc == 0)
		rc = dv_json_opt_object(d->json, "env", &env);
	d->params = params;
	d->env = env;
	d->cmd = json_object_get(d->json, "cmd");
	if (rc == 0 && d->cmd && !json_is_string(d->cmd) && !json_is_array(d->cmd))
		rc = dv_err(DV_ECORRUPT, "a command is neither text nor a list");
	if (rc == 0 && code && (!json_is_integer(code) || json_integer_value(code) < 0 ||
				json_integer_value(code) > 1023))
		rc = dv_err(DV_ECORRUPT, "an exit code is none");
	if (rc == 0 && code)
		run->exit_code = (int)json_integer_value(code);
	return rc;
}

static int parse_run(dv_run_doc *d)
{
	dv_run *run = &d->run;
	int rc = parse_how(d);

	if (rc == 0)
		rc = parse_state(d->json, &run->state);
	if (rc == 0)
		rc = get_time(d->json, "start", &run->start_us);
	if (rc == 0)
		rc = get_time(d->json, "end", &run->end_us);
	if (rc == 0)
		rc = opt_oid(d->json, "log", &run->log, &run->has_log);
	if (rc == 0)
		rc = opt_oid(d->json, "cached_from", &run->cached, &run->has_cached);
	if (rc == 0)
		rc = parse_paths(d, "deps", &d->deps, &run->ndeps);
	if (rc == 0)
		rc = parse_paths(d, "outs", &d->outs, &run->nouts);
	run->deps = d->deps;
	run->outs = d->outs;
	return rc;
}

static int parse_runs(dv_run_doc *d)
{
	dv_json *list = NULL;
	int rc = dv_json_opt_array(d->json, "runs", ITEMS_MAX, &list);
	size_t n = rc == 0 && list ? json_array_size(list) : 0;

	if (rc < 0 || n == 0)
		return rc;
	if (!(d->runs = dv_calloc(n, sizeof(*d->runs))))
		return DV_ERROR;
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = parse_oid(&d->runs[i], json_string_value(json_array_get(list, i)));
	d->group.runs = d->runs;
	d->group.nruns = n;
	return rc;
}

static int parse_group(dv_run_doc *d)
{
	dv_json *parent = NULL, *props = NULL;
	dv_run_group *g = &d->group;
	int rc = dv_json_get_str(d->json, "type", &g->type);

	d->kind = DV_RUN_DOC_GROUP;
	if (rc == 0)
		rc = dv_json_get_str(d->json, "name", &g->name);
	if (rc == 0)
		rc = get_time(d->json, "time", &g->time_us);
	if (rc == 0)
		rc = dv_json_opt_bool(d->json, "gone", &g->gone);
	if (rc == 0)
		rc = dv_json_opt_object(d->json, "parent", &parent);
	if (rc == 0 && parent)
		rc = dv_json_get_str(parent, "type", &g->parent_type);
	if (rc == 0 && parent)
		rc = dv_json_get_str(parent, "name", &g->parent_name);
	if (rc == 0)
		rc = dv_json_opt_object(d->json, "props", &props);
	g->props = props;
	if (rc == 0)
		rc = parse_runs(d);
	if (rc == 0)
		rc = parse_paths(d, "artifacts", &d->deps, &g->nartifacts);
	g->artifacts = d->deps;
	return rc;
}

int dv_run_doc_parse(dv_run_doc *out, const char *p, size_t n)
{
	dv_auto(dv_run_doc) d = DV_RUN_DOC_INIT;
	const char *kind = NULL;
	uint64_t schema = 0;
	int rc = dv_json_parse(&d.json, p, n, DV_RUN_RECORD_MAX, DEPTH, "a run record");

	*out = (dv_run_doc)DV_RUN_DOC_INIT;
	if (rc == 0 && !json_is_object(d.json))
		rc = dv_err(DV_ECORRUPT, "a run record is not an object");
	if (rc == 0)
		rc = dv_json_get_u64(d.json, "schema", (uint64_t)INT64_MAX, &schema);
	if (rc == 0 && schema != SCHEMA) {
		rc = dv_err(DV_ERROR, "a run record has schema %" PRIu64 ", this dv reads up to %d",
			    schema, SCHEMA);
		return dv_err_hint(rc, "install a newer version of dv");
	}
	if (rc == 0)
		rc = dv_json_get_str(d.json, "kind", &kind);
	if (rc == 0 && strcmp(kind, "run") == 0)
		rc = parse_run(&d);
	else if (rc == 0 && strcmp(kind, "group") == 0)
		rc = parse_group(&d);
	else if (rc == 0)
		rc = dv_err(DV_ECORRUPT, "a run record of unknown kind '%.20s'", kind);
	if (rc == 0)
		rc = parse_context(&d);
	if (rc < 0)
		return rc;
	*out = d;
	d = (dv_run_doc)DV_RUN_DOC_INIT;
	return 0;
}

int dv_run_doc_load(dv_run_doc *out, dv_reader *reader, const dv_oid *oid)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	char hex[DV_OID_HEX_SIZE + 1];
	int rc = dv_object_read(reader, oid, DV_RUN_RECORD_MAX, &text);

	*out = (dv_run_doc)DV_RUN_DOC_INIT;
	if (rc == 0)
		rc = dv_run_doc_parse(out, dv_buf_str(&text), text.n);
	dv_oid_hex(hex, oid);
	return rc < 0 ? dv_err_ctx(rc, "run record %.12s", hex) : 0;
}
