/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv_du: what outputs take in the cache. Every chunk is counted once for each output that needs it
 * and once for all together; bases that only other chunks need, listings and recipes take room too.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "repo/changes.h"
#include "repo/graft.h"
#include "repo/repo.h"
#include "repo/sync.h"
#include "store/tree.h"

/* An entry of the store that something needs. */
typedef struct piece {
	uint32_t raw, stored;
	uint32_t last;		/* the output that was counted last, from 1 */
	uint8_t codec;
	bool shared;		/* by several outputs */
	bool content;		/* for anybody */
} piece;
/* That an output needs it. */
typedef struct need {
	uint32_t piece;
	bool content;
} need;

typedef struct usage {
	dv_store *s;
	dv_reader *r;
	dv_map at[2];		/* chunks and recipes -> index in pieces */
	piece *pieces;
	size_t n, cap;
	dv_map seen;		/* objects of the output in work */
	need *needs;		/* of the output in work */
	size_t nneeds, needs_cap;
	dv_oid *todo;		/* trees of it, and bases, still to be looked at */
	size_t ntodo, todo_cap;
	uint32_t output;	/* its number, from 1 */
} usage;

static void usage_release(usage *u)
{
	dv_reader_free(u->r);
	dv_map_release(&u->at[0]);
	dv_map_release(&u->at[1]);
	dv_map_release(&u->seen);
	free(u->pieces);
	free(u->needs);
	free(u->todo);
}

/* -- entries ------------------------------------------------------------------------------- */

static int find_piece(usage *u, uint8_t kind, const dv_oid *id, const dv_place *at, uint32_t *i)
{
	dv_map *m = &u->at[kind == DV_KIND_RECIPE];
	uint64_t known;
	int rc;

	if (dv_map_get(m, id, &known)) {
		*i = (uint32_t)known;
		return 0;
	}
	if (u->n >= UINT32_MAX)
		return dv_err(DV_ERROR, "too many chunks to count");
	rc = dv_grow(&u->pieces, &u->cap, u->n + 1, sizeof(*u->pieces));
	if (!rc)
		rc = dv_map_put(m, id, u->n);
	if (rc)
		return rc;
	u->pieces[u->n] = (piece){ .raw = at->raw, .stored = at->stored, .codec = at->codec };
	*i = (uint32_t)u->n++;
	return 0;
}

/* Counts an entry for the output in work. *fresh: it was not counted before. */
static int count(usage *u, uint8_t kind, const dv_oid *id, const dv_place *at, bool content,
		 bool *fresh)
{
	uint32_t i = 0;
	piece *p;
	int rc = find_piece(u, kind, id, at, &i);

	*fresh = false;
	if (rc)
		return rc;
	p = &u->pieces[i];
	p->content |= content;
	if (p->last == u->output) {
		/* A base that turns out to be content as well: its own need says so. */
		for (size_t k = u->nneeds; content && k-- > 0;)
			if (u->needs[k].piece == i) {
				u->needs[k].content = true;
				break;
			}
		return 0;
	}
	p->shared |= p->last != 0;
	p->last = u->output;
	rc = dv_grow(&u->needs, &u->needs_cap, u->nneeds + 1, sizeof(*u->needs));
	if (!rc)
		u->needs[u->nneeds++] = (need){ i, content };
	*fresh = !rc;
	return rc;
}

static int push(usage *u, const dv_oid *oid)
{
	int rc = dv_grow(&u->todo, &u->todo_cap, u->ntodo + 1, sizeof(*u->todo));

	if (!rc)
		u->todo[u->ntodo++] = *oid;
	return rc;
}

/* A chunk and everything that it builds on. False in *there when a piece is missing. */
static int count_chunk(usage *u, const dv_oid *id, bool content, bool *there)
{
	size_t base = u->ntodo;
	int rc = push(u, id);

	while (!rc && u->ntodo > base) {
		const dv_oid next = u->todo[--u->ntodo];
		bool own = dv_oid_eq(&next, id), fresh;
		const dv_oid *bases;
		dv_place at;

		if (!dv_store_find(u->s, DV_KIND_CHUNK, &next, &at)) {
			*there = false;
			continue;
		}
		rc = count(u, DV_KIND_CHUNK, &next, &at, own && content, &fresh);
		if (rc || !fresh || !at.nbases)
			continue;
		rc = dv_reader_bases(u->r, &next, &at, &bases);
		for (int i = 0; i < at.nbases && !rc; i++)
			rc = push(u, &bases[i]);
	}
	return rc;
}

static int count_object(usage *u, const dv_oid *oid, bool content, bool *there)
{
	dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;
	dv_place at;
	bool fresh;
	int rc = dv_recipe_load(&recipe, u->r, oid);

	if (rc == DV_ENOTFOUND || rc == DV_ECORRUPT) {
		dv_error_clear();
		*there = false;
		return 0;
	}
	if (!rc && !recipe.is_chunk && dv_store_find(u->s, DV_KIND_RECIPE, oid, &at))
		rc = count(u, DV_KIND_RECIPE, oid, &at, false, &fresh);
	for (size_t i = 0; i < recipe.ninner && !rc; i++)
		rc = count_chunk(u, &recipe.inner[i], false, there);
	for (size_t i = 0; i < recipe.n && !rc; i++)
		rc = count_chunk(u, &recipe.c[i].id, content, there);
	return rc;
}

/* -- outputs ------------------------------------------------------------------------------- */

static int count_entry(usage *u, const dv_tree_entry *e, dv_usage *out)
{
	bool added, there = true;
	int rc = dv_map_add(&u->seen, &e->oid, 1, &added);

	if (rc || !added)
		return rc;
	if (!dv_store_has_object(u->s, &e->oid)) {
		out->missing++;
		return 0;
	}
	rc = count_object(u, &e->oid, e->kind != 'd', &there);
	if (!rc && e->kind == 'd' && there)
		rc = push(u, &e->oid);
	out->missing += !there;
	return rc;
}

/* Everything below `e`, once for the output in work. */
static int count_tree(usage *u, const dv_tree_entry *e, dv_usage *out)
{
	size_t base = u->ntodo;
	int rc;

	out->versions++;
	out->nfiles += e->kind == 'd' ? e->nfiles : 1;
	out->logical += e->size;
	rc = count_entry(u, e, out);
	while (!rc && u->ntodo > base) {
		dv_auto(dv_tree) t = DV_TREE_INIT;
		const dv_oid oid = u->todo[--u->ntodo];

		rc = dv_check_cancel();
		if (!rc)
			rc = dv_tree_load(&t, u->r, &oid);
		for (size_t i = 0; i < t.n && !rc; i++)
			rc = count_entry(u, &t.e[i], out);
	}
	return rc;
}

static void weigh(dv_usage *out, const piece *p, bool content)
{
	uint64_t saved = p->raw > p->stored ? p->raw - p->stored : 0;

	out->stored += p->stored;
	if (!content) {
		out->support += p->stored;
		return;
	}
	out->unique += p->raw;
	if (p->codec == DV_CODEC_ZSTD_DELTA)
		out->saved_deltas += saved;
	else
		out->saved_compression += saved;
}

static void finish(dv_usage *out)
{
	out->saved_sharing = out->logical > out->unique ? out->logical - out->unique : 0;
}

static void weigh_output(const usage *u, const need *needs, size_t n, dv_usage *out)
{
	for (size_t i = 0; i < n; i++) {
		const piece *p = &u->pieces[needs[i].piece];

		weigh(out, p, needs[i].content);
		out->shared += p->shared ? p->stored : 0;
	}
	finish(out);
}

/* One output in all its versions, and what they need. */
typedef struct row {
	dv_usage u;
	need *needs;
	size_t n;
} row;
typedef struct report {
	row *rows;
	size_t n, cap;
} report;

static void report_release(report *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->rows[i].needs);
	free(r->rows);
}

/* Counts `n` versions, one after the other, as one output. */
static int add_row(report *rep, usage *u, const char *path, const dv_tree_entry *versions, size_t n)
{
	row *w;
	int rc = dv_grow(&rep->rows, &rep->cap, rep->n + 1, sizeof(*rep->rows));

	if (rc)
		return rc;
	w = &rep->rows[rep->n];
	*w = (row){ .u = { .path = path } };
	dv_map_clear(&u->seen);
	u->nneeds = u->needs_cap = 0;
	u->output = (uint32_t)++rep->n;
	for (size_t i = 0; i < n && !rc; i++)
		rc = count_tree(u, &versions[i], &w->u);
	w->needs = dv_steal(&u->needs);
	w->n = u->nneeds;
	u->nneeds = u->needs_cap = 0;
	return rc;
}

/* -- the answer ---------------------------------------------------------------------------- */

static int tell(const report *rep, const usage *u, bool total, dv_usage_cb cb, void *payload)
{
	dv_usage all = { 0 };
	int rc = 0;

	for (size_t i = 0; i < rep->n && !rc; i++) {
		dv_usage one = rep->rows[i].u;

		/* Without a path it only stands for what others share. */
		if (!one.path)
			continue;
		weigh_output(u, rep->rows[i].needs, rep->rows[i].n, &one);
		all.versions += one.versions;
		all.nfiles += one.nfiles;
		all.logical += one.logical;
		all.missing += one.missing;
		rc = cb(&one, payload);
	}
	if (rc || !total)
		return rc;
	for (size_t i = 0; i < u->n; i++) {
		weigh(&all, &u->pieces[i], u->pieces[i].content);
		all.shared += u->pieces[i].shared ? u->pieces[i].stored : 0;
	}
	finish(&all);
	return cb(&all, payload);
}

static int compare_outputs(const void *pa, const void *pb)
{
	const dv_output *a = pa, *b = pb;
	int c = strcmp(a->path, b->path);

	return c ? c : dv_oid_cmp(&a->pointer.oid, &b->pointer.oid);
}

static int load_all(dv_repo *r, const dv_du_options *o, dv_output_list *all)
{
	dv_git_scope scope = { .all_commits = true };
	int rc = o->rev ? dv_repo_outputs_at(r, o->rev, all) : dv_repo_outputs(r, all);

	if (!rc && o->all_commits)
		rc = dv_sync_outputs_in(r, &scope, all);
	if (!rc && all->n)
		qsort(all->o, all->n, sizeof(*all->o), compare_outputs);
	return rc;
}

/* The part of an output that `rest` names. 1: this version has none. */
static int find_part(usage *u, const dv_output *o, const char *rest, dv_tree_entry *out)
{
	int rc;

	*out = dv_pointer_entry(&o->pointer);
	if (!*rest)
		return 0;
	if (!o->pointer.is_dir)
		return 1;
	rc = dv_tree_lookup(out, u->r, &o->pointer.oid, rest);
	if (rc != DV_ENOTFOUND)
		return rc;
	dv_error_clear();
	return 1;
}

/* All versions of the output that begins at `i`; *next is behind them. `rel` limits it to what is
 * at or below there. */
static int add_output(report *rep, usage *u, const dv_output_list *all, size_t i, const char *rel,
		      size_t *next)
{
	dv_autofree dv_tree_entry *versions = NULL;
	const char *rest = "", *path = all->o[i].path;
	size_t n = 0, cap = 0;
	bool wanted = !*rel || dv_path_below(path, rel, NULL);
	bool inside = !wanted && dv_path_below(rel, path, &rest);
	int rc = 0;

	for (; *next < all->n && !strcmp(all->o[*next].path, path) && !rc; ++*next) {
		const dv_output *o = &all->o[*next];

		if (*next > i && dv_oid_eq(&o->pointer.oid, &o[-1].pointer.oid))
			continue;
		rc = dv_grow(&versions, &cap, n + 1, sizeof(*versions));
		if (!rc)
			rc = find_part(u, o, inside ? rest : "", &versions[n]);
		n += !rc;
		rc = rc > 0 ? 0 : rc;
	}
	if (rc || !n)
		return rc;
	return add_row(rep, u, inside ? rel : wanted ? path : NULL, versions, n);
}

int dv_du(dv_repo *r, const char *path, const dv_du_options *o, dv_usage_cb cb, void *payload)
{
	__attribute__((cleanup(usage_release))) usage u = { 0 };
	__attribute__((cleanup(report_release))) report rep = { 0 };
	dv_auto(dv_output_list) all = DV_OUTPUT_LIST_INIT;
	dv_autofree char *rel = NULL;
	static const dv_du_options none;
	bool found = false;
	int rc = 0;

	o = o ? o : &none;
	if (path && *path)
		rc = dv_repo_rel(r, path, &rel);
	else if (!(rel = dv_strdup("")))
		rc = DV_ERROR;
	if (!rc)
		rc = load_all(r, o, &all);
	if (!rc)
		rc = dv_repo_store(r, &u.s);
	if (!rc)
		rc = dv_reader_new(&u.r, u.s);
	for (size_t i = 0, next = 0; i < all.n && !rc; i = next)
		rc = add_output(&rep, &u, &all, i, rel, &next);
	for (size_t i = 0; i < rep.n; i++)
		found |= rep.rows[i].u.path != NULL;
	if (!rc && *rel && !found)
		return dv_err_hint(dv_err(DV_ENOTFOUND, "'%s' is not tracked by dv", rel),
				   "run 'dv ls' to see what is");
	return rc ? rc : tell(&rep, &u, !*rel, cb, payload);
}
