/* SPDX-License-Identifier: Apache-2.0 */
/* Writing run records, and the list of what was written. See record.h. */
#include "lineage/record.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/alloc.h"
#include "base/sha256.h"
#include "base/url.h"
#include "lineage/exchange.h"
#include "lineage/scrub.h"
#include "repo/record.h"
#include "repo/runlist.h"

#define SCHEMA 1
#define DEPTH 78		/* less than readers take */
#define CONTEXT_MAX ((size_t)1 << 16)

/* Ids of runs of others, which lead from a record to their logs; no secrets among them. */
static const char *const ci_names[] = {
	"GITHUB_REPOSITORY", "GITHUB_RUN_ID", "GITHUB_JOB", "CI_PROJECT_PATH", "CI_PIPELINE_ID",
	"CI_JOB_ID", "BUILDKITE_BUILD_ID", "CIRCLE_BUILD_NUM", "JENKINS_BUILD_NUMBER",
	"SLURM_JOB_ID", "AIRFLOW_CTX_DAG_ID", "AIRFLOW_CTX_TASK_ID", "AIRFLOW_CTX_DAG_RUN_ID",
	"AIRFLOW_CTX_TRY_NUMBER", NULL,
};

struct dv_run_context {
	dv_repo *repo;
	dv_encoder *enc;
	char commit[DV_GIT_HEX + 1];
	int dirty;			/* -1: not known */
	dv_buf name, email;		/* of the author */
	struct utsname host;
	dv_json *ci, *parent;		/* objects, or NULL */
	dv_emit *emit;			/* NULL: nobody wants events */
	dv_run_item *queue;		/* recorded and not listed */
	size_t n, cap;
};

const char *dv_run_state_name(enum dv_run_state s)
{
	static const char *const names[] = { "COMPLETE", "FAILED", "CANCELED", "CACHED" };

	return (unsigned)s < 4 ? names[s] : "?";
}

int dv_run_uuid(char out[DV_RUN_UUID], int64_t start_us)
{
	uint64_t ms = start_us > 0 ? (uint64_t)start_us / 1000 : 0;
	uint8_t b[16];
	int rc = dv_random(b, sizeof(b));

	if (rc < 0)
		return rc;
	for (int i = 0; i < 6; i++)
		b[i] = (uint8_t)(ms >> (40 - 8 * i));
	b[6] = (uint8_t)(0x70 | (b[6] & 0x0f));
	b[8] = (uint8_t)(0x80 | (b[8] & 0x3f));
	snprintf(out, DV_RUN_UUID,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		 b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		 b[15]);
	return 0;
}

/* -- the context ------------------------------------------------------------------------------- */

static int take_ci(dv_run_context *c)
{
	int rc = 0;

	for (const char *const *n = ci_names; *n && rc == 0; n++) {
		const char *value = getenv(*n);

		if (!value || !*value)
			continue;
		if (!c->ci && !(c->ci = json_object()))
			return dv_err_nomem();
		dv_auto(dv_buf) clean = DV_BUF_INIT;
		json_t *text = NULL;
		if (dv_scrub_text(&clean, value) == 0)
			text = json_string(dv_buf_str(&clean));
		if (text)
			rc = dv_json_set(c->ci, *n, text);
	}
	return rc;
}

static int set_parent(dv_run_context *c, const char *ns, const char *job, const char *run)
{
	dv_autoptr(dv_json) p = json_object();

	if (!ns || !job || !run || !*run)
		return 0;
	/* What is not UTF-8 names nothing. */
	if (json_object_set_new(p, "namespace", json_string(ns)) ||
	    json_object_set_new(p, "job", json_string(job)) ||
	    json_object_set_new(p, "run", json_string(run)))
		return 0;
	c->parent = dv_steal(&p);
	return 0;
}

/* OpenLineage's way to tell a task what it is part of: JSON, or of old "namespace/job/run". */
static int take_parent(dv_run_context *c)
{
	const char *text = getenv("OPENLINEAGE_CONTEXT"), *id = getenv("OPENLINEAGE_PARENT_ID");
	dv_autoptr(dv_json) j = NULL;

	if (text && *text && dv_json_parse(&j, text, strlen(text), CONTEXT_MAX, 16,
					   "OPENLINEAGE_CONTEXT") == 0) {
		json_t *p = json_object_get(j, "parent"), *job = json_object_get(p, "job");

		return set_parent(c, json_string_value(json_object_get(job, "namespace")),
				  json_string_value(json_object_get(job, "name")),
				  json_string_value(json_object_get(json_object_get(p, "run"),
								    "runId")));
	}
	dv_error_clear();
	if (!id || !*id || strlen(id) > CONTEXT_MAX)
		return 0;
	dv_autofree char *copy = dv_strdup(id);
	char *run = copy ? strrchr(copy, '/') : NULL, *job = NULL;

	if (!copy)
		return DV_ERROR;
	if (run)
		*run++ = 0;
	job = run ? strrchr(copy, '/') : NULL;
	if (job)
		*job++ = 0;
	return job ? set_parent(c, copy, job, run) : 0;
}

/* A repository that libgit2 cannot read is no reason not to record. */
static int take_git(dv_run_context *c, bool look)
{
	dv_git *g = NULL;
	bool dirty = false;

	c->dirty = -1;
	if (!c->repo->has_git)
		return 0;
	if (dv_repo_git(c->repo, &g) < 0 || dv_git_head(g, c->commit) < 0) {
		dv_error_clear();
		c->commit[0] = 0;
		return 0;
	}
	if (dv_git_author(g, &c->name, &c->email) < 0)
		dv_error_clear();
	if (look && dv_git_is_dirty(g, &dirty) == 0)
		c->dirty = dirty;
	else
		dv_error_clear();
	return 0;
}

static int open_context(dv_run_context **out, dv_repo *r, bool look, bool tell)
{
	dv_autoptr(dv_run_context) c = dv_calloc(1, sizeof(*c));
	int rc;

	*out = NULL;
	if (!c)
		return DV_ERROR;
	c->repo = r;
	c->dirty = -1;
	uname(&c->host);
	if ((rc = take_git(c, look)) < 0 || (rc = take_ci(c)) < 0 || (rc = take_parent(c)) < 0 ||
	    (rc = dv_encoder_new(&c->enc, dv_repo_compression(r))) < 0)
		return rc;
	if (tell && (rc = dv_emit_open(&c->emit, r)) < 0)
		return rc;
	*out = dv_steal(&c);
	return 0;
}

int dv_run_context_open(dv_run_context **out, dv_repo *r)
{
	return open_context(out, r, true, true);
}

int dv_run_context_open_quick(dv_run_context **out, dv_repo *r)
{
	return open_context(out, r, false, false);
}

int dv_run_context_open_apart(dv_run_context **out, dv_repo *r)
{
	return open_context(out, r, true, false);
}

void dv_run_context_free(dv_run_context *c)
{
	if (!c)
		return;
	if (c->n && c->repo->store) {
		dv_error before;

		dv_error_take(&before);
		(void)!dv_run_flush(c, false);
		dv_error_put(&before);
	}
	dv_emit_free(c->emit);
	dv_encoder_free(c->enc);
	dv_buf_release(&c->name);
	dv_buf_release(&c->email);
	json_decref(c->ci);
	json_decref(c->parent);
	free(c->queue);
	free(c);
}

/* -- canonical JSON ---------------------------------------------------------------------------- */

static int write_value(dv_buf *out, const dv_json *j, int depth);

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int write_object(dv_buf *out, const dv_json *j, int depth)
{
	dv_json *o = (dv_json *)(uintptr_t)j;
	dv_autofree const char **keys = dv_calloc(json_object_size(o) + 1, sizeof(*keys));
	size_t n = 0;
	const char *key;
	json_t *v;
	int rc = keys ? dv_buf_addc(out, '{') : DV_ERROR;

	if (rc < 0)
		return rc;
	json_object_foreach(o, key, v)
		keys[n++] = key;
	qsort(keys, n, sizeof(*keys), compare_keys);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		dv_autoptr(dv_json) name = json_string(keys[i]);

		rc = dv_buf_adds(out, i ? "," : "");
		if (rc == 0)
			rc = dv_json_write(out, name);
		if (rc == 0)
			rc = dv_buf_addc(out, ':');
		if (rc == 0)
			rc = write_value(out, json_object_get(o, keys[i]), depth + 1);
	}
	return rc < 0 ? rc : dv_buf_addc(out, '}');
}

/* As dv_json_write, but numbers as short as they can be: so every language writes the same. */
static int write_value(dv_buf *out, const dv_json *j, int depth)
{
	char number[32];
	int rc = 0;

	if (depth > DEPTH)
		return dv_err(DV_ERROR, "a value of a run record is nested too deep");
	if (json_is_object(j))
		return write_object(out, j, depth);
	if (json_is_real(j)) {
		dv_double_text(number, json_real_value(j));
		return dv_buf_adds(out, number);
	}
	if (!json_is_array(j))
		return dv_json_write(out, j);
	rc = dv_buf_addc(out, '[');
	for (size_t i = 0; rc == 0 && i < json_array_size(j); i++) {
		rc = dv_buf_adds(out, i ? "," : "");
		if (rc == 0)
			rc = write_value(out, json_array_get(j, i), depth + 1);
	}
	return rc < 0 ? rc : dv_buf_addc(out, ']');
}

/* -- one record -------------------------------------------------------------------------------- */

/* A path may be any bytes; those that JSON cannot hold are written in hexadecimal. */
static int set_path(dv_json *o, const char *path)
{
	dv_autofree char *shown = dv_url_redact(path);
	dv_auto(dv_buf) text = DV_BUF_INIT;
	json_t *value;

	if (!shown)
		return dv_err_nomem();
	if (strstr(path, "://") && dv_scrub_text(&text, shown) < 0)
		return text.err;
	value = json_string(text.n ? dv_buf_str(&text) : shown);
	if (value)
		return dv_json_set(o, "path", value);
	dv_buf_clear(&text);
	for (const char *s = path; *s; s++)
		dv_buf_addf(&text, "%02x", (unsigned char)*s);
	return text.err ? text.err : dv_json_set_str(o, "path_hex", dv_buf_str(&text));
}

int dv_run_path_facts(dv_json *o, const dv_run_path *p)
{
	int rc = 0;

	if (p->has_oid)
		rc = dv_json_set(o, "size", json_integer((json_int_t)p->size));
	if (rc == 0 && p->is_dir)
		rc = dv_json_set(o, "nfiles", json_integer((json_int_t)p->nfiles));
	if (rc == 0 && p->isexec)
		rc = dv_json_set(o, "exec", json_true());
	return rc;
}

static int add_path(dv_json *list, const dv_run_path *p)
{
	dv_autoptr(dv_json) o = json_object();
	int rc = o ? set_path(o, p->path) : dv_err_nomem();

	if (rc == 0 && p->has_oid)
		rc = dv_json_set_oid(o, "oid", &p->oid);
	if (rc == 0)
		rc = dv_run_path_facts(o, p);
	if (rc == 0 && p->undeclared)
		rc = dv_json_set(o, "undeclared", json_true());
	if (rc == 0 && json_array_append(list, o))
		rc = dv_err_nomem();
	return rc;
}

static int set_paths(dv_json *o, const char *key, const dv_run_path *p, size_t n)
{
	dv_json *list = json_array();
	int rc = dv_json_set(o, key, list);

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = add_path(list, &p[i]);
	return rc;
}

static int opt_str(dv_json *o, const char *key, const char *value)
{
	json_t *text = value ? json_string(value) : NULL;

	/* What is not UTF-8 cannot be said, and is no reason to fail. */
	return text ? dv_json_set(o, key, text) : 0;
}

static int opt_value(dv_json *o, const char *key, const dv_value *v)
{
	dv_autoptr(dv_json) j = v ? dv_value_to_json(v) : NULL;

	if (!j) {
		dv_error_clear();
		return 0;
	}
	return dv_json_set(o, key, dv_scrub_json(j));
}

static int set_env(dv_json *o, const dv_run *run)
{
	dv_autoptr(dv_json) env = json_object();
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < run->nenv; i++) {
		const char *value = getenv(run->env[i]);
		dv_auto(dv_buf) text = DV_BUF_INIT;

		if (!value)
			continue;
		rc = dv_scrub_is_secret(run->env[i]) ? dv_buf_adds(&text, "***")
						     : dv_scrub_text(&text, value);
		if (rc == 0)
			rc = opt_str(env, run->env[i], dv_buf_str(&text));
	}
	if (rc == 0 && json_object_size(env))
		rc = dv_json_set(o, "env", json_incref(env));
	return rc;
}

/* Who, where and from which commit. */
static int set_context(dv_json *o, const dv_run_context *c)
{
	dv_autoptr(dv_json) git = json_object();
	dv_autoptr(dv_json) author = json_object();
	dv_autoptr(dv_json) host = json_object();
	int rc = 0;

	if (c->commit[0]) {
		rc = dv_json_set_str(git, "commit", c->commit);
		if (rc == 0 && c->dirty >= 0)
			rc = dv_json_set(git, "dirty", json_boolean(c->dirty));
		if (rc == 0)
			rc = dv_json_set(o, "git", json_incref(git));
	}
	if (rc == 0 && c->name.n)
		rc = opt_str(author, "name", dv_buf_str(&c->name));
	if (rc == 0 && c->email.n)
		rc = opt_str(author, "email", dv_buf_str(&c->email));
	if (rc == 0 && json_object_size(author))
		rc = dv_json_set(o, "author", json_incref(author));
	if (rc == 0)
		rc = opt_str(host, "os", c->host.sysname);
	if (rc == 0)
		rc = opt_str(host, "arch", c->host.machine);
	if (rc == 0)
		rc = dv_json_set(o, "host", json_incref(host));
	if (rc == 0 && c->ci)
		rc = dv_json_set(o, "ci", json_incref(c->ci));
	if (rc == 0 && c->parent)
		rc = dv_json_set(o, "parent", json_incref(c->parent));
	return rc;
}

static int set_how(dv_json *o, const dv_run *run)
{
	int rc = opt_str(o, "file", run->file);

	if (rc == 0)
		rc = opt_str(o, "stage", run->stage);
	if (rc == 0)
		rc = opt_str(o, "wdir", run->wdir);
	if (rc == 0)
		rc = opt_value(o, "cmd", run->cmd);
	if (rc == 0)
		rc = opt_value(o, "params", run->params);
	if (rc == 0)
		rc = opt_str(o, "image", run->image);
	if (rc == 0)
		rc = set_env(o, run);
	if (rc == 0 && run->has_log)
		rc = dv_json_set_oid(o, "log", &run->log);
	if (rc == 0 && run->has_cached)
		rc = dv_json_set_oid(o, "cached_from", &run->cached);
	return rc;
}

static int set_what(dv_json *o, const dv_run *run)
{
	char uuid[DV_RUN_UUID];
	int rc = run->uuid ? 0 : dv_run_uuid(uuid, run->start_us);

	if (rc == 0)
		rc = dv_json_set_str(o, "uuid", run->uuid ? run->uuid : uuid);
	if (rc == 0)
		rc = dv_json_set_str(o, "type", run->type ? run->type : "stage");
	if (rc == 0)
		rc = dv_json_set_str(o, "state", dv_run_state_name(run->state));
	if (rc == 0)
		rc = dv_json_set(o, "start", json_integer(run->start_us));
	if (rc == 0)
		rc = dv_json_set(o, "end", json_integer(run->end_us));
	if (rc == 0 && (run->cmd || run->exit_code))
		rc = dv_json_set(o, "exit", json_integer(run->exit_code));
	if (rc == 0)
		rc = set_paths(o, "deps", run->deps, run->ndeps);
	if (rc == 0)
		rc = set_paths(o, "outs", run->outs, run->nouts);
	return rc;
}

static int begin(dv_json *o, const char *kind)
{
	int rc = o ? dv_json_set_str(o, "kind", kind) : dv_err_nomem();

	if (rc == 0)
		rc = dv_json_set(o, "schema", json_integer(SCHEMA));
	return rc < 0 ? rc : dv_json_set_str(o, "dv", dv_version());
}

int dv_run_print(dv_buf *out, const dv_run_context *c, const dv_run *run)
{
	dv_autoptr(dv_json) o = json_object();
	int rc = begin(o, "run");

	if (rc == 0)
		rc = set_what(o, run);
	if (rc == 0)
		rc = set_how(o, run);
	if (rc == 0 && run->origin)
		rc = opt_str(o, "origin", run->origin);
	else if (rc == 0 && c)
		rc = set_context(o, c);
	return rc < 0 ? rc : write_value(out, o, 0);
}

/* -- storing ----------------------------------------------------------------------------------- */

static int queue(dv_run_context *c, enum dv_run_item_kind kind, const dv_oid *oid)
{
	int rc = dv_grow(&c->queue, &c->cap, c->n + 1, sizeof(*c->queue));

	if (rc == 0)
		c->queue[c->n++] = (dv_run_item){ *oid, kind };
	return rc;
}

static int store(dv_run_context *c, dv_writer *w, const dv_buf *text, dv_oid *oid)
{
	int rc = text->n > DV_RUN_RECORD_MAX
		 ? dv_err(DV_ERROR, "a run record of %zu bytes is too long", text->n)
		 : dv_object_put(w, c->enc, text->p, text->n, oid);

	return rc < 0 ? rc : queue(c, DV_RUN_ITEM_RECORD, oid);
}

int dv_run_record(dv_run_context *c, dv_writer *w, const dv_run *run, dv_oid *oid)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = dv_run_print(&text, c, run);

	if (rc == 0)
		rc = store(c, w, &text, oid);
	if (rc == 0 && run->has_log)
		rc = queue(c, DV_RUN_ITEM_LOG, &run->log);
	if (rc == 0 && c->emit && run->cmd && !run->origin && run->state != DV_RUN_CACHED)
		dv_emit_add(c->emit, &text, oid);
	return rc;
}

int dv_run_take(dv_run_context *c, dv_reader *reader, const dv_oid *oid)
{
	dv_auto(dv_run_doc) d = DV_RUN_DOC_INIT;
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = dv_object_read(reader, oid, DV_RUN_RECORD_MAX, &text);

	if (rc == 0)
		rc = dv_run_doc_parse(&d, dv_buf_str(&text), text.n);
	if (rc == 0)
		rc = queue(c, DV_RUN_ITEM_RECORD, oid);
	if (rc == 0 && d.run.has_log)
		rc = queue(c, DV_RUN_ITEM_LOG, &d.run.log);
	if (rc == 0 && c->emit)
		dv_emit_add(c->emit, &text, oid);
	return rc;
}

int dv_run_flush(dv_run_context *c, bool sync)
{
	size_t kept = 0, ready = 0;
	dv_store *s = c->repo->store;
	int rc = 0;

	/* Those that a commit failed to bring wait at the end. */
	for (size_t i = 0; i < c->n; i++) {
		dv_run_item it = c->queue[i];

		if (!s || !dv_store_has_object(s, &it.oid))
			continue;
		c->queue[i] = c->queue[ready];
		c->queue[ready++] = it;
	}
	rc = dv_run_list_append(c->repo, c->queue, ready, sync);
	if (rc < 0)
		return rc;
	if (c->emit)
		dv_emit_flush(c->emit);
	for (size_t i = ready; i < c->n; i++)
		c->queue[kept++] = c->queue[i];
	c->n = kept;
	return 0;
}

/* -- groups ------------------------------------------------------------------------------------ */

static int set_oids(dv_json *o, const char *key, const dv_oid *ids, size_t n)
{
	dv_json *list = json_array();
	int rc = dv_json_set(o, key, list);

	for (size_t i = 0; rc == 0 && i < n; i++) {
		char text[DV_OID_TEXT_SIZE + 1];

		dv_oid_text(text, &ids[i]);
		if (json_array_append_new(list, json_string(text)))
			rc = dv_err_nomem();
	}
	return rc;
}

static int set_group(dv_json *o, const dv_run_group *g)
{
	int rc = dv_json_set_str(o, "type", g->type);

	if (rc == 0)
		rc = dv_json_set_str(o, "name", g->name);
	if (rc == 0)
		rc = dv_json_set(o, "time", json_integer(g->time_us));
	if (rc == 0 && g->nruns)
		rc = set_oids(o, "runs", g->runs, g->nruns);
	if (rc == 0 && g->nartifacts)
		rc = set_paths(o, "artifacts", g->artifacts, g->nartifacts);
	if (rc == 0 && g->parent_type && g->parent_name) {
		dv_json *p = json_object();

		rc = dv_json_set(o, "parent", p);
		if (rc == 0)
			rc = dv_json_set_str(p, "type", g->parent_type);
		if (rc == 0)
			rc = dv_json_set_str(p, "name", g->parent_name);
	}
	if (rc == 0 && g->props)
		rc = dv_json_set(o, "props", dv_scrub_json(g->props));
	if (rc == 0 && g->gone)
		rc = dv_json_set(o, "gone", json_true());
	return rc;
}

int dv_run_group_record(dv_run_context *c, dv_writer *w, const dv_run_group *g, dv_oid *oid)
{
	dv_autoptr(dv_json) o = json_object();
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = begin(o, "group");

	if (rc == 0)
		rc = set_group(o, g);
	if (rc == 0 && (c->name.n || c->email.n)) {
		dv_json *author = json_object();

		rc = dv_json_set(o, "author", author);
		if (rc == 0)
			rc = opt_str(author, "name", dv_buf_str(&c->name));
		if (rc == 0)
			rc = opt_str(author, "email", dv_buf_str(&c->email));
	}
	if (rc == 0)
		rc = write_value(&text, o, 0);
	return rc < 0 ? rc : store(c, w, &text, oid);
}
