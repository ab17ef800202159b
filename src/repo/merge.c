/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv_merge: what git's merge driver does. Whatever fails leaves a conflict of both sides as they
 * are, never a result that was not thought through; the conflict's markers tell which it was.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"
#include "repo/conflict.h"
#include "repo/lockfile.h"
#include "repo/lockmerge.h"
#include "repo/pointermerge.h"
#include "repo/record.h"

enum { BASE, OURS, THEIRS };

typedef struct merger {
	dv_repo *repo;		/* NULL: there is none */
	const dv_merge_files *f;
	dv_buf text[3];
	char *rel;		/* of the file, relative to the root */
	const char *output;	/* of a pointer: what it stands for */
	dv_conflict_cb cb;
	void *payload;
	uint64_t n;		/* conflicts */
} merger;

static void merger_release(merger *m)
{
	for (unsigned i = 0; i < 3; i++)
		dv_buf_release(&m->text[i]);
	free(m->rel);
}

static int tell(merger *m, enum dv_conflict_why why, const char *path, const char *stage)
{
	const dv_conflict c = { .why = why, .path = path, .record = m->rel, .stage = stage };

	m->n++;
	return m->cb ? m->cb(&c, m->payload) : 0;
}

/* -- pointers ---------------------------------------------------------------------------------- */

static int on_clash(void *payload, const char *path, enum dv_tree_clash why)
{
	return tell(payload, (enum dv_conflict_why)why, path, NULL);
}

/* The ancestor's pointer. 1 where there is none; what cannot be read is two that differ. */
static int read_base(const merger *m, dv_pointer_pair *out)
{
	const dv_buf *text = &m->text[BASE];

	*out = (dv_pointer_pair){ 0 };
	if (!text->n)
		return 1;
	if (dv_pointer_pair_read(out, dv_buf_str(text), text->n, m->rel, NULL) == 0)
		return 0;
	dv_error_clear();
	memset(&out->p[1].oid, 0xff, sizeof(out->p[1].oid));
	return 0;
}

static int read_sides(const merger *m, dv_pointer_pair *out)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < 2; i++)
		rc = dv_pointer_parse(&out->p[i], dv_buf_str(&m->text[OURS + i]),
				      m->text[OURS + i].n, m->rel);
	return rc;
}

static int merge_pointers(merger *m, dv_buf *out)
{
	__attribute__((cleanup(dv_pointer_pair_release))) dv_pointer_pair base = { 0 }, x = { 0 };
	__attribute__((cleanup(dv_mergework_release))) dv_mergework w = DV_MERGEWORK_INIT;
	bool keys = false, same;
	int rc = read_sides(m, &x), none = read_base(m, &base);

	if (rc == 0 && !m->repo)
		rc = dv_err(DV_ENOREPO, "there is no dv repository");
	if (rc == 0)
		rc = dv_mergework_open(&w, m->repo, x.p[0].remote ? x.p[0].remote : x.p[1].remote);
	w.tree.clash = on_clash;
	w.tree.payload = m;
	if (rc == 0)
		rc = dv_pointer_merge(&w, m->output, none ? NULL : &base, &x, &keys);
	if (rc == 0)
		rc = dv_mergework_commit(&w);
	if (rc == 0 && keys)
		rc = tell(m, DV_CONFLICT_KEYS, m->output, NULL);
	return rc ? rc : dv_pointer_pair_print(out, &x, m->f->marker, &same);
}

/* -- lock files -------------------------------------------------------------------------------- */

static int on_stage(void *payload, const char *stage)
{
	merger *m = payload;

	return tell(m, DV_CONFLICT_STAGE, m->rel, stage);
}

static int merge_locks(merger *m, dv_buf *out)
{
	const char *base = dv_path_base(m->rel);
	dv_autofree char *dir = dv_strndup(m->rel, base > m->rel ? (size_t)(base - m->rel) - 1 : 0);
	bool clean;

	return dir ? dv_lock_merge(out, m->text, dir, m->rel, m->f->marker, on_stage, m, &clean)
		   : DV_ERROR;
}

/* -- .gitignore: lines that dv writes ---------------------------------------------------------- */

static dv_oid line_key(const char *p, size_t n)
{
	dv_oid key;

	dv_sha256(&key, p, n);
	return key;
}

/* Puts the lines of a text into a map, or looks for them there: *ok is false when one that is no
 * plain "/NAME" is missing. */
static int over_lines(const dv_buf *text, dv_map *put, const dv_map *in, bool *ok)
{
	const char *p = dv_buf_str(text), *end = p + text->n;
	int rc = 0;

	while (rc == 0 && p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		size_t n = eol ? (size_t)(eol - p) : (size_t)(end - p);
		const dv_oid key = line_key(p, n);

		if (put)
			rc = dv_map_put(put, &key, 1);
		else if (!dv_map_has(in, &key))
			*ok = *ok && *p == '/' && !memchr(p, '*', n) && !memchr(p, '?', n) &&
			      !memchr(p, '[', n);
		p += n + 1;
	}
	return rc;
}

/* Did both sides but add outputs? */
static int only_added(const merger *m, bool *yes)
{
	int rc = 0;

	*yes = true;
	for (unsigned i = OURS; rc == 0 && i <= THEIRS; i++) {
		dv_auto(dv_map) base = DV_MAP_INIT, side = DV_MAP_INIT;
		bool kept = true;
		size_t pos = 0;

		if ((rc = over_lines(&m->text[BASE], &base, NULL, NULL)) ||
		    (rc = over_lines(&m->text[i], &side, NULL, NULL)) ||
		    (rc = over_lines(&m->text[i], NULL, &base, yes)))
			return rc;
		for (const dv_map_entry *e; (e = dv_map_next(&base, &pos));)
			kept = kept && dv_map_has(&side, &e->oid);
		*yes = *yes && kept;
	}
	return rc;
}

static int merge_lines(merger *m, dv_buf *out)
{
	dv_git *g = NULL;
	bool clean = false, added = false;
	int rc = m->repo ? dv_repo_git(m->repo, &g)
			 : dv_err(DV_ENOREPO, "there is no dv repository");

	if (rc == 0)
		rc = dv_git_merge_lines(g, m->text, 0, m->f->marker, out, &clean);
	if (rc || clean)
		return rc;
	rc = only_added(m, &added);
	if (rc == 0 && added) {
		dv_buf_clear(out);
		return dv_git_merge_lines(g, m->text, DV_GIT_MERGE_UNION, 0, out, &clean);
	}
	return rc ? rc : tell(m, DV_CONFLICT_CHANGED, m->rel, NULL);
}

/* -- the whole --------------------------------------------------------------------------------- */

/* %P starts at the top of git's work tree, which may lie above the root. */
static int place(merger *m)
{
	dv_autofree char *full = NULL;
	const char *rest = NULL;

	if (m->repo && m->repo->has_git)
		full = dv_path_join(m->repo->dirs.workdir, m->f->path);
	if (full && dv_path_below(full, m->repo->root, &rest) && *rest)
		m->rel = dv_strdup(rest);
	else
		m->rel = dv_strdup(m->f->path);
	return m->rel ? 0 : dv_err_nomem();
}

static int read_texts(merger *m, size_t max)
{
	const char *const paths[] = { m->f->base, m->f->ours, m->f->theirs };
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < 3; i++)
		rc = dv_fs_read_file(&m->text[i], paths[i], max);
	return rc;
}

/* Both sides as they are. */
static int leave_both(merger *m, dv_buf *out)
{
	dv_warn("cannot merge '%s': %s", m->rel, dv_error_last()->message);
	dv_error_clear();
	dv_buf_clear(out);
	m->n = 0;
	int rc = tell(m, DV_CONFLICT_CHANGED, m->rel, NULL);
	return rc ? rc : dv_conflict_print(out, &m->text[OURS], &m->text[THEIRS], m->f->marker,
					   false);
}

typedef int (*merge_fn)(merger *m, dv_buf *out);

static int merge_with(merger *m, merge_fn fn, size_t max)
{
	dv_auto(dv_buf) out = DV_BUF_INIT;
	int rc = read_texts(m, max);

	if (rc)
		return rc;
	rc = fn(m, &out);
	if (rc == DV_ECANCELLED)
		return rc;
	if (rc < 0)
		rc = leave_both(m, &out);
	return rc ? rc : dv_fs_write_file(m->f->ours, dv_buf_str(&out), out.n,
					  DV_ATOMIC_KEEP_MODE);
}

int dv_merge(dv_repo *r, const dv_merge_files *f, dv_conflict_cb cb, void *payload,
	     uint64_t *conflicts)
{
	__attribute__((cleanup(merger_release))) merger m = {
		.repo = r, .f = f, .cb = cb, .payload = payload,
	};
	const char *name = dv_path_base(f->path);
	dv_autofree char *output = NULL;
	int rc = place(&m);

	if (rc == 0 && dv_pointer_is_name(name)) {
		output = dv_strndup(m.rel, strlen(m.rel) - strlen(DV_POINTER_SUFFIX));
		m.output = output;
		rc = output ? merge_with(&m, merge_pointers, DV_POINTER_MAX) : DV_ERROR;
	} else if (rc == 0 && strcmp(name, DV_LOCKFILE) == 0) {
		rc = merge_with(&m, merge_locks, DV_LOCKFILE_MAX);
	} else if (rc == 0 && strcmp(name, ".gitignore") == 0) {
		rc = merge_with(&m, merge_lines, DV_POINTER_MAX);
	} else if (rc == 0) {
		/* A file that git keeps as pointer: ours stays until somebody decides. */
		rc = tell(&m, DV_CONFLICT_CHANGED, m.rel, NULL);
	}
	*conflicts = m.n;
	return rc;
}
