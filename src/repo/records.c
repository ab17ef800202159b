/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What records outputs: pointers, one each, and lock files, many each. The history of a lock file
 * is read stage by stage: most of them stand in every version with the same words.
 */
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"
#include "repo/lockjournal.h"

#define HEAD "schema: dv 1\nstages:\n"

char *dv_output_stage_address(const dv_repo *r, const dv_output *o)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	size_t n = (size_t)(dv_path_base(o->pointer_path) - o->pointer_path);
	struct stat st;

	if (!n)
		return dv_strdup(o->stage);
	dv_buf_addf(&b, "%s/", r->root);
	dv_buf_add(&b, o->pointer_path, n);
	dv_buf_adds(&b, "dv.yaml");
	const char *file = b.err || lstat(dv_buf_str(&b), &st) == 0 ? "dv.yaml" : "dvc.yaml";
	dv_buf_clear(&b);
	dv_buf_add(&b, o->pointer_path, n);
	dv_buf_addf(&b, "%s:%s", file, o->stage);
	return dv_buf_detach(&b);
}

/* -- lock files -------------------------------------------------------------------------------- */

typedef struct reading {
	dv_output_list *l;
	const char *path, *dir;
} reading;

static char *borrow(const char *s)
{
	return (char *)(uintptr_t)s;
}

static int add_output(const reading *r, dv_lockfile *f, const dv_locked_stage *s,
		      const dv_locked_path *p)
{
	const char *full = p->full ? p->full : dv_locked_path_full(&f->arena, r->dir, s, p);

	if (!full)
		return DV_ERROR;
	const dv_output o = {
		.path = borrow(full), .pointer_path = borrow(r->path), .stage = borrow(s->name),
		.pointer = {
			.path = borrow(dv_path_base(full)), .oid = p->oid, .size = p->size,
			.nfiles = p->nfiles, .is_dir = p->is_dir, .isexec = p->isexec,
			.remote = borrow(p->remote), .no_push = p->no_push,
		},
	};
	return dv_output_list_add_copy(r->l, &o);
}

static int add_stages(const reading *r, dv_lockfile *f)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < f->n; i++) {
		const dv_locked_stage *s = &f->stages[i];

		for (size_t k = 0; rc == 0 && k < s->nouts; k++)
			rc = s->outs[k].no_cache ? 0 : add_output(r, f, s, &s->outs[k]);
	}
	return rc;
}

static int read_stages(const reading *r, const char *text, size_t n)
{
	dv_auto(dv_lockfile) f = DV_LOCKFILE_INIT;
	int rc = dv_lockfile_parse_outs(&f, text, n, r->dir, r->path);

	return rc ? rc : add_stages(r, &f);
}

static bool is_indented(const char *p, const char *eol, size_t columns)
{
	if ((size_t)(eol - p) <= columns)
		return false;
	for (size_t i = 0; i < columns; i++)
		if (p[i] != ' ')
			return false;
	return true;
}

/* The end of the stage that begins at `p`: as dv writes it, its name stands two columns in, and
 * everything else four or more. NULL where it is written otherwise. */
static const char *stage_end(const char *p, const char *end)
{
	for (bool first = true; p < end; first = false) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));

		if (!eol || !is_indented(p, eol, 2))
			return NULL;
		bool name = p[2] != ' ' && p[2] != '#';
		if (name && !first)
			return p;
		if (!name && (first || !is_indented(p, eol, 4)))
			return NULL;
		p = eol + 1;
	}
	return p;
}

/* Stages that `seen` does not know, as the text of a lock file, and the keys to know them by. */
typedef struct fresh {
	dv_buf text;
	dv_oid *keys;
	size_t n, cap;
} fresh;
static void fresh_release(fresh *f)
{
	dv_buf_release(&f->text);
	free(f->keys);
}

static int take_stage(fresh *f, const dv_map *seen, const char *path, const char *text, size_t n)
{
	dv_sha256_ctx c;
	dv_oid key;

	dv_sha256_init(&c);
	dv_sha256_update(&c, path, strlen(path) + 1);
	dv_sha256_update(&c, text, n);
	dv_sha256_final(&c, &key);
	if (dv_map_has(seen, &key))
		return 0;
	int rc = dv_grow(&f->keys, &f->cap, f->n + 1, sizeof(*f->keys));
	if (rc)
		return rc;
	f->keys[f->n++] = key;
	return dv_buf_add(&f->text, text, n);
}

/* 1 where the file must be read as a whole. */
static int read_fresh(const reading *r, const char *text, size_t n, dv_map *seen)
{
	dv_auto(fresh) f = { .text = DV_BUF_INIT };
	const char *end = text + n, *s = text, *next;
	int rc = dv_buf_adds(&f.text, HEAD);

	while (s < end && *s == '#' && (next = memchr(s, '\n', (size_t)(end - s))))
		s = next + 1;
	if ((size_t)(end - s) < sizeof(HEAD) || memcmp(s, HEAD, sizeof(HEAD) - 1) != 0)
		return 1;
	for (s += sizeof(HEAD) - 1; rc == 0 && s < end; s = next) {
		next = stage_end(s, end);
		if (!next)
			return 1;
		rc = take_stage(&f, seen, r->path, s, (size_t)(next - s));
	}
	if (rc || !f.n)
		return rc;
	/* A text that spans lines can look like a stage: then one of the parts is no YAML. */
	if (read_stages(r, f.text.p, f.text.n)) {
		dv_error_clear();
		return 1;
	}
	for (size_t i = 0; rc == 0 && i < f.n; i++)
		rc = dv_map_put(seen, &f.keys[i], 1);
	return rc;
}

static int read_lock(const reading *r, const char *text, size_t n, dv_map *seen)
{
	size_t before = r->l->n;
	int rc = seen ? read_fresh(r, text, n, seen) : 1;

	if (rc <= 0)
		return rc;
	dv_output_list_cut(r->l, before);
	return read_stages(r, text, n);
}

int dv_output_list_read_journaled(dv_output_list *l, const char *path, const char *text, size_t n,
				  const dv_lockjournal *j)
{
	const char *base = dv_path_base(path);
	dv_autofree char *dir = dv_strndup(path, base > path ? (size_t)(base - path) - 1 : 0);
	const reading r = { l, path, dir };
	dv_auto(dv_lockfile) f = DV_LOCKFILE_INIT;
	size_t before = l->n;
	int rc = dir ? dv_lockfile_parse(&f, text, n, dir, path) : dv_err_nomem();

	if (rc == 0)
		rc = dv_lockjournal_apply(j, &f, path, dir);
	if (rc == 0)
		rc = dv_lockfile_settle(&f, dir);
	if (rc == 0)
		rc = add_stages(&r, &f);
	if (rc)
		dv_output_list_cut(l, before);
	return rc;
}

/* -- all --------------------------------------------------------------------------------------- */

int dv_output_list_read(dv_output_list *l, const char *path, const char *text, size_t n,
			dv_map *seen)
{
	dv_auto(dv_pointer) p = DV_POINTER_INIT;
	const char *base = dv_path_base(path);
	size_t before = l->n;
	int rc;

	if (!dv_output_is_record(base)) {
		dv_lfs_pointer lfs;

		if (!dv_lfs_pointer_parse(&lfs, text, n))
			return dv_err(DV_ECORRUPT, "'%s' is no pointer", path);
		return lfs.size ? dv_output_list_add_filtered(l, path, &lfs) : 0;
	}
	if (strcmp(base, DV_LOCKFILE) == 0) {
		dv_autofree char *dir = dv_strndup(path, base > path ? (size_t)(base - path) - 1
								     : 0);
		const reading r = { l, path, dir };

		rc = dir ? read_lock(&r, text, n, seen) : dv_err_nomem();
	} else {
		rc = dv_pointer_parse(&p, text, n, path);
		if (rc == 0 && (!p.is_pending || l->pending_too))
			rc = dv_output_list_add(l, path, &p);
	}
	if (rc)
		dv_output_list_cut(l, before);
	return rc;
}
