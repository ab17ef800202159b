/* SPDX-License-Identifier: Apache-2.0 */
/* Pointers and lock files that only indexes, reflogs and unfinished operations of git name. */
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/path.h"
#include "git/ask.h"
#include "git/records.h"
#include "git/walk.h"

#define OPERATION_MAX ((size_t)16 << 20)	/* of a file that git keeps of what is under way */

struct hidden {
	dv_git *g;
	dv_git_walk *w;
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
static int read_staged_rules(struct hidden *h, const git_oid *id)
{
	dv_autoptr(git_blob) blob = NULL;
	bool lacks = false;
	int rc = 0;

	if (h->w->lacking)
		rc = dv_git_lacking_note(h->w->lacking, h->g, id, &lacks);
	if (rc || lacks)
		return rc;
	int gc = dv_git_blob(h->g, id, &blob);
	if (gc)
		return dv_git_fail(gc, "cannot read '" DV_ATTRIBUTES_FILE "' in the index");
	rc = dv_attributes_add(h->w->rules, "", git_blob_rawcontent(blob),
			       (size_t)git_blob_rawsize(blob));
	dv_git_walk_note_rules(h->w);
	return rc;
}

/* A file of an index, by its path in the work tree. */
static int read_staged(struct hidden *h, const git_oid *id, const char *full)
{
	const char *path = dv_git_own(h->g, full);

	if (!path || !dv_path_is_safe(path))
		return 0;
	if (dv_output_is_record(dv_path_base(path)))
		return dv_git_walk_record(h->w, id, path);
	return h->w->filter ? dv_git_walk_filtered(h->w, id, path) : 0;
}

static bool is_rules(const char *full)
{
	return !strcmp(dv_path_base(full), DV_ATTRIBUTES_FILE);
}

static int read_index(struct hidden *h, git_index *index)
{
	size_t before = dv_attributes_count(h->w->rules), n;
	int rc = 0, gc = git_index_read(index, 1);

	if (gc)
		return dv_git_fail(gc, "cannot read git's index");
	h->w->where = "the index";
	n = git_index_entrycount(index);
	for (int rules = 1; rules >= 0; rules--)
		for (size_t i = 0; !rc && i < n; i++) {
			const git_index_entry *e = git_index_get_byindex(index, i);

			if ((e->mode & 0170000) != 0100000)
				continue;
			if (!rules)
				rc = read_staged(h, &e->id, e->path);
			else if (is_rules(e->path))
				rc = read_staged_rules(h, &e->id);
		}
	dv_attributes_cut(h->w->rules, before);
	dv_git_walk_note_rules(h->w);
	return rc;
}

static int on_index_rules(const char *full, const char *hex, void *payload)
{
	git_oid id;

	return !is_rules(full) || git_oid_fromstr(&id, hex) ? 0 : read_staged_rules(payload, &id);
}

static int on_index_file(const char *full, const char *hex, void *payload)
{
	git_oid id;

	return git_oid_fromstr(&id, hex) ? 0 : read_staged(payload, &id, full);
}

/* One that libgit2 cannot read. */
static int ask_index(struct hidden *h, git_repository *repo)
{
	size_t before = dv_attributes_count(h->w->rules);
	dv_git one = *h->g;

	one.repo = repo;
	one.workdir = (char *)(uintptr_t)git_repository_workdir(repo);
	h->w->where = "the index";
	int rc = dv_gitask_each(one.workdir ? &one : h->g, on_index_rules, h);
	if (!rc)
		rc = dv_gitask_each(one.workdir ? &one : h->g, on_index_file, h);
	dv_attributes_cut(h->w->rules, before);
	dv_git_walk_note_rules(h->w);
	return rc;
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
	if (gc && dv_gitask_is_served())
		return ask_index(h, repo);
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

static int walk_hidden(dv_git_walk *w, void *ctx)
{
	struct hidden h = { .g = w->g, .w = w };
	git_strarray names = { 0 };

	(void)ctx;
	h.s = (dv_git_set){ .g = w->g, .fn = dv_git_walk_commit, .payload = w };
	int rc = dv_git_each_repository(w->g, read_worktree, &h);
	int gc = rc ? 0 : git_reference_list(&names, w->g->repo);
	if (gc)
		rc = dv_git_fail(gc, "cannot list git's references");
	for (size_t i = 0; !rc && i < names.count; i++)
		rc = read_reflog(&h, w->g->repo, names.strings[i]);
	git_strarray_dispose(&names);
	dv_git_set_release(&h.s);
	return rc;
}

int dv_git_pointers_hidden(dv_git *g, dv_git_pointer_cb cb, void *payload)
{
	dv_auto(dv_map) seen = DV_MAP_INIT;
	__attribute__((cleanup(dv_git_walk_release))) dv_git_walk w = {
		.g = g, .cb = cb, .payload = payload, .seen = &seen };

	dv_git_keep_doubtful(g);
	int rc = dv_git_walk_open(&w);
	return rc ? rc : dv_git_walk_run(&w, walk_hidden, NULL);
}
