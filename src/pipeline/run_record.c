/* SPDX-License-Identifier: Apache-2.0 */
/* Run records of stages, and the run cache entries that records of others make. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"
#include "lineage/scrub.h"
#include "pipeline/run.h"
#include "pipeline/runcache.h"
#include "repo/record.h"
#include "repo/runlist.h"

/* -- writing ---------------------------------------------------------------------------------- */

static void fill(dv_run_path *to, const char *path, const dv_locked_path *p)
{
	*to = (dv_run_path){ .path = path, .is_dir = p->is_dir, .isexec = p->isexec,
			     .has_oid = true, .oid = p->oid, .size = p->size,
			     .nfiles = p->nfiles };
}

/* What stands where a failed stage was to make something is not looked at. */
static dv_run_path *paths_of(const dv_node *n, const dv_trace_reads *reads, dv_arena *a)
{
	const dv_stage *s = n->s;
	size_t nreads = reads ? reads->n : 0;
	dv_run_path *p = dv_arena_alloc(a, (s->ndeps + nreads + s->nouts + 1) * sizeof(*p));

	for (size_t i = 0; p && i < s->ndeps; i++)
		fill(&p[i], s->deps[i].path, &n->entry.deps[i]);
	for (size_t i = 0; p && i < nreads; i++)
		p[s->ndeps + i] = (dv_run_path){ .path = reads->paths[i], .undeclared = true };
	for (size_t i = 0; p && i < s->nouts; i++) {
		dv_run_path *out = &p[s->ndeps + nreads + i];

		if (i < n->entry.nouts && n->how != DV_STAGE_FAILED)
			fill(out, s->outs[i].path, &n->entry.outs[i]);
		else
			out->path = s->outs[i].path;
	}
	return p;
}

int dv_runner_records(dv_runner *r)
{
	return r->records ? 0 : dv_run_context_open(&r->records, r->repo);
}

int dv_node_record(dv_runner *r, dv_node *n, enum dv_run_state state, int exit_code,
		   const dv_buf *log, const dv_trace_reads *reads, const dv_oid *cached)
{
	size_t ndeps = n->s->ndeps + (reads ? reads->n : 0);
	const dv_stage *s = n->s;
	dv_autoptr(dv_encoder) enc = NULL;
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_run_path *paths;
	int rc = 0;

	n->entry.has_run = false;
	if (!r->writer)
		return 0;
	if ((rc = dv_runner_records(r)))
		return rc;
	if (!(paths = paths_of(n, reads, &r->st.arena)))
		return DV_ERROR;
	dv_run run = {
		.type = "stage", .file = s->file, .stage = s->name,
		.wdir = *s->wdir ? s->wdir : ".", .cmd = s->cmd, .deps = paths,
		.ndeps = ndeps, .outs = paths + ndeps, .nouts = s->nouts,
		.params = n->entry.params, .env = s->env, .nenv = s->nenv, .image = s->image,
		.start_us = n->start_us, .end_us = n->end_us, .exit_code = exit_code,
		.state = state, .has_cached = cached != NULL,
	};
	if (cached)
		run.cached = *cached;
	if (log && log->n) {
		if ((rc = dv_scrub_log(&text, log->p, log->n)) ||
		    (rc = dv_encoder_new(&enc, dv_repo_compression(r->repo))) ||
		    (rc = dv_object_put(r->writer, enc, text.p, text.n, &run.log)))
			return rc;
		run.has_log = true;
	}
	rc = dv_run_record(r->records, r->writer, &run, &n->entry.run);
	n->entry.has_run = rc == 0;
	r->unlisted |= rc == 0;
	return rc;
}

/* -- from records to the run cache ------------------------------------------------------------- */

/* The record as an entry of a lock file at the root; of the arena. */
static int entry_of(dv_arena *a, const dv_run_doc *d, const dv_oid *oid, dv_locked_stage *out)
{
	const dv_spot nowhere = { .file = "run" };
	const char *wdir = strcmp(d->run.wdir, ".") ? d->run.wdir : "";
	dv_autofree char *base = dv_path_join("/", wdir);

	*out = (dv_locked_stage){ .name = "run", .wdir = d->run.wdir, .ndeps = d->run.ndeps,
				  .nouts = d->run.nouts, .run = *oid, .has_run = true,
				  .cmd = dv_value_from_json(a, d->cmd, &nowhere),
				  .params = d->params ? dv_value_from_json(a, d->params, &nowhere)
						      : NULL };
	out->deps = dv_arena_alloc(a, (d->run.ndeps + 1) * sizeof(*out->deps));
	out->outs = dv_arena_alloc(a, (d->run.nouts + 1) * sizeof(*out->outs));
	if (!base || !out->cmd || !out->deps || !out->outs || (d->params && !out->params))
		return DV_ERROR;
	for (size_t i = 0; i < d->run.ndeps + d->run.nouts; i++) {
		bool dep = i < d->run.ndeps;
		const dv_run_path *p = dep ? &d->run.deps[i] : &d->run.outs[i - d->run.ndeps];
		dv_autofree char *abs = dv_path_join("/", p->path);
		dv_autofree char *rel = abs ? dv_path_relative(abs, base) : NULL;

		if (!rel || !p->has_oid || p->undeclared || !dv_path_is_safe(p->path))
			return rel ? 1 : DV_ERROR;
		*(dep ? &out->deps[i] : &out->outs[i - d->run.ndeps]) = (dv_locked_path){
			.path = dv_arena_strdup(a, *rel ? rel : "."), .oid = p->oid,
			.size = p->size, .nfiles = p->nfiles, .is_dir = p->is_dir,
			.isexec = p->isexec,
		};
	}
	return 0;
}

/* What is no record of a stage that ran well is passed over, whatever it is. */
static int learn_one(dv_runner *r, const dv_oid *oid)
{
	dv_auto(dv_run_doc) d = DV_RUN_DOC_INIT;
	dv_auto(dv_arena) a = DV_ARENA_INIT;
	dv_locked_stage e;

	if (!dv_store_has_object(r->store, oid) || dv_run_doc_load(&d, r->st.reader, oid) ||
	    d.kind != DV_RUN_DOC_RUN || d.run.state != DV_RUN_COMPLETE || !d.cmd || !d.run.wdir ||
	    !d.run.type || strcmp(d.run.type, "stage") != 0 || entry_of(&a, &d, oid, &e) ||
	    dv_runcache_put_new(r->repo, &e, ""))
		dv_error_clear();
	return dv_check_cancel();
}

/* The records that this clone knows since the last time: those that a fetch brought, and our own,
 * whose entries are there. How far we came stands beside them in the cache. */
int dv_runner_learn_runs(dv_runner *r)
{
	dv_auto(dv_run_list) list = DV_RUN_LIST_INIT;
	dv_auto(dv_buf) text = DV_BUF_INIT, mark = DV_BUF_INIT;
	dv_autofree char *dir = dv_path_join(r->repo->cache_dir, "runs");
	dv_autofree char *path = NULL;
	char hex[DV_OID_HEX_SIZE + 1];
	uint64_t from = 0;
	dv_oid id;
	int rc = 0;

	dv_sha256(&id, r->repo->dvdir, strlen(r->repo->dvdir));
	dv_oid_hex(hex, &id);
	dv_buf_addf(&mark, "%s/seen-%.16s", dir ? dir : "", hex);
	if (!dir || mark.err || !(path = dv_buf_detach(&mark)))
		return dv_err_nomem();
	if (dv_fs_read_file(&text, path, 64) == 0)
		from = strtoull(dv_buf_str(&text), NULL, 10);
	dv_error_clear();
	if ((rc = dv_run_list_read(&list, r->repo, from)) || list.n == 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < list.n; i++)
		if (list.items[i].kind == DV_RUN_ITEM_RECORD)
			rc = learn_one(r, &list.items[i].oid);
	if (rc || (rc = dv_fs_mkdirs(dir)))
		return rc;
	dv_buf_clear(&text);
	dv_buf_addf(&text, "%" PRIu64 "\n", list.end);
	return dv_fs_write_file(path, text.p, text.n, 0);
}
