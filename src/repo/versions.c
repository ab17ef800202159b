/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which versions a file had. Directories are compared tree by tree, newer with older, so that only
 * files that changed are looked at.
 */
#include "repo/versions.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "base/sha256.h"
#include "git/git.h"
#include "repo/treediff.h"

typedef struct finder {
	dv_reader *reader;
	const dv_map *kept;
	dv_histories l;
	dv_map at;		/* path of a file, hashed -> its history */
	dv_map dirs;		/* path of a directory, hashed -> place in `trees` */
	dv_oid *trees;		/* the version of each directory that was seen last */
	size_t ntrees, trees_cap;
	const char *dir;	/* the directory whose versions are compared */
	dv_map stages;		/* of lock files, that were seen */
} finder;

void dv_histories_release(dv_histories *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->l[i].oids);
	free(l->l);
	*l = (dv_histories){ 0 };
}

static void finder_release(finder *f)
{
	dv_histories_release(&f->l);
	dv_map_release(&f->at);
	dv_map_release(&f->dirs);
	dv_map_release(&f->stages);
	free(f->trees);
}

static dv_oid path_key(const char *path, const char *below)
{
	dv_sha256_ctx c;
	dv_oid key;

	dv_sha256_init(&c);
	dv_sha256_update(&c, path, strlen(path) + 1);
	dv_sha256_update(&c, below, strlen(below));
	dv_sha256_final(&c, &key);
	return key;
}

/* Adds an older version, unless it is the same. */
static int add_version(dv_history *l, const dv_oid *oid)
{
	int rc;

	if (l->n && dv_oid_eq(&l->oids[l->n - 1], oid))
		return 0;
	rc = dv_grow(&l->oids, &l->cap, l->n + 1, sizeof(*l->oids));
	if (!rc)
		l->oids[l->n++] = *oid;
	return rc;
}

static int history_of(finder *f, const char *path, const char *below, dv_history **out)
{
	dv_oid key = path_key(path, below);
	uint64_t at = f->l.n;
	int rc = 0;

	if (!dv_map_get(&f->at, &key, &at)) {
		rc = dv_grow(&f->l.l, &f->l.cap, f->l.n + 1, sizeof(*f->l.l));
		if (!rc)
			rc = dv_map_put(&f->at, &key, at);
		if (rc)
			return rc;
		f->l.l[f->l.n++] = (dv_history){ 0 };
	}
	*out = &f->l.l[at];
	return 0;
}

static bool is_file(const dv_tree_entry *e)
{
	return e && (e->kind == 'f' || e->kind == 'x');
}

/* A file of a directory, in a newer version and an older one. */
static int on_change(void *payload, const char *path, const dv_tree_entry *newer,
		     const dv_tree_entry *older)
{
	finder *f = payload;
	dv_history *l;
	int rc;

	if (!is_file(newer) || !is_file(older) || dv_oid_eq(&newer->oid, &older->oid))
		return 0;
	rc = history_of(f, f->dir, path, &l);
	if (!rc)
		rc = add_version(l, &newer->oid);
	return rc ? rc : add_version(l, &older->oid);
}

static int add_tree(finder *f, const char *path, const dv_oid *oid)
{
	const dv_side side = { dv_list_stored, f->reader };
	dv_oid key = path_key(path, "");
	dv_oid newer;
	uint64_t at;
	int rc;

	if (!dv_map_get(&f->dirs, &key, &at)) {
		rc = dv_grow(&f->trees, &f->trees_cap, f->ntrees + 1, sizeof(*f->trees));
		if (!rc)
			rc = dv_map_put(&f->dirs, &key, f->ntrees);
		if (!rc)
			f->trees[f->ntrees++] = *oid;
		return rc;
	}
	newer = f->trees[at];
	f->trees[at] = *oid;
	f->dir = path;
	if (dv_oid_eq(&newer, oid))
		return 0;
	return dv_treediff_each(&side, &newer, &side, oid, 0, on_change, f);
}

static int add_object(finder *f, const char *path, const dv_oid *oid, bool is_dir)
{
	dv_history *l;
	int rc;

	if (!dv_map_has(f->kept, oid) || !dv_store_has_object(dv_reader_store(f->reader), oid))
		return 0;
	if (is_dir)
		return add_tree(f, path, oid);
	rc = history_of(f, path, "", &l);
	return rc ? rc : add_version(l, oid);
}

static int add_outputs(finder *f, const dv_output_list *l)
{
	int rc = 0;

	for (size_t i = 0; i < l->n && !rc; i++)
		rc = add_object(f, l->o[i].path, &l->o[i].pointer.oid, l->o[i].pointer.is_dir);
	return rc;
}

static int on_record(const char *where, const char *path, const char *text, size_t n,
		     void *payload)
{
	dv_auto(dv_output_list) l = DV_OUTPUT_LIST_INIT;
	finder *f = payload;

	(void)where;
	if (dv_output_list_read(&l, path, text, n, &f->stages) < 0) {
		dv_error_clear();
		return 0;
	}
	return add_outputs(f, &l);
}

static int join(dv_history *to, dv_history *from)
{
	int rc = 0;

	for (size_t i = 0; i < from->n && !rc; i++)
		rc = add_version(to, &from->oids[i]);
	from->n = 0;
	return rc;
}

/* A file whose oldest version is the newest of another one was renamed. */
static int join_renamed(dv_histories *l)
{
	dv_auto(dv_map) ends = DV_MAP_INIT;
	int rc = 0;

	for (size_t i = 0; i < l->n && !rc; i++) {
		uint64_t to = i;

		if (!l->l[i].n)
			continue;
		if (dv_map_get(&ends, &l->l[i].oids[0], &to))
			rc = join(&l->l[to], &l->l[i]);
		if (!rc)
			rc = dv_map_put(&ends, &l->l[to].oids[l->l[to].n - 1], to);
	}
	return rc;
}

int dv_histories_find(dv_histories *out, dv_repo *r, dv_reader *reader, const dv_map *kept)
{
	__attribute__((cleanup(finder_release))) finder f = { .reader = reader, .kept = kept };
	dv_auto(dv_output_list) outputs = DV_OUTPUT_LIST_INIT;
	dv_git *git = NULL;
	int rc = dv_repo_outputs(r, &outputs);

	*out = (dv_histories){ 0 };
	if (!rc)
		rc = add_outputs(&f, &outputs);
	if (!rc && r->has_git)
		rc = dv_repo_git(r, &git);
	if (!rc && git)
		rc = dv_git_pointers_by_age(git, on_record, &f);
	if (!rc)
		rc = join_renamed(&f.l);
	if (rc < 0)
		return rc;
	*out = f.l;
	f.l = (dv_histories){ 0 };
	return 0;
}
