/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv_conflicts, dv_resolve: what is in conflict, and taking one side of it. What was decided so far
 * is in the text of the pointer itself, whose two sides differ in what is left. Where git merged
 * the text, or nothing merged it, the three versions in git's index are merged first.
 */
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/path.h"
#include "git/lfs_pointer.h"
#include "repo/changes.h"
#include "repo/conflict.h"
#include "repo/lockfile.h"
#include "repo/resolve_impl.h"

/* -- what is in conflict ----------------------------------------------------------------------- */

void dv_resolving_release(dv_resolving *x)
{
	for (size_t i = 0; i < x->n; i++)
		free(x->c[i].path);
	free(x->c);
	dv_targets_release(&x->targets);
	dv_lock_release(&x->lock);
}

static bool is_filtered(dv_git *g, const dv_git_conflict *c)
{
	for (unsigned i = 0; i < 3; i++) {
		dv_auto(dv_buf) text = DV_BUF_INIT;

		if (c->id[i][0] &&
		    dv_git_read_id(g, c->id[i], c->path, DV_LFS_POINTER_MAX, &text) == 0 &&
		    text.n && dv_lfs_pointer_parse(NULL, dv_buf_str(&text), text.n))
			return true;
	}
	dv_error_clear();
	return false;
}

static int add_record(dv_resolving *x, const char *path, enum dv_record_kind kind,
		      const dv_git_conflict *c)
{
	int rc = dv_grow(&x->c, &x->cap, x->n + 1, sizeof(*x->c));
	dv_conflicted r = { .kind = kind, .path = rc ? NULL : dv_strdup(path) };

	if (rc || !r.path)
		return rc ? rc : DV_ERROR;
	if (c) {
		r.staged = true;
		memcpy(r.id, c->id, sizeof(r.id));
		memcpy(r.mode, c->mode, sizeof(r.mode));
	}
	x->c[x->n++] = r;
	return 0;
}

static int on_conflict(const dv_git_conflict *c, void *payload)
{
	dv_resolving *x = payload;
	const char *name = dv_path_base(c->path);

	if (!dv_path_is_safe(c->path) || dv_repo_is_own(c->path))
		return 0;
	if (dv_pointer_is_name(name))
		return add_record(x, c->path, DV_RECORD_POINTER, c);
	if (strcmp(name, DV_LOCKFILE) == 0)
		return add_record(x, c->path, DV_RECORD_LOCK, c);
	return is_filtered(x->git, c) ? add_record(x, c->path, DV_RECORD_FILTERED, c) : 0;
}

static bool has_record(const dv_resolving *x, const char *path)
{
	for (size_t i = 0; i < x->n; i++)
		if (strcmp(x->c[i].path, path) == 0)
			return true;
	return false;
}

int dv_resolving_text(const dv_resolving *x, const dv_conflicted *c, dv_buf *out)
{
	dv_autofree char *abs = dv_repo_abs(x->repo, c->path);

	return abs ? dv_fs_read_file(out, abs, c->kind == DV_RECORD_LOCK ? DV_LOCKFILE_MAX
									 : DV_POINTER_MAX)
		   : dv_err_nomem();
}

/* A file with markers that git believes to be settled. */
static int add_marked(dv_resolving *x, const char *path)
{
	const char *name = dv_path_base(path);
	bool lock = strcmp(name, DV_LOCKFILE) == 0;
	dv_conflicted c = { .kind = lock ? DV_RECORD_LOCK : DV_RECORD_POINTER,
			    .path = (char *)(uintptr_t)path };
	dv_auto(dv_buf) text = DV_BUF_INIT;

	if ((!lock && !dv_pointer_is_name(name)) || has_record(x, path))
		return 0;
	if (dv_resolving_text(x, &c, &text) < 0) {
		dv_error_clear();
		return 0;
	}
	return dv_conflict_has(dv_buf_str(&text), text.n) ? add_record(x, path, c.kind, NULL) : 0;
}

/* The target itself, its pointer, and those of the folders above. */
static int add_around(dv_resolving *x, const char *target)
{
	dv_autofree char *path = dv_strdup(target);
	int rc = path ? add_marked(x, path) : DV_ERROR;

	while (rc == 0 && *path) {
		dv_auto(dv_buf) pointer = DV_BUF_INIT;
		char *slash = strrchr(path, '/');

		dv_buf_addf(&pointer, "%s" DV_POINTER_SUFFIX, path);
		rc = pointer.err ? pointer.err : add_marked(x, dv_buf_str(&pointer));
		*(slash ? slash : path) = 0;
	}
	return rc;
}

int dv_resolving_open(dv_resolving *x, dv_repo *r, const char *const *targets, size_t n)
{
	int rc = dv_targets_resolve(&x->targets, r, targets, n);

	x->repo = r;
	if (rc == 0 && r->has_git && (rc = dv_repo_git(r, &x->git)) == 0)
		rc = dv_git_conflicts(x->git, on_conflict, x);
	for (size_t i = 0; rc == 0 && i < x->targets.n; i++)
		rc = add_around(x, x->targets.path[i]);
	return rc;
}

/* -- pointers ---------------------------------------------------------------------------------- */

int dv_resolving_version(const dv_resolving *x, const dv_conflicted *c, unsigned i, dv_buf *out)
{
	size_t max = c->kind == DV_RECORD_LOCK ? DV_LOCKFILE_MAX : DV_POINTER_MAX;

	dv_buf_clear(out);
	return c->id[i][0] ? dv_git_read_id(x->git, c->id[i], c->path, max, out) : 0;
}

static char *output_of(const dv_conflicted *c)
{
	return dv_strndup(c->path, strlen(c->path) - strlen(DV_POINTER_SUFFIX));
}

/* Merges the three versions of the index. */
static int merge_stages(const dv_resolving *x, const dv_conflicted *c, dv_mergework *w,
			dv_pointer_pair *out)
{
	__attribute__((cleanup(dv_pointer_pair_release))) dv_pointer_pair base = { 0 };
	dv_autofree char *output = output_of(c);
	dv_auto(dv_buf) text = DV_BUF_INIT;
	bool keys;
	int rc = output ? dv_resolving_version(x, c, 0, &text) : DV_ERROR;

	if (rc == 0 && text.n)
		rc = dv_pointer_pair_read(&base, dv_buf_str(&text), text.n, c->path, NULL);
	for (unsigned i = 0; rc == 0 && i < 2; i++) {
		dv_auto(dv_buf) side = DV_BUF_INIT;

		rc = dv_resolving_version(x, c, 1 + i, &side);
		if (rc == 0)
			rc = dv_pointer_parse(&out->p[i], dv_buf_str(&side), side.n, c->path);
	}
	if (rc == 0 && !w->repo)
		rc = dv_mergework_open(w, x->repo, out->p[0].remote);
	if (rc == 0)
		rc = dv_pointer_merge(w, output, text.n ? &base : NULL, out, &keys);
	return rc ? rc : dv_mergework_commit(w);
}

int dv_resolving_pair(const dv_resolving *x, const dv_conflicted *c, dv_mergework *w,
		      dv_pointer_pair *out)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	bool merged = false;
	int rc = dv_resolving_text(x, c, &text);

	*out = (dv_pointer_pair){ 0 };
	if (rc == 0)
		rc = dv_pointer_pair_read(out, dv_buf_str(&text), text.n, c->path, &merged);
	if (rc == DV_ECANCELLED || (rc < 0 && !c->staged) || (rc == 0 && (merged || !c->staged)))
		return rc;
	dv_pointer_pair_release(out);
	return merge_stages(x, c, w, out);
}

bool dv_conflicted_is_whole(const dv_conflicted *c)
{
	return c->staged && (!c->id[1][0] || !c->id[2][0]);
}

/* -- telling ----------------------------------------------------------------------------------- */

struct teller {
	const dv_conflicted *c;
	dv_conflict_cb cb;
	void *payload;
	uint64_t n;
};

static int tell(struct teller *t, enum dv_conflict_why why, const char *path, const char *stage)
{
	const dv_conflict k = { .why = why, .path = path, .record = t->c->path, .stage = stage };

	t->n++;
	return t->cb ? t->cb(&k, t->payload) : 0;
}

static int on_clash(void *payload, const char *path, enum dv_tree_clash why)
{
	return tell(payload, (enum dv_conflict_why)why, path, NULL);
}

static int on_stage(void *payload, const char *stage)
{
	struct teller *t = payload;

	return tell(t, DV_CONFLICT_STAGE, t->c->path, stage);
}

/* What the pointer was before the sides parted; kind 0 when that is not known. */
static int base_entry(const dv_resolving *x, const dv_conflicted *c, dv_tree_entry *out)
{
	__attribute__((cleanup(dv_pointer_pair_release))) dv_pointer_pair base = { 0 };
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = dv_resolving_version(x, c, 0, &text);

	*out = (dv_tree_entry){ 0 };
	if (rc == 0 && text.n)
		rc = dv_pointer_pair_read(&base, dv_buf_str(&text), text.n, c->path, NULL);
	if (rc == DV_ECANCELLED)
		return rc;
	dv_error_clear();
	/* A base of two, which git makes of several ancestors, is like neither of them. */
	if (rc == 0 && text.n)
		*out = dv_pointer_entry(&base.p[0]);
	return 0;
}

static int tell_pointer(const dv_resolving *x, struct teller *t)
{
	__attribute__((cleanup(dv_mergework_release))) dv_mergework w = DV_MERGEWORK_INIT;
	__attribute__((cleanup(dv_pointer_pair_release))) dv_pointer_pair p = { 0 };
	dv_autofree char *output = output_of(t->c);
	int rc = output ? dv_mergework_open(&w, x->repo, NULL) : DV_ERROR;

	if (rc == 0)
		rc = dv_resolving_pair(x, t->c, &w, &p);
	w.remote = p.p[0].remote;
	if (rc)
		return rc;
	const dv_tree_entry e[2] = { dv_pointer_entry(&p.p[0]), dv_pointer_entry(&p.p[1]) };
	dv_tree_entry base;
	rc = base_entry(x, t->c, &base);
	if (rc == 0)
		rc = dv_tree_clashes(&w.tree, output, &base, e, on_clash, t);
	if (rc == 0 && !t->n) {
		dv_auto(dv_buf) text = DV_BUF_INIT;
		bool same = true;

		rc = dv_pointer_pair_print(&text, &p, 0, &same);
		if (rc == 0 && !same)
			rc = tell(t, DV_CONFLICT_KEYS, output, NULL);
	}
	return rc;
}

int dv_resolving_lock(const dv_resolving *x, const dv_conflicted *c, dv_lock_clash_fn fn,
		      void *payload, dv_buf *out)
{
	dv_autofree char *dir = dv_path_dir(c->path);
	dv_buf text[3] = { DV_BUF_INIT, DV_BUF_INIT, DV_BUF_INIT };
	bool clean;
	int rc = dir ? 0 : DV_ERROR;

	for (unsigned i = 0; rc == 0 && i < 3; i++)
		rc = dv_resolving_version(x, c, i, &text[i]);
	if (rc == 0)
		rc = dv_lock_merge(out, text, strcmp(dir, ".") != 0 ? dir : "", c->path, 0, fn,
				   payload, &clean);
	for (unsigned i = 0; i < 3; i++)
		dv_buf_release(&text[i]);
	return rc;
}

int dv_resolving_tell(const dv_resolving *x, const dv_conflicted *c, dv_conflict_cb cb,
		      void *payload, uint64_t *n)
{
	struct teller t = { .c = c, .cb = cb, .payload = payload };
	dv_autofree char *output = c->kind == DV_RECORD_POINTER ? output_of(c)
								: dv_strdup(c->path);
	dv_auto(dv_buf) merged = DV_BUF_INIT;
	int rc = 0;

	if (!output)
		return DV_ERROR;
	if (dv_conflicted_is_whole(c))
		rc = tell(&t, c->id[1][0] ? DV_CONFLICT_THEIRS_DELETED : DV_CONFLICT_OURS_DELETED,
			  output, NULL);
	else if (c->kind == DV_RECORD_POINTER)
		rc = tell_pointer(x, &t);
	else if (c->kind == DV_RECORD_LOCK && c->staged)
		rc = dv_resolving_lock(x, c, on_stage, &t, &merged);
	/* What can be settled although nothing differs is in conflict for git alone. */
	if (rc == 0 && !t.n)
		rc = tell(&t, DV_CONFLICT_CHANGED, output, NULL);
	if (n)
		*n += t.n;
	return rc;
}

bool dv_resolving_wants(const dv_resolving *x, const dv_conflicted *c, size_t *at,
			const char **inner)
{
	dv_autofree char *output = c->kind == DV_RECORD_POINTER ? output_of(c)
								: dv_strdup(c->path);

	*inner = "";
	if (!x->targets.n)
		return (*at)++ == 0;
	while (output && *at < x->targets.n) {
		const char *t = x->targets.path[(*at)++], *rest;

		if (!*t || dv_path_below(c->path, t, NULL) || dv_path_below(output, t, NULL))
			return true;
		if (c->kind == DV_RECORD_POINTER && dv_path_below(t, output, &rest)) {
			*inner = rest;
			return true;
		}
	}
	return false;
}

int dv_conflicts(dv_repo *r, const char *const *targets, size_t n, dv_conflict_cb cb,
		 void *payload)
{
	__attribute__((cleanup(dv_resolving_release))) dv_resolving x = DV_RESOLVING_INIT;
	int rc = dv_resolving_open(&x, r, targets, n);

	for (size_t i = 0; rc == 0 && i < x.n; i++) {
		const char *inner;
		size_t at = 0;

		if (dv_resolving_wants(&x, &x.c[i], &at, &inner))
			rc = dv_resolving_tell(&x, &x.c[i], cb, payload, NULL);
	}
	return rc;
}
