/* SPDX-License-Identifier: Apache-2.0 */
/* Pointers and lock files in git's history: trees, sets of commits, and what only indexes and
 * reflogs name. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/map.h"
#include "base/path.h"
#include "base/sha256.h"
#include "git/ask.h"
#include "git/attributes.h"
#include "git/drivers.h"
#include "git/ignore.h"
#include "git/impl.h"
#include "git/lfs_pointer.h"
#include "git/records.h"

#define TREE_DEPTH_MAX 256
#define OPERATION_MAX ((size_t)16 << 20)

/* -- one tree ---------------------------------------------------------------------------------- */

struct walk {
	dv_git *g;
	dv_git_pointer_cb cb;	/* NULL: what is met is only marked as seen */
	void *payload;
	dv_map *seen;		/* of id and path; NULL: everything is reported */
	dv_ignore *ignore;	/* the revision's own rules; NULL: they do not count */
	unsigned ignored;	/* folders around that .dvignore excludes */
	const char *where;
	dv_attributes *rules;	/* of git, in force where the walk is */
	dv_oid rules_name;
	bool filter;		/* files there may pass through the filter */
	bool doubtful;		/* they may anywhere */
};

static void note_rules(struct walk *w)
{
	w->filter = w->doubtful || dv_attributes_any(w->rules);
	dv_attributes_name(w->rules, &w->rules_name);
}

static int walk_open(struct walk *w)
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
		note_rules(w);
	return rc;
}

static void walk_release(struct walk *w)
{
	dv_attributes_free(w->rules);
}

/* Marks (id, path) as seen; true when it was new. */
static int first_time(struct walk *w, const git_oid *id, const char *path, bool *fresh)
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

static int report(struct walk *w, const git_oid *id, const char *path)
{
	dv_autoptr(git_blob) blob = NULL;
	bool lock = !dv_pointer_is_name(dv_path_base(path));
	size_t size = 0;
	bool fresh;
	int rc = first_time(w, id, path, &fresh);

	if (rc || !fresh || !w->cb)
		return rc;
	int gc = dv_git_blob_size(w->g, id, &size);
	if (!gc && size > (lock ? DV_LOCKFILE_MAX : DV_GIT_POINTER_MAX)) {
		dv_warn("'%s' in %s is too large for a %s", path, w->where,
			lock ? "lock file" : "pointer");
		return 0;
	}
	if (!gc)
		gc = git_blob_lookup(&blob, w->g->repo, id);
	if (gc)
		return dv_git_fail(gc, "cannot read '%s' in %s", path, w->where);
	return w->cb(w->where, path, git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob),
		     w->payload);
}

/* A file that may pass through the filter: told when it is a pointer. */
static int report_filtered(struct walk *w, const git_oid *id, const char *path)
{
	dv_autoptr(git_odb) odb = NULL;
	dv_autoptr(git_blob) blob = NULL;
	dv_autofree char *full = dv_git_full(w->g, path);
	git_object_t type;
	size_t size = 0;
	bool fresh;

	if (!full)
		return dv_err_nomem();
	if (!w->g->doubtful && !dv_attributes_filtered(w->rules, full))
		return 0;
	int rc = first_time(w, id, path, &fresh);
	if (rc || !fresh || !w->cb)
		return rc;
	int gc = git_repository_odb(&odb, w->g->repo);
	if (!gc)
		gc = git_odb_read_header(&size, &type, odb, id);
	if (!gc && (size < DV_LFS_POINTER_MIN || size > DV_LFS_POINTER_MAX))
		return 0;
	if (!gc)
		gc = git_blob_lookup(&blob, w->g->repo, id);
	/* A partial clone lacks files that nobody asked for. */
	if (gc == GIT_ENOTFOUND) {
		git_error_clear();
		return 0;
	}
	if (gc)
		return dv_git_fail(gc, "cannot read '%s' in %s", path, w->where);
	if (!dv_lfs_pointer_parse(NULL, git_blob_rawcontent(blob), size))
		return 0;
	return w->cb(w->where, path, git_blob_rawcontent(blob), size, w->payload);
}

static int walk_tree(struct walk *w, const git_tree *tree, const char *path, int depth);

static int walk_entry(struct walk *w, const git_tree_entry *e, const char *dir, int depth)
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
		return report_filtered(w, git_tree_entry_id(e), path);
	/* Git's filter knows no .dvignore. */
	bool ignored = w->ignore && dv_ignore_match_here(w->ignore, path, !record, NULL);
	if ((ignored || w->ignored) && (record || !w->filter))
		return 0;
	if (record)
		return report(w, git_tree_entry_id(e), path);
	int rc = first_time(w, git_tree_entry_id(e), path, &fresh);
	if (rc || !fresh)
		return rc;
	dv_autoptr(git_tree) sub = NULL;
	int gc = git_tree_lookup(&sub, w->g->repo, git_tree_entry_id(e));
	if (gc)
		return dv_git_fail(gc, "cannot read the folder '%s' in %s", path, w->where);
	w->ignored += ignored;
	rc = walk_tree(w, sub, path, depth + 1);
	w->ignored -= ignored;
	return rc;
}

/* Takes in the attributes of a folder, whose path in the work tree is `full`. */
static int read_attributes(struct walk *w, const git_tree *tree, const char *full)
{
	const git_tree_entry *e = git_tree_entry_byname(tree, DV_ATTRIBUTES_FILE);
	git_filemode_t mode = e ? git_tree_entry_filemode(e) : GIT_FILEMODE_UNREADABLE;
	dv_autoptr(git_blob) blob = NULL;

	if (mode != GIT_FILEMODE_BLOB && mode != GIT_FILEMODE_BLOB_EXECUTABLE)
		return 0;
	int gc = git_blob_lookup(&blob, w->g->repo, git_tree_entry_id(e));
	if (gc)
		return dv_git_fail(gc, "cannot read '" DV_ATTRIBUTES_FILE "' in %s", w->where);
	if ((uint64_t)git_blob_rawsize(blob) > DV_ATTRIBUTES_MAX)
		return 0;
	int rc = dv_attributes_add(w->rules, full, git_blob_rawcontent(blob),
				   (size_t)git_blob_rawsize(blob));
	if (!rc)
		note_rules(w);
	return rc;
}

/* Takes in the rules of a folder's .dvignore. */
static int read_rules(struct walk *w, const git_tree *tree, const char *path)
{
	const git_tree_entry *e = git_tree_entry_byname(tree, DV_IGNORE_FILE);
	dv_autoptr(git_blob) blob = NULL;
	git_filemode_t mode = e ? git_tree_entry_filemode(e) : GIT_FILEMODE_UNREADABLE;

	if (mode != GIT_FILEMODE_BLOB && mode != GIT_FILEMODE_BLOB_EXECUTABLE)
		return 0;
	int gc = git_blob_lookup(&blob, w->g->repo, git_tree_entry_id(e));
	if (gc)
		return dv_git_fail(gc, "cannot read '" DV_IGNORE_FILE "' in %s", w->where);
	if ((uint64_t)git_blob_rawsize(blob) > DV_IGNORE_FILE_MAX) {
		dv_warn("'%s%s" DV_IGNORE_FILE "' in %s is too large; its rules are left out", path,
			*path ? "/" : "", w->where);
		return 0;
	}
	return dv_ignore_add_text(w->ignore, path, git_blob_rawcontent(blob),
				  (size_t)git_blob_rawsize(blob));
}

/* Is the folder the root of another repository, whose outputs are its own? */
static bool is_nested(struct walk *w, const git_tree *tree)
{
	const git_tree_entry *e = git_tree_entry_byname(tree, ".dv");
	dv_autoptr(git_tree) dot = NULL;

	return e && git_tree_entry_filemode(e) == GIT_FILEMODE_TREE &&
	       !git_tree_lookup(&dot, w->g->repo, git_tree_entry_id(e)) &&
	       git_tree_entry_byname(dot, "config");
}

static int walk_tree(struct walk *w, const git_tree *tree, const char *path, int depth)
{
	size_t n = git_tree_entrycount(tree), before = dv_attributes_count(w->rules);
	dv_autofree char *full = dv_git_full(w->g, path);
	int rc = full ? dv_check_cancel() : DV_ERROR;

	if (depth > TREE_DEPTH_MAX)
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
		note_rules(w);
	}
	return rc;
}

/* The attributes of the folders above a workspace that lies below the root of the work tree. */
static int read_above(struct walk *w, const git_tree *root)
{
	const char *prefix = w->g->prefix;
	int rc = *prefix ? read_attributes(w, root, "") : 0;

	for (const char *s = prefix; !rc && (s = strchr(s, '/')) && s[1]; s++) {
		dv_autofree char *dir = dv_strndup(prefix, (size_t)(s - prefix));
		dv_autoptr(git_tree_entry) e = NULL;
		dv_autoptr(git_tree) tree = NULL;

		if (!dir)
			return DV_ERROR;
		if (!git_tree_entry_bypath(&e, root, dir) &&
		    !git_tree_lookup(&tree, w->g->repo, git_tree_entry_id(e)))
			rc = read_attributes(w, tree, dir);
	}
	return rc;
}

static int walk_commit(struct walk *w, git_commit *c)
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
	int gc = git_commit_tree(&tree, c);
	if (!gc && *w->g->prefix) {
		dv_autoptr(git_tree_entry) e = NULL;
		dv_autofree char *prefix = dv_strndup(w->g->prefix, strlen(w->g->prefix) - 1);
		if (!prefix)
			return DV_ERROR;
		gc = git_tree_entry_bypath(&e, tree, prefix);
		if (gc == GIT_ENOTFOUND || (e && git_tree_entry_type(e) != GIT_OBJECT_TREE))
			return 0;
		if (!gc)
			gc = git_tree_lookup(&own, w->g->repo, git_tree_entry_id(e));
	}
	if (gc)
		return dv_git_fail(gc, "cannot read commit %s", hex);
	size_t before = dv_attributes_count(w->rules);
	rc = read_above(w, tree);
	if (!rc)
		rc = walk_tree(w, own ? own : tree, "", 0);
	dv_attributes_cut(w->rules, before);
	note_rules(w);
	return rc;
}

int dv_git_pointers_at(dv_git *g, const char *rev, dv_git_pointer_cb cb, void *payload)
{
	__attribute__((cleanup(walk_release))) struct walk w = { .g = g, .cb = cb,
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
		rc = walk_open(&w);
	return rc ? rc : walk_commit(&w, c);
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

static int pointers_of_commit(git_commit *c, void *payload)
{
	return walk_commit(payload, c);
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

int dv_git_pointers_in(dv_git *g, const dv_git_scope *s, dv_git_pointer_cb cb, void *payload)
{
	dv_auto(dv_map) seen = DV_MAP_INIT;
	__attribute__((cleanup(walk_release))) struct walk w = {
		.g = g, .cb = cb, .payload = payload, .seen = &seen };
	int rc = walk_open(&w);

	return rc ? rc : dv_git_each_commit(g, s, pointers_of_commit, &w);
}

static int walk_by_age(struct walk *w, git_revwalk *revs)
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

int dv_git_pointers_by_age(dv_git *g, dv_git_pointer_cb cb, void *payload)
{
	dv_auto(dv_map) seen = DV_MAP_INIT;
	__attribute__((cleanup(walk_release))) struct walk w = {
		.g = g, .cb = cb, .payload = payload, .seen = &seen };
	git_revwalk *revs = NULL;
	int rc = walk_open(&w), gc = rc ? 0 : git_revwalk_new(&revs, g->repo);

	if (rc)
		return rc;
	if (!gc)
		gc = git_revwalk_sorting(revs, GIT_SORT_TOPOLOGICAL | GIT_SORT_TIME);
	if (!gc)
		gc = git_revwalk_push_glob(revs, "refs/*");
	/* There may be no commit yet. */
	if (!gc && git_revwalk_push_head(revs))
		git_error_clear();
	rc = gc ? dv_git_fail(gc, "cannot read git's history") : walk_by_age(&w, revs);
	git_revwalk_free(revs);
	return rc;
}

/* -- work trees -------------------------------------------------------------------------------- */

typedef int (*repository_fn)(git_repository *repo, void *payload);

static int each_repository(dv_git *g, repository_fn fn, void *payload)
{
	git_repository *main_repo = NULL;
	git_strarray names = { 0 };
	int rc = 0;

	/* The main work tree first, also when we are in a linked one. */
	if (!git_repository_open_ext(&main_repo, g->commondir,
				     GIT_REPOSITORY_OPEN_NO_SEARCH | GIT_REPOSITORY_OPEN_NO_DOTGIT,
				     NULL))
		rc = fn(main_repo, payload);
	git_repository_free(main_repo);
	int gc = rc ? 0 : git_worktree_list(&names, g->repo);
	if (gc)
		return dv_git_fail(gc, "cannot list git's work trees");
	for (size_t i = 0; !rc && i < names.count; i++) {
		dv_autoptr(git_worktree) wt = NULL;
		dv_autoptr(git_repository) repo = NULL;
		if (!git_worktree_lookup(&wt, g->repo, names.strings[i]) &&
		    !git_repository_open_from_worktree(&repo, wt))
			rc = fn(repo, payload);
		else
			dv_warn("the work tree '%s' cannot be read and is passed over",
				names.strings[i]);
	}
	git_strarray_dispose(&names);
	git_error_clear();
	return rc;
}

struct roots {
	dv_git *g;
	dv_git_root_cb cb;
	void *payload;
};

static int report_root(git_repository *repo, void *payload)
{
	const struct roots *r = payload;
	const char *dir = git_repository_workdir(repo);
	dv_autofree char *joined = dir ? dv_path_join(dir, r->g->prefix) : NULL;
	dv_autofree char *root = joined ? dv_path_normal(joined) : NULL;

	if (!dir)
		return 0;
	if (!root)
		return dv_err_nomem();
	return access(root, F_OK) == 0 ? r->cb(root, r->payload) : 0;
}

int dv_git_worktrees(dv_git *g, dv_git_root_cb cb, void *payload)
{
	struct roots r = { .g = g, .cb = cb, .payload = payload };

	return each_repository(g, report_root, &r);
}

/* -- what only the index and reflogs name ------------------------------------------------------ */

struct hidden {
	dv_git *g;
	struct walk w;
	dv_git_set s;
};

static int commit_by_id(struct hidden *h, const git_oid *id, bool with_parents)
{
	dv_autoptr(git_commit) c = NULL;

	/* git prunes what it forgot; an entry of a reflog may outlive its commit. */
	if (git_oid_is_zero(id) || git_commit_lookup(&c, h->g->repo, id)) {
		git_error_clear();
		return 0;
	}
	int rc = dv_git_set_add(&h->s, c);
	for (unsigned i = 0; !rc && with_parents && i < git_commit_parentcount(c); i++)
		rc = commit_by_id(h, git_commit_parent_id(c, i), false);
	return rc;
}

static int read_reflog(struct hidden *h, git_repository *repo, const char *name)
{
	dv_autoptr(git_reflog) log = NULL;
	/* A stash keeps its index and its untracked files in further parents. */
	bool stash = !strcmp(name, "refs/stash");
	int rc = 0;

	if (git_reflog_read(&log, repo, name)) {
		git_error_clear();
		return 0;
	}
	for (size_t i = 0; !rc && i < git_reflog_entrycount(log); i++) {
		const git_reflog_entry *e = git_reflog_entry_byindex(log, i);
		rc = commit_by_id(h, git_reflog_entry_id_new(e), stash);
		if (!rc)
			rc = commit_by_id(h, git_reflog_entry_id_old(e), stash);
	}
	return rc;
}

/* Any of them may say that the filter is in use. */
static int read_staged_rules(struct hidden *h, git_index *index)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < git_index_entrycount(index); i++) {
		const git_index_entry *e = git_index_get_byindex(index, i);
		dv_autoptr(git_blob) blob = NULL;

		if (!strcmp(dv_path_base(e->path), DV_ATTRIBUTES_FILE) &&
		    !git_blob_lookup(&blob, h->g->repo, &e->id))
			rc = dv_attributes_add(h->w.rules, "", git_blob_rawcontent(blob),
					       (size_t)git_blob_rawsize(blob));
	}
	git_error_clear();
	if (!rc)
		note_rules(&h->w);
	return rc;
}

static int read_index(struct hidden *h, git_index *index)
{
	size_t before = dv_attributes_count(h->w.rules);
	int rc, gc = git_index_read(index, 1);

	if (gc)
		return dv_git_fail(gc, "cannot read git's index");
	h->w.where = "the index";
	rc = read_staged_rules(h, index);
	for (size_t i = 0; !rc && i < git_index_entrycount(index); i++) {
		const git_index_entry *e = git_index_get_byindex(index, i);
		const char *path = dv_git_own(h->g, e->path);
		if (!path || (e->mode & 0170000) != 0100000 || !dv_path_is_safe(path))
			continue;
		if (dv_output_is_record(dv_path_base(path)))
			rc = report(&h->w, &e->id, path);
		else if (h->w.filter)
			rc = report_filtered(&h->w, &e->id, path);
	}
	dv_attributes_cut(h->w.rules, before);
	note_rules(&h->w);
	return rc;
}

static int on_index_file(const char *full, const char *hex, void *payload)
{
	struct hidden *h = payload;
	const char *path = dv_git_own(h->g, full);
	git_oid id;

	if (!path || !dv_path_is_safe(path) || !dv_output_is_record(dv_path_base(path)) ||
	    git_oid_fromstr(&id, hex))
		return 0;
	return report(&h->w, &id, path);
}

/* The repository's own, and with GIT_INDEX_FILE the one that is in use. */
static int read_indexes(struct hidden *h, git_repository *repo)
{
	dv_autoptr(git_index) index = NULL;
	dv_autoptr(git_index) own = NULL;
	dv_autofree char *path = dv_path_join(git_repository_path(repo), "index");

	if (!path)
		return dv_err_nomem();
	int gc = git_repository_index(&index, repo);
	if (!gc && strcmp(git_index_path(index), path) != 0)
		gc = git_index_open(&own, path);
	if (gc && dv_gitask_is_served()) {
		dv_git one = *h->g;

		one.repo = repo;
		one.workdir = (char *)(uintptr_t)git_repository_workdir(repo);
		h->w.where = "the index";
		return dv_gitask_each(one.workdir ? &one : h->g, on_index_file, h);
	}
	if (gc)
		return dv_git_fail(gc, "cannot read git's index");
	int rc = read_index(h, index);
	return rc || !own ? rc : read_index(h, own);
}

/* Every commit that the text names by its whole id. */
static int read_ids(struct hidden *h, const char *text)
{
	static const char hex[] = "0123456789abcdef";
	int rc = 0;

	for (const char *p = text; !rc && *p;) {
		size_t n = strspn(p, hex);
		git_oid id;

		if (n == DV_GIT_HEX && !git_oid_fromstrn(&id, p, n))
			rc = commit_by_id(h, &id, true);
		p += n ? n : strcspn(p, hex);
	}
	return rc;
}

/* A merge, rebase, cherry-pick or the like that is not finished: what it takes part of, and what it
 * has still to do. */
static int read_operation(struct hidden *h, git_repository *repo)
{
	static const char *const names[] = {
		"MERGE_HEAD", "MERGE_AUTOSTASH", "CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD",
		"rebase-merge/orig-head", "rebase-merge/onto", "rebase-merge/autostash",
		"rebase-merge/git-rebase-todo", "rebase-merge/done",
		"rebase-merge/stopped-sha", "rebase-apply/orig-head", "rebase-apply/onto",
		"rebase-apply/autostash", "rebase-apply/abort-safety", "sequencer/head",
		"sequencer/todo",
	};
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(names) / sizeof(*names); i++) {
		dv_autofree char *path = dv_path_join(git_repository_path(repo), names[i]);
		dv_auto(dv_buf) text = DV_BUF_INIT;

		if (!path)
			return dv_err_nomem();
		if (dv_fs_read_file(&text, path, OPERATION_MAX) == 0)
			rc = read_ids(h, dv_buf_str(&text));
		else
			dv_error_clear();
	}
	return rc;
}

static int read_worktree(git_repository *repo, void *payload)
{
	struct hidden *h = payload;
	int rc = git_repository_is_bare(repo) ? 0 : read_indexes(h, repo);

	if (!rc)
		rc = dv_git_set_add_head(&h->s, repo);
	if (!rc)
		rc = read_operation(h, repo);
	return rc ? rc : read_reflog(h, repo, "HEAD");
}

void dv_git_keep_doubtful(dv_git *g)
{
	g->doubtful = true;
}

int dv_git_pointers_hidden(dv_git *g, dv_git_pointer_cb cb, void *payload)
{
	dv_auto(dv_map) seen = DV_MAP_INIT;
	struct hidden h = { .g = g, .w = { .g = g, .cb = cb, .payload = payload, .seen = &seen } };
	git_strarray names = { 0 };

	h.s = (dv_git_set){ .g = g, .fn = pointers_of_commit, .payload = &h.w };
	dv_git_keep_doubtful(g);
	int rc = walk_open(&h.w);
	if (!rc)
		rc = each_repository(g, read_worktree, &h);
	int gc = rc ? 0 : git_reference_list(&names, g->repo);
	if (gc)
		rc = dv_git_fail(gc, "cannot list git's references");
	for (size_t i = 0; !rc && i < names.count; i++)
		rc = read_reflog(&h, g->repo, names.strings[i]);
	git_strarray_dispose(&names);
	dv_git_set_release(&h.s);
	walk_release(&h.w);
	return rc;
}

/* -- what is new in commits -------------------------------------------------------------------- */

struct fresh {
	dv_git *g;
	struct walk w;
	dv_map seen, commits;	/* the commits that are new */
	git_commit **list;
	size_t n, cap;
};

static void fresh_release(struct fresh *f)
{
	for (size_t i = 0; i < f->n; i++)
		git_commit_free(f->list[i]);
	free(f->list);
	walk_release(&f->w);
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

	f.w = (struct walk){ .g = g, .payload = payload, .seen = &f.seen };
	rc = walk_open(&f.w);
	if (!rc)
		rc = dv_git_each_commit(g, &s, keep_commit, &f);
	for (size_t i = 0; !rc && i < f.n; i++)
		rc = see_parents(&f, f.list[i]);
	f.w.cb = cb;
	for (size_t i = f.n; !rc && i-- > 0;)
		rc = walk_commit(&f.w, f.list[i]);
	return rc;
}
