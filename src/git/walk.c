/* SPDX-License-Identifier: Apache-2.0 */
/* Pointers and lock files in git's history: trees and sets of commits. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/map.h"
#include "base/path.h"
#include "base/sha256.h"
#include "git/drivers.h"
#include "git/lfs_pointer.h"
#include "git/records.h"
#include "git/walk.h"

/* -- one tree ---------------------------------------------------------------------------------- */

void dv_git_walk_note_rules(dv_git_walk *w)
{
	w->filter = w->doubtful || dv_attributes_any(w->rules);
	dv_attributes_name(w->rules, &w->rules_name);
}

int dv_git_walk_open(dv_git_walk *w)
{
	const dv_git_dirs d = { .workdir = w->g->workdir, .commondir = w->g->commondir,
				.gitdir = (char *)(uintptr_t)git_repository_path(w->g->repo) };
	unsigned there = 0, own = 0;
	int rc = dv_attributes_new(&w->rules);

	if (!rc)
		rc = dv_attributes_add_own(w->rules, &d);
	if (!rc && w->g->doubtful && dv_gitdrivers_look(&d, &there, &own))
		dv_error_clear();
	w->doubtful = (there | own) & DV_DRIVER_FILTER;
	if (!rc)
		dv_git_walk_note_rules(w);
	return rc;
}

void dv_git_walk_release(dv_git_walk *w)
{
	dv_attributes_free(w->rules);
}

/* Marks (id, path) as seen; true when it was new. */
static int first_time(dv_git_walk *w, const git_oid *id, const char *path, bool *fresh)
{
	dv_sha256_ctx c;
	dv_oid key;

	*fresh = true;
	if (!w->seen)
		return 0;
	dv_sha256_init(&c);
	dv_sha256_update(&c, id->id, sizeof(id->id));
	dv_sha256_update(&c, path, strlen(path));
	/* The same files may be others' under other rules. */
	if (w->filter)
		dv_sha256_update(&c, w->rules_name.b, sizeof(w->rules_name.b));
	dv_sha256_final(&c, &key);
	return dv_map_add(w->seen, &key, 1, fresh);
}

int dv_git_walk_record(dv_git_walk *w, const git_oid *id, const char *path)
{
	dv_autoptr(git_blob) blob = NULL;
	bool lock = !dv_pointer_is_name(dv_path_base(path));
	size_t size = 0;
	bool fresh;
	int rc = first_time(w, id, path, &fresh);

	if (rc || !fresh || !w->cb)
		return rc;
	if (w->lacking)
		return dv_git_lacking_note(w->lacking, w->g, id, NULL);
	int gc = dv_git_blob_size(w->g, id, &size);
	if (!gc && size > (lock ? DV_LOCKFILE_MAX : DV_GIT_POINTER_MAX)) {
		dv_warn("'%s' in %s is too large for a %s", path, w->where,
			lock ? "lock file" : "pointer");
		return 0;
	}
	if (!gc)
		gc = dv_git_blob(w->g, id, &blob);
	if (gc)
		return dv_git_fail(gc, "cannot read '%s' in %s", path, w->where);
	return w->cb(w->where, path, git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob),
		     w->payload);
}

/* A file that may pass through the filter: told when it is a pointer. */
int dv_git_walk_filtered(dv_git_walk *w, const git_oid *id, const char *path)
{
	dv_autoptr(git_blob) blob = NULL;
	dv_autofree char *full = dv_git_full(w->g, path);
	size_t size = 0;
	bool fresh, lacks = false;

	if (!full)
		return dv_err_nomem();
	bool ours = dv_attributes_filtered(w->rules, full);
	if (!ours && !w->g->doubtful)
		return 0;
	int rc = first_time(w, id, path, &fresh);
	if (rc || !fresh || !w->cb)
		return rc;
	if (w->lacking)
		return ours ? dv_git_lacking_note(w->lacking, w->g, id, NULL) : 0;
	/* A partial clone lacks files that nobody asked for, so also not the filter: where the
	 * attributes do not say that they are its, they need not be brought. */
	if (!ours && dv_git_is_partial(w->g))
		rc = dv_git_lacking_note(NULL, w->g, id, &lacks);
	if (rc || lacks)
		return rc;
	int gc = dv_git_blob_size(w->g, id, &size);
	if (!gc && (size < DV_LFS_POINTER_MIN || size > DV_LFS_POINTER_MAX))
		return 0;
	if (!gc)
		gc = dv_git_blob(w->g, id, &blob);
	if (gc)
		return dv_git_fail(gc, "cannot read '%s' in %s", path, w->where);
	if (!dv_lfs_pointer_parse(NULL, git_blob_rawcontent(blob), size))
		return 0;
	return w->cb(w->where, path, git_blob_rawcontent(blob), size, w->payload);
}

static int walk_tree(dv_git_walk *w, const git_tree *tree, const char *path, int depth);

static int walk_entry(dv_git_walk *w, const git_tree_entry *e, const char *dir, int depth)
{
	const char *name = git_tree_entry_name(e);
	git_filemode_t mode = git_tree_entry_filemode(e);
	bool fresh;

	if (!dv_name_is_safe(name, strlen(name)) || !strcmp(name, ".git") || !strcmp(name, ".dv"))
		return 0;
	bool regular = mode == GIT_FILEMODE_BLOB || mode == GIT_FILEMODE_BLOB_EXECUTABLE;
	bool record = regular && dv_output_is_record(name);
	if (mode != GIT_FILEMODE_TREE && !record && !(regular && w->filter))
		return 0;
	dv_autofree char *path = *dir ? dv_path_join(dir, name) : dv_strdup(name);
	if (!path)
		return DV_ERROR;
	if (regular && !record)
		return dv_git_walk_filtered(w, git_tree_entry_id(e), path);
	/* Git's filter knows no .dvignore. */
	bool ignored = w->ignore && dv_ignore_match_here(w->ignore, path, !record, NULL);
	if ((ignored || w->ignored) && (record || !w->filter))
		return 0;
	if (record)
		return dv_git_walk_record(w, git_tree_entry_id(e), path);
	int rc = first_time(w, git_tree_entry_id(e), path, &fresh);
	if (rc || !fresh)
		return rc;
	dv_autoptr(git_tree) sub = NULL;
	int gc = dv_git_tree(w->g, git_tree_entry_id(e), &sub);
	if (gc)
		return dv_git_fail(gc, "cannot read the folder '%s' in %s", path, w->where);
	w->ignored += ignored;
	rc = walk_tree(w, sub, path, depth + 1);
	w->ignored -= ignored;
	return rc;
}

/* The content of a file of rules; NULL: none, or not here yet. */
static int read_meta(dv_git_walk *w, const git_tree_entry *e, git_blob **out)
{
	git_filemode_t mode = e ? git_tree_entry_filemode(e) : GIT_FILEMODE_UNREADABLE;
	bool lacks = false;
	int rc = 0;

	if (mode != GIT_FILEMODE_BLOB && mode != GIT_FILEMODE_BLOB_EXECUTABLE)
		return 0;
	if (w->lacking)
		rc = dv_git_lacking_note(w->lacking, w->g, git_tree_entry_id(e), &lacks);
	if (rc || lacks)
		return rc;
	int gc = dv_git_blob(w->g, git_tree_entry_id(e), out);
	return gc ? dv_git_fail(gc, "cannot read '%s' in %s", git_tree_entry_name(e), w->where) : 0;
}

/* Takes in the attributes of a folder, whose path in the work tree is `full`. */
static int read_attributes(dv_git_walk *w, const git_tree *tree, const char *full)
{
	const git_tree_entry *e = git_tree_entry_byname(tree, DV_ATTRIBUTES_FILE);
	dv_autoptr(git_blob) blob = NULL;
	int rc = read_meta(w, e, &blob);

	if (rc || !blob || (uint64_t)git_blob_rawsize(blob) > DV_ATTRIBUTES_MAX)
		return rc;
	rc = dv_attributes_add(w->rules, full, git_blob_rawcontent(blob),
			       (size_t)git_blob_rawsize(blob));
	if (!rc)
		dv_git_walk_note_rules(w);
	return rc;
}

/* Takes in the rules of a folder's .dvignore. */
static int read_rules(dv_git_walk *w, const git_tree *tree, const char *path)
{
	const git_tree_entry *e = git_tree_entry_byname(tree, DV_IGNORE_FILE);
	dv_autoptr(git_blob) blob = NULL;
	int rc = read_meta(w, e, &blob);

	if (rc || !blob)
		return rc;
	if ((uint64_t)git_blob_rawsize(blob) > DV_IGNORE_FILE_MAX) {
		dv_warn("'%s%s" DV_IGNORE_FILE "' in %s is too large; its rules are left out", path,
			*path ? "/" : "", w->where);
		return 0;
	}
	return dv_ignore_add_text(w->ignore, path, git_blob_rawcontent(blob),
				  (size_t)git_blob_rawsize(blob));
}

/* Is the folder the root of another repository, whose outputs are its own? */
static bool is_nested(dv_git_walk *w, const git_tree *tree)
{
	const git_tree_entry *e = git_tree_entry_byname(tree, ".dv");
	dv_autoptr(git_tree) dot = NULL;

	return e && git_tree_entry_filemode(e) == GIT_FILEMODE_TREE &&
	       !dv_git_tree(w->g, git_tree_entry_id(e), &dot) &&
	       git_tree_entry_byname(dot, "config");
}

static int walk_tree(dv_git_walk *w, const git_tree *tree, const char *path, int depth)
{
	size_t n = git_tree_entrycount(tree), before = dv_attributes_count(w->rules);
	dv_autofree char *full = dv_git_full(w->g, path);
	int rc = full ? dv_check_cancel() : DV_ERROR;

	if (depth > DV_GIT_DEPTH_MAX)
		return dv_err(DV_ECORRUPT, "the folders in %s are nested too deeply", w->where);
	if (!rc && w->ignore && depth && is_nested(w, tree))
		return 0;
	if (!rc && w->ignore)
		rc = read_rules(w, tree, path);
	if (!rc && *full && full[strlen(full) - 1] == '/')
		full[strlen(full) - 1] = 0;
	if (!rc)
		rc = read_attributes(w, tree, full);
	for (size_t i = 0; i < n && !rc; i++)
		rc = walk_entry(w, git_tree_entry_byindex(tree, i), path, depth);
	if (dv_attributes_count(w->rules) > before) {
		dv_attributes_cut(w->rules, before);
		dv_git_walk_note_rules(w);
	}
	return rc;
}

/* The attributes of the folders above a workspace that lies below the root of the work tree. */
static int read_above(dv_git_walk *w, const git_tree *root)
{
	const char *prefix = w->g->prefix;
	int rc = *prefix ? read_attributes(w, root, "") : 0;

	for (const char *s = prefix; !rc && (s = strchr(s, '/')) && s[1]; s++) {
		dv_autofree char *dir = dv_strndup(prefix, (size_t)(s - prefix));
		dv_autoptr(git_tree) tree = NULL;

		if (!dir)
			return DV_ERROR;
		if (!dv_git_subtree(w->g, root, dir, &tree) && tree)
			rc = read_attributes(w, tree, dir);
	}
	return rc;
}

static int walk_commit(dv_git_walk *w, git_commit *c)
{
	dv_autoptr(git_tree) tree = NULL;
	dv_autoptr(git_tree) own = NULL;
	char hex[DV_GIT_HEX + 1];
	bool fresh;

	git_oid_tostr(hex, sizeof(hex), git_commit_id(c));
	w->where = hex;
	int rc = first_time(w, git_commit_tree_id(c), "", &fresh);
	if (rc || !fresh)
		return rc;
	int gc = dv_git_tree(w->g, git_commit_tree_id(c), &tree);
	if (!gc && *w->g->prefix) {
		dv_autofree char *prefix = dv_strndup(w->g->prefix, strlen(w->g->prefix) - 1);
		if (!prefix)
			return DV_ERROR;
		gc = dv_git_subtree(w->g, tree, prefix, &own);
		if (!gc && !own)
			return 0;
	}
	if (gc)
		return dv_git_fail(gc, "cannot read commit %s", hex);
	size_t before = dv_attributes_count(w->rules);
	rc = read_above(w, tree);
	if (!rc)
		rc = walk_tree(w, own ? own : tree, "", 0);
	dv_attributes_cut(w->rules, before);
	dv_git_walk_note_rules(w);
	return rc;
}

int dv_git_walk_commit(git_commit *c, void *w)
{
	return walk_commit(w, c);
}

/* -- a partial clone --------------------------------------------------------------------------- */

/* With rules that are brought, more may be wanted; and then nothing. */
#define ROUNDS 3

/* Runs a walk. What it would miss in a partial clone is brought before, many objects at once. */
int dv_git_walk_run(dv_git_walk *w, dv_git_walk_fn fn, void *ctx)
{
	dv_map *seen = w->seen;
	bool lacks = dv_git_is_partial(w->g);
	int rc = 0;

	for (int i = 0; !rc && lacks && i < ROUNDS; i++) {
		dv_auto(dv_git_lacking) l = DV_GIT_LACKING_INIT;
		dv_auto(dv_map) mine = DV_MAP_INIT;

		w->seen = &mine;
		w->lacking = &l;
		rc = fn(w, ctx);
		lacks = l.n > 0;
		if (!rc && lacks)
			rc = dv_git_lacking_bring(&l, w->g);
		w->seen = seen;
		w->lacking = NULL;
	}
	return rc ? rc : fn(w, ctx);
}

/* -- a revision -------------------------------------------------------------------------------- */

static int walk_one(dv_git_walk *w, void *ctx)
{
	return walk_commit(w, ctx);
}

int dv_git_pointers_at(dv_git *g, const char *rev, dv_git_pointer_cb cb, void *payload)
{
	__attribute__((cleanup(dv_git_walk_release))) dv_git_walk w = { .g = g, .cb = cb,
								  .payload = payload };
	dv_autoptr(git_commit) c = NULL;
	dv_autoptr(dv_ignore) rules = NULL;

	if (!strcmp(rev, "HEAD") && git_repository_head_unborn(g->repo) == 1)
		return 0;
	int rc = dv_git_lookup(g, rev, &c);
	if (!rc)
		rc = dv_ignore_new(&rules, NULL);
	w.ignore = rules;
	if (!rc)
		rc = dv_git_walk_open(&w);
	return rc ? rc : dv_git_walk_run(&w, walk_one, c);
}

/* -- sets of commits -------------------------------------------------------------------------- */

struct plain {
	dv_git_commit_cb cb;
	void *payload;
};

static int plain_commit(git_commit *c, void *payload)
{
	const struct plain *p = payload;
	char hex[DV_GIT_HEX + 1];

	git_oid_tostr(hex, sizeof(hex), git_commit_id(c));
	return p->cb(hex, p->payload);
}

int dv_git_commits(dv_git *g, const dv_git_scope *s, dv_git_commit_cb cb, void *payload)
{
	struct plain p = { .cb = cb, .payload = payload };

	return dv_git_each_commit(g, s, plain_commit, &p);
}

int dv_git_first_commit(dv_git *g, char hex[DV_GIT_HEX + 1])
{
	git_revwalk *revs = NULL;
	git_oid id;
	int rc = 0, gc;

	hex[0] = 0;
	if (git_repository_head_unborn(g->repo) == 1 || git_repository_is_shallow(g->repo) == 1)
		return 0;
	gc = git_revwalk_new(&revs, g->repo);
	if (!gc)
		gc = git_revwalk_simplify_first_parent(revs);
	if (!gc)
		gc = git_revwalk_push_head(revs);
	while (!gc && !rc && !(gc = git_revwalk_next(&id, revs))) {
		git_oid_tostr(hex, DV_GIT_HEX + 1, &id);
		rc = dv_check_cancel();
	}
	git_revwalk_free(revs);
	return rc || gc == GIT_ITEROVER ? rc : dv_git_fail(gc, "cannot read git's history");
}

struct in_scope {
	dv_git *g;
	const dv_git_scope *scope;
};

static int walk_scope(dv_git_walk *w, void *ctx)
{
	const struct in_scope *in = ctx;

	return dv_git_each_commit(in->g, in->scope, dv_git_walk_commit, w);
}

int dv_git_pointers_in(dv_git *g, const dv_git_scope *s, dv_git_pointer_cb cb, void *payload)
{
	dv_auto(dv_map) seen = DV_MAP_INIT;
	__attribute__((cleanup(dv_git_walk_release))) dv_git_walk w = {
		.g = g, .cb = cb, .payload = payload, .seen = &seen };
	struct in_scope in = { g, s };
	int rc = dv_git_walk_open(&w);

	return rc ? rc : dv_git_walk_run(&w, walk_scope, &in);
}

static int walk_sorted(dv_git_walk *w, git_revwalk *revs)
{
	bool shallow = git_repository_is_shallow(w->g->repo) == 1;
	git_oid id;
	int gc = 0, rc = 0;

	while (!rc && !(gc = git_revwalk_next(&id, revs))) {
		dv_autoptr(git_commit) c = NULL;

		gc = git_commit_lookup(&c, w->g->repo, &id);
		if (gc)
			return dv_git_fail(gc, "cannot read git's history");
		rc = walk_commit(w, c);
	}
	/* A shallow clone ends somewhere. */
	if (!rc && gc != GIT_ITEROVER && !(shallow && gc == GIT_ENOTFOUND))
		rc = dv_git_fail(gc, "cannot read git's history");
	git_error_clear();
	return rc;
}

static int walk_by_age(dv_git_walk *w, void *ctx)
{
	git_revwalk *revs = NULL;
	int gc = git_revwalk_new(&revs, w->g->repo);

	(void)ctx;
	if (!gc)
		gc = git_revwalk_sorting(revs, GIT_SORT_TOPOLOGICAL | GIT_SORT_TIME);
	if (!gc)
		gc = git_revwalk_push_glob(revs, "refs/*");
	/* There may be no commit yet. */
	if (!gc && git_revwalk_push_head(revs))
		git_error_clear();
	int rc = gc ? dv_git_fail(gc, "cannot read git's history") : walk_sorted(w, revs);
	git_revwalk_free(revs);
	return rc;
}

int dv_git_pointers_by_age(dv_git *g, dv_git_pointer_cb cb, void *payload)
{
	dv_auto(dv_map) seen = DV_MAP_INIT;
	__attribute__((cleanup(dv_git_walk_release))) dv_git_walk w = {
		.g = g, .cb = cb, .payload = payload, .seen = &seen };
	int rc = dv_git_walk_open(&w);

	return rc ? rc : dv_git_walk_run(&w, walk_by_age, NULL);
}

/* -- what is new in commits -------------------------------------------------------------------- */

struct fresh {
	dv_git *g;
	dv_git_walk w;
	dv_map seen, commits;	/* the commits that are new */
	git_commit **list;
	size_t n, cap;
};

static void fresh_release(struct fresh *f)
{
	for (size_t i = 0; i < f->n; i++)
		git_commit_free(f->list[i]);
	free(f->list);
	dv_git_walk_release(&f->w);
	dv_map_release(&f->seen);
	dv_map_release(&f->commits);
}

static dv_oid commit_key(const git_oid *id)
{
	dv_oid key = { { 0 } };

	memcpy(key.b, id->id, GIT_OID_RAWSZ);
	return key;
}

static int keep_commit(git_commit *c, void *payload)
{
	struct fresh *f = payload;
	const dv_oid key = commit_key(git_commit_id(c));
	int rc = dv_grow(&f->list, &f->cap, f->n + 1, sizeof(*f->list));
	int gc = rc ? 0 : git_commit_dup(&f->list[f->n], c);

	if (rc || gc)
		return rc ? rc : dv_git_fail(gc, "cannot read git's history");
	f->n++;
	return dv_map_put(&f->commits, &key, 1);
}

/* Marks what the parents that are not new have as seen. */
static int see_parents(struct fresh *f, git_commit *c)
{
	int rc = 0;

	for (unsigned i = 0; !rc && i < git_commit_parentcount(c); i++) {
		const dv_oid key = commit_key(git_commit_parent_id(c, i));
		dv_autoptr(git_commit) parent = NULL;

		if (dv_map_get(&f->commits, &key, NULL))
			continue;
		/* Behind the end of a shallow clone nothing is known. */
		if (git_commit_parent(&parent, c, i)) {
			git_error_clear();
			continue;
		}
		rc = walk_commit(&f->w, parent);
	}
	return rc;
}

int dv_git_pointers_new(dv_git *g, const char *const *tips, size_t ntips,
			const char *const *known, size_t nknown, dv_git_pointer_cb cb,
			void *payload)
{
	__attribute__((cleanup(fresh_release))) struct fresh f = { .g = g };
	dv_autofree const char **revs = dv_calloc(ntips + nknown + 1, sizeof(*revs));
	int rc;

	if (!revs)
		return DV_ERROR;
	for (size_t i = 0; i < ntips; i++)
		revs[i] = tips[i];
	for (size_t i = 0; i < nknown; i++)
		revs[ntips + i] = known[i];
	const dv_git_scope s = { .revs = revs, .nrevs = ntips + nknown, .whole = true };

	f.w = (dv_git_walk){ .g = g, .payload = payload, .seen = &f.seen };
	rc = dv_git_walk_open(&f.w);
	if (!rc)
		rc = dv_git_each_commit(g, &s, keep_commit, &f);
	for (size_t i = 0; !rc && i < f.n; i++)
		rc = see_parents(&f, f.list[i]);
	f.w.cb = cb;
	for (size_t i = f.n; !rc && i-- > 0;)
		rc = walk_commit(&f.w, f.list[i]);
	return rc;
}
