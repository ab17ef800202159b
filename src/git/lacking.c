/* SPDX-License-Identifier: Apache-2.0 */
/* What a partial clone lacks: found out, and brought by git, one by one or many at once. */
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "git/ask.h"
#include "git/impl.h"

#define AT_ONCE ((size_t)50000)	/* objects in one call of git */

/* Calls fn with the name of each remote that has promised to have what is not here. */
static int each_promisor(dv_git *g, int (*fn)(const char *remote, void *ctx), void *ctx)
{
	git_config *config = NULL;
	git_config_iterator *it = NULL;
	git_config_entry *e = NULL;
	int rc = 0;

	/* libgit2 1.5 leaks what it matches patterns with, so the keys are compared here. */
	if (!git_repository_config(&config, g->repo) && !git_config_iterator_new(&it, config))
		while (!rc && !git_config_next(&e, it)) {
			size_t n = strlen(e->name);
			dv_autofree char *name = NULL;

			if (!strcmp(e->name, "extensions.partialclone")) {
				rc = fn(e->value ? e->value : "", ctx);
			} else if (!strncmp(e->name, "remote.", 7) && n > 16 &&
				   !strcmp(e->name + n - 9, ".promisor")) {
				name = dv_strndup(e->name + 7, n - 16);
				rc = name ? fn(name, ctx) : DV_ERROR;
			}
		}
	git_config_iterator_free(it);
	git_config_free(config);
	git_error_clear();
	return rc;
}

static int is_one(const char *remote, void *ctx)
{
	(void)remote;
	(void)ctx;
	return 1;
}

bool dv_git_is_partial(dv_git *g)
{
	if (!g->partial)
		g->partial = each_promisor(g, is_one, NULL) ? 1 : -1;
	return g->partial > 0;
}

/* -- one object -------------------------------------------------------------------------------- */

static bool bring_one(dv_git *g, const git_oid *id)
{
	char hex[DV_GIT_HEX + 1];

	git_oid_tostr(hex, sizeof hex, id);
	return dv_gitask_bring_object(g, hex);
}

int dv_git_blob(dv_git *g, const git_oid *id, git_blob **out)
{
	int gc = git_blob_lookup(out, g->repo, id);

	return gc == GIT_ENOTFOUND && bring_one(g, id) ? git_blob_lookup(out, g->repo, id) : gc;
}

int dv_git_tree(dv_git *g, const git_oid *id, git_tree **out)
{
	int gc = git_tree_lookup(out, g->repo, id);

	return gc == GIT_ENOTFOUND && bring_one(g, id) ? git_tree_lookup(out, g->repo, id) : gc;
}

int dv_git_blob_size(dv_git *g, const git_oid *id, size_t *size)
{
	dv_autoptr(git_odb) odb = NULL;
	git_object_t type;
	int gc = git_repository_odb(&odb, g->repo);

	*size = 0;
	if (!gc)
		gc = git_odb_read_header(size, &type, odb, id);
	return gc == GIT_ENOTFOUND && odb && bring_one(g, id) ?
		       git_odb_read_header(size, &type, odb, id) : gc;
}

int dv_git_entry(dv_git *g, const git_tree *tree, const char *path, git_tree_entry **out)
{
	dv_autoptr(git_tree) below = NULL;
	int gc = 0;

	*out = NULL;
	for (const char *slash; !gc && (slash = strchr(path, '/')); path = slash + 1) {
		dv_autofree char *name = dv_strndup(path, (size_t)(slash - path));
		const git_tree_entry *e = name ? git_tree_entry_byname(tree, name) : NULL;
		git_tree *next = NULL;

		if (!name)
			return GIT_ERROR;
		if (!e || git_tree_entry_type(e) != GIT_OBJECT_TREE)
			return 0;
		gc = dv_git_tree(g, git_tree_entry_id(e), &next);
		git_tree_free(below);
		tree = below = next;
	}
	const git_tree_entry *e = gc ? NULL : git_tree_entry_byname(tree, path);
	return e ? git_tree_entry_dup(out, e) : gc;
}

int dv_git_subtree(dv_git *g, const git_tree *tree, const char *path, git_tree **out)
{
	dv_autoptr(git_tree_entry) e = NULL;
	int gc = dv_git_entry(g, tree, path, &e);

	*out = NULL;
	return gc || !e || git_tree_entry_type(e) != GIT_OBJECT_TREE
		       ? gc : dv_git_tree(g, git_tree_entry_id(e), out);
}

/* -- many -------------------------------------------------------------------------------------- */

void dv_git_lacking_release(dv_git_lacking *l)
{
	free(l->ids);
}

int dv_git_lacking_note(dv_git_lacking *l, dv_git *g, const git_oid *id, bool *lacks)
{
	dv_autoptr(git_odb) odb = NULL;

	if (git_repository_odb(&odb, g->repo))
		return dv_git_fail(-1, "cannot look into git's objects");
	bool here = git_odb_exists_ext(odb, id, GIT_ODB_LOOKUP_NO_REFRESH) == 1;
	if (lacks)
		*lacks = !here;
	if (here || !l)
		return 0;
	int rc = dv_grow(&l->ids, &l->cap, l->n + 1, sizeof(*l->ids));
	if (!rc)
		l->ids[l->n++] = *id;
	return rc;
}

static int by_id(const void *a, const void *b)
{
	return git_oid_cmp(a, b);
}

static int ids_of(const dv_git_lacking *l, size_t from, dv_buf *out)
{
	for (size_t i = from; i < l->n && i < from + AT_ONCE; i++) {
		char hex[DV_GIT_HEX + 1];

		if (i && git_oid_equal(&l->ids[i], &l->ids[i - 1]))
			continue;
		git_oid_tostr(hex, sizeof(hex), &l->ids[i]);
		dv_buf_addf(out, "%s\n", hex);
	}
	return out->err;
}

struct asking {
	dv_git *g;
	dv_buf ids;
	int last;	/* what the remote that was asked last said */
};

/* What one of several remotes lacks, another may have. */
static int ask_remote(const char *remote, void *ctx)
{
	struct asking *a = ctx;

	if (a->last && *remote)
		a->last = dv_gitask_bring_objects(a->g, remote, &a->ids);
	return a->last == DV_ECANCELLED ? DV_ECANCELLED : 0;
}

int dv_git_lacking_bring(dv_git_lacking *l, dv_git *g)
{
	dv_autoptr(git_odb) odb = NULL;
	int rc = 0;

	if (l->n)
		qsort(l->ids, l->n, sizeof(*l->ids), by_id);
	for (size_t i = 0; !rc && i < l->n; i += AT_ONCE) {
		struct asking a = { .g = g, .ids = DV_BUF_INIT };

		a.last = dv_err(DV_ENOTFOUND, "no remote has promised to have it");
		rc = ids_of(l, i, &a.ids);
		if (!rc && a.ids.n)
			rc = each_promisor(g, ask_remote, &a);
		if (!rc && a.ids.n && a.last)
			rc = dv_err_hint(dv_err_ctx(a.last, "git cannot bring what this partial "
						    "clone lacks"),
					 "run the command again when git's remote can be reached");
		dv_buf_release(&a.ids);
		if (!rc)
			dv_error_clear();
	}
	if (!git_repository_odb(&odb, g->repo))
		git_odb_refresh(odb);
	return rc;
}
