/* SPDX-License-Identifier: Apache-2.0 */
/* Files of a revision with their kinds and sizes; see clone.h. */
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "git/clone.h"
#include "git/impl.h"

typedef struct items {
	dv_git *g;
	bool deep;
	dv_git_item_cb cb;
	void *payload;
} items;

static char kind_of(git_filemode_t mode)
{
	switch (mode) {
	case GIT_FILEMODE_TREE:
		return 'd';
	case GIT_FILEMODE_BLOB_EXECUTABLE:
		return 'x';
	case GIT_FILEMODE_LINK:
		return 'l';
	case GIT_FILEMODE_COMMIT:
		return 'm';
	default:
		return 'f';
	}
}

static int fill(dv_git_item *out, dv_git *g, const git_tree_entry *e, const char *path)
{
	size_t size = 0;

	*out = (dv_git_item){ .path = path, .kind = kind_of(git_tree_entry_filemode(e)) };
	git_oid_tostr(out->id, sizeof out->id, git_tree_entry_id(e));
	if (out->kind == 'd' || out->kind == 'm')
		return 0;
	int gc = dv_git_blob_size(g, git_tree_entry_id(e), &size);
	out->size = size;
	return gc ? dv_git_fail(gc, "cannot read '%s'", path) : 0;
}

static bool is_own(const char *name)
{
	return !dv_name_is_safe(name, strlen(name)) || !strcasecmp(name, ".git") ||
	       !strcmp(name, ".dv");
}

static int walk(items *w, const git_tree *tree, const char *dir, int depth)
{
	size_t n = git_tree_entrycount(tree);
	int rc = dv_check_cancel();

	if (depth > DV_GIT_DEPTH_MAX)
		return dv_err(DV_ECORRUPT, "folders are nested too deeply");
	for (size_t i = 0; i < n && !rc; i++) {
		const git_tree_entry *e = git_tree_entry_byindex(tree, i);
		const char *name = git_tree_entry_name(e);
		dv_autoptr(git_tree) sub = NULL;
		dv_git_item item;

		if (is_own(name))
			continue;
		dv_autofree char *path = *dir ? dv_path_join(dir, name) : dv_strdup(name);
		if (!path)
			return DV_ERROR;
		if ((rc = fill(&item, w->g, e, path)) || (rc = w->cb(&item, w->payload)) ||
		    item.kind != 'd' || !w->deep)
			continue;
		int gc = dv_git_tree(w->g, git_tree_entry_id(e), &sub);
		rc = gc ? dv_git_fail(gc, "cannot read the folder '%s'", path) :
			  walk(w, sub, path, depth + 1);
	}
	return rc;
}

static int root_tree(dv_git *g, const char *rev, git_tree **out)
{
	dv_autoptr(git_commit) c = NULL;
	int rc = dv_git_lookup(g, rev, &c);
	int gc = rc ? 0 : dv_git_tree(g, git_commit_tree_id(c), out);

	return gc ? dv_git_fail(gc, "cannot read the files of '%s'", rev) : rc;
}

/* The entry at a path of the workspace, or *whole when that is all of the revision. */
static int find(dv_git *g, const git_tree *tree, const char *path, git_tree_entry **out,
		bool *whole)
{
	dv_autofree char *full = dv_git_full(g, path);
	size_t n = full ? strlen(full) : 0;

	if (!full)
		return dv_err_nomem();
	if (n && full[n - 1] == '/')
		full[--n] = 0;
	*whole = n == 0;
	if (*whole)
		return 0;
	int gc = dv_git_entry(g, tree, full, out);
	if (!gc && (!*out || is_own(git_tree_entry_name(*out))))
		return dv_err(DV_ENOTFOUND, "there is no '%s'", path);
	return gc ? dv_git_fail(gc, "cannot look for '%s'", path) : 0;
}

int dv_git_item_at(dv_git *g, const char *rev, const char *path, dv_git_item *out)
{
	dv_autoptr(git_tree) tree = NULL;
	dv_autoptr(git_tree_entry) e = NULL;
	bool whole = false;
	int rc = root_tree(g, rev, &tree);

	*out = (dv_git_item){ .path = path, .kind = 'd' };
	if (rc || (rc = find(g, tree, path, &e, &whole)) || whole)
		return rc;
	return fill(out, g, e, path);
}

int dv_git_items(dv_git *g, const char *rev, const char *dir, bool deep, dv_git_item_cb cb,
		 void *payload)
{
	items w = { .g = g, .deep = deep, .cb = cb, .payload = payload };
	dv_autoptr(git_tree) tree = NULL;
	dv_autoptr(git_tree) sub = NULL;
	dv_autoptr(git_tree_entry) e = NULL;
	bool whole = false;
	int rc = root_tree(g, rev, &tree);

	if (rc || (rc = find(g, tree, dir, &e, &whole)))
		return rc;
	int gc = !e ? 0 : dv_git_tree(g, git_tree_entry_id(e), &sub);
	if (gc)
		return dv_git_fail(gc, "cannot read the folder '%s'", dir);
	return walk(&w, sub ? sub : tree, dir, 0);
}
