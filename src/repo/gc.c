/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv_gc: what may go from the local store, and what must stay. Everything that a pointer or a
 * lock file may still name stays: of the workspace, of the scope asked for, of indexes, stashes,
 * reflogs and other work trees, and of every other repository that uses the same cache.
 * Beyond these, an entry goes only when a remote has it, or by force.
 *
 * Of a remote only what this project pushed may go, and only what a commit that is known here once
 * named: what a colleague pushed for a commit that did not arrive yet is not known.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "repo/conflict.h"
#include "repo/lockfile.h"
#include "repo/versions.h"
#include "repo/links.h"
#include "repo/record.h"
#include "repo/runlist.h"
#include "repo/sync.h"
#include "repo/workdir.h"

#define LOCK_WAIT_MS 10000
#define DEFAULT_GRACE 24	/* hours */
#define REGISTRATION_MAX ((size_t)1 << 16)

typedef struct gc {
	dv_repo *repo;
	dv_store *store;
	dv_reader *reader;
	const dv_gc_options *o;
	dv_closure keep;
	dv_histories histories;
	char *project;
	dv_map known;		/* what any commit names */
	dv_map kept_stages, known_stages;	/* of lock files, that were seen to: by words */
	dv_gc_summary *sum;
	dv_remote_store **remotes;
	size_t n, cap;
} gc;

static void gc_release(gc *g)
{
	dv_reader_free(g->reader);
	dv_closure_release(&g->keep);
	dv_histories_release(&g->histories);
	dv_map_release(&g->known);
	dv_map_release(&g->kept_stages);
	dv_map_release(&g->known_stages);
	free(g->project);
	for (size_t i = 0; i < g->n; i++)
		dv_remote_store_free(g->remotes[i]);
	free(g->remotes);
}

/* -- roots ------------------------------------------------------------------------------------- */

static int keep_object(gc *g, const dv_oid *oid, bool is_tree)
{
	int rc = dv_closure_add(&g->keep, g->reader, oid, is_tree, true);

	if (rc != DV_ECORRUPT)
		return rc;
	return dv_err_hint(dv_err_ctx(rc, "cannot tell what is needed"),
			   "run 'dv fsck --repair' first");
}

/* A file of the name of a pointer or lock file that is none, such as one with the marks of a
 * conflict: every oid that it mentions stays, as a file and as a directory. */
static int keep_mentioned(gc *g, const char *text, size_t n)
{
	const char *end = text + n, *p = text;
	int rc = 0;

	while (rc == 0 && (p = memmem(p, (size_t)(end - p), "sha256:", 7))) {
		dv_auto(dv_tree) t = DV_TREE_INIT;
		dv_oid oid;

		p += 7;
		if (end - p < DV_OID_HEX_SIZE || dv_oid_parse(&oid, p, DV_OID_HEX_SIZE) < 0)
			continue;
		if (!dv_store_has_object(g->store, &oid))
			continue;
		bool is_tree = dv_tree_load(&t, g->reader, &oid) == 0;
		dv_error_clear();
		rc = keep_object(g, &oid, is_tree);
	}
	return rc;
}

static int keep_outputs(gc *g, const dv_output_list *l)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < l->n; i++)
		rc = keep_object(g, &l->o[i].pointer.oid, l->o[i].pointer.is_dir);
	return rc;
}

static int on_record(const char *where, const char *path, const char *text, size_t n,
		     void *payload)
{
	dv_auto(dv_output_list) l = DV_OUTPUT_LIST_INIT;
	gc *g = payload;

	(void)where;
	if (dv_output_list_read(&l, path, text, n, &g->kept_stages) == 0)
		return keep_outputs(g, &l);
	dv_error_clear();
	return keep_mentioned(g, text, n);
}

/* Keeps the whole files that symbolic links below a folder of the workspace lead to: who looks at
 * an older version than the pointers name must not find them dangling. */
static int keep_linked(gc *g, int rootfd, const char *path, unsigned depth)
{
	dv_autoclose int fd = -1, list = -1;
	struct dirent *e;
	DIR *dir;
	int rc = dv_workdir_open(&fd, rootfd, path, false);

	if (rc == DV_ENOTFOUND || rc == DV_EUNSAFE || depth > DV_TREE_DEPTH)
		return 0;	/* not a folder: nothing of ours is below */
	if (rc < 0)
		return rc;
	list = dup(fd);
	if (list < 0 || !(dir = fdopendir(list)))
		return dv_err_sys("cannot list '%s'", path);
	(void)dv_steal_fd(&list);
	while (rc == 0 && (e = readdir(dir))) {
		dv_autofree char *sub = NULL;
		dv_oid oid;

		if (e->d_type == DT_DIR && strcmp(e->d_name, ".") != 0 &&
		    strcmp(e->d_name, "..") != 0)
			rc = (sub = dv_path_join(path, e->d_name))
				     ? keep_linked(g, rootfd, sub, depth + 1)
				     : dv_err_nomem();
		else if ((e->d_type == DT_LNK || e->d_type == DT_UNKNOWN) &&
			 dv_links_points_in(g->store, fd, e->d_name, &oid) &&
			 dv_store_has_object(g->store, &oid))
			rc = keep_object(g, &oid, false);
	}
	closedir(dir);
	return rc;
}

static int keep_links(gc *g, const dv_repo *r, const dv_output_list *l)
{
	const dv_log_state *state = dv_store_state(g->store);
	dv_autoclose int root = -1;
	bool any = false;
	int rc = 0;

	for (size_t i = 0; !any && i < state->ncontainers; i++)
		any = state->containers[i].kind == DV_CONTAINER_FILE;
	if (!any)
		return 0;
	root = dv_fs_openat(AT_FDCWD, r->root, O_RDONLY | O_DIRECTORY, 0);
	if (root < 0)
		return dv_err_sys("cannot open the workspace '%s'", r->root);
	for (size_t i = 0; rc == 0 && i < l->n; i++) {
		const dv_output *o = &l->o[i];
		dv_autoclose int dir = -1;
		const char *name;
		dv_oid oid;

		if (o->pointer.is_dir)
			rc = keep_linked(g, root, o->path, 0);
		else if (dv_workdir_parent(&dir, &name, root, o->path, false) == 0 &&
			 dv_links_points_in(g->store, dir, name, &oid) &&
			 dv_store_has_object(g->store, &oid))
			rc = keep_object(g, &oid, false);
		if (rc == 0)
			dv_error_clear();
	}
	return rc;
}

/* What is known of runs stays: it is small, and what it tells of may be gone. */
static int keep_runs(gc *g, const dv_repo *r)
{
	dv_auto(dv_run_list) l = DV_RUN_LIST_INIT;
	int rc = dv_run_list_read(&l, r, 0);

	for (size_t i = 0; rc == 0 && i < l.n; i++)
		if (dv_store_has_object(g->store, &l.items[i].oid))
			rc = keep_object(g, &l.items[i].oid,
					 l.items[i].kind == DV_RUN_ITEM_BATCH);
	return rc;
}

/* Records of another work tree that cannot be read. In the middle of a merge there is nothing wrong
 * with that: both sides stay. Otherwise what they need is not known, which fails as reading them
 * does; what they mention stays in any case. */
static int keep_damaged(gc *g, dv_repo *r, const dv_path_list *damaged)
{
	dv_auto(dv_output_list) l = DV_OUTPUT_LIST_INIT;
	bool merging = r != g->repo;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < damaged->n; i++) {
		dv_autofree char *path = dv_repo_abs(r, damaged->p[i]);
		dv_auto(dv_buf) text = DV_BUF_INIT;

		rc = path ? dv_fs_read_file(&text, path, DV_LOCKFILE_MAX) : dv_err_nomem();
		if (rc == 0)
			rc = keep_mentioned(g, dv_buf_str(&text), text.n);
		merging = merging && rc == 0 && dv_conflict_has(dv_buf_str(&text), text.n);
	}
	return rc || merging || !damaged->n ? rc : dv_repo_outputs(r, &l);
}

static int keep_repo(gc *g, dv_repo *r, const dv_git_scope *scope)
{
	dv_auto(dv_output_list) l = DV_OUTPUT_LIST_INIT;
	dv_auto(dv_path_list) damaged = DV_PATH_LIST_INIT;
	dv_git *git = NULL;
	int rc = dv_repo_outputs_and_damaged(r, &l, &damaged);

	if (rc == 0)
		rc = keep_outputs(g, &l);
	if (rc == 0)
		rc = keep_damaged(g, r, &damaged);
	if (rc == 0)
		rc = keep_links(g, r, &l);
	if (rc == 0)
		rc = keep_runs(g, r);
	if (rc < 0 || !r->has_git)
		return rc;
	if ((rc = dv_repo_git(r, &git)) < 0 ||
	    (rc = dv_git_pointers_hidden(git, on_record, g)) != 0)
		return rc;
	if (!scope->branches && !scope->tags && !scope->all_commits && !scope->nrevs &&
	    !scope->last_n)
		return 0;
	return dv_git_pointers_in(git, scope, on_record, g);
}

/* -- other repositories with the same cache ---------------------------------------------------- */

static int keep_other(gc *g, const char *root)
{
	dv_git_scope all = { .branches = true, .tags = true, .all_commits = true };
	dv_autoptr(dv_repo) other = NULL;
	int rc;

	if (strcmp(root, g->repo->root) == 0)
		return 0;
	if (access(root, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
		dv_warn("'%s', which used this cache, is not there any more", root);
		return 0;
	}
	if ((rc = dv_repo_open(&other, root)) == 0)
		rc = keep_repo(g, other, &all);
	if (rc == DV_ENOREPO) {
		dv_warn("'%s', which used this cache, is no dv repository any more", root);
		dv_error_clear();
		return 0;
	}
	if (rc < 0 && rc != DV_ECANCELLED && g->o->force) {
		dv_warn("what '%s' needs is not known: %s", root, dv_error_last()->message);
		dv_error_clear();
		return 0;
	}
	if (rc < 0)
		return dv_err_ctx(rc, "'%s' uses this cache too", root);
	return rc;
}

static int keep_others(gc *g)
{
	dv_autofree char *dir = dv_path_join(g->repo->cache_dir, "repos");
	DIR *d = dir ? opendir(dir) : NULL;
	int rc = 0;

	if (!dir)
		return dv_err_nomem();
	if (!d)
		return errno == ENOENT ? 0 : dv_err_sys("cannot read '%s'", dir);
	for (struct dirent *e; rc == 0 && (e = readdir(d));) {
		dv_autofree char *path = NULL;
		dv_auto(dv_buf) root = DV_BUF_INIT;
		dv_oid id;

		if (dv_oid_parse(&id, e->d_name, strlen(e->d_name)) < 0)
			continue;
		path = dv_path_join(dir, e->d_name);
		rc = path ? dv_fs_read_file(&root, path, REGISTRATION_MAX) : DV_ERROR;
		if (rc == 0 && root.n && *root.p == '/')
			rc = keep_other(g, dv_buf_str(&root));
	}
	closedir(d);
	return rc;
}

/* -- what no remote has ------------------------------------------------------------------------ */

static int open_remote(const dv_remote_info *i, void *payload)
{
	gc *g = payload;
	dv_remote_store *r = NULL;
	int rc = dv_grow(&g->remotes, &g->cap, g->n + 1, sizeof(dv_remote_store *));

	if (rc < 0)
		return rc;
	rc = dv_repo_remote_open(g->repo, i->name, false, &r, NULL);
	if (rc == DV_ECANCELLED)
		return rc;
	if (rc < 0) {
		dv_warn("what is on remote '%s' is not known: %s", i->name,
			dv_error_last()->message);
		dv_error_clear();
		return 0;
	}
	g->remotes[g->n++] = r;
	return 0;
}

static bool on_a_remote(const gc *g, uint8_t kind, const dv_oid *id)
{
	dv_place at;

	for (size_t i = 0; i < g->n; i++)
		if (dv_remote_store_find(g->remotes[i], kind, id, &at))
			return true;
	return false;
}

/* Keeps the entries of one kind in a segment that neither a root needs nor a remote has. */
static int keep_lonely(gc *g, const dv_segment *seg, uint8_t kind, uint64_t *count)
{
	dv_map *kept = kind == DV_KIND_RECIPE ? &g->keep.recipes : &g->keep.chunks;
	size_t n = dv_segment_count(seg);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		dv_place at, now;
		dv_oid id;

		if (!dv_segment_at(seg, i, &id, &at) || at.kind != kind || dv_map_has(kept, &id) ||
		    !dv_store_find(g->store, kind, &id, &now) || on_a_remote(g, kind, &id))
			continue;
		(*count)++;
		rc = dv_closure_add(&g->keep, g->reader, &id, false, true);
		if (rc == DV_ECORRUPT) {
			/* Damaged, and needed by nothing that is known: no reason to stop. */
			dv_error_clear();
			rc = dv_map_put(kept, &id, 1);
		}
	}
	return rc;
}

/* Recipes first, so that their chunks do not count as objects of their own. */
static int keep_unpushed(gc *g, uint64_t *count)
{
	static const uint8_t kinds[] = { DV_KIND_RECIPE, DV_KIND_CHUNK };
	const dv_log_state *state = dv_store_state(g->store);
	int rc = dv_remote_list(g->repo, open_remote, g);

	for (size_t k = 0; rc == 0 && k < 2; k++)
		for (size_t i = 0; rc == 0 && i < state->nsegments; i++) {
			dv_autoptr(dv_segment) seg = NULL;
			dv_autofree char *path = dv_store_segment_path(g->store,
								       &state->segments[i]);

			rc = path ? dv_segment_open(&seg, path) : dv_err_nomem();
			if (rc == 0)
				rc = keep_lonely(g, seg, kinds[k], count);
		}
	return rc;
}

/* -- the whole --------------------------------------------------------------------------------- */

static int lock(gc *g)
{
	int rc = dv_store_lock(g->store, true, LOCK_WAIT_MS);

	if (rc == DV_ELOCKED)
		rc = dv_err_hint(dv_err(rc, "another dv process uses the cache '%s'",
					g->repo->cache_dir),
				 "try again when it has ended");
	return rc < 0 ? rc : dv_store_refresh(g->store);
}

/* A sweep makes the log forget which objects are whole; what the workspace needs is said anew, so
 * that the next status need not look at every chunk. */
static int record_roots(gc *g)
{
	dv_auto(dv_output_list) l = DV_OUTPUT_LIST_INIT;
	dv_autoptr(dv_writer) w = NULL;
	dv_autofree dv_root *roots = NULL;
	int rc = dv_repo_outputs(g->repo, &l);

	if (rc < 0 || l.n == 0)
		return rc;
	if (!(roots = dv_calloc(l.n, sizeof(*roots))))
		return DV_ERROR;
	for (size_t i = 0; i < l.n; i++)
		roots[i] = (dv_root){ .oid = l.o[i].pointer.oid, .path = l.o[i].path,
				      .is_tree = l.o[i].pointer.is_dir };
	rc = dv_writer_new(&w, g->store, dv_repo_compression(g->repo));
	return rc < 0 ? rc : dv_writer_commit(w, roots, l.n);
}

static uint64_t held(const dv_store *s)
{
	const dv_log_state *state = dv_store_state(s);
	uint64_t bytes = 0;

	for (size_t i = 0; i < state->ncontainers; i++)
		bytes += state->containers[i].size;
	return bytes;
}

static int sweep(gc *g, dv_gc_summary *out)
{
	dv_sweep o = { .keep = &g->keep, .dry = g->o->dry,
		       .level = dv_repo_compression(g->repo) };
	dv_sweep_stats st = { 0 };
	bool whole = g->keep.nmissing == 0;
	uint64_t before, after;
	int rc = dv_store_refresh(g->store);

	before = held(g->store);
	if (rc == 0 && g->o->repack) {
		rc = dv_histories_find(&g->histories, g->repo, g->reader, &g->keep.objects);
		o.turn = &g->histories;
	}
	if (!rc)
		rc = dv_store_sweep(g->store, &o, &st);
	if (rc < 0)
		return rc;
	out->chunks_kept = st.chunks_kept;
	out->chunks_dropped = st.chunks_dropped;
	out->packs_dropped = st.packs_dropped;
	out->packs_rewritten = st.packs_rewritten;
	/* What new packs add around their chunks is known when they are there. */
	after = held(g->store);
	out->bytes_freed = g->o->dry ? st.bytes_freed : before > after ? before - after : 0;
	out->bytes_kept = g->o->dry ? st.bytes_kept : after;
	out->chunks_repacked = st.turned;
	out->bytes_unused = st.bytes_unused;
	return whole && !g->o->dry ? record_roots(g) : 0;
}

/* -- a remote ---------------------------------------------------------------------------------- */

static int on_known(const char *where, const char *path, const char *text, size_t n,
		    void *payload)
{
	dv_auto(dv_output_list) l = DV_OUTPUT_LIST_INIT;
	gc *g = payload;
	int rc = 0;

	(void)where;
	if (dv_output_list_read(&l, path, text, n, &g->known_stages))
		dv_error_clear();
	for (size_t i = 0; rc == 0 && i < l.n; i++)
		rc = dv_map_put(&g->known, &l.o[i].pointer.oid, 1);
	return rc;
}

static bool keep_root(const dv_root *root, void *payload)
{
	gc *g = payload;

	if (!root->project || !g->project || strcmp(root->project, g->project) != 0) {
		g->sum->roots_of_others++;
		return true;
	}
	if (root->runs)
		return true;
	/* A listing that is kept for another, a delta to it, keeps nothing of what it lists. */
	if (dv_map_has(&g->keep.objects, &root->oid) ||
	    (!root->is_tree && (dv_map_has(&g->keep.chunks, &root->oid) ||
				dv_map_has(&g->keep.recipes, &root->oid))))
		return true;
	if (g->o->force || !g->repo->has_git || dv_map_has(&g->known, &root->oid))
		return false;
	g->sum->roots_unknown++;
	return true;
}

static int collect(gc *g)
{
	dv_gc_summary *out = g->sum;
	int hours = g->o->grace < 0 ? 0 : g->o->grace ? g->o->grace : DEFAULT_GRACE;
	dv_collect_options co = { .keep = keep_root, .payload = g, .dry = g->o->dry,
				  .force = g->o->force, .grace = (uint64_t)hours * 3600 };
	dv_git_scope all = { .all_commits = true };
	dv_autoptr(dv_remote_store) remote = NULL;
	dv_collect_stats st = { 0 };
	dv_git *git = NULL;
	int rc = 0;

	if (g->repo->has_git && (rc = dv_repo_git(g->repo, &git)) == 0) {
		dv_git_keep_doubtful(git);
		rc = dv_git_pointers_in(git, &all, on_known, g);
	}
	if (rc == 0)
		rc = dv_repo_project(g->repo, &g->project);
	if (rc == 0)
		rc = dv_repo_remote_open(g->repo, g->o->remote_name, false, &remote, NULL);
	if (rc == 0)
		rc = dv_transfer_collect(g->store, remote, &co, &st);
	out->roots_kept = st.roots_kept;
	out->roots_dropped = st.roots_dropped;
	out->packs_rewritten = st.packs_rewritten;
	out->packs_dropped = st.packs_condemned;
	out->bytes_freed = st.bytes_condemned;
	out->bytes_kept = st.bytes_kept;
	out->files_removed = st.packs_removed;
	out->bytes_removed = st.bytes_removed;
	out->files_waiting = st.packs_waiting + st.orphans_waiting;
	out->bytes_waiting = st.bytes_waiting;
	return rc;
}

/* -- the command ------------------------------------------------------------------------------- */

int dv_gc(dv_repo *r, const dv_gc_options *o, dv_gc_summary *out)
{
	o = DV_OR_ZERO(o);
	out = DV_OR_ZERO(out);
	__attribute__((cleanup(gc_release))) gc g = { .repo = r, .o = o, .sum = out };
	dv_git_scope scope = { .branches = o->all_branches, .tags = o->all_tags,
			       .all_commits = o->all_commits, .revs = o->revs, .nrevs = o->nrevs,
			       .last_n = o->last_n };
	dv_git *git = NULL;
	int rc;

	memset(out, 0, sizeof(*out));
	if (!o->workspace && !o->all_branches && !o->all_tags && !o->all_commits && !o->nrevs)
		return dv_err_hint(dv_err(DV_EUSAGE, "gc needs to know what to keep"),
				   "say -w, -a, -T, -A or --rev");
	if ((o->all_branches || o->all_tags || o->all_commits || o->nrevs) &&
	    (rc = dv_repo_git(r, &git)) < 0)
		return rc;
	if ((rc = dv_repo_store(r, &g.store)) < 0 || (!o->remote && (rc = lock(&g)) < 0))
		return rc;
	rc = dv_reader_new(&g.reader, g.store);
	if (rc == 0)
		rc = keep_repo(&g, r, &scope);
	if (rc == 0)
		rc = keep_others(&g);
	if (o->remote)
		return rc < 0 ? rc : collect(&g);
	if (rc == 0 && !o->force)
		rc = keep_unpushed(&g, &out->kept_not_on_remote);
	out->objects_kept = g.keep.nobjects;
	if (rc == 0)
		rc = sweep(&g, out);
	dv_store_unlock(g.store);
	if (rc == 0)
		rc = dv_store_lock(g.store, false, -1);
	return rc;
}
