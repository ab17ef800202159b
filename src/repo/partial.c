/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories that are here only in part: what was never brought is not what somebody deleted, and
 * recording the directory as it stands would take it out of the dataset.
 */
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "repo/record.h"
#include "repo/sync.h"

#define NAMED_MAX 3	/* files; the others are counted */

typedef struct search {
	const dv_record *c;
	dv_reader *reader;
	const char *path;	/* of the directory */
	int root;
	dv_buf names;
	size_t n;
} search;

static void search_release(search *s)
{
	dv_reader_free(s->reader);
	dv_buf_release(&s->names);
	if (s->root >= 0)
		close(s->root);
}

static bool is_there(const search *s, const char *path)
{
	struct stat st;

	if (dv_workdir_stat(&st, s->root, path) == 0)
		return true;
	dv_error_clear();
	return false;
}

static int note(search *s, const char *path, const char *suffix)
{
	if (s->n++ >= NAMED_MAX)
		return 0;
	return dv_buf_addf(&s->names, "%s'%s%s'", s->n > 1 ? ", " : "", path, suffix);
}

static int on_file(void *payload, const char *inner, const dv_tree_entry *a,
		   const dv_tree_entry *b)
{
	search *s = payload;
	dv_autofree char *path = NULL;

	(void)a;
	if (!b || b->kind == 'd' || dv_store_has_object(s->c->store, &b->oid))
		return 0;
	if (!(path = dv_path_join(s->path, inner)))
		return dv_err_nomem();
	return is_there(s, path) ? 0 : note(s, path, "");
}

/* What the store has no listing of is here in part as well. */
static int list(void *ctx, const char *inner, const dv_oid *oid, dv_tree *out)
{
	search *s = ctx;
	dv_autofree char *path = NULL;

	if (dv_store_has_object(s->c->store, oid))
		return dv_list_stored(s->reader, inner, oid, out);
	*out = (dv_tree)DV_TREE_INIT;
	/* Without any listing nothing is known of what was there: it is made anew as a whole. */
	if (!*inner)
		return 0;
	path = dv_path_join(s->path, inner);
	return path ? note(s, path, "/") : dv_err_nomem();
}

int dv_record_check_whole(const dv_record *c, const char *path, const dv_oid *tree)
{
	__attribute__((cleanup(search_release))) search s = { .c = c, .path = path, .root = -1 };
	const dv_side stored = { list, &s };
	bool whole = false;
	int r;

	if ((r = dv_reader_new(&s.reader, c->store)) < 0 ||
	    (r = dv_sync_is_cached(s.reader, tree, true, &whole)) < 0 || whole)
		return r;
	s.root = dv_fs_openat(AT_FDCWD, c->repo->root, O_RDONLY | O_DIRECTORY, 0);
	if (s.root < 0)
		return dv_err_sys("cannot open the workspace '%s'", c->repo->root);
	if (!is_there(&s, path))
		return 0;
	if ((r = dv_treediff_each(&stored, NULL, &stored, tree, 0, on_file, &s)) < 0 || s.n == 0)
		return r;
	if (s.n > NAMED_MAX)
		dv_buf_addf(&s.names, " and %zu more", s.n - NAMED_MAX);
	dv_err(DV_EDIRTY, "'%s' is here only in part, without %s: its record stays as it is", path,
	       dv_buf_str(&s.names));
	return dv_err_hint(DV_EDIRTY, "'dv add %s/FILE' records one file, 'dv pull %s' brings the "
			   "rest; '--force' takes out what is not here", path, path);
}
