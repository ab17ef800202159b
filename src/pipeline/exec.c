/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job on its node (dv_exec): makes a clean workspace, runs the commands, stores what they made
 * with the record of the run, and says so in a file that appears last and whole. Nothing of the
 * workspace that it works for is touched.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/path.h"
#include "lineage/scrub.h"
#include "pipeline/jobspec.h"
#include "pipeline/state.h"
#include "repo/links.h"
#include "repo/record.h"
#include "repo/restore.h"
#include "repo/sync.h"

#define WAIT_MS 100	/* between two looks for a cancel */
#define SIGNAL_MS 300	/* until a signal that ended the command reaches us as well */

typedef struct exec {
	dv_jobspec spec;
	dv_jobresult result;
	const char *dir;	/* of the job */
	char *top, *root;	/* of the work tree, of the workspace in it; owned */
	int log;		/* descriptor */
	dv_repo *repo;
	dv_states st;
	dv_store *store;
	dv_writer *writer;
	dv_scan *scan;
	dv_restore *restore;
	dv_run_context *records;
	bool links;
} exec;

static void exec_release(exec *x)
{
	dv_restore_free(x->restore);
	dv_run_context_free(x->records);
	dv_scan_free(x->scan);
	dv_writer_free(x->writer);
	dv_states_release(&x->st);
	dv_repo_free(x->repo);
	if (x->top && dv_fs_remove_tree(x->top)) {
		dv_warn("%s", dv_error_last()->message);
		dv_error_clear();
	}
	free(x->top);
	free(x->root);
	if (x->log >= 0)
		close(x->log);
	dv_jobresult_release(&x->result);
	dv_jobspec_release(&x->spec);
}

/* -- the workspace ----------------------------------------------------------------------------- */

static int make_top(exec *x)
{
	const char *const names[] = { "DV_EXEC_DIR", "SLURM_TMPDIR", "TMPDIR" };
	const char *base = NULL;
	dv_autofree char *real = NULL, *top = NULL;
	char name[32];
	uint64_t id;
	int rc = dv_random(&id, sizeof(id));

	for (size_t i = 0; i < 3 && !(base && *base); i++)
		base = getenv(names[i]);
	if (!base || !*base)
		base = "/tmp";
	if (rc)
		return rc;
	if (!(real = realpath(base, NULL)))
		return dv_err_hint(dv_err_sys("cannot make a workspace in '%s'", base),
				   "have TMPDIR name a folder that the nodes have");
	snprintf(name, sizeof(name), "dv-job-%016llx", (unsigned long long)id);
	if (!(top = dv_path_join(real, name)))
		return dv_err_nomem();
	if (dv_fs_mkdirat(AT_FDCWD, top, 0700))
		return dv_err_sys("cannot make a workspace in '%s'", base);
	/* From now on it is ours, and goes in the end. */
	x->top = dv_steal(&top);
	return 0;
}

static int write_text(const exec *x, const char *name, const char *text)
{
	dv_autofree char *path = dv_path_join(x->root, name);

	if (!text)
		return 0;
	return path ? dv_fs_write_file(path, text, strlen(text), 0) : dv_err_nomem();
}

static int make_workspace(exec *x)
{
	const dv_jobspec *j = &x->spec;
	dv_autofree char *own = NULL;
	int rc = make_top(x);

	if (rc)
		return rc;
	if (!j->no_git && (rc = dv_git_work_tree(x->top, j->commondir, j->head)))
		return rc;
	x->root = j->prefix && *j->prefix ? dv_path_join(x->top, j->prefix) : dv_strdup(x->top);
	own = x->root ? dv_path_join(x->root, ".dv") : NULL;
	if (!own)
		return dv_err_nomem();
	if ((rc = dv_fs_mkdirs(own)) || (rc = write_text(x, ".dv/config", j->config)) ||
	    (rc = write_text(x, DV_IGNORE_FILE, j->ignore)) ||
	    (j->no_git && (rc = write_text(x, ".dv/no-scm", ""))))
		return rc;
	return dv_repo_open_apart(&x->repo, x->root, j->cache);
}

static int open_all(exec *x)
{
	dv_auto(dv_links) links = { 0 };
	dv_repo *r = x->repo;
	int rc;

	if ((rc = dv_scratch_open(&r->scratch, r->dvdir)) || (rc = dv_repo_store(r, &x->store)) ||
	    (rc = dv_states_open(&x->st, r, 0)) ||
	    (rc = dv_writer_new(&x->writer, x->store, dv_repo_compression(r))) ||
	    (rc = dv_scan_new(&x->scan, r, x->st.pool, x->writer)) ||
	    (rc = dv_restore_new(&x->restore, r, 0)))
		return rc;
	dv_links_init(&links, r, x->store);
	x->links = dv_links_mode(&links) != DV_LINK_COPY;
	return 0;
}

static bool is_right(const dv_content *now, const dv_run_path *want)
{
	return now->kind && (now->kind == 'd') == want->is_dir && dv_oid_eq(&now->oid, &want->oid);
}

/* From the cache, or from the remote by way of it. */
static int provide(exec *x, const dv_run_path *p)
{
	const dv_tree_entry want = { .kind = p->is_dir ? 'd' : p->isexec ? 'x' : 'f',
				     .oid = p->oid, .size = p->size, .nfiles = p->nfiles };
	const dv_want fetch = { .oid = p->oid, .is_tree = p->is_dir, .path = p->path };
	dv_error why;
	dv_content now;
	int rc;

	if ((rc = dv_contents_get(x->st.contents, p->path, &now)) || is_right(&now, p))
		return rc;
	dv_contents_forget(x->st.contents, p->path);
	rc = dv_restore_path(x->restore, p->path, &want, x->links);
	if (rc != DV_ENOTFOUND)
		return rc;
	dv_error_take(&why);
	if (dv_sync_bring(x->repo, &fetch, 1))
		return dv_error_put(&why);
	return dv_restore_path(x->restore, p->path, &want, x->links);
}

static int provide_all(exec *x)
{
	const dv_jobspec *j = &x->spec;
	dv_content now;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < j->ninputs; i++)
		if (j->inputs[i].has_oid)
			rc = provide(x, &j->inputs[i]);
	for (size_t i = 0; rc == 0 && i < j->ndeps; i++)
		if (j->deps[i].path[0] == '/' &&
		    (rc = dv_contents_get(x->st.contents, j->deps[i].path, &now)) == 0 &&
		    !is_right(&now, &j->deps[i]))
			rc = dv_err(DV_ENOTFOUND, "'%s' is not on this node what it is in the "
				    "workspace", j->deps[i].path);
	return rc;
}

static int make_room(exec *x)
{
	const dv_jobspec *j = &x->spec;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < j->nouts; i++) {
		dv_contents_forget(x->st.contents, j->outs[i].path);
		rc = dv_restore_make_room(x->restore, j->outs[i].path, j->persist[i]);
		if (rc == 0 && j->persist[i] && x->links)
			rc = dv_restore_unshare(x->repo, j->outs[i].path);
	}
	return rc;
}

/* -- the commands ------------------------------------------------------------------------------ */

static void on_text(size_t owner, bool is_error, const char *text, size_t n, void *payload)
{
	exec *x = payload;

	(void)owner;
	(void)is_error;
	if (x->log >= 0 && dv_fs_write_all(x->log, text, n)) {
		/* What it says is kept in memory as well. */
		close(x->log);
		x->log = -1;
	}
}

static int make_commands(exec *x, const char ***out, size_t *n)
{
	const dv_value *cmd = x->spec.cmd;
	dv_auto(dv_buf) lines = DV_BUF_INIT;
	dv_arena *a = &x->st.arena;
	char *p;
	int rc;

	if (cmd->kind == DV_VALUE_LIST) {
		*n = cmd->n;
		*out = dv_arena_alloc(a, (cmd->n + 1) * sizeof(**out));
		for (size_t i = 0; *out && i < cmd->n; i++)
			(*out)[i] = cmd->items[i]->s;
		return *out ? 0 : DV_ERROR;
	}
	if ((rc = dv_child_lines(&lines, cmd->s, n)))
		return rc;
	p = dv_arena_alloc(a, lines.n + 1);
	*out = dv_arena_alloc(a, (*n + 1) * sizeof(**out));
	if (!p || !*out)
		return DV_ERROR;
	if (lines.n)
		memcpy(p, lines.p, lines.n);
	for (size_t i = 0; i < *n; i++, p += strlen(p) + 1)
		(*out)[i] = p;
	return 0;
}

static char **make_env(exec *x)
{
	size_t have = 0, k = 0;
	char **env;

	while (environ[have])
		have++;
	env = dv_arena_alloc(&x->st.arena, (have + 3) * sizeof(*env));
	for (size_t i = 0; env && i < have; i++)
		if (strncmp(environ[i], "DV_ROOT=", 8) != 0 &&
		    strncmp(environ[i], "DV_STAGE=", 9) != 0)
			env[k++] = environ[i];
	if (!env || !(env[k++] = dv_arena_printf(&x->st.arena, "DV_ROOT=%s", x->root)) ||
	    !(env[k] = dv_arena_printf(&x->st.arena, "DV_STAGE=%s", x->spec.stage)))
		return NULL;
	return env;
}

/* A signal that is meant for us as well as for the command may reach us a little later. */
static bool was_stopped(int exit_code)
{
	const struct timespec step = { 0, 10 * 1000000 };

	for (int ms = 0; exit_code && ms < SIGNAL_MS && !dv_cancel_requested(); ms += 10)
		nanosleep(&step, NULL);
	return dv_cancel_requested();
}

/* *ran tells whether a command was started. */
static int run(exec *x, dv_child_end *end, bool *ran)
{
	dv_autofree char *dir = *x->spec.wdir ? dv_path_join(x->root, x->spec.wdir)
					      : dv_strdup(x->root);
	dv_autoptr(dv_children) c = NULL;
	dv_child_spec spec = { .dir = dir, .env = make_env(x), .keep_fd = -1, .merged = true };
	const char **cmd;
	bool told = false;
	int rc;

	if (!dir || !spec.env)
		return dv_err_nomem();
	if ((rc = make_commands(x, &cmd, &spec.ncmd)) ||
	    (rc = dv_children_new(&c, on_text, x)))
		return rc;
	spec.cmd = cmd;
	if ((rc = dv_children_start(c, &spec)))
		return rc;
	*ran = true;
	while (!dv_children_wait(c, WAIT_MS, end))
		if (dv_cancel_requested() && !told) {
			dv_children_stop(c);
			told = true;
		}
	return end->error.code ? dv_error_put(&end->error) : 0;
}

/* -- what they made ---------------------------------------------------------------------------- */

static int store_outs(exec *x)
{
	const dv_jobspec *j = &x->spec;
	dv_job_made *m = &x->result.made;
	int rc = 0;

	m->outs = dv_arena_alloc(&m->arena, (j->nouts + 1) * sizeof(*m->outs));
	if (!m->outs)
		return DV_ERROR;
	for (size_t i = 0; rc == 0 && i < j->nouts; i++) {
		const char *path = j->outs[i].path;
		dv_scanned found;

		if ((rc = dv_scan_path(x->scan, path, &found)))
			break;
		if (!found.kind)
			rc = dv_err(DV_ENOTFOUND, "the stage '%s' did not make '%s'", j->stage,
				    path);
		else if (found.kind == 'l')
			rc = dv_err(DV_ERROR, "'%s' is a symbolic link", path);
		m->outs[m->nouts++] = (dv_run_path){
			.path = path, .is_dir = found.kind == 'd', .isexec = found.kind == 'x',
			.has_oid = true, .oid = found.oid, .size = found.size,
			.nfiles = found.kind == 'd' ? found.nfiles : 0,
		};
	}
	return rc;
}

static int record(exec *x, const dv_child_end *end, enum dv_run_state state)
{
	dv_job_made *m = &x->result.made;
	dv_autoptr(dv_encoder) enc = NULL;
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_run run = dv_jobspec_run(&x->spec, state == DV_RUN_COMPLETE ? m->outs : x->spec.outs);
	int rc = 0;

	run.start_us = end->start_us;
	run.end_us = end->end_us;
	run.exit_code = end->exit_code;
	run.state = state;
	if (end->log.n) {
		if ((rc = dv_scrub_log(&text, end->log.p, end->log.n)) ||
		    (rc = dv_encoder_new(&enc, dv_repo_compression(x->repo))) ||
		    (rc = dv_object_put(x->writer, enc, text.p, text.n, &run.log)))
			return rc;
		run.has_log = true;
	}
	if ((rc = dv_run_record(x->records, x->writer, &run, &m->run)))
		return rc;
	m->has_run = true;
	return 0;
}

static int commit(exec *x)
{
	const dv_job_made *m = &x->result.made;
	dv_autofree dv_root *roots = dv_calloc(m->nouts + 1, sizeof(*roots));

	if (!roots)
		return DV_ERROR;
	for (size_t i = 0; i < m->nouts; i++)
		roots[i] = (dv_root){ .oid = m->outs[i].oid, .is_tree = m->outs[i].is_dir,
				      .path = (char *)(uintptr_t)m->outs[i].path,
				      .project = x->root };
	return dv_writer_commit(x->writer, roots, m->nouts);
}

/* -- all of it --------------------------------------------------------------------------------- */

/* The commands ended by themselves: it is known how the run ended, and written down here. */
static int finish(exec *x, const dv_child_end *end)
{
	dv_jobresult *res = &x->result;
	dv_error why = { 0 };
	int rc = 0;

	if (end->exit_code == 0 && (rc = store_outs(x))) {
		if (dv_cancel_requested())
			return rc;
		dv_error_take(&why);
		res->made.nouts = 0;
		res->error = dv_arena_strdup(&x->st.arena, why.message);
		res->hint = dv_arena_strdup(&x->st.arena, why.hint);
	}
	res->state = end->exit_code || rc ? DV_JOB_FAILED : DV_JOB_COMPLETE;
	rc = record(x, end, res->state == DV_JOB_COMPLETE ? DV_RUN_COMPLETE : DV_RUN_FAILED);
	return rc ? rc : commit(x);
}

static int work(exec *x)
{
	dv_auto(dv_job_end) end = DV_JOB_END_INIT;
	bool ran = false;
	int rc;

	if ((rc = make_workspace(x)) || (rc = open_all(x)) || (rc = provide_all(x)) ||
	    (rc = dv_run_context_open_apart(&x->records, x->repo)) || (rc = make_room(x)))
		return rc;
	rc = run(x, &end.child, &ran);
	if (ran) {
		x->result.start_us = end.child.start_us;
		x->result.end_us = end.child.end_us;
		x->result.exit_code = end.child.exit_code;
	}
	if (rc)
		return rc;
	if (was_stopped(end.child.exit_code)) {
		x->result.state = DV_JOB_STOPPED;
		return 0;
	}
	return finish(x, &end.child);
}

/* A mark that something was done at all, by whom. */
static int tell_started(const exec *x)
{
	dv_autofree char *path = dv_path_join(x->dir, "started");
	const char *id = getenv("SLURM_JOB_ID");
	dv_auto(dv_buf) text = DV_BUF_INIT;

	dv_buf_addf(&text, "%s %s\n", id ? id : "-", x->result.node);
	if (!path || text.err)
		return dv_err_nomem();
	return dv_fs_write_file(path, text.p, text.n, DV_ATOMIC_SYNC);
}

static int tell_result(const exec *x)
{
	dv_autofree char *above = dv_path_dir(x->dir);
	dv_autofree char *done = above ? dv_path_join(above, "done") : NULL;
	dv_autofree char *path = done ? dv_path_join(done, x->spec.id) : NULL;
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = path ? dv_jobresult_print(&text, &x->result) : dv_err_nomem();

	if (rc || (rc = dv_fs_mkdirs(done)))
		return rc;
	return dv_fs_write_file(path, text.p, text.n, DV_ATOMIC_SYNC);
}

static int open_log(exec *x)
{
	dv_autofree char *path = dv_path_join(x->dir, "log");

	if (!path)
		return dv_err_nomem();
	x->log = dv_fs_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	return x->log < 0 ? dv_err_sys("cannot create '%s'", path) : 0;
}

int dv_exec(const char *job, dv_exec_summary *out)
{
	__attribute__((cleanup(exec_release))) exec x = { .log = -1 };
	dv_autofree char *dir = dv_path_absolute(job);
	const char *node = getenv("SLURMD_NODENAME");
	char host[256] = "";
	dv_error why = { 0 };
	int rc;

	out = out ? out : &(dv_exec_summary){ 0 };
	*out = (dv_exec_summary){ 0 };
	if (!dir)
		return dv_error_last()->code;
	gethostname(host, sizeof(host) - 1);
	x.dir = dir;
	x.result.node = node && *node ? node : host;
	if ((rc = dv_jobspec_read(&x.spec, dir)) || (rc = tell_started(&x)) || (rc = open_log(&x)))
		return rc;
	rc = work(&x);
	if (rc) {
		dv_error_take(&why);
		x.result.state = dv_cancel_requested() ? DV_JOB_STOPPED : DV_JOB_FAILED;
		x.result.error = why.message;
		x.result.hint = why.hint;
		x.result.made.has_run = false;
		x.result.made.nouts = 0;
	}
	/* What remains is to be done also when somebody wants us to stop. */
	dv_cancel_reset();
	out->state = x.result.state == DV_JOB_COMPLETE ? DV_STAGE_RAN :
		     x.result.state == DV_JOB_FAILED ? DV_STAGE_FAILED : DV_STAGE_CANCELLED;
	out->exit_code = x.result.exit_code;
	if (tell_result(&x))
		return rc ? dv_error_put(&why) : dv_error_last()->code;
	return rc ? dv_error_put(&why) : 0;
}
