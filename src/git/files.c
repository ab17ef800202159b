/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a revision, and the names that branches and tags give to revisions. */
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "git/ask.h"
#include "git/impl.h"

#define TREE_DEPTH_MAX 256

typedef struct listing {
	const char *rev, *base;	/* base: the folder that is walked */
	dv_git_blob_cb cb;
	void *payload;
	int rc;
} listing;

/* > 0 passes over a folder, < 0 ends the walk. */
static int on_entry(const char *dir, const git_tree_entry *e, void *payload)
{
	listing *l = payload;
	const char *name = git_tree_entry_name(e);
	git_filemode_t mode = git_tree_entry_filemode(e);
	int depth = 0;

	if (!dv_name_is_safe(name, strlen(name)) || !strcmp(name, ".git") || !strcmp(name, ".dv"))
		return 1;
	if (mode == GIT_FILEMODE_TREE) {
		for (const char *p = dir; *p; p++)
			depth += *p == '/';
		if (depth > TREE_DEPTH_MAX)
			l->rc = dv_err(DV_ECORRUPT, "the folders in '%s' are nested too deeply",
				       l->rev);
		else
			l->rc = dv_check_cancel();
		return l->rc ? -1 : 0;
	}
	if (mode != GIT_FILEMODE_BLOB && mode != GIT_FILEMODE_BLOB_EXECUTABLE)
		return 0;
	dv_autofree char *inside = dv_path_join(dir, name);
	dv_autofree char *path = inside ? dv_path_join(l->base, inside) : NULL;
	char id[DV_GIT_HEX + 1];
	git_oid_tostr(id, sizeof(id), git_tree_entry_id(e));
	l->rc = path ? l->cb(path, id, l->payload) : dv_err_nomem();
	return l->rc ? -1 : 0;
}

int dv_git_files_at(dv_git *g, const char *rev, const char *dir, dv_git_blob_cb cb, void *payload)
{
	listing l = { .rev = rev, .base = dir, .cb = cb, .payload = payload };
	dv_autoptr(git_commit) c = NULL;
	dv_autoptr(git_tree) tree = NULL;
	dv_autoptr(git_tree) sub = NULL;
	int rc = dv_git_lookup(g, rev, &c);
	dv_autofree char *full = rc ? NULL : dv_git_full(g, dir);

	if (rc || !full)
		return rc ? rc : DV_ERROR;
	size_t n = strlen(full);
	if (n && full[n - 1] == '/')
		full[n - 1] = 0;
	int gc = dv_git_tree(g, git_commit_tree_id(c), &tree);
	if (!gc && *full) {
		gc = dv_git_subtree(g, tree, full, &sub);
		if (!gc && !sub)
			return 0;
	}
	if (!gc)
		gc = git_tree_walk(sub ? sub : tree, GIT_TREEWALK_PRE, on_entry, &l);
	return l.rc ? l.rc : gc ? dv_git_fail(gc, "cannot read the files of '%s'", rev) : 0;
}

int dv_git_read_id(dv_git *g, const char *id, const char *path, size_t max, dv_buf *out)
{
	dv_autoptr(git_blob) blob = NULL;
	size_t size = 0;
	git_oid oid;

	dv_buf_clear(out);
	/* What is too large is not read to find that out. */
	int gc = git_oid_fromstr(&oid, id);
	if (!gc)
		gc = dv_git_blob_size(g, &oid, &size);
	if (!gc && size > max)
		return dv_err(DV_ERROR, "'%s' is too large", path);
	if (!gc)
		gc = dv_git_blob(g, &oid, &blob);
	if (gc)
		return dv_git_fail(gc, "cannot read '%s'", path);
	if ((uint64_t)git_blob_rawsize(blob) > max)
		return dv_err(DV_ERROR, "'%s' is too large", path);
	return dv_buf_add(out, git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob));
}

int dv_git_has_file(dv_git *g, const char *rev, const char *path, bool *yes)
{
	dv_autoptr(git_commit) c = NULL;
	dv_autoptr(git_tree) tree = NULL;
	dv_autoptr(git_tree_entry) e = NULL;
	int rc = dv_git_lookup(g, rev, &c);
	dv_autofree char *full = rc ? NULL : dv_git_full(g, path);

	*yes = false;
	if (rc || !full)
		return rc ? rc : DV_ERROR;
	int gc = dv_git_tree(g, git_commit_tree_id(c), &tree);
	if (!gc)
		gc = dv_git_entry(g, tree, full, &e);
	*yes = e && git_tree_entry_type(e) == GIT_OBJECT_BLOB;
	return gc ? dv_git_fail(gc, "cannot look for '%s' in '%s'", path, rev) : 0;
}

static int names_of(dv_git *g, const char *prefix, dv_git_file_cb cb, void *payload)
{
	dv_autoptr(git_reference_iterator) it = NULL;
	dv_autofree char *glob = dv_path_join(prefix, "*");
	const char *name;
	int rc = 0, gc = glob ? git_reference_iterator_glob_new(&it, g->repo, glob) : 0;

	if (!glob)
		return dv_err_nomem();
	while (!gc && !rc && !(gc = git_reference_next_name(&name, it)))
		rc = cb(name + strlen(prefix) + 1, payload);
	if (!rc && gc && gc != GIT_ITEROVER)
		rc = dv_git_fail(gc, "cannot list git's references");
	git_error_clear();
	return rc;
}

int dv_git_branches(dv_git *g, dv_git_file_cb cb, void *payload)
{
	return names_of(g, "refs/heads", cb, payload);
}

int dv_git_tags(dv_git *g, dv_git_file_cb cb, void *payload)
{
	return names_of(g, "refs/tags", cb, payload);
}
