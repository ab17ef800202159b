/* SPDX-License-Identifier: Apache-2.0 */
/* The two files by which a job that runs apart and its owner speak. See jobspec.h. */
#include "pipeline/jobspec.h"

#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"

#define SCHEMA 1	/* raised with every change that the other side would misread */
#define DEPTH (DV_VALUE_DEPTH + 16)	/* of JSON: parameters, and what stands around them */
#define TEXT_MAX ((size_t)1 << 20)	/* of .dv/config and .dvignore */

/* -- writing ----------------------------------------------------------------------------------- */

static int set_oid(dv_json *o, const char *key, const dv_oid *oid)
{
	char hex[DV_OID_HEX_SIZE + 1];

	dv_oid_hex(hex, oid);
	return dv_json_set_str(o, key, hex);
}

static int add_path(dv_json *list, const dv_run_path *p, bool persist)
{
	dv_autoptr(dv_json) o = json_object();
	int rc = o ? dv_json_set_str(o, "path", p->path) : dv_err_nomem();

	if (rc == 0 && p->has_oid)
		rc = set_oid(o, "oid", &p->oid);
	if (rc == 0)
		rc = dv_run_path_facts(o, p);
	if (rc == 0 && persist)
		rc = dv_json_set(o, "persist", json_true());
	if (rc == 0 && json_array_append(list, o))
		rc = dv_err_nomem();
	return rc;
}

static int set_paths(dv_json *o, const char *key, const dv_run_path *p, size_t n)
{
	dv_json *list = json_array();
	int rc = dv_json_set(o, key, list);

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = add_path(list, &p[i], false);
	return rc;
}

static int set_deps(dv_json *o, const dv_job *job)
{
	const dv_stage *s = job->stage;
	dv_json *list = json_array();
	int rc = dv_json_set(o, "deps", list);

	for (size_t i = 0; rc == 0 && i < s->ndeps; i++) {
		const dv_locked_path *p = &job->entry->deps[i];
		const dv_run_path path = { .path = s->deps[i].path, .is_dir = p->is_dir,
					   .isexec = p->isexec, .has_oid = true, .oid = p->oid,
					   .size = p->size, .nfiles = p->nfiles };

		rc = add_path(list, &path, false);
	}
	return rc;
}

static int set_outs(dv_json *o, const dv_stage *s)
{
	dv_json *list = json_array();
	int rc = dv_json_set(o, "outs", list);

	for (size_t i = 0; rc == 0 && i < s->nouts; i++) {
		const dv_run_path path = { .path = s->outs[i].path };

		rc = add_path(list, &path, s->outs[i].persist);
	}
	return rc;
}

/* What makes it this run and no other. */
static int set_what(dv_json *o, const dv_job *job)
{
	const dv_stage *s = job->stage;
	int rc = dv_json_set_str(o, "file", s->file);

	if (rc == 0)
		rc = dv_json_set_str(o, "stage", s->name);
	if (rc == 0)
		rc = dv_json_set_str(o, "wdir", s->wdir);
	if (rc == 0)
		rc = dv_json_set(o, "cmd", dv_value_to_json(s->cmd));
	if (rc == 0 && job->entry->params)
		rc = dv_json_set(o, "params", dv_value_to_json(job->entry->params));
	if (rc == 0)
		rc = set_deps(o, job);
	return rc ? rc : set_outs(o, s);
}

int dv_jobspec_key(const dv_job *job, dv_oid *key)
{
	dv_autoptr(dv_json) o = json_object();
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = o ? set_what(o, job) : dv_err_nomem();

	if (rc == 0 && (rc = dv_json_write(&text, o)) == 0)
		dv_sha256(key, text.p, text.n);
	return rc;
}

/* A small file of the workspace that has to be there before anything else. */
static int set_file(dv_json *o, const char *key, const dv_repo *r, const char *rel)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_autofree char *path = dv_repo_abs(r, rel);
	int rc = path ? dv_fs_read_file(&text, path, TEXT_MAX) : DV_ERROR;

	if (rc == DV_ENOTFOUND) {
		dv_error_clear();
		return 0;
	}
	if (rc == 0)
		rc = dv_json_set_str(o, key, dv_buf_str(&text));
	return rc ? dv_err_ctx(rc, "'%s'", rel) : 0;
}

/* What HEAD holds in a work tree of its own: the commit, or the branch before the first one. */
static int set_git(dv_json *o, dv_repo *r)
{
	char hex[DV_GIT_HEX + 1];
	const char *prefix;
	dv_git *git;
	int rc;

	if (!r->has_git)
		return dv_json_set(o, "no_git", json_true());
	if ((rc = dv_repo_git(r, &git)) || (rc = dv_git_head(git, hex)))
		return rc;
	if (!dv_path_below(r->root, r->dirs.workdir, &prefix))
		prefix = "";
	if ((rc = dv_json_set_str(o, "prefix", prefix)) ||
	    (rc = dv_json_set_str(o, "commondir", r->dirs.commondir)))
		return rc;
	return dv_json_set_str(o, "head", hex[0] ? hex : "ref: refs/heads/main");
}

static int set_how(dv_json *o, const dv_stage *s)
{
	dv_json *list = json_array();
	int rc = dv_json_set(o, "env", list);

	for (size_t i = 0; rc == 0 && i < s->nenv; i++)
		if (json_array_append_new(list, json_string(s->env[i])))
			rc = dv_err(DV_EUSAGE, "the name of a variable is no UTF-8");
	if (rc == 0 && s->image)
		rc = dv_json_set_str(o, "image", s->image);
	return rc;
}

int dv_jobspec_print(dv_buf *out, dv_repo *r, const dv_job *job, const char *id)
{
	dv_autoptr(dv_json) o = json_object();
	dv_oid key;
	int rc = o ? dv_json_set(o, "schema", json_integer(SCHEMA)) : dv_err_nomem();

	if (rc || (rc = dv_jobspec_key(job, &key)) || (rc = dv_json_set_str(o, "id", id)) ||
	    (rc = set_oid(o, "key", &key)) || (rc = set_what(o, job)) ||
	    (rc = set_how(o, job->stage)) || (rc = set_git(o, r)) ||
	    (rc = dv_json_set_str(o, "cache", r->cache_dir)) ||
	    (rc = set_file(o, "config", r, ".dv/config")) ||
	    (rc = set_file(o, "ignore", r, DV_IGNORE_FILE)) ||
	    (rc = set_paths(o, "inputs", job->inputs, job->ninputs)))
		return rc;
	return dv_json_write(out, o);
}

/* -- reading ----------------------------------------------------------------------------------- */

static int get_oid(const dv_json *o, const char *key, dv_oid *out, bool *has)
{
	const char *hex = NULL;
	int rc = dv_json_opt_str(o, key, &hex);

	*has = hex != NULL;
	if (rc || !hex)
		return rc;
	return dv_oid_parse(out, hex, strlen(hex)) ? dv_err(DV_ECORRUPT, "'%s' is no oid", key) : 0;
}

static int get_bool(const dv_json *o, const char *key, bool *out)
{
	*out = false;
	return json_object_get(o, key) ? dv_json_get_bool(o, key, out) : 0;
}

static int get_path(const dv_json *o, bool inner, dv_run_path *p, bool *persist)
{
	int rc = dv_json_get_str(o, "path", &p->path);

	if (rc || (rc = get_oid(o, "oid", &p->oid, &p->has_oid)) ||
	    (rc = dv_json_opt_u64(o, "size", INT64_MAX, &p->size)) ||
	    (rc = dv_json_opt_u64(o, "nfiles", INT64_MAX, &p->nfiles)) ||
	    (rc = get_bool(o, "exec", &p->isexec)) || (rc = get_bool(o, "persist", persist)))
		return rc;
	p->is_dir = json_object_get(o, "nfiles") != NULL;
	if (!dv_path_is_safe(p->path) && (inner || p->path[0] != '/'))
		return dv_err(DV_EUNSAFE, "'%s' is not inside the workspace", p->path);
	return dv_repo_is_own(p->path) && p->path[0] != '/' ?
	       dv_err(DV_EUNSAFE, "'%s' lies in a folder of git or dv", p->path) : 0;
}

/* persist NULL: nobody asks. */
static int get_paths(const dv_json *o, const char *key, bool inner, dv_arena *a, dv_run_path **out,
		     size_t *n, bool **persist)
{
	dv_json *list;
	int rc = dv_json_get_array(o, key, DV_JOB_PATHS_MAX, &list);

	if (rc)
		return rc;
	*n = json_array_size(list);
	*out = dv_arena_alloc(a, (*n + 1) * sizeof(**out));
	if (persist)
		*persist = dv_arena_alloc(a, *n + 1);
	if (!*out || (persist && !*persist))
		return DV_ERROR;
	for (size_t i = 0; rc == 0 && i < *n; i++) {
		bool kept;

		(*out)[i] = (dv_run_path){ 0 };
		rc = get_path(json_array_get(list, i), inner, &(*out)[i], &kept);
		if (persist)
			(*persist)[i] = kept;
	}
	return rc;
}

static int get_env(dv_jobspec *j)
{
	dv_json *list;
	int rc = dv_json_get_array(j->json, "env", DV_JOB_PATHS_MAX, &list);

	if (rc)
		return rc;
	j->nenv = json_array_size(list);
	j->env = dv_arena_alloc(&j->arena, (j->nenv + 1) * sizeof(*j->env));
	for (size_t i = 0; j->env && i < j->nenv; i++)
		if (!(j->env[i] = json_string_value(json_array_get(list, i))))
			return dv_err(DV_ECORRUPT, "'env' is no list of names");
	return j->env ? 0 : DV_ERROR;
}

static int get_values(dv_jobspec *j)
{
	const dv_spot nowhere = { .file = "job.json" };
	const dv_json *cmd = json_object_get(j->json, "cmd");
	const dv_json *params = json_object_get(j->json, "params");

	if (!cmd || !(j->cmd = dv_value_from_json(&j->arena, cmd, &nowhere)) ||
	    (params && !(j->params = dv_value_from_json(&j->arena, params, &nowhere))))
		return dv_err(DV_ECORRUPT, "there is no command in it");
	if (j->cmd->kind == DV_VALUE_STRING)
		return 0;
	for (size_t i = 0; j->cmd->kind == DV_VALUE_LIST && i < j->cmd->n; i++)
		if (j->cmd->items[i]->kind != DV_VALUE_STRING)
			return dv_err(DV_ECORRUPT, "a command is no text");
	return j->cmd->kind == DV_VALUE_LIST ? 0 : dv_err(DV_ECORRUPT, "a command is no text");
}

static int get_texts(dv_jobspec *j)
{
	const struct {
		const char *key, **out;
		bool need;
	} texts[] = {
		{ "id", &j->id, true }, { "key", &j->key, true }, { "file", &j->file, true },
		{ "stage", &j->stage, true }, { "wdir", &j->wdir, true },
		{ "cache", &j->cache, true }, { "prefix", &j->prefix, false },
		{ "commondir", &j->commondir, false }, { "head", &j->head, false },
		{ "config", &j->config, false }, { "ignore", &j->ignore, false },
		{ "image", &j->image, false },
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(texts) / sizeof(*texts); i++)
		rc = texts[i].need ? dv_json_get_str(j->json, texts[i].key, texts[i].out)
				   : dv_json_opt_str(j->json, texts[i].key, texts[i].out);
	if (rc || (rc = get_bool(j->json, "no_git", &j->no_git)))
		return rc;
	if (!j->no_git && (!j->commondir || !j->head || !j->prefix))
		return dv_err(DV_ECORRUPT, "git's folder is not in it");
	if (strlen(j->id) != DV_JOB_ID - 1 ||
	    strspn(j->id, "0123456789abcdef") != DV_JOB_ID - 1)
		return dv_err(DV_ECORRUPT, "'%s' is no name of a job", j->id);
	if ((*j->wdir && !dv_path_is_safe(j->wdir)) ||
	    (j->prefix && *j->prefix && !dv_path_is_safe(j->prefix)))
		return dv_err(DV_EUNSAFE, "a folder is not inside the workspace");
	return 0;
}

void dv_jobspec_release(dv_jobspec *j)
{
	json_decref(j->json);
	dv_arena_release(&j->arena);
	*j = (dv_jobspec)DV_JOBSPEC_INIT;
}

static int check_schema(const dv_json *o)
{
	uint64_t schema = 0;
	int rc = dv_json_get_u64(o, "schema", UINT32_MAX, &schema);

	return rc || schema == SCHEMA ? rc :
	       dv_err_hint(dv_err(DV_ERROR, "it is of another version of dv"),
			   "have the same dv on all nodes");
}

int dv_jobspec_parse(dv_jobspec *j, const char *text, size_t n, const char *name)
{
	int rc = dv_json_parse(&j->json, text, n, DV_JOB_FILE_MAX, DEPTH, name);

	if (rc || (rc = check_schema(j->json)) || (rc = get_texts(j)) || (rc = get_values(j)) ||
	    (rc = get_env(j)) ||
	    (rc = get_paths(j->json, "deps", false, &j->arena, &j->deps, &j->ndeps, NULL)) ||
	    (rc = get_paths(j->json, "inputs", true, &j->arena, &j->inputs, &j->ninputs, NULL)) ||
	    (rc = get_paths(j->json, "outs", true, &j->arena, &j->outs, &j->nouts, &j->persist)))
		return dv_err_ctx(rc, "'%s'", name);
	return 0;
}

int dv_jobspec_read(dv_jobspec *out, const char *dir)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_autofree char *path = dv_path_join(dir, "job.json");
	int rc = path ? dv_fs_read_file(&text, path, DV_JOB_FILE_MAX) : dv_err_nomem();

	return rc ? rc : dv_jobspec_parse(out, dv_buf_str(&text), text.n, path);
}

dv_run dv_jobspec_run(const dv_jobspec *j, const dv_run_path *outs)
{
	return (dv_run){
		.type = "stage", .file = j->file, .stage = j->stage,
		.wdir = *j->wdir ? j->wdir : ".", .cmd = j->cmd, .deps = j->deps,
		.ndeps = j->ndeps, .outs = outs, .nouts = j->nouts, .params = j->params,
		.env = j->env, .nenv = j->nenv, .image = j->image,
	};
}

/* -- results ----------------------------------------------------------------------------------- */

static const char *const state_names[] = { "COMPLETE", "FAILED", "STOPPED" };

void dv_jobresult_release(dv_jobresult *x)
{
	json_decref(x->json);
	dv_job_made_release(&x->made);
	*x = (dv_jobresult)DV_JOBRESULT_INIT;
}

int dv_jobresult_print(dv_buf *out, const dv_jobresult *x)
{
	dv_autoptr(dv_json) o = json_object();
	int rc = o ? dv_json_set(o, "schema", json_integer(SCHEMA)) : dv_err_nomem();

	if (rc || (rc = dv_json_set_str(o, "state", state_names[x->state])) ||
	    (rc = dv_json_set(o, "exit", json_integer(x->exit_code))) ||
	    (rc = dv_json_set(o, "start", json_integer(x->start_us))) ||
	    (rc = dv_json_set(o, "end", json_integer(x->end_us))) ||
	    (rc = dv_json_set_str(o, "node", x->node ? x->node : "")) ||
	    (rc = dv_json_set_str(o, "error", x->error ? x->error : "")) ||
	    (rc = dv_json_set_str(o, "hint", x->hint ? x->hint : "")) ||
	    (rc = set_paths(o, "outs", x->made.outs, x->made.nouts)) ||
	    (x->made.has_run && (rc = set_oid(o, "run", &x->made.run))))
		return rc;
	return dv_json_write(out, o);
}

static int get_result(dv_jobresult *x)
{
	uint64_t code = 0, start = 0, end = 0;
	const char *state = "";
	int rc = check_schema(x->json);

	if (rc || (rc = dv_json_get_str(x->json, "state", &state)) ||
	    (rc = dv_json_get_u64(x->json, "exit", 255, &code)) ||
	    (rc = dv_json_get_u64(x->json, "start", INT64_MAX, &start)) ||
	    (rc = dv_json_get_u64(x->json, "end", INT64_MAX, &end)) ||
	    (rc = dv_json_get_str(x->json, "node", &x->node)) ||
	    (rc = dv_json_get_str(x->json, "error", &x->error)) ||
	    (rc = dv_json_get_str(x->json, "hint", &x->hint)) ||
	    (rc = get_oid(x->json, "run", &x->made.run, &x->made.has_run)) ||
	    (rc = get_paths(x->json, "outs", true, &x->made.arena, &x->made.outs, &x->made.nouts,
			    NULL)))
		return rc;
	for (size_t i = 0; i < x->made.nouts; i++) {
		x->made.outs[i].path = dv_arena_strdup(&x->made.arena, x->made.outs[i].path);
		if (!x->made.outs[i].path)
			return DV_ERROR;
	}
	x->exit_code = (int)code;
	x->start_us = (int64_t)start;
	x->end_us = (int64_t)end;
	for (int i = 0; i < 3; i++)
		if (strcmp(state, state_names[i]) == 0) {
			x->state = (enum dv_job_state)i;
			return 0;
		}
	return dv_err(DV_ECORRUPT, "'%s' is no state", state);
}

int dv_jobresult_parse(dv_jobresult *x, const char *text, size_t n, const char *name)
{
	int rc = dv_json_parse(&x->json, text, n, DV_JOB_FILE_MAX, DEPTH, name);

	if (rc == 0)
		rc = get_result(x);
	return rc ? dv_err_ctx(rc, "'%s'", name) : 0;
}
