/* SPDX-License-Identifier: Apache-2.0 */
/* What hooks ask of git: which records differ between two commits, and what went by the filter. */
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/path.h"
#include "git/attributes.h"
#include "git/impl.h"
#include "git/lfs_pointer.h"
#include "git/records.h"

DV_DEFINE_AUTOPTR(git_diff)

/* -- records of two trees ---------------------------------------------------------------------- */

struct changed {
	dv_git *g;
	dv_git_changed_cb cb;
	void *payload;
};

static bool is_file(const git_tree_entry *e)
{
	git_filemode_t mode = e ? git_tree_entry_filemode(e) : GIT_FILEMODE_UNREADABLE;

	return mode == GIT_FILEMODE_BLOB || mode == GIT_FILEMODE_BLOB_EXECUTABLE;
}

static bool is_folder(const git_tree_entry *e)
{
	return e && git_tree_entry_filemode(e) == GIT_FILEMODE_TREE;
}

/* Tells of one record; id NULL: it was not there. */
static int tell_record(struct changed *c, const char *full, const git_oid *id)
{
	const char *path = dv_git_own(c->g, full);
	dv_autoptr(git_blob) blob = NULL;
	size_t max = dv_pointer_is_name(dv_path_base(full)) ? DV_GIT_POINTER_MAX : DV_LOCKFILE_MAX;

	if (!path)
		return 0;
	if (!id)
		return c->cb(path, NULL, 0, c->payload);
	int gc = dv_git_blob(c->g, id, &blob);
	if (gc)
		return dv_git_fail(gc, "cannot read an earlier '%s'", path);
	if ((uint64_t)git_blob_rawsize(blob) > max)
		return c->cb(path, NULL, 0, c->payload);
	return c->cb(path, git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob), c->payload);
}

static int compare_trees(struct changed *c, const git_tree *a, const git_tree *b, const char *dir,
			 int depth);

static int compare_folders(struct changed *c, const git_tree_entry *a, const git_tree_entry *b,
			   const char *path, int depth)
{
	dv_autoptr(git_tree) ta = NULL;
	dv_autoptr(git_tree) tb = NULL;
	int gc = is_folder(a) ? dv_git_tree(c->g, git_tree_entry_id(a), &ta) : 0;

	if (!gc && is_folder(b))
		gc = dv_git_tree(c->g, git_tree_entry_id(b), &tb);
	if (gc)
		return dv_git_fail(gc, "cannot read the folder '%s' in git", path);
	return compare_trees(c, ta, tb, path, depth + 1);
}

/* One name in both trees; either may be NULL. */
static int compare_entries(struct changed *c, const git_tree_entry *a, const git_tree_entry *b,
			   const char *dir, int depth)
{
	const char *name = git_tree_entry_name(b ? b : a);
	dv_autofree char *path = NULL;
	int rc = 0;

	if (a && b && git_tree_entry_filemode(a) == git_tree_entry_filemode(b) &&
	    git_oid_equal(git_tree_entry_id(a), git_tree_entry_id(b)))
		return 0;
	if (!dv_name_is_safe(name, strlen(name)) || !strcmp(name, ".git") || !strcmp(name, ".dv"))
		return 0;
	if (!is_folder(a) && !is_folder(b) && !dv_output_is_record(name))
		return 0;
	path = *dir ? dv_path_join(dir, name) : dv_strdup(name);
	if (!path)
		return DV_ERROR;
	if ((is_file(a) || is_file(b)) && dv_output_is_record(name))
		rc = tell_record(c, path, is_file(a) ? git_tree_entry_id(a) : NULL);
	if (!rc && (is_folder(a) || is_folder(b)))
		rc = compare_folders(c, a, b, path, depth);
	return rc;
}

static int compare_trees(struct changed *c, const git_tree *a, const git_tree *b, const char *dir,
			 int depth)
{
	size_t na = a ? git_tree_entrycount(a) : 0, nb = b ? git_tree_entrycount(b) : 0;
	int rc = dv_check_cancel();

	if (depth > DV_GIT_DEPTH_MAX)
		return dv_err(DV_ECORRUPT, "the folders in git are nested too deeply");
	for (size_t i = 0; !rc && i < nb; i++) {
		const git_tree_entry *e = git_tree_entry_byindex(b, i);
		const git_tree_entry *was = a ? git_tree_entry_byname(a, git_tree_entry_name(e))
					      : NULL;

		rc = compare_entries(c, was, e, dir, depth);
	}
	for (size_t i = 0; !rc && i < na; i++) {
		const git_tree_entry *e = git_tree_entry_byindex(a, i);

		if (!b || !git_tree_entry_byname(b, git_tree_entry_name(e)))
			rc = compare_entries(c, e, NULL, dir, depth);
	}
	return rc;
}

static int find_tree(dv_git *g, const char *rev, git_tree **out)
{
	git_object *any = NULL, *tree = NULL;
	int gc = git_revparse_single(&any, g->repo, rev);

	if (!gc)
		gc = git_object_peel(&tree, any, GIT_OBJECT_TREE);
	git_object_free(any);
	*out = (git_tree *)tree;
	return gc ? dv_git_fail(gc, "cannot find the revision '%s'", rev) : 0;
}

/* -- against the index ------------------------------------------------------------------------- */

static int head_tree(dv_git *g, git_tree **out)
{
	*out = NULL;
	return git_repository_head_unborn(g->repo) == 1 ? 0 : find_tree(g, "HEAD", out);
}

static int diff_index(dv_git *g, git_tree *tree, git_diff **out)
{
	dv_autoptr(git_index) index = NULL;
	git_diff_options o;
	int gc = git_diff_options_init(&o, GIT_DIFF_OPTIONS_VERSION);

	o.flags = GIT_DIFF_SKIP_BINARY_CHECK;
	if (!gc)
		gc = git_repository_index(&index, g->repo);
	if (!gc)
		gc = git_index_read(index, 0);
	if (!gc)
		gc = git_diff_tree_to_index(out, g->repo, tree, index, &o);
	return gc ? dv_git_fail(gc, "cannot compare git's index") : 0;
}

static int records_in_index(struct changed *c, git_tree *old)
{
	dv_autoptr(git_diff) diff = NULL;
	int rc = diff_index(c->g, old, &diff);

	for (size_t i = 0; !rc && i < git_diff_num_deltas(diff); i++) {
		const git_diff_delta *d = git_diff_get_delta(diff, i);
		const char *path = d->new_file.path ? d->new_file.path : d->old_file.path;

		if (dv_output_is_record(dv_path_base(path)))
			rc = tell_record(c, path, d->status == GIT_DELTA_ADDED ? NULL
									       : &d->old_file.id);
	}
	return rc;
}

int dv_git_changed_records(dv_git *g, const char *old, const char *new_, dv_git_changed_cb cb,
			   void *payload)
{
	struct changed c = { g, cb, payload };
	dv_autoptr(git_tree) a = NULL;
	dv_autoptr(git_tree) b = NULL;
	int rc = old ? find_tree(g, old, &a) : 0;

	if (!rc && !new_)
		return records_in_index(&c, a);
	if (!rc)
		rc = find_tree(g, new_, &b);
	return rc ? rc : compare_trees(&c, a, b, "", 0);
}

/* -- the filter -------------------------------------------------------------------------------- */

static bool is_raw(dv_git *g, const git_diff_file *f)
{
	dv_autoptr(git_odb) odb = NULL;
	dv_autoptr(git_blob) blob = NULL;
	git_object_t type;
	size_t size = 0;

	if (git_repository_odb(&odb, g->repo) || git_odb_read_header(&size, &type, odb, &f->id))
		return false;
	if (size > DV_LFS_POINTER_MAX)
		return true;
	return !git_blob_lookup(&blob, g->repo, &f->id) &&
	       !dv_lfs_pointer_parse(NULL, git_blob_rawcontent(blob),
				     (size_t)git_blob_rawsize(blob));
}

static bool is_filtered(dv_git *g, const char *full)
{
	const char *value = NULL;

	return !git_attr_get(&value, g->repo, GIT_ATTR_CHECK_INDEX_ONLY, full, "filter") &&
	       value && git_attr_value(value) == GIT_ATTR_VALUE_STRING && !strcmp(value, "dv");
}

int dv_git_staged_raw(dv_git *g, dv_git_file_cb cb, void *payload)
{
	dv_autoptr(git_tree) head = NULL;
	dv_autoptr(git_diff) diff = NULL;
	int rc = head_tree(g, &head);

	if (!rc)
		rc = diff_index(g, head, &diff);
	for (size_t i = 0; !rc && i < git_diff_num_deltas(diff); i++) {
		const git_diff_delta *d = git_diff_get_delta(diff, i);
		const char *own = d->new_file.path ? dv_git_own(g, d->new_file.path) : NULL;

		if (!own || d->status == GIT_DELTA_DELETED ||
		    (d->new_file.mode != GIT_FILEMODE_BLOB &&
		     d->new_file.mode != GIT_FILEMODE_BLOB_EXECUTABLE))
			continue;
		if (is_filtered(g, d->new_file.path) && is_raw(g, &d->new_file))
			rc = cb(own, payload);
	}
	git_error_clear();
	return rc;
}

static int file_uses(const char *path, bool *yes)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;

	if (!path)
		return dv_err_nomem();
	if (dv_fs_read_file(&text, path, DV_ATTRIBUTES_MAX) == 0 && text.n)
		*yes |= memmem(text.p, text.n, "filter=dv", 9) != NULL;
	dv_error_clear();
	return 0;
}

int dv_git_uses_filter(dv_git *g, bool *yes)
{
	dv_autofree char *info = dv_path_join(g->commondir, "info/attributes");
	dv_autoptr(git_index) index = NULL;
	int gc = git_repository_index(&index, g->repo);
	int rc = gc ? dv_git_fail(gc, "cannot read git's index") : 0;

	*yes = false;
	if (!rc)
		rc = file_uses(info, yes);
	for (size_t i = 0; !rc && !*yes && i < git_index_entrycount(index); i++) {
		const git_index_entry *e = git_index_get_byindex(index, i);
		dv_autofree char *path = NULL;

		if (strcmp(dv_path_base(e->path), ".gitattributes") != 0)
			continue;
		path = dv_path_join(g->workdir, e->path);
		rc = file_uses(path, yes);
	}
	return rc;
}
