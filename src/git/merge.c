/* SPDX-License-Identifier: Apache-2.0 */
/* What git knows of a merge that is not finished: the stages of its index; and how it merges
 * lines. */
#include <string.h>

#include "base/alloc.h"
#include "git/impl.h"

static void take_stage(dv_git_conflict *c, unsigned stage, const git_index_entry *e)
{
	c->id[stage][0] = 0;
	c->mode[stage] = 0;
	if (!e)
		return;
	git_oid_tostr(c->id[stage], DV_GIT_HEX + 1, &e->id);
	c->mode[stage] = e->mode;
}

static int open_index(dv_git *g, git_index **out)
{
	int gc = git_repository_index(out, g->repo);

	if (!gc)
		gc = git_index_read(*out, 1);
	return gc ? dv_git_fail(gc, "cannot read git's index") : 0;
}

static int each_conflict(dv_git *g, git_index_conflict_iterator *it, dv_git_conflict_cb cb,
			 void *payload)
{
	const git_index_entry *e[3];
	int rc = 0, gc = 0;

	while (!rc && !(gc = git_index_conflict_next(&e[0], &e[1], &e[2], it))) {
		const git_index_entry *any = e[1] ? e[1] : e[2] ? e[2] : e[0];
		dv_git_conflict c = { .path = any ? dv_git_own(g, any->path) : NULL };

		if (!c.path)
			continue;
		for (unsigned i = 0; i < 3; i++)
			take_stage(&c, i, e[i]);
		rc = cb(&c, payload);
	}
	if (!rc && gc != GIT_ITEROVER)
		rc = dv_git_fail(gc, "cannot read the conflicts in git's index");
	git_error_clear();
	return rc;
}

int dv_git_conflicts(dv_git *g, dv_git_conflict_cb cb, void *payload)
{
	git_index_conflict_iterator *it = NULL;
	dv_autoptr(git_index) index = NULL;
	int rc = open_index(g, &index);

	if (rc || !git_index_has_conflicts(index))
		return rc;
	int gc = git_index_conflict_iterator_new(&it, index);
	rc = gc ? dv_git_fail(gc, "cannot read the conflicts in git's index")
		: each_conflict(g, it, cb, payload);
	git_index_conflict_iterator_free(it);
	return rc;
}

int dv_git_settle(dv_git *g, const char *path, const char *id, unsigned mode)
{
	dv_autoptr(git_index) index = NULL;
	dv_autofree char *full = dv_git_full(g, path);
	git_index_entry e = { .path = full, .mode = mode };
	int rc = full ? open_index(g, &index) : dv_err_nomem(), gc;

	if (rc)
		return rc;
	gc = git_oid_fromstr(&e.id, id);
	if (!gc)
		gc = git_index_conflict_remove(index, full);
	if (gc == GIT_ENOTFOUND)
		gc = 0;
	if (!gc)
		gc = git_index_add(index, &e);
	if (!gc)
		gc = dv_git_write_index(index);
	if (!gc)
		return 0;
	rc = dv_git_fail(gc, "cannot stage '%s'", path);
	git_index_read(index, 1);
	return rc;
}

int dv_git_merge_lines(dv_git *g, const dv_buf text[3], unsigned flags, int marker, dv_buf *out,
		       bool *clean)
{
	git_merge_file_options o = { .version = GIT_MERGE_FILE_OPTIONS_VERSION };
	git_merge_file_input in[3];
	git_merge_file_result result = { 0 };

	(void)g;
	o.our_label = "ours";
	o.their_label = "theirs";
	if (flags & DV_GIT_MERGE_UNION)
		o.favor = GIT_MERGE_FILE_FAVOR_UNION;
	if (marker > 0 && marker <= DV_GIT_MARKER_MAX)
		o.marker_size = (unsigned short)marker;
	for (unsigned i = 0; i < 3; i++) {
		git_merge_file_init_input(&in[i], GIT_MERGE_FILE_INPUT_VERSION);
		in[i].ptr = dv_buf_str(&text[i]);
		in[i].size = text[i].n;
		in[i].mode = GIT_FILEMODE_BLOB;
	}
	int gc = git_merge_file(&result, &in[0], &in[1], &in[2], &o);
	int rc = gc ? dv_git_fail(gc, "cannot merge lines") : dv_buf_add(out, result.ptr,
									 result.len);
	*clean = result.automergeable != 0;
	git_merge_file_result_free(&result);
	return rc;
}
